//! What an order may look like: class × session × type × whole or in parts × side × time in force ×
//! legs. One pure function, which our client asks before it sends and the local exchange before it
//! takes.
//!
//! The venue has the last word: what passes here may still be refused there, and then its refusal
//! counts. Where the documents disagree the narrower reading is taken: dollars buy by market orders
//! for the day only, and an order that fills at once or never waits for no session.

mod legs;
mod moment;

use super::CLIENT_ORDER_ID_MAX;
use super::account::Asset;
use super::number::Figure;
use super::order::NewOrder;
use super::trouble::{ApiError, Remedy};
use super::word::{AssetStatus, OrderClass, OrderType, Side, TimeInForce, VenueClass};
use crate::fixed::{Price, Qty};
use crate::market::symbol::AssetClass;

pub use moment::{Moment, SessionKind};

/// The most places of a quantity or of dollars.
const PLACES_MAX: u32 = 9;

/// What is known of the thing that is traded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "the flags are those of the contract")]
pub struct AssetFlags {
    /// What kind of thing it is.
    pub class: AssetClass,
    /// Whether it is traded now.
    pub tradable: bool,
    /// Whether it may be sold short, and is easily borrowed.
    pub shortable: bool,
    /// Whether parts of one may be traded.
    pub fractionable: bool,
    /// Whether parts may be traded before the opening and after the close too.
    pub fractional_extended: bool,
    /// Whether it trades over night.
    pub overnight: bool,
    /// The smallest quantity.
    pub qty_min: Option<Qty>,
    /// The step of quantities.
    pub qty_step: Option<Qty>,
    /// The step of prices; shares have the steps of all shares.
    pub price_step: Option<Price>,
}

impl AssetFlags {
    /// A share that may be traded in every way.
    pub const SHARE: Self = Self {
        class: AssetClass::Equity,
        tradable: true,
        shortable: true,
        fractionable: true,
        fractional_extended: true,
        overnight: true,
        qty_min: None,
        qty_step: None,
        price_step: None,
    };

    /// A coin without steps of its own.
    pub const COIN: Self = Self { class: AssetClass::Crypto, shortable: false, ..Self::SHARE };
}

impl From<&Asset> for AssetFlags {
    /// What is not stated is not allowed.
    fn from(asset: &Asset) -> Self {
        let has = |word: &str| asset.attributes.iter().any(|it| it == word);
        let class = match asset.class {
            VenueClass::Crypto => AssetClass::Crypto,
            VenueClass::UsEquity | VenueClass::Other(_) => AssetClass::Equity,
        };
        Self {
            class,
            tradable: asset.tradable
                && asset.status == AssetStatus::Active
                && !matches!(asset.class, VenueClass::Other(_)),
            shortable: asset.shortable && asset.easy_to_borrow.unwrap_or(true),
            fractionable: asset.fractionable,
            fractional_extended: has("fractional_eh_enabled"),
            overnight: has("overnight_tradable") && !has("overnight_halted"),
            qty_min: asset.min_order_size,
            qty_step: asset.min_trade_increment,
            price_step: asset.price_increment,
        }
    }
}

/// Why an order is refused: what a client is answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The code.
    pub code: i64,
    /// The same for people.
    pub message: String,
    /// What the sender should do.
    pub remedy: Remedy,
}

impl Refusal {
    /// The request itself is wrong.
    pub(super) fn input(message: impl Into<String>) -> Self {
        let message = message.into();
        Self { status: 422, code: ApiError::BAD_INPUT, message, remedy: Remedy::Fix }
    }

    /// The request is understood, and breaks a rule.
    pub(super) fn rule(message: impl Into<String>) -> Self {
        let message = message.into();
        Self { status: 422, code: ApiError::NOT_POSSIBLE, message, remedy: Remedy::Fix }
    }

    /// The account has not got what it takes.
    pub(super) fn forbidden(message: impl Into<String>) -> Self {
        let message = message.into();
        Self { status: 403, code: ApiError::FORBIDDEN, message, remedy: Remedy::GiveUp }
    }

    /// The body of the answer.
    pub fn body(&self) -> ApiError {
        ApiError::new(self.code, self.message.clone())
    }
}

