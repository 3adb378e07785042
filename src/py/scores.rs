//! `ScoreWriter`, `ScoreTable`, `Places`: the table of scores out and in, column by column.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1, ToPyArray};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyMapping};

use super::errors::to_python;
use super::files::{PyOutput, lock, written};
use super::interrupt;
use super::vectors::{row_numbers, vector};
use crate::error::{Error, Result};
use crate::read::{LinePlace, ParquetPlace, PlaceKind, Places, ScoreLayout, ScoreTable, Strings};
use crate::write::{Column, RowsBefore, ScoreWriter};

/// A table of scores being written; `None` once it is finished.
#[pyclass(name = "ScoreWriter", module = "zipfit._core", frozen)]
pub(super) struct PyScoreWriter {
    output: Py<PyOutput>,
    writer: Arc<Mutex<Option<ScoreWriter>>>,
}

#[pymethods]
impl PyScoreWriter {
    #[new]
    #[pyo3(signature = (output, *, parquet_places = false, tokens = false, groups = false, left_out = false))]
    #[expect(clippy::fn_params_excessive_bools, reason = "Python names them")]
    fn new(
        py: Python<'_>,
        output: Py<PyOutput>,
        parquet_places: bool,
        tokens: bool,
        groups: bool,
        left_out: bool,
    ) -> PyResult<PyScoreWriter> {
        let places = if parquet_places { PlaceKind::Parquet } else { PlaceKind::Lines };
        let layout = ScoreLayout { places, tokens, groups, left_out };
        let writer = output.get().with(py, None, move |output, _| ScoreWriter::create(output, layout))?;
        Ok(PyScoreWriter { output, writer: Arc::new(Mutex::new(Some(writer))) })
    }

    fn add(&self, py: Python<'_>, columns: &Bound<'_, PyMapping>) -> PyResult<()> {
        let columns = columns.items()?.iter().map(|item| {
            let (name, values): (String, Bound<'_, PyAny>) = item.extract()?;
            let column = extract_column(&name, &values)?;
            Ok((name, column))
        });
        let columns: Vec<(String, Column)> = columns.collect::<PyResult<_>>()?;
        let writer = Arc::clone(&self.writer);
        interrupt::run(py, None, move |control| match lock(&writer).as_mut() {
            Some(writer) => writer.add(&columns, control),
            None => Err(finished()),
        })
    }

    #[pyo3(signature = (table, rows_before, file, lines_before))]
    fn add_table(
        &self,
        py: Python<'_>,
        table: &Bound<'_, PyScoreTable>,
        rows_before: u64,
        file: u32,
        lines_before: u64,
    ) -> PyResult<()> {
        let (table, writer) = (Arc::clone(&table.get().0), Arc::clone(&self.writer));
        let before = RowsBefore { rows: rows_before, file, lines: lines_before };
        interrupt::run(py, None, move |control| match lock(&writer).as_mut() {
            Some(writer) => writer.add_table(&table, before, control),
            None => Err(finished()),
        })
    }

    fn finish<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let writer = Arc::clone(&self.writer);
        let file = self.output.get().with(py, None, move |output, control| {
            let writer = lock(&writer).take().ok_or_else(finished)?;
            writer.finish(output, control)
        })?;
        written(py, &file)
    }
}

fn finished() -> Error {
    Error::parameter("the table of scores is finished")
}

/// A column from a numpy array, or from the lengths of strings and their bytes.
fn extract_column(name: &str, values: &Bound<'_, PyAny>) -> PyResult<Column> {
    if let Ok(values) = values.extract::<PyReadonlyArray1<'_, i64>>() {
        return Ok(Column::Int64(vector(&values)?));
    }
    if let Ok(values) = values.extract::<PyReadonlyArray1<'_, i32>>() {
        return Ok(Column::Int32(vector(&values)?));
    }
    if let Ok(values) = values.extract::<PyReadonlyArray1<'_, f64>>() {
        return Ok(Column::Float64(vector(&values)?));
    }
    if let Ok((lengths, bytes)) = values.extract::<(PyReadonlyArray1<'_, i32>, Bound<'_, PyBytes>)>() {
        return Ok(Column::Strings(Strings { lengths: vector(&lengths)?, bytes: bytes.as_bytes().to_vec() }));
    }
    let message = format!(
        "the column {name} must be a one-dimensional array of int64, int32 or float64, or a pair of lengths (int32) \
         and bytes"
    );
    Err(to_python(values.py(), Error::parameter(message)))
}

