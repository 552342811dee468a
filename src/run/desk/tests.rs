//! Tests of the desk over a whole council with its audit on a disk.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use conclave_actors::consensus::Patience;
use conclave_actors::council::{AgentSetup, Carried, Council, CouncilSetup, World};
use conclave_actors::news::NewsSetup;
use conclave_actors::runtime::fence::Fence;
use conclave_actors::testkit::clock::ManualClock;
use conclave_actors::testkit::memory_safety::MemorySafety;
use conclave_actors::testkit::memory_store::MemoryContext;
use conclave_actors::trading::TEAM;
use conclave_domain::budget::{BudgetConfig, Request};
use conclave_domain::code::Code;
use conclave_domain::custody::CustodyConfig;
use conclave_domain::exits::ExitRules;
use conclave_domain::fixed::Money;
use conclave_domain::market::bar::Timeframe;
use conclave_domain::market::symbol::{AssetClass, Symbol};
use conclave_domain::market::tape::{Instrument, Tape};
use conclave_domain::sim_broker::SimConfig;
use conclave_domain::strategy::StrategyConfig;
use conclave_domain::tally::Settle;
use conclave_domain::watch::MarketWatch;
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::adapters::audit_files::{AuditFiles, LogOptions, verify};
use crate::adapters::control_http::HALT_FILE;
use crate::http::desk::{ModeChange, Why};

const BRIEF: &str = include_str!("../../../tests/briefs/trading_entry.json");

struct Stage {
    desk: RunDesk,
    council: Council,
    dir: TempDir,
    clock: Arc<ManualClock>,
}

async fn stage() -> Stage {
    stage_of("paper").await
}

fn apple() -> [Instrument; 1] {
    [Instrument { symbol: Symbol::new("AAPL").unwrap(), class: AssetClass::Equity }]
}

/// What the desk of a test is made of.
fn parts(
    dir: &Path,
    council: &Council,
    (clock, limits): (Arc<ManualClock>, Arc<Limits>),
    money: &'static str,
) -> DeskParts {
    DeskParts {
        council: council.clone(),
        dir: dir.to_owned(),
        run_id: "a-test".to_owned(),
        version: "0.0.0",
        money,
        metrics: PrometheusBuilder::new().build_recorder().handle(),
        clock,
        limits,
        bars: Bars::on(Tape::new(Vec::new()).unwrap(), Money::ZERO),
        speed: Some(120.0),
        gateway: None,
        config: InForce::default(),
        started_at: Time::EPOCH,
    }
}

async fn stage_of(money: &'static str) -> Stage {
    let dir = tempfile::tempdir().unwrap();
    let opened = AuditFiles::open(dir.path(), None, LogOptions::default()).unwrap();
    let instruments = apple();
    let strategy = StrategyConfig::SmaCross { fast: 2, slow: 5 };
    let (limits, clock) = (Arc::<Limits>::default(), Arc::<ManualClock>::default());
    let flag = dir.path().join(HALT_FILE);
    let setup = CouncilSetup {
        watch: MarketWatch::new(&instruments, Timeframe::Day, &strategy, true).unwrap(),
        instruments: instruments.into(),
        custody: CustodyConfig {
            sim: SimConfig::default(),
            exits: ExitRules::default(),
            guarded: true,
            cash: "100000".parse::<Money>().unwrap(),
        },
        stored: BTreeMap::new(),
        book: conclave_domain::context::BookKind::Shadow,
        limits: Arc::clone(&limits),
        budgets: BudgetConfig::default(),
        agents: TEAM.iter().map(|entry| (entry.role.name, AgentSetup::default())).collect(),
        faults: Arc::default(),
        approval_expiry: Duration::from_mins(5),
        patience: Patience::Deadline(Duration::from_secs(5)),
        settle: Settle::Early,
        long_only: true,
        news: NewsSetup::default(),
        universe: None,
        carried: Carried::default(),
    };
    let world = World {
        audit: Arc::new(opened.files),
        head: opened.head,
        store: Arc::new(MemoryContext::default()),
        journal: None,
        context: conclave_domain::context::Context::default(),
        safety: Arc::new(MemorySafety::default()),
        clock: clock.clone(),
        fence: Fence::new(Box::new(move || flag.exists())),
        events: Arc::new(|_| ()),
        runtime: tokio::runtime::Handle::current(),
        ledger: None,
        witness: None,
        outside: None,
    };
    let council = Council::start(setup, world).await.unwrap();
    let desk = RunDesk::new(parts(dir.path(), &council, (clock.clone(), limits), money));
    Stage { desk, council, dir, clock }
}

