//! Symbol Scorer: anomalies in the metrics, and the symbols to exclude for them.
//!
//! Team selection, authority advise. Answers exclusions, each with its reason.
//!
//! Rules: exclude a symbol with too few bars, too many gaps, a half-life outside (0, 250), a GARCH
//! persistence of 0.9999 or more, a Hurst exponent outside (0, 1), a stale last bar, or a price,
//! volume or volatility outside its class. An undefined metric lies in no interval, so it excludes.
//!
//! Vote while scoring: for its own exclusions, abstain without any. On a list: against when a symbol
//! on it should be excluded, else for.

use std::time::Duration;

use conclave_domain::advice::{Advice, Lever};
use conclave_domain::brief::selection::{Candidate, Metric, SelectionBrief, SelectionStep};
use conclave_domain::limits::Limits;
use conclave_domain::market::symbol::AssetClass;
use conclave_domain::role::{Authority, Role, Team, Tier};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::known_symbol;
use crate::runtime::agent::{Agent, Cadence, ConsultError};
use crate::runtime::answer::{Ballot, Draft, plain, shown};

/// Seconds in a day.
const DAY_S: u64 = 86_400;

/// One symbol to leave out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Exclusion {
    /// The symbol, as in the brief.
    pub symbol: String,
    /// Why, with the figure that decided.
    pub reason: String,
}

/// The raw answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// One sentence with the figures that decided.
    pub reasoning: String,
    /// Symbols to leave out; an empty list keeps all.
    pub exclusions: Vec<Exclusion>,
    /// For or against; abstain when there is nothing to exclude.
    pub vote: Ballot,
    /// How sure you are of this answer.
    #[schemars(extend("x-bound" = "confidence"))]
    pub confidence: f64,
}

/// The agent.
#[derive(Debug)]
pub struct SymbolScorer;

impl Agent for SymbolScorer {
    type Brief = SelectionBrief;
    type Answer = Answer;
    const ROLE: Role = Role {
        name: "symbol_scorer",
        title: "Symbol Scorer",
        team: Team::Selection,
        authority: Authority::Advise,
        tier: Tier::Sonnet,
        purpose: "Finds anomalies in the metrics and the symbols to exclude for them.",
    };
    const CADENCE: Cadence = Cadence::EachSelection;

    fn instructions(_limits: &Limits) -> String {
        "Look for symbols whose metrics cannot be trusted. The thresholds stand in the brief under \
         `constraints`.\n\
         - `exclusions`: each names a symbol of the universe and why, with the figure.\n\
         - Reasons: too few bars, gaps, a half-life or GARCH persistence out of range, a Hurst \
         exponent outside of zero to one, a stale last bar, a price, volume or volatility outside \
         its class, an undefined metric.\n\
         - `vote` while scoring: for when you exclude something, abstain when not. On a list: \
         against when a symbol on it should be excluded."
            .to_owned()
    }

    fn rules(brief: &SelectionBrief, _limits: &Limits) -> Answer {
        let mut exclusions = Vec::new();
        for candidate in brief.candidates.iter().filter(|known| known.excluded.is_empty()) {
            if let Some(reason) = anomaly(candidate, brief) {
                exclusions.push(Exclusion { symbol: candidate.symbol.to_string(), reason });
            }
        }
        let on_list = exclusions
            .iter()
            .find(|one| brief.shortlist.iter().any(|on| on.as_str() == one.symbol));
        let vote = match brief.step {
            SelectionStep::Score if exclusions.is_empty() => Ballot::Abstain,
            SelectionStep::Score => Ballot::For,
            _ if on_list.is_some() => Ballot::Against,
            _ => Ballot::For,
        };
        let reasoning = match on_list.or(exclusions.first()) {
            Some(first) => format!(
                "{} of {} to exclude, such as {}: {}",
                exclusions.len(),
                brief.candidates.len(),
                first.symbol,
                first.reason
            ),
            None => format!("no anomaly in {} symbols", brief.candidates.len()),
        };
        Answer { reasoning, exclusions, vote, confidence: 0.9 }
    }

