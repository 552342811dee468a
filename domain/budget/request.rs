//! What is asked permission for, and the leave that is given.

use super::meter::Line;
use super::{Now, WhenSpent};
use crate::code::Code;
use crate::fixed::Money;
use crate::role::{AgentName, RISK_GUARDIAN, Role, Team};

/// Who is asked, as far as budgets are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asker {
    /// The agent.
    pub agent: AgentName,
    /// Its team.
    pub team: Team,
    /// Whether it may spend the protected part of each money cap: the Risk Guardian alone.
    pub is_protected: bool,
}

impl Asker {
    /// An agent by its place in the org chart. No brain decides whether it is protected.
    pub fn of(role: &Role) -> Self {
        Self { agent: role.name, team: role.team, is_protected: role.name == RISK_GUARDIAN }
    }
}

/// One model that a paid consultation may ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rung {
    /// The model's name in the price table.
    pub model: String,
    /// The provider that is asked first, where it matters to whoever asks.
    pub provider: Option<String>,
    /// The most that the call can cost, everything that it may try included; `None` when the model's
    /// price is not known.
    pub at_most: Option<Money>,
}

impl Rung {
    /// A model whose provider does not matter.
    pub fn new(model: &str, at_most: Option<Money>) -> Self {
        Self { model: model.to_owned(), provider: None, at_most }
    }
}

/// What a paid consultation can cost, on each rung of its agent's ladder of models.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paid {
    /// The models, the best and dearest first; safety grants one of them.
    pub rungs: Vec<Rung>,
    /// Whether the agent's rules answer where no rung is granted because something is spent.
    pub has_rules: bool,
}

impl Paid {
    /// One model, and no answer without it.
    pub fn one(model: &str, at_most: Option<Money>) -> Self {
        Self::ladder([Rung::new(model, at_most)])
    }

    /// Several models, the best and dearest first, and no answer without one of them.
    pub fn ladder(rungs: impl IntoIterator<Item = Rung>) -> Self {
        Self { rungs: rungs.into_iter().collect(), has_rules: false }
    }

    /// The same with the agent's rules as the last rung.
    #[must_use]
    pub fn or_rules(self) -> Self {
        self.when_spent(WhenSpent::Rules)
    }

    /// The same with what is configured as the last rung.
    #[must_use]
    pub fn when_spent(self, then: WhenSpent) -> Self {
        Self { has_rules: then == WhenSpent::Rules, ..self }
    }

    /// Whether the agent's rules answer when a permit was refused for this: when something is spent,
    /// money or a count. A halt, a dead safety, a full disk and a price that nobody knows are no
    /// reason to go on without a word.
    pub const fn falls_to_rules(&self, refused: Code) -> bool {
        self.has_rules
            && matches!(
                refused,
                Code::SafetyTeamHour
                    | Code::SafetyAllHour
                    | Code::SafetyRunConsultations
                    | Code::SafetyMoneyCall
                    | Code::SafetyMoneyRun
                    | Code::SafetyMoneyDay
                    | Code::SafetyMoneyHour
                    | Code::SafetyMoneyAgent
                    | Code::SafetyMoneyModel
                    | Code::SafetyMoneyDayAll
                    | Code::SafetyMoneyHourAll
            )
    }
}

/// What is asked permission for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Asking one agent; `paid` is `None` for rules and recorded brains.
    Consultation {
        /// Who is asked.
        asker: Asker,
        /// What it costs.
        paid: Option<Paid>,
    },
    /// Doing something.
    Action {
        /// The parameter that is adjusted, if it is an adjustment: the same one rests afterwards.
        parameter: Option<String>,
        /// Whether it is a critical action.
        critical: bool,
        /// Whether it only reduces risk: then it is never refused.
        reduces_risk: bool,
    },
}

impl Request {
    /// Asking an agent.
    pub fn consultation(role: &Role, paid: Option<Paid>) -> Self {
        Self::Consultation { asker: Asker::of(role), paid }
    }

    /// An adjustment of one parameter.
    pub fn action(parameter: &str) -> Self {
        let parameter = Some(parameter.to_owned());
        Self::Action { parameter, critical: false, reduces_risk: false }
    }

