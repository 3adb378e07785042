//! Files to lines: the part of reading that one thread does alone, which neither looks into a line nor scores it.

use std::ops::Range;
use std::sync::Arc;

use super::columnar::Piece;
use super::csv::{self, Begun, Header, RecordLimit, RecordRead, Records};
use super::files::{InputFile, ListedFile, Position, changed};
use super::form::{FileFormat, Form, TextBy};
use super::places::{LinePlace, Places};
use super::shard::{Cut, Part};
use super::stream::{BOM, LineRead, Stream};
use crate::error::{Result, Side};
use crate::parallel::Control;

/// How much is read at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// A batch ends with the row that reaches one of these.
    pub(super) batch_bytes: usize,
    pub(super) batch_rows: usize,
    /// A longer line is not kept.
    pub(super) max_row_bytes: u32,
    /// Whether rows after a bad one are wanted.
    pub(super) skip_bad_rows: bool,
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
    pub(super) form: Form,
    pub(super) is_too_long: bool,
}

/// Cuts files into rows, in the order of the files.
pub(super) struct Splitter {
    side: Side,
    files: Arc<[ListedFile]>,
    limits: Limits,
    part: Part,
    open: Option<OpenFile>,
    /// Index of the file that is open or next.
    file: usize,
    /// Where reading begins in the first file.
    start: Option<Position>,
    rows: u64,
    finished: Vec<InputFile>,
    finished_bytes: u64,
}

struct OpenFile {
    stream: Stream,
    form: Cutter,
    /// Physical lines and decompressed bytes read until now.
    line: u64,
    byte: u64,
    /// A line that begins here, or behind, is not wanted.
    stop: u64,
    first_row: u64,
}

/// What cuts a file into rows.
enum Cutter {
    Rows(TextBy, Form),
    Records(Box<Records>, Arc<Header>),
}

/// A row that was appended to the bytes of a batch.
struct Found {
    range: Range<usize>,
    byte: u64,
    line: u64,
    form: Form,
    is_too_long: bool,
    /// The file ends within its quotes.
    is_open: bool,
}

