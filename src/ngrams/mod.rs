//! The distinct byte n-grams, n = 3 to 6, of a set of texts, and ways to find them again in other texts.
//!
//! Each n-gram has a number and a weight: its occurrences in all texts together, overlapping ones counted, none across
//! the end of a text. Since the start of an n-gram of the set is in the set too, the n-grams are the nodes of a tree,
//! and at each position of another text a search is done at the first n that misses. Numbers go down the tree before
//! they go on (preorder): n-grams that come together have numbers close to each other.
//!
//! [`Ngrams::walk`] names every occurrence in the order of the text; [`Counter`] gives each n-gram once, with its
//! occurrences, and is several times as fast.
//!
//! Cost: some 25 ns a byte of text for either, as long as the table of the set (10 to 20 bytes an n-gram; three n-grams
//! to a byte of text in small sets, one in large ones) stays in the processor's caches. Making a set takes some 150 ns
//! a byte and, while it is made, 8 bytes a byte and some 60 an n-gram. What n-grams are good for is the business of [`cover`](crate::cover).

mod counter;
mod table;

pub use counter::Counter;
pub(crate) use table::Table;

use crate::error::{Error, Result};
use crate::parallel::Control;
use crate::texts::Texts;

/// Shortest n-gram, in bytes. Two bytes tell nothing: nearly every text has nearly all pairs.
pub const MIN_N: usize = 3;

/// Longest n-gram, in bytes. Longer ones add little: their parts say nearly the same.
pub const MAX_N: usize = 6;

/// Distinct n-grams that a set can hold: that many have numbers, less one that stands for none.
const MAX_IDS: usize = (1 << table::ID_BITS) - 1;

/// The distinct n-grams of some texts.
#[derive(Clone, Debug)]
pub struct Ngrams {
    /// Numbers by three bytes.
    roots: Table,
    /// Numbers by the number of an n-gram and the byte that follows it.
    children: Table,
    /// Of each n-gram the one that is a byte shorter; of those of [`MIN_N`] bytes themselves.
    parents: Vec<u32>,
    weights: Vec<u64>,
}

impl Ngrams {
    /// Find the n-grams of all texts.
    ///
    /// # Errors
    /// [`Cause::Interrupted`](crate::error::Cause::Interrupted); [`Cause::Parameter`](crate::error::Cause::Parameter)
    /// for more than 268 million distinct n-grams, some hundreds of megabytes of text.
    ///
    /// # Examples
    /// ```
    /// use zipfit::{Control, Texts, ngrams::Ngrams};
    /// let ngrams = Ngrams::new(&Texts::from_iter(["abcabc"]), &Control::default())?;
    /// // abc (twice), bca, cab; abca, bcab, cabc; abcab, bcabc; abcabc.
    /// assert_eq!(ngrams.weights().iter().sum::<u64>(), 10);
    /// assert_eq!(ngrams.weights().len(), 9);
    /// # Ok::<(), zipfit::Error>(())
    /// ```
    pub fn new(texts: &Texts, control: &Control) -> Result<Ngrams> {
        Ngrams::with_limit(texts, MAX_IDS, control)
    }

    fn with_limit(texts: &Texts, limit: usize, control: &Control) -> Result<Ngrams> {
        let mut windows = windows(texts);
        control.check()?;
        windows.sort_unstable();
        let (mut roots, mut children) = (Vec::new(), Vec::new());
        let (mut parents, mut weights) = (Vec::new(), Vec::new());
        // The n-grams of the window at hand, shortest first: number, and the bytes as they stand in a window.
        let mut path = [(0, 0); MAX_N - MIN_N + 1];
        let mut known = 0;
        for window in windows {
            let length = (window & LENGTH_MASK) as usize;
            for n in MIN_N..=length {
                let at = n - MIN_N;
                let bytes = window >> (u64::BITS as usize - 8 * n);
                if at >= known || path[at].1 != bytes {
                    control.check()?;
                    let id = weights.len();
                    if id == limit {
                        let message = format!("target has more than {limit} distinct n-grams of 3 to 6 bytes");
                        return Err(Error::parameter(message + "; take less text"));
                    }
                    match at.checked_sub(1).map(|shorter| path[shorter].0) {
                        None => {
                            roots.push((bytes, id));
                            parents.push(id as u32);
                        }
                        Some(parent) => {
                            children.push((child_key(parent, bytes as u8), id));
                            parents.push(parent as u32);
                        }
                    }
                    weights.push(0);
                    path[at] = (id, bytes);
                    known = at + 1;
                }
                weights[path[at].0] += 1;
            }
        }
        Ok(Ngrams { roots: Table::new(&roots), children: Table::new(&children), parents, weights })
    }

    /// Occurrences of each n-gram in all texts, by its number.
    #[must_use]
    pub fn weights(&self) -> &[u64] {
        &self.weights
    }

    /// Call `each(n, number)` for every occurrence in `text` of an n-gram of the set, position by position.
    pub fn walk(&self, text: &[u8], mut each: impl FnMut(usize, usize)) {
        for start in 0..(text.len() + 1).saturating_sub(MIN_N) {
            let (mut id, mut hit) = self.roots.find(root_key(&text[start..]));
            let mut n = MIN_N;
            while hit {
                each(n, id);
                n += 1;
                match text.get(start + n - 1) {
                    Some(&byte) if n <= MAX_N => (id, hit) = self.children.find(child_key(id, byte)),
                    _ => break,
                }
            }
        }
    }
}

/// Low bits of a window that hold its length.
const LENGTH_MASK: u64 = 0xff;

