//! Round trips held against themselves: sides, commissions, profits, and the bars that they were made in.
//!
//! A published round trip states prices that are rounded means, so its profit may differ a little from
//! what its prices give; strict takes a millionth of a unit, lenient two basis points of what was traded.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Fate, Finding, FindingKind, Ledger, Mark, Mode, Replayed, Step, StepTrade, Terms, Verdict,
};
use crate::arena::foreign::Stamp;
use crate::arena::foreign::merged::{Prices, Quote};
use crate::arena::foreign::positions::Act;
use crate::arena::foreign::trades::{Exit, RoundTrip, RoundTrips};
use crate::arena::market::{MarketKind, Refusal};
use crate::fixed::{Bp, FixedError, Money, Price, Qty, notional};
use crate::market::symbol::Symbol;
use crate::order::Side;
use crate::time::Time;

/// By how much figures may differ that are sums of others: a millionth of a unit.
const TOLERANCE: Money = Money::from_raw(100);
/// By how much a profit may differ from what its prices give, where that is forgiven.
const FORGIVEN: Bp = Bp::whole(2);
/// The leverages that are believed.
const LEVERAGES: std::ops::RangeInclusive<Qty> =
    Qty::from_raw(Qty::SCALE)..=Qty::from_raw(40 * Qty::SCALE);

/// Holds each model's round trips against themselves, and against prices where there are any. A book
/// begins with `start`, which no such file states.
pub fn round_trips(
    file: &RoundTrips,
    prices: Option<&Prices>,
    kind: MarketKind,
    terms: &Terms,
    start: Money,
) -> Vec<Replayed> {
    let mut models: BTreeMap<&str, Vec<&RoundTrip>> = BTreeMap::new();
    for trip in &file.trips {
        models.entry(&trip.model).or_default().push(trip);
    }
    let books = models.into_iter().map(|(model, mut trips)| {
        // The file begins with its newest; a book begins with its oldest.
        trips.sort_by_key(|trip| {
            (trip.exit.is_none(), trip.exit.as_ref().map(|it| it.at), trip.number)
        });
        let mut verdict = Verdict::new(kind, terms.mode, Bp::ZERO, start);
        verdict.model = Some(model.to_owned());
        verdict.note_skipped(None, &file.skipped);
        for (file, skipped) in prices.iter().flat_map(|prices| &prices.skipped) {
            verdict.note_skipped(Some(file), skipped);
        }
        let seen = BTreeSet::new();
        let ledger = Ledger { cash: start, ..Ledger::default() };
        let book = Book {
            prices,
            kind,
            mode: terms.mode,
            verdict,
            seen,
            ledger,
            events: Vec::new(),
            open: Vec::new(),
        };
        book.of(&trips)
    });
    books.collect()
}

/// A holding that begins or ends.
struct Event<'a> {
    at: Time,
    trip: &'a RoundTrip,
    /// Added to the holding.
    qty: Qty,
    price: Option<Price>,
    /// Net profit and commission, of an end.
    brings: Option<(Money, Money)>,
    fate: Fate,
    refusal: Option<Refusal>,
}

struct Book<'a> {
    prices: Option<&'a Prices>,
    kind: MarketKind,
    mode: Mode,
    verdict: Verdict,
    seen: BTreeSet<&'a str>,
    ledger: Ledger,
    events: Vec<Event<'a>>,
    /// The round trips that are still open and not orphaned.
    open: Vec<&'a RoundTrip>,
}

