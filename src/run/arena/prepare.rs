//! What a season is played on: bars, market, the ticks between two days, and who takes part.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use conclave_domain::arena::gate::Library;
use conclave_domain::arena::market::MarketKind;
use conclave_domain::arena::model::ModelSpec;
use conclave_domain::arena::season::SeasonSpec;
use conclave_domain::market::bar::Timeframe;
use conclave_domain::market::series::{Series, series_hash};
use conclave_domain::market::splits::Split;
use conclave_domain::market::symbol::{AssetClass, Symbol};
use conclave_domain::record::Digest;
use conclave_domain::time::Time;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::library::{Texts, shelf};
use crate::brains::contestants;
use crate::cli::error::{CliError, ExitCode};
use crate::config::Config;
use crate::config::arena::{ArenaFile, ModelChoice, SHIPPED};
use crate::files;
use crate::run::select::{Source, load, splits};

/// The largest file of a season, bytes.
const SPEC_MAX: u64 = 1 << 20;

/// Which ticks a season has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    /// From this day of the market on.
    pub(crate) from: Option<Date>,
    /// Up to this day, which is still part of it.
    pub(crate) until: Option<Date>,
    /// The last so many ticks, where no first day is named.
    pub(crate) last: usize,
}

/// A season that may begin.
#[derive(Clone, Debug)]
pub(crate) struct Prepared {
    /// By what it is played.
    pub(crate) spec: SeasonSpec,
    /// When a tick closes at the latest.
    pub(crate) deadline: Duration,
    /// The bars, in symbol order.
    pub(crate) series: Arc<[Series]>,
    /// Their hash.
    pub(crate) data: String,
    /// Texts and statements about them.
    pub(crate) library: Arc<Library>,
    /// The close of the first tick.
    pub(crate) from: Time,
    /// Ticks in it.
    pub(crate) ticks: usize,
    /// The hash of how models are asked, where any take part.
    pub(crate) thinking: Option<Digest>,
    /// Where the bars come from, in words.
    pub(crate) source: String,
}

/// Reads bars and the season's file.
///
/// # Errors
/// When a file cannot be read (5) or is no season (3), the bars are of no market or more than one (8), a
/// symbol is not there (5), or no tick is left (8).
pub(crate) fn prepare(
    (source, words): (&Source, String),
    texts: &Texts,
    symbols: &[Symbol],
    span: Span,
    (file, models): (Option<&Path>, &ModelChoice),
) -> Result<Prepared, CliError> {
    let ArenaFile { name, slot, shorts, deadline, contestants, .. } = read(file, models)?;
    // Cut before splits are taken into account: no later split shows in an earlier price.
    let universe = load(source, symbols, span.until.map(midnight_after))?;
    let mut series: Vec<Series> = universe.listed.into_iter().map(|it| it.series).collect();
    if let Some(until) = span.until.map(midnight_after) {
        for one in &mut series {
            one.bars.retain(|bar| bar.close_time <= until);
        }
    }
    series.retain(|one| !one.bars.is_empty());
    series.sort_by(|a, b| a.symbol.cmp(&b.symbol));
    let market = market(&series)?;
    let symbols: Vec<Symbol> = series.iter().map(|one| one.symbol.clone()).collect();
    let library = Arc::new(texts.library(source, &symbols)?);
    let words = format!("{words}{}", shelf(&library));
    let spec = SeasonSpec { season: name, market, symbols, slot, shorts, contestants };
    spec.check().map_err(|faults| CliError::new(ExitCode::Config, faults.to_string()))?;
    let (from, ticks) = first_tick(&series, market, span)?;
    refuse_split(&splits(source)?, (&spec, &series), from)?;
    let data = series_hash(&series);
    let series = series.into();
    let thinking = None;
    Ok(Prepared { spec, deadline, series, data, library, from, ticks, thinking, source: words })
}

impl Prepared {
    /// The same under a configuration: whoever goes on under another one is refused, because neither the
    /// tape nor the budgets would be about the same questions.
    ///
    /// # Errors
    /// When the price table cannot be used (3).
    pub(crate) fn under(&self, config: &Config) -> Result<Self, CliError> {
        let asked = self.models();
        if asked.is_empty() {
            return Ok(self.clone());
        }
        let models = &config.models;
        let (version, rates) = (env!("CARGO_PKG_VERSION"), contestants::rates(config, &asked)?);
        let budgets = (&config.limits, &config.budgets);
        let how = (version, &models.effort, models.answer_max, budgets, rates);
        // Plain data with text keys: there is no way to fail, and nothing would be its own hash.
        let hash = Digest::of(&serde_json::to_vec(&how).unwrap_or_default());
        Ok(Self { thinking: Some(hash), ..self.clone() })
    }

    /// The models of its contestants.
    pub(super) fn models(&self) -> Vec<&ModelSpec> {
        self.spec.contestants.iter().filter_map(|one| one.kind.models()).collect()
    }
}

/// Refuses a season during which a share is split: prices before it would be told in parts of a share that
/// nobody could know of yet, of one that is listed on the way as of any other.
fn refuse_split(
    splits: &[Split],
    (spec, series): (&SeasonSpec, &[Series]),
    from: Time,
) -> Result<(), CliError> {
    let day = |close: Time| spec.market.day_of(close - Duration::from_millis(1));
    let Some(last) = closes(series).last().copied() else { return Ok(()) };
    let within = |it: &&Split| day(from) < it.date && it.date <= day(last);
    let Some(split) = splits.iter().filter(within).find(|it| spec.symbols.contains(&it.symbol))
    else {
        return Ok(());
    };
    let text = format!(
        "{} is split during the season, on {}, so its earlier prices would tell of it: end the \
         season before the split with --until, or begin it behind with --from",
        split.symbol, split.date
    );
    Err(CliError::new(ExitCode::Data, text))
}

