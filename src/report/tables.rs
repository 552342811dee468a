//! Trades added up by symbol and by reason of exit, and amounts as people read them.

use std::collections::BTreeMap;

use conclave_domain::book::Trade;
use conclave_domain::fixed::Money;
use conclave_domain::market::symbol::Symbol;
use conclave_domain::metrics::Kind;
use conclave_domain::order::{ExitReason, Purpose};
use conclave_domain::ratio::Ratio;

/// Some trades, added up. Sums are floats, because they are only shown.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Group {
    /// How many.
    pub(super) trades: usize,
    /// How many gained.
    pub(super) won: usize,
    /// Profit and loss.
    pub(super) pnl: f64,
    /// Fees of both sides.
    pub(super) fees: f64,
    /// The best result.
    pub(super) best: f64,
    /// The worst result.
    pub(super) worst: f64,
    /// Bars held, all together.
    pub(super) bars: u64,
}

impl Group {
    fn add(&mut self, trade: &Trade) {
        let pnl = trade.pnl.to_f64();
        let first = self.trades == 0;
        self.best = if first { pnl } else { self.best.max(pnl) };
        self.worst = if first { pnl } else { self.worst.min(pnl) };
        self.trades += 1;
        self.won += usize::from(trade.pnl.raw() > 0);
        self.pnl += pnl;
        self.fees += trade.fees.to_f64();
        self.bars += u64::from(trade.bars_held);
    }

    /// The share that gained, in percent.
    pub(super) fn win_rate(&self) -> String {
        percent(ratio(self.won, self.trades))
    }

    /// Mean bars held.
    pub(super) fn mean_bars(&self) -> String {
        #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
        let mean = self.bars as f64 / self.trades.max(1) as f64;
        format!("{mean:.1}")
    }
}

fn ratio(part: usize, whole: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    let ratio = part as f64 / whole.max(1) as f64;
    ratio
}

/// Trades by symbol; a symbol without trades is not there.
pub(super) fn by_symbol(trades: &[Trade]) -> BTreeMap<Symbol, Group> {
    let mut groups: BTreeMap<Symbol, Group> = BTreeMap::new();
    for trade in trades {
        groups.entry(trade.symbol.clone()).or_default().add(trade);
    }
    groups
}

/// Trades by the reason of their exit.
pub(super) fn by_exit(trades: &[Trade]) -> BTreeMap<ExitReason, Group> {
    let mut groups: BTreeMap<ExitReason, Group> = BTreeMap::new();
    for trade in trades {
        groups.entry(trade.exit_reason).or_default().add(trade);
    }
    groups
}

/// All trades.
pub(super) fn total(trades: &[Trade]) -> Group {
    trades.iter().fold(Group::default(), |mut group, trade| {
        group.add(trade);
        group
    })
}

/// `entry`, or the reason of an exit.
pub(super) const fn purpose(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Entry => "entry",
        Purpose::Exit { reason } => reason.name(),
    }
}

/// A fraction in percent.
pub(super) fn percent(fraction: f64) -> String {
    format!("{:.1} %", fraction * 100.0)
}

/// An amount with two places and commas.
pub(super) fn amount(value: f64) -> String {
    Kind::Money.text(Ratio::or_zero(value))
}

/// A cost in USD; small ones keep four places, because a call costs less than a cent.
pub(super) fn usd(money: Money) -> String {
    let value = money.to_f64();
    if money.is_zero() || value.abs() >= 1.0 {
        format!("${value:.2}")
    } else {
        format!("${value:.4}")
    }
}
