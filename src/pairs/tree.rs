//! The suffix tree of a block of targets.
//!
//! A leaf is a slot with at least three bytes of its target left; its suffix ends where its target ends, and after 258
//! bytes, the longest match, so that no depth exceeds 258. An inner node is a maximal set of leaves with a common
//! prefix of at least three bytes: an interval of the leaves in lexicographic order. The nodes that no other encloses
//! are the *tops*; a table leads to them from their first three bytes.
//!
//! Layout: siblings lie side by side, so that a child is found by comparing up to eight first bytes at once and needs
//! no link; a node lies before all that is below it, and what is below a top lies together.
//!
//! Cost: sorting by eight bytes at a time, equal ones further down: O(len log len) for prose and code, at most 33
//! passes over texts that are all equal; the rest in linear time. Memory: 13 bytes a node and leaf.

use std::cmp::Reverse;

use super::level9::{MIN_MATCH, common_prefix, eight_bytes};

/// Leaves `first..=last`, which have `depth` bytes in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    pub first: u16,
    pub last: u16,
    /// For a leaf all bytes of its suffix, at most 258.
    pub depth: u16,
    /// A slot where these bytes stand.
    pub slot: u16,
    /// Index of the first child `<< 9 |` number of children.
    children: u32,
}

impl Node {
    const COUNT_BITS: u32 = 9;

    pub fn is_leaf(&self) -> bool {
        self.first == self.last
    }

    pub fn first_child(&self) -> usize {
        (self.children >> Node::COUNT_BITS) as usize
    }

    fn child_count(&self) -> usize {
        (self.children & ((1 << Node::COUNT_BITS) - 1)) as usize
    }
}

pub(super) struct Tree {
    /// Nodes and leaves, the tops first.
    pub nodes: Vec<Node>,
    pub tops: usize,
    /// Slot of each leaf, in lexicographic order of the suffixes.
    pub slot: Vec<u16>,
    /// The byte of each node by which its parent leads to it, and eight more, so that eight can be read anywhere.
    bytes: Vec<u8>,
    trigrams: Trigrams,
}

/// What is needed only while the index is built: the node above each node, and the lowest above each slot.
pub(super) struct Parents {
    pub of_node: Vec<Option<u32>>,
    pub of_slot: Vec<Option<u32>>,
}

impl Tree {
    /// The tree of all slots with at least three bytes left; `rest` has the bytes left (at most 258) of each.
    pub fn new(text: &[u8], rest: &[u16]) -> (Tree, Parents) {
        let slot = sorted_suffixes(text, rest);
        let depth: Vec<u16> = slot.iter().map(|&slot| rest[usize::from(slot)]).collect();
        let intervals = intervals(&shared_with_previous(text, &slot, &depth));
        Layout { text, slot: &slot, depth: &depth, intervals: &intervals }.build()
    }

    /// The top whose leaves begin with these three bytes.
    pub fn top(&self, three: u32) -> Option<u32> {
        self.trigrams.get(three)
    }

    /// The child of a node whose edge begins with this byte.
    #[inline]
    pub fn child(&self, node: &Node, byte: u8) -> Option<usize> {
        let (first, count) = (node.first_child(), node.child_count());
        // In the difference to eight copies of the byte, the lowest zero byte is where it stands.
        let difference = eight_bytes(&self.bytes, first) ^ (u64::from(byte) * ONES);
        let zeros = difference.wrapping_sub(ONES) & !difference & (ONES << 7);
        let mut at = (zeros.trailing_zeros() / 8) as usize;
        if at == 8 && count > 8 {
            let more = &self.bytes[first + 8..first + count];
            at += more.iter().position(|&first| first == byte).unwrap_or(more.len());
        }
        (at < count).then_some(first + at)
    }
}

const ONES: u64 = 0x0101_0101_0101_0101;

/// Three bytes as one number.
pub(super) fn trigram(text: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([text[at], text[at + 1], text[at + 2], 0])
}

