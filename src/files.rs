//! The one way in which a file that somebody names is opened.

use std::fs::{self, File};
use std::io;
use std::path::Path;

/// Opens a regular file for reading. A pipe would hold up whoever opens it until somebody writes, and
/// a device such as `/dev/zero` whoever reads it for ever.
///
/// # Errors
/// When it is none, or cannot be opened.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    if fs::metadata(path)?.is_file() {
        return File::open(path);
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"))
}

/// [`open`], and the whole of its text.
///
/// # Errors
/// As [`open`], or when it is no UTF-8.
pub(crate) fn read_to_string(path: &Path) -> io::Result<String> {
    io::read_to_string(open(path)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_regular_file_is_refused_before_it_is_opened() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "text").unwrap();
        assert_eq!(read_to_string(&path).unwrap(), "text");
        for strange in [dir.path(), Path::new("/dev/zero")] {
            let refused = open(strange).unwrap_err();
            assert_eq!(refused.to_string(), "not a regular file", "{}", strange.display());
        }
        let missing = open(&dir.path().join("missing")).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }
}
