//! The person at the terminal: Ctrl-C, and the yes or no of supervised mode.

use std::fmt;
use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use conclave_actors::training::run::port::{Approver, Waiting, Word};
use conclave_domain::guidance::LeverPlan;
use conclave_domain::mode::{Mode, Person};
use tokio::sync::oneshot;

use super::trainers::Watch;
use crate::cli::error::{CliError, ExitCode};
use crate::report::training::in_words;

/// Listens for Ctrl-C and SIGTERM as long as it lives.
#[derive(Debug)]
pub(super) struct Signals {
    /// Ends the listener when it is dropped.
    _end: oneshot::Sender<()>,
}

/// Has the run stop at its next update when somebody presses Ctrl-C.
///
/// # Errors
/// When there is no thread or no handler to be had.
pub(super) fn stops(watch: &Watch) -> Result<Signals, CliError> {
    let stop = Arc::clone(&watch.stop);
    let (end, ended) = oneshot::channel::<()>();
    let runtime = super::super::runtime()?;
    let listen = move || {
        runtime.block_on(async move {
            use tokio::signal::unix::{SignalKind, signal};
            let Ok(mut term) = signal(SignalKind::terminate()) else { return };
            tokio::select! {
                _ = ended => {}
                _ = term.recv() => stop.store(true, Ordering::SeqCst),
                _ = tokio::signal::ctrl_c() => stop.store(true, Ordering::SeqCst),
            }
        });
    };
    let thread = std::thread::Builder::new().name("signals".to_owned()).spawn(listen);
    thread.map(|_| Signals { _end: end }).map_err(CliError::from)
}

/// Asks at the terminal.
pub(super) struct AtTheTerminal {
    asked: Mutex<mpsc::Sender<(String, oneshot::Sender<bool>)>>,
}

impl fmt::Debug for AtTheTerminal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AtTheTerminal")
    }
}

/// Whoever answers in supervised mode at the terminal; nobody where there is none.
///
/// # Errors
/// With exit code 2 where supervised mode is wanted, nobody sits at a terminal, and the run does not
/// listen elsewhere.
pub(super) fn at_the_terminal(
    mode: Option<Mode>,
    listens: bool,
) -> Result<Option<Arc<dyn Approver>>, CliError> {
    let is_there = std::io::stdin().is_terminal();
    if !is_there && !listens && mode == Some(Mode::Supervised) {
        let text = "supervised training asks at the terminal, and there is none: have it listen with \
                    --port, or use advisory or autonomous";
        return Err(CliError::new(ExitCode::Usage, text));
    }
    if !is_there {
        return Ok(None);
    }
    let (asked, questions) = mpsc::channel::<(String, oneshot::Sender<bool>)>();
    // Reading blocks until a line is there, so it has a thread of its own, which ends with the process.
    let read = move || {
        for (question, answer) in questions {
            let _ = write!(std::io::stderr(), "{question} [yes/no] ");
            let mut line = String::new();
            let said = std::io::stdin().lock().read_line(&mut line).is_ok_and(|read| read > 0);
            let _ = answer.send(said && is_yes(&line));
        }
    };
    std::thread::Builder::new().name("approvals".to_owned()).spawn(read)?;
    Ok(Some(Arc::new(AtTheTerminal { asked: Mutex::new(asked) })))
}

/// Anything but a plain yes is none.
fn is_yes(line: &str) -> bool {
    matches!(line.trim().to_lowercase().as_str(), "y" | "yes")
}

impl Approver for AtTheTerminal {
    fn ask(&self, plan: &LeverPlan, reasoning: &str) -> Waiting {
        let levers: Vec<String> = plan
            .proposed
            .iter()
            .map(|proposed| format!("{} ({})", in_words(&proposed.lever), proposed.by))
            .collect();
        // What a model said must not drive the terminal.
        let reasoning = reasoning.replace(char::is_control, " ");
        let question =
            format!("\n{}: {}\n  because {reasoning}\nmove it?", plan.decision, levers.join(", "));
        let (answer, waiting) = oneshot::channel();
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = asked.send((question, answer));
        Box::pin(async move {
            let approves = waiting.await.ok()?;
            Some(Word { person: Person::authenticated("operator", "cli"), approves })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_yes_is_one() {
        for (line, expected) in
            [("yes\n", true), (" Y ", true), ("", false), ("no", false), ("yes please", false)]
        {
            assert_eq!(is_yes(line), expected, "{line:?}");
        }
    }
}
