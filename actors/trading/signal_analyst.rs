//! Signal Analyst: how far to trust a signal, given the regime it fired in.
//!
//! Team trading, authority advise. Answers `confidence_multiplier` (unitless factor on the signal's
//! raw confidence) and `PROCEED`, `REDUCE_SIZE` or `SKIP`. The confidence gate was passed on the raw
//! confidence before the round; the adjusted one scales the size, so that a legal factor below one is
//! never a hidden veto.
//!
//! Rules: `m = 1 + 0.25·dir·(P_bull − P_bear) + 0.30·(hit_rate − 0.5) − 0.15·vol_z⁺`.
//! Vote: m ≥ 0.9 PROCEED, for; m ≥ 0.75 `REDUCE_SIZE`, for; below, or with a likely crash against the
//! direction, SKIP, against. Where `vol_z` is unknown (fewer than 250 values) its term cannot be
//! computed; then the factor is at most 1 and `PROCEED` becomes `REDUCE_SIZE`: nothing unknown raises.
//!
//! News: a mean sentiment s (−2 to 2, seen in the signal's direction) of relevance r (0 to 3) shifts the
//! factor by 0.01·s⁺·r÷3 − 0.04·s⁻·r÷3, and by −0.02 more when an item seems to talk to its reader or
//! could not be read; such news never raise it. So news move it up by 0.02 at most and down by 0.10, and
//! they never trigger anything alone: they cannot better the recommendation, nor bring about a SKIP; at
//! most PROCEED becomes `REDUCE_SIZE`.

use conclave_domain::advice::{Advice, Lever};
use conclave_domain::brief::trading::TradingBrief;
use conclave_domain::limits::Limits;
use conclave_domain::news::view::NewsView;
use conclave_domain::role::{Authority, Role, Team, Tier};
use conclave_domain::signal::Direction;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::runtime::agent::{Agent, Cadence, ConsultError};
use crate::runtime::answer::{Ballot, Draft, shown};

/// Weight of the regime's lean towards the direction.
const REGIME_WEIGHT: f64 = 0.25;
/// Weight of the source's hit rate above one half.
const HIT_RATE_WEIGHT: f64 = 0.30;
/// Weight of volatility above its mean, per standard deviation.
const VOLATILITY_WEIGHT: f64 = 0.15;
/// Weight of good news, per point of sentiment at the highest relevance.
const NEWS_GOOD_WEIGHT: f64 = 0.01;
/// Weight of bad news, per point of sentiment at the highest relevance.
const NEWS_BAD_WEIGHT: f64 = 0.04;
/// What suspected or unread news take off.
const NEWS_SUSPECTED: f64 = 0.02;
/// The highest relevance of news.
const RELEVANCE_MAX: f64 = 3.0;
/// From this factor on the entry proceeds at full size.
const PROCEED_FROM: f64 = 0.90;
/// From this factor on the entry proceeds at reduced size.
const REDUCE_FROM: f64 = 0.75;

/// What to do with the signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Recommendation {
    /// Enter.
    Proceed,
    /// Enter at a reduced size.
    ReduceSize,
    /// Do not enter.
    Skip,
}

/// The raw answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// One sentence with the figures that decided.
    pub reasoning: String,
    /// Factor on the signal's confidence.
    #[schemars(extend("x-bound" = "confidence_multiplier"))]
    pub confidence_multiplier: f64,
    /// What to do with the signal.
    pub recommendation: Recommendation,
    /// For or against the entry.
    pub vote: Ballot,
    /// How sure you are of this answer.
    #[schemars(extend("x-bound" = "confidence"))]
    pub confidence: f64,
}

/// The agent.
#[derive(Debug)]
pub struct SignalAnalyst;

impl Agent for SignalAnalyst {
    type Brief = TradingBrief;
    type Answer = Answer;
    const ROLE: Role = Role {
        name: "signal_analyst",
        title: "Signal Analyst",
        team: Team::Trading,
        authority: Authority::Advise,
        tier: Tier::Sonnet,
        purpose: "Says how far to trust a signal, given the regime it fired in.",
    };
    const CADENCE: Cadence = Cadence::EachEntry;

