//! What `run` can be told on the command line.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use conclave_actors::trading;

use crate::adapters::audit_files::has_log;
use crate::brains::{MODEL, RULES};
use crate::cli::error::{CliError, ExitCode};
use crate::config::Config;

/// Arguments of `run`.
#[derive(Args, Clone, Debug, Default)]
pub struct RunArgs {
    /// Where the run's files and its store go; below `runs` when not given.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Goes on with the run in this directory, from its last stored bar.
    #[arg(long, value_name = "DIR", conflicts_with = "out")]
    pub resume: Option<PathBuf>,
    /// Goes on with the run in this directory, or begins one there: what a service manager starts.
    #[arg(long = "continue", value_name = "DIR", conflicts_with_all = ["out", "resume"])]
    pub continue_in: Option<PathBuf>,
    /// Seed of whatever is random.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Bars from CSV files instead of the embedded ones; the file's stem is the symbol.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub data: Vec<PathBuf>,
    /// Splits of the CSV files; without it their bars are taken as they are.
    #[arg(long, value_name = "FILE", requires = "data", conflicts_with = "synth")]
    pub splits: Option<PathBuf>,
    /// Bars of the synthetic market instead: calm, default or minutes.
    #[arg(long, value_name = "PRESET", conflicts_with = "data")]
    pub synth: Option<String>,
    /// An open market instead of a replay.
    #[command(flatten)]
    pub open: OpenMarketArgs,
    /// News from a file of one JSON line per item; what does not say when it was known is turned away.
    #[arg(long, value_name = "FILE")]
    pub news: Option<PathBuf>,
    /// What raises signals: sma-cross, momentum or mean-reversion.
    #[arg(long, value_name = "NAME", conflicts_with = "other_bars")]
    pub strategy: Option<String>,
    /// A trained policy instead of a strategy: a checkpoint of `train`, such as best.safetensors. A run
    /// that goes on goes on with the policy that it was begun with.
    #[arg(long, value_name = "CHECKPOINT", conflicts_with = "strategy")]
    pub policy: Option<PathBuf>,
    /// Which of the symbols may be entered.
    #[command(flatten)]
    pub entered: EnteredArgs,
    /// What the agents are told of themselves from earlier runs: a file of `scorecard --track`. A brief
    /// holds of it what was known before its own moment. A run that goes on tells them on what it told them.
    #[arg(long, value_name = "FILE", conflicts_with = "resume")]
    pub track: Option<PathBuf>,
    /// What it may trade.
    #[command(flatten)]
    pub terms: PolicyTerms,
    /// Who thinks for the trading team: rules, model or recorded; what the configuration says for each
    /// agent when not given.
    #[arg(long, value_name = "WHO", value_parser = ["rules", "model", "recorded"])]
    pub brains: Option<String>,
    /// The tape of exchanges with models: written, or with `--brains recorded` played; `tape.jsonl` in
    /// the run's directory when not given.
    #[arg(long, value_name = "FILE", required_if_eq("brains", "recorded"))]
    pub tape: Option<PathBuf>,
    /// Takes from the tape what it has, asks models for the rest and appends it.
    #[arg(long, requires = "tape")]
    pub replay_first: bool,
    /// The mode to start in: advisory, supervised or autonomous.
    #[arg(long, value_name = "MODE")]
    pub mode: Option<String>,
    /// Keeps serving when the replay has ended, until Ctrl-C.
    #[arg(long)]
    pub stay: bool,
    /// Port of the HTTP side; 0 has one chosen.
    #[arg(long, value_name = "PORT", conflicts_with = "no_http")]
    pub port: Option<u16>,
    /// Does not listen.
    #[arg(long)]
    pub no_http: bool,
    /// A fault on simulated money: AGENT=WHAT@ROUND or PORT.WHAT@NTH, such as `risk_guardian=hang@3`
    /// or `audit.full@12`; `conclave chaos --help` lists what can go wrong.
    #[arg(long, value_name = "FAULT")]
    pub fault: Vec<String>,
    /// Wall time per bar, such as 200ms; as fast as it can when not given.
    #[arg(long, value_name = "DURATION", value_parser = crate::config::parse_duration)]
    pub pace: Option<Duration>,
    /// Appends what the simulated broker sees to this file, one JSON line per order and fill.
    #[arg(long, value_name = "FILE")]
    pub broker_journal: Option<PathBuf>,
    /// Lifts a drawdown halt after this much market time, as if a person had ordered it.
    #[arg(long, value_name = "DURATION", value_parser = crate::config::parse_duration)]
    pub lift_halt_after: Option<Duration>,
}

/// Which symbols may be entered.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct EnteredArgs {
    /// Has only some of the symbols entered, three to ten, and others as the run goes on: by how their trades
    /// went, and by lists that the selection team votes on. `[universe]` of the configuration says when.
    #[arg(long)]
    pub universe: bool,
}

/// What a policy may trade.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct PolicyTerms {
    /// Has the policy trade bars of another length than it was trained on.
    #[arg(long, requires = "policy")]
    pub other_bars: bool,
}

/// Flags of a replay. Those that want an open market name them as well: clap does not ask for a flag that
/// conflicts with one that is there.
const REPLAY: [&str; 7] =
    ["data", "synth", "fault", "news", "pace", "broker_journal", "lift_halt_after"];

