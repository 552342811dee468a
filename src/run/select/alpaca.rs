//! A universe from Alpaca: all shares that it lists, a first look by snapshots, then days of those that
//! are left.
//!
//! The venue says of what class a thing is. Of sectors it says nothing: they come from a table of assets,
//! and a share that is not in it is of none that is known.

use std::collections::BTreeMap;
use std::time::Duration;

use conclave_domain::alpaca::{Asset as VenueAsset, Stamp};
use conclave_domain::brief::selection::Constraints;
use conclave_domain::market::asset::{Asset, UNKNOWN_SECTOR};
use conclave_domain::market::bar::Timeframe;
use conclave_domain::market::series::Series;
use conclave_domain::market::symbol::{AssetClass, Symbol};
use conclave_domain::selection::prefilter::{Glance, prefilter};
use conclave_domain::selection::series::LONG;
use conclave_domain::time::Time;

use super::{FirstLook, Listed, Universe};
use crate::adapters::alpaca_http::{Alpaca, AlpacaError, BarsQuery};

/// Symbols whose days are asked for at once.
const SYMBOLS_A_CALL: usize = 100;
/// Days of the calendar for each session, with room for holidays.
const DAYS_A_SESSION: f64 = 1.5;

/// Reads the universe as of the venue's own time, and says what that is.
///
/// # Errors
/// When the venue refuses or cannot be reached.
pub async fn from_alpaca(
    alpaca: &Alpaca,
    table: &[Asset],
    symbols: &[Symbol],
    rules: &Constraints,
    keep: usize,
) -> Result<(Universe, Time), AlpacaError> {
    let now = alpaca.clock().await?.timestamp.time();
    let mut listed = alpaca.assets(AssetClass::Equity).await?;
    if !symbols.is_empty() {
        listed.retain(|asset| symbols.iter().any(|symbol| symbol.as_str() == asset.symbol));
    }
    let names: Vec<&str> = listed.iter().map(|asset| asset.symbol.as_str()).collect();
    let snapshots = alpaca.snapshots(&names).await?;
    let table: BTreeMap<&Symbol, &Asset> =
        table.iter().map(|asset| (&asset.symbol, asset)).collect();
    let glance = |asset: &VenueAsset| {
        let ours = ours(asset, &table)?;
        let snapshot = snapshots.get(&asset.symbol).copied().unwrap_or_default();
        Some(snapshot.glance(ours, asset.tradable))
    };
    // A name that is no symbol of ours could not be ordered either.
    let glances: Vec<Glance> = listed.iter().filter_map(glance).collect();
    let (kept, reports) = prefilter(&glances, rules, keep);
    let mut universe = Universe {
        first_look: FirstLook { refused: kept.refused, reports },
        ..Universe::default()
    };
    let mut days = days(alpaca, &kept.assets, now).await?;
    for asset in kept.assets {
        let bars = days.remove(asset.symbol.as_str()).unwrap_or_default();
        let (symbol, class, timeframe) = (asset.symbol.clone(), asset.class, Timeframe::Day);
        let series = Series { symbol, class, timeframe, bars };
        universe.listed.push(Listed { asset, series });
    }
    Ok((universe, now))
}

/// A share as our tables have it; `None` where its name is no symbol.
fn ours(asset: &VenueAsset, table: &BTreeMap<&Symbol, &Asset>) -> Option<Asset> {
    let symbol = Symbol::new(&asset.symbol).ok()?;
    let known = table.get(&symbol);
    let sector = known.map_or(UNKNOWN_SECTOR, |known| known.sector.as_str()).to_owned();
    let name = if asset.name.is_empty() { asset.symbol.clone() } else { asset.name.clone() };
    Some(Asset { symbol, class: AssetClass::Equity, sector, name })
}

/// Closed days by symbol, adjusted for splits.
async fn days(
    alpaca: &Alpaca,
    assets: &[Asset],
    now: Time,
) -> Result<BTreeMap<String, Vec<conclave_domain::market::bar::Bar>>, AlpacaError> {
    let span = Duration::from_hours(24).mul_f64(DAYS_A_SESSION * sessions());
    let mut all = BTreeMap::new();
    for part in assets.chunks(SYMBOLS_A_CALL) {
        let query = BarsQuery {
            symbols: part.iter().map(|asset| asset.symbol.to_string()).collect(),
            class: AssetClass::Equity,
            timeframe: Timeframe::Day,
            from: Stamp::from(now - span),
            to: Stamp::from(now),
            adjustment: "split",
        };
        for (symbol, bars) in alpaca.bars(&query).await? {
            let bars = bars.iter().map(|bar| bar.closed(Timeframe::Day, AssetClass::Equity));
            // This day's bar is still open.
            let closed = bars.filter(|bar| bar.close_time <= now).collect();
            all.insert(symbol, closed);
        }
    }
    Ok(all)
}

/// Sessions that the longest metric looks at.
fn sessions() -> f64 {
    f64::from(u32::try_from(LONG).unwrap_or(u32::MAX)) + 1.0
}
