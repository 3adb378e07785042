//! The n-grams of a row, packed for bounds: little more than a byte each, so that looking at a row reads little.
//!
//! Two runs of numbers, rising, as steps from one to the next: first the n-grams that occur once, then those that occur
//! more often, each followed by its occurrences. A step too large for its unit is taken as several, the last of which
//! alone arrives. Nothing in reading depends on chance but the loads: the processor guesses the branches right, which
//! is half of the speed (steps of one or two bytes in LEB128 took twice as long, and as much room).

/// Unit of the steps: a byte where n-grams are few, two where the numbers of a row lie far apart.
trait Unit {
    const BYTES: usize;

    /// Stands for a step of this width that does not arrive at an n-gram of the row.
    const LEAP: usize;

    /// From as many bytes.
    fn read(bytes: &[u8]) -> usize;

    fn write(number: usize, units: &mut Vec<u8>);
}

struct Narrow;

impl Unit for Narrow {
    const BYTES: usize = 1;
    const LEAP: usize = u8::MAX as usize;

    #[inline]
    fn read(bytes: &[u8]) -> usize {
        usize::from(bytes[0])
    }

    fn write(number: usize, units: &mut Vec<u8>) {
        units.push(number as u8);
    }
}

struct Wide;

impl Unit for Wide {
    const BYTES: usize = 2;
    const LEAP: usize = u16::MAX as usize;

    #[inline]
    fn read(bytes: &[u8]) -> usize {
        usize::from(u16::from_le_bytes([bytes[0], bytes[1]]))
    }

    fn write(number: usize, units: &mut Vec<u8>) {
        units.extend_from_slice(&(number as u16).to_le_bytes());
    }
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

    /// Pack the row behind what is in `units`; `ids` are the n-grams of the set.
    ///
    /// Returns the bytes of the first run, and whether units are wide: where that takes less room.
    pub(super) fn finish(&mut self, ids: usize, units: &mut Vec<u8>) -> (u32, bool) {
        sort_by_number(&mut self.once, &mut self.sorted, ids);
        sort_by_number(&mut self.often, &mut self.sorted, ids);
        let least = self.once.len() + 2 * self.often.len();
        let leaps = narrow_leaps(&self.once) + 2 * narrow_leaps(&self.often);
        let wide = leaps > least;
        let once_bytes = if wide { self.pack::<Wide>(units) } else { self.pack::<Narrow>(units) };
        (once_bytes as u32, wide)
    }

    fn pack<U: Unit>(&mut self, units: &mut Vec<u8>) -> usize {
        let before = units.len();
        let mut last = 0;
        for entry in self.once.drain(..) {
            let id = (entry >> 32) as usize;
            let mut step = id - std::mem::replace(&mut last, id);
            while step >= U::LEAP {
                U::write(U::LEAP, units);
                step -= U::LEAP;
            }
            U::write(step, units);
        }
        let once_bytes = units.len() - before;
        last = 0;
        for entry in self.often.drain(..) {
            let id = (entry >> 32) as usize;
            let mut step = id - std::mem::replace(&mut last, id);
            while step >= U::LEAP {
                U::write(U::LEAP, units);
                U::write(0, units);
                step -= U::LEAP;
            }
            U::write(step, units);
            U::write(((entry & 0xffff_ffff) as usize).min(U::LEAP), units);
        }
        once_bytes
    }
}

/// Steps of narrow units that would not arrive.
fn narrow_leaps(entries: &[u64]) -> usize {
    let mut last = 0;
    let leaps = |&entry: &u64| {
        let id = (entry >> 32) as usize;
        (id - std::mem::replace(&mut last, id)) / Narrow::LEAP
    };
    entries.iter().map(leaps).sum()
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

/// The n-grams of one row, packed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Postings<'a> {
    once: &'a [u8],
    often: &'a [u8],
    wide: bool,
    /// Of the row's text.
    pub(super) bytes: usize,
}

