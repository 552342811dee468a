//! The keys of each section, in the order of `config/default.toml`.
//!
//! A limit's far end is its hard value: configuration makes it stricter, never laxer.

use conclave_actors::runtime::agent::Cadence;
use conclave_actors::runtime::roster;
use conclave_domain::bounds::BoundsTable;
use conclave_domain::fixed::Bp;
use conclave_domain::role::Tier;

use super::keys::{Key, bounds as bounds_key, dollars, duration, integer, key, number, word};
use super::value::{Kind, Setting};
use super::{AgentSettings, Config};

const SECOND: u64 = 1_000;
const HOUR: u64 = 3_600 * SECOND;
const DAY: u64 = 24 * HOUR;

pub(super) fn run(all: &mut Vec<Key>) {
    all.extend([
        word("run.mode", &["advisory", "supervised", "autonomous"], |c, v| {
            v.clone_into(&mut c.run.mode);
        }),
        word("run.money", &["paper", "live"], |c, v| v.clone_into(&mut c.run.money)),
        integer("run.seed", 0..=i64::MAX, "any number", |c| &mut c.run.seed),
        dollars("run.cash", 1..=1_000_000_000, |c| &mut c.run.cash),
        word("run.fill", &["next-open", "close"], |c, v| v.clone_into(&mut c.run.fill)),
        word("run.direction", &["long", "long-short"], |c, v| v.clone_into(&mut c.run.direction)),
        integer("run.chunk", 1..=4_096, "slices of bars", |c| &mut c.run.chunk),
        word("strategy.name", &["sma-cross", "momentum", "mean-reversion"], |c, v| {
            v.clone_into(&mut c.strategy.name);
        }),
        integer("strategy.fast", 1..=5_000, "bars", |c| &mut c.strategy.fast),
        integer("strategy.slow", 2..=5_000, "bars", |c| &mut c.strategy.slow),
        integer("strategy.lookback", 2..=5_000, "bars", |c| &mut c.strategy.lookback),
        dollars("costs.fee_per_trade", 0..=1_000, |c| &mut c.costs.fee_per_trade),
        basis_points("costs.slippage_bp", |c| &mut c.costs.slippage),
        basis_points("costs.slippage_crypto_bp", |c| &mut c.costs.slippage_crypto),
        volume_share(),
        integer("costs.delay_bars", 0..=100, "bars", |c| &mut c.costs.delay_bars),
        number("costs.rejection", 0.0..=1.0, "probability", |c| &mut c.costs.rejection),
    ]);
}

/// Zero stands for no limit: TOML has no word for nothing.
fn volume_share() -> Key {
    let kind = Kind::Number { min: 0.0, max: 1.0, unit: "share of a bar's volume, 0 for no limit" };
    key("costs.volume_share", kind, |config, setting| {
        if let Setting::Number(share) = setting {
            config.costs.volume_share = Some(*share).filter(|share| share.get() > 0.0);
        }
    })
}

fn basis_points(path: &str, place: fn(&mut Config) -> &mut Bp) -> Key {
    let kind = Kind::Number { min: 0.0, max: 1_000.0, unit: "basis points" };
    key(path, kind, move |config, setting| {
        if let Setting::Number(value) = setting {
            let hundredths = (value.get() * 100.0).round();
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "0 to 100,000 by the kind's bounds"
            )]
            let hundredths = hundredths as u32;
            *place(config) = Bp::hundredths(hundredths);
        }
    })
}

