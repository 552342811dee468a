//! Probing of servers on loopback.

use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::*;
use crate::adapters::model_http::tests::serve;

const PATIENCE: Duration = Duration::from_secs(10);

/// A server that lists `models` and answers every question with `answer`, after a grammar where it
/// knows schemas.
fn server(models: Value, answer: &'static str, is_held: bool) -> Router {
    let chat = move |Json(body): Json<Value>| async move {
        let schema = &body["response_format"]["json_schema"]["schema"];
        let mark = schema["properties"]["mark"]["enum"][0].clone();
        let text = if is_held { json!({"mark": mark}).to_string() } else { answer.to_owned() };
        Json(json!({"model": body["model"], "usage": {"prompt_tokens": 9, "completion_tokens": 2},
            "choices": [{"finish_reason": "stop", "message": {"content": text}}]}))
    };
    let listed = move || async move { Json(models) };
    Router::new().route("/v1/models", get(listed)).route("/v1/chat/completions", post(chat))
}

async fn probed(router: Router, model: &str) -> Result<Probed, ProbeError> {
    let (base, _served) = serve(router).await;
    probe(&format!("{base}/v1"), None, model, PATIENCE).await
}

#[tokio::test]
async fn a_server_is_asked_for_what_it_was_found_to_do() {
    let list = || json!({"data": [{"id": "tiny"}, {"id": "big"}]});
    for (is_held, json_schema) in [(true, true), (false, false)] {
        let probed = probed(server(list(), "Hello!", is_held), "tiny").await.unwrap();
        assert_eq!(probed.models, ["tiny", "big"]);
        assert_eq!(probed.capabilities, Capabilities { json_schema, usage: true });
    }
    let error = probed(server(list(), "Hello!", true), "gone").await.unwrap_err();
    assert_eq!(error.to_string(), "the model server has no model `gone`; it has tiny, big");
}

#[tokio::test]
async fn a_server_without_a_list_is_asked_all_the_same() {
    let probed = probed(server(json!("none"), "Hello!", true), "tiny").await.unwrap();
    assert!(probed.models.is_empty() && probed.capabilities.json_schema);
}

#[tokio::test]
async fn a_server_that_refuses_or_is_not_there_is_an_error_that_says_so() {
    let refuses = || async { StatusCode::UNAUTHORIZED };
    let router = Router::new().route("/v1/chat/completions", post(refuses));
    let error = probed(router, "tiny").await.unwrap_err();
    assert_eq!(error, ProbeError::Refuses { trouble: Trouble::Auth });

    let (base, served) = serve(Router::new()).await;
    drop(served);
    let error = probe(&base, None, "tiny", Duration::from_millis(500)).await.unwrap_err();
    assert!(matches!(error, ProbeError::Call(_)), "{error:?}");
    let error = probe("http://example.com", None, "tiny", PATIENCE).await.unwrap_err();
    assert!(matches!(error, ProbeError::Model(ModelError::Address { .. })), "{error:?}");
}
