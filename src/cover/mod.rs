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
//! (`lazy.rs`). Memory: the texts, which the caller holds, and about as much again for the packed n-grams of all rows
//! (a little more than a byte each, two where rows are short beside the target: `lazy.rs`); 60 bytes a row; 50 bytes an
//! n-gram of the target and 4 more a thread.
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

use crate::duplicates::ExactDuplicates;
use crate::error::{Cause, Error, Result, Side};
use crate::ngrams::{MAX_N, MIN_N, Ngrams};
use crate::parallel::Control;
use crate::texts::Texts;

/// How much to choose.
#[derive(Clone, Copy, Debug)]
pub enum Budget<'a> {
    /// Bytes of text.
    Bytes(u64),
    /// Tokens, and how many each row has.
    Tokens(u64, &'a [i64]),
    /// Rows.
    Rows(u64),
}

/// What to choose, and how.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// How much.
    pub budget: Budget<'a>,
    /// Occurrences at which an n-gram is half covered; `None`: max(1, budget bytes / |P|), a budget of rows or tokens
    /// converted by the mean size of the rows that may be chosen.
    pub beta: Option<f64>,
    /// `false` leaves a row out, as if it were not there; `None` keeps all.
    pub keep: Option<&'a [bool]>,
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
/// [`Cause::EmptyTarget`]; [`Cause::Parameter`] for a budget of 0, a beta that is not above 0, a negative number of
/// tokens, a target without three bytes in a row, or too many n-grams; [`Cause::Interrupted`].
///
/// # Examples
/// ```
/// use zipfit::cover::{Budget, Options, cover};
/// use zipfit::{Control, Texts};
///
/// let target = Texts::from_iter(["red green", "blue"]);
/// let source = Texts::from_iter(["red green", "red", "reds", "green", "greens", "blue sky"]);
/// let options = Options { budget: Budget::Rows(3), beta: Some(1.0), keep: None };
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
    let plan = Plan::new(source, target, options, threads, control)?;
    let ngrams = Ngrams::new(target, control)?;
    let chosen = lazy::choose(source, &ngrams, &plan.candidates, plan.beta, threads, control)?;
    Ok(plan.finish(source, &chosen, ngrams.weights().iter().sum()))
}

/// The same rows by looking at every row in every step, as the formula is written; for tests.
///
/// # Errors
/// As [`cover`].
pub fn cover_naive(source: &Texts, target: &Texts, options: &Options<'_>) -> Result<Cover> {
    let plan = Plan::new(source, target, options, 1, &Control::default())?;
    let chosen = naive::choose(source, target, &plan.candidates, plan.beta);
    let ngrams = |text: &[u8]| (MIN_N..=MAX_N).map(|n| text.windows(n).count() as u64).sum::<u64>();
    let weight = target.iter().map(ngrams).sum();
    Ok(plan.finish(source, &chosen, weight))
}

/// The rows that may be chosen, what each costs, and what there is to spend.
struct Candidates<'a> {
    /// Rows in order.
    rows: Vec<usize>,
    /// Of all their texts.
    bytes: u64,
    budget: u64,
    costs: Costs<'a>,
}

enum Costs<'a> {
    Bytes(&'a Texts),
    Tokens(&'a [i64]),
    One,
}

impl Candidates<'_> {
    fn cost(&self, row: usize) -> u64 {
        match self.costs {
            Costs::Bytes(source) => source.get(row).len() as u64,
            // Checked not to be negative.
            Costs::Tokens(tokens) => tokens[row].unsigned_abs(),
            Costs::One => 1,
        }
    }
}

/// What a search found.
#[derive(Default)]
struct Chosen {
    /// Rows in the order of their choice, and what each added to F.
    rows: Vec<(usize, f64)>,
    /// Whether a row that would have added something did not fit.
    passed_over: bool,
}

/// Everything that is settled before the first row is chosen.
struct Plan<'a> {
    candidates: Candidates<'a>,
    beta: f64,
    budget_bytes: f64,
    copies_of_target: Vec<(usize, usize)>,
    duplicates: Vec<(usize, usize)>,
}

