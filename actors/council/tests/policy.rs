//! A policy that calls: what it closes asks nobody, what it opens is decided on like any signal.

use conclave_domain::order::ExitReason;
use conclave_domain::policy::action::{Action, ActionSet, Bucket};
use conclave_domain::policy::caller::Look;
use conclave_domain::policy::network::{Layer, Policy, PolicyParts};
use conclave_domain::policy::normalisation::Normalisation;
use conclave_domain::policy::observation::{COLUMNS, MARKET, columns};
use conclave_domain::strategy::SourceRecord;

use super::*;

/// A policy that always says the same.
fn always(action: Action) -> Arc<Policy> {
    let actions = ActionSet::Eight;
    let says = |one: &Action| if *one == action { 3.0 } else { 0.0 };
    let bias = actions.actions().iter().map(says).collect();
    let parts = PolicyParts {
        columns: columns().map(str::to_owned).collect(),
        actions,
        normalisation: Normalisation::new(vec![0.0; COLUMNS], vec![1.0; COLUMNS]).unwrap(),
        actor: vec![Layer::new(COLUMNS, vec![0.0; COLUMNS * 8], bias).unwrap()],
        critic: Vec::new(),
    };
    Arc::new(Policy::new(parts).unwrap())
}

/// What it is shown of the first share's present day.
fn look(council: &TestCouncil, action: Action) -> Look {
    let raised = council.signal(0, Direction::Long);
    let signal = raised.signal;
    Look {
        slice: 0,
        instrument: 0,
        symbol: signal.symbol,
        bar: raised.bar,
        policy: always(action),
        row: Some(Box::new([0.0; MARKET])),
        magnitude: signal.magnitude,
        regime: signal.regime,
        features: signal.features,
        market: raised.market,
    }
}

/// O-4: what a policy closes is closed while everything is halted, and nobody is asked.
#[tokio::test(start_paused = true)]
async fn a_policy_closes_what_is_held_while_halted() {
    for halted in [false, true] {
        let mut council = TestCouncil::start().await;
        council.decide_long().await;
        council.day().await.unwrap();
        assert_eq!(council.council.broker.view().positions.len(), 1);
        if halted {
            council.halt().await.unwrap();
        }
        let rounds = council.council.score.stats().rounds_total();
        let look = look(&council, Action::Close);
        council.council.orchestrator.consider(look).await.unwrap();
        council.day().await.unwrap();
        assert!(council.council.broker.view().positions.is_empty(), "halted: {halted}");
        assert_eq!(council.council.score.stats().rounds_total(), rounds, "nobody was asked");
        let accounts = council.council.broker.export().await.unwrap();
        let trades = accounts[&BookKind::Real].custody.book().trades().to_vec();
        assert_eq!(trades.last().unwrap().exit_reason, ExitReason::SignalFlip);
        council.stop().await;
    }
}

/// O-3: while everything is halted a policy opens nothing; its call is denied like a strategy's.
#[tokio::test(start_paused = true)]
async fn a_policy_opens_nothing_while_halted() {
    let council = TestCouncil::start().await;
    council.halt().await.unwrap();
    let look = look(&council, Action::Buy(Bucket::Half));
    council.council.orchestrator.consider(look).await.unwrap();
    assert_eq!(council.denials(Code::GateTradingState), 1);
    assert!(council.orders(BookKind::Real).is_empty());
    council.stop().await;
}

/// The size that is asked about is the strategy's times the bucket, and the order likewise.
#[tokio::test(start_paused = true)]
async fn a_policys_bucket_is_a_factor_of_its_size() {
    let mut sizes = Vec::new();
    for bucket in [Bucket::Quarter, Bucket::Half, Bucket::ThreeQuarters] {
        let council = TestCouncil::start().await;
        let look = look(&council, Action::Buy(bucket));
        council.council.orchestrator.consider(look).await.unwrap();
        let order = council.orders(BookKind::Real).pop().unwrap();
        sizes.push(order.qty.to_f64());
        assert_eq!(council.council.score.stats().signals, 1);
        council.stop().await;
    }
    assert!(sizes[0] >= 8.0, "{sizes:?}");
    for (nth, factor) in [(1, 2.0), (2, 3.0)] {
        assert!((sizes[nth] - sizes[0] * factor).abs() <= 3.0, "{sizes:?}");
    }
}

/// A policy is judged by its own words: who has only held for a hundred is not listened to, until it
/// has called often enough again.
#[tokio::test(start_paused = true)]
async fn a_policy_that_has_only_held_is_not_listened_to() {
    let council = TestCouncil::start().await;
    for _ in 0..100 {
        let look = look(&council, Action::Hold);
        council.council.orchestrator.consider(look).await.unwrap();
    }
    let buy = || look(&council, Action::Buy(Bucket::Half));
    council.council.orchestrator.consider(buy()).await.unwrap();
    assert_eq!(council.denials(Code::GateModelHealth), 1);
    for _ in 0..5 {
        council.council.orchestrator.consider(buy()).await.unwrap();
    }
    assert_eq!(council.denials(Code::GateModelHealth), 4, "95 of 100 is the most");
    assert_eq!(council.orders(BookKind::Real).len(), 1);
    assert_eq!(buy().market.source, SourceRecord::default(), "not by what a strategy did");
    council.stop().await;
}
