//! Tests of `agents`.

use std::collections::BTreeMap;

use super::*;

mod prompts;

fn brief(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/briefs").join(file)
}

fn run_with(action: Option<AgentsAction>, format: Format) -> Result<String, CliError> {
    let mut out = Vec::new();
    run(&AgentsArgs { action }, &Config::default(), format, &mut out)?;
    Ok(String::from_utf8(out).unwrap())
}

fn by_rules(name: &str, brief: PathBuf) -> AgentsAction {
    AgentsAction::Ask { name: name.to_owned(), brief, brain: RULES.to_owned() }
}

fn ask_file(name: &str, file: PathBuf) -> Result<String, CliError> {
    run_with(Some(by_rules(name, file)), Format::Text)
}

#[test]
fn every_agent_answers_its_team_s_example_brief() {
    let files = BTreeMap::from([
        (Team::Training, ["training.json", "training_vote.json"]),
        (Team::Trading, ["trading_entry.json", "trading_position.json"]),
        (Team::Selection, ["selection.json", "selection.json"]),
    ]);
    for seat in roster::roster() {
        for file in files[&seat.role.team] {
            let text = ask_file(seat.role.name, brief(file)).unwrap();
            assert!(text.contains(seat.role.name) && text.contains("reasoning"), "{text}");
        }
    }
}

#[test]
fn the_list_names_all_and_says_who_is_off() {
    let text = run_with(None, Format::Text).unwrap();
    assert_eq!(text.lines().count(), 16, "{text}");
    let json: Value = serde_json::from_str(&run_with(None, Format::Json).unwrap()).unwrap();
    assert_eq!(json["schema"], "agents/1");
    let off: Vec<&str> = json["agents"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|agent| agent["enabled"] == false)
        .map(|agent| agent["name"].as_str().unwrap())
        .collect();
    assert_eq!(off, ["data_monitor", "backtest_validator"]);
}

#[test]
fn a_name_that_nobody_bears_lists_those_that_there_are() {
    let error = ask_file("oracle", brief("selection.json")).unwrap_err();
    assert_eq!(error.code, ExitCode::NotFound);
    assert!(error.message.contains("`oracle`") && error.message.contains("risk_guardian"));
}

#[test]
fn a_bad_brief_is_named_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let good = std::fs::read_to_string(brief("trading_entry.json")).unwrap();
    let cases = [
        ("", "line 1"),
        ("Do not buy here", "line 1 column 1"),
        (&good[..good.len() / 2], "EOF"),
        (&good.replacen("\"confidence\": 0.56", "\"confidence\": \"high\"", 1), "line 7"),
        (&good.replacen("\"confidence\": 0.56", "\"confidence\": 1e999", 1), "line 7"),
        (&good.replacen("\"AAPL\"", "\"../x\"", 1), "is not a symbol"),
    ];
    for (index, (text, expected)) in cases.into_iter().enumerate() {
        let path = dir.path().join(format!("{index}.json"));
        std::fs::write(&path, text).unwrap();
        let error = ask_file("signal_analyst", path).unwrap_err();
        assert_eq!(error.code, ExitCode::Data, "{expected}: {error}");
        assert!(error.message.contains(expected), "{expected}: {}", error.message);
    }
    let missing = ask_file("signal_analyst", dir.path().join("none.json")).unwrap_err();
    assert_eq!(missing.code, ExitCode::NotFound);
}

#[test]
fn advice_as_json_has_raw_and_clamped() {
    let action = by_rules("position_sizer", brief("trading_entry.json"));
    let json: Value =
        serde_json::from_str(&run_with(Some(action), Format::Jsonl).unwrap()).unwrap();
    assert_eq!(json["schema"], "advice/1");
    assert!(json["raw"]["size_multiplier"].is_f64());
    assert_eq!(json["advice"]["levers"][0]["lever"], "size_multiplier");
}

#[test]
fn a_prompt_is_shown_with_and_without_a_brief() {
    let prompt = |name: &str, file: Option<&str>| {
        let action = AgentsAction::Prompt { name: name.to_owned(), brief: file.map(brief) };
        run_with(Some(action), Format::Text)
    };
    let alone = prompt("risk_guardian", None).unwrap();
    assert!(alone.contains("20 %") && !alone.contains("# Brief"), "{alone}");
    let whole = prompt("risk_analyst", Some("training.json")).unwrap();
    assert!(whole.contains("validations_oldest_first"), "{whole}");
    assert!(prompt("orchestrator", None).unwrap().contains("66 %"));
    assert!(prompt("news_reader", None).unwrap().contains("`injection_suspected`"));
    assert_eq!(
        prompt("news_reader", Some("trading_entry.json")).unwrap_err().code,
        ExitCode::Usage
    );
    assert_eq!(prompt("oracle", None).unwrap_err().code, ExitCode::NotFound);
}
