//! `arena verify`: another arena's book replayed against prices, and what does not hold.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use conclave_domain::arena::foreign::merged::Prices;
use conclave_domain::arena::foreign::positions::read_positions;
use conclave_domain::arena::foreign::trades::read_trades;
use conclave_domain::arena::ledger::{Mode, Replayed, Terms, replay, round_trips};
use conclave_domain::arena::market::{MarketKind, MarketRules};
use conclave_domain::fixed::{Bp, Money};
use conclave_domain::record::Digest;

use super::{files, show};
use crate::cli::backtest::{basis_points, cash};
use crate::cli::error::{CliError, ExitCode};
use crate::cli::format::{Format, write_json};
use crate::cli::progress::Progress;

/// `arena verify`
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Every trade of --positions is made once more at the opening price of its bar and compared with the \
    cash and all holdings that stand after it; round trips of --trades are held against themselves. Strict by \
    default: a line that cannot be read, or a booked trade that a rule of the market is against, fails like a \
    book that does not follow. --lenient lists both, and takes a book that broke up again where it stands. \
    Exit codes: 0 the book holds, 5 there is no such file or model, 8 it does not hold, or is none."
)]
pub struct VerifyArgs {
    /// What is checked.
    #[command(flatten)]
    pub book: BookArgs,
}

/// A book from elsewhere, and on what terms it is looked at.
#[derive(Args, Clone, Debug)]
pub struct BookArgs {
    /// The book: AI-Trader's position.jsonl.
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present = "trades",
        requires = "prices",
        requires = "market"
    )]
    pub positions: Option<PathBuf>,
    /// Round trips as nof1 publishes them; of several models there is a verdict on each.
    #[arg(long, value_name = "FILE", conflicts_with = "positions")]
    pub trades: Option<PathBuf>,
    /// Prices: AI-Trader's merged.jsonl; given several times, the first file that has a bar counts.
    #[arg(long, value_name = "FILE")]
    pub prices: Vec<PathBuf>,
    /// Whose rules: us, us-hourly, cn, cn-hourly or crypto; round trips are crypto's when not given.
    #[arg(long, value_name = "MARKET")]
    pub market: Option<MarketKind>,
    /// Forgives nothing; the default.
    #[arg(long, conflicts_with = "lenient")]
    pub strict: bool,
    /// Lists what cannot be read and what breaks a rule, and goes on behind a break.
    #[arg(long)]
    pub lenient: bool,
    /// The fee that the book charges on the value of every trade, in basis points; round trips state
    /// theirs.
    #[arg(long, value_name = "N", default_value = "0", value_parser = basis_points, conflicts_with = "trades")]
    pub fee_bp: Bp,
    /// The cash that a model's round trips begin with, which they do not state.
    #[arg(long, value_name = "AMOUNT", default_value = "10000", value_parser = cash, conflicts_with = "positions")]
    pub cash: Money,
    /// One model of the round trips.
    #[arg(long, value_name = "ID", conflicts_with = "positions")]
    pub model: Option<String>,
}

/// What was checked, and what it was read from.
pub(super) struct Checked {
    /// The books: one, or one of each model.
    pub(super) books: Vec<Replayed>,
    /// The prices that they were checked with.
    pub(super) prices: Prices,
    /// The file that holds them.
    pub(super) path: PathBuf,
    /// Hash and name of every file, the books' first.
    pub(super) sources: Vec<(Digest, PathBuf)>,
}

impl BookArgs {
    /// Reads and replays.
    ///
    /// # Errors
    /// [`ExitCode::NotFound`] when a file or the model is not there, [`ExitCode::Data`] when a file is
    /// no book or no prices.
    pub(super) fn check(&self) -> Result<Checked, CliError> {
        let _waiting = Progress::waiting("checks the book");
        let mode = if self.lenient { Mode::Lenient } else { Mode::Strict };
        let terms = Terms { mode, fee: self.fee_bp };
        let missing = || CliError::new(ExitCode::Usage, "--positions or --trades is wanted");
        let path = self.positions.as_ref().or(self.trades.as_ref()).ok_or_else(missing)?;
        let text = files::text(path)?;
        let mut sources = vec![(Digest::of(text.as_bytes()), path.clone())];
        let prices = files::prices(&self.prices, &mut sources)?;
        let none = |why: &dyn std::fmt::Display| {
            CliError::new(ExitCode::Data, format!("{}: {why}", path.display()))
        };
        let books = if let (Some(_), Some(market)) = (&self.positions, self.market) {
            let rules = MarketRules::foreign(market, terms.fee);
            let replayed = replay(&read_positions(&text), &prices, &rules, &terms);
            vec![replayed.map_err(|fault| none(&fault))?]
        } else {
            let trades = read_trades(&text).map_err(|why| none(&why))?;
            let known = (!self.prices.is_empty()).then_some(&prices);
            let kind = self.market.unwrap_or(MarketKind::Crypto);
            let mut books = round_trips(&trades, known, kind, &terms, self.cash);
            if books.is_empty() {
                let first = trades.skipped.listed.first();
                let why = first.map(|place| format!(": {place}")).unwrap_or_default();
                return Err(none(&format!("there is no round trip{why}")));
            }
            if let Some(model) = &self.model {
                books.retain(|book| book.verdict.model.as_ref() == Some(model));
            }
            books
        };
        if books.is_empty() {
            let model = self.model.as_deref().unwrap_or_default();
            let text = format!("{} has no model {model}", path.display());
            return Err(CliError::new(ExitCode::NotFound, text));
        }
        Ok(Checked { books, prices, path: path.clone(), sources })
    }
}

/// Checks a book and prints what it came to.
///
/// # Errors
/// [`ExitCode::Data`] when the book does not hold, after everything was printed, or is none;
/// [`ExitCode::NotFound`] when there is no such file or model.
pub(super) fn run(args: &VerifyArgs, format: Format, out: &mut dyn Write) -> Result<(), CliError> {
    let checked = args.book.check()?;
    let verdicts: Vec<_> = checked.books.iter().map(|book| &book.verdict).collect();
    match (format, verdicts.as_slice()) {
        (Format::Text, verdicts) => show::print(verdicts, out)?,
        (Format::Json | Format::Jsonl, [verdict]) => write_json(verdict, format, out)?,
        (Format::Json | Format::Jsonl, verdicts) => {
            write_json(&show::together(verdicts), format, out)?;
        }
    }
    show::held(&verdicts, &checked.path)
}
