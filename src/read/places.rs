//! Where rows lie, apart from the reader that found them: what is written beside scores and comes back with them.

use crate::error::{Error, Result};

/// Where a row of a line format lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinePlace {
    /// Offset in the decompressed file.
    pub byte: u64,
    /// Physical line, from 1.
    pub line: u64,
    /// Bytes without the line's terminator.
    pub length: u32,
    /// Index of the file.
    pub file: u32,
}

/// Where a row of a Parquet file lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParquetPlace {
    /// Position in its row group, from 0.
    pub index: u64,
    /// Row group of its file, from 0.
    pub row_group: u32,
    /// Index of the file.
    pub file: u32,
}

/// Places of rows; all sources of a run are of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Places {
    /// Of rows in line formats.
    Lines(Vec<LinePlace>),
    /// Of rows in Parquet files.
    Parquet(Vec<ParquetPlace>),
}

impl Places {
    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Places::Lines(places) => places.len(),
            Places::Parquet(places) => places.len(),
        }
    }

    /// The places of several pieces, one after another.
    ///
    /// # Errors
    /// [`Cause::Parameter`](crate::error::Cause::Parameter) for pieces of two kinds.
    pub fn concat(parts: &[impl AsRef<Places>]) -> Result<Places> {
        let (mut lines, mut rows) = (Vec::new(), Vec::new());
        for part in parts {
            match part.as_ref() {
                Places::Lines(places) => lines.extend_from_slice(places),
                Places::Parquet(places) => rows.extend_from_slice(places),
            }
        }
        match (lines.is_empty(), rows.is_empty()) {
            (_, true) => Ok(Places::Lines(lines)),
            (true, false) => Ok(Places::Parquet(rows)),
            (false, false) => Err(Error::parameter("places of lines and of Parquet rows do not go together")),
        }
    }

    /// Add the places of rows that follow.
    ///
    /// # Errors
    /// [`Cause::Parameter`](crate::error::Cause::Parameter) for places of another kind.
    pub(super) fn append(&mut self, other: Places) -> Result<()> {
        match (self, other) {
            (Places::Lines(places), Places::Lines(more)) => places.extend(more),
            (Places::Parquet(places), Places::Parquet(more)) => places.extend(more),
            _ => return Err(Error::parameter("places of lines and of Parquet rows do not go together")),
        }
        Ok(())
    }

    /// Those at `positions`, which must be there.
    #[must_use]
    pub fn take(&self, positions: &[usize]) -> Places {
        match self {
            Places::Lines(places) => Places::Lines(positions.iter().map(|&at| places[at]).collect()),
            Places::Parquet(places) => Places::Parquet(positions.iter().map(|&at| places[at]).collect()),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
