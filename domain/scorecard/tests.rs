//! Planted agents, and figures that were worked out by hand.

use std::collections::{BTreeMap, BTreeSet};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use rand_distr::{Distribution, StandardNormal, StandardUniform, StudentT};

use super::interval::{blocks, blocks_min, cut, drawn};
use super::*;
use crate::advice::{VetoKind, Vote};
use crate::bounds::{Clamp, Edge};
use crate::code::Code;
use crate::fixed::Money;
use crate::order::DecisionId;
use crate::ratio::Ratio;
use crate::role::{AgentName, Authority, Role, Team, Tier};
use crate::stats::AgentStats;
use crate::testing::symbol;
use crate::time::Time;

const DAY_MS: i64 = 86_400_000;
const GOOD: AgentName = "good";
const HARMFUL: AgentName = "harmful";
const COIN: AgentName = "coin";

fn role(name: AgentName) -> Role {
    let (team, authority, tier) = (Team::Trading, Authority::Advise, Tier::Haiku);
    Role { name, title: name, team, authority, tier, purpose: "planted" }
}

fn money(dollars: f64) -> Money {
    Money::from_f64(dollars).unwrap()
}

fn ended(pnl: Money) -> Ended {
    Ended { pnl, at: at(90) }
}

fn at(day: usize) -> Time {
    Time::from_ms(DAY_MS * i64::try_from(day).unwrap())
}

fn decision(day: usize) -> DecisionId {
    DecisionId::new(&symbol("AAA"), at(day), "entry")
}

/// An account that begins with 100,000 and gains this every day.
fn curve(gains: &[f64]) -> Curve {
    let mut equity = 100_000.0;
    let points = gains.iter().enumerate().map(|(day, gain)| {
        equity += gain;
        (at(day), money(equity))
    });
    Curve::of(points)
}

fn asked(consulted: u64) -> AgentStats {
    AgentStats { consulted, answered: consulted, ..AgentStats::default() }
}

/// A world of trades without an edge, and three agents that halve or raise them: one knows what comes,
/// one knows it and does the opposite, one tosses a coin.
fn planted(seed: u64, days: usize) -> RunFacts {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut gains = vec![0.0; days];
    let mut without: BTreeMap<AgentName, Vec<f64>> =
        [GOOD, HARMFUL, COIN].map(|name| (name, vec![0.0; days])).into();
    let mut facts = RunFacts::default();
    for day in (0..days).step_by(4) {
        let normal: f64 = StandardNormal.sample(&mut rng);
        let heads: f64 = StandardUniform.sample(&mut rng);
        let pnl = 200.0 * normal;
        let factor = |up: bool| if up { 1.25 } else { 0.75 };
        let factors =
            [(GOOD, factor(pnl > 0.0)), (HARMFUL, factor(pnl < 0.0)), (COIN, factor(heads < 0.5))];
        let whole: f64 = factors.iter().map(|(_, factor)| factor).product();
        gains[day] = pnl * whole;
        for (agent, own) in factors {
            without.get_mut(agent).unwrap()[day] = pnl * whole / own;
            let vote = if own > 1.0 { Vote::For } else { Vote::Against };
            let confidence = Ratio::of(0.9);
            facts.opinions.push(Opinion { agent, decision: decision(day), vote, confidence });
        }
        facts.outcomes.insert(decision(day), ended(money(pnl * whole)));
    }
    facts.curve = curve(&gains);
    for (agent, gains) in without {
        facts.agents.insert(agent, asked(days as u64 / 4));
        let muted = BTreeSet::from([agent]);
        facts.without.push(Without { muted, curve: curve(&gains), ..Without::default() });
    }
    facts
}

fn findings(card: &Card) -> BTreeMap<AgentName, Finding> {
    card.lines.iter().map(|line| (line.agent, line.worth.as_ref().unwrap().finding)).collect()
}

