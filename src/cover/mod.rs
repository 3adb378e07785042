//! Joint selection: rows that *together* hold what the target holds.
//!
//! The best rows by any score are each close to the target, and therefore close to each other: the tenth teaches little
//! that the first nine did not. Here each row is chosen for what it adds to those chosen before it.
//!
//! # What is computed
//! Features are the distinct byte n-grams, n = 3 to 6, inside the target texts. With `w_g` the occurrences of g in all
//! targets (overlapping ones counted), `c_g` those in the chosen rows S, and beta the count at which an n-gram is half
//! covered,
//!
//! ```text
//! F(S) = sum over g of w_g c_g / (c_g + beta)
//! ```
//!
//! Each step takes, of the rows that fit the rest of the budget, the one with the largest `(F(S + x) - F(S)) / |x|`,
//! |x| in bytes, ties by row; it ends when no row is left that fits and adds anything. Terms are summed in float64 by
//! n, then by first occurrence in the row, each as `w m beta / ((c + beta) (c + m + beta))`, m the occurrences in the
//! row: that is `w (c + m) / (c + m + beta) - w c / (c + beta)` without the difference of two nearly equal numbers.
//!
//! Rows equal to a target or to an earlier row are left out first: a copy of a target is the best row by any measure,
//! and teaches the test's own answers.
//!
//! beta says how soon enough is enough. The default, budget bytes / |P| with |P| the bytes of the targets joined by
//! newlines, is how often the rows chosen could repeat the target; 1 asks for every n-gram once or twice and moves on.
//!
//! # Cost
//! One pass over all rows, by all threads, at some 20 to 45 ns a byte a thread; then a search, of which each step looks
//! at some rows again (on a pool of 250,000 rows at eight hundred, on one of 20,000 at three hundred), at 3 to 4 us each
//! (`lazy.rs`).
//!
//! Memory: 50 bytes an n-gram of the target and 4 more a thread; 24 bytes a row; and what is read again of each row, its
//! text and the packed n-grams in it, about as much again (a little more than a byte each, two where a row is short
//! beside the target: `postings.rs`). [`cover`] keeps these in memory, a [`Search`] in a [`Store`] of the caller's.
//!
//! Best when the budget is a small part of the pool. Reading files and writing rows belong to `read` and `write`; rows
//! by a score of their own to [`rank`](crate::rank) and [`select`](crate::select).
//!
//! Reference: a greedy choice reaches at least 1 - 1/e of the best F under a budget of rows (Nemhauser, Wolsey, Fisher
//! 1978); coverage of n-grams by submodular functions: Lin and Bilmes 2011, "A class of submodular functions for
//! document summarization".

#![expect(clippy::cast_precision_loss, reason = "sizes, counts and weights are far below 2^53")]

mod features;
mod lazy;
mod naive;
mod postings;
mod queue;
mod rows;
mod search;
mod store;

pub use search::Search;
pub use store::Store;

use crate::error::{Cause, Error, Result, Side};
use crate::ngrams::{MAX_N, MIN_N};
use crate::parallel::Control;
use crate::texts::Texts;

/// How much to choose.
#[derive(Clone, Copy, Debug)]
pub enum Budget {
    /// Bytes of text.
    Bytes(u64),
    /// Tokens, of which each row has a number.
    Tokens(u64),
    /// Rows.
    Rows(u64),
}

impl Budget {
    fn amount(self) -> u64 {
        match self {
            Budget::Bytes(amount) | Budget::Tokens(amount) | Budget::Rows(amount) => amount,
        }
    }

    /// What a row takes of it.
    fn cost(self, bytes: u64, tokens: u64) -> u64 {
        match self {
            Budget::Bytes(_) => bytes,
            Budget::Tokens(_) => tokens,
            Budget::Rows(_) => 1,
        }
    }
}

/// What to choose, and how.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// How much.
    pub budget: Budget,
    /// Tokens of each row; goes with a budget of tokens.
    pub tokens: Option<&'a [i64]>,
    /// Occurrences at which an n-gram is half covered; `None`: max(1, budget bytes / |P|), a budget of rows or tokens
    /// converted by the mean size of the rows that may be chosen.
    pub beta: Option<f64>,
    /// `false` leaves a row out, as if it were not there; `None` keeps all.
    pub keep: Option<&'a [bool]>,
}

impl Options<'_> {
    fn tokens_of(&self, row: usize) -> u64 {
        // Checked not to be negative.
        self.tokens.map_or(0, |tokens| tokens[row].unsigned_abs())
    }
}

