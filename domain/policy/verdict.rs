//! Whether a policy is good enough: the thresholds on a validation, and how a population fares by
//! them. Pure.

use serde::{Deserialize, Serialize};

use crate::brief::training::Validation;

/// Thresholds of one verdict.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// Least fitness.
    pub fitness: f64,
    /// Least profit factor; one that is undefined passes nothing.
    pub profit_factor: f64,
    /// Least share of windows in profit.
    pub consistency: f64,
    /// Largest fall from a peak, fraction.
    pub drawdown: f64,
}

/// What an approved policy shows.
pub const APPROVED: Thresholds =
    Thresholds { fitness: 0.35, profit_factor: 1.4, consistency: 0.70, drawdown: 0.10 };
/// What a policy that is worth a look shows.
pub const REVIEW: Thresholds =
    Thresholds { fitness: 0.10, profit_factor: 1.1, consistency: 0.50, drawdown: 0.20 };

/// The verdict on a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// Not worth going on with.
    Drop,
    /// A person should look.
    Review,
    /// Good enough.
    Approved,
}

impl Grade {
    /// The word in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Drop => "DROP",
            Self::Review => "REVIEW",
            Self::Approved => "APPROVED",
        }
    }
}

/// The metric that a grade is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Graded {
    /// The run's own measure of success.
    Fitness,
    /// Gross gains over gross losses.
    ProfitFactor,
    /// Share of windows in profit.
    Consistency,
    /// Largest fall from a peak.
    Drawdown,
}

impl Graded {
    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fitness => "fitness",
            Self::ProfitFactor => "profit_factor",
            Self::Consistency => "consistency",
            Self::Drawdown => "drawdown",
        }
    }
}

/// The grade by each metric.
fn grades(last: &Validation) -> [(Grade, Graded); 4] {
    let tier = |passes: &dyn Fn(&Thresholds) -> bool| {
        if passes(&APPROVED) {
            Grade::Approved
        } else if passes(&REVIEW) {
            Grade::Review
        } else {
            Grade::Drop
        }
    };
    let factor = last.profit_factor;
    [
        (tier(&|bar| last.fitness.get() >= bar.fitness), Graded::Fitness),
        (
            tier(&|bar| factor.is_some_and(|factor| factor.get() >= bar.profit_factor)),
            Graded::ProfitFactor,
        ),
        (tier(&|bar| last.consistency.get() >= bar.consistency), Graded::Consistency),
        (tier(&|bar| last.drawdown.get() <= bar.drawdown), Graded::Drawdown),
    ]
}

/// The grade of a validation, and the first of the metrics that are worst.
pub fn judge(last: &Validation) -> (Grade, Graded) {
    let [first, rest @ ..] = grades(last);
    rest.into_iter().fold(first, |worst, row| if row.0 < worst.0 { row } else { worst })
}

/// How all validations of a run, or all runs of a study, fared: a threshold that nobody or everybody
/// passes decides nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Population {
    /// Counts of DROP, REVIEW and APPROVED: over all, then by fitness, profit factor, consistency and
    /// drawdown alone.
    pub counts: [[u32; 3]; 5],
}

impl Population {
    /// Counts a validation.
    pub fn take(&mut self, validation: &Validation) {
        let all = [judge(validation)].into_iter().chain(grades(validation));
        for (counts, (grade, _)) in self.counts.iter_mut().zip(all) {
            counts[grade as usize] += 1;
        }
    }

    /// Validations counted.
    pub fn total(&self) -> u32 {
        self.counts[0].iter().sum()
    }

    /// How many of each grade over all thresholds: DROP, REVIEW, APPROVED.
    pub fn in_words(&self) -> String {
        let [dropped, review, approved] = self.counts[0];
        let total = self.total();
        format!("of {total} validations {approved} APPROVED, {review} REVIEW, {dropped} DROP")
    }

    /// One line for each threshold that told nobody apart among ten validations or more.
    pub fn warnings(&self) -> Vec<String> {
        let names = ["all thresholds", "fitness", "profit_factor", "consistency", "drawdown"];
        let total = self.total();
        let rows = names.into_iter().zip(self.counts).filter(|_| total >= 10);
        let one = rows.filter_map(|(name, [dropped, _, approved])| {
            let whole = if dropped == total {
                "0 %"
            } else if approved == total {
                "100 %"
            } else {
                return None;
            };
            Some(format!("{name}: {whole} of {total} validations pass"))
        });
        one.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::brief::training::TrainingBrief;
    use crate::ratio::Ratio;

    fn of(fitness: f64, factor: Option<f64>, consistency: f64, drawdown: f64) -> Validation {
        let text = include_str!("../../tests/briefs/training.json");
        let mut last = serde_json::from_str::<TrainingBrief>(text).unwrap().validations.remove(0);
        last.fitness = Ratio::of(fitness);
        last.profit_factor = factor.map(Ratio::of);
        last.consistency = Ratio::of(consistency);
        last.drawdown = Ratio::of(drawdown);
        last
    }

    #[test]
    fn the_worst_metric_decides_and_the_first_of_equals() {
        let rows = [
            (of(0.35, Some(1.4), 0.70, 0.10), Grade::Approved, Graded::Fitness),
            (of(0.34, Some(1.4), 0.70, 0.10), Grade::Review, Graded::Fitness),
            (of(0.35, Some(1.4), 0.49, 0.10), Grade::Drop, Graded::Consistency),
            (of(0.34, Some(1.3), 0.60, 0.21), Grade::Drop, Graded::Drawdown),
            (of(0.35, None, 0.70, 0.10), Grade::Drop, Graded::ProfitFactor),
        ];
        for (validation, grade, metric) in rows {
            assert_eq!(judge(&validation), (grade, metric));
        }
    }

    #[test]
    fn a_threshold_that_tells_nobody_apart_is_named() {
        let mut population = Population::default();
        for _ in 0..5 {
            population.take(&of(0.4, Some(2.0), 0.4, 0.05));
            population.take(&of(0.0, Some(1.2), 0.4, 0.05));
        }
        assert_eq!(population.in_words(), "of 10 validations 0 APPROVED, 0 REVIEW, 10 DROP");
        assert_eq!(population.counts[1], [5, 0, 5], "fitness alone");
        let warnings = population.warnings();
        assert_eq!(warnings[0], "all thresholds: 0 % of 10 validations pass");
        assert_eq!(warnings[1], "consistency: 0 % of 10 validations pass");
        assert_eq!(warnings[2], "drawdown: 100 % of 10 validations pass");
        assert_eq!(warnings.len(), 3);
    }
}
