//! Desks at work on paused time: whole ticks through the arena, with scripted brains where it matters.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use conclave_domain::arena::book::BookView;
use conclave_domain::arena::chat::StageState;
use conclave_domain::arena::desk::conversation::Conversation;
use conclave_domain::arena::gate::Library;
use conclave_domain::arena::market::{MarketKind, MarketRules};
use conclave_domain::arena::snapshot::{MarketView, Quote, Snapshot};
use conclave_domain::arena::words::{Brought, TickId};
use conclave_domain::faults::{Fault, Place};
use conclave_domain::fixed::{Money, Price, Volume};
use conclave_domain::market::bar::{Bar, Timeframe};
use conclave_domain::market::series::Series;
use conclave_domain::market::symbol::{AssetClass, Symbol};
use conclave_domain::news::door::{RawId, RawItem};
use conclave_domain::ratio::Ratio;
use conclave_domain::record::Digest;
use conclave_domain::time::Time;
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::super::{Arena, ArenaLog};
use super::*;
use crate::models::schema::Wire;
use crate::runtime::agent::ConsultError;
use crate::runtime::brain::{Ask, Thinking, Thought};
use crate::runtime::faults::PlannedFault;
use crate::runtime::fence::Fence;
use crate::runtime::tests::answer_cases::refuses_what_is_no_answer;
use crate::testkit::memory_audit::MemoryAudit;

/// Mark of everything that is known a moment too late.
const LATER: &str = "ZEBRA";

fn day(number: i64) -> Time {
    Time::from_ms(1_300_000_000_000 + number * 86_400_000)
}

fn symbols(count: usize) -> Vec<Symbol> {
    (0..count).map(|nth| Symbol::new(&format!("S{nth}")).unwrap()).collect()
}

/// Daily bars of a rising wave; the last closes on day `count - 1`.
fn bars(count: i64) -> Vec<Bar> {
    let bar = |number: i64| {
        let close = Price::from_raw((100 + number / 4 + number * 7 % 5) * Price::SCALE);
        Bar {
            open_time: day(number) - Duration::from_hours(6),
            close_time: day(number),
            open: close,
            high: Price::from_raw(close.raw() + Price::SCALE),
            low: Price::from_raw(close.raw() - Price::SCALE),
            close,
            volume: Volume::from_units(1_000).unwrap(),
        }
    };
    (0..count).map(bar).collect()
}

/// A tick on day `at` of a market that goes on for three days more.
fn question(count: usize, at: i64) -> Question {
    let all = bars(at + 4);
    let series = symbols(count).into_iter().map(|symbol| Series {
        symbol,
        class: AssetClass::Equity,
        timeframe: Timeframe::Day,
        bars: all.clone(),
    });
    let last = &all[usize::try_from(at).unwrap()];
    let quotes = symbols(count).into_iter().map(|symbol| (symbol, Quote::after(None, last)));
    let snapshot = Snapshot {
        tick: TickId { number: 0, at: day(at) },
        market: MarketKind::Us,
        rules: Digest::of(b""),
        quotes: quotes.collect(),
        library: None,
    };
    let cash = Money::from_units(10_000).unwrap();
    Question {
        snapshot: Arc::new(snapshot),
        library: library(),
        view: MarketView::new(series.collect::<Vec<_>>().into(), day(at)),
        book: BookView { cash, equity: cash, held: BTreeMap::new() },
        lessons: BTreeMap::new(),
    }
}

/// Two items of each kind about S0 around day 299: one known, one a day later and marked.
fn library() -> Arc<Library> {
    let text = |id: &str, at: i64, headline: &str| RawItem {
        id: RawId::Text(id.to_owned()),
        known_at: Some(day(at)),
        headline: headline.to_owned(),
        symbols: vec!["S0".to_owned()],
        ..RawItem::default()
    };
    let texts = vec![
        text("a", 298, "S0 beats forecasts and raises its outlook"),
        text("b", 300, &format!("S0 {LATER} plunges")),
    ];
    Arc::new(Library::of(texts, Vec::new(), &symbols(1)).unwrap())
}

