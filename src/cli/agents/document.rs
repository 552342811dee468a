//! `docs/AGENTS.md`, written from the roster so that it cannot lag behind it.

use std::fmt::Write as _;

use conclave_actors::runtime::roster::{self, Seat};
use conclave_domain::role::{Authority, RISK_GUARDIAN, Team};
use serde_json::Value;

/// The whole of `docs/AGENTS.md`.
pub fn render_agents_md() -> String {
    let mut text = String::from(
        "# The agents\n\n\
         This file is written from the roster; `UPDATE=1 cargo test agents_md` writes it anew.\n\
         Every number an agent gives is clamped to its bounds, and the clamp is recorded.\n\
         Every agent has a rules brain, which needs no key; its formula stands in its file.\n\n\
         ```text\n",
    );
    text.push_str(&roster::org_chart());
    text.push_str("```\n");
    for team in Team::ALL {
        let example = match team {
            Team::Training => "training.json",
            Team::Trading => "trading_entry.json",
            Team::Selection => "selection.json",
        };
        let _ = write!(text, "\n## The {team} team\n\nTry one on an example brief:\n\n");
        let seats: Vec<Seat> =
            roster::roster().into_iter().filter(|seat| seat.role.team == team).collect();
        if let Some(first) = seats.first() {
            let name = first.role.name;
            let _ = write!(
                text,
                "```sh\nconclave agents ask {name} --brief tests/briefs/{example}\n```\n"
            );
        }
        for seat in &seats {
            render_seat(&mut text, seat);
        }
    }
    text
}

fn render_seat(text: &mut String, seat: &Seat) {
    let role = &seat.role;
    let authority = match role.authority {
        Authority::Advise => "It votes, and its numbers are clamped.",
        Authority::AdviseAndVeto => "It votes, and it may veto, which ends the round.",
        Authority::Veto => "It vetoes or does not object, and is never counted.",
        Authority::Decide => "It decides, within what the round allowed.",
    };
    let _ = write!(
        text,
        "\n### {}\n\n{}\n{authority}\n\n- Name: `{}`\n- File: `actors/{}/{}.rs`\n- Consulted: {}\n\
         - Default tier: {}\n- On by default: {}\n\n| answer | kind | meaning |\n|---|---|---|\n",
        role.title,
        role.purpose,
        role.name,
        role.team,
        role.name,
        seat.cadence,
        serde_json::to_value(role.tier).ok().as_ref().and_then(Value::as_str).unwrap_or("-"),
        match (role.name, seat.on_by_default) {
            (RISK_GUARDIAN, _) => "yes, and it cannot be switched off",
            (_, true) => "yes, where its team is",
            (_, false) => "no",
        },
    );
    let schema = roster::schema_json(seat);
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let told = property["description"].as_str().unwrap_or("-").replace('\n', " ");
        let _ = writeln!(text, "| `{name}` | {} | {told} |", kind(property, &schema));
    }
}

/// What kind of value a property takes: the words of an enumeration, or its JSON type.
fn kind(property: &Value, schema: &Value) -> String {
    let target = match property["$ref"].as_str() {
        Some(path) => schema.pointer(path.trim_start_matches('#')).unwrap_or(property),
        None => property,
    };
    let words = |choices: &Value| {
        let word = |choice: &Value| choice.as_str().map(|word| format!("`{word}`"));
        choices.as_array().map(|choices| choices.iter().filter_map(word).collect::<Vec<_>>())
    };
    let constants = || {
        let choices = target["oneOf"].as_array()?;
        let word = |choice: &Value| choice["const"].as_str().map(|word| format!("`{word}`"));
        Some(choices.iter().filter_map(word).collect::<Vec<_>>())
    };
    match words(&target["enum"]).or_else(constants) {
        Some(words) => words.join(", "),
        None => match target["type"].as_str() {
            Some("array") => "list".to_owned(),
            Some("string") => "text".to_owned(),
            Some(other) => other.to_owned(),
            None => "-".to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_md_is_what_the_roster_says() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/AGENTS.md");
        let rendered = render_agents_md();
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, &rendered).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap();
        assert!(written == rendered, "docs/AGENTS.md is stale; UPDATE=1 cargo test agents_md");
        for seat in roster::roster() {
            assert!(rendered.contains(&format!("### {}\n", seat.role.title)));
        }
        assert!(rendered.contains("`PROCEED`, `REDUCE_SIZE`, `SKIP`"), "{rendered}");
    }
}
