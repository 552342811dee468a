//! Model brains against peers of others: aimock plays OpenRouter, llama.cpp infers with random weights.
//!
//! Only with `PEERS=1`, which installs both into `target/peers` (see `tests/peers/install.sh`); without
//! it, or where something cannot be installed, each test says that it is skipped. What each of them
//! shows is shown without peers by tests of the same names' modules in `actors/models` and
//! `src/adapters`; here the other side was written by somebody else.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use conclave::adapters::model_http::Key;
use conclave::adapters::openai_http::{OpenAiHttp, probe};
use conclave_actors::consensus::{Patience, Round, open_round};
use conclave_actors::models::port::Model;
use conclave_actors::models::wire::{Routing, Thinking};
use conclave_actors::models::{Gateway, ModelBrain, Models, Retry, RouteSpec, RungSpec};
use conclave_actors::runtime::agent::ConsultError;
use conclave_actors::runtime::brain::Brain;
use conclave_actors::runtime::roster;
use conclave_actors::testkit::desk::{Desk, DeskSetup};
use conclave_actors::trading::TEAM;
use conclave_domain::brief::trading::TradingBrief;
use conclave_domain::budget::BudgetConfig;
use conclave_domain::fixed::Money;
use conclave_domain::limits::Limits;
use conclave_domain::llm::price::{Price, PriceTable, PriceTier};
use conclave_domain::market::symbol::Symbol;
use conclave_domain::order::DecisionId;
use conclave_domain::role::RISK_GUARDIAN;
use conclave_domain::tally::{Outcome, Verdict};
use conclave_domain::time::Time;
use serde_json::{Value, json};
use tokio::time::Instant;

/// The deadline of one consultation of aimock; a round has a little more.
const DEADLINE: Duration = Duration::from_secs(6);
/// The same of llama.cpp, which takes a second on an idle processor.
const LONG: Duration = Duration::from_secs(45);
/// What a round has beyond the deadline.
const MORE: Duration = Duration::from_secs(2);

/// What the install script said, once for all tests.
fn installed() -> &'static str {
    static SAID: OnceLock<String> = OnceLock::new();
    SAID.get_or_init(|| {
        let script = root().join("tests/peers/install.sh");
        let output = Command::new("bash").arg(script).arg(folder()).output();
        output.map_or_else(
            |error| error.to_string(),
            |output| String::from_utf8_lossy(&output.stdout).into_owned(),
        )
    })
}

pub(super) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(super) fn folder() -> PathBuf {
    root().join("target/peers")
}

/// Why a peer is not there, where it is not.
pub(super) fn missing(peer: &str) -> Option<String> {
    if std::env::var_os("PEERS").is_none() {
        return Some("PEERS is not set".to_owned());
    }
    let (said, ready) = (installed(), format!("ready: {peer}"));
    let is_there = said.lines().any(|line| line == ready);
    (!is_there).then(|| format!("{peer} could not be installed: {said}"))
}

/// What our agents are told, in whose words a model is to read it.
fn prompts() -> String {
    let limits = Limits::default();
    let seats = roster::roster();
    let mut text: String = seats.iter().map(|seat| seat.system(&limits)).collect();
    text.extend(TEAM.iter().map(|entry| entry.told(&brief())));
    text
}

/// Whether a peer is there; where it is not, why is printed.
#[expect(clippy::print_stdout, reason = "a test that is skipped says so")]
pub(super) fn is_there(peer: &str) -> bool {
    let missing = missing(peer);
    if let Some(why) = &missing {
        println!("skipped: {why}");
    }
    missing.is_none()
}

/// A process that serves on loopback. Killed when it is dropped.
pub(super) struct Peer {
    child: Child,
    pub(super) url: String,
}

impl Peer {
    /// Starts it; its first line is its address.
    fn start(mut command: Command) -> Self {
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("a peer");
        let mut url = String::new();
        let out = child.stdout.take().expect("a pipe");
        BufReader::new(out).read_line(&mut url).expect("an address");
        let url = url.trim().to_owned();
        assert!(url.starts_with("http://127.0.0.1:"), "the peer said `{url}`");
        Self { child, url }
    }

    /// aimock as OpenRouter; where it is not there, why is printed.
    pub(super) fn router_if_there() -> Option<Self> {
        is_there("aimock").then(Self::router)
    }

    /// aimock as OpenRouter.
    fn router() -> Self {
        let mut command = Command::new("node");
        command.arg(root().join("tests/peers/provider.mjs")).arg(folder());
        Self::start(command)
    }