    /// A critical action, such as an appeal.
    pub fn critical(what: &str) -> Self {
        Self::Action { parameter: Some(what.to_owned()), critical: true, reduces_risk: false }
    }

    /// An entry order.
    pub const fn entry() -> Self {
        Self::Action { parameter: None, critical: false, reduces_risk: false }
    }

    /// An exit, a cancel, a flattening: counted, never refused.
    pub const fn reducing() -> Self {
        Self::Action { parameter: None, critical: false, reduces_risk: true }
    }

    /// Whether it only reduces risk: then it is never refused.
    pub const fn is_reducing(&self) -> bool {
        matches!(self, Self::Action { reduces_risk: true, .. })
    }

    /// Whether the protected part of each money cap is there for it.
    pub(super) const fn is_protected(&self) -> bool {
        matches!(self, Self::Consultation { asker: Asker { is_protected: true, .. }, .. })
    }

    /// How many it takes of which line, whatever it costs.
    pub(super) fn counts(&self) -> Vec<(Line, i64)> {
        match self {
            Self::Consultation { paid: None, .. } => Vec::new(),
            Self::Consultation { asker, paid: Some(_) } => {
                let mut counts = vec![(Line::Team(asker.team), 1), (Line::All, 1)];
                if asker.team == Team::Training {
                    counts.push((Line::TrainingRun, 1));
                }
                counts
            }
            Self::Action { critical, .. } => {
                let mut counts = vec![(Line::Actions, 1)];
                if *critical {
                    counts.push((Line::Critical, 1));
                }
                counts
            }
        }
    }

    /// The money lines of a call to a model; the first that stands in the way is the one that is named.
    pub(super) fn money(&self, model: &str) -> Vec<Line> {
        match self {
            Self::Consultation { asker, .. } => vec![
                Line::MoneyRun,
                Line::MoneyDay,
                Line::Model(model.to_owned()),
                Line::MoneyHour,
                Line::Agent(asker.agent.to_owned()),
                Line::AgentRun(asker.agent.to_owned()),
            ],
            Self::Action { .. } => Vec::new(),
        }
    }

    /// What it takes from which line once a rung is granted.
    pub(super) fn takes(&self, granted: Option<&Rung>) -> Vec<(Line, i64)> {
        let mut takes = self.counts();
        if let Some(rung) = granted {
            let money = rung.at_most.map_or(0, Money::raw);
            takes.extend(self.money(&rung.model).into_iter().map(|line| (line, money)));
        }
        takes
    }
}

/// Leave to do one thing. What it reserved stays spent unless it is settled.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "an unused permit stays spent"]
pub struct Permit {
    pub(super) request: Request,
    pub(super) granted: Option<Rung>,
    pub(super) given_at: Now,
    /// Which run of the process it was given in, counted from zero.
    pub(super) run_serial: u64,
    /// Its number among the permits of the process.
    pub(super) serial: u64,
    /// The call's number in the ledger of all runs.
    pub(super) booked: Option<u64>,
}

impl Permit {
    /// Whether it is for a critical action.
    pub fn is_critical(&self) -> bool {
        matches!(self.request, Request::Action { critical: true, .. })
    }

    /// What it is for.
    pub const fn request(&self) -> &Request {
        &self.request
    }

    /// The model that may be asked; `None` for what costs nothing.
    pub const fn granted(&self) -> Option<&Rung> {
        self.granted.as_ref()
    }

    /// The same for a call that the ledger of all runs has reserved under this number.
    #[must_use = "an unused permit stays spent"]
    pub const fn booked_as(mut self, call: Option<u64>) -> Self {
        self.booked = call;
        self
    }

    /// The call's number in the ledger of all runs, where it stands there.
    pub const fn booked(&self) -> Option<u64> {
        self.booked
    }

    /// The money that it reserved.
    pub fn reserved(&self) -> Money {
        self.granted.as_ref().and_then(|rung| rung.at_most).unwrap_or(Money::ZERO)
    }
}
