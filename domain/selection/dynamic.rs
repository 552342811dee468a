//! Which symbols of a run may be entered at present, and when that changes.
//!
//! A run has bars of more symbols than it should trade. Those that may be entered are its members: a
//! baseline at the start, and from then on what a review makes of them, every half hour of market time
//! ([`Rules::every`]). A member whose trades have gone badly leaves ([`poor`]) and rests; a list that ranks
//! higher by a margin takes the members' place as a whole ([`relist`]). Nothing is forced on a position of
//! who has left: its exits go on.
//!
//! - U-3: members are never fewer than [`Rules::symbols_min`] nor more than [`Rules::symbols_max`], where
//!   the run has as many; and a symbol only comes in with a list that has had its last look (U-1).

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Scored;
use super::issuer::issuer;
use super::validate::Selected;
use crate::brief::selection::Constraints;
use crate::clearance::Decided;
use crate::market::asset::{Asset, UNKNOWN_SECTOR};
use crate::market::symbol::{AssetClass, Symbol};
use crate::order::DecisionId;
use crate::ratio::Ratio;
use crate::time::Time;

/// Market time at least between two measurements: once a session where bars are minutes, since nothing that
/// looks at five hundred of them changes by the half hour but by chance.
pub const MEASURED_APART: Duration = Duration::from_hours(20);

/// When a universe changes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rules {
    /// Market time between two reviews; on the grid of this length since the epoch.
    pub every: Duration,
    /// Fewest members.
    pub symbols_min: usize,
    /// Most members.
    pub symbols_max: usize,
    /// A member that wins less often leaves, fraction of its trades.
    pub win_rate_min: Ratio,
    /// A member whose trades have fallen further from their peak leaves, fraction.
    pub drawdown_max: Ratio,
    /// Trades after which that is judged.
    pub trades_min: u32,
    /// What is added to a member's score where it is compared with others, so that two that are nearly
    /// alike do not take turns.
    pub margin: Ratio,
    /// Market time that a symbol rests after it has left because of its trades.
    pub rest: Duration,
    /// New bars after which symbols are measured again, and at least [`MEASURED_APART`] later.
    pub measured_bars: usize,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            every: Duration::from_mins(30),
            symbols_min: 3,
            symbols_max: 10,
            win_rate_min: Ratio::of(0.40),
            drawdown_max: Ratio::of(0.12),
            trades_min: 10,
            margin: Ratio::of(0.10),
            rest: Duration::from_hours(30 * 24),
            measured_bars: 20,
        }
    }
}

impl Rules {
    /// The place of a moment on the grid of reviews: one is due where it is another than before.
    pub fn place(&self, at: Time) -> i64 {
        let every = i64::try_from(self.every.as_millis()).unwrap_or(i64::MAX).max(1);
        at.ms().div_euclid(every)
    }
}

/// How the trades of a member have gone since it came in.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Form {
    /// Round trips that ended.
    pub trades: u32,
    /// Those that gained.
    pub wins: u32,
    /// What one unit, put into each trade after the other, has become.
    level: Ratio,
    /// The most that it was.
    peak: Ratio,
}

impl Default for Form {
    fn default() -> Self {
        Self { trades: 0, wins: 0, level: Ratio::of(1.0), peak: Ratio::of(1.0) }
    }
}

impl Form {
    /// Takes one round trip in: its profit or loss as a fraction of what the position cost.
    pub fn add(&mut self, return_pct: Ratio) {
        self.trades = self.trades.saturating_add(1);
        self.wins = self.wins.saturating_add(u32::from(return_pct > Ratio::ZERO));
        // A loss of more than everything is one of everything.
        let level = (self.level.get() * (1.0 + return_pct.get())).max(0.0);
        self.level = Ratio::new(level).unwrap_or(self.level);
        if self.level > self.peak {
            self.peak = self.level;
        }
    }

    /// Share of the trades that gained; `None` without one.
    pub fn win_rate(&self) -> Option<Ratio> {
        (self.trades > 0).then(|| Ratio::or_zero(f64::from(self.wins) / f64::from(self.trades)))
    }

    /// How far the trades have fallen from their peak, fraction.
    pub fn drawdown(&self) -> Ratio {
        Ratio::or_zero(1.0 - self.level.get() / self.peak.get())
    }

    /// Why a member with such trades leaves, if it does.
    pub fn judge(&self, rules: &Rules) -> Option<Reason> {
        let trades = self.trades;
        if trades < rules.trades_min {
            return None;
        }
        let drawdown = self.drawdown();
        let low = self.win_rate().filter(|rate| *rate < rules.win_rate_min);
        let deep = (drawdown > rules.drawdown_max).then_some(Reason::Drawdown { drawdown, trades });
        deep.or(low.map(|win_rate| Reason::WinRate { win_rate, trades }))
    }
}

