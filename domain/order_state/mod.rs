//! The life of an order as a table: which news moves which status where. Pure.
//!
//! # Invariants
//!
//! - O-2: one intent, at most one live order: [`Orders`] knows an order by its id and gives the first
//!   answer to the second intent.
//!
//! *Denied* is by us, *rejected* by the broker. News may come twice, late or out of order: what is
//! known already changes nothing, what contradicts is a typed error, and a fill that comes after a
//! cancel is still a fill, because it happened.

mod order;
mod registry;
mod validate;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::code::Code;
use crate::fixed::{FixedError, Qty};
use crate::order::{ClientOrderId, Fill};
use crate::time::Time;

pub use order::{Order, Transition};
pub use registry::{Added, Orders};
pub use validate::{Denial, Terms, validate};

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Made, not sent.
    Initialized,
    /// Refused by us: it never left.
    Denied,
    /// Sent, not answered.
    Submitted,
    /// Taken by the broker.
    Accepted,
    /// Filled in part.
    PartiallyFilled,
    /// We asked for its cancellation.
    PendingCancel,
    /// We asked for its replacement.
    PendingReplace,
    /// Filled whole.
    Filled,
    /// Canceled, or replaced by another; a part may be filled.
    Canceled,
    /// Its time ran out; a part may be filled.
    Expired,
    /// Refused by the broker.
    Rejected,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 11] = [
        Self::Initialized,
        Self::Denied,
        Self::Submitted,
        Self::Accepted,
        Self::PartiallyFilled,
        Self::PendingCancel,
        Self::PendingReplace,
        Self::Filled,
        Self::Canceled,
        Self::Expired,
        Self::Rejected,
    ];

    /// The word in records and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Initialized => "initialized",
            Self::Denied => "denied",
            Self::Submitted => "submitted",
            Self::Accepted => "accepted",
            Self::PartiallyFilled => "partially_filled",
            Self::PendingCancel => "pending_cancel",
            Self::PendingReplace => "pending_replace",
            Self::Filled => "filled",
            Self::Canceled => "canceled",
            Self::Expired => "expired",
            Self::Rejected => "rejected",
        }
    }

    /// Whether nothing more is expected of the order.
    pub const fn is_final(self) -> bool {
        matches!(
            self,
            Self::Denied | Self::Filled | Self::Canceled | Self::Expired | Self::Rejected
        )
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What was heard of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderEvent {
    /// The order.
    pub order: ClientOrderId,
    /// Market time of the news.
    pub at: Time,
    /// The news.
    #[serde(flatten)]
    pub news: News,
}

/// One piece of news of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "news")]
pub enum News {
    /// We refused it.
    Denied {
        /// The stable code.
        code: Code,
        /// One sentence for people.
        text: String,
    },
    /// We sent it, or handed it to whoever sends it.
    Submitted,
    /// The broker took it.
    Accepted {
        /// The broker's own id of it.
        venue_order_id: Option<String>,
    },
    /// A part of it, or the rest, was executed.
    Fill {
        /// The execution.
        fill: Fill,
    },
    /// We asked for its cancellation.
    CancelRequested,
    /// The broker did not cancel it.
    CancelRejected,
    /// It was canceled.
    Canceled,
    /// We asked for its replacement.
    ReplaceRequested,
    /// The broker did not replace it.
    ReplaceRejected,
    /// Another order, with an id of its own, stands in its place.
    Replaced,
    /// Its time ran out.
    Expired,
    /// The broker refused it.
    Rejected {
        /// The stable code.
        code: Code,
        /// The broker's words.
        text: String,
    },
}

/// Why news was not taken. The order is unchanged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// The news cannot be true of an order with this status: reconcile with the broker.
    #[error("order {order} is {status} and cannot be {news}")]
    Contradiction {
        /// The order.
        order: ClientOrderId,
        /// Where it stands.
        status: Status,
        /// What was said.
        news: &'static str,
    },
    /// More was filled than was ordered: reconcile with the broker.
    #[error("order {order} was for {ordered} and would be filled with {filled}")]
    Overfilled {
        /// The order.
        order: ClientOrderId,
        /// How much was ordered.
        ordered: Qty,
        /// How much would be filled.
        filled: Qty,
    },
    /// A fill of another order, symbol or side.
    #[error("the fill does not belong to order {order}")]
    Foreign {
        /// The order.
        order: ClientOrderId,
    },
    /// No order has this id, or it has left memory.
    #[error("order {order} is not known")]
    Unknown {
        /// The id.
        order: ClientOrderId,
    },
    /// The intent is no younger than orders that have left memory, and may be one of them.
    #[error("order {order} is too old to be told from what was forgotten")]
    Forgotten {
        /// The id.
        order: ClientOrderId,
    },
    /// Another order has this id.
    #[error("order {order} was made before with other contents")]
    Conflict {
        /// The id.
        order: ClientOrderId,
    },
    /// A figure left the range of fixed point.
    #[error("the order cannot hold the figure")]
    Range(#[from] FixedError),
}

/// News without its contents: what the table is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Denied,
    Submitted,
    Accepted,
    PartFill,
    LastFill,
    CancelRequested,
    CancelRejected,
    Canceled,
    ReplaceRequested,
    ReplaceRejected,
    Replaced,
    Expired,
    Rejected,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::Submitted => "submitted",
            Self::Accepted => "accepted",
            Self::PartFill => "partially filled",
            Self::LastFill => "filled",
            Self::CancelRequested => "asked to cancel",
            Self::CancelRejected => "refused its cancellation",
            Self::Canceled => "canceled",
            Self::ReplaceRequested => "asked to be replaced",
            Self::ReplaceRejected => "refused its replacement",
            Self::Replaced => "replaced",
            Self::Expired => "expired",
            Self::Rejected => "rejected",
        }
    }
}

