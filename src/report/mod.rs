//! What a run leaves behind: `summary.json`, `trades.csv`, `equity.csv`, `orders.csv`, `run.json` and
//! a self-contained `report.html`.
//!
//! [`RunReport`] is plain data that a run or a back-test fills; nothing here computes what happened,
//! reads a clock or asks an actor, so equal runs leave equal files. Each file is written under a
//! temporary name and renamed, so a reader never sees half of one.

use std::collections::BTreeMap;

use conclave_domain::book::{Position, Trade};
use conclave_domain::budget::RunCosts;
use conclave_domain::code::Code;
use conclave_domain::feasibility::Expected;
use conclave_domain::fixed::{Money, Price, Qty};
use conclave_domain::market::bar::Timeframe;
use conclave_domain::market::symbol::Symbol;
use conclave_domain::metrics::Metrics;
use conclave_domain::order::OrderIntent;
use conclave_domain::ratio::Ratio;
use conclave_domain::record::Anchor;
use conclave_domain::stats::Parts;
use conclave_domain::time::Time;
use serde::Serialize;

pub mod arena;
mod axis;
mod chart;
mod csv;
mod files;
pub mod from_run;
mod page;
pub mod picture;
mod sample;
pub mod scorecard;
pub mod selection;
mod summary;
mod tables;
pub mod training;

#[cfg(test)]
mod tests;

pub use files::{ReportError, put_all, write};
pub use summary::summary_table;

/// Everything that a report tells.
#[derive(Clone, Debug)]
pub struct RunReport {
    /// What ran, on what, under which rules.
    pub header: Header,
    /// How well it did.
    pub metrics: Metrics,
    /// What the council did, in numbers.
    pub counts: Counts,
    /// The account at every bar's close, in order.
    pub equity: Vec<EquityPoint>,
    /// Closed round trips in order of exit.
    pub trades: Vec<Trade>,
    /// Positions that were still open when the run ended.
    pub open: Vec<(Symbol, Position)>,
    /// Every order in the order of its intent.
    pub orders: Vec<OrderRow>,
    /// The prices of what was traded, for the charts.
    pub prices: Vec<PriceCurve>,
    /// One row per agent, in the order of the roster, then the reader of news; empty without a council.
    pub agents: Vec<AgentRow>,
    /// One row per gate; empty without gates.
    pub gates: Vec<GateRow>,
    /// What a reader must know, a sentence each: a halt and since when, what was not applied.
    pub notes: Vec<String>,
}

/// What identifies a run; it becomes `run.json`. No path and no command line in it.
#[derive(Clone, Debug, Serialize)]
pub struct Header {
    /// What was run: `run`, `backtest`.
    pub verb: String,
    /// Who raised the signals: a strategy's or a policy's name with its parameters.
    pub strategy: String,
    /// The program's version.
    pub version: String,
    /// The seed of everything random.
    pub seed: u64,
    /// The hash over the bodies of the records; `None` where a run keeps no records.
    pub record_hash: Option<String>,
    /// The hash of the bars.
    pub data_hash: String,
    /// The hash of the effective configuration.
    pub config_hash: String,
    /// Where the audit ends: a cut tail is found by it.
    pub audit: Option<Anchor>,
    /// The lengths of the bars.
    pub timeframes: Vec<Timeframe>,
    /// What was traded.
    pub symbols: Vec<Symbol>,
    /// The first bar's close.
    pub from: Option<Time>,
    /// The last bar's close.
    pub to: Option<Time>,
    /// Closed bars of all symbols.
    pub bars: u64,
    /// When an order is filled: `next-open` or `close`.
    pub fill_rule: String,
    /// Fees and slippage, in words: `$1 a trade, slippage 5 bp`.
    pub costs: String,
    /// `advisory`, `supervised`, `autonomous`, or `none` without a council.
    pub mode: String,
    /// Paper or live money.
    pub money: MoneyKind,
    /// What the benchmark is: `buy and hold, equal weights`.
    pub benchmark: Option<String>,
}

/// Whose money it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MoneyKind {
    /// Simulated: every chart says so.
    Paper,
    /// Real.
    Live,
}

/// What the council did. Maps go from a stable name to how often.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Counts {
    /// Rounds that were closed.
    pub rounds: u64,
    /// Rounds by their verdict: `act`, `hold`, `vetoed`.
    pub verdicts: BTreeMap<String, u64>,
    /// Vetoes by code.
    pub vetoes: BTreeMap<String, u64>,
    /// Clamped numbers by parameter.
    pub clamps: BTreeMap<String, u64>,
    /// Denied orders and permits by code.
    pub denials: BTreeMap<String, u64>,
    /// Agents asked.
    pub consultations: u64,
    /// Consultations by outcome: `answered`, `abstained`, `unreadable`, `inadmissible`, `failed`, `denied`,
    /// `late`, `shed`, `not_awaited`.
    pub outcomes: BTreeMap<String, u64>,
    /// Restarts by actor.
    pub restarts: BTreeMap<String, u64>,
    /// What paid brains cost, in USD.
    #[serde(serialize_with = "as_number")]
    pub spend_usd: Money,
}

