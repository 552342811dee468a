//! A training run as the HTTP API sees it: how it stands, its agents, rounds, open questions and budgets;
//! a halt of its levers, its mode, and answers. Training itself is nothing that anybody commands here:
//! Ctrl-C stops it.
//!
//! - O-3: a halt is in force before anything else is done about it, whatever becomes of its record.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use conclave_actors::safety::ModeRequest;
use conclave_actors::training::run::TrainingRun;
use conclave_domain::brief::trading::TradingState;
use conclave_domain::code::Code;
use conclave_domain::mode::{AdvisoryRecord, By, Mode, ModeError, Person};
use conclave_domain::role::Team;
use conclave_domain::time::Time;
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::{Value, json};

use super::super::desk::{absent, audit_state, budgets, clip, flag, key_of, lives};
use super::super::records;
use super::super::reload::InForce;
use super::super::rounds::{self, RoundsError};
use super::history;
use super::questions::Questions;
use super::trainers::{Beat, Watch};
use crate::adapters::clock::now;
use crate::adapters::control_http::HALT_FILE;
use crate::http::desk::{
    Answer, Command, Desk, Filter, Lines, ModeChange, Refusal, Text, View, Why,
};
use crate::report::training::Point;

/// What was last seen of a run.
#[derive(Debug, Default)]
pub(super) struct Seen(Mutex<(Beat, Option<Point>)>);

impl Seen {
    fn lock(&self) -> MutexGuard<'_, (Beat, Option<Point>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A watch that notes what it hears, and passes it on.
    pub(super) fn noting(self: &Arc<Self>, watch: &Watch) -> Watch {
        let (at_update, at_boundary) = (Arc::clone(self), Arc::clone(self));
        let Watch { heard, validated, stop } = watch.clone();
        let heard = move |beat| {
            at_update.lock().0 = beat;
            heard(beat);
        };
        let validated = move |point: &Point| {
            at_boundary.lock().1 = Some(point.clone());
            validated(point);
        };
        Watch { heard: Arc::new(heard), validated: Arc::new(validated), stop }
    }
}

/// What the desk is made of.
#[derive(Clone, Debug)]
pub(super) struct TrainDesk {
    /// The council.
    pub(super) council: Arc<TrainingRun>,
    /// The run's directory.
    pub(super) dir: PathBuf,
    /// Its name.
    pub(super) run_id: String,
    /// Environment steps of the whole run.
    pub(super) steps: u64,
    /// What was last seen of it.
    pub(super) seen: Arc<Seen>,
    /// What waits for a person.
    pub(super) questions: Arc<Questions>,
    /// The process's metrics.
    pub(super) metrics: PrometheusHandle,
    /// The configuration.
    pub(super) config: InForce,
    /// Wall time of the start.
    pub(super) started_at: Time,
}

impl Desk for TrainDesk {
    fn view(&self, view: View) -> Answer<'_> {
        Box::pin(self.look(view))
    }

    fn export(&self, filter: Filter) -> Lines {
        records::export(self.dir.clone(), filter)
    }

    fn command(&self, by: Person, command: Command) -> Answer<'_> {
        let desk = self.clone();
        Box::pin(async move {
            #[expect(
                clippy::disallowed_methods,
                reason = "a command that was begun is ended even if its caller has hung up"
            )]
            let done = tokio::spawn(async move { desk.obey(by, command).await });
            let broke = || Refusal::Unavailable("the command broke; look at the log".to_owned());
            done.await.unwrap_or_else(|_| Err(broke()))
        })
    }

    fn is_ready(&self) -> bool {
        self.council.fallen().is_none() && self.council.audit.trouble().is_none()
    }

    fn metrics(&self) -> Text<'_> {
        Box::pin(async move {
            self.metrics.run_upkeep();
            self.metrics.render()
        })
    }
}

/// What a training run has not.
fn without(what: &str) -> Refusal {
    Refusal::Invalid(format!("a training run has no {what}; `halt` stops its levers"))
}

impl TrainDesk {
    async fn look(&self, view: View) -> Result<Value, Refusal> {
        match view {
            View::Status => Ok(self.status().await),
            View::Agents => {
                let (agents, actors) = (self.agents(), lives(self.council.directory()));
                Ok(json!({"schema": "agents/1", "agents": agents, "actors": actors}))
            }
            View::Rounds => self.read_log(|dir| rounds::last(dir).map(Some)).await,
            View::Round(id) => self.read_log(move |dir| rounds::one(dir, &id)).await,
            View::Approvals => {
                Ok(json!({"schema": "approvals/1", "approvals": self.questions.waiting()}))
            }
            View::Budgets => {
                let report = self.council.safety.report().await.ok_or_else(absent)?;
                let rows = budgets::rows(&report.remaining);
                Ok(json!({"schema": "budgets/1", "budgets": rows, "free": report.free}))
            }
            View::Positions => Err(without("positions")),
            View::Orders => Err(without("orders")),
            View::Universe => Err(without("universe")),
            View::Curve => Err(without("account")),
            View::Arena | View::Chats => Err(without("arena")),
            View::Audit(filter) => {
                self.read_log(move |dir| records::newest(dir, &filter).map(Some)).await
            }
            View::Config => Ok(self.config.told()),
        }
    }

