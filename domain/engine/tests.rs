//! Tests of the engine against a tiny reference in plain integers, on real bars.

use super::*;
use crate::fixed::{Bp, Price, Qty, Volume};
use crate::market::bar::Timeframe;
use crate::market::csv::{CsvOptions, read_csv};
use crate::market::symbol::{AssetClass, Symbol};
use crate::order::ExitReason;
use crate::order_state::Status;
use crate::signal::Direction;
use crate::sim_broker::{FillAt, SimConfig};
use crate::strategy::StrategyConfig;

fn goog() -> Series {
    let options = CsvOptions::new(Symbol::new("GOOG").unwrap());
    read_csv(include_str!("../../data/GOOG.csv").as_bytes(), &options).unwrap().series
}

fn terms(fill_at: FillAt, size: Size, directions: Directions, fee_bp: u32) -> RawTerms {
    RawTerms {
        size,
        directions,
        broker: SimConfig::raw(fill_at, Bp::whole(fee_bp)),
        cash: Money::from_units(10_000).unwrap(),
    }
}

/// A round trip in plain integers: direction, units, entry bar, exit bar, profit in steps of 1e-8.
type Row = (i128, i128, usize, usize, i128);

/// The SMA rule of the manual in plain integers, without any type of ours.
struct Reference {
    opens: Vec<i128>,
    closes: Vec<i128>,
    fast: usize,
    slow: usize,
    at_close: bool,
    all_in: bool,
    short_too: bool,
    /// Hundredths of a percent.
    fee_bp: i128,
}

impl Reference {
    fn fee(&self, value: i128) -> i128 {
        (value * self.fee_bp + 9_999) / 10_000
    }

    fn sign(&self, t: usize) -> i128 {
        let sum = |n: usize| self.closes[t + 1 - n..=t].iter().sum::<i128>();
        let (fast, slow) = (i128::try_from(self.fast).unwrap(), i128::try_from(self.slow).unwrap());
        (sum(self.fast) * slow - sum(self.slow) * fast).signum()
    }

    /// The calls: bar and direction of every change of sign.
    fn crosses(&self) -> Vec<(usize, i128)> {
        let mut former = 0;
        let mut crosses = Vec::new();
        for t in self.slow - 1..self.closes.len() {
            let sign = self.sign(t);
            if sign != 0 {
                if former != 0 && sign != former {
                    crosses.push((t, sign));
                }
                former = sign;
            }
        }
        crosses
    }

    fn run(&self) -> (Vec<Row>, i128) {
        let mut cash = 10_000 * 100_000_000;
        let mut held: Option<(i128, i128, usize, i128)> = None;
        let mut rows = Vec::new();
        let last = self.closes.len() - 1;
        let mut fills: Vec<(usize, i128, i128)> = Vec::new();
        for (t, sign) in self.crosses() {
            if self.at_close {
                fills.push((t, sign, self.closes[t]));
            } else if t < last {
                fills.push((t + 1, sign, self.opens[t + 1]));
            }
        }
        // The end is a call in no direction.
        fills.push((last, 0, self.closes[last]));
        for (bar, sign, price) in fills {
            if let Some((direction, units, from, entry)) = held.filter(|held| held.0 != sign) {
                let fees = self.fee(units * entry) + self.fee(units * price);
                let pnl = direction * units * (price - entry) - fees;
                cash += pnl;
                rows.push((direction, units, from, bar, pnl));
                held = None;
            }
            if held.is_none() && (sign == 1 || (sign == -1 && self.short_too)) {
                let mut units = if self.all_in { cash / price } else { 1 };
                while self.all_in && units * price + self.fee(units * price) > cash {
                    units -= 1;
                }
                if units > 0 {
                    held = Some((sign, units, bar, price));
                }
            }
        }
        (rows, cash)
    }
}