type Script = dyn Fn(&Ask<DeskBrief>) -> Result<Value, ConsultError> + Send + Sync;

/// Answers by a script, after a pause, and keeps every prompt.
struct Scripted {
    script: Box<Script>,
    pause: Duration,
    prompts: Mutex<Vec<(&'static str, String)>>,
    answered: AtomicU32,
    is_free: bool,
}

impl fmt::Debug for Scripted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scripted")
    }
}

impl Brain<DeskBrief> for Scripted {
    fn name(&self) -> &'static str {
        "scripted"
    }

    fn is_free(&self) -> bool {
        self.is_free
    }

    fn think(&self, ask: Ask<DeskBrief>) -> Thinking {
        let prompt = ask.entry.prompt(&ask.brief, &ask.limits);
        let name = ask.entry.role.name;
        self.prompts.lock().unwrap().push((name, prompt.system + &prompt.user));
        let thought = (self.script)(&ask).map(Thought::free);
        let pause = self.pause;
        self.answered.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            tokio::time::sleep(pause).await;
            thought
        })
    }
}

fn rules(ask: &Ask<DeskBrief>) -> Value {
    (ask.entry.rules)(&ask.brief, &ask.limits)
}

fn scripted(
    pause: Duration,
    script: impl Fn(&Ask<DeskBrief>) -> Result<Value, ConsultError> + Send + Sync + 'static,
) -> Arc<Scripted> {
    let (prompts, answered) = (Mutex::default(), AtomicU32::new(0));
    Arc::new(Scripted { script: Box::new(script), pause, prompts, answered, is_free: true })
}

fn setup(brain: Option<&Arc<Scripted>>) -> DeskSetup {
    let name: ContestantName = "desk".parse().unwrap();
    let market = MarketTold::of(&MarketRules::of(MarketKind::Us), Ratio::of(0.2));
    let setup = DeskSetup::by_rules(("s", &name), DeskConfig::default(), market);
    let brains = DeskRole::ALL.into_iter().filter_map(|role| {
        let brain: Arc<dyn Brain<DeskBrief>> = Arc::<Scripted>::clone(brain?);
        Some((role, brain))
    });
    DeskSetup { brains: brains.collect(), ..setup }
}

async fn arena(setup: DeskSetup) -> Arena {
    let sink = Arc::new(MemoryAudit::default());
    let head = sink.anchor();
    let log = ArenaLog { sink, head, fence: Fence::new(Box::new(|| false)) };
    let seat = desk(setup).0;
    Arena::start(vec![seat], log, Duration::from_mins(1), Handle::current()).await.unwrap()
}

async fn ask(arena: &Arena, question: Question) -> Answered {
    let name: ContestantName = "desk".parse().unwrap();
    arena.ask([(name.clone(), question)].into()).await.remove(&name).unwrap()
}

/// One tick of one symbol.
async fn tick(setup: DeskSetup) -> Answered {
    let arena = arena(setup).await;
    let answered = ask(&arena, question(1, 299)).await;
    arena.stop().await;
    answered
}

