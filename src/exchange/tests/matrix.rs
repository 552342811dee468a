//! The matrix of orders: what kind of thing × hour × what is held × type × amount × how long it stays ×
//! extended hours × class. Each order goes the whole way, from a body to an answer, and three are asked
//! what becomes of it: the exchange, our client before it sends, and a table out of the broker's
//! documents.

use std::collections::BTreeSet;

use conclave_domain::alpaca::rules::{AssetFlags, Judged, Moment, admit};
use conclave_domain::alpaca::{Asset, NewOrder};
use conclave_domain::exchange::venue::Listing;
use conclave_domain::fixed::{Qty, Volume};
use conclave_domain::market::bar::{Bar, Timeframe};
use conclave_domain::market::calendar::Calendar;
use conclave_domain::market::series::Series;
use conclave_domain::market::symbol::AssetClass;
use conclave_domain::time::Time;

use super::*;

mod intents;

/// Hours of New York's July, in their order: before the opening, in the session, ten minutes before its
/// end, after it, at night before a session, on a Sunday's noon.
const HOURS: [(&str, &str); 6] = [
    ("pre", "2024-07-10T12:00:00Z"),
    ("session", "2024-07-10T15:00:00Z"),
    ("late", "2024-07-10T19:55:00Z"),
    ("after", "2024-07-10T21:00:00Z"),
    ("night", "2024-07-11T01:00:00Z"),
    ("sunday", "2024-07-14T16:00:00Z"),
];
/// What is traded, and what each account has of it.
const SHARE: &str = "AAA";
const COIN: &str = "BTC/USD";
const HELD: [(&str, &str); 3] = [("nothing", "0"), ("long", "10"), ("short", "-10")];
const KINDS: [&str; 5] = ["market", "limit", "stop", "stop_limit", "trailing_stop"];
const AMOUNTS: [&str; 3] = ["whole", "part", "dollars"];
const STAYS: [&str; 6] = ["day", "gtc", "opg", "cls", "ioc", "fok"];
const CLASSES: [&str; 4] = ["simple", "bracket", "oco", "oto"];

/// One cell.
#[derive(Clone, Copy, Debug)]
struct Cell {
    symbol: &'static str,
    hour: &'static str,
    held: &'static str,
    side: &'static str,
    kind: &'static str,
    amount: &'static str,
    stay: &'static str,
    extended: bool,
    class: &'static str,
}

impl Cell {
    /// Every cell of an hour and a holding. Nobody is short of a coin.
    fn all(hour: &'static str, held: &'static str) -> impl Iterator<Item = Self> {
        let symbols = [SHARE, COIN].into_iter().filter(move |it| held != "short" || *it == SHARE);
        let cells = symbols.flat_map(move |symbol| {
            ["buy", "sell"].into_iter().flat_map(move |side| {
                KINDS.into_iter().flat_map(move |kind| {
                    AMOUNTS.into_iter().map(move |amount| (symbol, side, kind, amount))
                })
            })
        });
        cells.flat_map(move |(symbol, side, kind, amount)| {
            STAYS.into_iter().flat_map(move |stay| {
                [false, true].into_iter().flat_map(move |extended| {
                    CLASSES.into_iter().map(move |class| Self {
                        symbol,
                        hour,
                        held,
                        side,
                        kind,
                        amount,
                        stay,
                        extended,
                        class,
                    })
                })
            })
        })
    }

    /// The body: every price that the type takes at 100, legs on their sides of it.
    fn body(self) -> Value {
        let mut body = json!({"symbol": self.symbol, "side": self.side, "type": self.kind,
                              "time_in_force": self.stay, "extended_hours": self.extended,
                              "order_class": self.class});
        let mut put = |name: &str, value: Value| body[name] = value;
        match self.amount {
            "whole" => put("qty", json!("1")),
            "part" => put("qty", json!("0.5")),
            _ => put("notional", json!("50")),
        }
        // The limit of a pair of exits is that of its profit.
        if ["limit", "stop_limit"].contains(&self.kind) && self.class != "oco" {
            put("limit_price", json!("100"));
        }
        if ["stop", "stop_limit"].contains(&self.kind) {
            put("stop_price", json!("100"));
        }
        if self.kind == "trailing_stop" {
            put("trail_percent", json!("1"));
        }
        let exit_sells = (self.side == "buy") != (self.class == "oco");
        let (profit, loss) = if exit_sells { ("110", "90") } else { ("90", "110") };
        if ["bracket", "oco"].contains(&self.class) {
            put("take_profit", json!({"limit_price": profit}));
        }
        if self.class != "simple" {
            put("stop_loss", json!({"stop_price": loss}));
        }
        body
    }

    fn is_share(self) -> bool {
        self.symbol == SHARE
    }

    /// Whether it takes from what is held.
    fn is_exit(self) -> bool {
        matches!((self.held, self.side), ("long", "sell") | ("short", "buy"))
    }

