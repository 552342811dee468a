//! Gates: each blocks alone, and what a snapshot must say of each.

use std::time::Duration;

use super::*;
use crate::account::{Account, Holding, Market, OpenOrder};
use crate::fixed::Money;
use crate::protections::{ClosedTrade, Protections};
use crate::signal::Signal;
use crate::strategy::SourceRecord;
use crate::testing::{
    account, candidate, daily, holding, market, now, price, returns, signal, symbol,
};
use crate::time::Time;

/// Everything that a gate may look at, healthy until a test spoils one thing.
struct Scene {
    signal: Signal,
    class: AssetClass,
    actions: Option<u32>,
    record: SourceRecord,
    account: Account,
    protections: Protections,
    market: Market,
    limits: Limits,
}

impl Scene {
    fn healthy() -> Self {
        let mut scene = Self {
            signal: signal(Direction::Long),
            class: AssetClass::Equity,
            actions: None,
            record: SourceRecord::default(),
            account: account(100_000),
            protections: Protections::default(),
            market: market(),
            limits: Limits::default(),
        };
        let opened: Time = "2010-03-01T14:30:00Z".parse().unwrap();
        scene.protections.on_session(opened, &scene.limits.risk, &scene.limits.gates);
        scene
    }

    fn results(&self) -> Vec<GateResult> {
        let mut asked = candidate(&self.signal);
        (asked.class, asked.actions) = (self.class, self.actions);
        asked.record = self.record;
        let view =
            View { account: &self.account, protections: &self.protections, market: &self.market };
        evaluate(&asked, view, &self.limits)
    }

    fn close_trade(&mut self, return_pct: f64, same_session: bool) {
        let trade = ClosedTrade {
            symbol: symbol("IBM"),
            return_pct: Ratio::of(return_pct),
            at: now(),
            same_session,
        };
        self.protections.on_trade_closed(&trade, &self.limits.risk);
    }

    fn hold(&mut self, holding: Holding, cash: i64) {
        self.account.holdings.push(holding);
        self.account.cash = Money::from_units(cash).unwrap();
    }
}

/// The spoiled thing is stopped by this gate and by no other.
#[track_caller]
fn alone(code: Code, spoil: fn(&mut Scene)) {
    let mut scene = Scene::healthy();
    spoil(&mut scene);
    stops_alone(code, &scene);
}

#[track_caller]
fn alone_with(code: Code, record: SourceRecord) {
    stops_alone(code, &Scene { record, ..Scene::healthy() });
}

#[track_caller]
fn stops_alone(code: Code, scene: &Scene) {
    let results = scene.results();
    let failed: Vec<Code> =
        results.iter().filter(|result| !result.passed).map(|result| result.code).collect();
    assert_eq!(failed, [code]);
    assert_eq!(denial(&results), Some(code));
}

#[track_caller]
fn passes(spoil: fn(&mut Scene)) {
    let mut scene = Scene::healthy();
    spoil(&mut scene);
    assert_eq!(denial(&scene.results()), None, "{:?}", scene.results());
}

#[test]
fn a_healthy_scene_passes_every_gate_and_every_gate_reports() {
    let results = Scene::healthy().results();
    assert_eq!(denial(&results), None, "{results:?}");
    let gates: Vec<Code> =
        Code::ALL.iter().copied().filter(|code| code.as_str().starts_with("gate.")).collect();
    let mut reported: Vec<Code> = codes().collect();
    reported.sort_unstable();
    assert_eq!(reported, gates, "every gate code has its gate");
}

#[test]
fn state_session_and_data_each_block_alone() {
    alone(Code::GateTradingState, |s| s.market.trading_state = TradingState::Reducing);
    alone(Code::GateTradingState, |s| s.market.trading_state = TradingState::Halted);
    for session in [Session::Closed, Session::CryptoOnly, Session::Pre, Session::After] {
        let mut scene = Scene::healthy();
        scene.market.session = session;
        assert_eq!(denial(&scene.results()), Some(Code::GateSession), "{session:?}");
    }
    alone(Code::GateSession, |s| s.market.session = Session::Closed);
    passes(|s| (s.market.session, s.limits.gates.extended_hours) = (Session::Pre, true));
    passes(|s| (s.market.session, s.class) = (Session::CryptoOnly, AssetClass::Crypto));
    alone(Code::GateStaleData, |s| s.market.last_bar_age = Duration::from_secs(601));
    passes(|s| s.market.last_bar_age = Duration::from_mins(10));
}

