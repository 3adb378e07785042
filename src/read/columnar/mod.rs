//! Parquet files: one opened, and what of its columns is read.
//!
//! Columns are decoded by what Parquet itself says of them. What Arrow adds in the file's metadata (that a string is
//! large, a view or a dictionary) makes no other text and is left aside; it only has to be the same in all sources,
//! and goes into the output as it is. Strings are decoded as bytes, so that one that is not UTF-8 is the fault of its
//! row and not of its file.

mod columns;
mod copy;
mod json;
mod pages;
mod rows;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::basic::{ConvertedType, LogicalType, Type as PhysicalType};
use parquet::errors::ParquetError;
use parquet::file::metadata::{FileMetaData, KeyValue, ParquetMetaData, RowGroupMetaData};
use parquet::schema::types::{SchemaDescPtr, SchemaDescriptor, Type, TypePtr};

pub(super) use columns::{Plan, TextColumn};
pub(crate) use copy::SourceSchema;
pub(super) use json::write_object;
pub(super) use rows::{Piece, RowGroups};

use pages::Pages;

use super::Fields;
use super::files::ListedFile;
use super::guard::{Ends, Fault, chunks_fit, guarded};
use crate::error::{Cause, Error, Result, Side, quote};
use crate::parallel::Control;

/// Whether a path is read as Parquet.
fn is_parquet(path: &Path) -> bool {
    matches!(path.extension().and_then(|suffix| suffix.to_str()), Some("parquet" | "pq"))
}

/// Whether all files are Parquet, which none is with others beside it.
///
/// `files` are names and paths, whose suffixes count.
pub(super) fn all_parquet(files: &[(PathBuf, PathBuf)], side: Side) -> Result<bool> {
    let parquet = files.iter().find(|(_, path)| is_parquet(path));
    match (parquet, files.iter().find(|(_, path)| !is_parquet(path))) {
        (Some(_), None) => Ok(true),
        (None, _) => Ok(false),
        (Some(parquet), Some(other)) => {
            let [parquet, other] = [parquet, other].map(|(name, _)| quote(&name.to_string_lossy()));
            let message = format!("{side} files are Parquet ({parquet}) and not ({other}); convert them to one kind");
            Err(Error::parameter(message))
        }
    }
}

type PagesBuilder = ParquetRecordBatchReaderBuilder<Pages>;

/// An open file.
struct Table {
    path: PathBuf,
    /// Handles of a file share one position, so no other thread may have one of this.
    file: File,
    /// As it is decoded: strings as bytes.
    metadata: ArrowReaderMetadata,
    /// The columns as the file has them, for Arrow and for Parquet.
    typed: SchemaRef,
    parquet: SchemaDescPtr,
    key_values: Option<Vec<KeyValue>>,
}

impl Table {
    fn open(listed: &ListedFile) -> Result<Table> {
        let path = &listed.path;
        let at = |error| Error::io(error, path);
        let mut file = File::open(path).map_err(at)?;
        match Ends::of(&mut file).map_err(at)? {
            Ends::Whole => {}
            Ends::NotParquet => {
                let message = "not a Parquet file, which begins with \"PAR1\"; rename it or convert it";
                return Err(Error::bad_row(message).with_path(path));
            }
            Ends::CutOff => {
                let message = "the file ends before its footer does; it is cut off, get a whole copy";
                return Err(Error::new(Cause::Truncated(message.to_owned())).with_path(path));
            }
        }
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let load = || {
            let typed = ArrowReaderMetadata::load(&file, options.clone())?;
            let bytes = ArrowReaderMetadata::try_new(with_bytes(typed.metadata())?, options.clone())?;
            Ok::<_, ParquetError>((typed, bytes))
        };
        let (typed, metadata) = guarded(load).map_err(|fault| broken(fault, path))?;
        let told = typed.metadata().file_metadata();
        let (parquet, key_values) = (told.schema_descr_ptr(), told.key_value_metadata().cloned());
        let table = Table { path: path.clone(), file, metadata, typed: typed.schema().clone(), parquet, key_values };
        table.check_groups(listed.bytes)?;
        Ok(table)
    }

    /// That its row groups lie in the file and have the rows that it says.
    fn check_groups(&self, bytes: u64) -> Result<()> {
        let damage = |fault: String| Err(broken(Fault::Damage(fault), &self.path));
        for (index, group) in self.groups().iter().enumerate() {
            if group.num_rows() < 0 {
                return damage(format!("row group {index} has {} rows", group.num_rows()));
            }
            if !chunks_fit(group, bytes) {
                return damage(format!("row group {index} is not inside the file"));
            }
        }
        let rows = self.groups().iter().try_fold(0_i64, |rows, group| rows.checked_add(group.num_rows()));
        let told = self.metadata.metadata().file_metadata().num_rows();
        if rows == Some(told) {
            return Ok(());
        }
        damage(format!("its row groups do not have {told} rows together"))
    }

    fn groups(&self) -> &[RowGroupMetaData] {
        self.metadata.metadata().row_groups()
    }

    fn group_rows(&self, group: usize) -> u64 {
        self.groups()[group].num_rows().cast_unsigned()
    }

