//! Tables of scores of the shards of a run, one behind the other: the table that the run without shards has.

use super::scores::{Column, ScoreWriter};
use crate::error::{Error, Result};
use crate::parallel::Control;
use crate::read::{ColumnKind, ScoreTable};

/// What a shard did not know of the rows before its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowsBefore {
    /// Rows of the shards before, rejected ones too.
    pub rows: u64,
    /// Index of the file in which the shard begins.
    pub file: u32,
    /// Physical lines of this file that are before the shard.
    pub lines: u64,
}

impl ScoreWriter {
    /// Append all rows of a shard's table, with the numbers that rows and lines have in the whole. Memory: a row group.
    ///
    /// # Errors
    /// As [`ScoreTable::int64`] and [`ScoreWriter::add`].
    pub fn add_table(&mut self, table: &ScoreTable, before: RowsBefore, control: &Control) -> Result<()> {
        let kinds = table.layout().columns();
        for group in 0..table.groups() {
            control.check()?;
            let mut columns = Vec::with_capacity(kinds.len());
            for (index, &(name, kind)) in kinds.iter().enumerate() {
                columns.push((name, read(table, group, index, kind)?));
            }
            renumber(&mut columns, before)?;
            self.add(&columns, control)?;
        }
        Ok(())
    }
}

fn read(table: &ScoreTable, group: usize, column: usize, kind: ColumnKind) -> Result<Column> {
    Ok(match kind {
        // No number is above what fits: the reader saw to it.
        ColumnKind::Int32 => {
            Column::Int32(table.group_integers(group, column)?.into_iter().map(|value| value as i32).collect())
        }
        ColumnKind::Int64 | ColumnKind::NullableInt64 => Column::Int64(table.group_integers(group, column)?),
        ColumnKind::Float64 => Column::Float64(table.group_floats(group, column)?),
        ColumnKind::Text | ColumnKind::NullableText => Column::Strings(table.group_strings(group, column)?),
    })
}

fn renumber(columns: &mut [(&'static str, Column)], before: RowsBefore) -> Result<()> {
    let moved = |value: i64, by: u64| {
        let moved = i64::try_from(by).ok().and_then(|by| value.checked_add(by));
        moved.ok_or_else(|| Error::parameter("there are more rows than 64 bits can number"))
    };
    if before.lines > 0 {
        let is_first: Vec<bool> = match columns.iter().find(|(name, _)| *name == "file") {
            Some((_, Column::Int32(files))) => files.iter().map(|&file| file.cast_unsigned() == before.file).collect(),
            _ => Vec::new(),
        };
        if let Some((_, Column::Int64(lines))) = columns.iter_mut().find(|(name, _)| *name == "line") {
            for (line, _) in lines.iter_mut().zip(is_first).filter(|(_, is_first)| *is_first) {
                *line = moved(*line, before.lines)?;
            }
        }
    }
    if let Some((_, Column::Int64(rows))) = columns.iter_mut().find(|(name, _)| *name == "row") {
        for row in rows {
            *row = moved(*row, before.rows)?;
        }
    }
    Ok(())
}
