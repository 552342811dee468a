//! Reading JSON without the types that wrote it.

use serde_json::Value;

/// What stands at a path of keys, such as `intent/purpose/purpose`; null where nothing does.
pub(super) fn at<'a>(value: &'a Value, path: &str) -> &'a Value {
    path.split('/').fold(value, |value, key| &value[key])
}

/// The text at a path; empty where there is none.
pub(super) fn text<'a>(value: &'a Value, path: &str) -> &'a str {
    at(value, path).as_str().unwrap_or_default()
}

/// The items of an array; none where there is none.
pub(super) fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A decimal text in steps of ten to the minus `places`; `None` where it is no such number.
pub(super) fn fixed(text: &str, places: usize) -> Option<i128> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() || part.len() > places {
        return None;
    }
    let whole: i128 = whole.parse().ok()?;
    let padded: i128 = format!("{part:0<places$}").parse().ok()?;
    let padded = if places == 0 { 0 } else { padded };
    Some(sign * (whole * 10_i128.pow(u32::try_from(places).ok()?) + padded))
}

/// Price times quantity in steps of 1e-8, half to even: the specification's rounding, once more.
pub(super) fn value_of(price: i128, qty: i128) -> i128 {
    const QTY: i128 = 1_000_000_000;
    let product = price * qty;
    let (quotient, rest) = (product.div_euclid(QTY), product.rem_euclid(QTY));
    let up = rest * 2 > QTY || (rest * 2 == QTY && quotient % 2 != 0);
    quotient + i128::from(up)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn decimals_become_whole_steps() {
        for (written, places, steps) in
            [("1", 8, 100_000_000), ("-0.5", 8, -50_000_000), ("12.000000001", 9, 12_000_000_001)]
        {
            assert_eq!(fixed(written, places), Some(steps), "{written}");
        }
        for bad in ["", ".", "x", "1.123456789", "1e5"] {
            assert_eq!(fixed(bad, 8), None, "{bad}");
        }
    }

    #[test]
    fn a_value_is_rounded_half_to_even() {
        assert_eq!(value_of(3, 500_000_000), 2, "1.5 becomes 2");
        assert_eq!(value_of(5, 500_000_000), 2, "2.5 becomes 2");
        assert_eq!(value_of(100, 2_000_000_000), 200);
    }

    #[test]
    fn what_is_not_there_is_null() {
        let value = json!({"a": {"b": "c"}});
        assert_eq!((text(&value, "a/b"), text(&value, "a/x/y")), ("c", ""));
        assert!(items(at(&value, "a")).is_empty());
    }
}
