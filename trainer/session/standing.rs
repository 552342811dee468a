//! How a run stands, for the briefs of whoever advises it.

use conclave_domain::brief::training::{ColumnStats, RewardPart};
use conclave_domain::guidance::Standing;
use conclave_domain::policy::observation::MARKET_COLUMNS;
use conclave_domain::policy::reward::{PART_NAMES, PARTS};
use conclave_domain::ratio::Ratio;

use super::Session;
use crate::count::length;

impl Session {
    /// How the run stands.
    pub fn standing(&self) -> Standing {
        Standing {
            progress: self.progress(),
            steps: self.steps(),
            policy_version: self.ppo.version(),
            best_fitness: self.best.as_ref().map(|best| best.fitness),
            update: self.update,
            reward_parts: self.reward_parts(),
            columns: self.columns(),
            zero_volume_share: self.data().zero_volume_share(),
            multipliers: self.ppo.levers,
        }
    }

    /// The parts of the reward up to the last validation, by their weights now.
    fn reward_parts(&self) -> Vec<RewardPart> {
        let weights = self.ppo.env().weights();
        let (means, shares) = (self.parts.means(), self.parts.effective_shares());
        let part = |at: usize| RewardPart {
            name: PART_NAMES[at].to_owned(),
            weight: Ratio::or_zero(weights.get()[at]),
            cumulative_change: self.changed[at],
            mean: means[at],
            effective_share: shares[at],
        };
        (0..PARTS).map(part).collect()
    }

    /// The market columns that no lever has dropped: how far the rows that are validated on have moved
    /// from those that were normalised by, and what is wrong in any row. The account columns are left
    /// out, because what they hold is the policy's doing and not the data's.
    fn columns(&self) -> Vec<ColumnStats> {
        let view = self.ppo.env().view();
        let (rows, normalisation) = (&view.data.rows, view.normalisation());
        let tested: usize = self.test.iter().map(|window| window.rows.len()).sum();
        let stats = |at: usize| {
            let test = self.test.iter().flat_map(|window| &rows[window.rows.clone()]);
            let mean = test.map(|row| f64::from(row[at])).sum::<f64>() / length(tested.max(1));
            let off = mean - f64::from(normalisation.means()[at]);
            let factor = f64::from(normalisation.factors()[at]);
            let first = rows.first().map_or(0.0, |row| row[at]);
            let is_constant = rows.iter().all(|row| row[at].to_bits() == first.to_bits());
            ColumnStats {
                name: MARKET_COLUMNS[at].to_owned(),
                drift_z: Ratio::new(off * factor).ok().filter(|_| factor > 0.0),
                is_constant,
                is_zero: is_constant && first.abs() <= 0.0,
                non_finite_count: rows.iter().filter(|row| !row[at].is_finite()).count() as u64,
            }
        };
        let used = (0..MARKET_COLUMNS.len()).filter(|at| !self.dropped.contains(at));
        used.map(stats).collect()
    }
}
