//! The catalogue of metrics: every name that this process shows, with its kind, labels and help.
//!
//! Whoever counts something uses a name of this list; a test keeps the list and the code equal in
//! both directions. Names follow Prometheus: base units, `_total` for counters.

use std::time::Duration;

use metrics::{describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

/// What kind of metric it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts observations in buckets.
    Histogram,
}

/// One metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// What it says, one sentence.
    pub help: &'static str,
}

const fn metric(
    name: &'static str,
    kind: Kind,
    labels: &'static [&'static str],
    help: &'static str,
) -> Metric {
    Metric { name, kind, labels, help }
}

/// Upper bounds of the histograms of durations, seconds: rules brains answer within a millisecond,
/// models within half a minute.
const SECONDS: &[f64] =
    &[0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Every metric there is, by name.
pub const METRICS: &[Metric] = &[
    metric(
        "conclave_actor_restarts_total",
        Kind::Counter,
        &["actor", "reason"],
        "Actors that ended and were started anew, by why they had ended.",
    ),
    metric(
        "conclave_agent_panics_total",
        Kind::Counter,
        &["agent"],
        "Consultations that panicked.",
    ),
    metric(
        "conclave_arena_ratings_total",
        Kind::Counter,
        &["contestant", "rating"],
        "Ratings that the desks of a season have decided, by contestant and tier.",
    ),
    metric(
        "conclave_audit_failures_total",
        Kind::Counter,
        &[],
        "Batches of records that could not be written to the audit.",
    ),
    metric(
        "conclave_audit_records_total",
        Kind::Counter,
        &[],
        "Records written to the audit, both streams.",
    ),
    metric(
        "conclave_bars_refused_total",
        Kind::Counter,
        &[],
        "Bars of a feed that were turned away at the door.",
    ),
    metric(
        "conclave_broker_requests_total",
        Kind::Counter,
        &["ask", "outcome"],
        "Requests to a broker over HTTP, by what was asked and what went wrong.",
    ),
    metric(
        "conclave_budget_remaining",
        Kind::Gauge,
        &["budget"],
        "What is left of a budget: a count, or US dollars.",
    ),
    metric(
        "conclave_build_info",
        Kind::Gauge,
        &["version"],
        "Always 1; the labels say what is running.",
    ),
    metric(
        "conclave_clamps_total",
        Kind::Counter,
        &["parameter", "edge"],
        "Numbers in answers of agents that were out of bounds and were clamped.",
    ),
    metric(
        "conclave_consultations_total",
        Kind::Counter,
        &["agent", "outcome"],
        "Seats of rounds that have closed, by how the seat was settled.",
    ),
    metric(
        "conclave_context_failures_total",
        Kind::Counter,
        &[],
        "Commits of the shared context that could not be stored.",
    ),
    metric(
        "conclave_context_refusals_total",
        Kind::Counter,
        &[],
        "Updates that the shared context refused because they made no sense.",
    ),
    metric(
        "conclave_denials_total",
        Kind::Counter,
        &["code"],
        "What was denied by gates, safety or a person, by reason code.",
    ),
    metric(
        "conclave_drawdown_ratio",
        Kind::Gauge,
        &["book"],
        "Fall from the peak of equity, a fraction.",
    ),
    metric(
        "conclave_equity_usd",
        Kind::Gauge,
        &["book"],
        "Cash plus positions at the last prices, US dollars.",
    ),
    metric(
        "conclave_feed_age_seconds",
        Kind::Gauge,
        &[],
        "How long a bar is owed; zero in a replay, outside of the session, and once the bars are over.",
    ),
    metric(
        "conclave_heartbeat_timestamp_seconds",
        Kind::Gauge,
        &[],
        "When safety last answered, seconds since 1970-01-01 UTC.",
    ),
    metric(
        "conclave_http_refusals_total",
        Kind::Counter,
        &["code"],
        "Requests over HTTP that were refused, by code.",
    ),
    metric(
        "conclave_injections_suspected_total",
        Kind::Counter,
        &[],
        "News items that seem to talk to their reader; their praise counts for nothing.",
    ),
    metric(
        "conclave_llm_abstentions_total",
        Kind::Counter,
        &["agent"],
        "Consultations of models that brought no answer.",
    ),
    metric(
        "conclave_llm_breaker_state",
        Kind::Gauge,
        &["provider", "family"],
        "0 while models of a family are asked, 1 while one probe is, 2 while they are left alone.",
    ),
    metric(
        "conclave_llm_cost_usd",
        Kind::Gauge,
        &["model"],
        "What calls to a model have cost since the start, or may have, US dollars.",
    ),
    metric(
        "conclave_llm_latency_seconds",
        Kind::Histogram,
        &["provider"],
        "How long calls to a provider took.",
    ),
    metric(
        "conclave_llm_requests_total",
        Kind::Counter,
        &["agent", "provider", "model", "outcome"],
        "Calls to models that have ended, by what came of them.",
    ),
    metric(
        "conclave_llm_tokens_total",
        Kind::Counter,
        &["model", "kind"],
        "Tokens that providers have counted, those of failed calls included.",
    ),
    metric("conclave_mailbox_depth", Kind::Gauge, &["actor"], "Messages that wait or are in work."),
    metric(
        "conclave_notices_total",
        Kind::Counter,
        &["route", "outcome"],
        "Notices to people by way out and what became of them: sent, left_out, failed, missed.",
    ),
    metric(
        "conclave_orders_total",
        Kind::Counter,
        &["side", "status"],
        "Orders and what became of them.",
    ),
    metric(
        "conclave_round_duration_seconds",
        Kind::Histogram,
        &[],
        "How long rounds of consensus took.",
    ),
    metric(
        "conclave_spans_total",
        Kind::Counter,
        &["outcome"],
        "Spans of decisions for a collector by what became of them: exported, failed, dropped.",
    ),
    metric(
        "conclave_stream_conflated_total",
        Kind::Counter,
        &[],
        "Messages of market data that did not fit a slow listener's queue; gaps of bars are filled by questions.",
    ),
    metric(
        "conclave_trading_state",
        Kind::Gauge,
        &["state"],
        "1 for the present trading state, 0 for the others.",
    ),
    metric("conclave_uptime_seconds", Kind::Gauge, &[], "How long the process has been running."),
    metric(
        "conclave_vetoes_total",
        Kind::Counter,
        &["agent", "code"],
        "Vetoes that closed a round, by reason code.",
    ),
];

/// A recorder that shows every histogram of the catalogue in its buckets.
fn builder() -> Result<PrometheusBuilder, BuildError> {
    let histograms = METRICS.iter().filter(|metric| metric.kind == Kind::Histogram);
    histograms.into_iter().try_fold(PrometheusBuilder::new(), |builder, metric| {
        builder.set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), SECONDS)
    })
}

