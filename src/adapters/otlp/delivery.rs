//! From a span that has ended to the collector: a queue with an end, and one thread that empties it.
//!
//! The library's own batches would do, but nobody could tell what they dropped while the process runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanExporter as _, SpanProcessor};
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{Notify, mpsc};
use tokio::time::{sleep, timeout};

/// Spans that may wait: some seconds of a replay that is not paced, about a kilobyte each.
const QUEUE: usize = 16_384;
/// Spans of one request; the standard's own number.
const BATCH: usize = 512;
/// How long spans are gathered before they leave.
const GATHER: Duration = Duration::from_millis(500);
/// How long one request may take, with what the exporter repeats of it.
const PATIENCE: Duration = Duration::from_secs(10);

/// What became of the spans so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Taken by the collector.
    pub(super) exported: AtomicU64,
    /// Refused by it, or not taken in time.
    pub(super) failed: AtomicU64,
    /// For which there was no room in the queue.
    pub(super) dropped: AtomicU64,
}

pub(super) fn count(of: &AtomicU64) -> u64 {
    of.load(Ordering::Relaxed)
}

impl Tally {
    fn add(&self, outcome: &'static str, spans: usize) {
        let spans = u64::try_from(spans).unwrap_or(u64::MAX);
        let place = match outcome {
            "exported" => &self.exported,
            "failed" => &self.failed,
            _ => &self.dropped,
        };
        place.fetch_add(spans, Ordering::Relaxed);
        metrics::counter!("conclave_spans_total", "outcome" => outcome).increment(spans);
    }
}

/// Where a span goes when it has ended.
#[derive(Debug)]
pub(super) struct Outbox {
    queue: mpsc::Sender<SpanData>,
    tally: Arc<Tally>,
}

impl Outbox {
    /// Starts the thread that delivers; it ends after `closing`, and closes what is returned when it has.
    pub(super) fn open(
        exporter: SpanExporter,
        tally: Arc<Tally>,
        closing: Arc<Notify>,
    ) -> std::io::Result<(Self, Receiver<()>)> {
        let (queue, spans) = mpsc::channel(QUEUE);
        let (alive, delivered) = channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let delivery =
            Delivery { exporter, spans, tally: Arc::clone(&tally), closing, is_well: true };
        thread::Builder::new().name("traces".to_owned()).spawn(move || {
            runtime.block_on(delivery.run());
            drop(alive);
        })?;
        Ok((Self { queue, tally }, delivered))
    }
}

impl SpanProcessor for Outbox {
    fn on_start(&self, _: &mut Span, _: &Context) {
        // Nothing is known of it yet.
    }

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() && self.queue.try_send(span).is_err() {
            self.tally.add("dropped", 1);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// The thread's work.
struct Delivery {
    exporter: SpanExporter,
    spans: mpsc::Receiver<SpanData>,
    tally: Arc<Tally>,
    closing: Arc<Notify>,
    /// Whether the last request was taken: a collector that is away is told of once.
    is_well: bool,
}

impl Delivery {
    /// Sends batch after batch, until the queue is closed and empty.
    async fn run(mut self) {
        let closing = Arc::clone(&self.closing);
        let (mut batch, mut is_open) = (Vec::with_capacity(BATCH), true);
        loop {
            tokio::select! {
                biased;
                () = closing.notified(), if is_open => {
                    is_open = false;
                    self.spans.close();
                    continue;
                }
                taken = self.spans.recv_many(&mut batch, BATCH) => {
                    if taken == 0 {
                        return;
                    }
                }
            }
            if is_open && batch.len() < BATCH {
                tokio::select! {
                    () = closing.notified() => {
                        is_open = false;
                        self.spans.close();
                    }
                    () = sleep(GATHER) => {}
                }
            }
            self.fill(&mut batch);
            self.send(std::mem::take(&mut batch)).await;
        }
    }

    fn fill(&mut self, batch: &mut Vec<SpanData>) {
        while batch.len() < BATCH {
            match self.spans.try_recv() {
                Ok(span) => batch.push(span),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return,
            }
        }
    }

    async fn send(&mut self, batch: Vec<SpanData>) {
        let spans = batch.len();
        let error = match timeout(PATIENCE, self.exporter.export(batch)).await {
            Ok(Ok(())) => {
                self.is_well = true;
                return self.tally.add("exported", spans);
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {PATIENCE:?}"),
        };
        self.tally.add("failed", spans);
        if std::mem::replace(&mut self.is_well, false) {
            tracing::warn!(spans, error, "the collector takes no spans; what follows is counted");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use opentelemetry::InstrumentationScope;
    use opentelemetry::trace::{
        SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
    };

    use super::*;

    fn ended() -> SpanData {
        let (trace, span) = (TraceId::from(7), SpanId::from(7));
        let flags = TraceFlags::SAMPLED;
        SpanData {
            span_context: SpanContext::new(trace, span, flags, false, TraceState::default()),
            parent_span_id: SpanId::INVALID,
            parent_span_is_remote: false,
            span_kind: SpanKind::Internal,
            name: "round".into(),
            start_time: SystemTime::UNIX_EPOCH,
            end_time: SystemTime::UNIX_EPOCH,
            attributes: Vec::new(),
            dropped_attributes_count: 0,
            events: opentelemetry_sdk::trace::SpanEvents::default(),
            links: opentelemetry_sdk::trace::SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: InstrumentationScope::default(),
        }
    }

    /// Goal: whoever ends a span never waits, and what has no room is counted. Method: a queue of two
    /// that nobody empties, and one that is closed.
    #[test]
    fn what_has_no_room_in_the_queue_is_dropped_and_counted() {
        let (queue, mut spans) = mpsc::channel(2);
        let tally = Arc::new(Tally::default());
        let outbox = Outbox { queue, tally: Arc::clone(&tally) };
        for _ in 0..5 {
            outbox.on_end(ended());
        }
        assert_eq!(count(&tally.dropped), 3);
        assert!(spans.try_recv().is_ok());
        outbox.on_end(ended());
        assert_eq!(count(&tally.dropped), 3, "there was room again");
        spans.close();
        outbox.on_end(ended());
        assert_eq!(count(&tally.dropped), 4);
    }
}
