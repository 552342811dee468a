//! What the HTTP API needs of the running council: views to read, commands to give.
//!
//! The API knows no actor; wiring implements [`Desk`] over the council's handles.

use std::future::Future;
use std::pin::Pin;

use conclave_domain::code::Code;
use conclave_domain::mode::Person;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::mpsc;
use utoipa::{IntoParams, ToSchema};

/// The way of a person whose token was compared.
pub const TOKEN: &str = "token";
/// The way of a person whose number stands in `notify.telegram_users`, in a chat that stands in
/// `notify.telegram_chats`.
pub const TELEGRAM: &str = "telegram";

/// Which records of the log are meant: all that is given has to hold, and what is empty is not asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    /// An agent that the record names, such as `risk_guardian`.
    #[param(max_length = 128)]
    pub agent: String,
    /// A code that the record names, such as `guardian.regime`.
    #[param(max_length = 128)]
    pub code: String,
    /// The symbol that it is about.
    #[param(max_length = 128)]
    pub symbol: String,
    /// The decision that it belongs to.
    #[param(max_length = 128)]
    pub decision: String,
    /// What happened, such as `round.closed`.
    #[param(max_length = 128)]
    pub step: String,
}

/// The longest part of a filter, bytes.
const PART_MAX: usize = 128;

impl Filter {
    /// Its parts by name.
    pub fn parts(&self) -> [(&'static str, &str); 5] {
        let Self { agent, code, symbol, decision, step } = self;
        [
            ("agent", agent),
            ("code", code),
            ("symbol", symbol),
            ("decision", decision),
            ("step", step),
        ]
    }

    /// Itself, unless a part is longer than any name.
    ///
    /// # Errors
    /// When one is.
    pub fn checked(self) -> Result<Self, Refusal> {
        let long = self.parts().into_iter().find(|(_, text)| text.len() > PART_MAX);
        match long {
            None => Ok(self),
            Some((name, _)) => {
                let text = format!("`{name}` is longer than {PART_MAX} bytes; give one name");
                Err(Refusal::Invalid(text))
            }
        }
    }
}

/// Pieces of a file that is being read, as they come.
pub type Lines = mpsc::Receiver<std::io::Result<String>>;

/// One view of the running process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum View {
    /// Everything at a glance, one complete snapshot.
    Status,
    /// The actor tree with health and track records.
    Agents,
    /// The last rounds, newest first.
    Rounds,
    /// One round with its whole record.
    Round(String),
    /// What waits for a person.
    Approvals,
    /// Budgets: limit, spent, remaining.
    Budgets,
    /// Open positions and the account.
    Positions,
    /// Orders and what became of them.
    Orders,
    /// Who may be entered, where that changes as the run goes on.
    Universe,
    /// The account as it went, thinned.
    Curve,
    /// The board of the latest season of the arena.
    Arena,
    /// The last decisions of that season.
    Chats,
    /// Records of the log, newest first.
    Audit(Filter),
    /// Every key of the configuration in force, with its source.
    Config,
}

/// One command to the running process. Every one of them is authenticated and recorded.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// No new risk, no consultations; exits, cancels and a person's orders go on.
    Halt(Why),
    /// No new risk; agents may still advise exits.
    Reduce(Why),
    /// Lifts a halt or a reduction.
    Resume(Why),
    /// Closes every position.
    Flatten(Why),
    /// Changes the mode.
    Mode(ModeChange),
    /// Answers an approval.
    Approval {
        /// The decision that waits.
        id: String,
        /// Yes or no.
        approve: bool,
        /// The person's note.
        why: Why,
    },
    /// Asks the trading team on behalf of an outside system.
    Consult {
        /// `signal`, `gates`, `size`, `timing` or `exit`.
        kind: String,
        /// The question.
        body: Value,
    },
    /// Sets what an outside system knows: `portfolio`, `regime` or `session`.
    Setter {
        /// Which.
        kind: String,
        /// The values.
        body: Value,
    },
}

impl Command {
    /// Whether it takes risk away, and so waits for nothing.
    pub const fn takes_risk_away(&self) -> bool {
        matches!(self, Self::Halt(_) | Self::Reduce(_) | Self::Flatten(_))
    }
}

/// A person's reason; it goes into the audit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Why {
    /// The reason or note, at most 500 characters are kept.
    pub reason: String,
}

/// A change of mode.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ModeChange {
    /// `advisory`, `supervised` or `autonomous`.
    pub mode: String,
    /// Why the fourteen days of advisory record are waived, if they are.
    #[serde(default)]
    pub override_reason: Option<String>,
}

/// Why a view or a command was refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// The request makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// Safety said no.
    #[error("{code}: {text}")]
    Denied {
        /// The stable code.
        code: Code,
        /// What happened and what to do.
        text: String,
    },
    /// As much of its kind is under way as there is room for.
    #[error("{0}")]
    Busy(String),
    /// The process is stopping, or an actor did not answer in time.
    #[error("{0}")]
    Unavailable(String),
}

impl Refusal {
    /// A denial in the words of its code.
    pub fn denied(code: Code) -> Self {
        Self::Denied { code, text: format!("{} {}", code.cause(), code.remedy()) }
    }
}

/// A boxed answer.
pub type Answer<'a> = Pin<Box<dyn Future<Output = Result<Value, Refusal>> + Send + 'a>>;

/// A boxed text.
pub type Text<'a> = Pin<Box<dyn Future<Output = String> + Send + 'a>>;

/// The running council as the API sees it.
pub trait Desk: Send + Sync + 'static {
    /// One view, as of one moment. It may ask an actor or read a file; it changes nothing.
    fn view(&self, view: View) -> Answer<'_>;

    /// The records of the log that a filter lets through, as they stand there, oldest first; nothing where
    /// there is no log.
    fn export(&self, _: Filter) -> Lines {
        mpsc::channel(1).1
    }

    /// Carries out a person's command, to its end even if nobody waits for the answer any more. The one
    /// way in for every surface: whoever makes the [`Person`] has checked who asks.
    fn command(&self, by: Person, command: Command) -> Answer<'_>;

    /// Whether new risk could be taken: every actor that it needs is alive, and the audit is written.
    fn is_ready(&self) -> bool;

    /// The text of `/metrics`, in the exposition format of Prometheus.
    fn metrics(&self) -> Text<'_>;
}
