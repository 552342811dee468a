//! A question's whole way, over a real connection: brief, body, bytes, reply, text, answer, advice.

use std::sync::atomic::AtomicU32;

use axum::Json;
use conclave_actors::models::envelope::{self, Echo};
use conclave_actors::models::schema::Wire;
use conclave_actors::models::wire::{CacheTtl, Effort, Question, Routing, Said, Thinking};
use conclave_actors::runtime::agent::Entry;
use conclave_actors::trading::signal_analyst::SignalAnalyst;
use conclave_domain::brief::trading::TradingBrief;
use conclave_domain::limits::Limits;
use conclave_domain::market::symbol::Symbol;
use conclave_domain::order::DecisionId;
use conclave_domain::time::Time;
use serde_json::{Value, json};

use super::*;

/// The agent's question about the example brief, and what its rules would answer.
fn asked(model: &str, entry: &Entry<TradingBrief>) -> (Question, String) {
    let brief: TradingBrief =
        serde_json::from_str(include_str!("../../../../tests/briefs/trading_entry.json")).unwrap();
    let limits = Limits::default();
    let wire = Wire::of(entry, &limits).unwrap();
    let decision = DecisionId::new(&Symbol::new("AAPL").unwrap(), Time::EPOCH, "entry");
    let echo = Echo::of(&decision, &brief);
    let answer = envelope::sealed((entry.rules)(&brief, &limits), &echo, &wire);
    let prompt = entry.prompt(&brief, &limits);
    let question = Question {
        model: model.to_owned(),
        agent: entry.role.name,
        system: (&*prompt.system).into(),
        user: prompt.user,
        wire: Arc::new(wire),
        echo,
        max_tokens: 4_096,
        effort: Some(Effort::Low),
        thinking: Thinking::Adaptive,
        cache: Some(CacheTtl::Hour),
        routing: Routing::default(),
        correction: None,
    };
    (question, answer)
}

/// What a server of each dialect sends, with `answer` as the model's text.
fn message(body: &Value, answer: &str) -> Value {
    json!({"type": "message", "model": body["model"], "stop_reason": "end_turn",
        "content": [{"type": "text", "text": answer}],
        "usage": {"input_tokens": 1_200, "output_tokens": 90}})
}

fn completion(body: &Value, answer: &str) -> Value {
    json!({"id": "gen-1", "model": body["model"], "provider": "Here",
        "choices": [{"finish_reason": "stop", "message": {"content": answer}}],
        "usage": {"prompt_tokens": 1_200, "completion_tokens": 90, "cost": 0.0021}})
}

/// Asks a model over the network, and reads what it said.
async fn said(model: &dyn Model, question: &Question) -> Said {
    let body = wire::body(model.dialect(), question);
    let call = Call { body, timeout: Duration::from_secs(10) };
    let reply = model.send(call).await.unwrap();
    wire::read(model.dialect(), &reply).unwrap()
}

#[tokio::test]
async fn a_question_goes_out_and_its_answer_comes_back_in_every_dialect() {
    let entry = Entry::of::<SignalAnalyst>();
    let (question, answer) = asked("some-model", &entry);
    let asked_for = Arc::new(AtomicU32::new(0));
    let says = |reply: fn(&Value, &str) -> Value| {
        let (answer, asked_for) = (answer.clone(), Arc::clone(&asked_for));
        move |Json(body): Json<Value>| async move {
            asked_for.fetch_add(u32::from(body["model"] == "some-model"), Ordering::SeqCst);
            Json(reply(&body, &answer))
        }
    };
    let router = Router::new()
        .route("/v1/messages", post(says(message)))
        .route("/v1/chat/completions", post(says(completion)));
    let (base, _served) = serve(router).await;
    let chat = format!("{base}/v1");
    let capabilities = Capabilities { json_schema: true, usage: true };
    let models: [Box<dyn Model>; 3] = [
        Box::new(anthropic(&base)),
        Box::new(OpenAiHttp::openrouter(&chat, key()).unwrap()),
        Box::new(OpenAiHttp::local("local", &chat, None, capabilities).unwrap()),
    ];
    let limits = Limits::default();
    let brief: TradingBrief =
        serde_json::from_str(include_str!("../../../../tests/briefs/trading_entry.json")).unwrap();
    let rules = (entry.read)(&(entry.rules)(&brief, &limits), &brief, &limits).unwrap();
    let mut costs = Vec::new();
    for model in &models {
        let said = said(&**model, &question).await;
        let raw = envelope::read(&said.text, &question.echo, &question.wire, &entry).unwrap();
        let advice = (entry.read)(&raw, &brief, &limits).unwrap();
        assert_eq!(advice.stance, rules.stance, "{model:?}");
        assert_eq!(said.usage.map(|usage| (usage.prompt(), usage.output)), Some((1_200, 90)));
        assert_eq!(said.model.as_deref(), Some("some-model"));
        costs.push(said.cost.map(|cost| cost.to_string()));
    }
    assert_eq!(costs, [None, Some("0.0021".to_owned()), None], "only a router's word is taken");
    assert_eq!(asked_for.load(Ordering::SeqCst), 3);
}
