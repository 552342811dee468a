//! Tapes on disk: JSON lines, appended to by one plain thread, read whole.
//!
//! A process that is killed while it writes leaves half a line at the end. Whoever reads the tape is
//! told; whoever goes on with it cuts it off.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use conclave_actors::models::tape::read::{Tape, TapeError};
use conclave_actors::models::tape::{Header, Ordinals, TapeLine, TapeSink};
use conclave_actors::runtime::ports::{Done, StoreError};

/// The tape's file within a run's directory.
pub const FILE: &str = "tape.jsonl";
/// Lines that may wait for the disk; a council has far fewer on their way.
const WAITING_MAX: usize = 4_096;
/// No exchange is longer: a reply has a megabyte at most, and each of its bytes six in JSON.
const LINE_MAX: u64 = 16 << 20;

/// Why a tape cannot be opened or read.
#[derive(Debug, thiserror::Error)]
pub enum TapeFileError {
    /// The file system refuses.
    #[error("{} cannot be read or written", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is no tape that this version reads, or was changed.
    #[error("{} is no tape that can be used", path.display())]
    Tape {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: TapeError,
    },
    /// A line is too long to be one.
    #[error("{}: line {line} is longer than {LINE_MAX} bytes", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Its number, from 1.
        line: u64,
    },
}

/// A tape that was read.
#[derive(Debug)]
pub struct Read {
    /// What it holds.
    pub tape: Tape,
    /// What is said of half a line at its end, if there was one.
    pub cut: Option<String>,
    /// Bytes up to the end of the last whole line.
    end: u64,
}

/// Reads a tape; blocks.
///
/// # Errors
/// When the file cannot be read, is no tape, or was changed.
pub fn read(path: &Path) -> Result<Read, TapeFileError> {
    let at = |source| TapeFileError::Io { path: path.to_owned(), source };
    let mut file = BufReader::new(File::open(path).map_err(at)?);
    let (mut tape, mut end, mut bytes) = (Tape::default(), 0, Vec::new());
    for line in 1_u64.. {
        bytes.clear();
        let count = (&mut file).take(LINE_MAX).read_until(b'\n', &mut bytes).map_err(at)?;
        if count == 0 {
            break;
        }
        let count = count as u64;
        if bytes.pop() != Some(b'\n') {
            if count == LINE_MAX {
                return Err(TapeFileError::TooLong { path: path.to_owned(), line });
            }
            let cut = format!(
                "the last {count} bytes of {} are half a line, which a process that was killed has \
                 left; they are not used",
                path.display()
            );
            return Ok(Read { tape, cut: Some(cut), end });
        }
        let text = String::from_utf8_lossy(&bytes);
        let taken = tape.take(&text);
        taken.map_err(|source| TapeFileError::Tape { path: path.to_owned(), source })?;
        end += count;
    }
    Ok(Read { tape, cut: None, end })
}

type Answer = Done<(), StoreError>;
type Task = (TapeLine, Answer);

/// A tape's writer. Dropping it writes what waits.
#[derive(Debug)]
pub struct TapeFiles {
    queue: Option<SyncSender<Task>>,
    thread: Option<JoinHandle<()>>,
}

impl TapeFiles {
    /// Opens a tape, or goes on with the one that is there, and starts its writer; blocks. Beside it,
    /// how many exchanges with each key it holds already.
    ///
    /// # Errors
    /// When the file cannot be opened, or is something else than a tape.
    pub fn open(path: &Path) -> Result<(Arc<Self>, Ordinals), TapeFileError> {
        let at = |source| TapeFileError::Io { path: path.to_owned(), source };
        let mut options = OpenOptions::new();
        let file = options.read(true).append(true).create(true).open(path).map_err(at)?;
        let found = file.metadata().map_err(at)?.len();
        let Read { tape, cut, end } = read(path)?;
        if let Some(cut) = cut {
            tracing::warn!("{cut}");
        }
        if end < found {
            file.set_len(end).map_err(at)?;
        }
        let mut tail = Tail { file, end, is_broken: false };
        tail.append(&TapeLine::Tape(Header::now())).map_err(|error| at(io::Error::other(error)))?;
        let (queue, tasks) = sync_channel(WAITING_MAX);
        let thread = std::thread::Builder::new()
            .name("tape".to_owned())
            .spawn(move || run(tail, &tasks))
            .map_err(at)?;
        let files = Self { queue: Some(queue), thread: Some(thread) };
        Ok((Arc::new(files), tape.ordinals()))
    }
}

