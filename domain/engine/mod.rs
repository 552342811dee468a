//! A back-test of a strategy alone: bars through pipeline and ledger, in one loop. Pure.
//!
//! The loop decides nothing: what a bar means is in [`SymbolPipeline`], what a call becomes in
//! [`RawDesk`]. The actors drive the same two through mailboxes.

mod desk;
mod raw;

use crate::book::Book;
use crate::fixed::Money;
use crate::market::bar::Bar;
use crate::market::series::Series;
use crate::market::tape::{Tape, TapeError, Tick};
use crate::order_state::Order;
use crate::pipeline::SymbolPipeline;
use crate::strategy::{StrategyConfig, StrategyError};
use crate::time::Time;

pub use desk::{DeskError, RawDesk};
pub use raw::{Directions, RawCall, RawTerms, Size, SizeError};

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
    strategy: &StrategyConfig,
    terms: &RawTerms,
) -> Result<EngineResult, EngineError> {
    let mut loops = Loop::new(series, strategy, terms)?;
    if let [only] = series {
        loops.equity.reserve_exact(only.bars.len());
        for bar in &only.bars {
            loops.moment(std::slice::from_ref(bar).iter().map(|bar| (0, bar)))?;
        }
    } else {
        let mut tape = Tape::new(series.to_vec())?;
        while let Some(chunk) = tape.next_chunk(1_024) {
            for slice in 0..chunk.len() {
                let ticks = chunk.slice(slice).iter();
                loops.moment(
                    ticks.map(|Tick { instrument, bar }| (usize::from(*instrument), bar)),
                )?;
            }
        }
    }
    loops.finish()
}

/// The loop's state.
struct Loop {
    desk: RawDesk,
    /// In symbol order, as the tape counts them.
    pipelines: Vec<SymbolPipeline>,
    equity: Vec<Point>,
    bars: u64,
    bars_exposed: u64,
}

impl Loop {
    fn new(
        series: &[Series],
        strategy: &StrategyConfig,
        terms: &RawTerms,
    ) -> Result<Self, EngineError> {
        let desk =
            RawDesk::new(terms.clone(), series.iter().map(|one| (one.symbol.clone(), one.class)))?;
        let mut sorted: Vec<&Series> = series.iter().collect();
        sorted.sort_by(|a, b| a.symbol.cmp(&b.symbol));
        let pipelines = sorted.into_iter().map(|one| {
            SymbolPipeline::new(one.symbol.clone(), one.class, one.timeframe, strategy, false)
        });
        let pipelines = pipelines.collect::<Result<_, _>>()?;
        Ok(Self { desk, pipelines, equity: Vec::new(), bars: 0, bars_exposed: 0 })
    }

    /// Plays all bars of one moment.
    fn moment<'a>(
        &mut self,
        ticks: impl Iterator<Item = (usize, &'a Bar)> + Clone,
    ) -> Result<(), EngineError> {
        let trades = self.desk.book().trades().len();
        for (at, bar) in ticks.clone() {
            let Some(pipeline) = self.pipelines.get(at) else { continue };
            self.desk.open(pipeline.symbol(), bar)?;
        }
        for (at, bar) in ticks.clone() {
            let Some(pipeline) = self.pipelines.get(at) else { continue };
            self.desk.close(pipeline.symbol(), bar)?;
        }
        let mut time = None;
        for (at, bar) in ticks {
            let Some(pipeline) = self.pipelines.get_mut(at) else { continue };
            if let Some(signal) = pipeline.on_bar(bar) {
                self.desk.call(&signal.symbol, signal.direction, bar)?;
            }
            self.count(at, trades);
            time = Some(bar.close_time);
        }
        if let Some(time) = time {
            self.point(time)?;
        }
        Ok(())
    }

    /// Counts a bar, and whether its symbol had a position in it.
    fn count(&mut self, at: usize, trades_before: usize) {
        let (Some(pipeline), book) = (self.pipelines.get(at), self.desk.book()) else { return };
        self.bars += 1;
        let symbol = pipeline.symbol();
        let closed = book.trades().get(trades_before..).unwrap_or_default();
        let exposed =
            book.position(symbol).is_some() || closed.iter().any(|trade| trade.symbol == *symbol);
        self.bars_exposed += u64::from(exposed);
    }

    fn point(&mut self, time: Time) -> Result<(), EngineError> {
        let equity = self.desk.settle()?;
        let book = self.desk.book();
        let gross = book.gross_value().map_err(DeskError::from)?;
        self.equity.push(Point { time, equity, cash: book.cash(), gross });
        Ok(())
    }

    /// Closes what is open; the last point of the curve is after that.
    fn finish(mut self) -> Result<EngineResult, EngineError> {
        self.desk.finish()?;
        if let Some(last) = self.equity.pop() {
            self.point(last.time)?;
        }
        let (book, orders) = self.desk.into_parts();
        let Self { equity, bars, bars_exposed, .. } = self;
        Ok(EngineResult { book, orders, equity, bars, bars_exposed })
    }
}

#[cfg(test)]
mod tests;
