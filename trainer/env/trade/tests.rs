//! The environment against the ledger, its windows, its ends, and what it pays whom.

use conclave_domain::engine::{Directions, RawDesk, RawTerms, Size};
use conclave_domain::fixed::{Money, Price};
use conclave_domain::market::series::Series;
use conclave_domain::market::symbol::AssetClass;
use conclave_domain::policy::action::{Action, Bucket};
use conclave_domain::policy::observation::AccountView;
use conclave_domain::ratio::Ratio;

use super::*;
use crate::testing::{World, series};

fn config(envs: usize, seed: u64) -> TradeConfig {
    let (terms, weights) = (Terms::default(), RewardWeights::default());
    TradeConfig { envs, actions: ActionSet::Eight, terms, weights, seed }
}

fn env(series: &[Series], envs: usize, seed: u64) -> TradeEnv {
    let data = Arc::new(MarketData::new(series).unwrap());
    let spans = data.spans().to_vec();
    let view = View::fitted(data, &spans).unwrap();
    TradeEnv::new(view, spans, &config(envs, seed)).unwrap()
}

/// The index of an action in the largest set.
fn index(action: Action) -> u8 {
    let at = ActionSet::Eight.actions().iter().position(|&one| one == action);
    u8::try_from(at.unwrap()).unwrap()
}

/// Walks the same random actions through the ledger's desk and through an account.
fn walk(series: &Series, class: AssetClass, may_short: bool, seed: u64) {
    let terms = Terms::default();
    let directions = if may_short { Directions::LongShort } else { Directions::Long };
    let raw =
        RawTerms { size: Size::AllIn, directions, broker: terms.broker.clone(), cash: terms.cash };
    let symbol = &series.symbol;
    let mut desk = RawDesk::new(raw, [(symbol.clone(), class)]).unwrap();
    let mut account = Account::new(terms.cash);
    let mut profits = Money::ZERO;
    let mut dice = Draws::new(seed).sequence(Stream::Environment, 0);
    for pair in series.bars.windows(2) {
        let (bar, next) = (&pair[0], &pair[1]);
        let action = ActionSet::Eight.actions()[dice.below(8) as usize];
        let held = desk.book().position(symbol).map(|held| held.direction);
        assert_eq!(held, account.held());
        let wanted = intent(action, held, may_short);
        desk.act(symbol, wanted, bar).unwrap();
        desk.open(symbol, next).unwrap();
        desk.close(symbol, next).unwrap();
        let equity = desk.settle().unwrap();
        let prices = Prices { open: next.open, close: next.close };
        let moved = account.step(wanted, prices, class, &terms.broker).unwrap();
        assert_eq!(moved.after, equity, "{action} at {:?}", bar.close_time);
        assert_eq!(account.view(), AccountView::of(desk.book(), symbol).unwrap());
        profits = profits.plus(moved.closed.map_or(Money::ZERO, |closed| closed.profit)).unwrap();
    }
    let trades = desk.book().trades();
    let booked = trades.iter().try_fold(Money::ZERO, |sum, trade| sum.plus(trade.pnl)).unwrap();
    assert!(trades.len() > 50 && booked == profits, "the same round trips with the same results");
}

/// P-1: equity is that of the trading ledger at every bar, to the last unit, for the same actions.
#[test]
fn an_account_is_the_trading_ledger_to_the_last_unit() {
    for seed in 0..6 {
        let shares = series("A", World::PLANTED, 600, seed);
        walk(&shares, AssetClass::Equity, true, seed);
        walk(&shares, AssetClass::Equity, false, seed);
        walk(&shares, AssetClass::Crypto, false, seed);
    }
}

#[test]
fn a_round_trip_costs_its_fees_and_slippage_and_nothing_else() {
    let terms = Terms::default();
    let price = Price::from_units(100).unwrap();
    let prices = Prices { open: price, close: price };
    for direction in [Direction::Long, Direction::Short] {
        let mut account = Account::new(terms.cash);
        let enter = Intent::Enter { direction, percent: 75 };
        let first = account.step(enter, prices, AssetClass::Equity, &terms.broker).unwrap();
        let last = account.step(Intent::Close, prices, AssetClass::Equity, &terms.broker).unwrap();
        let paid = first.paid.plus(last.paid).unwrap();
        assert_eq!(account.cash.plus(paid).unwrap(), terms.cash);
        assert_eq!(last.closed.unwrap().profit, Money::ZERO.minus(paid).unwrap());
        // About 5 bp of 75,000 on either side, and two fees.
        assert!((paid.to_f64() - 77.0).abs() < 1.0, "{paid}");
    }
}

