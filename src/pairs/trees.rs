//! The two Huffman trees of one DEFLATE block, built step by step as zlib builds them: the plain form of
//! [`huffman`](super::huffman), its oracle in tests and its way out for the rare block that breaks a limit.
//!
//! RFC 1951, section 3.2.7, says how code lengths are written, not which lengths to choose: any prefix code would do.
//! To the byte the choices count, and they are these. A heap takes out the two nodes of least (frequency, depth)
//! again and again; which of several equal nodes comes out first is left to the heap's own instability, and shows
//! afterwards in how well the lengths run together. Codes longer than the limit are shortened to it, and the lengths
//! dealt out anew in the order in which nodes left the heap. At least two codes exist. Cost: s log s for s symbols.

use super::huffman::{Counts, FIRST_DISTANCE};

/// Literals, the end of block and match lengths; distances; and the code that code lengths are written in.
pub(super) const LITERALS: usize = 286;
pub(super) const DISTANCES: usize = 30;
pub(super) const LENGTH_SYMBOLS: usize = 19;

/// Nodes of the largest tree: its leaves, and one fewer inside. The node numbers of zlib start the inner ones at the
/// alphabet's size, whatever is used of it.
const MAX_NODES: usize = 2 * LITERALS;

/// Longest code, in bits, for literals and distances, and for code lengths (RFC 1951, section 3.2.7).
pub(super) const MAX_BITS: usize = 15;
pub(super) const MAX_LENGTH_BITS: usize = 7;

/// Code-length symbols that repeat: the last length 3-6 times, zero 3-10 times, zero 11-138 times.
pub(super) const REPEAT: usize = 16;
pub(super) const ZEROS: usize = 17;
pub(super) const MANY_ZEROS: usize = 18;

/// Bits of a repeat count behind each of the three symbols that repeat.
pub(super) const REPEAT_EXTRA_BITS: [u32; 3] = [2, 3, 7];

