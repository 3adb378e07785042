//! The parse of one target behind one source: which tokens zlib makes of the target's bytes in the joined text.
//!
//! Lazy matching looks one position ahead, so the token at a position, if one begins there, is a function of the best
//! matches there and at the next position alone: the match if there is one and the next is not longer, else the
//! literal. Hence two steps: the token of every slot, which needs no order and is made of whole vectors, then a run
//! from token to token that only counts.
//!
//! Cost: some operations a byte of target, most of them several bytes at a time, and two counts a token.
//! Reference: RFC 1951, section 3.2.5, for the symbols.

use super::avx2::Avx2;
use super::huffman::{Counts, FIRST_DISTANCE, LANES, NO_DISTANCE};
use super::level9::{MAX_JOINED, MAX_MATCH, MIN_MATCH, TOO_FAR, chain_limit, hash};
use super::source::Source;

/// In a packed match of the index: its low bits are a distance, not a position in the source. It makes a match inside
/// the target larger than one of the same length in the source, which is further away.
pub(super) const INSIDE: u32 = 1 << 15;

/// What a token counts as: `distance row << 9 | literal or length symbol`, where the row is one of
/// [`Counts`](super::huffman::Counts) less [`FIRST_DISTANCE`].
pub(super) type Token = u16;

const DISTANCE: u32 = 9;

/// The token of one literal byte at this position.
///
/// Literals count as "no distance" in two rows by turns: adding to one counter again and again would wait each time for
/// the store before (with [`Parse::next`] a third of the time of counting: benches/kernel.rs, 82 targets).
#[inline(always)]
#[expect(clippy::inline_always, reason = "compiled twice, with and without AVX2")]
pub(super) fn literal(byte: u8, position: u32) -> Token {
    ((NO_DISTANCE - FIRST_DISTANCE) as u16 + (position & 1) as u16) << DISTANCE | u16::from(byte)
}

/// The token of a match of `length` (3 to 258) bytes from `distance` (1 to 32,768) back.
///
/// Symbols go up with the logarithm. A float is a cheap and exact one for such small numbers: its topmost bits are the
/// exponent and the bits below the leading one, which are what a symbol is made of.
#[inline(always)]
#[expect(clippy::inline_always, reason = "compiled twice, with and without AVX2")]
pub(super) fn token(length: u32, distance: u32) -> Token {
    let (length_rest, distance_rest) = (length.wrapping_sub(MIN_MATCH as u32), distance.wrapping_sub(1));
    // Four symbols per power of two from 8 on, and 285 for the longest alone.
    let length_symbol = (float_bits(length_rest) >> 21).saturating_sub(512).max(length_rest.min(3));
    let length_symbol = length_symbol + u32::from(length == MAX_MATCH as u32);
    // Two symbols per power of two from 4 on.
    let distance_symbol = (float_bits(distance_rest) >> 22).saturating_sub(254).max(distance_rest.min(1));
    (distance_symbol << DISTANCE | (257 + length_symbol)) as u16
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "compiled twice, with and without AVX2")]
#[expect(clippy::cast_precision_loss, reason = "lengths and distances are below 2^24")]
fn float_bits(number: u32) -> u32 {
    (number as i32 as f32).to_bits()
}

/// Rows of [`Counts`] that a token counts in.
#[inline]
pub(super) fn rows(token: Token) -> [usize; 2] {
    [usize::from(token & ((1 << DISTANCE) - 1)), FIRST_DISTANCE + usize::from(token >> DISTANCE & 31)]
}

/// One target behind one source.
#[derive(Clone, Copy)]
pub(super) struct Joined<'a> {
    /// Bytes of the source.
    pub source_len: usize,
    /// The target.
    pub text: &'a [u8],
    /// Best match of each of its positions with the source, `length << 16 | position`, and a 0 for its end.
    pub with_source: &'a [u32],
    /// Best match of each with an earlier one of the target, `length << 16 | INSIDE | distance`, and a 0 for its end.
    pub inside: &'a [u32],
}

impl Joined<'_> {
    /// Length of the best match at the target's first byte; 0 for none.
    pub fn first_length(&self) -> usize {
        (self.with_source[0].max(self.inside[0]) >> 16) as usize
    }

    /// Whether no chain limit can have kept zlib from one of the matches.
    ///
    /// A match is among the first `distance` candidates, so that a limit not below its distance does not matter; nor
    /// does one that the candidates, counted one by one, do not reach. `before` is the length of the match at the
    /// source's last byte, 0 for none; `largest_bucket` that of the target.
    pub fn is_certain(&self, before: usize, source: &Source, largest_bucket: usize) -> bool {
        let mut limit = chain_limit(before);
        for (at, (with_source, inside)) in self.with_source.iter().zip(self.inside).enumerate().take(self.text.len()) {
            let found = *with_source.max(inside);
            let length = (found >> 16) as usize;
            let distance = distance(found, (self.source_len + at) as u32) as usize;
            if length > 0 && distance > limit {
                // Inside the target there is nothing of the source between, and `newer` counts nothing.
                let earlier = self.source_len + at - distance;
                let depth = 1 + source.newer(hash(self.text, at), earlier) + largest_bucket + SEAM_TRIGRAMS;
                if depth > limit {
                    return false;
                }
            }
            limit = chain_limit(length);
        }
        true
    }
}