impl<'a> Plan<'a> {
    fn new(
        source: &'a Texts,
        target: &Texts,
        options: &Options<'a>,
        threads: usize,
        control: &Control,
    ) -> Result<Plan<'a>> {
        check(source, target, options)?;
        let mut plan = Plan {
            candidates: Candidates { rows: Vec::new(), bytes: 0, budget: 0, costs: Costs::One },
            beta: 0.0,
            budget_bytes: 0.0,
            copies_of_target: Vec::new(),
            duplicates: Vec::new(),
        };
        plan.leave_out_copies(source, target, options.keep, threads, control)?;
        let bytes: u64 = plan.candidates.rows.iter().map(|&row| source.get(row).len() as u64).sum();
        plan.candidates.bytes = bytes;
        let per_unit = |units: f64| if units == 0.0 { 0.0 } else { bytes as f64 / units };
        let (budget, costs, budget_bytes) = match options.budget {
            Budget::Bytes(budget) => (budget, Costs::Bytes(source), budget as f64),
            Budget::Tokens(budget, tokens) => {
                // In float64, since token counts of anybody's may sum to more than 64 bits hold.
                let all = plan.candidates.rows.iter().map(|&row| tokens[row] as f64).sum();
                (budget, Costs::Tokens(tokens), budget as f64 * per_unit(all))
            }
            Budget::Rows(budget) => (budget, Costs::One, budget as f64 * per_unit(plan.candidates.rows.len() as f64)),
        };
        let joined_target = target.total_bytes() + target.len() as u64 - 1;
        plan.candidates.budget = budget;
        plan.candidates.costs = costs;
        plan.budget_bytes = budget_bytes;
        plan.beta = options.beta.unwrap_or_else(|| (budget_bytes / joined_target as f64).clamp(1.0, *BETAS.end()));
        Ok(plan)
    }

    fn leave_out_copies(
        &mut self,
        source: &Texts,
        target: &Texts,
        keep: Option<&[bool]>,
        threads: usize,
        control: &Control,
    ) -> Result<()> {
        let mut seen = ExactDuplicates::default();
        // Rows are counted as done by the search.
        let unseen = control.without_progress();
        seen.add(target, None, threads, &unseen)?;
        // Targets and sources are numbered on here.
        let earlier = seen.add(source, keep, threads, &unseen)?;
        for (row, earlier) in earlier.into_iter().enumerate().filter(|&(row, _)| keep.is_none_or(|keep| keep[row])) {
            match earlier {
                None => self.candidates.rows.push(row),
                Some(earlier) => match earlier.checked_sub(target.len()) {
                    None => self.copies_of_target.push((row, earlier)),
                    Some(earlier) => self.duplicates.push((row, earlier)),
                },
            }
        }
        control.add_done((source.len() - self.candidates.rows.len()) as u64);
        Ok(())
    }

    /// Turn what a search found into the result; `weight` is F with everything covered.
    fn finish(self, source: &Texts, chosen: &Chosen, weight: u64) -> Cover {
        let mut covered = 0.0;
        let mut share = |&(_, gained): &(usize, f64)| {
            covered += gained;
            covered / weight as f64
        };
        let spent: u64 = chosen.rows.iter().map(|&(row, _)| self.candidates.cost(row)).sum();
        Cover {
            rows: chosen.rows.iter().map(|&(row, _)| row).collect(),
            scores: chosen.rows.iter().map(|&(row, gained)| gained / source.get(row).len() as f64).collect(),
            coverage: chosen.rows.iter().map(&mut share).collect(),
            beta: self.beta,
            budget_bytes: self.budget_bytes,
            copies_of_target: self.copies_of_target,
            duplicates: self.duplicates,
            exhausted: spent < self.candidates.budget && !chosen.passed_over,
        }
    }
}

fn check(source: &Texts, target: &Texts, options: &Options<'_>) -> Result<()> {
    if target.is_empty() {
        return Err(Error::new(Cause::EmptyTarget));
    }
    if target.iter().all(|text| text.len() < MIN_N) {
        let message = "target has no text of 3 bytes or more, so that there is nothing to cover; take longer examples";
        return Err(Error::parameter(message));
    }
    source.check_32_bits("cover chooses among")?;
    let (budget, name) = match options.budget {
        Budget::Bytes(budget) => (budget, "budget_bytes"),
        Budget::Tokens(budget, _) => (budget, "budget_tokens"),
        Budget::Rows(budget) => (budget, "top_k"),
    };
    if budget == 0 {
        return Err(Error::parameter(format!("{name} must be at least 1, got 0")));
    }
    if let Some(beta) = options.beta
        && !BETAS.contains(&beta)
    {
        let expected = "a number above 0 (between 1e-9 and 1e15)";
        return Err(Error::parameter(format!("beta must be {expected}, got {beta}")));
    }
    let same_length = |name: &str, length: usize| {
        if length == source.len() {
            return Ok(());
        }
        Err(Error::parameter(format!("{name}: {length} entries; expected one a row, {}", source.len())))
    };
    options.keep.map_or(Ok(()), |keep| same_length("where", keep.len()))?;
    if let Budget::Tokens(_, tokens) = options.budget {
        same_length("tokens", tokens.len())?;
        if let Some(row) = tokens.iter().position(|&count| count < 0) {
            let message = format!("tokens is {}; a row cannot have less than 0", tokens[row]);
            return Err(Error::parameter(message).with_row(Side::Source, row as u64));
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
            let options = Options { budget: Budget::Bytes(budget), beta: Some(beta), keep: None };
            prop_assume!(target.iter().any(|text| text.len() >= MIN_N));
            let naive = cover_naive(&source, &target, &options).unwrap();
            prop_assert_eq!(cover(&source, &target, &options, 2, &Control::default()).unwrap(), naive);
        }
    }
}
