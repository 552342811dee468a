//! What the simulated broker saw, checked with arithmetic of its own.
//!
//! - O-2: one intent, at most one live order: an id that appears again carries the same order, and no
//!   intent has two ids.
//! - P-1: cash + positions at cost + fees is conserved: the cash that follows from the fills alone is
//!   the cash that the run reports.

use std::collections::BTreeMap;

use serde_json::Value;

/// Steps of money and prices in one dollar, and of quantities in one share.
const MONEY: i128 = 100_000_000;
const QTY: i128 = 1_000_000_000;

/// What a journal comes to.
#[derive(Debug, Default)]
pub(super) struct Journal {
    /// Orders by book and id, as they were first seen.
    orders: BTreeMap<(String, String), Value>,
    /// Ids by book and intent.
    intents: BTreeMap<(String, String), String>,
    /// Fills by book, order and number.
    fills: BTreeMap<(String, String, u64), Value>,
    /// Lines that were read.
    read: usize,
}

/// How often something was checked, and what was wrong.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) checked: BTreeMap<&'static str, u64>,
    pub(super) wrong: Vec<String>,
}

impl Findings {
    /// One check of an invariant; `what` tells what is wrong where it does not hold.
    pub(super) fn check(&mut self, id: &'static str, holds: bool, what: impl FnOnce() -> String) {
        *self.checked.entry(id).or_default() += 1;
        if !holds {
            self.wrong.push(format!("{id}: {}", what()));
        }
    }
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

/// Decimal text in steps of `1 / scale`; `None` where it is none or finer than that.
fn steps(text: &str, scale: i128) -> Option<i128> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let width = scale.ilog10() as usize;
    if part.len() > width || !digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return None;
    }
    let whole: i128 = whole.parse().ok()?;
    let part: i128 = format!("{part:0<width$}").parse().ok()?;
    Some(sign * (whole * scale + part))
}

/// Price times quantity in steps of money, half to even.
fn notional(price: i128, qty: i128) -> i128 {
    let product = price * qty;
    let (whole, rest) = (product.div_euclid(QTY), product.rem_euclid(QTY));
    let is_up = rest * 2 > QTY || (rest * 2 == QTY && whole % 2 != 0);
    whole + i128::from(is_up)
}

impl Journal {
    /// Reads the whole lines that came since the last call.
    pub(super) fn follow(&mut self, lines: &str, found: &mut Findings) {
        let whole: Vec<&str> = lines.split_inclusive('\n').filter(|l| l.ends_with('\n')).collect();
        for line in whole.iter().skip(self.read) {
            match serde_json::from_str::<Value>(line) {
                Ok(seen) => self.take(&seen, found),
                Err(error) => {
                    found.check("O-2", false, || format!("a line is unreadable: {error}"));
                }
            }
        }
        self.read = whole.len();
    }

    fn take(&mut self, seen: &Value, found: &mut Findings) {
        let book = text(seen, "book");
        if seen["happened"] == "submitted" {
            let intent = &seen["intent"];
            let id = text(intent, "client_order_id");
            let known = self.orders.entry((book.clone(), id.clone())).or_insert(intent.clone());
            found.check("O-2", known == intent, || format!("order {id} came back as another one"));
            let mut bare = intent.clone();
            bare["client_order_id"] = Value::Null;
            let first = self.intents.entry((book, bare.to_string())).or_insert(id.clone());
            found.check("O-2", *first == id, || format!("{first} and {id} are one intent"));
        } else {
            let fill = &seen["fill"];
            let id = text(fill, "client_order_id");
            let is_known = self.orders.contains_key(&(book.clone(), id.clone()));
            found.check("O-2", is_known, || format!("a fill of {id}, which was never sent"));
            let nth = fill["nth"].as_u64().unwrap_or(u64::MAX);
            let known = self.fills.entry((book, id.clone(), nth)).or_insert(fill.clone());
            found.check("O-2", known == fill, || format!("fill {nth} of {id} came back changed"));
        }
    }

    /// A fill as the audit has booked it.
    pub(super) fn knows(&self, book: &str, fill: &Value) -> bool {
        let nth = fill["nth"].as_u64().unwrap_or(u64::MAX);
        self.fills.get(&(book.to_owned(), text(fill, "client_order_id"), nth)) == Some(fill)
    }

    /// Whether a book has traded.
    pub(super) fn has(&self, book: &str) -> bool {
        self.fills.keys().any(|(of, _, _)| of == book)
    }

