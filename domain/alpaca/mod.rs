//! What Alpaca says and is told, as data: the words of its two APIs and two streams, the rules of its
//! orders, and what each of its errors means.
//!
//! Written for the trading API 2.0.1 and the data API 1.1. Both sides use it: our client and the
//! local exchange that speaks the same. Numbers are read from their text, never by way of a float;
//! fields that are not known pass; a word that is not known is kept as it is and fails nothing.

pub mod account;
pub mod actions;
pub mod data;
pub mod number;
pub mod order;
pub mod ours;
pub mod rules;
pub mod stream;
pub mod trouble;
pub mod word;

pub use account::{
    Account, Activity, Asset, CalendarDay, CanceledOrder, Clock, ClosedPosition, Position,
};
pub use data::{
    Bar, BarsPage, LatestBars, LatestQuotes, LatestTrades, News, NewsPage, Quote, Trade,
};
pub use number::{Figure, Stamp};
pub use order::{NewOrder, Order, Replacement, StopLoss, TakeProfit};
pub use trouble::{ApiError, Ask, Remedy, Trouble};
pub use word::{
    AccountStatus, AssetStatus, GroupRole, OrderClass, OrderStatus, OrderType, PositionIntent,
    Side, TimeInForce, UpdateEvent, VenueClass,
};

/// The longest client order id, in characters.
pub const CLIENT_ORDER_ID_MAX: usize = 128;

/// Whether two spellings name one symbol: positions write `BTCUSD` where orders write `BTC/USD`.
pub fn is_same_symbol(one: &str, other: &str) -> bool {
    let letters = |text: &'_ str| text.bytes().filter(|&byte| byte != b'/').collect::<Vec<_>>();
    one == other || letters(one) == letters(other)
}

#[cfg(test)]
mod tests;
