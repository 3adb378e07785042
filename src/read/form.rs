//! What a row is in each kind of file, and the JSON object that stands for it.
//!
//! A line of JSON Lines is such an object. A record of CSV or TSV becomes one of strings, in the order of the columns,
//! and a text becomes `{"text": ...}`: fields are taken out of this object and chosen rows are written as it, so that
//! nothing after reading knows what the file was. Cost: one more pass over the row.

use std::path::Path;
use std::sync::Arc;

use super::csv::{self, Header};
use super::json::{self, Fault};
use super::stream::Stream;
use crate::error::{Error, Result};

/// What a row of a text file is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TextBy {
    /// A line that is not blank.
    #[default]
    Line,
    /// The whole file.
    Document,
}

/// The key of a text without a name; what [`Fields`](super::Fields) looks for unless told otherwise.
const TEXT_KEY: &[u8] = b"{\"text\":";

/// How a file is cut into rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileFormat {
    JsonLines,
    /// CSV with this delimiter.
    Delimited(u8),
    Text(TextBy),
}

impl FileFormat {
    /// By the suffix, before one of compression.
    pub(super) fn of(path: &Path, text_by: TextBy) -> FileFormat {
        let inner = if Stream::is_plain(path) { None } else { path.file_stem().map(Path::new) };
        let suffix = inner.unwrap_or(path).extension().and_then(|suffix| suffix.to_str()).unwrap_or_default();
        match suffix.to_ascii_lowercase().as_str() {
            "csv" => FileFormat::Delimited(b','),
            "tsv" | "tab" => FileFormat::Delimited(b'\t'),
            "txt" | "text" | "md" => FileFormat::Text(text_by),
            _ => FileFormat::JsonLines,
        }
    }
}

/// What the bytes of a row are.
#[derive(Clone, Debug)]
pub(super) enum Form {
    Json,
    Text,
    Record(Arc<Header>),
}

/// What one thread needs to turn rows into objects; kept between rows.
#[derive(Default)]
pub(super) struct Scratch {
    object: Vec<u8>,
    record: csv::Scratch,
}

impl Form {
    /// The JSON object of a row. `number` is a column whose whole numbers become numbers; all others stay strings.
    ///
    /// A fault has its offset in the row, as the one of a JSON row has.
    pub(super) fn object<'a>(
        &self,
        row: &'a [u8],
        number: Option<&str>,
        scratch: &'a mut Scratch,
    ) -> Result<&'a [u8], Fault> {
        let object = &mut scratch.object;
        object.clear();
        match self {
            Form::Json => return Ok(row),
            Form::Text => {
                let text = json::utf8(row)?;
                object.extend_from_slice(TEXT_KEY);
                append_string(text, object)?;
                object.push(b'}');
            }
            Form::Record(header) => header.append_object(row, number, &mut scratch.record, object)?,
        }
        Ok(object)
    }

    /// Whether an offset in the object is one in the row.
    pub(super) fn keeps_offsets(&self) -> bool {
        matches!(self, Form::Json)
    }

    /// What is said of a row that is too long.
    pub(super) fn too_long(&self, limit: u32) -> Error {
        let (what, remedy) = match self {
            Form::Json => ("line", "split the row"),
            Form::Text => ("text", "split it"),
            Form::Record(_) => ("row", "look for a quote that is not closed, split the row"),
        };
        too_long(what, limit, remedy)
    }
}

/// What is said of something that is too long.
pub(super) fn too_long(what: &str, limit: u32, remedy: &str) -> Error {
    let most = "the most that max_row_bytes allows";
    Error::bad_row(format!("the {what} is longer than {limit} bytes, {most}; {remedy} or raise the limit"))
}

/// Append `text` as a JSON string.
pub(super) fn append_string(text: &str, out: &mut Vec<u8>) -> Result<(), Fault> {
    serde_json::to_writer(out, text).map_err(|error| (Error::internal(error.to_string()), 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_suffix_before_that_of_compression_says_what_a_file_is() {
        let (comma, tab) = (FileFormat::Delimited(b','), FileFormat::Delimited(b'\t'));
        let text = FileFormat::Text(TextBy::Document);
        for (name, format) in [
            ("a.csv", comma),
            ("a.CSV", comma),
            ("a.csv.gz", comma),
            ("a.json.csv.zst", comma),
            ("a.tsv", tab),
            ("a.tab.zst", tab),
            ("a.txt", text),
            ("a.text.gz", text),
            ("a.md", text),
            ("a.jsonl", FileFormat::JsonLines),
            ("a.json.gz", FileFormat::JsonLines),
            ("a.csv.bak", FileFormat::JsonLines),
            ("csv.gz", FileFormat::JsonLines),
            ("csv", FileFormat::JsonLines),
            (".csv", FileFormat::JsonLines),
        ] {
            assert_eq!(FileFormat::of(Path::new(name), TextBy::Document), format, "{name}");
        }
    }
}
