//! A paid call needs two words: safety's, for this run, and the ledger's, for all runs of its user. This
//! is how the second is asked for, in front of the first.
//!
//! - G-3: money is reserved before a call, here as in the budgets of the run.
//!
//! The ledger reserves the dearest model that it has room for; safety then grants that one or a cheaper
//! one. A call that does not come about, because safety says no or nobody waits any more, is settled for
//! nothing.

use std::sync::Arc;

use conclave_domain::budget::ledger::Want;
use conclave_domain::budget::{Asker, Permit, Request};
use conclave_domain::code::Code;
use conclave_domain::fixed::Money;
use tokio::sync::oneshot;

use super::PATIENCE;
use crate::runtime::ports::{Booked, Done, LedgerError, SpendLedger};

/// A reservation for a call that has no permit yet. Dropped, it is given back.
#[derive(Debug)]
pub(super) struct Booking {
    ledger: Arc<dyn SpendLedger>,
    call: Option<u64>,
}

impl Booking {
    fn new(ledger: &Arc<dyn SpendLedger>, call: u64) -> Self {
        Self { ledger: Arc::clone(ledger), call: Some(call) }
    }

    /// The call may leave: whoever settles its permit settles this.
    pub(super) fn of(mut self, permit: Permit) -> Permit {
        permit.booked_as(self.call.take())
    }
}

impl Drop for Booking {
    fn drop(&mut self) {
        if let Some(call) = self.call.take() {
            self.ledger.settle(call, Money::ZERO);
        }
    }
}

/// What the ledger says to a request: its reservation, where one is needed, or why there is none.
type Word = Result<Option<Booking>, Code>;

/// Asks the ledger for every request that costs something; what does not fit is cut off the ladders.
pub(super) async fn book(ledger: &Arc<dyn SpendLedger>, requests: &mut [Request]) -> Vec<Word> {
    let wants: Vec<Want> = requests.iter().filter_map(want).collect();
    if wants.is_empty() {
        return requests.iter().map(|_| Ok(None)).collect();
    }
    let mut answers = reserved(ledger, wants).await.into_iter();
    let word = |request: &mut Request| {
        if want(request).is_none() {
            return Ok(None);
        }
        let (booking, rung) = answers.next().unwrap_or(Err(Code::SafetyLedger))?;
        if let Request::Consultation { paid: Some(paid), .. } = request {
            paid.rungs.drain(..rung.min(paid.rungs.len()));
        }
        Ok(Some(booking))
    };
    requests.iter_mut().map(word).collect()
}

/// What the ledger is asked; nothing for what costs nothing or has no price.
fn want(request: &Request) -> Option<Want> {
    let Request::Consultation { asker: Asker { agent, is_protected, .. }, paid: Some(paid) } =
        request
    else {
        return None;
    };
    let is_priced = paid.rungs.iter().all(|rung| rung.at_most.is_some());
    let costs = paid.rungs.iter().any(|rung| rung.at_most.is_some_and(|most| !most.is_zero()));
    let (agent, is_protected) = ((*agent).to_owned(), *is_protected);
    (is_priced && costs).then(|| Want { agent, is_protected, rungs: paid.rungs.clone() })
}

/// What was reserved for each want.
async fn reserved(
    ledger: &Arc<dyn SpendLedger>,
    wants: Vec<Want>,
) -> Vec<Result<(Booking, usize), Code>> {
    let (answer, waiting) = oneshot::channel::<Vec<Result<(Booking, usize), Code>>>();
    let booked = Arc::clone(ledger);
    let of = move |Booked { call, rung }| (Booking::new(&booked, call), rung);
    let done = Done::new(move |result: Result<Vec<Result<Booked, Code>>, LedgerError>| {
        match result {
            // Whoever has gone meanwhile drops what was reserved, which gives it back.
            Ok(answers) => {
                let answers = answers.into_iter().map(|it| it.map(&of)).collect();
                drop(answer.send(answers));
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "no model is paid: what all runs spend is not known");
            }
        }
    });
    let count = wants.len();
    ledger.reserve(wants, done);
    let answered = tokio::time::timeout(PATIENCE, waiting).await;
    let nobody = || (0..count).map(|_| Err(Code::SafetyLedger)).collect();
    answered.ok().and_then(Result::ok).unwrap_or_else(nobody)
}
