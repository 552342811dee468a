//! What all fourteen answers share: the ballot, the reasoning, and the way to [`Advice`].
//!
//! # Invariants
//!
//! - B-1: every number that leaves an agent is finite and within its bounds: a [`Draft`] takes
//!   numbers through [`Bounds::admit`] alone.

use conclave_domain::advice::{Advice, Lever, Stance, Vote};
use conclave_domain::bounds::{Bounded, Bounds, Clamp};
use conclave_domain::limits::Limits;
use conclave_domain::ratio::Ratio;
use conclave_domain::role::Role;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::agent::ConsultError;

/// The longest reasoning that is kept, in characters; what is longer is cut.
pub const REASONING_MAX: usize = 1_000;

/// A vote as it stands in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ballot {
    /// Do it.
    For,
    /// Do not.
    Against,
    /// The figures do not suffice for an opinion.
    Abstain,
}

impl From<Ballot> for Vote {
    fn from(ballot: Ballot) -> Self {
        match ballot {
            Ballot::For => Self::For,
            Ballot::Against => Self::Against,
            Ballot::Abstain => Self::Abstain,
        }
    }
}

impl From<Ballot> for Stance {
    fn from(ballot: Ballot) -> Self {
        Self::Vote(ballot.into())
    }
}

/// Advice in the making: numbers come in raw and leave clamped.
#[derive(Debug)]
pub struct Draft<'a> {
    limits: &'a Limits,
    levers: Vec<Lever>,
    clamps: Vec<Clamp>,
}

impl<'a> Draft<'a> {
    /// Nothing asked for yet.
    pub const fn new(limits: &'a Limits) -> Self {
        Self { limits, levers: Vec::new(), clamps: Vec::new() }
    }

    /// Admits one raw number; a clamp is kept.
    ///
    /// # Errors
    /// When the number is not finite.
    pub fn admit(&mut self, bounds: &Bounds, raw: f64) -> Result<Bounded, ConsultError> {
        Ok(bounds.admit(raw, &mut self.clamps)?)
    }

    /// Asks for one thing.
    pub fn ask(&mut self, lever: Lever) {
        self.levers.push(lever);
    }

    /// The advice. Who abstains moves nothing: an abstention drops the levers.
    ///
    /// # Errors
    /// When the confidence is not finite or the reasoning is empty.
    pub fn finish(
        mut self,
        role: &Role,
        stance: Stance,
        confidence: f64,
        reasoning: &str,
    ) -> Result<Advice, ConsultError> {
        let bounds = &self.limits.bounds.confidence;
        let confidence = bounds.admit(confidence, &mut self.clamps)?;
        let reasoning = plain(reasoning)
            .ok_or_else(|| ConsultError::Unreadable { why: "the reasoning is empty".to_owned() })?;
        if stance == Stance::Vote(Vote::Abstain) {
            self.levers.clear();
        }
        let Self { levers, clamps, .. } = self;
        Ok(Advice { agent: role.name, stance, confidence, reasoning, levers, clamps })
    }
}

/// A text from an agent as one line of at most [`REASONING_MAX`] characters, without control
/// characters or marks that turn the direction of writing; `None` when nothing is left.
pub fn plain(text: &str) -> Option<String> {
    let is_hidden =
        |c: char| c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}');
    let spaced: String = text.chars().map(|c| if is_hidden(c) { ' ' } else { c }).collect();
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let line: String = words.join(" ").chars().take(REASONING_MAX).collect();
    (!line.is_empty()).then_some(line)
}

/// A fraction as percent for people and prompts: `0.15` is `15 %`.
pub fn percent(fraction: f64) -> String {
    format!("{} %", (fraction * 1e6).round() / 1e4)
}

/// A figure for a sentence: three decimals, or `unknown`.
pub fn shown(figure: Option<Ratio>) -> String {
    figure.map_or_else(|| "unknown".to_owned(), |figure| format!("{:.3}", figure.get()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reasoning_is_one_plain_line() {
        assert_eq!(plain(" a\u{1b}[31m\n b\u{202e} "), Some("a [31m b".to_owned()));
        assert_eq!(plain(" \n\u{200b}\u{7} "), None);
        assert_eq!(plain(&"x".repeat(5_000)).map(|line| line.len()), Some(REASONING_MAX));
    }

    #[test]
    fn percent_is_without_noise() {
        assert_eq!(percent(0.07), "7 %");
        assert_eq!(percent(0.005), "0.5 %");
    }
}
