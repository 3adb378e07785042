//! `SharedIndex`, `Coverage`: what a text, and chosen rows, have in common with the targets.

use std::sync::{Arc, Mutex};

use numpy::{IntoPyArray, PyArray1};
use pyo3::prelude::*;

use super::files::lock;
use super::interrupt;
use super::texts::PyTexts;
use crate::parallel::Control;
use crate::shared::{Coverage, Index, MIN_SHARED_BYTES};

/// The substrings of some targets.
#[pyclass(name = "SharedIndex", module = "zipfit._core", frozen)]
pub(super) struct PySharedIndex(Arc<Index>);

#[pymethods]
impl PySharedIndex {
    #[new]
    fn new(py: Python<'_>, target: &Bound<'_, PyTexts>) -> PyResult<PySharedIndex> {
        let target = target.get().0.clone();
        interrupt::run(py, None, move |control| Index::new(&target, control).map(Arc::new)).map(PySharedIndex)
    }

    fn shared(&self, py: Python<'_>, text: &[u8]) -> PyResult<Vec<(usize, usize, usize, usize)>> {
        let (index, text) = (Arc::clone(&self.0), text.to_vec());
        let found = interrupt::run(py, None, move |control| index.shared(&text, MIN_SHARED_BYTES, control))?;
        Ok(found.iter().map(|found| (found.start, found.length, found.target, found.target_start)).collect())
    }
}

/// What rows, added batch by batch, hold of some targets.
#[pyclass(name = "Coverage", module = "zipfit._core", frozen)]
pub(super) struct PyCoverage(Arc<Mutex<Coverage>>);

#[pymethods]
impl PyCoverage {
    #[new]
    fn new(py: Python<'_>, target: &Bound<'_, PyTexts>) -> PyResult<PyCoverage> {
        let target = target.get().0.clone();
        let work = move |control: &Control| Coverage::new(&target, MIN_SHARED_BYTES, control);
        interrupt::run(py, None, work).map(|coverage| PyCoverage(Arc::new(Mutex::new(coverage))))
    }

    fn add<'py>(&self, py: Python<'py>, rows: &Bound<'py, PyTexts>) -> PyResult<Bound<'py, PyArray1<i64>>> {
        let (coverage, rows) = (Arc::clone(&self.0), rows.get().0.clone());
        let found = interrupt::run(py, None, move |control| lock(&coverage).add(&rows, control))?;
        Ok(found.into_iter().map(|bytes| bytes as i64).collect::<Vec<_>>().into_pyarray(py))
    }

    fn by_target<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i64>> {
        let found = lock(&self.0).by_target();
        found.into_iter().map(|bytes| bytes as i64).collect::<Vec<_>>().into_pyarray(py)
    }
}
