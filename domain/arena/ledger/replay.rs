//! A book of positions replayed: every trade on the book before it, or on an earlier one.
//!
//! Writers of such books have gone back to older lines; a line that follows from an earlier head of the
//! replay is a branch, and the trades between are orphaned. The file is the fact and the rules are the
//! judgement: a trade against a rule that the book has booked is booked here too.

use std::collections::BTreeMap;

use super::{Change, Finding, FindingKind, Ledger, Mark, Mode, Stated, Terms, Verdict};
use crate::arena::foreign::merged::{Prices, Quote};
use crate::arena::foreign::positions::{Act, Line, Positions};
use crate::arena::foreign::{OPENING, Stamp};
use crate::arena::market::{MarketRules, Refusal, Standing, Wanted};
use crate::fixed::{FixedError, Money, Price, Qty, notional};
use crate::market::symbol::Symbol;
use crate::order::Side;

/// How many earlier heads a line is compared with.
pub const HEADS_MAX: usize = 1_000;

/// The most figures of a finding.
const FIGURES_MAX: usize = 3;

/// Why there is nothing to replay.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayFault {
    /// No line could be read.
    #[error("there is no line to begin with{}", said(.first.as_deref()))]
    Empty {
        /// What is wrong with the first line, if there is one.
        first: Option<String>,
    },
    /// A symbol that cannot be of the market.
    #[error("line {line}: {symbol} is no symbol of the market {market}")]
    Foreign {
        /// The line in its file.
        line: usize,
        /// The symbol.
        symbol: Symbol,
        /// The market.
        market: crate::arena::market::MarketKind,
    },
}

fn said(why: Option<&str>) -> String {
    why.map(|why| format!(": {why}")).unwrap_or_default()
}

/// What became of a line in the replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Nothing was traded.
    Quiet,
    /// The trade leads to the stated book.
    Reconciled,
    /// The trade's effect is not in the book that goes on.
    Orphaned,
    /// The trade does not lead to the stated book.
    Unreconciled,
}

/// A trade of a line, as the replay sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepTrade {
    /// What the line says.
    pub act: Act,
    /// The market's price, if it has one.
    pub price: Option<Price>,
    /// The fee, where it was booked.
    pub fee: Money,
    /// Whether it is in the book after it.
    pub booked: bool,
    /// The first rule against it.
    pub refusal: Option<Refusal>,
}

/// A line and the replay's book after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The line in its file.
    pub line: usize,
    /// When.
    pub at: Stamp,
    /// The trade, if there is one.
    pub trade: Option<StepTrade>,
    /// What became of it.
    pub fate: Fate,
    /// The book after it.
    pub ledger: Ledger,
}

/// A verdict, and the book line by line.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// What the book came to.
    pub verdict: Verdict,
    /// Every line that was read.
    pub steps: Vec<Step>,
}

/// Replays a book against prices under a market's rules ([`MarketRules::foreign`]).
///
/// # Errors
/// When no line could be read, or a symbol cannot be of the market.
pub fn replay(
    book: &Positions,
    prices: &Prices,
    rules: &MarketRules,
    terms: &Terms,
) -> Result<Replayed, ReplayFault> {
    let place = book.skipped.listed.first().map(ToString::to_string);
    let opening = book.lines.first().ok_or(ReplayFault::Empty { first: place })?;
    for line in &book.lines {
        let traded = line.act.iter().map(|act| &act.symbol);
        if let Some(symbol) = traded.chain(line.held.keys()).find(|it| !rules.kind.fits(it)) {
            let (line, symbol) = (line.number, symbol.clone());
            return Err(ReplayFault::Foreign { line, symbol, market: rules.kind });
        }
    }
    let mut run = Run {
        prices,
        rules,
        mode: terms.mode,
        steps: Vec::new(),
        verdict: Verdict::new(rules.kind, terms.mode, terms.fee, opening.cash),
    };
    run.verdict.note_skipped(None, &book.skipped);
    for (file, skipped) in &prices.skipped {
        run.verdict.note_skipped(Some(file), skipped);
    }
    run.open(opening);
    for pair in book.lines.windows(2) {
        if let [before, line] = pair {
            run.line(line, before);
        }
    }
    run.finish(book);
    Ok(Replayed { verdict: run.verdict, steps: run.steps })
}

