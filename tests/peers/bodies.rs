//! What all fourteen agents ask of both hosted providers, held against the vendors' own types, as their
//! Python libraries have them. Only with `PEERS=1`.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use conclave_actors::models::port::{Dialect, Model};
use conclave_actors::models::wire::{CacheTtl, Effort, MaxPrice, Routing, Thinking};
use conclave_actors::models::{Gateway, ModelBrain, Models, Retry, RouteSpec, RungSpec};
use conclave_actors::runtime::agent::Entry;
use conclave_actors::runtime::brain::{Ask, Brain as _, Spent};
use conclave_actors::testkit::models::{Does, FakeProvider};
use conclave_actors::{selection, trading, training};
use conclave_domain::limits::Limits;
use conclave_domain::llm::price::{Price, PriceTable, PriceTier};
use conclave_domain::market::symbol::Symbol;
use conclave_domain::order::DecisionId;
use conclave_domain::time::Time;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::models::{folder, is_there, root};

/// A way to ask: dialect, its name for the reader of types, model, and how.
type Way = (Dialect, &'static str, &'static str, Thinking, Option<CacheTtl>, Option<Effort>);

const WAYS: [Way; 7] = [
    (
        Dialect::Anthropic,
        "anthropic",
        "claude-opus-5-5",
        Thinking::Adaptive,
        Some(CacheTtl::Hour),
        Some(Effort::Low),
    ),
    (
        Dialect::Anthropic,
        "anthropic",
        "claude-sonnet-5-5",
        Thinking::BetweenTools,
        Some(CacheTtl::FiveMinutes),
        Some(Effort::Max),
    ),
    (Dialect::Anthropic, "anthropic", "claude-haiku-4-5", Thinking::Unset, None, None),
    (
        Dialect::OpenRouter,
        "openrouter",
        "openai/gpt-6.1-terra",
        Thinking::Unset,
        None,
        Some(Effort::Xhigh),
    ),
    (Dialect::OpenRouter, "openrouter", "google/gemini-3.8-flash", Thinking::Unset, None, None),
    (
        Dialect::OpenRouter,
        "openrouter",
        "anthropic/claude-sonnet-5.5",
        Thinking::Adaptive,
        Some(CacheTtl::Hour),
        Some(Effort::Medium),
    ),
    (
        Dialect::OpenRouter,
        "openrouter",
        "anthropic/claude-haiku-5.5",
        Thinking::Unset,
        Some(CacheTtl::FiveMinutes),
        None,
    ),
];

fn price() -> Price {
    Price::of(PriceTier::flat("1".parse().expect("an amount")))
}

/// What an agent asks in one way, the question once more with what was wrong with it included.
async fn bodies<B>(entry: Entry<B>, brief: &Arc<B>, way: Way) -> Vec<String>
where
    B: Serialize + Debug + Send + Sync + 'static,
{
    let (dialect, name, model, thinking, cache, effort) = way;
    let says = Does::Says("I would buy, about 0.8 sure.".to_owned());
    let provider = FakeProvider::new(name, dialect, price(), says);
    let most = "5.50".parse().expect("an amount");
    let max_price = Some(MaxPrice { prompt: most, completion: most });
    let routing = Routing { only: vec!["anthropic".to_owned()], max_price };
    let (provider_name, model) = (name.to_owned(), model.to_owned());
    let route =
        RouteSpec { provider: provider_name, model: model.clone(), thinking, cache, routing };
    let (max_tokens, deadline) = (4_096, Duration::from_secs(20));
    let (retry, routes) = (Retry::default(), vec![route]);
    let rung = RungSpec { model: model.clone(), max_tokens, effort, deadline, retry, routes };
    let asked: Arc<dyn Model> = provider.clone();
    let models = Models {
        providers: BTreeMap::from([(name.to_owned(), asked)]),
        gateway: Gateway::new(BTreeMap::new()),
        prices: Arc::new(PriceTable::default().or(&model, price())),
        tape: None,
        attempts_paid: 2,
        has_rules: false,
    };
    let limits = Arc::new(Limits::default());
    let brain = ModelBrain::new(entry, &limits, vec![rung], &models).expect("a brain");
    let granted = brain.paid(brief, &limits).and_then(|paid| paid.rungs.first().cloned());
    let ask = Ask {
        entry,
        brief: Arc::clone(brief),
        limits,
        decision: DecisionId::new(&Symbol::new("AAPL").expect("a symbol"), Time::EPOCH, "entry"),
        round: 1,
        granted,
        refused: None,
        spent: Spent::default(),
    };
    let thought = brain.think(ask).await;
    assert!(thought.is_err(), "prose is no advice");
    let bodies = provider.bodies();
    assert_eq!(bodies.len(), 2, "{name}: asked, and asked once more");
    bodies
}

