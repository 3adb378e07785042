//! What a run puts away on disk for itself: a file without a name, which ends with the run, however that ends.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// A file without a name. Where the system has no such files it has one that is removed when it is closed.
#[derive(Debug)]
pub struct Spool {
    file: File,
    /// Errors name it, in place of the file.
    directory: PathBuf,
}

impl Spool {
    /// An empty file in a directory that is there.
    ///
    /// # Errors
    /// [`Cause::Io`](crate::error::Cause::Io) of the directory.
    pub fn create(directory: &Path) -> Result<Spool> {
        let file = tempfile::tempfile_in(directory).map_err(|error| Error::io(error, directory))?;
        Ok(Spool { file, directory: directory.to_owned() })
    }

    /// Add bytes at the end.
    ///
    /// # Errors
    /// [`Cause::Io`](crate::error::Cause::Io) of the directory: the file is of no use then.
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|error| Error::io(error, &self.directory))
    }

    /// Read the `length` bytes from `offset` into `buffer`, replacing what is there; by any number of threads.
    ///
    /// # Errors
    /// [`Cause::Io`](crate::error::Cause::Io) of the directory, also where so many bytes were not written.
    pub fn read(&self, offset: u64, length: usize, buffer: &mut Vec<u8>) -> Result<()> {
        buffer.resize(length, 0);
        read_at(&self.file, offset, buffer).map_err(|error| Error::io(error, &self.directory))
    }
}

#[cfg(unix)]
fn read_at(file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, offset)
}

/// Moves the file's cursor, too, so that all is to be written before the first reading.
#[cfg(windows)]
fn read_at(file: &File, mut offset: u64, mut buffer: &mut [u8]) -> io::Result<()> {
    while !buffer.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, buffer, offset)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => {
                buffer = &mut buffer[read..];
                offset += read as u64;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_away_is_read_and_nothing_is_seen_in_the_directory() {
        let top = tempfile::tempdir().unwrap();
        let mut spool = Spool::create(top.path()).unwrap();
        spool.append(b"abc").unwrap();
        spool.append(b"defg").unwrap();
        let mut buffer = b"longer than what is read".to_vec();
        for (offset, expected) in [(3, &b"defg"[..]), (0, b"abc"), (2, b"cd"), (7, b"")] {
            spool.read(offset, expected.len(), &mut buffer).unwrap();
            assert_eq!(buffer, expected);
        }
        assert!(cfg!(windows) || std::fs::read_dir(top.path()).unwrap().next().is_none());
        drop(spool);
        assert!(std::fs::read_dir(top.path()).unwrap().next().is_none());
    }

    #[test]
    fn errors_name_the_directory() {
        let top = tempfile::tempdir().unwrap();
        let spool = Spool::create(top.path()).unwrap();
        let error = spool.read(0, 1, &mut Vec::new()).unwrap_err();
        assert_eq!(error.place().path.as_deref(), Some(top.path()));
        let missing = top.path().join("missing");
        let error = Spool::create(&missing).unwrap_err();
        assert_eq!(error.place().path.as_deref(), Some(&*missing));
    }
}