/// Tells the present recorder what each metric means. A counter without labels begins at zero: whoever
/// watches it grow must have seen it there, or misses the first event.
fn describe() {
    for metric in METRICS {
        match metric.kind {
            Kind::Counter => {
                describe_counter!(metric.name, metric.help);
                if metric.labels.is_empty() {
                    metrics::counter!(metric.name).increment(0);
                }
            }
            Kind::Gauge => describe_gauge!(metric.name, metric.help),
            Kind::Histogram => describe_histogram!(metric.name, metric.help),
        }
    }
}

/// How often observations are put into their buckets where nobody scrapes. Until then each is kept as
/// it came: at 20,000 rounds a second one megabyte.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// Installs the process's recorder; once per process, before anything is counted.
///
/// # Errors
/// When a recorder is installed already.
pub fn install() -> Result<PrometheusHandle, BuildError> {
    let handle = builder()?.install_recorder()?;
    describe();
    let recorder = handle.clone();
    // Ends with the process, which has one recorder.
    let upkeep = std::thread::Builder::new().name("metrics".to_owned()).spawn(move || {
        loop {
            pause();
            recorder.run_upkeep();
        }
    });
    if let Err(error) = upkeep {
        tracing::warn!(%error, "histograms grow until somebody scrapes them");
    }
    Ok(handle)
}

