//! What the desk answers, as a chat shows it: the same views as those of the API.

use conclave_domain::notify::rich::Rich;
use conclave_domain::notify::speech::COMMANDS;
use serde_json::Value;

use crate::http::desk::{Refusal, View};

/// Rows of a list that are shown.
const ROWS: usize = 25;
/// Rounds that are shown.
const ROUNDS: usize = 8;

fn said(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    }
}

/// A fraction in percent.
fn percent(value: &Value) -> String {
    value.as_f64().map_or_else(|| said(value), |share| format!("{:.2} %", share * 100.0))
}

/// Dollars and cents.
fn dollars(value: &Value) -> String {
    let money: Option<conclave_domain::fixed::Money> =
        value.as_str().and_then(|text| text.parse().ok());
    money.map_or_else(|| said(value), |money| format!("${money:.2}"))
}

fn rows<'a>(value: &'a Value, of: &str) -> &'a [Value] {
    value[of].as_array().map_or(&[], Vec::as_slice)
}

/// What can be said.
pub(super) fn help() -> Rich {
    COMMANDS.iter().fold(Rich::default(), |text, (word, what)| {
        text.line().code(&format!("/{word}")).plain(&format!(" {what}"))
    })
}

/// Why something was refused.
pub(super) fn refusal(refusal: &Refusal) -> Rich {
    Rich::default().bold("No").plain(&format!(": {refusal}"))
}

/// A view.
pub(super) fn view(view: &View, shown: &Value) -> Rich {
    match view {
        View::Status => status(shown),
        View::Agents => agents(shown),
        View::Rounds => rounds(shown),
        View::Budgets => budgets(shown),
        View::Positions => positions(shown),
        View::Approvals if rows(shown, "approvals").is_empty() => {
            Rich::of("Nothing waits for you.")
        }
        View::Approvals => Rich::of("What waits for you:"),
        _ => Rich::of(&said(shown)),
    }
}

/// The account in two lines.
pub(super) fn account(account: &Value) -> Rich {
    let text = Rich::of("equity ").bold(&dollars(&account["equity"]));
    let text = text.plain(&format!(", today {}", percent(&account["daily_pnl"])));
    text.line().plain(&format!(
        "cash {}, exposure {}, drawdown {}, {} positions, {} trades",
        dollars(&account["cash"]),
        percent(&account["exposure"]),
        percent(&account["drawdown"]),
        said(&account["positions"]),
        said(&account["trades"]),
    ))
}

fn status(shown: &Value) -> Rich {
    let state = &shown["trading_state"];
    let text = Rich::default().bold(&said(&shown["run_id"]));
    let text = text.plain(&format!(": {} money, mode ", said(&shown["money"])));
    let text = text.bold(&said(&shown["mode"])).plain(", ").bold(&said(&state["state"]));
    let reason = state["reason"].as_str().filter(|reason| !reason.is_empty());
    let text = reason.map_or(text.clone(), |reason| text.line().plain(reason));
    let text = text.line().plain(&format!("market time {}", said(&shown["market_time"])));
    let text = text.line().and(&account(&shown["account"]));
    let text = text.line().plain(&counts(shown));
    let unwell: Vec<String> = rows(shown, "agents")
        .iter()
        .chain(rows(shown, "actors"))
        .filter(|row| row["state"] != "alive")
        .map(|row| format!("{} is {}", said(&row["name"]), said(&row["state"])))
        .collect();
    let text = match shown["fallen"].as_str() {
        Some(why) => text.line().bold("the council has fallen").plain(&format!(": {why}")),
        None => text,
    };
    if unwell.is_empty() { text } else { text.line().plain(&unwell.join(", ")) }
}

/// What was counted since the start, in one line.
pub(super) fn counts(shown: &Value) -> String {
    let counts = ["signals", "rounds", "vetoes", "denials", "appeals", "approvals"];
    let counts: Vec<String> =
        counts.iter().map(|count| format!("{count} {}", total(&shown[count]))).collect();
    counts.join(", ")
}

