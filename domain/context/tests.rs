//! Tests of the context.

use super::*;
use crate::fixed::Qty;
use crate::order::{ClientOrderId, ExitReason, Fill, Purpose, Side};

fn symbol() -> Symbol {
    Symbol::new("AAPL").unwrap()
}

fn fill(nth: u32, side: Side, price: &str) -> Update {
    let decision = DecisionId::new(&symbol(), Time::from_ms(i64::from(nth)), "entry");
    let purpose = match side {
        Side::Buy => Purpose::Entry,
        Side::Sell => Purpose::Exit { reason: ExitReason::Stop },
    };
    let fill = Fill {
        client_order_id: ClientOrderId::derive(&decision, side, nth),
        nth: 0,
        symbol: symbol(),
        side,
        qty: Qty::from_units(10).unwrap(),
        price: price.parse().unwrap(),
        fee: Money::ZERO,
        at: Time::from_ms(i64::from(nth)),
    };
    Update::Filled { book: BookKind::Real, fill, purpose, decision: Some(decision) }
}

fn opened() -> Context {
    let mut context = Context::default();
    let cash = Money::from_units(10_000).unwrap();
    context.apply(Update::BookOpened { book: BookKind::Real, cash }, Some(1)).unwrap();
    context
}

fn state(state: TradingState) -> Update {
    Update::StateSet { state, reason: "a test".into(), at: Time::from_ms(5) }
}

#[test]
fn figures_follow_fills_and_marks() {
    let mut context = opened();
    context.apply(fill(1, Side::Buy, "100"), Some(2)).unwrap();
    let price = "110".parse().unwrap();
    context.apply(Update::Marked { symbol: symbol(), price }, None).unwrap();
    context.apply(Update::Settled, None).unwrap();
    let view = context.book(BookKind::Real).unwrap().view(1, true).unwrap();
    assert_eq!(view.equity, Money::from_units(10_100).unwrap());
    assert!((view.daily_pnl_pct.get() - 0.01).abs() < 1e-12);
    assert_eq!((view.positions, view.win_rate, view.open_orders), (1, None, 1));
    context.apply(fill(2, Side::Sell, "90"), Some(3)).unwrap();
    let account = context.book(BookKind::Real).unwrap();
    assert_eq!((account.loss_streak(), account.win_rate()), (1, Some(Ratio::ZERO)));
    context.apply(Update::WindowReset { book: BookKind::Real }, Some(4)).unwrap();
    assert_eq!(context.book(BookKind::Real).unwrap().loss_streak(), 0);
}

#[test]
fn what_makes_no_sense_is_refused_and_changes_nothing() {
    let mut context = opened();
    let before = context.clone();
    let senseless = [
        fill(1, Side::Buy, "0"),
        Update::WindowReset { book: BookKind::Shadow },
        Update::BookOpened { book: BookKind::Shadow, cash: Money::ZERO },
    ];
    for update in senseless {
        assert!(context.apply(update.clone(), Some(2)).is_err(), "{update:?}");
        assert_eq!(context, before, "{update:?}");
    }
}

/// C-1: parts of different age are each repaired from where they stand, and nothing counts twice.
#[test]
fn a_context_is_repaired_from_the_tail_of_the_audit() {
    let log = [
        (2, vec![fill(1, Side::Buy, "100")]),
        (3, vec![state(TradingState::Reducing)]),
        (4, vec![fill(2, Side::Buy, "101"), state(TradingState::Halted)]),
        (5, vec![fill(3, Side::Sell, "99")]),
    ];
    let mut whole = opened();
    for (seq, updates) in log.clone() {
        for update in updates {
            whole.apply(update, Some(seq)).unwrap();
        }
    }
    for (account_at, control_at) in [(1, 0), (2, 4), (4, 3), (5, 4)] {
        let mut stored = opened();
        for (seq, updates) in log.clone() {
            for update in updates {
                let reached =
                    if matches!(update, Update::Filled { .. }) { account_at } else { control_at };
                if seq <= reached {
                    stored.apply(update, Some(seq)).unwrap();
                }
            }
        }
        let keys = [PartKey::Book(BookKind::Real), PartKey::Control];
        let mut repaired = Context::restore(keys.iter().map(|key| stored.part(key)));
        for (seq, updates) in log.clone() {
            repaired.repair(seq, updates).unwrap();
        }
        for key in &keys {
            assert_eq!(
                repaired.part(key),
                whole.part(key),
                "{key} from {account_at}, {control_at}"
            );
        }
    }
}

#[test]
fn every_part_has_a_key_that_reads_back() {
    let mut context = opened();
    let document = |json: Option<&str>| Update::Document {
        name: "budgets".into(),
        json: json.map(Into::into),
        lasting: Lasting::AtOnce,
    };
    context.apply(document(Some("{}")), None).unwrap();
    let keys = ["book/real", "book/shadow", "market", "control", "agents", "predictions"];
    let keys = keys.map(|key| key.parse::<PartKey>().unwrap());
    let budgets: PartKey = "document/budgets".parse().unwrap();
    for key in keys.iter().chain([&budgets]) {
        assert_eq!(key.to_string().parse::<PartKey>().as_ref(), Ok(key));
    }
    let parts = keys.iter().chain([&budgets]).map(|key| context.part(key));
    let restored = Context::restore(parts);
    assert_eq!(restored.documents, context.documents);
    assert_eq!(restored.book(BookKind::Real), context.book(BookKind::Real));
    context.apply(document(None), None).unwrap();
    assert_eq!(context.part(&budgets).value, PartValue::Removed);
    assert!("book/other".parse::<PartKey>().is_err());
}

#[test]
fn a_snapshot_does_not_change_under_its_reader() {
    let mut context = opened();
    let snapshot = context.clone();
    context.apply(fill(1, Side::Buy, "100"), Some(2)).unwrap();
    assert!(snapshot.book(BookKind::Real).unwrap().book.positions().is_empty());
}
