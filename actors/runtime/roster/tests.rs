//! Tests of the roster, and of what every agent's prompt promises.

use std::collections::BTreeSet;
use std::time::Duration;

use conclave_domain::bounds::{Bounds, BoundsTable};
use conclave_domain::limits::{ConsensusRules, RiskLimits, SizingRules, SoftLimits};
use conclave_domain::ratio::Ratio;

use super::*;

#[test]
fn the_guardian_cannot_be_switched_off() {
    assert_eq!(check_switch_off(RISK_GUARDIAN), Err(SwitchError::Guardian));
    assert_eq!(check_switch_off("position_sizer"), Ok(()));
    assert!(matches!(check_switch_off("nobody"), Err(SwitchError::Unknown { .. })));
}

#[test]
fn names_are_unique_and_the_guardian_is_on() {
    let names = names();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    assert!(!names.contains(&ORCHESTRATOR.name));
    let guardian = seat(RISK_GUARDIAN).unwrap();
    assert!(guardian.on_by_default);
    assert_eq!(guardian.role.authority, Authority::Veto);
}

/// The numbers that stand in a text.
fn numbers_in(text: &str) -> Vec<f64> {
    text.split(|c: char| !(c.is_ascii_digit() || c == '.'))
        .filter_map(|word| word.trim_matches('.').parse().ok())
        .collect()
}

/// Limits of risk in which every number differs from the default.
fn altered_risk(ratio: impl Fn(Ratio) -> Ratio) -> RiskLimits {
    let risk = RiskLimits::default();
    RiskLimits {
        position_max: ratio(risk.position_max),
        exposure_max: ratio(risk.exposure_max),
        cash_min: ratio(risk.cash_min),
        var_max: ratio(risk.var_max),
        cvar_max: ratio(risk.cvar_max),
        drawdown_half: ratio(risk.drawdown_half),
        drawdown_halt: ratio(risk.drawdown_halt),
        daily_loss_max: ratio(risk.daily_loss_max),
        win_rate_min: ratio(risk.win_rate_min),
        win_rate_trades: risk.win_rate_trades + 1,
        loss_streak_max: risk.loss_streak_max + 1,
        rejection_streak_max: risk.rejection_streak_max + 1,
        cooldown_sessions: risk.cooldown_sessions + 1,
        vix_warn: ratio(risk.vix_warn),
        vix_critical: ratio(risk.vix_critical),
        symbol_cooldown: risk.symbol_cooldown + Duration::from_secs(1),
        crypto_max: ratio(risk.crypto_max),
    }
}

/// Limits in which every number that a prompt may name differs from the default.
fn altered() -> Limits {
    let bounds = |bounds: Bounds| {
        let third = (bounds.max() - bounds.min()) / 64.0;
        bounds.narrowed(bounds.min() + third, bounds.max() - third).unwrap()
    };
    let table = BoundsTable::default();
    let ratio = |ratio: Ratio| Ratio::of(ratio.get() * 0.96875);
    let soft = SoftLimits::default();
    let (consensus, sizing) = (ConsensusRules::default(), SizingRules::default());
    Limits {
        bounds: BoundsTable {
            confidence: bounds(table.confidence),
            confidence_multiplier: bounds(table.confidence_multiplier),
            size_multiplier: bounds(table.size_multiplier),
            limit_offset_bp: bounds(table.limit_offset_bp),
            stop_distance: bounds(table.stop_distance),
            target_distance: bounds(table.target_distance),
            lr_multiplier: bounds(table.lr_multiplier),
            entropy_multiplier: bounds(table.entropy_multiplier),
            batch_multiplier: bounds(table.batch_multiplier),
            reward_weight_delta: bounds(table.reward_weight_delta),
            reward_weight_total: bounds(table.reward_weight_total),
            score_weight_delta: bounds(table.score_weight_delta),
        },
        risk: altered_risk(ratio),
        soft: SoftLimits {
            correlation_max: ratio(soft.correlation_max),
            crash_max: ratio(soft.crash_max),
            regime_clear: ratio(soft.regime_clear),
            loss_streak_max: soft.loss_streak_max + 1,
            win_rate_min: ratio(soft.win_rate_min),
            win_rate_trades: soft.win_rate_trades + 1,
            drawdown_max: ratio(soft.drawdown_max),
        },
        consensus: ConsensusRules {
            threshold: ratio(consensus.threshold),
            quorum_min: consensus.quorum_min + 1,
            quorum_share: ratio(consensus.quorum_share),
            patience: consensus.patience + Duration::from_secs(1),
            appeal_confidence_min: ratio(consensus.appeal_confidence_min),
            appeal_headroom_min: ratio(consensus.appeal_headroom_min),
        },
        sizing: SizingRules {
            reduce_factor: ratio(sizing.reduce_factor),
            critical_factor: ratio(sizing.critical_factor),
            ..sizing
        },
        // No prompt shows these: the gates and the base size are not the agents' business.
        ..Limits::default()
    }
}

