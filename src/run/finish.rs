//! The end of a run: positions closed, accounts stored, report written, chain verified.

use std::collections::BTreeMap;
use std::path::Path;

use conclave_actors::audit;
use conclave_actors::broker::Account;
use conclave_actors::council::Council;
use conclave_actors::news::reader::NewsReader;
use conclave_actors::runtime::agent::Agent as _;
use conclave_domain::brief::trading::TradingState;
use conclave_domain::context::BookKind;
use conclave_domain::custody::EquityPoint;
use conclave_domain::order::ExitReason;
use conclave_domain::policy::caller;
use conclave_domain::ratio::Ratio;
use conclave_domain::record::{Anchor, Record, Step};
use conclave_domain::strategy::StrategyConfig;
use conclave_domain::time::Time;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::consulted::Consulted;
use super::minds;
use super::prepare::Prepared;
use crate::adapters::audit_files;
use crate::adapters::journal_files::{JournalFiles, Left};
use crate::adapters::lock;
use crate::brains::{MODEL, RULES};
use crate::cli::error::{CliError, ExitCode};
use crate::report::from_run::{RunParts, assemble};
use crate::report::{self, Costs, Header, MoneyKind, RunReport};

/// How a replay ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum End {
    /// The data ended: what is open is closed at the last close.
    Data,
    /// Somebody stopped it: everything stays as it is, for `--resume`.
    Stopped,
}

/// Closes what the data's end closes and ends the log. `bars` is how many the whole run has played.
pub(super) async fn settle(council: &Council, end: End, bars: usize) -> Result<(), CliError> {
    let failed = |error: String| CliError::new(ExitCode::Failure, error);
    council.market.finish().await;
    if end == End::Data {
        let closed = council.broker.flatten(None, None, ExitReason::EndOfData).await;
        closed.map_err(|error| failed(error.to_string()))?;
    }
    let accounts = council.broker.export().await.map_err(|error| failed(error.to_string()))?;
    let at = accounts.values().map(|account| account.custody.now()).max().unwrap_or(Time::EPOCH);
    let body = json!({"bars": bars, "end": end});
    // Beside the decisions, because what is cut off and what it costs depend on wall time.
    let counted = Consulted::of(council).await;
    let ended = audit::record(Step::RunEnded, None, at, &body);
    let counted = audit::record(Step::RunCounted, None, at, &counted);
    let records = [ended, counted].into_iter().collect::<Result<Vec<Record>, _>>();
    let records = records.map_err(|error| failed(error.to_string()))?;
    council.audit.append(records).await.map_err(|error| failed(error.to_string()))?;
    Ok(())
}

/// Brings everything to the disk and hands out what the report is made of.
pub(super) async fn close(
    council: &Council,
) -> Result<(BTreeMap<BookKind, Account>, Anchor), CliError> {
    let failed = |error: String| CliError::new(ExitCode::Failure, error);
    let accounts = council.broker.export().await.map_err(|error| failed(error.to_string()))?;
    let anchor = council.audit.finish().await.map_err(|error| failed(error.to_string()))?;
    council.context.flush().await.map_err(|error| failed(error.to_string()))?;
    Ok((accounts, anchor))
}

/// The book that the report is about: the one that traded most, the shadow book among equals.
pub(super) fn main_account(accounts: &BTreeMap<BookKind, Account>) -> Option<(BookKind, &Account)> {
    let trades = |account: &Account| account.custody.orders().len();
    let most = accounts
        .iter()
        .max_by_key(|(book, account)| (trades(account), **book == BookKind::Shadow))?;
    Some((*most.0, most.1))
}

/// Everything that an account has behind it, the part in the journal first.
pub(super) fn behind(dir: &Path, book: BookKind, account: &Account) -> Result<Left, CliError> {
    let left = JournalFiles::read(dir, book, account.journaled);
    let mut left = left.map_err(|error| {
        CliError::new(ExitCode::Data, "the journal of the run cannot be read").caused_by(error)
    })?;
    left.curve.extend_from_slice(&account.curve);
    Ok(left)
}

