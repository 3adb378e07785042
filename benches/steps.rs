//! The steps of the fast engine one by one (`src/pairs/mod.rs` names them), on generated texts.
//!
//! ```text
//! cargo bench --features steps --bench steps walk/long
//! ```
//!
//! The sizes that come out of the last step are compared with zlib's before anything is timed. A row of `pairs.rs` is all
//! steps together; this file is for seeing what a change to one of them does. Steps that have a form of their own for
//! vector instructions are timed in both.

#![expect(clippy::unwrap_used, reason = "a benchmark may fail by panicking")]

mod common;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use zipfit::pairs::steps::{Prepared, Steps};
use zipfit::{Control, Spec, Texts};

/// Targets and their length in bytes: 48 KB, three quarters of a block.
const TARGETS: usize = 40;
const TARGET_BYTES: usize = 1200;

/// Lengths of sources in bytes, most rows of a pool being short. Generated texts of 10,000 repeat themselves so often that
/// the engine leaves their pairs to zlib.
const LENGTHS: [(&str, usize); 3] = [("short", 200), ("medium", 1200), ("long", 4000)];

/// A step: its name, its work, and whether there is a form of it with vector instructions.
type Step = (&'static str, fn(&mut Steps<'_>), bool);

/// In their order: each works on what those before it left.
const STEPS: [Step; 5] = [
    ("source", |steps| steps.source(), false),
    ("walk", |steps| steps.walk(), false),
    ("seams", |steps| steps.seams(), false),
    ("parse", |steps| steps.parse(), true),
    ("huffman", |steps| _ = black_box(steps.huffman()), true),
];

/// Targets in the order in which the engine takes them: by the number of their distinct bytes.
fn targets() -> Texts {
    let mut random = common::random(2);
    let mut texts: Vec<Vec<u8>> = (0..TARGETS).map(|_| common::code(TARGET_BYTES, &mut random)).collect();
    texts.sort_by_cached_key(|text| (0..=255).filter(|byte| text.contains(byte)).count());
    Texts::from_iter(texts)
}

/// Compare the sizes of the first sixteen texts, the first being the source alone, with those of zlib.
fn check(prepared: &Prepared, target: &Texts, x: &[u8]) {
    let control = Control::default();
    let mut zlib = "deflate-9".parse::<Spec>().unwrap().compressor();
    let targets = std::iter::once(&b""[..]).chain(target.iter());
    let expected: Vec<u64> = targets.take(16).map(|p| zlib.compressed_size(&[x, p], &control).unwrap()).collect();
    for vectors in [false, true] {
        let mut steps = prepared.steps(x, vectors);
        for (_, step, _) in STEPS {
            step(&mut steps);
        }
        assert_eq!(steps.huffman().map(u64::from).to_vec(), expected);
    }
}

fn benchmarks(criterion: &mut Criterion) {
    let target = targets();
    let prepared = Prepared::new(&target).unwrap();
    let sources = LENGTHS.map(|(name, bytes)| (name, common::code(bytes, &mut common::random(1))));
    for (_, x) in &sources {
        check(&prepared, &target, x);
    }

    let mut group = criterion.benchmark_group("index");
    group.throughput(Throughput::Bytes(target.total_bytes()));
    group.bench_function("block", |bencher| bencher.iter(|| Prepared::new(&target).unwrap()));
    group.finish();

    for (index, (name, step, has_vectors)) in STEPS.iter().enumerate() {
        let mut group = criterion.benchmark_group(*name);
        for (length, x) in &sources {
            for vectors in [true, false] {
                if !vectors && !has_vectors {
                    continue;
                }
                let mut steps = prepared.steps(x, vectors);
                for (_, before, _) in &STEPS[..index] {
                    before(&mut steps);
                }
                let name = if vectors { (*length).to_owned() } else { format!("{length}/portable") };
                group.bench_function(name, |bencher| bencher.iter(|| step(&mut steps)));
            }
        }
        group.finish();
    }
}

criterion_group!(steps, benchmarks);
criterion_main!(steps);
