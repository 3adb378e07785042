//! The rows that a filter or the search itself left out, each with its reason.

use std::io::Write;

use serde::Serialize;

use super::place::PlaceInFile;
use super::{Output, WrittenFile};
use crate::error::{Error, Result, quote};
use crate::parallel::Control;
use crate::read::{Places, Reader};

/// Name of the file that lists them.
pub const LEFT_OUT_NAME: &str = "left_out.jsonl";

/// Lines written between two looks at the stop signal; arbitrary (some 100 us of work).
const CHUNK_LINES: usize = 256;

/// Why a row was left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Reason {
    /// It holds a piece of an evaluation row.
    Contaminated {
        /// The first such row.
        against_row: usize,
    },
    /// It repeats an earlier row of the sources.
    Duplicate {
        /// That row.
        of_row: usize,
    },
    /// It equals a target.
    CopyOfTarget {
        /// Row of that target.
        target_row: usize,
    },
}

impl Reason {
    /// The reason of this name, as it is written; `other` is the row that speaks against the one left out.
    ///
    /// # Errors
    /// [`Cause::Parameter`](crate::error::Cause::Parameter) for another name.
    pub fn named(name: &str, other: usize) -> Result<Reason> {
        match name {
            "contaminated" => Ok(Reason::Contaminated { against_row: other }),
            "duplicate" => Ok(Reason::Duplicate { of_row: other }),
            "copy_of_target" => Ok(Reason::CopyOfTarget { target_row: other }),
            _ => Err(Error::parameter(format!("{} is no reason to leave a row out", quote(name)))),
        }
    }
}

/// One line of [`LEFT_OUT_NAME`].
#[derive(Serialize)]
struct LeftOutLine {
    row: usize,
    file: Option<String>,
    #[serde(flatten)]
    within: PlaceInFile,
    #[serde(flatten)]
    reason: Reason,
}

/// Write [`LEFT_OUT_NAME`]: one line a row, in the order given. `places` are those of the rows in the files of `reader`;
/// without them the rows are in memory and in no file, so `file` and `line` are null.
///
/// # Errors
/// [`Cause::Io`](crate::error::Cause::Io) of the output; [`Cause::Interrupted`](crate::error::Cause::Interrupted).
pub fn write_left_out(
    output: &mut Output,
    places: Option<(&Reader, &Places)>,
    left_out: &[(usize, Reason)],
    control: &Control,
) -> Result<WrittenFile> {
    let mut stopped = Ok(());
    let file = output.write_with(LEFT_OUT_NAME, |file| {
        for (at, &(row, reason)) in left_out.iter().enumerate() {
            if at % CHUNK_LINES == 0 {
                stopped = control.check();
            }
            if stopped.is_err() {
                return Ok(());
            }
            let place = |(reader, places): (&'_ Reader, &Places)| -> (String, PlaceInFile) {
                let (file, within) = PlaceInFile::of(places, at);
                (reader.path(file).to_string_lossy().into_owned(), within)
            };
            let (file_name, within) = places.map(place).unzip();
            let within = within.unwrap_or(PlaceInFile::NONE);
            serde_json::to_writer(&mut *file, &LeftOutLine { row, file: file_name, within, reason })?;
            file.write_all(b"\n")?;
        }
        Ok(())
    })?;
    stopped.map(|()| file)
}
