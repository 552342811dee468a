//! The validated configuration: plain types, grouped by who uses them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use conclave_actors::runtime::agent::Cadence;
use conclave_actors::runtime::roster::{self, Seat};
use conclave_domain::budget::BudgetConfig;
use conclave_domain::exits::ExitRules;
use conclave_domain::faults::{Fault, Port};
use conclave_domain::fixed::{Bp, Money};
use conclave_domain::limits::Limits;
use conclave_domain::ratio::Ratio;
use conclave_domain::role::{AgentName, Tier};
use conclave_domain::selection::dynamic::Rules;
use serde::Serialize;

use super::alpaca::AlpacaSettings;
use super::models::ModelSettings;
use super::notify::NotifySettings;

/// Everything that can be configured, validated.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Config {
    /// What is run, on what, and how it is filled.
    pub run: RunSettings,
    /// What raises signals.
    pub strategy: StrategySettings,
    /// What an order costs in the simulated broker.
    pub costs: CostSettings,
    /// The limits of risk, consensus, gates and sizing.
    pub limits: Limits,
    /// When positions are left by rule.
    pub exits: ExitRules,
    /// Who may be entered, where that changes as the run goes on.
    pub universe: UniverseSettings,
    /// How often and how much.
    pub budgets: BudgetConfig,
    /// How models are asked.
    pub models: ModelSettings,
    /// Where Alpaca is, and how it is asked.
    pub alpaca: AlpacaSettings,
    /// The approval queue.
    pub approvals: ApprovalSettings,
    /// What people are told, and who may command from a chat.
    pub notify: NotifySettings,
    /// What goes wrong on request.
    pub faults: FaultSettings,
    /// The audit's files.
    pub audit: AuditSettings,
    /// The store of the shared context.
    pub store: StoreSettings,
    /// The HTTP side.
    pub http: HttpSettings,
    /// What is logged.
    pub log: LogSettings,
    /// Where spans go. Of no weight for what is decided, and so no part of a configuration's hash.
    #[serde(skip_serializing)]
    pub telemetry: TelemetrySettings,
    /// How the process is stopped, felt and kept from crashing for ever.
    pub supervision: SupervisionSettings,
    /// Each agent's switch, tier, brain and permits.
    pub agents: BTreeMap<AgentName, AgentSettings>,
}

/// What is run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunSettings {
    /// `advisory`, `supervised` or `autonomous`.
    pub mode: String,
    /// `paper` or `live`.
    pub money: String,
    /// Seed of everything random.
    pub seed: u64,
    /// Cash at the start.
    pub cash: Money,
    /// `close` or `next-open`.
    pub fill: String,
    /// `long` or `long-short`.
    pub direction: String,
    /// Slices of bars that move through the mailboxes at once in a replay.
    pub chunk: usize,
}

/// What raises signals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StrategySettings {
    /// `sma-cross`, `momentum` or `mean-reversion`.
    pub name: String,
    /// SMA cross: bars of the fast mean.
    pub fast: u32,
    /// SMA cross: bars of the slow mean.
    pub slow: u32,
    /// Momentum and mean reversion: bars looked back on.
    pub lookback: u32,
}

/// What an order costs in the simulated broker.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CostSettings {
    /// Fee of one fill.
    pub fee_per_trade: Money,
    /// Slippage of shares.
    pub slippage: Bp,
    /// Slippage of coins.
    pub slippage_crypto: Bp,
    /// Largest share of a bar's volume that one order takes; all that it wants when `None`.
    pub volume_share: Option<Ratio>,
    /// Bars that an order is on its way.
    pub delay_bars: u32,
    /// Probability that the simulated broker rejects an order.
    pub rejection: Ratio,
}

/// Who may be entered.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct UniverseSettings {
    /// Whether that changes as the run goes on; every symbol may be entered otherwise.
    pub enabled: bool,
    /// When it changes.
    pub rules: Rules,
}

/// The approval queue of supervised mode.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ApprovalSettings {
    /// How long an item waits before silence becomes no.
    pub expiry: Duration,
}

/// What goes wrong on request, on simulated money only.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FaultSettings {
    /// Seed of the lots.
    pub seed: u64,
    /// Probability, 0 to 1, that one decision of an agent or one call of a port goes wrong.
    pub rate: Ratio,
    /// What may be drawn: words separated by commas; everything when empty.
    pub kinds: String,
}

/// The audit's files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuditSettings {
    /// Size at which a new segment begins, megabytes.
    pub segment_mb: u64,
    /// Segments of each stream that are kept; 0 keeps all.
    pub keep_segments: u32,
}

