//! Every rule alone, each at its edge.

use jiff::civil::date;

use super::*;
use crate::time::Time;

/// A trade and a standing that every rule of the market admits.
struct Case {
    rules: MarketRules,
    symbol: Symbol,
    name: Option<&'static str>,
    side: Side,
    qty: Qty,
    price: Option<Price>,
    stated: Option<Price>,
    at: DateTime,
    standing: Standing,
}

fn number<N: std::str::FromStr<Err = FixedError>>(text: &str) -> N {
    text.parse().unwrap()
}

impl Case {
    /// 100 shares at 10 on Monday 2031-03-03 at 10:30, with 10,000 in cash and 300 shares held.
    fn of(kind: MarketKind) -> Self {
        let symbol = match kind {
            MarketKind::Us | MarketKind::UsHourly => "AAA",
            MarketKind::Cn | MarketKind::CnHourly => "600001.SH",
            MarketKind::Crypto => "BTC-USDT",
        };
        Self {
            rules: MarketRules::foreign(kind, Bp::ZERO),
            symbol: Symbol::new(symbol).unwrap(),
            name: None,
            side: Side::Buy,
            qty: number("100"),
            price: Some(number("10")),
            stated: None,
            at: date(2031, 3, 3).at(10, 30, 0, 0),
            standing: Standing {
                cash: number("10000"),
                held: number("300"),
                bought_today: Qty::ZERO,
                is_open: true,
                previous_close: None,
            },
        }
    }

    fn sells(mut self, qty: &str) -> Self {
        (self.side, self.qty) = (Side::Sell, number(qty));
        self
    }

