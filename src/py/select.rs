//! The choosers, and `fuse`, on numpy arrays. Those that sort, or draw a number for each row, take seconds for tens of
//! millions of rows and answer Ctrl-C meanwhile; the others go once over the rows.

use std::borrow::Cow;
use std::collections::HashMap;

use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;

use super::errors::to_python;
use super::interrupt;
use super::vectors::{numbers_from_0, slice, vector};
use crate::error::{Error, Result};
use crate::select;

type Rows<'py> = Bound<'py, PyArray1<i64>>;

#[pyfunction]
#[pyo3(signature = (scores, nan_last = false))]
pub(super) fn order<'py>(py: Python<'py>, scores: PyReadonlyArray1<'py, f64>, nan_last: bool) -> PyResult<Rows<'py>> {
    let mut scores = vector(&scores)?;
    if nan_last {
        scores.iter_mut().filter(|score| score.is_nan()).for_each(|score| *score = f64::MIN);
    }
    // 32 bits as long as there is a copy of the scores: the most memory that choosing takes.
    let rows = interrupt::run(py, None, move |_| select::short_order(&scores))?;
    Ok(rows.into_iter().map(i64::from).collect::<Vec<_>>().into_pyarray(py))
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
        Ok(k) => select::top_k(order.rows(), keep.as_deref(), k),
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
    rows_to_python(py, select::top_fraction(order.rows(), keep.as_deref(), fraction))
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
    let scores = slice(&scores)?;
    let rows = same_length(order.len(), scores.len())
        .and_then(|()| select::threshold(order.rows(), keep.as_deref(), &scores, threshold));
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
    let costs = slice(&costs)?;
    let rows = same_length(order.len(), costs.len()).and_then(|()| match u64::try_from(budget) {
        Ok(budget) => select::within(order.rows(), keep.as_deref(), &costs, budget),
        Err(_) => Err(Error::parameter(format!("budget must be at least 1, got {budget}"))),
    });
    rows_to_python(py, rows)
}

#[pyfunction]
#[pyo3(signature = (scores, r#where, k, temperature, seed))]
pub(super) fn sample<'py>(
    py: Python<'py>,
    scores: PyReadonlyArray1<'py, f64>,
    r#where: Option<PyReadonlyArray1<'py, bool>>,
    k: usize,
    temperature: f64,
    seed: u64,
) -> PyResult<Rows<'py>> {
    let (scores, keep) = (vector(&scores)?, r#where.as_ref().map(vector).transpose()?);
    same_length(scores.len(), keep.as_ref().map_or(scores.len(), Vec::len)).map_err(|error| to_python(py, error))?;
    let rows = interrupt::run(py, None, move |_| select::sample(&scores, keep.as_deref(), k, temperature, seed))?;
    rows_to_python(py, Ok(rows))
}

#[pyfunction]
#[pyo3(signature = (costs, r#where, budget, seed))]
pub(super) fn draw<'py>(
    py: Python<'py>,
    costs: PyReadonlyArray1<'py, i64>,
    r#where: Option<PyReadonlyArray1<'py, bool>>,
    budget: u64,
    seed: u64,
) -> PyResult<Rows<'py>> {
    let (costs, keep) = (numbers_from_0(&costs)?, r#where.as_ref().map(vector).transpose()?);
    same_length(costs.len(), keep.as_ref().map_or(costs.len(), Vec::len)).map_err(|error| to_python(py, error))?;
    let rows = interrupt::run(py, None, move |_| Ok(select::draw(&costs, keep.as_deref(), budget, seed)))?;
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
    let groups = slice(&groups)?;
    let rows = same_length(order.len(), groups.len())
        .and_then(|()| select::per_group(order.rows(), keep.as_deref(), &groups, k));
    rows_to_python(py, rows)
}

#[pyfunction]
pub(super) fn fuse<'py>(
    py: Python<'py>,
    rankings: Vec<(f64, PyReadonlyArray1<'py, f64>)>,
    r#where: Option<PyReadonlyArray1<'py, bool>>,
) -> PyResult<Bound<'py, PyArray1<f64>>> {
    let rankings = rankings.iter().map(|(weight, scores)| Ok((*weight, vector(scores)?)));
    let rankings: Vec<(f64, Vec<f64>)> = rankings.collect::<PyResult<_>>()?;
    let keep = r#where.as_ref().map(vector).transpose()?;
    let fused = interrupt::run(py, None, move |_| {
        let rows = rankings.first().map_or(0, |(_, scores)| scores.len());
        same_length(rows, keep.as_ref().map_or(rows, Vec::len))?;
        let rankings: Vec<(f64, &[f64])> = rankings.iter().map(|(weight, scores)| (*weight, &scores[..])).collect();
        crate::fuse::fuse(&rankings, keep.as_deref())
    })?;
    Ok(fused.into_pyarray(py))
}

/// Equal labels get one number, in the order of their coming; and how many numbers there are.
#[pyfunction]
pub(super) fn group_codes<'py>(py: Python<'py>, labels: PyReadonlyArray1<'py, i64>) -> PyResult<(Rows<'py>, usize)> {
    let mut numbers: HashMap<i64, i64> = HashMap::new();
    let number = |&label: &i64| {
        let next = numbers.len() as i64;
        *numbers.entry(label).or_insert(next)
    };
    let codes: Vec<i64> = slice(&labels)?.iter().map(number).collect();
    Ok((codes.into_pyarray(py), numbers.len()))
}

/// Row numbers that are all there, as numpy has them.
struct Order<'a>(Cow<'a, [i64]>);

impl Order<'_> {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn rows(&self) -> impl ExactSizeIterator<Item = usize> {
        // Each was checked to be a row.
        self.0.iter().map(|&row| row.cast_unsigned() as usize)
    }
}

fn inputs<'a, 'py>(
    py: Python<'py>,
    order: &'a PyReadonlyArray1<'py, i64>,
    keep: Option<&'a PyReadonlyArray1<'py, bool>>,
) -> PyResult<(Order<'a>, Option<Cow<'a, [bool]>>)> {
    let (order, keep) = (Order(slice(order)?), keep.map(slice).transpose()?);
    let is_there = |&row: &i64| usize::try_from(row).is_ok_and(|row| row < order.len());
    let checked = match order.0.iter().find(|row| !is_there(row)) {
        None => same_length(order.len(), keep.as_ref().map_or(order.len(), |keep| keep.len())),
        Some(row) => Err(Error::parameter(format!("there is no row {row}; the source has {} rows", order.len()))),
    };
    checked.map_err(|error| to_python(py, error))?;
    Ok((order, keep))
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
