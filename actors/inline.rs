//! The council without actors: the same stations, called one after the other in one thread.
//!
//! It is what `backtest --council` runs on, and what the actors are compared with: gates, rules
//! brains, tally, synthesis, sizing, custody are the same functions; only the mailboxes are missing.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use conclave_domain::advice::{Advice, Lever, Objection, VetoKind};
use conclave_domain::appeal;
use conclave_domain::brief::trading::{TradingBrief, TradingState};
use conclave_domain::budget::{Budgets, Now, Request};
use conclave_domain::clearance::{Cleared, Validity};
use conclave_domain::code::Code;
use conclave_domain::custody::{Custody, CustodyError, Happening, PositionEvent};
use conclave_domain::decide::{Asked, Prepared};
use conclave_domain::deliberation::{Matter, case, position_brief, voices};
use conclave_domain::fixed::Money;
use conclave_domain::limits::Limits;
use conclave_domain::market::symbol::Symbol;
use conclave_domain::market::tape::{Chunk, Instrument};
use conclave_domain::order::{DecisionId, ExitReason, OrderIntent};
use conclave_domain::policy::caller::{Look, Word};
use conclave_domain::ratio::Ratio;
use conclave_domain::role::AgentName;
use conclave_domain::signal::Direction;
use conclave_domain::stats::{AgentStats, Stats};
use conclave_domain::tally::{Event, RoundReport, Settle, Tally, TallySpec, Verdict};
use conclave_domain::time::Time;
use conclave_domain::watch::{MarketWatch, Raised, Seen};

use crate::driver::{Advanced, Played, Stations};
use crate::runtime::agent::Entry;
use crate::trading;

/// What must be attended to before time goes on.
#[derive(Clone, Debug, PartialEq)]
pub enum Attend {
    /// Something happened to an open position.
    Position(Box<PositionEvent>),
    /// The drawdown halt is due.
    Halt {
        /// The drawdown, fraction of the peak.
        drawdown: Ratio,
        /// When.
        at: Time,
    },
}

/// The council in one thread.
#[derive(Debug)]
pub struct InlineCouncil {
    instruments: Arc<[Instrument]>,
    watch: MarketWatch,
    custody: Custody,
    budgets: Budgets,
    limits: Limits,
    enabled: BTreeSet<AgentName>,
    long_only: bool,
    state: TradingState,
    stats: Stats,
    happenings: Vec<Happening>,
    voted_for: BTreeMap<DecisionId, Vec<AgentName>>,
}

/// A round that was held, and the proof if it said act.
struct Held {
    report: RoundReport,
    advice: Vec<Advice>,
    tally: Tally,
}

impl InlineCouncil {
    /// A council over an account; `enabled` names the agents of the trading team that are asked.
    pub fn new(
        instruments: Arc<[Instrument]>,
        watch: MarketWatch,
        custody: Custody,
        budgets: Budgets,
        limits: Limits,
        enabled: BTreeSet<AgentName>,
        long_only: bool,
    ) -> Self {
        Self {
            instruments,
            watch,
            custody,
            budgets,
            limits,
            enabled,
            long_only,
            state: TradingState::Active,
            stats: Stats::default(),
            happenings: Vec::new(),
            voted_for: BTreeMap::new(),
        }
    }

    /// What was counted.
    pub const fn stats(&self) -> &Stats {
        &self.stats
    }

    /// The account.
    pub const fn custody(&self) -> &Custody {
        &self.custody
    }

    /// What happened to the account, in order.
    pub fn happenings(&self) -> &[Happening] {
        &self.happenings
    }

    /// The trading state at the end.
    pub const fn trading_state(&self) -> TradingState {
        self.state
    }

    /// Closes what is open when the data end.
    ///
    /// # Errors
    /// When the ledger breaks.
    pub fn finish(&mut self) -> Result<(), CustodyError> {
        let happened = self.custody.flatten(None, ExitReason::EndOfData, &self.limits)?;
        self.keep(happened);
        Ok(())
    }

    fn keep(&mut self, happened: Vec<Happening>) {
        for happening in &happened {
            if let Happening::TradeClosed { trade, outcome } = happening
                && let Some(decision) = &trade.decision
                && let Some(voters) = self.voted_for.get(decision)
            {
                self.stats.on_outcome(voters, outcome.hit);
            }
        }
        self.happenings.extend(happened);
    }

