//! `report.html`: one file that shows a run; no script, nothing fetched, every text escaped.

use conclave_domain::market::symbol::Symbol;
use conclave_domain::metrics::{Reason, Shown};
use conclave_domain::stats::Parts;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::tables::{Group, amount, by_exit, by_symbol, percent, total, usd};
use super::{AgentRow, MoneyKind, RunReport, chart};

/// The most symbols that get a chart; the others are in the table.
const CHARTS_MAX: usize = 12;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The whole page.
pub(super) fn html(report: &RunReport) -> Result<String, Failure> {
    let charts = charts(report)?;
    let title = format!("{}, {}", report.header.verb, report.header.strategy);
    let body = html! {
        (head(report))
        (tiles(report))
        (charts)
        (metrics(report))
        (symbols(report))
        (exits(report))
        (open(report))
        (agents(report))
        (gates(report))
        (council(report))
        (identity(report))
    };
    Ok(document(&title, &body))
}

/// A page around a body: it fetches nothing and runs no script, whatever stands in it.
pub(super) fn document(title: &str, body: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy"
                    content="default-src 'none'; style-src 'unsafe-inline'";
                title { "Conclave: " (title) }
                style { (PreEscaped(include_str!("report.css"))) }
            }
            body { (body) }
        }
    };
    page.into_string()
}

/// What it is, under which rules, and what a reader must know first.
fn head(report: &RunReport) -> Markup {
    let header = &report.header;
    html! {
        h1 {
            "Conclave " (header.verb) " "
            @if header.money == MoneyKind::Paper { span.badge { "PAPER" } }
            @else { span.badge { "LIVE MONEY" } }
        }
        p {
            (header.strategy) " on " (join(&header.symbols))
            @if let (Some(from), Some(to)) = (header.from, header.to) {
                ", " (from) " to " (to)
            }
            ", " (header.bars) " bars"
            @if !header.timeframes.is_empty() {
                " of " @for (index, timeframe) in header.timeframes.iter().enumerate() {
                    @if index > 0 { ", " } (timeframe.name())
                }
            }
        }
        p.dim {
            "Fill rule: " (header.fill_rule) ". Costs: " (header.costs) ". Mode: " (header.mode)
            ". Ratios: " (report.metrics.basis) "."
        }
        @if report.metrics.ruined {
            p.warn { "Ruined: the account fell to zero or below; figures end there." }
        }
        @if !report.notes.is_empty() {
            div.notes { @for note in &report.notes { p { (note) } } }
        }
    }
}

fn join(symbols: &[Symbol]) -> String {
    let names: Vec<&str> = symbols.iter().map(Symbol::as_str).collect();
    names.join(", ")
}

/// The few figures that everybody looks for.
fn tiles(report: &RunReport) -> Markup {
    let keys = [
        "end_equity",
        "total_return",
        "benchmark_return",
        "sharpe",
        "max_drawdown",
        "trades",
        "win_rate",
        "profit_factor",
    ];
    html! {
        div.tiles {
            @for shown in keys.iter().filter_map(|key| report.metrics.find(key)) {
                div.tile {
                    span { (shown.title) }
                    b { @if shown.metric.is_ok() { (shown.text()) } @else { "n/a" } }
                    span {
                        @if let Err(reason) = shown.metric { (words(reason)) }
                        @else if shown.on_basis { (report.metrics.basis) }
                    }
                }
            }
        }
    }
}

/// A reason without its underscores.
fn words(reason: Reason) -> String {
    reason.to_string().replace('_', " ")
}

/// Equity, underwater and the price charts.
fn charts(report: &RunReport) -> Result<Markup, Failure> {
    let money = report.header.money;
    let equity = chart::equity(&report.equity, money)?;
    let underwater = chart::underwater(&report.equity, money)?;
    let groups = by_symbol(&report.trades);
    let mut curves: Vec<_> = report.prices.iter().collect();
    curves.sort_by_key(|curve| {
        let trades = groups.get(&curve.symbol).map_or(0, |group| group.trades);
        (std::cmp::Reverse(trades), curve.symbol.clone())
    });
    let mut prices = Vec::new();
    for curve in curves.iter().take(CHARTS_MAX) {
        let trades: Vec<_> =
            report.trades.iter().filter(|trade| trade.symbol == curve.symbol).collect();
        if let Some((drawn, marked)) = chart::trades(curve, &trades, money)? {
            prices.push((&curve.symbol, drawn, marked, trades.len()));
        }
    }
    let left_out = curves.len().saturating_sub(CHARTS_MAX);
    Ok(html! {
        @if let Some(drawn) = equity { (equity_figure(report, &drawn)) }
        @if let Some(drawn) = underwater {
            h2 { "Underwater" }
            figure { (PreEscaped(drawn)) figcaption { "Distance from the highest equity so far." } }
        }
        @if !prices.is_empty() {
            h2 { "Trades on price" }
            p.dim {
                "Entry: blue triangle, up for long, down for short. Exit: blue circle when it gained, "
                "orange cross when it did not."
                @if left_out > 0 { " " (left_out) " symbols with fewer trades have no chart." }
            }
            @for (symbol, drawn, marked, all) in &prices {
                figure {
                    (PreEscaped(drawn))
                    figcaption {
                        (symbol) ": " (all) " trades"
                        @if marked < all { ", the " (marked) " with the largest results marked" }
                    }
                }
            }
        }
    })
}

