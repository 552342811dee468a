//! A time axis whose marks stand where people expect them: at years, months, days and hours.

use std::ops::Range;

use conclave_domain::time::Time;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Span, Unit};
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

/// Milliseconds since the epoch, in UTC.
pub(super) struct TimeAxis {
    range: Range<i64>,
    step: Step,
}

/// The distance between two marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Years(i32),
    Months(i32),
    Days(i32),
    Hours(i32),
    Minutes(i32),
}

/// From wide to narrow, each with its length in minutes.
const STEPS: [(Step, i64); 15] = [
    (Step::Years(10), 5_259_600),
    (Step::Years(5), 2_629_800),
    (Step::Years(2), 1_051_920),
    (Step::Years(1), 525_960),
    (Step::Months(6), 262_980),
    (Step::Months(3), 131_490),
    (Step::Months(1), 43_830),
    (Step::Days(14), 20_160),
    (Step::Days(7), 10_080),
    (Step::Days(2), 2_880),
    (Step::Days(1), 1_440),
    (Step::Hours(6), 360),
    (Step::Hours(1), 60),
    (Step::Minutes(10), 10),
    (Step::Minutes(1), 1),
];

/// The most marks on the axis.
const MARKS_MAX: i64 = 14;

impl TimeAxis {
    /// An axis over these milliseconds; an empty range becomes a minute.
    pub(super) fn new(from: i64, to: i64) -> Self {
        let to = to.max(from.saturating_add(60_000));
        let minutes = to.saturating_sub(from) / 60_000;
        let fits = |(_, length): &&(Step, i64)| minutes / length < MARKS_MAX;
        let step = STEPS.iter().rev().find(fits).map_or(Step::Years(10), |(step, _)| *step);
        Self { range: from..to, step }
    }

    /// The first mark at or before the range's start.
    fn origin(&self) -> Option<DateTime> {
        let start = Time::from_ms(self.range.start).timestamp().to_zoned(TimeZone::UTC).datetime();
        let round = |unit: Unit| {
            let down =
                jiff::civil::DateTimeRound::new().smallest(unit).mode(jiff::RoundMode::Trunc);
            start.round(down).ok()
        };
        match self.step {
            Step::Years(step) => {
                let year = i32::from(start.year()).div_euclid(step) * step;
                Some(DateTime::new(i16::try_from(year).ok()?, 1, 1, 0, 0, 0, 0).ok()?)
            }
            Step::Months(step) => {
                let month = (i32::from(start.month()) - 1).div_euclid(step) * step + 1;
                let month = i8::try_from(month).ok()?;
                Some(DateTime::new(start.year(), month, 1, 0, 0, 0, 0).ok()?)
            }
            Step::Days(_) | Step::Hours(2..) => round(Unit::Day),
            Step::Hours(_) | Step::Minutes(_) => round(Unit::Hour),
        }
    }

    fn span(&self) -> Span {
        match self.step {
            Step::Years(n) => Span::new().years(n),
            Step::Months(n) => Span::new().months(n),
            Step::Days(n) => Span::new().days(n),
            Step::Hours(n) => Span::new().hours(n),
            Step::Minutes(n) => Span::new().minutes(n),
        }
    }
}

impl Ranged for TimeAxis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = i64;

    fn map(&self, value: &i64, limit: (i32, i32)) -> i32 {
        let width = i128::from(limit.1) - i128::from(limit.0);
        let whole = i128::from(self.range.end) - i128::from(self.range.start);
        let part = i128::from(*value) - i128::from(self.range.start);
        let at = i128::from(limit.0) + part * width / whole.max(1);
        i32::try_from(at).unwrap_or(limit.1)
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<i64> {
        let mut marks = Vec::new();
        let mut next = self.origin();
        while let Some(at) = next {
            let Ok(zoned) = at.to_zoned(TimeZone::UTC) else { break };
            let ms = zoned.timestamp().as_millisecond();
            if ms > self.range.end || marks.len() > 64 {
                break;
            }
            if ms >= self.range.start {
                marks.push(ms);
            }
            next = at.checked_add(self.span()).ok().filter(|later| *later > at);
        }
        marks
    }

    fn range(&self) -> Range<i64> {
        self.range.clone()
    }
}

impl ValueFormatter<i64> for TimeAxis {
    fn format_ext(&self, value: &i64) -> String {
        let pattern = match self.step {
            Step::Years(_) => "%Y",
            Step::Months(_) => "%Y-%m",
            Step::Days(_) => "%m-%d",
            Step::Hours(_) | Step::Minutes(_) => "%d %H:%M",
        };
        Time::from_ms(*value).timestamp().strftime(pattern).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(from: &str, to: &str) -> Vec<String> {
        let ms = |text: &str| text.parse::<Time>().unwrap().ms();
        let axis = TimeAxis::new(ms(from), ms(to));
        axis.key_points(20).iter().map(|at| axis.format_ext(at)).collect()
    }

    #[test]
    fn marks_stand_at_round_times() {
        let years = marks("2000-03-01T21:00:00Z", "2013-03-01T21:00:00Z");
        assert_eq!((years.len(), years[0].as_str()), (13, "2001"));
        let months = marks("2012-05-18T20:00:00Z", "2013-03-01T21:00:00Z");
        assert_eq!((months.len(), months[0].as_str()), (10, "2012-06"));
        let hours = marks("2012-05-18T09:30:00Z", "2012-05-18T16:00:00Z");
        assert_eq!((hours.len(), hours[0].as_str()), (7, "18 10:00"));
    }

    #[test]
    fn an_axis_over_nothing_or_over_all_time_still_ends() {
        assert!(TimeAxis::new(5, 5).key_points(10).len() <= 2);
        assert!(TimeAxis::new(i64::MIN, i64::MAX).key_points(10).len() <= 65);
    }
}