/// Nothing, or why not.
pub type Judged = Result<(), Refusal>;

fn demand(holds: bool, refusal: impl FnOnce() -> Refusal) -> Judged {
    if holds { Ok(()) } else { Err(refusal()) }
}

/// Judges what an order says by itself: its words, its amount, and the prices that belong to its type.
///
/// # Errors
/// With the first rule that it breaks.
pub fn form(order: &NewOrder) -> Judged {
    words(order)?;
    amount(order)?;
    prices(order)
}

/// Judges an order. `position` is what is held and not yet promised to another order, negative for a
/// short.
///
/// # Errors
/// With the first rule that it breaks.
pub fn admit(order: &NewOrder, asset: &AssetFlags, at: Moment, position: Qty) -> Judged {
    form(order)?;
    demand(asset.tradable, || Refusal::rule(format!("asset {} is not active", order.symbol)))?;
    let amount = amount(order)?;
    ticks(order, asset)?;
    match asset.class {
        AssetClass::Crypto => coin(order, asset, amount)?,
        AssetClass::Equity => share(order, asset, at, amount)?,
    }
    legs::check(order, position)?;
    within_position(order, asset, amount, position)
}

/// Every word is known, and the id is one.
fn words(order: &NewOrder) -> Judged {
    let input = |text: &str| Err(Refusal::input(text));
    if order.symbol.is_empty() {
        return input("symbol is required");
    }
    if matches!(order.side, Side::Other(_)) {
        return input("invalid side");
    }
    if matches!(order.kind, OrderType::Other(_)) {
        return input("invalid order type");
    }
    if matches!(order.time_in_force, TimeInForce::Other(_)) {
        return input("invalid time_in_force");
    }
    match &order.order_class {
        OrderClass::MultiLeg => return input("multi-leg orders are not supported"),
        OrderClass::Other(word) if !word.is_empty() => return input("invalid order_class"),
        _ => {}
    }
    match &order.client_order_id {
        Some(id) if id.chars().count() > CLIENT_ORDER_ID_MAX => {
            input("client_order_id must be no more than 128 characters")
        }
        Some(id) if id.chars().any(char::is_control) => {
            input("client_order_id must not hold control characters")
        }
        _ => Ok(()),
    }
}

/// How much is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Amount {
    /// In shares or coins.
    Qty(Qty),
    /// In dollars.
    Dollars,
}

impl Amount {
    /// Whether it is not a whole number of shares.
    const fn is_fractional(self) -> bool {
        match self {
            Self::Qty(qty) => qty.raw() % Qty::SCALE != 0,
            Self::Dollars => true,
        }
    }
}

fn amount(order: &NewOrder) -> Result<Amount, Refusal> {
    let (figure, name) = match (order.qty, order.notional) {
        (Some(_), Some(_)) => {
            return Err(Refusal::input("only one of qty or notional is accepted"));
        }
        (None, None) => return Err(Refusal::input("qty or notional is required")),
        (Some(qty), None) => (qty, "qty"),
        (None, Some(notional)) => (notional, "notional"),
    };
    demand(figure.is_positive(), || Refusal::input(format!("{name} must be > 0")))?;
    demand(figure.places() <= PLACES_MAX, || {
        Refusal::input(format!("{name} must be limited to 9 decimal places"))
    })?;
    let out_of_range = |_| Refusal::input(format!("{name} is out of range"));
    if order.notional.is_some() {
        figure.money().map_err(out_of_range)?;
        return Ok(Amount::Dollars);
    }
    figure.qty().map(Amount::Qty).map_err(out_of_range)
}

