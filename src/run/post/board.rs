//! What the chats of Telegram have in common: the bot, how fast each may be spoken to, the buttons that
//! are open, and the messages that still show some.
//!
//! - O-1: a press counts once, and only a fresh nonce of the system stands for it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use conclave_actors::runtime::ports::Clock;
use conclave_domain::notify::pace::Pace;
use conclave_domain::notify::presses::{Presses, Void};
use conclave_domain::notify::rich::Rich;
use conclave_domain::notify::speech::Press;
use conclave_domain::time::Time;
use tokio::time::Instant;

use crate::adapters::random::nonce;
use crate::adapters::telegram_http::{Bot, BotError, Button};
use crate::http::desk::Command;

/// Messages with buttons that are remembered.
const SHOWN_MAX: usize = 256;

/// What a button stands for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Ask {
    /// An answer to what waits.
    Approval(String),
    /// An order that was asked back for.
    Order(Command),
}

/// A message that shows buttons.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Shown {
    decision: String,
    chat: i64,
    /// Its number in the chat.
    pub(super) message: i64,
    /// What it says.
    pub(super) text: Rich,
    /// Whether whoever pressed sees to it that it is frozen.
    is_taken: bool,
}

#[derive(Debug, Default)]
struct Inner {
    presses: Presses<Ask>,
    shown: VecDeque<Shown>,
    paces: BTreeMap<i64, Pace>,
}

/// The chats' common board.
#[derive(Debug)]
pub(super) struct Board {
    /// The bot.
    pub(super) bot: Bot,
    clock: Arc<dyn Clock>,
    began: Instant,
    inner: Mutex<Inner>,
}

impl Board {
    pub(super) fn new(bot: Bot, clock: Arc<dyn Clock>) -> Self {
        Self { bot, clock, began: Instant::now(), inner: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until a chat may be spoken to, and takes that turn.
    async fn turn(&self, chat: i64) {
        loop {
            let wait = {
                let (mut inner, now) = (self.lock(), self.began.elapsed());
                let pace = inner.paces.entry(chat).or_default();
                let wait = pace.wait(now);
                if wait.is_zero() {
                    pace.sent(now);
                }
                wait
            };
            if wait.is_zero() {
                return;
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// What came of a call; a wish for quiet holds up the chat for everybody.
    fn heed<T>(&self, chat: i64, done: Result<T, BotError>) -> Result<T, BotError> {
        if let Err(BotError::Told { after: Some(after), .. }) = &done {
            let until = self.began.elapsed() + (*after).min(Duration::from_hours(1));
            self.lock().paces.entry(chat).or_default().hold(until);
        }
        done
    }

    /// Says something in a chat, when its turn comes.
    pub(super) async fn say(
        &self,
        chat: i64,
        text: &Rich,
        keys: &[Button],
    ) -> Result<i64, BotError> {
        self.turn(chat).await;
        self.heed(chat, self.bot.send(chat, text, keys).await)
    }

    /// Shows a picture in a chat.
    pub(super) async fn show(&self, chat: i64, png: &[u8], text: &Rich) -> Result<(), BotError> {
        self.turn(chat).await;
        self.heed(chat, self.bot.photo(chat, png, text).await)
    }

    /// Says something else in the place of a message, without buttons.
    pub(super) async fn freeze(
        &self,
        chat: i64,
        message: i64,
        text: &Rich,
    ) -> Result<(), BotError> {
        self.turn(chat).await;
        self.heed(chat, self.bot.edit(chat, message, text).await)
    }

    /// Opens a pair of buttons in a chat: yes and no.
    pub(super) fn buttons(
        &self,
        ask: Ask,
        chat: i64,
        (yes, no): (&'static str, &'static str),
        expires_at: Time,
    ) -> std::io::Result<[Button; 2]> {
        let nonce = nonce()?;
        let [is_yes, is_no] = Press::data(&nonce);
        self.lock().presses.open(nonce, ask, chat, expires_at);
        Ok([Button { text: yes, data: is_yes }, Button { text: no, data: is_no }])
    }

    /// What a press in a chat means; from now on it means nothing.
    pub(super) fn press(&self, nonce: &str, chat: i64) -> Result<Ask, Void> {
        let now = self.clock.wall();
        self.lock().presses.take(nonce, chat, now)
    }

    /// A message in a chat shows buttons about what waits.
    pub(super) fn remember(&self, decision: &str, chat: i64, message: i64, text: Rich) {
        let mut inner = self.lock();
        if inner.shown.len() >= SHOWN_MAX {
            inner.shown.pop_front();
        }
        let decision = decision.to_owned();
        inner.shown.push_back(Shown { decision, chat, message, text, is_taken: false });
    }

    /// The message in which a button was pressed; who asks for it freezes it.
    pub(super) fn taken(&self, decision: &str, chat: i64, message: i64) -> Option<Shown> {
        let mut inner = self.lock();
        let mut shown = inner.shown.iter_mut();
        let found =
            shown.find(|it| it.decision == decision && it.chat == chat && it.message == message)?;
        found.is_taken = true;
        Some(found.clone())
    }

    /// What waited is decided: its buttons close everywhere. The messages of a chat that showed them and
    /// that nobody else freezes, and whether there were any at all.
    pub(super) fn ended(&self, decision: &str, chat: i64) -> (Vec<Shown>, bool) {
        let mut inner = self.lock();
        inner.presses.close(|ask| matches!(ask, Ask::Approval(of) if of == decision));
        let is_over = |it: &Shown| it.decision == decision && it.chat == chat;
        let (over, rest) = inner.shown.drain(..).partition::<VecDeque<_>, _>(is_over);
        inner.shown = rest;
        let any = !over.is_empty();
        (over.into_iter().filter(|it| !it.is_taken).collect(), any)
    }
}
