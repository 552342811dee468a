//! What a closed round leaves in the metrics.

use std::time::Duration;

use conclave_domain::tally::{RoundReport, Verdict};

use crate::runtime::shell::Answer;

pub(super) fn round(report: &RoundReport, answers: &[Answer], took: Duration) {
    metrics::histogram!("conclave_round_duration_seconds").record(took.as_secs_f64());
    for seat in &report.seats {
        let (agent, outcome) = (seat.agent, seat.outcome.name());
        metrics::counter!(
            "conclave_consultations_total", "agent" => agent, "outcome" => outcome
        )
        .increment(1);
    }
    if let Verdict::Vetoed { by, objection } = &report.verdict {
        let code = objection.code.as_str();
        metrics::counter!("conclave_vetoes_total", "agent" => *by, "code" => code).increment(1);
    }
    let advice = answers.iter().filter_map(|answer| answer.outcome.as_ref().ok());
    for clamp in advice.flat_map(|advice| &advice.clamps) {
        let (parameter, edge) = (clamp.parameter.clone(), clamp.edge.name());
        metrics::counter!("conclave_clamps_total", "parameter" => parameter, "edge" => edge)
            .increment(1);
    }
}
