//! The pump: plays a tape through the actors, in the driver's order.

use std::ops::Range;
use std::sync::Arc;

use conclave_domain::context::BookKind;
use conclave_domain::market::tape::Chunk;
use conclave_domain::policy::caller::Look;
use conclave_domain::time::Time;
use conclave_domain::watch::{Raised, Seen};
use tokio::sync::watch;

use crate::broker::BrokerError;
use crate::council::Council;
use crate::driver::{Advanced, Played, Stations};
use crate::inline::Attend;
use crate::market::Gone;
use crate::orchestrator::DecideError;
use crate::runtime::compare::Difference;

/// What a chunk means to whoever watches the run: called before it is played.
pub trait Rhythm: Send {
    /// A chunk is about to be played: sets the trading clock, waits for the pace.
    fn before(&mut self, chunk: &Chunk) -> impl Future<Output = ()> + Send;

    /// Slices up to this time were played.
    fn at(&mut self, time: Time);
}

/// The stations of a running council.
#[derive(Debug)]
pub struct Pump<R> {
    /// The council.
    pub council: Council,
    /// Whether somebody asked to stop.
    pub stop: watch::Receiver<bool>,
    /// What goes with the bars.
    pub rhythm: R,
}

/// Why a run could not go on.
#[derive(Debug, thiserror::Error)]
pub enum PumpError {
    /// An actor that the run cannot do without.
    #[error(transparent)]
    Gone(#[from] Gone),
    /// The broker.
    #[error("the broker failed")]
    Broker(#[from] BrokerError),
    /// A decision.
    #[error("a decision could not be made")]
    Decide(#[from] DecideError),
    /// What was played again is not what stands in the log.
    #[error("what is played again is not what stands in the log: {0}")]
    Differs(Box<Difference>),
    /// The market is not heard any more, and only a person can help.
    #[error("the market is not heard any more: {0}")]
    Feed(String),
    /// The root gave up.
    #[error("the council has fallen: {0}")]
    Fallen(String),
}

/// Resolves when somebody asks to stop; never when nobody can ask any more.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

impl<R: Rhythm> Stations for Pump<R> {
    type Event = (BookKind, Attend);
    type Error = PumpError;

    async fn watch(&mut self, chunk: &Arc<Chunk>) -> Result<Seen, PumpError> {
        if let Some(why) = self.council.fallen() {
            return Err(PumpError::Fallen(why));
        }
        self.council.tell_faults().await;
        // A pace is not waited for once somebody asks to stop: the bar in hand is the last one. A council
        // that has fallen plays none.
        tokio::select! {
            biased;
            () = self.rhythm.before(chunk) => {}
            () = stopped(&mut self.stop) => {}
            why = self.council.falls() => return Err(PumpError::Fallen(why)),
        }
        self.council.hurry.quiet().await;
        Ok(self.council.market.bars(Arc::clone(chunk)).await?)
    }

    async fn advance(
        &mut self,
        played: &Played,
        slices: Range<usize>,
    ) -> Result<Advanced<Self::Event>, PumpError> {
        let advanced = self.council.broker.advance(played.clone(), slices).await?;
        let last = advanced.through.saturating_sub(1);
        if let Some(tick) = played.chunk.slice(last).first() {
            self.rhythm.at(tick.bar.close_time);
        }
        Ok(advanced)
    }

    async fn attend(&mut self, (book, event): Self::Event) -> Result<(), PumpError> {
        Ok(self.council.orchestrator.attend(book, event).await?)
    }

    async fn decide(&mut self, raised: Raised) -> Result<(), PumpError> {
        Ok(self.council.orchestrator.decide(raised).await?)
    }

    async fn consider(&mut self, look: Look) -> Result<(), PumpError> {
        Ok(self.council.orchestrator.consider(look).await?)
    }

    fn reviews(&mut self, chunk: &Arc<Chunk>) -> Vec<usize> {
        self.council.rolls.take(chunk);
        self.council.rolls.due(chunk)
    }

    async fn review(&mut self, at: Time) -> Result<(), PumpError> {
        match &self.council.universe {
            Some(universe) => Ok(universe.review(at).await?),
            None => Ok(()),
        }
    }

    fn rest(&mut self) {
        self.council.hurry.rest();
    }

    fn is_stopped(&self) -> bool {
        *self.stop.borrow()
    }
}
