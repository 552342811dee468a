//! Whole conversations of made-up answers: order, rounds, gaps, look-ups and limits.

use proptest::prelude::*;

use super::*;
use crate::arena::desk::said::{Remark, Winner};
use crate::arena::words::Rating;
use crate::market::symbol::Symbol;
use crate::ratio::Ratio;

fn config(debate_rounds: u8, risk_rounds: u8) -> DeskConfig {
    DeskConfig { debate_rounds, risk_rounds, max_steps: 60, ..DeskConfig::default() }
}

fn word(role: DeskRole) -> Word {
    match role {
        DeskRole::Bull | DeskRole::Bear => Word::Argument,
        DeskRole::ResearchManager => Word::Judgement { winner: Winner::Bull, lean: Lean::For },
        role if role.is_analyst() => Word::Report { lean: Lean::For },
        _ => Word::Rating { rating: Rating::Overweight },
    }
}

fn said(turn: Turn) -> Said {
    let remark = Remark::new(&format!("{} speaks", turn.role), &[], Ratio::of(0.6));
    Said { role: turn.role, round: turn.round, word: word(turn.role), remark }
}

#[expect(clippy::unnecessary_wraps, reason = "the form in which answers are heard")]
fn answers(turn: Turn) -> Result<Answer, Missed> {
    Ok(Answer { said: said(turn), requests: Vec::new() })
}

fn bars(count: u16) -> ToolRequest {
    ToolRequest::Bars { symbol: Symbol::new("AAA").unwrap(), until: None, count }
}

/// Plays to the end; who was asked, in waves.
fn play(
    conversation: &mut Conversation,
    mut answer: impl FnMut(Turn) -> Result<Answer, Missed>,
) -> Vec<Vec<Turn>> {
    let mut waves = Vec::new();
    loop {
        let turns = conversation.due();
        if turns.is_empty() {
            assert!(conversation.end().is_some(), "nobody speaks and nothing is decided");
            return waves;
        }
        for turn in &turns {
            assert!(conversation.hear(*turn, answer(*turn), 10));
        }
        waves.push(turns);
    }
}

fn names(waves: &[Vec<Turn>]) -> Vec<Vec<&'static str>> {
    waves.iter().map(|wave| wave.iter().map(|turn| turn.role.name()).collect()).collect()
}

#[test]
fn the_usual_desk_asks_twelve_times_in_nine_waves() {
    let mut conversation = Conversation::new(DeskConfig::default());
    let waves = play(&mut conversation, answers);
    let analysts = vec!["market_analyst", "news_analyst", "fundamentals_analyst", "social_analyst"];
    let alone = [
        "bull",
        "bear",
        "research_manager",
        "trader",
        "aggressive",
        "neutral",
        "conservative",
        "portfolio_manager",
    ];
    let wanted: Vec<Vec<&str>> =
        std::iter::once(analysts).chain(alone.into_iter().map(|name| vec![name])).collect();
    assert_eq!((names(&waves), conversation.steps()), (wanted, 12));
    let Some(Brought::Decided(decision)) = conversation.end() else { panic!("no decision") };
    assert_eq!((decision.rating, decision.confidence), (Rating::Overweight, Ratio::of(0.6)));
}

#[test]
fn debates_have_as_many_rounds_as_were_wished_for() {
    for rounds in 0..=5 {
        let mut conversation = Conversation::new(config(rounds, rounds));
        let waves = play(&mut conversation, answers).concat();
        let count = |role: DeskRole| waves.iter().filter(|turn| turn.role == role).count();
        for role in DeskRole::ALL {
            let debates =
                DeskRole::DEBATERS.contains(&role) || DeskRole::RISK_DEBATERS.contains(&role);
            assert_eq!(count(role), if debates { usize::from(rounds) } else { 1 }, "{role}");
        }
        assert_eq!(u64::from(conversation.steps()), conversation.config().turns());
    }
}

