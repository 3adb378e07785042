//! Bytes of a DEFLATE block from the counts of its symbols, for sixteen joined texts at once.
//!
//! A text of less than 16,383 tokens is one block (RFC 1951, section 3.2.3), and zlib sends it in the smallest of three
//! forms: stored; with the fixed code of section 3.2.6; or with two Huffman trees of its own, which the header then
//! describes (section 3.2.7). The size of each follows from how often each symbol occurs:
//!
//! | part | how | where |
//! |---|---|---|
//! | fixed code, extra bits | sums of counts | here |
//! | symbols with trees of their own | sums of merged frequencies | [`forest`](super::forest), `lanes_avx2` |
//! | header | counts of runs of code lengths, and a tree of 19 | [`header`](super::header) |
//! | lanes that break a limit | zlib's steps, one by one | [`trees`] |
//!
//! Cost of a lane with 80 literals and lengths and 18 distances (joined texts of 1,900 bytes; Zen 3): 1.3 us with AVX2, of
//! which the heaps take 0.8; 2.3 us without; 12 us in `trees`, which takes at most 0.1% of real pairs. Lanes of similar
//! numbers of symbols waste least.

use std::ops::Range;

use super::avx2::Avx2;
use super::forest::Forest;
use super::header::Header;
pub(super) use super::lanes::LANES;
use super::trees::{self, DISTANCES, LITERALS, MAX_BITS};

/// Rows of [`Counts`]: literals, the end of block and lengths from row 0 on, distances from here on.
pub(super) const FIRST_DISTANCE: usize = 288;

/// The row that tokens without a distance count in; it is never read.
pub(super) const NO_DISTANCE: usize = 318;

/// Rows of [`Counts`], filled up to whole registers.
pub(super) const ROWS: usize = 320;

/// Bits before each block: whether it is the last, and its form.
const START_BITS: u32 = 3;

/// How often each symbol occurs in each lane; the end of block once.
#[repr(align(32))]
#[derive(Clone)]
pub(super) struct Counts(pub(super) [[u16; LANES]; ROWS]);

/// Scratch of one worker: 75 KB.
pub(super) struct Huffman {
    avx2: Option<Avx2>,
    forest: Box<Forest>,
}

impl Huffman {
    /// Scratch; with AVX2 if there is one.
    pub fn new(avx2: Option<Avx2>) -> Huffman {
        Huffman { avx2, forest: Box::new(Forest::new()) }
    }

    /// Bytes of the raw stream of each lane's text.
    pub fn sizes(&mut self, counts: &Counts, text_bytes: &[u32; LANES], sizes: &mut [u32; LANES]) {
        let mut header = Header::new();
        let (mut bits, mut odd) = ([0; LANES], [false; LANES]);
        for (first, symbols) in [(0, LITERALS), (FIRST_DISTANCE, DISTANCES)] {
            self.grow(counts, first, symbols);
            let forest = &self.forest;
            for lane in 0..LANES {
                bits[lane] += forest.bits[lane];
                odd[lane] |= forest.height[lane] > MAX_BITS as u32;
            }
            let longest = forest.height.iter().fold(0, |longest, &height| longest.max(height)).min(MAX_BITS as u32);
            header.count(&forest.lengths, forest.rows(), first as u16, longest as u8);
        }
        let header_bits = header.bits(&mut odd);
        let (fixed, extra) = fixed_and_extra_bits(counts);
        for (lane, size) in sizes.iter_mut().enumerate() {
            let own = if odd[lane] { trees::dynamic_bits(counts, lane) } else { bits[lane] + header_bits[lane] };
            *size = smallest(own + extra[lane], fixed[lane] + extra[lane], text_bytes[lane]);
        }
    }

    /// Build one tree in each lane.
    fn grow(&mut self, counts: &Counts, first: usize, symbols: usize) {
        let forest = &mut self.forest;
        forest.plant(counts, first, symbols);
        forest.lengths[first..first + symbols].fill([0; LANES]);
        let most = forest.most();
        match self.avx2 {
            Some(avx2) => avx2.merge(forest, most),
            None => forest.merge(most),
        }
        forest.measure(most);
    }
}

