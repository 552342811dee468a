//! Weights that are none, changes that stay within their bounds, and parts that cannot be farmed.

use proptest::prelude::*;

use super::*;

fn calm() -> StepOutcome {
    StepOutcome { vol: 0.01, ..StepOutcome::default() }
}

#[test]
fn weights_that_do_not_sum_to_one_are_refused() {
    let even = [0.125; PARTS];
    assert!(RewardWeights::new(even).is_ok());
    for (at, bad) in [(0, f64::NAN), (3, f64::INFINITY), (7, -0.125)] {
        let mut weights = even;
        weights[at] = bad;
        let refused = RewardWeights::new(weights);
        assert_eq!(refused, Err(WeightsError::Senseless { part: PART_NAMES[at] }));
    }
    let mut heavy = even;
    heavy[0] = 0.2;
    assert!(matches!(RewardWeights::new(heavy), Err(WeightsError::Sum { .. })));
    assert!(RewardWeights::new(*RewardWeights::default().get()).is_ok());
    assert!(serde_json::from_str::<RewardWeights>("[1,0,0,0,0,0,0,0.5]").is_err());
    assert!(RewardWeights::default().changed("profit", Ratio::ZERO).is_err());
}

#[test]
fn every_part_answers_to_what_it_is_named_for() {
    let of = |step: StepOutcome| parts(&step, &mut SharpeState::default());
    assert!(of(calm()).iter().all(|part| part.abs() < 1e-15));
    let wrong = of(StepOutcome {
        equity_return: -0.005,
        price_return: -0.01,
        exposure: 0.5,
        cost: 0.001,
        drawdown_change: 0.005,
        closed: Some((-0.02, 4)),
        is_first_entry: true,
        ..calm()
    });
    let wanted = [-0.5, -0.5, -0.5, -0.5, 1.0, -0.1, -0.5, 0.0];
    for (part, (found, wanted)) in PART_NAMES.iter().zip(wrong.iter().zip(wanted)) {
        assert!((found - wanted).abs() < 1e-12, "{part}: {found} where {wanted} is due");
    }
    let short = of(StepOutcome { price_return: -0.01, exposure: -0.5, ..calm() });
    assert!(short[0] > 0.0 && short[1] > 0.0, "a short gains when prices fall");
}

#[test]
fn an_outlier_is_bounded_and_what_is_not_a_number_shows() {
    let huge = StepOutcome { equity_return: 1e9, cost: 1e9, ..calm() };
    let paid = parts(&huge, &mut SharpeState::default());
    assert!((paid[2] - FURTHEST).abs() < 1e-12 && (paid[5] + FURTHEST).abs() < 1e-12);
    let broken = StepOutcome { equity_return: f64::NAN, ..calm() };
    let paid = parts(&broken, &mut SharpeState::default());
    assert!(RewardWeights::default().reward(&paid).is_nan());
}

/// The closed form: the change of the Sharpe ratio of exponential moments for a small rate.
#[test]
fn the_differential_sharpe_ratio_is_the_derivative_of_the_ratio() {
    let mut state = SharpeState::default();
    for n in 0..500_u32 {
        state.next(f64::from(n % 7) - 2.5);
    }
    let [mean, square] = state.to_parts();
    let ratio = |mean: f64, square: f64| mean / (square - mean * mean).sqrt();
    let value = 1.7;
    let rate = 1e-7;
    let moved = ratio(mean + rate * (value - mean), square + rate * (value * value - square));
    let derivative = (moved - ratio(mean, square)) / rate;
    let found = SharpeState::from_parts([mean, square]).next(value);
    assert!((found - derivative).abs() < 1e-5, "{found} {derivative}");
}

/// Goal: no part can be farmed. Method: whoever turns a position around at every bar of a market that
/// goes nowhere loses by every set of weights that keeps money above the pay for exploring.
#[test]
fn churning_in_a_flat_market_never_pays() {
    let mut sharpe = SharpeState::default();
    let mut total = 0.0;
    for n in 0..200 {
        let churn = StepOutcome {
            equity_return: -0.001,
            exposure: if n % 2 == 0 { 0.75 } else { -0.75 },
            cost: 0.001,
            drawdown_change: 0.001,
            closed: (n > 0).then_some((-0.001, 1)),
            is_first_entry: n < 2,
            ..calm()
        };
        total += RewardWeights::default().reward(&parts(&churn, &mut sharpe));
    }
    assert!(total < -5.0, "{total}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// B-2: however often weights are changed, each stays above its floor, they sum to one, and the
    /// changes of one part stay within the bounds of a call and of a run.
    #[test]
    fn changed_weights_sum_to_one_and_stay_within_their_bounds(
        asked in proptest::collection::vec((0..PARTS, -1e3..1e3_f64), 1..60),
    ) {
        let bounds = BoundsTable::default();
        let mut weights = RewardWeights::default();
        let mut totals = [Ratio::ZERO; PARTS];
        for (at, delta) in asked {
            let allowed = allowed_change(&bounds, totals[at], delta);
            prop_assert!(allowed.abs() <= 0.05 + 1e-12);
            totals[at] = Ratio::of(totals[at].get() + allowed);
            prop_assert!(totals[at].get().abs() <= 0.15 + 1e-12);
            weights = weights.changed(PART_NAMES[at], Ratio::of(allowed)).unwrap();
            prop_assert!(weights.get().iter().all(|weight| *weight >= WEIGHT_MIN - 1e-12));
        }
    }
}
