//! Walks one bar through the eight steps, in the words of `docs/ARCHITECTURE.md`.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use conclave_actors::testkit::council::{CouncilPlan, TestCouncil};
use conclave_actors::testkit::told::Told;
use conclave_actors::trading;
use conclave_domain::context::BookKind;
use conclave_domain::market::synth::{Preset, SynthConfig, generate};
use conclave_domain::mode::Mode;
use conclave_domain::tally::Settle;
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::Value;

/// The eight steps.
const STEPS: [&str; 8] = [
    "bar.received",
    "signal.raised",
    "consult.sent",
    "advice.clamped",
    "round.closed",
    "order.cleared",
    "order.submitted",
    "book.updated",
];

/// What a log is written into.
#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Page {
    fn text(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A calm market, played to its end by a whole council.
async fn played(mode: Mode) -> TestCouncil {
    let config = SynthConfig { symbols: 3, bars: 150, ..SynthConfig::of(Preset::Calm) };
    let series = generate(&config, 8).expect("a market").series;
    let plan = CouncilPlan { mode, settle: Settle::All, series, watched: 0, ..Default::default() };
    let mut council = TestCouncil::with(plan).await;
    council.play().await.expect("a run to its end");
    council
}

/// The first decision whose order was filled, from its bar to the book.
fn followed(council: &TestCouncil) -> (String, Told) {
    let log = council.log();
    let filled = |record: &&Value| {
        let decision = record["decision"].as_str().unwrap_or_default();
        record["step"] == "book.updated" && decision.ends_with("-entry")
    };
    let first = log.records().iter().find(filled).expect("an order that was filled");
    let decision = first["decision"].as_str().expect("a name").to_owned();
    let until = first["seq"].as_u64().expect("a number");
    (decision.clone(), log.of(&decision).until(until))
}

/// Goal: one bar is followed from the feed to the book, by the words that everybody uses.
/// Method: a real strategy over a synthetic market, the whole council, log and stores in memory;
/// advice goes to the shadow book, an autonomous decision to the real one.
#[tokio::test(start_paused = true)]
async fn one_bar_goes_through_eight_steps_and_each_is_written_down() {
    for (mode, own, other) in [
        (Mode::Autonomous, BookKind::Real, BookKind::Shadow),
        (Mode::Advisory, BookKind::Shadow, BookKind::Real),
    ] {
        let council = played(mode).await;
        let (decision, told) = followed(&council);
        let mut steps = told.steps();
        steps.dedup();
        assert_eq!(steps, STEPS, "{decision}");
        is_asked_of_what_was_known(&told);
        is_answered_by_all_five(&told);
        is_on_the_disk_before_it_leaves(&told, &council.audit.synced());
        is_booked(&told, mode, own);
        assert!(council.orders(other).is_empty() && !council.orders(own).is_empty());
        let context = council.council.context.fresh().await.expect("a context");
        let held = |book| context.book(book).map(|state| !state.book.positions().is_empty());
        let holds = council.council.broker.view().positions.iter().any(|it| it.book == own);
        assert_eq!((held(own), held(other)), (Some(holds), Some(false)), "{decision}");
        council.stop().await;
    }
}

/// Steps 1 to 3. L-1: nothing of it is younger than the close of the bar.
#[track_caller]
fn is_asked_of_what_was_known(told: &Told) {
    let (bar, signal) = (told.bodies("bar.received")[0], told.bodies("signal.raised")[0]);
    let closed_at = &bar["bar"]["close_time"];
    assert_eq!((&signal["at"], &signal["price"]), (closed_at, &bar["bar"]["close"]));
    let before_the_book = told.records().iter().take_while(|it| it["step"] != STEPS[7]);
    let times: Vec<&Value> = before_the_book.map(|record| &record["at"]).collect();
    assert!(times.iter().all(|at| *at == closed_at), "{closed_at}: {times:?}");
    let brief = &told.bodies("consult.sent")[0]["brief"];
    assert_eq!(&brief["as_of"], closed_at);
    let gates = brief["gates"].as_array().expect("gates");
    assert!(gates.len() > 10 && gates.iter().all(|gate| gate["passed"] == true), "{gates:?}");
}

/// Steps 4 and 5: one record per answer, raw and clamped, in the order of the roster.
#[track_caller]
fn is_answered_by_all_five(told: &Told) {
    let team: Vec<&str> = trading::TEAM.iter().map(|entry| entry.role.name).collect();
    assert_eq!(told.bodies("consult.sent")[0]["asked"], serde_json::json!(team));
    let advice = told.bodies("advice.clamped");
    let agents: Vec<&str> = advice.iter().filter_map(|body| body["agent"].as_str()).collect();
    assert_eq!(agents, team);
    assert!(advice.iter().all(|body| body["raw"].is_object() && body["advice"].is_object()));
    let round = told.bodies("round.closed")[0];
    assert_eq!(
        (&round["verdict"], &round["seats"][0]["outcome"]),
        (&"act".into(), &"no_objection".into())
    );
}

/// Step 6. A-1: steps 1 to 6 are one batch without a gap, synced before the order is submitted.
#[track_caller]
fn is_on_the_disk_before_it_leaves(told: &Told, synced: &[u64]) {
    let seq = |step: &str| -> u64 {
        let of_step = told.records().iter().find(|record| record["step"] == step);
        of_step.and_then(|record| record["seq"].as_u64()).expect("a number")
    };
    let (first, cleared) = (seq("bar.received"), seq("order.cleared"));
    assert_eq!(cleared - first + 1, 10, "five steps, and five answers");
    assert!(synced.contains(&cleared), "{cleared} is not among {synced:?}");
    assert!(seq("order.submitted") > cleared);
}

/// Steps 7 and 8. O-1: what was submitted is what was cleared; it is booked once, in one book.
#[track_caller]
fn is_booked(told: &Told, mode: Mode, book: BookKind) {
    let cleared = told.bodies("order.cleared")[0];
    assert_eq!(cleared["mode"], mode.name());
    assert!(cleared["sizing"].as_array().is_some_and(|sizing| sizing.len() > 1), "{cleared}");
    let (submitted, booked) = (told.bodies("order.submitted")[0], told.bodies("book.updated")[0]);
    assert_eq!(submitted["intent"], cleared["intent"]);
    assert_eq!(booked["fill"]["client_order_id"], cleared["intent"]["client_order_id"]);
    let book = Value::from(book.name());
    assert_eq!((&submitted["book"], &booked["book"]), (&book, &book));
    assert!(booked["updates"].as_array().is_some_and(|updates| updates.len() == 1), "{booked}");
}

/// Goal: the log and the metrics use the words of the records.
/// Method: a subscriber and a recorder of this thread only; the whole council lives on it.
#[tokio::test(start_paused = true)]
async fn the_log_and_the_metrics_use_the_same_words() {
    // With one subscriber in the process, a thread without any could switch a callsite off for all.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let page = Page::default();
    let writer = page.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _log = tracing::subscriber::set_default(subscriber);
    let recorder = PrometheusBuilder::new().build_recorder();
    let _metrics = metrics::set_default_local_recorder(&recorder);

    let council = played(Mode::Autonomous).await;
    let (decision, _) = followed(&council);
    council.stop().await;

    let text = page.text();
    let span = format!("decision{{id={decision} symbol=HLT1}}");
    for step in &STEPS[..6] {
        let told = |line: &str| line.contains(&span) && line.contains(&format!("step=\"{step}\""));
        assert!(text.lines().any(told), "{step} is not told in {span}");
    }
    for step in &STEPS[6..] {
        assert!(text.contains(&format!("step=\"{step}\"")), "{step} is not told");
    }
    let shown = recorder.handle().render();
    for metric in [
        "conclave_consultations_total{agent=\"risk_guardian\",outcome=\"no_objection\"}",
        "conclave_round_duration_seconds",
        "conclave_orders_total{side=\"buy\",status=\"submitted\"}",
        "conclave_orders_total{side=\"buy\",status=\"filled\"}",
        "conclave_equity_usd{book=\"real\"}",
    ] {
        assert!(shown.contains(metric), "{metric} is not in\n{shown}");
    }
}
