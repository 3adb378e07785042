//! Bytes of a DEFLATE block from the counts of its symbols, for sixteen joined texts at once.
use std::hint::select_unpredictable;

use super::header::Header;
use super::trees::{self, MAX_BITS};

pub(super) use super::lanes::LANES;
pub(super) const FIRST_DISTANCE: usize = 288;
pub(super) const NO_DISTANCE: usize = 318;
pub(super) const ROWS: usize = 320;

#[repr(align(32))]
#[derive(Clone)]
pub(super) struct Counts(pub(super) [[u16; LANES]; ROWS]);

/// Keys of the heap: frequency, height and node in one number, so that one comparison is zlib's. The frequency
/// of a root is below 2^14, heights are at most 21 (a tree of height 22 needs 28,657 symbols), nodes below 2^10.
pub(super) const FREQUENCY_SHIFT: u32 = 15;
pub(super) const HEIGHT_SHIFT: u32 = 10;
pub(super) const NODE: u32 = (1 << HEIGHT_SHIFT) - 1;
pub(super) const HEIGHT: u32 = (1 << FREQUENCY_SHIFT) - 1 - NODE;
/// A place without a node: larger than any key, also as a signed number.
pub(super) const EMPTY: u32 = i32::MAX as u32;

/// Node of the merge that finds `h` nodes in the heap is `INNER + h`.
pub(super) const INNER: usize = ROWS;
const MAX_SYMBOLS: usize = 286;
pub(super) const NO_NODE: usize = INNER + MAX_SYMBOLS + 1;
const NODES: usize = NO_NODE + 1;

/// Places of a lane's heap; the children of the largest place that is ever looked at lie within.
pub(super) const PLACES: usize = 512;

/// Heaps of all lanes, nodes and what came of them.
#[repr(align(32))]
pub(super) struct Forest {
    pub(super) heap: [[u32; PLACES + 64]; LANES],
    /// Bytes
    pub(super) merges: [[u32; LANES]; MAX_SYMBOLS + 1],
    pub(super) symbols: [u32; LANES],
    pub(super) bits: [u32; LANES],
    pub(super) height: [u32; LANES],
    lengths: [[u8; LANES]; NODES],
}

pub(super) struct Huffman { avx2: bool, forest: Box<Forest> }

