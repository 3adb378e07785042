//! Exactness of joint selection on real rows: the rows, scores and coverage of `cover` and of plain greedy search.
//!
//! ```text
//! cargo bench --bench greedy -- --source pool.jsonl --target humaneval.jsonl --target proofnet.jsonl --rows 2000 \
//!     --record benches/record/greedy.json
//! ```
//!
//! Plain greedy search looks at every row in every step, and takes all of the time: some minutes for 2,000 rows. A
//! difference is printed, and the process then fails.

#![expect(clippy::print_stderr, reason = "differences, and the error that ends a run")]

mod common;

use std::process::ExitCode;

use common::{Options, rounded};
use serde_json::{Value, json};
use zipfit::cover::{self, Budget, cover, cover_naive};
use zipfit::{Control, Result, Texts};

const BUDGET_BYTES: u64 = 20_000;

const BETAS: [f64; 3] = [1.0, 10.0, 100.0];

fn main() -> ExitCode {
    let compared = Options::read("greedy", 200, &["--threads T"]).and_then(|options| {
        let source = options.source_rows()?;
        let mut results = Vec::new();
        for (name, target) in options.target_sets()? {
            for beta in BETAS {
                results.push(compare(&name, &target, &source, beta, options.threads)?);
            }
        }
        let exact = results.iter().all(|result| result["equal"] == true);
        options.report(&results)?;
        Ok(exact)
    });
    match compared {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("greedy: {error}");
            ExitCode::FAILURE
        }
    }
}

fn compare(name: &str, target: &Texts, source: &Texts, beta: f64, threads: usize) -> Result<Value> {
    let options = cover::Options { budget: Budget::Bytes(BUDGET_BYTES), tokens: None, beta: Some(beta), keep: None };
    let expected = cover_naive(source, target, &options)?;
    let mut equal = true;
    for threads in [1, threads] {
        let found = cover(source, target, &options, threads, &Control::default())?;
        // Rows, scores, coverage and what was left out, numbers to the last bit.
        if found != expected {
            equal = false;
            let at = found.rows.iter().zip(&expected.rows).position(|(a, b)| a != b);
            eprintln!("{name}, beta {beta}, {threads} threads: another choice, rows differ from step {at:?} on");
        }
    }
    Ok(json!({
        "target": name,
        "beta": beta,
        "rows": source.len(),
        "budget bytes": BUDGET_BYTES,
        "rows chosen": expected.rows.len(),
        "share of the target covered": rounded(expected.coverage.last().copied().unwrap_or(0.0), 4),
        "equal": equal,
    }))
}