/// Slots with at least three bytes left, sorted by the bytes that are left.
fn sorted_suffixes(text: &[u8], rest: &[u16]) -> Vec<u16> {
    // Up to eight bytes as a number, and how many there are: a text sorts before a longer one that goes on with zeros.
    let key = |slot: u16, depth: usize| {
        let (at, rest) = (usize::from(slot) + depth, usize::from(rest[usize::from(slot)]) - depth);
        let mut eight = [0; 8];
        let bytes = rest.min(8);
        eight[..bytes].copy_from_slice(&text[at..at + bytes]);
        (u64::from_be_bytes(eight), bytes as u16, slot)
    };
    let mut slots: Vec<u16> =
        (0..rest.len()).filter(|&slot| usize::from(rest[slot]) >= MIN_MATCH).map(|slot| slot as u16).collect();
    let mut keys = Vec::new();
    let mut groups = vec![(0..slots.len(), 0)];
    while let Some((group, depth)) = groups.pop() {
        keys.clear();
        keys.extend(slots[group.clone()].iter().map(|&slot| key(slot, depth)));
        keys.sort_unstable();
        for (sorted, &(.., slot)) in slots[group.clone()].iter_mut().zip(&keys) {
            *sorted = slot;
        }
        let mut from = group.start;
        for equal in keys.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            if equal.len() > 1 && equal[0].1 == 8 {
                groups.push((from..from + equal.len(), depth + 8));
            }
            from += equal.len();
        }
    }
    slots
}

/// Bytes that each leaf shares with the leaf before; 0 for the first.
fn shared_with_previous(text: &[u8], slot: &[u16], depth: &[u16]) -> Vec<u16> {
    let mut shared = vec![0; slot.len()];
    for (leaf, pair) in (1..).zip(slot.windows(2)) {
        let most = usize::from(depth[leaf - 1].min(depth[leaf]));
        let [a, b] = [pair[0], pair[1]].map(|slot| &text[usize::from(slot)..]);
        shared[leaf] = common_prefix(a, b, most) as u16;
    }
    shared
}

/// Leaves `first..=last` with `depth` bytes in common.
struct Interval {
    first: usize,
    last: usize,
    depth: u16,
    /// Index after the intervals inside this one, which follow it directly.
    end: usize,
}

/// All maximal intervals of leaves with at least three bytes in common, each before those inside it.
fn intervals(shared: &[u16]) -> Vec<Interval> {
    let mut found = Vec::new();
    let mut open: Vec<(usize, u16)> = Vec::new();
    for next in 1..=shared.len() {
        let depth = shared.get(next).copied().filter(|&depth| usize::from(depth) >= MIN_MATCH).unwrap_or(0);
        let mut first = next - 1;
        while let Some((begun, ended)) = open.pop_if(|&mut (_, open)| open > depth) {
            found.push(Interval { first: begun, last: next - 1, depth: ended, end: 0 });
            first = begun;
        }
        if depth > 0 && open.last().is_none_or(|&(_, open)| open < depth) {
            open.push((first, depth));
        }
    }
    found.sort_unstable_by_key(|interval| (interval.first, Reverse(interval.last)));
    let mut open: Vec<usize> = Vec::new();
    for index in 0..=found.len() {
        let first = found.get(index).map_or(usize::MAX, |interval| interval.first);
        while let Some(ended) = open.pop_if(|open| found[*open].last < first) {
            found[ended].end = index;
        }
        open.push(index);
    }
    found
}

/// Puts nodes and leaves into the order of the tree.
struct Layout<'a> {
    text: &'a [u8],
    slot: &'a [u16],
    depth: &'a [u16],
    intervals: &'a [Interval],
}

