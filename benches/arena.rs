//! Five models' desks at one tick over real HTTP on loopback. `cargo bench --bench arena`.
//!
//! Method: a provider of ours in this process answers every question after 200 ms by the schema that it is
//! asked for; five contestants ask it as OpenRouter, each with a desk of twelve roles, on ten symbols: 600
//! calls a tick, through actors, permits, gateway, wire, envelope and clamp, on two worker threads. A desk's
//! critical path is nine calls one after the other: the four analysts speak at once. Connections are kept
//! from a first tick that is not counted; median of seven ticks, over the nine calls' 1.8 s. Bound: 1.10.
//! Budgets are in memory here and nothing is recorded: what a disk adds is the disk's.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![expect(clippy::expect_used, reason = "the provider is that of the tests")]

#[path = "support/allocator.rs"]
mod allocator;
#[path = "../tests/provider.rs"]
#[expect(dead_code, reason = "the tests ask it for more")]
mod provider;

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use conclave::adapters::model_http::Key;
use conclave::adapters::openai_http::OpenAiHttp;
use conclave_actors::arena::desk::{DeskSetup, desk, entry};
use conclave_actors::arena::{Arena, ArenaLog, Question, Seat};
use conclave_actors::models::port::Model;
use conclave_actors::models::{
    Gateway, ModelBrain, Models, ProviderSettings, Retry, RouteSpec, RungSpec, wire,
};
use conclave_actors::runtime::brain::Brain;
use conclave_actors::runtime::directory::Directory;
use conclave_actors::runtime::fence::Fence;
use conclave_actors::runtime::supervision::Intensity;
use conclave_actors::safety::SafetySetup;
use conclave_actors::testkit::clock::ManualClock;
use conclave_actors::testkit::memory_audit::MemoryAudit;
use conclave_actors::testkit::memory_safety::MemorySafety;
use conclave_domain::arena::desk::brief::{DeskBrief, MarketTold};
use conclave_domain::arena::desk::{DeskConfig, DeskMind, DeskRole, DeskSpec};
use conclave_domain::arena::market::MarketKind;
use conclave_domain::arena::season::{ContestantKind, ContestantSpec, Season, SeasonSpec};
use conclave_domain::arena::snapshot::MarketView;
use conclave_domain::arena::words::{Brought, ContestantName};
use conclave_domain::budget::{BudgetConfig, WhenSpent};
use conclave_domain::fixed::{Money, Price, Volume};
use conclave_domain::limits::Limits;
use conclave_domain::llm::price::{PriceFile, PriceRow, PriceTable, PriceTier};
use conclave_domain::market::bar::{Bar, Timeframe};
use conclave_domain::market::series::Series;
use conclave_domain::market::symbol::{AssetClass, Symbol};
use conclave_domain::ratio::Ratio;
use conclave_domain::time::Time;
use tokio::runtime::{Builder, Handle};
use tokio::time::Instant;

type Outcome<T> = Result<T, Box<dyn Error>>;

const MODELS: [&str; 5] = ["one", "two", "three", "four", "five"];
const SYMBOLS: usize = 10;
const TICKS: usize = 7;
const LATENCY: Duration = Duration::from_millis(200);
/// Analysts, bull, bear, research manager, trader, three about risk, portfolio manager.
const CRITICAL: u32 = 9;
const DAY_MS: i64 = 86_400_000;
/// Bars before the first tick.
const WARM: usize = 60;

fn main() -> Outcome<()> {
    let plan = provider::Plan { latency: LATENCY, ..provider::Plan::default() };
    let served = provider::Provider::new(plan);
    let workers = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    workers.block_on(measure(&served.url()))
}

