//! What can go wrong with a call to a model, and what is done about it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Why an attempt brought no answer. Decided by status and code, never by the text of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "trouble")]
pub enum Trouble {
    /// The provider asks for patience.
    RateLimited {
        /// For how long, milliseconds, where it says so.
        retry_after_ms: Option<u64>,
    },
    /// A spending limit at the provider is reached: nobody but an operator can help.
    SpendLimit,
    /// The key is missing, wrong or without rights.
    Auth,
    /// The model does not exist any more.
    NoModel,
    /// The provider refuses the request as it is.
    BadRequest,
    /// The request is too large.
    TooLarge,
    /// The provider or the network failed on its way; nothing was billed.
    Server {
        /// The HTTP status, or 0 where there was none.
        status: u16,
    },
    /// The provider failed and says itself that asking again is of no use; nothing was billed.
    Refused {
        /// The HTTP status.
        status: u16,
    },
    /// Nobody knows what became of the request: it may be billed.
    Unknown,
    /// The time was up before an answer came: it may be billed.
    Timeout,
    /// An answer under a good status that is not what the contract says.
    Malformed,
    /// The answer was cut off, by the limit of its tokens.
    Truncated,
    /// The model, or a filter in front of it, declines to answer.
    Declined,
}

/// What is done after a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// The same once more, after a pause with jitter.
    Retry,
    /// The same once more, not before this has passed.
    RetryAfter(Duration),
    /// The next provider that has the same model.
    NextProvider,
    /// The next cheaper model: no provider is asked for this one any more.
    CheaperModel,
    /// Nothing: the agent abstains.
    GiveUp,
}

impl Trouble {
    /// What to do about it.
    pub const fn remedy(&self) -> Remedy {
        match self {
            Self::RateLimited { retry_after_ms: Some(ms) } => {
                Remedy::RetryAfter(Duration::from_millis(*ms))
            }
            Self::RateLimited { retry_after_ms: None }
            | Self::Server { .. }
            | Self::Unknown
            | Self::Malformed => Remedy::Retry,
            Self::SpendLimit | Self::Auth | Self::Refused { .. } => Remedy::NextProvider,
            Self::NoModel => Remedy::CheaperModel,
            Self::BadRequest
            | Self::TooLarge
            | Self::Timeout
            | Self::Truncated
            | Self::Declined => Remedy::GiveUp,
        }
    }

    /// Whether the attempt may be billed although it brought nothing, by an amount that is not known
    /// where the reply does not say it.
    pub const fn may_be_billed(&self) -> bool {
        matches!(
            self,
            Self::Unknown | Self::Timeout | Self::Malformed | Self::Truncated | Self::Declined
        )
    }

    /// The word in metrics, records and on the tape.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::RateLimited { .. } => "rate_limited",
            Self::SpendLimit => "spend_limit",
            Self::Auth => "auth",
            Self::NoModel => "no_model",
            Self::BadRequest => "bad_request",
            Self::TooLarge => "too_large",
            Self::Server { .. } => "server",
            Self::Refused { .. } => "refused",
            Self::Unknown => "unknown",
            Self::Timeout => "timeout",
            Self::Malformed => "malformed",
            Self::Truncated => "truncated",
            Self::Declined => "declined",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The whole table: what is done after each trouble.
    #[test]
    fn each_trouble_has_its_remedy() {
        let again = Remedy::RetryAfter(Duration::from_secs(7));
        for (trouble, expected) in [
            (Trouble::RateLimited { retry_after_ms: Some(7_000) }, again),
            (Trouble::RateLimited { retry_after_ms: None }, Remedy::Retry),
            (Trouble::SpendLimit, Remedy::NextProvider),
            (Trouble::Auth, Remedy::NextProvider),
            (Trouble::NoModel, Remedy::CheaperModel),
            (Trouble::BadRequest, Remedy::GiveUp),
            (Trouble::TooLarge, Remedy::GiveUp),
            (Trouble::Server { status: 500 }, Remedy::Retry),
            (Trouble::Refused { status: 500 }, Remedy::NextProvider),
            (Trouble::Unknown, Remedy::Retry),
            (Trouble::Timeout, Remedy::GiveUp),
            (Trouble::Malformed, Remedy::Retry),
            (Trouble::Truncated, Remedy::GiveUp),
            (Trouble::Declined, Remedy::GiveUp),
        ] {
            assert_eq!(trouble.remedy(), expected, "{}", trouble.name());
        }
    }
}
