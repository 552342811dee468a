//! Model brains over real HTTP on loopback. `cargo bench --bench models`.
//!
//! Method: a provider of ours in a process of its own answers every question after 200 ms by the schema
//! that it is asked for; we ask it as OpenRouter, on two worker threads, through
//! rounds, permits, gateway, wire, envelope and clamp. 100 rounds of five agents at once, connections
//! kept from a first lot that is not counted; median of seven lots, and what of it was not waiting. The
//! processor time is that of our process alone, over all lots, for each consultation. Memory is the
//! growth of the process's peak over what it held before the first question, with 500 calls in flight.
//! Bounds: 0.25 s, 0.5 ms and 100 MB.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![expect(clippy::expect_used, reason = "the provider is that of the tests")]

#[path = "support/allocator.rs"]
mod allocator;
#[path = "../tests/provider.rs"]
#[expect(dead_code, reason = "the tests ask it for more")]
mod provider;

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use conclave::adapters::model_http::Key;
use conclave::adapters::openai_http::OpenAiHttp;
use conclave_actors::consensus::open_round;
use conclave_actors::models::port::Model;
use conclave_actors::models::{
    Gateway, ModelBrain, Models, ProviderSettings, Retry, RouteSpec, RungSpec, wire,
};
use conclave_actors::runtime::brain::Brain;
use conclave_actors::testkit::desk::{Desk, DeskSetup};
use conclave_actors::trading::TEAM;
use conclave_domain::brief::trading::TradingBrief;
use conclave_domain::budget::BudgetConfig;
use conclave_domain::fixed::Money;
use conclave_domain::limits::Limits;
use conclave_domain::llm::price::{PriceFile, PriceRow, PriceTable, PriceTier};
use conclave_domain::market::symbol::Symbol;
use conclave_domain::order::DecisionId;
use conclave_domain::time::Time;
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::Instant;

type Outcome<T> = Result<T, Box<dyn Error>>;

const ROUNDS: u32 = 100;
const LOTS: u32 = 7;
const LATENCY: Duration = Duration::from_millis(200);
const MODEL: &str = "bench";
/// The argument by which the provider's process is told what it is.
const SERVE: &str = "serve";

fn main() -> Outcome<()> {
    if std::env::args().any(|argument| argument == SERVE) {
        return serve();
    }
    let provider = Served::start()?;
    let workers = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    workers.block_on(measure(&provider.url))
}

