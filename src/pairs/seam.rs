//! The seam: the tokens between where the source's own parse stops, undecided, and the target's first bytes.
//!
//! A match here begins in the source. Either no earlier position matches as far as the source's end: then the search
//! inside the source is final. Or some do, and each goes on as far as what follows it, in the source and then in the
//! target, equals the target's first bytes. What comes out depends on no more of a target than the bytes that were
//! looked at, so targets are taken in lexicographic order and share their seam with the one before if they share those
//! bytes: a set whose texts all begin alike has one seam.
//!
//! Cost, for each beginning of its own that a target has: a look at every place where the source's last byte, or two,
//! occur, and at those that match to its end. Some microseconds for prose and code; at most 4,096 places for each of the
//! last 258 bytes, if the source ends in a long run.

use std::ops::Range;

use super::level9::{MAX_CHAIN, MAX_MATCH, MIN_MATCH, chain_limit, common_prefix};
use super::parse::{Token, literal};
use super::source::{Match, Source};
use super::targets::Block;

/// How one or more targets begin.
#[derive(Clone, Debug)]
pub(super) struct Seam {
    /// Its tokens, see [`Seams::tokens`].
    tokens: Range<usize>,
    /// Position in the target where the next token begins, if no match is pending.
    pub start: usize,
    /// A match at the source's last byte, taken unless the one at the target's first byte is longer; or none.
    pub pending: Match,
    /// Whether no chain limit can have kept zlib from one of the matches.
    pub is_certain: bool,
}

/// Which earlier positions match from a position of the source to its end.
#[derive(Clone, Debug)]
enum Ends {
    /// None: the match here, whatever follows.
    Final(Match),
    /// These of [`Seams::positions`], nearest first.
    Touching(Range<usize>),
}

/// The seams of one source with one block, and the scratch to find them.
#[derive(Default)]
pub(super) struct Seams {
    tokens: Vec<Token>,
    found: Vec<Seam>,
    of_target: Vec<usize>,
    positions: Vec<u16>,
    /// By bytes to the source's end; filled when needed.
    ends: Vec<Option<Ends>>,
}

impl Seams {
    /// The seam of a target.
    pub fn of(&self, target: usize) -> &Seam {
        &self.found[self.of_target[target]]
    }

    /// The tokens of a seam.
    pub fn tokens(&self, seam: &Seam) -> &[Token] {
        &self.tokens[seam.tokens.clone()]
    }

    /// Forget the source before.
    pub fn start(&mut self, source: &Source, text: &[u8]) {
        self.positions.clear();
        self.ends.clear();
        self.ends.resize(text.len() - source.undecided + 1, None);
    }

    /// Find the seam of each target of a block.
    pub fn run(&mut self, source: &Source, text: &[u8], block: &Block) {
        self.tokens.clear();
        self.found.clear();
        self.of_target.clear();
        self.of_target.resize(block.targets.len(), 0);
        let mut looked_at = usize::MAX;
        for &(index, shared) in &block.sorted {
            if shared < looked_at {
                let target = &block.targets[index];
                let follow = Follow { bytes: &block.text[target.slots()], border: &block.border[target.slots()] };
                looked_at = self.add(source, text, &follow);
            }
            self.of_target[index] = self.found.len() - 1;
        }
    }

    /// Add the seam of a source with a target; gives how many bytes of the target it depends on.
    fn add(&mut self, source: &Source, text: &[u8], follow: &Follow) -> usize {
        let begin = self.tokens.len();
        let mut looked_at = 0;
        let mut is_certain = true;
        let mut match_at = |seams: &mut Seams, at: usize, before: usize| {
            if at >= text.len() {
                return Match::default();
            }
            let found = seams.match_at(source, text, at, follow, &mut looked_at);
            let limit = chain_limit(before);
            is_certain &= found.distance <= limit || source.depth(text, follow.bytes, at, found.distance) <= limit;
            found
        };
        let mut pending = Match::default();
        let mut at = source.undecided;
        let mut found = match_at(self, at, source.given_up);
        while at < text.len() {
            if found.length == 0 {
                self.tokens.push(literal(text[at], at as u32));
                at += 1;
                found = match_at(self, at, 0);
            } else if at + 1 == text.len() {
                pending = found;
                at += 1;
            } else {
                let next = match_at(self, at + 1, found.length);
                if next.length > found.length {
                    self.tokens.push(literal(text[at], at as u32));
                    at += 1;
                    found = next;
                } else {
                    self.tokens.push(found.token());
                    at += found.length;
                    found = match_at(self, at, 0);
                }
            }
        }
        self.found.push(Seam { tokens: begin..self.tokens.len(), start: at - text.len(), pending, is_certain });
        looked_at
    }

    /// The best match at a position of the source with this target behind it.
    fn match_at(&mut self, source: &Source, text: &[u8], at: usize, follow: &Follow, looked_at: &mut usize) -> Match {
        let length = text.len() - at;
        let range = match self.ends(source, text, at) {
            Ends::Final(found) => return found,
            Ends::Touching(range) => range,
        };
        let mut best = Match { length: 0, distance: 0 };
        for earlier in self.positions[range].iter().map(|&earlier| usize::from(earlier)) {
            let more = follow.common_prefix(&text[earlier + length..], at - earlier);
            *looked_at = (*looked_at).max(more + 1);
            let length = (length + more).min(MAX_MATCH);
            if length > best.length {
                best = Match { length, distance: at - earlier };
            }
        }
        best.or_none()
    }

    fn ends(&mut self, source: &Source, text: &[u8], at: usize) -> Ends {
        let length = text.len() - at;
        if let Some(ends) = &self.ends[length] {
            return ends.clone();
        }
        let begin = self.positions.len();
        if length < MIN_MATCH {
            let equal = |&earlier: &usize| text[earlier..earlier + length] == text[at..];
            self.positions.extend((1..at).rev().filter(equal).map(|earlier| earlier as u16));
        } else if length <= MAX_MATCH {
            let touches = |&earlier: &usize| common_prefix(&text[earlier..], &text[at..], length) == length;
            let touching = source.chain_of(at).take(MAX_CHAIN).filter(touches);
            self.positions.extend(touching.map(|earlier| earlier as u16));
        }
        let range = begin..self.positions.len();
        let ends = if !range.is_empty() {
            Ends::Touching(range)
        } else if length < MIN_MATCH {
            Ends::Final(Match::default())
        } else {
            Ends::Final(source.search(text, at, MIN_MATCH - 1).or_none())
        };
        self.ends[length] = Some(ends.clone());
        ends
    }
}

/// What follows the source.
struct Follow<'a> {
    bytes: &'a [u8],
    border: &'a [u16],
}

impl Follow<'_> {
    /// Bytes that the target has in common with `rest`, the last `inner` bytes of the source, followed by the target.
    fn common_prefix(&self, rest: &[u8], inner: usize) -> usize {
        debug_assert_eq!(rest.len(), inner);
        let length = common_prefix(rest, self.bytes, inner.min(self.bytes.len()).min(MAX_MATCH));
        if length == inner && length < self.bytes.len() { length + usize::from(self.border[inner]) } else { length }
    }
}
