//! Children that panic, err, are killed, stop, or never start, under one parent.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use ractor::{ActorProcessingErr, ActorRef};

use super::*;
use crate::runtime::refs::{StableRef, stable};

/// What a child is told to do.
#[derive(Clone, Copy, Debug)]
enum Order {
    Panic,
    Error,
    Stop,
    Kill,
}

/// What the children have done, in order.
type Diary = Arc<Mutex<Vec<String>>>;

#[derive(Debug)]
struct Child {
    name: &'static str,
    diary: Diary,
    /// How many of its next starts fail.
    failing_starts: Arc<AtomicU32>,
}

impl Child {
    fn note(&self, what: &str) {
        self.diary.lock().unwrap().push(format!("{what}{}", self.name));
    }
}

impl Actor for Child {
    type Msg = Order;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Order>, (): ()) -> Result<(), ActorProcessingErr> {
        let left = self.failing_starts.load(Ordering::SeqCst);
        if left > 0 {
            self.failing_starts.store(left - 1, Ordering::SeqCst);
            return Err("a start that fails".into());
        }
        self.note("+");
        Ok(())
    }

    async fn handle(
        &self,
        me: ActorRef<Order>,
        order: Order,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        match order {
            Order::Panic => panic!("boom"),
            Order::Error => Err("an error".into()),
            Order::Stop => {
                me.stop(None);
                Ok(())
            }
            Order::Kill => {
                me.kill();
                Ok(())
            }
        }
    }

    async fn post_stop(&self, _: ActorRef<Order>, (): &mut ()) -> Result<(), ActorProcessingErr> {
        self.note("-");
        Ok(())
    }
}

#[derive(Debug)]
struct Parent {
    intensity: Intensity,
    diary: Diary,
}

#[derive(Debug)]
enum Note {
    Restart(usize),
    Started(Started),
}

impl Parent {
    fn follow(&self, me: &ActorRef<Note>, remedy: Remedy) {
        match remedy {
            Remedy::Nothing => {}
            Remedy::RestartAfter(pause, index) => {
                me.send_after(pause, move || Note::Restart(index));
            }
            Remedy::GaveUp(name, end) => {
                self.diary.lock().unwrap().push(format!("gave up {name}: {}", end.reason()));
            }
        }
    }
}

impl Actor for Parent {
    type Msg = Note;
    type State = Supervisor;
    type Arguments = Vec<ChildSpec>;

    async fn pre_start(
        &self,
        me: ActorRef<Note>,
        specs: Vec<ChildSpec>,
    ) -> Result<Supervisor, ActorProcessingErr> {
        let (me, here) = (me.get_cell(), Handle::current());
        Ok(Supervisor::start(me, here, self.intensity, Directory::default(), specs).await?)
    }

    async fn handle(
        &self,
        me: ActorRef<Note>,
        note: Note,
        children: &mut Supervisor,
    ) -> Result<(), ActorProcessingErr> {
        match note {
            Note::Restart(index) => {
                let report_to = me.clone();
                children.restart(index, move |started| {
                    let _ = report_to.cast(Note::Started(started));
                });
            }
            Note::Started(started) => {
                let remedy = children.started(started);
                self.follow(&me, remedy);
            }
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        me: ActorRef<Note>,
        event: SupervisionEvent,
        children: &mut Supervisor,
    ) -> Result<(), ActorProcessingErr> {
        let remedy = children.on_event(event);
        self.follow(&me, remedy);
        Ok(())
    }

    async fn post_stop(
        &self,
        _: ActorRef<Note>,
        children: &mut Supervisor,
    ) -> Result<(), ActorProcessingErr> {
        children.stop(Duration::from_secs(1)).await;
        Ok(())
    }
}

struct Family {
    parent: ActorRef<Note>,
    children: Vec<StableRef<Order>>,
    failing_starts: Arc<AtomicU32>,
    diary: Diary,
}

impl Family {
    #[expect(clippy::disallowed_methods, reason = "a test is its own supervisor")]
    async fn start(intensity: Intensity) -> Self {
        let diary = Diary::default();
        let failing_starts = Arc::new(AtomicU32::new(0));
        let (mut specs, mut children) = (Vec::new(), Vec::new());
        for name in ["a", "b", "c"] {
            let (publisher, child) = stable();
            let (diary, failing_starts) = (Arc::clone(&diary), Arc::clone(&failing_starts));
            specs.push(ChildSpec::new(name, publisher, move || {
                let (diary, failing_starts) = (Arc::clone(&diary), Arc::clone(&failing_starts));
                (Child { name, diary, failing_starts }, ())
            }));
            children.push(child);
        }
        let parent = Parent { intensity, diary: Arc::clone(&diary) };
        let (parent, _) = Actor::spawn(None, parent, specs).await.unwrap();
        Self { parent, children, failing_starts, diary }
    }

    async fn order(&self, child: usize, order: Order) {
        self.children[child].cast(order).unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }

    fn diary(&self) -> String {
        self.diary.lock().unwrap().join(" ")
    }
}

/// C4: a kill arrives as a termination, not as a failure; all four ends are ends.
#[tokio::test(start_paused = true)]
async fn a_child_that_panics_errs_is_killed_or_stops_is_back_and_its_siblings_live_on() {
    let family = Family::start(Intensity::default()).await;
    let sibling = family.children[0].get().unwrap().get_id();
    for order in [Order::Panic, Order::Error, Order::Kill, Order::Stop] {
        let former = family.children[1].get().unwrap().get_id();
        family.order(1, order).await;
        let life = family.children[1].get().unwrap().get_id();
        assert_ne!(former, life, "{order:?}");
    }
    assert_eq!(family.children[0].get().unwrap().get_id(), sibling);
    assert_eq!(family.diary(), "+a +b +c +b +b +b -b +b");
}

#[tokio::test(start_paused = true)]
async fn children_start_in_order_and_stop_in_reverse() {
    let family = Family::start(Intensity::default()).await;
    family.parent.stop(None);
    family.parent.wait(None).await.unwrap();
    assert_eq!(family.diary(), "+a +b +c -c -b -a");
    assert!(family.children[0].get().is_none());
    assert!(family.children[0].clone().another_life(None).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_child_over_its_intensity_is_given_up_and_its_window_forgets() {
    let intensity = Intensity { restarts_max: 2, ..Intensity::default() };
    let family = Family::start(intensity).await;
    family.order(0, Order::Panic).await;
    family.order(0, Order::Kill).await;
    tokio::time::sleep(Duration::from_mins(1)).await;
    for _ in 0..3 {
        family.order(0, Order::Kill).await;
    }
    assert_eq!(family.diary(), "+a +b +c +a +a +a +a gave up a: killed");
    assert!(family.children[0].get().is_none());
    assert!(family.children[1].get().is_some());
}

/// C5: a failing start is no event; it is charged to the same budget and tried again after a pause.
#[tokio::test(start_paused = true)]
async fn a_start_that_fails_is_tried_again_after_a_growing_pause() {
    let family = Family::start(Intensity::default()).await;
    family.failing_starts.store(3, Ordering::SeqCst);
    let started_at = Instant::now();
    let former = family.children[2].get().map(|child| child.get_id());
    family.children[2].cast(Order::Kill).unwrap();
    family.children[2].clone().another_life(former).await.unwrap();
    assert_eq!(started_at.elapsed(), Duration::from_millis(50 + 100 + 200));
    family.failing_starts.store(9, Ordering::SeqCst);
    family.order(2, Order::Kill).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(family.diary().ends_with("gave up c: start_failed"), "{}", family.diary());
}
