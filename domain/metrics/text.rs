//! Metrics for people: percent, thousands and days instead of fractions, raw amounts and seconds.

use super::{Kind, Metrics, Shown};
use crate::ratio::Ratio;

impl Shown {
    /// The value as text, `n/a (reason)` when there is none.
    pub fn text(&self) -> String {
        match self.metric {
            Ok(value) => self.kind.text(value),
            Err(reason) => format!("n/a ({reason})"),
        }
    }
}

impl Metrics {
    /// One metric by its name in JSON.
    pub fn find(&self, key: &str) -> Option<Shown> {
        self.shown().into_iter().find(|shown| shown.key == key)
    }

    /// A metric's text with its basis where it has one: `0.82 (daily, rf 0, 252/yr, n=2147)`.
    pub fn text_on_basis(&self, shown: &Shown) -> String {
        let text = shown.text();
        if shown.on_basis && shown.metric.is_ok() {
            format!("{text} ({})", self.basis)
        } else {
            text
        }
    }
}

impl Kind {
    /// A value of this kind in the unit that people read.
    pub fn text(self, value: Ratio) -> String {
        let value = value.get();
        match self {
            Self::Fraction => format!("{} %", plain(value * 100.0, 2)),
            Self::Number => plain(value, 2),
            Self::Money => grouped(value),
            Self::Count => plain(value, 0),
            Self::Seconds => span(value),
        }
    }
}

/// A number with this many places; without the sign of a zero, and in powers of ten when it is long.
fn plain(value: f64, places: usize) -> String {
    if value.abs() >= 1e15 {
        return format!("{value:.2e}");
    }
    let text = format!("{value:.places$}");
    if text.bytes().any(|byte| (b'1'..=b'9').contains(&byte)) {
        text
    } else {
        text.trim_start_matches('-').to_owned()
    }
}

/// An amount with two places and a comma between thousands.
fn grouped(value: f64) -> String {
    let text = plain(value, 2);
    let (sign, digits) = text.strip_prefix('-').map_or(("", text.as_str()), |rest| ("-", rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if fraction.contains('e') {
        return text;
    }
    let mut out = String::from(sign);
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out.push('.');
    out.push_str(fraction);
    out
}

/// A time span in its two largest units of days, hours, minutes and seconds.
fn span(seconds: f64) -> String {
    if seconds >= 1e15 {
        return format!("{seconds:.2e}s");
    }
    let units = [("d", 86_400.0), ("h", 3_600.0), ("m", 60.0), ("s", 1.0)];
    let mut rest = seconds.round();
    let first = units.iter().position(|(_, size)| rest >= *size).unwrap_or(units.len() - 1);
    let mut parts = Vec::new();
    for (name, size) in units.iter().skip(first).take(2) {
        let count = (rest / size).floor();
        rest -= count * size;
        if count > 0.0 {
            parts.push(format!("{count:.0}{name}"));
        }
    }
    if parts.is_empty() { "0s".to_owned() } else { parts.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_in_the_unit_that_people_read() {
        for (kind, value, text) in [
            (Kind::Fraction, -0.33, "-33.00 %"),
            (Kind::Fraction, -0.000_001, "0.00 %"),
            (Kind::Number, 0.8216, "0.82"),
            (Kind::Number, 1e30, "1.00e30"),
            (Kind::Money, -1_234_567.891, "-1,234,567.89"),
            (Kind::Money, 123.0, "123.00"),
            (Kind::Count, 12.0, "12"),
            (Kind::Seconds, 93_600.0, "1d 2h"),
            (Kind::Seconds, 59.9, "1m"),
            (Kind::Seconds, 0.2, "0s"),
        ] {
            let shown = Shown {
                key: "k",
                title: "t",
                kind,
                on_basis: false,
                metric: Ratio::new(value).map_err(|_| super::super::Reason::OutOfRange),
            };
            assert_eq!(shown.text(), text);
        }
    }
}
