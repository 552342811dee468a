//! What a broker says once, twice, late and in sums, and what of it is booked.

use super::*;
use crate::order::OrderKind;
use crate::order::{DecisionId, Purpose, Side, TimeInForce};
use crate::order_state::{Added, Status};

fn intent(qty: &str) -> OrderIntent {
    let symbol = Symbol::new("AAA").unwrap();
    let decision = DecisionId::new(&symbol, Time::EPOCH, "entry");
    OrderIntent {
        client_order_id: ClientOrderId::derive(&decision, Side::Buy, 0),
        decision,
        symbol,
        side: Side::Buy,
        qty: qty.parse().unwrap(),
        kind: OrderKind::Market,
        time_in_force: TimeInForce::Day,
        extended_hours: false,
        purpose: Purpose::Entry,
        at: Time::EPOCH,
        reference: "100".parse().unwrap(),
        exits: None,
    }
}

/// An order of ten that was sent, and the account that it belongs to.
struct Sent {
    away: AwayBroker,
    orders: Orders,
    id: ClientOrderId,
}

impl Sent {
    fn ten() -> Self {
        let mut away =
            AwayBroker::new(AwayTerms::default(), Money::from_units(10_000).unwrap()).unwrap();
        let mut orders = Orders::default();
        let intent = intent("10");
        let id = intent.client_order_id.clone();
        assert!(matches!(orders.add(intent.clone()), Ok(Added::New(_))));
        away.submit(intent);
        let mut sent = Self { away, orders, id };
        sent.apply(News::Submitted);
        sent
    }

    fn apply(&mut self, news: News) {
        let event = OrderEvent { order: self.id.clone(), at: Time::EPOCH, news };
        self.orders.apply(&event).unwrap();
    }

    /// Whether the report was new, or the doubt that it raised.
    fn hear(&mut self, said: Said) -> Result<bool, String> {
        let report = Report { order: self.id.clone(), at: Time::from_ms(1), said };
        let order = self.orders.get(&self.id).unwrap().clone();
        let before = (self.away.book().clone(), self.orders.clone());
        match self.away.hear(&self.orders, &order, &report) {
            Ok(event) => {
                if let Some(event) = &event {
                    self.orders.apply(event).unwrap();
                }
                self.away.book().check().unwrap();
                Ok(event.is_some())
            }
            Err(doubt) => {
                assert_eq!((self.away.book().clone(), self.orders.clone()), before);
                Err(doubt.why)
            }
        }
    }

    fn held(&self) -> String {
        let symbol = Symbol::new("AAA").unwrap();
        let held = self.away.book().position(&symbol);
        held.map_or("0".to_owned(), |held| {
            format!("{} at {}", held.signed_qty(), held.entry_price().unwrap())
        })
    }

    fn status(&self) -> Status {
        self.orders.get(&self.id).unwrap().status()
    }
}

fn executed(id: &str, qty: &str, price: &str, filled: &str) -> Said {
    let execution = Execution {
        id: id.to_owned(),
        qty: qty.parse().unwrap(),
        price: price.parse().unwrap(),
        fee: Money::ZERO,
        filled: filled.parse().unwrap(),
    };
    Said::Executed { execution }
}

fn total(filled: &str, average: &str) -> Said {
    Said::Total { filled: filled.parse().unwrap(), average: average.parse().unwrap() }
}

/// O-2: what the broker repeats, under whatever name, is booked once.
#[test]
fn every_way_of_saying_a_fill_again_books_it_once() {
    let (a, b) = (|| executed("a", "6", "100", "6"), || executed("b", "4", "105", "10"));
    let scripts: [(&str, Vec<Said>); 9] = [
        ("in order", vec![a(), b()]),
        ("each twice", vec![a(), a(), b(), b(), a()]),
        ("the later one first", vec![b(), a()]),
        ("the total first", vec![total("10", "102"), a(), b()]),
        ("a total in between", vec![a(), total("10", "102"), b(), a()]),
        ("a total behind the later one", vec![b(), total("10", "102"), a()]),
        ("a total of the first part", vec![total("6", "100"), b(), a()]),
        ("a total that is late", vec![a(), b(), total("6", "100")]),
        ("totals only", vec![total("6", "100"), total("10", "102"), total("10", "102")]),
    ];
    for (what, script) in scripts {
        let mut sent = Sent::ten();
        for said in script {
            sent.hear(said).unwrap();
        }
        assert_eq!(sent.held(), "10 at 102", "{what}");
        assert_eq!(sent.status(), Status::Filled, "{what}");
    }
}

