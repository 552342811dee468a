//! Whatever clients ask for, and whenever: the books stay right.

use proptest::prelude::*;

use super::*;
use crate::exchange::ticket::{Change, StopLoss};
use crate::fixed::notional;

#[derive(Clone, Debug)]
enum Act {
    Submit(Ticket),
    Cancel(u32),
    Late(u32),
    Half(u32),
    Replace(u32, Change),
    Close,
    Wait(u64),
    Halt(bool),
}

fn some_price() -> impl Strategy<Value = Price> {
    (90_i64..125).prop_map(|units| Price::from_units(units).unwrap())
}

fn some_ticket() -> impl Strategy<Value = Ticket> {
    let kinds = prop_oneof![
        Just(Kind::Market),
        some_price().prop_map(|limit| Kind::Limit { limit }),
        some_price().prop_map(|stop| Kind::Stop { stop }),
        (some_price(), some_price()).prop_map(|(stop, limit)| Kind::StopLimit { stop, limit }),
        some_price().prop_map(|it| Kind::TrailingStop {
            trail: Trail::Price(Price::from_raw(it.raw() / 20))
        }),
    ];
    let loss = || {
        (some_price(), proptest::option::of(some_price()))
            .prop_map(|(stop, limit)| StopLoss { stop, limit })
    };
    let classes = prop_oneof![
        4 => Just(Class::Simple),
        2 => (some_price(), loss())
            .prop_map(|(take_profit, stop_loss)| Class::Bracket { take_profit, stop_loss }),
        1 => loss().prop_map(|stop_loss| Class::Oco { stop_loss }),
        1 => loss().prop_map(|stop_loss| Class::OtoLoss { stop_loss }),
    ];
    let amounts = prop_oneof![
        4 => (1_i64..60).prop_map(|units| Amount::Qty(Qty::from_units(units).unwrap())),
        1 => (1_i64..9_000).prop_map(|units| Amount::Notional(Money::from_units(units).unwrap())),
        1 => (1_i64..60_000_000_000).prop_map(|raw| Amount::Qty(Qty::from_raw(raw))),
    ];
    let sides = prop_oneof![Just(Side::Buy), Just(Side::Sell)];
    let terms = (0..Tif::ALL.len(), any::<bool>());
    (sides, amounts, kinds, classes, terms).prop_map(|(side, amount, kind, class, (tif, ext))| {
        let kind = match (class, kind) {
            (Class::Oco { .. }, _) => Kind::Limit { limit: price("111") },
            (_, kind) => kind,
        };
        Ticket { amount, class, tif: Tif::ALL[tif], extended_hours: ext, ..ticket(side, 1, kind) }
    })
}

fn some_act() -> impl Strategy<Value = Act> {
    let change = (proptest::option::of(1_i64..60), proptest::option::of(some_price())).prop_map(
        |(qty, limit)| Change {
            qty: qty.map(|units| Qty::from_units(units).unwrap()),
            limit,
            ..Change::default()
        },
    );
    prop_oneof![
        8 => some_ticket().prop_map(Act::Submit),
        2 => (0_u32..40).prop_map(Act::Cancel),
        1 => (0_u32..40).prop_map(Act::Late),
        1 => (0_u32..40).prop_map(Act::Half),
        2 => (0_u32..40, change).prop_map(|(nth, change)| Act::Replace(nth, change)),
        1 => Just(Act::Close),
        8 => (1_u64..300).prop_map(Act::Wait),
        1 => any::<bool>().prop_map(Act::Halt),
    ]
}

fn play(acts: &[Act], multiplier: u8) -> (Exchange, Vec<Happening>) {
    let mut exchange = market(|terms| {
        terms.multiplier = multiplier;
        terms.spread = Bp::whole(2);
        terms.volume_share = Some(crate::ratio::Ratio::or_zero(0.000_1));
    });
    let symbol = Symbol::new("AAA").unwrap();
    let mut happenings = Vec::new();
    for act in acts {
        let _ = match act {
            Act::Submit(ticket) => exchange.submit(0, ticket).map(drop),
            Act::Cancel(nth) => exchange.cancel(0, *nth),
            Act::Late(nth) => exchange.cancel_too_late(0, *nth),
            Act::Half(nth) => {
                exchange.fill_half_and_drop(0, *nth);
                Ok(())
            }
            Act::Replace(nth, change) => exchange.replace(0, *nth, change).map(drop),
            Act::Close => exchange.close_position(0, &symbol, None).map(drop),
            Act::Wait(minutes) => {
                exchange.advance(exchange.now() + std::time::Duration::from_mins(*minutes));
                Ok(())
            }
            Act::Halt(is_halted) => exchange.halt(&symbol, *is_halted),
        };
        check(&exchange);
        happenings.extend(exchange.happenings());
    }
    (exchange, happenings)
}

/// Every figure follows from the executions, and every order from its figures.
fn check(exchange: &Exchange) {
    let account = exchange.account(0).unwrap();
    let (mut cash, mut held) = (10_000 * i128::from(Money::SCALE), 0_i128);
    for order in account.orders() {
        let sign = if order.side == Side::Buy { 1 } else { -1 };
        cash -= i128::from(order.filled_value.raw()) * sign;
        held += i128::from(order.filled.raw()) * sign;
        assert!(
            order.target.is_none_or(|it| order.filled <= it) || order.status.is_over(),
            "{order:?}"
        );
        let is_open = account.open_orders(0).any(|it| it.nth == order.nth);
        assert_eq!(is_open, !order.status.is_over(), "{order:?}");
        if order.status == Status::Filled {
            assert!(!order.filled.is_zero());
        }
        if let Some(limit) = order.kind.limit().filter(|_| !order.filled.is_zero()) {
            // Each execution is rounded to a step of money, so the worth is compared, not the mean.
            let (value, worth) = (order.filled_value, notional(limit, order.filled).unwrap());
            let over =
                value.minus(worth).unwrap().raw() * if order.side == Side::Buy { 1 } else { -1 };
            assert!(over <= ROUNDED, "{order:?}");
        }
    }
    assert_eq!(i128::from(account.cash().raw()), cash, "P-1");
    assert_eq!(i128::from(account.position(0).raw()), held, "P-1");
    account.funds(exchange.venue()).unwrap();
}

/// What roundings of all executions of one order may come to, in steps of money.
const ROUNDED: i64 = 10_000;

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    /// P-1: cash and positions are what the executions say, whatever is asked for in which order.
    #[test]
    fn the_books_follow_from_the_executions(
        acts in proptest::collection::vec(some_act(), 1..60), multiplier in 1_u8..3
    ) {
        let (exchange, _) = play(&acts, multiplier);
        if multiplier == 1 {
            let held = exchange.account(0).unwrap().position(0);
            prop_assert!(held.raw() >= 0, "a cash account owes shares");
        }
    }

    /// D-1: the same requests at the same times have the same consequences.
    #[test]
    fn a_session_repeats_itself(acts in proptest::collection::vec(some_act(), 1..40)) {
        prop_assert_eq!(play(&acts, 2).1, play(&acts, 2).1);
    }
}
