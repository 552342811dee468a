//! The orchestrator's synthesis: levers of many agents into the terms of one order.
//!
//! It does not know who its advisers are, nor how many. Factors of several agents multiply and stay
//! within the bounds of one; where one raises and another lowers, the more cautious wins: the
//! smaller factor, the limit order over the market order, the tighter stop, the nearer target, the
//! exit over the entry. The whole size factor stays within the bounds of a single size multiplier,
//! and what makes it more than the critical factor needs unanimity and a permit: [`settle`] is the
//! only way from here to an order.
//!
//! # Invariants
//!
//! - B-1: every number that leaves an agent is finite and within its bounds; so is their product.
//!
//! [`settle`]: Composed::settle

use serde::Serialize;

use crate::advice::{Advice, Lever};
use crate::bounds::{Bounds, BoundsError, Clamp, Edge};
use crate::limits::Limits;
use crate::order::TimeInForce;
use crate::ratio::Ratio;

/// How the order is to seek its price, before a price is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum OrderChoice {
    /// At the next price there is.
    #[default]
    Market,
    /// At a limit on the passive side of the last price.
    Limit {
        /// Distance from the last price, basis points.
        offset_bp: Ratio,
        /// How long it stays.
        time_in_force: TimeInForce,
    },
}

/// What all advice comes to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Composed {
    /// Factor on the signal's confidence.
    pub confidence_multiplier: Ratio,
    /// The signal's confidence after it, 0 to 1. It is not put to the gate again.
    pub adjusted_confidence: Ratio,
    /// Factor on the base size: size multipliers, halved on a reduction, times the effect of the
    /// confidence.
    pub size_factor: Ratio,
    /// Whether an agent asked for a reduced size.
    pub reduce: bool,
    /// How the order is to seek its price.
    pub order: OrderChoice,
    /// Distance of the stop, fraction of the entry price; `None` when nobody advised one.
    pub stop_distance: Option<Ratio>,
    /// Distance of the take-profit, fraction of the entry price.
    pub target_distance: Option<Ratio>,
    /// Whether an agent advised to leave.
    pub exit_now: bool,
    /// Whether the size factor makes this a critical action.
    pub critical: bool,
    /// Where a product left the bounds.
    pub clamps: Vec<Clamp>,
}

/// Factors of several agents: their product while all point the same way, else the smallest.
#[derive(Clone, Copy, Debug)]
struct Factor {
    product: f64,
    smallest: f64,
    raises: bool,
    lowers: bool,
}

impl Factor {
    const NONE: Self = Self { product: 1.0, smallest: f64::MAX, raises: false, lowers: false };

    fn take(&mut self, value: f64, bounds: &Bounds) {
        // Any number of factors stays finite: beyond the bounds' square nothing changes any more.
        let cap = bounds.max() * bounds.max();
        let floor = bounds.min() * bounds.min();
        self.product = (self.product * value).max(floor).min(cap);
        self.smallest = self.smallest.min(value);
        self.raises |= value > 1.0;
        self.lowers |= value < 1.0;
    }

    fn get(self) -> f64 {
        if self.raises && self.lowers { self.smallest } else { self.product }
    }
}

fn keep_nearer(nearest: &mut Option<Ratio>, distance: Ratio) {
    if nearest.is_none_or(|nearest| distance < nearest) {
        *nearest = Some(distance);
    }
}

/// How briefly an order stays: the briefer, the more cautious.
fn patience(time_in_force: TimeInForce) -> u8 {
    match time_in_force {
        TimeInForce::Ioc => 0,
        TimeInForce::Day => 1,
        TimeInForce::Gtc => 2,
    }
}

/// A limit caps what is paid, so it wins over a market order; of two limits the farther and briefer.
fn passive(former: OrderChoice, offset_bp: Ratio, time_in_force: TimeInForce) -> OrderChoice {
    match former {
        OrderChoice::Market => OrderChoice::Limit { offset_bp, time_in_force },
        OrderChoice::Limit { offset_bp: other, time_in_force: stays } => OrderChoice::Limit {
            offset_bp: if other > offset_bp { other } else { offset_bp },
            time_in_force: if patience(stays) < patience(time_in_force) {
                stays
            } else {
                time_in_force
            },
        },
    }
}

