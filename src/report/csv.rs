//! The CSV files: a header, RFC 3339 times, exact decimals, and quotes where a field needs them.

use std::fmt::Write;

use conclave_domain::order::OrderKind;

use super::RunReport;
use super::sample::drawdowns;

/// The columns of `trades.csv`.
const TRADES: [&str; 10] = [
    "symbol",
    "side",
    "qty",
    "entry_time",
    "entry_price",
    "exit_time",
    "exit_price",
    "pnl",
    "fees",
    "exit_reason",
];

/// The columns of `equity.csv`; `benchmark` follows where there is one.
const EQUITY: [&str; 5] = ["time", "equity", "cash", "exposure", "drawdown"];

/// The columns of `orders.csv`.
const ORDERS: [&str; 16] = [
    "time",
    "client_order_id",
    "decision",
    "symbol",
    "side",
    "type",
    "qty",
    "limit_price",
    "stop_price",
    "time_in_force",
    "purpose",
    "status",
    "filled_qty",
    "filled_avg_price",
    "fees",
    "code",
];

/// Lines of fields.
struct Lines(String);

impl Lines {
    fn new(columns: &[&str]) -> Self {
        let mut lines = Self(String::new());
        lines.push(columns.iter().map(|&name| name.to_owned()));
        lines
    }

    fn push(&mut self, fields: impl IntoIterator<Item = String>) {
        for (index, field) in fields.into_iter().enumerate() {
            if index > 0 {
                self.0.push(',');
            }
            if field.contains([',', '"', '\n', '\r']) {
                // Writing to a string cannot fail.
                let _ = write!(self.0, "\"{}\"", field.replace('"', "\"\""));
            } else {
                self.0.push_str(&field);
            }
        }
        self.0.push('\n');
    }
}

/// `trades.csv`
pub(super) fn trades(report: &RunReport) -> String {
    let mut lines = Lines::new(&TRADES);
    for trade in &report.trades {
        lines.push([
            trade.symbol.to_string(),
            trade.direction.name().to_owned(),
            trade.qty.to_string(),
            trade.entry_time.to_string(),
            trade.entry_price.to_string(),
            trade.exit_time.to_string(),
            trade.exit_price.to_string(),
            trade.pnl.to_string(),
            trade.fees.to_string(),
            trade.exit_reason.name().to_owned(),
        ]);
    }
    lines.0
}

/// `equity.csv`
pub(super) fn equity(report: &RunReport) -> String {
    let compared = report.equity.iter().any(|point| point.benchmark.is_some());
    let mut columns = EQUITY.to_vec();
    columns.extend(compared.then_some("benchmark"));
    let mut lines = Lines::new(&columns);
    for (point, drawdown) in report.equity.iter().zip(drawdowns(&report.equity)) {
        let mut fields = vec![
            point.time.to_string(),
            point.equity.to_string(),
            point.cash.to_string(),
            format!("{:.9}", point.exposure.get()),
            format!("{drawdown:.9}"),
        ];
        let benchmark = point.benchmark.map(|value| value.to_string());
        fields.extend(compared.then(|| benchmark.unwrap_or_default()));
        lines.push(fields);
    }
    lines.0
}

/// `orders.csv`
pub(super) fn orders(report: &RunReport) -> String {
    let mut lines = Lines::new(&ORDERS);
    for row in &report.orders {
        let intent = &row.intent;
        let (limit, stop) = match intent.kind {
            OrderKind::Market => (None, None),
            OrderKind::Limit { limit } => (Some(limit), None),
            OrderKind::Stop { stop } => (None, Some(stop)),
            OrderKind::StopLimit { stop, limit } => (Some(limit), Some(stop)),
            OrderKind::TrailingStop { trail } => (None, Some(trail)),
        };
        let price = |price: Option<conclave_domain::fixed::Price>| {
            price.map(|price| price.to_string()).unwrap_or_default()
        };
        lines.push([
            intent.at.to_string(),
            intent.client_order_id.to_string(),
            intent.decision.to_string(),
            intent.symbol.to_string(),
            intent.side.name().to_owned(),
            intent.kind.name().to_owned(),
            intent.qty.to_string(),
            price(limit),
            price(stop),
            intent.time_in_force.name().to_owned(),
            super::tables::purpose(intent.purpose).to_owned(),
            row.status.clone(),
            row.filled.to_string(),
            price(row.average),
            row.fees.to_string(),
            row.code.map(|code| code.to_string()).unwrap_or_default(),
        ]);
    }
    lines.0
}
