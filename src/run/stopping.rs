//! A process that is being stopped: its desk shows everything and obeys nobody any more, and its last
//! words say how to go on.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use conclave_domain::mode::Person;
use tokio::sync::watch;

use crate::cli::error::{CliError, ExitCode};
use crate::http::desk::{Answer, Command, Desk, Filter, Lines, Refusal, Text, View};

/// Says how a run that was stopped goes on; nothing where its bars were at their end.
///
/// # Errors
/// With exit code 130 when it was a person's Ctrl-C.
pub(super) fn farewell(by_person: bool, was_stopped: bool, dir: &Path) -> Result<(), CliError> {
    let how = format!("`conclave run --resume {}` goes on", dir.display());
    if by_person {
        return Err(CliError::new(ExitCode::Interrupted, format!("interrupted; {how}")));
    }
    if was_stopped {
        // Where stderr is gone there is nobody left to tell.
        let _ = writeln!(std::io::stderr(), "conclave: stopped; {how}");
    }
    Ok(())
}

/// A desk in front of another one.
pub(super) struct Stopping {
    /// The desk that does the work.
    pub(super) desk: Arc<dyn Desk>,
    /// Whether the process is being stopped.
    pub(super) stopped: watch::Receiver<bool>,
}

impl Desk for Stopping {
    fn view(&self, view: View) -> Answer<'_> {
        self.desk.view(view)
    }

    fn export(&self, filter: Filter) -> Lines {
        self.desk.export(filter)
    }

    fn command(&self, by: Person, command: Command) -> Answer<'_> {
        // A halt makes everything more careful, and is in force in the next process too.
        if *self.stopped.borrow() && !matches!(command, Command::Halt(_)) {
            let text = "the process is being stopped and takes no command any more; give it to the \
                        next one";
            return Box::pin(async move { Err(Refusal::Unavailable(text.to_owned())) });
        }
        self.desk.command(by, command)
    }

    fn is_ready(&self) -> bool {
        !*self.stopped.borrow() && self.desk.is_ready()
    }

    fn metrics(&self) -> Text<'_> {
        self.desk.metrics()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::http::desk::Why;

    /// Obeys everything.
    struct Willing;

    impl Desk for Willing {
        fn view(&self, _: View) -> Answer<'_> {
            Box::pin(async { Ok(Value::Null) })
        }

        fn command(&self, _: Person, _: Command) -> Answer<'_> {
            Box::pin(async { Ok(Value::Null) })
        }

        fn is_ready(&self) -> bool {
            true
        }

        fn metrics(&self) -> Text<'_> {
            Box::pin(async { String::new() })
        }
    }

    #[tokio::test]
    async fn a_process_that_is_being_stopped_takes_a_halt_and_nothing_else() {
        let (stop, stopped) = watch::channel(false);
        let desk = Stopping { desk: Arc::new(Willing), stopped };
        let by = || Person::authenticated("operator", "token");
        assert!(desk.is_ready());
        assert!(desk.command(by(), Command::Resume(Why::default())).await.is_ok());
        stop.send_replace(true);
        assert!(!desk.is_ready());
        for command in [
            Command::Resume(Why::default()),
            Command::Reduce(Why::default()),
            Command::Flatten(Why::default()),
        ] {
            let refused = desk.command(by(), command).await.unwrap_err();
            assert!(refused.to_string().contains("being stopped"), "{refused}");
        }
        assert!(desk.command(by(), Command::Halt(Why::default())).await.is_ok());
        assert!(desk.view(View::Status).await.is_ok());
    }
}
