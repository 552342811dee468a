//! A symbol's bars: one walk over its factors in step, rounded to the tick.

use jiff::civil::Date;

use super::model::{Dice, Garch, Purpose, bars_per_session, terms};
use super::{SECTORS, SynthConfig, SynthError, TrueRegime};
use crate::fixed::{Price, Volume};
use crate::market::bar::{Bar, Timeframe};
use crate::market::calendar::Calendar;
use crate::time::Time;

/// Sessions of a year, for annual figures.
const SESSIONS: f64 = 252.0;
/// One cent, as raw steps of a price.
const TICK: i64 = Price::SCALE / 100;
/// Below and above these a price is turned back: a cent must stay small, and the door must open.
const FLOOR: f64 = 2.0;
const CEILING: f64 = 100_000.0;
/// The largest log return of one bar: a quarter would look like a split.
const MOVE_MAX: f64 = 0.20;

/// What a symbol is like for good.
struct Nature {
    beta: f64,
    sector_beta: f64,
    /// Annual volatility of its own noise.
    own: f64,
    /// Typical value traded in a session.
    session_value: f64,
    price: f64,
}

/// One share's bars over the sessions of the market.
pub(super) fn share(
    config: &SynthConfig,
    seed: u64,
    index: usize,
    days: &[Date],
    chain: &[TrueRegime],
) -> Vec<Bar> {
    let mut dice = Dice::new(seed, Purpose::Share(index));
    let nature = Nature {
        beta: dice.between(0.7, 1.3),
        sector_beta: dice.between(0.6, 1.2),
        own: config.own_volatility.get() * dice.between(0.7, 1.3),
        session_value: 2e7 * dice.between(0.0, 3.0).exp(),
        price: dice.between(20.0, 180.0),
    };
    let mut factors = [
        (Dice::new(seed, Purpose::Market), Garch::new()),
        (Dice::new(seed, Purpose::Sector(index % SECTORS.len())), Garch::new()),
    ];
    let mut walk = Walk::new(dice, nature.price);
    let step = config.timeframe.length();
    let per_session = bars_per_session(config.timeframe);
    let years = years_of(1.0 / SESSIONS, per_session);
    let jump = config.jumps_per_year.get() * years;
    let mut bars = Vec::with_capacity(config.bars);
    for (&day, &regime) in days.iter().zip(chain) {
        let (session_open, session_close) = Calendar::Xnys.ordinary_hours(day);
        let (drift, wild) = terms(regime);
        let mut open_time = session_open;
        while open_time < session_close && bars.len() < config.bars {
            let close_time = match config.timeframe {
                Timeframe::Day => session_close,
                _ => (open_time + step).min(session_close),
            };
            let [market, sector] = factors.each_mut().map(|(dice, garch)| {
                let normal = dice.normal();
                garch.shock(normal)
            });
            let root = years.sqrt();
            let scale = wild * root;
            let common = drift * years * nature.beta
                + config.market_volatility.get() * scale * nature.beta * market
                + config.sector_volatility.get() * scale * nature.sector_beta * sector;
            let shape = Shape {
                common,
                own: nature.own * scale,
                spread: (config.market_volatility.get() + nature.own) * scale * 0.5,
                jump,
                // Part of a day's news comes overnight.
                gap: if open_time == session_open { 0.3 } else { 0.0 },
                value: nature.session_value / count(per_session),
            };
            bars.push(walk.bar(open_time, close_time, &shape));
            open_time = close_time;
        }
    }
    bars
}

