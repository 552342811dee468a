//! The synthetic market: seeded bars, regimes with truth labels, news, and faults on request.
//!
//! Prices come from a market factor (regime chain, GARCH volatility), six sector factors and each
//! symbol's own GARCH noise and jumps. Every symbol, factor and fault draws from a random stream of
//! its own, so adding a symbol or asking for a fault leaves the other series as they were.
//!
//! # Invariants
//!
//! - D-1: the same configuration and seed give the same market to the byte.
//! - L-1: an item that says when it was known is never known before what it tells of.

mod bars;
mod faults;
pub mod labelled;
mod model;
mod news;
mod statements;

use std::collections::BTreeSet;

use jiff::civil::{Date, date};
use serde::Serialize;

use super::asset::Asset;
use super::bar::Timeframe;
use super::calendar::Calendar;
use super::series::Series;
use super::splits::Split;
use super::symbol::{AssetClass, Symbol, SymbolError};
use crate::ratio::Ratio;
use crate::time::Time;

pub use news::{NewsItem, NewsKind};
pub use statements::{SynthStatement, statements};

/// The sectors and the letters their tickers begin with.
pub const SECTORS: [(&str, &str); 6] = [
    ("technology", "TEC"),
    ("health", "HLT"),
    ("financials", "FIN"),
    ("energy", "ENE"),
    ("industrials", "IND"),
    ("consumer", "CON"),
];

/// Bars of all series together that one market may have: about 1.1 GB of them.
pub const BARS_MAX: usize = 20_000_000;

/// What the market truly was on a day: the label that a regime filter is judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TrueRegime {
    /// Rising, quiet.
    Bull,
    /// Falling, restless.
    Bear,
    /// Without direction.
    Sideways,
    /// Falling fast.
    Crash,
}

impl TrueRegime {
    /// The word in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bull => "bull",
            Self::Bear => "bear",
            Self::Sideways => "sideways",
            Self::Crash => "crash",
        }
    }
}

/// A regime and the session it held in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RegimeDay {
    /// The opening of the session.
    pub open_time: Time,
    /// What the market truly was.
    pub regime: TrueRegime,
}

/// What can be wrong with a market, each only on request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SynthFault {
    /// One split per share; raw prices fall, the table names it.
    Splits,
    /// A few bars in a row without trade.
    Halts,
    /// Single bars that are not there.
    Missing,
    /// Bars that cannot be true: the door must refuse them.
    BadTicks,
    /// Items that do not say when they were known.
    UndatedNews,
    /// Items known days after what they tell of.
    LateNews,
    /// Items whose text gives orders to whoever reads it.
    HostileNews,
    /// Statements that do not say when they were filed.
    UnfiledStatements,
    /// Statements filed months after they should have been.
    LateStatements,
}

/// Which markets there are to choose from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Preset {
    /// Low volatility, no jumps, neither bear nor crash.
    Calm,
    /// All regimes, clustered volatility, jumps and news.
    #[default]
    Default,
    /// Minute bars of one symbol, without jumps and news: for benchmarks.
    Minutes,
}

/// How a market is made.
#[derive(Clone, Debug, PartialEq)]
pub struct SynthConfig {
    /// Number of shares, spread over the sectors in turn.
    pub symbols: usize,
    /// Number of coins, which move by themselves.
    pub coins: usize,
    /// Bars per symbol before any goes missing.
    pub bars: usize,
    /// Length of a bar: one day or less.
    pub timeframe: Timeframe,
    /// The first session is on this day or after it.
    pub start: Date,
    /// Annual volatility of the market factor in an ordinary regime.
    pub market_volatility: Ratio,
    /// Annual volatility of each sector factor.
    pub sector_volatility: Ratio,
    /// Annual volatility of a symbol's own noise, on average.
    pub own_volatility: Ratio,
    /// Jumps per symbol and year.
    pub jumps_per_year: Ratio,
    /// Whether bear markets and crashes happen.
    pub regimes: RegimeSet,
    /// News and posts per symbol and year; filings come each quarter when it is above zero.
    pub news_per_year: Ratio,
    /// What is wrong with the market.
    pub faults: BTreeSet<SynthFault>,
}

/// Which regimes the chain visits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegimeSet {
    /// All four.
    All,
    /// Bull and sideways only.
    Quiet,
}

impl SynthConfig {
    /// A preset: 24 shares, 1,500 days, or one share's 500,000 minutes.
    pub fn of(preset: Preset) -> Self {
        let ordinary = Self {
            symbols: 24,
            coins: 0,
            bars: 1_500,
            timeframe: Timeframe::Day,
            start: date(2010, 1, 4),
            market_volatility: Ratio::of(0.15),
            sector_volatility: Ratio::of(0.10),
            own_volatility: Ratio::of(0.20),
            jumps_per_year: Ratio::of(1.0),
            regimes: RegimeSet::All,
            news_per_year: Ratio::of(12.0),
            faults: BTreeSet::new(),
        };
        match preset {
            Preset::Default => ordinary,
            Preset::Calm => Self {
                market_volatility: Ratio::of(0.05),
                sector_volatility: Ratio::of(0.03),
                own_volatility: Ratio::of(0.06),
                jumps_per_year: Ratio::ZERO,
                regimes: RegimeSet::Quiet,
                ..ordinary
            },
            Preset::Minutes => Self {
                symbols: 1,
                bars: 500_000,
                timeframe: Timeframe::Minute,
                jumps_per_year: Ratio::ZERO,
                news_per_year: Ratio::ZERO,
                ..ordinary
            },
        }
    }

