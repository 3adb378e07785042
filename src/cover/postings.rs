//! The n-grams of a row, packed for bounds: little more than a byte each, so that those of all rows fit into memory.
//!
//! Two runs of numbers, rising, as steps from one to the next: first the n-grams that occur once, then those that occur
//! more often, each followed by its occurrences. A step too large for its unit is taken as several, the last of which
//! alone arrives. Nothing in reading depends on chance but the loads: the processor guesses the branches right, which
//! is half of the speed (steps of one or two bytes in LEB128 took twice as long, and as much room).

/// Unit of the steps: a byte where n-grams are few, two where the numbers of a row lie far apart.
pub(super) trait Unit: Copy + Default + Into<usize> + Send + Sync {
    /// Stands for a step of this width that does not arrive at an n-gram of the row.
    const LEAP: Self;

    /// A step below [`Unit::LEAP`], or the nearest below.
    fn clamped(number: usize) -> Self;
}

impl Unit for u8 {
    const LEAP: u8 = u8::MAX;

    fn clamped(number: usize) -> u8 {
        number.min(usize::from(u8::MAX - 1)) as u8
    }
}

impl Unit for u16 {
    const LEAP: u16 = u16::MAX;

    fn clamped(number: usize) -> u16 {
        number.min(usize::from(u16::MAX - 1)) as u16
    }
}

/// The n-grams of one row, packed.
#[derive(Debug)]
pub(super) struct Postings<U> {
    steps: Box<[U]>,
    /// Where the second run begins.
    often: u32,
    /// Bytes of the row's text; here so that nothing else has to be fetched from memory.
    pub(super) bytes: usize,
}

/// Packs one row after another.
#[derive(Default)]
pub(super) struct Packer {
    /// Numbers in the upper half, occurrences in the lower.
    once: Vec<u64>,
    often: Vec<u64>,
    sorted: Vec<u64>,
}

impl Packer {
    /// Add an n-gram of the row, in any order.
    pub(super) fn push(&mut self, id: usize, count: u32) {
        let list = if count == 1 { &mut self.once } else { &mut self.often };
        list.push((id as u64) << 32 | u64::from(count));
    }

    /// The row, packed; `ids` are the n-grams of the set, `bytes` the length of the row's text.
    pub(super) fn finish<U: Unit>(&mut self, ids: usize, bytes: usize) -> Postings<U> {
        sort_by_number(&mut self.once, &mut self.sorted, ids);
        sort_by_number(&mut self.often, &mut self.sorted, ids);
        let leap: usize = U::LEAP.into();
        let mut steps = Vec::with_capacity(self.once.len() + 2 * self.often.len() + ids / leap);
        let mut last = 0;
        for entry in self.once.drain(..) {
            let id = (entry >> 32) as usize;
            let mut step = id - std::mem::replace(&mut last, id);
            while step >= leap {
                steps.push(U::LEAP);
                step -= leap;
            }
            steps.push(U::clamped(step));
        }
        let often = steps.len() as u32;
        last = 0;
        for entry in self.often.drain(..) {
            let id = (entry >> 32) as usize;
            let mut step = id - std::mem::replace(&mut last, id);
            while step >= leap {
                steps.extend([U::LEAP, U::default()]);
                step -= leap;
            }
            let count = (entry & 0xffff_ffff) as usize;
            steps.extend([U::clamped(step), if count < leap { U::clamped(count) } else { U::LEAP }]);
        }
        Postings { steps: steps.into(), often, bytes }
    }
}

/// Sort by the upper half, which is below `ids`, digit by digit from the lowest (radix sort): half the time of a sort
/// by comparisons for the thousand numbers of a row.
fn sort_by_number(entries: &mut Vec<u64>, scratch: &mut Vec<u64>, ids: usize) {
    scratch.clear();
    scratch.resize(entries.len(), 0);
    let mut shift = 32;
    while ids >> (shift - 32) != 0 {
        let digit = |entry: u64| (entry >> shift & 0xff) as usize;
        let mut starts = [0u32; 257];
        for &entry in entries.iter() {
            starts[digit(entry) + 1] += 1;
        }
        for digit in 1..256 {
            starts[digit] += starts[digit - 1];
        }
        for &entry in entries.iter() {
            let start = &mut starts[digit(entry)];
            scratch[*start as usize] = entry;
            *start += 1;
        }
        std::mem::swap(entries, scratch);
        shift += 8;
    }
}

