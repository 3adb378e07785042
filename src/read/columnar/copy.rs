//! Rows out of Parquet files once more, by their places: the second pass, for chosen rows only.
//!
//! The output is made slice by slice, each of some [`SLICE_BYTES`] in memory: all its rows are read out of the row
//! groups that hold them and put into the order asked for. Rows in the order of their files are so read once; in any
//! other order a row group is read once for every slice that has a row of it.

use std::path::Path;

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{Schema, SchemaRef};
use arrow_select::interleave::interleave;
use parquet::arrow::arrow_reader::RowSelection;
use parquet::arrow::{ArrowSchemaConverter, parquet_to_arrow_schema};
use parquet::basic::Compression;
use parquet::file::metadata::KeyValue;
use parquet::schema::types::SchemaDescriptor;
use serde_json::value::RawValue;

use super::columns::root_of;
use super::{Table, broken, write_object};
use crate::error::{Error, Result, quote};
use crate::parallel::Control;
use crate::read::files::{FileHash, InputFile, by_name};
use crate::read::guard::guarded;
use crate::read::{ParquetPlace, Reader};

/// Bytes of the rows that are put into order at once, as far as the files tell; in memory they are there twice for a
/// moment. Half of it makes twice as many passes over the files where the best rows come first.
const SLICE_BYTES: u64 = 128 << 20;

/// Bytes and rows decoded at once; arbitrary.
const BATCH_BYTES: u64 = 4 << 20;
const BATCH_ROWS: u64 = 1024;

/// What all sources have in common and chosen rows are written with.
#[derive(Clone, Debug)]
pub(crate) struct SourceSchema {
    /// The columns as they are decoded: strings as bytes.
    pub(crate) decoded: SchemaRef,
    /// The columns as they are written.
    pub(crate) parquet: SchemaDescriptor,
    /// Metadata of the first file, in which Arrow's schema is.
    pub(crate) metadata: Option<Vec<KeyValue>>,
    /// What the first column of the first file is compressed by.
    pub(crate) compression: Compression,
    /// The columns as Parquet tells them, and as Arrow does.
    typed: [Schema; 2],
}

impl SourceSchema {
    pub(super) fn of(table: &Table) -> Result<SourceSchema> {
        let described = guarded(|| {
            let told = parquet_to_arrow_schema(&table.parquet, table.key_values.as_ref())?;
            Ok::<_, parquet::errors::ParquetError>((told, ArrowSchemaConverter::new().convert(&table.typed)?))
        });
        let (told, parquet) = described.map_err(|fault| broken(fault, &table.path))?;
        let chunk = table.groups().first().and_then(|group| group.columns().first());
        Ok(SourceSchema {
            decoded: table.metadata.schema().clone(),
            parquet,
            metadata: table.key_values.clone(),
            compression: chunk.map_or(Compression::SNAPPY, |chunk| match chunk.compression() {
                // Not written any more.
                Compression::LZO => Compression::SNAPPY,
                Compression::LZ4 => Compression::LZ4_RAW,
                codec => codec,
            }),
            typed: [told, (*table.typed).clone()],
        })
    }

