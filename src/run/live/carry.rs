//! Carries orders to the broker, and finds out what became of each.
//!
//! - O-2: one intent, at most one live order: an order leaves under its own id; whatever is not known of
//!   it is looked for by that id until it is known.
//! - O-3: after HALTED no entry leaves: one that waited is asked about again at the wire.
//! - O-4: exits are never blocked: orders of one symbol leave in their order, those of others do not
//!   wait for them. Our reading of the broker's rules keeps an entry back, and never an exit.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use conclave_actors::broker::{BrokerHandle, Pass};
use conclave_actors::runtime::ports::{Clock, OrderRoute};
use conclave_domain::alpaca::rules::AssetFlags;
use conclave_domain::alpaca::{Order, Remedy, ours};
use conclave_domain::away::{Former, Outgoing, Report, Said};
use conclave_domain::code::Code;
use conclave_domain::market::calendar::Calendar;
use conclave_domain::market::symbol::Symbol;
use conclave_domain::order::{ClientOrderId, OrderIntent, Purpose};
use conclave_domain::time::Time;
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use super::statement::never_arrived;
use crate::adapters::alpaca_http::{Alpaca, AlpacaError, Cancellation, Leave, Placed};

/// How long to wait before an order of unknown fate is looked for again.
const LOOKS_AGAIN: Duration = Duration::from_secs(2);

/// The council's end of the way. What waits is bounded by the symbols: an account has one entry and one
/// exit of each on the way at most.
#[derive(Debug)]
pub(in crate::run) struct Route(UnboundedSender<Asked>);

/// What is asked, and what it was let out on.
type Asked = (Outgoing, Pass);

impl OrderRoute for Route {
    fn send(&self, outgoing: Vec<Outgoing>, pass: Pass) {
        for one in outgoing {
            // Nobody carries any more once the run ends; what was asked is in the log.
            let _ = self.0.send((one, pass.clone()));
        }
    }
}

/// The broker's end of it.
#[derive(Debug)]
pub(in crate::run) struct Carrier {
    asked: UnboundedReceiver<Asked>,
    porter: Porter,
}

/// Who carries the orders of one symbol.
#[derive(Clone, Debug)]
struct Porter {
    alpaca: Arc<Alpaca>,
    assets: Arc<BTreeMap<Symbol, AssetFlags>>,
    clock: Arc<dyn Clock>,
    /// Told where what must leave did not: the account is compared soon, and what is missing asked for
    /// anew.
    doubt: Arc<Notify>,
}

impl Route {
    /// A way to the broker; `doubt` hears of exits that did not get through.
    pub(super) fn new(
        alpaca: Arc<Alpaca>,
        assets: BTreeMap<Symbol, AssetFlags>,
        clock: Arc<dyn Clock>,
        doubt: Arc<Notify>,
    ) -> (Self, Carrier) {
        let (out, asked) = unbounded_channel();
        let porter = Porter { alpaca, assets: Arc::new(assets), clock, doubt };
        (Self(out), Carrier { asked, porter })
    }
}

impl Carrier {
    /// Carries until the run ends.
    pub(super) async fn carry(mut self, broker: BrokerHandle) {
        // A lane per symbol, so that a cancellation follows its order.
        let mut lanes: BTreeMap<Symbol, UnboundedSender<Asked>> = BTreeMap::new();
        let mut work = JoinSet::new();
        while let Some(asked) = self.asked.recv().await {
            let symbol = match &asked.0 {
                Outgoing::Submit { intent, .. } => &intent.symbol,
                Outgoing::Cancel { symbol, .. } => symbol,
            };
            let lane = lanes.entry(symbol.clone()).or_insert_with(|| {
                let (lane, waiting) = unbounded_channel();
                work.spawn(self.porter.clone().walk(waiting, broker.clone()));
                lane
            });
            // A lane lives as long as its sender here.
            let _ = lane.send(asked);
        }
    }
}

impl Porter {
    async fn walk(self, mut waiting: UnboundedReceiver<Asked>, broker: BrokerHandle) {
        while let Some((asked, pass)) = waiting.recv().await {
            let reports = match asked {
                Outgoing::Submit { intent, replaces: None } => self.submit(&intent, &pass).await,
                Outgoing::Submit { intent, replaces: Some(former) } => {
                    self.replace(&intent, &former).await
                }
                Outgoing::Cancel { order, venue_order_id, .. } => {
                    self.cancel(order, venue_order_id).await
                }
            };
            if reports.is_empty() {
                continue;
            }
            if let Err(error) = broker.heard(reports).await {
                tracing::error!(error = &error as &dyn std::error::Error, "news of an order lost");
            }
        }
    }

    async fn submit(&self, intent: &OrderIntent, pass: &Pass) -> Vec<Report> {
        let id = &intent.client_order_id;
        if let Some(text) = self.breaks(intent) {
            if intent.purpose == Purpose::Entry {
                return vec![self.report(id, Said::Denied { code: Code::OrderRules, text })];
            }
            // What we know of the asset is of the morning, and the broker has the last word.
            tracing::warn!(order = %id, text, "an exit that breaks a rule is sent all the same");
        }
        let class = self.assets.get(&intent.symbol).map(|asset| asset.class).unwrap_or_default();
        let order = ours::asked(intent, class);
        let may_leave = || {
            let now = self.clock.trading();
            self.in_session(intent, now).and_then(|()| pass.check(intent, now))
        };
        let is_entry = intent.purpose == Purpose::Entry;
        let leave = if is_entry { Leave::While(&may_leave) } else { Leave::Always };
        match self.alpaca.place(&order, leave).await {
            Ok(placed) => {
                if let Placed::Adopted(_) = placed {
                    tracing::warn!(order = %id, "the broker has the order, which nobody had answered");
                }
                self.told(placed.order())
            }
            Err(error) if error.remedy() == Remedy::Reconcile => self.look_for(id).await,
            Err(error) => {
                self.worry(intent.purpose != Purpose::Entry && never_left(&error));
                tracing::warn!(order = %id, error = &error as &dyn std::error::Error, "order refused");
                vec![self.report(id, rejected(&error))]
            }
        }
    }

