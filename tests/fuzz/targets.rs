//! What is fuzzed: a function per door through which bytes come in that nobody here has written.
//!
//! Each takes any bytes, must neither panic nor hang, and asserts what the door promises about what it
//! lets in. The property tests beside this file and the crate in `fuzz/` call the same functions.

#[path = "books.rs"]
mod books;

use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Request, Uri, header};
use conclave::adapters::audit_files::{AuditFiles, LogOptions, lines, verify};
use conclave::config;
use conclave::http::auth::Token;
use conclave::http::desk::{Answer, Command, Desk, Refusal, Text, View};
use conclave::http::rate::Rate;
use conclave::http::{Shared, router};
use conclave_actors::models::envelope::{self, Echo};
use conclave_actors::models::port::{Capabilities, Dialect, Reply};
use conclave_actors::models::schema::Wire;
use conclave_actors::models::wire;
use conclave_actors::runtime::agent::Entry;
use conclave_actors::{selection, trading, training};
use conclave_domain::advice::{Advice, Lever};
use conclave_domain::bounds::{Bounded, Bounds, BoundsTable};
use conclave_domain::brief::selection::SelectionBrief;
use conclave_domain::brief::trading::TradingBrief;
use conclave_domain::brief::training::TrainingBrief;
use conclave_domain::limits::Limits;
use conclave_domain::market::asset::read_assets;
use conclave_domain::market::csv::{CsvOptions, read_csv};
use conclave_domain::market::door::Door;
use conclave_domain::market::splits::read_splits;
use conclave_domain::market::symbol::Symbol;
use conclave_domain::mode::Person;
use conclave_domain::order::DecisionId;
use conclave_domain::record::{Line, Stream};
use conclave_domain::time::Time;
use serde::Serialize;
use serde_json::{Value, json};
use tower::ServiceExt as _;

pub(crate) use books::arena;

