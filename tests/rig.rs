//! Drives the built binary as an operator does: a market of CSV files, runs in directories, verbs.

use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

/// Routes on a port of their own: their address, and what they live as long as.
pub(crate) fn offered(routes: axum::Router) -> (String, tokio::runtime::Runtime) {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(1).enable_all().build().expect("a runtime");
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"));
    let listener = listener.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    runtime.spawn(async move { axum::serve(listener, routes).await });
    (url, runtime)
}

/// How often a condition is looked at before it is given up, [`POLL`] apart: minutes, because the
/// machine may be busy with other tests.
const PATIENCE: u32 = 6_000;
const POLL: Duration = Duration::from_millis(15);

/// Lets wall time pass for a process that is not ours to pause.
#[expect(clippy::disallowed_methods, reason = "no mailbox waits here: the other side is a process")]
pub(crate) fn wait_for(time: Duration) {
    std::thread::sleep(time);
}

/// A directory with a market of three shares whose prices swing, and the runs over it.
pub(crate) struct World {
    dir: TempDir,
    symbols: Vec<String>,
    /// Starts after kills by which a crash loop is told; tests kill more often than any process crashes.
    crashes_max: Cell<u32>,
    /// Variables for whatever is started.
    variables: RefCell<Vec<(String, String)>>,
}

impl World {
    /// 400 daily bars of three shares that swing at their own pace.
    pub(crate) fn new() -> Self {
        Self::of(&[("AAA", 0.0, 31.0), ("BBB", 1.3, 37.0), ("CCC", 2.6, 43.0)], 400)
    }

