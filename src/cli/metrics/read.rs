//! One column of a CSV as a series, strictly: whatever is no number has its line named.

use std::collections::BTreeMap;

use conclave_domain::time::Time;

/// The largest value that is a price or an equity.
const VALUE_MAX: f64 = 1e15;

/// Why a text is not a series. Lines count from one, the header included.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ReadError {
    /// Nothing below a header, or not even that.
    #[error("no rows")]
    Empty,
    /// None of the columns asked for is there.
    #[error("no column `{wanted}`; there are: {found}")]
    NoColumn { wanted: String, found: String },
    /// Two columns have the name that was asked for.
    #[error("two columns are called `{wanted}`")]
    Ambiguous { wanted: String },
    /// A row has more or fewer fields than the header.
    #[error("line {line}: {found} fields instead of {wanted}")]
    Ragged { line: usize, found: usize, wanted: usize },
    /// A field is no number.
    #[error("line {line}: `{text}` is not a number")]
    NotANumber { line: usize, text: String },
    /// A number that is no price and no equity.
    #[error("line {line}: {text} is too large")]
    TooLarge { line: usize, text: String },
    /// The first value is zero or negative.
    #[error("line {line}: a series cannot begin at {text}")]
    Start { line: usize, text: String },
    /// A field of the time column is no time.
    #[error("line {line}: `{text}` is neither a date such as 2013-03-01 nor an rfc 3339 time")]
    NotATime { line: usize, text: String },
    /// A time is not after the one above.
    #[error("line {line}: {text} is not after the time above")]
    Order { line: usize, text: String },
    /// The benchmark has no value for a row of the series.
    #[error("no value at {at}, which the series has")]
    Unmatched { at: Time },
    /// Without times on both sides, only equal lengths can be compared.
    #[error("{found} rows, the series has {wanted}, and not both have times to match by")]
    Length { found: usize, wanted: usize },
    /// Days are compared, and one of the two files has several rows for a day.
    #[error("more than one row for the day of {at}, and the other file has only dates")]
    SeveralADay { at: Time },
}

/// A column that was read.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Column {
    /// Its name as the file spells it.
    pub(super) name: String,
    /// Its values, the first above zero, all finite.
    pub(super) values: Vec<f64>,
    /// The rows' times, strictly increasing, when the first column has them.
    pub(super) times: Option<Vec<Time>>,
    /// Whether the times are dates alone.
    dates_only: bool,
}

