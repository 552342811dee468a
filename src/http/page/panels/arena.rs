//! The board of the latest season.

use maud::{Markup, html};
use serde_json::Value;

use super::super::told::{money, percent, rows, text};

pub(super) fn draw(found: &Value) -> Markup {
    let Some(board) = found.get("board").filter(|board| board.is_object()) else {
        return html! { p.empty { "No season was played here yet: " code { "conclave arena run" }
        " plays one on the embedded data, without a key." } };
    };
    html! {
        p.dim { "Season " b { (text(board, "/season")) } " · market " (text(board, "/market")) " · rules "
            code { (short(&text(board, "/rules"))) } " · what was shown last " code { (short(&text(board, "/snapshot"))) } }
        div.scroll tabindex="0" role="group" aria-label="The board" {
            table {
                thead { tr { th { "#" } th { "contestant" } th.n { "value" } th.n { "net" } th.n { "return" } th.n { "fees" }
                    th.n { "Sharpe" } th.n { "drawdown" } th.n { "trades" } th.n { "won" } th { "" } } }
                tbody { @for row in rows(board, "/rows") { (one(row)) } }
            }
        }
        p.dim { "Benchmark, " (text(board, "/benchmark/name")) ": " (percent(board, "/benchmark/total_return/value")) }
        @let page = text(found, "/dir");
        @if !page.is_empty() { p.dim { "The season's own page: " code { (page) "/report.html" } } }
    }
}

fn one(row: &Value) -> Markup {
    let medal = match row["medal"].as_u64() {
        Some(1) => "🥇 ",
        Some(2) => "🥈 ",
        Some(3) => "🥉 ",
        _ => "",
    };
    let rank = row["rank"].as_u64().map_or_else(|| "–".to_owned(), |rank| rank.to_string());
    html! {
        tr { td.medal { (medal) (rank) } td { (text(row, "/name")) span.dim { " " (text(row, "/kind")) } }
            td.n { (money(row, "/portfolio_value")) } td.n { (money(row, "/net")) }
            td.n { (percent(row, "/total_return/value")) } td.n { (money(row, "/fees")) }
            td.n { (money(row, "/sharpe/value")) } td.n { (percent(row, "/max_drawdown/value")) }
            td.n { (text(row, "/trades")) } td.n { (percent(row, "/win_rate/value")) }
            td { (text(row, "/excluded")) @if row["suspect"] == true { " holds what no price values" } } }
    }
}

fn short(hash: &str) -> String {
    hash.chars().take(12).collect()
}
