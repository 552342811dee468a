//! Listens to Telegram: what persons on the list say in chats on the list goes to the desk, by the same
//! way in as everybody else's commands.
//!
//! - O-1: a press is a person's answer once: by somebody on the list, in the chat that it was shown in, in
//!   time. Whoever is on no list brings nothing about; that he tried is in the audit.
//! - C-1: the other side is told that something was taken only after the desk has carried it out, which
//!   it does not report before it is on the disk. What is told twice because a process ended in between
//!   is old by then, and what is old lifts, raises, approves and closes nothing.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use conclave_actors::runtime::ports::Clock;
use conclave_actors::safety::SafetyHandle;
use conclave_domain::mode::{Mode, Person};
use conclave_domain::notify::rich::Rich;
use conclave_domain::notify::speech::{self, COMMANDS, Order, Press};
use conclave_domain::time::Time;

use super::board::{Ask, Board};
use super::curve::Curve;
use super::replies;
use super::strangers::{Stranger, Strangers};
use crate::adapters::telegram_http::{BotError, Message, Pressed, Update, User};
use crate::http::desk::{Command, Desk, ModeChange, Refusal, TELEGRAM, View, Why};

/// How old an order may be that makes anything less careful, or closes positions.
const FRESH: Duration = Duration::from_mins(5);
/// How far the clocks of both sides may be apart.
const SKEW: Duration = Duration::from_secs(5);
/// How long a question back is open.
const SURE: Duration = Duration::from_mins(1);
/// How long the desk may take before a chat is told that it does.
const PATIENCE: Duration = Duration::from_secs(30);
/// The pause after a look that brought nothing at once, so that no server makes us run in circles.
const BREATH: Duration = Duration::from_millis(300);
/// The first and the longest pause after a failure.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));
/// How long somebody else who listens with our token is waited for.
const CONFLICT: Duration = Duration::from_secs(10);
/// From here on a date is in milliseconds.
const SECONDS_MAX: i64 = 100_000_000_000;

/// Who listens.
pub(super) struct Phone {
    pub(super) board: Arc<Board>,
    pub(super) desk: Arc<dyn Desk>,
    /// Knows the mode, and by it the book that is shown.
    pub(super) safety: SafetyHandle,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) users: BTreeSet<i64>,
    pub(super) chats: BTreeSet<i64>,
    pub(super) strangers: Strangers,
    pub(super) curve: Arc<Curve>,
    /// When the process began to listen.
    pub(super) began: Time,
    /// The update in hand; one that ended a former life of this actor is left alone.
    pub(super) in_hand: AtomicI64,
}

/// Who asks, and where.
struct Asked<'a> {
    user: &'a User,
    chat: i64,
    /// When it was said; nobody says when a button was pressed.
    said_at: Option<Time>,
}

impl Asked<'_> {
    fn person(&self) -> Person {
        let name = self.user.first_name.as_deref().or(self.user.username.as_deref());
        let name: String = name.unwrap_or("somebody").chars().take(50).collect();
        Person::authenticated(&format!("{name} (telegram {})", self.user.id), TELEGRAM)
    }
}

impl Phone {
    /// Listens for ever.
    pub(super) async fn listen(&self) {
        let poison = self.in_hand.swap(0, Ordering::SeqCst);
        let name = self.introduce().await;
        if let Err(error) = self.board.bot.list(&COMMANDS).await {
            tracing::info!(%error, "telegram shows no menu of commands; they are taken all the same");
        }
        let (mut offset, mut failures) = (0, 0_u32);
        loop {
            match self.board.bot.updates(offset).await {
                Ok(updates) => {
                    failures = 0;
                    if updates.is_empty() {
                        tokio::time::sleep(BREATH).await;
                    }
                    for update in updates {
                        self.in_hand.store(update.id, Ordering::SeqCst);
                        if update.id == poison && poison != 0 {
                            tracing::error!(
                                update = poison,
                                "an update broke us before; left alone"
                            );
                        } else {
                            self.hear(&name, &update).await;
                        }
                        self.in_hand.store(0, Ordering::SeqCst);
                        offset = offset.max(update.id.saturating_add(1));
                    }
                }
                Err(error) => {
                    failures = failures.saturating_add(1);
                    tokio::time::sleep(complain(&error, failures)).await;
                }
            }
        }
    }

