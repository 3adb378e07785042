//! Exactness on many real pairs: every size by the fast engine and by the naive one, and how many differ.
//!
//! ```text
//! cargo bench --bench verify -- --source sample.jsonl --target humaneval.jsonl --target proofnet.jsonl \
//!     --rows 20000 --record benches/record/exact.json
//! ```
//!
//! Nearly all of the time, some 40 us a pair and thread, is the naive engine's. Differences are printed with the
//! source row, and the process then fails.

#![expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
#![expect(clippy::print_stderr, reason = "differences, and the error that ends a run")]

mod common;

use std::process::ExitCode;
use std::time::Instant;

use common::{Options, rounded};
use serde_json::{Value, json};
use zipfit::pairs::{Engine, Pairs};
use zipfit::{Control, Result, Spec, Texts, parallel};

/// Rows that a thread compares between two looks at the common counter; arbitrary (some 0.1 s of work).
const CHUNK_ROWS: usize = 16;

/// Differences that are printed of one target set; all are counted.
const PRINTED: usize = 10;

/// What was found in one row.
#[derive(Clone, Default)]
struct Found {
    /// (target, size by the fast engine, size by the naive one); the number of targets stands for C(x).
    differences: Vec<(usize, u64, u64)>,
    naive_pairs: u64,
}

fn main() -> ExitCode {
    let verified = Options::read("verify", 500, &["--threads T"]).and_then(|options| {
        let source = options.source_rows()?;
        let sets = options.target_sets()?;
        let results = sets.iter().map(|(name, target)| verify(name, target, &source, options.threads));
        let results: Vec<Value> = results.collect::<Result<_>>()?;
        let exact = results.iter().all(|result| result["differences"] == 0);
        options.report(&results)?;
        Ok(exact)
    });
    match verified {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("verify: sizes differ");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("verify: {error}");
            ExitCode::FAILURE
        }
    }
}

fn verify(name: &str, target: &Texts, source: &Texts, threads: usize) -> Result<Value> {
    let control = Control::default();
    let start = Instant::now();
    let fast = Pairs::prepare(target.clone(), Spec::DEFAULT, threads, &control)?;
    let naive = Pairs::prepare_with(Engine::Naive, target.clone(), Spec::DEFAULT, threads, &control)?;
    let mut rows = vec![Found::default(); source.len()];
    let scratch = || Ok((fast.worker(), naive.worker(), vec![0; target.len() + 1], vec![0; target.len() + 1]));
    parallel::fill_rows(&mut rows, 1, CHUNK_ROWS, threads, &control, scratch, |scratch, first, chunk| {
        let (fast, naive, got, expected) = scratch;
        for (row, found) in (first..).zip(chunk) {
            let before = fast.naive_pairs();
            for (worker, sizes) in [(&mut *fast, &mut *got), (naive, expected)] {
                let (joint, own) = sizes.split_at_mut(target.len());
                own[0] = worker.row(source.get(row), joint, &control)?;
            }
            found.naive_pairs = fast.naive_pairs() - before;
            let sizes = got.iter().zip(&*expected).enumerate();
            let differing = sizes.filter(|(_, (got, expected))| got != expected);
            found.differences = differing.map(|(j, (&got, &expected))| (j, got, expected)).collect();
        }
        Ok(())
    })?;
    let differing = rows.iter().enumerate().flat_map(|(i, row)| row.differences.iter().map(move |found| (i, found)));
    for (i, (j, got, expected)) in differing.clone().take(PRINTED) {
        let p = if *j == target.len() { &[] } else { target.get(*j) };
        let [x, p] = [source.get(i), p].map(|text| String::from_utf8_lossy(text).into_owned());
        eprintln!("{name}: {got} for {expected}, source row {i} with target {j}: {x:?} {p:?}");
    }
    let pairs = (source.len() * target.len()) as u64;
    let naive_pairs: u64 = rows.iter().map(|row| row.naive_pairs).sum();
    Ok(json!({
        "target": name,
        "targets": target.len(),
        "rows": source.len(),
        "pairs": pairs,
        "differences": differing.count(),
        "pairs that the naive engine had to compute, %": rounded(100.0 * naive_pairs as f64 / pairs as f64, 2),
        "seconds": rounded(start.elapsed().as_secs_f64(), 1),
    }))
}
