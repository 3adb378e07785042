//! A byte n-gram model that reads texts and predicts others: bits that each of these needs.
//!
//! Interpolated Witten-Bell smoothing (Witten and Bell 1991; Chen and Goodman 1999). With h the k bytes before byte x,
//! c(hx) how often x followed h in the texts read, c(h) the sum over all x, and T(h) the number of different x,
//!
//! ```text
//! p_k(x | h) = (c(hx) + T(h) p_{k-1}(x | h without its first byte)) / (c(h) + T(h)),    p_{-1} = 1/256,
//! ```
//!
//! and `p_k = p_{k-1}` where h was never seen. k goes up to [`CONTEXT`]. A context begins at its own text's beginning
//! at the earliest, and no end of text is predicted. A text needs the sum of -log2 p over its bytes, in their order.
//!
//! Which texts will be predicted is known before any is read, so only n-grams that occur in them are counted, and reading
//! is a walk down their tree from every position. Cost: some 150 ns a byte read, most of it waiting for memory, which does
//! not grow with what is read, but is some 50 bytes for each distinct string of up to 6 bytes in the texts to predict, of which a large set has one
//! a byte and a small one four. The tree is cut by first bytes into parts, which threads count one by one.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::ngrams::Table;
use crate::parallel::{Control, fill_rows};
use crate::texts::Texts;

/// Longest context in bytes. At 4 all selections are judged some 0.2 bits better, at 7 some 0.1 worse; their order stays.
pub const CONTEXT: usize = 6;

/// Bits of the length in a window, which leave room for the bytes of the longest n-gram.
const LENGTH_MASK: u64 = 0xff;

/// Distinct n-grams of one part that a [`Table`] can number.
const MAX_IDS: usize = (1 << 28) - 1;

/// Positions walked from between two looks at the stop signal: some milliseconds.
const LOOK_EVERY: usize = 1 << 16;

/// Texts predicted between two looks.
const TEXTS_PER_CHUNK: usize = 8;

/// The n-grams with one first byte that occur in the texts to predict.
#[derive(Debug)]
struct Part {
    first: u8,
    /// Numbers of n-grams of up to [`CONTEXT`] bytes by the number of the one a byte shorter and the byte that follows
    /// it. The first byte alone is number 0.
    contexts: Table,
    /// The same for n-grams of one byte more, which are numbered by themselves.
    longest: Table,
    /// How many of both there are.
    sizes: (usize, usize),
}

/// What was read of a part.
#[derive(Clone, Debug)]
struct Counts {
    contexts: Vec<Context>,
    longest: Vec<u64>,
}

/// What was read of an n-gram.
#[derive(Clone, Copy, Debug, Default)]
struct Context {
    occurrences: u64,
    /// Occurrences that are not at the end of a text.
    followed: u64,
    /// Which bytes came after it.
    followers: [u64; 4],
}

impl Context {
    fn follow(&mut self, byte: u8) {
        self.followed += 1;
        self.followers[usize::from(byte >> 6)] |= 1 << (byte & 63);
    }

    fn distinct(&self) -> u32 {
        self.followers.iter().map(|bits| bits.count_ones()).sum()
    }
}

/// The texts to predict, and their n-grams.
#[derive(Debug)]
struct Index {
    texts: Texts,
    parts: Vec<Part>,
    /// Which part has a first byte; none for those that never occur.
    by_first: [Option<u8>; 256],
}

/// The model: what it has read, and the texts that it will predict.
///
/// # Examples
/// ```
/// use zipfit::{Control, Texts, evaluate::NgramModel};
///
/// let control = Control::default();
/// let mut model = NgramModel::new(Texts::from_iter(["aaaa", "b"]), &control)?;
/// assert_eq!(model.bits(1, &control)?, [32.0, 8.0]);  // knows nothing: 8 bits a byte
/// model.read(&Texts::from_iter(["aaa"]), None, 1, &control)?;
/// let bits = model.bits(1, &control)?;
/// assert!(bits[0] < 4.0 && bits[1] > 8.0);
/// # Ok::<(), zipfit::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct NgramModel {
    index: Arc<Index>,
    /// How often each byte was read.
    bytes: [u64; 256],
    /// One a part of the index.
    counts: Vec<Counts>,
    /// Whether all texts were read to their ends.
    is_whole: bool,
}

