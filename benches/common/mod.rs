//! What the benchmarks share: options, rows of files, generated texts, and the record of a result.

#![allow(dead_code, clippy::print_stdout, reason = "each benchmark uses a part, and prints what it found")]

#[path = "../../tests/common/random.rs"]
mod random;

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

pub use random::random;
use serde_json::{Value, json};
use zipfit::codec::Codec;
use zipfit::error::Side;
use zipfit::read::{Fields, OtherFields, ReadOptions, Reader};
use zipfit::{Control, Error, Result, Texts, TextsBuilder};

/// What can be said on the command line.
pub struct Options {
    /// The benchmark's name: its file.
    pub bench: String,
    /// JSON Lines with a field `text`, plain, .gz or .zst; generated texts without it.
    pub source: Option<PathBuf>,
    /// The same for targets; several are several target sets, measured one after the other.
    pub target: Vec<PathBuf>,
    /// Rows of the source that are measured, evenly spaced.
    pub rows: usize,
    /// Runs of each, in turn; 5 unless said otherwise.
    pub runs: usize,
    /// Threads where a benchmark uses several; 2 unless said otherwise.
    pub threads: usize,
    /// Whether the naive engine runs too.
    pub rival: bool,
    /// File that the result is appended to.
    pub record: Option<PathBuf>,
}

impl Options {
    /// Read the command line of a benchmark that measures so many `rows` by default. All take --source, --target,
    /// --rows and --record; `more` are the others that this one uses, each with its value, as in "--runs R".
    ///
    /// # Errors
    /// A parameter error that lists the options, for one that the benchmark does not use or that lacks its value.
    pub fn read(bench: &str, rows: usize, more: &[&str]) -> Result<Options> {
        let mut options = Options {
            bench: bench.to_owned(),
            source: None,
            target: Vec::new(),
            rows,
            runs: 5,
            threads: 2,
            rival: true,
            record: None,
        };
        let known = [&["--source FILE", "--target FILE...", "--rows N", "--record FILE"][..], more].concat();
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            // `cargo bench` adds --bench.
            if word == "--bench" {
                continue;
            }
            let refuse = |what: &str| {
                Error::parameter(format!("{word}: {what}; the options of {bench} are {}", known.join(", ")))
            };
            if !known.iter().any(|option| option.split(' ').next() == Some(&word)) {
                return Err(refuse("not an option here"));
            }
            let value = words.next().ok_or_else(|| refuse("has no value"))?;
            let number = || value.parse().map_err(|_| refuse("not a number"));
            match word.as_str() {
                "--source" => options.source = Some(value.into()),
                "--target" => options.target.push(value.into()),
                "--rows" => options.rows = number()?,
                "--runs" => options.runs = number()?,
                "--threads" => options.threads = number()?,
                "--rival" if value == "no" => options.rival = false,
                "--record" => options.record = Some(value.into()),
                _ => return Err(refuse("not a value for it")),
            }
        }
        if options.source.is_some() == options.target.is_empty() {
            return Err(Error::parameter("--source and --target go together"));
        }
        if options.rows == 0 || (options.runs == 0 && options.rival) {
            return Err(Error::parameter("--rows and --runs must be at least 1"));
        }
        Ok(options)
    }

    /// The rows to measure: all of the source, or `rows` of them, evenly spaced.
    pub fn source_rows(&self) -> Result<Texts> {
        let Some(path) = &self.source else { return Ok(generated(self.rows, 1)) };
        let all = read(path, Side::Source)?;
        let rows = self.rows.min(all.len());
        // The middle ones of equal stretches.
        Ok((0..rows).map(|i| all.get((2 * i + 1) * all.len() / (2 * rows))).collect())
    }

    /// Target sets with their names.
    pub fn target_sets(&self) -> Result<Vec<(String, Texts)>> {
        if self.target.is_empty() {
            return Ok(vec![("generated".to_owned(), generated(82, 2))]);
        }
        let name = |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.target.iter().map(|path| Ok((name(path), read(path, Side::Target)?))).collect()
    }

    /// Print a result, and append it to the record with all that determined it.
    pub fn report(&self, results: &[Value]) -> Result<()> {
        let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
        // Names without their folders, which are nobody's business.
        let words = words.iter().map(|word| word.rsplit('/').next().unwrap_or(word));
        let command = words.fold(format!("cargo bench --bench {} --", self.bench), |line, word| line + " " + word);
        let (library, version) = Codec::Gzip.library();
        let report = json!({
            "date": output("date", &["-u", "+%Y-%m-%d"]),
            "command": command,
            "processor": format!("{}, {} CPUs{}", processor(), zipfit::parallel::available_threads(), lanes()),
            "versions": {
                "zipfit": env!("CARGO_PKG_VERSION"),
                library: version,
                "rustc": output("rustc", &["--version"]).split(' ').nth(1),
                "commit": output("git", &["describe", "--always", "--dirty"]),
            },
            "results": results,
        });
        let text = format!("{report:#}\n");
        print!("{text}");
        if let Some(path) = &self.record {
            let file = OpenOptions::new().append(true).create(true).open(path);
            let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
            written.map_err(|error| Error::io(error, path))?;
        }
        Ok(())
    }
}

