//! A raw run's account with its curve and its counts, slice by slice. Pure.
//!
//! The loop of [`run_raw`](super::run_raw) and the actors both play slices and calls into it, so the
//! order of things within a moment is decided here and nowhere else. A moment is settled when the next
//! one begins or the data end, because its calls come after its bars.

use super::desk::{DeskError, RawDesk};
use super::raw::RawTerms;
use super::{EngineResult, Point};
use crate::book::Book;
use crate::market::bar::Bar;
use crate::market::symbol::Symbol;
use crate::market::tape::Instrument;
use crate::policy::action::Intent;
use crate::policy::network::Policy;
use crate::policy::observation::MARKET;
use crate::signal::Direction;
use crate::time::Time;

/// The account of a raw run and what is reported of it.
#[derive(Clone, Debug, PartialEq)]
pub struct RawAccount {
    desk: RawDesk,
    /// In the tape's order.
    symbols: Vec<Symbol>,
    equity: Vec<Point>,
    bars: u64,
    bars_exposed: u64,
    open: Option<Moment>,
    /// The instruments whose bars the open moment has.
    seen: Vec<u16>,
}

/// A moment whose bars were played and whose calls may still come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Moment {
    time: Time,
    trades_before: usize,
}

impl RawAccount {
    /// An account that holds nothing but cash, for the instruments of a tape. `points` is how many
    /// moments there will be, as far as is known.
    ///
    /// # Errors
    /// When the cash is not positive.
    pub fn new(
        terms: RawTerms,
        instruments: &[Instrument],
        points: usize,
    ) -> Result<Self, DeskError> {
        let listed = instruments.iter().map(|one| (one.symbol.clone(), one.class));
        Ok(Self {
            desk: RawDesk::new(terms, listed)?,
            symbols: instruments.iter().map(|one| one.symbol.clone()).collect(),
            equity: Vec::with_capacity(points),
            bars: 0,
            bars_exposed: 0,
            open: None,
            seen: Vec::with_capacity(instruments.len()),
        })
    }

    /// Begins a moment with all its bars: the former one is settled, what waited is filled at the
    /// opens, positions are marked at the closes. Bars of instruments that the tape has not are left
    /// out.
    ///
    /// # Errors
    /// On overflow.
    pub fn slice<'a>(
        &mut self,
        ticks: impl Iterator<Item = (u16, &'a Bar)> + Clone,
    ) -> Result<(), DeskError> {
        self.settle()?;
        let trades_before = self.desk.book().trades().len();
        for (at, bar) in ticks.clone() {
            let Some(symbol) = self.symbols.get(usize::from(at)) else { continue };
            self.desk.open(symbol, bar)?;
        }
        for (at, bar) in ticks {
            let Some(symbol) = self.symbols.get(usize::from(at)) else { continue };
            self.desk.close(symbol, bar)?;
            self.seen.push(at);
            self.open = Some(Moment { time: bar.close_time, trades_before });
        }
        Ok(())
    }

    /// A call on a bar of the slice that was played last.
    ///
    /// # Errors
    /// On overflow.
    pub fn call(&mut self, at: u16, direction: Direction, bar: &Bar) -> Result<(), DeskError> {
        match self.symbols.get(usize::from(at)) {
            Some(symbol) => self.desk.call(symbol, direction, bar),
            None => Ok(()),
        }
    }

    /// What a policy wants on a bar of the slice that was played last.
    ///
    /// # Errors
    /// On overflow.
    pub fn act(&mut self, at: u16, intent: Intent, bar: &Bar) -> Result<(), DeskError> {
        match self.symbols.get(usize::from(at)) {
            Some(symbol) => self.desk.act(symbol, intent, bar),
            None => Ok(()),
        }
    }

    /// Asks a policy about a bar of the slice that was played last; what it wants is filled like a call.
    ///
    /// # Errors
    /// On overflow.
    pub fn consider(
        &mut self,
        at: u16,
        policy: &Policy,
        row: &[f32; MARKET],
        bar: &Bar,
    ) -> Result<(), DeskError> {
        match self.symbols.get(usize::from(at)) {
            Some(symbol) => self.desk.consider(symbol, policy, row, bar),
            None => Ok(()),
        }
    }

    /// The account so far.
    pub const fn book(&self) -> &Book {
        self.desk.book()
    }

    /// Ends the open moment: counts its bars and writes its point.
    fn settle(&mut self) -> Result<(), DeskError> {
        let Some(Moment { time, trades_before }) = self.open.take() else { return Ok(()) };
        let book = self.desk.book();
        let closed = book.trades().get(trades_before..).unwrap_or_default();
        for at in self.seen.drain(..) {
            let Some(symbol) = self.symbols.get(usize::from(at)) else { continue };
            let exposed = book.position(symbol).is_some()
                || closed.iter().any(|trade| trade.symbol == *symbol);
            self.bars += 1;
            self.bars_exposed += u64::from(exposed);
        }
        self.point(time)
    }

    fn point(&mut self, time: Time) -> Result<(), DeskError> {
        let equity = self.desk.settle()?;
        let book = self.desk.book();
        self.equity.push(Point { time, equity, cash: book.cash(), gross: book.gross_value()? });
        Ok(())
    }

    /// The data ended: closes what is open; the last point of the curve is after that.
    ///
    /// # Errors
    /// On overflow.
    pub fn finish(mut self) -> Result<EngineResult, DeskError> {
        self.settle()?;
        self.desk.finish()?;
        if let Some(last) = self.equity.pop() {
            self.point(last.time)?;
        }
        let (book, orders) = self.desk.into_parts();
        let Self { equity, bars, bars_exposed, .. } = self;
        Ok(EngineResult { book, orders, equity, bars, bars_exposed })
    }
}
