//! Bars of one symbol in order, with what is known about them.

use super::bar::{Bar, Timeframe};
use super::symbol::{AssetClass, Symbol};

/// Checked bars of one symbol, oldest first, strictly increasing in time.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// The symbol.
    pub symbol: Symbol,
    /// What kind of thing it is.
    pub class: AssetClass,
    /// The length of each bar.
    pub timeframe: Timeframe,
    /// The bars.
    pub bars: Vec<Bar>,
}

/// The `data_hash` of a run: BLAKE3 in lower-case hex over the series, in symbol order.
///
/// The bytes are a version tag, then for each series its symbol, class, timeframe, number of bars,
/// and each bar as seven little-endian `i64`: open and close time in milliseconds, then the raw
/// fixed-point steps of open, high, low, close and volume.
pub fn series_hash(series: &[Series]) -> String {
    let mut sorted: Vec<&Series> = series.iter().collect();
    sorted.sort_by(|a, b| a.symbol.cmp(&b.symbol));
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"conclave-series/1\n");
    for one in sorted {
        let class = one.class.name();
        let head = format!("{} {class} {} {}\n", one.symbol, one.timeframe.name(), one.bars.len());
        hasher.update(head.as_bytes());
        for bars in one.bars.chunks(64) {
            let mut bytes = [0_u8; 64 * 56];
            for (bar, bytes) in bars.iter().zip(bytes.chunks_exact_mut(56)) {
                for (number, bytes) in bar.numbers().iter().zip(bytes.chunks_exact_mut(8)) {
                    bytes.copy_from_slice(&number.to_le_bytes());
                }
            }
            hasher.update(&bytes[..bars.len() * 56]);
        }
    }
    hasher.finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixed::{Price, Volume};
    use crate::time::Time;

    fn series(symbol: &str, closes: &[i64]) -> Series {
        let bars = (0..).zip(closes).map(|(day, &close)| {
            let price = Price::from_units(close).unwrap();
            Bar {
                open_time: Time::from_ms(day * 86_400_000),
                close_time: Time::from_ms((day + 1) * 86_400_000),
                open: price,
                high: price,
                low: price,
                close: price,
                volume: Volume::ZERO,
            }
        });
        Series {
            symbol: Symbol::new(symbol).unwrap(),
            class: AssetClass::Equity,
            timeframe: Timeframe::Day,
            bars: bars.collect(),
        }
    }

    #[test]
    fn the_hash_depends_on_every_bar_and_not_on_the_order_of_series() {
        let (a, b) = (series("A", &[1, 2, 3]), series("B", &[4]));
        let hash = series_hash(&[a.clone(), b.clone()]);
        assert_eq!(hash, series_hash(&[b.clone(), a.clone()]));
        assert_eq!(hash.len(), 64);
        let changed = series("A", &[1, 2, 4]);
        assert_ne!(hash, series_hash(&[changed, b]));
        assert_ne!(series_hash(&[series("A", &[1])]), series_hash(&[series("B", &[1])]));
        assert_ne!(series_hash(&[a]), series_hash(&[]));
    }

    #[test]
    fn long_series_are_hashed_to_the_last_bar() {
        let closes: Vec<i64> = (1..=200).collect();
        let mut other = closes.clone();
        other[199] = 7;
        assert_ne!(series_hash(&[series("A", &closes)]), series_hash(&[series("A", &other)]));
    }
}