/// A door: its corpus's name, and what is done with bytes that come to it.
pub(crate) type Target = (&'static str, fn(&[u8]));

/// Every door.
pub(crate) const TARGETS: [Target; 7] = [
    ("csv", csv),
    ("config", config),
    ("advice", advice),
    ("audit", audit),
    ("http", http),
    ("reply", reply),
    ("arena", arena),
];

/// The longest text with which anything may be refused, bytes: an error quotes, it does not repeat.
const REFUSAL_MAX: usize = 1 << 16;

/// The door of bars, and of the two small tables beside them.
pub(crate) fn csv(bytes: &[u8]) {
    let options = CsvOptions::new(Symbol::new("FUZZ").expect("a symbol"));
    match read_csv(bytes, &options) {
        Ok(read) => {
            assert!(read.series.bars.len() < bytes.len(), "more bars than bytes");
            let mut door = Door::new(read.series.class, read.series.timeframe);
            for bar in &read.series.bars {
                door.admit(bar).expect("the reader has let in a bar that the door refuses");
            }
        }
        Err(faults) => {
            assert!(faults.to_string().len() < REFUSAL_MAX, "{}", faults.to_string().len());
        }
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = read_splits(text);
        let _ = read_assets(text);
    }
}

/// The configuration: what is accepted lies within the hard limits.
pub(crate) fn config(bytes: &[u8]) {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("c.toml");
    std::fs::write(&file, bytes).expect("a file");
    match config::load(Some(&file), std::iter::empty(), &[]) {
        Ok(loaded) => {
            let risk = &loaded.config.limits.risk;
            assert!(risk.position_max.get() <= 0.20 && risk.exposure_max.get() <= 0.80);
            assert!(risk.cash_min.get() >= 0.30 && risk.drawdown_halt.get() <= 0.15);
            assert!(loaded.config.agents["risk_guardian"].enabled, "the guardian is off");
        }
        Err(errors) => {
            assert!(!errors.0.is_empty(), "refused without a reason");
            for error in &errors.0 {
                assert!(error.to_string().len() < REFUSAL_MAX, "{}", error.key);
            }
        }
    }
}

/// Every agent's reader: a number that comes out is finite and within its bounds (B-1).
pub(crate) fn advice(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let limits = Limits::default();
    let trading_brief: TradingBrief = brief(include_str!("../briefs/trading_entry.json"));
    let training_brief: TrainingBrief = brief(include_str!("../briefs/training.json"));
    let selection_brief: SelectionBrief = brief(include_str!("../briefs/selection.json"));
    for entry in trading::TEAM {
        read(entry, &text, &trading_brief, &limits);
    }
    for entry in training::TEAM {
        read(entry, &text, &training_brief, &limits);
    }
    for entry in selection::TEAM {
        read(entry, &text, &selection_brief, &limits);
    }
}

fn brief<B: serde::de::DeserializeOwned>(text: &str) -> B {
    serde_json::from_str(text).expect("a brief of the tests")
}

fn read<B: Serialize>(entry: &Entry<B>, text: &str, brief: &B, limits: &Limits) {
    // A model's text goes through `parse`; a recorded answer is a value already.
    let parsed = (entry.parse)(text);
    if let Err(error) = &parsed {
        assert!(error.to_string().len() < REFUSAL_MAX, "{}", entry.role.name);
    }
    let loose = serde_json::from_str::<Value>(text).ok();
    for raw in parsed.ok().into_iter().chain(loose) {
        match (entry.read)(&raw, brief, limits) {
            Ok(advice) => check(&advice),
            Err(error) => assert!(error.to_string().len() < REFUSAL_MAX, "{}", entry.role.name),
        }
    }
}

fn check(advice: &Advice) {
    let hard = &BoundsTable::HARD;
    within(advice.confidence, &hard.confidence);
    assert!(advice.reasoning.chars().count() <= 1_000, "{} chars", advice.reasoning.len());
    assert!(advice.levers.len() < 1_000, "{} levers", advice.levers.len());
    for lever in &advice.levers {
        match lever {
            Lever::ConfidenceMultiplier { value } => within(*value, &hard.confidence_multiplier),
            Lever::SizeMultiplier { value } => within(*value, &hard.size_multiplier),
            Lever::LimitOrder { offset_bp, .. } => within(*offset_bp, &hard.limit_offset_bp),
            Lever::StopDistance { value } => within(*value, &hard.stop_distance),
            Lever::TargetDistance { value } => within(*value, &hard.target_distance),
            Lever::LearningRate { value } => within(*value, &hard.lr_multiplier),
            Lever::Entropy { value } => within(*value, &hard.entropy_multiplier),
            Lever::BatchSize { value } => within(*value, &hard.batch_multiplier),
            Lever::RewardWeight { delta, .. } => within(*delta, &hard.reward_weight_delta),
            Lever::ScoreWeight { delta, .. } => within(*delta, &hard.score_weight_delta),
            _ => {}
        }
    }
}

fn within(number: Bounded, bounds: &Bounds) {
    let number = number.get();
    assert!(
        (bounds.min()..=bounds.max()).contains(&number),
        "{number} is no {}",
        bounds.parameter()
    );
}

/// What a provider of models sends back: an answer that comes through is finished, of this question, and
/// its numbers are finite and within their bounds (B-1); whatever else came through is short.
///
/// The bytes are headers, one on a line, an empty line, and the body.
pub(crate) fn reply(bytes: &[u8]) {
    came_through(bytes);
}

/// The answers that came through, counted over dialects and agents.
pub(crate) fn came_through(bytes: &[u8]) -> usize {
    let mut answers = 0;
    let text = String::from_utf8_lossy(bytes);
    let (heads, body) = text.split_once("\n\n").unwrap_or(("", &text));
    let head = |line: &str| {
        line.split_once(':').map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
    };
    let headers: Vec<(String, String)> = heads.lines().filter_map(head).collect();
    let local = Dialect::OpenAi(Capabilities { json_schema: true, usage: true });
    for dialect in [Dialect::Anthropic, Dialect::OpenRouter, local] {
        for status in [200, 307, 400, 402, 429, 500, 504] {
            let reply = Reply { status, headers: headers.clone(), body: body.to_owned() };
            let (model, id) = match wire::read(dialect, &reply) {
                Ok(said) => {
                    assert_eq!(status, 200, "an answer under a bad status");
                    answers += answered(&said.text);
                    (said.model, said.request_id)
                }
                Err(failed) => {
                    // Whatever it is, somebody knows what to do about it.
                    let _ = failed.trouble.remedy();
                    (failed.model, failed.request_id)
                }
            };
            for name in [model, id].into_iter().flatten() {
                assert!(name.chars().count() <= 100 && !name.contains('\n'), "{name}");
            }
        }
    }
    answers
}

/// The text of an answer, read as that of each agent of the trading team: how many it is one of.
fn answered(text: &str) -> usize {
    let mut answers = 0;
    let limits = Limits::default();
    let asked: TradingBrief = brief(include_str!("../briefs/trading_entry.json"));
    let decision = DecisionId::new(&Symbol::new("FUZZ").expect("a symbol"), Time::EPOCH, "entry");
    let echo = Echo::of(&decision, &asked);
    for entry in trading::TEAM {
        let wire = Wire::of(entry, &limits).expect("a schema for the wire");
        match envelope::read(text, &echo, &wire, entry) {
            Ok(raw) => {
                answers += 1;
                if let Ok(advice) = (entry.read)(&raw, &asked, &limits) {
                    check(&advice);
                }
            }
            Err(error) => assert!(error.to_string().len() < REFUSAL_MAX, "{}", entry.role.name),
        }
    }
    answers
}

/// The audit's reader: what opens verifies, and whatever does not is refused with its place.
pub(crate) fn audit(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = text.lines().try_for_each(|line| Line::read(line).map(drop));
    }
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("audit-000001.jsonl"), bytes).expect("a segment");
    let count = lines(dir.path(), Stream::Decisions).expect("a log").count();
    let fed = bytes.split(|byte| *byte == b'\n').count();
    assert!(count <= fed + bytes.len() / 4_096, "{count} lines of {fed}");
    if let Err(error) = verify(dir.path(), None) {
        assert!(error.to_string().len() < REFUSAL_MAX);
    }
    match AuditFiles::open(dir.path(), None, LogOptions::default()) {
        Ok(opened) => {
            drop(opened);
            verify(dir.path(), None).expect("a log that was opened verifies");
        }
        Err(error) => assert!(error.to_string().len() < REFUSAL_MAX),
    }
}