#[test]
fn orders_and_recent_trades_each_block_alone() {
    let order = |is_exit| OpenOrder { symbol: symbol("AAPL"), is_exit };
    let mut scene = Scene::healthy();
    scene.account.open_orders = vec![order(true)];
    assert_eq!(denial(&scene.results()), Some(Code::GateOpenOrder));
    scene.account.holdings = vec![holding("AAPL", -10, 100)];
    assert_eq!(denial(&scene.results()), None, "the exit half of a reversal");
    scene.account.open_orders.push(order(false));
    assert_eq!(denial(&scene.results()), Some(Code::GateOpenOrder));
    alone(Code::GateOpenOrder, |s| s.account.pending = vec![holding("AAPL", 10, 100)]);
    passes(|s| s.account.pending = vec![holding("MSFT", 10, 100)]);
    alone(Code::GateCooldown, |s| {
        s.protections.on_trade(&symbol("AAPL"), now() - Duration::from_secs(59));
    });
    passes(|s| s.protections.on_trade(&symbol("AAPL"), now() - Duration::from_mins(1)));
    passes(|s| s.protections.on_trade(&symbol("MSFT"), now()));
}

#[test]
fn the_local_day_trade_rule_blocks_small_accounts_in_shares_only() {
    let trades = |s: &mut Scene, count: usize| {
        (0..count).for_each(|_| s.close_trade(0.01, true));
        s.account = account(24_999);
    };
    alone(Code::GateDayTrade, |s| {
        (0..3).for_each(|_| s.close_trade(0.01, true));
        s.account = account(24_999);
    });
    let mut scene = Scene::healthy();
    trades(&mut scene, 2);
    assert_eq!(denial(&scene.results()), None);
    trades(&mut scene, 1);
    scene.account = account(25_000);
    assert_eq!(denial(&scene.results()), None);
    trades(&mut scene, 1);
    scene.class = AssetClass::Crypto;
    assert_eq!(denial(&scene.results()), None);
}

#[test]
fn a_coin_is_never_sold_short_whatever_its_name() {
    alone(Code::GateCryptoShort, |s| {
        (s.class, s.signal.direction) = (AssetClass::Crypto, Direction::Short);
    });
    for (name, class, denied) in [
        ("WST", AssetClass::Equity, None),
        ("CNM", AssetClass::Equity, None),
        ("SHIB", AssetClass::Equity, None),
        ("SHIB", AssetClass::Crypto, Some(Code::GateCryptoShort)),
        ("BTC/USD", AssetClass::Crypto, Some(Code::GateCryptoShort)),
    ] {
        let mut scene = Scene::healthy();
        (scene.class, scene.signal.direction) = (class, Direction::Short);
        scene.signal.symbol = symbol(name);
        assert_eq!(denial(&scene.results()), denied, "{name}");
    }
}

#[test]
fn losses_each_block_alone() {
    alone(Code::GateDrawdown, |s| s.account.peak_equity = Money::from_units(117_648).unwrap());
    passes(|s| s.account.peak_equity = Money::from_units(117_646).unwrap());
    alone(Code::GateDailyLoss, |s| s.account.daily_pnl_pct = Ratio::of(-0.03));
    passes(|s| s.account.daily_pnl_pct = Ratio::of(-0.0299));
    alone(Code::GateDailyLoss, |s| {
        s.protections.on_daily_pnl(Ratio::of(-0.031), &s.limits.risk);
    });
    alone(Code::GateLossStreak, |s| (0..5).for_each(|_| s.close_trade(-0.01, false)));
    passes(|s| (0..4).for_each(|_| s.close_trade(-0.01, false)));
    alone(Code::GateWinRate, |s| {
        for trade in 0..10 {
            s.close_trade(if trade % 3 == 1 { 0.01 } else { -0.01 }, false);
        }
    });
    alone(Code::GateRejectionStreak, |s| {
        (0..5).for_each(|_| s.protections.on_rejection(&s.limits.risk));
    });
}

#[test]
fn an_unwell_source_blocks_alone() {
    let figure = |value| Some(Ratio::of(value));
    let with = |accuracy, hold_share| SourceRecord { accuracy, hold_share };
    alone_with(Code::GateModelHealth, with(figure(0.39), None));
    alone_with(Code::GateModelHealth, with(figure(0.60), figure(0.96)));
    for sound in [with(None, None), with(figure(0.40), None), with(figure(0.40), figure(0.95))] {
        let scene = Scene { record: sound, ..Scene::healthy() };
        assert_eq!(denial(&scene.results()), None, "{sound:?}");
    }
}

