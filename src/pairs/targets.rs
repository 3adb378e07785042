//! The index of the target set: everything about the targets that does not depend on a source.
//!
//! The targets are laid one after another into blocks of at most 65,536 *slots*, one a byte and an unused one after
//! each target, so that a slot fits into 16 bits and what a block writes per source stays in the second-level cache.
//! A block is a suffix tree, stored as a suffix array with the tree of its intervals: a leaf is a slot with at least
//! three bytes of its target left, a suffix ends where its target ends, and no depth exceeds 258, the longest match.
//! Beside the tree a block knows for each slot the best match *inside* its own target, and how far the target repeats
//! its own beginning there, from which matches that run over the seam of source and target are made.
//!
//! Cost: time O(len log len) for sorting, O(len times tree height) for the inside matches (height at most 256, some
//! ten for prose and code); memory 35 bytes a byte of target, up to 60 where nearly all sequences of three bytes differ.
//! Targets too long for the fast engine (level9.rs: `MAX_JOINED`) are left out and listed.

use std::ops::Range;

use super::level9::{HASHES, MAX_JOINED, MAX_MATCH, MIN_MATCH, common_prefix, hash};
use super::parse::INSIDE;
use super::tree::{Parents, Tree};
use crate::texts::Texts;

/// Slots of a block at most: a slot is a `u16`. Larger blocks would mean fewer walks for large target sets, but numbers
/// of twice the size everywhere, and what a walk writes would leave the second-level cache. N.B. 32,768 and 16,384 made
/// the walk of 82 targets take 1.5 and 1.9 times as long (benches/kernel.rs, 82 targets).
pub(super) const MAX_SLOTS: usize = 1 << 16;

/// The targets in the order and the grouping in which the engine works on them.
pub(super) struct Plan {
    /// Rows of the targets of each block, in the block's order.
    pub blocks: Vec<Vec<usize>>,
    /// Rows of the targets that only the naive engine can take.
    pub too_long: Vec<usize>,
}

impl Plan {
    /// Spread the targets over blocks.
    ///
    /// Targets are ordered by the number of byte values that occur in them: lanes of one batch then have Huffman trees
    /// of like size, and a batch takes as long as its largest.
    pub fn new(target: &Texts) -> Plan {
        let mut rows: Vec<(usize, usize)> = target.iter().map(distinct_bytes).zip(0..).collect();
        rows.sort_unstable();
        let mut plan = Plan { blocks: Vec::new(), too_long: Vec::new() };
        let mut slots = MAX_SLOTS;
        for (_, row) in rows {
            let needed = target.get(row).len() + 1;
            if needed > MAX_JOINED {
                plan.too_long.push(row);
                continue;
            }
            if slots + needed > MAX_SLOTS {
                plan.blocks.push(Vec::new());
                // One for the empty text that the first block has.
                slots = 1;
            }
            slots += needed;
            if let Some(block) = plan.blocks.last_mut() {
                block.push(row);
            }
        }
        plan
    }
}

fn distinct_bytes(text: &[u8]) -> usize {
    let mut seen = [false; 256];
    for &byte in text {
        seen[usize::from(byte)] = true;
    }
    seen.iter().filter(|&&seen| seen).count()
}

/// One target of a block.
pub(super) struct Target {
    /// Its row in the target set; `None` for the empty text that stands for "x alone".
    pub row: Option<usize>,
    /// Slot of its first byte.
    pub start: usize,
    /// Bytes.
    pub len: usize,
    /// Positions in its largest hash bucket.
    pub largest_bucket: usize,
}

impl Target {
    /// Its slots.
    pub fn slots(&self) -> Range<usize> {
        self.start..self.start + self.len
    }
}

/// A block of targets and all that is known about them.
pub(super) struct Block {
    pub targets: Vec<Target>,
    /// Bytes by slot.
    pub text: Vec<u8>,
    pub tree: Tree,
    /// Best match of each slot inside its own target: `length << 16 | INSIDE | distance`, 0 for none.
    pub inside: Vec<u32>,
    /// Bytes, at most 258, that each target has in common with its own rest from this slot on; 0 where its first byte
    /// stands, which would be the whole.
    pub border: Vec<u16>,
    /// Slots at which a match can begin that starts with the last byte of a source: that byte, and at least two bytes
    /// of the target's beginning follow.
    pub after_one: Vec<(u8, u16)>,
    /// The same for the last two bytes of a source, and at least one byte of the target's beginning.
    pub after_two: Vec<([u8; 2], u16)>,
    /// Targets in lexicographic order, each with the bytes that it has in common with the one before.
    pub sorted: Vec<(usize, usize)>,
}

impl Block {
    /// Index the targets of these rows; with `alone`, the empty text beside them.
    pub fn new(target: &Texts, rows: &[usize], alone: bool) -> Block {
        let mut text = Vec::new();
        let mut targets = Vec::new();
        let mut buckets = vec![0u16; HASHES];
        let texts = alone.then_some((None, &b""[..])).into_iter();
        for (row, bytes) in texts.chain(rows.iter().map(|&row| (Some(row), target.get(row)))) {
            targets.push(Target {
                row,
                start: text.len(),
                len: bytes.len(),
                largest_bucket: largest_bucket(bytes, &mut buckets),
            });
            text.extend_from_slice(bytes);
            text.push(0);
        }
        let mut rest = vec![0; text.len()];
        let mut border = vec![0; text.len()];
        for target in &targets {
            for (at, rest) in rest[target.slots()].iter_mut().enumerate() {
                *rest = (target.len - at).min(MAX_MATCH) as u16;
            }
            borders(&text[target.slots()], &mut border[target.slots()]);
        }
        let (tree, parents) = Tree::new(&text, &rest);
        let inside = inside_matches(&tree, &parents, &targets);
        let mut after_one = Vec::new();
        let mut after_two = Vec::new();
        for slot in targets.iter().flat_map(Target::slots) {
            if rest[slot] > 1 && border[slot + 1] > 1 {
                after_one.push((text[slot], slot as u16));
            }
            if rest[slot] > 2 && border[slot + 2] > 0 {
                after_two.push(([text[slot], text[slot + 1]], slot as u16));
            }
        }
        after_one.sort_unstable();
        after_two.sort_unstable();
        let sorted = sorted(&text, &targets);
        // So that eight bytes can be read at every slot.
        text.extend([0; 8]);
        text.shrink_to_fit();
        Block { targets, text, tree, inside, border, after_one, after_two, sorted }
    }
}

