//! The ways out alone, for whoever has no council: it tells, and hears nothing.

use std::sync::Arc;

use conclave_actors::notifier::{Annex, NotifierHandle, notifier};
use conclave_actors::runtime::ports::Clock;
use conclave_domain::notify::{Kind, Notice};
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::{FAREWELL, LOOK, Secrets, Ways};
use crate::adapters::clock::SystemClock;
use crate::cli::error::CliError;
use crate::config::NotifySettings;

/// Whoever is told.
pub(crate) struct Outlet {
    annex: Annex,
    notifier: NotifierHandle,
}

impl std::fmt::Debug for Outlet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Outlet(..)")
    }
}

impl Outlet {
    /// Opens the ways that carry such things on the present runtime; `None` where there is none, or the
    /// notifier does not start, which is said.
    ///
    /// # Errors
    /// When an address or a secret is not taken.
    pub(crate) async fn open(
        settings: &NotifySettings,
        kind: Kind,
    ) -> Result<Option<Self>, CliError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let ways = Ways::of(settings, Secrets::from_env()?, &clock)?;
        let (children, notifier) = notifier(ways.routes, &clock);
        if !notifier.wants(kind) {
            return Ok(None);
        }
        match Annex::start(children, Handle::current()).await {
            Ok(annex) => Ok(Some(Self { annex, notifier })),
            Err(error) => {
                tracing::error!(%error, "nobody is told anything: the notifier did not start");
                Ok(None)
            }
        }
    }

    /// Tells it, at once: what there is no room for is left out and counted.
    pub(crate) fn tell(&self, notice: Notice) {
        self.notifier.tell(notice);
    }

    /// Lets the last words leave, for a few seconds at most, and closes.
    pub(crate) async fn close(self) {
        let until = Instant::now() + FAREWELL;
        while Instant::now() < until && !self.notifier.is_idle() {
            tokio::time::sleep(LOOK).await;
        }
        let waiting = self.notifier.waiting();
        if waiting > 0 {
            tracing::warn!(waiting, "notices of the season were not delivered before its end");
        }
        self.annex.stop().await;
    }
}
