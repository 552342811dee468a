//! The barrier in paused time: contestants that panic, sleep, drop their reply or answer as they should.

use std::sync::atomic::{AtomicU32, Ordering};

use conclave_domain::arena::market::MarketKind;
use conclave_domain::arena::snapshot::Quote;
use conclave_domain::arena::words::{Decision, Rating, TickId};
use conclave_domain::fixed::{Money, Price, Volume};
use conclave_domain::market::bar::Bar;
use conclave_domain::ratio::Ratio;
use conclave_domain::record::Digest;
use conclave_domain::time::Time;

use super::*;
use crate::testkit::memory_audit::MemoryAudit;

/// What a scripted mind does with every question.
#[derive(Clone, Copy, Debug)]
enum Does {
    Answer,
    /// Answers after this long.
    Sleep(Duration),
    Panic,
    Drop,
}

struct Scripted {
    does: Does,
    tasks: JoinSet<()>,
}

impl Mind for Scripted {
    fn think(&mut self, question: Question, reply: Reply) {
        let said = Decision::new(Rating::Buy, Ratio::of(0.5), "always").unwrap();
        let answered = Answered::all(question.snapshot.asked(), &Brought::Decided(said));
        match self.does {
            Does::Answer => reply.answer(answered),
            Does::Sleep(pause) => {
                self.tasks.spawn(async move {
                    tokio::time::sleep(pause).await;
                    reply.answer(answered);
                });
            }
            Does::Panic => panic!("on purpose"),
            Does::Drop => drop(reply),
        }
    }
}

fn seat(name: &str, does: Does, lives: &Arc<AtomicU32>) -> Seat {
    let lives = Arc::clone(lives);
    let make: Making = Arc::new(move || {
        lives.fetch_add(1, Ordering::SeqCst);
        Box::new(Scripted { does, tasks: JoinSet::new() })
    });
    Seat { name: name.parse().unwrap(), make, staff: Vec::new() }
}

async fn arena(seats: Vec<Seat>) -> Arena {
    let sink = Arc::new(MemoryAudit::default());
    let head = sink.anchor();
    let fence = Fence::new(Box::new(|| false));
    let log = ArenaLog { sink, head, fence };
    Arena::start(seats, log, Duration::from_secs(10), Handle::current()).await.unwrap()
}

fn question() -> Question {
    let price = Price::from_units(10).unwrap();
    let at = Time::from_ms(86_400_000);
    let bar = Bar {
        open_time: Time::EPOCH,
        close_time: at,
        open: price,
        high: price,
        low: price,
        close: price,
        volume: Volume::ZERO,
    };
    let symbol = Symbol::new("AAA").unwrap();
    let snapshot = Snapshot {
        tick: TickId { number: 0, at },
        market: MarketKind::Us,
        rules: Digest::of(b""),
        quotes: [(symbol, Quote::after(None, &bar))].into(),
        library: None,
    };
    let cash = Money::from_units(1).unwrap();
    let book = BookView { cash, equity: cash, held: BTreeMap::new() };
    let (view, lessons) = (MarketView::new(Arc::new([]), at), BTreeMap::new());
    Question { snapshot: Arc::new(snapshot), view, library: Arc::default(), book, lessons }
}

async fn outcomes(arena: &Arena) -> BTreeMap<String, &'static str> {
    let names = arena.seats.keys().map(|name| (name.clone(), question()));
    let heard = arena.ask(names.collect()).await;
    let word = |answered: &Answered| answered.brought.values().next().unwrap().name();
    heard.iter().map(|(name, answered)| (name.to_string(), word(answered))).collect()
}

/// T-3: silence is never consent; and nobody's failure is another's.
#[tokio::test(start_paused = true)]
async fn one_fails_one_is_late_one_panics_and_the_others_answer() {
    let lives = Arc::new(AtomicU32::new(0));
    let arena = arena(vec![
        seat("quick", Does::Answer, &lives),
        seat("slow", Does::Sleep(Duration::from_secs(9)), &lives),
        seat("late", Does::Sleep(Duration::from_millis(10_001)), &lives),
        seat("mute", Does::Drop, &lives),
        seat("panics", Does::Panic, &lives),
    ])
    .await;
    let wanted = [
        ("late", "late"),
        ("mute", "failed"),
        ("panics", "failed"),
        ("quick", "decided"),
        ("slow", "decided"),
    ];
    let wanted: BTreeMap<String, &str> =
        wanted.into_iter().map(|(name, word)| (name.to_owned(), word)).collect();
    for tick in 0..3 {
        let began = Instant::now();
        assert_eq!(outcomes(&arena).await, wanted, "tick {tick}");
        // All at once: the slowest counts, and nobody after the deadline.
        assert_eq!(began.elapsed(), Duration::from_secs(10));
    }
    assert!(arena.given_up().is_empty());
    // The former tick's late answer is nobody's now; the panicking one has had a new mind each time.
    assert_eq!(lives.load(Ordering::SeqCst), 5 + 3);
    arena.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_contestant_that_ends_too_often_is_given_up_alone() {
    let lives = Arc::new(AtomicU32::new(0));
    let arena =
        arena(vec![seat("panics", Does::Panic, &lives), seat("well", Does::Answer, &lives)]).await;
    for _ in 0..=RESTARTS_MAX {
        assert_eq!(outcomes(&arena).await["panics"], "failed");
    }
    let given_up: Vec<String> = loop {
        let names: Vec<String> = arena.given_up().keys().map(ToString::to_string).collect();
        if !names.is_empty() {
            break names;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(given_up, ["panics"]);
    let heard = outcomes(&arena).await;
    assert_eq!((heard["panics"], heard["well"]), ("failed", "decided"));
    assert_eq!(arena.fallen(), None);
    arena.stop().await;
}
