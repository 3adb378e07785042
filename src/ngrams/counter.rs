//! The n-grams of a text, each once, with its occurrences.

use super::{MAX_N, MIN_N, Ngrams, child_key, root_key};

/// Positions that are searched together. The two lists of what is found at them must fit the first-level cache (16 KB
/// together); half or twice as many make no difference.
const PIECE: usize = 1024;

/// Lengths of n-grams that there are.
const LENGTHS: usize = MAX_N - MIN_N + 1;

/// Counts the n-grams of a set in one text after another; one a thread.
///
/// All positions of a piece of text are searched for n = 3, those that hit for n = 4, and so on: searches that do not
/// wait for each other run side by side in the processor. Only the longest n-gram of each position is counted then; the
/// sums are handed to the shorter ones at the end. No branch is a matter of chance: what may not count is written all
/// the same, and overwritten by the next.
///
/// # Examples
/// ```
/// use zipfit::{Control, Texts, ngrams::{Counter, Ngrams}};
/// let ngrams = Ngrams::new(&Texts::from_iter(["abcd"]), &Control::default())?;
/// let mut counts = Vec::new();
/// Counter::new(&ngrams).count(b"abc abcd", |_, count| counts.push(count));
/// assert_eq!(counts, [2, 1, 1]);  // abc; bcd; abcd
/// # Ok::<(), zipfit::Error>(())
/// ```
pub struct Counter<'a> {
    ngrams: &'a Ngrams,
    counts: Vec<u32>,
    /// Positions in the piece, and the number of the n-gram found there.
    found: Vec<(u32, u32)>,
    /// Numbers of n-grams that are the longest at a position.
    longest: Vec<u32>,
    /// Numbers whose count is not 0, by length.
    distinct: [Distinct; LENGTHS],
}

impl<'a> Counter<'a> {
    /// Scratch for a set: 4 bytes an n-gram.
    #[must_use]
    pub fn new(ngrams: &'a Ngrams) -> Counter<'a> {
        Counter {
            ngrams,
            counts: vec![0; ngrams.weights.len()],
            found: vec![(0, 0); PIECE],
            longest: vec![0; PIECE],
            distinct: Default::default(),
        }
    }

    /// Call `each(number, occurrences)` once for every n-gram of the set that is in `text`, short ones first.
    pub fn count(&mut self, text: &[u8], mut each: impl FnMut(usize, u32)) {
        let positions = (text.len() + 1).saturating_sub(MIN_N);
        for first in (0..positions).step_by(PIECE) {
            self.search(&text[first..], PIECE.min(positions - first));
        }
        for length in (1..LENGTHS).rev() {
            let (shorter, longer) = self.distinct.split_at_mut(length);
            let (shorter, longer) = (&mut shorter[length - 1], longer[0].numbers());
            shorter.reserve(longer.len());
            for &id in longer {
                let parent = self.ngrams.parents[id as usize];
                let count = self.counts[id as usize];
                let sum = &mut self.counts[parent as usize];
                shorter.add_if(parent, *sum == 0);
                *sum += count;
            }
        }
        for distinct in &mut self.distinct {
            for &id in distinct.numbers() {
                each(id as usize, std::mem::take(&mut self.counts[id as usize]));
            }
            distinct.clear();
        }
    }

    /// Count the longest n-gram at each of the first positions of `text`.
    fn search(&mut self, text: &[u8], positions: usize) {
        let mut hits = 0;
        for (at, start) in text.windows(MIN_N).take(positions).enumerate() {
            let (id, hit) = self.ngrams.roots.find(root_key(start));
            self.found[hits] = (at as u32, id as u32);
            hits += usize::from(hit);
        }
        for n in MIN_N..=MAX_N {
            let searched = std::mem::take(&mut hits);
            let mut ended = 0;
            for index in 0..searched {
                let (at, shorter) = self.found[index];
                let byte = text.get(at as usize + n).filter(|_| n < MAX_N);
                let (id, hit) =
                    byte.map_or((0, false), |&byte| self.ngrams.children.find(child_key(shorter as usize, byte)));
                self.found[hits] = (at, id as u32);
                hits += usize::from(hit);
                self.longest[ended] = shorter;
                ended += usize::from(!hit);
            }
            let distinct = &mut self.distinct[n - MIN_N];
            distinct.reserve(ended);
            for &id in &self.longest[..ended] {
                let count = &mut self.counts[id as usize];
                distinct.add_if(id, *count == 0);
                *count += 1;
            }
        }
    }
}

/// A list of numbers to which one is added or not without a branch.
#[derive(Default)]
struct Distinct {
    slots: Vec<u32>,
    used: usize,
}

impl Distinct {
    fn numbers(&self) -> &[u32] {
        &self.slots[..self.used]
    }

    fn clear(&mut self) {
        self.used = 0;
    }

    /// Make room for so many more.
    fn reserve(&mut self, more: usize) {
        if self.slots.len() <= self.used + more {
            self.slots.resize(2 * (self.used + more) + 1, 0);
        }
    }

    fn add_if(&mut self, id: u32, wanted: bool) {
        self.slots[self.used] = id;
        self.used += usize::from(wanted);
    }
}
