//! What each contestant of models has of its own: a directory with its tape and its budgets, and how the
//! budgets stood at the end of each tick.
//!
//! The end of a tick is written here before the log says what was brought to it. So whoever goes on with a
//! season finds, for the last tick that the log has of a contestant, the budgets behind it; what was
//! asked since then stands on the tape, is put again, and is booked again at what it cost.
//!
//! - G-2: questions that were under way at a kill are on no tape; the ledger of all runs has them in full.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use conclave_actors::arena::desk::entry;
use conclave_actors::models::{Gateway, Models};
use conclave_actors::runtime::brain::Brain;
use conclave_actors::runtime::directory::Directory;
use conclave_actors::runtime::fence::Fence;
use conclave_actors::runtime::ports::{AuditSink, Clock, SpendLedger};
use conclave_actors::runtime::supervision::Intensity;
use conclave_actors::safety::{LiveSafety, SafetyHandle, SafetySetup};
use conclave_domain::arena::desk::DeskRole;
use conclave_domain::arena::desk::brief::DeskBrief;
use conclave_domain::arena::model::ModelSpec;
use conclave_domain::arena::season::{ContestantSpec, SeasonSpec};
use conclave_domain::arena::words::{Answered, ContestantName};
use conclave_domain::budget::{BudgetConfig, Now};
use serde::{Deserialize, Serialize};

use super::log::Played;
use super::shares::{budgets, many};
use crate::adapters::context_redb::RedbStore;
use crate::adapters::safety_store::{SafetyDisk, SafetyWriter};
use crate::adapters::store_reopen::ReopeningStore;
use crate::brains::TAPE_FILE;
use crate::brains::contestants::{Connected, Thinkers};
use crate::cli::error::{CliError, ExitCode};
use crate::config::Config;
use crate::report::put_all;

/// The directory of the contestants within a season's.
pub(crate) const CONTESTANTS_DIR: &str = "contestants";
/// How the budgets stood at the ends of the last ticks.
const TICKS_FILE: &str = "budgets.json";
/// The budgets' own store.
const STORE_FILE: &str = "budgets.redb";
/// The form of [`TICKS_FILE`].
const SCHEMA: u16 = 1;
/// Ends of ticks that are kept: a log that lost its last lines with the power goes on from an earlier one.
const KEPT: usize = 4;
/// How often budgets are looked at that are being written down, and how long is waited in between.
const LOOKS: u32 = 500;
const LOOK: Duration = Duration::from_millis(10);

/// How the budgets stood when a tick ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct TickEnd {
    tick: u32,
    live: LiveSafety,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Ends {
    schema: u16,
    ends: VecDeque<TickEnd>,
}

/// What one contestant of models has of its own.
#[derive(Debug)]
pub(super) struct Purse {
    /// Who thinks for it.
    thinkers: Thinkers,
    /// Its budgets.
    budgets: BudgetConfig,
    /// Where they are written down.
    store: Arc<SafetyWriter>,
    /// How they stood behind the last tick that the log has of it.
    live: Option<LiveSafety>,
    /// What gives its permits, once its desk is there.
    safety: Option<SafetyHandle>,
    clock: Arc<dyn Clock>,
    ledger: Option<Arc<dyn SpendLedger>>,
    dir: PathBuf,
    ends: VecDeque<TickEnd>,
}

/// The purses of a season, by contestant.
#[derive(Debug, Default)]
pub(super) struct Purses {
    all: BTreeMap<ContestantName, Purse>,
    /// Who cannot take part from now on, and why, in words that may be published.
    absent: BTreeMap<ContestantName, String>,
    gateway: Option<Arc<Gateway>>,
}