    /// A reader of some leaves of one row group, in batches of so many rows.
    fn reader(
        &self,
        group: usize,
        leaves: Option<&[usize]>,
        batch_rows: usize,
        control: &Control,
        choose: impl FnOnce(PagesBuilder) -> PagesBuilder,
    ) -> Result<ParquetRecordBatchReader> {
        let file = self.file.try_clone().map_err(|error| Error::io(error, &self.path))?;
        let mask = match leaves {
            Some(leaves) => ProjectionMask::leaves(self.metadata.parquet_schema(), leaves.iter().copied()),
            None => ProjectionMask::all(),
        };
        let build = || {
            let pages = Pages { file, stop: control.without_progress() };
            let builder = PagesBuilder::new_with_metadata(pages, self.metadata.clone());
            choose(builder.with_row_groups(vec![group]).with_projection(mask).with_batch_size(batch_rows)).build()
        };
        guarded(build).map_err(|fault| self.broken_in(fault, group))
    }

    /// The next rows of a row group; `None` after the last.
    fn next_rows(
        &self,
        reader: &mut ParquetRecordBatchReader,
        group: usize,
        control: &Control,
    ) -> Result<Option<RecordBatch>> {
        guarded(|| reader.next().transpose()).or_else(|fault| {
            control.check()?;
            Err(self.broken_in(fault, group))
        })
    }

    fn broken_in(&self, fault: Fault, group: usize) -> Error {
        match fault {
            Fault::Damage(fault) => broken(Fault::Damage(format!("row group {group}: {fault}")), &self.path),
            Fault::Io(error) => Error::io(error, &self.path),
        }
    }

    fn wrong_number_of_rows(&self, group: usize) -> Error {
        self.broken_in(Fault::Damage("a column has another number of rows".to_owned()), group)
    }

    /// Bytes of a row of a row group in memory, about.
    fn row_bytes(&self, group: usize, leaves: Option<&[usize]>) -> u64 {
        let group = &self.groups()[group];
        let all = || 0..group.num_columns();
        let bytes = |leaf: usize| {
            let chunk = group.column(leaf);
            // A repeated string is once in the file and in memory as often as it comes.
            let bytes = chunk.unencoded_byte_array_data_bytes().unwrap_or(0).max(chunk.uncompressed_size());
            u64::try_from(bytes).unwrap_or(0)
        };
        let bytes: u64 = match leaves {
            Some(leaves) => leaves.iter().map(|&leaf| bytes(leaf)).sum(),
            None => all().map(bytes).sum(),
        };
        bytes / group.num_rows().max(1).cast_unsigned()
    }
}

/// What is read of each file, and what all have in common if they must have one schema. Without `fields` nothing is.
pub(super) fn plan(
    files: &[ListedFile],
    fields: Option<&Fields>,
    one_schema: bool,
) -> Result<(Vec<Plan>, Option<SourceSchema>)> {
    let mut plans = Vec::with_capacity(files.len());
    let mut first: Option<SourceSchema> = None;
    for file in files {
        let table = Table::open(file)?;
        let plan = fields.map_or_else(|| Ok(Plan::default()), |fields| Plan::new(&table.typed, &table.parquet, fields));
        let mut plan = plan.map_err(|error| error.with_path(&file.path))?;
        plan.row_groups = table.groups().len();
        plans.push(plan);
        if one_schema {
            let schema = SourceSchema::of(&table)?;
            match &first {
                Some(first) => first.check_same(&files[0].name, &schema, &file.name)?,
                None => first = Some(schema),
            }
        }
    }
    Ok((plans, first))
}

/// The error that a file is not as it was written.
fn broken(fault: Fault, path: &Path) -> Error {
    match fault {
        Fault::Io(error) => Error::io(error, path),
        Fault::Damage(fault) => {
            let message = format!("corrupt Parquet data ({}); get a whole copy", quote(&fault));
            Error::bad_row(message).with_path(path)
        }
    }
}

/// The same file with its strings as bytes.
fn with_bytes(metadata: &ParquetMetaData) -> Result<Arc<ParquetMetaData>, ParquetError> {
    let file = metadata.file_metadata();
    let schema = SchemaDescriptor::new(type_with_bytes(&file.schema_descr().root_schema_ptr())?);
    let file = FileMetaData::new(
        file.version(),
        file.num_rows(),
        file.created_by().map(ToOwned::to_owned),
        None,
        Arc::new(schema),
        file.column_orders().cloned(),
    );
    Ok(Arc::new(ParquetMetaData::new(file, metadata.row_groups().to_vec())))
}

fn type_with_bytes(field: &TypePtr) -> Result<TypePtr, ParquetError> {
    let info = field.get_basic_info();
    let id = info.has_id().then(|| info.id());
    match &**field {
        Type::GroupType { fields, .. } => {
            let fields = fields.iter().map(type_with_bytes).collect::<Result<_, _>>()?;
            let mut group = Type::group_type_builder(field.name())
                .with_fields(fields)
                .with_logical_type(info.logical_type_ref().cloned())
                .with_converted_type(info.converted_type())
                .with_id(id);
            if info.has_repetition() {
                group = group.with_repetition(info.repetition());
            }
            group.build().map(Arc::new)
        }
        Type::PrimitiveType { physical_type: PhysicalType::BYTE_ARRAY, .. } if is_string(field) => {
            let column = Type::primitive_type_builder(field.name(), PhysicalType::BYTE_ARRAY);
            column.with_repetition(info.repetition()).with_id(id).build().map(Arc::new)
        }
        Type::PrimitiveType { .. } => Ok(Arc::clone(field)),
    }
}

fn is_string(field: &Type) -> bool {
    let info = field.get_basic_info();
    matches!(info.logical_type_ref(), Some(LogicalType::String | LogicalType::Enum | LogicalType::Json))
        || matches!(info.converted_type(), ConvertedType::UTF8 | ConvertedType::ENUM | ConvertedType::JSON)
}
