//! How symbols move together: the correlation of their log returns over the days that both have.
//!
//! A return goes from one common day to the next, so that a missing bar of one, or the weekends of a
//! coin, compare like with like. A pair with fewer than [`COMMON_MIN`] such returns has no correlation, and
//! counts as too close wherever that is asked.
//!
//! The matrix is kept as the rows below its diagonal. A new symbol, or a new bar of one, costs one row and
//! leaves to the bit what a matrix made anew would be.

use std::collections::BTreeMap;

use super::series::{Closes, MEDIUM};
use crate::market::symbol::Symbol;
use crate::ratio::Ratio;

/// The last closes that are compared.
pub const CLOSES_MAX: usize = MEDIUM + 1;
/// Fewer common returns than this say nothing.
pub const COMMON_MIN: usize = 60;

/// Closes of one symbol, ready to be compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    closes: Closes,
    returns: Vec<f64>,
    sum: f64,
    square: f64,
}

impl Column {
    /// The last [`CLOSES_MAX`] closes of a symbol.
    pub fn of(mut closes: Closes) -> Self {
        closes.keep_last(CLOSES_MAX);
        let returns = closes.returns();
        let (sum, square) = (returns.iter().sum(), dot(&returns, &returns));
        Self { closes, returns, sum, square }
    }
}

/// Sums of products in four lanes: the order is fixed, and a processor need not wait for each.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0_f64; 4];
    let (left, right) = (a.chunks_exact(4), b.chunks_exact(4));
    let rest: f64 = left.remainder().iter().zip(right.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in left.zip(right) {
        for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += a * b;
        }
    }
    lanes.iter().sum::<f64>() + rest
}

/// Sums over the common returns of two symbols.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    count: usize,
    a: f64,
    b: f64,
    aa: f64,
    bb: f64,
    ab: f64,
}

impl Sums {
    fn of(a: &Column, b: &Column) -> Self {
        if a.closes.keys() == b.closes.keys() {
            let (count, ab) = (a.returns.len(), dot(&a.returns, &b.returns));
            return Self { count, a: a.sum, b: b.sum, aa: a.square, bb: b.square, ab };
        }
        let mut sums = Self::default();
        let (mut left, mut right) = (0, 0);
        let mut former: Option<(f64, f64)> = None;
        while let (Some(one), Some(other)) = (a.closes.keys().get(left), b.closes.keys().get(right))
        {
            if one < other {
                left += 1;
                continue;
            }
            if other < one {
                right += 1;
                continue;
            }
            let now = (a.closes.logs()[left], b.closes.logs()[right]);
            if let Some(before) = former.replace(now) {
                sums.add(now.0 - before.0, now.1 - before.1);
            }
            left += 1;
            right += 1;
        }
        sums
    }

    fn add(&mut self, a: f64, b: f64) {
        self.count += 1;
        self.a += a;
        self.b += b;
        self.aa += a * a;
        self.bb += b * b;
        self.ab += a * b;
    }

    fn correlation(&self) -> Option<Ratio> {
        if self.count < COMMON_MIN {
            return None;
        }
        #[expect(clippy::cast_precision_loss, reason = "at most some hundred returns")]
        let count = self.count as f64;
        let joint = self.ab - self.a * self.b / count;
        let (own, other) = (self.aa - self.a * self.a / count, self.bb - self.b * self.b / count);
        // What is left of a price that stands still is rounding.
        let varies = own > 1e-12 * self.aa && other > 1e-12 * self.bb;
        let found = joint / (own * other).sqrt();
        let found = if found > 1.0 { 1.0 } else { found.max(-1.0) };
        Ratio::new(found).ok().filter(|_| varies)
    }
}

/// The correlation of two symbols; `None` where too few returns are common, or one never moved.
pub fn correlation(a: &Column, b: &Column) -> Option<Ratio> {
    Sums::of(a, b).correlation()
}

/// The correlations of one column with those before it: one row, so that a caller with several cores
/// can share them out.
pub fn row(columns: &[Column], at: usize) -> Vec<Option<Ratio>> {
    let Some(own) = columns.get(at) else { return Vec::new() };
    columns[..at].iter().map(|other| correlation(own, other)).collect()
}

/// Correlations of all pairs of some symbols.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Matrix {
    places: BTreeMap<Symbol, usize>,
    columns: Vec<Column>,
    rows: Vec<Vec<Option<Ratio>>>,
}

impl Matrix {
    /// The matrix of these symbols, row by row on this thread.
    pub fn of(members: impl IntoIterator<Item = (Symbol, Closes)>) -> Self {
        let mut matrix = Self::default();
        for (symbol, closes) in members {
            matrix.add(symbol, closes);
        }
        matrix
    }

    /// The matrix of columns whose rows were made elsewhere by [`row`]; a row of another length than its
    /// place asks for is made anew, and a symbol that is there twice counts once.
    pub fn from_rows(members: Vec<(Symbol, Column)>, rows: Vec<Vec<Option<Ratio>>>) -> Self {
        let (symbols, columns): (Vec<Symbol>, Vec<Column>) = members.into_iter().unzip();
        let mut rows = rows;
        rows.resize(columns.len(), Vec::new());
        for (at, cells) in rows.iter_mut().enumerate() {
            if cells.len() != at {
                *cells = row(&columns, at);
            }
        }
        let mut places = BTreeMap::new();
        for (at, symbol) in symbols.into_iter().enumerate() {
            places.entry(symbol).or_insert(at);
        }
        Self { places, columns, rows }
    }

    /// Adds a symbol, or replaces its closes: one row.
    pub fn add(&mut self, symbol: Symbol, closes: Closes) {
        let column = Column::of(closes);
        if let Some(&at) = self.places.get(&symbol) {
            self.columns[at] = column;
            self.refresh(at);
            return;
        }
        let at = self.columns.len();
        self.places.insert(symbol, at);
        self.columns.push(column);
        self.rows.push(row(&self.columns, at));
    }

    /// Adds a bar of a symbol: one row. `false` where there is no such symbol, or the bar is not after its
    /// last one.
    pub fn push(&mut self, symbol: &Symbol, key: i64, log_close: f64) -> bool {
        let Some(&at) = self.places.get(symbol) else { return false };
        let mut closes = self.columns[at].closes.clone();
        if !closes.push(key, log_close) {
            return false;
        }
        self.columns[at] = Column::of(closes);
        self.refresh(at);
        true
    }

    /// Makes the pairs of one column anew.
    fn refresh(&mut self, at: usize) {
        self.rows[at] = row(&self.columns, at);
        for below in at + 1..self.columns.len() {
            self.rows[below][at] = correlation(&self.columns[below], &self.columns[at]);
        }
    }

    /// How many symbols there are.
    pub fn len(&self) -> usize {
        self.columns.len()
    }

    /// Whether there is no symbol.
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// The correlation of two different symbols, in either order; `None` where it is not known.
    pub fn get(&self, a: &Symbol, b: &Symbol) -> Option<Ratio> {
        let (one, other) = (*self.places.get(a)?, *self.places.get(b)?);
        *self.rows.get(one.max(other))?.get(one.min(other))?
    }
}
