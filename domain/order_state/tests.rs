//! Tests of the order's life: the whole table, then single stories.

use super::*;
use crate::brief::trading::Session;
use crate::fixed::Price;
use crate::market::symbol::{AssetClass, Symbol};
use crate::order::{DecisionId, ExitReason, OrderIntent, OrderKind, Purpose, Side, TimeInForce};

fn intent(side: Side, qty: &str) -> OrderIntent {
    let symbol = Symbol::new("GOOG").unwrap();
    let decision = DecisionId::new(&symbol, Time::EPOCH, "entry");
    OrderIntent {
        client_order_id: ClientOrderId::derive(&decision, side, 0),
        decision,
        symbol,
        side,
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

fn event(order: &Order, news: News) -> OrderEvent {
    OrderEvent { order: order.intent.client_order_id.clone(), at: Time::from_ms(1), news }
}

fn fill(order: &Order, nth: u32, qty: &str) -> News {
    News::Fill {
        fill: Fill {
            client_order_id: order.intent.client_order_id.clone(),
            nth,
            symbol: order.intent.symbol.clone(),
            side: order.intent.side,
            qty: qty.parse().unwrap(),
            price: "100".parse().unwrap(),
            fee: "1".parse().unwrap(),
            at: Time::from_ms(1),
        },
    }
}

/// O-2: every status against every news: the table is complete and nothing final ever lives again.
#[test]
fn the_table_of_statuses_and_news_is_exactly_this() {
    const KINDS: [Kind; 13] = [
        Kind::Denied,
        Kind::Submitted,
        Kind::Accepted,
        Kind::PartFill,
        Kind::LastFill,
        Kind::CancelRequested,
        Kind::CancelRejected,
        Kind::Canceled,
        Kind::ReplaceRequested,
        Kind::ReplaceRejected,
        Kind::Replaced,
        Kind::Expired,
        Kind::Rejected,
    ];
    // i d s a p F c x C r y R e j stand for the statuses below; `=` stays, `~` resumes, `!` refuses.
    // Columns: denied submitted accepted part last cancel? cancel- canceled replace? replace-
    // replaced expired rejected.
    let expected = [
        (Status::Initialized, "DS!!!C!!!!!!!"),
        (Status::Denied, "=!!!!!!!!!!!!"),
        (Status::Submitted, "D=APFc=Cr=CEJ"),
        (Status::Accepted, "!==PFc=Cr=CEJ"),
        (Status::PartiallyFilled, "!==PFc=Cr=CE!"),
        (Status::PendingCancel, "D===F=~C==CEJ"),
        (Status::PendingReplace, "!===Fc=C=~CEJ"),
        (Status::Filled, "!==!!!=!!=!!!"),
        (Status::Canceled, "!===F!==!==!!"),
        (Status::Expired, "!===F!=!!=!=!"),
        (Status::Rejected, "!=!!!!=!!=!!="),
    ];
    let letter = |step| match step {
        Step::Stay => '=',
        Step::Resume => '~',
        Step::Refuse => '!',
        Step::To(Status::Denied) => 'D',
        Step::To(Status::Submitted) => 'S',
        Step::To(Status::Accepted) => 'A',
        Step::To(Status::PartiallyFilled) => 'P',
        Step::To(Status::PendingCancel) => 'c',
        Step::To(Status::PendingReplace) => 'r',
        Step::To(Status::Filled) => 'F',
        Step::To(Status::Canceled) => 'C',
        Step::To(Status::Expired) => 'E',
        Step::To(Status::Rejected) => 'J',
        Step::To(Status::Initialized) => 'I',
    };
    assert_eq!(expected.map(|(status, _)| status), Status::ALL);
    for (status, row) in expected {
        let steps = KINDS.map(|kind| next(status, kind));
        let shown: String = steps.into_iter().map(letter).collect();
        assert_eq!(shown, row, "{status}");
        for step in steps {
            let revived = matches!(step, Step::To(to) if !to.is_final()) || step == Step::Resume;
            assert!(!(status.is_final() && revived), "{status} lives again");
        }
    }
}

#[test]
fn an_order_is_filled_in_parts_and_knows_its_mean_price_and_fees() {
    let mut order = Order::new(intent(Side::Buy, "3"));
    for news in [News::Submitted, News::Accepted { venue_order_id: Some("v1".into()) }] {
        order.apply(&event(&order, news)).unwrap();
    }
    let first = event(&order, fill(&order, 0, "1"));
    let moved = order.apply(&first).unwrap();
    assert_eq!((moved.to, moved.fill_is_new), (Status::PartiallyFilled, true));
    let again = order.apply(&first).unwrap();
    assert!(!again.changed());
    let rest = event(&order, fill(&order, 1, "2"));
    assert_eq!(order.apply(&rest).unwrap().to, Status::Filled);
    assert_eq!(order.mean_price().unwrap(), Some("100".parse::<Price>().unwrap()));
    assert_eq!(order.fees().unwrap(), "2".parse().unwrap());
    assert_eq!(order.venue_order_id(), Some("v1"));
    assert!(order.open_qty().is_zero());
    let late = order.apply(&event(&order, News::Accepted { venue_order_id: None })).unwrap();
    assert!(!late.changed());
}

#[test]
fn a_fill_after_a_cancel_is_counted_because_it_happened() {
    let mut order = Order::new(intent(Side::Buy, "3"));
    for news in [News::Submitted, News::CancelRequested, News::Canceled] {
        order.apply(&event(&order, news)).unwrap();
    }
    let part = order.apply(&event(&order, fill(&order, 0, "1"))).unwrap();
    assert_eq!((part.to, part.fill_is_new), (Status::Canceled, true));
    let rest = order.apply(&event(&order, fill(&order, 1, "2"))).unwrap();
    assert_eq!(rest.to, Status::Filled);
}

#[test]
fn what_contradicts_is_a_typed_error_and_changes_nothing() {
    let mut order = Order::new(intent(Side::Buy, "3"));
    order.apply(&event(&order, News::Submitted)).unwrap();
    order.apply(&event(&order, fill(&order, 0, "2"))).unwrap();
    let before = order.clone();
    let over = event(&order, fill(&order, 1, "2"));
    let other_contents = event(&order, fill(&order, 0, "1"));
    let rejected = News::Rejected { code: Code::BrokerRejected, text: "no".into() };
    let rejected = event(&order, rejected);
    let sold = Order::new(intent(Side::Sell, "3"));
    let foreign = event(&order, fill(&sold, 1, "1"));
    assert!(matches!(order.apply(&over), Err(OrderError::Overfilled { .. })));
    assert!(matches!(order.apply(&other_contents), Err(OrderError::Conflict { .. })));
    assert!(matches!(order.apply(&rejected), Err(OrderError::Contradiction { .. })));
    assert!(matches!(order.apply(&foreign), Err(OrderError::Foreign { .. })));
    assert!(matches!(order.apply(&event(&sold, News::Submitted)), Err(OrderError::Foreign { .. })));
    assert_eq!(order, before);
}

#[test]
fn a_refused_cancellation_leaves_the_order_where_it_was() {
    for (part, expected) in [(false, Status::Accepted), (true, Status::PartiallyFilled)] {
        let mut order = Order::new(intent(Side::Buy, "3"));
        order.apply(&event(&order, News::Submitted)).unwrap();
        if part {
            order.apply(&event(&order, fill(&order, 0, "1"))).unwrap();
        }
        order.apply(&event(&order, News::CancelRequested)).unwrap();
        let moved = order.apply(&event(&order, News::CancelRejected)).unwrap();
        assert_eq!(moved.to, expected);
    }
}

/// O-2: one intent, at most one live order; lesson B9: a retry once traded twice.
#[test]
fn the_same_intent_twice_is_one_order_with_the_first_answer() {
    let mut orders = Orders::default();
    let wanted = intent(Side::Buy, "3");
    assert!(matches!(orders.add(wanted.clone()).unwrap(), Added::New(_)));
    let id = wanted.client_order_id.clone();
    let denied = News::Denied { code: Code::SafetyHalted, text: "halted".into() };
    orders.apply(&OrderEvent { order: id.clone(), at: Time::EPOCH, news: denied }).unwrap();
    let Added::Known(first) = orders.add(wanted.clone()).unwrap() else { panic!("made twice") };
    assert_eq!(first.refusal(), Some((Code::SafetyHalted, "halted")));
    let other = OrderIntent { qty: "4".parse().unwrap(), ..wanted.clone() };
    assert!(matches!(orders.add(other), Err(OrderError::Conflict { .. })));
    assert_eq!((orders.len(), orders.open().count()), (1, 0));
    let text = serde_json::to_string(&orders).unwrap();
    assert_eq!(serde_json::from_str::<Orders>(&text).unwrap(), orders);
    let unknown = Order::new(intent(Side::Sell, "1"));
    let unknown = event(&unknown, News::Submitted);
    assert!(matches!(orders.apply(&unknown), Err(OrderError::Unknown { .. })));
}

#[test]
fn every_rule_of_the_validator_denies_alone() {
    let leave = Purpose::Exit { reason: ExitReason::Stop };
    let price = |text: &str| text.parse::<Price>().unwrap();
    let limit = OrderKind::Limit { limit: price("99") };
    let (equity, crypto) = (AssetClass::Equity, AssetClass::Crypto);
    let buy = intent(Side::Buy, "1");
    let sell = intent(Side::Sell, "1");
    let part = |intent: &OrderIntent| OrderIntent { qty: "0.5".parse().unwrap(), ..intent.clone() };
    let ext = |kind, time_in_force| OrderIntent {
        kind,
        time_in_force,
        extended_hours: true,
        ..buy.clone()
    };
    let ioc = OrderIntent { time_in_force: TimeInForce::Ioc, ..buy.clone() };
    let zero = OrderIntent { qty: Qty::ZERO, ..buy.clone() };
    let free = OrderIntent { kind: OrderKind::Stop { stop: Price::ZERO }, ..buy.clone() };
    let (day, gtc) = (TimeInForce::Day, TimeInForce::Gtc);
    let regular = Session::Regular;
    let cases = [
        (buy.clone(), equity, regular, "0", None),
        (part(&buy), equity, regular, "0", None),
        (sell.clone(), equity, regular, "0", None),
        (part(&sell), equity, regular, "0", Some(Code::OrderFractionalShort)),
        (part(&sell), equity, regular, "0.5", None),
        (part(&sell), equity, regular, "0.25", Some(Code::OrderFractionalShort)),
        (sell.clone(), crypto, Session::CryptoOnly, "0", Some(Code::GateCryptoShort)),
        (part(&sell), crypto, Session::CryptoOnly, "0.25", Some(Code::GateCryptoShort)),
        (part(&sell), crypto, Session::CryptoOnly, "0.5", None),
        (ioc.clone(), crypto, Session::Closed, "0", None),
        (ioc.clone(), equity, Session::Closed, "0", Some(Code::OrderExtendedHours)),
        (OrderIntent { purpose: leave, ..ioc }, equity, Session::Closed, "-1", None),
        (ext(limit, day), equity, Session::Pre, "0", None),
        (ext(limit, gtc), equity, Session::Pre, "0", Some(Code::OrderExtendedHours)),
        (ext(OrderKind::Market, day), equity, Session::After, "0", Some(Code::OrderExtendedHours)),
        (zero, equity, regular, "0", Some(Code::OrderInvalid)),
        (free, equity, regular, "0", Some(Code::OrderInvalid)),
        (OrderIntent { purpose: leave, ..sell.clone() }, equity, regular, "1", None),
        (
            OrderIntent { purpose: leave, ..sell.clone() },
            equity,
            regular,
            "0.5",
            Some(Code::OrderInvalid),
        ),
        (OrderIntent { purpose: leave, ..sell }, equity, regular, "-5", Some(Code::OrderInvalid)),
    ];
    for (nth, (intent, class, session, position, expected)) in cases.into_iter().enumerate() {
        let terms = Terms { class, session, position: position.parse().unwrap() };
        let denied = validate(&intent, terms).err().map(|denial| denial.code);
        assert_eq!(denied, expected, "case {nth}");
    }
}
