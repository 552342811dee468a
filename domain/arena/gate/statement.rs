//! Statements of issuers: figures of a period, and when they were filed.
//!
//! A statement is known from its filing on, never from the end of its period.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::alpaca::Figure;
use crate::market::symbol::Symbol;
use crate::time::Time;

/// The most figures of one statement.
pub const FIGURES_MAX: usize = 64;
/// The longest name of a figure, characters.
const NAME_MAX: usize = 40;

/// A statement as a file tells it: a line of JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawStatement {
    /// Whose.
    pub symbol: Symbol,
    /// The last day of the period, as 2013-03-31.
    #[serde(with = "day")]
    pub period_end: Date,
    /// When it was filed; not known where the source does not say.
    #[serde(default)]
    pub filed_at: Option<Time>,
    /// The figures by name, as exact decimal text.
    pub figures: BTreeMap<String, Figure>,
}

/// A statement that says when it was filed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Statement {
    /// Whose.
    pub symbol: Symbol,
    /// The last day of the period.
    #[serde(with = "day")]
    pub period_end: Date,
    /// When it was filed: nothing of it is known before.
    pub filed_at: Time,
    /// The figures by name.
    pub figures: BTreeMap<String, Figure>,
}

/// Why a statement is held back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// Nobody can say whether it was known at the time.
    #[error("it does not say when it was filed")]
    Unfiled,
    /// A result that was known before it came about is not to be believed.
    #[error("it was filed at {filed_at}, before its period ended on {period_end}")]
    BeforeItsPeriod {
        /// When it was filed.
        filed_at: Time,
        /// The last day of its period.
        period_end: Date,
    },
    /// It is of nobody in this season.
    #[error("it is of no symbol of this season")]
    Stranger,
    /// It says nothing, or too much.
    #[error("it has {count} figures: 1 to {FIGURES_MAX} are wanted")]
    Figures {
        /// How many.
        count: usize,
    },
    /// A figure's name could be a sentence.
    #[error("a figure's name is not 1 to {NAME_MAX} of a-z, 0-9 and _")]
    Name,
    /// The same period was filed at the same moment before.
    #[error("the same period was filed at the same moment before")]
    Same,
}

impl StatementError {
    /// The word in counts.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Unfiled => "unfiled",
            Self::BeforeItsPeriod { .. } => "before_its_period",
            Self::Stranger => "stranger",
            Self::Figures { .. } => "figures",
            Self::Name => "name",
            Self::Same => "same",
        }
    }
}

impl RawStatement {
    /// The statement, where it may be known at some time.
    ///
    /// # Errors
    /// Why it is held back.
    pub fn admit(self, universe: &[Symbol]) -> Result<Statement, StatementError> {
        let Self { symbol, period_end, filed_at, figures } = self;
        if !universe.contains(&symbol) {
            return Err(StatementError::Stranger);
        }
        if !(1..=FIGURES_MAX).contains(&figures.len()) {
            return Err(StatementError::Figures { count: figures.len() });
        }
        if !figures.keys().all(|name| is_name(name)) {
            return Err(StatementError::Name);
        }
        let filed_at = filed_at.ok_or(StatementError::Unfiled)?;
        if filed_at < last_moment_of(period_end) {
            return Err(StatementError::BeforeItsPeriod { filed_at, period_end });
        }
        Ok(Statement { symbol, period_end, filed_at, figures })
    }
}

/// Names come from files: what could hold a sentence is none.
fn is_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=NAME_MAX).contains(&name.len()) && name.bytes().all(is_plain)
}

/// Noon in UTC of the day: no exchange of the west closes earlier, and files give no hour.
fn last_moment_of(day: Date) -> Time {
    let noon = day.at(12, 0, 0, 0).to_zoned(jiff::tz::TimeZone::UTC);
    noon.map_or(Time::EPOCH, |noon| Time::from(noon.timestamp()))
}

/// A day as text.
pub(super) mod day {
    use super::{Date, Deserialize, Deserializer, Serializer, de};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde calls")]
    pub(in super::super) fn serialize<S: Serializer>(
        day: &Date,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(day)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Date, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        // A civil date is also read out of a whole time stamp: only ten characters are a day.
        let day = text.parse().ok().filter(|_| text.len() == 10);
        let shown: String = text.chars().take(40).collect();
        day.ok_or_else(|| de::Error::custom(format!("`{shown}` is not a day such as 2013-03-31")))
    }
}

/// A day as text, or nothing.
pub(super) mod maybe_day {
    use super::{Date, Deserialize, Deserializer, Serializer, day};

    #[expect(clippy::ref_option, clippy::trivially_copy_pass_by_ref, reason = "the form of serde")]
    pub(in super::super) fn serialize<S: Serializer>(
        day: &Option<Date>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match day {
            Some(day) => serializer.collect_str(day),
            None => serializer.serialize_none(),
        }
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Date>, D::Error> {
        #[derive(Deserialize)]
        struct Day(#[serde(with = "day")] Date);
        Ok(Option::<Day>::deserialize(deserializer)?.map(|Day(day)| day))
    }
}
