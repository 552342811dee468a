//! What a log tells of its run before it is repeated: its sessions, its answers, where it ends.

use std::collections::BTreeMap;
use std::path::Path;

use conclave_actors::runtime::compare::{Expected, Lines};
use conclave_actors::runtime::recorded::{Recording, RecordingError};
use conclave_domain::order::DecisionId;
use conclave_domain::record::{Anchor, Chain, Line, Step, Stream};
use conclave_domain::time::Time;
use serde::Deserialize;

use super::acts::Act;
use crate::adapters::audit_files::{lines, replay};
use crate::cli::error::{CliError, ExitCode};
use crate::run::recipe::Recipe;

/// How one process of a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// With the data.
    Data,
    /// Somebody stopped it after this many bars of the run.
    Stopped {
        /// Bars that the run had played by then.
        bars: usize,
    },
    /// It was killed, or goes on.
    Open,
}

/// A record from which on a run cannot be repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Barrier {
    /// Its number.
    pub(crate) seq: u64,
    /// Why not.
    pub(crate) why: &'static str,
}

/// What a log tells.
#[derive(Debug)]
pub(crate) struct Script {
    /// The run's processes, in order; never empty.
    pub(crate) sessions: Vec<Ending>,
    /// The agents' answers.
    pub(crate) recording: Recording,
    /// Where the log ends; what it observed is not looked at.
    pub(crate) end: Anchor,
    /// Market time of the last record before the barrier.
    pub(crate) last_at: Time,
    /// Where the exact part ends before the log does.
    pub(crate) barrier: Option<Barrier>,
    /// What persons did beside the bars, and when on the market's clock.
    pub(crate) acts: Vec<(Time, Act)>,
    /// The proposals that nobody had answered, by the number of their first record: those that are
    /// found too old at one moment stand in the order of their names.
    pub(crate) expiries: Expiries,
}

/// Proposals that expired together, by the number of their first record.
pub(crate) type Expiries = BTreeMap<u64, Vec<DecisionId>>;

#[derive(Deserialize)]
struct Header {
    data_hash: String,
    config_hash: String,
}

#[derive(Deserialize)]
struct Ended {
    bars: usize,
    end: String,
}

#[derive(Default)]
struct Reading {
    header: Option<Header>,
    sessions: Vec<Ending>,
    recording: Recording,
    last_at: Time,
    barrier: Option<Barrier>,
    acts: Vec<(Time, Act)>,
    expiries: Expiries,
    /// The number of the record at which the last ones expired.
    expired_at: u64,
    fault: Option<RecordingError>,
    /// The number of the last record.
    seq: u64,
    /// The first record behind those that are missing.
    gap: Option<u64>,
}

/// What a second header after a kill means.
const WENT_ON: &str = "a process went on here from accounts that an earlier one had stored before it \
                       was killed, and the log does not hold these accounts";

impl Script {
    /// Reads and verifies the log in `dir`, and holds its header against the recipe.
    ///
    /// # Errors
    /// With exit code 8 when the log is damaged, has no header, or is not of this recipe.
    pub(crate) fn read(dir: &Path, recipe: &Recipe) -> Result<Self, CliError> {
        let mut reading = Reading::default();
        let verified = replay(dir, 0, |line| reading.line(line))?;
        let bad = |text: String| CliError::new(ExitCode::Data, text);
        let Reading { header, sessions, recording, last_at, barrier, acts, expiries, .. } = reading;
        let (fault, gap) = (reading.fault, reading.gap);
        if let Some(fault) = fault {
            return Err(bad("the log cannot be repeated".to_owned()).caused_by(fault));
        }
        if let Some(seq) = gap {
            let text = format!(
                "the run cannot be repeated: records before {seq} were removed from its log by \
                 `audit.keep_segments`"
            );
            return Err(bad(text));
        }
        let header = header.ok_or_else(|| bad("the log has no readable header".to_owned()))?;
        for (what, said, found) in [
            ("configuration", &header.config_hash, &recipe.config_hash),
            ("bars", &header.data_hash, &recipe.data_hash),
        ] {
            if said != found {
                let text = format!(
                    "recipe.json is of another run: the header's hash of the {what} is {said}, the \
                     recipe's {found}"
                );
                return Err(bad(text));
            }
        }
        let observations = Chain::new(Stream::Observations).head();
        let (decisions, record_hash) = (verified.head, verified.record_hash);
        let end = Anchor { decisions, observations, record_hash };
        Ok(Self { sessions, recording, end, last_at, barrier, acts, expiries })
    }

