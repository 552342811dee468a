//! Questions of outside systems: a real round over the agent that the question is for, and one voter
//! where that is the guardian.
//!
//! The same permits, bounds and audit as for our own decisions; nothing is traded here, whatever the
//! answer is.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use conclave_actors::consensus::{Member, Patience, Round, RoundRequest, open_round};
use conclave_actors::consult::{OutsideDesk, OutsideKind, OutsideQuestion};
use conclave_actors::orchestrator::records::Batch;
use conclave_actors::runtime::shell::AgentHandle;
use conclave_domain::advice::Advice;
use conclave_domain::brief::trading::{TradingBrief, TradingState};
use conclave_domain::code::Code;
use conclave_domain::limits::Limits;
use conclave_domain::order::DecisionId;
use conclave_domain::role::AgentName;
use conclave_domain::tally::{Outcome, Settle, Verdict};
use conclave_domain::time::Time;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::DeskParts;
use crate::http::desk::Refusal;

/// How long an outside question waits: below the ten seconds that our own client has.
const PATIENCE: Duration = Duration::from_secs(8);

/// What outside systems have said of themselves, and how many questions they asked.
#[derive(Debug)]
pub(super) struct Outside {
    desk: Mutex<OutsideDesk>,
    asked: AtomicU64,
}

impl Outside {
    /// Numbers begin at the start's wall time, so that a later process of the run repeats none.
    pub(super) fn new(limits: Limits, started_at: Time) -> Self {
        let first = u64::try_from(started_at.ms()).unwrap_or(0);
        Self { desk: Mutex::new(OutsideDesk::new(limits)), asked: AtomicU64::new(first) }
    }

    fn desk(&self) -> MutexGuard<'_, OutsideDesk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets what is known of the outside system.
    pub(super) fn set(&self, kind: &str, body: Value) -> Result<Value, Refusal> {
        let mut desk = self.desk();
        let set = match kind {
            "portfolio" => desk.set_portfolio(read(body)?),
            "regime" => desk.set_regime(read(body)?),
            "session" => {
                // `{"session": "regular"}`, or the word alone.
                let word = body.get("session").cloned().unwrap_or(body);
                desk.set_session(read(word)?);
                Ok(())
            }
            _ => {
                let text = "there is portfolio, regime and session to set";
                return Err(Refusal::NotFound(text.to_owned()));
            }
        };
        set.map_err(|error| Refusal::Invalid(error.to_string()))?;
        Ok(json!({"schema": "context/1", "set": kind}))
    }

    /// Asks the agent of a kind.
    pub(super) async fn consult(
        &self,
        parts: &DeskParts,
        kind: &str,
        body: Value,
    ) -> Result<Value, Refusal> {
        let found = OutsideKind::ALL.into_iter().find(|it| it.name() == kind);
        let kind = found.ok_or_else(|| {
            Refusal::NotFound("there is signal, gates, size, timing and exit to ask".to_owned())
        })?;
        let question: OutsideQuestion = read(body)?;
        let state = parts.council.safety.standing().trading_state;
        if state == TradingState::Halted {
            return Err(Refusal::denied(Code::SafetyHalted));
        }
        let brief = {
            let mut desk = self.desk();
            desk.set_trading_state(state);
            desk.brief(kind, &question).map_err(|error| Refusal::Invalid(error.to_string()))?
        };
        let nth = self.asked.fetch_add(1, Ordering::SeqCst);
        let what = format!("{}.{nth}", kind.name());
        let decision = DecisionId::new(&brief.symbol, brief.as_of, &what);
        ask(parts, kind, decision, brief).await
    }
}

fn read<T: DeserializeOwned>(body: Value) -> Result<T, Refusal> {
    serde_json::from_value(body)
        .map_err(|error| Refusal::Invalid(format!("the body is not what was asked for: {error}")))
}

