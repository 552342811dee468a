//! A run's files as scripts and browsers see them.

use conclave_domain::market::symbol::AssetClass;
use conclave_domain::metrics::{Activity, Curve, Terms, TradeStat};
use conclave_domain::order::{
    ClientOrderId, DecisionId, ExitReason, OrderKind, Purpose, Side, TimeInForce,
};
use conclave_domain::signal::Direction;

use super::*;

const DAY_MS: i64 = 86_400_000;

fn symbol() -> Symbol {
    Symbol::new("BRK.B").unwrap()
}

fn at(day: usize) -> Time {
    Time::from_ms(951_944_400_000 + i64::try_from(day).unwrap() * DAY_MS)
}

/// A price that wanders without a random number: two waves and a trend.
fn price(day: usize) -> Price {
    let day = f64::from(u32::try_from(day).unwrap());
    let value = 60.0 + day * 0.02 + (day / 37.0).sin() * 12.0 + (day / 5.3).sin() * 3.0;
    Price::from_f64((value * 100.0).round() / 100.0).unwrap()
}

fn trade(entry: usize, days: usize) -> Trade {
    let (entry_price, exit_price) = (price(entry), price(entry + days));
    let direction = if entry.is_multiple_of(3) { Direction::Short } else { Direction::Long };
    let gain = (exit_price.to_f64() - entry_price.to_f64()) * direction.sign() * 100.0;
    Trade {
        symbol: symbol(),
        direction,
        qty: Qty::from_units(100).unwrap(),
        entry_time: at(entry),
        entry_price,
        exit_time: at(entry + days),
        exit_price,
        pnl: Money::from_f64(gain - 2.0).unwrap(),
        fees: Money::from_units(2).unwrap(),
        exit_reason: if gain > 0.0 { ExitReason::TakeProfit } else { ExitReason::Stop },
        bars_held: u32::try_from(days).unwrap(),
        decision: None,
    }
}

fn order(day: usize) -> OrderRow {
    let decision = DecisionId::new(&symbol(), at(day), "entry");
    let intent = OrderIntent {
        client_order_id: ClientOrderId::derive(&decision, Side::Buy, 0),
        decision,
        symbol: symbol(),
        side: Side::Buy,
        qty: Qty::from_units(100).unwrap(),
        kind: OrderKind::Limit { limit: price(day) },
        time_in_force: TimeInForce::Day,
        extended_hours: false,
        purpose: Purpose::Entry,
        at: at(day),
        reference: price(day),
        exits: None,
    };
    OrderRow {
        intent,
        status: "denied".to_owned(),
        filled: Qty::ZERO,
        average: None,
        fees: Money::ZERO,
        code: Some(Code::GateExposure),
    }
}

fn header() -> Header {
    Header {
        verb: "run".to_owned(),
        strategy: "sma-cross <10, 20> & \"more\"".to_owned(),
        version: "0.1.0".to_owned(),
        seed: 7,
        record_hash: Some("ab".repeat(32)),
        data_hash: "cd".repeat(32),
        config_hash: "ef".repeat(32),
        audit: None,
        timeframes: vec![Timeframe::Day],
        symbols: vec![symbol()],
        from: Some(at(0)),
        to: Some(at(999)),
        bars: 1_000,
        fill_rule: "next-open".to_owned(),
        costs: "$1 a trade, slippage 5 bp".to_owned(),
        mode: "advisory".to_owned(),
        money: MoneyKind::Paper,
        benchmark: Some("buy and hold".to_owned()),
    }
}

fn counts() -> Counts {
    let of = |parts: &[(&str, u64)]| {
        parts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
    };
    Counts {
        rounds: 40,
        verdicts: of(&[("act", 30), ("hold", 6), ("vetoed", 4)]),
        vetoes: of(&[("veto.var", 4)]),
        clamps: of(&[("size_multiplier", 3)]),
        denials: of(&[("gate.exposure", 5)]),
        consultations: 200,
        outcomes: of(&[("answered", 198), ("late", 2)]),
        restarts: BTreeMap::new(),
        spend_usd: "0.0125".parse().unwrap(),
    }
}

