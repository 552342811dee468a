//! `agent_logs.json`: what every agent was asked and said in a training run, out of its audit.

use std::path::Path;

use conclave_domain::record::{Line, Step, Stream};
use serde_json::{Value, json};

use crate::adapters::audit_files::lines;
use crate::cli::error::{CliError, ExitCode};

/// Every answer, every verdict and everything that was moved, oldest first.
///
/// # Errors
/// When the log in `dir` cannot be read.
pub(super) fn of(dir: &Path) -> Result<Vec<Value>, CliError> {
    let failed =
        |text: String| CliError::new(ExitCode::Data, format!("the audit cannot be read: {text}"));
    let mut logs = Vec::new();
    for line in lines(dir, Stream::Decisions).map_err(|error| failed(error.to_string()))? {
        let line = line.map_err(|error| failed(error.to_string()))?;
        let Ok(line) = Line::read(&line.text) else {
            return Err(failed(format!("line {} of {}", line.place.line, line.place.segment)));
        };
        let wanted = [
            Step::ConsultSent,
            Step::AdviceClamped,
            Step::RoundClosed,
            Step::LeversCleared,
            Step::LeversMoved,
            Step::ValidationEnded,
        ];
        if !wanted.contains(&line.step) {
            continue;
        }
        let mut body: Value =
            serde_json::from_str(line.body).map_err(|error| failed(error.to_string()))?;
        // A brief is ten validations long; who was asked is told, what they were told is in the audit.
        if line.step == Step::ConsultSent
            && let Some(body) = body.as_object_mut()
        {
            body.remove("brief");
        }
        let decision = line.decision.as_ref().map(|decision| decision.as_str().to_owned());
        logs.push(json!({
            "seq": line.seq, "at": line.at, "step": line.step, "decision": decision, "body": body,
        }));
    }
    Ok(logs)
}
