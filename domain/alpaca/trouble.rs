//! What can go wrong with a request to Alpaca, and what is done about it: a table.
//!
//! # Invariants
//!
//! - O-2: one intent, at most one live order: an order of which nobody knows whether it arrived is
//!   looked for by its own id, and never simply sent again.
//!
//! Decided by what was asked, the HTTP status and the code in the body; the text of a message is for
//! people, and nothing looks at it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The longest message of the broker that is kept, characters.
const MESSAGE_MAX: usize = 300;

/// The body of an error. It may be missing altogether, or come without a code.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiError {
    /// What went wrong: the HTTP status and five digits more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<i64>,
    /// The same for people.
    #[serde(default)]
    pub message: String,
    /// Figures that belong to it, such as `buying_power`.
    #[serde(flatten)]
    pub more: BTreeMap<String, serde_json::Value>,
}

impl ApiError {
    /// Input that is not recognized.
    pub const BAD_INPUT: i64 = 40_010_001;
    /// The account may not do that now: buying power, shares, a block.
    pub const FORBIDDEN: i64 = 40_310_000;
    /// No such order, position or asset.
    pub const NOT_FOUND: i64 = 40_410_000;
    /// Understood, and not possible: prices, times, states.
    pub const NOT_POSSIBLE: i64 = 42_210_000;

    /// An error to be sent.
    pub fn new(code: i64, message: impl Into<String>) -> Self {
        Self { code: Some(code), message: message.into(), more: BTreeMap::new() }
    }

    /// Reads a body. What is no error of Alpaca's form gives its first characters as the message, and
    /// no code.
    pub fn read(body: &str) -> Self {
        let shown = |text: &str| -> String {
            let clean = text.chars().map(|it| if it.is_control() { ' ' } else { it });
            clean.take(MESSAGE_MAX).collect()
        };
        match serde_json::from_str::<Self>(body) {
            Ok(error) => Self { message: shown(&error.message), ..error },
            Err(_) => Self { message: shown(body.trim()), ..Self::default() },
        }
    }
}

/// What was asked for: the same failure means other things to a question than to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// A question: asking again does no harm.
    Read,
    /// A new order.
    Place,
    /// The replacement of an order.
    Replace,
    /// The cancellation of an order or of all: asking again does no harm.
    Cancel,
    /// The closing of a position or of all.
    Close,
}

impl Ask {
    /// Everything that is asked.
    pub const ALL: [Self; 5] = [Self::Read, Self::Place, Self::Replace, Self::Cancel, Self::Close];

    /// The word in logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Place => "place",
            Self::Replace => "replace",
            Self::Cancel => "cancel",
            Self::Close => "close",
        }
    }
}

/// Why a request brought nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "trouble")]
pub enum Trouble {
    /// Nobody was there: the request never left.
    Unreached,
    /// Nobody knows what became of it: the time was up, the line broke, or the venue failed in the
    /// middle.
    Unknown {
        /// The HTTP status; 0 where there was none.
        status: u16,
    },
    /// Too many requests; this one was not looked at.
    RateLimited {
        /// When there is room again, seconds since 1970, where the venue says so.
        reset_s: Option<i64>,
    },
    /// The keys are missing, wrong, or belong to another address.
    Auth,
    /// The account may not do that.
    Forbidden {
        /// The code, where there is one.
        code: Option<i64>,
    },
    /// There is no such thing.
    NotFound,
    /// Understood, and not possible as things are.
    NotPossible {
        /// The code, where there is one.
        code: Option<i64>,
    },
    /// Not understood: the request itself is wrong.
    BadRequest {
        /// The HTTP status.
        status: u16,
        /// The code, where there is one.
        code: Option<i64>,
    },
    /// A good status over a body that is not what the contract says.
    Malformed,
}

/// What is done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Remedy {
    /// The same once more, after a pause with jitter.
    Retry,
    /// The same once more, when there is room again.
    WaitUntilReset,
    /// Look for the order by its own id: what is found is ours, and what is not there is sent again
    /// under the same id.
    Reconcile,
    /// Look for the order by its own id: what is found is ours. What is not there was refused.
    AdoptOrFix,
    /// Nothing: the venue says no, and will say it again.
    GiveUp,
    /// Mend the request; the same is never sent again.
    Fix,
    /// Nobody but a person can help: no new risk until then.
    Operator,
}

impl Remedy {
    /// The word in logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::WaitUntilReset => "wait_until_reset",
            Self::Reconcile => "reconcile",
            Self::AdoptOrFix => "adopt_or_fix",
            Self::GiveUp => "give_up",
            Self::Fix => "fix",
            Self::Operator => "operator",
        }
    }
}

