//! Orders whose answers are lost, late, refused or unreadable.

use conclave_domain::alpaca::{Remedy, Replacement, Trouble};
use conclave_domain::code::Code;

use super::*;

/// Places one order against these acts; gives what came of it, how often it was sent, and how many
/// orders the venue has.
async fn place(acts: &[Act]) -> (Result<Placed, AlpacaError>, usize, usize) {
    let (alpaca, fake, _served) = venue().await;
    fake.plan(acts);
    let placed = alpaca.place(&order("cv-1"), Leave::Always).await;
    (placed, fake.count("POST /v2/orders"), fake.orders().len())
}

/// O-2: whatever becomes of the answer, there is one order.
#[tokio::test]
async fn an_order_is_there_once_whatever_becomes_of_its_answer() {
    let cases = [
        (&[Act::Take][..], 1, false),
        (&[Act::TakeAndStall], 1, true),
        (&[Act::TakeAndFail(500)], 1, true),
        (&[Act::TakeAndFail(504)], 1, true),
        (&[Act::TakeAndGarble], 1, true),
        (&[Act::Fail(500), Act::Take], 2, false),
        (&[Act::Fail(503), Act::TakeAndStall], 2, true),
        (&[Act::Full, Act::Take], 2, false),
        // The second copy is refused for what the first one took.
        (&[Act::TakeLater, Act::Refuse(403, 40_310_000)], 2, true),
        (&[Act::TakeLater, Act::Refuse(422, 42_210_000)], 2, true),
    ];
    let mut tries = JoinSet::new();
    for (acts, sent, is_adopted) in cases {
        tries.spawn(async move {
            let (placed, count, orders) = place(acts).await;
            let placed = placed.unwrap_or_else(|error| panic!("{acts:?}: {error}"));
            assert_eq!(matches!(placed, Placed::Adopted(_)), is_adopted, "{acts:?}");
            assert_eq!(placed.order().client_order_id, "cv-1");
            assert_eq!((count, orders), (sent, 1), "{acts:?}");
        });
    }
    while let Some(tried) = tries.join_next().await {
        tried.unwrap();
    }
}

#[tokio::test]
async fn a_refusal_is_told_with_its_remedy_and_never_sent_again() {
    for (status, code, remedy) in [
        (403, 40_310_000, Remedy::GiveUp),
        (422, 42_210_000, Remedy::AdoptOrFix),
        (400, 40_010_001, Remedy::AdoptOrFix),
        (401, 40_110_000, Remedy::Operator),
    ] {
        let (placed, count, orders) = place(&[Act::Refuse(status, code)]).await;
        let error = placed.unwrap_err();
        assert_eq!((error.remedy(), count, orders), (remedy, 1, 0), "{status}");
        let text = format!("{error} {error:?}");
        assert!(text.contains("no, [key] with [key]"), "{text}");
        assert!(!text.contains(ID) && !text.contains(SECRET), "{text}");
    }
    let (placed, count, _) = place(&[Act::Fail(422)]).await;
    assert_eq!((placed.unwrap_err().remedy(), count), (Remedy::AdoptOrFix, 1), "without a body");
}

/// O-2: an id that is taken is ours where the order is, and somebody else's where it is not.
#[tokio::test]
async fn an_id_that_is_taken_is_adopted_only_with_the_same_order() {
    let (alpaca, fake, _served) = venue().await;
    alpaca.place(&order("cv-1"), Leave::Always).await.unwrap();
    fake.plan(&[Act::Refuse(422, 42_210_000), Act::Refuse(422, 42_210_000)]);
    assert!(matches!(alpaca.place(&order("cv-1"), Leave::Always).await, Ok(Placed::Adopted(_))));
    let other = NewOrder { side: Side::Sell, ..order("cv-1") };
    let error = alpaca.place(&other, Leave::Always).await.unwrap_err();
    assert!(matches!(&error, AlpacaError::Conflict { order_id, .. } if order_id == "venue-0"));
    assert_eq!((error.remedy(), fake.orders().len()), (Remedy::Operator, 1));
    let senseless = NewOrder { limit_price: None, ..order("cv-3") };
    let sent = fake.count("POST");
    assert!(matches!(alpaca.place(&senseless, Leave::Always).await, Err(AlpacaError::Denied(_))));
    assert_eq!(fake.count("POST"), sent, "what makes no sense is not sent");
    let nameless = NewOrder { client_order_id: None, ..order("x") };
    assert_eq!(alpaca.place(&nameless, Leave::Always).await, Err(AlpacaError::NoId));
}

/// O-2: what cannot be found out is not told to be refused.
#[tokio::test]
async fn an_order_that_nobody_knows_of_is_to_be_reconciled() {
    let (alpaca, fake, _served) = venue().await;
    fake.answers("/v2/orders:by_client_order_id", 500, "");
    fake.plan(&[Act::TakeAndStall]);
    let quick = AlpacaSettings { deadline: Duration::from_secs(1), ..alpaca.settings.clone() };
    let alpaca = Alpaca::new(quick, &keys()).unwrap();
    let error = alpaca.place(&order("cv-1"), Leave::Always).await.unwrap_err();
    assert_eq!(error.remedy(), Remedy::Reconcile, "{error}");
    assert_eq!((fake.count("POST"), fake.orders().len()), (1, 1));
    for act in [Act::Refuse(422, 42_210_000), Act::Fail(422)] {
        fake.plan(&[act]);
        let error = alpaca.place(&order("cv-2"), Leave::Always).await.unwrap_err();
        assert_eq!(error.remedy(), Remedy::Reconcile, "refused, and maybe there: {error}");
    }
}

