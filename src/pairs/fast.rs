//! The fast engine: all pairs of one source, block by block of targets, and the guard that says which of them it must
//! leave to the naive engine.

use std::fmt;

use super::avx2::Avx2;
use super::huffman::{Counts, Huffman, LANES, ROWS};
use super::level9::{MAX_JOINED, MAX_TOKENS, SHORT_CHAIN};
use super::parse::{Joined, Parse, SEAM_TRIGRAMS, literal, rows};
use super::seam::{Seam, Seams};
use super::source::Source;
use super::targets::{Block, Plan, Target};
use super::walk::Walk;
use crate::error::Result;
use crate::parallel::{self, Control};
use crate::texts::Texts;

/// The indexed target set.
pub(super) struct Index {
    pub blocks: Vec<Block>,
    /// Rows of targets that no block has room for.
    too_long: Vec<usize>,
    frame_bytes: u64,
}

impl Index {
    pub fn new(target: &Texts, frame_bytes: u64, threads: usize, control: &Control) -> Result<Index> {
        let plan = Plan::new(target);
        let mut blocks: Vec<Option<Block>> = plan.blocks.iter().map(|_| None).collect();
        parallel::fill_rows(
            &mut blocks,
            1,
            1,
            threads,
            control,
            || Ok(()),
            |(), first, chunk| {
                for (index, block) in (first..).zip(chunk) {
                    *block = Some(Block::new(target, &plan.blocks[index], index == 0));
                }
                Ok(())
            },
        )?;
        Ok(Index { blocks: blocks.into_iter().flatten().collect(), too_long: plan.too_long, frame_bytes })
    }
}

impl fmt::Debug for Index {
    /// In short: in full it would be megabytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Index").field("blocks", &self.blocks.len()).finish_non_exhaustive()
    }
}

/// One thread's scratch.
pub(super) struct Worker<'a> {
    pub index: &'a Index,
    pub source: Source,
    pub walk: Walk,
    pub seams: Seams,
    parse: Parse,
    pub counts: Box<Counts>,
    pub huffman: Huffman,
    turned_away: Vec<usize>,
    #[cfg(test)]
    unguarded: bool,
}

impl<'a> Worker<'a> {
    /// Scratch for an index; `vectors`: with the vector instructions that this machine has.
    pub fn new(index: &'a Index, vectors: bool) -> Worker<'a> {
        let avx2 = if vectors { Avx2::detect() } else { None };
        Worker {
            index,
            source: Source::new(),
            walk: Walk::new(),
            seams: Seams::default(),
            parse: Parse::new(avx2),
            counts: Box::new(Counts([[0; LANES]; ROWS])),
            huffman: Huffman::new(avx2),
            turned_away: Vec::new(),
            #[cfg(test)]
            unguarded: false,
        }
    }

    /// C(source), and C(source followed by target j) in `joint[j]` for all j but those in [`Worker::turned_away`];
    /// `None` if the source itself is nothing for this engine.
    pub fn row(&mut self, source: &[u8], joint: &mut [u64], control: &Control) -> Result<Option<u64>> {
        if source.is_empty() || source.len() > MAX_JOINED || self.index.blocks.is_empty() {
            return Ok(None);
        }
        self.source.parse(source);
        if self.source.tokens > MAX_TOKENS {
            return Ok(None);
        }
        self.walk.start(source);
        self.seams.start(&self.source, source);
        self.turned_away.clear();
        self.turned_away.extend(&self.index.too_long);
        let mut alone = None;
        for block in &self.index.blocks {
            control.check()?;
            self.walk.run(block);
            self.seams.run(&self.source, source, block);
            for first in (0..block.targets.len()).step_by(LANES) {
                self.batch(source, block, first, joint, &mut alone);
            }
        }
        Ok(alone)
    }

    /// Rows of the last source's targets that are left to the naive engine.
    pub fn turned_away(&self) -> &[usize] {
        &self.turned_away
    }

    /// Sizes of up to [`LANES`] targets, `first` and following of a block.
    fn batch(&mut self, source: &[u8], block: &Block, first: usize, joint: &mut [u64], alone: &mut Option<u64>) {
        let done = self.count(source, block, first);
        let targets = &block.targets[first..];
        let mut text_bytes = [0; LANES];
        for (bytes, target) in text_bytes.iter_mut().zip(targets) {
            *bytes = (source.len() + target.len) as u32;
        }
        let mut sizes = [0; LANES];
        self.huffman.sizes(&self.counts, &text_bytes, &mut sizes);
        for ((target, size), done) in targets.iter().zip(sizes).zip(done) {
            let size = u64::from(size) + self.index.frame_bytes;
            match target.row {
                Some(row) if done => joint[row] = size,
                Some(row) => self.turned_away.push(row),
                None => *alone = done.then_some(size),
            }
        }
    }

    /// Count the tokens of a batch in its lanes; says which pairs are for this engine.
    pub fn count(&mut self, source: &[u8], block: &Block, first: usize) -> [bool; LANES] {
        for (lanes, &count) in self.counts.0.iter_mut().zip(&self.source.counts) {
            *lanes = [count; LANES];
        }
        self.counts.0[END_OF_BLOCK] = [1; LANES];
        let mut done = [false; LANES];
        for ((lane, index), done) in (first..block.targets.len()).enumerate().zip(&mut done) {
            *done = self.lane(source, block, index, lane);
            if !*done {
                self.empty_lane(lane);
            }
        }
        done
    }

    /// Count the tokens of one target in its lane; false if the guard turns the pair away.
    fn lane(&mut self, source: &[u8], block: &Block, index: usize, lane: usize) -> bool {
        let target = &block.targets[index];
        let seam = self.seams.of(index);
        let and_end = target.start..=target.start + target.len;
        let joined = Joined {
            source_len: source.len(),
            text: &block.text[target.slots()],
            with_source: &self.walk.found()[and_end.clone()],
            inside: &block.inside[and_end],
        };
        if source.len() + target.len > MAX_JOINED || !self.is_certain(seam, &joined, target) {
            return false;
        }
        self.parse.prepare(&joined);
        let mut add = |token| {
            for row in rows(token) {
                self.counts.0[row][lane] += 1;
            }
        };
        let tokens = self.seams.tokens(seam);
        tokens.iter().copied().for_each(&mut add);
        let mut number = self.source.tokens + tokens.len();
        let mut at = seam.start;
        if seam.pending.length > 0 {
            number += 1;
            if joined.first_length() > seam.pending.length {
                add(literal(source[source.len() - 1], 0));
            } else {
                add(seam.pending.token());
                at = seam.pending.length - 1;
            }
        }
        number += self.parse.count(target.len, at, &mut self.counts, lane);
        number <= MAX_TOKENS
    }

    /// The guard: whether zlib, which looks at so many candidates at most, surely finds every match that was found here.
    fn is_certain(&self, seam: &Seam, joined: &Joined, target: &Target) -> bool {
        #[cfg(test)]
        if self.unguarded {
            return true;
        }
        // Nearly all pairs pass the first look, for which nothing has to be read.
        let longest_chain = self.source.largest_bucket + target.largest_bucket + SEAM_TRIGRAMS;
        seam.is_certain
            && (longest_chain <= SHORT_CHAIN
                || joined.is_certain(seam.pending.length, &self.source, target.largest_bucket))
    }

    /// Leave a valid histogram behind: what is made of it is not looked at.
    fn empty_lane(&mut self, lane: usize) {
        for lanes in &mut self.counts.0 {
            lanes[lane] = 0;
        }
        self.counts.0[END_OF_BLOCK][lane] = 1;
    }
}

/// The symbol that ends a DEFLATE block, once in each.
const END_OF_BLOCK: usize = 256;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec::Spec;
    use crate::pairs::test_texts::{cases, text, texts};

