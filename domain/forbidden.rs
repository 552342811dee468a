//! Actions that no agent, mode or key can bring about.
//!
//! # Invariants
//!
//! - F-1: forbidden actions do not happen. No type of this crate can express one; here an answer
//!   that asks for one by name is found, so that it can be refused, recorded and reported.
//!
//! A name counts as asked for when a whole text is the name, or when it stands as one word inside a
//! text; case, `_`, `-` and spaces between the parts do not hide it. Plain prose such as "never
//! ignore drawdown figures" does not ask for anything.

/// The forbidden actions.
pub const ACTIONS: [&str; 7] = [
    "bypass_all_gates",
    "disable_risk_controls",
    "unlimited_position",
    "ignore_drawdown",
    "force_margin_call",
    "delete_models",
    "modify_api_keys",
];

/// The first forbidden action that one of the texts asks for. Give it the keys and the string
/// values of a raw answer.
pub fn find<'a>(texts: impl IntoIterator<Item = &'a str>) -> Option<&'static str> {
    texts.into_iter().find_map(asked_for)
}

fn asked_for(text: &str) -> Option<&'static str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let words = text.split(|c: char| !is_part(c));
    std::iter::once(text)
        .chain(words)
        .find_map(|candidate| ACTIONS.into_iter().find(|action| same_name(candidate, action)))
}

/// Whether a text is the name, but for case and what stands between its parts. Allocates nothing:
/// every word of every answer comes by here.
fn same_name(text: &str, action: &str) -> bool {
    fn letters(text: &str) -> impl Iterator<Item = char> {
        text.chars().filter(|c| c.is_alphanumeric()).map(|c| c.to_ascii_lowercase())
    }
    letters(text).eq(letters(action))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// F-1: forbidden actions do not happen.
    #[test]
    fn every_name_is_found_however_it_is_spelt() {
        for action in ACTIONS {
            let spaced = action.replace('_', " ");
            let dashed = action.replace('_', "-").to_uppercase();
            let sentence = format!("then call {action}(now), quickly");
            let joined = format!("\"{}\"", action.replace('_', ""));
            for text in [action, &spaced, &dashed, &sentence, &joined, &format!(" {action}\n")] {
                assert_eq!(find(["harmless", text]), Some(action), "{text}");
            }
        }
    }

    #[test]
    fn prose_about_risk_is_no_request() {
        for text in [
            "we should never ignore drawdown here",
            "an unlimited position is not wanted",
            "drawdown",
            "",
            "bypass_all_gates_report",
        ] {
            assert_eq!(find([text]), None, "{text}");
        }
        assert_eq!(find(std::iter::empty()), None);
    }
}