    /// `bars` daily bars of shares by name, phase and period.
    pub(crate) fn of(shares: &[(&str, f64, f64)], bars: usize) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        for (name, phase, period) in shares {
            let text = swinging(bars, *phase, *period);
            fs::write(dir.path().join(format!("{name}.csv")), text).expect("a file");
        }
        let symbols = shares.iter().map(|(name, ..)| format!("{name}.csv")).collect();
        Self { dir, symbols, crashes_max: Cell::new(1_000), variables: RefCell::default() }
    }

    /// The embedded bars of these symbols up to `last_day`.
    pub(crate) fn embedded(symbols: &[&str], last_day: &str) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let files: Vec<String> = symbols.iter().map(|symbol| format!("{symbol}.csv")).collect();
        for file in &files {
            let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(file);
            fs::copy(from, dir.path().join(file)).expect("a file");
        }
        let crashes_max = Cell::new(1_000);
        let world = Self { dir, symbols: files, crashes_max, variables: RefCell::default() };
        world.end_with(last_day);
        world
    }

    /// From now on so many unclean starts are no crash loop yet, and one more is.
    pub(crate) fn crashes_max(&self, count: u32) {
        self.crashes_max.set(count);
    }

    /// A variable in the environment of whatever is started from now on.
    pub(crate) fn variable(&self, name: &str, value: &str) {
        self.variables.borrow_mut().push((name.to_owned(), value.to_owned()));
    }

    /// Drops the bars after `day`, such as `2013-02-08`, from every file.
    pub(crate) fn end_with(&self, day: &str) {
        for file in &self.symbols {
            let path = self.dir.path().join(file);
            let text = fs::read_to_string(&path).expect("a file");
            let mut lines = text.lines();
            let mut kept = format!("{}\n", lines.next().expect("a header"));
            for line in lines.filter(|line| &line[..10] <= day) {
                kept.push_str(line);
                kept.push('\n');
            }
            fs::write(&path, kept).expect("a file");
        }
    }

    /// Writes a configuration file that `--config` can name.
    pub(crate) fn config(&self, text: &str) {
        fs::write(self.dir.path().join("c.toml"), text).expect("a file");
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        self.prepared(Command::new(env!("CARGO_BIN_EXE_conclave")), args)
    }

    /// A verb to its end, started by another program, such as `strace`.
    pub(crate) fn under(&self, starter: &[&str], args: &[&str]) -> Said {
        let mut command = Command::new(starter[0]);
        command.args(&starter[1..]).arg(env!("CARGO_BIN_EXE_conclave"));
        Said(self.prepared(command, args).output().expect("the binary starts"))
    }

    fn prepared(&self, mut command: Command, args: &[&str]) -> Command {
        let ours = std::env::vars_os().map(|(name, _)| name);
        // Those of OpenTelemetry too: whoever tests may send spans of their own somewhere.
        let is_ours = |name: &str| name.starts_with("CONCLAVE") || name.starts_with("OTEL_");
        for name in ours.filter(|name| is_ours(&name.to_string_lossy())) {
            command.env_remove(name);
        }
        let crashes_max = self.crashes_max.get().to_string();
        command.env("CONCLAVE__SUPERVISION__UNCLEAN_STARTS_MAX", crashes_max);
        // What all runs spend together is written there, and not into the home of whoever tests.
        command.env("XDG_STATE_HOME", self.dir.path().join("state"));
        command.envs(self.variables.borrow().iter().map(|(name, value)| (name, value)));
        command.current_dir(self.dir.path()).args(args);
        command
    }

    /// A verb, to its end.
    pub(crate) fn verb(&self, args: &[&str]) -> Said {
        Said(self.command(args).output().expect("the binary starts"))
    }

    /// The arguments of a run over this world's market.
    pub(crate) fn run_args<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        let mut args = vec!["run", "--data"];
        args.extend(self.symbols.iter().map(String::as_str));
        args.extend(more);
        args
    }

    /// A run to its end, without HTTP.
    pub(crate) fn run(&self, more: &[&str]) -> Said {
        let mut args = self.run_args(more);
        args.push("--no-http");
        self.verb(&args)
    }

    /// A run that serves; returns when it answers.
    pub(crate) fn start(&self, store: &str, more: &[&str]) -> Running<'_> {
        self.serve(store, &self.run_args(more))
    }

    /// A run by all of its arguments but the port; returns when it answers.
    pub(crate) fn serve(&self, store: &str, args: &[&str]) -> Running<'_> {
        let mut args = args.to_vec();
        args.extend(["--port", "0"]);
        self.serve_at(store, &args)
    }

    /// A run by all of its arguments, its port among them; returns when it answers.
    pub(crate) fn serve_at(&self, store: &str, args: &[&str]) -> Running<'_> {
        let log = fs::File::create(self.path(&format!("{store}.log"))).expect("a log");
        let mut command = self.command(args);
        // A station of a process that was killed before would be taken for this one's.
        let _ = fs::remove_file(self.path(store).join("station.json"));
        let child = command.stdout(Stdio::null()).stderr(log).spawn().expect("the binary starts");
        let mut running = Running { world: self, store: store.to_owned(), child };
        running.wait("an answer", |running| running.get("status").is_some());
        running
    }

    /// All records of a run, decisions before observations.
    pub(crate) fn audit(&self, store: &str) -> Vec<Value> {
        let mut files: Vec<PathBuf> = fs::read_dir(self.path(store))
            .expect("a run")
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| path.extension().is_some_and(|end| end == "jsonl"))
            .collect();
        files.sort();
        let texts = files.iter().map(|path| fs::read_to_string(path).expect("a segment"));
        let all: Vec<String> = texts.collect();
        let lines = all.iter().flat_map(|text| text.lines());
        // The last line of a process that writes at this moment may be torn.
        lines.filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The records of one step.
    pub(crate) fn steps(&self, store: &str, step: &str) -> Vec<Value> {
        let all = self.audit(store).into_iter();
        all.filter(|record| record["step"] == step).collect()
    }

    /// A file of a run.
    pub(crate) fn file(&self, store: &str, name: &str) -> String {
        fs::read_to_string(self.path(store).join(name)).expect("a file of the run")
    }

    /// What a run that was started said on stderr.
    pub(crate) fn log(&self, store: &str) -> String {
        fs::read_to_string(self.path(&format!("{store}.log"))).unwrap_or_default()
    }

    pub(crate) fn summary(&self, store: &str) -> Value {
        serde_json::from_str(&self.file(store, "summary.json")).expect("json")
    }

    /// What a run has paid for models, dollars, to the last digit that its summary has.
    pub(crate) fn spent(&self, store: &str) -> f64 {
        let spend = &self.summary(store)["spend_usd"];
        spend.as_f64().or_else(|| spend.as_str()?.parse().ok()).expect("a spend")
    }

    /// The entries that were submitted: their decision and market time.
    pub(crate) fn entries(&self, store: &str) -> Vec<(String, String)> {
        let submitted = self.steps(store, "order.submitted").into_iter();
        let entries = submitted.filter(|record| {
            record["body"]["happened"] == "submitted"
                && record.pointer("/body/intent/purpose/purpose") == Some(&"entry".into())
        });
        entries.map(|record| (text(&record["decision"]), text(&record["at"]))).collect()
    }

    /// The chain of a run verifies.
    #[track_caller]
    pub(crate) fn verify(&self, store: &str) {
        self.verb(&["audit", "verify", store]).succeeds();
    }
}

/// The text of a JSON string.
pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// What a verb said.
pub(crate) struct Said(pub(crate) Output);

impl Said {
    pub(crate) fn code(&self) -> Option<i32> {
        self.0.status.code()
    }

    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.0.stderr).into_owned()
    }

    #[track_caller]
    pub(crate) fn succeeds(&self) -> &Self {
        assert_eq!(self.code(), Some(0), "{}", self.stderr());
        self
    }

    /// Exits with `code` and says `part` on stderr.
    #[track_caller]
    pub(crate) fn refuses(&self, code: i32, part: &str) {
        let said = self.stderr();
        assert_eq!(self.code(), Some(code), "{said}");
        assert!(said.contains(part) && !said.contains("panicked"), "`{part}` is not in:\n{said}");
    }
}

/// A process that serves. Killed when it is dropped.
pub(crate) struct Running<'a> {
    world: &'a World,
    store: String,
    child: Child,
}