impl Layout<'_> {
    fn build(&self) -> (Tree, Parents) {
        let mut tree = Tree {
            nodes: Vec::new(),
            tops: 0,
            slot: self.slot.to_vec(),
            bytes: Vec::new(),
            trigrams: Trigrams::default(),
        };
        let mut parents = Parents { of_node: Vec::new(), of_slot: vec![None; self.text.len()] };
        let mut waiting = Vec::new();
        self.place_children(None, &mut tree, &mut parents, &mut waiting);
        tree.tops = tree.nodes.len();
        while let Some((node, interval)) = waiting.pop() {
            self.place_children(Some((node, interval)), &mut tree, &mut parents, &mut waiting);
        }
        // What is below a top ends where the next one's begins; for a leaf it is empty.
        let mut next = (tree.nodes.len() as u32) << Node::COUNT_BITS;
        for top in tree.nodes[..tree.tops].iter_mut().rev() {
            if top.is_leaf() {
                top.children = next & !((1 << Node::COUNT_BITS) - 1);
            }
            next = top.children;
        }
        tree.trigrams = Trigrams::new(tree.nodes[..tree.tops].iter().map(|top| trigram(self.text, top.slot.into())));
        tree.bytes.extend([0; 8]);
        // An index lives as long as its run; the slack of growing vectors would live as long.
        tree.bytes.shrink_to_fit();
        tree.nodes.shrink_to_fit();
        (tree, parents)
    }

    /// Append the children of a node (or of the root), and note those whose own children are to come.
    fn place_children(
        &self,
        parent: Option<(u32, usize)>,
        tree: &mut Tree,
        parents: &mut Parents,
        waiting: &mut Vec<(u32, usize)>,
    ) {
        let first_child = tree.nodes.len();
        let above = parent.map(|(node, _)| node);
        let (mut leaf, last, depth, mut inside, end) = match parent {
            Some((_, index)) => {
                let interval = &self.intervals[index];
                (interval.first, interval.last + 1, interval.depth, index + 1, interval.end)
            }
            None => (0, self.slot.len(), 0, 0, self.intervals.len()),
        };
        let first_waiting = waiting.len();
        while leaf < last {
            let slot = self.slot[leaf];
            let inner = self.intervals[..end].get(inside).filter(|inner| inner.first == leaf);
            let node = match inner {
                Some(inner) => {
                    Node { first: leaf as u16, last: inner.last as u16, depth: inner.depth, slot, children: 0 }
                }
                None => Node { first: leaf as u16, last: leaf as u16, depth: self.depth[leaf], slot, children: 0 },
            };
            if let Some(inner) = inner {
                waiting.push((tree.nodes.len() as u32, inside));
                leaf = inner.last + 1;
                inside = inner.end;
            } else {
                parents.of_slot[usize::from(slot)] = above;
                leaf += 1;
            }
            // A suffix that ends where its parent does has no byte below it.
            if node.depth > depth {
                tree.nodes.push(node);
                tree.bytes.push(self.text[usize::from(slot) + usize::from(depth)]);
                parents.of_node.push(above);
            }
        }
        // The first child's children come next.
        waiting[first_waiting..].reverse();
        if let Some((node, _)) = parent {
            let count = tree.nodes.len() - first_child;
            tree.nodes[node as usize].children = (first_child << Node::COUNT_BITS | count) as u32;
        }
    }
}

/// A hash table from three bytes to the number of a top; open addressing, at most half full.
#[derive(Default)]
struct Trigrams {
    /// Three bytes with [`Trigrams::TAKEN`], and the top.
    entries: Vec<(u32, u32)>,
    /// 32 minus the logarithm of the number of entries.
    shift: u32,
}

impl Trigrams {
    const TAKEN: u32 = 1 << 24;

    fn new(tops: impl ExactSizeIterator<Item = u32>) -> Trigrams {
        let size = (2 * tops.len()).next_power_of_two().max(2);
        let mut table = Trigrams { entries: vec![(0, 0); size], shift: 32 - size.trailing_zeros() };
        for (top, three) in (0..).zip(tops) {
            let mut at = table.home(three);
            while table.entries[at].0 != 0 {
                at = (at + 1) % size;
            }
            table.entries[at] = (three | Trigrams::TAKEN, top);
        }
        table
    }

    /// Where the search begins: multiplicative hashing (the constant is 2^32 over the golden ratio).
    fn home(&self, three: u32) -> usize {
        (three.wrapping_mul(0x9E37_79B1) >> self.shift) as usize
    }

    #[inline]
    fn get(&self, three: u32) -> Option<u32> {
        let mut at = self.home(three);
        loop {
            let (key, top) = self.entries[at];
            if key == three | Trigrams::TAKEN {
                return Some(top);
            }
            if key == 0 {
                return None;
            }
            at = (at + 1) & (self.entries.len() - 1);
        }
    }
}
