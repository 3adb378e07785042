//! `Reader`, `Batch`, `Output`: files in and out, for the pipeline.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1, PyReadonlyArray2, ToPyArray};
use pyo3::prelude::*;
use pyo3::types::{PyAny, PyBytes, PyDict, PyList};

use super::errors::to_python;
use super::interrupt;
use super::select::{row_numbers, vector};
use super::texts::{PyTexts, parse_side, threads_of};
use crate::error::{Error, Result};
use crate::read::{self, BATCH_BYTES, Batch, Fields, OtherFields, Reader};
use crate::write::{self, Output, Reason, Selected, WrittenFile};

/// Consecutive rows.
#[pyclass(name = "Batch", module = "zipfit._core", frozen)]
pub(super) struct PyBatch {
    batch: Batch,
    has_tokens: bool,
    has_groups: bool,
}

#[pymethods]
impl PyBatch {
    fn __len__(&self) -> usize {
        self.batch.texts.len()
    }

    #[getter]
    fn texts(&self) -> PyTexts {
        PyTexts(self.batch.texts.clone())
    }

    #[getter]
    fn tokens<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyArray1<i64>>> {
        self.has_tokens.then(|| self.batch.tokens.to_pyarray(py))
    }

    #[getter]
    fn groups<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyArray1<i64>>> {
        let codes = || self.batch.groups.iter().map(|&code| i64::from(code)).collect::<Vec<_>>();
        self.has_groups.then(|| codes().into_pyarray(py))
    }
}

/// Rows of files. Shared with the thread that works on it, so that Ctrl-C leaves it whole.
#[pyclass(name = "Reader", module = "zipfit._core", frozen)]
pub(super) struct PyReader(pub(super) Arc<Mutex<Reader>>);

#[pymethods]
impl PyReader {
    #[new]
    #[pyo3(signature = (
        paths, text, side = "source", id_field = None, token_field = None, batch_bytes = BATCH_BYTES, group_field = None
    ))]
    #[expect(clippy::too_many_arguments, reason = "the names of the fields, one by one")]
    fn new(
        py: Python<'_>,
        paths: Vec<PathBuf>,
        text: &str,
        side: &str,
        id_field: Option<&str>,
        token_field: Option<&str>,
        batch_bytes: usize,
        group_field: Option<&str>,
    ) -> PyResult<PyReader> {
        let side = parse_side(py, side)?;
        let others = OtherFields { id: id_field, tokens: token_field, group: group_field };
        let reader = Fields::new(text, &others)
            .and_then(|fields| Reader::open(paths, fields, side, batch_bytes))
            .map_err(|error| to_python(py, error))?;
        Ok(PyReader(Arc::new(Mutex::new(reader))))
    }

    #[pyo3(signature = (threads = None))]
    fn next_batch(&self, py: Python<'_>, threads: Option<i128>) -> PyResult<Option<PyBatch>> {
        let threads = threads_of(py, threads)?;
        let reader = Arc::clone(&self.0);
        interrupt::run(py, None, move |control| {
            let mut reader = lock(&reader);
            let (has_tokens, has_groups) = (reader.fields().has_tokens(), reader.fields().has_groups());
            Ok(reader.next_batch(threads, control)?.map(|batch| PyBatch { batch, has_tokens, has_groups }))
        })
    }

    #[pyo3(signature = (threads = None))]
    fn rest(&self, py: Python<'_>, threads: Option<i128>) -> PyResult<PyTexts> {
        let threads = threads_of(py, threads)?;
        let reader = Arc::clone(&self.0);
        interrupt::run(py, None, move |control| lock(&reader).rest(threads, control)).map(PyTexts)
    }

    #[getter]
    fn rows(&self) -> usize {
        lock(&self.0).places().len()
    }

    fn group_names(&self) -> Vec<String> {
        lock(&self.0).group_names().to_vec()
    }

    fn place(&self, py: Python<'_>, row: usize) -> PyResult<(String, u64, u64)> {
        let reader = lock(&self.0);
        match reader.places().get(row) {
            Some(place) => Ok((reader.path(place.file).to_string_lossy().into_owned(), place.line, place.byte)),
            None => Err(to_python(py, Error::parameter(format!("row {row} is not read yet")))),
        }
    }

    #[getter]
    fn bytes_read(&self) -> u64 {
        lock(&self.0).bytes_read()
    }

    #[getter]
    fn bytes_total(&self) -> u64 {
        lock(&self.0).bytes_total()
    }

    fn files<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let files = PyList::empty(py);
        for file in lock(&self.0).finished() {
            let entry = PyDict::new(py);
            entry.set_item("name", file.path.to_string_lossy())?;
            entry.set_item("bytes", file.bytes)?;
            entry.set_item("sha256", &file.sha256)?;
            entry.set_item("rows", file.rows)?;
            files.append(entry)?;
        }
        Ok(files)
    }

    #[staticmethod]
    fn scan(py: Python<'_>, paths: Vec<PathBuf>, total: usize) -> PyResult<PyReader> {
        let reader = interrupt::run(py, None, move |control| Reader::scan(paths, total, control))?;
        Ok(PyReader(Arc::new(Mutex::new(reader))))
    }
}