/// Rows chosen together.
#[derive(Clone, Debug, PartialEq)]
pub struct Cover {
    /// The rows in the order of their choice.
    pub rows: Vec<usize>,
    /// What each added to F when it was chosen, per byte of its text; falling.
    pub scores: Vec<f64>,
    /// F of the rows up to each, as a share of the target's weight (0 to 1): rising.
    pub coverage: Vec<f64>,
    /// The beta that was used.
    pub beta: f64,
    /// The budget in bytes, converted if it was one of rows or tokens.
    pub budget_bytes: f64,
    /// Rows left out because they equal a target, with that target.
    pub copies_of_target: Vec<(usize, usize)>,
    /// Rows left out because they equal an earlier row, with that row.
    pub duplicates: Vec<(usize, usize)>,
    /// Whether the search ended with nothing left to gain: budget remains, and every row that holds an n-gram of the
    /// target, and was not left out, was chosen.
    pub exhausted: bool,
}

/// Smallest and largest beta. Below, one occurrence covers an n-gram for good; above, no number of them does: smaller
/// and larger ones would choose the same rows, at the price of bounds that leave the range of float32.
const BETAS: std::ops::RangeInclusive<f64> = 1e-9..=1e15;

/// Choose rows that together cover the n-grams of the target.
///
/// # Errors
/// [`Cause::EmptyTarget`]; [`Cause::Parameter`] for a budget of 0, a beta that is not above 0, tokens that are missing,
/// of no use or negative, a target without three bytes in a row, or too many n-grams; [`Cause::Interrupted`].
///
/// # Examples
/// ```
/// use zipfit::cover::{Budget, Options, cover};
/// use zipfit::{Control, Texts};
///
/// let target = Texts::from_iter(["red green", "blue"]);
/// let source = Texts::from_iter(["red green", "red", "reds", "green", "greens", "blue sky"]);
/// let options = Options { budget: Budget::Rows(3), tokens: None, beta: Some(1.0), keep: None };
/// let cover = cover(&source, &target, &options, 1, &Control::default())?;
/// assert_eq!(cover.copies_of_target, [(0, 0)]);
/// assert_eq!(cover.rows, [3, 5, 1]);
/// # Ok::<(), zipfit::Error>(())
/// ```
pub fn cover(
    source: &Texts,
    target: &Texts,
    options: &Options<'_>,
    threads: usize,
    control: &Control,
) -> Result<Cover> {
    let mut search = Search::new(target, options.budget, options.beta, control)?;
    search.add(source, options.tokens, options.keep, threads, control)?;
    search.choose(threads, &control.without_progress())
}

/// The same rows by looking at every row in every step, as the formula is written; for tests.
///
/// # Errors
/// As [`cover`].
pub fn cover_naive(source: &Texts, target: &Texts, options: &Options<'_>) -> Result<Cover> {
    check_target(target)?;
    check_parameters(options.budget, options.beta)?;
    check_rows(options.budget, source, 0, options.tokens, options.keep)?;
    let split = naive::split(source, target, options);
    let joined_target = target.iter().map(<[u8]>::len).sum::<usize>() + target.len() - 1;
    let settled = Settled::new(options.budget, options.beta, &split.totals, joined_target as u64);
    let chosen = naive::choose(source, target, options, split.rows, settled.beta);
    let ngrams = |text: &[u8]| (MIN_N..=MAX_N).map(|n| text.windows(n).count() as u64).sum::<u64>();
    let weight = target.iter().map(ngrams).sum();
    Ok(settled.cover(&chosen, weight, split.copies_of_target, split.duplicates))
}

/// What the rows that may be chosen have together.
#[derive(Default)]
struct Totals {
    rows: u64,
    bytes: u64,
    /// Token counts of anybody's may sum to more than 64 bits hold.
    tokens: u128,
}

impl Totals {
    fn add(&mut self, bytes: u64, tokens: u64) {
        self.rows += 1;
        self.bytes += bytes;
        self.tokens += u128::from(tokens);
    }

    fn take_away(&mut self, bytes: u64, tokens: u64) {
        self.rows -= 1;
        self.bytes -= bytes;
        self.tokens -= u128::from(tokens);
    }
}

/// One row of a choice.
struct Pick {
    row: usize,
    /// Of its text.
    bytes: usize,
    /// What it took of the budget.
    cost: u64,
    /// What it added to F.
    gained: f64,
}

/// What a search found.
#[derive(Default)]
struct Chosen {
    /// In the order of their choice.
    rows: Vec<Pick>,
    /// Whether a row that would have added something did not fit.
    passed_over: bool,
}

/// What is settled before the first row is chosen.
struct Settled {
    budget: u64,
    budget_bytes: f64,
    beta: f64,
}