/// A table of scores on disk.
#[pyclass(name = "ScoreTable", module = "zipfit._core", frozen)]
pub(super) struct PyScoreTable(Arc<ScoreTable>);

#[pymethods]
impl PyScoreTable {
    #[new]
    fn new(py: Python<'_>, path: PathBuf) -> PyResult<PyScoreTable> {
        let table = interrupt::run(py, None, move |_| ScoreTable::open(&path))?;
        Ok(PyScoreTable(Arc::new(table)))
    }

    #[getter]
    fn rows(&self) -> usize {
        self.0.rows()
    }

    #[getter]
    fn columns(&self) -> Vec<&'static str> {
        self.0.layout().columns().into_iter().map(|(name, _)| name).collect()
    }

    fn verify(&self, py: Python<'_>, sha256: String) -> PyResult<()> {
        let table = Arc::clone(&self.0);
        interrupt::run(py, None, move |control| table.verify(&sha256, control))
    }

    fn int64<'py>(&self, py: Python<'py>, name: String) -> PyResult<Bound<'py, PyArray1<i64>>> {
        let table = Arc::clone(&self.0);
        Ok(interrupt::run(py, None, move |control| table.int64(&name, control))?.into_pyarray(py))
    }

    fn float64<'py>(&self, py: Python<'py>, name: String) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let table = Arc::clone(&self.0);
        Ok(interrupt::run(py, None, move |control| table.float64(&name, control))?.into_pyarray(py))
    }

    #[pyo3(signature = (name, positions = None))]
    fn strings<'py>(
        &self,
        py: Python<'py>,
        name: String,
        positions: Option<PyReadonlyArray1<'py, i64>>,
    ) -> PyResult<StringColumn<'py>> {
        let positions = positions.map(|positions| row_numbers(&positions, self.0.rows())).transpose()?;
        let table = Arc::clone(&self.0);
        let strings = interrupt::run(py, None, move |control| table.strings(&name, positions.as_deref(), control))?;
        Ok(strings_to_python(py, &strings))
    }

    fn codes<'py>(&self, py: Python<'py>, name: String) -> PyResult<(Bound<'py, PyArray1<i64>>, Vec<String>)> {
        let table = Arc::clone(&self.0);
        let (codes, names) = interrupt::run(py, None, move |control| table.codes(&name, control))?;
        Ok((codes.into_pyarray(py), names))
    }

    fn is_null<'py>(&self, py: Python<'py>, name: String) -> PyResult<Bound<'py, PyArray1<bool>>> {
        let table = Arc::clone(&self.0);
        Ok(interrupt::run(py, None, move |control| table.is_null(&name, control))?.into_pyarray(py))
    }

    fn places(&self, py: Python<'_>, positions: PyReadonlyArray1<'_, i64>) -> PyResult<PyPlaces> {
        let positions = row_numbers(&positions, self.0.rows())?;
        let table = Arc::clone(&self.0);
        let places = interrupt::run(py, None, move |control| table.places(&positions, control))?;
        Ok(PyPlaces(Arc::new(places)))
    }
}

/// Lengths, -1 for a null, and the bytes of all.
type StringColumn<'py> = (Bound<'py, PyArray1<i32>>, Bound<'py, PyBytes>);

pub(super) fn strings_to_python<'py>(py: Python<'py>, strings: &Strings) -> StringColumn<'py> {
    (strings.lengths.to_pyarray(py), PyBytes::new(py, &strings.bytes))
}

/// Where rows lie.
#[pyclass(name = "Places", module = "zipfit._core", frozen)]
pub(super) struct PyPlaces(pub(super) Arc<Places>);

#[pymethods]
impl PyPlaces {
    #[staticmethod]
    fn from_columns(py: Python<'_>, columns: &Bound<'_, PyMapping>) -> PyResult<PyPlaces> {
        let file = small(columns, "file")?;
        let places = if columns.contains("row_group")? {
            let (row_group, index) = (small(columns, "row_group")?, large(columns, "index")?);
            py.detach(|| parquet_places(&file, &row_group, &index))
        } else {
            let [line, byte, length] = [large(columns, "line")?, large(columns, "byte")?, large(columns, "length")?];
            py.detach(|| line_places(&file, &line, &byte, &length))
        };
        places.map(|places| PyPlaces(Arc::new(places))).map_err(|error| to_python(py, error))
    }