fn read(path: &std::path::Path, side: Side) -> Result<Texts> {
    Reader::open(vec![path.to_owned()], Fields::new("text", &OtherFields::default())?, side, ReadOptions::default())?
        .rest(zipfit::parallel::available_threads(), &Control::default())
}

/// What a program prints, or "unknown" where there is none.
fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().ok().filter(|output| output.status.success());
    output.map_or_else(|| "unknown".to_owned(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn processor() -> String {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    model.map_or_else(|| output("sysctl", &["-n", "machdep.cpu.brand_string"]), |(_, name)| name.to_owned())
}

/// The vector instructions that the engine can use here.
fn lanes() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        return ", AVX2";
    }
    ""
}

/// Python-like functions of 100 to 2,500 bytes, most of them short, from a small vocabulary.
pub fn generated(rows: usize, seed: u64) -> Texts {
    let mut random = random(seed);
    let mut texts = TextsBuilder::default();
    for _ in 0..rows {
        let bytes = 100 << (random() % 5);
        texts.push(&code(bytes + random() as usize % bytes, &mut random));
    }
    texts.finish()
}

/// Code-like text, cut at `bytes` bytes.
pub fn code(bytes: usize, random: &mut impl FnMut() -> u32) -> Vec<u8> {
    let names = ["mean", "data", "count", "total", "value", "left", "right", "item", "result", "x", "n", "k"];
    let mut text = Vec::new();
    while text.len() < bytes {
        let mut name = || names[random() as usize % names.len()];
        let (a, b, c) = (name(), name(), name());
        let lines = match random() % 6 {
            0 => format!("\n\ndef {a}({b}, {c}):\n    \"\"\"Return the {b} of {c}.\"\"\"\n"),
            1 => format!("    for {a} in {b}:\n        {c} += {a}\n"),
            2 => format!("    if {a} < {b}[{}]:\n        raise ValueError(\"{c}\")\n", random() % 100),
            3 => format!("    {a} = {b}.{c}({})\n", random() % 1000),
            4 => format!("    return {a} / {b}\n"),
            _ => format!("    # {a} {b} {c}\n"),
        };
        text.extend_from_slice(lines.as_bytes());
    }
    text.truncate(bytes);
    text
}

/// Bytes a text, rounded down.
pub fn mean_bytes(texts: &Texts) -> u64 {
    texts.total_bytes() / (texts.len() as u64).max(1)
}

/// The middle of some numbers; the mean of the two middle ones of an even number of them.
pub fn median(numbers: &[f64]) -> f64 {
    let mut numbers = numbers.to_vec();
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    if numbers.len() % 2 == 1 { numbers[middle] } else { f64::midpoint(numbers[middle - 1], numbers[middle]) }
}

/// Rounded for a record: more digits than the noise allows say nothing.
pub fn rounded(number: f64, digits: i32) -> f64 {
    let scale = 10f64.powi(digits);
    (number * scale).round() / scale
}
