//! `run --broker alpaca`: the council on an open market, with a broker outside.
//!
//! The same stations as a replay; bars come from a stream instead of a file, orders leave for the
//! broker, and the account is what the broker says it is. Who is who:
//!
//! - [`feed`] gathers the stream's bars into slices and fills gaps from history;
//! - [`carry`] takes orders to the broker and finds out what became of each;
//! - [`news`] hears what happens to orders, and asks for what was missed;
//! - [`statement`] reads the account as a whole, at the start, every half hour, and after a doubt.

pub(in crate::run) mod carry;
pub(in crate::run) mod feed;
mod news;
mod past;
mod press;
mod statement;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use conclave_actors::broker::Outside;
use conclave_actors::council::Council;
use conclave_actors::driver::{self, Feed};
use conclave_actors::pump::PumpError;
use conclave_actors::runtime::ports::Clock;
use conclave_domain::alpaca::rules::AssetFlags;
use conclave_domain::alpaca::stream::Channels;
use conclave_domain::alpaca::{Asset, Stamp};
use conclave_domain::away::AwayTerms;
use conclave_domain::fixed::{Money, Price};
use conclave_domain::market::bar::Timeframe;
use conclave_domain::market::series::Series;
use conclave_domain::market::symbol::{AssetClass, Symbol};
use conclave_domain::market::tape::{Chunk, Instrument};
use conclave_domain::time::Time;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use self::carry::{Carrier, Route};
use self::feed::LiveFeed;
use self::news::Ears;
use self::past::History;
use self::press::NewsDesk;
use self::statement::{Reader, Skew};
use super::clock::ReplayClock;
use super::keep::Keeping;
use super::money;
use crate::adapters::alpaca_http::{Alpaca, AlpacaError, KEY_ID, Keys, SECRET_KEY, Venue};
use crate::adapters::alpaca_stream::{
    DataStream, Inbox, StreamEnd, StreamSettings, follow_data, follow_orders,
};
use crate::adapters::clock::now;
use crate::cli::error::{CliError, ExitCode};
use crate::config::{AlpacaSettings, Config};

/// How long a stream may be silent before it counts as dead; pings included.
const IDLE: Duration = Duration::from_mins(1);
/// How often it is looked whether a checkpoint is wished for.
const LOOK: Duration = Duration::from_millis(250);
/// The key of the address of the stream of orders.
const STREAM_URL: &str = "alpaca.stream_url";
/// Messages of market data that may wait.
const ROOM: NonZeroUsize = NonZeroUsize::new(4_096).expect("4,096 is not zero");
/// How long a bar is owed.
const FEED_AGE: &str = "conclave_feed_age_seconds";
/// Bars of a run that are kept for its report, of all symbols together: a year of minutes of one.
const KEPT_MAX: usize = 200_000;

/// An open market and a broker outside. Cheap to clone.
#[derive(Clone)]
pub(in crate::run) struct Live(Arc<Parts>);

struct Parts {
    alpaca: Arc<Alpaca>,
    keys: Keys,
    settings: AlpacaSettings,
    /// What is traded, and what the broker said of it then.
    symbols: BTreeMap<Symbol, AssetFlags>,
    terms: AwayTerms,
    timeframe: Timeframe,
    /// The broker's time when it was connected to.
    at: Time,
    /// Its cash then.
    cash: Money,
    /// When the session of shares ends that goes on then, or the next one.
    close: Time,
    /// Whether the run ends there.
    leaves_at_close: AtomicBool,
    /// Bars that were played, for the report.
    played: Mutex<Vec<Chunk>>,
    /// Whoever has a reason to compare the account says so here.
    doubt: Arc<Notify>,
    /// For how long a bar is owed, milliseconds.
    owed_ms: AtomicU64,
    /// Why a stream is not followed any more, where only a person can help.
    over: Mutex<Option<String>>,
    /// When the first of them opened, and the last closed.
    span: Mutex<Option<(Time, Time)>>,
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").field("symbols", &self.0.symbols).finish_non_exhaustive()
    }
}

impl Live {
    /// Says for how long a bar is owed.
    fn owe(&self, age: Duration) {
        metrics::gauge!(FEED_AGE).set(age.as_secs_f64());
        let ms = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        self.0.owed_ms.store(ms, Ordering::Relaxed);
    }

    /// For how long a bar is owed: nothing while none is due.
    pub(in crate::run) fn owed(&self) -> Duration {
        Duration::from_millis(self.0.owed_ms.load(Ordering::Relaxed))
    }

