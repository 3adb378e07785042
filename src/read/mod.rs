//! Files to texts: rows of JSON Lines, their texts, and the place of each row on disk.
//!
//! Reading goes by batches of some megabytes and keeps nothing of a row but its place (24 bytes), so that memory does
//! not grow with the length of texts (unless the caller keeps the batches). The reading thread only decompresses and splits; fields are taken out of the
//! lines by all threads. What a score is and which rows are chosen is not known here; chosen rows are copied by their
//! places in [`write`](crate::write).
//!
//! Rows: a byte-order mark at the start, CRLF, blank lines and a missing last newline are fine. `row` counts lines
//! that are not blank over all files from 0, `line` is the physical line of its file from 1, `byte` the offset in the
//! decompressed file from 0.

mod chat;
mod fields;
mod json;
mod places;
mod score_columns;
mod scores;
mod stream;
mod template;
mod wanted;

use std::collections::HashMap;
use std::fs::Metadata;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

pub use fields::{Fields, OtherFields};
pub use places::{LinePlace, ParquetPlace, Places};
pub(crate) use score_columns::bytes_of;
pub use score_columns::{
    ColumnKind, PlaceKind, ROW_GROUP_ROWS, SCORES_FORMAT, SCORES_KEY, SCORES_NAME, ScoreLayout, Strings,
};
pub use scores::ScoreTable;

use crate::error::{Cause, Error, Place, Result, Side};
use crate::parallel::{self, Control};
use crate::texts::{Texts, TextsBuilder};
use stream::{LineCopier, Stream};

/// Raw bytes of a batch. Some thousand rows of usual size: enough to keep all threads busy, little enough that
/// memory is no question. A row larger than this makes a larger batch.
pub const BATCH_BYTES: usize = 4 << 20;

/// Lines that a thread takes apart between two looks at the common counter; arbitrary (some 100 us of work).
const CHUNK_LINES: usize = 64;

/// A byte-order mark, which some editors put at the start of a file; not part of any row.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// Where a row lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowPlace {
    /// Offset in the decompressed file.
    pub byte: u64,
    /// Physical line, from 1.
    pub line: u64,
    /// Bytes without the line's terminator.
    pub length: u32,
    /// Index of the file.
    pub file: u32,
}

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

/// Consecutive rows.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Their texts.
    pub texts: Texts,
    /// Their numbers of tokens; empty without a field for it.
    pub tokens: Vec<i64>,
    /// Their groups, as indices into [`Reader::group_names`]; empty without a field for it.
    pub groups: Vec<u32>,
}

/// Rows of files, in the order of the files.
pub struct Reader {
    side: Side,
    fields: Fields,
    files: Vec<ListedFile>,
    batch_bytes: usize,
    open: Option<OpenFile>,
    finished: Vec<InputFile>,
    places: Vec<RowPlace>,
    groups: Groups,
}

/// Names of groups, numbered in the order of their first rows.
#[derive(Default)]
struct Groups {
    codes: HashMap<String, u32>,
    names: Vec<String>,
}

impl Groups {
    fn code(&mut self, name: String) -> Result<u32> {
        if let Some(&code) = self.codes.get(&name) {
            return Ok(code);
        }
        let code = u32::try_from(self.names.len()).map_err(|_| Error::parameter("there are more than 2^32 groups"))?;
        self.codes.insert(name.clone(), code);
        self.names.push(name);
        Ok(code)
    }
}

/// What a thread took out of some lines.
#[derive(Default)]
struct Extract {
    texts: TextsBuilder,
    tokens: Vec<i64>,
    groups: Vec<String>,
}

/// A file and what it looked like when it was found.
struct ListedFile {
    path: PathBuf,
    bytes: u64,
    modified: Option<SystemTime>,
}

struct OpenFile {
    stream: Stream,
    /// Physical lines and decompressed bytes read until now.
    line: u64,
    byte: u64,
    first_row: usize,
}