    fn take(&self, py: Python<'_>, positions: PyReadonlyArray1<'_, i64>) -> PyResult<PyPlaces> {
        let positions = row_numbers(&positions, self.0.len())?;
        Ok(PyPlaces(Arc::new(py.detach(|| self.0.take(&positions)))))
    }

    fn __len__(&self) -> usize {
        self.0.len()
    }

    pub(super) fn columns<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let columns = PyDict::new(py);
        match &*self.0 {
            Places::Lines(places) => {
                columns.set_item("file", numbers(py, places, |place| place.file as i32))?;
                columns.set_item("line", numbers(py, places, |place| place.line as i64))?;
                columns.set_item("byte", numbers(py, places, |place| place.byte as i64))?;
                columns.set_item("length", numbers(py, places, |place| i64::from(place.length)))?;
            }
            Places::Parquet(places) => {
                columns.set_item("file", numbers(py, places, |place| place.file as i32))?;
                columns.set_item("row_group", numbers(py, places, |place| place.row_group as i32))?;
                columns.set_item("index", numbers(py, places, |place| place.index as i64))?;
            }
        }
        Ok(columns)
    }
}

/// One number of every place, as an array.
fn numbers<'py, P: Sync, T: numpy::Element>(
    py: Python<'py>,
    places: &[P],
    number: impl Fn(&P) -> T + Sync,
) -> Bound<'py, PyArray1<T>> {
    py.detach(|| places.iter().map(&number).collect::<Vec<T>>()).into_pyarray(py)
}

fn item<'py>(columns: &Bound<'py, PyMapping>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    if columns.contains(name)? {
        return columns.get_item(name);
    }
    Err(to_python(columns.py(), Error::parameter(format!("the column {name} is missing"))))
}

fn small(columns: &Bound<'_, PyMapping>, name: &str) -> PyResult<Vec<i32>> {
    match item(columns, name)?.extract::<PyReadonlyArray1<'_, i32>>() {
        Ok(values) => vector(&values),
        Err(_) => Err(wrong_type(columns.py(), name, "int32")),
    }
}

fn large(columns: &Bound<'_, PyMapping>, name: &str) -> PyResult<Vec<i64>> {
    match item(columns, name)?.extract::<PyReadonlyArray1<'_, i64>>() {
        Ok(values) => vector(&values),
        Err(_) => Err(wrong_type(columns.py(), name, "int64")),
    }
}

fn wrong_type(py: Python<'_>, name: &str, expected: &str) -> PyErr {
    let message = format!("the column {name} must be a one-dimensional array of {expected}");
    to_python(py, Error::parameter(message))
}

fn line_places(file: &[i32], line: &[i64], byte: &[i64], length: &[i64]) -> Result<Places> {
    same_length(&[file.len(), line.len(), byte.len(), length.len()])?;
    let place = |row: usize| {
        Ok(LinePlace {
            file: within("file", file[row].into())?,
            line: within("line", line[row])?,
            byte: within("byte", byte[row])?,
            length: within("length", length[row])?,
        })
    };
    (0..file.len()).map(place).collect::<Result<_>>().map(Places::Lines)
}

fn parquet_places(file: &[i32], row_group: &[i32], index: &[i64]) -> Result<Places> {
    same_length(&[file.len(), row_group.len(), index.len()])?;
    let place = |row: usize| {
        Ok(ParquetPlace {
            file: within("file", file[row].into())?,
            row_group: within("row_group", row_group[row].into())?,
            index: within("index", index[row])?,
        })
    };
    (0..file.len()).map(place).collect::<Result<_>>().map(Places::Parquet)
}

fn same_length(lengths: &[usize]) -> Result<()> {
    if lengths.iter().all(|length| *length == lengths[0]) {
        return Ok(());
    }
    Err(Error::parameter("the columns of places must have one length"))
}

fn within<T: TryFrom<i64>>(name: &str, value: i64) -> Result<T> {
    T::try_from(value).map_err(|_| Error::parameter(format!("the column {name} has {value}, which is no place")))
}