    /// Asks the broker for its clock, the account and each symbol. Blocks; outside of every runtime.
    ///
    /// # Errors
    /// When keys are missing or wrong, the account may not trade, a symbol is not traded there, or the
    /// clocks are apart.
    pub(in crate::run) fn connect(
        config: &Config,
        symbols: &[Symbol],
        timeframe: Timeframe,
    ) -> Result<Self, CliError> {
        let keys = Keys::from_env().map_err(refused)?.ok_or_else(|| {
            let text = format!("{KEY_ID} and {SECRET_KEY} are not set: they open the account");
            CliError::new(ExitCode::Config, text)
        })?;
        let settings = config.alpaca.clone();
        let alpaca = Alpaca::new(settings.clone(), &keys).map_err(refused)?;
        money::agree(money::of(config), alpaca.venue(), alpaca.address())
            .map_err(|text| CliError::new(ExitCode::Config, text))?;
        // The stream's address is of the same money, or the keys are shown to nobody at all.
        StreamSettings::new(STREAM_URL, &settings.stream_url, &keys, IDLE).map_err(refused)?;
        blocking(async move {
            let account = alpaca.account().await.map_err(refused)?;
            if let Some(why) = account.block() {
                return Err(CliError::new(ExitCode::Denied, format!("the account: {why}")));
            }
            let (clock, local) = (alpaca.clock().await.map_err(refused)?, now());
            let at = clock.timestamp.time();
            if let Some(skew) = Skew::of(alpaca.venue(), at, local, None) {
                return Err(CliError::new(ExitCode::Failure, skew.to_string()));
            }
            let (mut assets, mut terms) = (BTreeMap::new(), AwayTerms::default());
            for symbol in symbols {
                let asset = alpaca.asset(symbol.as_str()).await.map_err(refused)?;
                let is_traded = |asset: &Asset| AssetFlags::from(asset).tradable;
                let asset = asset.filter(is_traded).ok_or_else(|| {
                    CliError::new(
                        ExitCode::Usage,
                        format!("--symbols: {symbol} is not traded there"),
                    )
                })?;
                terms.steps.extend(step(symbol, &asset));
                assets.insert(symbol.clone(), AssetFlags::from(&asset));
            }
            Ok(Self(Arc::new(Parts {
                alpaca: Arc::new(alpaca),
                keys,
                settings,
                symbols: assets,
                terms,
                timeframe,
                at,
                cash: account.cash,
                close: clock.next_close.time(),
                leaves_at_close: AtomicBool::new(false),
                played: Mutex::default(),
                doubt: Arc::default(),
                owed_ms: AtomicU64::new(0),
                over: Mutex::default(),
                span: Mutex::default(),
            })))
        })
    }

    /// Closed bars up to now, to warm the market up. Blocks; outside of every runtime.
    ///
    /// # Errors
    /// When the history cannot be had, or there is none.
    pub(in crate::run) fn past(&self) -> Result<Vec<Series>, CliError> {
        let history = self.history();
        let until = self.0.at;
        let series = blocking(async move {
            let warm = history.warm_up(until).await;
            warm.map_err(|why| CliError::new(ExitCode::Failure, why))
        })?;
        if series.iter().all(|one| one.bars.is_empty()) {
            let text = "the broker has no bars of these symbols to warm up on";
            return Err(CliError::new(ExitCode::Data, text));
        }
        Ok(series)
    }

    fn classes(&self) -> impl Iterator<Item = (Symbol, AssetClass)> {
        self.0.symbols.iter().map(|(symbol, asset)| (symbol.clone(), asset.class))
    }

    fn history(&self) -> History {
        let parts = &self.0;
        History {
            alpaca: Arc::clone(&parts.alpaca),
            symbols: self.classes().collect(),
            timeframe: parts.timeframe,
        }
    }

