//! The journal on disk: in `journal/`, two files per book, appended to by one plain thread.
//!
//! `BOOK.curve` holds points of 40 bytes, `BOOK.closed` a JSON line for each closed trade and each
//! order that has left memory. What the stored account counts of them is its own; whatever lies behind
//! that was written after the account was stored, and is cut off when a run goes on.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use conclave_actors::journal::{Extent, Line, POINT_BYTES, Piece, read_point};
use conclave_actors::runtime::ports::{Done, Journal, StoreError};
use conclave_domain::context::BookKind;
use conclave_domain::custody::{Closed, EquityPoint};

/// The journal's directory within a run's.
const DIR: &str = "journal";
/// No trade or order is longer, so that damage cannot exhaust the memory.
const LINE_MAX: u64 = 1 << 20;

/// The journal's writer. Dropping it writes what waits.
#[derive(Debug)]
pub struct JournalFiles {
    queue: Option<Sender<Task>>,
    thread: Option<JoinHandle<()>>,
}

type Answer = Done<(), StoreError>;

#[derive(Debug)]
enum Task {
    Append(BookKind, Piece, Answer),
    Sync(Answer),
}

/// What was read back of one book.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Left {
    /// The equity curve.
    pub curve: Vec<EquityPoint>,
    /// Trades and forgotten orders.
    pub closed: Closed,
}

impl JournalFiles {
    /// Opens the journal of the run in `dir`, as long as the stored accounts say, and starts its writer.
    /// Blocks: call it before the runtimes start.
    ///
    /// # Errors
    /// When a file is shorter than its account says, which is damage, or cannot be opened.
    pub fn open(dir: &Path, extents: &BTreeMap<BookKind, Extent>) -> Result<Self, StoreError> {
        let dir = dir.join(DIR);
        fs::create_dir_all(&dir).map_err(|error| engine(&error))?;
        let mut files = Vec::with_capacity(BookKind::ALL.len());
        for book in BookKind::ALL {
            let Extent { curve, closed } = extents.get(&book).copied().unwrap_or_default();
            let curve = Tail::open(&dir, &format!("{}.curve", book.name()), curve)?;
            let closed = Tail::open(&dir, &format!("{}.closed", book.name()), closed)?;
            files.push((book, curve, closed));
        }
        // The names survive a loss of power before anything counts on them.
        let synced = File::open(&dir).and_then(|dir| dir.sync_all());
        synced.map_err(|error| engine(&error))?;
        let (queue, tasks) = channel();
        let thread = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || run(files, &tasks))
            .map_err(|error| engine(&error))?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    /// Reads back what belongs to an account; blocks.
    ///
    /// # Errors
    /// When it is not there, or is not what was written.
    pub fn read(dir: &Path, book: BookKind, extent: Extent) -> Result<Left, StoreError> {
        let path = |of: &str| dir.join(DIR).join(format!("{}.{of}", book.name()));
        let mut left = Left::default();
        read_curve(&path("curve"), extent.curve, &mut left.curve)?;
        read_closed(&path("closed"), extent.closed, &mut left.closed)?;
        Ok(left)
    }

    /// At most `most` points of a book's curve as it stands in the files of a run that goes on, evenly
    /// spread and the last one among them; nothing where there are none. Blocks.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn outline(dir: &Path, book: BookKind, most: u64) -> io::Result<Vec<EquityPoint>> {
        let path = dir.join(DIR).join(format!("{}.curve", book.name()));
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            opened => opened?,
        };
        let size = POINT_BYTES as u64;
        let count = file.metadata()?.len() / size;
        let stride = count.div_ceil(most.max(1)).max(1);
        let mut points = Vec::new();
        // Backwards from the last one, so that the present is in it.
        for nth in (0..count).rev().step_by(usize::try_from(stride).unwrap_or(usize::MAX)) {
            let mut bytes = [0; POINT_BYTES];
            file.read_exact_at(&mut bytes, nth * size)?;
            points.extend(read_point(&bytes));
        }
        points.reverse();
        Ok(points)
    }

    fn send(&self, task: Task) {
        // Where nobody writes any more, the dropped answer says so.
        if let Some(queue) = &self.queue {
            let _ = queue.send(task);
        }
    }
}

impl Journal for JournalFiles {
    fn append(&self, book: BookKind, piece: Piece, done: Answer) {
        self.send(Task::Append(book, piece, done));
    }

    fn sync(&self, done: Answer) {
        self.send(Task::Sync(done));
    }
}

impl Drop for JournalFiles {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the writer was logged by the panic hook; there is nobody to tell here.
            let _ = thread.join();
        }
    }
}