fn equity_figure(report: &RunReport, drawn: &str) -> Markup {
    let compared = report.equity.iter().any(|point| point.benchmark.is_some());
    html! {
        h2 { "Equity" }
        figure {
            (PreEscaped(drawn))
            figcaption {
                span class="key own" {} "account"
                @if compared {
                    span class="key other" {}
                    (report.header.benchmark.as_deref().unwrap_or("buy and hold"))
                }
            }
        }
    }
}

/// All metrics in two columns, each ratio with its basis under its name.
fn metrics(report: &RunReport) -> Markup {
    let all = report.metrics.shown();
    let row = |shown: &Shown| {
        html! {
            tr {
                td {
                    (shown.title)
                    @if shown.on_basis && shown.metric.is_ok() {
                        br; span.dim { (report.metrics.basis) }
                    }
                }
                td {
                    @if let Err(reason) = shown.metric { span.dim { "n/a: " (words(reason)) } }
                    @else { (shown.text()) }
                }
            }
        }
    };
    html! {
        h2 { "Metrics" }
        div.pair {
            @for half in all.chunks(all.len().div_ceil(2)) {
                table {
                    tr { th { "metric" } th { "value" } }
                    @for shown in half { (row(shown)) }
                }
            }
        }
    }
}

/// One table of trades added up.
fn groups<'a>(name: &str, rows: impl Iterator<Item = (String, &'a Group)>, sum: &Group) -> Markup {
    let cells = |group: &Group| {
        html! {
            td { (group.trades) } td { (group.win_rate()) } td { (amount(group.pnl)) }
            td { (amount(group.best)) } td { (amount(group.worst)) } td { (amount(group.fees)) }
            td { (group.mean_bars()) }
        }
    };
    html! {
        div.wide {
            table {
                tr {
                    th { (name) } th { "trades" } th { "won" } th { "pnl" } th { "best" }
                    th { "worst" } th { "fees" } th { "mean bars" }
                }
                @for (name, group) in rows { tr { td { (name) } (cells(group)) } }
                tr.sum { td { "all" } (cells(sum)) }
            }
        }
    }
}

fn exits(report: &RunReport) -> Markup {
    let by_exit = by_exit(&report.trades);
    let rows = by_exit.iter().map(|(reason, group)| (reason.name().to_owned(), group));
    html! {
        h2 { "Exits" }
        @if by_exit.is_empty() { p.dim { "No trade was closed." } }
        @else { (groups("reason", rows, &total(&report.trades))) }
    }
}

fn symbols(report: &RunReport) -> Markup {
    let by_symbol = by_symbol(&report.trades);
    let rows = by_symbol.iter().map(|(symbol, group)| (symbol.to_string(), group));
    html! {
        h2 { "Symbols" }
        @if by_symbol.is_empty() { p.dim { "No trade was closed." } }
        @else { (groups("symbol", rows, &total(&report.trades))) }
    }
}

