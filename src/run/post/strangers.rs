//! Who is on no list and speaks to us all the same: it is written down, and a crowd of them cannot fill
//! the log.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use conclave_actors::audit::{AuditHandle, record};
use conclave_actors::runtime::ports::Clock;
use conclave_domain::record::Step;
use serde_json::json;
use tokio::time::Instant;

use crate::adapters::telegram_http::User;

/// Records within [`WINDOW`]; the others are counted in the next one.
const WITHIN: u32 = 20;
const WINDOW: Duration = Duration::from_mins(1);
/// How long the log may take over one.
const PATIENCE: Duration = Duration::from_secs(2);
/// The longest part of what was said that is kept, characters.
const SAID_MAX: usize = 80;

/// What somebody did.
pub(super) struct Stranger<'a> {
    pub(super) user: &'a User,
    pub(super) chat: i64,
    /// `message` or `press`.
    pub(super) act: &'static str,
    /// What was said, or what the button carried.
    pub(super) what: &'a str,
}

#[derive(Debug)]
struct Window {
    began: Instant,
    noted: u32,
    more: u64,
}

/// Writes them down.
#[derive(Debug)]
pub(super) struct Strangers {
    audit: AuditHandle,
    window: Mutex<Window>,
}

impl Strangers {
    pub(super) fn new(audit: AuditHandle) -> Self {
        let window = Window { began: Instant::now(), noted: 0, more: 0 };
        Self { audit, window: Mutex::new(window) }
    }

    /// Writes one down, or counts it.
    pub(super) async fn note(&self, of: &Stranger<'_>, clock: &dyn Clock) {
        let Some(more) = self.room() else { return };
        let short = |text: &str| -> String {
            text.chars().filter(|c| !c.is_control()).take(SAID_MAX).collect()
        };
        let name = of.user.username.as_deref().or(of.user.first_name.as_deref());
        let body = json!({
            "way": "telegram", "act": of.act, "user": of.user.id, "chat": of.chat,
            "name": short(name.unwrap_or_default()), "said": short(of.what), "more": more,
        });
        tracing::warn!(
            user = of.user.id,
            chat = of.chat,
            act = of.act,
            "somebody on no list spoke to the bot; nothing was done (`notify.telegram_users` and \
             `notify.telegram_chats` are the lists)"
        );
        let Ok(record) = record(Step::StrangerSeen, None, clock.trading(), &body) else { return };
        // Nobody on the list shall wait for a log that is full because of somebody who is on none.
        let noted = tokio::time::timeout(PATIENCE, self.audit.note(record)).await;
        if !matches!(noted, Ok(Ok(()))) {
            tracing::error!("a stranger was not noted: the audit takes nothing at present");
        }
    }

    /// How many went by unnoted since the last record; nothing where there is no room for one more.
    fn room(&self) -> Option<u64> {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if window.began.elapsed() >= WINDOW {
            (window.began, window.noted) = (Instant::now(), 0);
        }
        if window.noted >= WITHIN {
            window.more += 1;
            return None;
        }
        window.noted += 1;
        Some(std::mem::take(&mut window.more))
    }
}
