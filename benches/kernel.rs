//! The fast engine beside its rival, one reused zlib stream (the naive engine): the same pairs, the same sizes, the
//! time of each.
//!
//! All sizes are compared before a time is told. The two run in turn on one thread and the ratio is taken within each
//! pair of runs, so that what slows the machine down for a while slows both; told is the median. So it is for two
//! threads (`--threads`) against one, through `Scorer`, which is what users call; every run must give the same scores.
//! With real texts:
//!
//! ```text
//! cargo bench --bench kernel -- --source sample.jsonl --target humaneval.jsonl --target proofnet.jsonl --rows 2000
//! ```
//!
//! `--rival no` runs the fast engine alone and checks and times nothing; with `--runs 0` it only reads and prepares.
//! That is for tools that watch the process: profilers, and `instructions.py`, which checks before.

#![expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
#![expect(clippy::print_stderr, reason = "the error that ends a benchmark")]

mod common;

use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

use common::{Options, mean_bytes, median, rounded};
use serde_json::{Value, json};
use zipfit::pairs::{Engine, Pairs, Worker};
use zipfit::{Aggregate, Control, Metric, Result, Scorer, Spec, Texts};

fn main() -> ExitCode {
    let measured = Options::read("kernel", 2000, &["--runs R", "--threads T", "--rival no"]).and_then(|options| {
        let source = options.source_rows()?;
        let sets = options.target_sets()?;
        let results = sets.iter().map(|(name, target)| measure(name, target, &source, &options));
        options.report(&results.collect::<Result<Vec<_>>>()?)
    });
    measured.map_or_else(
        |error| {
            eprintln!("kernel: {error}");
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    )
}

fn measure(name: &str, target: &Texts, source: &Texts, options: &Options) -> Result<Value> {
    let control = Control::default();
    let start = Instant::now();
    let fast = Pairs::prepare(target.clone(), Spec::DEFAULT, 1, &control)?;
    let prepare_seconds = start.elapsed().as_secs_f64();
    let mut result = json!({
        "target": name,
        "targets": target.len(),
        "rows": source.len(),
        "bytes a row, mean": mean_bytes(source),
        "bytes a target, mean": mean_bytes(target),
        "seconds to prepare": rounded(prepare_seconds, 4),
    });
    if !options.rival {
        for _ in 0..options.runs {
            run(&mut fast.worker(), source, target.len(), |_| {})?;
        }
        return Ok(result);
    }
    let prepare = |engine| Pairs::prepare_with(engine, target.clone(), Spec::DEFAULT, 1, &control);
    let (naive, portable) = (prepare(Engine::Naive)?, prepare(Engine::Portable)?);
    result["pairs that the naive engine had to compute, %"] = compare(&naive, &[&fast, &portable], source)?;
    let mut seconds = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..options.runs {
        for (pairs, seconds) in [&fast, &portable, &naive].into_iter().zip(&mut seconds) {
            seconds.push(time(&mut pairs.worker(), source, target.len())?);
        }
    }
    let pairs = (source.len() * target.len()) as f64;
    let [fast_seconds, portable_seconds, naive_seconds] = seconds;
    tell(&mut result, "us a pair", [("zipfit", &fast_seconds), ("one zlib stream", &naive_seconds)], pairs);
    tell(&mut result, "us a pair", [("portable", &portable_seconds), ("one zlib stream", &naive_seconds)], pairs);
    time_threads(&mut result, target, source, options)?;
    Ok(result)
}

/// Whole scores on several threads and on one.
///
/// # Panics
/// When a run gives other scores than the first.
fn time_threads(result: &mut Value, target: &Texts, source: &Texts, options: &Options) -> Result<()> {
    let control = Control::default();
    let scorer = Scorer::prepare(target.clone(), Metric::DEFAULT, Spec::DEFAULT, Aggregate::Mean, 1, &control)?;
    let expected = scorer.score(source, 1, &control)?;
    let mut seconds = [Vec::new(), Vec::new()];
    for _ in 0..options.runs {
        for (threads, seconds) in [options.threads, 1].into_iter().zip(&mut seconds) {
            let start = Instant::now();
            let scores = scorer.score(source, threads, &control)?;
            seconds.push(start.elapsed().as_secs_f64());
            assert_eq!(scores, expected, "{threads} threads");
        }
    }
    let many = format!("{} threads", options.threads);
    tell(result, "us a row", [(&many, &seconds[0]), ("one thread", &seconds[1])], source.len() as f64);
    Ok(())
}

/// Write the medians of runs in turn into the result, and the median of the ratios of the second to the first.
fn tell(result: &mut Value, unit: &str, seconds: [(&str, &Vec<f64>); 2], units: f64) {
    for (name, seconds) in seconds {
        result[format!("{unit}, {name}, median")] = json!(rounded(median(seconds) * 1e6 / units, 2));
    }
    let [(first_name, first), (second_name, second)] = seconds;
    let ratios: Vec<f64> = first.iter().zip(second).map(|(first, second)| second / first).collect();
    let told: Vec<f64> = ratios.iter().map(|&ratio| rounded(ratio, 2)).collect();
    result[format!("{second_name} over {first_name}, ratios")] = json!(told);
    result[format!("{second_name} over {first_name}, median")] = json!(rounded(median(&ratios), 2));
}

/// Every size by every engine; the share of the pairs that the fast one left to the naive one.
///
/// # Panics
/// When two differ.
fn compare(naive: &Pairs, others: &[&Pairs], source: &Texts) -> Result<Value> {
    let targets = naive.target().len();
    let mut expected = Vec::new();
    run(&mut naive.worker(), source, targets, |sizes| expected.extend_from_slice(sizes))?;
    let mut naive_pairs = 0;
    for pairs in others {
        let mut worker = pairs.worker();
        let mut expected = expected.chunks(targets + 1);
        run(&mut worker, source, targets, |sizes| assert_eq!(Some(sizes), expected.next()))?;
        naive_pairs = worker.naive_pairs();
    }
    Ok(json!(rounded(100.0 * naive_pairs as f64 / (source.len() * targets) as f64, 2)))
}

/// Call `see` with the sizes of each row: those with the targets, then its own.
fn run(worker: &mut Worker<'_>, source: &Texts, targets: usize, mut see: impl FnMut(&[u64])) -> Result<()> {
    let mut sizes = vec![0; targets + 1];
    for x in source.iter() {
        sizes[targets] = worker.row(x, &mut sizes[..targets], &Control::default())?;
        see(black_box(&sizes));
    }
    Ok(())
}

fn time(worker: &mut Worker<'_>, source: &Texts, targets: usize) -> Result<f64> {
    let start = Instant::now();
    run(worker, source, targets, |_| {})?;
    Ok(start.elapsed().as_secs_f64())
}
