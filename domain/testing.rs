//! Snapshots for the tests of decisions: a healthy account, a calm market, a good signal.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use crate::account::{Account, Candidate, Holding, Market};
use crate::brief::trading::{Session, TradingState};
use crate::fixed::{Money, Price, Qty};
use crate::market::symbol::{AssetClass, Symbol};
use crate::ratio::Ratio;
use crate::risk::DailyReturns;
use crate::signal::{Direction, Features, Regime, Signal};
use crate::strategy::SourceRecord;
use crate::time::Time;

pub(crate) fn symbol(text: &str) -> Symbol {
    Symbol::new(text).unwrap()
}

pub(crate) fn price(units: i64) -> Price {
    Price::from_units(units).unwrap()
}

/// Daily returns in this order, the newest on the last day.
pub(crate) fn daily(returns: &[f64]) -> Arc<DailyReturns> {
    let mut days = DailyReturns::default();
    let mut close = 10_000.0;
    let day = Duration::from_hours(24);
    let mut open: Time = "2009-01-02T14:30:00Z".parse().unwrap();
    days.update(open, Price::from_f64(close).unwrap());
    for ret in returns {
        open = open + day;
        close *= 1.0 + ret;
        days.update(open, Price::from_f64(close).unwrap());
    }
    Arc::new(days)
}

/// 250 daily returns of `size` that change sign every `period` days.
pub(crate) fn returns(size: f64, period: usize) -> Arc<DailyReturns> {
    let sign = |day: usize| if (day / period).is_multiple_of(2) { size } else { -size };
    daily(&(0..250).map(sign).collect::<Vec<f64>>())
}

/// An account of cash only.
pub(crate) fn account(equity: i64) -> Account {
    let equity = Money::from_units(equity).unwrap();
    Account {
        equity,
        cash: equity,
        peak_equity: equity,
        daily_pnl_pct: Ratio::ZERO,
        holdings: Vec::new(),
        pending: Vec::new(),
        open_orders: Vec::new(),
    }
}

/// The returns of every [`holding`]; made once, since tests of properties make thousands.
static QUIET: LazyLock<Arc<DailyReturns>> = LazyLock::new(|| returns(0.005, 2));

/// A share with a 2 % range and returns of 0.5 % a day; its price in whole units.
pub(crate) fn holding(name: &str, qty: i64, at: i64) -> Holding {
    Holding {
        symbol: symbol(name),
        class: AssetClass::Equity,
        qty: Qty::from_units(qty).unwrap(),
        price: price(at),
        stop: None,
        atr_pct: Some(Ratio::of(0.02)),
        returns: Arc::clone(&QUIET),
    }
}

/// The regular session of a calm, fresh market.
pub(crate) fn market() -> Market {
    Market {
        vix_level: Some(Ratio::of(15.0)),
        session: Session::Regular,
        trading_state: TradingState::Active,
        last_bar_age: Duration::ZERO,
        now: now(),
    }
}

pub(crate) fn now() -> Time {
    "2010-03-01T21:00:00Z".parse().unwrap()
}

/// A confident call on AAPL at 100, with quiet features.
pub(crate) fn signal(direction: Direction) -> Signal {
    Signal {
        symbol: symbol("AAPL"),
        at: now(),
        source: "sma-cross".to_owned(),
        direction,
        confidence: Ratio::of(0.6),
        magnitude: Ratio::of(0.03),
        price: price(100),
        regime: Regime::default(),
        features: Features {
            vol_20: Some(Ratio::of(0.20)),
            vol_z: Some(Ratio::ZERO),
            atr14_pct: Some(Ratio::of(0.02)),
            adx14: Some(Ratio::of(25.0)),
            ..Features::default()
        },
    }
}

/// The returns of every [`candidate`].
static OTHER: LazyLock<Arc<DailyReturns>> = LazyLock::new(|| returns(0.005, 1));

/// A strategy's candidate on a share whose returns beat every day.
pub(crate) fn candidate(signal: &Signal) -> Candidate<'_> {
    Candidate {
        signal,
        class: AssetClass::Equity,
        hit_rate: Ratio::of(0.6),
        record: SourceRecord::default(),
        actions: None,
        bucket: None,
        returns: Arc::clone(&OTHER),
        open_position: None,
    }
}
