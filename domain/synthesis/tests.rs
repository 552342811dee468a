//! Synthesis: the more cautious wins.

use super::*;
use crate::advice::{Stance, Vote};
use crate::bounds::BoundsTable;

/// An agent that asks for these things, clamped as every agent is.
fn agent(levers: Vec<Lever>) -> Advice {
    let confidence = BoundsTable::HARD.confidence.admit(0.5, &mut Vec::new()).unwrap();
    Advice {
        agent: "somebody",
        stance: Stance::Vote(Vote::For),
        confidence,
        reasoning: String::new(),
        levers,
        clamps: Vec::new(),
    }
}

fn confidence(raw: f64) -> Lever {
    let bounds = BoundsTable::HARD.confidence_multiplier;
    Lever::ConfidenceMultiplier { value: bounds.admit(raw, &mut Vec::new()).unwrap() }
}

fn size(raw: f64) -> Lever {
    let bounds = BoundsTable::HARD.size_multiplier;
    Lever::SizeMultiplier { value: bounds.admit(raw, &mut Vec::new()).unwrap() }
}

fn stop(raw: f64) -> Lever {
    let bounds = BoundsTable::HARD.stop_distance;
    Lever::StopDistance { value: bounds.admit(raw, &mut Vec::new()).unwrap() }
}

fn target(raw: f64) -> Lever {
    let bounds = BoundsTable::HARD.target_distance;
    Lever::TargetDistance { value: bounds.admit(raw, &mut Vec::new()).unwrap() }
}

fn limit(raw: f64, time_in_force: TimeInForce) -> Lever {
    let bounds = BoundsTable::HARD.limit_offset_bp;
    Lever::LimitOrder { offset_bp: bounds.admit(raw, &mut Vec::new()).unwrap(), time_in_force }
}

/// Composes one agent per lever at a raw confidence of one half.
fn composed(levers: Vec<Lever>) -> Composed {
    let advice: Vec<Advice> = levers.into_iter().map(|lever| agent(vec![lever])).collect();
    compose(&advice, Ratio::of(0.5), &Limits::default()).unwrap()
}

#[track_caller]
fn check_factor(levers: Vec<Lever>, expected: f64) {
    let got = composed(levers).size_factor.get();
    assert!((got - expected).abs() < 1e-12, "{got}, expected {expected}");
}

#[test]
fn nobody_s_advice_changes_nothing() {
    let nothing = composed(Vec::new());
    assert_eq!(nothing.size_factor, Ratio::ONE);
    assert_eq!(nothing.confidence_multiplier, Ratio::ONE);
    assert_eq!(nothing.order, OrderChoice::Market);
    assert!(!nothing.critical && !nothing.exit_now && nothing.stop_distance.is_none());
}

/// B-1: every number that leaves an agent is within its bounds; so is the product of any number.
#[test]
fn factors_multiply_within_bounds_and_the_cautious_one_wins_a_conflict() {
    check_factor(vec![size(1.4)], 1.4);
    check_factor(vec![size(1.2), size(1.2)], 1.44);
    check_factor(vec![size(0.8), size(0.5)], 0.4);
    check_factor(vec![size(2.0), size(0.8)], 0.8);
    check_factor(vec![size(2.0); 5_000], 2.0);
    check_factor(vec![size(0.3); 5_000], 0.3);
    check_factor(vec![size(1.0), Lever::ReduceSize, Lever::ReduceSize], 0.5);
    check_factor(vec![size(1.2), confidence(0.7)], 1.2 * 0.7);
    check_factor(vec![size(2.0), confidence(1.3)], 2.0);
    let many = composed(vec![confidence(1.3); 100]);
    assert_eq!(many.confidence_multiplier, Ratio::of(1.3));
    assert_eq!(many.clamps[0].parameter, "confidence_multiplier");
    assert_eq!(many.adjusted_confidence, Ratio::of(0.65));
}

/// The worst that legal advice can do lowers a size and never ends it; only a vote does.
#[test]
fn the_worst_legal_advice_leaves_something() {
    let worst = vec![size(0.3), confidence(0.7), Lever::ReduceSize];
    check_factor(worst.clone(), 0.3 * 0.7 * 0.5);
    let hundredfold: Vec<Lever> = std::iter::repeat_n(worst, 100).flatten().collect();
    check_factor(hundredfold, 0.3 * 0.7 * 0.5);
}

#[test]
fn an_adjusted_confidence_ends_at_one_and_so_does_its_effect() {
    let sure = compose(&[agent(vec![confidence(1.3)])], Ratio::of(0.9), &Limits::default());
    let sure = sure.unwrap();
    assert_eq!(sure.adjusted_confidence, Ratio::ONE);
    assert!((sure.size_factor.get() - 1.0 / 0.9).abs() < 1e-12);
    let none = compose(&[agent(vec![confidence(0.7)])], Ratio::ZERO, &Limits::default()).unwrap();
    assert_eq!(none.size_factor, Ratio::of(0.7));
}

#[test]
fn the_more_cautious_terms_win() {
    let terms = composed(vec![stop(0.05), stop(0.03), stop(0.10), target(0.2), target(0.1)]);
    assert_eq!(terms.stop_distance, Some(Ratio::of(0.03)));
    assert_eq!(terms.target_distance, Some(Ratio::of(0.1)));
    let wanted = OrderChoice::Limit { offset_bp: Ratio::of(20.0), time_in_force: TimeInForce::Ioc };
    let one = limit(20.0, TimeInForce::Gtc);
    let other = limit(5.0, TimeInForce::Ioc);
    let orders = [
        vec![Lever::MarketOrder, one.clone(), other.clone()],
        vec![other.clone(), Lever::MarketOrder, one.clone()],
        vec![one, other, Lever::MarketOrder],
    ];
    for levers in orders {
        assert_eq!(composed(levers).order, wanted);
    }
    assert!(composed(vec![size(2.0), Lever::ExitNow]).exit_now);
}

#[test]
fn the_levers_of_other_teams_are_not_heard() {
    let foreign = vec![Lever::Checkpoint, Lever::Rollback, Lever::HaltTraining];
    assert_eq!(composed(foreign), composed(Vec::new()));
}

#[test]
fn a_size_above_one_and_a_half_is_critical_and_clamped_without_a_permit() {
    let limits = Limits::default();
    for (factor, critical) in [(1.5, false), (1.51, true), (2.0, true), (0.3, false)] {
        assert_eq!(composed(vec![size(factor)]).critical, critical, "{factor}");
    }
    assert!(composed(vec![size(1.4), confidence(1.3)]).critical, "whatever made it so large");
    assert!(!composed(vec![size(2.0), Lever::ReduceSize]).critical);

    let refused = composed(vec![size(1.9)]).settle(false, &limits);
    assert_eq!(refused.terms().size_factor, Ratio::of(1.5));
    let clamp = refused.terms().clamps.last().unwrap();
    assert_eq!((clamp.raw, clamp.clamped), (Ratio::of(1.9), Ratio::of(1.5)));
    let permitted = composed(vec![size(1.9)]).settle(true, &limits);
    assert_eq!(permitted.terms().size_factor, Ratio::of(1.9));
    assert!(permitted.terms().clamps.is_empty());
    let harmless = composed(vec![size(1.2)]).settle(false, &limits);
    assert_eq!(harmless.terms().size_factor, Ratio::of(1.2));
}
