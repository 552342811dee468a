//! What a run is made of before anything starts: configuration, bars, strategy, accounts, team.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use conclave_actors::council::AgentSetup;
use conclave_actors::models::Gateway;
use conclave_actors::models::tape::shelf::Shelf;
use conclave_actors::news::NewsSetup;
use conclave_actors::runtime::faults::{FaultPlan, PlannedFault};
use conclave_actors::trading;
use conclave_domain::custody::CustodyConfig;
use conclave_domain::faults::{FaultSource, Place, Port, Schedule};
use conclave_domain::feasibility::{AgentPlan, Expected, JobPlan, prove};
use conclave_domain::market::bar::{Bar, Timeframe};
use conclave_domain::market::digest::SessionDigest;
use conclave_domain::market::series::{Series, series_hash};
use conclave_domain::market::tape::{Instrument, Tape};
use conclave_domain::role::{AgentName, Team};
use conclave_domain::scorecard::Past;
use conclave_domain::sim_broker::{FillAt, SimConfig};
use conclave_domain::strategy::{Source, StrategyConfig};
use conclave_domain::time::Time;
use conclave_domain::watch::MarketWatch;

use super::args::RunArgs;
use super::bars::{one_timeframe, series};
use super::live::Live;
use super::money::{self, Terms};
use super::recipe::{CONFIG_FILE, DataSource, Recipe};
use super::team::team;
use super::universe::UniversePlan;
use super::{news, track};
use crate::adapters::{lock::MoneyKind, policy_file, spend_ledger::SpendFile};
use crate::cli::error::{CliError, ExitCode};
use crate::config::{self, Config, Layer};

/// A run that is ready to start.
#[derive(Clone, Debug)]
pub(crate) struct Prepared {
    pub(super) config: Config,
    pub(super) config_hash: String,
    /// Every key with its value and source, as it was read at the start.
    pub(super) layer: Layer,
    pub(super) series: Vec<Series>,
    pub(super) data_hash: String,
    pub(super) tape: Tape,
    pub(super) instruments: Arc<[Instrument]>,
    pub(super) timeframe: Timeframe,
    /// Who calls.
    pub(super) source: Source,
    /// What is to be known of its policy on these bars, a sentence each.
    pub(super) of_its_policy: Vec<String>,
    pub(super) custody: CustodyConfig,
    pub(super) agents: BTreeMap<AgentName, AgentSetup>,
    pub(super) faults: FaultPlan,
    /// Who may be entered, where that changes as it goes on.
    pub(super) universe: Option<UniversePlan>,
    /// The news, read by rules.
    pub(super) news: NewsSetup,
    /// What its agents are told of earlier runs.
    pub(super) past: Arc<Past>,
    /// What it was prepared from; a back-test has none and leaves none.
    pub(super) recipe: Option<Recipe>,
    /// What its agents are expected to be asked and to cost; nothing where no agent asks a model.
    pub(super) expected: Vec<Expected>,
    /// The tape that its agents answer out of, if they do.
    pub(super) shelf: Option<Arc<Shelf>>,
    /// What stands between its agents and their providers, if they ask any.
    pub(super) gateway: Option<Arc<Gateway>>,
    /// What all runs of this user spend, where its agents are paid.
    pub(super) ledger: Option<Arc<SpendFile>>,
    /// The open market that it trades, if it trades one; its bars so far are the market's past.
    pub(super) live: Option<Live>,
    /// What speaks for real money, where it is.
    pub(super) terms: Terms,
}