/// Puts the report together.
pub(super) async fn report(
    prepared: &Prepared,
    council: &Council,
    (dir, accounts): (&Path, &BTreeMap<BookKind, Account>),
    anchor: Anchor,
) -> Result<RunReport, CliError> {
    let none = || CliError::new(ExitCode::Data, "there is no account to report on");
    let (book, account) = main_account(accounts).ok_or_else(none)?;
    let Left { mut curve, closed } = behind(dir, book, account)?;
    let stats = council.score.stats();
    let mut notes = Vec::new();
    if book == BookKind::Shadow {
        notes.push(
            "advisory mode: no order was sent; a shadow book filled the recommendations".to_owned(),
        );
    }
    let rounds = stats.rounds_total();
    notes.extend(prepared.faults.never_happened().iter().map(|planned| {
        format!("the planned fault {planned} never happened: this process had {rounds} rounds")
    }));
    notes.extend(prepared.of_its_policy.iter().cloned());
    notes.extend(members(council, book));
    notes.extend(minds::notes(prepared));
    notes.extend(unspent_blocks(council).await);
    notes.extend(Some(council.audit.lost()).filter(|lost| *lost > 0).map(missing));
    // A run that is stopped before its first bar is reported on as well.
    if curve.is_empty() {
        curve.push(EquityPoint {
            at: account.custody.now(),
            equity: prepared.config.run.cash,
            cash: prepared.config.run.cash,
            exposure: Ratio::ZERO,
            drawdown: Ratio::ZERO,
        });
    }
    let control = &council.context.snapshot().control;
    if control.state != TradingState::Active {
        notes.push(format!("{} since {}: {}", control.state.name(), control.since, control.reason));
    }
    assemble(RunParts {
        header: header(prepared, anchor),
        stats: &stats,
        custody: &account.custody,
        closed,
        equity: curve,
        series: &prepared.played(),
        cash: prepared.config.run.cash,
        enabled: &prepared.enabled(),
        costs: costs(prepared, council).await,
        restarts: restarts(council),
        notes,
    })
}

/// What the run cost, as safety has booked it: calls that were cancelled and what a crash had reserved
/// are in it.
async fn costs(prepared: &Prepared, council: &Council) -> Costs {
    let report = council.safety.report().await;
    let spent = report.map(|report| report.costs).unwrap_or_default();
    Costs { spent, expected: prepared.expected.clone(), models: models(prepared) }
}

/// The model that each agent asks first, of those that think by one, live or out of a record.
fn models(prepared: &Prepared) -> BTreeMap<String, String> {
    let config = &prepared.config;
    let agents = prepared.agents.iter().map(|(name, agent)| {
        let thinks = config.agents.get(name).map(|agent| agent.brain.as_str());
        (*name, agent.brain.name(), thinks)
    });
    let reader = (
        NewsReader::ROLE.name,
        prepared.news.reader.name(),
        Some(config.models.news_reader.as_str()),
    );
    agents
        .chain([reader])
        .filter(|(_, brain, thinks)| *thinks == Some(MODEL) && *brain != RULES)
        .map(|(name, brain, _)| (name.to_owned(), brain.to_owned()))
        .collect()
}

/// Who might be entered at the end, where that has changed as the run went on.
fn members(council: &Council, book: BookKind) -> Option<String> {
    let stored = council.rolls.stored()?;
    let names: Vec<String> =
        stored.books.get(&book)?.symbols().iter().map(ToString::to_string).collect();
    let (count, changes) = (names.len(), stored.changes);
    Some(format!(
        "the universe has changed {changes} times; its {count} members at the end: {}",
        names.join(", ")
    ))
}