pub(super) fn risk(all: &mut Vec<Key>) {
    let equity = "fraction of equity";
    all.extend([
        number("risk.position_max", 0.01..=0.20, equity, |c| &mut c.limits.risk.position_max),
        number("risk.exposure_max", 0.05..=0.80, equity, |c| &mut c.limits.risk.exposure_max),
        number("risk.cash_min", 0.30..=0.95, equity, |c| &mut c.limits.risk.cash_min),
        number("risk.var_max", 0.001..=0.02, equity, |c| &mut c.limits.risk.var_max),
        number("risk.cvar_max", 0.001..=0.03, equity, |c| &mut c.limits.risk.cvar_max),
        number("risk.drawdown_half", 0.01..=0.10, "fraction of the peak", |c| {
            &mut c.limits.risk.drawdown_half
        }),
        number("risk.drawdown_halt", 0.02..=0.15, "fraction of the peak", |c| {
            &mut c.limits.risk.drawdown_halt
        }),
        number("risk.daily_loss_max", 0.001..=0.03, equity, |c| &mut c.limits.risk.daily_loss_max),
        number("risk.win_rate_min", 0.40..=0.90, "fraction of trades", |c| {
            &mut c.limits.risk.win_rate_min
        }),
        integer("risk.win_rate_trades", 1..=10, "trades", |c| &mut c.limits.risk.win_rate_trades),
        integer("risk.loss_streak_max", 1..=5, "trades", |c| &mut c.limits.risk.loss_streak_max),
        integer("risk.rejection_streak_max", 1..=5, "orders", |c| {
            &mut c.limits.risk.rejection_streak_max
        }),
        integer("risk.cooldown_sessions", 5..=250, "sessions", |c| {
            &mut c.limits.risk.cooldown_sessions
        }),
        number("risk.vix_warn", 5.0..=30.0, "percent a year", |c| &mut c.limits.risk.vix_warn),
        number("risk.vix_critical", 10.0..=40.0, "percent a year", |c| {
            &mut c.limits.risk.vix_critical
        }),
        duration("risk.symbol_cooldown", 60 * SECOND..=30 * DAY, |c| {
            &mut c.limits.risk.symbol_cooldown
        }),
        number("risk.crypto_max", 0.0..=0.20, equity, |c| &mut c.limits.risk.crypto_max),
    ]);
}

pub(super) fn soft(all: &mut Vec<Key>) {
    all.extend([
        number("guardian.correlation_max", 0.0..=0.80, "correlation", |c| {
            &mut c.limits.soft.correlation_max
        }),
        number("guardian.crash_max", 0.05..=0.50, "probability", |c| &mut c.limits.soft.crash_max),
        number("guardian.regime_clear", 0.30..=0.70, "probability", |c| {
            &mut c.limits.soft.regime_clear
        }),
        integer("guardian.loss_streak_max", 1..=4, "trades", |c| {
            &mut c.limits.soft.loss_streak_max
        }),
        number("guardian.win_rate_min", 0.45..=0.90, "fraction of trades", |c| {
            &mut c.limits.soft.win_rate_min
        }),
        integer("guardian.win_rate_trades", 1..=20, "trades", |c| {
            &mut c.limits.soft.win_rate_trades
        }),
        number("guardian.drawdown_max", 0.01..=0.08, "fraction of the peak", |c| {
            &mut c.limits.soft.drawdown_max
        }),
    ]);
}

pub(super) fn consensus(all: &mut Vec<Key>) {
    all.extend([
        number("consensus.threshold", 0.66..=1.0, "share of votes", |c| {
            &mut c.limits.consensus.threshold
        }),
        integer("consensus.quorum_min", 2..=14, "votes", |c| &mut c.limits.consensus.quorum_min),
        number("consensus.quorum_share", 0.5..=1.0, "share of the voters asked", |c| {
            &mut c.limits.consensus.quorum_share
        }),
        duration("consensus.patience", 10..=10 * 60 * SECOND, |c| &mut c.limits.consensus.patience),
        number("consensus.appeal_confidence_min", 0.90..=1.0, "mean confidence", |c| {
            &mut c.limits.consensus.appeal_confidence_min
        }),
        number("consensus.appeal_headroom_min", 0.20..=0.95, "fraction of the limit", |c| {
            &mut c.limits.consensus.appeal_headroom_min
        }),
    ]);
}

pub(super) fn bounds(all: &mut Vec<Key>) {
    let hard = &BoundsTable::HARD;
    all.extend([
        bounds_key(&hard.confidence_multiplier, |t| &mut t.confidence_multiplier),
        bounds_key(&hard.size_multiplier, |t| &mut t.size_multiplier),
        bounds_key(&hard.limit_offset_bp, |t| &mut t.limit_offset_bp),
        bounds_key(&hard.stop_distance, |t| &mut t.stop_distance),
        bounds_key(&hard.target_distance, |t| &mut t.target_distance),
        bounds_key(&hard.lr_multiplier, |t| &mut t.lr_multiplier),
        bounds_key(&hard.entropy_multiplier, |t| &mut t.entropy_multiplier),
        bounds_key(&hard.batch_multiplier, |t| &mut t.batch_multiplier),
        bounds_key(&hard.reward_weight_delta, |t| &mut t.reward_weight_delta),
        bounds_key(&hard.score_weight_delta, |t| &mut t.score_weight_delta),
    ]);
}

