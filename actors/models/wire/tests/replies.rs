//! What an answer says, who served it, and what it cost.

use super::*;

/// A message of Anthropic's with thinking in front of its text.
fn message(stop_reason: &str) -> Value {
    json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-5-5-20260901",
        "content": [{"type": "thinking", "thinking": "{\"no\":1}"}, {"type": "text", "text": "{\"a\":1}"}],
        "stop_reason": stop_reason,
        "usage": {"input_tokens": 100, "cache_creation_input_tokens": 60, "cache_read_input_tokens": 900,
            "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 50},
            "output_tokens": 40, "service_tier": "standard"}})
}

const COUNTED: Usage =
    Usage { input: 100, cache_read: 900, cache_write_5m: 10, cache_write_1h: 50, output: 40 };

#[test]
fn an_answer_of_anthropic_is_its_text_wherever_it_stands() {
    let said =
        read(Dialect::Anthropic, &reply(200, &[("request-id", "req_9")], &message("end_turn")));
    assert_eq!(
        said,
        Ok(Said {
            text: "{\"a\":1}".to_owned(),
            model: Some("claude-sonnet-5-5-20260901".to_owned()),
            provider: None,
            usage: Some(COUNTED),
            cost: None,
            request_id: Some("req_9".to_owned()),
        })
    );
}

#[test]
fn what_is_not_finished_is_no_answer_and_is_paid_for() {
    for (stop, expected) in [
        ("max_tokens", Trouble::Truncated),
        ("model_context_window_exceeded", Trouble::Truncated),
        ("refusal", Trouble::Declined),
        ("stop_sequence", Trouble::Malformed),
        ("tool_use", Trouble::Malformed),
        ("pause_turn", Trouble::Malformed),
        ("", Trouble::Malformed),
    ] {
        let failed = read(Dialect::Anthropic, &reply(200, &[], &message(stop))).unwrap_err();
        assert_eq!((&failed.trouble, failed.usage), (&expected, Some(COUNTED)), "{stop}");
    }
    let mut silent = message("end_turn");
    silent["content"] = json!([{"type": "thinking", "thinking": "hm"}]);
    check(Dialect::Anthropic, &reply(200, &[], &silent), &Trouble::Malformed);
    silent["content"] = json!("text");
    check(Dialect::Anthropic, &reply(200, &[], &silent), &Trouble::Malformed);
    let chaos = Reply { status: 200, headers: Vec::new(), body: "{malformed json: <<<".to_owned() };
    check(Dialect::Anthropic, &chaos, &Trouble::Malformed);
}

#[test]
fn tokens_that_nobody_counted_are_unknown_and_not_none() {
    let usage = |told: Value| {
        let mut message = message("end_turn");
        message["usage"] = told;
        read(Dialect::Anthropic, &reply(200, &[], &message)).unwrap().usage
    };
    assert_eq!(usage(Value::Null), None);
    assert_eq!(usage(json!({"input_tokens": 0, "output_tokens": 0})), None);
    assert_eq!(usage(json!({"input_tokens": -5, "output_tokens": 1})), None);
    assert_eq!(usage(json!({"input_tokens": 5.5, "output_tokens": 1})), None);
    assert_eq!(usage(json!({"input_tokens": 5})), None);
    let fast = json!({"input_tokens": 5, "output_tokens": 1, "speed": "fast"});
    assert_eq!(usage(fast), None, "the table has no price for it");
    let odd = json!({"input_tokens": 5, "output_tokens": 1, "cache_read_input_tokens": "many"});
    assert_eq!(usage(odd), None);
    let unsplit = json!({"input_tokens": 5, "output_tokens": 1, "cache_creation_input_tokens": 70});
    let dearer = Usage { input: 5, cache_write_1h: 70, output: 1, ..Usage::default() };
    assert_eq!(usage(unsplit), Some(dearer), "the dearer way of writing");
    let nulls = json!({"input_tokens": 5, "output_tokens": 1, "cache_creation": null,
        "cache_creation_input_tokens": null, "cache_read_input_tokens": null});
    assert_eq!(usage(nulls), Some(Usage { input: 5, output: 1, ..Usage::default() }));
}

/// A reply as OpenRouter writes it.
fn completion(finish: &str) -> Value {
    json!({"id": "gen-1", "model": "openai/gpt-6.1-terra", "provider": "OpenAI",
        "choices": [{"finish_reason": finish, "native_finish_reason": "completed",
            "message": {"role": "assistant", "content": "{\"a\":1}", "refusal": null}}],
        "usage": {"prompt_tokens": 1_000, "completion_tokens": 30, "total_tokens": 1_030,
            "cost": 0.00236, "is_byok": false,
            "prompt_tokens_details": {"cached_tokens": 600, "cache_write_tokens": 100},
            "completion_tokens_details": {"reasoning_tokens": 20}}})
}

