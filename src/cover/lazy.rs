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
use super::postings::{Packer, Postings, Unit};
use super::queue::{Look, Queue};
use super::{Candidates, Chosen};
use crate::error::Result;
use crate::ngrams::{Counter, Ngrams};
use crate::parallel::{self, Control};
use crate::texts::Texts;

/// Rows that a thread takes at a time in the first pass. A row takes some 20 to 60 us; more would leave threads idle at the
/// end, fewer would make the common counter felt.
const CHUNK_ROWS: usize = 32;

/// Rows that are looked at again together: as many at first in each step, then twice as many each time, until the best
/// row is one that was looked at. Fewer leave threads idle or waiting for each other, more look at rows in vain.
const FIRST_BATCH: usize = 32;

/// The most rows that are looked at again together; arbitrary (some milliseconds).
const LARGEST_BATCH: usize = 4096;

/// Choose until no candidate is left that fits and adds anything.
pub(super) fn choose(
    source: &Texts,
    ngrams: &Ngrams,
    candidates: &Candidates,
    beta: f64,
    threads: usize,
    control: &Control,
) -> Result<Chosen> {
    let state = State::new(ngrams, beta);
    let task = Task { source, ngrams, candidates, threads, control };
    if fits_bytes(ngrams.weights().len(), candidates.rows.len(), candidates.bytes) {
        Search::<u8>::begin(&task, state)?.run()
    } else {
        Search::<u16>::begin(&task, state)?.run()
    }
}

/// Whether rows are packed in bytes, and not in units of two. However short a row is, its two runs have to get from the
/// first number to the last: up to a unit for every 255 numbers in the one, and two in the other. These may be as many
/// as the row has bytes, that is somewhat more than it has n-grams.
fn fits_bytes(ngrams: usize, rows: usize, bytes: u64) -> bool {
    3 * (ngrams as u64 / u64::from(u8::MAX)) * rows as u64 <= bytes
}

struct Task<'a> {
    source: &'a Texts,
    ngrams: &'a Ngrams,
    candidates: &'a Candidates<'a>,
    threads: usize,
    control: &'a Control,
}

struct Search<'a, U> {
    task: &'a Task<'a>,
    queue: Queue,
    /// Of each candidate.
    postings: Vec<Postings<U>>,
    state: State<'a>,
    /// Rows chosen until now.
    step: u32,
}

impl<'a, U: Unit> Search<'a, U> {
    /// Take all candidates apart, and bound what each adds to nothing.
    fn begin(task: &'a Task<'a>, state: State<'a>) -> Result<Search<'a, U>> {
        let Task { source, ngrams, candidates, threads, control } = *task;
        let mut first = Vec::new();
        first.resize_with(candidates.rows.len(), || (Postings::none(), 0.0));
        let scratch = || Ok((Counter::new(ngrams), Packer::default()));
        parallel::fill_rows(&mut first, 1, CHUNK_ROWS, threads, control, scratch, |(counter, packer), at, chunk| {
            for (&row, (postings, score)) in candidates.rows[at..].iter().zip(chunk) {
                let text = source.get(row);
                counter.count(text, |id, count| packer.push(id, count));
                *postings = packer.finish(ngrams.weights().len(), text.len());
                *score = state.bound(postings);
            }
            Ok(())
        })?;
        let looks = first.iter().zip(0..).filter(|((_, score), _)| *score > 0.0);
        let looks = looks.map(|(&(_, score), index)| Look { score, index: Reverse(index), step: 0 });
        let queue = Queue::new(looks.collect());
        let postings = first.into_iter().map(|(postings, _)| postings).collect();
        Ok(Search { task, queue, postings, state, step: 0 })
    }

    fn run(mut self) -> Result<Chosen> {
        let candidates = self.task.candidates;
        let mut counter = FeatureCounter::new(self.task.ngrams);
        let mut left = candidates.budget;
        let mut chosen = Chosen::default();
        let mut batch = FIRST_BATCH;
        // What the row on top adds, once that was found and not only bounded, and its n-grams.
        let mut found: Option<(u32, f64)> = None;
        let mut features = Vec::new();
        while let Some(top) = self.queue.peek() {
            self.task.control.check()?;
            let Reverse(index) = top.index;
            let row = candidates.rows[index as usize];
            let text = self.task.source.get(row);
            if candidates.cost(row) > left {
                chosen.passed_over = true;
                self.queue.pop();
            } else if top.step < self.step {
                self.look_again(batch)?;
                batch = (2 * batch).min(LARGEST_BATCH);
            } else if let Some((_, gained)) = found.filter(|&(found, _)| found == index) {
                self.queue.pop();
                left -= candidates.cost(row);
                chosen.rows.push((row, gained));
                self.state.add(&features);
                self.step += 1;
                batch = FIRST_BATCH;
                found = None;
            } else {
                // Its bound was the largest; what it really adds may put another row on top.
                features.clear();
                features.extend(counter.features(text));
                let gained = self.state.gain(&features);
                found = Some((index, gained));
                self.queue.pop();
                if gained > 0.0 {
                    self.queue.push(Look { score: gained / text.len() as f64, index: Reverse(index), step: self.step });
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
        let (state, postings, step) = (&self.state, &self.postings, self.step);
        let threads = self.task.threads;
        // Rows are counted as done once, in the first pass.
        let control = self.task.control.without_progress();
        parallel::fill_rows(
            &mut looks,
            1,
            FIRST_BATCH / 2,
            threads,
            &control,
            || Ok(()),
            |(), _, looks| {
                for look in looks {
                    look.score = state.bound(&postings[look.index.0 as usize]);
                    look.step = step;
                }
                Ok(())
            },
        )?;
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
    fn bound<U: Unit>(&self, postings: &Postings<U>) -> f64 {
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