impl Reader {
    /// Look at every file, so that a missing one is told before the work begins.
    ///
    /// # Errors
    /// [`Cause::Io`] for a file that is missing, a directory or not readable; [`Cause::Parameter`] for no files, or
    /// for one that cannot be read twice (a pipe).
    pub fn open(paths: Vec<PathBuf>, fields: Fields, side: Side, batch_bytes: usize) -> Result<Reader> {
        if paths.is_empty() {
            return Err(Error::parameter(format!("no {side} file is given")));
        }
        let files = paths.into_iter().map(ListedFile::find).collect::<Result<_>>()?;
        Ok(Reader {
            side,
            fields,
            files,
            batch_bytes,
            open: None,
            finished: Vec::new(),
            places: Vec::new(),
            groups: Groups::default(),
        })
    }

    /// The next rows; `None` after the last.
    ///
    /// # Errors
    /// [`Cause::BadRow`], [`Cause::TextType`], [`Cause::InvalidText`], [`Cause::Truncated`] with file, line and byte;
    /// [`Cause::Io`]; [`Cause::Interrupted`]; when all files together have no row, [`Cause::EmptyTarget`] for targets
    /// and [`Cause::Parameter`] otherwise.
    pub fn next_batch(&mut self, threads: usize, control: &Control) -> Result<Option<Batch>> {
        let first_row = self.places.len();
        let mut raw = Vec::new();
        let mut lines: Vec<Range<usize>> = Vec::new();
        while raw.len() < self.batch_bytes && self.next_line(&mut raw, &mut lines)? {
            control.check()?;
        }
        if !lines.is_empty() {
            return self.extract(&raw, &lines, first_row, threads, control).map(Some);
        }
        if self.places.is_empty() {
            let path = &self.files[0].path;
            return Err(match self.side {
                Side::Target => Error::new(Cause::EmptyTarget),
                Side::Source => Error::parameter("source has 0 rows; there is nothing to choose from"),
                Side::Against => Error::parameter("against has 0 rows; there is nothing to look for"),
            }
            .with_path(path));
        }
        Ok(None)
    }

    /// The texts of all rows that are left.
    ///
    /// # Errors
    /// As [`Reader::next_batch`].
    pub fn rest(&mut self, threads: usize, control: &Control) -> Result<Texts> {
        let mut sets = Vec::new();
        while let Some(batch) = self.next_batch(threads, control)? {
            sets.push(batch.texts);
        }
        Ok(Texts::concat(&sets))
    }

    /// What is taken out of each row.
    #[must_use]
    pub fn fields(&self) -> &Fields {
        &self.fields
    }

    /// The place of each row read until now.
    #[must_use]
    pub fn places(&self) -> &[RowPlace] {
        &self.places
    }

    /// The groups of the rows read until now, as JSON, in the order of their first rows.
    #[must_use]
    pub fn group_names(&self) -> &[String] {
        &self.groups.names
    }

    /// The path of a file by its index, as it was given.
    #[must_use]
    pub fn path(&self, file: u32) -> &Path {
        &self.files[file as usize].path
    }

    /// The same error; if it is about a row of this reader, with its file, line and byte.
    #[must_use]
    pub fn locate(&self, error: Error) -> Error {
        let &Place { side, row, .. } = error.place();
        let row = row.filter(|_| side == Some(self.side)).and_then(|row| usize::try_from(row).ok());
        match row.and_then(|row| self.places.get(row)) {
            Some(place) => error.with_path(self.path(place.file)).with_line(place.line, place.byte),
            None => error,
        }
    }

    /// The files read to their end.
    #[must_use]
    pub fn finished(&self) -> &[InputFile] {
        &self.finished
    }

