//! Why an exchange says no, in the form in which its clients hear it.

use std::fmt::Display;

/// A refusal: the status and the code that a client decides on, and a message for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// The HTTP status: 403, 404 or 422.
    pub status: u16,
    /// The exchange's own code.
    pub code: u32,
    /// What is wrong, for people.
    pub message: String,
    /// Figures that belong to it, such as the buying power that there is.
    pub facts: Vec<(&'static str, String)>,
}

impl Refusal {
    /// Something about the account forbids it: funds, quantity, a block.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self { status: 403, code: 40_310_000, message: message.into(), facts: Vec::new() }
    }

    /// The order makes no sense, or not now.
    pub fn unprocessable(message: impl Into<String>) -> Self {
        Self { status: 422, code: 42_210_000, message: message.into(), facts: Vec::new() }
    }

    /// A field is missing, unreadable or taken.
    pub fn bad_input(message: impl Into<String>) -> Self {
        Self { status: 422, code: 40_010_001, message: message.into(), facts: Vec::new() }
    }

    /// There is no such thing.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self { status: 404, code: 40_410_000, message: message.into(), facts: Vec::new() }
    }

    /// The same refusal with a figure.
    #[must_use]
    pub fn with(mut self, name: &'static str, figure: impl Display) -> Self {
        self.facts.push((name, figure.to_string()));
        self
    }
}