    fn buys(mut self, qty: &str) -> Self {
        self.qty = number(qty);
        self
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn ask(&self) -> Result<Money, Refusal> {
        let wanted = Wanted {
            symbol: &self.symbol,
            side: self.side,
            qty: self.qty,
            price: self.price,
            stated: self.stated,
            at: self.at,
            name: self.name,
        };
        self.rules.admit(&wanted, &self.standing)
    }

    fn refused(&self) -> Option<Refusal> {
        self.ask().err()
    }
}

use MarketKind::{Cn, CnHourly, Crypto, Us, UsHourly};

#[test]
fn a_plain_trade_is_admitted_in_every_market() {
    for kind in MarketKind::ALL {
        assert_eq!(Case::of(kind).ask(), Ok(Money::ZERO), "{kind}");
        assert_eq!(Case::of(kind).sells("100").ask(), Ok(Money::ZERO), "{kind}");
    }
}

#[test]
fn a_quantity_is_positive_whole_and_a_lot() {
    let refused = |kind, qty: &str| Case::of(kind).buys(qty).refused();
    for kind in MarketKind::ALL {
        assert_eq!(refused(kind, "0"), Some(Refusal::Quantity), "{kind}");
        assert_eq!(refused(kind, "-100"), Some(Refusal::Quantity), "{kind}");
    }
    assert_eq!(refused(Us, "1"), None);
    assert_eq!(refused(Us, "1.5"), Some(Refusal::Fraction));
    assert_eq!(refused(Cn, "99"), Some(Refusal::Lot));
    assert_eq!(refused(Cn, "100.5"), Some(Refusal::Fraction));
    assert_eq!(refused(Cn, "150"), Some(Refusal::Lot));
    assert_eq!(refused(Crypto, "0.0001"), None);
    let ours = |case: &mut Case| case.rules.lot = MarketRules::of(Crypto).lot;
    let finer = Case::of(Crypto).buys("0.00011").with(ours);
    assert_eq!(finer.refused(), Some(Refusal::Fraction));
    // A book from elsewhere may have traded finer parts.
    assert_eq!(refused(Crypto, "0.00011"), None);
}

#[test]
fn an_odd_rest_is_sold_whole_or_not_at_all() {
    let odd = |qty: &str| {
        let case = Case::of(Cn).sells(qty);
        case.with(|case| case.standing.held = number("150")).refused()
    };
    assert_eq!(odd("150"), None);
    assert_eq!(odd("100"), None);
    assert_eq!(odd("50"), Some(Refusal::Lot));
    // What is no rest is no rest of anything: it is odd before it is too much.
    assert_eq!(odd("151"), Some(Refusal::Lot));
}

#[test]
fn a_market_is_open_in_its_hours_only() {
    let at = |kind, day: jiff::civil::Date, hour, minute| {
        let case = Case::of(kind).with(|case| case.at = day.at(hour, minute, 0, 0));
        case.refused() != Some(Refusal::Session)
    };
    let (monday, saturday) = (date(2031, 3, 3), date(2031, 3, 1));
    let (christmas, black_friday) = (date(2031, 12, 25), date(2031, 11, 28));
    assert!(at(Us, monday, 0, 0) && !at(Us, saturday, 10, 0) && !at(Us, christmas, 10, 0));
    assert!(!at(UsHourly, monday, 9, 29) && at(UsHourly, monday, 9, 30));
    assert!(at(UsHourly, monday, 15, 59) && !at(UsHourly, monday, 16, 0));
    assert!(at(UsHourly, black_friday, 12, 0) && !at(UsHourly, black_friday, 13, 0));
    assert!(at(Cn, monday, 0, 0) && !at(Cn, saturday, 0, 0) && at(Cn, christmas, 0, 0));
    for (hour, minute, open) in
        [(9, 29, false), (9, 30, true), (11, 30, true), (11, 31, false), (13, 0, true)]
    {
        assert_eq!(at(CnHourly, monday, hour, minute), open, "{hour}:{minute}");
    }
    assert!(at(CnHourly, monday, 15, 0) && !at(CnHourly, monday, 15, 1));
    assert!(at(Crypto, saturday, 3, 0));
    let holiday = Case::of(Cn).with(|case| case.standing.is_open = false);
    assert_eq!(holiday.refused(), Some(Refusal::Session));
}

#[test]
fn a_trade_needs_the_markets_price_and_no_other() {
    assert_eq!(Case::of(Us).with(|case| case.price = None).refused(), Some(Refusal::NoPrice));
    let stated = |text: &str| Case::of(Us).with(|case| case.stated = Some(number(text))).refused();
    assert_eq!(stated("10.0"), None);
    assert_eq!(stated("10.00000001"), Some(Refusal::Price));
    let free = Case::of(Us).with(|case| case.price = Some(Price::ZERO));
    assert_eq!(free.refused(), Some(Refusal::Price));
}

#[test]
fn a_days_prices_stay_within_their_limits() {
    let asks = |symbol: &str, name, side, price: &str| {
        let case = Case::of(Cn).with(|case| {
            case.symbol = Symbol::new(symbol).unwrap();
            case.name = name;
            case.side = side;
            case.price = Some(number(price));
            case.standing.previous_close = Some(number("10.00"));
        });
        case.refused()
    };
    let (buy, sell, stuck) = (Side::Buy, Side::Sell, Some(Refusal::PriceLimit));
    for (symbol, name, up, down) in [
        ("600001.SH", None, "11", "9"),
        ("688001.SH", None, "12", "8"),
        ("301001.SZ", Some("*ST Two"), "12", "8"),
        ("830001.BJ", None, "13", "7"),
        ("600001.SH", Some("ST One"), "10.5", "9.5"),
        ("600001.SH", Some("*ST One"), "10.5", "9.5"),
        ("600001.SH", Some("BEST One"), "11", "9"),
    ] {
        assert_eq!(asks(symbol, name, buy, up), stuck, "{symbol} {name:?}");
        assert_eq!(asks(symbol, name, sell, up), None, "{symbol} {name:?}");
        assert_eq!(asks(symbol, name, buy, down), None, "{symbol} {name:?}");
        assert_eq!(asks(symbol, name, sell, down), stuck, "{symbol} {name:?}");
    }
    assert_eq!(asks("600001.SH", None, buy, "10.99"), None);
    assert_eq!(asks("600001.SH", None, sell, "11.01"), stuck);
    assert_eq!(asks("600001.SH", None, buy, "8.99"), stuck);
}

#[test]
fn a_limit_is_rounded_half_up_and_never_leaves_the_range() {
    let symbol = Symbol::new("600001.SH").unwrap();
    let bounds = |close: &str| limit::bounds(&symbol, None, number(close));
    assert_eq!(bounds("10.05"), (number("9.05"), number("11.06")));
    assert_eq!(bounds("0.01"), (number("0.01"), number("0.01")));
    let (down, up) = limit::bounds(&symbol, None, Price::from_raw(i64::MAX));
    assert!(down < up && up == Price::from_raw(i64::MAX));
}

#[test]
fn cash_pays_for_a_trade_and_its_fee() {
    assert_eq!(Case::of(Us).buys("1000").refused(), None);
    assert_eq!(Case::of(Us).buys("1001").refused(), Some(Refusal::Cash));
    let charged = |qty| {
        Case::of(Us).buys(qty).with(|case| case.rules = MarketRules::foreign(Us, Bp::whole(10)))
    };
    assert_eq!(charged("1000").refused(), Some(Refusal::Cash));
    assert_eq!(charged("900").ask(), Ok(number("9")));
    let huge = Case::of(Us).buys("9000000000").with(|case| case.price = Some(number("10000000")));
    assert_eq!(huge.refused(), Some(Refusal::Cash));
    // A debt that is there already hinders no sale.
    let owing = Case::of(Us).sells("1").with(|case| case.standing.cash = number("-5000"));
    assert_eq!(owing.refused(), None);
}

#[test]
fn a_sale_that_costs_more_than_it_brings_is_paid_out_of_cash() {
    let tiny = |cash: &str| {
        let case = Case::of(Us).sells("1").with(|case| {
            case.rules.fees.least = number("11");
            case.standing.cash = number(cash);
        });
        case.ask()
    };
    assert_eq!(tiny("1"), Ok(number("11")));
    assert_eq!(tiny("0.99"), Err(Refusal::Cash));
}

#[test]
fn nothing_is_sold_that_is_not_held_unless_shorts_are_permitted() {
    assert_eq!(Case::of(Us).sells("300").refused(), None);
    assert_eq!(Case::of(Us).sells("301").refused(), Some(Refusal::Position));
    let short = Case::of(Us).sells("301").with(|case| case.rules.shorts = true);
    assert_eq!(short.refused(), None);
}

#[test]
fn what_was_bought_today_is_sold_from_tomorrow_on() {
    let bought = |kind, qty| {
        Case::of(kind).sells(qty).with(|case| case.standing.bought_today = number("200"))
    };
    for kind in [Cn, CnHourly] {
        assert_eq!(bought(kind, "100").refused(), None, "{kind}");
        assert_eq!(bought(kind, "200").refused(), Some(Refusal::TPlusOne), "{kind}");
        assert_eq!(bought(kind, "300").refused(), Some(Refusal::TPlusOne), "{kind}");
    }
    for kind in [Us, UsHourly, Crypto] {
        assert_eq!(bought(kind, "300").refused(), None, "{kind}");
    }
}

#[test]
fn the_first_rule_in_the_order_of_the_list_is_the_one_that_counts() {
    // Everything is wrong at once, and is mended one rule after the other.
    let mut case = Case::of(Cn).sells("0").with(|case| {
        case.standing = Standing {
            cash: number("-1000"),
            held: number("100"),
            bought_today: number("100"),
            is_open: false,
            previous_close: Some(number("20")),
        };
        case.rules.fees.least = number("5000");
        (case.price, case.stated) = (None, Some(number("3")));
    });
    let mut seen = vec![case.refused()];
    let steps: [fn(&mut Case); 10] = [
        |case| case.qty = number("0.5"),
        |case| case.qty = number("150"),
        |case| case.qty = number("200"),
        |case| case.standing.is_open = true,
        |case| case.price = Some(number("10")),
        |case| case.stated = None,
        |case| case.standing.previous_close = Some(number("10")),
        |case| case.rules.fees = Fees::NONE,
        |case| case.qty = number("100"),
        |case| case.standing.bought_today = Qty::ZERO,
    ];
    for step in steps {
        step(&mut case);
        seen.push(case.refused());
    }
    let expected: Vec<Option<Refusal>> = Refusal::ALL[..10].iter().copied().map(Some).collect();
    assert_eq!(seen[..10], expected);
    assert_eq!(seen[10], None);
}

#[test]
fn fees_are_a_share_with_a_floor_and_a_fixed_part() {
    let mut fees = MarketRules::of(Cn).fees;
    assert_eq!(fees.of(Side::Buy, number("10000")), Ok(number("5")));
    assert_eq!(fees.of(Side::Buy, number("100000")), Ok(number("25")));
    assert_eq!(fees.of(Side::Sell, number("100000")), Ok(number("75")));
    fees.per_trade = number("1.5");
    assert_eq!(fees.of(Side::Sell, number("100000")), Ok(number("76.5")));
    assert_eq!(Fees::NONE.of(Side::Sell, number("100000")), Ok(Money::ZERO));
}

#[test]
fn a_quantity_is_cut_to_the_lot_towards_zero() {
    let cut = |lot: Lot, text: &str| lot.cut(number(text)).to_string();
    assert_eq!(cut(Lot::Whole(100), "299.9"), "200");
    assert_eq!(cut(Lot::Whole(1), "-2.5"), "-2");
    assert_eq!(cut(Lot::Fraction { places: 4 }, "0.12349"), "0.1234");
    // Steps that cannot be are the nearest that can.
    assert_eq!(cut(Lot::Whole(0), "7.5"), "7");
    assert_eq!(cut(Lot::Fraction { places: 40 }, "0.000000001"), "0.000000001");
}

#[test]
fn a_market_has_its_own_clocks() {
    let time: Time = "2031-07-01T13:45:00Z".parse().unwrap();
    let shown = [(UsHourly, "09:45"), (CnHourly, "21:45"), (Crypto, "13:45")];
    for (kind, clock) in shown {
        let civil = kind.civil(time);
        assert_eq!(civil.to_string(), format!("2031-07-01T{clock}:00"), "{kind}");
        assert_eq!(kind.time_of(civil), Some(time), "{kind}");
    }
    let late: Time = "2031-07-01T16:30:00Z".parse().unwrap();
    assert_eq!(Cn.day_of(late), date(2031, 7, 2));
    assert_eq!(Us.day_of(late), date(2031, 7, 1));
    assert_eq!(Cn.time_of(jiff::civil::DateTime::MIN), None);
}

#[test]
fn a_symbol_shows_which_market_it_cannot_be_of() {
    for (symbol, fits) in [
        ("AAPL", [true, false, false]),
        ("BRK.B", [true, false, false]),
        ("600519.SH", [false, true, false]),
        ("000001.SZ", [false, true, false]),
        ("60051.SH", [false, false, false]),
        ("BTC-USDT", [false, false, true]),
        ("BTC/USD", [false, false, true]),
    ] {
        let symbol = Symbol::new(symbol).unwrap();
        assert_eq!([Us, Cn, Crypto].map(|kind| kind.fits(&symbol)), fits, "{symbol}");
    }
}

#[test]
fn words_read_back_and_are_the_catalogues() {
    for kind in MarketKind::ALL {
        assert_eq!(kind.name().parse(), Ok(kind));
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
    }
    assert!("US".parse::<MarketKind>().is_err());
    for refusal in Refusal::ALL {
        assert_eq!(serde_json::to_value(refusal).unwrap(), refusal.as_str());
        assert_eq!(refusal.code().as_str(), format!("arena.{refusal}"));
    }
}

#[test]
fn the_text_and_the_hash_follow_every_rule() {
    let rules: Vec<MarketRules> = MarketKind::ALL.into_iter().map(MarketRules::of).collect();
    let hashes: std::collections::BTreeSet<Digest> = rules.iter().map(MarketRules::hash).collect();
    assert_eq!(hashes.len(), rules.len());
    let cn = MarketRules::of(Cn);
    let text = cn.text().join("\n");
    for part in ["multiples of 100", "T+1", "Price limits", "0.025 %", "0.075 %", "at least 5 CNY"]
    {
        assert!(text.contains(part), "{part} in {text}");
    }
    let changes: [fn(&mut MarketRules); 4] = [
        |rules| rules.shorts = true,
        |rules| rules.fees.per_trade = number("1"),
        |rules| rules.slippage = Bp::whole(7),
        |rules| rules.lot = Lot::Whole(10),
    ];
    for change in changes {
        let mut other = cn.clone();
        change(&mut other);
        assert!(other.hash() != cn.hash() && other.text() != cn.text(), "{other:?}");
    }
}
