//! Whole runs through the actors.

use conclave_domain::brief::trading::TradingState;
use conclave_domain::budget::Budgets;
use conclave_domain::custody::{Custody, Happening};
use conclave_domain::exits::ExitRules;
use conclave_domain::market::bar::Timeframe;
use conclave_domain::market::series::Series;
use conclave_domain::market::synth::{Preset, SynthConfig, generate};
use conclave_domain::market::tape::Tape;
use conclave_domain::sim_broker::{FillAt, SimConfig};
use conclave_domain::strategy::StrategyConfig;

use super::*;
use crate::broker::BrokerError;
use crate::driver;
use crate::inline::InlineCouncil;
use crate::runtime::ports::StoreError;
use crate::testkit::memory_journal::MemoryJournal;

fn market(preset: Preset, symbols: usize, bars: usize, seed: u64) -> Vec<Series> {
    let config = SynthConfig { symbols, bars, ..SynthConfig::of(preset) };
    generate(&config, seed).unwrap().series
}

fn run(series: &[Series], fill_at: FillAt) -> CouncilPlan {
    let sim = SimConfig { fill_at, ..SimConfig::default() };
    CouncilPlan { series: series.to_vec(), watched: 0, sim, ..waits_for_all() }
}

/// The same run in one thread.
async fn inline(plan: CouncilPlan) -> InlineCouncil {
    let mut tape = Tape::new(plan.series).unwrap();
    let instruments = Arc::clone(tape.instruments());
    let StrategyConfig::SmaCross { .. } = plan.strategy else { panic!("{:?}", plan.strategy) };
    let watch = MarketWatch::new(&instruments, Timeframe::Day, &plan.strategy, true).unwrap();
    let cash = "100000".parse().unwrap();
    let account = CustodyConfig { sim: plan.sim, exits: ExitRules::default(), guarded: true, cash };
    let custody = Custody::new(&account, &instruments).unwrap();
    let budgets = Budgets::new(plan.budgets).unwrap();
    let enabled = crate::trading::TEAM.iter().map(|entry| entry.role.name).collect();
    let mut council =
        InlineCouncil::new(instruments, watch, custody, budgets, plan.limits, enabled, false);
    driver::play(&mut tape, 64, &mut council).await.unwrap();
    council
}

/// Goal: what a back-test in one thread shows is what the actors do.
/// Method: both on the same synthetic markets, under both rules of filling.
#[tokio::test(start_paused = true)]
async fn the_actors_and_the_council_in_one_thread_trade_the_same() {
    let calm = market(Preset::Calm, 3, 260, 8);
    let wild = market(Preset::Default, 6, 260, 9);
    for (series, fill_at) in [
        (&calm, FillAt::Close),
        (&calm, FillAt::NextOpen),
        (&wild, FillAt::Close),
        (&wild, FillAt::NextOpen),
    ] {
        let one = inline(run(series, fill_at)).await;
        let mut council = TestCouncil::with(run(series, fill_at)).await;
        council.play().await.unwrap();
        let account =
            council.council.broker.export().await.unwrap().remove(&BookKind::Real).unwrap();
        let trades = account.custody.book().trades().len();
        assert!(trades > 3, "{fill_at:?}: {trades} trades");
        assert_eq!(account.custody.book().trades(), one.custody().book().trades(), "{fill_at:?}");
        assert_eq!(account.custody, *one.custody(), "{fill_at:?}");
        assert_eq!(council.council.score.stats(), *one.stats(), "{fill_at:?}");
        council.stop().await;
    }
}

/// Goal: what leaves the accounts' memory is the same as what would have stayed, each once and in
/// order; votes that can have no trade any more are forgotten; nothing else changes.
/// Method: the same market with a journal and in one thread, where everything stays.
#[tokio::test(start_paused = true)]
async fn a_journal_takes_what_is_over_and_changes_nothing_else() {
    let series = market(Preset::Default, 6, 500, 9);
    let one = inline(run(&series, FillAt::NextOpen)).await;
    let journal = Arc::<MemoryJournal>::default();
    let plan = CouncilPlan { journal: Some(journal.clone()), ..run(&series, FillAt::NextOpen) };
    let mut council = TestCouncil::with(plan).await;
    council.play().await.unwrap();
    let broker = &council.council.broker;
    let account = broker.export().await.unwrap().remove(&BookKind::Real).unwrap();
    let (curve, closed) = journal.read(BookKind::Real);
    assert_eq!(closed.trades, one.custody().book().trades());
    assert!(closed.trades.len() > 3, "{}", closed.trades.len());
    let marks = one.happenings().iter().filter_map(|happening| match happening {
        Happening::Marked(point) => Some(*point),
        _ => None,
    });
    assert_eq!(curve, marks.collect::<Vec<_>>());
    let orders = closed.orders.iter().chain(account.custody.orders().iter());
    assert!(orders.eq(one.custody().orders().iter()));
    assert_eq!(account.journaled.curve, 40 * curve.len() as u64);
    assert!(account.curve.is_empty() && account.custody.book().trades().is_empty());
    assert_eq!(council.council.score.stats(), *one.stats());
    assert_eq!(broker.view().books[0].trades, closed.trades.len());
    let remembered = account.custody.orders().latest(usize::MAX).count();
    assert!(council.council.score.waiting() <= remembered, "votes of what is remembered only");

    journal.fail(Some(StoreError::DiskFull));
    let full = broker.export().await.unwrap_err();
    assert_eq!(full, BrokerError::Journal(StoreError::DiskFull), "it would count too much");
    council.stop().await;
}

