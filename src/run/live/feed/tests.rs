//! The feed with a history that says what a test has it say.

use std::collections::VecDeque;
use std::sync::Mutex;

use conclave_domain::fixed::{Price, Volume};

use super::*;

const MINUTE: i64 = 60_000;
/// A Monday at ten in New York; coins know no session anyway.
const OPEN: i64 = 1_772_463_600_000;

/// What the history answers next: a failure, the minutes of both symbols, or nothing ever.
#[derive(Debug)]
enum Answer {
    Fails,
    Bars(Vec<i64>),
    Never,
}

/// A history that answers in this order, and what it was asked.
#[derive(Clone, Debug, Default)]
struct Told {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    asked: Arc<Mutex<Vec<i64>>>,
}

impl Past for Told {
    async fn since(&self, after: Time) -> Result<(Time, Vec<(Symbol, Bar)>), String> {
        self.asked.lock().unwrap().push((after.ms() - OPEN) / MINUTE);
        let answer = self.answers.lock().unwrap().pop_front();
        match answer {
            Some(Answer::Bars(minutes)) => {
                let of =
                    |&minute: &i64| [(symbol("AAA"), bar(minute)), (symbol("BBB"), bar(minute))];
                Ok((at(90), minutes.iter().flat_map(of).collect()))
            }
            Some(Answer::Fails) | None => Err("nobody answers".to_owned()),
            Some(Answer::Never) => std::future::pending().await,
        }
    }
}

fn symbol(name: &str) -> Symbol {
    Symbol::new(&format!("{name}/USD")).unwrap()
}

/// So many minutes behind the opening.
fn at(minute: i64) -> Time {
    Time::from_ms(OPEN + minute * MINUTE)
}

/// The bar that closes at a minute.
fn bar(minute: i64) -> Bar {
    let price = Price::from_units(10).unwrap();
    let (open_time, close_time) = (at(minute - 1), at(minute));
    let volume = Volume::ZERO;
    Bar { open_time, close_time, open: price, high: price, low: price, close: price, volume }
}

struct Desk {
    feed: LiveFeed<Told>,
    stream: mpsc::Sender<Heard>,
    told: Told,
    clock: Arc<ReplayClock>,
    stop: watch::Sender<bool>,
    stopped: watch::Receiver<bool>,
}

impl Desk {
    /// A feed that goes on behind the opening, and a stream that has just connected.
    fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
        let told = Told::default();
        told.answers.lock().unwrap().extend(answers);
        let instrument =
            |name: &str| Instrument { symbol: symbol(name), class: AssetClass::Crypto };
        let instruments: Arc<[Instrument]> = ["AAA", "BBB"].map(instrument).into();
        let (stream, heard) = mpsc::channel(64);
        let clock = Arc::new(ReplayClock::default());
        let feed = LiveFeed::new(heard, told.clone(), &instruments, (at(0), clock.clone()));
        let (stop, stopped) = watch::channel(false);
        let desk = Self { feed, stream, told, clock, stop, stopped };
        desk.say(Heard::Connected);
        desk
    }

    fn say(&self, heard: Heard) {
        self.stream.try_send(heard).unwrap();
    }

    /// The stream has a minute of both symbols.
    fn minute(&self, minute: i64) {
        for name in ["AAA", "BBB"] {
            self.say(Heard::Bar(symbol(name), bar(minute)));
        }
    }

    /// The minutes of the next so many slices, and how many bars each has.
    async fn slices(&mut self, count: usize) -> Vec<(i64, usize)> {
        let mut slices = Vec::new();
        while slices.len() < count {
            let chunk = self.feed.next(&mut self.stopped).await.unwrap();
            let tick = chunk.ticks().first().unwrap();
            slices.push(((tick.bar.close_time.ms() - OPEN) / MINUTE, chunk.ticks().len()));
        }
        slices
    }

    fn asked(&self) -> Vec<i64> {
        self.told.asked.lock().unwrap().clone()
    }
}

