//! From an index of the network's last layer to what is done: the one decoder. Pure.
//!
//! BUY is a call long of a share of equity, SELL a call short; where shorts are not allowed, SELL only
//! closes. A call in the direction that is held keeps what is held, one in the other direction turns
//! it around, CLOSE closes whatever is held, HOLD leaves all as it is.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::brief::training::HOLD;
use crate::ratio::Ratio;
use crate::signal::Direction;

/// The share of equity that a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bucket {
    /// 25 %.
    Quarter,
    /// 50 %.
    Half,
    /// 75 %.
    ThreeQuarters,
}

impl Bucket {
    /// Whole percents of equity.
    pub const fn percent(self) -> u8 {
        match self {
            Self::Quarter => 25,
            Self::Half => 50,
            Self::ThreeQuarters => 75,
        }
    }

    /// Fraction of equity.
    pub fn share(self) -> Ratio {
        Ratio::or_zero(f64::from(self.percent()) / 100.0)
    }
}

/// What a policy says at a bar's close.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Nothing changes.
    Hold,
    /// A call long.
    Buy(Bucket),
    /// A call short.
    Sell(Bucket),
    /// Whatever is held is closed.
    Close,
}

impl Action {
    /// The word in reports and in `action_shares`: `HOLD`, `BUY_25`, `CLOSE`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hold => HOLD,
            Self::Buy(Bucket::Quarter) => "BUY_25",
            Self::Buy(Bucket::Half) => "BUY_50",
            Self::Buy(Bucket::ThreeQuarters) => "BUY_75",
            Self::Sell(Bucket::Quarter) => "SELL_25",
            Self::Sell(Bucket::Half) => "SELL_50",
            Self::Sell(Bucket::ThreeQuarters) => "SELL_75",
            Self::Close => "CLOSE",
        }
    }

    /// The direction it calls, if it calls one.
    pub const fn direction(self) -> Option<Direction> {
        match self {
            Self::Buy(_) => Some(Direction::Long),
            Self::Sell(_) => Some(Direction::Short),
            Self::Hold | Self::Close => None,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Which actions a policy chooses among; it stands in the checkpoint, so that an index is never read
/// by another table than the one it was trained with.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum ActionSet {
    /// HOLD, BUY and SELL of the largest share.
    Three,
    /// HOLD, BUY and SELL of three shares each; an opposite call is the only way out.
    Seven,
    /// The same and CLOSE.
    #[default]
    Eight,
}

/// Every action in the order of the network's outputs; [`ActionSet::Seven`] ends before CLOSE.
const ALL: [Action; 8] = [
    Action::Hold,
    Action::Buy(Bucket::Quarter),
    Action::Buy(Bucket::Half),
    Action::Buy(Bucket::ThreeQuarters),
    Action::Sell(Bucket::Quarter),
    Action::Sell(Bucket::Half),
    Action::Sell(Bucket::ThreeQuarters),
    Action::Close,
];

const THREE: [Action; 3] =
    [Action::Hold, Action::Buy(Bucket::ThreeQuarters), Action::Sell(Bucket::ThreeQuarters)];

impl ActionSet {
    /// Every set, smallest first.
    pub const SETS: [Self; 3] = [Self::Three, Self::Seven, Self::Eight];

    /// The actions in the order of the network's outputs.
    pub const fn actions(self) -> &'static [Action] {
        match self {
            Self::Three => &THREE,
            Self::Seven => ALL.split_at(7).0,
            Self::Eight => &ALL,
        }
    }

    /// How many actions there are.
    pub const fn count(self) -> usize {
        self.actions().len()
    }

    /// The set of so many actions; `None` where there is none.
    pub fn of_count(count: usize) -> Option<Self> {
        Self::SETS.into_iter().find(|set| set.count() == count)
    }
}

/// The action at an index of the network's outputs; `None` beyond the set.
pub fn decode(set: ActionSet, index: usize) -> Option<Action> {
    set.actions().get(index).copied()
}

/// What an action means for what is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// Nothing is done.
    Keep,
    /// All that is held is closed.
    Close,
    /// What stands against it is closed, then a position is opened.
    Enter {
        /// Long or short.
        direction: Direction,
        /// Whole percents of equity, above 0.
        percent: u8,
    },
}

/// What an action means where `held` is the direction of the open position, if there is one.
///
/// The share of equity is taken when the order is made, at the price it fills at. A position is never
/// added to: a call of another size in the held direction keeps what is held.
pub fn intent(action: Action, held: Option<Direction>, may_short: bool) -> Intent {
    let enter = |direction, bucket: Bucket| Intent::Enter { direction, percent: bucket.percent() };
    match (action, held) {
        (Action::Buy(bucket), None | Some(Direction::Short)) => enter(Direction::Long, bucket),
        (Action::Sell(bucket), None | Some(Direction::Long)) if may_short => {
            enter(Direction::Short, bucket)
        }
        (Action::Close, Some(_)) | (Action::Sell(_), Some(Direction::Long)) => Intent::Close,
        (Action::Hold | Action::Close | Action::Buy(_) | Action::Sell(_), _) => Intent::Keep,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HELD: [Option<Direction>; 3] = [None, Some(Direction::Long), Some(Direction::Short)];

    #[test]
    fn a_smaller_set_means_the_same_by_the_same_words() {
        assert_eq!(ActionSet::SETS.map(ActionSet::count), [3, 7, 8]);
        for set in ActionSet::SETS {
            assert_eq!(ActionSet::of_count(set.count()), Some(set));
            assert_eq!(set.actions()[0], Action::Hold, "an untrained bias does nothing");
            assert!(set.actions().iter().all(|action| ALL.contains(action)));
        }
        assert_eq!(ActionSet::of_count(5), None);
        assert_eq!(ALL[..7], *ActionSet::Seven.actions());
        let names: std::collections::BTreeSet<_> = ALL.iter().map(|action| action.name()).collect();
        assert_eq!(names.len(), 8);
    }

    #[test]
    fn close_closes_whatever_is_held_and_nothing_else() {
        assert_eq!(intent(Action::Close, None, true), Intent::Keep);
        for held in [Direction::Long, Direction::Short] {
            for may_short in [false, true] {
                assert_eq!(intent(Action::Close, Some(held), may_short), Intent::Close);
            }
        }
    }

    proptest! {
        #[test]
        fn every_index_of_every_set_has_one_meaning(
            set in 0_usize..3,
            index in 0_usize..12,
            held in 0_usize..3,
            may_short: bool,
        ) {
            let (set, held) = (ActionSet::SETS[set], HELD[held]);
            let decoded = decode(set, index);
            prop_assert_eq!(decoded.is_some(), index < set.count());
            let Some(action) = decoded else { return Ok(()) };
            match intent(action, held, may_short) {
                Intent::Keep => {
                    let calls = action.direction();
                    let barred = calls == Some(Direction::Short) && !may_short;
                    prop_assert!(calls.is_none() || calls == held || (barred && held.is_none()));
                    prop_assert!(action != Action::Close || held.is_none());
                }
                Intent::Close => prop_assert!(held.is_some() && action != Action::Hold),
                Intent::Enter { direction, percent } => {
                    prop_assert_eq!(Some(direction), action.direction());
                    prop_assert_ne!(Some(direction), held, "nothing is added to");
                    prop_assert!(may_short || direction == Direction::Long);
                    prop_assert!([25, 50, 75].contains(&percent));
                }
            }
        }
    }
}