/// Goal: A-1: every verdict has its complete record chain, and D-1: the same bars are the same bytes.
/// Method: a wild market is played twice; each decision's records are read like a sentence.
#[tokio::test(start_paused = true)]
async fn every_verdict_has_its_chain_and_a_run_repeats_itself_to_the_byte() {
    let series = market(Preset::Default, 6, 300, 5);
    let mut logs = Vec::new();
    for _ in 0..2 {
        let mut council = TestCouncil::with(run(&series, FillAt::NextOpen)).await;
        council.play().await.unwrap();
        logs.push(council.audit.lines(conclave_domain::record::Stream::Decisions));
        let log = council.log();
        let decisions: std::collections::BTreeSet<&str> =
            log.records().iter().filter_map(|record| record["decision"].as_str()).collect();
        let mut acted = 0;
        for decision in decisions.into_iter().filter(|decision| decision.ends_with("-entry")) {
            let told = log.of(decision);
            reads_well(decision, &told);
            acted += usize::from(told.verdicts().last() == Some(&"act"));
        }
        assert!(acted > 5, "{acted} orders");
        council.stop().await;
    }
    assert_eq!(logs[0], logs[1]);
}

/// One decision: denied by a gate, or asked, answered by every seat that answered, closed, and then
/// appealed, cleared or left.
#[track_caller]
fn reads_well(decision: &str, told: &Told) {
    let about = format!("{decision}: {:?}", told.steps());
    let mut steps = told.steps().into_iter().peekable();
    assert_eq!(steps.next(), Some("bar.received"), "{about}");
    assert_eq!(steps.next(), Some("signal.raised"), "{about}");
    if steps.next_if_eq(&"candidate.denied").is_some() {
        assert_eq!(steps.next(), None, "{about}");
        return;
    }
    let mut verdicts = told.bodies("round.closed").into_iter();
    loop {
        assert_eq!(steps.next(), Some("consult.sent"), "{about}");
        let mut answers = 0;
        while steps.next_if_eq(&"advice.clamped").is_some() {
            answers += 1;
        }
        assert_eq!(steps.next(), Some("round.closed"), "{about}");
        let verdict = verdicts.next().unwrap();
        let waited = |seat: &&Value| seat["outcome"] != "not_awaited";
        let seats = verdict["seats"].as_array().unwrap().iter().filter(waited).count();
        assert_eq!(answers, seats, "{about}");
        if steps.next_if_eq(&"appeal.opened").is_none() {
            break;
        }
        assert_eq!(verdict["objection"]["kind"], "soft", "{about}");
        if steps.peek().is_none() {
            return;
        }
    }
    if told.verdicts().last() == Some(&"act") {
        assert_eq!(steps.next(), Some("order.cleared"), "{about}");
    }
    let rest: Vec<&str> = steps.collect();
    let is_order = |step: &&str| ["order.submitted", "book.updated"].contains(step);
    assert!(rest.iter().all(is_order), "{about}");
    let denied = told.bodies("order.cleared").iter().any(|body| body["denied"].is_string());
    let cleared = !told.bodies("order.cleared").is_empty() && !denied;
    assert_eq!(rest.contains(&"order.submitted"), cleared, "{about}");
}

/// O-3: a council that falls is halted on the disk: whoever starts it again does not trade on.
///
/// Goal: a child of the root that ends too often ends in a halt and a clear error, never in a spin.
/// Method: every child of the root without children of its own is killed, again and again.
#[tokio::test(start_paused = true)]
async fn a_council_whose_parts_end_too_often_falls_and_leaves_a_halt_behind() {
    let mut council = TestCouncil::start().await;
    let root = council.council.cell();
    let mut kills = 0;
    while council.council.fallen().is_none() {
        for child in root.get_children() {
            if child.get_children().is_empty() {
                child.kill();
            }
        }
        kills += 1;
        assert!(kills < 20, "it is restarted for ever");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!(council.fence.is_halted());
    let why = council.council.fallen().unwrap();
    assert!(why.contains("ended too often"), "{why}");
    let error = council.play().await.unwrap_err();
    assert!(matches!(error, crate::pump::PumpError::Fallen(_)), "{error}");
    let disk = Arc::clone(&council.disk);
    council.stop().await;
    assert_eq!(disk.record().unwrap().trading_state, TradingState::Halted);
}
