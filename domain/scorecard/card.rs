//! The card itself: a line per agent, a line per pair, over one run or many.

use std::collections::BTreeSet;

use serde::Serialize;

use super::calibration::Calibration;
use super::curve::{Differences, pooled};
use super::facts::{ClampValue, RunFacts, VetoValue};
use super::interval::{Interval, interval_of_sum};
use super::words::Finding;
use crate::fixed::{FixedError, Money};
use crate::ratio::Ratio;
use crate::role::{AgentName, Role, Team};
use crate::stats::AgentStats;

/// How often chance alone makes the card call anything at all a help or a harm: it is shared out evenly
/// among all that is compared (Bonferroni), so that a grid of fifteen says no more by chance than one.
pub const FAMILY_ERROR: f64 = 0.05;

/// What having some agents was worth.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Worth {
    /// The account with them less the account without, over all runs, USD.
    pub total_usd: Money,
    /// The same as a fraction of a run's first equity, mean over the runs.
    pub per_run: Ratio,
    /// Where that lies but for the card's error; `None` where too few blocks of days differ to say.
    pub interval: Option<Interval>,
    /// Days of the market.
    pub days: u64,
    /// Those of them on which the accounts moved differently.
    pub differing_days: u64,
    /// What that says.
    pub finding: Finding,
    /// Whose recorded answers were given again in the repetitions: empty where they are exact.
    pub frozen: BTreeSet<AgentName>,
}

/// One agent's line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    /// Who.
    pub agent: AgentName,
    /// Its team.
    pub team: Team,
    /// How often it was asked and what became of that.
    pub asked: AgentStats,
    /// Share of its words in rounds that were the verdict; `None` where it had none.
    pub agreement: Option<Ratio>,
    /// What it was worth; `None` where it was asked and no repetition without it was played.
    pub worth: Option<Worth>,
    /// What its vetoes were worth.
    pub vetoes: VetoValue,
    /// What its clamps were worth.
    pub clamps: ClampValue,
    /// How well its confidence is calibrated; `None` without a vote whose outcome is known.
    pub calibration: Option<Calibration>,
    /// What its model cost, USD.
    pub cost_usd: Money,
    /// What it was worth less what it cost, USD; `None` where its worth is not known.
    pub after_cost_usd: Option<Money>,
}

/// Two agents together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pair {
    /// Who.
    pub agents: BTreeSet<AgentName>,
    /// What having both was worth.
    pub worth: Worth,
    /// What of it is not what each is worth alone: positive where they complete each other, negative where
    /// either does what the other does already.
    pub together: Option<Worth>,
}

/// What each agent was worth.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Card {
    /// Runs that it is over.
    pub runs: u64,
    /// How often chance alone makes it call anything a help or a harm.
    pub family_error: Ratio,
    /// What was compared: each has an equal share of that error.
    pub comparisons: u64,
    /// The agents: those that hurt first, then from the worst to the best.
    pub lines: Vec<Line>,
    /// The pairs in the same order; empty without a grid.
    pub pairs: Vec<Pair>,
}

/// The differences of muting some agents, over all runs.
struct Muting {
    agents: BTreeSet<AgentName>,
    differences: Differences,
    frozen: BTreeSet<AgentName>,
}

/// Makes the card of the agents of `roster` over these runs. `seed` is that of the drawn intervals.
///
/// # Errors
/// When a sum is beyond what money holds.
pub fn card(roster: &[Role], runs: &[RunFacts], seed: u64) -> Result<Card, FixedError> {
    let mut mutings = Vec::new();
    for muted in sets(roster, runs) {
        mutings.extend(Muting::of(muted, runs)?);
    }
    let together = interactions(&mutings)?;
    let compared = mutings.iter().map(|it| &it.differences).chain(together.iter().map(|it| &it.1));
    let comparisons = compared.filter(|it| !it.is_none()).count();
    let scale = Scale { runs: runs.len(), comparisons, seed };
    let mut lines = Vec::with_capacity(roster.len());
    for role in roster {
        let alone = BTreeSet::from([role.name]);
        let muting = mutings.iter().find(|it| it.agents == alone);
        lines.push(line(role, runs, muting.map(|it| scale.worth(&it.differences, &it.frozen)))?);
    }
    let pairs = mutings.iter().filter(|it| it.agents.len() > 1).map(|muting| Pair {
        agents: muting.agents.clone(),
        worth: scale.worth(&muting.differences, &muting.frozen),
        together: together
            .iter()
            .find(|(agents, _)| *agents == muting.agents)
            .map(|(_, differences)| scale.worth(differences, &muting.frozen)),
    });
    let mut pairs: Vec<Pair> = pairs.collect();
    let by = |one: &Worth, two: &Worth| {
        one.finding.cmp(&two.finding).then(one.per_run.get().total_cmp(&two.per_run.get()))
    };
    lines.sort_by(|one, two| match (&one.worth, &two.worth) {
        (Some(one), Some(two)) => by(one, two),
        (one, two) => one.is_none().cmp(&two.is_none()),
    });
    pairs.sort_by(|one, two| by(&one.worth, &two.worth));
    let family_error = Ratio::of(FAMILY_ERROR);
    Ok(Card {
        runs: runs.len() as u64,
        family_error,
        comparisons: comparisons as u64,
        lines,
        pairs,
    })
}