    fn instructions(limits: &Limits) -> String {
        let bounds = &limits.bounds.confidence_multiplier;
        format!(
            "Say how far to trust the signal: its regime, its source's hit rate on the symbol, and \
             how unusual the present volatility is.\n\
             - `confidence_multiplier` scales the signal's confidence; it is clamped to {min} .. \
             {max}.\n\
             - `recommendation`: PROCEED, REDUCE_SIZE (the size times {reduced}) or SKIP.\n\
             - `vote`: for with PROCEED and REDUCE_SIZE, against with SKIP, abstain when the \
             figures do not suffice.\n\
             - A crash probability above {crash} against the direction is a reason to SKIP.\n\
             - A yardstick: one, plus {regime} × direction × (bull − bear), plus {hits} × (hit rate \
             − one half), minus {volatility} × volatility z where positive; PROCEED from {proceed}, \
             REDUCE_SIZE from {reduce}, else SKIP.\n\
             - `news`, where there are any, is what a reader made of texts from outside: whole numbers \
             and words, already seen as a whole. Bad news for the direction take off up to {bad} per \
             point of sentiment, good news add up to {good}, suspected or unread ones take off \
             {suspected} and never add. News alone are no reason to PROCEED nor to SKIP.",
            min = bounds.min(),
            max = bounds.max(),
            reduced = limits.sizing.reduce_factor,
            crash = limits.soft.crash_max,
            regime = REGIME_WEIGHT,
            hits = HIT_RATE_WEIGHT,
            volatility = VOLATILITY_WEIGHT,
            proceed = PROCEED_FROM,
            reduce = REDUCE_FROM,
            bad = NEWS_BAD_WEIGHT,
            good = NEWS_GOOD_WEIGHT,
            suspected = NEWS_SUSPECTED,
        )
    }

    fn rules(brief: &TradingBrief, limits: &Limits) -> Answer {
        let regime = &brief.regime;
        let lean = brief.direction.sign() * (regime.bull.get() - regime.bear.get());
        let known = 1.0 + REGIME_WEIGHT * lean + HIT_RATE_WEIGHT * (brief.hit_rate.get() - 0.5);
        let vol_z = brief.features.vol_z;
        let multiplier = match vol_z {
            Some(z) => known - VOLATILITY_WEIGHT * z.get().max(0.0),
            None => known.min(1.0),
        };
        let crash_against =
            brief.direction == Direction::Long && regime.crash > limits.soft.crash_max;
        let shift = brief.news.as_ref().map(|news| shift_by(news, brief.direction));
        let shifted = multiplier + shift.unwrap_or(0.0);
        let recommendation = if multiplier < REDUCE_FROM || crash_against {
            Recommendation::Skip
        } else if multiplier.min(shifted) < PROCEED_FROM || vol_z.is_none() {
            // News can only bring it down to here.
            Recommendation::ReduceSize
        } else {
            Recommendation::Proceed
        };
        let edge = if crash_against { limits.soft.crash_max.get() } else { REDUCE_FROM };
        let distance = if crash_against { regime.crash.get() } else { multiplier } - edge;
        let told = shift.map_or_else(String::new, |shift| format!(", news {shift:+.3}"));
        Answer {
            reasoning: format!(
                "multiplier {shifted:.3} from regime lean {lean:.3}, hit rate {:.3} and \
                 volatility z {}{told}; crash probability {:.3}",
                brief.hit_rate.get(),
                shown(vol_z),
                regime.crash.get()
            ),
            confidence_multiplier: shifted,
            recommendation,
            vote: if recommendation == Recommendation::Skip {
                Ballot::Against
            } else {
                Ballot::For
            },
            // Half sure on the edge between taking and skipping, surer with the distance from it.
            confidence: 0.5 + distance.abs(),
        }
    }

    fn admit(
        answer: Answer,
        _brief: &TradingBrief,
        limits: &Limits,
    ) -> Result<Advice, ConsultError> {
        let mut draft = Draft::new(limits);
        let bounds = &limits.bounds.confidence_multiplier;
        let value = draft.admit(bounds, answer.confidence_multiplier)?;
        draft.ask(Lever::ConfidenceMultiplier { value });
        if answer.recommendation == Recommendation::ReduceSize {
            draft.ask(Lever::ReduceSize);
        }
        // A vote for what the same answer says to skip contradicts itself; the cautious half counts.
        let vote = match (answer.vote, answer.recommendation) {
            (Ballot::For, Recommendation::Skip) => Ballot::Against,
            (vote, _) => vote,
        };
        draft.finish(&Self::ROLE, vote.into(), answer.confidence, &answer.reasoning)
    }
}

