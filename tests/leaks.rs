//! L-1 at the last place where it counts: what a model is sent. A desk of models whose analysts ask for
//! everything that nobody could know yet, with a mark in each of it, and not a byte of it leaves.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use conclave::adapters::openai_http::OpenAiHttp;
use conclave::adapters::tape_files::TapeFiles;
use conclave_actors::arena::desk::{DeskSetup, desk, entry};
use conclave_actors::arena::{Arena, ArenaLog, Question};
use conclave_actors::models::port::{Capabilities, Model};
use conclave_actors::models::tape::Recorder;
use conclave_actors::models::{
    Gateway, ModelBrain, Models, ProviderSettings, Retry, RouteSpec, RungSpec, wire,
};
use conclave_actors::runtime::brain::Brain;
use conclave_actors::runtime::fence::Fence;
use conclave_actors::testkit::memory_audit::MemoryAudit;
use conclave_domain::arena::book::BookView;
use conclave_domain::arena::desk::brief::{DeskBrief, MarketTold};
use conclave_domain::arena::desk::{DeskConfig, DeskRole};
use conclave_domain::arena::gate::Library;
use conclave_domain::arena::market::{MarketKind, MarketRules};
use conclave_domain::arena::memory::Lesson;
use conclave_domain::arena::snapshot::{MarketView, Quote, Snapshot};
use conclave_domain::arena::words::{Answered, Brought, ContestantName, Rating, TickId};
use conclave_domain::fixed::{Money, Price, Volume};
use conclave_domain::limits::Limits;
use conclave_domain::llm::price::{PriceFile, PriceTable};
use conclave_domain::market::bar::{Bar, Timeframe};
use conclave_domain::market::series::Series;
use conclave_domain::market::symbol::{AssetClass, Symbol};
use conclave_domain::ratio::Ratio;
use conclave_domain::record::Digest;
use conclave_domain::time::Time;
use serde_json::{Value, from_value, json};
use tokio::runtime::Handle;

use crate::provider::{Plan, Provider};

/// The last tick's close and what is later; in none of it is a mark of another.
const AS_OF_DAY: i64 = 299;
/// What must stand nowhere, by what it is planted in.
const MARKS: [(&str, &str); 8] = [
    ("the close of the bar that is open", "431.87654321"),
    ("tomorrow's bar", "517.24681357"),
    ("an undated text", "ZEBRAUNDATED"),
    ("an undated post", "ZEBRAPOST"),
    ("tomorrow's text", "ZEBRALATER"),
    ("a statement that was never filed", "8.76543219"),
    ("a statement of tomorrow", "6.13572468"),
    ("a lesson of later", "ZEBRALESSON"),
];

fn day(number: i64) -> Time {
    Time::from_ms(1_300_000_000_000 + number * 86_400_000)
}

fn share() -> Symbol {
    Symbol::new("S0").expect("a symbol")
}

fn price(text: &str) -> Price {
    text.parse().expect("a price")
}

fn bar(closes_at: Time, close: Price) -> Bar {
    Bar {
        open_time: closes_at - Duration::from_hours(6),
        close_time: closes_at,
        open: close,
        high: close,
        low: close,
        close,
        volume: Volume::from_units(1_000).expect("a volume"),
    }
}

/// Bars up to the tick; with `plants` the one that is open at it, and tomorrow's.
fn series(plants: bool) -> Arc<[Series]> {
    let closed = |number: i64| {
        let close = Price::from_raw((100 + number / 4 + number * 7 % 5) * Price::SCALE);
        bar(day(number), close)
    };
    let mut bars: Vec<Bar> = (0..=AS_OF_DAY).map(closed).collect();
    if plants {
        let open = day(AS_OF_DAY) + Duration::from_hours(1);
        bars.push(bar(open, price(MARKS[0].1)));
        bars.push(bar(day(AS_OF_DAY + 1), price(MARKS[1].1)));
    }
    let series =
        Series { symbol: share(), class: AssetClass::Equity, timeframe: Timeframe::Day, bars };
    vec![series].into()
}

