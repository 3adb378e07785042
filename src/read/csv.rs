//! Delimited text with a header: CSV and TSV (RFC 4180), as `csv-core` reads them.
//!
//! Fields may be quoted and then hold delimiters, line breaks and doubled quotes. A record ends with LF, CRLF or CR,
//! lines of nothing are passed over, and every record has the fields of its file's header. One thread finds where
//! records end ([`Records`]); fields are taken out by all ([`Header::append_object`]). A record is parsed twice so, and
//! kept as it lies in the file, which is how its place leads back to it.
//!
//! N.B. a quote that is not closed makes one record of everything up to the next quote. [`Records::read`] keeps no more
//! of it than a row may have, and says so when the file ends within one.

use std::collections::HashMap;
use std::sync::Arc;

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use super::form::append_string;
use super::json::{self, Fault};
use super::stream::Stream;
use crate::error::{Error, Result, quote};
use crate::parallel::Control;

/// Bytes of fields that the parser hands back at once where nobody wants them; arbitrary.
const UNUSED_BYTES: usize = 16 * 1024;

/// The same for the ends of fields; arbitrary.
const UNUSED_ENDS: usize = 256;

/// The columns of a file.
#[derive(Debug)]
pub(super) struct Header {
    delimiter: u8,
    names: Vec<String>,
    /// What stands before each value in the object of a record: `{"id":`, then `,"text":`.
    keys: Vec<Vec<u8>>,
}

/// Finds the records of a file, one after another.
pub(super) struct Records {
    parser: Reader,
    unused: Box<([u8; UNUSED_BYTES], [usize; UNUSED_ENDS])>,
}

/// A file whose header is read.
pub(super) struct Begun {
    pub(super) header: Arc<Header>,
    pub(super) records: Box<Records>,
    /// Bytes and line feeds until there.
    pub(super) bytes: u64,
    pub(super) lines: u64,
}

/// What reading a record has found.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RecordRead {
    /// Bytes and line feeds of the empty lines before it.
    pub(super) blank_bytes: u64,
    pub(super) blank_lines: u64,
    /// Bytes and line feeds of the record with its terminator; 0 at the end of the file.
    pub(super) bytes: u64,
    pub(super) lines: u64,
    pub(super) is_too_long: bool,
    /// The file ends within quotes.
    pub(super) is_open: bool,
}

/// The largest record that is kept, and whether to go on to the end of a larger one.
#[derive(Clone, Copy, Debug)]
pub(super) struct RecordLimit {
    pub(super) bytes: usize,
    pub(super) passes_over: bool,
}

impl Records {
    fn new(delimiter: u8) -> Records {
        Records { parser: parser(delimiter), unused: Box::new(([0; UNUSED_BYTES], [0; UNUSED_ENDS])) }
    }

    /// Append the next record without its terminator; `row` is the row that it would be.
    ///
    /// Of one that is too long nothing is appended.
    pub(super) fn read(
        &mut self,
        stream: &mut Stream,
        record: &mut Vec<u8>,
        limit: RecordLimit,
        row: u64,
        control: &Control,
    ) -> Result<RecordRead> {
        let before = record.len();
        let mut read = RecordRead::default();
        loop {
            control.check()?;
            let buffer = stream.fill(row)?;
            if buffer.is_empty() {
                read.is_open = read.bytes > 0 && !self.ends_here();
                break;
            }
            if read.bytes == 0 {
                let blank = buffer.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
                if blank > 0 {
                    read.blank_bytes += blank as u64;
                    read.blank_lines += line_feeds(&buffer[..blank]);
                    stream.consume(blank);
                    continue;
                }
            }
            let (bytes, ends) = &mut *self.unused;
            let (result, length, _, _) = self.parser.read_record(buffer, bytes, ends);
            read.bytes += length as u64;
            read.lines += line_feeds(&buffer[..length]);
            let is_whole = matches!(result, ReadRecordResult::Record);
            let kept = length - usize::from(is_whole);
            read.is_too_long |= record.len() - before + kept > limit.bytes;
            if !read.is_too_long {
                record.extend_from_slice(&buffer[..kept]);
            }
            stream.consume(length);
            if is_whole || (read.is_too_long && !limit.passes_over) {
                break;
            }
        }
        if read.is_too_long {
            record.truncate(before);
        }
        Ok(read)
    }

