//! Every key there is: its path, what it accepts, and where it goes.

use std::time::Duration;

use conclave_domain::bounds::{Bounds, BoundsTable};
use conclave_domain::fixed::Money;
use conclave_domain::ratio::Ratio;

use super::Config;
use super::value::{Kind, Setting};

/// One key of the configuration.
pub struct Key {
    /// Its dotted path.
    pub path: String,
    /// What it accepts.
    pub kind: Kind,
    /// Puts a setting of that kind into its place.
    pub(super) set: Set,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key")
            .field("path", &self.path)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// Puts a setting into its place.
pub(super) type Set = Box<dyn Fn(&mut Config, &Setting) + Send + Sync>;

/// Every key, section by section.
pub fn keys() -> Vec<Key> {
    let mut all = Vec::new();
    super::sections::run(&mut all);
    super::sections::risk(&mut all);
    super::sections::soft(&mut all);
    super::sections::consensus(&mut all);
    super::sections::bounds(&mut all);
    super::sections::gates(&mut all);
    super::sections::sizing(&mut all);
    super::sections::exits(&mut all);
    super::universe::keys(&mut all);
    super::sections::budgets(&mut all);
    super::money::keys(&mut all);
    super::models::keys(&mut all);
    super::alpaca::keys(&mut all);
    super::sections::faults(&mut all);
    super::sections::service(&mut all);
    super::notify::keys(&mut all);
    super::sections::agents(&mut all);
    all
}

/// A key whose kind is known to match its place.
pub(super) fn key(
    path: impl Into<String>,
    kind: Kind,
    set: impl Fn(&mut Config, &Setting) + Send + Sync + 'static,
) -> Key {
    Key { path: path.into(), kind, set: Box::new(set) }
}

/// A finite number.
pub(super) fn number(
    path: &str,
    bounds: std::ops::RangeInclusive<f64>,
    unit: &'static str,
    place: fn(&mut Config) -> &mut Ratio,
) -> Key {
    let kind = Kind::Number { min: *bounds.start(), max: *bounds.end(), unit };
    key(path, kind, move |config, setting| {
        if let Setting::Number(value) = setting {
            *place(config) = *value;
        }
    })
}

/// A whole number.
pub(super) fn integer<N: TryFrom<i64> + 'static>(
    path: &str,
    bounds: std::ops::RangeInclusive<i64>,
    unit: &'static str,
    place: fn(&mut Config) -> &mut N,
) -> Key {
    let kind = Kind::Integer { min: *bounds.start(), max: *bounds.end(), unit };
    key(path, kind, move |config, setting| {
        if let Setting::Integer(value) = setting
            && let Ok(value) = N::try_from(*value)
        {
            *place(config) = value;
        }
    })
}

/// A duration, bounds in milliseconds.
pub(super) fn duration(
    path: &str,
    bounds_ms: std::ops::RangeInclusive<u64>,
    place: fn(&mut Config) -> &mut Duration,
) -> Key {
    let kind = Kind::Duration { min_ms: *bounds_ms.start(), max_ms: *bounds_ms.end() };
    key(path, kind, move |config, setting| {
        if let Setting::Duration(value) = setting {
            *place(config) = *value;
        }
    })
}

/// An amount of money, bounds in whole dollars.
pub(super) fn dollars(
    path: &str,
    bounds: std::ops::RangeInclusive<i64>,
    place: fn(&mut Config) -> &mut Money,
) -> Key {
    let kind = Kind::Dollars { min: *bounds.start(), max: *bounds.end() };
    key(path, kind, move |config, setting| {
        if let Setting::Dollars(value) = setting {
            *place(config) = *value;
        }
    })
}

/// `true` or `false`.
pub(super) fn flag(path: impl Into<String>, place: fn(&mut Config) -> &mut bool) -> Key {
    key(path, Kind::Flag, move |config, setting| {
        if let Setting::Flag(value) = setting {
            *place(config) = *value;
        }
    })
}

/// One of a few words; `set` is called with one of them.
pub(super) fn word(
    path: impl Into<String>,
    words: &'static [&'static str],
    set: impl Fn(&mut Config, &str) + Send + Sync + 'static,
) -> Key {
    key(path, Kind::Word { words }, move |config, setting| {
        if let Setting::Text(value) = setting {
            set(config, value);
        }
    })
}

/// The bounds of one parameter of advice: within the hard ones.
pub(super) fn bounds(hard: &Bounds, place: fn(&mut BoundsTable) -> &mut Bounds) -> Key {
    let kind = Kind::Range { min: hard.min(), max: hard.max() };
    let hard = *hard;
    key(format!("bounds.{}", hard.parameter()), kind, move |config, setting| {
        if let Setting::Range(low, high) = setting
            && let Ok(narrowed) = hard.narrowed(*low, *high)
        {
            *place(&mut config.limits.bounds) = narrowed;
        }
    })
}
