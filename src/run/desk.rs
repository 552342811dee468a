//! The running council as the HTTP API sees it: views out of the actors' handles and the audit's
//! files, commands to safety, broker and approvals, and the questions of outside systems.
//!
//! - O-3: a halt is in force before anything else is done about it, whatever becomes of its record.
//! - O-4: closing positions waits for nobody: neither for the audit nor for safety.

pub mod bars;
pub mod budgets;
mod commands;
pub(super) mod flag;
mod outside;
mod season;
mod views;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use conclave_actors::council::Council;
use conclave_actors::models::Gateway;
use conclave_actors::runtime::agent::Agent as _;
use conclave_actors::runtime::directory::Health;
use conclave_actors::runtime::ports::Clock;
use conclave_actors::trading::risk_guardian::RiskGuardian;
use conclave_domain::brief::trading::TradingState;
use conclave_domain::limits::Limits;
use conclave_domain::mode::Person;
use conclave_domain::time::Time;
use metrics::gauge;
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::Value;

use super::records;
use crate::cli::audit::log_dir;
use crate::http::desk::{Answer, Command, Desk, Filter, Lines, Refusal, Text, View};
use crate::run::reload::InForce;
use bars::Bars;
use outside::Outside;
pub(super) use views::{absent, audit_state, clip, lives};

/// What a desk is made of.
#[derive(Clone)]
pub struct DeskParts {
    /// The actors.
    pub council: Council,
    /// The run's directory, which holds the audit and the halt's flag file.
    pub dir: PathBuf,
    /// The run's id.
    pub run_id: String,
    /// The version of this program.
    pub version: &'static str,
    /// `paper` or `live`.
    pub money: &'static str,
    /// The process's metrics.
    pub metrics: PrometheusHandle,
    /// Both clocks.
    pub clock: Arc<dyn Clock>,
    /// The limits in force.
    pub limits: Arc<Limits>,
    /// What was played so far.
    pub bars: Bars,
    /// How much faster than the wall the market's clock goes; `None` where it goes as fast as it can.
    pub speed: Option<f64>,
    /// What stands between the agents and their models; `None` where nobody thinks by one.
    pub gateway: Option<Arc<Gateway>>,
    /// The configuration.
    pub config: InForce,
    /// Wall time of the start.
    pub started_at: Time,
}

/// The desk of a running process. Cheap to clone.
#[derive(Clone)]
pub struct RunDesk(Arc<Inner>);

struct Inner {
    parts: DeskParts,
    outside: Outside,
}

impl fmt::Debug for RunDesk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = &self.0.parts;
        f.debug_struct("RunDesk")
            .field("run_id", &parts.run_id)
            .field("dir", &parts.dir)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for DeskParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeskParts").field("run_id", &self.run_id).finish_non_exhaustive()
    }
}

impl RunDesk {
    /// A desk over a running council.
    pub fn new(parts: DeskParts) -> Self {
        let outside = Outside::new((*parts.limits).clone(), parts.started_at);
        Self(Arc::new(Inner { parts, outside }))
    }
}

impl Desk for RunDesk {
    fn view(&self, view: View) -> Answer<'_> {
        Box::pin(self.0.look(view))
    }

    fn export(&self, filter: Filter) -> Lines {
        records::export(log_dir(&self.0.parts.dir), filter)
    }

    fn command(&self, by: Person, command: Command) -> Answer<'_> {
        let inner = Arc::clone(&self.0);
        Box::pin(async move {
            #[expect(
                clippy::disallowed_methods,
                reason = "a command that was begun is ended even if its caller has hung up"
            )]
            let done = tokio::spawn(async move { inner.obey(by, command).await });
            let broke = || Refusal::Unavailable("the command broke; look at the log".to_owned());
            done.await.unwrap_or_else(|_| Err(broke()))
        })
    }

    fn is_ready(&self) -> bool {
        let council = &self.0.parts.council;
        let actors = council.directory.all();
        let guardian = council.safety.directory().get(RiskGuardian::ROLE.name);
        // Without a log there is no new risk, whoever lives.
        council.fallen().is_none()
            && council.audit.trouble().is_none()
            && !actors.is_empty()
            && actors.iter().all(|(_, entry)| entry.health == Health::Alive)
            && guardian.is_some_and(|entry| entry.health == Health::Alive)
    }

    fn metrics(&self) -> Text<'_> {
        Box::pin(async move {
            self.0.refresh().await;
            self.0.parts.metrics.run_upkeep();
            self.0.parts.metrics.render()
        })
    }
}

/// What tells a run from another one of the same name: its directory, as a hash, because that names people.
pub(super) fn key_of(dir: &Path) -> String {
    let dir = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
    blake3::hash(dir.as_os_str().as_encoded_bytes()).to_hex().chars().take(16).collect()
}

impl Inner {
    async fn obey(&self, by: Person, command: Command) -> Result<Value, Refusal> {
        let is_written = !matches!(command, Command::Setter { .. });
        let is_act = is_written && !matches!(command, Command::Consult { .. });
        let hurry = &self.parts.council.hurry;
        // The next bar waits for it; it waits for the one in hand, unless it takes risk away.
        let act = is_act.then(|| hurry.act());
        if is_act && !command.takes_risk_away() {
            hurry.between_bars().await;
        }
        let done = self.carry_out(by, command).await;
        if is_written {
            // What was done from outside would not be done again by a second pass over the bars.
            hurry.wish();
        }
        drop(act);
        done
    }

    async fn carry_out(&self, by: Person, command: Command) -> Result<Value, Refusal> {
        match command {
            Command::Halt(why) => self.set_state(by, TradingState::Halted, why).await,
            Command::Reduce(why) => self.set_state(by, TradingState::Reducing, why).await,
            Command::Resume(why) => self.set_state(by, TradingState::Active, why).await,
            Command::Flatten(why) => self.flatten(by, why).await,
            Command::Mode(change) => self.set_mode(by, change).await,
            Command::Approval { id, approve, why } => self.approve(by, (id, approve), why).await,
            Command::Consult { kind, body } => self.outside.consult(&self.parts, &kind, body).await,
            Command::Setter { kind, body } => self.outside.set(&kind, body),
        }
    }

    /// Brings the gauges up to date that nobody sets by himself.
    async fn refresh(&self) {
        let DeskParts { council, clock, version, started_at, .. } = &self.parts;
        let now = clock.wall();
        gauge!("conclave_build_info", "version" => *version).set(1.0);
        gauge!("conclave_uptime_seconds").set(now.since(*started_at).as_secs_f64());
        // The report sets what is left of each budget; its answer is safety's heartbeat.
        if council.safety.report().await.is_some() {
            let seconds = now.since(Time::EPOCH).as_secs_f64();
            gauge!("conclave_heartbeat_timestamp_seconds").set(seconds);
        }
        for agent in &council.agents {
            depth(agent.role.name, agent.depth());
        }
        depth("audit", council.audit.depth());
        depth("context", council.context.depth());
        let present = council.safety.standing().trading_state;
        for state in [TradingState::Active, TradingState::Reducing, TradingState::Halted] {
            let value = if state == present { 1.0 } else { 0.0 };
            gauge!("conclave_trading_state", "state" => state.name()).set(value);
        }
    }
}

fn depth(actor: &'static str, messages: usize) {
    let messages = u32::try_from(messages).unwrap_or(u32::MAX);
    gauge!("conclave_mailbox_depth", "actor" => actor).set(f64::from(messages));
}

#[cfg(test)]
mod tests;