/// The store of the shared context.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StoreSettings {
    /// `sled` or `redb`.
    pub engine: String,
}

/// The HTTP side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HttpSettings {
    /// Whether the process listens at all.
    pub enabled: bool,
    /// Address to bind.
    pub host: IpAddr,
    /// Port to bind; 0 has one chosen.
    pub port: u16,
    /// Requests that may come at once.
    pub burst: u32,
    /// Requests a second in the long run.
    pub requests_per_second: u32,
}

/// What is logged to stderr.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogSettings {
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: String,
}

/// Where spans go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TelemetrySettings {
    /// The address of a collector of OpenTelemetry before `/v1/traces`; empty for none.
    pub otlp: String,
}

/// How the process is stopped, felt and kept from crashing for ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SupervisionSettings {
    /// How long a stop may take before the process says what hung and ends.
    pub drain_max: Duration,
    /// How often the council's pulse is felt.
    pub heartbeat: Duration,
    /// Unclean starts within the period after which the process comes up halted.
    pub unclean_starts_max: u32,
    /// The period in which unclean starts are counted.
    pub unclean_starts_period: Duration,
}

/// One agent's settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AgentSettings {
    /// Whether it is consulted.
    pub enabled: bool,
    /// The model tier it asks.
    pub tier: Tier,
    /// `rules` or `model`.
    pub brain: String,
    /// Consultations that may be in flight.
    pub permits: u32,
    /// Training only: consulted every so many validation cycles.
    pub interval: Option<u32>,
}

impl FaultSettings {
    /// What may be drawn; everything when empty.
    ///
    /// # Errors
    /// The first word that names no fault, or none that is ever drawn.
    pub fn kinds(&self) -> Result<BTreeSet<Fault>, String> {
        let words = self.kinds.split(',').map(str::trim).filter(|word| !word.is_empty());
        let planned = [Port::Process, Port::Person];
        let is_drawn = |fault: &Fault| !planned.iter().any(|port| port.faults().contains(fault));
        let fault = |word: &str| Fault::by_name(word).filter(is_drawn);
        words.map(|word| fault(word).ok_or_else(|| word.to_owned())).collect()
    }
}

impl Default for Config {
    fn default() -> Self {
        let agents = roster::roster().into_iter().map(|seat| (seat.role.name, defaults_of(&seat)));
        Self {
            run: RunSettings {
                mode: "advisory".to_owned(),
                money: "paper".to_owned(),
                seed: 1,
                cash: Money::from_raw(100_000 * Money::SCALE),
                fill: "next-open".to_owned(),
                direction: "long-short".to_owned(),
                chunk: 64,
            },
            strategy: StrategySettings {
                name: "sma-cross".to_owned(),
                fast: 10,
                slow: 20,
                lookback: 20,
            },
            costs: CostSettings {
                fee_per_trade: Money::from_raw(Money::SCALE),
                slippage: Bp::whole(5),
                slippage_crypto: Bp::whole(25),
                volume_share: None,
                delay_bars: 0,
                rejection: Ratio::ZERO,
            },
            limits: Limits::default(),
            exits: ExitRules::default(),
            universe: UniverseSettings { enabled: false, rules: Rules::default() },
            budgets: BudgetConfig::default(),
            models: ModelSettings::default(),
            alpaca: AlpacaSettings::default(),
            approvals: ApprovalSettings { expiry: Duration::from_mins(5) },
            notify: NotifySettings::default(),
            faults: FaultSettings { seed: 1, rate: Ratio::ZERO, kinds: String::new() },
            audit: AuditSettings { segment_mb: 64, keep_segments: 0 },
            store: StoreSettings { engine: "sled".to_owned() },
            http: HttpSettings {
                enabled: true,
                host: IpAddr::V4(Ipv4Addr::LOCALHOST),
                port: 8740,
                burst: 200,
                requests_per_second: 100,
            },
            log: LogSettings { level: "warn".to_owned() },
            telemetry: TelemetrySettings { otlp: String::new() },
            supervision: SupervisionSettings {
                drain_max: Duration::from_secs(10),
                heartbeat: Duration::from_secs(1),
                unclean_starts_max: 5,
                unclean_starts_period: Duration::from_mins(10),
            },
            agents: agents.collect(),
        }
    }
}

fn defaults_of(seat: &Seat) -> AgentSettings {
    AgentSettings {
        enabled: seat.on_by_default,
        tier: seat.role.tier,
        brain: "rules".to_owned(),
        permits: 128,
        interval: match seat.cadence {
            Cadence::EveryCycles(cycles) => Some(cycles),
            _ => None,
        },
    }
}
