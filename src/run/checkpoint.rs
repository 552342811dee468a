//! The checkpoint of a run: everything that a process needs to go on from one bar's end as if it had
//! never ended, in one document of the context store.
//!
//! - C-1: an acknowledged context update survives `kill -9`: the document is on the disk before a
//!   checkpoint counts.
//!
//! The document names its schema. Before schema 2 only the accounts were stored, under another name;
//! such a run is still gone on with, the old way.

use std::collections::BTreeMap;
use std::sync::Arc;

use conclave_actors::audit::record;
use conclave_actors::broker::Account;
use conclave_actors::checkpoint::{Moment, NoMoment};
use conclave_actors::council::Council;
use conclave_domain::context::{BookKind, Context, Lasting, Update};
use conclave_domain::record::Step;
use conclave_domain::time::Time;
use serde::{Deserialize, Serialize};

use super::finish::End;
use crate::adapters::safety_store::SafetyWriter;
use crate::cli::error::{CliError, ExitCode};

/// The document in the context.
const DOCUMENT: &str = "checkpoint";
/// The document of former versions: accounts alone.
const ACCOUNTS: &str = "accounts";
/// The schema that is written.
const SCHEMA: u16 = 2;
/// How often a checkpoint is tried at the end of a run, where a person's act may come in between.
const TRIES: u32 = 5;

/// A run at the end of a bar.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Checkpoint {
    schema: u16,
    /// The number of safety's last save.
    pub(super) save: u64,
    /// Slices that were played as one chunk.
    pub(super) chunk: usize,
    /// How the run had ended, if it had.
    pub(super) ended: Option<End>,
    /// Since when there has been a halt, for `--lift-halt-after`.
    pub(super) halted_at: Option<Time>,
    /// Bars up to here are in session digests that a stop has closed.
    pub(super) digested: Option<Time>,
    /// The council.
    pub(super) moment: Moment,
}

/// What a store holds to go on from.
#[derive(Debug)]
pub(super) enum Found {
    /// Nothing: the run ended before its first checkpoint.
    Nothing,
    /// The accounts alone, stored by a former version.
    Accounts(BTreeMap<BookKind, Account>),
    /// A checkpoint.
    Checkpoint(Box<Checkpoint>),
}

/// Reads what there is.
///
/// # Errors
/// With exit code 8 when it is unreadable or was written by a newer version.
pub(super) fn read(context: &Context) -> Result<Found, CliError> {
    #[derive(Deserialize)]
    struct Schema {
        schema: u16,
    }
    let unreadable = |what: &str, error: serde_json::Error| {
        let text = format!("the stored {what} are unreadable: {error}; start another run");
        CliError::new(ExitCode::Data, text)
    };
    let Some(json) = context.documents.get(DOCUMENT) else {
        let Some(json) = context.documents.get(ACCOUNTS) else { return Ok(Found::Nothing) };
        let accounts = serde_json::from_str(json);
        return accounts.map(Found::Accounts).map_err(|error| unreadable("accounts", error));
    };
    let unreadable = |error| unreadable("figures of the checkpoint", error);
    let Schema { schema } = serde_json::from_str(json).map_err(unreadable)?;
    if schema > SCHEMA {
        let text = format!(
            "the run's checkpoint has schema {schema}, and this version reads up to {SCHEMA}: \
             resume it with the version that wrote it, or start another run"
        );
        return Err(CliError::new(ExitCode::Data, text));
    }
    let read = serde_json::from_str(json).map_err(unreadable)?;
    Ok(Found::Checkpoint(Box::new(read)))
}

/// The record that a `checkpoint.taken` is about, from its body.
pub(super) fn seq(body: &str) -> Option<u64> {
    let body: serde_json::Value = serde_json::from_str(body).ok()?;
    body["seq"].as_u64()
}

/// Takes checkpoints of one process's part of a run.
#[derive(Clone, Debug)]
pub(super) struct Taker {
    pub(super) council: Council,
    /// Where safety's saves are numbered.
    pub(super) safety: Arc<SafetyWriter>,
    /// Slices that are played as one chunk.
    pub(super) chunk: usize,
    /// Bars up to here are in session digests that a stop has closed.
    pub(super) digested: Option<Time>,
}

