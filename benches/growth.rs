//! Weeks of running in bounded memory. `cargo bench --bench growth`; `GROWTH_ROUNDS=100000` for fewer
//! rounds than a million, `GROWTH_DIR` for another disk than that of temporary files.
//!
//! Method: the whole council through its actors, five rules brains a round, on everything that `run`
//! stands on (chained audit, sled, journal, metrics, event stream, accounts stored once a second). The
//! market is synthetic and endless: blocks of 28 years of daily bars of twelve symbols, each of a seed
//! of its own, follow one another; the strategy calls whenever a symbol turns. Fills cost nothing and
//! take little of a bar's volume, so that the account neither dies nor outgrows the range of money; one
//! order in fifty is rejected; a halt is lifted at the next chunk as by a person. Resident memory is that
//! of `/proc/self/statm`, bytes are those of all files that the run has written, also of segments of the
//! audit that retention has removed; both are shown every tenth of the rounds, and the growth is that
//! from the first tenth to the end. It fails where that is 20 MB or more.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

#[path = "support/allocator.rs"]
mod allocator;

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use conclave::adapters::audit_files::{AuditFiles, LogOptions};
use conclave::adapters::clock::now;
use conclave::adapters::context_sled::SledStore;
use conclave::adapters::journal_files::JournalFiles;
use conclave::adapters::safety_store::{SafetyDisk, SafetyWriter};
use conclave::adapters::store_writer::StoreWriter;
use conclave::http::events::{Event, Hub};
use conclave_actors::consensus::Patience;
use conclave_actors::council::{AgentSetup, Carried, Council, CouncilSetup, World};
use conclave_actors::driver;
use conclave_actors::news::NewsSetup;
use conclave_actors::pump::{Pump, Rhythm};
use conclave_actors::runtime::fence::Fence;
use conclave_actors::runtime::ports::{AuditSink, Clock, Store};
use conclave_actors::trading::TEAM;
use conclave_domain::brief::trading::TradingState;
use conclave_domain::context::{BookKind, Context, Lasting, Update};
use conclave_domain::custody::CustodyConfig;
use conclave_domain::exits::ExitRules;
use conclave_domain::fixed::{Bp, Money};
use conclave_domain::market::bar::Timeframe;
use conclave_domain::market::series::Series;
use conclave_domain::market::synth::{Preset, SynthConfig, generate};
use conclave_domain::market::tape::{Chunk, Tape};
use conclave_domain::mode::{By, Person};
use conclave_domain::ratio::Ratio;
use conclave_domain::record::Stream;
use conclave_domain::sim_broker::{FillAt, SimConfig};
use conclave_domain::strategy::StrategyConfig;
use conclave_domain::tally::Settle;
use conclave_domain::time::Time;
use conclave_domain::watch::MarketWatch;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Sessions of a block, a little less than its 28 years.
const SESSIONS: usize = 7_000;
/// The calendar repeats itself after 28 years, which are whole weeks.
const BLOCK: Duration = Duration::from_hours(10_227 * 24);
/// Segments of the audit that retention leaves; what it has removed is counted all the same.
const KEPT: u32 = 4;
/// What a bar's volume gives one order: the account's size is bounded by its market, not by the range
/// of money.
const VOLUME_SHARE: f64 = 0.000_1;
/// Growth that is too much, bytes.
const GROWTH_MAX: f64 = 20e6;

fn main() -> Outcome<()> {
    let rounds = std::env::var("GROWTH_ROUNDS").ok().and_then(|text| text.parse().ok());
    let room = match std::env::var("GROWTH_DIR") {
        Ok(dir) => tempfile::tempdir_in(dir)?,
        Err(_) => tempfile::tempdir()?,
    };
    conclave::catalogue::install()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(soak(room.path(), rounds.unwrap_or(1_000_000)))
}

/// Block `nth` of the endless market.
fn block(nth: u32) -> Outcome<Vec<Series>> {
    let config = SynthConfig { symbols: 12, bars: SESSIONS, ..SynthConfig::of(Preset::Default) };
    let mut series = generate(&config, u64::from(nth))?.series;
    for bar in series.iter_mut().flat_map(|one| &mut one.bars) {
        bar.open_time = bar.open_time + BLOCK * nth;
        bar.close_time = bar.close_time + BLOCK * nth;
    }
    Ok(series)
}