impl Prepared {
    /// A run of these bars on these terms, without faults; refuses what cannot run.
    pub(crate) fn new(
        config: Config,
        series: Vec<Series>,
        source: impl Into<Source>,
        custody: CustodyConfig,
    ) -> Result<Self, CliError> {
        let timeframe = one_timeframe(&series)?;
        let agents = team(&config);
        prove_feasible(&config, &agents)?;
        // How long an approval waits may change while the process runs, so it is none of the run's terms.
        let terms = Config { approvals: Config::default().approvals, ..config.clone() };
        let mut shown = serde_json::to_value(&terms)
            .map_err(|error| CliError::new(ExitCode::Failure, error.to_string()))?;
        // Where a process listens, what it logs and tells, and how it is stopped decide nothing.
        if let Some(keys) = shown.as_object_mut() {
            let is_static = !config.universe.enabled;
            keys.retain(|key, _| !["http", "log", "notify", "supervision"].contains(&key.as_str()));
            // A run without one is what it was before there were any.
            keys.retain(|key, _| key != "universe" || !is_static);
        }
        let shown = shown.to_string();
        let data_hash = series_hash(&series);
        let tape = Tape::new(series.clone())
            .map_err(|error| CliError::new(ExitCode::Data, error.to_string()))?;
        Ok(Self {
            config_hash: blake3::hash(shown.as_bytes()).to_hex().to_string(),
            layer: Layer::new(),
            instruments: Arc::clone(tape.instruments()),
            custody,
            config,
            series,
            data_hash,
            tape,
            timeframe,
            source: source.into(),
            of_its_policy: Vec::new(),
            agents,
            faults: FaultPlan::default(),
            universe: None,
            news: NewsSetup::default(),
            past: Arc::default(),
            recipe: None,
            expected: Vec::new(),
            shelf: None,
            gateway: None,
            ledger: None,
            live: None,
            terms: Terms::default(),
        })
    }

    /// A run of this recipe under a configuration, its own or a changed one.
    ///
    /// # Errors
    /// When the bars cannot be had, or the run could not act.
    pub(super) fn of(mut recipe: Recipe, config: Config) -> Result<Self, CliError> {
        let (series, live) = match &recipe.data {
            DataSource::Alpaca { symbols, timeframe } => {
                let live = Live::connect(&config, symbols, *timeframe)?;
                (live.past()?, Some(live))
            }
            closed => (series(closed)?, None),
        };
        let (source, notes) = match &recipe.policy {
            Some(file) => {
                let trained = policy_file::read(&file.path)?;
                let mut notes = trained.notes(&series, recipe.other_bars)?;
                // The past of an open market fills the windows and is not traded.
                notes.extend(trained.known(&series).filter(|_| live.is_none()));
                (Source::Policy(trained.policy), notes)
            }
            None => (Source::Strategy(strategy(&config)?), Vec::new()),
        };
        let custody = custody(&config);
        let mut prepared = Self::new(config, series, source, custody)?;
        prepared.of_its_policy = notes;
        if let Some(live) = live {
            prepared.go_live(live);
        }
        prepared.faults = faults(&recipe.faults, &prepared.config, &prepared.agents)?;
        prepared.custody.sim.faults = prepared.faults.source().of_port(Port::Broker);
        prepared.universe = UniversePlan::of(&prepared, &recipe.data)?;
        let symbols = prepared.instruments.iter().map(|instrument| instrument.symbol.clone());
        prepared.news.press = news::press(recipe.news.as_ref(), symbols)?;
        prepared.data_hash = news::data_hash(prepared.data_hash, recipe.news.as_ref());
        prepared.past = track::past(recipe.track.as_ref())?;
        recipe.config_hash.clone_from(&prepared.config_hash);
        recipe.data_hash.clone_from(&prepared.data_hash);
        prepared.recipe = Some(recipe);
        Ok(prepared)
    }

    /// The same run of the bars that open at or before a moment.
    ///
    /// # Errors
    /// When there are none.
    pub(super) fn cut(&self, until: Time) -> Result<Self, CliError> {
        self.without(|bar| bar.open_time > until)
    }

    /// The same run of the bars that close at or before a moment.
    ///
    /// # Errors
    /// When there are none.
    pub(super) fn cut_closed(&self, until: Time) -> Result<Self, CliError> {
        self.without(|bar| bar.close_time > until)
    }

    fn without(&self, is_cut: impl Fn(&Bar) -> bool) -> Result<Self, CliError> {
        let mut cut = self.clone();
        for one in &mut cut.series {
            one.bars.retain(|bar| !is_cut(bar));
        }
        if cut.series.iter().all(|one| one.bars.is_empty()) {
            return Err(CliError::new(ExitCode::Usage, "there is no bar as early as that"));
        }
        // What it is called stays: it is a part of the same run.
        cut.tape = Tape::new(cut.series.clone())
            .map_err(|error| CliError::new(ExitCode::Data, error.to_string()))?;
        Ok(cut)
    }

