//! The post of a running process: what people are told by Telegram, Slack and a webhook, and what they
//! say back.
//!
//! - O-4: nothing of trading waits for it. It lives on the thread of the HTTP side, is supervised for
//!   itself, and where nothing is configured it is not there at all.

mod board;
mod chat;
mod curve;
mod outlet;
mod phone;
mod replies;
mod strangers;
mod teller;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use conclave_actors::council::Council;
use conclave_actors::notifier::{Annex, NotifierHandle, Route, looping, notifier};
use conclave_actors::runtime::ports::Clock;
use conclave_actors::runtime::supervision::ChildSpec;
use tokio::runtime::Handle;
use tokio::time::Instant;

pub(crate) use outlet::Outlet;

use board::Board;
use chat::Chat;
use curve::Curve;
use phone::Phone;
use strangers::Strangers;
use teller::Teller;

use crate::adapters::clock::SystemClock;
use crate::adapters::model_http::Key;
use crate::adapters::slack_http::{self, Slack};
use crate::adapters::telegram_http::{self, Bot, BotError};
use crate::adapters::webhook_http::{self, Webhook};
use crate::cli::error::{CliError, ExitCode};
use crate::config::NotifySettings;
use crate::http::desk::Desk;
use crate::http::events::Hub;

/// How long the last words may take to leave.
const FAREWELL: Duration = Duration::from_secs(4);
/// How often it is looked whether they have.
const LOOK: Duration = Duration::from_millis(25);

/// The secrets of the post, as the environment has them.
#[derive(Clone, Debug, Default)]
pub(super) struct Secrets {
    telegram: Option<Key>,
    slack: Option<Key>,
    webhook: Option<Key>,
}

impl Secrets {
    /// What the environment has.
    ///
    /// # Errors
    /// When a value is empty or no secret.
    pub(super) fn from_env() -> Result<Self, CliError> {
        let found = |name: &str| {
            // A variable that is set to nothing is not set.
            let is_empty = std::env::var_os(name).is_some_and(|value| value.is_empty());
            if is_empty { Ok(None) } else { Key::from_env(name).map_err(refused) }
        };
        Ok(Self {
            telegram: found(telegram_http::TOKEN_ENV)?,
            slack: found(slack_http::URL_ENV)?,
            webhook: found(webhook_http::SECRET_ENV)?,
        })
    }
}

#[expect(clippy::needless_pass_by_value, reason = "used with map_err")]
fn refused(error: crate::adapters::model_http::ModelError) -> CliError {
    CliError::new(ExitCode::Config, error.to_string())
}

/// What the post is about.
#[derive(Clone)]
pub(super) struct About {
    pub(super) desk: Arc<dyn Desk>,
    pub(super) council: Council,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) hub: Arc<Hub>,
    /// The run's directory.
    pub(super) dir: PathBuf,
    pub(super) run_id: String,
    pub(super) money: &'static str,
}

/// A post that is prepared.
pub(super) struct Post {
    children: Vec<ChildSpec>,
    notifier: NotifierHandle,
    seen: Arc<AtomicU64>,
    about: About,
}

/// A post that works.
pub(super) struct Open {
    annex: Annex,
    notifier: NotifierHandle,
    seen: Arc<AtomicU64>,
    about: About,
}

/// The ways out and in, as they are configured.
struct Ways {
    routes: Vec<Route>,
    board: Option<Arc<Board>>,
    users: BTreeSet<i64>,
    chats: BTreeSet<i64>,
}

impl Ways {
    fn of(
        settings: &NotifySettings,
        secrets: Secrets,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, CliError> {
        // The configuration was checked when it was read.
        let kinds = |words: &str| NotifySettings::kinds(words).unwrap_or_default();
        let ids = |list: &str| NotifySettings::ids(list).unwrap_or_default();
        let (users, chats) = (ids(&settings.telegram_users), ids(&settings.telegram_chats));
        let mut routes: Vec<Route> = Vec::new();
        let mut board = None;
        if let Some(token) = secrets.telegram {
            let bot = Bot::new(&settings.telegram_url, token).map_err(refused)?;
            let kept = Arc::new(Board::new(bot, Arc::clone(clock)));
            let kinds = kinds(&settings.telegram);
            routes.extend(chats.iter().map(|&chat| {
                let courier = Arc::new(Chat { board: Arc::clone(&kept), chat });
                Route { courier, kinds: kinds.clone() }
            }));
            board = Some(kept);
        }
        if let Some(url) = secrets.slack {
            let courier = Arc::new(Slack::new(url).map_err(refused)?);
            routes.push(Route { courier, kinds: kinds(&settings.slack) });
        }
        if !settings.webhook_url.is_empty() {
            let url = Key::new("notify.webhook_url", &settings.webhook_url).map_err(refused)?;
            let hook = Webhook::new(url, secrets.webhook, Arc::clone(clock)).map_err(refused)?;
            routes.push(Route { courier: Arc::new(hook), kinds: kinds(&settings.webhook) });
        }
        routes.retain(|route| !route.kinds.is_empty());
        Ok(Self { routes, board, users, chats })
    }
}

/// Whether the post could be opened as it is configured.
///
/// # Errors
/// When an address or a secret is not taken.
pub(super) fn probe(settings: &NotifySettings) -> Result<(), CliError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    Ways::of(settings, Secrets::from_env()?, &clock).map(drop)
}

