//! A council whose real book is kept by a broker outside: what leaves, when, and what comes of news.

use conclave_domain::away::{AwayTerms, Execution, Report, Said};
use conclave_domain::clearance::{Cleared, Validity};
use conclave_domain::fixed::{Money, Price, Qty};
use conclave_domain::market::symbol::AssetClass;
use conclave_domain::order::{ClientOrderId, ExitReason, OrderIntent};
use conclave_domain::order_state::Status;
use conclave_domain::reconcile::{StatedPosition, Statement, StatementError};

use super::*;
use crate::broker::Outside;
use crate::runtime::ports::AuditError;
use crate::testkit::memory_route::MemoryRoute;

/// A council, and the way to its broker.
struct Abroad {
    desk: TestCouncil,
    route: Arc<MemoryRoute>,
}

impl Abroad {
    async fn start(mode: Mode) -> Self {
        let route = Arc::<MemoryRoute>::default();
        let outside = Outside { route: route.clone(), terms: AwayTerms::default() };
        let plan = CouncilPlan { mode, outside: Some(outside), ..CouncilPlan::default() };
        Self { desk: TestCouncil::with(plan).await, route }
    }

    /// With a position in the first share, and its stop at the broker.
    async fn holding() -> Self {
        let abroad = Self::start(Mode::Autonomous).await;
        let told = abroad.desk.decide_long().await;
        assert_eq!(told.verdicts(), ["act"], "{told:#?}");
        let entry = abroad.route.last();
        abroad.accept(&entry).await;
        abroad.fill(&entry, entry.qty, "e1").await;
        abroad.accept(&abroad.route.last()).await;
        abroad
    }

    async fn hear(&self, order: &OrderIntent, said: Said) -> usize {
        let report = Report { order: order.client_order_id.clone(), at: order.at, said };
        self.desk.council.broker.heard(vec![report]).await.unwrap().len()
    }

    async fn accept(&self, order: &OrderIntent) {
        let said = Said::Accepted { venue_order_id: Some("v".to_owned()) };
        assert_eq!(self.hear(order, said).await, 0);
    }

    /// Fills an order up to this much at the price that it was made at.
    async fn fill(&self, order: &OrderIntent, filled: Qty, id: &str) -> usize {
        let so_far = self.order(order).await.filled();
        let execution = Execution {
            id: id.to_owned(),
            qty: filled.minus(so_far).unwrap(),
            price: order.reference,
            fee: Money::ZERO,
            filled,
        };
        self.hear(order, Said::Executed { execution }).await
    }

    async fn order(&self, intent: &OrderIntent) -> conclave_domain::order_state::Order {
        let accounts = self.desk.council.broker.export().await.unwrap();
        let orders = accounts[&BookKind::Real].custody.orders();
        orders.get(&intent.client_order_id).unwrap().clone()
    }

    async fn status(&self, intent: &OrderIntent) -> Status {
        self.order(intent).await.status()
    }

    fn held(&self) -> String {
        let view = self.desk.council.broker.view();
        let held = view.positions.iter().map(|held| format!("{} {}", held.symbol, held.qty));
        held.collect::<Vec<_>>().join(", ")
    }

    /// A person's entry of the second share, cleared at this moment.
    fn by_hand(&self) -> Cleared<OrderIntent> {
        let raised = self.desk.signal(1, Direction::Long);
        let decision = conclave_domain::order::DecisionId::new(
            &raised.signal.symbol,
            raised.signal.at,
            "entry",
        );
        let side = conclave_domain::order::Side::Buy;
        let intent = OrderIntent {
            client_order_id: ClientOrderId::derive(&decision, side, 0),
            decision,
            symbol: raised.signal.symbol.clone(),
            side,
            qty: Qty::from_units(3).unwrap(),
            kind: conclave_domain::order::OrderKind::Market,
            time_in_force: conclave_domain::order::TimeInForce::Day,
            extended_hours: false,
            purpose: conclave_domain::order::Purpose::Entry,
            at: raised.signal.at,
            reference: raised.bar.close,
            exits: None,
        };
        let epoch = self.desk.fence.epoch(intent.symbol.as_str());
        let expires_at = raised.signal.at + Duration::from_mins(1);
        Cleared::by_person(person(), intent, Validity { epoch, expires_at })
    }

