//! The whole market's way from bars to signals: one pipeline per instrument, and what a decision
//! needs to know of all of them at one moment.
//!
//! # Invariants
//!
//! - L-1: a signal carries the figures of its own slice; what later slices of the same chunk bring
//!   is not in it, however the work is batched.

use std::sync::Arc;

use crate::fixed::Price;
use crate::limits::GateRules;
use crate::market::bar::{Bar, Timeframe};
use crate::market::digest::{DigestBody, SessionDigest};
use crate::market::symbol::AssetClass;
use crate::market::tape::{Chunk, Instrument};
use crate::pipeline::SymbolPipeline;
use crate::policy::caller::{Look, PolicyCall};
use crate::policy::network::Policy;
use crate::ratio::Ratio;
use crate::regime::VixLike;
use crate::risk::DailyReturns;
use crate::signal::{Features, Regime, Signal};
use crate::strategy::{Source, SourceHealth, SourceRecord, StrategyError};
use crate::time::Time;

/// One symbol at the end of a slice.
#[derive(Clone, Debug, PartialEq)]
pub struct SymbolSnapshot {
    /// Average true range over 14 bars, fraction of the close.
    pub atr_pct: Option<Ratio>,
    /// Its daily returns.
    pub returns: Arc<DailyReturns>,
    /// When its last bar closed.
    pub last_close_time: Option<Time>,
}

/// All symbols at the end of a slice.
#[derive(Clone, Debug, PartialEq)]
pub struct MarketSnapshot {
    /// The slice's time.
    pub at: Time,
    /// Volatility level of the universe, annualised, percent.
    pub vix_level: Option<Ratio>,
    /// How well the source of the signals has called lately, over all symbols.
    pub source: SourceRecord,
    /// One entry per instrument, in the tape's order.
    pub symbols: Vec<SymbolSnapshot>,
}

/// A signal, where it was raised, and the market around it.
#[derive(Clone, Debug, PartialEq)]
pub struct Raised {
    /// The slice in its chunk.
    pub slice: usize,
    /// The tape's index of its symbol.
    pub instrument: u16,
    /// The bar that raised it.
    pub bar: Bar,
    /// The signal.
    pub signal: Signal,
    /// The market at the end of that slice.
    pub market: Arc<MarketSnapshot>,
    /// What a policy's call brings with it; `None` of a strategy.
    pub call: Option<PolicyCall>,
}

/// What is known of one symbol at the close of one of its bars.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pulse {
    /// The feature engine's figures.
    pub features: Features,
    /// The regime filter's probabilities.
    pub regime: Regime,
}

/// What came of a chunk.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// The signals, in the order of their bars.
    pub raised: Vec<Raised>,
    /// What a policy is to be asked about, in the order of the bars; empty where a strategy calls.
    pub looks: Vec<Look>,
    /// One pulse per tick of the chunk, in its order; empty for raw pipelines.
    pub pulses: Vec<Pulse>,
}

impl Seen {
    /// Takes the bars of `chunk` that raised nothing into their session's digest; returns the digests
    /// of the sessions that have ended. What a policy raises is not known here: all of its bars count.
    pub fn digest(&self, chunk: &Chunk, digest: &mut SessionDigest) -> Vec<DigestBody> {
        let mut ended = Vec::new();
        let mut raised = self.raised.iter().peekable();
        for slice in 0..chunk.len() {
            for tick in chunk.slice(slice) {
                ended.extend(digest.begin(&tick.bar));
                let is_candidate = raised
                    .next_if(|it| it.slice == slice && it.instrument == tick.instrument)
                    .is_some();
                if !is_candidate {
                    digest.take(tick.instrument, &tick.bar);
                }
            }
        }
        ended
    }
}

/// Pipelines of all instruments of a tape.
#[derive(Clone, Debug)]
pub struct MarketWatch {
    pipelines: Vec<SymbolPipeline>,
    closes: Vec<Option<(Price, Time)>>,
    vix: VixLike,
    health: SourceHealth,
    full: bool,
    policy: Option<Arc<Policy>>,
}

