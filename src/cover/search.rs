//! Joint selection among rows that come batch by batch.
//!
//! Rows are taken apart as they come; what the search needs of them again is put away. When all are there, repeats are
//! left out, and what is known of all rows together (the default beta) is settled; then the search begins.

use std::collections::HashMap;

use super::lazy::{self, Task};
use super::rows::{Candidates, Record, Taker};
use super::store::Store;
use super::{Budget, Cover, Settled, Totals, check_parameters, check_rows, check_target};
use crate::duplicates::hash_of;
use crate::error::Result;
use crate::ngrams::Ngrams;
use crate::parallel::{self, Control};
use crate::texts::Texts;

/// Rows that a thread takes at a time. A row takes some 20 to 60 us; more would leave threads idle at the end, fewer
/// would make the common counter felt.
const CHUNK_ROWS: usize = 32;

/// Bytes of text that are taken apart before they are put away: what a batch of any size takes in memory is some three
/// times as much. Larger pieces leave threads idle less often.
const PIECE_BYTES: usize = 4 << 20;

/// Repeats among whose records a search goes between two looks at the stop signal; arbitrary (some milliseconds).
const CHUNK_REPEATS: usize = 4096;

/// Low bits of a row's key, which hold its number among the candidates; the others are of its text's hash.
const INDEX_BITS: u128 = 0xffff_ffff;

/// Rows to choose from, batch by batch, and then the choice among them: as [`cover`](super::cover) of all of them.
///
/// Memory besides the stores: the target's index (50 bytes an n-gram, 4 more a thread), 24 bytes a row, 16 a row that is
/// left out, and a few megabytes at work.
///
/// # Examples
/// ```
/// use zipfit::cover::{Budget, Search};
/// use zipfit::{Control, Texts};
///
/// let control = Control::default();
/// let target = Texts::from_iter(["red green", "blue"]);
/// let mut search = Search::new(&target, Budget::Rows(3), Some(1.0), &control)?;
/// for batch in [["red green", "red", "reds"], ["green", "greens", "blue sky"]] {
///     search.add(&Texts::from_iter(batch), None, None, 1, &control)?;
/// }
/// let cover = search.choose(1, &control)?;
/// assert_eq!(cover.copies_of_target, [(0, 0)]);
/// assert_eq!(cover.rows, [3, 5, 1]);
/// # Ok::<(), zipfit::Error>(())
/// ```
pub struct Search {
    budget: Budget,
    beta: Option<f64>,
    ngrams: Ngrams,
    /// First row of each target, by its hash.
    targets: HashMap<[u8; 16], usize>,
    /// Bytes of the targets, joined by newlines.
    joined_target: u64,
    candidates: Candidates,
    /// Of each candidate 96 bits of its hash, and its number: that two different texts of N agree has a chance of
    /// N^2 / 2^97, 10^-17 for a million rows.
    keys: Vec<u128>,
    totals: Totals,
    /// Rows until now, candidates or not.
    rows: usize,
    copies_of_target: Vec<(usize, usize)>,
}

impl Search {
    /// A search that keeps all rows in memory: the texts, which are shared with the caller, and about as much again.
    ///
    /// # Errors
    /// As [`cover`](super::cover).
    pub fn new(target: &Texts, budget: Budget, beta: Option<f64>, control: &Control) -> Result<Search> {
        Search::with(target, budget, beta, Candidates::in_memory(), control)
    }

    /// A search that puts rows away: `packed` receives a little more than a byte for each of their texts (two where a
    /// text is short beside the target) and 32 bytes a row, `texts` the texts.
    ///
    /// # Errors
    /// As [`cover`](super::cover).
    pub fn spooled(
        target: &Texts,
        budget: Budget,
        beta: Option<f64>,
        packed: Box<dyn Store>,
        texts: Box<dyn Store>,
        control: &Control,
    ) -> Result<Search> {
        Search::with(target, budget, beta, Candidates::spooled(packed, texts), control)
    }

    fn with(
        target: &Texts,
        budget: Budget,
        beta: Option<f64>,
        candidates: Candidates,
        control: &Control,
    ) -> Result<Search> {
        check_target(target)?;
        check_parameters(budget, beta)?;
        let mut targets = HashMap::new();
        for (row, text) in target.iter().enumerate() {
            targets.entry(hash_of(text)).or_insert(row);
        }
        Ok(Search {
            budget,
            beta,
            ngrams: Ngrams::new(target, control)?,
            targets,
            joined_target: target.total_bytes() + target.len() as u64 - 1,
            candidates,
            keys: Vec::new(),
            totals: Totals::default(),
            rows: 0,
            copies_of_target: Vec::new(),
        })
    }

    /// Bytes that were put away until now; texts that are in memory anyway do not count.
    #[must_use]
    pub fn stored_bytes(&self) -> u64 {
        self.candidates.stored_bytes()
    }

