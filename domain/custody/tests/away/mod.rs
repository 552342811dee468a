//! An account at a broker outside: what is asked of it, in which order, and what is never asked.

mod anything;
mod statements;

use super::*;
use crate::away::{Execution, Outgoing, Report, Said};

impl Desk {
    /// An account of 10,000 at a broker outside, after one day at 100.
    pub(super) fn outside() -> Self {
        Self::outside_with([AssetClass::Equity; 2])
    }

    fn outside_with(classes: [AssetClass; 2]) -> Self {
        let mut desk = Self::new(free(FillAt::NextOpen));
        let listed = desk.instruments.iter().zip(classes);
        desk.instruments =
            listed.map(|(of, class)| Instrument { symbol: of.symbol.clone(), class }).collect();
        let exits = ExitRules { time_stop_bars: 1_000, ..ExitRules::default() };
        let cash = Money::from_units(10_000).unwrap();
        let config = CustodyConfig { sim: SimConfig::default(), exits, guarded: true, cash };
        let terms = AwayTerms::default();
        desk.custody = Custody::outside(&config, terms, &desk.instruments).unwrap();
        desk.day = 0;
        desk.days(&[flat("100")]);
        desk
    }

    /// What is asked of the broker now, in words.
    fn asked(&mut self) -> Vec<String> {
        let outgoing = self.custody.take_outgoing();
        let word = |asked: &Outgoing| match asked {
            Outgoing::Submit { intent, replaces: None } => said(intent),
            Outgoing::Submit { intent, replaces: Some(former) } => {
                let former = self.custody.orders().get(&former.order).unwrap();
                format!("{} for {}", said(intent), said(&former.intent))
            }
            Outgoing::Cancel { order, .. } => {
                let order = self.custody.orders().get(order).unwrap();
                format!("cancel {}", said(&order.intent))
            }
        };
        outgoing.iter().map(word).collect()
    }

    /// The youngest order that has not ended.
    fn last_open(&self) -> ClientOrderId {
        self.custody.orders().open().last().unwrap().intent.client_order_id.clone()
    }

    fn hear_of(&mut self, order: &ClientOrderId, said: Said) -> Heard {
        let report = Report { order: order.clone(), at: self.custody.now(), said };
        let heard = self.custody.hear(&[report], &self.limits).unwrap();
        assert_eq!(heard.doubts, []);
        heard
    }

    fn accept(&mut self, order: &ClientOrderId) {
        let venue_order_id = Some(format!("venue {order}"));
        self.hear_of(order, Said::Accepted { venue_order_id });
    }

    /// Fills this much of the youngest order, as part of so much in all.
    fn fill(&mut self, order: &ClientOrderId, qty: &str, at: &str, filled: &str) -> Heard {
        let execution = Execution {
            id: format!("{order} {filled}"),
            qty: qty.parse().unwrap(),
            price: price(at),
            fee: Money::ZERO,
            filled: filled.parse().unwrap(),
        };
        self.hear_of(order, Said::Executed { execution })
    }

    /// Ten of the first symbol at 100, guarded by a stop that the broker has; returns the stop.
    fn guarded() -> (Self, ClientOrderId) {
        let mut desk = Self::outside();
        desk.open(0, Side::Buy, 10, plan(0.08, 0.20));
        assert_eq!(desk.asked(), ["buy 10 market"]);
        let entry = desk.last_open();
        desk.accept(&entry);
        assert!(desk.custody.book().positions().is_empty(), "nothing is filled by being asked for");
        desk.fill(&entry, "10", "100", "10");
        assert_eq!(desk.asked(), ["sell 10 stop 92"]);
        let stop = desk.last_open();
        desk.accept(&stop);
        (desk, stop)
    }

    fn held(&self) -> String {
        let held = self.custody.book().position(&self.symbol(0));
        held.map_or("0".to_owned(), |held| held.signed_qty().to_string())
    }
}

fn said(intent: &OrderIntent) -> String {
    let prices = match intent.kind {
        OrderKind::Market | OrderKind::TrailingStop { .. } => String::new(),
        OrderKind::Limit { limit } => format!(" {limit}"),
        OrderKind::Stop { stop } => format!(" {stop}"),
        OrderKind::StopLimit { stop, limit } => format!(" {stop} {limit}"),
    };
    format!("{} {} {}{prices}", intent.side, intent.qty, intent.kind.name())
}

