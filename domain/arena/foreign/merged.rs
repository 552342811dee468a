//! Prices as AI-Trader keeps them: `merged.jsonl`, a symbol's whole series on each line.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;

use super::object::{Object, symbol};
use super::{Skipped, Stamp, lines, shown};
use crate::fixed::{Price, Volume};
use crate::market::symbol::Symbol;

/// One bar; the newest of a series has its opening price only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quote {
    /// The first price, at which the arena trades.
    pub open: Price,
    /// The highest.
    pub high: Option<Price>,
    /// The lowest.
    pub low: Option<Price>,
    /// The last.
    pub close: Option<Price>,
    /// What was traded.
    pub volume: Option<Volume>,
}

impl Quote {
    /// What one unit counts in a book after this bar.
    pub fn mark(&self) -> Price {
        self.close.unwrap_or(self.open)
    }
}

/// One symbol's bars in one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Series {
    /// The symbol's name, where the file has one.
    pub name: Option<String>,
    /// The bars by their stamps.
    pub bars: BTreeMap<Stamp, Quote>,
    /// Whether every stamp is a day's.
    is_daily: bool,
}

impl Series {
    /// The bar of a stamp: its own, or in a series of days its day's.
    pub fn bar(&self, at: Stamp) -> Option<&Quote> {
        let day = || self.bars.get(&Stamp::day(at.date)).filter(|_| self.is_daily);
        self.bars.get(&at).or_else(day)
    }
}

/// The prices of one or several files; where more than one has what is asked for, the first counts.
#[derive(Clone, Debug, Default)]
pub struct Prices {
    files: Vec<BTreeMap<Symbol, Series>>,
    days: BTreeSet<Date>,
    /// What of each file could not be read, by the file's name.
    pub skipped: Vec<(String, Skipped)>,
}

impl Prices {
    /// Adds a file behind those that are there; what of it could not be read is noted under its name. Of a
    /// symbol that stands there twice the first line counts.
    pub fn add(&mut self, name: &str, text: &str) {
        let (mut file, mut skipped) = (BTreeMap::<Symbol, Series>::new(), Skipped::default());
        lines(text, &mut skipped, |line, number, skipped| match read_line(line, number, skipped) {
            Ok((symbol, _)) if file.contains_key(&symbol) => {
                skipped.note(number, format!("{symbol} stands there twice"));
            }
            Ok((symbol, series)) => {
                self.days.extend(series.bars.keys().map(|stamp| stamp.date));
                file.insert(symbol, series);
            }
            Err(why) => skipped.note(number, why),
        });
        self.files.push(file);
        self.skipped.push((name.to_owned(), skipped));
    }

    /// How many series there are in all files.
    pub fn series_count(&self) -> usize {
        self.files.iter().map(BTreeMap::len).sum()
    }

    /// A symbol's series, the first file's first.
    pub fn series<'a>(&'a self, symbol: &Symbol) -> impl Iterator<Item = &'a Series> {
        self.files.iter().filter_map(move |file| file.get(symbol))
    }

    /// The bar of a symbol at a stamp.
    pub fn bar(&self, symbol: &Symbol, at: Stamp) -> Option<&Quote> {
        self.series(symbol).find_map(|series| series.bar(at))
    }

    /// The bar that a moment lies in: of the hour that began last, or of the day.
    pub fn around(&self, symbol: &Symbol, at: Stamp) -> Option<&Quote> {
        let hour = at.clock.map(|clock| clock.with().minute(0).second(0).subsec_nanosecond(0));
        let from = Stamp { date: at.date, clock: hour.and_then(|hour| hour.build().ok()) };
        self.series(symbol).find_map(|series| {
            let began = series.bars.range(from..=at).next_back().map(|(_, bar)| bar);
            began.filter(|_| at.clock.is_some()).or_else(|| series.bar(at))
        })
    }

    /// A symbol's name.
    pub fn name(&self, symbol: &Symbol) -> Option<&str> {
        self.series(symbol).find_map(|series| series.name.as_deref())
    }

    /// Whether any symbol has a bar of this day.
    pub fn has_day(&self, day: Date) -> bool {
        self.days.contains(&day)
    }

    /// The days from `first` to `last` of which any symbol has a bar.
    pub fn days(&self, first: Date, last: Date) -> impl Iterator<Item = Date> {
        // A range that ends before it begins would panic.
        self.days.range(first..=last.max(first)).copied()
    }

    /// The symbol's last close on an earlier day.
    pub fn previous_close(&self, symbol: &Symbol, day: Date) -> Option<Price> {
        self.series(symbol).find_map(|series| {
            let mut earlier = series.bars.range(..Stamp::day(day));
            earlier.rfind(|(_, bar)| bar.close.is_some()).and_then(|(_, bar)| bar.close)
        })
    }

    /// The symbol's last bar that is not after a stamp, and its stamp; a day reaches to its end.
    pub fn last(&self, symbol: &Symbol, at: Stamp) -> Option<(Stamp, &Quote)> {
        let found =
            self.series(symbol).find_map(|series| series.bars.range(..=at.end()).next_back());
        found.map(|(stamp, bar)| (*stamp, bar))
    }
}

fn read_line(text: &str, number: usize, skipped: &mut Skipped) -> Result<(Symbol, Series), String> {
    let object = Object::read(text)?;
    let meta = object.object("Meta Data")?;
    let symbol = symbol(&meta.text("2. Symbol")?)?;
    let mut found = object.entries().filter(|(key, _)| key.starts_with("Time Series"));
    let (key, raw) = found.next().ok_or("there is no `Time Series`")?;
    if found.next().is_some() {
        return Err("there is more than one `Time Series`".to_owned());
    }
    let mut series = Series { name: meta.text_if("2.1. Name")?, ..Series::default() };
    for (key, raw) in Object::of(key, raw)?.entries() {
        let stamp = key.parse::<Stamp>().map_err(|error| error.to_string());
        let bar = Object::of(key, raw).and_then(|bar| read_bar(&bar));
        match stamp.and_then(|stamp| Ok((stamp, bar?))) {
            Ok((stamp, _)) if series.bars.contains_key(&stamp) => {
                skipped.note(number, format!("{symbol} has two bars of {stamp}"));
            }
            Ok((stamp, bar)) => {
                series.bars.insert(stamp, bar);
            }
            Err(why) => skipped.note(number, format!("{symbol}, bar of {}: {why}", shown(key))),
        }
    }
    series.is_daily = series.bars.keys().all(|stamp| stamp.clock.is_none());
    Ok((symbol, series))
}

fn read_bar(bar: &Object<'_>) -> Result<Quote, String> {
    let either = |ours: &str, theirs: &str| match bar.price_if(ours)? {
        Some(price) => Ok(Some(price)),
        None => bar.price_if(theirs),
    };
    let open = either("1. buy price", "1. open")?;
    let high = bar.price_if("2. high")?;
    let low = bar.price_if("3. low")?;
    if high.zip(low).is_some_and(|(high, low)| high < low) {
        return Err("the high is below the low".to_owned());
    }
    Ok(Quote {
        open: open.ok_or("there is no `1. buy price`")?,
        high,
        low,
        close: either("4. sell price", "4. close")?,
        volume: bar.number_if("5. volume")?,
    })
}
