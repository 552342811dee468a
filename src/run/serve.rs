//! What goes on beside the bars: the HTTP side and the keeper.

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use conclave_actors::audit::AuditHandle;
use conclave_actors::council::Council;
use conclave_actors::runtime::ports::Clock;
use tokio::sync::{oneshot, watch};

use super::Session;
use super::clock::ReplayClock;
use super::desk::bars::Bars;
use super::desk::{DeskParts, RunDesk};
use super::keeper::{self, Kept, Phase};
use super::post::{self, About, Open, Post, Secrets};
use super::prepare::Prepared;
use super::pulse::{CouncilHeart, Pulse};
use super::reload::{InForce, Levers, Reloader};
use super::stopping::Stopping;
use crate::adapters::clock::now;
use crate::adapters::control_http::{STATION_FILE, Station, TOKEN_FILE};
use crate::adapters::notify::{self, Notifier};
use crate::cli::error::{CliError, ExitCode};
use crate::config::Config;
use crate::http::auth::{Token, TokenError};
use crate::http::desk::Desk;
use crate::http::events::Hub;
use crate::http::rate::{Rate, RateLimits};
use crate::http::{self, Shared};

/// The HTTP side on a thread and a runtime of its own, so that bars never hold up a health check.
#[derive(Debug)]
pub(super) struct Server {
    end: oneshot::Sender<()>,
    thread: std::thread::JoinHandle<()>,
    dir: PathBuf,
    phase: Phase,
}

/// Starts serving, if that is wanted, and the keeper, who listens for signals.
pub(super) async fn start(
    session: &Session<'_>,
    prepared: &Prepared,
    council: &Council,
    clock: Arc<ReplayClock>,
) -> Result<Server, CliError> {
    let hub = Arc::new(Hub::default());
    let settings = &prepared.config.http;
    let given = given_token(settings.enabled)?;
    let listener = if settings.enabled {
        let address = std::net::SocketAddr::new(settings.host, settings.port);
        let bound = bind_or_choose(address, given.is_some(), session.args.port.is_some()).await?;
        tell_of_another_port(address, bound.local_addr().map_err(failed)?);
        Some(bound.into_std().map_err(failed)?)
    } else {
        None
    };
    let token = match given {
        Some(token) => token,
        None => Token::fresh().map_err(failed)?,
    };
    if let Some(listener) = &listener {
        let address = listener.local_addr().map_err(failed)?;
        announce(session.dir, &format!("http://{address}"), &token)?;
        invite(session, address);
    }
    let config = InForce::of(prepared.layer.clone());
    let desk: Arc<dyn Desk> = Arc::new(Stopping {
        desk: Arc::new(RunDesk::new(desk_parts(
            (session, prepared),
            council,
            clock.clone(),
            config.clone(),
        ))),
        stopped: session.stopped.clone(),
    });
    let (burst, per_second) = (settings.burst, settings.requests_per_second);
    let rate = Rate::new(RateLimits { burst, per_second });
    let guard_reads = !settings.host.is_loopback();
    let phase = Phase::new("playing bars");
    let levers = Levers { expiry: council.approvals.expiry().clone(), rate: rate.clone() };
    let post_clock: Arc<dyn Clock> = clock.clone();
    keep(
        session,
        prepared,
        council,
        Keeping { desk: desk.clone(), clock, levers, phase: phase.clone(), config },
    )
    .await
    .map_err(failed)?;
    let about = About {
        desk: Arc::clone(&desk),
        council: council.clone(),
        clock: post_clock,
        hub: Arc::clone(&hub),
        dir: session.dir.to_owned(),
        run_id: name_of(session.dir),
        money: prepared.money().name(),
    };
    let post = Post::prepare(&prepared.config.notify, Secrets::from_env()?, about)?;
    let shared = Shared::new(desk, Arc::clone(&hub), (token, guard_reads), rate);
    let audit = council.audit.clone();
    let (end, ended) = oneshot::channel();
    let thread = std::thread::Builder::new().name("http".to_owned());
    let thread = thread.spawn(move || beside(listener, shared, (audit, post), ended));
    let thread = thread.map_err(failed)?;
    Ok(Server { end, thread, dir: session.dir.to_owned(), phase })
}

