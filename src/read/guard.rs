//! Calls into the Parquet library, and what a file looks like before it is asked.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow_schema::ArrowError;
use parquet::errors::ParquetError;
use parquet::file::metadata::RowGroupMetaData;

/// First and last bytes of a Parquet file.
const MAGIC: &[u8] = b"PAR1";

/// Magic at both ends, and the length of the footer.
const SMALLEST_FILE: u64 = 12;

/// Why a call failed.
pub(super) enum Fault {
    /// The system refused.
    Io(io::Error),
    /// The file is not as it was written.
    Damage(String),
}

/// What the first and the last bytes of a file tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ends {
    Whole,
    /// It begins like Parquet and ends otherwise.
    CutOff,
    NotParquet,
}

impl Ends {
    pub(super) fn of(file: &mut File) -> io::Result<Ends> {
        let mut start = Vec::new();
        file.by_ref().take(MAGIC.len() as u64).read_to_end(&mut start)?;
        if !MAGIC.starts_with(&start) {
            return Ok(Ends::NotParquet);
        }
        let mut end = Vec::new();
        if file.metadata()?.len() >= SMALLEST_FILE {
            file.seek(SeekFrom::End(-(MAGIC.len() as i64)))?;
            file.by_ref().take(MAGIC.len() as u64).read_to_end(&mut end)?;
        }
        Ok(if end == MAGIC { Ends::Whole } else { Ends::CutOff })
    }
}

/// Run a call into the Parquet library.
///
/// The library checks most of what it reads, not all: some damaged files make it panic (tests/scores.rs and
/// tests/parquet.rs find them by flipping bits). A damaged file is no bug of ours, so it is told as what it is. What
/// the panic left is not used.
pub(super) fn guarded<T, E: Into<Fault>>(work: impl FnOnce() -> Result<T, E>) -> Result<T, Fault> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(Into::into),
        Err(_) => Err(Fault::Damage("it breaks the rules of Parquet".to_owned())),
    }
}

impl From<ParquetError> for Fault {
    fn from(error: ParquetError) -> Fault {
        match error {
            ParquetError::External(error) => match error.downcast::<io::Error>() {
                // Decompressors speak of damage as of an I/O error, but not as one of the system's.
                Ok(error) if error.raw_os_error().is_some() => Fault::Io(*error),
                Ok(error) => Fault::Damage(error.to_string()),
                Err(error) => Fault::Damage(error.to_string()),
            },
            error => Fault::Damage(error.to_string()),
        }
    }
}

impl From<ArrowError> for Fault {
    fn from(error: ArrowError) -> Fault {
        match error {
            ArrowError::IoError(_, error) if error.raw_os_error().is_some() => Fault::Io(error),
            error => Fault::Damage(error.to_string()),
        }
    }
}

/// Whether the columns of a row group lie in a file of so many bytes.
pub(super) fn chunks_fit(group: &RowGroupMetaData, bytes: u64) -> bool {
    group.columns().iter().all(|chunk| {
        let start = chunk.dictionary_page_offset().unwrap_or_else(|| chunk.data_page_offset());
        let end = start.checked_add(chunk.compressed_size()).and_then(|end| u64::try_from(end).ok());
        start >= 0 && chunk.compressed_size() >= 0 && end.is_some_and(|end| end <= bytes)
    })
}