/// Goal: who helps, who hurts and who does neither are told apart with the right words.
/// Method: 20 seeds of 250 days with a trade every fourth one. By chance alone a card calls something in
/// one of twenty what it is not, so one coin may be misjudged; the others may not.
///
/// K-2: the words are those of the interval.
#[test]
fn a_good_a_harmful_and_a_coin_tossing_agent_are_told_apart_over_twenty_seeds() {
    let mut misjudged = 0;
    for seed in 0..20 {
        let runs = [planted(seed, 250)];
        let card = card(&[COIN, GOOD, HARMFUL].map(role), &runs, 1).unwrap();
        let found = findings(&card);
        assert_eq!((found[GOOD], found[HARMFUL]), (Finding::Helps, Finding::Hurts), "seed {seed}");
        assert_eq!(card.lines[0].agent, HARMFUL, "who hurts is named first");
        assert_eq!(card.lines[0].worth.as_ref().unwrap().finding.words(), "hurts");
        misjudged += u32::from(found[COIN] != Finding::Unclear);
        let brier = |agent| {
            let line = card.lines.iter().find(|line| line.agent == agent).unwrap();
            line.calibration.as_ref().unwrap().brier.get()
        };
        assert!(brier(GOOD) < 0.02 && brier(HARMFUL) > 0.8, "seed {seed}");
        assert!((0.2..0.6).contains(&brier(COIN)), "seed {seed}: {}", brier(COIN));
    }
    assert!(misjudged <= 1, "{misjudged} coins of 20");
}

/// Days on which nothing is worth anything.
type Nothing = fn(&mut ChaCha8Rng) -> Vec<f64>;

/// So many days, of which so many differ.
fn sparse(rng: &mut ChaCha8Rng, days: usize, differing: usize) -> Vec<f64> {
    let mut all = vec![0.0; days];
    let mut left = differing;
    while left > 0 {
        let day = usize::try_from(rng.next_u32()).unwrap() % days;
        if all[day] == 0.0 {
            all[day] = StandardNormal.sample(rng);
            left -= 1;
        }
    }
    all
}

/// A thousand days with so many trades of ten days, which drift to one side or the other.
fn drifting(rng: &mut ChaCha8Rng, trades: usize) -> Vec<f64> {
    let mut all = vec![0.0; 1_000];
    for trade in 0..trades {
        let drift: f64 = StandardNormal.sample(rng);
        let from = trade * (1_000 / trades) + usize::try_from(rng.next_u32() % 30).unwrap();
        for day in &mut all[from..from + 10] {
            let noise: f64 = StandardNormal.sample(rng);
            *day = drift + noise;
        }
    }
    all
}

/// Five hundred days with fat tails that hang together.
fn dense(rng: &mut ChaCha8Rng) -> Vec<f64> {
    let shocks = StudentT::new(4.0).unwrap();
    let mut before = 0.0;
    let day = |_| {
        let shock: f64 = shocks.sample(rng);
        before = 0.3 * before + shock;
        before
    };
    (0..500).map(day).collect()
}

/// Goal: "not distinguishable from zero" is said as often as it is promised, also where few days differ and
/// where they come in trades of many days.
/// Method: worlds in which nothing is worth anything, by seed; each shape of days at the error of one
/// comparison, of a card of five and of a grid of five.
///
/// K-2: chance is called help or harm no more often than the error says.
#[test]
fn what_is_worth_nothing_is_called_something_no_more_often_than_the_error_says() {
    let shapes: [(&str, Nothing); 9] = [
        ("10 of 250", |rng| sparse(rng, 250, 10)),
        ("20 of 250", |rng| sparse(rng, 250, 20)),
        ("60 of 250", |rng| sparse(rng, 250, 60)),
        ("20 of 20", |rng| sparse(rng, 20, 20)),
        ("10 of 1000", |rng| sparse(rng, 1_000, 10)),
        ("20 of 1000", |rng| sparse(rng, 1_000, 20)),
        ("5 trades", |rng| drifting(rng, 5)),
        ("20 trades", |rng| drifting(rng, 20)),
        ("all of 500", dense),
    ];
    let (worlds, errors) = (200, [0.05, 0.01, 0.002]);
    let mut all = [0; 3];
    for (name, nothing) in shapes {
        let mut called = [0; 3];
        for seed in 0..worlds {
            let blocks = blocks(&nothing(&mut ChaCha8Rng::seed_from_u64(seed)));
            let enough =
                |error: &f64| f64::from(u32::try_from(blocks.len()).unwrap()) >= blocks_min(*error);
            if !enough(&errors[0]) {
                continue;
            }
            let sums = drawn(&blocks, seed, 2_000).unwrap();
            for (called, error) in called.iter_mut().zip(errors) {
                let found = enough(&error) && cut(&sums, error).unwrap().excludes_zero();
                *called += u32::from(found);
            }
        }
        println!("{name}: {called:?} of {worlds}");
        // Ten, two and none are wanted of 200; each bound is above them by three deviations of chance.
        assert!(called[0] <= 20 && called[1] <= 6 && called[2] <= 3, "{name}: {called:?}");
        for (sum, called) in all.iter_mut().zip(called) {
            *sum += called;
        }
    }
    // Of all 1,800 worlds: no more than ninety, eighteen and four but for chance, and not never.
    assert!((30..=110).contains(&all[0]) && all[1] <= 26 && all[2] <= 8, "{all:?}");
}