impl Line {
    fn stated(&self) -> Stated<'_> {
        Stated { cash: self.cash, held: &self.held }
    }

    fn found(&self, kind: FindingKind, text: impl Into<String>) -> Finding {
        let mut finding = Finding::new(self.number, kind, text);
        (finding.id, finding.at) = (Some(self.id.to_string()), Some(self.at));
        finding.symbol = self.act.as_ref().map(|act| act.symbol.clone());
        finding
    }
}

/// A trade and what it changes: nothing that can be told where there is no price, or no range for it.
struct Trade<'a> {
    act: &'a Act,
    bar: Option<&'a Quote>,
    change: Option<Change<'a>>,
}

/// How a line follows.
struct Follows {
    /// The index of the step that it follows from.
    from: usize,
    ledger: Ledger,
    rounded: bool,
    /// Whether the trade left a trace.
    booked: bool,
    /// Whether only the stated book before it leads here.
    resumed: bool,
}

struct Run<'a> {
    prices: &'a Prices,
    rules: &'a MarketRules,
    mode: Mode,
    /// What was replayed so far; the last step's book is the head.
    steps: Vec<Step>,
    verdict: Verdict,
}

impl<'a> Run<'a> {
    fn open(&mut self, line: &'a Line) {
        let ledger = Ledger::opening(line.stated());
        let mut fate = Fate::Quiet;
        let trade = line.act.as_ref().map(|act| {
            // Without an opening nobody can tell what it was made on.
            fate = Fate::Orphaned;
            self.verdict.trades += 1;
            self.verdict.orphaned += 1;
            self.verdict.note_break(line.number);
            let text = "a trade on the first line, before any book";
            self.verdict.findings.push(line.found(FindingKind::Orphaned, text));
            let price = self.prices.bar(&act.symbol, line.at).map(|bar| bar.open);
            StepTrade { act: act.clone(), price, fee: Money::ZERO, booked: false, refusal: None }
        });
        self.steps.push(Step { line: line.number, at: line.at, trade, fate, ledger });
    }

    fn head(&self) -> Ledger {
        self.steps.last().map(|step| step.ledger.clone()).unwrap_or_default()
    }

    fn line(&mut self, line: &'a Line, before: &'a Line) {
        if before.id.checked_add(1) != Some(line.id) {
            let text = format!("id {} follows {}", line.id, before.id);
            self.verdict.findings.push(line.found(FindingKind::Id, text));
        }
        let trade = line.act.as_ref().map(|act| self.trade(act, line.at));
        let change = trade.as_ref().and_then(|trade| trade.change);
        let is_clear = trade.is_none() || change.is_some();
        let mut follows = is_clear.then(|| self.find(change.as_ref(), line)).flatten();
        let refusal = trade.as_ref().and_then(|trade| {
            let base = match &follows {
                Some(follows) => self.ledger_of(follows.from),
                None => self.head().restated(before.stated()),
            };
            self.refusal(trade, line.at, &base)
        });
        if follows.is_none() && refusal.is_some() {
            follows = self.declined(line);
        }
        if follows.is_none() && is_clear && self.mode == Mode::Lenient {
            follows = self.resumed(change.as_ref(), line, before);
        }
        self.verdict.trades += usize::from(trade.is_some());
        self.judge(line, trade.as_ref(), refusal, follows.as_ref());
        let fate = match &follows {
            Some(follows) => self.settle(line, trade.is_some(), follows),
            None => self.broken(line, trade.is_some(), change.as_ref()),
        };
        let ledger = match &follows {
            Some(follows) => follows.ledger.clone(),
            None if self.mode == Mode::Strict => self.head(),
            None => self.head().restated(line.stated()),
        };
        let trade = trade.map(|trade| StepTrade {
            act: trade.act.clone(),
            price: trade.bar.map(|bar| bar.open),
            fee: change.map_or(Money::ZERO, |change| change.fee),
            // A trade of nothing leaves no trace even where it was booked.
            booked: follows.as_ref().is_some_and(|follows| follows.booked)
                && !trade.act.qty.is_zero(),
            refusal,
        });
        self.steps.push(Step { line: line.number, at: line.at, trade, fate, ledger });
    }

