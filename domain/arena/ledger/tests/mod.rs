//! Books that hold, books that do not, and what of them is found.

mod trips;

use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;
use crate::arena::foreign::merged::Prices;
use crate::arena::foreign::positions::read_positions;
use crate::arena::market::{MarketKind, MarketRules, Refusal};

const STRICT: Terms = Terms { mode: Mode::Strict, fee: Bp::ZERO };
const LENIENT: Terms = Terms { mode: Mode::Lenient, fee: Bp::ZERO };

/// Two shares over the weekdays of a fortnight from Monday 2031-03-03: one opens at 10.01, 11.01, …, the
/// other at 20, and both close half a unit higher.
fn prices(symbols: [&str; 2]) -> Prices {
    let mut text = String::new();
    for (base, step, symbol) in [(10.01, 1.0, symbols[0]), (20.0, 0.0, symbols[1])] {
        let bars: Vec<String> = days()
            .zip(0_i32..)
            .map(|(day, index)| {
                let open = base + step * f64::from(index);
                let (price, close) = (format!("{open:.2}"), format!("{:.2}", open + 0.5));
                format!(r#""{day}":{{"1. buy price":"{price}","4. sell price":"{close}"}}"#)
            })
            .collect();
        let bars = bars.join(",");
        let meta = format!(r#""Meta Data":{{"2. Symbol":"{symbol}"}}"#);
        let _ = writeln!(text, r#"{{{meta},"Time Series (Daily)":{{{bars}}}}}"#);
    }
    let mut prices = Prices::default();
    prices.add("prices", &text);
    prices
}

fn days() -> impl Iterator<Item = String> {
    [3, 4, 5, 6, 7, 10, 11, 12, 13, 14].into_iter().map(|day| format!("2031-03-{day:02}"))
}

/// A line of a book; `act` is `buy 3`, `sell 3` or nothing, always of AAA unless it names another.
fn line(day: &str, id: i64, act: &str, held: &str, cash: &str) -> String {
    let mut words = act.split(' ').filter(|word| !word.is_empty());
    let action = match (words.next(), words.next(), words.next()) {
        (Some(word), Some(amount), symbol) => format!(
            r#""this_action":{{"action":"{word}","symbol":"{}","amount":{amount}}},"#,
            symbol.unwrap_or("AAA")
        ),
        _ => String::new(),
    };
    format!(r#"{{"date":"{day}","id":{id},{action}"positions":{{{held}"CASH":{cash}}}}}"#)
}

/// The opening and a purchase of three, a quiet day, a sale of one.
fn plain() -> Vec<String> {
    vec![
        line("2031-03-03", 0, "", "", "1000"),
        line("2031-03-04", 1, "buy 3", r#""AAA":3,"#, "966.9700000000001"),
        line("2031-03-05", 2, "no_trade 0", r#""AAA":3,"#, "966.97"),
        line("2031-03-06", 3, "sell 1", r#""AAA":2,"#, "979.98"),
    ]
}

fn replayed(lines: &[String], kind: MarketKind, terms: Terms) -> Replayed {
    let symbols = match kind {
        MarketKind::Us | MarketKind::UsHourly => ["AAA", "BBB"],
        MarketKind::Cn | MarketKind::CnHourly => ["600001.SH", "600002.SH"],
        MarketKind::Crypto => ["BTC-USDT", "ETH-USDT"],
    };
    let rules = MarketRules::foreign(kind, terms.fee);
    replay(&read_positions(&lines.join("\n")), &prices(symbols), &rules, &terms).unwrap()
}

fn verdict(lines: &[String], terms: Terms) -> Verdict {
    replayed(lines, MarketKind::Us, terms).verdict
}

/// Reconciled, orphaned, unreconciled, broken.
fn counts(verdict: &Verdict) -> [usize; 4] {
    let Verdict { reconciled, orphaned, unreconciled, broken_lines, .. } = verdict;
    [*reconciled, *orphaned, *unreconciled, *broken_lines]
}

fn kinds(verdict: &Verdict) -> Vec<FindingKind> {
    verdict.findings.iter().map(|finding| finding.kind).collect()
}

#[test]
fn a_book_that_holds_is_proved_with_its_cash_value_and_marks() {
    for terms in [STRICT, LENIENT] {
        let verdict = verdict(&plain(), terms);
        assert!(verdict.holds && verdict.findings.is_empty(), "{verdict:?}");
        assert_eq!((counts(&verdict), verdict.lines, verdict.trades), ([2, 0, 0, 0], 4, 2));
        // No 966.9700000000001: what went in with the noise of a double comes out exact.
        assert_eq!(verdict.final_cash.to_string(), "979.98");
        assert_eq!(verdict.final_nav.unwrap().to_string(), "1007");
        let (symbol, mark) = verdict.marks.iter().next().unwrap();
        assert_eq!((symbol.as_str(), mark.price.to_string()), ("AAA", "13.51".to_owned()));
        assert_eq!(mark.at.to_string(), "2031-03-06");
    }
}

#[test]
fn a_trade_that_does_not_lead_to_its_book_is_found_with_its_figures() {
    let mut lines = plain();
    lines[1] = line("2031-03-04", 1, "buy 3", r#""AAA":3,"#, "966.96");
    let strict = verdict(&lines, STRICT);
    // What is behind the break follows from what the trades really give, which is not there.
    assert_eq!((counts(&strict), strict.first_break), ([0, 0, 2, 1], Some(2)));
    let first = &strict.findings[0];
    assert_eq!((first.kind, first.line), (FindingKind::Unreconciled, 2));
    assert_eq!((&*first.expected["CASH"], &*first.stated["CASH"]), ("966.97", "966.96"));
    let lenient = verdict(&lines, LENIENT);
    // The next line takes the exact figure up again, and the sale behind it holds.
    assert_eq!((counts(&lenient), lenient.holds), ([1, 0, 1, 1], false));
}

#[test]
fn lenient_takes_a_book_up_again_where_it_stands() {
    let mut lines = plain();
    for (line, cash) in lines.iter_mut().skip(1).zip(["966.9700000000001", "966.97", "979.98"]) {
        *line = line.replace(cash, &format!("1{cash}"));
    }
    let lenient = verdict(&lines, LENIENT);
    assert_eq!((counts(&lenient), lenient.first_break), ([1, 0, 1, 0], Some(2)));
    assert_eq!(lenient.final_cash.to_string(), "1979.98");
    let strict = verdict(&lines, STRICT);
    assert_eq!((counts(&strict), strict.final_cash.to_string()), ([0, 0, 2, 1], "1000".into()));
}

#[test]
fn a_book_that_changes_without_a_trade_is_broken() {
    let mut lines = plain();
    lines[2] = line("2031-03-05", 2, "", r#""AAA":4,"#, "966.97");
    let verdict = verdict(&lines, STRICT);
    assert_eq!((counts(&verdict), verdict.holds), ([2, 0, 0, 1], false));
    assert_eq!(verdict.findings[0].expected["AAA"], "3");
}

#[test]
fn trades_that_a_book_leaves_behind_are_orphaned() {
    let mut lines = plain();
    // The writer goes back to the opening: the purchase is lost.
    lines.push(line("2031-03-07", 1, "buy 2 BBB", r#""BBB":2,"#, "960"));
    let verdict = verdict(&lines, STRICT);
    assert_eq!((counts(&verdict), verdict.first_break), ([1, 2, 0, 0], Some(5)));
    let orphans: Vec<usize> = verdict
        .findings
        .iter()
        .filter(|finding| finding.kind == FindingKind::Orphaned)
        .map(|finding| finding.line)
        .collect();
    assert_eq!(orphans, [2, 4]);
    assert!(kinds(&verdict).contains(&FindingKind::Id));
    assert_eq!((verdict.final_cash.to_string(), verdict.holdings.len()), ("960".into(), 1));
}

#[test]
fn a_trade_before_any_book_is_orphaned() {
    let verdict = verdict(&plain()[1..], STRICT);
    assert_eq!((counts(&verdict), verdict.trades, verdict.holds), ([1, 1, 0, 0], 2, false));
}

#[test]
fn a_refused_trade_that_was_booked_fails_strictly_and_is_listed_leniently() {
    let lines = [
        line("2031-03-03", 0, "", "", "10"),
        line("2031-03-04", 1, "buy 3", r#""AAA":3,"#, "-23.03"),
    ];
    for (terms, holds) in [(STRICT, false), (LENIENT, true)] {
        let verdict = verdict(&lines, terms);
        assert_eq!((counts(&verdict), verdict.holds), ([1, 0, 0, 0], holds));
        assert_eq!(verdict.refused, [(Refusal::Cash, 1)].into());
        assert_eq!((verdict.refused_booked, kinds(&verdict)), (1, vec![FindingKind::Refused]));
        assert_eq!(verdict.final_cash.to_string(), "-23.03");
    }
}

#[test]
fn a_refused_trade_that_left_no_trace_is_to_the_books_credit() {
    let lines = [
        line("2031-03-03", 0, "", "", "10"),
        line("2031-03-04", 1, "buy 3", "", "10"),
        line("2031-03-05", 2, "buy 0", "", "10"),
        line("2031-03-06", 3, "buy 1 CCC", "", "10"),
    ];
    let verdict = verdict(&lines, STRICT);
    assert_eq!((counts(&verdict), verdict.holds, verdict.refused_booked), ([3, 0, 0, 0], true, 0));
    let rules = [(Refusal::Quantity, 1), (Refusal::NoPrice, 1), (Refusal::Cash, 1)];
    assert_eq!(verdict.refused, rules.into());
    assert_eq!(kinds(&verdict), [FindingKind::Declined; 3]);
}

#[test]
fn one_break_refuses_nothing_behind_it() {
    // The stated cash jumps; what is bought with it later is paid for in their own book.
    let lines = [
        line("2031-03-03", 0, "", "", "10"),
        line("2031-03-04", 1, "", "", "1000"),
        line("2031-03-05", 2, "buy 3", r#""AAA":3,"#, "963.97"),
    ];
    let strict = verdict(&lines, STRICT);
    assert_eq!((counts(&strict), strict.refused.len()), ([0, 0, 1, 1], 0));
}

#[test]
fn a_fee_is_rounded_up_and_taken_from_the_cash() {
    let terms = Terms { fee: Bp::whole(1), ..STRICT };
    let lines = [
        line("2031-03-03", 0, "", "", "1000"),
        line("2031-03-04", 1, "buy 3", r#""AAA":3,"#, "966.966697"),
    ];
    let charged = verdict(&lines, terms);
    assert!(charged.holds, "{charged:?}");
    assert_eq!((charged.fees.to_string(), &*charged.fee_bp), ("0.003303".into(), "1"));
    assert_eq!(counts(&verdict(&lines, STRICT)), [0, 0, 1, 0]);
}

#[test]
fn what_was_bought_today_cannot_be_sold_today_whatever_the_hour() {
    let day = |hour: &str| format!("2031-03-04 {hour}");
    let sold = |when: &str| {
        let lines = [
            line("2031-03-03 15:00:00", 0, "", "", "10000"),
            line(&day("10:30:00"), 1, "buy 100 600001.SH", r#""600001.SH":100,"#, "8899"),
            line(when, 2, "sell 100 600001.SH", "", "10000"),
        ];
        replayed(&lines, MarketKind::CnHourly, STRICT).verdict
    };
    let same = sold(&day("14:00:00"));
    assert_eq!((same.refused.clone(), same.holds), ([(Refusal::TPlusOne, 1)].into(), false));
    assert_eq!(counts(&same), [2, 0, 0, 0]);
    // The next day's price is another: it does not reconcile, but nothing is against it by rule.
    assert!(sold("2031-03-05 10:30:00").refused.is_empty());
}

#[test]
fn a_coins_book_may_round_to_four_places_and_no_further() {
    // 0.1234 at 11.01 is 1.358634.
    let book = |cash: &str| {
        let lines = [
            line("2031-03-03", 0, "", "", "100"),
            line("2031-03-04", 1, "buy 0.1234 BTC-USDT", r#""BTC-USDT":0.1234,"#, cash),
            line("2031-03-05", 2, "", r#""BTC-USDT":0.1234,"#, cash),
        ];
        replayed(&lines, MarketKind::Crypto, STRICT).verdict
    };
    assert_eq!((book("98.641366").holds, book("98.641366").rounded), (true, 0));
    let rounded = book("98.6414");
    assert_eq!(
        (rounded.holds, rounded.rounded, &*rounded.final_cash.to_string()),
        (true, 1, "98.6414")
    );
    for far in ["98.64132", "98.6413", "98.6415", "98.641"] {
        assert!(!book(far).holds, "{far}");
    }
}

#[test]
fn what_cannot_be_read_fails_strictly_and_is_left_out_leniently() {
    let mut lines = plain();
    lines.insert(1, "{\"date\":".to_owned());
    assert!(!verdict(&lines, STRICT).holds);
    let lenient = verdict(&lines, LENIENT);
    assert!(lenient.holds && lenient.unreadable == 1);
    assert_eq!((lenient.findings[0].kind, lenient.findings[0].line), (FindingKind::Unreadable, 2));
}

#[test]
fn a_book_of_another_market_or_of_nothing_is_none() {
    let rules = MarketRules::foreign(MarketKind::Cn, Bp::ZERO);
    let prices = prices(["AAA", "BBB"]);
    let fault = |text: &str| replay(&read_positions(text), &prices, &rules, &STRICT).unwrap_err();
    let said = fault(&plain().join("\n")).to_string();
    assert_eq!(said, "line 2: AAA is no symbol of the market cn");
    assert!(fault("\n").to_string().starts_with("there is no line"));
    assert!(fault("{").to_string().starts_with("there is no line to begin with: line 1: EOF"));
}

#[test]
fn a_holding_without_a_price_has_no_value() {
    let lines = [line("2031-03-03", 0, "", r#""CCC":3,"#, "1")];
    let verdict = verdict(&lines, STRICT);
    assert_eq!((verdict.final_nav, kinds(&verdict)), (None, vec![FindingKind::NoMark]));
}

#[test]
fn of_many_findings_the_gravest_are_listed_and_all_are_counted() {
    let mut lines = vec![line("2031-03-03", 0, "", "", "10")];
    lines.extend((0..300).map(|_| line("2031-03-04", 9, "", "", "10")));
    lines.push(line("2031-03-05", 10, "", "", "11"));
    let verdict = verdict(&lines, STRICT);
    assert_eq!((verdict.findings.len(), verdict.findings_total), (FINDINGS_MAX, 301));
    assert_eq!(verdict.findings[0].kind, FindingKind::BrokenLine);
}

/// A book that its writer kept by our rules: `(days to the next trade, BBB?, sale?, amount)`.
fn written(trades: &[(usize, bool, bool, i64)]) -> Vec<String> {
    let mut ledger = Ledger { cash: Money::from_units(1_000).unwrap(), ..Ledger::default() };
    let mut lines = vec![line("2031-03-03", 0, "", "", "1000")];
    let (prices, mut day) = (prices(["AAA", "BBB"]), 1);
    for (id, (gap, is_other, is_sale, amount)) in (1..).zip(trades) {
        day = (day + gap).min(9);
        let date = days().nth(day).unwrap();
        let symbol = Symbol::new(if *is_other { "BBB" } else { "AAA" }).unwrap();
        let price = prices.bar(&symbol, date.parse().unwrap()).unwrap().open;
        let mut qty = Qty::from_units(*amount).unwrap();
        let value = crate::fixed::notional(price, qty).unwrap();
        let is_admitted =
            if *is_sale { ledger.holding(&symbol) >= qty } else { ledger.cash >= value };
        let mut act = "no_trade 0".to_owned();
        if is_admitted {
            act = format!("{} {amount} {symbol}", if *is_sale { "sell" } else { "buy" });
            qty = if *is_sale { qty.negated() } else { qty };
            ledger.cash = if *is_sale {
                ledger.cash.plus(value).unwrap()
            } else {
                ledger.cash.minus(value).unwrap()
            };
            let held = ledger.held.entry(symbol).or_default();
            *held = held.plus(qty).unwrap();
        }
        let held = entries(&ledger.held);
        // As Python prints it: a double.
        lines.push(line(&date, id, &act, &held, &format!("{:?}", ledger.cash.to_f64())));
    }
    lines
}

/// Holdings as [`line`] takes them.
fn entries(held: &BTreeMap<Symbol, Qty>) -> String {
    let entries: Vec<String> =
        held.iter().map(|(symbol, qty)| format!(r#""{symbol}":{qty},"#)).collect();
    entries.concat()
}

fn trades() -> impl Strategy<Value = Vec<(usize, bool, bool, i64)>> {
    prop::collection::vec((0..2_usize, any::<bool>(), any::<bool>(), 1..6_i64), 1..24)
}

fn trades_of(lines: &[String]) -> usize {
    lines.iter().filter(|line| line.contains("\"buy\"") || line.contains("\"sell\"")).count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_book_written_by_the_rules_reconciles_whole(trades in trades()) {
        let lines = written(&trades);
        let verdict = verdict(&lines, STRICT);
        prop_assert!(verdict.holds && verdict.findings.is_empty(), "{verdict:?}");
        prop_assert_eq!(verdict.reconciled, trades_of(&lines));
    }

    #[test]
    fn a_digit_that_was_changed_is_found(trades in trades(), at in any::<prop::sample::Index>(), digit in 1..10_u8) {
        let lines = written(&trades);
        // Any digit of any number of the book behind the opening, dates and symbols left alone.
        let line = 1 + at.index(lines.len() - 1);
        let from = lines[line].find("\"id\"").unwrap();
        let places: Vec<usize> =
            lines[line].bytes().enumerate().skip(from).filter(|(_, byte)| byte.is_ascii_digit()).map(|(place, _)| place).collect();
        let place = places[at.index(places.len())];
        let mut spoilt = lines.clone();
        let old = lines[line].as_bytes()[place] - b'0';
        let new = (b'0' + (old + digit) % 10) as char;
        spoilt[line].replace_range(place..=place, &new.to_string());
        let is_same = |a: &str, b: &str| {
            let [a, b] = [a, b].map(|line| read_positions(line).lines);
            // A digit behind the eighth place, or of an amount that nobody trades, changes nothing.
            a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| {
                (&a.act, a.id, &a.held) == (&b.act, b.id, &b.held) && a.cash.raw().abs_diff(b.cash.raw()) <= 1
            })
        };
        if !is_same(&lines[line], &spoilt[line]) {
            for terms in [STRICT, LENIENT] {
                let verdict = verdict(&spoilt, terms);
                prop_assert!(!verdict.findings.is_empty(), "{}", spoilt[line]);
            }
        }
    }

    #[test]
    fn going_back_some_lines_orphans_exactly_their_trades(trades in trades(), back in 1..8_usize) {
        let mut lines = written(&trades);
        let kept = lines.len().saturating_sub(back).max(1);
        let lost = trades_of(&lines[kept..]);
        // The last book that stands, once more, as if nothing had been done since.
        let book = read_positions(&lines[kept - 1]).lines.remove(0);
        let held = entries(&book.held);
        lines.push(line("2031-03-14", 99, "", &held, &book.cash.to_string()));
        let replayed = verdict(&lines, STRICT);
        // A book that came back to where it was lost nothing on its way.
        let again = (kept..lines.len() - 1).rev().find(|&at| {
            let line = read_positions(&lines[at]).lines.remove(0);
            (line.cash, &line.held) == (book.cash, &book.held)
        });
        let lost = again.map_or(lost, |at| trades_of(&lines[at + 1..]));
        prop_assert_eq!(replayed.orphaned, lost);
    }

    /// V-1: every trade has exactly one fate, strict or not, whatever the lines are.
    #[test]
    fn every_trade_has_one_fate(
        trades in trades(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let mut lines = written(&trades);
        for cut in cuts {
            let (from, to) = (cut.index(lines.len()), cut.index(7) % lines.len());
            lines.swap(from, to);
        }
        let [strict, lenient] = [STRICT, LENIENT].map(|terms| verdict(&lines, terms));
        for verdict in [&strict, &lenient] {
            prop_assert_eq!(verdict.trades, trades_of(&lines));
            let fates = verdict.reconciled + verdict.orphaned + verdict.unreconciled;
            prop_assert_eq!(verdict.trades, fates);
        }
        // What is proved strictly is proved leniently.
        prop_assert!(!strict.holds || lenient.holds);
    }
}