/// Three bytes that begin in the source and end in the target: two of them are in no bucket of either.
pub(super) const SEAM_TRIGRAMS: usize = 2;

/// The tokens of one target, in scratch that is kept for the next: 0.1 MB.
pub(super) struct Parse {
    /// The token at each position, should one begin there.
    tokens: Vec<Token>,
    /// And the position after it, in an array of its own, since one load after the other is all that a run from token to
    /// token waits for.
    next: Vec<u16>,
    avx2: Option<Avx2>,
}

impl Parse {
    pub fn new(avx2: Option<Avx2>) -> Parse {
        Parse { tokens: vec![0; MAX_JOINED], next: vec![0; MAX_JOINED], avx2 }
    }

    /// Find the tokens of a target.
    pub fn prepare(&mut self, joined: &Joined) {
        let len = joined.text.len();
        let (tokens, next) = (&mut self.tokens[..len], &mut self.next[..len]);
        match self.avx2 {
            Some(avx2) => avx2.make_tokens(joined, tokens, next),
            None => make_tokens(joined, tokens, next),
        }
    }

    /// Count the tokens from position `at` on of a target of `len` bytes in one lane; gives their number.
    pub fn count(&self, len: usize, mut at: usize, counts: &mut Counts, lane: usize) -> usize {
        debug_assert!(lane < LANES);
        let (tokens, next) = (&self.tokens[..len], &self.next[..len]);
        let mut number = 0;
        while let (Some(&token), Some(&next)) = (tokens.get(at), next.get(at)) {
            let [symbol, distance] = rows(token);
            counts.0[symbol][lane] += 1;
            counts.0[distance][lane] += 1;
            at = usize::from(next);
            number += 1;
        }
        number
    }
}

/// The token that would begin at each position of a target, and the position after it.
#[inline(always)]
#[expect(clippy::inline_always, reason = "compiled twice, with and without AVX2")]
#[expect(clippy::needless_bitwise_bool, reason = "a branch would keep the loop from becoming vector code")]
pub(super) fn make_tokens(joined: &Joined, tokens: &mut [Token], next: &mut [u16]) {
    let &Joined { source_len, text, with_source, inside } = joined;
    let here = with_source.iter().zip(inside);
    let after = with_source[1..].iter().zip(&inside[1..]);
    let places = here.zip(after).zip(text).zip(0u32..);
    for (((((here, after), &byte), at), token_here), next) in places.zip(tokens).zip(next) {
        let (found, found_after) = (*here.0.max(here.1), *after.0.max(after.1));
        let length = found >> 16;
        let distance = distance(found, (source_len as u32).wrapping_add(at));
        let worth = (length > MIN_MATCH as u32) | (length == MIN_MATCH as u32) & (distance <= TOO_FAR as u32);
        let taken = worth & (found_after >> 16 <= length);
        // Both are made and one is chosen, so that the loop becomes vector code.
        let (token, literal) = (token(length, distance), literal(byte, at));
        *token_here = if taken { token } else { literal };
        *next = at.wrapping_add(if taken { length } else { 1 }) as u16;
    }
}

/// How far back a match of a position of the joined text is.
#[inline(always)]
#[expect(clippy::inline_always, reason = "compiled twice, with and without AVX2")]
fn distance(found: u32, position: u32) -> u32 {
    let low = found & (INSIDE - 1);
    if found & INSIDE == 0 { position.wrapping_sub(low) } else { low }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_distances_have_the_symbols_of_the_rfc() {
        // First lengths of symbols 257-285 and first distances of symbols 0-29: RFC 1951, section 3.2.5.
        let lengths = [
            3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195,
            227, 258,
        ];
        let distances = [
            1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073,
            4097, 6145, 8193, 12289, 16385, 24577,
        ];
        for length in 3..=258 {
            let [symbol, _] = rows(token(length, 1));
            assert_eq!(symbol, 256 + lengths.partition_point(|&first| first <= length), "length {length}");
        }
        for far in 1..=32_768 {
            let [_, row] = rows(token(3, far));
            assert_eq!(row, FIRST_DISTANCE - 1 + distances.partition_point(|&first| first <= far), "distance {far}");
        }
    }

    #[test]
    fn literals_count_as_themselves_and_in_a_row_that_no_distance_has() {
        for byte in 0..=255 {
            for position in [0, 1] {
                assert_eq!(rows(literal(byte, position)), [usize::from(byte), NO_DISTANCE + position as usize]);
            }
        }
    }
}