    /// Whose money it is.
    pub(super) fn money(&self) -> MoneyKind {
        money::of(&self.config)
    }

    /// How many slices move at once.
    pub(super) fn chunk(&self) -> usize {
        self.recipe.as_ref().map_or(self.config.run.chunk, |recipe| recipe.chunk)
    }

    /// Market time after which a drawdown halt is lifted.
    pub(super) fn lift_halt_after(&self) -> Option<Duration> {
        self.recipe.as_ref().and_then(Recipe::lift_halt_after)
    }

    /// Refuses a configuration under which the council could never act.
    pub(crate) fn check(config: &Config) -> Result<(), CliError> {
        prove_feasible(config, &team(config))
    }

    /// The terms of a fresh account under a configuration.
    pub(crate) fn custody_of(config: &Config) -> CustodyConfig {
        custody(config)
    }

    /// Makes the bars so far the past of an open market.
    fn go_live(&mut self, live: Live) {
        // What will come is not known: the symbols are what a run is gone on with.
        self.data_hash = live.data_hash();
        // What the account holds, not what a simulated one would begin with.
        self.config.run.cash = live.cash();
        self.custody.cash = live.cash();
        self.live = Some(live);
    }

    /// Whether a run of an open market ends with the session of shares.
    fn ends_with_the_session(&self, is_so: bool) {
        if is_so && let Some(live) = &self.live {
            live.leave_at_close();
        }
    }

    /// The bars that the report is about.
    pub(super) fn played(&self) -> Cow<'_, [Series]> {
        match &self.live {
            Some(live) => Cow::Owned(live.series(&self.instruments)),
            None => Cow::Borrowed(&self.series),
        }
    }

    /// Up to when bars have only warmed the market up, in an open market.
    pub(super) fn warmed_until(&self) -> Option<Time> {
        let last = || self.series.iter().filter_map(|one| one.bars.last());
        self.live.as_ref().and_then(|_| last().map(|bar| bar.close_time).max())
    }

    /// When its first bar opens; in an open market, where its past ends.
    pub(super) fn begins_at(&self) -> Time {
        if let Some(until) = self.warmed_until() {
            return until;
        }
        let first = self.series.iter().filter_map(|one| one.bars.first());
        first.map(|bar| bar.open_time).min().unwrap_or(Time::EPOCH)
    }

    /// The market as it is when every bar up to `until` was played; `digested` is the end of the bars
    /// whose session digests were closed by a former stop.
    pub(super) fn warmed_up(
        &self,
        until: Option<Time>,
        digested: Option<Time>,
    ) -> Result<Warm, CliError> {
        let usage = |error: conclave_domain::strategy::StrategyError| {
            CliError::new(ExitCode::Config, error.to_string())
        };
        let watch = MarketWatch::new(&self.instruments, self.timeframe, &self.source, true);
        let mut watch = watch.map_err(usage)?.judged_by(&self.config.limits.gates);
        let (mut tape, mut digest) = (self.tape.clone(), SessionDigest::default());
        // The past of an open market only warms it up: none of it is played, or witnessed.
        let warmed = self.warmed_until();
        let (until, digested) = (warmed.or(until), warmed.or(digested));
        let Some(until) = until else { return Ok(Warm { watch, digest, tape, bars: 0 }) };
        let mut played = self.tape.clone();
        while let Some(chunk) = played.next_chunk(1) {
            let Some(at) = chunk.ticks().first().map(|tick| tick.bar.close_time) else { break };
            if at > until {
                break;
            }
            let seen = watch.on_chunk(&chunk);
            if digested.is_none_or(|digested| at > digested) {
                // Those that ended are in the log.
                drop(seen.digest(&chunk, &mut digest));
            }
        }
        let skipped = tape.skip_through(until);
        let bars = if warmed.is_some() { 0 } else { skipped };
        Ok(Warm { watch, digest, tape, bars })
    }
}

/// The market in the middle of a run.
#[derive(Debug)]
pub(super) struct Warm {
    /// The pipelines, warmed up.
    pub(super) watch: MarketWatch,
    /// The present session so far.
    pub(super) digest: SessionDigest,
    /// What is still to be played.
    pub(super) tape: Tape,
    /// Bars that were played.
    pub(super) bars: usize,
}