    fn hold(&mut self, asked: &Asked, critical: bool) -> Held {
        let (brief, limits) = (&asked.brief, &self.limits);
        let members =
            || trading::TEAM.iter().filter(|entry| self.enabled.contains(entry.role.name));
        let voters = members().filter(|entry| entry.role.authority.votes());
        let guardians = members().filter(|entry| entry.role.authority.may_veto());
        let spec = TallySpec {
            voters: voters.map(|entry| entry.role.name).collect(),
            guardians: guardians.map(|entry| entry.role.name).collect(),
            critical,
            rules: &limits.consensus,
            settle: Settle::All,
        };
        let mut tally = Tally::new(&spec);
        let mut advice = Vec::new();
        // The guardian first: after its veto nobody else is asked.
        let (first, then): (Vec<_>, Vec<_>) =
            members().partition(|entry| entry.role.authority.may_veto());
        for entry in first.into_iter().chain(then) {
            if *tally.verdict() != Verdict::Open {
                break;
            }
            let event = match self.ask(entry, brief) {
                Ok(answer) => {
                    let event = Event::of(entry.role.name, &answer.stance);
                    advice.push(answer);
                    event
                }
                Err(why) => Event::Failed { agent: entry.role.name, why },
            };
            tally.apply(event);
        }
        let report = tally.report();
        let rank = |agent: &Advice| trading::TEAM.iter().position(|e| e.role.name == agent.agent);
        advice.sort_by_key(rank);
        advice.retain(|answer| {
            report.outcome(answer.agent).is_some_and(conclave_domain::tally::Outcome::is_answer)
        });
        Held { report, advice, tally }
    }

    fn ask(&self, entry: &Entry<TradingBrief>, brief: &TradingBrief) -> Result<Advice, String> {
        let stats = self.stats.agents.get(entry.role.name);
        let track_record = stats.map(AgentStats::track_record).unwrap_or_default();
        let brief = TradingBrief { track_record, ..brief.clone() };
        let raw = (entry.rules)(&brief, &self.limits);
        (entry.read)(&raw, &brief, &self.limits).map_err(|error| error.to_string())
    }

    fn enter(&mut self, matter: &Matter, mut asked: Asked) -> Result<(), CustodyError> {
        let critical = asked.base.is_reversal;
        let mut held = self.hold(&asked, critical);
        self.stats.on_round(&held.report, &held.advice);
        let mut appealed = false;
        if let Verdict::Vetoed { objection, .. } = &held.report.verdict
            && objection.kind == VetoKind::Soft
        {
            let objection = objection.clone();
            if let Err(code) = self.open_appeal(&asked, &objection) {
                self.stats.on_denied(code);
                self.custody.on_objection(objection.code, &self.limits);
                return Ok(());
            }
            appealed = true;
            self.stats.appeals += 1;
            asked.brief.appeal = Some(objection);
            held = self.hold(&asked, true);
            self.stats.on_round(&held.report, &held.advice);
        }
        if let Verdict::Vetoed { objection, .. } = &held.report.verdict {
            self.custody.on_objection(objection.code, &self.limits);
        }
        if !held.report.acts() {
            return Ok(());
        }
        match self.clear(matter, &asked, held, appealed) {
            Ok((cleared, voters)) => {
                self.voted_for.insert(asked.base.decision.clone(), voters);
                let happened = self.custody.submit(cleared, &self.limits)?;
                self.keep(happened);
            }
            Err(code) => {
                self.stats.on_denied(code);
                if let Some(objection) = asked.brief.appeal {
                    self.custody.on_objection(objection.code, &self.limits);
                }
            }
        }
        Ok(())
    }

    /// Takes the permit of an appeal, if there may be one.
    fn open_appeal(&mut self, asked: &Asked, objection: &Objection) -> Result<(), Code> {
        let case = case(&asked.brief, objection, &self.limits);
        appeal::merits(&case)?;
        let now = now(asked.brief.as_of);
        let permit = self.budgets.permit(&critical("appeal", &asked.base.symbol), now)?;
        let opened = appeal::may_open(&case, Some(&permit));
        self.budgets.settle(permit, Money::ZERO, now);
        opened
    }

    fn advise_on_exit(&mut self, event: &PositionEvent) -> Result<(), CustodyError> {
        let brief =
            position_brief(&self.custody, &self.instruments, event, self.state, &self.limits)?;
        let advisers: Vec<_> = trading::position_advisers(&self.enabled).collect();
        for entry in advisers {
            let Ok(advice) = self.ask(entry, &brief) else { continue };
            self.stats.on_single(&advice);
            if advice.levers.contains(&Lever::ExitNow) {
                let only = Some(&event.symbol);
                let happened = self.custody.flatten(only, ExitReason::Advised, &self.limits)?;
                self.keep(happened);
            }
        }
        Ok(())
    }

