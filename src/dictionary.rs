//! How much all targets together, taken as a dictionary, save in compressing a row.
//!
//! With P the targets in order, joined by a newline,
//!
//! ```text
//! gain(x) = (C(x) - C(x | P)) / |x|        in bytes saved a byte of x; 0 for an empty x
//! ```
//!
//! C(x | P) being the size of x for a decoder that knows P. Unlike a distance this is one number a row and not one a
//! pair, is divided by the row's length alone, and adds up what different targets have in common with the row.
//!
//! # Large target sets
//! Up to the limit L of the codec (`Spec::dictionary_bytes`) there is exactly one dictionary. Above it the targets are
//! dealt out to k = ceil(|P| / L): a target that begins at byte s of P belongs to dictionary floor(k s / |P|), so that
//! all are about equally long and targets stay whole and in order. As long as a dictionary of several targets is longer
//! than L, k grows by floor(k / 8) + 1. A dictionary without targets is left out. The gain is then the mean over the
//! dictionaries, summed in order. A single target beyond L is a dictionary of its own, of which deflate sees the end.
//!
//! # Cost
//! Two compressions a row up to L, k + 1 above it, whatever n is: 26 us for a row of 1.2 kB with zstd-3. Memory: P, its
//! digests (up to 0.6 MB a dictionary at level 3), and some 2 MB a thread.
//!
//! Right for ranking a large pool, and where what is wanted is spread over many targets. A row that is like one target
//! alone is found as well, but not told which; [`pairs`](crate::pairs) does that.
//!
//! Reference: Benedetto, Caglioti, Loreto 2002, "Language trees and zipping", arXiv:cond-mat/0108530.

use std::sync::Arc;

use crate::codec::{Dictionaries, Spec};
use crate::error::{Cause, Error, Result, Side};
use crate::metric;
use crate::parallel::{self, Control};
use crate::texts::Texts;

/// Rows that a thread scores alone between two looks at the common counter. At 25 us a row 16 take 0.4 ms, of which the
/// counter is below 0.1%; more would leave threads idle at the end of a batch.
const CHUNK_ROWS: usize = 16;

/// What stands between two targets in a dictionary.
const JOINT: u8 = b'\n';

/// Gains of rows by a target set that is prepared once.
#[derive(Clone, Debug)]
pub struct Gains {
    target: Texts,
    dictionaries: Arc<Dictionaries>,
}

impl Gains {
    /// Prepare the target set.
    ///
    /// # Errors
    /// [`Cause::EmptyTarget`]; [`Cause::Parameter`] for a codec that takes no dictionary; [`Cause::BadRow`] for a
    /// target that the codec would take for something else; [`Cause::Interrupted`].
    pub fn prepare(target: Texts, spec: Spec, control: &Control) -> Result<Gains> {
        if target.is_empty() {
            return Err(Error::new(Cause::EmptyTarget));
        }
        let mut dictionaries = Dictionaries::new(spec)?;
        for (first_row, text) in groups(&target, spec.dictionary_bytes().unwrap_or(usize::MAX)) {
            control.check()?;
            dictionaries.push(text).map_err(|error| error.with_row(Side::Target, first_row as u64))?;
        }
        Ok(Gains { target, dictionaries: Arc::new(dictionaries) })
    }

    /// The targets.
    #[must_use]
    pub fn target(&self) -> &Texts {
        &self.target
    }

    /// The codec and level.
    #[must_use]
    pub fn spec(&self) -> Spec {
        self.dictionaries.spec()
    }

    /// One gain a row; the same bits on any number of threads.
    ///
    /// # Errors
    /// [`Cause::Interrupted`]; a codec that fails.
    pub fn score(&self, source: &Texts, threads: usize, control: &Control) -> Result<Vec<f64>> {
        let mut gains = vec![0.0; source.len()];
        let scratch = || Ok((self.dictionaries.worker()?, vec![0; self.dictionaries.len()]));
        parallel::fill_rows(&mut gains, 1, CHUNK_ROWS, threads, control, scratch, |scratch, first, chunk| {
            let (worker, against) = scratch;
            for (row, gain) in (first..).zip(chunk) {
                let text = source.get(row);
                if !text.is_empty() {
                    let alone = worker.row(text, against, control)?;
                    *gain = mean_gain(alone, against, text.len());
                }
            }
            Ok(())
        })?;
        Ok(gains)
    }
}

#[expect(clippy::cast_precision_loss, reason = "the number of dictionaries is far below 2^53")]
fn mean_gain(alone: u64, against: &[u64], bytes: usize) -> f64 {
    let mut sum = 0.0;
    for &size in against {
        sum += metric::gain(alone, size, bytes);
    }
    sum / against.len() as f64
}