/// Goal: a prompt's numbers come from the live limits, never from its text (lesson A7).
/// Method: every limit is altered; a number that stays where it was must be one of the constants of
/// the agent's own formula, and the count of numbers that move is known for each agent.
#[test]
fn every_limit_in_a_prompt_is_the_live_one() {
    let moved = |instructions: fn(&Limits) -> String| {
        let before = numbers_in(&instructions(&Limits::default()));
        let after = numbers_in(&instructions(&altered()));
        assert_eq!(before.len(), after.len());
        before.iter().zip(&after).filter(|(a, b)| (*a - *b).abs() > 1e-9).count()
    };
    let counted: Vec<(&str, usize)> =
        roster().iter().map(|seat| (seat.role.name, moved(seat.instructions))).collect();
    assert_eq!(
        counted,
        [
            ("hyperparameter_tuner", 6), // six bounds
            ("risk_analyst", 0),
            ("reward_engineer", 4), // two bounds a call, two in a run
            ("data_monitor", 0),
            ("backtest_validator", 0),
            ("signal_analyst", 4), // two bounds, the reduced size, the crash probability
            ("risk_guardian", 14), // seven hard limits, seven soft ones
            ("position_sizer", 7), // two bounds, the critical size, three caps, the drawdown
            ("execution_timer", 2), // two bounds
            ("exit_strategist", 4), // four bounds
            ("symbol_scorer", 0),
            ("weight_optimizer", 2), // two bounds
            ("compatibility_auditor", 0),
            ("portfolio_coherence", 0),
        ]
    );
    assert_eq!(moved(orchestrator_instructions), 11);
}

/// Goal: no number stands as text in the source of any instructions (lesson A7).
/// Method: the string literals between `fn instructions` and `fn rules` are searched for digits.
#[test]
fn no_digit_stands_in_the_text_of_any_instructions() {
    for (name, source) in SOURCES {
        let start = source.find("fn instructions").unwrap();
        let end = start + source[start..].find("fn rules").unwrap();
        let literals = source[start..end].split('"').skip(1).step_by(2);
        for literal in literals {
            assert!(!literal.chars().any(|c| c.is_ascii_digit()), "{name}: {literal}");
        }
    }
    let sources: Vec<&str> = SOURCES.iter().map(|(name, _)| *name).collect();
    assert_eq!(sources, names(), "each agent's source is looked at");
}

