//! What levers would do: a copy of the run trains on with them, another without, both on the same draws.
//!
//! Trying costs updates. So that a guided run keeps its speed whatever is asked for, all trials of a run
//! together take [`SHARE_OF_100`] of a hundred of its updates; what is spent is counted in updates and
//! goes with the checkpoint, so that a run that goes on tries what it would have tried.

use conclave_domain::brief::training::TrainingLever;
use conclave_domain::guidance::Simulated;

use super::Session;

/// Updates of a hundred of the run's that all its trials may take.
const SHARE_OF_100: u64 = 4;
/// Fewer updates of each copy show next to nothing.
const LEAST: u64 = 2;
/// More show little more.
const MOST: u64 = 16;

/// What a trial of so many updates costs: both copies train, and playing both takes about an update.
const fn cost(updates: u64) -> u64 {
    2 * updates + 1
}

/// Updates of each copy, where so many are left for all trials to come: a quarter of them at a time, so
/// that a late lever finds some as well. `None` where too few are left.
fn updates(left: u64) -> Option<u64> {
    let wanted = ((left / 4).saturating_sub(1) / 2).clamp(LEAST, MOST);
    (cost(wanted) <= left).then_some(wanted)
}

impl Session {
    /// Tries levers on a copy, for as many updates as are left to try with; `None` where too few are,
    /// or where [`Session::simulate`] has nothing to say.
    pub fn try_out(&mut self, levers: &[TrainingLever]) -> Option<Simulated> {
        let updates = updates(self.trials_left())?;
        let simulated = self.simulate(levers, u32::try_from(updates).ok()?)?;
        self.tried += cost(updates);
        Some(simulated)
    }

    /// Updates that trials may still take.
    fn trials_left(&self) -> u64 {
        let ppo = &self.config.ppo;
        let per_update = self.config.envs.saturating_mul(ppo.rollout_steps).max(1) as u64;
        let all = ppo.total_steps.div_ceil(per_update);
        (all.saturating_mul(SHARE_OF_100) / 100).saturating_sub(self.tried)
    }

    /// What levers do to a copy of the run that trains on for `iterations`, against a copy without
    /// them, measured on windows of the rows that are trained on, so that what is validated stays
    /// unseen. `None` where they change nothing that is learned, or where the copies cannot train.
    pub fn simulate(&self, levers: &[TrainingLever], iterations: u32) -> Option<Simulated> {
        if !levers.iter().all(|lever| lever.is_change() && !lever.is_critical()) {
            return None;
        }
        let fitness = |mut copy: Self| {
            (0..iterations).try_for_each(|_| copy.ppo.iterate().map(drop)).ok()?;
            Some(copy.play(&copy.seen).ok()?.fitness)
        };
        let mut moved = self.copy()?;
        levers.iter().try_for_each(|lever| moved.apply(lever)).ok()?;
        let (before, after) = (fitness(self.copy()?)?, fitness(moved)?);
        Some(Simulated { iterations, before, after })
    }

    /// The same run at the same moment, without a folder to write to.
    fn copy(&self) -> Option<Self> {
        let view = self.ppo.env().view().clone();
        let mut copy = Self::with_view(self.config.clone(), view, self.bounds.clone()).ok()?;
        copy.ppo.restore(&self.ppo.state()).ok()?;
        copy.changed = self.changed;
        copy.dropped.clone_from(&self.dropped);
        Some(copy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: trials never take more than their share, and a run of any length that has a share at all
    /// has one trial at least.
    #[test]
    fn all_trials_together_stay_within_their_share() {
        for (all, trials) in [(5, 1), (58, 8), (585, 25), (4, 0), (0, 0)] {
            let (mut left, mut done) = (all, 0);
            while let Some(taken) = updates(left) {
                assert!((LEAST..=MOST).contains(&taken));
                left -= cost(taken);
                done += 1;
            }
            assert_eq!(done, trials, "{all} updates, {left} left");
        }
    }
}