/// Gathers everything; refuses what cannot run.
pub(super) fn prepare(args: &RunArgs, file: Option<&Path>) -> Result<Prepared, CliError> {
    let loaded = crate::cli::config::load(file, &args.flags())?;
    let place = args.place();
    let dir = place.as_ref().map(|(dir, _)| dir.as_path());
    let is_open = args.open.broker.is_some();
    let terms = money::settle(&loaded.config, &args.open, is_open, (dir, false))?;
    let recipe = Recipe::of(args, &loaded)?;
    let mut prepared = Prepared::of(recipe, loaded.config)?;
    (prepared.layer, prepared.terms) = (loaded.layer, terms);
    prepared.ends_with_the_session(args.open.ends_with_the_session());
    Ok(prepared)
}

/// Gathers everything for a run that goes on: as it was begun, in whatever is not said now. What is
/// said must agree with it. One that was begun by a version without recipes takes what is said.
pub(super) fn again(args: &RunArgs, file: Option<&Path>, dir: &Path) -> Result<Prepared, CliError> {
    let begun = match Recipe::read(dir) {
        Err(error) if error.code == ExitCode::NotFound => return prepare(args, file),
        begun => begun?,
    };
    let own = dir.join(CONFIG_FILE);
    let flags = args.flags_over(&crate::cli::config::load(Some(&own), &[])?.config);
    let mut loaded = crate::cli::config::load(Some(file.unwrap_or(&own)), &flags)?;
    name_the_source(&mut loaded.layer, &args.flags(), &own);
    let is_open = begun.data.is_open();
    let terms = money::settle(&loaded.config, &args.open, is_open, (Some(dir), true))?;
    let recipe = Recipe::of(args, &loaded)?.going_on(&begun, args.names_data())?;
    let mut prepared = Prepared::of(recipe, loaded.config)?;
    (prepared.layer, prepared.terms) = (loaded.layer, terms);
    if prepared.config_hash == begun.config_hash {
        prepared.ends_with_the_session(args.open.ends_with_the_session());
        return Ok(prepared);
    }
    let text = format!(
        "the run in {} was begun under another configuration than this one (hash {}, now {}): \
         leave out what differs from {}, or start another run",
        dir.display(),
        begun.config_hash,
        prepared.config_hash,
        own.display()
    );
    Err(CliError::new(ExitCode::Data, text))
}

/// What stands like a flag before the configuration and was not `given` with the command comes from the
/// run's own file, and is said to.
fn name_the_source(layer: &mut Layer, given: &[(String, String)], own: &Path) {
    for (key, (_, source)) in layer {
        let is_given = given.iter().any(|(name, _)| name == key);
        if matches!(source, config::Source::Flag(_)) && !is_given {
            *source = config::Source::File(own.to_owned());
        }
    }
}

/// A repetition of a run has no broker.
pub(super) fn refuse_live(config: &Config) -> Result<(), CliError> {
    if money::of(config) == MoneyKind::Live {
        let text = "run.money is live, but a repetition trades nothing: it takes simulated money";
        return Err(CliError::new(ExitCode::Config, text));
    }
    Ok(())
}

/// The strategy that the configuration names.
pub(super) fn strategy(config: &Config) -> Result<StrategyConfig, CliError> {
    let settings = &config.strategy;
    let bars = |bars: u32| u16::try_from(bars).unwrap_or(u16::MAX);
    let named = StrategyConfig::by_name(&settings.name).map(|default| match default {
        StrategyConfig::SmaCross { .. } => {
            StrategyConfig::SmaCross { fast: bars(settings.fast), slow: bars(settings.slow) }
        }
        StrategyConfig::Momentum { threshold, .. } => {
            StrategyConfig::Momentum { lookback: bars(settings.lookback), threshold }
        }
        StrategyConfig::MeanReversion { entry, rearm, .. } => {
            StrategyConfig::MeanReversion { window: bars(settings.lookback), entry, rearm }
        }
        // No name leads to one: it comes from a checkpoint.
        policy @ StrategyConfig::Policy { .. } => policy,
    });
    let unknown = || CliError::new(ExitCode::Config, format!("no strategy `{}`", settings.name));
    let strategy = named.ok_or_else(unknown)?;
    let invalid = |error: conclave_domain::strategy::StrategyError| {
        CliError::new(ExitCode::Config, error.to_string())
    };
    strategy.validate().map_err(invalid)?;
    Ok(strategy)
}