fn rows(series: &Series, result: &EngineResult, at_close: bool) -> Vec<Row> {
    let index = |time: Time, ends: bool| {
        let bars = series.bars.iter();
        let time_of = |bar: &Bar| if ends { bar.close_time } else { bar.open_time };
        bars.map(time_of).position(|at| at == time).unwrap()
    };
    let row = |trade: &crate::book::Trade| {
        let ends = trade.exit_reason == ExitReason::EndOfData;
        (
            if trade.direction == Direction::Long { 1 } else { -1 },
            i128::from(trade.qty.raw() / Qty::SCALE),
            index(trade.entry_time, at_close),
            index(trade.exit_time, at_close || ends),
            i128::from(trade.pnl.raw()),
        )
    };
    result.book.trades().iter().map(row).collect()
}

/// P-1: trades and profit to the last step of the fixed point, as plain arithmetic says.
#[test]
fn trades_and_profit_are_what_the_arithmetic_says() {
    let series = goog();
    let raw = |price: Price| i128::from(price.raw());
    let mut trades = 0;
    for (fast, slow) in [(10, 20), (5, 20), (20, 50), (50, 200), (1, 2)] {
        for (at_close, all_in) in [(true, true), (true, false), (false, true), (false, false)] {
            for (short_too, fee_bp) in [(true, 0), (true, 20), (false, 0), (false, 7)] {
                let reference = Reference {
                    opens: series.bars.iter().map(|bar| raw(bar.open)).collect(),
                    closes: series.bars.iter().map(|bar| raw(bar.close)).collect(),
                    fast,
                    slow,
                    at_close,
                    all_in,
                    short_too,
                    fee_bp,
                };
                let terms = terms(
                    if at_close { FillAt::Close } else { FillAt::NextOpen },
                    if all_in { Size::AllIn } else { Size::Units(1) },
                    if short_too { Directions::LongShort } else { Directions::Long },
                    u32::try_from(fee_bp).unwrap(),
                );
                let strategy = StrategyConfig::SmaCross {
                    fast: u16::try_from(fast).unwrap(),
                    slow: u16::try_from(slow).unwrap(),
                };
                let result = run_raw(std::slice::from_ref(&series), &strategy, &terms).unwrap();
                let shown = format!("{fast}/{slow} {at_close} {all_in} {short_too} {fee_bp}");
                let (expected, cash) = reference.run();
                assert_eq!(rows(&series, &result, at_close), expected, "{shown}");
                assert_eq!(i128::from(result.book.cash().raw()), cash, "{shown}");
                assert_eq!(i128::from(result.equity.last().unwrap().equity.raw()), cash, "{shown}");
                trades += expected.len();
            }
        }
    }
    assert!(trades > 10_000, "{trades}");
}

#[test]
fn every_bar_has_its_point_and_every_order_its_fill() {
    let series = goog();
    let strategy = StrategyConfig::SmaCross { fast: 10, slow: 20 };
    let terms = terms(FillAt::NextOpen, Size::AllIn, Directions::LongShort, 20);
    let result = run_raw(std::slice::from_ref(&series), &strategy, &terms).unwrap();
    assert_eq!(result.equity.len(), series.bars.len());
    assert_eq!(result.bars, u64::try_from(series.bars.len()).unwrap());
    assert!(result.bars_exposed < result.bars);
    assert!(result.orders.iter().all(|order| order.status() == Status::Filled));
    assert_eq!(result.orders.len(), 2 * result.book.trades().len());
    assert_eq!(result.book.trades().last().unwrap().exit_reason, ExitReason::EndOfData);
    assert!(result.book.positions().is_empty());
    result.book.check().unwrap();
}

#[test]
fn one_unit_trades_the_same_alone_and_beside_other_symbols() {
    let one = goog();
    let mut other = one.clone();
    other.symbol = Symbol::new("AAA").unwrap();
    other.bars.reverse();
    let times: Vec<(Time, Time)> =
        one.bars.iter().map(|bar| (bar.open_time, bar.close_time)).collect();
    for (bar, (open_time, close_time)) in other.bars.iter_mut().zip(times) {
        (bar.open_time, bar.close_time) = (open_time, close_time);
    }
    let strategy = StrategyConfig::SmaCross { fast: 10, slow: 20 };
    for fill_at in [FillAt::Close, FillAt::NextOpen] {
        let terms = terms(fill_at, Size::Units(1), Directions::LongShort, 20);
        let alone = run_raw(std::slice::from_ref(&one), &strategy, &terms).unwrap();
        let both = run_raw(&[one.clone(), other.clone()], &strategy, &terms).unwrap();
        let trades = both.book.trades().iter().filter(|trade| trade.symbol == one.symbol);
        assert!(trades.eq(alone.book.trades().iter()));
        assert_eq!(both.equity.len(), one.bars.len());
        assert_eq!(both.bars, 2 * alone.bars);
    }
}

