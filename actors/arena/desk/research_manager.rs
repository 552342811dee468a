//! Research Manager: who argued better, and which way it all leans.
//!
//! Rules: d = strength of the bull − strength of the bear, each as it stands at the end of the debate; more
//! than 0.1 apart somebody wins, else it is a draw. The lean is that of 0.7·net + 0.3·d, where net is the
//! mean of the reports' leans by weight and confidence, shrunken where little is known; of net alone where nobody debated. Confidence:
//! (0.4 + 0.6·|score|) × (0.5 + its own hit rate on the symbol, shrunken to one half), at most 1.

use conclave_domain::advice::Advice;
use conclave_domain::arena::desk::DeskRole;
use conclave_domain::arena::desk::brief::DeskBrief;
use conclave_domain::arena::desk::said::{Lean, Winner};
use conclave_domain::limits::Limits;
use conclave_domain::role::Role;

use super::answer::{Judgement, admit};
use super::evidence::{Evidence, hit_rate, points, signed};
use super::roster::{at_the_table, judge};
use crate::runtime::agent::{Agent, Cadence, ConsultError};

/// How far apart two sides are where one wins.
const WON_BY: f64 = 0.1;
/// Weight of the debate beside the reports.
const DEBATE_WEIGHT: f64 = 0.3;

/// The agent.
#[derive(Debug)]
pub(super) struct ResearchManager;

impl Agent for ResearchManager {
    type Brief = DeskBrief;
    type Answer = Judgement;
    const ROLE: Role = judge(
        "research_manager",
        "Research Manager",
        "Judges the debate on one symbol and says which way it leans.",
    );
    const CADENCE: Cadence = Cadence::EachRound;

    fn instructions(_limits: &Limits) -> String {
        format!(
            "Judge the debate and the reports. {}\n\
             - `winner`: who argued better from figures that stand in the reports; draw where neither \
             did. Loudness, length and order do not count.\n\
             - `lean`: which way it all leans; neither only where the figures balance, unknown where \
             they do not suffice.\n\
             - `lessons` in which you were wrong lower your confidence, those in which you were right \
             do not raise it above what the figures carry.",
            at_the_table()
        )
    }

    fn rules(brief: &DeskBrief, _limits: &Limits) -> Judgement {
        let net = Evidence::of(brief).net();
        let strength = |role: DeskRole| {
            let last = brief.debate.iter().rfind(|said| said.role == role);
            last.map(|said| said.remark.confidence.get())
        };
        let apart = match (strength(DeskRole::Bull), strength(DeskRole::Bear)) {
            (Some(bull), Some(bear)) => Some(bull - bear),
            _ => None,
        };
        let winner = match apart {
            Some(apart) if apart > WON_BY => Winner::Bull,
            Some(apart) if apart < -WON_BY => Winner::Bear,
            _ => Winner::Draw,
        };
        let score = apart.map_or(net, |apart| (1.0 - DEBATE_WEIGHT) * net + DEBATE_WEIGHT * apart);
        let hits = hit_rate(brief);
        let debated = apart.map_or_else(
            || "nobody debated".to_owned(),
            |apart| format!("the sides are {} apart", signed(apart)),
        );
        Judgement {
            reasoning: format!(
                "score {} of reports at {}; {debated}; own hit rate {hits:.3}",
                signed(score),
                signed(net)
            ),
            winner,
            lean: Lean::of_score(score),
            points: points(brief, score.signum()),
            confidence: (0.4 + 0.6 * score.abs()) * (0.5 + hits),
        }
    }

    fn admit(answer: Judgement, _: &DeskBrief, limits: &Limits) -> Result<Advice, ConsultError> {
        admit(&Self::ROLE, (&answer.reasoning, answer.confidence), limits)
    }
}
