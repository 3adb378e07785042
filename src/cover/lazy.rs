//! Joint selection by lazy greedy search: the same rows as by looking at every row in every step.
//!
//! What a row would add to F only falls as other rows are chosen (F is submodular), so what it would have added some
//! steps ago is an upper bound of what it would add now. A queue holds the bounds ([`queue`](super::queue)); the row on
//! top is looked at again, and chosen if it still stands on top.
//!
//! That is exact in floating point too, without any tolerance between steps: a term
//! `w m beta / ((c + beta) (c + m + beta))` falls or stays as c grows in every single rounded operation, and a sum in a
//! fixed order falls or stays with its terms. The fixed order (by n, then by first occurrence) needs the text, and a
//! walk over it takes ten times as long as a sum over the packed n-grams of the row in any order. So a row is first
//! looked at by such a sum, which, lifted by more than its rounding errors, is a bound too; only a row that stays on
//! top is walked: one or two a step.
//!
//! Reference: Minoux 1978, "Accelerated greedy algorithms for maximizing submodular set functions".

use std::cmp::Reverse;

use super::features::FeatureCounter;
use super::postings::Postings;
use super::queue::{Look, Queue};
use super::rows::Candidates;
use super::{Budget, Chosen, Pick};
use crate::error::Result;
use crate::ngrams::Ngrams;
use crate::parallel::{self, Control};

/// Rows that a thread bounds at a time at the beginning. A row takes some 2 to 6 us; more would leave threads idle at the
/// end, fewer would make the common counter felt.
const CHUNK_ROWS: usize = 128;

/// Rows that are looked at again together: as many at first in each step, then twice as many each time, until the best
/// row is one that was looked at. Fewer leave threads idle or waiting for each other, more look at rows in vain.
const FIRST_BATCH: usize = 32;

/// The most rows that are looked at again together; arbitrary (some milliseconds).
const LARGEST_BATCH: usize = 4096;

/// What a search goes by.
pub(super) struct Task<'a> {
    pub(super) candidates: &'a Candidates,
    /// Candidates that may not be chosen after all, rising.
    pub(super) left_out: &'a [u32],
    pub(super) ngrams: &'a Ngrams,
    pub(super) budget: Budget,
    pub(super) beta: f64,
    pub(super) threads: usize,
    pub(super) control: &'a Control,
}

/// Choose until no candidate is left that fits and adds anything.
pub(super) fn choose(task: &Task) -> Result<Chosen> {
    Lazy::begin(task)?.run()
}

struct Lazy<'a> {
    task: &'a Task<'a>,
    queue: Queue,
    state: State<'a>,
    /// Rows chosen until now.
    step: u32,
}

impl<'a> Lazy<'a> {
    /// Bound what each candidate adds to nothing.
    fn begin(task: &'a Task<'a>) -> Result<Lazy<'a>> {
        let Task { candidates, left_out, ngrams, beta, threads, control, .. } = *task;
        let state = State::new(ngrams, beta);
        let rows = 0..candidates.len() as u32;
        let mut looks: Vec<Look> = rows.map(|index| Look { score: 0.0, index: Reverse(index), step: 0 }).collect();
        let buffer = || Ok(Vec::new());
        parallel::fill_rows(&mut looks, 1, CHUNK_ROWS, threads, control, buffer, |buffer, _, looks| {
            for look in looks {
                let Reverse(index) = look.index;
                if left_out.binary_search(&index).is_err() {
                    look.score = state.bound(&candidates.postings(index, buffer)?);
                }
            }
            Ok(())
        })?;
        looks.retain(|look| look.score > 0.0);
        Ok(Lazy { task, queue: Queue::new(looks), state, step: 0 })
    }

    fn run(mut self) -> Result<Chosen> {
        let Task { candidates, budget, .. } = *self.task;
        let mut counter = FeatureCounter::new(self.task.ngrams);
        let mut left = budget.amount();
        let mut chosen = Chosen::default();
        let mut batch = FIRST_BATCH;
        // What the row on top adds, once that was found and not only bounded, and its n-grams.
        let mut found: Option<(u32, f64)> = None;
        let mut features = Vec::new();
        let mut buffer = Vec::new();
        while let Some(top) = self.queue.peek() {
            self.task.control.check()?;
            let Reverse(index) = top.index;
            let head = candidates.head(index, &mut buffer)?;
            let cost = budget.cost(head.bytes.into(), head.tokens);
            if cost > left {
                chosen.passed_over = true;
                self.queue.pop();
            } else if top.step < self.step {
                self.look_again(batch)?;
                batch = (2 * batch).min(LARGEST_BATCH);
            } else if let Some((_, gained)) = found.filter(|&(found, _)| found == index) {
                self.queue.pop();
                left -= cost;
                chosen.rows.push(Pick { row: head.row as usize, bytes: head.bytes as usize, cost, gained });
                self.state.add(&features);
                self.step += 1;
                batch = FIRST_BATCH;
                found = None;
            } else {
                // Its bound was the largest; what it really adds may put another row on top.
                features.clear();
                features.extend(counter.features(candidates.text(&head, &mut buffer)?));
                let gained = self.state.gain(&features);
                found = Some((index, gained));
                self.queue.pop();
                if gained > 0.0 {
                    let score = gained / f64::from(head.bytes);
                    self.queue.push(Look { score, index: Reverse(index), step: self.step });
                }
            }
        }
        Ok(chosen)
    }

    /// Bound the best `batch` rows anew, as far as they were last looked at in an earlier step.
    fn look_again(&mut self, batch: usize) -> Result<()> {
        let mut looks = Vec::with_capacity(batch);
        while looks.len() < batch
            && let Some(top) = self.queue.peek()
            && top.step < self.step
        {
            looks.extend(self.queue.pop());
        }
        let (state, candidates, step) = (&self.state, self.task.candidates, self.step);
        // Rows are counted as done once, at the beginning.
        let control = self.task.control.without_progress();
        let (chunk, buffer) = (FIRST_BATCH / 2, || Ok(Vec::new()));
        parallel::fill_rows(&mut looks, 1, chunk, self.task.threads, &control, buffer, |buffer, _, looks| {
            for look in looks {
                look.score = state.bound(&candidates.postings(look.index.0, buffer)?);
                look.step = step;
            }
            Ok(())
        })?;
        for look in looks {
            self.queue.push(look);
        }
        Ok(())
    }
}

