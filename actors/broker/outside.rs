//! The account at a broker outside: what is asked of it leaves here, and its news come in here.
//!
//! - O-2: one intent, at most one live order: the record of step 7, with the whole intent, is on the disk
//!   before the order is handed over, so that a process which ends in between finds it again.
//! - O-3: after HALTED no entry leaves: the fence is read once more behind the disk.
//! - O-4: exits are never blocked: exits and cancellations leave although the log cannot be written.

use std::sync::Arc;
use std::time::Duration;

use conclave_domain::away::{AwayTerms, Doubt, Outgoing, Report, Said};
use conclave_domain::clearance::Validity;
use conclave_domain::code::Code;
use conclave_domain::context::BookKind;
use conclave_domain::custody::{CustodyError, Heard, Reconciled};
use conclave_domain::order::{OrderIntent, Purpose};
use conclave_domain::reconcile::{Adjustment, InFlight, Statement, StatementError};
use conclave_domain::record::Record;
use conclave_domain::time::Time;
use serde::Serialize;
use tokio::sync::oneshot;

use super::{BrokerState, ByBook};
use crate::runtime::fence::Fence;
use crate::runtime::ports::OrderRoute;

/// How many tasks an order passes on its way to the wire. They go first: what follows here, the books and
/// their views, takes longer than all of them.
const HOPS: u32 = 4;
/// How long orders wait for the disk. Exits leave behind it in any case, entries do not.
const PATIENCE: Duration = Duration::from_secs(2);

/// A broker outside, which keeps the real book.
#[derive(Clone, Debug)]
pub struct Outside {
    /// The way to it.
    pub route: Arc<dyn OrderRoute>,
    /// What the account there is kept by.
    pub terms: AwayTerms,
}

/// What an entry is let out on, for as long as it has not left.
#[derive(Clone, Debug)]
pub struct Pass {
    fence: Arc<Fence>,
    /// Nothing where no entry was cleared.
    validity: Option<Validity>,
}

impl Pass {
    /// A pass on a clearance; without one no entry leaves.
    pub const fn new(fence: Arc<Fence>, validity: Option<Validity>) -> Self {
        Self { fence, validity }
    }

    /// Whether an order may leave at this moment of the market. Exits always may.
    ///
    /// # Errors
    /// The code of what stands in the way.
    pub fn check(&self, intent: &OrderIntent, now: Time) -> Result<(), Code> {
        if intent.purpose != Purpose::Entry {
            return Ok(());
        }
        // An entry comes with the clearance that it was submitted on, and never without.
        let validity = self.validity.ok_or(Code::SafetyExpired)?;
        validity.check(self.fence.gate(intent.symbol.as_str(), now))
    }
}

/// What the broker actor takes for the account at a broker outside.
#[derive(Debug)]
pub enum OutsideMsg {
    /// The broker has said something of orders.
    Heard {
        /// What.
        reports: Vec<Report>,
        /// Who waits.
        reply: oneshot::Sender<Result<Vec<Doubt>, CustodyError>>,
    },
    /// The broker has said how the account stands.
    Reconcile {
        /// What it has said.
        statement: Box<Statement>,
        /// Who waits; the inner error is why it was not taken.
        reply: oneshot::Sender<Result<Result<Reconciliation, StatementError>, CustodyError>>,
    },
    /// List the orders that the broker may still say something of.
    InFlight {
        /// Who waits.
        reply: oneshot::Sender<InFlight>,
    },
    /// Take up orders that a former process had written down.
    Recall {
        /// The orders.
        intents: Vec<OrderIntent>,
        /// Who waits; answered with how many were new.
        reply: oneshot::Sender<Result<usize, CustodyError>>,
    },
}

/// What came of a statement that was taken.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Reconciliation {
    /// In what the account differed; it does not any more.
    pub adjustments: Vec<Adjustment>,
    /// Whether nobody should take new risk before a person has looked.
    pub is_material: bool,
}

impl BrokerState {
    pub(super) async fn attend_outside(&mut self, message: OutsideMsg) {
        match message {
            OutsideMsg::Heard { reports, reply } => {
                let _ = reply.send(self.hear(&reports).await);
            }
            OutsideMsg::Reconcile { statement, reply } => {
                let _ = reply.send(self.reconcile(&statement).await);
            }
            OutsideMsg::InFlight { reply } => {
                let _ = reply.send(self.in_flight());
            }
            OutsideMsg::Recall { intents, reply } => {
                let _ = reply.send(self.recall(intents));
            }
        }
    }

    /// What the account outside asks for now. Without a way there nothing is taken, because no such
    /// account is started.
    pub(super) fn asked(&mut self) -> Vec<Outgoing> {
        if self.setup.outside.is_none() {
            return Vec::new();
        }
        let account = self.accounts.get_mut(&BookKind::Real);
        account.map_or_else(Vec::new, |account| account.custody.take_outgoing())
    }

