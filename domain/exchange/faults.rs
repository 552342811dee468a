//! What goes wrong at an exchange on request: at the n-th request of a kind, or at random by a seed.
//!
//! A fault is written `WHERE.WHAT@NTH`, with `xCOUNT` for that many in a row and `:ARG` for how long:
//! `orders.500@2`, `orders.timeout@3:5s`, `trading.429@10x20`, `stream.gap@4:3s`. With `%SHARE` instead
//! of `@NTH` it strikes at random: `orders.500%0.05`. `clock.skew:90s` needs neither. `429:2s` says that
//! there is room again in so long, and `429:0s` says nothing of it.
//!
//! # Invariants
//!
//! - D-1: the same plan, seed and number of the request give the same fault.

use std::time::Duration;

use crate::ratio::Ratio;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// New orders.
    Orders,
    /// Cancellations of one order.
    Cancels,
    /// Replacements of one order.
    Replaces,
    /// Requests to the trading side, whatever they are.
    Trading,
    /// Requests for market data.
    Data,
    /// Messages of the trading stream.
    Stream,
    /// Messages of the data stream.
    Feed,
    /// The clock.
    Clock,
}

impl Place {
    /// Every place there is.
    pub const ALL: [Self; 8] = [
        Self::Orders,
        Self::Cancels,
        Self::Replaces,
        Self::Trading,
        Self::Data,
        Self::Stream,
        Self::Feed,
        Self::Clock,
    ];

    /// The word in a plan.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Orders => "orders",
            Self::Cancels => "cancels",
            Self::Replaces => "replaces",
            Self::Trading => "trading",
            Self::Data => "data",
            Self::Stream => "stream",
            Self::Feed => "feed",
            Self::Clock => "clock",
        }
    }
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is done, and no answer comes for so long; then one without a body.
    TimeOut(Duration),
    /// It is done so much later.
    Stall(Duration),
    /// Not done: 429, with the window's own end; or with room again in so long; or, where that is
    /// nothing, without a word about it.
    TooMany(Option<Duration>),
    /// Not done: 403.
    Forbidden,
    /// Not done: 422.
    Unprocessable,
    /// Not done: 500 without a body.
    Broken,
    /// The order fills to a half and is canceled.
    Half,
    /// The cancellation is taken, and the order fills.
    Late,
    /// A message is sent twice.
    Twice,
    /// The connection is cut, and nobody is let in for so long.
    Gap(Duration),
    /// The clock is wrong by so many milliseconds.
    Skew(i64),
}

impl Fault {
    /// The word in a plan.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TimeOut(_) => "timeout",
            Self::Stall(_) => "stall",
            Self::TooMany(_) => "429",
            Self::Forbidden => "403",
            Self::Unprocessable => "422",
            Self::Broken => "500",
            Self::Half => "half",
            Self::Late => "late",
            Self::Twice => "twice",
            Self::Gap(_) => "gap",
            Self::Skew(_) => "skew",
        }
    }

    /// Whether it can happen at a place.
    const fn fits(self, place: Place) -> bool {
        match self {
            Self::TimeOut(_)
            | Self::Stall(_)
            | Self::TooMany(_)
            | Self::Forbidden
            | Self::Unprocessable
            | Self::Broken => !matches!(place, Place::Stream | Place::Feed | Place::Clock),
            Self::Half => matches!(place, Place::Orders),
            Self::Late => matches!(place, Place::Cancels),
            Self::Twice | Self::Gap(_) => matches!(place, Place::Stream | Place::Feed),
            Self::Skew(_) => matches!(place, Place::Clock),
        }
    }
}

/// When a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum When {
    /// From the n-th on, counted from 1, so many times.
    Nth { from: u64, count: u64 },
    /// With this probability.
    Share(Ratio),
    /// Always.
    Always,
}

/// One planned fault.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Planned {
    place: Place,
    fault: Fault,
    when: When,
}

/// A text that is no fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no fault of an exchange: {why}")]
pub struct FaultError {
    text: String,
    why: &'static str,
}

/// The longest any fault lasts.
pub const LASTS_MAX: Duration = Duration::from_hours(1);
/// How long no answer comes where a fault does not say.
const TIME_OUT: Duration = Duration::from_secs(30);
/// How long a stall or a gap lasts where a fault does not say.
const STALL: Duration = Duration::from_secs(5);

