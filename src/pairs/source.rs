//! What a source is to every target: its hash chains, and its parse as far as no target can change it.
//!
//! A search inside the source is zlib's own, chain limit included. It can only be changed by what follows the source
//! if a match touches the source's end, so the parse stops, *undecided*, at the first token that depends on such a
//! match or on bytes beyond the end; from there `seam.rs` goes on for each target.
//!
//! Cost: about that of one zlib run over the source, once for all targets.

use super::huffman::ROWS;
use super::level9::{HASHES, MAX_JOINED, MAX_MATCH, MIN_MATCH, TOO_FAR, chain_limit, common_prefix, hash};
use super::parse::{SEAM_TRIGRAMS, Token, literal, rows, token};

/// A match in the source: `length` 0 for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Match {
    pub length: usize,
    pub distance: usize,
}

impl Match {
    /// What the match counts as.
    pub fn token(self) -> Token {
        token(self.length as u32, self.distance as u32)
    }

    /// None instead of a match that is too short or, as short as it is, too far away.
    pub fn or_none(self) -> Match {
        let worth = self.length > MIN_MATCH || self.length == MIN_MATCH && self.distance <= TOO_FAR;
        if worth { self } else { Match::default() }
    }
}

#[derive(Clone, Copy, Default)]
struct Bucket {
    newest: u16,
    count: u16,
}

/// One source at a time, with the scratch that is kept from one to the next: 0.2 MB.
pub(super) struct Source {
    buckets: Vec<Bucket>,
    /// Hash of each position, by which the buckets are emptied: quicker than all of them for most sources.
    hashes: Vec<u16>,
    /// The nearest earlier position with the same hash; 0 for none.
    previous: Vec<u16>,
    /// Positions in the fullest bucket.
    pub largest_bucket: usize,
    /// Counts of the decided tokens by row of [`Counts`](super::huffman::Counts).
    pub counts: [u16; ROWS],
    /// Decided tokens.
    pub tokens: usize,
    /// Position of the first undecided token.
    pub undecided: usize,
    /// Length of the match at the position before that, which was given up for a longer one; 0 for none.
    pub given_up: usize,
}

impl Source {
    pub fn new() -> Source {
        Source {
            buckets: vec![Bucket::default(); HASHES],
            hashes: Vec::new(),
            previous: vec![0; MAX_JOINED],
            largest_bucket: 0,
            counts: [0; ROWS],
            tokens: 0,
            undecided: 0,
            given_up: 0,
        }
    }

    /// Chains and parse of a text of at most [`MAX_JOINED`] bytes.
    pub fn parse(&mut self, text: &[u8]) {
        self.chain(text);
        self.counts.fill(0);
        self.tokens = 0;
        self.given_up = 0;
        let mut at = 0;
        let mut known = None;
        while at + MIN_MATCH <= text.len() {
            let found = known.take().unwrap_or_else(|| self.search(text, at, MIN_MATCH - 1));
            if at + found.length == text.len() {
                break;
            }
            let found = found.or_none();
            if found.length == 0 {
                self.decide(literal(text[at], at as u32));
                self.given_up = 0;
                at += 1;
                continue;
            }
            // The next position must not touch the end either, whether with a longer match or, unseen, with another.
            if at + 1 + found.length >= text.len() {
                break;
            }
            let next =
                if found.length < MAX_MATCH { self.search(text, at + 1, found.length) } else { Match::default() };
            if at + 1 + next.length == text.len() {
                break;
            }
            if next.length > found.length {
                self.decide(literal(text[at], at as u32));
                self.given_up = found.length;
                at += 1;
                known = Some(next);
            } else {
                self.decide(found.token());
                self.given_up = 0;
                at += found.length;
            }
        }
        self.undecided = at;
    }

    fn decide(&mut self, token: Token) {
        let [symbol, distance] = rows(token);
        self.counts[symbol] += 1;
        self.counts[distance] += 1;
        self.tokens += 1;
    }

