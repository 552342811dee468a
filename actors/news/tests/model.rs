//! A model as the reader: what it is shown, what it costs, and what happens without it.

use std::collections::BTreeMap;
use std::time::Duration;

use conclave_domain::budget::BudgetConfig;
use conclave_domain::fixed::Money;
use conclave_domain::llm::price::{Price, PriceTable, PriceTier};
use conclave_domain::stats::Parts;

use super::*;
use crate::models::port::{Dialect, Model};
use crate::models::tape::read::Tape;
use crate::models::tape::recorded::RecordedByTape;
use crate::models::tape::{Header, Recorder, TapeLine};
use crate::models::wire::{Routing, Thinking};
use crate::models::{Gateway, ModelBrain, Models, Retry, RouteSpec, RungSpec};
use crate::testkit::desk::{Desk, DeskSetup};
use crate::testkit::models::{Does, FakeProvider, MemoryTape};

const MODEL: &str = "small-1";
const HEADLINES: [&str; 6] =
    ["AAPL one", "AAPL falls", "AAPL three", "AAPL four", "AAPL five", "AAPL six"];

fn price() -> Price {
    let dollars = |units: i64| Money::from_units(units).unwrap();
    let (input, output) = (dollars(2), dollars(10));
    let same = Some(input);
    let tier =
        PriceTier { above: 0, input, output, cache_read: same, write_5m: same, write_1h: same };
    Price::of(tier)
}

fn rungs() -> Vec<RungSpec> {
    let route = RouteSpec {
        provider: "one".to_owned(),
        model: MODEL.to_owned(),
        thinking: Thinking::Adaptive,
        cache: None,
        routing: Routing::default(),
    };
    let deadline = Duration::from_secs(8);
    let (retry, routes) = (Retry::default(), vec![route]);
    let (max_tokens, effort) = (4_096, None);
    vec![RungSpec { model: MODEL.to_owned(), max_tokens, effort, deadline, retry, routes }]
}

/// A provider that takes a second, a tape, and the desk whose safety gives the leave.
struct Shop {
    provider: Arc<FakeProvider>,
    tape: Arc<MemoryTape>,
    desk: Desk<conclave_domain::brief::trading::TradingBrief>,
    has_rules: bool,
    score: Score,
}

impl Shop {
    async fn open(budgets: BudgetConfig, has_rules: bool) -> Self {
        let praising = Does::answers(|_| praise());
        let provider = FakeProvider::new("one", Dialect::Anthropic, price(), praising.clone());
        provider.always(Duration::from_secs(1), praising);
        let desk =
            Desk::start(DeskSetup { budgets, ..DeskSetup::of(trading::TEAM) }).await.unwrap();
        let (tape, score) = (Arc::default(), Score::default());
        Self { provider, tape, desk, has_rules, score }
    }

    /// A newsroom in which a model reads.
    fn room(&self) -> Newsroom {
        let provider: Arc<dyn Model> = self.provider.clone();
        let models = Models {
            providers: BTreeMap::from([("one".to_owned(), provider)]),
            gateway: Gateway::new(BTreeMap::new()),
            prices: Arc::new(PriceTable::default().or(MODEL, price())),
            tape: Some(Recorder::new(self.tape.clone(), BTreeMap::new())),
            attempts_paid: 2,
            has_rules: self.has_rules,
        };
        let entry = Entry::of::<NewsReader>();
        let reader = ModelBrain::new(entry, &Limits::default(), rungs(), &models).unwrap();
        self.with(Arc::new(reader))
    }

    fn with(&self, reader: Arc<dyn Brain<ReaderBrief>>) -> Newsroom {
        let setup = NewsSetup { press: press(&HEADLINES), reader, ..NewsSetup::default() };
        let (safety, score) = (self.desk.safety.clone(), self.score.clone());
        let leave = Leave { safety, recall: Arc::default(), score };
        Newsroom::new(setup, Arc::default(), Some(leave))
    }

    /// How often the reader was asked, and what became of it.
    fn counted(&self) -> (u64, Parts, u64) {
        let stats = self.score.stats();
        let of = stats.agents.get("news_reader").cloned().unwrap_or_default();
        assert_eq!(of.consulted, of.parts().total(), "{of:?}");
        (of.consulted, of.parts(), of.by_rules)
    }

    async fn spent(&self) -> (f64, f64) {
        let rows = self.desk.safety.report().await.unwrap().remaining;
        let run = rows.iter().find(|row| row.budget == "usd_per_run").unwrap();
        (run.spent.get(), run.reserved.get())
    }
}

