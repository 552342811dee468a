//! The market that environments share: one read-only table of rows, made once by the shared feature
//! engine. A row is a bar at whose close a policy can be asked.

use std::ops::Range;

use conclave_domain::features::FeatureEngine;
use conclave_domain::fixed::{Price, Volume};
use conclave_domain::market::bar::Timeframe;
use conclave_domain::market::series::{Series, series_hash};
use conclave_domain::market::symbol::{AssetClass, Symbol};
use conclave_domain::policy::observation::{self, MARKET, VOL_20, WARM_UP};
use conclave_domain::ratio::Ratio;
use conclave_domain::time::Time;
use serde::{Deserialize, Serialize};

use crate::count::length;

/// Rows that are left out between the bars that are trained on and those that are tested on: as many
/// as a column looks back, so that no window reaches from one part into the other.
pub const EMBARGO: usize = WARM_UP;
/// Most rows of one table, so that a row's number and an episode's end fit a `u32`.
const ROWS_MAX: usize = 1 << 26;

/// What the rows of a stretch belong to.
#[derive(Clone, Debug, PartialEq)]
pub struct Instrument {
    /// The symbol.
    pub symbol: Symbol,
    /// What kind of thing it is.
    pub class: AssetClass,
    /// The length of its bars.
    pub timeframe: Timeframe,
}

/// Rows of one instrument that follow one another without a gap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Which instrument, by its place.
    pub instrument: usize,
    /// The rows.
    pub rows: Range<usize>,
}

impl Span {
    /// Steps from row to row.
    pub fn steps(&self) -> usize {
        self.rows.len().saturating_sub(1)
    }
}

/// Bars of one or several symbols as rows; the symbols' bars must be adjusted for splits.
#[derive(Clone, Debug, PartialEq)]
pub struct MarketData {
    pub(crate) rows: Vec<[f32; MARKET]>,
    pub(crate) opens: Vec<Price>,
    pub(crate) closes: Vec<Price>,
    /// Volatility of one bar, fraction, above zero.
    pub(crate) vols: Vec<f32>,
    times: Vec<Time>,
    instruments: Vec<Instrument>,
    spans: Vec<Span>,
    hash: String,
    bars: usize,
    silent: usize,
}

/// The market that a run has learned from; it goes with its checkpoints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LearnedFrom {
    /// The symbols, sorted.
    pub symbols: Vec<Symbol>,
    /// The length of the bars.
    pub timeframe: Timeframe,
    /// When the last bar closed that it was trained or validated on.
    pub until: Time,
}

/// Series that nothing can be trained on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DataError {
    /// No series has enough bars.
    #[error("no series has {WARM_UP} bars and more in which prices move and something is traded")]
    Empty,
    /// Bars of different lengths cannot be annualised together.
    #[error("the series have bars of different lengths")]
    Timeframes,
    /// The table would be too large.
    #[error("more than {ROWS_MAX} bars")]
    TooMany,
}

impl MarketData {
    /// The table of some series, in symbol order.
    ///
    /// # Errors
    /// See [`DataError`].
    pub fn new(series: &[Series]) -> Result<Self, DataError> {
        let mut sorted: Vec<&Series> = series.iter().collect();
        sorted.sort_by(|a, b| a.symbol.cmp(&b.symbol));
        let timeframe = sorted.first().map(|one| one.timeframe);
        if sorted.iter().any(|one| Some(one.timeframe) != timeframe) {
            return Err(DataError::Timeframes);
        }
        let bars = sorted.iter().map(|one| one.bars.len()).sum();
        if bars > ROWS_MAX {
            return Err(DataError::TooMany);
        }
        let mut data = Self {
            rows: Vec::with_capacity(bars),
            opens: Vec::with_capacity(bars),
            closes: Vec::with_capacity(bars),
            vols: Vec::with_capacity(bars),
            times: Vec::with_capacity(bars),
            instruments: Vec::with_capacity(sorted.len()),
            spans: Vec::new(),
            hash: series_hash(series),
            bars,
            silent: 0,
        };
        for one in sorted {
            data.take(one);
        }
        if data.spans.is_empty() { Err(DataError::Empty) } else { Ok(data) }
    }