    fn ledger_of(&self, index: usize) -> Ledger {
        self.steps.get(index).map(|step| step.ledger.clone()).unwrap_or_default()
    }

    fn trade(&self, act: &'a Act, at: Stamp) -> Trade<'a> {
        let bar = self.prices.bar(&act.symbol, at);
        let change = bar.and_then(|bar| self.change(act, bar.open, at).ok());
        Trade { act, bar, change }
    }

    fn change(&self, act: &'a Act, price: Price, at: Stamp) -> Result<Change<'a>, FixedError> {
        let value = notional(price, act.qty)?;
        let fee = self.rules.fees.of(act.side, value)?;
        let (qty, cash) = match act.side {
            Side::Buy => (act.qty, value.negated()),
            Side::Sell => (act.qty.negated(), value),
        };
        Ok(Change { symbol: &act.symbol, qty, cash: cash.minus(fee)?, fee, day: at.date })
    }

    /// The newest head that a line follows from.
    fn find(&self, change: Option<&Change<'_>>, line: &Line) -> Option<Follows> {
        let newest = self.steps.iter().enumerate().rev().take(HEADS_MAX + 1);
        newest.map(|(from, step)| (from, &step.ledger)).find_map(|(from, head)| {
            let (ledger, rounded) = head.follow(change, line.stated(), self.rules.digits)?;
            Some(Follows { from, ledger, rounded, booked: true, resumed: false })
        })
    }

    /// The head itself, where a refused trade has left it as it was.
    fn declined(&self, line: &Line) -> Option<Follows> {
        let (ledger, rounded) = self.head().follow(None, line.stated(), self.rules.digits)?;
        let from = self.steps.len().checked_sub(1)?;
        Some(Follows { from, ledger, rounded, booked: false, resumed: false })
    }

    /// What the book says that it was before, where that leads here.
    fn resumed(&self, change: Option<&Change<'_>>, line: &Line, before: &Line) -> Option<Follows> {
        let base = self.head().restated(before.stated());
        let (ledger, rounded) = base.follow(change, line.stated(), self.rules.digits)?;
        let from = self.steps.len().checked_sub(1)?;
        Some(Follows { from, ledger, rounded, booked: true, resumed: true })
    }

    fn refusal(&self, trade: &Trade<'_>, at: Stamp, base: &Ledger) -> Option<Refusal> {
        let symbol = &trade.act.symbol;
        let wanted = Wanted {
            symbol,
            side: trade.act.side,
            qty: trade.act.qty,
            price: trade.bar.map(|bar| bar.open),
            stated: trade.act.price,
            at: at.at_or(OPENING),
            name: self.prices.name(symbol),
        };
        let standing = Standing {
            cash: base.cash,
            held: base.holding(symbol),
            bought_today: base.bought_on(at.date, symbol),
            is_open: self.prices.has_day(at.date),
            previous_close: self.prices.previous_close(symbol, at.date),
        };
        self.rules.admit(&wanted, &standing).err()
    }

    /// Counts and lists a trade that a rule is against.
    fn judge(
        &mut self,
        line: &Line,
        trade: Option<&Trade<'_>>,
        refusal: Option<Refusal>,
        follows: Option<&Follows>,
    ) {
        let Some((trade, rule)) = trade.zip(refusal) else { return };
        *self.verdict.refused.entry(rule).or_default() += 1;
        // A trade of nothing leaves no trace even where it was booked.
        let is_booked = follows.is_none_or(|follows| follows.booked) && !trade.act.qty.is_zero();
        self.verdict.refused_booked += usize::from(is_booked);
        let kind = if is_booked { FindingKind::Refused } else { FindingKind::Declined };
        let mut finding = line.found(kind, rule.code().cause());
        finding.rule = Some(rule);
        self.verdict.findings.push(finding);
    }

    /// Books a line that follows, and orphans the trades that it left behind.
    fn settle(&mut self, line: &Line, is_trade: bool, follows: &Follows) -> Fate {
        self.verdict.rounded += usize::from(follows.rounded);
        if follows.resumed {
            let text = "follows from what the line before it says, not from what led there";
            self.verdict.findings.push(line.found(FindingKind::Resumed, text));
        }
        let mut left = 0;
        for step in self.steps.iter_mut().skip(follows.from + 1) {
            if step.fate != Fate::Reconciled {
                continue;
            }
            step.fate = Fate::Orphaned;
            left += 1;
            let text = format!("line {} goes on from a book before this trade", line.number);
            let mut finding = Finding::new(step.line, FindingKind::Orphaned, text);
            finding.at = Some(step.at);
            finding.symbol = step.trade.as_ref().map(|trade| trade.act.symbol.clone());
            self.verdict.findings.push(finding);
        }
        if left > 0 {
            self.verdict.reconciled -= left;
            self.verdict.orphaned += left;
            self.verdict.note_break(line.number);
        }
        self.verdict.reconciled += usize::from(is_trade);
        if is_trade { Fate::Reconciled } else { Fate::Quiet }
    }

    /// Notes a line that follows from nothing.
    fn broken(&mut self, line: &Line, is_trade: bool, change: Option<&Change<'_>>) -> Fate {
        self.verdict.note_break(line.number);
        let (kind, text) = if is_trade && change.is_none() {
            (
                FindingKind::Unreconciled,
                "no price for this trade, or none whose value any cash holds",
            )
        } else if is_trade {
            (
                FindingKind::Unreconciled,
                "the trade does not lead to the book that is stated after it",
            )
        } else {
            (FindingKind::BrokenLine, "the book changed without a trade")
        };
        let mut finding = line.found(kind, text);
        let head = self.head();
        let differ = head.differences(change, line.stated(), self.rules.digits, FIGURES_MAX);
        for (figure, expected, stated) in differ {
            finding.expected.insert(figure.clone(), expected);
            finding.stated.insert(figure, stated);
        }
        self.verdict.findings.push(finding);
        if is_trade {
            self.verdict.unreconciled += 1;
            return Fate::Unreconciled;
        }
        self.verdict.broken_lines += 1;
        Fate::Quiet
    }

    fn finish(&mut self, book: &Positions) {
        let head = self.head();
        let verdict = &mut self.verdict;
        verdict.lines = book.lines.len();
        (verdict.final_cash, verdict.fees) = (head.cash, head.fees);
        if let Some(last) = book.lines.last() {
            let (marks, nav) = value(&head, self.prices, last.at);
            for symbol in head.held.keys().filter(|symbol| !marks.contains_key(*symbol)) {
                let mut finding =
                    Finding::new(last.number, FindingKind::NoMark, "held without a price");
                finding.symbol = Some(symbol.clone());
                verdict.findings.push(finding);
            }
            (verdict.marks, verdict.final_nav) = (marks, nav);
        }
        verdict.holdings = head.held;
        verdict.finish();
    }
}

/// What the holdings of a book are valued at, and what it is worth; `None` where a price is missing, or
/// no money holds the sum.
pub(crate) fn value(
    ledger: &Ledger,
    prices: &Prices,
    at: Stamp,
) -> (BTreeMap<Symbol, Mark>, Option<Money>) {
    let found = ledger.held.keys().filter_map(|symbol| {
        let (at, bar) = prices.last(symbol, at)?;
        Some((symbol.clone(), Mark { price: bar.mark(), at }))
    });
    let marks: BTreeMap<_, _> = found.collect();
    let worth = |(symbol, qty): (&Symbol, &Qty)| notional(marks.get(symbol)?.price, *qty).ok();
    let nav = ledger.held.iter().try_fold(ledger.cash, |sum, entry| sum.plus(worth(entry)?).ok());
    (marks, nav)
}
