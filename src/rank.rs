//! Alignment of source rows with a fixed target set, by their distances to each target or by the gain from all.
//!
//! The gain is the business of [`dictionary`](crate::dictionary), and cheap. Distances cost the sizes of N n pairs (see
//! [`pairs`](crate::pairs)); memory: the targets and their index, one worker and n sizes a thread, 8 bytes a row.
//! They are best when texts are well below the window of the codec (32 KiB for gzip): beyond it the second copy of a
//! text is out of sight and every alignment drifts to 0. Reading files and choosing rows belong to `read` and `select`.
//! Reference: Obbad et al. 2024, arXiv:2410.18194, algorithm 1.

use crate::codec::Spec;
use crate::dictionary::Gains;
use crate::error::{Error, Result};
use crate::metric::{Aggregate, Distance, Metric};
use crate::pairs::Pairs;
use crate::parallel::{self, Control};
use crate::texts::Texts;

/// Rows that a thread scores alone between two looks at the common counter. Small, because a row costs n sizes (from
/// 0.1 ms on, seconds for long texts): what matters is that no thread is idle at the end and that a stop is prompt.
const CHUNK_ROWS: usize = 4;

/// Scores rows against a target set that is prepared once.
///
/// # Examples
/// ```
/// use zipfit::{Aggregate, Control, Metric, Scorer, Spec, Texts};
///
/// let target = Texts::from_iter(["def add(a, b):\n    return a + b\n"]);
/// let source = Texts::from_iter(["def sub(a, b):\n    return a - b\n", "It was the best of times."]);
/// let control = Control::default();
/// let scorer = Scorer::prepare(target, Metric::DEFAULT, Spec::DEFAULT, Aggregate::Mean, 1, &control)?;
/// let scores = scorer.score(&source, 1, &control)?;
/// assert!(scores[0] > scores[1]);
/// # Ok::<(), zipfit::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Scorer {
    targets: Targets,
    aggregate: Aggregate,
}

/// The targets, prepared for the metric.
#[derive(Clone, Debug)]
enum Targets {
    OneByOne(Pairs, Distance),
    Together(Gains),
}

impl Scorer {
    /// Prepare the target set.
    ///
    /// # Errors
    /// [`Cause::EmptyTarget`](crate::error::Cause::EmptyTarget); an aggregate over more targets than there are; for
    /// [`Metric::Gain`] any aggregate but the mean, a codec without dictionaries, and a target that it would misread;
    /// [`Cause::Interrupted`](crate::error::Cause::Interrupted).
    pub fn prepare(
        target: Texts,
        metric: Metric,
        spec: Spec,
        aggregate: Aggregate,
        threads: usize,
        control: &Control,
    ) -> Result<Scorer> {
        let targets = match metric {
            Metric::Distance(distance) => {
                let pairs = Pairs::prepare(target, spec, threads, control)?;
                aggregate.check(pairs.target().len())?;
                Targets::OneByOne(pairs, distance)
            }
            Metric::Gain if aggregate != Aggregate::Mean => {
                return Err(Error::parameter(format!(
                    "aggregate \"{aggregate}\": metric \"gain\" takes all targets together; use \"mean\""
                )));
            }
            Metric::Gain => Targets::Together(Gains::prepare(target, spec, control)?),
        };
        Ok(Scorer { targets, aggregate })
    }

    /// The targets.
    #[must_use]
    pub fn target(&self) -> &Texts {
        match &self.targets {
            Targets::OneByOne(pairs, _) => pairs.target(),
            Targets::Together(gains) => gains.target(),
        }
    }

    /// The codec and level.
    #[must_use]
    pub fn spec(&self) -> Spec {
        match &self.targets {
            Targets::OneByOne(pairs, _) => pairs.spec(),
            Targets::Together(gains) => gains.spec(),
        }
    }

    /// What scores are made of.
    #[must_use]
    pub fn metric(&self) -> Metric {
        match self.targets {
            Targets::OneByOne(_, distance) => Metric::Distance(distance),
            Targets::Together(_) => Metric::Gain,
        }
    }

    /// How distances become a score; the mean for the gain, which is one number.
    #[must_use]
    pub fn aggregate(&self) -> Aggregate {
        self.aggregate
    }

