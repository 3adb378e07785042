//! Huffman trees of sixteen joined texts at once: zlib's heap, in step.
//!
//! [`trees`](super::trees) says what zlib does; here it is done without a branch that depends on the texts.
//! A node is one number: frequency, height and name, so that one comparison is zlib's. Sinking always walks down as
//! many levels as the heap has: at each the smaller of child and sinking node stays and the larger goes on, so that
//! once the node has found its place, what goes on is what was there already. Places beyond a heap's end hold a number
//! larger than any node. All lanes end together: a lane with fewer nodes than the fullest waits until the heap has
//! shrunk to its size, so the place of the last node, the number of levels and the names of merged nodes are the same
//! in all lanes. The bits of a tree's symbols are the sum of all merged frequencies; the code lengths, which the header
//! needs, come from one pass over the merges from the root down.
//!
//! Cost for s symbols a lane: 2 s log s steps of a few instructions; in the AVX2 form (`lanes_avx2.rs`, the
//! same heap) of a few for eight lanes. Lanes of similar s waste least.
//! Not here: codes longer than the limit; `height` tells, and `huffman` takes [`trees`](super::trees) for them.

use std::hint::select_unpredictable;

use super::huffman::{Counts, ROWS};
use super::lanes::LANES;
use super::trees::LITERALS;

/// A node: frequency from bit 15 up, height in 5 bits, name in 10. A root's frequency is below 2^14; a height is at
/// most 21, as a tree of height 22 has at least 28,657 symbols (Fibonacci); names end below [`NODES`].
pub(super) const FREQUENCY_SHIFT: u32 = 15;
pub(super) const HEIGHT_SHIFT: u32 = 10;
pub(super) const NAME: u32 = (1 << HEIGHT_SHIFT) - 1;
pub(super) const HEIGHT: u32 = (1 << FREQUENCY_SHIFT) - (1 << HEIGHT_SHIFT);

/// A place without a node: larger than any node, as a signed number too.
pub(super) const EMPTY: u32 = i32::MAX as u32;

/// Names: of a leaf its row of [`Counts`]; of a merged node `INNER` plus the nodes that its heap had before; `NONE`
/// where a lane waits.
pub(super) const INNER: usize = ROWS;
pub(super) const NONE: usize = INNER + LITERALS + 1;
const NODES: usize = NONE + 1;

/// A merge is two names times [`LANES`], which makes them offsets into the lengths; 16 bits each.
pub(super) const NAME_SHIFT: u32 = LANES.ilog2();
pub(super) const SECOND_SHIFT: u32 = 16 + NAME_SHIFT;
pub(super) const WAITS: u32 = (NONE as u32) << NAME_SHIFT | (NONE as u32) << SECOND_SHIFT;

/// Places of a heap that sinking can reach: 286 symbols make 8 levels.
const PLACES: usize = 512;

/// Numbers from one lane's heap to the next. The odd 64 spread the sixteen heaps' first places over the sets of a cache;
/// 16 in their place made no measurable difference, so the value is arbitrary.
pub(super) const STRIDE: usize = PLACES + 64;

/// Heaps, trees, and what came of the tree built last.
#[repr(align(32))]
pub(super) struct Forest {
    /// The least node of each lane is at place 1, the children of place i are at 2i and 2i + 1.
    pub heap: [[u32; STRIDE]; LANES],
    /// By nodes in the heap before the merge.
    pub merges: [[u32; LANES]; LITERALS + 1],
    /// Leaves of each tree.
    pub symbols: [u32; LANES],
    /// Bits of all symbols.
    pub bits: [u32; LANES],
    /// Length of the longest code.
    pub height: [u32; LANES],
    /// Rows that have a code in any lane (a few more may be among them), in order, and their counts.
    rows: [u16; LITERALS],
    counts: [[u16; LANES]; LITERALS],
    used: usize,
    /// Code length by name.
    pub lengths: [[u8; LANES]; NODES],
}

impl Forest {
    #[expect(clippy::large_stack_arrays, reason = "once a worker, on their way to the heap")]
    pub fn new() -> Forest {
        Forest {
            heap: [[EMPTY; STRIDE]; LANES],
            merges: [[0; LANES]; LITERALS + 1],
            symbols: [0; LANES],
            bits: [0; LANES],
            height: [0; LANES],
            rows: [0; LITERALS],
            counts: [[0; LANES]; LITERALS],
            used: 0,
            lengths: [[0; LANES]; NODES],
        }
    }

    /// Rows in use, in order.
    pub fn rows(&self) -> &[u16] {
        &self.rows[..self.used]
    }

    /// Nodes of the fullest heap.
    pub fn most(&self) -> usize {
        self.symbols.iter().fold(0, |most, &symbols| most.max(symbols)) as usize
    }

    /// Put the symbols of one alphabet, from row `first` on, into the heaps.
    pub fn plant(&mut self, counts: &Counts, first: usize, symbols: usize) {
        self.used = 0;
        for row in first..first + symbols {
            self.rows[self.used] = row as u16;
            self.counts[self.used] = counts.0[row];
            let any = counts.0[row].iter().fold(0, |any, &count| any | count) > 0;
            // The first three can get a code without being used.
            self.used += usize::from(any || row < first + 3);
        }
        for lane in 0..LANES {
            let heap = &mut self.heap[lane];
            let mut nodes = 0;
            for (&row, counts) in self.rows[..self.used].iter().zip(&self.counts) {
                let count = u32::from(counts[lane]);
                heap[(nodes + 1) % PLACES] = leaf(count, usize::from(row));
                nodes += usize::from(count > 0);
            }
            let forced = 2_usize.saturating_sub(nodes);
            for _ in 0..forced {
                // zlib's choice for want of symbols: the next of the first three, else the first.
                let last = (nodes > 0).then(|| (heap[nodes] & NAME) as usize - first);
                let symbol = last.filter(|&last| last < 2).map_or(0, |last| last + 1);
                nodes += 1;
                heap[nodes] = leaf(1, first + symbol);
            }
            heap[nodes + 1] = EMPTY;
            self.symbols[lane] = nodes as u32;
            // A code that was only forced is never sent. The merges make up for the wrap below zero.
            self.bits[lane] = 0_u32.wrapping_sub(forced as u32);
        }
    }

