//! The market actor: closed bars in, features and signals out.
//!
//! - L-1: what it says of a slice depends on that slice and those before it ([`MarketWatch`]).
//! - D-1: bars that raise nothing are witnessed by one digest a session: count and hash.
//!
//! After a restart it would have forgotten its windows, and nothing in the middle of a run can give
//! them back; a second life is therefore refused, and the run ends with an error instead of with
//! figures that are subtly wrong. A resumed run warms up on the bars that were played.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use conclave_domain::market::digest::{DigestBody, SessionDigest};
use conclave_domain::market::tape::Chunk;
use conclave_domain::record::{Record, Step};
use conclave_domain::watch::{MarketWatch, Seen};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::oneshot;

use crate::audit::{AuditHandle, record};
use crate::runtime::refs::{StableRef, stable};
use crate::runtime::supervision::ChildSpec;

/// What the market actor takes.
#[derive(Debug)]
pub enum MarketMsg {
    /// A chunk of closed bars.
    Bars {
        /// The bars.
        chunk: Arc<Chunk>,
        /// Who waits.
        reply: oneshot::Sender<Seen>,
    },
    /// The run ends: write the last session's digest.
    Finish {
        /// Who waits.
        reply: oneshot::Sender<()>,
    },
}

/// How to reach the market actor.
#[derive(Clone, Debug)]
pub struct MarketHandle(StableRef<MarketMsg>);

/// Somebody that a run cannot go on without is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {0} actor is gone; `conclave run --resume` goes on from the last stored bar")]
pub struct Gone(
    /// Its name.
    pub &'static str,
);

impl MarketHandle {
    /// Steps 1 and 2 for a chunk.
    ///
    /// # Errors
    /// When the actor is gone.
    pub async fn bars(&self, chunk: Arc<Chunk>) -> Result<Seen, Gone> {
        let (reply, answer) = oneshot::channel();
        self.0.cast(MarketMsg::Bars { chunk, reply }).map_err(|_| Gone("market"))?;
        answer.await.map_err(|_| Gone("market"))
    }

    /// Writes what is left to be written.
    pub async fn finish(&self) {
        let (reply, answer) = oneshot::channel();
        if self.0.cast(MarketMsg::Finish { reply }).is_ok() {
            // Gone is gone: the run ends all the same.
            let _ = answer.await;
        }
    }
}

/// Prepares the market actor. `digest` is that of the session in which it begins; `witness` writes
/// digests, if the run is recorded.
pub fn market(
    watch: MarketWatch,
    digest: SessionDigest,
    witness: Option<AuditHandle>,
) -> (ChildSpec, MarketHandle) {
    let (publisher, actor) = stable();
    let started = Arc::new(AtomicBool::new(false));
    let child = ChildSpec::new("market", publisher, move || {
        let second = started.swap(true, Ordering::SeqCst);
        (
            Market,
            (!second).then(|| MarketState {
                watch: watch.clone(),
                witness: witness.clone(),
                digest: digest.clone(),
            }),
        )
    });
    (child, MarketHandle(actor))
}

/// The actor.
#[derive(Debug)]
pub struct Market;

/// What the actor keeps.
#[derive(Debug)]
pub struct MarketState {
    watch: MarketWatch,
    witness: Option<AuditHandle>,
    digest: SessionDigest,
}

impl Actor for Market {
    type Msg = MarketMsg;
    type State = MarketState;
    type Arguments = Option<MarketState>;

    async fn pre_start(
        &self,
        _: ActorRef<MarketMsg>,
        arguments: Self::Arguments,
    ) -> Result<MarketState, ActorProcessingErr> {
        Ok(arguments.ok_or("the market's windows are lost")?)
    }

    async fn handle(
        &self,
        _: ActorRef<MarketMsg>,
        message: MarketMsg,
        state: &mut MarketState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            MarketMsg::Bars { chunk, reply } => {
                let seen = state.watch.on_chunk(&chunk);
                if state.witness.is_some() {
                    let ended = seen.digest(&chunk, &mut state.digest);
                    note(state.witness.as_ref(), ended).await;
                }
                let _ = reply.send(seen);
            }
            MarketMsg::Finish { reply } => {
                let ended = state.digest.end().into_iter().collect();
                note(state.witness.as_ref(), ended).await;
                let _ = reply.send(());
            }
        }
        Ok(())
    }
}

async fn note(witness: Option<&AuditHandle>, ended: Vec<DigestBody>) {
    let written = |body: &DigestBody| record(Step::SessionDigest, None, body.at, body).ok();
    let records: Vec<Record> = ended.iter().filter_map(written).collect();
    if let Some(audit) = witness
        && !records.is_empty()
        && let Err(error) = audit.note_all(records).await
    {
        tracing::error!(error = &error as &dyn std::error::Error, "session digest not written");
    }
}
