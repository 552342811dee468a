//! From a season's lines to columns of text, which the database casts: decimals stay exact.

use conclave_domain::arena::season::SeasonSpec;
use conclave_domain::arena::words::ContestantName;
use serde::Deserialize;
use serde_json::Value;

use super::error::StoreError;
use crate::adapters::arena_store::files::Told;

/// A table with its columns beside the season, and the type of each.
struct Table {
    name: &'static str,
    columns: &'static [(&'static str, &'static str)],
}

const CONTESTANTS: Table = Table {
    name: "contestants",
    columns: &[("name", "text"), ("cash", "numeric"), ("document", "json")],
};

const TICKS: Table = Table {
    name: "ticks",
    columns: &[
        ("number", "integer"),
        ("at", "timestamptz"),
        ("snapshot", "text"),
        ("benchmark", "numeric"),
        ("digest", "text"),
    ],
};

const CHATS: Table = Table {
    name: "model_chats",
    columns: &[
        ("tick", "integer"),
        ("contestant", "text"),
        ("ticker", "text"),
        ("at", "timestamptz"),
        ("outcome", "text"),
        ("rating", "text"),
        ("confidence", "double precision"),
        ("reasoning", "text"),
        ("document", "json"),
    ],
};

const AGGREGATES: Table = Table {
    name: "aggregates",
    columns: &[
        ("tick", "integer"),
        ("ticker", "text"),
        ("at", "timestamptz"),
        ("majority_decision", "text"),
        ("consensus_level", "double precision"),
        ("high_consensus", "boolean"),
        ("average_confidence", "double precision"),
        ("document", "json"),
    ],
};

const TRADES: Table = Table {
    name: "trades",
    columns: &[
        ("tick", "integer"),
        ("contestant", "text"),
        ("intent", "text"),
        ("wished_at_tick", "integer"),
        ("at", "timestamptz"),
        ("symbol", "text"),
        ("side", "text"),
        ("wanted", "numeric"),
        ("filled", "numeric"),
        ("price", "numeric"),
        ("fee", "numeric"),
        ("success", "boolean"),
        ("reason", "text"),
    ],
};

const EQUITY: Table = Table {
    name: "equity",
    columns: &[
        ("tick", "integer"),
        ("contestant", "text"),
        ("at", "timestamptz"),
        ("value", "numeric"),
    ],
};

impl Table {
    /// One statement for any number of rows: a column is an array.
    fn insert(&self) -> String {
        let names: Vec<&str> = self.columns.iter().map(|(name, _)| *name).collect();
        let casts: Vec<String> =
            self.columns.iter().map(|(name, of)| format!("given.{name}::{of}")).collect();
        let arrays: Vec<String> = (2..self.columns.len() + 2).map(|at| format!("${at}")).collect();
        let (name, names) = (self.name, names.join(", "));
        let (casts, arrays) = (casts.join(", "), arrays.join(", "));
        format!(
            "INSERT INTO conclave.{name} (season, {names}) SELECT $1, {casts} \
             FROM unnest({arrays}) AS given ({names})"
        )
    }
}

/// The values of a table, a column at a time.
#[derive(Default)]
struct Columns(Vec<Vec<Option<String>>>);

impl Columns {
    fn push<const N: usize>(&mut self, row: [Option<String>; N]) {
        self.0.resize(N, Vec::new());
        for (column, value) in self.0.iter_mut().zip(row) {
            // The one character that a text of the database cannot have.
            column.push(value.map(|text| text.replace('\0', "")));
        }
    }
}

/// Rows of all tables, in the order in which they may be written.
#[derive(Default)]
pub(super) struct Rows {
    contestants: Columns,
    ticks: Columns,
    chats: Columns,
    aggregates: Columns,
    trades: Columns,
    equity: Columns,
}

/// What of a chat has a column of its own.
#[derive(Deserialize)]
struct Chat {
    contestant: ContestantName,
    ticker: String,
    timestamp: String,
    final_decision: Last,
}

#[derive(Deserialize)]
struct Last {
    outcome: String,
    rating: Option<String>,
    confidence: Option<f64>,
    reasoning: String,
}

/// What of an aggregate has a column of its own.
#[derive(Deserialize)]
struct Together {
    ticker: String,
    timestamp: String,
    majority_decision: Option<String>,
    consensus_level: Option<f64>,
    high_consensus: bool,
    average_confidence: Option<f64>,
}