#[test]
fn an_analyst_that_failed_is_missing_and_the_desk_goes_on() {
    let mut conversation = Conversation::new(DeskConfig::default());
    let failing =
        [DeskRole::NewsAnalyst, DeskRole::Bull, DeskRole::ResearchManager, DeskRole::Neutral];
    let waves = play(&mut conversation, |turn| {
        if failing.contains(&turn.role) {
            Err(Missed::Failed("gone".to_owned()))
        } else {
            answers(turn)
        }
    });
    assert_eq!(waves.concat().len(), 12);
    let missing: Vec<DeskRole> = conversation.missing().into_iter().map(|(role, _)| role).collect();
    assert_eq!(missing, failing);
    assert!(matches!(conversation.end(), Some(Brought::Decided(_))));
}

/// T-3: silence is never consent, and none of it is HOLD.
#[test]
fn without_trader_or_portfolio_manager_there_is_no_decision() {
    let why = || "x".to_owned();
    for role in [DeskRole::Trader, DeskRole::PortfolioManager] {
        for (missed, outcome) in [
            (Missed::Unreadable(why()), "review"),
            (Missed::Denied(why()), "denied"),
            (Missed::Failed(why()), "failed"),
        ] {
            let mut conversation = Conversation::new(DeskConfig::default());
            let waves = play(&mut conversation, |turn| {
                if turn.role == role { Err(missed.clone()) } else { answers(turn) }
            });
            assert_eq!(conversation.end().unwrap().name(), outcome, "{role}");
            assert_eq!(waves.concat().last().unwrap().role, role, "nobody is asked afterwards");
        }
    }
}

#[test]
fn analysts_that_all_bring_nothing_end_it_before_anybody_argues() {
    let with = |heard: fn(Turn) -> Result<Answer, Missed>| {
        let mut conversation = Conversation::new(DeskConfig::default());
        let waves = play(&mut conversation, heard);
        assert_eq!(waves.len(), 1);
        conversation.end().unwrap().clone()
    };
    assert_eq!(with(|_| Err(Missed::Denied("safety.no_model".to_owned()))).name(), "denied");
    assert_eq!(with(|_| Err(Missed::Failed("x".to_owned()))).name(), "failed");
    let unknown = with(|turn| {
        let said = Said { word: Word::Report { lean: Lean::Unknown }, ..said(turn) };
        Ok(Answer { said, requests: Vec::new() })
    });
    assert_eq!(unknown.name(), "abstained");
    let mixed = with(|turn| match turn.role {
        DeskRole::MarketAnalyst => Err(Missed::Denied("x".to_owned())),
        _ => Err(Missed::Unreadable("x".to_owned())),
    });
    assert_eq!(mixed.name(), "failed");
}

/// D-1: an answer that comes twice, or that nobody asked for, changes nothing.
#[test]
fn a_second_answer_to_a_question_is_not_heard() {
    let mut conversation = Conversation::new(DeskConfig::default());
    let first = conversation.due();
    assert!(conversation.due().is_empty(), "each is told once");
    let early = Turn::first(DeskRole::PortfolioManager, 0);
    assert!(!conversation.hear(early, answers(early), 10), "nobody asked for it");
    assert!(conversation.hear(first[0], answers(first[0]), 10));
    let again = Err(Missed::Failed("late".to_owned()));
    assert!(!conversation.hear(first[0], again, 1_000_000_000));
    assert_eq!((conversation.missing(), conversation.steps()), (Vec::new(), 4));
    play_on(&mut conversation, &first[1..]);
    assert!(!conversation.hear(early, answers(early), 10), "it is over");
}

fn play_on(conversation: &mut Conversation, open: &[Turn]) {
    for turn in open {
        conversation.hear(*turn, answers(*turn), 10);
    }
    play(conversation, answers);
}

#[test]
fn an_answer_in_the_name_of_another_role_is_unreadable() {
    let mut conversation = Conversation::new(DeskConfig::default());
    play(&mut conversation, |turn| {
        let other = Turn::first(DeskRole::Bull, 0);
        if turn.role == DeskRole::PortfolioManager { answers(other) } else { answers(turn) }
    });
    assert_eq!(conversation.end().unwrap().name(), "review");
}

