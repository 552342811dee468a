//! One order: its intent, its status and its fills.

use serde::{Deserialize, Serialize};

use super::{Kind, News, OrderError, OrderEvent, Status, Step, next};
use crate::code::Code;
use crate::fixed::{FixedError, Money, Price, Qty, div_half_even, notional};
use crate::order::{Fill, OrderIntent};
use crate::time::Time;

/// An order and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// What was wanted.
    pub intent: OrderIntent,
    status: Status,
    filled: Qty,
    fills: Vec<Fill>,
    venue_order_id: Option<String>,
    refusal: Option<(Code, String)>,
    updated_at: Time,
    /// Its number among all orders of its account, from 0.
    #[serde(default)]
    number: u64,
}

/// What news did to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    /// Where it stood.
    pub from: Status,
    /// Where it stands.
    pub to: Status,
    /// Whether the news was a fill that had not been heard of: only then is it booked.
    pub fill_is_new: bool,
}

impl Transition {
    /// Whether anything changed.
    pub fn changed(self) -> bool {
        self.from != self.to || self.fill_is_new
    }
}

impl Order {
    /// An order that has not been sent.
    pub const fn new(intent: OrderIntent) -> Self {
        Self::numbered(intent, 0)
    }

    pub(super) const fn numbered(intent: OrderIntent, number: u64) -> Self {
        let updated_at = intent.at;
        Self {
            intent,
            status: Status::Initialized,
            filled: Qty::ZERO,
            fills: Vec::new(),
            venue_order_id: None,
            refusal: None,
            updated_at,
            number,
        }
    }

    pub(super) const fn renumber(&mut self, number: u64) {
        self.number = number;
    }

    /// Its number among all orders of its account, from 0: reports list them by it.
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// Where it stands.
    pub const fn status(&self) -> Status {
        self.status
    }

    /// Whether it may still be filled: neither final nor unsent.
    pub fn is_live(&self) -> bool {
        !self.status.is_final() && self.status != Status::Initialized
    }

    /// How much of it was filled.
    pub const fn filled(&self) -> Qty {
        self.filled
    }

    /// How much of it is left.
    pub fn open_qty(&self) -> Qty {
        // An overfill is refused, so the difference is never negative.
        Qty::from_raw(self.intent.qty.raw().saturating_sub(self.filled.raw()))
    }

    /// Its fills in the order in which they were heard of.
    pub fn fills(&self) -> &[Fill] {
        &self.fills
    }

    /// The broker's own id of it.
    pub fn venue_order_id(&self) -> Option<&str> {
        self.venue_order_id.as_deref()
    }

    /// Why it was denied or rejected.
    pub fn refusal(&self) -> Option<(Code, &str)> {
        self.refusal.as_ref().map(|(code, text)| (*code, text.as_str()))
    }

    /// Market time of the last news that changed it.
    pub const fn updated_at(&self) -> Time {
        self.updated_at
    }

    /// Mean price of its fills, rounded half to even; `None` before the first.
    ///
    /// # Errors
    /// On overflow.
    pub fn mean_price(&self) -> Result<Option<Price>, FixedError> {
        if self.filled.is_zero() {
            return Ok(None);
        }
        let mut value = 0_i128;
        for fill in &self.fills {
            value += i128::from(notional(fill.price, fill.qty)?.raw());
        }
        let price = div_half_even(value * i128::from(Qty::SCALE), i128::from(self.filled.raw()));
        let raw = i64::try_from(price);
        raw.map(|raw| Some(Price::from_raw(raw))).map_err(|_| FixedError::OutOfRange {
            what: "the mean price".to_owned(),
            unit: "Price",
        })
    }

    /// What its fills cost.
    ///
    /// # Errors
    /// On overflow.
    pub fn fees(&self) -> Result<Money, FixedError> {
        self.fills.iter().map(|fill| fill.fee).try_fold(Money::ZERO, Money::plus)
    }

