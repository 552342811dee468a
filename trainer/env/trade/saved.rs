//! Everything of the environments that decides what comes next, out of them and into them again.

use conclave_domain::policy::reward::{RewardWeights, SharpeState};
use serde::{Deserialize, Serialize};

use super::{Account, PartTally, TradeEnv};
use crate::vec_env::BadState;

/// The environments' own state. Floats travel as their bits.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    accounts: Vec<Account>,
    sharpe: Vec<[u64; 2]>,
    row: Vec<u32>,
    end: Vec<u32>,
    instrument: Vec<u32>,
    episode: Vec<u64>,
    entered: Vec<u8>,
    weights: RewardWeights,
    tally: PartTally,
}

impl TradeEnv {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let saved = Saved {
            accounts: self.accounts.clone(),
            sharpe: self.sharpe.iter().map(|one| one.to_parts().map(f64::to_bits)).collect(),
            row: self.row.clone(),
            end: self.end.clone(),
            instrument: self.instrument.clone(),
            episode: self.episode.clone(),
            entered: self.entered.clone(),
            weights: self.weights,
            tally: self.tally,
        };
        // Numbers and lists alone: there is nothing in it that JSON cannot say, but a tally that is
        // not finite, which a reader refuses.
        serde_json::to_vec(&saved).unwrap_or_default()
    }

    pub(super) fn take_bytes(&mut self, bytes: &[u8]) -> Result<(), BadState> {
        let saved: Saved =
            serde_json::from_slice(bytes).map_err(|error| BadState(error.to_string()))?;
        let envs = self.row.len();
        let lengths = [
            saved.accounts.len(),
            saved.sharpe.len(),
            saved.row.len(),
            saved.end.len(),
            saved.instrument.len(),
            saved.episode.len(),
            saved.entered.len(),
        ];
        if lengths.iter().any(|&length| length != envs) {
            return Err(BadState(format!("not of {envs} environments")));
        }
        for at in 0..envs {
            let (row, end) = (saved.row[at] as usize, saved.end[at] as usize);
            let inside = self.spans.iter().any(|span| {
                span.instrument == saved.instrument[at] as usize
                    && span.rows.contains(&row)
                    && span.rows.contains(&end)
            });
            if !inside || row >= end {
                return Err(BadState(format!("environment {at} is not within the rows")));
            }
        }
        let from_bits = |bits: [u64; 2]| SharpeState::from_parts(bits.map(f64::from_bits));
        self.accounts = saved.accounts;
        self.sharpe = saved.sharpe.into_iter().map(from_bits).collect();
        (self.row, self.end, self.instrument) = (saved.row, saved.end, saved.instrument);
        (self.episode, self.entered) = (saved.episode, saved.entered);
        (self.weights, self.tally) = (saved.weights, saved.tally);
        Ok(())
    }
}
