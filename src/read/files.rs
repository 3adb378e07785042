//! The files of a run: what they look like on disk, and how far they are read.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};

use super::form::{FileFormat, TextBy};
use crate::error::{Cause, Error, Result};
use crate::parallel::Control;
use crate::texts::hex;

/// Bytes hashed between two looks at the stop signal: a millisecond.
const HASH_BYTES: usize = 256 * 1024;

/// A file that was read to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputFile {
    /// The path, or the name, as it was given.
    pub path: PathBuf,
    /// Size on disk.
    pub bytes: u64,
    /// SHA-256 of the bytes on disk; `None` for a file of which a shard has but a part.
    pub sha256: Option<String>,
    /// Rows in it.
    pub rows: u64,
}

/// How far files are read: the end of a batch, from which reading can go on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Index of the file.
    pub file: u32,
    /// Decompressed bytes of it that are read; in Parquet, rows of the row group that is read.
    pub byte: u64,
    /// Physical lines of it that are read; in Parquet, row groups.
    pub line: u64,
    /// Rows of all files that are read, rejected ones too.
    pub rows: u64,
}

/// A file and what it looked like when it was found.
#[derive(Clone, Debug)]
pub(super) struct ListedFile {
    /// What it is called in messages and records: where it came from.
    pub(super) name: PathBuf,
    /// Where its bytes lie; the suffix says what they are.
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
    pub(super) modified: Option<SystemTime>,
    pub(super) format: FileFormat,
}

impl ListedFile {
    pub(super) fn find(name: PathBuf, path: PathBuf, text_by: TextBy) -> Result<ListedFile> {
        let metadata = std::fs::metadata(&path).map_err(|error| Error::io(error, &path))?;
        if metadata.is_dir() {
            return Err(Error::io(io::Error::from(io::ErrorKind::IsADirectory), &path));
        }
        if !metadata.is_file() {
            let message = "not a regular file: chosen rows are read a second time; save it to a file first";
            return Err(Error::parameter(message).with_path(&path));
        }
        // Opening tells what metadata cannot: whether we may read it.
        File::open(&path).map_err(|error| Error::io(error, &path))?;
        let (bytes, modified) = fingerprint(&metadata);
        let format = FileFormat::of(&path, text_by);
        Ok(ListedFile { name, path, bytes, modified, format })
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

/// A file that is hashed step by step, for readers that do not see its bytes in order.
pub(super) struct FileHash {
    path: PathBuf,
    file: File,
    size: u64,
    bytes: u64,
    hash: Sha256,
}

impl FileHash {
    pub(super) fn open(path: &Path) -> Result<FileHash> {
        let at = |error| Error::io(error, path);
        let file = File::open(path).map_err(at)?;
        let size = file.metadata().map_err(at)?.len();
        Ok(FileHash { path: path.to_owned(), file, size, bytes: 0, hash: Sha256::new() })
    }

    /// Bytes hashed until now.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Hash up to this share of the file: `done` of `total`.
    pub(super) fn advance_to(&mut self, done: u64, total: u64, control: &Control) -> Result<()> {
        let target = u128::from(self.size) * u128::from(done) / u128::from(total.max(1));
        self.hash_to(target as u64, control)
    }

    /// Size and SHA-256 of the whole file.
    pub(super) fn finish(mut self, control: &Control) -> Result<(u64, String)> {
        self.hash_to(u64::MAX, control)?;
        Ok((self.bytes, hex(&self.hash.finalize())))
    }

    fn hash_to(&mut self, target: u64, control: &Control) -> Result<()> {
        if self.bytes >= target {
            return Ok(());
        }
        let mut buffer = vec![0; HASH_BYTES];
        while self.bytes < target {
            control.check()?;
            let read = self.file.read(&mut buffer).map_err(|error| Error::io(error, &self.path))?;
            if read == 0 {
                break;
            }
            self.hash.update(&buffer[..read]);
            self.bytes += read as u64;
        }
        Ok(())
    }
}

/// The same error, with a file called by its name.
pub(super) fn by_name(files: &[ListedFile], error: Error) -> Error {
    let file = files.iter().find(|file| error.place().path.as_ref() == Some(&file.path));
    match file {
        Some(file) if file.name != file.path => error.with_path(&file.name),
        _ => error,
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
