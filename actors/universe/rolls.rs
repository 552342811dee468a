//! Who may be entered at this moment: members by book, and the bars that they are measured by.
//!
//! Shared by those who act, under a lock that is never held across an await: the broker tells how trades
//! went, the orchestrator asks about each entry, reviews and persons change it. A universe of a run that
//! has none admits every symbol.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use conclave_domain::brief::selection::Constraints;
use conclave_domain::clearance::{Cleared, Gate};
use conclave_domain::code::Code;
use conclave_domain::context::BookKind;
use conclave_domain::market::asset::Asset;
use conclave_domain::market::series::Series;
use conclave_domain::market::symbol::Symbol;
use conclave_domain::market::tape::Chunk;
use conclave_domain::ratio::Ratio;
use conclave_domain::selection::Scored;
use conclave_domain::selection::dynamic::{Change, MEASURED_APART, Members, Rules};
use conclave_domain::time::Time;
use serde::{Deserialize, Serialize};

/// The last bars of a symbol that are measured.
const KEPT: usize = 2_000;
/// Bars that are kept behind those, so that a ranking may be made again until the next one is due: as many
/// as may come in between, with some to spare.
const SPARE: usize = 2_000;

/// What a universe of a run begins with.
#[derive(Clone, Debug)]
pub struct Terms {
    /// When members change.
    pub rules: Rules,
    /// What a list must satisfy.
    pub constraints: Constraints,
    /// Every symbol of the run, with its bars so far.
    pub listed: Vec<(Asset, Series)>,
}

/// The members, as they are stored with the run. The bars are no part of it: they are what a pass over
/// the same data gives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredRolls {
    /// The members of each book.
    pub books: BTreeMap<BookKind, Members>,
    /// The place of the last review on the grid.
    pub place: Option<i64>,
    /// When symbols were last measured.
    pub measured_at: Option<Time>,
    /// Of when the ranking was that a book's members were last held against: each is once.
    pub asked: BTreeMap<BookKind, Time>,
    /// Changes so far.
    pub changes: u64,
}

/// See the module. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Rolls(Option<Arc<Mutex<State>>>);

#[derive(Debug)]
struct State {
    terms: Terms,
    stored: StoredRolls,
    /// The ranking at the last measurement; it is made again where a process goes on.
    scored: Option<Scored>,
}

/// What a review begins with.
#[derive(Debug)]
pub(super) struct Sheet {
    pub(super) rules: Rules,
    pub(super) scored: Ranking,
}

/// The ranking that a review goes by.
#[derive(Debug)]
pub(super) enum Ranking {
    /// Too few bars to measure anything, or the members were held against the last one already.
    None,
    /// The last one.
    Known(Box<Scored>),
    /// One that is still to be made, of these bars at this moment.
    Due(Vec<(Asset, Series)>, Constraints, Time),
}

impl Rolls {
    /// The universe of a run: as it was stored, or its baseline.
    pub fn new(mut terms: Terms, stored: Option<StoredRolls>) -> Self {
        // As the instruments of a tape are, by whose place a bar's symbol is known.
        terms.listed.sort_by(|(a, _), (b, _)| a.symbol.cmp(&b.symbol));
        let stored = stored.unwrap_or_else(|| {
            let assets: Vec<&Asset> = terms.listed.iter().map(|(asset, _)| asset).collect();
            let members = Members::baseline(&assets, &terms.rules, &terms.constraints);
            StoredRolls {
                books: BookKind::ALL.into_iter().map(|book| (book, members.clone())).collect(),
                place: None,
                measured_at: None,
                asked: BTreeMap::new(),
                changes: 0,
            }
        });
        Self(Some(Arc::new(Mutex::new(State { terms, stored, scored: None }))))
    }

