//! `Texts`: Python objects to byte strings.

use std::path::PathBuf;

use arrow_array::{ArrayRef, cast::AsArray};
use arrow_schema::DataType;
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::exceptions::PyUnicodeEncodeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyFloat, PyString};
use pyo3_arrow::input::AnyArray;

use super::errors::to_python;
use super::files::parse_text_by;
use super::interrupt;
use super::vectors::row_numbers;
use crate::error::{Cause, Error, Result, Side, quote};
use crate::parallel::resolve_threads;
use crate::read::{Fields, OtherFields, ReadOptions, Reader};
use crate::texts::{Texts, TextsBuilder, refuse_nulls};

/// Many byte strings, immutable.
#[pyclass(name = "Texts", module = "zipfit._core", frozen)]
pub(super) struct PyTexts(pub(super) Texts);

/// Work between two looks at signals while Python objects are copied, in bytes of text. Some 10 ms.
const SIGNAL_BYTES: usize = 16 << 20;

/// What a row counts for beside its text, so that a million empty ones are not nothing.
const ROW_OVERHEAD_BYTES: usize = 256;

#[pymethods]
impl PyTexts {
    #[staticmethod]
    fn from_iterable(py: Python<'_>, rows: &Bound<'_, PyAny>, side: &str) -> PyResult<PyTexts> {
        let side = parse_side(py, side)?;
        let mut texts = TextsBuilder::default();
        let mut next_look = SIGNAL_BYTES;
        for row in rows.try_iter()? {
            push(&mut texts, &row?, side)?;
            let work = texts.bytes() + texts.len() * ROW_OVERHEAD_BYTES;
            if work >= next_look {
                next_look = work + SIGNAL_BYTES;
                py.check_signals()?;
            }
        }
        Ok(PyTexts(texts.finish()))
    }

    #[staticmethod]
    fn from_arrow(py: Python<'_>, data: &Bound<'_, PyAny>, column: Option<&str>, side: &str) -> PyResult<PyTexts> {
        let side = parse_side(py, side)?;
        let chunks = data.extract::<AnyArray>()?.into_chunked_array()?;
        let (arrays, field) = chunks.into_inner();
        let texts = match field.data_type() {
            DataType::Struct(_) => {
                refuse_nulls(&arrays, side).and_then(|()| table_column(&arrays, field.data_type(), column, side))
            }
            _ if column.is_some() => {
                let message = format!("text names a column, but {side} is a single array; leave text out");
                Err(Error::parameter(message))
            }
            _ => Ok(arrays),
        };
        let texts = texts.and_then(|arrays| Texts::from_arrow(&arrays, side));
        texts.map(PyTexts).map_err(|error| to_python(py, error))
    }

    #[staticmethod]
    #[pyo3(signature = (paths, text, side, threads = None, text_by = "line"))]
    fn from_files(
        py: Python<'_>,
        paths: Vec<PathBuf>,
        text: String,
        side: &str,
        threads: Option<i128>,
        text_by: &str,
    ) -> PyResult<PyTexts> {
        let side = parse_side(py, side)?;
        let options = ReadOptions { text_by: parse_text_by(py, text_by)?, ..ReadOptions::default() };
        let threads = threads_of(py, threads)?;
        let texts = interrupt::run(py, None, move |control| {
            Reader::open(paths, Fields::new(&text, &OtherFields::default())?, side, options)?.rest(threads, control)
        })?;
        Ok(PyTexts(texts))
    }

    #[staticmethod]
    fn concat(sets: Vec<Bound<'_, PyTexts>>) -> PyTexts {
        let sets: Vec<Texts> = sets.iter().map(|set| set.get().0.clone()).collect();
        PyTexts(Texts::concat(&sets))
    }

    fn __len__(&self) -> usize {
        self.0.len()
    }

    fn take(&self, rows: PyReadonlyArray1<'_, i64>) -> PyResult<PyTexts> {
        let rows = row_numbers(&rows, self.0.len())?;
        let mut taken = TextsBuilder::default();
        for row in rows {
            taken.push(self.0.get(row));
        }
        Ok(PyTexts(taken.finish()))
    }

    #[getter]
    fn total_bytes(&self) -> u64 {
        self.0.total_bytes()
    }

    fn sizes<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i64>> {
        let sizes: Vec<i64> = py.detach(|| self.0.iter().map(|text| text.len() as i64).collect());
        sizes.into_pyarray(py)
    }

    fn sha256(&self, py: Python<'_>) -> PyResult<String> {
        let texts = self.0.clone();
        interrupt::run(py, None, move |_| Ok(texts.sha256()))
    }

