//! What people are told of a season: what all said together, the votes, and who said otherwise.

use super::aggregate::Aggregate;
use super::board::Board;
use crate::notify::rich::Rich;
use crate::notify::{Kind, Notice};
use crate::ratio::Ratio;
use crate::time::Time;

/// Symbols that one notice tells of.
const SYMBOLS_MAX: usize = 20;
/// Rows of the board that one notice tells of.
const ROWS_MAX: usize = 5;

/// A notice on a tick that has closed.
pub fn of_tick(season: &str, at: Time, aggregates: &[Aggregate]) -> Notice {
    let text = Rich::default().bold(&format!("arena {season}")).plain(&format!(", {at}"));
    Notice::new(Kind::Arena, at, said(text, aggregates))
}

/// A notice on a season that is over: its last tick, and who is ahead.
pub fn of_end(board: &Board, at: Time, aggregates: &[Aggregate]) -> Notice {
    let ticks = board.tick.map_or(0, |tick| tick.number.saturating_add(1));
    let text = Rich::default().bold(&format!("arena {}", board.season));
    let mut text = text.plain(&format!(" is over after {ticks} ticks, {at}"));
    for row in board.rows.iter().take(ROWS_MAX) {
        let place = row.rank.map_or_else(|| "–".to_owned(), |rank| rank.to_string());
        text = text.line().plain(&format!("{place} ")).bold(row.name.as_str());
        text = text.plain(&format!(" {:+.2}", row.net));
        if let Some(why) = &row.excluded {
            text = text.plain(&format!(", out: {why}"));
        }
    }
    Notice::new(Kind::Arena, at, said(text, aggregates))
}

fn said(mut text: Rich, aggregates: &[Aggregate]) -> Rich {
    for one in aggregates.iter().take(SYMBOLS_MAX) {
        text = one_symbol(text.line(), one);
    }
    let over = aggregates.len().saturating_sub(SYMBOLS_MAX);
    if over > 0 {
        text = text.line().plain(&format!("and {over} more symbols"));
    }
    text
}

fn one_symbol(text: Rich, one: &Aggregate) -> Rich {
    let mut text = text.code(one.ticker.as_str()).plain(" ");
    if let (Some(vote), Some(level)) = (one.majority_decision, one.consensus_level) {
        let high = if one.high_consensus { ", high" } else { "" };
        text = text.bold(vote.name()).plain(&format!(" ({}{high})", percent(level)));
    } else {
        let why = one.no_consensus.map_or("nothing was said", |why| why.text());
        text = text.plain(&format!("no consensus: {why}"));
    }
    let votes = one.vote_breakdown.iter().map(|(vote, count)| format!("{} {count}", vote.name()));
    let votes: Vec<String> = votes.collect();
    let votes = if votes.is_empty() { "no vote".to_owned() } else { votes.join(", ") };
    text = text.plain(&format!("; {votes} of {}", one.asked));
    if let Some(confidence) = one.average_confidence {
        text = text.plain(&format!("; confidence {}", percent(confidence)));
    }
    let outliers =
        one.individual_decisions.iter().filter(|it| one.outliers.contains(&it.contestant));
    let outliers = outliers.map(|it| {
        let rating = it.rating.map_or(it.outcome, |rating| rating.name());
        format!("{} {rating}", it.contestant)
    });
    let outliers: Vec<String> = outliers.collect();
    if !outliers.is_empty() {
        text = text.plain(&format!("; otherwise: {}", outliers.join(", ")));
    }
    text
}

fn percent(share: Ratio) -> String {
    format!("{:.0} %", share.get() * 100.0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::arena::aggregate::aggregate;
    use crate::arena::words::{Brought, Decision, Rating, TickId};
    use crate::market::symbol::Symbol;
    use crate::record::Digest;

    fn together(name: &str, brought: &[(&str, Brought)]) -> Aggregate {
        let brought = brought.iter().map(|(name, said)| (name.parse().unwrap(), said.clone()));
        let tick = TickId { number: 3, at: Time::from_ms(1) };
        let brought: BTreeMap<_, _> = brought.collect();
        aggregate(&Symbol::new(name).unwrap(), (tick, Digest::of(b"x")), &brought)
    }

    fn decided(rating: Rating) -> Brought {
        Brought::Decided(Decision::new(rating, Ratio::of(0.5), "*_[`<&").unwrap())
    }

    #[test]
    fn a_tick_is_told_with_its_votes_and_its_outliers_and_a_tie_is_no_majority() {
        let votes = [
            ("a", decided(Rating::Buy)),
            ("b", decided(Rating::Overweight)),
            ("c", decided(Rating::Sell)),
            ("d", Brought::Late),
        ];
        let tie = [("a", decided(Rating::Buy)), ("b", decided(Rating::Sell))];
        let all = [together("BRK.B", &votes), together("T", &tie)];
        let notice = of_tick("open", Time::EPOCH, &all);
        let text = notice.text.text();
        assert!(
            text.contains(
                "BRK.B BUY (67 %); BUY 2, SELL 1 of 4; confidence 50 %; otherwise: c SELL"
            ),
            "{text}"
        );
        assert!(text.contains("T no consensus: a tie; BUY 1, SELL 1 of 2"), "{text}");
        assert_eq!(notice.kind, Kind::Arena);
    }

    #[test]
    fn a_notice_is_bounded_whatever_the_number_of_symbols() {
        let all: Vec<Aggregate> =
            (0..300).map(|nth| together(&format!("S{nth}"), &[("a", Brought::Late)])).collect();
        let text = of_tick("open", Time::EPOCH, &all).text.text().to_owned();
        assert!(text.ends_with("and 280 more symbols"), "{text}");
        assert!(
            text.lines().count() == 22 && text.contains("no consensus: no quorum; no vote of 1")
        );
    }
}
