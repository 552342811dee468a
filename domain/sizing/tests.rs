//! Sizes: what the caps leave of a wish.

use proptest::prelude::*;

use super::*;
use crate::account::{Holding, Market};
use crate::protections::Protections;
use crate::signal::Signal;
use crate::testing::{account, candidate, holding, market, price, signal};

fn near(got: f64, expected: f64) -> bool {
    (got - expected).abs() < 1e-9 * expected.abs().max(1.0)
}

/// The base size of a signal on a fresh track record.
fn sized(signal: &Signal, account: &Account, market: &Market, correlation: f64) -> Sized {
    let protections = Protections::default();
    let view = View { account, protections: &protections, market };
    let limits = Limits::default();
    base(&candidate(signal), view, Ratio::of(correlation), &limits).unwrap()
}

fn outcomes(wins: u32, losses: u32, gain: f64, loss: f64) -> Outcomes {
    let total = |count: u32, each: f64| Ratio::of(f64::from(count) * each);
    Outcomes { wins, losses, gained: total(wins, gain), lost: total(losses, loss) }
}

#[test]
fn half_kelly_is_five_percent_until_ten_outcomes_and_bounded_after() {
    let rules = SizingRules::default();
    for (wins, losses, gain, loss, expected) in [
        (9, 0, 0.05, 0.01, 0.05),
        (0, 0, 0.0, 0.0, 0.05),
        (5, 5, 0.02, 0.01, 0.5 * (0.5 - 0.25)),
        (7, 3, 0.01, 0.01, 0.5 * (8.0 / 12.0 - 4.0 / 12.0)),
        (10, 0, 0.01, 0.0, 0.25),
        (0, 10, 0.0, 0.01, 0.05),
        (90, 10, 0.10, 0.01, 0.25),
    ] {
        let got = half_kelly(&outcomes(wins, losses, gain, loss), &rules).get();
        assert!(near(got, expected), "{wins}:{losses}: {got}, expected {expected}");
    }
}

/// Spoils one thing and reads the factor of one step.
#[track_caller]
fn check_factor(step: Step, expected: f64, spoil: fn(&mut Signal, &mut Account, &mut Market)) {
    let (mut asked, mut book, mut world) = (signal(Direction::Long), account(100_000), market());
    spoil(&mut asked, &mut book, &mut world);
    let trace = sized(&asked, &book, &world, 0.0).trace;
    let found = trace.steps().iter().find(|other| other.step == step).unwrap();
    assert!(near(found.factor.get(), expected), "{step:?}: {found:?}");
}

#[test]
fn each_step_of_the_chain_has_its_factor() {
    check_factor(Step::Drawdown, 1.0, |_, _, _| {});
    check_factor(Step::Drawdown, 0.5, |_, book, _| {
        book.peak_equity = Money::from_units(111_112).unwrap();
    });
    check_factor(Step::Volatility, 1.0, |asked, _, _| {
        asked.features.vol_20 = Some(Ratio::of(0.30));
    });
    check_factor(Step::Volatility, 0.5, |asked, _, _| {
        asked.features.vol_20 = Some(Ratio::of(0.60));
    });
    check_factor(Step::Volatility, 0.25, |asked, _, _| asked.features.vol_20 = None);
    check_factor(Step::Volatility, 0.25, |asked, _, _| {
        asked.features.vol_20 = Some(Ratio::of(9.0));
    });
    check_factor(Step::VixLevel, 1.0, |_, _, world| world.vix_level = Some(Ratio::of(30.0)));
    check_factor(Step::VixLevel, 0.75, |_, _, world| world.vix_level = Some(Ratio::of(35.0)));
    check_factor(Step::VixLevel, 0.5, |_, _, world| world.vix_level = None);
    for (correlation, factor) in [(-1.0, 1.0), (0.5, 1.0), (0.75, 0.75), (1.0, 0.5)] {
        let trace =
            sized(&signal(Direction::Long), &account(100_000), &market(), correlation).trace;
        assert!(near(trace.steps()[3].factor.get(), factor), "{correlation}");
    }
}