async fn measure(url: &str) -> Outcome<()> {
    let mut market = Market::new()?;
    let (seats, safeties): (Vec<Seat>, Vec<_>) = {
        let models = models(url)?;
        let seated: Outcome<Vec<_>> = market
            .season
            .spec()
            .contestants
            .iter()
            .map(|one| seat(one, &market, &models))
            .collect();
        seated?.into_iter().unzip()
    };
    let sink = Arc::new(MemoryAudit::default());
    let log = ArenaLog { head: sink.anchor(), sink, fence: Fence::new(Box::new(|| false)) };
    let arena = Arena::start(seats, log, Duration::from_mins(1), Handle::current()).await?;
    for safety in safeties.iter().flatten() {
        safety.begin_run("bench");
    }
    market.tick(&arena).await?;
    let mut took = Vec::new();
    for _ in 0..TICKS {
        took.push(market.tick(&arena).await?);
    }
    arena.stop().await;
    took.sort_by(f64::total_cmp);
    let (median, path) = (took[TICKS / 2], (LATENCY * CRITICAL).as_secs_f64());
    println!(
        "5 models x {SYMBOLS} symbols x 12 calls  {median:>8.3} s a tick, {:.3} of its critical path \
         (bound 1.10; {:.3} to {:.3} s)",
        median / path,
        took[0],
        took[TICKS - 1],
    );
    Ok(())
}

/// A season, as far as questions are made of it.
struct Market {
    season: Season,
    series: Arc<[Series]>,
    next: usize,
}

impl Market {
    fn new() -> Outcome<Self> {
        let symbols: Vec<Symbol> =
            (0..SYMBOLS).map(|nth| Symbol::new(&format!("S{nth}"))).collect::<Result<_, _>>()?;
        let series = symbols.iter().map(|symbol| Series {
            symbol: symbol.clone(),
            class: AssetClass::Equity,
            timeframe: Timeframe::Day,
            bars: (0..=WARM + TICKS).map(bar).collect(),
        });
        let contestants = MODELS.map(|name| ContestantSpec {
            name: name.parse().expect("a signature"),
            kind: ContestantKind::Desk(DeskSpec {
                mind: DeskMind::Model,
                config: DeskConfig::default(),
                model: None,
            }),
            cash: Money::from_raw(10_000 * Money::SCALE),
        });
        let spec = SeasonSpec {
            season: "bench".to_owned(),
            market: MarketKind::Us,
            symbols: symbols.clone(),
            slot: Ratio::new(0.1)?,
            shorts: false,
            contestants: contestants.to_vec(),
        };
        let series: Arc<[Series]> = series.collect();
        let mut season = Season::new(spec)?;
        for nth in 0..WARM {
            let slice: Vec<(Symbol, Bar)> =
                symbols.iter().map(|symbol| (symbol.clone(), bar(nth))).collect();
            season.warm(bar(nth).close_time, &slice)?;
        }
        Ok(Self { season, series, next: WARM })
    }

    /// Plays the next tick; how long all desks took together, seconds.
    async fn tick(&mut self, arena: &Arena) -> Outcome<f64> {
        let bar = bar(self.next);
        self.next += 1;
        let slice: Vec<(Symbol, Bar)> =
            self.season.spec().symbols.iter().map(|symbol| (symbol.clone(), bar)).collect();
        let opened = self.season.on_slice(bar.close_time, &slice)?;
        let snapshot = Arc::new(opened.snapshot);
        let mut questions = BTreeMap::new();
        for (name, book) in self.season.books() {
            let question = Question {
                snapshot: Arc::clone(&snapshot),
                view: MarketView::new(Arc::clone(&self.series), bar.close_time),
                book: book.view()?,
                lessons: BTreeMap::new(),
                library: Arc::default(),
            };
            questions.insert(name.clone(), question);
        }
        let begun = Instant::now();
        let answered = arena.ask(questions).await;
        let took = begun.elapsed().as_secs_f64();
        let all = answered.values().flat_map(|one| one.brought.values());
        if let Some(other) = all.clone().find(|one| !matches!(one, Brought::Decided(_))) {
            return Err(format!("a desk did not decide: {other:?}").into());
        }
        if all.count() != MODELS.len() * SYMBOLS {
            return Err("somebody was not asked".into());
        }
        self.season.close_tick(answered)?;
        Ok(took)
    }
}

