//! SIGHUP: the configuration is read anew, what may change while the process runs is changed, and what
//! may not is named key by key.
//!
//! Whatever a decision depends on needs a restart, but for the patience of the approval queue: limits
//! that change in the middle of a run would make its records hold for two configurations.
//! A file with any error changes nothing.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use conclave_actors::approvals::Expiry;
use conclave_actors::audit::{AuditHandle, record};
use conclave_domain::record::Step;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::adapters::clock::now;
use crate::cli::logging;
use crate::config::{self, Config, ConfigErrors, Layer, Loaded};
use crate::http::rate::{Rate, RateLimits};

/// The keys that are changed while the process runs.
pub(super) const RELOADABLE: &[&str] =
    &["approvals.expiry", "http.burst", "http.requests_per_second", "log.level"];

/// What the keys are changed through.
pub(super) struct Levers {
    /// How long an approval waits.
    pub(super) expiry: Expiry,
    /// How many requests are answered.
    pub(super) rate: Rate,
}

/// Every key with its value and source, as they are in force. Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub struct InForce(Arc<Mutex<Layer>>);

impl InForce {
    pub(super) fn of(layer: Layer) -> Self {
        Self(Arc::new(Mutex::new(layer)))
    }

    fn lock(&self) -> MutexGuard<'_, Layer> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is shown of it, as `config/1`: as `config show` prints it.
    pub fn told(&self) -> Value {
        config::document(&self.lock())
    }
}

/// Reads the configuration anew when it is asked to.
pub(super) struct Reloader {
    /// The file, where one was given.
    pub(super) file: Option<PathBuf>,
    /// The flags that stand for keys.
    pub(super) flags: Vec<(String, String)>,
    /// What is in force.
    pub(super) layer: InForce,
    /// How it is changed.
    pub(super) levers: Levers,
    /// Where it is written down.
    pub(super) audit: AuditHandle,
}

/// A key whose value in the file is another than the one in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Change {
    key: String,
    from: String,
    to: String,
    /// Why it is not in force, where it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    kept: Option<String>,
}

/// What came of it; the record's body.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
struct Outcome {
    /// Changed and in force.
    applied: Vec<Change>,
    /// Changed in the file only.
    needs_restart: Vec<Change>,
    /// Everything that is wrong with the file; then nothing was changed.
    errors: Vec<String>,
}

impl Reloader {
    /// Serves every request until nobody can ask any more.
    pub(super) async fn serve(mut self, mut requests: mpsc::Receiver<()>) {
        while requests.recv().await.is_some() {
            let environment = std::env::vars_os().filter_map(|(name, value)| {
                Some((name.into_string().ok()?, value.into_string().ok()?))
            });
            let loaded = config::load(self.file.as_deref(), environment, &self.flags);
            let outcome = self.reload(loaded);
            tell(&outcome);
            self.note(&outcome).await;
        }
        std::future::pending::<()>().await;
    }

    fn reload(&mut self, loaded: Result<Loaded, ConfigErrors>) -> Outcome {
        let Loaded { config, layer } = match loaded {
            Ok(loaded) => loaded,
            Err(errors) => {
                let errors = errors.0.iter().map(ToString::to_string).collect();
                return Outcome { errors, ..Outcome::default() };
            }
        };
        let mut outcome = Outcome::default();
        for (key, (value, source)) in layer {
            let before = self.layer.lock().get(&key).map(|(before, _)| before.clone());
            if before.as_ref() == Some(&value) {
                continue;
            }
            let from = before.map_or_else(|| "unset".to_owned(), |before| before.to_string());
            let to = value.to_string();
            let kept = self.apply(&key, &config).err();
            if kept.is_none() {
                self.layer.lock().insert(key.clone(), (value, source));
            }
            let list =
                if kept.is_none() { &mut outcome.applied } else { &mut outcome.needs_restart };
            list.push(Change { key, from, to, kept });
        }
        outcome
    }

    /// Brings one key into force, or says why not.
    fn apply(&self, key: &str, config: &Config) -> Result<(), String> {
        let needs_restart = || Err("needs a restart".to_owned());
        if !RELOADABLE.contains(&key) {
            return needs_restart();
        }
        match key {
            "approvals.expiry" => self.levers.expiry.set(config.approvals.expiry),
            "http.burst" | "http.requests_per_second" => {
                let (burst, per_second) = (config.http.burst, config.http.requests_per_second);
                self.levers.rate.set(RateLimits { burst, per_second });
            }
            "log.level" => return logging::configure(&config.log.level),
            _ => return needs_restart(),
        }
        Ok(())
    }

