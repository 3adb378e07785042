//! The files of a run: what they look like on disk, and how far they are read.

use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::form::{FileFormat, TextBy};
use crate::error::{Cause, Error, Result};

/// A file that was read to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputFile {
    /// The path as it was given.
    pub path: PathBuf,
    /// Size on disk.
    pub bytes: u64,
    /// SHA-256 of the bytes on disk.
    pub sha256: String,
    /// Rows in it.
    pub rows: u64,
}

/// How far files are read: the end of a batch, from which reading can go on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Index of the file.
    pub file: u32,
    /// Decompressed bytes of it that are read.
    pub byte: u64,
    /// Physical lines of it that are read.
    pub line: u64,
    /// Rows of all files that are read, rejected ones too.
    pub rows: u64,
}

/// A file and what it looked like when it was found.
#[derive(Clone, Debug)]
pub(super) struct ListedFile {
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
    pub(super) modified: Option<SystemTime>,
    pub(super) format: FileFormat,
}

impl ListedFile {
    pub(super) fn find(path: PathBuf, text_by: TextBy) -> Result<ListedFile> {
        let metadata = std::fs::metadata(&path).map_err(|error| Error::io(error, &path))?;
        if metadata.is_dir() {
            return Err(Error::io(io::Error::from(io::ErrorKind::IsADirectory), &path));
        }
        if !metadata.is_file() {
            let message = "not a regular file: chosen rows are read a second time; save it to a file first";
            return Err(Error::parameter(message).with_path(&path));
        }
        // Opening tells what metadata cannot: whether we may read it.
        std::fs::File::open(&path).map_err(|error| Error::io(error, &path))?;
        let (bytes, modified) = fingerprint(&metadata);
        let format = FileFormat::of(&path, text_by);
        Ok(ListedFile { path, bytes, modified, format })
    }

    pub(super) fn check_unchanged(&self) -> Result<()> {
        let metadata = std::fs::metadata(&self.path).map_err(|error| Error::io(error, &self.path))?;
        if fingerprint(&metadata) == (self.bytes, self.modified) {
            return Ok(());
        }
        Err(changed(&self.path))
    }

    /// Nanoseconds since 1970; 0 where the file system does not say.
    pub(super) fn modified_ns(&self) -> u128 {
        let since = self.modified.and_then(|modified| modified.duration_since(UNIX_EPOCH).ok());
        since.map_or(0, |since| since.as_nanos())
    }
}

/// The error that a file is not what it was a moment ago.
pub(super) fn changed(path: &Path) -> Error {
    let message = "the file changed while it was read; run again when it is at rest";
    Error::new(Cause::Mismatch(message.to_owned())).with_path(path)
}

fn fingerprint(metadata: &Metadata) -> (u64, Option<SystemTime>) {
    (metadata.len(), metadata.modified().ok())
}