impl Taker {
    /// Takes a checkpoint; it is on the disk when this returns.
    ///
    /// # Errors
    /// When something is under way, or the disk does not take it.
    pub(super) async fn take(
        &self,
        halted_at: Option<Time>,
        ended: Option<End>,
    ) -> Result<Moment, Untaken> {
        let save = self.safety.saves();
        let moment = self.council.moment().await?;
        if self.safety.saves() != save {
            return Err(NoMoment::Busy.into());
        }
        let (chunk, digested) = (self.chunk, self.digested);
        let schema = SCHEMA;
        let whole = Checkpoint { schema, save, chunk, ended, halted_at, digested, moment };
        let context = &self.council.context;
        context.keep(DOCUMENT, &whole, Lasting::AtOnce).await?;
        self.note(&whole.moment).await;
        if context.snapshot().documents.contains_key(ACCOUNTS) {
            // It has done its work; left there it would be taken for the present once.
            let (name, json) = (ACCOUNTS.into(), None);
            let forget = Update::Document { name, json, lasting: Lasting::WithNextFlush };
            let _ = context.tell(vec![forget]).await;
        }
        Ok(whole.moment)
    }

    /// Says in the observations that a checkpoint is on the disk: whoever kills a run can tell from
    /// there what must not be lost.
    async fn note(&self, moment: &Moment) {
        let at = moment.until().unwrap_or(Time::EPOCH);
        let body = serde_json::json!({"seq": moment.head.count});
        if let Ok(record) = record(Step::CheckpointTaken, None, at, &body)
            && let Err(error) = self.council.audit.note(record).await
        {
            tracing::warn!(error = &error as &dyn std::error::Error, "checkpoint not noted");
        }
    }

    /// The checkpoint at the end of a run.
    ///
    /// # Errors
    /// When it could not be taken.
    pub(super) async fn take_last(
        &self,
        halted_at: Option<Time>,
        ended: Option<End>,
    ) -> Result<(), CliError> {
        let mut tried = 0;
        loop {
            tried += 1;
            match self.take(halted_at, ended).await {
                Ok(_) => return Ok(()),
                Err(Untaken::No(NoMoment::Busy)) if tried < TRIES => {}
                Err(error) => {
                    let text = "the run's last checkpoint was not stored";
                    return Err(CliError::new(ExitCode::Failure, text).caused_by(error));
                }
            }
        }
    }
}

/// Why a checkpoint was not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum Untaken {
    /// There was no one moment.
    #[error(transparent)]
    No(#[from] NoMoment),
    /// It was not stored.
    #[error("the checkpoint was not stored")]
    Unstored(#[from] conclave_actors::context::DocumentError),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holding(name: &str, json: &str) -> Context {
        let mut context = Context::default();
        let (name, json) = (name.into(), Some(json.into()));
        let update = Update::Document { name, json, lasting: Lasting::AtOnce };
        context.apply(update, None).unwrap();
        context
    }

    /// Goal: a run of the version before checkpoints is gone on with. Method: the document is one that
    /// such a version has stored.
    #[test]
    fn accounts_of_the_first_schema_are_read() {
        let stored = include_str!("../../tests/fixtures/checkpoint/accounts-1.json");
        let Found::Accounts(accounts) = read(&holding(ACCOUNTS, stored)).unwrap() else {
            panic!("accounts");
        };
        let account = &accounts[&BookKind::Shadow];
        assert!(account.custody.now() > Time::EPOCH && !account.curve.is_empty());
        assert!(matches!(read(&Context::default()), Ok(Found::Nothing)));
    }

    #[test]
    fn a_newer_checkpoint_is_refused_with_what_to_do() {
        let stored = include_str!("../../tests/fixtures/checkpoint/checkpoint-9.json");
        let refused = read(&holding(DOCUMENT, stored)).unwrap_err();
        assert_eq!(refused.code, ExitCode::Data);
        let said = refused.to_string();
        assert!(said.contains("schema 9") && said.contains("with the version that wrote it"));
    }

    #[test]
    fn an_unreadable_checkpoint_is_refused() {
        for nonsense in ["", "{", "[]", r#"{"schema":2}"#, r#"{"schema":-1}"#] {
            let refused = read(&holding(DOCUMENT, nonsense)).unwrap_err();
            assert_eq!(refused.code, ExitCode::Data, "{nonsense}");
        }
    }
}
