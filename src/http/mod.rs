//! The HTTP side of a running process: health, metrics, the read API, the event stream, guarded
//! mutations and one status page.
//!
//! Reading is open on loopback. Every mutation needs the bearer token. A bind that is not loopback
//! is refused without a token given by the operator, and then reading needs the token too.

pub mod auth;
pub mod desk;
pub mod events;
mod page;
pub mod rate;
mod routes;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

pub use routes::router;

use auth::Token;
use desk::Desk;
use events::Hub;
use rate::Rate;

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
pub async fn bind(
    address: SocketAddr,
    token_given: bool,
) -> Result<tokio::net::TcpListener, ServeError> {
    if !address.ip().is_loopback() && !token_given {
        return Err(ServeError::Exposed(address));
    }
    tokio::net::TcpListener::bind(address).await.map_err(|source| match source.kind() {
        std::io::ErrorKind::AddrInUse => {
            ServeError::Busy { host: address.ip().to_string(), port: address.port(), source }
        }
        _ => ServeError::Listen { address, source },
    })
}

/// How long requests in flight may take to end; streams of events never end by themselves.
const GRACE: Duration = Duration::from_secs(2);

/// Serves until `stop` resolves, then lets requests in flight end within two seconds.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: tokio::net::TcpListener,
    shared: Shared,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let (stopped, stopping) = tokio::sync::oneshot::channel::<()>();
    let stop = async move {
        stop.await;
        // Nobody listens any more only when serving has ended already.
        let _ = stopped.send(());
    };
    let serving = axum::serve(listener, router(shared)).with_graceful_shutdown(stop);
    let time_is_up = async {
        let _ = stopping.await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        served = serving.into_future() => served,
        () = time_is_up => Ok(()),
    }
}
