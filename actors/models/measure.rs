//! What is counted of calls to models.

use conclave_domain::llm::{Trouble, Usage};
use conclave_domain::role::AgentName;
use tokio::time::Instant;

use super::rung::RouteSpec;
use super::tape::Served;
use super::wire::Said;

/// Counts one attempt that has ended.
pub(crate) fn attempt(
    agent: AgentName,
    route: &RouteSpec,
    outcome: &Result<Said, Trouble>,
    served: &Served,
    left_at: Instant,
) {
    let RouteSpec { provider, model, .. } = route;
    let word = outcome.as_ref().map_or_else(Trouble::name, |_| "answered");
    let labels = [
        ("agent", agent.to_owned()),
        ("provider", provider.clone()),
        ("model", model.clone()),
        ("outcome", word.to_owned()),
    ];
    metrics::counter!("conclave_llm_requests_total", &labels).increment(1);
    let labels = [("provider", provider.clone())];
    metrics::histogram!("conclave_llm_latency_seconds", &labels).record(left_at.elapsed());
    let labels = [("model", model.clone())];
    metrics::gauge!("conclave_llm_cost_usd", &labels).increment(served.cost.to_f64());
    if let Some(usage) = served.usage {
        tokens(model, usage);
    }
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
