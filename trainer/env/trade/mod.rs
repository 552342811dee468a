//! The trading environment: many accounts over one table of rows, stepped together.
//!
//! An episode is a random window of 256 to 512 bars of one symbol. Its end is a truncation, because
//! the market goes on; only ruin is an end without a future. What is observed is a row of the table
//! and four columns of the account, rebuilt from a small key whenever it is needed.
//!
//! # Invariants
//!
//! - P-1: equity at every bar is, to the last unit, what the trading ledger says of the same actions.

mod accounts;
mod data;
mod saved;
mod tally;
#[cfg(test)]
mod tests;

use std::ops::RangeInclusive;
use std::sync::Arc;

use conclave_domain::policy::action::{ActionSet, Intent, decode, intent};
use conclave_domain::policy::normalisation::{Normalisation, NormalisationError};
use conclave_domain::policy::observation::{ACCOUNT, COLUMNS, MARKET};
use conclave_domain::policy::reward::{RewardWeights, SharpeState, StepOutcome, parts};
use conclave_domain::signal::Direction;

pub use accounts::Terms;
pub(crate) use accounts::{Account, Closed, Moved, Prices};
pub use data::{Cut, DataError, EMBARGO, Instrument, LearnedFrom, MarketData, Span};
pub use tally::PartTally;

use crate::count::narrow;
use crate::rng::{Draws, Stream};
use crate::vec_env::{BadState, Steps, VecEnv};

/// Steps of an episode, where a stretch of rows is as long.
pub const EPISODE: RangeInclusive<usize> = 256..=512;

/// What an observation is rebuilt from.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Key {
    /// The row of the table.
    pub row: u32,
    /// The account columns, as they are before normalisation.
    pub account: [f32; ACCOUNT],
}

/// Everything but the market that a trading environment is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct TradeConfig {
    /// Number of environments.
    pub envs: usize,
    /// What the network's outputs mean.
    pub actions: ActionSet,
    /// Cash, costs, shorts.
    pub terms: Terms,
    /// What is paid for.
    pub weights: RewardWeights,
    /// Seed of the windows.
    pub seed: u64,
}

/// Why there is no environment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TradeError {
    /// Nothing to train on.
    #[error("there are no bars to train on after the warm-up and the embargo")]
    NoBars,
    /// No environment, or more than a batch may have.
    #[error("{0} environments, where 1 to 4096 are allowed")]
    Envs(usize),
    /// The rows cannot be normalised.
    #[error(transparent)]
    Normalisation(#[from] NormalisationError),
}

/// The normalised rows of a table, shared by training and validation.
#[derive(Clone, Debug)]
pub struct View {
    /// The table.
    pub data: Arc<MarketData>,
    pub(crate) normalisation: Normalisation,
    pub(crate) rows: Arc<Vec<[f32; MARKET]>>,
}

impl View {
    /// A table as a normalisation shows it.
    pub fn new(data: Arc<MarketData>, normalisation: Normalisation) -> Self {
        let rows = Arc::new(data.rows.iter().map(|row| normalisation.market(row)).collect());
        Self { data, normalisation, rows }
    }

    /// A table as a normalisation shows it that was fitted to some of its rows.
    ///
    /// # Errors
    /// Without rows, or where they are not finite.
    pub fn fitted(data: Arc<MarketData>, train: &[Span]) -> Result<Self, NormalisationError> {
        let rows = train.iter().flat_map(|span| &data.rows[span.rows.clone()]);
        let normalisation = Normalisation::fit(rows)?;
        Ok(Self::new(data, normalisation))
    }

    /// How columns are normalised.
    pub fn normalisation(&self) -> &Normalisation {
        &self.normalisation
    }

    /// The same without a column.
    #[must_use]
    pub fn without(&self, column: usize) -> Self {
        let mut normalisation = self.normalisation.clone();
        normalisation.drop_column(column);
        Self::new(Arc::clone(&self.data), normalisation)
    }

    /// Rebuilds observations from keys, row by row.
    pub(crate) fn observe(&self, keys: &[Key], out: &mut [f32]) {
        for (key, out) in keys.iter().zip(out.chunks_exact_mut(COLUMNS)) {
            let (market, account) = out.split_at_mut(MARKET);
            market.copy_from_slice(&self.rows[key.row as usize]);
            account.copy_from_slice(&self.normalisation.account(&key.account));
        }
    }

