//! One symbol at one tick: the conversation, played with the role actors.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use conclave_domain::arena::chat::ChatStages;
use conclave_domain::arena::desk::brief::{DeskBrief, ToolResult};
use conclave_domain::arena::desk::conversation::{Answer, Conversation, Turn};
use conclave_domain::arena::desk::said::Missed;
use conclave_domain::arena::desk::stages::stages;
use conclave_domain::arena::gate::{Gate, Leak, Material, ToolAnswer};
use conclave_domain::arena::words::Brought;
use conclave_domain::fixed::Money;
use conclave_domain::market::symbol::Symbol;
use conclave_domain::order::DecisionId;
use conclave_domain::tally::Miss;
use ractor::ActorId;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::Span;

use super::answer::answer_of;
use super::roster::entry;
use super::{Leave, Office};
use crate::runtime::agent::ConsultError;
use crate::runtime::refs::{GivenUp, Refused};
use crate::runtime::shell::{self, Cancel, Consult, Heard, Hold, Reply, WENT_AWAY};

/// Bytes that count as one token, where nobody tells how many there were.
const BYTES_PER_TOKEN: u64 = 4;

/// What came of one symbol.
pub(super) struct Decided {
    pub(super) brought: Brought,
    pub(super) stages: ChatStages,
    pub(super) calls: u32,
    pub(super) cost: Money,
    pub(super) leaks: BTreeMap<Leak, u32>,
}

/// A question that is out.
struct Asked {
    turn: Turn,
    brief: Arc<DeskBrief>,
    leave: Leave,
    /// Which life of the role was asked.
    life: Option<ActorId>,
}

type Revival = Pin<Box<dyn Future<Output = (usize, Result<(), GivenUp>)> + Send>>;

/// The table of one symbol.
pub(super) struct Table {
    office: Arc<Office>,
    gate: Arc<Gate>,
    material: Material,
    decision: DecisionId,
    conversation: Conversation,
    /// Every question, by its place; none of those that were answered.
    asked: BTreeMap<usize, Asked>,
    places: usize,
    mouth: mpsc::UnboundedSender<Heard>,
    heard: mpsc::UnboundedReceiver<Heard>,
    revivals: Vec<Revival>,
    /// The calls end when it is dropped.
    _hold: Hold,
    cancel: Cancel,
    calls: u32,
    cost: Money,
    leaks: BTreeMap<Leak, u32>,
}

impl Table {
    pub(super) fn new(
        office: Arc<Office>,
        gate: Arc<Gate>,
        symbol: &Symbol,
        decision: DecisionId,
    ) -> Self {
        let (mouth, heard) = mpsc::unbounded_channel();
        let (hold, cancel) = Hold::new();
        Self {
            material: gate.material(symbol),
            conversation: Conversation::new(office.config.clone()),
            office,
            gate,
            decision,
            asked: BTreeMap::new(),
            places: 0,
            mouth,
            heard,
            revivals: Vec::new(),
            _hold: hold,
            cancel,
            calls: 0,
            cost: Money::ZERO,
            leaks: BTreeMap::new(),
        }
    }

    /// Plays it to its end.
    pub(super) async fn run(mut self) -> Decided {
        let wall = Duration::from_secs(self.office.config.wall_s.into());
        let until = Instant::now() + wall;
        loop {
            self.ask_who_is_due().await;
            if self.conversation.end().is_some() {
                break;
            }
            tokio::select! {
                biased;
                Some(heard) = self.heard.recv() => self.hear(heard),
                (place, life) = next_revival(&mut self.revivals) => match life {
                    Ok(()) => self.send(place),
                    Err(GivenUp) => self.missed(place, Missed::Failed(WENT_AWAY.to_owned())),
                },
                () = tokio::time::sleep_until(until) => {
                    self.conversation.stop(&format!("no decision within {} s", wall.as_secs()));
                }
            }
        }
        // What is still out is cancelled; it may have cost all that was reserved for it.
        let out: Vec<Asked> = std::mem::take(&mut self.asked).into_values().collect();
        for asked in &out {
            self.pay(cost_of_lost(asked));
        }
        // Whoever asks for more than it is told has looked all the same.
        for request in self.conversation.unheard() {
            if let ToolAnswer::Refused(leak) = self.gate.answer(&request) {
                count(&mut self.leaks, leak);
            }
        }
        let brought = self.conversation.end().cloned();
        Decided {
            stages: stages(&self.conversation, &self.material),
            brought: brought.unwrap_or(Brought::Late),
            calls: self.calls,
            cost: self.cost,
            leaks: self.leaks,
        }
    }