/// The order in which the lengths of the code-length code are sent; those at its end are left out if they are zero,
/// down to four.
pub(super) const SENDING_ORDER: [usize; LENGTH_SYMBOLS] =
    [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// Bits of one block: codes with trees of its own, header included. Without the 3 bits that start a block, and
/// without the extra bits of lengths and distances, which no tree changes.
pub(super) fn dynamic_bits(counts: &Counts, lane: usize) -> u32 {
    let column = |first: usize, rows: usize| counts.0[first..first + rows].iter().map(move |row| u32::from(row[lane]));
    let literals = Tree::build(column(0, LITERALS), MAX_BITS);
    let distances = Tree::build(column(FIRST_DISTANCE, DISTANCES), MAX_BITS);
    let mut used = [0; LENGTH_SYMBOLS];
    count_length_symbols(literals.lengths(), &mut used);
    count_length_symbols(distances.lengths(), &mut used);
    let lengths = Tree::build(used.into_iter(), MAX_LENGTH_BITS);
    let repeats: u32 = (REPEAT..).zip(REPEAT_EXTRA_BITS).map(|(symbol, bits)| used[symbol] * bits).sum();
    let sent = (4..=LENGTH_SYMBOLS).rev().find(|&sent| used[SENDING_ORDER[sent - 1]] > 0).unwrap_or(4);
    literals.bits + distances.bits + lengths.bits + repeats + header_bits(sent as u32)
}

/// Bits of a block's header besides the coded lengths: three counts, and `sent` lengths of the code-length code.
pub(super) const fn header_bits(sent: u32) -> u32 {
    5 + 5 + 4 + 3 * sent
}

/// Count the code-length symbols that `lengths` are written with.
fn count_length_symbols(lengths: &[u8], used: &mut [u32; LENGTH_SYMBOLS]) {
    for run in lengths.chunk_by(|a, b| a == b) {
        let length = usize::from(run[0]);
        let mut rest = run.len();
        if length > 0 {
            // A repeat needs something to repeat, so the first is written out.
            used[length] += 1;
            rest -= 1;
        }
        while rest > 0 {
            let (symbol, longest) = match (length, rest) {
                (_, ..3) => (length, 1),
                (0, 3..11) => (ZEROS, 10),
                (0, _) => (MANY_ZEROS, 138),
                _ => (REPEAT, 6),
            };
            used[symbol] += 1;
            rest -= rest.min(longest);
        }
    }
}

/// One Huffman tree.
struct Tree {
    /// Frequency and height of each node: what the heap compares.
    frequency: [u32; MAX_NODES],
    height: [u8; MAX_NODES],
    parent: [u16; MAX_NODES],
    /// Nodes in the order in which they leave the heap, the root last, and how many have left it.
    out: [u16; MAX_NODES],
    left: usize,
    /// Code length of each symbol; of inner nodes, their distance from the root.
    length: [u8; MAX_NODES],
    /// Symbols up to the last that has a code.
    coded: usize,
    /// Bits of all symbols.
    bits: u32,
}

impl Tree {
    fn build(frequencies: impl ExactSizeIterator<Item = u32>, max_bits: usize) -> Tree {
        let symbols = frequencies.len();
        let mut tree = Tree {
            frequency: [0; MAX_NODES],
            height: [0; MAX_NODES],
            parent: [0; MAX_NODES],
            out: [0; MAX_NODES],
            left: 0,
            length: [0; MAX_NODES],
            coded: 0,
            bits: 0,
        };
        let mut heap = Heap { node: [0; LITERALS + 2], len: 0 };
        for (symbol, frequency) in frequencies.enumerate().filter(|&(_, frequency)| frequency > 0) {
            tree.frequency[symbol] = frequency;
            tree.coded = symbol + 1;
            heap.append(symbol);
        }
        let mut forced = 0;
        while heap.len < 2 {
            let symbol = if tree.coded < 3 { tree.coded } else { 0 };
            tree.coded = tree.coded.max(symbol + 1);
            tree.frequency[symbol] = 1;
            heap.append(symbol);
            forced += 1;
        }
        tree.merge(&mut heap, symbols);
        tree.measure(symbols, max_bits);
        // A code that was only forced is never sent.
        tree.bits -= forced;
        tree
    }

    fn lengths(&self) -> &[u8] {
        &self.length[..self.coded]
    }

    /// Merge down to one node.
    fn merge(&mut self, heap: &mut Heap, symbols: usize) {
        for place in (1..=heap.len / 2).rev() {
            heap.sift(self, place);
        }
        let mut node = symbols;
        while heap.len > 1 {
            let least = heap.node[1];
            heap.node[1] = heap.node[heap.len];
            heap.len -= 1;
            heap.sift(self, 1);
            let next = heap.node[1];
            self.leave(least);
            self.leave(next);
            self.frequency[node] = self.frequency[least] + self.frequency[next];
            self.height[node] = self.height[least].max(self.height[next]) + 1;
            self.parent[least] = node as u16;
            self.parent[next] = node as u16;
            heap.node[1] = node;
            heap.sift(self, 1);
            node += 1;
        }
        self.leave(heap.node[1]);
    }

    fn leave(&mut self, node: usize) {
        self.out[self.left] = node as u16;
        self.left += 1;
    }

    /// Code lengths, and the bits of all symbols.
    fn measure(&mut self, symbols: usize, max_bits: usize) {
        let out = self.out.map(usize::from);
        let out = &out[..self.left];
        let mut codes = [0_usize; MAX_BITS + 1];
        let mut too_long = 0_usize;
        for &node in out.iter().rev().skip(1) {
            let length = usize::from(self.length[usize::from(self.parent[node])]) + 1;
            // Inner nodes are cut as well, and counted: what hangs below them is at the limit too.
            too_long += usize::from(length > max_bits);
            self.length[node] = length.min(max_bits) as u8;
            if node < symbols {
                codes[length.min(max_bits)] += 1;
            }
        }
        if too_long > 0 {
            shorten(&mut codes, too_long, max_bits);
            let mut leaves = out.iter().filter(|&&node| node < symbols);
            for length in (1..=max_bits).rev() {
                for &leaf in leaves.by_ref().take(codes[length]) {
                    self.length[leaf] = length as u8;
                }
            }
        }
        self.bits = (0..symbols).map(|symbol| self.frequency[symbol] * u32::from(self.length[symbol])).sum();
    }
}

/// Make `codes[length]` a complete code again after `too_long` nodes, which come in pairs, were cut to the longest
/// length.
fn shorten(codes: &mut [usize; MAX_BITS + 1], too_long: usize, max_bits: usize) {
    for _ in 0..too_long / 2 {
        // The longest code that can still grow makes room for itself and one of the cut ones beside it.
        let mut length = max_bits - 1;
        while codes[length] == 0 {
            length -= 1;
        }
        codes[length] -= 1;
        codes[length + 1] += 2;
        codes[max_bits] -= 1;
    }
}

/// zlib's heap: node numbers, the least at place 1, the children of place i at 2i and 2i + 1.
struct Heap {
    node: [usize; LITERALS + 2],
    len: usize,
}

impl Heap {
    fn append(&mut self, node: usize) {
        self.len += 1;
        self.node[self.len] = node;
    }

    /// Let the node at `place` sink to where no child is smaller.
    fn sift(&mut self, tree: &Tree, mut place: usize) {
        let order = |node: usize| (tree.frequency[node], tree.height[node]);
        let sinking = self.node[place];
        while 2 * place <= self.len {
            let mut child = 2 * place;
            // Among equal children the right one rises, and an equal child does not rise above the sinking node.
            if child < self.len && order(self.node[child + 1]) <= order(self.node[child]) {
                child += 1;
            }
            if order(sinking) <= order(self.node[child]) {
                break;
            }
            self.node[place] = self.node[child];
            place = child;
        }
        self.node[place] = sinking;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIBONACCI: [u32; 19] = [1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377, 610, 987, 1_597, 2_584, 4_181];

    /// Parts of 2^-15 that the codes take of the code space.
    fn taken(lengths: &[u8]) -> u32 {
        lengths.iter().filter(|&&length| length > 0).map(|&length| 1 << (MAX_BITS - usize::from(length))).sum()
    }

    #[test]
    fn a_deep_tree_is_cut_to_a_complete_code() {
        // Uncut, the first of s such symbols has s - 1 bits.
        for (symbols, limit) in [(19, MAX_BITS), (12, MAX_LENGTH_BITS)] {
            let tree = Tree::build(FIBONACCI[..symbols].iter().copied(), limit);
            assert_eq!(usize::from(tree.lengths()[0]), limit);
            assert_eq!(taken(tree.lengths()), 1 << MAX_BITS);
        }
    }
}