impl<'a> Postings<'a> {
    /// What [`Packer::finish`] has packed and returned, of a row whose text has so many bytes.
    pub(super) fn new(units: &'a [u8], once_bytes: usize, wide: bool, bytes: usize) -> Postings<'a> {
        let (once, often) = units.split_at(once_bytes);
        Postings { once, often, wide, bytes }
    }

    /// Units that it takes; no n-gram takes less than one.
    pub(super) fn units(&self) -> usize {
        (self.once.len() + self.often.len()) >> usize::from(self.wide)
    }

    /// The terms of all n-grams, summed: `once` is the term of each that occurs once, `often` gives the others', with
    /// `None` for occurrences too many to be counted and 0 where a step does not arrive.
    pub(super) fn sum(&self, once: &[f32], often: impl Fn(usize, Option<usize>) -> f32) -> f64 {
        if self.wide { self.sum_of::<Wide>(once, often) } else { self.sum_of::<Narrow>(once, often) }
    }

    #[inline]
    fn sum_of<U: Unit>(&self, once: &[f32], often: impl Fn(usize, Option<usize>) -> f32) -> f64 {
        // Four sums, so that additions do not wait for each other.
        let mut sums = [0.0; 4];
        let mut id = 0;
        let mut term = |step: &[u8]| {
            let step = U::read(step);
            id += step;
            // All bits where the step arrives, none where it does not: 0.0.
            f64::from(f32::from_bits(once[id].to_bits() & u32::from(step != U::LEAP).wrapping_neg()))
        };
        let fours = self.once.chunks_exact(4 * U::BYTES);
        let rest = fours.remainder();
        for four in fours {
            for (sum, step) in sums.iter_mut().zip(four.chunks_exact(U::BYTES)) {
                *sum += term(step);
            }
        }
        for step in rest.chunks_exact(U::BYTES) {
            sums[0] += term(step);
        }
        id = 0;
        let mut term = |pair: &[u8]| {
            let (step, count) = pair.split_at(U::BYTES);
            let count = U::read(count);
            id += U::read(step);
            f64::from(often(id, Some(count).filter(|&count| count != U::LEAP)))
        };
        let fours = self.often.chunks_exact(8 * U::BYTES);
        let rest = fours.remainder();
        for four in fours {
            for (sum, pair) in sums.iter_mut().zip(four.chunks_exact(2 * U::BYTES)) {
                *sum += term(pair);
            }
        }
        for pair in rest.chunks_exact(2 * U::BYTES) {
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

    fn sorted(packer: &mut Packer, ids: usize) -> &mut Packer {
        sort_by_number(&mut packer.once, &mut packer.sorted, ids);
        sort_by_number(&mut packer.often, &mut packer.sorted, ids);
        packer
    }

    fn check(ids: usize, rows: &[BTreeMap<usize, u32>], pack: impl Fn(&mut Packer, &mut Vec<u8>) -> (u32, bool)) {
        let mut packer = Packer::default();
        let mut units = Vec::new();
        for row in rows {
            // Falling, which is not the order of the result.
            row.iter().rev().for_each(|(&id, &count)| packer.push(id, count));
            units.clear();
            let (once_bytes, wide) = pack(&mut packer, &mut units);
            let postings = Postings::new(&units, once_bytes as usize, wide, 7);
            assert!(postings.units() >= row.len());
            // Sums of whole numbers are exact: one n-gram after another is asked for alone, then all together.
            let leap = if wide { Wide::LEAP } else { Narrow::LEAP };
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
            for (ids, rows) in [(400_000, &rows), (600, &vec![near])] {
                check(ids, rows, |packer, units| packer.finish(ids, units));
                check(ids, rows, |packer, units| (sorted(packer, ids).pack::<Narrow>(units) as u32, false));
                check(ids, rows, |packer, units| (sorted(packer, ids).pack::<Wide>(units) as u32, true));
            }
        }
    }
}
