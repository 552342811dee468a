//! `replay`: a run once more from its recipe and its log, byte for byte; or as it would have been.
//!
//! Without a change it compares every record and names the first one that is not the same. With
//! `--mute`, `--set` or a fee it is a what-if: a table of differences, and "what-if" on every output.
//! The run's own directory is never written to.

mod exact;
mod paths;
mod what_if;

pub(super) use what_if::{refuse_a_run, refuse_inside_a_run};

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use conclave_actors::runtime::agent::Entry;
use conclave_actors::trading;
use conclave_domain::brief::trading::TradingBrief;
use conclave_domain::fixed::{Bp, Money};
use conclave_domain::role::AgentName;
use conclave_domain::time::Time;

use super::backtest::basis_points;
use super::error::{CliError, ExitCode};
use super::format::Format;
use crate::adapters::control_http::{LATEST_FILE, store_dir};
use crate::brains::RULES;
use crate::catalogue;
use crate::run::repeat::{Changes, Source};

/// `replay`
#[derive(Args, Clone, Debug)]
pub struct ReplayArgs {
    /// The run: its directory, its name below `runs`, or `latest`.
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
    /// Cuts off all bars after this day (YYYY-MM-DD, UTC): every record up to it must be the same.
    #[arg(long, value_name = "DAY", value_parser = day, conflicts_with_all = ["mute", "brains", "set", "fees", "fee_per_trade", "out"])]
    pub until: Option<Time>,
    /// What if this agent had not been asked? The Risk Guardian then never objects by judgement; its
    /// hard limits stay.
    #[arg(long, value_name = "AGENT", value_parser = agent)]
    pub mute: Vec<AgentName>,
    /// What if nobody had thought by a model? The report of it beside the run's own is what the models
    /// have changed.
    #[arg(long, value_name = "WHO", value_parser = [RULES])]
    pub brains: Option<String>,
    /// What if this key of the configuration had had this value?
    #[arg(long, value_name = "KEY=VALUE", value_parser = setting)]
    pub set: Vec<(String, String)>,
    /// What if each fill had cost this much of its value, in basis points?
    #[arg(long, value_name = "BP", value_parser = basis_points)]
    pub fees: Option<Bp>,
    /// What if each fill had cost this much, in dollars?
    #[arg(long, value_name = "USD")]
    pub fee_per_trade: Option<Money>,
    /// Directory for the what-if's own report.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

fn day(text: &str) -> Result<Time, String> {
    let last = format!("{text}T23:59:59.999Z");
    last.parse().map_err(|_| "a day such as 2008-01-31 is wanted".to_owned())
}

fn agent(text: &str) -> Result<AgentName, String> {
    let name = text.replace('-', "_");
    let mut team = trading::TEAM.iter().map(|entry| entry.role.name);
    team.clone().find(|known| *known == name).ok_or_else(|| {
        let names: Vec<AgentName> = team.by_ref().collect();
        format!("the trading team is {}", names.join(", "))
    })
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("KEY=VALUE is wanted")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}

impl ReplayArgs {
    fn changes(&self) -> Changes {
        let mut set = self.set.clone();
        let fee = self.fee_per_trade.map(|fee| ("costs.fee_per_trade".to_owned(), fee.to_string()));
        set.extend(fee);
        if let Some(brains) = &self.brains {
            let key = |entry: &Entry<TradingBrief>| format!("agents.{}.brain", entry.role.name);
            set.extend(trading::TEAM.iter().map(|entry| (key(entry), brains.clone())));
            set.push(("models.news_reader".to_owned(), brains.clone()));
        }
        let mute: BTreeSet<AgentName> = self.mute.iter().copied().collect();
        Changes { mute, set, fees: self.fees }
    }
}

/// The directory of a run: itself, its name below `runs`, or `latest`.
///
/// # Errors
/// When there is no such directory.
pub(super) fn run_dir(run: &Path) -> Result<PathBuf, CliError> {
    let named = PathBuf::from("runs").join(run);
    let dir = if run.exists() {
        run.to_owned()
    } else if run == Path::new(LATEST_FILE) {
        // Without the words on --store, which these verbs have not.
        store_dir(None).map_err(|error| {
            let text = "nothing has run here: start `conclave run`, or name a run's directory";
            CliError::new(error.code, text)
        })?
    } else if named.exists() {
        named
    } else {
        run.to_owned()
    };
    if !dir.is_dir() {
        let text = format!("{} is no run's directory", dir.display());
        return Err(CliError::new(ExitCode::NotFound, text));
    }
    Ok(dir)
}

/// Runs the verb.
///
/// # Errors
/// 1 when a record is not the same, 5 when there is no such run, 8 when its recipe, its bars or its log
/// are not what they were; 3 when a what-if asks for what no configuration may have.
pub fn run(args: &ReplayArgs, format: Format, out: &mut dyn Write) -> Result<(), CliError> {
    let dir = run_dir(&args.run)?;
    let changes = args.changes();
    let source = Source::open(&dir)?;
    let metrics = catalogue::install()
        .map_err(|error| CliError::new(ExitCode::Failure, error.to_string()))?;
    if changes.is_none() {
        if args.out.is_some() {
            let text = "--out is for the report of a what-if: give --mute, --brains, --set, --fees or \
                        --fee-per-trade too";
            return Err(CliError::new(ExitCode::Usage, text));
        }
        return exact::run(&source, args.until, &metrics, format, out);
    }
    let asked = what_if::Wanted { dir: &dir, changes: &changes, out: args.out.as_deref() };
    what_if::run(&source, &asked, &metrics, format, out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_is_named_with_hyphens_or_underscores_and_a_stranger_is_told_the_team() {
        assert_eq!(agent("risk-guardian"), Ok("risk_guardian"));
        assert_eq!(agent("position_sizer"), Ok("position_sizer"));
        let refused = agent("nobody").unwrap_err();
        assert!(refused.contains("signal_analyst") && refused.contains("risk_guardian"));
    }

    #[test]
    fn a_day_and_a_setting_are_read_or_refused() {
        assert_eq!(day("2008-01-31").unwrap().to_string(), "2008-01-31T23:59:59.999Z");
        for bad in ["2008-13-01", "yesterday", "", "2008-01-31T00:00:00Z"] {
            assert!(day(bad).is_err(), "{bad}");
        }
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(setting("a.b = 3"), Ok(pair("a.b", "3")));
        assert_eq!(setting("a=b=c"), Ok(pair("a", "b=c")));
        assert!(setting("a.b").is_err());
    }
}