impl NgramModel {
    /// A model that has read nothing and will predict `texts`.
    ///
    /// # Errors
    /// [`Cause::Interrupted`](crate::error::Cause::Interrupted); [`Cause::Parameter`](crate::error::Cause::Parameter) for
    /// texts with more than 268 million distinct n-grams that begin with one byte.
    pub fn new(texts: Texts, control: &Control) -> Result<NgramModel> {
        let mut windows: Vec<Vec<u64>> = vec![Vec::new(); 256];
        for text in texts.iter() {
            control.check()?;
            for start in 0..text.len() {
                let bytes = &text[start..text.len().min(start + CONTEXT + 1)];
                let mut window = [0; 8];
                window[..bytes.len()].copy_from_slice(bytes);
                windows[usize::from(text[start])].push(u64::from_be_bytes(window) | bytes.len() as u64);
            }
        }
        let mut by_first = [None; 256];
        let mut parts = Vec::new();
        for (first, windows) in (0..=u8::MAX).zip(windows).filter(|(_, windows)| !windows.is_empty()) {
            by_first[usize::from(first)] = Some(parts.len() as u8);
            parts.push(Part::new(first, windows, control)?);
        }
        let index = Arc::new(Index { texts, parts, by_first });
        Ok(NgramModel { counts: Counts::none(&index), index, bytes: [0; 256], is_whole: true })
    }

    /// Another model for the same texts, which shares the index and has read nothing.
    #[must_use]
    pub fn fresh(&self) -> NgramModel {
        let index = Arc::clone(&self.index);
        NgramModel { counts: Counts::none(&index), index, bytes: [0; 256], is_whole: true }
    }

    /// Read texts, those where `keep` is true, after what was read before. The order makes no difference.
    ///
    /// # Errors
    /// [`Cause::Interrupted`](crate::error::Cause::Interrupted), after which the model is of no use.
    pub fn read(&mut self, texts: &Texts, keep: Option<&[bool]>, threads: usize, control: &Control) -> Result<()> {
        self.check_whole()?;
        self.is_whole = false;
        let kept: Vec<&[u8]> = texts
            .iter()
            .enumerate()
            .filter(|&(row, _)| keep.is_none_or(|keep| keep[row]))
            .map(|(_, text)| text)
            .collect();
        for text in &kept {
            control.check()?;
            for &byte in *text {
                self.bytes[usize::from(byte)] += 1;
            }
        }
        let parts = &self.index.parts;
        let count = |(): &mut (), at: usize, counts: &mut [Counts]| parts[at].read(&kept, &mut counts[0], control);
        fill_rows(&mut self.counts, 1, 1, threads, &control.without_progress(), || Ok(()), count)?;
        self.is_whole = true;
        Ok(())
    }

    /// Bits that each text needs.
    ///
    /// # Errors
    /// [`Cause::Interrupted`](crate::error::Cause::Interrupted); [`Cause::Parameter`](crate::error::Cause::Parameter) if
    /// reading was interrupted before.
    pub fn bits(&self, threads: usize, control: &Control) -> Result<Vec<f64>> {
        self.check_whole()?;
        let texts = &self.index.texts;
        let mut bits = vec![0.0; texts.len()];
        let predict = |(): &mut (), first: usize, bits: &mut [f64]| {
            for (row, bits) in (first..).zip(bits) {
                *bits = self.bits_of(texts.get(row), control)?;
            }
            Ok(())
        };
        fill_rows(&mut bits, 1, TEXTS_PER_CHUNK, threads, control, || Ok(()), predict)?;
        Ok(bits)
    }