    async fn statement(&self) -> Statement {
        let broker = &self.desk.council.broker;
        let accounts = broker.export().await.unwrap();
        let book = accounts[&BookKind::Real].custody.book();
        let positions = book.positions().iter().map(|(symbol, held)| StatedPosition {
            symbol: symbol.clone(),
            class: AssetClass::Equity,
            qty: held.signed_qty(),
            average: held.entry_price().unwrap(),
            price: held.mark,
        });
        Statement {
            changes: broker.in_flight().await.unwrap().changes,
            at: broker.view().at,
            cash: book.cash(),
            equity: None,
            positions: positions.collect(),
            orders: Vec::new(),
            foreign_orders: 0,
        }
    }
}

/// O-1: what leaves was cleared and is written down; what is filled is what the broker says.
#[tokio::test(start_paused = true)]
async fn an_entry_leaves_once_it_is_on_the_disk_and_is_held_once_it_is_filled() {
    let abroad = Abroad::start(Mode::Autonomous).await;
    abroad.desk.audit.stall();
    let decided = abroad.desk.decide_long();
    let looked = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(abroad.route.sent(), [], "nothing is known to be on the disk");
        abroad.desk.audit.go_on();
    };
    let (told, ()) = tokio::join!(decided, looked);
    let entry = abroad.route.last();
    assert_eq!(abroad.route.words(), ["buy market"]);
    let id = entry.client_order_id.to_string();
    let written = told.bodies("order.submitted");
    assert_eq!(written[0]["intent"]["client_order_id"], id.as_str(), "the whole intent");
    assert_eq!(abroad.held(), "");

    abroad.accept(&entry).await;
    abroad.fill(&entry, entry.qty, "e1").await;
    assert_eq!(abroad.held(), format!("{} {}", entry.symbol, entry.qty));
    assert_eq!(abroad.route.words(), ["buy market", "sell stop"], "O-4: and it is guarded");
    let context = abroad.desk.council.context.snapshot();
    let book = &context.book(BookKind::Real).unwrap().book;
    assert_eq!(book.position(&entry.symbol).unwrap().qty, entry.qty);
    abroad.desk.stop().await;
}

/// O-2: what a broker may do with an order, and what becomes of the book.
#[tokio::test(start_paused = true)]
async fn whatever_the_broker_does_with_an_order_is_booked_once() {
    let abroad = Abroad::holding().await;
    let stop = abroad.route.last();
    let entry = abroad.order(&stop).await.intent;
    assert_eq!(entry.client_order_id, stop.client_order_id);
    let held = abroad.held();

    // Said twice, and accepted late.
    let part = Qty::from_raw(stop.qty.raw() / 2);
    abroad.fill(&stop, part, "s1").await;
    let execution = Execution {
        id: "s1".to_owned(),
        qty: part,
        price: stop.reference,
        fee: Money::ZERO,
        filled: part,
    };
    assert_eq!(abroad.hear(&stop, Said::Executed { execution }).await, 0);
    abroad.accept(&stop).await;
    assert_eq!(abroad.order(&stop).await.filled(), part);
    assert_ne!(abroad.held(), held);

    // Canceled in part on a person's word; what is left leaves, and a rejection is not the end of it.
    let broker = &abroad.desk.council.broker;
    broker.flatten(Some(BookKind::Real), None, ExitReason::Person).await.unwrap();
    assert_eq!(abroad.route.canceled(), std::slice::from_ref(&stop.client_order_id));
    assert_eq!(abroad.hear(&stop, Said::Canceled).await, 0);
    let exit = abroad.route.last();
    assert_eq!((exit.qty, exit.kind.name()), (stop.qty.minus(part).unwrap(), "market"));
    let no = Said::Rejected { code: Code::BrokerRejected, text: "no".to_owned() };
    assert_eq!(abroad.hear(&exit, no).await, 0);
    assert_eq!(abroad.route.last(), exit);
    broker.flatten(Some(BookKind::Real), None, ExitReason::Person).await.unwrap();
    let second = abroad.route.last();
    assert_ne!(second.client_order_id, exit.client_order_id);

    // A fill behind its cancel; then one that cannot be, which is a doubt.
    assert_eq!(abroad.hear(&second, Said::Canceled).await, 0);
    assert_eq!(abroad.fill(&second, second.qty, "x1").await, 0);
    assert_eq!((abroad.held().as_str(), abroad.status(&second).await), ("", Status::Filled));
    let execution = Execution {
        id: "x2".to_owned(),
        qty: second.qty,
        price: second.reference,
        fee: Money::ZERO,
        filled: Qty::from_raw(2 * second.qty.raw()),
    };
    assert_eq!(abroad.hear(&second, Said::Executed { execution }).await, 1);
    assert_eq!(abroad.held(), "");
    assert_eq!(abroad.desk.council.broker.in_flight().await.unwrap().orders, []);
    abroad.desk.stop().await;
}

