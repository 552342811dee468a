//! Tells people what happens: the events of the log once they are on the disk, budgets that run out, a
//! summary at the end of a session.
//!
//! It reads what everybody may read, the hub of events and the desk's views, and gives no command.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use conclave_actors::council::Council;
use conclave_actors::notifier::NotifierHandle;
use conclave_actors::notifier::telling::{kind_of, tell};
use conclave_actors::runtime::ports::Clock;
use conclave_actors::safety::SafetyHandle;
use conclave_domain::context::BookKind;
use conclave_domain::notify::alarm::{Alarms, Level};
use conclave_domain::notify::rich::Rich;
use conclave_domain::notify::{Kind, Matter, Notice};
use conclave_domain::record::{Line, Step};
use conclave_domain::role::Team;
use conclave_domain::time::Time;
use serde_json::Value;
use tokio::sync::broadcast::error::RecvError;

use super::curve::Curve;
use super::replies;
use crate::http::desk::{Desk, View};
use crate::http::events::{Event, Hub};

/// How often it looks at what no event tells.
const LOOK: Duration = Duration::from_secs(1);
/// Looks between two at the budgets.
const BUDGETS_EVERY: u32 = 15;
/// Looks between two summaries at least: in a fast replay a session lasts milliseconds.
const SUMMARY_EVERY: u32 = 10;
/// How long a view may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Who tells.
pub(super) struct Teller {
    pub(super) notifier: NotifierHandle,
    pub(super) desk: Arc<dyn Desk>,
    pub(super) council: Council,
    pub(super) hub: Arc<Hub>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) curve: Arc<Curve>,
    pub(super) alarms: Mutex<Alarms>,
    /// The run's id, and what money it is about.
    pub(super) of: (String, &'static str),
    /// The last event that was told.
    pub(super) seen: Arc<AtomicU64>,
    pub(super) has_begun: AtomicBool,
}

/// One thing that waits for a person.
pub(super) struct Item {
    pub(super) decision: String,
    pub(super) expires_at: Time,
    what: String,
    reasoning: String,
}

/// The book that the present mode decides on.
pub(super) fn book_of(safety: &SafetyHandle) -> BookKind {
    BookKind::decided_on(safety.mode(Team::Trading))
}

/// What the view of approvals holds.
pub(super) fn items(shown: &Value) -> Vec<Item> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let item = |row: &Value| {
        let side = text(&row["side"]).to_uppercase();
        let what = match row["asks"].as_str() {
            Some("universe") => "other symbols".to_owned(),
            _ => format!("{side} {} {}", text(&row["qty"]), text(&row["symbol"])),
        };
        Some(Item {
            decision: row["decision"].as_str()?.to_owned(),
            expires_at: row["expires_at"].as_str()?.parse().ok()?,
            what,
            reasoning: text(&row["reasoning"]).chars().take(1_500).collect(),
        })
    };
    shown["approvals"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
        .iter()
        .filter_map(item)
        .collect()
}

impl Item {
    /// How a person is asked.
    pub(super) fn text(&self) -> Rich {
        let text = Rich::default().bold("Approval wanted").plain(": ").bold(&self.what);
        let text = text.line().plain(&self.reasoning).line().code(&self.decision);
        text.line().plain(&format!("silence means no, at {}", self.expires_at))
    }
}

/// Counts events that went by before anybody could be told of them.
fn missed_of_all(events: u64) {
    metrics::counter!("conclave_notices_total", "route" => "all", "outcome" => "missed")
        .increment(events);
}

