//! The board of the latest season.

use maud::{Markup, html};
use serde_json::Value;

use super::super::told::{money, number, percent, plain, rows, text, words};

pub(super) fn draw(found: &Value) -> Markup {
    let Some(board) = found.get("board").filter(|board| board.is_object()) else {
        return html! { p.empty { "No season was played here yet: " code { "conclave arena run" }
        " plays one on the embedded data, without a key." } };
    };
    html! {
        p.dim { "Season " b { (text(board, "/season")) } " · market " (text(board, "/market")) " · rules "
            code { (short(&text(board, "/rules"))) } " · what was shown last " code { (short(&text(board, "/snapshot"))) } }
        (lines(&found["lines"]))
        div.scroll tabindex="0" role="group" aria-label="The board" {
            table {
                thead { tr { th { "#" } th { "contestant" } th.n { "value" } th.n { "net" } th.n { "return" } th.n { "fees" }
                    th.n { "Sharpe" } th.n { "drawdown" } th.n { "trades" } th.n { "won" } th.n { "model cost" } th.n { "net of it" }
                    th.n { "calls" } th.n { "errors" } th { "" } } }
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
            td.n { (cost(&row["model_cost"])) } td.n { (money(row, "/net_of_model_cost")) }
            td.n { (calls(row)) } td.n title=(errors(row)) { (count(&row["errors"])) }
            td { (text(row, "/excluded")) @if row["suspect"] == true { " holds what no price values" } } }
    }
}

/// What models have cost; an answer costs a fraction of a cent.
fn cost(value: &Value) -> String {
    number(value).map_or_else(|| "–".to_owned(), |cost| format!("${cost:.4}"))
}

/// Questions that were asked; a rule asks nobody.
fn calls(row: &Value) -> String {
    row["calls"].as_u64().map_or_else(|| "–".to_owned(), |calls| calls.to_string())
}

/// What went wrong, by kind: an abstention is no error.
fn kinds(errors: &Value) -> impl Iterator<Item = (&str, u64)> {
    let kinds = errors.as_object().into_iter().flatten().filter(|(kind, _)| *kind != "abstained");
    kinds.filter_map(|(kind, count)| Some((kind.as_str(), count.as_u64()?)))
}

fn count(errors: &Value) -> u64 {
    kinds(errors).map(|(_, count)| count).sum()
}

fn errors(row: &Value) -> String {
    let told = kinds(&row["errors"]).filter(|(_, count)| *count > 0);
    told.map(|(kind, count)| format!("{count} {}", words(kind))).collect::<Vec<_>>().join(", ")
}

/// The most lines that can be told apart.
const LINES: usize = 8;
/// The chart's size, in its own units.
const SIZE: (f64, f64) = (600.0, 170.0);

/// How each contestant's money went, as a multiple of what it began with; each line can be left out, and
/// the scale can be one of factors.
fn lines(lines: &Value) -> Markup {
    let names = rows(lines, "/names");
    let multiples = |nth: usize| -> Vec<f64> {
        let values =
            rows(lines, "/points").iter().filter_map(|point| number(&point["values"][nth]));
        let values: Vec<f64> = values.collect();
        let first = values.first().copied().filter(|first| *first > 0.0).unwrap_or(1.0);
        values.into_iter().map(|value| (value / first).max(1e-3)).collect()
    };
    let curves: Vec<Vec<f64>> = (0..names.len().min(LINES)).map(multiples).collect();
    let all = || curves.iter().flatten().copied();
    let (low, high) = (all().fold(f64::INFINITY, f64::min), all().fold(0.0, f64::max));
    if curves.iter().all(|curve| curve.len() < 2) || high <= low {
        return html! {};
    }
    let share = |value: f64| format!("{:+.1} %", (value - 1.0) * 100.0);
    let label =
        format!("How the money of {} went, from {} to {}", names.len(), share(low), share(high));
    let (width, height) = SIZE;
    html! {
        figure {
            div.acts.legend {
                @for (nth, name) in names.iter().take(LINES).enumerate() {
                    label { input type="checkbox" data-line=(nth) checked; " "
                        svg.key viewBox="0 0 24 6" aria-hidden="true" { line class={ "line-" (nth) } x1="0" y1="3" x2="24" y2="3" {} }
                        " " (plain(name)) }
                }
                label { input type="checkbox" data-scale="log"; " log scale" }
            }
            svg viewBox={ "0 0 " (width) " " (height) } role="img" aria-label=(label) {
                text.mark x=(width / 2.0) y=(height / 2.0) { "PAPER" }
                text.end x="2" y="11" { (share(high)) }
                text.end x="2" y=(height - 3.0) { (share(low)) }
                @for (scale, at) in [("lin", (|value| value) as fn(f64) -> f64), ("log", f64::ln)] {
                    @for (nth, curve) in curves.iter().enumerate() {
                        polyline class={ "line-" (nth) @if scale == "log" { " hidden" } } data-curve=(nth) data-scale=(scale)
                            points=(points(curve, at, (low, high))) {}
                    }
                }
            }
            figcaption.dim { "Money of each, against what it began with: from " (share(low)) " to " (share(high))
                "." }
        }
    }
}

/// A curve in the chart's units.
fn points(curve: &[f64], scale: fn(f64) -> f64, (low, high): (f64, f64)) -> String {
    let (width, height) = SIZE;
    #[expect(clippy::cast_precision_loss, reason = "a few hundred points")]
    let step = width / curve.len().saturating_sub(1).max(1) as f64;
    let reach = scale(high) - scale(low);
    let mut x = 0.0;
    let place = |value: &f64| {
        let y = (scale(high) - scale(*value)) / reach;
        let text = format!("{x:.0},{:.1}", y.mul_add(height - 4.0, 2.0));
        x += step;
        text
    };
    curve.iter().map(place).collect::<Vec<_>>().join(" ")
}

fn short(hash: &str) -> String {
    hash.chars().take(12).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found() -> Value {
        json!({"board": {"season": "open", "rows": [{"rank": 1, "name": "a", "model_cost": "0.0123",
            "net_of_model_cost": "9.98", "calls": 40, "errors": {"late": 2, "failed": 1, "abstained": 9}}]},
            "lines": {"names": ["benchmark", "a"], "points": [
                {"at": "2013-03-01T21:00:00Z", "values": ["100", "10"]},
                {"at": "2013-03-02T21:00:00Z", "values": ["150", "5"]}]}})
    }

    #[test]
    fn the_board_shows_what_models_cost_and_what_went_wrong() {
        let drawn = draw(&found()).into_string();
        for wanted in ["$0.0123", "9.98", ">40<", "2 late"] {
            assert!(drawn.contains(wanted), "{wanted}: {drawn}");
        }
        let rule = draw(&json!({"board": {"rows": [{"name": "r", "calls": null}]}})).into_string();
        assert!(!rule.contains('$') && rule.contains("–"), "a rule has no figure: {rule}");
    }

    #[test]
    fn lines_begin_together_and_can_be_left_out() {
        let drawn = lines(&found()["lines"]).into_string();
        assert!(drawn.contains("from -50.0 % to +50.0 %"), "{drawn}");
        assert!(drawn.contains("points=\"0,85.0 600,2.0\""), "up by a half: {drawn}");
        assert!(drawn.contains("points=\"0,85.0 600,168.0\""), "down by a half: {drawn}");
        assert!(
            drawn.contains("data-line=\"1\"") && drawn.contains("data-scale=\"log\""),
            "{drawn}"
        );
        assert!(lines(&Value::Null).into_string().is_empty(), "nothing without a season");
    }
}
