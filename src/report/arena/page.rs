//! `report.html` of a season; no script, nothing fetched, every text escaped.

use conclave_domain::arena::aggregate::Aggregate;
use conclave_domain::arena::chat::{ChatEntry, Stage, StageState};
use conclave_domain::arena::words::ContestantName;
use conclave_domain::ratio::Ratio;
use maud::{Markup, PreEscaped, html};

use super::super::chart::Failure;
use super::super::page::document;
use super::lines::{COLOURS, draw_lines};
use super::{ArenaReport, CHATS_MAX, caveat, cells, columns, place, why_unranked};

/// The whole page.
pub(super) fn html(report: &ArenaReport) -> Result<String, Failure> {
    let lines = draw_lines(report)?;
    let board = &report.board;
    let body = html! {
        h1 { "Conclave arena " (board.season) " " span.badge { "PAPER" } }
        p {
            (report.curves.len()) " contestants on " (report.spec.symbols.len()) " symbols of "
            (report.source)
            @if let Some(tick) = board.tick { ", " (tick.number + 1) " ticks up to " (tick.at) }
        }
        @if let Some(basis) = &board.basis { p.dim { "Sharpe ratios: " (basis) "." } }
        @if let Some(lines) = &lines { (equity(report, lines)) }
        (leaderboard(report))
        (aggregates(report))
        (chats(report))
        (rules(report))
        (identity(report))
    };
    Ok(document(&format!("arena {}", board.season), &body))
}

fn equity(report: &ArenaReport, drawn: &str) -> Markup {
    html! {
        h2 { "Equity" }
        figure {
            (PreEscaped(drawn))
            figcaption {
                "Dashed: " (report.board.benchmark.name) ". "
                @for ((name, _), colour) in report.curves.iter().zip(COLOURS) {
                    span style=(format!("color:rgb({},{},{})", colour.0, colour.1, colour.2)) {
                        "■ " (name) " "
                    }
                }
            }
        }
    }
}

fn leaderboard(report: &ArenaReport) -> Markup {
    let board = &report.board;
    let held = board.benchmark.total_return.value.map(percent);
    html! {
        h2 { "Board" }
        div.wide { table {
            tr { @for name in columns() { th { (name) } } }
            @for row in &board.rows {
                tr { td { (place(row, true)) } @for cell in cells(row) { td { (cell) } } }
            }
        } }
        p.dim {
            "By net profit. Benchmark (" (board.benchmark.name) ", no costs): "
            (held.unwrap_or_else(|| "n/a".to_owned())) "."
        }
        @for row in &board.rows {
            @if let Some(why) = why_unranked(row) {
                p.warn { (row.name) " has no rank: " (why) }
            }
            @if let Some(why) = caveat(row) {
                p.dim { (row.name) ": " (why) "." }
            }
            @if !row.refused.is_empty() {
                p.dim {
                    (row.name) ", refused by the market's rules: "
                    @for (rule, count) in &row.refused { (rule) " " (count) " " }
                }
            }
        }
    }
}

fn aggregates(report: &ArenaReport) -> Markup {
    html! {
        h2 { "What all said at the last tick" }
        div.wide { table.words {
            tr {
                th { "symbol" } th { "majority" } th { "consensus" } th { "confidence" }
                th { "votes" } th { "outliers" }
            }
            @for one in &report.aggregates { (aggregate(one)) }
        } }
    }
}

fn aggregate(one: &Aggregate) -> Markup {
    let votes: Vec<String> =
        one.vote_breakdown.iter().map(|(vote, count)| format!("{} {count}", vote.name())).collect();
    let outliers: Vec<&str> = one.outliers.iter().map(ContestantName::as_str).collect();
    html! {
        tr {
            td { (one.ticker) }
            td {
                @if let Some(vote) = one.majority_decision { (vote.name()) }
                @else if let Some(why) = one.no_consensus { (why.text()) }
            }
            td {
                @if let Some(level) = one.consensus_level {
                    (percent(level)) @if one.high_consensus { " (high)" }
                }
            }
            td { @if let Some(confidence) = one.average_confidence { (percent(confidence)) } }
            td { (votes.join(", ")) " of " (one.asked) }
            td { (outliers.join(", ")) }
        }
    }
}

fn chats(report: &ArenaReport) -> Markup {
    html! {
        h2 { "ModelChat" }
        p.dim {
            "The last decisions that were not HOLD, at most " (CHATS_MAX)
            ", newest first; chats.jsonl has all."
        }
        @for chat in report.chats.iter().rev() { (entry(chat)) }
    }
}

fn entry(chat: &ChatEntry) -> Markup {
    let last = &chat.final_decision;
    let stages = [
        ("market analysis", &chat.stages.market_analysis),
        ("fundamentals", &chat.stages.fundamentals),
        ("news and sentiment", &chat.stages.news_sentiment),
        ("trader", &chat.stages.trader),
        ("risk check", &chat.stages.risk_check),
    ];
    let debate = &chat.stages.debate;
    html! {
        details {
            summary {
                (chat.timestamp) " " (chat.contestant) ": "
                @if let Some(rating) = last.rating { (rating.name()) } @else { (last.outcome) }
                " " (chat.ticker)
            }
            p {
                (last.reasoning)
                @if let Some(confidence) = last.confidence { " (confidence " (percent(confidence)) ")" }
            }
            @for (name, stage) in stages { (stage_of(name, stage)) }
            @if debate.state != StageState::NotPart {
                p {
                    "debate: bull " (debate.bull) "; bear " (debate.bear) "; "
                    @if let Some(winner) = &debate.winner { "winner " (winner) "; " }
                    (debate.reasoning)
                    @if let Some(confidence) = debate.confidence {
                        " (confidence " (percent(confidence)) ")"
                    }
                }
            }
            p.dim { "snapshot " code { (chat.snapshot) } }
        }
    }
}

fn stage_of(name: &str, stage: &Stage) -> Markup {
    html! {
        @if stage.state != StageState::NotPart {
            p.dim {
                (name) ": " (stage.reasoning)
                @if let Some(confidence) = stage.confidence {
                    " (confidence " (percent(confidence)) ")"
                }
                @for insight in &stage.key_insights { "; " (insight) }
                @for (figure, value) in &stage.metrics { "; " (figure) " " (value) }
            }
        }
    }
}

fn rules(report: &ArenaReport) -> Markup {
    html! {
        h2 { "Rules of the market" }
        ul { @for rule in &report.rules { li { (rule) } } }
    }
}

/// What makes the season repeatable.
fn identity(report: &ArenaReport) -> Markup {
    let board = &report.board;
    let rows = [
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("specification", board.spec.to_string()),
        ("rules", board.rules.to_string()),
        ("bars", board.data.clone()),
        ("last snapshot", board.snapshot.map(|it| it.to_string()).unwrap_or_default()),
    ];
    html! {
        h2 { "Identity" }
        table.words { @for (name, value) in rows { tr { td { (name) } td { code { (value) } } } } }
    }
}

fn percent(share: Ratio) -> String {
    format!("{:.1} %", share.get() * 100.0)
}
