//! `scores.parquet`: one line a source row, so that a selection can be made again without scoring again.
//!
//! Rows come in pieces of any size and are written in groups of [`ROW_GROUP_ROWS`], so the bytes of the file depend on
//! its rows alone. Memory: the rows of one group, twice. Cost: some 13 bytes a row beside its id, half of them the
//! score, and 0.4 s a million rows.

use std::fs::File;
use std::io::{self, BufWriter};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::ColumnPath;

use super::{Output, WrittenFile};
use crate::error::{Cause, Error, Result, quote};
use crate::parallel::Control;
use crate::read::{ColumnKind, ROW_GROUP_ROWS, SCORES_FORMAT, SCORES_KEY, SCORES_NAME, ScoreLayout, Strings, bytes_of};

/// Values of one column.
#[derive(Clone, Debug, PartialEq)]
pub enum Column {
    /// For [`ColumnKind::Int32`].
    Int32(Vec<i32>),
    /// For [`ColumnKind::Int64`] and [`ColumnKind::NullableInt64`].
    Int64(Vec<i64>),
    /// For [`ColumnKind::Float64`].
    Float64(Vec<f64>),
    /// For [`ColumnKind::Text`] and [`ColumnKind::NullableText`].
    Strings(Strings),
}

/// Writes [`SCORES_NAME`] piece by piece.
///
/// After an error the file cannot be finished, and [`Output::commit`] refuses to publish it.
pub struct ScoreWriter {
    columns: Vec<(&'static str, ColumnKind)>,
    /// The rows of the group that is not full yet.
    pending: Vec<Column>,
    pending_rows: usize,
    rows: u64,
    writer: SerializedFileWriter<File>,
    /// The same file, for [`Output::finish`]: getting it out of `writer` would lose the kind of an I/O error.
    file: BufWriter<File>,
    path: PathBuf,
    failed: bool,
}

impl ScoreWriter {
    /// Start the file in `output`.
    ///
    /// # Errors
    /// [`Cause::Io`].
    pub fn create(output: &mut Output, layout: ScoreLayout) -> Result<ScoreWriter> {
        let path = output.directory.join(SCORES_NAME);
        let file = output.begin(SCORES_NAME)?;
        let handle = file.get_ref().try_clone().map_err(|error| Error::io(error, &path))?;
        let columns = layout.columns();
        let schema = parse_message_type(&schema_text(&columns)).map(Arc::new);
        let writer =
            schema.and_then(|schema| SerializedFileWriter::new(handle, schema, Arc::new(properties(&columns))));
        let writer = writer.map_err(|error| write_error(error, SCORES_NAME, &path))?;
        let pending = columns.iter().map(|&(_, kind)| Column::empty(kind)).collect();
        Ok(ScoreWriter { columns, pending, pending_rows: 0, rows: 0, writer, file, path, failed: false })
    }

    /// Append rows: every column of the layout by its name, in any order.
    ///
    /// # Errors
    /// [`Cause::Parameter`] for a column that is missing, unknown, of another type or length, or that holds a value
    /// that it cannot; [`Cause::InvalidText`]; [`Cause::Io`]; [`Cause::Interrupted`].
    pub fn add(&mut self, piece: &[(impl AsRef<str>, Column)], control: &Control) -> Result<()> {
        let (columns, rows) = self.check(piece)?;
        self.unless_failed(|writer| writer.append(&columns, rows, control))
    }

    /// Write what is left and flush the file to the disk.
    ///
    /// # Errors
    /// [`Cause::Io`]; [`Cause::Interrupted`].
    pub fn finish(mut self, output: &mut Output, control: &Control) -> Result<WrittenFile> {
        self.unless_failed(|writer| {
            if writer.pending_rows > 0 {
                writer.write_group(control)?;
            }
            writer.writer.finish().map(drop).map_err(|error| write_error(error, SCORES_NAME, &writer.path))
        })?;
        drop(self.writer);
        output.finish(SCORES_NAME, self.file, Ok(()))
    }