    /// Writes down what came of it, beside the decisions.
    async fn note(&self, outcome: &Outcome) {
        let written = match record(Step::ConfigReloaded, None, now(), outcome) {
            Ok(record) => self.audit.note(record).await,
            Err(error) => Err(error.into()),
        };
        if let Err(error) = written {
            tracing::error!(error = &error as &dyn std::error::Error, "reload not recorded");
        }
    }
}

/// Says on stderr what came of it, whatever is logged: a person has asked and waits.
fn tell(outcome: &Outcome) {
    use std::io::Write as _;
    let mut lines = Vec::new();
    for Change { key, from, to, .. } in &outcome.applied {
        lines.push(format!("{key} is {to} now, it was {from}"));
    }
    for Change { key, from, to, kept } in &outcome.needs_restart {
        let why = kept.as_deref().unwrap_or_default();
        lines.push(format!("{key} stays {from} although it says {to}: {why}"));
    }
    if !outcome.errors.is_empty() {
        lines.push("the configuration is invalid, nothing was changed".to_owned());
        lines.extend(outcome.errors.iter().cloned());
    }
    if lines.is_empty() {
        lines.push("nothing in it has changed".to_owned());
    }
    let text =
        lines.iter().fold(String::new(), |text, line| text + "conclave: reload: " + line + "\n");
    // Where stderr is gone there is nobody left to tell.
    let _ = std::io::stderr().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use conclave_actors::audit::audit;
    use conclave_actors::testkit::memory_audit::MemoryAudit;

    use super::*;

    fn load(text: &str) -> Result<Loaded, ConfigErrors> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("c.toml");
        std::fs::write(&file, text).unwrap();
        config::load(Some(&file), std::iter::empty(), &[])
    }

    fn reloader(text: &str) -> Reloader {
        let log = Arc::new(MemoryAudit::default());
        let (audit, _) = audit(log.clone(), log.anchor(), 1);
        let levers = Levers { expiry: Expiry::new(Duration::from_mins(5)), rate: Rate::default() };
        let layer = InForce::of(load(text).unwrap().layer);
        Reloader { file: None, flags: Vec::new(), layer, levers, audit }
    }

    fn names(changes: &[Change]) -> Vec<&str> {
        changes.iter().map(|change| change.key.as_str()).collect()
    }

    #[test]
    fn what_is_in_force_is_shown_with_its_source_and_no_address_shows_a_secret() {
        let text = "[http]\nburst = 50\n[notify]\nwebhook_url = \"https://a.example/s3cr3t\"\n";
        let told = reloader(text).layer.told();
        let key = |name: &str| told["keys"][name].clone();
        assert_eq!(key("http.burst")["value"], 50);
        assert!(key("http.burst")["source"].as_str().unwrap().starts_with("file "), "{told}");
        assert_eq!(key("http.port")["source"], "default");
        assert_eq!(key("notify.webhook_url")["value"], "https://a.example/…");
    }

    #[test]
    fn what_may_change_changes_and_what_may_not_is_named() {
        let mut reloader = reloader("[risk]\nposition_max = 0.2\n");
        let text = "[risk]\nposition_max = 0.1\n[approvals]\nexpiry = \"9s\"\n[http]\nburst = 50\n\
                    [agents.position_sizer]\nenabled = false\n";
        let outcome = reloader.reload(load(text));
        assert_eq!(names(&outcome.applied), ["approvals.expiry", "http.burst"]);
        assert_eq!(
            names(&outcome.needs_restart),
            ["agents.position_sizer.enabled", "risk.position_max"]
        );
        assert_eq!(reloader.levers.expiry.get(), Duration::from_secs(9));
        let again = reloader.reload(load(text));
        assert!(again.applied.is_empty(), "{again:?}");
        assert_eq!(names(&again.needs_restart).len(), 2, "it still needs a restart");
    }

    #[test]
    fn a_file_with_errors_changes_nothing_and_names_them_all() {
        let mut reloader = reloader("");
        let text = "[approvals]\nexpiry = \"9s\"\n[http]\nburst = 1\n[risk]\nposition_max = 7\n";
        let outcome = reloader.reload(load(text));
        assert!(outcome.applied.is_empty() && outcome.needs_restart.is_empty());
        assert_eq!(outcome.errors.len(), 2, "{outcome:?}");
        assert_eq!(reloader.levers.expiry.get(), Duration::from_mins(5));
        assert_eq!(reloader.reload(load("[[[")).errors.len(), 1);
    }

    #[test]
    fn every_key_that_is_said_to_be_reloaded_is_a_key() {
        let keys = config::keys();
        for key in RELOADABLE {
            assert!(keys.iter().any(|known| known.path == *key), "{key}");
        }
        let commented = config::DEFAULT_TOML.lines().filter(|line| line.contains("SIGHUP"));
        assert_eq!(commented.count(), RELOADABLE.len(), "config/default.toml says which");
    }
}
