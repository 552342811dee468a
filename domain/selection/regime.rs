//! Whether regimes last: a hidden chain of two states, a calm one and a wild one.
//!
//! Hamilton's model (*Econometrica* 57, 1989) with a mean and a variance of its own for each state,
//! fitted by expectation and maximisation (Baum et al. 1970; Hamilton, *J. of Econometrics* 45, 1990). It
//! is fitted to each symbol, other than the filter in [`crate::regime`], whose chances of a change are
//! fixed and would be the same for every symbol.

use super::numbers::{Undefined, centred, check, mean_square};
use crate::metrics::numerics::float;

/// Fewer returns than this are not fitted.
pub const RETURNS_MIN: usize = 250;
/// Rounds of the fit.
const ROUNDS_MAX: usize = 500;
/// A round that gains less log likelihood than this per return is the last.
const SETTLED: f64 = 1e-6;
/// A likelihood ratio of two states against one that chance alone rarely reaches: of 60 walks one does. Its
/// distribution is in no table, since one state has no chance to stay.
const STATES_MIN: f64 = 14.0;
/// The least variance of a state, the whole's being one: days without a trade are no regime.
const VARIANCE_MIN: f64 = 1e-4;

/// A fitted chain. The calm state stands first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chain {
    /// The chance of each state to stay for a bar.
    pub stay: [f64; 2],
    /// The deviation of returns in each state.
    pub deviation: [f64; 2],
    /// The chance that whatever state holds stays for a bar, were there two: expected stays over all steps.
    pub stays: f64,
    /// Twice the log likelihood that two states have more than one.
    pub ratio: f64,
    /// Rounds that the fit took.
    pub rounds: usize,
    /// Whether the last of them gained next to nothing.
    pub is_settled: bool,
}

impl Chain {
    /// Whether two states explain the returns better than one, by more than chance.
    pub fn has_regimes(&self) -> bool {
        self.ratio > STATES_MIN
    }

    /// The chance that whatever regime holds stays for a bar; one half, what tossing a coin for each bar
    /// would come to, where there are none.
    pub fn persistence(&self) -> f64 {
        if self.has_regimes() { self.stays } else { 0.5 }
    }
}

/// Parameters of the chain, the whole's variance being one.
#[derive(Clone, Copy, Debug)]
struct Terms {
    begins: [f64; 2],
    stay: [f64; 2],
    mean: [f64; 2],
    variance: [f64; 2],
}

/// What one round expects.
#[derive(Clone, Copy, Debug, Default)]
struct Expected {
    begins: [f64; 2],
    /// Steps from a state to the same, and to the other.
    stays: [f64; 2],
    leaves: [f64; 2],
    /// How long each state held, and the sums of returns and of their squares then.
    weight: [f64; 2],
    sum: [f64; 2],
    square: [f64; 2],
    log_likelihood: f64,
}

/// Memory of a fit, so that its rounds allocate nothing.
struct Room {
    /// Densities, each less a common factor.
    density: Vec<[f64; 2]>,
    /// Filtered chances, and what they were divided by.
    forward: Vec<([f64; 2], f64)>,
}

/// Fits returns.
///
/// # Errors
/// With fewer than [`RETURNS_MIN`] returns, one that is not finite, none that varies, or when a round comes
/// to no number. A fit that gains a little more each round is no error: its chances lie between 0 and 1
/// whatever the round.
pub fn fit(returns: &[f64]) -> Result<Chain, Undefined> {
    check(returns, RETURNS_MIN)?;
    let mut values = centred(returns);
    let deviation = mean_square(&values).sqrt();
    for value in &mut values {
        *value /= deviation;
    }
    let mut terms =
        Terms { begins: [0.5, 0.5], stay: [0.98, 0.95], mean: [0.0, 0.0], variance: [0.4, 2.2] };
    let mut room = Room {
        density: vec![[0.0; 2]; values.len()],
        forward: vec![([0.0; 2], 1.0); values.len()],
    };
    let settled = SETTLED * float(values.len());
    let mut former = f64::NEG_INFINITY;
    for round in 1..=ROUNDS_MAX {
        let expected = expect(&values, &terms, &mut room);
        if !expected.log_likelihood.is_finite() {
            return Err(Undefined::NoConvergence { steps: round });
        }
        let is_settled = expected.log_likelihood - former < settled;
        if is_settled || round == ROUNDS_MAX {
            // One state of these values has a mean of nothing and a variance of one.
            let one_state = -0.5 * float(values.len());
            let ratio = 2.0 * (expected.log_likelihood - one_state);
            let chain = chain(&terms, &expected, deviation);
            return Ok(Chain { ratio, rounds: round, is_settled, ..chain });
        }
        former = expected.log_likelihood;
        terms = maximise(&terms, &expected);
    }
    Err(Undefined::NoConvergence { steps: ROUNDS_MAX })
}