/// What the table says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Move there.
    To(Status),
    /// Back to accepted or partially filled, whichever the fills say.
    Resume,
    /// Known or late: nothing changes (a fill is still counted).
    Stay,
    /// It cannot be.
    Refuse,
}

/// The table.
#[expect(clippy::match_same_arms, reason = "the arms are read in the order of a life")]
const fn next(status: Status, kind: Kind) -> Step {
    use Status as S;
    match (status, kind) {
        // What is final stays, whatever is repeated or late; a fill after a cancel did happen.
        (S::Denied, Kind::Denied) | (S::Rejected, Kind::Rejected) => Step::Stay,
        (S::Denied, _) => Step::Refuse,
        (S::Rejected, Kind::Submitted | Kind::CancelRejected | Kind::ReplaceRejected) => Step::Stay,
        (S::Rejected, _) => Step::Refuse,
        (
            S::Filled | S::Canceled | S::Expired,
            Kind::Submitted | Kind::Accepted | Kind::CancelRejected | Kind::ReplaceRejected,
        )
        | (S::Canceled, Kind::Canceled | Kind::Replaced | Kind::PartFill)
        | (S::Expired, Kind::Expired | Kind::PartFill) => Step::Stay,
        (S::Canceled | S::Expired, Kind::LastFill) => Step::To(S::Filled),
        (S::Filled | S::Canceled | S::Expired, _) => Step::Refuse,

        // Before the broker has it.
        (S::Initialized, Kind::Denied) => Step::To(S::Denied),
        (S::Initialized, Kind::Submitted) => Step::To(S::Submitted),
        (S::Initialized, Kind::CancelRequested) => Step::To(S::Canceled),
        // On its way to a broker outside, and kept from leaving at the last moment.
        (S::Submitted | S::PendingCancel, Kind::Denied) => Step::To(S::Denied),
        (S::Initialized, _) | (_, Kind::Denied) => Step::Refuse,

        // Live. News may overtake one another: a fill may come before the acceptance.
        (_, Kind::Submitted) => Step::Stay,
        (S::Submitted, Kind::Accepted) => Step::To(S::Accepted),
        (_, Kind::Accepted) => Step::Stay,
        (_, Kind::LastFill) => Step::To(S::Filled),
        (S::PendingCancel | S::PendingReplace, Kind::PartFill) => Step::Stay,
        (_, Kind::PartFill) => Step::To(S::PartiallyFilled),
        (S::PendingCancel, Kind::CancelRequested) => Step::Stay,
        (_, Kind::CancelRequested) => Step::To(S::PendingCancel),
        (S::PendingCancel, Kind::CancelRejected) | (S::PendingReplace, Kind::ReplaceRejected) => {
            Step::Resume
        }
        (_, Kind::CancelRejected | Kind::ReplaceRejected) => Step::Stay,
        (S::PendingCancel | S::PendingReplace, Kind::ReplaceRequested) => Step::Stay,
        (_, Kind::ReplaceRequested) => Step::To(S::PendingReplace),
        (_, Kind::Canceled | Kind::Replaced) => Step::To(S::Canceled),
        (_, Kind::Expired) => Step::To(S::Expired),
        (S::PartiallyFilled, Kind::Rejected) => Step::Refuse,
        (_, Kind::Rejected) => Step::To(S::Rejected),
    }
}

#[cfg(test)]
mod tests;
