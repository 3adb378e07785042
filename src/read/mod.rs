//! Files to texts: rows of JSON Lines, CSV, text and Parquet files, their texts, and the place of each row on disk.
//!
//! Reading goes by batches of some megabytes and keeps nothing of a row but what it hands over with its batch, so that
//! memory grows neither with the number of rows nor with their lengths (unless the caller keeps the batches). One
//! thread decompresses and splits (or decodes), some batches ahead; fields are taken out of the rows by all threads.
//! What a score is and which rows are chosen is not known here; chosen rows are copied by their places in
//! [`write`](crate::write).
//!
//! Rows: a byte-order mark at the start, CRLF, blank lines and a missing last newline are fine. `row` counts rows
//! over all files from 0, those that are rejected too; `line` is the physical line of its file, from 1, in which it
//! begins, `byte` the offset in the decompressed file from 0. A Parquet file (`.parquet`, `.pq`) has `row_group`s, and
//! each row its `index` there, both from 0.

mod ahead;
mod chat;
mod columnar;
mod copy;
mod csv;
mod extract;
mod fields;
mod files;
mod form;
mod guard;
mod json;
mod lines;
mod places;
mod score_columns;
mod scores;
mod shard;
mod stream;
mod template;
mod wanted;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) use columnar::SourceSchema;
pub use copy::read_lines;
pub use fields::{Fields, OtherFields};
pub use files::{InputFile, Position};
pub use form::TextBy;
pub use places::{LinePlace, ParquetPlace, Places};
pub(crate) use score_columns::bytes_of;
pub use score_columns::{
    ColumnKind, PlaceKind, ROW_GROUP_ROWS, SCORES_FORMAT, SCORES_KEY, SCORES_NAME, ScoreLayout, Strings,
};
pub use scores::ScoreTable;
pub use shard::Shard;

use crate::error::{Cause, Error, Place, Result, Side};
use crate::parallel::Control;
use crate::texts::Texts;
use ahead::Ahead;
use columnar::{Plan, RowGroups};
use files::{ListedFile, by_name};
use lines::{Limits, Splitter};
use shard::Part;

/// Raw bytes of a batch. Some thousand rows of usual size: enough to keep all threads busy, little enough that
/// memory is no question. A row larger than this makes a larger batch.
pub const BATCH_BYTES: usize = 4 << 20;

/// Bytes of the longest line that is read, unless another limit is asked for: far above any row that a model is
/// trained on, and little enough that some of them fit into memory. A longer line is passed over in pieces.
pub const MAX_ROW_BYTES: u32 = 64 << 20;

/// How files are read.
#[derive(Clone, Copy, Debug)]
pub struct ReadOptions {
    /// Raw bytes of a batch, [`BATCH_BYTES`] unless asked for. No row depends on it.
    pub batch_bytes: usize,
    /// Rows of a batch, if it does not reach its bytes before; any number unless asked for.
    pub batch_rows: usize,
    /// Longer lines are bad rows; [`MAX_ROW_BYTES`] unless asked for.
    pub max_row_bytes: u32,
    /// Hand bad rows over as rejected, and do not stop at the first; off unless asked for.
    pub skip_bad_rows: bool,
    /// Remember the place of each row, for [`Reader::locate`]; off unless asked for.
    pub keep_places: bool,
    /// What a row of a text file is; a line unless asked for.
    pub text_by: TextBy,
    /// Only one part of the files; all of them unless asked for.
    pub shard: Option<Shard>,
}

impl Default for ReadOptions {
    fn default() -> ReadOptions {
        ReadOptions {
            batch_bytes: BATCH_BYTES,
            batch_rows: usize::MAX,
            max_row_bytes: MAX_ROW_BYTES,
            skip_bad_rows: false,
            keep_places: false,
            text_by: TextBy::default(),
            shard: None,
        }
    }
}

/// Consecutive rows; all but `rejected` have one entry a row that is not rejected.
#[derive(Debug)]
pub struct Batch {
    /// Their texts.
    pub texts: Texts,
    /// Their numbers.
    pub rows: Vec<usize>,
    /// Where they lie.
    pub places: Places,
    /// What names them: the characters of a string, anything else as it is written; null where there is nothing.
    pub ids: Strings,
    /// Their numbers of tokens; empty without a field for it.
    pub tokens: Vec<i64>,
    /// Their groups, as JSON; empty without a field for it.
    pub groups: Strings,
    /// Rows that cannot be read, if they are to be skipped.
    pub rejected: Vec<Rejected>,
}

/// A row that cannot be read.
#[derive(Debug)]
pub struct Rejected {
    /// Its number.
    pub row: usize,
    /// What is wrong with it, and where.
    pub error: Error,
}