impl Column {
    /// Reads the first of `columns` that the header has.
    pub(super) fn read(text: &str, columns: &[&str]) -> Result<Self, ReadError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut rows = text
            .lines()
            .enumerate()
            .map(|(index, line)| (index + 1, line))
            .filter(|(_, line)| !line.trim().is_empty());
        let (_, header) = rows.next().ok_or(ReadError::Empty)?;
        let header: Vec<&str> = fields(header).collect();
        let at = position(&header, columns)?;
        let mut column = Self {
            name: header.get(at).copied().unwrap_or_default().to_owned(),
            values: Vec::new(),
            times: None,
            dates_only: true,
        };
        for (line, row) in rows {
            let row: Vec<&str> = fields(row).collect();
            if row.len() != header.len() {
                let (found, wanted) = (row.len(), header.len());
                return Err(ReadError::Ragged { line, found, wanted });
            }
            if at > 0 {
                column.push_time(line, row[0], header[0])?;
            }
            column.push_value(line, row[at])?;
        }
        if column.values.is_empty() { Err(ReadError::Empty) } else { Ok(column) }
    }

    fn push_value(&mut self, line: usize, text: &str) -> Result<(), ReadError> {
        let shown = || text.chars().take(40).collect::<String>();
        let value: f64 = text.parse().map_err(|_| ReadError::NotANumber { line, text: shown() })?;
        if !value.is_finite() && !text.bytes().any(|byte| byte.is_ascii_digit()) {
            return Err(ReadError::NotANumber { line, text: shown() });
        }
        if value.abs() > VALUE_MAX {
            return Err(ReadError::TooLarge { line, text: shown() });
        }
        if self.values.is_empty() && value <= 0.0 {
            return Err(ReadError::Start { line, text: shown() });
        }
        self.values.push(value);
        Ok(())
    }

    /// A first column that is called a time must be one; any other is one when its first row is.
    fn push_time(&mut self, line: usize, text: &str, name: &str) -> Result<(), ReadError> {
        let is_first = self.values.is_empty();
        let named = ["date", "time", "datetime", "timestamp", "t"]
            .iter()
            .any(|word| name.eq_ignore_ascii_case(word));
        if !is_first && self.times.is_none() {
            return Ok(());
        }
        let shown = || text.chars().take(40).collect::<String>();
        let Some((time, is_date)) = time(text) else {
            return if is_first && !named {
                Ok(())
            } else {
                Err(ReadError::NotATime { line, text: shown() })
            };
        };
        let times = self.times.get_or_insert_default();
        if times.last().is_some_and(|&last| time <= last) {
            return Err(ReadError::Order { line, text: shown() });
        }
        times.push(time);
        self.dates_only &= is_date;
        Ok(())
    }

    /// The other column's value at each of this one's rows: by time where both have times (by day
    /// where one has only dates), row by row otherwise.
    pub(super) fn matched(&self, other: &Self) -> Result<Vec<f64>, ReadError> {
        let (Some(own), Some(theirs)) = (&self.times, &other.times) else {
            let (found, wanted) = (other.values.len(), self.values.len());
            return if found == wanted {
                Ok(other.values.clone())
            } else {
                Err(ReadError::Length { found, wanted })
            };
        };
        let by_day = self.dates_only || other.dates_only;
        let key = |time: Time| if by_day { time.ms().div_euclid(86_400_000) } else { time.ms() };
        for times in [own, theirs] {
            if let Some(pair) = times.windows(2).find(|pair| key(pair[0]) == key(pair[1])) {
                return Err(ReadError::SeveralADay { at: pair[1] });
            }
        }
        let known: BTreeMap<i64, f64> =
            theirs.iter().map(|&time| key(time)).zip(other.values.iter().copied()).collect();
        own.iter()
            .map(|&at| known.get(&key(at)).copied().ok_or(ReadError::Unmatched { at }))
            .collect()
    }
}

/// The fields of a line: split at commas, trimmed, without a pair of quotes around them.
fn fields(line: &str) -> impl Iterator<Item = &str> {
    line.split(',').map(|field| {
        let field = field.trim();
        field.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(field).trim()
    })
}

/// Where the first of the wanted columns is.
fn position(header: &[&str], columns: &[&str]) -> Result<usize, ReadError> {
    for wanted in columns {
        let mut found = header
            .iter()
            .enumerate()
            .filter(|(_, name)| name.eq_ignore_ascii_case(wanted.trim()))
            .map(|(index, _)| index);
        if let Some(index) = found.next() {
            return match found.next() {
                Some(_) => Err(ReadError::Ambiguous { wanted: (*wanted).to_owned() }),
                None => Ok(index),
            };
        }
    }
    let found: Vec<String> = header.iter().map(|name| format!("`{name}`")).collect();
    let found = found.join(", ").chars().take(400).collect();
    Err(ReadError::NoColumn { wanted: columns.first().copied().unwrap_or("").to_owned(), found })
}

/// An RFC 3339 time, or a date or a time without a zone, read as UTC; and whether it is a date.
fn time(text: &str) -> Option<(Time, bool)> {
    if let Ok(time) = text.parse::<Time>() {
        return Some((time, false));
    }
    let is_date = text.parse::<jiff::civil::Date>().is_ok() && text.len() <= 10;
    let moment: jiff::civil::DateTime = text.parse().ok()?;
    let zoned = moment.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some((Time::from(zoned.timestamp()), is_date))
}