/// A-1, O-4: a log that refuses keeps entries back, and no exit; one that hangs holds an exit up for two
/// seconds at most.
#[tokio::test(start_paused = true)]
async fn a_log_that_refuses_or_hangs_keeps_entries_back_and_no_exit() {
    for hangs in [false, true] {
        let abroad = Abroad::holding().await;
        let stop = abroad.route.last();
        let fail = |failing: bool| match (hangs, failing) {
            (true, true) => abroad.desk.audit.stall(),
            (true, false) => abroad.desk.audit.go_on(),
            (false, true) => abroad.desk.audit.fail(Some(AuditError::DiskFull)),
            (false, false) => abroad.desk.audit.fail(None),
        };
        fail(true);
        let broker = &abroad.desk.council.broker;
        let cleared = abroad.by_hand();
        let entry = cleared.item().clone();
        assert_eq!(broker.submit(BookKind::Real, cleared, Vec::new()).await, Ok(Ok(())));
        let order = abroad.order(&entry).await;
        assert_eq!(order.refusal().map(|(code, _)| code), Some(Code::SafetyStore));
        assert_eq!(abroad.route.last(), stop, "no entry left");

        let asked_at = Instant::now();
        broker.flatten(Some(BookKind::Real), None, ExitReason::Halt).await.unwrap();
        assert_eq!(abroad.route.canceled(), std::slice::from_ref(&stop.client_order_id));
        let waited = if hangs { Duration::from_secs(2) } else { Duration::ZERO };
        assert_eq!(asked_at.elapsed(), waited);
        fail(false);
        abroad.hear(&stop, Said::Canceled).await;
        assert_eq!(abroad.route.words().last().unwrap(), "sell market");
        abroad.desk.council.audit.sync().await.unwrap();
        let log = abroad.desk.log();
        let denied = |body: &&&Value| body["event"]["code"] == "safety.store";
        assert_eq!(log.bodies("order.submitted").iter().filter(denied).count(), 1, "{log:#?}");
        abroad.desk.stop().await;
    }
}

/// O-3: what comes while an entry waits for the disk stops the entry.
#[tokio::test(start_paused = true)]
async fn a_halt_while_an_entry_waits_for_the_disk_stops_it() {
    for (what, code) in [("halt", Code::SafetyHalted), ("veto", Code::SafetyFenced)] {
        let abroad = Abroad::start(Mode::Autonomous).await;
        let cleared = abroad.by_hand();
        let entry = cleared.item().clone();
        abroad.desk.audit.stall();
        let submitted = abroad.desk.council.broker.submit(BookKind::Real, cleared, Vec::new());
        let intervened = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if what == "halt" {
                abroad.desk.fence.halt();
            } else {
                abroad.desk.fence.veto(entry.symbol.as_str());
            }
            abroad.desk.audit.go_on();
        };
        let (answer, ()) = tokio::join!(submitted, intervened);
        assert_eq!(answer, Ok(Ok(())));
        assert_eq!(abroad.route.sent(), [], "{what}");
        let order = abroad.order(&entry).await;
        assert_eq!(order.refusal().map(|(refusal, _)| refusal), Some(code));
        abroad.desk.stop().await;
    }
}

