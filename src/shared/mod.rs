//! Why a text looks like the targets: the substrings that it shares with them, and what chosen rows hold of them.
//!
//! [`Index`] finds the longest substrings that a text shares with any of the targets; [`Coverage`] tells which bytes of
//! the targets lie in a substring that some chosen row holds, and which row had it first. Neither has a part in any
//! score: compressors look at much the same thing, and this is the part of it that can be shown.

mod automaton;
mod coverage;

pub use coverage::Coverage;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use crate::error::Result;
use crate::parallel::Control;
use crate::texts::Texts;
use automaton::Automaton;

/// Bytes of the shortest substring that counts as shared.
///
/// At 8, half of the bytes of a target lie in such a substring of random rows (0.66 of the benchmarks' code, 0.53 of
/// their mathematics); at 24 hardly any lie in one of the best rows either. At 12 random and chosen rows differ most:
/// 0.32 and 0.52 of the code, 0.18 and 0.39 of the mathematics (rows of 400 kB together, chosen by gain).
pub const MIN_SHARED_BYTES: usize = 12;

/// A substring of a text and of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shared {
    /// Where it begins in the text, in bytes.
    pub start: usize,
    /// Its length in bytes.
    pub length: usize,
    /// A target that has it: the first one, or that of the longer substring of which this is a part.
    pub target: usize,
    /// Where it begins in that target.
    pub target_start: usize,
}

/// The substrings of some targets.
pub struct Index {
    automaton: Automaton,
    /// Where each target begins among the symbols of all, and where the last one ends.
    starts: Vec<usize>,
}

impl Index {
    /// Prepare for texts to come. Some 60 bytes of memory and 0.5 microseconds a byte of the targets.
    ///
    /// # Errors
    /// [`Cause::Interrupted`](crate::error::Cause::Interrupted); [`Cause::Parameter`](crate::error::Cause::Parameter)
    /// for targets of more than 512 MiB.
    pub fn new(targets: &Texts, control: &Control) -> Result<Index> {
        let mut starts = vec![0];
        for target in targets.iter() {
            // One more for the end of the target, which no text has.
            starts.push(starts[starts.len() - 1] + target.len() + 1);
        }
        Ok(Index { automaton: Automaton::new(targets, control)?, starts })
    }

    /// Substrings of `text` of at least `min_length` bytes that are in a target: the longest first, of equal ones the
    /// first in the text; none overlaps another.
    ///
    /// The longest is taken as it is; what is left of those that it overlaps takes part further, as long as that is long
    /// enough. Where the text is UTF-8 they begin and end between characters. Cost: O(length of the text), and a sort.
    ///
    /// # Errors
    /// [`Cause::Interrupted`](crate::error::Cause::Interrupted).
    ///
    /// # Examples
    /// ```
    /// use zipfit::{Control, Texts, shared::{Index, Shared}};
    /// let index = Index::new(&Texts::from_iter(["the cat sat", "a dog sat down"]), &Control::default())?;
    /// let found = index.shared(b"my dog sat, the cat ran", 5, &Control::default())?;
    /// assert_eq!(found, [
    ///     Shared { start: 2, length: 8, target: 1, target_start: 1 },
    ///     Shared { start: 12, length: 8, target: 0, target_start: 0 },
    /// ]);
    /// # Ok::<(), zipfit::Error>(())
    /// ```
    pub fn shared(&self, text: &[u8], min_length: usize, control: &Control) -> Result<Vec<Shared>> {
        let mut matches = Vec::new();
        self.automaton.longest_matches(text, control, |end, length, end_in_targets| {
            let start = end - length;
            let starts_at = |at: usize| at == text.len() || text[at] & 0xc0 != 0x80;
            // No further than a character is long: what is not UTF-8 stays as it is.
            let first = (start..end).take(LONGEST_CHARACTER).find(|&at| starts_at(at)).unwrap_or(start);
            let last = (first..=end).rev().take(LONGEST_CHARACTER).find(|&at| starts_at(at)).unwrap_or(end);
            if last - first >= min_length {
                add(&mut matches, first, last, end_in_targets - (end - first));
            }
        })?;
        let chosen = without_overlaps(matches, min_length, control)?;
        Ok(chosen.into_iter().map(|found| self.place(&found)).collect())
    }

    fn place(&self, found: &Match) -> Shared {
        let target = self.starts.partition_point(|&start| start <= found.begins_in_targets) - 1;
        Shared {
            start: found.start,
            length: found.end - found.start,
            target,
            target_start: found.begins_in_targets - self.starts[target],
        }
    }
}

/// Bytes of a character of UTF-8.
const LONGEST_CHARACTER: usize = 4;

/// A piece of the text, and where it begins among the symbols of all targets.
///
/// In a long run of one letter, or of some, it is there again every `step` bytes: these are one match, so that they do
/// not take 60 bytes of memory for each byte of the text.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Match {
    start: usize,
    end: usize,
    begins_in_targets: usize,
    /// How often it is there again.
    more: usize,
    step: usize,
}

/// Add a match, to the last one if it is that again.
fn add(matches: &mut Vec<Match>, start: usize, end: usize, begins_in_targets: usize) {
    if let Some(last) = matches.last_mut()
        && (last.end - last.start, last.begins_in_targets) == (end - start, begins_in_targets)
    {
        let step = start - (last.start + last.more * last.step);
        if last.more == 0 || last.step == step {
            (last.more, last.step) = (last.more + 1, step);
            return;
        }
    }
    matches.push(Match { start, end, begins_in_targets, more: 0, step: 0 });
}

impl Match {
    /// The part from `start` to `end`, once.
    fn part(&self, start: usize, end: usize) -> Match {
        Match { start, end, begins_in_targets: self.begins_in_targets + (start - self.start), more: 0, step: 0 }
    }

