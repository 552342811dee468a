//! What of the budgets is written down, and how they come back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::meter::{Clock, Line, Meter, Spend};
use super::{BLOCK, BudgetConfig, BudgetError, Budgets, Now, Remaining, Request};
use crate::role::Team;
use crate::time::Time;

/// The budgets as they are stored. Opaque, versioned by whoever stores it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetSnapshot {
    run: String,
    clean: bool,
    lines: Vec<StoredLine>,
    adjusted: BTreeMap<String, Time>,
    /// Blocks of actions that were ever reserved.
    #[serde(default)]
    blocks: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct StoredLine {
    line: Line,
    spends: Vec<Spend>,
    /// Reserved in blocks and perhaps spent: after a crash it is.
    ahead: i64,
    /// What of the spends dead processes had reserved; of money alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    blocks: Vec<Spend>,
}

impl BudgetSnapshot {
    /// Whether these are the exact figures of a clean stop.
    pub const fn is_clean(&self) -> bool {
        self.clean
    }

    /// How the budgets stand at `wall`, for whoever looks while no process runs: as a process that
    /// starts then would find them, on the trading clock at its last spend.
    ///
    /// # Errors
    /// Everything in the configuration that passes a hard limit.
    pub fn seen(
        &self,
        config: &BudgetConfig,
        wall: Time,
    ) -> Result<Vec<Remaining>, Vec<BudgetError>> {
        let on_trading = |line: &&StoredLine| matches!(line.line.clock(), Clock::Trading);
        let spends = self.lines.iter().filter(on_trading).flat_map(|line| &line.spends);
        let trading = spends.map(|spend| spend.until).max().unwrap_or(Time::EPOCH);
        let now = Now { wall, trading };
        Budgets::durable(config.clone(), Some(self), now).map(|budgets| budgets.remaining(now))
    }

    /// The same without what counts on wall time: a part that is the same whenever a run is played.
    #[must_use]
    pub fn on_trading_clock(&self) -> Self {
        let lines =
            self.lines.iter().filter(|stored| matches!(stored.line.clock(), Clock::Trading));
        Self { lines: lines.cloned().collect(), ..self.clone() }
    }

    /// Budgets of which nothing was ever spent.
    pub fn untouched() -> Self {
        let (run, lines, adjusted) = (String::new(), Vec::new(), BTreeMap::new());
        Self { run, clean: true, lines, adjusted, blocks: 0 }
    }

    /// Whether what counts on wall time is the same in both.
    pub fn agrees_on_wall_time(&self, other: &Self) -> bool {
        let touched = |stored: &&StoredLine| stored.is_touched();
        self.on_wall_time().filter(touched).eq(other.on_wall_time().filter(touched))
    }

    /// How many blocks of actions were ever reserved: it tells a block that is new from what was given
    /// out of the former one meanwhile.
    pub const fn blocks(&self) -> u64 {
        self.blocks
    }

    /// The same with what counts on wall time as it is in another.
    #[must_use]
    pub fn with_wall_time_of(&self, other: &Self) -> Self {
        let trading = |stored: &&StoredLine| matches!(stored.line.clock(), Clock::Trading);
        let lines = self.lines.iter().filter(trading).chain(other.on_wall_time());
        Self { lines: lines.cloned().collect(), ..self.clone() }
    }

    fn on_wall_time(&self) -> impl Iterator<Item = &StoredLine> {
        self.lines.iter().filter(|stored| matches!(stored.line.clock(), Clock::Wall))
    }
}

/// Spends what a dead process had reserved; of money it is known apart, because each line has blocks of
/// its own, and the lines of the agents would add up to more than the run's.
fn spend_block(meter: &mut Meter, line: &Line, block: i64, now: Now) {
    let now = line.clock().of(now);
    if line.is_money() {
        meter.bury(now, block, line.window());
    } else {
        meter.spend(now, block, line.window());
    }
}

impl StoredLine {
    fn is_touched(&self) -> bool {
        !self.spends.is_empty() || self.ahead != 0
    }
}

/// The budgets of one moment to the last permit, what is reserved ahead and not yet given out apart:
/// what a run goes on from whose bars since that moment are played again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveBudgets {
    stored: BudgetSnapshot,
    adjusted_floor: Option<Time>,
    free: BTreeMap<Team, u64>,
    /// Whether what counts on wall time is played again too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    books_all_again: bool,
}

