//! Checks of what was asked, answered and decided: B-1, T-1 to T-4, A-1, L-1, F-1.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::json::{at, items, text};
use super::{Findings, Now};

/// The bounds of every number that an agent of the trading team may give, as SPEC has them.
const BOUNDS: [(&str, &str, f64, f64); 5] = [
    ("confidence_multiplier", "value", 0.7, 1.3),
    ("size_multiplier", "value", 0.3, 2.0),
    ("limit_order", "offset_bp", 0.0, 50.0),
    ("stop_distance", "value", 0.005, 0.15),
    ("target_distance", "value", 0.005, 0.50),
];

/// What nobody may bring about.
const FORBIDDEN: [&str; 7] = [
    "bypass_all_gates",
    "disable_risk_controls",
    "unlimited_position",
    "ignore_drawdown",
    "force_margin_call",
    "delete_models",
    "modify_api_keys",
];

/// One decision's present round, as the log tells it.
#[derive(Clone, Debug, Default)]
struct Talk {
    round: u64,
    /// What each agent's advice says of where it stands.
    stances: BTreeMap<String, Value>,
}

/// What was talked about.
#[derive(Clone, Debug, Default)]
pub(super) struct Rounds {
    talks: BTreeMap<String, Talk>,
    closed: BTreeSet<(String, u64)>,
    /// Whether the guardian's brain objected when it last spoke on a decision.
    guarded: BTreeMap<String, bool>,
}

impl Rounds {
    pub(super) fn guarded(&mut self, decision: String, objects: bool) {
        self.guarded.insert(decision, objects);
    }

    /// A new process begins: its rounds are counted anew.
    pub(super) fn forget(&mut self) {
        self.talks.clear();
        self.closed.clear();
    }

    /// a verdict whose records are missing altogether is missed here.
    pub(super) fn held(&self, rounds: u64, findings: &mut Findings) {
        let closed = self.closed.len() as u64;
        findings.check("A-1", closed == rounds, || {
            format!("{rounds} rounds were held, {closed} are in the log")
        });
    }

    pub(super) fn line(&mut self, line: &Value, now: &Now, findings: &mut Findings) {
        let (decision, body) = (text(line, "decision").to_owned(), &line["body"]);
        match text(line, "step") {
            "consult.sent" => {
                foresees_nothing(body, now, findings);
                let round = body["round"].as_u64().unwrap_or(0);
                self.talks.insert(decision, Talk { round, ..Talk::default() });
            }
            "advice.clamped" => {
                is_bounded(body, findings);
                is_permitted(body, findings);
                if let Some(talk) = self.talks.get_mut(&decision)
                    && !body["advice"].is_null()
                {
                    let agent = text(body, "agent").to_owned();
                    talk.stances.insert(agent, at(body, "advice/stance").clone());
                }
            }
            "round.closed" => self.closed(&decision, body, findings),
            _ => {}
        }
    }

    fn closed(&mut self, decision: &str, body: &Value, findings: &mut Findings) {
        let round = body["round"].as_u64().unwrap_or(0);
        let is_new = self.closed.insert((decision.to_owned(), round));
        findings.check("T-1", is_new, || format!("round {round} of {decision} closed twice"));
        let talk = self.talks.get(decision).cloned().unwrap_or_default();
        let (seats, verdict) = (items(&body["seats"]), text(body, "verdict"));
        let heard = |seat: &Value| match text(seat, "outcome") {
            "voted" | "no_objection" | "vetoed" => talk.stances.contains_key(text(seat, "agent")),
            _ => true,
        };
        let is_whole = talk.round == round && seats.iter().all(heard);
        findings.check("A-1", is_whole, || format!("round {round} of {decision} is not whole"));
        let vetoes = |seat: &Value| text(seat, "outcome") == "vetoed";
        let is_cut = verdict == "vetoed" || !seats.iter().any(vetoes);
        findings.check("T-2", is_cut, || format!("{decision} was vetoed, and is {verdict}"));
        if verdict == "act" {
            acts(decision, body, &talk.stances, findings);
            let spoke = self.guarded.get(decision);
            findings.check("T-4", spoke == Some(&false), || match spoke {
                None => format!("{decision} acts, and the guardian's brain was never heard"),
                Some(_) => format!("{decision} acts, and the guardian's brain had objected"),
            });
        }
    }
}

