//! Tests of the Risk Guardian.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::runtime::agent::Entry;
use crate::runtime::tests::answer_cases::{
    admits_only_bounded_numbers, read, refuses_what_is_no_answer,
};
use crate::trading::sample;

fn good() -> Value {
    json!({"reasoning": "calm", "objections": [], "confidence": 0.8})
}

fn entry() -> Entry<TradingBrief> {
    Entry::of::<RiskGuardian>()
}

fn by_rules(brief: &TradingBrief) -> Stance {
    let raw = (entry().rules)(brief, &Limits::default());
    (entry().read)(&raw, brief, &Limits::default()).unwrap().stance
}

fn veto_of(stance: Stance) -> Option<(VetoKind, Code)> {
    match stance {
        Stance::Veto(objection) => Some((objection.kind, objection.code)),
        Stance::NoObjection => None,
        Stance::Vote(vote) => panic!("a guardian is never counted: {vote:?}"),
    }
}

#[track_caller]
fn check(objections: &Value, expected: Option<(VetoKind, Code)>) {
    let mut answer = good();
    answer["objections"] = objections.clone();
    let advice = read(&entry(), &answer.to_string(), &sample::entry(), &Limits::default()).unwrap();
    assert_eq!(veto_of(advice.stance), expected, "{objections}");
}

#[test]
fn a_model_can_add_soft_objections_only() {
    check(&json!([]), None);
    check(
        &json!([{"code": "guardian.judgement", "text": "earnings tomorrow"}]),
        Some((VetoKind::Soft, Code::GuardJudgement)),
    );
    check(
        &json!([{"code": "guardian.position", "text": "too large for me"},
                {"code": "guardian.crash", "text": "and a crash"}]),
        Some((VetoKind::Soft, Code::GuardPosition)),
    );
}

#[test]
fn what_is_no_answer_is_refused() {
    refuses_what_is_no_answer(&entry(), &good(), &sample::entry());
    for bad in [
        json!([{"code": "guardian.silent", "text": "x"}]),
        json!([{"code": "gate.var", "text": "x"}]),
        json!([{"code": "guardian.judgement", "text": " "}]),
        json!([{"code": "guardian.judgement"}]),
        json!([{"code": "guardian.judgement", "text": "x", "kind": "hard"}]),
        json!("none"),
    ] {
        let mut answer = good();
        answer["objections"] = bad;
        let got = read(&entry(), &answer.to_string(), &sample::entry(), &Limits::default());
        assert!(matches!(got, Err(ConsultError::Unreadable { .. })), "{answer}: {got:?}");
    }
}

/// B-1: every number that leaves the agent is finite and within its bounds.
#[test]
fn any_float_is_bounded_or_refused() {
    admits_only_bounded_numbers::<RiskGuardian>(&good(), &sample::entry(), |answer, raw| {
        answer.confidence = raw;
    });
}

/// A change of a brief that breaches one limit.
type Change = fn(&mut TradingBrief);

/// Each hard rule: the code, a brief just inside of the limit, a brief at or just beyond it.
const HARD: [(Code, Change, Change); 9] = [
    (
        Code::GuardPosition,
        |brief| brief.projected.position_pct = Ratio::of(0.20),
        |brief| brief.projected.position_pct = Ratio::of(0.2001),
    ),
    (
        Code::GuardExposure,
        |brief| brief.projected.exposure_pct = Ratio::of(0.7999),
        |brief| brief.projected.exposure_pct = Ratio::of(0.80),
    ),
    (
        Code::GuardCash,
        |brief| brief.projected.cash_pct = Ratio::of(0.30),
        |brief| brief.projected.cash_pct = Ratio::of(0.2999),
    ),
    (
        Code::GuardVar,
        |brief| brief.projected.var95_pct = Ratio::of(0.02),
        |brief| brief.projected.var95_pct = Ratio::of(0.0201),
    ),
    (
        Code::GuardCvar,
        |brief| brief.projected.cvar95_pct = Ratio::of(0.03),
        |brief| brief.projected.cvar95_pct = Ratio::of(0.0301),
    ),
    (
        Code::GuardDrawdown,
        |brief| brief.book.drawdown = Ratio::of(0.1499),
        |brief| brief.book.drawdown = Ratio::of(0.15),
    ),
    (
        Code::GuardStops,
        |brief| brief.projected.drawdown_if_all_stops_pct = Ratio::of(0.1499),
        |brief| brief.projected.drawdown_if_all_stops_pct = Ratio::of(0.15),
    ),
    (
        Code::GuardDailyLoss,
        |brief| brief.book.daily_pnl_pct = Ratio::of(-0.0299),
        |brief| brief.book.daily_pnl_pct = Ratio::of(-0.03),
    ),
    (
        Code::GuardTradingState,
        |brief| brief.trading_state = TradingState::Active,
        |brief| brief.trading_state = TradingState::Reducing,
    ),
];

#[test]
fn each_hard_limit_alone_vetoes_at_its_edge() {
    for (code, inside, beyond) in HARD {
        let mut brief = sample::entry();
        inside(&mut brief);
        assert_eq!(veto_of(by_rules(&brief)), None, "{code} inside");
        beyond(&mut brief);
        assert_eq!(veto_of(by_rules(&brief)), Some((VetoKind::Hard, code)), "{code} beyond");
    }
}

