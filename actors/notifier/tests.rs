//! Tests of the notifier: couriers that fail, hang and panic, and records as people hear of them.

use std::sync::atomic::{AtomicUsize, Ordering};

use conclave_domain::notify::Matter;
use conclave_domain::notify::rich::Rich;
use conclave_domain::record::{Chain, Record, Step, Stream};
use conclave_domain::time::Time;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::port::Delivery;
use super::*;
use crate::audit::record;
use crate::testkit::clock::ManualClock;

/// What a courier does with its next parcels.
#[derive(Clone, Copy, Debug)]
enum Manner {
    Well,
    Refuse,
    Wait(Option<Duration>),
    Hang,
    Panic,
}

#[derive(Debug, Default)]
struct Fake {
    manners: Mutex<Vec<Manner>>,
    carried: Mutex<Vec<(Instant, Vec<String>, u64)>>,
    tries: AtomicUsize,
}

#[derive(Clone, Debug)]
struct Carrier(Arc<Fake>);

impl Courier for Carrier {
    fn name(&self) -> &'static str {
        "fake"
    }

    fn room(&self) -> usize {
        100
    }

    fn deliver(&self, parcel: Parcel) -> Delivery {
        let fake = Arc::clone(&self.0);
        Box::pin(async move {
            fake.tries.fetch_add(1, Ordering::SeqCst);
            let manner = fake.manners.lock().unwrap().pop().unwrap_or(Manner::Well);
            match manner {
                Manner::Well => {
                    let texts = parcel.notices.iter().map(|notice| notice.text.text().to_owned());
                    let carried = (Instant::now(), texts.collect(), parcel.left_out);
                    fake.carried.lock().unwrap().push(carried);
                    Ok(())
                }
                Manner::Refuse => Err(Undelivered::Never { why: "gone".to_owned() }),
                Manner::Wait(after) => Err(Undelivered::Later { after, why: "not now".to_owned() }),
                Manner::Hang => std::future::pending().await,
                Manner::Panic => panic!("a courier broke on purpose"),
            }
        })
    }
}

fn route(kinds: &str, manners: &[Manner]) -> (Route, Arc<Fake>) {
    let fake = Arc::new(Fake::default());
    *fake.manners.lock().unwrap() = manners.iter().rev().copied().collect();
    let courier = Arc::new(Carrier(Arc::clone(&fake)));
    (Route { courier, kinds: kinds.parse().unwrap() }, fake)
}

fn notice(kind: Kind, text: &str) -> Notice {
    Notice::new(kind, Time::EPOCH, Rich::of(text))
}

async fn open(routes: Vec<Route>) -> (Annex, NotifierHandle) {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::default());
    let (children, handle) = notifier(routes, &clock);
    (Annex::start(children, Handle::current()).await.unwrap(), handle)
}

