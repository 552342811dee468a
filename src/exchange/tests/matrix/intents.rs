//! The part of the matrix that a run can ask for: intents, as they leave.

use conclave_domain::alpaca::ours;
use conclave_domain::order::{
    ClientOrderId, DecisionId, ExitReason, OrderIntent, OrderKind, Purpose, Side, TimeInForce,
};

use super::*;

/// Every kind of intent on what an account holds: entries of who holds nothing, exits of what is held.
fn intents(
    symbol: &'static str,
    held: &'static str,
    at: Time,
) -> impl Iterator<Item = OrderIntent> {
    let hundred = "100".parse().unwrap();
    let kinds = [
        OrderKind::Market,
        OrderKind::Limit { limit: hundred },
        OrderKind::Stop { stop: hundred },
        OrderKind::StopLimit { stop: hundred, limit: hundred },
        OrderKind::TrailingStop { trail: "1".parse().unwrap() },
    ];
    let exit = Purpose::Exit { reason: ExitReason::Stop };
    let meant = match held {
        "long" => vec![(Side::Sell, exit)],
        "short" => vec![(Side::Buy, exit)],
        _ => vec![(Side::Buy, Purpose::Entry), (Side::Sell, Purpose::Entry)],
    };
    meant.into_iter().flat_map(move |(side, purpose)| {
        kinds.into_iter().flat_map(move |kind| {
            ["1", "0.5"].into_iter().flat_map(move |qty| {
                [TimeInForce::Day, TimeInForce::Gtc, TimeInForce::Ioc].into_iter().flat_map(
                    move |time_in_force| {
                        [false, true].into_iter().map(move |extended_hours| {
                            let symbol = symbol.parse().unwrap();
                            let decision = DecisionId::new(&symbol, at, "entry");
                            OrderIntent {
                                client_order_id: ClientOrderId::derive(&decision, side, 0),
                                decision,
                                symbol,
                                side,
                                qty: qty.parse().unwrap(),
                                kind,
                                time_in_force,
                                extended_hours,
                                purpose,
                                at,
                                reference: hundred,
                                exits: None,
                            }
                        })
                    },
                )
            })
        })
    })
}

/// What a run's porter judges before an order leaves is what the exchange answers to it, to the word.
#[tokio::test]
async fn what_a_run_refuses_to_send_is_what_the_exchange_refuses_to_take() {
    let desks = desks().await;
    let flags = flags(&desks[0]).await;
    let (mut taken, mut refused, mut wrong) = (0, 0, Vec::new());
    for (hour, at) in HOURS {
        desks[0].until(at).await;
        let before = desks[0].floor.with(|exchange| exchange.clone());
        let at = at.parse().unwrap();
        for (desk, (held, _)) in desks.iter().zip(HELD) {
            let symbols = [(SHARE, &flags[0]), (COIN, &flags[1])];
            let symbols = symbols.into_iter().filter(|(it, _)| held != "short" || *it == SHARE);
            for (symbol, asset) in symbols {
                for intent in intents(symbol, held, at) {
                    let here = judged(ours::admitted(&intent, asset, at));
                    let order = serde_json::to_value(ours::asked(&intent, asset.class)).unwrap();
                    let there = said_there(desk, order).await;
                    let is_taken = there.0.0 == 200;
                    taken += usize::from(is_taken);
                    refused += usize::from(!is_taken);
                    if is_taken {
                        desk.floor.with(|exchange| *exchange = before.clone());
                    }
                    if here != there {
                        wrong.push(format!(
                            "{hour} {held} {intent:?}: {here:?} here, {there:?} there"
                        ));
                    }
                }
            }
        }
    }
    let shown: Vec<_> = wrong.iter().take(20).collect();
    assert!(wrong.is_empty(), "{} of {taken} + {refused}: {shown:#?}", wrong.len());
    assert!(taken > 200 && refused > 500, "{taken} taken, {refused} refused");
}