    /// The prices of the bar that a step from this row plays.
    pub(crate) fn next_prices(&self, row: usize) -> Prices {
        Prices { open: self.data.opens[row + 1], close: self.data.closes[row + 1] }
    }
}

/// Trading environments side by side.
#[derive(Clone, Debug)]
pub struct TradeEnv {
    view: View,
    spans: Vec<Span>,
    /// Rows that an episode can begin at, summed over the spans before each and with it.
    starts: Vec<u64>,
    actions: ActionSet,
    terms: Terms,
    weights: RewardWeights,
    draws: Draws,
    accounts: Vec<Account>,
    sharpe: Vec<SharpeState>,
    row: Vec<u32>,
    end: Vec<u32>,
    instrument: Vec<u32>,
    episode: Vec<u64>,
    /// Directions that the episode has entered: 1 long, 2 short.
    entered: Vec<u8>,
    tally: PartTally,
}

impl TradeEnv {
    /// Environments over some spans of a view, each at the beginning of its first episode.
    ///
    /// # Errors
    /// See [`TradeError`].
    pub fn new(view: View, spans: Vec<Span>, config: &TradeConfig) -> Result<Self, TradeError> {
        let envs = config.envs;
        if !(1..=4_096).contains(&envs) {
            return Err(TradeError::Envs(envs));
        }
        let spans: Vec<Span> = spans.into_iter().filter(|span| span.steps() > 0).collect();
        let mut sum = 0;
        let add = |span: &Span| {
            sum += span.steps() as u64;
            sum
        };
        let starts: Vec<u64> = spans.iter().map(add).collect();
        if starts.is_empty() {
            return Err(TradeError::NoBars);
        }
        let mut env = Self {
            view,
            spans,
            starts,
            actions: config.actions,
            terms: config.terms.clone(),
            weights: config.weights,
            draws: Draws::new(config.seed),
            accounts: vec![Account::new(config.terms.cash); envs],
            sharpe: vec![SharpeState::default(); envs],
            row: vec![0; envs],
            end: vec![0; envs],
            instrument: vec![0; envs],
            episode: vec![0; envs],
            entered: vec![0; envs],
            tally: PartTally::default(),
        };
        (0..envs).for_each(|at| env.begin(at));
        Ok(env)
    }

    /// What the environments see.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// Shows another view of the same table from now on.
    pub fn show(&mut self, view: View) {
        self.view = view;
    }

    /// The rows that are trained on.
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// What is paid for.
    pub fn weights(&self) -> RewardWeights {
        self.weights
    }

    /// Pays by other weights from the next step on.
    pub fn pay_by(&mut self, weights: RewardWeights) {
        self.weights = weights;
    }

    /// The parts of the reward since the last call.
    pub fn take_tally(&mut self) -> PartTally {
        std::mem::take(&mut self.tally)
    }

    /// Begins a new episode at a random window.
    fn begin(&mut self, at: usize) {
        let lane = u32::try_from(at).unwrap_or(u32::MAX);
        let [high, low, steps, _] = self.draws.block(Stream::Environment, self.episode[at], lane);
        self.episode[at] += 1;
        let all = self.starts.last().copied().unwrap_or(1);
        // The upper half of a product is uniform below the factor; 64 bits, because tables are long.
        let drawn = (u128::from(high) << 32) | u128::from(low);
        let wide = (drawn * u128::from(all)) >> 64;
        let start = u64::try_from(wide).unwrap_or(0);
        let which = self.starts.partition_point(|&sum| sum <= start);
        let span = &self.spans[which];
        let before = which.checked_sub(1).map_or(0, |before| self.starts[before]);
        let range = EPISODE.end() - EPISODE.start() + 1;
        let steps = (EPISODE.start() + steps as usize % range).min(span.steps());
        let offset = usize::try_from(start - before).unwrap_or(0).min(span.steps() - steps);
        let first = span.rows.start + offset;
        let place = |row: usize| u32::try_from(row).unwrap_or(u32::MAX);
        (self.row[at], self.end[at]) = (place(first), place(first + steps));
        self.instrument[at] = place(span.instrument);
        self.accounts[at] = Account::new(self.terms.cash);
        self.sharpe[at] = SharpeState::default();
        self.entered[at] = 0;
    }