#[test]
fn an_interval_of_equal_days_is_their_sum_and_few_days_have_none() {
    let same = interval_of_sum(&[0.01; 100], 0.05, 7).unwrap();
    assert!((same.low.get() - 1.0).abs() < 1e-9 && (same.high.get() - 1.0).abs() < 1e-9);
    assert_eq!(interval_of_sum(&[0.01; 19], 0.05, 7), None, "too few days");
    let mut rare = vec![0.0; 1_000];
    for day in rare.iter_mut().step_by(140) {
        *day = 1.0;
    }
    let eight = interval_of_sum(&rare, 0.05, 7).unwrap();
    assert!((eight.low.get() - 8.0).abs() < 1e-9, "{eight:?}");
    assert_eq!(interval_of_sum(&rare, 0.01, 7), None, "enough for one comparison, not for five");
    rare[140] = 0.0;
    assert_eq!(interval_of_sum(&rare, 0.05, 7), None, "too few that differ");
    // A long trade is no more than its blocks: twenty days each, of a thousand.
    rare.fill(0.0);
    rare[100..240].fill(1.0);
    assert_eq!(interval_of_sum(&rare, 0.05, 7), None, "seven blocks");
    for bad in [f64::NAN, f64::INFINITY] {
        let mut days = vec![0.01; 100];
        days[50] = bad;
        assert_eq!(interval_of_sum(&days, 0.05, 7), None);
    }
}

#[test]
fn an_interval_is_as_wide_as_the_spread_of_independent_days_says_and_the_same_for_a_seed() {
    let width = |interval: Interval| interval.high.get() - interval.low.get();
    let days = |seed| -> Vec<f64> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        (0..1_000).map(|_| StandardNormal.sample(&mut rng)).collect()
    };
    let widths = (0..20).map(|seed| width(interval_of_sum(&days(seed), 0.05, 1).unwrap()));
    let mean = widths.sum::<f64>() / 20.0;
    // Twice 1.96 times the root of a thousand, and a little more because the spread is not known.
    assert!((0.95..1.10).contains(&(mean / (2.0 * 1.96 * 1_000_f64.sqrt()))), "{mean}");
    let interval = interval_of_sum(&days(3), 0.05, 1).unwrap();
    assert_eq!(interval_of_sum(&days(3), 0.05, 1), Some(interval));
    assert_ne!(interval_of_sum(&days(3), 0.05, 2), Some(interval));
    assert!(width(interval_of_sum(&days(3), 0.5, 1).unwrap()) < width(interval));
}

/// K-1: nobody asked it, so it is worth nothing and is called so; asked in vain is another word.
#[test]
fn who_was_never_consulted_is_called_so_and_who_changed_nothing_is_too() {
    let mut run = planted(1, 100);
    run.agents.insert("idle", asked(0));
    run.agents.insert("vain", asked(25));
    let muted = BTreeSet::from(["vain"]);
    run.without.push(Without { muted, curve: run.curve.clone(), ..Without::default() });
    run.agents.insert("untold", asked(25));
    let card = card(&["idle", "vain", "untold", "stranger"].map(role), &[run], 1).unwrap();
    let of = |name| card.lines.iter().find(|line| line.agent == name).unwrap();
    for (name, finding) in [
        ("idle", Finding::NeverConsulted),
        ("vain", Finding::ChangedNothing),
        ("stranger", Finding::NeverConsulted),
    ] {
        let worth = of(name).worth.as_ref().unwrap();
        assert_eq!((worth.finding, worth.total_usd), (finding, Money::ZERO), "{name}");
        assert!(sentence(of(name)).contains(finding.words()), "{name}");
    }
    assert_eq!(of("untold").worth, None, "what was not repeated is not guessed");
    assert!(sentence(of("untold")).contains("no repetition"));
    assert_eq!(card.lines.last().unwrap().agent, "untold");
}

