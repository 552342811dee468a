//! What a replay has found, and the verdict that scripts and boards read.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Mode;
use crate::arena::foreign::{Skipped, Stamp};
use crate::arena::market::{MarketKind, Refusal};
use crate::fixed::{Bp, Money, Price, Qty};
use crate::market::symbol::Symbol;

/// The most findings that a verdict lists.
pub const FINDINGS_MAX: usize = 200;

/// What kind of thing was found, the gravest first: a list that is cut loses the lightest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// A place of a file that could not be read.
    Unreadable,
    /// A trade that does not lead to the book that is stated after it.
    Unreconciled,
    /// A book that changed without a trade.
    BrokenLine,
    /// A trade whose effect is not in the book that goes on.
    Orphaned,
    /// A trade that a rule of the market is against, and that was booked.
    Refused,
    /// A trade that a rule is against, and that left no trace in the book.
    Declined,
    /// A trade that fits only what the book says of itself, behind a break.
    Resumed,
    /// A holding without a price.
    NoMark,
    /// A line whose number is not the one after the former's.
    Id,
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The line in its file, from one; of round trips the entry's number.
    pub line: usize,
    /// The file, where it is not the book's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The writer's own name of the line or trade.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// When, on the market's clocks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Stamp>,
    /// What kind of thing.
    pub kind: FindingKind,
    /// The rule that is against it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<Refusal>,
    /// What is traded or held.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub symbol: Option<Symbol>,
    /// What was found, in words.
    pub text: String,
    /// Figures as they must be: the first that differ.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub expected: BTreeMap<String, String>,
    /// The same figures as they stand there.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub stated: BTreeMap<String, String>,
}

impl Finding {
    /// A finding that has a line, a kind and a text.
    pub(super) fn new(line: usize, kind: FindingKind, text: impl Into<String>) -> Self {
        Self {
            line,
            file: None,
            id: None,
            at: None,
            kind,
            rule: None,
            symbol: None,
            text: text.into(),
            expected: BTreeMap::new(),
            stated: BTreeMap::new(),
        }
    }
}

/// What a holding was valued at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mark {
    /// The price of one.
    pub price: Price,
    /// The bar that it is of.
    pub at: Stamp,
}

/// How many trades each rule is against.
pub type Refusals = BTreeMap<Refusal, usize>;

/// What a book from elsewhere came to. Decimals are texts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// `arena-verify/1`.
    pub schema: &'static str,
    /// Whose book, where a file holds several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The market whose rules were asked.
    pub market: MarketKind,
    /// How much was forgiven.
    pub mode: Mode,
    /// The fee that the book charges, in basis points.
    pub fee_bp: String,
    /// Lines that were read.
    pub lines: usize,
    /// Trades among them.
    pub trades: usize,
    /// Trades that lead from a book that stands there to the one stated after them.
    pub reconciled: usize,
    /// Trades that do not.
    pub unreconciled: usize,
    /// Trades whose effect is not in the book that goes on.
    pub orphaned: usize,
    /// Trades that a rule is against, by the first such rule.
    pub refused: Refusals,
    /// Those of them that were booked all the same.
    pub refused_booked: usize,
    /// Lines that agree only as figures that were rounded.
    pub rounded: usize,
    /// Lines without a trade on which the book changed.
    pub broken_lines: usize,
    /// Places that could not be read, in all files.
    pub unreadable: usize,
    /// The first line on which the book does not follow from the one before.
    pub first_break: Option<usize>,
    /// Whether the book is proved: nothing unreconciled, orphaned or broken; when strict, nothing
    /// unreadable and nothing booked against a rule.
    pub holds: bool,
    /// Cash of the opening line.
    pub start_cash: Money,
    /// Cash at the end of the replay.
    pub final_cash: Money,
    /// Fees on the way.
    pub fees: Money,
    /// Cash and holdings at their last prices; `None` where one has none.
    pub final_nav: Option<Money>,
    /// What is held at the end.
    pub holdings: BTreeMap<Symbol, Qty>,
    /// What it was valued at.
    pub marks: BTreeMap<Symbol, Mark>,
    /// What was found, the gravest first, at most [`FINDINGS_MAX`].
    pub findings: Vec<Finding>,
    /// How many there are.
    pub findings_total: usize,
}

impl Verdict {
    /// A verdict on nothing yet.
    pub(super) fn new(market: MarketKind, mode: Mode, fee: Bp, start_cash: Money) -> Self {
        let hundredths = i64::from(fee.as_hundredths());
        Self {
            schema: "arena-verify/1",
            model: None,
            market,
            mode,
            fee_bp: rust_decimal::Decimal::new(hundredths, 2).normalize().to_string(),
            lines: 0,
            trades: 0,
            reconciled: 0,
            unreconciled: 0,
            orphaned: 0,
            refused: Refusals::new(),
            refused_booked: 0,
            rounded: 0,
            broken_lines: 0,
            unreadable: 0,
            first_break: None,
            holds: false,
            start_cash,
            final_cash: start_cash,
            fees: Money::ZERO,
            final_nav: None,
            holdings: BTreeMap::new(),
            marks: BTreeMap::new(),
            findings: Vec::new(),
            findings_total: 0,
        }
    }

    /// Notes what could not be read of a file; of the book's own where it has no name.
    pub(super) fn note_skipped(&mut self, file: Option<&str>, skipped: &Skipped) {
        self.unreadable += skipped.total;
        for place in &skipped.listed {
            let mut finding = Finding::new(place.line, FindingKind::Unreadable, &*place.why);
            finding.file = file.map(str::to_owned);
            self.findings.push(finding);
        }
        self.findings_total += skipped.total - skipped.listed.len();
    }

    /// Notes a line on which the book does not follow.
    pub(super) fn note_break(&mut self, line: usize) {
        self.first_break = Some(self.first_break.map_or(line, |first| first.min(line)));
    }

    /// Sorts and counts what was found, and says whether the book holds.
    pub(super) fn finish(&mut self) {
        self.findings.sort_by_key(|finding| (finding.kind, finding.line));
        self.findings_total += self.findings.len();
        self.findings.truncate(FINDINGS_MAX);
        let follows = self.unreconciled + self.orphaned + self.broken_lines == 0;
        let is_clean = self.unreadable == 0 && self.refused_booked == 0;
        self.holds = follows && (self.mode == Mode::Lenient || is_clean);
    }
}
