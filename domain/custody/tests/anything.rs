//! An account under any sequence of days, entries and exits.

use proptest::prelude::*;

use super::*;

/// One thing that a market or a council may do.
#[derive(Clone, Debug)]
enum Move {
    /// A day: percent of change at the open, from there to the close, and of range beyond both.
    Day(i32, i32, u32),
    Open(usize, Side, i64, u32),
    Flatten(usize),
    CancelEntries,
}

fn moves() -> impl Strategy<Value = Move> {
    let side = prop_oneof![Just(Side::Buy), Just(Side::Sell)];
    prop_oneof![
        4 => (-12..13, -8..9, 0_u32..6).prop_map(|(gap, change, range)| Move::Day(gap, change, range)),
        2 => (0..2_usize, side, 1..30_i64, 2_u32..15)
            .prop_map(|(nth, side, qty, stop)| Move::Open(nth, side, qty, stop)),
        1 => (0..2_usize).prop_map(Move::Flatten),
        1 => Just(Move::CancelEntries),
    ]
}

fn play(desk: &mut Desk, now: &Move) -> Vec<Happening> {
    match *now {
        Move::Day(gap, change, range) => {
            let last = desk.custody.broker.last(&desk.symbol(0)).unwrap().close;
            let moved = |from: Price, percent: i32| {
                let factor = Ratio::of(1.0 + f64::from(percent) / 100.0);
                from.scaled(factor).unwrap().max(Price::from_raw(1_000))
            };
            let range = i32::try_from(range).unwrap();
            let open = moved(last, gap);
            let close = moved(open, change);
            let (high, low) = (moved(open.max(close), range), moved(open.min(close), -range));
            desk.day([open, high, low, close]).happenings
        }
        Move::Open(nth, side, qty, stop) => {
            let exits = plan(f64::from(stop) / 100.0, f64::from(stop) / 50.0);
            let intent = desk.entry(nth, side, qty, OrderKind::Market, exits);
            // The same moment and side is the same order; with another size it would be a forgery.
            if desk.custody.orders().get(&intent.client_order_id).is_some() {
                return Vec::new();
            }
            desk.send(intent)
        }
        Move::Flatten(nth) => {
            let symbol = desk.symbol(nth);
            desk.flatten(Some(&symbol), ExitReason::Advised)
        }
        Move::CancelEntries => desk.custody.cancel_all_entries(&desk.limits).unwrap(),
    }
}

fn any_desk() -> impl Strategy<Value = Desk> {
    let fill = prop_oneof![Just(FillAt::NextOpen), Just(FillAt::Close)];
    (fill, 0..3_u32).prop_map(|(fill_at, delay_bars)| {
        Desk::new(SimConfig { fill_at, delay_bars, ..SimConfig::default() })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// P-1: cash + positions at cost + fees is conserved after every step, and what was booked
    /// explains the equity. O-2: no order is filled beyond its size. O-4: a position whose stop was
    /// reached is left or on its way out.
    #[test]
    fn anything_at_all_conserves_the_account(
        mut desk in any_desk(),
        script in proptest::collection::vec(moves(), 1..60),
    ) {
        for now in &script {
            let happenings = play(&mut desk, now);
            desk.custody.book().check().unwrap();
            for fill in fills(&happenings) {
                let order = desk.custody.orders().get(&fill.client_order_id).unwrap();
                prop_assert!(order.filled() <= order.intent.qty);
            }
            for symbol in [desk.symbol(0), desk.symbol(1)] {
                prop_assert!(desk.exits_resting(&symbol) <= 1, "{symbol}: {now:?}");
                let is_guarded = desk.custody.book().position(&symbol).is_some();
                if let (Move::Day(..), true, Some(guard)) =
                    (now, is_guarded, desk.custody.guards.of(&symbol))
                {
                    let last = desk.custody.broker.last(&symbol).unwrap();
                    let entry = desk.custody.book().position(&symbol).unwrap().entry_price().unwrap();
                    let lost = (last.close.to_f64() / entry.to_f64() - 1.0)
                        * desk.custody.book().position(&symbol).unwrap().direction.sign();
                    let reached = -lost > guard.plan().stop_distance.get() + 1e-6;
                    prop_assert!(!reached || desk.exits_resting(&symbol) == 1, "{symbol}: {now:?}");
                }
            }
        }
        desk.flatten(None, ExitReason::EndOfData);
        let book = desk.custody.book();
        prop_assert!(book.positions().is_empty());
        let gained: i64 = book.trades().iter().map(|trade| trade.pnl.raw()).sum();
        prop_assert_eq!(book.cash().raw(), 10_000 * Money::SCALE + gained);
    }

    /// D-1: an account that was stored and read back goes on as if nothing had happened.
    #[test]
    fn a_stored_account_continues_as_if_it_had_not_been(
        mut desk in any_desk(),
        script in proptest::collection::vec(moves(), 2..40),
        stored_at in 0..40_usize,
    ) {
        let (before, after) = script.split_at(stored_at.min(script.len()));
        for now in before {
            play(&mut desk, now);
        }
        let text = serde_json::to_string(&desk.custody).unwrap();
        let mut read = desk.clone();
        read.custody = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(&read.custody, &desk.custody);
        for now in after {
            prop_assert_eq!(play(&mut read, now), play(&mut desk, now));
        }
        prop_assert_eq!(serde_json::to_string(&read.custody).unwrap(), serde_json::to_string(&desk.custody).unwrap());
    }
}