fn agent() -> AgentRow {
    AgentRow {
        name: "risk_guardian".to_owned(),
        team: "trading".to_owned(),
        model: Some("sonnet".to_owned()),
        consultations: 40,
        parts: Parts { applied: 31, clamped: 2, not_awaited: 4, abstained: 3, ..Parts::default() },
        answered: 33,
        vetoes: 4,
        cost_usd: "0.0125".parse().unwrap(),
        ..AgentRow::default()
    }
}

/// A run of this many days with a trade every 25.
fn report(days: usize) -> RunReport {
    let trades: Vec<Trade> = (1..days / 25).map(|nth| trade(nth * 25, 11)).collect();
    let mut balance = 100_000.0;
    let equity: Vec<EquityPoint> = (0..days)
        .map(|day| {
            let closed = trades.iter().filter(|trade| trade.exit_time == at(day));
            balance += closed.map(|trade| trade.pnl.to_f64()).sum::<f64>();
            let benchmark = 100_000.0 * price(day).to_f64() / price(0).to_f64();
            EquityPoint {
                time: at(day),
                equity: Money::from_f64(balance).unwrap(),
                cash: Money::from_f64(balance).unwrap(),
                exposure: Ratio::of(0.25),
                benchmark: Money::from_f64(benchmark).ok(),
            }
        })
        .collect();
    let stats: Vec<TradeStat> = trades.iter().map(|trade| TradeStat::of(trade).unwrap()).collect();
    let values: Vec<f64> = equity.iter().map(|point| point.equity.to_f64()).collect();
    let times: Vec<Time> = equity.iter().map(|point| point.time).collect();
    let curve = Curve { times: &times, equity: &values, benchmark: None };
    let activity = Activity { trades: &stats, bars: 1_000, ..Activity::default() };
    let terms = Terms::usual(Timeframe::Day, AssetClass::Equity);
    let metrics = Metrics::of_account(&curve, |time| time.ms() / DAY_MS, &activity, terms).unwrap();
    RunReport {
        header: header(),
        metrics,
        counts: counts(),
        equity,
        trades,
        open: Vec::new(),
        orders: vec![order(3)],
        prices: vec![PriceCurve {
            symbol: symbol(),
            closes: (0..days).map(|day| (at(day), price(day))).collect(),
        }],
        agents: vec![agent()],
        gates: vec![
            GateRow { code: Code::GateExposure, tested: 45, passed: 40 },
            GateRow { code: Code::GateCash, tested: 40, passed: 40 },
            GateRow { code: Code::GateVar, tested: 40, passed: 0 },
        ],
        notes: vec!["halted since 2001-01-01; exits went on".to_owned()],
    }
}

fn written(report: &RunReport) -> BTreeMap<String, String> {
    let dir = tempfile::tempdir().unwrap();
    let inner = dir.path().join("runs/1");
    write(report, &inner).unwrap();
    std::fs::read_dir(&inner)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            (name, std::fs::read_to_string(entry.path()).unwrap())
        })
        .collect()
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap()
}

#[test]
fn the_files_have_the_names_and_headers_that_scripts_know() {
    let files = written(&report(1_000));
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    let expected =
        ["equity.csv", "orders.csv", "report.html", "run.json", "summary.json", "trades.csv"];
    assert_eq!(names, expected);
    assert_eq!(
        first_line(&files["trades.csv"]),
        "symbol,side,qty,entry_time,entry_price,exit_time,exit_price,pnl,fees,exit_reason"
    );
    assert_eq!(first_line(&files["equity.csv"]), "time,equity,cash,exposure,drawdown,benchmark");
    let trade = files["trades.csv"].lines().nth(1).unwrap();
    assert!(trade.starts_with("BRK.B,long,100,2000-03-26T21:00:00Z,"), "{trade}");
    let order = files["orders.csv"].lines().nth(1).unwrap();
    assert!(order.ends_with(",day,entry,denied,0,,0,gate.exposure"), "{order}");
    assert_eq!(first_line(&files["orders.csv"]).matches(',').count(), order.matches(',').count());
}

#[test]
fn without_a_benchmark_the_equity_file_has_no_such_column() {
    let mut report = report(100);
    for point in &mut report.equity {
        point.benchmark = None;
    }
    assert_eq!(first_line(&written(&report)["equity.csv"]), "time,equity,cash,exposure,drawdown");
}

