//! What the windows of a validation came to.

use std::collections::BTreeMap;

use conclave_domain::brief::training::Validation;
use conclave_domain::metrics::{Input, Metrics, Sampling, Terms};
use conclave_domain::policy::action::ActionSet;
use conclave_domain::ratio::Ratio;
use conclave_domain::time::Time;
use serde::{Deserialize, Serialize};

use super::Seen;
use crate::count::{double, length};

/// How a policy did on all windows of a trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// See the formula in [`super`].
    pub fitness: Ratio,
    /// Gross gains over gross losses of closed trades; `None` without a loss.
    pub profit_factor: Option<Ratio>,
    /// Annualised Sharpe ratio of all steps, window after window; `None` without variance.
    pub sharpe: Option<Ratio>,
    /// Annualised Sortino ratio of the same; `None` without a step that lost.
    pub sortino: Option<Ratio>,
    /// The deepest fall of any window from its peak, 0 to 1.
    pub drawdown: Ratio,
    /// Trades that gained among all; `None` without one.
    pub win_rate: Option<Ratio>,
    /// Positions opened per step.
    pub trade_rate: Ratio,
    /// Share of each action of the largest set.
    pub action_shares: BTreeMap<String, Ratio>,
    /// Share of calls that the next bar proved right, where it moved; `None` without one.
    pub direction_accuracy: Option<Ratio>,
    /// Share of windows that ended in profit.
    pub consistency: Ratio,
    /// Mean change of equity over a window.
    pub mean_return: Ratio,
    /// Windows played.
    pub windows: u64,
    /// Steps of all windows.
    pub steps: u64,
    /// Trades closed.
    pub trades: u64,
}

impl Report {
    pub(super) fn of(seen: &Seen, returns: &[&[f64]], cash: f64, bars_per_year: Ratio) -> Self {
        let grown =
            |returns: &&[f64]| returns.iter().map(|change| 1.0 + change).product::<f64>() - 1.0;
        let ends: Vec<f64> = returns.iter().map(grown).collect();
        let windows = length(ends.len().max(1));
        let count = |holds: fn(&f64) -> bool| length(ends.iter().filter(|end| holds(end)).count());
        let (won, lost) = (count(|end| *end > 0.0), count(|end| *end < 0.0));
        let gains: f64 = seen.trades.iter().filter(|profit| **profit > 0.0).sum();
        let losses: f64 = -seen.trades.iter().filter(|profit| **profit < 0.0).sum::<f64>();
        let (sharpe, sortino) = ratios(returns, cash, bars_per_year);
        let quality = if gains + losses > 0.0 { (gains - losses) / (gains + losses) } else { 0.0 };
        let consistency = (won - lost) / windows;
        let steady = sharpe.map_or(0.0, |sharpe| within_one(sharpe.get() / 2.0));
        let fitness = 0.5 * steady + 0.2 * quality + 0.3 * consistency - 0.5 * seen.drawdown;
        let of_all =
            |part: u64, whole: u64| Ratio::within_unit(double(part) / double(whole.max(1)));
        let trades = seen.trades.len() as u64;
        let wins = seen.trades.iter().filter(|profit| **profit > 0.0).count() as u64;
        let actions = ActionSet::Eight.actions().iter().zip(seen.actions);
        Self {
            fitness: Ratio::or_zero(fitness),
            profit_factor: (losses > 0.0).then(|| Ratio::or_zero(gains / losses)),
            sharpe,
            sortino,
            drawdown: Ratio::within_unit(seen.drawdown),
            win_rate: (trades > 0).then(|| of_all(wins, trades)),
            trade_rate: of_all(seen.entries, seen.steps),
            action_shares: actions
                .map(|(action, count)| (action.name().to_owned(), of_all(count, seen.steps)))
                .collect(),
            direction_accuracy: (seen.calls > 0).then(|| of_all(seen.right, seen.calls)),
            consistency: Ratio::within_unit(won / windows),
            mean_return: Ratio::or_zero(ends.iter().sum::<f64>() / windows),
            windows: ends.len() as u64,
            steps: seen.steps,
            trades,
        }
    }

    /// The same for the briefs of agents.
    pub fn validation(
        &self,
        at: Time,
        cycle: u32,
        step: u64,
        training_reward: Ratio,
    ) -> Validation {
        Validation {
            at,
            cycle,
            step,
            training_reward,
            fitness: self.fitness,
            profit_factor: self.profit_factor,
            sharpe: self.sharpe,
            drawdown: self.drawdown,
            win_rate: self.win_rate,
            trade_rate: self.trade_rate,
            action_shares: self.action_shares.clone(),
            direction_accuracy: self.direction_accuracy,
            consistency: self.consistency,
        }
    }
}

fn within_one(value: f64) -> f64 {
    if value > 1.0 { 1.0 } else { value.max(-1.0) }
}

/// Sharpe and Sortino ratio of all steps, window after window, as all other reports compute them.
fn ratios(returns: &[&[f64]], cash: f64, bars_per_year: Ratio) -> (Option<Ratio>, Option<Ratio>) {
    let mut value = cash;
    let mut values = Vec::with_capacity(1 + returns.iter().map(|one| one.len()).sum::<usize>());
    values.push(value);
    for change in returns.iter().copied().flatten() {
        value *= 1.0 + change;
        values.push(value);
    }
    let terms =
        Terms { periods_per_year: bars_per_year, rf: Ratio::ZERO, sampling: Sampling::Rows };
    let input = Input { values: &values, times: None, benchmark: None, activity: None, terms };
    let metrics = Metrics::of(&input);
    let ratio = |pick: fn(&Metrics) -> Option<Ratio>| metrics.as_ref().ok().and_then(pick);
    (ratio(|metrics| metrics.sharpe.ok()), ratio(|metrics| metrics.sortino.ok()))
}