impl Settled {
    fn new(budget: Budget, beta: Option<f64>, totals: &Totals, joined_target: u64) -> Settled {
        let per_unit = |units: f64| if units == 0.0 { 0.0 } else { totals.bytes as f64 / units };
        let budget_bytes = match budget {
            Budget::Bytes(amount) => amount as f64,
            Budget::Tokens(amount) => amount as f64 * per_unit(totals.tokens as f64),
            Budget::Rows(amount) => amount as f64 * per_unit(totals.rows as f64),
        };
        let beta = beta.unwrap_or_else(|| (budget_bytes / joined_target as f64).clamp(1.0, *BETAS.end()));
        Settled { budget: budget.amount(), budget_bytes, beta }
    }

    /// Turn what a search found into the result; `weight` is F with everything covered.
    fn cover(
        &self,
        chosen: &Chosen,
        weight: u64,
        copies_of_target: Vec<(usize, usize)>,
        duplicates: Vec<(usize, usize)>,
    ) -> Cover {
        let mut covered = 0.0;
        let share = |pick: &Pick| {
            covered += pick.gained;
            covered / weight as f64
        };
        let spent: u64 = chosen.rows.iter().map(|pick| pick.cost).sum();
        Cover {
            rows: chosen.rows.iter().map(|pick| pick.row).collect(),
            scores: chosen.rows.iter().map(|pick| pick.gained / pick.bytes as f64).collect(),
            coverage: chosen.rows.iter().map(share).collect(),
            beta: self.beta,
            budget_bytes: self.budget_bytes,
            copies_of_target,
            duplicates,
            exhausted: spent < self.budget && !chosen.passed_over,
        }
    }
}

fn check_target(target: &Texts) -> Result<()> {
    if target.is_empty() {
        return Err(Error::new(Cause::EmptyTarget));
    }
    if target.iter().all(|text| text.len() < MIN_N) {
        let message = "target has no text of 3 bytes or more, so that there is nothing to cover; take longer examples";
        return Err(Error::parameter(message));
    }
    Ok(())
}

fn check_parameters(budget: Budget, beta: Option<f64>) -> Result<()> {
    let (amount, name) = match budget {
        Budget::Bytes(amount) => (amount, "budget_bytes"),
        Budget::Tokens(amount) => (amount, "budget_tokens"),
        Budget::Rows(amount) => (amount, "top_k"),
    };
    if amount == 0 {
        return Err(Error::parameter(format!("{name} must be at least 1, got 0")));
    }
    if let Some(beta) = beta
        && !BETAS.contains(&beta)
    {
        let expected = "a number above 0 (between 1e-9 and 1e15)";
        return Err(Error::parameter(format!("beta must be {expected}, got {beta}")));
    }
    Ok(())
}

/// Check rows that come after `before` others.
fn check_rows(
    budget: Budget,
    texts: &Texts,
    before: usize,
    tokens: Option<&[i64]>,
    keep: Option<&[bool]>,
) -> Result<()> {
    match (budget, tokens) {
        (Budget::Tokens(_), None) => {
            return Err(Error::parameter("budget_tokens needs tokens=, the number of tokens of each row"));
        }
        (Budget::Bytes(_) | Budget::Rows(_), Some(_)) => {
            let message = "tokens= has an effect on budget_tokens alone; leave it out or give budget_tokens";
            return Err(Error::parameter(message));
        }
        _ => {}
    }
    texts.check_32_bits(before, "cover chooses among")?;
    let same_length = |name: &str, length: usize| {
        if length == texts.len() {
            return Ok(());
        }
        Err(Error::parameter(format!("{name}: {length} entries; expected one a row, {}", texts.len())))
    };
    keep.map_or(Ok(()), |keep| same_length("where", keep.len()))?;
    if let Some(tokens) = tokens {
        same_length("tokens", tokens.len())?;
        if let Some(at) = tokens.iter().position(|&count| count < 0) {
            let message = format!("tokens is {}; a row cannot have less than 0", tokens[at]);
            return Err(Error::parameter(message).with_row(Side::Source, (before + at) as u64));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rows(rows: usize, length: usize) -> impl Strategy<Value = Vec<Vec<u8>>> {
        prop::collection::vec(prop::collection::vec(b'a'..b'd', 0..length), rows)
    }

    proptest! {
        // As in tests/cover.rs, but here the queue keeps most rows far away.
        #[test]
        fn the_lazy_search_is_plain_greedy_with_most_rows_far_away(
            source in rows(120, 12),
            target in rows(5, 40),
            budget in 1u64..300,
            beta in 0.1f64..20.0,
        ) {
            let (source, target) = (Texts::from_iter(source), Texts::from_iter(target));
            let options = Options { budget: Budget::Bytes(budget), tokens: None, beta: Some(beta), keep: None };
            prop_assume!(target.iter().any(|text| text.len() >= MIN_N));
            let naive = cover_naive(&source, &target, &options).unwrap();
            prop_assert_eq!(cover(&source, &target, &options, 2, &Control::default()).unwrap(), naive);
        }
    }
}
