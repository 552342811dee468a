//! A raw strategy through actors: the market actor watches the bars, an actor keeps the account, and
//! the driver plays the tape as it does for a council.
//!
//! - O-1: a council's orders leave through the broker actor, which takes `Cleared<OrderIntent>` and
//!   nothing else. This actor is no second way out: it takes bars and the strategy's calls, never an
//!   order, and the account that turns a call into one ([`RawAccount`]) owns its simulated broker and
//!   knows no other. Nothing that it does leaves the process.
//! - D-1: slices and calls reach the account in the driver's order, so the trades are those of
//!   [`run_raw`](conclave_domain::engine::run_raw).
//!
//! There is nobody to consult, so nothing is recorded and nothing is fenced.

use std::convert::Infallible;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use conclave_domain::engine::{DeskError, EngineError, EngineResult, RawAccount, RawTerms};
use conclave_domain::market::bar::{Bar, Timeframe};
use conclave_domain::market::digest::SessionDigest;
use conclave_domain::market::tape::{Chunk, Tape, Tick};
use conclave_domain::policy::caller::Look;
use conclave_domain::signal::Direction;
use conclave_domain::strategy::Source;
use conclave_domain::time::Time;
use conclave_domain::watch::{MarketWatch, Raised, Seen};
use ractor::{Actor, ActorProcessingErr, ActorRef, SpawnErr};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::driver::{self, Advanced, Played, Stations};
use crate::market::{MarketHandle, market};
use crate::runtime::fence::Fence;
use crate::runtime::refs::{StableRef, stable};
use crate::runtime::supervision::ChildSpec;
use crate::tree::Tree;