    /// One score a row, higher is better, unclamped; the same bits on any number of threads.
    ///
    /// # Errors
    /// [`Cause::Interrupted`](crate::error::Cause::Interrupted); a codec that fails.
    pub fn score(&self, source: &Texts, threads: usize, control: &Control) -> Result<Vec<f64>> {
        match &self.targets {
            Targets::OneByOne(pairs, distance) => {
                alignments(source, pairs, *distance, self.aggregate, threads, control)
            }
            Targets::Together(gains) => gains.score(source, threads, control),
        }
    }
}

fn alignments(
    source: &Texts,
    pairs: &Pairs,
    distance: Distance,
    aggregate: Aggregate,
    threads: usize,
    control: &Control,
) -> Result<Vec<f64>> {
    let targets = pairs.target().len();
    let mut scores = vec![0.0; source.len()];
    let scratch = || Ok((pairs.worker(), vec![0; targets], vec![0.0; targets]));
    parallel::fill_rows(&mut scores, 1, CHUNK_ROWS, threads, control, scratch, |scratch, first, chunk| {
        let (worker, joint, distances) = scratch;
        for (row, score) in (first..).zip(chunk) {
            let size = worker.row(source.get(row), joint, control)?;
            fill_distances(distance, size, pairs.target_sizes(), joint, distances);
            *score = aggregate.score(distances);
        }
        Ok(())
    })?;
    Ok(scores)
}

/// Every distance, row after row: entry `i * n + j` is that of source i and target j.
///
/// # Errors
/// As [`Scorer::score`]; [`Cause::Parameter`](crate::error::Cause::Parameter) for a matrix larger than memory.
pub fn distance_matrix(
    source: &Texts,
    pairs: &Pairs,
    distance: Distance,
    threads: usize,
    control: &Control,
) -> Result<Vec<f64>> {
    let targets = pairs.target().len();
    let mut matrix = zeros(source.len(), targets)?;
    let scratch = || Ok((pairs.worker(), vec![0; targets]));
    parallel::fill_rows(&mut matrix, targets, CHUNK_ROWS, threads, control, scratch, |scratch, first, chunk| {
        let (worker, joint) = scratch;
        for (row, distances) in (first..).zip(chunk.chunks_mut(targets)) {
            let size = worker.row(source.get(row), joint, control)?;
            fill_distances(distance, size, pairs.target_sizes(), joint, distances);
        }
        Ok(())
    })?;
    Ok(matrix)
}

fn fill_distances(distance: Distance, source_size: u64, target_sizes: &[u64], joint: &[u64], distances: &mut [f64]) {
    for ((entry, &joint), &target_size) in distances.iter_mut().zip(joint).zip(target_sizes) {
        *entry = distance.of_sizes(source_size, target_size, joint);
    }
}

/// A matrix of zeros, or an error that says its size: a failed allocation would otherwise end the process.
fn zeros(rows: usize, columns: usize) -> Result<Vec<f64>> {
    let mut matrix = Vec::new();
    let entries = rows.checked_mul(columns).filter(|&entries| matrix.try_reserve_exact(entries).is_ok());
    let Some(entries) = entries else {
        let message =
            format!("a matrix of {rows} x {columns} distances does not fit into memory; take fewer sources at a time");
        return Err(Error::parameter(message));
    };
    matrix.resize(entries, 0.0);
    Ok(matrix)
}

/// NCD of one pair, C(x followed by y) with x first.
///
/// # Errors
/// [`Cause::Interrupted`](crate::error::Cause::Interrupted); a codec that fails.
///
/// # Examples
/// ```
/// use zipfit::{Control, Spec, ncd};
/// let same = ncd(b"a text like another", b"a text like another", Spec::DEFAULT, &Control::default())?;
/// assert!(same < 0.2);
/// # Ok::<(), zipfit::Error>(())
/// ```
pub fn ncd(x: &[u8], y: &[u8], spec: Spec, control: &Control) -> Result<f64> {
    let mut compressor = spec.compressor();
    let mut size = |parts: &[&[u8]]| compressor.compressed_size(parts, control);
    Ok(Distance::Ncd.of_sizes(size(&[x])?, size(&[y])?, size(&[x, y])?))
}