    /// # Errors
    /// [`Cause::Parameter`](crate::error::Cause::Parameter) for the first column that differs.
    pub(super) fn check_same(&self, own_path: &Path, other: &SourceSchema, path: &Path) -> Result<()> {
        let first = quote(&own_path.to_string_lossy());
        for (own, other) in self.typed.iter().zip(&other.typed) {
            for index in 0..own.fields().len().max(other.fields().len()) {
                let fault = match (own.fields().get(index), other.fields().get(index)) {
                    (Some(own), Some(other)) if own.name() != other.name() => {
                        format!("column {index} is {}, in {first} {}", quote(other.name()), quote(own.name()))
                    }
                    (Some(own), Some(other)) if own.data_type() != other.data_type() => {
                        let [own_type, other_type] = [own, other].map(|field| quote(&field.data_type().to_string()));
                        format!("column {} is of type {other_type}, in {first} of type {own_type}", quote(own.name()))
                    }
                    (Some(own), Some(other)) if own.is_nullable() != other.is_nullable() => {
                        let [own_may, other_may] =
                            [own, other].map(|field| if field.is_nullable() { "may" } else { "may not" });
                        format!("column {} {other_may} have nulls, in {first} it {own_may}", quote(own.name()))
                    }
                    (Some(own), None) => format!("there is no column {}, which is in {first}", quote(own.name())),
                    (None, Some(other)) => format!("column {} is not in {first}", quote(other.name())),
                    _ => continue,
                };
                let message =
                    format!("{fault}; all sources must have the same columns, as chosen rows go into one file");
                return Err(Error::parameter(message).with_path(path));
            }
        }
        Ok(())
    }
}

impl Reader {
    /// What the sources have in common; `None` if they are not Parquet.
    pub(crate) fn source_schema(&self) -> Option<&SourceSchema> {
        self.source_schema.as_ref()
    }

    /// Call `each` with the rows at `places`, in that order and in slices of bounded size.
    ///
    /// # Errors
    /// [`Cause::Mismatch`](crate::error::Cause::Mismatch) for a file that changed since it was found;
    /// [`Cause::Parameter`](crate::error::Cause::Parameter) for a place in no file;
    /// [`Cause::BadRow`](crate::error::Cause::BadRow) for a damaged file; [`Cause::Io`](crate::error::Cause::Io);
    /// [`Cause::Interrupted`](crate::error::Cause::Interrupted); what `each` returns.
    pub(crate) fn copy_columns(
        &self,
        places: &[ParquetPlace],
        schema: &SchemaRef,
        control: &Control,
        each: impl FnMut(&RecordBatch) -> Result<()>,
    ) -> Result<()> {
        let copied = self.copy_slices(places, SLICE_BYTES, schema, control, each);
        copied.map_err(|error| by_name(&self.files, error))
    }

    fn copy_slices(
        &self,
        places: &[ParquetPlace],
        slice_bytes: u64,
        schema: &SchemaRef,
        control: &Control,
        mut each: impl FnMut(&RecordBatch) -> Result<()>,
    ) -> Result<()> {
        let sizes = self.row_sizes(places)?;
        let size = |place: &ParquetPlace| sizes[place.file as usize][place.row_group as usize];
        let mut start = 0;
        while start < places.len() {
            let (mut end, mut bytes) = (start, 0);
            while end < places.len() && (end == start || bytes + size(&places[end]) <= slice_bytes) {
                bytes += size(&places[end]);
                end += 1;
            }
            each(&self.read_slice(&places[start..end], schema, control)?)?;
            start = end;
        }
        Ok(())
    }

    /// The places of all rows.
    pub(in crate::read) fn scan_row_groups(&mut self, control: &Control) -> Result<Vec<ParquetPlace>> {
        let mut places = Vec::new();
        for file in 0..self.files.len() as u32 {
            let table = self.open_unchanged(file)?;
            let before = places.len();
            for group in 0..table.groups().len() {
                control.check()?;
                let row_group = group as u32;
                places.extend((0..table.group_rows(group)).map(|index| ParquetPlace { index, row_group, file }));
            }
            let (bytes, sha256) = FileHash::open(&table.path)?.finish(control)?;
            self.finished.push(InputFile {
                path: table.path,
                bytes,
                sha256: Some(sha256),
                rows: (places.len() - before) as u64,
            });
        }
        Ok(places)
    }

