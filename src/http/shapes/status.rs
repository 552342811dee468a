//! How the process stands, its actors and its budgets.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::account::Account;

/// Everything at a glance: of a run of the trading council, or of a training run.
#[derive(Debug, Serialize, ToSchema)]
#[expect(clippy::large_enum_variant, reason = "a form of words, of which no value is made")]
#[serde(untagged)]
pub enum Status {
    /// A run of the trading council.
    #[schema(title = "Run")]
    Run(RunStatus),
    /// A training run.
    #[schema(title = "Training")]
    Training(TrainingStatus),
}

/// How a run of the trading council stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct RunStatus {
    /// `status/1`.
    pub schema: String,
    /// The run's id.
    pub run_id: String,
    /// The same for every process of one directory, and another for runs of one name elsewhere.
    pub run_key: String,
    /// The version of the program.
    pub version: String,
    /// `paper` or `live`.
    pub money: String,
    /// Where market time comes from: `replay`, or `open market`.
    pub feed: String,
    /// `advisory`, `supervised` or `autonomous`.
    pub mode: String,
    /// Whether new risk may be taken.
    pub trading_state: TradingState,
    /// For how long a bar is owed, seconds; null in a replay, whose bars lie there.
    pub feed_age_s: Option<f64>,
    /// How much faster than the wall the market's clock goes; null where it goes as fast as it can.
    pub speed: Option<f64>,
    /// How rounds are counted.
    pub consensus: Consensus,
    /// The market's clock.
    pub market_time: String,
    /// Seconds since the start.
    pub uptime_s: u64,
    /// Which actor has fallen for good, where one has.
    pub fallen: Option<String>,
    /// The account.
    pub account: Account,
    /// Signals that were looked at.
    pub signals: u64,
    /// Closed rounds by verdict or code.
    pub rounds: BTreeMap<String, u64>,
    /// Vetoes by code.
    pub vetoes: BTreeMap<String, u64>,
    /// Denials by code.
    pub denials: BTreeMap<String, u64>,
    /// Clamped numbers by parameter and edge.
    pub clamps: BTreeMap<String, u64>,
    /// Appeals of soft vetoes.
    pub appeals: u64,
    /// How many proposals wait for a person.
    pub approvals: u64,
    /// Why the last order was refused.
    pub last_refusal: Option<LastRefusal>,
    /// The agents of the team.
    pub agents: Vec<Agent>,
    /// All actors.
    pub actors: Vec<Actor>,
    /// The budgets; empty where safety does not answer.
    pub budgets: Vec<Budget>,
    /// The log.
    pub audit: Audit,
}

/// How rounds are counted.
#[derive(Debug, Serialize, ToSchema)]
pub struct Consensus {
    /// Share of the votes for and against that it takes to act.
    pub threshold: f64,
    /// Votes for or against that it takes, whatever the number asked.
    pub quorum_min: u32,
    /// Share of the voters asked that have to vote for or against.
    pub quorum_share: f64,
}

/// Whether new risk may be taken.
#[derive(Debug, Serialize, ToSchema)]
pub struct TradingState {
    /// `active`, `reducing` or `halted`.
    pub state: String,
    /// Why; empty where nobody said.
    pub reason: String,
    /// Since when.
    pub since: Option<String>,
    /// Whether that is a time of the market, and not of the wall, as that of a flag file is.
    pub is_market_time: bool,
}

/// Why the last order was refused.
#[derive(Debug, Serialize, ToSchema)]
pub struct LastRefusal {
    /// The stable code.
    pub code: String,
    /// The decision.
    pub decision: String,
    /// What happened.
    pub text: String,
}

/// How the log is.
#[derive(Debug, Serialize, ToSchema)]
pub struct Audit {
    /// Records of decisions.
    pub decisions: u64,
    /// Records of observations.
    pub observations: u64,
    /// Records of decisions that are on the disk.
    pub on_disk: u64,
    /// The hash of the last record of a decision.
    pub head: String,
    /// `well`, `full`, `failing` or `closed`.
    pub state: String,
    /// Records that could not be written and are gone.
    pub lost: u64,
    /// What is wrong with it.
    pub trouble: Option<String>,
}

/// How a training run stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct TrainingStatus {
    /// `status/1`.
    pub schema: String,
    /// `training`.
    pub job: String,
    /// The run's id.
    pub run_id: String,
    /// The same for every process of one directory, and another for runs of one name elsewhere.
    pub run_key: String,
    /// The version of the program.
    pub version: String,
    /// `advisory`, `supervised` or `autonomous`.
    pub mode: String,
    /// Whether levers may move.
    pub trading_state: LeverState,
    /// Seconds since the start.
    pub uptime_s: u64,
    /// Which actor has fallen for good, where one has.
    pub fallen: Option<String>,
    /// Environment steps so far.
    pub steps: u64,
    /// Environment steps of the whole run.
    pub steps_in_all: u64,
    /// Mean reward of the last update; null while there is none.
    pub reward: Option<f64>,
    /// Divergence of the last update.
    pub kl: Option<f64>,
    /// Entropy of the last update.
    pub entropy: Option<f64>,
    /// The learning rate.
    pub learning_rate: Option<f64>,
    /// The last validation.
    #[schema(value_type = Option<Object>)]
    pub validation: Option<Value>,
    /// The last two hundred validations, oldest first, with what agents asked for at each.
    #[schema(value_type = Vec<Object>)]
    pub history: Vec<Value>,
    /// What was asked, proposed and applied.
    #[schema(value_type = Object)]
    pub counts: Value,
    /// How many questions wait for a person.
    pub approvals: u64,
    /// The agents of the team.
    pub agents: Vec<Agent>,
    /// All actors.
    pub actors: Vec<Actor>,
    /// The budgets; empty where safety does not answer.
    pub budgets: Vec<Budget>,
    /// The log.
    pub audit: TrainingAudit,
}

