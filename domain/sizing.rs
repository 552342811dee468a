//! Sizing: from a signal to a size under every cap.
//!
//! Sizes are fractions of equity until the last step, which makes lots of them: two accounts that
//! differ only in scale get the same fractions. The chain is half-Kelly, drawdown, volatility,
//! correlation, volatility level, policy bucket, then (after a round) the agents' factor, and last
//! the caps on position, exposure, cash and coins. Every step is kept for the audit.
//!
//! A factor shrinks a size and never raises it; only the agents' factor may, and the caps come after
//! it again. What is unknown counts as the worst of its range. Equity includes unrealised profit,
//! so that a gain never lowers what is available.

use serde::{Deserialize, Serialize};

use crate::account::{Account, Candidate, Usage, View};
use crate::fixed::{FixedError, Money, Price, Qty, whole_units};
use crate::limits::{Limits, RiskLimits, SizingRules};
use crate::market::symbol::AssetClass;
use crate::protections::Outcomes;
use crate::ratio::Ratio;
use crate::signal::Direction;

/// One step of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Half the Kelly fraction.
    HalfKelly,
    /// Half a size in a drawdown.
    Drawdown,
    /// Less of what swings more.
    Volatility,
    /// Less of what moves with the book.
    Correlation,
    /// Less in a nervous market.
    VixLevel,
    /// The share that the policy's action asks for.
    Bucket,
    /// The agents' factor, settled.
    Advice,
    /// The cap on one symbol.
    PositionCap,
    /// The cap on all positions.
    ExposureCap,
    /// The cash buffer.
    CashCap,
    /// The cap on coins.
    CryptoCap,
    /// Back to the terms that the guardian saw, because the larger ones breach its limits.
    GuardianTerms,
    /// Whole lots.
    Lots,
}

/// What one step did.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SizingStep {
    /// Which one.
    pub step: Step,
    /// What the size was multiplied with; the first step multiplies all of equity.
    pub factor: Ratio,
    /// The size after it, fraction of equity.
    pub size: Ratio,
}

/// The chain that led to a size, in order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SizingTrace(Vec<SizingStep>);

impl SizingTrace {
    /// Starts at all of equity.
    fn new() -> Self {
        Self(Vec::with_capacity(12))
    }

    /// The size so far, fraction of equity.
    fn size(&self) -> f64 {
        self.0.last().map_or(1.0, |step| step.size.get())
    }

    /// Multiplies the size; a factor that is not finite makes it zero.
    fn times(&mut self, step: Step, factor: f64) {
        let factor = Ratio::or_zero(factor.max(0.0));
        self.0.push(SizingStep { step, factor, size: Ratio::or_zero(self.size() * factor.get()) });
    }

    /// Sets the size, keeping what that did to it as a factor.
    fn set(&mut self, step: Step, size: f64) {
        let factor = if self.size() > 0.0 { size / self.size() } else { 1.0 };
        self.0.push(SizingStep {
            step,
            factor: Ratio::or_zero(factor),
            size: Ratio::or_zero(size),
        });
    }

    /// Lowers the size to a cap; a cap that does not bind leaves no step.
    fn cap(&mut self, step: Step, cap: f64) {
        if self.size() > cap.max(0.0) {
            self.set(step, cap.max(0.0));
        }
    }

    /// The steps, in order.
    pub fn steps(&self) -> &[SizingStep] {
        &self.0
    }
}

/// A size and how it came about.
#[derive(Clone, Debug, PartialEq)]
pub struct Sized {
    /// Fraction of equity after the caps, before lots.
    pub fraction: Ratio,
    /// Whole lots of it, never negative; zero when the caps leave nothing.
    pub qty: Qty,
    /// How it came about.
    pub trace: SizingTrace,
}

/// What a size is a fraction of: equity with unrealised profit; nothing when it is gone.
pub fn available_capital(account: &Account) -> Money {
    account.equity.max(Money::ZERO)
}

