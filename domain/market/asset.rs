//! The table of assets: class and sector are stated, never guessed from a name.

use serde::Serialize;

use super::csv::{CsvFaults, Fault, table};
use super::symbol::{AssetClass, Symbol};

/// What is known of a symbol beside its bars.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Asset {
    /// The symbol.
    pub symbol: Symbol,
    /// What kind of thing it is.
    pub class: AssetClass,
    /// The sector, one word or two.
    pub sector: String,
    /// The issuer's or the coin's name.
    pub name: String,
}

/// Reads a table `symbol,class,sector,name`, class being `equity` or `crypto`.
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
            sector: sector.to_owned(),
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
}
