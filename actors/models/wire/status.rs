//! What an HTTP status and a provider's code mean, the same for all of them.

use std::time::Duration;

use conclave_domain::llm::{Remedy, Trouble};

use crate::models::port::Reply;

/// The longest patience that a provider can ask for, milliseconds: a week. What asks for more is taken
/// for this much; an operator sees it long before.
const PATIENCE_MAX_MS: u64 = 7 * 24 * 3_600 * 1_000;

/// How long a reply asks to wait, milliseconds. A date is not understood, because a reader has no
/// clock; then the caller's own pauses hold.
pub(super) fn retry_after_ms(reply: &Reply) -> Option<u64> {
    let finer = reply.header("retry-after-ms").and_then(|text| text.trim().parse::<f64>().ok());
    let seconds = match finer {
        Some(ms) => ms / 1_000.0,
        None => reply.header("retry-after")?.trim().parse().ok()?,
    };
    if seconds.is_nan() || seconds < 0.0 {
        return None;
    }
    let asked = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
    Some(u64::try_from(asked.as_millis()).unwrap_or(u64::MAX).min(PATIENCE_MAX_MS))
}

/// A limit of requests or tokens: patience, as long as is asked for.
pub(super) fn rate_limited(reply: &Reply) -> Trouble {
    Trouble::RateLimited { retry_after_ms: retry_after_ms(reply) }
}

/// What a status means where no code says more. `is_typed` when the body is an error of the
/// provider's own form: then it was the provider that gave up, and not something on the way to it.
pub(super) fn by_status(status: u16, is_typed: bool, reply: &Reply) -> Trouble {
    match status {
        401 | 403 => Trouble::Auth,
        402 => Trouble::SpendLimit,
        404 | 410 => Trouble::NoModel,
        413 => Trouble::TooLarge,
        429 => rate_limited(reply),
        503 | 529 if retry_after_ms(reply).is_some() => rate_limited(reply),
        // A gateway that stopped waiting does not know what became of the question.
        504 | 524 if !is_typed => Trouble::Unknown,
        408 | 409 | 500..=599 => Trouble::Server { status },
        _ => Trouble::BadRequest,
    }
}

/// The same after the provider's own word on whether to ask again.
pub(super) fn by_its_own_word(trouble: Trouble, status: u16, reply: &Reply) -> Trouble {
    let is_again = matches!(trouble.remedy(), Remedy::Retry | Remedy::RetryAfter(_));
    match reply.header("x-should-retry") {
        Some("true") if !is_again => match retry_after_ms(reply) {
            Some(ms) => Trouble::RateLimited { retry_after_ms: Some(ms) },
            None => Trouble::Server { status },
        },
        // What may be billed stays so.
        Some("false") if is_again && !trouble.may_be_billed() => Trouble::Refused { status },
        _ => trouble,
    }
}