/// K-3: evidence is counted by days of the market, not by directories.
#[test]
fn the_same_run_twice_says_what_it_said_once() {
    let roster = [COIN, GOOD, HARMFUL].map(role);
    let single = card(&roster, &[planted(5, 200)], 1).unwrap();
    let twice = card(&roster, &[planted(5, 200), planted(5, 200)], 1).unwrap();
    for (line, doubled) in single.lines.iter().zip(&twice.lines) {
        let (one, two) = (line.worth.as_ref().unwrap(), doubled.worth.as_ref().unwrap());
        let near = |a: Ratio, b: Ratio| assert!((a.get() - b.get()).abs() < 1e-12);
        near(one.per_run, two.per_run);
        near(one.interval.unwrap().low, two.interval.unwrap().low);
        near(one.interval.unwrap().high, two.interval.unwrap().high);
        assert_eq!(one.total_usd.plus(one.total_usd).unwrap(), two.total_usd);
    }
    assert_eq!((single.runs, twice.runs), (1, 2));
}

/// Other markets are further evidence: what one run leaves open, many settle.
#[test]
fn many_runs_say_more_than_one() {
    let width = |seeds: std::ops::Range<u64>| {
        let runs: Vec<RunFacts> = seeds.map(|seed| planted(seed, 200)).collect();
        let card = card(&[role(COIN)], &runs, 1).unwrap();
        let interval = card.lines[0].worth.as_ref().unwrap().interval.unwrap();
        interval.high.get() - interval.low.get()
    };
    let (one, nine) = (width(0..1), width(0..9));
    assert!((0.2..0.6).contains(&(nine / one)), "a third is wanted: {}", nine / one);
}

#[test]
fn what_a_model_cost_is_taken_off_what_its_agent_was_worth() {
    let mut run = planted(3, 100);
    run.costs.insert(GOOD, money(1.25));
    let card = card(&[GOOD, COIN].map(role), &[run], 1).unwrap();
    let of = |name| card.lines.iter().find(|line| line.agent == name).unwrap();
    let (paid, free) = (of(GOOD), of(COIN));
    let total = |line: &Line| line.worth.as_ref().unwrap().total_usd;
    assert_eq!(paid.after_cost_usd, Some(total(paid).minus(money(1.25)).unwrap()));
    assert!(sentence(paid).contains("its model cost 1.2500 dollars"), "{}", sentence(paid));
    assert_eq!(free.after_cost_usd, Some(total(free)));
    assert!(!sentence(free).contains("cost"));
}

#[test]
fn a_pair_is_more_or_less_than_its_members() {
    let mut run = planted(2, 200);
    let with = |run: &RunFacts, agent| run.without(&BTreeSet::from([agent])).unwrap().clone();
    let (good, harmful) = (with(&run, GOOD), with(&run, HARMFUL));
    // Both muted together are muted twice over where each does the same as the other.
    let muted = BTreeSet::from([GOOD, HARMFUL]);
    run.without.push(Without { muted: muted.clone(), ..good.clone() });
    let card = card(&[GOOD, HARMFUL].map(role), &[run.clone()], 1).unwrap();
    let [pair] = &card.pairs[..] else { panic!("one pair: {:?}", card.pairs) };
    assert_eq!((&pair.agents, pair.worth.finding), (&muted, Finding::Helps));
    let alone = Differences::between(&run.curve, &harmful.curve).unwrap();
    let together = pair.together.as_ref().unwrap();
    assert_eq!(together.total_usd, alone.total.negated());
    assert_eq!(together.finding, Finding::Helps, "the harm is not there where both are muted");
    assert!(pair_sentence(pair).contains("they complete each other"));
    assert_eq!(card.comparisons, 4);
}