fn money(text: &str) -> Money {
    text.parse().unwrap()
}

#[test]
fn an_answer_of_openrouter_says_who_served_it_and_what_it_cost() {
    let said = read(Dialect::OpenRouter, &reply(200, &[], &completion("stop"))).unwrap();
    assert_eq!(
        said,
        Said {
            text: "{\"a\":1}".to_owned(),
            model: Some("openai/gpt-6.1-terra".to_owned()),
            provider: Some("OpenAI".to_owned()),
            usage: Some(Usage {
                input: 300,
                cache_read: 600,
                cache_write_1h: 100,
                output: 30,
                ..Usage::default()
            }),
            cost: Some(money("0.00236")),
            request_id: Some("gen-1".to_owned()),
        }
    );
}

#[test]
fn with_a_key_of_ones_own_the_hosts_bill_comes_on_top() {
    let cost = |change: &dyn Fn(&mut Value)| {
        let mut completion = completion("stop");
        change(&mut completion["usage"]);
        read(Dialect::OpenRouter, &reply(200, &[], &completion)).unwrap().cost
    };
    let byok = |usage: &mut Value| usage["is_byok"] = json!(true);
    assert_eq!(cost(&byok), None, "nobody says what the host bills");
    let whole = |usage: &mut Value| {
        byok(usage);
        usage["cost_details"] = json!({"upstream_inference_cost": 0.04});
    };
    assert_eq!(cost(&whole), Some(money("0.04236")));
    assert_eq!(cost(&|usage| usage["cost"] = json!("0.01")), Some(money("0.01")));
    assert_eq!(cost(&|usage| usage["cost"] = json!(0)), Some(Money::ZERO));
    assert_eq!(cost(&|usage| usage["cost"] = json!(-0.01)), None);
    assert_eq!(cost(&|usage| usage["cost"] = Value::Null), None);
}

#[test]
fn a_completion_that_is_not_finished_is_no_answer_and_is_paid_for() {
    for (finish, expected) in [
        ("length", Trouble::Truncated),
        ("content_filter", Trouble::Declined),
        ("tool_calls", Trouble::Malformed),
        ("error", Trouble::Server { status: 502 }),
        ("", Trouble::Malformed),
    ] {
        let failed = read(Dialect::OpenRouter, &reply(200, &[], &completion(finish))).unwrap_err();
        assert_eq!((&failed.trouble, failed.cost), (&expected, Some(money("0.00236"))), "{finish}");
        assert!(failed.usage.is_some());
    }
    let with = |change: &dyn Fn(&mut Value)| {
        let mut completion = completion("stop");
        change(&mut completion);
        read(Dialect::OpenRouter, &reply(200, &[], &completion)).map_err(|failed| failed.trouble)
    };
    let message = "/choices/0/message";
    let declined = with(&|it| it.pointer_mut(message).unwrap()["refusal"] = json!("I cannot"));
    assert_eq!(declined, Err(Trouble::Declined));
    for empty in [json!(""), Value::Null, json!([{"type": "text", "text": "x"}])] {
        let got = with(&|it| it.pointer_mut(message).unwrap()["content"] = empty.clone());
        assert_eq!(got, Err(Trouble::Malformed), "{empty}");
    }
    assert_eq!(with(&|it| it["choices"] = json!([])), Err(Trouble::Malformed));
    let broken = with(&|it| {
        it["choices"][0]["error"] = json!({"code": 529, "message": "overloaded"});
    });
    assert_eq!(broken, Err(Trouble::Server { status: 529 }));
    let uncounted = with(&|it| {
        it["choices"][0]["finish_reason"] = json!("error");
        it["usage"] = Value::Null;
    });
    assert_eq!(uncounted, Err(Trouble::Unknown), "it may be billed, and nobody says how much");
}

#[test]
fn a_local_servers_word_on_money_is_not_taken() {
    let said = read(LOCAL, &reply(200, &[], &completion("stop"))).unwrap();
    assert_eq!(said.cost, None);
    assert!(said.usage.is_some());
}

#[test]
fn names_from_a_reply_are_short_plain_lines() {
    let mut completion = completion("stop");
    completion["model"] = json!(format!("gpt\u{1b}[31m\n{}", "x".repeat(1_000)));
    completion["provider"] = json!({"name": "x"});
    let said = read(Dialect::OpenRouter, &reply(200, &[], &completion)).unwrap();
    let model = said.model.unwrap();
    assert!(model.starts_with("gpt [31m xxx") && model.len() == NAME_MAX, "{model}");
    assert_eq!(said.provider, None);
}
