//! Exits that do not go through at once: late, in part, or in front of a reversal.

use super::*;

/// O-4: a stop that was reached goes through although the price has come back when it arrives.
#[test]
fn a_delayed_exit_leaves_at_the_market_wherever_the_price_has_gone() {
    let mut desk = Desk::new(SimConfig { delay_bars: 1, ..free(FillAt::NextOpen) });
    desk.open(0, Side::Buy, 10, plan(0.08, 0.20));
    let days = ["100 101 99 100", "100 101 99 100", "100 101 90 95", "110 111 109 110"];
    let mut happenings = desk.days(&days.map(ohlc));
    happenings.extend(desk.days(&[flat("111"), flat("112")]));
    let reasons: Vec<ExitReason> = closed(&happenings).into_iter().map(|(why, _)| why).collect();
    assert_eq!(reasons, [ExitReason::Stop]);
    assert!(desk.custody.book().positions().is_empty());
}

/// O-4: what a thin bar has left of an exit does not wait for its price to come again.
#[test]
fn the_rest_of_an_exit_that_filled_in_part_leaves_at_the_market() {
    for by_person in [false, true] {
        let sim = SimConfig { volume_share: Some(Ratio::of(0.004)), ..free(FillAt::NextOpen) };
        let mut desk = Desk::new(sim);
        desk.open(0, Side::Buy, 10, plan(0.08, 0.20));
        desk.days(&[flat("100"); 3]);
        let symbol = desk.symbol(0);
        assert_eq!(
            desk.custody.book().position(&symbol).unwrap().qty,
            Qty::from_units(10).unwrap()
        );
        desk.days(&[ohlc("100 100 90 95")]);
        let left = desk.custody.book().position(&symbol).unwrap().qty;
        assert!(left > Qty::ZERO && left < Qty::from_units(10).unwrap(), "{left:?}");
        if by_person {
            let sent = desk.flatten(Some(&symbol), ExitReason::Person);
            assert_eq!(exits_sent(&sent), [ExitReason::Person]);
        }
        desk.days(&[flat("110"); 3]);
        assert!(desk.custody.book().positions().is_empty(), "by a person: {by_person}");
        assert_eq!(desk.custody.orders().open().count(), 0);
    }
}

/// A whole number of shares may be sold short behind an exit of a fraction that is on its way.
#[test]
fn a_reversal_out_of_a_fraction_is_not_a_fractional_short() {
    let mut desk = Desk::new(free(FillAt::NextOpen));
    let mut first = desk.entry(0, Side::Buy, 10, OrderKind::Market, plan(0.08, 0.20));
    first.qty = "10.25".parse().unwrap();
    desk.send(first);
    desk.days(&[flat("100")]);
    let symbol = desk.symbol(0);
    desk.flatten(Some(&symbol), ExitReason::SignalFlip);
    let short = desk.entry(0, Side::Sell, 7, OrderKind::Market, plan(0.08, 0.20));
    let id = short.client_order_id.clone();
    desk.send(short);
    desk.days(&[flat("100")]);
    assert_eq!(desk.custody.orders().get(&id).unwrap().status(), Status::Filled);
    let held = desk.custody.book().position(&symbol).unwrap();
    assert_eq!(held.signed_qty(), Qty::from_units(-7).unwrap());
}

/// O-4: an exit that is on its way stays on its way, and goes out once.
#[test]
fn an_exit_rests_once_per_position() {
    let mut desk = Desk::new(SimConfig { delay_bars: 3, ..free(FillAt::NextOpen) });
    desk.open(0, Side::Buy, 10, plan(0.08, 0.20));
    desk.days(&[flat("100"); 4]);
    let symbol = desk.symbol(0);
    assert_eq!(desk.custody.book().positions().len(), 1);
    let mut sent = Vec::new();
    for _ in 0..3 {
        sent.extend(desk.days(&[flat("90")]));
        sent.extend(desk.flatten(Some(&symbol), ExitReason::Advised));
        assert_eq!(desk.exits_resting(&symbol), 1);
    }
    assert_eq!(exits_sent(&sent), [ExitReason::Stop]);
    let gone = desk.days(&[flat("90"); 2]);
    assert_eq!(closed(&gone), [(ExitReason::Stop, "90".to_owned())]);
    assert!(exits_sent(&gone).is_empty(), "{gone:?}");
}

/// O-1: a yes is weighed against the age of its own symbol's bar, whatever others have done since.
#[test]
fn the_newest_bar_of_a_symbol_is_its_own() {
    let mut desk = Desk::new(free(FillAt::NextOpen));
    let both = desk.custody.now();
    let alone = bar(desk.day, flat("101"));
    let chunk = Chunk::of_slice(vec![Tick { instrument: 1, bar: alone }]);
    let limits = desk.limits.clone();
    desk.custody.advance(&desk.instruments, &chunk, &[desk.pulse], 0..1, &limits).unwrap();
    let newest = |nth| desk.custody.last_bar_at(&desk.symbol(nth));
    assert_eq!((newest(0), newest(1)), (Some(both), Some(alone.close_time)));
    assert_eq!(desk.custody.now(), alone.close_time);
    assert_eq!(desk.custody.last_bar_at(&Symbol::new("ZZZ").unwrap()), None);
}