    /// Bytes on disk read until now, over all files.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        let open = self.open.as_ref().map_or(0, |open| open.stream.bytes_on_disk());
        self.finished.iter().map(|file| file.bytes).sum::<u64>() + open
    }

    /// Bytes on disk of all files, as they were found.
    #[must_use]
    pub fn bytes_total(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// Call `each(index, line)` with the line of every row of `rows`, in the order of the files; `index` is the row's
    /// position in `rows`. Lines come as they lie in the file, without terminator.
    ///
    /// # Errors
    /// [`Cause::Mismatch`] for a file that changed since it was read; [`Cause::Io`]; [`Cause::Interrupted`]; what
    /// `each` returns.
    pub fn copy_lines(
        &self,
        rows: &[usize],
        control: &Control,
        mut each: impl FnMut(usize, &[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut by_place: Vec<usize> = (0..rows.len()).collect();
        by_place.sort_unstable_by_key(|&index| rows[index]);
        let mut line = Vec::new();
        let mut open: Option<(u32, LineCopier)> = None;
        let mut former = None;
        for index in by_place {
            control.check()?;
            let place = self.places[rows[index]];
            if open.as_ref().is_none_or(|(file, _)| *file != place.file) {
                let file = &self.files[place.file as usize];
                file.check_unchanged()?;
                open = Some((place.file, LineCopier::open(&file.path)?));
            }
            // A row asked for twice is in `line` already.
            if former != Some(rows[index])
                && let Some((_, copier)) = &mut open
            {
                copier.read(place.byte, place.length as usize, &mut line, control)?;
            }
            former = Some(rows[index]);
            each(index, &line)?;
            control.add_done(1);
        }
        Ok(())
    }

    /// Append the next line that is not blank to `raw` and its place to `lines`; `false` after the last file.
    fn next_line(&mut self, raw: &mut Vec<u8>, lines: &mut Vec<Range<usize>>) -> Result<bool> {
        loop {
            let Some(open) = &mut self.open else {
                if !self.open_next()? {
                    return Ok(false);
                }
                continue;
            };
            let before = raw.len();
            if !open.stream.read_line(raw, self.places.len() as u64)? {
                self.close();
                continue;
            }
            let bom = if open.line == 0 && raw[before..].starts_with(BOM) { BOM.len() } else { 0 };
            let start = before + bom;
            let byte = open.byte + bom as u64;
            open.byte += (raw.len() - before) as u64;
            open.line += 1;
            let line = &raw[start..];
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.iter().all(u8::is_ascii_whitespace) {
                raw.truncate(before);
                continue;
            }
            let length = u32::try_from(line.len()).map_err(|_| {
                let path = &self.files[self.finished.len()].path;
                Error::bad_row("the line is longer than 4 GiB; split the row")
                    .with_path(path)
                    .with_line(open.line, byte)
            })?;
            self.places.push(RowPlace { byte, line: open.line, length, file: self.finished.len() as u32 });
            lines.push(start..start + length as usize);
            return Ok(true);
        }
    }

    fn open_next(&mut self) -> Result<bool> {
        let Some(file) = self.files.get(self.finished.len()) else { return Ok(false) };
        let stream = Stream::open(&file.path, self.side)?;
        self.open = Some(OpenFile { stream, line: 0, byte: 0, first_row: self.places.len() });
        Ok(true)
    }

    fn close(&mut self) {
        let Some(open) = self.open.take() else { return };
        let path = self.files[self.finished.len()].path.clone();
        let (bytes, sha256) = open.stream.finish();
        let rows = (self.places.len() - open.first_row) as u64;
        self.finished.push(InputFile { path, bytes, sha256, rows });
    }

    /// Take the fields out of the lines, by all threads.
    fn extract(
        &mut self,
        raw: &[u8],
        lines: &[Range<usize>],
        first_row: usize,
        threads: usize,
        control: &Control,
    ) -> Result<Batch> {
        let chunks: Vec<&[Range<usize>]> = lines.chunks(CHUNK_LINES).collect();
        let mut extracts: Vec<Extract> = Vec::new();
        extracts.resize_with(chunks.len(), Default::default);
        parallel::fill_rows(
            &mut extracts,
            1,
            1,
            threads,
            control,
            || Ok(Vec::new()),
            |text, chunk, out| {
                for (offset, line) in chunks[chunk].iter().enumerate() {
                    text.clear();
                    let row = first_row + chunk * CHUNK_LINES + offset;
                    let extracted = self.fields.extract(&raw[line.clone()], text);
                    let extracted = extracted.map_err(|(error, at)| self.at_row(error, row, at))?;
                    out[0].texts.push(text);
                    if self.fields.has_tokens() {
                        out[0].tokens.push(extracted.tokens);
                    }
                    if let Some(group) = extracted.group {
                        out[0].groups.push(group.into_owned());
                    }
                }
                Ok(())
            },
        )?;
        let mut texts = TextsBuilder::default();
        let mut tokens = Vec::new();
        let mut groups = Vec::new();
        for extract in extracts {
            texts.append(&extract.texts);
            tokens.extend(extract.tokens);
            // Groups are numbered in the order of the rows, so by one thread.
            for name in extract.groups {
                groups.push(self.groups.code(name)?);
            }
        }
        Ok(Batch { texts: texts.finish(), tokens, groups })
    }

    fn at_row(&self, error: Error, row: usize, at: usize) -> Error {
        let place = self.places[row];
        let error = error.with_row(self.side, row as u64).with_path(self.path(place.file));
        error.with_line(place.line, place.byte + at as u64)
    }
}

impl ListedFile {
    fn find(path: PathBuf) -> Result<ListedFile> {
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
        Ok(ListedFile { path, bytes, modified })
    }

    fn check_unchanged(&self) -> Result<()> {
        let metadata = std::fs::metadata(&self.path).map_err(|error| Error::io(error, &self.path))?;
        if fingerprint(&metadata) == (self.bytes, self.modified) {
            return Ok(());
        }
        let message = "the file changed while it was read; run again when it is at rest";
        Err(Error::new(Cause::Mismatch(message.to_owned())).with_path(&self.path))
    }
}

fn fingerprint(metadata: &Metadata) -> (u64, Option<SystemTime>) {
    (metadata.len(), metadata.modified().ok())
}

/// The lines of the given rows as they lie in the files, in the order of `rows`.
///
/// `total` is the number of rows that the caller knows these files by.
///
/// # Errors
/// [`Cause::Parameter`] when the files have another number of rows; as [`Reader::next_batch`] otherwise.
pub fn read_lines(paths: Vec<PathBuf>, rows: &[usize], total: usize, control: &Control) -> Result<Vec<Vec<u8>>> {
    let reader = Reader::scan(paths, total, control)?;
    let mut lines = vec![Vec::new(); rows.len()];
    reader.copy_lines(rows, control, |index, line| {
        lines[index].extend_from_slice(line);
        Ok(())
    })?;
    Ok(lines)
}

impl Reader {
    /// Find the places of all rows without looking into them.
    ///
    /// # Errors
    /// [`Cause::Parameter`] when there are not `total` rows; [`Cause::Truncated`]; [`Cause::Io`];
    /// [`Cause::Interrupted`].
    pub fn scan(paths: Vec<PathBuf>, total: usize, control: &Control) -> Result<Reader> {
        let mut reader = Reader::open(paths, Fields::new("text", &OtherFields::default())?, Side::Source, BATCH_BYTES)?;
        let (mut raw, mut lines) = (Vec::new(), Vec::new());
        while reader.next_line(&mut raw, &mut lines)? {
            control.check()?;
            raw.clear();
            lines.clear();
        }
        let found = reader.places.len();
        if found != total {
            let message = format!("the file has {found} rows but {total} were ranked; pass the source that was ranked");
            return Err(Error::parameter(message).with_path(reader.path(0)));
        }
        Ok(reader)
    }
}
