//! `duplicates`, `ExactDuplicates`, `Contamination`: for each row the row that speaks against it.

use std::sync::{Arc, Mutex};

use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;

use super::errors::to_python;
use super::files::{PyReader, lock};
use super::interrupt;
use super::texts::{PyTexts, threads_of};
use super::vectors::vector;
use crate::contamination::{Contamination, Overlap};
use crate::duplicates::{ExactDuplicates, duplicates as find_duplicates};
use crate::error::Error;

#[pyfunction]
#[pyo3(signature = (source, threshold, r#where = None, threads = None, progress = None))]
pub(super) fn duplicates<'py>(
    py: Python<'py>,
    source: &Bound<'py, PyTexts>,
    threshold: f64,
    r#where: Option<PyReadonlyArray1<'py, bool>>,
    threads: Option<i128>,
    progress: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyArray1<i64>>> {
    let threads = threads_of(py, threads)?;
    let source = source.get().0.clone();
    let keep = kept(py, r#where.as_ref(), source.len())?;
    let rows = interrupt::run(py, progress, move |control| {
        find_duplicates(&source, threshold, keep.as_deref(), threads, control)
    })?;
    Ok(rows_or_minus_one(py, rows))
}

/// Equal texts among batches. Shared with the thread that works on it, so that Ctrl-C leaves it whole.
#[pyclass(name = "ExactDuplicates", module = "zipfit._core", frozen)]
pub(super) struct PyExactDuplicates(Arc<Mutex<ExactDuplicates>>);

#[pymethods]
impl PyExactDuplicates {
    #[new]
    fn new() -> PyExactDuplicates {
        PyExactDuplicates(Arc::default())
    }

    #[pyo3(signature = (texts, r#where = None, threads = None))]
    fn add<'py>(
        &self,
        py: Python<'py>,
        texts: &Bound<'py, PyTexts>,
        r#where: Option<PyReadonlyArray1<'py, bool>>,
        threads: Option<i128>,
    ) -> PyResult<Bound<'py, PyArray1<i64>>> {
        let threads = threads_of(py, threads)?;
        let (seen, texts) = (Arc::clone(&self.0), texts.get().0.clone());
        let keep = kept(py, r#where.as_ref(), texts.len())?;
        let rows = interrupt::run(py, None, move |control| lock(&seen).add(&texts, keep.as_deref(), threads, control))?;
        Ok(rows_or_minus_one(py, rows))
    }

    #[pyo3(signature = (texts, r#where = None, threads = None))]
    fn find<'py>(
        &self,
        py: Python<'py>,
        texts: &Bound<'py, PyTexts>,
        r#where: Option<PyReadonlyArray1<'py, bool>>,
        threads: Option<i128>,
    ) -> PyResult<Bound<'py, PyArray1<i64>>> {
        let threads = threads_of(py, threads)?;
        let (seen, texts) = (Arc::clone(&self.0), texts.get().0.clone());
        let keep = kept(py, r#where.as_ref(), texts.len())?;
        let rows =
            interrupt::run(py, None, move |control| lock(&seen).find(&texts, keep.as_deref(), threads, control))?;
        Ok(rows_or_minus_one(py, rows))
    }
}

/// The pieces of an evaluation set.
#[pyclass(name = "Contamination", module = "zipfit._core", frozen)]
pub(super) struct PyContamination(Arc<Contamination>);

#[pymethods]
impl PyContamination {
    #[new]
    #[pyo3(signature = (against, overlap, reader = None))]
    fn new(
        py: Python<'_>,
        against: &Bound<'_, PyTexts>,
        overlap: &str,
        reader: Option<&Bound<'_, PyReader>>,
    ) -> PyResult<PyContamination> {
        let overlap: Overlap = overlap.parse().map_err(|error| to_python(py, error))?;
        let against = against.get().0.clone();
        let reader = reader.map(|reader| Arc::clone(&reader.get().0));
        let work = move |control: &_| {
            Contamination::prepare(&against, overlap, control).map_err(|error| match reader {
                Some(reader) => lock(&reader).locate(error),
                None => error,
            })
        };
        interrupt::run(py, None, work).map(|contamination| PyContamination(Arc::new(contamination)))
    }

    #[pyo3(signature = (source, threads = None))]
    fn find<'py>(
        &self,
        py: Python<'py>,
        source: &Bound<'py, PyTexts>,
        threads: Option<i128>,
    ) -> PyResult<Bound<'py, PyArray1<i64>>> {
        let threads = threads_of(py, threads)?;
        let (contamination, source) = (Arc::clone(&self.0), source.get().0.clone());
        let rows = interrupt::run(py, None, move |control| contamination.find(&source, threads, control))?;
        Ok(rows_or_minus_one(py, rows))
    }
}

/// The rows to look at; there must be one entry a row.
pub(super) fn kept(
    py: Python<'_>,
    keep: Option<&PyReadonlyArray1<'_, bool>>,
    rows: usize,
) -> PyResult<Option<Vec<bool>>> {
    let keep = keep.map(vector).transpose()?;
    match &keep {
        Some(keep) if keep.len() != rows => {
            let message = format!("where: {} entries; expected one a row, {rows}", keep.len());
            Err(to_python(py, Error::parameter(message)))
        }
        _ => Ok(keep),
    }
}

fn rows_or_minus_one(py: Python<'_>, rows: Vec<Option<usize>>) -> Bound<'_, PyArray1<i64>> {
    rows.into_iter().map(|row| row.map_or(-1, |row| row as i64)).collect::<Vec<_>>().into_pyarray(py)
}