impl Running<'_> {
    /// Waits until `is_so`; fails when the process ends before, or nothing happens.
    #[track_caller]
    pub(crate) fn wait(&mut self, what: &str, mut is_so: impl FnMut(&mut Self) -> bool) {
        let mut looks = 0;
        while !is_so(self) {
            if let Some(status) = self.child.try_wait().expect("a child") {
                panic!("the run ended with {status} before {what}:\n{}", self.log());
            }
            looks += 1;
            assert!(looks < PATIENCE, "{what} did not come:\n{}", self.log());
            wait_for(POLL);
        }
    }

    fn log(&self) -> String {
        self.world.log(&self.store)
    }

    /// A verb about this process.
    pub(crate) fn verb(&self, args: &[&str]) -> Said {
        let mut all = args.to_vec();
        all.extend(["--store", &self.store]);
        self.world.verb(&all)
    }

    /// A view of the API; `None` when nobody answers.
    pub(crate) fn get(&self, view: &str) -> Option<Value> {
        let (status, body) = self.http("GET", &format!("/api/v1/{view}"), None, "")?;
        (status == 200).then(|| serde_json::from_str(&body).ok())?
    }

    pub(crate) fn metrics(&self) -> String {
        self.http("GET", "/metrics", None, "").map(|(_, body)| body).unwrap_or_default()
    }

    /// A metric's sample whose labels hold `label`.
    pub(crate) fn metric(&self, name: &str, label: &str) -> Option<f64> {
        let text = self.metrics();
        let line = text.lines().find(|line| line.starts_with(name) && line.contains(label))?;
        line.rsplit(' ').next()?.parse().ok()
    }

    pub(crate) fn market_time(&self) -> String {
        text(&self.get("status").unwrap_or_default()["market_time"])
    }

    /// A request to the process: its status and body.
    pub(crate) fn http(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: &str,
    ) -> Option<(u16, String)> {
        let station = fs::read_to_string(self.world.path(&self.store).join("station.json")).ok()?;
        let station: Value = serde_json::from_str(&station).ok()?;
        let token = token.map(|token| ("authorization", format!("Bearer {token}")));
        request(station["url"].as_str()?, (method, path), token.as_slice(), body)
    }

    /// What is left of a budget.
    #[track_caller]
    pub(crate) fn budget(&self, name: &str) -> f64 {
        let said = self.verb(&["budgets", "--format", "json"]);
        let view: Value = serde_json::from_slice(&said.succeeds().0.stdout).expect("json");
        let rows = view["budgets"].as_array().expect("budgets");
        let row = rows.iter().find(|row| row["budget"] == name);
        row.and_then(|row| row["remaining"].as_f64()).expect("such a budget")
    }

    /// Kills it at once, as the loss of power would.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("a child");
        self.child.wait().expect("an end");
    }

    /// Asks it to end, and waits for it.
    pub(crate) fn terminate(self) -> ExitStatus {
        self.signal("TERM");
        self.ended()
    }

    /// Sends it a signal, such as `HUP`.
    #[track_caller]
    pub(crate) fn signal(&self, name: &str) {
        let (flag, pid) = (format!("-{name}"), self.child.id().to_string());
        let sent = Command::new("sh").args(["-c", "kill \"$0\" \"$1\"", &flag, &pid]).status();
        assert!(sent.expect("a shell").success(), "the process has ended already");
    }

    /// Waits for its end.
    pub(crate) fn ended(mut self) -> ExitStatus {
        self.child.wait().expect("an end")
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        // It has ended already if this fails.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A request to a server on this machine: its status and body.
pub(crate) fn request(
    url: &str,
    (method, path): (&str, &str),
    headers: &[(&str, String)],
    body: &str,
) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(url.strip_prefix("http://")?).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    let mut request = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        write!(request, "{name}: {value}\r\n").ok()?;
    }
    write!(stream, "{request}\r\n{body}").ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1)?.parse().ok()?;
    let (_, body) = answer.split_once("\r\n\r\n")?;
    Some((status, body.to_owned()))
}

/// Daily bars that swing around a slow rise: a cross of means every half period.
fn swinging(bars: usize, phase: f64, period: f64) -> String {
    let mut text = "timestamp,open,high,low,close,volume\n".to_owned();
    let mut day = jiff::civil::date(2013, 1, 7);
    let (mut former, mut written) = (100.0_f64, 0_u32);
    while (written as usize) < bars {
        if day.weekday().to_monday_one_offset() <= 5 {
            let at = f64::from(written);
            let swing = 0.06 * (std::f64::consts::TAU * at / period + phase).sin();
            let close = 100.0 * (1.0 + 0.0004 * at) * (1.0 + swing);
            let (high, low) = (former.max(close) * 1.004, former.min(close) * 0.996);
            writeln!(text, "{day},{former:.4},{high:.4},{low:.4},{close:.4},1000000")
                .expect("a text");
            former = close;
            written += 1;
        }
        day = day.tomorrow().expect("a day");
    }
    text
}

/// Whether a file is there.
pub(crate) fn is_there(path: &Path) -> bool {
    path.try_exists().unwrap_or(false)
}
