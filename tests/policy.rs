//! A trained policy in use: what it sees and does is the same in training, in a back-test, with the
//! council and in a run; a checkpoint that is of something else is refused.

use std::path::Path;
use std::sync::Arc;

use conclave_domain::bounds::BoundsTable;
use conclave_domain::engine::{Directions, RawDesk, RawTerms, Size};
use conclave_domain::market::bar::Timeframe;
use conclave_domain::market::csv::{CsvOptions, read_csv};
use conclave_domain::market::series::Series;
use conclave_domain::market::symbol::{AssetClass, Symbol};
use conclave_domain::pipeline::SymbolPipeline;
use conclave_domain::policy::action::{Action, ActionSet, Bucket};
use conclave_domain::policy::observation::{AccountView, COLUMNS, MARKET};
use conclave_domain::policy::reward::RewardWeights;
use conclave_domain::strategy::Source;
use conclave_trainer::checkpoint::Checkpoint;
use conclave_trainer::env::trade::{Key, MarketData, Terms, TradeConfig, TradeEnv, View};
use conclave_trainer::export::read_policy;
use conclave_trainer::layout::Layout;
use conclave_trainer::session::{LAST, Session, TrainConfig};
use conclave_trainer::vec_env::{Steps, VecEnv};
use serde_json::Value;

use crate::rig::{World, text};

const BUY: Action = Action::Buy(Bucket::Half);
const SELL: Action = Action::Sell(Bucket::Quarter);

fn goog() -> Series {
    let options = CsvOptions::new(Symbol::new("GOOG").expect("a symbol"));
    let file = include_bytes!("../data/GOOG.csv").as_slice();
    read_csv(file, &options).expect("bars").series
}

/// A checkpoint of a run that has not begun, with weights made by hand: what speaks for an action
/// whatever is seen, and what speaks for it the more is held long.
fn checkpoint(path: &Path, always: &[(Action, f32)], long: &[(Action, f32)]) {
    checkpoint_of(&goog(), path, always, long);
}

fn checkpoint_of(learned: &Series, path: &Path, always: &[(Action, f32)], long: &[(Action, f32)]) {
    let folder = path.parent().expect("a folder");
    let mut config = TrainConfig { envs: 2, windows: 2, ..TrainConfig::with_steps(1_024) };
    config.ppo.hidden = vec![4];
    (config.ppo.rollout_steps, config.ppo.minibatch) = (64, 64);
    let data = Arc::new(MarketData::new(std::slice::from_ref(learned)).expect("bars"));
    let mut session = Session::new(config, data, BoundsTable::default()).expect("a run");
    session.keep_in(folder.to_owned());
    session.write_last().expect("a checkpoint");
    let mut checkpoint = Checkpoint::read(&folder.join(LAST)).expect("a checkpoint");
    let layout = Layout::new(&checkpoint.shape).expect("a layout");
    let offset =
        |name: &str| layout.tensors().iter().find(|one| one.name == name).expect("a tensor").offset;
    let index = |action: Action| {
        ActionSet::Eight.actions().iter().position(|one| *one == action).expect("an action")
    };
    let parameters = &mut checkpoint.state.parameters;
    parameters.fill(0.0);
    // One hidden unit: near 1 while anything is held long, near −1 while short.
    parameters[offset("actor.w1") + MARKET * 4] = 50.0;
    for (action, weight) in long {
        parameters[offset("actor.w2") + index(*action)] = *weight;
    }
    for (action, weight) in always {
        parameters[offset("actor.b2") + index(*action)] = *weight;
    }
    checkpoint.write(path).expect("a file");
}

/// Flat it buys, long it closes.
fn in_and_out(path: &Path) {
    checkpoint(path, &[(BUY, 3.0)], &[(Action::Close, 6.0)]);
}

/// Flat or short it buys, long it sells.
fn round_and_round(path: &Path) {
    checkpoint(path, &[(BUY, 3.0)], &[(SELL, 6.0)]);
}

