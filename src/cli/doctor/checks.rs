//! What `doctor` looks at, one function each; what can be judged without the world is.

use std::fs;
use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

use conclave_domain::record::Stream;
use conclave_domain::time::Time;

use super::Check;
use crate::adapters::audit_files::{has_log, lines, replay};
use crate::adapters::clock::now;
use crate::adapters::control_http::{STATION_FILE, Station};
use crate::adapters::heartbeat::Heartbeat;
use crate::cli::audit;
use crate::cli::error::ExitCode;
use crate::config::HttpSettings;
use crate::data;
use crate::http::auth::TokenError;

/// 2026-01-01T00:00:00Z: this program is not older.
const BUILT_AFTER: Time = Time::from_ms(1_767_225_600_000);
/// How far the wall clock and the steady one may drift apart while `doctor` runs.
const DRIFT_MAX: Duration = Duration::from_secs(1);
/// What is written to see whether there is room, bytes.
const ROOM: usize = 1 << 20;
/// Open files below which nothing runs, and below which a busy process may run out.
const FILES: [u64; 2] = [64, 256];
/// A heartbeat that is older was missed, as for `watch`.
const STALE: Duration = Duration::from_secs(30);
/// How long a process may take to accept a connection on this machine.
const KNOCK: Duration = Duration::from_secs(2);

/// A clock that no one can set.
pub(super) struct Steady(tokio::time::Instant);

impl Steady {
    pub(super) fn start() -> Self {
        Self(tokio::time::Instant::now())
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// The embedded bars are those that were checked.
pub(super) fn data() -> Check {
    match data::check_embedded() {
        Ok(()) => Check::ok("data", "the embedded bars are those that were checked"),
        Err(files) => Check::fail(
            "data",
            format!("{} differ from data/checksums.txt", files.join(", ")),
            "build from an unchanged checkout",
        ),
    }
}

/// Where runs are written when nothing has run here: `runs`, or where it would be made.
pub(super) fn runs_dir() -> &'static Path {
    let runs = Path::new("runs");
    if runs.is_dir() { runs } else { Path::new(".") }
}

/// A mebibyte can be written and synced in `dir`.
pub(super) fn room(dir: &Path) -> Check {
    match write_and_remove(&dir.join(format!(".doctor-{}", std::process::id()))) {
        Ok(()) => Check::ok("disk", format!("1 MiB was written and synced in {}", dir.display())),
        Err(error) => {
            let found = format!("{} cannot be written: {error}", dir.display());
            let remedy = match error.kind() {
                io::ErrorKind::StorageFull => "free space on the disk",
                io::ErrorKind::NotFound => "make the directory, or name another with --store",
                _ => "let this user write there, or start in another directory",
            };
            Check::fail("disk", found, remedy)
        }
    }
}

fn write_and_remove(path: &Path) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).open(path)?;
    let written = file.write_all(&vec![b'.'; ROOM]).and_then(|()| file.sync_all());
    drop(file);
    let removed = fs::remove_file(path);
    written.and(removed)
}

/// The wall clock is set, and nobody moved it between two readings that were `elapsed` apart.
pub(super) fn clock(before: Time, after: Time, elapsed: Duration) -> Check {
    let remedy = "set the clock, and keep it with a time service such as chrony";
    if before < BUILT_AFTER {
        return Check::fail(
            "clock",
            format!("it is {before}, before this program was made"),
            remedy,
        );
    }
    let (late, early) = (before + elapsed + DRIFT_MAX, before + elapsed - DRIFT_MAX);
    if after < early || late < after {
        let found = format!("it went from {before} to {after} in {} ms", elapsed.as_millis());
        return Check::fail("clock", found, remedy);
    }
    Check::ok("clock", format!("it is {after}, and runs evenly"))
}

/// The limit on open files, from the text of `/proc/self/limits`.
pub(super) fn open_files(limits: Option<&str>) -> Check {
    let line = limits.and_then(|text| text.lines().find(|line| line.starts_with("Max open files")));
    let soft = line.and_then(|line| line.split_whitespace().nth(3));
    let remedy = "raise it: `ulimit -n 1024`, or `LimitNOFILE=` in a systemd unit";
    let soft = match soft {
        Some("unlimited") => return Check::ok("open files", "there is no limit"),
        Some(text) => text.parse::<u64>().ok(),
        None => None,
    };
    let [fail, warn] = FILES;
    match soft {
        None => {
            Check::warn("open files", "the limit is not known here", "see that it is 256 or more")
        }
        Some(count) if count < fail => {
            Check::fail("open files", format!("at most {count}"), remedy)
        }
        Some(count) if count < warn => {
            Check::warn("open files", format!("at most {count}"), remedy)
        }
        Some(count) => Check::ok("open files", format!("at most {count}")),
    }
}

