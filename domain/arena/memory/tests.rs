//! Memories of whole made-up seasons: what is told, when, and to whom.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::arena::market::MarketKind;
use crate::arena::season::{ContestantKind, ContestantSpec, Rule, Season, SeasonSpec};
use crate::arena::words::{Answered, Brought, ContestantName};
use crate::fixed::Volume;
use crate::market::bar::Bar;

const RATINGS: [Rating; 5] =
    [Rating::Buy, Rating::Overweight, Rating::Hold, Rating::Underweight, Rating::Sell];
/// Bars before the first tick, so that a situation is known at it.
const WARM: usize = 21;

type Told = BTreeMap<Symbol, Vec<Lesson>>;

fn symbol() -> Symbol {
    Symbol::new("BTC-USD").unwrap()
}

fn name(text: &str) -> ContestantName {
    text.parse().unwrap()
}

fn at(nth: usize) -> Time {
    Time::EPOCH + Duration::from_secs(86_400 * (nth as u64 + 1))
}

fn bar(nth: usize, cents: i64) -> Bar {
    let price = Price::from_raw(cents * Price::SCALE / 100);
    Bar {
        open_time: at(nth) - Duration::from_hours(24),
        close_time: at(nth),
        open: price,
        high: price,
        low: price,
        close: price,
        volume: Volume::ZERO,
    }
}

/// A season of `names` whose warm-up goes up and down by a cent of a dollar.
fn season(names: &[&str]) -> Season {
    let contestants = names.iter().map(|one| ContestantSpec {
        name: name(one),
        kind: ContestantKind::Rule(Rule::BuyAndHold {}),
        cash: Money::from_units(10_000).unwrap(),
    });
    let spec = SeasonSpec {
        season: "test".to_owned(),
        market: MarketKind::Crypto,
        symbols: vec![symbol()],
        slot: Ratio::of(0.4),
        shorts: false,
        contestants: contestants.collect(),
    };
    let mut season = Season::new(spec).unwrap();
    for nth in 0..WARM {
        let cents = 10_000 + if nth % 2 == 0 { 100 } else { 0 };
        season.warm(at(nth), &[(symbol(), bar(nth, cents))]).unwrap();
    }
    season
}

fn said(rating: Rating) -> Answered {
    let decision = Decision::new(rating, Ratio::of(0.6), "because").unwrap();
    Answered::all([&symbol()], &Brought::Decided(decision))
}

/// One tick; what `who` was told at it.
fn tick(season: &mut Season, nth: usize, cents: i64, all: &[(&str, Rating)]) -> Vec<Told> {
    let nth = WARM + nth;
    season.on_slice(at(nth), &[(symbol(), bar(nth, cents))]).unwrap();
    let told = all.iter().map(|(who, _)| season.lessons(&name(who))).collect();
    let brought = all.iter().map(|(who, rating)| (name(who), said(*rating)));
    season.close_tick(brought.collect()).unwrap();
    told
}

#[test]
fn an_outcome_is_known_after_five_bars_and_not_before_and_a_hold_is_remembered_too() {
    let mut season = season(&["a"]);
    let ratings = [Rating::Buy, Rating::Hold, Rating::Sell];
    let mut told = Vec::new();
    for nth in 0..8_usize {
        let rating = ratings.get(nth).copied().unwrap_or(Rating::Hold);
        // 100 at the first decision, 120 five bars later.
        let cents = 10_000 + i64::try_from(nth).unwrap() * 400;
        told.push(tick(&mut season, nth, cents, &[("a", rating)]).remove(0));
    }
    assert!(told[..5].iter().all(BTreeMap::is_empty), "{told:?}");
    let lessons = &told[7][&symbol()];
    let found: Vec<_> = lessons.iter().map(|it| (it.rating, it.was_right)).collect();
    // A rise of a fifth is more than usual here: the HOLD missed it, the SELL was wrong.
    assert_eq!(found, [(Rating::Buy, true), (Rating::Hold, false), (Rating::Sell, false)]);
    assert_eq!(told[5][&symbol()].len(), 1);
    let first = &told[5][&symbol()][0];
    assert_eq!((first.decided_at, first.resolved_at), (at(WARM), at(WARM + 5)));
    assert!((first.outcome.get() - 0.2).abs() < 1e-12, "{first:?}");
    // The benchmark holds the one symbol there is.
    assert!(first.excess.get().abs() < 1e-9, "{first:?}");
    let start = "BUY at 100 with confidence 0.60 was right: +20.00 % in 5 bars where ";
    assert!(first.reflection.starts_with(start), "{}", first.reflection);
}