/// One coin's bars, round the clock.
///
/// # Errors
/// When the bars reach past the end of time.
pub(super) fn coin(config: &SynthConfig, seed: u64, index: usize) -> Result<Vec<Bar>, SynthError> {
    let mut dice = Dice::new(seed, Purpose::Coin(index));
    let own = 3.0 * config.own_volatility.get() * dice.between(0.8, 1.2);
    let price = 10.0 * dice.between(0.0, 6.0).exp();
    let value = 5e7 * dice.between(0.0, 2.0).exp();
    let mut walk = Walk::new(dice, price);
    let step = config.timeframe.length();
    let mut open_time = Calendar::Always.ordinary_hours(config.start).0;
    let per_day = usize::try_from(86_400 / step.as_secs()).unwrap_or(1);
    let years = years_of(1.0 / 365.25, per_day);
    let end = Calendar::Always.ordinary_hours(Date::constant(2200, 1, 1)).0;
    let mut bars = Vec::with_capacity(config.bars);
    while bars.len() < config.bars {
        let close_time = open_time + step;
        if end < close_time {
            return Err(SynthError::Calendar { start: config.start, found: bars.len() });
        }
        let shape = Shape {
            common: 0.0,
            own: own * years.sqrt(),
            spread: own * years.sqrt() * 0.5,
            jump: config.jumps_per_year.get() * years,
            gap: 0.0,
            value: value / count(per_day),
        };
        bars.push(walk.bar(open_time, close_time, &shape));
        open_time = close_time;
    }
    Ok(bars)
}

fn years_of(session: f64, bars: usize) -> f64 {
    session / count(bars)
}

#[expect(clippy::cast_precision_loss, reason = "a number of bars in a day")]
fn count(bars: usize) -> f64 {
    bars as f64
}

/// What one bar is drawn from. Log returns.
struct Shape {
    /// The factors' part.
    common: f64,
    /// Standard deviation of the own part.
    own: f64,
    /// Typical distance of high and low from the body.
    spread: f64,
    /// Probability of a jump.
    jump: f64,
    /// Share of the move that lies before the opening.
    gap: f64,
    /// Value traded.
    value: f64,
}

/// A price on its way.
struct Walk {
    dice: Dice,
    garch: Garch,
    price: f64,
}

impl Walk {
    fn new(dice: Dice, price: f64) -> Self {
        Self { dice, garch: Garch::new(), price }
    }

    fn bar(&mut self, open_time: Time, close_time: Time, shape: &Shape) -> Bar {
        let normal = self.dice.normal();
        let mut log_return = shape.common + shape.own * self.garch.shock(normal);
        if shape.jump > 0.0 && self.dice.hits(shape.jump) {
            log_return += 0.05 * self.dice.normal();
        }
        if log_return.abs() > MOVE_MAX {
            log_return = MOVE_MAX.copysign(log_return);
        }
        if self.price < FLOOR {
            log_return = log_return.abs();
        } else if self.price > CEILING {
            log_return = -log_return.abs();
        }
        let former = self.price;
        self.price = former * log_return.exp();
        let open = ticks(former * (shape.gap * log_return).exp());
        let close = ticks(self.price);
        let reach = |dice: &mut Dice| shape.spread * dice.normal().abs();
        let (up, down) = (reach(&mut self.dice), reach(&mut self.dice));
        let high = ticks(former.max(self.price) * up.exp()).max(open).max(close);
        let low = ticks(former.min(self.price) * (-down).exp()).min(open).min(close).max(1);
        let busy =
            0.3 * self.dice.normal() + (log_return.abs() / (shape.own + 1e-9)).min(4.0) * 0.2;
        let price = |ticks: i64| Price::from_raw(ticks * TICK);
        Bar {
            open_time,
            close_time,
            open: price(open),
            high: price(high),
            low: price(low),
            close: price(close),
            volume: units(shape.value * busy.exp() / self.price),
        }
    }
}

/// A price in cents, at least one.
#[expect(clippy::cast_possible_truncation, reason = "prices are turned back far below the range")]
fn ticks(price: f64) -> i64 {
    ((price * 100.0).round() as i64).max(1)
}

/// Whole shares or coins.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a session's value over a price of a cent fits"
)]
fn units(number: f64) -> Volume {
    let whole = (number.round() as i64).max(1);
    Volume::from_raw(whole.saturating_mul(Volume::SCALE))
}
