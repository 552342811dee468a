//! The last lines of the process's log, in bounded memory, for whoever looks at a board: what goes to
//! stderr, under the same filter, without secrets.

use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use std::sync::{Mutex, MutexGuard, PoisonError};

use conclave_domain::time::Time;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use super::clock::now;
use super::secrets;

/// Lines that are kept.
pub const LINES_MAX: usize = 500;
/// What is kept of a line, bytes; with the number of lines it bounds the memory to half a megabyte.
const TEXT_MAX: usize = 1_000;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its number since the process began, from 1.
    pub nth: u64,
    /// Wall time.
    pub at: Time,
    /// How serious it is.
    pub level: Level,
    /// The module that wrote it.
    pub target: &'static str,
    /// The message, and its fields behind it.
    pub text: String,
}

/// The last lines of a process.
#[derive(Debug)]
pub struct Tail(Mutex<(u64, VecDeque<Line>)>);

/// That of this process.
pub static TAIL: Tail = Tail::new();

impl Default for Tail {
    fn default() -> Self {
        Self::new()
    }
}

impl Tail {
    /// Nothing was logged yet.
    pub const fn new() -> Self {
        Self(Mutex::new((0, VecDeque::new())))
    }

    fn lock(&self) -> MutexGuard<'_, (u64, VecDeque<Line>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, level: Level, target: &'static str, text: &str) {
        let clean: String = text.chars().map(|it| if it.is_control() { ' ' } else { it }).collect();
        let text = secrets::cut(&clean);
        let end = text.floor_char_boundary(TEXT_MAX);
        let mut kept = self.lock();
        kept.0 += 1;
        let line = Line { nth: kept.0, at: now(), level, target, text: text[..end].to_owned() };
        if kept.1.len() == LINES_MAX {
            kept.1.pop_front();
        }
        kept.1.push_back(line);
    }

    /// How many lines were written since the process began.
    pub fn written(&self) -> u64 {
        self.lock().0
    }

    /// The last lines that are at least as serious as `level`, newest first.
    pub fn newest(&self, level: Level, count: usize) -> Vec<Line> {
        let kept = self.lock();
        // A more serious level is the lesser one.
        kept.1.iter().rev().filter(|line| line.level <= level).take(count).cloned().collect()
    }
}

/// Brings what is logged into a tail.
#[derive(Debug)]
pub struct Keep(pub &'static Tail);

impl<S: Subscriber> Layer<S> for Keep {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut words = Words::default();
        event.record(&mut words);
        let meta = event.metadata();
        self.0.push(*meta.level(), meta.target(), &(words.message + &words.fields));
    }
}

/// An event in words.
#[derive(Default)]
struct Words {
    message: String,
    fields: String,
}

impl Visit for Words {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing into a text does not fail, and what is beyond the bound is cut anyway.
        if field.name() == "message" {
            let _ = write!(self.message, "{value:?}");
        } else if self.fields.len() < TEXT_MAX {
            let _ = write!(self.fields, " {}={value:?}", field.name());
        }
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt as _;
    use tracing_subscriber::registry;

    use super::*;

    /// Goal: what is logged is kept in its order with its fields, as one line, without a key, and never more
    /// of it than the bounds say.
    #[test]
    fn the_last_lines_are_kept_without_keys_and_within_bounds() {
        static OWN: Tail = Tail::new();
        let subscriber = registry().with(Keep(&OWN));
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(actor = "audit", "the disk\nis full");
            tracing::info!("a key sk-or-v1-0123456789abcdef slipped in");
            tracing::error!(text = "x".repeat(5_000), "long");
        });
        let texts = |level| -> Vec<String> {
            OWN.newest(level, 9).into_iter().map(|line| line.text).collect()
        };
        let all = texts(Level::INFO);
        assert_eq!(all[1..], ["a key [key] slipped in", "the disk is full actor=audit"]);
        assert_eq!((all[0].len(), OWN.newest(Level::INFO, 9)[0].nth), (TEXT_MAX, 3));
        assert_eq!(texts(Level::WARN).len(), 2, "what is less serious is left out");
        assert_eq!(texts(Level::ERROR).len(), 1);
        let subscriber = registry().with(Keep(&OWN));
        tracing::subscriber::with_default(subscriber, || {
            (0..LINES_MAX * 2).for_each(|nth| tracing::warn!(nth, "again"));
        });
        assert_eq!(OWN.newest(Level::TRACE, usize::MAX).len(), LINES_MAX);
        assert_eq!(OWN.written(), 3 + 2 * LINES_MAX as u64);
        assert_eq!(OWN.newest(Level::WARN, 1)[0].text, "again nth=999");
    }
}
