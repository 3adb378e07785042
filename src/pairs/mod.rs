//! Compressed sizes of every source followed by every target of a fixed set.
//!
//! For a source x and targets `p_1..p_n`: C(x) and C(x `p_1`), ..., C(x `p_n`), source first, the paper's order. This is
//! where all the time of pairwise scoring goes. What the sizes mean is the business of [`metric`](crate::metric).
//!
//! # Two engines
//! `naive.rs` runs the compressor once a pair, as the formula is written: N n compressions of |x| + |p| bytes. It serves
//! every codec, and is the oracle of the other.
//!
//! The fast engine serves level 9 of gzip, zlib and deflate, and gives the same numbers, to the byte, in about a tenth of
//! the time (docs/speed.md). Two things make that possible. Only the *size* of a stream is wanted, so that nothing is
//! ever written. And one source meets n targets, which share nearly all of what zlib would do anew for each:
//!
//! 1. **Index** (`targets.rs`, `tree.rs`; once a target set). A suffix tree over all targets, and the best match of each
//!    byte of a target with what stands before it in the same target.
//! 2. **Source** (`source.rs`; once a source). zlib's own parse of x, stopped where what follows x could change it.
//! 3. **Walk** (`walk.rs`; once a source). All positions of x go down the tree together; what they leave behind is the
//!    best match, in x, of every byte of every target.
//! 4. **Seam** (`seam.rs`; once for all targets that begin alike). The tokens on which x's end and p's beginning depend on
//!    each other.
//! 5. **Parse** (`parse.rs`; each pair). With the best matches known, zlib's lazy parse of p is a table look-up.
//! 6. **Huffman** (`huffman.rs` and what it names; each pair, sixteen at a time). From the counts of symbols the size of
//!    the DEFLATE block, as zlib would make it: stored, fixed or dynamic, trees and their header included.
//!
//! # When the fast engine does not apply
//! zlib does not always find the best match: a search looks at 4,096 earlier positions at most, or at 1,024. The
//! **guard** (`fast.rs`) turns away every pair in which that could have mattered; they go through the naive engine,
//! as do pairs of more than 32,506 bytes together (beyond that the first bytes are too far away) or of more than 16,382
//! tokens (a second DEFLATE block), and the empty source. That is one real pair in ten thousand (docs/speed.md);
//! without the guard some of them would come out smaller than zlib makes them (a test in `fast.rs` has one). Level 9
//! alone: at level 6 a search is cut short in nearly half of all texts.
//!
//! # Cost
//! Per pair 4 us for 1,200 and 700 bytes: a third depends on the number of symbols in use, the rest on |p|. Per source,
//! whatever n, 50 to 100 us for 1,200 bytes. Index: O(len log len), 0.2 s and 35 MB a megabyte of targets; large sets
//! are cut into blocks of 64 KiB, each with a walk of its own. Scratch of a worker: 3 MB, 5 for sources that end in a
//! run of one byte.
//!
//! Long runs of one byte in both x and p are its worst case: the tree is then 258 deep, and every position walks all the
//! way down. Texts of nothing else, on which zlib is quick, take it up to a hundred times as long as zlib.
//!
//! References: RFC 1951; Obbad et al. 2024, arXiv:2410.18194, algorithm 1; the suffix tree as intervals of a suffix
//! array: Abouelhoda, Kurtz, Ohlebusch 2004, doi:10.1016/S1570-8667(03)00065-0.

mod avx2;
mod fast;
mod forest;
mod header;
mod huffman;
mod lanes;
#[cfg(target_arch = "x86_64")]
mod lanes_avx2;
mod level9;
mod naive;
mod parse;
mod seam;
mod source;
#[cfg(feature = "steps")]
pub mod steps;
mod targets;
#[cfg(test)]
mod test_texts;
#[cfg(test)]
mod tokens_by_hand;
mod tree;
mod trees;
mod walk;

use std::sync::Arc;

use crate::codec::{Compressor, Spec};
use crate::error::{Cause, Error, Result};
use crate::parallel::{self, Control};
use crate::texts::Texts;

/// How the sizes of pairs are found; all give the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Engine {
    /// One compression a pair, as the formula is written: the oracle of the others, and what they turn to for the few
    /// pairs that they cannot do.
    Naive,
    /// The fast engine without vector instructions of its own.
    Portable,
    /// The fast engine as this machine can run it best.
    #[default]
    Fast,
}

