//! Deciding one candidate, from gates to an order.

use proptest::prelude::*;

use super::*;
use crate::account::{Account, Market};
use crate::advice::{Advice, Lever, Stance, Vote};
use crate::bounds::BoundsTable;
use crate::fixed::Money;
use crate::protections::{ClosedTrade, HaltChange, HaltRule, Protections};
use crate::signal::Signal;
use crate::synthesis::compose;
use crate::testing::{account, candidate, daily, holding, market, now, price, signal};

/// A candidate and everything around it.
struct Scene {
    signal: Signal,
    class: AssetClass,
    account: Account,
    protections: Protections,
    market: Market,
    limits: Limits,
}

impl Scene {
    fn new() -> Self {
        Self {
            signal: signal(Direction::Long),
            class: AssetClass::Equity,
            account: account(100_000),
            protections: Protections::default(),
            market: market(),
            limits: Limits::default(),
        }
    }

    fn view(&self) -> View<'_> {
        View { account: &self.account, protections: &self.protections, market: &self.market }
    }

    fn prepare(&self) -> Prepared {
        let mut asked = candidate(&self.signal);
        asked.class = self.class;
        prepare(&asked, self.view(), &self.limits)
    }

    #[track_caller]
    fn ask(&self) -> Asked {
        match self.prepare() {
            Prepared::Ask(asked) => *asked,
            Prepared::Denied { code, .. } => panic!("denied: {code}"),
        }
    }

    #[track_caller]
    fn denied(&self) -> Code {
        match self.prepare() {
            Prepared::Denied { code, .. } => code,
            Prepared::Ask(_) => panic!("not denied"),
        }
    }

    /// The whole pair with these levers and a permit for whatever is critical.
    fn decide(&self, levers: Vec<Lever>) -> Result<Concluded, Code> {
        let base = self.ask().base;
        conclude(&base, &self.settled(&base, levers, true), self.view(), &self.limits)
    }

    fn settled(&self, base: &BaseOrder, levers: Vec<Lever>, permitted: bool) -> Settled {
        let composed = compose(&[advice(levers)], base.confidence, &self.limits).unwrap();
        composed.settle(permitted, &self.limits)
    }

    /// Ten outcomes that make half-Kelly reach its upper bound, and no cooldown.
    fn with_a_winning_record(mut self) -> Self {
        for trade in 0..20 {
            let trade = ClosedTrade {
                symbol: crate::testing::symbol("IBM"),
                return_pct: Ratio::of(if trade % 10 == 9 { -0.01 } else { 0.05 }),
                at: now(),
                same_session: false,
            };
            self.protections.on_trade_closed(&trade, &self.limits.risk);
        }
        self
    }
}

fn advice(levers: Vec<Lever>) -> Advice {
    Advice {
        agent: "somebody",
        stance: Stance::Vote(Vote::For),
        confidence: BoundsTable::HARD.confidence.admit(0.5, &mut Vec::new()).unwrap(),
        reasoning: String::new(),
        levers,
        clamps: Vec::new(),
    }
}

fn size(raw: f64) -> Lever {
    let value = BoundsTable::HARD.size_multiplier.admit(raw, &mut Vec::new()).unwrap();
    Lever::SizeMultiplier { value }
}

fn stop(raw: f64) -> Lever {
    let value = BoundsTable::HARD.stop_distance.admit(raw, &mut Vec::new()).unwrap();
    Lever::StopDistance { value }
}

fn limit(raw: f64, time_in_force: TimeInForce) -> Lever {
    let offset_bp = BoundsTable::HARD.limit_offset_bp.admit(raw, &mut Vec::new()).unwrap();
    Lever::LimitOrder { offset_bp, time_in_force }
}

fn units(count: i64) -> Qty {
    Qty::from_units(count).unwrap()
}

#[test]
fn a_candidate_becomes_a_brief_on_the_terms_of_the_base_order() {
    let Asked { brief, base } = Scene::new().ask();
    assert_eq!(base.qty, units(50), "5 % of equity, before there are ten outcomes");
    assert_eq!(brief.order_value, Money::from_units(5_000).unwrap());
    assert_eq!(brief.projected.position_pct, Ratio::of(0.05));
    assert_eq!(base.stop_distance, Ratio::of(0.05), "2.5 ATR");
    assert_eq!(base.target_distance, Ratio::of(0.10));
    assert_eq!(brief.gates.len(), gates::codes().count());
    assert!(brief.gates.iter().all(|gate| gate.passed));
    assert_eq!((brief.question, brief.book.positions), (Question::Entry, 0));
    assert_eq!(brief.book.cash, Money::from_units(100_000).unwrap());
    assert_eq!(base.decision.as_str(), "AAPL-20100301T210000-entry");
    assert!(!base.is_reversal);
}

