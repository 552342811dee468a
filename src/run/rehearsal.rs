//! `run --paper-day`: a session in paper money, from about its opening to its close, goes on record.

use std::io::Write;
use std::path::Path;

use conclave_domain::market::calendar::Calendar;
use conclave_domain::mode::Mode;
use conclave_domain::order_state::Status;
use conclave_domain::time::Time;

use super::args::RunArgs;
use super::prepare::Prepared;
use crate::adapters::clock::now;
use crate::adapters::paper_days::{self, PaperDay};
use crate::cli::error::{CliError, ExitCode};
use crate::cli::format::Format;
use crate::report::RunReport;

/// The part of a session that may be missed at its beginning, as a divisor: a quarter.
const MISSED_MAX: u32 = 4;

/// Records the day that a run has traded, where that was asked for, and says so.
///
/// # Errors
/// When it was no whole session, or could not be recorded: then real money has nothing to go by.
pub(super) fn end(
    args: &RunArgs,
    prepared: &Prepared,
    (report, dir, was_stopped): (&RunReport, &Path, bool),
    format: Format,
    out: &mut (dyn Write + Send),
) -> Result<(), CliError> {
    let Some(live) = prepared.live.as_ref().filter(|_| args.open.paper_day) else { return Ok(()) };
    if was_stopped {
        tracing::warn!("the paper day is not on record: the run was stopped");
        return Ok(());
    }
    let failed = |text: &str| {
        CliError::new(ExitCode::Failure, format!("the paper day is not on record: {text}"))
    };
    let (span, close) = live.session().ok_or_else(|| failed("nothing was played"))?;
    let day = Calendar::Xnys.session_date(close);
    let hours = Calendar::Xnys.open_close(day).ok_or_else(|| failed("there was no session"))?;
    if !is_whole(span, hours) {
        let (first, last) = span;
        let text = format!("it went from {first} to {last}, and the session to {}", hours.1);
        return Err(failed(&text));
    }
    let mode = prepared.config.run.mode.parse().unwrap_or(Mode::Advisory);
    let run = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut traded = PaperDay::new(day.to_string(), run, live.venue(), mode, now());
    // What was denied here never left.
    let left = report.orders.iter().filter(|row| row.status != Status::Denied.name());
    traded.orders = left.count();
    let path = paper_days::of_user().ok_or_else(|| failed("there is no folder for it"))?;
    paper_days::append(&path, &traded)
        .map_err(|error| failed("it could not be written").caused_by(error))?;
    let counts = if traded.counts(traded.ended_at) {
        "real money may be begun with for 30 days"
    } else {
        "at a local exchange, which does not count for real money"
    };
    if format == Format::Text {
        writeln!(out, "the paper day {day} is on record: {} orders; {counts}", traded.orders)?;
    }
    Ok(())
}

/// Whether bars from `first` to `last` are a session, but for its first quarter at most.
fn is_whole((first, last): (Time, Time), (open, close): (Time, Time)) -> bool {
    close <= last && first <= open + close.since(open) / MISSED_MAX
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_session_is_whole_from_its_first_quarter_to_its_close() {
        let open = Time::from_ms(1_000_000);
        let hours = (open, open + Duration::from_hours(6));
        let late = Duration::from_mins(90);
        let bit = Duration::from_millis(1);
        for (first, last, whole) in [
            (open, hours.1, true),
            (open - late, hours.1 + late, true),
            (open + late, hours.1, true),
            (open + late + bit, hours.1, false),
            (open, hours.1 - bit, false),
        ] {
            assert_eq!(is_whole((first, last), hours), whole, "{first} {last}");
        }
    }
}