/// Positions in the fullest hash bucket of a text; `buckets` is all zero before and after.
fn largest_bucket(text: &[u8], buckets: &mut [u16]) -> usize {
    let hashes = || (0..(text.len() + 1).saturating_sub(MIN_MATCH)).map(|at| hash(text, at));
    let mut largest = 0;
    for hash in hashes() {
        buckets[hash] += 1;
        largest = largest.max(buckets[hash]);
    }
    for hash in hashes() {
        buckets[hash] = 0;
    }
    usize::from(largest)
}

/// Common prefix of each proper suffix with the whole text (the Z function), at most 258; linear time.
fn borders(text: &[u8], border: &mut [u16]) {
    // The prefix found at `from` reaches furthest to the right until now, to `to`.
    let (mut from, mut to) = (0, 0);
    let mut lengths = vec![0; text.len()];
    for at in 1..text.len() {
        let mut length = if at < to { lengths[at - from].min(to - at) } else { 0 };
        while at + length < text.len() && text[length] == text[at + length] {
            length += 1;
        }
        if at + length > to {
            (from, to) = (at, at + length);
        }
        lengths[at] = length;
        border[at] = length.min(MAX_MATCH) as u16;
    }
}

/// Longest match of each slot with an earlier one of the same target, the nearest among equals.
fn inside_matches(tree: &Tree, parents: &Parents, targets: &[Target]) -> Vec<u32> {
    // The last slot that was come by below each node, plus one; those of earlier targets lie before the start.
    let mut latest = vec![0; tree.nodes.len()];
    let mut inside = vec![0; parents.of_slot.len()];
    for target in targets {
        for slot in target.slots() {
            let mut node = parents.of_slot[slot];
            while let Some(at) = node {
                let earlier = latest[at as usize];
                if inside[slot] == 0 && earlier > target.start {
                    let distance = (slot + 1 - earlier) as u32;
                    inside[slot] = u32::from(tree.nodes[at as usize].depth) << 16 | INSIDE | distance;
                }
                latest[at as usize] = slot + 1;
                node = parents.of_node[at as usize];
            }
        }
    }
    inside
}

fn sorted(text: &[u8], targets: &[Target]) -> Vec<(usize, usize)> {
    let bytes = |index: usize| &text[targets[index].slots()];
    let mut order: Vec<usize> = (0..targets.len()).collect();
    order.sort_by_key(|&index| bytes(index));
    let mut before: &[u8] = b"";
    let mut sorted = Vec::with_capacity(order.len());
    for index in order {
        let shorter = before.len().min(bytes(index).len());
        sorted.push((index, common_prefix(before, bytes(index), shorter)));
        before = bytes(index);
    }
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_is_in_one_block_or_too_long() {
        let target: Vec<Vec<u8>> =
            (0..50).map(|row: usize| vec![row as u8; row * 1000]).chain([vec![b'a'; MAX_JOINED - 1]]).collect();
        let plan = Plan::new(&Texts::from_iter(&target));
        assert_eq!(plan.too_long, (33..50).collect::<Vec<_>>());
        let mut rows: Vec<usize> = plan.blocks.concat();
        rows.sort_unstable();
        assert_eq!(rows, (0..33).chain([50]).collect::<Vec<_>>());
        for block in &plan.blocks {
            let slots: usize = block.iter().map(|&row| target[row].len() + 1).sum();
            assert!(slots < MAX_SLOTS, "{slots} slots, and one for the empty text");
        }
    }

    #[test]
    fn a_block_is_filled_to_its_last_slot_and_no_further() {
        for (last, blocks) in [(522, 1), (523, 2)] {
            let lengths = [MAX_JOINED - 1, MAX_JOINED - 1, last];
            let set: Texts = lengths.into_iter().map(|length| vec![b'a'; length]).collect();
            let plan = Plan::new(&set);
            assert_eq!(plan.blocks.len(), blocks);
            let block = Block::new(&set, &plan.blocks[0], true);
            assert_eq!(block.targets.len(), plan.blocks[0].len() + 1);
        }
    }

    #[test]
    fn a_border_is_what_a_target_repeats_of_its_beginning() {
        let mut border = [0; 7];
        borders(b"abababc", &mut border);
        assert_eq!(border, [0, 0, 4, 0, 2, 0, 0]);
        let mut border = [0; 600];
        borders(&[b'a'; 600], &mut border);
        assert_eq!((border[1], border[342], border[343], border[599]), (258, 258, 257, 1));
    }

    #[test]
    fn texts_are_sorted_with_what_each_shares_with_the_one_before() {
        let set = Texts::from_iter(["abd", "x", "abc", "abcd"]);
        let block = Block::new(&set, &[0, 1, 2, 3], true);
        let rows: Vec<_> = block.sorted.iter().map(|&(index, shared)| (block.targets[index].row, shared)).collect();
        assert_eq!(rows, [(None, 0), (Some(2), 0), (Some(3), 3), (Some(0), 2), (Some(1), 0)]);
    }
}
