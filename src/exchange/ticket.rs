//! The body of a request, read from its text.

use axum::body::Bytes;
use conclave_domain::exchange::refusal::Refusal;
use serde::de::DeserializeOwned;

/// Reads a body.
///
/// # Errors
/// When it is no JSON, or not of this form.
pub(super) fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| {
        let refusal = Refusal::bad_input(format!("request body format is invalid: {error}"));
        Refusal { status: if error.is_data() { 422 } else { 400 }, ..refusal }
    })
}
