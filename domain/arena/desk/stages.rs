//! A desk's decision as everybody may read it: the stages of `ModelChat`, made of what its roles said.
//!
//! Figures come from the material that the roles were shown, not from what they say of it.

use std::collections::BTreeMap;

use super::conversation::Conversation;
use super::said::{Missed, Said, Word};
use super::words::DeskRole;
use crate::arena::chat::{ChatStages, Debate, Stage, StageState};
use crate::arena::gate::{Indicators, Material};
use crate::ratio::Ratio;

/// The stages before the decision.
pub fn stages(conversation: &Conversation, material: &Material) -> ChatStages {
    let missing: BTreeMap<DeskRole, Missed> = conversation.missing().into_iter().collect();
    let of = |roles: &[DeskRole]| stage(roles, conversation, &missing);
    let mut market_analysis = of(&[DeskRole::MarketAnalyst]);
    market_analysis.metrics.extend(material.indicators.as_ref().map(figures).unwrap_or_default());
    let mut fundamentals = of(&[DeskRole::FundamentalsAnalyst]);
    if let Some(newest) = material.statements.items.last() {
        let shown = newest.figures.iter().map(|(name, figure)| (name.clone(), figure.to_string()));
        fundamentals.metrics.extend(shown);
        fundamentals.metrics.insert("period_end".to_owned(), newest.period_end.to_string());
    }
    let mut news_sentiment = of(&[DeskRole::NewsAnalyst, DeskRole::SocialAnalyst]);
    for (name, count) in [
        ("news", material.news.items.len()),
        ("filings", material.filings.items.len()),
        ("posts", material.posts.items.len()),
    ] {
        news_sentiment.metrics.insert(name.to_owned(), count.to_string());
    }
    for stage in [&mut market_analysis, &mut fundamentals, &mut news_sentiment] {
        if stage.state != StageState::Done {
            stage.metrics.clear();
        }
    }
    ChatStages {
        market_analysis,
        fundamentals,
        news_sentiment,
        debate: debate(conversation, &missing),
        trader: of(&[DeskRole::Trader]),
        risk_check: of(&DeskRole::RISK_DEBATERS),
    }
}

/// One stage out of the last words of its roles.
fn stage(
    roles: &[DeskRole],
    conversation: &Conversation,
    missing: &BTreeMap<DeskRole, Missed>,
) -> Stage {
    let said: Vec<&Said> = roles.iter().filter_map(|role| conversation.last(*role)).collect();
    let absent = |role: &DeskRole| Some(format!("{role}: {}", missing.get(role)?.text()));
    let absent: Vec<String> = roles.iter().filter_map(absent).collect();
    if said.is_empty() {
        let state = if absent.is_empty() { StageState::NotPart } else { StageState::Missing };
        return Stage { state, reasoning: absent.join("; "), ..Stage::default() };
    }
    let is_alone = roles.len() == 1;
    let spoken = |said: &&Said| {
        let reasoning = &said.remark.reasoning;
        if is_alone { reasoning.clone() } else { format!("{}: {reasoning}", said.role) }
    };
    let reasoning: Vec<String> = said.iter().map(spoken).chain(absent).collect();
    let mut metrics = BTreeMap::new();
    for said in &said {
        let (key, word) = match said.word {
            Word::Report { lean } => ("lean", lean.text()),
            Word::Rating { rating } => ("rating", rating.name()),
            Word::Argument | Word::Judgement { .. } => continue,
        };
        let key = if is_alone { key.to_owned() } else { format!("{}_{key}", said.role) };
        metrics.insert(key, word.to_owned());
    }
    Stage {
        state: StageState::Done,
        key_insights: said.iter().flat_map(|said| said.remark.points.clone()).collect(),
        metrics,
        reasoning: reasoning.join("; "),
        confidence: mean(said.iter().map(|said| said.remark.confidence)),
    }
}

fn debate(conversation: &Conversation, missing: &BTreeMap<DeskRole, Missed>) -> Debate {
    let side = |role: DeskRole| {
        let said = conversation.last(role).map(|said| {
            let points = said.remark.points.iter().map(|point| format!("; {point}"));
            format!("{}{}", said.remark.reasoning, points.collect::<String>())
        });
        let absent = || missing.get(&role).map(Missed::text);
        said.or_else(absent).unwrap_or_default()
    };
    let (bull, bear) = (side(DeskRole::Bull), side(DeskRole::Bear));
    let judgement = conversation.judgement();
    let winner = judgement.and_then(|said| match said.word {
        Word::Judgement { winner, .. } => Some(winner.name().to_owned()),
        _ => None,
    });
    let absent = || missing.get(&DeskRole::ResearchManager).map(Missed::text);
    let state = match (judgement, absent()) {
        (None, None) if bull.is_empty() && bear.is_empty() => StageState::NotPart,
        (None, Some(_)) if bull.is_empty() && bear.is_empty() => StageState::Missing,
        _ => StageState::Done,
    };
    let reasoning = judgement.map(|said| said.remark.reasoning.clone());
    let reasoning = reasoning.or_else(absent).unwrap_or_default();
    let confidence = judgement.map(|said| said.remark.confidence);
    Debate { state, bull, bear, winner, reasoning, confidence }
}

/// The figures that a reader looks for first; what is not known is not among them.
fn figures(indicators: &Indicators) -> BTreeMap<String, String> {
    let Indicators { close, features, further, regime, .. } = indicators;
    let mut shown = BTreeMap::from([("close".to_owned(), close.to_string())]);
    let known = [
        ("ret_5", features.ret_5),
        ("ret_20", features.ret_20),
        ("vol_20", features.vol_20),
        ("rsi14", features.rsi14),
        ("adx14", features.adx14),
        ("zscore_20", features.zscore_20),
        ("macd_histogram", further.macd.map(|macd| macd.histogram)),
        ("p_bull", Some(regime.bull)),
        ("p_bear", Some(regime.bear)),
        ("p_crash", Some(regime.crash)),
    ];
    for (name, figure) in known {
        if let Some(figure) = figure {
            shown.insert(name.to_owned(), format!("{:.4}", figure.get()));
        }
    }
    shown
}

fn mean(of: impl Iterator<Item = Ratio>) -> Option<Ratio> {
    let (sum, count) = of.fold((0.0, 0_u32), |(sum, count), it| (sum + it.get(), count + 1));
    (count > 0).then(|| Ratio::or_zero(sum / f64::from(count)))
}