impl Huffman {
    pub(super) fn new(avx2: Option<super::avx2::Avx2>) -> Huffman {
        Huffman { avx2: avx2.is_some(), ..Huffman::portable() }
    }
    pub(super) fn portable() -> Huffman {
        let forest = Forest {
            heap: [[EMPTY; PLACES + 64]; LANES],
            merges: [[0; LANES]; MAX_SYMBOLS + 1],
            symbols: [0; LANES],
            bits: [0; LANES],
            height: [0; LANES],
            lengths: [[0; LANES]; NODES],
        };
        Huffman { avx2: false, forest: Box::new(forest) }
    }
    pub(super) fn sizes(&mut self, counts: &Counts, text_bytes: &[u32; LANES], sizes: &mut [u32; LANES]) {
        let mut header = Header::new();
        let (mut data, mut odd) = ([0; LANES], [false; LANES]);
        self.forest.lengths[..ROWS].fill([0; LANES]);
        for rows in [0..MAX_SYMBOLS, FIRST_DISTANCE..NO_DISTANCE] {
            let mut active = [0_u16; MAX_SYMBOLS + 1];
            let used = self.forest.collect(counts, rows.clone(), &mut active);
            let most = self.forest.symbols.iter().fold(0, |most, &symbols| symbols.max(most)) as usize;
            if self.avx2 {
                merge_avx2(&mut self.forest, most);
            } else {
                self.forest.merge(most);
            }
            self.forest.measure(most);
            let mut highest = 0;
            for lane in 0..LANES {
                data[lane] += self.forest.bits[lane];
                let height = self.forest.height[lane];
                odd[lane] |= height > MAX_BITS as u32 || self.forest.symbols[lane] > 249;
                highest = highest.max(height);
            }
            header.count(&self.forest.lengths, &active[..used], rows.start as u16, highest.min(15) as u8);
        }
        let header = header.bits(&mut odd);
        let (extra, fixed) = extra_and_fixed_bits(counts);
        for lane in 0..LANES {
            let dynamic = if odd[lane] { trees::dynamic_bits(counts, lane) } else { data[lane] + header[lane] } + extra[lane];
            let coded = ((dynamic + 10) >> 3).min((fixed[lane] + 10) >> 3);
            sizes[lane] = if text_bytes[lane] + 4 <= coded { text_bytes[lane] + 5 } else { coded };
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn detected() -> bool {
    is_x86_feature_detected!("avx2")
}
#[cfg(not(target_arch = "x86_64"))]
fn detected() -> bool {
    false
}
#[cfg(target_arch = "x86_64")]
fn merge_avx2(forest: &mut Forest, most: usize) {
    #[expect(unsafe_code, reason = "x")]
    // SAFETY: AVX2 was detected.
    unsafe {
        super::lanes_avx2::merge(forest, most);
    }
}
#[cfg(not(target_arch = "x86_64"))]
fn merge_avx2(forest: &mut Forest, most: usize) {
    forest.merge(most);
}

#[inline(never)]
fn extra_and_fixed_bits(counts: &Counts) -> ([u32; LANES], [u32; LANES]) {
    let sum = |rows: std::ops::Range<usize>| {
        let mut sum = [0_u16; LANES];
        for row in &counts.0[rows] {
            for lane in 0..LANES {
                sum[lane] += row[lane];
            }
        }
        sum
    };
    let mut extra = [0; LANES];
    let mut fixed = [0; LANES];
    let mut add = |count: [u16; LANES], extra_bits: u32, code_bits: u32| {
        for lane in 0..LANES {
            extra[lane] += u32::from(count[lane]) * extra_bits;
            fixed[lane] += u32::from(count[lane]) * (code_bits + extra_bits);
        }
    };
    add(sum(0..144), 0, 8);
    add(sum(144..256), 0, 9);
    add(sum(256..265), 0, 7);
    for extra_bits in 1..4 {
        add(sum(261 + 4 * extra_bits..265 + 4 * extra_bits), extra_bits as u32, 7);
    }
    add(sum(277..280), 4, 7);
    add(sum(280..281), 4, 8);
    add(sum(281..285), 5, 8);
    add(sum(285..286), 0, 8);
    add(sum(FIRST_DISTANCE..FIRST_DISTANCE + 4), 0, 5);
    for extra_bits in 1..14 {
        let row = FIRST_DISTANCE + 2 + 2 * extra_bits;
        add(sum(row..row + 2), extra_bits as u32, 5);
    }
    (extra, fixed)
}

impl Forest {
    #[inline(never)]
    fn collect(&mut self, counts: &Counts, rows: std::ops::Range<usize>, active: &mut [u16; MAX_SYMBOLS + 1]) -> usize {
        let mut used = 0;
        for row in rows.clone() {
            active[used] = row as u16;
            used += usize::from(counts.0[row].iter().fold(0, |a, b| a | b) != 0);
        }
        for lane in 0..LANES {
            let heap = &mut self.heap[lane];
            let mut n = 0;
            for &row in &active[..used] {
                let count = u32::from(counts.0[usize::from(row)][lane]);
                heap[n + 1] = count << FREQUENCY_SHIFT | u32::from(row);
                n += usize::from(count != 0);
            }
            heap[n + 1] = EMPTY;
            self.bits[lane] = 0;
            if n < 2 {
                let mut last = if n == 0 { None } else { Some((heap[1] & NODE) as usize - rows.start) };
                while n < 2 {
                    let symbol = match last {
                        None => 0,
                        Some(last) if last < 2 => last + 1,
                        Some(_) => 0,
                    };
                    last = last.max(Some(symbol));
                    n += 1;
                    heap[n] = 1 << FREQUENCY_SHIFT | (rows.start + symbol) as u32;
                    self.bits[lane] = self.bits[lane].wrapping_sub(1);
                    if !active[..used].contains(&((rows.start + symbol) as u16)) {
                        active[used] = (rows.start + symbol) as u16;
                        used += 1;
                    }
                }
            }
            self.symbols[lane] = n as u32;
        }
        active[..used].sort_unstable();
        used
    }

    #[inline(never)]
    fn merge(&mut self, most: usize) {
        self.order::<0>(most);
        self.order::<1>(most);
        self.order::<2>(most);
        self.order::<3>(most);
        self.order::<4>(most);
        self.order::<5>(most);
        self.order::<6>(most);
        self.order::<7>(most);
        self.order::<8>(most);
        self.phase::<8>(most);
        self.phase::<7>(most);
        self.phase::<6>(most);
        self.phase::<5>(most);
        self.phase::<4>(most);
        self.phase::<3>(most);
        self.phase::<2>(most);
        self.phase::<1>(most);
        self.phase::<0>(most);
        for lane in 0..LANES {
            self.height[lane] = (self.heap[lane][1] & HEIGHT) >> HEIGHT_SHIFT;
        }
    }

    #[inline(always)]
    fn order<const LEVELS: u32>(&mut self, most: usize) {
        for place in (((most >> (LEVELS + 1)) + 1)..=most >> LEVELS).rev() {
            for heap in &mut self.heap {
                let v = heap[place];
                sift::<LEVELS>(heap, place, v);
            }
        }
    }

    #[inline(never)]
    fn phase<const LEVELS: u32>(&mut self, most: usize) {
        for h in (((1 << LEVELS) + 1)..=most.min(2 << LEVELS)).rev() {
            let mut leasts = [0; LANES];
            for lane in 0..LANES {
                let heap = &mut self.heap[lane];
                let active = self.symbols[lane] >= h as u32;
                leasts[lane] = heap[1];
                let last = std::mem::replace(&mut heap[h], EMPTY);
                let last = select_unpredictable(active, last, heap[1]);
                sift::<LEVELS>(heap, 1, last);
            }
            for lane in 0..LANES {
                let heap = &mut self.heap[lane];
                let active = self.symbols[lane] >= h as u32;
                let (least, next) = (leasts[lane], heap[1]);
                let frequency = (least >> FREQUENCY_SHIFT) + (next >> FREQUENCY_SHIFT);
                let height = (least & HEIGHT).max(next & HEIGHT) + (1 << HEIGHT_SHIFT);
                self.bits[lane] = self.bits[lane].wrapping_add(select_unpredictable(active, frequency, 0));
                let none = (NO_NODE as u32) << 4 | (NO_NODE as u32) << 20;
                self.merges[h][lane] = select_unpredictable(active, (least & NODE) << 4 | (next & NODE) << 20, none);
                let node = frequency << FREQUENCY_SHIFT | height | (INNER + h) as u32;
                sift::<LEVELS>(heap, 1, select_unpredictable(active, node, next));
            }
        }
    }

    #[inline(never)]
    fn measure(&mut self, most: usize) {
        self.lengths[INNER + 2] = [0; LANES];
        let flat = self.lengths.as_flattened_mut();
        for h in 2..=most {
            for lane in 0..LANES {
                let length = flat[(INNER + h) * LANES + lane].wrapping_add(1);
                let merge = self.merges[h][lane];
                flat[(merge & 0xffff) as usize + lane] = length;
                flat[(merge >> 16) as usize + lane] = length;
            }
        }
    }
}

#[inline(always)]
fn sift<const LEVELS: u32>(heap: &mut [u32; PLACES + 64], mut place: usize, mut v: u32) {
    for _ in 0..LEVELS {
        let (left, right) = (heap[(2 * place) & (PLACES - 1)], heap[(2 * place + 1) & (PLACES - 1)]);
        let right_rises = right <= left | NODE;
        let least = select_unpredictable(right_rises, right, left);
        let sinks = v > least | NODE;
        heap[place & (PLACES - 1)] = select_unpredictable(sinks, least, v);
        v = select_unpredictable(sinks, v, least);
        place = 2 * place + usize::from(right_rises);
    }
    heap[place & (PLACES - 1)] = v;
}

#[cfg(test)]
mod tests {
    use flate2::{Compress, Compression, FlushCompress};

    use super::super::tokens_by_hand;
    use super::*;

    /// Bytes of the raw DEFLATE stream that zlib makes.
    fn zlib_bytes(text: &[u8]) -> u32 {
        let mut output = vec![0; text.len() + 1_000];
        let mut stream = Compress::new(Compression::new(9), false);
        stream.compress(text, &mut output, FlushCompress::Finish).unwrap();
        assert_eq!(stream.total_in(), text.len() as u64);
        stream.total_out() as u32
    }

    fn check(texts: &[Vec<u8>]) {
        for batch in texts.chunks(LANES) {
            let mut counts = Counts([[0; LANES]; ROWS]);
            let mut bytes = [0; LANES];
            let mut sizes = [0; LANES];
            for lane in 0..LANES {
                let text = batch.get(lane).map_or(&[][..], |text| text);
                tokens_by_hand::count(text, &mut counts, lane);
                bytes[lane] = text.len() as u32;
            }
            for mut huffman in [Huffman::new(super::super::avx2::Avx2::detect()), Huffman::portable()] {
                huffman.sizes(&counts, &bytes, &mut sizes);
                for (text, size) in batch.iter().zip(sizes) {
                    assert_eq!(size, zlib_bytes(text), "{} bytes: {:?}", text.len(), &text[..text.len().min(80)]);
                }
            }
        }
    }

    struct Noise(u64);
    impl Noise {
        fn next(&mut self) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0
        }
    }

    #[test]
    fn sizes_are_those_of_zlib() {
        let mut noise = Noise(88_172_645_463_325_252);
        let mut texts: Vec<Vec<u8>> = (0..6).map(|bytes| b"abcab"[..bytes].to_vec()).collect();
        for alphabet in [1, 2, 3, 4, 5, 20, 60, 100, 256] {
            for bytes in [6, 100, 258, 300, 1000, 4000, 16_000] {
                texts.push((0..bytes).map(|_| (noise.next() % alphabet) as u8).collect());
                let skew = |noise: &mut Noise| ((noise.next() % alphabet) * (noise.next() % alphabet) / alphabet) as u8;
                texts.push((0..bytes).map(|_| 60_u8.wrapping_add(skew(&mut noise))).collect());
            }
        }
        let code = include_bytes!("../codec/mod.rs");
        for start in (0..code.len() - 1000).step_by(777) {
            texts.push(code[start..code.len().min(start + 300 + start % 11_000)].to_vec());
        }
        // Fibonacci frequencies, in an order that has no matches of three.
        let mut fib = vec![];
        let (mut a, mut b) = (1, 1);
        for symbol in 0..18_u8 {
            fib.extend(std::iter::repeat_n(symbol * 7, a));
            (a, b) = (b, a + b);
        }
        for _ in 0..20 {
            for i in (1..fib.len()).rev() {
                fib.swap(i, noise.next() as usize % (i + 1));
            }
            texts.push(fib.clone());
        }
        check(&texts);
    }

    fn random(noise: &mut Noise, counts: &mut Counts, lane: usize) {
        counts.0.iter_mut().for_each(|row| row[lane] = 0);
        counts.0[256][lane] = 1;
        let symbols = 1 + noise.next() as usize % [2, 5, 20, 80, 120, 286][noise.next() as usize % 6];
        let distances = noise.next() as usize % [1, 2, 3, 10, 31][noise.next() as usize % 5];
        let kind = noise.next() % 5;
        let mut total = 1;
        let (mut a, mut b) = (1, 1);
        for i in 0..symbols + distances {
            let row = if i < symbols { noise.next() as usize % 286 } else { 288 + noise.next() as usize % 30 };
            if i == symbols {
                (a, b, total) = (1, 1, 1);
            }
            let count = match kind {
                0 => 1,
                1 => 1 + noise.next() % 2,
                2 => 1 + noise.next() % 50,
                3 => 1 << (noise.next() % 11),
                _ => {
                    (a, b) = (b, (a + b).min(20_000));
                    a
                }
            };
            if row == 256 || counts.0[row][lane] != 0 || total + count > 16_383 {
                continue;
            }
            total += count;
            counts.0[row][lane] = count as u16;
        }
    }

    #[test]
    fn fast_ways_equal_the_plain_one() {
        let mut noise = Noise(88_172_645_463_325_252);
        let (mut avx2, mut portable) = (Huffman::new(super::super::avx2::Avx2::detect()), Huffman::portable());
        for round in 0..std::env::var("ROUNDS").map_or(100, |r| r.parse().unwrap()) {
            let mut counts = Counts([[0; LANES]; ROWS]);
            for lane in 0..LANES {
                random(&mut noise, &mut counts, lane);
            }
            let mut sizes = [[0; LANES]; 2];
            avx2.sizes(&counts, &[60_000; LANES], &mut sizes[0]);
            portable.sizes(&counts, &[60_000; LANES], &mut sizes[1]);
            let (extra, fixed) = extra_and_fixed_bits(&counts);
            let plain: [u32; LANES] =
                std::array::from_fn(|lane| (trees::dynamic_bits(&counts, lane) + extra[lane]).min(fixed[lane]).wrapping_add(10) >> 3);
            assert_eq!(sizes, [plain; 2], "{round}");
        }
    }
}