/// O-4: behind an entry a stop rests at the broker, so that a process that is dead leaves nothing
/// unprotected; it follows the rules, in one step, so that one stands throughout.
#[test]
fn the_stop_at_the_broker_follows_the_rules_in_place_of_the_former_one() {
    let (mut desk, stop) = Desk::guarded();
    desk.days(&[ohlc("100 101 99 100")]);
    assert_eq!(desk.asked(), [""; 0], "it stands where it should");
    // 2 % of gain: from here the stop stands at the entry.
    desk.days(&[ohlc("101 103 101 102")]);
    desk.days(&[ohlc("102 103 101 102")]);
    assert_eq!(desk.asked(), ["sell 10 stop 100 for sell 10 stop 92"]);
    let second = desk.last_open();
    assert_ne!(second, stop);
    desk.days(&[ohlc("102 103 101 102")]);
    assert_eq!(desk.asked(), [""; 0], "asked once");
    desk.accept(&second);
    desk.days(&[ohlc("102 103 101 102")]);
    assert_eq!(desk.asked(), [""; 0], "the broker has said nothing of the former yet");
    desk.hear_of(&stop, Said::Replaced);
    assert_eq!(desk.asked(), [""; 0]);
    desk.hear_of(&second, Said::Expired);
    assert_eq!(desk.asked(), [""; 0], "what ends by itself waits for the next bar");
    desk.days(&[ohlc("102 103 101 102")]);
    assert_eq!(desk.asked(), ["sell 10 stop 100"]);
}

/// O-2, O-4: where the broker replaces nothing, the former stop is canceled at the next bar, and a new one
/// sent behind it.
#[test]
fn a_stop_that_is_not_replaced_is_canceled_and_sent_anew() {
    let (mut desk, stop) = Desk::guarded();
    desk.days(&[ohlc("101 103 101 102"), ohlc("102 103 101 102")]);
    assert_eq!(desk.asked(), ["sell 10 stop 100 for sell 10 stop 92"]);
    let text = "not replaceable".to_owned();
    let second = desk.last_open();
    desk.hear_of(&second, Said::Rejected { code: Code::BrokerRejected, text });
    assert_eq!(desk.asked(), [""; 0], "not thrown at it again at once");
    desk.days(&[ohlc("102 103 101 102")]);
    assert_eq!(desk.asked(), ["cancel sell 10 stop 92"]);
    desk.hear_of(&stop, Said::Canceled);
    assert_eq!(desk.asked(), ["sell 10 stop 100"]);
}

/// O-4: whoever wants out while a stop is being replaced has both taken back.
#[test]
fn an_exit_takes_back_the_stop_and_the_one_that_is_to_replace_it() {
    let (mut desk, stop) = Desk::guarded();
    let symbol = desk.symbol(0);
    desk.days(&[ohlc("101 103 101 102"), ohlc("102 103 101 102")]);
    desk.asked();
    let second = desk.last_open();
    desk.flatten(Some(&symbol), ExitReason::Person);
    assert_eq!(desk.asked(), ["cancel sell 10 stop 92", "cancel sell 10 stop 100"]);
    desk.hear_of(&stop, Said::Replaced);
    assert_eq!(desk.asked(), [""; 0], "the other may fill");
    desk.hear_of(&second, Said::Canceled);
    assert_eq!(desk.asked(), ["sell 10 market"]);
}

/// O-2: an exit by rule goes out behind the news that the stop is gone, for what is left then.
#[test]
fn an_exit_by_rule_waits_for_the_stop_to_be_gone_and_sells_what_is_left() {
    let (mut desk, stop) = Desk::guarded();
    desk.days(&[ohlc("101 121 101 120")]);
    assert_eq!(desk.asked(), ["cancel sell 10 stop 92"]);
    desk.fill(&stop, "4", "119", "4");
    assert_eq!(desk.asked(), [""; 0]);
    desk.hear_of(&stop, Said::Canceled);
    assert_eq!(desk.asked(), ["sell 6 market"]);
    let exit = desk.last_open();
    desk.accept(&exit);
    desk.days(&[ohlc("120 121 119 120")]);
    assert_eq!(desk.asked(), [""; 0], "it is on its way");
    let heard = desk.fill(&exit, "6", "120", "6");
    assert_eq!(closed(&heard.happenings), [(ExitReason::TakeProfit, "120".to_owned())]);
    assert_eq!(desk.held(), "0");
    desk.days(&[ohlc("120 121 119 120")]);
    assert_eq!((desk.asked(), desk.custody.orders().open().count()), (Vec::new(), 0));
}

