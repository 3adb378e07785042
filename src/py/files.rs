//! `Reader`, `Batch`, `Output`: files in and out, for the pipeline.

use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1, ToPyArray};
use pyo3::prelude::*;
use pyo3::types::{PyAny, PyBytes, PyDict, PyList};

use super::errors::to_python;
use super::interrupt;
use super::scores::{PyPlaces, strings_to_python};
use super::texts::{PyTexts, parse_side, threads_of};
use super::vectors::{row_numbers, vector};
use crate::error::{Error, Result, quote};
use crate::read::{
    self, Batch, Fields, InputFile, MAX_ROW_BYTES, OtherFields, Places, Position, ReadOptions, Reader, Rejected, Shard,
    TextBy,
};
use crate::write::{self, Output, Reason, Selected, WrittenFile};

/// Consecutive rows.
#[pyclass(name = "Batch", module = "zipfit._core", frozen)]
pub(super) struct PyBatch {
    batch: Batch,
    places: PyPlaces,
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
    fn places(&self) -> PyPlaces {
        PyPlaces(Arc::clone(&self.places.0))
    }

    fn columns<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let columns = self.places.columns(py)?;
        let rows: Vec<i64> = self.batch.rows.iter().map(|&row| row as i64).collect();
        columns.set_item("row", rows.into_pyarray(py))?;
        columns.set_item("id", strings_to_python(py, &self.batch.ids))?;
        let sizes: Vec<i64> = self.batch.texts.iter().map(|text| text.len() as i64).collect();
        columns.set_item("size", sizes.into_pyarray(py))?;
        if self.has_tokens {
            columns.set_item("tokens", self.batch.tokens.to_pyarray(py))?;
        }
        if self.has_groups {
            columns.set_item("group", strings_to_python(py, &self.batch.groups))?;
        }
        Ok(columns)
    }

    #[getter]
    fn rejected<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let row = |rejected: &Rejected| {
            let (error, entry) = (&rejected.error, PyDict::new(py));
            entry.set_item("row", rejected.row)?;
            let path = error.place().path.as_ref();
            entry.set_item("file", path.map(|path| path.to_string_lossy().into_owned()))?;
            if let (Some(row_group), Some(index)) = (error.place().row_group, error.place().index) {
                entry.set_item("row_group", row_group)?;
                entry.set_item("index", index)?;
            } else {
                match error.place().line_in_shard {
                    Some(line) => entry.set_item("line_in_shard", line)?,
                    None => entry.set_item("line", error.place().line)?,
                }
                entry.set_item("byte", error.place().byte)?;
            }
            entry.set_item("code", error.code())?;
            entry.set_item("message", error.sentence())?;
            Ok(entry)
        };
        self.batch.rejected.iter().map(row).collect()
    }
}

/// Rows of files. Shared with the thread that works on it, so that Ctrl-C leaves it whole.
#[pyclass(name = "Reader", module = "zipfit._core", frozen)]
pub(super) struct PyReader(pub(super) Arc<Mutex<Reader>>);

