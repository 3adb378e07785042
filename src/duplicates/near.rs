//! Near duplicates: set-similarity join with a size and a prefix filter, exact and without a loop over pairs.
//!
//! Put the n-grams of every set into one order, rare ones first. Sets x and y with a Jaccard similarity of t or more
//! have ceil(t |x|) n-grams in common, so that they share one of the first |x| - ceil(t |x|) + 1 of x, and likewise of
//! y (the prefix filter). Only prefixes are stored and looked up; an n-gram that one row alone has is neither. What
//! shares one is a candidate if its size (t |x| <= |y| <= |x| / t) and what can still be shared after the last common
//! n-gram of the prefixes allow it, and is then compared by its n-grams themselves.
//!
//! How often n-grams occur is counted in a table of saturating bytes that different n-grams may share: the order stays
//! one order for all sets, and a count of 1 is true, so the answer is exact. Texts stay where they are; sets are made
//! again when they are needed.
//!
//! Rows go by blocks: all threads compare the rows of a block with the rows that stayed before it, then one thread
//! compares those left within the block, in order. A row that stays is found by number, the first one, so that neither
//! blocks nor threads show.
//!
//! Cost: two passes over all bytes and the candidates, which grow as the threshold falls and are many in pools of rows
//! made after one pattern. 258,616 rows of Lean and Python (312 MB) take 49 s on one thread at threshold 0.8 and 310 s
//! at 0.5. Memory: 0.5 to 1 byte a byte of text for the counts, some 40 bytes for each shared n-gram of a prefix, 24
//! bytes a row, 40 more while equal texts are looked for; for those rows 1.0 GB and 2.0 GB beyond the texts.
//! References: Bayardo et al. 2007, "Scaling up all pairs similarity search"; Xiao et al. 2008, "Efficient similarity
//! joins for near duplicate detection".
#![expect(clippy::cast_precision_loss, clippy::cast_sign_loss, reason = "sizes of sets are below 2^32")]

use std::sync::atomic::{AtomicU8, Ordering};

use super::grams::{Grams, NGRAM, spread};
use super::index::{Entry, Index};
use crate::error::Result;
use crate::parallel::{self, Control};
use crate::texts::Texts;

/// Rows of a block. Enough to keep many threads busy, few enough that little is left to the one thread.
const BLOCK_ROWS: usize = 2048;

/// Rows that a thread looks at between two looks at the common counter; some 300 us.
const CHUNK_ROWS: usize = 16;

/// Least log2 of the number of counts; 64 KiB.
const LEAST_COUNT_BITS: u32 = 16;

/// A little less than 1: bounds made with it hold although products and quotients are rounded.
const SLACK: f64 = 1.0 - 1e-9;

/// As [`duplicates`](super::duplicates); `copies` are the rows that repeat an earlier row to the byte.
pub(super) fn duplicates(
    source: &Texts,
    threshold: f64,
    keep: Option<&[bool]>,
    copies: Vec<Option<usize>>,
    threads: usize,
    control: &Control,
) -> Result<Vec<Option<usize>>> {
    source.check_32_bits(0, "near duplicates are found among")?;
    let is_looked_at = |row: usize, text: &[u8]| {
        // A text without n-grams is like its copies alone.
        copies[row].is_none() && text.len() >= NGRAM && keep.is_none_or(|keep| keep[row])
    };
    let rows: Vec<u32> =
        source.iter().enumerate().filter(|&(row, text)| is_looked_at(row, text)).map(|(row, _)| row as u32).collect();
    let mut join = Join::count(source, threshold, &rows, threads, control)?;
    control.add_done((source.len() - rows.len()) as u64);
    let mut found = copies;
    for block in rows.chunks(BLOCK_ROWS) {
        join.block(block, &mut found, threads, control)?;
    }
    // A copy is like what the row that it repeats is like, if that is left out itself. Rows that `keep` leaves out and
    // rows that stay are `None`.
    for row in 0..found.len() {
        if let Some(earlier) = found[row] {
            found[row] = found[earlier].or(Some(earlier));
        }
    }
    Ok(found)
}

struct Join<'a> {
    source: &'a Texts,
    threshold: f64,
    counts: Counts,
    /// Distinct n-grams of each row; 0 for rows that are not looked at.
    sizes: Vec<u32>,
    index: Index,
}