#[test]
fn a_denial_bears_the_code_of_the_first_gate_and_reports_all() {
    let mut scene = Scene::new();
    scene.market.vix_level = Some(Ratio::of(50.0));
    scene.signal.confidence = Ratio::of(0.1);
    let Prepared::Denied { code, gates } = scene.prepare() else { panic!("not denied") };
    assert_eq!((code, gates.len()), (Code::GateVix, gates::codes().count()));
    assert!(gates.iter().any(|gate| gate.code == Code::GateConfidence && !gate.passed));

    scene = Scene::new();
    scene.signal.price = price(5_001);
    assert_eq!(scene.denied(), Code::SizeZero, "5 % of equity does not buy one");
    scene.signal.price = price(0);
    assert_eq!(scene.denied(), Code::SizeZero);
}

#[test]
fn settled_advice_scales_the_base_size_and_carries_its_terms() {
    let scene = Scene::new();
    for (levers, qty) in [
        (vec![], 50),
        (vec![size(0.5)], 25),
        (vec![size(0.5), Lever::ReduceSize], 12),
        (vec![size(2.0)], 100),
        (vec![size(2.0), Lever::ReduceSize], 50),
    ] {
        assert_eq!(scene.decide(levers.clone()).unwrap().intent.qty, units(qty), "{levers:?}");
    }
    let Concluded { intent, trace } = scene.decide(vec![size(0.5), stop(0.03)]).unwrap();
    let exits = intent.exits.unwrap();
    assert_eq!((exits.stop_distance, exits.target_distance), (Ratio::of(0.03), Ratio::of(0.10)));
    assert_eq!((intent.side, intent.purpose), (Side::Buy, Purpose::Entry));
    assert_eq!((intent.kind, intent.time_in_force), (OrderKind::Market, TimeInForce::Day));
    assert_eq!(intent.client_order_id, ClientOrderId::derive(&intent.decision, Side::Buy, 0));
    let steps: Vec<Step> = trace.steps().iter().map(|step| step.step).collect();
    assert_eq!(steps, [Step::Advice, Step::Lots]);
}

#[test]
fn without_a_permit_a_critical_size_is_one_and_a_half_times_the_base() {
    let scene = Scene::new();
    let base = scene.ask().base;
    for (permitted, qty) in [(true, 100), (false, 75)] {
        let settled = scene.settled(&base, vec![size(2.0)], permitted);
        let order = conclude(&base, &settled, scene.view(), &scene.limits).unwrap();
        assert_eq!(order.intent.qty, units(qty), "{permitted}");
    }
}

/// O-3: after HALTED no entry leaves.
#[test]
fn neither_half_of_the_pair_gives_an_entry_unless_trading_is_active() {
    let mut scene = Scene::new();
    let base = scene.ask().base;
    let settled = scene.settled(&base, vec![], true);
    for state in [TradingState::Reducing, TradingState::Halted] {
        scene.market.trading_state = state;
        assert_eq!(scene.denied(), Code::GateTradingState, "{state:?}");
        let order = conclude(&base, &settled, scene.view(), &scene.limits);
        assert_eq!(order, Err(Code::GateTradingState), "{state:?}");
    }
}

/// Goal: half the size from 10 %, a halt at 15 % that no recovery lifts, and after a person's order
/// entries again. Method: one account walks down and up. O-3.
#[test]
fn a_drawdown_halves_then_halts_and_only_a_person_lifts_it() {
    let mut scene = Scene::new();
    let mut halt = HaltRule::new(scene.account.equity);
    let mut walk = |scene: &mut Scene, thousands: i64| {
        scene.account = account(thousands * 1_000);
        let change = halt.observe(scene.account.equity, now(), &scene.limits.risk);
        scene.account.peak_equity = halt.peak();
        if change == HaltChange::Halted {
            scene.market.trading_state = TradingState::Halted;
        }
    };
    for (thousands, expected) in [(100, 50), (91, 45), (90, 22), (86, 21)] {
        walk(&mut scene, thousands);
        assert_eq!(scene.ask().base.qty, units(expected), "at {thousands}");
    }
    for thousands in [85, 95, 100] {
        walk(&mut scene, thousands);
        assert_eq!(scene.denied(), Code::GateTradingState, "at {thousands}");
    }
    halt.lift(scene.account.equity);
    scene.market.trading_state = TradingState::Active;
    assert_eq!(scene.ask().base.qty, units(50));
}