    /// Has a stop take the place of another one. Whether the former is gone its own news say; where this
    /// one was not taken, the former stands, and the next bar looks at it.
    async fn replace(&self, intent: &OrderIntent, former: &Former) -> Vec<Report> {
        let id = &intent.client_order_id;
        match self.alpaca.replace(&former.venue_order_id, &ours::replacement(intent)).await {
            Ok(placed) => self.told(placed.order()),
            Err(error) => {
                self.worry(true);
                tracing::warn!(order = %id, error = &error as &dyn std::error::Error, "stop not replaced");
                if error.remedy() != Remedy::Reconcile {
                    return vec![self.report(id, rejected(&error))];
                }
                // One look, because whoever wants out waits behind it; a statement finds out the rest.
                match self.alpaca.order_by_client_id(id.as_str()).await {
                    Ok(Some(order)) => self.told(&order),
                    Ok(None) => self.unknown(id.clone()),
                    Err(_) => Vec::new(),
                }
            }
        }
    }

    /// The rule of the broker's that an order breaks, if any; of an asset that is not known none is.
    fn breaks(&self, intent: &OrderIntent) -> Option<String> {
        let asset = self.assets.get(&intent.symbol)?;
        let judged = ours::admitted(intent, asset, self.clock.trading());
        judged.err().map(|refusal| refusal.to_string())
    }

    /// Whether an entry would be traded now, and not wait for the next opening. The last bar of a session
    /// is known when it is over: what is decided on it comes too late.
    fn in_session(&self, intent: &OrderIntent, now: Time) -> Result<(), Code> {
        let class = self.assets.get(&intent.symbol).map(|asset| asset.class).unwrap_or_default();
        let calendar = Calendar::of(class);
        let hours = calendar.open_close(calendar.session_date(now));
        let is_open = hours.is_some_and(|(open, close)| open <= now && now < close);
        if is_open || intent.extended_hours { Ok(()) } else { Err(Code::OrderSession) }
    }

    async fn cancel(&self, id: ClientOrderId, venue_id: Option<String>) -> Vec<Report> {
        let venue_id = match venue_id {
            Some(venue_id) => venue_id,
            None => match self.alpaca.order_by_client_id(id.as_str()).await {
                Ok(Some(order)) => order.id,
                Ok(None) => return self.unknown(id),
                Err(error) => {
                    self.worry(true);
                    tracing::warn!(order = %id, %error, "not canceled");
                    return vec![self.report(&id, Said::CancelRejected)];
                }
            },
        };
        match self.alpaca.cancel(&venue_id).await {
            // The stream tells when it is gone, or that it was filled before.
            Ok(Cancellation::Asked) => Vec::new(),
            Ok(Cancellation::TooLate(order)) => self.told(&order),
            Ok(Cancellation::Unknown) => self.unknown(id),
            Err(error) => {
                self.worry(true);
                tracing::warn!(order = %id, error = &error as &dyn std::error::Error, "not canceled");
                vec![self.report(&id, Said::CancelRejected)]
            }
        }
    }

    /// Looks for an order that may have arrived, until somebody knows.
    async fn look_for(&self, id: &ClientOrderId) -> Vec<Report> {
        loop {
            match self.alpaca.order_by_client_id(id.as_str()).await {
                Ok(Some(order)) => return self.told(&order),
                Ok(None) => return self.unknown(id.clone()),
                Err(error) => {
                    tracing::warn!(order = %id, %error, "nobody knows of an order yet");
                    tokio::time::sleep(LOOKS_AGAIN).await;
                }
            }
        }
    }

    /// What must leave did not: somebody looks at the account soon, and asks for it anew.
    fn worry(&self, must_leave: bool) {
        if must_leave {
            self.doubt.notify_one();
        }
    }

    fn report(&self, id: &ClientOrderId, said: Said) -> Report {
        Report { order: id.clone(), at: self.clock.trading(), said }
    }

    fn told(&self, order: &Order) -> Vec<Report> {
        let stated = ours::stated(order, self.clock.trading());
        stated.map(|stated| stated.reports()).unwrap_or_default()
    }

    fn unknown(&self, order: ClientOrderId) -> Vec<Report> {
        never_arrived(order, self.clock.trading()).reports()
    }
}

fn rejected(error: &AlpacaError) -> Said {
    let text = error.to_string();
    if let AlpacaError::HeldBack(code) = error {
        return Said::Denied { code: *code, text };
    }
    if never_left(error) {
        return Said::Denied { code: Code::BrokerUnknown, text };
    }
    Said::Rejected { code: Code::BrokerRejected, text }
}

/// Whether the broker has not looked at it.
fn never_left(error: &AlpacaError) -> bool {
    matches!(error.remedy(), Remedy::Retry | Remedy::WaitUntilReset)
}

#[cfg(test)]
mod tests;
