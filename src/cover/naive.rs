//! Joint selection as the formula is written: the oracle of the lazy search, for ever, and only for tests.
//!
//! Every step goes over every row that fits and sums up what it would add: cost k N |x| look-ups for k chosen rows.

use std::collections::{HashMap, HashSet};

use super::{Chosen, Options, Pick, Totals};
use crate::ngrams::{MAX_N, MIN_N};
use crate::texts::Texts;

/// Rows that may be chosen, and those that may not.
#[derive(Default)]
pub(super) struct Split {
    pub(super) rows: Vec<usize>,
    pub(super) totals: Totals,
    pub(super) copies_of_target: Vec<(usize, usize)>,
    pub(super) duplicates: Vec<(usize, usize)>,
}

/// Leave out copies of targets and of earlier rows.
pub(super) fn split(source: &Texts, target: &Texts, options: &Options) -> Split {
    let mut targets = HashMap::new();
    target.iter().enumerate().for_each(|(row, text)| _ = targets.entry(text).or_insert(row));
    let mut first = HashMap::new();
    let mut split = Split::default();
    for row in (0..source.len()).filter(|&row| options.keep.is_none_or(|keep| keep[row])) {
        let text = source.get(row);
        if let Some(&target) = targets.get(text) {
            split.copies_of_target.push((row, target));
        } else if let Some(&earlier) = first.get(text) {
            split.duplicates.push((row, earlier));
        } else {
            first.insert(text, row);
            split.rows.push(row);
            split.totals.add(text.len() as u64, options.tokens_of(row));
        }
    }
    split
}

/// Choose until no candidate is left that fits and adds anything.
pub(super) fn choose(source: &Texts, target: &Texts, options: &Options, mut rows: Vec<usize>, beta: f64) -> Chosen {
    let weights = occurrences(target.iter());
    let mut covered: HashMap<&[u8], u64> = HashMap::new();
    let mut left = options.budget.amount();
    let mut chosen = Chosen::default();
    let cost = |row: usize| options.budget.cost(source.get(row).len() as u64, options.tokens_of(row));
    loop {
        let adds = |row: usize| gained(source.get(row), &weights, &covered, beta) > 0.0;
        rows.retain(|&row| {
            let fits = cost(row) <= left;
            chosen.passed_over |= !fits && adds(row);
            fits
        });
        let mut best: Option<(usize, f64, f64)> = None;
        for &row in &rows {
            let text = source.get(row);
            let gained = gained(text, &weights, &covered, beta);
            let score = gained / text.len() as f64;
            // Rows come in order, so that of equal ones the first stays. An empty row gains 0 / 0, which is no number.
            if score > best.map_or(0.0, |(_, score, _)| score) {
                best = Some((row, score, gained));
            }
        }
        let Some((row, _, gained)) = best else { return chosen };
        for (ngram, count) in occurrences([source.get(row)].into_iter()) {
            *covered.entry(ngram).or_insert(0) += count;
        }
        let cost = cost(row);
        left -= cost;
        rows.retain(|&other| other != row);
        chosen.rows.push(Pick { row, bytes: source.get(row).len(), cost, gained });
    }
}

/// F(S + x) - F(S), term by term: by n, then by first occurrence.
fn gained(text: &[u8], weights: &HashMap<&[u8], u64>, covered: &HashMap<&[u8], u64>, beta: f64) -> f64 {
    let counts = occurrences([text].into_iter());
    let mut sum = 0.0;
    let mut seen = HashSet::new();
    for n in MIN_N..=MAX_N {
        for ngram in text.windows(n) {
            if let Some(&weight) = weights.get(ngram)
                && seen.insert(ngram)
            {
                let (before, more) = (covered.get(ngram).copied().unwrap_or(0) as f64, counts[ngram] as f64);
                sum += (weight as f64 * more * beta) / ((before + beta) * (before + more + beta));
            }
        }
    }
    sum
}

fn occurrences<'a>(texts: impl Iterator<Item = &'a [u8]>) -> HashMap<&'a [u8], u64> {
    let mut counts = HashMap::new();
    for text in texts {
        for n in MIN_N..=MAX_N {
            for ngram in text.windows(n) {
                *counts.entry(ngram).or_insert(0) += 1;
            }
        }
    }
    counts
}
