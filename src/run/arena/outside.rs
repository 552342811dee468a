//! Who hears of a season beside its directory: Postgres, and people. None of it can hold the season up.

use std::path::Path;

use conclave_domain::arena::aggregate::Aggregate;
use conclave_domain::arena::board::Board;
use conclave_domain::arena::telling;
use conclave_domain::notify::Kind;
use conclave_domain::time::Time;

use super::mirror::Mirror;
use crate::cli::arena::Notify;
use crate::cli::error::{CliError, ExitCode};
use crate::config::NotifySettings;
use crate::run::post::Outlet;

/// Where a season's record is kept beside its directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    /// Nowhere.
    Directory,
    /// In Postgres, under a name; its own id when there is none.
    Postgres(Option<String>),
}

/// Those who hear of a season.
#[derive(Debug)]
pub(super) struct Outside {
    mirror: Option<Mirror>,
    outlet: Option<Outlet>,
    notify: Notify,
}

/// The ways to people, where they are to be told.
///
/// # Errors
/// When no way out is configured for it, or one is not taken (3).
pub(super) async fn outlet(
    notify: Notify,
    settings: &NotifySettings,
) -> Result<Option<Outlet>, CliError> {
    if notify == Notify::Never {
        return Ok(None);
    }
    let outlet = Outlet::open(settings, Kind::Arena).await?;
    let none = "--notify: no way out carries `arena`: TELEGRAM_BOT_TOKEN with notify.telegram_chats, \
                SLACK_WEBHOOK_URL or notify.webhook_url would";
    outlet.map(Some).ok_or_else(|| CliError::new(ExitCode::Config, none))
}

impl Outside {
    /// Those who are to hear of the season in `dir`, whose files are there.
    pub(super) fn of(
        record: &Record,
        dir: &Path,
        (outlet, notify): (Option<Outlet>, Notify),
    ) -> Self {
        let mirror = match record {
            Record::Directory => None,
            Record::Postgres(name) => Some(Mirror::start(dir, name.as_deref())),
        };
        Self { mirror, outlet, notify }
    }

    /// A tick's files are written.
    pub(super) fn tick(&self) {
        if let Some(mirror) = &self.mirror {
            mirror.tick();
        }
    }

    /// Tells people of a tick that nobody has been told of yet.
    pub(super) fn tell(&self, season: &str, at: Time, aggregates: &[Aggregate]) {
        if let Some(outlet) = self.outlet.as_ref().filter(|_| self.notify == Notify::Ticks) {
            outlet.tell(telling::of_tick(season, at, aggregates));
        }
    }

    /// Tells people that the season is over.
    pub(super) fn tell_end(&self, board: &Board, at: Time, aggregates: &[Aggregate]) {
        if let Some(outlet) = &self.outlet {
            outlet.tell(telling::of_end(board, at, aggregates));
        }
    }

    /// Lets everything arrive, for some seconds at most; what did not is told.
    pub(super) async fn close(self, dir: &Path) {
        if let Some(outlet) = self.outlet {
            outlet.close().await;
        }
        if let Some(mirror) = self.mirror
            && let Err(why) = mirror.finish().await
        {
            let again = format!("conclave arena export {} --to postgres", dir.display());
            tracing::warn!(
                why,
                again,
                "the season is over and its record in postgres is not complete"
            );
        }
    }
}
