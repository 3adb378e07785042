//! Which rows hold a piece of an evaluation set, and of which of its rows.
//!
//! A piece is every window of `N` words ("13-gram") or of `M` bytes ("50-byte") of an evaluation row; a row shorter
//! than a window is one piece. A source row is contaminated if it contains a piece, words as whole words. Words are
//! runs of ASCII letters, digits and bytes beyond ASCII, in ASCII lower case; everything else separates them. Bytes
//! are compared as they are.
//!
//! Each window of a source is looked up by a rolling hash (Karp and Rabin 1987), and each hit is then compared word by
//! word or byte by byte, so that the answer is that of comparing everything with everything. Cost: linear in the bytes
//! of the sources, some 6 ns a byte for words and 17 ns for bytes (and linear in the number of different lengths of
//! short evaluation rows that end in the word or byte just read, usually none); memory: some 60 bytes a piece (one
//! for nearly every word or byte of the evaluation rows), 16 a row for the answer.
//! References: 13-grams of lower-cased words: Brown et al. 2020, arXiv:2005.14165, appendix C; 50 characters anywhere:
//! `OpenAI` 2023, arXiv:2303.08774, appendix C. The first leaves out pieces that occur often; the second
//! draws three windows a row, of letters and digits alone. Here every piece counts, with all its bytes.

mod hashes;
mod units;

use std::collections::HashMap;
use std::fmt;
use std::hash::BuildHasherDefault;
use std::str::FromStr;

use crate::error::{Error, Result, Side, quote};
use crate::parallel::{self, Control};
use crate::texts::Texts;
use hashes::{BASE, Filter, Mixed};
use units::{Unit, for_each_unit, starts_with_words};

/// Most words or bytes of a window. Arbitrary; beyond some hundred a window only finds copies of whole rows.
const MAX_LENGTH: usize = 1000;

/// Rows that a thread looks through between two looks at the common counter; some 300 us.
const CHUNK_ROWS: usize = 64;

/// No piece, and no row.
const NONE: usize = usize::MAX;

/// Length of a window, as in "13-gram" (words) or "50-byte".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overlap {
    unit: Unit,
    length: usize,
}

impl FromStr for Overlap {
    type Err = Error;

    fn from_str(token: &str) -> Result<Overlap> {
        let parsed = token.split_once('-').and_then(|(length, unit)| {
            let unit = match unit {
                "gram" => Unit::Word,
                "byte" => Unit::Byte,
                _ => return None,
            };
            // `parse` alone would take "+13".
            let digits = length.bytes().all(|byte| byte.is_ascii_digit());
            let length = length.parse().ok().filter(|length| digits && (1..=MAX_LENGTH).contains(length))?;
            Some(Overlap { unit, length })
        });
        parsed.ok_or_else(|| {
            let token = quote(token);
            Error::parameter(format!(
                "overlap {token} is not known; use N-gram (words) or M-byte with 1 to {MAX_LENGTH}, as in 13-gram"
            ))
        })
    }
}

impl fmt::Display for Overlap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.unit {
            Unit::Word => "gram",
            Unit::Byte => "byte",
        };
        write!(f, "{}-{unit}", self.length)
    }
}

/// An evaluation set made ready for looking through sources.
///
/// # Examples
/// ```
/// use zipfit::contamination::Contamination;
/// use zipfit::{Control, Texts};
///
/// let against = Texts::from_iter(["What is seven times six? Forty-two."]);
/// let contamination = Contamination::prepare(&against, "4-gram".parse()?, &Control::default())?;
/// let source = Texts::from_iter(["Seven by six", "(what is  SEVEN times: eight)"]);
/// assert_eq!(contamination.find(&source, 1, &Control::default())?, [None, Some(0)]);
/// # Ok::<(), zipfit::Error>(())
/// ```
#[derive(Debug)]
pub struct Contamination {
    overlap: Overlap,
    /// The evaluation rows as they are compared: words in lower case with one space after each; bytes as they are.
    text: Vec<u8>,
    pieces: Vec<Piece>,
    /// Hash of a piece to the newest piece with that hash.
    newest: HashMap<u64, usize, BuildHasherDefault<Mixed>>,
    /// Which hashes may be in `newest`.
    filter: Filter,
    /// The lengths of the pieces that are shorter than a window, by their last unit.
    short: HashMap<u64, Vec<usize>, BuildHasherDefault<Mixed>>,
    /// Which units may be in `short`.
    short_filter: Filter,
    /// `BASE` to the power of each length.
    powers: Vec<u64>,
}

