//! Logs to stderr, and their tail for the board: what is logged, who may change that, and one line per panic.

use std::io::Write;
use std::sync::OnceLock;

use tracing::Subscriber;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, fmt, registry, reload};

use super::error::{CliError, ExitCode};
use crate::adapters::log_tail::{Keep, TAIL};
#[cfg(feature = "otlp")]
use crate::adapters::otlp;

/// What is logged where nobody says anything else.
const DEFAULT: &str = "warn";

/// The filter in force.
struct Filter {
    /// Whether the command line or the environment named it: then the configuration does not count.
    is_given: bool,
    set: Set,
}

/// Puts another filter in force.
type Set = Box<dyn Fn(EnvFilter) -> Result<(), String> + Send + Sync>;

static FILTER: OnceLock<Filter> = OnceLock::new();

/// Starts logging; `filter` is what the command line or the environment asks for.
///
/// # Errors
/// When the text is no filter.
pub fn start(filter: Option<&str>) -> Result<(), CliError> {
    use std::io::IsTerminal as _;
    let parsed = EnvFilter::try_new(filter.unwrap_or(DEFAULT))
        .map_err(|error| CliError::new(ExitCode::Usage, format!("--log is no filter: {error}")))?;
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    // One line per panic: the default hook's backtraces make the restart of an actor slow.
    std::panic::set_hook(Box::new(|panic| {
        let what = panic.payload_as_str().unwrap_or("(no text)");
        let place = panic.location().map_or_else(String::new, ToString::to_string);
        tracing::error!(place, "panic: {what}");
    }));
    let (subscriber, set) = subscriber(parsed, colour);
    // A second call in one process (tests) keeps the first subscriber.
    if subscriber.try_init().is_ok() {
        let _ = FILTER.set(Filter { is_given: filter.is_some(), set });
    }
    Ok(())
}

/// Who hears of lines and spans, and how its filter is changed.
fn subscriber(filter: EnvFilter, colour: bool) -> (impl Subscriber + Send + Sync, Set) {
    let (filter, handle) = reload::Layer::new(filter);
    let lines = fmt::layer().with_writer(|| Quiet).with_ansi(colour);
    let lines = lines.and_then(Keep(&TAIL)).with_filter(filter);
    let subscriber = registry();
    // First, so that what it takes does not hang on what is logged.
    #[cfg(feature = "otlp")]
    let subscriber = subscriber.with(otlp::Spans.with_filter(otlp::Ours));
    let set = move |filter| handle.reload(filter).map_err(|error| error.to_string());
    (subscriber.with(lines), Box::new(set))
}

/// Changes what is logged to what the configuration says.
///
/// # Errors
/// Why it was not changed: the command line has named it, or the text is no filter.
pub fn configure(level: &str) -> Result<(), String> {
    let Some(filter) = FILTER.get() else { return Err("logging was not started".to_owned()) };
    if filter.is_given {
        return Err("--log or CONCLAVE_LOG names what is logged".to_owned());
    }
    let parsed = EnvFilter::try_new(level).map_err(|error| error.to_string())?;
    (filter.set)(parsed)
}

/// Standard error that nobody has to read: a closed pipe loses the line and nothing else.
struct Quiet;

impl Write for Quiet {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let _ = std::io::stderr().write_all(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tracing::level_filters::LevelFilter;

    use super::*;

    /// Goal: a span or a line that nobody takes costs the comparison of a level, with the exporter built
    /// in too.
    #[test]
    fn what_is_not_logged_is_turned_away_by_its_level() {
        let (subscriber, set) = subscriber(EnvFilter::new(DEFAULT), false);
        assert_eq!(subscriber.max_level_hint(), Some(LevelFilter::WARN));
        set(EnvFilter::new("debug")).unwrap();
        assert_eq!(subscriber.max_level_hint(), Some(LevelFilter::DEBUG));
        set(EnvFilter::new("error")).unwrap();
        assert_eq!(subscriber.max_level_hint(), Some(LevelFilter::ERROR));
    }
}