    fn unless_failed(&mut self, work: impl FnOnce(&mut ScoreWriter) -> Result<()>) -> Result<()> {
        if self.failed {
            return Err(Error::parameter("the table of scores is incomplete after an error; write it anew"));
        }
        let result = work(self);
        self.failed = result.is_err();
        result
    }

    /// The columns of a piece in the order of the file, and its rows.
    fn check<'a>(&self, piece: &'a [(impl AsRef<str>, Column)]) -> Result<(Vec<&'a Column>, usize)> {
        let mut columns = Vec::with_capacity(self.columns.len());
        for &(name, kind) in &self.columns {
            let column = piece.iter().find(|(found, _)| found.as_ref() == name);
            let (_, column) = column.ok_or_else(|| Error::parameter(format!("the column {name} is missing")))?;
            let checked =
                column.check(kind).and_then(|()| if name == "length" { column.check_lengths() } else { Ok(()) });
            checked.map_err(|(row, fault)| {
                let row = row.map(|row| format!(" in line {}", self.rows + row as u64)).unwrap_or_default();
                match fault {
                    Fault::Value(found) => Error::parameter(format!("the column {name} has {found}{row}")),
                    Fault::NotText => {
                        Error::new(Cause::InvalidText(format!("the column {name} has invalid UTF-8{row}")))
                    }
                }
            })?;
            columns.push(column);
        }
        if let Some((name, _)) =
            piece.iter().find(|(name, _)| !self.columns.iter().any(|(own, _)| *own == name.as_ref()))
        {
            return Err(Error::parameter(format!("there is no column {}", quote(name.as_ref()))));
        }
        let rows = columns.first().map_or(0, |column| column.len());
        for (column, (name, _)) in columns.iter().zip(&self.columns) {
            if column.len() != rows {
                let found = column.len();
                return Err(Error::parameter(format!("the column {name} has {found} values, but row has {rows}")));
            }
        }
        Ok((columns, rows))
    }

    fn append(&mut self, columns: &[&Column], rows: usize, control: &Control) -> Result<()> {
        let mut bytes = vec![0; columns.len()];
        let mut start = 0;
        while start < rows {
            let end = rows.min(start + ROW_GROUP_ROWS - self.pending_rows);
            for ((pending, column), at) in self.pending.iter_mut().zip(columns).zip(&mut bytes) {
                pending.extend(column, start..end, at);
            }
            self.pending_rows += end - start;
            start = end;
            if self.pending_rows == ROW_GROUP_ROWS {
                self.write_group(control)?;
            }
        }
        self.rows += rows as u64;
        Ok(())
    }

    fn write_group(&mut self, control: &Control) -> Result<()> {
        let mut write = || -> Result<Result<()>, ParquetError> {
            let mut group = self.writer.next_row_group()?;
            for (pending, (_, kind)) in self.pending.iter_mut().zip(&self.columns) {
                if let Err(stopped) = control.check() {
                    return Ok(Err(stopped));
                }
                pending.write(*kind, &mut group)?;
                pending.clear();
            }
            group.close()?;
            Ok(Ok(()))
        };
        write().map_err(|error| write_error(error, SCORES_NAME, &self.path))??;
        self.pending_rows = 0;
        Ok(())
    }
}

/// What is wrong with a value.
enum Fault {
    Value(String),
    NotText,
}

impl Column {
    fn empty(kind: ColumnKind) -> Column {
        match kind {
            ColumnKind::Int32 => Column::Int32(Vec::new()),
            ColumnKind::Int64 | ColumnKind::NullableInt64 => Column::Int64(Vec::new()),
            ColumnKind::Float64 => Column::Float64(Vec::new()),
            ColumnKind::Text | ColumnKind::NullableText => Column::Strings(Strings::default()),
        }
    }

    fn clear(&mut self) {
        match self {
            Column::Int32(values) => values.clear(),
            Column::Int64(values) => values.clear(),
            Column::Float64(values) => values.clear(),
            Column::Strings(strings) => {
                strings.lengths.clear();
                strings.bytes.clear();
            }
        }
    }

