//! What was booked of an order, so that what the broker says twice, late or in sums is booked once.

use serde::{Deserialize, Serialize};

use super::{Execution, Report, Said};
use crate::fixed::{FixedError, Money, Price, Qty, div_half_even};
use crate::order::{ClientOrderId, Fill};
use crate::order_state::{News, Order};

/// The longest id of an execution that is taken, in bytes.
const ID_MAX: usize = 128;

/// Something that the broker said and that cannot be true of what we know: it changed nothing, and
/// the account is to be compared with the broker's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize)]
#[error("news of order {order} makes no sense: {why}")]
pub struct Doubt {
    /// The order.
    pub order: ClientOrderId,
    /// What is wrong with it.
    pub why: String,
}

/// What was booked of one order beside its fills.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Told {
    /// The executions that are known.
    ids: Vec<String>,
    /// How much was booked out of totals, and is not yet explained by executions.
    unnamed: Qty,
}

impl Told {
    /// What is new of a report, if anything, and what is known behind it.
    pub(super) fn news(
        self,
        order: &Order,
        report: &Report,
    ) -> Result<(Option<News>, Self), Doubt> {
        let news = match &report.said {
            Said::Executed { execution } => {
                return self.executed(order, report, execution);
            }
            Said::Total { filled, average } => {
                return self.totalled(order, report, *filled, *average);
            }
            Said::Accepted { venue_order_id } => {
                News::Accepted { venue_order_id: venue_order_id.clone() }
            }
            Said::CancelRejected => News::CancelRejected,
            Said::Canceled => News::Canceled,
            Said::Replaced => News::Replaced,
            Said::ReplaceRejected => News::ReplaceRejected,
            Said::Expired => News::Expired,
            Said::Rejected { code, text } => News::Rejected { code: *code, text: cut(text) },
            Said::Denied { code, text } => News::Denied { code: *code, text: cut(text) },
        };
        Ok((Some(news), self))
    }

    /// Whether nothing was booked yet that could be said again.
    pub(super) fn is_empty(&self) -> bool {
        self.ids.is_empty() && self.unnamed.is_zero()
    }

    fn executed(
        mut self,
        order: &Order,
        report: &Report,
        execution: &Execution,
    ) -> Result<(Option<News>, Self), Doubt> {
        let doubt = |why: &str| Err(Doubt { order: report.order.clone(), why: why.to_owned() });
        let Execution { id, qty, price, fee, filled } = execution;
        if id.is_empty() || ID_MAX < id.len() {
            return doubt("the id of an execution is empty or too long");
        }
        if qty.raw() <= 0 || price.raw() <= 0 || fee.raw() < 0 || filled < qty {
            return doubt("an execution has figures that cannot be");
        }
        if self.ids.contains(id) {
            return Ok((None, self));
        }
        self.ids.push(id.clone());
        // A part of what was booked out of a total: the total's mean price stands for it.
        if *qty <= self.unnamed && *filled <= order.filled() {
            self.unnamed = Qty::from_raw(self.unnamed.raw() - qty.raw());
            return Ok((None, self));
        }
        let fill = fill(order, report, *qty, *price, *fee);
        Ok((Some(News::Fill { fill }), self))
    }

    fn totalled(
        mut self,
        order: &Order,
        report: &Report,
        filled: Qty,
        average: Price,
    ) -> Result<(Option<News>, Self), Doubt> {
        let doubt = |why: String| Doubt { order: report.order.clone(), why };
        if filled.raw() < 0 || (filled.raw() > 0 && average.raw() <= 0) {
            return Err(doubt("a total has figures that cannot be".to_owned()));
        }
        // What is less than we know is late.
        if filled <= order.filled() {
            return Ok((None, self));
        }
        let missing = filled.minus(order.filled()).map_err(|error| doubt(error.to_string()))?;
        let price = price_of_the_rest(order, filled, average);
        let price = price.map_err(|error| doubt(error.to_string()))?;
        self.unnamed = self.unnamed.plus(missing).map_err(|error| doubt(error.to_string()))?;
        let fill = fill(order, report, missing, price, Money::ZERO);
        Ok((Some(News::Fill { fill }), self))
    }
}

fn fill(order: &Order, report: &Report, qty: Qty, price: Price, fee: Money) -> Fill {
    Fill {
        client_order_id: report.order.clone(),
        nth: u32::try_from(order.fills().len()).unwrap_or(u32::MAX),
        symbol: order.intent.symbol.clone(),
        side: order.intent.side,
        qty,
        price,
        fee,
        at: report.at,
    }
}

/// The mean price of what is missing between the fills that are known and a total. The total's own mean
/// where the difference makes no price, as with means that were rounded.
fn price_of_the_rest(order: &Order, filled: Qty, average: Price) -> Result<Price, FixedError> {
    let worth = |price: Price, qty: Qty| i128::from(price.raw()) * i128::from(qty.raw());
    let known: i128 = order.fills().iter().map(|fill| worth(fill.price, fill.qty)).sum();
    let missing = filled.minus(order.filled())?;
    let rest = worth(average, filled) - known;
    let price = div_half_even(rest, i128::from(missing.raw().max(1)));
    let price = i64::try_from(price).ok().filter(|raw| *raw > 0).map(Price::from_raw);
    Ok(price.unwrap_or(average))
}

/// The broker's words, as long as they are kept.
fn cut(text: &str) -> String {
    text.chars().take(300).collect()
}
