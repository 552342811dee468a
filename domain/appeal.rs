//! Appeals of soft vetoes: the conditions, one by one.
//!
//! An appeal is a new, critical round with a record of its own, in which the other agents and the
//! guardian are asked anew (`docs/adr/0006-appeals-ask-twice.md`). [`may_open`] says whether there may
//! be one, [`carries`] whether what the others then said suffices; neither reopens the vetoed round.

use crate::advice::{Objection, VetoKind, Vote};
use crate::brief::trading::{BookView, Projected};
use crate::budget::Permit;
use crate::code::Code;
use crate::limits::{ConsensusRules, RiskLimits};
use crate::ratio::Ratio;
use crate::role::AgentName;

/// What one of the other agents said about the vetoed question.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Voice {
    /// Who.
    pub agent: AgentName,
    /// Its vote; `None` when it failed, was late, or was never asked.
    pub vote: Option<Vote>,
    /// Its confidence, adjusted by its track record, 0 to 1.
    pub confidence: Ratio,
}

/// Everything that the opening of an appeal is judged by.
#[derive(Debug)]
pub struct Case<'a> {
    /// The veto.
    pub objection: &'a Objection,
    /// The portfolio as it would be.
    pub projected: &'a Projected,
    /// The portfolio as it is.
    pub book: &'a BookView,
    /// The hard limits.
    pub limits: &'a RiskLimits,
    /// The rules of appeals.
    pub rules: &'a ConsensusRules,
}

/// Whether the case is worth a permit: a soft veto, far enough from every hard limit.
///
/// # Errors
/// The code of the first condition that is not met.
pub fn merits(case: &Case<'_>) -> Result<(), Code> {
    match () {
        () if case.objection.kind == VetoKind::Hard => Err(Code::AppealHard),
        () if !has_headroom(case) => Err(Code::AppealHeadroom),
        () => Ok(()),
    }
}

/// Whether an appeal may be opened: its merits, and the permit of a critical action.
///
/// In supervised mode nothing comes of it without a person: what an appealed round allows waits in
/// the queue like every entry, under the name of the objection.
///
/// # Errors
/// The code of the first condition that is not met.
pub fn may_open(case: &Case<'_>, permit: Option<&Permit>) -> Result<(), Code> {
    merits(case)?;
    if permit.is_some_and(Permit::is_critical) { Ok(()) } else { Err(Code::AppealPermit) }
}

/// Whether the other agents carry the appeal: at least two, all for it, sure enough on average.
/// Asked of the appeal's own round, beside its verdict.
///
/// # Errors
/// The code of the first condition that is not met.
pub fn carries(others: &[Voice], rules: &ConsensusRules) -> Result<(), Code> {
    let all_for = others.iter().all(|voice| voice.vote == Some(Vote::For));
    match () {
        () if others.len() < 2 || !all_for => Err(Code::AppealNotUnanimous),
        () if mean_confidence(others) < rules.appeal_confidence_min.get() => {
            Err(Code::AppealConfidence)
        }
        () => Ok(()),
    }
}

fn mean_confidence(others: &[Voice]) -> f64 {
    // Summed in whole millionths, so that nine agents at 0.9 have a mean of 0.9.
    let millionths = |voice: &Voice| (voice.confidence.get() * 1e6).round();
    let sum: f64 = others.iter().map(millionths).sum();
    #[expect(clippy::cast_precision_loss, reason = "a team has a handful of agents")]
    let count = others.len().max(1) as f64;
    sum / count / 1e6
}