/// What a killed process had reserved and may not have paid, where there is such money: without it the
/// costs of the agents add up to the run's.
async fn unspent_blocks(council: &Council) -> Option<String> {
    let rows = council.safety.report().await?.remaining;
    let run = rows.iter().find(|row| row.budget == "usd_per_run")?;
    let blocks = run.blocks.get();
    (blocks > 0.0).then(|| {
        format!(
            "${blocks:.4} of what the run has spent were reserved by a process that was killed, and may \
             not have been paid; each agent's spend holds such a block of its own: `conclave budgets` \
             shows them apart"
        )
    })
}

/// How often each agent was started again, where it was.
pub(super) fn restarts(council: &Council) -> BTreeMap<String, u64> {
    let agents = council.safety.directory().all().into_iter();
    agents
        .map(|(name, entry)| (name.to_owned(), u64::from(entry.restarts)))
        .filter(|(_, restarts)| *restarts > 0)
        .collect()
}

/// Who called: a strategy by its name, a policy by the beginning of its hash too.
fn source(prepared: &Prepared) -> String {
    match prepared.source.config() {
        StrategyConfig::Policy { hash } => caller::in_words(hash),
        strategy => strategy.name().to_owned(),
    }
}

fn header(prepared: &Prepared, anchor: Anchor) -> Header {
    let config = &prepared.config;
    let costs = &config.costs;
    let bp = |bp: conclave_domain::fixed::Bp| f64::from(bp.as_hundredths()) / 100.0;
    Header {
        verb: "run".to_owned(),
        strategy: source(prepared),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        seed: config.run.seed,
        record_hash: Some(anchor.record_hash.to_string()),
        data_hash: prepared.data_hash.clone(),
        config_hash: prepared.config_hash.clone(),
        audit: Some(anchor),
        timeframes: vec![prepared.timeframe],
        symbols: prepared.series.iter().map(|one| one.symbol.clone()).collect(),
        from: None,
        to: None,
        bars: 0,
        fill_rule: match &prepared.live {
            Some(_) => "at the broker".to_owned(),
            None => prepared.custody.sim.fill_at.name().to_owned(),
        },
        costs: format!(
            "${} a trade, slippage {} bp (coins {} bp)",
            costs.fee_per_trade,
            bp(costs.slippage),
            bp(costs.slippage_crypto)
        ),
        mode: config.run.mode.clone(),
        money: match prepared.money() {
            lock::MoneyKind::Paper => MoneyKind::Paper,
            lock::MoneyKind::Live => MoneyKind::Live,
        },
        benchmark: Some("buy and hold, equal weights".to_owned()),
    }
}

/// The report again, after the audit has grown behind the run's end.
pub(super) async fn again(
    prepared: &Prepared,
    council: &Council,
    left: (&Path, &BTreeMap<BookKind, Account>),
) -> Result<RunReport, CliError> {
    let anchor = council.audit.finish().await;
    let anchor = anchor.map_err(|error| CliError::new(ExitCode::Failure, error.to_string()))?;
    report(prepared, council, left, anchor).await
}

/// Whether everything that has happened is in the log.
pub(super) fn complete(council: &Council) -> Result<(), CliError> {
    match council.audit.lost() {
        0 => Ok(()),
        lost => Err(CliError::new(ExitCode::Failure, missing(lost))),
    }
}

fn missing(records: u64) -> String {
    format!("the log is incomplete: {records} records of what has happened could not be written")
}

/// Verifies the run's own chain against where it ended.
pub(super) fn verify(dir: &Path, anchor: &Anchor) -> Result<(), CliError> {
    let verified = audit_files::verify(dir, Some(anchor));
    verified.map(|_| ()).map_err(|error| {
        CliError::new(ExitCode::Data, "the audit chain does not verify").caused_by(error)
    })
}

/// Writes the report's files.
pub(super) fn write(run: &RunReport, dir: &Path) -> Result<(), CliError> {
    report::write(run, dir).map(|_| ()).map_err(|error| {
        CliError::new(ExitCode::Failure, "the report was not written").caused_by(error)
    })
}