impl TapeSink for TapeFiles {
    fn write(&self, line: TapeLine, done: Answer) {
        // Where nobody writes any more, the dropped answer says so.
        let Some(queue) = &self.queue else { return };
        if let Err(TrySendError::Full((_, done))) = queue.try_send((line, done)) {
            done.answer(Err(StoreError::Busy));
        }
    }
}

impl Drop for TapeFiles {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the writer was logged by the panic hook; there is nobody to tell here.
            let _ = thread.join();
        }
    }
}

fn run(mut tail: Tail, tasks: &Receiver<Task>) {
    while let Ok((line, done)) = tasks.recv() {
        done.answer(tail.append(&line));
    }
    if let Err(error) = tail.file.sync_data() {
        tracing::error!(%error, "the tape may not survive a loss of power");
    }
}

/// The file that grows.
#[derive(Debug)]
struct Tail {
    file: File,
    /// Bytes up to the end of the last whole line.
    end: u64,
    /// Whether half a line stands at its end that could not be taken back.
    is_broken: bool,
}

impl Tail {
    /// Writes a line whole, or takes back what of it was written.
    fn append(&mut self, line: &TapeLine) -> Result<(), StoreError> {
        if self.is_broken {
            return Err(StoreError::Closed);
        }
        let unwritable = |error: serde_json::Error| StoreError::Unwritable {
            what: "tape",
            why: error.to_string(),
        };
        let mut text = serde_json::to_vec(line).map_err(unwritable)?;
        text.push(b'\n');
        match self.file.write_all(&text) {
            Ok(()) => {
                self.end += text.len() as u64;
                Ok(())
            }
            Err(error) => {
                self.is_broken = self.file.set_len(self.end).is_err();
                Err(match error.kind() {
                    io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                        StoreError::DiskFull
                    }
                    _ => StoreError::Engine { what: error.to_string() },
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::mpsc::channel;

    use conclave_actors::models::tape::{Consulted, End};
    use conclave_domain::fixed::Money;
    use conclave_domain::market::symbol::Symbol;
    use conclave_domain::order::DecisionId;
    use conclave_domain::time::Time;

    use super::*;

    fn line(round: u64) -> TapeLine {
        let decision = DecisionId::new(&Symbol::new("AAPL").unwrap(), Time::EPOCH, "entry");
        let end = End::Cancelled { cost: Money::from_raw(3) };
        let agent = "position_sizer".to_owned();
        TapeLine::Consult(Consulted { decision, round, agent, steps: Vec::new(), end })
    }

    fn write(path: &Path, rounds: std::ops::Range<u64>) {
        let (files, _) = TapeFiles::open(path).unwrap();
        let (told, heard) = channel();
        for round in rounds.clone() {
            let told = told.clone();
            files.write(line(round), Done::new(move |written| told.send(written).unwrap()));
        }
        for _ in rounds {
            heard.recv().unwrap().unwrap();
        }
    }

    #[test]
    fn what_was_written_is_read_and_a_second_process_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        write(&path, 1..4);
        write(&path, 4..6);
        let Read { tape, cut, end } = read(&path).unwrap();
        assert_eq!((tape.consults(), tape.lines(), cut), (5, 7, None));
        assert_eq!(end, fs::metadata(&path).unwrap().len());
    }

    /// Goal: whatever byte a kill ends the file at, what stands before is read, and the next process
    /// goes on behind it.
    #[test]
    fn a_torn_tail_is_told_and_cut_off() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        write(&path, 1..3);
        let whole = fs::read(&path).unwrap();
        let last = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
        for end in [last + 1, last + 20, whole.len() - 1] {
            fs::write(&path, &whole[..end]).unwrap();
            let Read { tape, cut, .. } = read(&path).unwrap();
            assert_eq!(tape.consults(), 1);
            assert!(cut.unwrap().contains(&format!("the last {} bytes", end - last)));
            write(&path, 7..9);
            let Read { tape, cut, .. } = read(&path).unwrap();
            assert_eq!((tape.consults(), cut), (3, None));
        }
    }

    #[test]
    fn what_is_no_tape_is_neither_read_nor_written_to() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        assert!(matches!(read(&path), Err(TapeFileError::Io { .. })));
        fs::write(&path, "precious\n").unwrap();
        for error in [read(&path).err().unwrap(), TapeFiles::open(&path).err().unwrap()] {
            assert!(matches!(error, TapeFileError::Tape { .. }), "{error}");
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious\n");
    }
}
