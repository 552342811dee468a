//! What each market permits: lots, settlement, price limits, sessions and costs.
//!
//! [`MarketRules::admit`] is the one judge: of what a contestant wants, and of what a book from
//! elsewhere says was done. What a contestant is told ([`MarketRules::text`]) is made from the same
//! values that judge, and [`MarketRules::hash`] names them on every board.
//!
//! The rules are the arena's: where an exchange's own are finer (the 200 shares that STAR asks for at
//! least, ticks, halts, the first days of a listing) they are named in `text` or left out, not guessed.

mod kind;
mod limit;
mod session;

#[cfg(test)]
mod tests;

use std::fmt;

use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};

pub use kind::{KindError, MarketKind};

use crate::code::Code;
use crate::fixed::{Bp, FixedError, Money, Price, Qty, notional};
use crate::market::symbol::Symbol;
use crate::order::Side;
use crate::record::Digest;

/// In what steps a market trades.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lot {
    /// Whole units, in multiples of so many (at least one).
    Whole(i64),
    /// Parts of a unit with at most so many places after the point (at most nine).
    Fraction {
        /// Places after the point.
        places: u32,
    },
}

impl Lot {
    /// The smallest quantity that may be traded, which all others are multiples of.
    pub fn step(self) -> Qty {
        match self {
            Self::Whole(multiple) => {
                Qty::from_raw(multiple.clamp(1, i64::MAX / Qty::SCALE) * Qty::SCALE)
            }
            Self::Fraction { places } => Qty::from_raw(Qty::SCALE / 10_i64.pow(places.min(9))),
        }
    }

    /// The largest tradable quantity that is not above `qty`, towards zero.
    #[must_use]
    pub fn cut(self, qty: Qty) -> Qty {
        Qty::from_raw(qty.raw() - qty.raw() % self.step().raw())
    }
}

/// When what was bought may be sold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Settle {
    /// At once.
    SameDay,
    /// From the market's next day on (T+1).
    NextDay,
}

/// What a trade costs beside its price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fees {
    /// For each trade, whatever its value.
    pub per_trade: Money,
    /// Share of the value of a purchase.
    pub buy: Bp,
    /// Share of the value of a sale.
    pub sell: Bp,
    /// What the share comes to at least.
    pub least: Money,
}

impl Fees {
    /// Nothing at all: most books from elsewhere.
    pub const NONE: Self = Self::flat(Bp::ZERO);

    /// The same share of every trade's value, and nothing else.
    pub const fn flat(fee: Bp) -> Self {
        Self { per_trade: Money::ZERO, buy: fee, sell: fee, least: Money::ZERO }
    }

    /// The fee of one trade of this value, rounded up.
    ///
    /// # Errors
    /// On overflow of [`Money`].
    pub fn of(&self, side: Side, value: Money) -> Result<Money, FixedError> {
        let share = match side {
            Side::Buy => self.buy,
            Side::Sell => self.sell,
        };
        self.per_trade.plus(share.fee_on(value)?.max(self.least))
    }
}

/// The rules of one market.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarketRules {
    /// Which market.
    pub kind: MarketKind,
    /// In what steps it trades.
    pub lot: Lot,
    /// When what was bought may be sold.
    pub settle: Settle,
    /// Whether a day's prices are limited around the former close.
    pub limits: bool,
    /// Whether more may be sold than is held.
    pub shorts: bool,
    /// What a trade costs.
    pub fees: Fees,
    /// How much worse than the bar's price a fill is.
    pub slippage: Bp,
    /// Places to which the market's own books round cash and holdings; `None` for exact ones.
    pub digits: Option<u32>,
}

/// A trade that is wanted, or that a book says was made.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// What is traded.
    pub symbol: &'a Symbol,
    /// Bought or sold.
    pub side: Side,
    /// How much, without a sign.
    pub qty: Qty,
    /// The market's price at that moment; `None` where it has none.
    pub price: Option<Price>,
    /// The price that the trade itself names, if it does; it must be the market's.
    pub stated: Option<Price>,
    /// When, on the market's own clocks ([`MarketKind::civil`]).
    pub at: DateTime,
    /// The symbol's name, which may say that it is under special treatment (ST).
    pub name: Option<&'a str>,
}

/// Where an account stands before a trade.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Its cash.
    pub cash: Money,
    /// What it holds of the symbol; negative is short.
    pub held: Qty,
    /// How much of that was bought on this day of the market.
    pub bought_today: Qty,
    /// Whether the market's data have this day at all; asked only where no calendar is shipped
    /// (Shanghai).
    pub is_open: bool,
    /// The symbol's last close on an earlier day, if there is one.
    pub previous_close: Option<Price>,
}

