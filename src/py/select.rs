//! The choosers, on numpy arrays. Those that sort, or draw a number for each row, take seconds for tens of millions of
//! rows and answer Ctrl-C meanwhile; the others go once over the rows.

use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;

use super::errors::to_python;
use super::interrupt;
use crate::error::{Error, Result};
use crate::select;

type Rows<'py> = Bound<'py, PyArray1<i64>>;

#[pyfunction]
pub(super) fn order<'py>(py: Python<'py>, scores: PyReadonlyArray1<'py, f64>) -> PyResult<Rows<'py>> {
    let scores = vector(&scores);
    let rows = interrupt::run(py, None, move |_| select::order(&scores))?;
    rows_to_python(py, Ok(rows))
}

#[pyfunction]
#[pyo3(signature = (order, r#where, k))]
pub(super) fn top_k<'py>(
    py: Python<'py>,
    order: PyReadonlyArray1<'py, i64>,
    r#where: Option<PyReadonlyArray1<'py, bool>>,
    k: i64,
) -> PyResult<Rows<'py>> {
    let (order, keep) = inputs(py, &order, r#where.as_ref())?;
    let rows = match usize::try_from(k) {
        Ok(k) => select::top_k(&order, keep.as_deref(), k),
        Err(_) => Err(Error::parameter(format!("top_k must be at least 1, got {k}"))),
    };
    rows_to_python(py, rows)
}

#[pyfunction]
#[pyo3(signature = (order, r#where, fraction))]
pub(super) fn top_fraction<'py>(
    py: Python<'py>,
    order: PyReadonlyArray1<'py, i64>,
    r#where: Option<PyReadonlyArray1<'py, bool>>,
    fraction: f64,
) -> PyResult<Rows<'py>> {
    let (order, keep) = inputs(py, &order, r#where.as_ref())?;
    rows_to_python(py, select::top_fraction(&order, keep.as_deref(), fraction))
}

#[pyfunction]
#[pyo3(signature = (order, r#where, scores, threshold))]
pub(super) fn threshold<'py>(
    py: Python<'py>,
    order: PyReadonlyArray1<'py, i64>,
    r#where: Option<PyReadonlyArray1<'py, bool>>,
    scores: PyReadonlyArray1<'py, f64>,
    threshold: f64,
) -> PyResult<Rows<'py>> {
    let (order, keep) = inputs(py, &order, r#where.as_ref())?;
    let scores = vector(&scores);
    let rows = same_length(order.len(), scores.len())
        .and_then(|()| select::threshold(&order, keep.as_deref(), &scores, threshold));
    rows_to_python(py, rows)
}

#[pyfunction]
#[pyo3(signature = (order, r#where, costs, budget))]
pub(super) fn within<'py>(
    py: Python<'py>,
    order: PyReadonlyArray1<'py, i64>,
    r#where: Option<PyReadonlyArray1<'py, bool>>,
    costs: PyReadonlyArray1<'py, i64>,
    budget: i64,
) -> PyResult<Rows<'py>> {
    let (order, keep) = inputs(py, &order, r#where.as_ref())?;
    let costs = vector(&costs);
    let rows = same_length(order.len(), costs.len()).and_then(|()| match u64::try_from(budget) {
        Ok(budget) => select::within(&order, keep.as_deref(), &costs, budget),
        Err(_) => Err(Error::parameter(format!("budget must be at least 1, got {budget}"))),
    });
    rows_to_python(py, rows)
}

#[pyfunction]
#[pyo3(signature = (order, r#where, scores, k, temperature, seed))]
pub(super) fn sample<'py>(
    py: Python<'py>,
    order: PyReadonlyArray1<'py, i64>,
    r#where: Option<PyReadonlyArray1<'py, bool>>,
    scores: PyReadonlyArray1<'py, f64>,
    k: usize,
    temperature: f64,
    seed: u64,
) -> PyResult<Rows<'py>> {
    let (order, keep) = inputs(py, &order, r#where.as_ref())?;
    let scores = vector(&scores);
    same_length(order.len(), scores.len()).map_err(|error| to_python(py, error))?;
    let rows =
        interrupt::run(py, None, move |_| select::sample(&order, keep.as_deref(), &scores, k, temperature, seed))?;
    rows_to_python(py, Ok(rows))
}

#[pyfunction]
#[pyo3(signature = (order, r#where, groups, k))]
pub(super) fn per_group<'py>(
    py: Python<'py>,
    order: PyReadonlyArray1<'py, i64>,
    r#where: Option<PyReadonlyArray1<'py, bool>>,
    groups: PyReadonlyArray1<'py, i64>,
    k: usize,
) -> PyResult<Rows<'py>> {
    let (order, keep) = inputs(py, &order, r#where.as_ref())?;
    let groups = vector(&groups);
    let rows =
        same_length(order.len(), groups.len()).and_then(|()| select::per_group(&order, keep.as_deref(), &groups, k));
    rows_to_python(py, rows)
}

/// A numpy vector of any strides, copied.
pub(super) fn vector<T: numpy::Element + Copy>(array: &PyReadonlyArray1<'_, T>) -> Vec<T> {
    array.as_array().iter().copied().collect()
}

/// Row numbers of a numpy vector; each must be below `rows`.
pub(super) fn row_numbers(array: &PyReadonlyArray1<'_, i64>, rows: usize) -> Result<Vec<usize>> {
    let number = |row: i64| usize::try_from(row).ok().filter(|&row| row < rows);
    array
        .as_array()
        .iter()
        .map(|&row| {
            number(row).ok_or_else(|| Error::parameter(format!("there is no row {row}; the source has {rows} rows")))
        })
        .collect()
}

fn inputs<'py>(
    py: Python<'py>,
    order: &PyReadonlyArray1<'py, i64>,
    keep: Option<&PyReadonlyArray1<'py, bool>>,
) -> PyResult<(Vec<usize>, Option<Vec<bool>>)> {
    let keep = keep.map(vector);
    let rows = row_numbers(order, order.as_array().len());
    let rows = rows.and_then(|rows| same_length(rows.len(), keep.as_ref().map_or(rows.len(), Vec::len)).map(|()| rows));
    Ok((rows.map_err(|error| to_python(py, error))?, keep))
}

fn same_length(rows: usize, others: usize) -> Result<()> {
    if rows == others {
        Ok(())
    } else {
        Err(Error::parameter(format!("expected one value a row ({rows}), got {others}")))
    }
}

fn rows_to_python(py: Python<'_>, rows: Result<Vec<usize>>) -> PyResult<Rows<'_>> {
    let rows = rows.map_err(|error| to_python(py, error))?;
    Ok(rows.into_iter().map(|row| row as i64).collect::<Vec<_>>().into_pyarray(py))
}