    /// Writes down what is asked and hands it over. What is kept back is denied; returns what that
    /// brought about.
    pub(super) async fn hand_over(
        &mut self,
        records: Vec<Record>,
        asked: Vec<Outgoing>,
        validity: Option<Validity>,
    ) -> ByBook {
        let Some(outside) = self.setup.outside.clone() else { return Vec::new() };
        let audit = self.setup.audit.clone();
        let synced = tokio::time::timeout(PATIENCE, audit.tell_and_sync(records)).await;
        let is_written = matches!(synced, Ok(Ok(_)));
        if !is_written {
            tracing::error!("orders could not be written down: exits leave, entries do not");
        }
        let pass = Pass::new(Arc::clone(&self.setup.fence), validity);
        let mut denied = Vec::new();
        let mut leaving = Vec::with_capacity(asked.len());
        for asked in asked {
            match entry(&asked).map(|intent| (intent, self.may_leave(intent, is_written, &pass))) {
                Some((intent, Err(code))) => denied.push(self.denied(intent, code)),
                None | Some((_, Ok(()))) => leaving.push(asked),
            }
        }
        if !leaving.is_empty() {
            outside.route.send(leaving, pass);
            for _ in 0..HOPS {
                tokio::task::yield_now().await;
            }
        }
        if denied.is_empty() {
            return Vec::new();
        }
        match self.take(&denied) {
            Ok(heard) => vec![(BookKind::Real, heard.happenings)],
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "denials not booked");
                Vec::new()
            }
        }
    }

    fn may_leave(&self, intent: &OrderIntent, is_written: bool, pass: &Pass) -> Result<(), Code> {
        if !is_written {
            return Err(Code::SafetyStore);
        }
        let now = self.accounts.get(&BookKind::Real).map(|account| account.custody.now());
        pass.check(intent, now.unwrap_or_default())
    }

    fn denied(&self, intent: &OrderIntent, code: Code) -> Report {
        let account = self.accounts.get(&BookKind::Real);
        let at = account.map_or(intent.at, |account| account.custody.now());
        let said = Said::Denied { code, text: code.cause().to_owned() };
        Report { order: intent.client_order_id.clone(), at, said }
    }

    fn take(&mut self, reports: &[Report]) -> Result<Heard, CustodyError> {
        let limits = Arc::clone(&self.setup.limits);
        let account = self.accounts.get_mut(&BookKind::Real).ok_or(CustodyError::NoAccount)?;
        account.custody.hear(reports, &limits)
    }

    async fn hear(&mut self, reports: &[Report]) -> Result<Vec<Doubt>, CustodyError> {
        let Heard { happenings, doubts } = self.take(reports)?;
        for doubt in &doubts {
            tracing::warn!(error = doubt as &dyn std::error::Error, "news disregarded");
        }
        self.tell(vec![(BookKind::Real, happenings)]).await;
        self.publish();
        Ok(doubts)
    }

    async fn reconcile(
        &mut self,
        statement: &Statement,
    ) -> Result<Result<Reconciliation, StatementError>, CustodyError> {
        let limits = Arc::clone(&self.setup.limits);
        let account = self.accounts.get_mut(&BookKind::Real).ok_or(CustodyError::NoAccount)?;
        let reconciled = match account.custody.reconcile(statement, &limits)? {
            Ok(reconciled) => reconciled,
            Err(refused) => return Ok(Err(refused)),
        };
        let Reconciled { happenings, adjustments, is_material } = reconciled;
        if is_material {
            // What was decided on the books as they were does not leave.
            self.setup.fence.void_all();
        }
        self.tell(vec![(BookKind::Real, happenings)]).await;
        self.publish();
        Ok(Ok(Reconciliation { adjustments, is_material }))
    }

    fn in_flight(&self) -> InFlight {
        let account = self.accounts.get(&BookKind::Real);
        account.map_or_else(InFlight::default, |account| account.custody.in_flight())
    }

    fn recall(&mut self, intents: Vec<OrderIntent>) -> Result<usize, CustodyError> {
        let account = self.accounts.get_mut(&BookKind::Real).ok_or(CustodyError::NoAccount)?;
        let taken = account.custody.recall(intents)?;
        self.publish();
        Ok(taken)
    }
}

/// The entry that is asked for, if it is one: cancellations and exits are none.
fn entry(asked: &Outgoing) -> Option<&OrderIntent> {
    match asked {
        Outgoing::Submit { intent, .. } => {
            Some(&**intent).filter(|it| it.purpose == Purpose::Entry)
        }
        Outgoing::Cancel { .. } => None,
    }
}
