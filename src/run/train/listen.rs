//! The HTTP side of a training run, where one is asked for: the same server, token and rate as of `run`,
//! on a thread and a runtime of its own, so that training never holds up an answer.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use conclave_actors::training::run::TrainingRun;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::oneshot;

use super::super::recipe::CONFIG_FILE;
use super::super::reload::InForce;
use super::super::serve;
use super::desk::{Seen, TrainDesk};
use super::one::Plan;
use super::questions::Questions;
use crate::adapters::clock::now;
use crate::adapters::control_http::STATION_FILE;
use crate::catalogue;
use crate::cli::error::{CliError, ExitCode};
use crate::config;
use crate::http::Shared;
use crate::http::auth::Token;
use crate::http::events::Hub;
use crate::http::rate::{Rate, RateLimits};

/// Where a run listens, and what is shown there.
#[derive(Debug)]
pub(super) struct Listen {
    port: u16,
    steps: u64,
    metrics: PrometheusHandle,
    /// The token that an operator gave.
    given: Option<Token>,
    /// What was last seen of it.
    pub(super) seen: Arc<Seen>,
    /// What waits for a person.
    pub(super) questions: Arc<Questions>,
}

impl Listen {
    /// On a port, 0 for any, for a run of so many steps.
    ///
    /// # Errors
    /// When the token that was given is none, or the process has its metrics already.
    pub(super) fn on(port: u16, steps: u64, questions: Questions) -> Result<Self, CliError> {
        let given = serve::given_token(true)?;
        let metrics = catalogue::install();
        let metrics =
            metrics.map_err(|error| CliError::new(ExitCode::Failure, error.to_string()))?;
        let (seen, questions) = (Arc::default(), Arc::new(questions));
        Ok(Self { port, steps, metrics, given, seen, questions })
    }

    /// Begins to listen, and says where in the run's directory.
    ///
    /// # Errors
    /// When the port is taken, or the address is exposed without a token.
    pub(super) async fn open(
        &self,
        plan: &Plan<'_>,
        council: &Arc<TrainingRun>,
    ) -> Result<Open, CliError> {
        let failed = |error: std::io::Error| CliError::new(ExitCode::Failure, error.to_string());
        let settings = &plan.config.http;
        let address = SocketAddr::new(settings.host, self.port);
        let bound = serve::bind_or_choose(address, self.given.is_some(), true).await?;
        let listener = bound.into_std().map_err(failed)?;
        let token = match self.given.clone() {
            Some(token) => token,
            None => Token::fresh().map_err(failed)?,
        };
        let address = listener.local_addr().map_err(failed)?;
        serve::announce(plan.dir, &format!("http://{address}"), &token)?;
        tracing::info!(%address, "serving");
        // The configuration as the run has kept it: the environment of today is not in force.
        let own = plan.dir.join(CONFIG_FILE);
        let layer = config::load(Some(&own), std::iter::empty(), &[]).map(|loaded| loaded.layer);
        let desk = TrainDesk {
            council: Arc::clone(council),
            dir: plan.dir.to_owned(),
            run_id: plan.id.to_owned(),
            steps: self.steps,
            seen: Arc::clone(&self.seen),
            questions: Arc::clone(&self.questions),
            metrics: self.metrics.clone(),
            config: InForce::of(layer.unwrap_or_default()),
            started_at: now(),
        };
        let (burst, per_second) = (settings.burst, settings.requests_per_second);
        let guard = (token, !settings.host.is_loopback());
        let rate = Rate::new(RateLimits { burst, per_second });
        let shared = Shared::new(Arc::new(desk), Arc::new(Hub::default()), guard, rate);
        let audit = council.audit.clone();
        let (end, ended) = oneshot::channel();
        let thread = std::thread::Builder::new().name("http".to_owned());
        let work = move || serve::beside(Some(listener), shared, (audit, None), ended);
        let thread = thread.spawn(work).map_err(failed)?;
        Ok(Open { end, thread, station: plan.dir.join(STATION_FILE) })
    }
}

/// A run that listens.
#[derive(Debug)]
pub(super) struct Open {
    end: oneshot::Sender<()>,
    thread: JoinHandle<()>,
    station: PathBuf,
}

impl Open {
    /// Listens no more.
    pub(super) async fn close(self) {
        let _ = self.end.send(());
        let _ = std::fs::remove_file(self.station);
        let thread = self.thread;
        let _ = tokio::task::spawn_blocking(move || thread.join()).await;
    }
}
