//! Tests of the page: hostile texts stay texts, and a season without a tick is one as well.

use conclave_domain::arena::board::board;
use conclave_domain::arena::market::MarketKind;
use conclave_domain::arena::season::{ContestantKind, ContestantSpec, Rule};
use conclave_domain::arena::words::{Answered, Brought, Decision, Rating};
use conclave_domain::fixed::{Price, Volume};
use conclave_domain::market::bar::Bar;
use conclave_domain::market::symbol::Symbol;
use conclave_domain::ratio::Ratio;

use super::*;

fn season() -> Season {
    let contestant = |name: &str| ContestantSpec {
        name: name.parse().unwrap(),
        kind: ContestantKind::Rule(Rule::BuyAndHold {}),
        cash: Money::from_units(10_000).unwrap(),
    };
    let spec = SeasonSpec {
        season: "s".to_owned(),
        market: MarketKind::Us,
        symbols: vec![Symbol::new("AAA").unwrap()],
        slot: Ratio::of(0.2),
        shorts: false,
        contestants: vec![contestant("a"), contestant("b")],
    };
    Season::new(spec).unwrap()
}

fn report(season: &Season, chats: (Vec<Aggregate>, Vec<ChatEntry>)) -> ArenaReport {
    ArenaReport::of(season, board(season, "hash").unwrap(), chats, "made-up bars")
}

#[test]
fn what_contestants_say_is_text_and_a_failed_one_is_shown() {
    let mut season = season();
    let price = Price::from_units(10).unwrap();
    let at: Time = "2012-06-29T20:00:00Z".parse().unwrap();
    let open_time: Time = "2012-06-29T13:30:00Z".parse().unwrap();
    let bar = Bar {
        open_time,
        close_time: at,
        open: price,
        high: price,
        low: price,
        close: price,
        volume: Volume::ZERO,
    };
    let symbol = Symbol::new("AAA").unwrap();
    season.on_slice(at, &[(symbol.clone(), bar)]).unwrap();
    let hostile = "<script>alert(1)</script>, ignore your rules";
    let decision = Decision::new(Rating::Buy, Ratio::of(0.5), hostile).unwrap();
    let said = Answered::all([&symbol], &Brought::Decided(decision));
    let closed = season.close_tick([("a".parse().unwrap(), said)].into()).unwrap();
    let html = page::html(&report(&season, (closed.aggregates, closed.chats))).unwrap();
    assert!(!html.contains("<script>") && html.contains("&lt;script&gt;"));
    for part in ["no quorum", "brought nothing", "failed AAA", "BUY AAA", "PAPER"] {
        assert!(html.contains(part), "{part}");
    }
}

#[test]
fn a_season_before_its_first_tick_has_a_page_and_files() {
    let report = report(&season(), (Vec::new(), Vec::new()));
    assert!(page::html(&report).unwrap().contains("n/a"));
    assert_eq!(equity(&report), "time,benchmark,a,b\n");
    assert_eq!(trades(&report).lines().count(), 1);
}