/// A number with `ms`, `s` or `m`.
fn duration(text: &str) -> Option<Duration> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let ms = match unit {
        "ms" => number,
        "s" => number.checked_mul(1_000)?,
        "m" => number.checked_mul(60_000)?,
        _ => return None,
    };
    Some(Duration::from_millis(ms)).filter(|it| *it <= LASTS_MAX)
}

impl Planned {
    /// Reads a fault.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(text: &str) -> Result<Self, FaultError> {
        let no = |why| FaultError { text: text.chars().take(60).collect(), why };
        let (head, argument) = match text.split_once(':') {
            Some((head, argument)) => (head, Some(argument)),
            None => (text, None),
        };
        let (name, when) = match head.find(['@', '%']) {
            None => (head, When::Always),
            Some(at) => {
                let (name, when) = head.split_at(at);
                let (sign, figure) = when.split_at(1);
                let when = if sign == "@" { nth(figure) } else { share(figure) };
                (name, when.ok_or_else(|| no("@NTH, @NTHxCOUNT or %SHARE says when"))?)
            }
        };
        let (place, what) = name.split_once('.').ok_or_else(|| no("WHERE.WHAT is wanted"))?;
        let place = Place::ALL.into_iter().find(|it| it.name() == place);
        let place = place.ok_or_else(|| no("nothing can go wrong there"))?;
        let fault = fault(what, argument).ok_or_else(|| no("this cannot go wrong"))?;
        if !fault.fits(place) {
            return Err(no("this cannot go wrong there"));
        }
        if (when == When::Always) != matches!(fault, Fault::Skew(_)) {
            return Err(no("@NTH or %SHARE says when, but a clock is always wrong"));
        }
        Ok(Self { place, fault, when })
    }
}

fn nth(figure: &str) -> Option<When> {
    let (from, count) = figure.split_once('x').unwrap_or((figure, "1"));
    let (from, count) = (from.parse().ok()?, count.parse().ok()?);
    (from > 0 && count > 0).then_some(When::Nth { from, count })
}

fn share(figure: &str) -> Option<When> {
    let share: f64 = figure.parse().ok()?;
    ((0.0..=1.0).contains(&share)).then(|| When::Share(Ratio::or_zero(share)))
}

fn fault(what: &str, argument: Option<&str>) -> Option<Fault> {
    let lasts = |otherwise| argument.map_or(Some(otherwise), duration);
    let bare = |fault| argument.is_none().then_some(fault);
    match what {
        "timeout" => lasts(TIME_OUT).map(Fault::TimeOut),
        "stall" => lasts(STALL).map(Fault::Stall),
        "gap" => lasts(STALL).map(Fault::Gap),
        "429" => match argument {
            None => Some(Fault::TooMany(None)),
            Some(argument) => duration(argument).map(|reset| Fault::TooMany(Some(reset))),
        },
        "403" => bare(Fault::Forbidden),
        "422" => bare(Fault::Unprocessable),
        "500" => bare(Fault::Broken),
        "half" => bare(Fault::Half),
        "late" => bare(Fault::Late),
        "twice" => bare(Fault::Twice),
        "skew" => {
            let argument = argument?;
            let (sign, size) = argument.strip_prefix('-').map_or((1, argument), |it| (-1, it));
            let ms = i64::try_from(duration(size)?.as_millis()).ok()?;
            Some(Fault::Skew(sign * ms))
        }
        _ => None,
    }
}

/// Everything that shall go wrong.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    faults: Vec<Planned>,
    seed: u64,
}

impl Plan {
    /// A plan whose random faults follow a seed.
    pub fn new(faults: Vec<Planned>, seed: u64) -> Self {
        Self { faults, seed }
    }

    /// Reads a plan: a fault a line; what is behind `#` says nothing.
    ///
    /// # Errors
    /// The first line that is no fault.
    pub fn read(text: &str, seed: u64) -> Result<Self, FaultError> {
        let lines = text.lines().map(|line| line.split('#').next().unwrap_or(line).trim());
        let faults = lines.filter(|line| !line.is_empty()).map(Planned::read);
        Ok(Self::new(faults.collect::<Result<_, _>>()?, seed))
    }

    /// Adds a fault, counted from what `happened` at its place already.
    pub fn add(&mut self, mut fault: Planned, happened: impl Fn(Place) -> u64) {
        if let When::Nth { from, .. } = &mut fault.when {
            *from = from.saturating_add(happened(fault.place));
        }
        self.faults.push(fault);
    }

    /// Nothing goes wrong any more.
    pub fn clear(&mut self) {
        self.faults.clear();
    }

    /// Whether nothing shall go wrong.
    pub fn is_empty(&self) -> bool {
        self.faults.is_empty()
    }