#[test]
fn the_summary_has_every_metric_and_what_the_council_did() {
    let files = written(&report(1_000));
    let summary: serde_json::Value = serde_json::from_str(&files["summary.json"]).unwrap();
    for key in Metrics::KEYS {
        assert!(summary.get(key).is_some(), "{key}");
    }
    assert_eq!(summary["schema"], "summary/1");
    assert_eq!(summary["rounds"], 40);
    assert_eq!(summary["consultations"], 200);
    assert_eq!(summary["vetoes"]["veto.var"], 4);
    assert_eq!(summary["clamps"]["size_multiplier"], 3);
    assert_eq!(summary["denials"]["gate.exposure"], 5);
    assert_eq!(summary["reasons"]["beta"], "no_benchmark");
    assert_eq!(summary["gates"][1]["warning"], "everything passed");
    assert_eq!(summary["spend_usd"].to_string(), "0.0125");
    let run: serde_json::Value = serde_json::from_str(&files["run.json"]).unwrap();
    for key in ["record_hash", "data_hash", "config_hash", "seed", "version", "fill_rule"] {
        assert!(!run[key].is_null(), "{key}");
    }
    assert_eq!(run["timeframes"][0], "1d");
    assert_eq!(run["basis"]["periods_per_year"].to_string(), "252.0");
}

#[test]
fn the_page_stands_alone_and_every_text_is_escaped() {
    let page = &written(&report(1_000))["report.html"];
    for foreign in ["<script", "http://", "https://", "src=", "@import", "url("] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    assert!(page.contains("sma-cross &lt;10, 20&gt; &amp;"));
    for shown in [
        "PAPER",
        "next-open",
        "$1 a trade",
        "daily, rf 0, 252/yr, n=999",
        "take_profit",
        "risk_guardian",
        "nothing passed",
        "everything passed",
        "Left open",
        "Underwater",
    ] {
        assert!(page.contains(shown), "{shown}");
    }
    assert_eq!(page.matches("<svg").count(), 3);
}

#[test]
fn a_run_in_which_nothing_happened_is_a_report_too() {
    let mut empty = report(1);
    empty.equity.clear();
    empty.prices.clear();
    empty.agents.clear();
    empty.gates.clear();
    empty.counts = Counts::default();
    let files = written(&empty);
    assert_eq!(files["trades.csv"].lines().count(), 1);
    assert!(files["report.html"].contains("No trade was closed."));
    assert!(!summary_table(&empty).contains("Rounds"));
    let flat = written(&report(2));
    assert!(flat["report.html"].contains("<svg"));
}

#[test]
fn a_long_run_makes_a_small_page() {
    let mut long = report(1_000);
    let point = long.equity[0];
    long.equity = (0..50_000).map(|n| EquityPoint { time: at(0) + minute(n), ..point }).collect();
    long.prices[0].closes =
        (0..50_000).map(|n| (at(0) + minute(n), price(n as usize % 1_000))).collect();
    let bytes = page::html(&long).unwrap().len();
    assert!(bytes < 400_000, "{bytes}");
}

fn minute(nth: u32) -> std::time::Duration {
    std::time::Duration::from_mins(1) * nth
}

#[test]
fn equal_runs_leave_equal_files() {
    assert_eq!(written(&report(300)), written(&report(300)));
}

#[test]
fn the_terminal_shows_the_run_in_a_few_lines() {
    let table = summary_table(&report(1_000));
    let row = table.lines().find(|line| line.starts_with("risk_guardian")).unwrap();
    let cells: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(cells, ["risk_guardian", "40", "31", "2", "0", "3", "0", "0", "4", "0", "$0.0125"]);
    for shown in [
        "(paper)",
        "(daily, rf 0, 252/yr, n=999)",
        "40 (act 30, hold 6, vetoed 4)",
        "4 (veto.var 4)",
        "3 (size_multiplier 3)",
        "5 (gate.exposure 5)",
        "$0.0125",
        "halted since",
    ] {
        assert!(table.contains(shown), "{shown} in\n{table}");
    }
}