#[test]
fn a_policy_s_bucket_takes_its_share() {
    let (asked, book, world) = (signal(Direction::Long), account(100_000), market());
    let protections = Protections::default();
    let view = View { account: &book, protections: &protections, market: &world };
    for (bucket, fraction) in [(None, 0.05), (Some(0.25), 0.0125), (Some(0.75), 0.0375)] {
        let mut asks = candidate(&asked);
        asks.bucket = bucket.map(Ratio::of);
        let got = base(&asks, view, Ratio::ZERO, &Limits::default()).unwrap().fraction.get();
        assert!(near(got, fraction), "{bucket:?}: {got}");
    }
}

fn advised(base: Ratio, factor: Ratio) -> Resize {
    Resize { base, factor, step: Step::Advice }
}

#[track_caller]
fn check_cap(step: Step, held: Holding, cash: i64, asked: f64, expected: f64) {
    let mut book = account(100_000);
    let class = held.class;
    book.holdings = vec![held];
    book.cash = Money::from_units(cash).unwrap();
    let usage = book.usage(&signal(Direction::Long).symbol, Direction::Long);
    let terms = LotTerms { class, direction: Direction::Long, price: price(100) };
    let limits = Limits::default();
    let resize = advised(Ratio::of(asked), Ratio::ONE);
    let got = resized(resize, terms, &book, &usage, &limits).unwrap();
    assert!(near(got.fraction.get(), expected), "{got:?}");
    assert!(got.trace.steps().iter().any(|other| other.step == step), "{got:?}");
}

#[test]
fn each_cap_binds_alone() {
    check_cap(Step::PositionCap, holding("AAPL", 150, 100), 85_000, 0.10, 0.05);
    check_cap(Step::CashCap, holding("MSFT", 650, 100), 35_000, 0.10, 0.05);
    check_cap(Step::ExposureCap, holding("MSFT", 750, 100), 90_000, 0.10, 0.05);
    let coin = Holding { class: AssetClass::Crypto, ..holding("BTC/USD", 15, 1_000) };
    check_cap(Step::CryptoCap, coin, 85_000, 0.10, 0.05);
    check_cap(Step::CashCap, holding("MSFT", 700, 100), 30_000, 0.10, 0.0);
}

#[test]
fn shares_come_whole_coins_in_fractions_and_shorts_never_in_fractions() {
    let rules = |fractional_shares| SizingRules { fractional_shares, ..SizingRules::default() };
    let money: Money = "1234.56".parse().unwrap();
    for (class, direction, fractional_shares, lots) in [
        (AssetClass::Equity, Direction::Long, false, "12"),
        (AssetClass::Equity, Direction::Long, true, "12.3456"),
        (AssetClass::Equity, Direction::Short, true, "12"),
        (AssetClass::Crypto, Direction::Long, false, "12.3456"),
    ] {
        let terms = LotTerms { class, direction, price: price(100) };
        let got = terms.lots(money, &rules(fractional_shares)).unwrap();
        assert_eq!(got, lots.parse().unwrap(), "{class:?} {direction:?} {fractional_shares}");
    }
    let free =
        LotTerms { class: AssetClass::Equity, direction: Direction::Long, price: Price::ZERO };
    assert_eq!(free.lots(money, &rules(false)).unwrap(), Qty::ZERO);
}

#[test]
fn an_account_without_equity_buys_nothing() {
    for equity in [0, -100_000] {
        let mut book = account(equity);
        book.peak_equity = Money::from_units(100_000).unwrap();
        assert!(sized(&signal(Direction::Long), &book, &market(), 0.0).qty.is_zero());
    }
}

#[test]
fn a_trace_is_read_back_as_it_was() {
    let trace = sized(&signal(Direction::Long), &account(100_000), &market(), 0.0).trace;
    let text = serde_json::to_string(&trace).unwrap();
    assert!(text.contains("half_kelly"), "{text}");
    assert_eq!(serde_json::from_str::<SizingTrace>(&text).unwrap(), trace);
}

