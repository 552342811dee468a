//! `train`: trains a policy, guided by the training team or by nobody; `train ab` finds out whether the
//! team is worth it.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use conclave_domain::mode::Mode;

use super::error::CliError;
use super::format::Format;
use crate::run::train;
use crate::run::train::AgentChoice;

/// `train`
#[derive(Args, Clone, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "The embedded bars are what it learns from unless others are named. Everything goes to a \
    directory of its own below `runs`: checkpoints, the audit of what the agents said and did, \
    agent_logs.json, the curve, report.html. Exit codes: 0 done, 8 a number that is none or data that \
    a person must look at, 10 halted by its council, 130 stopped; one that is paused or stopped goes on \
    with --resume."
)]
pub struct TrainArgs {
    /// What else than one run.
    #[command(subcommand)]
    pub what: Option<TrainVerb>,
    /// The run.
    #[command(flatten)]
    pub size: SizeArgs,
    /// Seed of everything random.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Goes on with a run from its last checkpoint: its directory, or its name below `runs`.
    #[arg(long, value_name = "ID", conflicts_with_all = ["out", "data", "splits", "synth", "symbols",
          "steps", "preset", "seed", "agents", "brains", "folds", "no_earlier"])]
    pub resume: Option<PathBuf>,
    /// Trains as many policies more, without agents, each on all bars before its part of them, and adds
    /// how they did on that part to the table: walk-forward.
    #[arg(long, value_name = "N", default_value = "0", value_parser = folds)]
    pub folds: usize,
    /// What becomes of a lever that the council has cleared: advisory records it, supervised asks at
    /// the terminal, autonomous moves it; autonomous when not given.
    #[arg(long, value_name = "MODE")]
    pub mode: Option<Mode>,
    /// Listens on this port of `http.host` while it trains, 0 for any: `status`, `agents`, `rounds`,
    /// `approvals`, `budgets`, `mode`, `halt` and `resume` with `--store` and its directory.
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,
}

/// The other verbs of `train`.
#[derive(Subcommand, Clone, Debug)]
pub enum TrainVerb {
    /// Both arms: the same seeds with the agents and without, and what the difference is worth.
    Ab(AbArgs),
}

/// `train ab`
#[derive(Args, Clone, Debug)]
pub struct AbArgs {
    /// The runs of both arms.
    #[command(flatten)]
    pub size: SizeArgs,
    /// Seeds of both arms, at least five: their number (from 1 on), or a list such as 3,5,8,13,21.
    #[arg(long, value_name = "SEEDS", default_value = "5", value_parser = seeds)]
    pub seeds: Seeds,
    /// Runs side by side; as many as there are cores when not given.
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
}

/// What is learned from, and for how long.
#[derive(Args, Clone, Debug)]
pub struct SizeArgs {
    /// The symbols that it learns from, such as AAPL,MSFT; all that there are when not given.
    #[arg(long, value_name = "SYMBOLS", value_delimiter = ',')]
    pub symbols: Vec<String>,
    /// Bars from CSV files instead of the embedded ones; the file's stem is the symbol.
    #[arg(long, alias = "csv", value_name = "FILE", num_args = 1..)]
    pub data: Vec<PathBuf>,
    /// Splits of the CSV files; without it their bars are taken as they are.
    #[arg(long, value_name = "FILE", requires = "data", conflicts_with = "synth")]
    pub splits: Option<PathBuf>,
    /// Bars of the synthetic market instead: calm, default or minutes.
    #[arg(long, alias = "synthetic", value_name = "PRESET", conflicts_with = "data")]
    pub synth: Option<String>,
    /// How long: quick, standard or long; --steps says it to the step.
    #[arg(long, value_enum, default_value_t)]
    pub preset: Preset,
    /// Environment steps in all, instead of the preset's.
    #[arg(long, value_name = "N")]
    pub steps: Option<u64>,
    /// Who guides it: on (those that are enabled), off, or names such as
    /// `hyperparameter_tuner,risk_analyst`.
    #[arg(long, value_name = "WHO", default_value = "on")]
    pub agents: AgentChoice,
    /// Who thinks for them: rules or model; what the configuration says for each agent when not given.
    #[arg(long, value_name = "WHO", value_parser = ["rules", "model"])]
    pub brains: Option<String>,
    /// Tells the agents nothing of what the advice of earlier runs, in `advice.jsonl` beside them, came to.
    #[arg(long)]
    pub no_earlier: bool,
    /// Where everything goes; below `runs` when not given.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// How long a run is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Preset {
    /// 300,000 steps: whether everything works.
    #[default]
    Quick,
    /// 3,000,000 steps.
    Standard,
    /// 30,000,000 steps.
    Long,
}

impl Preset {
    /// Environment steps in all.
    pub const fn steps(self) -> u64 {
        match self {
            Self::Quick => 300_000,
            Self::Standard => 3_000_000,
            Self::Long => 30_000_000,
        }
    }
}

/// The seeds of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seeds(pub Vec<u64>);

/// Parts of a walk-forward; so many that each still has bars.
fn folds(text: &str) -> Result<usize, String> {
    let count = text.parse::<usize>().map_err(|_| format!("`{text}` is not a whole number"))?;
    if count <= 20 { Ok(count) } else { Err("at most 20 folds".to_owned()) }
}

fn seeds(text: &str) -> Result<Seeds, String> {
    let number = |text: &str| {
        text.trim().parse::<u64>().map_err(|_| format!("`{text}` is not a whole number"))
    };
    if text.contains(',') {
        return text.split(',').map(number).collect::<Result<_, _>>().map(Seeds);
    }
    let count = number(text)?;
    if count > 1_000 {
        return Err(format!("{count} seeds are more than a comparison takes: at most 1000"));
    }
    Ok(Seeds((1..=count).collect()))
}

/// Runs `train`.
///
/// # Errors
/// When the bars, the agents or the trainer refuse, or the run ends otherwise than done.
pub fn run(
    args: &TrainArgs,
    config: Option<&Path>,
    format: Format,
    out: &mut (dyn Write + Send),
) -> Result<(), CliError> {
    match &args.what {
        Some(TrainVerb::Ab(ab)) => train::compare(ab, config, format, out),
        None => train::run(args, config, format, out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_a_number_or_a_list() {
        assert_eq!(seeds("5"), Ok(Seeds(vec![1, 2, 3, 4, 5])));
        assert_eq!(seeds("7, 9,11"), Ok(Seeds(vec![7, 9, 11])));
        for text in ["", "five", "1,,2", "-1", "1000000"] {
            assert!(seeds(text).is_err(), "{text}");
        }
    }
}
