//! `data list`: the bars that ship with the binary.

use std::io::Write;

use conclave_domain::market::calendar::Calendar;
use conclave_domain::market::series::series_hash;
use serde::Serialize;

use crate::cli::error::CliError;
use crate::cli::format::{Align, Format, Table, write_json};
use crate::data::{embedded, embedded_assets, embedded_splits};

/// What `--format json` prints.
#[derive(Serialize)]
struct Document {
    schema: &'static str,
    /// The hash of the split-adjusted series, as a run records it.
    data_hash: String,
    series: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    symbol: String,
    name: String,
    class: &'static str,
    sector: String,
    timeframe: &'static str,
    bars: usize,
    first: Option<String>,
    last: Option<String>,
    splits: Vec<String>,
}

pub(super) fn run(format: Format, out: &mut dyn Write) -> Result<(), CliError> {
    let document = document()?;
    if format != Format::Text {
        return write_json(&document, format, out);
    }
    let mut table = Table::new([
        ("symbol", Align::Left),
        ("class", Align::Left),
        ("sector", Align::Left),
        ("bars", Align::Right),
        ("length", Align::Left),
        ("first", Align::Left),
        ("last", Align::Left),
        ("splits", Align::Left),
    ]);
    for row in &document.series {
        table.row([
            row.symbol.clone(),
            row.class.to_owned(),
            row.sector.clone(),
            row.bars.to_string(),
            row.timeframe.to_owned(),
            row.first.clone().unwrap_or_default(),
            row.last.clone().unwrap_or_default(),
            row.splits.join(", "),
        ]);
    }
    write!(out, "{table}")?;
    writeln!(out, "\ndata hash {} (adjusted for splits)", document.data_hash)?;
    Ok(())
}

fn document() -> Result<Document, CliError> {
    let (series, splits) = (embedded()?, embedded_splits()?);
    let assets = embedded_assets()?;
    let rows = series.iter().map(|one| {
        let calendar = Calendar::of(one.class);
        let day = |bar: &conclave_domain::market::bar::Bar| {
            calendar.session_date(bar.open_time).to_string()
        };
        let asset = assets.iter().find(|asset| asset.symbol == one.symbol);
        let own = splits.iter().filter(|split| split.symbol == one.symbol);
        Row {
            symbol: one.symbol.to_string(),
            name: asset.map_or_else(String::new, |asset| asset.name.clone()),
            class: one.class.name(),
            sector: asset.map_or_else(String::new, |asset| asset.sector.clone()),
            timeframe: one.timeframe.name(),
            bars: one.bars.len(),
            first: one.bars.first().map(day),
            last: one.bars.last().map(day),
            splits: own
                .map(|split| format!("{} {}:{}", split.date, split.new, split.old))
                .collect(),
        }
    });
    Ok(Document { schema: "data-list/1", data_hash: series_hash(&series), series: rows.collect() })
}