/// A day of every share, rising a little.
fn bar(nth: usize) -> Bar {
    let day = i64::try_from(nth).expect("few days");
    let price = |cents: i64| Price::from_raw(cents * (Price::SCALE / 100));
    let open = 10_000 + day * 10;
    Bar {
        open_time: Time::from_ms(day * DAY_MS),
        close_time: Time::from_ms(day * DAY_MS + DAY_MS / 4),
        open: price(open),
        high: price(open + 30),
        low: price(open - 20),
        close: price(open + 10),
        volume: Volume::from_raw(1_000_000 * Volume::SCALE),
    }
}

fn models(url: &str) -> Outcome<Models> {
    let key = Key::new("this benchmark", "sk-bench-arena")?;
    let server: Arc<dyn Model> = Arc::new(OpenAiHttp::openrouter(url, key)?);
    let settings = ProviderSettings { per_minute: None, in_flight: 1_000 };
    let tier = PriceTier::flat("0.1".parse()?);
    let row = PriceRow { names: MODELS.map(str::to_owned).to_vec(), tiers: vec![tier], date: None };
    let (date, source) = ("2026-11-21".to_owned(), "this benchmark".to_owned());
    Ok(Models {
        providers: BTreeMap::from([("openrouter".to_owned(), server)]),
        gateway: Gateway::new(BTreeMap::from([("openrouter".to_owned(), settings)])),
        prices: Arc::new(PriceTable::of(PriceFile { date, source, models: vec![row] })?),
        tape: None,
        attempts_paid: 2,
        has_rules: false,
    })
}

fn seat(
    one: &ContestantSpec,
    market: &Market,
    models: &Models,
) -> Outcome<(Seat, Option<conclave_actors::safety::SafetyHandle>)> {
    let spec = market.season.spec();
    let mut brains: BTreeMap<DeskRole, Arc<dyn Brain<DeskBrief>>> = BTreeMap::new();
    for role in DeskRole::ALL {
        let rungs = vec![rung(&one.name)];
        let brain = ModelBrain::new(entry(role), &Limits::default(), rungs, models)?;
        brains.insert(role, Arc::new(brain));
    }
    let told = MarketTold::of(&spec.rules(), spec.slot);
    let names = (spec.season.as_str(), &one.name);
    let by_rules = DeskSetup::by_rules(names, DeskConfig::default(), told);
    Ok(desk(DeskSetup { brains, safety: Some(safety()), reads_prompts: true, ..by_rules }))
}

fn safety() -> SafetySetup {
    let most = Money::from_raw(1_000 * Money::SCALE);
    let hour = BudgetConfig::HARD_CONSULTATIONS_PER_HOUR;
    let budgets = BudgetConfig {
        team_per_hour: hour,
        all_per_hour: hour,
        usd_per_call: most,
        usd_per_run: most,
        usd_per_day: most,
        usd_per_hour: most,
        when_spent: WhenSpent::Abstain,
        ..BudgetConfig::default()
    };
    SafetySetup {
        budgets,
        store: Arc::new(MemorySafety::default()),
        ledger: None,
        clock: Arc::new(ManualClock::default()),
        fence: Fence::new(Box::new(|| false)),
        directory: Directory::default(),
        agents: Vec::new(),
        runtime: Handle::current(),
        intensity: Intensity::default(),
        events: Arc::new(|_| {}),
        live: Arc::new(Mutex::new(None)),
    }
}

fn rung(name: &ContestantName) -> RungSpec {
    let route = RouteSpec {
        provider: "openrouter".to_owned(),
        model: name.as_str().to_owned(),
        thinking: wire::Thinking::Unset,
        cache: None,
        routing: wire::Routing::default(),
    };
    RungSpec {
        model: name.as_str().to_owned(),
        max_tokens: 4_096,
        effort: None,
        deadline: Duration::from_secs(20),
        retry: Retry::default(),
        routes: vec![route],
    }
}
