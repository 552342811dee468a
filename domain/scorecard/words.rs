//! What the figures of a card say, in words.

use serde::Serialize;

use super::card::{Line, Pair, Worth};
use crate::ratio::Ratio;

/// What a comparison says. In the order in which a card names them: who hurts comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// The account is lower with it, by more than chance.
    Hurts,
    /// Chance alone may have brought the difference about.
    #[serde(rename = "not_distinguishable_from_zero")]
    Unclear,
    /// The account is higher with it, by more than chance.
    Helps,
    /// It was asked, and the account is the same without it.
    ChangedNothing,
    /// Nobody asked it.
    NeverConsulted,
}

impl Finding {
    /// The words for people.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Hurts => "hurts",
            Self::Unclear => "not distinguishable from zero",
            Self::Helps => "helps",
            Self::ChangedNothing => "changed nothing",
            Self::NeverConsulted => "never consulted",
        }
    }

    /// The words for what two do together beyond what each does alone.
    pub const fn words_together(self) -> &'static str {
        match self {
            Self::Hurts => "they do the same twice",
            Self::Helps => "they complete each other",
            other => other.words(),
        }
    }
}

/// One agent in a sentence.
pub fn sentence(line: &Line) -> String {
    let Line { agent, worth, .. } = line;
    let Some(worth) = worth else {
        return format!("{agent}: no repetition without it was played");
    };
    match worth.finding {
        Finding::NeverConsulted => format!("{agent}: never consulted"),
        Finding::ChangedNothing => {
            format!("{agent}: changed nothing; the account is the same without it")
        }
        _ => format!("{agent}: {}; {}{}", worth.finding.words(), figures(worth), cost(line)),
    }
}

fn cost(line: &Line) -> String {
    if line.cost_usd.is_zero() {
        return String::new();
    }
    let after = line.after_cost_usd.map_or_else(|| "n/a".to_owned(), |it| format!("{it:.2}"));
    format!("; its model cost {:.4} dollars, which leaves {after}", line.cost_usd)
}

/// Two agents in a sentence.
pub fn pair_sentence(pair: &Pair) -> String {
    let names: Vec<&str> = pair.agents.iter().copied().collect();
    let names = names.join(" and ");
    let together = pair.together.as_ref().map_or_else(String::new, |it| {
        format!("; beyond what each does alone: {}", it.finding.words_together())
    });
    match pair.worth.finding {
        Finding::ChangedNothing | Finding::NeverConsulted => {
            format!("{names}: {}{together}", pair.worth.finding.words())
        }
        finding => format!("{names}: {}; {}{together}", finding.words(), figures(&pair.worth)),
    }
}

fn figures(worth: &Worth) -> String {
    let percent = |share: Ratio| format!("{:+.3} %", share.get() * 100.0);
    let interval = match &worth.interval {
        Some(interval) => format!("{} to {}", percent(interval.low), percent(interval.high)),
        None => format!("only {} of {} days differ", worth.differing_days, worth.days),
    };
    let exact = if worth.frozen.is_empty() { "" } else { ", approximate" };
    format!("{} of the account ({interval}{exact})", percent(worth.per_run))
}