/// The prices that the type takes are there, and no others.
fn prices(order: &NewOrder) -> Judged {
    let kind = order.kind.name();
    let wants_limit = matches!(order.kind, OrderType::Limit | OrderType::StopLimit);
    let wants_stop = matches!(order.kind, OrderType::Stop | OrderType::StopLimit);
    // The limit of a pair of exits may stand in its take-profit.
    let in_legs = order.order_class == OrderClass::Oco;
    let expected = [
        ("limit_price", order.limit_price, wants_limit),
        ("stop_price", order.stop_price, wants_stop),
    ];
    for (name, price, is_wanted) in expected {
        demand(price.is_none() || is_wanted, || {
            Refusal::input(format!("{kind} orders require no {name}"))
        })?;
        demand(price.is_some() || !is_wanted || in_legs, || {
            Refusal::input(format!("{kind} orders require {name}"))
        })?;
    }
    let trails = [order.trail_price, order.trail_percent].iter().flatten().count();
    let is_trailing = order.kind == OrderType::TrailingStop;
    demand(trails == usize::from(is_trailing), || {
        Refusal::input(if is_trailing {
            "trailing_stop orders require one of trail_price or trail_percent".to_owned()
        } else {
            format!("{kind} orders require no trail")
        })
    })?;
    for (name, price) in figures(order) {
        demand(price.is_positive() && price.price().is_ok(), || {
            Refusal::input(format!("{name} must be > 0"))
        })?;
    }
    Ok(())
}

/// Every price and distance of an order, by name.
fn figures(order: &NewOrder) -> impl Iterator<Item = (&'static str, Figure)> {
    let legs = (order.take_profit.as_ref(), order.stop_loss.as_ref());
    let all = [
        ("limit_price", order.limit_price),
        ("stop_price", order.stop_price),
        ("trail_price", order.trail_price),
        ("trail_percent", order.trail_percent),
        ("take_profit.limit_price", legs.0.and_then(|it| it.limit_price)),
        ("stop_loss.stop_price", legs.1.and_then(|it| it.stop_price)),
        ("stop_loss.limit_price", legs.1.and_then(|it| it.limit_price)),
    ];
    all.into_iter().filter_map(|(name, price)| Some((name, price?)))
}

/// Prices stand on the venue's steps: of shares a cent, or a hundredth of one below a dollar.
fn ticks(order: &NewOrder, asset: &AssetFlags) -> Judged {
    for (name, figure) in figures(order).filter(|(name, _)| !name.starts_with("trail_")) {
        let on_step = match (asset.class, asset.price_step) {
            (AssetClass::Equity, _) => figure.places() <= share_places(figure),
            (AssetClass::Crypto, Some(step)) if step.raw() > 0 => {
                figure.price().is_ok_and(|price| price.raw() % step.raw() == 0)
            }
            (AssetClass::Crypto, _) => figure.places() <= PLACES_MAX,
        };
        demand(on_step, || {
            let text = "sub-penny increment does not fulfill minimum pricing criteria";
            Refusal::rule(format!("invalid {name} {figure}. {text}"))
        })?;
    }
    Ok(())
}

/// How many places the price of a share may have.
fn share_places(figure: Figure) -> u32 {
    if figure.decimal() >= rust_decimal::Decimal::ONE { 2 } else { 4 }
}

/// A price of a share on the venue's steps, rounded up or down. Prices of zero and less stay as they
/// are.
pub fn share_tick(price: Price, up: bool) -> Price {
    let step = if price.raw() >= Price::SCALE { Price::SCALE / 100 } else { Price::SCALE / 10_000 };
    let over = price.raw().rem_euclid(step);
    if over == 0 || price.raw() <= 0 {
        return price;
    }
    let down = price.raw() - over;
    Price::from_raw(if up { down.saturating_add(step) } else { down })
}

fn coin(order: &NewOrder, asset: &AssetFlags, amount: Amount) -> Judged {
    let kinds = [OrderType::Market, OrderType::Limit, OrderType::StopLimit];
    demand(kinds.contains(&order.kind), || Refusal::rule("invalid order type for crypto order"))?;
    let stays = [TimeInForce::Gtc, TimeInForce::Ioc];
    demand(stays.contains(&order.time_in_force), || Refusal::rule("invalid crypto time_in_force"))?;
    demand(order.order_class.is_simple(), || Refusal::rule("crypto orders must be simple orders"))?;
    demand(!order.extended_hours, || Refusal::rule("crypto orders know no extended hours"))?;
    let Amount::Qty(qty) = amount else {
        return demand(order.kind == OrderType::Market, || {
            Refusal::rule("notional orders must be market orders")
        });
    };
    demand(asset.qty_min.is_none_or(|least| qty >= least), || {
        Refusal::rule("qty is below the asset's minimum order size")
    })?;
    let on_step = asset.qty_step.is_none_or(|step| step.raw() <= 0 || qty.raw() % step.raw() == 0);
    demand(on_step, || Refusal::rule("qty is no multiple of the asset's trade increment"))
}