#[test]
fn an_advised_exit_wins_over_the_entry() {
    assert_eq!(Scene::new().decide(vec![Lever::ExitNow]), Err(Code::RoundExitAdvised));
}

#[track_caller]
fn check_order(
    direction: Direction,
    class: AssetClass,
    session: Session,
    lever: Lever,
    expected: (Option<&str>, TimeInForce, bool),
) {
    let mut scene = Scene::new();
    scene.limits.gates.extended_hours = true;
    (scene.signal.direction, scene.class, scene.market.session) = (direction, class, session);
    scene.signal.price = "100.555".parse().unwrap();
    let intent = scene.decide(vec![lever]).unwrap().intent;
    let limit = expected.0.map(|text| OrderKind::Limit { limit: text.parse().unwrap() });
    assert_eq!(intent.kind, limit.unwrap_or(OrderKind::Market));
    assert_eq!((intent.time_in_force, intent.extended_hours), (expected.1, expected.2));
}

#[test]
fn limits_stand_on_the_passive_side_and_extended_hours_take_nothing_else() {
    use AssetClass::{Crypto, Equity};
    use Direction::{Long, Short};
    use Session::{After, CryptoOnly, Pre, Regular};
    use TimeInForce::{Day, Gtc, Ioc};
    check_order(Long, Equity, Regular, Lever::MarketOrder, (None, Day, false));
    check_order(Long, Equity, Regular, limit(10.0, Gtc), (Some("100.45"), Gtc, false));
    check_order(Short, Equity, Regular, limit(10.0, Ioc), (Some("100.66"), Ioc, false));
    check_order(Long, Equity, Pre, Lever::MarketOrder, (Some("100.55"), Day, true));
    check_order(Short, Equity, After, limit(0.0, Gtc), (Some("100.56"), Day, true));
    check_order(Long, Crypto, CryptoOnly, Lever::MarketOrder, (None, Gtc, false));
    check_order(Long, Crypto, Regular, limit(0.0, Day), (Some("100.555"), Gtc, false));
}

#[test]
fn the_entry_half_of_a_reversal_is_sized_as_if_its_exit_had_filled() {
    let mut scene = Scene::new().with_a_winning_record();
    scene.signal.direction = Direction::Short;
    let flat = scene.ask().base;
    scene.account.holdings = vec![holding("AAPL", 150, 100)];
    scene.account.cash = Money::from_units(85_000).unwrap();
    let turned = scene.ask();
    assert!(turned.base.is_reversal && !flat.is_reversal);
    assert_eq!((turned.base.qty, turned.base.qty), (flat.qty, units(200)));
    assert_eq!(turned.brief.projected.exposure_pct, Ratio::of(0.20));
    let settled = scene.settled(&turned.base, vec![], true);
    let order = conclude(&turned.base, &settled, scene.view(), &scene.limits).unwrap();
    assert_eq!((order.intent.side, order.intent.qty), (Side::Sell, units(200)));
}

/// Goal: synthesis never widens what the guardian allowed. Method: a symbol whose tail is just
/// tolerable at the base size; twice of it would breach the limit on value at risk.
#[test]
fn a_size_that_would_breach_the_guardian_s_limits_falls_back_to_the_one_it_judged() {
    let scene = Scene::new();
    let mut asked = candidate(&scene.signal);
    let days: Vec<f64> = (0..250).map(|day| if day % 10 == 0 { -0.30 } else { 0.001 }).collect();
    asked.returns = daily(&days);
    let Prepared::Ask(ask) = prepare(&asked, scene.view(), &scene.limits) else { panic!() };
    assert_eq!(breach(&ask.brief.projected, &scene.limits.risk), None);
    let settled = scene.settled(&ask.base, vec![size(2.0)], true);
    let order = conclude(&ask.base, &settled, scene.view(), &scene.limits).unwrap();
    assert_eq!(order.intent.qty, ask.base.qty);
    assert_eq!(order.trace.steps()[0].step, Step::GuardianTerms);
}

