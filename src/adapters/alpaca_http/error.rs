//! Why Alpaca could not be asked, or said no.

use conclave_domain::alpaca::rules::Refusal;
use conclave_domain::alpaca::{ApiError, Ask, Remedy, Trouble};
use conclave_domain::code::Code;

use crate::adapters::model_http::ModelError;

/// Why there is no answer. No text holds a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AlpacaError {
    /// A key that no header can carry, or no client for an address.
    #[error(transparent)]
    Setup(#[from] ModelError),
    /// One half of a pair of keys.
    #[error("{missing} is not set, and the other half of the pair is")]
    HalfAKey {
        /// The variable that is not set.
        missing: &'static str,
    },
    /// An address that is not taken.
    #[error("`{key}` {why}")]
    Address {
        /// Its key in the configuration.
        key: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Keys and address are of different money.
    #[error("the keys are {keys} keys and the address is {address}: nothing was asked")]
    WrongKeys {
        /// What the keys are for.
        keys: &'static str,
        /// What the address is for.
        address: &'static str,
    },
    /// The venue refused, or did not answer.
    #[error(transparent)]
    Failed(Box<Failure>),
    /// The id of an order is taken by another one.
    #[error("client order id `{client_order_id}` belongs to another order ({order_id})")]
    Conflict {
        /// The id.
        client_order_id: String,
        /// The broker's id of the other order.
        order_id: String,
    },
    /// What an order says makes no sense by itself, so it is not sent.
    #[error("the order was not sent: {0}")]
    Denied(Refusal),
    /// It waited, and may not leave any more: a halt, a veto, or its time is over.
    #[error("the order was not sent: {}", .0.cause())]
    HeldBack(Code),
    /// An order without an id of its own cannot be found again, so it is not sent.
    #[error("an order needs a client order id")]
    NoId,
    /// A split whose rates no table of splits can hold.
    #[error("a split of {0} is no ratio of up to 10,000 shares")]
    NoRatio(String),
    /// More pages than are read.
    #[error("`{what}` has more pages than are read, or repeats them")]
    TooMuch {
        /// What was asked.
        what: String,
    },
}

/// A request that brought nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{what}` failed: {}", told(.trouble, .error, .why))]
pub struct Failure {
    /// What was asked, such as `POST /v2/orders`.
    pub what: String,
    /// What kind of question it was.
    pub ask: Ask,
    /// What went wrong.
    pub trouble: Trouble,
    /// What the venue said.
    pub error: ApiError,
    /// What the network said, where the venue said nothing.
    pub why: String,
}

impl From<Failure> for AlpacaError {
    fn from(failure: Failure) -> Self {
        Self::Failed(Box::new(failure))
    }
}

fn told(trouble: &Trouble, error: &ApiError, why: &str) -> String {
    let status = match trouble {
        Trouble::Unknown { status } | Trouble::BadRequest { status, .. } if *status > 0 => {
            format!(" ({status})")
        }
        _ => String::new(),
    };
    let code = error.code.map_or_else(String::new, |code| format!(" ({code})"));
    let said = [error.message.as_str(), why].into_iter().find(|text| !text.is_empty());
    let said = said.map_or_else(String::new, |text| format!(": {text}"));
    format!("{}{status}{code}{said}", trouble.name().replace('_', " "))
}

impl AlpacaError {
    /// What to do about it.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Failed(failure) => failure.trouble.remedy(failure.ask),
            Self::Setup(_)
            | Self::HalfAKey { .. }
            | Self::Address { .. }
            | Self::WrongKeys { .. }
            | Self::Conflict { .. } => Remedy::Operator,
            Self::Denied(refusal) => refusal.remedy,
            Self::HeldBack(_) => Remedy::GiveUp,
            Self::NoId | Self::NoRatio(_) | Self::TooMuch { .. } => Remedy::Fix,
        }
    }

    /// What went wrong, where the venue was asked.
    pub fn trouble(&self) -> Option<&Trouble> {
        match self {
            Self::Failed(failure) => Some(&failure.trouble),
            _ => None,
        }
    }
}
