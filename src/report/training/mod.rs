//! What a training run leaves behind: `report.html` with its curves and what the agents did to it,
//! `curve.csv`, `agent_logs.json` and `run.json`.
//!
//! Plain data in, files out, as for the report of a run; each file is written whole or not at all.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use conclave_actors::training::run::Moved;
use conclave_domain::brief::training::HOLD;
use conclave_domain::code::Code;
use conclave_domain::guidance::{Advised, Boundary};
use conclave_domain::ratio::Ratio;
use serde::{Deserialize, Serialize};

use super::files::{ReportError, put_all};

mod chart;
mod page;

/// One validation of the run: a point of every curve.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Its number, from 1.
    pub cycle: u32,
    /// Environment steps by then.
    pub step: u64,
    /// The run's measure of success, out of sample.
    pub fitness: Ratio,
    /// Gross gains over gross losses; `None` without a loss.
    pub profit_factor: Option<Ratio>,
    /// Annualised Sharpe ratio; `None` without variance.
    pub sharpe: Option<Ratio>,
    /// Largest fall from a peak of equity, fraction.
    pub drawdown: Ratio,
    /// Won trades among closed ones; `None` without a trade.
    pub win_rate: Option<Ratio>,
    /// Trades per step.
    pub trade_rate: Ratio,
    /// Share of the windows that ended in profit.
    pub consistency: Ratio,
    /// Mean training reward since the validation before.
    pub training_reward: Ratio,
    /// KL divergence of the last update, nats.
    pub kl: Option<Ratio>,
    /// Entropy of the policy, nats.
    pub entropy: Option<Ratio>,
    /// The scheduled learning rate times its multiplier.
    pub learning_rate: Ratio,
    /// Share of each action among all steps, by its name, as the policy says; empty in files of before this
    /// was told.
    #[serde(default)]
    pub action_shares: BTreeMap<String, Ratio>,
    /// What was moved here, or refused.
    pub interventions: Vec<Intervention>,
}

/// The pictures of a run that still trains, each with its name: none before its second validation.
pub(crate) fn curves(points: &[Point]) -> Vec<(&'static str, String)> {
    if points.len() < 2 {
        return Vec::new();
    }
    let drawn = page::CURVES.into_iter().filter_map(|(title, figure)| {
        Some((title, chart::Curve::of(points, figure).draw().ok()??))
    });
    drawn.collect()
}

/// A lever at a validation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Intervention {
    /// Who asked for it.
    pub by: String,
    /// What was asked for, in words.
    pub lever: String,
    /// Whether it changes how the run learns; a checkpoint does not.
    pub is_change: bool,
    /// Why it was not moved; `None` where it was.
    pub refused: Option<Code>,
}

impl Point {
    /// The point of a boundary, with what became of the levers there.
    pub fn of(cycle: u32, boundary: &Boundary, moved: &[Moved]) -> Self {
        let Boundary { standing, validation, .. } = boundary;
        let interventions = moved.iter().flat_map(|part| {
            part.levers.iter().map(|proposed| Intervention {
                by: proposed.by.clone(),
                lever: in_words(&proposed.lever),
                is_change: proposed.lever.is_change(),
                refused: part.refused,
            })
        });
        Self {
            cycle,
            step: standing.steps,
            fitness: validation.fitness,
            profit_factor: validation.profit_factor,
            sharpe: validation.sharpe,
            drawdown: validation.drawdown,
            win_rate: validation.win_rate,
            trade_rate: validation.trade_rate,
            consistency: validation.consistency,
            training_reward: validation.training_reward,
            kl: standing.update.kl,
            entropy: standing.update.entropy,
            learning_rate: standing.update.learning_rate,
            action_shares: validation.action_shares.clone(),
            interventions: interventions.collect(),
        }
    }

    /// The share of all actions whose name begins so; `None` where nothing is known of them.
    pub fn share_of(&self, beginning: &str) -> Option<Ratio> {
        let shares = self.action_shares.iter().filter(|(name, _)| name.starts_with(beginning));
        let sum: f64 = shares.map(|(_, share)| share.get()).sum();
        Ratio::new(sum).ok().filter(|_| !self.action_shares.is_empty())
    }

    /// Whether something was changed here.
    pub fn is_marked(&self) -> bool {
        self.interventions.iter().any(|it| it.is_change && it.refused.is_none())
    }
}

/// A lever with its amount, for people.
pub fn in_words(lever: &conclave_domain::brief::training::TrainingLever) -> String {
    use conclave_domain::brief::training::TrainingLever as Lever;
    match lever {
        Lever::LearningRate { value } => format!("learning rate × {:.3}", value.get()),
        Lever::Entropy { value } => format!("entropy bonus × {:.3}", value.get()),
        Lever::BatchSize { value } => format!("batch × {:.3}", value.get()),
        Lever::RewardWeight { part, delta } => format!("weight of {part} {:+.3}", delta.get()),
        other => other.name().replace('_', " "),
    }
}