/// Part of `Contamination::text`.
#[derive(Debug)]
struct Piece {
    row: usize,
    start: usize,
    end: usize,
    /// The piece before it with the same hash.
    older: usize,
}

impl Contamination {
    /// Collect the pieces of the evaluation rows.
    ///
    /// # Errors
    /// [`Cause::Parameter`](crate::error::Cause::Parameter) for no rows, or a row without a word (without a byte),
    /// which every text would contain; the message names it. [`Cause::Interrupted`](crate::error::Cause::Interrupted).
    pub fn prepare(against: &Texts, overlap: Overlap, control: &Control) -> Result<Contamination> {
        if against.is_empty() {
            return Err(Error::parameter("against has 0 rows; there is nothing to look for"));
        }
        let mut contamination = Contamination {
            overlap,
            text: Vec::new(),
            pieces: Vec::new(),
            newest: HashMap::default(),
            filter: Filter::new(0),
            short: HashMap::default(),
            short_filter: Filter::new(0),
            powers: std::iter::successors(Some(1u64), |power| Some(power.wrapping_mul(BASE)))
                .take(overlap.length + 1)
                .collect(),
        };
        for (row, text) in against.iter().enumerate() {
            control.check()?;
            contamination.add(row, text)?;
        }
        contamination.filter = Filter::new(contamination.newest.len());
        contamination.newest.keys().for_each(|&hash| contamination.filter.insert(hash));
        contamination.short_filter = Filter::new(contamination.short.len());
        contamination.short.keys().for_each(|&unit| contamination.short_filter.insert(unit));
        Ok(contamination)
    }

    /// The length of the windows.
    #[must_use]
    pub fn overlap(&self) -> Overlap {
        self.overlap
    }

    /// For each source row the first evaluation row that it holds a piece of; `None` for clean rows.
    ///
    /// # Errors
    /// [`Cause::Interrupted`](crate::error::Cause::Interrupted).
    pub fn find(&self, source: &Texts, threads: usize, control: &Control) -> Result<Vec<Option<usize>>> {
        let mut found = vec![None; source.len()];
        let make_trail = || Ok(Trail::new(self.overlap.length));
        parallel::fill_rows(&mut found, 1, CHUNK_ROWS, threads, control, make_trail, |trail, first, chunk| {
            for (row, found) in (first..).zip(chunk) {
                *found = self.find_in(source.get(row), trail);
            }
            Ok(())
        })?;
        Ok(found)
    }

    fn find_in(&self, text: &[u8], trail: &mut Trail) -> Option<usize> {
        let mut lowest = NONE;
        trail.clear();
        for_each_unit(self.overlap.unit, text, |unit, start, _| {
            trail.push(unit, start);
            let length = self.overlap.length;
            if let Some((hash, start)) = trail.window(length, self.powers[length])
                && self.filter.may_hold(hash)
            {
                self.look_up(hash, &text[start..], &mut lowest);
            }
            if self.short_filter.may_hold(unit) {
                for &length in self.short.get(&unit).into_iter().flatten() {
                    if let Some((hash, start)) = trail.window(length, self.powers[length]) {
                        self.look_up(hash, &text[start..], &mut lowest);
                    }
                }
            }
        });
        (lowest != NONE).then_some(lowest)
    }

    /// Lower `lowest` to the first row that has a piece with this hash at the start of `text`.
    fn look_up(&self, hash: u64, text: &[u8], lowest: &mut usize) {
        let mut next = self.newest.get(&hash).copied().unwrap_or(NONE);
        while next != NONE {
            let piece = &self.pieces[next];
            if piece.row < *lowest && self.is_at_start(piece, text) {
                *lowest = piece.row;
            }
            next = piece.older;
        }
    }