impl Stage {
    async fn told(&self, command: Command) -> Result<Value, Refusal> {
        let by = Person::authenticated("operator", "token");
        self.desk.command(by, command).await
    }

    async fn seen(&self, view: View) -> Value {
        self.desk.view(view).await.unwrap()
    }

    async fn consult(&self, kind: &str, body: Value) -> Result<Value, Refusal> {
        self.told(Command::Consult { kind: kind.to_owned(), body }).await
    }

    /// Says what the example brief says of its account, market and day.
    async fn introduce(&self) {
        let brief = brief();
        for (kind, body) in [
            ("portfolio", brief["book"].clone()),
            ("regime", brief["regime"].clone()),
            ("session", json!({"session": "regular"})),
        ] {
            self.told(Command::Setter { kind: kind.to_owned(), body }).await.unwrap();
        }
    }
}

fn brief() -> Value {
    serde_json::from_str(BRIEF).unwrap()
}

/// The question of an outside system that the example brief would answer.
fn question() -> Value {
    let mut question = brief();
    let fields = question.as_object_mut().unwrap();
    for ours in [
        "question",
        "regime",
        "book",
        "gates",
        "session",
        "trading_state",
        "open_position",
        "appeal",
        "track_record",
    ] {
        fields.remove(ours);
    }
    question
}

fn why(reason: &str) -> Why {
    Why { reason: reason.to_owned() }
}

#[tokio::test]
async fn every_view_of_a_fresh_council_is_there_and_named() {
    let stage = stage().await;
    let views = [
        (View::Status, "status/1"),
        (View::Agents, "agents/1"),
        (View::Rounds, "rounds/1"),
        (View::Approvals, "approvals/1"),
        (View::Budgets, "budgets/1"),
        (View::Positions, "positions/1"),
        (View::Orders, "orders/1"),
        (View::Universe, "universe/1"),
    ];
    for (view, schema) in views {
        assert_eq!(stage.seen(view).await["schema"], schema);
    }
    let status = stage.seen(View::Status).await;
    assert_eq!(status["trading_state"]["state"], "active");
    assert_eq!(status["agents"].as_array().unwrap().len(), TEAM.len());
    assert!(!status["budgets"].as_array().unwrap().is_empty());
    assert!(stage.desk.is_ready());
    let stranger = stage.desk.view(View::Round("AAPL-x".to_owned())).await;
    assert!(matches!(stranger, Err(Refusal::NotFound(_))), "{stranger:?}");
    stage.council.stop().await;
    assert!(!stage.desk.is_ready());
}

/// O-3: a halt stands until a person lifts it, and its flag file goes with it.
#[tokio::test]
async fn a_halt_stands_until_it_is_lifted_and_says_what_goes_on() {
    let stage = stage().await;
    let halted = stage.told(Command::Halt(why("a drill"))).await.unwrap();
    assert_eq!(
        (halted["state"].as_str(), halted["recorded"].as_bool()),
        (Some("halted"), Some(true))
    );
    assert!(halted["text"].as_str().unwrap().contains("exits"), "{halted}");
    let flag = stage.dir.path().join(HALT_FILE);
    std::fs::write(&flag, "").unwrap();
    assert_eq!(stage.seen(View::Status).await["trading_state"]["state"], "halted");
    let resumed = stage.told(Command::Resume(why("over"))).await.unwrap();
    assert_eq!(resumed["state"], "active");
    assert!(!flag.exists());
    // A flag file alone halts as well, and a resume lifts it.
    std::fs::write(&flag, "").unwrap();
    let shown = stage.seen(View::Status).await["trading_state"].clone();
    assert_eq!(shown["state"], "halted");
    assert!(shown["reason"].as_str().unwrap().contains("flag file HALT stands"), "{shown}");
    std::fs::write(&flag, "the feed lies\n").unwrap();
    let shown = stage.seen(View::Status).await["trading_state"].clone();
    assert_eq!(
        (&shown["reason"], &shown["is_market_time"]),
        (&json!("the feed lies (flag file HALT)"), &json!(false))
    );
    let since: Time = shown["since"].as_str().unwrap().parse().unwrap();
    assert!(since > "2020-01-01T00:00:00Z".parse().unwrap(), "{shown}");
    assert_eq!(stage.told(Command::Resume(why(""))).await.unwrap()["state"], "active");
    assert_eq!(stage.told(Command::Reduce(why(""))).await.unwrap()["state"], "reducing");
    stage.council.stop().await;
}

