//! The two files of a selection: the chosen rows as they lay in their files, and where each came from.

use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};

use serde::Serialize;
use serde_json::value::RawValue;

use super::place::PlaceInFile;
use super::{Output, WrittenFile, columns};
use crate::error::{Error, Result};
use crate::parallel::Control;
use crate::read::{Fields, LinePlace, Places, Reader};

/// Name of the file with the chosen rows.
pub const SELECTED_NAME: &str = "selected.jsonl";

/// Name of the file with the chosen rows of Parquet files.
pub const SELECTED_PARQUET_NAME: &str = "selected.parquet";

/// Name of the file that says, line by line, which rows these are.
pub const SELECTION_NAME: &str = "selection.jsonl";

/// Chosen rows, in the order in which they are to be written; all slices have one length.
#[derive(Clone, Copy, Debug)]
pub struct Selected<'a> {
    /// Row numbers over all sources.
    pub rows: &'a [usize],
    /// Position of each in the order by score, from 0.
    pub ranks: &'a [usize],
    /// Score of each.
    pub scores: &'a [f64],
    /// Share of the target that the rows up to each cover; `None` for rows that were not chosen together.
    pub coverage: Option<&'a [f64]>,
}

/// One line of `selection.jsonl`.
#[derive(Serialize)]
struct SelectionLine<'a> {
    rank: usize,
    row: usize,
    file: Option<std::borrow::Cow<'a, str>>,
    #[serde(flatten)]
    within: PlaceInFile,
    id: Option<&'a RawValue>,
    score: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    coverage: Option<f64>,
}

/// Write the chosen rows and [`SELECTION_NAME`] from the files of `reader`, in which the rows lie at `places`.
///
/// From lines they become [`SELECTED_NAME`]. A row of JSON Lines is its line as it lies in the file, without its
/// terminator, plus `\n`; files are read once, in order, and every row is written at its final place. How long a row of
/// another line format becomes is known once it is read: unless all files are JSON Lines, rows go into a nameless file
/// in the output directory first, in the order of the sources, and from there to their places. (Reading the sources a
/// second time would decompress all of them, not only chosen rows.) Memory: one row, the ids of the chosen rows, and 16
/// bytes a row. From Parquet they become [`SELECTED_PARQUET_NAME`], with every column and the metadata of the first file.
///
/// # Errors
/// As [`Reader::copy_lines`]; [`Cause::Parameter`](crate::error::Cause::Parameter) for places of another kind than the
/// files, [`Cause::BadRow`](crate::error::Cause::BadRow) for a damaged Parquet file;
/// [`Cause::Io`](crate::error::Cause::Io) of the output.
pub fn copy_rows(
    output: &mut Output,
    reader: &Reader,
    places: &Places,
    selected: Selected<'_>,
    control: &Control,
) -> Result<[WrittenFile; 2]> {
    let (rows, ids) = match (places, reader.source_schema()) {
        (Places::Lines(places), None) => copy_lines(output, reader, places, control)?,
        (Places::Parquet(places), Some(schema)) => columns::copy(output, reader, schema, places, control)?,
        // Of no places the kind is not known.
        (places, Some(schema)) if places.is_empty() => columns::copy(output, reader, schema, &[], control)?,
        _ => return Err(Error::parameter("the places are not those of rows in the files of this reader")),
    };
    let lines = selected.lines(|index, line| {
        let (file, within) = PlaceInFile::of(places, index);
        line.file = Some(reader.path(file).to_string_lossy());
        line.within = within;
        line.id = ids[index].as_deref();
    });
    Ok([rows, output.write_with(SELECTION_NAME, |file| write_lines(file, lines))?])
}

/// The id of each row, if it has one.
pub(super) type Ids = Vec<Option<Box<RawValue>>>;

fn copy_lines(
    output: &mut Output,
    reader: &Reader,
    places: &[LinePlace],
    control: &Control,
) -> Result<(WrittenFile, Ids)> {
    let mut ids: Ids = vec![None; places.len()];
    let keep_id = |index: usize, line: &[u8]| ids[index] = reader.fields().id(line).map(ToOwned::to_owned);
    let rows = if reader.copies_as_it_lies() {
        copy_in_place(output, reader, places, control, keep_id)?
    } else {
        copy_by_spool(output, reader, places, control, keep_id)?
    };
    Ok((rows, ids))
}