#[test]
fn a_wild_market_blocks_alone_and_an_unknown_one_too() {
    alone(Code::GateVix, |s| s.market.vix_level = Some(Ratio::of(40.0)));
    alone(Code::GateVix, |s| s.market.vix_level = None);
    passes(|s| s.market.vix_level = Some(Ratio::of(39.9)));
}

/// A portfolio whose losses are `count` days of `worst` among quiet ones.
fn losing(count: usize, worst: f64) -> Holding {
    let mut days = vec![0.001; 250];
    days[..count].fill(-worst);
    Holding { returns: daily(&days), ..holding("MSFT", 600, 100) }
}

/// The empirical tail is what makes either of the two able to bind without the other.
#[test]
fn value_at_risk_and_its_tail_each_block_alone() {
    alone(Code::GateVar, |s| s.hold(losing(25, 0.04), 40_000));
    alone(Code::GateCvar, |s| s.hold(losing(5, 0.30), 40_000));
    passes(|s| s.hold(losing(25, 0.03), 40_000));
    let mut scene = Scene::healthy();
    scene.hold(Holding { returns: daily(&[0.0; 19]), ..holding("MSFT", 100, 100) }, 90_000);
    assert_eq!(denial(&scene.results()), Some(Code::GateVar), "too few days to know");
}

#[test]
fn the_book_blocks_at_zero_headroom_only() {
    alone(Code::GateExposure, |s| {
        s.hold(holding("MSFT", 800, 100), 20_000);
        s.limits.risk.cash_min = Ratio::of(0.10);
    });
    alone(Code::GateCash, |s| s.hold(holding("MSFT", 700, 100), 30_000));
    alone(Code::GatePosition, |s| s.hold(holding("AAPL", 200, 100), 80_000));
    passes(|s| s.hold(holding("MSFT", 699, 100), 30_100));
    passes(|s| s.hold(holding("AAPL", 199, 100), 80_100));
    alone(Code::GateCash, |s| s.hold(holding("MSFT", -350, 200), 170_000));
}

#[test]
fn the_confidence_threshold_follows_the_volatility_regime() {
    let rules = GateRules::default();
    for (vol_z, actions, expected) in [
        (Some(-3.0), Some(8), 0.38),
        (Some(-1.0), Some(8), 0.38),
        (Some(0.0), Some(8), 0.415),
        (Some(1.0), Some(8), 0.45),
        (Some(9.0), Some(8), 0.45),
        (None, Some(8), 0.45),
        (Some(0.0), None, 0.415),
    ] {
        let got = confidence_threshold(vol_z.map(Ratio::of), actions, &rules).get();
        assert!((got - expected).abs() < 1e-12, "{vol_z:?} {actions:?}: {got}");
    }
    alone(Code::GateConfidence, |s| s.signal.confidence = Ratio::of(0.41));
    passes(|s| s.signal.confidence = Ratio::of(0.42));
    alone(Code::GateConfidence, |s| {
        (s.signal.confidence, s.signal.features.vol_z) = (Ratio::of(0.449), None);
    });
}

/// A policy of any size can pass, a blind guess never does: no threshold is out of reach of the
/// softmax that it is compared with.
#[test]
fn the_confidence_threshold_is_calibrated_to_the_number_of_actions() {
    let rules = GateRules::default();
    let mut former = 1.0;
    for actions in 2..=64 {
        let threshold = confidence_threshold(Some(Ratio::ZERO), Some(actions), &rules).get();
        let guess = 1.0 / f64::from(actions);
        assert!(threshold > guess && threshold < 0.7, "{actions}: {threshold}");
        assert!(threshold < former, "more actions, lower threshold");
        former = threshold;
        let mut scene = Scene::healthy();
        (scene.actions, scene.signal.confidence) = (Some(actions), Ratio::of(guess));
        assert_eq!(denial(&scene.results()), Some(Code::GateConfidence), "{actions}");
    }
}

#[test]
fn prices_do_not_matter_only_shares_do() {
    let mut scene = Scene::healthy();
    scene.hold(Holding { price: price(1_000), ..holding("MSFT", 60, 100) }, 40_000);
    scene.account.holdings[0].returns = returns(0.005, 3);
    assert_eq!(denial(&scene.results()), None);
}
