//! What is remembered of orders, by their ids, and only of the youngest: memory that does not grow. Pure.
//!
//! Duplicates and late news come within moments of an order's end. So the last [`REMEMBERED`] are known
//! and the older ones are forgotten, the least recently touched first. Who forgets must refuse what it
//! then no longer knows (see [`crate::order_state::Orders`]), never take it for new.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::marker::PhantomData;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::order::ClientOrderId;

/// Ended orders that are remembered. At the default budget of 50 actions an hour these are the orders
/// of five hours; at the hard limit of 2,000 those of eight minutes. A broker repeats itself within
/// seconds.
pub const REMEMBERED: usize = 256;

/// Values by order id; the least recently touched is forgotten when there are too many.
///
/// Written as pairs, the oldest first, so that it has one text. A plain map of an earlier version is
/// read too; its order is then that of the ids.
#[derive(Clone, Debug)]
pub struct Recent<V> {
    /// With the number of its last touch.
    by_id: BTreeMap<ClientOrderId, (u64, V)>,
    /// Touches, oldest first. One that is not its order's last any more stands for nothing.
    touches: VecDeque<(u64, ClientOrderId)>,
    /// The number of the next touch.
    next: u64,
}

impl<V> Default for Recent<V> {
    fn default() -> Self {
        Self { by_id: BTreeMap::new(), touches: VecDeque::new(), next: 0 }
    }
}

impl<V: PartialEq> PartialEq for Recent<V> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<V> Recent<V> {
    /// What is remembered of an order.
    pub fn get(&self, id: &ClientOrderId) -> Option<&V> {
        self.by_id.get(id).map(|(_, value)| value)
    }

    /// Remembers an order, which is the youngest from now on.
    pub fn put(&mut self, id: ClientOrderId, value: V)
    where
        V: Default,
    {
        *self.touch(id) = value;
    }

    /// What is remembered of an order, which is the youngest from now on.
    pub fn touch(&mut self, id: ClientOrderId) -> &mut V
    where
        V: Default,
    {
        let touch = self.next;
        self.next += 1;
        self.touches.push_back((touch, id.clone()));
        if self.by_id.len() >= REMEMBERED && !self.by_id.contains_key(&id) {
            self.forget();
        }
        if self.touches.len() > 2 * REMEMBERED {
            let by_id = &self.by_id;
            self.touches.retain(|(nth, of)| {
                *nth == touch || by_id.get(of).is_some_and(|(last, _)| last == nth)
            });
        }
        let (last, value) = self.by_id.entry(id).or_default();
        *last = touch;
        value
    }

    /// Forgets the least recently touched.
    fn forget(&mut self) {
        while let Some((nth, id)) = self.touches.pop_front() {
            if self.by_id.get(&id).is_some_and(|(last, _)| *last == nth) {
                self.by_id.remove(&id);
                return;
            }
        }
    }

    /// How many orders are remembered.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Everything, the least recently touched first.
    pub fn iter(&self) -> impl Iterator<Item = (&ClientOrderId, &V)> {
        self.touches.iter().filter_map(|(nth, id)| {
            let (last, value) = self.by_id.get(id)?;
            (last == nth).then_some((id, value))
        })
    }
}

impl<V: Default> FromIterator<(ClientOrderId, V)> for Recent<V> {
    fn from_iter<I: IntoIterator<Item = (ClientOrderId, V)>>(pairs: I) -> Self {
        let mut recent = Self::default();
        for (id, value) in pairs {
            recent.put(id, value);
        }
        recent
    }
}

impl<V: Serialize> Serialize for Recent<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // bincode wants the length beforehand.
        let pairs: Vec<(&ClientOrderId, &V)> = self.iter().collect();
        pairs.serialize(serializer)
    }
}

impl<'de, V: Default + Deserialize<'de>> Deserialize<'de> for Recent<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let reader = Reader(PhantomData);
        if deserializer.is_human_readable() {
            deserializer.deserialize_any(reader)
        } else {
            deserializer.deserialize_seq(reader)
        }
    }
}

struct Reader<V>(PhantomData<V>);

impl<'de, V: Default + Deserialize<'de>> Visitor<'de> for Reader<V> {
    type Value = Recent<V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("pairs of an order id and what is remembered of it")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut pairs: A) -> Result<Recent<V>, A::Error> {
        let mut recent = Recent::default();
        while let Some((id, value)) = pairs.next_element()? {
            recent.put(id, value);
        }
        Ok(recent)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<Recent<V>, A::Error> {
        let mut recent = Recent::default();
        while let Some((id, value)) = pairs.next_entry()? {
            recent.put(id, value);
        }
        Ok(recent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::symbol::Symbol;
    use crate::order::{DecisionId, Side};
    use crate::time::Time;

    fn id(nth: usize) -> ClientOrderId {
        let at = Time::from_ms(1_000 * i64::try_from(nth).unwrap());
        let decision = DecisionId::new(&Symbol::new("AAA").unwrap(), at, "entry");
        ClientOrderId::derive(&decision, Side::Buy, 0)
    }

    #[test]
    fn the_least_recently_touched_is_forgotten_first() {
        let mut recent = Recent::default();
        for nth in 0..REMEMBERED {
            recent.put(id(nth), nth);
        }
        recent.put(id(0), 1_000);
        recent.put(id(REMEMBERED), REMEMBERED);
        assert_eq!((recent.get(&id(0)), recent.get(&id(1))), (Some(&1_000), None));
        assert_eq!(recent.len(), REMEMBERED);
        for nth in 0..100 * REMEMBERED {
            recent.put(id(nth), nth);
        }
        assert_eq!(recent.iter().next(), Some((&id(99 * REMEMBERED), &(99 * REMEMBERED))));
        for _ in 0..10 * REMEMBERED {
            *recent.touch(id(99 * REMEMBERED)) += 1;
        }
        assert_eq!(recent.get(&id(99 * REMEMBERED)), Some(&(109 * REMEMBERED)));
        assert_eq!((recent.len(), recent.iter().count()), (REMEMBERED, REMEMBERED));
        assert!(recent.touches.len() <= 2 * REMEMBERED, "{}", recent.touches.len());
    }

    /// D-1: what is read back forgets in the same order as what was written.
    #[test]
    fn what_is_read_back_forgets_in_the_same_order() {
        let mut recent: Recent<usize> = (0..REMEMBERED).map(|nth| (id(nth), nth)).collect();
        recent.put(id(7), 7);
        let text = serde_json::to_string(&recent).unwrap();
        let mut read: Recent<usize> = serde_json::from_str(&text).unwrap();
        assert_eq!(read, recent);
        for nth in 0..REMEMBERED {
            read.put(id(1_000 + nth), nth);
            recent.put(id(1_000 + nth), nth);
            assert_eq!(read, recent);
        }
    }

    #[test]
    fn a_plain_map_of_an_earlier_version_is_read() {
        let map: BTreeMap<ClientOrderId, usize> = (0..300).map(|nth| (id(nth), nth)).collect();
        let read: Recent<usize> =
            serde_json::from_str(&serde_json::to_string(&map).unwrap()).unwrap();
        assert_eq!(read.len(), REMEMBERED);
        assert!(read.iter().all(|(id, nth)| map.get(id) == Some(nth)));
        let all: Vec<_> = read.iter().map(|(id, _)| id).collect();
        assert!(all.is_sorted(), "the last of the map's order");
    }
}