    /// Takes news. What is known already, or late, changes nothing.
    ///
    /// # Errors
    /// When the news cannot be true of this order; it is then unchanged.
    pub fn apply(&mut self, event: &OrderEvent) -> Result<Transition, OrderError> {
        if event.order != self.intent.client_order_id {
            return Err(OrderError::Foreign { order: self.intent.client_order_id.clone() });
        }
        let from = self.status;
        let Some((kind, filled)) = self.classify(&event.news)? else {
            return Ok(Transition { from, to: from, fill_is_new: false });
        };
        let never_lived = matches!(kind, Kind::Denied | Kind::Rejected);
        let step =
            if never_lived && !self.filled.is_zero() { Step::Refuse } else { next(from, kind) };
        let to = match step {
            Step::To(to) => to,
            Step::Stay => from,
            Step::Resume if filled.is_zero() => Status::Accepted,
            Step::Resume => Status::PartiallyFilled,
            Step::Refuse => return Err(self.contradiction(kind)),
        };
        let fill_is_new = filled != self.filled;
        self.status = to;
        self.filled = filled;
        self.remember(event, from != to, fill_is_new);
        Ok(Transition { from, to, fill_is_new })
    }

    /// The table's word for the news and how much is filled after it; `None` for a fill that is
    /// known.
    fn classify(&self, news: &News) -> Result<Option<(Kind, Qty)>, OrderError> {
        let kind = match news {
            News::Denied { .. } => Kind::Denied,
            News::Submitted => Kind::Submitted,
            News::Accepted { .. } => Kind::Accepted,
            News::CancelRequested => Kind::CancelRequested,
            News::CancelRejected => Kind::CancelRejected,
            News::Canceled => Kind::Canceled,
            News::ReplaceRequested => Kind::ReplaceRequested,
            News::ReplaceRejected => Kind::ReplaceRejected,
            News::Replaced => Kind::Replaced,
            News::Expired => Kind::Expired,
            News::Rejected { .. } => Kind::Rejected,
            News::Fill { fill } => return self.classify_fill(fill),
        };
        Ok(Some((kind, self.filled)))
    }

    fn classify_fill(&self, fill: &Fill) -> Result<Option<(Kind, Qty)>, OrderError> {
        let order = || self.intent.client_order_id.clone();
        let ours = fill.client_order_id == self.intent.client_order_id
            && fill.symbol == self.intent.symbol
            && fill.side == self.intent.side
            && fill.qty.raw() > 0;
        if !ours {
            return Err(OrderError::Foreign { order: order() });
        }
        if let Some(known) = self.fills.iter().find(|known| known.nth == fill.nth) {
            let same = known == fill;
            return if same { Ok(None) } else { Err(OrderError::Conflict { order: order() }) };
        }
        let filled = self.filled.plus(fill.qty)?;
        let ordered = self.intent.qty;
        if ordered < filled {
            return Err(OrderError::Overfilled { order: order(), ordered, filled });
        }
        let kind = if filled == ordered { Kind::LastFill } else { Kind::PartFill };
        Ok(Some((kind, filled)))
    }

    fn contradiction(&self, kind: Kind) -> OrderError {
        OrderError::Contradiction {
            order: self.intent.client_order_id.clone(),
            status: self.status,
            news: kind.name(),
        }
    }

    /// Keeps what the news said beside the status.
    fn remember(&mut self, event: &OrderEvent, moved: bool, fill_is_new: bool) {
        if moved || fill_is_new {
            self.updated_at = event.at;
        }
        match &event.news {
            News::Fill { fill } => self.fills.push(fill.clone()),
            News::Accepted { venue_order_id: Some(id) } => {
                self.venue_order_id.get_or_insert_with(|| id.clone());
            }
            News::Denied { code, text } | News::Rejected { code, text } if moved => {
                self.refusal = Some((*code, text.clone()));
            }
            _ => {}
        }
    }
}
