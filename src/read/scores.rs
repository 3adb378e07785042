//! `scores.parquet` back in memory: whole columns as vectors, and the places of a few rows without the rest.
//!
//! Cost: a column is read in one pass into one vector; what else is in memory is one row group. Places are read from
//! the row groups that hold wanted rows only.
//!
//! N.B. pages have no checksums (the library verifies but does not write them), so a flipped bit in a page can change
//! a score silently. [`ScoreTable::verify`] holds the file against the hash in its manifest; call it before use.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use parquet::column::reader::get_typed_column_reader;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::{FileReader, SerializedFileReader};
use sha2::{Digest, Sha256};

use super::guard::{self, Ends, Fault, chunks_fit};
use super::places::{LinePlace, ParquetPlace, Places};
use super::score_columns::{
    ColumnKind, PlaceKind, ROW_GROUP_ROWS, SCORES_FORMAT, SCORES_KEY, SCORES_NAME, ScoreLayout, Strings,
};
use crate::error::{Cause, Error, Result, quote};
use crate::parallel::Control;
use crate::texts::hex;

/// Bytes hashed between two looks at the stop signal: some 10 ms.
const HASH_BYTES: usize = 1 << 20;

/// An open `scores.parquet`.
pub struct ScoreTable {
    path: PathBuf,
    reader: SerializedFileReader<File>,
    /// The same file, locked while `reader` reads pages: all handles of a file share one position.
    file: Mutex<File>,
    layout: ScoreLayout,
    columns: Vec<(&'static str, ColumnKind)>,
    rows: usize,
}

impl ScoreTable {
    /// Open the file and look at its description; nothing of its columns is read.
    ///
    /// # Errors
    /// [`Cause::Io`]; [`Cause::Truncated`]; [`Cause::Parameter`] for another file than a table of scores;
    /// [`Cause::Mismatch`] for a damaged one and for one that a later version wrote.
    pub fn open(path: &Path) -> Result<ScoreTable> {
        let file = open_parquet(path)?;
        let at = |error| Error::io(error, path);
        let bytes = file.metadata().map_err(at)?.len();
        let handle = file.try_clone().map_err(at)?;
        let reader = guarded(path, || SerializedFileReader::new(handle))?;
        let metadata = reader.metadata();
        check_format(metadata).map_err(|error| error.with_path(path))?;
        let schema = metadata.file_metadata().schema_descr();
        let layout = ScoreLayout::of_schema(schema)
            .map_err(|column| not_scores(&format!("its column {} is not as expected", quote(&column)), path))?;
        let rows = check_groups(metadata, bytes).map_err(|fault| damaged(&fault, path))?;
        Ok(ScoreTable {
            path: path.to_owned(),
            reader,
            file: Mutex::new(file),
            layout,
            columns: layout.columns(),
            rows,
        })
    }

    /// Its number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Which columns it has.
    #[must_use]
    pub fn layout(&self) -> ScoreLayout {
        self.layout
    }

    /// Compare the whole file with the hash that its manifest gives.
    ///
    /// # Errors
    /// [`Cause::Mismatch`]; [`Cause::Io`]; [`Cause::Interrupted`].
    pub fn verify(&self, sha256: &str, control: &Control) -> Result<()> {
        let at = |error| Error::io(error, &self.path);
        let mut file = self.lock();
        file.rewind().map_err(at)?;
        let (mut hash, mut buffer) = (Sha256::new(), vec![0; HASH_BYTES]);
        loop {
            control.check()?;
            let read = file.read(&mut buffer).map_err(at)?;
            if read == 0 {
                break;
            }
            hash.update(&buffer[..read]);
        }
        if hex(&hash.finalize()) == sha256 {
            return Ok(());
        }
        let message = "the table is not the one that its manifest describes: it was changed or damaged; score again";
        Err(Error::new(Cause::Mismatch(message.to_owned())).with_path(&self.path))
    }

    /// A column of whole numbers; -1 for a null.
    ///
    /// # Errors
    /// [`Cause::Parameter`] for a column that is not there or of another type; [`Cause::Mismatch`] for a damaged
    /// file; [`Cause::Io`]; [`Cause::Interrupted`].
    pub fn int64(&self, name: &str, control: &Control) -> Result<Vec<i64>> {
        let column = self.column(name, &[ColumnKind::Int32, ColumnKind::Int64, ColumnKind::NullableInt64])?;
        let mut values = Vec::with_capacity(self.rows);
        for group in 0..self.reader.num_row_groups() {
            control.check()?;
            self.read_integers(group, column, &mut values)?;
        }
        Ok(values)
    }

