//! The roles of a desk, and how a desk is set up.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::arena::model::ModelSpec;

/// A seat at the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeskRole {
    /// Reads prices.
    MarketAnalyst,
    /// Reads news and filings.
    NewsAnalyst,
    /// Reads statements.
    FundamentalsAnalyst,
    /// Reads posts.
    SocialAnalyst,
    /// Argues for it.
    Bull,
    /// Argues against it.
    Bear,
    /// Judges the debate.
    ResearchManager,
    /// Makes a plan of it.
    Trader,
    /// Argues for taking the risk.
    Aggressive,
    /// Argues for a middle way.
    Neutral,
    /// Argues for taking less risk.
    Conservative,
    /// Decides.
    PortfolioManager,
}

impl DeskRole {
    /// All of them, in the order in which they speak.
    pub const ALL: [Self; 12] = [
        Self::MarketAnalyst,
        Self::NewsAnalyst,
        Self::FundamentalsAnalyst,
        Self::SocialAnalyst,
        Self::Bull,
        Self::Bear,
        Self::ResearchManager,
        Self::Trader,
        Self::Aggressive,
        Self::Neutral,
        Self::Conservative,
        Self::PortfolioManager,
    ];

    /// Those who look at data, at the same time.
    pub const ANALYSTS: [Self; 4] =
        [Self::MarketAnalyst, Self::NewsAnalyst, Self::FundamentalsAnalyst, Self::SocialAnalyst];

    /// Those who argue about research, in the order in which they speak.
    pub const DEBATERS: [Self; 2] = [Self::Bull, Self::Bear];

    /// Those who argue about risk, in the order in which they speak.
    pub const RISK_DEBATERS: [Self; 3] = [Self::Aggressive, Self::Neutral, Self::Conservative];

    /// The name in configuration, records and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MarketAnalyst => "market_analyst",
            Self::NewsAnalyst => "news_analyst",
            Self::FundamentalsAnalyst => "fundamentals_analyst",
            Self::SocialAnalyst => "social_analyst",
            Self::Bull => "bull",
            Self::Bear => "bear",
            Self::ResearchManager => "research_manager",
            Self::Trader => "trader",
            Self::Aggressive => "aggressive",
            Self::Neutral => "neutral",
            Self::Conservative => "conservative",
            Self::PortfolioManager => "portfolio_manager",
        }
    }

    /// Whether it looks at data.
    pub const fn is_analyst(self) -> bool {
        matches!(
            self,
            Self::MarketAnalyst
                | Self::NewsAnalyst
                | Self::FundamentalsAnalyst
                | Self::SocialAnalyst
        )
    }

    /// Whether it judges what others said: the dearer model is asked.
    pub const fn is_judge(self) -> bool {
        matches!(self, Self::ResearchManager | Self::PortfolioManager)
    }

    /// The role of a name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

impl fmt::Display for DeskRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The most rounds of a debate.
pub const ROUNDS_MAX: u8 = 5;
/// The most questions about one symbol at one tick.
pub const STEPS_MAX: u16 = 200;
/// The longest that one symbol may take, seconds.
const WALL_S_MAX: u32 = 3_600;

/// How a desk comes to a decision. What is not said is as usual.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeskConfig {
    /// The analysts that it has.
    pub analysts: BTreeSet<DeskRole>,
    /// How often bull and bear speak, 0 to [`ROUNDS_MAX`].
    pub debate_rounds: u8,
    /// How often the risk debaters speak, 0 to [`ROUNDS_MAX`].
    pub risk_rounds: u8,
    /// The most questions about one symbol at one tick, 1 to [`STEPS_MAX`].
    pub max_steps: u16,
    /// The most tokens, read and written, about one symbol at one tick.
    pub tokens_max: u64,
    /// The longest that one symbol may take at one tick, seconds.
    pub wall_s: u32,
}

impl Default for DeskConfig {
    fn default() -> Self {
        Self {
            analysts: DeskRole::ANALYSTS.into(),
            debate_rounds: 1,
            risk_rounds: 1,
            max_steps: 30,
            tokens_max: 400_000,
            wall_s: 300,
        }
    }
}

