//! Rounds, and what waits for a person.

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::ToSchema;

/// The last rounds, newest first.
#[derive(Debug, ToSchema)]
pub struct Rounds {
    /// `rounds/1`.
    pub schema: String,
    /// At most fifty.
    pub rounds: Vec<Round>,
}

/// A round that has closed.
#[derive(Debug, ToSchema)]
pub struct Round {
    /// The decision.
    pub decision: Option<String>,
    /// Market time.
    pub at: String,
    /// Its number.
    pub round: Option<u64>,
    /// `act`, `hold` or `vetoed`.
    pub verdict: Option<String>,
    /// Why it did not act.
    pub code: Option<String>,
    /// Whose veto closed it.
    pub by: Option<String>,
    /// Whether everybody had to agree.
    pub critical: Option<bool>,
    /// Each seat in words.
    pub votes: String,
    /// What the objection said.
    pub text: Option<String>,
    /// How many seats ended how.
    pub counts: Option<BTreeMap<String, u64>>,
    /// The seats.
    pub seats: Option<Vec<Seat>>,
}

/// One agent's place in a round.
#[derive(Debug, ToSchema)]
pub struct Seat {
    /// Who.
    pub agent: String,
    /// `voter`, `guardian` or `voter_and_guardian`.
    pub part: String,
    /// `voted`, `no_objection`, `vetoed`, `failed`, `denied`, `shed`, `late` or `not_awaited`.
    pub outcome: String,
    /// How it voted.
    #[schema(required = false)]
    pub vote: String,
    /// What went wrong.
    #[schema(required = false)]
    pub why: String,
    /// Why it got no permit.
    #[schema(required = false)]
    pub code: String,
}

/// All that is on record of one decision.
#[derive(Debug, ToSchema)]
pub struct Decision {
    /// `round/1`.
    pub schema: String,
    /// The decision.
    pub decision: String,
    /// Its records, oldest first.
    pub records: Vec<Record>,
}

/// One record of the audit.
#[derive(Debug, ToSchema)]
pub struct Record {
    /// Its number.
    pub seq: u64,
    /// Market time.
    pub at: String,
    /// What happened, such as `round.closed`.
    pub step: String,
    /// What is on record of it, by step.
    pub body: Value,
}

/// Records of the log.
#[derive(Debug, ToSchema)]
pub struct AuditRecords {
    /// `audit/1`.
    pub schema: String,
    /// How many the filter lets through.
    pub matching: u64,
    /// The newest two hundred of them, newest first.
    pub records: Vec<AuditRecord>,
}

/// One record of the log.
#[derive(Debug, ToSchema)]
pub struct AuditRecord {
    /// Its number.
    pub seq: u64,
    /// Market time.
    pub at: String,
    /// What happened, such as `round.closed`.
    pub step: String,
    /// The decision that it belongs to, where it belongs to one.
    pub decision: Option<String>,
    /// What is on record of it, by step.
    pub body: Value,
}

/// What waits for a person.
#[derive(Debug, ToSchema)]
pub struct Approvals {
    /// `approvals/1`.
    pub schema: String,
    /// Oldest first.
    pub approvals: Vec<Approval>,
}

/// A proposal that waits.
#[derive(Debug, ToSchema)]
pub struct Approval {
    /// The decision, by which it is answered.
    pub decision: String,
    /// `entry`, `universe` or `levers`.
    pub asks: String,
    /// Why.
    pub reasoning: String,
    /// Since when.
    #[schema(required = false)]
    pub proposed_at: String,
    /// From when on silence means no, by the clock of the wall.
    #[schema(required = false)]
    pub expires_at: String,
    /// Replays: once the market's clock has passed this, silence has meant no, however early that is.
    #[schema(required = false)]
    pub stale_after: String,
    /// Replays: whether the next bar passes it.
    #[schema(required = false)]
    pub ends_with_next_bar: bool,
    /// Entries: whether it is the appeal of a veto.
    #[schema(required = false)]
    pub appealed: Value,
    /// Entries: the symbol.
    #[schema(required = false)]
    pub symbol: String,
    /// Entries: `buy` or `sell`.
    #[schema(required = false)]
    pub side: String,
    /// Entries: how much.
    #[schema(required = false)]
    pub qty: String,
    /// Entries: how the order seeks its price: `type`, and the prices that belong to it.
    #[schema(required = false, value_type = Object)]
    pub order: Value,
    /// Entries: the last price when it was made.
    #[schema(required = false)]
    pub reference: String,
    /// Entries: how far off stop and target of the position would stand, shares of its price.
    #[schema(required = false, value_type = Object)]
    pub exits: Value,
    /// Changes of the universe: who comes.
    #[schema(required = false)]
    pub admit: Value,
    /// Changes of the universe: who goes.
    #[schema(required = false)]
    pub evict: Value,
    /// Levers: which, and how far.
    #[schema(required = false)]
    pub levers: Value,
    /// Levers: the cycle of validation that they were asked in.
    #[schema(required = false)]
    pub cycle: u64,
    /// Levers: the version of the policy that they are for.
    #[schema(required = false)]
    pub policy_version: u64,
}
