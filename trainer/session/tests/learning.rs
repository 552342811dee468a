//! Whether it learns what is there to be learned, and nothing where there is nothing.

use super::*;

/// A drift that lasts some three bars and is as large as the noise: rules of a fixed length follow it
/// late and pay for every doubt.
const PLANTED: World = World { drift: 0.0, persistence: 0.7, shock: 0.006, noise: 0.01 };

/// Trains a run to its end: the report before, the report after, and the best momentum rule's.
fn learn(config: TrainConfig, world: World, bars: usize, seed: u64) -> [Report; 3] {
    let mut run = Session::new(config, data(world, bars, seed), BoundsTable::default()).unwrap();
    let before = run.report().unwrap();
    while !run.is_done() {
        run.iterate().unwrap();
    }
    let momentum = run.benchmarks().unwrap().remove(4);
    assert!(momentum.name.starts_with("momentum"));
    [before, run.report().unwrap(), momentum.report]
}

/// Goal: a planted signal is found. Method: eight independent paths; out of sample the policy earns
/// more than the momentum rule that did best on the very same windows, on six of them at least.
#[test]
fn a_planted_signal_is_traded_better_than_by_the_best_momentum_rule() {
    let mut better = 0;
    for path in 100..108 {
        let config = TrainConfig { actions: ActionSet::Three, ..TrainConfig::with_steps(120_000) };
        let [_, policy, momentum] = learn(config, PLANTED, 12_000, path);
        assert!(policy.mean_return.get() > 0.1, "path {path}: {policy:?}");
        better += u32::from(policy.mean_return > momentum.mean_return);
    }
    assert!(better >= 6, "{better} of 8");
}

/// Goal: nothing is learned from nothing. Method: eight random walks; out of sample the policies earn
/// nothing after costs on average, and trade less than they began with on every one. Of five sets of
/// eight paths all did so, with means from −1.3 % to −2.6 % of a window.
#[test]
fn a_market_without_a_signal_is_not_beaten_and_is_traded_less() {
    let mut earned = Vec::new();
    for path in 1_000..1_008 {
        let config = TrainConfig::with_steps(80_000);
        let [before, after, _] = learn(config, World::NULL, 12_000, path);
        assert!(after.trade_rate < before.trade_rate, "path {path}: {before:?} {after:?}");
        earned.push(after.mean_return.get());
    }
    let mean = earned.iter().sum::<f64>() / 8.0;
    assert!(mean <= 0.0, "{mean}: {earned:?}");
}

/// A market that rises: the policy is in it, and stays.
#[test]
fn a_rising_market_is_bought_and_kept() {
    let config = TrainConfig::with_steps(80_000);
    let [before, after, _] = learn(config, World::RISING, 2_500, 5);
    let share = |name: &str| after.action_shares[name].get();
    let long = share("BUY_25") + share("BUY_50") + share("BUY_75") + share("HOLD");
    assert!(long > 0.9, "{:?}", after.action_shares);
    assert!(after.trade_rate < before.trade_rate && after.fitness.get() > 0.5, "{after:?}");
}
