//! The keeper: a thread beside the run that hears signals, feels the council's pulse, and sees to it
//! that a stop comes to an end.
//!
//! A first SIGINT or SIGTERM stops the intake; what is in hand is finished, agents that take too long
//! over it are hurried, audit and context are flushed. A second one ends the process at once, and so
//! does the end of the time that a stop may take: then the keeper says what hung. What was
//! acknowledged is on the disk in either case.
//!
//! The thread has a runtime of its own, so that a run whose thread is blocked is stopped as well.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use conclave_actors::council::Council;
use conclave_actors::runtime::ports::{AuditSink as _, Batch, Done, Safety};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::pulse::{self, Pulse};
use super::reload::Reloader;
use crate::adapters::audit_files::AuditFiles;
use crate::adapters::control_http::STATION_FILE;
use crate::adapters::notify::Notifier;
use crate::cli::error::ExitCode;
use crate::config::SupervisionSettings;

/// How long the log's writer may take to come to rest before the process ends without it.
const LAST_WRITE: Duration = Duration::from_secs(1);

/// What the run is doing, for whoever must say what hung.
#[derive(Clone, Debug)]
pub(super) struct Phase(Arc<Mutex<&'static str>>);

impl Phase {
    pub(super) fn new(what: &'static str) -> Self {
        Self(Arc::new(Mutex::new(what)))
    }

    /// The run goes on to something else.
    pub(super) fn set(&self, what: &'static str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = what;
    }

    fn get(&self) -> &'static str {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the keeper keeps.
pub(super) struct Kept {
    /// The actors.
    pub(super) council: Council,
    /// The run's directory.
    pub(super) dir: PathBuf,
    /// Stops the intake.
    pub(super) stop: watch::Sender<bool>,
    /// Whether it was Ctrl-C that stopped it.
    pub(super) by_person: Arc<AtomicBool>,
    /// What the run is doing.
    pub(super) phase: Phase,
    /// How long a stop may take, and how often the pulse is felt.
    pub(super) settings: SupervisionSettings,
    /// The log; the run owns it.
    pub(super) log: Weak<AuditFiles>,
    /// The service manager, where one started us.
    pub(super) manager: Option<Arc<Notifier>>,
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    Interrupt,
    Terminate,
    HangUp,
}

/// The signals that we hear, from the moment on that this exists.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Heard {
        tokio::select! {
            Some(()) = self.interrupt.recv() => Heard::Interrupt,
            Some(()) = self.terminate.recv() => Heard::Terminate,
            Some(()) = self.hang_up.recv() => Heard::HangUp,
        }
    }
}

/// Why the keeper ends the process.
#[derive(Clone, Debug, PartialEq, Eq)]
enum End {
    /// Somebody asked a second time.
    Twice(Heard),
    /// The stop took too long; what hung.
    Hung(String),
}

/// Starts the keeper; returns when it hears signals. It lives as long as the process.
///
/// # Errors
/// When there is no thread to be had, or the signals cannot be heard.
pub(super) async fn start(kept: Kept, reloader: Reloader, pulse: Pulse) -> std::io::Result<()> {
    let (listening, listens) = oneshot::channel();
    std::thread::Builder::new().name("keeper".to_owned()).spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(error) => return drop(listening.send(Err(error))),
        };
        let end = runtime.block_on(async {
            let signals = match Signals::listen() {
                Ok(signals) => signals,
                Err(error) => {
                    let _ = listening.send(Err(error));
                    return None;
                }
            };
            let _ = listening.send(Ok(()));
            let (reload, reloads) = mpsc::channel(1);
            tokio::select! {
                end = obey(signals, &kept, reload) => Some(end),
                () = reloader.serve(reloads) => None,
                () = pulse::feel(pulse) => None,
            }
        });
        if let Some(end) = end {
            leave(&kept, &end);
        }
    })?;
    listens.await.unwrap_or_else(|_| Err(std::io::Error::other("the keeper did not start")))
}

/// Hears signals until the process must end in spite of whatever it is doing.
async fn obey(mut signals: Signals, kept: &Kept, reload: mpsc::Sender<()>) -> End {
    loop {
        match signals.next().await {
            // One that waits already will see the file as it is then.
            Heard::HangUp => drop(reload.try_send(())),
            heard => {
                begin_stop(kept, heard);
                return drain(signals, kept).await;
            }
        }
    }
}