#[test]
fn differences_add_up_to_the_dollar_and_a_day_that_is_missing_leaves_an_account_where_it_was() {
    let with = Curve::of([(at(0), money(100.0)), (at(1), money(103.5)), (at(3), money(104.25))]);
    let without = Curve::of([(at(0), money(100.0)), (at(2), money(99.0)), (at(3), money(101.0))]);
    let differences = Differences::between(&with, &without).unwrap();
    assert_eq!(differences.total, money(3.25));
    let days = differences.days();
    let expected = [0.0, 0.035, 0.01, -0.0125];
    assert!(days.iter().zip(expected).all(|(one, two)| (one - two).abs() < 1e-12), "{days:?}");
    let none = Differences::between(&Curve::default(), &with).unwrap();
    assert!(none.is_none() && none.days().is_empty());
    let (rich, poor) = (Curve::of([(at(0), Money::from_raw(i64::MAX))]), money(-1.0));
    assert!(Differences::between(&rich, &Curve::of([(at(0), poor)])).is_err(), "no wrapping");
}

fn forecast(wins: f64, won: bool) -> Forecast {
    Forecast { wins: Ratio::of(wins), won, is_counterfactual: false }
}

/// The figures were worked out by hand: 0.8 four times with three wins, 0.2 once without one.
#[test]
fn briers_score_and_its_parts_are_those_worked_out_by_hand() {
    let mut all = vec![forecast(0.8, true); 3];
    all.extend([forecast(0.8, false), forecast(0.2, false)]);
    let calibration = Calibration::of(&all).unwrap();
    let near = |value: Ratio, expected: f64| {
        assert!((value.get() - expected).abs() < 1e-12, "{value} {expected}");
    };
    near(calibration.brier, (3.0 * 0.04 + 0.64 + 0.04) / 5.0);
    near(calibration.won, 0.6);
    near(calibration.uncertainty, 0.24);
    near(calibration.reliability, 0.8 * 0.0025 + 0.2 * 0.04);
    near(calibration.resolution, 0.8 * 0.0225 + 0.2 * 0.36);
    // Murphy: the score is reliability less resolution plus uncertainty, where bins hold one number.
    near(calibration.brier, 0.01 - 0.09 + 0.24);
    near(calibration.skill().unwrap(), 1.0 - 0.16 / 0.24);
    let [low, high] = calibration.bins[..] else { panic!("two bins") };
    assert_eq!((low.count, high.count), (1, 4));
    // Wilson's interval of 3 in 4 at 95 %, worked out beside this in double precision.
    assert!((high.low.get() - 0.300_641_84).abs() < 1e-6, "{}", high.low);
    assert!((high.high.get() - 0.954_412_74).abs() < 1e-6, "{}", high.high);
    assert_eq!(Calibration::of(&[]), None);
    let certain = Calibration::of(&[forecast(1.0, true), forecast(1.0, true)]).unwrap();
    assert_eq!((certain.brier, certain.skill()), (Ratio::ZERO, None));
}

#[test]
fn a_veto_is_worth_what_it_prevented_and_is_counted_once_however_often_it_was_appealed() {
    let veto = |day: usize, kind| {
        let code = Code::GuardRegime;
        Veto { agent: GOOD, decision: decision(day), kind, code }
    };
    let prevented = [(1, -250.0), (2, 100.0), (3, 7.0)];
    let outcomes = prevented.map(|(day, pnl)| (decision(day), ended(money(pnl))));
    let muted = BTreeSet::from([GOOD]);
    let facts = RunFacts {
        vetoes: vec![
            veto(1, VetoKind::Soft),
            veto(1, VetoKind::Soft),
            veto(2, VetoKind::Soft),
            veto(3, VetoKind::Soft),
            veto(4, VetoKind::Hard),
        ],
        // The third was appealed, and traded after all.
        outcomes: Outcomes::from([(decision(3), ended(money(7.0)))]),
        without: vec![Without { muted, outcomes: outcomes.into(), ..Without::default() }],
        ..RunFacts::default()
    };
    let value = facts.vetoes_of(GOOD).unwrap();
    assert_eq!((value.vetoes, value.hard, value.prevented, value.losses_prevented), (4, 1, 2, 1));
    assert_eq!(value.value, money(150.0));
    let each: Vec<_> = value.each.iter().map(|it| it.value).collect();
    assert_eq!(each, [Some(money(250.0)), Some(money(-100.0)), None, None]);
    assert_eq!(facts.vetoes_of(COIN).unwrap(), VetoValue::default());
}

