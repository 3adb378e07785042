//! Numpy vectors as slices, whatever their strides and alignment.

use std::borrow::Cow;

use numpy::{Element, PyReadonlyArray1};
use pyo3::prelude::*;

use super::errors::to_python;
use crate::error::{Error, Result};

/// The values of a numpy vector, copied only if they do not lie side by side where Rust may refer to them.
///
/// Numpy makes the copy. A view of the crate ndarray will not do for a field of packed records, which is not aligned: it
/// takes whole values for steps from one to the next, and reads others.
pub(super) fn slice<'a, T: Element + Copy>(array: &'a PyReadonlyArray1<'_, T>) -> PyResult<Cow<'a, [T]>> {
    if let Ok(values) = array.as_slice() {
        return Ok(Cow::Borrowed(values));
    }
    let copy: PyReadonlyArray1<'_, T> = array.call_method0("copy")?.extract()?;
    Ok(Cow::Owned(copy.as_slice()?.to_vec()))
}

/// The values of a numpy vector, copied.
pub(super) fn vector<T: Element + Copy>(array: &PyReadonlyArray1<'_, T>) -> PyResult<Vec<T>> {
    Ok(slice(array)?.into_owned())
}

/// Whole numbers of a numpy vector, none below 0.
pub(super) fn numbers_from_0(array: &PyReadonlyArray1<'_, i64>) -> PyResult<Vec<u64>> {
    let number = |&number: &i64| {
        u64::try_from(number).map_err(|_| Error::parameter(format!("expected numbers of 0 or more, got {number}")))
    };
    let numbers: Result<Vec<u64>> = slice(array)?.iter().map(number).collect();
    numbers.map_err(|error| to_python(array.py(), error))
}

/// Row numbers of a numpy vector; each must be below `rows`.
pub(super) fn row_numbers(array: &PyReadonlyArray1<'_, i64>, rows: usize) -> PyResult<Vec<usize>> {
    let number = |&row: &i64| {
        let is_there = usize::try_from(row).ok().filter(|&row| row < rows);
        is_there.ok_or_else(|| Error::parameter(format!("there is no row {row}; the source has {rows} rows")))
    };
    let numbers: Result<Vec<usize>> = slice(array)?.iter().map(number).collect();
    numbers.map_err(|error| to_python(array.py(), error))
}
