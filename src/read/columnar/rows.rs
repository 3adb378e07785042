//! Files to pieces of columns: the part of reading that one thread does alone.
//!
//! Pages are decompressed and decoded one after another, so memory is one page a column, its dictionary, and the batch
//! itself. The hash of the file is a pass of its own, which keeps pace with the rows so that neither waits for the
//! other at the end.

use std::sync::Arc;

use arrow_array::{Array, RecordBatch};
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;

use super::{Plan, Table};
use crate::error::Result;
use crate::parallel::Control;
use crate::read::files::{FileHash, InputFile, ListedFile, Position, changed};
use crate::read::lines::{Limits, RawBatch, RawRows};
use crate::read::places::ParquetPlace;
use crate::read::shard::{Cut, Part};

/// Rows decoded at once. Small, so that a batch is not much larger than asked for where long rows follow short ones;
/// what a call costs beside its rows is some microseconds.
const PIECE_ROWS: usize = 128;

/// Pieces of a batch, at least, for rows of equal length.
const PIECES: usize = 16;

/// Consecutive rows of one row group.
pub(in crate::read) struct Piece {
    pub(in crate::read) rows: RecordBatch,
    pub(in crate::read) file: u32,
    pub(in crate::read) row_group: u32,
    /// Index of the first row in its row group.
    pub(in crate::read) index: u64,
}

impl Piece {
    /// Where a row of it lies.
    pub(in crate::read) fn place(&self, row: usize) -> ParquetPlace {
        ParquetPlace { file: self.file, row_group: self.row_group, index: self.index + row as u64 }
    }

    pub(in crate::read) fn places(&self) -> impl Iterator<Item = ParquetPlace> {
        (0..self.rows.num_rows()).map(|row| self.place(row))
    }
}

/// Cuts files into pieces, in the order of the files.
pub(in crate::read) struct RowGroups {
    files: Arc<[ListedFile]>,
    plans: Arc<[Plan]>,
    limits: Limits,
    part: Part,
    open: Option<OpenTable>,
    /// Index of the file that is open or next.
    file: usize,
    /// Where reading begins in the first file.
    start: Option<Position>,
    rows: u64,
    finished: Vec<InputFile>,
    finished_bytes: u64,
}

struct OpenTable {
    table: Table,
    /// None where only a part of the file is wanted.
    hash: Option<FileHash>,
    /// The row group at which to stop.
    last_group: usize,
    /// The row group that is read, and the index of its next row.
    group: usize,
    index: u64,
    reader: Option<ParquetRecordBatchReader>,
    /// What was decoded and is not handed over yet.
    rest: Option<RecordBatch>,
    first_row: u64,
    /// Rows of the file, and its bytes on disk.
    rows: u64,
    bytes: u64,
    /// Rows of the file before the first that is read.
    rows_before: u64,
}

impl RowGroups {
    /// From the start, or from the end of a batch; `finished` are the files read before that.
    pub(in crate::read) fn new(
        files: Arc<[ListedFile]>,
        plans: Arc<[Plan]>,
        limits: Limits,
        part: Part,
        start: Position,
        finished: &[InputFile],
    ) -> RowGroups {
        RowGroups {
            files,
            plans,
            limits,
            part,
            open: None,
            file: start.file as usize,
            start: (start != Position::default()).then_some(start),
            rows: finished.iter().map(|file| file.rows).sum(),
            finished: Vec::new(),
            finished_bytes: finished.iter().map(|file| file.bytes).sum(),
        }
    }

    /// The next rows; none after the last.
    pub(in crate::read) fn next_batch(&mut self, control: &Control) -> Result<RawBatch> {
        let mut pieces: Vec<Piece> = Vec::new();
        let (mut bytes, mut rows) = (0, 0);
        let mut first_row = self.rows;
        while bytes < self.limits.batch_bytes && rows < self.limits.batch_rows {
            let Some((piece, decoded)) = self.next_piece(self.limits.batch_rows - rows, control)? else { break };
            if pieces.is_empty() {
                // Not what it was before, if a file was opened in the middle.
                first_row = self.rows - piece.rows.num_rows() as u64;
            }
            bytes += decoded;
            rows += piece.rows.num_rows();
            pieces.push(piece);
        }
        if let Some(open) = &mut self.open {
            open.hash_along(control)?;
        }
        Ok(RawBatch {
            rows: RawRows::Parquet(pieces),
            first_row: first_row as usize,
            finished: std::mem::take(&mut self.finished),
            end: Position { rows: self.rows, ..self.here() },
            bytes_on_disk: self.finished_bytes + self.open.as_ref().map_or(0, OpenTable::bytes_read),
        })
    }

    /// How far the files are read.
    fn here(&self) -> Position {
        let file = self.file as u32;
        match &self.open {
            Some(open) => Position { file, byte: open.index, line: open.group as u64, rows: self.rows },
            None => self.start.unwrap_or(Position { file, rows: self.rows, ..Position::default() }),
        }
    }

