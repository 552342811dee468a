//! Checks of what left for the broker: O-1 to O-4, and T-3 of an approval that nobody gave.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Findings;
use super::json::{fixed, text};

/// One order as it was seen at the broker.
#[derive(Clone, Debug)]
struct Order {
    book: &'static str,
    decision: String,
    symbol: String,
    is_entry: bool,
    is_live: bool,
    qty: i128,
    filled: i128,
    fills: BTreeSet<u64>,
}

/// What the log says may leave.
#[derive(Clone, Debug, Default)]
struct Leave {
    /// The line that cleared an order, by the order's id.
    cleared: BTreeMap<String, (u64, bool)>,
    /// The line in which a person said yes, by decision.
    approved: BTreeMap<String, u64>,
    refused: BTreeSet<String>,
}

/// What people have made sure of.
#[derive(Clone, Debug, Default)]
struct Standing {
    /// A halt has begun and no lift since.
    halted: bool,
    /// The halt was acknowledged: it outlives the process.
    halt_lasts: bool,
    /// Trading was put to advisory, and no other mode was asked for since.
    advises: bool,
    /// Exits seen since somebody began to close everything.
    flattening: Option<BTreeSet<(&'static str, String)>>,
}

/// Everything that was seen of orders.
#[derive(Clone, Debug, Default)]
pub(super) struct Orders {
    sent: BTreeMap<(&'static str, String), Order>,
    positions: BTreeMap<(&'static str, String), i128>,
    leave: Leave,
    standing: Standing,
}

impl Orders {
    /// What is not part of the stored accounts stays as it is.
    pub(super) fn inherit(&mut self, from: &Self, crashed: bool) {
        self.standing = from.standing.clone();
        self.standing.flattening = None;
        if crashed {
            self.standing.halted = self.standing.halt_lasts;
        }
    }

    /// The log may have become shorter: it is read again.
    pub(super) fn forget_lines(&mut self) {
        self.leave = Leave::default();
    }

    pub(super) fn line(&mut self, line: &Value, findings: &mut Findings) {
        let (decision, body) = (text(line, "decision"), &line["body"]);
        let seq = line["seq"].as_u64().unwrap_or(0);
        match text(line, "step") {
            "order.cleared" if body["intent"].is_object() => {
                let id = text(body, "intent/client_order_id").to_owned();
                self.leave.cleared.insert(id, (seq, text(body, "mode") == "supervised"));
            }
            "approval.asked" => {
                self.leave.approved.remove(decision);
                self.leave.refused.remove(decision);
            }
            "approval.answered" if text(body, "answer/outcome") == "approved" => {
                let refused = self.leave.refused.contains(decision);
                findings.check("T-3", !refused, || format!("{decision} was refused and approved"));
                self.leave.approved.insert(decision.to_owned(), seq);
            }
            "approval.answered" | "approval.expired" => {
                self.leave.refused.insert(decision.to_owned());
            }
            "halt.raised" => self.standing.halted = true,
            "halt.lifted" => {
                self.standing.halted = false;
                self.standing.halt_lasts = false;
            }
            _ => {}
        }
    }

    pub(super) fn begun(&mut self, act: &str) {
        match act {
            "halt" => self.standing.halted = true,
            "resume" | "reduce" => {
                self.standing.halted = false;
                self.standing.halt_lasts = false;
            }
            "supervised" | "autonomous" => self.standing.advises = false,
            "flatten" => self.standing.flattening = Some(BTreeSet::new()),
            _ => {}
        }
    }

    pub(super) fn done(
        &mut self,
        act: &str,
        good: bool,
        mode: Option<&str>,
        findings: &mut Findings,
    ) {
        match act {
            "halt" => self.standing.halt_lasts = good && self.standing.halted,
            "flatten" => self.flattened(good, findings),
            _ => self.standing.advises |= good && mode == Some("advisory"),
        }
    }

    /// O-4: whoever closes everything has everything on its way out, whatever else is going on.
    fn flattened(&mut self, good: bool, findings: &mut Findings) {
        let Some(sent) = self.standing.flattening.take() else { return };
        findings.check("O-4", good, || "a person's flatten was refused".to_owned());
        let held = self.positions.iter().filter(|(_, qty)| **qty != 0).map(|(key, _)| key);
        let stuck: Vec<&(&'static str, String)> = held
            .filter(|key| {
                let leaving = |order: &Order| {
                    !order.is_entry
                        && order.is_live
                        && (order.book, &order.symbol) == (key.0, &key.1)
                };
                !sent.contains(*key) && !self.sent.values().any(leaving)
            })
            .collect();
        findings.check("O-4", stuck.is_empty(), || format!("nothing leaves of {stuck:?}"));
    }

    /// Something at the broker. `seen` is how many lines were synced by then, and whether the broker
    /// says at once what it knows.
    pub(super) fn broker(
        &mut self,
        book: &'static str,
        what: &Value,
        seen: (u64, bool),
        findings: &mut Findings,
    ) {
        match text(what, "happened") {
            "submitted" => self.submitted(book, &what["intent"], seen, findings),
            "filled" => self.filled(book, &what["fill"], findings),
            "order" => {
                let event = &what["event"];
                let over = ["denied", "canceled", "expired", "rejected"];
                if over.contains(&text(event, "news"))
                    && let Some(order) = self.sent.get_mut(&(book, text(event, "order").to_owned()))
                {
                    order.is_live = false;
                }
            }
            _ => {}
        }
    }

    fn submitted(
        &mut self,
        book: &'static str,
        intent: &Value,
        (synced, in_time): (u64, bool),
        findings: &mut Findings,
    ) {
        let id = text(intent, "client_order_id").to_owned();
        let order = Order {
            book,
            decision: text(intent, "decision").to_owned(),
            symbol: text(intent, "symbol").to_owned(),
            is_entry: text(intent, "purpose/purpose") == "entry",
            is_live: true,
            qty: fixed(text(intent, "qty"), 9).unwrap_or(0),
            filled: 0,
            fills: BTreeSet::new(),
        };
        let known = self.sent.contains_key(&(book, id.clone()));
        findings.check("O-2", !known, || format!("order {id} was sent twice"));
        let same = |other: &&Order| {
            let rival = if order.is_entry {
                other.decision == order.decision
            } else {
                other.symbol == order.symbol
            };
            // A broker whose answers come late may have ended an exit that still looks alive.
            let is_live = other.is_live && (in_time || order.is_entry);
            is_live && other.book == book && other.is_entry == order.is_entry && rival
        };
        let rival = self.sent.values().find(same).map(|other| other.decision.clone());
        findings.check("O-2", rival.is_none(), || {
            format!("{} is sent while {rival:?} is live for the same", order.decision)
        });
        if order.is_entry {
            self.entry(&id, &order, synced, findings);
        } else if let Some(sent) = &mut self.standing.flattening {
            sent.insert((book, order.symbol.clone()));
        }
        self.sent.insert((book, id), order);
    }

    /// New risk: cleared, on the disk, approved where it must be, and not after a halt.
    fn entry(&self, id: &str, order: &Order, synced: u64, findings: &mut Findings) {
        let decision = &order.decision;
        let cleared = self.leave.cleared.get(id);
        findings.check("O-1", cleared.is_some_and(|(seq, _)| *seq <= synced), || {
            format!("{decision} was sent, cleared by {cleared:?} of {synced} synced lines")
        });
        if cleared.is_some_and(|(_, supervised)| *supervised) {
            let yes = self.leave.approved.get(decision);
            let good = yes.is_some_and(|seq| *seq <= synced);
            findings.check("T-3", good, || format!("{decision} was sent without a person's yes"));
        }
        let halted = self.standing.halted;
        findings.check("O-3", !halted, || format!("{decision} was sent after a halt"));
        let advises = self.standing.advises && order.book == "real";
        findings.check("O-1", !advises, || format!("{decision} was sent in advisory mode"));
    }

    fn filled(&mut self, book: &'static str, fill: &Value, findings: &mut Findings) {
        let id = text(fill, "client_order_id").to_owned();
        let nth = fill["nth"].as_u64().unwrap_or(0);
        let qty = fixed(text(fill, "qty"), 9).unwrap_or(0);
        let signed = if text(fill, "side") == "buy" { qty } else { -qty };
        *self.positions.entry((book, text(fill, "symbol").to_owned())).or_default() += signed;
        let Some(order) = self.sent.get_mut(&(book, id.clone())) else {
            findings.check("O-2", false, || format!("a fill of {id}, which was never sent"));
            return;
        };
        let is_new = order.fills.insert(nth);
        order.filled += qty;
        let fits = order.filled <= order.qty;
        findings
            .check("O-2", is_new && fits, || format!("fill {nth} of {id} was booked too often"));
        if order.filled == order.qty {
            order.is_live = false;
        }
    }
}