/// One agent's part in the run.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct AgentLine {
    /// Who.
    pub agent: String,
    /// `rules` or `model`.
    pub brain: String,
    /// Validation cycles from one consultation to the next.
    pub every: u32,
    /// Times it was asked to propose.
    pub asked: u64,
    /// Its levers that were moved, checkpoints among them.
    pub applied: u64,
    /// Changes among them after which fitness did not fall.
    pub helped: u64,
    /// Its levers that were not moved, by the reason.
    pub refused: BTreeMap<Code, u64>,
}

impl AgentLine {
    /// Adds what became of one advice.
    pub fn count(&mut self, advised: &Advised) {
        use conclave_domain::brief::training::LedgerOutcome;
        if let Some(code) = advised.refused {
            *self.refused.entry(code).or_default() += 1;
            return;
        }
        let is_judged = advised.entry.fitness_change.is_some();
        let held = advised.entry.outcome == LedgerOutcome::Verified;
        self.applied += 1;
        self.helped += u64::from(is_judged && held);
    }
}

/// One row of the table of policies: the trained one beside what anybody could have done.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rival {
    /// Its name.
    pub name: String,
    /// Which part of the data, such as a fold.
    pub part: String,
    /// Return on the account, fraction.
    pub total_return: Ratio,
    /// Annualised Sharpe ratio; `None` without variance.
    pub sharpe: Option<Ratio>,
    /// Largest fall from a peak of equity, fraction.
    pub drawdown: Ratio,
    /// Closed trades.
    pub trades: u64,
}

/// Everything that the report of a training run tells.
#[derive(Clone, Debug, Serialize)]
pub struct TrainingReport {
    /// The run's name.
    pub run: String,
    /// How it ended, in words.
    pub ending: String,
    /// What it was made of: name and value, in the order in which they are shown.
    pub header: Vec<(String, String)>,
    /// The curves.
    pub points: Vec<Point>,
    /// The agents, in roster order; empty where nobody guided it.
    pub agents: Vec<AgentLine>,
    /// Out of sample, beside others.
    pub rivals: Vec<Rival>,
    /// What a reader must know, a sentence each.
    pub notes: Vec<String>,
    /// The hash of the policy's parameters, hexadecimal.
    pub fingerprint: String,
}

/// Writes the report into `dir`; `agent_logs` is what every agent said, where that is kept.
///
/// # Errors
/// When a chart cannot be drawn or a file not be written.
pub fn write(
    report: &TrainingReport,
    agent_logs: Option<&[serde_json::Value]>,
    dir: &Path,
) -> Result<Vec<PathBuf>, ReportError> {
    let html = page::html(report).map_err(ReportError::Chart)?;
    let document = |value: &serde_json::Value| {
        serde_json::to_string_pretty(value).map(|text| text + "\n").map_err(ReportError::Json)
    };
    let run = serde_json::json!({
        "schema": "training_run/1", "run": report.run, "ending": report.ending,
        "header": report.header, "agents": report.agents, "out_of_sample": report.rivals,
        "notes": report.notes, "fingerprint": report.fingerprint,
    });
    let mut files = vec![("report.html", html), ("curve.csv", csv(&report.points))];
    if let Some(logs) = agent_logs {
        let logs = serde_json::json!({"schema": "agent_logs/1", "run": report.run, "logs": logs});
        files.push(("agent_logs.json", document(&logs)?));
    }
    files.push(("run.json", document(&run)?));
    put_all(dir, files)
}

/// A row per validation; what is undefined is empty.
fn csv(points: &[Point]) -> String {
    let mut text = String::from(
        "cycle,step,fitness,profit_factor,sharpe,max_drawdown,win_rate,trade_rate,consistency,\
         training_reward,kl,entropy,learning_rate,hold_share,buy_share,sell_share,interventions\n",
    );
    let shown = |value: Option<Ratio>| value.map_or_else(String::new, |it| it.get().to_string());
    for point in points {
        let fields = [
            point.cycle.to_string(),
            point.step.to_string(),
            point.fitness.get().to_string(),
            shown(point.profit_factor),
            shown(point.sharpe),
            // Negative, as everywhere where a drawdown has this name.
            (0.0 - point.drawdown.get()).to_string(),
            shown(point.win_rate),
            point.trade_rate.get().to_string(),
            point.consistency.get().to_string(),
            point.training_reward.get().to_string(),
            shown(point.kl),
            shown(point.entropy),
            point.learning_rate.get().to_string(),
            shown(point.share_of(HOLD)),
            shown(point.share_of("BUY")),
            shown(point.share_of("SELL")),
            point.interventions.iter().filter(|it| it.refused.is_none()).count().to_string(),
        ];
        text.push_str(&fields.join(","));
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests;
