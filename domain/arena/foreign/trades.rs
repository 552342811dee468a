//! Round trips as nof1 publishes them: a closed trade an entry, of several models in one file.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::object::{Object, fault};
use super::{LINES_MAX, Skipped, lines, shown};
use crate::fixed::{Money, Price, Qty, Volume};
use crate::market::symbol::Symbol;
use crate::time::Time;

/// A position that was opened and, unless it still is open, closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoundTrip {
    /// The entry in its file, from one.
    pub number: usize,
    /// The writer's name of it.
    pub id: String,
    /// Whose it is.
    pub model: String,
    /// What was traded.
    pub symbol: Symbol,
    /// Whether it says that it is long; `false` for short.
    pub is_long: bool,
    /// How much; negative for a short.
    pub qty: Qty,
    /// The factor on the margin, where it is stated.
    pub leverage: Option<Qty>,
    /// At what price and when it began, as far as either is stated.
    pub entry: (Option<Price>, Option<Time>),
    /// How it ended; `None` for one that is still open.
    pub exit: Option<Exit>,
}

/// How a round trip ended, and what its book says that it brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    /// The price.
    pub price: Price,
    /// When.
    pub at: Time,
    /// The commissions of entry and exit.
    pub commissions: [Money; 2],
    /// Both, as they are stated together.
    pub commission: Money,
    /// What entry and exit are said to have realised, each with its commission taken off.
    pub parts: [Money; 2],
    /// The profit before commissions.
    pub gross: Money,
    /// The profit behind them.
    pub net: Money,
}

/// The round trips of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoundTrips {
    /// Those that could be read, in the file's order.
    pub trips: Vec<RoundTrip>,
    /// The others, by the number of their entry.
    pub skipped: Skipped,
}

/// Reads `{"trades": […]}`, a bare array, or an entry on each line. What is no round trip is noted in
/// [`RoundTrips::skipped`].
///
/// # Errors
/// When the text is one document and cannot be read as such.
pub fn read_trades(text: &str) -> Result<RoundTrips, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).trim();
    if text.starts_with('[') {
        return listed(text);
    }
    match Object::read(text) {
        Ok(object) => match object.entries().find(|(key, _)| *key == "trades") {
            Some((_, trades)) => listed(trades.get()),
            None => Ok(by_entries([text])),
        },
        // Several objects, one behind the other, are an entry on each line.
        Err(_) if text.lines().next().is_some_and(|line| Object::read(line).is_ok()) => {
            Ok(by_lines(text))
        }
        Err(why) => Err(why),
    }
}

fn by_lines(text: &str) -> RoundTrips {
    let mut found = RoundTrips::default();
    lines(text, &mut found.skipped, |line, number, skipped| match read_trip(line, number) {
        Ok(trip) => found.trips.push(trip),
        Err(why) => skipped.note(number, why),
    });
    found
}

fn by_entries<'a>(entries: impl IntoIterator<Item = &'a str>) -> RoundTrips {
    let mut found = RoundTrips::default();
    for (number, entry) in (1..).zip(entries) {
        match read_trip(entry, number) {
            Ok(trip) => found.trips.push(trip),
            Err(why) => found.skipped.note(number, why),
        }
    }
    found
}

fn listed(text: &str) -> Result<RoundTrips, String> {
    let read: Result<List<'_>, _> = serde_json::from_str(text);
    let List(entries, total) = read.map_err(|error| format!("`trades`: {}", fault(&error)))?;
    let mut found = by_entries(entries.into_iter().map(RawValue::get));
    if total > LINES_MAX {
        let why = format!("more than {LINES_MAX} entries; the rest is left");
        found.skipped.note(LINES_MAX + 1, why);
    }
    Ok(found)
}

/// The first entries of an array, and how many there are.
struct List<'a>(Vec<&'a RawValue>, usize);

impl<'de: 'a, 'a> Deserialize<'de> for List<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = List<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of trades")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<List<'de>, A::Error> {
                let mut list = List(Vec::new(), 0);
                while list.1 < LINES_MAX {
                    let Some(entry) = seq.next_element()? else { return Ok(list) };
                    list.0.push(entry);
                    list.1 += 1;
                }
                while seq.next_element::<IgnoredAny>()?.is_some() {
                    list.1 += 1;
                }
                Ok(list)
            }
        }

        deserializer.deserialize_seq(Entries)
    }
}

fn read_trip(text: &str, number: usize) -> Result<RoundTrip, String> {
    let object = Object::read(text)?;
    let side = match object.text_if("side")? {
        Some(side) => side,
        None => object.text("trade_type")?,
    };
    let is_long = match side.as_str() {
        "long" => true,
        "short" => false,
        _ => return Err(format!("`side`: `{}` is neither long nor short", shown(&side))),
    };
    let exit = match time_if(&object, "exit_time")? {
        Some(at) => Some(read_exit(&object, at)?),
        None => None,
    };
    Ok(RoundTrip {
        number,
        id: object.text("id")?,
        model: object.text("model_id")?,
        symbol: object.symbol("symbol")?,
        is_long,
        qty: object.number("quantity")?,
        leverage: object.number_if("leverage")?,
        entry: (object.price_if("entry_price")?, time_if(&object, "entry_time")?),
        exit,
    })
}

fn read_exit(object: &Object<'_>, at: Time) -> Result<Exit, String> {
    Ok(Exit {
        price: object.price_if("exit_price")?.ok_or("there is no `exit_price`")?,
        at,
        commissions: [
            object.number("entry_commission_dollars")?,
            object.number("exit_commission_dollars")?,
        ],
        commission: object.number("total_commission_dollars")?,
        parts: [object.number("entry_closed_pnl")?, object.number("exit_closed_pnl")?],
        gross: object.number("realized_gross_pnl")?,
        net: object.number("realized_net_pnl")?,
    })
}

/// The last second of the year 9999.
const SECONDS_MAX: i64 = 253_402_300_799;

/// Seconds since 1970 with their fraction, cut to milliseconds.
fn time_if(object: &Object<'_>, key: &str) -> Result<Option<Time>, String> {
    let Some(seconds) = object.number_if::<Volume>(key)? else { return Ok(None) };
    if seconds < Volume::ZERO || seconds.raw() / Volume::SCALE > SECONDS_MAX {
        return Err(format!("`{key}`: {seconds} are no seconds before the year 10000"));
    }
    Ok(Some(Time::from_ms(seconds.raw() / (Volume::SCALE / 1_000))))
}
