//! Whatever a command comes without, or with too much of: it is refused, counted, and changes nothing.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Body, ask, description, operations, standing, way_in};
use crate::rig::{Running, World};

const LARGE: usize = 10 << 20;

/// One way to be refused.
struct Case {
    what: &'static str,
    line: Vec<u8>,
    headers: Vec<String>,
    body: Body,
    /// The status, and the code of the answer; the count knows one even where the answer has none.
    expected: Expected,
}

/// What stands in a path instead of a name.
const STRANGE: &[&str] = &[
    "..",
    "%2e%2e%2f",
    "..%2f..%2fetc%2fpasswd",
    "x%00y",
    "%ff",
    "x%0d%0ay",
    "a b",
    "x%22y",
    ".x",
];

/// One command, and the ways to be refused of it.
struct Cases<'a> {
    method: &'a str,
    path: &'a str,
    /// The header with the right token.
    good: String,
    all: Vec<Case>,
}

type Expected = (u16, &'static str);
const NONE: Expected = (401, "unauthorized");
const SITE: Expected = (403, "cross_site");
const LONG: Expected = (413, "body_too_large");
const FORM: &str = "content-type: application/x-www-form-urlencoded";

impl<'a> Cases<'a> {
    fn of(method: &'a str, path: &'a str, token: &str) -> Vec<Case> {
        let good = format!("authorization: Bearer {token}");
        let mut cases = Self { method, path, good, all: Vec::new() };
        cases.without_the_token(token);
        cases.behind_other_sites();
        cases.with_other_bodies();
        cases.on_other_paths();
        cases.all
    }

    fn line(&self) -> Vec<u8> {
        format!("{} {}", self.method, filled(self.path, "x")).into_bytes()
    }

    /// What would be obeyed if it were let in.
    fn body(&self) -> Body {
        let is_mode = self.path.ends_with("/mode");
        let text = if is_mode { "{\"mode\":\"advisory\"}" } else { "{\"reason\":\"nobody\"}" };
        Body::Text(text.to_owned())
    }

    fn add(&mut self, what: &'static str, headers: &[&str], body: Body, expected: Expected) {
        let line = self.line();
        self.add_line(what, line, headers, body, expected);
    }

    fn add_line(
        &mut self,
        what: &'static str,
        line: Vec<u8>,
        headers: &[&str],
        body: Body,
        expected: Expected,
    ) {
        let headers = headers.iter().map(|&header| header.to_owned()).collect();
        self.all.push(Case { what, line, headers, body, expected });
    }

    fn without_the_token(&mut self, token: &str) {
        self.add("no token", &[], self.body(), NONE);
        for (what, header) in [
            ("a wrong token", format!("authorization: Bearer {}", "0".repeat(token.len()))),
            ("a part of the token", format!("authorization: Bearer {}", &token[..20])),
            ("a token without its scheme", format!("authorization: {token}")),
            ("an empty token", "authorization: Bearer ".to_owned()),
        ] {
            self.add(what, &[&header], self.body(), NONE);
        }
    }

    fn behind_other_sites(&mut self) {
        let (good, evil) = (self.good.clone(), "origin: http://evil.example");
        let fields = || Body::Text("reason=x&mode=autonomous".to_owned());
        self.add("a form of another site", &[FORM, evil], fields(), SITE);
        self.add("a form that knows the token", &[FORM, evil, &good], self.body(), SITE);
        self.add("a form of no site", &["origin: null", &good], self.body(), SITE);
        let says = "sec-fetch-site: cross-site";
        self.add("a browser that says so", &[says, &good], self.body(), SITE);
        self.add("a form", &[FORM, &good], fields(), (422, "invalid"));
        let host = ["host: evil.example", &good];
        self.add("another name", &host, self.body(), (421, "misdirected"));
    }

    fn with_other_bodies(&mut self) {
        let good = self.good.clone();
        self.add("10 MB", &[&good], Body::Long(LARGE), LONG);
        self.add("10 MB in chunks", &[&good], Body::Chunked(LARGE), LONG);
        self.add("10 MB without a token", &[], Body::Long(LARGE), NONE);
        self.add("10 MB in chunks without a token", &[], Body::Chunked(LARGE), NONE);
        self.add("no JSON", &[&good], Body::Text("{".to_owned()), (422, "invalid"));
    }

    fn on_other_paths(&mut self) {
        let good = self.good.clone();
        let plain = filled(self.path, "x");
        for other in ["GET", "PUT", "DELETE"] {
            let line = format!("{other} {plain}").into_bytes();
            let expected = (405, "method_not_allowed");
            self.add_line("another method", line, &[&good], self.body(), expected);
        }
        let below = format!("{} {plain}/..%2fx", self.method).into_bytes();
        self.add_line("a path behind it", below, &[&good], self.body(), (404, "not_found"));
        let zero = [self.line(), b"\0".to_vec()].concat();
        self.add_line("a zero byte", zero, &[&good], self.body(), (400, "malformed"));
        if !self.path.contains('{') {
            return;
        }
        let long = "a".repeat(200);
        for strange in STRANGE.iter().copied().chain([long.as_str()]) {
            let line = format!("{} {}", self.method, filled(self.path, strange)).into_bytes();
            // A blank ends the path for HTTP.
            let code = if strange.contains(' ') { "malformed" } else { "invalid_path" };
            self.add_line("a name that is a path", line, &[&good], self.body(), (400, code));
        }
        let climbing = format!("{} {}", self.method, filled(self.path, "../x")).into_bytes();
        self.add_line("a way up", climbing, &[&good], self.body(), (404, "not_found"));
    }
}

/// A path with this name at the place of its first parameter, and plain ones at the others.
fn filled(path: &str, name: &str) -> String {
    let mut name = Some(name);
    let part = |part: &str| match part.strip_prefix('{') {
        Some(_) => name.take().unwrap_or("approve").to_owned(),
        None => part.to_owned(),
    };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

/// The count of refusals by code.
fn counted(running: &Running<'_>) -> BTreeMap<String, u64> {
    let text = running.metrics();
    let lines = text.lines().filter_map(|line| line.strip_prefix("conclave_http_refusals_total{"));
    let row = |line: &str| {
        let (labels, count) = line.split_once("} ").expect("a sample");
        (labels.replace("code=", "").replace('"', ""), count.parse().expect("a count"))
    };
    lines.map(row).collect()
}

/// What no refused command may change.
fn state(world: &World, running: &Running<'_>) -> Value {
    let mut status = running.get("status").expect("a status");
    status.as_object_mut().expect("an object").remove("uptime_s");
    let views = ["approvals", "positions", "orders", "universe"].map(|view| running.get(view));
    json!([status, views, world.audit("r").len()])
}

/// Goal: every command of the process, in front of every way to come without the right to it or with what
/// is too much: refused with its code, counted once, and nothing is changed. Method: the commands are
/// those of the process's own description, which its router is made of, so that a new one cannot be
/// forgotten; the run stands at the end of its bars, where nothing else changes anything.
#[test]
fn what_may_not_command_is_refused_counted_and_changes_nothing() {
    let world = World::new();
    let running = standing(&world, "autonomous");
    let (address, token) = way_in(&world);
    let commands = operations(&description(&running), true);
    assert!(commands.len() >= 8, "{commands:?}");
    let (before, mut expected) = (state(&world, &running), counted(&running));
    for (method, path, operation) in &commands {
        assert_eq!(operation["security"], json!([{"token": []}]), "{path} is open to everybody");
        for Case { what, line, headers, body, expected: (status, code) } in
            Cases::of(method, path, &token)
        {
            let (answered, told) = ask(&address, &line, &headers, body);
            assert_eq!(answered, status, "{what}: {method} {path}: {told}");
            if code != "malformed" {
                assert_eq!(told["code"], code, "{what}: {method} {path}: {told}");
                assert_eq!(told["schema"], "error/1");
                assert!(!told.to_string().contains(&token), "the token is told");
            }
            *expected.entry(code.to_owned()).or_default() += 1;
        }
    }
    assert_eq!(counted(&running), expected);
    assert_eq!(state(&world, &running), before);
    // The same commands with the token are obeyed, so that it was not something else that refused them.
    let good = [format!("authorization: Bearer {token}")];
    let halt = ask(&address, b"POST /api/v1/halt", &good, Body::Text("{}".to_owned()));
    assert_eq!((halt.0, halt.1["state"].as_str()), (200, Some("halted")));
    assert_ne!(state(&world, &running), before);
}

/// Goal: what a page refuses is refused like everything else: with a code, a count and, where no person looks
/// at it, the one form.
#[test]
fn a_page_that_is_refused_has_its_code_and_is_counted() {
    let world = World::new();
    let running = standing(&world, "autonomous");
    let (address, _) = way_in(&world);
    let mut expected = counted(&running);
    let get = |path: &str| {
        ask(&address, format!("GET {path}").as_bytes(), &[], Body::Text(String::new()))
    };
    for path in ["/panels", "/panels?names=", "/panels?names=nobody", "/panels?names=now&names=now"]
    {
        let (status, told) = get(path);
        assert_eq!((status, &told["code"]), (422, &json!("invalid")), "{path}: {told}");
        assert_eq!(told["schema"], "error/1", "{path}");
    }
    *expected.entry("invalid".to_owned()).or_default() += 4;
    for path in ["/rounds/NOBODY-1", "/agents/nobody"] {
        assert_eq!(get(path).0, 404, "{path}");
    }
    *expected.entry("not_found".to_owned()).or_default() += 2;
    assert_eq!(counted(&running), expected);
    assert_eq!(get("/panels?names=now,nobody").0, 200, "what there is of it is shown");
}

/// Goal: nobody can be reached from outside by mistake: without a token from the operator a bind beyond
/// loopback is refused before anything begins.
#[test]
fn a_run_that_others_could_reach_does_not_start_without_a_token() {
    let world = World::new();
    world.config("[http]\nhost = \"0.0.0.0\"\n");
    let args = world.run_args(&["--out", "r", "--config", "c.toml", "--port", "0"]);
    world.verb(&args).refuses(1, "CONCLAVE_HTTP_TOKEN");
    assert!(!world.path("r/station.json").exists());
}

/// Goal: what anybody could guess guards nothing, so that nothing starts behind it. Method: each kind of
/// bad token, where others can reach the run and where nobody can, for a run and for a training.
#[test]
fn a_token_that_anybody_could_guess_starts_nothing() {
    let world = World::new();
    for host in ["0.0.0.0", "127.0.0.1"] {
        world.config(&format!("[http]\nhost = \"{host}\"\n"));
        for token in [" ", "x", "\tfifteen letters "] {
            world.variable("CONCLAVE_HTTP_TOKEN", token);
            let run = world.run_args(&["--out", "r", "--config", "c.toml", "--port", "0"]);
            let train = ["train", "--data", "AAA.csv", "--config", "c.toml", "--out", "r"];
            let train = [&train[..], &["--brains", "rules", "--port", "0"]].concat();
            for args in [run, train] {
                let said = world.verb(&args);
                said.refuses(3, "CONCLAVE_HTTP_TOKEN has ");
                said.refuses(3, "takes at least 16");
                assert!(!world.path("r/station.json").exists(), "{host} {token:?}");
            }
        }
    }
    // What nobody listens behind needs none, and blanks around a good one are nothing of it.
    world.verb(&world.run_args(&["--out", "off", "--config", "c.toml", "--no-http"])).succeeds();
    world.variable("CONCLAVE_HTTP_TOKEN", "  sixteen-letters.\n");
    let running = world.start("r", &["--out", "r", "--config", "c.toml", "--stay"]);
    assert_eq!(world.file("r", "token"), "sixteen-letters.");
    let halted = running.http("POST", "/api/v1/halt", Some("sixteen-letters."), "{}");
    assert_eq!(halted.map(|(status, _)| status), Some(200));
    running.kill();
}

/// Goal: a run on another address of the loopback is reached under that one, by whoever asks and by our own
/// verbs, and under no name that a page of the web could have given it. Method: Debian's second loopback
/// address and that of version 6, where there is one.
#[test]
fn another_address_of_the_loopback_is_answered_and_no_name_of_strangers() {
    for host in ["127.0.0.2", "::1"] {
        if std::net::TcpListener::bind((host, 0)).is_err() {
            println!("skipped: there is no {host}");
            continue;
        }
        let world = World::new();
        world.config(&format!("[http]\nhost = \"{host}\"\n"));
        let running = world.start("r", &["--out", "r", "--config", "c.toml", "--stay"]);
        let (address, token) = way_in(&world);
        let good = format!("authorization: Bearer {token}");
        let nothing = || Body::Text(String::new());
        let port = address.rsplit_once(':').expect("a port").1;
        let ours =
            ["localhost", "127.0.0.1", "127.0.0.2", "[::1]"].map(|name| format!("{name}:{port}"));
        for name in ours.iter().map(String::as_str).chain(["localhost", "[::1]", "127.0.0.2"]) {
            let told = ask(&address, b"GET /api/v1/status", &[format!("host: {name}")], nothing());
            assert_eq!(told.0, 200, "{host} as {name}: {}", told.1);
        }
        for name in ["evil.example", "127.0.0.2.evil.example", "10.0.0.1", "[::2]", "127.1", "[::1"]
        {
            for line in ["GET /api/v1/status", "POST /api/v1/halt"] {
                let headers = [format!("host: {name}:{port}"), good.clone()];
                let told = ask(&address, line.as_bytes(), &headers, nothing());
                assert_eq!((told.0, told.1["code"].as_str()), (421, Some("misdirected")), "{name}");
            }
        }
        running.verb(&["halt", "--reason", "a drill"]).succeeds();
        assert_eq!(running.get("status").expect("a status")["trading_state"]["state"], "halted");
        running.kill();
    }
}
