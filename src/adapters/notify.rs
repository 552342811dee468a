//! Tells a service manager how the process is: the protocol of `sd_notify`, a datagram per state.
//!
//! The manager names its socket in `NOTIFY_SOCKET`: a path, or an abstract name that begins with `@`.
//! Nothing here ever waits: a manager that does not read loses a message, and the next one comes.

use std::ffi::OsStr;
use std::io;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The environment variable that names the manager's socket.
pub const SOCKET_ENV: &str = "NOTIFY_SOCKET";
/// The environment variable with the manager's watchdog, microseconds.
pub const WATCHDOG_ENV: &str = "WATCHDOG_USEC";
/// The environment variable with the process that the watchdog is for.
pub const WATCHDOG_PID_ENV: &str = "WATCHDOG_PID";

/// A way to the manager.
#[derive(Debug)]
pub struct Notifier {
    socket: UnixDatagram,
    manager: SocketAddr,
}

impl Notifier {
    /// A way to the manager that the environment names; none where no manager started us.
    ///
    /// # Errors
    /// When the name is no address, or there is no socket to be had.
    pub fn from_env() -> io::Result<Option<Self>> {
        std::env::var_os(SOCKET_ENV)
            .filter(|name| !name.is_empty())
            .map(|name| Self::to(&name))
            .transpose()
    }

    /// A way to the socket of this name.
    ///
    /// # Errors
    /// As [`Notifier::from_env`].
    pub fn to(name: &OsStr) -> io::Result<Self> {
        let manager = address(name)?;
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, manager })
    }

    /// Tells a state, such as `READY=1`, or several, one per line.
    pub fn tell(&self, state: &str) {
        if let Err(error) = self.socket.send_to_addr(state.as_bytes(), &self.manager) {
            tracing::debug!(%error, state, "the service manager was not told");
        }
    }
}

/// The address behind a name; `@` stands for the zero byte of an abstract one.
fn address(name: &OsStr) -> io::Result<SocketAddr> {
    use std::os::unix::ffi::OsStrExt as _;
    match name.as_bytes() {
        [b'@', rest @ ..] => abstract_address(rest),
        [b'/', ..] => SocketAddr::from_pathname(name),
        _ => {
            let text = format!("{SOCKET_ENV} is neither a path nor an abstract name");
            Err(io::Error::new(io::ErrorKind::InvalidInput, text))
        }
    }
}

#[cfg(target_os = "linux")]
fn abstract_address(name: &[u8]) -> io::Result<SocketAddr> {
    use std::os::linux::net::SocketAddrExt as _;
    SocketAddr::from_abstract_name(name)
}

#[cfg(not(target_os = "linux"))]
fn abstract_address(_: &[u8]) -> io::Result<SocketAddr> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "abstract socket names are Linux's"))
}

/// How often the manager's watchdog wants to hear of us: half of its patience, so that one late
/// message costs nothing. `None` where it has none, or it watches another process than `pid`.
pub fn watchdog(usec: Option<&str>, watched: Option<&str>, pid: u32) -> Option<Duration> {
    if watched.is_some_and(|watched| watched.trim() != pid.to_string()) {
        return None;
    }
    let patience: u64 = usec?.trim().parse().ok()?;
    (patience > 0).then(|| Duration::from_micros(patience / 2).max(Duration::from_millis(1)))
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn hear(manager: &UnixDatagram) -> String {
        manager.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut bytes = [0; 256];
        let count = manager.recv(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..count]).into_owned()
    }

    #[test]
    fn a_manager_hears_us_by_a_path() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let notifier = Notifier::to(path.as_os_str()).unwrap();
        notifier.tell("READY=1");
        assert_eq!(hear(&manager), "READY=1");
        drop(manager);
        notifier.tell("STOPPING=1");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_manager_hears_us_by_an_abstract_name() {
        use std::os::linux::net::SocketAddrExt as _;
        let name = format!("conclave-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(name.as_bytes()).unwrap();
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        let notifier = Notifier::to(OsStr::new(&format!("@{name}"))).unwrap();
        notifier.tell("WATCHDOG=1\nSTATUS=well");
        assert_eq!(hear(&manager), "WATCHDOG=1\nSTATUS=well");
    }

    #[test]
    fn a_name_that_is_no_address_is_refused() {
        for name in ["notify", "./notify", "tcp:1"] {
            assert!(Notifier::to(OsStr::new(name)).is_err(), "{name}");
        }
        assert!(Notifier::to(OsStr::new(&format!("/{}", "x".repeat(300)))).is_err());
    }

    #[test]
    fn the_watchdog_is_fed_at_half_its_patience_and_only_where_it_is_ours() {
        let half = |usec| watchdog(Some(usec), None, 7);
        assert_eq!(half("30000000"), Some(Duration::from_secs(15)));
        assert_eq!(half("1"), Some(Duration::from_millis(1)));
        for none in ["0", "", "-1", "soon", "99999999999999999999"] {
            assert_eq!(half(none), None, "{none}");
        }
        assert_eq!(watchdog(None, None, 7), None);
        assert_eq!(watchdog(Some("2000"), Some("8"), 7), None);
        assert_eq!(watchdog(Some("2000"), Some("7"), 7), Some(Duration::from_millis(1)));
    }
}
