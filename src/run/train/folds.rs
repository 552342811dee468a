//! Walk-forward: policies that learned from the bars before a part, judged by that part.

use std::collections::BTreeMap;

use conclave_domain::ratio::Ratio;

use super::ab::{cores, side_by_side};
use super::one::{Plan, train};
use super::trainers::{Trainers, Watch};
use crate::cli::error::{CliError, ExitCode};
use crate::report::training::Rival;

/// What a reader must know of the rows.
pub(super) const NOTE: &str = "The other rows are a walk-forward: for each part a policy of its own was \
    trained, without agents, on all bars before it.";

/// Trains a policy for each part, several side by side, and says how each did on its part and all of
/// them in the mean.
///
/// # Errors
/// When one cannot be trained or judged, or the run was stopped meanwhile.
pub(super) fn walk<T: Trainers>(folds: &[T], plan: &Plan<'_>) -> Result<Vec<Rival>, CliError> {
    let stop = plan.watch.stop.clone();
    let numbered: Vec<(usize, &T)> = (1..).zip(folds).collect();
    let rows = side_by_side(&numbered, cores(), |(nth, fold)| {
        let dir = plan.dir.join(format!("fold-{nth}"));
        std::fs::create_dir_all(&dir)?;
        let own = Plan {
            config: plan.config,
            names: &[],
            seed: plan.seed,
            dir: &dir,
            id: plan.id,
            resume: false,
            mode: None,
            approver: None,
            watch: Watch { stop: stop.clone(), ..Watch::default() },
            header: plan.header.clone(),
            earlier: &[],
            listen: None,
        };
        let mut ended = train(*fold, &own)?;
        if own.watch.is_stopped() {
            return Err(CliError::new(ExitCode::Interrupted, "the walk-forward was stopped"));
        }
        Ok(fold.judge(&mut ended.trainer)?.rivals)
    })?;
    let rows: Vec<Rival> = rows.into_iter().flatten().collect();
    let means = means(&rows, folds.len());
    Ok(rows.into_iter().chain(means).collect())
}

/// The mean over all parts of everybody who stands in each of them.
fn means(rows: &[Rival], parts: usize) -> Vec<Rival> {
    let mut by_name: BTreeMap<&str, Vec<&Rival>> = BTreeMap::new();
    let mut order: Vec<&str> = Vec::new();
    for row in rows {
        // Which momentum rule is the best differs from part to part; they are one opponent.
        let name = if row.name.starts_with("momentum") { "momentum, the best" } else { &row.name };
        if !order.contains(&name) {
            order.push(name);
        }
        by_name.entry(name).or_default().push(row);
    }
    #[expect(clippy::cast_precision_loss, reason = "a handful of folds")]
    let mean = |values: Vec<f64>| {
        let count = values.len().max(1) as f64;
        Ratio::or_zero(values.iter().sum::<f64>() / count)
    };
    let row = |name: &&str| {
        let rows = by_name.get(*name).filter(|rows| rows.len() == parts)?;
        let sharpes: Vec<f64> = rows.iter().filter_map(|row| row.sharpe).map(Ratio::get).collect();
        Some(Rival {
            name: (*name).to_owned(),
            part: format!("mean of {parts} folds"),
            total_return: mean(rows.iter().map(|row| row.total_return.get()).collect()),
            sharpe: (sharpes.len() == parts).then(|| mean(sharpes)),
            drawdown: mean(rows.iter().map(|row| row.drawdown.get()).collect()),
            trades: rows.iter().map(|row| row.trades).sum(),
        })
    };
    order.iter().filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, part: &str, total_return: f64, sharpe: Option<f64>) -> Rival {
        Rival {
            name: name.to_owned(),
            part: part.to_owned(),
            total_return: Ratio::of(total_return),
            sharpe: sharpe.map(Ratio::of),
            drawdown: Ratio::of(0.1),
            trades: 3,
        }
    }

    #[test]
    fn means_are_of_whoever_stands_in_every_part_and_of_what_is_defined_in_every_part() {
        let rows = [
            row("the policy", "1", 0.1, Some(1.0)),
            row("momentum 5", "1", 0.2, Some(1.0)),
            row("always-hold", "1", 0.0, None),
            row("the policy", "2", -0.3, Some(-2.0)),
            row("momentum 60", "2", 0.0, Some(0.0)),
            row("always-hold", "2", 0.0, None),
            row("sma", "2", 0.5, None),
        ];
        let means = means(&rows, 2);
        let shown: Vec<_> = means
            .iter()
            .map(|row| {
                (row.name.as_str(), row.total_return.get(), row.sharpe.map(Ratio::get), row.trades)
            })
            .collect();
        assert_eq!(shown[0].0, "the policy");
        assert!((shown[0].1 + 0.1).abs() < 1e-12 && (shown[0].2.unwrap() + 0.5).abs() < 1e-12);
        assert_eq!((shown[1].0, shown[2].2, shown[2].3), ("momentum, the best", None, 6));
        assert_eq!(means.len(), 3, "{shown:?}");
    }
}