#[test]
fn an_analyst_that_looks_something_up_is_asked_again_with_it() {
    let mut conversation = Conversation::new(DeskConfig::default());
    let waves = play(&mut conversation, |turn| {
        let requests = if turn.role == DeskRole::MarketAnalyst && turn.step < 2 {
            vec![bars(10 + u16::from(turn.step))]
        } else {
            Vec::new()
        };
        Ok(Answer { said: said(turn), requests })
    });
    let steps: Vec<u8> = waves
        .concat()
        .iter()
        .filter(|turn| turn.role == DeskRole::MarketAnalyst)
        .map(|turn| turn.step)
        .collect();
    assert_eq!((steps, conversation.steps()), (vec![0, 1, 2], 14));
    let mut fresh = Conversation::new(DeskConfig::default());
    let turn = fresh.due()[0];
    fresh.hear(turn, Ok(Answer { said: said(turn), requests: vec![bars(3); 9] }), 1);
    assert!(fresh.missing()[0].1.text().contains("same"), "nine of one kind are three too many");
}

/// Whoever else asks for something is held to what it said: only analysts have tools.
#[test]
fn the_same_request_three_times_ends_the_turn_and_nobody_but_analysts_looks_up() {
    let mut conversation = Conversation::new(DeskConfig::default());
    let waves = play(&mut conversation, |turn| {
        let asks = matches!(turn.role, DeskRole::MarketAnalyst | DeskRole::Bull);
        let requests = if asks { vec![bars(5)] } else { Vec::new() };
        Ok(Answer { said: said(turn), requests })
    });
    let count = |role: DeskRole| waves.concat().iter().filter(|turn| turn.role == role).count();
    assert_eq!((count(DeskRole::MarketAnalyst), count(DeskRole::Bull)), (3, 1));
    let missing: Vec<DeskRole> = conversation.missing().into_iter().map(|(role, _)| role).collect();
    assert_eq!(missing, [DeskRole::MarketAnalyst]);
}

#[test]
fn look_ups_leave_enough_questions_for_everybody_behind_them() {
    for (max_steps, steps) in [(12, 12), (15, 12), (16, 16), (30, 28)] {
        let config = DeskConfig { max_steps, ..DeskConfig::default() };
        let mut conversation = Conversation::new(config);
        let mut asked = 0;
        play(&mut conversation, |turn| {
            asked += 1;
            let requests = if turn.role.is_analyst() { vec![bars(asked)] } else { Vec::new() };
            Ok(Answer { said: said(turn), requests })
        });
        assert_eq!(conversation.steps(), steps, "{max_steps}");
        assert!(matches!(conversation.end(), Some(Brought::Decided(_))));
    }
}

#[test]
fn too_many_tokens_end_it_without_a_decision() {
    let mut conversation =
        Conversation::new(DeskConfig { tokens_max: 45, ..DeskConfig::default() });
    let waves = play(&mut conversation, answers);
    assert_eq!(names(&waves).concat().len(), 5);
    assert_eq!(conversation.end().unwrap().name(), "abstained");
}

proptest! {
    /// Whatever anybody answers, in whatever order: it ends, within its questions, and the order in
    /// which analysts answer reaches nothing.
    #[test]
    fn it_always_ends_within_its_questions(
        debate in 0_u8..=5,
        risk in 0_u8..=5,
        spare in 0_u16..10,
        choices in prop::collection::vec(0_u8..6, 40),
        backwards: bool,
    ) {
        let mut config = config(debate, risk);
        config.max_steps = u16::try_from(config.turns()).unwrap() + spare;
        let most = config.max_steps;
        let run = |backwards: bool| {
            let mut conversation = Conversation::new(config.clone());
            for _ in 0..200 {
                let mut turns = conversation.due();
                if turns.is_empty() { break; }
                if backwards { turns.reverse(); }
                for turn in turns {
                    let nth = turn.role as usize + usize::from(turn.round) * 7 + usize::from(turn.step);
                    let heard = match choices[nth % choices.len()] {
                        0 => Err(Missed::Failed("x".to_owned())),
                        1 => Ok(Answer { said: said(turn), requests: vec![bars(u16::from(turn.step))] }),
                        _ => answers(turn),
                    };
                    conversation.hear(turn, heard, 1);
                }
            }
            conversation
        };
        let conversation = run(backwards);
        prop_assert!(conversation.end().is_some());
        prop_assert!(conversation.steps() <= most);
        let other = run(!backwards);
        prop_assert_eq!(conversation.end(), other.end());
        prop_assert_eq!(conversation.steps(), other.steps());
    }
}