/// The token of [`http`]; corpus and mutations may know it.
pub(crate) const SECRET: &str = "0123456789abcdef";

/// Remembers the commands that came through.
#[derive(Default)]
struct Remembering(Mutex<Vec<Command>>);

impl Desk for Remembering {
    fn view(&self, view: View) -> Answer<'_> {
        Box::pin(async move {
            match view {
                View::Round(id) => Err(Refusal::NotFound(format!("there is no decision `{id}`"))),
                _ => Ok(json!({"schema": "fuzz/1"})),
            }
        })
    }

    fn command(&self, _: Person, command: Command) -> Answer<'_> {
        self.0.lock().expect("nobody panicked").push(command);
        Box::pin(async { Ok(json!({"schema": "fuzz/1"})) })
    }

    fn is_ready(&self) -> bool {
        true
    }

    fn metrics(&self) -> Text<'_> {
        Box::pin(async { String::new() })
    }
}

/// The HTTP API: no command without the token, and no answer without its headers.
///
/// The bytes are a request as on the wire: a line with method and target, headers, an empty line, the
/// body.
pub(crate) fn http(bytes: &[u8]) {
    let Some(request) = request(bytes) else { return };
    let given = request.headers().get(header::AUTHORIZATION).and_then(|given| given.to_str().ok());
    let token = given.and_then(|given| given.strip_prefix("Bearer "));
    let may_command = token.is_some_and(|token| token.trim() == SECRET);
    let desk = Arc::<Remembering>::default();
    let guard = (Token::new(SECRET).expect("long enough"), bytes.len().is_multiple_of(2));
    let shared = Shared::new(desk.clone(), Arc::default(), guard, Rate::default());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let answer = runtime.expect("a runtime").block_on(async {
        let answer = router(shared).oneshot(request);
        tokio::time::timeout(std::time::Duration::from_secs(10), answer).await
    });
    let answer = answer.expect("an answer within 10 s").expect("a router never fails");
    assert!(answer.status().as_u16() >= 200);
    let commands = desk.0.lock().expect("nobody panicked").len();
    assert!(commands <= 1 && (may_command || commands == 0), "a command without the token");
    if answer.status() != axum::http::StatusCode::TOO_MANY_REQUESTS {
        let policy = answer.headers().get(header::CONTENT_SECURITY_POLICY);
        assert!(policy.is_some(), "an answer without its headers");
    }
}

fn request(bytes: &[u8]) -> Option<Request<Body>> {
    let end = bytes.windows(2).position(|pair| pair == b"\n\n").unwrap_or(bytes.len());
    let body = bytes.get(end + 2..).unwrap_or_default().to_vec();
    let mut lines = bytes[..end].split(|byte| *byte == b'\n');
    let first = std::str::from_utf8(lines.next()?).ok()?;
    let (method, target) = first.split_once(' ')?;
    let uri: Uri = target.parse().ok()?;
    let mut request = Request::builder().method(method).uri(uri).body(Body::from(body)).ok()?;
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?;
        request.headers_mut().append(name, value);
    }
    Some(request)
}