#[test]
fn a_clamped_size_is_worth_what_the_rest_of_it_would_have_lost() {
    let forced = |day, parameter: &str, raw, clamped| {
        let (raw, clamped) = (Ratio::of(raw), Ratio::of(clamped));
        let clamp = Clamp { parameter: parameter.to_owned(), raw, clamped, edge: Edge::Max };
        Forced { agent: GOOD, decision: decision(day), clamp }
    };
    let facts = RunFacts {
        forced: vec![
            forced(1, "size_multiplier", 3.0, 2.0),
            forced(2, "stop_distance", 0.2, 0.15),
            forced(3, "size_multiplier", 9.0, 2.0),
        ],
        outcomes: Outcomes::from([
            (decision(1), ended(money(-100.0))),
            (decision(2), ended(money(30.0))),
        ]),
        ..RunFacts::default()
    };
    let value = facts.clamps_of(GOOD).unwrap();
    assert_eq!((value.clamps, value.traded, value.sized), (3, 2, 1));
    assert_eq!((value.pnl, value.value), (money(-70.0), money(50.0)));
    let each: Vec<_> = value.each.iter().map(|it| (it.pnl, it.value)).collect();
    let (lost, won) = (Some(money(-100.0)), Some(money(30.0)));
    assert_eq!(each, [(lost, Some(money(50.0))), (won, None), (None, None)]);
}

#[test]
fn what_a_vote_against_would_have_led_to_is_known_from_the_repetition() {
    let opinion = |day, vote| {
        let confidence = Ratio::of(0.7);
        Opinion { agent: GOOD, decision: decision(day), vote, confidence }
    };
    let muted = BTreeSet::from([GOOD]);
    let would = Outcomes::from([(decision(2), ended(money(-5.0)))]);
    let facts = RunFacts {
        opinions: vec![opinion(1, Vote::For), opinion(2, Vote::Against), opinion(3, Vote::For)],
        outcomes: Outcomes::from([(decision(1), ended(money(5.0)))]),
        without: vec![Without { muted, outcomes: would, ..Without::default() }],
        ..RunFacts::default()
    };
    let forecasts = facts.forecasts(GOOD);
    let said: Vec<_> =
        forecasts.iter().map(|it| (it.wins.get(), it.won, it.is_counterfactual)).collect();
    assert_eq!(said, [(0.7, true, false), (1.0 - 0.7, false, true)]);
}

fn word(agent: &str, day: usize, agreed: bool, ended: Option<(usize, bool)>) -> Word {
    let ended = ended.map(|(day, won)| End { at: at(day), won });
    Word { agent: agent.to_owned(), at: at(day), answered: true, agreed, ended }
}

/// L-1: what is said or ends at a brief's moment is not known in it.
#[test]
fn the_past_is_cut_before_the_moment_that_asks_for_it() {
    let past = Past::of(vec![
        word(GOOD, 5, true, Some((9, true))),
        word(GOOD, 1, true, Some((20, false))),
        word(COIN, 2, false, None),
        Word { answered: false, ..word(GOOD, 7, false, None) },
    ]);
    for (day, consulted, answered, agreed, settled, won) in [
        (1, 0, 0, 0, 0, 0),
        (2, 1, 1, 1, 0, 0),
        (9, 3, 2, 2, 0, 0),
        (10, 3, 2, 2, 1, 1),
        (21, 3, 2, 2, 2, 1),
    ] {
        let known = past.before(GOOD, at(day));
        let counts = (known.consulted, known.answered, known.agreed, known.settled, known.won);
        assert_eq!(counts, (consulted, answered, agreed, settled, won), "day {day}");
    }
    assert_eq!(past.before(HARMFUL, at(99)), AgentStats::default());
    assert_eq!(Past::of(Vec::new()).before(GOOD, at(99)), AgentStats::default());
}
