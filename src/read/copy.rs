//! Rows out of their files once more, by their places: the second pass, for chosen rows only.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;

use super::csv::Header;
use super::files::{ListedFile, Position, by_name};
use super::form::{FileFormat, Form, Scratch, TextBy};
use super::lines::{RawRows, Splitter};
use super::places::{LinePlace, Places};
use super::stream::Stream;
use super::{ReadOptions, Reader};
use crate::error::{Error, Result, Side};
use crate::parallel::Control;

/// Rows of a file by their offsets, which must rise. A plain file is sought, a compressed one read through.
struct LineCopier {
    path: PathBuf,
    source: CopySource,
    form: Form,
}

enum CopySource {
    Plain(BufReader<File>),
    Compressed { stream: Stream, position: u64 },
}

impl LineCopier {
    fn open(file: &ListedFile, control: &Control) -> Result<LineCopier> {
        let path = &file.path;
        let (mut form, mut position, mut begun) = (Form::Text, 0, None);
        match file.format {
            FileFormat::JsonLines => form = Form::Json,
            FileFormat::Text(_) => {}
            FileFormat::Delimited(delimiter) => {
                let mut stream = Stream::open(path, Side::Source)?;
                let header = Header::read(&mut stream, delimiter, 0, control);
                // A file of nothing has no rows to copy.
                if let Some(file) = header.map_err(|error| error.with_path(path))? {
                    (form, position) = (Form::Record(file.header), file.bytes);
                }
                begun = Some(stream);
            }
        }
        let source = if Stream::is_plain(path) {
            CopySource::Plain(BufReader::new(File::open(path).map_err(|error| Error::io(error, path))?))
        } else {
            let stream = begun.map_or_else(|| Stream::open(path, Side::Source), Ok)?;
            CopySource::Compressed { stream, position }
        };
        Ok(LineCopier { path: path.clone(), source, form })
    }

    /// Read `length` bytes at `offset` of the decompressed file into `line`, replacing what is there.
    fn read(&mut self, offset: u64, length: usize, line: &mut Vec<u8>, control: &Control) -> Result<()> {
        line.resize(length, 0);
        match &mut self.source {
            CopySource::Plain(file) => {
                let read = file.seek(SeekFrom::Start(offset)).and_then(|_| file.read_exact(line));
                read.map_err(|error| Error::io(error, &self.path))
            }
            CopySource::Compressed { stream, position } => {
                let skip = offset.checked_sub(*position);
                let skip = skip.ok_or_else(|| Error::io(io::ErrorKind::InvalidInput.into(), &self.path))?;
                stream.skip(skip, 0, control)?;
                *position = offset + length as u64;
                stream.read_exact(line)
            }
        }
    }
}

impl Reader {
    /// Call `each(index, line)` with the row at every place, in the order of the files; `index` is the position in
    /// `places`. A row of JSON Lines comes as it lies in the file, without terminator, any other as a JSON object.
    ///
    /// # Errors
    /// [`Cause::Mismatch`](crate::error::Cause::Mismatch) for a file that changed since it was found;
    /// [`Cause::Parameter`](crate::error::Cause::Parameter) for a place in no file;
    /// [`Cause::Io`](crate::error::Cause::Io); [`Cause::Interrupted`](crate::error::Cause::Interrupted); what `each`
    /// returns.
    pub fn copy_lines(
        &self,
        places: &[LinePlace],
        control: &Control,
        each: impl FnMut(usize, &[u8]) -> Result<()>,
    ) -> Result<()> {
        self.copy_by_place(places, control, each).map_err(|error| by_name(&self.files, error))
    }