/// Composes the trading levers of any number of agents; the levers of other teams are not heard.
///
/// `confidence` is the signal's raw confidence: the effect of the adjusted one on the size is
/// adjusted ÷ raw, and an adjusted confidence ends at one.
///
/// # Errors
/// Never for bounded advice and a finite confidence; a non-finite product is refused, not guessed.
pub fn compose(
    advice: &[Advice],
    confidence: Ratio,
    limits: &Limits,
) -> Result<Composed, BoundsError> {
    let bounds = &limits.bounds;
    let (mut on_confidence, mut on_size) = (Factor::NONE, Factor::NONE);
    let (mut reduce, mut exit_now) = (false, false);
    let mut order = OrderChoice::Market;
    let (mut stop_distance, mut target_distance) = (None, None);
    for lever in advice.iter().flat_map(|advice| &advice.levers) {
        match lever {
            Lever::ConfidenceMultiplier { value } => {
                on_confidence.take(value.get(), &bounds.confidence_multiplier);
            }
            Lever::SizeMultiplier { value } => on_size.take(value.get(), &bounds.size_multiplier),
            Lever::ReduceSize => reduce = true,
            Lever::ExitNow => exit_now = true,
            Lever::LimitOrder { offset_bp, time_in_force } => {
                order = passive(order, offset_bp.ratio(), *time_in_force);
            }
            Lever::StopDistance { value } => keep_nearer(&mut stop_distance, value.ratio()),
            Lever::TargetDistance { value } => keep_nearer(&mut target_distance, value.ratio()),
            _ => {}
        }
    }
    let mut clamps = Vec::new();
    let multiplier = bounds.confidence_multiplier.admit(on_confidence.get(), &mut clamps)?;
    let sizer = bounds.size_multiplier.admit(on_size.get(), &mut clamps)?;
    let raw = Ratio::within_unit(confidence.get()).get();
    let adjusted = (raw * multiplier.get()).min(1.0);
    let effect = if raw > 0.0 { adjusted / raw } else { multiplier.get() };
    let halved = if reduce { limits.sizing.reduce_factor.get() } else { 1.0 };
    // Bounded above by one size multiplier: no product of agents reaches what none may ask for.
    // Each part has a floor above zero, so that legal advice lowers a size and never ends it.
    let whole = Bounds::new("size_factor", 0.0, bounds.size_multiplier.max());
    let size_factor = whole.admit(sizer.get() * halved * effect, &mut clamps)?;
    Ok(Composed {
        confidence_multiplier: multiplier.ratio(),
        adjusted_confidence: Ratio::or_zero(adjusted),
        size_factor: size_factor.ratio(),
        reduce,
        order,
        stop_distance,
        target_distance,
        exit_now,
        critical: size_factor.ratio() > limits.sizing.critical_factor,
        clamps,
    })
}

impl Composed {
    /// Settles the question whether a critical size was permitted: unanimous, and with a permit.
    /// Without, the factor is clamped to the critical one and the clamp is recorded.
    pub fn settle(mut self, critical_permitted: bool, limits: &Limits) -> Settled {
        if self.critical && !critical_permitted {
            let (raw, clamped) = (self.size_factor, limits.sizing.critical_factor);
            let parameter = "size_factor".to_owned();
            self.clamps.push(Clamp { parameter, raw, clamped, edge: Edge::Max });
            (self.size_factor, self.critical) = (clamped, false);
        }
        Settled(self)
    }
}

/// Advice whose critical size was permitted or clamped: the only thing that an order is made of.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Settled(Composed);

impl Settled {
    /// The settled terms.
    pub const fn terms(&self) -> &Composed {
        &self.0
    }
}

#[cfg(test)]
mod tests;