/// O-2: where the stop fills while it is being canceled, that was the exit.
#[test]
fn a_stop_that_fills_while_it_is_canceled_is_the_exit() {
    let (mut desk, stop) = Desk::guarded();
    let symbol = desk.symbol(0);
    desk.flatten(Some(&symbol), ExitReason::Person);
    assert_eq!(desk.asked(), ["cancel sell 10 stop 92"]);
    desk.flatten(Some(&symbol), ExitReason::Person);
    assert_eq!(desk.asked(), [""; 0]);
    let heard = desk.fill(&stop, "10", "91", "10");
    assert_eq!(closed(&heard.happenings), [(ExitReason::Stop, "91".to_owned())]);
    desk.hear_of(&stop, Said::CancelRejected);
    desk.days(&[flat("91")]);
    assert_eq!(desk.asked(), [""; 0]);
}

/// The broker's stop and the rule see the same prices: the broker has the first word.
#[test]
fn a_bar_through_the_stop_is_the_brokers_first_and_ours_at_the_next() {
    let (mut desk, stop) = Desk::guarded();
    desk.days(&[ohlc("95 96 90 95")]);
    assert_eq!(desk.asked(), [""; 0], "its fill is on its way");
    desk.days(&[ohlc("95 96 94 95")]);
    assert_eq!(desk.asked(), ["cancel sell 10 stop 92"], "it is not");
    desk.hear_of(&stop, Said::CancelRejected);
    assert_eq!(desk.asked(), [""; 0]);
    desk.days(&[ohlc("95 96 94 95")]);
    assert_eq!(desk.asked(), ["cancel sell 10 stop 92"], "asked again");
    desk.hear_of(&stop, Said::Canceled);
    assert_eq!(desk.asked(), ["sell 10 market"]);
    let exit = desk.last_open();
    let text = "halted".to_owned();
    desk.hear_of(&exit, Said::Rejected { code: Code::BrokerRejected, text });
    assert_eq!(desk.asked(), [""; 0], "not thrown at it again at once");
    desk.days(&[ohlc("95 96 94 95")]);
    assert_eq!(desk.asked(), ["sell 10 market"], "O-4: and never given up");
}

#[test]
fn an_entry_against_an_exit_at_the_broker_is_denied_here() {
    let (mut desk, _) = Desk::guarded();
    for side in [Side::Buy, Side::Sell] {
        let intent = desk.entry(0, side, 5, OrderKind::Market, plan(0.08, 0.20));
        let id = intent.client_order_id.clone();
        if desk.custody.orders().get(&id).is_some() {
            desk.days(&[flat("100")]);
        }
        let intent = desk.entry(0, side, 5, OrderKind::Market, plan(0.08, 0.20));
        let id = intent.client_order_id.clone();
        desk.send(intent);
        let order = desk.custody.orders().get(&id).unwrap();
        assert_eq!(order.refusal().map(|(code, _)| code), Some(Code::OrderBehindExit), "{side}");
        assert_eq!(desk.asked(), [""; 0]);
    }
    desk.open(1, Side::Buy, 5, plan(0.08, 0.20));
    assert_eq!(desk.asked(), ["buy 5 market"], "the other symbol is free");
}