#[test]
fn windows_lie_within_their_span_and_end_by_being_cut_off() {
    let worlds = [series("A", World::NULL, 900, 1), series("B", World::NULL, 300, 2)];
    let mut env = env(&worlds, 8, 3);
    let mut steps = Steps::new(8);
    let mut keys = vec![Key::default(); 8];
    let mut lengths = [0_usize; 8];
    let (mut ended, mut instruments) = (Vec::new(), std::collections::BTreeSet::new());
    for n in 0..3_000_u32 {
        env.keys(&mut keys);
        let rows: Vec<usize> = keys.iter().map(|key| key.row as usize).collect();
        instruments.extend(env.instrument.iter().copied());
        env.step(&[u8::try_from(n % 8).unwrap(); 8], &mut steps);
        for at in 0..8 {
            lengths[at] += 1;
            if steps.truncated[at] {
                assert_eq!(
                    steps.last[at].row as usize,
                    rows[at] + 1,
                    "the state it was cut off in"
                );
                ended.push(std::mem::take(&mut lengths[at]));
            }
            assert!(!steps.terminated[at] && steps.rewards[at].is_finite());
        }
    }
    assert_eq!(instruments.len(), 2, "both symbols are played");
    let (short, long): (Vec<usize>, Vec<usize>) = ended.iter().partition(|&&length| length < 256);
    assert!(short.iter().all(|&length| length == 300 - EMBARGO), "a short span is played whole");
    assert!(long.iter().all(|length| EPISODE.contains(length)) && long.len() > 20);
    let distinct: std::collections::BTreeSet<_> = long.iter().collect();
    assert!(distinct.len() > 10, "windows of many lengths");
}

/// Goal: ruin ends an episode for good. Method: a short of three quarters of equity while the price
/// goes up four times over.
#[test]
fn a_ruined_account_has_no_future() {
    let mut world = series("A", World::NULL, 400, 5);
    for (nth, bar) in world.bars.iter_mut().enumerate().skip(100) {
        let up = 4_i64.pow(u32::try_from(nth / 100).unwrap());
        let times = |price: Price| Price::from_raw(price.raw() * up);
        (bar.open, bar.high) = (times(bar.open), times(bar.high));
        (bar.low, bar.close) = (times(bar.low), times(bar.close));
    }
    let mut env = env(&[world], 1, 1);
    let mut steps = Steps::new(1);
    let sell = index(Action::Sell(Bucket::ThreeQuarters));
    let mut ruins = 0;
    for _ in 0..400 {
        env.step(&[sell], &mut steps);
        if steps.terminated[0] {
            ruins += 1;
            assert!(!steps.truncated[0] && steps.rewards[0] < 0.0);
            assert!((steps.last[0].account[3] - 1.0).abs() < 1e-6, "all is lost");
            assert_eq!(env.accounts[0], Account::new(env.terms.cash), "and all begins anew");
        }
    }
    assert!(ruins > 0);
}

/// Mean reward of a step for whoever acts like this, with the environments' tally.
fn paid(env: &mut TradeEnv, steps: u32, mut act: impl FnMut(u32, usize) -> u8) -> PartTally {
    let mut out = Steps::new(env.envs());
    env.take_tally();
    for n in 0..steps {
        let actions: Vec<u8> = (0..env.envs()).map(|at| act(n, at)).collect();
        env.step(&actions, &mut out);
        for key in &out.last {
            assert!((0.0..=1.0).contains(&key.account[3]), "a fall is a share");
        }
    }
    env.take_tally()
}

#[test]
fn scripted_policies_are_paid_in_the_right_order() {
    let (hold, buy) = (index(Action::Hold), index(Action::Buy(Bucket::ThreeQuarters)));
    let sell = index(Action::Sell(Bucket::ThreeQuarters));
    let mean = |world, act: &dyn Fn(u32, usize) -> u8| {
        let worlds: Vec<Series> =
            (0..4).map(|n| series(&format!("S{n}"), world, 1_500, n)).collect();
        let tally = paid(&mut env(&worlds, 8, 2), 2_000, act);
        tally.reward_mean().get()
    };
    let draws = Draws::new(4);
    let random = |n: u32, at: usize| {
        let lane = u32::try_from(at).unwrap();
        u8::try_from(draws.block(Stream::Validation, u64::from(n), lane)[0] % 8).unwrap()
    };
    let always = |action: u8| move |_: u32, _: usize| action;
    let churn = |n: u32, _: usize| if n.is_multiple_of(2) { buy } else { sell };
    assert!(mean(World::NULL, &always(hold)).abs() < 1e-12, "nothing done, nothing paid");
    let (rising, falling) = (World::RISING, World { drift: -0.002, ..World::RISING });
    assert!(mean(rising, &always(buy)) > mean(rising, &random));
    assert!(mean(rising, &always(buy)) > 0.02 && mean(rising, &always(sell)) < -0.02);
    assert!(mean(falling, &always(sell)) > 0.02 && mean(falling, &always(buy)) < -0.02);
    assert!(mean(World::NULL, &random) < -0.005, "costs");
    assert!(mean(World::NULL, &churn) < mean(World::NULL, &random), "and more of them");
}

