//! What can be wrong with a checkpoint, always with the file that it is wrong with.

use std::path::PathBuf;

/// A checkpoint that could not be written or read.
#[derive(Debug, thiserror::Error)]
#[error("checkpoint {}: {problem}", path.display())]
pub struct CheckpointError {
    /// Which file.
    pub path: PathBuf,
    /// What is wrong.
    #[source]
    pub problem: Problem,
}

/// What is wrong with a checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The file system said no.
    #[error("{doing} failed: {source}")]
    Disk {
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// What was read back is not what was written.
    #[error("what the disk holds is not what was written")]
    ReadBack,
    /// It is larger than any checkpoint.
    #[error("it has {0} bytes, and a checkpoint has at most a gigabyte")]
    TooLarge(u64),
    /// It ends before its header does.
    #[error("it is cut off: {found} bytes of at least {wanted}")]
    CutOff {
        /// Bytes there are.
        found: usize,
        /// Bytes there have to be.
        wanted: u64,
    },
    /// The header is not what this format begins with.
    #[error("its header cannot be read: {0}")]
    Header(String),
    /// A tensor's entry makes no sense.
    #[error("tensor {name}: {why}")]
    Tensor {
        /// Which.
        name: String,
        /// Why.
        why: String,
    },
    /// The tensors and the file do not end together.
    #[error("it has {found} bytes of numbers where its header speaks of {wanted}")]
    Length {
        /// Bytes there are.
        found: usize,
        /// Bytes the header speaks of.
        wanted: usize,
    },
    /// Its bytes are not those that were hashed when it was written.
    #[error("its contents are not what was written: the hash differs")]
    Hash,
    /// It is of a later format.
    #[error("it is of format {0}, and this build reads format 1")]
    Format(u32),
    /// It is of another kind than what was asked for.
    #[error("{what} differ: it has {found}, and {wanted} is wanted")]
    Mismatch {
        /// What differs.
        what: &'static str,
        /// What it has.
        found: String,
        /// What is wanted.
        wanted: String,
    },
}

impl Problem {
    pub(super) fn tensor(name: &str, why: impl Into<String>) -> Self {
        Self::Tensor { name: name.to_owned(), why: why.into() }
    }

    pub(super) fn at(self, path: &std::path::Path) -> CheckpointError {
        CheckpointError { path: path.to_owned(), problem: self }
    }
}
