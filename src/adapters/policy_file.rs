//! A trained policy out of a checkpoint's file, and what must be known before it trades some bars.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use conclave_domain::market::bar::Bar;
use conclave_domain::market::series::Series;
use conclave_domain::market::symbol::Symbol;
use conclave_domain::policy::network::Policy;
use conclave_domain::policy::observation::WARM_UP;
use conclave_trainer::checkpoint::Problem;
use conclave_trainer::env::trade::LearnedFrom;
use conclave_trainer::export::read_policy;
use conclave_trainer::session::SessionError;

use crate::cli::error::{CliError, ExitCode};

/// Bars of each symbol that fill a policy's windows before it is asked.
pub(crate) const WINDOWS: usize = WARM_UP - 1;

/// A policy with the market that it has learned from.
#[derive(Clone, Debug)]
pub(crate) struct PolicyFile {
    /// What trades.
    pub(crate) policy: Arc<Policy>,
    path: PathBuf,
    /// `None` of a checkpoint that does not say.
    learned: Option<LearnedFrom>,
}

/// Reads the policy that trades; refuses one that was trained with other columns or actions, or whose
/// networks are of another layout, and names what differs.
///
/// # Errors
/// [`ExitCode::NotFound`] when there is no such file, [`ExitCode::Data`] when it is damaged or belongs to
/// something else.
pub(crate) fn read(path: &Path) -> Result<PolicyFile, CliError> {
    let refused = |error: SessionError| {
        let code = if is_absent(&error) { ExitCode::NotFound } else { ExitCode::Data };
        let text = format!("{} is no policy that can trade here", path.display());
        CliError::new(code, text).caused_by(error)
    };
    let trained = read_policy(path).map_err(refused)?;
    let (policy, learned) = (Arc::new(trained.policy), trained.learned);
    Ok(PolicyFile { policy, path: path.to_owned(), learned })
}

/// Whether it is not there at all.
fn is_absent(error: &SessionError) -> bool {
    let SessionError::Checkpoint(error) = error else { return false };
    matches!(&error.problem, Problem::Disk { source, .. } if source.kind() == io::ErrorKind::NotFound)
}

impl PolicyFile {
    /// What a reader must know of this policy on these bars, a sentence each.
    ///
    /// # Errors
    /// [`ExitCode::Data`] when the bars are of another length than it was trained on, and nobody has
    /// said that they may be.
    pub(crate) fn notes(
        &self,
        series: &[Series],
        other_bars: bool,
    ) -> Result<Vec<String>, CliError> {
        let Some(learned) = &self.learned else {
            return Ok(vec![format!(
                "{} does not say which market it has learned from: whether these bars are news to it \
                 nobody knows",
                self.path.display()
            )]);
        };
        let mut notes = Vec::new();
        notes.extend(other_length(&self.path, learned, series, other_bars)?);
        notes.extend(strangers(learned, series));
        Ok(notes)
    }

    /// What is to be said of those bars that the policy has learned from.
    pub(crate) fn known(&self, series: &[Series]) -> Option<String> {
        known(self.learned.as_ref()?, series)
    }

    /// The bars that the policy has not learned from, behind as many that it has as fill its windows.
    ///
    /// # Errors
    /// [`ExitCode::Data`] when it has learned from all of them, or does not say which.
    pub(crate) fn unseen(&self, series: Vec<Series>) -> Result<Vec<Series>, CliError> {
        let refused = |why: &str| {
            let text = format!("{} {why}: nothing is unseen", self.path.display());
            CliError::new(ExitCode::Data, text)
        };
        let Some(learned) = &self.learned else {
            return Err(refused("does not say what it has learned from"));
        };
        let series = behind(learned, series);
        if series.is_empty() {
            return Err(refused("has learned from bars as late as these"));
        }
        Ok(series)
    }
}

/// The bars that were not learned from, with those before them that fill the windows.
fn behind(learned: &LearnedFrom, mut series: Vec<Series>) -> Vec<Series> {
    series.retain_mut(|one| {
        let first = one.bars.partition_point(|bar| bar.close_time <= learned.until);
        let is_left = first < one.bars.len();
        one.bars.drain(..first.saturating_sub(WINDOWS));
        is_left
    });
    series
}