/// Terms of a fresh account.
pub(super) fn custody(config: &Config) -> CustodyConfig {
    let fill_at = if config.run.fill == "close" { FillAt::Close } else { FillAt::NextOpen };
    let sim = SimConfig {
        fill_at,
        fee_per_trade: config.costs.fee_per_trade,
        slippage: config.costs.slippage,
        crypto_slippage: config.costs.slippage_crypto,
        volume_share: config.costs.volume_share,
        delay_bars: config.costs.delay_bars,
        rejection: config.costs.rejection,
        seed: config.run.seed,
        ..SimConfig::default()
    };
    CustodyConfig { sim, exits: config.exits.clone(), guarded: true, cash: config.run.cash }
}

fn faults(
    wanted: &[String],
    config: &Config,
    agents: &BTreeMap<AgentName, AgentSetup>,
) -> Result<FaultPlan, CliError> {
    let read = |text: &String| {
        let refused =
            |why: String| CliError::new(ExitCode::Usage, format!("--fault {text}: {why}"));
        // An agent may be written with hyphens, as everything else on a command line is.
        let named = text.split_once('=').map(|(agent, how)| (agent.replace('-', "_"), how));
        let spelt = named.map_or_else(|| text.clone(), |(agent, how)| format!("{agent}={how}"));
        let item = spelt.parse::<PlannedFault>().map_err(|error| refused(error.to_string()))?;
        if matches!(item.place, Place::Port(Port::Process | Port::Person)) {
            return Err(refused(
                "only `conclave chaos` has a process and people of its own".into(),
            ));
        }
        Ok(item)
    };
    let listed = wanted.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let settings = &config.faults;
    let unknown = |word: String| {
        CliError::new(ExitCode::Config, format!("faults.kinds names `{word}`, which is no fault"))
    };
    let drawn =
        FaultSource::drawn(settings.seed, settings.rate, settings.kinds().map_err(unknown)?);
    let plan = FaultPlan::of(drawn.with_list(Schedule::new(listed)));
    let names: Vec<AgentName> = agents.keys().copied().collect();
    let stranger = plan.strangers(&names).next().map(str::to_owned);
    match stranger {
        None => Ok(plan),
        Some(stranger) => {
            let text = format!("--fault names `{stranger}`, but the team is {}", names.join(", "));
            Err(CliError::new(ExitCode::Usage, text))
        }
    }
}

/// The proof that every enabled agent of the trading team can fire, and that its rounds can act.
fn prove_feasible(
    config: &Config,
    agents: &BTreeMap<AgentName, AgentSetup>,
) -> Result<(), CliError> {
    let mut faults = Vec::new();
    let voters = trading::TEAM
        .iter()
        .filter(|entry| entry.role.authority.votes() && agents.contains_key(entry.role.name));
    let (voters, quorum) = (voters.count(), config.limits.consensus.quorum_min);
    if voters < usize::try_from(quorum).unwrap_or(usize::MAX) {
        faults.push(format!(
            "{voters} voters of the trading team are enabled, but a quorum takes {quorum}: no round \
             could ever act; enable more by `agents.NAME.enabled`"
        ));
    }
    let plan = |name: &AgentName| AgentPlan {
        agent: name,
        team: Team::Trading,
        every: config.agents.get(name).and_then(|agent| agent.interval).unwrap_or(1),
        occasions: None,
        more: 0,
        paid: None,
    };
    let plans: Vec<AgentPlan> = agents.keys().map(plan).collect();
    // At least one round is expected of any run; what models cost is proved once they are connected.
    let job = JobPlan::Rounds { expected: 1 };
    if let Err(infeasible) = prove(&job, &plans, &config.budgets) {
        faults.extend(infeasible.iter().map(ToString::to_string));
    }
    if faults.is_empty() {
        return Ok(());
    }
    let text = format!("the council could never act:\n  {}", faults.join("\n  "));
    Err(CliError::new(ExitCode::Config, text))
}
