//! The arena's record in a real Postgres: the same board as its season's, exported once however often and
//! whoever dies meanwhile, and a clear word on every way of being refused.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::rig::{Said, World, wait_for};

/// The owner's password; it must stand in nothing that a program of ours prints.
const PASSWORD: &str = "marked-owner-word";
/// Nobody: the server refuses to run as root.
const NOBODY: u32 = 65_534;

/// A program of the server, where Debian has it.
fn tool(name: &str) -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut found: Vec<PathBuf> = versions
        .filter_map(|entry| Some(entry.ok()?.path().join("bin").join(name)))
        .filter(|path| path.exists())
        .collect();
    found.sort();
    found.pop()
}

/// A server of its own on a free port, stopped when it is dropped.
struct Server {
    dir: TempDir,
    port: u16,
}

impl Server {
    /// `None`, and a word on it, where there is no Postgres.
    #[expect(clippy::print_stdout, reason = "a test that is skipped says so")]
    fn start() -> Option<Self> {
        if tool("initdb").is_none() || tool("pg_ctl").is_none() {
            println!("skipped: there is no Postgres here (Debian's package postgresql)");
            return None;
        }
        let dir = tempfile::tempdir().expect("a directory");
        let port =
            TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("one").port();
        fs::write(dir.path().join("word"), PASSWORD).expect("a file");
        let server = Self { dir, port };
        if server.is_root() {
            for path in [server.dir.path(), &server.path("word")] {
                chown(path, Some(NOBODY), Some(NOBODY)).expect("an owner");
            }
        }
        let (data, word) = (server.path("data"), server.path("word"));
        let args = ["-U", "postgres", "-A", "scram-sha-256", "--no-sync", "-D"];
        let mut initdb = server.command("initdb");
        initdb.args(args).arg(&data).arg(format!("--pwfile={}", word.display()));
        assert!(initdb.status().expect("initdb starts").success());
        server.up("start", "");
        Some(server)
    }

    fn is_root(&self) -> bool {
        use std::os::unix::fs::MetadataExt as _;
        fs::metadata(self.dir.path()).expect("a directory").uid() == 0
            || fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(tool(name).expect("a tool"));
        command.current_dir(self.dir.path()).stdout(Stdio::null());
        if self.is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }

    /// Starts or restarts it, with more settings.
    fn up(&self, word: &str, more: &str) {
        let options = format!(
            "-p {} -c listen_addresses=127.0.0.1 -c fsync=off -c unix_socket_directories={} {more}",
            self.port,
            self.dir.path().display()
        );
        let mut start = self.command("pg_ctl");
        start.arg("-D").arg(self.path("data")).arg("-l").arg(self.path("log"));
        start.args(["-w", "-m", "fast", "-o", &options, word]);
        assert!(start.status().expect("pg_ctl starts").success());
    }

    /// Has it offer TLS by a certificate of an authority of its own, whose certificate lies in `ca.pem`.
    fn secure(&self) {
        let script = "set -e\n\
            key='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2'\n\
            openssl req -x509 $key -keyout ca.key -out ca.pem -subj /CN=a-test\n\
            openssl req $key -keyout own.key -out own.csr -subj /CN=localhost\n\
            printf 'subjectAltName=IP:127.0.0.1' > names\n\
            openssl x509 -req -in own.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 \
            -extfile names -out own.pem\n\
            chmod 600 own.key\n";
        let mut shell = Command::new("sh");
        shell.current_dir(self.dir.path()).args(["-c", script]).stderr(Stdio::null());
        if self.is_root() {
            shell.uid(NOBODY).gid(NOBODY);
        }
        assert!(shell.status().expect("a shell").success(), "openssl");
        self.offer();
    }

    /// Has it take nothing else than TLS.
    fn insist(&self) {
        let path = self.path("data/pg_hba.conf");
        let text = fs::read_to_string(&path).expect("a file");
        fs::write(&path, text.replace("\nhost ", "\nhostssl ")).expect("a file");
        self.offer();
    }

    fn offer(&self) {
        let (key, own) = (self.path("own.key"), self.path("own.pem"));
        let (key, own) = (key.display(), own.display());
        self.up("restart", &format!("-c ssl=on -c ssl_key_file={key} -c ssl_cert_file={own}"));
    }

    fn url(&self, user: &str, word: &str) -> String {
        format!("postgres://{user}:{word}@127.0.0.1:{}/postgres", self.port)
    }