/// What a row is found and looked up by: each shared n-gram of its prefix, with its position.
type Prefix = Vec<(u64, u32)>;

/// A row of a block, compared with the rows before the block.
#[derive(Default)]
struct Looked {
    found: Option<u32>,
    prefix: Prefix,
}

/// What a thread keeps from row to row.
#[derive(Default)]
struct Scratch {
    grams: Grams,
    shared: Vec<(u8, u64)>,
    /// Row, position there and here of each n-gram that prefixes have in common.
    common: Vec<(u32, u32, u32)>,
}

impl<'a> Join<'a> {
    /// Count how often each n-gram occurs.
    fn count(source: &'a Texts, threshold: f64, rows: &[u32], threads: usize, control: &Control) -> Result<Join<'a>> {
        let counts = Counts::new(rows.iter().map(|&row| source.get(row as usize).len()).sum());
        let mut counted = vec![0; rows.len()];
        let quiet = control.without_progress();
        let make_grams = || Ok(Grams::default());
        parallel::fill_rows(&mut counted, 1, CHUNK_ROWS, threads, &quiet, make_grams, |grams, first, chunk| {
            for (at, size) in (first..).zip(chunk) {
                let distinct = grams.load(source.get(rows[at] as usize));
                *size = distinct.len() as u32;
                for &gram in distinct {
                    counts.add(gram);
                }
            }
            Ok(())
        })?;
        let mut sizes = vec![0; source.len()];
        for (&row, size) in rows.iter().zip(counted) {
            sizes[row as usize] = size;
        }
        Ok(Join { source, threshold, counts, sizes, index: Index::default() })
    }

    fn block(&mut self, block: &[u32], found: &mut [Option<usize>], threads: usize, control: &Control) -> Result<()> {
        let mut looked: Vec<Looked> = Vec::new();
        looked.resize_with(block.len(), Looked::default);
        let make_scratch = || Ok(Scratch::default());
        parallel::fill_rows(&mut looked, 1, CHUNK_ROWS, threads, control, make_scratch, |scratch, first, chunk| {
            for (&row, looked) in block[first..].iter().zip(chunk) {
                looked.prefix = self.prefix(row, scratch);
                looked.found = self.find(row, &looked.prefix, 0, scratch, control)?;
            }
            Ok(())
        })?;
        let mut scratch = Scratch::default();
        for (&row, looked) in block.iter().zip(looked) {
            let in_block = || self.find(row, &looked.prefix, block[0], &mut scratch, control);
            let earlier = looked.found.map_or_else(in_block, |earlier| Ok(Some(earlier)))?;
            found[row as usize] = earlier.map(|earlier| earlier as usize);
            if earlier.is_none() {
                for (gram, position) in looked.prefix {
                    self.index.push(gram, Entry { row, position });
                }
            }
        }
        Ok(())
    }

    /// The n-grams of a row's prefix that other rows have too.
    fn prefix(&self, row: u32, scratch: &mut Scratch) -> Prefix {
        let Scratch { grams, shared, .. } = scratch;
        let distinct = grams.load(self.source.get(row as usize));
        let length = distinct.len() - self.least_size(distinct.len()) + 1;
        shared.clear();
        shared.extend(distinct.iter().map(|&gram| (self.counts.get(gram), gram)).filter(|&(count, _)| count > 1));
        let alone = distinct.len() - shared.len();
        let wanted = length.saturating_sub(alone).min(shared.len());
        if wanted < shared.len() {
            shared.select_nth_unstable(wanted);
            shared.truncate(wanted);
        }
        shared.sort_unstable();
        (alone..).zip(shared.iter()).map(|(position, &(_, gram))| (gram, position as u32)).collect()
    }

    /// The first row from `from` on that stayed and is like `row`.
    fn find(
        &self,
        row: u32,
        prefix: &[(u64, u32)],
        from: u32,
        scratch: &mut Scratch,
        control: &Control,
    ) -> Result<Option<u32>> {
        let size = self.sizes[row as usize] as usize;
        let (least, most) = (self.least_size(size), size as f64 / (self.threshold * SLACK));
        let fits = |other: u32| {
            let other = self.sizes[other as usize] as usize;
            other >= least && other as f64 <= most
        };
        scratch.common.clear();
        for &(gram, here) in prefix {
            let entries = self.index.get(gram).iter().rev().take_while(|entry| entry.row >= from);
            let fitting = entries.filter(|entry| fits(entry.row));
            scratch.common.extend(fitting.map(|entry| (entry.row, entry.position, here)));
        }
        // By row, then by position; both are rising orders of the same n-grams.
        scratch.common.sort_unstable();
        let mut is_loaded = false;
        for common in scratch.common.chunk_by(|a, b| a.0 == b.0) {
            let Some(&(other, there, here)) = common.last() else { continue };
            let other_size = self.sizes[other as usize] as usize;
            let wanted = self.least_common(size, other_size);
            let rest = (size - here as usize).min(other_size - there as usize) - 1;
            if common.len() + rest < wanted {
                continue;
            }
            control.check()?;
            if !is_loaded {
                scratch.grams.load(self.source.get(row as usize));
                is_loaded = true;
            }
            if scratch.grams.has_in_common(self.source.get(other as usize), wanted) {
                return Ok(Some(other));
            }
        }
        Ok(None)
    }

    /// At most the least size of a set that can be like one of this size, and at least 1.
    fn least_size(&self, size: usize) -> usize {
        ((size as f64 * self.threshold * SLACK).ceil() as usize).max(1)
    }

    /// The least number of common n-grams with which sets of these sizes are alike.
    fn least_common(&self, size: usize, other: usize) -> usize {
        let both = size + other;
        let mut common = (both as f64 * self.threshold / (1.0 + self.threshold) * SLACK).ceil() as usize;
        // The quotient as everybody writes it decides, with its rounding; it rises with `common`.
        while common < both && (common as f64 / (both - common) as f64) < self.threshold {
            common += 1;
        }
        common
    }
}

/// How many rows have an n-gram, up to 255; too many where n-grams fall together.
struct Counts {
    counts: Vec<AtomicU8>,
    bits: u32,
}

impl Counts {
    /// Half a count to one for each of so many bytes: fewer let n-grams fall together, which hides those of one row.
    fn new(bytes: usize) -> Counts {
        let bits = (bytes.next_power_of_two().trailing_zeros()).saturating_sub(1).max(LEAST_COUNT_BITS);
        let mut counts = Vec::new();
        counts.resize_with(1 << bits, AtomicU8::default);
        Counts { counts, bits }
    }