    /// Whether the log's end, or the end of its exact part, is not the end of a run.
    pub(crate) fn is_open(&self) -> bool {
        self.barrier.is_some() || self.sessions.last() == Some(&Ending::Open)
    }

    /// The number of the last record that can be repeated.
    pub(crate) fn exact_to(&self) -> u64 {
        self.barrier.as_ref().map_or(self.end.decisions.count, |barrier| barrier.seq - 1)
    }
}

impl Reading {
    fn line(&mut self, line: &Line<'_>) {
        if line.seq != self.seq + 1 {
            self.gap.get_or_insert(line.seq);
        }
        self.seq = line.seq;
        if self.barrier.is_some() || self.fault.is_some() {
            return;
        }
        // What was stopped in order goes on without a header.
        if matches!(self.sessions.last(), Some(Ending::Stopped { .. }))
            && line.step != Step::RunStarted
        {
            self.sessions.push(Ending::Open);
        }
        match line.step {
            Step::RunStarted if self.sessions.last() == Some(&Ending::Open) => {
                self.barrier = Some(Barrier { seq: line.seq, why: WENT_ON });
                return;
            }
            Step::RunStarted => {
                if self.header.is_none() {
                    self.header = serde_json::from_str(line.body).ok();
                }
                self.sessions.push(Ending::Open);
            }
            Step::RunEnded => {
                if let (Some(last), Ok(ended)) =
                    (self.sessions.last_mut(), serde_json::from_str::<Ended>(line.body))
                {
                    let Ended { bars, end } = ended;
                    *last = if end == "data" { Ending::Data } else { Ending::Stopped { bars } };
                }
            }
            // The mode that a run begins with stands right behind its header.
            Step::ModeChanged if line.seq == 2 => {}
            Step::HaltRaised
            | Step::HaltLifted
            | Step::StateChanged
            | Step::ModeChanged
            | Step::ApprovalAnswered
            | Step::OrderCleared => {
                let act = Act::of(&Expected::from(line));
                self.acts.extend(act.map(|act| (line.at, act)));
            }
            Step::ApprovalExpired => self.expired(line),
            _ => self.fault = self.recording.take(line).err(),
        }
        self.last_at = self.last_at.max(line.at);
    }

    fn expired(&mut self, line: &Line<'_>) {
        let Some(decision) = &line.decision else { return };
        let together = self.expiries.last_entry().filter(|_| self.expired_at + 1 == line.seq);
        match together {
            Some(mut last) if last.get().last() < Some(decision) => {
                last.get_mut().push(decision.clone());
            }
            _ => {
                self.expiries.insert(line.seq, vec![decision.clone()]);
            }
        }
        self.expired_at = line.seq;
    }
}

/// The lines of a log up to record `last`, in order. The log was verified before; a line that has
/// become unreadable since ends them, and shows as a record that is missing.
///
/// # Errors
/// When the directory cannot be read.
pub(crate) fn expected(dir: &Path, last: u64) -> Result<Lines, CliError> {
    let read = lines(dir, Stream::Decisions)?.map_while(|raw| {
        let raw = raw.ok().filter(|raw| raw.terminated)?;
        Line::read(&raw.text).ok().map(|line| Expected::from(&line))
    });
    Ok(Box::new(read.take_while(move |line| line.seq <= last)))
}
