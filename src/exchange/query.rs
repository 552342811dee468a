//! What stands behind the question mark of a request.

use std::collections::BTreeMap;

use conclave_domain::exchange::refusal::Refusal;
use conclave_domain::time::Time;

/// The parameters of a request by name.
pub(super) type Query = axum::extract::Query<BTreeMap<String, String>>;

/// A parameter that is not empty.
pub(super) fn word<'a>(query: &'a Query, name: &str) -> Option<&'a str> {
    query.get(name).map(String::as_str).filter(|text| !text.is_empty())
}

fn bad(name: &str, text: &str) -> Refusal {
    let shown: String = text.chars().take(40).collect();
    Refusal::bad_input(format!("invalid {name}: {shown}"))
}

/// A whole number within bounds.
///
/// # Errors
/// When it is none, or beyond them.
pub(super) fn number(
    query: &Query,
    name: &str,
    bounds: std::ops::RangeInclusive<usize>,
    otherwise: usize,
) -> Result<usize, Refusal> {
    let Some(text) = word(query, name) else { return Ok(otherwise) };
    let number = text.parse().ok().filter(|number| bounds.contains(number));
    number.ok_or_else(|| bad(name, text))
}

/// A time, or the first moment of a day.
///
/// # Errors
/// When it is neither.
pub(super) fn time(query: &Query, name: &str) -> Result<Option<Time>, Refusal> {
    let Some(text) = word(query, name) else { return Ok(None) };
    // A plus sign that was not escaped has become a space.
    let text = text.replace(' ', "+");
    let moment = text.parse::<Time>().ok();
    let day = || format!("{text}T00:00:00Z").parse::<Time>().ok();
    moment.or_else(day).map(Some).ok_or_else(|| bad(name, &text))
}

/// Words between commas.
pub(super) fn list<'a>(query: &'a Query, name: &str) -> Option<Vec<&'a str>> {
    word(query, name).map(|text| text.split(',').map(str::trim).collect())
}

/// `true` or `false`.
pub(super) fn flag(query: &Query, name: &str) -> bool {
    word(query, name).is_some_and(|text| matches!(text, "true" | "True" | "1"))
}
