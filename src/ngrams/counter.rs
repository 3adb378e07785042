//! The n-grams of a text, each once, with its occurrences.

use super::{MAX_N, MIN_N, NO_PARENT, Ngrams, child_key, root_key};

/// Positions that are searched together. The two lists of what is found at them must fit the first-level cache (16 KB
/// together); half or twice as many make no difference.
const PIECE: usize = 1024;

/// Counts the n-grams of a set in one text after another; one a thread.
///
/// All positions of a piece of text are searched for n = 3, those that hit for n = 4, and so on: searches that do not wait
/// for each other run side by side in the processor, which is what they cost. Only the longest n-gram of each position is
/// counted then; the sums are handed to the shorter ones at the end.
///
/// # Examples
/// ```
/// use zipfit::{Control, Texts, ngrams::{Counter, Ngrams}};
/// let ngrams = Ngrams::new(&Texts::from_iter(["abcd"]), &Control::default())?;
/// let mut counts = Vec::new();
/// Counter::new(&ngrams).count(b"abc abcd", |_, count| counts.push(count));
/// assert_eq!(counts, [1, 1, 2]);  // bcd, abcd, abc
/// # Ok::<(), zipfit::Error>(())
/// ```
pub struct Counter<'a> {
    ngrams: &'a Ngrams,
    counts: Vec<u32>,
    /// A bit for each number whose count is not 0.
    present: Vec<u64>,
    /// A bit for each word of `present` that is not 0.
    words: Vec<u64>,
    /// Positions in the piece, and the number of the n-gram found there.
    found: Vec<(u32, u32)>,
    /// Numbers of the longest n-grams.
    longest: Vec<u32>,
}

impl<'a> Counter<'a> {
    /// Scratch for a set: 4 bytes an n-gram.
    #[must_use]
    pub fn new(ngrams: &'a Ngrams) -> Counter<'a> {
        let ids = ngrams.weights.len();
        Counter {
            ngrams,
            counts: vec![0; ids],
            present: vec![0; ids.div_ceil(64)],
            words: vec![0; ids.div_ceil(64 * 64)],
            found: vec![(0, 0); PIECE],
            longest: vec![0; PIECE],
        }
    }

    /// Call `each(number, occurrences)` for every n-gram of the set that is in `text`, by falling numbers.
    pub fn count(&mut self, text: &[u8], mut each: impl FnMut(usize, u32)) {
        let positions = (text.len() + 1).saturating_sub(MIN_N);
        for first in (0..positions).step_by(PIECE) {
            let longest = self.search(&text[first..], PIECE.min(positions - first));
            for at in 0..longest {
                self.add(self.longest[at] as usize, 1);
            }
        }
        for word in (0..self.words.len()).rev() {
            while self.words[word] != 0 {
                let at = 64 * word + last_bit(self.words[word]);
                // A parent has a smaller number than its children: its bit may yet be set in this very word.
                while self.present[at] != 0 {
                    let id = 64 * at + last_bit(self.present[at]);
                    self.present[at] ^= 1 << (id % 64);
                    let count = std::mem::take(&mut self.counts[id]);
                    let parent = self.ngrams.parents[id];
                    if parent != NO_PARENT {
                        self.add(parent as usize, count);
                    }
                    each(id, count);
                }
                self.words[word] ^= 1 << (at % 64);
            }
        }
    }

    /// Put the longest n-gram at each of the first positions of `text` into `longest`; how many positions have one.
    fn search(&mut self, text: &[u8], positions: usize) -> usize {
        let (found, longest) = (&mut self.found, &mut self.longest);
        let (mut hits, mut ended) = (0, 0);
        for at in 0..positions {
            let (id, hit) = self.ngrams.roots.find(root_key(&text[at..]));
            // Written always and kept only if it counts: a branch here would be a matter of chance.
            found[hits] = (at as u32, id as u32);
            hits += usize::from(hit);
        }
        for n in MIN_N..MAX_N {
            let searched = std::mem::take(&mut hits);
            for index in 0..searched {
                let (at, shorter) = found[index];
                let Some(&byte) = text.get(at as usize + n) else {
                    longest[ended] = shorter;
                    ended += 1;
                    continue;
                };
                let (id, hit) = self.ngrams.children.find(child_key(shorter as usize, byte));
                found[hits] = (at, id as u32);
                hits += usize::from(hit);
                longest[ended] = shorter;
                ended += usize::from(!hit);
            }
        }
        for &(_, id) in &found[..hits] {
            longest[ended] = id;
            ended += 1;
        }
        ended
    }

    fn add(&mut self, id: usize, count: u32) {
        self.counts[id] += count;
        self.present[id / 64] |= 1 << (id % 64);
        self.words[id / 4096] |= 1 << (id / 64 % 64);
    }
}

/// Number of the highest bit that is set; `bits` is not 0.
fn last_bit(bits: u64) -> usize {
    bits.ilog2() as usize
}
