//! A contestant's actor: a mailbox around its mind.

use ractor::{Actor, ActorProcessingErr, ActorRef};

use super::{Making, Mind, Question, Reply};

/// What a contestant is sent.
#[derive(Debug)]
pub(super) enum ContestantMsg {
    /// A tick.
    Decide(Question, Reply),
}

/// The actor. A panic of its mind ends it; its supervisor gives it a new one.
#[derive(Debug)]
pub(super) struct Contestant;

impl Actor for Contestant {
    type Msg = ContestantMsg;
    type State = Box<dyn Mind>;
    type Arguments = Making;

    async fn pre_start(
        &self,
        _: ActorRef<ContestantMsg>,
        make: Making,
    ) -> Result<Box<dyn Mind>, ActorProcessingErr> {
        Ok(make())
    }

    async fn handle(
        &self,
        _: ActorRef<ContestantMsg>,
        message: ContestantMsg,
        mind: &mut Box<dyn Mind>,
    ) -> Result<(), ActorProcessingErr> {
        let ContestantMsg::Decide(question, reply) = message;
        mind.think(question, reply);
        Ok(())
    }
}
