//! What stands on the page, and what does not.

use serde_json::json;

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
    for drawn in
        [page, now, shell::round(&round).into_string(), shell::nothing(hostile).into_string()]
    {
        assert!(!drawn.contains("<script>alert") && !drawn.contains("<img"), "{drawn}");
    }
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
