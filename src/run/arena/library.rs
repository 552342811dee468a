//! Where the texts and statements of a season come from: the synthetic market, or files.
//!
//! Everything is read before the season begins; nothing is fetched while it is played.

use std::path::PathBuf;

use conclave_domain::arena::gate::{Library, RawStatement};
use conclave_domain::market::symbol::Symbol;
use conclave_domain::market::synth::{
    NewsItem, NewsKind, Preset, SynthConfig, SynthFault, SynthStatement, generate, statements,
};
use conclave_domain::news::door::{RawId, RawItem, Source as Kind};

use crate::cli::error::{CliError, ExitCode};
use crate::data;
use crate::run::select::{Source, Synthetic};

/// What a season has besides bars.
#[derive(Clone, Debug, Default)]
pub(crate) struct Texts {
    /// A file of news, posts and filings.
    pub(crate) news: Option<PathBuf>,
    /// A file of statements.
    pub(crate) statements: Option<PathBuf>,
    /// Whether the synthetic market lays traps: undated, late and hostile texts, unfiled and late statements.
    pub(crate) traps: bool,
}

/// The traps of the synthetic market.
const TRAPS: [SynthFault; 5] = [
    SynthFault::UndatedNews,
    SynthFault::LateNews,
    SynthFault::HostileNews,
    SynthFault::UnfiledStatements,
    SynthFault::LateStatements,
];

impl Texts {
    /// The library of a season; bars alone have an empty one.
    ///
    /// # Errors
    /// When a file cannot be read (5), or a line of it is none (8).
    pub(super) fn library(&self, source: &Source, symbols: &[Symbol]) -> Result<Library, CliError> {
        let (texts, filed) = match source {
            Source::Synthetic(wanted) => self.made(wanted)?,
            Source::Embedded | Source::Files { .. } => self.read()?,
        };
        Library::of(texts, filed, symbols)
            .map_err(|error| CliError::new(ExitCode::Data, error.to_string()))
    }

    fn read(&self) -> Result<(Vec<RawItem>, Vec<RawStatement>), CliError> {
        let texts = self.news.as_deref().map(data::read_news_file).transpose()?;
        let filed = self.statements.as_deref().map(data::read_statements_file).transpose()?;
        Ok((texts.unwrap_or_default(), filed.unwrap_or_default()))
    }

    /// The same market as the bars', this time with its texts: they draw from numbers of their own.
    fn made(&self, wanted: &Synthetic) -> Result<(Vec<RawItem>, Vec<RawStatement>), CliError> {
        let Synthetic { symbols, bars, seed, .. } = *wanted;
        let faults = if self.traps { TRAPS.into() } else { std::collections::BTreeSet::new() };
        let config = SynthConfig { symbols, bars, faults, ..SynthConfig::of(Preset::Default) };
        let market = generate(&config, seed)
            .map_err(|error| CliError::new(ExitCode::Usage, error.to_string()))?;
        let filed = statements(&config, seed, &market).into_iter().map(raw_statement).collect();
        Ok((market.news.into_iter().map(raw_item).collect(), filed))
    }
}

fn raw_item(item: NewsItem) -> RawItem {
    RawItem {
        id: RawId::Number(item.id),
        known_at: item.known_at,
        event_at: Some(item.event_at),
        headline: item.headline,
        body: item.body,
        source: match item.kind {
            NewsKind::News => Kind::News,
            NewsKind::Filing => Kind::Filing,
            NewsKind::Post => Kind::Post,
        },
        symbol: Some(item.symbol.to_string()),
        ..RawItem::default()
    }
}

/// A statement of the synthetic market in the form of the files.
pub(crate) fn raw_statement(one: SynthStatement) -> RawStatement {
    let SynthStatement { symbol, period_end, filed_at, figures } = one;
    let figures = figures.into_iter().map(|(name, figure)| (name.to_owned(), figure)).collect();
    RawStatement { symbol, period_end, filed_at, figures }
}

/// A library in words, behind those of the bars; nothing where it is empty and nothing was held back.
pub(super) fn shelf(library: &Library) -> String {
    let withheld: u32 = library.withheld().values().sum();
    if library.is_empty() && withheld == 0 {
        return String::new();
    }
    let texts = library.len();
    if withheld == 0 {
        return format!("; {texts} texts and statements");
    }
    let kinds: Vec<String> = library
        .withheld()
        .iter()
        .map(|(why, count)| format!("{} {count}", why.replace('_', " ")))
        .collect();
    format!("; {texts} texts and statements, {withheld} held back ({})", kinds.join(", "))
}
