//! What a target set costs to prepare and a row costs to score, on generated texts of three lengths.
//!
//! The engine's answer is compared with the naive engine's before anything is timed. `kernel.rs` times real rows
//! against a rival; this file is for seeing what a change to one part does: `cargo bench --bench pairs row/short`.

#![expect(clippy::unwrap_used, reason = "a benchmark may fail by panicking")]

mod common;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use zipfit::pairs::{Engine, Pairs};
use zipfit::{Control, Spec, Texts};

/// Targets in each set.
const TARGETS: usize = 64;

/// Rows that are scored in turn, so that no row is known to the caches and branch predictors of the processor.
const ROWS: usize = 64;

/// Rows whose sizes are compared: long ones take the naive engine some 0.1 s each.
const CHECKED_ROWS: usize = 8;

/// Lengths of sources and targets in bytes, most rows of a pool being short. Generated texts of 6,000 repeat themselves
/// so often that the engine leaves their pairs to zlib.
const LENGTHS: [(&str, usize); 3] = [("short", 200), ("medium", 1200), ("long", 4000)];

fn texts(count: usize, bytes: usize, seed: u64) -> Texts {
    let mut random = common::random(seed);
    (0..count).map(|_| common::code(bytes, &mut random)).collect()
}

fn prepare(target: &Texts) -> Pairs {
    Pairs::prepare(target.clone(), Spec::DEFAULT, 1, &Control::default()).unwrap()
}

fn check(pairs: &Pairs, source: &Texts) {
    let control = Control::default();
    let naive = Pairs::prepare_with(Engine::Naive, pairs.target().clone(), Spec::DEFAULT, 1, &control).unwrap();
    let (mut worker, mut naive_worker) = (pairs.worker(), naive.worker());
    let (mut got, mut expected) = (vec![0; TARGETS], vec![0; TARGETS]);
    for x in source.iter().take(CHECKED_ROWS) {
        let size = worker.row(x, &mut got, &control).unwrap();
        assert_eq!(size, naive_worker.row(x, &mut expected, &control).unwrap());
        assert_eq!(got, expected);
    }
    assert_eq!(worker.naive_pairs(), 0, "what is to be timed is the fast engine");
}

fn benchmarks(criterion: &mut Criterion) {
    let control = Control::default();
    for (name, bytes) in LENGTHS {
        let (source, target) = (texts(ROWS, bytes, 1), texts(TARGETS, bytes, 2));
        let pairs = prepare(&target);
        check(&pairs, &source);

        let mut group = criterion.benchmark_group("prepare");
        group.throughput(Throughput::Bytes(target.total_bytes()));
        group.bench_function(name, |bencher| bencher.iter(|| prepare(&target)));
        group.finish();

        let mut group = criterion.benchmark_group("row");
        group.throughput(Throughput::Elements(TARGETS as u64));
        group.bench_function(name, |bencher| {
            let mut worker = pairs.worker();
            let mut joint = vec![0; TARGETS];
            let mut rows = (0..ROWS).cycle().map(|row| source.get(row));
            bencher.iter(|| worker.row(rows.next().unwrap(), &mut joint, &control).unwrap());
        });
        group.finish();
    }
}

criterion_group!(pairs, benchmarks);
criterion_main!(pairs);
