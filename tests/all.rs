//! The tests of the public API, a module a file: one program, which is linked once. `cargo test --test all rank::` runs
//! those of one file.

mod common;

mod contamination;
#[cfg(feature = "files")]
mod cover;
mod duplicates;
#[cfg(feature = "files")]
mod files;
#[cfg(feature = "files")]
mod formats;
mod fuzz;
mod layers;
mod pairs;
#[cfg(feature = "files")]
mod parquet;
mod rank;
#[cfg(feature = "files")]
mod scores;
