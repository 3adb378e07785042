//! Which rows repeat an earlier row: to the byte, or nearly.
//!
//! Rows are looked at in order, and a row is left out if an earlier row *that stays* is like it: every row left out is
//! near one that stays, and no chain of small changes leads away. Alike are, at threshold 1, equal texts; below it,
//! texts whose sets of distinct byte n-grams have a Jaccard similarity |x & y| / |x | y| of at least the threshold. An
//! n-gram has [`NGRAM`] bytes; a text with fewer has one, which is the whole text (so it is like its copies alone).
//!
//! Equal texts cost one hash of each and 40 bytes a row; [`ExactDuplicates`] finds them also among batches that do not
//! stay in memory. Near duplicates are in [`near`], with the costs.

mod grams;
mod index;
mod near;

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::parallel::{self, Control};
use crate::texts::Texts;

pub use grams::NGRAM;

/// Rows that a thread hashes between two looks at the common counter; some 300 us.
const CHUNK_ROWS: usize = 256;

/// For each row the first earlier row that stays and is like it; `None` for rows that stay.
///
/// Rows that `keep` leaves out (`None`: none) are not looked at: they neither repeat nor are repeated.
///
/// # Errors
/// [`Cause::Parameter`](crate::error::Cause::Parameter) unless 0 < `threshold` <= 1, and for 2^32 rows or bytes of one
/// text and more; [`Cause::Interrupted`](crate::error::Cause::Interrupted).
///
/// # Examples
/// ```
/// use zipfit::duplicates::duplicates;
/// use zipfit::{Control, Texts};
///
/// let source = Texts::from_iter(["def twice(x): return 2 * x", "a = 1", "def twice(y): return 2 * y", "a = 1"]);
/// let find = |threshold| duplicates(&source, threshold, None, 1, &Control::default());
/// assert_eq!(find(1.0)?, [None, None, None, Some(1)]);
/// assert_eq!(find(0.1)?, [None, None, Some(0), Some(1)]);
/// # Ok::<(), zipfit::Error>(())
/// ```
pub fn duplicates(
    source: &Texts,
    threshold: f64,
    keep: Option<&[bool]>,
    threads: usize,
    control: &Control,
) -> Result<Vec<Option<usize>>> {
    if !(threshold > 0.0 && threshold <= 1.0) {
        return Err(Error::parameter(format!("threshold must be above 0 and at most 1, got {threshold}")));
    }
    if threshold == 1.0 {
        return ExactDuplicates::default().add(source, keep, threads, control);
    }
    let copies = ExactDuplicates::default().add(source, keep, threads, &control.without_progress())?;
    near::duplicates(source, threshold, keep, copies, threads, control)
}

/// Equal texts among rows that come batch by batch; keeps 128 bits of SHA-256 a row, no text.
///
/// That two different texts of N agree in these has a chance of N^2 / 2^129: for a thousand million rows 10^-21.
///
/// # Examples
/// ```
/// use zipfit::duplicates::ExactDuplicates;
/// use zipfit::{Control, Texts};
///
/// let mut seen = ExactDuplicates::default();
/// let mut add = |texts: [&str; 2]| seen.add(&Texts::from_iter(texts), None, 1, &Control::default());
/// assert_eq!(add(["a", "b"])?, [None, None]);
/// assert_eq!(add(["c", "b"])?, [None, Some(1)]);
/// let others = Texts::from_iter(["d", "c"]);
/// assert_eq!(seen.find(&others, None, 1, &Control::default())?, [None, Some(2)]);
/// # Ok::<(), zipfit::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct ExactDuplicates {
    first: HashMap<[u8; 16], usize>,
    rows: usize,
}

impl ExactDuplicates {
    /// For each row of the next batch the first earlier row, over all batches, with the same bytes.
    ///
    /// Rows that `keep` leaves out (`None`: none) are numbered, but neither repeat nor are repeated.
    ///
    /// # Errors
    /// [`Cause::Interrupted`](crate::error::Cause::Interrupted); the batch is not added then.
    pub fn add(
        &mut self,
        texts: &Texts,
        keep: Option<&[bool]>,
        threads: usize,
        control: &Control,
    ) -> Result<Vec<Option<usize>>> {
        let mut copies = vec![None; texts.len()];
        for (row, hash) in hashes(texts, keep, threads, control)?.into_iter().enumerate() {
            let Some(hash) = hash else { continue };
            match self.first.entry(hash) {
                Entry::Occupied(earlier) => copies[row] = Some(*earlier.get()),
                Entry::Vacant(place) => _ = place.insert(self.rows + row),
            }
        }
        self.rows += texts.len();
        Ok(copies)
    }

