//! What a person says in a chat, as an order: `/halt the data looks wrong`.

use super::presses::Void;

/// One order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// What can be said.
    Help,
    /// Everything at a glance.
    Status,
    /// Who lives and how they did.
    Agents,
    /// The last rounds.
    Rounds,
    /// What is left of each budget.
    Budgets,
    /// Open positions.
    Positions,
    /// Profit and loss, with a picture.
    Pnl,
    /// What waits for a person.
    Approvals,
    /// An answer to what waits.
    Answer {
        /// Which decision.
        id: String,
        /// Yes or no.
        approve: bool,
        /// The person's note.
        note: String,
    },
    /// No new risk, no consultations.
    Halt(String),
    /// No new risk.
    Reduce(String),
    /// Lifts a halt or a reduction.
    Resume {
        /// Why.
        why: String,
        /// Whether it was confirmed in the same breath.
        is_sure: bool,
    },
    /// Closes every position.
    Flatten {
        /// Why.
        why: String,
        /// Whether it was confirmed in the same breath.
        is_sure: bool,
    },
    /// Changes the mode.
    Mode {
        /// To which.
        mode: String,
        /// Why the advisory record is waived.
        why: Option<String>,
    },
}

/// A text that is addressed to us and is no order.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unclear {
    /// No such word.
    #[error("`{0}` is no command of mine; /help lists them")]
    Unknown(String),
    /// It needs to be said of what.
    #[error("say which one: {0}")]
    Incomplete(&'static str),
}

/// What a button's data says: `a:NONCE` for yes, `d:NONCE` for no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Press<'a> {
    /// Yes or no.
    pub is_yes: bool,
    /// What it is about.
    pub nonce: &'a str,
}

/// The longest data of a button, bytes.
pub const DATA_MAX: usize = 64;

impl<'a> Press<'a> {
    /// Reads a button's data.
    ///
    /// # Errors
    /// When it is none of ours.
    pub fn read(data: &'a str) -> Result<Self, Void> {
        let (verb, nonce) = data.split_once(':').ok_or(Void::Unknown)?;
        let is_plain = nonce.bytes().all(|byte| byte.is_ascii_alphanumeric());
        match verb {
            "a" if is_plain => Ok(Self { is_yes: true, nonce }),
            "d" if is_plain => Ok(Self { is_yes: false, nonce }),
            _ => Err(Void::Unknown),
        }
    }

    /// Both buttons' data of a nonce: yes and no.
    pub fn data(nonce: &str) -> [String; 2] {
        [format!("a:{nonce}"), format!("d:{nonce}")]
    }
}

/// Each command with what it does, in the order in which help lists them.
pub const COMMANDS: [(&str, &str); 15] = [
    ("status", "everything at a glance"),
    ("positions", "open positions and their results"),
    ("pnl", "profit and loss, with a picture"),
    ("agents", "who lives and how they did"),
    ("rounds", "the last rounds"),
    ("budgets", "what is left of each budget"),
    ("approvals", "what waits for you"),
    ("approve", "ID [note]: yes"),
    ("deny", "ID [note]: no"),
    ("halt", "[why]: no new risk, no consultations; exits go on"),
    ("reduce", "[why]: no new risk; exits go on"),
    ("resume", "[why]: lifts a halt or a reduction"),
    ("flatten", "[why]: closes every position"),
    ("mode", "advisory, supervised or autonomous [why]"),
    ("help", "this list"),
];

/// What a text says to the bot of this name; `None` where it is no command, or another bot's.
pub fn read(text: &str, bot: &str) -> Option<Result<Order, Unclear>> {
    let said = text.trim().strip_prefix('/')?;
    let (word, rest) = said.split_once(char::is_whitespace).unwrap_or((said, ""));
    let (word, other) = word.split_once('@').map_or((word, None), |(word, bot)| (word, Some(bot)));
    if other.is_some_and(|other| !other.eq_ignore_ascii_case(bot)) {
        return None;
    }
    Some(order(&word.to_ascii_lowercase(), rest.trim()))
}