/// A target set with everything about it that does not depend on the sources.
#[derive(Clone, Debug)]
pub struct Pairs {
    spec: Spec,
    target: Texts,
    target_sizes: Vec<u64>,
    engine: Engine,
    /// The fast engine's index, if it is asked for and `spec` is one that it can do.
    index: Option<Arc<fast::Index>>,
}

impl Pairs {
    /// Compress every target once, and index them for the fast engine if `spec` is level 9 of gzip, zlib or deflate.
    ///
    /// # Errors
    /// [`Cause::EmptyTarget`]; [`Cause::Interrupted`].
    pub fn prepare(target: Texts, spec: Spec, threads: usize, control: &Control) -> Result<Pairs> {
        Pairs::prepare_with(Engine::default(), target, spec, threads, control)
    }

    /// The same with an engine of one's choice; for tests and benchmarks, since the sizes are the same.
    ///
    /// # Errors
    /// As [`Pairs::prepare`].
    pub fn prepare_with(engine: Engine, target: Texts, spec: Spec, threads: usize, control: &Control) -> Result<Pairs> {
        if target.is_empty() {
            return Err(Error::new(Cause::EmptyTarget));
        }
        let target_sizes = sizes(&target, spec, threads, control)?;
        let index = match (engine, spec.level_9_frame_bytes()) {
            (Engine::Naive, _) | (_, None) => None,
            (_, Some(frame_bytes)) => Some(Arc::new(fast::Index::new(&target, frame_bytes, threads, control)?)),
        };
        Ok(Pairs { spec, target, target_sizes, engine, index })
    }

    /// The codec and level.
    #[must_use]
    pub fn spec(&self) -> Spec {
        self.spec
    }

    /// The targets.
    #[must_use]
    pub fn target(&self) -> &Texts {
        &self.target
    }

    /// C(p) of each target in bytes.
    #[must_use]
    pub fn target_sizes(&self) -> &[u64] {
        &self.target_sizes
    }

    /// The scratch of one thread: what it keeps for all its rows.
    #[must_use]
    pub fn worker(&self) -> Worker<'_> {
        let fast = self.index.as_deref().map(|index| fast::Worker::new(index, self.engine != Engine::Portable));
        Worker { pairs: self, compressor: self.spec.compressor(), fast, naive_pairs: 0 }
    }
}

/// One thread's way through the pairs.
pub struct Worker<'a> {
    pairs: &'a Pairs,
    compressor: Box<dyn Compressor>,
    fast: Option<fast::Worker<'a>>,
    naive_pairs: u64,
}

impl Worker<'_> {
    /// C(source) as the result, C(source followed by target j) in `joint[j]`, all in bytes.
    ///
    /// # Errors
    /// [`Cause::Interrupted`]; a codec that fails.
    pub fn row(&mut self, source: &[u8], joint: &mut [u64], control: &Control) -> Result<u64> {
        let compressor = self.compressor.as_mut();
        let target = &self.pairs.target;
        if let Some(fast) = &mut self.fast
            && let Some(size) = fast.row(source, joint, control)?
        {
            for &row in fast.turned_away() {
                joint[row] = compressor.compressed_size(&[source, target.get(row)], control)?;
            }
            self.naive_pairs += fast.turned_away().len() as u64;
            return Ok(size);
        }
        self.naive_pairs += target.len() as u64;
        naive::row(compressor, source, target, joint, control)
    }

    /// Pairs of this worker until now that went through the naive engine.
    #[must_use]
    pub fn naive_pairs(&self) -> u64 {
        self.naive_pairs
    }
}

/// C of each text in bytes.
///
/// # Errors
/// [`Cause::Interrupted`]; a codec that fails.
pub fn sizes(texts: &Texts, spec: Spec, threads: usize, control: &Control) -> Result<Vec<u64>> {
    let mut out = vec![0; texts.len()];
    parallel::fill_rows(
        &mut out,
        1,
        CHUNK_ROWS,
        threads,
        control,
        || Ok(spec.compressor()),
        |compressor, first, chunk| {
            for (row, size) in (first..).zip(chunk) {
                *size = compressor.compressed_size(&[texts.get(row)], control)?;
            }
            Ok(())
        },
    )?;
    Ok(out)
}

/// Texts that a thread compresses alone between two looks at the common counter. At 5 us or more a text the counter
/// costs under 1%; larger chunks leave threads idle at the end.
const CHUNK_ROWS: usize = 16;