/// A panic in a worker is reported by itself; what it leaves in a lock is never used for a result.
pub(super) fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A directory that receives files all at once; `None` once it is committed or given up.
#[pyclass(name = "Output", module = "zipfit._core", frozen)]
pub(super) struct PyOutput(Arc<Mutex<Option<Output>>>);

#[pymethods]
impl PyOutput {
    #[new]
    #[pyo3(signature = (directory, names, overwrite = false))]
    fn new(py: Python<'_>, directory: PathBuf, names: Vec<String>, overwrite: bool) -> PyResult<PyOutput> {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let output = Output::create(&directory, &names, overwrite).map_err(|error| to_python(py, error))?;
        Ok(PyOutput(Arc::new(Mutex::new(Some(output)))))
    }

    fn write<'py>(&self, py: Python<'py>, name: String, data: &[u8]) -> PyResult<Bound<'py, PyDict>> {
        let data = data.to_vec();
        let file = self.with(py, None, move |output, _| output.write(&name, &data))?;
        written(py, &file)
    }

    #[pyo3(signature = (reader, rows, ranks, scores, coverage = None, progress = None))]
    #[expect(clippy::too_many_arguments, reason = "one column of selection.jsonl each")]
    fn copy_rows<'py>(
        &self,
        py: Python<'py>,
        reader: &Bound<'py, PyReader>,
        rows: PyReadonlyArray1<'py, i64>,
        ranks: PyReadonlyArray1<'py, i64>,
        scores: PyReadonlyArray1<'py, f64>,
        coverage: Option<PyReadonlyArray1<'py, f64>>,
        progress: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let reader = Arc::clone(&reader.get().0);
        let total = lock(&reader).places().len();
        let chosen = Chosen::extract(py, &rows, &ranks, &scores, coverage.as_ref(), total)?;
        let files = self.with(py, progress, move |output, control| {
            write::copy_rows(output, &lock(&reader), chosen.selected(), control)
        })?;
        files.iter().map(|file| written(py, file)).collect()
    }

    #[pyo3(signature = (lines, rows, ranks, scores, coverage = None))]
    fn write_rows<'py>(
        &self,
        py: Python<'py>,
        lines: Vec<Vec<u8>>,
        rows: PyReadonlyArray1<'py, i64>,
        ranks: PyReadonlyArray1<'py, i64>,
        scores: PyReadonlyArray1<'py, f64>,
        coverage: Option<PyReadonlyArray1<'py, f64>>,
    ) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let chosen = Chosen::extract(py, &rows, &ranks, &scores, coverage.as_ref(), usize::MAX)?;
        if lines.len() != chosen.rows.len() {
            let message = format!("expected one line a row ({}), got {}", chosen.rows.len(), lines.len());
            return Err(to_python(py, Error::parameter(message)));
        }
        let files = self.with(py, None, move |output, _| {
            write::write_rows(output, &lines, &Fields::new("text", &OtherFields::default())?, chosen.selected())
        })?;
        files.iter().map(|file| written(py, file)).collect()
    }

    fn write_left_out<'py>(
        &self,
        py: Python<'py>,
        reader: Option<&Bound<'py, PyReader>>,
        contaminated: PyReadonlyArray2<'py, i64>,
        duplicates: PyReadonlyArray2<'py, i64>,
        copies_of_target: PyReadonlyArray2<'py, i64>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let reader = reader.map(|reader| Arc::clone(&reader.get().0));
        let total = reader.as_ref().map_or(usize::MAX, |reader| lock(reader).places().len());
        let mut left_out = Vec::new();
        let mut add = |pairs: &PyReadonlyArray2<'py, i64>, reason: fn(usize) -> Reason| {
            let pairs = pairs_of(pairs, total).map_err(|error| to_python(py, error))?;
            left_out.extend(pairs.into_iter().map(|(row, other)| (row, reason(other))));
            PyResult::Ok(())
        };
        add(&contaminated, |against_row| Reason::Contaminated { against_row })?;
        add(&duplicates, |of_row| Reason::Duplicate { of_row })?;
        add(&copies_of_target, |target_row| Reason::CopyOfTarget { target_row })?;
        left_out.sort_by_key(|&(row, _)| row);
        let file = self.with(py, None, move |output, control| {
            let reader = reader.as_deref().map(lock);
            write::write_left_out(output, reader.as_deref(), &left_out, control)
        })?;
        written(py, &file)
    }

    fn commit(&self, py: Python<'_>) -> PyResult<()> {
        // Not interruptible: a Ctrl-C halfway would be told as if nothing had been written.
        let result = py.detach(|| match lock(&self.0).as_mut() {
            Some(output) => output.commit(),
            None => Err(Error::parameter("the output is closed")),
        });
        result.map_err(|error| to_python(py, error))
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (_kind, _error, _traceback))]
    fn __exit__(
        &self,
        py: Python<'_>,
        _kind: Option<&Bound<'_, PyAny>>,
        _error: Option<&Bound<'_, PyAny>>,
        _traceback: Option<&Bound<'_, PyAny>>,
    ) {
        // Waits for a worker that was told to stop; dropping removes what was not committed.
        py.detach(|| drop(lock(&self.0).take()));
    }
}

