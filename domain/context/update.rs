//! What can change in the context, one event each.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{BookKind, Health, PartKey, Prediction};
use crate::book::Book;
use crate::brief::trading::{Session, TrackRecord, TradingState};
use crate::fixed::{Money, Price};
use crate::market::symbol::Symbol;
use crate::mode::Mode;
use crate::order::{DecisionId, Fill, Purpose};
use crate::ratio::Ratio;
use crate::role::Team;
use crate::signal::Regime;
use crate::time::Time;

/// One change of the context. A record of the audit that brings one about carries it in its body
/// under the key `updates`, so that the context can be repaired from there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Update {
    /// A book begins; nothing happens where there is one already.
    BookOpened {
        /// Which book.
        book: BookKind,
        /// What it begins with.
        cash: Money,
    },
    /// Reconciliation: the broker's account takes the place of ours.
    BookReplaced {
        /// Which book.
        book: BookKind,
        /// What it is now.
        now: Box<Book>,
    },
    /// A price was seen; every book values its position at it.
    Marked {
        /// The symbol.
        symbol: Symbol,
        /// The price.
        price: Price,
    },
    /// A bar closed; every book values its position, which is one bar older.
    BarClosed {
        /// The symbol.
        symbol: Symbol,
        /// The close.
        close: Price,
    },
    /// Every symbol of this moment was marked: peaks and drawdowns follow.
    Settled,
    /// An order was filled.
    Filled {
        /// Which book.
        book: BookKind,
        /// The fill.
        fill: Fill,
        /// What the order was for.
        purpose: Purpose,
        /// The decision that it belongs to.
        decision: Option<DecisionId>,
    },
    /// The window in which win rate and loss streak are counted begins anew.
    WindowReset {
        /// Which book.
        book: BookKind,
    },
    /// A trading day begins: the day's profit is measured from here.
    DayOpened,
    /// The session changed.
    SessionSeen {
        /// The session.
        session: Session,
        /// When.
        at: Time,
    },
    /// The regime filter's figures.
    RegimeSeen {
        /// The probabilities.
        regime: Regime,
    },
    /// The volatility figures.
    VolatilitySeen {
        /// Annualised, fraction.
        volatility: Option<Ratio>,
        /// The VIX-like level, percent.
        vix: Option<Ratio>,
    },
    /// A job's mode was changed.
    ModeSet {
        /// The job.
        job: Team,
        /// Its mode now.
        mode: Mode,
    },
    /// The trading state was changed.
    StateSet {
        /// The state now.
        state: TradingState,
        /// Why.
        reason: String,
        /// When.
        at: Time,
    },
    /// How an agent fares.
    AgentSeen {
        /// The agent's name.
        agent: String,
        /// Whether it can be asked.
        health: Health,
        /// How often it was started again, in all.
        restarts: u64,
        /// Why the last time.
        failure: Option<String>,
    },
    /// An agent's record was brought up to date.
    AgentJudged {
        /// The agent's name.
        agent: String,
        /// Its record.
        record: TrackRecord,
    },
    /// A position was opened on a prediction.
    Predicted {
        /// The prediction.
        prediction: Prediction,
    },
    /// The outcome of a prediction is known; it is no longer open.
    PredictionClosed {
        /// The decision.
        decision: DecisionId,
    },
    /// A document of somebody's own: budgets, approvals, order intents, a guardian's hard state.
    Document {
        /// Whose: a short word.
        name: Arc<str>,
        /// JSON text; `None` removes it.
        json: Option<Arc<str>>,
        /// When it must be on the disk.
        lasting: Lasting,
    },
}

/// When a document must be on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lasting {
    /// Before the update is acknowledged.
    AtOnce,
    /// With the next flush: an audit record that was synced carries it too.
    WithNextFlush,
}

impl Update {
    /// Whether it must be on the disk before it is acknowledged.
    pub const fn must_last(&self) -> bool {
        matches!(
            self,
            Self::ModeSet { .. }
                | Self::StateSet { .. }
                | Self::Document { lasting: Lasting::AtOnce, .. }
        )
    }

    /// The part that it changes; `None` for marks, which change both books and are not replayed.
    pub fn key(&self) -> Option<PartKey> {
        Some(match self {
            Self::BookOpened { book, .. }
            | Self::BookReplaced { book, .. }
            | Self::Filled { book, .. }
            | Self::WindowReset { book } => PartKey::Book(*book),
            Self::Marked { .. } | Self::BarClosed { .. } | Self::Settled | Self::DayOpened => {
                return None;
            }
            Self::SessionSeen { .. } | Self::RegimeSeen { .. } | Self::VolatilitySeen { .. } => {
                PartKey::Market
            }
            Self::ModeSet { .. } | Self::StateSet { .. } => PartKey::Control,
            Self::AgentSeen { .. } | Self::AgentJudged { .. } => PartKey::Agents,
            Self::Predicted { .. } | Self::PredictionClosed { .. } => PartKey::Predictions,
            Self::Document { name, .. } => PartKey::Document(Arc::clone(name)),
        })
    }
}