    /// Positions of the source with this hash, those after `earlier` alone.
    pub fn newer(&self, hash: usize, earlier: usize) -> usize {
        let newest = usize::from(self.buckets[hash].newest);
        usize::from(newest > earlier) + self.chain_of(newest).take_while(|&at| at > earlier).count()
    }

    /// Candidates, at most, that zlib looks at until it comes to the one `distance` before a position of the source,
    /// with `behind` behind the source. The chains of the source's last two positions are those of bytes of both.
    pub fn depth(&self, text: &[u8], behind: &[u8], at: usize, distance: usize) -> usize {
        if at + MIN_MATCH <= text.len() {
            return 1 + self.chain_of(at).take_while(|&earlier| earlier > at - distance).count();
        }
        let mut three = [0; MIN_MATCH];
        for (byte, &of) in three.iter_mut().zip(text[at..].iter().chain(behind)) {
            *byte = of;
        }
        1 + self.newer(hash(&three, 0), at - distance) + SEAM_TRIGRAMS
    }

    fn chain(&mut self, text: &[u8]) {
        for &hash in &self.hashes {
            self.buckets[usize::from(hash)] = Bucket::default();
        }
        self.hashes.clear();
        let mut largest = 0;
        for at in 0..(text.len() + 1).saturating_sub(MIN_MATCH) {
            let hash = hash(text, at);
            self.hashes.push(hash as u16);
            let bucket = &mut self.buckets[hash];
            self.previous[at] = bucket.newest;
            bucket.newest = at as u16;
            bucket.count += 1;
            largest = largest.max(bucket.count);
        }
        self.largest_bucket = usize::from(largest);
    }

    /// zlib's search at `at` for a match of more than `before` bytes; `at` has at least three bytes.
    ///
    /// One of three bytes that zlib drops for its distance is given: with other bytes behind it, it may be longer.
    pub fn search(&self, text: &[u8], at: usize, before: usize) -> Match {
        let ahead = (text.len() - at).min(MAX_MATCH);
        let mut best = Match { length: before, distance: 0 };
        for earlier in self.chain_of(at).take(chain_limit(before)) {
            if best.length >= ahead {
                break;
            }
            // Most candidates fail at the byte that would make them longer.
            if text[earlier + best.length] != text[at + best.length] {
                continue;
            }
            let length = common_prefix(&text[earlier..], &text[at..], ahead);
            if length > best.length {
                best = Match { length, distance: at - earlier };
            }
        }
        if best.length > before { best } else { Match::default() }
    }

    /// Earlier positions with the hash of `at`, nearest first.
    pub fn chain_of(&self, at: usize) -> impl Iterator<Item = usize> {
        let step = |at: usize| Some(usize::from(self.previous[at])).filter(|&earlier| earlier != 0);
        std::iter::successors(step(at), move |&at| step(at))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::pairs::huffman::NO_DISTANCE;
    use crate::pairs::test_texts::{cases, text};
    use crate::pairs::tokens_by_hand;

    proptest! {
        #![proptest_config(cases())]

        #[test]
        fn what_is_decided_is_how_every_joined_text_begins(x in text(1..300), p in text(0..300)) {
            let mut source = Source::new();
            // The scratch must not remember the text before.
            source.parse(&p);
            source.parse(&x);
            for joined in [x.clone(), [x.clone(), p.clone()].concat(), [x.clone(), x.clone()].concat()] {
                let tokens = tokens_by_hand::tokens(&joined);
                let mut counts = [0; ROWS];
                for &(symbol, distance) in &tokens[..source.tokens] {
                    counts[symbol] += 1;
                    counts[distance.min(NO_DISTANCE)] += 1;
                }
                let mut decided = source.counts;
                decided[NO_DISTANCE] += std::mem::take(&mut decided[NO_DISTANCE + 1]);
                prop_assert_eq!(&decided[..], &counts[..]);
            }
        }

        #[test]
        fn little_of_a_text_is_undecided(x in text(1..3000)) {
            let mut source = Source::new();
            source.parse(&x);
            prop_assert!(x.len() - source.undecided <= MAX_MATCH + 2);
        }
    }
}
