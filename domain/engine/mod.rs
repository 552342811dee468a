//! A back-test of a strategy or a policy alone: bars through pipeline and ledger, in one loop. Pure.
//!
//! The loop decides nothing: what a bar means is in [`SymbolPipeline`], what a call becomes in
//! [`RawDesk`], and the order of things in [`RawAccount`]. The actors drive the same three through
//! mailboxes.

mod account;
mod desk;
mod raw;

use std::sync::Arc;

use crate::book::Book;
use crate::fixed::Money;
use crate::market::bar::Bar;
use crate::market::series::Series;
use crate::market::tape::{Instrument, Tape, TapeError, Tick};
use crate::order_state::Order;
use crate::pipeline::SymbolPipeline;
use crate::policy::network::Policy;
use crate::strategy::{Source, StrategyError};
use crate::time::Time;

pub use account::RawAccount;
pub use desk::{DeskError, RawDesk};
pub use raw::{Directions, RawCall, RawTerms, Size, SizeError, Wish, percent_of};

/// Why a back-test could not be run.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum EngineError {
    /// A parameter of the strategy is out of bounds.
    #[error("the strategy cannot be built")]
    Strategy(#[from] StrategyError),
    /// The account could not go on.
    #[error("the account cannot go on")]
    Desk(#[from] DeskError),
    /// Too many series.
    #[error("the series cannot be played together")]
    Tape(#[from] TapeError),
}

/// The account at one moment, after all bars and fills of that moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// The bars' close.
    pub time: Time,
    /// Cash plus positions.
    pub equity: Money,
    /// Cash alone.
    pub cash: Money,
    /// Sum of the positions' sizes.
    pub gross: Money,
}

/// What a back-test leaves.
#[derive(Clone, Debug, PartialEq)]
pub struct EngineResult {
    /// The account at the end: its trades, fees and drawdown.
    pub book: Book,
    /// Every order, oldest first.
    pub orders: Vec<Order>,
    /// The account at every bar's close.
    pub equity: Vec<Point>,
    /// Bars played.
    pub bars: u64,
    /// Bars during which their symbol had a position, from the entry's to the exit's inclusive.
    pub bars_exposed: u64,
}

/// Runs a strategy over series, each by its own pipeline, all on one account.
///
/// # Errors
/// See [`EngineError`].
pub fn run_raw(
    series: &[Series],
    source: &(impl Into<Source> + Clone),
    terms: &RawTerms,
) -> Result<EngineResult, EngineError> {
    let source: Source = source.clone().into();
    let strategy = source.config();
    let mut sorted: Vec<&Series> = series.iter().collect();
    sorted.sort_by(|a, b| a.symbol.cmp(&b.symbol));
    let instrument = |one: &&Series| Instrument { symbol: one.symbol.clone(), class: one.class };
    let instruments: Vec<Instrument> = sorted.iter().map(instrument).collect();
    let points = sorted.iter().map(|one| one.bars.len()).max().unwrap_or(0);
    let account = RawAccount::new(terms.clone(), &instruments, points)?;
    let pipelines = sorted.into_iter().map(|one| {
        SymbolPipeline::new(one.symbol.clone(), one.class, one.timeframe, &strategy, false)
    });
    let pipelines = pipelines.collect::<Result<_, _>>()?;
    let mut playing = Playing { account, pipelines, policy: source.policy().cloned() };
    if let [only] = series {
        for bar in &only.bars {
            playing.moment(std::iter::once((0, bar)))?;
        }
    } else {
        let mut tape = Tape::new(series.to_vec())?;
        while let Some(chunk) = tape.next_chunk(1_024) {
            for slice in 0..chunk.len() {
                let ticks = chunk.slice(slice).iter();
                playing.moment(ticks.map(|Tick { instrument, bar }| (*instrument, bar)))?;
            }
        }
    }
    Ok(playing.account.finish()?)
}

/// The loop's state.
struct Playing {
    account: RawAccount,
    /// In symbol order, as the tape counts them.
    pipelines: Vec<SymbolPipeline>,
    policy: Option<Arc<Policy>>,
}

impl Playing {
    /// Plays all bars of one moment.
    fn moment<'a>(
        &mut self,
        ticks: impl Iterator<Item = (u16, &'a Bar)> + Clone,
    ) -> Result<(), DeskError> {
        self.account.slice(ticks.clone())?;
        for (at, bar) in ticks {
            let Some(pipeline) = self.pipelines.get_mut(usize::from(at)) else { continue };
            if let Some(signal) = pipeline.on_bar(bar) {
                self.account.call(at, signal.direction, bar)?;
            }
            if let Some(policy) = &self.policy
                && let Some(row) = pipeline.observation()
            {
                self.account.consider(at, policy, &row, bar)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
