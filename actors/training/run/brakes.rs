//! What a cleared lever must still meet at the moment at which it is moved.
//!
//! The agents' own rules hold these brakes already. They are looked at once more here, because a brain
//! may be another one, the Risk Analyst may be switched off, and the run has gone on since a model was
//! asked.

use conclave_domain::brief::training::{Proposed, TrainingBrief, TrainingLever};
use conclave_domain::code::Code;

use crate::training::{CRITICAL_DECLINES, HALT_FROM_PROGRESS, reward_may_move};

/// Whether levers that are moved together may be moved on the run as it is now.
///
/// # Errors
/// The code of what stands in the way; never for what only protects.
pub(super) fn stands(levers: &[Proposed], now: &TrainingBrief, is_done: bool) -> Result<(), Code> {
    for Proposed { lever, .. } in levers {
        let is_early = now.progress.get() < HALT_FROM_PROGRESS;
        let is_braked = match lever {
            TrainingLever::HaltTraining => is_early || now.declines() < CRITICAL_DECLINES,
            TrainingLever::Rollback => now.declines() < CRITICAL_DECLINES,
            TrainingLever::RewardWeight { .. } => !reward_may_move(now),
            _ => false,
        };
        // After the last step nothing can be learned differently; the best policy can be gone back to.
        let is_moot = is_done && *lever != TrainingLever::Rollback;
        match () {
            () if !lever.is_change() => {}
            () if is_moot => return Err(Code::TrainingStale),
            () if is_braked => return Err(Code::TrainingBrake),
            () if now.grace_cycles_left > 0 => return Err(Code::TrainingGrace),
            () if now.failed_last_time(lever) => return Err(Code::TrainingLeverFailed),
            () => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use conclave_domain::brief::training::{LedgerEntry, LedgerOutcome};
    use conclave_domain::ratio::Ratio;

    use super::*;
    use crate::training::sample;

    #[test]
    fn each_brake_alone_stops_a_lever_and_none_stops_what_protects() {
        use TrainingLever::{Checkpoint, HaltTraining, Rollback};
        let rate = TrainingLever::LearningRate { value: Ratio::of(0.8) };
        let weight = TrainingLever::RewardWeight { part: "pnl".to_owned(), delta: Ratio::of(0.01) };
        let calm = sample::proposing();
        let falling = sample::with_fitness(&calm, &[0.4, 0.3, 0.2, 0.1]);
        let mut early = falling.clone();
        early.progress = Ratio::of(0.2);
        let mut grace = falling.clone();
        grace.grace_cycles_left = 1;
        let mut failed = falling.clone();
        failed.ledger.push(LedgerEntry {
            outcome: LedgerOutcome::Failed,
            lever: rate.clone(),
            ..failed.ledger[0].clone()
        });
        for (what, brief, lever, is_done, expected) in [
            ("a factor", &calm, &rate, false, Ok(())),
            ("a halt without declines", &calm, &HaltTraining, false, Err(Code::TrainingBrake)),
            ("a rollback without declines", &calm, &Rollback, false, Err(Code::TrainingBrake)),
            ("a weight without declines", &calm, &weight, false, Err(Code::TrainingBrake)),
            ("a halt", &falling, &HaltTraining, false, Ok(())),
            ("a rollback", &falling, &Rollback, false, Ok(())),
            ("a weight", &falling, &weight, false, Ok(())),
            ("a halt too early", &early, &HaltTraining, false, Err(Code::TrainingBrake)),
            ("a factor in the grace", &grace, &rate, false, Err(Code::TrainingGrace)),
            ("a checkpoint in the grace", &grace, &Checkpoint, false, Ok(())),
            ("what failed", &failed, &rate, false, Err(Code::TrainingLeverFailed)),
            ("a factor at the end", &calm, &rate, true, Err(Code::TrainingStale)),
            ("a way back at the end", &falling, &Rollback, true, Ok(())),
            ("a checkpoint at the end", &calm, &Checkpoint, true, Ok(())),
        ] {
            let lever = lever.clone();
            let levers = [Proposed { by: "a".to_owned(), lever }];
            assert_eq!(stands(&levers, brief, is_done), expected, "{what}");
        }
    }
}
