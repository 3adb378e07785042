//! The walk: for one source, its best match at every slot of a block, in one search for all targets.
//!
//! Every position of the source goes down the suffix tree as far as its bytes lead, and leaves its mark at each node on
//! the way: how many bytes it had matched there, and its position, as `length << 16 | position`. The maximum of the
//! marks above a leaf is then the longest match of that leaf's slot, and among equals the nearest. At the end the
//! marks of nodes are poured out over their leaves from the tops down, each overwriting what its parent had
//! poured. Position 0 is left out: zlib never matches it.
//!
//! A position whose whole rest was matched goes on beyond the end of the source, where the target's own first bytes
//! stand in the joined text: its match grows by the target's border there (see `targets.rs`). The last two positions
//! are too short for the tree and have lists of their own.
//!
//! The tree does not fit into the first-level cache, and a position's way through it is a chain of misses. So all
//! positions take one step each before any takes the next, without branches that depend on what was just loaded: the
//! misses of many positions overlap.
//!
//! N.B. Measured in whole runs (benches/kernel.rs, 82 targets), and slower: one position after the other (twice the time
//! of the walk); the matches kept by leaf and gathered by the parse, slot by slot (twice the time of pouring them out
//! to their slots); the inside matches copied to where the marks go first, instead of taking the larger of the two in
//! the parse (0.2 us a pair).
//!
//! Cost: some steps for each position of the source, and one store for each byte of target that is matched at all.

use super::level9::{MAX_MATCH, MIN_MATCH, common_prefix, eight_bytes};
use super::targets::{Block, MAX_SLOTS};
use super::tree::{Node, Tree, trigram};

/// A position on its way down: it has matched `length` bytes and looks at `node` next.
#[derive(Clone, Copy, Default)]
struct Step {
    position: u16,
    length: u16,
    node: u32,
}

/// The matches of one source in one block, and the scratch to find them: 1.4 MB.
pub(super) struct Walk {
    /// Best match of each slot with the source: `length << 16 | position`, 0 for none.
    found: Vec<u32>,
    /// The source, and eight more bytes, so that eight can be read at each.
    source: Vec<u8>,
    now: Vec<Step>,
    next: Vec<Step>,
    /// Marks of nodes, all 0 between walks, and one bit a node that has one.
    marks: Vec<u32>,
    marked: Vec<u64>,
    /// The marks of the leaves below one top.
    poured: Vec<u32>,
}

/// Nodes and leaves of a block at most: a tree has fewer inner nodes than leaves.
const MAX_NODES: usize = 2 * MAX_SLOTS;

impl Walk {
    pub fn new() -> Walk {
        Walk {
            found: Vec::with_capacity(MAX_SLOTS),
            source: Vec::new(),
            now: Vec::new(),
            next: Vec::new(),
            marks: vec![0; MAX_NODES],
            marked: vec![0; MAX_NODES / 64],
            poured: vec![0; MAX_SLOTS],
        }
    }

    /// Best match of each slot with the source: `length << 16 | position`, 0 for none.
    pub fn found(&self) -> &[u32] {
        &self.found
    }

    /// Take a new source, of at least one byte and at most 32,768.
    pub fn start(&mut self, source: &[u8]) {
        self.source.clear();
        self.source.extend_from_slice(source);
        self.source.extend_from_slice(&[0; 8]);
        self.now.resize(source.len(), Step::default());
        self.next.resize(source.len(), Step::default());
    }

    /// Find the matches of the source in `block`.
    pub fn run(&mut self, block: &Block) {
        self.found.clear();
        self.found.resize(block.inside.len(), 0);
        let mut steps = self.enter(&block.tree);
        while steps > 0 {
            steps = self.advance(steps, block);
            std::mem::swap(&mut self.now, &mut self.next);
        }
        self.pour(&block.tree);
        self.over_the_seam(block);
    }

    /// Put every position whose first three bytes some target has before its top; gives their number.
    fn enter(&mut self, tree: &Tree) -> usize {
        let mut steps = 0;
        let last = (self.source.len() - 8 + 1).saturating_sub(MIN_MATCH);
        for position in 1..last {
            let top = tree.top(trigram(&self.source, position));
            self.now[steps] =
                Step { position: position as u16, length: MIN_MATCH as u16, node: top.unwrap_or_default() };
            steps += usize::from(top.is_some());
        }
        steps
    }