/// At every position of every text the [`MAX_N`] bytes from there, or as many as are left, if that makes [`MIN_N`]:
/// first byte topmost, the length in the lowest byte. Sorted, windows with the same start of n bytes stand together,
/// but for windows shorter than n among them.
fn windows(texts: &Texts) -> Vec<u64> {
    let mut windows = Vec::with_capacity(texts.total_bytes() as usize);
    for text in texts.iter() {
        for start in 0..(text.len() + 1).saturating_sub(MIN_N) {
            let bytes = &text[start..text.len().min(start + MAX_N)];
            let mut window = [0; 8];
            window[..bytes.len()].copy_from_slice(bytes);
            windows.push(u64::from_be_bytes(window) | bytes.len() as u64);
        }
    }
    windows
}

#[inline]
fn root_key(text: &[u8]) -> u64 {
    u64::from(text[0]) << 16 | u64::from(text[1]) << 8 | u64::from(text[2])
}

#[inline]
fn child_key(parent: usize, byte: u8) -> u64 {
    (parent as u64) << 8 | u64::from(byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn ngrams(texts: &[&[u8]]) -> Ngrams {
        Ngrams::new(&Texts::from_iter(texts), &Control::default()).unwrap()
    }

    /// Occurrences of each n-gram, as the definition says.
    fn by_hand(texts: &[&[u8]]) -> HashMap<Vec<u8>, u64> {
        let mut counts = HashMap::new();
        for text in texts {
            for n in MIN_N..=MAX_N {
                for ngram in text.windows(n) {
                    *counts.entry(ngram.to_vec()).or_insert(0) += 1;
                }
            }
        }
        counts
    }

    /// The n-grams of `text` that a walk finds, one after another, by their bytes.
    fn walked(set: &Ngrams, text: &[u8]) -> Vec<(Vec<u8>, usize)> {
        let mut found = Vec::new();
        let mut start = 0;
        let mut former = MAX_N;
        set.walk(text, |n, id| {
            if n == MIN_N {
                start += usize::from(former > 0 && !found.is_empty());
                start = (start..text.len()).find(|&at| set.roots.find(root_key(&text[at..])) == (id, true)).unwrap();
            }
            former = n;
            found.push((text[start..start + n].to_vec(), id));
        });
        found
    }

    proptest! {
        #[test]
        fn walks_and_counts_agree_with_the_definition(
            texts in prop::collection::vec(prop::collection::vec(0u8..3, 0..40), 0..5),
            text in prop::collection::vec(0u8..4, 0..60),
        ) {
            let texts: Vec<&[u8]> = texts.iter().map(Vec::as_slice).collect();
            let (set, expected) = (ngrams(&texts), by_hand(&texts));
            prop_assert_eq!(set.weights().len(), expected.len());
            let mut wanted = by_hand(&[&text]);
            wanted.retain(|ngram, _| expected.contains_key(ngram));
            let mut found = HashMap::new();
            let mut numbers = HashMap::new();
            for (ngram, id) in walked(&set, &text) {
                prop_assert_eq!(set.weights()[id], expected[&ngram]);
                *found.entry(ngram.clone()).or_insert(0) += 1;
                numbers.insert(id, ngram);
            }
            prop_assert_eq!(&found, &wanted);
            let mut counter = Counter::new(&set);
            for _ in 0..2 {
                let mut counted = HashMap::new();
                counter.count(&text, |id, count| {
                    assert!(counted.insert(numbers[&id].clone(), u64::from(count)).is_none());
                });
                prop_assert_eq!(&counted, &wanted);
            }
        }
    }

    #[test]
    fn no_ngram_reaches_over_the_end_of_a_text() {
        let set = ngrams(&[b"abc", b"def", b"", b"xy"]);
        assert_eq!(set.weights(), [1, 1]);
        let mut found = Vec::new();
        set.walk(b"abcdef", |n, id| found.push((n, id)));
        assert_eq!(found, [(3, 0), (3, 1)]);
    }

    #[test]
    fn zero_bytes_at_the_end_of_a_text_are_bytes_like_others() {
        let texts: [&[u8]; 4] = [b"abc", b"abc\0", b"abc\0\0\0", b"abc\0\x01"];
        let (set, expected) = (ngrams(&texts), by_hand(&texts));
        assert_eq!(set.weights().len(), expected.len());
        for (ngram, id) in walked(&set, b"abc\0\0\0") {
            assert_eq!(set.weights()[id], expected[&ngram], "{ngram:?}");
        }
    }

    #[test]
    fn tables_grow_and_keep_what_they_hold() {
        let text: Vec<u8> = (0..60_000u32).flat_map(|number| (number as u16).to_le_bytes()).collect();
        let set = ngrams(&[&text]);
        let mut seen = vec![0; set.weights().len()];
        set.walk(&text, |_, id| seen[id] += 1);
        assert_eq!(seen, set.weights());
        let mut counted = vec![0; seen.len()];
        Counter::new(&set).count(&text, |id, count| counted[id] = u64::from(count));
        assert_eq!(counted, seen);
    }

    #[test]
    fn more_ngrams_than_have_numbers_are_an_error() {
        let texts = Texts::from_iter(["abcdef"]);
        assert!(Ngrams::with_limit(&texts, 10, &Control::default()).is_ok());
        let error = Ngrams::with_limit(&texts, 9, &Control::default()).unwrap_err();
        let message = "target has more than 9 distinct n-grams of 3 to 6 bytes; take less text";
        assert_eq!(error.to_string(), message);
    }
}