    /// Plays one bar in one environment and says what it paid; what cannot be computed pays NaN, which
    /// the trainer's guard finds.
    fn play(&mut self, at: usize, index: u8) -> f64 {
        let row = self.row[at] as usize;
        let class = self.view.data.instruments()[self.instrument[at] as usize].class;
        let prices = self.view.next_prices(row);
        let account = &mut self.accounts[at];
        let wanted = decode(self.actions, usize::from(index))
            .map_or(Intent::Keep, |action| intent(action, account.held(), self.terms.may_short));
        let fall = drawdown(account);
        let moved = account.step(wanted, prices, class, &self.terms.broker);
        self.row[at] += 1;
        let Ok(moved) = moved else { return f64::NAN };
        let is_first = moved.opened.is_some_and(|direction| {
            let seen = if direction == Direction::Long { 1 } else { 2 };
            let is_first = self.entered[at] & seen == 0;
            self.entered[at] |= seen;
            is_first
        });
        let step = StepOutcome {
            drawdown_change: drawdown(&self.accounts[at]) - fall,
            is_first_entry: is_first,
            vol: f64::from(self.view.data.vols[row]),
            ..outcome(&moved, &self.accounts[at], prices, self.view.data.closes[row].to_f64())
        };
        let paid = parts(&step, &mut self.sharpe[at]);
        let reward = self.weights.reward(&paid);
        self.tally.take(self.weights.get(), &paid, reward);
        reward
    }

    fn key(&self, at: usize) -> Key {
        Key { row: self.row[at], account: self.accounts[at].view().columns() }
    }
}

/// Fall of an account from its peak, 0 to 1.
pub(crate) fn drawdown(account: &Account) -> f64 {
    f64::from(account.view().columns()[ACCOUNT - 1])
}

/// What a step was, as far as one account and the prices tell.
fn outcome(moved: &Moved, account: &Account, prices: Prices, former_close: f64) -> StepOutcome {
    let before = moved.before.to_f64();
    let has_traded = moved.opened.is_some() || moved.closed.is_some();
    // What was bought at the open has no part in the way there.
    let from = if has_traded { prices.open.to_f64() } else { former_close };
    let closed = |closed: Closed| (closed.profit.to_f64() / closed.cost.to_f64(), closed.bars);
    StepOutcome {
        equity_return: moved.after.to_f64() / before - 1.0,
        price_return: prices.close.to_f64() / from - 1.0,
        exposure: account.value.to_f64() / before,
        cost: moved.paid.to_f64() / before,
        closed: moved.closed.map(closed),
        ..StepOutcome::default()
    }
}

impl VecEnv for TradeEnv {
    type Key = Key;

    fn envs(&self) -> usize {
        self.row.len()
    }

    fn observation_len(&self) -> usize {
        COLUMNS
    }

    fn actions(&self) -> usize {
        self.actions.count()
    }

    fn keys(&self, out: &mut [Key]) {
        for (at, key) in out.iter_mut().enumerate() {
            *key = self.key(at);
        }
    }

    fn observe(&self, keys: &[Key], out: &mut [f32]) {
        self.view.observe(keys, out);
    }

    fn step(&mut self, actions: &[u8], out: &mut Steps<Key>) {
        for (at, &action) in actions.iter().enumerate() {
            let reward = self.play(at, action);
            out.rewards[at] = narrow(reward);
            // An account that could not be computed ends too: nothing sensible follows.
            let is_ruined = self.accounts[at].equity().map_or(true, |equity| equity.raw() <= 0);
            out.terminated[at] = is_ruined || reward.is_nan();
            out.truncated[at] = !out.terminated[at] && self.row[at] == self.end[at];
            if out.terminated[at] || out.truncated[at] {
                out.last[at] = self.key(at);
                self.begin(at);
            }
        }
    }

    fn save(&self) -> Vec<u8> {
        self.to_bytes()
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), BadState> {
        self.take_bytes(bytes)
    }
}
