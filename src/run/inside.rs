//! A run inside another verb: the whole council through its actors, store and log, in a directory of
//! its own that is gone afterwards. Nothing is served and nobody is waited for.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Once};
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
    let opened = world::open(room.path(), &prepared.config, false, clock.clone())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(play(prepared, &opened, clock, room.path()))
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

/// How the names of rooms begin.
const ROOM: &str = "conclave-room-";

/// A fresh directory among the temporary ones; gone when this is dropped. That of a process that was killed
/// is gone when the next one makes a room: a room is locked by whoever uses it, and a lock ends with its
/// process however that ends.
#[derive(Debug)]
pub(crate) struct Room {
    dir: PathBuf,
    lock: File,
}

impl Room {
    /// A directory that nobody has used before.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(crate) fn new() -> Result<Self, CliError> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        static SWEPT: Once = Once::new();
        let temporary = std::env::temp_dir();
        SWEPT.call_once(|| sweep(&temporary));
        let nth = NEXT.fetch_add(1, Ordering::SeqCst);
        let name = format!("{ROOM}{}-{nth}", super::fresh_id());
        let dir = temporary.join(&name);
        let made = Self::made(&temporary.join(format!(".{name}")), &dir);
        made.map_err(|error| {
            let text = format!("{} cannot be made: {error}", dir.display());
            CliError::new(ExitCode::Failure, text)
        })
    }

    /// Makes it under another name, so that it is locked before anybody could sweep it.
    fn made(fresh: &Path, dir: &Path) -> std::io::Result<Self> {
        // Fails where something is there already: nothing of another's is used or removed.
        std::fs::create_dir(fresh)?;
        let lock = File::open(fresh)?;
        lock.lock()?;
        std::fs::rename(fresh, dir)?;
        Ok(Self { dir: dir.to_owned(), lock })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.dir
    }

    /// Leaves it there, for somebody to look at, under a name that is not swept.
    pub(crate) fn leave(mut self) -> PathBuf {
        let room = std::mem::take(&mut self.dir);
        // It ends with this process in any case.
        let _ = self.lock.unlock();
        let name =
            room.file_name().and_then(|name| name.to_str()).and_then(|it| it.strip_prefix(ROOM));
        let left = name.map(|name| room.with_file_name(format!("conclave-{name}")));
        left.filter(|left| std::fs::rename(&room, left).is_ok()).unwrap_or(room)
    }
}

/// Removes the rooms whose processes are gone. What cannot be looked at or removed is left alone.
fn sweep(temporary: &Path) {
    let Ok(entries) = std::fs::read_dir(temporary) else { return };
    for entry in entries.flatten() {
        let is_room = entry.file_name().to_str().is_some_and(|name| name.starts_with(ROOM));
        // A link is no directory here, whatever it leads to.
        if !is_room || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let path = entry.path();
        let is_free = File::open(&path).is_ok_and(|room| room.try_lock().is_ok());
        if is_free && let Err(error) = std::fs::remove_dir_all(&path) {
            tracing::debug!(%error, dir = %path.display(), "a temporary directory was left");
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if self.dir.as_os_str().is_empty() {
            return;
        }
        if let Err(error) = std::fs::remove_dir_all(&self.dir) {
            tracing::warn!(%error, dir = %self.dir.display(), "a temporary directory was left");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_whose_process_is_gone_are_swept_and_no_others() {
        let temporary = tempfile::tempdir().unwrap();
        let at = |name: &str| temporary.path().join(name);
        let rooms = [format!("{ROOM}used"), format!("{ROOM}left")].map(|name| at(&name));
        let [used, left] = rooms.clone().map(|dir| Room::made(&at(".fresh"), &dir).unwrap());
        for dir in [&rooms[0], &rooms[1]] {
            std::fs::write(dir.join("file"), "text").unwrap();
        }
        std::fs::create_dir(at("another")).unwrap();
        let keeper = Room::made(&at(".fresh"), &at(&format!("{ROOM}kept"))).unwrap().leave();
        // As a kill does it: the lock is gone and the directory is not.
        left.lock.unlock().unwrap();
        sweep(temporary.path());
        assert!(used.path().join("file").exists() && !left.path().exists());
        assert!(at("another").exists());
        assert_eq!(keeper, at("conclave-kept"));
        assert!(keeper.exists());
    }
}
