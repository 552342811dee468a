//! A run inside another verb: the whole council through its actors, store and log, in a directory of
//! its own that is gone afterwards. Nothing is served and nobody is waited for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use conclave_actors::broker::Account;
use conclave_actors::driver;
use conclave_actors::pump::Pump;
use conclave_domain::stats::Stats;
use tokio::sync::watch;

use super::clock::{Replay, ReplayClock};
use super::finish::{self, End};
use super::prepare::Prepared;
use super::start::{Disks, begin, enter_mode, start};
use super::way::{Base, Way};
use super::world;
use crate::adapters::journal_files::Left;
use crate::cli::error::{CliError, ExitCode};
use crate::cli::progress::Progress;

/// What such a run leaves.
#[derive(Debug)]
pub(crate) struct Inside {
    /// The account that traded.
    pub(crate) account: Account,
    /// What that account has behind it.
    pub(crate) left: Left,
    /// What was counted.
    pub(crate) stats: Stats,
    /// How often each agent was started again, where it was.
    pub(crate) restarts: BTreeMap<String, u64>,
}

/// Plays everything to the end of its bars and verifies the audit chain that this has left.
///
/// # Errors
/// When the directory, the store or an actor refuses, or the chain does not verify.
pub(crate) fn play_inside(prepared: &Prepared) -> Result<Inside, CliError> {
    let room = Room::new()?;
    let clock = Arc::new(ReplayClock::default());
    let opened = world::open(&room.0, &prepared.config, false, clock.clone())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(play(prepared, &opened, clock, &room.0))
}

async fn play(
    prepared: &Prepared,
    opened: &world::Opened,
    clock: Arc<ReplayClock>,
    dir: &Path,
) -> Result<Inside, CliError> {
    clock.set(prepared.begins_at());
    let base = Base::new(&Way::Fresh, opened, prepared)?;
    let mut warm = prepared.warmed_up(None, None)?;
    let disks = Disks::open(opened, &base)?;
    let world = (opened, &disks, Arc::clone(&clock));
    let council = start(prepared, world, &base, &warm, None).await?;
    begin(prepared, &council, &base).await?;
    enter_mode(prepared, &council).await?;
    let (_never, stop) = watch::channel(false);
    let progress = Progress::bars(prepared.tape.bars() as u64);
    let rhythm = Replay { clock, progress, pace: Duration::ZERO, again: None };
    let mut pump = Pump { council: council.clone(), stop, rhythm };
    let played = driver::play(&mut warm.tape, prepared.config.run.chunk, &mut pump).await;
    let played = played.map_err(|error| {
        CliError::new(ExitCode::Failure, "the back-test cannot go on").caused_by(error)
    })?;
    finish::settle(&council, End::Data, played).await?;
    let (accounts, anchor) = finish::close(&council).await?;
    let (stats, restarts) = (council.score.stats(), finish::restarts(&council));
    council.stop().await;
    finish::verify(dir, &anchor)?;
    let none = || CliError::new(ExitCode::Failure, "the run left no account");
    let (book, account) = finish::main_account(&accounts).ok_or_else(none)?;
    let left = finish::behind(dir, book, account)?;
    Ok(Inside { account: account.clone(), left, stats, restarts })
}

/// A fresh directory among the temporary ones; gone when this is dropped.
#[derive(Debug)]
pub(crate) struct Room(pub(super) PathBuf);

impl Room {
    /// A directory that nobody has used before.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(crate) fn new() -> Result<Self, CliError> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let nth = NEXT.fetch_add(1, Ordering::SeqCst);
        let name = format!("conclave-{}-{nth}", super::fresh_id());
        let dir = std::env::temp_dir().join(name);
        // Fails where something is there already: nothing of another's is used or removed.
        std::fs::create_dir(&dir).map_err(|error| {
            let text = format!("{} cannot be made: {error}", dir.display());
            CliError::new(ExitCode::Failure, text)
        })?;
        Ok(Self(dir))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Leaves it there, for somebody to look at.
    pub(crate) fn leave(mut self) -> PathBuf {
        std::mem::take(&mut self.0)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if self.0.as_os_str().is_empty() {
            return;
        }
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, dir = %self.0.display(), "a temporary directory was left");
        }
    }
}
