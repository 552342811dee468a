//! Whether people could be told what happens, and heard.

use super::Check;
use crate::config::NotifySettings;
use crate::run::{Looked, look_at_post};

/// Asks Telegram for the bot's name, and sends nothing to anybody.
pub(super) fn notices(settings: &NotifySettings) -> Check {
    const NAME: &str = "notices";
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else {
        return Check::fail(NAME, "no runtime to ask with", "look at the limits of the process");
    };
    match runtime.block_on(look_at_post(settings)) {
        Looked::Nothing => Check::ok(NAME, "nobody is told anything: nothing is configured"),
        Looked::Well(found) => Check::ok(NAME, found),
        Looked::Unlisted(found) => Check::warn(
            NAME,
            found,
            "say something to the bot while a run goes on: its log names your number, for \
             notify.telegram_chats and notify.telegram_users",
        ),
        Looked::Unreached(found) => {
            Check::warn(NAME, found, "look at the network; a run goes on without, and tries again")
        }
        Looked::Wrong(found) => {
            Check::fail(NAME, found, "mend the secret in the environment, or the key in [notify]")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn without_anything_configured_there_is_nothing_to_mend() {
        let check = notices(&NotifySettings::default());
        // Whoever runs the tests may have a bot of his own.
        if std::env::var_os("TELEGRAM_BOT_TOKEN").is_none() {
            assert_eq!(check.state, State::Ok, "{check:?}");
        }
        let odd = "http://example.com".to_owned();
        let check = notices(&NotifySettings { webhook_url: odd, ..NotifySettings::default() });
        assert_eq!(check.state, State::Fail, "{check:?}");
    }
}