    /// Bytes of a row of each row group of each file that has one of `places`, all of which are checked.
    fn row_sizes(&self, places: &[ParquetPlace]) -> Result<Vec<Vec<u64>>> {
        let mut groups: Vec<Option<Vec<(u64, u64)>>> = vec![None; self.files.len()];
        for place in places {
            let Some(known) = groups.get_mut(place.file as usize) else {
                return Err(Error::parameter(format!("there is no file number {}", place.file)));
            };
            if known.is_none() {
                let table = self.open_unchanged(place.file)?;
                let of_group = |group| (table.group_rows(group), table.row_bytes(group, None));
                *known = Some((0..table.groups().len()).map(of_group).collect());
            }
            let rows = known.as_ref().and_then(|known| known.get(place.row_group as usize)).map(|&(rows, _)| rows);
            if rows.is_none_or(|rows| place.index >= rows) {
                let message = format!("there is no row {} in row group {}", place.index, place.row_group);
                return Err(Error::parameter(message).with_path(self.path(place.file)));
            }
        }
        let bytes = |group: Vec<(u64, u64)>| group.into_iter().map(|(_, bytes)| bytes).collect();
        Ok(groups.into_iter().map(|groups| groups.map_or_else(Vec::new, bytes)).collect())
    }

    fn open_unchanged(&self, file: u32) -> Result<Table> {
        let file = &self.files[file as usize];
        file.check_unchanged()?;
        Table::open(file)
    }

    fn read_slice(&self, places: &[ParquetPlace], schema: &SchemaRef, control: &Control) -> Result<RecordBatch> {
        let mut order: Vec<usize> = (0..places.len()).collect();
        order.sort_unstable_by_key(|&at| (places[at].file, places[at].row_group, places[at].index));
        let mut batches: Vec<RecordBatch> = Vec::new();
        let mut found = vec![(0, 0); places.len()];
        let mut open: Option<(u32, Table)> = None;
        let group_of = |at: usize| (places[at].file, places[at].row_group);
        for wanted in order.chunk_by(|&a, &b| group_of(a) == group_of(b)) {
            let (file, group) = group_of(wanted[0]);
            let table = match open.take() {
                Some((own, table)) if own == file => table,
                _ => self.open_unchanged(file)?,
            };
            let mut indices: Vec<u64> = wanted.iter().map(|&at| places[at].index).collect();
            indices.dedup();
            let first = batches.len();
            let ends = read_rows(&table, group as usize, &indices, &mut batches, control)?;
            let mut row = 0;
            for &at in wanted {
                while indices[row] != places[at].index {
                    row += 1;
                }
                let batch = ends.partition_point(|&end| end <= row);
                found[at] = (first + batch, row - if batch == 0 { 0 } else { ends[batch - 1] });
            }
            control.add_done(wanted.len() as u64);
            open = Some((file, table));
        }
        let columns = (0..schema.fields().len()).map(|column| {
            control.check()?;
            let arrays: Vec<&dyn Array> = batches.iter().map(|batch| batch.column(column).as_ref()).collect();
            interleave(&arrays, &found).map_err(|error| too_large(&error, schema.field(column).name()))
        });
        let columns = columns.collect::<Result<Vec<ArrayRef>>>()?;
        RecordBatch::try_new(schema.clone(), columns)
            .map_err(|error| Error::internal(format!("chosen rows do not fit together: {error}")))
    }

    /// The id of each row, as it would be written in JSON Lines.
    pub(crate) fn ids_of(&self, rows: &RecordBatch) -> Result<Vec<Option<Box<RawValue>>>> {
        let name = self.fields.id_name();
        let Some(column) = root_of(rows, name) else { return Ok(vec![None; rows.num_rows()]) };
        let mut json = Vec::new();
        let id = |row: usize| {
            json.clear();
            write_object(std::iter::once(column), row, &mut json)?;
            Ok(self.fields.id(&json).map(ToOwned::to_owned))
        };
        (0..rows.num_rows()).map(id).collect()
    }
}