    fn has(&self, fault: SynthFault) -> bool {
        self.faults.contains(&fault)
    }
}

/// A whole market.
#[derive(Clone, Debug, PartialEq)]
pub struct SynthMarket {
    /// Raw bars, shares in the order of [`SynthMarket::assets`], then coins.
    pub series: Vec<Series>,
    /// Class and sector of each series.
    pub assets: Vec<Asset>,
    /// The splits that raw bars contain; empty unless asked for.
    pub splits: Vec<Split>,
    /// What the market truly was, one entry per session.
    pub regimes: Vec<RegimeDay>,
    /// News, filings and posts in the order in which they were known; undated ones stand at what
    /// they tell of.
    pub news: Vec<NewsItem>,
}

/// Why a market cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SynthError {
    /// Nothing to make.
    #[error("a market needs at least one symbol and one bar")]
    Empty,
    /// More bars than memory is meant for.
    #[error("{symbols} symbols of {bars} bars are more than {BARS_MAX} bars together")]
    TooMany {
        /// Symbols and coins.
        symbols: usize,
        /// Bars of each.
        bars: usize,
    },
    /// Weeks are made from days, not drawn.
    #[error("a synthetic market has bars of a day or less, not {0}", timeframe.name())]
    Timeframe {
        /// What was asked for.
        timeframe: Timeframe,
    },
    /// The sessions until the year 2200 are not enough.
    #[error("there are only {found} bars between {start} and the year 2200")]
    Calendar {
        /// The first day.
        start: Date,
        /// Bars until then.
        found: usize,
    },
    /// A ticker became too long.
    #[error("a ticker cannot be made")]
    Ticker(#[from] SymbolError),
}

/// Makes the market of a seed.
///
/// # Errors
/// When the configuration asks for nothing, for too much, or for weeks.
pub fn generate(config: &SynthConfig, seed: u64) -> Result<SynthMarket, SynthError> {
    let count = config.symbols.saturating_add(config.coins);
    if count == 0 || config.bars == 0 {
        return Err(SynthError::Empty);
    }
    if count.saturating_mul(config.bars) > BARS_MAX {
        return Err(SynthError::TooMany { symbols: count, bars: config.bars });
    }
    if config.timeframe > Timeframe::Day {
        return Err(SynthError::Timeframe { timeframe: config.timeframe });
    }
    let days = model::session_days(config)?;
    let chain = model::regime_chain(config, seed, days.len());
    let mut market = SynthMarket {
        series: Vec::with_capacity(count),
        assets: assets(config)?,
        splits: Vec::new(),
        regimes: Vec::new(),
        news: Vec::new(),
    };
    let assets = market.assets.clone();
    for (index, asset) in assets.iter().enumerate() {
        let mut bars = match asset.class {
            AssetClass::Equity => bars::share(config, seed, index, &days, &chain),
            AssetClass::Crypto => bars::coin(config, seed, index - config.symbols)?,
        };
        news::tell(config, seed, index, asset, &bars, &mut market.news);
        faults::plant(config, seed, index, asset, &mut bars, &mut market.splits);
        let (symbol, class) = (asset.symbol.clone(), asset.class);
        market.series.push(Series { symbol, class, timeframe: config.timeframe, bars });
    }
    news::finish(&mut market.news);
    let day = |(&day, &regime): (&Date, &TrueRegime)| RegimeDay {
        open_time: Calendar::Xnys.ordinary_hours(day).0,
        regime,
    };
    market.regimes = days.iter().zip(&chain).map(day).collect();
    Ok(market)
}

fn assets(config: &SynthConfig) -> Result<Vec<Asset>, SynthError> {
    let shares = (0..config.symbols).map(|index| {
        let (sector, letters) = SECTORS[index % SECTORS.len()];
        let number = index / SECTORS.len() + 1;
        Ok(Asset {
            symbol: Symbol::new(&format!("{letters}{number}"))?,
            class: AssetClass::Equity,
            sector: sector.to_owned(),
            name: format!("Synthetic {sector} {number}"),
        })
    });
    let coins = (1..=config.coins).map(|number| {
        Ok(Asset {
            symbol: Symbol::new(&format!("COIN{number}/USD"))?,
            class: AssetClass::Crypto,
            sector: "coins".to_owned(),
            name: format!("Synthetic coin {number}"),
        })
    });
    shares.chain(coins).collect()
}

#[cfg(test)]
mod tests;