/// Bytes of the form that zlib chooses.
fn smallest(own_bits: u32, fixed_bits: u32, text_bytes: u32) -> u32 {
    let coded = (own_bits.min(fixed_bits) + START_BITS).div_ceil(8);
    // A stored block costs its start, filled up to a byte, and two lengths of two bytes; zlib forgets the start when it
    // compares.
    if text_bytes + 4 <= coded { text_bytes + 5 } else { coded }
}

/// Bits of the fixed code, and the extra bits of lengths and distances, which are sent beside every code.
fn fixed_and_extra_bits(counts: &Counts) -> ([u32; LANES], [u32; LANES]) {
    let (mut fixed, mut extra) = ([0; LANES], [0; LANES]);
    let sum = |rows: Range<usize>| {
        let mut sum = [0_u16; LANES];
        for row in &counts.0[rows] {
            for lane in 0..LANES {
                sum[lane] += row[lane];
            }
        }
        sum
    };
    let mut add = |count: [u16; LANES], fixed_bits: u32, extra_bits: u32| {
        for lane in 0..LANES {
            fixed[lane] += u32::from(count[lane]) * fixed_bits;
            extra[lane] += u32::from(count[lane]) * extra_bits;
        }
    };
    add(sum(0..144), 8, 0);
    add(sum(144..256), 9, 0);
    add(sum(256..265), 7, 0);
    add(sum(265..269), 7, 1);
    add(sum(269..273), 7, 2);
    add(sum(273..277), 7, 3);
    add(sum(277..280), 7, 4);
    add(sum(280..281), 8, 4);
    add(sum(281..285), 8, 5);
    add(sum(285..286), 8, 0);
    add(sum(FIRST_DISTANCE..FIRST_DISTANCE + 4), 5, 0);
    for extra_bits in 1..14 {
        let row = FIRST_DISTANCE + 2 + 2 * extra_bits;
        add(sum(row..row + 2), 5, extra_bits as u32);
    }
    (fixed, extra)
}

#[cfg(test)]
mod tests {
    use flate2::{Compress, Compression, FlushCompress};
    use proptest::prelude::*;

    use super::*;
    use crate::pairs::test_texts::cases;
    use crate::pairs::tokens_by_hand;

    /// Bytes of the raw stream that zlib makes.
    fn zlib_bytes(text: &[u8]) -> u32 {
        let mut output = vec![0; text.len() + 1_000];
        let mut stream = Compress::new(Compression::new(9), false);
        stream.compress(text, &mut output, FlushCompress::Finish).unwrap();
        assert_eq!(stream.total_in(), text.len() as u64);
        stream.total_out() as u32
    }

    /// All ways to the sizes: AVX2 where there is AVX2, portable, plain.
    fn all_ways(counts: &Counts, text_bytes: &[u32; LANES]) -> [[u32; LANES]; 3] {
        let mut sizes = [[0; LANES]; 3];
        Huffman::new(Avx2::detect()).sizes(counts, text_bytes, &mut sizes[0]);
        Huffman::new(None).sizes(counts, text_bytes, &mut sizes[1]);
        let (fixed, extra) = fixed_and_extra_bits(counts);
        for lane in 0..LANES {
            let own = trees::dynamic_bits(counts, lane);
            sizes[2][lane] = smallest(own + extra[lane], fixed[lane] + extra[lane], text_bytes[lane]);
        }
        sizes
    }

    fn assert_equal_to_zlib(texts: &[Vec<u8>]) {
        for batch in texts.chunks(LANES) {
            let mut counts = Counts([[0; LANES]; ROWS]);
            let text = |lane: usize| batch.get(lane).map_or(&[][..], |text| text);
            for lane in 0..LANES {
                tokens_by_hand::count(text(lane), &mut counts, lane);
            }
            let bytes = std::array::from_fn(|lane| text(lane).len() as u32);
            for sizes in all_ways(&counts, &bytes) {
                for (lane, size) in sizes.into_iter().enumerate() {
                    let start = &text(lane)[..bytes[lane].min(60) as usize];
                    assert_eq!(size, zlib_bytes(text(lane)), "{} bytes: {start:?}", bytes[lane]);
                }
            }
        }
    }

