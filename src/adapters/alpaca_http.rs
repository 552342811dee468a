//! Alpaca over HTTP: questions that are asked again, orders that never are.
//!
//! # Invariants
//!
//! - O-2: one intent, at most one live order. An order leaves under its own id; where nobody knows
//!   what became of it, it is looked for by that id, adopted where it is found, and sent once more
//!   under the same id only where it is known not to exist. The venue takes an id once.
//!
//! Keys live in [`Keys`], whose debug output shows nothing; they leave in headers of requests to
//! addresses that they belong to, and are taken out of whatever comes back. What a failure means is
//! decided by `domain/alpaca/trouble.rs`.

mod error;
mod keys;
mod line;
mod orders;
mod pages;
mod patience;
mod rate;
mod reads;

pub use error::{AlpacaError, Failure};
pub use keys::{KEY_ID, Keys, SECRET_KEY, Venue};
pub use line::Leave;
use line::Line;
pub use orders::{Cancellation, Placed};
pub use pages::{BarsQuery, OrdersQuery};

use crate::config::AlpacaSettings;

/// Alpaca.
#[derive(Debug)]
pub struct Alpaca {
    trading: Line,
    data: Line,
    venue: Venue,
    settings: AlpacaSettings,
}

impl Alpaca {
    /// Makes ready to ask. Nothing leaves yet.
    ///
    /// # Errors
    /// When an address is not taken, or the keys do not belong to it.
    pub fn new(settings: AlpacaSettings, keys: &Keys) -> Result<Self, AlpacaError> {
        let trading = Line::new("alpaca.trading_url", &settings.trading_url, keys, &settings)?;
        let data = Line::new("alpaca.data_url", &settings.data_url, keys, &settings)?;
        Ok(Self { venue: trading.venue(), trading, data, settings })
    }

    /// Which money it trades.
    pub const fn venue(&self) -> Venue {
        self.venue
    }

    /// The address of trading, without secrets.
    pub fn address(&self) -> &str {
        &self.settings.trading_url
    }
}

#[cfg(test)]
mod tests;