    /// Whether a record that has begun would end at a line feed: within quotes it does not.
    fn ends_here(&mut self) -> bool {
        let (bytes, ends) = &mut *self.unused;
        let (result, ..) = self.parser.read_record(b"\n", bytes, ends);
        matches!(result, ReadRecordResult::Record)
    }
}

impl Header {
    /// Read the header of a file from its start; `None` for a file of nothing.
    ///
    /// # Errors
    /// [`Cause::BadRow`](crate::error::Cause::BadRow) and [`Cause::InvalidText`](crate::error::Cause::InvalidText) for
    /// a header that names no columns; those of reading. Without the file's path.
    pub(super) fn read(stream: &mut Stream, delimiter: u8, row: u64, control: &Control) -> Result<Option<Begun>> {
        let bom = stream.pass_over_bom(row)?;
        let mut records = Box::new(Records::new(delimiter));
        let mut line = Vec::new();
        let limit = RecordLimit { bytes: super::MAX_ROW_BYTES as usize, passes_over: false };
        let read = records.read(stream, &mut line, limit, row, control)?;
        if read.bytes == 0 {
            return Ok(None);
        }
        let start = bom + read.blank_bytes;
        let at = |(error, offset): Fault| error.with_line(read.blank_lines + 1, start + offset as u64);
        if read.is_too_long {
            let message = format!("the header is longer than {} bytes; look for a quote not closed", limit.bytes);
            return Err(at((Error::bad_row(message), 0)));
        }
        let header = Arc::new(Header::parse(&line, delimiter).map_err(at)?);
        Ok(Some(Begun { header, records, bytes: start + read.bytes, lines: read.blank_lines + read.lines }))
    }

    fn parse(line: &[u8], delimiter: u8) -> Result<Header, Fault> {
        let mut scratch = Scratch::default();
        let names: Vec<String> = scratch.parse(line, delimiter)?.map(str::to_owned).collect();
        let mut keys = Vec::with_capacity(names.len());
        let mut known = HashMap::new();
        for (column, name) in names.iter().enumerate() {
            if let Some(first) = known.insert(name, column) {
                // Most readers of JSON keep one of two equal keys, so that a chosen row would lose a value.
                let (first, second, name) = (first + 1, column + 1, quote(name));
                let message = format!("columns {first} and {second} are both named {name}; rename or remove one");
                return Err((Error::bad_row(message), 0));
            }
            let mut key = vec![if column == 0 { b'{' } else { b',' }];
            append_string(name, &mut key)?;
            key.push(b':');
            keys.push(key);
        }
        Ok(Header { delimiter, names, keys })
    }

    /// Append the object of a record. `number` is a column whose whole numbers become numbers.
    ///
    /// # Errors
    /// [`Cause::InvalidText`](crate::error::Cause::InvalidText); [`Cause::BadRow`](crate::error::Cause::BadRow) for
    /// more or fewer fields than columns, and for a quote that is not closed.
    pub(super) fn append_object(
        &self,
        record: &[u8],
        number: Option<&str>,
        scratch: &mut Scratch,
        object: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        let fields = scratch.parse(record, self.delimiter)?;
        if fields.len() != self.keys.len() {
            let (found, expected) = (fields.len(), self.keys.len());
            let message = format!("the row has {}, expected {expected} as in the header", counted(found));
            return Err((Error::bad_row(message), 0));
        }
        for ((field, key), name) in fields.zip(&self.keys).zip(&self.names) {
            object.extend_from_slice(key);
            let value = if number == Some(name) { field.trim_ascii().parse::<u64>().ok() } else { None };
            match value {
                Some(value) => object.extend_from_slice(value.to_string().as_bytes()),
                None => append_string(field, object)?,
            }
        }
        object.push(b'}');
        Ok(())
    }
}

/// What one thread needs to take records apart; kept between records.
#[derive(Default)]
pub(super) struct Scratch {
    /// Building one takes longer than parsing a short record.
    parser: Option<(u8, Reader)>,
    fields: Vec<u8>,
    ends: Vec<usize>,
}