#[test]
fn all_in_on_several_symbols_never_takes_more_than_there_is() {
    let one = goog();
    let mut other = one.clone();
    other.symbol = Symbol::new("AAA").unwrap();
    let strategy = StrategyConfig::SmaCross { fast: 5, slow: 10 };
    for fill_at in [FillAt::Close, FillAt::NextOpen] {
        let terms = terms(fill_at, Size::AllIn, Directions::LongShort, 20);
        let result = run_raw(&[one.clone(), other.clone()], &strategy, &terms).unwrap();
        assert!(result.orders.iter().all(|order| order.status() == Status::Filled));
        let symbols = [&one, &other].map(|series| {
            result.book.trades().iter().filter(|trade| trade.symbol == series.symbol).count()
        });
        assert_eq!(symbols[0], symbols[1]);
    }
}

fn bar(nth: i64, open: i64, close: i64) -> Bar {
    let price = |units| Price::from_units(units).unwrap();
    Bar {
        open_time: Time::from_ms(nth * 60_000),
        close_time: Time::from_ms((nth + 1) * 60_000),
        open: price(open),
        high: price(open.max(close)),
        low: price(open.min(close)),
        close: price(close),
        volume: Volume::ZERO,
    }
}

#[test]
fn a_coin_is_never_sold_short_and_a_ruined_account_opens_nothing() {
    let coin = Symbol::new("BTC/USD").unwrap();
    let terms = terms(FillAt::Close, Size::Units(100), Directions::LongShort, 0);
    let mut desk = RawDesk::new(terms.clone(), [(coin.clone(), AssetClass::Crypto)]).unwrap();
    desk.close(&coin, &bar(0, 50, 50)).unwrap();
    desk.call(&coin, Direction::Short, &bar(0, 50, 50)).unwrap();
    assert!(desk.orders().is_empty());

    let share = Symbol::new("GOOG").unwrap();
    let mut desk = RawDesk::new(terms, [(share.clone(), AssetClass::Equity)]).unwrap();
    desk.close(&share, &bar(0, 50, 50)).unwrap();
    desk.call(&share, Direction::Short, &bar(0, 50, 50)).unwrap();
    desk.close(&share, &bar(1, 50, 200)).unwrap();
    assert!(desk.settle().unwrap().raw() < 0);
    desk.call(&share, Direction::Long, &bar(1, 50, 200)).unwrap();
    assert!(desk.book().positions().is_empty(), "closed, and nothing opened");
    assert_eq!(desk.orders().len(), 2);
}

#[test]
fn a_call_at_the_last_bar_is_forgotten_and_no_bar_is_no_trade() {
    let share = Symbol::new("GOOG").unwrap();
    let terms = terms(FillAt::NextOpen, Size::AllIn, Directions::LongShort, 0);
    let mut desk = RawDesk::new(terms.clone(), [(share.clone(), AssetClass::Equity)]).unwrap();
    desk.close(&share, &bar(0, 50, 50)).unwrap();
    desk.call(&share, Direction::Long, &bar(0, 50, 50)).unwrap();
    desk.finish().unwrap();
    assert!(desk.orders().is_empty());

    let strategy = StrategyConfig::SmaCross { fast: 1, slow: 2 };
    let empty = Series { bars: Vec::new(), timeframe: Timeframe::Minute, ..goog() };
    let result = run_raw(&[empty], &strategy, &terms).unwrap();
    assert_eq!((result.equity.len(), result.bars), (0, 0));
    assert_eq!(result.book.cash(), terms.cash);
}

#[test]
fn a_size_is_a_number_of_units_or_all_in() {
    assert_eq!("all-in".parse(), Ok(Size::AllIn));
    assert_eq!("3".parse(), Ok(Size::Units(3)));
    for text in ["0", "-1", "1.5", "all", ""] {
        assert!(text.parse::<Size>().is_err(), "{text}");
    }
}