    /// At most so many rows, and their bytes in memory; `None` after the last file.
    fn next_piece(&mut self, most: usize, control: &Control) -> Result<Option<(Piece, usize)>> {
        loop {
            control.check()?;
            if (Cut { file: self.file, at: self.here().line }) >= self.part.end {
                return Ok(None);
            }
            let Some(open) = &mut self.open else {
                self.open_next()?;
                continue;
            };
            let Some(rows) = open.take(most, &self.plans[self.file].leaves, self.limits, control)? else {
                if !self.part.ends_inside(self.file) {
                    self.close(control)?;
                }
                continue;
            };
            let (row_group, index) = (open.group as u32, open.index);
            open.index += rows.num_rows() as u64;
            self.rows += rows.num_rows() as u64;
            let bytes = rows.columns().iter().map(Array::get_array_memory_size).sum();
            return Ok(Some((Piece { rows, file: self.file as u32, row_group, index }, bytes)));
        }
    }

    fn open_next(&mut self) -> Result<()> {
        let file = &self.files[self.file];
        file.check_unchanged()?;
        let table = Table::open(file)?;
        let rows = table.groups().iter().map(|group| group.num_rows().cast_unsigned()).sum();
        let first_row = self.rows;
        let (mut group, mut index) = (0, 0);
        if let Some(start) = self.start.take() {
            (group, index, self.rows) = (start.line as usize, start.byte, start.rows);
            let most = if group < table.groups().len() { table.group_rows(group) } else { 0 };
            if group > table.groups().len() || index > most {
                return Err(changed(&file.path));
            }
        }
        let ends_inside = self.part.ends_inside(self.file);
        let is_whole = !ends_inside && !self.part.begins_inside(self.file);
        let hash = if is_whole { Some(FileHash::open(&file.path)?) } else { None };
        let last_group = if ends_inside { self.part.end.at as usize } else { table.groups().len() };
        let mut open = OpenTable {
            table,
            hash,
            last_group,
            group,
            index,
            reader: None,
            rest: None,
            first_row,
            rows,
            bytes: file.bytes,
            rows_before: 0,
        };
        open.rows_before = open.rows_done();
        self.open = Some(open);
        Ok(())
    }

    fn close(&mut self, control: &Control) -> Result<()> {
        let Some(open) = self.open.take() else { return Ok(()) };
        let file = &self.files[self.file];
        let read = open.bytes_read();
        let (bytes, sha256) = match open.hash {
            Some(hash) => hash.finish(control).map(|(bytes, sha256)| (bytes, Some(sha256)))?,
            None => (file.bytes, None),
        };
        file.check_unchanged()?;
        self.finished_bytes += if sha256.is_some() { bytes } else { read };
        self.finished.push(InputFile { path: file.name.clone(), bytes, sha256, rows: self.rows - open.first_row });
        self.file += 1;
        Ok(())
    }
}

impl OpenTable {
    /// The next rows, at most so many; `None` after the last row group.
    fn take(
        &mut self,
        most: usize,
        leaves: &[usize],
        limits: Limits,
        control: &Control,
    ) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(rest) = self.rest.take() {
                if rest.num_rows() <= most {
                    return Ok(Some(rest));
                }
                self.rest = Some(rest.slice(most, rest.num_rows() - most));
                return Ok(Some(rest.slice(0, most)));
            }
            if self.group == self.last_group {
                return Ok(None);
            }
            let left = self.table.group_rows(self.group) - self.index.min(self.table.group_rows(self.group));
            let Some(reader) = &mut self.reader else {
                if left == 0 {
                    (self.group, self.index) = (self.group + 1, 0);
                    continue;
                }
                let bytes = self.table.row_bytes(self.group, Some(leaves)).max(1);
                let piece = (limits.batch_bytes / PIECES) as u64 / bytes;
                let piece = (piece as usize).clamp(1, PIECE_ROWS).min(limits.batch_rows);
                let skipped = self.index as usize;
                let reader = self.table.reader(self.group, Some(leaves), piece, control, |builder| {
                    if skipped > 0 { builder.with_offset(skipped) } else { builder }
                })?;
                self.reader = Some(reader);
                continue;
            };
            match self.table.next_rows(reader, self.group, control)? {
                Some(batch) if batch.num_rows() as u64 <= left => self.rest = Some(batch),
                None if left == 0 => self.reader = None,
                _ => return Err(self.table.wrong_number_of_rows(self.group)),
            }
        }
    }

    /// Hash as much of the file as of its rows is read.
    fn hash_along(&mut self, control: &Control) -> Result<()> {
        let (done, total) = (self.rows_done(), self.rows);
        self.hash.as_mut().map_or(Ok(()), |hash| hash.advance_to(done, total, control))
    }

    /// Rows of the file until here.
    fn rows_done(&self) -> u64 {
        let before: u64 = (0..self.group).map(|group| self.table.group_rows(group)).sum();
        before + self.index
    }

    /// Bytes on disk read until now; of a file that is not hashed, by its rows.
    fn bytes_read(&self) -> u64 {
        self.hash.as_ref().map_or_else(
            || {
                let share = u128::from(self.bytes) * u128::from(self.rows_done() - self.rows_before);
                (share / u128::from(self.rows.max(1))) as u64
            },
            FileHash::bytes,
        )
    }
}
