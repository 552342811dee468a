//! One symbol's way from bar to signal: features, regime, strategy, confidence.
//!
//! The same code in a back-test, on paper and live. A raw pipeline computes what its strategy reads
//! and nothing else; a full one adds everything that a brief shows. Both raise the same calls with
//! the same confidence and magnitude.
//!
//! # Invariants
//!
//! - L-1: nothing that was known only after a bar's close is in what that bar raises.

use serde::{Deserialize, Serialize};

use crate::features::{Extended, FeatureEngine};
use crate::fixed::Price;
use crate::market::bar::{Bar, Timeframe};
use crate::market::symbol::{AssetClass, Symbol};
use crate::policy::observation::{self, MARKET};
use crate::ratio::Ratio;
use crate::regime::RegimeFilter;
use crate::risk::DailyReturns;
use crate::signal::{Features, Regime, Signal};
use crate::strategy::{
    HitRate, Strategy, StrategyConfig, StrategyError, StrategyKind, move_from_range,
};
use crate::time::Time;

/// A symbol's pipeline. Its state is a value: clone or (de)serialise it to keep it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SymbolPipeline {
    symbol: Symbol,
    class: AssetClass,
    strategy: StrategyKind,
    engine: FeatureEngine,
    hits: HitRate,
    last_open: Option<Time>,
    watch: Option<Box<Watch>>,
}

/// What only a full pipeline keeps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Watch {
    regime: RegimeFilter,
    daily: DailyReturns,
    /// Whether the call that the last bar settled was right, if it settled one.
    resolved: Option<bool>,
}

impl SymbolPipeline {
    /// A pipeline that has seen nothing; `full` is for briefs, otherwise it is raw.
    ///
    /// # Errors
    /// When a parameter of the strategy is out of bounds.
    pub fn new(
        symbol: Symbol,
        class: AssetClass,
        timeframe: Timeframe,
        config: &StrategyConfig,
        full: bool,
    ) -> Result<Self, StrategyError> {
        let strategy = StrategyKind::new(config)?;
        let bars_per_year = timeframe.bars_per_year(class);
        let needs = if full { strategy.needs().with_brief() } else { strategy.needs() };
        let watch = full.then(|| {
            let regime = RegimeFilter::new(bars_per_year);
            Box::new(Watch { regime, daily: DailyReturns::default(), resolved: None })
        });
        let engine = FeatureEngine::new(&needs, bars_per_year);
        let hits = HitRate::default();
        Ok(Self { symbol, class, strategy, engine, hits, last_open: None, watch })
    }

    /// Takes the next closed bar and says what the strategy makes of it.
    ///
    /// A bar that does not open after the former one, or that the door would refuse, changes nothing.
    pub fn on_bar(&mut self, bar: &Bar) -> Option<Signal> {
        if self.last_open.is_some_and(|last| bar.open_time <= last) || !self.engine.update(bar) {
            return None;
        }
        self.last_open = Some(bar.open_time);
        let resolved = self.hits.on_bar(bar.close);
        if let Some(watch) = &mut self.watch {
            watch.regime.update(bar.close);
            watch.daily.update(bar.open_time, bar.close);
            watch.resolved = resolved;
        }
        let call = self.strategy.on_bar(bar, &self.engine)?;
        self.hits.on_call(call.direction, bar.close);
        Some(Signal {
            symbol: self.symbol.clone(),
            at: bar.close_time,
            source: self.strategy.name().to_owned(),
            direction: call.direction,
            confidence: self.hits.rate(),
            magnitude: call.magnitude,
            price: bar.close,
            regime: self.regime(),
            features: self.features(),
        })
    }

    /// The symbol.
    pub fn symbol(&self) -> &Symbol {
        &self.symbol
    }

    /// What kind of thing it is.
    pub fn class(&self) -> AssetClass {
        self.class
    }

    /// The brief's figures at the last bar; all `None` in a raw pipeline.
    pub fn features(&self) -> Features {
        self.engine.features()
    }

    /// The further figures at the last bar; all `None` in a raw pipeline.
    pub fn extended(&self) -> Extended {
        self.engine.extended()
    }

    /// The market columns of a policy's observation at the last bar; `None` in a raw pipeline, and
    /// until every window is full.
    pub fn observation(&self) -> Option<[f32; MARKET]> {
        observation::market(&self.engine)
    }

    /// The move to expect within the horizon of calls, from the ranges of single bars, fraction of the
    /// price: what a policy's call takes for its magnitude.
    pub fn expected_move(&self) -> Ratio {
        move_from_range(&self.engine)
    }

    /// The regime at the last bar; nothing is known in a raw pipeline.
    pub fn regime(&self) -> Regime {
        self.watch.as_ref().map_or_else(Regime::default, |watch| watch.regime.regime())
    }

    /// The daily returns up to the last bar; `None` in a raw pipeline.
    pub fn daily_returns(&self) -> Option<&DailyReturns> {
        self.watch.as_ref().map(|watch| &watch.daily)
    }

    /// The strategy's record on this symbol, shrunken to one half.
    pub fn hit_rate(&self) -> Ratio {
        self.hits.rate()
    }

    /// Takes whether the call that the last bar settled was right; `None` when it settled none.
    pub fn take_resolved(&mut self) -> Option<bool> {
        self.watch.as_mut()?.resolved.take()
    }

    /// The last close.
    pub fn last_close(&self) -> Option<Price> {
        self.engine.close()
    }

    /// When the last bar opened.
    pub fn last_open(&self) -> Option<Time> {
        self.last_open
    }

    /// Bars taken so far.
    pub fn bars(&self) -> u64 {
        self.engine.bars()
    }
}

#[cfg(test)]
mod tests;