    fn admit(
        answer: Answer,
        brief: &SelectionBrief,
        limits: &Limits,
    ) -> Result<Advice, ConsultError> {
        let mut draft = Draft::new(limits);
        for Exclusion { symbol, reason } in &answer.exclusions {
            let symbol = known_symbol(symbol, brief)?;
            let reason = plain(reason).ok_or_else(|| ConsultError::Unreadable {
                why: format!("no reason to exclude {symbol}"),
            })?;
            if brief.step != SelectionStep::Vote {
                draft.ask(Lever::Exclude { symbol, reason });
            }
        }
        draft.finish(&Self::ROLE, answer.vote.into(), answer.confidence, &answer.reasoning)
    }
}

/// What is wrong with a symbol, if anything: the first of the rules that it breaks.
fn anomaly(candidate: &Candidate, brief: &SelectionBrief) -> Option<String> {
    let rules = &brief.constraints;
    let value = |metric: Metric| candidate.metrics.get(&metric).and_then(|found| found.value);
    let outside = |metric: Metric, holds: &dyn Fn(f64) -> bool| {
        let found = value(metric);
        (!found.is_some_and(|value| holds(value.get())))
            .then(|| format!("{} {} is out of range", metric.name(), shown(found)))
    };
    let gaps = candidate.gap_share;
    if candidate.bars < rules.bars_min {
        return Some(format!("{} bars, {} needed", candidate.bars, rules.bars_min));
    }
    if gaps > rules.gap_share_max {
        return Some(format!("{:.4} of its bars are missing", gaps.get()));
    }
    let age = brief.as_of.since(candidate.last_bar_at);
    if age > Duration::from_secs(u64::from(rules.stale_days_max) * DAY_S) {
        return Some(format!("the last bar is {} days old", age.as_secs() / DAY_S));
    }
    let half_life_max = rules.half_life_max.get();
    let persistence_max = rules.garch_persistence_max.get();
    let is_hurst = |value: f64| 0.0 < value && value < 1.0;
    outside(Metric::HalfLife, &|value| 0.0 < value && value < half_life_max)
        .or_else(|| outside(Metric::GarchPersistence, &|value| value < persistence_max))
        .or_else(|| outside(Metric::HurstShort, &is_hurst))
        .or_else(|| outside(Metric::HurstLong, &is_hurst))
        .or_else(|| out_of_class(candidate, brief))
}

/// Whether price, volume or volatility lies outside what its class may show.
fn out_of_class(candidate: &Candidate, brief: &SelectionBrief) -> Option<String> {
    let rules = &brief.constraints;
    let (price_min, volume_min) = match candidate.class {
        AssetClass::Equity => (rules.equity_price_min, rules.equity_volume_min),
        AssetClass::Crypto => Default::default(),
    };
    if candidate.price < price_min || candidate.price.raw() <= 0 {
        return Some(format!("a price of {}", candidate.price));
    }
    if candidate.dollar_volume < volume_min || candidate.dollar_volume.raw() <= 0 {
        return Some(format!("a dollar volume of {}", candidate.dollar_volume));
    }
    let is_usual = candidate.volatility.is_some_and(|volatility| {
        rules.volatility_min <= volatility && volatility <= rules.volatility_max
    });
    (!is_usual).then(|| format!("a volatility of {}", shown(candidate.volatility)))
}

#[cfg(test)]
mod tests {
    use conclave_domain::fixed::{Money, Price};
    use conclave_domain::ratio::Ratio;
    use conclave_domain::time::Time;
    use serde_json::{Value, json};

    use super::*;
    use crate::runtime::agent::Entry;
    use crate::runtime::tests::answer_cases::{
        admits_only_bounded_numbers, read, refuses_what_is_no_answer,
    };
    use crate::selection::sample;

