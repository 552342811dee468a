//! Every panel and page that shows what came from outside, with texts in it that would like to be markup.

use conclave_domain::mode::Person;
use serde_json::{Value, json};
use std::sync::Arc;

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry;

use super::panels::Panel;
use super::*;
use crate::adapters::log_tail::{Keep, Tail};
use crate::http::auth::Token;
use crate::http::desk::{Answer, Command, Desk, Refusal, Text};
use crate::http::events::{Event, Hub};
use crate::http::rate::Rate;

/// What it would like to do, closing whatever it may stand in.
const HOSTILE: &str =
    "\"'--></details></section><script>alert(1)</script><img src=x onerror=alert(2)>";

/// Names that the page goes by, and times: what is in them is our own.
const OWN: [&str; 9] =
    ["at", "job", "enabled", "outcome", "limit_type", "equity", "cash", "close", "benchmark"];

/// The same value with every text made hostile.
fn poison(value: Value) -> Value {
    match value {
        Value::String(text) => json!(format!("{text}{HOSTILE}")),
        Value::Array(rows) => rows.into_iter().map(poison).collect(),
        Value::Object(fields) => {
            let poisoned = fields.into_iter().map(|(name, value)| {
                let is_own = OWN.contains(&name.as_str()) || value == "done" || value == "training";
                let value = if is_own { value } else { poison(value) };
                (name, value)
            });
            Value::Object(poisoned.collect())
        }
        plain => plain,
    }
}

/// A log whose every line is hostile.
static LOGGED: Tail = Tail::new();

/// A desk whose every text is hostile.
#[derive(Debug)]
struct Stranger;

impl Desk for Stranger {
    fn view(&self, view: View) -> Answer<'_> {
        let point = |day: u32| {
            json!({"at": format!("2013-03-0{day}T21:00:00Z"), "equity": "1", "cash": "1",
            "exposure": 0.5, "close": "7", "side": "buy", "qty": "6", "decision": "IBM"})
        };
        let points = json!([point(1), point(2), point(3)]);
        let stage = json!({"state": "done", "reasoning": "r", "metrics": {"m": "v"},
            "key_insights": ["k"], "bull": "b", "bear": "b", "winner": "w"});
        let told = match view {
            View::Status => json!({"version": "v", "mode": "m", "trading_state": {"state": "s",
                "reason": "r", "since": "s"}, "feed": "f", "market_time": "m",
                "last_refusal": {"decision": "d", "code": "c", "text": "t"},
                "denials": {HOSTILE: 2}, "actors": [{"name": "n", "state": "s", "last_end": "e"}],
                "audit": {"state": "s", "on_disk": 1, "head": "h", "trouble": "t"}}),
            View::Agents => json!({"actors": [{"name": "n", "state": "s"}], "agents": [
                {"name": "position_sizer", "team": "t", "state": "s", "last_end": "e"}]}),
            View::Rounds => json!({"rounds": [{"decision": "d", "verdict": "vetoed", "code": "c",
                "by": "b", "text": "t", "seats": [{"agent": "a", "outcome": "voted", "vote": "v"}]}]}),
            View::Approvals => {
                json!({"approvals": [{"decision": "d", "asks": "entry", "reasoning": "r",
                "side": "s", "qty": "q", "symbol": "s", "reference": "r", "proposed_at": "p",
                "expires_at": "e", "order": {"type": "t", "limit": "l"}},
                {"decision": "u", "asks": "universe", "admit": ["a"], "evict": [{"symbol": "s"}]}]})
            }
            View::Budgets => json!({"budgets": [{"budget": "b", "spent": 1.0, "limit": 2.0,
                "refill": {"begins_at": "b", "full_at": "f"}}]}),
            View::Positions => json!({"positions": [{HOSTILE: "p", "symbol": "s"}], "account": {}}),
            View::Orders => json!({"orders": [{"symbol": "s", "kind": "k", "status": "s",
                "decision": "d"}]}),
            View::Curve => json!({"points": points, "price": {"symbol": "s", "decision": "d",
                "closes": points, "marks": points}}),
            View::Universe => json!({"enabled": true, "members": [{"symbol": "s", "poor": "p"}],
                "changes": 1, "measured_at": "m"}),
            View::Arena => json!({"dir": "d", "lines": {"names": ["n", "m"], "points": [
                {"values": [1.0, 2.0]}, {"values": [2.0, 1.0]}]}, "board": {"season": "s", "market": "m", "rules": "r",
                "snapshot": "s", "benchmark": {"name": "b"},
                "rows": [{"name": "n", "kind": "k", "excluded": "e"}]}}),
            View::Chats => json!({"chats": [{"contestant": "c", "ticker": "t", "tick": "t",
                "timestamp": "t", "snapshot": "s", "market_analysis": stage, "debate": stage,
                "final_decision": {"rating": "r", "reasoning": "r"}}]}),
            View::Audit(_) => json!({"matching": 1, "records": [{"seq": 1, "step": "s", "at": "a",
                "decision": "d", "body": {"text": "t"}}]}),
            View::Config => json!({"keys": {HOSTILE: {"value": "v", "source": "s"}}}),
            View::Round(id) => {
                json!({"decision": id, "records": [{"seq": 1, "step": "s", "at": "a",
                "body": {"text": "t"}}]})
            }
        };
        Box::pin(async move { Ok(poison(told)) })
    }

    fn command(&self, _: Person, _: Command) -> Answer<'_> {
        Box::pin(async { Err(Refusal::Invalid(HOSTILE.to_owned())) })
    }

    fn is_ready(&self) -> bool {
        true
    }

    fn metrics(&self) -> Text<'_> {
        Box::pin(async { String::new() })
    }
}

