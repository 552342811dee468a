//! The numbers in the prompts, seen through the configuration: none stands still when its key moves.

use std::collections::{BTreeMap, BTreeSet};

use super::super::*;
use crate::config::{self, Kind, Setting};

/// The sections whose keys are limits.
const SECTIONS: [&str; 6] = ["risk.", "guardian.", "consensus.", "bounds.", "gates.", "sizing."];

/// Values that leave every other key its whole range: some limits must lie below others.
const BASE: [(&str, &str); 3] =
    [("risk.drawdown_half", "0.01"), ("risk.var_max", "0.001"), ("risk.vix_warn", "5")];

/// Which prompts show the value of which key.
const SHOWN: &[(&str, &[&str])] = &[
    ("bounds.batch_multiplier", &["hyperparameter_tuner"]),
    ("bounds.confidence_multiplier", &["signal_analyst", "orchestrator"]),
    ("bounds.entropy_multiplier", &["hyperparameter_tuner"]),
    ("bounds.limit_offset_bp", &["execution_timer"]),
    ("bounds.lr_multiplier", &["hyperparameter_tuner"]),
    ("bounds.reward_weight_delta", &["reward_engineer"]),
    ("bounds.score_weight_delta", &["weight_optimizer"]),
    ("bounds.size_multiplier", &["position_sizer", "orchestrator"]),
    ("bounds.stop_distance", &["exit_strategist"]),
    ("bounds.target_distance", &["exit_strategist"]),
    ("consensus.appeal_confidence_min", &["orchestrator"]),
    ("consensus.appeal_headroom_min", &["orchestrator"]),
    ("consensus.quorum_min", &["orchestrator"]),
    ("consensus.quorum_share", &["orchestrator"]),
    ("consensus.threshold", &["orchestrator"]),
    ("guardian.correlation_max", &["risk_guardian"]),
    ("guardian.crash_max", &["signal_analyst", "risk_guardian"]),
    ("guardian.drawdown_max", &["risk_guardian"]),
    ("guardian.loss_streak_max", &["risk_guardian"]),
    ("guardian.regime_clear", &["risk_guardian"]),
    ("guardian.win_rate_min", &["risk_guardian"]),
    ("guardian.win_rate_trades", &["risk_guardian"]),
    ("risk.cash_min", &["risk_guardian", "position_sizer"]),
    ("risk.cvar_max", &["risk_guardian"]),
    ("risk.daily_loss_max", &["risk_guardian"]),
    ("risk.drawdown_halt", &["risk_guardian", "position_sizer"]),
    ("risk.exposure_max", &["risk_guardian", "position_sizer"]),
    ("risk.position_max", &["risk_guardian", "position_sizer"]),
    ("risk.var_max", &["risk_guardian"]),
    ("sizing.critical_factor", &["position_sizer", "orchestrator"]),
];

/// A legal value of a key that is none of its usual ones, as text for a flag.
fn odd_value(kind: &Kind) -> Option<(String, Vec<f64>)> {
    // A third of the way, to four places: no default and no constant of a formula is one of these.
    let between = |min: f64, max: f64, share: f64| {
        let value = ((min + (max - min) * share) * 1e4).round() / 1e4;
        (value.to_string(), value)
    };
    Some(match kind {
        Kind::Number { min, max, .. } => {
            let (text, value) = between(*min, *max, 0.3717);
            (text, vec![value])
        }
        Kind::Integer { min, max, .. } => {
            let value = i32::try_from((min + max) / 2).ok()?;
            (value.to_string(), vec![f64::from(value)])
        }
        Kind::Range { min, max } => {
            let ((low, a), (high, b)) = (between(*min, *max, 0.3717), between(*min, *max, 0.7311));
            (format!("[{low}, {high}]"), vec![a, b])
        }
        Kind::Duration { min_ms, .. } => (format!("{}ms", min_ms + 1), vec![]),
        Kind::Dollars { min, .. } => (format!("{}.25", min + 17), vec![]),
        Kind::Flag => ("true".to_owned(), vec![]),
        Kind::Word { .. } | Kind::Text | Kind::Address => return None,
    })
}

/// The numbers of a setting.
fn numbers_of(setting: &Setting) -> Vec<f64> {
    match setting {
        Setting::Number(number) => vec![number.get()],
        Setting::Integer(integer) => vec![f64::from(i32::try_from(*integer).unwrap())],
        Setting::Range(low, high) => vec![*low, *high],
        _ => Vec::new(),
    }
}

/// The numbers that stand in a text, signs left out.
fn numbers_in(text: &str) -> Vec<f64> {
    text.split(|c: char| !(c.is_ascii_digit() || c == '.'))
        .filter_map(|word| word.trim_matches('.').parse().ok())
        .collect()
}

/// Whether a number in a prompt is one of the values, as it is or as percent, or in the schema as the
/// whole number that it is on the wire, whatever its sign.
fn is_one_of(number: f64, values: &[f64], is_schema: bool) -> bool {
    let near = |value: f64, than: f64| (number - value.abs()).abs() < than;
    let plain = |value: f64| near(value, 1e-9) || near(value * 100.0, 1e-9);
    let wire = |value: f64| [1.0, 1e3, 1e4].iter().any(|scale| near(value * scale, 1.0));
    values.iter().any(|value| plain(*value) || (is_schema && wire(*value)))
}

/// The numbers of a prompt, and how many of them stand before its schema.
fn numbers_of_prompt(prompt: &str) -> (Vec<f64>, usize) {
    let rules = prompt.split("\n# Answer\n").next().unwrap();
    (numbers_in(prompt), numbers_in(rules).len())
}

