//! The layer of the subscriber that makes OpenTelemetry's spans of ours.
//!
//! Logging starts before the configuration is read, so the layer stands in the subscriber from the
//! beginning and is filled later. Until then, and in a process that exports nothing, its filter takes no
//! span: each costs what it costs in a binary without the feature.

use std::sync::OnceLock;

use opentelemetry_sdk::trace::SdkTracer;
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Metadata, Subscriber};
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::layer::{Context, Filter, Layer};
use tracing_subscriber::registry::Registry;

/// Where spans are made: the module of the council's spans, and nothing else.
const TARGET: &str = "conclave_actors::spans";

/// The exporter's layer, once there is one.
static LAYER: OnceLock<OpenTelemetryLayer<Registry, SdkTracer>> = OnceLock::new();

/// Takes spans from now on; `false` where another tracer takes them already.
pub(super) fn begin(tracer: SdkTracer) -> bool {
    let layer = tracing_opentelemetry::layer()
        .with_tracer(tracer)
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_level(false)
        .with_tracked_inactivity(false)
        .with_context_activation(false);
    let is_first = LAYER.set(layer).is_ok();
    // What was not of interest before is now.
    tracing::callsite::rebuild_interest_cache();
    is_first
}

/// The place of the exporter's layer in the subscriber.
#[derive(Debug)]
pub(crate) struct Spans;

impl Layer<Registry> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, Registry>) {
        if let Some(layer) = LAYER.get() {
            layer.on_new_span(attributes, id, context);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, Registry>) {
        if let Some(layer) = LAYER.get() {
            layer.on_record(id, values, context);
        }
    }

    fn on_exit(&self, id: &Id, context: Context<'_, Registry>) {
        if let Some(layer) = LAYER.get() {
            layer.on_exit(id, context);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, Registry>) {
        if let Some(layer) = LAYER.get() {
            layer.on_close(id, context);
        }
    }
}

/// What is taken: our spans, while there is a layer to take them. Lines of the log never are.
#[derive(Debug)]
pub(crate) struct Ours;

impl Ours {
    fn takes(metadata: &Metadata<'_>) -> bool {
        metadata.is_span() && metadata.target() == TARGET && LAYER.get().is_some()
    }
}

impl<S: Subscriber> Filter<S> for Ours {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        Self::takes(metadata)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        if Self::takes(metadata) { Interest::always() } else { Interest::never() }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        let is_off = LAYER.get().is_none();
        Some(if is_off { LevelFilter::OFF } else { LevelFilter::DEBUG })
    }
}
