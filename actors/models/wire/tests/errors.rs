//! Every row of the tables of errors.

use conclave_domain::llm::Remedy;

use super::*;
use crate::models::port::CallError;

fn patience(retry_after_ms: Option<u64>) -> Trouble {
    Trouble::RateLimited { retry_after_ms }
}

const SOON: &[(&str, &str)] = &[("retry-after", "3")];
const AGAIN: &[(&str, &str)] = &[("x-should-retry", "true")];
const NEVER: &[(&str, &str)] = &[("x-should-retry", "false")];

/// One row: status, type, headers, what it is.
type Row = (u16, &'static str, &'static [(&'static str, &'static str)], Trouble);

/// A refusal of Anthropic's: its message says the contrary of everything.
fn refusal(status: u16, kind: &str, code: Option<&str>, headers: &[(&str, &str)]) -> Reply {
    let mut error = json!({"type": kind, "message": "spend limit! try again! 529"});
    if let Some(code) = code {
        error["details"] = json!({"error_code": code});
    }
    let body = json!({"type": "error", "error": error, "request_id": "req_7"});
    reply(status, headers, &body)
}

#[test]
fn every_error_of_anthropic_is_what_its_status_and_type_say() {
    let server = |status| Trouble::Server { status };
    let rows: Vec<Row> = vec![
        (400, "invalid_request_error", &[], Trouble::BadRequest),
        (401, "authentication_error", &[], Trouble::Auth),
        (403, "permission_error", &[], Trouble::Auth),
        (402, "billing_error", &[], Trouble::SpendLimit),
        (404, "not_found_error", &[], Trouble::NoModel),
        (410, "not_found_error", &[], Trouble::NoModel),
        (408, "timeout_error", &[], server(408)),
        (409, "conflict_error", &[], server(409)),
        (413, "request_too_large", &[], Trouble::TooLarge),
        (429, "rate_limit_error", SOON, patience(Some(3_000))),
        (429, "rate_limit_error", &[], patience(None)),
        (500, "api_error", &[], server(500)),
        (504, "timeout_error", &[], server(504)),
        (529, "overloaded_error", &[], server(529)),
        (529, "overloaded_error", SOON, patience(Some(3_000))),
        (500, "api_error", NEVER, Trouble::Refused { status: 500 }),
        (429, "rate_limit_error", NEVER, Trouble::Refused { status: 429 }),
        (400, "invalid_request_error", AGAIN, server(400)),
        (418, "teapot_error", &[], Trouble::BadRequest),
        (301, "moved", &[], Trouble::BadRequest),
        (200, "overloaded_error", &[], server(529)),
        (200, "rate_limit_error", SOON, patience(Some(3_000))),
        (200, "api_error", &[], server(500)),
    ];
    for (status, kind, headers, expected) in rows {
        let reply = refusal(status, kind, None, headers);
        check(Dialect::Anthropic, &reply, &expected);
        let failed = read(Dialect::Anthropic, &reply).unwrap_err();
        assert_eq!(failed.request_id.as_deref(), Some("req_7"));
        assert_eq!((failed.usage, failed.cost), (None, None), "an error is not billed");
    }
}

/// Goal: nobody's word to try again makes money. Method: each code comes with such a word.
#[test]
fn a_code_of_anthropic_says_more_than_its_status() {
    for (status, code, expected) in [
        (429, "enforced_spend_limit_reached", Trouble::SpendLimit),
        (429, "contract_spend_limit_reached", Trouble::SpendLimit),
        (400, "enforced_spend_limit_reached", Trouble::SpendLimit),
        (403, "linked_organization_spend_limit_reached", Trouble::SpendLimit),
        (403, "linked_organization_billing_unavailable", Trouble::SpendLimit),
        (403, "organization_on_hold", Trouble::Auth),
        (429, "ramp_limit_exceeded", patience(Some(3_000))),
    ] {
        let headers = [SOON, AGAIN].concat();
        check(Dialect::Anthropic, &refusal(status, "any", Some(code), &headers), &expected);
    }
}

#[test]
fn an_error_without_a_body_is_what_its_status_says() {
    let empty = |status| Reply { status, headers: Vec::new(), body: String::new() };
    for dialect in [Dialect::Anthropic, Dialect::OpenRouter, LOCAL] {
        check(dialect, &empty(500), &Trouble::Server { status: 500 });
        check(dialect, &empty(429), &patience(None));
        check(dialect, &empty(401), &Trouble::Auth);
        check(dialect, &empty(504), &Trouble::Unknown);
        check(dialect, &empty(524), &Trouble::Unknown);
        check(dialect, &empty(200), &Trouble::Malformed);
    }
}