    fn clear(
        &mut self,
        matter: &Matter,
        asked: &Asked,
        held: Held,
        appealed: bool,
    ) -> Result<(Cleared<OrderIntent>, Vec<AgentName>), Code> {
        let now = now(matter.raised.signal.at);
        let Held { report, advice, tally } = held;
        let composed = Matter::compose(&asked.base, &advice, &self.limits)?;
        let mut permitted = appealed;
        if appealed {
            appeal::carries(&voices(&advice), &self.limits.consensus)?;
        } else if asked.base.is_reversal {
            let permit = self.budgets.permit(&critical("reversal", &asked.base.symbol), now)?;
            self.budgets.settle(permit, Money::ZERO, now);
            permitted = true;
        } else if composed.critical && report.is_unanimous() {
            let permit = self.budgets.permit(&critical("size", &asked.base.symbol), now).ok();
            permitted = permit.is_some();
            if let Some(permit) = permit {
                self.budgets.settle(permit, Money::ZERO, now);
            }
        }
        let conclusion = matter.conclude(
            &asked.base,
            composed,
            permitted && report.is_unanimous(),
            &self.limits,
        )?;
        let permit = self.budgets.permit(&Request::entry(), now)?;
        self.budgets.settle(permit, Money::ZERO, now);
        let intent = conclusion.order.intent;
        let decision = intent.decision.clone();
        let acted = tally.acted(decision).ok_or(Code::RoundRefused)?;
        let validity = Validity { epoch: 0, expires_at: Time::from_ms(i64::MAX) };
        let voters = report.voters_for();
        let cleared =
            Cleared::by_verdict(acted, intent, validity).map_err(|_| Code::OrderInvalid)?;
        Ok((cleared, voters))
    }
}

/// A critical action on one symbol: the spacing of adjustments is each symbol's own.
pub(crate) fn critical(what: &str, symbol: &Symbol) -> Request {
    Request::critical(&format!("{what} {symbol}"))
}

/// Both clocks of the budgets: rules brains spend nothing that counts on wall time.
const fn now(at: Time) -> Now {
    Now { wall: at, trading: at }
}

impl Stations for InlineCouncil {
    type Event = Attend;
    type Error = CustodyError;

    async fn watch(&mut self, chunk: &Arc<Chunk>) -> Result<Seen, CustodyError> {
        Ok(self.watch.on_chunk(chunk))
    }

    async fn advance(
        &mut self,
        played: &Played,
        slices: Range<usize>,
    ) -> Result<Advanced<Attend>, CustodyError> {
        let step = self.custody.advance(
            &self.instruments,
            &played.chunk,
            &played.pulses,
            slices,
            &self.limits,
        )?;
        let at = self.custody.now();
        let halt = step.halt_due.map(|drawdown| Attend::Halt { drawdown, at });
        let events = step.events.into_iter().map(|event| Attend::Position(Box::new(event)));
        let events = halt.into_iter().chain(events).collect();
        self.keep(step.happenings);
        Ok(Advanced { through: step.through, events })
    }

    async fn attend(&mut self, event: Attend) -> Result<(), CustodyError> {
        match event {
            Attend::Halt { .. } => {
                self.state = TradingState::Halted;
                let happened = self.custody.cancel_all_entries(&self.limits)?;
                self.keep(happened);
            }
            Attend::Position(_) if self.state == TradingState::Halted => {}
            Attend::Position(event) => self.advise_on_exit(&event)?,
        }
        Ok(())
    }

    async fn consider(&mut self, look: Look) -> Result<(), CustodyError> {
        let symbol = look.symbol.clone();
        match self.custody.consider(look, !self.long_only, &self.limits)? {
            Word::Keep | Word::Mute => Ok(()),
            Word::Close => {
                let (only, reason) = (Some(&symbol), ExitReason::SignalFlip);
                let happened = self.custody.flatten(only, reason, &self.limits)?;
                self.keep(happened);
                Ok(())
            }
            Word::Call(raised) => self.decide(*raised).await,
        }
    }

    async fn decide(&mut self, raised: Raised) -> Result<(), CustodyError> {
        self.stats.signals += 1;
        let matter = Matter::of(&self.custody, &self.instruments, raised, self.state)?;
        let signal = &matter.raised.signal;
        // Prepared before the exit half, so that a reversal is known as one.
        let may_enter = !(self.long_only && signal.direction == Direction::Short);
        let prepared = may_enter.then(|| matter.prepare(&self.limits));
        if matter.is_reversal() {
            let happened =
                self.custody.flatten(Some(&signal.symbol), ExitReason::SignalFlip, &self.limits)?;
            self.keep(happened);
        }
        match prepared {
            None => Ok(()),
            Some(Prepared::Denied { code, gates }) => {
                self.stats.on_gates(&gates);
                self.stats.on_denied(code);
                Ok(())
            }
            Some(Prepared::Ask(asked)) => {
                self.stats.on_gates(&asked.brief.gates);
                self.enter(&matter, *asked)
            }
        }
    }

    fn reviews(&mut self, _: &Arc<Chunk>) -> Vec<usize> {
        Vec::new()
    }

    async fn review(&mut self, _: Time) -> Result<(), Self::Error> {
        Ok(())
    }

    fn rest(&mut self) {}

    fn is_stopped(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests;
