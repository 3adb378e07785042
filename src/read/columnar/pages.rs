//! A file that is no longer read once the caller asks to stop.
//!
//! To find a chosen row the library passes over all pages before it in one call, some seconds of work where row groups
//! are large; the stop signal is looked at before every page.

use std::fs::File;
use std::io::BufReader;

use bytes::Bytes;
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};

use crate::parallel::Control;

pub(super) struct Pages {
    pub(super) file: File,
    pub(super) stop: Control,
}

impl Pages {
    fn check(&self) -> Result<()> {
        // Told as what it is by `Table::next_rows`.
        self.stop.check().map_err(|error| ParquetError::General(error.to_string()))
    }
}

impl Length for Pages {
    fn len(&self) -> u64 {
        self.file.len()
    }
}

impl ChunkReader for Pages {
    type T = BufReader<File>;

    fn get_read(&self, start: u64) -> Result<BufReader<File>> {
        self.check()?;
        self.file.get_read(start)
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        self.check()?;
        self.file.get_bytes(start, length)
    }
}
