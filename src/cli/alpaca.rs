//! `alpaca`: looks at the account behind the keys, and stops it, without a running process.

mod look;

use std::io::Write;
use std::path::Path;

use clap::{Args, Subcommand};
use conclave_domain::alpaca::{Order, Position, Stamp, Trouble};
use conclave_domain::fixed::Qty;
use conclave_domain::time::Time;
use serde_json::json;

use super::config;
use super::error::{CliError, ExitCode};
use super::format::{Align, Format, Table, write_json};
use crate::adapters::alpaca_http::{
    Alpaca, AlpacaError, KEY_ID, Keys, OrdersQuery, SECRET_KEY, Venue,
};
use crate::adapters::clock;
use crate::config::AlpacaSettings;

/// Arguments of `alpaca`.
#[derive(Args, Clone, Debug)]
pub struct AlpacaArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: AlpacaAction,
}

/// What to do with the account.
#[derive(Subcommand, Clone, Debug)]
pub enum AlpacaAction {
    /// Its money, and whether it may trade.
    Account,
    /// The venue's time, whether it is open, and how far this machine's clock is off.
    Clock,
    /// What is held.
    Positions,
    /// Open orders, or all of the last days.
    Orders {
        /// Those that are over too, of so many days.
        #[arg(long, value_name = "DAYS")]
        days: Option<u16>,
    },
    /// What has happened to the account in the last days: fills, dividends, fees, payments.
    Activities {
        /// Of so many days.
        #[arg(long, value_name = "DAYS", default_value_t = 7)]
        days: u16,
    },
    /// The best prices and the last trade of symbols, and how old they are.
    Quotes {
        /// Shares or coins, such as `AAPL BTC/USD`.
        #[arg(required = true, value_name = "SYMBOL")]
        symbols: Vec<String>,
    },
    /// Cancels every open order.
    CancelAll {
        /// Do it: every order, whoever made it.
        #[arg(long)]
        yes: bool,
    },
    /// Closes one position at the market.
    Close {
        /// What is held; of a coin with its slash or without.
        symbol: String,
        /// How much of it; all of it when not given.
        #[arg(long)]
        qty: Option<Qty>,
        /// Do it.
        #[arg(long)]
        yes: bool,
    },
    /// Cancels every open order and closes every position at the market.
    CloseAll {
        /// Do it: everything, whoever opened it.
        #[arg(long)]
        yes: bool,
    },
}

/// What a failure at Alpaca means to the shell.
impl From<AlpacaError> for CliError {
    fn from(error: AlpacaError) -> Self {
        let code = match &error {
            AlpacaError::Setup(_)
            | AlpacaError::HalfAKey { .. }
            | AlpacaError::Address { .. }
            | AlpacaError::WrongKeys { .. } => ExitCode::Config,
            _ => ExitCode::Broker,
        };
        let text = error.to_string();
        let text = match error.trouble() {
            Some(Trouble::Unreached) => format!(
                "{text}; nobody was there within `alpaca.deadline`: look at the network and the \
                 addresses in `[alpaca]`"
            ),
            Some(Trouble::Unknown { status: 0 }) => format!(
                "{text}; whoever is there did not answer in time: look at `conclave alpaca orders` \
                 before anything is said again"
            ),
            _ => text,
        };
        Self::new(code, text)
    }
}

/// The client of a configuration and of the keys in the environment.
///
/// # Errors
/// With exit code 3 when there are no keys, or they do not belong to the address.
pub(in crate::cli) fn connect(settings: &AlpacaSettings) -> Result<Alpaca, CliError> {
    let Some(keys) = Keys::from_env()? else {
        let text = format!("{KEY_ID} and {SECRET_KEY} are not set");
        return Err(CliError::new(ExitCode::Config, text));
    };
    Ok(Alpaca::new(settings.clone(), &keys)?)
}

