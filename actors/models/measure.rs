//! What is counted of calls to models.

use conclave_domain::fixed::Money;
use conclave_domain::llm::{Trouble, Usage};
use conclave_domain::role::AgentName;

use super::gateway::Passage;
use super::tape::Served;
use super::wire::Said;

/// What was asked, of whom and by whom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) agent: AgentName,
    pub(crate) provider: &'a str,
    pub(crate) model: &'a str,
}

/// Counts an attempt that has ended.
pub(crate) fn ended(
    asked: Asked<'_>,
    outcome: &Result<Said, Trouble>,
    served: &Served,
    passage: &Passage,
) {
    count(asked, word(outcome), served.cost);
    let labels = [("provider", asked.provider.to_owned())];
    metrics::histogram!("conclave_llm_latency_seconds", &labels)
        .record(passage.left_at().elapsed());
    if let Some(usage) = served.usage {
        tokens(asked.model, usage);
        passage.used(asked.agent, usage);
    }
}

/// What came of an attempt, in a word.
pub(crate) fn word(outcome: &Result<Said, Trouble>) -> &'static str {
    outcome.as_ref().map_or_else(Trouble::name, |_| "answered")
}

/// Counts an attempt that was cut off, with what it may cost.
pub(crate) fn cut_off(asked: Asked<'_>, worst: Money) {
    count(asked, "cut_off", worst);
}

fn count(asked: Asked<'_>, outcome: &'static str, cost: Money) {
    let Asked { agent, provider, model } = asked;
    let labels = [
        ("agent", agent.to_owned()),
        ("provider", provider.to_owned()),
        ("model", model.to_owned()),
        ("outcome", outcome.to_owned()),
    ];
    metrics::counter!("conclave_llm_requests_total", &labels).increment(1);
    let labels = [("model", model.to_owned())];
    metrics::gauge!("conclave_llm_cost_usd", &labels).increment(cost.to_f64());
}

fn tokens(model: &str, usage: Usage) {
    let Usage { input, cache_read, cache_write_5m, cache_write_1h, output } = usage;
    let kinds = [
        ("input", input),
        ("cache_read", cache_read),
        ("cache_write", cache_write_5m.saturating_add(cache_write_1h)),
        ("output", output),
    ];
    for (kind, count) in kinds {
        let labels = [("model", model.to_owned()), ("kind", kind.to_owned())];
        metrics::counter!("conclave_llm_tokens_total", &labels).increment(count);
    }
}
