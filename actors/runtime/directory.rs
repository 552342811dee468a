//! Who is alive: a map from names to health, owned by one runtime instance.
//!
//! Actors are started without ractor's global names: those belong to the process, and two councils
//! in one process would collide.

use std::fmt;
use std::sync::Arc;

use conclave_domain::role::AgentName;
use dashmap::DashMap;
use serde::Serialize;

/// Where an actor is in its lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// Not yet started.
    #[default]
    Starting,
    /// Taking messages.
    Alive,
    /// It ended and is coming back.
    Restarting,
    /// It ended too often; its supervisor gave it up.
    GivenUp,
    /// Stopped on purpose.
    Stopped,
}

/// What is known of one actor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Where it is in its lives.
    pub health: Health,
    /// How often it was restarted.
    pub restarts: u32,
    /// Why it last ended.
    pub last_end: Option<String>,
}

/// The health of every supervised actor. Cheap to clone; no guard ever leaves a method.
#[derive(Clone, Default)]
pub struct Directory(Arc<DashMap<AgentName, Entry>>);

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.all()).finish()
    }
}

impl Directory {
    /// What is known of an actor.
    pub fn get(&self, name: &str) -> Option<Entry> {
        self.0.get(name).map(|entry| entry.value().clone())
    }

    /// Every actor by name, in alphabetical order.
    pub fn all(&self) -> Vec<(AgentName, Entry)> {
        let mut all: Vec<_> =
            self.0.iter().map(|entry| (*entry.key(), entry.value().clone())).collect();
        all.sort_unstable_by_key(|(name, _)| *name);
        all
    }

    /// Notes a change of health.
    pub fn note(&self, name: AgentName, health: Health) {
        self.0.entry(name).or_default().health = health;
    }

    /// Notes an end that will be followed by a restart.
    pub fn note_end(&self, name: AgentName, why: &str) {
        let mut entry = self.0.entry(name).or_default();
        entry.health = Health::Restarting;
        entry.last_end = Some(why.chars().take(200).collect());
    }

    /// Notes a restart that has succeeded.
    pub fn note_restart(&self, name: AgentName) {
        let mut entry = self.0.entry(name).or_default();
        entry.health = Health::Alive;
        entry.restarts = entry.restarts.saturating_add(1);
    }
}