async fn soak(dir: &Path, rounds: u64) -> Outcome<()> {
    let tape = Tape::new(block(0)?)?;
    let clock = Arc::<BarClock>::default();
    let council = start(dir, &tape, Arc::clone(&clock)).await?;
    let mut tasks = JoinSet::new();
    tasks.spawn(publish(council.clone()));
    let (stop, stopped) = watch::channel(false);
    let keeper = Keeper {
        council: council.clone(),
        clock,
        stop,
        due: Instant::now(),
        orders: 0,
        samples: Samples::new(dir, rounds),
    };
    let mut pump = Pump { council: council.clone(), stop: stopped.clone(), rhythm: keeper };
    println!(
        "{:>9} {:>9} {:>8} {:>11} {:>9} {:>9}",
        "rounds", "rounds/s", "RSS", "disk/round", "orders", "trades"
    );
    for nth in 0.. {
        let mut tape = Tape::new(block(nth)?)?;
        driver::play(&mut tape, 32, &mut pump).await?;
        if *stopped.borrow() {
            break;
        }
    }
    let stats = council.score.stats();
    println!("verdicts: {:?}", stats.rounds);
    println!("vetoes: {:?}\ndenials: {:?}", stats.vetoes, stats.denials);
    let shown = pump.rhythm.samples.finish();
    tasks.abort_all();
    council.stop().await;
    shown
}

/// The event stream's ring, as the HTTP side fills it.
async fn publish(council: Council) {
    let hub = Arc::new(Hub::default());
    let mut lines = council.audit.subscribe();
    drop(council);
    while let Ok(line) = lines.recv().await {
        if line.stream == Stream::Decisions {
            let data = Arc::clone(&line.text);
            hub.publish(Event { id: line.seq, name: "decision".into(), data });
        }
    }
}

/// What `run` opens, in `dir`.
async fn start(dir: &Path, tape: &Tape, clock: Arc<BarClock>) -> Outcome<Council> {
    let store: Arc<dyn Store> = Arc::new(SledStore::open(&dir.join("context"))?);
    let options = LogOptions { keep_segments: KEPT, ..LogOptions::default() };
    let log = AuditFiles::open(dir, None, options)?;
    let audit: Arc<dyn AuditSink> = Arc::new(log.files);
    let safety_disk = SafetyDisk {
        store: Arc::clone(&store),
        log: Arc::clone(&audit),
        last_block: None,
        replayed: None,
        clock: clock.clone(),
    };
    let world = World {
        audit,
        head: log.head,
        safety: Arc::new(SafetyWriter::start(safety_disk)?),
        store: Arc::new(StoreWriter::start(store)?),
        journal: Some(Arc::new(JournalFiles::open(dir, &BTreeMap::new())?)),
        context: Context::default(),
        clock,
        fence: Fence::without_flag(),
        events: Arc::new(|_| {}),
        ledger: None,
        witness: None,
        outside: None,
        runtime: tokio::runtime::Handle::current(),
    };
    let cash = Money::from_units(10_000_000)?;
    let mut sim = SimConfig::raw(FillAt::NextOpen, Bp::ZERO);
    (sim.volume_share, sim.rejection) = (Some(Ratio::of(VOLUME_SHARE)), Ratio::of(0.02));
    let strategy = StrategyConfig::Momentum { lookback: 1, threshold: Ratio::ZERO };
    let setup = CouncilSetup {
        watch: MarketWatch::new(tape.instruments(), Timeframe::Day, &strategy, true)?,
        instruments: Arc::clone(tape.instruments()),
        custody: CustodyConfig { sim, exits: ExitRules::default(), guarded: true, cash },
        book: BookKind::Shadow,
        stored: BTreeMap::new(),
        limits: Arc::default(),
        budgets: <_>::default(),
        agents: TEAM.iter().map(|entry| (entry.role.name, AgentSetup::default())).collect(),
        faults: Arc::default(),
        approval_expiry: Duration::from_mins(5),
        patience: Patience::Watchdog(Duration::from_mins(1)),
        settle: Settle::All,
        long_only: false,
        news: NewsSetup::default(),
        universe: None,
        carried: Carried::default(),
    };
    let council = Council::start(setup, world).await?;
    let opened = BookKind::ALL.map(|book| Update::BookOpened { book, cash });
    council.context.apply(opened.into(), None).await?;
    Ok(council)
}

/// Market time follows the bars.
#[derive(Debug, Default)]
struct BarClock(AtomicI64);

impl Clock for BarClock {
    fn wall(&self) -> Time {
        now()
    }

    fn trading(&self) -> Time {
        Time::from_ms(self.0.load(Ordering::SeqCst))
    }
}

/// Stores the accounts once a second, lifts halts, looks at the memory, and ends the run.
struct Keeper {
    council: Council,
    clock: Arc<BarClock>,
    stop: watch::Sender<bool>,
    due: Instant,
    orders: usize,
    samples: Samples,
}

