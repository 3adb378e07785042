//! Joint selection as the formula is written: the oracle of the lazy search, for ever, and only for tests.
//!
//! Every step goes over every row that fits and sums up what it would add: cost k N |x| look-ups for k chosen rows.

use std::collections::{HashMap, HashSet};

use super::{Candidates, Chosen};
use crate::ngrams::{MAX_N, MIN_N};
use crate::texts::Texts;

/// Choose until no candidate is left that fits and adds anything.
pub(super) fn choose(source: &Texts, target: &Texts, candidates: &Candidates, beta: f64) -> Chosen {
    let weights = occurrences(target.iter());
    let mut covered: HashMap<&[u8], u64> = HashMap::new();
    let mut rows = candidates.rows.clone();
    let mut left = candidates.budget;
    let mut chosen = Chosen::default();
    loop {
        let adds = |row: usize| gained(source.get(row), &weights, &covered, beta) > 0.0;
        rows.retain(|&row| {
            let fits = candidates.cost(row) <= left;
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
        left -= candidates.cost(row);
        rows.retain(|&other| other != row);
        chosen.rows.push((row, gained));
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