/// Append the rows at `indices` (rising) of a row group to `batches`; how many of them have come with each batch.
fn read_rows(
    table: &Table,
    group: usize,
    indices: &[u64],
    batches: &mut Vec<RecordBatch>,
    control: &Control,
) -> Result<Vec<usize>> {
    let ranges = indices.iter().map(|&index| index as usize..index as usize + 1);
    let selection = RowSelection::from_consecutive_ranges(ranges, table.group_rows(group) as usize);
    let rows = (BATCH_BYTES / table.row_bytes(group, None).max(1)).clamp(1, BATCH_ROWS) as usize;
    let mut reader = table.reader(group, None, rows, control, |builder| builder.with_row_selection(selection))?;
    let (mut ends, mut end) = (Vec::new(), 0);
    loop {
        control.check()?;
        let Some(batch) = table.next_rows(&mut reader, group, control)? else { break };
        end += batch.num_rows();
        ends.push(end);
        batches.push(batch);
    }
    if end == indices.len() {
        return Ok(ends);
    }
    Err(table.wrong_number_of_rows(group))
}

fn too_large(error: &arrow_schema::ArrowError, column: &str) -> Error {
    let message = format!("the values of column {} cannot be put into order ({error})", quote(column));
    Error::parameter(message)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::sync::Arc;

    use arrow_array::{Int64Array, StringArray};
    use parquet::arrow::ArrowWriter;
    use parquet::file::properties::WriterProperties;

    use super::*;
    use crate::read::TextBy;

    fn save(path: &Path) {
        let numbers = Arc::new(Int64Array::from_iter_values(0..100));
        let texts = Arc::new(StringArray::from_iter_values((0..100).map(|row| "x".repeat(row))));
        let rows = RecordBatch::try_from_iter([("n", numbers as ArrayRef), ("text", texts)]).unwrap();
        let properties = WriterProperties::builder().set_max_row_group_row_count(Some(30)).build();
        let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), rows.schema(), Some(properties)).unwrap();
        writer.write(&rows).unwrap();
        writer.close().unwrap();
    }

    #[test]
    fn reading_stops_before_the_next_page() {
        let top = tempfile::tempdir().unwrap();
        let path = top.path().join("a.parquet");
        save(&path);
        let (reader, _) = Reader::scan(vec![path], TextBy::Line, 100, &Control::default()).unwrap();
        let (table, control) = (reader.open_unchanged(0).unwrap(), Control::default());
        let mut rows = table.reader(0, None, 10, &control, |builder| builder).unwrap();
        control.cancel();
        let error = table.next_rows(&mut rows, 0, &control).unwrap_err();
        assert!(matches!(error.cause(), crate::error::Cause::Interrupted));
    }

    #[test]
    fn rows_come_in_the_order_asked_for_however_they_are_sliced() {
        let top = tempfile::tempdir().unwrap();
        let paths = ["a", "b"].map(|name| top.path().join(name).with_extension("parquet"));
        for path in &paths {
            save(path);
        }
        let control = Control::default();
        let (reader, places) = Reader::scan(paths.to_vec(), TextBy::Line, 200, &control).unwrap();
        // 37 is prime to 200, so all rows come, and one twice.
        let order: Vec<usize> = (0..201).map(|at| at * 37 % 200).collect();
        let crate::read::Places::Parquet(places) = places.take(&order) else { panic!("places of lines") };
        let schema = &reader.source_schema().unwrap().decoded;
        for slice_bytes in [0, 1000, 5000, SLICE_BYTES] {
            let (mut found, mut slices) = (Vec::new(), 0);
            let each = |rows: &RecordBatch| {
                slices += 1;
                found.extend(rows["n"].as_any().downcast_ref::<Int64Array>().unwrap().values().iter().copied());
                Ok(())
            };
            reader.copy_slices(&places, slice_bytes, schema, &control, each).unwrap();
            assert!(found.iter().copied().eq(order.iter().map(|&row| row as i64 % 100)), "{slice_bytes}");
            assert_eq!((slices == 1, slices == 201), (slice_bytes == SLICE_BYTES, slice_bytes == 0), "{slices}");
        }
    }
}
