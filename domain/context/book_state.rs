//! One account: its ledger, and where its day and its window began.

use serde::{Deserialize, Serialize};

use crate::book::{Book, BookError, Trade};
use crate::brief::trading::BookView;
use crate::fixed::Money;
use crate::ratio::Ratio;

/// A ledger with the moments that its figures are measured from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BookState {
    /// The ledger.
    pub book: Book,
    /// Equity when the trading day began.
    pub day_open: Money,
    /// Trades before the window in which win rate and loss streak are counted.
    pub window_from: usize,
}

impl BookState {
    /// An account whose day and window begin now.
    ///
    /// # Errors
    /// When the book's equity overflows.
    pub fn of(book: Book) -> Result<Self, BookError> {
        let day_open = book.equity()?;
        Ok(Self { book, day_open, window_from: 0 })
    }

    pub(super) fn open_day(&mut self) -> Result<(), BookError> {
        self.day_open = self.book.equity()?;
        Ok(())
    }

    pub(super) fn reset_window(&mut self) {
        self.window_from = self.book.trades().len();
    }

    /// Trades closed in the present window.
    pub fn window(&self) -> &[Trade] {
        self.book.trades().get(self.window_from..).unwrap_or_default()
    }

    /// Share of the window's trades that won, fraction; `None` before the first.
    pub fn win_rate(&self) -> Option<Ratio> {
        let trades = self.window();
        let won = trades.iter().filter(|trade| trade.pnl.raw() > 0).count();
        #[expect(clippy::cast_precision_loss, reason = "a count of trades is far below 2^53")]
        let rate = won as f64 / trades.len() as f64;
        Ratio::new(rate).ok()
    }

    /// Losing trades in a row up to now, within the window.
    pub fn loss_streak(&self) -> u32 {
        let losses = self.window().iter().rev().take_while(|trade| trade.pnl.raw() < 0).count();
        u32::try_from(losses).unwrap_or(u32::MAX)
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
            trades: count(self.window().len()),
            loss_streak: self.loss_streak(),
            daily_pnl_pct: self.daily_pnl_pct()?,
            positions: count(self.book.positions().len()),
            open_orders,
            open_order_for_symbol: for_symbol,
        })
    }
}