impl LiveBudgets {
    /// The same for whoever puts every paid question since that moment again, out of a tape, and books it
    /// again at what it cost: nothing of a block is lost. What was under way at a kill is not on the tape;
    /// the ledger of all runs has it.
    #[must_use]
    pub fn booking_all_again(&self) -> Self {
        Self { books_all_again: true, ..self.clone() }
    }

    /// The same with what counts on wall time as it was last written down: what was paid since is spent,
    /// although it is not played again.
    #[must_use]
    pub fn with_wall_time_of(&self, stored: &BudgetSnapshot) -> Self {
        Self { stored: self.stored.with_wall_time_of(stored), ..self.clone() }
    }

    /// The same figures as they are written down while a process goes on.
    pub const fn snapshot(&self) -> &BudgetSnapshot {
        &self.stored
    }
}

/// A block that must be written down before it may be given out. Hand it back through
/// [`Budgets::reserved`] once it is on the disk, or through [`Budgets::not_reserved`].
#[derive(Debug)]
#[must_use = "a block that is neither confirmed nor dropped stays pending for ever"]
pub struct Reserve {
    snapshot: BudgetSnapshot,
    blocks: Vec<(Line, i64)>,
    run: String,
}

impl Reserve {
    /// What to write.
    pub const fn snapshot(&self) -> &BudgetSnapshot {
        &self.snapshot
    }
}

impl Budgets {
    /// Budgets whose every permit must have been written down first, as they were left.
    ///
    /// `stored` is `None` for a store that never had budgets. G-2: after a crash, what was written
    /// down ahead counts as spent now, and every parameter as adjusted now.
    ///
    /// # Errors
    /// Everything in the configuration that passes a hard limit.
    pub fn durable(
        config: BudgetConfig,
        stored: Option<&BudgetSnapshot>,
        now: Now,
    ) -> Result<Self, Vec<BudgetError>> {
        let mut budgets = Self::new(config)?;
        budgets.durable = true;
        #[cfg(feature = "mutants")]
        let stored = stored.filter(|_| !crate::mutants::is(crate::mutants::Mutant::RefillsBudgets));
        let Some(stored) = stored else { return Ok(budgets) };
        budgets.run.clone_from(&stored.run);
        budgets.adjusted.clone_from(&stored.adjusted);
        budgets.blocks = stored.blocks;
        budgets.adjusted_floor = (!stored.clean).then_some(now.trading);
        for StoredLine { line, spends, ahead, blocks } in &stored.lines {
            let limit = line.limit(&budgets.config);
            let mut meter = Meter::restored(limit, spends.clone(), blocks.clone());
            if !stored.clean && *ahead > 0 {
                spend_block(&mut meter, line, *ahead, now);
            }
            budgets.meters.insert(line.clone(), meter);
        }
        budgets.check();
        Ok(budgets)
    }

    /// Budgets as they stood at one moment, for a run that plays everything since then again: what was
    /// reserved ahead on the trading clock is there to be given out again, to the same requests.
    ///
    /// G-2: what counts on wall time is not played again, unless [`LiveBudgets::booking_all_again`] says
    /// so. There a block that was reserved counts as spent, as after any crash.
    ///
    /// # Errors
    /// Everything in the configuration that passes a hard limit.
    pub fn resumed(
        config: BudgetConfig,
        live: &LiveBudgets,
        now: Now,
    ) -> Result<Self, Vec<BudgetError>> {
        let mut budgets = Self::new(config)?;
        budgets.durable = true;
        budgets.run.clone_from(&live.stored.run);
        budgets.adjusted.clone_from(&live.stored.adjusted);
        budgets.blocks = live.stored.blocks;
        budgets.adjusted_floor = live.adjusted_floor;
        budgets.free.clone_from(&live.free);
        for StoredLine { line, spends, ahead, blocks } in &live.stored.lines {
            let limit = line.limit(&budgets.config);
            let mut meter = Meter::restored(limit, spends.clone(), blocks.clone());
            match line.clock() {
                Clock::Trading => meter.ahead = *ahead,
                Clock::Wall if live.books_all_again => meter.ahead = *ahead,
                Clock::Wall if *ahead > 0 => spend_block(&mut meter, line, *ahead, now),
                Clock::Wall => {}
            }
            budgets.meters.insert(line.clone(), meter);
        }
        budgets.check();
        Ok(budgets)
    }

