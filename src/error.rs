//! The one error type: what went wrong, where, and a stable code.
//!
//! A message is one sentence in lower case without a full stop: the place first (`pool.jsonl:3 (byte 57): ...`,
//! `pool.parquet (row group 2, index 57): ...` or `source row 17: ...`), then what was found against what was
//! expected, then the next step. Layers add the place they know (`with_row`, `with_path`) as the error passes through
//! them. Quoted input is cut by [`quote`].

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Result of everything here that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Whether a text belongs to the rows to choose from, to the examples of the wanted task or to an evaluation set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Rows to choose from.
    Source,
    /// Examples of the wanted task.
    Target,
    /// Texts that no chosen row may hold a piece of.
    Against,
    /// Texts that a selection is judged by.
    HeldOut,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Side::Source => "source",
            Side::Target => "target",
            Side::Against => "against",
            Side::HeldOut => "held_out",
        })
    }
}

/// What went wrong; the text is the sentence without its place.
#[derive(Debug)]
#[non_exhaustive]
pub enum Cause {
    /// An argument has a value that means nothing.
    Parameter(String),
    /// A text is of another type than text.
    TextType(String),
    /// The target has no rows.
    EmptyTarget,
    /// A row cannot be read.
    BadRow(String),
    /// A text is not valid Unicode.
    InvalidText(String),
    /// A compressed file ends too early.
    Truncated(String),
    /// The output is there already.
    OutputExists(String),
    /// Something is not what it was, or not what it was made with.
    Mismatch(String),
    /// The operating system refused.
    Io(io::Error),
    /// The caller asked to stop.
    Interrupted,
    /// A bug of ours.
    Internal(String),
}

/// Where it went wrong; `None` where it does not apply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Source or target, for rows that are in no file.
    pub side: Option<Side>,
    /// The file, as it was given.
    pub path: Option<PathBuf>,
    /// Row over all files of its side, from 0.
    pub row: Option<u64>,
    /// Physical line in the file, from 1.
    pub line: Option<u64>,
    /// In place of `line` where reading began inside the file: the line from there on, from 1.
    pub line_in_shard: Option<u64>,
    /// Offset in the decompressed file, from 0.
    pub byte: Option<u64>,
    /// Row group of a Parquet file, from 0.
    pub row_group: Option<u32>,
    /// Position in the row group, from 0.
    pub index: Option<u64>,
}

/// A cause and its place.
#[derive(Debug)]
pub struct Error {
    cause: Cause,
    // Boxed so that `Result<u64>`, returned once a pair, stays small.
    place: Box<Place>,
}

impl Error {
    /// An error whose place is not known yet.
    #[must_use]
    pub fn new(cause: Cause) -> Error {
        Error { cause, place: Box::default() }
    }

    /// [`Cause::Parameter`] with this sentence.
    #[must_use]
    pub fn parameter(message: impl Into<String>) -> Error {
        Error::new(Cause::Parameter(message.into()))
    }

    /// [`Cause::BadRow`] with this sentence.
    #[must_use]
    pub fn bad_row(message: impl Into<String>) -> Error {
        Error::new(Cause::BadRow(message.into()))
    }

    /// [`Cause::Internal`] with this sentence.
    #[must_use]
    pub fn internal(message: impl Into<String>) -> Error {
        Error::new(Cause::Internal(message.into()))
    }

    /// [`Cause::Io`] at this file.
    #[must_use]
    pub fn io(error: io::Error, path: &Path) -> Error {
        Error::new(Cause::Io(error)).with_path(path)
    }

    /// The same error in this file.
    #[must_use]
    pub fn with_path(mut self, path: &Path) -> Error {
        self.place.path = Some(path.to_owned());
        self
    }

    /// The same error in this row of the sources or targets.
    #[must_use]
    pub fn with_row(mut self, side: Side, row: u64) -> Error {
        self.place.side = Some(side);
        self.place.row = Some(row);
        self
    }

    /// The same error at this line (from 1) and byte (from 0) of its file.
    #[must_use]
    pub fn with_line(mut self, line: u64, byte: u64) -> Error {
        self.place.line = Some(line);
        self.place.byte = Some(byte);
        self
    }

    /// As [`Error::with_line`], for a line counted from where a shard begins inside the file.
    #[must_use]
    pub fn with_line_in_shard(mut self, line: u64, byte: u64) -> Error {
        self.place.line_in_shard = Some(line);
        self.place.byte = Some(byte);
        self
    }