#[tokio::test]
async fn a_mode_is_raised_with_a_reason_only_and_a_stranger_is_invalid() {
    let stage = stage().await;
    let change = |mode: &str, reason: Option<&str>| {
        let override_reason = reason.map(str::to_owned);
        Command::Mode(ModeChange { mode: mode.to_owned(), override_reason })
    };
    let refused = stage.told(change("autonomous", None)).await;
    assert!(matches!(refused, Err(Refusal::Denied { code: Code::ModeUpward, .. })), "{refused:?}");
    assert!(matches!(stage.told(change("reckless", None)).await, Err(Refusal::Invalid(_))));
    let raised = stage.told(change("autonomous", Some("simulated money"))).await.unwrap();
    assert_eq!(raised["mode"], "autonomous");
    assert_eq!(stage.seen(View::Status).await["mode"], "autonomous");
    let id = "AAPL-x".to_owned();
    let answered = stage.told(Command::Approval { id, approve: true, why: why("") }).await;
    assert!(matches!(answered, Err(Refusal::NotFound(_))), "{answered:?}");
    stage.council.stop().await;
}

/// G-1: with real money each step up is one of the day's critical actions, and none is left out.
#[tokio::test]
async fn with_real_money_a_mode_is_raised_step_by_step_and_each_step_is_critical() {
    let stage = stage_of("live").await;
    let change = async |mode: &str| {
        let override_reason = Some("a test".to_owned());
        stage.told(Command::Mode(ModeChange { mode: mode.to_owned(), override_reason })).await
    };
    let leapt = change("autonomous").await;
    let refused = |told: &Result<Value, Refusal>, wanted: Code| matches!(told, Err(Refusal::Denied { code, .. }) if *code == wanted);
    assert!(refused(&leapt, Code::ModeUpward), "{leapt:?}");
    let raised = change("supervised").await.unwrap();
    assert_eq!(raised["mode"], "supervised");
    let hasty = change("autonomous").await;
    assert!(refused(&hasty, Code::SafetySpacing), "{hasty:?}");
    stage.clock.advance(Duration::from_mins(1));
    for mode in ["autonomous", "advisory"] {
        assert_eq!(change(mode).await.unwrap()["mode"], mode);
    }
    // Two of the day's ten are spent, and downward takes none.
    for nth in 0..8 {
        let request = Request::critical(&format!("spent {nth}"));
        assert!(stage.council.safety.permit(request).await.is_ok(), "{nth}");
    }
    stage.clock.advance(Duration::from_mins(1));
    let spent = change("supervised").await;
    assert!(refused(&spent, Code::SafetyCriticalDay), "{spent:?}");
    assert_eq!(stage.seen(View::Status).await["mode"], "advisory");
    assert_eq!(stage.seen(View::Status).await["money"], "live");
    stage.council.stop().await;
}

/// an outside question leaves the same records as a question of ours.
#[tokio::test]
async fn an_outside_question_is_a_real_round_with_its_records() {
    let stage = stage().await;
    let early = stage.consult("signal", question()).await;
    assert!(
        matches!(&early, Err(Refusal::Invalid(text)) if text.contains("portfolio")),
        "{early:?}"
    );
    stage.introduce().await;
    let mut decisions = Vec::new();
    for kind in ["signal", "gates", "size", "timing"] {
        let advice = stage.consult(kind, question()).await.unwrap();
        assert_eq!(advice["schema"], "advice/1");
        assert_eq!(advice["brain"], "rules");
        decisions.push(advice["decision"].as_str().unwrap().to_owned());
    }
    let round = stage.seen(View::Round(decisions[1].clone())).await;
    let records = round["records"].as_array().unwrap();
    let steps: Vec<&str> = records.iter().map(|it| it["step"].as_str().unwrap()).collect();
    assert_eq!(steps, ["consult.sent", "advice.clamped", "advice.clamped", "round.closed"]);
    assert_eq!(records[2]["body"]["agent"], RiskGuardian::ROLE.name);
    let shown = stage.seen(View::Rounds).await;
    assert_eq!(shown["rounds"][0]["decision"], json!(decisions[3]));
    stage.council.stop().await;
    verify(stage.dir.path(), None).unwrap();
}

