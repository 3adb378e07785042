//! Rust causes to Python classes: the one table.

use std::io;

use pyo3::PyErr;
use pyo3::exceptions::{
    PyBrokenPipeError, PyFileExistsError, PyFileNotFoundError, PyIsADirectoryError, PyKeyboardInterrupt, PyMemoryError,
    PyNotADirectoryError, PyOSError, PyPermissionError,
};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::error::{Cause, Error};

/// The exception for an error: a class of `zipfit.errors`, or the builtin that says it exactly.
pub(super) fn to_python(py: Python<'_>, error: Error) -> PyErr {
    let class = match error.cause() {
        Cause::Parameter(_) => "ParameterError",
        Cause::TextType(_) => "TextTypeError",
        Cause::EmptyTarget => "EmptyTargetError",
        Cause::BadRow(_) => "BadRowError",
        Cause::InvalidText(_) => "InvalidTextError",
        Cause::Truncated(_) => "TruncatedInputError",
        Cause::OutputExists(_) => "OutputExistsError",
        Cause::Mismatch(_) => "MismatchError",
        Cause::Internal(_) => "InternalError",
        Cause::Interrupted => return PyKeyboardInterrupt::new_err(()),
        Cause::Io(io) => return os_error(io, &error),
    };
    // If even this fails (errors.py is broken), that failure is what there is to tell.
    make(py, class, &error).unwrap_or_else(|failure| failure)
}

fn make(py: Python<'_>, class: &str, error: &Error) -> PyResult<PyErr> {
    let place = error.place();
    let details = PyDict::new(py);
    details.set_item("path", place.path.as_ref().map(|path| path.to_string_lossy().into_owned()))?;
    details.set_item("row", place.row)?;
    details.set_item("line", place.line)?;
    details.set_item("byte", place.byte)?;
    let class = py.import("zipfit.errors")?.getattr(class)?;
    let exception = class.call((error.to_string(),), Some(&details))?;
    Ok(PyErr::from_value(exception))
}

/// `OSError(errno, text, path)`, from which Python picks the subclass itself.
fn os_error(io: &io::Error, error: &Error) -> PyErr {
    let path = error.place().path.as_ref().map(|path| path.to_string_lossy().into_owned());
    // Rust appends "(os error N)", which Python says in its own way.
    let text = io.to_string();
    let text = text.split(" (os error").next().unwrap_or_default().to_owned();
    if let Some(number) = io.raw_os_error() {
        return PyOSError::new_err((number, text, path));
    }
    // Errors that we found ourselves have a kind but no number.
    let text = path.map_or_else(|| text.clone(), |path| format!("{path}: {text}"));
    match io.kind() {
        io::ErrorKind::NotFound => PyFileNotFoundError::new_err(text),
        io::ErrorKind::PermissionDenied => PyPermissionError::new_err(text),
        io::ErrorKind::IsADirectory => PyIsADirectoryError::new_err(text),
        io::ErrorKind::NotADirectory => PyNotADirectoryError::new_err(text),
        io::ErrorKind::AlreadyExists => PyFileExistsError::new_err(text),
        io::ErrorKind::OutOfMemory => PyMemoryError::new_err(text),
        io::ErrorKind::BrokenPipe => PyBrokenPipeError::new_err(text),
        _ => PyOSError::new_err(text),
    }
}
