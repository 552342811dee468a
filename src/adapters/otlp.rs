//! Spans of decisions to a collector of OpenTelemetry: OTLP over HTTP, in protobuf.
//!
//! Only a binary that is built with the feature `otlp` has this, and only the spans of `actors/spans.rs`
//! go there: no line of the log, nothing of a library. What is under way waits in a queue with an end,
//! beside trading: whoever makes a span never waits, and what has no room is dropped and counted. A
//! collector that is down, slow or wrong costs spans and nothing else.
//!
//! Headers, in which a collector's token may stand, are read by the exporter from the environment alone
//! (`OTEL_EXPORTER_OTLP_HEADERS`), and so are the service's name and what else OpenTelemetry has for it.

mod delivery;
mod layer;

use std::env;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{Key, KeyValue};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanExporter as _};
use tokio::sync::Notify;

use self::delivery::{Outbox, Tally};
pub(crate) use self::layer::{Ours, Spans};
use super::model_http::{ModelError, address, client};

/// Where spans go by the standard, this one before the next; the address is taken as it is.
const TRACES_ENV: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
/// Where everything goes by the standard; the path of traces comes behind it.
const ENDPOINT_ENV: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
/// The path of traces at a collector.
const PATH: &str = "v1/traces";
/// The key of the configuration.
const KEY: &str = "telemetry.otlp";
/// How long the end of the process waits for what is under way.
const FAREWELL: Duration = Duration::from_secs(3);

/// Why spans cannot be exported as it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum OtlpError {
    /// The address is not taken.
    #[error("{name}: {error}")]
    Address {
        /// The key or the variable that it stands in.
        name: &'static str,
        /// What is wrong with it.
        error: ModelError,
    },
    /// A variable of OpenTelemetry asks for what is not built.
    #[error("the exporter of spans refuses its settings: {0}")]
    Settings(String),
    /// The system gave no thread or no runtime.
    #[error("the exporter of spans did not start: {0}")]
    Start(#[from] std::io::Error),
}

/// The export of a process's spans; where it is dropped it waits for what is under way, for a few
/// seconds at most.
#[derive(Debug)]
pub struct Traces(Option<Export>);

#[derive(Debug)]
struct Export {
    /// Kept, because its end is the end of all tracers.
    _provider: SdkTracerProvider,
    closing: Arc<Notify>,
    tally: Arc<Tally>,
    /// Closed when everything is delivered or given up.
    delivered: Receiver<()>,
}

impl Traces {
    /// Exports from now on, if the configuration or the environment says where to; once per process, a
    /// second call exports nothing more.
    ///
    /// # Errors
    /// When the address or a variable is not taken, or the system gives no thread.
    pub fn begin(configured: &str) -> Result<Self, OtlpError> {
        let Some((name, base, path)) = place(configured) else { return Ok(Self(None)) };
        let refused = |error| OtlpError::Address { name, error };
        // Judged like the address of any vendor: a token may go with what is sent there.
        let url = address(&base, path).map_err(refused)?;
        let client = client(&url).map_err(refused)?;
        let endpoint = url.as_str().trim_end_matches('/');
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(endpoint)
            .build();
        let mut exporter = exporter.map_err(|error| OtlpError::Settings(error.to_string()))?;
        let resource = resource();
        exporter.set_resource(&resource);
        let tally = Arc::new(Tally::default());
        let closing = Arc::new(Notify::new());
        let (outbox, delivered) = Outbox::open(exporter, Arc::clone(&tally), Arc::clone(&closing))?;
        let provider = SdkTracerProvider::builder().with_resource(resource);
        let provider = provider.with_span_processor(outbox).build();
        if !layer::begin(provider.tracer("conclave")) {
            return Ok(Self(None));
        }
        Ok(Self(Some(Export { _provider: provider, closing, tally, delivered })))
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        let Some(export) = &self.0 else { return };
        export.closing.notify_one();
        if export.delivered.recv_timeout(FAREWELL) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!("the collector did not take the last spans within {FAREWELL:?}");
        }
        let Tally { exported, failed, dropped } = &*export.tally;
        let [exported, failed, dropped] = [exported, failed, dropped].map(delivery::count);
        if failed + dropped > 0 {
            tracing::warn!(exported, failed, dropped, "not every span has reached the collector");
        }
    }
}

/// Where spans go, and the name of what says so: the configuration, or else the standard's variables.
fn place(configured: &str) -> Option<(&'static str, String, &'static str)> {
    if !configured.is_empty() {
        return Some((KEY, configured.to_owned(), PATH));
    }
    let of = |name| env::var(name).ok().filter(|text| !text.trim().is_empty());
    let traces = of(TRACES_ENV).map(|text| (TRACES_ENV, text, ""));
    traces.or_else(|| of(ENDPOINT_ENV).map(|text| (ENDPOINT_ENV, text, PATH)))
}

/// What tells our spans from those of others: the name of the service, unless the environment has one.
fn resource() -> Resource {
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let builder = || Resource::builder().with_attribute(version.clone());
    let found = builder().build();
    let name = found.get(&Key::new("service.name"));
    let is_named = name.is_some_and(|name| !name.as_str().starts_with("unknown_service"));
    if is_named { found } else { builder().with_service_name("conclave").build() }
}