    fn of(&self, gram: u64) -> &AtomicU8 {
        &self.counts[(spread(gram) >> (64 - self.bits)) as usize]
    }

    fn add(&self, gram: u64) {
        // Threads come in any order, but the sum is the same.
        let _ = self.of(gram).fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| count.checked_add(1));
    }

    fn get(&self, gram: u64) -> u8 {
        self.of(gram).load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join(threshold: f64) -> Join<'static> {
        static NONE: std::sync::LazyLock<Texts> = std::sync::LazyLock::new(|| Texts::from_iter::<[&str; 0]>([]));
        Join { source: &NONE, threshold, counts: Counts::new(0), sizes: Vec::new(), index: Index::default() }
    }

    #[test]
    fn the_bounds_are_those_of_trying_every_number() {
        for threshold in [1e-9, 0.1, 0.3, 1.0 / 3.0, 0.5, 0.7, 0.8, 0.9, 0.999, 1.0 - f64::EPSILON] {
            let join = join(threshold);
            for size in 1..60 {
                for other in 1..60 {
                    let is_alike = |common: usize| common as f64 / (size + other - common) as f64 >= threshold;
                    let least = (0..=size.min(other)).find(|&common| is_alike(common));
                    assert_eq!(Some(join.least_common(size, other)).filter(|&common| common <= size.min(other)), least);
                    if least.is_some() {
                        assert!(other >= join.least_size(size));
                        assert!(other as f64 <= size as f64 / (threshold * SLACK));
                    }
                }
            }
        }
    }

    #[test]
    fn counts_saturate_and_never_fall_short() {
        let counts = Counts::new(100);
        for _ in 0..300 {
            counts.add(7);
        }
        counts.add(8);
        assert_eq!(counts.get(7), 255);
        assert!(counts.get(8) >= 1);
    }
}
