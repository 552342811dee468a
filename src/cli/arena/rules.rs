//! `arena rules`: what each market permits, in the words that contestants are given.

use std::io::Write;

use clap::Args;
use conclave_domain::arena::market::{MarketKind, MarketRules};
use serde_json::{Value, json};

use crate::cli::error::CliError;
use crate::cli::format::{Format, write_json};

/// `arena rules`
#[derive(Args, Clone, Debug)]
pub struct RulesArgs {
    /// The market: us, us-hourly, cn, cn-hourly or crypto; all of them when not given.
    #[arg(long, value_name = "MARKET")]
    pub market: Option<MarketKind>,
}

/// Prints the rules of one market or of all.
///
/// # Errors
/// When they cannot be written.
pub(super) fn run(args: &RulesArgs, format: Format, out: &mut dyn Write) -> Result<(), CliError> {
    let kinds = MarketKind::ALL.into_iter().filter(|kind| args.market.is_none_or(|it| it == *kind));
    let rules: Vec<MarketRules> = kinds.map(MarketRules::of).collect();
    if format != Format::Text {
        let markets: Vec<Value> = rules.iter().map(document).collect();
        return write_json(&json!({"schema": "arena-rules/1", "markets": markets}), format, out);
    }
    for (index, rules) in rules.iter().enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        let (kind, cash) = (rules.kind, rules.kind.start_cash());
        writeln!(out, "{kind}: {cash} {} to begin with", kind.currency())?;
        for sentence in rules.text() {
            writeln!(out, "  {sentence}")?;
        }
        writeln!(out, "  rules {}", rules.hash())?;
    }
    Ok(())
}

fn document(rules: &MarketRules) -> Value {
    json!({
        "market": rules.kind,
        "currency": rules.kind.currency(),
        "start_cash": rules.kind.start_cash(),
        "hash": rules.hash(),
        "text": rules.text(),
        "rules": rules,
    })
}