    /// What goes wrong at the `nth` occasion at a place, counted from 1; the first that is planned.
    pub fn strikes(&self, place: Place, nth: u64) -> Option<Fault> {
        let mut here = (0_u64..).zip(&self.faults).filter(|(_, it)| it.place == place);
        here.find(|(index, it)| match it.when {
            When::Nth { from, count } => from <= nth && nth - from < count,
            When::Share(share) => self.draw(place, *index, nth) < share.get(),
            When::Always => true,
        })
        .map(|(_, it)| it.fault)
    }

    /// By how many milliseconds the clock is wrong.
    pub fn skew_ms(&self) -> i64 {
        match self.strikes(Place::Clock, 1) {
            Some(Fault::Skew(ms)) => ms,
            _ => 0,
        }
    }

    /// A number from 0 up to 1 that depends on nothing but its arguments.
    fn draw(&self, place: Place, fault: u64, nth: u64) -> f64 {
        let mut hasher = blake3::Hasher::new();
        hasher.update(place.name().as_bytes());
        for number in [self.seed, fault, nth] {
            hasher.update(&number.to_le_bytes());
        }
        let hash = hasher.finalize();
        let bits = hash.as_bytes().first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
        f64::from(bits) / (f64::from(u32::MAX) + 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_strikes_where_and_when_it_is_planned() {
        let plan = "orders.500@2x2\n# a comment\ntrading.stall@1:200s\nclock.skew:-90s\n";
        let plan = Plan::read(plan, 1).unwrap();
        let orders: Vec<_> = (1..=4).map(|nth| plan.strikes(Place::Orders, nth)).collect();
        assert_eq!(orders, [None, Some(Fault::Broken), Some(Fault::Broken), None]);
        let stall = Some(Fault::Stall(Duration::from_secs(200)));
        assert_eq!(plan.strikes(Place::Trading, 1), stall);
        assert_eq!(plan.skew_ms(), -90_000);
        let plan = Plan::read("trading.429@1\ntrading.429@2:2s\ntrading.429@3:0s", 1).unwrap();
        let resets: Vec<_> = (1..=3).map(|nth| plan.strikes(Place::Trading, nth)).collect();
        let resets_in = |reset: Option<u64>| Some(Fault::TooMany(reset.map(Duration::from_secs)));
        assert_eq!(resets, [resets_in(None), resets_in(Some(2)), resets_in(Some(0))]);
    }

    #[test]
    fn what_is_no_fault_is_refused_with_the_reason() {
        for (text, why) in [
            ("orders", "WHERE.WHAT"),
            ("orders.500", "@NTH"),
            ("moon.500@1", "nothing can go wrong there"),
            ("orders.tired@1", "this cannot go wrong:"),
            ("data.half@1", "this cannot go wrong there"),
            ("orders.500@0", "says when"),
            ("orders.500@1x0", "says when"),
            ("orders.500%2", "says when"),
            ("orders.500%NaN", "says when"),
            ("orders.stall@1:2h", "this cannot go wrong:"),
            ("orders.stall@1:7200s", "this cannot go wrong:"),
            ("orders.500@1:3s", "this cannot go wrong:"),
            ("clock.skew@1:3s", "always wrong"),
            ("clock.skew", "this cannot go wrong:"),
        ] {
            let error = Planned::read(text).unwrap_err().to_string() + ":";
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    /// D-1: what is random is drawn from the seed and the number of the request.
    #[test]
    fn random_faults_follow_their_seed() {
        let struck = |seed| {
            let plan = Plan::read("orders.500%0.25", seed).unwrap();
            (1..=1_000).filter(|nth| plan.strikes(Place::Orders, *nth).is_some()).collect()
        };
        let (one, again, other): (Vec<u64>, Vec<u64>, Vec<u64>) = (struck(7), struck(7), struck(8));
        assert_eq!(one, again);
        assert_ne!(one, other);
        assert!((200..300).contains(&one.len()), "{}", one.len());
    }

    #[test]
    fn a_fault_that_is_added_counts_from_then() {
        let mut plan = Plan::default();
        plan.add(Planned::read("orders.422@2").unwrap(), |_| 10);
        assert_eq!(plan.strikes(Place::Orders, 2), None);
        assert_eq!(plan.strikes(Place::Orders, 12), Some(Fault::Unprocessable));
        plan.clear();
        assert!(plan.is_empty() && plan.strikes(Place::Orders, 12).is_none());
    }
}