/// Says where a run that stays is looked at, and what its commands take.
fn invite(session: &Session<'_>, address: std::net::SocketAddr) {
    use std::io::Write as _;
    tracing::info!(%address, "serving");
    if session.args.stay {
        let token = session.dir.join(TOKEN_FILE);
        let text = format!("http://{address}; its commands take the token in {}", token.display());
        // Nobody reads it where that fails.
        let _ = writeln!(std::io::stderr(), "control room: {text}");
    }
}

#[expect(clippy::needless_pass_by_value, reason = "used with map_err")]
fn failed(error: std::io::Error) -> CliError {
    CliError::new(ExitCode::Failure, error.to_string())
}

fn desk_parts(
    (session, prepared): (&Session<'_>, &Prepared),
    council: &Council,
    clock: Arc<ReplayClock>,
    config: InForce,
) -> DeskParts {
    DeskParts {
        council: council.clone(),
        dir: session.dir.to_owned(),
        run_id: name_of(session.dir),
        version: env!("CARGO_PKG_VERSION"),
        money: prepared.money().name(),
        metrics: session.metrics.clone(),
        clock,
        limits: Arc::new(prepared.config.limits.clone()),
        bars: Bars::of(prepared),
        speed: speed(session.args.pace, prepared),
        gateway: prepared.gateway.clone(),
        config,
        started_at: now(),
    }
}

/// How much faster than the wall the market's clock goes: as fast where the market is open, so many times
/// where a replay waits between its bars, and `None` where it does not.
fn speed(pace: Option<Duration>, prepared: &Prepared) -> Option<f64> {
    if prepared.live.is_some() {
        return Some(1.0);
    }
    let pace = pace.filter(|pace| *pace > Duration::ZERO)?;
    Some(prepared.timeframe.length().as_secs_f64() / pace.as_secs_f64())
}

/// A run's id: the name of its directory.
fn name_of(dir: &Path) -> String {
    dir.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// What the keeper needs beside the session.
struct Keeping {
    desk: Arc<dyn Desk>,
    clock: Arc<ReplayClock>,
    levers: Levers,
    phase: Phase,
    config: InForce,
}

/// Starts the keeper: signals, the pulse, the reload of the configuration.
async fn keep(
    session: &Session<'_>,
    prepared: &Prepared,
    council: &Council,
    Keeping { desk, clock, levers, phase, config }: Keeping,
) -> std::io::Result<()> {
    let var = |name: &str| std::env::var(name).ok();
    let (usec, watched) = (var(notify::WATCHDOG_ENV), var(notify::WATCHDOG_PID_ENV));
    // A manager that cannot be told anything is no reason not to run.
    let manager = Notifier::from_env().unwrap_or_else(|error| {
        tracing::warn!(%error, "the service manager cannot be told anything");
        None
    });
    let manager = manager.map(Arc::new);
    let settings = &prepared.config.supervision;
    let (safety, audit) = (council.safety.clone(), council.audit.clone());
    let pulse = Pulse {
        heart: Arc::new(CouncilHeart { safety, audit, desk, clock: clock.clone() }),
        clock,
        dir: session.dir.to_owned(),
        every: settings.heartbeat,
        watchdog: notify::watchdog(usec.as_deref(), watched.as_deref(), std::process::id()),
        manager: manager.clone(),
        stopped: session.stopped.clone(),
    };
    let reloader = Reloader {
        file: session.config.map(Path::to_owned),
        flags: session.args.flags(),
        layer: config,
        levers,
        audit: council.audit.clone(),
    };
    let kept = Kept {
        council: council.clone(),
        dir: session.dir.to_owned(),
        stop: session.stop.clone(),
        by_person: Arc::clone(&session.interrupted),
        phase,
        settings: settings.clone(),
        log: session.log.clone(),
        manager,
    };
    keeper::start(kept, reloader, pulse).await
}

/// Whether the run could listen where it should, and tell whom it should.
///
/// # Errors
/// When the port is taken, the address is exposed without a token, or the post cannot be opened as it is
/// configured.
pub(super) async fn probe(config: &Config, named: bool) -> Result<(), CliError> {
    post::probe(&config.notify)?;
    let settings = &config.http;
    if !settings.enabled {
        return Ok(());
    }
    let given = given_token(settings.enabled)?;
    let address = std::net::SocketAddr::new(settings.host, settings.port);
    bind_or_choose(address, given.is_some(), named).await.map(drop)
}

/// The token that an operator gave, where anybody is to be kept out by it.
///
/// # Errors
/// When it keeps nobody out.
pub(super) fn given_token(is_wanted: bool) -> Result<Option<Token>, CliError> {
    let refused = |error: TokenError| CliError::new(ExitCode::Config, error.to_string());
    if is_wanted { Token::given().map_err(refused) } else { Ok(None) }
}

/// Whoever watches the port that was meant looks at another process.
fn tell_of_another_port(meant: std::net::SocketAddr, bound: std::net::SocketAddr) {
    if meant.port() != 0 && meant.port() != bound.port() {
        tracing::warn!(%meant, %bound, "the port is taken, most likely by another run: serving on another one");
    }
}

/// The default port may be taken by another run of ours: then any free one does. A port that a
/// person named is taken or refused, and so is any below a service manager, behind which somebody watches
/// that port.
pub(super) async fn bind_or_choose(
    address: std::net::SocketAddr,
    token_given: bool,
    named: bool,
) -> Result<tokio::net::TcpListener, CliError> {
    let refused = |error: http::ServeError| CliError::new(ExitCode::Failure, error.to_string());
    let may_choose = !named && std::env::var_os(notify::SOCKET_ENV).is_none();
    match http::bind(address, token_given).await {
        Err(http::ServeError::Busy { .. }) if may_choose => {
            let any = std::net::SocketAddr::new(address.ip(), 0);
            http::bind(any, token_given).await.map_err(refused)
        }
        bound => bound.map_err(refused),
    }
}

/// Writes where the process listens, and the token that only its owner may read.
pub(super) fn announce(dir: &Path, url: &str, token: &Token) -> Result<(), CliError> {
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

/// The thread beside the bars: HTTP, the events of the log, and the post, until it is ended.
pub(super) fn beside(
    listener: Option<std::net::TcpListener>,
    shared: Shared,
    (audit, post): (AuditHandle, Option<Post>),
    ended: oneshot::Receiver<()>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else { return };
    runtime.block_on(async move {
        let is_watched = listener.is_some() || post.is_some();
        let open = match post {
            Some(post) => post.open().await,
            None => None,
        };
        let hub = Arc::clone(&shared.hub);
        let feed = async {
            if is_watched {
                super::stream::feed(hub, audit).await;
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = served(listener, shared, ended, open) => {}
            () = feed => {}
        }
    });
}

/// Serves to the end, and lets the last notices leave.
async fn served(
    listener: Option<std::net::TcpListener>,
    shared: Shared,
    ended: oneshot::Receiver<()>,
    open: Option<Open>,
) {
    serving(listener, shared, ended).await;
    if let Some(open) = open {
        open.close().await;
    }
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

/// Serves on until somebody asks to stop.
pub(super) async fn wait(mut stopped: watch::Receiver<bool>) {
    // An error means that nobody can ask any more: then there is nothing to wait for.
    let _ = stopped.wait_for(|stop| *stop).await;
}

impl Server {
    /// The run goes on to something else; said when a stop hangs.
    pub(super) fn phase(&self, what: &'static str) {
        self.phase.set(what);
    }
}

/// Ends the HTTP side, takes the station file away, and notes the last beat.
pub(super) async fn end(server: Server) {
    server.phase("ending the HTTP side");
    let _ = server.end.send(());
    let _ = std::fs::remove_file(server.dir.join(STATION_FILE));
    let thread = server.thread;
    let _ = tokio::task::spawn_blocking(move || thread.join()).await;
    server.phase.set("stopping the actors and closing the store");
}
