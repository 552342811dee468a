//! Tests of selection: estimators against other programs and against known truth, and the pipeline.

mod advised;
mod dynamic;
mod estimators;
mod filters;
mod lists;
mod matrix;
mod truth;
mod universe;

use crate::brief::selection::Constraints;
use crate::market::asset::Asset;
use crate::market::series::Series;
use crate::market::symbol::{AssetClass, Symbol};
use crate::market::synth::labelled::{Nature, labelled};
use crate::market::synth::{Preset, SynthConfig, generate};
use crate::ratio::Ratio;
use crate::selection::measure::measure;
use crate::selection::score::default_weights;
use crate::selection::{Filtered, Scored};
use crate::time::Time;

/// A universe as bars.
type Listed = Vec<(Asset, Series)>;

fn symbol(text: &str) -> Symbol {
    Symbol::new(text).unwrap()
}

/// A day's close far beyond the bars' end is stale; the last bar's is not.
fn end_of(listed: &Listed) -> Time {
    listed
        .iter()
        .filter_map(|(_, series)| series.bars.last())
        .map(|bar| bar.close_time)
        .max()
        .unwrap()
}

fn filtered(listed: &Listed, rules: &Constraints) -> Filtered {
    let as_of = end_of(listed);
    let members =
        listed.iter().map(|(asset, series)| measure(asset, series, as_of, rules)).collect();
    Filtered::of(members, as_of, rules.clone(), Ratio::of(252.0))
}

fn scored(listed: &Listed, rules: &Constraints) -> Scored {
    Scored::of(listed, end_of(listed), rules, default_weights()).unwrap()
}

/// Shares of these natures, one after the other.
fn natures(natures: &[Nature], bars: usize, seed: u64) -> Listed {
    natures
        .iter()
        .enumerate()
        .map(|(index, nature)| labelled(*nature, bars, seed, index).unwrap())
        .collect()
}

/// The synthetic market, in which shares of a sector move together.
fn market(symbols: usize, coins: usize, bars: usize, seed: u64) -> Listed {
    let config = SynthConfig {
        symbols,
        coins,
        bars,
        // So that shares of a sector come above 0.60 and others stay below it.
        market_volatility: Ratio::of(0.24),
        news_per_year: Ratio::ZERO,
        ..SynthConfig::of(Preset::Default)
    };
    let market = generate(&config, seed).unwrap();
    market.assets.into_iter().zip(market.series).collect()
}

/// The same bars under another name.
fn renamed(listed: &(Asset, Series), to: &str, issuer: &str) -> (Asset, Series) {
    let (mut asset, mut series) = listed.clone();
    asset.symbol = symbol(to);
    series.symbol = symbol(to);
    issuer.clone_into(&mut asset.name);
    (asset, series)
}

/// The same asset as another class.
fn as_coin(listed: &(Asset, Series)) -> (Asset, Series) {
    let (mut asset, mut series) = listed.clone();
    asset.class = AssetClass::Crypto;
    series.class = AssetClass::Crypto;
    (asset, series)
}