pub(super) fn gates(all: &mut Vec<Key>) {
    let share = "share of calls";
    all.extend([
        number("gates.confidence_calm", 0.38..=1.0, "confidence", |c| {
            &mut c.limits.gates.confidence_calm
        }),
        number("gates.confidence_wild", 0.45..=1.0, "confidence", |c| {
            &mut c.limits.gates.confidence_wild
        }),
        duration("gates.data_age_max", SECOND..=DAY, |c| &mut c.limits.gates.data_age_max),
        key("gates.extended_hours", Kind::Flag, |config, setting| {
            if let Setting::Flag(on) = setting {
                config.limits.gates.extended_hours = *on;
            }
        }),
        integer("gates.health_calls", 20..=10_000, "calls", |c| &mut c.limits.gates.health_calls),
        number("gates.hold_share_max", 0.05..=0.95, share, |c| &mut c.limits.gates.hold_share_max),
        number("gates.accuracy_min", 0.40..=0.95, share, |c| &mut c.limits.gates.accuracy_min),
        integer("gates.day_trades_max", 0..=3, "round trips", |c| {
            &mut c.limits.gates.day_trades_max
        }),
        dollars("gates.day_trade_equity", 0..=1_000_000, |c| &mut c.limits.gates.day_trade_equity),
    ]);
}

pub(super) fn sizing(all: &mut Vec<Key>) {
    let (equity, factor) = ("fraction of equity", "factor");
    all.extend([
        number("sizing.kelly_min", 0.0..=0.05, equity, |c| &mut c.limits.sizing.kelly_min),
        number("sizing.kelly_max", 0.01..=0.25, equity, |c| &mut c.limits.sizing.kelly_max),
        integer("sizing.kelly_outcomes", 10..=10_000, "trades", |c| {
            &mut c.limits.sizing.kelly_outcomes
        }),
        number("sizing.vol_target", 0.01..=2.0, "volatility a year", |c| {
            &mut c.limits.sizing.vol_target
        }),
        number("sizing.vol_factor_min", 0.0..=1.0, factor, |c| &mut c.limits.sizing.vol_factor_min),
        number("sizing.correlation_free", 0.0..=1.0, "correlation", |c| {
            &mut c.limits.sizing.correlation_free
        }),
        number("sizing.drawdown_factor", 0.0..=0.5, factor, |c| {
            &mut c.limits.sizing.drawdown_factor
        }),
        number("sizing.critical_factor", 1.0..=1.5, factor, |c| {
            &mut c.limits.sizing.critical_factor
        }),
        number("sizing.stop_atr", 0.5..=10.0, "average true ranges", |c| {
            &mut c.limits.sizing.stop_atr
        }),
        number("sizing.target_stops", 0.5..=10.0, "stop distances", |c| {
            &mut c.limits.sizing.target_stops
        }),
        key("sizing.fractional_shares", Kind::Flag, |config, setting| {
            if let Setting::Flag(on) = setting {
                config.limits.sizing.fractional_shares = *on;
            }
        }),
    ]);
}

pub(super) fn exits(all: &mut Vec<Key>) {
    let gain = "fraction of the entry price";
    all.extend([
        number("exits.break_even_at", 0.001..=0.50, gain, |c| &mut c.exits.break_even_at),
        number("exits.trailing", 0.005..=0.50, gain, |c| &mut c.exits.trailing),
        integer("exits.time_stop_bars", 1..=100_000, "bars", |c| &mut c.exits.time_stop_bars),
    ]);
}

pub(super) fn budgets(all: &mut Vec<Key>) {
    all.extend([
        integer("budgets.team_per_hour", 0..=20_000, "consultations", |c| {
            &mut c.budgets.team_per_hour
        }),
        integer("budgets.all_per_hour", 0..=20_000, "consultations", |c| {
            &mut c.budgets.all_per_hour
        }),
        integer("budgets.actions_per_hour", 0..=2_000, "actions", |c| {
            &mut c.budgets.actions_per_hour
        }),
        duration("budgets.spacing", SECOND..=DAY, |c| &mut c.budgets.spacing),
        integer("budgets.critical_per_day", 0..=100, "actions", |c| {
            &mut c.budgets.critical_per_day
        }),
        integer("budgets.training_run", 0..=20_000, "consultations", |c| {
            &mut c.budgets.training_run
        }),
        dollars("budgets.usd_per_call", 0..=1_000, |c| &mut c.budgets.usd_per_call),
        dollars("budgets.usd_per_run", 0..=1_000, |c| &mut c.budgets.usd_per_run),
        dollars("budgets.usd_per_day", 0..=1_000, |c| &mut c.budgets.usd_per_day),
    ]);
}