/// Whether levers may move.
#[derive(Debug, Serialize, ToSchema)]
pub struct LeverState {
    /// `active` or `halted`.
    pub state: String,
    /// Why, where a flag file halts.
    #[schema(required = false)]
    pub reason: String,
    /// Since when, where a flag file halts.
    #[schema(required = false)]
    pub since: Option<String>,
    /// False: a flag file has a time of the wall.
    #[schema(required = false)]
    pub is_market_time: bool,
}

/// How the log of a training run is.
#[derive(Debug, Serialize, ToSchema)]
pub struct TrainingAudit {
    /// Records of decisions that are on the disk.
    pub on_disk: u64,
    /// `well`, `full`, `failing` or `closed`.
    pub state: String,
}

/// The actors.
#[derive(Debug, Serialize, ToSchema)]
pub struct Agents {
    /// `agents/1`.
    pub schema: String,
    /// The agents of the team.
    pub agents: Vec<Agent>,
    /// All actors.
    pub actors: Vec<Actor>,
}

/// An agent with its track record. What has no count for its team, or none yet, is left out.
#[derive(Debug, Serialize, ToSchema)]
pub struct Agent {
    /// Its name.
    pub name: String,
    /// Its team.
    #[schema(required = false)]
    pub team: String,
    /// `starting`, `alive`, `restarting`, `given_up` or `stopped`.
    pub state: String,
    /// How often it was started anew.
    pub restarts: u64,
    /// How often lately; null where it never ended.
    pub restarts_lately: Option<Lately>,
    /// How often it was asked.
    #[schema(required = false)]
    pub consulted: u64,
    /// Answers that counted.
    #[schema(required = false)]
    pub answered: u64,
    /// Abstentions.
    #[schema(required = false)]
    pub abstained: u64,
    /// Answers that could not be read.
    #[schema(required = false)]
    pub unreadable: u64,
    /// Answers that were refused.
    #[schema(required = false)]
    pub inadmissible: u64,
    /// Questions without a permit.
    #[schema(required = false)]
    pub denied: u64,
    /// Questions without an answer.
    #[schema(required = false)]
    pub failed: u64,
    /// Answers that came too late.
    #[schema(required = false)]
    pub late: u64,
    /// Questions that it had no room for.
    #[schema(required = false)]
    pub shed: u64,
    /// Vetoes.
    #[schema(required = false)]
    pub vetoes: u64,
    /// Numbers that were clamped.
    #[schema(required = false)]
    pub clamps: u64,
    /// Share of judged advice that was right; null while none is judged.
    #[schema(required = false)]
    pub hit_rate: Option<f64>,
    /// Messages that wait.
    #[schema(required = false)]
    pub mailbox: u64,
    /// How it ended last.
    pub last_end: Option<String>,
}

/// One actor's life.
#[derive(Debug, Serialize, ToSchema)]
pub struct Actor {
    /// Its name.
    pub name: String,
    /// `starting`, `alive`, `restarting`, `given_up` or `stopped`.
    pub state: String,
    /// How often it was started anew.
    pub restarts: u64,
    /// How often lately; null where it never ended.
    pub restarts_lately: Option<Lately>,
    /// How it ended last.
    pub last_end: Option<String>,
}

/// Restarts within the window that a supervisor looks at.
#[derive(Debug, Serialize, ToSchema)]
pub struct Lately {
    /// How many there were.
    pub restarts: u64,
    /// How many there may be; one more and the actor is given up.
    pub limit: u64,
    /// The window, seconds.
    pub within_s: u64,
}

/// The budgets.
#[derive(Debug, Serialize, ToSchema)]
pub struct Budgets {
    /// `budgets/1`.
    pub schema: String,
    /// One row per budget.
    pub budgets: Vec<Budget>,
    /// Consultations of brains that cost nothing since the start, by team.
    pub free: BTreeMap<String, u64>,
    /// Runs of the council: tokens that the models of each agent have taken since the process began.
    #[schema(required = false)]
    pub tokens: BTreeMap<String, Tokens>,
}

/// Tokens as the providers have billed them.
#[derive(Debug, Serialize, ToSchema)]
pub struct Tokens {
    /// Of prompts, whole.
    pub prompt: u64,
    /// Of those, what was read from a cache.
    pub cached: u64,
    /// Of answers, those of thinking included.
    pub output: u64,
}

/// One budget: a count, or US dollars where its name begins with `usd`.
#[derive(Debug, Serialize, ToSchema)]
pub struct Budget {
    /// Its name.
    pub budget: String,
    /// What may be spent within its window.
    pub limit: f64,
    /// What calls under way hold, at their worst.
    pub reserved: f64,
    /// What is spent.
    pub spent: f64,
    /// What of that a process that died had reserved.
    pub of_blocks: f64,
    /// What is left, never negative.
    pub remaining: f64,
    /// When what is spent comes back; null where nothing is spent, or nothing ever comes back.
    pub refill: Option<Refill>,
}

/// When a budget's window lets go of what is spent.
#[derive(Debug, Serialize, ToSchema)]
pub struct Refill {
    /// When the first of it comes back.
    pub begins_at: String,
    /// When all of it has come back, if nothing more is spent.
    pub full_at: String,
    /// Whether these are times of the market, and not of the wall.
    pub is_market_time: bool,
}
