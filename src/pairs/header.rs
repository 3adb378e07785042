//! Bits of the header of a DEFLATE block with trees of its own, for sixteen joined texts at once.
//!
//! The header is the list of code lengths of both trees, run-length coded (RFC 1951, section 3.2.7) and then coded
//! itself, with the code-length code. Only counts are needed: how often each of its 19 symbols is written. Three
//! passes over the rows that are used in any lane give them: runs of zeros, repeats of a length, and lengths written
//! out. The total of the code-length code does not depend on how its equal counts are ordered, so no heap is needed:
//! the 19 counts are sorted once, and each merged pair sinks back to its place in the sorted list.
//!
//! Cost: some 40 operations on sixteen lanes for each row in use, and 700 for the code-length code.
//! Counters of 8 bits are enough: a length is written out at most three times in a row, so at most 215 times for the
//! 286 codes of a tree, and zeros at most 190 times.
//! Not here: lanes in which a code length exceeds its limit. What comes out for them means nothing; `huffman` takes
//! [`trees`] for them.

use super::lanes::{LANES, Lanes};
use super::trees::{
    self, LENGTH_SYMBOLS, LITERALS, MANY_ZEROS, MAX_BITS, MAX_LENGTH_BITS, REPEAT, REPEAT_EXTRA_BITS, SENDING_ORDER,
    ZEROS,
};

type Bytes = Lanes<u8>;
type Words = Lanes<i16>;

/// Longest run of zeros that one symbol stands for.
const LONGEST_ZEROS: u8 = 138;

/// In a node of the code-length code the count stands above the node's height. Counts come to at most 316 codes, so
/// both fit in 15 bits.
const HEIGHT_BITS: u32 = 5;
const HEIGHT: i16 = (1 << HEIGHT_BITS) - 1;

/// A place without a node: sorts behind all of them.
const EMPTY: i16 = i16::MAX;

/// How often each code-length symbol is written.
pub(super) struct Header {
    used: [Words; LENGTH_SYMBOLS],
}

impl Header {
    pub fn new() -> Header {
        Header { used: [Words::ZERO; LENGTH_SYMBOLS] }
    }

    /// Count what the lengths of one tree are written with. `rows` are the rows in use, `first` the tree's first row,
    /// `longest` its longest code.
    pub fn count(&mut self, lengths: &[[u8; LANES]], rows: &[u16], first: u16, longest: u8) {
        self.count_zeros(lengths, rows, first);
        let mut written = [Bytes::ZERO; LITERALS + 2];
        let written = &mut written[..rows.len() + 2];
        self.count_repeats(lengths, rows, written);
        for length in (1..=longest).step_by(4) {
            for (symbol, count) in (usize::from(length)..).zip(count_lengths(written, length)) {
                self.add(symbol.min(MAX_BITS), count);
            }
        }
    }

    fn add(&mut self, symbol: usize, count: Bytes) {
        self.used[symbol] = self.used[symbol].plus(Lanes(count.0.map(i16::from)));
    }

    /// Runs of zeros. Those at a tree's end are never closed, as they are never written.
    fn count_zeros(&mut self, lengths: &[[u8; LANES]], rows: &[u16], first: u16) {
        let [mut zeros, mut one, mut two, mut some, mut many, mut full] = [Bytes::ZERO; 6];
        let mut next_row = first;
        for &row in rows {
            // Rows that are left out are zeros in every lane: 255 at most, as a text begins with a literal and has an
            // end of block. 256 zeros, in one lane, are written with the same symbols as 255, so it does no harm that
            // the sum stops there.
            let skipped = Bytes::all((row - next_row) as u8);
            next_row = row + 1;
            let unused = Lanes(lengths[usize::from(row)]).equals(Bytes::ZERO);
            let before = zeros.saturating_plus(skipped);
            zeros = before.saturating_plus(Bytes::all(1)).and(unused);
            let closed = before.and_not(unused);
            let is_full = closed.exceeds(Bytes::all(LONGEST_ZEROS));
            full = full.minus(is_full);
            let rest = closed.minus(is_full.and(Bytes::all(LONGEST_ZEROS)));
            one = one.minus(rest.equals(Bytes::all(1)));
            two = two.minus(rest.equals(Bytes::all(2)));
            some = some.minus(rest.exceeds(Bytes::all(2)));
            many = many.minus(rest.exceeds(Bytes::all(10)));
        }
        self.add(0, one.plus(two).plus(two));
        self.add(ZEROS, some.minus(many));
        self.add(MANY_ZEROS, many.plus(full));
    }