/// What purses are opened with.
#[derive(Clone)]
pub(super) struct Terms<'a> {
    pub(super) spec: &'a SeasonSpec,
    pub(super) config: &'a Config,
    /// The providers of its models.
    pub(super) connected: Connected,
    /// The season's directory.
    pub(super) dir: &'a Path,
    /// Where blocks of actions would be written; a desk takes none.
    pub(super) log: Arc<dyn AuditSink>,
    pub(super) clock: Arc<dyn Clock>,
    /// What all runs of this user spend, where it is written.
    pub(super) ledger: Option<Arc<dyn SpendLedger>>,
}

impl Purses {
    /// Opens what each contestant has. Inside a runtime. Whose provider did not answer, or whose budgets or
    /// tape cannot be gone on with, takes no part any more; the others do.
    ///
    /// # Errors
    /// When budgets are unsound (3), they cannot be opened, or no contestant of models is left (8).
    pub(super) fn open(terms: &Terms<'_>, played: &Played) -> Result<Self, CliError> {
        let by_models = |one: &ContestantSpec| Some((one.name.clone(), one.kind.models()?.clone()));
        let specs: Vec<(ContestantName, ModelSpec)> =
            terms.spec.contestants.iter().filter_map(by_models).collect();
        if specs.is_empty() {
            return Ok(Self::default());
        }
        let shared = &terms.connected.models;
        let many = many(terms.config, specs.iter().map(|(_, spec)| spec));
        let (mut all, mut absent, mut damaged) = (BTreeMap::new(), BTreeMap::new(), None);
        for (name, spec) in &specs {
            if let Some((kind, why)) = terms.connected.unreached(spec) {
                let why = format!("its provider `{kind}` could not be asked at the start: {why}");
                absent.insert(name.clone(), why);
                continue;
            }
            let budgets = budgets(&spec.budget, &terms.config.budgets, many);
            match Purse::open(terms, (name, spec, budgets), shared, played.last_of(name)) {
                Ok(purse) => drop(all.insert(name.clone(), purse)),
                Err(error) if error.code == ExitCode::Data => {
                    tracing::warn!("{name}: {}", error.chain());
                    let why = "its budgets or its tape are damaged, or not those of its log";
                    absent.insert(name.clone(), why.to_owned());
                    damaged.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        match damaged.filter(|_| all.is_empty()) {
            Some(error) => Err(error),
            None => Ok(Self { all, absent, gateway: Some(Arc::clone(&shared.gateway)) }),
        }
    }

    /// Who cannot take part from now on, and why.
    pub(super) const fn absent(&self) -> &BTreeMap<ContestantName, String> {
        &self.absent
    }

    pub(super) fn of(&mut self, name: &ContestantName) -> Option<&mut Purse> {
        self.all.get_mut(name)
    }

    /// Whether nobody is paid.
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Every contestant's desk is there: budgets of a season that goes on are not made full again.
    pub(super) fn begin(&self, season: &str) {
        for safety in self.all.values().filter_map(|purse| purse.safety.as_ref()) {
            safety.begin_run(season);
        }
    }

    /// A tick begins.
    pub(super) fn begin_tick(&self) {
        for purse in self.all.values() {
            purse.thinkers.meter.begin_tick();
        }
    }

    /// A tick is over: says what each has taken, and writes down how its budgets stand.
    ///
    /// # Errors
    /// When they cannot be written down.
    pub(super) async fn end_tick(
        &mut self,
        tick: u32,
        heard: &mut BTreeMap<ContestantName, Answered>,
    ) -> Result<(), CliError> {
        for (name, purse) in &mut self.all {
            let Some(answered) = heard.get_mut(name) else { continue };
            purse.come_to_rest().await;
            // Whose safety has fallen spends nothing any more.
            let live = purse.moment().await.or_else(|| purse.ends.back().map(|it| it.live.clone()));
            let took = purse.thinkers.meter.take();
            (answered.calls, answered.cost) = (took.calls, took.cost);
            if let Some(live) = live {
                purse.keep(TickEnd { tick, live })?;
            }
        }
        Ok(())
    }

    /// What a reader of the season must know of its providers.
    pub(super) fn notes(&self) -> Vec<String> {
        let standings = self.gateway.iter().flat_map(|gateway| gateway.standings());
        standings.flat_map(|standing| standing.notes()).collect()
    }
}

impl Purse {
    fn open(
        terms: &Terms<'_>,
        (name, spec, budgets): (&ContestantName, &ModelSpec, BudgetConfig),
        shared: &Models,
        last: Option<u32>,
    ) -> Result<Self, CliError> {
        let dir = terms.dir.join(CONTESTANTS_DIR).join(name.as_str());
        // Whatever is wrong with what is its own is its own matter, so all of it is damage.
        let failed = |what: &str, error: &dyn std::error::Error| {
            CliError::new(ExitCode::Data, format!("{}: {what}: {error}", dir.display()))
        };
        std::fs::create_dir_all(&dir)
            .map_err(|error| failed("the directory cannot be made", &error))?;
        let ends = ends(&dir)?;
        let live = behind(&ends, last).map_err(|why| {
            CliError::new(ExitCode::Data, format!("{}: {why}", dir.join(TICKS_FILE).display()))
        })?;
        let path = dir.join(STORE_FILE);
        let store = ReopeningStore::new(move || RedbStore::open(&path))
            .map_err(|error| failed("the budgets cannot be opened", &error))?;
        let disk = SafetyDisk {
            store: Arc::new(store),
            log: Arc::clone(&terms.log),
            last_block: None,
            clock: Arc::clone(&terms.clock),
            replayed: None,
        };
        let store = SafetyWriter::start(disk)
            .map_err(|error| failed("the budgets cannot be written", &error))?;
        let was_asked = dir.join(TAPE_FILE).exists();
        let thinkers = Thinkers::open((spec, shared), terms.config, &dir.join(TAPE_FILE))?;
        let store = Arc::new(store);
        let live = if live.is_none() && was_asked {
            // Killed in its first tick: what is on the tape is booked once more, so from the beginning.
            let now = Now { wall: terms.clock.wall(), trading: terms.clock.trading() };
            let begun = LiveSafety::initial(&budgets, now);
            Some(begun.map_err(|_| {
                CliError::new(ExitCode::Config, format!("{name}: its budgets are unsound"))
            })?)
        } else {
            live
        };
        let (clock, ledger) = (Arc::clone(&terms.clock), terms.ledger.clone());
        Ok(Self { thinkers, budgets, store, live, safety: None, clock, ledger, dir, ends })
    }

    /// The brains of its roles.
    ///
    /// # Errors
    /// When a role cannot be put to a model (3).
    pub(super) fn brains(&self) -> Result<BTreeMap<DeskRole, Arc<dyn Brain<DeskBrief>>>, CliError> {
        let brain = |role: DeskRole| Ok((role, self.thinkers.brain(entry(role), role.is_judge())?));
        DeskRole::ALL.into_iter().map(brain).collect()
    }

    /// What its safety is started with. Inside a runtime.
    pub(super) fn safety(&mut self) -> SafetySetup {
        SafetySetup {
            budgets: self.budgets.clone(),
            store: self.store.clone(),
            ledger: self.ledger.clone(),
            clock: Arc::clone(&self.clock),
            // Of its own: a contestant that falls stops nobody else.
            fence: Fence::new(Box::new(|| false)),
            directory: Directory::default(),
            agents: Vec::new(),
            runtime: tokio::runtime::Handle::current(),
            intensity: Intensity::default(),
            events: Arc::new(|_| {}),
            live: Arc::new(Mutex::new(self.live.take())),
        }
    }

    /// Its desk is made.
    pub(super) fn seated(&mut self, safety: Option<SafetyHandle>) {
        self.safety = safety;
    }

    /// Waits for the calls that a deadline has cut off to end.
    async fn come_to_rest(&self) {
        for _ in 0..LOOKS {
            if self.thinkers.meter.is_quiet() {
                return;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// How its budgets stand, as soon as nothing of them is on its way to the disk.
    async fn moment(&self) -> Option<LiveSafety> {
        let safety = self.safety.as_ref()?;
        for _ in 0..LOOKS {
            if let Some(live) = safety.moment().await {
                return Some(live);
            }
            tokio::time::sleep(LOOK).await;
        }
        None
    }

    fn keep(&mut self, end: TickEnd) -> Result<(), CliError> {
        self.ends.retain(|earlier| earlier.tick < end.tick);
        self.ends.push_back(end);
        let over = self.ends.len().saturating_sub(KEPT);
        self.ends.drain(..over);
        // Before the log says what was brought: what was paid for it is not asked again.
        File::open(self.dir.join(TAPE_FILE)).and_then(|tape| tape.sync_data()).map_err(
            |error| CliError::new(ExitCode::Failure, "the tape cannot be synced").caused_by(error),
        )?;
        let ends = Ends { schema: SCHEMA, ends: self.ends.clone() };
        let text = serde_json::to_string(&ends).map_err(|error| {
            CliError::new(ExitCode::Failure, "budgets as json").caused_by(error)
        })?;
        put_all(&self.dir, [(TICKS_FILE, text)]).map(drop).map_err(|error| {
            CliError::new(ExitCode::Failure, "the budgets cannot be written").caused_by(error)
        })
    }
}

/// The ends of ticks in a contestant's directory; none where it has none.
fn ends(dir: &Path) -> Result<VecDeque<TickEnd>, CliError> {
    let path = dir.join(TICKS_FILE);
    if !path.exists() {
        return Ok(VecDeque::new());
    }
    let wrong = || CliError::new(ExitCode::Data, format!("{} is damaged", path.display()));
    let text = crate::files::read_to_string(&path).map_err(|error| wrong().caused_by(error))?;
    let read: Ends = serde_json::from_str(&text).map_err(|error| wrong().caused_by(error))?;
    if read.schema != SCHEMA {
        return Err(wrong());
    }
    Ok(read.ends)
}

/// How the budgets stood behind the last tick that the log has: `None` before the first.
fn behind(ends: &VecDeque<TickEnd>, last: Option<u32>) -> Result<Option<LiveSafety>, String> {
    let Some(last) = last else { return Ok(None) };
    // A log that has lost lines is behind: what was paid since then stays spent.
    let found = ends.iter().find(|end| end.tick >= last);
    match found {
        Some(TickEnd { live, .. }) => {
            let LiveSafety { standing, budgets } = live.clone();
            Ok(Some(LiveSafety { standing, budgets: budgets.booking_all_again() }))
        }
        None => {
            Err(format!("tick {last} is in the log and not here: restore both from one backup"))
        }
    }
}

#[cfg(test)]
mod tests {
    use conclave_domain::budget::Now;
    use conclave_domain::time::Time;

    use super::*;

    fn at(ticks: &[u32]) -> VecDeque<TickEnd> {
        let now = Now { wall: Time::EPOCH, trading: Time::EPOCH };
        let live = LiveSafety::initial(&BudgetConfig::default(), now).unwrap();
        ticks.iter().map(|tick| TickEnd { tick: *tick, live: live.clone() }).collect()
    }

    /// G-2: nothing is given back to a season whose log has lost its last lines, and one whose budgets were
    /// lost does not begin anew.
    #[test]
    fn budgets_are_those_behind_the_last_tick_of_the_log_or_later() {
        assert!(behind(&at(&[3, 4]), None).unwrap().is_none(), "nothing was decided yet");
        for (ends, last) in [(&[3, 4][..], 4), (&[3, 4], 3), (&[3, 4], 1)] {
            assert!(behind(&at(ends), Some(last)).unwrap().is_some(), "{ends:?} {last}");
        }
        for (ends, last) in [(&[][..], 0), (&[3, 4], 5)] {
            assert!(
                behind(&at(ends), Some(last)).unwrap_err().contains("backup"),
                "{ends:?} {last}"
            );
        }
    }
}
