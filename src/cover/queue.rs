//! Candidates by what they were last seen to be worth.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// What a candidate was seen to be worth; the best is the next to be looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    /// What it adds per byte, or a bound of it.
    pub(super) score: f64,
    /// Its place among the candidates.
    pub(super) index: Reverse<u32>,
    /// How many rows were chosen then.
    pub(super) step: u32,
}

impl Ord for Look {
    fn cmp(&self, other: &Look) -> Ordering {
        self.score.total_cmp(&other.score).then(self.index.cmp(&other.index))
    }
}

impl PartialOrd for Look {
    fn partial_cmp(&self, other: &Look) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Look {
    fn eq(&self, other: &Look) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Look {}

/// Looks that come into the heap together: a quarter of a megabyte, which fits the second-level cache. Few in tests of
/// this crate, so that small ones reach beyond them.
const NEAR: usize = if cfg!(test) { 4 } else { 1 << 14 };

/// The part of the others that comes into the heap at least. All of them are gone through each time, so that taking all
/// out one after the other, as at the end of a search, looks at each no more than some hundred times.
const NEAR_PART: usize = 16;

/// Gives out the best look first.
///
/// Only the best are in a heap; the others wait in no order until the heap is empty, so that what is pushed back far
/// down, as most looks are, costs next to nothing. One heap of all took a tenth of the time of a search among 250,000.
pub(super) struct Queue {
    near: BinaryHeap<Look>,
    /// All below `floor`; none of `near` is.
    far: Vec<Look>,
    floor: f64,
}

impl Queue {
    pub(super) fn new(looks: Vec<Look>) -> Queue {
        let mut queue = Queue { near: BinaryHeap::new(), far: looks, floor: f64::INFINITY };
        queue.refill();
        queue
    }

    /// The best look, which stays.
    pub(super) fn peek(&self) -> Option<Look> {
        self.near.peek().copied()
    }

    /// The best look, which leaves.
    pub(super) fn pop(&mut self) -> Option<Look> {
        let look = self.near.pop();
        if self.near.is_empty() {
            self.refill();
        }
        look
    }

    /// Add a look.
    pub(super) fn push(&mut self, look: Look) {
        if look.score >= self.floor {
            self.near.push(look);
        } else {
            self.far.push(look);
            if self.near.is_empty() {
                self.refill();
            }
        }
    }

    /// Move the best of those far away into the empty heap.
    fn refill(&mut self) {
        self.floor = f64::NEG_INFINITY;
        let near = NEAR.max(self.far.len() / NEAR_PART);
        if self.far.len() > near {
            let (_, last, _) = self.far.select_nth_unstable_by(near, |a, b| b.cmp(a));
            self.floor = last.score;
        }
        self.near = self.far.extract_if(.., |look| look.score >= self.floor).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn look(score: f64, index: u32) -> Look {
        Look { score, index: Reverse(index), step: 0 }
    }

    #[test]
    fn looks_come_best_first_also_when_many_are_equal() {
        let scores = (0..1000).map(|index: u32| f64::from(index * 7919 % 100));
        let mut looks: Vec<Look> = scores.zip(0..).map(|(score, index)| look(score, index)).collect();
        let mut queue = Queue::new(looks.clone());
        looks.sort_unstable_by(|a, b| b.cmp(a));
        assert!(looks.iter().all(|expected| queue.pop().as_ref() == Some(expected)));
        assert!(queue.pop().is_none());
    }

    proptest! {
        #[test]
        fn looks_that_come_back_are_in_their_place(
            first in prop::collection::vec(0u32..50, 0..30),
            // A look to add, or none: the best is taken out.
            turns in prop::collection::vec(prop::option::of(0u32..50), 0..80),
        ) {
            let mut indexes = 0..;
            let mut numbered = |score: u32| look(f64::from(score), indexes.next().unwrap());
            let mut expected: Vec<Look> = first.into_iter().map(&mut numbered).collect();
            let mut queue = Queue::new(expected.clone());
            for turn in turns {
                expected.sort_unstable();
                prop_assert_eq!(queue.peek(), expected.last().copied());
                if let Some(look) = turn.map(&mut numbered) {
                    expected.push(look);
                    queue.push(look);
                } else {
                    prop_assert_eq!(queue.pop(), expected.pop());
                }
            }
        }
    }
}
