//! The CSV files: a header, RFC 3339 times, exact decimals, and quotes where a field needs them.

use std::io::{self, Write};

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

/// Lines of fields, written as they come: a long curve is never in memory as text.
struct Lines<'a>(&'a mut dyn Write);

impl<'a> Lines<'a> {
    fn new(out: &'a mut dyn Write, columns: &[&str]) -> io::Result<Self> {
        let mut lines = Self(out);
        lines.push(columns.iter().map(|&name| name.to_owned()))?;
        Ok(lines)
    }

    fn push(&mut self, fields: impl IntoIterator<Item = String>) -> io::Result<()> {
        for (index, field) in fields.into_iter().enumerate() {
            if index > 0 {
                self.0.write_all(b",")?;
            }
            if field.contains([',', '"', '\n', '\r']) {
                write!(self.0, "\"{}\"", field.replace('"', "\"\""))?;
            } else {
                self.0.write_all(field.as_bytes())?;
            }
        }
        self.0.write_all(b"\n")
    }
}

/// `trades.csv`
pub(super) fn trades(report: &RunReport, out: &mut dyn Write) -> io::Result<()> {
    let mut lines = Lines::new(out, &TRADES)?;
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
        ])?;
    }
    Ok(())
}

/// `equity.csv`
pub(super) fn equity(report: &RunReport, out: &mut dyn Write) -> io::Result<()> {
    let compared = report.equity.iter().any(|point| point.benchmark.is_some());
    let mut columns = EQUITY.to_vec();
    columns.extend(compared.then_some("benchmark"));
    let mut lines = Lines::new(out, &columns)?;
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
        lines.push(fields)?;
    }
    Ok(())
}

/// `orders.csv`
pub(super) fn orders(report: &RunReport, out: &mut dyn Write) -> io::Result<()> {
    let mut lines = Lines::new(out, &ORDERS)?;
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
        ])?;
    }
    Ok(())
}
