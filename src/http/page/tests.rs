//! What stands on the page, and what does not.

use conclave_domain::record::Step;
use serde_json::{Value, json};

use super::style::STYLE;
use super::*;

#[test]
fn what_comes_from_outside_is_escaped_and_nothing_is_executed() {
    let hostile = "<script>alert(1)</script>";
    let status = json!({"trading_state": {"state": hostile, "reason": hostile},
        "last_refusal": {"decision": "\"><img src=x>", "code": hostile, "text": hostile}});
    let page = shell::page(&status, &[]).into_string();
    let now = panels::now::draw(&status).into_string();
    let round =
        json!({"decision": hostile, "records": [{"step": hostile, "body": {"a": hostile}}]});
    let record = shell::round(&status, &round).into_string();
    for drawn in [page, now, record, shell::nothing(&status, hostile).into_string()] {
        assert!(!drawn.contains("<script>alert") && !drawn.contains("<img"), "{drawn}");
    }
}

/// Goal: nobody takes real money for paper on any page, and a record of it is no exception.
#[test]
fn every_page_shows_which_money_it_is_about() {
    let round = json!({"decision": "IBM-1", "records": []});
    let pages = |status: &Value| {
        let page = shell::page(status, &[]);
        [page, shell::round(status, &round), shell::nothing(status, "there is no such thing")]
    };
    for (status, money, word) in [
        (json!({"money": "live", "run_id": "a"}), "live", "LIVE"),
        (json!({"money": "paper"}), "paper", "PAPER"),
        (json!({}), "paper", "PAPER"),
    ] {
        for page in pages(&status) {
            let page = page.into_string();
            let run = told::text(&status, "/run_id");
            let of = format!("{run} {money}");
            let body = format!("<body class=\"{money}\" data-of=\"{}\">", of.trim());
            assert!(page.contains(&body), "{page}");
            assert!(page.contains(&format!("<span class=\"money\">{word}</span>")), "{page}");
        }
    }
    assert!(STYLE.contains("body.live{border:"), "live has no frame");
}

/// Goal: a process that says nothing but what no panel shows is not taken for one that is gone: the page
/// listens to every step that there is.
#[test]
fn the_page_listens_to_every_event() {
    let page = shell::page(&json!({}), &[]).into_string();
    let steps: Vec<&str> = Step::ALL.iter().map(|step| step.name()).collect();
    assert!(page.contains(&format!("<main data-steps=\"{}\">", steps.join(" "))), "{page}");
    assert!(SCRIPT.contains("dataset.steps") && SCRIPT.contains("[...steps,"));
}

#[test]
fn every_panel_has_a_name_of_its_own_and_the_page_asks_for_no_other() {
    let names: std::collections::BTreeSet<&str> = Panel::ALL.iter().map(|it| it.name()).collect();
    assert_eq!(names.len(), Panel::ALL.len());
    let outside = ["http://", "https://", "//cdn", "import ", "eval(", "innerHTML ="];
    for text in [STYLE, SCRIPT] {
        assert!(outside.iter().all(|it| !text.contains(it)), "something from outside");
    }
}