    fn pay(&mut self, cost: Money) {
        self.cost = self.cost.plus(cost).unwrap_or(self.cost);
    }

    /// Puts the next questions, once there is leave for those that cost something.
    async fn ask_who_is_due(&mut self) {
        loop {
            let turns = self.conversation.due();
            if turns.is_empty() {
                return;
            }
            let mut wave = Vec::new();
            for turn in turns {
                let results = self.look_up(turn);
                let told = (&self.office.market, &self.material);
                let brief = DeskBrief::of(turn, &self.conversation, told, results);
                wave.push((turn, Arc::new(brief)));
            }
            let leaves = self.office.leaves(&self.decision, &wave).await;
            for ((turn, brief), leave) in wave.into_iter().zip(leaves) {
                match leave {
                    Ok(leave) => self.ask(turn, brief, leave),
                    Err(code) => {
                        let missed = Missed::Denied(code.as_str().to_owned());
                        self.conversation.hear(turn, Err(missed), 0);
                    }
                }
            }
        }
    }

    fn ask(&mut self, turn: Turn, brief: Arc<DeskBrief>, leave: Leave) {
        let place = self.places;
        self.places += 1;
        self.calls = self.calls.saturating_add(1);
        self.asked.insert(place, Asked { turn, brief, leave, life: None });
        self.send(place);
    }

    /// Looks up what the role asked for, through the gate.
    fn look_up(&mut self, turn: Turn) -> Vec<ToolResult> {
        let mut results = Vec::new();
        for request in self.conversation.lookups(turn) {
            let (given, refused) = match self.gate.answer(request) {
                ToolAnswer::Given(value) => (Some(value), None),
                ToolAnswer::Refused(leak) => (None, Some(leak)),
            };
            if let Some(leak) = refused {
                count(&mut self.leaks, leak);
            }
            results.push(ToolResult { request: request.clone(), given, refused });
        }
        results
    }

    /// Sends a question to its role as it is now.
    fn send(&mut self, place: usize) {
        let Some(asked) = self.asked.get_mut(&place) else { return };
        let Some(role) = self.office.roles.get(&asked.turn.role) else { return };
        let consult = Consult {
            brief: Arc::clone(&asked.brief),
            decision: self.decision.clone(),
            round: asked.turn.number(),
            spent: asked.leave.spent.clone(),
            lease: asked.leave.lease.clone(),
            refused: asked.leave.refused,
            cancel: self.cancel.clone(),
            span: Span::none(),
            reply: Reply::new(place, self.mouth.clone()),
        };
        match role.mailbox.try_send(consult) {
            Ok(life) => asked.life = Some(life),
            Err(Refused::Busy(consult)) => {
                consult.reply.withdraw();
                let why = ConsultError::Shed.to_string();
                self.missed(place, Missed::Failed(why));
            }
            Err(Refused::Absent(consult, life)) => {
                consult.reply.withdraw();
                asked.life = life;
                self.await_revival(place);
            }
        }
    }