    /// The bot's name, for commands that say whom they are for.
    async fn introduce(&self) -> String {
        let mut failures = 0;
        loop {
            match self.board.bot.me().await {
                Ok(me) => return me.username.unwrap_or_default(),
                // A server of one's own may not know its bot; commands without a name are ours.
                Err(BotError::Told { code: 404 | 400, .. } | BotError::Garbled { .. }) => {
                    return String::new();
                }
                Err(error) => {
                    failures += 1;
                    tokio::time::sleep(complain(&error, failures)).await;
                }
            }
        }
    }

    async fn hear(&self, name: &str, update: &Update) {
        if let Some(pressed) = &update.pressed {
            self.on_press(pressed).await;
        }
        if let Some(message) = &update.message {
            self.on_message(name, message).await;
        }
    }

    fn is_ours(&self, user: i64, chat: i64) -> bool {
        self.users.contains(&user) && self.chats.contains(&chat)
    }

    async fn on_press(&self, pressed: &Pressed) {
        let place = pressed.message.as_ref().map_or(0, |message| message.chat.id);
        let user = &pressed.from;
        if !self.is_ours(user.id, place) {
            let what = pressed.data.as_deref().unwrap_or_default();
            let stranger = Stranger { user, chat: place, act: "press", what };
            self.strangers.note(&stranger, self.clock.as_ref()).await;
            self.toast(&pressed.id, "you are on no list; nothing was done").await;
            return;
        }
        let data = pressed.data.as_deref().unwrap_or_default();
        let meant = Press::read(data)
            .and_then(|press| Ok((press.is_yes, self.board.press(press.nonce, place)?)));
        let (is_yes, ask) = match meant {
            Ok(meant) => meant,
            Err(void) => {
                tracing::info!(user = user.id, %void, "a press brought nothing about");
                return self.toast(&pressed.id, &void.to_string()).await;
            }
        };
        let asked = Asked { user, chat: place, said_at: None };
        let message = pressed.message.as_ref().map_or(0, |message| message.message_id);
        match ask {
            Ask::Approval(decision) => {
                let shown = self.board.taken(&decision, place, message);
                let (id, why) = (decision, Why { reason: "by a button".to_owned() });
                let command = Command::Approval { id, approve: is_yes, why };
                let outcome = self.carry_out(&asked, command).await;
                self.toast(&pressed.id, outcome.text()).await;
                let text = shown.map_or_else(Rich::default, |shown| shown.text.plain("\n\n"));
                let by = format!("\nby {}", asked.person().name());
                self.freeze(place, message, &text.and(&outcome).plain(&by)).await;
            }
            Ask::Order(command) if is_yes => {
                let outcome = self.carry_out(&asked, command).await;
                self.toast(&pressed.id, outcome.text()).await;
                self.freeze(place, message, &outcome).await;
            }
            Ask::Order(_) => {
                self.toast(&pressed.id, "nothing was done").await;
                self.freeze(place, message, &Rich::of("Nothing was done.")).await;
            }
        }
    }

    async fn on_message(&self, name: &str, message: &Message) {
        let Some(user) = &message.from else { return };
        let (chat, text) = (message.chat.id, message.text.as_deref().unwrap_or_default());
        let read = speech::read(text, name);
        let is_private = chat == user.id;
        if !self.is_ours(user.id, chat) {
            // In a group people speak with each other; what is addressed to us is another thing.
            if read.is_some() || is_private {
                let stranger = Stranger { user, chat, act: "message", what: text };
                self.strangers.note(&stranger, self.clock.as_ref()).await;
            }
            return;
        }
        let said_at = match message.date {
            date if date <= 0 => None,
            date if date > SECONDS_MAX => Some(Time::from_ms(date)),
            date => Some(Time::from_ms(date.saturating_mul(1_000))),
        };
        let asked = Asked { user, chat, said_at };
        match read {
            Some(Ok(order)) => self.obey(&asked, order).await,
            Some(Err(unclear)) => self.reply(chat, &Rich::of(&unclear.to_string())).await,
            None if is_private => self.reply(chat, &Rich::of("/help lists what I know")).await,
            None => {}
        }
    }

