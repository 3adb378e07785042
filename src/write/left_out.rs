//! The rows that a filter or the search itself left out, each with its reason.

use std::borrow::Cow;
use std::io::Write;

use serde::Serialize;

use super::{Output, WrittenFile};
use crate::error::Result;
use crate::parallel::Control;
use crate::read::Reader;

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

/// One line of [`LEFT_OUT_NAME`].
#[derive(Serialize)]
struct LeftOutLine<'a> {
    row: usize,
    file: Option<Cow<'a, str>>,
    line: Option<u64>,
    #[serde(flatten)]
    reason: Reason,
}

/// Write [`LEFT_OUT_NAME`]: one line a row, in the order given; the rows are of the files that `reader` has read.
/// Without one they are in memory and in no file, so `file` and `line` are null.
///
/// # Errors
/// [`Cause::Io`](crate::error::Cause::Io) of the output; [`Cause::Interrupted`](crate::error::Cause::Interrupted).
pub fn write_left_out(
    output: &mut Output,
    reader: Option<&Reader>,
    left_out: &[(usize, Reason)],
    control: &Control,
) -> Result<WrittenFile> {
    let mut stopped = Ok(());
    let file = output.write_with(LEFT_OUT_NAME, |file| {
        for chunk in left_out.chunks(CHUNK_LINES) {
            stopped = control.check();
            if stopped.is_err() {
                return Ok(());
            }
            for &(row, reason) in chunk {
                let (file_name, line) = reader.map(|reader| place(reader, row)).unzip();
                let line = LeftOutLine { row, file: file_name, line, reason };
                serde_json::to_writer(&mut *file, &line)?;
                file.write_all(b"\n")?;
            }
        }
        Ok(())
    })?;
    stopped.map(|()| file)
}

/// File and line of a row.
fn place(reader: &Reader, row: usize) -> (Cow<'_, str>, u64) {
    let place = reader.places()[row];
    (reader.path(place.file).to_string_lossy(), place.line)
}
