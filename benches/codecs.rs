//! Microseconds a pair for every codec and level, as the Markdown table of `docs/codecs.md`.
//!
//! ```text
//! zipfit demo --write texts
//! cargo bench --bench codecs -- --source texts/source.jsonl --target texts/target.jsonl
//! ```
//!
//! One thread; the rows are gone through for [`SECONDS`] a spec, and the time includes C(x), as it does for users. The
//! sizes of the first rows are compared before with those of the codec alone, which is given each joined text whole.
//! An orientation, not a comparison: the codecs do not run in turn.

#![expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the table, and the error that ends a run")]

mod common;

use std::process::ExitCode;
use std::time::Instant;

use common::Options;
use serde_json::json;
use zipfit::codec::Codec;
use zipfit::pairs::{Pairs, Worker};
use zipfit::{Control, Result, Spec, Texts};

/// Seconds to spend on each spec, not counting the row at hand. More steadies the last digit.
const SECONDS: f64 = 1.0;

/// Rows whose sizes are compared; arbitrary. More would take the slowest specs longer than their measurement.
const CHECKED_ROWS: usize = 4;

/// A column each. zlib and raw DEFLATE are gzip with less frame, in the same time.
const COLUMNS: [Codec; 6] = [Codec::Gzip, Codec::Zstd, Codec::Lz4, Codec::Brotli, Codec::Xz, Codec::Bz2];

fn main() -> ExitCode {
    let measured = Options::read("codecs", 500, &[]).and_then(|options| {
        let source = options.source_rows()?;
        let mut results = Vec::new();
        for (name, target) in options.target_sets()? {
            println!("| level | {} |", COLUMNS.map(Codec::name).join(" | "));
            println!("|---|{}", "---|".repeat(COLUMNS.len()));
            let mut microseconds = serde_json::Map::new();
            for level in 0..=22 {
                let mut cells = Vec::new();
                for codec in COLUMNS {
                    let Some(spec) = spec(codec, level) else {
                        cells.push(String::new());
                        continue;
                    };
                    let us = microseconds_a_pair(spec, &target, &source)?;
                    cells.push(if us < 10.0 { format!("{us:.1}") } else { format!("{us:.0}") });
                    microseconds.insert(spec.to_string(), json!(common::rounded(us, 1)));
                }
                println!("| {level} | {} |", cells.join(" | "));
            }
            results.push(json!({
                "target": name,
                "targets": target.len(),
                "rows": source.len(),
                "bytes a row, mean": common::mean_bytes(&source),
                "bytes a target, mean": common::mean_bytes(&target),
                "us a pair": microseconds,
            }));
        }
        options.report(&results)
    });
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("codecs: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The spec of a level that there is; a codec without levels stands at 0.
fn spec(codec: Codec, level: u8) -> Option<Spec> {
    match codec.levels() {
        Some(_) => format!("{}-{level}", codec.name()).parse().ok(),
        None => codec.name().parse().ok().filter(|_| level == 0),
    }
}

fn microseconds_a_pair(spec: Spec, target: &Texts, source: &Texts) -> Result<f64> {
    let control = Control::default();
    let pairs = Pairs::prepare(target.clone(), spec, 1, &control)?;
    let mut worker = pairs.worker();
    check(&mut worker, &pairs, source)?;
    let mut joint = vec![0; target.len()];
    let mut pairs_done = 0;
    let start = Instant::now();
    for x in (0..source.len()).cycle().map(|row| source.get(row)) {
        worker.row(x, &mut joint, &control)?;
        pairs_done += target.len();
        if start.elapsed().as_secs_f64() > SECONDS {
            break;
        }
    }
    Ok(start.elapsed().as_secs_f64() * 1e6 / pairs_done as f64)
}

/// Compare the sizes of a few rows with the codec's own.
///
/// # Panics
/// When two differ.
fn check(worker: &mut Worker<'_>, pairs: &Pairs, source: &Texts) -> Result<()> {
    let control = Control::default();
    let mut codec = pairs.spec().compressor();
    let mut joint = vec![0; pairs.target().len()];
    for x in source.iter().take(CHECKED_ROWS) {
        let size = worker.row(x, &mut joint, &control)?;
        assert_eq!(size, codec.compressed_size(&[x], &control)?, "{} of {x:?}", pairs.spec());
        for (p, &size) in pairs.target().iter().zip(&joint) {
            let whole = [x, p].concat();
            assert_eq!(size, codec.compressed_size(&[&whole], &control)?, "{} of {whole:?}", pairs.spec());
        }
    }
    Ok(())
}