#[tokio::test]
async fn a_failed_gate_is_a_veto_and_a_halt_asks_nobody() {
    let stage = stage().await;
    stage.introduce().await;
    let mut asked = question();
    asked["gate_results"] =
        json!([{"code": "gate.vix", "passed": false, "value": 40.0, "threshold": 30.0}]);
    let vetoed = stage.consult("gates", asked).await.unwrap();
    assert!(vetoed["advice"]["stance"].to_string().contains("gate.vix"), "{vetoed}");
    assert!(matches!(stage.consult("advice", question()).await, Err(Refusal::NotFound(_))));
    assert!(matches!(stage.consult("signal", json!({"x": 1})).await, Err(Refusal::Invalid(_))));
    stage.told(Command::Halt(why(""))).await.unwrap();
    // The halt's own record is the last one.
    let before = stage.council.audit.finish().await.unwrap().decisions.count;
    let refused = stage.consult("signal", question()).await;
    assert!(
        matches!(refused, Err(Refusal::Denied { code: Code::SafetyHalted, .. })),
        "{refused:?}"
    );
    assert_eq!(stage.council.audit.head().decisions.count, before);
    stage.council.stop().await;
}

/// O-4: positions are closed while everything is halted, and it is written who wanted it.
#[tokio::test]
async fn a_person_closes_everything_even_in_a_halt() {
    let stage = stage().await;
    stage.told(Command::Halt(why(""))).await.unwrap();
    let flat = stage.told(Command::Flatten(why("enough"))).await.unwrap();
    assert_eq!(flat["recorded"], true);
    stage.council.stop().await;
    let log = std::fs::read_to_string(stage.dir.path().join("audit-000001.jsonl"));
    let log = log.unwrap();
    assert!(log.contains("\"exit\":\"all\"") && log.contains("enough"), "{log}");
}

/// Every place in a document, as JSON pointers, the whole first.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(fields) => {
            for (name, inner) in fields {
                places(inner, &format!("{at}/{name}"), found);
            }
        }
        Value::Array(items) => {
            for (index, inner) in items.iter().enumerate().take(2) {
                places(inner, &format!("{at}/{index}"), found);
            }
        }
        _ => {}
    }
}

/// Goal: whatever an outside system says of itself or asks, it is answered or refused, and what was
/// refused changes nothing.
/// Method: every place of three valid documents is replaced by what breaks readers.
#[tokio::test(start_paused = true)]
async fn no_question_and_no_setting_breaks_the_desk() {
    let stage = stage().await;
    stage.introduce().await;
    let (asked, told) = (question(), brief());
    let documents = [
        ("portfolio", told["book"].clone(), false),
        ("regime", told["regime"].clone(), false),
        ("gates", asked, true),
    ];
    let nasty = [
        Value::Null,
        json!(-1),
        json!(1e308),
        json!(i64::MIN),
        json!(""),
        json!("\u{202e}\0".repeat(2_000)),
        json!([]),
        json!({}),
    ];
    for (kind, document, is_question) in documents {
        let mut all = Vec::new();
        places(&document, "", &mut all);
        for (place, value) in all.iter().flat_map(|place| nasty.iter().map(move |it| (place, it))) {
            let mut body = document.clone();
            *body.pointer_mut(place).unwrap() = value.clone();
            let answered = if is_question {
                stage.consult(kind, body).await
            } else {
                stage.told(Command::Setter { kind: kind.to_owned(), body }).await
            };
            let said = format!("{answered:?}");
            assert!(!said.contains("broke"), "{kind}{place} = {value:.40}: {said}");
            assert!(said.len() < 1 << 16, "{kind}{place} = {value:.40}: {} bytes", said.len());
        }
    }
    stage.introduce().await;
    stage.consult("signal", question()).await.unwrap();
}