#[pymethods]
impl PyReader {
    #[new]
    #[pyo3(signature = (
        paths, text, side = "source", *, id_field = None, token_field = None, group_field = None, batch_rows = None,
        max_row_bytes = None, skip_bad_rows = false, keep_places = false, text_by = "line", names = None, shard = None
    ))]
    #[expect(clippy::too_many_arguments, reason = "fields and limits, one by one")]
    fn new(
        py: Python<'_>,
        paths: Vec<PathBuf>,
        text: &str,
        side: &str,
        id_field: Option<&str>,
        token_field: Option<&str>,
        group_field: Option<&str>,
        batch_rows: Option<usize>,
        max_row_bytes: Option<u32>,
        skip_bad_rows: bool,
        keep_places: bool,
        text_by: &str,
        names: Option<Vec<PathBuf>>,
        shard: Option<(u32, u32)>,
    ) -> PyResult<PyReader> {
        let side = parse_side(py, side)?;
        let text_by = parse_text_by(py, text_by)?;
        let shard = shard.map(|(number, of)| Shard::new(number, of)).transpose();
        let shard = shard.map_err(|error| to_python(py, error))?;
        let others = OtherFields { id: id_field, tokens: token_field, group: group_field };
        let options = ReadOptions {
            batch_rows: batch_rows.unwrap_or(usize::MAX),
            max_row_bytes: max_row_bytes.unwrap_or(MAX_ROW_BYTES),
            skip_bad_rows,
            keep_places,
            text_by,
            shard,
            ..ReadOptions::default()
        };
        let names = names.unwrap_or_else(|| paths.clone());
        if names.len() != paths.len() {
            return Err(to_python(py, Error::parameter("names and paths must have one length")));
        }
        let files = names.into_iter().zip(paths).collect();
        let reader = Fields::new(text, &others)
            .and_then(|fields| Reader::open_copies(files, fields, side, options))
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
            Ok(reader.next_batch(threads, control)?.map(|mut batch| {
                let places = PyPlaces(Arc::new(std::mem::replace(&mut batch.places, Places::Lines(Vec::new()))));
                PyBatch { batch, places, has_tokens, has_groups }
            }))
        })
    }

    #[pyo3(signature = (threads = None))]
    fn rest(&self, py: Python<'_>, threads: Option<i128>) -> PyResult<PyTexts> {
        let threads = threads_of(py, threads)?;
        let reader = Arc::clone(&self.0);
        interrupt::run(py, None, move |control| lock(&reader).rest(threads, control)).map(PyTexts)
    }

    #[getter]
    fn position(&self) -> (u32, u64, u64, u64) {
        let Position { file, byte, line, rows } = lock(&self.0).position();
        (file, byte, line, rows)
    }

    fn resume(&self, py: Python<'_>, position: (u32, u64, u64, u64), finished: Vec<FinishedFile>) -> PyResult<()> {
        let (file, byte, line, rows) = position;
        let finished = finished.into_iter().map(|file| InputFile {
            path: file.name.into(),
            bytes: file.bytes,
            sha256: file.sha256,
            rows: file.rows,
        });
        let resumed = lock(&self.0).resume(Position { file, byte, line, rows }, finished.collect());
        resumed.map_err(|error| to_python(py, error))
    }

    #[getter]
    fn cuts(&self) -> [(usize, u64); 2] {
        lock(&self.0).cuts()
    }

    #[getter]
    fn is_parquet(&self) -> bool {
        lock(&self.0).is_parquet()
    }

    #[getter]
    fn bytes_read(&self) -> u64 {
        lock(&self.0).bytes_read()
    }

    #[getter]
    fn bytes_total(&self) -> u64 {
        lock(&self.0).bytes_total()
    }

    fn found(&self) -> Vec<(String, u64, u128)> {
        let reader = lock(&self.0);
        reader.found().map(|(path, bytes, modified)| (path.to_string_lossy().into_owned(), bytes, modified)).collect()
    }

    #[pyo3(signature = (first = 0))]
    fn files<'py>(&self, py: Python<'py>, first: usize) -> PyResult<Bound<'py, PyList>> {
        let files = PyList::empty(py);
        for file in lock(&self.0).finished().iter().skip(first) {
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
    #[pyo3(signature = (paths, total, text_by = "line"))]
    fn scan(py: Python<'_>, paths: Vec<PathBuf>, total: usize, text_by: &str) -> PyResult<(PyReader, PyPlaces)> {
        let text_by = parse_text_by(py, text_by)?;
        let scan = interrupt::run(py, None, move |control| Reader::scan(paths, text_by, total, control));
        let (reader, places) = scan?;
        Ok((PyReader(Arc::new(Mutex::new(reader))), PyPlaces(Arc::new(places))))
    }
}