    fn is_at_start(&self, piece: &Piece, text: &[u8]) -> bool {
        let piece = &self.text[piece.start..piece.end];
        match self.overlap.unit {
            Unit::Word => starts_with_words(text, piece),
            Unit::Byte => text.starts_with(piece),
        }
    }

    fn add(&mut self, row: usize, text: &[u8]) -> Result<()> {
        let first = self.text.len();
        if self.overlap.unit == Unit::Byte {
            self.text.extend_from_slice(text);
        } else {
            for_each_unit(Unit::Word, text, |_, start, end| {
                self.text.extend(text[start..end].iter().map(u8::to_ascii_lowercase));
                self.text.push(b' ');
            });
        }
        let mut units = Vec::new();
        for_each_unit(self.overlap.unit, &self.text[first..], |unit, start, end| {
            units.push((unit, first + start, first + end));
        });
        let Some(&(last, ..)) = units.last() else {
            let unit = if self.overlap.unit == Unit::Word { "word" } else { "byte" };
            let message = format!("no {unit} to look for, and so it would be in every text; leave the row out");
            return Err(Error::parameter(message).with_row(Side::Against, row as u64));
        };
        let length = units.len().min(self.overlap.length);
        if length < self.overlap.length {
            let lengths = self.short.entry(last).or_default();
            if !lengths.contains(&length) {
                lengths.push(length);
            }
        }
        for window in units.windows(length) {
            let hash = window.iter().fold(0, |hash: u64, &(unit, ..)| hash.wrapping_mul(BASE).wrapping_add(unit));
            self.add_piece(hash, Piece { row, start: window[0].1, end: window[length - 1].2, older: NONE });
        }
        Ok(())
    }

    /// Keep a piece, unless an earlier row (or this one) has it already.
    fn add_piece(&mut self, hash: u64, mut piece: Piece) {
        let newest = self.newest.entry(hash).or_insert(NONE);
        let mut next = *newest;
        while next != NONE {
            let older = &self.pieces[next];
            if self.text[older.start..older.end] == self.text[piece.start..piece.end] {
                return;
            }
            next = older.older;
        }
        piece.older = std::mem::replace(newest, self.pieces.len());
        self.pieces.push(piece);
    }
}

/// The last windows of a text that is read unit by unit.
struct Trail {
    /// Ring of hashes of everything up to a unit: entry i is that before unit i.
    sums: Vec<u64>,
    /// Ring of the places where units start.
    starts: Vec<usize>,
    count: usize,
    sum: u64,
}

impl Trail {
    fn new(length: usize) -> Trail {
        // A power of two, so that a place in the ring is a mask away.
        let size = (length + 1).next_power_of_two();
        Trail { sums: vec![0; size], starts: vec![0; size], count: 0, sum: 0 }
    }

    fn clear(&mut self) {
        (self.count, self.sum, self.sums[0]) = (0, 0, 0);
    }

    fn push(&mut self, unit: u64, start: usize) {
        let mask = self.sums.len() - 1;
        self.starts[self.count & mask] = start;
        self.sum = self.sum.wrapping_mul(BASE).wrapping_add(unit);
        self.count += 1;
        self.sums[self.count & mask] = self.sum;
    }