/// The provider, until nobody listens any more.
fn serve() -> Outcome<()> {
    let plan = provider::Plan { latency: LATENCY, ..provider::Plan::default() };
    let served = provider::Provider::new(plan);
    println!("{}", served.url());
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// The provider's process.
struct Served {
    url: String,
    process: Child,
}

impl Served {
    fn start() -> Outcome<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        let command = command.arg(SERVE).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn()?;
        let mut url = String::new();
        let out = process.stdout.take().ok_or("no output")?;
        BufReader::new(out).read_line(&mut url)?;
        Ok(Self { url: url.trim().to_owned(), process })
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It has ended already if this fails.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn measure(url: &str) -> Outcome<()> {
    let brief = Arc::new(serde_json::from_str(include_str!("../tests/briefs/trading_entry.json"))?);
    let desk = desk(url).await?;
    let before = memory("VmRSS:")?;
    lot(&desk, &brief, 0).await?;
    let peak = memory("VmHWM:")?;
    let (mut took, processor) = (Vec::new(), processor()?);
    for nth in 1..=LOTS {
        let begun = Instant::now();
        lot(&desk, &brief, nth).await?;
        took.push(begun.elapsed().as_secs_f64());
    }
    let spent = self::processor()? - processor;
    let consultations = f64::from(ROUNDS * LOTS) * 5.0;
    took.sort_by(f64::total_cmp);
    let median = took[took.len() / 2];
    let overhead = (median - LATENCY.as_secs_f64()) * 1e3;
    println!(
        "100 symbols x 5 agents      {median:>8.3} s   ({overhead:.0} ms of it no waiting; bound 0.25)"
    );
    println!(
        "processor time              {:>8.3} ms  per consultation (bound 0.5)",
        spent * 1e3 / consultations
    );
    println!("500 calls in flight         {:>8.1} MB  (bound 100)", (peak - before) / 1024.0);
    desk.stop().await;
    Ok(())
}

/// A desk whose agents all ask the provider.
async fn desk(url: &str) -> Outcome<Desk<TradingBrief>> {
    let key = Key::new("this benchmark", "sk-bench-models")?;
    let server: Arc<dyn Model> = Arc::new(OpenAiHttp::openrouter(url, key)?);
    let settings = ProviderSettings { per_minute: None, in_flight: 1_000 };
    let models = Models {
        providers: BTreeMap::from([("openrouter".to_owned(), server)]),
        gateway: Gateway::new(BTreeMap::from([("openrouter".to_owned(), settings)])),
        prices: Arc::new(prices()?),
        tape: None,
        attempts_paid: 2,
        has_rules: false,
    };
    let mut setup = DeskSetup::of(TEAM);
    let (hour, run) = (BudgetConfig::HARD_CONSULTATIONS_PER_HOUR, Money::from_units(1_000)?);
    setup.budgets = BudgetConfig {
        team_per_hour: hour,
        all_per_hour: hour,
        usd_per_call: run,
        usd_per_hour: run,
        usd_per_run: run,
        usd_per_day: run,
        ..BudgetConfig::default()
    };
    for entry in TEAM {
        let brain = ModelBrain::new(*entry, &Limits::default(), vec![rung()], &models)?;
        setup.others.push((entry.role.name, Arc::new(brain) as Arc<dyn Brain<TradingBrief>>));
    }
    Ok(Desk::start(setup).await?)
}

fn rung() -> RungSpec {
    let route = RouteSpec {
        provider: "openrouter".to_owned(),
        model: MODEL.to_owned(),
        thinking: wire::Thinking::Unset,
        cache: None,
        routing: wire::Routing::default(),
    };
    RungSpec {
        model: MODEL.to_owned(),
        max_tokens: 4_096,
        effort: None,
        deadline: Duration::from_secs(20),
        retry: Retry::default(),
        routes: vec![route],
    }
}

/// A price that is never zero, so that every call has its permit.
fn prices() -> Outcome<PriceTable> {
    let tier = PriceTier::flat("0.1".parse()?);
    let row = PriceRow { names: vec![MODEL.to_owned()], tiers: vec![tier], date: None };
    let (date, source) = ("2026-11-20".to_owned(), "this benchmark".to_owned());
    Ok(PriceTable::of(PriceFile { date, source, models: vec![row] })?)
}

/// A hundred rounds at once.
async fn lot(desk: &Desk<TradingBrief>, brief: &Arc<TradingBrief>, nth: u32) -> Outcome<()> {
    let mut rounds = JoinSet::new();
    for round in 0..ROUNDS {
        let nth = nth * ROUNDS + round;
        let at = Time::from_ms(i64::from(nth) * 1_000);
        let decision = DecisionId::new(&Symbol::new("AAPL")?, at, "entry");
        let request = desk.request(decision, u64::from(nth), brief);
        let safety = desk.safety.clone();
        rounds.spawn(async move { open_round(request, &safety).await });
    }
    while let Some(closed) = rounds.join_next().await {
        let closed = closed??;
        if closed.answers.iter().any(|answer| answer.outcome.is_err()) {
            return Err(format!("a model did not answer: {:?}", closed.report).into());
        }
    }
    Ok(())
}

/// Kibibytes of this process by its own account.
fn memory(line: &str) -> Outcome<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let found = status.lines().find_map(|it| it.strip_prefix(line)).ok_or("no such line")?;
    Ok(found.trim().trim_end_matches(" kB").parse()?)
}

/// Processor time of this process, seconds, in hundredths.
fn processor() -> Outcome<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let behind_name = stat.rsplit(')').next().ok_or("no fields")?;
    let ticks = behind_name.split_whitespace().skip(11).take(2).map(str::parse::<f64>);
    Ok(ticks.sum::<Result<f64, _>>()? / 100.0)
}