/// Rows of files, in the order of the files.
pub struct Reader {
    side: Side,
    fields: Fields,
    files: Arc<[ListedFile]>,
    options: ReadOptions,
    part: Part,
    ahead: Option<Ahead>,
    position: Position,
    finished: Vec<InputFile>,
    bytes_read: u64,
    places: Option<Places>,
    /// What is read of each file, if they are Parquet.
    plans: Option<Arc<[Plan]>>,
    source_schema: Option<SourceSchema>,
}

impl Reader {
    /// Look at every file, so that a missing one is told before the work begins.
    ///
    /// # Errors
    /// [`Cause::Io`] for a file that is missing, a directory or not readable; [`Cause::Parameter`] for no files, or
    /// for one that cannot be read twice (a pipe), and for limits of 0. Of Parquet files the footer is read: as
    /// [`Reader::next_batch`] for a damaged one; [`Cause::Parameter`] for one without a column that is needed, for
    /// sources whose columns differ, and for Parquet beside other files.
    pub fn open(paths: Vec<PathBuf>, fields: Fields, side: Side, options: ReadOptions) -> Result<Reader> {
        let files = paths.into_iter().map(|path| (path.clone(), path)).collect();
        Reader::open_files(files, Some(fields), side, options)
    }

    /// As [`Reader::open`], for files that lie elsewhere than they are from: `files` are names, for messages and
    /// records, and paths, whose suffixes say what the files are.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn open_copies(
        files: Vec<(PathBuf, PathBuf)>,
        fields: Fields,
        side: Side,
        options: ReadOptions,
    ) -> Result<Reader> {
        Reader::open_files(files, Some(fields), side, options)
    }

    /// Without `fields` only places are asked for, and no row needs a text.
    fn open_files(
        named: Vec<(PathBuf, PathBuf)>,
        fields: Option<Fields>,
        side: Side,
        options: ReadOptions,
    ) -> Result<Reader> {
        if named.is_empty() {
            return Err(Error::parameter(format!("no {side} file is given")));
        }
        let limits = [
            ("batch_bytes", options.batch_bytes),
            ("batch_rows", options.batch_rows),
            ("max_row_bytes", options.max_row_bytes as usize),
        ];
        if let Some((name, _)) = limits.iter().find(|(_, limit)| *limit == 0) {
            return Err(Error::parameter(format!("{name} must be at least 1, got 0")));
        }
        let is_parquet = columnar::all_parquet(&named, side)?;
        let found = named.into_iter().map(|(name, path)| {
            ListedFile::find(name.clone(), path, options.text_by).map_err(|error| error.with_path(&name))
        });
        let files: Arc<[ListedFile]> = found.collect::<Result<_>>()?;
        let (plans, source_schema) = if is_parquet {
            let planned = columnar::plan(&files, fields.as_ref(), side == Side::Source);
            let (plans, schema) = planned.map_err(|error| by_name(&files, error))?;
            (Some(Arc::<[Plan]>::from(plans)), schema)
        } else {
            (None, None)
        };
        let fields = fields.map_or_else(|| Fields::new("text", &OtherFields::default()), Ok)?;
        let part = match options.shard {
            Some(shard) => Part::of(shard, &files, plans.as_deref()).map_err(|error| by_name(&files, error))?,
            None => Part::all(&files),
        };
        Ok(Reader {
            side,
            fields,
            files,
            options,
            part,
            ahead: None,
            position: part.start_position(is_parquet),
            finished: Vec::new(),
            bytes_read: 0,
            places: None,
            plans,
            source_schema,
        })
    }

    /// Go on from the end of an earlier reader's batch; `finished` are the files that it had read to their end.
    ///
    /// # Errors
    /// [`Cause::Parameter`] after the first batch.
    pub fn resume(&mut self, position: Position, finished: Vec<InputFile>) -> Result<()> {
        if self.ahead.is_some() {
            return Err(Error::parameter("reading has begun already"));
        }
        (self.position, self.finished) = (position, finished);
        Ok(())
    }

    /// The next rows; `None` after the last. All rows of a batch may be rejected.
    ///
    /// # Errors
    /// [`Cause::BadRow`], [`Cause::TextType`], [`Cause::InvalidText`], [`Cause::Truncated`] with file, line and byte;
    /// [`Cause::Mismatch`] for a file that changed; [`Cause::Io`]; [`Cause::Interrupted`]; when all files together have
    /// no row, [`Cause::EmptyTarget`] for targets and [`Cause::Parameter`] otherwise.
    pub fn next_batch(&mut self, threads: usize, control: &Control) -> Result<Option<Batch>> {
        let ahead = match self.ahead.take() {
            Some(ahead) => ahead,
            None => self.start()?,
        };
        let raw = self.ahead.insert(ahead).next_batch(control);
        let mut raw = raw.map_err(|error| by_name(&self.files, error))?;
        self.finished.append(&mut raw.finished);
        self.position = raw.end;
        // What is read ahead of the end of a shard is not its own.
        self.bytes_read =
            if self.options.shard.is_some() { raw.bytes_on_disk.min(self.part.bytes) } else { raw.bytes_on_disk };
        if raw.rows.is_empty() {
            // Asked once more, the reader finds the end again.
            self.ahead = None;
            let may_be_empty = self.position.rows > 0 || self.options.shard.is_some();
            return if may_be_empty { Ok(None) } else { Err(self.no_rows()) };
        }
        if self.options.keep_places {
            let places = raw.rows.places();
            match &mut self.places {
                Some(all) => all.append(places)?,
                None => self.places = Some(places),
            }
        }
        self.extract(&raw, threads, control).map(Some)
    }

    fn limits(&self) -> Limits {
        let ReadOptions { batch_bytes, batch_rows, max_row_bytes, skip_bad_rows, .. } = self.options;
        Limits { batch_bytes, batch_rows, max_row_bytes, skip_bad_rows }
    }

    fn start(&self) -> Result<Ahead> {
        let (files, limits, part) = (Arc::clone(&self.files), self.limits(), self.part);
        if let Some(plans) = &self.plans {
            let mut groups = RowGroups::new(files, Arc::clone(plans), limits, part, self.position, &self.finished);
            return Ahead::start(move |control| groups.next_batch(control));
        }
        let mut splitter = Splitter::new(self.side, files, limits, part, self.position, &self.finished);
        Ahead::start(move |control| splitter.next_batch(control))
    }

    fn no_rows(&self) -> Error {
        match self.side {
            Side::Target => Error::new(Cause::EmptyTarget),
            Side::Source => Error::parameter("source has 0 rows; there is nothing to choose from"),
            Side::Against => Error::parameter("against has 0 rows; there is nothing to look for"),
            Side::HeldOut => Error::parameter("held_out has 0 rows; there is nothing to judge by"),
        }
        .with_path(self.path(0))
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

    /// How far the files are read: the end of the last batch.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// The path, or the name, of a file by its index, as it was given.
    #[must_use]
    pub fn path(&self, file: u32) -> &Path {
        &self.files[file as usize].name
    }

    /// Path (or name), bytes and time of change (nanoseconds since 1970) of each file, as it was found.
    pub fn found(&self) -> impl Iterator<Item = (&Path, u64, u128)> {
        self.files.iter().map(|file| (file.name.as_path(), file.bytes, file.modified_ns()))
    }

    /// The same error; if it is about a row of this reader, with its file and its place there.
    #[must_use]
    pub fn locate(&self, error: Error) -> Error {
        let &Place { side, row, .. } = error.place();
        let row = row.filter(|_| side == Some(self.side)).and_then(|row| usize::try_from(row).ok());
        match (row, &self.places) {
            (Some(row), Some(Places::Lines(places))) if row < places.len() => self.at_line(error, places[row], 0),
            (Some(row), Some(Places::Parquet(places))) if row < places.len() => self.at_row(error, places[row]),
            _ => error,
        }
    }

    fn at_line(&self, error: Error, place: LinePlace, offset: usize) -> Error {
        let (error, byte) = (error.with_path(self.path(place.file)), place.byte + offset as u64);
        if self.part.begins_inside(place.file as usize) {
            error.with_line_in_shard(place.line, byte)
        } else {
            error.with_line(place.line, byte)
        }
    }

    fn at_row(&self, error: Error, place: ParquetPlace) -> Error {
        error.with_path(self.path(place.file)).with_row_group(place.row_group, place.index)
    }

    /// Whether the files are Parquet.
    #[must_use]
    pub fn is_parquet(&self) -> bool {
        self.plans.is_some()
    }

    /// The files read to their end.
    #[must_use]
    pub fn finished(&self) -> &[InputFile] {
        &self.finished
    }

    /// Bytes on disk read until now, over all files.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    /// Bytes on disk of all files, as they were found; of a shard, of its part.
    #[must_use]
    pub fn bytes_total(&self) -> u64 {
        self.part.bytes
    }

    /// Index of the file in which this shard begins, and the offset there (in Parquet, the row group); the same of its
    /// end.
    #[must_use]
    pub fn cuts(&self) -> [(usize, u64); 2] {
        [self.part.start, self.part.end].map(|cut| (cut.file, cut.at))
    }
}
