//! What changes something: orders, their replacement and cancellation, the closing of positions.

use std::time::Duration;

use conclave_domain::alpaca::rules;
use conclave_domain::alpaca::{
    Ask, CanceledOrder, ClosedPosition, NewOrder, Order, Remedy, Replacement, Trouble,
};
use conclave_domain::fixed::Qty;
use reqwest::Method;

use super::line::{Call, Leave};
use super::patience::Patience;
use super::{Alpaca, AlpacaError};

/// How long an order that nobody knows of is given to appear, before it is looked for once more.
const SETTLES: Duration = Duration::from_millis(500);

/// How long the replacement of an order is tried. The former stands meanwhile, and whoever wants it gone
/// waits behind this.
const REPLACES_WITHIN: Duration = Duration::from_secs(2);

/// What is asked again although nobody knows what became of it.
const AGAIN_TOO: &[Remedy] = &[Remedy::Retry, Remedy::WaitUntilReset, Remedy::Reconcile];

/// An order that the venue has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placed {
    /// It answered so.
    Taken(Box<Order>),
    /// It was found there under its own id: an answer was lost, or it was sent before.
    Adopted(Box<Order>),
}

impl Placed {
    /// The order.
    pub fn order(&self) -> &Order {
        match self {
            Self::Taken(order) | Self::Adopted(order) => order,
        }
    }

    fn adopted(order: Order) -> Self {
        Self::Adopted(Box::new(order))
    }
}

/// What became of the wish to cancel an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cancellation {
    /// The venue took it; whether the order is canceled or filled is told by the order.
    Asked,
    /// It is too late for it: this is the order now.
    TooLate(Box<Order>),
    /// The venue knows no such order.
    Unknown,
}

/// That nobody knows what became of an order, whatever was said last.
fn doubtful(call: &Call, error: AlpacaError) -> AlpacaError {
    if matches!(error.trouble(), Some(Trouble::Unknown { .. } | Trouble::Malformed)) {
        return error;
    }
    call.failed(Trouble::Unknown { status: 0 }, error.to_string())
}

impl Alpaca {
    /// Sends an order, and finds out what became of it.
    ///
    /// O-2: it is sent again only under the same id, and only where it is known not to be there.
    /// O-3: an entry that had to wait is asked about again before each attempt.
    ///
    /// # Errors
    /// When the order was refused, or nobody could be asked within the deadline; with
    /// [`Remedy::Reconcile`] it may exist all the same.
    pub async fn place(&self, order: &NewOrder, leave: Leave<'_>) -> Result<Placed, AlpacaError> {
        let id = order.client_order_id.as_deref().filter(|id| !id.is_empty());
        let id = id.ok_or(AlpacaError::NoId)?;
        rules::form(order).map_err(AlpacaError::Denied)?;
        let is_urgent = matches!(leave, Leave::Always);
        let call = Call::new(Ask::Place, Method::POST, &["v2", "orders"]).body(order)?;
        let within = self.settings.deadline;
        let call = call.urgent(is_urgent);
        self.send_once((&call, leave), (id, within), |found| found.is_what_was_asked(order)).await
    }

    /// Asks for an order's replacement, for two seconds at most. The answer is a new order; whether the
    /// old one is gone is told by the stream, or by asking for it.
    ///
    /// # Errors
    /// As [`Alpaca::place`]. [`Remedy::Reconcile`] says also that the order cannot be replaced any
    /// more, because it has become something else.
    pub async fn replace(&self, id: &str, change: &Replacement) -> Result<Placed, AlpacaError> {
        let new_id = change.client_order_id.as_deref().filter(|id| !id.is_empty());
        let new_id = new_id.ok_or(AlpacaError::NoId)?;
        let call = Call::one(Ask::Replace, Method::PATCH, &["v2", "orders"], id)?.body(change)?;
        let within = self.settings.deadline.min(REPLACES_WITHIN);
        let call = call.urgent(true);
        self.send_once((&call, Leave::Always), (new_id, within), |found| {
            found.replaces.as_deref() == Some(id)
        })
        .await
    }

