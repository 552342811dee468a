//! What goes wrong on purpose: broken data, collapses and drift, each seen where it is looked for.

use conclave_domain::brief::training::HOLD;
use conclave_domain::fixed::Price;
use conclave_domain::policy::observation::MARKET_COLUMNS;

use super::*;
use crate::checkpoint::Checkpoint;
use crate::ppo::Quantity;

/// NaN in the data is found by the trainer's own guard in the update that meets it; no parameter moves,
/// and what is written to the disk afterwards is sound.
#[test]
fn broken_data_are_found_by_the_guard_and_poison_no_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = session(config(8_192));
    run.keep_in(folder.path().to_owned());
    run.iterate().unwrap();
    let before = run.fingerprint();
    let sound = run.ppo.env().view().clone();
    let mut broken = sound.clone();
    let at = MARKET_COLUMNS.iter().position(|name| *name == "gap").unwrap();
    for row in Arc::make_mut(&mut broken.rows) {
        row[at] = f32::NAN;
    }
    Arc::make_mut(&mut broken.data).rows[70][at] = f32::INFINITY;
    run.ppo.env_mut().show(broken);
    let Err(SessionError::Poisoned(found)) = run.iterate() else { panic!("it was not found") };
    assert_eq!((found.what, run.fingerprint()), (Quantity::Observation, before));
    let told = run.standing().columns;
    let gap = told.iter().find(|column| column.name == "gap").unwrap();
    assert_eq!(gap.non_finite_count, 1, "what the Data Monitor is told");
    run.write_last().unwrap();
    let written = Checkpoint::read(&folder.path().join(LAST)).unwrap();
    assert!(written.state.parameters.iter().all(|parameter| parameter.is_finite()));
    assert_eq!(written.state.parameters, run.ppo.actor_critic().parameters());
    run.ppo.env_mut().show(sound);
    run.iterate().unwrap();
    assert_ne!(run.fingerprint(), before, "with sound data it goes on");
}

/// A policy that has fallen into HOLD says so in its shares, and its reward has collapsed.
#[test]
fn a_collapse_into_hold_shows_in_shares_and_rewards() {
    let mut run = session(TrainConfig { validations: 8, ..config(8_192) });
    let mut state = run.ppo.state();
    let tensors = run.ppo.actor_critic().layout().tensors();
    let bias = tensors.iter().find(|tensor| tensor.name == "actor.b2").unwrap();
    state.parameters[bias.offset] = 50.0;
    run.ppo.roll_back(&state).unwrap();
    let validation = advance(&mut run);
    assert!(validation.action_shares[HOLD].get() > 0.99, "{:?}", validation.action_shares);
    assert!(validation.trade_rate.get() < 1e-9 && validation.fitness.get().abs() < 1e-9);
    let update = run.standing().update;
    let spread = update.reward_std.unwrap().get();
    assert!(spread < 1e-6 && update.entropy.unwrap().get() < 1e-6, "{update:?}");
}

fn drift(run: &Session, column: &str) -> f64 {
    let columns = run.standing().columns;
    let found = columns.into_iter().find(|stats| stats.name == column).unwrap();
    found.drift_z.unwrap().get().abs()
}

/// Bars that are validated on and do not look like those that were trained on: four times the moves.
#[test]
fn data_that_have_drifted_away_are_named_by_column() {
    let mut world = series("S", World::PLANTED, 1_200, 7);
    let run = |world: &Series| {
        let data = Arc::new(MarketData::new(std::slice::from_ref(world)).unwrap());
        Session::new(config(1_024), data, BoundsTable::default()).unwrap()
    };
    let sound = run(&world);
    assert!(sound.standing().columns.iter().all(|stats| {
        stats.drift_z.is_some_and(|drift| drift.get().abs() < 1.0)
            && !stats.is_constant
            && stats.non_finite_count == 0
    }));
    let anchor = world.bars[929].close.to_f64();
    for bar in &mut world.bars[930..] {
        let far = |price: Price| {
            Price::from_f64(anchor * ((price.to_f64() / anchor).ln() * 4.0).exp()).unwrap()
        };
        (bar.open, bar.high) = (far(bar.open), far(bar.high));
        (bar.low, bar.close) = (far(bar.low), far(bar.close));
    }
    let moved = run(&world);
    assert!(drift(&sound, "vol_20") < 1.0 && drift(&moved, "vol_20") > 4.0);
}