/// Runs `alpaca`.
///
/// # Errors
/// [`ExitCode::Config`] without usable keys, [`ExitCode::Usage`] when what cannot be undone was not
/// confirmed, [`ExitCode::Broker`] when the venue refused, did not answer, or left a part undone.
pub async fn run(
    args: &AlpacaArgs,
    file: Option<&Path>,
    format: Format,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let loaded = config::load(file, &[])?;
    let alpaca = connect(&loaded.config.alpaca)?;
    match &args.action {
        AlpacaAction::Account => account(&alpaca, format, out).await,
        AlpacaAction::Clock => clock(&alpaca, format, out).await,
        AlpacaAction::Positions => positions(&alpaca.positions().await?, format, out),
        AlpacaAction::Orders { days } => {
            let after = days.map(days_ago);
            let query = OrdersQuery { all: days.is_some(), after, ..OrdersQuery::default() };
            orders(&alpaca.orders(&query).await?, format, out)
        }
        AlpacaAction::Activities { days } => {
            let found = alpaca.activities(None, Some(days_ago(*days))).await?;
            look::activities(&found, format, out)
        }
        AlpacaAction::Quotes { symbols } => look::quotes(&alpaca, symbols, format, out).await,
        AlpacaAction::CancelAll { yes } => {
            confirm(*yes, &alpaca, "cancels every open order")?;
            cancel_all(&alpaca, format, out).await
        }
        AlpacaAction::Close { symbol, qty, yes } => {
            confirm(*yes, &alpaca, &format!("closes {symbol}"))?;
            let closing = alpaca.close(symbol, *qty).await?;
            orders(std::slice::from_ref(&closing), format, out)
        }
        AlpacaAction::CloseAll { yes } => {
            confirm(*yes, &alpaca, "cancels every open order and closes every position")?;
            close_all(&alpaca, format, out).await
        }
    }
}

fn days_ago(days: u16) -> Stamp {
    Stamp::from(clock::now() - std::time::Duration::from_hours(24 * u64::from(days)))
}

/// There is no prompt: a script that did not say yes did not mean it.
fn confirm(yes: bool, alpaca: &Alpaca, what: &str) -> Result<(), CliError> {
    if yes {
        return Ok(());
    }
    let money = match alpaca.venue() {
        Venue::Live => "real money",
        _ => "simulated money",
    };
    let text = format!("this {what} at {} ({money}); say it with --yes", alpaca.address());
    Err(CliError::new(ExitCode::Usage, text))
}

async fn account(alpaca: &Alpaca, format: Format, out: &mut dyn Write) -> Result<(), CliError> {
    let account = alpaca.account().await?;
    if format != Format::Text {
        let document = json!({"schema": "alpaca-account/1", "venue": alpaca.venue().name(), "account": account});
        return write_json(&document, format, out);
    }
    let mut table = Table::pairs();
    table.row(["account", account.account_number.as_deref().unwrap_or("?")]);
    table.row(["money", alpaca.venue().name()]);
    table.row(["status", account.status.name()]);
    table.row(["may trade", account.block().unwrap_or("yes")]);
    table.row(["may sell short", if account.shorting_enabled { "yes" } else { "no" }]);
    for (name, money) in
        [("equity", account.equity), ("cash", account.cash), ("buying power", account.buying_power)]
    {
        table.row([name, &format!("{money:.2}")]);
    }
    Ok(write!(out, "{table}")?)
}

async fn clock(alpaca: &Alpaca, format: Format, out: &mut dyn Write) -> Result<(), CliError> {
    let before = clock::now();
    let venue = alpaca.clock().await?;
    let skew_ms = skew_ms(before, venue.timestamp.time(), clock::now());
    if format != Format::Text {
        let document = json!({"schema": "alpaca-clock/1", "clock": venue, "skew_ms": skew_ms});
        return write_json(&document, format, out);
    }
    let state = if venue.is_open { "open" } else { "closed" };
    writeln!(out, "the market of shares is {state}; the venue's time is {}", venue.timestamp)?;
    writeln!(out, "it opens {} and closes {}", venue.next_open, venue.next_close)?;
    Ok(writeln!(out, "this machine's clock is ahead by {skew_ms} ms")?)
}

/// How far this machine's clock is ahead of the venue's, which told its time somewhen between two
/// readings of ours; zero where it may be right.
pub(super) fn skew_ms(before: Time, venue: Time, after: Time) -> i64 {
    if venue < before {
        before.ms().saturating_sub(venue.ms())
    } else if after < venue {
        after.ms().saturating_sub(venue.ms())
    } else {
        0
    }
}

