//! `NgramModel`, `word_counts`, `word_divergence`, `bootstrap`: what `zipfit.evaluate` is made of.

use std::sync::{Arc, Mutex};

use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;

use super::errors::to_python;
use super::files::lock;
use super::filters::kept;
use super::interrupt;
use super::texts::{PyTexts, threads_of};
use super::vectors::{numbers_from_0, vector};
use crate::error::{Error, Result};
use crate::evaluate::{NgramModel, interval, words};

/// A byte n-gram model. Shared with the thread that works on it, so that Ctrl-C leaves it whole.
#[pyclass(name = "NgramModel", module = "zipfit._core", frozen)]
pub(super) struct PyNgramModel(Arc<Mutex<NgramModel>>);

#[pymethods]
impl PyNgramModel {
    #[new]
    fn new(py: Python<'_>, predicted: &Bound<'_, PyTexts>) -> PyResult<PyNgramModel> {
        let predicted = predicted.get().0.clone();
        let model = interrupt::run(py, None, move |control| NgramModel::new(predicted, control))?;
        Ok(PyNgramModel(Arc::new(Mutex::new(model))))
    }

    fn fresh(&self) -> PyNgramModel {
        PyNgramModel(Arc::new(Mutex::new(lock(&self.0).fresh())))
    }

    #[pyo3(signature = (texts, r#where = None, threads = None))]
    fn read<'py>(
        &self,
        py: Python<'py>,
        texts: &Bound<'py, PyTexts>,
        r#where: Option<PyReadonlyArray1<'py, bool>>,
        threads: Option<i128>,
    ) -> PyResult<()> {
        let threads = threads_of(py, threads)?;
        let (model, texts) = (Arc::clone(&self.0), texts.get().0.clone());
        let keep = kept(py, r#where.as_ref(), texts.len())?;
        interrupt::run(py, None, move |control| lock(&model).read(&texts, keep.as_deref(), threads, control))
    }

    #[pyo3(signature = (threads = None))]
    fn bits<'py>(&self, py: Python<'py>, threads: Option<i128>) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let threads = threads_of(py, threads)?;
        let model = Arc::clone(&self.0);
        let bits = interrupt::run(py, None, move |control| lock(&model).bits(threads, control))?;
        Ok(bits.into_pyarray(py))
    }
}

#[pyfunction]
#[pyo3(signature = (texts, r#where = None, threads = None))]
pub(super) fn word_counts<'py>(
    py: Python<'py>,
    texts: &Bound<'py, PyTexts>,
    r#where: Option<PyReadonlyArray1<'py, bool>>,
    threads: Option<i128>,
) -> PyResult<Bound<'py, PyArray1<i64>>> {
    let threads = threads_of(py, threads)?;
    let texts = texts.get().0.clone();
    let keep = kept(py, r#where.as_ref(), texts.len())?;
    let counts = interrupt::run(py, None, move |control| words::count(&texts, keep.as_deref(), threads, control))?;
    Ok(counts.into_iter().map(u64::cast_signed).collect::<Vec<_>>().into_pyarray(py))
}

#[pyfunction]
pub(super) fn word_divergence<'py>(
    py: Python<'py>,
    target: PyReadonlyArray1<'py, i64>,
    other: PyReadonlyArray1<'py, i64>,
) -> PyResult<f64> {
    let (target, other) = (numbers_from_0(&target)?, numbers_from_0(&other)?);
    same_length(target.len(), other.len()).map_err(|error| to_python(py, error))?;
    Ok(words::divergence(&target, &other))
}

#[pyfunction]
#[pyo3(signature = (judged, random, sizes, seed, threads = None))]
pub(super) fn bootstrap<'py>(
    py: Python<'py>,
    judged: PyReadonlyArray1<'py, f64>,
    random: Vec<PyReadonlyArray1<'py, f64>>,
    sizes: PyReadonlyArray1<'py, i64>,
    seed: u64,
    threads: Option<i128>,
) -> PyResult<(f64, f64)> {
    let threads = threads_of(py, threads)?;
    let (judged, sizes) = (vector(&judged)?, numbers_from_0(&sizes)?);
    let random = random.iter().map(vector).collect::<PyResult<Vec<_>>>()?;
    let checked = if random.len() < 2 {
        Err(Error::parameter("one draw does not tell what chance does; take two or more"))
    } else {
        random.iter().chain([&judged]).try_for_each(|bits| same_length(sizes.len(), bits.len()))
    };
    checked.map_err(|error| to_python(py, error))?;
    interrupt::run(py, None, move |control| interval(&judged, &random, &sizes, seed, threads, control))
}

fn same_length(expected: usize, got: usize) -> Result<()> {
    if expected == got { Ok(()) } else { Err(Error::parameter(format!("expected {expected} entries, got {got}"))) }
}
