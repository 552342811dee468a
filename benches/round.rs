//! Speed of a decision round, memory only. `cargo bench --bench round`.
//!
//! Method: rules brains on the calm example brief of the trading team, two worker threads; for the veto
//! all cores but one. Slices of ours and of the baseline alternate in one run, so that a busy machine
//! slows both; medians of the slices are printed. The baseline does the same work (five rules brains,
//! JSON, read and clamp, one tally) on tokio tasks that are spawned for each round and answer through an
//! mpsc channel: no mailbox, no permit, no cancellation, no supervision, no scan for forbidden actions.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

#[path = "support/allocator.rs"]
mod allocator;

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use conclave_actors::consensus::open_round;
use conclave_actors::testkit::brains::Act;
use conclave_actors::testkit::desk::{Desk, DeskSetup};
use conclave_actors::trading::TEAM;
use conclave_domain::brief::trading::TradingBrief;
use conclave_domain::limits::Limits;
use conclave_domain::market::symbol::Symbol;
use conclave_domain::order::DecisionId;
use conclave_domain::ratio::Ratio;
use conclave_domain::role::RISK_GUARDIAN;
use conclave_domain::tally::{Event, Settle, Tally, TallySpec, Verdict};
use conclave_domain::time::Time;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

type Outcome<T> = Result<T, Box<dyn Error>>;

const ROUNDS_PER_SLICE: u32 = 2_000;
const SLICES: usize = 9;

fn main() -> Outcome<()> {
    let workers = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let brief = Arc::new(serde_json::from_str(include_str!("../tests/briefs/trading_entry.json"))?);
    let desk = workers.block_on(Desk::start(DeskSetup::of(TEAM)))?;
    decision_round(&workers, &desk, &brief)?;
    hundred_symbols(&workers, &desk, &brief)?;
    workers.block_on(desk.stop());
    // A core is left to the thread that collects, as in the process: more busy threads than cores would
    // measure how long the kernel lets one of them run.
    let cores = std::thread::available_parallelism()?.get();
    let rest = Builder::new_multi_thread().worker_threads(cores.max(2) - 1).enable_all().build()?;
    let desk = rest.block_on(Desk::start(DeskSetup::of(TEAM)))?;
    veto_under_load(&rest, &desk, &brief)?;
    rest.block_on(desk.stop());
    Ok(())
}

fn decision(nth: u32) -> Outcome<DecisionId> {
    Ok(DecisionId::new(&Symbol::new("AAPL")?, Time::from_ms(i64::from(nth) * 1_000), "entry"))
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

fn decision_round(
    workers: &Runtime,
    desk: &Desk<TradingBrief>,
    brief: &Arc<TradingBrief>,
) -> Outcome<()> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let micros = |started_at: Instant| {
        started_at.elapsed().as_secs_f64() * 1e6 / f64::from(ROUNDS_PER_SLICE)
    };
    for _ in 0..SLICES {
        let started_at = Instant::now();
        workers.block_on(async {
            for nth in 0..ROUNDS_PER_SLICE {
                let request = desk.request(decision(nth)?, u64::from(nth), brief);
                let closed = open_round(request, &desk.safety).await?;
                if closed.report.verdict != Verdict::Act {
                    return Err(format!("{:?}", closed.report).into());
                }
            }
            Outcome::Ok(())
        })?;
        ours.push(micros(started_at));
        let started_at = Instant::now();
        workers.block_on(async {
            for _ in 0..ROUNDS_PER_SLICE {
                if plain_round(brief, &desk.limits).await != Verdict::Act {
                    return Err("the baseline does not act".into());
                }
            }
            Outcome::Ok(())
        })?;
        theirs.push(micros(started_at));
    }
    let (ours, theirs) = (median(ours), median(theirs));
    println!(
        "decision round of five: actors {ours:.1} us, tasks + mpsc {theirs:.1} us, ratio {:.2} (at \
         most 3)",
        ours / theirs
    );
    Ok(())
}

/// The same work without actors.
async fn plain_round(brief: &Arc<TradingBrief>, limits: &Arc<Limits>) -> Verdict {
    let role = |guards: bool| {
        let of = TEAM.iter().map(|entry| entry.role);
        of.filter(move |role| role.authority.may_veto() == guards).map(|role| role.name)
    };
    let mut tally = Tally::new(&TallySpec {
        voters: role(false).collect(),
        guardians: role(true).collect(),
        critical: false,
        rules: &limits.consensus,
        settle: Settle::Early,
    });
    let (mouth, mut heard) = mpsc::unbounded_channel();
    let mut tasks = JoinSet::new();
    for entry in TEAM {
        let (brief, limits, mouth) = (Arc::clone(brief), Arc::clone(limits), mouth.clone());
        tasks.spawn(async move {
            let raw = (entry.rules)(&brief, &limits);
            let advice = (entry.read)(&raw, &brief, &limits);
            let _ = mouth.send((entry.role.name, raw, advice));
        });
    }
    while let Some((agent, _, advice)) = heard.recv().await {
        let event = match &advice {
            Ok(advice) => Event::of(agent, &advice.stance),
            Err(error) => Event::Failed { agent, why: error.to_string() },
        };
        if *tally.apply(event) != Verdict::Open {
            break;
        }
    }
    tally.verdict().clone()
}