impl MarketWatch {
    /// A watch over the instruments of a tape; `full` is for councils, otherwise it is raw.
    ///
    /// # Errors
    /// When a parameter of the strategy is out of bounds.
    pub fn new(
        instruments: &[Instrument],
        timeframe: Timeframe,
        source: &(impl Into<Source> + Clone),
        full: bool,
    ) -> Result<Self, StrategyError> {
        let source: Source = source.clone().into();
        let strategy = source.config();
        let pipeline = |of: &Instrument| {
            SymbolPipeline::new(of.symbol.clone(), of.class, timeframe, &strategy, full)
        };
        let pipelines = instruments.iter().map(pipeline).collect::<Result<Vec<_>, _>>()?;
        let shares = instruments.iter().any(|of| of.class == AssetClass::Equity);
        let class = if shares { AssetClass::Equity } else { AssetClass::Crypto };
        let closes = vec![None; pipelines.len()];
        let health = SourceHealth::new(GateRules::default().health_calls);
        let (vix, policy) = (VixLike::new(class), source.policy().cloned());
        Ok(Self { pipelines, closes, vix, health, full, policy })
    }

    /// The same watch before its first bar, with the source judged as these rules say.
    #[must_use]
    pub fn judged_by(self, rules: &GateRules) -> Self {
        Self { health: SourceHealth::new(rules.health_calls), ..self }
    }

    /// Takes a chunk and says what the strategies make of it, slice by slice.
    pub fn on_chunk(&mut self, chunk: &Chunk) -> Seen {
        let mut seen = Seen::default();
        if self.full {
            seen.pulses.reserve(chunk.bars());
        }
        let mut signals = Vec::new();
        for slice in 0..chunk.len() {
            for tick in chunk.slice(slice) {
                let index = usize::from(tick.instrument);
                let Some(pipeline) = self.pipelines.get_mut(index) else { continue };
                if let Some(signal) = pipeline.on_bar(&tick.bar) {
                    signals.push((tick.instrument, tick.bar, signal));
                }
                if self.full {
                    if let Some(right) = pipeline.take_resolved() {
                        self.health.on_resolved(right);
                    }
                    let pulse = Pulse { features: pipeline.features(), regime: pipeline.regime() };
                    seen.pulses.push(pulse);
                    let former = self.closes[index].replace((tick.bar.close, tick.bar.close_time));
                    if let Some((former, _)) = former
                        && let Ok(change) =
                            Ratio::new(tick.bar.close.to_f64() / former.to_f64() - 1.0)
                    {
                        self.vix.observe(tick.bar.open_time, change);
                    }
                }
            }
            if signals.is_empty() && self.policy.is_none() {
                continue;
            }
            let at = chunk.slice(slice).first().map_or(Time::EPOCH, |tick| tick.bar.close_time);
            let market = Arc::new(self.snapshot(at));
            seen.raised.extend(signals.drain(..).map(|(instrument, bar, signal)| Raised {
                slice,
                instrument,
                bar,
                signal,
                market: Arc::clone(&market),
                call: None,
            }));
            seen.looks.extend(self.looks(chunk, slice, &market));
        }
        seen
    }

    /// What the policy is to be asked about at the end of a slice, if there is one: each bar that its
    /// pipeline has taken.
    fn looks(
        &self,
        chunk: &Chunk,
        slice: usize,
        market: &Arc<MarketSnapshot>,
    ) -> impl Iterator<Item = Look> {
        let policy = self.policy.iter();
        policy.flat_map(move |policy| {
            chunk.slice(slice).iter().filter_map(move |tick| {
                let pipeline = self.pipelines.get(usize::from(tick.instrument))?;
                let is_taken = pipeline.last_open() == Some(tick.bar.open_time);
                is_taken.then(|| Look {
                    slice,
                    instrument: tick.instrument,
                    symbol: pipeline.symbol().clone(),
                    bar: tick.bar,
                    policy: Arc::clone(policy),
                    row: pipeline.observation().map(Box::new),
                    magnitude: pipeline.expected_move(),
                    regime: pipeline.regime(),
                    features: pipeline.features(),
                    market: Arc::clone(market),
                })
            })
        })
    }

