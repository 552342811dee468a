//! One account: its ledger, and where its day and its window began.

use serde::{Deserialize, Serialize};

use crate::book::{Applied, Book, BookError, BookV1, Trade};
use crate::brief::trading::BookView;
use crate::fixed::Money;
use crate::order::{DecisionId, Fill, Purpose};
use crate::ratio::Ratio;

/// What is counted of the trades since some moment; the trades themselves are not kept here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Trades closed.
    pub trades: u32,
    /// Those of them that won.
    pub won: u32,
    /// Losing trades in a row up to now.
    pub loss_streak: u32,
}

impl Window {
    /// Takes one trade in.
    pub fn add(&mut self, trade: &Trade) {
        let pnl = trade.pnl.raw();
        self.trades = self.trades.saturating_add(1);
        self.won = self.won.saturating_add(u32::from(pnl > 0));
        self.loss_streak = if pnl < 0 { self.loss_streak.saturating_add(1) } else { 0 };
    }
}

/// A ledger with the moments that its figures are measured from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BookState {
    /// The ledger.
    pub book: Book,
    /// Equity when the trading day began.
    pub day_open: Money,
    /// The window in which win rate and loss streak are counted.
    pub window: Window,
}

impl BookState {
    /// An account whose day begins now; the window holds the trades that the book still has, which
    /// are let go of.
    ///
    /// # Errors
    /// When the book's equity overflows.
    pub fn of(book: Book) -> Result<Self, BookError> {
        let day_open = book.equity()?;
        let mut state = Self { book, day_open, window: Window::default() };
        state.count();
        Ok(state)
    }

    pub(super) fn open_day(&mut self) -> Result<(), BookError> {
        self.day_open = self.book.equity()?;
        Ok(())
    }

    pub(super) fn reset_window(&mut self) {
        self.window = Window::default();
    }

    /// Books a fill and counts what it closes.
    pub(super) fn fill(
        &mut self,
        fill: &Fill,
        purpose: Purpose,
        decision: Option<&DecisionId>,
    ) -> Result<Applied, BookError> {
        let applied = self.book.apply(fill, purpose, decision)?;
        self.count();
        Ok(applied)
    }

    /// Counts the trades that the book has closed since, and lets go of them: the broker's account is
    /// the one whose trades are kept.
    fn count(&mut self) {
        for trade in self.book.take_trades() {
            self.window.add(&trade);
        }
    }

    /// Share of the window's trades that won, fraction; `None` before the first.
    pub fn win_rate(&self) -> Option<Ratio> {
        let Window { trades, won, .. } = self.window;
        if trades == 0 { None } else { Ratio::new(f64::from(won) / f64::from(trades)).ok() }
    }

    /// Losing trades in a row up to now, within the window.
    pub const fn loss_streak(&self) -> u32 {
        self.window.loss_streak
    }

    /// Profit or loss of the present day, fraction of its opening equity.
    ///
    /// # Errors
    /// When the equity overflows.
    pub fn daily_pnl_pct(&self) -> Result<Ratio, BookError> {
        let (now, open) = (self.book.equity()?.to_f64(), self.day_open.to_f64());
        Ok(if open > 0.0 { Ratio::or_zero(now / open - 1.0) } else { Ratio::ZERO })
    }

    /// The account as the agents see it. What is on order is the broker's to say.
    ///
    /// # Errors
    /// When a figure overflows.
    pub fn view(&self, open_orders: u32, for_symbol: bool) -> Result<BookView, BookError> {
        let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        Ok(BookView {
            equity: self.book.equity()?,
            cash: self.book.free_cash()?,
            exposure: self.book.exposure()?,
            drawdown: self.book.drawdown(),
            win_rate: self.win_rate(),
            trades: self.window.trades,
            loss_streak: self.loss_streak(),
            daily_pnl_pct: self.daily_pnl_pct()?,
            positions: count(self.book.positions().len()),
            open_orders,
            open_order_for_symbol: for_symbol,
        })
    }
}

/// An account as schema 1 of the store wrote it, which kept every trade and every id.
#[derive(Debug, Deserialize)]
pub struct BookStateV1 {
    book: BookV1,
    day_open: Money,
    window_from: usize,
}

impl From<BookStateV1> for BookState {
    fn from(former: BookStateV1) -> Self {
        let mut book = Book::from(former.book);
        let mut window = Window::default();
        book.take_trades().iter().skip(former.window_from).for_each(|trade| window.add(trade));
        Self { book, day_open: former.day_open, window }
    }
}
