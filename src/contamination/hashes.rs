//! Sets and tables of hashes of windows.

use std::hash::Hasher;

/// Bits of the filter for each piece. With two bits set a piece, some 2 of 100 windows that are no piece pass it and
/// cost a lookup; half as many bits would let 5 pass, twice as many would leave the cache earlier.
const FILTER_BITS: usize = 16;

/// Base of the rolling hash and step of the mixers: 2^64 over the golden ratio, odd.
pub(super) const BASE: u64 = 0x9e37_79b9_7f4a_7c15;

/// Spreads the bits of a unit's hash, so that sums of their products do.
pub(super) fn mix(bits: u64) -> u64 {
    let bits = (bits ^ (bits >> 32)).wrapping_mul(BASE);
    bits ^ (bits >> 29)
}

/// Set of hashes that may hold more than were inserted, never less: two bits a hash, in one word of 64.
#[derive(Debug)]
pub(super) struct Filter {
    words: Vec<u64>,
    shift: u32,
}

impl Filter {
    pub(super) fn new(hashes: usize) -> Filter {
        let words = (hashes * FILTER_BITS / 64).next_power_of_two().max(2);
        Filter { words: vec![0; words], shift: 64 - words.trailing_zeros() }
    }

    fn place(&self, hash: u64) -> (usize, u64) {
        let mixed = hash.wrapping_mul(BASE);
        let bits = 1 << ((mixed >> 20) & 63) | 1 << ((mixed >> 26) & 63);
        ((mixed >> self.shift) as usize, bits)
    }

    pub(super) fn insert(&mut self, hash: u64) {
        let (word, bits) = self.place(hash);
        self.words[word] |= bits;
    }

    pub(super) fn may_hold(&self, hash: u64) -> bool {
        let (word, bits) = self.place(hash);
        self.words[word] & bits == bits
    }
}

/// Hasher of keys that are hashes already; the table needs good bits at both ends.
#[derive(Default)]
pub(super) struct Mixed(u64);

impl Hasher for Mixed {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = mix(self.0 ^ key);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