/// F-2: on real bars the environment, the back-test's account and a full pipeline show the policy the
/// same bits, bar for bar, through hundreds of trades, and come to the same equity.
#[test]
fn training_and_trading_see_the_same_bits_and_do_the_same() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("p.safetensors");
    round_and_round(&path);
    let policy = Arc::new(read_policy(&path).expect("a policy").policy);
    let series = goog();
    let data = Arc::new(MarketData::new(std::slice::from_ref(&series)).expect("bars"));
    let config = TradeConfig {
        envs: 1,
        actions: ActionSet::Eight,
        terms: Terms::default(),
        weights: RewardWeights::default(),
        seed: 3,
    };
    let view = View::new(Arc::clone(&data), policy.parts().normalisation.clone());
    let mut env = TradeEnv::new(view, data.spans().to_vec(), &config).expect("an environment");
    let (mut keys, mut row) = (vec![Key::default()], vec![0.0_f32; COLUMNS]);
    let mut steps = Steps::new(1);
    env.keys(&mut keys);

    let source = Source::Policy(Arc::clone(&policy)).config();
    let (symbol, class) = (series.symbol.clone(), AssetClass::Equity);
    let mut pipeline =
        SymbolPipeline::new(symbol.clone(), class, Timeframe::Day, &source, true).expect("one");
    let begins = data.times()[keys[0].row as usize];
    let (broker, cash) = (config.terms.broker.clone(), config.terms.cash);
    let (size, directions) = (Size::AllIn, Directions::LongShort);
    let mut desk = RawDesk::new(RawTerms { size, directions, broker, cash }, [(symbol, class)])
        .expect("a desk");
    let (mut compared, mut ended) = (0, false);
    for bar in &series.bars {
        pipeline.on_bar(bar);
        if bar.close_time < begins || ended {
            continue;
        }
        let symbol = &series.symbol;
        desk.open(symbol, bar).expect("fills");
        desk.close(symbol, bar).expect("a mark");
        desk.settle().expect("equity");
        let market = pipeline.observation().expect("full windows");
        let account = AccountView::of(desk.book(), symbol).expect("a view");
        let seen = policy.observe(&market, &account).map(f32::to_bits);
        env.observe(&keys, &mut row);
        let trained: Vec<u32> = row.iter().map(|value| value.to_bits()).collect();
        assert_eq!(trained, seen, "{}", bar.close_time);
        compared += 1;
        let said = policy.opinion(&market, &account).expect("an opinion").action;
        let index = ActionSet::Eight.actions().iter().position(|one| *one == said);
        let index = u8::try_from(index.expect("an action")).expect("a small number");
        env.step(&[index], &mut steps);
        desk.consider(symbol, &policy, &market, bar).expect("a call");
        ended = steps.truncated[0] || steps.terminated[0];
        env.keys(&mut keys);
    }
    assert!(compared >= 256 && ended, "{compared} bars of an episode");
    assert!(desk.book().trades().len() > 100, "{} trades", desk.book().trades().len());
}

#[track_caller]
fn document(world: &World, args: &[&str]) -> Value {
    let said = world.verb(args);
    serde_json::from_slice(&said.succeeds().0.stdout).expect("json")
}

#[test]
fn a_policy_alone_trades_as_it_says_with_actors_and_without() {
    let world = World::new();
    in_and_out(&world.path("p.safetensors"));
    let raw = ["backtest", "--data", "AAA.csv", "--policy", "p.safetensors", "--format", "json"];
    let told = document(&world, &[&raw[..], &["--out", "one"]].concat());
    assert!(text(&told["strategy"]).starts_with("policy "), "{told:#}");
    assert_eq!(told["size"], "policy");
    // From the 62nd of 400 bars on it buys at one open and closes at the next.
    assert_eq!(told["trades"], (400 - 61) / 2 + 1);
    let trades = world.file("one", "trades.csv");
    assert!(trades.lines().skip(1).all(|line| line.contains(",long,")), "{trades}");
    document(&world, &[&raw[..], &["--out", "two", "--actors"]].concat());
    for file in ["trades.csv", "orders.csv", "equity.csv"] {
        assert_eq!(world.file("one", file), world.file("two", file), "{file}");
    }
}

/// D-1: the council decides on a policy's calls; in one thread, through actors and as a run it trades
/// the same, and the run can be gone on with, by its own policy alone, and be repeated.
#[test]
fn a_council_decides_on_a_policys_calls_and_a_run_goes_on_with_its_own_policy() {
    let world = World::new();
    round_and_round(&world.path("p.safetensors"));
    let policy = ["--policy", "p.safetensors", "--out"];
    let alone = ["backtest", "--council", "--data", "AAA.csv"];
    world.verb(&[&alone[..], &policy, &["inline"]].concat()).succeeds();
    world.verb(&[&alone[..], &policy, &["actors", "--actors"]].concat()).succeeds();
    let run = ["run", "--no-http", "--mode", "autonomous", "--data", "AAA.csv"];
    world.verb(&[&run[..], &policy, &["r"]].concat()).succeeds();
    let trades = world.file("r", "trades.csv");
    assert!(trades.lines().count() > 3, "{trades}");
    assert_eq!(world.file("inline", "trades.csv"), trades);
    assert_eq!(world.file("actors", "trades.csv"), trades);
    let signals = world.steps("r", "signal.raised");
    let raised = signals.first().map(|record| record["body"].to_string()).unwrap_or_default();
    assert!(raised.contains("\"source\":\"policy\""), "{raised}");
    let header = world.steps("r", "run.started").remove(0);
    assert_eq!(header["body"]["strategy"]["kind"], "policy", "{header:#}");
    world.verify("r");
    world.verb(&["replay", "r"]).succeeds();

    in_and_out(&world.path("other.safetensors"));
    world
        .verb(&["run", "--no-http", "--resume", "r", "--policy", "other.safetensors"])
        .refuses(8, "was started with strategy");
    world.verb(&["run", "--no-http", "--resume", "r"]).succeeds();
    in_and_out(&world.path("p.safetensors"));
    world.verb(&["run", "--no-http", "--resume", "r"]).refuses(8, "p.safetensors is not the file");
    world.verb(&["replay", "r"]).refuses(8, "p.safetensors is not the file");
}