    /// The figures of this moment; `None` while a block is on its way to the disk.
    pub fn live(&self) -> Option<LiveBudgets> {
        let is_settled = self.meters.values().all(|meter| meter.pending == 0);
        is_settled.then(|| LiveBudgets {
            stored: self.snapshot_as(false),
            adjusted_floor: self.adjusted_floor,
            free: self.free.clone(),
            books_all_again: false,
        })
    }

    /// What must be written down before this request can be permitted, if anything: one block of
    /// [`BLOCK`] permits of its kind. `None` also where it would be refused anyway.
    pub fn reserve(&mut self, request: &Request, now: Now) -> Option<Reserve> {
        if !self.durable || request.is_reducing() {
            return None;
        }
        let granted = self.granted(request, now).ok()?;
        let takes = request.takes(granted.as_ref());
        if self.covers(&takes) {
            return None;
        }
        let mut blocks = Vec::with_capacity(takes.len());
        for (line, units) in takes {
            let limit = line.limit(&self.config);
            let kept = self.kept_from(request, &line);
            let meter = self.meters.entry(line.clone()).or_insert_with(|| Meter::new(limit));
            let block = units.saturating_mul(BLOCK);
            // After a crash a block counts as spent: it must not be made of what is the guardian's.
            let free = meter.left() - kept - meter.ahead - meter.pending;
            if meter.ahead < units && free > 0 {
                let block = block.min(free);
                meter.pending += block;
                blocks.push((line, block));
            }
        }
        let is_of_actions = |line: &Line| matches!(line.clock(), Clock::Trading);
        if blocks.iter().any(|(line, _)| is_of_actions(line)) {
            self.blocks += 1;
        }
        Some(Reserve { snapshot: self.snapshot_as(false), blocks, run: self.run.clone() })
    }

    /// The block is on the disk: its permits may be given out.
    pub fn reserved(&mut self, reserve: Reserve) {
        self.finish(reserve, true);
    }

    /// The block could not be written: nothing of it may be given out.
    pub fn not_reserved(&mut self, reserve: Reserve) {
        self.finish(reserve, false);
    }

    /// The exact figures, for a clean stop.
    pub fn snapshot(&self) -> BudgetSnapshot {
        self.snapshot_as(true)
    }

    /// The figures as they must be written down while the process goes on: a crash after this costs
    /// what is reserved ahead.
    pub fn checkpoint(&self) -> BudgetSnapshot {
        self.snapshot_as(false)
    }

    /// Whether these spends have been written down ahead.
    pub(super) fn covers(&self, takes: &[(Line, i64)]) -> bool {
        let covered = |line: &Line, units: i64| {
            units == 0 || self.meters.get(line).is_some_and(|meter| meter.ahead >= units)
        };
        takes.iter().all(|(line, units)| covered(line, *units))
    }

    fn finish(&mut self, reserve: Reserve, written: bool) {
        let same_run = reserve.run == self.run;
        for (line, block) in reserve.blocks {
            // A new run has begun meanwhile: its meters are fresh ones.
            if !same_run && line.is_of_run() {
                continue;
            }
            if let Some(meter) = self.meters.get_mut(&line) {
                meter.pending = (meter.pending - block).max(0);
                meter.ahead += if written { block } else { 0 };
            }
        }
        self.check();
    }

    fn snapshot_as(&self, clean: bool) -> BudgetSnapshot {
        let is_stored =
            |(line, meter): &(&Line, &Meter)| line.is_always_stored() || !meter.is_untouched();
        let lines = self.meters.iter().filter(is_stored).map(|(line, meter)| StoredLine {
            line: line.clone(),
            spends: meter.spends().copied().collect(),
            blocks: meter.blocks().copied().collect(),
            ahead: if clean { 0 } else { meter.ahead + meter.pending },
        });
        let (run, adjusted) = (self.run.clone(), self.adjusted.clone());
        BudgetSnapshot { run, clean, lines: lines.collect(), adjusted, blocks: self.blocks }
    }
}