    /// Deterministic noise.
    fn noise() -> impl FnMut(u64) -> u64 {
        let mut state = 88_172_645_463_325_252_u64;
        move |below| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        }
    }

    #[test]
    fn short_texts_equal_zlib() {
        assert_equal_to_zlib(&(0..6).map(|bytes| b"abcab"[..bytes].to_vec()).collect::<Vec<_>>());
        assert_equal_to_zlib(&[b"a".repeat(3), b"a".repeat(4), b"ab".repeat(3), b"a".repeat(16_000)]);
    }

    #[test]
    fn texts_of_one_distance_or_none_equal_zlib() {
        // No three bytes of six letters occur twice in the first part; the second repeats itself at one distance.
        let mut text = vec![0_u8; 3];
        let mut seen = std::collections::HashSet::from([[0; 3]]);
        while let Some(next) =
            (0..6).rev().find(|&next| seen.insert([text[text.len() - 2], text[text.len() - 1], next]))
        {
            text.push(next);
        }
        let repeating = |distance: usize| [&text[..], &b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"[..distance].repeat(5)].concat();
        assert_equal_to_zlib(&(0..26).map(repeating).collect::<Vec<_>>());
    }

    #[test]
    fn texts_at_the_edge_of_storing_equal_zlib() {
        // Bytes from 144 on cost 9 bits of the fixed code.
        assert_equal_to_zlib(&(144..=255).map(|end| (100..end).collect()).collect::<Vec<_>>());
    }

    #[test]
    fn texts_of_every_alphabet_equal_zlib() {
        let mut noise = noise();
        let mut texts: Vec<Vec<u8>> = Vec::new();
        for alphabet in [1, 2, 4, 5, 20, 60, 100, 250, 256] {
            for bytes in [6, 100, 258, 300, 1_000, 4_000, 16_000] {
                texts.push((0..bytes).map(|_| noise(alphabet) as u8).collect());
                // Skewed, and not from byte 0 on.
                texts.push((0..bytes).map(|_| 60 + (noise(alphabet) * noise(alphabet) / alphabet / 2) as u8).collect());
            }
        }
        assert_equal_to_zlib(&texts);
    }

    #[test]
    fn code_and_words_equal_zlib() {
        let mut noise = noise();
        let code = include_bytes!("../codec/mod.rs");
        let mut texts: Vec<Vec<u8>> = (0..code.len() - 12_000)
            .step_by(599)
            .map(|start| code[start..start + 100 + noise(12_000) as usize].to_vec())
            .collect();
        let words: Vec<&[u8]> = code.split(|&byte| byte == b' ').collect();
        for count in (10..2_000).step_by(40) {
            texts.push((0..count).flat_map(|_| words[noise(words.len() as u64) as usize].to_vec()).collect());
        }
        assert_equal_to_zlib(&texts);
    }

    #[test]
    fn a_distance_code_beyond_15_bits_equals_zlib() {
        // For each distance fresh bytes, then again and again three bytes from that distance and a fresh one. How often
        // grows so that each merge takes the tree so far and one more leaf: seventeen distances make 16 levels.
        let distances = [1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257];
        let matches = [1, 1, 1, 3, 4, 7, 11, 18, 29, 47, 76, 123, 199, 322, 521, 843, 1_364];
        let mut noise = noise();
        // The first byte is never matched.
        let mut text = vec![noise(256) as u8];
        for (distance, matches) in distances.into_iter().zip(matches) {
            text.extend((0..distance).map(|_| noise(256) as u8));
            for _ in 0..matches {
                for _ in 0..3 {
                    text.push(text[text.len() - distance]);
                }
                text.push(text[text.len() - distance].wrapping_add(1 + noise(255) as u8));
            }
        }
        let mut counts = Counts([[0; LANES]; ROWS]);
        (0..LANES).for_each(|lane| tokens_by_hand::count(&text, &mut counts, lane));
        let mut huffman = Huffman::new(None);
        huffman.grow(&counts, FIRST_DISTANCE, DISTANCES);
        assert_eq!(huffman.forest.height, [16; LANES]);
        assert_equal_to_zlib(&[text]);
    }

    #[test]
    fn a_code_length_code_beyond_7_bits_is_built_plainly() {
        // Codes of so many lengths, so unevenly used, that the code of the lengths has 8 levels. Frequencies that are
        // powers of two give each code the length wanted; 12 bits alternate with the others, so that none repeats.
        let lengths = [(10, 26), (11, 21), (4, 9), (8, 3), (7, 2), (5, 3), (6, 1), (2, 1)];
        let others = lengths.into_iter().flat_map(|(length, codes)| std::iter::repeat_n(1 << (12 - length), codes));
        let twelve = std::iter::repeat_n(Some(1), 61).chain(std::iter::repeat(None));
        let frequencies = others.zip(twelve).flat_map(|(other, twelve)| [Some(other), twelve]).flatten();
        let mut counts = Counts([[0; LANES]; ROWS]);
        counts.0[256] = [1; LANES];
        for (row, frequency) in (100..).zip(frequencies) {
            counts.0[row] = [frequency; LANES];
        }
        let (mut huffman, mut header, mut odd) = (Huffman::new(None), Header::new(), [false; LANES]);
        for (first, symbols) in [(0, LITERALS), (FIRST_DISTANCE, DISTANCES)] {
            huffman.grow(&counts, first, symbols);
            header.count(&huffman.forest.lengths, huffman.forest.rows(), first as u16, 12);
        }
        header.bits(&mut odd);
        assert_eq!(odd, [true; LANES]);
        let [new, portable, plain] = all_ways(&counts, &[60_000; LANES]);
        assert_eq!([new, portable], [plain; 2]);
    }

    /// Row and count of each symbol of a lane.
    fn lane() -> impl Strategy<Value = Vec<(usize, u16)>> {
        let symbols = |rows: Range<usize>, most: usize| {
            let frequency = prop_oneof![
                Just(vec![1]),
                Just(vec![1, 2]),
                Just((1..60).collect::<Vec<u16>>()),
                Just((0..11).map(|bit| 1 << bit).collect()),
                Just(vec![1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377, 610, 987, 1_597]),
            ];
            let rows = prop::collection::vec((rows, any::<prop::sample::Index>()), 0..most);
            (rows, frequency).prop_map(|(rows, frequency)| {
                rows.into_iter().map(|(row, which)| (row, *which.get(&frequency))).collect::<Vec<_>>()
            })
        };
        let literals = prop_oneof![Just(3_usize), Just(20), Just(90), Just(400)];
        let literals = literals.prop_flat_map(move |most| symbols(0..286, most));
        let distances = symbols(FIRST_DISTANCE..NO_DISTANCE, 25);
        (literals, distances).prop_map(|(mut all, distances)| {
            all.extend(distances);
            all
        })
    }

    proptest! {
        #![proptest_config(cases())]

        #[test]
        fn all_ways_to_the_size_are_one(lanes in prop::collection::vec(lane(), LANES)) {
            let mut counts = Counts([[0; LANES]; ROWS]);
            for (lane, symbols) in lanes.iter().enumerate() {
                let mut left = [16_382_u16; 2];
                for &(row, count) in symbols.iter().filter(|(row, _)| *row != 256) {
                    let tree = usize::from(row >= FIRST_DISTANCE);
                    let count = count.min(left[tree]);
                    left[tree] -= count;
                    counts.0[row][lane] += count;
                }
                counts.0[256][lane] = 1;
            }
            // Long enough that no lane is stored.
            let [new, portable, plain] = all_ways(&counts, &[60_000; LANES]);
            prop_assert_eq!(new, plain);
            prop_assert_eq!(portable, plain);
        }
    }
}