/// Figures that differ, with what they must be and what is stated.
type Wrong = Vec<(&'static str, String, String)>;

impl<'a> Book<'a> {
    fn of(mut self, trips: &[&'a RoundTrip]) -> Replayed {
        (self.verdict.lines, self.verdict.trades) = (trips.len(), trips.len());
        for trip in trips {
            let fate = self.judge(trip);
            match fate {
                Fate::Orphaned => self.verdict.orphaned += 1,
                Fate::Reconciled => self.verdict.reconciled += 1,
                Fate::Unreconciled | Fate::Quiet => self.verdict.unreconciled += 1,
            }
            let refusal = self.refusal(trip);
            if let Some(rule) = refusal {
                *self.verdict.refused.entry(rule).or_default() += 1;
                self.verdict.refused_booked += usize::from(!trip.qty.is_zero());
                self.note(trip, FindingKind::Refused, rule.code().cause()).rule = Some(rule);
            }
            if fate != Fate::Orphaned {
                self.events_of(trip, fate, refusal);
            }
        }
        self.play()
    }

    fn note(
        &mut self,
        trip: &RoundTrip,
        kind: FindingKind,
        text: impl Into<String>,
    ) -> &mut Finding {
        let mut finding = Finding::new(trip.number, kind, text);
        (finding.id, finding.symbol) = (Some(shortened(&trip.id)), Some(trip.symbol.clone()));
        let at = trip.exit.as_ref().map(|exit| exit.at).or(trip.entry.1);
        finding.at = at.map(|at| Stamp::moment(self.kind.civil(at)));
        let findings = &mut self.verdict.findings;
        findings.push(finding);
        let last = findings.len() - 1;
        &mut findings[last]
    }

    fn judge(&mut self, trip: &'a RoundTrip) -> Fate {
        let is_new = self.seen.insert(&trip.id);
        let (Some(price), Some(_), true) = (trip.entry.0, trip.entry.1, is_new) else {
            self.verdict.note_break(trip.number);
            let text = if is_new {
                "the entry has no price or no time"
            } else {
                "the id was there before"
            };
            self.note(trip, FindingKind::Orphaned, text);
            return Fate::Orphaned;
        };
        let wrong = match self.wrong(trip, price) {
            Ok(wrong) if wrong.is_empty() => return Fate::Reconciled,
            Ok(wrong) => wrong,
            Err(error) => vec![("profit", error.to_string(), String::new())],
        };
        self.verdict.note_break(trip.number);
        let finding =
            self.note(trip, FindingKind::Unreconciled, "the figures contradict each other");
        for (figure, expected, stated) in wrong {
            finding.expected.insert(figure.to_owned(), expected);
            finding.stated.insert(figure.to_owned(), stated);
        }
        Fate::Unreconciled
    }

    fn wrong(&self, trip: &RoundTrip, entry: Price) -> Result<Wrong, FixedError> {
        let mut wrong = Wrong::new();
        let side = |is_long: bool| if is_long { "long" } else { "short" };
        if !trip.qty.is_zero() && (trip.qty > Qty::ZERO) != trip.is_long {
            let (expected, stated) = (side(trip.qty > Qty::ZERO), side(trip.is_long));
            wrong.push(("side", expected.to_owned(), stated.to_owned()));
        }
        let Some(exit) = &trip.exit else { return Ok(wrong) };
        let Exit { commissions: [opening, closing], parts: [first, second], .. } = exit;
        let gross = notional(exit.price, trip.qty)?.minus(notional(entry, trip.qty)?)?;
        let forgiven = match self.mode {
            Mode::Strict => TOLERANCE,
            Mode::Lenient => FORGIVEN.fee_on(notional(entry, trip.qty)?)?.max(TOLERANCE),
        };
        for (figure, expected, stated, within) in [
            ("gross", gross, exit.gross, TOLERANCE),
            ("commission", opening.plus(*closing)?, exit.commission, TOLERANCE),
            ("net", first.plus(*second)?, exit.net, TOLERANCE),
            ("net of gross", gross.minus(exit.commission)?, exit.net, forgiven),
        ] {
            if expected.minus(stated)?.abs() > within {
                wrong.push((figure, expected.to_string(), stated.to_string()));
            }
        }
        Ok(wrong)
    }

    /// The first rule against a round trip.
    fn refusal(&self, trip: &RoundTrip) -> Option<Refusal> {
        if trip.qty.is_zero() {
            return Some(Refusal::Quantity);
        }
        if trip.leverage.is_some_and(|leverage| !LEVERAGES.contains(&leverage)) {
            return Some(Refusal::Leverage);
        }
        let entry = trip.entry.0.zip(trip.entry.1);
        let exit = trip.exit.as_ref().map(|exit| (exit.price, exit.at));
        let outside =
            |(price, at)| self.prices.and_then(|prices| self.outside(prices, trip, price, at));
        if let Some(rule) = entry.into_iter().chain(exit).find_map(outside) {
            return Some(rule);
        }
        let is_backwards = entry.zip(exit).is_some_and(|((_, from), (_, to))| to < from);
        is_backwards.then_some(Refusal::Time)
    }

    fn outside(
        &self,
        prices: &Prices,
        trip: &RoundTrip,
        price: Price,
        at: Time,
    ) -> Option<Refusal> {
        let at = Stamp::moment(self.kind.civil(at));
        let Some(bar) = listed(prices, &trip.symbol).and_then(|it| prices.around(&it, at)) else {
            return Some(Refusal::NoPrice);
        };
        let Quote { open, high, low, .. } = *bar;
        let is_within = low.unwrap_or(open) <= price && price <= high.unwrap_or(open);
        (!is_within).then_some(Refusal::Price)
    }

    fn events_of(&mut self, trip: &'a RoundTrip, fate: Fate, refusal: Option<Refusal>) {
        let Some(at) = trip.entry.1 else { return };
        let (qty, price) = (trip.qty, trip.entry.0);
        self.events.push(Event { at, trip, qty, price, brings: None, fate, refusal });
        let Some(exit) = &trip.exit else { return self.open.push(trip) };
        let brings = Some((exit.net, exit.commission));
        let (at, qty, price) = (exit.at.max(at), qty.negated(), Some(exit.price));
        self.events.push(Event { at, trip, qty, price, brings, fate, refusal });
    }

    /// The book, event by event in the order of time.
    fn play(mut self) -> Replayed {
        self.events.sort_by_key(|event| (event.at, event.trip.number, event.brings.is_some()));
        let mut steps = Vec::with_capacity(self.events.len());
        for event in std::mem::take(&mut self.events) {
            let (net, commission) = event.brings.unwrap_or_default();
            if self.ledger.add(&event.trip.symbol, event.qty, net, commission).is_err() {
                let text = "the book leaves the range of money or quantities";
                self.note(event.trip, FindingKind::BrokenLine, text);
                self.verdict.note_break(event.trip.number);
                self.verdict.broken_lines += 1;
            }
            let side = if event.qty < Qty::ZERO { Side::Sell } else { Side::Buy };
            let (symbol, qty) = (event.trip.symbol.clone(), event.qty.abs());
            steps.push(Step {
                line: event.trip.number,
                at: Stamp::moment(self.kind.civil(event.at)),
                trade: Some(StepTrade {
                    act: Act { side, symbol, qty, price: event.price },
                    price: event.price,
                    fee: commission,
                    booked: true,
                    refusal: event.refusal,
                }),
                fate: event.fate,
                ledger: self.ledger.clone(),
            });
        }
        self.finish(&steps);
        Replayed { verdict: self.verdict, steps }
    }

    fn finish(&mut self, steps: &[Step]) {
        (self.verdict.final_cash, self.verdict.fees) = (self.ledger.cash, self.ledger.fees);
        self.verdict.holdings.clone_from(&self.ledger.held);
        let mut nav = Some(self.ledger.cash);
        for trip in std::mem::take(&mut self.open) {
            let mark = steps.last().and_then(|last| self.mark(trip, last.at));
            let gain = mark.as_ref().and_then(|mark| gain(trip, mark.price));
            nav = nav.zip(gain).and_then(|(nav, gain)| nav.plus(gain).ok());
            match mark {
                Some(mark) => drop(self.verdict.marks.insert(trip.symbol.clone(), mark)),
                None => drop(self.note(trip, FindingKind::NoMark, "open without a price")),
            }
        }
        self.verdict.final_nav = nav;
        self.verdict.finish();
    }

    fn mark(&self, trip: &RoundTrip, at: Stamp) -> Option<Mark> {
        let prices = self.prices?;
        let (at, bar) = prices.last(&listed(prices, &trip.symbol)?, at)?;
        Some(Mark { price: bar.mark(), at })
    }
}

/// What an open position has gained since its entry, commissions left aside.
fn gain(trip: &RoundTrip, mark: Price) -> Option<Money> {
    let begun = notional(trip.entry.0?, trip.qty).ok()?;
    notional(mark, trip.qty).ok()?.minus(begun).ok()
}

/// The name under which the prices know a coin: its own, or its pair with a dollar.
fn listed(prices: &Prices, symbol: &Symbol) -> Option<Symbol> {
    let pairs = ["", "-USDT", "-USDC", "-USD"].iter();
    let names = pairs.filter_map(|quote| Symbol::new(&format!("{symbol}{quote}")).ok());
    names.into_iter().find(|name| prices.series(name).next().is_some())
}

/// The part of a writer's name that is shown.
fn shortened(id: &str) -> String {
    id.chars().take(80).collect()
}