/// The lines for the reader of types: every agent of a team, in every way.
async fn lines_of<B>(team: &[Entry<B>], brief: &str) -> Vec<Value>
where
    B: Serialize + DeserializeOwned + Debug + Send + Sync + 'static,
{
    let brief: Arc<B> = Arc::new(serde_json::from_str(brief).expect("a brief"));
    let mut lines = Vec::new();
    for entry in team {
        for way in WAYS {
            let asked = bodies(*entry, &brief, way).await.into_iter();
            lines.extend(asked.map(|body| json!({"dialect": way.1, "body": body})));
        }
    }
    lines
}

/// What the reader of types says of these bodies.
fn judged(lines: &[Value]) -> String {
    let mut reader = Command::new(folder().join("venv/bin/python"));
    reader.arg(root().join("tests/peers/vendor_types.py"));
    let mut reader =
        reader.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python starts");
    let text = lines.iter().map(Value::to_string).collect::<Vec<_>>().join("\n");
    let mut input = reader.stdin.take().expect("a pipe");
    // It reads all of them before it says anything.
    input.write_all(text.as_bytes()).expect("it reads");
    drop(input);
    let said = reader.wait_with_output().expect("an end");
    assert!(said.status.success(), "the reader of types failed");
    String::from_utf8(said.stdout).expect("a text")
}

/// Goal: what we ask is what the vendors' own types take, to the last field.
/// Method: every agent, every way of asking, asked and asked once more; beside them bodies that are wrong
/// in one field each, so that a reader that lets everything pass is found out.
#[tokio::test(start_paused = true)]
async fn every_question_is_of_the_types_of_its_vendor() {
    if !is_there("types") {
        return;
    }
    let mut lines = lines_of(training::TEAM, include_str!("../briefs/training.json")).await;
    lines.extend(lines_of(trading::TEAM, include_str!("../briefs/trading_entry.json")).await);
    lines.extend(lines_of(selection::TEAM, include_str!("../briefs/selection.json")).await);
    assert_eq!(lines.len(), 14 * WAYS.len() * 2);
    assert_eq!(judged(&lines), format!("checked {}\n", lines.len()));

    let spoilt = |of: &str, pointer: &str, value: Value| -> Value {
        let line = lines.iter().find(|line| line["dialect"] == of).expect("a body");
        let mut body: Value =
            serde_json::from_str(line["body"].as_str().expect("a text")).expect("json");
        let (place, name) = pointer.rsplit_once('/').expect("a path");
        body.pointer_mut(place).expect("a place")[name] = value;
        json!({"dialect": of, "body": body.to_string()})
    };
    let wrong = [
        spoilt("anthropic", "/temperature", json!(0.5)),
        spoilt("anthropic", "/max_tokens", json!("4096")),
        spoilt("anthropic", "/output_config/effort", json!("enormous")),
        spoilt("anthropic", "/system/0/cache_control", json!({"type": "ephemeral", "ttl": "2h"})),
        spoilt("anthropic", "/messages/0/role", json!("robot")),
        spoilt("openrouter", "/made_up", json!(true)),
        spoilt("openrouter", "/provider/max_price/prompt", json!(5.5)),
        spoilt("openrouter", "/provider/made_up", json!(true)),
        spoilt("openrouter", "/reasoning/effort", json!("enormous")),
        spoilt("openrouter", "/response_format/json_schema/strict", json!("yes")),
    ];
    let said = judged(&wrong);
    for (nth, line) in wrong.iter().enumerate() {
        let named = format!("{}: ", nth + 1);
        assert!(said.lines().any(|it| it.starts_with(&named)), "{line} passes: {said}");
    }
}