fn chain(terms: &Terms, expected: &Expected, deviation: f64) -> Chain {
    let [calm, wild] = if terms.variance[0] <= terms.variance[1] { [0, 1] } else { [1, 0] };
    let stays: f64 = expected.stays.iter().sum();
    let steps = stays + expected.leaves.iter().sum::<f64>();
    Chain {
        stay: [terms.stay[calm], terms.stay[wild]],
        deviation: [calm, wild].map(|state| deviation * terms.variance[state].sqrt()),
        stays: stays / steps,
        ratio: 0.0,
        rounds: 0,
        is_settled: false,
    }
}

/// The smoothed chances of all states and steps, and the sums that the next parameters are made of.
fn expect(values: &[f64], terms: &Terms, room: &mut Room) -> Expected {
    let mut expected =
        Expected { log_likelihood: filter(values, terms, room), ..Expected::default() };
    let move_to = moves(terms);
    let mut backward = [1.0_f64; 2];
    for at in (0..values.len()).rev() {
        let ([one, other], _) = room.forward[at];
        let smoothed = [one * backward[0], other * backward[1]];
        let whole = smoothed[0] + smoothed[1];
        let (value, square) = (values[at], values[at] * values[at]);
        for (state, joint) in smoothed.into_iter().enumerate() {
            let weight = joint / whole;
            expected.weight[state] += weight;
            expected.sum[state] += weight * value;
            expected.square[state] += weight * square;
            if at == 0 {
                expected.begins[state] = weight;
            }
        }
        if at == 0 {
            break;
        }
        let (former, density, scale) =
            (room.forward[at - 1].0, room.density[at], room.forward[at].1);
        let ahead = [density[0] * backward[0] / scale, density[1] * backward[1] / scale];
        for from in 0..2 {
            let to = 1 - from;
            expected.stays[from] += former[from] * move_to[from][from] * ahead[from] / whole;
            expected.leaves[from] += former[from] * move_to[from][to] * ahead[to] / whole;
            backward[from] = move_to[from][0] * ahead[0] + move_to[from][1] * ahead[1];
        }
    }
    expected
}

/// Chances of going from the row's state to the column's.
fn moves(terms: &Terms) -> [[f64; 2]; 2] {
    [[terms.stay[0], 1.0 - terms.stay[0]], [1.0 - terms.stay[1], terms.stay[1]]]
}

/// Fills the room forwards and returns the log likelihood, less a constant.
fn filter(values: &[f64], terms: &Terms, room: &mut Room) -> f64 {
    let move_to = moves(terms);
    let inverse = terms.variance.map(|variance| -0.5 / variance);
    let height = terms.variance.map(|variance| variance.sqrt().recip());
    let mut chances = terms.begins;
    let mut log_likelihood = 0.0;
    for (at, &value) in values.iter().enumerate() {
        let power = |state: usize| (value - terms.mean[state]).powi(2) * inverse[state];
        let (one, other) = (power(0), power(1));
        // Far out both densities are zero for a float; their ratio is not.
        let largest = one.max(other);
        let density = [height[0] * (one - largest).exp(), height[1] * (other - largest).exp()];
        let joint = [chances[0] * density[0], chances[1] * density[1]];
        let scale = joint[0] + joint[1];
        log_likelihood += scale.ln() + largest;
        let now = [joint[0] / scale, joint[1] / scale];
        room.density[at] = density;
        room.forward[at] = (now, scale);
        chances = [
            now[0] * move_to[0][0] + now[1] * move_to[1][0],
            now[0] * move_to[0][1] + now[1] * move_to[1][1],
        ];
    }
    log_likelihood
}

/// The parameters that are likeliest by what is expected; a state that never held keeps its own.
fn maximise(terms: &Terms, expected: &Expected) -> Terms {
    let mut next = Terms { begins: expected.begins, ..*terms };
    for state in 0..2 {
        let (weight, steps) =
            (expected.weight[state], expected.stays[state] + expected.leaves[state]);
        if weight < 1.0 || steps < 1e-9 {
            continue;
        }
        let mean = expected.sum[state] / weight;
        next.mean[state] = mean;
        next.variance[state] = (expected.square[state] / weight - mean * mean).max(VARIANCE_MIN);
        next.stay[state] = inside(expected.stays[state] / steps);
    }
    next
}

/// A chance that is neither certain nor impossible, so that no round is stuck with it.
fn inside(chance: f64) -> f64 {
    let least = 1e-6;
    if chance < least { least } else { chance.min(1.0 - least) }
}