    async fn obey(&self, asked: &Asked<'_>, order: Order) {
        let why = |reason: String| Why { reason };
        match order {
            Order::Help => self.reply(asked.chat, &replies::help()).await,
            Order::Status => self.look(asked.chat, View::Status).await,
            Order::Agents => self.look(asked.chat, View::Agents).await,
            Order::Rounds => self.look(asked.chat, View::Rounds).await,
            Order::Budgets => self.look(asked.chat, View::Budgets).await,
            Order::Positions => self.look(asked.chat, View::Positions).await,
            Order::Pnl => self.results(asked.chat).await,
            Order::Approvals => self.waiting(asked.chat).await,
            Order::Halt(reason) => self.act(asked, Command::Halt(why(reason))).await,
            Order::Reduce(reason) => self.act(asked, Command::Reduce(why(reason))).await,
            Order::Answer { id, approve, note } => {
                let command = Command::Approval { id, approve, why: why(note) };
                if approve && self.is_old(asked) {
                    return self.say_again(asked.chat).await;
                }
                self.act(asked, command).await;
            }
            Order::Resume { why: reason, is_sure } => {
                self.ask_back(asked, Command::Resume(why(reason)), "Resume trading?", is_sure)
                    .await;
            }
            Order::Flatten { why: reason, is_sure } => {
                let command = Command::Flatten(why(reason));
                self.ask_back(asked, command, "Close every position?", is_sure).await;
            }
            Order::Mode { mode, why } => {
                let question = format!("Change the mode to {mode}?");
                // Nothing is more careful than advice.
                let is_sure = mode == Mode::Advisory.name();
                let command = Command::Mode(ModeChange { mode, override_reason: why });
                self.ask_back(asked, command, &question, is_sure).await;
            }
        }
    }

    /// Whether it was said before this process listened, or long ago.
    fn is_old(&self, asked: &Asked<'_>) -> bool {
        asked
            .said_at
            .is_some_and(|at| at + SKEW < self.began || self.clock.wall().since(at) > FRESH + SKEW)
    }

    async fn say_again(&self, chat: i64) {
        let text = "that was said before I listened, or long ago; nothing was done, say it again";
        self.reply(chat, &Rich::of(text)).await;
    }

    /// Asks back before what cannot be taken back, or makes anything less careful.
    async fn ask_back(&self, asked: &Asked<'_>, command: Command, question: &str, is_sure: bool) {
        if self.is_old(asked) {
            return self.say_again(asked.chat).await;
        }
        if is_sure {
            return self.act(asked, command).await;
        }
        let until = self.clock.wall() + SURE;
        let ask = Ask::Order(command);
        let keys = self.board.buttons(ask, asked.chat, ("Yes", "No"), until);
        let Ok(keys) = keys else {
            return self.reply(asked.chat, &Rich::of("the system gives no randomness")).await;
        };
        let text = Rich::default().bold(question).line().plain("The buttons work for a minute.");
        self.say(asked.chat, &text, &keys).await;
    }

    async fn act(&self, asked: &Asked<'_>, command: Command) {
        let outcome = self.carry_out(asked, command).await;
        self.reply(asked.chat, &outcome).await;
    }

    /// The desk does it, to its end even where that takes longer than we wait.
    async fn carry_out(&self, asked: &Asked<'_>, command: Command) -> Rich {
        let done = self.desk.command(asked.person(), command);
        match tokio::time::timeout(PATIENCE, done).await {
            Ok(Ok(answer)) => replies::done(&answer),
            Ok(Err(refusal)) => replies::refusal(&refusal),
            Err(_) => Rich::of("it goes on, and takes longer than usual; look at /status"),
        }
    }

