//! Files to lines: the part of reading that one thread does alone, which neither looks into a line nor scores it.

use std::ops::Range;
use std::sync::Arc;

use super::columnar::Piece;
use super::files::{InputFile, ListedFile, Position};
use super::places::{LinePlace, Places};
use super::stream::{LineRead, Stream};
use crate::error::{Error, Result, Side};
use crate::parallel::Control;

/// A byte-order mark, which some editors put at the start of a file; not part of any row.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// How much is read at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// A batch ends with the row that reaches one of these.
    pub(super) batch_bytes: usize,
    pub(super) batch_rows: usize,
    /// A longer line is not kept.
    pub(super) max_row_bytes: u32,
}

/// Consecutive rows as they lie in their files.
pub(super) struct RawBatch {
    /// None after the last row of the last file.
    pub(super) rows: RawRows,
    /// Number of the first row.
    pub(super) first_row: usize,
    /// Files that ended within the batch.
    pub(super) finished: Vec<InputFile>,
    pub(super) end: Position,
    /// Bytes on disk read until now, over all files.
    pub(super) bytes_on_disk: u64,
}

/// The rows of a batch.
pub(super) enum RawRows {
    Lines { bytes: Vec<u8>, rows: Vec<RawRow> },
    Parquet(Vec<Piece>),
}

impl RawRows {
    pub(super) fn is_empty(&self) -> bool {
        match self {
            RawRows::Lines { rows, .. } => rows.is_empty(),
            RawRows::Parquet(pieces) => pieces.is_empty(),
        }
    }

    /// Where each row lies.
    pub(super) fn places(&self) -> Places {
        match self {
            RawRows::Lines { rows, .. } => Places::Lines(rows.iter().map(|row| row.place).collect()),
            RawRows::Parquet(pieces) => Places::Parquet(pieces.iter().flat_map(Piece::places).collect()),
        }
    }
}

pub(super) struct RawRow {
    /// In the bytes of the batch; empty for a line that is too long.
    pub(super) range: Range<usize>,
    pub(super) place: LinePlace,
    pub(super) is_too_long: bool,
}

/// Cuts files into rows, in the order of the files.
pub(super) struct Splitter {
    side: Side,
    files: Arc<[ListedFile]>,
    limits: Limits,
    open: Option<OpenFile>,
    /// Index of the file that is open or next.
    file: usize,
    /// Where the first file begins.
    start: Option<Position>,
    rows: u64,
    finished: Vec<InputFile>,
    finished_bytes: u64,
}

struct OpenFile {
    stream: Stream,
    /// Physical lines and decompressed bytes read until now.
    line: u64,
    byte: u64,
    first_row: u64,
}

impl Splitter {
    /// From the start, or from the end of a batch; `finished` are the files read before that.
    pub(super) fn new(
        side: Side,
        files: Arc<[ListedFile]>,
        limits: Limits,
        start: Position,
        finished: &[InputFile],
    ) -> Splitter {
        let rows_before = finished.iter().map(|file| file.rows).sum();
        Splitter {
            side,
            files,
            limits,
            open: None,
            file: start.file as usize,
            start: (start != Position::default()).then_some(start),
            rows: rows_before,
            finished: Vec::new(),
            finished_bytes: finished.iter().map(|file| file.bytes).sum(),
        }
    }

    /// The next rows; none after the last.
    pub(super) fn next_batch(&mut self, control: &Control) -> Result<RawBatch> {
        let (mut bytes, mut rows) = (Vec::new(), Vec::new());
        let mut first_row = self.rows;
        while bytes.len() < self.limits.batch_bytes
            && rows.len() < self.limits.batch_rows
            && self.next_row(&mut bytes, &mut rows, control)?
        {
            if rows.len() == 1 {
                // Not what it was before, if a file was opened in the middle.
                first_row = self.rows - 1;
            }
        }
        let open = self.open.as_ref();
        Ok(RawBatch {
            rows: RawRows::Lines { bytes, rows },
            first_row: first_row as usize,
            finished: std::mem::take(&mut self.finished),
            end: Position {
                file: self.file as u32,
                byte: open.map_or(0, |open| open.byte),
                line: open.map_or(0, |open| open.line),
                rows: self.rows,
            },
            bytes_on_disk: self.finished_bytes + open.map_or(0, |open| open.stream.bytes_on_disk()),
        })
    }

    /// Append the next line that is not blank; `false` after the last file.
    fn next_row(&mut self, bytes: &mut Vec<u8>, rows: &mut Vec<RawRow>, control: &Control) -> Result<bool> {
        loop {
            // A file of nothing but blank lines has no row between two of them.
            control.check()?;
            let Some(open) = &mut self.open else {
                if self.file == self.files.len() {
                    return Ok(false);
                }
                self.open_next(control)?;
                continue;
            };
            let before = bytes.len();
            let read = open.stream.read_line(bytes, self.limits.max_row_bytes as usize, self.rows, control)?;
            if read == LineRead::END {
                self.close();
                continue;
            }
            let bom = if open.line == 0 && bytes[before..].starts_with(BOM) { BOM.len() } else { 0 };
            let start = before + bom;
            let byte = open.byte + bom as u64;
            open.byte += read.bytes;
            open.line += 1;
            let line = &bytes[start..];
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if !read.is_too_long && line.iter().all(u8::is_ascii_whitespace) {
                bytes.truncate(before);
                continue;
            }
            let is_too_long = read.is_too_long || line.len() > self.limits.max_row_bytes as usize;
            let length = line.len();
            let range = if is_too_long { before..before } else { start..start + length };
            if is_too_long {
                bytes.truncate(before);
            }
            let place = LinePlace { byte, line: open.line, length: range.len() as u32, file: self.file as u32 };
            rows.push(RawRow { range, place, is_too_long });
            self.rows += 1;
            return Ok(true);
        }
    }

    fn open_next(&mut self, control: &Control) -> Result<()> {
        let file = &self.files[self.file];
        file.check_unchanged()?;
        let mut stream = Stream::open(&file.path, self.side)?;
        let first_row = self.rows;
        let (mut line, mut byte) = (0, 0);
        if let Some(start) = self.start.take() {
            stream.skip(start.byte, start.rows, control)?;
            (line, byte, self.rows) = (start.line, start.byte, start.rows);
        }
        self.open = Some(OpenFile { stream, line, byte, first_row });
        Ok(())
    }

    fn close(&mut self) {
        let Some(open) = self.open.take() else { return };
        let path = self.files[self.file].path.clone();
        let (bytes, sha256) = open.stream.finish();
        self.finished_bytes += bytes;
        self.finished.push(InputFile { path, bytes, sha256, rows: self.rows - open.first_row });
        self.file += 1;
    }
}

/// What is said of a line, or a text, that is too long.
pub(super) fn too_long(what: &str, limit: u32) -> Error {
    let most = "the most that max_row_bytes allows";
    Error::bad_row(format!("the {what} is longer than {limit} bytes, {most}; split the row or raise the limit"))
}