/// Records of a council that has been told hostile things.
fn told() -> Hub {
    let hub = Hub::default();
    let decision = "IBM-20130301T210000-entry";
    let asked =
        json!({"round": 1, "asked": ["position_sizer"], "brief": poison(json!({"news": "n"}))});
    let said = json!({"agent": "position_sizer", "brain": HOSTILE, "advice": {"reasoning": HOSTILE,
        "clamps": [poison(json!({"parameter": "p", "raw": 1.0, "clamped": 2.0, "edge": "max"}))],
        "levers": [poison(json!({"lever": "l", "value": "v"}))], "stance": {"vote": HOSTILE}}});
    let closed = json!({"round": 1, "verdict": "vetoed", "by": "risk_guardian",
        "objection": {"code": "guardian.regime", "text": HOSTILE}, "seats": [
            {"agent": "position_sizer", "outcome": "voted", "vote": HOSTILE}]});
    let all = [("consult.sent", asked), ("advice.clamped", said), ("round.closed", closed)];
    for (id, (step, body)) in (1..).zip(all) {
        let hash = "0".repeat(64);
        let data = format!(
            "{{\"seq\":{id},\"step\":\"{step}\",\"decision\":\"{decision}\",\
             \"at\":\"2013-03-01T21:00:00Z\",\"body\":{body},\"hash\":\"{hash}\"}}"
        );
        hub.publish(Event { id, name: step.into(), data: data.into() });
    }
    hub
}

/// Goal: nothing that a process was told is markup, on whichever panel it stands.
/// Method: a desk and a log whose every text tries to be; each panel is drawn as it is served, and must
/// show the text (so it is the right one that was looked at) with no tag of its own making.
#[tokio::test]
async fn no_panel_takes_a_text_for_markup() {
    let guard = (Token::new("a token of more than twenty letters").unwrap(), false);
    let mut shared = Shared::new(Arc::new(Stranger), Arc::new(told()), guard, Rate::default());
    tracing::subscriber::with_default(registry().with(Keep(&LOGGED)), || tracing::warn!(HOSTILE));
    shared.logs = &LOGGED;
    let mut drawn: Vec<(String, String)> = Vec::new();
    for panel in Panel::ALL {
        drawn.push((panel.name().to_owned(), panel.draw(&shared).await));
    }
    let status = shared.desk.view(View::Status).await.unwrap();
    let round = shared.desk.view(View::Round("d".to_owned())).await.unwrap();
    let talks = shared.hub.talks().of("position_sizer");
    let looked_for = Filter { agent: HOSTILE.to_owned(), ..Filter::default() };
    let (audit, config) = (View::Audit(looked_for.clone()), View::Config);
    let (audit, config) =
        (shared.desk.view(audit).await.unwrap(), shared.desk.view(config).await.unwrap());
    drawn.push(("audit".to_owned(), log::records(&looked_for, &audit, &Value::Null).into_string()));
    let lines = logs::told(shared.logs, logs::LEVELS[1], 9);
    drawn.push(("the log".to_owned(), log::process(&lines).into_string()));
    drawn.push(("config".to_owned(), log::keys(&config).into_string()));
    drawn.push(("round".to_owned(), shell::round(&status, &round).into_string()));
    drawn.push((
        "agent".to_owned(),
        agent::draw((HOSTILE, &Value::Null), &talks, None).into_string(),
    ));
    // A process that does not train has none of its texts on that panel.
    for (name, page) in drawn.iter().filter(|(name, _)| name != "training") {
        assert!(
            page.contains("&lt;script&gt;alert(1)"),
            "{name} shows no text from outside: {page}"
        );
        assert!(!page.contains("<script>alert"), "{name}: {page}");
        assert!(!page.contains("<img"), "{name}: {page}");
    }
}