    /// Merge the nodes of each lane down to one; leaves the heaps empty but for the root.
    pub fn merge(&mut self, most: usize) {
        const ORDER: [fn(&mut Forest, usize); 8] = [
            Forest::order::<1>,
            Forest::order::<2>,
            Forest::order::<3>,
            Forest::order::<4>,
            Forest::order::<5>,
            Forest::order::<6>,
            Forest::order::<7>,
            Forest::order::<8>,
        ];
        const SHRINK: [fn(&mut Forest, usize); 9] = [
            Forest::shrink::<8>,
            Forest::shrink::<7>,
            Forest::shrink::<6>,
            Forest::shrink::<5>,
            Forest::shrink::<4>,
            Forest::shrink::<3>,
            Forest::shrink::<2>,
            Forest::shrink::<1>,
            Forest::shrink::<0>,
        ];
        for step in ORDER.into_iter().chain(SHRINK) {
            step(self, most);
        }
        for lane in 0..LANES {
            self.height[lane] = (self.heap[lane][1] & HEIGHT) >> HEIGHT_SHIFT;
        }
    }

    /// Let the nodes sink that have this many levels below them, the last first.
    fn order<const LEVELS: u32>(&mut self, most: usize) {
        for place in parents(most, LEVELS).rev() {
            for heap in &mut self.heap {
                sink::<LEVELS>(heap, place, heap[place]);
            }
        }
    }

    /// Merge while the heap, one node less, has this many levels below its root.
    fn shrink<const LEVELS: u32>(&mut self, most: usize) {
        for nodes in sizes(most, LEVELS).rev() {
            let mut least = [0; LANES];
            for (lane, least) in least.iter_mut().enumerate() {
                let heap = &mut self.heap[lane];
                *least = heap[1];
                let last = std::mem::replace(&mut heap[nodes], EMPTY);
                let waits = self.symbols[lane] < nodes as u32;
                sink::<LEVELS>(heap, 1, select_unpredictable(waits, heap[1], last));
            }
            // Lanes in the inner loops: the work of one lane hides the latency of another's.
            for (lane, least) in least.into_iter().enumerate() {
                let heap = &mut self.heap[lane];
                let next = heap[1];
                let frequency = (least >> FREQUENCY_SHIFT) + (next >> FREQUENCY_SHIFT);
                let height = (least & HEIGHT).max(next & HEIGHT) + (1 << HEIGHT_SHIFT);
                let merged = frequency << FREQUENCY_SHIFT | height | (INNER + nodes) as u32;
                let names = (least & NAME) << NAME_SHIFT | (next & NAME) << SECOND_SHIFT;
                let waits = self.symbols[lane] < nodes as u32;
                self.merges[nodes][lane] = select_unpredictable(waits, WAITS, names);
                self.bits[lane] = self.bits[lane].wrapping_add(select_unpredictable(waits, 0, frequency));
                sink::<LEVELS>(heap, 1, select_unpredictable(waits, next, merged));
            }
        }
    }

    /// Code lengths from the merges. Rows that are not in use keep theirs.
    pub fn measure(&mut self, most: usize) {
        self.lengths[INNER + 2] = [0; LANES];
        let lengths = self.lengths.as_flattened_mut();
        for nodes in 2..=most {
            for (lane, merge) in self.merges[nodes].into_iter().enumerate() {
                // Where a lane waits, this is a leftover, and goes to `NONE`.
                let length = lengths[(INNER + nodes) * LANES + lane].wrapping_add(1);
                lengths[(merge & 0xffff) as usize + lane] = length;
                lengths[(merge >> 16) as usize + lane] = length;
            }
        }
    }
}

fn leaf(frequency: u32, row: usize) -> u32 {
    frequency << FREQUENCY_SHIFT | row as u32
}

/// Places of a heap that have `levels` levels below them.
pub(super) fn parents(nodes: usize, levels: u32) -> std::ops::RangeInclusive<usize> {
    (nodes >> (levels + 1)) + 1..=nodes >> levels
}

/// Sizes of a heap, up to `most`, that has `levels` levels below its root after it has lost a node.
pub(super) fn sizes(most: usize, levels: u32) -> std::ops::RangeInclusive<usize> {
    (1 << levels) + 1..=most.min(2 << levels)
}

/// Let `node` sink from `place`, which has `LEVELS` levels below it.
fn sink<const LEVELS: u32>(heap: &mut [u32; STRIDE], mut place: usize, mut node: u32) {
    for _ in 0..LEVELS {
        let (left, right) = (heap[2 * place % PLACES], heap[(2 * place + 1) % PLACES]);
        // Names do not count: of equal children the right one rises, above an equal one the sinking node stays.
        let right_rises = right <= left | NAME;
        let child = select_unpredictable(right_rises, right, left);
        let child_rises = node > child | NAME;
        heap[place % PLACES] = select_unpredictable(child_rises, child, node);
        node = select_unpredictable(child_rises, node, child);
        place = 2 * place + usize::from(right_rises);
    }
    heap[place % PLACES] = node;
}
