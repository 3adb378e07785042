//! `CoverSearch`: rows chosen together.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use numpy::{IntoPyArray, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1};
use pyo3::prelude::*;

use super::errors::to_python;
use super::files::lock;
use super::interrupt;
use super::texts::{PyTexts, threads_of};
use super::vectors::vector;
use crate::cover::{Budget, Cover, Search, Store};
use crate::error::{Error, Result};
use crate::write::Spool;

/// Rows chosen together, and what was left out.
#[pyclass(name = "Cover", module = "zipfit._core", frozen)]
pub(super) struct PyCover(Cover);

#[pymethods]
impl PyCover {
    #[getter]
    fn rows<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i64>> {
        self.0.rows.iter().map(|&row| row as i64).collect::<Vec<_>>().into_pyarray(py)
    }

    #[getter]
    fn scores<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        self.0.scores.clone().into_pyarray(py)
    }

    #[getter]
    fn coverage<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        self.0.coverage.clone().into_pyarray(py)
    }

    #[getter]
    fn beta(&self) -> f64 {
        self.0.beta
    }

    #[getter]
    fn copies_of_target<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<i64>>> {
        pairs_to_python(py, &self.0.copies_of_target)
    }

    #[getter]
    fn duplicates<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<i64>>> {
        pairs_to_python(py, &self.0.duplicates)
    }

    #[getter]
    fn exhausted(&self) -> bool {
        self.0.exhausted
    }
}

fn pairs_to_python<'py>(py: Python<'py>, pairs: &[(usize, usize)]) -> PyResult<Bound<'py, PyArray2<i64>>> {
    let flat: Vec<i64> = pairs.iter().flat_map(|&(row, other)| [row as i64, other as i64]).collect();
    flat.into_pyarray(py).reshape([pairs.len(), 2])
}

/// A search among rows that come batch by batch; `None` once it has chosen, or failed.
#[pyclass(name = "CoverSearch", module = "zipfit._core", frozen)]
pub(super) struct PyCoverSearch(Arc<Mutex<Option<Search>>>);

#[pymethods]
impl PyCoverSearch {
    #[new]
    #[pyo3(signature = (
        target, *, budget_bytes = None, budget_tokens = None, top_k = None, beta = None, directory = None
    ))]
    fn new(
        py: Python<'_>,
        target: &Bound<'_, PyTexts>,
        budget_bytes: Option<i128>,
        budget_tokens: Option<i128>,
        top_k: Option<i128>,
        beta: Option<f64>,
        directory: Option<PathBuf>,
    ) -> PyResult<PyCoverSearch> {
        let budget = one_of(budget_bytes, budget_tokens, top_k).map_err(|error| to_python(py, error))?;
        let target = target.get().0.clone();
        let search = interrupt::run(py, None, move |control| match directory {
            None => Search::new(&target, budget, beta, control),
            Some(directory) => {
                let spool = || Ok(Box::new(Spool::create(&directory)?) as Box<dyn Store>);
                Search::spooled(&target, budget, beta, spool()?, spool()?, control)
            }
        })?;
        Ok(PyCoverSearch(Arc::new(Mutex::new(Some(search)))))
    }

    #[getter]
    fn stored_bytes(&self) -> u64 {
        lock(&self.0).as_ref().map_or(0, Search::stored_bytes)
    }

    #[pyo3(signature = (source, tokens = None, r#where = None, threads = None, progress = None))]
    fn add<'py>(
        &self,
        py: Python<'py>,
        source: &Bound<'py, PyTexts>,
        tokens: Option<PyReadonlyArray1<'py, i64>>,
        r#where: Option<PyReadonlyArray1<'py, bool>>,
        threads: Option<i128>,
        progress: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<()> {
        let threads = threads_of(py, threads)?;
        let (source, search) = (source.get().0.clone(), Arc::clone(&self.0));
        let (tokens, keep) = (tokens.as_ref().map(vector).transpose()?, r#where.as_ref().map(vector).transpose()?);
        interrupt::run(py, progress, move |control| {
            let mut held = lock(&search);
            // A batch that was added by half would be forgotten by half: the search is over then.
            let mut search = held.take().ok_or_else(over)?;
            search.add(&source, tokens.as_deref(), keep.as_deref(), threads, control)?;
            *held = Some(search);
            Ok(())
        })
    }

    #[pyo3(signature = (threads = None, progress = None))]
    fn choose(&self, py: Python<'_>, threads: Option<i128>, progress: Option<&Bound<'_, PyAny>>) -> PyResult<PyCover> {
        let threads = threads_of(py, threads)?;
        let search = Arc::clone(&self.0);
        interrupt::run(py, progress, move |control| {
            let search = lock(&search).take().ok_or_else(over)?;
            search.choose(threads, control)
        })
        .map(PyCover)
    }
}

fn over() -> Error {
    Error::parameter("the search is over")
}

impl Store for Spool {
    fn append(&mut self, piece: Vec<u8>) -> Result<()> {
        Spool::append(self, &piece)
    }

    fn read<'a>(&'a self, offset: u64, length: usize, buffer: &'a mut Vec<u8>) -> Result<&'a [u8]> {
        Spool::read(self, offset, length, buffer)?;
        Ok(buffer)
    }
}

fn one_of(bytes: Option<i128>, tokens: Option<i128>, rows: Option<i128>) -> Result<Budget> {
    match (bytes, tokens, rows) {
        (Some(bytes), None, None) => at_least_one("budget_bytes", bytes).map(Budget::Bytes),
        (None, Some(tokens), None) => at_least_one("budget_tokens", tokens).map(Budget::Tokens),
        (None, None, Some(rows)) => at_least_one("top_k", rows).map(Budget::Rows),
        _ => {
            let given = [("budget_bytes", bytes), ("budget_tokens", tokens), ("top_k", rows)];
            let given: Vec<&str> = given.iter().filter(|(_, value)| value.is_some()).map(|&(name, _)| name).collect();
            let given = if given.is_empty() { "none".to_owned() } else { given.join(" and ") };
            let message = format!("cover needs exactly one of budget_bytes, budget_tokens and top_k, got {given}");
            Err(Error::parameter(message))
        }
    }
}

fn at_least_one(name: &str, value: i128) -> Result<u64> {
    if value < 1 {
        return Err(Error::parameter(format!("{name} must be at least 1, got {value}")));
    }
    // More than fits is as good as everything.
    Ok(u64::try_from(value).unwrap_or(u64::MAX))
}
