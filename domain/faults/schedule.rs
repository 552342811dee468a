//! Faults as text: one item, and a list of them.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Fault, Place, Port};

/// One thing that goes wrong once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Item {
    /// Where.
    pub place: Place,
    /// At the how-manieth time, from 1: an agent's number is that of the round.
    pub nth: u64,
    /// What.
    pub fault: Fault,
}

/// A text that names no fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no fault: {why}")]
pub struct ScheduleError {
    text: String,
    why: &'static str,
}

/// How an item must look.
const FORM: &str = "write AGENT=WHAT@ROUND or PLACE.WHAT@NTH, counted from 1";

impl Item {
    /// A fault of an agent.
    pub fn of_agent(agent: &str, fault: Fault, round: u64) -> Self {
        Self { place: Place::Agent(agent.into()), nth: round, fault }
    }

    /// A fault of something else.
    pub const fn of_port(port: Port, fault: Fault, nth: u64) -> Self {
        Self { place: Place::Port(port), nth, fault }
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, nth, fault } = self;
        let sign = if matches!(place, Place::Agent(_)) { '=' } else { '.' };
        write!(f, "{place}{sign}{fault}@{nth}")
    }
}

impl FromStr for Item {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        let error = |why| ScheduleError { text: text.chars().take(80).collect(), why };
        let (head, nth) = text.rsplit_once('@').ok_or_else(|| error(FORM))?;
        let nth = nth.parse().ok().filter(|nth| *nth > 0).ok_or_else(|| error(FORM))?;
        let (place, fault) = if let Some((agent, fault)) = head.split_once('=') {
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            if agent.is_empty() || !agent.chars().all(is_name) {
                return Err(error("an agent's name has letters, digits and underscores"));
            }
            (Place::Agent(Arc::from(agent)), fault)
        } else {
            let (port, fault) = head.split_once('.').ok_or_else(|| error(FORM))?;
            let port = Port::ALL.into_iter().find(|known| known.name() == port);
            (Place::Port(port.ok_or_else(|| error("there is no such place"))?), fault)
        };
        let fault = Fault::by_name(fault).filter(|fault| place.faults().contains(fault));
        let fault = fault.ok_or_else(|| error("this cannot go wrong there"))?;
        Ok(Self { place, nth, fault })
    }
}

/// A list of faults; at most one for each place and number.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Schedule(Vec<Item>);

impl Schedule {
    /// More than anybody could read.
    pub const ITEMS_MAX: usize = 10_000;

    /// These faults, in the order of their places; of two at the same place and number the first.
    pub fn new(items: impl IntoIterator<Item = Item>) -> Self {
        let mut items: Vec<Item> = items.into_iter().collect();
        items.sort_by(|a, b| (&a.place, a.nth).cmp(&(&b.place, b.nth)));
        items.dedup_by(|b, a| a.place == b.place && a.nth == b.nth);
        Self(items)
    }

    /// The faults.
    pub fn items(&self) -> &[Item] {
        &self.0
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing goes wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What goes wrong at a place at the nth time.
    pub fn at(&self, place: &Place, nth: u64) -> Option<Fault> {
        let found = self.0.binary_search_by(|item| (&item.place, item.nth).cmp(&(place, nth)));
        found.ok().and_then(|index| self.0.get(index)).map(|item| item.fault)
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, item) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{item}")?;
        }
        Ok(())
    }
}

impl FromStr for Schedule {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let items = parts.take(Self::ITEMS_MAX + 1).map(Item::from_str);
        let items = items.collect::<Result<Vec<_>, _>>()?;
        if items.len() > Self::ITEMS_MAX {
            let text = text.chars().take(80).collect();
            return Err(ScheduleError { text, why: "it has more than ten thousand items" });
        }
        Ok(Self::new(items))
    }
}