/// G-3: what a model reads is read under a permit and booked to the cent.
///
/// Method: of six items the model reads the newest four, at once and each by itself; the dictionary
/// reads the others. Asked again, nobody is asked.
#[tokio::test(start_paused = true)]
async fn a_model_reads_the_newest_items_under_permits_and_is_paid_once() {
    let shop = Shop::open(BudgetConfig::default(), true).await;
    let room = shop.room();
    let began = tokio::time::Instant::now();
    let view = room.view(&symbol(), at(9)).await.unwrap();
    assert_eq!(began.elapsed(), Duration::from_secs(1));
    assert_eq!((view.items, view.unread, view.sentiment), (6, 0, 1));
    assert_eq!((shop.provider.arrived(), shop.provider.in_flight_max()), (4, 4));
    for body in shop.provider.bodies() {
        let shown = HEADLINES.iter().filter(|headline| body.contains(**headline)).count();
        assert_eq!(shown, 1, "each item by itself: {body}");
        assert!(!body.contains("AAPL one") && !body.contains("AAPL falls"), "{body}");
    }
    assert_eq!(room.view(&symbol(), at(9)).await.unwrap(), view);
    assert_eq!(shop.provider.arrived(), 4);
    assert_eq!(shop.counted(), (4, Parts { applied: 4, ..Parts::default() }, 0));
    let (spent, reserved) = shop.spent().await;
    assert!((spent - shop.provider.billed().to_f64()).abs() < 1e-9 && reserved < 1e-9, "{spent}");
    shop.desk.stop().await;
}

/// Goal: without money the dictionary reads, or nobody does; nobody reads for nothing.
#[tokio::test(start_paused = true)]
async fn where_money_is_spent_the_dictionary_reads_or_nobody() {
    for (has_rules, items, unread) in [(true, 6, 0), (false, 2, 4)] {
        let budgets = BudgetConfig { usd_per_run: Money::ZERO, ..BudgetConfig::default() };
        let shop = Shop::open(budgets, has_rules).await;
        let view = shop.room().view(&symbol(), at(9)).await.unwrap();
        assert_eq!((view.items, view.unread), (items, unread), "{view:?}");
        assert_eq!(shop.provider.arrived(), 0);
        let parts = if has_rules {
            Parts { applied: 4, ..Parts::default() }
        } else {
            Parts { refused: 4, ..Parts::default() }
        };
        assert_eq!(shop.counted(), (4, parts, if has_rules { 4 } else { 0 }));
        assert_eq!(shop.score.stats().denials.values().sum::<u64>(), 4);
        shop.desk.stop().await;
    }
}

/// Goal: an unreadable answer leaves an item unread and is paid for; a decision that is given up cuts
/// off what is read for it, and that is booked too.
#[tokio::test(start_paused = true)]
async fn what_was_not_read_is_paid_for_all_the_same() {
    let shop = Shop::open(BudgetConfig::default(), true).await;
    shop.provider.always(Duration::ZERO, Does::Says("very good, buy".to_owned()));
    let view = shop.room().view(&symbol(), at(9)).await.unwrap();
    assert_eq!((view.items, view.unread), (2, 4));
    assert_eq!(shop.counted().1, Parts { abstained: 4, ..Parts::default() });
    assert!(shop.spent().await.0 >= shop.provider.billed().to_f64() - 1e-9);
    shop.desk.stop().await;

    let shop = Shop::open(BudgetConfig::default(), true).await;
    let room = shop.room();
    let (symbol, as_of) = (symbol(), at(9));
    let given_up = tokio::time::timeout(Duration::from_millis(500), room.view(&symbol, as_of));
    assert!(given_up.await.is_err());
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!((shop.provider.arrived(), shop.provider.aborted()), (4, 4));
    assert_eq!(shop.counted().1, Parts { not_awaited: 4, ..Parts::default() });
    let (spent, reserved) = shop.spent().await;
    assert!(spent >= shop.provider.billed().to_f64() - 1e-9 && reserved < 1e-9, "{spent}");
    shop.desk.stop().await;
}

/// D-1: from the tape the same items are read the same, and nobody is asked.
#[tokio::test(start_paused = true)]
async fn readings_come_again_from_the_tape() {
    let shop = Shop::open(BudgetConfig::default(), true).await;
    let live = shop.room().view(&symbol(), at(9)).await;
    let asked = shop.provider.arrived();
    let mut tape = Tape::default();
    tape.take(&serde_json::to_string(&TapeLine::Tape(Header::now())).unwrap()).unwrap();
    shop.tape.lines().iter().for_each(|line| tape.take(line).unwrap());
    let shelf = tape.share();
    let entry = Entry::of::<NewsReader>();
    let recorded =
        RecordedByTape::new(entry, &Limits::default(), rungs(), Arc::clone(&shelf)).unwrap();
    let again = shop.with(Arc::new(recorded)).view(&symbol(), at(9)).await;
    assert_eq!((again, shop.provider.arrived()), (live, asked));
    assert_eq!((shelf.fault(), shelf.left()), (None, 0));
    shop.desk.stop().await;
}