#[expect(clippy::disallowed_methods, reason = "a plain thread without a mailbox")]
fn pause() {
    std::thread::sleep(UPKEEP_EVERY);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::io::Write as _;
    use std::path::Path;
    use std::process::{Command, Stdio};

    use metrics::Label;

    use super::*;

    /// The production part of every source but this one.
    fn sources(folder: &Path, text: &mut String) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" {
                sources(&path, text);
            } else if path.extension().is_some_and(|extension| extension == "rs")
                && name != "catalogue"
                && name != "tests"
            {
                let source = fs::read_to_string(&path).unwrap();
                text.push_str(source.split("#[cfg(test)]").next().unwrap());
            }
        }
    }

    /// Goal: a metric that is counted is described, and one that is described is counted. Method:
    /// every quoted `conclave_…` in the sources is the name of a metric.
    #[test]
    fn the_catalogue_and_the_code_name_the_same_metrics() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut text = String::new();
        for folder in ["domain", "actors", "src"] {
            sources(&root.join(folder), &mut text);
        }
        let is_name = |part: &&str| {
            let letters = |c: char| c.is_ascii_lowercase() || c == '_';
            part.starts_with("conclave_") && part.chars().all(letters)
        };
        let used: BTreeSet<&str> = text.split('"').filter(is_name).collect();
        let listed: BTreeSet<&str> = METRICS.iter().map(|metric| metric.name).collect();
        assert_eq!(used, listed);
        assert!(METRICS.is_sorted_by_key(|metric| metric.name));
    }

    fn rendered() -> String {
        let recorder = builder().unwrap().build_recorder();
        let handle = recorder.handle();
        metrics::with_local_recorder(&recorder, || {
            describe();
            for metric in METRICS {
                let labels: Vec<Label> =
                    metric.labels.iter().map(|label| Label::new(*label, "x")).collect();
                match metric.kind {
                    Kind::Counter => metrics::counter!(metric.name, labels).increment(1),
                    Kind::Gauge => metrics::gauge!(metric.name, labels).set(1.0),
                    Kind::Histogram => metrics::histogram!(metric.name, labels).record(0.001),
                }
            }
        });
        handle.render()
    }

    /// Goal: an alert that asks whether a counter has grown hears of its first event.
    #[test]
    fn a_counter_without_labels_is_shown_before_anything_is_counted() {
        let recorder = builder().unwrap().build_recorder();
        metrics::with_local_recorder(&recorder, describe);
        let text = recorder.handle().render();
        let lone = METRICS.iter().filter(|it| it.kind == Kind::Counter && it.labels.is_empty());
        for metric in lone {
            assert!(text.contains(&format!("\n{} 0\n", metric.name)), "{}: {text}", metric.name);
        }
    }

    #[test]
    fn every_metric_is_shown_with_its_kind_and_its_help() {
        let text = rendered();
        for metric in METRICS {
            let kind = format!("{:?}", metric.kind).to_lowercase();
            assert!(text.contains(&format!("# TYPE {} {kind}", metric.name)), "{text}");
            assert!(text.contains(&format!("# HELP {} {}", metric.name, metric.help)), "{text}");
        }
        assert!(text.contains("conclave_round_duration_seconds_bucket{le=\"0.001\"} 1"), "{text}");
    }

    #[test]
    fn promtool_has_nothing_to_say_about_our_metrics() {
        let command = Command::new("promtool")
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let Ok(mut promtool) = command else {
            println!("skipped: promtool is not installed");
            return;
        };
        promtool.stdin.take().unwrap().write_all(rendered().as_bytes()).unwrap();
        let output = promtool.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && said.trim().is_empty(), "{said}");
    }
}
