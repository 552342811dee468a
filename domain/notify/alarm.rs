//! Budgets that run out: told once at four fifths, once at the end, and again only after they have
//! recovered in between.

use std::collections::BTreeMap;

use crate::budget::Remaining;

/// From which share spent on a budget is nearly spent.
const NEARLY: f64 = 0.8;

/// How much of a budget is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Four fifths and more.
    Nearly,
    /// All of it.
    Wholly,
}

/// One thing to be told.
#[derive(Clone, Debug, PartialEq)]
pub struct Alarm {
    /// How much is spent.
    pub level: Level,
    /// The budget as it stands.
    pub row: Remaining,
}

/// What was told of each budget.
#[derive(Clone, Debug, Default)]
pub struct Alarms {
    told: BTreeMap<String, Level>,
}

impl Alarms {
    /// What is new in these rows. A budget of nothing is never an alarm: nobody has anything to spend.
    pub fn look(&mut self, rows: &[Remaining]) -> Vec<Alarm> {
        let mut news = Vec::new();
        for row in rows.iter().filter(|row| row.limit.get() > 0.0) {
            let used = (row.limit.get() - row.left.get()) / row.limit.get();
            let level = match () {
                () if row.left.get() <= 0.0 => Some(Level::Wholly),
                () if used >= NEARLY => Some(Level::Nearly),
                () => None,
            };
            let told = self.told.get(&row.budget).copied();
            match level {
                None => drop(self.told.remove(&row.budget)),
                Some(level) if told.is_none_or(|told| told < level) => {
                    self.told.insert(row.budget.clone(), level);
                    news.push(Alarm { level, row: row.clone() });
                }
                // From all to nearly all is no recovery.
                Some(_) => {}
            }
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ratio::Ratio;

    fn row(limit: f64, spent: f64) -> Remaining {
        let (limit, spent) = (Ratio::of(limit), Ratio::of(spent));
        let left = Ratio::of((limit.get() - spent.get()).max(0.0));
        let (reserved, blocks) = (Ratio::ZERO, Ratio::ZERO);
        let budget = "usd_per_day".to_owned();
        Remaining { budget, limit, reserved, spent, blocks, left, refill: None }
    }

    #[test]
    fn each_level_is_told_once_until_the_budget_has_recovered() {
        let mut alarms = Alarms::default();
        let mut levels = |spent: f64| -> Vec<Level> {
            alarms.look(&[row(10.0, spent)]).iter().map(|alarm| alarm.level).collect()
        };
        assert_eq!(levels(7.9), []);
        assert_eq!(levels(8.0), [Level::Nearly]);
        assert_eq!(levels(9.0), []);
        assert_eq!(levels(10.0), [Level::Wholly]);
        assert_eq!(levels(11.0), []);
        assert_eq!(levels(9.0), [], "a little room is no recovery");
        assert_eq!(levels(10.0), []);
        assert_eq!(levels(1.0), []);
        assert_eq!(levels(10.0), [Level::Wholly], "straight to the end");
        assert_eq!(Alarms::default().look(&[row(0.0, 0.0)]), []);
    }
}
