//! Tests of consulting from outside.

use conclave_domain::advice::{Lever, Vote};

use super::*;
use crate::trading::{TEAM, sample};

fn desk() -> OutsideDesk {
    let mut desk = OutsideDesk::new(Limits::default());
    desk.set_portfolio(sample::entry().book).unwrap();
    desk.set_regime(sample::entry().regime).unwrap();
    desk.set_session(Session::Regular);
    desk
}

/// The question that says what the example brief says.
fn question() -> OutsideQuestion {
    let brief = sample::position();
    OutsideQuestion {
        symbol: brief.symbol,
        asset_class: brief.asset_class,
        as_of: brief.as_of,
        direction: brief.direction,
        confidence: brief.confidence,
        magnitude: brief.magnitude,
        hit_rate: Some(brief.hit_rate),
        price: brief.price,
        order_value: brief.order_value,
        features: brief.features,
        volatility: None,
        regime: None,
        gate_results: Vec::new(),
        win_rate: None,
        loss_streak: None,
        drawdown: None,
        exposure: None,
        max_correlation: None,
        projected: Some(brief.projected),
        open_position: brief.open_position,
    }
}

#[test]
fn an_outside_question_gets_what_our_own_brief_gets() {
    for (kind, entry) in OutsideKind::ALL.into_iter().zip(TEAM) {
        assert_eq!(kind.agent(), entry.role.name);
        let exit = kind == OutsideKind::Exit;
        let mut brief = if exit { sample::position() } else { sample::entry() };
        let question = question();
        brief.order_value = question.order_value;
        let limits = Limits::default();
        let ours = (entry.read)(&(entry.rules)(&brief, &limits), &brief, &limits).unwrap();
        let theirs = desk().consult(kind, &question).unwrap();
        assert_eq!(ours, theirs, "{}", kind.name());
    }
}

#[test]
fn what_the_question_says_goes_before_the_portfolio() {
    let mut question = question();
    question.drawdown = Some(Ratio::of(0.15));
    let scale = desk().recommend_position_scale(&question).unwrap();
    assert_eq!(scale.stance, Stance::Vote(Vote::Against));
    let Stance::Veto(objection) = desk().evaluate_gates(&question).unwrap().stance else {
        panic!("a drawdown at its limit is vetoed")
    };
    assert_eq!(objection.code, Code::GuardDrawdown);
}

#[test]
fn a_failed_gate_is_a_veto_with_its_own_code() {
    let mut question = question();
    let gate = |passed| GateResult {
        code: Code::GateLossStreak,
        passed,
        value: Ratio::of(6.0),
        threshold: Ratio::of(5.0),
    };
    question.gate_results = vec![gate(true)];
    assert_eq!(desk().evaluate_gates(&question).unwrap().stance, Stance::NoObjection);
    question.gate_results.push(gate(false));
    let Stance::Veto(objection) = desk().evaluate_gates(&question).unwrap().stance else {
        panic!("a failed gate is a veto")
    };
    assert_eq!((objection.kind, objection.code), (VetoKind::Hard, Code::GateLossStreak));
    assert_eq!(objection.figures.len(), 1);
}

#[test]
fn the_trading_state_vetoes_entries_and_never_exits() {
    let mut desk = desk();
    desk.set_trading_state(TradingState::Halted);
    let stance = desk.evaluate_gates(&question()).unwrap().stance;
    assert!(matches!(stance, Stance::Veto(found) if found.code == Code::GuardTradingState));
    let mut question = question();
    question.regime = Some(Regime {
        bull: Ratio::ZERO,
        bear: Ratio::ONE,
        sideways: Ratio::ZERO,
        crash: Ratio::ZERO,
        bars_in_regime: 3,
    });
    assert_eq!(desk.recommend_exit(&question).unwrap().levers, [Lever::ExitNow]);
}

#[test]
fn what_was_not_said_is_named() {
    let missing =
        |desk: &OutsideDesk, question: &OutsideQuestion, kind| match desk.consult(kind, question) {
            Err(OutsideError::Missing { what }) => what,
            other => panic!("{other:?}"),
        };
    let blank = OutsideDesk::new(Limits::default());
    assert_eq!(missing(&blank, &question(), OutsideKind::Signal), "portfolio");
    let mut some = blank;
    some.set_portfolio(sample::entry().book).unwrap();
    assert_eq!(missing(&some, &question(), OutsideKind::Signal), "regime");
    some.set_regime(sample::entry().regime).unwrap();
    assert_eq!(missing(&some, &question(), OutsideKind::Signal), "session");
    let mut no_position = question();
    no_position.open_position = None;
    assert_eq!(missing(&desk(), &no_position, OutsideKind::Exit), "open_position");
    let mut blind = question();
    blind.projected = None;
    blind.features.vol_20 = None;
    assert_eq!(missing(&desk(), &blind, OutsideKind::Gates), "volatility");
}

#[test]
fn a_missing_projection_is_estimated_from_above() {
    let mut question = question();
    question.projected = None;
    question.open_position = None;
    question.features = Features::default();
    question.volatility = Some(Ratio::of(0.252));
    question.order_value = Money::from_units(10_425).unwrap(); // a tenth of the equity
    let brief = desk().brief(OutsideKind::Gates, &question).unwrap();
    let after = brief.projected;
    let daily = 0.252 / 252.0_f64.sqrt();
    for (got, expected) in [
        (after.position_pct, 0.1),
        (after.exposure_pct, 0.2535),
        (after.cash_pct, 88_250.0 / 104_250.0 - 0.1),
        (after.var95_pct, 1.645 * daily * 0.2535),
        (after.drawdown_if_all_stops_pct, 0.021 + 3.5 * 1.5 * daily * 0.2535),
        (after.max_correlation, 1.0),
    ] {
        assert!((got.get() - expected).abs() < 1e-12, "{after:?}");
    }
}

#[test]
fn impossible_figures_are_refused() {
    let out = |result: Result<Advice, OutsideError>| match result {
        Err(OutsideError::OutOfRange { what, .. }) => what,
        other => panic!("{other:?}"),
    };
    let mut question = question();
    question.confidence = Ratio::of(1.01);
    assert_eq!(out(desk().evaluate_signal(&question)), "confidence");
    question.confidence = Ratio::of(0.5);
    question.drawdown = Some(Ratio::of(15.0));
    assert_eq!(out(desk().recommend_position_scale(&question)), "drawdown");
    let mut desk = desk();
    let regime = Regime { bull: Ratio::ONE, ..Regime::default() };
    assert!(matches!(
        desk.set_regime(regime),
        Err(OutsideError::OutOfRange { what: "regime", .. })
    ));
    let mut broke = sample::entry().book;
    broke.equity = Money::ZERO;
    assert!(desk.set_portfolio(broke).is_err());
}

#[test]
fn a_question_is_read_strictly_from_json() {
    let text = r#"{"symbol":"AAPL","as_of":"2012-03-01T21:00:00Z","direction":"long",
        "signal_strength":0.6,"price":"544.47","order_value":"5000","volatility":0.2}"#;
    let question: OutsideQuestion = serde_json::from_str(text).unwrap();
    assert!(desk().recommend_position_scale(&question).is_ok());
    let unknown = text.replacen('{', "{\"lever_age\":9,", 1);
    assert!(serde_json::from_str::<OutsideQuestion>(&unknown).is_err());
}