fn hundred_symbols(
    workers: &Runtime,
    desk: &Desk<TradingBrief>,
    brief: &Arc<TradingBrief>,
) -> Outcome<()> {
    for brain in &desk.brains {
        brain.always(Act::After(Duration::from_millis(200)));
    }
    let mut took = Vec::new();
    for _ in 0..5 {
        let started_at = Instant::now();
        workers.block_on(async {
            let mut rounds = JoinSet::new();
            for nth in 0..100 {
                let request = desk.request(decision(nth)?, u64::from(nth), brief);
                let safety = desk.safety.clone();
                rounds.spawn(async move { open_round(request, &safety).await });
            }
            while let Some(closed) = rounds.join_next().await {
                if !closed??.report.acts() {
                    return Err("a round of the hundred did not act".into());
                }
            }
            Outcome::Ok(())
        })?;
        took.push(started_at.elapsed().as_secs_f64());
    }
    for brain in &desk.brains {
        brain.always(Act::Rules);
    }
    println!("100 symbols x 5 agents, 200 ms each: {:.4} s (at most 0.22)", median(took));
    Ok(())
}

/// The guardian vetoes while the four others answer 64 rounds at a time as fast as they can. The
/// vetoed rounds are collected on a thread of their own, as DESIGN §3 puts deadlines and gate.
fn veto_under_load(
    workers: &Runtime,
    desk: &Desk<TradingBrief>,
    brief: &Arc<TradingBrief>,
) -> Outcome<()> {
    let stop = Arc::new(AtomicBool::new(false));
    let mut load = Vec::new();
    for _ in 0..64 {
        let (stop, safety) = (Arc::clone(&stop), desk.safety.clone());
        let (decision, brief) = (decision(1)?, Arc::clone(brief));
        let advisers: Vec<_> =
            desk.agents.iter().filter(|agent| agent.role.name != RISK_GUARDIAN).cloned().collect();
        let template = desk.request(decision.clone(), 1, &brief);
        let (rules, patience) = (template.rules, template.patience);
        load.push(workers.spawn(async move {
            let mut rounds = 0_u64;
            while !stop.load(Ordering::Relaxed) {
                let members = advisers.iter().map(|agent| conclave_actors::consensus::Member {
                    agent: agent.clone(),
                    brief: Arc::clone(&brief),
                });
                let request = conclave_actors::consensus::RoundRequest {
                    decision: decision.clone(),
                    nth: 1,
                    scope: "MSFT".to_owned(),
                    members: members.collect(),
                    critical: false,
                    settle: Settle::All,
                    patience,
                    rules: Arc::clone(&rules),
                    recall: Arc::default(),
                    interrupted: false,
                };
                rounds += u64::from(open_round(request, &safety).await.is_ok());
                tokio::task::yield_now().await;
            }
            rounds
        }));
    }
    let mut breach = (**brief).clone();
    breach.projected.var95_pct = Ratio::of(0.5);
    let (verdicts, rounds_of_load) = (vetoes(desk, &Arc::new(breach))?, {
        stop.store(true, Ordering::Relaxed);
        workers.block_on(async {
            let mut sum = 0;
            for task in load {
                sum += task.await?;
            }
            Outcome::Ok(sum)
        })?
    });
    println!(
        "veto to verdict under load ({rounds_of_load} other rounds meanwhile): p50 {:.1} us, p99 \
         {:.1} us (at most 1000)",
        quantile(&verdicts, 0.5),
        quantile(&verdicts, 0.99),
    );
    Ok(())
}

/// The figure below which this share of sorted figures lies.
fn quantile(figures: &[f64], share: f64) -> f64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index"
    )]
    let index = ((figures.len() - 1) as f64 * share) as usize;
    figures[index]
}

/// Microseconds from the guardian's answer to the verdict, sorted.
fn vetoes(desk: &Desk<TradingBrief>, breach: &Arc<TradingBrief>) -> Outcome<Vec<f64>> {
    let own_thread = Builder::new_current_thread().enable_all().build()?;
    let mut took = Vec::new();
    own_thread.block_on(async {
        for nth in 0..2_000 {
            let mut request = desk.request(decision(nth)?, u64::from(nth), breach);
            // Advisers at full load may shed, and a live round then holds without the guardian.
            request.settle = Settle::All;
            let closed = open_round(request, &desk.safety).await?;
            let closed_at = Instant::now();
            if !matches!(closed.report.verdict, Verdict::Vetoed { .. }) {
                return Err(format!("the guardian did not veto: {:?}", closed.report).into());
            }
            let vetoed_at = desk.brain(RISK_GUARDIAN).answered_at().ok_or("nobody answered")?;
            took.push(closed_at.duration_since(vetoed_at).as_secs_f64() * 1e6);
        }
        Outcome::Ok(())
    })?;
    took.sort_by(f64::total_cmp);
    Ok(took)
}