/// Write rows whose lengths are known, each at its place; `see` is called with the index and the line of each.
fn copy_in_place(
    output: &mut Output,
    reader: &Reader,
    places: &[LinePlace],
    control: &Control,
    mut see: impl FnMut(usize, &[u8]),
) -> Result<WrittenFile> {
    let mut offsets = Vec::with_capacity(places.len());
    let mut end = 0;
    for place in places {
        offsets.push(end);
        end += u64::from(place.length) + 1;
    }
    let mut file = output.begin(SELECTED_NAME)?;
    let mut position = 0;
    let mut failed = Ok(());
    reader
        .copy_lines(places, control, |index, line| {
            see(index, line);
            failed = write_at(&mut file, &mut position, offsets[index], line);
            // The output's error is told by `finish`, with its path; here it only ends the copying.
            if failed.is_err() { Err(Error::internal("output failed")) } else { Ok(()) }
        })
        .or_else(|error| if failed.is_err() { Ok(()) } else { Err(error) })?;
    output.finish(SELECTED_NAME, file, failed)
}

/// The same for rows of unknown lengths.
fn copy_by_spool(
    output: &mut Output,
    reader: &Reader,
    places: &[LinePlace],
    control: &Control,
    mut see: impl FnMut(usize, &[u8]),
) -> Result<WrittenFile> {
    let directory = output.directory.clone();
    let at = |error| Error::io(error, &directory);
    let mut spool = BufWriter::new(tempfile::tempfile_in(&directory).map_err(at)?);
    let mut pieces = vec![(0, 0); places.len()];
    let mut end = 0;
    reader.copy_lines(places, control, |index, line| {
        see(index, line);
        let length = line.len() as u64 + 1;
        pieces[index] = (end, length);
        end += length;
        spool.write_all(line).and_then(|()| spool.write_all(b"\n")).map_err(at)
    })?;
    let mut spool = BufReader::new(spool.into_inner().map_err(io::IntoInnerError::into_error).map_err(at)?);
    spool.rewind().map_err(at)?;
    let mut stopped = Ok(());
    let mut position = 0;
    let file = output.write_with(SELECTED_NAME, |file| {
        for (offset, length) in pieces {
            stopped = control.check();
            if stopped.is_err() {
                return Ok(());
            }
            // Unlike `seek` this keeps what is buffered, so that rows that follow each other are read at once.
            spool.seek_relative(offset as i64 - position as i64)?;
            io::copy(&mut spool.by_ref().take(length), file)?;
            position = offset + length;
        }
        Ok(())
    })?;
    stopped.map(|()| file)
}

/// Write [`SELECTED_NAME`] and [`SELECTION_NAME`] from lines that are in memory; they are in no file, so `file` and
/// `line` are null.
///
/// # Errors
/// [`Cause::Io`](crate::error::Cause::Io) of the output.
pub fn write_rows(
    output: &mut Output,
    lines: &[impl AsRef<[u8]>],
    fields: &Fields,
    selected: Selected<'_>,
) -> Result<[WrittenFile; 2]> {
    let rows = output.write_with(SELECTED_NAME, |file| {
        lines.iter().try_for_each(|line| {
            file.write_all(line.as_ref())?;
            file.write_all(b"\n")
        })
    })?;
    let selection = selected.lines(|index, line| line.id = fields.id(lines[index].as_ref()));
    Ok([rows, output.write_with(SELECTION_NAME, |file| write_lines(file, selection))?])
}

impl<'a> Selected<'a> {
    /// The lines of `selection.jsonl`, their origin filled in by `locate`.
    fn lines(self, mut locate: impl FnMut(usize, &mut SelectionLine<'a>)) -> impl Iterator<Item = SelectionLine<'a>> {
        (0..self.rows.len()).map(move |index| {
            let (rank, row, score) = (self.ranks[index], self.rows[index], self.scores[index]);
            let coverage = self.coverage.map(|coverage| coverage[index]);
            let mut line =
                SelectionLine { rank, row, file: None, within: PlaceInFile::NONE, id: None, score, coverage };
            locate(index, &mut line);
            line
        })
    }
}

fn write_lines<'a>(
    file: &mut BufWriter<std::fs::File>,
    lines: impl Iterator<Item = SelectionLine<'a>>,
) -> io::Result<()> {
    for line in lines {
        serde_json::to_writer(&mut *file, &line)?;
        file.write_all(b"\n")?;
    }
    Ok(())
}

/// Write a line at its place; rows that follow each other in both files cost no seek.
fn write_at(file: &mut (impl Write + Seek), position: &mut u64, offset: u64, line: &[u8]) -> io::Result<()> {
    if *position != offset {
        file.seek(SeekFrom::Start(offset))?;
    }
    file.write_all(line)?;
    file.write_all(b"\n")?;
    *position = offset + line.len() as u64 + 1;
    Ok(())
}