impl Rhythm for Keeper {
    async fn before(&mut self, _: &Chunk) {
        let rounds = self.council.score.stats().rounds_total();
        if self.due <= Instant::now() || self.samples.is_due(rounds) {
            if let Ok(accounts) = self.council.broker.export().await {
                self.orders = accounts.values().map(|account| account.custody.orders().len()).sum();
                let kept = self.council.context.keep("accounts", &accounts, Lasting::AtOnce).await;
                if let Err(error) = kept {
                    println!("the accounts were not stored: {error}");
                }
            }
            self.due = Instant::now() + Duration::from_secs(1);
        }
        let books = &self.council.broker.view().books;
        let trades = books.iter().map(|book| book.trades).sum();
        if self.samples.look(rounds, (self.orders, trades)) {
            self.stop.send_replace(true);
        }
        if self.council.safety.standing().trading_state == TradingState::Halted {
            let by = By::Person(Person::authenticated("bench", "growth"));
            if self.council.safety.set_state(TradingState::Active, by, "a soak").await.is_ok() {
                self.council.broker.halt_lifted();
            }
        }
    }

    fn at(&mut self, time: Time) {
        self.clock.0.store(time.ms(), Ordering::SeqCst);
    }
}

/// The figures of every tenth.
struct Samples {
    dir: std::path::PathBuf,
    step: u64,
    rounds: u64,
    began: Instant,
    /// Rounds and resident bytes.
    seen: Vec<(f64, f64)>,
}

impl Samples {
    fn new(dir: &Path, rounds: u64) -> Self {
        let step = (rounds / 10).max(1);
        Self { dir: dir.to_owned(), step, rounds, began: Instant::now(), seen: Vec::new() }
    }

    fn is_due(&self, rounds: u64) -> bool {
        self.step * (self.seen.len() as u64 + 1) <= rounds
    }

    /// Shows a line where one is due; whether that was the last.
    fn look(&mut self, rounds: u64, (orders, trades): (usize, usize)) -> bool {
        if !self.is_due(rounds) {
            return false;
        }
        #[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
        let (count, resident, disk) = (rounds as f64, resident() as f64, size(&self.dir) as f64);
        println!(
            "{rounds:>9} {:>9.0} {:>5.1} MB {:>9.0} B {orders:>9} {trades:>9}",
            count / self.began.elapsed().as_secs_f64(),
            resident / 1e6,
            disk / count
        );
        self.seen.push((count, resident));
        self.rounds <= rounds
    }

    /// Growth and slope from the first line on.
    fn finish(&self) -> Outcome<()> {
        let (Some(first), Some(last)) = (self.seen.first(), self.seen.last()) else {
            return Err("no tenth was reached".into());
        };
        let growth = last.1 - first.1;
        let highest = self.seen.iter().map(|seen| seen.1).fold(0.0, f64::max);
        println!(
            "RSS from {:.0} to {:.0} rounds: {:+.1} MB (at most {:.0}), at its highest {:+.1} MB, \
             slope {:+.2} MB per 100,000 rounds",
            first.0,
            last.0,
            growth / 1e6,
            GROWTH_MAX / 1e6,
            (highest - first.1) / 1e6,
            slope(&self.seen) * 1e5 / 1e6
        );
        if growth < GROWTH_MAX { Ok(()) } else { Err("the memory grows".into()) }
    }
}

/// Least squares: bytes per round.
fn slope(seen: &[(f64, f64)]) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "ten")]
    let count = seen.len().max(1) as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| seen.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|seen| seen.0), mean(|seen| seen.1));
    let (top, bottom) = seen.iter().fold((0.0, 0.0), |(top, bottom), seen| {
        (top + (seen.0 - x) * (seen.1 - y), bottom + (seen.0 - x).powi(2))
    });
    if bottom > 0.0 { top / bottom } else { 0.0 }
}

/// Resident bytes, as the kernel says them; zero where it does not.
fn resident() -> u64 {
    let text = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or_default() * 4_096
}

/// Bytes of all files below a directory, and of the audit's segments that were removed from it.
fn size(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    let mut first: BTreeMap<String, u64> = BTreeMap::new();
    let mut bytes = 0;
    for entry in entries.flatten() {
        bytes += match entry.metadata() {
            Ok(found) if found.is_dir() => size(&entry.path()),
            Ok(found) => found.len(),
            Err(_) => 0,
        };
        let name = entry.file_name().to_string_lossy().into_owned();
        let parts = name.strip_suffix(".jsonl").and_then(|name| name.rsplit_once('-'));
        if let Some((stream, nth)) =
            parts.and_then(|(stream, nth)| Some((stream, nth.parse().ok()?)))
        {
            let first = first.entry(stream.to_owned()).or_insert(nth);
            *first = nth.min(*first);
        }
    }
    let removed: u64 = first.values().map(|first| first.saturating_sub(1)).sum();
    bytes + removed * LogOptions::default().segment_bytes
}