    fn bits_of(&self, text: &[u8], control: &Control) -> Result<f64> {
        let total: u64 = self.bytes.iter().sum();
        let distinct = self.bytes.iter().filter(|&&count| count > 0).count();
        let mut bits = 0.0;
        // Numbers of the contexts before the byte at hand, the shortest first, and of those before the next one.
        let (mut open, mut next) = ([0; CONTEXT], [0; CONTEXT]);
        for (at, &byte) in text.iter().enumerate() {
            if at.is_multiple_of(LOOK_EVERY) {
                control.check()?;
            }
            let mut p = 1.0 / 256.0;
            if total > 0 {
                p = interpolated(self.bytes[usize::from(byte)], total, distinct as u32, p);
            }
            for length in 1..=at.min(CONTEXT) {
                let number = usize::from(self.index.by_first[usize::from(text[at - length])].unwrap_or_default());
                let (part, counts) = (&self.index.parts[number], &self.counts[number]);
                let context = &counts.contexts[open[length - 1]];
                let key = key(open[length - 1], byte);
                // All n-grams of the texts are in the index.
                let occurrences = if length < CONTEXT {
                    next[length] = part.contexts.find(key).0;
                    counts.contexts[next[length]].occurrences
                } else {
                    counts.longest[part.longest.find(key).0]
                };
                if context.followed > 0 {
                    p = interpolated(occurrences, context.followed, context.distinct(), p);
                }
            }
            bits -= libm::log2(p);
            open = next;
        }
        Ok(bits)
    }

    fn check_whole(&self) -> Result<()> {
        if self.is_whole { Ok(()) } else { Err(Error::parameter("reading was interrupted; make a new model")) }
    }
}

/// The step from a shorter context to a longer one.
#[expect(clippy::cast_precision_loss, reason = "counts below 2^53")]
fn interpolated(occurrences: u64, followed: u64, distinct: u32, shorter: f64) -> f64 {
    let distinct = f64::from(distinct);
    (occurrences as f64 + distinct * shorter) / (followed as f64 + distinct)
}

#[inline]
fn key(shorter: usize, byte: u8) -> u64 {
    (shorter as u64) << 8 | u64::from(byte)
}

impl Part {
    /// `windows`: at each position the bytes from there, as many as an n-gram has at most, first one topmost; the
    /// length lowest.
    fn new(first: u8, mut windows: Vec<u64>, control: &Control) -> Result<Part> {
        windows.sort_unstable();
        let (mut contexts, mut longest) = (Vec::new(), Vec::new());
        // Of the window at hand: number and bytes of its start of each length.
        let mut path = [(0, u64::from(first)); CONTEXT + 1];
        let (mut numbered, mut known) = (1, 1);
        for window in windows {
            control.check()?;
            for length in 2..=(window & LENGTH_MASK) as usize {
                let bytes = window >> (u64::BITS as usize - 8 * length);
                if length <= known && path[length - 1].1 == bytes {
                    continue;
                }
                let shorter = key(path[length - 2].0, bytes as u8);
                let number = if length <= CONTEXT { numbered } else { longest.len() };
                if number == MAX_IDS {
                    return Err(Error::parameter("the held-out rows have too many distinct n-grams; take less text"));
                }
                if length <= CONTEXT {
                    contexts.push((shorter, number));
                    numbered += 1;
                } else {
                    longest.push((shorter, number));
                }
                path[length - 1] = (number, bytes);
                known = length;
            }
        }
        let sizes = (numbered, longest.len());
        Ok(Part { first, contexts: Table::new(&contexts), longest: Table::new(&longest), sizes })
    }

    /// Count the n-grams of this part in texts.
    fn read(&self, texts: &[&[u8]], counts: &mut Counts, control: &Control) -> Result<()> {
        let mut walked = 0_usize;
        for text in texts {
            control.check()?;
            for start in memchr::memchr_iter(self.first, text) {
                walked += 1;
                if walked.is_multiple_of(LOOK_EVERY) {
                    control.check()?;
                }
                self.walk(&text[start + 1..], counts);
            }
        }
        Ok(())
    }