/// A text and a statement that are known; with `plants` those that are not.
fn library(plants: bool) -> Arc<Library> {
    let text = |id: &str, kind: &str, known_at: Option<Time>, headline: &str| json!({"id": id, "kind": kind, "known_at": known_at, "headline": headline, "symbols": ["S0"]});
    let statement = |end: &str, filed_at: Option<Time>, eps: &str| json!({"symbol": "S0", "period_end": end, "filed_at": filed_at, "figures": {"eps": eps}});
    let mut texts = vec![text("a", "news", Some(day(AS_OF_DAY - 1)), "S0 OPENS a factory")];
    let mut statements = vec![statement("2011-09-30", Some(day(AS_OF_DAY - 20)), "1.25")];
    if plants {
        texts.push(text("b", "news", None, MARKS[2].1));
        texts.push(text("c", "post", None, MARKS[3].1));
        texts.push(text("d", "news", Some(day(AS_OF_DAY + 1)), MARKS[4].1));
        statements.push(statement("2011-06-30", None, MARKS[5].1));
        statements.push(statement("2011-12-31", Some(day(AS_OF_DAY + 1)), MARKS[6].1));
    }
    let read = |value: Value| from_value(value).expect("a text");
    let filed = |value: Value| from_value(value).expect("a statement");
    let texts = texts.into_iter().map(read).collect();
    let statements = statements.into_iter().map(filed).collect();
    Arc::new(Library::of(texts, statements, &[share()]).expect("a library"))
}

/// A lesson that is known; with `plants` one that is settled tomorrow.
fn lessons(plants: bool) -> BTreeMap<Symbol, Vec<Lesson>> {
    let lesson = |resolved: i64, reflection: &str| Lesson {
        symbol: share(),
        decided_at: day(resolved - 5),
        resolved_at: day(resolved),
        rating: Rating::Buy,
        confidence: Ratio::of(0.5),
        outcome: Ratio::of(0.01),
        excess: Ratio::of(0.01),
        was_right: true,
        reflection: reflection.to_owned(),
        similarity: Ratio::ONE,
    };
    let mut all = vec![lesson(AS_OF_DAY, "BUY was RIGHT then")];
    if plants {
        all.push(lesson(AS_OF_DAY + 1, MARKS[7].1));
    }
    BTreeMap::from([(share(), all)])
}

/// What the analysts want to look up, four each: nobody is heard on more.
fn requests() -> Vec<(String, Value)> {
    let tomorrow = day(AS_OF_DAY + 1).to_string();
    let today = (day(AS_OF_DAY) + Duration::from_hours(1)).to_string();
    let request = |tool: &str, until: &str, more: (&str, bool)| {
        let (period_end, undated) = more;
        json!({"tool": tool, "symbol": "S0", "until": until, "count": "many",
            "period_end": period_end, "undated": undated})
    };
    let none = ("", false);
    let of = |agent: &str, requests: Vec<Value>| (agent.to_owned(), Value::Array(requests));
    vec![
        of(
            "market_analyst",
            vec![
                request("bars", &tomorrow, none),
                request("bars", &today, none),
                request("indicators", &today, none),
                // What may be known is told, beside all that may not.
                request("bars", "", none),
            ],
        ),
        of(
            "news_analyst",
            vec![
                request("news", "", ("", true)),
                request("news", &tomorrow, none),
                request("news", "", none),
            ],
        ),
        of(
            "social_analyst",
            vec![
                request("social", "", ("", true)),
                request("memory", &tomorrow, none),
                request("memory", "", none),
            ],
        ),
        of(
            "fundamentals_analyst",
            vec![
                request("fundamentals", "", ("2011-06-30", false)),
                request("fundamentals", &tomorrow, none),
                request("fundamentals", "", none),
            ],
        ),
    ]
}

/// What one tick of the desk was sent, said and counted.
struct Heard {
    /// Every question whole, in an order of its own.
    prompts: Vec<String>,
    tape: String,
    answered: Answered,
}

/// Plays one tick.
fn tick(plants: bool) -> Heard {
    let plan = Plan { requests_of: requests(), keeps_bodies: true, ..Plan::default() };
    let provider = Provider::new(plan);
    let dir = tempfile::tempdir().expect("a directory");
    let tape = dir.path().join("tape.jsonl");
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().expect("a runtime");
    let answered = runtime.block_on(asked(&provider.url(), &tape, plants));
    drop(runtime);
    let mut prompts = provider.bodies();
    prompts.sort_unstable();
    Heard { prompts, tape: fs::read_to_string(&tape).expect("a tape"), answered }
}

async fn asked(url: &str, tape: &Path, plants: bool) -> Answered {
    let name: ContestantName = "prying".parse().expect("a name");
    let models = models(url, tape);
    let brain = |role: DeskRole| {
        let brain = ModelBrain::new(entry(role), &Limits::default(), vec![rung(role)], &models);
        (role, Arc::new(brain.expect("a brain")) as Arc<dyn Brain<DeskBrief>>)
    };
    let brains = DeskRole::ALL.map(brain).into();
    let told = MarketTold::of(&MarketRules::of(MarketKind::Us), Ratio::of(0.2));
    let by_rules = DeskSetup::by_rules(("leaks", &name), DeskConfig::default(), told);
    let (seat, _) = desk(DeskSetup { brains, reads_prompts: true, ..by_rules });
    let sink = Arc::new(MemoryAudit::default());
    let log = ArenaLog { head: sink.anchor(), sink, fence: Fence::new(Box::new(|| false)) };
    let arena = Arena::start(vec![seat], log, Duration::from_mins(1), Handle::current()).await;
    let arena = arena.expect("an arena");
    let mut heard = arena.ask(BTreeMap::from([(name.clone(), question(plants))])).await;
    arena.stop().await;
    heard.remove(&name).expect("an answer")
}

