//! Who decides in a validation: a network, a script, or a rule of the kind that it must beat.

use conclave_domain::policy::action::{Action, ActionSet, Bucket};
use conclave_domain::policy::network::argmax;
use conclave_domain::policy::observation::COLUMNS;

use crate::actor_critic::{ActorCritic, Room};
use crate::count::length;
use crate::env::trade::{Key, View};
use crate::rng::{Draws, Sequence, Stream};

/// The largest call, which scripts and rules make, so that all trade the same size.
const BUY: Action = Action::Buy(Bucket::ThreeQuarters);
const SELL: Action = Action::Sell(Bucket::ThreeQuarters);

/// Somebody who is asked at every bar of all windows.
pub trait Decide {
    /// One action for each key.
    fn decide(&mut self, view: &View, keys: &[Key], out: &mut [Action]);

    /// The share of equity that entries are of, whole percents; `None`: as the action says.
    fn percent(&self) -> Option<u8> {
        None
    }
}

/// A network's likeliest actions, batch by batch.
#[derive(Debug)]
pub struct Greedy<'a> {
    net: &'a ActorCritic,
    actions: ActionSet,
    room: Room,
    rows: Vec<f32>,
}

/// Windows in one forward pass.
const BATCH: usize = 256;

impl<'a> Greedy<'a> {
    /// A network whose outputs are the actions of a set.
    pub fn new(net: &'a ActorCritic, actions: ActionSet) -> Self {
        Self { net, actions, room: net.room(BATCH), rows: vec![0.0; BATCH * COLUMNS] }
    }
}

impl Decide for Greedy<'_> {
    fn decide(&mut self, view: &View, keys: &[Key], out: &mut [Action]) {
        let all = self.actions.actions();
        for (keys, out) in keys.chunks(BATCH).zip(out.chunks_mut(BATCH)) {
            let rows = &mut self.rows[..keys.len() * COLUMNS];
            view.observe(keys, rows);
            let logits = self.net.logits(rows, keys.len(), &mut self.room);
            for (out, logits) in out.iter_mut().zip(logits.chunks_exact(all.len())) {
                *out = all.get(argmax(logits)).copied().unwrap_or(Action::Hold);
            }
        }
    }
}

/// Somebody who does not look.
#[derive(Clone, Debug)]
pub enum Scripted {
    /// Does nothing.
    Hold,
    /// Calls long at every bar, of three quarters of equity.
    Buy,
    /// Buys with all there is at the first bar.
    BuyAndHold,
    /// Any of eight actions, each as likely.
    Random(Sequence),
}

impl Scripted {
    /// Random actions of a seed.
    pub fn random(seed: u64) -> Self {
        Self::Random(Draws::new(seed).sequence(Stream::Validation, 0))
    }
}

impl Decide for Scripted {
    fn decide(&mut self, _: &View, keys: &[Key], out: &mut [Action]) {
        let all = ActionSet::Eight.actions();
        for (_, out) in keys.iter().zip(out) {
            *out = match self {
                Self::Hold => Action::Hold,
                Self::Buy | Self::BuyAndHold => BUY,
                Self::Random(sequence) => all[sequence.below(8) as usize],
            };
        }
    }

    fn percent(&self) -> Option<u8> {
        matches!(self, Self::BuyAndHold).then_some(100)
    }
}

/// A rule of closes. Where a span has not as many closes yet, it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Long when the price is above that of so many bars ago, short when below.
    Momentum(usize),
    /// Long when the mean of `fast` closes is above that of `slow`, short when below.
    SmaCross {
        /// Bars of the fast mean.
        fast: usize,
        /// Bars of the slow mean.
        slow: usize,
    },
}

impl Rule {
    /// What the rule measures at a row: above zero is up. `None` where the rows do not reach back.
    fn measure(self, view: &View, row: usize) -> Option<f64> {
        let span = view.data.spans().iter().find(|span| span.rows.contains(&row))?;
        let closes = &view.data.closes[span.rows.start..=row];
        let mean = |bars: usize| {
            let last = &closes[closes.len().checked_sub(bars)?..];
            Some(last.iter().map(|close| close.to_f64()).sum::<f64>() / length(bars))
        };
        match self {
            Self::Momentum(bars) => {
                let former = closes.len().checked_sub(bars + 1)?;
                Some(closes.last()?.to_f64() - closes[former].to_f64())
            }
            Self::SmaCross { fast, slow } => Some(mean(fast)? - mean(slow)?),
        }
    }
}

impl Decide for Rule {
    fn decide(&mut self, view: &View, keys: &[Key], out: &mut [Action]) {
        for (key, out) in keys.iter().zip(out) {
            *out = match self.measure(view, key.row as usize) {
                Some(up) if up > 0.0 => BUY,
                Some(down) if down < 0.0 => SELL,
                _ => Action::Hold,
            };
        }
    }
}