    /// Let the first `steps` of `now` take a step each; those that go on are in `next`, their number is given.
    #[expect(clippy::needless_bitwise_bool, reason = "none of the three can be predicted")]
    fn advance(&mut self, steps: usize, block: &Block) -> usize {
        let Walk { source, now, next, marks, marked, found, .. } = self;
        let end_of_source = source.len() - 8;
        let mut going_on = 0;
        for step in &now[..steps] {
            let node = &block.tree.nodes[step.node as usize];
            let position = usize::from(step.position);
            let rest = end_of_source - position;
            let length = along_the_edge(node, usize::from(step.length), &block.text, &source[position..], rest);
            let mark = (length << 16 | position) as u32;
            let at = step.node as usize;
            if node.is_leaf() {
                improve(found, node.slot, mark);
            } else {
                marks[at] = marks[at].max(mark);
                marked[at / 64] |= 1 << (at % 64);
            }
            if length == rest {
                continue_over_the_seam(found, node, length, position, block);
            }
            let child = block.tree.child(node, source[position + length]);
            let goes_on = child.is_some() & (length == usize::from(node.depth)) & (length < rest);
            next[going_on] =
                Step { position: step.position, length: length as u16 + 1, node: child.unwrap_or_default() as u32 };
            going_on += usize::from(goes_on);
        }
        going_on
    }

    /// Matches that begin with the last one or two bytes of the source.
    fn over_the_seam(&mut self, block: &Block) {
        let source = &self.source[..self.source.len() - 8];
        if let [_, .., last] = *source {
            add_from(&mut self.found, &block.after_one, last, source.len() - 1, 1, block);
        }
        if let [_, .., second_last, last] = *source {
            add_from(&mut self.found, &block.after_two, [second_last, last], source.len() - 2, 2, block);
        }
    }

    /// Give every slot the deepest of the marks above its leaf.
    fn pour(&mut self, tree: &Tree) {
        let mut top = 0;
        while let Some(marked) = next_marked(&mut self.marked, top, tree.tops) {
            let node = tree.nodes[marked];
            self.pour_one(marked, &node);
            let below = tree.nodes.get(marked + 1).filter(|_| marked + 1 < tree.tops);
            let end = below.map_or(tree.nodes.len(), Node::first_child);
            let mut next = node.first_child();
            while let Some(marked) = next_marked(&mut self.marked, next, end) {
                self.pour_one(marked, &tree.nodes[marked]);
                next = marked + 1;
            }
            let leaves = usize::from(node.first)..=usize::from(node.last);
            for (&slot, &mark) in tree.slot[leaves.clone()].iter().zip(&self.poured[leaves]) {
                improve(&mut self.found, slot, mark);
            }
            top = marked + 1;
        }
    }

    fn pour_one(&mut self, index: usize, node: &Node) {
        self.poured[usize::from(node.first)..=usize::from(node.last)].fill(self.marks[index]);
        self.marks[index] = 0;
    }
}

#[inline]
fn improve(found: &mut [u32], slot: u16, mark: u32) {
    let best = &mut found[usize::from(slot)];
    *best = mark.max(*best);
}

/// The first set bit of `marked` in `from..end`, which is cleared.
#[inline]
fn next_marked(marked: &mut [u64], from: usize, end: usize) -> Option<usize> {
    let mut word = from / 64;
    let mut bits = marked.get(word)? & (!0 << (from % 64));
    while bits == 0 {
        word += 1;
        if 64 * word >= end {
            return None;
        }
        bits = marked[word];
    }
    let found = 64 * word + bits.trailing_zeros() as usize;
    if found >= end {
        return None;
    }
    marked[word] &= !(1 << (found % 64));
    Some(found)
}

/// How many bytes a position has matched after the edge to `node`, of which it has `length` before.
#[inline]
fn along_the_edge(node: &Node, length: usize, text: &[u8], source: &[u8], rest: usize) -> usize {
    let end = usize::from(node.depth).min(rest);
    let slot = usize::from(node.slot);
    let difference = eight_bytes(text, slot + length) ^ eight_bytes(source, length);
    let same = (difference.trailing_zeros() / 8) as usize;
    if same == 8 && length + 8 < end {
        return length + common_prefix(&text[slot + length..], &source[length..], end - length);
    }
    (length + same).min(end)
}