impl Scratch {
    /// The fields of a record that has no terminator.
    fn parse(&mut self, record: &[u8], delimiter: u8) -> Result<impl ExactSizeIterator<Item = &str>, Fault> {
        json::utf8(record)?;
        let parser = match &mut self.parser {
            Some((known, parser)) if *known == delimiter => parser,
            slot => &mut slot.insert((delimiter, parser(delimiter))).1,
        };
        // Fields are no longer than their record and a line feed; with one byte more the parser never asks for room.
        if self.fields.len() < record.len() + 2 {
            self.fields.resize(record.len() + 2, 0);
        }
        let (mut read, mut written, mut ended) = (0, 0, 0);
        loop {
            if ended + 1 >= self.ends.len() {
                self.ends.resize(2 * self.ends.len() + UNUSED_ENDS, 0);
            }
            let rest = if read < record.len() { &record[read..] } else { b"\n" };
            let (result, consumed, length, count) =
                parser.read_record(rest, &mut self.fields[written..], &mut self.ends[ended..]);
            let is_terminator = read >= record.len();
            (read, written, ended) = (read + consumed, written + length, ended + count);
            match result {
                ReadRecordResult::Record => break,
                _ if is_terminator && consumed > 0 => {
                    self.parser = None;
                    return Err((never_closed(), 0));
                }
                _ => {}
            }
        }
        // Whole characters, since the record has them and the parser takes out nothing but ASCII.
        let fields = json::utf8(&self.fields[..written])?;
        let ends = &self.ends[..ended];
        Ok((0..ended).map(move |at| &fields[if at == 0 { 0 } else { ends[at - 1] }..ends[at]]))
    }
}

fn parser(delimiter: u8) -> Reader {
    let mut parser = ReaderBuilder::new().delimiter(delimiter).build();
    // At its first bytes it takes away a byte-order mark, which is data in any other place than the file's start.
    let _ = parser.read_record(b"\n", &mut [0], &mut [0]);
    parser
}

/// The error that the file ends within quotes.
pub(super) fn never_closed() -> Error {
    Error::bad_row("a quote that the row opens is not closed before the end of the file; close it")
}

fn counted(fields: usize) -> String {
    format!("{fields} field{}", if fields == 1 { "" } else { "s" })
}

fn line_feeds(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(record: &[u8], scratch: &mut Scratch) -> Result<Vec<String>, String> {
        let fields = scratch.parse(record, b',').map_err(|(error, at)| format!("{at}: {error}"))?;
        Ok(fields.map(str::to_owned).collect())
    }

    #[test]
    fn what_one_record_leaves_behind_does_not_change_the_next() {
        let mut scratch = Scratch::default();
        let many = "x,".repeat(10_000);
        let long = "y".repeat(100_000);
        let broken = format!("0: {}", never_closed());
        for _ in 0..2 {
            assert_eq!(fields(b"a,\"b", &mut scratch).unwrap_err(), broken);
            assert_eq!(fields("\u{feff}a,b".as_bytes(), &mut scratch).unwrap(), ["\u{feff}a", "b"]);
            assert_eq!(fields(many.as_bytes(), &mut scratch).unwrap().len(), 10_001);
            assert_eq!(fields(b"a,\"\"", &mut scratch).unwrap(), ["a", ""]);
            assert_eq!(fields(long.as_bytes(), &mut scratch).unwrap(), [long.as_str()]);
            assert_eq!(scratch.parse(b"a\tb,", b'\t').map_err(|_| ()).unwrap().collect::<Vec<_>>(), ["a", "b,"]);
        }
    }

    #[test]
    fn only_whole_numbers_of_the_asked_column_become_numbers() {
        let header = Header::parse(b"n,m", b',').map_err(|(error, _)| error).unwrap();
        let object = |record: &[u8], number| {
            let mut object = Vec::new();
            let appended = header.append_object(record, number, &mut Scratch::default(), &mut object);
            appended.map_err(|(error, _)| error).unwrap();
            String::from_utf8(object).unwrap()
        };
        assert_eq!(object(b"1,2", None), r#"{"n":"1","m":"2"}"#);
        assert_eq!(object(b" 01 ,2", Some("n")), r#"{"n":1,"m":"2"}"#);
        assert_eq!(object(b"1.5,2", Some("n")), r#"{"n":"1.5","m":"2"}"#);
        assert_eq!(object(b"-1,\"\"", Some("n")), r#"{"n":"-1","m":""}"#);
    }
}
