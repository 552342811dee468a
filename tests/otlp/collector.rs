//! A collector on a port of its own: takes what is exported, or does what a test asks of it instead.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use prost::Message as _;

use crate::rig::offered;

/// How a collector behaves.
#[derive(Clone, Copy)]
pub(super) enum Manner {
    Takes,
    Fails,
    Hangs,
}

/// One span as it arrived.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) name: String,
    pub(super) trace: Vec<u8>,
    pub(super) id: Vec<u8>,
    pub(super) parent: Vec<u8>,
    pub(super) lasted: (u64, u64),
    /// Its attributes.
    pub(super) said: BTreeMap<String, String>,
}

/// What a collector was sent.
#[derive(Default)]
pub(super) struct Heard {
    pub(super) spans: Vec<Seen>,
    /// Attributes of whoever sent them.
    pub(super) sender: BTreeMap<String, String>,
    pub(super) requests: Vec<HeaderMap>,
}

pub(super) struct Collector {
    pub(super) url: String,
    pub(super) heard: Arc<Mutex<Heard>>,
    _runtime: tokio::runtime::Runtime,
}

impl Collector {
    pub(super) fn that(manner: Manner) -> Self {
        let heard = Arc::<Mutex<Heard>>::default();
        let ears = Arc::clone(&heard);
        let take = move |headers: HeaderMap, body: Bytes| {
            let ears = Arc::clone(&ears);
            async move {
                match manner {
                    Manner::Takes => {
                        ears.lock().expect("ears").hear(headers, body);
                        StatusCode::OK
                    }
                    Manner::Fails => StatusCode::INTERNAL_SERVER_ERROR,
                    Manner::Hangs => pending().await,
                }
            }
        };
        let (url, runtime) = offered(Router::new().route("/v1/traces", post(take)));
        Self { url, heard, _runtime: runtime }
    }
}

impl Heard {
    fn hear(&mut self, headers: HeaderMap, body: Bytes) {
        let request = ExportTraceServiceRequest::decode(body).expect("the collector's own form");
        self.requests.push(headers);
        for of_resource in request.resource_spans {
            self.sender = said(of_resource.resource.expect("a resource").attributes);
            let spans = of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
            self.spans.extend(spans.map(|span| {
                assert!(span.events.is_empty(), "lines of the log are no part of a span: {span:?}");
                Seen {
                    name: span.name,
                    trace: span.trace_id,
                    id: span.span_id,
                    parent: span.parent_span_id,
                    lasted: (span.start_time_unix_nano, span.end_time_unix_nano),
                    said: said(span.attributes),
                }
            }));
        }
    }

    /// The spans of a name.
    pub(super) fn named(&self, name: &str) -> Vec<&Seen> {
        self.spans.iter().filter(|span| span.name == name).collect()
    }
}

fn said(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    attributes.into_iter().map(|one| (one.key, text(one.value))).collect()
}

fn text(value: Option<AnyValue>) -> String {
    match value.and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::DoubleValue(number)) => number.to_string(),
        Some(Value::BoolValue(flag)) => flag.to_string(),
        other => panic!("an attribute of another kind: {other:?}"),
    }
}
