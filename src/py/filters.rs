//! `duplicates`, `contaminated`: for each row the row that speaks against it.

use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;

use super::errors::to_python;
use super::interrupt;
use super::select::vector;
use super::texts::{PyTexts, threads_of};
use crate::contamination::{Contamination, Overlap};
use crate::duplicates::duplicates as find_duplicates;
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
    let keep = r#where.as_ref().map(vector);
    if let Some(keep) = &keep
        && keep.len() != source.len()
    {
        let message = format!("where: {} entries; expected one a row, {}", keep.len(), source.len());
        return Err(to_python(py, Error::parameter(message)));
    }
    let rows = interrupt::run(py, progress, move |control| {
        find_duplicates(&source, threshold, keep.as_deref(), threads, control)
    })?;
    Ok(rows_or_minus_one(py, rows))
}

#[pyfunction]
#[pyo3(signature = (source, against, overlap, threads = None, progress = None))]
pub(super) fn contaminated<'py>(
    py: Python<'py>,
    source: &Bound<'py, PyTexts>,
    against: &Bound<'py, PyTexts>,
    overlap: &str,
    threads: Option<i128>,
    progress: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyArray1<i64>>> {
    let threads = threads_of(py, threads)?;
    let overlap: Overlap = overlap.parse().map_err(|error| to_python(py, error))?;
    let (source, against) = (source.get().0.clone(), against.get().0.clone());
    let rows = interrupt::run(py, progress, move |control| {
        Contamination::prepare(&against, overlap)?.find(&source, threads, control)
    })?;
    Ok(rows_or_minus_one(py, rows))
}

fn rows_or_minus_one(py: Python<'_>, rows: Vec<Option<usize>>) -> Bound<'_, PyArray1<i64>> {
    rows.into_iter().map(|row| row.map_or(-1, |row| row as i64)).collect::<Vec<_>>().into_pyarray(py)
}
