//! The keys of notices: what goes where, and who may command from a chat.
//!
//! No key holds a secret: tokens and a hook's address come from the environment alone. Without one of
//! them nothing is sent and nobody is heard.

use std::collections::BTreeSet;

use conclave_domain::notify::{KindError, Kinds};
use serde::Serialize;

use super::Config;
use super::keys::{Key, key};
use super::value::{Kind, Setting};

/// Chats and persons that may be listed.
const IDS_MAX: usize = 32;

/// What goes where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NotifySettings {
    /// Kinds that go to Telegram, separated by commas.
    pub telegram: String,
    /// Chats that are told, by number.
    pub telegram_chats: String,
    /// Persons who may command in these chats, by number.
    pub telegram_users: String,
    /// Where the Bot API is.
    pub telegram_url: String,
    /// Kinds that go to Slack.
    pub slack: String,
    /// Kinds that go to the webhook.
    pub webhook: String,
    /// Where the webhook is; empty for none.
    pub webhook_url: String,
}

impl Default for NotifySettings {
    fn default() -> Self {
        let most = "approvals,states,fills,budgets,faults,summary,runs,arena";
        Self {
            telegram: most.to_owned(),
            telegram_chats: String::new(),
            telegram_users: String::new(),
            telegram_url: "https://api.telegram.org".to_owned(),
            slack: most.to_owned(),
            webhook: "all".to_owned(),
            webhook_url: String::new(),
        }
    }
}

impl NotifySettings {
    /// The kinds of a way.
    ///
    /// # Errors
    /// When a word names none.
    pub fn kinds(words: &str) -> Result<Kinds, KindError> {
        words.parse()
    }

    /// The numbers in a list; `None` where something else stands there, or too many.
    pub fn ids(list: &str) -> Option<BTreeSet<i64>> {
        let words = list.split(',').map(str::trim).filter(|word| !word.is_empty());
        let ids: Option<BTreeSet<i64>> = words.map(|word| word.parse().ok()).collect();
        ids.filter(|ids| ids.len() <= IDS_MAX)
    }
}

fn text(path: &str, place: fn(&mut NotifySettings) -> &mut String) -> Key {
    key(path, Kind::Text, move |config: &mut Config, setting| {
        if let Setting::Text(text) = setting {
            text.clone_into(place(&mut config.notify));
        }
    })
}

pub(super) fn keys(all: &mut Vec<Key>) {
    all.extend([
        text("notify.telegram", |notify| &mut notify.telegram),
        text("notify.telegram_chats", |notify| &mut notify.telegram_chats),
        text("notify.telegram_users", |notify| &mut notify.telegram_users),
        text("notify.telegram_url", |notify| &mut notify.telegram_url),
        text("notify.slack", |notify| &mut notify.slack),
        text("notify.webhook", |notify| &mut notify.webhook),
        text("notify.webhook_url", |notify| &mut notify.webhook_url),
    ]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_chats_are_read_and_names_are_not() {
        let ids = NotifySettings::ids(" 7, -100123 ,7").unwrap();
        assert_eq!(ids, BTreeSet::from([7, -100_123]));
        assert_eq!(NotifySettings::ids(""), Some(BTreeSet::new()));
        for bad in ["@ada", "7;8", "1.5", "99999999999999999999"] {
            assert_eq!(NotifySettings::ids(bad), None, "{bad}");
        }
        let many: Vec<String> = (0..33).map(|id: u32| id.to_string()).collect();
        assert_eq!(NotifySettings::ids(&many.join(",")), None);
    }
}
