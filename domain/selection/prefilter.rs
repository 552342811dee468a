//! A first look at thousands of symbols by one snapshot of each, so that bars are only fetched of some
//! hundreds.
//!
//! One day tells less than a quarter: half of the least traded value is let pass, and the mean over
//! sessions decides later. Of those that pass, the most traded are kept.

use std::collections::BTreeMap;

use crate::brief::selection::{Constraints, FilterReport};
use crate::fixed::{Money, Price};
use crate::market::asset::Asset;
use crate::market::symbol::{AssetClass, Symbol};

/// One symbol at a glance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glance {
    /// What it is.
    pub asset: Asset,
    /// Whether the venue trades it.
    pub tradable: bool,
    /// Its last price; `None` where the venue showed none.
    pub price: Option<Price>,
    /// What was traded on its last whole day; `None` where the venue showed none.
    pub day_value: Option<Money>,
}

/// What is left of a universe after a first look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// The symbols that are looked at further, the most traded first.
    pub assets: Vec<Asset>,
    /// Every reason against each other.
    pub refused: BTreeMap<Symbol, Vec<String>>,
}

/// The filters of the first look, in their order.
const FILTERS: [&str; 4] = ["tradable", "snapshot_price", "snapshot_volume", "most_traded"];

/// Looks at every symbol once and keeps the `keep` most traded that nothing speaks against. Of a symbol
/// that is there twice the first is taken.
pub fn prefilter(
    glances: &[Glance],
    rules: &Constraints,
    keep: usize,
) -> (Kept, Vec<FilterReport>) {
    let mut seen: BTreeMap<&Symbol, &Glance> = BTreeMap::new();
    for glance in glances {
        seen.entry(&glance.asset.symbol).or_insert(glance);
    }
    let mut kept = Kept::default();
    let mut tally: BTreeMap<(AssetClass, usize), (u32, u32)> = BTreeMap::new();
    let mut count = |class: AssetClass, first: usize| {
        for at in 0..FILTERS.len() {
            let entry = tally.entry((class, at)).or_default();
            entry.0 += u32::from(at <= first);
            entry.1 += u32::from(at < first);
        }
    };
    let mut passed: Vec<(Money, &Asset)> = Vec::new();
    for glance in seen.into_values() {
        let refusals = refusals(glance, rules);
        match refusals.first() {
            None => passed.push((glance.day_value.unwrap_or_default(), &glance.asset)),
            Some((first, _)) => {
                count(glance.asset.class, *first);
                let text = |(at, why): (usize, String)| format!("{}: {why}", FILTERS[at]);
                let why = refusals.into_iter().map(text).collect();
                kept.refused.insert(glance.asset.symbol.clone(), why);
            }
        }
    }
    passed.sort_by(|(a, one), (b, other)| b.cmp(a).then_with(|| one.symbol.cmp(&other.symbol)));
    for (place, (_, asset)) in passed.into_iter().enumerate() {
        let most_traded = FILTERS.len() - 1;
        if place < keep {
            count(asset.class, FILTERS.len());
            kept.assets.push(asset.clone());
        } else {
            count(asset.class, most_traded);
            let why = format!("{}: place {}, {keep} are kept", FILTERS[most_traded], place + 1);
            kept.refused.insert(asset.symbol.clone(), vec![why]);
        }
    }
    let report = |((class, at), (seen, passed)): ((AssetClass, usize), (u32, u32))| FilterReport {
        filter: FILTERS[at].to_owned(),
        class,
        seen,
        passed,
    };
    (kept, tally.into_iter().map(report).collect())
}

/// What speaks against a symbol, with the place of the filter.
fn refusals(glance: &Glance, rules: &Constraints) -> Vec<(usize, String)> {
    let mut refusals = Vec::new();
    if !glance.tradable {
        refusals.push((0, "the venue does not trade it".to_owned()));
    }
    let (price_min, value_min) = match glance.asset.class {
        AssetClass::Equity => (rules.equity_price_min, rules.equity_volume_min.raw() / 2),
        AssetClass::Crypto => (Price::ZERO, 0),
    };
    match glance.price {
        Some(price) if price >= price_min && price > Price::ZERO => {}
        Some(price) => refusals.push((1, format!("a price of {price}, at least {price_min}"))),
        None => refusals.push((1, "the venue shows no price".to_owned())),
    }
    match glance.day_value {
        Some(value) if value.raw() >= value_min && value > Money::ZERO => {}
        Some(value) => {
            let least = Money::from_raw(value_min);
            refusals.push((2, format!("{value:.0} traded that day, at least {least}")));
        }
        None => refusals.push((2, "the venue shows no traded day".to_owned())),
    }
    refusals
}