/// Why a raw run through the actors ended early.
#[derive(Debug, thiserror::Error)]
pub enum RawError {
    /// As without actors: the strategy, the tape or the account.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// An actor did not start.
    #[error("the actors did not start")]
    Start(#[from] SpawnErr),
    /// An actor that the run cannot do without has ended.
    #[error("the {0} actor is gone")]
    Gone(&'static str),
}

impl From<DeskError> for RawError {
    fn from(error: DeskError) -> Self {
        Self::Engine(error.into())
    }
}

/// Plays a tape through actors and gives what the engine gives. The actors live on `runtime`;
/// `slices` is how many slices travel in one message.
///
/// # Errors
/// See [`RawError`].
pub async fn run(
    mut tape: Tape,
    timeframe: Timeframe,
    source: &(impl Into<Source> + Clone),
    terms: &RawTerms,
    slices: usize,
    runtime: Handle,
) -> Result<EngineResult, RawError> {
    let instruments = Arc::clone(tape.instruments());
    let watch =
        MarketWatch::new(&instruments, timeframe, source, false).map_err(EngineError::from)?;
    let account = RawAccount::new(terms.clone(), &instruments, tape.longest())?;
    let (market_spec, market) = market(watch, SessionDigest::default(), None);
    let (keeper_spec, keeper) = keeper(account);
    let children = vec![market_spec, keeper_spec];
    let tree = Tree::start(children, runtime, Fence::without_flag(), None).await?;
    let mut stations = RawStations { market, keeper };
    let played = driver::play(&mut tape, slices, &mut stations).await;
    let result = match played {
        Ok(_) => stations.ask(|reply| KeeperMsg::Finish { reply }).await,
        Err(error) => Err(error),
    };
    tree.stop().await;
    result
}

/// What the actor takes.
#[derive(Debug)]
enum KeeperMsg {
    /// Slices of a chunk.
    Advance { chunk: Arc<Chunk>, slices: Range<usize>, reply: Reply<()> },
    /// A call on a bar of the slice that was played last.
    Call { at: u16, direction: Direction, bar: Bar, reply: Reply<()> },
    /// A policy is to be asked about a bar of the slice that was played last.
    Consider { look: Box<Look>, reply: Reply<()> },
    /// The data ended.
    Finish { reply: Reply<EngineResult> },
}

type Reply<T> = oneshot::Sender<Result<T, DeskError>>;

/// Prepares the actor that keeps the account. A second life would have forgotten it and is refused.
fn keeper(account: RawAccount) -> (ChildSpec, StableRef<KeeperMsg>) {
    let (publisher, actor) = stable();
    let started = Arc::new(AtomicBool::new(false));
    let child = ChildSpec::new(KEEPER, publisher, move || {
        let second = started.swap(true, Ordering::SeqCst);
        (Keeper, (!second).then(|| account.clone()))
    });
    (child, actor)
}

const KEEPER: &str = "raw account";

struct Keeper;

impl Actor for Keeper {
    type Msg = KeeperMsg;
    type State = Option<RawAccount>;
    type Arguments = Option<RawAccount>;

    async fn pre_start(
        &self,
        _: ActorRef<KeeperMsg>,
        account: Option<RawAccount>,
    ) -> Result<Option<RawAccount>, ActorProcessingErr> {
        account.map(Some).ok_or_else(|| "the account is lost".into())
    }

    async fn handle(
        &self,
        _: ActorRef<KeeperMsg>,
        message: KeeperMsg,
        state: &mut Option<RawAccount>,
    ) -> Result<(), ActorProcessingErr> {
        let Some(account) = state else { return Err("the account is closed".into()) };
        match message {
            KeeperMsg::Advance { chunk, slices, reply } => {
                let _ = reply.send(advance(account, &chunk, slices));
            }
            KeeperMsg::Call { at, direction, bar, reply } => {
                let _ = reply.send(account.call(at, direction, &bar));
            }
            KeeperMsg::Consider { look, reply } => {
                let done = match &look.row {
                    Some(row) => account.consider(look.instrument, &look.policy, row, &look.bar),
                    None => Ok(()),
                };
                let _ = reply.send(done);
            }
            KeeperMsg::Finish { reply } => {
                if let Some(account) = state.take() {
                    let _ = reply.send(account.finish());
                }
            }
        }
        Ok(())
    }
}

fn advance(
    account: &mut RawAccount,
    chunk: &Chunk,
    mut slices: Range<usize>,
) -> Result<(), DeskError> {
    slices.try_for_each(|slice| {
        let ticks = chunk.slice(slice).iter();
        account.slice(ticks.map(|Tick { instrument, bar }| (*instrument, bar)))
    })
}

/// The driver's stations over the two actors.
struct RawStations {
    market: MarketHandle,
    keeper: StableRef<KeeperMsg>,
}

impl RawStations {
    async fn ask<T>(&self, message: impl FnOnce(Reply<T>) -> KeeperMsg) -> Result<T, RawError> {
        let (reply, answer) = oneshot::channel();
        self.keeper.cast(message(reply)).map_err(|_| RawError::Gone(KEEPER))?;
        Ok(answer.await.map_err(|_| RawError::Gone(KEEPER))??)
    }
}

impl Stations for RawStations {
    /// Nobody attends to a raw position: its strategy's next call does.
    type Event = Infallible;
    type Error = RawError;

    async fn watch(&mut self, chunk: &Arc<Chunk>) -> Result<Seen, RawError> {
        self.market.bars(Arc::clone(chunk)).await.map_err(|gone| RawError::Gone(gone.0))
    }

    async fn advance(
        &mut self,
        played: &Played,
        slices: Range<usize>,
    ) -> Result<Advanced<Infallible>, RawError> {
        let (chunk, through) = (Arc::clone(&played.chunk), slices.end);
        self.ask(|reply| KeeperMsg::Advance { chunk, slices, reply }).await?;
        Ok(Advanced { through, events: Vec::new() })
    }

    async fn attend(&mut self, event: Infallible) -> Result<(), RawError> {
        match event {}
    }

    async fn decide(&mut self, raised: Raised) -> Result<(), RawError> {
        let Raised { instrument: at, bar, signal, .. } = raised;
        let direction = signal.direction;
        self.ask(|reply| KeeperMsg::Call { at, direction, bar, reply }).await
    }

    async fn consider(&mut self, look: Look) -> Result<(), RawError> {
        // Without its columns there is nothing to ask.
        if look.row.is_none() {
            return Ok(());
        }
        let look = Box::new(look);
        self.ask(|reply| KeeperMsg::Consider { look, reply }).await
    }

    fn reviews(&mut self, _: &Arc<Chunk>) -> Vec<usize> {
        Vec::new()
    }

    async fn review(&mut self, _: Time) -> Result<(), Self::Error> {
        Ok(())
    }

    fn rest(&mut self) {}

    fn is_stopped(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use conclave_domain::engine::{Directions, Size, run_raw};
    use conclave_domain::fixed::{Bp, Money};
    use conclave_domain::market::csv::{CsvOptions, read_csv};
    use conclave_domain::market::series::Series;
    use conclave_domain::market::symbol::Symbol;
    use conclave_domain::sim_broker::{FillAt, SimConfig};
    use conclave_domain::strategy::StrategyConfig;

    use super::*;

    fn series(name: &str, text: &str) -> Series {
        let options = CsvOptions::new(Symbol::new(name).unwrap());
        read_csv(text.as_bytes(), &options).unwrap().series
    }

    fn terms(fill_at: FillAt, size: Size, directions: Directions) -> RawTerms {
        let broker = SimConfig::raw(fill_at, Bp::whole(20));
        RawTerms { size, directions, broker, cash: Money::from_units(100_000).unwrap() }
    }

    async fn through_actors(
        series: &[Series],
        strategy: &StrategyConfig,
        terms: &RawTerms,
        slices: usize,
    ) -> EngineResult {
        let tape = Tape::new(series.to_vec()).unwrap();
        run(tape, Timeframe::Day, strategy, terms, slices, Handle::current()).await.unwrap()
    }

    /// D-1: the account after a run through actors is the engine's to the last field: trades, orders,
    /// curve and counts.
    #[tokio::test]
    async fn a_raw_run_through_actors_is_the_engines() {
        let goog = [series("GOOG", include_str!("../data/GOOG.csv"))];
        let strategy = StrategyConfig::SmaCross { fast: 10, slow: 20 };
        for fill_at in [FillAt::Close, FillAt::NextOpen] {
            for size in [Size::Units(1), Size::AllIn] {
                for directions in [Directions::Long, Directions::LongShort] {
                    let terms = terms(fill_at, size, directions);
                    let engine = run_raw(&goog, &strategy, &terms).unwrap();
                    assert!(engine.book.trades().len() > 40);
                    for slices in [1, 64] {
                        let actors = through_actors(&goog, &strategy, &terms, slices).await;
                        assert_eq!(actors, engine, "{fill_at:?} {size} {directions:?} {slices}");
                    }
                }
            }
        }
    }

    /// D-1: calls of several symbols at one moment come after all bars of that moment.
    #[tokio::test]
    async fn symbols_that_share_an_account_share_it_through_actors_too() {
        let both = [
            series("GOOG", include_str!("../data/GOOG.csv")),
            series("AAPL", include_str!("../data/AAPL.csv")),
        ];
        let strategy = StrategyConfig::SmaCross { fast: 2, slow: 5 };
        for fill_at in [FillAt::Close, FillAt::NextOpen] {
            let terms = terms(fill_at, Size::AllIn, Directions::LongShort);
            let engine = run_raw(&both, &strategy, &terms).unwrap();
            let actors = through_actors(&both, &strategy, &terms, 100).await;
            assert_eq!(actors, engine, "{fill_at:?}");
        }
    }

    #[tokio::test]
    async fn a_strategy_out_of_bounds_is_refused_before_anything_starts() {
        let goog = series("GOOG", include_str!("../data/GOOG.csv"));
        let tape = Tape::new(vec![goog]).unwrap();
        let strategy = StrategyConfig::SmaCross { fast: 20, slow: 10 };
        let terms = terms(FillAt::Close, Size::AllIn, Directions::Long);
        let refused = run(tape, Timeframe::Day, &strategy, &terms, 64, Handle::current()).await;
        assert!(matches!(refused, Err(RawError::Engine(EngineError::Strategy(_)))));
    }
}
