//! Checks of the books: P-1 against a ledger of the checker's own, C-1 against the log.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Findings;
use super::json::{at, fixed, items, text, value_of};

/// What each book begins with: 100,000 dollars in steps of 1e-8.
const CASH: i128 = 100_000 * 100_000_000;

/// One book, added up by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Ledger {
    cash: i128,
    fees: i128,
    /// Quantities with the sign of their direction; none of zero.
    held: BTreeMap<String, i128>,
    booked: BTreeSet<(String, u64)>,
}

impl Default for Ledger {
    fn default() -> Self {
        Self { cash: CASH, fees: 0, held: BTreeMap::new(), booked: BTreeSet::new() }
    }
}

impl Ledger {
    /// A book as JSON shows it.
    fn shown(book: &Value) -> Option<Self> {
        let mut held = BTreeMap::new();
        for (symbol, position) in book["positions"].as_object()? {
            let qty = fixed(text(position, "qty"), 9)?;
            let signed = if text(position, "direction") == "long" { qty } else { -qty };
            held.insert(symbol.clone(), signed);
        }
        let (cash, fees) = (fixed(text(book, "cash"), 8)?, fixed(text(book, "fees"), 8)?);
        let mut booked = BTreeSet::new();
        for order in items(&book["booked"]) {
            let id = order[0].as_str().unwrap_or_default();
            let fills = items(&order[1]).iter().filter_map(|fill| fill["nth"].as_u64());
            booked.extend(fills.map(|nth| (id.to_owned(), nth)));
        }
        Some(Self { cash, fees, held, booked })
    }

    fn fill(&mut self, fill: &Value) {
        let id = (text(fill, "client_order_id").to_owned(), fill["nth"].as_u64().unwrap_or(0));
        if !self.booked.insert(id) {
            return;
        }
        let number = |key: &str, places| fixed(text(fill, key), places).unwrap_or(0);
        let (qty, price, fee) = (number("qty", 9), number("price", 8), number("fee", 8));
        let sign = if text(fill, "side") == "buy" { 1 } else { -1 };
        self.cash -= sign * value_of(price, qty) + fee;
        self.fees += fee;
        let held = self.held.entry(text(fill, "symbol").to_owned()).or_default();
        *held += sign * qty;
        if *held == 0 {
            self.held.remove(text(fill, "symbol"));
        }
    }

    fn is(&self, other: &Self) -> bool {
        (self.cash, self.fees, &self.held) == (other.cash, other.fees, &other.held)
    }

    fn summary(&self) -> String {
        format!("cash {} fees {} held {:?}", self.cash, self.fees, self.held)
    }
}

/// Both books.
#[derive(Clone, Debug, Default)]
pub(super) struct Books(BTreeMap<String, Ledger>);

impl Books {
    /// The books that a log alone makes: what a context must be repaired to.
    pub(super) fn of_lines(lines: &[Value]) -> Self {
        let mut books = Self::default();
        for update in lines.iter().flat_map(|line| items(at(line, "body/updates"))) {
            if let Some(opened) = update.get("book_opened") {
                books.0.entry(text(opened, "book").to_owned()).or_default();
            } else if let Some(replaced) = update.get("book_replaced") {
                let ledger = Ledger::shown(&replaced["now"]).unwrap_or_default();
                books.0.insert(text(replaced, "book").to_owned(), ledger);
            } else if let Some(filled) = update.get("filled") {
                books.0.entry(text(filled, "book").to_owned()).or_default().fill(&filled["fill"]);
            }
        }
        books
    }

    pub(super) fn filled(&mut self, book: &str, fill: &Value) {
        self.0.entry(book.to_owned()).or_default().fill(fill);
    }

    /// The books as the context shows them are the books as they were filled.
    pub(super) fn shown(&self, books: &Value, id: &'static str, findings: &mut Findings) {
        let empty = Ledger::default();
        for kind in ["real", "shadow"] {
            let Some(shown) = books.get(kind) else { continue };
            let mine = self.0.get(kind).unwrap_or(&empty);
            let theirs = Ledger::shown(shown);
            findings.check(id, theirs.as_ref().is_some_and(|theirs| mine.is(theirs)), || {
                let theirs = theirs.as_ref().map_or_else(|| shown.to_string(), Ledger::summary);
                format!("the {kind} book should be {} and is shown as {theirs}", mine.summary())
            });
        }
    }

    /// P-1: the accounts are what was filled, and their own sums agree. A broker whose answers come
    /// late knows more than it has said.
    pub(super) fn accounts(&self, books: &Value, in_time: bool, findings: &mut Findings) {
        for (kind, book) in books.as_object().into_iter().flatten() {
            conserves(kind, book, findings);
        }
        if in_time {
            self.shown(books, "P-1", findings);
        }
    }
}

/// P-1: cash + positions at cost + fees is what the book began with and what it has gained.
fn conserves(kind: &str, book: &Value, findings: &mut Findings) {
    let number = |value: &Value, key: &str| fixed(text(value, key), 8).unwrap_or(0);
    let positions = book["positions"].as_object();
    let cost: i128 = positions.into_iter().flatten().fold(0, |sum, (_, position)| {
        let sign = if text(position, "direction") == "long" { 1 } else { -1 };
        sum + sign * number(position, "cost")
    });
    let off = number(book, "cash") + cost + number(book, "fees")
        - number(book, "start")
        - number(book, "realised");
    findings.check("P-1", off == 0, || format!("the {kind} book is off by {off} steps"));
}
