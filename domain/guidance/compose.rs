//! What the advice of several agents comes to: one proposal without contradictions.
//!
//! Where levers conflict the more cautious wins. An end of the run or a way back stands alone, because
//! whoever goes back does not tune; data that must be looked at leave what is learned untouched.

use serde::{Deserialize, Serialize};

use crate::brief::training::{Proposed, TrainingLever};

/// The name of the group that all changes of reward weights make: they sum to zero together only.
const REWARD_WEIGHTS: &str = "reward_weights";

/// Why a lever is not in the proposal although an agent asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeftOut {
    /// Another agent asked for the same lever, more cautiously or earlier.
    Milder,
    /// The proposal goes back or ends the run, which stands alone.
    Critical,
    /// A person shall look at the data first.
    Paused,
}

/// What all advice comes to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Composed {
    /// What is put to the vote, in the order in which it would be done; empty when nobody asks for
    /// anything.
    pub proposal: Vec<Proposed>,
    /// What is not, and why.
    pub left_out: Vec<(Proposed, LeftOut)>,
}

impl Composed {
    /// Whether carrying it out takes unanimity and a critical permit.
    pub fn is_critical(&self) -> bool {
        self.proposal.iter().any(|proposed| proposed.lever.is_critical())
    }
}

/// Composes what was asked for, in roster order, into one proposal.
pub fn compose(asked: Vec<Proposed>) -> Composed {
    let mut composed = Composed::default();
    for wish in asked {
        take(&mut composed, wish);
    }
    if asks(&composed, |lever| *lever == TrainingLever::HaltTraining) {
        // Both end what is being learned; the one that needs no further step is the more careful.
        leave(&mut composed, LeftOut::Critical, |lever| *lever == TrainingLever::Rollback);
    }
    if asks(&composed, TrainingLever::is_critical) {
        leave(&mut composed, LeftOut::Critical, |lever| {
            !lever.is_critical() && *lever != TrainingLever::Checkpoint
        });
    }
    if asks(&composed, is_pause) {
        leave(&mut composed, LeftOut::Paused, |lever| {
            lever.is_change() && !matches!(lever, TrainingLever::DropColumn { .. })
        });
    }
    composed.proposal.sort_by_key(|proposed| place(&proposed.lever));
    composed
}

fn asks(composed: &Composed, for_such: impl Fn(&TrainingLever) -> bool) -> bool {
    composed.proposal.iter().any(|proposed| for_such(&proposed.lever))
}

const fn is_pause(lever: &TrainingLever) -> bool {
    matches!(lever, TrainingLever::PauseForData { .. })
}

/// Takes a wish in, unless somebody else's of the same lever is to be preferred.
fn take(composed: &mut Composed, wish: Proposed) {
    let is_weight = |lever: &TrainingLever| matches!(lever, TrainingLever::RewardWeight { .. });
    let rival = composed.proposal.iter().position(|other| {
        // Weights are balanced by whoever moves them: two sets cannot be mixed part by part.
        let same_set = is_weight(&wish.lever) && is_weight(&other.lever) && other.by != wish.by;
        same_set || other.lever.name() == wish.lever.name()
    });
    match rival {
        None => composed.proposal.push(wish),
        Some(at) if is_milder(&wish.lever, &composed.proposal[at].lever) => {
            let former = std::mem::replace(&mut composed.proposal[at], wish);
            composed.left_out.push((former, LeftOut::Milder));
        }
        Some(_) => composed.left_out.push((wish, LeftOut::Milder)),
    }
}

/// Whether a factor moves its lever less than another one does. Of anything else the first stands.
fn is_milder(wish: &TrainingLever, other: &TrainingLever) -> bool {
    use TrainingLever::{BatchSize, Entropy, LearningRate};
    let distance = |lever: &TrainingLever| match lever {
        LearningRate { value } | Entropy { value } | BatchSize { value } if value.get() > 0.0 => {
            Some(value.get().ln().abs())
        }
        _ => None,
    };
    match (distance(wish), distance(other)) {
        (Some(wish), Some(other)) => wish < other,
        (Some(_), None) => matches!(other, LearningRate { .. } | Entropy { .. } | BatchSize { .. }),
        _ => false,
    }
}

fn leave(composed: &mut Composed, why: LeftOut, which: impl Fn(&TrainingLever) -> bool) {
    let (out, kept): (Vec<_>, Vec<_>) =
        std::mem::take(&mut composed.proposal).into_iter().partition(|it| which(&it.lever));
    composed.proposal = kept;
    composed.left_out.extend(out.into_iter().map(|proposed| (proposed, why)));
}

/// What is done first: the present state is kept before anything changes it, and whatever ends the
/// run or sends it back comes last.
const fn place(lever: &TrainingLever) -> u8 {
    match lever {
        TrainingLever::Checkpoint => 0,
        TrainingLever::PauseForData { .. } => 2,
        TrainingLever::Rollback | TrainingLever::HaltTraining => 3,
        _ => 1,
    }
}

/// Levers that are permitted and carried out together or not at all.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// What is moved: the parameter that rests afterwards.
    pub name: String,
    /// The levers.
    pub levers: Vec<Proposed>,
}

impl Group {
    /// Whether it takes unanimity and a critical permit.
    pub fn is_critical(&self) -> bool {
        self.levers.iter().any(|proposed| proposed.lever.is_critical())
    }

    /// Whether it only protects what there is: then no budget refuses it.
    pub fn protects(&self) -> bool {
        !self.levers.iter().any(|proposed| proposed.lever.is_change())
    }
}

/// A proposal in the parts that are permitted each for itself, in the order in which they are done.
pub fn groups(proposal: &[Proposed]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for proposed in proposal {
        let name = match &proposed.lever {
            TrainingLever::RewardWeight { .. } => REWARD_WEIGHTS.to_owned(),
            lever => lever.name(),
        };
        match groups.iter_mut().find(|group| group.name == name) {
            Some(group) => group.levers.push(proposed.clone()),
            None => groups.push(Group { name, levers: vec![proposed.clone()] }),
        }
    }
    groups
}