    /// A change of one candidate.
    type Change = fn(&mut Candidate);

    fn good() -> Value {
        json!({"reasoning": "gaps", "vote": "for", "confidence": 0.9,
               "exclusions": [{"symbol": "BOLT", "reason": "gaps of 4 %"}]})
    }

    #[track_caller]
    fn check(symbol: &str, reason: &str, expected: Result<usize, &str>) {
        let mut answer = good();
        answer["exclusions"][0] = json!({"symbol": symbol, "reason": reason});
        let entry = Entry::of::<SymbolScorer>();
        let got = read(&entry, &answer.to_string(), &sample::scoring(), &Limits::default());
        let got = got.map(|advice| advice.levers.len()).map_err(|error| error.to_string());
        match (got, expected) {
            (Ok(got), Ok(expected)) => assert_eq!(got, expected, "{answer}"),
            (Err(got), Err(expected)) => assert!(got.contains(expected), "{got}"),
            (got, expected) => panic!("{got:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn an_answer_names_symbols_of_the_universe() {
        check("BOLT", "gaps", Ok(1));
        check("NONE", "gaps", Err("not in the universe"));
        check("../x", "gaps", Err("is not a symbol"));
        check("BOLT", " ", Err("no reason"));
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        refuses_what_is_no_answer(&Entry::of::<SymbolScorer>(), &good(), &sample::scoring());
    }

    /// B-1: every number that leaves the agent is finite and within its bounds.
    #[test]
    fn any_float_is_bounded_or_refused() {
        let brief = sample::scoring();
        admits_only_bounded_numbers::<SymbolScorer>(&good(), &brief, |answer, raw| {
            answer.confidence = raw;
        });
    }

    fn set(candidate: &mut Candidate, metric: Metric, value: Option<f64>) {
        candidate.metrics.get_mut(&metric).unwrap().value = value.map(Ratio::of);
    }

    #[test]
    fn each_anomaly_alone_excludes() {
        let changes: [(Change, bool); 16] = [
            (|_| {}, false),
            (|one| one.bars = 499, true),
            (|one| one.gap_share = Ratio::of(0.011), true),
            (|one| one.last_bar_at = Time::EPOCH, true),
            (|one| set(one, Metric::HalfLife, Some(0.0)), true),
            (|one| set(one, Metric::HalfLife, Some(250.0)), true),
            (|one| set(one, Metric::HalfLife, None), true),
            (|one| set(one, Metric::GarchPersistence, Some(0.9999)), true),
            (|one| set(one, Metric::GarchPersistence, Some(0.9998)), false),
            (|one| set(one, Metric::HurstShort, Some(1.0)), true),
            (|one| set(one, Metric::HurstLong, Some(0.0)), true),
            (|one| one.price = "4.99".parse::<Price>().unwrap(), true),
            (|one| one.dollar_volume = Money::from_units(9_999_999).unwrap(), true),
            (|one| one.volatility = Some(Ratio::of(0.61)), true),
            (|one| one.volatility = None, true),
            (
                |one| {
                    one.class = AssetClass::Crypto;
                    one.price = "0.01".parse::<Price>().unwrap();
                },
                false,
            ),
        ];
        for (index, (change, excludes)) in changes.into_iter().enumerate() {
            let mut brief = sample::scoring();
            change(&mut brief.candidates[1]);
            let answer = SymbolScorer::rules(&brief, &Limits::default());
            let named: Vec<&str> =
                answer.exclusions.iter().map(|one| one.symbol.as_str()).collect();
            assert_eq!(named == ["BOLT"], excludes, "change {index}: {answer:?}");
            brief.step = SelectionStep::Vote;
            let vote = SymbolScorer::rules(&brief, &Limits::default()).vote;
            assert_eq!(vote, if excludes { Ballot::Against } else { Ballot::For });
        }
    }
}