impl PyOutput {
    pub(super) fn with<T: Send + 'static>(
        &self,
        py: Python<'_>,
        progress: Option<&Bound<'_, PyAny>>,
        work: impl FnOnce(&mut Output, &crate::parallel::Control) -> Result<T> + Send + 'static,
    ) -> PyResult<T> {
        let output = Arc::clone(&self.0);
        interrupt::run(py, progress, move |control| match lock(&output).as_mut() {
            Some(output) => work(output, control),
            None => Err(Error::parameter("the output is closed")),
        })
    }
}

/// Chosen rows that the worker owns.
struct Chosen {
    rows: Vec<usize>,
    ranks: Vec<usize>,
    scores: Vec<f64>,
    coverage: Option<Vec<f64>>,
}

impl Chosen {
    fn extract(
        py: Python<'_>,
        rows: &PyReadonlyArray1<'_, i64>,
        ranks: &PyReadonlyArray1<'_, i64>,
        scores: &PyReadonlyArray1<'_, f64>,
        coverage: Option<&PyReadonlyArray1<'_, f64>>,
        total: usize,
    ) -> PyResult<Chosen> {
        let fail = |error| to_python(py, error);
        let rows = row_numbers(rows, total).map_err(fail)?;
        let ranks = row_numbers(ranks, usize::MAX).map_err(fail)?;
        let (scores, coverage) = (vector(scores), coverage.map(vector));
        let lengths = [ranks.len(), scores.len(), coverage.as_ref().map_or(rows.len(), Vec::len)];
        if lengths.iter().any(|&length| length != rows.len()) {
            return Err(fail(Error::parameter("rows, ranks, scores and coverage must have one length")));
        }
        Ok(Chosen { rows, ranks, scores, coverage })
    }

    fn selected(&self) -> Selected<'_> {
        let coverage = self.coverage.as_deref();
        Selected { rows: &self.rows, ranks: &self.ranks, scores: &self.scores, coverage }
    }
}

/// Pairs of a source row, which must be below `rows`, and another row.
fn pairs_of(pairs: &PyReadonlyArray2<'_, i64>, rows: usize) -> Result<Vec<(usize, usize)>> {
    let pairs = pairs.as_array();
    if pairs.ncols() != 2 {
        return Err(Error::parameter(format!("expected pairs of rows, got {} columns", pairs.ncols())));
    }
    let number = |row: i64| usize::try_from(row).ok();
    let pair =
        |pair: numpy::ndarray::ArrayView1<'_, i64>| number(pair[0]).filter(|&row| row < rows).zip(number(pair[1]));
    let found: Option<Vec<_>> = pairs.rows().into_iter().map(pair).collect();
    found.ok_or_else(|| Error::parameter(format!("expected rows of a source with {rows}")))
}

pub(super) fn written<'py>(py: Python<'py>, file: &WrittenFile) -> PyResult<Bound<'py, PyDict>> {
    let entry = PyDict::new(py);
    entry.set_item("name", &file.name)?;
    entry.set_item("bytes", file.bytes)?;
    entry.set_item("sha256", &file.sha256)?;
    Ok(entry)
}

#[pyfunction]
pub(super) fn read_lines<'py>(
    py: Python<'py>,
    paths: Vec<PathBuf>,
    rows: PyReadonlyArray1<'py, i64>,
    total: usize,
) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let rows = row_numbers(&rows, total).map_err(|error| to_python(py, error))?;
    let lines = interrupt::run(py, None, move |control| read::read_lines(paths, &rows, total, control))?;
    // Lines of a file that was ranked are valid UTF-8; of another one they need not be.
    lines.iter().map(|line| PyBytes::new(py, line).call_method1("decode", ("utf-8",))).collect()
}
