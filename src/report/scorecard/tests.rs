//! The page of a card, and what it says of how exact it is.

use std::collections::{BTreeMap, BTreeSet};

use conclave_actors::trading;
use conclave_domain::advice::Vote;
use conclave_domain::bounds::{Clamp, Edge};
use conclave_domain::fixed::Money;
use conclave_domain::market::symbol::Symbol;
use conclave_domain::order::DecisionId;
use conclave_domain::ratio::Ratio;
use conclave_domain::role::{AgentName, Role};
use conclave_domain::scorecard::{Curve, Ended, Forced, Opinion, RunFacts, Without, card};
use conclave_domain::stats::AgentStats;
use conclave_domain::time::Time;

use super::*;

const DAY_MS: i64 = 86_400_000;

fn roster() -> Vec<Role> {
    trading::TEAM.iter().map(|entry| entry.role).collect()
}

/// An account that begins with 1,000 and gains this every day for 240 days.
fn curve(gain: impl Fn(i64) -> i64) -> Curve {
    let mut equity = 1_000;
    Curve::of((0..240).map(|day| {
        equity += gain(day);
        (Time::from_ms(day * DAY_MS), Money::from_units(equity).unwrap())
    }))
}

/// Days on which the sizer costs a dollar or two each, and the timer nothing that is certain.
fn facts(frozen: &[AgentName]) -> RunFacts {
    let asked = |name| (name, AgentStats { consulted: 7, answered: 7, ..AgentStats::default() });
    let decision = DecisionId::new(&Symbol::new("AAA").unwrap(), Time::EPOCH, "entry");
    let confidence = Ratio::of(0.8);
    let without = |muted: &[AgentName], curve| Without {
        muted: muted.iter().copied().collect(),
        curve,
        outcomes: BTreeMap::new(),
        frozen: frozen.iter().copied().collect(),
    };
    RunFacts {
        agents: BTreeMap::from([asked("position_sizer"), asked("execution_timer")]),
        opinions: vec![Opinion {
            agent: "position_sizer",
            decision: decision.clone(),
            vote: Vote::For,
            confidence,
        }],
        forced: vec![Forced {
            agent: "position_sizer",
            decision: decision.clone(),
            clamp: Clamp {
                parameter: "size_multiplier".to_owned(),
                raw: Ratio::of(3.0),
                clamped: Ratio::of(2.0),
                edge: Edge::Max,
            },
        }],
        outcomes: BTreeMap::from([(
            decision,
            Ended { pnl: Money::from_units(3).unwrap(), at: Time::EPOCH },
        )]),
        curve: curve(|day| day % 3),
        without: vec![
            without(&["position_sizer"], curve(|day| day % 3 + 1 + day % 2)),
            without(&["execution_timer"], curve(|day| day % 3 + (day * 7 % 3 - 1))),
            without(&["execution_timer", "position_sizer"], curve(|day| day % 3 + 2)),
        ],
        ..RunFacts::default()
    }
}

fn report(frozen: &[AgentName]) -> ScorecardReport {
    let run = "<run>".to_owned();
    let note = Some("stopped & gone on".to_owned());
    let over = vec![Counted { run, record_hash: Some("ab".repeat(32)), note }];
    ScorecardReport::new(over, card(&roster(), &[facts(frozen)], 1).unwrap())
}

#[test]
fn who_hurts_stands_first_in_the_words_and_the_document_has_every_figure() {
    let report = report(&[]);
    assert!(report.words[0].starts_with("position_sizer: hurts; "), "{:?}", report.words);
    assert!(report.words.iter().any(|it| it == "risk_guardian: never consulted"));
    assert!(report.words.iter().any(|it| it.contains("execution_timer and position_sizer: hurts")));
    let document = serde_json::to_value(&report).unwrap();
    assert_eq!(document["schema"], "scorecard/1");
    let sizer = &document["lines"][0];
    assert_eq!(
        (&sizer["agent"], &sizer["worth"]["finding"]),
        (&"position_sizer".into(), &"hurts".into())
    );
    assert_eq!(sizer["asked"]["consulted"], 7);
    assert!(sizer["worth"]["interval"]["high"].as_f64().unwrap() < 0.0);
    assert_eq!(sizer["calibration"]["forecasts"], 1);
    let timer = document["lines"].as_array().unwrap();
    let timer = timer.iter().find(|it| it["agent"] == "execution_timer").unwrap();
    assert_eq!(timer["worth"]["finding"], "not_distinguishable_from_zero");
    assert_eq!(document["pairs"].as_array().unwrap().len(), 1);
}

#[test]
fn frozen_answers_make_it_an_approximation_and_that_is_said() {
    assert!(report(&[]).notes[0].starts_with("exact: "));
    let note = report(&["exit_strategist"]).notes[0].clone();
    assert!(note.starts_with("approximate: ") && note.contains("exit_strategist"), "{note}");
}

#[test]
fn the_page_has_a_forest_and_a_diagram_and_escapes_what_it_shows() {
    let html = page::html(&report(&[])).unwrap();
    assert_eq!(html.matches("<svg").count(), 2);
    for shown in
        ["execution_timer + position_sizer", "Reliability", "&lt;run&gt;", "stopped &amp; gone"]
    {
        assert!(html.contains(shown), "{shown}");
    }
    assert!(!html.contains("<script") && !html.contains("http://") && !html.contains("NaN"));
    let dir = tempfile::tempdir().unwrap();
    let files: BTreeSet<_> = write(&report(&[]), dir.path()).unwrap().into_iter().collect();
    assert_eq!(files.len(), 2);
    let nobody = ScorecardReport::new(Vec::new(), card(&[], &[], 1).unwrap());
    assert_eq!(
        page::html(&nobody).unwrap().matches("<svg").count(),
        0,
        "an empty card is a page too"
    );
}
