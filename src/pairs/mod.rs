//! Compressed sizes of every source followed by every target of a fixed set.
//!
//! For a source x and targets `p_1..p_n`: C(x) and C(x `p_1`), ..., C(x `p_n`), source first, the paper's order. This is
//! where all the time of pairwise scoring goes, and the only part that knows how it is done: today by the naive
//! engine alone, which is also the oracle of any faster one. What the sizes mean is the business of
//! [`metric`](crate::metric).

mod naive;

use crate::codec::{Compressor, Spec};
use crate::error::{Cause, Error, Result};
use crate::parallel::{self, Control};
use crate::texts::Texts;

/// A target set with everything about it that does not depend on the sources.
#[derive(Clone, Debug)]
pub struct Pairs {
    spec: Spec,
    target: Texts,
    target_sizes: Vec<u64>,
}

impl Pairs {
    /// Compress every target once.
    ///
    /// # Errors
    /// [`Cause::EmptyTarget`]; [`Cause::Interrupted`].
    pub fn prepare(target: Texts, spec: Spec, threads: usize, control: &Control) -> Result<Pairs> {
        if target.is_empty() {
            return Err(Error::new(Cause::EmptyTarget));
        }
        // Targets are no rows of the source, so they stay out of the caller's progress.
        let target_sizes = sizes(&target, spec, threads, control)?;
        Ok(Pairs { spec, target, target_sizes })
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

    /// The scratch of one thread: a compressor that is used for all its rows.
    #[must_use]
    pub fn worker(&self) -> Worker<'_> {
        Worker { pairs: self, compressor: self.spec.compressor() }
    }
}

/// One thread's way through the pairs.
pub struct Worker<'a> {
    pairs: &'a Pairs,
    compressor: Box<dyn Compressor>,
}

impl Worker<'_> {
    /// C(source) as the result, C(source followed by target j) in `joint[j]`, all in bytes.
    ///
    /// # Errors
    /// [`Cause::Interrupted`]; a codec that fails.
    pub fn row(&mut self, source: &[u8], joint: &mut [u64], control: &Control) -> Result<u64> {
        naive::row(self.compressor.as_mut(), source, &self.pairs.target, joint, control)
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