    /// A column of floating-point numbers.
    ///
    /// # Errors
    /// As [`ScoreTable::int64`].
    pub fn float64(&self, name: &str, control: &Control) -> Result<Vec<f64>> {
        let column = self.column(name, &[ColumnKind::Float64])?;
        let mut values = Vec::with_capacity(self.rows);
        for group in 0..self.reader.num_row_groups() {
            control.check()?;
            self.read_values::<DoubleType>(group, column, &mut values)?;
        }
        Ok(values)
    }

    /// A column of strings: of all rows, or of those at `positions` (counted from 0, rising).
    ///
    /// # Errors
    /// As [`ScoreTable::int64`]; [`Cause::Parameter`] for positions that do not rise or are not there.
    pub fn strings(&self, name: &str, positions: Option<&[usize]>, control: &Control) -> Result<Strings> {
        let column = self.column(name, &[ColumnKind::Text, ColumnKind::NullableText])?;
        let mut all = Strings::default();
        let Some(positions) = positions else {
            all.lengths.reserve_exact(self.rows);
            for group in 0..self.reader.num_row_groups() {
                control.check()?;
                self.read_strings(group, column, |_, string| all.push(string))?;
            }
            return Ok(all);
        };
        self.for_groups(positions, control, |group, wanted| {
            let mut wanted = wanted.iter().map(|position| position % ROW_GROUP_ROWS).peekable();
            self.read_strings(group, column, |row, string| {
                // A position may be asked for twice.
                while wanted.next_if_eq(&row).is_some() {
                    all.push(string);
                }
            })
        })?;
        Ok(all)
    }

    /// A column of strings as numbers: equal strings have one number, counted in the order of their coming, and nulls
    /// -1; beside them the strings by their numbers.
    ///
    /// # Errors
    /// As [`ScoreTable::int64`].
    pub fn codes(&self, name: &str, control: &Control) -> Result<(Vec<i64>, Vec<String>)> {
        let column = self.column(name, &[ColumnKind::Text, ColumnKind::NullableText])?;
        let mut codes = Vec::with_capacity(self.rows);
        let (mut known, mut names): (HashMap<Vec<u8>, i64>, Vec<String>) = (HashMap::new(), Vec::new());
        for group in 0..self.reader.num_row_groups() {
            control.check()?;
            self.read_strings(group, column, |_, string| {
                codes.push(match string {
                    None => -1,
                    Some(string) => known.get(string).copied().unwrap_or_else(|| {
                        let code = names.len() as i64;
                        known.insert(string.to_owned(), code);
                        names.push(String::from_utf8_lossy(string).into_owned());
                        code
                    }),
                });
            })?;
        }
        Ok((codes, names))
    }

    /// Where a column of strings has a null.
    ///
    /// # Errors
    /// As [`ScoreTable::int64`].
    pub fn is_null(&self, name: &str, control: &Control) -> Result<Vec<bool>> {
        let column = self.column(name, &[ColumnKind::NullableText])?;
        let mut nulls = Vec::with_capacity(self.rows);
        for group in 0..self.reader.num_row_groups() {
            control.check()?;
            self.read_strings(group, column, |_, string| nulls.push(string.is_none()))?;
        }
        Ok(nulls)
    }

    /// Where the rows at `positions` (counted from 0, rising) lie.
    ///
    /// # Errors
    /// As [`ScoreTable::strings`].
    pub fn places(&self, positions: &[usize], control: &Control) -> Result<Places> {
        let (mut lines, mut rows) = (Vec::new(), Vec::new());
        match self.layout.places {
            PlaceKind::Lines => lines.reserve_exact(positions.len()),
            PlaceKind::Parquet => rows.reserve_exact(positions.len()),
        }
        let mut columns = vec![self.column("file", &[ColumnKind::Int32])?];
        for name in self.layout.place_columns() {
            columns.push(self.column(name, &[ColumnKind::Int32, ColumnKind::Int64])?);
        }
        let mut values = vec![Vec::new(); columns.len()];
        self.for_groups(positions, control, |group, wanted| {
            for (&column, values) in columns.iter().zip(&mut values) {
                values.clear();
                self.read_integers(group, column, values)?;
            }
            for position in wanted {
                let row = position % ROW_GROUP_ROWS;
                // No number is negative: `read_integers` saw to it.
                let value = |column: usize| values[column][row].cast_unsigned();
                let small =
                    |column: usize| u32::try_from(value(column)).map_err(|_| self.out_of_range(columns[column]));
                match self.layout.places {
                    PlaceKind::Lines => {
                        lines.push(LinePlace { file: small(0)?, line: value(1), byte: value(2), length: small(3)? });
                    }
                    PlaceKind::Parquet => {
                        rows.push(ParquetPlace { file: small(0)?, row_group: small(1)?, index: value(2) });
                    }
                }
            }
            Ok(())
        })?;
        Ok(match self.layout.places {
            PlaceKind::Lines => Places::Lines(lines),
            PlaceKind::Parquet => Places::Parquet(rows),
        })
    }