    /// Asks again once the role is in another life.
    fn await_revival(&mut self, place: usize) {
        let Some(asked) = self.asked.get(&place) else { return };
        let Some(role) = self.office.roles.get(&asked.turn.role) else { return };
        let (actor, former) = (role.mailbox.stable().clone(), asked.life);
        let revival = async move { (place, actor.another_life(former).await.map(drop)) };
        self.revivals.push(Box::pin(revival));
    }

    fn missed(&mut self, place: usize, missed: Missed) {
        let Some(asked) = self.asked.remove(&place) else { return };
        self.pay(cost_of_lost(&asked));
        self.conversation.hear(asked.turn, Err(missed), 0);
    }

    fn hear(&mut self, heard: Heard) {
        match heard {
            Heard::NotTaken { seat } => self.await_revival(seat),
            Heard::Lost { seat, why } => self.missed(seat, Missed::Failed(why.to_owned())),
            Heard::Answer { seat, answer } => self.answered(seat, *answer),
        }
    }

    fn answered(&mut self, place: usize, answer: shell::Answer) {
        // A second answer is nobody's: the first was taken off the list.
        let Some(asked) = self.asked.remove(&place) else { return };
        self.pay(answer.cost);
        let tokens = self.tokens(&asked, &answer);
        let heard = read(asked.turn, answer);
        self.conversation.hear(asked.turn, heard, tokens);
    }

    /// What reading a question and writing its answer took, counted by bytes.
    fn tokens(&self, Asked { turn, brief, .. }: &Asked, answer: &shell::Answer) -> u64 {
        let Some(system) = self.office.systems.get(&turn.role) else { return 0 };
        let written = answer.raw.as_ref().map_or(0, |raw| raw.to_string().len());
        let bytes = (system + entry(turn.role).told(brief).len() + written) as u64;
        bytes.div_ceil(BYTES_PER_TOKEN)
    }
}

/// What a call that brought nothing counts as.
fn cost_of_lost(Asked { leave, .. }: &Asked) -> Money {
    let reserved = || leave.lease.as_ref().map_or(Money::ZERO, |lease| lease.reserved());
    leave.spent.get().unwrap_or_else(reserved)
}

/// What an answer says at its turn.
fn read(turn: Turn, answer: shell::Answer) -> Result<Answer, Missed> {
    let shell::Answer { raw, outcome, .. } = answer;
    let advice = outcome.map_err(|error| missed(&error))?;
    let raw = raw.ok_or_else(|| Missed::Failed("it answered without an answer".to_owned()))?;
    answer_of(turn, &raw, &advice).map_err(|error| missed(&error))
}

/// What kind of failure an error is: an answer that cannot be used is another thing than none.
fn missed(error: &ConsultError) -> Missed {
    let text = error.to_string();
    match error {
        ConsultError::Unreadable { .. }
        | ConsultError::OutOfBounds(_)
        | ConsultError::Forbidden { .. } => Missed::Unreadable(text),
        ConsultError::Denied { code } => Missed::Denied(code.as_str().to_owned()),
        // In a run that is given again the words of a failure tell its kind.
        ConsultError::Recorded { .. } => match Miss::of(&text) {
            Miss::Unreadable | Miss::Inadmissible => Missed::Unreadable(text),
            Miss::Failed => Missed::Failed(text),
        },
        ConsultError::Brain { .. } | ConsultError::Shed | ConsultError::Late => {
            Missed::Failed(text)
        }
    }
}

/// The next role that is there again; never, where nobody is awaited.
async fn next_revival(revivals: &mut Vec<Revival>) -> (usize, Result<(), GivenUp>) {
    poll_fn(|context| {
        for at in 0..revivals.len() {
            if let Poll::Ready(ready) = revivals[at].as_mut().poll(context) {
                drop(revivals.swap_remove(at));
                return Poll::Ready(ready);
            }
        }
        Poll::Pending
    })
    .await
}

fn count(leaks: &mut BTreeMap<Leak, u32>, leak: Leak) {
    let count = leaks.entry(leak).or_default();
    *count = count.saturating_add(1);
}
