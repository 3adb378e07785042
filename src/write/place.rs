//! Where a row lies in its file, as lines of the output say it.

use serde::Serialize;

use crate::read::Places;

/// Flattened into a line: `line`, or `row_group` and `index`.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum PlaceInFile {
    Line { line: Option<u64> },
    Row { row_group: u32, index: u64 },
}

impl PlaceInFile {
    /// Of a row that is in no file.
    pub(super) const NONE: PlaceInFile = PlaceInFile::Line { line: None };

    /// The index of the file of a row, and its place there.
    pub(super) fn of(places: &Places, row: usize) -> (u32, PlaceInFile) {
        match places {
            Places::Lines(places) => (places[row].file, PlaceInFile::Line { line: Some(places[row].line) }),
            Places::Parquet(places) => {
                let place = places[row];
                (place.file, PlaceInFile::Row { row_group: place.row_group, index: place.index })
            }
        }
    }
}