/// Everybody of the roster alone, and every set of them that was muted in some run.
fn sets(roster: &[Role], runs: &[RunFacts]) -> BTreeSet<BTreeSet<AgentName>> {
    let alone = roster.iter().map(|role| BTreeSet::from([role.name]));
    let known = |agents: &BTreeSet<AgentName>| {
        agents.iter().all(|agent| roster.iter().any(|role| role.name == *agent))
    };
    let muted = runs.iter().flat_map(|run| run.without.iter().map(|it| it.muted.clone()));
    alone.chain(muted.filter(known)).collect()
}

fn consulted(run: &RunFacts, agents: &BTreeSet<AgentName>) -> bool {
    let asked = |agent| run.agents.get(agent).is_some_and(|stats| stats.consulted > 0);
    agents.iter().any(asked)
}

/// What remains of the worth of a pair when that of either alone is taken off.
fn interactions(mutings: &[Muting]) -> Result<Vec<(BTreeSet<AgentName>, Differences)>, FixedError> {
    let mut all = Vec::new();
    for muting in mutings.iter().filter(|it| it.agents.len() == 2) {
        let alone = |agent: &AgentName| {
            let alone = BTreeSet::from([*agent]);
            mutings.iter().find(|it| it.agents == alone)
        };
        let found: Vec<&Muting> = muting.agents.iter().filter_map(alone).collect();
        let [one, two] = found[..] else { continue };
        let rest = muting.differences.less(&one.differences)?.less(&two.differences)?;
        all.push((muting.agents.clone(), rest));
    }
    Ok(all)
}

impl Muting {
    /// The differences over all runs; `None` where a run that asked one of them was not repeated without.
    /// A run that asked none of them is the same without (K-1).
    fn of(agents: BTreeSet<AgentName>, runs: &[RunFacts]) -> Result<Option<Self>, FixedError> {
        let (mut all, mut frozen) = (Vec::with_capacity(runs.len()), BTreeSet::new());
        for run in runs {
            let differences = match run.without(&agents) {
                Some(without) => {
                    frozen.extend(without.frozen.iter().copied());
                    Differences::between(&run.curve, &without.curve)?
                }
                None if consulted(run, &agents) => return Ok(None),
                None => Differences::between(&run.curve, &run.curve)?,
            };
            all.push(differences);
        }
        Ok(Some(Self { agents, differences: pooled(&all)?, frozen }))
    }
}

/// What every worth of a card has in common.
struct Scale {
    runs: usize,
    comparisons: usize,
    seed: u64,
}

impl Scale {
    fn worth(&self, differences: &Differences, frozen: &BTreeSet<AgentName>) -> Worth {
        #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
        let (runs, error) =
            (self.runs.max(1) as f64, FAMILY_ERROR / self.comparisons.max(1) as f64);
        let days: Vec<f64> = differences.days().iter().map(|day| day / runs).collect();
        let interval = interval_of_sum(&days, error, self.seed);
        let finding = match interval {
            _ if differences.is_none() => Finding::ChangedNothing,
            Some(interval) if interval.low.get() > 0.0 => Finding::Helps,
            Some(interval) if interval.high.get() < 0.0 => Finding::Hurts,
            _ => Finding::Unclear,
        };
        Worth {
            total_usd: differences.total,
            per_run: Ratio::or_zero(days.iter().sum()),
            interval,
            days: days.len() as u64,
            differing_days: days.iter().filter(|day| **day != 0.0).count() as u64,
            finding,
            frozen: frozen.clone(),
        }
    }
}

fn line(role: &Role, runs: &[RunFacts], worth: Option<Worth>) -> Result<Line, FixedError> {
    let agent = role.name;
    let mut asked = AgentStats::default();
    let (mut vetoes, mut clamps) = (VetoValue::default(), ClampValue::default());
    let (mut forecasts, mut cost_usd) = (Vec::new(), Money::ZERO);
    for run in runs {
        if let Some(stats) = run.agents.get(agent) {
            asked = asked.plus(stats);
        }
        vetoes = vetoes.plus(run.vetoes_of(agent)?)?;
        clamps = clamps.plus(run.clamps_of(agent)?)?;
        forecasts.extend(run.forecasts(agent));
        cost_usd = cost_usd.plus(run.costs.get(agent).copied().unwrap_or_default())?;
    }
    let worth = worth.map(|worth| match asked.consulted {
        0 => Worth { finding: Finding::NeverConsulted, ..worth },
        _ => worth,
    });
    let after_cost_usd = worth.as_ref().map(|it| it.total_usd.minus(cost_usd)).transpose()?;
    Ok(Line {
        agent,
        team: role.team,
        agreement: asked.agreement(role.authority.may_veto()),
        asked,
        worth,
        vetoes,
        clamps,
        calibration: Calibration::of(&forecasts),
        cost_usd,
        after_cost_usd,
    })
}