/// How often each n-gram of the target occurs in the rows chosen until now.
struct State<'a> {
    weights: &'a [u64],
    counts: Vec<u64>,
    beta: f64,
    /// Of each n-gram its term for one more occurrence: two of three are of this kind.
    once: Vec<f32>,
    /// What makes its term for more.
    often: Vec<Often>,
}

/// Of one n-gram `w beta / (c + beta)` and `c + beta`: with m more occurrences its term is `first m / (second + m)`.
#[derive(Clone, Copy)]
struct Often(f32, f32);

/// How far a term in float32 may lie below the true one, relative to it: six roundings of 2^-24 each, and more than as
/// much again to be safe.
const ROUGHNESS: f64 = 16.0 / (1 << 24) as f64;

impl<'a> State<'a> {
    fn new(ngrams: &'a Ngrams, beta: f64) -> State<'a> {
        let weights = ngrams.weights();
        let often: Vec<Often> = weights.iter().map(|&weight| Often::new(weight, 0, beta)).collect();
        State {
            weights,
            counts: vec![0; weights.len()],
            beta,
            once: often.iter().map(|often| often.term(1.0)).collect(),
            often,
        }
    }

    /// F(S + x) - F(S), the terms summed in the order given.
    fn gain(&self, features: &[(usize, u64)]) -> f64 {
        let mut sum = 0.0;
        for &(id, count) in features {
            sum += term(self.weights[id], self.counts[id], count, self.beta);
        }
        sum
    }

    /// No less than [`State::gain`] of a row gives, in whatever order, per byte, now and ever after.
    fn bound(&self, postings: &Postings) -> f64 {
        if postings.units() == 0 {
            return 0.0;
        }
        let sum = postings.sum(&self.once, |id, count| {
            let ngram = self.often[id];
            count.map_or(ngram.0, |count| ngram.term(count as f32))
        });
        // Besides, either sum is off by at most 2^-53 of itself a term, of which there are no more than units.
        let margin = 1.0 + ROUGHNESS + postings.units() as f64 * 2.0 * f64::EPSILON;
        sum * margin / postings.bytes as f64
    }

    fn add(&mut self, features: &[(usize, u64)]) {
        for &(id, count) in features {
            self.counts[id] += count;
            self.often[id] = Often::new(self.weights[id], self.counts[id], self.beta);
            self.once[id] = self.often[id].term(1.0);
        }
    }
}

impl Often {
    fn new(weight: u64, count: u64, beta: f64) -> Often {
        let count_and_beta = count as f64 + beta;
        Often((weight as f64 * beta / count_and_beta) as f32, count_and_beta as f32)
    }

    fn term(self, more: f32) -> f32 {
        self.0 * more / (self.1 + more)
    }
}

/// `w (c + m) / (c + m + beta) - w c / (c + beta)`, without the difference of two nearly equal numbers.
#[inline]
fn term(weight: u64, count: u64, more: u64, beta: f64) -> f64 {
    (weight as f64 * more as f64 * beta) / ((count as f64 + beta) * ((count + more) as f64 + beta))
}
