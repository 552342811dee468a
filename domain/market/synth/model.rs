//! Where returns come from: random streams, the regime chain and GARCH factors.

use jiff::civil::Date;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal, StandardUniform};

use super::{RegimeSet, SynthConfig, SynthError, TrueRegime};
use crate::market::bar::Timeframe;
use crate::market::calendar::Calendar;

/// Random numbers of one purpose; streams of one seed never overlap.
#[derive(Clone, Debug)]
pub(super) struct Dice(ChaCha8Rng);

/// What a stream of random numbers is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    Regimes,
    Market,
    Sector(usize),
    Share(usize),
    Coin(usize),
    News(usize),
    Faults(usize),
    Labelled(usize),
    Statements(usize),
}

impl Dice {
    pub(super) fn new(seed: u64, purpose: Purpose) -> Self {
        let (kind, index) = match purpose {
            Purpose::Regimes => (0, 0),
            Purpose::Market => (1, 0),
            Purpose::Sector(index) => (2, index),
            Purpose::Share(index) => (3, index),
            Purpose::Coin(index) => (4, index),
            Purpose::News(index) => (5, index),
            Purpose::Faults(index) => (6, index),
            Purpose::Labelled(index) => (7, index),
            Purpose::Statements(index) => (8, index),
        };
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream((kind << 32) | index as u64);
        Self(rng)
    }

    /// Mean 0, standard deviation 1.
    pub(super) fn normal(&mut self) -> f64 {
        StandardNormal.sample(&mut self.0)
    }

    /// From 0 up to, not including, 1.
    pub(super) fn uniform(&mut self) -> f64 {
        StandardUniform.sample(&mut self.0)
    }

    /// Evenly between two numbers.
    pub(super) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// True with a probability.
    pub(super) fn hits(&mut self, probability: f64) -> bool {
        self.uniform() < probability
    }

    /// A whole number below `end`, which must not be zero.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "small numbers, drawn from zero up to the end"
    )]
    pub(super) fn below(&mut self, end: usize) -> usize {
        ((self.uniform() * end as f64) as usize).min(end.saturating_sub(1))
    }
}

/// Squared shocks with memory: GARCH(1,1) with a mean variance of one (Bollerslev 1986).
#[derive(Clone, Debug)]
pub(super) struct Garch {
    variance: f64,
}

impl Garch {
    const ALPHA: f64 = 0.08;
    const BETA: f64 = 0.90;

    pub(super) const fn new() -> Self {
        Self { variance: 1.0 }
    }

    /// The next shock: mean 0, standard deviation 1 on the long run.
    pub(super) fn shock(&mut self, normal: f64) -> f64 {
        let shock = self.variance.sqrt() * normal;
        let weight = 1.0 - Self::ALPHA - Self::BETA;
        self.variance = weight + Self::ALPHA * shock * shock + Self::BETA * self.variance;
        shock
    }
}

/// Annual drift of the log price and factor on volatility.
pub(super) const fn terms(regime: TrueRegime) -> (f64, f64) {
    match regime {
        TrueRegime::Bull => (0.16, 0.8),
        TrueRegime::Bear => (-0.22, 1.4),
        TrueRegime::Sideways => (0.02, 0.9),
        TrueRegime::Crash => (-4.0, 2.2),
    }
}

/// The regime of each session: a Markov chain that starts in a bull market.
pub(super) fn regime_chain(config: &SynthConfig, seed: u64, days: usize) -> Vec<TrueRegime> {
    use TrueRegime::{Bear, Bull, Crash, Sideways};
    let mut dice = Dice::new(seed, Purpose::Regimes);
    let mut now = Bull;
    let mut chain = Vec::with_capacity(days);
    for _ in 0..days {
        chain.push(now);
        let roll = dice.uniform();
        // Chances per day to leave for each other regime; what is left is to stay.
        let ways: &[(TrueRegime, f64)] = match (config.regimes, now) {
            (RegimeSet::Quiet, Bull) => &[(Sideways, 0.010)],
            (RegimeSet::Quiet, _) => &[(Bull, 0.015)],
            (RegimeSet::All, Bull) => &[(Sideways, 0.006), (Bear, 0.002), (Crash, 0.001)],
            (RegimeSet::All, Bear) => &[(Sideways, 0.008), (Bull, 0.006), (Crash, 0.003)],
            (RegimeSet::All, Sideways) => &[(Bull, 0.010), (Bear, 0.005), (Crash, 0.001)],
            (RegimeSet::All, Crash) => &[(Bear, 0.07), (Sideways, 0.03)],
        };
        let mut below = 0.0;
        let found = ways.iter().find(|(_, chance)| {
            below += chance;
            roll < below
        });
        now = found.map_or(now, |(regime, _)| *regime);
    }
    chain
}

/// Bars of a session of New York, the short ones counted as whole.
pub(super) fn bars_per_session(timeframe: Timeframe) -> usize {
    let minutes = usize::try_from(timeframe.length().as_secs() / 60).unwrap_or(usize::MAX);
    390_usize.div_ceil(minutes)
}

/// The sessions that hold the bars asked for.
///
/// # Errors
/// When the calendar ends before them.
pub(super) fn session_days(config: &SynthConfig) -> Result<Vec<Date>, SynthError> {
    let calendar = Calendar::Xnys;
    let step = config.timeframe.length();
    let mut days = Vec::new();
    let mut found = 0;
    let first = if calendar.is_session(config.start) {
        Some(config.start)
    } else {
        calendar.next_session(config.start)
    };
    let mut day = first;
    while found < config.bars {
        let today = day.ok_or(SynthError::Calendar { start: config.start, found })?;
        let whole = bars_per_session(config.timeframe);
        found += if calendar.is_early_close(today) && config.timeframe < Timeframe::Day {
            usize::try_from(12_600_u64.div_ceil(step.as_secs())).unwrap_or(whole)
        } else {
            whole
        };
        days.push(today);
        day = calendar.next_session(today);
    }
    Ok(days)
}