    fn is_short_sale(self) -> bool {
        self.side == "sell" && self.held != "long"
    }

    fn is_any(of: &[&str], word: &str) -> bool {
        of.contains(&word)
    }
}

/// A rule of the broker's documents: what it is about, whether a cell breaks it, and how that is
/// answered.
type Rule = (&'static str, fn(Cell) -> bool, (u16, i64));

/// What cannot be done with such an order, and what the account has not got.
const RULE: (u16, i64) = (422, 42_210_000);
const FORBIDDEN: (u16, i64) = (403, 40_310_000);

/// The rules as the broker's specification and guide to orders state them, the narrower reading
/// where they disagree; none of them is taken from our code.
const RULES: [Rule; 19] = [
    // TimeInForce, `opg` and `cls`: "with a market/limit order type"; an auction knows no legs.
    (
        "auctions take market and limit orders",
        |it| {
            it.is_share()
                && Cell::is_any(&["opg", "cls"], it.stay)
                && !Cell::is_any(&["market", "limit"], it.kind)
        },
        RULE,
    ),
    (
        "opg is rejected between 9:28 and 19:00",
        |it| {
            it.is_share()
                && it.stay == "opg"
                && Cell::is_any(&["session", "late", "after"], it.hour)
        },
        RULE,
    ),
    (
        "cls is rejected between 15:50 and 19:00",
        |it| it.is_share() && it.stay == "cls" && Cell::is_any(&["late", "after"], it.hour),
        RULE,
    ),
    // CreateOrderRequest, `extended_hours`: "only works with type limit and day or gtc".
    (
        "extended hours are for limit orders of the day or until canceled",
        |it| it.extended && !(it.kind == "limit" && Cell::is_any(&["day", "gtc"], it.stay)),
        RULE,
    ),
    ("coins know no extended hours", |it| !it.is_share() && it.extended, RULE),
    // `qty` and `notional`: parts and dollars are for the day; the changelog adds other types to parts.
    (
        "parts and dollars of shares are for the day",
        |it| it.is_share() && it.amount != "whole" && it.stay != "day",
        RULE,
    ),
    ("dollars are for market orders", |it| it.amount == "dollars" && it.kind != "market", RULE),
    (
        "parts of shares do not trail",
        |it| it.is_share() && it.amount == "part" && it.kind == "trailing_stop",
        RULE,
    ),
    (
        "parts and dollars of shares have no legs",
        |it| it.is_share() && it.amount != "whole" && it.class != "simple",
        RULE,
    ),
    // Bracket orders: day or gtc, no extended hours; an entry, or for `oco` an exit by limit.
    (
        "legs are for the day or until canceled, and for the session",
        |it| it.class != "simple" && (it.extended || !Cell::is_any(&["day", "gtc"], it.stay)),
        RULE,
    ),
    (
        "brackets and one-triggers-other enter, and not by a trail",
        |it| {
            Cell::is_any(&["bracket", "oto"], it.class)
                && (it.is_exit() || it.kind == "trailing_stop")
        },
        RULE,
    ),
    (
        "one-cancels-other leaves, by limit",
        |it| it.class == "oco" && (!it.is_exit() || it.kind != "limit"),
        RULE,
    ),
    (
        "orders that fill at once or never are for the session",
        |it| {
            it.is_share()
                && Cell::is_any(&["ioc", "fok"], it.stay)
                && !Cell::is_any(&["session", "late"], it.hour)
        },
        RULE,
    ),
    (
        "trailing stops are for the day or until canceled",
        |it| it.kind == "trailing_stop" && !Cell::is_any(&["day", "gtc"], it.stay),
        RULE,
    ),
    (
        "parts and dollars are not sold short",
        |it| it.is_share() && it.is_short_sale() && it.amount != "whole",
        RULE,
    ),
    // OrderType, TimeInForce and OrderClass of coins.
    (
        "coins by the market, by limit and by stop-limit",
        |it| !it.is_share() && Cell::is_any(&["stop", "trailing_stop"], it.kind),
        RULE,
    ),
    (
        "coins until canceled or at once",
        |it| !it.is_share() && !Cell::is_any(&["gtc", "ioc"], it.stay),
        RULE,
    ),
    ("coins have no legs", |it| !it.is_share() && it.class != "simple", RULE),
    ("coins are not sold short", |it| !it.is_share() && it.is_short_sale(), FORBIDDEN),
];

/// How a cell may be answered: by the rules that it breaks, whichever is looked at first.
fn expected(cell: Cell) -> BTreeSet<(u16, i64)> {
    let broken = RULES.iter().filter(|(_, is_broken, _)| is_broken(cell));
    let answers: BTreeSet<_> = broken.map(|(.., answer)| *answer).collect();
    if answers.is_empty() { BTreeSet::from([(200, 0)]) } else { answers }
}

/// Days of one thing at 100, around the hours.
fn listing(symbol: &str, class: AssetClass) -> Listing {
    let calendar = Calendar::of(class);
    let days = (1..=20).map(|day| jiff::civil::date(2024, 7, day));
    let bars = days.filter_map(|day| {
        let (open_time, close_time) = calendar.open_close(day)?;
        let hundred = "100".parse().unwrap();
        let (open, high, low, close) = (hundred, hundred, hundred, hundred);
        let volume = Volume::from_units(1_000_000).unwrap();
        Some(Bar { open_time, close_time, open, high, low, close, volume })
    });
    let (symbol, timeframe) = (symbol.parse().unwrap(), Timeframe::Day);
    let series = Series { symbol, class, timeframe, bars: bars.collect() };
    Listing::new(series, "a name".to_owned(), &[], &[])
}

/// Three accounts: one holds nothing, one is long of everything, one is short of the share.
async fn desks() -> Vec<Desk> {
    let listings = vec![listing(SHARE, AssetClass::Equity), listing(COIN, AssetClass::Crypto)];
    let from = "2024-07-09T08:00:00Z".parse().unwrap();
    let exchange = Exchange::new(Terms::default(), listings, from);
    let pairs = HELD.map(|(held, _)| KeyPair::given(&format!("PK{held}"), "hush").unwrap());
    let floor = Arc::new(Floor::new(exchange, pairs.to_vec(), Plan::default(), None));
    let setup = Setup { floor: Arc::clone(&floor), pace: Pace::Step, rate: None };
    let router = router(&setup);
    let desk = |keys| Desk { floor: Arc::clone(&floor), router: router.clone(), keys };
    let desks: Vec<Desk> = pairs.map(desk).into();
    desks[0].until("2024-07-09T15:00:00Z").await;
    for (desk, symbol, side) in [(1, SHARE, "buy"), (1, COIN, "buy"), (2, SHARE, "sell")] {
        let order = json!({"symbol": symbol, "qty": "10", "side": side, "type": "market",
                           "time_in_force": if symbol == COIN { "gtc" } else { "day" }});
        let (status, body) = desks[desk].order(order).await;
        assert_eq!(status, 200, "{body}");
    }
    desks
}

/// An answer: its status, its code and its words.
type Said = ((u16, i64), String);

/// What our client says of a body before it sends it, by what the broker says of the asset.
fn said_here(body: &Value, asset: &AssetFlags, now: Time, held: Qty) -> Said {
    let order: NewOrder = serde_json::from_value(body.clone()).unwrap();
    judged(admit(&order, asset, Moment::at(now), held))
}

/// A judgement, as it is answered.
fn judged(judged: Judged) -> Said {
    match judged {
        Ok(()) => ((200, 0), String::new()),
        Err(refusal) => ((refusal.status, refusal.code), refusal.message),
    }
}

/// What the exchange answers to a body.
async fn said_there(desk: &Desk, body: Value) -> Said {
    let (status, answer) = desk.order(body).await;
    if status == 200 {
        return judged(Ok(()));
    }
    let message = answer["message"].as_str().unwrap_or_default();
    ((status, answer["code"].as_i64().unwrap_or(0)), message.to_owned())
}

/// What the broker says of the share and of the coin.
async fn flags(desk: &Desk) -> [AssetFlags; 2] {
    let mut flags = Vec::new();
    for symbol in [SHARE, "BTC%2FUSD"] {
        let asset = desk.get(&format!("/v2/assets/{symbol}")).await;
        let asset: Asset = serde_json::from_value(asset).unwrap();
        flags.push(AssetFlags::from(&asset));
    }
    flags.try_into().unwrap()
}

#[tokio::test]
async fn every_cell_of_the_matrix_is_answered_alike_here_there_and_in_the_documents() {
    let desks = desks().await;
    let flags = flags(&desks[0]).await;
    let (mut taken, mut refused, mut wrong) = (0, 0, Vec::new());
    for (hour, at) in HOURS {
        desks[0].until(at).await;
        let before = desks[0].floor.with(|exchange| exchange.clone());
        for (desk, (held, qty)) in desks.iter().zip(HELD) {
            for cell in Cell::all(hour, held) {
                let (body, asset) = (cell.body(), &flags[usize::from(!cell.is_share())]);
                let here = said_here(&body, asset, at.parse().unwrap(), qty.parse().unwrap());
                let there = said_there(desk, body).await;
                if there.0.0 == 200 {
                    taken += 1;
                    desk.floor.with(|exchange| *exchange = before.clone());
                } else {
                    refused += 1;
                }
                let documents = expected(cell);
                if here != there || !documents.contains(&there.0) {
                    wrong.push(format!("{cell:?}: {here:?} here, {there:?} there, {documents:?}"));
                }
            }
        }
    }
    let shown: Vec<_> = wrong.iter().take(20).collect();
    assert!(wrong.is_empty(), "{} of {taken} + {refused}: {shown:#?}", wrong.len());
    assert!(taken > 1_000 && taken + refused == 43_200, "{taken} taken, {refused} refused");
}