/// What is to be said where bars are of another length.
fn other_length(
    path: &Path,
    learned: &LearnedFrom,
    series: &[Series],
    other_bars: bool,
) -> Result<Option<String>, CliError> {
    let Some(other) = series.iter().find(|one| one.timeframe != learned.timeframe) else {
        return Ok(None);
    };
    let text = format!(
        "{} was trained on bars of {}, and those of {} are of {}",
        path.display(),
        learned.timeframe.name(),
        other.symbol,
        other.timeframe.name()
    );
    if other_bars {
        return Ok(Some(text));
    }
    let text = format!("{text}: it knows another market; --other-bars has it trade all the same");
    Err(CliError::new(ExitCode::Data, text))
}

/// What is to be said of symbols that it has never met.
fn strangers(learned: &LearnedFrom, series: &[Series]) -> Option<String> {
    let symbols = series.iter().map(|one| &one.symbol);
    let strangers = symbols.filter(|symbol| !learned.symbols.contains(symbol));
    let strangers: Vec<&str> = strangers.map(Symbol::as_str).collect();
    let known: Vec<&str> = learned.symbols.iter().map(Symbol::as_str).take(12).collect();
    (!strangers.is_empty()).then(|| {
        format!(
            "the policy was not trained on {}: it has learned from {}{}",
            strangers.join(", "),
            known.join(", "),
            if learned.symbols.len() > known.len() { " and others" } else { "" }
        )
    })
}

/// What is to be said of bars that it has learned from.
fn known(learned: &LearnedFrom, series: &[Series]) -> Option<String> {
    let all: usize = series.iter().map(|one| one.bars.len()).sum();
    let is_known = |bar: &&Bar| bar.close_time <= learned.until;
    let of = series.iter().filter(|one| learned.symbols.contains(&one.symbol));
    let seen: usize = of.map(|one| one.bars.iter().filter(is_known).count()).sum();
    let day: String = learned.until.to_string().chars().take(10).collect();
    (seen > 0).then(|| {
        format!(
            "the policy has learned from {seen} of these {all} bars, those up to {day}: what it earns on \
             them says nothing of what it will earn; `backtest --unseen` leaves them out"
        )
    })
}

#[cfg(test)]
mod tests {
    use conclave_domain::market::bar::Timeframe;
    use conclave_domain::time::Time;

    use super::*;
    use crate::data;

    fn learned(symbols: &[&str], timeframe: Timeframe, until: Time) -> LearnedFrom {
        let symbol = |name: &&str| name.parse().unwrap();
        LearnedFrom { symbols: symbols.iter().map(symbol).collect(), timeframe, until }
    }

    fn embedded() -> Vec<Series> {
        data::embedded().unwrap()
    }

    #[test]
    fn other_bars_are_refused_and_what_is_strange_or_known_is_said() {
        let (all, path) = (embedded(), Path::new("p"));
        let until = all[0].bars[99].close_time;
        let days = learned(&["AAPL", "IBM"], Timeframe::Day, until);
        assert_eq!(other_length(path, &days, &all, false).unwrap(), None);
        let minutes = learned(&["AAPL"], Timeframe::Minute, until);
        let refused = other_length(path, &minutes, &all, false).unwrap_err();
        assert_eq!(refused.code, ExitCode::Data);
        assert!(refused.chain().contains("--other-bars"), "{}", refused.chain());
        assert!(other_length(path, &minutes, &all, true).unwrap().is_some());
        let told = strangers(&days, &all).unwrap();
        assert!(told.contains("FB, GOOG, MSFT") && told.contains("AAPL, IBM"), "{told}");
        assert_eq!(strangers(&days, &all[..1]), None);
        let bars: usize = all.iter().map(|one| one.bars.len()).sum();
        let told = known(&days, &all).unwrap();
        // A hundred of Apple and a hundred of IBM; the others it has not met then either.
        assert!(told.contains(&format!("200 of these {bars} bars")), "{told}");
        assert_eq!(known(&learned(&["AAPL"], Timeframe::Day, Time::EPOCH), &all), None);
    }

    #[test]
    fn what_is_unseen_begins_where_the_windows_are_full() {
        let all = embedded();
        let apple = &all[0].bars;
        let until = apple[1_000].close_time;
        let left = behind(&learned(&["AAPL"], Timeframe::Day, until), all.clone());
        assert_eq!(left[0].bars, apple[1_001 - WINDOWS..]);
        assert_eq!(left[0].bars[WINDOWS].open_time, apple[1_001].open_time);
        let young = all.iter().position(|one| one.bars[0].close_time > until).unwrap();
        assert_eq!(left[young].bars, all[young].bars, "all of it is news");
        let last = all.iter().flat_map(|one| &one.bars).map(|bar| bar.close_time).max().unwrap();
        assert!(behind(&learned(&["AAPL"], Timeframe::Day, last), all).is_empty());
    }
}