/// P-1: what cannot be true changes nothing, and is a doubt instead of an end.
#[test]
fn what_cannot_be_true_is_a_doubt_and_changes_nothing() {
    let long = "x".repeat(200);
    let table = [
        executed("", "1", "100", "1"),
        executed(&long, "1", "100", "1"),
        executed("a", "0", "100", "0"),
        executed("a", "-1", "100", "1"),
        executed("a", "1", "0", "1"),
        executed("a", "3", "100", "2"),
        executed("a", "11", "100", "11"),
        executed("a", "10", "90000000000", "10"),
        total("11", "100"),
        total("-1", "100"),
        total("3", "0"),
    ];
    for said in table {
        let mut sent = Sent::ten();
        assert!(sent.hear(said.clone()).is_err(), "{said:?}");
        assert_eq!(sent.held(), "0");
    }
    let fee = Execution {
        id: "a".to_owned(),
        qty: "1".parse().unwrap(),
        price: "1".parse().unwrap(),
        fee: "-0.01".parse().unwrap(),
        filled: "1".parse().unwrap(),
    };
    assert!(Sent::ten().hear(Said::Executed { execution: fee }).is_err());
}

#[test]
fn news_that_says_nothing_new_is_known_and_late_fills_are_fills() {
    let accepted = |id: &str| Said::Accepted { venue_order_id: Some(id.to_owned()) };
    let mut sent = Sent::ten();
    assert_eq!(sent.hear(accepted("v")), Ok(true));
    assert_eq!(sent.hear(accepted("v")), Ok(false));
    sent.apply(News::CancelRequested);
    assert_eq!(sent.hear(Said::Canceled), Ok(true));
    assert_eq!(sent.hear(Said::Canceled), Ok(false));
    assert_eq!(sent.hear(executed("a", "4", "100", "4")), Ok(true));
    assert_eq!((sent.held().as_str(), sent.status()), ("4 at 100", Status::Canceled));
    assert!(sent.hear(Said::Expired).is_err());

    let mut sent = Sent::ten();
    let denied = Said::Denied { code: Code::SafetyStore, text: "t".repeat(1_000) };
    assert_eq!(sent.hear(denied), Ok(true));
    assert_eq!(sent.status(), Status::Denied);
    assert!(sent.hear(executed("a", "4", "100", "4")).is_err(), "it never left");
    let mut sent = Sent::ten();
    sent.hear(executed("a", "4", "100", "4")).unwrap();
    let denied = Said::Denied { code: Code::SafetyStore, text: String::new() };
    assert!(sent.hear(denied).is_err(), "it had left");
}

#[test]
fn what_has_not_left_is_taken_back_and_what_has_is_asked_for() {
    let mut sent = Sent::ten();
    let order = sent.orders.get(&sent.id).unwrap().clone();
    assert_eq!(sent.away.cancel(&order, Time::EPOCH).news, News::Canceled);
    assert_eq!(sent.away.take_outgoing(), []);

    let mut sent = Sent::ten();
    assert_eq!(sent.away.take_outgoing().len(), 1);
    sent.hear(Said::Accepted { venue_order_id: Some("v".to_owned()) }).unwrap();
    let order = sent.orders.get(&sent.id).unwrap().clone();
    assert_eq!(sent.away.cancel(&order, Time::EPOCH).news, News::CancelRequested);
    let symbol = order.intent.symbol;
    let (order, venue_order_id) = (sent.id.clone(), Some("v".to_owned()));
    assert_eq!(sent.away.take_outgoing(), [Outgoing::Cancel { symbol, order, venue_order_id }]);
    assert_eq!(sent.away.take_outgoing(), []);
}

/// What is known of executions is kept as long as their orders are, and no longer.
#[test]
fn what_is_known_of_executions_is_bounded_by_what_is_known_of_orders() {
    let mut sent = Sent::ten();
    sent.hear(executed("a", "4", "100", "4")).unwrap();
    assert_eq!(sent.away.told.len(), 1);
    let text = serde_json::to_string(&sent.away).unwrap();
    let mut read: AwayBroker = serde_json::from_str(&text).unwrap();
    assert_eq!(read, sent.away);
    // The same order in a registry that knows no other one any more.
    let order = sent.orders.get(&sent.id).unwrap().clone();
    let said = executed("b", "1", "100", "5");
    let report = Report { order: sent.id.clone(), at: Time::from_ms(2), said };
    read.hear(&Orders::default(), &order, &report).unwrap();
    assert_eq!(read.told.len(), 1, "the one that was just heard of");
}
