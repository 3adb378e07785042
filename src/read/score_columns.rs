//! The columns of `scores.parquet`: names, types and order, for the writer and the reader of it.

use std::ops::Range;

use parquet::basic::{Repetition, Type as PhysicalType};
use parquet::schema::types::SchemaDescriptor;

/// Name of the file.
pub const SCORES_NAME: &str = "scores.parquet";

/// Key of the file's metadata under which [`SCORES_FORMAT`] stands.
pub const SCORES_KEY: &str = "zipfit.scores";

/// Version of the columns below; another one is a file that this version cannot read.
pub const SCORES_FORMAT: &str = "1";

/// Rows of every row group but the last, however many come at once.
///
/// That the number is fixed is the promise that the bytes of the file depend on nothing but its rows. A group is the
/// memory of writing and reading, and what must be read to find the place of a single row. With a million rows of
/// twelve columns: half of it makes the file 0.7% larger; four times as many make it 0.2% smaller, and writing takes
/// 43 MB in place of 16.
pub const ROW_GROUP_ROWS: usize = 65_536;

/// Which of the two kinds of places a table holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PlaceKind {
    /// `line`, `byte` and `length`.
    #[default]
    Lines,
    /// `row_group` and `index`.
    Parquet,
}

/// What a table holds beside `row`, `file`, `id`, `size` and `score`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScoreLayout {
    /// The kind of the places.
    pub places: PlaceKind,
    /// Numbers of tokens, in `tokens`.
    pub tokens: bool,
    /// Groups, in `group`.
    pub groups: bool,
    /// Why rows were left out, in `left_out`, and the rows that speak against them, in `left_out_by`.
    pub left_out: bool,
}

/// Type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    /// Whole numbers from 0 to 2^31 - 1.
    Int32,
    /// Whole numbers from 0 on.
    Int64,
    /// The same, and nulls, which are -1 in memory.
    NullableInt64,
    /// Floating-point numbers.
    Float64,
    /// UTF-8.
    Text,
    /// UTF-8 and nulls.
    NullableText,
}

impl ScoreLayout {
    /// Names and types of the columns, in the order of the file.
    #[must_use]
    pub fn columns(self) -> Vec<(&'static str, ColumnKind)> {
        let mut columns = vec![("row", ColumnKind::Int64), ("file", ColumnKind::Int32)];
        columns.extend(self.place_columns().iter().map(|&name| match name {
            "row_group" => (name, ColumnKind::Int32),
            _ => (name, ColumnKind::Int64),
        }));
        columns.extend([("id", ColumnKind::NullableText), ("size", ColumnKind::Int64), ("score", ColumnKind::Float64)]);
        if self.tokens {
            columns.push(("tokens", ColumnKind::Int64));
        }
        if self.groups {
            columns.push(("group", ColumnKind::Text));
        }
        if self.left_out {
            columns.extend([("left_out", ColumnKind::NullableText), ("left_out_by", ColumnKind::NullableInt64)]);
        }
        columns
    }

    /// The columns that, with `file`, say where a row lies.
    pub(crate) fn place_columns(self) -> &'static [&'static str] {
        match self.places {
            PlaceKind::Lines => &["line", "byte", "length"],
            PlaceKind::Parquet => &["row_group", "index"],
        }
    }

    /// The layout of a file with this schema, or the name of the first column that is not as in any layout.
    pub(super) fn of_schema(schema: &SchemaDescriptor) -> Result<ScoreLayout, String> {
        let found = schema.columns();
        let has = |name: &str| found.iter().any(|column| column.name() == name);
        let layout = ScoreLayout {
            places: if has("row_group") { PlaceKind::Parquet } else { PlaceKind::Lines },
            tokens: has("tokens"),
            groups: has("group"),
            left_out: has("left_out"),
        };
        let expected = layout.columns();
        for (index, &(name, kind)) in expected.iter().enumerate() {
            let fits = found.get(index).is_some_and(|column| {
                let info = column.self_type().get_basic_info();
                column.path().parts().len() == 1
                    && column.name() == name
                    && column.physical_type() == kind.physical_type()
                    && info.repetition() == kind.repetition()
            });
            if !fits {
                return Err(name.to_owned());
            }
        }
        found.get(expected.len()).map_or(Ok(layout), |column| Err(column.path().string()))
    }
}

impl ColumnKind {
    pub(crate) fn is_nullable(self) -> bool {
        matches!(self, ColumnKind::NullableInt64 | ColumnKind::NullableText)
    }

    pub(crate) fn physical_type(self) -> PhysicalType {
        match self {
            ColumnKind::Int32 => PhysicalType::INT32,
            ColumnKind::Int64 | ColumnKind::NullableInt64 => PhysicalType::INT64,
            ColumnKind::Float64 => PhysicalType::DOUBLE,
            ColumnKind::Text | ColumnKind::NullableText => PhysicalType::BYTE_ARRAY,
        }
    }

    pub(crate) fn repetition(self) -> Repetition {
        if self.is_nullable() { Repetition::OPTIONAL } else { Repetition::REQUIRED }
    }
}

/// Strings of a column one after another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Strings {
    /// Bytes of each; -1 for a null.
    pub lengths: Vec<i32>,
    /// The bytes of all.
    pub bytes: Vec<u8>,
}

impl Strings {
    /// Append one, shorter than 2 GiB; `None` for a null.
    pub(super) fn push(&mut self, string: Option<&[u8]>) {
        self.lengths.push(string.map_or(-1, |string| string.len() as i32));
        self.bytes.extend_from_slice(string.unwrap_or_default());
    }

    /// Append all of `other`.
    pub(super) fn append(&mut self, other: &Strings) {
        self.lengths.extend_from_slice(&other.lengths);
        self.bytes.extend_from_slice(&other.bytes);
    }

    /// Append some rows of `other`, whose bytes begin at `at`; where they end.
    pub(crate) fn extend(&mut self, other: &Strings, rows: Range<usize>, at: usize) -> usize {
        let lengths = &other.lengths[rows];
        let end = at + lengths.iter().map(|&length| bytes_of(length)).sum::<usize>();
        self.lengths.extend_from_slice(lengths);
        self.bytes.extend_from_slice(&other.bytes[at..end]);
        end
    }
}

/// Bytes of a string of this length, none for a null.
pub(crate) fn bytes_of(length: i32) -> usize {
    usize::try_from(length).unwrap_or(0)
}

impl<S: AsRef<str>> FromIterator<Option<S>> for Strings {
    fn from_iter<I: IntoIterator<Item = Option<S>>>(strings: I) -> Strings {
        let mut all = Strings::default();
        for string in strings {
            all.push(string.as_ref().map(|string| string.as_ref().as_bytes()));
        }
        all
    }
}