    /// Sends what makes an order with this id, until it is there or refused.
    async fn send_once(
        &self,
        (call, leave): (&Call, Leave<'_>),
        (id, within): (&str, Duration),
        is_ours: impl Fn(&Order) -> bool,
    ) -> Result<Placed, AlpacaError> {
        let mut patience = Patience::new(within, &[id]);
        // Whether an earlier copy may still arrive: then no refusal of a later one says that there is
        // no order. It may be what the first copy took that the second is refused for.
        let mut in_doubt = false;
        loop {
            let sent = self.trading.once_if(call, patience.until, leave).await;
            let error = match sent.and_then(|reply| reply.read::<Order>(call)) {
                Ok(order) => return Ok(Placed::Taken(Box::new(order))),
                Err(error) => error,
            };
            let remedy = error.remedy();
            let was_refused = matches!(error.trouble(), Some(Trouble::NotPossible { .. }));
            in_doubt |= remedy == Remedy::Reconcile && !was_refused;
            let is_over = was_refused
                || !matches!(remedy, Remedy::Retry | Remedy::WaitUntilReset | Remedy::Reconcile);
            let may_be_there = in_doubt || was_refused || remedy == Remedy::AdoptOrFix;
            if may_be_there {
                match self.find_settled(id, &is_ours, in_doubt, &mut patience).await {
                    Ok(Some(order)) => return Ok(Placed::adopted(order)),
                    Ok(None) => {}
                    Err(conflict @ AlpacaError::Conflict { .. }) => return Err(conflict),
                    // Whether it is there is not known, so it must not be told to be refused.
                    Err(_) => return Err(doubtful(call, error)),
                }
            }
            if is_over {
                return Err(error);
            }
            // It is not there, so it may be sent again: the venue takes its id once.
            if !patience.again(remedy, &self.trading.rate).await {
                return Err(if in_doubt { doubtful(call, error) } else { error });
            }
            tracing::warn!(error = %error, order = id, "sent again under its id");
        }
    }

    /// Looks for an order; twice where it may be on its way, which may need a moment.
    async fn find_settled(
        &self,
        id: &str,
        is_ours: &impl Fn(&Order) -> bool,
        on_its_way: bool,
        patience: &mut Patience,
    ) -> Result<Option<Order>, AlpacaError> {
        let found = self.find(id, is_ours, patience).await?;
        if found.is_some() || !on_its_way {
            return Ok(found);
        }
        tokio::time::sleep(SETTLES).await;
        self.find(id, is_ours, patience).await
    }

    async fn find(
        &self,
        id: &str,
        is_ours: &impl Fn(&Order) -> bool,
        patience: &mut Patience,
    ) -> Result<Option<Order>, AlpacaError> {
        let found = self.order_by_client_id_within(id, patience).await?;
        match found {
            Some(order) if !is_ours(&order) => {
                Err(AlpacaError::Conflict { client_order_id: id.to_owned(), order_id: order.id })
            }
            found => Ok(found),
        }
    }

    /// Asks for an order's cancellation, by the broker's id of it.
    ///
    /// # Errors
    /// When nobody could be asked, or the venue refused without saying where the order stands.
    pub async fn cancel(&self, id: &str) -> Result<Cancellation, AlpacaError> {
        let call = Call::one(Ask::Cancel, Method::DELETE, &["v2", "orders"], id)?;
        match self.ask_for_nothing(&self.trading, &call).await {
            Ok(()) => Ok(Cancellation::Asked),
            Err(error) if error.remedy() == Remedy::Reconcile => {
                let order = self.order(id).await?;
                Ok(order.map_or(Cancellation::Unknown, |it| Cancellation::TooLate(Box::new(it))))
            }
            Err(error) => Err(error),
        }
    }

    /// Asks for the cancellation of every open order.
    ///
    /// # Errors
    /// When nobody could be asked.
    pub async fn cancel_all(&self) -> Result<Vec<CanceledOrder>, AlpacaError> {
        let call = Call::new(Ask::Cancel, Method::DELETE, &["v2", "orders"]);
        self.ask(&self.trading, &call).await
    }

    /// Closes a position at the market, whole or in part.
    ///
    /// The closing of a whole position is asked for again where its answer was lost: the venue sells
    /// nothing that an order holds already, so two of them never overshoot. Two closings of a part
    /// would, so that is asked for once.
    ///
    /// # Errors
    /// When it was refused, or nobody could be asked; with [`Remedy::Reconcile`] nobody knows.
    pub async fn close(&self, symbol: &str, qty: Option<Qty>) -> Result<Order, AlpacaError> {
        let call = Call::one(Ask::Close, Method::DELETE, &["v2", "positions"], symbol)?;
        match qty {
            Some(qty) => self.ask(&self.trading, &call.query("qty", qty)).await,
            None => self.ask_until(&self.trading, &call, AGAIN_TOO).await,
        }
    }

    /// Cancels every order and closes every position at the market.
    ///
    /// # Errors
    /// When nobody could be asked.
    pub async fn close_all(&self) -> Result<Vec<ClosedPosition>, AlpacaError> {
        let call = Call::new(Ask::Close, Method::DELETE, &["v2", "positions"]);
        self.ask_until(&self.trading, &call.query("cancel_orders", true), AGAIN_TOO).await
    }
}