    /// Its row groups.
    pub(crate) fn groups(&self) -> usize {
        self.reader.num_row_groups()
    }

    /// A column of whole numbers, by its index in the layout, of one row group; -1 for a null.
    pub(crate) fn group_integers(&self, group: usize, column: usize) -> Result<Vec<i64>> {
        let mut values = Vec::new();
        self.read_integers(group, column, &mut values)?;
        Ok(values)
    }

    /// The same of floating-point numbers.
    pub(crate) fn group_floats(&self, group: usize, column: usize) -> Result<Vec<f64>> {
        let mut values = Vec::new();
        self.read_values::<DoubleType>(group, column, &mut values)?;
        Ok(values)
    }

    /// The same of strings.
    pub(crate) fn group_strings(&self, group: usize, column: usize) -> Result<Strings> {
        let mut strings = Strings::default();
        self.read_strings(group, column, |_, string| strings.push(string))?;
        Ok(strings)
    }

    /// Index of a column, which must be of one of these kinds.
    fn column(&self, name: &str, kinds: &[ColumnKind]) -> Result<usize> {
        let Some(index) = self.columns.iter().position(|(own, _)| *own == name) else {
            let names: Vec<&str> = self.columns.iter().map(|&(name, _)| name).collect();
            let message = format!("the table has no column {}; it has {}", quote(name), names.join(", "));
            return Err(Error::parameter(message).with_path(&self.path));
        };
        if kinds.contains(&self.columns[index].1) {
            return Ok(index);
        }
        let message = format!("the column {name} is of another type than the one asked for");
        Err(Error::parameter(message).with_path(&self.path))
    }

    /// Call `work` with every row group that holds wanted rows and their positions.
    fn for_groups(
        &self,
        positions: &[usize],
        control: &Control,
        mut work: impl FnMut(usize, &[usize]) -> Result<()>,
    ) -> Result<()> {
        if !positions.is_sorted() {
            return Err(Error::parameter("the positions must rise"));
        }
        if let Some(&last) = positions.last()
            && last >= self.rows
        {
            let message = format!("there is no line {last}; the table has {}", self.rows);
            return Err(Error::parameter(message).with_path(&self.path));
        }
        for wanted in positions.chunk_by(|a, b| a / ROW_GROUP_ROWS == b / ROW_GROUP_ROWS) {
            control.check()?;
            work(wanted[0] / ROW_GROUP_ROWS, wanted)?;
        }
        Ok(())
    }

    /// Append a column of one row group as 64-bit numbers that are not negative, -1 for a null.
    fn read_integers(&self, group: usize, column: usize, values: &mut Vec<i64>) -> Result<()> {
        let start = values.len();
        let kind = self.columns[column].1;
        if kind == ColumnKind::Int32 {
            let mut narrow = Vec::new();
            self.read_values::<Int32Type>(group, column, &mut narrow)?;
            values.extend(narrow.into_iter().map(i64::from));
        } else if kind == ColumnKind::Int64 {
            self.read_values::<Int64Type>(group, column, values)?;
        } else {
            let mut present = Vec::new();
            let levels = self.read_values::<Int64Type>(group, column, &mut present)?;
            if present.iter().any(|&value| value < 0) {
                return Err(self.out_of_range(column));
            }
            let mut present = present.into_iter();
            values.extend(levels.iter().map(|&level| if level == 1 { present.next().unwrap_or(-1) } else { -1 }));
            return Ok(());
        }
        if values[start..].iter().any(|&value| value < 0) {
            return Err(self.out_of_range(column));
        }
        Ok(())
    }

    /// Call `each` with the strings of one row group; `None` for a null.
    fn read_strings(&self, group: usize, column: usize, mut each: impl FnMut(usize, Option<&[u8]>)) -> Result<()> {
        let mut present: Vec<ByteArray> = Vec::new();
        let levels = self.read_values::<ByteArrayType>(group, column, &mut present)?;
        if present.iter().any(|string| string.len() > i32::MAX as usize || std::str::from_utf8(string.data()).is_err())
        {
            let message = format!("the column {} is not valid text", self.columns[column].0);
            return Err(damaged(&message, &self.path));
        }
        if self.columns[column].1.is_nullable() {
            let mut present = present.iter();
            for (row, &level) in levels.iter().enumerate() {
                each(row, if level == 1 { present.next().map(ByteArray::data) } else { None });
            }
        } else {
            present.iter().enumerate().for_each(|(row, string)| each(row, Some(string.data())));
        }
        Ok(())
    }