fn brought(answered: &Answered) -> &Brought {
    answered.brought.values().next().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_desk_by_rules_decides_in_twelve_questions_and_fills_its_stages() {
    let answered = tick(setup(None)).await;
    let Brought::Decided(decision) = brought(&answered) else { panic!("{answered:?}") };
    assert!(decision.confidence > Ratio::ZERO && decision.confidence < Ratio::ONE);
    assert_eq!((answered.calls, answered.cost, answered.leaks.len()), (12, Money::ZERO, 0));
    let stages = answered.chats.values().next().unwrap();
    let done = [
        &stages.market_analysis,
        &stages.fundamentals,
        &stages.news_sentiment,
        &stages.trader,
        &stages.risk_check,
    ];
    assert!(
        done.iter().all(|stage| stage.state == StageState::Done && !stage.reasoning.is_empty())
    );
    assert!(done.iter().all(|stage| stage.confidence.is_some()));
    assert!(stages.market_analysis.metrics.contains_key("rsi14"));
    assert_eq!(stages.news_sentiment.metrics["news"], "1");
    assert_eq!(stages.debate.state, StageState::Done);
    assert!(["bull", "bear", "draw"].contains(&stages.debate.winner.as_deref().unwrap()));
    // Whoever asks again is told the same: a rules desk is a function of what it is shown.
    assert_eq!(tick(setup(None)).await, answered);
}

/// B5 of the lessons: a rating is read from its field, in its words, or not at all; what cannot be read is
/// for review and never HOLD.
#[tokio::test(start_paused = true)]
async fn prose_of_a_portfolio_manager_is_for_review() {
    let with = |rating: &str| {
        json!({"reasoning": "because", "rating": rating, "points": [],
        "confidence": 0.5})
        .to_string()
    };
    let sentences = [
        "Do not buy here".to_owned(),
        "卖出".to_owned(),
        "Final verdict: SELL!".to_owned(),
        "**Rating: Hold**".to_owned(),
        String::new(),
        with("Buy"),
        with("Do not buy here"),
        with("卖出"),
        with("SELL!"),
        json!({"reasoning": "BUY", "points": [], "confidence": 0.5}).to_string(),
        json!({"reasoning": "no confidence", "rating": "BUY", "points": []}).to_string(),
    ];
    for sentence in sentences {
        let text = sentence.clone();
        let brain = scripted(Duration::ZERO, move |ask| {
            if ask.entry.role.name == "portfolio_manager" {
                (ask.entry.parse)(&text)
            } else {
                Ok(rules(ask))
            }
        });
        let answered = tick(setup(Some(&brain))).await;
        assert_eq!(brought(&answered).name(), "review", "{sentence}: {answered:?}");
        assert_eq!(brought(&answered).decision(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_forbidden_action_is_for_review_with_its_name() {
    let brain = scripted(Duration::ZERO, |ask| {
        let mut answer = rules(ask);
        if ask.entry.role.name == "portfolio_manager" {
            answer["reasoning"] = json!("then disable_risk_controls and buy");
        }
        Ok(answer)
    });
    let answered = tick(setup(Some(&brain))).await;
    let Brought::Review { why } = brought(&answered) else { panic!("{answered:?}") };
    assert!(why.contains("disable_risk_controls"), "{why}");
}

/// Goal: whatever becomes of a role costs its turn and nothing else; the role is there again at the next
/// tick. Method: each way to fail, planned for one role, and two ticks.
#[tokio::test(start_paused = true)]
async fn a_role_that_panics_or_is_killed_costs_its_turn_and_is_started_again() {
    for fault in [Fault::Panic, Fault::Error, Fault::Kill, Fault::Drop, Fault::Garble, Fault::Nan] {
        for (role, decides) in [("news_analyst", true), ("bear", true), ("trader", false)] {
            let planned = PlannedFault { place: Place::Agent(role.into()), nth: 1, fault };
            let faults = Arc::new(FaultPlan::new(vec![planned]));
            let arena = arena(DeskSetup { faults, ..setup(None) }).await;
            let first = ask(&arena, question(1, 299)).await;
            assert_eq!(
                brought(&first).decision().is_some(),
                decides,
                "{fault:?} {role}: {first:?}"
            );
            if decides {
                let text = serde_json::to_string(&first.chats).unwrap();
                assert!(text.contains("it failed") || text.contains("cannot be used"), "{text}");
            }
            assert_eq!(arena.given_up(), BTreeMap::new());
            arena.stop().await;
        }
    }
}

/// T-3: a desk that is not through when the tick closes is late, and its calls end with it.
#[tokio::test(start_paused = true)]
async fn a_slow_desk_is_late_and_nothing_of_it_goes_on() {
    let brain = scripted(Duration::from_secs(20), |ask| Ok(rules(ask)));
    let arena = arena(setup(Some(&brain))).await;
    let began = Instant::now();
    let answered = ask(&arena, question(3, 299)).await;
    assert_eq!(began.elapsed(), Duration::from_mins(1));
    assert!(answered.brought.values().all(|said| *said == Brought::Late), "{answered:?}");
    let asked = brain.answered.load(Ordering::SeqCst);
    tokio::time::sleep(Duration::from_mins(10)).await;
    assert_eq!(
        brain.answered.load(Ordering::SeqCst),
        asked,
        "nobody is asked for a tick that is over"
    );
    arena.stop().await;
}

/// Goal: a desk takes as long as its longest chain of questions, whatever it has to decide. Method: paused
/// time, ten symbols, each answer after 200 ms: analysts at once, then eight who wait for each other.
#[tokio::test(start_paused = true)]
async fn ten_symbols_take_as_long_as_one() {
    let brain = scripted(Duration::from_millis(200), |ask| Ok(rules(ask)));
    let arena = arena(setup(Some(&brain))).await;
    let began = Instant::now();
    let answered = ask(&arena, question(10, 299)).await;
    assert_eq!(began.elapsed(), Duration::from_millis(9 * 200));
    assert_eq!((answered.calls, answered.brought.len()), (120, 10));
    assert!(answered.brought.values().all(|said| said.decision().is_some()));
    arena.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_wall_clock_ends_a_symbol_without_a_decision() {
    let brain = scripted(Duration::from_secs(5), |ask| Ok(rules(ask)));
    let config = DeskConfig { wall_s: 12, ..DeskConfig::default() };
    let answered = tick(DeskSetup { config, ..setup(Some(&brain)) }).await;
    let Brought::Abstained { why } = brought(&answered) else { panic!("{answered:?}") };
    assert!(why.contains("12 s"), "{why}");
    assert_eq!(answered.calls, 6, "four analysts, bull, and bear who is cut off");
}

#[tokio::test(start_paused = true)]
async fn tokens_are_counted_for_those_who_read_prompts() {
    let brain = scripted(Duration::ZERO, |ask| Ok(rules(ask)));
    let config = DeskConfig { tokens_max: 1_000, ..DeskConfig::default() };
    let answered = tick(DeskSetup { config, reads_prompts: true, ..setup(Some(&brain)) }).await;
    assert_eq!(brought(&answered).name(), "abstained");
}

/// G-3: a brain that costs something is not asked without somebody who gives the leave.
#[tokio::test(start_paused = true)]
async fn a_brain_that_costs_something_is_not_asked_without_leave() {
    let (prompts, answered) = (Mutex::default(), AtomicU32::new(0));
    let script: Box<Script> = Box::new(|ask| Ok(rules(ask)));
    let brain = Scripted { script, pause: Duration::ZERO, prompts, answered, is_free: false };
    let brain = Arc::new(brain);
    let answered = tick(setup(Some(&brain))).await;
    assert_eq!(brought(&answered), &Brought::Denied { code: "safety.absent".to_owned() });
    assert_eq!((answered.calls, brain.answered.load(Ordering::SeqCst)), (0, 0));
}

/// L-1: what an analyst asks for beyond the tick is refused and counted, and no prompt has a byte of it.
#[tokio::test(start_paused = true)]
async fn a_look_ahead_is_refused_counted_and_told_to_nobody() {
    let brain = scripted(Duration::ZERO, |ask| {
        let mut answer = rules(ask);
        if ask.entry.role.name == "news_analyst" && ask.brief.tool_results.is_empty() {
            let until = day(301).to_string();
            let request = |tool: &str, until: &str, undated: bool| {
                json!({"tool": tool,
                "symbol": "S0", "until": until, "count": "many", "period_end": "", "undated": undated})
            };
            answer["requests"] = json!([
                request("bars", &until, false),
                request("news", &until, false),
                request("news", "", true),
                request("news", "", false),
                // Nobody looks up a fifth, and asking for it is a look all the same.
                request("social", &until, false)
            ]);
        }
        Ok(answer)
    });
    let answered = tick(setup(Some(&brain))).await;
    let leaks = [("later_than_as_of".to_owned(), 3), ("undated".to_owned(), 1)];
    assert_eq!(answered.leaks, leaks.into());
    assert!(answered.brought.values().all(|said| said.decision().is_some()));
    let prompts = brain.prompts.lock().unwrap();
    assert_eq!(prompts.len(), 13);
    for (role, prompt) in prompts.iter() {
        for mark in [LATER, &day(300).to_string(), &day(301).to_string()] {
            let asked_for_it = *role == "news_analyst" && *mark == day(301).to_string();
            assert!(asked_for_it || !prompt.contains(mark), "{role} was told {mark}");
        }
    }
}

/// B17 and B23 of the lessons: who speaks first has no opponent, and every series says its order and dates.
#[tokio::test(start_paused = true)]
async fn prompts_have_no_invented_opponent_and_say_the_order_of_every_series() {
    let brain = scripted(Duration::ZERO, |ask| Ok(rules(ask)));
    let config = DeskConfig { debate_rounds: 2, ..DeskConfig::default() };
    tick(DeskSetup { config, ..setup(Some(&brain)) }).await;
    let prompts = brain.prompts.lock().unwrap();
    let of = |name: &str| -> Vec<&str> {
        prompts.iter().filter(|(role, _)| *role == name).map(|(_, text)| text.as_str()).collect()
    };
    let has_opponent = |text: &&str| text.contains("\"opponent\":");
    assert_eq!(of("bull").iter().map(has_opponent).collect::<Vec<_>>(), [false, true]);
    assert_eq!(of("bear").iter().map(has_opponent).collect::<Vec<_>>(), [true, true]);
    assert!(of("market_analyst")[0].contains("\"order\": \"oldest first\""));
    for (role, prompt) in prompts.iter() {
        let (lists, orders) = ("\"items\": [", "\"order\": \"oldest first\"");
        assert_eq!(prompt.matches(lists).count(), prompt.matches(orders).count(), "{role}");
        // The rules of the market are those that judge, and stand in every prompt.
        for rule in MarketRules::of(MarketKind::Us).text() {
            assert!(prompt.contains(&rule.replace('"', "\\\"")), "{role}: {rule}");
        }
    }
}

/// A brief of each role in the middle of a conversation by rules.
fn briefs() -> Vec<(DeskRole, DeskBrief)> {
    let Question { snapshot, view, library, book, .. } = question(1, 299);
    let gate = Gate::new(snapshot.tick.at, view, library, book, Vec::new());
    let material = gate.material(&symbols(1)[0]);
    let market = MarketTold::of(&MarketRules::of(MarketKind::Us), Ratio::of(0.2));
    let limits = Limits::default();
    let mut conversation = Conversation::new(DeskConfig::default());
    let mut briefs = Vec::new();
    loop {
        let turns = conversation.due();
        if turns.is_empty() {
            return briefs;
        }
        for turn in turns {
            let brief = DeskBrief::of(turn, &conversation, (&market, &material), Vec::new());
            let entry = entry(turn.role);
            let raw = (entry.rules)(&brief, &limits);
            let advice = (entry.read)(&raw, &brief, &limits).unwrap();
            let heard = answer::answer_of(turn, &raw, &advice).unwrap();
            assert!(conversation.hear(turn, Ok(heard), 0));
            briefs.push((turn.role, brief));
        }
    }
}

#[test]
fn what_is_no_answer_is_refused_by_every_role_and_every_answer_goes_on_the_wire() {
    let limits = Limits::default();
    let briefs = briefs();
    assert_eq!(briefs.len(), 12);
    for (role, brief) in briefs {
        let entry = entry(role);
        assert_eq!(entry.role.name, role.name());
        Wire::of(&entry, &limits).unwrap();
        refuses_what_is_no_answer(&entry, &(entry.rules)(&brief, &limits), &brief);
    }
}

/// Goal: whoever changes a prompt sees what it becomes; one phrase can bring every verdict to HOLD. The file
/// is written with `UPDATE=1`.
#[test]
fn the_prompts_of_all_roles_are_the_golden_ones() {
    let prompt = |role: DeskRole| {
        let system = entry(role).system(&Limits::default());
        format!("==== {role}\n\n{}\n\n", system.trim_end())
    };
    let text: String = DeskRole::ALL.into_iter().map(prompt).collect();
    let path = format!("{}/../tests/golden/arena/prompts.txt", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text, expected, "the prompts are stale; UPDATE=1 cargo test golden");
}
