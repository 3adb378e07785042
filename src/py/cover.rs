//! `cover`: rows chosen together.

use numpy::{IntoPyArray, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1};
use pyo3::prelude::*;

use super::errors::to_python;
use super::interrupt;
use super::select::vector;
use super::texts::{PyTexts, threads_of};
use crate::cover::{Budget, Cover, Options, cover as cover_rows};
use crate::error::{Error, Result};

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
    fn budget_bytes(&self) -> f64 {
        self.0.budget_bytes
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

#[pyfunction]
#[pyo3(signature = (
    source, target, budget_bytes = None, budget_tokens = None, top_k = None, tokens = None, beta = None,
    r#where = None, threads = None, progress = None
))]
#[expect(clippy::too_many_arguments, reason = "the arguments of zipfit.cover, one by one")]
pub(super) fn cover<'py>(
    py: Python<'py>,
    source: &Bound<'py, PyTexts>,
    target: &Bound<'py, PyTexts>,
    budget_bytes: Option<i128>,
    budget_tokens: Option<i128>,
    top_k: Option<i128>,
    tokens: Option<PyReadonlyArray1<'py, i64>>,
    beta: Option<f64>,
    r#where: Option<PyReadonlyArray1<'py, bool>>,
    threads: Option<i128>,
    progress: Option<&Bound<'py, PyAny>>,
) -> PyResult<PyCover> {
    let threads = threads_of(py, threads)?;
    let amount = Amount::one_of(budget_bytes, budget_tokens, top_k).map_err(|error| to_python(py, error))?;
    let (source, target) = (source.get().0.clone(), target.get().0.clone());
    let (tokens, keep) = (tokens.as_ref().map(vector), r#where.as_ref().map(vector));
    interrupt::run(py, progress, move |control| {
        let budget = amount.budget(tokens.as_deref())?;
        let options = Options { budget, beta, keep: keep.as_deref() };
        cover_rows(&source, &target, &options, threads, control)
    })
    .map(PyCover)
}

/// How much to choose, before the tokens are at hand.
enum Amount {
    Bytes(u64),
    Tokens(u64),
    Rows(u64),
}

impl Amount {
    fn one_of(bytes: Option<i128>, tokens: Option<i128>, rows: Option<i128>) -> Result<Amount> {
        match (bytes, tokens, rows) {
            (Some(bytes), None, None) => at_least_one("budget_bytes", bytes).map(Amount::Bytes),
            (None, Some(tokens), None) => at_least_one("budget_tokens", tokens).map(Amount::Tokens),
            (None, None, Some(rows)) => at_least_one("top_k", rows).map(Amount::Rows),
            _ => {
                let given = [("budget_bytes", bytes), ("budget_tokens", tokens), ("top_k", rows)];
                let given: Vec<&str> =
                    given.iter().filter(|(_, value)| value.is_some()).map(|&(name, _)| name).collect();
                let given = if given.is_empty() { "none".to_owned() } else { given.join(" and ") };
                let message = format!("cover needs exactly one of budget_bytes, budget_tokens and top_k, got {given}");
                Err(Error::parameter(message))
            }
        }
    }

    fn budget(self, tokens: Option<&[i64]>) -> Result<Budget<'_>> {
        match (self, tokens) {
            (Amount::Tokens(budget), Some(tokens)) => Ok(Budget::Tokens(budget, tokens)),
            (Amount::Tokens(_), None) => {
                Err(Error::parameter("budget_tokens needs tokens=, the number of tokens of each row"))
            }
            (_, Some(_)) => Err(Error::parameter(
                "tokens= has an effect on budget_tokens alone; leave it out or give budget_tokens",
            )),
            (Amount::Bytes(budget), None) => Ok(Budget::Bytes(budget)),
            (Amount::Rows(rows), None) => Ok(Budget::Rows(rows)),
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