impl Splitter {
    /// From the start, or from the end of a batch; `finished` are the files read before that.
    pub(super) fn new(
        side: Side,
        files: Arc<[ListedFile]>,
        limits: Limits,
        part: Part,
        start: Position,
        finished: &[InputFile],
    ) -> Splitter {
        let rows_before = finished.iter().map(|file| file.rows).sum();
        Splitter {
            side,
            files,
            limits,
            part,
            open: None,
            file: start.file as usize,
            start: (start != Position::default()).then_some(start),
            rows: rows_before,
            finished: Vec::new(),
            finished_bytes: part.bytes_of(finished),
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
        Ok(RawBatch {
            rows: RawRows::Lines { bytes, rows },
            first_row: first_row as usize,
            finished: std::mem::take(&mut self.finished),
            end: self.here(),
            bytes_on_disk: self.finished_bytes + self.open.as_ref().map_or(0, |open| open.stream.bytes_on_disk()),
        })
    }

    /// How far the files are read.
    fn here(&self) -> Position {
        let file = self.file as u32;
        match &self.open {
            Some(open) => Position { file, byte: open.byte, line: open.line, rows: self.rows },
            None => self.start.unwrap_or(Position { file, rows: self.rows, ..Position::default() }),
        }
    }

    /// Append the next line that is not blank; `false` after the last file.
    fn next_row(&mut self, bytes: &mut Vec<u8>, rows: &mut Vec<RawRow>, control: &Control) -> Result<bool> {
        loop {
            control.check()?;
            if (Cut { file: self.file, at: self.here().byte }) >= self.part.end {
                return Ok(false);
            }
            let Some(open) = &mut self.open else {
                self.open_next(control)?;
                continue;
            };
            let Some(found) = open.next_row(bytes, self.limits, self.rows, control)? else {
                if open.byte < open.stop && self.part.ends_inside(self.file) {
                    // The file ends where it did not when it was cut.
                    return Err(changed(&self.files[self.file].path));
                }
                if !self.part.ends_inside(self.file) {
                    self.close()?;
                }
                continue;
            };
            let Found { range, byte, line, form, is_too_long, is_open } = found;
            if is_too_long && is_open {
                // How many rows it has swallowed nobody knows, so it is not for skipping.
                let error = csv::never_closed().with_row(self.side, self.rows).with_line(line, byte);
                return Err(error.with_path(&self.files[self.file].path));
            }
            let place = LinePlace { byte, line, length: range.len() as u32, file: self.file as u32 };
            if is_too_long && !self.limits.skip_bad_rows {
                // Nobody asks for more, and what follows may be the middle of a record.
                (self.open, self.file) = (None, self.files.len());
            }
            rows.push(RawRow { range, place, form, is_too_long });
            self.rows += 1;
            return Ok(true);
        }
    }

    fn open_next(&mut self, control: &Control) -> Result<()> {
        let file = &self.files[self.file];
        file.check_unchanged()?;
        let first_row = self.rows;
        let start = self.start.take().unwrap_or(Position { rows: first_row, ..Position::default() });
        self.rows = start.rows;
        let (mut line, mut byte) = (0, 0);
        let mut stream = if self.part.begins_inside(self.file) {
            (line, byte) = (start.line, start.byte);
            self.finished_bytes += byte - self.part.start.at;
            Stream::open_plain_at(&file.path, self.side, byte)?
        } else {
            Stream::open(&file.path, self.side)?
        };
        let form = match file.format {
            FileFormat::JsonLines => Cutter::Rows(TextBy::Line, Form::Json),
            FileFormat::Text(by) => Cutter::Rows(by, Form::Text),
            FileFormat::Delimited(delimiter) => {
                let header = Header::read(&mut stream, delimiter, self.rows, control);
                match header.map_err(|error| error.with_path(&file.path))? {
                    Some(Begun { header, records, bytes, lines }) => {
                        (line, byte) = (lines, bytes);
                        Cutter::Records(records, header)
                    }
                    // The end is found again.
                    None => Cutter::Rows(TextBy::Line, Form::Text),
                }
            }
        };
        if start.byte > byte {
            stream.skip(start.byte - byte, start.rows, control)?;
            (line, byte) = (start.line, start.byte);
        }
        let stop = if self.part.ends_inside(self.file) { self.part.end.at } else { u64::MAX };
        self.open = Some(OpenFile { stream, form, line, byte, stop, first_row });
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        let Some(open) = self.open.take() else { return Ok(()) };
        let file = &self.files[self.file];
        if self.part.begins_inside(self.file) {
            // Of others the hash tells.
            file.check_unchanged()?;
        }
        let (read, sha256) = open.stream.finish();
        self.finished_bytes += read;
        let is_whole = !self.part.begins_inside(self.file);
        self.finished.push(InputFile {
            path: file.name.clone(),
            bytes: if is_whole { read } else { file.bytes },
            sha256: is_whole.then_some(sha256),
            rows: self.rows - open.first_row,
        });
        self.file += 1;
        Ok(())
    }
}

impl OpenFile {
    /// Append the next row; `None` at the end of the file.
    fn next_row(&mut self, bytes: &mut Vec<u8>, limits: Limits, row: u64, control: &Control) -> Result<Option<Found>> {
        let (records, header) = match &mut self.form {
            Cutter::Rows(by, form) => {
                let (by, form) = (*by, form.clone());
                return self.next_line(bytes, by, form, limits, row, control);
            }
            Cutter::Records(records, header) => (records, header),
        };
        let limit = RecordLimit { bytes: limits.max_row_bytes as usize, passes_over: limits.skip_bad_rows };
        let start = bytes.len();
        let read = records.read(&mut self.stream, bytes, limit, row, control)?;
        let (byte, line) = (self.byte + read.blank_bytes, self.line + read.blank_lines + 1);
        self.byte = byte + read.bytes;
        self.line += read.blank_lines + read.lines;
        if read.bytes == 0 {
            return Ok(None);
        }
        let RecordRead { is_too_long, is_open, .. } = read;
        let form = Form::Record(Arc::clone(header));
        Ok(Some(Found { range: start..bytes.len(), byte, line, form, is_too_long, is_open }))
    }

    /// A line that is not blank, or a document.
    fn next_line(
        &mut self,
        bytes: &mut Vec<u8>,
        by: TextBy,
        form: Form,
        limits: Limits,
        row: u64,
        control: &Control,
    ) -> Result<Option<Found>> {
        let before = bytes.len();
        let limit = limits.max_row_bytes as usize;
        loop {
            // A file of nothing but blank lines has no row between two of them.
            control.check()?;
            if self.byte >= self.stop {
                return Ok(None);
            }
            let read = self.stream.read_row(bytes, by, limit, row, control)?;
            if read == LineRead::END {
                return Ok(None);
            }
            let bom = if self.byte == 0 && bytes[before..].starts_with(BOM) { BOM.len() } else { 0 };
            let start = before + bom;
            let byte = self.byte + bom as u64;
            self.byte += read.bytes;
            self.line += 1;
            let mut line = &bytes[start..];
            if by == TextBy::Line {
                line = line.strip_suffix(b"\n").unwrap_or(line);
                line = line.strip_suffix(b"\r").unwrap_or(line);
            }
            if !read.is_too_long && line.iter().all(u8::is_ascii_whitespace) {
                bytes.truncate(before);
                continue;
            }
            let is_too_long = read.is_too_long || line.len() > limit;
            let mut range = start..start + line.len();
            if is_too_long {
                range = before..before;
                bytes.truncate(before);
            }
            return Ok(Some(Found { range, byte, line: self.line, form, is_too_long, is_open: false }));
        }
    }
}