    /// For each of other texts the first row, of those added, with the same bytes; nothing is added.
    ///
    /// Texts that `keep` leaves out (`None`: none) are not looked for.
    ///
    /// # Errors
    /// [`Cause::Interrupted`](crate::error::Cause::Interrupted).
    pub fn find(
        &self,
        texts: &Texts,
        keep: Option<&[bool]>,
        threads: usize,
        control: &Control,
    ) -> Result<Vec<Option<usize>>> {
        let hashes = hashes(texts, keep, threads, control)?;
        Ok(hashes.iter().map(|hash| hash.and_then(|hash| self.first.get(&hash).copied())).collect())
    }
}

/// 128 bits of SHA-256: equal for equal texts, and never for others that are met.
pub(crate) fn hash_of(text: &[u8]) -> [u8; 16] {
    let mut bits = [0; 16];
    bits.copy_from_slice(&Sha256::digest(text)[..16]);
    bits
}

/// 128 bits of SHA-256 of each text that `keep` does not leave out.
fn hashes(texts: &Texts, keep: Option<&[bool]>, threads: usize, control: &Control) -> Result<Vec<Option<[u8; 16]>>> {
    let mut hashes = vec![None; texts.len()];
    parallel::fill_rows(
        &mut hashes,
        1,
        CHUNK_ROWS,
        threads,
        control,
        || Ok(()),
        |(), first, chunk| {
            for (row, hash) in (first..).zip(chunk).filter(|&(row, _)| keep.is_none_or(|keep| keep[row])) {
                *hash = Some(hash_of(texts.get(row)));
            }
            Ok(())
        },
    )?;
    Ok(hashes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_left_out_neither_repeat_nor_are_repeated() {
        let source = Texts::from_iter(["a", "a", "b", "b", "a"]);
        let keep = Some(&[false, true, true, false, true][..]);
        let expected = [None, None, None, None, Some(1)];
        for threshold in [1.0, 0.5] {
            assert_eq!(duplicates(&source, threshold, keep, 1, &Control::default()).unwrap(), expected);
        }
        let found = ExactDuplicates::default().add(&source, keep, 1, &Control::default()).unwrap();
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_looked_for_is_not_added() {
        let mut seen = ExactDuplicates::default();
        seen.add(&Texts::from_iter(["a", "b", "b"]), Some(&[false, true, true]), 1, &Control::default()).unwrap();
        let others = Texts::from_iter(["c", "b", "b", "a"]);
        let keep = Some(&[true, true, false, true][..]);
        for _ in 0..2 {
            assert_eq!(seen.find(&others, keep, 2, &Control::default()).unwrap(), [None, Some(1), None, None]);
        }
        assert_eq!(seen.add(&others, None, 2, &Control::default()).unwrap(), [None, Some(1), Some(1), None]);
        assert_eq!(seen.find(&others, None, 2, &Control::default()).unwrap(), [Some(3), Some(1), Some(1), Some(6)]);
    }

    #[test]
    fn a_threshold_out_of_its_range_is_refused() {
        for threshold in [0.0, -0.5, 1.001, f64::NAN] {
            assert_eq!(
                duplicates(&Texts::from_iter(["a"]), threshold, None, 1, &Control::default()).unwrap_err().to_string(),
                format!("threshold must be above 0 and at most 1, got {threshold}")
            );
        }
    }

    #[test]
    fn a_batch_that_was_interrupted_is_not_added() {
        let mut seen = ExactDuplicates::default();
        let texts = Texts::from_iter(["a", "b"]);
        let stopped = Control::default();
        stopped.cancel();
        assert!(seen.add(&texts, None, 1, &stopped).is_err());
        assert_eq!(seen.add(&texts, None, 1, &Control::default()).unwrap(), [None, None]);
        assert_eq!(seen.add(&texts, None, 1, &Control::default()).unwrap(), [Some(0), Some(1)]);
    }
}