impl DeskConfig {
    /// Everything that is wrong with it.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let strangers = self.analysts.iter().filter(|role| !role.is_analyst());
        faults.extend(strangers.map(|role| format!("desk.analysts: {role} is no analyst")));
        if self.analysts.is_empty() {
            faults.push("desk.analysts: at least one is wanted".to_owned());
        }
        for (key, rounds) in
            [("debate_rounds", self.debate_rounds), ("risk_rounds", self.risk_rounds)]
        {
            if rounds > ROUNDS_MAX {
                faults.push(format!("desk.{key} is {rounds}: 0 to {ROUNDS_MAX} is wanted"));
            }
        }
        if !(1..=STEPS_MAX).contains(&self.max_steps) {
            let steps = self.max_steps;
            faults.push(format!("desk.max_steps is {steps}: 1 to {STEPS_MAX} is wanted"));
        }
        let turns = self.turns();
        if u64::from(self.max_steps) < turns {
            let steps = self.max_steps;
            faults.push(format!("desk.max_steps is {steps}: its {turns} turns need as many"));
        }
        if self.tokens_max == 0 {
            faults.push("desk.tokens_max is 0: nothing could be said".to_owned());
        }
        if !(1..=WALL_S_MAX).contains(&self.wall_s) {
            let wall = self.wall_s;
            faults.push(format!("desk.wall_s is {wall}: 1 to {WALL_S_MAX} is wanted"));
        }
        faults
    }

    /// Turns of a decision in which nobody asks for data.
    pub fn turns(&self) -> u64 {
        let debate = u64::from(self.debate_rounds) * DeskRole::DEBATERS.len() as u64;
        let risk = u64::from(self.risk_rounds) * DeskRole::RISK_DEBATERS.len() as u64;
        // Research manager, trader, portfolio manager.
        self.analysts.len() as u64 + debate + risk + 3
    }
}

/// What the roles of a desk think with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeskMind {
    /// Their own quantitative rules: no key, no cost.
    Rules,
    /// A language model.
    Model,
}

impl DeskMind {
    /// The word on the board.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rules => "rules-desk",
            Self::Model => "model-desk",
        }
    }
}

/// A desk as a contestant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeskSpec {
    /// What its roles think with.
    pub mind: DeskMind,
    /// How it comes to a decision.
    #[serde(default)]
    pub config: DeskConfig,
    /// The models, where they think.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<Box<ModelSpec>>,
}

impl DeskSpec {
    /// Its word on the board: its model that judges, or its mind.
    pub fn kind(&self) -> &str {
        self.model.as_ref().map_or(self.mind.name(), |model| &model.first.deep)
    }

    /// Everything that is wrong with it.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = self.config.faults();
        match (self.mind, &self.model) {
            (DeskMind::Model, None) => faults.push(
                "desk.model is missing: a desk of models names its provider and its models"
                    .to_owned(),
            ),
            (DeskMind::Rules, Some(_)) => {
                faults.push("desk.model is there, but the desk thinks by rules".to_owned());
            }
            (DeskMind::Model, Some(model)) => faults.extend(model.faults()),
            (DeskMind::Rules, None) => {}
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_desk_is_right_and_asks_twelve_times() {
        let usual = DeskConfig::default();
        assert_eq!((usual.faults(), usual.turns()), (Vec::new(), 12));
        assert!(DeskRole::ALL.iter().all(|role| DeskRole::of(role.name()) == Some(*role)));
        assert_eq!(DeskRole::of("orchestrator"), None);
    }

    #[test]
    fn everything_that_is_wrong_with_a_desk_is_said_at_once() {
        let wrong = DeskConfig {
            analysts: [DeskRole::Bull].into(),
            debate_rounds: 6,
            risk_rounds: 9,
            max_steps: 0,
            tokens_max: 0,
            wall_s: 0,
        };
        let said = wrong.faults().join("; ");
        for part in [
            "bull is no analyst",
            "debate_rounds is 6",
            "risk_rounds is 9",
            "max_steps is 0",
            "tokens_max",
            "wall_s",
        ] {
            assert!(said.contains(part), "{part} is not in: {said}");
        }
        let short = DeskConfig { max_steps: 11, ..DeskConfig::default() };
        assert_eq!(short.faults(), ["desk.max_steps is 11: its 12 turns need as many"]);
    }

    #[test]
    fn a_key_that_means_nothing_is_refused() {
        assert!(
            serde_json::from_str::<DeskSpec>(r#"{"mind":"rules","config":{"steps":1}}"#).is_err()
        );
        assert!(serde_json::from_str::<DeskSpec>(r#"{"mind":"rules","model":"x"}"#).is_err());
        assert!(serde_json::from_str::<DeskSpec>("{}").is_err(), "no mind by default");
    }
}