    fn lock(&self) -> Option<MutexGuard<'_, State>> {
        let state = self.0.as_ref()?;
        Some(state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether a symbol may be entered in a book; every symbol where the run has no universe.
    pub fn admits(&self, book: BookKind, symbol: &Symbol) -> bool {
        self.lock().is_none_or(|state| {
            state.stored.books.get(&book).is_some_and(|members| members.holds(symbol))
        })
    }

    /// A round trip of a book has ended.
    pub fn closed(&self, book: BookKind, symbol: &Symbol, return_pct: Ratio) {
        if let Some(mut state) = self.lock()
            && let Some(members) = state.stored.books.get_mut(&book)
        {
            members.closed(symbol, return_pct);
        }
    }

    /// As it is stored; `None` where the run has no universe.
    pub fn stored(&self) -> Option<StoredRolls> {
        self.lock().map(|state| state.stored.clone())
    }

    /// When members change; `None` where the run has no universe.
    pub fn rules(&self) -> Option<Rules> {
        self.lock().map(|state| state.terms.rules.clone())
    }

    /// Closed bars have come. They are measured only once their time has come: a review says as of when.
    pub fn take(&self, chunk: &Chunk) {
        let Some(mut state) = self.lock() else { return };
        for tick in chunk.ticks() {
            if let Some((_, series)) = state.terms.listed.get_mut(usize::from(tick.instrument)) {
                series.bars.push(tick.bar);
            }
        }
        for (_, series) in &mut state.terms.listed {
            let kept = KEPT + SPARE + chunk.len();
            if series.bars.len() > kept + KEPT {
                series.bars.drain(..series.bars.len() - kept);
            }
        }
    }

    /// The slices of a chunk behind which a review is due.
    pub fn due(&self, chunk: &Chunk) -> Vec<usize> {
        let Some(state) = self.lock() else { return Vec::new() };
        let mut place = state.stored.place;
        let is_due = |slice: &usize| {
            let tick = chunk.slice(*slice).first();
            let now = tick.map(|tick| state.terms.rules.place(tick.bar.close_time));
            now.is_some() && std::mem::replace(&mut place, now) != now
        };
        (0..chunk.len()).filter(is_due).collect()
    }

    /// What it was made of, with the bars that are kept.
    #[cfg(test)]
    pub(super) fn terms(&self) -> Option<Terms> {
        self.lock().map(|state| state.terms.clone())
    }

    /// Begins a review of a book's members.
    pub(super) fn begin(&self, book: BookKind, at: Time) -> Option<Sheet> {
        let mut state = self.lock()?;
        state.stored.place = Some(state.terms.rules.place(at));
        let (rules, scored) = (state.terms.rules.clone(), state.ranking(book, at));
        Some(Sheet { rules, scored })
    }

    /// Remembers a ranking until symbols are measured again.
    pub(super) fn measured(&self, scored: &Scored) {
        if let Some(mut state) = self.lock() {
            state.stored.measured_at = Some(scored.as_of());
            state.scored = Some(scored.clone());
        }
    }

    /// The members of a book are held against the ranking of this moment.
    pub(super) fn asked(&self, book: BookKind, measured_at: Time) {
        if let Some(mut state) = self.lock() {
            state.stored.asked.insert(book, measured_at);
        }
    }

    /// The members of a book as they are now.
    pub(super) fn members(&self, book: BookKind) -> Members {
        let found = self.lock().and_then(|state| state.stored.books.get(&book).cloned());
        found.unwrap_or_default()
    }

    /// Has members leave, which waits for nobody. Who comes in takes a clearance: [`Rolls::admit`].
    pub(super) fn evict(&self, book: BookKind, change: Change) {
        let change = Change { admit: Vec::new(), ..change };
        if let Some(mut state) = self.lock() {
            state.apply(book, &change);
        }
    }

    /// Carries a change out that was cleared.
    ///
    /// # Errors
    /// The code of what stands in the way: the fence, or members that are not those any more that the
    /// change was made for.
    pub(crate) fn admit(
        &self,
        book: BookKind,
        cleared: Cleared<Change>,
        gate: Gate,
    ) -> Result<(), Code> {
        let mut state = self.lock().ok_or(Code::UniverseMoved)?;
        cleared.check(gate)?;
        let change = cleared.into_item();
        let fits = state.stored.books.get(&book).is_some_and(|members| change.fits(members));
        if !fits {
            return Err(Code::UniverseMoved);
        }
        state.apply(book, &change);
        Ok(())
    }
}

impl State {
    fn apply(&mut self, book: BookKind, change: &Change) {
        if change.is_none() {
            return;
        }
        if let Some(members) = self.stored.books.get_mut(&book) {
            members.apply(change, &self.terms.rules);
            self.stored.changes += 1;
        }
    }

    /// The ranking of a moment for a book: measured again once enough bars and enough time have gone by.
    fn ranking(&self, book: BookKind, at: Time) -> Ranking {
        let closed = |series: &Series, until: Time| {
            series.bars.partition_point(|bar| bar.close_time <= until)
        };
        let since = |before: Time| {
            let new = |series: &Series| closed(series, at) - closed(series, before.min(at));
            self.terms.listed.iter().map(|(_, series)| new(series)).max().unwrap_or(0)
        };
        let constraints = &self.terms.constraints;
        let least = usize::try_from(constraints.bars_min).unwrap_or(usize::MAX);
        let measured_at = match self.stored.measured_at {
            None => {
                let bars = self.terms.listed.iter().map(|(_, series)| closed(series, at));
                if bars.max().unwrap_or(0) < least {
                    return Ranking::None;
                }
                at
            }
            Some(before)
                if at.since(before) >= MEASURED_APART
                    && since(before) >= self.terms.rules.measured_bars =>
            {
                at
            }
            Some(before) if self.stored.asked.get(&book) == Some(&before) => return Ranking::None,
            Some(before) => before,
        };
        match &self.scored {
            Some(scored) if scored.as_of() == measured_at => {
                Ranking::Known(Box::new(scored.clone()))
            }
            _ => Ranking::Due(self.cut(measured_at), constraints.clone(), measured_at),
        }
    }

    /// The last bars of each symbol that were closed at a moment.
    fn cut(&self, at: Time) -> Vec<(Asset, Series)> {
        let cut = |(asset, series): &(Asset, Series)| {
            let end = series.bars.partition_point(|bar| bar.close_time <= at);
            let bars = series.bars[end.saturating_sub(KEPT)..end].to_vec();
            let Series { symbol, class, timeframe, .. } = series;
            let series =
                Series { symbol: symbol.clone(), class: *class, timeframe: *timeframe, bars };
            (asset.clone(), series)
        };
        self.terms.listed.iter().map(cut).collect()
    }
}