impl Teller {
    /// Tells for ever.
    pub(super) async fn tell(&self) {
        let mut events = self.hub.follow();
        // Whoever watches the counter grow must have seen it at zero, or misses the first loss.
        missed_of_all(0);
        if !self.has_begun.swap(true, Ordering::SeqCst) {
            self.begin().await;
        }
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut nth, mut rested, mut due) = (0_u32, SUMMARY_EVERY, None);
        let mut falls = std::pin::pin!(self.council.falls());
        let mut has_fallen = false;
        loop {
            tokio::select! {
                why = &mut falls, if !has_fallen => {
                    has_fallen = true;
                    self.tell_of_the_fall(&why);
                }
                event = events.recv() => match event {
                    Ok(event) => {
                        let ended = self.hear(&event).await;
                        due = ended.or(due);
                        self.seen.store(event.id, Ordering::SeqCst);
                    }
                    Err(RecvError::Lagged(missed)) => {
                        missed_of_all(missed);
                    }
                    Err(RecvError::Closed) => std::future::pending().await,
                },
                _ = looks.tick() => {
                    (nth, rested) = (nth.wrapping_add(1), rested.saturating_add(1));
                    self.sample();
                    if nth % BUDGETS_EVERY == 0 {
                        self.look_at_budgets().await;
                    }
                    if rested >= SUMMARY_EVERY
                        && let Some(at) = due.take()
                    {
                        rested = 0;
                        self.sum_up(at).await;
                    }
                }
            }
        }
    }

    /// The one thing that no record tells: without actors nobody writes any.
    fn tell_of_the_fall(&self, why: &str) {
        let text = Rich::default().bold("THE COUNCIL HAS FALLEN").plain(&format!(": {why}"));
        let text = text.line().plain(
            "no entry leaves any more; orders that rest at the broker stand; the process ends, and \
             comes up halted",
        );
        self.notifier.tell(Notice::new(Kind::States, self.clock.trading(), text));
    }

    /// Says that somebody watches, and asks what waits already.
    async fn begin(&self) {
        let (run, money) = &self.of;
        let standing = self.council.safety.standing();
        let mode = standing.mode(Team::Trading);
        let text = Rich::default().bold("Conclave").plain(": run ").code(run);
        let text = text.plain(&format!(
            ", {money} money, {mode}, {}; it is told here from now on",
            standing.trading_state.name()
        ));
        self.notifier.tell(Notice::new(Kind::Runs, self.clock.trading(), text));
        for item in self.waiting().await {
            self.ask(&item, self.clock.trading(), None);
        }
    }

    async fn look(&self, view: View) -> Option<Value> {
        tokio::time::timeout(PATIENCE, self.desk.view(view)).await.ok()?.ok()
    }

    async fn waiting(&self) -> Vec<Item> {
        self.look(View::Approvals).await.map(|shown| items(&shown)).unwrap_or_default()
    }

    fn ask(&self, item: &Item, at: Time, seq: Option<u64>) {
        let (decision, expires_at) = (item.decision.clone(), item.expires_at);
        let matter = Matter::Asks { decision: decision.clone(), expires_at };
        let notice = Notice::new(Kind::Approvals, at, item.text());
        self.notifier.tell(Notice { matter, decision: Some(decision), seq, ..notice });
    }

    /// Tells one event, if anybody wants it. When a session has ended.
    async fn hear(&self, event: &Event) -> Option<Time> {
        let line = Line::read(&event.data).ok()?;
        if line.step == Step::SessionDigest {
            return self.notifier.wants(Kind::Summary).then_some(line.at);
        }
        // A round is told as a veto or not at all; nothing else is of two kinds.
        if !self.notifier.wants(kind_of(line.step)?) {
            return None;
        }
        let notice = tell(&line, self.clock.wall())?;
        if let Matter::Asks { decision, .. } = &notice.matter {
            // The queue knows why, and until when.
            let waiting = self.waiting().await;
            if let Some(item) = waiting.iter().find(|item| &item.decision == decision) {
                self.ask(item, line.at, Some(line.seq));
            }
            return None;
        }
        let is_end = line.step == Step::RunEnded;
        self.notifier.tell(notice);
        if is_end && self.notifier.wants(Kind::Summary) {
            self.sample();
            self.sum_up(line.at).await;
        }
        None
    }

    fn sample(&self) {
        let view = self.council.broker.view();
        if view.at != Time::EPOCH
            && let Some(shown) = view.book(book_of(&self.council.safety))
        {
            self.curve.add(shown.book, (view.at, shown.equity.to_f64()));
        }
    }

    async fn look_at_budgets(&self) {
        if !self.notifier.wants(Kind::Budgets) {
            return;
        }
        let Some(report) = self.council.safety.report().await else { return };
        let alarms = {
            let mut alarms = self.alarms.lock().unwrap_or_else(PoisonError::into_inner);
            alarms.look(&report.remaining)
        };
        for alarm in alarms {
            let head = match alarm.level {
                Level::Nearly => "Nearly spent",
                Level::Wholly => "Spent",
            };
            let text = Rich::default().bold(head).plain(": ").code(&alarm.row.budget);
            let text = text.plain(&format!(", {} of {} left", alarm.row.left, alarm.row.limit));
            self.notifier.tell(Notice::new(Kind::Budgets, self.clock.trading(), text));
        }
    }

    async fn sum_up(&self, at: Time) {
        let Some(shown) = self.look(View::Status).await else { return };
        let day = at.timestamp().strftime("%Y-%m-%d").to_string();
        let text = Rich::default().bold(&format!("Session {day}")).line();
        let text = text.and(&replies::account(&shown["account"]));
        let text = text.line().plain(&replies::counts(&shown));
        let picture = self.curve.picture(book_of(&self.council.safety)).await;
        self.notifier.tell(Notice { picture, ..Notice::new(Kind::Summary, at, text) });
    }
}
