//! What commands are answered with, and the bodies that are no types of the desk.

use serde_json::Value;
use utoipa::ToSchema;

/// A change of the trading state.
#[derive(Debug, ToSchema)]
pub struct State {
    /// `state/1`.
    pub schema: String,
    /// `active`, `reducing` or `halted`.
    pub state: String,
    /// What that means.
    pub text: String,
    /// Whether it stands in the log; a stop is in force even where it does not.
    pub recorded: bool,
}

/// That positions are being closed.
#[derive(Debug, ToSchema)]
pub struct Flatten {
    /// `flatten/1`.
    pub schema: String,
    /// How many were open.
    pub positions: u64,
    /// What happens next.
    pub text: String,
    /// Whether it stands in the log.
    pub recorded: bool,
}

/// A change of mode.
#[derive(Debug, ToSchema)]
pub struct Mode {
    /// `mode/1`.
    pub schema: String,
    /// The mode now.
    pub mode: String,
    /// The mode before.
    pub from: String,
    /// Why the record of advice was waived.
    #[schema(required = false)]
    pub override_reason: Option<String>,
}

/// That an approval was answered.
#[derive(Debug, ToSchema)]
pub struct Answered {
    /// `approval/1`.
    pub schema: String,
    /// The decision.
    pub decision: String,
    /// What happens next.
    pub text: String,
}

/// What an agent advises an outside system.
#[derive(Debug, ToSchema)]
pub struct Advice {
    /// `advice/1`.
    pub schema: String,
    /// What was asked: `signal`, `gates`, `size`, `timing` or `exit`.
    pub kind: String,
    /// The decision, under which the round is on record.
    pub decision: String,
    /// What thought: rules, or a model's name.
    pub brain: String,
    /// The advice; its numbers are within the bounds.
    #[schema(value_type = Object)]
    pub advice: Value,
}

/// That something was set.
#[derive(Debug, ToSchema)]
pub struct Set {
    /// `context/1`.
    pub schema: String,
    /// What.
    pub set: String,
}

/// A question of an outside system; more members, such as `features`, `regime` and `gates`, narrow it.
#[derive(Debug, ToSchema)]
pub struct Question {
    /// The symbol.
    pub symbol: String,
    /// Nothing in the question was known later than this.
    pub as_of: String,
    /// `long` or `short`.
    pub direction: String,
    /// How sure the signal is, 0 to 1.
    pub confidence: f64,
    /// The last price, a decimal text.
    pub price: String,
}