/// P-1: the broker wins; what no fill explains is booked, written down and stops new risk.
#[tokio::test(start_paused = true)]
async fn a_statement_that_differs_is_taken_over_and_stops_new_risk() {
    let abroad = Abroad::start(Mode::Autonomous).await;
    let council = &abroad.desk.council;
    let state = || council.safety.standing().trading_state;
    let good = abroad.statement().await;
    assert_eq!(council.reconcile(good.clone()).await.unwrap().adjustments, []);
    let fee = Statement { cash: good.cash.minus(Money::from_units(1).unwrap()).unwrap(), ..good };
    let done = council.reconcile(fee.clone()).await.unwrap();
    assert_eq!((done.adjustments.len(), done.is_material), (1, false));
    assert_eq!(state(), TradingState::Active, "a fee stops nobody");
    assert!(matches!(
        council.reconcile(fee.clone()).await,
        Err(BrokerError::Statement(StatementError::Stale))
    ));

    let cleared = abroad.by_hand();
    let symbol = cleared.item().symbol.clone();
    let price: Price = "50".parse().unwrap();
    let bought = StatedPosition {
        symbol: symbol.clone(),
        class: AssetClass::Equity,
        qty: Qty::from_units(7).unwrap(),
        average: price,
        price,
    };
    let mut theirs = abroad.statement().await;
    theirs.cash = theirs.cash.minus(Money::from_units(350).unwrap()).unwrap();
    theirs.positions = vec![bought];
    let done = council.reconcile(theirs).await.unwrap();
    assert!(done.is_material);
    assert_eq!(state(), TradingState::Reducing);
    assert_eq!(abroad.held(), format!("{symbol} 7"));
    let context = council.context.snapshot();
    let book = &context.book(BookKind::Real).unwrap().book;
    assert_eq!(book.position(&symbol).unwrap().qty, Qty::from_units(7).unwrap());
    assert_eq!(abroad.desk.log().bodies("book.adjusted").len(), 2);
    assert_eq!(abroad.route.words(), ["sell stop"], "O-4: what was adopted is guarded");
    let answer = council.broker.submit(BookKind::Real, cleared, Vec::new()).await;
    assert_eq!(answer, Ok(Err(Code::SafetyFenced)), "it was decided on other books");
    abroad.desk.stop().await;
}

/// The shadow book is simulated, whoever keeps the real one; and the end of the bars sells nothing.
#[tokio::test(start_paused = true)]
async fn advice_stays_here_and_the_end_of_the_bars_sells_nothing() {
    let mut abroad = Abroad::start(Mode::Advisory).await;
    abroad.desk.decide_long().await;
    abroad.desk.day().await.unwrap();
    assert_eq!(abroad.desk.orders(BookKind::Shadow).len(), 1);
    assert_eq!(abroad.desk.council.broker.view().positions.len(), 1);
    assert_eq!(abroad.route.sent(), []);
    abroad.desk.stop().await;

    let abroad = Abroad::holding().await;
    let sent = abroad.route.sent().len();
    abroad.desk.council.broker.flatten(None, None, ExitReason::EndOfData).await.unwrap();
    assert_eq!(abroad.route.sent().len(), sent);
    assert_ne!(abroad.held(), "");
    abroad.desk.stop().await;
}

/// What a former process had written down is taken up, and its fill finds its order.
#[tokio::test(start_paused = true)]
async fn an_order_of_a_former_process_is_taken_up() {
    let abroad = Abroad::start(Mode::Autonomous).await;
    let entry = abroad.by_hand().into_item();
    let broker = &abroad.desk.council.broker;
    assert_eq!(broker.recall(vec![entry.clone()]).await, Ok(1));
    assert_eq!(broker.in_flight().await.unwrap().orders.len(), 1);
    assert_eq!(abroad.route.sent(), [], "it was sent before");
    assert_eq!(abroad.fill(&entry, entry.qty, "e1").await, 0);
    assert_eq!(abroad.held(), format!("{} 3", entry.symbol));
    abroad.desk.stop().await;
}
