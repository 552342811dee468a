//! How good a policy is on bars that it was not trained on: account equity, never sums of reward.
//!
//! The test rows are cut into windows, each an account of its own, all played side by side, so that
//! the network sees them in one batch. A network takes its likeliest action. What is open at the end
//! of a window is closed at its last close, with costs.
//!
//! # Fitness
//!
//! `0.5·S + 0.2·P + 0.3·C − 0.5·D`, between −1.5 and 1:
//! - S: annualised Sharpe ratio over 2, within ±1; zero where it is undefined;
//! - P: (profit factor − 1) ÷ (profit factor + 1), which is (gains − losses) ÷ (gains + losses);
//! - C: windows in profit less windows in loss, over all windows;
//! - D: the deepest fall of any window from its peak, 0 to 1.
//!
//! Who does nothing has exactly zero.

mod decide;
mod report;
mod table;
#[cfg(test)]
mod tests;

use conclave_domain::fixed::{FixedError, Money};
use conclave_domain::policy::action::{Action, Intent, intent};
use conclave_domain::signal::Direction;

pub use decide::{Decide, Greedy, Rule, Scripted};
pub use report::Report;
pub use table::{Benchmark, benchmarks};

use crate::env::trade::{Account, Key, Moved, Span, Terms, View, drawdown};

/// Windows are not shorter than this many steps, as far as the rows allow.
const SHORTEST: usize = 20;

/// Cuts spans into about `count` windows of equal length; what is left over of a span at its beginning
/// is not played.
pub fn windows(spans: &[Span], count: usize) -> Vec<Span> {
    let all: usize = spans.iter().map(Span::steps).sum();
    let steps = (all / count.max(1)).max(SHORTEST);
    let mut windows = Vec::with_capacity(count);
    for span in spans {
        let fitting = span.steps() / steps;
        // A span that is shorter than a window is one.
        let (parts, steps) = if fitting == 0 { (1, span.steps()) } else { (fitting, steps) };
        for part in (0..parts).rev() {
            let end = span.rows.end - part * steps;
            let rows = end - steps - 1..end;
            windows.push(Span { instrument: span.instrument, rows });
        }
    }
    windows.retain(|window| window.steps() > 0);
    windows
}

/// What is played, and on which terms.
#[derive(Clone, Copy, Debug)]
pub struct Trial<'a> {
    /// What the policy sees.
    pub view: &'a View,
    /// The windows.
    pub windows: &'a [Span],
    /// Cash, costs, shorts.
    pub terms: &'a Terms,
}

/// What was seen while the windows were played.
#[derive(Clone, Debug, Default)]
struct Seen {
    steps: u64,
    actions: [u64; ACTIONS],
    entries: u64,
    calls: u64,
    right: u64,
    trades: Vec<f64>,
    drawdown: f64,
}

/// Actions of the largest set.
const ACTIONS: usize = 8;

/// One window while it is played.
struct Playing {
    account: Account,
    at: usize,
    end: usize,
    instrument: usize,
    /// Change of equity at each step.
    returns: Vec<f64>,
}

impl Trial<'_> {
    /// Plays all windows by somebody's decisions.
    ///
    /// # Errors
    /// Where a figure leaves the range of fixed point.
    pub fn run(&self, decide: &mut dyn Decide) -> Result<Report, FixedError> {
        let begin = |window: &Span| Playing {
            account: Account::new(self.terms.cash),
            at: window.rows.start,
            end: window.rows.end - 1,
            instrument: window.instrument,
            returns: Vec::with_capacity(window.steps()),
        };
        let mut playing: Vec<Playing> = self.windows.iter().map(begin).collect();
        let longest = self.windows.iter().map(Span::steps).max().unwrap_or(0);
        let mut seen = Seen::default();
        let mut keys = Vec::with_capacity(playing.len());
        let mut actions = vec![Action::Hold; playing.len()];
        for _ in 0..longest {
            keys.clear();
            let open = playing.iter().filter(|window| window.is_open());
            keys.extend(open.map(Playing::key));
            decide.decide(self.view, &keys, &mut actions[..keys.len()]);
            let open = playing.iter_mut().filter(|window| window.is_open());
            for (window, &action) in open.zip(&actions) {
                self.step(window, action, decide.percent(), &mut seen)?;
            }
        }
        let returns: Vec<&[f64]> = playing.iter().map(|window| &*window.returns).collect();
        Ok(Report::of(&seen, &returns, self.terms.cash.to_f64(), self.view.data.bars_per_year()))
    }

    /// Plays one bar of one window.
    fn step(
        &self,
        window: &mut Playing,
        action: Action,
        percent: Option<u8>,
        seen: &mut Seen,
    ) -> Result<(), FixedError> {
        let data = &self.view.data;
        let class = data.instruments()[window.instrument].class;
        let prices = self.view.next_prices(window.at);
        let account = &mut window.account;
        let broker = &self.terms.broker;
        let wanted = sized(intent(action, account.held(), self.terms.may_short), percent);
        let mut moved = account.step(wanted, prices, class, broker)?;
        let entered = moved.opened.is_some();
        seen.closed(&moved);
        let former = data.closes[window.at];
        window.at += 1;
        if window.at == window.end {
            let mut end = Moved { before: moved.before, ..Moved::default() };
            account.leave(prices.close, class, broker, &mut end)?;
            seen.closed(&end);
            moved.after = account.equity()?;
        }
        seen.steps += 1;
        seen.entries += u64::from(entered);
        seen.actions[place(action)] += 1;
        if let Some(direction) = action.direction()
            && former != prices.close
        {
            let rose = former < prices.close;
            seen.calls += 1;
            seen.right += u64::from(rose == (direction == Direction::Long));
        }
        seen.drawdown = seen.drawdown.max(drawdown(account));
        window.returns.push(change(moved.before, moved.after));
        Ok(())
    }
}

impl Playing {
    /// Whether there is a bar left, and something to play it with.
    fn is_open(&self) -> bool {
        self.at < self.end && self.account.equity().is_ok_and(|equity| equity.raw() > 0)
    }

    fn key(&self) -> Key {
        let row = u32::try_from(self.at).unwrap_or(u32::MAX);
        Key { row, account: self.account.view().columns() }
    }
}

impl Seen {
    fn closed(&mut self, moved: &Moved) {
        self.trades.extend(moved.closed.map(|closed| closed.profit.to_f64()));
    }
}

/// An entry of another share of equity than the action says.
fn sized(wanted: Intent, percent: Option<u8>) -> Intent {
    match (wanted, percent) {
        (Intent::Enter { direction, .. }, Some(percent)) => Intent::Enter { direction, percent },
        _ => wanted,
    }
}

/// The place of an action among all.
fn place(action: Action) -> usize {
    let all = conclave_domain::policy::action::ActionSet::Eight.actions();
    all.iter().position(|&one| one == action).unwrap_or(0)
}

/// A fraction; an account without anything cannot change.
fn change(before: Money, after: Money) -> f64 {
    if before.raw() > 0 { after.to_f64() / before.to_f64() - 1.0 } else { 0.0 }
}
