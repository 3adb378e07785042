//! `Scorer`, `ncd`, `ncd_matrix`, `compressed_size`.

use numpy::{IntoPyArray, PyArray1, PyArray2, PyArrayMethods};
use pyo3::prelude::*;

use super::errors::to_python;
use super::interrupt;
use super::texts::{PyTexts, threads_of};
use crate::codec::Spec;
use crate::metric::{Aggregate, Distance, Metric};
use crate::pairs::{self, Pairs};
use crate::parallel::Control;
use crate::rank::{self, Scorer};

/// A target set prepared once.
#[pyclass(name = "Scorer", module = "zipfit._core", frozen)]
pub(super) struct PyScorer(Scorer);

#[pymethods]
impl PyScorer {
    #[new]
    #[pyo3(signature = (target, metric, compressor, aggregate, threads = None))]
    fn new(
        py: Python<'_>,
        target: &Bound<'_, PyTexts>,
        metric: &str,
        compressor: Option<&str>,
        aggregate: &str,
        threads: Option<i128>,
    ) -> PyResult<PyScorer> {
        let threads = threads_of(py, threads)?;
        let fail = |error| to_python(py, error);
        let metric: Metric = metric.parse().map_err(fail)?;
        let spec = compressor.map_or(Ok(metric.default_spec()), |compressor| parse_spec(py, compressor))?;
        let aggregate: Aggregate = aggregate.parse().map_err(fail)?;
        let target = target.get().0.clone();
        let work = move |control: &Control| Scorer::prepare(target, metric, spec, aggregate, threads, control);
        interrupt::run(py, None, work).map(PyScorer)
    }

    #[getter]
    fn target(&self) -> PyTexts {
        PyTexts(self.0.target().clone())
    }

    #[getter]
    fn metric(&self) -> String {
        self.0.metric().to_string()
    }

    #[getter]
    fn compressor(&self) -> String {
        self.0.spec().to_string()
    }

    #[getter]
    fn library(&self) -> (&'static str, String) {
        self.0.spec().codec().library()
    }

    #[getter]
    fn aggregate(&self) -> String {
        self.0.aggregate().to_string()
    }

    #[pyo3(signature = (source, threads = None, progress = None))]
    fn score<'py>(
        &self,
        py: Python<'py>,
        source: &Bound<'py, PyTexts>,
        threads: Option<i128>,
        progress: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let threads = threads_of(py, threads)?;
        let (scorer, source) = (self.0.clone(), source.get().0.clone());
        let scores = interrupt::run(py, progress, move |control| scorer.score(&source, threads, control))?;
        Ok(scores.into_pyarray(py))
    }
}

fn parse_spec(py: Python<'_>, compressor: &str) -> PyResult<Spec> {
    compressor.parse().map_err(|error| to_python(py, error))
}

/// Texts below this size in bytes are compressed on the calling thread: at xz's 1-2 MB/s that is 50 ms, about as long
/// as a signal may wait anyway, and a thread of its own would cost several times the compression of a short text.
const INLINE_BYTES: usize = 64 * 1024;

#[pyfunction]
pub(super) fn compressed_size(py: Python<'_>, text: &[u8], compressor: &str) -> PyResult<u64> {
    let spec = parse_spec(py, compressor)?;
    let size = move |text: &[u8], control: &Control| spec.compressor().compressed_size(&[text], control);
    if text.len() < INLINE_BYTES {
        return py.detach(|| size(text, &Control::default())).map_err(|error| to_python(py, error));
    }
    let text = text.to_vec();
    interrupt::run(py, None, move |control| size(&text, control))
}

#[pyfunction]
pub(super) fn ncd(py: Python<'_>, x: &[u8], y: &[u8], compressor: &str) -> PyResult<f64> {
    let spec = parse_spec(py, compressor)?;
    if x.len() + y.len() < INLINE_BYTES {
        return py.detach(|| rank::ncd(x, y, spec, &Control::default())).map_err(|error| to_python(py, error));
    }
    let (x, y) = (x.to_vec(), y.to_vec());
    interrupt::run(py, None, move |control| rank::ncd(&x, &y, spec, control))
}

#[pyfunction]
#[pyo3(signature = (source, compressor, threads = None, progress = None))]
pub(super) fn compressed_sizes<'py>(
    py: Python<'py>,
    source: &Bound<'py, PyTexts>,
    compressor: &str,
    threads: Option<i128>,
    progress: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyArray1<i64>>> {
    let spec = parse_spec(py, compressor)?;
    let threads = threads_of(py, threads)?;
    let source = source.get().0.clone();
    let sizes = interrupt::run(py, progress, move |control| {
        let sizes = pairs::sizes(&source, spec, threads, control)?;
        Ok(sizes.into_iter().map(|size| size as i64).collect::<Vec<_>>())
    })?;
    Ok(sizes.into_pyarray(py))
}

#[pyfunction]
#[pyo3(signature = (source, target, compressor, threads = None, progress = None))]
pub(super) fn ncd_matrix<'py>(
    py: Python<'py>,
    source: &Bound<'py, PyTexts>,
    target: &Bound<'py, PyTexts>,
    compressor: &str,
    threads: Option<i128>,
    progress: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyArray2<f64>>> {
    let spec = parse_spec(py, compressor)?;
    let threads = threads_of(py, threads)?;
    let shape = [source.get().0.len(), target.get().0.len()];
    let (source, target) = (source.get().0.clone(), target.get().0.clone());
    // Two calls, so that the progress of the second counts sources alone.
    let pairs = interrupt::run(py, None, move |control| Pairs::prepare(target, spec, threads, control))?;
    let work = move |control: &Control| rank::distance_matrix(&source, &pairs, Distance::Ncd, threads, control);
    let matrix = interrupt::run(py, progress, work)?;
    matrix.into_pyarray(py).reshape(shape)
}
