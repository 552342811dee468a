//! Work of which only so much is done at one time: streams, searches of the log, logs that are taken away.
//! What finds no place is refused at once; nothing waits here.

use std::sync::Arc;

use conclave_domain::mode::Person;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::desk::{Answer, Command, Desk, Filter, Lines, Refusal, Text, View};

/// Streams of events at one time: what is left of the connections is for everything that ends.
const STREAMS_MAX: usize = 64;
/// Searches at one time: each reads the whole log, and the disk is the same that trading writes to.
const SEARCHES_MAX: usize = 2;
/// Logs that are taken away at one time.
const EXPORTS_MAX: usize = 4;

/// The places of one server.
#[derive(Clone, Debug)]
pub struct Places {
    streams: Arc<Semaphore>,
    exports: Arc<Semaphore>,
}

/// A place that is free again when this is dropped.
pub(super) type Place = OwnedSemaphorePermit;

impl Places {
    /// All of them free.
    pub(super) fn new() -> Self {
        let [streams, exports] = [STREAMS_MAX, EXPORTS_MAX].map(|most| Semaphore::new(most).into());
        Self { streams, exports }
    }

    /// A place for a stream of events.
    pub(super) fn stream(&self) -> Result<Place, Refusal> {
        let text = "as many streams of events are read as there is room for; close a page that nobody \
                    looks at";
        place(&self.streams, text)
    }

    /// A place for a log that is taken away.
    pub(super) fn export(&self) -> Result<Place, Refusal> {
        place(&self.exports, "four logs are being taken away; wait for one of them")
    }
}

fn place(of: &Arc<Semaphore>, text: &str) -> Result<Place, Refusal> {
    Arc::clone(of).try_acquire_owned().map_err(|_| Refusal::Busy(text.to_owned()))
}

/// A desk that searches its log for a few at a time.
pub(super) struct Searched {
    desk: Arc<dyn Desk>,
    searches: Arc<Semaphore>,
}

impl Searched {
    pub(super) fn new(desk: Arc<dyn Desk>) -> Self {
        Self { desk, searches: Arc::new(Semaphore::new(SEARCHES_MAX)) }
    }

    async fn search(&self, view: View) -> Result<serde_json::Value, Refusal> {
        let text = "two searches read the log; ask again when one of them has ended";
        let (desk, place) = (Arc::clone(&self.desk), place(&self.searches, text)?);
        #[expect(
            clippy::disallowed_methods,
            reason = "a search reads on when its asker has gone, and holds its place until it has read"
        )]
        let found = tokio::spawn(async move {
            let found = desk.view(view).await;
            drop(place);
            found
        });
        let broke = || Refusal::Unavailable("reading the log broke; look at stderr".to_owned());
        found.await.unwrap_or_else(|_| Err(broke()))
    }
}

impl Desk for Searched {
    fn view(&self, view: View) -> Answer<'_> {
        match view {
            View::Audit(_) | View::Round(_) | View::Rounds => Box::pin(self.search(view)),
            _ => self.desk.view(view),
        }
    }

    fn export(&self, filter: Filter) -> Lines {
        self.desk.export(filter)
    }

    fn command(&self, by: Person, command: Command) -> Answer<'_> {
        self.desk.command(by, command)
    }

    fn is_ready(&self) -> bool {
        self.desk.is_ready()
    }

    fn metrics(&self) -> Text<'_> {
        self.desk.metrics()
    }
}