impl Trouble {
    /// What a status and a code mean; a status that is good means nothing here.
    pub const fn of(status: u16, code: Option<i64>, reset_s: Option<i64>) -> Self {
        match status {
            401 => Self::Auth,
            403 => Self::Forbidden { code },
            404 | 410 => Self::NotFound,
            422 => Self::NotPossible { code },
            429 => Self::RateLimited { reset_s },
            // A conflict and a request that came too slowly may have been taken in part.
            408 | 409 | 500..=599 => Self::Unknown { status },
            _ => Self::BadRequest { status, code },
        }
    }

    /// What to do about it.
    pub const fn remedy(&self, ask: Ask) -> Remedy {
        match (self, ask) {
            // It never left, so it is nowhere; what is never in doubt may be asked again.
            (Self::Unreached, _)
            | (Self::Unknown { .. }, Ask::Read | Ask::Cancel)
            | (Self::Malformed, Ask::Read) => Remedy::Retry,
            (Self::RateLimited { .. }, _) => Remedy::WaitUntilReset,
            (Self::Auth, _) => Remedy::Operator,
            (Self::Unknown { .. } | Self::Malformed, _) => Remedy::Reconcile,
            // A refusal that may be of the second copy of an order whose first was taken.
            (Self::NotPossible { .. } | Self::BadRequest { .. }, Ask::Place) => Remedy::AdoptOrFix,
            // An order that cannot be canceled or replaced any more has become something else.
            (Self::NotPossible { .. } | Self::NotFound, Ask::Cancel | Ask::Replace) => {
                Remedy::Reconcile
            }
            (Self::NotPossible { .. } | Self::BadRequest { .. }, _) => Remedy::Fix,
            (Self::Forbidden { .. } | Self::NotFound, _) => Remedy::GiveUp,
        }
    }

    /// The word in logs and metrics.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Unreached => "unreached",
            Self::Unknown { .. } => "unknown",
            Self::RateLimited { .. } => "rate_limited",
            Self::Auth => "auth",
            Self::Forbidden { .. } => "forbidden",
            Self::NotFound => "not_found",
            Self::NotPossible { .. } => "not_possible",
            Self::BadRequest { .. } => "bad_request",
            Self::Malformed => "malformed",
        }
    }
}

/// An error of the data stream: `{"T":"error","code":406,…}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamTrouble {
    /// 400: what we sent is not understood.
    Syntax,
    /// 401: asked before the keys were shown; 404: they came too late.
    NotIn,
    /// 402: the keys are wrong.
    Auth,
    /// 403: the keys were shown twice.
    AlreadyIn,
    /// 405: more symbols than the subscription has.
    SymbolLimit,
    /// 406: the account has a connection to this endpoint already.
    ConnectionLimit,
    /// 407: we read too slowly.
    SlowClient,
    /// 409: the subscription does not have this feed; 410: nor this action.
    NotSubscribed,
    /// 500 and everything that is not known.
    Internal,
}

/// What is done about an error of the data stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamRemedy {
    /// Nothing: the connection goes on.
    GoOn,
    /// A new connection, after a pause; the gap is filled by questions.
    Reconnect,
    /// A new connection after a long pause: somebody else holds the only one.
    WaitForOther,
    /// Nobody but a person can help.
    Operator,
}

impl StreamTrouble {
    /// What a code means.
    pub const fn of(code: i64) -> Self {
        match code {
            400 => Self::Syntax,
            401 | 404 => Self::NotIn,
            402 => Self::Auth,
            403 => Self::AlreadyIn,
            405 => Self::SymbolLimit,
            406 => Self::ConnectionLimit,
            407 => Self::SlowClient,
            409 | 410 => Self::NotSubscribed,
            _ => Self::Internal,
        }
    }

    /// What to do about it.
    pub const fn remedy(self) -> StreamRemedy {
        match self {
            Self::AlreadyIn => StreamRemedy::GoOn,
            Self::NotIn | Self::SlowClient | Self::Internal => StreamRemedy::Reconnect,
            Self::ConnectionLimit => StreamRemedy::WaitForOther,
            Self::Auth | Self::Syntax | Self::SymbolLimit | Self::NotSubscribed => {
                StreamRemedy::Operator
            }
        }
    }

    /// The word in logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Syntax => "syntax",
            Self::NotIn => "not_in",
            Self::Auth => "auth",
            Self::AlreadyIn => "already_in",
            Self::SymbolLimit => "symbol_limit",
            Self::ConnectionLimit => "connection_limit",
            Self::SlowClient => "slow_client",
            Self::NotSubscribed => "not_subscribed",
            Self::Internal => "internal",
        }
    }
}