    /// Repeats of a length; `written` gets the lengths that are written out, two rows later than they are read.
    ///
    /// The first of equal lengths is written out; then a symbol stands for 3-6 of them, and fewer are written out. So
    /// the fourth of a run turns itself and the two before it into a repeat, the fifth to seventh join it, and the
    /// eighth is where the second was: `run` goes 1 2 3 4 5 6 7 2 3 4 5 6 7 2 ...
    fn count_repeats(&mut self, lengths: &[[u8; LANES]], rows: &[u16], written: &mut [Bytes]) {
        let [mut previous, mut run, mut repeats, mut one_ago, mut two_ago] = [Bytes::ZERO; 5];
        let mut next_row = 0;
        for (&row, out) in rows.iter().zip(written.iter_mut()) {
            if row != next_row {
                previous = Bytes::ZERO;
            }
            next_row = row + 1;
            let length = Lanes(lengths[usize::from(row)]);
            let back = run.equals(Bytes::all(7)).and(Bytes::all(6));
            let unused = length.equals(Bytes::ZERO);
            run = run.minus(back).and(length.equals(previous)).plus(Bytes::all(1)).and_not(unused);
            previous = length;
            let repeat = run.equals(Bytes::all(4));
            repeats = repeats.minus(repeat);
            *out = two_ago.and_not(repeat);
            two_ago = one_ago.and_not(repeat);
            one_ago = length.and_not(run.exceeds(Bytes::all(3)));
        }
        written[rows.len()] = two_ago;
        written[rows.len() + 1] = one_ago;
        self.add(REPEAT, repeats);
    }

    /// Bits of the header; sets `odd` where a code of the code-length code would be too long.
    pub fn bits(&self, odd: &mut [bool; LANES]) -> [u32; LANES] {
        let (coded, height) = self.coded_bits();
        let mut sent = Words::all(4);
        for (rank, symbol) in (1..).zip(SENDING_ORDER).skip(4) {
            let unused = self.used[symbol].equals(Words::ZERO);
            sent = sent.max(Words::all(rank).and_not(unused));
        }
        std::array::from_fn(|lane| {
            odd[lane] |= height.0[lane] > MAX_LENGTH_BITS as i16;
            let used = |symbol: usize| u32::from(self.used[symbol].0[lane].cast_unsigned());
            let repeats: u32 = (REPEAT..).zip(REPEAT_EXTRA_BITS).map(|(symbol, bits)| used(symbol) * bits).sum();
            let coded = u32::from(coded.0[lane].cast_unsigned());
            coded + repeats + trees::header_bits(u32::from(sent.0[lane].cast_unsigned()))
        })
    }

    /// Bits of all code-length symbols, and the longest of their codes.
    fn coded_bits(&self) -> (Words, Words) {
        let mut sorted = [Words::all(EMPTY); LENGTH_SYMBOLS + 1];
        for (symbol, used) in self.used.iter().enumerate() {
            let unused = used.equals(Words::ZERO);
            let leaf = Lanes(used.0.map(|count| count << HEIGHT_BITS));
            insert(&mut sorted[..=symbol], leaf.or(unused.and(Words::all(EMPTY))));
        }
        let [mut bits, mut height] = [Words::ZERO; 2];
        for nodes in (2..=LENGTH_SYMBOLS).rev() {
            let [a, b] = [sorted[0], sorted[1]];
            // A lane whose tree is complete has one node left; from then on its list runs empty.
            let missing = b.equals(Words::all(EMPTY));
            let above = a.and(Words::all(HEIGHT)).max(b.and(Words::all(HEIGHT))).plus(Words::all(1));
            let count = a.and_not(Words::all(HEIGHT)).saturating_plus(b.and_not(Words::all(HEIGHT)));
            bits = bits.plus(Lanes(count.and_not(missing).0.map(|count| count >> HEIGHT_BITS)));
            height = height.max(above.and_not(missing));
            sorted.copy_within(2..=nodes, 0);
            insert(&mut sorted[..nodes - 1], count.saturating_plus(above).or(missing.and(Words::all(EMPTY))));
        }
        (bits, height)
    }
}

/// Insert a node into a sorted list whose last place is empty.
fn insert(sorted: &mut [Words], mut node: Words) {
    for place in sorted {
        (*place, node) = (place.min(node), place.max(node));
    }
}

/// How often `first` and the three lengths after it are written.
fn count_lengths(written: &[Bytes], first: u8) -> [Bytes; 4] {
    let lengths: [Bytes; 4] = std::array::from_fn(|i| Bytes::all(first + i as u8));
    let mut counts = [Bytes::ZERO; 4];
    for &row in written {
        for (count, length) in counts.iter_mut().zip(lengths) {
            *count = count.minus(row.equals(length));
        }
    }
    counts
}