/// What is traded where bars are still to come.
#[derive(Clone, Debug, Default, Args)]
pub struct OpenMarketArgs {
    /// Trades an open market instead of a replay: alpaca, by the addresses of `[alpaca]` and the keys in the
    /// environment.
    #[arg(long, value_name = "WHERE", value_parser = ["alpaca"], requires = "symbols",
          conflicts_with_all = REPLAY)]
    pub broker: Option<String>,
    /// The symbols of an open market, such as AAPL,MSFT,BTC/USD; a replay plays all that its bars are of.
    #[arg(long, value_name = "SYMBOLS", value_delimiter = ',', requires = "broker", conflicts_with_all = REPLAY)]
    pub symbols: Vec<String>,
    /// Ends the run of an open market with the session of shares.
    #[arg(long, requires = "broker", conflicts_with_all = REPLAY)]
    pub until_close: bool,
    /// Trades one whole session in paper money, ends with it and records it: what real money is begun
    /// with. Implies --until-close.
    #[arg(long, requires = "broker", conflicts_with = "live", conflicts_with_all = REPLAY)]
    pub paper_day: bool,
    /// Real money. It also takes `run.money = "live"` in the configuration and
    /// CONCLAVE_LIVE_MONEY=yes-i-mean-it in the environment.
    #[arg(long)]
    pub live: bool,
    /// Why real money begins in autonomous mode without a paper day on record; it goes into the audit.
    #[arg(long = "override", value_name = "REASON", requires = "live")]
    pub override_reason: Option<String>,
}

impl OpenMarketArgs {
    /// Whether the run ends with the session of shares.
    pub(super) const fn ends_with_the_session(&self) -> bool {
        self.until_close || self.paper_day
    }
}

impl RunArgs {
    /// Itself, unless something would be passed over: flags whose values leave another one nothing to do.
    ///
    /// # Errors
    /// With exit code 2; the text names both and what to do.
    pub(super) fn checked(&self) -> Result<&Self, CliError> {
        let text = match self.brains.as_deref() {
            Some(RULES) if self.tape.is_some() => {
                "--tape keeps what models are asked, and with --brains rules none is: leave one of both out"
            }
            Some("recorded") if self.replay_first => {
                "--replay-first asks models for what the tape has not, and with --brains recorded none is \
                 asked: leave one of both out"
            }
            _ => return Ok(self),
        };
        Err(CliError::new(ExitCode::Usage, text))
    }

    /// The directory that was named, and whether a run in it goes on.
    pub(super) fn place(&self) -> Option<(PathBuf, bool)> {
        let goes_on = self.resume.clone().map(|dir| (dir, true));
        let begins = || self.out.clone().map(|dir| (dir, false));
        let either = || self.continue_in.clone().map(|dir| (dir.clone(), has_log(&dir)));
        goes_on.or_else(begins).or_else(either)
    }

    /// The tape that is played instead of asking anybody.
    pub(super) fn played_tape(&self) -> Option<&Path> {
        self.tape.as_deref().filter(|_| self.brains.as_deref() == Some("recorded"))
    }

    /// Where exchanges are written, where a file is named; absolute, so that a resumed run may begin
    /// anywhere.
    ///
    /// # Errors
    /// When there is no such path.
    pub(super) fn written_tape(&self) -> std::io::Result<Option<PathBuf>> {
        let named = self.tape.as_deref().filter(|_| self.played_tape().is_none());
        named.map(std::path::absolute).transpose()
    }

    /// Whether bars are named.
    pub(super) fn names_data(&self) -> bool {
        !self.data.is_empty() || self.synth.is_some() || self.open.broker.is_some()
    }

    /// The flags, and what a run was begun with where they say nothing.
    pub(super) fn flags_over(&self, begun: &Config) -> Vec<(String, String)> {
        let run = &begun.run;
        let also = Self {
            seed: self.seed.or(Some(run.seed)),
            mode: self.mode.clone().or_else(|| Some(run.mode.clone())),
            strategy: self.strategy.clone().or_else(|| Some(begun.strategy.name.clone())),
            ..self.clone()
        };
        let mut flags = also.flags();
        if self.brains.is_none() {
            let brains = begun.agents.iter().map(|(name, agent)| (name, agent.brain.clone()));
            flags.extend(brains.map(|(name, brain)| (format!("agents.{name}.brain"), brain)));
            flags.push(("models.news_reader".to_owned(), begun.models.news_reader.clone()));
        }
        flags
    }

    /// The flags that stand for keys of the configuration.
    pub(super) fn flags(&self) -> Vec<(String, String)> {
        let mut flags = Vec::new();
        let mut set = |key: &str, value: Option<String>| {
            flags.extend(value.map(|value| (key.to_owned(), value)));
        };
        set("run.seed", self.seed.map(|seed| seed.to_string()));
        set("run.mode", self.mode.clone());
        set("strategy.name", self.strategy.clone());
        if let Some(brains) = &self.brains {
            // A tape gives again what models have said.
            let brain = if brains == RULES { RULES } else { MODEL };
            for entry in trading::TEAM {
                set(&format!("agents.{}.brain", entry.role.name), Some(brain.to_owned()));
            }
            set("models.news_reader", Some(brain.to_owned()));
        }
        set("universe.enabled", self.entered.universe.then(|| "true".to_owned()));
        set("http.port", self.port.map(|port| port.to_string()));
        set("http.enabled", self.no_http.then(|| "false".to_owned()));
        flags
    }
}