#[test]
fn a_model_cannot_talk_a_hard_limit_away() {
    for (code, _, beyond) in HARD {
        let mut brief = sample::entry();
        beyond(&mut brief);
        for objections in [json!([]), json!([{"code": "guardian.judgement", "text": "also"}])] {
            let mut answer = good();
            answer["objections"] = objections;
            let text = answer.to_string();
            let advice = read(&entry(), &text, &brief, &Limits::default()).unwrap();
            assert!((advice.confidence.get() - 1.0).abs() < 1e-15);
            assert_eq!(veto_of(advice.stance), Some((VetoKind::Hard, code)), "{text}");
        }
    }
}

#[test]
fn every_breach_leaves_its_figures() {
    let mut brief = sample::entry();
    brief.projected.var95_pct = Ratio::of(0.025);
    brief.projected.cash_pct = Ratio::of(0.1);
    let objection = hard_objection(&brief, &Limits::default()).unwrap();
    assert_eq!(objection.code, Code::GuardCash);
    let names: Vec<&str> = objection.figures.iter().map(|figure| figure.name.as_str()).collect();
    assert_eq!(names, ["cash_pct", "var95_pct"]);
    assert_eq!(objection.figures[1].value, Ratio::of(0.025));
    assert_eq!(objection.figures[1].limit, Limits::default().risk.var_max);
}

#[test]
fn each_soft_rule_alone_objects() {
    let soft: [(Code, Change); 6] = [
        (Code::GuardCorrelation, |brief| brief.projected.max_correlation = Ratio::of(0.81)),
        (Code::GuardCrash, |brief| brief.regime.crash = Ratio::of(0.51)),
        (Code::GuardRegime, |brief| brief.regime.bear = Ratio::of(0.71)),
        (Code::GuardRegime, |brief| {
            brief.direction = Direction::Short;
            brief.regime.bull = Ratio::of(0.71);
            brief.regime.crash = Ratio::of(0.9); // no reason against a short
        }),
        (Code::GuardLossStreak, |brief| brief.book.loss_streak = 4),
        (Code::GuardWinRate, |brief| {
            brief.book.win_rate = Some(Ratio::of(0.44));
            brief.book.trades = 20;
            brief.book.drawdown = Ratio::of(0.081);
        }),
    ];
    for (code, change) in soft {
        let mut brief = sample::entry();
        change(&mut brief);
        assert_eq!(veto_of(by_rules(&brief)), Some((VetoKind::Soft, code)), "{code}");
    }
}

#[test]
fn a_low_win_rate_needs_all_three_of_its_conditions() {
    let cases: [(Option<Ratio>, u32, f64); 4] = [
        (None, 20, 0.09),
        (Some(Ratio::of(0.45)), 20, 0.09),
        (Some(Ratio::of(0.40)), 19, 0.09),
        (Some(Ratio::of(0.40)), 20, 0.08),
    ];
    for (win_rate, trades, drawdown) in cases {
        let mut brief = sample::entry();
        brief.book.win_rate = win_rate;
        brief.book.trades = trades;
        brief.book.drawdown = Ratio::of(drawdown);
        assert_eq!(veto_of(by_rules(&brief)), None, "{win_rate:?} {trades} {drawdown}");
    }
}

/// O-4: exits are never blocked by agents.
#[test]
fn a_question_about_an_exit_is_never_vetoed() {
    for (_, _, beyond) in HARD {
        let mut brief = sample::position();
        beyond(&mut brief);
        assert_eq!(veto_of(by_rules(&brief)), None);
        let mut answer = good();
        answer["objections"] = json!([{"code": "guardian.judgement", "text": "stay"}]);
        let advice = read(&entry(), &answer.to_string(), &brief, &Limits::default()).unwrap();
        assert_eq!(advice.stance, Stance::NoObjection);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A hard veto depends on the brief alone, for any figures and any answer.
    #[test]
    fn a_breach_is_a_hard_veto_whatever_is_said(
        position in -1.0f64..1.0, exposure in 0.0f64..1.5, var in 0.0f64..0.05, says in 0usize..3,
    ) {
        let mut brief = sample::entry();
        brief.projected.position_pct = Ratio::of(position);
        brief.projected.exposure_pct = Ratio::of(exposure);
        brief.projected.var95_pct = Ratio::of(var);
        let limits = Limits::default();
        let worry = Worry { code: Concern::Crash, text: "fear".to_owned() };
        let objections = vec![worry; says];
        let answer = Answer { reasoning: "x".to_owned(), objections, confidence: 0.1 };
        let stance = RiskGuardian::admit(answer, &brief, &limits).unwrap().stance;
        let is_hard = matches!(&stance, Stance::Veto(o) if o.kind == VetoKind::Hard);
        let breached = position.abs() > 0.20 || exposure >= 0.80 || var > 0.02;
        prop_assert_eq!(is_hard, breached);
        prop_assert_eq!(matches!(stance, Stance::NoObjection), !breached && says == 0);
    }
}
