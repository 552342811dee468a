//! What a policy is compared with: those who do not look, and the rules that anybody could follow.

use conclave_domain::fixed::FixedError;
use serde::{Deserialize, Serialize};

use super::{Decide, Report, Rule, Scripted, Trial};

/// Bars of the momentum rules, of which the best on the very windows is taken: a hard opponent.
const MOMENTA: [usize; 4] = [5, 10, 20, 60];

/// One row of the table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Benchmark {
    /// Who.
    pub name: String,
    /// How it did.
    pub report: Report,
}

/// Everybody whom a policy is compared with, on the same windows and terms: always-hold, always-buy,
/// random, buy-and-hold, the best momentum rule, SMA cross 10/20.
///
/// # Errors
/// Where a figure leaves the range of fixed point.
pub fn benchmarks(trial: &Trial<'_>, seed: u64) -> Result<Vec<Benchmark>, FixedError> {
    let row = |name: &str, decide: &mut dyn Decide| {
        trial.run(decide).map(|report| Benchmark { name: name.to_owned(), report })
    };
    let mut best: Option<Benchmark> = None;
    for bars in MOMENTA {
        let one = row(&format!("momentum {bars}"), &mut Rule::Momentum(bars))?;
        if best.as_ref().is_none_or(|best| best.report.mean_return < one.report.mean_return) {
            best = Some(one);
        }
    }
    let mut table = vec![
        row("always-hold", &mut Scripted::Hold)?,
        row("always-buy", &mut Scripted::Buy)?,
        row("random", &mut Scripted::random(seed))?,
        row("buy-and-hold", &mut Scripted::BuyAndHold)?,
    ];
    table.extend(best);
    table.push(row("sma-cross 10/20", &mut Rule::SmaCross { fast: 10, slow: 20 })?);
    Ok(table)
}