    async fn view(&self, view: View) -> Result<serde_json::Value, Refusal> {
        let slow = || Refusal::Unavailable("that takes too long at present".to_owned());
        let shown = tokio::time::timeout(PATIENCE, self.desk.view(view)).await;
        shown.unwrap_or_else(|_| Err(slow()))
    }

    async fn look(&self, chat: i64, view: View) {
        let text = match self.view(view.clone()).await {
            Ok(shown) => replies::view(&view, &shown),
            Err(refusal) => replies::refusal(&refusal),
        };
        self.reply(chat, &text).await;
    }

    async fn results(&self, chat: i64) {
        let text = match self.view(View::Positions).await {
            Ok(shown) => replies::view(&View::Positions, &shown),
            Err(refusal) => replies::refusal(&refusal),
        };
        let book = super::teller::book_of(&self.safety);
        let Some(png) = self.curve.picture(book).await else {
            return self.reply(chat, &text).await;
        };
        if let Err(error) = self.board.show(chat, &png, &text).await {
            tracing::warn!(chat, %error, "a picture was not shown");
            self.reply(chat, &text).await;
        }
    }

    /// What waits, each with fresh buttons.
    async fn waiting(&self, chat: i64) {
        match self.view(View::Approvals).await {
            Err(refusal) => self.reply(chat, &replies::refusal(&refusal)).await,
            Ok(shown) => {
                self.reply(chat, &replies::view(&View::Approvals, &shown)).await;
                for item in super::teller::items(&shown) {
                    let keys = self.board.buttons(
                        Ask::Approval(item.decision.clone()),
                        chat,
                        ("Approve", "Deny"),
                        item.expires_at,
                    );
                    let keys = keys.map(Vec::from).unwrap_or_default();
                    let text = item.text();
                    if let Some(message) = self.say(chat, &text, &keys).await {
                        self.board.remember(&item.decision, chat, message, text);
                    }
                }
            }
        }
    }

    async fn reply(&self, chat: i64, text: &Rich) {
        self.say(chat, text, &[]).await;
    }

    /// Says something, twice if it must be; a chat that cannot be reached misses it.
    async fn say(
        &self,
        chat: i64,
        text: &Rich,
        keys: &[crate::adapters::telegram_http::Button],
    ) -> Option<i64> {
        for _ in 0..2 {
            match self.board.say(chat, text, keys).await {
                Ok(message) => return Some(message),
                Err(error) => tracing::warn!(chat, %error, "a chat was not answered"),
            }
        }
        None
    }

    async fn toast(&self, press: &str, text: &str) {
        if let Err(error) = self.board.bot.answer(press, text).await {
            tracing::info!(%error, "a press was not answered");
        }
    }

    async fn freeze(&self, chat: i64, message: i64, text: &Rich) {
        if let Err(error) = self.board.freeze(chat, message, text).await {
            tracing::info!(chat, %error, "a message was not frozen; its buttons do nothing");
        }
    }
}

/// Says what is wrong, once each time it begins; how long to wait.
fn complain(error: &BotError, failures: u32) -> Duration {
    let (first, longest) = BACKOFF;
    let doubled = first.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1).min(8)));
    let ours = doubled.min(longest);
    match error {
        BotError::Told { code: 409, text, .. } => {
            if failures == 1 {
                tracing::error!(
                    text,
                    "another process listens with this bot's token, or a webhook is set: telegram \
                     allows one; nobody is heard here until it stops"
                );
            }
            ours.max(CONFLICT)
        }
        BotError::Told { code: 401 | 404, .. } => {
            if failures == 1 {
                tracing::error!(%error, "the bot's token is not taken; nobody is heard");
            }
            longest
        }
        BotError::Told { after, .. } => ours.max(after.unwrap_or_default().min(longest)),
        BotError::Unreached { .. } | BotError::Garbled { .. } => {
            if failures == 1 {
                tracing::warn!(%error, "telegram is not heard; it is tried again");
            }
            ours
        }
    }
}
