//! What goes on beside the bars: the HTTP side, Ctrl-C, and the lifting of a halt in a replay.

use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use conclave_actors::council::Council;
use conclave_actors::driver::{Advanced, Played, Stations};
use conclave_actors::inline::Attend;
use conclave_actors::pump::{Pump, PumpError};
use conclave_domain::brief::trading::TradingState;
use conclave_domain::context::BookKind;
use conclave_domain::market::tape::Chunk;
use conclave_domain::mode::{By, Person};
use conclave_domain::record::{Line, Stream};
use conclave_domain::time::Time;
use conclave_domain::watch::{Raised, Seen};
use tokio::sync::{oneshot, watch};

use super::Session;
use super::clock::{Replay, ReplayClock};
use super::desk::{DeskParts, RunDesk};
use super::prepare::Prepared;
use crate::adapters::clock::now;
use crate::adapters::control_http::{STATION_FILE, Station, TOKEN_FILE};
use crate::cli::error::{CliError, ExitCode};
use crate::http::auth::Token;
use crate::http::events::{Event, Hub};
use crate::http::{self, Shared};

/// The environment variable with an operator's token.
const TOKEN_ENV: &str = "CONCLAVE_HTTP_TOKEN";

/// The HTTP side on a thread and a runtime of its own, so that bars never hold up a health check.
#[derive(Debug)]
pub(super) struct Server {
    end: oneshot::Sender<()>,
    thread: std::thread::JoinHandle<()>,
    station: std::path::PathBuf,
}

/// Starts serving, if that is wanted, and listens for Ctrl-C.
pub(super) async fn start(
    session: &Session<'_>,
    prepared: &Prepared,
    council: &Council,
    clock: Arc<ReplayClock>,
) -> Result<Server, CliError> {
    let hub = Arc::new(Hub::default());
    let settings = &prepared.config.http;
    let given = std::env::var(TOKEN_ENV).ok().filter(|token| !token.is_empty());
    let failed = |error: std::io::Error| CliError::new(ExitCode::Failure, error.to_string());
    let listener = if settings.enabled {
        let address = std::net::SocketAddr::new(settings.host, settings.port);
        let bound = bind_or_choose(address, given.is_some(), session.args.port.is_some()).await?;
        Some(bound.into_std().map_err(failed)?)
    } else {
        None
    };
    let token = match given {
        Some(token) => Token::new(&token),
        None => Token::fresh().map_err(failed)?,
    };
    let station_file = session.dir.join(STATION_FILE);
    if let Some(listener) = &listener {
        let address = listener.local_addr().map_err(failed)?;
        announce(session.dir, &format!("http://{address}"), &token)?;
        tracing::info!(%address, "serving");
    }
    let desk = Arc::new(RunDesk::new(DeskParts {
        council: council.clone(),
        dir: session.dir.to_owned(),
        run_id: session
            .dir
            .file_name()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
        version: env!("CARGO_PKG_VERSION"),
        money: "paper",
        metrics: session.metrics.clone(),
        clock,
        limits: Arc::new(prepared.config.limits.clone()),
        started_at: now(),
    }));
    let guard_reads = !settings.host.is_loopback();
    let shared = Shared { desk, hub: Arc::clone(&hub), token, guard_reads };
    let lines = council.audit.subscribe();
    let (end, ended) = oneshot::channel();
    let stop = session.stop.clone();
    let by_person = Arc::clone(&session.interrupted);
    let thread = std::thread::Builder::new().name("http".to_owned()).spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let Ok(runtime) = runtime else { return };
        runtime.block_on(async move {
            let feed = feed(hub, lines);
            let interrupt = interrupted(stop, by_person);
            let serving = serving(listener, shared, ended);
            tokio::select! {
                () = serving => {}
                () = async { tokio::join!(feed, interrupt); } => {}
            }
        });
    });
    let thread = thread.map_err(failed)?;
    Ok(Server { end, thread, station: station_file })
}

/// The default port may be taken by another run of ours: then any free one does. A port that a
/// person named is taken or refused.
async fn bind_or_choose(
    address: std::net::SocketAddr,
    token_given: bool,
    named: bool,
) -> Result<tokio::net::TcpListener, CliError> {
    let refused = |error: http::ServeError| CliError::new(ExitCode::Failure, error.to_string());
    match http::bind(address, token_given).await {
        Err(http::ServeError::Busy { .. }) if !named => {
            let any = std::net::SocketAddr::new(address.ip(), 0);
            http::bind(any, token_given).await.map_err(refused)
        }
        bound => bound.map_err(refused),
    }
}