/// The question of the tick: the view is open to everything that was loaded, so that the gate alone holds it.
fn question(plants: bool) -> Question {
    let series = series(plants);
    let last = series[0].bars[usize::try_from(AS_OF_DAY).expect("a day")];
    let snapshot = Snapshot {
        tick: TickId { number: 0, at: day(AS_OF_DAY) },
        market: MarketKind::Us,
        rules: Digest::of(b""),
        quotes: BTreeMap::from([(share(), Quote::after(None, &last))]),
        library: None,
    };
    let cash = Money::from_units(10_000).expect("money");
    Question {
        snapshot: Arc::new(snapshot),
        view: MarketView::new(series, day(AS_OF_DAY + 10)),
        library: library(plants),
        book: BookView { cash, equity: cash, held: BTreeMap::new() },
        lessons: lessons(plants),
    }
}

fn models(url: &str, tape: &Path) -> Models {
    let capabilities = Capabilities { json_schema: true, usage: true };
    let server: Arc<dyn Model> =
        Arc::new(OpenAiHttp::local("local", url, None, capabilities).expect("a provider"));
    let settings = ProviderSettings { per_minute: None, in_flight: 100 };
    let (files, ordinals) = TapeFiles::open(tape).expect("a tape");
    let (date, source) = ("2026-11-21".to_owned(), "this test".to_owned());
    let prices = PriceTable::of(PriceFile { date, source, models: Vec::new() });
    Models {
        providers: BTreeMap::from([("local".to_owned(), server)]),
        gateway: Gateway::new(BTreeMap::from([("local".to_owned(), settings)])),
        prices: Arc::new(prices.expect("prices")),
        tape: Some(Recorder::new(files, ordinals)),
        attempts_paid: 1,
        has_rules: false,
    }
}

/// Each role asks a model of its own name, by which the provider knows it.
fn rung(role: DeskRole) -> RungSpec {
    let route = RouteSpec {
        provider: "local".to_owned(),
        model: role.name().to_owned(),
        thinking: wire::Thinking::Unset,
        cache: None,
        routing: wire::Routing::default(),
    };
    RungSpec {
        model: role.name().to_owned(),
        max_tokens: 4_096,
        effort: None,
        deadline: Duration::from_secs(20),
        retry: Retry::default(),
        routes: vec![route],
    }
}

/// Goal: what could not be known at a tick is refused, counted by its kind, and reaches no prompt, not even
/// by a figure that is computed of it. Method: a mark in every such thing and a request for each; the marks
/// are looked for in all that the provider was sent and in the tape, and the same tick without any of these
/// things sends the same questions to the byte.
#[test]
fn a_desk_that_asks_for_all_that_is_to_come_is_sent_nothing_of_it_and_each_try_is_counted() {
    let pried = tick(true);
    assert_eq!(pried.prompts.len(), 12 + 4, "a second question for each analyst");
    let Heard { prompts, tape, answered } = &pried;
    let is_told =
        |mark: &str| prompts.iter().any(|prompt| prompt.contains(mark)) || tape.contains(mark);
    let told: Vec<&str> =
        MARKS.iter().filter(|(_, mark)| is_told(mark)).map(|(what, _)| *what).collect();
    assert!(told.is_empty(), "a model was told: {told:?}");
    let leaks: BTreeMap<&str, u32> =
        answered.leaks.iter().map(|(kind, count)| (kind.as_str(), *count)).collect();
    let wanted = [("later_than_as_of", 5), ("undated", 2), ("unfiled", 1), ("later_memory", 1)];
    assert_eq!(leaks, BTreeMap::from(wanted));
    // What may be known is there: the search looks at the right place.
    for known in ["S0 OPENS a factory", "BUY was RIGHT then", "1.25", "closed_at"] {
        let times = prompts.iter().filter(|prompt| prompt.contains(known)).count();
        assert!(times > 0 && tape.contains(known), "{known} is in {times} prompts");
    }
    let brought: Vec<&Brought> = answered.brought.values().collect();
    assert!(matches!(brought[..], [Brought::Decided(_)]), "{brought:?}");
    assert_eq!(tick(false).prompts, pried.prompts);
}