/// What `Reader.files` says of a file.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct FinishedFile {
    name: String,
    bytes: u64,
    sha256: Option<String>,
    rows: u64,
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

    fn write_pieces<'py>(
        &self,
        py: Python<'py>,
        name: String,
        pieces: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let begun = name.clone();
        let mut file = self.with(py, None, move |output, _| output.begin(&begun))?;
        let mut result = Ok(());
        for piece in pieces.try_iter()? {
            let piece: Vec<u8> = piece?.extract()?;
            result = py.detach(|| file.write_all(&piece));
            if result.is_err() {
                break;
            }
        }
        let file = self.with(py, None, move |output, _| output.finish(&name, file, result))?;
        written(py, &file)
    }

    #[pyo3(signature = (reader, places, rows, ranks, scores, coverage = None, progress = None))]
    #[expect(clippy::too_many_arguments, reason = "one column of selection.jsonl each")]
    fn copy_rows<'py>(
        &self,
        py: Python<'py>,
        reader: &Bound<'py, PyReader>,
        places: &Bound<'py, PyPlaces>,
        rows: PyReadonlyArray1<'py, i64>,
        ranks: PyReadonlyArray1<'py, i64>,
        scores: PyReadonlyArray1<'py, f64>,
        coverage: Option<PyReadonlyArray1<'py, f64>>,
        progress: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let reader = Arc::clone(&reader.get().0);
        let places = Arc::clone(&places.get().0);
        let chosen = Chosen::extract(py, &rows, &ranks, &scores, coverage.as_ref(), places.len())?;
        let files = self.with(py, progress, move |output, control| {
            write::copy_rows(output, &lock(&reader), &places, chosen.selected(), control)
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
        let chosen = Chosen::extract(py, &rows, &ranks, &scores, coverage.as_ref(), lines.len())?;
        let files = self.with(py, None, move |output, _| {
            write::write_rows(output, &lines, &Fields::new("text", &OtherFields::default())?, chosen.selected())
        })?;
        files.iter().map(|file| written(py, file)).collect()
    }

    #[pyo3(signature = (reader, places, rows, reasons, others))]
    fn write_left_out<'py>(
        &self,
        py: Python<'py>,
        reader: Option<&Bound<'py, PyReader>>,
        places: Option<&Bound<'py, PyPlaces>>,
        rows: PyReadonlyArray1<'py, i64>,
        reasons: Vec<String>,
        others: PyReadonlyArray1<'py, i64>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let fail = |error| to_python(py, error);
        let reader = reader.map(|reader| Arc::clone(&reader.get().0));
        let places = places.map(|places| Arc::clone(&places.get().0));
        let rows = row_numbers(&rows, usize::MAX)?;
        let others = row_numbers(&others, usize::MAX)?;
        let lengths = [reasons.len(), others.len(), places.as_ref().map_or(rows.len(), |places| places.len())];
        if lengths.iter().any(|&length| length != rows.len()) {
            return Err(fail(Error::parameter("rows, places, reasons and others must have one length")));
        }
        let reasons = reasons.iter().zip(others).map(|(reason, other)| Reason::named(reason, other));
        let reasons: Vec<Reason> = reasons.collect::<Result<_>>().map_err(fail)?;
        let left_out: Vec<(usize, Reason)> = rows.into_iter().zip(reasons).collect();
        let file = self.with(py, None, move |output, control| {
            let reader = reader.as_deref().map(lock);
            let places = reader.as_deref().zip(places.as_deref());
            write::write_left_out(output, places, &left_out, control)
        })?;
        written(py, &file)
    }

    fn partial(&self, py: Python<'_>, name: String) -> PyResult<PathBuf> {
        self.with(py, None, move |output, _| Ok(output.partial(&name)))
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
        places: usize,
    ) -> PyResult<Chosen> {
        let (rows, ranks) = (row_numbers(rows, usize::MAX)?, row_numbers(ranks, usize::MAX)?);
        let (scores, coverage) = (vector(scores)?, coverage.map(vector).transpose()?);
        let lengths = [ranks.len(), scores.len(), coverage.as_ref().map_or(rows.len(), Vec::len), places];
        if lengths.iter().any(|&length| length != rows.len()) {
            let message = "rows, ranks, scores, coverage and places or lines must have one length";
            return Err(to_python(py, Error::parameter(message)));
        }
        Ok(Chosen { rows, ranks, scores, coverage })
    }

    fn selected(&self) -> Selected<'_> {
        let coverage = self.coverage.as_deref();
        Selected { rows: &self.rows, ranks: &self.ranks, scores: &self.scores, coverage }
    }
}

pub(super) fn written<'py>(py: Python<'py>, file: &WrittenFile) -> PyResult<Bound<'py, PyDict>> {
    let entry = PyDict::new(py);
    entry.set_item("name", &file.name)?;
    entry.set_item("bytes", file.bytes)?;
    entry.set_item("sha256", &file.sha256)?;
    Ok(entry)
}

/// What a row of a text file is, by its name.
pub(super) fn parse_text_by(py: Python<'_>, name: &str) -> PyResult<TextBy> {
    match name {
        "line" => Ok(TextBy::Line),
        "document" => Ok(TextBy::Document),
        _ => {
            let message = format!("text_by is {}; expected \"line\" or \"document\"", quote(name));
            Err(to_python(py, Error::parameter(message)))
        }
    }
}

#[pyfunction]
#[pyo3(signature = (paths, rows, total, text_by = "line"))]
pub(super) fn read_lines<'py>(
    py: Python<'py>,
    paths: Vec<PathBuf>,
    rows: PyReadonlyArray1<'py, i64>,
    total: usize,
    text_by: &str,
) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let text_by = parse_text_by(py, text_by)?;
    let rows = row_numbers(&rows, total)?;
    let lines = interrupt::run(py, None, move |control| read::read_lines(paths, text_by, &rows, total, control))?;
    // Lines of a file that was ranked are valid UTF-8; of another one they need not be.
    lines.iter().map(|line| PyBytes::new(py, line).call_method1("decode", ("utf-8",))).collect()
}