    fn to_list<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, PyBytes>> {
        self.0.iter().map(|text| PyBytes::new(py, text)).collect()
    }

    fn strings<'py>(&self, py: Python<'py>, start: usize, max_bytes: usize) -> PyResult<Vec<Bound<'py, PyString>>> {
        let mut strings = Vec::new();
        let mut bytes = 0_usize;
        for row in start..self.0.len() {
            let text = self.0.get(row);
            bytes = bytes.saturating_add(text.len() + ROW_OVERHEAD_BYTES);
            if bytes > max_bytes && row > start {
                break;
            }
            strings.push(std::str::from_utf8(text).map(|text| PyString::new(py, text)).map_err(|error| {
                let message = format!("invalid UTF-8 at byte {}; decode it first", error.valid_up_to());
                to_python(py, Error::new(Cause::InvalidText(message)).with_row(Side::Source, row as u64))
            })?);
        }
        Ok(strings)
    }
}

pub(super) fn parse_side(py: Python<'_>, side: &str) -> PyResult<Side> {
    match side {
        "source" => Ok(Side::Source),
        "target" => Ok(Side::Target),
        "against" => Ok(Side::Against),
        "held_out" => Ok(Side::HeldOut),
        _ => {
            let message = format!("side must be source, target, against or held_out, got {}", quote(side));
            Err(to_python(py, Error::parameter(message)))
        }
    }
}

/// The number of threads; Python's may be negative, or larger than any integer here.
pub(super) fn threads_of(py: Python<'_>, threads: Option<i128>) -> PyResult<usize> {
    let count = match threads.map(usize::try_from) {
        Some(Err(_)) => {
            Err(Error::parameter(format!("threads must be at least 1, got {}", threads.unwrap_or_default())))
        }
        Some(Ok(count)) => Ok(Some(count)),
        None => Ok(None),
    };
    count.and_then(resolve_threads).map_err(|error| to_python(py, error))
}

fn push(texts: &mut TextsBuilder, row: &Bound<'_, PyAny>, side: Side) -> PyResult<()> {
    let py = row.py();
    let fail = |cause| Err(to_python(py, Error::new(cause).with_row(side, texts.len() as u64)));
    if let Ok(text) = row.cast::<PyString>() {
        match text.to_str() {
            Ok(text) => texts.push(text.as_bytes()),
            Err(error) if error.is_instance_of::<PyUnicodeEncodeError>(py) => {
                let at: usize = error.value(py).getattr("start")?.extract()?;
                let code: u32 = py.import("builtins")?.getattr("ord")?.call1((row.get_item(at)?,))?.extract()?;
                return fail(Cause::InvalidText(format!("lone surrogate U+{code:04X} at character {at}")));
            }
            Err(error) => return Err(error),
        }
        return Ok(());
    }
    if let Ok(bytes) = row.cast::<PyBytes>() {
        texts.push(bytes.as_bytes());
        return Ok(());
    }
    if row.is_none() || row.cast::<PyFloat>().is_ok_and(|number| number.value().is_nan()) {
        return fail(Cause::BadRow("null text; leave such rows out or fill them".to_owned()));
    }
    let kind = row.get_type().name()?;
    fail(Cause::TextType(format!("expected str or bytes, got {kind}")))
}

/// The column of a table that holds the texts: the one named, or `text`, or the only one.
fn table_column(arrays: &[ArrayRef], table: &DataType, column: Option<&str>, side: Side) -> Result<Vec<ArrayRef>> {
    let DataType::Struct(fields) = table else { return Err(Error::internal("a table without columns")) };
    let wanted = column.unwrap_or("text");
    let mut found = (0..fields.len()).filter(|&index| fields[index].name() == wanted);
    let index = match (found.next(), found.next()) {
        (Some(index), None) => index,
        (Some(_), Some(_)) => {
            let message = format!("{side} has more than one column {}; rename all but one", quote(wanted));
            return Err(Error::parameter(message));
        }
        (None, _) if column.is_none() && fields.len() == 1 => 0,
        (None, _) => {
            let names: Vec<&str> = fields.iter().map(|field| field.name().as_str()).collect();
            let which = if column.is_some() { "is not one of them" } else { "is none of them; name one with text=" };
            let columns = quote(&names.join(", "));
            return Err(Error::parameter(format!("{side} has the columns {columns}, and {} {which}", quote(wanted))));
        }
    };
    Ok(arrays.iter().map(|array| array.as_struct().column(index).clone()).collect())
}