    /// What a run is gone on with: the symbols, not the bars, which are still to come.
    pub(in crate::run) fn data_hash(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"conclave-live/1\n");
        for (symbol, class) in self.classes() {
            let line = format!("{symbol} {} {}\n", class.name(), self.0.timeframe.name());
            hasher.update(line.as_bytes());
        }
        hasher.finalize().to_hex().to_string()
    }

    /// The account's cash when it was connected to.
    pub(in crate::run) fn cash(&self) -> Money {
        self.0.cash
    }

    /// The run ends with the session of shares.
    pub(in crate::run) fn leave_at_close(&self) {
        self.0.leaves_at_close.store(true, Ordering::SeqCst);
    }

    /// When the run ends by itself.
    fn ends_at(&self) -> Option<Time> {
        self.0.leaves_at_close.load(Ordering::SeqCst).then_some(self.0.close)
    }

    /// Whether market time is that of the clock on the wall: not at an exchange on this machine, which
    /// has a time of its own.
    pub(in crate::run) fn is_on_wall_time(&self) -> bool {
        self.0.alpaca.venue() != Venue::Here
    }

    /// The way to the broker, and who will walk it.
    pub(in crate::run) fn outside(&self, clock: Arc<dyn Clock>) -> (Outside, Carrier) {
        let parts = &self.0;
        let doubt = Arc::clone(&parts.doubt);
        let (route, carrier) =
            Route::new(Arc::clone(&parts.alpaca), parts.symbols.clone(), clock, doubt);
        (Outside { route: Arc::new(route), terms: parts.terms.clone() }, carrier)
    }

    /// The word for where it is.
    pub(in crate::run) fn venue(&self) -> &'static str {
        self.0.alpaca.venue().name()
    }

    /// When the first bar that was played opened and the last one closed, and when the session of
    /// shares ends; `None` where nothing was played.
    pub(in crate::run) fn session(&self) -> Option<((Time, Time), Time)> {
        let span = *self.0.span.lock().unwrap_or_else(PoisonError::into_inner);
        span.map(|span| (span, self.0.close))
    }

    /// Keeps a slice for the report.
    pub(in crate::run) fn played(&self, chunk: &Chunk) {
        if let Some(bar) = chunk.ticks().first().map(|tick| tick.bar) {
            let mut span = self.0.span.lock().unwrap_or_else(PoisonError::into_inner);
            *span = Some((span.map_or(bar.open_time, |(first, _)| first), bar.close_time));
        }
        let mut played = self.0.played.lock().unwrap_or_else(PoisonError::into_inner);
        if played.len() < KEPT_MAX {
            played.push(chunk.clone());
        }
    }

    /// The bars that were played, as series.
    pub(in crate::run) fn series(&self, instruments: &[Instrument]) -> Vec<Series> {
        let fresh = |of: &Instrument| Series {
            symbol: of.symbol.clone(),
            class: of.class,
            timeframe: self.0.timeframe,
            bars: Vec::new(),
        };
        let mut series: Vec<Series> = instruments.iter().map(fresh).collect();
        let played = self.0.played.lock().unwrap_or_else(PoisonError::into_inner);
        for tick in played.iter().flat_map(Chunk::ticks) {
            if let Some(one) = series.get_mut(usize::from(tick.instrument)) {
                one.bars.push(tick.bar);
            }
        }
        series
    }

    /// Connects the council: orders are carried and heard of, the account is brought to what the broker
    /// says. Returns the work that goes on, which ends when it is dropped.
    ///
    /// # Errors
    /// When the account cannot be read or taken over.
    pub(in crate::run) async fn join(
        &self,
        council: &Council,
        carrier: Carrier,
        clock: Arc<dyn Clock>,
    ) -> Result<JoinSet<()>, CliError> {
        let parts = &self.0;
        let symbols: Vec<Symbol> = parts.symbols.keys().cloned().collect();
        let alpaca = Arc::clone(&parts.alpaca);
        let (room, of) = (council.news.clone(), symbols.clone());
        let mut desk = NewsDesk::new(Arc::clone(&alpaca), room, Arc::clone(&clock), of);
        desk.ask().await;
        let mut reader =
            Reader { alpaca, council: council.clone(), symbols, clock, is_carried: false };
        let taken = async {
            reader.take_back().await?;
            reader.reconcile().await
        };
        taken.await.map_err(|why| {
            CliError::new(ExitCode::Failure, format!("the account was not taken over: {why}"))
        })?;
        reader.is_carried = true;
        let stream = self.stream(STREAM_URL, &parts.settings.stream_url)?;
        let (out, heard) = tokio::sync::mpsc::channel(256);
        let mut work = JoinSet::new();
        work.spawn(carrier.carry(council.broker.clone()));
        let live = self.clone();
        work.spawn(async move { live.ended("orders", follow_orders(stream, out).await) });
        let (every, doubt) = (parts.settings.reconcile_every, Arc::clone(&parts.doubt));
        work.spawn(Ears { reader, every, doubt }.hear(heard));
        work.spawn(desk.follow());
        Ok(work)
    }

    /// The feed, which goes on behind `closed`.
    ///
    /// # Errors
    /// When an address of a stream is not taken.
    pub(in crate::run) fn feed(
        &self,
        instruments: &Arc<[Instrument]>,
        (closed, clock): (Time, Arc<ReplayClock>),
        work: &mut JoinSet<()>,
    ) -> Result<LiveFeed<History>, CliError> {
        let parts = &self.0;
        let base = &parts.settings.data_stream_url;
        let (out, heard) = tokio::sync::mpsc::channel(ROOM.get());
        let classes: BTreeSet<AssetClass> = self.classes().map(|(_, class)| class).collect();
        for class in classes {
            let stream = match class {
                AssetClass::Equity => DataStream::of_feed(&parts.settings.feed),
                AssetClass::Crypto => DataStream::Crypto,
            };
            let settings = self.stream("alpaca.data_stream_url", &stream.address(base))?;
            let of_class = self.classes().filter(|(_, of)| *of == class);
            let bars = of_class.map(|(symbol, _)| symbol.as_str().to_owned()).collect();
            let (inbox, listener) = Inbox::new(ROOM);
            let wanted = Channels { bars, ..Channels::default() };
            let live = self.clone();
            work.spawn(async move {
                live.ended("bars", follow_data(settings, wanted, inbox).await);
            });
            work.spawn(past::translate(listener, (class, parts.timeframe), out.clone()));
        }
        Ok(LiveFeed::new(heard, self.history(), instruments, (closed, clock)))
    }

    /// A stream has ended. One that only a person can bring back ends the run: half of a market, or an
    /// account that is heard of twice an hour, is no market to trade in.
    fn ended(&self, stream: &str, end: StreamEnd) {
        tracing::warn!(stream, ?end, "a stream is not followed any more");
        if let StreamEnd::Operator { why } = end {
            let mut over = self.0.over.lock().unwrap_or_else(PoisonError::into_inner);
            over.get_or_insert(format!("the stream of {stream}: {why}"));
        }
    }

    fn over(&self) -> Option<String> {
        self.0.over.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn stream(&self, key: &'static str, url: &str) -> Result<StreamSettings, CliError> {
        StreamSettings::new(key, url, &self.0.keys, IDLE).map_err(refused)
    }
}