    /// Append what is not null in a column of one row group; for a nullable column, 1 for each row that has a value.
    fn read_values<T: DataType>(&self, group: usize, column: usize, values: &mut Vec<T::T>) -> Result<Vec<i16>> {
        let nullable = self.columns[column].1.is_nullable();
        let before = values.len();
        let rows = ROW_GROUP_ROWS.min(self.rows - group * ROW_GROUP_ROWS);
        let _file = self.lock();
        let levels = guarded(&self.path, || {
            let group = self.reader.get_row_group(group)?;
            let mut reader = get_typed_column_reader::<T>(group.get_column_reader(column)?);
            let mut levels = Vec::new();
            let (read, ..) = reader.read_records(rows, nullable.then_some(&mut levels), None, values)?;
            // One more would be a row that the file's description does not know of.
            let (more, ..) = reader.read_records(1, nullable.then_some(&mut Vec::new()), None, &mut Vec::new())?;
            if read == rows && more == 0 {
                return Ok(levels);
            }
            Err(ParquetError::General(format!(
                "column {column} has another number of values than its row group of rows"
            )))
        })?;
        let expected = if nullable { levels.iter().filter(|&&level| level == 1).count() } else { rows };
        if values.len() - before == expected && (!nullable || levels.len() == rows) {
            return Ok(levels);
        }
        Err(self.out_of_range(column))
    }

    fn lock(&self) -> MutexGuard<'_, File> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn out_of_range(&self, column: usize) -> Error {
        damaged(&format!("the column {} has values that cannot be", self.columns[column].0), &self.path)
    }
}

/// Open a file that begins and ends like Parquet.
fn open_parquet(path: &Path) -> Result<File> {
    let at = |error| Error::io(error, path);
    let mut file = File::open(path).map_err(at)?;
    let metadata = file.metadata().map_err(at)?;
    if metadata.is_dir() {
        return Err(Error::io(io::ErrorKind::IsADirectory.into(), path));
    }
    match Ends::of(&mut file).map_err(at)? {
        Ends::Whole => {}
        Ends::NotParquet => return Err(not_scores("it is no Parquet file", path)),
        Ends::CutOff => {
            let message = "the file ends before its table does; copy it again, or score again";
            return Err(Error::new(Cause::Truncated(message.to_owned())).with_path(path));
        }
    }
    Ok(file)
}

fn check_format(metadata: &ParquetMetaData) -> Result<()> {
    let pairs = metadata.file_metadata().key_value_metadata();
    let format = pairs.into_iter().flatten().find(|pair| pair.key == SCORES_KEY).and_then(|pair| pair.value.as_deref());
    match format {
        Some(SCORES_FORMAT) => Ok(()),
        Some(format) => {
            let message = format!(
                "the table has format {}, and zipfit {} reads format {SCORES_FORMAT}; use the version that wrote it",
                quote(format),
                env!("CARGO_PKG_VERSION")
            );
            Err(Error::new(Cause::Mismatch(message)))
        }
        None => Err(not_scores(&format!("its metadata has no {SCORES_KEY}"), Path::new(""))),
    }
}

/// The number of rows, if the row groups are as they are written and lie in a file of so many bytes.
fn check_groups(metadata: &ParquetMetaData, bytes: u64) -> Result<usize, String> {
    let groups = metadata.row_groups();
    let full = ROW_GROUP_ROWS as i64;
    let mut rows = 0;
    for (index, group) in groups.iter().enumerate() {
        let is_last = index + 1 == groups.len();
        if group.num_rows() > full || group.num_rows() < if is_last { 1 } else { full } {
            return Err(format!("row group {index} has {} rows", group.num_rows()));
        }
        if !chunks_fit(group, bytes) {
            return Err(format!("row group {index} is not inside the file"));
        }
        rows += group.num_rows();
    }
    if metadata.file_metadata().num_rows() != rows {
        return Err(format!("its row groups have {rows} rows, not {}", metadata.file_metadata().num_rows()));
    }
    usize::try_from(rows).map_err(|_| "it has no rows".to_owned())
}

/// Run a call into the Parquet library.
fn guarded<T>(path: &Path, work: impl FnOnce() -> Result<T, ParquetError>) -> Result<T> {
    guard::guarded(work).map_err(|fault| match fault {
        Fault::Io(error) => Error::io(error, path),
        Fault::Damage(fault) => damaged(&fault, path),
    })
}

fn damaged(fault: &str, path: &Path) -> Error {
    let message = format!("the table is damaged ({}); copy it again, or score again", quote(fault));
    Error::new(Cause::Mismatch(message)).with_path(path)
}

fn not_scores(fault: &str, path: &Path) -> Error {
    let message = format!("not a table of scores: {fault}; give the {SCORES_NAME} of zipfit score");
    Error::parameter(message).with_path(path)
}
