//! What a season is played by: its market, its symbols and who takes part.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::arena::desk::DeskSpec;
use crate::arena::market::{MarketKind, MarketRules};
use crate::arena::model::ModelSpec;
use crate::arena::words::ContestantName;
use crate::fixed::Money;
use crate::market::symbol::Symbol;
use crate::ratio::Ratio;
use crate::record::Digest;
use crate::strategy::StrategyConfig;

/// The most contestants of a season.
const CONTESTANTS_MAX: usize = 64;
/// The most symbols of a season.
const SYMBOLS_MAX: usize = 500;

/// What a contestant without a model goes by.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Rule {
    /// The return over some bars.
    Momentum {
        /// Bars in the return, 1 to 5000.
        lookback: u16,
        /// The size of a return that turns it, fraction, 0 to 10.
        threshold: Ratio,
    },
    /// The distance from the mean.
    MeanReversion {
        /// Closes in the mean, 2 to 1000.
        window: u16,
        /// The distance at which it calls, standard deviations.
        entry: Ratio,
        /// The distance under which it may call again, standard deviations.
        rearm: Ratio,
    },
    /// Buys what it does not hold, and holds it.
    BuyAndHold {},
}

impl Rule {
    /// The strategy behind it; `None` for one that looks at no price.
    pub const fn strategy(self) -> Option<StrategyConfig> {
        match self {
            Self::Momentum { lookback, threshold } => {
                Some(StrategyConfig::Momentum { lookback, threshold })
            }
            Self::MeanReversion { window, entry, rearm } => {
                Some(StrategyConfig::MeanReversion { window, entry, rearm })
            }
            Self::BuyAndHold {} => None,
        }
    }

    /// Its word on the board.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Momentum { .. } => "momentum",
            Self::MeanReversion { .. } => "mean-reversion",
            Self::BuyAndHold {} => "buy-and-hold",
        }
    }
}

/// What a contestant goes by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContestantKind {
    /// A rule.
    Rule(Rule),
    /// A desk of twelve roles.
    Desk(DeskSpec),
}

impl ContestantKind {
    /// Its word on the board.
    pub fn name(&self) -> &str {
        match self {
            Self::Rule(rule) => rule.name(),
            Self::Desk(desk) => desk.kind(),
        }
    }

    /// The models that think for it, where any do.
    pub fn models(&self) -> Option<&ModelSpec> {
        match self {
            Self::Rule(_) => None,
            Self::Desk(desk) => desk.model.as_deref(),
        }
    }

    /// Whether it puts questions to roles, which may cost something.
    pub const fn is_desk(&self) -> bool {
        matches!(self, Self::Desk(_))
    }

    fn faults(&self) -> Vec<String> {
        match self {
            Self::Rule(rule) => {
                let found = rule.strategy().and_then(|strategy| strategy.validate().err());
                found.map(|error| error.to_string()).into_iter().collect()
            }
            Self::Desk(desk) => desk.faults(),
        }
    }
}

/// One contestant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContestantSpec {
    /// Its signature.
    pub name: ContestantName,
    /// What it goes by: the key `rule` or the key `desk`.
    #[serde(flatten)]
    pub kind: ContestantKind,
    /// What its book begins with.
    pub cash: Money,
}

/// A season.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeasonSpec {
    /// Its name.
    pub season: String,
    /// The market.
    pub market: MarketKind,
    /// What is traded, in symbol order.
    pub symbols: Vec<Symbol>,
    /// The share of equity of a full position, above 0 and at most 1.
    pub slot: Ratio,
    /// Whether more may be sold than is held.
    pub shorts: bool,
    /// Who takes part.
    pub contestants: Vec<ContestantSpec>,
}

/// Everything that is wrong with a season's specification.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct SpecFaults(Vec<String>);

impl fmt::Display for SpecFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("; "))
    }
}

impl SeasonSpec {
    /// Looks at all of it.
    ///
    /// # Errors
    /// Everything that is wrong with it, at once.
    pub fn check(&self) -> Result<(), SpecFaults> {
        let mut faults = Vec::new();
        if self.season.parse::<ContestantName>().is_err() {
            faults.push(format!("season: `{}` is not of a-z, 0-9 and -", self.season));
        }
        if !(self.slot.get() > 0.0 && self.slot.get() <= 1.0) {
            faults.push(format!("slot: {} is not above 0 and at most 1", self.slot));
        }
        if !(1..=SYMBOLS_MAX).contains(&self.symbols.len()) {
            faults.push(format!("{} symbols: 1 to {SYMBOLS_MAX} are wanted", self.symbols.len()));
        }
        let count = self.contestants.len();
        if !(1..=CONTESTANTS_MAX).contains(&count) {
            faults.push(format!("{count} contestants: 1 to {CONTESTANTS_MAX} are wanted"));
        }
        for (at, one) in self.contestants.iter().enumerate() {
            let name = &one.name;
            if self.contestants.iter().take(at).any(|earlier| earlier.name == *name) {
                faults.push(format!("{name}: there is another of this signature"));
            }
            if one.cash.raw() <= 0 {
                faults.push(format!("{name}: the cash must be positive"));
            }
            faults.extend(one.kind.faults().into_iter().map(|fault| format!("{name}: {fault}")));
        }
        if faults.is_empty() { Ok(()) } else { Err(SpecFaults(faults)) }
    }

    /// The rules of its market.
    pub fn rules(&self) -> MarketRules {
        MarketRules { shorts: self.shorts, ..MarketRules::of(self.market) }
    }

    /// BLAKE3 of all of it: what decides a season besides its bars.
    pub fn hash(&self) -> Digest {
        // Words and numbers only: there is no way to fail, and nothing would be its own hash.
        Digest::of(&serde_json::to_vec(self).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_wrong_with_a_season_is_said_at_once() {
        let rule = Rule::Momentum { lookback: 0, threshold: Ratio::of(0.05) };
        let kind = ContestantKind::Rule(rule);
        let one = ContestantSpec { name: "a".parse().unwrap(), kind, cash: Money::ZERO };
        let spec = SeasonSpec {
            season: "No".to_owned(),
            market: MarketKind::Us,
            symbols: Vec::new(),
            slot: Ratio::of(1.5),
            shorts: false,
            contestants: vec![one.clone(), one],
        };
        let said = spec.check().unwrap_err().to_string();
        for part in ["season:", "slot:", "0 symbols", "another", "cash", "lookback"] {
            assert!(said.contains(part), "{part} is not in: {said}");
        }
    }

    /// A log names the hash of its specification: that of a season of rules is what it always was.
    #[test]
    fn a_contestant_by_rule_is_written_as_it_was_before_there_were_desks() {
        let kind = ContestantKind::Rule(Rule::BuyAndHold {});
        let cash = Money::from_units(1).unwrap();
        let one = ContestantSpec { name: "a".parse().unwrap(), kind, cash };
        let text = r#"{"name":"a","rule":{"kind":"buy-and-hold"},"cash":"1"}"#;
        assert_eq!(serde_json::to_string(&one).unwrap(), text);
        assert_eq!(serde_json::from_str::<ContestantSpec>(text).unwrap(), one);
        let desk = r#"{"name":"a","desk":{"mind":"rules"},"cash":"1"}"#;
        let desk: ContestantSpec = serde_json::from_str(desk).unwrap();
        assert_eq!((desk.kind.name(), desk.kind.is_desk()), ("rules-desk", true));
        assert!(serde_json::from_str::<ContestantSpec>(r#"{"name":"a","cash":"1"}"#).is_err());
    }
}
