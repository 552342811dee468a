//! One chat of Telegram as a way for notices.

use std::sync::Arc;
use std::time::Duration;

use conclave_actors::notifier::port::{Courier, Delivery, Undelivered};
use conclave_domain::notify::Matter;
use conclave_domain::notify::outbox::Parcel;
use conclave_domain::notify::rich::Rich;

use super::board::{Ask, Board};
use crate::adapters::telegram_http::{BotError, TEXT_MAX};
use crate::adapters::webhook_http::left_out;

/// Room for what is said of notices that were left out.
const MARGIN: usize = 120;
/// How long a bot is left alone whose token is not taken.
const TOKEN_PAUSE: Duration = Duration::from_mins(1);

/// A chat.
#[derive(Clone, Debug)]
pub(super) struct Chat {
    pub(super) board: Arc<Board>,
    pub(super) chat: i64,
}

impl Courier for Chat {
    fn name(&self) -> &'static str {
        "telegram"
    }

    fn room(&self) -> usize {
        TEXT_MAX - MARGIN
    }

    fn deliver(&self, parcel: Parcel) -> Delivery {
        let chat = self.clone();
        Box::pin(async move { chat.carry(&parcel).await.map_err(|error| undelivered(&error)) })
    }
}

impl Chat {
    /// One message, whatever is in the parcel: what was said once is not said again because of the rest.
    async fn carry(&self, parcel: &Parcel) -> Result<(), BotError> {
        let (board, chat) = (&self.board, self.chat);
        let mut text = Rich::default();
        for notice in &parcel.notices {
            if !text.text().is_empty() {
                text = text.plain("\n\n");
            }
            text = text.and(&notice.text);
        }
        if let Some(more) = left_out(parcel.left_out) {
            text = text.plain("\n\n").plain(&more);
        }
        let Some(first) = parcel.notices.first() else { return Ok(()) };
        match &first.matter {
            Matter::Asks { decision, expires_at } => {
                let words = ("Approve", "Deny");
                let keys = board.buttons(Ask::Approval(decision.clone()), chat, words, *expires_at);
                // Without buttons it says how to answer all the same.
                let keys = keys.map(Vec::from).unwrap_or_default();
                let message = board.say(chat, &text, &keys).await?;
                board.remember(decision, chat, message, first.text.clone());
            }
            Matter::Ends { decision, by_person } => {
                let (shown, any) = board.ended(decision, chat);
                for (nth, it) in shown.iter().enumerate() {
                    let frozen = it.text.clone().plain("\n\n").and(&first.text);
                    if let Err(error) = board.freeze(chat, it.message, &frozen).await {
                        // The next try finds those that still show buttons.
                        for it in shown.iter().skip(nth) {
                            board.remember(decision, chat, it.message, it.text.clone());
                        }
                        return Err(error);
                    }
                }
                if !any && *by_person {
                    board.say(chat, &text, &[]).await?;
                }
            }
            Matter::Plain => match &first.picture {
                Some(png) => board.show(chat, png, &text).await?,
                None => drop(board.say(chat, &text, &[]).await?),
            },
        }
        Ok(())
    }
}

/// What a failure means for a notice.
fn undelivered(error: &BotError) -> Undelivered {
    let why = error.to_string();
    match error {
        BotError::Told { code: 429 | 500..=599, after, .. } => {
            Undelivered::Later { after: *after, why }
        }
        // No such bot: only an operator can help, and the queue says by its length that he should.
        BotError::Told { code: 401 | 404, .. } => {
            Undelivered::Later { after: Some(TOKEN_PAUSE), why }
        }
        BotError::Told { .. } => Undelivered::Never { why },
        BotError::Unreached { .. } | BotError::Garbled { .. } => {
            Undelivered::Later { after: None, why }
        }
    }
}