/// Reads a season's file, or the one that ships where none is named.
///
/// # Errors
/// When it cannot be read (5) or is no season (3).
pub(crate) fn read(file: Option<&Path>, models: &ModelChoice) -> Result<ArenaFile, CliError> {
    let Some(path) = file else {
        return ArenaFile::read(SHIPPED, models).map_err(|error| {
            CliError::new(ExitCode::Config, "the shipped season").caused_by(error)
        });
    };
    let named = |code, what: &str| CliError::new(code, format!("{}: {what}", path.display()));
    let size = std::fs::metadata(path)
        .map_err(|error| named(ExitCode::NotFound, "cannot be read").caused_by(error))?;
    if size.len() > SPEC_MAX {
        return Err(named(ExitCode::Config, "is larger than a megabyte"));
    }
    let text = files::read_to_string(path)
        .map_err(|error| named(ExitCode::NotFound, "cannot be read").caused_by(error))?;
    ArenaFile::read(&text, models)
        .map_err(|error| named(ExitCode::Config, "is no season").caused_by(error))
}

/// The end of a day as far as bars go: shares close long before, coins exactly then.
fn midnight_after(day: Date) -> Time {
    let next = day.tomorrow().unwrap_or(day);
    let zoned = next.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp());
    Time::from(zoned.unwrap_or(jiff::Timestamp::MAX))
}

/// The market of the bars.
fn market(series: &[Series]) -> Result<MarketKind, CliError> {
    let wrong = |text: String| CliError::new(ExitCode::Data, text);
    let Some(first) = series.first() else {
        return Err(wrong("there is no bar to play a season on".to_owned()));
    };
    if let Some(other) = series.iter().find(|one| one.class != first.class) {
        let text = format!(
            "{} is {} and {} is {}: a season has one market",
            first.symbol,
            first.class.name(),
            other.symbol,
            other.class.name()
        );
        return Err(wrong(text));
    }
    match (first.class, first.timeframe) {
        (AssetClass::Equity, Timeframe::Day) => Ok(MarketKind::Us),
        (AssetClass::Equity, Timeframe::Hour) => Ok(MarketKind::UsHourly),
        (AssetClass::Crypto, Timeframe::Day | Timeframe::Hour) => Ok(MarketKind::Crypto),
        (_, other) => {
            let text = format!("bars of {}: a season goes by days or by hours", other.name());
            Err(wrong(text))
        }
    }
}

impl Prepared {
    /// As many stretches of closes as wanted, each as long as this season, the last of them its own; no
    /// close is in two of them.
    ///
    /// # Errors
    /// When there are not so many closes (8).
    pub(crate) fn stretches(&self, runs: usize) -> Result<Vec<Vec<Time>>, CliError> {
        let closes = closes(&self.series);
        let wanted = runs.saturating_mul(self.ticks);
        let Some(first) = closes.len().checked_sub(wanted) else {
            let text = format!(
                "{runs} runs of {} ticks that share none want {wanted} closes, and there are {}: at \
                 most {} runs, or fewer ticks by --last",
                self.ticks,
                closes.len(),
                closes.len() / self.ticks.max(1)
            );
            return Err(CliError::new(ExitCode::Data, text));
        };
        let (_, rest) = closes.split_at(first);
        Ok(rest.chunks(self.ticks.max(1)).map(<[Time]>::to_vec).collect())
    }

    /// The day of the market on which a bar closes.
    pub(crate) fn day_of(&self, close: Time) -> Date {
        // A bar that closes at midnight belongs to the day that it was open on.
        self.spec.market.day_of(close - Duration::from_millis(1))
    }

    /// The same with these closes as its ticks; later bars are not in it. `None` without a close.
    pub(crate) fn of_ticks(self, ticks: &[Time]) -> Option<Self> {
        let (from, until) = (*ticks.first()?, *ticks.last()?);
        let mut series = self.series.to_vec();
        for one in &mut series {
            one.bars.retain(|bar| bar.close_time <= until);
        }
        series.retain(|one| !one.bars.is_empty());
        let symbols = series.iter().map(|one| one.symbol.clone()).collect();
        let (spec, ticks) = (SeasonSpec { symbols, ..self.spec }, ticks.len());
        let data = series_hash(&series);
        Some(Self { spec, series: series.into(), data, from, ticks, ..self })
    }
}

/// Every moment at which a bar closes, in order.
fn closes(series: &[Series]) -> Vec<Time> {
    let bars = series.iter().flat_map(|one| &one.bars);
    let mut closes: Vec<Time> = bars.map(|bar| bar.close_time).collect();
    closes.sort_unstable();
    closes.dedup();
    closes
}

/// The close of the first tick, and how many there are.
fn first_tick(
    series: &[Series],
    market: MarketKind,
    span: Span,
) -> Result<(Time, usize), CliError> {
    let closes = closes(series);
    let skipped = match span.from {
        // A bar that closes at midnight belongs to the day that it was open on.
        Some(from) => {
            closes.partition_point(|at| market.day_of(*at - Duration::from_millis(1)) < from)
        }
        None => closes.len().saturating_sub(span.last),
    };
    let none = || CliError::new(ExitCode::Data, "no bar closes between these days");
    let from = closes.get(skipped).copied().ok_or_else(none)?;
    Ok((from, closes.len() - skipped))
}
