//! What the simulated broker does not take.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use super::SimBroker;
use crate::code::Code;
use crate::fixed::FixedError;
use crate::market::symbol::AssetClass;
use crate::order::{ClientOrderId, OrderIntent, Side};

impl SimBroker {
    /// Why the broker does not take an order.
    pub(super) fn objection(
        &self,
        intent: &OrderIntent,
    ) -> Result<Option<(Code, &'static str)>, FixedError> {
        let Some(asset) = self.assets.get(&intent.symbol) else {
            return Ok(Some((Code::BrokerRejected, "the symbol is not listed")));
        };
        if intent.qty.raw() <= 0 {
            return Ok(Some((Code::BrokerRejected, "the quantity is not positive")));
        }
        let held = self.book.position(&intent.symbol).map_or(0, |held| held.signed_qty().raw());
        let short = intent.side == Side::Sell && held < intent.qty.raw();
        if asset.class == AssetClass::Crypto && short {
            return Ok(Some((Code::BrokerRejected, "a coin cannot be sold short")));
        }
        if self.is_unlucky(&intent.client_order_id) {
            return Ok(Some((Code::BrokerRejected, "rejected by chance, as configured")));
        }
        let short_of_funds = self.lacks_funds(intent, intent.qty, intent.reference, true)?;
        Ok(short_of_funds.then_some((Code::BrokerFunds, "the account cannot pay for the order")))
    }

    /// Whether chance rejects this order: the same for the same seed and id, whenever it comes.
    fn is_unlucky(&self, id: &ClientOrderId) -> bool {
        if self.config.rejection.get() <= 0.0 {
            return false;
        }
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.config.seed.to_le_bytes());
        hasher.update(id.as_str().as_bytes());
        let mut rng = ChaCha8Rng::from_seed(*hasher.finalize().as_bytes());
        #[expect(clippy::cast_precision_loss, reason = "53 bits are exact in a float")]
        let drawn = (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        drawn < self.config.rejection.get()
    }
}