    /// Hash and start of the last `length` units; `None` when there are not so many yet. `power` is `BASE` to `length`.
    fn window(&self, length: usize, power: u64) -> Option<(u64, usize)> {
        let first = self.count.checked_sub(length)? & (self.sums.len() - 1);
        Some((self.sum.wrapping_sub(self.sums[first].wrapping_mul(power)), self.starts[first]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepare(against: &[&str], overlap: &str) -> Result<Contamination> {
        Contamination::prepare(&Texts::from_iter(against), overlap.parse().unwrap(), &Control::default())
    }

    fn find(source: &str, against: &[&str], overlap: &str) -> Option<usize> {
        prepare(against, overlap).unwrap().find(&Texts::from_iter([source]), 1, &Control::default()).unwrap()[0]
    }

    #[test]
    fn words_are_compared_in_lower_case_and_whatever_stands_between() {
        assert_eq!(find("x = A-b,\n\nC!", &["a b c"], "3-gram"), Some(0));
        assert_eq!(find("ab c", &["a b c"], "3-gram"), None);
        assert_eq!(find("a b cc", &["a b c"], "3-gram"), None);
        assert_eq!(find("xa b c", &["a b c"], "3-gram"), None);
        // Beyond ASCII nothing is folded and nothing separates.
        assert_eq!(find("\u{e9}t\u{e9} 1", &["\u{e9}T\u{e9} 1"], "2-gram"), Some(0));
        assert_eq!(find("\u{c9}t\u{e9} 1", &["\u{e9}t\u{e9} 1"], "2-gram"), None);
    }

    #[test]
    fn the_first_evaluation_row_is_named_wherever_its_piece_stands() {
        assert_eq!(find("b b, then a a", &["x x", "a a", "b b"], "2-gram"), Some(1));
        assert_eq!(find("b b, then a a", &["x x", "a a x", "b b", "a a"], "2-gram"), Some(1));
    }

    #[test]
    fn a_row_shorter_than_a_window_counts_whole() {
        assert_eq!(find("to be or not", &["Be. Or."], "13-gram"), Some(0));
        assert_eq!(find("to be, not or", &["be or"], "13-gram"), None);
        assert_eq!(find("forty", &["fort"], "13-gram"), None);
        assert_eq!(find("forty", &["ort"], "50-byte"), Some(0));
        assert_eq!(find("forty", &["Ort", "y"], "50-byte"), Some(1));
    }

    #[test]
    fn bytes_are_compared_as_they_are() {
        assert_eq!(find("a  b", &["xa  b"], "4-byte"), Some(0));
        assert_eq!(find("a b", &["a  b"], "4-byte"), None);
    }

    #[test]
    fn pieces_with_the_same_hash_are_told_apart() {
        let mut contamination = prepare(&["a", "b"], "1-gram").unwrap();
        // Put both pieces under one hash, as if they had collided.
        contamination.pieces[1].older = 0;
        let mut lowest = NONE;
        let hash = contamination.newest.iter().find(|&(_, &piece)| piece == 1).map(|(&hash, _)| hash).unwrap();
        contamination.look_up(hash, b"b", &mut lowest);
        assert_eq!(lowest, 1);
        contamination.look_up(hash, b"a", &mut lowest);
        assert_eq!(lowest, 0);
        contamination.look_up(hash, b"c", &mut lowest);
        assert_eq!(lowest, 0);
    }

    #[test]
    fn what_would_be_in_every_text_is_refused() {
        let refuse = |against: &[&str], overlap: &str| prepare(against, overlap).unwrap_err().to_string();
        let end = "and so it would be in every text; leave the row out";
        assert_eq!(refuse(&["a", " .;\0"], "13-gram"), format!("against row 1: no word to look for, {end}"));
        assert_eq!(refuse(&["a", " ", ""], "50-byte"), format!("against row 2: no byte to look for, {end}"));
        assert_eq!(refuse(&[], "50-byte"), "against has 0 rows; there is nothing to look for");
    }

    #[test]
    fn an_overlap_is_a_length_and_a_unit() {
        for token in ["1-gram", "13-gram", "50-byte", "1000-byte"] {
            assert_eq!(token.parse::<Overlap>().unwrap().to_string(), token);
        }
        for token in ["", "13", "gram", "-gram", "+1-gram", "0-gram", "1001-byte", "13-grams", "13-gram ", "1e1-gram"] {
            assert_eq!(
                token.parse::<Overlap>().unwrap_err().to_string(),
                format!(
                    "overlap {} is not known; use N-gram (words) or M-byte with 1 to 1000, as in 13-gram",
                    quote(token)
                )
            );
        }
    }
}