fn begin_stop(kept: &Kept, heard: Heard) {
    if heard == Heard::Interrupt {
        kept.by_person.store(true, Ordering::SeqCst);
    }
    if let Some(manager) = &kept.manager {
        manager.tell("STOPPING=1\nSTATUS=finishing what is in hand");
    }
    tracing::warn!(
        ?heard,
        "stopping: what is in hand is finished; a second signal ends it at once"
    );
    kept.stop.send_replace(true);
}

/// Waits for the process to end by itself; hurries the agents after a third of the time.
async fn drain(mut signals: Signals, kept: &Kept) -> End {
    let limit = kept.settings.drain_max;
    let (hurry, deadline) = (Instant::now() + limit / 3, Instant::now() + limit);
    let mut is_hurried = false;
    loop {
        tokio::select! {
            heard = signals.next() => {
                if heard != Heard::HangUp {
                    return End::Twice(heard);
                }
            }
            () = tokio::time::sleep_until(hurry), if !is_hurried => {
                is_hurried = true;
                kept.council.safety.fence().hurry();
            }
            () = tokio::time::sleep_until(deadline) => return End::Hung(what_hangs(kept)),
        }
    }
}

/// What the run is doing, and who owes an answer.
fn what_hangs(kept: &Kept) -> String {
    let council = &kept.council;
    let agents = council.agents.iter().map(|agent| (agent.role.name, agent.depth()));
    let others = [("audit", council.audit.depth()), ("context", council.context.depth())];
    let owing: Vec<String> = agents
        .chain(others)
        .filter(|(_, depth)| *depth > 0)
        .map(|(name, depth)| format!("{name} owes {depth}"))
        .collect();
    let phase = kept.phase.get();
    if owing.is_empty() { phase.to_owned() } else { format!("{phase} ({})", owing.join(", ")) }
}

/// Ends the process, with the log at rest.
fn leave(kept: &Kept, end: &End) {
    let (code, what) = match end {
        End::Twice(Heard::Interrupt) => {
            (ExitCode::Interrupted, "ended at once on a second signal".to_owned())
        }
        End::Twice(_) => (ExitCode::Failure, "ended at once on a second signal".to_owned()),
        End::Hung(what) => {
            let limit = kept.settings.drain_max.as_secs_f64();
            rest(&kept.log);
            (ExitCode::Failure, format!("the stop took longer than {limit} s; it hung in: {what}"))
        }
    };
    let dir = kept.dir.display();
    let text = format!(
        "conclave: {what}\nconclave: what was acknowledged is in the log; \
         `conclave run --resume {dir}` goes on"
    );
    let _ = std::fs::remove_file(kept.dir.join(STATION_FILE));
    // Where stderr is gone there is nobody left to tell.
    let _ = writeln!(std::io::stderr(), "{text}");
    std::process::exit(i32::from(code.number()));
}

/// Waits until the log's writer has written what it has, so that no line is torn.
fn rest(log: &Weak<AuditFiles>) {
    let Some(log) = log.upgrade() else { return };
    let (written, waiting) = std::sync::mpsc::channel();
    let done = Done::new(move |_| {
        let _ = written.send(());
    });
    log.submit(Batch { records: Vec::new(), safety: Safety::AllSynced, done });
    if waiting.recv_timeout(LAST_WRITE).is_err() {
        tracing::error!("the log's writer hangs as well");
    }
    // Dropping the last handle would wait for that writer.
    std::mem::forget(log);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::audit_files::{LogOptions, verify};

    #[test]
    fn a_log_comes_to_rest_before_the_process_ends_and_verifies() {
        let dir = tempfile::tempdir().unwrap();
        let opened = AuditFiles::open(dir.path(), None, LogOptions::default()).unwrap();
        let log = Arc::new(opened.files);
        for nth in 0..50 {
            let body = serde_json::json!({ "nth": nth });
            let at = conclave_domain::time::Time::EPOCH;
            let record = conclave_actors::audit::record(
                conclave_domain::record::Step::SessionDigest,
                None,
                at,
                &body,
            );
            let records = vec![record.unwrap()];
            log.submit(Batch { records, safety: Safety::Written, done: Done::new(drop) });
        }
        rest(&Arc::downgrade(&log));
        assert_eq!(verify(dir.path(), None).unwrap().decisions.head.count, 50);
        rest(&Weak::new());
    }

    #[test]
    fn the_phase_that_hangs_is_the_last_one_that_was_set() {
        let phase = Phase::new("starting");
        phase.clone().set("playing bars");
        assert_eq!(phase.get(), "playing bars");
    }
}
