//! The set of distinct n-grams of one text, and how many of them another text has.
//!
//! An open-addressed table that is kept from text to text and emptied by counting on: an entry is valid if it was
//! marked since the text was loaded. Cost: some nanoseconds a byte; memory: 30 to 60 bytes a byte of the longest text.

/// Bytes of an n-gram. Eight fill a machine word, so that a set holds the n-grams themselves and not hashes of them.
/// Fewer would be shared by texts that only speak of the same things, more would lose more of them to one changed byte.
pub const NGRAM: usize = 8;

/// All n-grams of a text, one a byte, repeated ones too; none of a text that is shorter than one.
pub(super) fn of(text: &[u8]) -> impl Iterator<Item = u64> + '_ {
    text.windows(NGRAM).map(|bytes| bytes.iter().rev().fold(0, |gram, &byte| gram << 8 | u64::from(byte)))
}

/// Spreads n-grams over tables by the high bits of a product (Knuth's multiplicative hashing).
pub(super) fn spread(gram: u64) -> u64 {
    // 2^64 over the golden ratio. The fold before it lets the last letters move the first bits too.
    (gram ^ (gram >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// The distinct n-grams of one text.
#[derive(Default)]
pub(super) struct Grams {
    /// N-gram and when it was last marked.
    table: Vec<(u64, u64)>,
    /// log2 of the part of the table that is in use.
    bits: u32,
    /// The time of loading, and now; every text loaded or compared takes a unit of time.
    loaded: u64,
    now: u64,
    distinct: Vec<u64>,
}

impl Grams {
    /// Make this the set of a text; return it in the order of the text.
    pub(super) fn load(&mut self, text: &[u8]) -> &[u64] {
        let most = (text.len() + 1).saturating_sub(NGRAM);
        // At most three quarters full.
        self.bits = (most + most / 3 + 2).next_power_of_two().trailing_zeros();
        if self.table.len() < 1 << self.bits {
            self.table.resize(1 << self.bits, (0, 0));
        }
        self.now += 1;
        self.loaded = self.now;
        self.distinct.clear();
        for gram in of(text) {
            let at = self.place(gram);
            if self.table[at].1 < self.loaded {
                self.table[at] = (gram, self.now);
                self.distinct.push(gram);
            }
        }
        &self.distinct
    }

    /// Whether another text has at least `wanted` of these n-grams.
    pub(super) fn has_in_common(&mut self, text: &[u8], wanted: usize) -> bool {
        self.now += 1;
        let mut left = (text.len() + 1).saturating_sub(NGRAM);
        let mut common = 0;
        for gram in of(text) {
            // What is left cannot make up for what is missing.
            if common + left < wanted {
                return false;
            }
            left -= 1;
            let at = self.place(gram);
            let marked = &mut self.table[at].1;
            if (self.loaded..self.now).contains(marked) {
                *marked = self.now;
                common += 1;
                if common >= wanted {
                    return true;
                }
            }
        }
        common >= wanted
    }

    /// Where an n-gram is, or the free place where it would be.
    fn place(&self, gram: u64) -> usize {
        let mask = (1 << self.bits) - 1;
        let mut at = (spread(gram) >> (64 - self.bits)) as usize;
        while self.table[at].1 >= self.loaded && self.table[at].0 != gram {
            at = (at + 1) & mask;
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_each_n_gram_once_and_forgets_the_text_before() {
        let mut grams = Grams::default();
        assert_eq!(grams.load(b"aaaaaaaaaa").len(), 1);
        assert_eq!(
            grams.load(b"abcdefghi").to_vec(),
            [u64::from_le_bytes(*b"abcdefgh"), u64::from_le_bytes(*b"bcdefghi")]
        );
        assert!(grams.load(b"abcdefg").is_empty());
        assert!(!grams.has_in_common(b"abcdefgh", 1));
        assert!(!grams.has_in_common(b"aaaaaaaaaa", 1));
    }

    #[test]
    fn what_two_texts_have_in_common_is_counted_once() {
        let mut grams = Grams::default();
        grams.load(b"abcdefghi aaaaaaaaaaaa");
        for _ in 0..2 {
            assert!(grams.has_in_common(b"aaaaaaaaaaaaaaaaa", 1));
            assert!(!grams.has_in_common(b"aaaaaaaaaaaaaaaaa", 2));
            assert!(grams.has_in_common(b"abcdefghi-aaaaaaaa", 3));
            assert!(!grams.has_in_common(b"abcdefghi-aaaaaaaa", 4));
        }
    }
}