/// Why a member leaves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum Reason {
    /// Too few of its trades gained.
    WinRate {
        /// Share of the trades that gained.
        win_rate: Ratio,
        /// How many there were.
        trades: u32,
    },
    /// Its trades have fallen too far from their peak.
    Drawdown {
        /// How far, fraction.
        drawdown: Ratio,
        /// How many there were.
        trades: u32,
    },
    /// It is not on the list that ranks highest.
    Unlisted {
        /// The reason against it.
        reason: String,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |share: &Ratio| share.get() * 100.0;
        match self {
            Self::WinRate { win_rate, trades } => {
                write!(f, "{:.1} % of {trades} trades gained", percent(win_rate))
            }
            Self::Drawdown { drawdown, trades } => {
                write!(f, "{trades} trades are {:.1} % below their peak", percent(drawdown))
            }
            Self::Unlisted { reason } => f.write_str(reason),
        }
    }
}

/// The members of one book's universe. It is stored as it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Members {
    seats: BTreeMap<Symbol, Form>,
    /// Who has left, and until when it rests.
    resting: BTreeMap<Symbol, Time>,
}

impl Members {
    /// The members at the start: the first symbols by name, without a second one of an issuer, and without
    /// more of a sector or more coins than a list may have, as many as there may be. Where that leaves fewer
    /// than there must be, the first of the others come in too.
    pub fn baseline(assets: &[&Asset], rules: &Rules, constraints: &Constraints) -> Self {
        let mut by_name: Vec<&Asset> = assets.to_vec();
        by_name.sort_by(|a, b| a.symbol.cmp(&b.symbol));
        let mut chosen: Vec<&Asset> = Vec::new();
        let most = rules.symbols_max;
        for asset in &by_name {
            let same =
                |is: fn(&Asset, &Asset) -> bool| chosen.iter().filter(|it| is(it, asset)).count();
            let fits = same(of_one_issuer) == 0
                && same(of_one_sector) < constraints.sector_room(most)
                && (asset.class != AssetClass::Crypto
                    || same(of_one_class) < constraints.crypto_room(most));
            if chosen.len() < most && fits {
                chosen.push(asset);
            }
        }
        let more = rules.symbols_min.saturating_sub(chosen.len());
        let others = by_name.iter().filter(|it| !chosen.contains(it)).copied();
        let others: Vec<&Asset> = others.take(more).collect();
        let all = chosen.into_iter().chain(others);
        let seats = all.map(|it| (it.symbol.clone(), Form::default()));
        Self { seats: seats.collect(), resting: BTreeMap::new() }
    }

    /// Whether a symbol may be entered.
    pub fn holds(&self, symbol: &Symbol) -> bool {
        self.seats.contains_key(symbol)
    }

    /// The members, in alphabetical order, with how their trades have gone.
    pub fn seats(&self) -> impl Iterator<Item = (&Symbol, &Form)> {
        self.seats.iter()
    }

    /// Their names.
    pub fn symbols(&self) -> Vec<Symbol> {
        self.seats.keys().cloned().collect()
    }

    /// Who rests, and until when.
    pub const fn resting(&self) -> &BTreeMap<Symbol, Time> {
        &self.resting
    }

    /// A round trip has ended. That of a symbol that has left meanwhile is nobody's.
    pub fn closed(&mut self, symbol: &Symbol, return_pct: Ratio) {
        if let Some(form) = self.seats.get_mut(symbol) {
            form.add(return_pct);
        }
    }

    /// Carries a change out: who leaves because of its trades rests, and who comes in begins anew.
    pub fn apply(&mut self, change: &Change, rules: &Rules) {
        self.resting.retain(|_, until| *until > change.at);
        for leaver in &change.evict {
            let left = self.seats.remove(&leaver.symbol).is_some();
            if left && !matches!(leaver.reason, Reason::Unlisted { .. }) {
                self.resting.insert(leaver.symbol.clone(), change.at + rules.rest);
            }
        }
        for symbol in &change.admit {
            self.seats.entry(symbol.clone()).or_default();
        }
    }

    /// Those whose trades have gone badly, the worst first.
    pub fn poor(&self, rules: &Rules) -> Vec<Leaver> {
        let judged = self.seats.iter().filter_map(|(symbol, form)| {
            Some((form.level, Leaver { symbol: symbol.clone(), reason: form.judge(rules)? }))
        });
        let mut poor: Vec<(Ratio, Leaver)> = judged.collect();
        poor.sort_by(|(a, _), (b, _)| a.get().total_cmp(&b.get()));
        poor.into_iter().map(|(_, leaver)| leaver).collect()
    }
}

/// A member that leaves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Leaver {
    /// The symbol.
    pub symbol: Symbol,
    /// Why.
    #[serde(flatten)]
    pub reason: Reason,
}

/// A change of a universe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The decision that it belongs to.
    pub decision: DecisionId,
    /// The review's moment.
    pub at: Time,
    /// The members that it was made for: of others it is not carried out.
    pub of: Vec<Symbol>,
    /// Who leaves.
    pub evict: Vec<Leaver>,
    /// Who comes in.
    pub admit: Vec<Symbol>,
}

impl Change {
    /// Whether it is about nobody.
    pub fn is_none(&self) -> bool {
        self.evict.is_empty() && self.admit.is_empty()
    }