    /// Take the next rows apart. `tokens` go with a budget of tokens; `false` in `keep` leaves a row out, as if it were
    /// not there, but it has a number.
    ///
    /// # Errors
    /// [`Cause::Parameter`](crate::error::Cause::Parameter) for tokens that are missing, of no use or negative, and for
    /// lists of another length than `texts`; [`Cause::Interrupted`](crate::error::Cause::Interrupted) and what the stores
    /// report: the search is of no use then.
    pub fn add(
        &mut self,
        texts: &Texts,
        tokens: Option<&[i64]>,
        keep: Option<&[bool]>,
        threads: usize,
        control: &Control,
    ) -> Result<()> {
        check_rows(self.budget, texts, self.rows, tokens, keep)?;
        self.candidates.hold(texts);
        let mut first = 0;
        while first < texts.len() {
            let mut bytes = 0;
            let mut last = first;
            while last < texts.len() && bytes < PIECE_BYTES {
                bytes += texts.get(last).len();
                last += 1;
            }
            self.add_piece(texts, first..last, tokens, keep, threads, control)?;
            first = last;
        }
        Ok(())
    }

    fn add_piece(
        &mut self,
        texts: &Texts,
        piece: std::ops::Range<usize>,
        tokens: Option<&[i64]>,
        keep: Option<&[bool]>,
        threads: usize,
        control: &Control,
    ) -> Result<()> {
        let tokens_of = |at: usize| tokens.map_or(0, |tokens| tokens[at].unsigned_abs());
        let mut taken = Vec::new();
        taken.resize_with(piece.len(), Taken::default);
        let (before, targets) = (self.rows, &self.targets);
        let taker = || Ok(Taker::new(&self.ngrams));
        parallel::fill_rows(&mut taken, 1, CHUNK_ROWS, threads, control, taker, |taker, offset, chunk| {
            for (offset, taken) in (offset..).zip(chunk) {
                let at = piece.start + offset;
                if keep.is_some_and(|keep| !keep[at]) {
                    continue;
                }
                let text = texts.get(at);
                taken.hash = hash_of(text);
                taken.copy_of = targets.get(&taken.hash).copied();
                if taken.copy_of.is_none() {
                    taken.record = taker.take((before + offset) as u32, text, tokens_of(at));
                }
            }
            Ok(())
        })?;
        for (offset, taken) in taken.iter().enumerate() {
            let at = piece.start + offset;
            if let Some(target) = taken.copy_of {
                self.copies_of_target.push((before + offset, target));
            } else if taken.record.is_there() {
                self.keys.push(u128::from_be_bytes(taken.hash) & !INDEX_BITS | self.keys.len() as u128);
                self.totals.add(texts.get(at).len() as u64, tokens_of(at));
            }
        }
        self.rows += piece.len();
        let mut records = taken.into_iter().map(|taken| taken.record).collect::<Vec<_>>();
        self.candidates.add(&mut records, piece.map(|at| texts.get(at)))
    }

    /// Choose among all rows that were added; those that may be chosen are counted as done once more.
    ///
    /// # Errors
    /// [`Cause::Interrupted`](crate::error::Cause::Interrupted), and what the stores report.
    pub fn choose(mut self, threads: usize, control: &Control) -> Result<Cover> {
        let repeats = self.take_repeats();
        control.check()?;
        let duplicates = self.leave_out(&repeats, control)?;
        let settled = Settled::new(self.budget, self.beta, &self.totals, self.joined_target);
        let task = Task {
            candidates: &self.candidates,
            left_out: &repeats.iter().map(|&(index, _)| index).collect::<Vec<_>>(),
            ngrams: &self.ngrams,
            budget: self.budget,
            beta: settled.beta,
            threads,
            control,
        };
        let chosen = lazy::choose(&task)?;
        Ok(settled.cover(&chosen, self.ngrams.weights().iter().sum(), self.copies_of_target, duplicates))
    }

    /// Candidates that equal an earlier one, rising, each with the first such.
    fn take_repeats(&mut self) -> Vec<(u32, u32)> {
        let mut keys = std::mem::take(&mut self.keys);
        // Equal texts come together, the first one first.
        keys.sort_unstable();
        let index_of = |key: u128| (key & INDEX_BITS) as u32;
        let mut repeats = Vec::new();
        for equal in keys.chunk_by(|one, other| one | INDEX_BITS == other | INDEX_BITS) {
            repeats.extend(equal[1..].iter().map(|&key| (index_of(key), index_of(equal[0]))));
        }
        repeats.sort_unstable();
        repeats
    }

    /// Take repeats out of the totals; returns them by the numbers of their rows.
    fn leave_out(&mut self, repeats: &[(u32, u32)], control: &Control) -> Result<Vec<(usize, usize)>> {
        let mut rows = Vec::with_capacity(repeats.len());
        let mut buffer = Vec::new();
        for chunk in repeats.chunks(CHUNK_REPEATS) {
            control.check()?;
            for &(repeat, first) in chunk {
                let head = self.candidates.head(repeat, &mut buffer)?;
                self.totals.take_away(head.bytes.into(), head.tokens);
                rows.push((head.row as usize, self.candidates.head(first, &mut buffer)?.row as usize));
            }
        }
        Ok(rows)
    }
}

/// What comes of one row.
#[derive(Default)]
struct Taken {
    hash: [u8; 16],
    /// The target that it equals.
    copy_of: Option<usize>,
    record: Record,
}
