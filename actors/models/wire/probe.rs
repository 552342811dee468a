//! What a server of chat completions does, found out by one tiny question.
//!
//! Its schema is told to the grammar and not to the model: who answers by it holds to schemas.

use conclave_domain::llm::Trouble;
use serde_json::{Value, json};

use crate::models::port::{Capabilities, Dialect, Reply};

/// What only a server that holds to the schema can say.
const MARK: &str = "quorum-7";
/// Tokens that the answer may have, those of thinking included.
const TOKENS: u32 = 1_024;

/// The question.
pub fn body(model: &str) -> String {
    let schema = json!({
        "type": "object",
        "properties": {"mark": {"type": "string", "enum": [MARK]}},
        "required": ["mark"],
        "additionalProperties": false,
    });
    json!({
        "model": model,
        "max_tokens": TOKENS,
        "messages": [{"role": "user", "content": "Say one word."}],
        "response_format": {"type": "json_schema",
            "json_schema": {"name": "answer", "strict": true, "schema": schema}},
        "stream": false,
    })
    .to_string()
}

/// What the reply shows.
///
/// # Errors
/// When the server does not answer questions at all. An answer that is unfinished or free of the schema
/// is no error: it shows what the server does not do.
pub fn found(reply: &Reply) -> Result<Capabilities, Trouble> {
    match super::read(Dialect::OpenAi(Capabilities::default()), reply) {
        Ok(said) => {
            let answer = serde_json::from_str::<Value>(said.text.trim());
            let json_schema = answer.is_ok_and(|answer| answer == json!({"mark": MARK}));
            Ok(Capabilities { json_schema, usage: said.usage.is_some() })
        }
        Err(failed) => match failed.trouble {
            // A server that knows no schemas may refuse the question for its schema.
            Trouble::BadRequest => Ok(Capabilities::default()),
            Trouble::Truncated | Trouble::Declined => {
                Ok(Capabilities { json_schema: false, usage: failed.usage.is_some() })
            }
            trouble => Err(trouble),
        },
    }
}

/// The names of the models that a server lists; `None` when its reply is no list.
pub fn models(reply: &Reply) -> Option<Vec<String>> {
    if reply.status != 200 {
        return None;
    }
    let body: Value = serde_json::from_str(&reply.body).ok()?;
    let list = body["data"].as_array()?;
    Some(list.iter().filter_map(|model| super::name(&model["id"])).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, body: &Value) -> Reply {
        Reply { status, headers: Vec::new(), body: body.to_string() }
    }

    fn chat(text: &str, finish: &str, tokens: u64) -> Value {
        json!({"model": "tiny", "choices": [{"finish_reason": finish, "message": {"content": text}}],
            "usage": {"prompt_tokens": tokens, "completion_tokens": 3}})
    }

    #[test]
    fn a_server_shows_by_its_answer_what_it_does() {
        let capabilities = |json_schema, usage| Ok(Capabilities { json_schema, usage });
        for (status, body, expected) in [
            (200, chat(r#"{"mark":"quorum-7"}"#, "stop", 5), capabilities(true, true)),
            (200, chat(r#" {"mark": "quorum-7"}"#, "stop", 0), capabilities(true, false)),
            (200, chat("Hello!", "stop", 5), capabilities(false, true)),
            (200, chat(r#"{"mark":"quo"#, "length", 5), capabilities(false, true)),
            (400, json!({"error": {"message": "no response_format"}}), capabilities(false, false)),
            (401, json!({"error": {"code": 401}}), Err(Trouble::Auth)),
            (404, json!({}), Err(Trouble::NoModel)),
            (503, json!({"error": {"code": 503}}), Err(Trouble::Server { status: 503 })),
            (200, json!("It works!"), Err(Trouble::Malformed)),
        ] {
            assert_eq!(found(&reply(status, &body)), expected, "{status} {body}");
        }
    }

    #[test]
    fn the_question_tells_its_schema_to_the_grammar_and_not_to_the_model() {
        let body: Value = serde_json::from_str(&body("tiny")).unwrap();
        assert!(!body["messages"].to_string().contains(MARK));
        assert!(body["response_format"].to_string().contains(MARK));
    }

    #[test]
    fn models_are_listed_by_their_names() {
        let list = json!({"data": [{"id": "tiny"}, {"id": 7}, {"id": "big"}]});
        assert_eq!(models(&reply(200, &list)), Some(vec!["tiny".to_owned(), "big".to_owned()]));
        assert_eq!(models(&reply(404, &list)), None);
        assert_eq!(models(&reply(200, &json!({}))), None);
    }
}