    /// telegram-test-api as the Bot API of Telegram.
    pub(super) fn telegram() -> Self {
        let mut command = Command::new("node");
        command.arg(root().join("tests/peers/telegram.mjs")).arg(folder());
        Self::start(command)
    }

    /// llama.cpp with a model of random weights.
    pub(super) fn llama(key: &str) -> Self {
        let python = folder().join("venv/bin/python");
        let model = tempfile::Builder::new().suffix(".gguf").tempfile().expect("a file");
        let mut maker = Command::new(&python);
        maker.arg(root().join("tests/peers/tiny_model.py")).arg(model.path());
        let mut made = maker.stdin(Stdio::piped()).spawn().expect("python");
        let words = made.stdin.take().expect("a pipe").write_all(prompts().as_bytes());
        words.expect("it reads");
        assert!(made.wait().expect("python").success(), "no model was made");
        let mut command = Command::new(python);
        command.arg(root().join("tests/peers/llama.py")).arg(model.path()).arg(key);
        // It stays open in the server after its name is gone.
        Self::start(command)
    }

    /// What lets numbers out of their bounds before llama.cpp hears of them.
    pub(super) fn loose(llama: &Self) -> Self {
        let mut command = Command::new(folder().join("venv/bin/python"));
        command.arg(root().join("tests/peers/loose.py")).arg(&llama.url);
        Self::start(command)
    }