    /// Orders and fills so far.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.orders.len(), self.fills.len())
    }

    /// Cash of a book that began with `start` dollars, from its fills alone.
    pub(super) fn cash(&self, book: &str, start: &str) -> Option<i128> {
        let mut cash = steps(start, MONEY)?;
        for ((_, _, _), fill) in self.fills.iter().filter(|((of, _, _), _)| of == book) {
            let price = steps(fill["price"].as_str()?, MONEY)?;
            let qty = steps(fill["qty"].as_str()?, QTY)?;
            let fee = steps(fill["fee"].as_str()?, MONEY)?;
            let sign = if fill["side"] == "buy" { -1 } else { 1 };
            cash += sign * notional(price, qty) - fee;
        }
        Some(cash)
    }

    /// Cash, positions at cost, realised profit and fees of a book add up, symbol by symbol; what is
    /// left open at the end, if anything.
    pub(super) fn conserve(&self, book: &str, cash: &str, start: &str, found: &mut Findings) {
        let (reported, computed) = (steps(cash, MONEY), self.cash(book, start));
        found.check("P-1", reported.is_some() && reported == computed, || {
            format!("cash of the {book} book is {cash}, its fills make it {computed:?} steps")
        });
        let mut held: BTreeMap<String, i128> = BTreeMap::new();
        for ((_, _, _), fill) in self.fills.iter().filter(|((of, _, _), _)| of == book) {
            let qty = fill["qty"].as_str().and_then(|qty| steps(qty, QTY)).unwrap_or(0);
            let sign = if fill["side"] == "buy" { 1 } else { -1 };
            *held.entry(text(fill, "symbol")).or_default() += sign * qty;
        }
        for (symbol, qty) in held {
            found.check("P-1", qty == 0, || format!("{qty} steps of {symbol} are left at the end"));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn order(id: &str, decision: &str, qty: &str) -> String {
        let intent = json!({"client_order_id": id, "decision": decision, "qty": qty});
        format!("{}\n", json!({"book": "real", "happened": "submitted", "intent": intent}))
    }

    fn fill(id: &str, side: &str, price: &str) -> String {
        let fill = json!({"client_order_id": id, "nth": 0, "symbol": "AAA", "side": side,
            "qty": "1.5", "price": price, "fee": "1"});
        format!("{}\n", json!({"book": "real", "happened": "filled", "fill": fill}))
    }

    fn wrong(lines: &[String]) -> Vec<String> {
        let (mut journal, mut found) = (Journal::default(), Findings::default());
        journal.follow(&lines.concat(), &mut found);
        found.wrong
    }

    /// O-2: what comes back unchanged is one order; a changed one, a second id and a strange fill are
    /// each found.
    #[test]
    fn an_order_may_come_back_and_must_not_change() {
        let good = [order("a", "d", "1"), order("a", "d", "1"), fill("a", "buy", "10")];
        assert!(wrong(&good).is_empty(), "{:?}", wrong(&good));
        assert!(wrong(&[order("a", "d", "1"), order("a", "d", "2")])[0].contains("another one"));
        assert!(wrong(&[order("a", "d", "1"), order("b", "d", "1")])[0].contains("one intent"));
        assert!(wrong(&[fill("a", "buy", "10")])[0].contains("never sent"));
        let twice = [order("a", "d", "1"), fill("a", "buy", "10"), fill("a", "buy", "11")];
        assert!(wrong(&twice)[0].contains("changed"));
    }

    /// P-1: cash follows from the fills, rounded half to even; a half line is not read.
    #[test]
    fn cash_is_what_the_fills_make_it() {
        let (mut journal, mut found) = (Journal::default(), Findings::default());
        let lines = [order("a", "d", "1"), order("b", "e", "1"), fill("a", "buy", "10")].concat();
        let more = format!("{lines}{}", fill("b", "sell", "12.00000001"));
        journal.follow(&more[..more.len() - 9], &mut found);
        assert_eq!(journal.cash("real", "100"), steps("84", MONEY));
        journal.follow(&more, &mut found);
        assert_eq!(journal.cash("real", "100"), steps("101.00000002", MONEY));
        journal.conserve("real", "101.00000002", "100", &mut found);
        assert!(found.wrong.is_empty(), "{:?}", found.wrong);
        journal.conserve("real", "101.00000001", "100", &mut found);
        assert_eq!(found.wrong.len(), 1);
        assert_eq!((steps("1.000000001", MONEY), steps("x", MONEY)), (None, None));
    }
}