/// The step of prices of a coin; shares have the rule that everybody knows.
fn step(symbol: &Symbol, asset: &Asset) -> Option<(Symbol, Price)> {
    asset.price_increment.map(|step| (symbol.clone(), step))
}

/// What a failure means to the shell; keys of other money are told how one knows them.
fn refused(error: AlpacaError) -> CliError {
    let is_other_money = matches!(error, AlpacaError::WrongKeys { .. });
    let mut refused = CliError::from(error);
    if is_other_money {
        let how = "a key's id begins with PK in paper money and with AK in real money, and \
                   alpaca.trading_url and alpaca.stream_url must be of the same";
        refused.message = format!("{}; {how}", refused.message);
    }
    refused
}

/// Runs work of the start, before the run has its runtime.
fn blocking<T>(work: impl Future<Output = Result<T, CliError>>) -> Result<T, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(work)
}

/// A moment as the broker writes it.
fn stamp(time: Time) -> Stamp {
    Stamp::from(time)
}

/// A council that is connected to an open market.
pub(in crate::run) struct Joined {
    pub(in crate::run) live: Live,
    pub(in crate::run) feed: LiveFeed<History>,
    /// The streams and the carrier; they end with it.
    pub(in crate::run) work: JoinSet<()>,
}

/// Plays slices as they close, until somebody asks to stop or the session that was asked for is over;
/// returns the bars played. Checkpoints are taken while nothing is played.
///
/// # Errors
/// When a station cannot go on, the council has fallen, or a stream is over for good.
pub(in crate::run) async fn play(
    mut joined: Joined,
    council: &Council,
    stations: &mut Keeping,
    mut stop: watch::Receiver<bool>,
) -> Result<usize, PumpError> {
    let mut bars = 0;
    loop {
        stations.keep_if_due().await;
        let Joined { feed, live, .. } = &mut joined;
        let Some(chunk) = wait((feed, live), council, stations, &mut stop).await? else {
            break;
        };
        joined.live.played(&chunk);
        let last = chunk.ticks().first().map(|tick| tick.bar.close_time);
        bars += driver::play(&mut Once(Some(chunk)), 1, stations).await?;
        let ends_at = joined.live.ends_at();
        if ends_at.is_some_and(|end| last.is_some_and(|last| end <= last)) {
            break;
        }
    }
    // What has ended owes no bar.
    joined.live.owe(Duration::ZERO);
    joined.work.shutdown().await;
    Ok(bars)
}

/// Waits for the next slice. What people do meanwhile is in a checkpoint soon.
async fn wait(
    (feed, live): (&mut LiveFeed<History>, &Live),
    council: &Council,
    stations: &mut Keeping,
    stop: &mut watch::Receiver<bool>,
) -> Result<Option<Chunk>, PumpError> {
    let mut owed = feed.owed();
    let mut next = std::pin::pin!(feed.next(stop));
    loop {
        tokio::select! {
            biased;
            why = council.falls() => return Err(PumpError::Fallen(why)),
            chunk = &mut next => match live.over() {
                Some(why) if chunk.is_none() => return Err(PumpError::Feed(why)),
                _ => return Ok(chunk),
            },
            () = tokio::time::sleep(LOOK) => {}
        }
        if let Some(why) = live.over() {
            return Err(PumpError::Feed(why));
        }
        live.owe(owed.age());
        if council.hurry.is_wished() {
            stations.keep_if_due().await;
        }
    }
}

/// A feed of one slice.
struct Once(Option<Chunk>);

impl Feed for Once {
    fn next_chunk(&mut self, _: usize) -> Option<Chunk> {
        self.0.take()
    }
}