    fn len(&self) -> usize {
        match self {
            Column::Int32(values) => values.len(),
            Column::Int64(values) => values.len(),
            Column::Float64(values) => values.len(),
            Column::Strings(strings) => strings.lengths.len(),
        }
    }

    /// Append some rows of another column of the same type; its strings begin at `bytes`, which moves on.
    fn extend(&mut self, other: &Column, rows: Range<usize>, bytes: &mut usize) {
        match (self, other) {
            (Column::Int32(values), Column::Int32(other)) => values.extend_from_slice(&other[rows]),
            (Column::Int64(values), Column::Int64(other)) => values.extend_from_slice(&other[rows]),
            (Column::Float64(values), Column::Float64(other)) => values.extend_from_slice(&other[rows]),
            (Column::Strings(strings), Column::Strings(other)) => *bytes = strings.extend(other, rows, *bytes),
            _ => unreachable!("the types were checked"),
        }
    }

    /// Whether the values are such as the column of this kind may hold; if not, the row, if it is one.
    fn check(&self, kind: ColumnKind) -> Result<(), (Option<usize>, Fault)> {
        let least = if kind.is_nullable() { -1 } else { 0 };
        let below = |row: usize, value: i64| (Some(row), Fault::Value(format!("{value}, expected at least {least},")));
        match (self, kind) {
            (Column::Int32(values), ColumnKind::Int32) => {
                let found = values.iter().position(|&value| i64::from(value) < least);
                found.map_or(Ok(()), |row| Err(below(row, values[row].into())))
            }
            (Column::Int64(values), ColumnKind::Int64 | ColumnKind::NullableInt64) => {
                let found = values.iter().position(|&value| value < least);
                found.map_or(Ok(()), |row| Err(below(row, values[row])))
            }
            (Column::Float64(_), ColumnKind::Float64) => Ok(()),
            (Column::Strings(strings), ColumnKind::Text | ColumnKind::NullableText) => check_strings(strings, least),
            _ => Err((None, Fault::Value(format!("another type than {}", type_name(kind))))),
        }
    }

    /// The lengths of lines are 32-bit numbers in memory.
    fn check_lengths(&self) -> Result<(), (Option<usize>, Fault)> {
        let Column::Int64(values) = self else { return Ok(()) };
        match values.iter().position(|&value| u32::try_from(value).is_err()) {
            None => Ok(()),
            Some(row) => Err((Some(row), Fault::Value(format!("{}, expected less than 2^32,", values[row])))),
        }
    }

    fn write(&mut self, kind: ColumnKind, group: &mut SerializedRowGroupWriter<'_, File>) -> Result<(), ParquetError> {
        match self {
            Column::Int32(values) => write_values::<Int32Type>(group, values, None),
            Column::Float64(values) => write_values::<DoubleType>(group, values, None),
            Column::Int64(values) if kind.is_nullable() => {
                let levels: Vec<i16> = values.iter().map(|&value| (value >= 0).into()).collect();
                values.retain(|&value| value >= 0);
                write_values::<Int64Type>(group, values, Some(&levels))
            }
            Column::Int64(values) => write_values::<Int64Type>(group, values, None),
            Column::Strings(strings) => {
                let levels: Vec<i16> = strings.lengths.iter().map(|&length| (length >= 0).into()).collect();
                let bytes = ByteArray::from(std::mem::take(&mut strings.bytes));
                let mut at = 0;
                let lengths = strings.lengths.iter().filter_map(|&length| usize::try_from(length).ok());
                let values: Vec<ByteArray> = lengths
                    .map(|length| {
                        at += length;
                        bytes.slice(at - length, length)
                    })
                    .collect();
                write_values::<ByteArrayType>(group, &values, kind.is_nullable().then_some(&levels))
            }
        }
    }
}

