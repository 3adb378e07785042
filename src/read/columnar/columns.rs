//! Which columns of a file make the texts of its rows, and what else is wanted of them.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BinaryArray, RecordBatch, StructArray};
use arrow_schema::{DataType, FieldRef, Fields as ArrowFields, Schema};
use parquet::schema::types::SchemaDescriptor;

use crate::error::{Cause, Error, Result, quote};
use crate::read::Fields;

/// Columns shown when one is missing. Arbitrary: more do not fit a line.
const SHOWN_COLUMNS: usize = 8;

/// What is decoded of a file, and how.
#[derive(Clone, Debug, Default)]
pub(in crate::read) struct Plan {
    /// Indices of Parquet's columns.
    pub(super) leaves: Vec<usize>,
    /// The path of the text through structs, if the text is a string and nothing else.
    text: Option<Vec<String>>,
    /// The columns that go into the JSON object of a row; none if the text is all that is wanted.
    pub(in crate::read) columns: Vec<String>,
    /// Of the file.
    pub(in crate::read) row_groups: usize,
}

impl Plan {
    /// # Errors
    /// [`Cause::Parameter`] for a column that is not there, or more than once.
    pub(super) fn new(schema: &Schema, parquet: &SchemaDescriptor, fields: &Fields) -> Result<Plan> {
        let columns = schema.fields();
        let (text_fields, others) =
            fields.columns(|name| find(columns, name).is_ok(), |name| find(columns, name).err().unwrap_or_default())?;
        let mut plan = Plan::default();
        for (name, is_text) in
            text_fields.iter().map(|name| (name, true)).chain(others.iter().map(|name| (name, false)))
        {
            let Ok(found) = find(columns, name) else { continue };
            let root = &found.path[0];
            if columns.iter().filter(|column| column.name() == root).count() > 1 {
                let message = format!("there is more than one column {}; rename all but one", quote(root));
                return Err(Error::parameter(message));
            }
            plan.leaves.extend(
                (0..parquet.num_columns()).filter(|&leaf| parquet.column(leaf).path().parts().starts_with(&found.path)),
            );
            let is_string = found.is_whole && matches!(found.leaf, DataType::Utf8 | DataType::Binary);
            if is_text && is_string && fields.text_is_a_field() {
                plan.text = Some(found.path);
            } else if !plan.columns.contains(root) {
                plan.columns.push(root.clone());
            }
        }
        plan.leaves.sort_unstable();
        plan.leaves.dedup();
        Ok(plan)
    }

    /// The texts of a batch, if they are a column.
    pub(in crate::read) fn text<'a>(&self, batch: &'a RecordBatch) -> Result<Option<TextColumn<'a>>> {
        let Some(path) = &self.text else { return Ok(None) };
        let unexpected = || Error::internal("a decoded column is not the one asked for");
        let mut array = batch.column_by_name(&path[0]).ok_or_else(unexpected)?;
        let mut outer = Vec::new();
        for step in &path[1..] {
            let parent = array.as_struct_opt().ok_or_else(unexpected)?;
            outer.push(parent);
            array = parent.column_by_name(step).ok_or_else(unexpected)?;
        }
        let values = array.as_binary_opt().ok_or_else(unexpected)?;
        Ok(Some(TextColumn { values, outer, path: path.clone() }))
    }
}

/// A column of strings, perhaps in structs.
pub(in crate::read) struct TextColumn<'a> {
    values: &'a BinaryArray,
    outer: Vec<&'a StructArray>,
    path: Vec<String>,
}

impl<'a> TextColumn<'a> {
    /// The text of a row.
    ///
    /// # Errors
    /// [`Cause::BadRow`] for a null, [`Cause::InvalidText`].
    pub(in crate::read) fn get(&self, row: usize) -> Result<&'a [u8]> {
        let null = self.outer.iter().position(|parent| parent.is_null(row));
        if let Some(depth) = null.or_else(|| self.values.is_null(row).then_some(self.outer.len())) {
            let name = quote(&self.path[..=depth].join("."));
            let expected = if depth == self.outer.len() { "a string" } else { "an object" };
            return Err(Error::bad_row(format!("field {name} is null, expected {expected}")));
        }
        let text = self.values.value(row);
        std::str::from_utf8(text).map_err(|error| invalid_utf8(text, error.valid_up_to(), &self.path.join(".")))?;
        Ok(text)
    }
}

pub(super) fn invalid_utf8(text: &[u8], at: usize, name: &str) -> Error {
    let name = quote(name);
    let message =
        format!("invalid UTF-8 (byte 0x{:02x}) at byte {at} of field {name}; convert the column to UTF-8", text[at]);
    Error::new(Cause::InvalidText(message))
}

/// Where a field is.
struct Found<'a> {
    /// Names as far as there are structs.
    path: Vec<String>,
    leaf: &'a DataType,
    /// Whether the path is all of the field's name; what is left of it goes into lists and maps.
    is_whole: bool,
}

/// The column of this name, or what a dotted path leads to; else the sentence that it is not there.
fn find<'a>(columns: &'a ArrowFields, name: &str) -> Result<Found<'a>, String> {
    let missing = |below: &str, there: &ArrowFields| {
        let shown: Vec<String> = there.iter().take(SHOWN_COLUMNS).map(|column| quote(column.name())).collect();
        let below = if below.is_empty() { "columns here".to_owned() } else { format!("fields in {}", quote(below)) };
        format!("no column {}; {below}: {}", quote(name), shown.join(", "))
    };
    if let Some(column) = named(columns, name) {
        return Ok(Found { path: vec![name.to_owned()], leaf: column.data_type(), is_whole: true });
    }
    let mut steps = name.split('.');
    let first = steps.next().unwrap_or_default();
    let column = named(columns, first).ok_or_else(|| missing("", columns))?;
    let mut found = Found { path: vec![first.to_owned()], leaf: column.data_type(), is_whole: true };
    let mut leaf = found.leaf;
    for step in steps {
        match leaf {
            DataType::Struct(fields) => {
                let field = named(fields, step).ok_or_else(|| missing(&found.path.join("."), fields))?;
                leaf = field.data_type();
                if found.is_whole {
                    found.path.push(step.to_owned());
                    found.leaf = leaf;
                }
            }
            DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _)
                if step.bytes().all(|byte| byte.is_ascii_digit()) =>
            {
                found.is_whole = false;
                leaf = item.data_type();
            }
            // Its keys are the rows' own.
            DataType::Map(..) => {
                found.is_whole = false;
                break;
            }
            _ => {
                return Err(format!(
                    "no column {}; there is nothing below {}",
                    quote(name),
                    quote(&found.path.join("."))
                ));
            }
        }
    }
    Ok(found)
}

fn named<'a>(fields: &'a ArrowFields, name: &str) -> Option<&'a FieldRef> {
    fields.iter().find(|field| field.name() == name)
}

/// The column in which a field is: that of its name, else that of what stands before its first dot.
pub(super) fn root_of<'a>(batch: &'a RecordBatch, name: &'a str) -> Option<(&'a str, &'a ArrayRef)> {
    let first = name.split('.').next().unwrap_or_default();
    [name, first].into_iter().find_map(|name| batch.column_by_name(name).map(|column| (name, column)))
}
