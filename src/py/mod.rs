//! The Python extension `zipfit._core`: extract, release the GIL, call, convert.
//!
//! No algorithm lives here and nothing imports this module. The stub `python/zipfit/_core.pyi` is its documentation.
#![expect(clippy::needless_pass_by_value, reason = "PyO3 hands arguments over by value")]

mod cover;
mod errors;
mod evaluate;
mod files;
mod filters;
mod interrupt;
mod score;
mod scores;
mod select;
mod shared;
mod texts;
mod vectors;

use pyo3::prelude::*;

use crate::codec::{CODECS, Spec};

/// Compiled core of zipfit.
#[pymodule(gil_used = false)]
mod _core {
    #[pymodule_export]
    use super::cover::{PyCover, PyCoverSearch};
    #[pymodule_export]
    use super::evaluate::{PyNgramModel, bootstrap, word_counts, word_divergence};
    #[pymodule_export]
    use super::files::{PyBatch, PyOutput, PyReader, read_lines};
    #[pymodule_export]
    use super::filters::{PyContamination, PyExactDuplicates, duplicates};
    #[pymodule_export]
    use super::score::{PyScorer, compressed_size, compressed_sizes, ncd, ncd_matrix};
    #[pymodule_export]
    use super::scores::{PyPlaces, PyScoreTable, PyScoreWriter};
    #[pymodule_export]
    use super::select::{draw, fuse, group_codes, order, per_group, sample, threshold, top_fraction, top_k, within};
    #[pymodule_export]
    use super::shared::{PyCoverage, PySharedIndex};
    #[pymodule_export]
    use super::texts::PyTexts;
    #[pymodule_export]
    use super::{_panic_for_tests, available_threads, codec_libraries, peak_memory_bytes, resolve_compressor};

    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "Python's name")]
    const __version__: &str = env!("CARGO_PKG_VERSION");

    #[pymodule_export]
    const MAX_ROW_BYTES: u32 = crate::read::MAX_ROW_BYTES;

    #[pymodule_export]
    const MIN_SHARED_BYTES: usize = crate::shared::MIN_SHARED_BYTES;

    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "Python's name")]
    const debug_build: bool = cfg!(debug_assertions);
}

#[pyfunction]
fn available_threads() -> usize {
    crate::parallel::available_threads()
}

#[pyfunction]
fn codec_libraries() -> Vec<(String, &'static str, String)> {
    let row = |codec: crate::codec::Codec| {
        let (library, version) = codec.library();
        (codec.names(), library, version)
    };
    CODECS.into_iter().map(row).collect()
}

#[pyfunction]
fn resolve_compressor(py: Python<'_>, compressor: &str) -> PyResult<(String, &'static str, String)> {
    let spec: Spec = compressor.parse().map_err(|error| errors::to_python(py, error))?;
    let (library, version) = spec.codec().library();
    Ok((spec.to_string(), library, version))
}

#[pyfunction]
fn peak_memory_bytes() -> Option<u64> {
    // Linux tells it in /proc; elsewhere it is not worth a dependency.
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[pyfunction]
fn _panic_for_tests(py: Python<'_>) -> PyResult<()> {
    interrupt::run(py, None, |_| panic!("a panic on purpose"))
}