/// Opens the round, writes it down, and answers what the agent said.
async fn ask(
    parts: &DeskParts,
    kind: OutsideKind,
    decision: DecisionId,
    brief: TradingBrief,
) -> Result<Value, Refusal> {
    let DeskParts { council, limits, clock, .. } = parts;
    let members = members(&council.agents, kind, |name| {
        let track_record = council.score.track_record_at(name, brief.as_of);
        Arc::new(TradingBrief { track_record, ..brief.clone() })
    })?;
    let asked: Vec<AgentName> = members.iter().map(|member| member.agent.role.name).collect();
    let mut batch = Batch::new(decision.clone(), clock.trading());
    batch.consult(0, &asked, &brief);
    let request = RoundRequest {
        decision: decision.clone(),
        nth: 0,
        // A scope of its own: a veto of an outside question is none of our own orders' business.
        scope: format!("outside {}", brief.symbol),
        members,
        critical: false,
        settle: Settle::All,
        patience: Patience::Deadline(PATIENCE),
        rules: Arc::new(limits.consensus.clone()),
        recall: Arc::default(),
        interrupted: false,
    };
    let round = open_round(request, &council.safety).await;
    let round = round.map_err(|error| Refusal::Unavailable(error.to_string()))?;
    batch.answers(&round.answers);
    batch.closed(0, &round.report);
    if let Err(error) = council.audit.append(batch.into_records()).await {
        tracing::error!(error = &error as &dyn std::error::Error, "consultation not recorded");
        return Err(Refusal::denied(Code::SafetyStore));
    }
    let given = || round.answers.iter().filter_map(|it| Some((it, it.outcome.as_ref().ok()?)));
    let advice: Vec<Advice> = given().map(|(_, advice)| advice.clone()).collect();
    council.score.count(|stats| stats.on_singles(&round.report, &advice));
    let Some((answer, advice)) = given().find(|(answer, _)| answer.agent == kind.agent()) else {
        return Err(silence(kind, &round));
    };
    let (brain, advice) = (answer.brain.as_str(), advice.clone());
    let advice = kind.settle(&brief.gates, advice);
    Ok(json!({
        "schema": "advice/1", "kind": kind, "decision": decision, "brain": brain, "advice": advice,
    }))
}

/// Who is asked. A round of the guardian alone would close before it is heard, because nobody could
/// consent: beside it the first agent that votes is asked, the Signal Analyst unless switched off.
fn members(
    agents: &[AgentHandle<TradingBrief>],
    kind: OutsideKind,
    brief: impl Fn(AgentName) -> Arc<TradingBrief>,
) -> Result<Vec<Member<TradingBrief>>, Refusal> {
    let off = |what: &str| {
        Refusal::Unavailable(format!("{what} is switched off; see `agents` in the configuration"))
    };
    let name = kind.agent();
    let wanted = agents.iter().find(|agent| agent.role.name == name);
    let wanted = wanted.ok_or_else(|| off(&format!("`{name}`")))?;
    let mut asked = vec![wanted];
    if !wanted.role.authority.votes() {
        let voter = agents.iter().find(|agent| agent.role.authority.votes());
        asked.insert(0, voter.ok_or_else(|| off("every agent that votes"))?);
    }
    let member = |agent: &AgentHandle<TradingBrief>| Member {
        agent: agent.clone(),
        brief: brief(agent.role.name),
    };
    Ok(asked.into_iter().map(member).collect())
}

/// Why there is no advice. Without the guardian's word an entry may not pass.
fn silence(kind: OutsideKind, round: &Round) -> Refusal {
    if let Verdict::Hold { code: code @ (Code::SafetyHalted | Code::SafetyFenced) } =
        round.report.verdict
    {
        return Refusal::denied(code);
    }
    let outcome = round.report.outcome(kind.agent());
    if let Some(Outcome::Denied { code }) = outcome {
        return Refusal::denied(*code);
    }
    if kind == OutsideKind::Gates {
        return Refusal::denied(Code::GuardSilent);
    }
    let why = match outcome {
        Some(Outcome::Failed { why }) => why.as_str(),
        Some(outcome) => outcome.name(),
        None => "not asked",
    };
    Refusal::Unavailable(format!("`{}` gave no advice: {why}", kind.agent()))
}