/// The configuration with one key set, or none.
fn loaded(key: Option<(&str, &str)>) -> config::Loaded {
    let owned = |(key, text): (&str, &str)| (key.to_owned(), text.to_owned());
    let flags: Vec<_> = BASE.into_iter().chain(key).map(owned).collect();
    config::load(None, std::iter::empty(), &flags).unwrap()
}

/// What `agents prompt NAME` prints for everybody under a configuration.
fn prompts(config: &Config) -> BTreeMap<&'static str, String> {
    let names = roster::names().into_iter().chain([roster::ORCHESTRATOR.name]);
    let shown = |name: &'static str| {
        let mut out = Vec::new();
        prompt(name, None, &config.limits, Format::Text, &mut out).unwrap();
        (name, String::from_utf8(out).unwrap())
    };
    names.map(shown).collect()
}

/// Goal: no threshold in a prompt can differ from the configuration.
/// Method: each limit's key is set to an odd value, alone. Which prompts change is known for each
/// key; in them the numbers that change go from the usual to the odd value and nowhere else; and a
/// number that no key moves is one of the constants of the agent's own formula, which are listed.
#[test]
fn every_threshold_in_a_prompt_is_the_configured_one() {
    let base = loaded(None);
    let before = prompts(&base.config);
    let mut moved: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
    let shown: BTreeMap<&str, &[&str]> = SHOWN.iter().copied().collect();
    let mut looked_at = 0;
    for key in config::keys() {
        if !SECTIONS.iter().any(|section| key.path.starts_with(section)) {
            continue;
        }
        let (text, odd) = odd_value(&key.kind).unwrap_or_else(|| panic!("{}", key.path));
        let (value, _) = &base.layer[&key.path];
        let usual = numbers_of(&key.kind.read(value).unwrap());
        let after = prompts(&loaded(Some((&key.path, &text))).config);
        let changed: BTreeSet<&str> =
            after.keys().copied().filter(|name| before[name] != after[name]).collect();
        let expected = shown.get(key.path.as_str()).copied().unwrap_or_default();
        assert_eq!(changed, expected.iter().copied().collect(), "{}", key.path);
        looked_at += 1;
        for name in changed {
            let (old, rules) = numbers_of_prompt(&before[name]);
            let (new, _) = numbers_of_prompt(&after[name]);
            assert_eq!(old.len(), new.len(), "{name}");
            for (place, (old, new)) in old.iter().zip(&new).enumerate() {
                if (old - new).abs() > 1e-9 {
                    let in_schema = place >= rules;
                    let is = |number: f64, values: &[f64]| is_one_of(number, values, in_schema);
                    let follows = is(*old, &usual) && is(*new, &odd);
                    assert!(follows, "{name}, {}: {old} became {new}", key.path);
                    moved.entry(name).or_default().insert(place);
                }
            }
        }
    }
    assert!(looked_at > SHOWN.len(), "{looked_at}");
    for (name, prompt) in &before {
        let places = moved.get(name);
        let (numbers, rules) = numbers_of_prompt(prompt);
        let still = |place: &usize| places.is_none_or(|places| !places.contains(place));
        let at = |range: std::ops::Range<usize>| -> Vec<f64> {
            range.filter(still).map(|place| numbers[place]).collect()
        };
        let constants = CONSTANTS.iter().find(|(agent, _)| agent == name);
        assert_eq!(at(0..rules), constants.map_or(&[][..], |(_, constants)| constants), "{name}");
        // Besides the limits the schema has the scales, and the bounds of a confidence.
        let scales =
            |number: &f64| [0.0, 1.0, 1e3, 1e4].iter().any(|it| (it - number).abs() < 1e-9);
        let strange: Vec<f64> =
            at(rules..numbers.len()).into_iter().filter(|number| !scales(number)).collect();
        assert_eq!(strange, [0.0; 0], "{name}");
    }
}

/// What stands in a prompt beside the limits: the constants of the agent's own yardstick, in the
/// order of its text. No key moves them; `instructions` and `rules` take them from the same names.
const CONSTANTS: &[(&str, &[f64])] = &[
    ("hyperparameter_tuner", &[0.5, 0.7, 2.0, 1.3, 0.3, 3.0, 1.2, 0.1, 2.0]),
    ("risk_analyst", &[25.0, 3.0, 2.0, 3.0, 25.0, 10.0]),
    // First the bounds of the changes of a whole run, which are compiled in.
    (
        "reward_engineer",
        &[0.15, 0.15, 0.01, 2.0, 30.0, 70.0, 0.02, 0.03, 15.0, 0.03, 0.03, 0.4, 0.03, 0.000_001],
    ),
    ("data_monitor", &[4.0, 5.0]),
    ("backtest_validator", &[0.35, 1.4, 70.0, 10.0, 0.1, 1.1, 50.0, 20.0]),
    // First the factor of REDUCE_SIZE, which is compiled in.
    ("signal_analyst", &[0.5, 0.25, 0.3, 0.15, 0.9, 0.75, 0.04, 0.01, 0.02]),
    ("position_sizer", &[20.0, 0.5, 0.5]),
    ("execution_timer", &[20.0, 10.0, 1.0, 5.0]),
    ("exit_strategist", &[1.5, 10.0, 2.5, 1.5, 50.0, 0.6, 3.0, 20.0, 0.5]),
    ("weight_optimizer", &[0.2, 0.15, 0.15, 0.15, 0.1, 0.1, 0.1, 0.05, 0.1]),
    ("portfolio_coherence", &[3.0]),
    ("orchestrator", &[0.5]),
];
