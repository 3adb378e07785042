//! The rows that may be chosen, put away: what a search needs of a row is read when it looks at it.
//!
//! In memory stay eight bytes a row. A record is [`HEAD`] bytes of numbers and the packed n-grams; the texts lie apart,
//! because a search walks some rows only, and bounds many.

use super::postings::{Packer, Postings};
use super::store::{Memory, Store};
use crate::error::Result;
use crate::ngrams::{Counter, Ngrams};
use crate::texts::Texts;

/// Bytes of a record before the n-grams.
const HEAD: usize = 32;

/// What is known of a row without its n-grams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Its number among all rows.
    pub(super) row: u32,
    /// Of its text.
    pub(super) bytes: u32,
    /// 0 where nobody counts them.
    pub(super) tokens: u64,
    /// Where its text is.
    text_at: u64,
    /// Bytes of the first run of its n-grams.
    once_bytes: u32,
    wide: bool,
}

impl Head {
    fn write(&self, record: &mut [u8]) {
        record[..4].copy_from_slice(&self.row.to_le_bytes());
        record[4..8].copy_from_slice(&self.bytes.to_le_bytes());
        record[8..16].copy_from_slice(&self.tokens.to_le_bytes());
        record[16..24].copy_from_slice(&self.text_at.to_le_bytes());
        record[24..28].copy_from_slice(&self.once_bytes.to_le_bytes());
        record[28] = u8::from(self.wide);
    }

    fn read(record: &[u8]) -> Head {
        let four = |at: usize| u32::from_le_bytes(std::array::from_fn(|byte| record[at + byte]));
        let eight = |at: usize| u64::from_le_bytes(std::array::from_fn(|byte| record[at + byte]));
        let [row, bytes, once_bytes] = [0, 4, 24].map(four);
        Head { row, bytes, tokens: eight(8), text_at: eight(16), once_bytes, wide: record[28] != 0 }
    }
}

/// A record before it is put away; nothing for a row that is no candidate.
#[derive(Default)]
pub(super) struct Record(Vec<u8>);

impl Record {
    pub(super) fn is_there(&self) -> bool {
        !self.0.is_empty()
    }
}

/// Takes one row after another apart.
pub(super) struct Taker<'a> {
    counter: Counter<'a>,
    packer: Packer,
    ids: usize,
}

impl<'a> Taker<'a> {
    pub(super) fn new(ngrams: &'a Ngrams) -> Taker<'a> {
        Taker { counter: Counter::new(ngrams), packer: Packer::default(), ids: ngrams.weights().len() }
    }

    pub(super) fn take(&mut self, row: u32, text: &[u8], tokens: u64) -> Record {
        self.counter.count(text, |id, count| self.packer.push(id, count));
        let mut record = vec![0; HEAD];
        let (once_bytes, wide) = self.packer.finish(self.ids, &mut record);
        Head { row, bytes: text.len() as u32, tokens, text_at: 0, once_bytes, wide }.write(&mut record);
        Record(record)
    }
}

enum RowTexts {
    /// All rows, candidates or not; they are in memory anyway.
    Held(Texts),
    /// Those of candidates, one after another.
    Stored { store: Box<dyn Store>, end: u64 },
}

/// All candidates so far.
pub(super) struct Candidates {
    packed: Box<dyn Store>,
    texts: RowTexts,
    /// Where each record begins, and where the last one ends.
    starts: Vec<u64>,
}

impl Candidates {
    pub(super) fn in_memory() -> Candidates {
        let held = RowTexts::Held(Texts::concat(&[]));
        Candidates { packed: Box::new(Memory::default()), texts: held, starts: vec![0] }
    }

    pub(super) fn spooled(packed: Box<dyn Store>, texts: Box<dyn Store>) -> Candidates {
        Candidates { packed, texts: RowTexts::Stored { store: texts, end: 0 }, starts: vec![0] }
    }

    pub(super) fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// Bytes that were put away.
    pub(super) fn stored_bytes(&self) -> u64 {
        let texts = if let RowTexts::Stored { end, .. } = self.texts { end } else { 0 };
        self.starts[self.len()] + texts
    }

    /// Add the rows of a batch that have a record; `texts[i]` is the text of `records[i]`.
    pub(super) fn add<'a>(&mut self, records: &mut [Record], texts: impl Iterator<Item = &'a [u8]>) -> Result<()> {
        let mut packed = Vec::with_capacity(records.iter().map(|record| record.0.len()).sum());
        let mut pieces = Vec::new();
        let before = self.starts[self.len()];
        for (record, text) in records.iter_mut().zip(texts).filter(|(record, _)| record.is_there()) {
            if let RowTexts::Stored { end, .. } = &self.texts {
                let text_at = end + pieces.len() as u64;
                Head { text_at, ..Head::read(&record.0) }.write(&mut record.0);
                pieces.extend_from_slice(text);
            }
            packed.append(&mut record.0);
            self.starts.push(before + packed.len() as u64);
        }
        self.packed.append(packed)?;
        if let RowTexts::Stored { store, end } = &mut self.texts {
            *end += pieces.len() as u64;
            store.append(pieces)?;
        }
        Ok(())
    }

    /// Keep the texts of all rows that were added, candidates or not, where texts are kept in memory.
    pub(super) fn hold(&mut self, texts: &Texts) {
        if let RowTexts::Held(held) = &mut self.texts {
            *held = Texts::concat(&[held.clone(), texts.clone()]);
        }
    }

    pub(super) fn head(&self, index: u32, buffer: &mut Vec<u8>) -> Result<Head> {
        self.packed.read(self.starts[index as usize], HEAD, buffer).map(Head::read)
    }

    pub(super) fn postings<'a>(&'a self, index: u32, buffer: &'a mut Vec<u8>) -> Result<Postings<'a>> {
        let (start, end) = (self.starts[index as usize], self.starts[index as usize + 1]);
        let record = self.packed.read(start, (end - start) as usize, buffer)?;
        let head = Head::read(record);
        Ok(Postings::new(&record[HEAD..], head.once_bytes as usize, head.wide, head.bytes as usize))
    }

    pub(super) fn text<'a>(&'a self, head: &Head, buffer: &'a mut Vec<u8>) -> Result<&'a [u8]> {
        match &self.texts {
            RowTexts::Held(texts) => Ok(texts.get(head.row as usize)),
            RowTexts::Stored { store, .. } => store.read(head.text_at, head.bytes as usize, buffer),
        }
    }
}
