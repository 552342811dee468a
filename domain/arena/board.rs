//! The leaderboard: what every book came to, and who is ahead.
//!
//! Ranks go by net profit, of what models have cost as well, the same net the same rank. A book that was excluded, or holds what no believed
//! price values, is shown below and has none. What is undefined is null with its reason, never a number.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::book::{ContestantBook, Errors};
use super::market::MarketKind;
use super::model::{Contamination, Cutoff};
use super::season::{ContestantSpec, Season};
use super::words::{ContestantName, TickId};
use crate::book::BookError;
use crate::fixed::{Money, Qty};
use crate::market::bar::Timeframe;
use crate::market::symbol::Symbol;
use crate::metrics::{Activity, Curve, Metric, Metrics, MetricsError, Reason, Terms, TradeStat};
use crate::ratio::Ratio;
use crate::record::Digest;
use crate::time::Time;

/// The form of a board as JSON.
pub const SCHEMA: &str = "arena-board/1";

/// Ranks that get a medal.
const MEDALS: u32 = 3;

/// A figure, or null and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// The number.
    pub value: Option<Ratio>,
    /// Why there is none: the word of a [`Reason`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl From<Metric> for Figure {
    fn from(metric: Metric) -> Self {
        Self { value: metric.ok(), reason: metric.err().map(|reason| reason.to_string()) }
    }
}

/// One contestant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Its place, from 1; none for whom is not ranked.
    pub rank: Option<u32>,
    /// 1 to 3 for the first three.
    pub medal: Option<u32>,
    /// Who.
    pub name: ContestantName,
    /// What it goes by.
    pub kind: String,
    /// Cash and positions at their last marks.
    pub portfolio_value: Money,
    /// Cash.
    pub cash: Money,
    /// What is held, negative for a short.
    pub positions: BTreeMap<Symbol, Qty>,
    /// Profit before fees.
    pub gross: Money,
    /// Fees paid.
    pub fees: Money,
    /// Profit after fees.
    pub net: Money,
    /// Questions that were put to its roles; none for a rule.
    #[serde(default)]
    pub calls: Option<u64>,
    /// What their answers cost, dollars; not paid out of the book.
    #[serde(default)]
    pub model_cost: Option<Money>,
    /// Profit after fees and after what the answers cost.
    #[serde(default)]
    pub net_of_model_cost: Option<Money>,
    /// Tries to see what could not be known yet, by kind; nothing of it was shown.
    #[serde(default)]
    pub leaks: BTreeMap<String, u64>,
    /// Whether its models may have seen the season's prices in training; none where no model thinks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contamination: Option<Contamination>,
    /// The last day that its models know, where it is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub knowledge_cutoff: Option<Cutoff>,
    /// Net over the starting cash.
    pub total_return: Figure,
    /// By session closes; see the board's basis.
    pub sharpe: Figure,
    /// The deepest fall from a peak, −1 to 0.
    pub max_drawdown: Figure,
    /// Round trips closed.
    pub trades: u64,
    /// Those that gained, of all closed.
    pub win_rate: Figure,
    /// Traded value over mean equity, a year.
    pub turnover: Figure,
    /// How often it brought nothing.
    pub errors: Errors,
    /// Wishes that a rule refused, by rule.
    pub refused: BTreeMap<String, u32>,
    /// How often it gave each rating.
    pub ratings: BTreeMap<String, u32>,
    /// Why it takes no part any more.
    pub excluded: Option<String>,
    /// Whether a price of what it holds is not believed.
    pub suspect: bool,
    /// What the check of a book from elsewhere came to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<String>,
}

/// What holding everything came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BenchmarkRow {
    /// What it is.
    pub name: String,
    /// Return.
    pub total_return: Figure,
    /// The deepest fall from a peak, −1 to 0.
    pub max_drawdown: Figure,
}

/// The leaderboard.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Board {
    /// `arena-board/1`.
    pub schema: String,
    /// The season.
    pub season: String,
    /// The market.
    pub market: MarketKind,
    /// The last tick.
    pub tick: Option<TickId>,
    /// What everybody was shown at it.
    pub snapshot: Option<Digest>,
    /// The hash of the market's rules.
    pub rules: Digest,
    /// The hash of the season's specification.
    pub spec: Digest,
    /// The hash of the bars.
    pub data: String,
    /// What the ratios stand on; absent before the first close.
    pub basis: Option<String>,
    /// Equal parts in every symbol, held.
    pub benchmark: BenchmarkRow,
    /// The ranked first, then the others by name.
    pub rows: Vec<Row>,
}