/// Every agent's file, by name, in the order of the roster.
const SOURCES: &[(&str, &str)] = &[
    ("hyperparameter_tuner", include_str!("../../training/hyperparameter_tuner.rs")),
    ("risk_analyst", include_str!("../../training/risk_analyst.rs")),
    ("reward_engineer", include_str!("../../training/reward_engineer.rs")),
    ("data_monitor", include_str!("../../training/data_monitor.rs")),
    ("backtest_validator", include_str!("../../training/backtest_validator.rs")),
    ("signal_analyst", include_str!("../../trading/signal_analyst.rs")),
    ("risk_guardian", include_str!("../../trading/risk_guardian.rs")),
    ("position_sizer", include_str!("../../trading/position_sizer.rs")),
    ("execution_timer", include_str!("../../trading/execution_timer.rs")),
    ("exit_strategist", include_str!("../../trading/exit_strategist.rs")),
    ("symbol_scorer", include_str!("../../selection/symbol_scorer.rs")),
    ("weight_optimizer", include_str!("../../selection/weight_optimizer.rs")),
    ("compatibility_auditor", include_str!("../../selection/compatibility_auditor.rs")),
    ("portfolio_coherence", include_str!("../../selection/portfolio_coherence.rs")),
];

#[test]
fn schemas_forbid_what_they_do_not_name_and_hold_no_limits() {
    for seat in roster() {
        let schema = schema_json(&seat);
        assert_eq!(schema["additionalProperties"], false, "{}", seat.role.name);
        let required = schema["required"].as_array().unwrap().len();
        assert_eq!(required, schema["properties"].as_object().unwrap().len(), "{schema}");
        for (name, property) in schema["properties"].as_object().unwrap() {
            let told = property["description"].as_str().unwrap_or_default();
            assert!(!told.chars().any(|c| c.is_ascii_digit()), "{name}: {told}");
            assert!(property.get("maximum").is_none(), "{name}: bounds are the clamp's");
        }
    }
}

/// Goal: the part that a provider caches is the same for every brief, and comes first.
#[test]
fn a_prompt_starts_with_what_never_changes_and_fences_the_brief() {
    let limits = Limits::default();
    let (mut brief, entry) = (trading::sample::entry(), &trading::TEAM[0]);
    let first = entry.prompt(&brief, &limits);
    brief.confidence = Ratio::of(0.123);
    let second = entry.prompt(&brief, &limits);
    assert_eq!(first.system, second.system);
    assert_eq!(first.system, seat("signal_analyst").unwrap().system(&limits));
    assert!(second.user.contains("0.123") && !first.user.contains("0.123"));
    let (inside, after) = second.user.rsplit_once("=====BRIEF end").unwrap();
    assert!(inside.contains("\"as_of\"") && !inside.contains("consulted"));
    assert!(after.contains("\"consulted\":41"), "its own record stands apart: {after}");
}

/// Goal: every series that a brief holds is dated, and says of itself in which order it runs.
/// Method: the lists of each team's example brief are looked through for entries with a date.
#[test]
fn every_series_of_a_brief_is_dated_and_says_its_order() {
    let briefs = [
        serde_json::to_value(training::sample::proposing()),
        serde_json::to_value(trading::sample::entry()),
        serde_json::to_value(trading::sample::position()),
        serde_json::to_value(selection::sample::checking()),
    ];
    let mut series = Vec::new();
    for brief in briefs {
        for (name, value) in brief.unwrap().as_object().unwrap() {
            let entries = value.as_array().map(Vec::as_slice).unwrap_or_default();
            let dated = entries.iter().filter(|entry| entry.get("at").is_some()).count();
            assert!(dated == 0 || dated == entries.len(), "{name}: some entries have no date");
            assert_eq!(dated > 0, name.ends_with("_oldest_first"), "{name}");
            series.extend((dated > 0).then(|| name.clone()));
        }
    }
    assert_eq!(series, ["ledger_oldest_first", "validations_oldest_first"]);
}

#[test]
fn the_org_chart_shows_everybody() {
    let chart = org_chart();
    for seat in roster() {
        assert!(chart.contains(seat.role.title), "{chart}");
    }
    assert!(chart.starts_with("Orchestrator\n├─ training\n"), "{chart}");
    assert!(chart.contains("Risk Guardian (veto)"), "{chart}");
    assert!(chart.contains("Data Monitor (off by default)"), "{chart}");
    assert_eq!(roster().len(), 14);
}