    /// Rows as the owner sees them, `|` between columns.
    fn sql(&self, text: &str) -> String {
        let output = Command::new("psql")
            .args(["-AtX", "-v", "ON_ERROR_STOP=1", "-c", text])
            .arg(self.url("postgres", PASSWORD))
            .output()
            .expect("psql starts");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{text}: {error}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let mut stop = self.command("pg_ctl");
        stop.arg("-D").arg(self.path("data")).args(["-m", "immediate", "stop"]);
        drop(stop.status());
    }
}

fn world(url: &str) -> World {
    let world = World::of(&[], 0);
    world.variable("CONCLAVE_ARENA_POSTGRES_URL", url);
    world
}

fn season(world: &World, more: &[&str]) {
    let args = ["arena", "run", "--out", "s"];
    world.verb(&[&args[..], more].concat()).succeeds();
}

fn export(world: &World, more: &[&str]) -> Said {
    let args = ["arena", "export", "s", "--to", "postgres", "--format", "json"];
    world.verb(&[&args[..], more].concat())
}

/// Ticks that an export has written, and those that were there.
fn counts(said: &Said) -> (u64, u64) {
    let done: Value = serde_json::from_slice(&said.succeeds().0.stdout).expect("one document");
    let count = |key: &str| done[key].as_u64().expect("a count");
    (count("written"), count("there"))
}

fn board(world: &World, from: &[&str]) -> Vec<u8> {
    let args = ["arena", "leaderboard", "--format", "json"];
    let said = world.verb(&[&args[..], from].concat());
    said.succeeds().0.stdout.clone()
}

fn lines(world: &World, name: &str) -> usize {
    world.file("s", name).lines().count()
}

/// Goal: whoever reads the record reads the season, to the last digit, wherever it lies. Method: one season
/// in its directory, its archive and the database; every curve as text of the database's own making.
#[test]
fn the_same_season_in_all_stores_gives_the_same_board_and_the_same_digits() {
    let Some(server) = Server::start() else { return };
    let world = world(&server.url("postgres", PASSWORD));
    season(&world, &["--last", "100"]);
    world.verb(&["arena", "export", "s", "--to", "json"]).succeeds();
    let archive = world.file("s", "archive.json");
    world.verb(&["arena", "export", "s", "--to", "json"]).succeeds();
    assert_eq!(archive, world.file("s", "archive.json"), "twice is once");
    assert_eq!(counts(&export(&world, &[])), (100, 0));
    assert_eq!(counts(&export(&world, &[])), (0, 100), "twice is once");

    let own = board(&world, &["s"]);
    assert_eq!(own, board(&world, &["s", "--from", "json"]));
    assert_eq!(own, board(&world, &["--from", "postgres"]));
    let counted = "SELECT (SELECT count(*) FROM conclave.model_chats), \
                   (SELECT count(*) FROM conclave.aggregates), (SELECT count(*) FROM conclave.trades)";
    let wanted = [
        lines(&world, "chats.jsonl"),
        lines(&world, "aggregates.jsonl"),
        lines(&world, "trades.csv") - 1,
    ];
    assert_eq!(server.sql(counted), wanted.map(|count| count.to_string()).join("|"));

    // A row a close: its figures are those of equity.csv, digit for digit.
    let csv = world.file("s", "equity.csv");
    let names: Vec<&str> = csv.lines().next().expect("a header").split(',').skip(2).collect();
    for name in names {
        let column = csv.lines().next().unwrap().split(',').position(|it| it == name).unwrap();
        let own: Vec<&str> =
            csv.lines().skip(1).map(|line| line.split(',').nth(column).unwrap()).collect();
        let stored = server.sql(&format!(
            "SELECT value::text FROM conclave.equity WHERE contestant = '{name}' ORDER BY tick"
        ));
        assert_eq!(stored.lines().collect::<Vec<_>>(), own, "{name}");
    }
    let said = server
        .sql("SELECT document::text FROM conclave.model_chats ORDER BY tick, contestant, ticker");
    let mut own: Vec<String> = world.file("s", "chats.jsonl").lines().map(str::to_owned).collect();
    own.sort();
    let mut said: Vec<String> = said.lines().map(str::to_owned).collect();
    said.sort();
    assert_eq!(said, own);
}