impl<U: Unit> Postings<U> {
    /// Of a row without n-grams.
    pub(super) fn none() -> Postings<U> {
        Postings { steps: Box::default(), often: 0, bytes: 0 }
    }

    /// Units that it takes; no n-gram takes less than one.
    pub(super) fn units(&self) -> usize {
        self.steps.len()
    }

    /// The terms of all n-grams, summed: `once` is the term of each that occurs once, `often` gives the others', with
    /// `None` for occurrences too many to be counted and 0 where a step does not arrive.
    #[inline]
    pub(super) fn sum(&self, once: &[f32], often: impl Fn(usize, Option<usize>) -> f32) -> f64 {
        let (single, several) = self.steps.split_at(self.often as usize);
        let leap: usize = U::LEAP.into();
        // Four sums, so that additions do not wait for each other.
        let mut sums = [0.0; 4];
        let mut id = 0;
        let mut term = |step: U| {
            let step: usize = step.into();
            id += step;
            // All bits where the step arrives, none where it does not: 0.0.
            f64::from(f32::from_bits(once[id].to_bits() & u32::from(step != leap).wrapping_neg()))
        };
        let fours = single.chunks_exact(4);
        let rest = fours.remainder();
        for four in fours {
            for (sum, &step) in sums.iter_mut().zip(four) {
                *sum += term(step);
            }
        }
        for &step in rest {
            sums[0] += term(step);
        }
        id = 0;
        let mut term = |pair: &[U]| {
            let count: usize = pair[1].into();
            id += Into::<usize>::into(pair[0]);
            f64::from(often(id, Some(count).filter(|&count| count != leap)))
        };
        let fours = several.chunks_exact(8);
        let rest = fours.remainder();
        for four in fours {
            for (sum, pair) in sums.iter_mut().zip(four.chunks_exact(2)) {
                *sum += term(pair);
            }
        }
        for pair in rest.chunks_exact(2) {
            sums[0] += term(pair);
        }
        (sums[0] + sums[1]) + (sums[2] + sums[3])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn check<U: Unit>(ids: usize, rows: &[BTreeMap<usize, u32>]) {
        let mut packer = Packer::default();
        for row in rows {
            // Falling, which is not the order of the result.
            row.iter().rev().for_each(|(&id, &count)| packer.push(id, count));
            let postings = packer.finish::<U>(ids, 7);
            // Sums of whole numbers are exact: one n-gram after another is asked for alone, then all together.
            let leap: usize = U::LEAP.into();
            let count_of = |count: Option<usize>| count.unwrap_or(1000) as f32;
            let expected = |count: u32| if (count as usize) < leap { count as f32 } else { 1000.0 };
            for (&id, &count) in row.iter().take(5) {
                let mut once = vec![0.0; ids];
                once[id] = 1.0;
                let sum = postings.sum(&once, |at, count| if at == id { count_of(count) } else { 0.0 });
                assert_eq!(sum, f64::from(expected(count)));
            }
            let sum = postings.sum(&vec![1.0; ids], |_, count| count_of(count));
            assert_eq!(sum, row.values().map(|&count| f64::from(expected(count))).sum::<f64>());
        }
    }

    proptest! {
        #[test]
        fn rows_come_out_as_they_went_in(
            rows in prop::collection::vec(prop::collection::btree_map(0usize..400_000, 1u32..300, 0..50), 1..4),
            near in prop::collection::btree_map(0usize..600, 1u32..3, 0..50),
        ) {
            check::<u8>(400_000, &rows);
            check::<u16>(400_000, &rows);
            check::<u8>(600, &[near]);
        }
    }
}