    fn naive(source: &[u8], target: &[u8]) -> u64 {
        let mut compressor = "deflate-9".parse::<Spec>().unwrap().compressor();
        compressor.compressed_size(&[source, target], &Control::default()).unwrap()
    }

    fn index(target: &[Vec<u8>]) -> Index {
        Index::new(&Texts::from_iter(target), 0, 1, &Control::default()).unwrap()
    }

    proptest! {
        #![proptest_config(cases())]

        #[test]
        fn sizes_are_those_of_zlib_with_and_without_vector_instructions(x in text(1..300), target in texts(1..20)) {
            let index = index(&target);
            for vectors in [false, true] {
                let mut worker = Worker::new(&index, vectors);
                let mut joint = vec![0; target.len()];
                let alone = worker.row(&x, &mut joint, &Control::default()).unwrap();
                prop_assert_eq!(alone, Some(naive(&x, b"")));
                prop_assert!(worker.turned_away().is_empty());
                let expected: Vec<u64> = target.iter().map(|p| naive(&x, p)).collect();
                prop_assert_eq!(joint, expected);
            }
        }
    }

    /// Texts of which zlib does not find the best match: the four words of p stand at the beginning of x, behind more
    /// positions with the first three bytes of each than a search looks at.
    fn far_behind_a_long_chain() -> (Vec<u8>, Vec<u8>) {
        let words = b"?abcdefghi?abcjklmno?abcpqrstu?abcvwxyz!".to_vec();
        let chain = b"abc0abc1abc2abc3abc4abc5abc6abc7abc8abc9".repeat(420);
        ([words, chain].concat(), b"abcdefghiabcjklmnoabcpqrstuabcvwxyz!".to_vec())
    }

    #[test]
    fn without_the_guard_a_pair_comes_out_smaller_than_zlib_makes_it() {
        let (x, p) = far_behind_a_long_chain();
        let index = index(std::slice::from_ref(&p));
        let mut worker = Worker::new(&index, true);
        let mut joint = [0];
        worker.row(&x, &mut joint, &Control::default()).unwrap();
        assert_eq!(worker.turned_away(), [0]);
        worker.unguarded = true;
        worker.row(&x, &mut joint, &Control::default()).unwrap();
        assert!(worker.turned_away().is_empty());
        assert!(joint[0] < naive(&x, &p), "{} < {}", joint[0], naive(&x, &p));
    }

    /// The source's last three bytes were taken for literals, since their only match is too far away to be worth it; but
    /// the target made it longer, and then it is. Ordinary texts seldom end in three bytes that they have once,
    /// 4,096 bytes before.
    #[test]
    fn a_match_that_is_too_short_for_its_distance_may_grow_over_the_seam() {
        let noise = std::iter::successors(Some(1_u32), |state| Some(state.wrapping_mul(1_664_525).wrapping_add(1)));
        let far: Vec<u8> = noise.take(5000).map(|state| b'A' + (state >> 28) as u8).collect();
        let x = [b"?abcde", &far[..], b"abc"].concat();
        let target = [b"de".to_vec(), b"xy".to_vec(), b"".to_vec()];
        let index = index(&target);
        let mut joint = [0; 3];
        Worker::new(&index, true).row(&x, &mut joint, &Control::default()).unwrap();
        assert_eq!(joint.to_vec(), target.iter().map(|p| naive(&x, p)).collect::<Vec<_>>());
        assert_eq!(joint[0], joint[2], "one match in place of three literals makes room for two bytes more");
    }
}