/// Ticks in the database, each of them whole: every row that the season has of it, and none of a later one.
/// One statement is one snapshot, so that a commit in between cannot tear it.
fn whole_ticks(world: &World, server: &Server) -> u64 {
    let counted = server.sql(
        "SELECT (SELECT count(*) FROM conclave.ticks), (SELECT count(*) FROM conclave.model_chats), \
         (SELECT count(*) FROM conclave.aggregates), (SELECT count(*) FROM conclave.equity)",
    );
    let counted: Vec<u64> =
        counted.split('|').map(|count| count.parse().expect("a count")).collect();
    let [ticks, chats, aggregates, equity] = counted[..] else { panic!("{counted:?}") };
    let own = |name: &str| {
        let is_in = |line: &&str| {
            let line: Value = serde_json::from_str(line).expect("a line");
            line["tick"].as_u64().expect("a tick") < ticks
        };
        world.file("s", name).lines().filter(is_in).count() as u64
    };
    let curves = world.file("s", "equity.csv").lines().next().expect("a header").split(',').count();
    // Beside the curves stand the close and the benchmark.
    let curves = curves as u64 - 2;
    assert_eq!(
        (chats, aggregates, equity),
        (own("chats.jsonl"), own("aggregates.jsonl"), ticks * curves),
        "{ticks} ticks"
    );
    ticks
}

/// Goal: an export that dies is gone on with, and what it left is whole. Method: kill -9 between its first
/// transactions, and one look before anybody goes on; then a season of the same id with another tick is
/// refused.
#[test]
fn an_export_that_is_killed_is_gone_on_with_and_another_season_is_not_mixed_in() {
    let Some(server) = Server::start() else { return };
    let world = world(&server.url("postgres", PASSWORD));
    season(&world, &["--synthetic", "12", "--bars", "900", "--last", "800"]);
    let args = ["arena", "export", "s", "--to", "postgres"];
    let mut child = world.command(&args).stdout(Stdio::null()).spawn().expect("the binary starts");
    loop {
        let is_there = !server.sql("SELECT to_regclass('conclave.ticks')").is_empty();
        if is_there && server.sql("SELECT count(*) > 0 FROM conclave.ticks") == "t" {
            break;
        }
        wait_for(std::time::Duration::from_millis(20));
    }
    child.kill().expect("a kill");
    child.wait().expect("its end");
    let left = whole_ticks(&world, &server);
    assert!(left > 0 && left < 800, "{left}");
    let (written, there) = counts(&export(&world, &[]));
    assert_eq!(written + there, 800);
    // The server may still commit what it was sent before the kill, and takes nothing back.
    assert!(there >= left && there < 800, "{left} {there}");
    let chats = server.sql("SELECT count(*) FROM conclave.model_chats");
    assert_eq!(chats, lines(&world, "chats.jsonl").to_string());
    assert_eq!(board(&world, &["s"]), board(&world, &["--from", "postgres"]));

    let ticks = world.file("s", "ticks.jsonl");
    let changed = ticks.replacen("\"benchmark\":\"10000\"", "\"benchmark\":\"10001\"", 1);
    assert_ne!(ticks, changed);
    fs::write(world.path("s").join("ticks.jsonl"), changed).expect("a file");
    let refused = export(&world, &[]);
    refused.refuses(8, "differs at tick 0");
    assert_eq!(counts(&export(&world, &["--as", "another"])), (800, 0));
}

