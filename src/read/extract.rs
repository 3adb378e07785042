//! The rows of a batch to texts, by all threads.

use super::columnar::{Piece, Plan, TextColumn, write_object};
use super::fields::Extracted;
use super::form::{Scratch, too_long};
use super::json::Fault;
use super::lines::{RawBatch, RawRow, RawRows};
use super::{Batch, Reader, Rejected, Strings};
use crate::error::{Error, Result};
use crate::parallel::{self, Control};
use crate::texts::TextsBuilder;

/// Lines that a thread takes apart between two looks at the common counter; arbitrary (some 100 us of work).
const CHUNK_LINES: usize = 64;

/// What a thread took out of some rows.
#[derive(Default)]
struct Extract {
    texts: TextsBuilder,
    /// Positions in the chunk.
    kept: Vec<usize>,
    ids: Strings,
    tokens: Vec<i64>,
    groups: Strings,
    rejected: Vec<Rejected>,
}

/// What a thread works with.
#[derive(Default)]
struct Worker {
    text: Vec<u8>,
    json: Vec<u8>,
    scratch: Scratch,
}

impl Reader {
    pub(super) fn extract(&self, raw: &RawBatch, threads: usize, control: &Control) -> Result<Batch> {
        match (&raw.rows, &self.plans) {
            (RawRows::Lines { bytes, rows }, _) => {
                let chunks: Vec<&[RawRow]> = rows.chunks(CHUNK_LINES).collect();
                let take = |chunk: usize, first_row: usize, worker: &mut Worker, out: &mut Extract| {
                    self.take_lines(bytes, chunks[chunk], first_row, worker, out)
                };
                let lengths: Vec<usize> = chunks.iter().map(|chunk| chunk.len()).collect();
                extract_chunks(raw, &lengths, take, threads, control)
            }
            (RawRows::Parquet(pieces), Some(plans)) => {
                let take = |chunk: usize, first_row: usize, worker: &mut Worker, out: &mut Extract| {
                    let piece = &pieces[chunk];
                    self.take_piece(piece, &plans[piece.file as usize], first_row, worker, out)
                };
                let lengths: Vec<usize> = pieces.iter().map(|piece| piece.rows.num_rows()).collect();
                extract_chunks(raw, &lengths, take, threads, control)
            }
            (RawRows::Parquet(_), None) => Err(Error::internal("rows of Parquet where there is none")),
        }
    }

    fn take_lines(
        &self,
        bytes: &[u8],
        rows: &[RawRow],
        first_row: usize,
        worker: &mut Worker,
        out: &mut Extract,
    ) -> Result<()> {
        for (at, row) in rows.iter().enumerate() {
            worker.text.clear();
            let extracted = if row.is_too_long {
                Err((row.form.too_long(self.options.max_row_bytes), 0))
            } else {
                let tokens = self.fields.tokens_name();
                let object = row.form.object(&bytes[row.range.clone()], tokens, &mut worker.scratch);
                object.and_then(|object| {
                    let extracted = self.fields.extract(object, &mut worker.text);
                    extracted.map_err(|(error, offset)| (error, if row.form.keeps_offsets() { offset } else { 0 }))
                })
            };
            match extracted {
                Ok(extracted) => self.keep(at, &worker.text, &extracted, out),
                Err((error, offset)) => {
                    self.reject(first_row + at, self.at_line(error, row.place, offset), out)?;
                }
            }
        }
        Ok(())
    }

    fn take_piece(
        &self,
        piece: &Piece,
        plan: &Plan,
        first_row: usize,
        worker: &mut Worker,
        out: &mut Extract,
    ) -> Result<()> {
        let texts = plan.text(&piece.rows)?;
        for at in 0..piece.rows.num_rows() {
            let Worker { text, json, .. } = &mut *worker;
            text.clear();
            json.clear();
            match self.take_row(piece, plan, texts.as_ref(), at, text, json) {
                Ok(extracted) => self.keep(at, text, &extracted, out),
                Err((error, _)) => self.reject(first_row + at, self.at_row(error, piece.place(at)), out)?,
            }
        }
        Ok(())
    }

    fn take_row<'a>(
        &self,
        piece: &Piece,
        plan: &Plan,
        texts: Option<&TextColumn<'_>>,
        at: usize,
        text: &mut Vec<u8>,
        json: &'a mut Vec<u8>,
    ) -> Result<Extracted<'a>, Fault> {
        if let Some(texts) = texts {
            text.extend_from_slice(texts.get(at).map_err(|error| (error, 0))?);
        }
        let mut extracted = Extracted::default();
        if !plan.columns.is_empty() {
            let names = plan.columns.iter().map(String::as_str);
            let columns = names.filter_map(|name| Some((name, piece.rows.column_by_name(name)?)));
            write_object(columns, at, json).map_err(|error| (error, 0))?;
            extracted = match texts {
                Some(_) => self.fields.extract_others(json)?,
                None => self.fields.extract(json, text)?,
            };
        }
        if text.len() > self.options.max_row_bytes as usize {
            return Err((too_long("text", self.options.max_row_bytes, "split the row"), 0));
        }
        Ok(extracted)
    }

    fn keep(&self, at: usize, text: &[u8], extracted: &Extracted<'_>, out: &mut Extract) {
        out.texts.push(text);
        out.kept.push(at);
        out.ids.push(extracted.id.as_deref().map(str::as_bytes));
        if self.fields.has_tokens() {
            out.tokens.push(extracted.tokens);
        }
        if let Some(group) = &extracted.group {
            out.groups.push(Some(group.as_bytes()));
        }
    }

    /// Hand a bad row over, or stop at it.
    fn reject(&self, row: usize, error: Error, out: &mut Extract) -> Result<()> {
        let error = error.with_row(self.side, row as u64);
        if !self.options.skip_bad_rows {
            return Err(error);
        }
        out.rejected.push(Rejected { row, error });
        Ok(())
    }
}

/// Take chunks of these lengths apart and put together what is in them.
fn extract_chunks(
    raw: &RawBatch,
    lengths: &[usize],
    take: impl Fn(usize, usize, &mut Worker, &mut Extract) -> Result<()> + Sync,
    threads: usize,
    control: &Control,
) -> Result<Batch> {
    let starts: Vec<usize> = lengths
        .iter()
        .scan(0, |next, length| {
            *next += length;
            Some(*next - length)
        })
        .collect();
    let mut extracts: Vec<Extract> = Vec::new();
    extracts.resize_with(lengths.len(), Default::default);
    parallel::fill_rows(
        &mut extracts,
        1,
        1,
        threads,
        control,
        || Ok(Worker::default()),
        |worker, chunk, out| take(chunk, raw.first_row + starts[chunk], worker, &mut out[0]),
    )?;
    let mut texts = TextsBuilder::default();
    let (mut kept, mut tokens, mut rejected) = (Vec::new(), Vec::new(), Vec::new());
    let (mut ids, mut groups) = (Strings::default(), Strings::default());
    for (extract, start) in extracts.into_iter().zip(starts) {
        texts.append(&extract.texts);
        kept.extend(extract.kept.into_iter().map(|at| start + at));
        ids.append(&extract.ids);
        tokens.extend(extract.tokens);
        groups.append(&extract.groups);
        rejected.extend(extract.rejected);
    }
    let all = raw.rows.places();
    let places = if kept.len() == all.len() { all } else { all.take(&kept) };
    let rows = kept.into_iter().map(|at| raw.first_row + at).collect();
    Ok(Batch { texts: texts.finish(), rows, places, ids, tokens, groups, rejected })
}
