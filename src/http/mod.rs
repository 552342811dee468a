//! The HTTP side of a running process: health, metrics, the read API, the event stream, guarded
//! mutations and the control room.
//!
//! Reading is open on loopback. Every mutation needs the bearer token. A bind that is not loopback
//! is refused without a token given by the operator, and then reading needs the token too.

mod act;
pub mod auth;
pub mod desk;
pub mod events;
mod guard;
mod logs;
pub mod openapi;
mod page;
mod patient;
mod places;
pub mod rate;
mod read;
pub mod refusal;
mod routes;
mod seats;
pub mod shapes;
pub mod talks;

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OnceCell;
use tokio::task::JoinSet;

pub use routes::router;

use crate::adapters::log_tail::{TAIL, Tail};
use auth::Token;
use desk::Desk;
use events::Hub;
pub use page::Panels;
use patient::Patient;
pub use places::Places;
use places::Searched;
use rate::Rate;
use refusal::Reason;
use seats::{Answering, Seat, Seats};

/// What every request sees.
#[derive(Clone)]
pub struct Shared {
    /// The running council.
    pub desk: Arc<dyn Desk>,
    /// What happened lately.
    pub hub: Arc<Hub>,
    /// Guards mutations.
    pub token: Token,
    /// Whether reading needs the token as well, because the bind is not loopback.
    pub guard_reads: bool,
    /// How many requests are answered.
    pub rate: Rate,
    /// The page's panels as they were last drawn.
    pub panels: Panels,
    /// Room for what takes long.
    pub places: Places,
    /// The rounds that the log held when it was first looked at.
    pub earlier: Arc<OnceCell<serde_json::Value>>,
    /// The last lines of the process's log.
    pub logs: &'static Tail,
}

impl Shared {
    /// Around a council: nothing is drawn yet.
    pub fn new(
        desk: Arc<dyn Desk>,
        hub: Arc<Hub>,
        (token, guard_reads): (Token, bool),
        rate: Rate,
    ) -> Self {
        let (panels, earlier) = (Panels::new(), Arc::default());
        let (desk, places) = (Arc::new(Searched::new(desk)), Places::new());
        Self { desk, hub, token, guard_reads, rate, panels, places, earlier, logs: &TAIL }
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("guard_reads", &self.guard_reads).finish_non_exhaustive()
    }
}

/// Why the server could not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Somebody else has the port.
    #[error("port {port} of {host} is taken; give another with --port, or 0 to have one chosen")]
    Busy {
        /// The address's host.
        host: String,
        /// The port.
        port: u16,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// An address that others can reach, without a token from the operator.
    #[error(
        "{0} is reachable from other machines: give a token in CONCLAVE_HTTP_TOKEN, or bind 127.0.0.1"
    )]
    Exposed(SocketAddr),
    /// The system refused.
    #[error("the server could not listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

/// Binds the address; refuses one that is not loopback unless the operator gave a token.
///
/// # Errors
/// When the port is taken, the address is exposed without a token, or the system refuses.
pub async fn bind(address: SocketAddr, token_given: bool) -> Result<TcpListener, ServeError> {
    if !address.ip().is_loopback() && !token_given {
        return Err(ServeError::Exposed(address));
    }
    TcpListener::bind(address).await.map_err(|source| match source.kind() {
        std::io::ErrorKind::AddrInUse => {
            ServeError::Busy { host: address.ip().to_string(), port: address.port(), source }
        }
        _ => ServeError::Listen { address, source },
    })
}

/// How long requests in flight may take to end; streams of events never end by themselves.
const GRACE: Duration = Duration::from_secs(2);
/// How long a client may take over the head of a request, its first one or the next.
const HEAD_PATIENCE: Duration = Duration::from_secs(10);
/// Connections at one time; for one more the one goes that has asked for nothing for the longest time.
const CONNECTIONS_MAX: usize = 256;
/// How long nobody is accepted after the system had no room for one more connection.
const RECOVERY: Duration = Duration::from_millis(200);

/// Serves until `stop` resolves, then lets requests in flight end within two seconds.
///
/// A connection whose client says nothing is closed after ten seconds, or as soon as another one needs its
/// place; one whose client does not read what it has asked for after thirty.
///
/// # Errors
/// When the listener cannot say where it listens.
pub async fn serve(
    listener: TcpListener,
    shared: Shared,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    listener.local_addr()?;
    let router = router(shared);
    let (seats, open) = (Seats::new(CONNECTIONS_MAX), GracefulShutdown::new());
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = accept(&listener, &seats) => accepted,
        };
        while connections.try_join_next().is_some() {}
        if let Some((stream, seat)) = accepted {
            connections.spawn(attend(stream, seat, router.clone(), open.watcher()));
        }
    }
    drop(listener);
    // What is still open then is dropped with the set.
    let _ = tokio::time::timeout(GRACE, open.shutdown()).await;
    Ok(())
}

/// The next client, once there is a seat for it; `None` where it went away meanwhile.
async fn accept(listener: &TcpListener, seats: &Seats) -> Option<(TcpStream, Seat)> {
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, seats.take().await)),
        Err(error) => {
            tracing::warn!(%error, "a connection was not accepted");
            tokio::time::sleep(RECOVERY).await;
            None
        }
    }
}

/// Answers one client until it goes, or has to.
async fn attend(
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    seat: Seat,
    router: Router,
    open: Watcher,
) {
    let (seat, router) = (Arc::new(seat), TowerToHyperService::new(router));
    let sitting = Arc::clone(&seat);
    let service = service_fn(move |request| {
        let (working, answer) = (sitting.works(), router.call(request));
        async { answer.await.map(|answer| answer.map(|body| Answering::new(body, working))) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_PATIENCE);
    let served = builder.serve_connection(TokioIo::new(Patient::new(stream)), service);
    let ended = tokio::select! {
        // What can be answered and written is, before anybody goes.
        biased;
        ended = open.watch(served) => ended,
        () = seat.is_needed() => {
            Reason::Busy.count();
            return;
        }
    };
    if let Err(error) = ended {
        if error.is_parse() {
            Reason::Malformed.count();
        } else if patient::was_unread(&error) {
            Reason::TimedOut.count();
        }
        tracing::debug!(%error, "a connection ended badly");
    }
}

#[cfg(test)]
mod tests;