fn write_values<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, File>,
    values: &[T::T],
    levels: Option<&[i16]>,
) -> Result<(), ParquetError> {
    let column = group.next_column()?;
    let mut column = column.ok_or_else(|| ParquetError::General("a column too many".to_owned()))?;
    column.typed::<T>().write_batch(values, levels, None)?;
    column.close()
}

fn check_strings(strings: &Strings, least: i64) -> Result<(), (Option<usize>, Fault)> {
    let mut at = 0_usize;
    for (row, &length) in strings.lengths.iter().enumerate() {
        if i64::from(length) < least {
            let fault = if length == -1 { "a null".to_owned() } else { format!("a length of {length}") };
            return Err((Some(row), Fault::Value(fault)));
        }
        let end = at + bytes_of(length);
        let Some(string) = strings.bytes.get(at..end) else {
            return Err((Some(row), Fault::Value("fewer bytes than its lengths say,".to_owned())));
        };
        if std::str::from_utf8(string).is_err() {
            return Err((Some(row), Fault::NotText));
        }
        at = end;
    }
    if at < strings.bytes.len() {
        return Err((None, Fault::Value("more bytes than its lengths say".to_owned())));
    }
    Ok(())
}

fn type_name(kind: ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Int32 => "int32",
        ColumnKind::Int64 | ColumnKind::NullableInt64 => "int64",
        ColumnKind::Float64 => "float64",
        ColumnKind::Text | ColumnKind::NullableText => "strings",
    }
}

fn schema_text(columns: &[(&str, ColumnKind)]) -> String {
    let column = |&(name, kind): &(&str, ColumnKind)| {
        let logical = if kind.physical_type() == parquet::basic::Type::BYTE_ARRAY { " (STRING)" } else { "" };
        format!("{} {} {name}{logical};", kind.repetition(), kind.physical_type())
    };
    format!("message scores {{ {} }}", columns.iter().map(column).collect::<String>())
}

/// How columns are stored; all that could differ from run to run is fixed here.
///
/// Measured with a million rows of twelve columns and ids like doc-000000017: 13.4 MB, with snappy 14.0, uncompressed
/// 16.7, in 0.4 s each. Scores as they are (PLAIN) 14.1 MB, ids 13.8; random ids (UUID) 28.4 in place of 30.4.
fn properties(columns: &[(&str, ColumnKind)]) -> WriterProperties {
    let mut properties = WriterProperties::builder()
        .set_created_by(format!("zipfit version {}", env!("CARGO_PKG_VERSION")))
        .set_key_value_metadata(Some(vec![KeyValue::new(SCORES_KEY.to_owned(), SCORES_FORMAT.to_owned())]))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        // Of pages; nobody looks for a page where the whole group is some 100 KB a column.
        .set_offset_index_disabled(true)
        .set_dictionary_enabled(false);
    for &(name, kind) in columns {
        let path = ColumnPath::from(name);
        properties = match (name, kind) {
            // Few different values: a bit or two each.
            ("group" | "left_out", _) => properties.set_column_dictionary_enabled(path, true),
            (_, ColumnKind::Text | ColumnKind::NullableText) => {
                properties.set_column_encoding(path, Encoding::DELTA_BYTE_ARRAY)
            }
            // Scores lie close together, so their first bytes are nearly equal.
            (_, ColumnKind::Float64) => properties.set_column_encoding(path, Encoding::BYTE_STREAM_SPLIT),
            _ => properties.set_column_encoding(path, Encoding::DELTA_BINARY_PACKED),
        };
    }
    properties.build()
}

/// The error that a Parquet file, which `what` names, cannot be written.
pub(super) fn write_error(error: ParquetError, what: &str, path: &std::path::Path) -> Error {
    match error {
        ParquetError::External(error) => match error.downcast::<io::Error>() {
            Ok(error) => Error::io(*error, path),
            Err(error) => Error::internal(format!("{what} cannot be written: {error}")),
        },
        error => Error::internal(format!("{what} cannot be written: {error}")),
    }
}
