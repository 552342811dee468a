//! The council's pulse: felt by asking safety, told to the service manager, `/metrics` and a file.
//!
//! It is the council that is felt, not the thread that asks: a run whose thread is blocked, or whose
//! safety is gone, misses its beats although HTTP still answers, and the manager's watchdog ends it.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use conclave_actors::audit::AuditHandle;
use conclave_actors::runtime::ports::Clock;
use conclave_actors::safety::SafetyHandle;
use conclave_domain::role::Team;
use conclave_domain::time::Time;
use metrics::gauge;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};

use super::desk::audit_state;
use crate::adapters::heartbeat::Heartbeat;
use crate::adapters::notify::Notifier;
use crate::http::desk::Desk;

/// How long the council may take to answer before a beat is missed.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whose pulse is felt.
pub(super) trait Heart: Send + Sync {
    /// Asks for a sign of life; never answers where there is none.
    fn beat(&self) -> Pin<Box<dyn Future<Output = bool> + Send + '_>>;

    /// Whether everybody is there.
    fn is_ready(&self) -> bool;

    /// One line for people who ask the service manager.
    fn status(&self) -> String;
}

/// The council's heart is safety: it answers from the thread on which everybody lives.
pub(super) struct CouncilHeart {
    /// Who is asked.
    pub(super) safety: SafetyHandle,
    /// Knows whether the log is written.
    pub(super) audit: AuditHandle,
    /// Knows who is there.
    pub(super) desk: Arc<dyn Desk>,
    /// Knows the market's time.
    pub(super) clock: Arc<dyn Clock>,
}

impl Heart for CouncilHeart {
    fn beat(&self) -> Pin<Box<dyn Future<Output = bool> + Send + '_>> {
        Box::pin(async { self.safety.report().await.is_some() })
    }

    fn is_ready(&self) -> bool {
        self.desk.is_ready()
    }

    fn status(&self) -> String {
        let standing = self.safety.standing();
        let (mode, state) = (standing.mode(Team::Trading), standing.trading_state.name());
        let log = match audit_state(self.audit.trouble().as_ref()) {
            "well" => String::new(),
            trouble => format!(", audit {trouble}"),
        };
        format!("{mode}, {state}{log}, market time {}", self.clock.trading())
    }
}

/// What is needed to feel a pulse.
pub(super) struct Pulse {
    /// Whose.
    pub(super) heart: Arc<dyn Heart>,
    /// Stamps the beats with wall time.
    pub(super) clock: Arc<dyn Clock>,
    /// Where the file goes.
    pub(super) dir: PathBuf,
    /// How often.
    pub(super) every: Duration,
    /// How often the manager's watchdog wants to hear of us, where there is one.
    pub(super) watchdog: Option<Duration>,
    /// The service manager, where one started us.
    pub(super) manager: Option<Arc<Notifier>>,
    /// Whether the run is being stopped: a stop has a deadline of its own.
    pub(super) stopped: watch::Receiver<bool>,
}

/// Feels the pulse until dropped.
pub(super) async fn feel(pulse: Pulse) {
    let every = pulse.watchdog.map_or(pulse.every, |watchdog| pulse.every.min(watchdog));
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_ready = false;
    let mut told_at: Option<Instant> = None;
    loop {
        ticks.tick().await;
        let beats = tokio::time::timeout(PATIENCE, pulse.heart.beat()).await.unwrap_or(false);
        if beats {
            note(&pulse).await;
        } else if !*pulse.stopped.borrow() {
            tracing::warn!("the council did not answer within {PATIENCE:?}");
        }
        let Some(manager) = &pulse.manager else { continue };
        let is_stopping = *pulse.stopped.borrow();
        if !is_ready && !is_stopping && pulse.heart.is_ready() {
            is_ready = true;
            manager.tell("READY=1");
        }
        // A tick may come a hair early.
        let is_due = |every: Duration| told_at.is_none_or(|at| at.elapsed() >= every.mul_f64(0.9));
        if (beats || is_stopping) && pulse.watchdog.is_some_and(is_due) {
            told_at = Some(Instant::now());
            manager.tell("WATCHDOG=1");
        }
        if beats && !is_stopping {
            manager.tell(&format!("STATUS={}", pulse.heart.status()));
        }
    }
}