#[test]
fn a_checkpoint_of_something_else_is_refused_and_says_what_differs() {
    let world = World::new();
    in_and_out(&world.path("p.safetensors"));
    let good = Checkpoint::read(&world.path("p.safetensors")).expect("a checkpoint");
    let mut columns = good.clone();
    columns.about.features[3] = "moon_phase".to_owned();
    let mut actions = good.clone();
    actions.about.actions.swap(1, 4);
    let mut short = good.clone();
    short.about.actions.pop();
    for (what, named) in
        [(columns, "features differ"), (actions, "actions differ"), (short, "actions differ")]
    {
        what.write(&world.path("bad.safetensors")).expect("a file");
        for verb in [&["backtest"][..], &["backtest", "--council"], &["run", "--no-http"]] {
            let args = [verb, &["--policy", "bad.safetensors"]].concat();
            world.verb(&args).refuses(8, named);
        }
    }
    std::fs::write(world.path("cut.safetensors"), b"\x08\0\0\0\0\0\0\0{").expect("a file");
    for verb in ["backtest", "run"] {
        world.verb(&[verb, "--policy", "cut.safetensors"]).refuses(8, "cut.safetensors");
        world.verb(&[verb, "--policy", "gone.safetensors"]).refuses(5, "gone.safetensors");
        let both = [verb, "--policy", "p.safetensors", "--strategy", "momentum"];
        world.verb(&both).refuses(2, "--strategy");
    }
}

fn notes(document: &Value) -> String {
    document["notes"].to_string()
}

/// A policy was trained with costs and is charged them; on bars that it has learned from and on symbols
/// that it never met it says so, and what it has not learned from can be had alone.
#[test]
fn a_policy_says_what_it_has_learned_from_and_trades_the_rest_alone() {
    let world = World::new();
    let mut half = goog();
    half.bars.truncate(1_500);
    let until = half.bars[1_499].close_time.to_string();
    checkpoint_of(&half, &world.path("p.safetensors"), &[(BUY, 3.0)], &[(Action::Close, 6.0)]);
    let raw = ["backtest", "--policy", "p.safetensors", "--format", "json"];
    let told = document(&world, &raw);
    let said = notes(&told);
    assert!(said.contains("has learned from 1500 of these 12154 bars"), "{said}");
    assert!(
        said.contains("was not trained on AAPL, FB, IBM, MSFT: it has learned from GOOG"),
        "{said}"
    );
    assert!(
        text(&told["costs"]).contains("$1 a trade")
            && text(&told["costs"]).contains("slippage 5 bp")
    );
    let unseen = document(&world, &[&raw[..], &["--unseen", "--out", "u"]].concat());
    assert!(!notes(&unseen).contains("has learned from 1500"), "{}", notes(&unseen));
    let bars = unseen["bars"].as_u64().expect("bars");
    let all = told["bars"].as_u64().expect("bars");
    assert!(bars < all && bars > 1_000, "{bars} of {all}");
    let trades = world.file("u", "trades.csv");
    let heads: Vec<&str> = trades.lines().next().expect("a head").split(',').collect();
    let at = heads.iter().position(|head| *head == "entry_time").expect("when it was entered");
    let first = trades.lines().skip(1).filter_map(|line| line.split(',').nth(at)).min();
    assert!(first.is_some_and(|first| first > &until[..10]), "{first:?} behind {until}");

    checkpoint(&world.path("all.safetensors"), &[], &[]);
    let nothing = ["backtest", "--policy", "all.safetensors", "--unseen"];
    world.verb(&nothing).refuses(8, "nothing is unseen");
    world.verb(&["backtest", "--unseen"]).refuses(2, "--policy");
}

/// A policy of days is not given minutes, unless somebody says so.
#[test]
fn a_policy_of_days_is_not_given_minutes_unawares() {
    let world = World::new();
    in_and_out(&world.path("p.safetensors"));
    let row = |minute: u32| {
        let (hour, left) = (15 + minute / 60, minute % 60);
        format!("2024-03-05T{hour}:{left:02}:00Z,10,11,9,10,{}\n", 100 + minute)
    };
    let csv = (0..90)
        .map(row)
        .fold("time,open,high,low,close,volume\n".to_owned(), |csv, row| csv + &row);
    std::fs::write(world.path("MIN.csv"), csv).expect("a file");
    for verb in [&["backtest"][..], &["backtest", "--council"], &["run", "--no-http"]] {
        let args = [verb, &["--data", "MIN.csv", "--policy", "p.safetensors"]].concat();
        world.verb(&args).refuses(8, "was trained on bars of 1d, and those of MIN are of 1m");
        world.verb(&[&args[..], &["--other-bars"]].concat()).succeeds();
    }
}
