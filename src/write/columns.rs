//! Chosen rows of Parquet files as one Parquet file.
//!
//! Columns are written as they were decoded, with the types that the first file has for Parquet and, in its metadata,
//! for Arrow (and for pandas and datasets). A row group is a slice of [`Reader::copy_columns`]. How the sources cut and
//! encode their pages is not kept, their codec is.

use parquet::arrow::arrow_writer::{ArrowWriter, ArrowWriterOptions};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use super::rows::{Ids, SELECTED_PARQUET_NAME};
use super::scores::write_error;
use super::{Output, WrittenFile};
use crate::error::{Error, Result};
use crate::parallel::Control;
use crate::read::{ParquetPlace, Reader, SourceSchema};

/// Rows encoded between two looks at the stop signal; arbitrary.
const CHUNK_ROWS: usize = 256;

/// Write [`SELECTED_PARQUET_NAME`]; gives the ids of the rows too.
pub(super) fn copy(
    output: &mut Output,
    reader: &Reader,
    schema: &SourceSchema,
    places: &[ParquetPlace],
    control: &Control,
) -> Result<(WrittenFile, Ids)> {
    let path = output.directory.join(SELECTED_PARQUET_NAME);
    let at = |error: ParquetError| write_error(error, SELECTED_PARQUET_NAME, &path);
    let properties = WriterProperties::builder()
        .set_compression(schema.compression)
        .set_created_by(format!("zipfit version {}", env!("CARGO_PKG_VERSION")))
        .set_key_value_metadata(schema.metadata.clone())
        .build();
    let options = ArrowWriterOptions::new()
        .with_properties(properties)
        .with_parquet_schema(schema.parquet.clone())
        // The first file's own is among the metadata.
        .with_skip_arrow_metadata(true);
    let file = output.begin(SELECTED_PARQUET_NAME)?;
    // A file, as the table of scores writes to: for each type of writer parquet's code is compiled once more.
    let handle = file.get_ref().try_clone().map_err(|error| Error::io(error, &path))?;
    let mut ids = Vec::with_capacity(places.len());
    let mut writer = ArrowWriter::try_new_with_options(handle, schema.decoded.clone(), options).map_err(at)?;
    reader.copy_columns(places, &schema.decoded, control, |rows| {
        ids.extend(reader.ids_of(rows)?);
        for start in (0..rows.num_rows()).step_by(CHUNK_ROWS) {
            control.check()?;
            writer.write(&rows.slice(start, CHUNK_ROWS.min(rows.num_rows() - start))).map_err(at)?;
        }
        writer.flush().map_err(at)
    })?;
    writer.close().map_err(at)?;
    Ok((output.finish(SELECTED_PARQUET_NAME, file, Ok(()))?, ids))
}