    /// All symbols as they are now.
    pub fn snapshot(&mut self, at: Time) -> MarketSnapshot {
        self.vix.close_step();
        let symbols =
            self.pipelines.iter().zip(&self.closes).map(|(pipeline, close)| SymbolSnapshot {
                atr_pct: pipeline.features().atr14_pct,
                returns: Arc::new(pipeline.daily_returns().cloned().unwrap_or_default()),
                last_close_time: close.map(|(_, time)| time),
            });
        let (vix_level, source) = (self.vix.level(), self.health.record());
        MarketSnapshot { at, vix_level, source, symbols: symbols.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixed::Volume;
    use crate::market::series::Series;
    use crate::market::symbol::Symbol;
    use crate::market::tape::Tape;
    use crate::strategy::StrategyConfig;

    fn tape(bars: usize) -> Tape {
        let series = ["AAA", "BBB"].map(|name| {
            let shift = if name == "AAA" { 0.0 } else { 1.3 };
            let bars = (0..bars).map(|day| {
                let wave = |day: usize| {
                    #[expect(clippy::cast_precision_loss, reason = "a few hundred days")]
                    let phase = day as f64 * 0.35 + shift;
                    Price::from_f64(100.0 + 10.0 * phase.sin() + 0.01 * phase).unwrap()
                };
                let (open, close) = (wave(day), wave(day + 1));
                let open_time = Time::from_ms(i64::try_from(day).unwrap() * 86_400_000);
                let close_time = Time::from_ms(open_time.ms() + 3_600_000);
                let (high, low) = (open.max(close), open.min(close));
                Bar { open_time, close_time, open, high, low, close, volume: Volume::ZERO }
            });
            Series {
                symbol: Symbol::new(name).unwrap(),
                class: AssetClass::Equity,
                timeframe: Timeframe::Day,
                bars: bars.collect(),
            }
        });
        Tape::new(series.to_vec()).unwrap()
    }

    fn seen(bars: usize, slices: usize) -> (Vec<(Signal, Arc<MarketSnapshot>)>, Vec<Pulse>) {
        let mut tape = tape(bars);
        let strategy = StrategyConfig::by_name("sma-cross").unwrap();
        let instruments = Arc::clone(tape.instruments());
        let mut watch = MarketWatch::new(&instruments, Timeframe::Day, &strategy, true).unwrap();
        let (mut signals, mut pulses) = (Vec::new(), Vec::new());
        while let Some(chunk) = tape.next_chunk(slices) {
            let seen = watch.on_chunk(&chunk);
            signals.extend(seen.raised.into_iter().map(|raised| (raised.signal, raised.market)));
            pulses.extend(seen.pulses);
        }
        (signals, pulses)
    }

    /// L-1: what a signal carries does not depend on how many slices were handed over at once.
    #[test]
    fn the_size_of_a_chunk_changes_nothing() {
        let one_by_one = seen(300, 1);
        assert!(one_by_one.0.len() > 20, "{} signals", one_by_one.0.len());
        for slices in [2, 7, 64, 1_000] {
            assert_eq!(seen(300, slices), one_by_one, "{slices} slices");
        }
    }

    /// L-1: cutting the data after a day changes nothing up to that day.
    #[test]
    fn what_comes_later_changes_nothing_before() {
        let whole = seen(300, 64);
        let cut = seen(200, 64);
        assert_eq!(whole.0[..cut.0.len()], cut.0);
        assert_eq!(whole.1[..cut.1.len()], cut.1);
    }

    /// A source is judged by the calls whose outcome is known, traded or not, once there are enough.
    #[test]
    fn a_source_is_judged_by_its_last_settled_calls() {
        let rules = GateRules { health_calls: 5, ..GateRules::default() };
        let strategy = StrategyConfig::by_name("sma-cross").unwrap();
        let mut tape = tape(300);
        let instruments = Arc::clone(tape.instruments());
        let watch = MarketWatch::new(&instruments, Timeframe::Day, &strategy, true).unwrap();
        let mut watch = watch.judged_by(&rules);
        let (mut closes, mut calls) = (Vec::new(), Vec::new());
        let mut judged = 0;
        while let Some(chunk) = tape.next_chunk(1) {
            let day = closes.len();
            closes.push([0, 1].map(|index| chunk.ticks()[index].bar.close));
            let raised = watch.on_chunk(&chunk).raised;
            calls.extend(
                raised.iter().map(|raised| (day, raised.instrument, raised.signal.direction)),
            );
            let horizon = usize::from(crate::strategy::HORIZON_BARS);
            let settled = calls.iter().filter(|(at, ..)| at + horizon <= day);
            let right: Vec<bool> = settled
                .map(|(at, instrument, direction)| {
                    let close = |day: usize| closes[day][usize::from(*instrument)];
                    let (then, now) = (close(*at), close(at + horizon));
                    if *direction == crate::signal::Direction::Long {
                        now > then
                    } else {
                        now < then
                    }
                })
                .collect();
            let last = right.len().checked_sub(5).map(|from| &right[from..]);
            let hits =
                |last: &[bool]| u32::try_from(last.iter().filter(|it| **it).count()).unwrap();
            let share = last.map(|last| f64::from(hits(last)) / 5.0);
            let told = watch.snapshot(Time::EPOCH).source.accuracy.map(Ratio::get);
            assert_eq!(told, share, "day {day}");
            judged += usize::from(share.is_some());
        }
        assert!(judged > 100, "{judged} days");
    }
}