    fn copy_by_place(
        &self,
        places: &[LinePlace],
        control: &Control,
        mut each: impl FnMut(usize, &[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut by_place: Vec<usize> = (0..places.len()).collect();
        by_place.sort_unstable_by_key(|&index| (places[index].file, places[index].byte));
        let (mut line, mut scratch) = (Vec::new(), Scratch::default());
        let mut open: Option<(u32, LineCopier)> = None;
        let mut former = None;
        for index in by_place {
            control.check()?;
            let place = places[index];
            if open.as_ref().is_none_or(|(file, _)| *file != place.file) {
                let Some(file) = self.files.get(place.file as usize) else {
                    return Err(Error::parameter(format!("there is no file number {}", place.file)));
                };
                file.check_unchanged()?;
                open = Some((place.file, LineCopier::open(file, control)?));
            }
            let Some((_, copier)) = &mut open else { continue };
            // A row asked for twice is in `line` already.
            if former != Some(place) {
                copier.read(place.byte, place.length as usize, &mut line, control)?;
            }
            former = Some(place);
            let object = copier.form.object(&line, None, &mut scratch).map_err(|(error, offset)| {
                error.with_path(&copier.path).with_line(place.line, place.byte + offset as u64)
            })?;
            each(index, object)?;
            control.add_done(1);
        }
        Ok(())
    }

    /// Whether [`Reader::copy_lines`] gives rows of the lengths that their places have.
    #[must_use]
    pub fn copies_as_it_lies(&self) -> bool {
        self.files.iter().all(|file| file.format == FileFormat::JsonLines)
    }

    /// Find the places of all rows without looking into them.
    ///
    /// # Errors
    /// [`Cause::Parameter`](crate::error::Cause::Parameter) when there are not `total` rows;
    /// [`Cause::Truncated`](crate::error::Cause::Truncated); [`Cause::Io`](crate::error::Cause::Io);
    /// [`Cause::Interrupted`](crate::error::Cause::Interrupted).
    pub fn scan(paths: Vec<PathBuf>, text_by: TextBy, total: usize, control: &Control) -> Result<(Reader, Places)> {
        let options = ReadOptions { text_by, max_row_bytes: u32::MAX, ..ReadOptions::default() };
        let files = paths.into_iter().map(|path| (path.clone(), path)).collect();
        let mut reader = Reader::open_files(files, None, Side::Source, options)?;
        let places = if reader.is_parquet() {
            Places::Parquet(reader.scan_row_groups(control)?)
        } else {
            Places::Lines(reader.scan_lines(control)?)
        };
        let found = places.len();
        if found != total {
            let message = format!("the file has {found} rows but {total} were ranked; pass the source that was ranked");
            return Err(Error::parameter(message).with_path(reader.path(0)));
        }
        Ok((reader, places))
    }

    fn scan_lines(&mut self, control: &Control) -> Result<Vec<LinePlace>> {
        let files: Arc<[ListedFile]> = Arc::clone(&self.files);
        let mut splitter = Splitter::new(Side::Source, files, self.limits(), self.part, Position::default(), &[]);
        let mut places = Vec::new();
        loop {
            let batch = splitter.next_batch(control)?;
            self.finished.extend(batch.finished);
            match batch.rows {
                RawRows::Lines { rows, .. } if !rows.is_empty() => places.extend(rows.iter().map(|row| row.place)),
                _ => return Ok(places),
            }
        }
    }
}

/// The given rows, in the order of `rows`, as [`Reader::copy_lines`] gives them.
///
/// `total` is the number of rows that the caller knows these files by.
///
/// # Errors
/// [`Cause::Parameter`](crate::error::Cause::Parameter) when the files have another number of rows, and for Parquet
/// files; as [`Reader::next_batch`] otherwise.
pub fn read_lines(
    paths: Vec<PathBuf>,
    text_by: TextBy,
    rows: &[usize],
    total: usize,
    control: &Control,
) -> Result<Vec<Vec<u8>>> {
    let (reader, places) = Reader::scan(paths, text_by, total, control)?;
    let Places::Lines(places) = places.take(rows) else {
        let message = "rows of a Parquet file are no lines; read it by pyarrow.parquet.read_table and pass the table";
        return Err(Error::parameter(message).with_path(reader.path(0)));
    };
    let mut lines = vec![Vec::new(); rows.len()];
    reader.copy_lines(&places, control, |index, line| {
        lines[index].extend_from_slice(line);
        Ok(())
    })?;
    Ok(lines)
}