fn open(report: &RunReport) -> Markup {
    html! {
        h2 { "Left open" }
        @if report.open.is_empty() { p.dim { "Nothing was open when the run ended." } }
        @else {
            div.wide {
                table {
                    tr {
                        th { "symbol" } th { "side" } th { "qty" } th { "since" } th { "entry" }
                        th { "last" } th { "unrealised" }
                    }
                    @for (symbol, position) in &report.open {
                        tr {
                            td { (symbol) }
                            td { (position.direction) }
                            td { (position.qty) }
                            td { (position.opened_at) }
                            td { @if let Ok(price) = position.entry_price() { (price) } }
                            td { (position.mark) }
                            td {
                                @if let Ok(money) = position.unrealised() { (amount(money.to_f64())) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Every agent with what became of its consultations, which add up, and all of them together.
fn agents(report: &RunReport) -> Markup {
    let is_paid = report.agents.iter().any(|row| row.expected.is_some());
    let names = Parts::default().named().map(|(name, _)| name.replace('_', " "));
    let sum = |of: fn(&AgentRow) -> u64| report.agents.iter().map(of).sum::<u64>();
    let parts = report.agents.iter().fold(Parts::default(), |sum, row| sum.plus(&row.parts));
    html! {
        @if !report.agents.is_empty() {
            h2 { "Agents" }
            p.dim { "Each consultation is in one of the columns from applied to not awaited." }
            div.wide {
                table {
                    tr {
                        th { "agent" } th { "team" } th { "thinks by" } th { "consulted" }
                        @for name in &names { th { (name) } }
                        th { "by rules" } th { "vetoes" } th { "restarts" } th { "cost" }
                        @if is_paid { th { "expected" } th { "calls at most" } th { "cost at most" } }
                    }
                    @for row in &report.agents {
                        tr {
                            td { (row.name) } td { (row.team) }
                            td { (row.model.as_deref().unwrap_or("rules")) }
                            td { (row.consultations) }
                            @for (_, count) in row.parts.named() { td { (count) } }
                            td { (row.by_rules) } td { (row.vetoes) } td { (row.restarts) }
                            td { (usd(row.cost_usd)) }
                            @if let Some(expected) = &row.expected {
                                td { (expected.consultations) } td { (expected.consultations_at_most) }
                                td { (usd(expected.cost_usd)) }
                            }
                        }
                    }
                    tr.sum {
                        td { "all" } td {} td {} td { (sum(|row| row.consultations)) }
                        @for (_, count) in parts.named() { td { (count) } }
                        td { (sum(|row| row.by_rules)) } td { (sum(|row| row.vetoes)) }
                        td { (sum(|row| row.restarts)) } td { (usd(report.counts.spend_usd)) }
                    }
                }
            }
        }
    }
}

fn gates(report: &RunReport) -> Markup {
    html! {
        @if !report.gates.is_empty() {
            h2 { "Gates" }
            p.dim { "A gate that always says the same decides nothing." }
            div.wide {
                table {
                    tr { th { "gate" } th { "tested" } th { "passed" } th { "share" } th.words {} }
                    @for row in &report.gates {
                        tr {
                            td { (row.code) } td { (row.tested) } td { (row.passed) }
                            td { @if let Some(rate) = row.pass_rate() { (percent(rate.get())) } }
                            td.text { @if let Some(text) = row.warning() { span.warn { "⚠ " (text) } } }
                        }
                    }
                }
            }
        }
    }
}

/// What the council did, by stable names.
fn council(report: &RunReport) -> Markup {
    let counts = &report.counts;
    let parts = [
        ("rounds", &counts.verdicts),
        ("consultations", &counts.outcomes),
        ("vetoes", &counts.vetoes),
        ("clamps", &counts.clamps),
        ("denials", &counts.denials),
        ("restarts", &counts.restarts),
    ];
    html! {
        @if counts.rounds > 0 || counts.consultations > 0 {
            h2 { "Council" }
            p {
                (counts.rounds) " rounds, " (counts.consultations) " consultations, "
                (usd(counts.spend_usd)) " spent"
            }
            div.wide {
                table.words {
                    tr { th { "what" } th { "name" } th { "how often" } }
                    @for (what, map) in parts {
                        @for (name, count) in map {
                            tr { td { (what) } td { code { (name) } } td { (count) } }
                        }
                    }
                }
            }
        }
    }
}

/// What makes the run repeatable.
fn identity(report: &RunReport) -> Markup {
    let header = &report.header;
    let rows = [
        ("version", Some(header.version.clone())),
        ("seed", Some(header.seed.to_string())),
        ("record hash", header.record_hash.clone()),
        ("data hash", Some(header.data_hash.clone())),
        ("config hash", Some(header.config_hash.clone())),
        ("audit head", header.audit.as_ref().map(|anchor| anchor.decisions.hash.to_string())),
    ];
    html! {
        h2 { "Identity" }
        div.wide {
            table.words {
                @for (name, value) in rows {
                    tr { td { (name) } td.text { code { (value.as_deref().unwrap_or("none")) } } }
                }
            }
        }
        p.dim { "The same seed, data and configuration give the same record hash." }
    }
}