#[tokio::test]
async fn nobody_there_is_tried_again_until_the_deadline() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let quick = AlpacaSettings { deadline: Duration::from_millis(700), ..settings(&base) };
    let alpaca = Alpaca::new(quick, &keys()).unwrap();
    let error = alpaca.place(&order("cv-1"), Leave::Always).await.unwrap_err();
    assert_eq!(error.trouble(), Some(&Trouble::Unreached), "{error}");
}

#[tokio::test]
async fn a_replacement_is_found_by_its_own_id() {
    let (alpaca, fake, _served) = venue().await;
    let mut found = taken(&serde_json::to_value(order("cv-2")).unwrap(), 7);
    found["replaces"] = json!("venue-0");
    fake.answers("/v2/orders:by_client_order_id", 200, &found.to_string());
    fake.plan(&[Act::Fail(500), Act::Fail(500)]);
    let id = Some("cv-2".to_owned());
    let change = Replacement { client_order_id: id, ..Replacement::default() };
    let placed = alpaca.replace("venue-0", &change).await.unwrap();
    assert!(matches!(&placed, Placed::Adopted(order) if order.id == "venue-7"));
    let error = alpaca.replace("venue-9", &change).await.unwrap_err();
    assert!(matches!(error, AlpacaError::Conflict { .. }), "{error}");
}

#[tokio::test]
async fn a_cancellation_that_comes_too_late_says_what_the_order_has_become() {
    let (alpaca, fake, _served) = venue().await;
    alpaca.place(&order("cv-1"), Leave::Always).await.unwrap();
    assert_eq!(alpaca.cancel("venue-0").await, Ok(Cancellation::Asked));
    fake.plan(&[Act::Refuse(422, 42_210_000), Act::Fail(404), Act::Fail(500)]);
    let late = alpaca.cancel("venue-0").await.unwrap();
    assert!(matches!(late, Cancellation::TooLate(order) if order.id == "venue-0"));
    assert_eq!(alpaca.cancel("venue-9").await, Ok(Cancellation::Unknown));
    assert_eq!(alpaca.cancel("venue-0").await, Ok(Cancellation::Asked), "asked again after a 500");
}

#[tokio::test]
async fn what_has_no_name_is_not_taken_for_everything() {
    let (alpaca, fake, _served) = venue().await;
    for name in ["", ".", ".."] {
        assert_eq!(alpaca.cancel(name).await.unwrap_err().remedy(), Remedy::Fix, "`{name}`");
        assert_eq!(alpaca.close(name, None).await.unwrap_err().remedy(), Remedy::Fix, "`{name}`");
        assert!(alpaca.order(name).await.is_err() && alpaca.asset(name).await.is_err());
    }
    assert_eq!(fake.count(""), 0, "nothing was asked");
}

#[tokio::test]
async fn the_closing_of_a_part_is_asked_for_once_and_of_a_whole_again() {
    let (alpaca, fake, _served) = venue().await;
    alpaca.place(&order("cv-1"), Leave::Always).await.unwrap();
    fake.plan(&[Act::Fail(500)]);
    let part = alpaca.close("BTC/USD", Some("0.5".parse().unwrap())).await.unwrap_err();
    assert_eq!(part.remedy(), Remedy::Reconcile);
    assert_eq!(fake.count("DELETE /v2/positions/BTC%2FUSD?qty=0.5"), 1);
    fake.plan(&[Act::Fail(500), Act::TakeAndFail(200)]);
    let whole = alpaca.close("BTC/USD", None).await;
    assert_eq!(whole.unwrap_err().trouble(), Some(&Trouble::Malformed), "an empty answer");
    assert_eq!(fake.count("DELETE /v2/positions/BTC%2FUSD?"), 3);
}

/// O-3: an entry that waits out a storm and is halted meanwhile is not sent again; an exit is.
#[tokio::test]
async fn an_entry_that_waited_does_not_leave_once_it_may_not() {
    use std::sync::atomic::{AtomicU32, Ordering};

    let (alpaca, fake, _served) = venue().await;
    fake.plan(&[Act::Full]);
    let asked = AtomicU32::new(0);
    let may_leave = || match asked.fetch_add(1, Ordering::SeqCst) {
        0 => Ok(()),
        _ => Err(Code::SafetyHalted),
    };
    let held = alpaca.place(&order("cv-1"), Leave::While(&may_leave)).await;
    assert_eq!(held, Err(AlpacaError::HeldBack(Code::SafetyHalted)));
    assert_eq!((fake.count("POST /v2/orders"), fake.orders().len()), (1, 0));
    fake.plan(&[Act::Full]);
    alpaca.place(&order("cv-2"), Leave::Always).await.unwrap();
    assert_eq!((fake.count("POST /v2/orders"), fake.orders().len()), (3, 1));
}