/// A beat, for `/metrics` and for the file.
async fn note(pulse: &Pulse) {
    let now = pulse.clock.wall();
    gauge!("conclave_heartbeat_timestamp_seconds").set(now.since(Time::EPOCH).as_secs_f64());
    let (beat, dir) = (Heartbeat::now(now, false), pulse.dir.clone());
    // On a thread that may wait: a disk that hangs must not keep the keeper from its signals.
    let written = tokio::task::spawn_blocking(move || beat.write(&dir));
    match tokio::time::timeout(PATIENCE, written).await {
        Ok(Ok(Ok(()))) => {}
        Ok(Ok(Err(error))) => tracing::warn!(%error, "the heartbeat file was not written"),
        Ok(Err(_)) | Err(_) => tracing::warn!("the disk does not take the heartbeat file"),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;
    use std::sync::atomic::{AtomicBool, Ordering};

    use conclave_actors::testkit::clock::ManualClock;

    use super::*;

    /// A heart that beats until it is told to stop, and then never answers.
    #[derive(Default)]
    struct Told(AtomicBool);

    impl Heart for Told {
        fn beat(&self) -> Pin<Box<dyn Future<Output = bool> + Send + '_>> {
            Box::pin(async {
                if self.0.load(Ordering::SeqCst) {
                    std::future::pending::<()>().await;
                }
                true
            })
        }

        fn is_ready(&self) -> bool {
            true
        }

        fn status(&self) -> String {
            "well".to_owned()
        }
    }

    fn all(manager: &UnixDatagram) -> Vec<String> {
        let mut bytes = [0; 256];
        let mut heard = Vec::new();
        while let Ok(count) = manager.recv(&mut bytes) {
            heard.push(String::from_utf8_lossy(&bytes[..count]).into_owned());
        }
        heard
    }

    /// Goal: the watchdog is fed while the council answers, and starves when it is wedged, whatever
    /// the thread that asks is able to do; a stop feeds it on its own account.
    #[tokio::test]
    async fn a_wedged_council_starves_the_watchdog() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        manager.set_nonblocking(true).unwrap();
        let heart = Arc::<Told>::default();
        let (stop, stopped) = watch::channel(false);
        let pulse = Pulse {
            heart: heart.clone(),
            clock: Arc::new(ManualClock::default()),
            dir: dir.path().to_owned(),
            every: Duration::from_secs(1),
            watchdog: Some(Duration::from_millis(20)),
            manager: Some(Arc::new(Notifier::to(path.as_os_str()).unwrap())),
            stopped,
        };
        let watched = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let told = all(&manager);
            assert_eq!(told.iter().filter(|text| *text == "READY=1").count(), 1, "{told:?}");
            assert!(told.iter().filter(|text| *text == "WATCHDOG=1").count() > 1, "{told:?}");
            assert!(told.contains(&"STATUS=well".to_owned()), "{told:?}");
            assert!(Heartbeat::read(dir.path()).unwrap().is_some_and(|beat| !beat.ended));
            heart.0.store(true, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(100)).await;
            all(&manager);
            tokio::time::sleep(PATIENCE + Duration::from_millis(300)).await;
            assert_eq!(all(&manager), Vec::<String>::new());
            stop.send_replace(true);
            tokio::time::sleep(PATIENCE + Duration::from_millis(300)).await;
            assert!(
                all(&manager).contains(&"WATCHDOG=1".to_owned()),
                "a stop has its own deadline"
            );
        };
        tokio::select! {
            () = feel(pulse) => unreachable!("it feels until it is dropped"),
            () = watched => {}
        }
    }
}