/// One row: status, whose limit, headers, what it is.
type RouterRow = (u16, Option<&'static str>, &'static [(&'static str, &'static str)], Trouble);

#[test]
fn every_error_of_openrouter_is_what_its_status_and_code_say() {
    let server = |status| Trouble::Server { status };
    let rows: Vec<RouterRow> = vec![
        (400, None, &[], Trouble::BadRequest),
        (401, None, &[], Trouble::Auth),
        (402, None, &[], Trouble::SpendLimit),
        (402, None, SOON, patience(Some(3_000))),
        (402, Some("openrouter_credits"), SOON, Trouble::SpendLimit),
        (402, Some("openrouter_key_limit"), SOON, Trouble::SpendLimit),
        (402, Some("openrouter_in_flight_budget"), SOON, patience(Some(3_000))),
        (402, Some("openrouter_in_flight_budget"), &[], Trouble::SpendLimit),
        (402, Some("openrouter_credits"), AGAIN, Trouble::SpendLimit),
        (403, None, &[], Trouble::Declined),
        (404, None, &[], Trouble::NoModel),
        (408, None, &[], Trouble::Unknown),
        (413, None, &[], Trouble::TooLarge),
        (422, None, &[], Trouble::BadRequest),
        (429, None, &[], patience(None)),
        (429, None, SOON, patience(Some(3_000))),
        (502, None, &[], server(502)),
        (503, None, &[], server(503)),
        (524, None, &[], Trouble::Unknown),
        (529, None, &[], server(529)),
        (524, None, NEVER, Trouble::Unknown),
    ];
    for (status, source, headers, expected) in rows {
        let mut error = json!({"code": status, "message": "no credit; rate limited"});
        if let Some(source) = source {
            error["metadata"] = json!({"limit_source": source});
        }
        let body = json!({"error": error, "user_id": "u"});
        check(Dialect::OpenRouter, &reply(status, headers, &body), &expected);
        // The same behind a good status.
        check(Dialect::OpenRouter, &reply(200, headers, &body), &expected);
    }
    let unnamed = json!({"error": {"message": "upstream"}});
    check(Dialect::OpenRouter, &reply(200, &[], &unnamed), &server(502));
    // What is left would pay for a smaller question: others may still be asked.
    let message = "This request requires more credits, or fewer max_tokens.";
    let body = json!({"error": {"code": 402, "message": message}});
    check(Dialect::OpenRouter, &reply(402, &[], &body), &Trouble::TooLarge);
}

#[test]
fn a_local_server_is_read_by_status_and_code() {
    for (status, error, expected) in [
        (403, json!({"code": 403}), Trouble::Auth),
        (503, json!({"code": 503, "message": "loading"}), Trouble::Server { status: 503 }),
        (400, json!({"type": "exceed_context_size_error", "code": 400}), Trouble::TooLarge),
        (400, json!({"code": "context_length_exceeded"}), Trouble::TooLarge),
        (429, json!({"code": "insufficient_quota"}), Trouble::SpendLimit),
        (402, json!({"code": 402}), Trouble::SpendLimit),
    ] {
        check(LOCAL, &reply(status, &[], &json!({"error": error})), &expected);
    }
}

#[test]
fn patience_is_read_in_seconds_and_never_without_end() {
    let week = 7 * 24 * 3_600 * 1_000;
    for (header, text, expected) in [
        ("retry-after", "1", Some(1_000)),
        ("retry-after", " 0.25 ", Some(250)),
        ("retry-after-ms", "120", Some(120)),
        ("retry-after", "1e300", Some(week)),
        ("retry-after", "inf", Some(week)),
        ("retry-after", "-1", None),
        ("retry-after", "NaN", None),
        ("retry-after", "Fri, 20 Nov 2026 18:00:00 GMT", None),
        ("retry-after", "", None),
    ] {
        let reply = reply(429, &[(header, text)], &json!({}));
        assert_eq!(status::retry_after_ms(&reply), expected, "{header}: {text}");
    }
}

#[test]
fn what_the_network_did_is_a_trouble_too() {
    let why = || "reset".to_owned();
    for (error, billed, remedy) in [
        (CallError::Connect { why: why() }, false, Remedy::Retry),
        (CallError::Broken { why: why() }, true, Remedy::Retry),
        (CallError::Timeout, true, Remedy::GiveUp),
        (CallError::TooLong, true, Remedy::Retry),
    ] {
        let trouble = error.trouble();
        assert_eq!((trouble.may_be_billed(), trouble.remedy()), (billed, remedy), "{error}");
    }
}