/// Goal: every way of being refused has its own words and exit code, and none repeats the address.
#[test]
fn whoever_is_refused_hears_why_and_no_password_is_printed() {
    let Some(server) = Server::start() else { return };
    let world = world(&server.url("postgres", PASSWORD));
    season(&world, &["--last", "20"]);
    let reads = ["arena", "leaderboard", "--from", "postgres"];
    world.verb(&reads).refuses(8, "the tables are of version 0 of 1");
    export(&world, &[]).succeeds();
    let roles = Path::new(env!("CARGO_MANIFEST_DIR")).join("ops/postgres/roles.sql");
    server.sql(&fs::read_to_string(roles).expect("the roles"));
    server.sql("CREATE ROLE w LOGIN PASSWORD 'marked-writer-word' IN ROLE conclave_writer");
    server.sql("CREATE ROLE r LOGIN PASSWORD 'marked-reader-word' IN ROLE conclave_reader");
    server.sql("CREATE ROLE n LOGIN PASSWORD 'marked-no-word'");
    let as_who = |user: &str, word: &str| {
        world.variable("CONCLAVE_ARENA_POSTGRES_URL", &server.url(user, word));
    };
    let refused = |code: i32, part: &str| {
        let said = export(&world, &["--as", "again"]);
        said.refuses(code, part);
        assert!(!said.stderr().contains("marked-"), "{}", said.stderr());
    };
    // The least privileges are enough, and no more than enough.
    as_who("w", "marked-writer-word");
    assert_eq!(counts(&export(&world, &["--as", "by-writer"])), (20, 0));
    as_who("r", "marked-reader-word");
    refused(9, "conclave_writer");
    assert_eq!(
        board(&world, &["--from", "postgres", "--season", "by-writer"]),
        board(&world, &["s"])
    );
    world.verb(&[&reads[..], &["--season", "nobodys"]].concat()).refuses(5, "nobodys");
    as_who("n", "marked-no-word");
    refused(9, "the role may not");
    as_who("postgres", "marked-wrong-word");
    refused(9, "does not take the user, the password");
    as_who("postgres", PASSWORD);
    server.sql("INSERT INTO conclave.migrations VALUES (99, 'later', 'x')");
    refused(8, "version 99");
    server.sql("DELETE FROM conclave.migrations WHERE number = 99");
    server.sql("UPDATE conclave.migrations SET checksum = 'x'");
    refused(8, "migration 1 was applied with another text");
    world.variable("CONCLAVE_ARENA_POSTGRES_URL", "postgres://a:marked-b@[");
    refused(3, "is no address of a database");
    world.variable("CONCLAVE_ARENA_POSTGRES_URL", "postgres://a:marked-b@127.0.0.1:1/x");
    refused(9, "cannot be reached");
}

/// Goal: a season does not notice whether its record arrives. Method: `--store postgres` with nobody there,
/// then with the server.
#[test]
fn a_season_ends_well_without_its_database_and_keeps_the_record_up_with_it() {
    let Some(server) = Server::start() else { return };
    let world = world("postgres://a:marked-b@127.0.0.1:1/x");
    let run = |more: &[&str]| {
        let args = ["arena", "run", "--last", "150", "--store", "postgres"];
        let said = world.verb(&[&args[..], more].concat());
        said.succeeds();
        said
    };
    let alone = run(&["--out", "s"]);
    assert!(alone.stderr().contains("arena export"), "{}", alone.stderr());
    assert!(!alone.stderr().contains("marked-"), "{}", alone.stderr());
    world.variable("CONCLAVE_ARENA_POSTGRES_URL", &server.url("postgres", PASSWORD));
    run(&["--out", "t"]);
    assert_eq!(board(&world, &["s"]), board(&world, &["--from", "postgres"]));
    // The same season: its record is there already.
    assert_eq!(counts(&export(&world, &[])), (0, 150));
}

/// Goal: nobody is told a season, or a password's proof, who cannot prove to be the database. Method: a
/// server that takes TLS only, with a certificate of an authority of its own: unknown, named, and misnamed.
#[test]
fn a_certificate_is_checked_and_its_authority_can_be_named() {
    let Some(server) = Server::start() else { return };
    if !Path::new("/usr/bin/openssl").exists() {
        println!("skipped: there is no openssl here");
        return;
    }
    server.secure();
    // On this machine nobody is asked for a certificate that nobody could check, as Debian's server has.
    let near = world(&server.url("postgres", PASSWORD));
    season(&near, &["--last", "3"]);
    assert_eq!(counts(&export(&near, &[])), (3, 0));
    server.insist();
    let world = world(&format!("{}?sslmode=require", server.url("postgres", PASSWORD)));
    season(&world, &["--last", "5"]);
    export(&world, &[]).refuses(9, "CONCLAVE_ARENA_POSTGRES_CA");
    let ca = |path: &Path| {
        world.variable("CONCLAVE_ARENA_POSTGRES_CA", &path.display().to_string());
    };
    ca(&server.path("ca.pem"));
    assert_eq!(counts(&export(&world, &[])), (5, 0));
    assert_eq!(board(&world, &["s"]), board(&world, &["--from", "postgres"]));
    ca(&server.path("names"));
    export(&world, &[]).refuses(3, "no certificate that can be read");
    export(&near, &[]).refuses(9, "does not take");
}