async fn idle(handle: &NotifierHandle) {
    while !handle.is_idle() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn texts(fake: &Fake) -> Vec<Vec<String>> {
    fake.carried.lock().unwrap().iter().map(|(_, texts, _)| texts.clone()).collect()
}

/// O-4: nothing waits for a way that hangs, and no other way is held up by it.
#[tokio::test(start_paused = true)]
async fn a_way_that_hangs_holds_up_nobody_and_its_queue_is_bounded() {
    let (hung, never) = route("all", &[Manner::Hang]);
    let (well, told) = route("fills,states", &[]);
    let (annex, handle) = open(vec![hung, well]).await;
    let began = Instant::now();
    handle.tell(notice(Kind::States, "halted"));
    for nth in 0..1_000 {
        handle.tell(notice(Kind::Fills, &format!("{nth}")));
    }
    assert_eq!(began.elapsed(), Duration::ZERO, "telling waits for nobody");
    while told.carried.lock().unwrap().is_empty() || handle.waiting() > ROOM {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(texts(&told)[0], ["halted"]);
    tokio::time::sleep(Duration::from_mins(5)).await;
    let left_out: u64 = told.carried.lock().unwrap().iter().map(|(_, _, out)| out).sum();
    let carried: usize = texts(&told).iter().map(Vec::len).sum();
    assert_eq!(carried as u64 + left_out, 1_001, "what is not told is counted");
    assert_eq!(handle.waiting(), ROOM - 1, "those of the way that hangs; one is on its way");
    assert!(never.carried.lock().unwrap().is_empty() && !handle.is_idle());
    annex.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_way_that_fails_is_tried_again_later_and_later_and_as_late_as_it_asks() {
    let asked = Some(Duration::from_secs(30));
    let manners = [Manner::Wait(None), Manner::Wait(None), Manner::Wait(asked), Manner::Refuse];
    let (way, told) = route("all", &manners);
    let (annex, handle) = open(vec![way]).await;
    let began = Instant::now();
    handle.tell(notice(Kind::Fills, "first"));
    idle(&handle).await;
    assert!(texts(&told).is_empty(), "the other side refused it for good");
    handle.tell(notice(Kind::Fills, "second"));
    idle(&handle).await;
    assert_eq!(texts(&told), [["second"]]);
    assert_eq!(told.tries.load(Ordering::SeqCst), 5);
    assert!(began.elapsed() >= Duration::from_secs(1 + 2 + 30), "{:?}", began.elapsed());
    annex.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_actor_that_panics_is_started_again_for_ever_and_carries_on() {
    let (way, told) = route("all", &[Manner::Panic; 80]);
    let (annex, handle) = open(vec![way]).await;
    for nth in 0..100 {
        handle.tell(notice(Kind::Fills, &format!("{nth}")));
        handle.tell(notice(Kind::States, &format!("{nth}")));
        tokio::time::sleep(Duration::from_secs(6)).await;
    }
    idle(&handle).await;
    let last = texts(&told).concat();
    assert!(last.contains(&"99".to_owned()), "{last:?}");
    annex.stop().await;
}

/// What a record is to people.
fn told(step: Step, body: &Value) -> Option<Notice> {
    let decision = conclave_domain::order::DecisionId::new(
        &conclave_domain::market::symbol::Symbol::new("AAA").unwrap(),
        Time::EPOCH,
        "entry",
    );
    let made: Record = record(step, Some(&decision), Time::EPOCH, body).unwrap();
    let mut chain = Chain::new(Stream::Decisions);
    let mut text = String::new();
    chain.append(&made, None, &mut text);
    let line = conclave_domain::record::Line::read(&text).unwrap();
    telling::tell(&line, Time::from_ms(1_000))
}

#[track_caller]
fn says(step: Step, body: &Value, parts: &[&str]) -> Notice {
    let notice = told(step, body).unwrap_or_else(|| panic!("{step}: nothing is told"));
    for part in parts {
        assert!(notice.text.text().contains(part), "`{part}` is not in: {}", notice.text.text());
    }
    notice
}

#[test]
fn a_record_is_told_in_a_sentence_of_its_kind() {
    let intent = json!({"symbol": "AAA", "side": "buy", "qty": "10", "reference": "150.1",
        "kind": {"type": "limit", "limit": "150"}});
    let asked = json!({"asks": "entry", "intent": intent, "expires_in_s": 300});
    let notice = says(Step::ApprovalAsked, &asked, &["BUY 10 AAA", "limit 150.0000", "5 min"]);
    let expires_at = Time::from_ms(301_000);
    assert!(matches!(notice.matter, Matter::Asks { expires_at: at, .. } if at == expires_at));
    let person = json!({"name": "ada", "way": "telegram"});
    let yes = json!({"by": person, "answer": {"outcome": "approved", "note": "go"}});
    let notice = says(Step::ApprovalAnswered, &yes, &["Approved by ada (telegram)", "go"]);
    assert!(matches!(notice.matter, Matter::Ends { by_person: true, .. }));
    let expired = json!({"code": "approval.expired"});
    let notice = says(Step::ApprovalExpired, &expired, &["nothing was sent"]);
    assert!(matches!(notice.matter, Matter::Ends { by_person: false, .. }));
    let cleared = json!({"intent": intent, "mode": "advisory"});
    says(Step::OrderCleared, &cleared, &["BUY 10 AAA", "shadow"]);
    let flat = json!({"exit": "all", "reason": "person", "by": person});
    says(Step::OrderCleared, &flat, &["every position", "ada"]);
    says(Step::OrderCleared, &json!({"denied": "size.zero"}), &["size.zero"]);
    let fill = json!({"side": "sell", "qty": "1.5", "symbol": "BTC/USD", "price": "64000.5",
        "fee": "1"});
    let filled = json!({"book": "real", "happened": "filled", "fill": fill});
    says(Step::BookUpdated, &filled, &["SELL 1.5 BTC/USD", "64000.5000", "$1.00"]);
    let trade = json!({"symbol": "AAA", "direction": "long", "entry_price": "1", "exit_price": "2",
        "pnl": "-12.345", "exit_reason": "take_profit"});
    let closed = json!({"book": "shadow", "happened": "trade_closed", "trade": trade});
    says(Step::BookUpdated, &closed, &["take profit", "-$12.34", "shadow book"]);
    let veto = json!({"round": 1, "verdict": "vetoed", "by": "risk_guardian",
        "objection": {"code": "guardian.crash", "text": "a crash is near"}});
    says(Step::RoundClosed, &veto, &["risk_guardian", "guardian.crash", "a crash is near"]);
    let halt = json!({"from": "active", "to": "halted", "by": "ada", "why": "lunch (exits go on)"});
    says(Step::HaltRaised, &halt, &["HALTED", "ada", "exits go on"]);
    says(Step::RunEnded, &json!({"bars": 7, "end": "data"}), &["7 bars"]);
    let rejected = json!({"happened": "order", "event": {"order": "c-1", "news": "rejected",
        "code": "broker.rejected", "text": "no"}});
    says(Step::OrderSubmitted, &rejected, &["rejected", "broker.rejected", "c-1"]);
}

#[test]
fn what_nobody_need_hear_is_not_told_and_a_strange_record_breaks_nothing() {
    assert_eq!(told(Step::RoundClosed, &json!({"verdict": "act"})), None);
    assert_eq!(told(Step::OrderSubmitted, &json!({"happened": "submitted"})), None);
    assert_eq!(told(Step::SessionDigest, &json!({"bars": 1})), None);
    for step in Step::ALL {
        for body in [json!(null), json!([]), json!({}), json!({"intent": {}, "happened": 7})] {
            if let Some(notice) = told(*step, &body) {
                assert!(!notice.text.is_blank(), "{step} {body}");
            }
        }
    }
}