/// A stop is asked for once the entry is over, or at the next bar; and grows with the position.
#[test]
fn an_entry_that_fills_in_parts_is_guarded_from_the_next_bar_on() {
    let mut desk = Desk::outside();
    let limit = OrderKind::Limit { limit: price("100.129") };
    let entry = desk.entry(0, Side::Buy, 10, limit, plan(0.08, 0.20));
    let id = entry.client_order_id.clone();
    desk.send(entry);
    assert_eq!(desk.asked(), ["buy 10 limit 100.12"], "on a whole step");
    desk.fill(&id, "3", "100", "3");
    assert_eq!(desk.asked(), [""; 0]);
    desk.days(&[ohlc("100 101 99 100")]);
    assert_eq!(desk.asked(), ["sell 3 stop 92"]);
    let stop = desk.last_open();
    desk.accept(&stop);
    desk.fill(&id, "1", "100", "4");
    assert_eq!(desk.asked(), ["sell 4 stop 92 for sell 3 stop 92"]);
    let second = desk.last_open();
    desk.accept(&second);
    desk.hear_of(&stop, Said::Replaced);
    assert_eq!(desk.asked(), [""; 0]);
    desk.hear_of(&id, Said::Expired);
    assert_eq!(desk.asked(), [""; 0], "it is guarded already");
}

#[test]
fn coins_are_guarded_by_a_stop_with_a_limit_and_fractions_for_the_day() {
    let mut desk = Desk::outside_with([AssetClass::Crypto, AssetClass::Equity]);
    let mut outgoing = Vec::new();
    for nth in 0..2 {
        let mut entry = desk.entry(nth, Side::Buy, 1, OrderKind::Market, plan(0.08, 0.20));
        entry.qty = "1.5".parse().unwrap();
        let id = entry.client_order_id.clone();
        desk.send(entry);
        desk.asked();
        desk.fill(&id, "1.5", "100", "1.5");
        outgoing.extend(desk.custody.take_outgoing());
    }
    let sent: Vec<(String, TimeInForce)> = outgoing
        .iter()
        .filter_map(|asked| match asked {
            Outgoing::Submit { intent, .. } => Some((said(intent), intent.time_in_force)),
            Outgoing::Cancel { .. } => None,
        })
        .collect();
    let coin = ("sell 1.5 stop_limit 92 90.16".to_owned(), TimeInForce::Gtc);
    let share = ("sell 1.5 stop 92".to_owned(), TimeInForce::Day);
    assert_eq!(sent, [coin, share]);
}

/// News of what nobody here knows, and news to an account that is simulated.
#[test]
fn news_that_belong_nowhere_are_doubts_or_errors() {
    let mut desk = Desk::outside();
    let order = ClientOrderId::parse("somebody-elses").unwrap();
    let report = Report { order, at: desk.custody.now(), said: Said::Canceled };
    let heard = desk.custody.hear(std::slice::from_ref(&report), &desk.limits).unwrap();
    assert_eq!(heard.doubts.len(), 1);
    let refused =
        |it: &Happening| matches!(it, Happening::Refused { code: Code::OrderForgotten, .. });
    assert!(heard.happenings.iter().all(refused), "{heard:?}");
    let mut here = Desk::new(free(FillAt::NextOpen));
    let told = here.custody.hear(&[report], &here.limits);
    assert_eq!(told, Err(CustodyError::NotAway));
    assert_eq!(here.custody.recall(Vec::new()), Err(CustodyError::NotAway));
    assert_eq!(here.custody.take_outgoing(), []);
}

/// C-1: an account that is stored in the middle of an exit goes on with it, and orders that were written
/// down behind it are taken up.
#[test]
fn a_stored_account_goes_on_and_takes_up_what_was_sent_behind_it() {
    let (mut desk, stop) = Desk::guarded();
    let symbol = desk.symbol(0);
    desk.flatten(Some(&symbol), ExitReason::Halt);
    desk.asked();
    let text = serde_json::to_string(&desk.custody).unwrap();
    desk.hear_of(&stop, Said::Canceled);
    let exit = desk.custody.orders().get(&desk.last_open()).unwrap().intent.clone();
    let id = exit.client_order_id.clone();

    desk.custody = serde_json::from_str(&text).unwrap();
    assert_eq!(serde_json::to_string(&desk.custody).unwrap(), text);
    assert_eq!(desk.custody.recall(vec![exit.clone()]), Ok(1));
    assert_eq!(desk.custody.recall(vec![exit]), Ok(0));
    desk.hear_of(&stop, Said::Canceled);
    assert_eq!(desk.asked(), [""; 0], "the exit is out already");
    desk.fill(&id, "10", "99", "10");
    assert_eq!(desk.held(), "0");
}
