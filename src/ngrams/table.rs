//! Numbers by keys, for a set of keys that never changes: every search looks at exactly one slot.
//!
//! A perfect hash by displacement (Belazzougui, Botelho, Dietzfelbinger 2009, "Hash, displace, and compress"): the
//! upper bits of a key's hash choose a bucket of some four keys, and each bucket has a seed, found by trial, with which
//! all its keys fall into slots of their own. No branch of a search depends on how keys lie, so that the processor
//! never guesses wrong and has many searches under way at once; with linear probing half of the time went into that.

/// Bits of a number.
pub(super) const ID_BITS: u32 = 28;

/// Takes the number out of a slot.
const ID_MASK: u64 = (1 << ID_BITS) - 1;

/// What is in a slot without a key; no number is 2^28 - 1, so that no entry looks like this.
const EMPTY: u64 = u64::MAX;

/// 2^64 divided by the golden ratio, odd: spreads keys over the upper bits (Knuth, volume 3, 6.4).
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// Another odd constant without a pattern: spreads seeds.
const STIR: u64 = 0xd6e8_feb8_6659_fd93;

/// Numbers of 28 bits by keys of 36 bits.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    /// One a bucket; a power of two of them.
    seeds: Vec<u16>,
    /// `key << 28 | number`, or [`EMPTY`]; a power of two of them, between 40% and 80% full.
    slots: Vec<u64>,
    /// 64 - log2 of the number of buckets and of slots.
    seed_shift: u32,
    slot_shift: u32,
}

impl Table {
    /// The table of `entries`, key and number each; keys are distinct.
    pub(crate) fn new(entries: &[(u64, usize)]) -> Table {
        let buckets = (entries.len() / 4).max(2).next_power_of_two();
        let mut slots = (entries.len() * 5 / 4).max(2).next_power_of_two();
        loop {
            let mut table = Table {
                seeds: vec![0; buckets],
                slots: vec![EMPTY; slots],
                seed_shift: u64::BITS - buckets.ilog2(),
                slot_shift: u64::BITS - slots.ilog2(),
            };
            if table.fill(entries) {
                return table;
            }
            // Not seen to happen: with 65,536 seeds to try, a bucket nearly always finds room.
            slots *= 2;
        }
    }

    /// The number of a key that is in the table; whether it is.
    #[inline]
    pub(crate) fn find(&self, key: u64) -> (usize, bool) {
        let hash = key.wrapping_mul(SPREAD);
        let seed = self.seeds[(hash >> self.seed_shift) as usize];
        let entry = self.slots[self.slot(hash, seed)];
        ((entry & ID_MASK) as usize, entry >> ID_BITS == key)
    }

    #[inline]
    fn slot(&self, hash: u64, seed: u16) -> usize {
        ((hash ^ u64::from(seed).wrapping_mul(STIR)).wrapping_mul(SPREAD) >> self.slot_shift) as usize
    }

    /// Find a seed for every bucket, those with most keys first, while there is room.
    fn fill(&mut self, entries: &[(u64, usize)]) -> bool {
        let bucket = |key: u64| (key.wrapping_mul(SPREAD) >> self.seed_shift) as usize;
        let mut sizes = vec![0u32; self.seeds.len()];
        for &(key, _) in entries {
            sizes[bucket(key)] += 1;
        }
        let mut order: Vec<usize> = (0..entries.len()).collect();
        order.sort_unstable_by_key(|&at| {
            let bucket = bucket(entries[at].0);
            (std::cmp::Reverse(sizes[bucket]), bucket)
        });
        let same = |&a: &usize, &b: &usize| bucket(entries[a].0) == bucket(entries[b].0);
        let groups: Vec<&[usize]> = order.chunk_by(same).collect();
        groups.into_iter().all(|group| self.place(group, entries))
    }

    fn place(&mut self, group: &[usize], entries: &[(u64, usize)]) -> bool {
        for seed in 0..=u16::MAX {
            let mut placed = 0;
            for &at in group {
                let (key, id) = entries[at];
                let slot = self.slot(key.wrapping_mul(SPREAD), seed);
                if self.slots[slot] != EMPTY {
                    break;
                }
                self.slots[slot] = key << ID_BITS | id as u64;
                placed += 1;
            }
            if placed == group.len() {
                self.seeds[(entries[group[0]].0.wrapping_mul(SPREAD) >> self.seed_shift) as usize] = seed;
                return true;
            }
            for &at in &group[..placed] {
                let slot = self.slot(entries[at].0.wrapping_mul(SPREAD), seed);
                self.slots[slot] = EMPTY;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_key_has_its_number_and_no_other_key_has_one(
            keys in prop::collection::btree_set(0u64..1 << 36, 0..300),
            others in prop::collection::vec(0u64..1 << 36, 0..100),
        ) {
            let entries: Vec<(u64, usize)> = keys.iter().copied().zip(7..).collect();
            let table = Table::new(&entries);
            for &(key, id) in &entries {
                prop_assert_eq!(table.find(key), (id, true));
            }
            for key in others {
                prop_assert_eq!(table.find(key).1, keys.contains(&key));
            }
        }
    }

    #[test]
    fn keys_in_a_row_find_room_too() {
        let entries: Vec<(u64, usize)> = (0..200_000).map(|id| (id as u64, id)).collect();
        let table = Table::new(&entries);
        assert!(entries.iter().all(|&(key, id)| table.find(key) == (id, true)));
        assert!(!table.find(200_000).1);
    }
}