/// A round that acts has every guardian's word and votes that carry.
fn acts(decision: &str, body: &Value, stances: &BTreeMap<String, Value>, findings: &mut Findings) {
    let seats = items(&body["seats"]);
    let guards = |seat: &&Value| text(seat, "part").contains("guardian");
    let spoke = |seat: &Value| {
        let said = stances.get(text(seat, "agent"));
        text(seat, "outcome") == "no_objection" && said.is_some_and(|it| it == "no_objection")
    };
    let guardians: Vec<&Value> = seats.iter().filter(guards).collect();
    let guarded = !guardians.is_empty() && guardians.iter().all(|seat| spoke(seat));
    findings.check("T-4", guarded, || format!("{decision} acts before every guardian has spoken"));
    let voters = || seats.iter().filter(|seat| text(seat, "part").starts_with("voter"));
    let voted = |seat: &Value, vote: &str| {
        let said = stances.get(text(seat, "agent")).map(|stance| text(stance, "vote"));
        text(seat, "outcome") == "voted" && text(seat, "vote") == vote && said == Some(vote)
    };
    let votes_for = voters().filter(|seat| voted(seat, "for")).count();
    let against = voters().filter(|seat| voted(seat, "against")).count();
    let asked = voters().count();
    let quorum = votes_for + against >= 2.max(asked.div_ceil(2));
    let carried = 100 * votes_for >= 66 * (votes_for + against);
    let unanimous = body["critical"] != true || votes_for == asked;
    findings.check("T-3", quorum && carried && unanimous, || {
        format!("{decision} acts on {votes_for} for and {against} against of {asked} asked")
    });
}

/// B-1: every number is finite, and where it may be.
fn is_bounded(body: &Value, findings: &mut Findings) {
    let advice = &body["advice"];
    if advice.is_null() {
        return;
    }
    let within = |value: &Value, low: f64, high: f64| {
        value.as_f64().is_some_and(|number| number >= low && number <= high)
    };
    let lever = |lever: &Value| {
        let bounds = BOUNDS.iter().find(|(name, ..)| text(lever, "lever") == *name);
        bounds.is_none_or(|(_, field, low, high)| within(&lever[*field], *low, *high))
    };
    let good =
        within(&advice["confidence"], 0.0, 1.0) && items(&advice["levers"]).iter().all(lever);
    findings.check("B-1", good, || format!("advice out of bounds: {advice}"));
}

/// F-1: an answer that asks for what nobody may is no advice.
fn is_permitted(body: &Value, findings: &mut Findings) {
    let raw = body["raw"].to_string();
    let asks = FORBIDDEN.iter().any(|action| raw.contains(action));
    findings.check("F-1", !asks || body["advice"].is_null(), || {
        format!("{} was listened to although it asked for the forbidden", text(body, "agent"))
    });
}

/// L-1: a brief is as of a slice that was heard, and its price is that slice's close.
fn foresees_nothing(body: &Value, now: &Now, findings: &mut Findings) {
    let brief = &body["brief"];
    if text(brief, "question") != "entry" || now.at.is_empty() {
        return;
    }
    let (as_of, symbol, price) =
        (text(brief, "as_of"), text(brief, "symbol"), text(brief, "price"));
    // The line itself may come later: a full disk keeps what nobody waits for.
    let close = now.closes.get(as_of).and_then(|closes| closes.get(symbol)).map(String::as_str);
    findings.check("L-1", as_of <= now.at.as_str() && close == Some(price), || {
        format!("a brief on {symbol} of {as_of} says {price}, the market said {close:?}")
    });
}

/// A-1 over a whole log: every verdict has its question before it, every cleared order its verdict.
pub(super) fn whole(lines: &[Value], findings: &mut Findings) {
    let mut asked: BTreeSet<(&str, u64)> = BTreeSet::new();
    let mut acted: BTreeSet<&str> = BTreeSet::new();
    for line in lines {
        let (decision, body) = (text(line, "decision"), &line["body"]);
        let round = body["round"].as_u64().unwrap_or(0);
        match text(line, "step") {
            "consult.sent" => drop(asked.insert((decision, round))),
            "round.closed" => {
                let known = asked.contains(&(decision, round));
                findings.check("A-1", known, || format!("{decision} was decided and never asked"));
                if text(body, "verdict") == "act" {
                    acted.insert(decision);
                }
            }
            "order.cleared" if body["intent"].is_object() => {
                let known = acted.contains(decision);
                findings.check("A-1", known, || format!("{decision} was cleared by no round"));
            }
            _ => {}
        }
    }
}