/// Why a trade is none under the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// Nothing, or less, is traded.
    Quantity,
    /// A part of a unit, or more places than are traded.
    Fraction,
    /// No multiple of the lot, and not all that is left.
    Lot,
    /// The market is closed.
    Session,
    /// The market has no price.
    NoPrice,
    /// The price named is not the market's.
    Price,
    /// Beyond the day's limit, or at it on the side that finds nobody.
    PriceLimit,
    /// The cash does not pay for it.
    Cash,
    /// More is sold than is held.
    Position,
    /// What is sold was bought on the same day.
    #[serde(rename = "t_plus_1")]
    TPlusOne,
    /// The leverage is outside its bounds.
    Leverage,
    /// It ends before it begins, or has no time.
    Time,
}

impl Refusal {
    /// Every refusal, in the order in which the rules are asked.
    pub const ALL: [Self; 12] = [
        Self::Quantity,
        Self::Fraction,
        Self::Lot,
        Self::Session,
        Self::NoPrice,
        Self::Price,
        Self::PriceLimit,
        Self::Cash,
        Self::Position,
        Self::TPlusOne,
        Self::Leverage,
        Self::Time,
    ];

    /// The word in reports: `quantity`, …, `t_plus_1`, `leverage`, `time`.
    pub fn as_str(self) -> &'static str {
        let code = self.code().as_str();
        code.strip_prefix("arena.").unwrap_or(code)
    }

    /// The catalogue's code, with cause and remedy.
    pub const fn code(self) -> Code {
        match self {
            Self::Quantity => Code::ArenaQuantity,
            Self::Fraction => Code::ArenaFraction,
            Self::Lot => Code::ArenaLot,
            Self::Session => Code::ArenaSession,
            Self::NoPrice => Code::ArenaNoPrice,
            Self::Price => Code::ArenaPrice,
            Self::PriceLimit => Code::ArenaPriceLimit,
            Self::Cash => Code::ArenaCash,
            Self::Position => Code::ArenaPosition,
            Self::TPlusOne => Code::ArenaTPlusOne,
            Self::Leverage => Code::ArenaLeverage,
            Self::Time => Code::ArenaTime,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl MarketRules {
    /// The arena's rules of a market. Costs are those of an ordinary retail account, rounded to what
    /// matters: US shares trade without commission; A-shares pay 2.5 bp, 5 yuan at least, and 5 bp of
    /// stamp duty on sales; coins pay a taker's 10 bp. Slippage is the council's own (`costs`).
    pub const fn of(kind: MarketKind) -> Self {
        let (lot, settle, limits) = match kind {
            MarketKind::Us | MarketKind::UsHourly => (Lot::Whole(1), Settle::SameDay, false),
            MarketKind::Cn | MarketKind::CnHourly => (Lot::Whole(100), Settle::NextDay, true),
            MarketKind::Crypto => (Lot::Fraction { places: 4 }, Settle::SameDay, false),
        };
        let (fees, slippage, digits) = match kind {
            MarketKind::Us | MarketKind::UsHourly => (Fees::NONE, Bp::whole(5), None),
            MarketKind::Cn | MarketKind::CnHourly => {
                let (buy, sell) = (Bp::hundredths(250), Bp::hundredths(750));
                let least = Money::from_raw(5 * Money::SCALE);
                (Fees { per_trade: Money::ZERO, buy, sell, least }, Bp::whole(5), None)
            }
            MarketKind::Crypto => (Fees::flat(Bp::whole(10)), Bp::whole(25), Some(4)),
        };
        Self { kind, lot, settle, limits, shorts: false, fees, slippage, digits }
    }

    /// The same market for a book that somebody else has kept: its costs are what its keeper charged, and
    /// where parts of a unit are traded at all they are as small as its keeper wrote them.
    pub const fn foreign(kind: MarketKind, fee: Bp) -> Self {
        let ours = Self::of(kind);
        let lot = match ours.lot {
            Lot::Whole(_) => ours.lot,
            Lot::Fraction { .. } => Lot::Fraction { places: 9 },
        };
        Self { lot, fees: Fees::flat(fee), slippage: Bp::ZERO, ..ours }
    }

    /// Whether a trade may be made, and what it costs beside its value.
    ///
    /// # Errors
    /// The first rule against it, in the order of [`Refusal::ALL`].
    pub fn admit(&self, wanted: &Wanted<'_>, standing: &Standing) -> Result<Money, Refusal> {
        self.admit_quantity(wanted, standing)?;
        if !session::is_open(self.kind, wanted.at, standing.is_open) {
            return Err(Refusal::Session);
        }
        let price = wanted.price.ok_or(Refusal::NoPrice)?;
        if price <= Price::ZERO || wanted.stated.is_some_and(|stated| stated != price) {
            return Err(Refusal::Price);
        }
        if let Some(previous) = standing.previous_close.filter(|_| self.limits) {
            let (down, up) = limit::bounds(wanted.symbol, wanted.name, previous);
            let is_stuck = match wanted.side {
                Side::Buy => price >= up,
                Side::Sell => price <= down,
            };
            if is_stuck || price > up || price < down {
                return Err(Refusal::PriceLimit);
            }
        }
        let fee = self.pay(wanted, standing, price)?;
        if wanted.side == Side::Sell {
            self.admit_sale(wanted.qty, standing)?;
        }
        Ok(fee)
    }

    fn admit_quantity(&self, wanted: &Wanted<'_>, standing: &Standing) -> Result<(), Refusal> {
        let qty = wanted.qty;
        if qty <= Qty::ZERO {
            return Err(Refusal::Quantity);
        }
        let is_whole = qty.raw() % Qty::SCALE == 0;
        let is_multiple = self.lot.cut(qty) == qty;
        // The odd rest of a position may go, but only all of it.
        let is_rest = wanted.side == Side::Sell && qty == standing.held;
        match self.lot {
            Lot::Whole(_) if !is_whole => Err(Refusal::Fraction),
            Lot::Fraction { .. } if !is_multiple && !is_rest => Err(Refusal::Fraction),
            Lot::Whole(_) if !is_multiple && !is_rest => Err(Refusal::Lot),
            Lot::Whole(_) | Lot::Fraction { .. } => Ok(()),
        }
    }

    /// The fee, where the cash suffices. A sale that costs more than it brings is paid out of cash too.
    fn pay(
        &self,
        wanted: &Wanted<'_>,
        standing: &Standing,
        price: Price,
    ) -> Result<Money, Refusal> {
        // What no account can hold, none can pay.
        let out = |_: FixedError| Refusal::Cash;
        let value = notional(price, wanted.qty).map_err(out)?;
        let fee = self.fees.of(wanted.side, value).map_err(out)?;
        let change = match wanted.side {
            Side::Buy => value.negated().minus(fee),
            Side::Sell => value.minus(fee),
        };
        let change = change.map_err(out)?;
        let after = standing.cash.plus(change).map_err(out)?;
        if change < Money::ZERO && after < Money::ZERO {
            return Err(Refusal::Cash);
        }
        Ok(fee)
    }

    fn admit_sale(&self, qty: Qty, standing: &Standing) -> Result<(), Refusal> {
        if qty > standing.held && !self.shorts {
            return Err(Refusal::Position);
        }
        let held = standing.held.max(Qty::ZERO);
        let free = held.minus(standing.bought_today).unwrap_or(Qty::ZERO);
        if self.settle == Settle::NextDay && qty.min(held) > free {
            return Err(Refusal::TPlusOne);
        }
        Ok(())
    }

    /// The rules in sentences, for prompts and for people.
    pub fn text(&self) -> Vec<String> {
        let mut text = vec![match self.lot {
            Lot::Whole(1) => "Whole shares only.".to_owned(),
            Lot::Whole(multiple) => format!(
                "Whole shares in multiples of {multiple}; a sale of all that is held may be odd. The 200 \
                 shares that STAR asks for at least are not applied."
            ),
            Lot::Fraction { places } => {
                format!("Parts of a coin, with at most {places} places after the point.")
            }
        }];
        text.push(session::text(self.kind).to_owned());
        text.push(match self.settle {
            Settle::SameDay => "What was bought may be sold at once.".to_owned(),
            Settle::NextDay => {
                "T+1: what was bought today may be sold from the market's next day on.".to_owned()
            }
        });
        if self.limits {
            text.push(limit::text());
        }
        text.push(if self.shorts {
            "More may be sold than is held (short).".to_owned()
        } else {
            "Long only: nothing is sold that is not held.".to_owned()
        });
        text.push(
            "Nothing is bought on credit: cash stays at zero or above, fees included.".into(),
        );
        text.push(self.fees_text());
        text.push(format!("A fill is {} worse than the bar's price.", percent(self.slippage)));
        text
    }

    fn fees_text(&self) -> String {
        let Fees { per_trade, buy, sell, least } = self.fees;
        let currency = self.kind.currency();
        if self.fees == Fees::NONE {
            return "No fees.".to_owned();
        }
        let mut parts = vec![if buy == sell {
            format!("Fees: {} of the value of every trade", percent(buy))
        } else {
            format!("Fees: {} of a purchase, {} of a sale", percent(buy), percent(sell))
        }];
        if !least.is_zero() {
            parts.push(format!("at least {least} {currency}"));
        }
        if !per_trade.is_zero() {
            parts.push(format!("and {per_trade} {currency} for each trade"));
        }
        parts.push("rounded up.".to_owned());
        parts.join(", ")
    }

    /// BLAKE3 of the rules as JSON: two seasons under one hash were judged alike.
    pub fn hash(&self) -> Digest {
        // Plain words and whole numbers: there is no way to fail, and nothing would be its own hash.
        Digest::of(&serde_json::to_vec(self).unwrap_or_default())
    }
}

/// A share in percent, exact: `0.05 %`.
fn percent(share: Bp) -> String {
    let decimal = rust_decimal::Decimal::new(i64::from(share.as_hundredths()), 4);
    format!("{} %", decimal.normalize())
}
