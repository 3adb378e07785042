//! Which rows have an n-gram: lists that grow, one after another in one piece of memory.
//!
//! A list of its own a n-gram would cost an allocation for each of millions; here an n-gram costs 29 to 57 bytes and an
//! entry 8 to 16.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::grams::spread;

/// A row that has an n-gram.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) row: u32,
    /// How many of the row's n-grams are rarer.
    pub(super) position: u32,
}

/// Entries by n-gram, in the order of their coming.
#[derive(Default)]
pub(super) struct Index {
    lists: HashMap<u64, List, BuildHasherDefault<Spread>>,
    entries: Vec<Entry>,
    /// Starts of pieces of `entries` that lists have outgrown, by log2 of their length.
    free: [Vec<usize>; 32],
}

/// Part of `Index::entries`; there is room for the next power of two of `len`.
#[derive(Clone, Copy, Default)]
struct List {
    start: usize,
    len: u32,
}

impl Index {
    /// The entries of an n-gram, in the order of their coming.
    pub(super) fn get(&self, gram: u64) -> &[Entry] {
        self.lists.get(&gram).map_or(&[], |list| &self.entries[list.start..list.start + list.len as usize])
    }

    /// Append to the list of an n-gram.
    pub(super) fn push(&mut self, gram: u64, entry: Entry) {
        let list = self.lists.entry(gram).or_default();
        let len = list.len as usize;
        if len == 0 || len.is_power_of_two() {
            let room = (2 * len).max(1);
            let start = self.free[room.trailing_zeros() as usize].pop().unwrap_or_else(|| {
                self.entries.resize(self.entries.len() + room, Entry::default());
                self.entries.len() - room
            });
            self.entries.copy_within(list.start..list.start + len, start);
            if len > 0 {
                self.free[len.trailing_zeros() as usize].push(list.start);
            }
            list.start = start;
        }
        self.entries[list.start + len] = entry;
        list.len += 1;
    }
}

/// Hasher of n-grams.
#[derive(Default)]
pub(super) struct Spread(u64);

impl Hasher for Spread {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u64(&mut self, gram: u64) {
        // The table takes its place from the low bits, which a product leaves poor.
        let bits = spread(self.0 ^ gram);
        self.0 = bits ^ (bits >> 32);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_grow_in_order_and_reuse_what_others_left() {
        let mut index = Index::default();
        let entry = |row| Entry { row, position: row + 7 };
        for row in 0..100 {
            for gram in 0..10 {
                if row % (gram + 1) == 0 {
                    index.push(u64::from(gram), entry(row));
                }
            }
        }
        for gram in 0..10 {
            let expected: Vec<Entry> = (0..100).filter(|row| row % (gram + 1) == 0).map(entry).collect();
            assert_eq!(index.get(u64::from(gram)), expected);
        }
        assert_eq!(index.get(10), []);
        // 298 entries in lists that may be half empty.
        assert!(index.entries.len() <= 2 * 298, "{}", index.entries.len());
    }
}