/// Why there is no board.
#[derive(Debug, thiserror::Error)]
pub enum BoardError {
    /// A book cannot be added up.
    #[error("a book cannot be added up")]
    Book(#[from] BookError),
    /// A curve cannot be measured.
    #[error("a curve cannot be measured")]
    Metrics(#[from] MetricsError),
    /// A figure left the range of fixed point.
    #[error("the board cannot hold the figure")]
    Range(#[from] crate::fixed::FixedError),
}

/// The board of a season as it stands; `data` is the hash of its bars.
///
/// # Errors
/// When a book cannot be added up or measured.
pub fn board(season: &Season, data: &str) -> Result<Board, BoardError> {
    let mut rows = Vec::new();
    let mut basis = None;
    for contestant in &season.spec().contestants {
        let Some(book) = season.books().get(&contestant.name) else { continue };
        let measured = measure(season, book)?;
        basis = basis.or(measured.as_ref().map(|it| it.basis.to_string()));
        let mut row = row(contestant, book, measured.as_ref())?;
        if let (Some(models), Some((first, _))) = (contestant.kind.models(), book.curve().first()) {
            // A bar that closes at midnight belongs to the day that it was open on.
            let day = season.spec().market.day_of(*first - Duration::from_millis(1));
            row.contamination = Some(Contamination::of(models.knowledge_cutoff, day));
            row.knowledge_cutoff = models.knowledge_cutoff;
        }
        rows.push(row);
    }
    rank(&mut rows);
    let curve = of_series(season, season.benchmark(), &Activity::default())?;
    let spec = season.spec();
    Ok(Board {
        schema: SCHEMA.to_owned(),
        season: spec.season.clone(),
        market: spec.market,
        tick: season.tick().map(|(tick, _)| tick),
        snapshot: season.tick().map(|(_, snapshot)| snapshot),
        rules: season.rules().hash(),
        spec: spec.hash(),
        data: data.to_owned(),
        basis,
        benchmark: BenchmarkRow {
            name: "equal parts, held".to_owned(),
            total_return: figure(curve.as_ref(), |it| it.total_return),
            max_drawdown: figure(curve.as_ref(), |it| it.max_drawdown),
        },
        rows,
    })
}

fn figure(metrics: Option<&Metrics>, of: impl Fn(&Metrics) -> Metric) -> Figure {
    metrics.map_or(Err(Reason::TooFewObservations), of).into()
}

fn measure(season: &Season, book: &ContestantBook) -> Result<Option<Metrics>, BoardError> {
    let ledger = book.ledger();
    let trades: Result<Vec<_>, _> = ledger.trades().iter().map(TradeStat::of).collect();
    let trades = trades?;
    let activity = Activity {
        trades: &trades,
        traded_notional: ledger.traded(),
        fees: ledger.fees(),
        ..Activity::default()
    };
    of_series(season, book.curve(), &activity)
}

/// `None` before the first close.
fn of_series(
    season: &Season,
    points: &[(Time, Money)],
    activity: &Activity<'_>,
) -> Result<Option<Metrics>, BoardError> {
    if points.is_empty() {
        return Ok(None);
    }
    let (times, equity): (Vec<Time>, Vec<f64>) =
        points.iter().map(|(at, money)| (*at, money.to_f64())).unzip();
    let kind = season.spec().market;
    let terms = Terms::usual(Timeframe::Day, kind.class());
    let curve = Curve { times: &times, equity: &equity, benchmark: None };
    Ok(Some(Metrics::of_account(&curve, |at| kind.day_of(at), activity, terms)?))
}

fn row(
    ContestantSpec { name, kind, .. }: &ContestantSpec,
    book: &ContestantBook,
    metrics: Option<&Metrics>,
) -> Result<Row, BoardError> {
    let ledger = book.ledger();
    let view = book.view()?;
    let net = view.equity.minus(ledger.start())?;
    let thinking = book.thinking();
    let mut refused: BTreeMap<String, u32> = BTreeMap::new();
    for refusal in book.history().iter().filter_map(|entry| entry.reason) {
        *refused.entry(refusal.as_str().to_owned()).or_default() += 1;
    }
    let ratings = book.ratings().iter().map(|(rating, count)| (rating.name().to_owned(), *count));
    let total = Ratio::new(net.to_f64() / ledger.start().to_f64());
    Ok(Row {
        rank: None,
        medal: None,
        name: name.clone(),
        kind: kind.name().to_owned(),
        portfolio_value: view.equity,
        cash: view.cash,
        positions: view.held,
        gross: net.plus(ledger.fees())?,
        fees: ledger.fees(),
        net,
        calls: kind.is_desk().then_some(thinking.calls),
        model_cost: kind.is_desk().then_some(thinking.cost),
        net_of_model_cost: kind.is_desk().then(|| net.minus(thinking.cost)).transpose()?,
        leaks: thinking.leaks.clone(),
        contamination: None,
        knowledge_cutoff: None,
        total_return: total.map_err(|_| Reason::OutOfRange).into(),
        sharpe: figure(metrics, |it| it.sharpe),
        max_drawdown: figure(metrics, |it| it.max_drawdown),
        trades: ledger.closed() as u64,
        win_rate: figure(metrics, |it| it.win_rate),
        turnover: figure(metrics, |it| it.turnover),
        errors: book.errors(),
        refused,
        ratings: ratings.collect(),
        excluded: book.excluded().map(str::to_owned),
        suspect: book.is_suspect(),
        verdict: None,
    })
}

/// Orders the rows and gives ranks and medals.
pub(super) fn rank(rows: &mut [Row]) {
    let is_out = |row: &Row| row.excluded.is_some() || row.suspect;
    // What a contestant's models have cost is no profit of whoever runs it.
    let net = |row: &Row| row.net_of_model_cost.unwrap_or(row.net);
    rows.sort_by_key(|row| (is_out(row), Reverse(net(row)), row.name.clone()));
    let nets: Vec<Money> = rows.iter().filter(|row| !is_out(row)).map(net).collect();
    for row in rows.iter_mut().filter(|row| !is_out(row)) {
        let ahead = nets.iter().filter(|other| **other > net(row)).count();
        let place = u32::try_from(ahead).unwrap_or(u32::MAX).saturating_add(1);
        row.rank = Some(place);
        row.medal = (place <= MEDALS).then_some(place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arena::season::{ContestantKind, Rule};

    fn named(name: &str, net: i64) -> Row {
        let cash = Money::from_units(100).unwrap();
        let book = ContestantBook::new("s", name.parse().unwrap(), cash);
        let kind = ContestantKind::Rule(Rule::BuyAndHold {});
        let spec = ContestantSpec { name: name.parse().unwrap(), kind, cash };
        let made = row(&spec, &book.unwrap(), None);
        Row { net: Money::from_raw(net), ..made.unwrap() }
    }

    fn placed(mut rows: Vec<Row>) -> Vec<(String, Option<u32>, Option<u32>)> {
        rank(&mut rows);
        rows.into_iter().map(|row| (row.name.to_string(), row.rank, row.medal)).collect()
    }

    #[test]
    fn equal_profit_is_an_equal_rank_and_the_excluded_stand_below_without_one() {
        let excluded = Row { excluded: Some("gave up".to_owned()), ..named("z-best", 900) };
        let suspect = Row { suspect: true, ..named("a-token-id", 1_000) };
        let rows =
            vec![named("c", -5), excluded, named("b", 7), suspect, named("a", 7), named("d", -9)];
        let name = |name: &str, rank, medal| (name.to_owned(), rank, medal);
        assert_eq!(
            placed(rows),
            [
                name("a", Some(1), Some(1)),
                name("b", Some(1), Some(1)),
                name("c", Some(3), Some(3)),
                name("d", Some(4), None),
                name("a-token-id", None, None),
                name("z-best", None, None),
            ]
        );
    }

    #[test]
    fn what_models_have_cost_is_no_profit() {
        let cost = |mut row: Row, after: i64| {
            row.net_of_model_cost = Some(Money::from_raw(after));
            row
        };
        let ranks = placed(vec![cost(named("dear", 9), 4), named("rule", 5)]);
        let first = ranks.first().map(|(name, rank, _)| (name.as_str(), *rank));
        assert_eq!(first, Some(("rule", Some(1))));
    }

    #[test]
    fn what_is_not_known_yet_is_null_with_its_reason() {
        let text = serde_json::to_string(&named("a", 0)).unwrap();
        assert!(
            text.contains(r#""sharpe":{"value":null,"reason":"too_few_observations"}"#),
            "{text}"
        );
    }
}
