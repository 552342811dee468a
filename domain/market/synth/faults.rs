//! Faults that were asked for: splits, halts, missing bars and bars that cannot be true.

use super::model::{Dice, Purpose};
use super::{SynthConfig, SynthFault};
use crate::fixed::{Price, Volume};
use crate::market::asset::Asset;
use crate::market::bar::Bar;
use crate::market::calendar::Calendar;
use crate::market::splits::Split;
use crate::market::symbol::AssetClass;

/// Chance that a bar is missing.
const MISSING: f64 = 0.005;
/// Chance that a halt begins at a bar.
const HALT: f64 = 0.004;
/// Chance that a bar is a bad tick.
const BAD_TICK: f64 = 0.005;

/// Plants what the configuration asks for into one symbol's bars. Each kind of fault draws from
/// numbers of its own.
pub(super) fn plant(
    config: &SynthConfig,
    seed: u64,
    index: usize,
    asset: &Asset,
    bars: &mut Vec<Bar>,
    splits: &mut Vec<Split>,
) {
    let dice = |kind: usize| Dice::new(seed, Purpose::Faults(index * 4 + kind));
    if config.has(SynthFault::Splits) && asset.class == AssetClass::Equity {
        splits.extend(split(&mut dice(0), asset, bars));
    }
    if config.has(SynthFault::Halts) {
        let mut dice = dice(1);
        let mut left = 0;
        let mut first = true;
        bars.retain(|_| {
            if left == 0 && !first && dice.hits(HALT) {
                left = 3 + dice.below(6);
            }
            first = false;
            let keep = left == 0;
            left = left.saturating_sub(1);
            keep
        });
    }
    if config.has(SynthFault::Missing) {
        let mut dice = dice(2);
        let mut first = true;
        bars.retain(|_| !dice.hits(MISSING) || std::mem::take(&mut first));
    }
    if config.has(SynthFault::BadTicks) {
        let mut dice = dice(3);
        for index in 1..bars.len() {
            // The last one is always bad, so that asking for bad ticks gives at least one.
            if dice.hits(BAD_TICK) || index + 1 == bars.len() {
                let kind = dice.below(5);
                spoil(bars, index, kind);
            }
        }
    }
}

/// Splits the shares at the opening of a session in the middle of the bars.
fn split(dice: &mut Dice, asset: &Asset, bars: &mut [Bar]) -> Option<Split> {
    let new = [2_u32, 3, 4][dice.below(3)];
    let at = bars.len() / 4 + dice.below((bars.len() / 2).max(1));
    let calendar = Calendar::Xnys;
    let date = calendar.session_date(bars.get(at)?.open_time);
    let first = bars.partition_point(|bar| calendar.session_date(bar.open_time) < date);
    let divide = |price: &mut Price| {
        *price = Price::from_raw(price.raw() / i64::from(new));
    };
    for bar in &mut bars[first..] {
        for price in [&mut bar.open, &mut bar.high, &mut bar.low, &mut bar.close] {
            divide(price);
        }
        let volume = bar.volume.raw().saturating_mul(i64::from(new));
        bar.volume = Volume::from_raw(volume);
    }
    (first > 0).then(|| Split { symbol: asset.symbol.clone(), date, new, old: 1 })
}

/// Makes a bar one that the door must refuse.
fn spoil(bars: &mut [Bar], index: usize, kind: usize) {
    let former = bars[index - 1];
    let bar = &mut bars[index];
    match kind {
        0 => bar.close = Price::ZERO,
        1 => bar.high = Price::from_raw(bar.low.raw() - 1),
        2 => bar.volume = Volume::from_raw(-bar.volume.raw()),
        // A token's identifier in the place of a price.
        3 => bar.high = Price::from_raw(i64::MAX),
        _ => (bar.open_time, bar.close_time) = (former.open_time, former.close_time),
    }
}
