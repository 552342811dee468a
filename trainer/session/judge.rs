//! What a policy comes to on rows that its run has never seen.

use std::sync::Arc;

use conclave_domain::fixed::FixedError;

use super::Session;
use crate::env::trade::{MarketData, Span, View};
use crate::validate::{Benchmark, Greedy, Report, Trial, benchmarks};

impl Session {
    /// How the present policy does on windows of other rows, seen as its run sees its own, and how
    /// everybody else does there.
    ///
    /// # Errors
    /// Where figures leave their range.
    pub fn judge(
        &self,
        data: Arc<MarketData>,
        windows: &[Span],
    ) -> Result<(Report, Vec<Benchmark>), FixedError> {
        let view = View::new(data, self.ppo.env().view().normalisation().clone());
        let trial = Trial { view: &view, windows, terms: &self.config.terms };
        let mut greedy = Greedy::new(self.ppo.actor_critic(), self.config.actions);
        Ok((trial.run(&mut greedy)?, benchmarks(&trial, self.config.seed)?))
    }
}
