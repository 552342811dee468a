//! Model brains on paused time, with providers in memory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use conclave_domain::brief::trading::TradingBrief;
use conclave_domain::budget::Rung;
use conclave_domain::fixed::Money;
use conclave_domain::limits::Limits;
use conclave_domain::llm::price::{Price, PriceTable, PriceTier};
use conclave_domain::market::symbol::Symbol;
use conclave_domain::order::DecisionId;
use conclave_domain::time::Time;
use serde_json::{Value, json};

use super::port::{Dialect, Model};
use super::tape::Recorder;
use super::wire::{Routing, Thinking};
use super::{Gateway, ModelBrain, Models, ProviderSettings, Retry, RouteSpec, RungSpec};
use crate::runtime::agent::{ConsultError, Entry};
use crate::runtime::brain::{Ask, Brain, Spent, Thought};
use crate::testkit::models::{Does, FakeProvider, MemoryTape};
use crate::trading::position_sizer::PositionSizer;
use crate::trading::risk_guardian::RiskGuardian;
use crate::trading::sample;

mod asking;
mod cancelling;
mod councils;
mod gateway;
mod guardian;
mod replaying;
mod rounds;

/// The first choice of every agent here.
const FIRST: &str = "first-1";
/// The same model elsewhere.
const SECOND: &str = "vendor/first-1";
/// A cheaper model of the first provider.
const CHEAP: &str = "cheap-1";
/// How long a consultation may take.
const DEADLINE: Duration = Duration::from_secs(20);

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn dollars(units: i64) -> Money {
    Money::from_units(units).unwrap()
}

/// Two dollars a million tokens in, ten out; caches cost nothing more.
fn price() -> Price {
    let (input, output) = (dollars(2), dollars(10));
    let same = Some(input);
    let tier =
        PriceTier { above: 0, input, output, cache_read: same, write_5m: same, write_1h: same };
    Price::of(tier)
}

/// A sizer's answer on the wire.
fn sized(thousandths: i64) -> Value {
    json!({"reasoning": "calm", "size_multiplier": thousandths, "vote": "for", "confidence": 700})
}

/// A guardian's answer on the wire that does not object.
fn unworried() -> Value {
    json!({"reasoning": "nothing to see", "objections": [], "confidence": 900})
}

fn answer_of(agent: &str) -> Value {
    if agent == "risk_guardian" { unworried() } else { sized(1_100) }
}

fn good() -> Does {
    Does::answers(answer_of)
}

/// Two providers that have the same model, and a tape.
struct World {
    one: Arc<FakeProvider>,
    two: Arc<FakeProvider>,
    models: Models,
    tape: Arc<MemoryTape>,
    limits: Arc<Limits>,
}

impl World {
    fn new() -> Self {
        Self::with(ProviderSettings::default())
    }

    fn with(settings: ProviderSettings) -> Self {
        let one = FakeProvider::new("one", Dialect::Anthropic, price(), good());
        let two = FakeProvider::new("two", Dialect::OpenRouter, price(), good());
        let tape = Arc::new(MemoryTape::default());
        let providers: [(String, Arc<dyn Model>); 2] =
            [("one".to_owned(), one.clone()), ("two".to_owned(), two.clone())];
        let prices =
            PriceTable::default().or(FIRST, price()).or(SECOND, price()).or(CHEAP, price());
        let models = Models {
            providers: BTreeMap::from(providers),
            gateway: Gateway::new(BTreeMap::from([("one".to_owned(), settings)])),
            prices: Arc::new(prices),
            tape: Some(Recorder::new(tape.clone(), BTreeMap::new())),
            attempts_paid: 2,
            has_rules: true,
        };
        Self { one, two, models, tape, limits: Arc::new(Limits::default()) }
    }

    fn brain(&self, entry: Entry<TradingBrief>) -> ModelBrain<TradingBrief> {
        ModelBrain::new(entry, &self.limits, vec![rung()], &self.models).unwrap()
    }

    fn sizer(&self) -> ModelBrain<TradingBrief> {
        self.brain(Entry::of::<PositionSizer>())
    }

    fn guardian(&self) -> ModelBrain<TradingBrief> {
        self.brain(Entry::of::<RiskGuardian>())
    }

    fn ask(&self, entry: Entry<TradingBrief>, round: u64, granted: Option<Rung>) -> Question {
        let spent = Spent::default();
        let ask = Ask {
            entry,
            brief: Arc::new(sample::entry()),
            limits: Arc::clone(&self.limits),
            decision: DecisionId::new(&Symbol::new("AAPL").unwrap(), Time::EPOCH, "entry"),
            round,
            granted,
            refused: None,
            spent: spent.clone(),
        };
        Question { ask, spent }
    }

    /// A question with everything granted that its brain asks for.
    fn question(&self, brain: &ModelBrain<TradingBrief>, entry: Entry<TradingBrief>) -> Question {
        let paid = brain.paid(&sample::entry(), &self.limits).unwrap();
        self.ask(entry, 1, Some(paid.rungs[0].clone()))
    }

    /// Asks the sizer once; what came of it, and what it shows as spent.
    async fn size(&self) -> (Result<Thought, ConsultError>, Money) {
        let brain = self.sizer();
        let Question { ask, spent } = self.question(&brain, Entry::of::<PositionSizer>());
        let thought = brain.think(ask).await;
        (thought, spent.get().unwrap())
    }

    fn billed(&self) -> Money {
        self.one.billed().plus(self.two.billed()).unwrap()
    }

    fn arrived(&self) -> (usize, usize) {
        (self.one.arrived(), self.two.arrived())
    }
}

struct Question {
    ask: Ask<TradingBrief>,
    spent: Spent,
}

fn route(provider: &str, model: &str) -> RouteSpec {
    RouteSpec {
        provider: provider.to_owned(),
        model: model.to_owned(),
        thinking: Thinking::Adaptive,
        cache: None,
        routing: Routing::default(),
    }
}

fn rung() -> RungSpec {
    RungSpec {
        model: FIRST.to_owned(),
        max_tokens: 4_096,
        effort: None,
        deadline: DEADLINE,
        retry: Retry::default(),
        routes: vec![route("one", FIRST), route("two", SECOND)],
    }
}