fn positions(positions: &[Position], format: Format, out: &mut dyn Write) -> Result<(), CliError> {
    if format != Format::Text {
        return write_json(
            &json!({"schema": "alpaca-positions/1", "positions": positions}),
            format,
            out,
        );
    }
    if positions.is_empty() {
        return Ok(writeln!(out, "nothing is held")?);
    }
    let mut table = Table::new([
        ("symbol", Align::Left),
        ("qty", Align::Right),
        ("entry", Align::Right),
        ("now", Align::Right),
        ("worth", Align::Right),
        ("profit", Align::Right),
    ]);
    for it in positions {
        let show = |text: Option<String>| text.unwrap_or_else(|| "?".to_owned());
        table.row([
            it.symbol.clone(),
            it.signed_qty().to_string(),
            it.avg_entry_price.to_string(),
            show(it.current_price.map(|price| price.to_string())),
            show(it.market_value.map(|money| format!("{money:.2}"))),
            show(it.unrealized_pl.map(|money| format!("{money:.2}"))),
        ]);
    }
    Ok(write!(out, "{table}")?)
}

fn orders(orders: &[Order], format: Format, out: &mut dyn Write) -> Result<(), CliError> {
    if format != Format::Text {
        return write_json(&json!({"schema": "alpaca-orders/1", "orders": orders}), format, out);
    }
    if orders.is_empty() {
        return Ok(writeln!(out, "there are no orders")?);
    }
    let mut table = Table::new([
        ("sent", Align::Left),
        ("symbol", Align::Left),
        ("side", Align::Left),
        ("type", Align::Left),
        ("qty", Align::Right),
        ("filled", Align::Right),
        ("at", Align::Right),
        ("status", Align::Left),
        ("client order id", Align::Left),
    ]);
    for it in orders {
        let amount = match (it.qty, it.notional) {
            (Some(qty), _) => qty.to_string(),
            (None, Some(money)) => format!("${money:.2}"),
            (None, None) => "?".to_owned(),
        };
        table.row([
            it.submitted_at.map_or_else(|| "?".to_owned(), |at| at.time().compact()),
            it.symbol.clone(),
            it.side.to_string(),
            it.kind.to_string(),
            amount,
            it.filled_qty.to_string(),
            it.filled_avg_price.map_or_else(String::new, |price| price.to_string()),
            it.status.to_string(),
            it.client_order_id.clone(),
        ]);
    }
    Ok(write!(out, "{table}")?)
}

async fn cancel_all(alpaca: &Alpaca, format: Format, out: &mut dyn Write) -> Result<(), CliError> {
    let canceled = alpaca.cancel_all().await?;
    if format == Format::Text {
        for it in &canceled {
            writeln!(
                out,
                "{}: {}",
                it.id,
                if it.status < 300 { "being canceled" } else { "refused" }
            )?;
        }
        writeln!(out, "{} orders", canceled.len())?;
    } else {
        write_json(&json!({"schema": "alpaca-cancel-all/1", "orders": canceled}), format, out)?;
    }
    undone(canceled.iter().filter(|it| it.status >= 300).count(), "orders are not being canceled")
}

async fn close_all(alpaca: &Alpaca, format: Format, out: &mut dyn Write) -> Result<(), CliError> {
    let closed = alpaca.close_all().await?;
    if format == Format::Text {
        let mut table = Table::listing();
        for it in &closed {
            let state = match it.order() {
                Some(order) if it.status < 300 => format!("order {} ({})", order.id, order.status),
                _ => format!("refused ({}) {}", it.status, it.problem().unwrap_or_default()),
            };
            table.row([it.symbol.clone(), state]);
        }
        write!(out, "{table}")?;
        writeln!(
            out,
            "{} positions; `conclave alpaca positions` shows what is left",
            closed.len()
        )?;
    } else {
        write_json(&json!({"schema": "alpaca-close-all/1", "positions": closed}), format, out)?;
    }
    undone(closed.iter().filter(|it| it.status >= 300).count(), "positions are not being closed")
}

/// What was refused is a failure, although the venue's answer as a whole is good.
fn undone(count: usize, what: &str) -> Result<(), CliError> {
    if count == 0 {
        return Ok(());
    }
    Err(CliError::new(ExitCode::Broker, format!("{count} {what}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_off_by_what_the_time_of_the_question_cannot_explain() {
        let at = Time::from_ms;
        for (before, venue, after, skew) in
            [(100, 150, 200, 0), (100, 90, 200, 10), (100, 250, 200, -50), (100, 100, 100, 0)]
        {
            assert_eq!(skew_ms(at(before), at(venue), at(after)), skew, "{before} {venue} {after}");
        }
    }
}
