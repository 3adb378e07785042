//! The tokens that zlib's level 9 makes of a text, found the slow way: what tests of the fast engine start from.
//!
//! Lazy matching (RFC 1951, section 4): the longest earlier match at each position, given up for a single literal if
//! the next position has a longer one. The numbers are zlib's for level 9, written out once more: an oracle that shared
//! those of `level9.rs` would share a slip.

use super::huffman::{Counts, FIRST_DISTANCE, NO_DISTANCE};

/// Longest and shortest match, and how far back a match may start.
const MAX_MATCH: usize = 258;
const MIN_MATCH: usize = 3;
const MAX_DISTANCE: usize = 32_768 - 262;

/// A match of three bytes from farther back than this costs more than its literals.
const TOO_FAR: usize = 4_096;

/// Candidates looked at for one position: a quarter of them once the match before is good.
const CHAIN: usize = 4_096;
const GOOD_LENGTH: usize = 32;

/// Rows of `Counts` that one token counts in.
pub(super) type Token = (usize, usize);

/// Tokens of a text of one block, the end of the block not among them.
pub(super) fn tokens(text: &[u8]) -> Vec<Token> {
    let mut chains = Chains { newest: vec![0; 1 << 15], before: vec![0; text.len()] };
    let mut tokens = Vec::new();
    let (mut length, mut distance, mut pending) = (MIN_MATCH - 1, 0, false);
    let mut at = 0;
    while at < text.len() {
        let head = chains.insert(text, at);
        let (length_before, distance_before) = (length, distance);
        length = MIN_MATCH - 1;
        if head != 0 && length_before < MAX_MATCH && at - head <= MAX_DISTANCE {
            (length, distance) = chains.longest(text, at, head, length_before);
            if length == MIN_MATCH && distance > TOO_FAR {
                length = MIN_MATCH - 1;
            }
        }
        if length_before >= MIN_MATCH && length <= length_before {
            tokens.push((length_row(length_before), distance_row(distance_before)));
            for inside in at + 1..at - 1 + length_before {
                chains.insert(text, inside);
            }
            at += length_before - 1;
            (length, pending) = (MIN_MATCH - 1, false);
        } else {
            if pending {
                tokens.push((usize::from(text[at - 1]), NO_DISTANCE));
            }
            pending = true;
            at += 1;
        }
    }
    if pending {
        tokens.push((usize::from(text[at - 1]), NO_DISTANCE));
    }
    tokens
}

/// Put a text's tokens and its end of block into one lane.
pub(super) fn count(text: &[u8], counts: &mut Counts, lane: usize) {
    counts.0.iter_mut().for_each(|row| row[lane] = 0);
    counts.0[256][lane] = 1;
    for (symbol, distance) in tokens(text) {
        counts.0[symbol][lane] += 1;
        counts.0[distance][lane] += 1;
    }
}

/// Positions of equal hashes, newest first. Position 0 ends a chain, so the first byte is never matched.
struct Chains {
    newest: Vec<usize>,
    before: Vec<usize>,
}

impl Chains {
    /// Insert a position; gives the newest one before it in the chain.
    fn insert(&mut self, text: &[u8], at: usize) -> usize {
        let Some(&[a, b, c]) = text.get(at..at + MIN_MATCH) else { return 0 };
        let hash = (usize::from(a) << 10 ^ usize::from(b) << 5 ^ usize::from(c)) & 0x7fff;
        self.before[at] = std::mem::replace(&mut self.newest[hash], at);
        self.before[at]
    }

    /// Length and distance of the first longest match above `at_least`.
    fn longest(&self, text: &[u8], at: usize, head: usize, at_least: usize) -> (usize, usize) {
        let longest = MAX_MATCH.min(text.len() - at);
        let (mut best, mut distance) = (at_least, 0);
        let mut candidate = head;
        for _ in 0..if at_least >= GOOD_LENGTH { CHAIN / 4 } else { CHAIN } {
            let same = text[candidate..].iter().zip(&text[at..at + longest]).take_while(|(a, b)| a == b).count();
            if same > best {
                (best, distance) = (same, at - candidate);
                if best >= longest {
                    break;
                }
            }
            candidate = self.before[candidate];
            if candidate == 0 || at - candidate >= MAX_DISTANCE {
                break;
            }
        }
        (best.min(longest), distance)
    }
}

fn length_row(length: usize) -> usize {
    // Four lengths share a symbol's extra bits; 258 has a symbol of its own.
    match length {
        258 => 285,
        _ => 257 + symbol(length - 3, 2),
    }
}

fn distance_row(distance: usize) -> usize {
    FIRST_DISTANCE + symbol(distance - 1, 1)
}

/// RFC 1951, section 3.2.5: the first 2^(p+1) values have a symbol each, then every power of two has 2^p symbols.
fn symbol(value: usize, p: u32) -> usize {
    if value < 2 << p {
        return value;
    }
    let extra_bits = value.ilog2() - p;
    ((extra_bits as usize) << p) + (value >> extra_bits)
}