#[test]
fn a_stop_wider_than_the_judged_one_stands_only_while_all_stops_stay_affordable() {
    let mut scene = Scene::new();
    let wide = scene.decide(vec![stop(0.15)]).unwrap().intent.exits.unwrap();
    assert_eq!(wide.stop_distance, Ratio::of(0.15));
    scene.account.peak_equity = Money::from_units(117_300).unwrap();
    let tight = scene.decide(vec![stop(0.15)]).unwrap().intent.exits.unwrap();
    assert_eq!(tight.stop_distance, Ratio::of(0.05));
}

#[test]
fn a_book_that_has_filled_meanwhile_leaves_nothing() {
    let mut scene = Scene::new();
    let base = scene.ask().base;
    let settled = scene.settled(&base, vec![], true);
    scene.account.holdings = vec![holding("MSFT", 700, 100)];
    scene.account.cash = Money::from_units(30_000).unwrap();
    let order = conclude(&base, &settled, scene.view(), &scene.limits);
    assert_eq!(order, Err(Code::SizeZero));
}

fn book(scale: i64, long: i64, short: i64) -> Account {
    let mut book = account(100_000 * scale);
    book.cash = Money::from_units((100_000 - long * 100 + short * 200) * scale).unwrap();
    book.holdings = vec![holding("IBM", long * scale, 100), holding("MSFT", -short * scale, 200)];
    book
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Goal: the whole pair decides the same for the same account at another scale. Method: prices
    /// of one hundredth, so that lots are too fine to matter.
    #[test]
    fn decisions_are_equal_at_1_10_and_100_times_the_equity(
        (long, short) in (0_i64..400, 0_i64..250),
        confidence in 0.2..1.0_f64,
        factor in 0.3..2.0_f64,
        level in 10.0..45.0_f64,
        seller: bool,
    ) {
        let outcome = |scale: i64| {
            let mut scene = Scene::new().with_a_winning_record();
            scene.signal =
                signal(if seller { Direction::Short } else { Direction::Long });
            scene.signal.price = "0.01".parse().unwrap();
            scene.signal.confidence = Ratio::of(confidence);
            scene.market.vix_level = Some(Ratio::of(level));
            scene.account = book(scale, long, short);
            match scene.prepare() {
                Prepared::Denied { code, .. } => Err(code),
                Prepared::Ask(ask) => {
                    let settled = scene.settled(&ask.base, vec![size(factor)], true);
                    let order = conclude(&ask.base, &settled, scene.view(), &scene.limits);
                    order.map(|order| order.intent.qty.to_f64() / 1e7)
                }
            }
        };
        for scale in [10, 100] {
            #[expect(clippy::cast_precision_loss, reason = "10 or 100")]
            match (outcome(1), outcome(scale)) {
                (Ok(once), Ok(many)) => {
                    prop_assert!((many / scale as f64 - once).abs() < 1e-6, "{once} {many}");
                }
                (once, many) => prop_assert_eq!(once, many),
            }
        }
    }

    /// After a ×2.0 with every permit given, no cap is exceeded and no limit of the guardian's is.
    #[test]
    fn no_final_order_exceeds_a_cap_after_a_doubling(
        (long, short) in (0_i64..400, 0_i64..250),
        price_cents in 1_i64..1_000_000,
        wide in 0.005..0.15_f64,
        is_coin: bool,
    ) {
        let mut scene = Scene::new().with_a_winning_record();
        scene.account = book(1, long, short);
        scene.signal.price = Price::from_raw(price_cents * 1_000_000);
        scene.class = if is_coin { AssetClass::Crypto } else { AssetClass::Equity };
        let Prepared::Ask(ask) = scene.prepare() else { return Ok(()) };
        let levers = vec![size(2.0), stop(wide)];
        let settled = scene.settled(&ask.base, levers, true);
        let order = conclude(&ask.base, &settled, scene.view(), &scene.limits);
        if let Ok(Concluded { intent, .. }) = order {
            let stop_distance = intent.exits.unwrap().stop_distance;
            let after = ask.base.as_holding(intent.qty, stop_distance);
            let after = project(&scene.account, &after, &scene.limits);
            prop_assert_eq!(breach(&after, &scene.limits.risk), None, "{:?}", after);
            prop_assert!(!is_coin || after.position_pct <= scene.limits.risk.crypto_max);
        }
    }
}