    /// What is left of it when it was there `times` times.
    fn again(&self, times: usize) -> Match {
        let by = times * self.step;
        Match { start: self.start + by, end: self.end + by, more: self.more - times, ..*self }
    }
}

/// The longest matches first, cut where they overlap earlier ones.
fn without_overlaps(mut matches: Vec<Match>, min_length: usize, control: &Control) -> Result<Vec<Match>> {
    // By length, then the first; the heap gives the largest.
    let key = |found: &Match| (found.end - found.start, Reverse(found.start));
    let mut waiting: BinaryHeap<_> = matches.iter().enumerate().map(|(at, found)| (key(found), at)).collect();
    let mut chosen: BTreeMap<usize, usize> = BTreeMap::new();
    let mut found = Vec::new();
    while let Some((_, at)) = waiting.pop() {
        control.check()?;
        let now = matches[at];
        let mut wait = |part: Match| {
            if part.end - part.start >= min_length {
                waiting.push((key(&part), matches.len()));
                matches.push(part);
            }
        };
        // Of those chosen, the last that begins before this one ends, if it reaches into it.
        let neighbour = chosen.range(..now.end).next_back().filter(|&(_, &end)| end > now.start);
        let taken_to = if let Some((&start, &end)) = neighbour {
            if start > now.start {
                wait(now.part(now.start, start));
            }
            end
        } else {
            chosen.insert(now.start, now.end);
            found.push(now);
            now.end
        };
        // Of those that begin within what is taken, the last leaves most: what the others leave is a part of that.
        let skipped = if now.more == 0 { 0 } else { now.more.min((taken_to - 1 - now.start) / now.step) };
        let last = now.again(skipped);
        if last.end > taken_to {
            wait(last.part(taken_to, last.end));
        }
        if last.more > 0 {
            wait(last.again(1));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn index(targets: &[&[u8]]) -> Index {
        Index::new(&Texts::from_iter(targets), &Control::default()).unwrap()
    }

    /// The longest substring of the free part of the text that is in a target, again and again.
    fn by_hand(targets: &[&[u8]], text: &[u8], min_length: usize) -> Vec<(usize, usize)> {
        let is_shared =
            |piece: &[u8]| targets.iter().any(|target| target.windows(piece.len()).any(|window| window == piece));
        let mut taken = vec![false; text.len()];
        let mut found = Vec::new();
        'next: loop {
            for length in (min_length..=text.len()).rev() {
                for start in 0..=text.len() - length {
                    let range = start..start + length;
                    if !taken[range.clone()].contains(&true) && is_shared(&text[range.clone()]) {
                        taken[range].fill(true);
                        found.push((start, length));
                        continue 'next;
                    }
                }
            }
            return found;
        }
    }

    proptest! {
        #[test]
        fn shared_substrings_are_the_longest_of_what_is_free(
            targets in prop::collection::vec(prop::collection::vec(b'a'..b'd', 0..20), 1..4),
            text in prop::collection::vec(b'a'..b'd', 0..30),
            min_length in 1usize..5,
        ) {
            let targets: Vec<&[u8]> = targets.iter().map(Vec::as_slice).collect();
            let found = index(&targets).shared(&text, min_length, &Control::default()).unwrap();
            let places: Vec<(usize, usize)> = found.iter().map(|found| (found.start, found.length)).collect();
            prop_assert_eq!(places, by_hand(&targets, &text, min_length));
            for (number, shared) in found.into_iter().enumerate() {
                let piece = &text[shared.start..shared.start + shared.length];
                prop_assert_eq!(&targets[shared.target][shared.target_start..][..piece.len()], piece);
                let first = targets.iter().enumerate().find_map(|(target, bytes)| {
                    bytes.windows(piece.len()).position(|window| window == piece).map(|at| (target, at))
                });
                prop_assert!(number > 0 || first == Some((shared.target, shared.target_start)));
            }
        }
    }

    #[test]
    fn pieces_begin_and_end_between_characters() {
        // The middle bytes of ä (c3 a4) and ö (c3 b6) differ, their first bytes do not; € is e2 82 ac.
        let found = index(&["xä€y".as_bytes()]).shared("xö€z".as_bytes(), 1, &Control::default()).unwrap();
        let pieces: Vec<&str> = found.iter().map(|found| &"xö€z"[found.start..found.start + found.length]).collect();
        assert_eq!(pieces, ["€", "x"]);
    }

    #[test]
    fn a_long_run_of_one_byte_takes_no_longer_than_other_texts() {
        let target = vec![b'a'; 200_000];
        let text = vec![b'a'; 300_000];
        let found = index(&[&target]).shared(&text, 12, &Control::default()).unwrap();
        let places: Vec<(usize, usize)> = found.iter().map(|found| (found.start, found.length)).collect();
        assert_eq!(places, [(0, 200_000), (200_000, 100_000)]);
    }

    #[test]
    fn a_run_that_is_longer_than_any_target_is_one_match_in_memory() {
        let mut matches = Vec::new();
        for start in 0..1_000_000 {
            add(&mut matches, start, start + 20, 7);
        }
        assert_eq!(matches.len(), 1);
        let found = without_overlaps(matches, 12, &Control::default()).unwrap();
        // 1,000,019 bytes: what is left of the last is 19.
        assert_eq!((found.len(), found[49_999].start, found[50_000].start), (50_001, 999_980, 1_000_000));
        assert_eq!(found[50_000].end, 1_000_019);
    }

    #[test]
    fn bytes_that_continue_no_character_take_no_longer_than_others() {
        let target = vec![0x80; 100_000];
        let found = index(&[&target]).shared(&vec![0x80; 1_000_000], 12, &Control::default()).unwrap();
        assert_eq!(found.len(), 10);
    }
}