/// How far the news shift the factor: −0.10 to 0.02.
fn shift_by(news: &NewsView, direction: Direction) -> f64 {
    let sentiment = direction.sign() * f64::from(news.sentiment);
    let relevance = f64::from(news.relevance) / RELEVANCE_MAX;
    let is_doubtful = news.suspected > 0 || news.unread > 0;
    if is_doubtful || sentiment < 0.0 {
        let doubt = if is_doubtful { NEWS_SUSPECTED } else { 0.0 };
        sentiment.min(0.0) * NEWS_BAD_WEIGHT * relevance - doubt
    } else {
        sentiment * NEWS_GOOD_WEIGHT * relevance
    }
}

#[cfg(test)]
mod tests {
    use conclave_domain::advice::{Stance, Vote};
    use conclave_domain::ratio::Ratio;
    use serde_json::json;

    use super::*;
    use crate::runtime::agent::Entry;
    use crate::runtime::tests::answer_cases::{
        admits_only_bounded_numbers, read, refuses_what_is_no_answer,
    };
    use crate::trading::sample;

    fn good() -> serde_json::Value {
        json!({"reasoning": "a calm bull market", "confidence_multiplier": 1.1,
               "recommendation": "PROCEED", "vote": "for", "confidence": 0.8})
    }

    #[track_caller]
    fn check(multiplier: f64, recommendation: &str, vote: &str, expected: (f64, usize, Vote)) {
        let mut answer = good();
        answer["confidence_multiplier"] = json!(multiplier);
        answer["recommendation"] = json!(recommendation);
        answer["vote"] = json!(vote);
        let entry = Entry::of::<SignalAnalyst>();
        let advice =
            read(&entry, &answer.to_string(), &sample::entry(), &Limits::default()).unwrap();
        let value = advice.levers.iter().find_map(|lever| match lever {
            Lever::ConfidenceMultiplier { value } => Some(value.get()),
            _ => None,
        });
        let expected_value = (expected.2 != Vote::Abstain).then_some(expected.0);
        assert_eq!(value, expected_value, "{answer}");
        assert_eq!(advice.clamps.len(), expected.1, "{answer}");
        assert_eq!(advice.stance, Stance::Vote(expected.2), "{answer}");
    }

    #[test]
    fn an_answer_is_read_clamped_and_held_to_its_own_word() {
        check(1.1, "PROCEED", "for", (1.1, 0, Vote::For));
        check(7.0, "PROCEED", "for", (1.3, 1, Vote::For));
        check(-7.0, "REDUCE_SIZE", "for", (0.7, 1, Vote::For));
        check(1.1, "SKIP", "for", (1.1, 0, Vote::Against));
        check(1.1, "PROCEED", "against", (1.1, 0, Vote::Against));
        check(1.1, "PROCEED", "abstain", (1.1, 0, Vote::Abstain));
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        refuses_what_is_no_answer(&Entry::of::<SignalAnalyst>(), &good(), &sample::entry());
    }

    /// B-1: every number that leaves the agent is finite and within its bounds.
    #[test]
    fn any_float_is_bounded_or_refused() {
        let brief = sample::entry();
        admits_only_bounded_numbers::<SignalAnalyst>(&good(), &brief, |answer, raw| {
            answer.confidence_multiplier = raw;
        });
        admits_only_bounded_numbers::<SignalAnalyst>(&good(), &brief, |answer, raw| {
            answer.confidence = raw;
        });
    }

