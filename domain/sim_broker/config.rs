//! What the simulated broker charges and how well it fills.

use serde::{Deserialize, Serialize};

use crate::faults::FaultSource;
use crate::fixed::{Bp, FixedError, Money, Price};
use crate::market::symbol::AssetClass;
use crate::order::Side;
use crate::ratio::Ratio;

/// When a market order fills that was made at a bar's close.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FillAt {
    /// At the open of the symbol's next bar.
    #[default]
    NextOpen,
    /// At that close.
    Close,
}

impl FillAt {
    /// The word on the command line and in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NextOpen => "next-open",
            Self::Close => "close",
        }
    }
}

/// Terms of the simulated broker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SimConfig {
    /// When market orders fill.
    pub fill_at: FillAt,
    /// Fee of an order, charged with its first fill.
    pub fee_per_trade: Money,
    /// Fee on the value of each fill, rounded up.
    pub fee: Bp,
    /// By how much market and stop orders fill worse: shares.
    pub slippage: Bp,
    /// By how much market and stop orders fill worse: coins.
    pub crypto_slippage: Bp,
    /// Largest share of a bar's volume that one order may take of it, 0 to 1; `None`: all it wants.
    pub volume_share: Option<Ratio>,
    /// Bars that an order is on its way.
    pub delay_bars: u32,
    /// Probability, 0 to 1, that an order is rejected for no reason of ours. Drawn from `seed` and
    /// the order's id, so that it does not depend on the order of arrival.
    pub rejection: Ratio,
    /// Seed of the rejections.
    pub seed: u64,
    /// What goes wrong on request; nothing unless asked for.
    #[serde(default, skip_serializing_if = "FaultSource::is_off")]
    pub faults: FaultSource,
}

impl Default for SimConfig {
    /// $1 a trade, 5 bp of slippage (coins 25 bp), filled whole at the next open.
    fn default() -> Self {
        Self {
            fill_at: FillAt::NextOpen,
            fee_per_trade: Money::from_raw(Money::SCALE),
            fee: Bp::ZERO,
            slippage: Bp::whole(5),
            crypto_slippage: Bp::whole(25),
            volume_share: None,
            delay_bars: 0,
            rejection: Ratio::ZERO,
            seed: 0,
            faults: FaultSource::default(),
        }
    }
}

impl SimConfig {
    /// Terms that cost nothing but a fee on value: what a raw back-test is run on.
    pub fn raw(fill_at: FillAt, fee: Bp) -> Self {
        Self {
            fill_at,
            fee,
            fee_per_trade: Money::ZERO,
            slippage: Bp::ZERO,
            crypto_slippage: Bp::ZERO,
            ..Self::default()
        }
    }

    /// A price as a market order gets it: moved against the one who pays it.
    ///
    /// # Errors
    /// On overflow.
    pub fn slipped(
        &self,
        price: Price,
        side: Side,
        class: AssetClass,
    ) -> Result<Price, FixedError> {
        let slippage = match class {
            AssetClass::Equity => self.slippage,
            AssetClass::Crypto => self.crypto_slippage,
        };
        if slippage == Bp::ZERO {
            return Ok(price);
        }
        let moved = slippage.move_price(price, side == Side::Buy)?;
        // A share of nothing is still sold for something.
        Ok(moved.max(Price::from_raw(1)))
    }

    /// The fee of an order's fill of this value; `first` is its first fill.
    ///
    /// # Errors
    /// On overflow.
    pub fn fee_of(&self, value: Money, first: bool) -> Result<Money, FixedError> {
        let share = self.fee.fee_on(value)?;
        if first { share.plus(self.fee_per_trade) } else { Ok(share) }
    }

    /// The most whole units whose value and fee, at this price, `money` pays for.
    pub fn affordable(&self, money: Money, price: Price) -> i64 {
        // value + ⌈value × fee⌉ ≤ money is value × (1 + fee) ≤ money, because money is whole steps.
        let million = 1_000_000_i128;
        let left = i128::from(money.raw()) - i128::from(self.fee_per_trade.raw());
        let each = i128::from(price.raw()) * (million + i128::from(self.fee.as_hundredths()));
        if left <= 0 || each <= 0 {
            return 0;
        }
        i64::try_from(left * million / each).unwrap_or(i64::MAX)
    }
}
