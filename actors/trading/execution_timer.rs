//! Execution Timer: how the order should reach the market, and whether now.
//!
//! Team trading, authority advise. Answers MARKET, or LIMIT with `limit_offset_bp` (distance on the
//! passive side of the last price, basis points) and a time in force.
//!
//! Rules: LIMIT in an extended session, or when spread > 10 bp, `vol_z` > 1, or the gap is larger than
//! one ATR; offset spread ÷ 2 + `5·vol_z⁺` bp. An unknown spread, volatility z, gap or ATR counts as
//! unusual, so the order is a LIMIT; an unknown part adds nothing to the offset, and the limit then
//! stands at the last price, which an unknown market cannot worsen.
//! Vote: against when the session is closed, an order for the symbol is open, or the 20-day dollar
//! volume is below 20 × the order or unknown; else for.

use conclave_domain::advice::{Advice, Lever};
use conclave_domain::brief::trading::{Session, TradingBrief};
use conclave_domain::limits::Limits;
use conclave_domain::market::symbol::AssetClass;
use conclave_domain::order::TimeInForce;
use conclave_domain::role::{Authority, Role, Team, Tier};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::runtime::agent::{Agent, Cadence, ConsultError};
use crate::runtime::answer::{Ballot, Draft, shown};

/// A spread above this is wide, basis points.
const WIDE_SPREAD_BP: f64 = 10.0;
/// Volatility above its mean by more standard deviations than this is unusual.
const UNUSUAL_VOL_Z: f64 = 1.0;
/// Basis points of offset per standard deviation of volatility.
const OFFSET_PER_VOL_Z_BP: f64 = 5.0;
/// How many times the order the daily dollar volume must be.
const VOLUME_MULTIPLE: f64 = 20.0;

/// The kind of order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OrderType {
    /// At once, at the market's price.
    Market,
    /// At a stated price or better.
    Limit,
}

/// How long a limit order stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stays {
    /// Until the end of the session.
    Day,
    /// Until it is canceled.
    Gtc,
    /// At once or not at all.
    Ioc,
}

impl From<Stays> for TimeInForce {
    fn from(stays: Stays) -> Self {
        match stays {
            Stays::Day => Self::Day,
            Stays::Gtc => Self::Gtc,
            Stays::Ioc => Self::Ioc,
        }
    }
}

/// The raw answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// One sentence with the figures that decided.
    pub reasoning: String,
    /// The kind of order.
    pub order_type: OrderType,
    /// Distance of the limit price from the last price on the passive side, basis points; without
    /// effect on a market order.
    #[schemars(extend("x-bound" = "limit_offset_bp"))]
    pub limit_offset_bp: f64,
    /// How long a limit order stays.
    pub time_in_force: Stays,
    /// For or against sending it now.
    pub vote: Ballot,
    /// How sure you are of this answer.
    #[schemars(extend("x-bound" = "confidence"))]
    pub confidence: f64,
}

/// The agent.
#[derive(Debug)]
pub struct ExecutionTimer;

impl Agent for ExecutionTimer {
    type Brief = TradingBrief;
    type Answer = Answer;
    const ROLE: Role = Role {
        name: "execution_timer",
        title: "Execution Timer",
        team: Team::Trading,
        authority: Authority::Advise,
        tier: Tier::Haiku,
        purpose: "Says how an order should reach the market, and whether now.",
    };
    const CADENCE: Cadence = Cadence::EachEntry;

    fn instructions(limits: &Limits) -> String {
        let bounds = &limits.bounds.limit_offset_bp;
        format!(
            "Say how the order should reach the market, and whether now.\n\
             - `order_type`: MARKET, or LIMIT. Outside the regular session only a LIMIT for the \
             day is taken.\n\
             - `limit_offset_bp`: how far the limit stands on the passive side of the last price; \
             it is clamped to {min} .. {max} basis points and without effect on MARKET.\n\
             - `time_in_force`: day, gtc or ioc.\n\
             - `vote`: against when the session is closed, when an order for the symbol is open, or \
             when the mean dollar volume is less than {volume} times the order.\n\
             - A yardstick: LIMIT in an extended session, at a spread above {spread} bp, at a \
             volatility z above {vol_z}, or after a gap larger than the ATR; offset half the \
             spread plus {per_z} bp per volatility z.",
            min = bounds.min(),
            max = bounds.max(),
            volume = VOLUME_MULTIPLE,
            spread = WIDE_SPREAD_BP,
            vol_z = UNUSUAL_VOL_Z,
            per_z = OFFSET_PER_VOL_Z_BP,
        )
    }