fn run(mut files: Vec<(BookKind, Tail, Tail)>, tasks: &Receiver<Task>) {
    while let Ok(task) = tasks.recv() {
        match task {
            Task::Append(of, piece, done) => {
                let found = files.iter_mut().find(|(book, ..)| *book == of);
                let written = found.map_or(Err(StoreError::Closed), |(_, curve, closed)| {
                    // Both keep what they cannot write, so neither waits for the other.
                    let first = curve.append(&piece.curve);
                    closed.append(&piece.closed).and(first)
                });
                done.answer(written);
            }
            Task::Sync(done) => {
                let mut tails = files.iter_mut().flat_map(|(_, curve, closed)| [curve, closed]);
                done.answer(tails.try_for_each(Tail::sync));
            }
        }
    }
}

/// A file that is appended to.
#[derive(Debug)]
struct Tail {
    file: File,
    /// Bytes that were written.
    end: u64,
    /// Bytes that could not be written yet: as many as were played while the disk refused.
    owed: Vec<u8>,
    is_synced: bool,
}

impl Tail {
    fn open(dir: &Path, name: &str, end: u64) -> Result<Self, StoreError> {
        let path = dir.join(name);
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(&path);
        let file = file.map_err(|error| engine(&error))?;
        let found = file.metadata().map_err(|error| engine(&error))?.len();
        if found < end {
            return Err(short(&path, found, end));
        }
        if end < found {
            tracing::info!(file = %path.display(), bytes = found - end, "journal cut back");
            file.set_len(end).map_err(|error| engine(&error))?;
        }
        // What an account counts was synced before the account was stored.
        Ok(Self { file, end, owed: Vec::new(), is_synced: true })
    }

    /// Writes at the known end: what a failed write has left there is written over.
    fn append(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        if !self.owed.is_empty() {
            self.owed.extend_from_slice(bytes);
            let owed = std::mem::take(&mut self.owed);
            let written = self.write(&owed);
            if written.is_err() {
                self.owed = owed;
            }
            return written;
        }
        let written = self.write(bytes);
        if written.is_err() {
            self.owed.extend_from_slice(bytes);
        }
        written
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.file.write_all_at(bytes, self.end).map_err(|error| engine(&error))?;
        self.end += bytes.len() as u64;
        self.is_synced = false;
        Ok(())
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        self.append(&[])?;
        if !self.is_synced {
            self.file.sync_data().map_err(|error| engine(&error))?;
            self.is_synced = true;
        }
        Ok(())
    }
}

/// A file's first bytes, which must be there.
fn prefix(path: &Path, bytes: u64) -> Result<io::Take<BufReader<File>>, StoreError> {
    let file = File::open(path).map_err(|error| engine(&error))?;
    let found = file.metadata().map_err(|error| engine(&error))?.len();
    if found < bytes {
        Err(short(path, found, bytes))
    } else {
        Ok(BufReader::new(file).take(bytes))
    }
}

fn read_curve(path: &Path, bytes: u64, curve: &mut Vec<EquityPoint>) -> Result<(), StoreError> {
    if bytes == 0 {
        return Ok(());
    }
    let mut file = prefix(path, bytes)?;
    let points = bytes / POINT_BYTES as u64;
    curve.reserve_exact(usize::try_from(points).unwrap_or(0));
    for nth in 0..points {
        let mut point = [0; POINT_BYTES];
        file.read_exact(&mut point).map_err(|error| engine(&error))?;
        let damaged = || StoreError::Damaged { what: format!("{}: point {nth}", path.display()) };
        curve.push(read_point(&point).ok_or_else(damaged)?);
    }
    Ok(())
}

fn read_closed(path: &Path, bytes: u64, closed: &mut Closed) -> Result<(), StoreError> {
    if bytes == 0 {
        return Ok(());
    }
    let mut file = prefix(path, bytes)?;
    let mut line = Vec::new();
    for nth in 1_u64.. {
        line.clear();
        let read = (&mut file).take(LINE_MAX).read_until(b'\n', &mut line);
        if read.map_err(|error| engine(&error))? == 0 {
            break;
        }
        let damaged = |why: String| StoreError::Damaged {
            what: format!("{}: line {nth}: {why}", path.display()),
        };
        if line.last() != Some(&b'\n') {
            return Err(damaged("it has no end".to_owned()));
        }
        match Line::read(&line).map_err(|error| damaged(error.to_string()))? {
            Line::Trade(trade) => closed.trades.push(trade),
            Line::Order(order) => closed.orders.push(*order),
        }
    }
    Ok(())
}

fn short(path: &Path, found: u64, expected: u64) -> StoreError {
    let path = path.display();
    let what = format!(
        "{path} has {found} bytes where the stored account counts {expected}; restore a backup, or \
         start another run"
    );
    StoreError::Damaged { what }
}

fn engine(error: &io::Error) -> StoreError {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    match error.kind() {
        StorageFull | QuotaExceeded | FileTooLarge => StoreError::DiskFull,
        _ => StoreError::Engine { what: error.to_string() },
    }
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
