//! The n-grams of the target that one row holds, in the order in which their terms are summed.

use crate::ngrams::{MAX_N, MIN_N, Ngrams};

/// Finds the n-grams of one row after another.
pub(super) struct FeatureCounter<'a> {
    ngrams: &'a Ngrams,
    /// Of each n-gram the row that it was last seen in, in the upper half, and its occurrences there.
    seen: Vec<u64>,
    /// Stands for the row at hand in `seen`.
    stamp: u32,
    /// The distinct n-grams of the row by n, in the order of their first occurrence.
    distinct: [Vec<u32>; MAX_N - MIN_N + 1],
}

impl<'a> FeatureCounter<'a> {
    pub(super) fn new(ngrams: &'a Ngrams) -> FeatureCounter<'a> {
        FeatureCounter { ngrams, seen: vec![0; ngrams.weights().len()], stamp: 0, distinct: Default::default() }
    }

    /// The n-grams of a row and their occurrences: by n, then by first occurrence.
    pub(super) fn features(&mut self, text: &[u8]) -> impl Iterator<Item = (usize, u64)> {
        self.stamp = self.stamp.wrapping_add(1);
        if self.stamp == 0 {
            // After 2^32 rows the stamps begin anew; those of the first round must not be taken for new ones.
            self.seen.fill(0);
            self.stamp = 1;
        }
        self.distinct.iter_mut().for_each(Vec::clear);
        let stamp = u64::from(self.stamp) << 32;
        let (seen, distinct) = (&mut self.seen, &mut self.distinct);
        self.ngrams.walk(text, |n, id| {
            let entry = &mut seen[id];
            if *entry >= stamp {
                *entry += 1;
            } else {
                *entry = stamp + 1;
                distinct[n - MIN_N].push(id as u32);
            }
        });
        let seen = &self.seen;
        self.distinct.iter().flatten().map(|&id| (id as usize, seen[id as usize] & 0xffff_ffff))
    }
}