    /// Count the n-grams that begin with the first byte, after which `rest` comes.
    #[inline]
    fn walk(&self, rest: &[u8], counts: &mut Counts) {
        let mut number = 0;
        for (at, &byte) in rest.iter().take(CONTEXT).enumerate() {
            let context = &mut counts.contexts[number];
            context.occurrences += 1;
            context.follow(byte);
            let key = key(number, byte);
            if at + 1 == CONTEXT {
                let (number, hit) = self.longest.find(key);
                if hit {
                    counts.longest[number] += 1;
                }
                return;
            }
            let (next, hit) = self.contexts.find(key);
            if !hit {
                return;
            }
            number = next;
        }
        counts.contexts[number].occurrences += 1;
    }
}

impl Counts {
    fn none(index: &Index) -> Vec<Counts> {
        let none =
            |part: &Part| Counts { contexts: vec![Context::default(); part.sizes.0], longest: vec![0; part.sizes.1] };
        index.parts.iter().map(none).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    /// What the model says, written like the formula.
    fn naive(read: &[Vec<u8>], text: &[u8]) -> f64 {
        let mut followers: HashMap<&[u8], HashMap<u8, u32>> = HashMap::new();
        for read in read {
            for (i, &byte) in read.iter().enumerate() {
                for k in 0..=i.min(CONTEXT) {
                    *followers.entry(&read[i - k..i]).or_default().entry(byte).or_default() += 1;
                }
            }
        }
        let mut bits = 0.0;
        for (i, byte) in text.iter().enumerate() {
            let mut p = 1.0 / 256.0;
            for k in 0..=i.min(CONTEXT) {
                if let Some(seen) = followers.get(&text[i - k..i]) {
                    let count = f64::from(seen.get(byte).copied().unwrap_or(0));
                    let (total, different) = (f64::from(seen.values().sum::<u32>()), f64::from(seen.len() as u32));
                    p = (count + different * p) / (total + different);
                }
            }
            bits -= libm::log2(p);
        }
        bits
    }

    fn texts(letters: std::ops::RangeInclusive<u8>) -> impl Strategy<Value = Vec<Vec<u8>>> {
        prop::collection::vec(prop::collection::vec(letters, 0..40), 1..6)
    }

    fn check(read: &[Vec<u8>], predicted: &[Vec<u8>]) -> std::result::Result<(), TestCaseError> {
        let control = Control::default();
        let expected: Vec<f64> = predicted.iter().map(|text| naive(read, text)).collect();
        let empty = NgramModel::new(Texts::from_iter(predicted), &control).unwrap();
        for threads in [1, 3] {
            let mut model = empty.fresh();
            // In two calls, with a text between them that is not for the model.
            let (one, two) = read.split_at(read.len() / 2);
            model.read(&Texts::from_iter(one), None, threads, &control).unwrap();
            let mut others: Vec<&[u8]> = two.iter().map(Vec::as_slice).collect();
            others.push(b"abcdefgh");
            let keep: Vec<bool> = (0..others.len()).map(|at| at < two.len()).collect();
            model.read(&Texts::from_iter(others), Some(&keep), threads, &control).unwrap();
            // The same operations in the same order: the same bits.
            prop_assert_eq!(&model.bits(threads, &control).unwrap(), &expected);
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn the_model_is_the_formula_on_texts_of_few_letters(read in texts(97..=99), predicted in texts(97..=100)) {
            check(&read, &predicted)?;
        }

        #[test]
        fn the_model_is_the_formula_on_texts_of_all_bytes(read in texts(0..=255), predicted in texts(0..=255)) {
            check(&read, &predicted)?;
            check(&predicted, &predicted)?;
        }
    }

    #[test]
    fn what_was_read_by_halves_predicts_nothing() {
        let control = Control::default();
        let mut model = NgramModel::new(Texts::from_iter(["abc"]), &control).unwrap();
        let stopped = Control::default();
        stopped.cancel();
        assert!(model.read(&Texts::from_iter(["abc"]), None, 1, &stopped).is_err());
        let error = model.bits(1, &control).unwrap_err();
        assert_eq!(error.to_string(), "reading was interrupted; make a new model");
        assert!(model.fresh().bits(1, &control).is_ok());
    }
}