/// All `length` bytes from `position` to the end of the source stand at the leaves below this node.
#[cold]
fn continue_over_the_seam(found: &mut [u32], node: &Node, length: usize, position: usize, block: &Block) {
    for &slot in &block.tree.slot[usize::from(node.first)..=usize::from(node.last)] {
        let border = usize::from(block.border[usize::from(slot) + length]);
        if border > 0 {
            let length = (length + border).min(MAX_MATCH);
            improve(found, slot, (length << 16 | position) as u32);
        }
    }
}

/// Matches for the slots of a sorted list that begin with `bytes`, the last `length` of the source.
fn add_from<B: Ord + Copy>(
    found: &mut [u32],
    list: &[(B, u16)],
    bytes: B,
    position: usize,
    length: usize,
    block: &Block,
) {
    let begin = list.partition_point(|&(first, _)| first < bytes);
    for &(_, slot) in list[begin..].iter().take_while(|&&(first, _)| first == bytes) {
        let length = (length + usize::from(block.border[usize::from(slot) + length])).min(MAX_MATCH);
        improve(found, slot, (length << 16 | position) as u32);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::pairs::parse::INSIDE;
    use crate::pairs::test_texts::{cases, text, texts};
    use crate::texts::Texts;

    /// The longest match of the joined text's position `at` with an earlier one but 0, the nearest of equals; looked for
    /// among all. With the source as an engine gives it, and inside the target.
    fn best_matches(joined: &[u8], source_len: usize, at: usize) -> (u32, u32) {
        let rest = joined.len() - at;
        let length = |earlier: usize| {
            joined[earlier..].iter().zip(&joined[at..]).take_while(|(a, b)| a == b).count().min(rest).min(MAX_MATCH)
        };
        let best = |earlier: std::ops::Range<usize>| {
            earlier.map(|earlier| (length(earlier), earlier)).filter(|&(length, _)| length >= MIN_MATCH).max()
        };
        let with_source = best(1..source_len).map_or(0, |(length, earlier)| length << 16 | earlier);
        let inside =
            best(source_len..at).map_or(0, |(length, earlier)| length << 16 | INSIDE as usize | (at - earlier));
        (with_source as u32, inside as u32)
    }

    fn check(source: &[u8], target: &[Vec<u8>], walk: &mut Walk) {
        let set = Texts::from_iter(target);
        let rows: Vec<usize> = (0..target.len()).collect();
        let block = Block::new(&set, &rows, true);
        walk.start(source);
        walk.run(&block);
        for target in &block.targets {
            let joined = [source, &block.text[target.slots()]].concat();
            for (at, slot) in target.slots().enumerate() {
                let expected = best_matches(&joined, source.len(), source.len() + at);
                let context = format!("{joined:?}, position {at} of the target");
                assert_eq!((walk.found()[slot], block.inside[slot]), expected, "{context}");
            }
            assert_eq!((walk.found()[target.start + target.len], block.inside[target.start + target.len]), (0, 0));
        }
    }

    proptest! {
        #![proptest_config(cases())]

        #[test]
        fn every_slot_has_its_longest_and_nearest_match(
            source in text(1..200), target in texts(0..6), other in text(1..200),
        ) {
            let mut walk = Walk::new();
            check(&source, &target, &mut walk);
            check(&other, &target, &mut walk);
        }
    }

    #[test]
    fn matches_end_at_258_bytes_and_at_the_end_of_the_target() {
        let long: Vec<u8> = (0..700u32).map(|i| (i * i / 7) as u8).collect();
        let mut walk = Walk::new();
        check(&long, &[long.clone(), long[100..358].to_vec(), long[100..359].to_vec(), vec![b'a'; 600]], &mut walk);
        check(&[b'a'; 600], &[vec![b'a'; 600], vec![b'a'; 258], vec![b'a'; 2]], &mut walk);
    }

    #[test]
    fn nodes_of_more_than_eight_children_lead_to_each_of_them() {
        let target: Vec<Vec<u8>> = (0..=255).map(|byte| vec![b'a', b'b', b'c', byte, b'd']).collect();
        for byte in [0, 7, 8, 100, 254, 255] {
            check(&[b'x', b'a', b'b', b'c', byte, b'd', b'e'], &target, &mut Walk::new());
        }
    }
}