/// The process that a run's directory names, where one answers.
pub(super) fn serving(dir: &Path) -> Option<(Station, SocketAddr)> {
    let station = read_station(dir)?.ok()?;
    let address: SocketAddr =
        station.url.strip_prefix("http://")?.trim_end_matches('/').parse().ok()?;
    let is_gone =
        Path::new("/proc/self").exists() && !Path::new(&format!("/proc/{}", station.pid)).exists();
    let answers = !is_gone && TcpStream::connect_timeout(&address, KNOCK).is_ok();
    answers.then_some((station, address))
}

/// Nothing where no process ever served.
fn read_station(dir: &Path) -> Option<Result<Station, String>> {
    match fs::read_to_string(dir.join(STATION_FILE)) {
        Ok(text) => Some(serde_json::from_str(&text).map_err(|error| error.to_string())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => Some(Err(error.to_string())),
    }
}

/// The port is free, and the address is one that may be bound.
pub(super) fn port(
    http: &HttpSettings,
    token_given: Result<bool, TokenError>,
    serving: Option<&(Station, SocketAddr)>,
) -> Check {
    if !http.enabled {
        let remedy =
            "set `http.enabled` where `status` and the other verbs shall reach the process";
        return Check::warn("port", "the HTTP side is off", remedy);
    }
    let token_given = match token_given {
        Ok(token_given) => token_given,
        Err(error) => {
            let remedy = "give another in CONCLAVE_HTTP_TOKEN, or none on loopback";
            return Check::fail("port", error.to_string(), remedy);
        }
    };
    let address = SocketAddr::new(http.host, http.port);
    if !address.ip().is_loopback() && !token_given {
        let found = format!("{address} is reachable from other machines, and there is no token");
        return Check::fail(
            "port",
            found,
            "give a token in CONCLAVE_HTTP_TOKEN, or bind 127.0.0.1",
        );
    }
    if let Some((station, _)) = serving.filter(|(_, held)| *held == address) {
        return Check::ok(
            "port",
            format!("{address} is held by the run that serves (process {})", station.pid),
        );
    }
    match TcpListener::bind(address) {
        Ok(_) if http.port == 0 => Check::ok("port", format!("{} will have one chosen", http.host)),
        Ok(_) => Check::ok("port", format!("{address} is free")),
        Err(error) => {
            let remedy = "give another with `http.port` or --port; 0 has one chosen";
            Check::fail("port", format!("{address} cannot be bound: {error}"), remedy)
        }
    }
}

/// No process left its address behind.
pub(super) fn station(dir: Option<&Path>, serving: Option<&(Station, SocketAddr)>) -> Check {
    if let Some((station, _)) = serving {
        let found = format!("{} serves at {}", station.pid, station.url);
        let Some(silent) = dir.and_then(silence) else { return Check::ok("process", found) };
        let found = format!("{found}, and its heart has not beaten for {} s", silent.as_secs());
        let remedy = "it hangs or was stopped: `conclave halt` stops its entries all the same; end it, then \
                      start the run again with --resume";
        return Check::fail("process", found, remedy);
    }
    let Some(found) = dir.and_then(read_station) else {
        return Check::ok("process", "none is running");
    };
    let found = match found {
        Ok(station) => {
            format!("{STATION_FILE} names process {}, which does not answer", station.pid)
        }
        Err(error) => format!("{STATION_FILE} is unreadable: {error}"),
    };
    let remedy = "if it hangs, end it; then remove the file, or start the run again with --resume";
    Check::warn("process", found, remedy)
}

/// How long the heart of the run's process has missed its beats, where it has.
fn silence(dir: &Path) -> Option<Duration> {
    let beat = Heartbeat::read(dir).ok().flatten().filter(|beat| !beat.ended)?;
    Some(beat.age(now())).filter(|age| *age > STALE)
}

/// The log of the run verifies. One that is being written is only looked for.
pub(super) fn log(dir: Option<&Path>, is_live: bool) -> Check {
    let Some(dir) = dir else {
        return Check::ok("latest run", "nothing has run here yet");
    };
    let place = audit::log_dir(dir);
    if !has_log(&place) {
        let remedy = "name a run's directory with --store";
        return Check::warn("latest run", format!("{} holds no audit", dir.display()), remedy);
    }
    if is_live {
        return Check::ok("latest run", format!("{} is being written", dir.display()));
    }
    match audit::check(dir) {
        Ok(report) => {
            let found =
                format!("{} verifies: {} decisions", dir.display(), report.decisions.head.count);
            Check::ok("latest run", found)
        }
        // The last line of a process that was killed may be torn; everything before it stands.
        Err(error) if error.code == ExitCode::Data && is_torn(&place) => Check::warn(
            "latest run",
            format!("{} ends in the middle of a record", dir.display()),
            "nothing is lost: `conclave run --resume` cuts the torn line",
        ),
        Err(error) => {
            let remedy = "do not resume it; `conclave audit verify` names the first bad record";
            Check::fail("latest run", error.chain(), remedy)
        }
    }
}

/// Whether all decisions verify up to a last line that was not written to its end.
fn is_torn(log: &Path) -> bool {
    let ends_early = |stream| {
        let last = lines(log, stream).ok().and_then(Iterator::last);
        last.is_some_and(|line| line.is_ok_and(|line| !line.terminated))
    };
    replay(log, u64::MAX, |_| ()).is_ok() && Stream::ALL.into_iter().any(ends_early)
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::super::State;
    use super::*;

    fn http(port: u16) -> HttpSettings {
        let host = IpAddr::V4(Ipv4Addr::LOCALHOST);
        HttpSettings { enabled: true, host, port, burst: 200, requests_per_second: 100 }
    }

    #[test]
    fn a_directory_must_be_there_and_is_left_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(room(dir.path()).state, State::Ok);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        let missing = room(&dir.path().join("gone"));
        assert_eq!(missing.state, State::Fail, "{missing:?}");
        assert_eq!(missing.remedy, Some("make the directory, or name another with --store"));
    }

    #[test]
    fn a_clock_that_is_unset_or_jumps_fails() {
        let second = Duration::from_secs(1);
        let state = |before: Time, after: Time| clock(before, after, second).state;
        let now = BUILT_AFTER + Duration::from_hours(1);
        assert_eq!(state(now, now + second), State::Ok);
        assert_eq!(state(Time::EPOCH, Time::EPOCH + second), State::Fail);
        assert_eq!(state(now, now - second), State::Fail, "backwards");
        assert_eq!(state(now, now + second * 5), State::Fail, "forwards");
    }

    #[test]
    fn the_limit_of_open_files_is_judged() {
        let state = |soft: &str| {
            let text = format!(
                "Limit  Soft Limit  Hard Limit  Units\nMax open files  {soft}  9999  files\n"
            );
            open_files(Some(&text)).state
        };
        for (soft, expected) in [
            ("unlimited", State::Ok),
            ("1024", State::Ok),
            ("256", State::Ok),
            ("255", State::Warn),
            ("63", State::Fail),
            ("many", State::Warn),
        ] {
            assert_eq!(state(soft), expected, "{soft}");
        }
        assert_eq!(open_files(None).state, State::Warn);
    }

    #[test]
    fn a_port_is_free_taken_or_ours() {
        let held = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = held.local_addr().unwrap();
        let taken = http(address.port());
        assert_eq!(port(&taken, Ok(false), None).state, State::Fail);
        let ours = Station { url: format!("http://{address}"), pid: std::process::id() };
        assert_eq!(port(&taken, Ok(false), Some(&(ours, address))).state, State::Ok);
        drop(held);
        assert_eq!(port(&taken, Ok(false), None).state, State::Ok);
        assert_eq!(port(&http(0), Err(TokenError::Short(1)), None).state, State::Fail);
        assert_eq!(port(&http(0), Ok(false), None).state, State::Ok);
        assert_eq!(
            port(&HttpSettings { enabled: false, ..http(0) }, Err(TokenError::Short(1)), None)
                .state,
            State::Warn
        );
        let open = HttpSettings { host: IpAddr::V4(Ipv4Addr::UNSPECIFIED), ..http(0) };
        assert_eq!(port(&open, Ok(false), None).state, State::Fail);
        assert_eq!(port(&open, Ok(true), None).state, State::Ok);
    }

    #[test]
    fn a_station_without_its_process_is_stale() {
        let dir = tempfile::tempdir().unwrap();
        let state = || station(Some(dir.path()), serving(dir.path()).as_ref()).state;
        let write = |text: &str| fs::write(dir.path().join(STATION_FILE), text).unwrap();
        assert_eq!(state(), State::Ok);
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        write(&format!(r#"{{"url":"{url}","pid":{}}}"#, std::process::id()));
        assert_eq!(state(), State::Ok);
        for (age, wanted) in [(5_000, State::Ok), (40_000, State::Fail)] {
            let at = Time::from_ms(now().ms() - age);
            Heartbeat::now(at, false).write(dir.path()).unwrap();
            assert_eq!(state(), wanted, "its heart has beaten {age} ms ago");
        }
        write(&format!(r#"{{"url":"{url}","pid":{}}}"#, u32::MAX));
        assert_eq!(state(), State::Warn, "somebody else has the port");
        drop(listener);
        write(&format!(r#"{{"url":"{url}","pid":{}}}"#, std::process::id()));
        assert_eq!(state(), State::Warn, "somebody else has the process's number");
        for hostile in ["", "{}", "[]", r#"{"url":"file:///etc","pid":1}"#] {
            write(hostile);
            assert_eq!(state(), State::Warn, "{hostile}");
        }
    }

    #[test]
    fn a_run_without_a_log_is_a_warning_and_no_run_is_none() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(log(None, false).state, State::Ok);
        assert_eq!(log(Some(dir.path()), false).state, State::Warn);
        fs::write(dir.path().join("audit-000001.jsonl"), "{}\n").unwrap();
        assert!(has_log(dir.path()), "the name of a first segment");
        assert_eq!(log(Some(dir.path()), false).state, State::Fail);
        assert_eq!(log(Some(dir.path()), true).state, State::Ok, "it is being written");
    }
}