    /// One complete snapshot.
    async fn status(&self) -> Value {
        let council = &self.council;
        let report = council.safety.report().await;
        let standing = council.safety.standing();
        let guide = council.guidance.guide();
        let (beat, point) = self.seen.lock().clone();
        let dir = self.dir.clone();
        let raised = flag::read(&dir).await.map(|raised| raised.told(standing.trading_state));
        let history = tokio::task::spawn_blocking(move || history::tail(&dir)).await;
        json!({
            "schema": "status/1",
            "job": "training",
            "run_id": self.run_id,
            "run_key": key_of(&self.dir),
            "version": env!("CARGO_PKG_VERSION"),
            "mode": standing.mode(Team::Training).name(),
            "trading_state": raised.unwrap_or_else(|| json!({"state": standing.trading_state.name()})),
            "uptime_s": now().since(self.started_at).as_secs(),
            "fallen": council.fallen(),
            "steps": beat.steps,
            "steps_in_all": self.steps,
            "reward": beat.reward,
            "kl": beat.kl,
            "entropy": beat.entropy,
            "learning_rate": beat.learning_rate,
            "validation": point,
            "history": history.unwrap_or_default(),
            "counts": guide.counts(),
            "approvals": self.questions.waiting().len(),
            "agents": self.agents(),
            "actors": lives(council.directory()),
            "budgets": report.map(|report| budgets::rows(&report.remaining)).unwrap_or_default(),
            "audit": {
                "on_disk": council.audit.synced().decisions.count,
                "state": audit_state(council.audit.trouble().as_ref()),
            },
        })
    }

    /// Each agent's life, with how often it was asked.
    fn agents(&self) -> Vec<Value> {
        let stats = self.council.guidance.score().stats();
        let mut rows = lives(self.council.safety.directory());
        for row in &mut rows {
            let name = row["name"].as_str().unwrap_or_default();
            let Some(counted) = stats.agents.get(name) else { continue };
            row["consulted"] = json!(counted.consulted);
            row["answered"] = json!(counted.answered);
            row["vetoes"] = json!(counted.vetoes);
            row["clamps"] = json!(counted.clamps);
        }
        rows
    }

    async fn obey(&self, by: Person, command: Command) -> Result<Value, Refusal> {
        match command {
            Command::Halt(why) => self.set_state(by, TradingState::Halted, why).await,
            Command::Resume(why) => self.set_state(by, TradingState::Active, why).await,
            Command::Mode(change) => self.set_mode(by, change).await,
            Command::Approval { id, approve, .. } => {
                if !self.questions.answer(&id, approve, by) {
                    let text = format!("no question `{}` waits", clip(&id));
                    return Err(Refusal::NotFound(text));
                }
                let text = if approve { "the levers are moved" } else { "nothing is moved" };
                Ok(json!({"schema": "approval/1", "decision": id, "text": text}))
            }
            Command::Reduce(_) => Err(without("risk to reduce")),
            Command::Flatten(_) => Err(without("positions")),
            Command::Consult { .. } | Command::Setter { .. } => Err(without("trading team")),
        }
    }

    /// Stops all levers, or lets them move again; training goes on in both.
    async fn set_state(
        &self,
        by: Person,
        wanted: TradingState,
        why: Why,
    ) -> Result<Value, Refusal> {
        let is_halt = wanted == TradingState::Halted;
        let set = self.council.safety.set_state(wanted, By::Person(by), &clip(&why.reason)).await;
        match set {
            Ok(_) => {}
            // A stop is in force whether it could be written down or not.
            Err(Code::SafetyStore | Code::SafetyAbsent) if is_halt => {}
            Err(code) => return Err(Refusal::denied(code)),
        }
        if !is_halt {
            lower_flag(&self.dir)?;
        }
        let text = if is_halt {
            "no lever of an agent moves any more; training, validations and the trainer's guard go on"
        } else {
            "levers may move again"
        };
        let state = self.council.safety.standing().trading_state.name();
        Ok(json!({"schema": "state/1", "state": state, "text": text, "recorded": set.is_ok()}))
    }

    async fn set_mode(&self, by: Person, change: ModeChange) -> Result<Value, Refusal> {
        let to: Mode =
            change.mode.parse().map_err(|error: ModeError| Refusal::Invalid(error.to_string()))?;
        let request = ModeRequest {
            job: Team::Training,
            to,
            by: By::Person(by),
            record: AdvisoryRecord::default(),
            override_reason: change.override_reason.as_deref().map(clip),
        };
        let changed = self.council.safety.set_mode(request).await.map_err(Refusal::denied)?;
        Ok(json!({"schema": "mode/1", "mode": changed.to.name(), "from": changed.from.name()}))
    }

    /// Reads the audit's files on a thread that may block.
    async fn read_log(
        &self,
        read: impl FnOnce(&Path) -> Result<Option<Value>, RoundsError> + Send + 'static,
    ) -> Result<Value, Refusal> {
        let dir = self.dir.clone();
        match tokio::task::spawn_blocking(move || read(&dir)).await {
            Ok(Ok(Some(found))) => Ok(found),
            Ok(Ok(None)) => Err(Refusal::NotFound("there is no such round".to_owned())),
            Ok(Err(error)) => Err(Refusal::Unavailable(error.to_string())),
            Err(_) => Err(Refusal::Unavailable("reading the audit broke".to_owned())),
        }
    }
}

/// Removes the flag file that halts whatever the actors say.
fn lower_flag(dir: &Path) -> Result<(), Refusal> {
    match std::fs::remove_file(dir.join(HALT_FILE)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            let text = format!("the flag file {HALT_FILE} of the run still stands: {error}");
            Err(Refusal::Denied { code: Code::SafetyHalted, text })
        }
        _ => Ok(()),
    }
}