/// Writes where the process listens, and the token that only its owner may read.
fn announce(dir: &Path, url: &str, token: &Token) -> Result<(), CliError> {
    use std::io::Write as _;
    let station = Station { url: url.to_owned(), pid: std::process::id() };
    let text = serde_json::to_string(&station)
        .map_err(|error| CliError::new(ExitCode::Failure, error.to_string()))?;
    let secret = dir.join(TOKEN_FILE);
    // A file that is there already keeps its mode; a fresh one is private from the start.
    let _ = std::fs::remove_file(&secret);
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(&secret)?;
    file.write_all(token.reveal().as_bytes())?;
    std::fs::write(dir.join(STATION_FILE), text)?;
    Ok(())
}

async fn serving(
    listener: Option<std::net::TcpListener>,
    shared: Shared,
    ended: oneshot::Receiver<()>,
) {
    let Some(Ok(listener)) = listener.map(tokio::net::TcpListener::from_std) else {
        let _ = ended.await;
        return;
    };
    let over = async {
        let _ = ended.await;
    };
    if let Err(error) = http::serve(listener, shared, over).await {
        tracing::error!(%error, "the HTTP side ended");
    }
}

/// Hands the audit's decision lines to whoever watches.
async fn feed(
    hub: Arc<Hub>,
    mut lines: tokio::sync::broadcast::Receiver<conclave_actors::audit::Published>,
) {
    use tokio::sync::broadcast::error::RecvError;
    loop {
        match lines.recv().await {
            Ok(line) if line.stream == Stream::Decisions => {
                let name = Line::read(&line.text).map_or("unreadable", |line| line.step.name());
                let data = Arc::clone(&line.text);
                hub.publish(Event { id: line.seq, name: name.into(), data });
            }
            Ok(_) | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}

/// Ctrl-C and SIGTERM end the run after the chunk in hand.
async fn interrupted(stop: watch::Sender<bool>, by_person: Arc<AtomicBool>) {
    use tokio::signal::unix::{SignalKind, signal};
    let terminate = signal(SignalKind::terminate());
    let terminated = async {
        match terminate {
            Ok(mut terminate) => {
                terminate.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => by_person.store(true, Ordering::SeqCst),
        () = terminated => {}
    }
    stop.send_replace(true);
}

/// Serves on until somebody asks to stop.
pub(super) async fn wait(mut stopped: watch::Receiver<bool>) {
    // An error means that nobody can ask any more: then there is nothing to wait for.
    let _ = stopped.wait_for(|stop| *stop).await;
}

/// Ends the HTTP side and takes the station file away.
pub(super) async fn end(server: Server) {
    let _ = server.end.send(());
    let _ = std::fs::remove_file(&server.station);
    let thread = server.thread;
    let _ = tokio::task::spawn_blocking(move || thread.join()).await;
}

/// A pump that lifts a drawdown halt after some market time, as if a person had ordered it.
#[derive(Debug)]
pub(super) struct Lifting {
    pump: Pump<Replay>,
    after: Duration,
    halted_at: Option<Time>,
}

impl Lifting {
    pub(super) const fn new(pump: Pump<Replay>, after: Duration) -> Self {
        Self { pump, after, halted_at: None }
    }
}

impl Stations for Lifting {
    type Event = (BookKind, Attend);
    type Error = PumpError;

    async fn watch(&mut self, chunk: &Arc<Chunk>) -> Result<Seen, PumpError> {
        self.pump.watch(chunk).await
    }

    async fn advance(
        &mut self,
        played: &Played,
        slices: Range<usize>,
    ) -> Result<Advanced<Self::Event>, PumpError> {
        let advanced = self.pump.advance(played, slices).await?;
        let council = &self.pump.council;
        let now = council.broker.view().at;
        if council.safety.standing().trading_state != TradingState::Halted {
            self.halted_at = None;
        } else if now.since(*self.halted_at.get_or_insert(now)) >= self.after {
            let by = By::Person(Person::authenticated("operator", "--lift-halt-after"));
            let set = council.safety.set_state(TradingState::Active, by, "--lift-halt-after").await;
            if set.is_ok() {
                council.broker.halt_lifted();
                self.halted_at = None;
            }
        }
        Ok(advanced)
    }

    async fn attend(&mut self, event: Self::Event) -> Result<(), PumpError> {
        self.pump.attend(event).await
    }

    async fn decide(&mut self, raised: Raised) -> Result<(), PumpError> {
        self.pump.decide(raised).await
    }

    fn is_stopped(&self) -> bool {
        self.pump.is_stopped()
    }
}