    /// The same error at this row group of its Parquet file and this row of the group, both from 0.
    #[must_use]
    pub fn with_row_group(mut self, row_group: u32, index: u64) -> Error {
        self.place.row_group = Some(row_group);
        self.place.index = Some(index);
        self
    }

    /// What went wrong.
    #[must_use]
    pub fn cause(&self) -> &Cause {
        &self.cause
    }

    /// Where it went wrong.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The sentence without the place.
    #[must_use]
    pub fn sentence(&self) -> String {
        match &self.cause {
            Cause::Parameter(message)
            | Cause::TextType(message)
            | Cause::BadRow(message)
            | Cause::InvalidText(message)
            | Cause::Truncated(message)
            | Cause::OutputExists(message)
            | Cause::Mismatch(message) => message.clone(),
            Cause::EmptyTarget => "target has 0 rows; alignment needs at least 1".to_owned(),
            Cause::Io(error) => error.to_string(),
            Cause::Interrupted => "interrupted".to_owned(),
            Cause::Internal(message) => format!("{message}; this is a bug in zipfit, please report it"),
        }
    }

    /// Code that stays the same over versions, for programs that read logs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self.cause {
            Cause::Parameter(_) => "ZF-PARAM",
            Cause::TextType(_) => "ZF-TYPE",
            Cause::EmptyTarget => "ZF-TARGET",
            Cause::BadRow(_) => "ZF-ROW",
            Cause::InvalidText(_) => "ZF-TEXT",
            Cause::Truncated(_) => "ZF-TRUNC",
            Cause::OutputExists(_) => "ZF-EXISTS",
            Cause::Mismatch(_) => "ZF-RESUME",
            Cause::Io(_) => "ZF-IO",
            Cause::Interrupted => "ZF-STOP",
            Cause::Internal(_) => "ZF-BUG",
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = &self.path {
            write!(f, "{}", path.display())?;
            if let Some(line) = self.line {
                write!(f, ":{line}")?;
            }
            match (self.byte, self.line_in_shard) {
                (Some(byte), Some(line)) => write!(f, " (byte {byte}, line {line} of the shard)")?,
                (Some(byte), None) => write!(f, " (byte {byte})")?,
                _ => {}
            }
            if let (Some(row_group), Some(index)) = (self.row_group, self.index) {
                write!(f, " (row group {row_group}, index {index})")?;
            }
            f.write_str(": ")
        } else if let (Some(side), Some(row)) = (self.side, self.row) {
            write!(f, "{side} row {row}: ")
        } else {
            Ok(())
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.place, self.sentence())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.cause {
            Cause::Io(error) => Some(error),
            _ => None,
        }
    }
}

/// Longest piece of foreign text in a message, in characters after escaping: one line of a terminal.
const QUOTE_CHARS: usize = 80;

/// Foreign text for a message: in double quotes, escaped, cut at 80 characters.
#[must_use]
pub fn quote(text: &str) -> String {
    // A few characters more than fit are enough to know whether to cut, however long the text is.
    let escaped: Vec<char> =
        text.chars().take(QUOTE_CHARS + 1).flat_map(char::escape_debug).take(QUOTE_CHARS + 1).collect();
    if escaped.len() > QUOTE_CHARS {
        format!("\"{}...\"", escaped[..QUOTE_CHARS].iter().collect::<String>())
    } else {
        format!("\"{}\"", escaped.iter().collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_starts_with_its_place() {
        let error = Error::bad_row("null text").with_row(Side::Source, 17);
        assert_eq!(error.to_string(), "source row 17: null text");
        let error = error.with_path(Path::new("pool.jsonl")).with_line(18, 931);
        assert_eq!(error.to_string(), "pool.jsonl:18 (byte 931): null text");
        assert_eq!(error.code(), "ZF-ROW");
        let error = Error::bad_row("null text").with_path(Path::new("pool.jsonl")).with_line_in_shard(18, 931);
        assert_eq!(error.to_string(), "pool.jsonl (byte 931, line 18 of the shard): null text");
        let error = Error::bad_row("null text").with_path(Path::new("pool.parquet")).with_row_group(2, 57);
        assert_eq!(error.to_string(), "pool.parquet (row group 2, index 57): null text");
    }

    #[test]
    fn quoted_text_is_escaped_and_cut() {
        assert_eq!(quote("a\"b\n"), r#""a\"b\n""#);
        assert_eq!(quote(&"x".repeat(100)), format!("\"{}...\"", "x".repeat(80)));
        assert_eq!(quote(&"x".repeat(80)), format!("\"{}\"", "x".repeat(80)));
    }
}