/// Money as a JSON number, as all figures of a summary are; the files with books keep exact text.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn as_number<S: serde::Serializer>(money: &Money, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(money.to_f64())
}

/// The account at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EquityPoint {
    /// A bar's close; strictly increasing.
    pub time: Time,
    /// Cash and positions.
    pub equity: Money,
    /// Cash alone.
    pub cash: Money,
    /// The size of all positions, a fraction of equity.
    pub exposure: Ratio,
    /// What the benchmark would be worth.
    pub benchmark: Option<Money>,
}

/// The pictures of an account that is still at work: its equity, how far it is below its peak, and how much
/// of it is in positions. `None` where there are too few points, or none can be drawn.
pub(crate) fn curves(points: &[EquityPoint], money: MoneyKind) -> Option<[String; 3]> {
    if points.len() < 2 {
        return None;
    }
    let (equity, falls) = (chart::equity(points, money), chart::underwater(points, money));
    Some([equity.ok()??, falls.ok()??, chart::exposure(points, money).ok()??])
}

/// An order that was filled, on a chart of prices.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Mark {
    /// When.
    pub at: Time,
    /// At which price; without one it stands at the share's last close.
    pub price: Option<Price>,
    /// Whether it was bought, and not sold.
    pub is_bought: bool,
    /// What it says to whoever points at it.
    pub says: String,
    /// The address that it leads to.
    pub leads_to: String,
}

/// The picture of a share that is still traded: its closes, and where it was bought and sold.
/// `None` where there are too few closes, or it cannot be drawn.
pub(crate) fn prices(closes: &[(Time, Price)], marks: &[Mark], money: MoneyKind) -> Option<String> {
    if closes.len() < 2 {
        return None;
    }
    chart::prices(closes, marks, money).ok()?
}

/// An order and what became of it.
#[derive(Clone, Debug)]
pub struct OrderRow {
    /// What was wanted.
    pub intent: OrderIntent,
    /// Its last status, by its wire word: `filled`, `denied`.
    pub status: String,
    /// How much was filled.
    pub filled: Qty,
    /// At which mean price.
    pub average: Option<Price>,
    /// What it cost.
    pub fees: Money,
    /// Why it was denied or rejected.
    pub code: Option<Code>,
}

/// The closes of one symbol.
#[derive(Clone, Debug)]
pub struct PriceCurve {
    /// The symbol.
    pub symbol: Symbol,
    /// Its closes in order of time, as they were traded.
    pub closes: Vec<(Time, Price)>,
}

/// What one agent did.
#[derive(Clone, Debug, Default, Serialize)]
pub struct AgentRow {
    /// Its name in records.
    pub name: String,
    /// Its team.
    pub team: String,
    /// The model that it asks first, live or out of a record; nothing where its rules think.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// How often it was asked.
    pub consultations: u64,
    /// What became of that; the parts add up to it.
    #[serde(flatten)]
    pub parts: Parts,
    /// How often it answered with a vote: applied and clamped together.
    pub answered: u64,
    /// How often its answer could not be read; among those abstained.
    pub unreadable: u64,
    /// How often its rules answered in the place of its model; among the other parts.
    pub by_rules: u64,
    /// How many of its numbers were clamped.
    pub clamps: u64,
    /// How often it vetoed.
    pub vetoes: u64,
    /// How often it was restarted.
    pub restarts: u64,
    /// What it cost, in USD.
    #[serde(serialize_with = "as_number")]
    pub cost_usd: Money,
    /// What was expected of it before the run; nothing where no agent asks a model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<ExpectedRow>,
}

/// What was expected of one agent before the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExpectedRow {
    /// The best model that it may ask; `None` where its rules think.
    pub model: Option<String>,
    /// How often it would be asked about entries.
    pub consultations: u64,
    /// How often it can be asked: appeals, open positions and news included.
    pub consultations_at_most: u64,
    /// What that costs at most, in USD.
    #[serde(serialize_with = "as_number")]
    pub cost_usd: Money,
}

/// What a run has cost, and what was expected.
#[derive(Clone, Debug, Default)]
pub struct Costs {
    /// What was spent.
    pub spent: RunCosts,
    /// One row per agent; empty where no agent asks a model.
    pub expected: Vec<Expected>,
    /// The model that each agent asks first, of those that ask one, live or out of a record.
    pub models: BTreeMap<String, String>,
}

/// How often a gate let a candidate pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GateRow {
    /// The gate.
    pub code: Code,
    /// Candidates that came to it.
    pub tested: u64,
    /// Candidates that it let pass.
    pub passed: u64,
}

impl GateRow {
    /// The share that passed; `None` when nothing came.
    pub fn pass_rate(&self) -> Option<Ratio> {
        #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
        let rate = self.passed.min(self.tested) as f64 / self.tested as f64;
        Ratio::new(rate).ok()
    }

    /// What is suspicious about it: a gate that always says the same decides nothing.
    pub const fn warning(&self) -> Option<&'static str> {
        match (self.tested, self.passed) {
            (0, _) => Some("never reached"),
            (_, 0) => Some("nothing passed"),
            (tested, passed) if passed >= tested => Some("everything passed"),
            _ => None,
        }
    }
}
