//! The table of assets: class and sector are stated, never guessed from a name.

use std::collections::BTreeMap;

use serde::Serialize;

use super::csv::{CsvFaults, Fault, table};
use super::symbol::{AssetClass, Symbol};

/// The sector of what has none that is known: it is none, so symbols of it do not count against each other.
pub const UNKNOWN_SECTOR: &str = "unknown";

/// What is known of a symbol beside its bars.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Asset {
    /// The symbol.
    pub symbol: Symbol,
    /// What kind of thing it is.
    pub class: AssetClass,
    /// The sector, one word or two in lower case, or [`UNKNOWN_SECTOR`].
    pub sector: String,
    /// The issuer's or the coin's name.
    pub name: String,
}

/// Two rows of tables that say different things of one symbol.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the tables of assets say of {symbol} both {first} and {second}")]
pub struct Contradiction {
    /// Of which symbol.
    pub symbol: Symbol,
    /// What is said first.
    pub first: String,
    /// What is said later.
    pub second: String,
}

/// The rows of one table or more as one: a row that is there twice counts once.
///
/// # Errors
/// When two rows of one symbol are not the same.
pub fn one_table(rows: impl IntoIterator<Item = Asset>) -> Result<Vec<Asset>, Contradiction> {
    let mut known: BTreeMap<Symbol, Asset> = BTreeMap::new();
    let said = |asset: &Asset| format!("`{},{},{}`", asset.class.name(), asset.sector, asset.name);
    for row in rows {
        match known.get(&row.symbol) {
            None => _ = known.insert(row.symbol.clone(), row),
            Some(first) if *first == row => {}
            Some(first) => {
                let (first, second) = (said(first), said(&row));
                return Err(Contradiction { symbol: row.symbol, first, second });
            }
        }
    }
    Ok(known.into_values().collect())
}

/// Reads a table `symbol,class,sector,name`, class being `equity` or `crypto`. A sector is read
/// without the spaces around it and in lower case; none at all is [`UNKNOWN_SECTOR`].
///
/// # Errors
/// Every faulty line, up to 20.
pub fn read_assets(text: &str) -> Result<Vec<Asset>, CsvFaults> {
    table(text, ["symbol", "class", "sector", "name"], |[symbol, class, sector, name]| {
        let wrong = |column, value: &str, expected| Fault::NotA {
            column,
            value: value.chars().take(40).collect(),
            expected,
        };
        Ok(Asset {
            symbol: Symbol::new(symbol).map_err(|_| wrong("symbol", symbol, "a symbol"))?,
            class: match class {
                "equity" => AssetClass::Equity,
                "crypto" => AssetClass::Crypto,
                _ => return Err(wrong("class", class, "`equity` or `crypto`")),
            },
            sector: match sector.trim().to_lowercase() {
                none if none.is_empty() => UNKNOWN_SECTOR.to_owned(),
                sector => sector,
            },
            name: name.to_owned(),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_class_is_what_the_table_says() {
        let text = "symbol,class,sector,name\nWST,equity,health,\"West, Inc.\"\nBTC/USD,crypto,coins,Bitcoin\n";
        let assets = read_assets(text).unwrap();
        assert_eq!(assets[0].class, AssetClass::Equity);
        assert_eq!(assets[0].name, "West, Inc.");
        assert_eq!(assets[1].class, AssetClass::Crypto);
        let error = read_assets("symbol,class,sector,name\nX,bond,a,b\n").unwrap_err();
        assert_eq!(error.to_string(), "line 2: column `class`: `bond` is not `equity` or `crypto`");
    }
    /// One sector is one, however it is written; a row twice is one row, and two that differ are refused.
    #[test]
    fn sectors_are_one_however_they_are_written_and_rows_that_contradict_are_refused() {
        let text =
            "symbol,class,sector,name\nAAA,equity, Energy ,A\nBBB,equity,energy,B\nCCC,equity,,C\n";
        let assets = read_assets(text).unwrap();
        let sectors: Vec<&str> = assets.iter().map(|asset| asset.sector.as_str()).collect();
        assert_eq!(sectors, ["energy", "energy", UNKNOWN_SECTOR]);
        let twice = assets.iter().chain(&assets).cloned();
        assert_eq!(one_table(twice).unwrap(), assets);
        let mut again = assets[0].clone();
        again.class = AssetClass::Crypto;
        let refused = one_table(assets.iter().cloned().chain([again])).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "the tables of assets say of AAA both `equity,energy,A` and `crypto,energy,A`"
        );
    }
}
