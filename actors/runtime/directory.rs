//! Who is alive: a map from names to health, owned by one runtime instance.
//!
//! Actors are started without ractor's global names: those belong to the process, and two councils
//! in one process would collide.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use conclave_domain::role::AgentName;
use dashmap::DashMap;
use serde::Serialize;
use tokio::time::Instant;

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

/// How often an actor has ended within the window that its supervisor looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Lately {
    /// Restarts within the window.
    pub restarts: usize,
    /// How many there may be; one more and it is given up.
    pub limit: usize,
    /// The window, seconds.
    pub within_s: u64,
}

/// When an actor has ended, as its supervisor counts.
#[derive(Clone, Debug, Default)]
struct Ends {
    at: Vec<Instant>,
    limit: usize,
    within: Duration,
}

/// The health of every supervised actor. Cheap to clone; no guard ever leaves a method.
#[derive(Clone, Default)]
pub struct Directory(Arc<DashMap<AgentName, Entry>>, Arc<DashMap<AgentName, Ends>>);

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

    /// Notes which ends count against an actor, and how many may within a window.
    pub fn note_ends(&self, name: AgentName, at: Vec<Instant>, limit: usize, within: Duration) {
        self.1.insert(name, Ends { at, limit, within });
    }

    /// How often an actor has ended lately; `None` for one that never has.
    pub fn lately(&self, name: &str) -> Option<Lately> {
        let ends = self.1.get(name)?;
        let counts = |at: &&Instant| at.elapsed() < ends.within;
        let restarts = ends.at.iter().filter(counts).count();
        Some(Lately { restarts, limit: ends.limit, within_s: ends.within.as_secs() })
    }

    /// Notes a restart that has succeeded.
    pub fn note_restart(&self, name: AgentName) {
        let mut entry = self.0.entry(name).or_default();
        entry.health = Health::Alive;
        entry.restarts = entry.restarts.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: what is shown beside the limit is what the supervisor counts: an end that the window has passed
    /// over is none any more.
    #[tokio::test(start_paused = true)]
    async fn an_end_counts_within_its_window_only() {
        let directory = Directory::default();
        assert_eq!(directory.lately("position_sizer"), None, "it never ended");
        let minute = Duration::from_mins(1);
        directory.note_ends("position_sizer", vec![Instant::now()], 5, minute);
        let one = Lately { restarts: 1, limit: 5, within_s: 60 };
        assert_eq!(directory.lately("position_sizer"), Some(one));
        tokio::time::advance(minute).await;
        assert_eq!(directory.lately("position_sizer"), Some(Lately { restarts: 0, ..one }));
    }
}