#[test]
fn what_is_no_decision_is_not_remembered_and_neither_is_one_on_a_young_symbol() {
    let mut season = season(&["a"]);
    for nth in 0..8 {
        season.on_slice(at(WARM + nth), &[(symbol(), bar(WARM + nth, 10_000))]).unwrap();
        assert!(season.lessons(&name("a")).is_empty());
        season.close_tick(BTreeMap::new()).unwrap();
    }
    let spec = season.spec().clone();
    let mut young = Season::new(spec).unwrap();
    for nth in 0..20 {
        young.on_slice(at(nth), &[(symbol(), bar(nth, 10_000))]).unwrap();
        assert!(young.lessons(&name("a")).is_empty());
        young.close_tick([(name("a"), said(Rating::Buy))].into()).unwrap();
    }
}

#[test]
fn the_likest_situations_are_told_oldest_first_and_no_memory_grows_without_end() {
    let situation = |trend: f64| Situation {
        trend: Ratio::of(trend),
        volatility: Ratio::of(0.01),
        drawdown: Ratio::ZERO,
        from_mean: Ratio::ZERO,
    };
    let decision = Decision::new(Rating::Buy, Ratio::of(0.5), "").unwrap();
    let close = |nth: usize| Close {
        at: at(nth),
        price: Price::from_units(10).unwrap(),
        benchmark: Money::from_units(10).unwrap(),
    };
    let mut memory = DeskMemory::default();
    for nth in 0..2_000 {
        memory.resolve(&symbol(), close(nth));
        let trend = if nth % 4 == 0 { 0.10 } else { -0.10 };
        memory.note(&symbol(), &decision, close(nth), situation(trend));
    }
    assert_eq!(memory.resolved[&symbol()].len(), KEPT_MAX);
    assert_eq!(memory.pending[&symbol()].len(), usize::from(HORIZON));
    let told = memory.lessons(&symbol(), at(3_000), &situation(0.10), 3);
    let decided: Vec<Time> = told.iter().map(|it| it.decided_at).collect();
    // The last one whose outcome is known was decided at 1994; of the like ones 1992 is the newest.
    assert_eq!(decided, [at(1_984), at(1_988), at(1_992)]);
    assert!(told.iter().all(|it| it.similarity == Ratio::ONE));
    assert!(memory.lessons(&symbol(), at(3_000), &situation(0.10), 0).is_empty());
}

fn steps() -> impl Strategy<Value = Vec<(i64, usize, usize)>> {
    prop::collection::vec((6_000_i64..16_000, 0..5_usize, 0..5_usize), 8..30)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// L-1: what was told up to a tick stays as it was when everything behind it is cut off or becomes
    /// another thing, and a later memory that is asked as of then tells the same.
    #[test]
    fn what_comes_later_changes_no_lesson_that_was_told(
        steps in steps(), other in steps(), cut in 6_usize..30,
    ) {
        let play = |steps: &[(i64, usize, usize)]| {
            let mut season = season(&["a"]);
            let told = steps.iter().enumerate().map(|(nth, (cents, first, _))| {
                tick(&mut season, nth, *cents, &[("a", RATINGS[*first])]).remove(0)
            });
            let told: Vec<Told> = told.collect();
            (season, told)
        };
        let cut = cut.min(steps.len());
        let (whole, told) = play(&steps);
        let (_, cut_off) = play(&steps[..cut]);
        prop_assert_eq!(&told[..cut], &cut_off[..]);
        let mixed: Vec<_> = steps[..cut].iter().chain(&other).copied().collect();
        let (_, otherwise) = play(&mixed);
        prop_assert_eq!(&told[..cut], &otherwise[..cut]);
        let memory = whole.memory(&name("a")).unwrap();
        for lesson in told.iter().flat_map(BTreeMap::values).flatten() {
            let all = memory.lessons(&symbol(), lesson.resolved_at, &ANY, usize::MAX);
            prop_assert!(all.iter().all(|it| it.resolved_at <= lesson.resolved_at));
            prop_assert!(all.iter().any(|it| it.decided_at == lesson.decided_at));
        }
        for (nth, told) in told.iter().enumerate() {
            let now = at(WARM + nth);
            prop_assert!(told.values().flatten().all(|it| it.resolved_at <= now && it.decided_at < now));
        }
    }

    /// Nobody learns from another's decisions, and a season that is played again remembers the same.
    #[test]
    fn another_contestants_decisions_change_nothing(steps in steps()) {
        let play = |names: &[&str], shift: usize| {
            let mut season = season(names);
            let told = steps.iter().enumerate().map(|(nth, (cents, first, second))| {
                let ratings = [RATINGS[*first], RATINGS[(second + shift) % 5]];
                let all: Vec<_> = names.iter().copied().zip(ratings).collect();
                tick(&mut season, nth, *cents, &all).remove(0)
            });
            told.collect::<Vec<Told>>()
        };
        let alone = play(&["a"], 0);
        prop_assert_eq!(&alone, &play(&["a", "b"], 0));
        prop_assert_eq!(&alone, &play(&["a", "b"], 2));
    }
}

const ANY: Situation = Situation {
    trend: Ratio::ZERO,
    volatility: Ratio::ZERO,
    drawdown: Ratio::ZERO,
    from_mean: Ratio::ZERO,
};