    fn rules(brief: &TradingBrief, _limits: &Limits) -> Answer {
        let features = &brief.features;
        let extended = is_extended(brief);
        let wide = features.spread_bp.is_none_or(|spread| spread.get() > WIDE_SPREAD_BP);
        let unusual = features.vol_z.is_none_or(|z| z.get() > UNUSUAL_VOL_Z);
        let gapped = match (features.gap_pct, features.atr14_pct) {
            (Some(gap), Some(atr)) => gap.get().abs() > atr.get(),
            _ => true,
        };
        let limit = extended || wide || unusual || gapped;
        let half_spread = features.spread_bp.map_or(0.0, |spread| spread.get() / 2.0);
        let for_volatility = features.vol_z.map_or(0.0, |z| OFFSET_PER_VOL_Z_BP * z.get().max(0.0));
        let (vote, confidence, why) = whether_now(brief);
        Answer {
            reasoning: format!(
                "{}: {why}; spread {} bp, volatility z {}, gap {}",
                if limit { "limit" } else { "market" },
                shown(features.spread_bp),
                shown(features.vol_z),
                shown(features.gap_pct)
            ),
            order_type: if limit { OrderType::Limit } else { OrderType::Market },
            limit_offset_bp: if limit { half_spread + for_volatility } else { 0.0 },
            time_in_force: Stays::Day,
            vote,
            confidence,
        }
    }

    fn admit(
        answer: Answer,
        brief: &TradingBrief,
        limits: &Limits,
    ) -> Result<Advice, ConsultError> {
        let mut draft = Draft::new(limits);
        let offset_bp = draft.admit(&limits.bounds.limit_offset_bp, answer.limit_offset_bp)?;
        // Outside the regular session the market takes limit and day alone: not the agent's choice.
        let (order_type, stays) = if is_extended(brief) {
            (OrderType::Limit, Stays::Day)
        } else {
            (answer.order_type, answer.time_in_force)
        };
        draft.ask(match order_type {
            OrderType::Market => Lever::MarketOrder,
            OrderType::Limit => Lever::LimitOrder { offset_bp, time_in_force: stays.into() },
        });
        draft.finish(&Self::ROLE, answer.vote.into(), answer.confidence, &answer.reasoning)
    }
}

/// Whether the exchange is open outside its regular session; coins know no sessions.
fn is_extended(brief: &TradingBrief) -> bool {
    brief.asset_class == AssetClass::Equity
        && matches!(brief.session, Session::Pre | Session::After)
}

/// Whether the order may be sent now: the vote, how sure, and why.
fn whether_now(brief: &TradingBrief) -> (Ballot, f64, String) {
    let closed = match brief.asset_class {
        AssetClass::Crypto => false,
        AssetClass::Equity => matches!(brief.session, Session::Closed | Session::CryptoOnly),
    };
    if closed {
        return (Ballot::Against, 1.0, "the session is closed".to_owned());
    }
    if brief.book.open_order_for_symbol {
        return (Ballot::Against, 1.0, "an order for the symbol is open".to_owned());
    }
    let Some(volume) = brief.features.dollar_volume_20 else {
        return (Ballot::Against, 0.5, "the dollar volume is unknown".to_owned());
    };
    let (volume, needed) = (volume.to_f64(), VOLUME_MULTIPLE * brief.order_value.to_f64().abs());
    let why = format!("dollar volume {volume:.0} against {needed:.0} needed");
    if volume < needed {
        // Surer the thinner the market is beside what the order needs.
        (Ballot::Against, 1.0 - volume.max(0.0) / needed / 2.0, why)
    } else {
        // A market of no volume at all meets an order of no value: nothing is sure about it.
        let used = if volume > 0.0 { needed / volume } else { 1.0 };
        (Ballot::For, 1.0 - used / 2.0, why)
    }
}

#[cfg(test)]
mod tests {
    use conclave_domain::advice::{Stance, Vote};
    use conclave_domain::fixed::Money;
    use conclave_domain::ratio::Ratio;
    use serde_json::json;

    use super::*;
    use crate::runtime::agent::Entry;
    use crate::runtime::tests::answer_cases::{
        admits_only_bounded_numbers, read, refuses_what_is_no_answer,
    };
    use crate::trading::sample;

    /// A change of a brief.
    type Change = fn(&mut TradingBrief);

    fn good() -> serde_json::Value {
        json!({"reasoning": "thin", "order_type": "LIMIT", "limit_offset_bp": 5.0,
               "time_in_force": "gtc", "vote": "for", "confidence": 0.8})
    }