/// L-1: each bar once and in order, from wherever it came.
#[tokio::test(start_paused = true)]
async fn a_gap_is_filled_from_the_history_before_anything_behind_it_is_handed_on() {
    let mut desk = Desk::new([Answer::Bars(vec![1, 2]), Answer::Bars(vec![4, 5, 6])]);
    desk.minute(2);
    desk.minute(3);
    assert_eq!(desk.slices(3).await, [(1, 2), (2, 2), (3, 2)]);
    assert_eq!(desk.asked(), [0]);
    desk.say(Heard::Connected);
    desk.minute(6);
    desk.minute(7);
    assert_eq!(desk.slices(4).await, [(4, 2), (5, 2), (6, 2), (7, 2)]);
    assert_eq!(desk.asked(), [0, 3]);
}

/// Remedy of a history that fails: it is asked again, and until then nothing is decided on a gap.
#[tokio::test(start_paused = true)]
async fn a_history_that_fails_is_asked_again_before_any_slice() {
    let mut desk = Desk::new([Answer::Fails, Answer::Fails, Answer::Bars(vec![1])]);
    desk.minute(2);
    let began = Instant::now();
    assert_eq!(desk.slices(2).await, [(1, 2), (2, 2)]);
    assert_eq!(desk.asked(), [0, 0, 0]);
    assert!(AGAIN * 2 <= began.elapsed(), "with pauses");
}

/// L-1: what comes late is turned away.
#[tokio::test(start_paused = true)]
async fn a_bar_behind_its_slice_is_turned_away_and_a_stranger_is_none() {
    let mut desk = Desk::new([Answer::Bars(vec![1])]);
    desk.minute(2);
    assert_eq!(desk.slices(2).await, [(1, 2), (2, 2)]);
    desk.minute(1);
    desk.minute(2);
    desk.say(Heard::Bar(symbol("CCC"), bar(3)));
    desk.minute(3);
    assert_eq!(desk.slices(1).await, [(3, 2)]);
    assert_eq!(desk.feed.late, 4);
}

/// Remedy of bars that were held up: their age is known by the market's own clock.
#[tokio::test(start_paused = true)]
async fn the_history_says_how_late_it_is_at_the_market() {
    let mut desk = Desk::new([Answer::Bars(vec![1, 2])]);
    desk.clock.set(at(0));
    assert_eq!(desk.clock.market(), at(0));
    desk.slices(1).await;
    assert_eq!((desk.clock.market(), desk.clock.trading()), (at(90), at(0)));
    desk.clock.set(at(91));
    assert_eq!(desk.clock.market(), at(91), "bars that are newer than that are not old");
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_no_history_and_a_stream_that_is_over_ends_it() {
    let Desk { mut feed, stop, mut stopped, stream, .. } = Desk::new([Answer::Never]);
    let stops = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        stop.send(true).unwrap();
    };
    let (next, ()) = tokio::join!(feed.next(&mut stopped), stops);
    assert_eq!(next, None);
    drop(stream);
    let Desk { mut feed, stream, mut stopped, stop: _stop, .. } = Desk::new([Answer::Bars(vec![])]);
    drop(stream);
    assert_eq!(feed.next(&mut stopped).await, None);
}

/// Goal: a silent feed is told while a session goes on, and a night is no silence: nobody is woken because
/// nothing is traded, nor by the first minute of a morning.
#[tokio::test(start_paused = true)]
async fn a_bar_is_owed_while_the_session_goes_on_and_not_at_night() {
    const HOUR: i64 = 60;
    let clock = Arc::new(ReplayClock::default());
    let classes = BTreeSet::from([AssetClass::Equity]);
    let mut owed =
        Owed { clock: Arc::clone(&clock), classes, closed: at(0), since: Instant::now() };
    let minutes = |minutes: u64| Duration::from_mins(minutes);
    tokio::time::advance(minutes(4)).await;
    assert_eq!(owed.age(), minutes(4));
    clock.set(at(6 * HOUR + 1));
    tokio::time::advance(minutes(17 * 60)).await;
    assert_eq!(owed.age(), Duration::ZERO, "it is night");
    clock.set(at(24 * HOUR - 30));
    tokio::time::advance(minutes(1)).await;
    assert_eq!(owed.age(), minutes(1), "the session has just opened");
}