/// What there is of a post, for `doctor`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Looked {
    /// Nothing is configured.
    Nothing,
    /// All is well.
    Well(String),
    /// A bot without chats or persons.
    Unlisted(String),
    /// The bot was not reached.
    Unreached(String),
    /// An address or a secret is not taken.
    Wrong(String),
}

/// How long a bot may take to say its name.
const NAME_PATIENCE: Duration = Duration::from_secs(5);

/// Looks at the post as it is configured; the one question is the bot's name.
pub(crate) async fn look(settings: &NotifySettings) -> Looked {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let ways = Secrets::from_env().and_then(|secrets| Ways::of(settings, secrets, &clock));
    let ways = match ways {
        Ok(ways) => ways,
        Err(error) => return Looked::Wrong(error.chain()),
    };
    let routes: Vec<&str> = ways.routes.iter().map(|route| route.courier.name()).collect();
    let Some(board) = ways.board else {
        let found = format!("told by {}", routes.join(", "));
        return if routes.is_empty() { Looked::Nothing } else { Looked::Well(found) };
    };
    let name = match tokio::time::timeout(NAME_PATIENCE, board.bot.me()).await {
        Ok(Ok(me)) => me.username.unwrap_or_default(),
        Ok(Err(error @ BotError::Told { code: 401 | 404, .. })) => {
            return Looked::Wrong(error.to_string());
        }
        Ok(Err(error)) => return Looked::Unreached(error.to_string()),
        Err(_) => return Looked::Unreached("telegram takes too long".to_owned()),
    };
    let (chats, users) = (ways.chats.len(), ways.users.len());
    let found =
        format!("bot @{name}, {chats} chats, {users} persons; told by {}", routes.join(", "));
    if chats == 0 || users == 0 { Looked::Unlisted(found) } else { Looked::Well(found) }
}

impl Post {
    /// What is configured; nothing where nothing is.
    ///
    /// # Errors
    /// When an address or a secret is not taken.
    pub(super) fn prepare(
        settings: &NotifySettings,
        secrets: Secrets,
        about: About,
    ) -> Result<Option<Self>, CliError> {
        let ways = Ways::of(settings, secrets, &about.clock)?;
        let is_idle = ways.routes.is_empty() && ways.board.is_none();
        Ok((!is_idle).then(|| Self::of(ways, about)))
    }

    fn of(ways: Ways, about: About) -> Self {
        let Ways { routes, board, users, chats } = ways;
        let (mut children, notifier) = notifier(routes, &about.clock);
        let curve = Arc::new(Curve::new(about.dir.clone()));
        let seen = Arc::<AtomicU64>::default();
        let teller = Arc::new(Teller {
            notifier: notifier.clone(),
            desk: Arc::clone(&about.desk),
            council: about.council.clone(),
            hub: Arc::clone(&about.hub),
            clock: Arc::clone(&about.clock),
            curve: Arc::clone(&curve),
            alarms: Mutex::default(),
            of: (about.run_id.clone(), about.money),
            seen: Arc::clone(&seen),
            has_begun: AtomicBool::new(false),
        });
        children.push(looping("teller", move || {
            let teller = Arc::clone(&teller);
            Box::pin(async move { teller.tell().await })
        }));
        children.extend(board.map(|board| {
            let phone = Arc::new(Phone {
                board,
                desk: Arc::clone(&about.desk),
                safety: about.council.safety.clone(),
                clock: Arc::clone(&about.clock),
                users,
                chats,
                strangers: Strangers::new(about.council.audit.clone()),
                curve,
                began: about.clock.wall(),
                in_hand: AtomicI64::new(0),
            });
            looping("phone", move || {
                let phone = Arc::clone(&phone);
                Box::pin(async move { phone.listen().await })
            })
        }));
        Self { children, notifier, seen, about }
    }

    /// Opens it on the present runtime; where that fails it is said, and the run goes on without.
    pub(super) async fn open(self) -> Option<Open> {
        let Self { children, notifier, seen, about } = self;
        match Annex::start(children, Handle::current()).await {
            Ok(annex) => Some(Open { annex, notifier, seen, about }),
            Err(error) => {
                tracing::error!(%error, "nobody is told anything: the notifier did not start");
                None
            }
        }
    }
}

impl Open {
    /// Lets the last words leave, for a few seconds at most, and closes.
    pub(super) async fn close(self) {
        let until = Instant::now() + FAREWELL;
        let is_out = || {
            let written = self.about.council.audit.synced().decisions.count;
            let published = self.about.hub.newest().unwrap_or(written) >= written;
            let is_told = self
                .about
                .hub
                .newest()
                .is_none_or(|newest| self.seen.load(Ordering::SeqCst) >= newest);
            published && is_told && self.notifier.is_idle()
        };
        while Instant::now() < until && !is_out() {
            tokio::time::sleep(LOOK).await;
        }
        let waiting = self.notifier.waiting();
        if waiting > 0 {
            tracing::warn!(
                waiting,
                "notices were not delivered before the end; the audit has them"
            );
        }
        self.annex.stop().await;
    }
}
