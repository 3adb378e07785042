//! One of n parts of the sources, for machines that work side by side.
//!
//! The files lie one behind the other as one stretch of bytes on disk, which is cut into n equal pieces. A row belongs
//! to the piece in which its line begins, a Parquet row group to the one in which it would begin if all groups of its
//! file had one size, and a file that cannot be cut (compressed, CSV, a text that is one row) to the one in which it
//! begins. So each row is in one shard, shards follow each other in the order of the rows, and where they are cut
//! depends on the sizes of the files alone, up to the end of a line.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};

use super::columnar::Plan;
use super::files::{InputFile, ListedFile, Position};
use super::form::{FileFormat, TextBy};
use super::stream::Stream;
use crate::error::{Error, Result};

/// Which part of the sources is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// From 1.
    number: u32,
    of: u32,
}

impl Shard {
    /// Part `number`, from 1, of `of`.
    ///
    /// # Errors
    /// [`Cause::Parameter`](crate::error::Cause::Parameter) for a number that is not there.
    pub fn new(number: u32, of: u32) -> Result<Shard> {
        if (1..=of).contains(&number) {
            return Ok(Shard { number, of });
        }
        Err(Error::parameter(format!("shard is {number}/{of}; give K/N with K from 1 to N")))
    }
}

/// A place between rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cut {
    /// Index of the file.
    pub(super) file: usize,
    /// Offset in it; in Parquet, the row group. 0: before the file.
    pub(super) at: u64,
}

/// What lies between two cuts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) start: Cut,
    pub(super) end: Cut,
    /// About how many bytes on disk.
    pub(super) bytes: u64,
}

impl Part {
    /// Everything.
    pub(super) fn all(files: &[ListedFile]) -> Part {
        let bytes = files.iter().map(|file| file.bytes).sum();
        Part { start: Cut { file: 0, at: 0 }, end: Cut { file: files.len(), at: 0 }, bytes }
    }

    /// One shard; `plans` are there for Parquet.
    pub(super) fn of(shard: Shard, files: &[ListedFile], plans: Option<&[Plan]>) -> Result<Part> {
        let total: u64 = files.iter().map(|file| file.bytes).sum();
        let offset = |number: u32| (u128::from(total) * u128::from(number) / u128::from(shard.of)) as u64;
        let (start, end) = (offset(shard.number - 1), offset(shard.number));
        let end_cut = if shard.number == shard.of { Part::all(files).end } else { cut(end, files, plans)? };
        Ok(Part { start: cut(start, files, plans)?, end: end_cut, bytes: end - start })
    }

    /// Whether the file begins before this part does.
    pub(super) fn begins_inside(&self, file: usize) -> bool {
        self.start.file == file && self.start.at > 0
    }

    /// Whether the file goes on behind this part.
    pub(super) fn ends_inside(&self, file: usize) -> bool {
        self.end.file == file && self.end.at > 0
    }

    /// Bytes on disk of files that were read to their end, as far as they are in this part.
    pub(super) fn bytes_of(&self, finished: &[InputFile]) -> u64 {
        let bytes: u64 = finished.iter().map(|file| file.bytes).sum();
        if finished.is_empty() { 0 } else { bytes - self.start.at }
    }

    /// Where reading begins.
    pub(super) fn start_position(&self, is_parquet: bool) -> Position {
        let Cut { file, at } = self.start;
        let (byte, line) = if is_parquet { (0, at) } else { (at, 0) };
        Position { file: file as u32, byte, line, rows: 0 }
    }
}

/// The first place between rows that is at `offset` of all bytes, or behind it.
fn cut(offset: u64, files: &[ListedFile], plans: Option<&[Plan]>) -> Result<Cut> {
    let mut start = 0;
    for (index, file) in files.iter().enumerate() {
        if start >= offset {
            return Ok(Cut { file: index, at: 0 });
        }
        if offset < start + file.bytes {
            let at = match plans {
                Some(plans) => {
                    let groups = plans[index].row_groups as u64;
                    let group =
                        (u128::from(offset - start) * u128::from(groups)).div_ceil(u128::from(file.bytes)) as u64;
                    Some(group).filter(|&group| group < groups)
                }
                None if can_be_cut(file) => next_line(file, offset - start)?,
                None => None,
            };
            return Ok(at.map_or(Cut { file: index + 1, at: 0 }, |at| Cut { file: index, at }));
        }
        start += file.bytes;
    }
    Ok(Cut { file: files.len(), at: 0 })
}

fn can_be_cut(file: &ListedFile) -> bool {
    Stream::is_plain(&file.path) && matches!(file.format, FileFormat::JsonLines | FileFormat::Text(TextBy::Line))
}

/// Where the first line begins that does not begin before `offset`, which is above 0; `None` at the end of the file.
fn next_line(listed: &ListedFile, offset: u64) -> Result<Option<u64>> {
    let at = |error| Error::io(error, &listed.path);
    let mut file = File::open(&listed.path).map_err(at)?;
    // A line begins behind a newline, which may be the byte before.
    file.seek(SeekFrom::Start(offset - 1)).map_err(at)?;
    let (mut file, mut position) = (BufReader::new(file), offset - 1);
    loop {
        let buffer = file.fill_buf().map_err(at)?;
        let newline = memchr::memchr(b'\n', buffer);
        let passed = newline.map_or(buffer.len(), |newline| newline + 1);
        position += passed as u64;
        if newline.is_some() || passed == 0 {
            return Ok(Some(position).filter(|&position| position < listed.bytes));
        }
        file.consume(passed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_shard_that_is_not_there_is_refused() {
        assert!(Shard::new(7, 7).is_ok());
        for (number, of) in [(0, 7), (8, 7), (1, 0)] {
            let error = Shard::new(number, of).unwrap_err().to_string();
            assert_eq!(error, format!("shard is {number}/{of}; give K/N with K from 1 to N"));
        }
    }

    #[test]
    fn files_are_cut_where_a_line_begins_and_compressed_ones_before_or_behind() {
        let top = tempfile::tempdir().unwrap();
        let files: Vec<ListedFile> =
            [("a.jsonl", "12\n456\n89"), ("b.jsonl.gz", "0123456789"), ("c.csv", "01"), ("d.txt", "")]
                .into_iter()
                .map(|(name, content)| {
                    let path = top.path().join(name);
                    fs::write(&path, content).unwrap();
                    ListedFile::find(path.clone(), path, TextBy::Line).unwrap()
                })
                .collect();
        let cuts: Vec<(usize, u64)> =
            (0..=21).map(|offset| cut(offset, &files, None).map(|cut| (cut.file, cut.at)).unwrap()).collect();
        let inside = [(0, 0), (0, 3), (0, 3), (0, 3), (0, 7), (0, 7), (0, 7), (0, 7), (1, 0), (1, 0)];
        assert_eq!(cuts[..10], inside);
        assert_eq!(cuts[10..20], [[(2, 0); 10].as_slice()].concat());
        assert_eq!(cuts[20..], [(3, 0), (3, 0)]);
        let parts: Vec<Part> =
            (1..=5).map(|number| Part::of(Shard::new(number, 5).unwrap(), &files, None).unwrap()).collect();
        assert!(parts.windows(2).all(|pair| pair[0].end == pair[1].start));
        assert_eq!((parts[0].start, parts[4].end), (Part::all(&files).start, Part::all(&files).end));
        assert_eq!(parts.iter().map(|part| part.bytes).sum::<u64>(), 21);
    }
}