/// Whether every hard limit is at least the configured share of itself away.
fn has_headroom(case: &Case<'_>) -> bool {
    let Case { projected, book, limits, rules, .. } = case;
    let room = rules.appeal_headroom_min.get();
    let below = |value: Ratio, limit: Ratio| value.get() <= limit.get() * (1.0 - room);
    let drawdown = if book.drawdown > projected.drawdown_if_all_stops_pct {
        book.drawdown
    } else {
        projected.drawdown_if_all_stops_pct
    };
    let daily_loss = Ratio::or_zero(-book.daily_pnl_pct.get());
    below(projected.position_pct, limits.position_max)
        && below(projected.exposure_pct, limits.exposure_max)
        && below(projected.var95_pct, limits.var_max)
        && below(projected.cvar95_pct, limits.cvar_max)
        && below(drawdown, limits.drawdown_halt)
        && below(daily_loss, limits.daily_loss_max)
        && projected.cash_pct.get() >= limits.cash_min.get() * (1.0 + room)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::{BudgetConfig, Budgets, Now, Request};
    use crate::fixed::Money;
    use crate::time::Time;

    #[derive(Clone)]
    struct Row {
        kind: VetoKind,
        others: Vec<Voice>,
        projected: Projected,
        book: BookView,
        has_permit: bool,
        critical: bool,
    }

    fn sound() -> Row {
        let voice = |agent| Voice { agent, vote: Some(Vote::For), confidence: Ratio::of(0.9) };
        Row {
            kind: VetoKind::Soft,
            others: ["a", "b", "c"].map(voice).to_vec(),
            projected: Projected {
                position_pct: Ratio::of(0.15),
                exposure_pct: Ratio::of(0.6),
                cash_pct: Ratio::of(0.4),
                var95_pct: Ratio::of(0.015),
                cvar95_pct: Ratio::of(0.02),
                drawdown_if_all_stops_pct: Ratio::of(0.1),
                max_correlation: Ratio::of(0.85),
            },
            book: BookView {
                equity: Money::ZERO,
                cash: Money::ZERO,
                exposure: Ratio::ZERO,
                drawdown: Ratio::of(0.05),
                win_rate: None,
                trades: 0,
                loss_streak: 0,
                daily_pnl_pct: Ratio::of(-0.01),
                positions: 0,
                open_orders: 0,
                open_order_for_symbol: false,
            },
            has_permit: true,
            critical: true,
        }
    }

    fn judge(row: &Row) -> Result<(), Code> {
        let objection = Objection {
            kind: row.kind,
            code: Code::GuardCorrelation,
            text: String::new(),
            figures: Vec::new(),
        };
        let (limits, rules) = (RiskLimits::default(), ConsensusRules::default());
        let now = Now { wall: Time::EPOCH, trading: Time::EPOCH };
        let mut budgets = Budgets::new(BudgetConfig::default()).unwrap();
        let request =
            if row.critical { Request::critical("appeal") } else { Request::action("size") };
        let permit = budgets.permit(&request, now).ok().filter(|_| row.has_permit);
        let case = Case {
            objection: &objection,
            projected: &row.projected,
            book: &row.book,
            limits: &limits,
            rules: &rules,
        };
        may_open(&case, permit.as_ref())?;
        carries(&row.others, &rules)
    }

    type Change = fn(&mut Row);

    /// One row per condition: everything else is sound, so that it alone decides.
    #[test]
    fn each_condition_alone_refuses_an_appeal() {
        let rows: &[(Change, Result<(), Code>)] = &[
            (|_| {}, Ok(())),
            (|row| row.kind = VetoKind::Hard, Err(Code::AppealHard)),
            (|row| row.others[1].vote = Some(Vote::Against), Err(Code::AppealNotUnanimous)),
            (|row| row.others[1].vote = Some(Vote::Abstain), Err(Code::AppealNotUnanimous)),
            (|row| row.others[2].vote = None, Err(Code::AppealNotUnanimous)),
            (|row| row.others.truncate(1), Err(Code::AppealNotUnanimous)),
            (|row| row.others.clear(), Err(Code::AppealNotUnanimous)),
            (|row| row.others[0].confidence = Ratio::of(0.89), Err(Code::AppealConfidence)),
            (|row| row.projected.position_pct = Ratio::of(0.161), Err(Code::AppealHeadroom)),
            (|row| row.projected.exposure_pct = Ratio::of(0.641), Err(Code::AppealHeadroom)),
            (|row| row.projected.cash_pct = Ratio::of(0.359), Err(Code::AppealHeadroom)),
            (|row| row.projected.var95_pct = Ratio::of(0.0161), Err(Code::AppealHeadroom)),
            (|row| row.projected.cvar95_pct = Ratio::of(0.0241), Err(Code::AppealHeadroom)),
            (
                |row| row.projected.drawdown_if_all_stops_pct = Ratio::of(0.121),
                Err(Code::AppealHeadroom),
            ),
            (|row| row.book.drawdown = Ratio::of(0.121), Err(Code::AppealHeadroom)),
            (|row| row.book.daily_pnl_pct = Ratio::of(-0.0241), Err(Code::AppealHeadroom)),
            (|row| row.has_permit = false, Err(Code::AppealPermit)),
            (|row| row.critical = false, Err(Code::AppealPermit)),
        ];
        for (index, (change, expected)) in rows.iter().enumerate() {
            let mut row = sound();
            change(&mut row);
            assert_eq!(judge(&row), *expected, "row {index}");
        }
    }
}