/// Half the Kelly fraction `p − (1 − p) ÷ b` (Kelly 1956), between its bounds: `p` the win rate
/// under a Beta(1, 1) prior, `b` mean gain over mean loss. Its lower bound below enough outcomes;
/// `b` is 1 while it is undefined.
pub fn half_kelly(outcomes: &Outcomes, rules: &SizingRules) -> Ratio {
    let count = outcomes.wins.saturating_add(outcomes.losses);
    if count < rules.kelly_outcomes {
        return rules.kelly_min;
    }
    let p = (f64::from(outcomes.wins) + 1.0) / (f64::from(count) + 2.0);
    let b = outcomes.payoff().map_or(1.0, Ratio::get);
    let half = 0.5 * (p - (1.0 - p) / b);
    let bounded = half.max(rules.kelly_min.get()).min(rules.kelly_max.get());
    Ratio::or_zero(bounded)
}

/// One, falling in a straight line to `least` between `from` and `to`.
fn falling(value: f64, from: f64, to: f64, least: f64) -> f64 {
    let width = to - from;
    let share =
        if width > 0.0 { (value - from) / width } else { f64::from(u8::from(value > from)) };
    1.0 - (1.0 - least) * Ratio::within_unit(share).get()
}

fn volatility_factor(vol_20: Option<Ratio>, rules: &SizingRules) -> f64 {
    let least = rules.vol_factor_min.get();
    let swing = vol_20.map(Ratio::get).filter(|vol| *vol >= 0.0);
    swing.map_or(least, |vol| {
        if vol > rules.vol_target.get() { (rules.vol_target.get() / vol).max(least) } else { 1.0 }
    })
}

fn correlation_factor(correlation: Ratio, rules: &SizingRules) -> f64 {
    let (free, least) = (rules.correlation_free.get(), rules.correlation_factor_min.get());
    falling(correlation.get(), free, 1.0, least)
}

fn vix_factor(level: Option<Ratio>, risk: &RiskLimits, rules: &SizingRules) -> f64 {
    let (warn, critical) = (risk.vix_warn.get(), risk.vix_critical.get());
    let level = level.map_or(critical, Ratio::get);
    falling(level, warn, critical, rules.vix_factor_min.get())
}

/// The caps, as room that is left: fractions of equity.
fn apply_caps(trace: &mut SizingTrace, usage: &Usage, class: AssetClass, risk: &RiskLimits) {
    trace.cap(Step::PositionCap, risk.position_max.get() - usage.symbol.get());
    trace.cap(Step::ExposureCap, risk.exposure_max.get() - usage.exposure.get());
    trace.cap(Step::CashCap, usage.free_cash.get() - risk.cash_min.get());
    if class == AssetClass::Crypto {
        trace.cap(Step::CryptoCap, risk.crypto_max.get() - usage.crypto.get());
    }
}

/// What lots are made for.
#[derive(Clone, Copy, Debug)]
pub struct LotTerms {
    /// What kind of thing it is.
    pub class: AssetClass,
    /// Long or short.
    pub direction: Direction,
    /// The price of one.
    pub price: Price,
}

impl LotTerms {
    /// Whether the quantity may be a fraction: coins always, shares long and by configuration only.
    fn fractional(self, rules: &SizingRules) -> bool {
        match self.class {
            AssetClass::Crypto => true,
            AssetClass::Equity => rules.fractional_shares && self.direction == Direction::Long,
        }
    }

    /// The lots that an amount buys, towards zero.
    fn lots(self, amount: Money, rules: &SizingRules) -> Result<Qty, FixedError> {
        if self.price <= Price::ZERO || amount <= Money::ZERO {
            return Ok(Qty::ZERO);
        }
        if !self.fractional(rules) {
            return Qty::from_units(whole_units(amount, self.price));
        }
        let raw = i128::from(amount.raw()) * i128::from(Qty::SCALE) / i128::from(self.price.raw());
        let out = |_| FixedError::OutOfRange { what: "the quantity".to_owned(), unit: "Qty" };
        i64::try_from(raw).map(Qty::from_raw).map_err(out)
    }