#[test]
fn the_parts_shares_in_the_reward_sum_to_one() {
    let worlds = [series("A", World::PLANTED, 1_500, 9)];
    let tally = paid(&mut env(&worlds, 4, 1), 2_000, |n, at| {
        u8::try_from((n / 7 + u32::try_from(at).unwrap()) % 8).unwrap()
    });
    assert_eq!(tally.steps(), 8_000);
    let shares = tally.effective_shares().map(Ratio::get);
    assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{shares:?}");
    assert!(shares[2] > 0.4, "money weighs most: {shares:?}");
    let sum: f64 = tally.means().iter().map(|mean| mean.get()).sum();
    assert!((sum - tally.reward_mean().get()).abs() < 1e-12);
    assert!(PartTally::default().effective_shares().iter().all(|share| share.get().abs() < 1e-12));
}

#[test]
fn restored_environments_go_on_bit_for_bit_and_refuse_what_is_not_theirs() {
    let worlds = [series("A", World::PLANTED, 900, 9)];
    let mut one = env(&worlds, 4, 1);
    let mut out = Steps::new(4);
    let mut play = |env: &mut TradeEnv, from: u32| {
        let mut bits = Vec::new();
        for n in from..from + 700 {
            env.step(&[u8::try_from(n * 5 % 8).unwrap(); 4], &mut out);
            bits.extend(out.rewards.iter().map(|reward| reward.to_bits()));
        }
        bits
    };
    play(&mut one, 0);
    let saved = one.save();
    let mut other = env(&worlds, 4, 1);
    other.restore(&saved).unwrap();
    assert_eq!(play(&mut one, 700), play(&mut other, 700));
    assert_eq!(one.save(), other.save());
    let before = other.save();
    let text = String::from_utf8(saved.clone()).unwrap();
    for hostile in
        ["", "{}", &text[..text.len() - 9], &text.replacen("\"row\":[", "\"row\":[99999,", 1)]
    {
        assert!(other.restore(hostile.as_bytes()).is_err(), "{hostile}");
    }
    let outside = far_out(&text, "\"row\":[");
    assert!(other.restore(outside.as_bytes()).is_err(), "rows that are not there");
    assert_eq!(other.save(), before, "nothing has changed");
    assert!(env(&worlds, 3, 1).restore(&saved).is_err(), "another number of environments");
}

/// The text with the first number after `mark` made far too large.
fn far_out(text: &str, mark: &str) -> String {
    let (head, tail) = text.split_once(mark).unwrap();
    let end = tail.find([',', ']']).unwrap();
    format!("{head}{mark}4000000000{}", &tail[end..])
}

#[test]
fn what_is_tested_on_comes_after_what_is_trained_on_with_an_embargo_between() {
    let worlds = [series("A", World::NULL, 1_000, 1), series("B", World::NULL, 700, 2)];
    let data = MarketData::new(&worlds).unwrap();
    let last = |spans: &[Span]| spans.iter().map(|span| data.times()[span.rows.end - 1]).max();
    let first = |spans: &[Span]| spans.iter().map(|span| data.times()[span.rows.start]).min();
    let day = std::time::Duration::from_hours(24);
    let embargo = day * u32::try_from(EMBARGO).unwrap();
    let cut = data.cut(Ratio::of(0.25));
    assert!(last(&cut.train).unwrap() + embargo < first(&cut.test).unwrap());
    let folds = data.folds(4);
    assert_eq!(folds.len(), 4);
    for (fold, next) in folds.iter().zip(&folds[1..]) {
        assert!(last(&fold.train).unwrap() + embargo < first(&fold.test).unwrap());
        assert!(last(&fold.test).unwrap() < first(&next.test).unwrap(), "tests do not overlap");
        assert!(last(&fold.train) < last(&next.train), "and training grows");
    }
    assert_eq!(MarketData::new(&[]), Err(DataError::Empty));
    assert_eq!(MarketData::new(&[series("A", World::NULL, 61, 1)]), Err(DataError::Empty));
}
