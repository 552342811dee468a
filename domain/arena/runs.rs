//! Several runs of a season in one table: what each contestant came to on average, and how sure that is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::board::{Board, Figure, Row};
use super::words::ContestantName;
use crate::ratio::Ratio;

/// The form of a summary as JSON.
pub const SCHEMA: &str = "arena-runs/1";
/// Runs without which there is no interval.
pub const RUNS_MIN: usize = 5;

/// Student's t for 95 %, both sides, by degrees of freedom from 4 on.
const T_95: [f64; 27] = [
    2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120,
    2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045,
    2.042,
];

/// How the intervals are made.
const METHOD: &str =
    "mean ± t·s/√n, Student's t at 95 %, one value a run, runs taken as independent";

/// A mean over runs with its interval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Runs that have a value.
    pub runs: usize,
    /// Their mean.
    pub mean: Option<Ratio>,
    /// The lower end of the 95 % interval.
    pub low: Option<Ratio>,
    /// Its upper end.
    pub high: Option<Ratio>,
    /// Why there is no interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Interval {
    /// The interval of some values, one a run.
    fn of(values: &[f64]) -> Self {
        let runs = values.len();
        let none = |mean, reason: &str| Self {
            runs,
            mean,
            low: None,
            high: None,
            reason: Some(reason.to_owned()),
        };
        if runs == 0 {
            return none(None, "no run has a value");
        }
        let count = count(runs);
        let mean = values.iter().sum::<f64>() / count;
        let Ok(middle) = Ratio::new(mean) else { return none(None, "out of range") };
        if runs < RUNS_MIN {
            return none(Some(middle), "fewer than 5 runs");
        }
        let squares = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
        let error = (squares / (count - 1.0) / count).sqrt();
        // Beyond 30 degrees of freedom the last is used: a little wide, never too narrow.
        let t = T_95.get(runs - RUNS_MIN).or(T_95.last()).copied().unwrap_or(f64::INFINITY);
        match (Ratio::new(mean - t * error), Ratio::new(mean + t * error)) {
            (Ok(low), Ok(high)) => {
                Self { runs, mean: Some(middle), low: Some(low), high: Some(high), reason: None }
            }
            _ => none(Some(middle), "out of range"),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "numbers of runs are small")]
const fn count(runs: usize) -> f64 {
    runs as f64
}

/// One contestant over all runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunsRow {
    /// Who.
    pub name: ContestantName,
    /// What it goes by.
    pub kind: String,
    /// Runs in which it had the first place, alone or not.
    pub first: usize,
    /// Runs in which it was not ranked.
    pub unranked: usize,
    /// Net over the starting cash, fraction.
    pub total_return: Interval,
    /// The same less the benchmark's.
    pub excess: Interval,
    /// Sharpe ratio by session closes, of the runs in which it is defined.
    pub sharpe: Interval,
    /// The deepest fall from a peak, −1 to 0.
    pub max_drawdown: Interval,
}

/// All runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunsBoard {
    /// `arena-runs/1`.
    pub schema: String,
    /// The season.
    pub season: String,
    /// How many there were.
    pub runs: usize,
    /// How one run differs from another, in words.
    pub varies: String,
    /// How the intervals are made.
    pub method: String,
    /// By mean return, the highest first.
    pub rows: Vec<RunsRow>,
}

/// Adds up the boards of several runs; `varies` says how one differs from another.
pub fn summary(season: &str, boards: &[Board], varies: &str) -> RunsBoard {
    let mut by_name: BTreeMap<&ContestantName, Vec<(&Row, &Board)>> = BTreeMap::new();
    for board in boards {
        for row in &board.rows {
            by_name.entry(&row.name).or_default().push((row, board));
        }
    }
    let mut rows: Vec<RunsRow> = by_name.into_iter().map(|(name, all)| row(name, &all)).collect();
    let mean = |row: &RunsRow| row.total_return.mean.map_or(f64::NEG_INFINITY, Ratio::get);
    rows.sort_by(|a, b| mean(b).total_cmp(&mean(a)).then(a.name.cmp(&b.name)));
    RunsBoard {
        schema: SCHEMA.to_owned(),
        season: season.to_owned(),
        runs: boards.len(),
        varies: varies.to_owned(),
        method: METHOD.to_owned(),
        rows,
    }
}

fn row(name: &ContestantName, all: &[(&Row, &Board)]) -> RunsRow {
    let over = |of: fn(&Row) -> &Figure| {
        let values = all.iter().filter_map(|(row, _)| of(row).value.map(Ratio::get));
        Interval::of(&values.collect::<Vec<_>>())
    };
    let excess = all.iter().filter_map(|(row, board)| {
        let held = board.benchmark.total_return.value?;
        Some(row.total_return.value?.get() - held.get())
    });
    RunsRow {
        name: name.clone(),
        kind: all.first().map(|(row, _)| row.kind.clone()).unwrap_or_default(),
        first: all.iter().filter(|(row, _)| row.rank == Some(1)).count(),
        unranked: all.iter().filter(|(row, _)| row.rank.is_none()).count(),
        total_return: over(|row| &row.total_return),
        excess: Interval::of(&excess.collect::<Vec<_>>()),
        sharpe: over(|row| &row.sharpe),
        max_drawdown: over(|row| &row.max_drawdown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_students_and_there_is_none_of_four_runs() {
        let four = Interval::of(&[0.1, 0.2, 0.3, 0.4]);
        assert_eq!((four.low, four.high), (None, None));
        assert_eq!(four.reason.as_deref(), Some("fewer than 5 runs"));
        assert!((four.mean.unwrap().get() - 0.25).abs() < 1e-12);
        // Mean 3, deviation √2.5, so ± 2.776·√(2.5/5).
        let five = Interval::of(&[1.0, 2.0, 3.0, 4.0, 5.0]);
        let half = 2.776 * 0.5_f64.sqrt();
        assert!((five.low.unwrap().get() - (3.0 - half)).abs() < 1e-12, "{five:?}");
        assert!((five.high.unwrap().get() - (3.0 + half)).abs() < 1e-12, "{five:?}");
        let many = Interval::of(&[vec![0.0; 500], vec![1.0; 500]].concat());
        let error = (0.25 * 1_000.0 / 999.0 / 1_000.0_f64).sqrt();
        assert!((many.high.unwrap().get() - 0.5 - 2.042 * error).abs() < 1e-9, "{many:?}");
    }

    #[test]
    fn no_value_and_a_value_beyond_all_range_are_said() {
        assert_eq!(Interval::of(&[]).reason.as_deref(), Some("no run has a value"));
        let same = Interval::of(&[0.5; 6]);
        assert_eq!((same.low, same.high), (Some(Ratio::of(0.5)), Some(Ratio::of(0.5))));
        assert_eq!(Interval::of(&[f64::MAX; 5]).reason.as_deref(), Some("out of range"));
    }
}