/// A book of a long, a short and a coin, at `scale` times the size.
fn book(scale: i64, long: i64, short: i64, coins: i64) -> Account {
    let mut book = account(100_000 * scale);
    let cash = 100_000 - long * 100 + short * 200 - coins * 50;
    book.cash = Money::from_units(cash * scale).unwrap();
    book.holdings = vec![
        holding("AAPL", long * scale, 100),
        holding("MSFT", -short * scale, 200),
        Holding { class: AssetClass::Crypto, ..holding("BTC/USD", coins * scale, 50) },
    ];
    book
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever the book and the agents' factor, no cap is exceeded and no lot is cut.
    #[test]
    fn no_final_quantity_exceeds_a_cap(
        (long, short, coins) in (0_i64..250, 0_i64..200, 0_i64..500),
        fraction in 0.0..0.25_f64,
        factor in 0.0..2.6_f64,
        cents in 1_i64..5_000_000,
        is_coin: bool,
        fractional_shares: bool,
    ) {
        let account = book(1, long, short, coins);
        let class = if is_coin { AssetClass::Crypto } else { AssetClass::Equity };
        let mut limits = Limits::default();
        limits.sizing.fractional_shares = fractional_shares;
        let asked = signal(Direction::Long);
        let usage = account.usage(&asked.symbol, asked.direction);
        let price = Price::from_raw(cents * 1_000_000);
        let terms = LotTerms { class, direction: asked.direction, price };
        let (fraction, factor) = (Ratio::new(fraction).unwrap(), Ratio::new(factor).unwrap());
        let resize = advised(fraction, factor);
        let sized = resized(resize, terms, &account, &usage, &limits).unwrap();
        if !sized.qty.is_zero() {
            let added = account.share(sized.qty.to_f64() * price.to_f64());
            let after = usage.plus(added, class);
            prop_assert!(after.symbol <= limits.risk.position_max, "{after:?}");
            prop_assert!(after.exposure < limits.risk.exposure_max, "{after:?}");
            prop_assert!(after.free_cash >= limits.risk.cash_min, "{after:?}");
            prop_assert!(!is_coin || after.crypto <= limits.risk.crypto_max, "{after:?}");
            prop_assert!(added <= fraction.get() * factor.get() + 1e-12);
        }
        if !is_coin && !fractional_shares {
            prop_assert_eq!(sized.qty.raw() % Qty::SCALE, 0);
        }
    }

    /// Only fractions: the same account ten or a hundred times as large decides the same.
    #[test]
    fn sizes_are_the_same_fractions_at_every_scale(
        (long, short, coins) in (0_i64..200, 0_i64..150, 0_i64..400),
        vol in 0.01..2.0_f64,
        level in 5.0..50.0_f64,
        correlation in -1.0..1.0_f64,
        fall in 0.0..0.2_f64,
    ) {
        let mut asked = signal(Direction::Long);
        asked.features.vol_20 = Ratio::new(vol).ok();
        let mut world = market();
        world.vix_level = Ratio::new(level).ok();
        let fraction = |scale: i64| {
            let mut account = book(scale, long, short, coins);
            let peak = account.equity.to_f64() / (1.0 - fall);
            account.peak_equity = Money::from_f64(peak).unwrap();
            sized(&asked, &account, &world, correlation).fraction.get()
        };
        let once = fraction(1);
        prop_assert!(near(fraction(10), once) && near(fraction(100), once));
    }

    /// A gain on paper is capital like any other.
    #[test]
    fn available_capital_never_falls_with_unrealised_profit(
        before in 1_i64..200, gain in 0_i64..200,
    ) {
        let at = |price: i64| {
            let mut account = account(50_000 + 100 * price);
            account.cash = Money::from_units(50_000).unwrap();
            account.peak_equity = Money::from_units(80_000).unwrap();
            account.holdings = vec![holding("MSFT", 100, price)];
            account
        };
        let (poorer, richer) = (at(before), at(before + gain));
        prop_assert!(available_capital(&richer) >= available_capital(&poorer));
        let uncapped = |account: &Account| {
            let trace = sized(&signal(Direction::Long), account, &market(), 0.0).trace;
            let last = trace.steps().iter().find(|step| step.step == Step::VixLevel).unwrap();
            last.size.get() * available_capital(account).to_f64()
        };
        prop_assert!(uncapped(&richer) >= uncapped(&poorer));
    }
}