    #[track_caller]
    fn check(order_type: &str, offset_bp: f64, session: Session, expected: &str, clamps: usize) {
        let mut answer = good();
        answer["order_type"] = json!(order_type);
        answer["limit_offset_bp"] = json!(offset_bp);
        let mut brief = sample::entry();
        brief.session = session;
        let entry = Entry::of::<ExecutionTimer>();
        let advice = read(&entry, &answer.to_string(), &brief, &Limits::default()).unwrap();
        let lever = match &advice.levers[..] {
            [Lever::MarketOrder] => "market".to_owned(),
            [Lever::LimitOrder { offset_bp, time_in_force }] => {
                format!("limit {} {}", offset_bp.get(), time_in_force.name())
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(lever, expected);
        assert_eq!(advice.clamps.len(), clamps, "{expected}");
    }

    #[test]
    fn an_answer_is_read_and_clamped() {
        check("LIMIT", 5.0, Session::Regular, "limit 5 gtc", 0);
        check("LIMIT", 5.0, Session::After, "limit 5 day", 0);
        check("LIMIT", 500.0, Session::Regular, "limit 50 gtc", 1);
        check("LIMIT", -3.0, Session::Regular, "limit 0 gtc", 1);
        check("MARKET", 0.0, Session::Regular, "market", 0);
        check("MARKET", 0.0, Session::After, "limit 0 day", 0);
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        refuses_what_is_no_answer(&Entry::of::<ExecutionTimer>(), &good(), &sample::entry());
    }

    /// B-1: every number that leaves the agent is finite and within its bounds.
    #[test]
    fn any_float_is_bounded_or_refused() {
        let brief = sample::entry();
        admits_only_bounded_numbers::<ExecutionTimer>(&good(), &brief, |answer, raw| {
            answer.limit_offset_bp = raw;
        });
    }

    #[test]
    fn a_calm_market_takes_a_market_order() {
        let answer = ExecutionTimer::rules(&sample::entry(), &Limits::default());
        assert_eq!((answer.order_type, answer.vote), (OrderType::Market, Ballot::For));
    }

    #[test]
    fn each_reason_alone_makes_it_a_limit_order() {
        let changes: [(&str, Change, f64); 8] = [
            ("extended session", |brief| brief.session = Session::Pre, 2.0),
            ("spread", |brief| brief.features.spread_bp = Some(Ratio::of(30.0)), 15.0),
            ("volatility", |brief| brief.features.vol_z = Some(Ratio::of(2.0)), 12.0),
            ("gap", |brief| brief.features.gap_pct = Some(Ratio::of(-0.05)), 2.0),
            ("no spread", |brief| brief.features.spread_bp = None, 0.0),
            ("no volatility", |brief| brief.features.vol_z = None, 2.0),
            ("no gap", |brief| brief.features.gap_pct = None, 2.0),
            ("no atr", |brief| brief.features.atr14_pct = None, 2.0),
        ];
        for (name, change, offset_bp) in changes {
            let mut brief = sample::entry();
            brief.features.spread_bp = Some(Ratio::of(4.0));
            brief.features.vol_z = Some(Ratio::ZERO);
            change(&mut brief);
            let answer = ExecutionTimer::rules(&brief, &Limits::default());
            assert_eq!(answer.order_type, OrderType::Limit, "{name}");
            assert!((answer.limit_offset_bp - offset_bp).abs() < 1e-12, "{name}: {answer:?}");
        }
    }

    #[test]
    fn each_reason_alone_votes_against() {
        let changes: [(&str, Change); 4] = [
            ("closed", |brief| brief.session = Session::Closed),
            ("open order", |brief| brief.book.open_order_for_symbol = true),
            ("no volume", |brief| brief.features.dollar_volume_20 = None),
            ("thin", |brief| {
                // 20 × 10 000 needed
                brief.order_value = Money::from_units(10_000).unwrap();
                brief.features.dollar_volume_20 = Some(Money::from_units(199_999).unwrap());
            }),
        ];
        let entry = Entry::of::<ExecutionTimer>();
        for (name, change) in changes {
            let mut brief = sample::entry();
            change(&mut brief);
            let raw = (entry.rules)(&brief, &Limits::default());
            let advice = (entry.read)(&raw, &brief, &Limits::default()).unwrap();
            assert_eq!(advice.stance, Stance::Vote(Vote::Against), "{name}");
        }
    }

    #[test]
    fn coins_trade_while_the_exchange_sleeps() {
        let mut brief = sample::entry();
        brief.session = Session::CryptoOnly;
        assert_eq!(ExecutionTimer::rules(&brief, &Limits::default()).vote, Ballot::Against);
        brief.asset_class = AssetClass::Crypto;
        assert_eq!(ExecutionTimer::rules(&brief, &Limits::default()).vote, Ballot::For);
    }
}