/// The text of each dictionary and the first target in it.
fn groups(target: &Texts, limit: usize) -> Vec<(usize, Vec<u8>)> {
    let total = target.iter().map(|text| text.len() as u64 + 1).sum::<u64>() - 1;
    let mut count = total.div_ceil(limit as u64).max(1);
    // Ends, because with |P| dictionaries none but empty targets are together.
    let starts = loop {
        let (starts, longest) = dealt(target, total, count);
        if longest <= limit as u64 {
            break starts;
        }
        count += count / 8 + 1;
    };
    let ends = starts.iter().skip(1).copied().chain([target.len()]);
    starts.iter().zip(ends).map(|(&start, end)| (start, joined(target, start..end))).collect()
}

/// The first target of each dictionary if there are `count`, and the bytes of the longest that has several targets.
fn dealt(target: &Texts, total: u64, count: u64) -> (Vec<usize>, u64) {
    let mut starts = Vec::new();
    let (mut begin, mut last, mut longest) = (0, None, 0);
    // Bytes of the dictionary at hand.
    let mut bytes = 0;
    for (row, text) in target.iter().enumerate() {
        // The product needs more than 64 bits for targets of terabytes only, but then it does. The last target, if it
        // is empty, begins at |P|; it belongs to the last dictionary.
        let number = u128::from(count) * u128::from(begin) / u128::from(total.max(1));
        let number = number.min(u128::from(count - 1));
        let length = text.len() as u64;
        if last == Some(number) {
            bytes += 1 + length;
            longest = longest.max(bytes);
        } else {
            starts.push(row);
            bytes = length;
        }
        last = Some(number);
        begin += length + 1;
    }
    (starts, longest)
}

fn joined(target: &Texts, rows: std::ops::Range<usize>) -> Vec<u8> {
    let texts: Vec<&[u8]> = rows.map(|row| target.get(row)).collect();
    texts.join(&JOINT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grouped(target: &[&str], limit: usize) -> Vec<(usize, String)> {
        let groups = groups(&Texts::from_iter(target), limit);
        groups.into_iter().map(|(row, text)| (row, String::from_utf8(text).unwrap())).collect()
    }

    fn owned(groups: &[(usize, &str)]) -> Vec<(usize, String)> {
        groups.iter().map(|&(row, text)| (row, text.to_owned())).collect()
    }

    #[test]
    fn targets_within_the_limit_are_one_dictionary() {
        assert_eq!(grouped(&["ab", "", "cde"], 7), owned(&[(0, "ab\n\ncde")]));
        assert_eq!(grouped(&["", ""], 7), owned(&[(0, "\n")]));
        assert_eq!(grouped(&[""], 7), owned(&[(0, "")]));
    }

    #[test]
    fn targets_above_the_limit_are_dealt_out_evenly_whole_and_in_order() {
        // |P| = 11: three dictionaries, whose targets begin at 0 and 3, at 6, and at 9.
        assert_eq!(grouped(&["ab", "cd", "ef", "gh"], 5), owned(&[(0, "ab\ncd"), (2, "ef"), (3, "gh")]));
        // |P| = 8: with two dictionaries both targets would begin in the first half, and be longer together than 4.
        assert_eq!(grouped(&["ab", "cdefg"], 4), owned(&[(0, "ab"), (1, "cdefg")]));
    }

    #[test]
    fn a_long_target_stays_whole_and_leaves_no_empty_dictionary() {
        assert_eq!(grouped(&["abcdefghijkl", "m"], 4), owned(&[(0, "abcdefghijkl"), (1, "m")]));
    }

    #[test]
    fn no_dictionary_of_several_targets_is_longer_than_the_limit() {
        for length in 0..40 {
            let targets: Vec<String> = (0..30).map(|row| "x".repeat(row * length % 23)).collect();
            let targets: Vec<&str> = targets.iter().map(String::as_str).collect();
            for limit in [1, 10, 22, 50, 1000] {
                let groups = grouped(&targets, limit);
                let whole: Vec<&str> = groups.iter().map(|(_, text)| text.as_str()).collect();
                assert_eq!(whole.join("\n"), targets.join("\n"));
                assert!(groups.iter().all(|(_, text)| text.len() <= limit || !text.contains('\n')));
            }
        }
    }

    #[test]
    fn an_empty_target_at_the_end_belongs_to_the_last_dictionary() {
        // |P| = 6, and the last target begins at byte 6.
        assert_eq!(grouped(&["ab", "cd", ""], 3), owned(&[(0, "ab"), (1, "cd\n")]));
    }

    #[test]
    fn the_mean_is_summed_in_order() {
        assert_eq!(mean_gain(10, &[4, 7, 10], 10), (0.0 + 0.6 + 0.3 + 0.0) / 3.0);
    }
}