    #[test]
    fn the_rules_are_the_formula() {
        let mut brief = sample::entry();
        brief.regime.bull = Ratio::of(0.6);
        brief.regime.bear = Ratio::of(0.2);
        brief.hit_rate = Ratio::of(0.6);
        brief.features.vol_z = Some(Ratio::of(-1.0));
        let limits = Limits::default();
        // 1 + 0.25 × 0.4 + 0.30 × 0.1 − 0
        let answer = SignalAnalyst::rules(&brief, &limits);
        assert!((answer.confidence_multiplier - 1.13).abs() < 1e-12);
        assert_eq!(answer.recommendation, Recommendation::Proceed);

        brief.direction = Direction::Short;
        brief.features.vol_z = Some(Ratio::of(0.4));
        // 1 − 0.1 + 0.03 − 0.15 × 0.4 = 0.87
        let answer = SignalAnalyst::rules(&brief, &limits);
        assert!((answer.confidence_multiplier - 0.87).abs() < 1e-12);
        assert_eq!(answer.recommendation, Recommendation::ReduceSize);

        brief.features.vol_z = Some(Ratio::of(8.0));
        // 0.93 − 1.2: raw and far out of bounds; the one clamp follows
        let answer = SignalAnalyst::rules(&brief, &limits);
        assert!((answer.confidence_multiplier + 0.27).abs() < 1e-12);
        assert_eq!((answer.recommendation, answer.vote), (Recommendation::Skip, Ballot::Against));
    }

    #[test]
    fn a_likely_crash_is_skipped_by_longs_only() {
        let mut brief = sample::entry();
        brief.regime.crash = Ratio::of(0.51);
        let limits = Limits::default();
        assert_eq!(SignalAnalyst::rules(&brief, &limits).recommendation, Recommendation::Skip);
        brief.direction = Direction::Short;
        assert_ne!(SignalAnalyst::rules(&brief, &limits).recommendation, Recommendation::Skip);
    }

    #[test]
    fn unknown_volatility_never_raises_and_reduces_the_size() {
        let mut brief = sample::entry();
        brief.features.vol_z = None;
        brief.regime.bull = Ratio::of(0.9);
        brief.regime.bear = Ratio::ZERO;
        let answer = SignalAnalyst::rules(&brief, &Limits::default());
        assert!(answer.confidence_multiplier <= 1.0);
        assert_eq!(answer.recommendation, Recommendation::ReduceSize);
    }

    /// Goal: news lower more than they raise, and alone they trigger nothing.
    /// Method: every view there can be, on a grid of multipliers on both sides of each threshold.
    #[test]
    fn news_shift_a_little_and_never_decide() {
        let limits = Limits::default();
        let mut lowest = 0.0_f64;
        for (hit_rate, direction) in
            (0..=10).flat_map(|tenth| [Direction::Long, Direction::Short].map(|it| (tenth, it)))
        {
            let mut brief = sample::entry();
            brief.direction = direction;
            brief.hit_rate = Ratio::of(f64::from(hit_rate) / 10.0);
            let without = SignalAnalyst::rules(&brief, &limits);
            for (sentiment, relevance, suspected, unread) in views() {
                brief.news = Some(NewsView {
                    items: 1,
                    unread,
                    sentiment,
                    relevance,
                    newest: None,
                    newest_age_hours: 1,
                    suspected,
                });
                let with = SignalAnalyst::rules(&brief, &limits);
                let shift = with.confidence_multiplier - without.confidence_multiplier;
                lowest = lowest.min(shift);
                assert!((-0.100_000_1..=0.020_000_1).contains(&shift), "{shift}");
                let helps = f64::from(sentiment) * direction.sign() > 0.0;
                assert!(shift <= 1e-12 || (helps && suspected == 0 && unread == 0), "{shift}");
                assert_eq!(with.vote, without.vote);
                let step = match (without.recommendation, with.recommendation) {
                    (before, after) if before == after => true,
                    (before, after) => {
                        before == Recommendation::Proceed && after == Recommendation::ReduceSize
                    }
                };
                assert!(step, "{:?} became {:?}", without.recommendation, with.recommendation);
                assert!((with.confidence - without.confidence).abs() < 1e-12);
            }
        }
        assert!((lowest + 0.10).abs() < 1e-9, "the worst news take off a tenth: {lowest}");
    }

    fn views() -> impl Iterator<Item = (i8, u8, u32, u32)> {
        let doubts = [(0, 0), (1, 0), (0, 1), (5, 5)];
        (-2..=2).flat_map(move |sentiment| {
            (0..=3).flat_map(move |relevance| {
                doubts.map(|(suspected, unread)| (sentiment, relevance, suspected, unread))
            })
        })
    }
}