    /// A request to the peer's own side: its status and body.
    fn http(&self, method: &str, path: &str, body: &str) -> String {
        let address = self.url.strip_prefix("http://").expect("an address");
        let mut stream = TcpStream::connect(address).expect("the peer listens");
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .expect("a request");
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).expect("a reply");
        let reply = String::from_utf8_lossy(&reply).into_owned();
        reply.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()
    }

    /// What it has answered, and what it asks for one answer.
    pub(super) fn billed(&self) -> Money {
        let told = self.get("/peer/billed");
        let cost: Money = told["cost"].to_string().parse().expect("a cost");
        let answered = told["answered"].as_i64().expect("a number");
        Money::from_raw(cost.raw() * answered)
    }

    /// A document of the peer's own side.
    pub(super) fn get(&self, path: &str) -> Value {
        Self::read(&self.http("GET", path, ""))
    }

    /// What the peer's own side answers to a document.
    pub(super) fn post(&self, path: &str, body: &Value) -> Value {
        Self::read(&self.http("POST", path, &body.to_string()))
    }

    fn read(body: &str) -> Value {
        // A body in chunks has their lengths around it.
        let from = body.find(['{', '[']).expect("json");
        let to = body.rfind(['}', ']']).expect("json");
        serde_json::from_str(&body[from..=to]).expect("json")
    }

    pub(super) fn chaos(&self, rates: &Value) {
        self.http("POST", "/__aimock/chaos", &rates.to_string());
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A dollar a million tokens in, three out: what aimock asks for.
fn price() -> Price {
    let dollars = |units: i64| Money::from_units(units).expect("an amount");
    let (input, output) = (dollars(1), dollars(3));
    let same = Some(input);
    let tier =
        PriceTier { above: 0, input, output, cache_read: same, write_5m: same, write_1h: same };
    Price::of(tier)
}

/// A desk whose five agents all think with one model of one provider.
async fn desk(provider: Arc<dyn Model>, model: &str, deadline: Duration) -> Desk<TradingBrief> {
    let name = provider.provider().to_owned();
    let route = RouteSpec {
        provider: name.clone(),
        model: model.to_owned(),
        thinking: Thinking::Unset,
        cache: None,
        routing: Routing::default(),
    };
    let model = model.to_owned();
    let (max_tokens, routes) = (2_048, vec![route]);
    let retry = Retry::default();
    let rung = RungSpec { model: model.clone(), max_tokens, effort: None, deadline, retry, routes };
    let models = Models {
        providers: BTreeMap::from([(name, provider)]),
        gateway: Gateway::new(BTreeMap::new()),
        prices: Arc::new(PriceTable::default().or(&model, price())),
        tape: None,
        attempts_paid: 2,
        has_rules: false,
    };
    let brain = |entry: &conclave_actors::runtime::agent::Entry<TradingBrief>| {
        let brain = ModelBrain::new(*entry, &Limits::default(), vec![rung.clone()], &models);
        let brain: Arc<dyn Brain<TradingBrief>> = Arc::new(brain.expect("a brain"));
        (entry.role.name, brain)
    };
    let budgets =
        BudgetConfig { team_per_hour: 1_000, all_per_hour: 1_000, ..BudgetConfig::default() };
    let others = TEAM.iter().map(brain).collect();
    Desk::start(DeskSetup { others, budgets, ..DeskSetup::of(TEAM) }).await.expect("a desk")
}

fn brief() -> Arc<TradingBrief> {
    let text = include_str!("../briefs/trading_entry.json");
    Arc::new(serde_json::from_str(text).expect("a brief"))
}

async fn round(desk: &Desk<TradingBrief>, nth: u64) -> (Round, Duration) {
    round_within(desk, nth, DEADLINE + MORE).await
}

async fn round_within(
    desk: &Desk<TradingBrief>,
    nth: u64,
    patience: Duration,
) -> (Round, Duration) {
    let at = Time::from_ms(i64::try_from(nth).expect("few rounds") * 60_000);
    let decision = DecisionId::new(&Symbol::new("AAPL").expect("a symbol"), at, "entry");
    let mut request = desk.request(decision, nth, &brief());
    request.patience = Patience::Deadline(patience);
    request.settle = conclave_domain::tally::Settle::All;
    let began = Instant::now();
    let round = open_round(request, &desk.safety).await.expect("a verdict");
    (round, began.elapsed())
}

/// What is spent of the run's money, and what of it is in flight.
async fn spent(desk: &Desk<TradingBrief>) -> (f64, f64) {
    let rows = desk.safety.report().await.expect("a report").remaining;
    let row = rows.iter().find(|row| row.budget == "usd_per_run").expect("the run's money");
    (row.spent.get(), row.reserved.get())
}

/// The same once what was cut off is settled, which is when its task has ended.
async fn settled(desk: &Desk<TradingBrief>) -> (f64, f64) {
    for _ in 0..200 {
        if spent(desk).await.1 <= 1e-9 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    spent(desk).await
}

fn router(peer: &Peer) -> Arc<dyn Model> {
    let key = Key::new("KEY", "sk-or-peer").expect("a key");
    Arc::new(OpenAiHttp::openrouter(&format!("{}/api/v1", peer.url), key).expect("a provider"))
}

/// B-1: every number that leaves an agent is finite and within its bounds.
#[track_caller]
fn is_within_bounds(round: &Round) -> usize {
    let limits = Limits::default();
    let mut clamps = 0;
    for advice in round.answers.iter().filter_map(|answer| answer.outcome.as_ref().ok()) {
        clamps += advice.clamps.len();
        let told = serde_json::to_value(advice).expect("json");
        let bounds = serde_json::to_value(&limits.bounds).expect("json");
        for lever in told["levers"].as_array().into_iter().flatten() {
            let bound = &bounds[lever["lever"].as_str().unwrap_or_default()];
            if let (Some(value), Some(min), Some(max)) =
                (lever["value"].as_f64(), bound["min"].as_f64(), bound["max"].as_f64())
            {
                assert!((min..=max).contains(&value), "{lever}");
            }
        }
    }
    clamps
}

/// G-3, B-1: rounds of models decide, and what they cost adds up to the cent.
#[tokio::test]
async fn a_provider_of_others_is_asked_paid_and_clamped() {
    let Some(peer) = Peer::router_if_there() else { return };
    let good = desk(router(&peer), "peer/good", DEADLINE).await;
    let mut cost = 0;
    for nth in 1..=6 {
        let (closed, _) = round(&good, nth).await;
        assert_eq!(closed.report.verdict, Verdict::Act, "{:?}", closed.report);
        assert_eq!(is_within_bounds(&closed), 0);
        cost += closed.answers.iter().map(|answer| answer.cost.raw()).sum::<i64>();
    }
    // 30 answers at $0.00236.
    assert_eq!(Money::from_raw(cost), "0.0708".parse().expect("an amount"));
    assert_eq!(peer.billed(), Money::from_raw(cost));
    let (booked, reserved) = spent(&good).await;
    assert!((booked - 0.0708).abs() < 1e-9 && reserved.abs() < 1e-9, "{booked} {reserved}");
    good.stop().await;

    let wild = desk(router(&peer), "peer/wild", DEADLINE).await;
    let (closed, _) = round(&wild, 1).await;
    assert!(is_within_bounds(&closed) >= 4, "{:?}", closed.answers);
    wild.stop().await;

    for (model, said) in [("peer/prose", "unreadable"), ("peer/torn", "")] {
        let desk = desk(router(&peer), model, DEADLINE).await;
        let (closed, _) = round(&desk, 1).await;
        assert!(!closed.report.acts(), "{model}: {:?}", closed.report);
        for answer in &closed.answers {
            let error = answer.outcome.as_ref().expect_err("no advice");
            assert!(error.to_string().contains(said), "{model}: {error}");
        }
        let (booked, _) = spent(&desk).await;
        assert!(booked > 0.0, "{model}: what was said badly is paid for");
        desk.stop().await;
    }
}

/// T-3, G-1: under chaos every round ends in time, none acts without the guardian, and the money spent
/// is never less than what the peer would bill, nor a cent above the cap.
#[tokio::test]
async fn chaos_at_the_provider_costs_votes_and_no_money_beyond_the_cap() {
    let Some(peer) = Peer::router_if_there() else { return };
    peer.chaos(&json!({"rateLimitRate": 0.2, "dropRate": 0.1, "disconnectRate": 0.1,
        "malformedRate": 0.1, "latencyMs": 300}));
    let desk = desk(router(&peer), "peer/good", DEADLINE).await;
    let (mut acted, mut without) = (0, 0);
    for nth in 1..=12 {
        let (closed, took) = round(&desk, nth).await;
        assert!(took < DEADLINE + MORE + Duration::from_secs(1), "{took:?}");
        is_within_bounds(&closed);
        let guardian = closed.report.outcome(RISK_GUARDIAN).expect("a guardian").clone();
        if closed.report.acts() {
            assert_eq!(guardian, Outcome::NoObjection, "round {nth}");
            acted += 1;
        }
        without += closed.answers.iter().filter(|answer| answer.outcome.is_err()).count();
    }
    println!("chaos: {acted} of 12 rounds acted, {without} consultations brought no advice");
    let (booked, reserved) = settled(&desk).await;
    let billed = peer.billed().to_f64();
    let cap = BudgetConfig::default().usd_per_run.to_f64();
    println!("chaos: booked ${booked:.5}, the peer bills ${billed:.5}, the cap is ${cap}");
    assert!(booked >= billed - 1e-9 && booked <= cap + 1e-9, "{booked} of {billed}");
    assert!(reserved.abs() < 1e-9, "{reserved}");
    desk.stop().await;
}

/// T-2: a veto closes a round at once; the requests of the others are cut off and stay booked.
#[tokio::test]
async fn a_veto_cuts_off_what_others_ask_of_the_provider() {
    let Some(peer) = Peer::router_if_there() else { return };
    let desk = desk(router(&peer), "peer/veto", DEADLINE).await;
    let (closed, took) = round(&desk, 1).await;
    assert!(
        matches!(closed.report.verdict, Verdict::Vetoed { by: RISK_GUARDIAN, .. }),
        "{:?}",
        closed.report
    );
    // The others take three seconds.
    assert!(took < Duration::from_millis(2_500), "{took:?}");
    drop(closed);
    let (booked, reserved) = settled(&desk).await;
    assert!(booked >= peer.billed().to_f64() - 1e-9 && reserved.abs() < 1e-9, "{booked}");
    desk.stop().await;
}

/// B-1: real inference, held to the schema by a grammar: noise within the bounds, however much of it.
#[tokio::test]
async fn a_model_of_random_weights_is_held_to_the_schema() {
    if !is_there("llama") {
        return;
    }
    let peer = Peer::llama("sk-local-peer");
    let key = Key::new("KEY", "sk-local-peer").expect("a key");
    let base = format!("{}/v1", peer.url);
    let wrong = Key::new("KEY", "sk-wrong").expect("a key");
    let patience = Duration::from_secs(20);
    assert!(probe(&base, Some(&wrong), "noise", patience).await.is_err(), "a wrong key is refused");
    let probed = probe(&base, Some(&key), "noise", patience).await.expect("a server");
    assert!(probed.capabilities.json_schema, "{probed:?}");
    let local =
        OpenAiHttp::local("local", &base, Some(key), probed.capabilities).expect("a provider");
    let desk = desk(Arc::new(local), "noise", LONG).await;
    let (mut answers, mut failed, mut clamps) = (0, 0, 0);
    for nth in 1..=5 {
        let (closed, took) = round_within(&desk, nth, LONG + MORE).await;
        println!("llama: round {nth} took {took:?}: {:?}", closed.report.verdict);
        clamps += is_within_bounds(&closed);
        for answer in &closed.answers {
            match &answer.outcome {
                Ok(_) => answers += 1,
                Err(ConsultError::Unreadable { why }) => {
                    println!("llama: {} unreadable: {why}", answer.agent);
                    failed += 1;
                }
                Err(error) => {
                    println!("llama: {}: {error}", answer.agent);
                    failed += 1;
                }
            }
        }
    }
    println!("llama: {answers} answers, {failed} without advice, {clamps} clamps");
    // Noise may object, which ends a round at once, or fill its room before it has finished.
    assert!(answers > 0 && answers >= failed, "{answers} answers, {failed} without");
    desk.stop().await;
}
