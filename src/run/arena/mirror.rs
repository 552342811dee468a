//! A season's record in Postgres while the season goes on. It reads the season's files in a task of its
//! own: an outage of the database costs the season nothing, and is told at the end.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::adapters::arena_store::SeasonFiles;
use crate::adapters::arena_store::postgres::{Database, StoreError};

/// How long is waited after the first failure; twice as long after each other one.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// The longest wait.
const PAUSE_MAX: Duration = Duration::from_mins(1);
/// How long the season's end waits for the rest.
const END_WITHIN: Duration = Duration::from_secs(10);

/// How far the season is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signal {
    /// A tick has closed since.
    Goes,
    /// All files are written.
    Over,
}

/// Keeps a season's record up in Postgres.
#[derive(Debug)]
pub(super) struct Mirror {
    signal: watch::Sender<Signal>,
    tasks: JoinSet<Result<(), StoreError>>,
}

impl Mirror {
    /// Begins, with the season in `dir`; `name` is what it is kept as, its own id when there is none.
    pub(super) fn start(dir: &Path, name: Option<&str>) -> Self {
        let (signal, heard) = watch::channel(Signal::Goes);
        let mut tasks = JoinSet::new();
        tasks.spawn(mirrored(dir.to_path_buf(), name.map(str::to_owned), heard));
        Self { signal, tasks }
    }

    /// A tick has closed.
    pub(super) fn tick(&self) {
        self.signal.send_replace(Signal::Goes);
    }

    /// Waits until everything is there, for a while.
    ///
    /// # Errors
    /// Why the store lacks something now.
    pub(super) async fn finish(mut self) -> Result<(), String> {
        self.signal.send_replace(Signal::Over);
        match timeout(END_WITHIN, self.tasks.join_next()).await {
            Ok(Some(Ok(Ok(())))) => Ok(()),
            Ok(Some(Ok(Err(error)))) => Err(chain(&error)),
            Ok(_) => Err("its task has ended".to_owned()),
            Err(_) => Err(format!("it was not there after {} s", END_WITHIN.as_secs())),
        }
    }
}

async fn mirrored(
    dir: PathBuf,
    name: Option<String>,
    mut signal: watch::Receiver<Signal>,
) -> Result<(), StoreError> {
    let mut pause = PAUSE_MIN;
    let mut open = None;
    loop {
        let is_over = *signal.borrow_and_update() == Signal::Over;
        match pass(open.take(), &dir, name.as_deref()).await {
            Ok(kept) => {
                (pause, open) = (PAUSE_MIN, Some(kept));
                if is_over || signal.changed().await.is_err() {
                    return Ok(());
                }
            }
            Err(error) if error.is_passing() => {
                tracing::warn!(
                    error = chain(&error),
                    ?pause,
                    "the season goes on without postgres"
                );
                tokio::select! {
                    () = sleep(pause) => {}
                    // The season's end does not wait for a pause.
                    _ = signal.wait_for(|it| *it == Signal::Over), if !is_over => {}
                }
                pause = (pause * 2).min(PAUSE_MAX);
            }
            Err(error) => return Err(error),
        }
    }
}

/// One export by the connection that is open, or by a new one.
async fn pass(
    open: Option<(Database, SeasonFiles)>,
    dir: &Path,
    name: Option<&str>,
) -> Result<(Database, SeasonFiles), StoreError> {
    let (database, files) = if let Some(open) = open {
        open
    } else {
        let database = Database::open().await?;
        database.migrate().await?;
        (database, SeasonFiles::open(dir)?)
    };
    let id = name.unwrap_or(&files.document.id).to_owned();
    let (files, _) = database.export(files, &id).await?;
    Ok((database, files))
}

/// An error with everything below it.
fn chain(error: &StoreError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