impl Rows {
    /// Who takes part in a season.
    pub(super) fn of_contestants(spec: &SeasonSpec) -> Result<Self, serde_json::Error> {
        let mut rows = Self::default();
        for one in &spec.contestants {
            let document: Value = serde_json::to_value(one)?;
            let row = [one.name.to_string(), one.cash.to_string(), document.to_string()];
            rows.contestants.push(row.map(Some));
        }
        Ok(rows)
    }

    /// Everything of one tick.
    pub(super) fn add(&mut self, told: &Told) -> Result<(), StoreError> {
        let line = &told.line;
        let (tick, at) = (line.tick.to_string(), line.timestamp.to_string());
        let (snapshot, benchmark) = (line.snapshot.to_string(), line.benchmark.to_string());
        let digest = told.digest().to_string();
        self.ticks.push([tick.clone(), at.clone(), snapshot, benchmark, digest].map(Some));
        for text in &told.chats {
            let chat: Chat = serde_json::from_str(text).map_err(StoreError::json)?;
            self.chats.push(chat_row(&tick, chat, text));
        }
        for text in &told.aggregates {
            let together: Together = serde_json::from_str(text).map_err(StoreError::json)?;
            self.aggregates.push(aggregate_row(&tick, together, text));
        }
        for (name, entry) in
            line.entries.iter().flat_map(|(name, all)| all.iter().map(move |one| (name, one)))
        {
            let (price, reason) = (entry.price, entry.reason);
            self.trades.push([
                Some(tick.clone()),
                Some(name.to_string()),
                Some(entry.intent.to_string()),
                Some(entry.tick.number.to_string()),
                Some(entry.at.to_string()),
                Some(entry.symbol.to_string()),
                Some(entry.side.to_string()),
                Some(entry.wanted.to_string()),
                Some(entry.filled.to_string()),
                price.map(|price| price.to_string()),
                Some(entry.fee.to_string()),
                Some(entry.success.to_string()),
                reason.map(|reason| reason.to_string()),
            ]);
        }
        for (name, value) in &line.equity {
            let row = [tick.clone(), name.to_string(), at.clone(), value.to_string()];
            self.equity.push(row.map(Some));
        }
        Ok(())
    }

    /// A statement for each table that has a row, with its columns.
    pub(super) fn statements(&self) -> impl Iterator<Item = (String, &[Vec<Option<String>>])> {
        let tables = [
            (CONTESTANTS, &self.contestants),
            (TICKS, &self.ticks),
            (CHATS, &self.chats),
            (AGGREGATES, &self.aggregates),
            (TRADES, &self.trades),
            (EQUITY, &self.equity),
        ];
        let filled = tables.into_iter().filter(|(_, columns)| !columns.0.is_empty());
        filled.map(|(table, columns)| (table.insert(), &columns.0[..]))
    }
}

fn chat_row(tick: &str, chat: Chat, text: &str) -> [Option<String>; 9] {
    let last = chat.final_decision;
    [
        Some(tick.to_owned()),
        Some(chat.contestant.to_string()),
        Some(chat.ticker),
        Some(chat.timestamp),
        Some(last.outcome),
        last.rating,
        last.confidence.map(|it| it.to_string()),
        Some(last.reasoning),
        Some(text.to_owned()),
    ]
}

fn aggregate_row(tick: &str, together: Together, text: &str) -> [Option<String>; 8] {
    [
        Some(tick.to_owned()),
        Some(together.ticker),
        Some(together.timestamp),
        together.majority_decision,
        together.consensus_level.map(|it| it.to_string()),
        Some(together.high_consensus.to_string()),
        together.average_confidence.map(|it| it.to_string()),
        Some(text.to_owned()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_has_as_many_arrays_as_columns_and_no_text_has_a_zero_byte() {
        let sql = EQUITY.insert();
        let wanted = "INSERT INTO conclave.equity (season, tick, contestant, at, value) SELECT $1, \
                      given.tick::integer, given.contestant::text, given.at::timestamptz, \
                      given.value::numeric FROM unnest($2, $3, $4, $5) AS given (tick, contestant, \
                      at, value)";
        assert_eq!(sql, wanted);
        let mut columns = Columns::default();
        columns.push([Some("a\0b".to_owned()), None]);
        columns.push([Some("c".to_owned()), Some("d".to_owned())]);
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(columns.0, [vec![text("ab"), text("c")], vec![None, text("d")]]);
    }
}
