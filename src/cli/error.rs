//! What a verb ends with when it fails: a text for people and an exit code for scripts.

use std::error::Error;
use std::fmt;
use std::io;

/// The process's exit codes; a promise to scripts (DESIGN §8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ExitCode {
    /// Everything went well.
    Ok = 0,
    /// Something failed that has no code of its own.
    Failure = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// The configuration is invalid.
    Config = 3,
    /// No process is running that could answer.
    NotRunning = 4,
    /// What was asked for does not exist.
    NotFound = 5,
    /// Safety said no.
    Denied = 6,
    /// It took too long.
    Timeout = 7,
    /// Data are invalid, or do not belong together.
    Data = 8,
    /// The broker or a provider failed.
    Broker = 9,
    /// The trading state is halted.
    Halted = 10,
    /// A person interrupted it.
    Interrupted = 130,
}

impl ExitCode {
    /// Every code there is.
    pub const ALL: [Self; 12] = [
        Self::Ok,
        Self::Failure,
        Self::Usage,
        Self::Config,
        Self::NotRunning,
        Self::NotFound,
        Self::Denied,
        Self::Timeout,
        Self::Data,
        Self::Broker,
        Self::Halted,
        Self::Interrupted,
    ];

    /// The number that the shell sees.
    pub const fn number(self) -> u8 {
        self as u8
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code.number())
    }
}

/// A verb's failure. `Display` is this layer's message only; the cause is in [`Error::source`].
#[derive(Debug)]
pub struct CliError {
    /// What the process exits with.
    pub code: ExitCode,
    /// What happened, lowercase and without a full stop; it may have several lines.
    pub message: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl CliError {
    /// A failure without a deeper cause.
    pub fn new(code: ExitCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), source: None }
    }

    /// The same failure with the error that caused it.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Whether the reader of our output has closed it (`| head`): nothing failed that a person would
    /// want to hear of.
    pub fn is_closed_output(&self) -> bool {
        let cause = self.source.as_deref().and_then(|source| source.downcast_ref::<io::Error>());
        cause.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// The message and every cause below it, joined by `: `, as it is shown to a person.
    ///
    /// A cause whose text the text above it ends with already is not said twice.
    pub fn chain(&self) -> String {
        let mut text = self.message.clone();
        let mut cause = self.source();
        while let Some(error) = cause {
            let said = error.to_string();
            if !text.ends_with(&said) {
                text.push_str(": ");
                text.push_str(&said);
            }
            cause = error.source();
        }
        text
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for CliError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

/// Writing to stdout failed. A reader that closed the pipe early (`| head`) is the usual reason.
impl From<io::Error> for CliError {
    fn from(source: io::Error) -> Self {
        Self::new(ExitCode::Failure, "the output could not be written").caused_by(source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_codes_are_the_documented_numbers() {
        let numbers: Vec<u8> = ExitCode::ALL.iter().map(|code| code.number()).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 130]);
    }

    #[test]
    fn only_a_closed_pipe_is_a_closed_output() {
        let closed = CliError::from(io::Error::from(io::ErrorKind::BrokenPipe));
        let full = CliError::from(io::Error::from(io::ErrorKind::StorageFull));
        assert!(closed.is_closed_output() && !full.is_closed_output());
        assert!(!CliError::new(ExitCode::Failure, "other").is_closed_output());
    }

    #[test]
    fn the_chain_names_every_cause_once() {
        let inner = CliError::new(ExitCode::Data, "line 3: `x` is not a number");
        let error = CliError::new(ExitCode::Data, "prices.csv could not be read").caused_by(inner);
        assert_eq!(error.to_string(), "prices.csv could not be read");
        assert_eq!(error.chain(), "prices.csv could not be read: line 3: `x` is not a number");
        let said = CliError::new(ExitCode::Data, "bad: why").caused_by("why");
        assert_eq!(said.chain(), "bad: why");
    }
}
