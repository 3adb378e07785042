//! Hashed words and pairs of words, and how far their shares in two sets of texts are apart: the measure of DSIR.
//!
//! Features as in Xie et al. 2023, arXiv:2302.03169: words, and pairs of words that follow each other in a text, counted
//! in [`BUCKETS`] buckets by a hash. A word is a run of letters, digits and underscores, or a run of other characters
//! that are not white space; ASCII letters count in lower case, bytes beyond ASCII as letters.
//!
//! N.B. the package of its authors lowers the case of all letters and hashes by SHA-256, so that its buckets are others.

use crate::error::Result;
use crate::parallel::{Control, fill_rows};
use crate::texts::Texts;

/// Buckets that features fall into; the paper's number.
pub const BUCKETS: usize = 10_000;

/// Pieces that rows are cut into for the threads: counts of each take 80 kB.
const PIECES: usize = 64;

const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;

/// Features in each bucket over texts, those where `keep` is true.
///
/// # Errors
/// [`Cause::Interrupted`](crate::error::Cause::Interrupted).
///
/// # Examples
/// ```
/// use zipfit::{Control, Texts, evaluate::words};
/// let counts = words::count(&Texts::from_iter(["x = 1", "X"]), None, 1, &Control::default())?;
/// assert_eq!(counts.iter().sum::<u64>(), 6);  // x, =, 1, (x, =), (=, 1); x
/// # Ok::<(), zipfit::Error>(())
/// ```
pub fn count(texts: &Texts, keep: Option<&[bool]>, threads: usize, control: &Control) -> Result<Vec<u64>> {
    let rows: Vec<usize> = (0..texts.len()).filter(|&row| keep.is_none_or(|keep| keep[row])).collect();
    let rows_per_piece = rows.len().div_ceil(PIECES).max(1);
    let mut pieces: Vec<Vec<u64>> = vec![Vec::new(); rows.len().div_ceil(rows_per_piece)];
    let count = |(): &mut (), at: usize, piece: &mut [Vec<u64>]| {
        let mut counts = vec![0; BUCKETS];
        for &row in rows[at * rows_per_piece..].iter().take(rows_per_piece) {
            control.check()?;
            for_each_feature(texts.get(row), |hash| counts[(hash % BUCKETS as u64) as usize] += 1);
        }
        piece[0] = counts;
        Ok(())
    };
    fill_rows(&mut pieces, 1, 1, threads, &control.without_progress(), || Ok(()), count)?;
    let mut counts = vec![0; BUCKETS];
    for piece in pieces {
        for (sum, count) in counts.iter_mut().zip(piece) {
            *sum += count;
        }
    }
    Ok(counts)
}

/// Added to every share, so that a bucket in which nothing was counted does not make a divergence infinite. The value of
/// the package of the paper's authors, so that numbers can be compared with theirs; a larger one would hide what a small
/// selection lacks.
const ADDED: f64 = 1e-8;

/// Kullback-Leibler divergence of the shares in `other` from those in `target`, in nats: sum of p ln(p / q).
///
/// The logarithms are those of the shares and 1e-8; summed in the order of the buckets. Of no counts all shares are 0.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts below 2^53")]
pub fn divergence(target: &[u64], other: &[u64]) -> f64 {
    let total = |counts: &[u64]| counts.iter().sum::<u64>().max(1) as f64;
    let (all_p, all_q) = (total(target), total(other));
    let term = |(&p, &q): (&u64, &u64)| {
        let (p, q) = (p as f64 / all_p, q as f64 / all_q);
        p * (libm::log(p + ADDED) - libm::log(q + ADDED))
    };
    target.iter().zip(other).map(term).fold(0.0, |sum, term| sum + term)
}

fn for_each_feature(text: &[u8], mut each: impl FnMut(u64)) {
    let mut former = None;
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        if is_space(byte) {
            at += 1;
            continue;
        }
        let of_letters = is_letter(byte);
        let end = text[at..].iter().position(|&byte| is_space(byte) || is_letter(byte) != of_letters);
        let end = end.map_or(text.len(), |length| at + length);
        let word = hash(FNV_START, &text[at..end]);
        each(mix(word));
        if let Some(former) = former {
            // A zero byte between two words, which would be one of punctuation, would only move a pair to another bucket.
            each(mix(hash(hash(former, b"\0"), &text[at..end])));
        }
        former = Some(word);
        at = end;
    }
}

fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

fn is_space(byte: u8) -> bool {
    // What Python's `\s` is, of ASCII.
    matches!(byte, b'\t'..=b'\r' | 0x1c..=0x1f | b' ')
}

/// FNV-1a, of lower case.
fn hash(start: u64, word: &[u8]) -> u64 {
    word.iter().fold(start, |hash, byte| (hash ^ u64::from(byte.to_ascii_lowercase())).wrapping_mul(0x0100_0000_01b3))
}

/// Spreads the bits: those of FNV-1a depend on few letters only.
fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(texts: &[&str], threads: usize) -> Vec<u64> {
        count(&Texts::from_iter(texts), None, threads, &Control::default()).unwrap()
    }

    fn features(text: &str) -> usize {
        let mut number = 0;
        for_each_feature(text.as_bytes(), |_| number += 1);
        number
    }

    #[test]
    fn a_word_is_a_run_of_letters_or_of_other_characters() {
        assert_eq!(features(""), 0);
        assert_eq!(features(" \n\t"), 0);
        assert_eq!(features("snake_case1"), 1);
        assert_eq!(features("a+=b"), 5); // a, +=, b, two pairs
        assert_eq!(features("été"), 1);
    }

    #[test]
    fn pairs_do_not_reach_over_the_end_of_a_text_and_have_an_order() {
        assert_eq!(counted(&["a", "b"], 1).iter().sum::<u64>(), 2);
        assert_ne!(counted(&["a b"], 1), counted(&["b a"], 1));
        assert_eq!(counted(&["A  B"], 1), counted(&["a b"], 1));
    }

    #[test]
    fn buckets_are_the_same_for_ever() {
        let found: Vec<usize> = (0..BUCKETS).filter(|&at| counted(&["def f"], 1)[at] > 0).collect();
        assert_eq!(found, [1217, 5749, 6410]); // as in tests/python/reference.py
    }

    #[test]
    fn threads_change_nothing() {
        let texts: Vec<String> = (0..500).map(|at| format!("word{} and {at}", at % 7)).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        assert_eq!(counted(&texts, 1), counted(&texts, 3));
    }

    #[test]
    fn divergence_is_none_from_itself_and_grows() {
        let target = counted(&["x = 1", "y = 2"], 1);
        assert!(divergence(&target, &target).abs() < 1e-15);
        let near = divergence(&target, &counted(&["x = 1 y"], 1));
        let far = divergence(&target, &counted(&["we went to the sea in may"], 1));
        assert!(0.0 < near && near < far);
    }
}