    /// Adds the rows of one series. A bar without an observation ends a span; nothing stands in for it.
    fn take(&mut self, series: &Series) {
        let per_year = series.timeframe.bars_per_year(series.class);
        let mut engine = FeatureEngine::new(&observation::needs(), per_year);
        let annual = crate::count::narrow(per_year.get().sqrt());
        let instrument = self.instruments.len();
        let mut from = self.rows.len();
        for bar in &series.bars {
            self.silent += usize::from(bar.volume == Volume::ZERO);
            if !engine.update(bar) {
                continue;
            }
            let Some(row) = observation::market(&engine) else {
                self.end(instrument, from);
                from = self.rows.len();
                continue;
            };
            self.rows.push(row);
            self.opens.push(bar.open);
            self.closes.push(bar.close);
            self.vols.push(row[VOL_20] / annual);
            self.times.push(bar.close_time);
        }
        self.end(instrument, from);
        let Series { symbol, class, timeframe, .. } = series;
        let (symbol, class, timeframe) = (symbol.clone(), *class, *timeframe);
        self.instruments.push(Instrument { symbol, class, timeframe });
    }

    /// Ends a span that began at a row; one row alone has no step.
    fn end(&mut self, instrument: usize, from: usize) {
        let rows = from..self.rows.len();
        if rows.len() > 1 {
            self.spans.push(Span { instrument, rows });
        }
    }

    /// BLAKE3 in hexadecimal over the series that it was made of.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// What whoever learns from all of it has learned from; `None` of no rows, which no table has.
    pub fn learned(&self) -> Option<LearnedFrom> {
        let timeframe = self.instruments.first()?.timeframe;
        let until = self.times.iter().copied().max()?;
        let symbols = self.instruments.iter().map(|one| one.symbol.clone()).collect();
        Some(LearnedFrom { symbols, timeframe, until })
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none, which no table has.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// What the rows belong to.
    pub fn instruments(&self) -> &[Instrument] {
        &self.instruments
    }

    /// All stretches of rows.
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// When the bar of each row closed.
    pub fn times(&self) -> &[Time] {
        &self.times
    }

    /// The market columns of a row as the feature engine made them.
    pub fn row(&self, row: usize) -> Option<&[f32; MARKET]> {
        self.rows.get(row)
    }

    /// The close of a row's bar.
    pub fn close(&self, row: usize) -> Option<Price> {
        self.closes.get(row).copied()
    }

    /// Conventional number of bars in a year; for coins beside shares, that of the first instrument.
    pub fn bars_per_year(&self) -> Ratio {
        let first = self.instruments.first();
        first.map_or(Ratio::ONE, |one| one.timeframe.bars_per_year(one.class))
    }

    /// Share of bars without volume.
    pub fn zero_volume_share(&self) -> Ratio {
        Ratio::within_unit(length(self.silent) / length(self.bars.max(1)))
    }

    /// The moment before which so large a share of all rows lies.
    fn moment(&self, share: Ratio) -> Time {
        let mut times = self.times.clone();
        times.sort_unstable();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a length"
        )]
        let at = (length(times.len()) * share.get()) as usize;
        times.get(at).or(times.last()).copied().unwrap_or_default()
    }

    /// The rows whose bars closed from one moment on and before another, but for the last `leave`
    /// before it of each stretch.
    fn between(&self, from: Option<Time>, to: Option<Time>, leave: usize) -> Vec<Span> {
        let part = |span: &Span| {
            let times = &self.times[span.rows.clone()];
            let place = |time: Option<Time>, none| {
                time.map_or(none, |time| times.partition_point(|&at| at < time))
            };
            let (first, end) = (place(from, 0), place(to, times.len()).saturating_sub(leave));
            let rows = span.rows.start + first..span.rows.start + end.max(first);
            Span { instrument: span.instrument, rows }
        };
        self.spans.iter().map(part).filter(|span| span.steps() > 0).collect()
    }

    /// Cuts the rows in time: all that is trained on lies before all that is tested on, with
    /// [`EMBARGO`] rows between the two. All symbols are cut at the same moment.
    pub fn cut(&self, test_share: Ratio) -> Cut {
        let cut = self.moment(Ratio::within_unit(1.0 - test_share.get()));
        Cut {
            train: self.between(None, Some(cut), EMBARGO),
            test: self.between(Some(cut), None, 0),
        }
    }

    /// Walk-forward folds: each trains on all that came before its test, and the tests follow one
    /// another. The first trains on as much as one test is long, at least.
    pub fn folds(&self, count: usize) -> Vec<Cut> {
        let parts = length(count + 1);
        let moment = |nth: usize| self.moment(Ratio::within_unit(length(nth) / parts));
        let fold = |nth: usize| {
            let (cut, end) = (moment(nth), (nth < count).then(|| moment(nth + 1)));
            let train = self.between(None, Some(cut), EMBARGO);
            Cut { train, test: self.between(Some(cut), end, 0) }
        };
        let folds = (1..=count).map(fold);
        folds.filter(|cut| !cut.train.is_empty() && !cut.test.is_empty()).collect()
    }
}

/// What is trained on and what is tested on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The earlier rows.
    pub train: Vec<Span>,
    /// The later rows.
    pub test: Vec<Span>,
}
