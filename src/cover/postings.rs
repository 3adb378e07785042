//! The n-grams of a row, packed for bounds: little more than a byte each, so that those of all rows fit into memory.
//!
//! Two runs of numbers, falling, as steps from one to the next: first the n-grams that occur once, then those that occur
//! more often, each followed by its occurrences. A step too large for its unit is taken as several, the last of which
//! alone arrives. Nothing in reading depends on chance but the loads: the processor guesses the branches right, which is
//! two thirds of the speed (steps of one or two bytes in LEB128 took 2.5 times as long, and a third more room).

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
pub(super) struct Packer<U> {
    once: Vec<U>,
    often: Vec<U>,
    /// The number before the next one in each run.
    last: [usize; 2],
}

impl<U: Unit> Packer<U> {
    pub(super) fn new() -> Packer<U> {
        Packer { once: Vec::new(), often: Vec::new(), last: [0; 2] }
    }

    /// Begin a row of a set of `ids` n-grams.
    pub(super) fn begin(&mut self, ids: usize) {
        self.once.clear();
        self.often.clear();
        self.last = [ids; 2];
    }

    /// Add an n-gram; numbers fall.
    pub(super) fn push(&mut self, id: usize, count: u32) {
        if count == 1 {
            let mut step = self.last[0] - id;
            while step >= U::LEAP.into() {
                self.once.push(U::LEAP);
                step -= U::LEAP.into();
            }
            self.once.push(U::clamped(step));
            self.last[0] = id;
        } else {
            let mut step = self.last[1] - id;
            while step >= U::LEAP.into() {
                self.often.extend([U::LEAP, U::default()]);
                step -= U::LEAP.into();
            }
            let count = count as usize;
            let count = if count < U::LEAP.into() { U::clamped(count) } else { U::LEAP };
            self.often.extend([U::clamped(step), count]);
            self.last[1] = id;
        }
    }

    /// The row, packed; `bytes` is the length of its text.
    pub(super) fn finish(&self, bytes: usize) -> Postings<U> {
        let steps = [self.once.as_slice(), self.often.as_slice()].concat().into();
        Postings { steps, often: self.once.len() as u32, bytes }
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

    /// Call `once(number, is)` for each n-gram that occurs once, then `often(number, occurrences)` for each other, `None`
    /// for too many to be counted. Where a step does not arrive, `is` is false and `occurrences` 0.
    #[inline]
    pub(super) fn each(
        &self,
        ids: usize,
        mut once: impl FnMut(usize, bool),
        mut often: impl FnMut(usize, Option<usize>),
    ) {
        let (single, several) = self.steps.split_at(self.often as usize);
        let leap: usize = U::LEAP.into();
        let mut id = ids;
        for &step in single {
            let step: usize = step.into();
            id -= step;
            once(id, step != leap);
        }
        id = ids;
        for pair in several.chunks_exact(2) {
            let count: usize = pair[1].into();
            id -= pair[0].into();
            often(id, Some(count).filter(|&count| count != leap));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn check<U: Unit>(ids: usize, rows: &[BTreeMap<usize, u32>]) {
        let mut packer = Packer::<U>::new();
        for row in rows {
            packer.begin(ids);
            row.iter().rev().for_each(|(&id, &count)| packer.push(id, count));
            let mut found = BTreeMap::new();
            let mut more = BTreeMap::new();
            packer.finish(7).each(
                ids,
                |id, is| assert!(!is || found.insert(id, 1).is_none()),
                |id, count| assert!(count == Some(0) || more.insert(id, count.unwrap_or(usize::MAX)).is_none()),
            );
            found.append(&mut more);
            let leap: usize = U::LEAP.into();
            let expected = row.iter().map(|(&id, &count)| (id, count as usize));
            let expected = expected.map(|(id, count)| (id, if count < leap { count } else { usize::MAX }));
            assert_eq!(found, expected.collect());
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
