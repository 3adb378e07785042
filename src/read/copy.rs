//! Rows out of their files once more, by their places: the second pass, for chosen rows only.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::files::{ListedFile, Position};
use super::lines::{Limits, RawRows, Splitter};
use super::places::{LinePlace, Places};
use super::stream::Stream;
use super::{ReadOptions, Reader};
use crate::error::{Error, Result, Side};
use crate::parallel::Control;

/// Lines of a file by their offsets, which must rise. A plain file is sought, a compressed one read through.
struct LineCopier {
    path: PathBuf,
    source: CopySource,
}

enum CopySource {
    Plain(BufReader<File>),
    Compressed { stream: Stream, position: u64 },
}

impl LineCopier {
    fn open(path: &Path) -> Result<LineCopier> {
        let source = if Stream::is_plain(path) {
            CopySource::Plain(BufReader::new(File::open(path).map_err(|error| Error::io(error, path))?))
        } else {
            CopySource::Compressed { stream: Stream::open(path, Side::Source)?, position: 0 }
        };
        Ok(LineCopier { path: path.to_owned(), source })
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
    /// Call `each(index, line)` with the line at every place, in the order of the files; `index` is the position in
    /// `places`. Lines come as they lie in the file, without terminator.
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
        mut each: impl FnMut(usize, &[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut by_place: Vec<usize> = (0..places.len()).collect();
        by_place.sort_unstable_by_key(|&index| (places[index].file, places[index].byte));
        let mut line = Vec::new();
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
                open = Some((place.file, LineCopier::open(&file.path)?));
            }
            // A row asked for twice is in `line` already.
            if former != Some(place)
                && let Some((_, copier)) = &mut open
            {
                copier.read(place.byte, place.length as usize, &mut line, control)?;
            }
            former = Some(place);
            each(index, &line)?;
            control.add_done(1);
        }
        Ok(())
    }

    /// Find the places of all rows without looking into them.
    ///
    /// # Errors
    /// [`Cause::Parameter`](crate::error::Cause::Parameter) when there are not `total` rows;
    /// [`Cause::Truncated`](crate::error::Cause::Truncated); [`Cause::Io`](crate::error::Cause::Io);
    /// [`Cause::Interrupted`](crate::error::Cause::Interrupted).
    pub fn scan(paths: Vec<PathBuf>, total: usize, control: &Control) -> Result<(Reader, Places)> {
        let mut reader = Reader::open_files(paths, None, Side::Source, ReadOptions::default())?;
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
        let limits = Limits { batch_bytes: super::BATCH_BYTES, batch_rows: usize::MAX, max_row_bytes: u32::MAX };
        let files: Arc<[ListedFile]> = Arc::clone(&self.files);
        let mut splitter = Splitter::new(Side::Source, files, limits, Position::default(), &[]);
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

/// The lines of the given rows as they lie in the files, in the order of `rows`.
///
/// `total` is the number of rows that the caller knows these files by.
///
/// # Errors
/// [`Cause::Parameter`](crate::error::Cause::Parameter) when the files have another number of rows, and for Parquet
/// files; as [`Reader::next_batch`] otherwise.
pub fn read_lines(paths: Vec<PathBuf>, rows: &[usize], total: usize, control: &Control) -> Result<Vec<Vec<u8>>> {
    let (reader, places) = Reader::scan(paths, total, control)?;
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