fn share(order: &NewOrder, asset: &AssetFlags, at: Moment, amount: Amount) -> Judged {
    use OrderType as T;
    use TimeInForce as F;
    let (kind, stay) = (&order.kind, &order.time_in_force);
    if order.extended_hours {
        let fits = *kind == T::Limit && matches!(stay, F::Day | F::Gtc);
        demand(fits, || Refusal::rule("extended hours order must be DAY or GTC limit orders"))?;
        let is_awake = at.session != SessionKind::Overnight || asset.overnight;
        demand(is_awake, || Refusal::rule("asset does not trade over night"))?;
    }
    if amount.is_fractional() {
        demand(asset.fractionable, || {
            Refusal::forbidden(format!("asset {} is not fractionable", order.symbol))
        })?;
        demand(order.order_class.is_simple(), || {
            Refusal::rule("fractional orders must be simple orders")
        })?;
        demand(*stay == F::Day, || Refusal::rule("fractional orders must be DAY orders"))?;
        let market_only = amount == Amount::Dollars;
        let fits = *kind == T::Market
            || (!market_only && matches!(kind, T::Limit | T::Stop | T::StopLimit));
        demand(fits, || Refusal::rule("order type is not supported for fractional orders"))?;
        demand(!order.extended_hours || asset.fractional_extended, || {
            Refusal::rule("asset takes no fractional orders in extended hours")
        })?;
    }
    auction(order, at)?;
    let at_once = matches!(stay, F::Ioc | F::Fok);
    demand(!at_once || at.session == SessionKind::Regular, || {
        Refusal::rule("ioc and fok orders are accepted during the regular session only")
    })?;
    let may_trail = *kind != T::TrailingStop || matches!(stay, F::Day | F::Gtc);
    demand(may_trail, || Refusal::rule("trailing_stop orders must be DAY or GTC orders"))
}

/// Auctions take market and limit orders, and close their books some time before.
fn auction(order: &NewOrder, at: Moment) -> Judged {
    let is_late = match order.time_in_force {
        TimeInForce::Opg => at.is_too_late_for_the_opening(),
        TimeInForce::Cls => at.is_too_late_for_the_close(),
        _ => return Ok(()),
    };
    let name = order.time_in_force.name();
    let fits = matches!(order.kind, OrderType::Market | OrderType::Limit);
    demand(fits && order.order_class.is_simple(), || {
        Refusal::rule(format!("{name} orders must be simple market or limit orders"))
    })?;
    demand(!is_late, || Refusal::rule(format!("{name} orders are not accepted at this time")))
}

/// An order takes no more than is held, unless nothing is held and it opens a short.
fn within_position(order: &NewOrder, asset: &AssetFlags, amount: Amount, position: Qty) -> Judged {
    let is_against = match order.side {
        Side::Buy => position.raw() < 0,
        Side::Sell | Side::Other(_) => position.raw() > 0,
    };
    if is_against {
        let Amount::Qty(qty) = amount else { return Ok(()) };
        return demand(qty <= position.abs(), || {
            let held = position.abs();
            let text = format!(
                "insufficient qty available for order (requested: {qty}, available: {held})"
            );
            Refusal::forbidden(text)
        });
    }
    if order.side == Side::Buy {
        return Ok(());
    }
    if asset.class == AssetClass::Crypto {
        let text = format!("insufficient balance for {} (available: 0)", order.symbol);
        return Err(Refusal::forbidden(text));
    }
    demand(!amount.is_fractional(), || Refusal::rule("fractional orders cannot be sold short"))?;
    demand(asset.shortable, || {
        Refusal::rule(format!("asset {} cannot be sold short", order.symbol))
    })
}

#[cfg(test)]
mod tests;
