//! What a council on fakes is started with: rules brains on two calm shares, unless a test says otherwise.

use std::sync::Arc;

use conclave_domain::brief::trading::TradingBrief;
use conclave_domain::budget::BudgetConfig;
use conclave_domain::context::Context;
use conclave_domain::limits::Limits;
use conclave_domain::market::series::Series;
use conclave_domain::market::synth::{Preset, SynthConfig, generate};
use conclave_domain::mode::Mode;
use conclave_domain::sim_broker::SimConfig;
use conclave_domain::strategy::StrategyConfig;
use conclave_domain::tally::Settle;

use super::brains::ScriptedBrain;
use crate::broker::Outside;
use crate::council::Carried;
use crate::news::NewsSetup;
use crate::runtime::brain::Brain;
use crate::runtime::faults::FaultPlan;
use crate::runtime::ports::Journal;
use crate::universe::UniverseSetup;

/// Days that the market was watched before the council starts.
const WATCHED: usize = 260;

/// What a council is started with.
#[derive(Debug)]
pub struct CouncilPlan {
    /// The mode that the trading team is in.
    pub mode: Mode,
    /// The limits in force.
    pub limits: Limits,
    /// The budgets.
    pub budgets: BudgetConfig,
    /// Faults on request.
    pub faults: FaultPlan,
    /// One brain per agent; whoever has none here gets a free one that follows the rules.
    pub brains: Vec<(&'static str, ScriptedBrain)>,
    /// Brains of other kinds, in the place of those.
    pub others: Vec<(&'static str, Arc<dyn Brain<TradingBrief>>)>,
    /// When a round may close.
    pub settle: Settle,
    /// The context as a former process left it.
    pub context: Context,
    /// The market.
    pub series: Vec<Series>,
    /// How many of its days were watched before the start; with none the market is still to be played.
    pub watched: usize,
    /// What raises signals.
    pub strategy: StrategyConfig,
    /// The simulated broker's terms.
    pub sim: SimConfig,
    /// The news, and who reads them.
    pub news: NewsSetup,
    /// Who may be entered, if not every symbol.
    pub universe: Option<UniverseSetup>,
    /// What it goes on from.
    pub carried: Carried,
    /// Where what is over goes, if not nowhere.
    pub journal: Option<Arc<dyn Journal>>,
    /// Who keeps the real book, if it is not simulated.
    pub outside: Option<Outside>,
}

impl Default for CouncilPlan {
    fn default() -> Self {
        let calm = SynthConfig { symbols: 2, bars: WATCHED + 60, ..SynthConfig::of(Preset::Calm) };
        #[expect(clippy::expect_used, reason = "a preset with fewer symbols is a good one")]
        let market = generate(&calm, 1).expect("a market");
        Self {
            mode: Mode::Autonomous,
            limits: Limits::default(),
            budgets: BudgetConfig::default(),
            faults: FaultPlan::default(),
            brains: Vec::new(),
            others: Vec::new(),
            settle: Settle::Early,
            context: Context::default(),
            series: market.series,
            watched: WATCHED,
            strategy: StrategyConfig::SmaCross { fast: 10, slow: 20 },
            sim: SimConfig::default(),
            news: NewsSetup::default(),
            universe: None,
            carried: Carried::default(),
            journal: None,
            outside: None,
        }
    }
}