fn order(word: &str, rest: &str) -> Result<Order, Unclear> {
    let (first, more) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let more = more.trim();
    let which = |hint: &'static str| {
        if first.is_empty() { Err(Unclear::Incomplete(hint)) } else { Ok(first.to_owned()) }
    };
    let is_sure = first.eq_ignore_ascii_case("yes");
    let why = || if is_sure { more.to_owned() } else { rest.to_owned() };
    Ok(match word {
        "start" | "help" => Order::Help,
        "status" => Order::Status,
        "agents" => Order::Agents,
        "rounds" => Order::Rounds,
        "budgets" => Order::Budgets,
        "positions" => Order::Positions,
        "pnl" => Order::Pnl,
        "approvals" => Order::Approvals,
        "approve" | "deny" => Order::Answer {
            id: which("/approve ID, /deny ID; /approvals lists them")?,
            approve: word == "approve",
            note: more.to_owned(),
        },
        "halt" => Order::Halt(rest.to_owned()),
        "reduce" => Order::Reduce(rest.to_owned()),
        "resume" => Order::Resume { why: why(), is_sure },
        "flatten" => Order::Flatten { why: why(), is_sure },
        "mode" => Order::Mode {
            mode: which("/mode advisory, supervised or autonomous")?.to_ascii_lowercase(),
            why: (!more.is_empty()).then(|| more.to_owned()),
        },
        other => return Err(Unclear::Unknown(other.chars().take(40).collect())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: impl Into<Option<Order>>) {
        let read = read(text, "ConclaveBot").map(|read| read.expect("an order"));
        assert_eq!(read, expected.into(), "{text}");
    }

    #[test]
    fn orders_are_read_and_everything_else_is_not() {
        check("/status", Order::Status);
        check("  /STATUS@conclavebot ", Order::Status);
        check("/status@otherbot", None::<Order>);
        check("status", None::<Order>);
        check("", None::<Order>);
        assert_eq!(read("/", "b"), Some(Err(Unclear::Unknown(String::new()))));
        check("/halt  the data\nlooks wrong ", Order::Halt("the data\nlooks wrong".to_owned()));
        let (id, note) = ("AAA-1".to_owned(), "go on then".to_owned());
        check("/approve AAA-1 go on then", Order::Answer { id: id.clone(), approve: true, note });
        check("/deny AAA-1", Order::Answer { id, approve: false, note: String::new() });
        check("/flatten", Order::Flatten { why: String::new(), is_sure: false });
        check("/flatten yes home", Order::Flatten { why: "home".to_owned(), is_sure: true });
        check("/resume yesterday", Order::Resume { why: "yesterday".to_owned(), is_sure: false });
        check("/mode Advisory", Order::Mode { mode: "advisory".to_owned(), why: None });
        assert!(matches!(read("/approve", "b"), Some(Err(Unclear::Incomplete(_)))));
        assert!(matches!(read("/delete_models", "b"), Some(Err(Unclear::Unknown(_)))));
    }

    #[test]
    fn every_command_of_the_list_is_one() {
        for (word, _) in COMMANDS {
            let said = read(&format!("/{word} advisory"), "b");
            assert!(matches!(said, Some(Ok(_))), "{word}: {said:?}");
        }
    }

    #[test]
    fn a_buttons_data_is_short_and_read_back_and_nothing_else_is() {
        let [yes, no] = Press::data("0123456789abcdef0123456789abcdef");
        assert!(yes.len() <= DATA_MAX && no.len() <= DATA_MAX);
        let nonce = "0123456789abcdef0123456789abcdef";
        assert_eq!(Press::read(&yes), Ok(Press { is_yes: true, nonce }));
        assert_eq!(Press::read(&no), Ok(Press { is_yes: false, nonce }));
        for strange in ["", "a", "x:0", "approve AAA", "a:../..", "a:é"] {
            assert_eq!(Press::read(strange), Err(Void::Unknown), "{strange}");
        }
    }
}