    /// The smallest step down that the caps' floating point can see.
    fn step_down(self, qty: Qty, rules: &SizingRules) -> Qty {
        let lot = if self.fractional(rules) { 1 + qty.raw() / 1_000_000_000 } else { Qty::SCALE };
        Qty::from_raw((qty.raw() - lot).max(0))
    }
}

/// Makes lots of a size, and takes lots off while rounding has put them over a cap.
fn into_lots(
    mut trace: SizingTrace,
    terms: LotTerms,
    account: &Account,
    usage: &Usage,
    limits: &Limits,
) -> Result<Sized, FixedError> {
    let fraction = Ratio::or_zero(trace.size());
    let amount = available_capital(account).scaled(fraction)?;
    let mut qty = terms.lots(amount, &limits.sizing)?;
    let share = |qty: Qty| account.share(qty.to_f64() * terms.price.to_f64());
    for attempt in 0.. {
        let after = usage.plus(share(qty), terms.class);
        if qty.is_zero() || after.is_within(terms.class, &limits.risk) {
            break;
        }
        // Rounding is off by one lot; whatever is further off is no rounding and buys nothing.
        qty = if attempt < 3 { terms.step_down(qty, &limits.sizing) } else { Qty::ZERO };
    }
    trace.set(Step::Lots, share(qty));
    Ok(Sized { fraction, qty, trace })
}

/// The base size of a candidate: what the agents are asked about.
///
/// # Errors
/// When an amount is beyond what fixed-point numbers hold.
pub fn base(
    candidate: &Candidate,
    view: View,
    max_correlation: Ratio,
    limits: &Limits,
) -> Result<Sized, FixedError> {
    let (signal, rules, risk) = (candidate.signal, &limits.sizing, &limits.risk);
    let mut trace = SizingTrace::new();
    trace.times(Step::HalfKelly, half_kelly(view.protections.outcomes(), rules).get());
    let in_drawdown = view.account.drawdown() >= risk.drawdown_half;
    trace.times(Step::Drawdown, if in_drawdown { rules.drawdown_factor.get() } else { 1.0 });
    trace.times(Step::Volatility, volatility_factor(signal.features.vol_20, rules));
    trace.times(Step::Correlation, correlation_factor(max_correlation, rules));
    trace.times(Step::VixLevel, vix_factor(view.market.vix_level, risk, rules));
    if let Some(bucket) = candidate.bucket {
        trace.times(Step::Bucket, bucket.get().min(1.0));
    }
    let usage = view.account.usage(&signal.symbol, signal.direction);
    apply_caps(&mut trace, &usage, candidate.class, risk);
    let terms =
        LotTerms { class: candidate.class, direction: signal.direction, price: signal.price };
    into_lots(trace, terms, view.account, &usage, limits)
}

/// A base size and the factor that it is to be multiplied with after a round.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Resize {
    /// The base size, fraction of equity.
    pub base: Ratio,
    /// The factor, settled.
    pub factor: Ratio,
    /// Under which name the factor stands in the trace: advice, or the guardian's terms.
    pub step: Step,
}

/// A base size times a settled factor, under the same caps again.
///
/// # Errors
/// When an amount is beyond what fixed-point numbers hold.
pub fn resized(
    resize: Resize,
    terms: LotTerms,
    account: &Account,
    usage: &Usage,
    limits: &Limits,
) -> Result<Sized, FixedError> {
    let Resize { base, factor, step } = resize;
    let size = Ratio::or_zero(base.get() * factor.get().max(0.0));
    let mut trace = SizingTrace(vec![SizingStep { step, factor, size }]);
    apply_caps(&mut trace, usage, terms.class, &limits.risk);
    into_lots(trace, terms, account, usage, limits)
}

#[cfg(test)]
mod tests;