pub(super) fn service(all: &mut Vec<Key>) {
    all.extend([
        duration("approvals.expiry", SECOND..=DAY, |c| &mut c.approvals.expiry),
        integer("audit.segment_mb", 1..=4_096, "megabytes", |c| &mut c.audit.segment_mb),
        integer("audit.keep_segments", 0..=100_000, "segments", |c| &mut c.audit.keep_segments),
        word("store.engine", &["sled", "redb"], |c, v| v.clone_into(&mut c.store.engine)),
        super::keys::flag("http.enabled", |c| &mut c.http.enabled),
        key("http.host", Kind::Address, |config, setting| {
            if let Setting::Address(host) = setting {
                config.http.host = *host;
            }
        }),
        integer("http.port", 0..=65_535, "port", |c| &mut c.http.port),
        integer("http.burst", 10..=10_000, "requests", |c| &mut c.http.burst),
        integer("http.requests_per_second", 1..=10_000, "requests a second", |c| {
            &mut c.http.requests_per_second
        }),
        word("log.level", &["error", "warn", "info", "debug", "trace"], |c, v| {
            v.clone_into(&mut c.log.level);
        }),
        key("telemetry.otlp", Kind::Text, |config, setting| {
            if let Setting::Text(text) = setting {
                text.clone_into(&mut config.telemetry.otlp);
            }
        }),
        duration("supervision.drain_max", SECOND..=10 * SECOND, |c| &mut c.supervision.drain_max),
        duration("supervision.heartbeat", 100..=60 * SECOND, |c| &mut c.supervision.heartbeat),
        integer("supervision.unclean_starts_max", 1..=1_000, "starts", |c| {
            &mut c.supervision.unclean_starts_max
        }),
        duration("supervision.unclean_starts_period", SECOND..=DAY, |c| {
            &mut c.supervision.unclean_starts_period
        }),
    ]);
}

pub(super) fn faults(all: &mut Vec<Key>) {
    all.extend([
        integer("faults.seed", 0..=i64::MAX, "any number", |c| &mut c.faults.seed),
        number("faults.rate", 0.0..=1.0, "probability", |c| &mut c.faults.rate),
        key("faults.kinds", Kind::Text, |config, setting| {
            if let Setting::Text(text) = setting {
                text.clone_into(&mut config.faults.kinds);
            }
        }),
    ]);
}

pub(super) fn agents(all: &mut Vec<Key>) {
    for name in roster::names() {
        let place = move |config: &mut Config, set: &dyn Fn(&mut AgentSettings)| {
            if let Some(settings) = config.agents.get_mut(name) {
                set(settings);
            }
        };
        all.push(key(format!("agents.{name}.enabled"), Kind::Flag, move |config, setting| {
            if let Setting::Flag(enabled) = setting {
                place(config, &|agent| agent.enabled = *enabled);
            }
        }));
        all.push(word(
            format!("agents.{name}.tier"),
            &["haiku", "sonnet", "opus"],
            move |config, value| {
                let tier = match value {
                    "haiku" => Tier::Haiku,
                    "opus" => Tier::Opus,
                    _ => Tier::Sonnet,
                };
                place(config, &|agent| agent.tier = tier);
            },
        ));
        all.push(word(
            format!("agents.{name}.brain"),
            &["rules", "model"],
            move |config, value| {
                place(config, &|agent| value.clone_into(&mut agent.brain));
            },
        ));
        let kind = Kind::Integer { min: 1, max: 4_096, unit: "consultations in flight" };
        all.push(key(format!("agents.{name}.permits"), kind, move |config, setting| {
            if let Setting::Integer(permits) = setting {
                let permits = u32::try_from(*permits).unwrap_or(u32::MAX);
                place(config, &|agent| agent.permits = permits);
            }
        }));
        let in_cycles = |seat: roster::Seat| matches!(seat.cadence, Cadence::EveryCycles(_));
        if !roster::seat(name).is_some_and(in_cycles) {
            continue;
        }
        let kind = Kind::Integer { min: 1, max: 10_000, unit: "validation cycles" };
        all.push(key(format!("agents.{name}.interval"), kind, move |config, setting| {
            if let Setting::Integer(cycles) = setting {
                let cycles = u32::try_from(*cycles).unwrap_or(u32::MAX);
                place(config, &|agent| agent.interval = agent.interval.map(|_| cycles));
            }
        }));
    }
}