/// A count, or the sum of counts by name.
fn total(value: &Value) -> String {
    match value.as_object() {
        Some(counts) => counts.values().filter_map(Value::as_u64).sum::<u64>().to_string(),
        None => said(value),
    }
}

fn agents(shown: &Value) -> Rich {
    rows(shown, "agents").iter().take(ROWS).fold(Rich::default(), |text, row| {
        text.line().bold(&said(&row["name"])).plain(&format!(
            ": {}, asked {}, answered {}, restarts {}",
            said(&row["state"]),
            said(&row["consulted"]),
            said(&row["answered"]),
            said(&row["restarts"]),
        ))
    })
}

fn rounds(shown: &Value) -> Rich {
    let all = rows(shown, "rounds");
    if all.is_empty() {
        return Rich::of("No round yet.");
    }
    all.iter().take(ROUNDS).fold(Rich::default(), |text, row| {
        let code = row["code"].as_str().map_or_else(String::new, |code| format!(", {code}"));
        let verdict = format!(": {}{code}", said(&row["verdict"]));
        text.line().code(&said(&row["decision"])).plain(&verdict)
    })
}

fn budgets(shown: &Value) -> Rich {
    rows(shown, "budgets").iter().take(ROWS).fold(Rich::default(), |text, row| {
        let left = format!(": {} of {} left", said(&row["remaining"]), said(&row["limit"]));
        text.line().code(&said(&row["budget"])).plain(&left)
    })
}

fn positions(shown: &Value) -> Rich {
    let all = rows(shown, "positions");
    let text = account(&shown["account"]);
    all.iter().take(ROWS).fold(text, |text, row| {
        text.line().bold(&said(&row["symbol"])).plain(&format!(
            " {} {} at {}, now {}: {}",
            said(&row["side"]),
            said(&row["qty"]),
            said(&row["entry_price"]),
            said(&row["price"]),
            dollars(&row["unrealised"]),
        ))
    })
}

/// What came of a command.
pub(super) fn done(answer: &Value) -> Rich {
    let text = match answer["schema"].as_str() {
        Some("state/1") => Rich::default().bold(&said(&answer["text"])),
        Some("mode/1") => {
            let change = format!("{} → {}", said(&answer["from"]), said(&answer["mode"]));
            Rich::of("mode: ").bold(&change)
        }
        Some("flatten/1") => {
            let count = format!("{} positions: ", said(&answer["positions"]));
            Rich::default().bold(&count).plain(&said(&answer["text"]))
        }
        _ => Rich::of(&said(&answer["text"])),
    };
    if answer["recorded"] == false {
        return text.line().plain("it is in force, and could not be written down");
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_status_says_what_matters_and_a_strange_one_breaks_nothing() {
        let shown = json!({
            "run_id": "r-1", "money": "paper", "mode": "supervised",
            "trading_state": {"state": "halted", "reason": "a drill"},
            "account": {"equity": "101234.5", "cash": "1", "exposure": 0.5, "drawdown": 0.0123,
                "daily_pnl": -0.01, "trades": 3, "positions": 2},
            "denials": {"size.zero": 2, "gate.cash": 3}, "vetoes": 1,
            "agents": [{"name": "risk_guardian", "state": "restarting"}],
        });
        let text = view(&View::Status, &shown);
        for part in [
            "r-1",
            "supervised",
            "halted",
            "a drill",
            "$101234.50",
            "-1.00 %",
            "denials 5",
            "vetoes 1",
            "risk_guardian is restarting",
        ] {
            assert!(text.text().contains(part), "{part}: {}", text.text());
        }
        for odd in [json!(null), json!([1]), json!({"positions": 7, "agents": "x"})] {
            for kind in [
                View::Status,
                View::Agents,
                View::Rounds,
                View::Budgets,
                View::Positions,
                View::Approvals,
            ] {
                let _ = view(&kind, &odd);
            }
            let _ = done(&odd);
        }
        assert!(help().text().contains("/flatten"));
    }
}