    /// Whether it is still about the members that it was made for.
    pub fn fits(&self, members: &Members) -> bool {
        members.seats.keys().eq(&self.of)
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if !self.admit.is_empty() {
            let names: Vec<&str> = self.admit.iter().map(Symbol::as_str).collect();
            parts.push(format!("in: {}", names.join(", ")));
        }
        for Leaver { symbol, reason } in &self.evict {
            parts.push(format!("out: {symbol} ({reason})"));
        }
        f.write_str(&parts.join("; "))
    }
}

impl Decided for Change {
    fn decision(&self) -> &DecisionId {
        &self.decision
    }

    fn adds_risk(&self) -> bool {
        !self.admit.is_empty()
    }
}

/// A list that would take the place of the members.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// The ranking that it is of: without those that rest or whose trades went badly, members favoured.
    pub scored: Scored,
    /// The list, looked at for the last time.
    pub selected: Selected,
    /// Who leaves and who comes in.
    pub change: Change,
}

/// What a ranking says of the members.
#[derive(Clone, Debug, PartialEq)]
pub enum Relisted {
    /// Nobody new is on its list.
    Same,
    /// Too few symbols fit together.
    Short {
        /// Those that do.
        fit: Vec<Symbol>,
        /// What speaks against each other one.
        against: BTreeMap<Symbol, String>,
    },
    /// This list, with somebody new on it.
    List(Box<Listed>),
}

/// Who leaves because of how its trades went: by rule, nobody is asked. The last few stay.
pub fn poor(members: &Members, (rules, decision, at): (&Rules, &DecisionId, Time)) -> Change {
    let room = members.seats.len().saturating_sub(rules.symbols_min);
    let evict = members.poor(rules).into_iter().take(room).collect();
    Change { decision: decision.clone(), at, of: members.symbols(), evict, admit: Vec::new() }
}

/// What a ranking of the run's symbols says of the members.
pub fn relist(
    members: &Members,
    scored: &Scored,
    (rules, decision, at): (&Rules, &DecisionId, Time),
) -> Relisted {
    let poor = members.poor(rules);
    let scored = eligible(scored.clone(), members, &poor, (rules, at));
    let diverse = scored.diverse(rules.symbols_max);
    let (list, passed_over) = (diverse.list, diverse.passed_over);
    let against = |symbol: &Symbol| {
        let passed = passed_over.get(symbol).map(ToString::to_string);
        let excluded = || scored.candidate(symbol).map(|it| it.excluded.join("; "));
        let said = passed.or_else(excluded).filter(|why| !why.is_empty());
        said.unwrap_or_else(|| "a metric has no value".to_owned())
    };
    let selected = match scored.selected(list.clone()) {
        Ok(selected) if list.len() >= rules.symbols_min => selected,
        // A list that breaks a constraint is never made by the ranking; if it were, it would be none.
        _ => {
            let others = scored.candidates().iter().map(|known| &known.symbol);
            let others = others.filter(|symbol| !list.contains(symbol));
            let against = others.map(|symbol| (symbol.clone(), against(symbol))).collect();
            return Relisted::Short { fit: list, against };
        }
    };
    let admit: Vec<Symbol> = list.iter().filter(|it| !members.holds(it)).cloned().collect();
    if admit.is_empty() {
        return Relisted::Same;
    }
    let gone = members.seats.keys().filter(|it| !list.contains(it));
    let leaver = |symbol: &Symbol| {
        let known = poor.iter().find(|leaver| leaver.symbol == *symbol).cloned();
        let unlisted = || Reason::Unlisted { reason: against(symbol) };
        known.unwrap_or_else(|| Leaver { symbol: symbol.clone(), reason: unlisted() })
    };
    let evict = gone.map(leaver).collect();
    let (decision, of) = (decision.clone(), members.symbols());
    let change = Change { decision, at, of, evict, admit };
    Relisted::List(Box::new(Listed { scored, selected, change }))
}

/// The ranking without those that may not be on a list now, and with members favoured.
fn eligible(
    mut scored: Scored,
    members: &Members,
    poor: &[Leaver],
    (rules, at): (&Rules, Time),
) -> Scored {
    for leaver in poor {
        scored.exclude(&leaver.symbol, leaver.reason.to_string());
    }
    for (symbol, until) in members.resting.iter().filter(|(_, until)| **until > at) {
        scored.exclude(symbol, format!("it rests until {until}"));
    }
    let favoured = members.seats.keys().filter(|it| !poor.iter().any(|one| one.symbol == **it));
    scored.favour(&favoured.cloned().collect(), rules.margin);
    scored
}

fn of_one_issuer(a: &Asset, b: &Asset) -> bool {
    let (one, other) = (issuer(&a.name), issuer(&b.name));
    one == other && !one.is_empty()
}

fn of_one_sector(a: &Asset, b: &Asset) -> bool {
    a.sector == b.sector && a.sector != UNKNOWN_SECTOR
}

fn of_one_class(a: &Asset, b: &Asset) -> bool {
    a.class == b.class
}
