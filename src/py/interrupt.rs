//! Running long work so that Python stays awake: GIL released, Ctrl-C answered, progress told, panics caught.
//!
//! The work runs on a thread of its own and owns all it needs; the calling thread waits for it and looks after
//! Python in between. On Ctrl-C, and when the progress callback raises, the caller returns at once and the work,
//! told to stop, ends by itself a little later.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use pyo3::prelude::*;

use super::errors::to_python;
use crate::error::{Error, Result};
use crate::parallel::Control;

/// How often signals are looked at. Ctrl-C must be answered within half a second; 20 looks a second cost nothing.
const SIGNAL_INTERVAL: Duration = Duration::from_millis(50);

/// Looks at signals between two calls of the progress callback: ten calls a second are smooth to the eye.
const PROGRESS_EVERY: u32 = 2;

/// Run `work` on a thread of its own, with the GIL released; `progress` is called with the number of rows done.
pub(super) fn run<T: Send + 'static>(
    py: Python<'_>,
    progress: Option<&Bound<'_, PyAny>>,
    work: impl FnOnce(&Control) -> Result<T> + Send + 'static,
) -> PyResult<T> {
    let work = Box::new(move |control: &Control| work(control).map(|found| Box::new(found) as Found));
    let found = wait_for(py, progress, work)?;
    found.downcast().map(|found| *found).map_err(|_| to_python(py, Error::internal("a result of another type")))
}

/// What any work finds, and any work: for each type anew, threads and channels were a quarter of all code to compile.
type Found = Box<dyn Any + Send>;
type Work = Box<dyn FnOnce(&Control) -> Result<Found> + Send>;

fn wait_for(py: Python<'_>, progress: Option<&Bound<'_, PyAny>>, work: Work) -> PyResult<Found> {
    let control = Arc::new(Control::default());
    let (sender, mut receiver) = channel();
    let shared = Arc::clone(&control);
    let body = move || {
        // Nothing that the panic left behind is used again, so unwind safety is not in question.
        let result = catch_unwind(AssertUnwindSafe(|| work(&shared)));
        // The receiver is gone after Ctrl-C; then nobody wants the result.
        let _ = sender.send(result.unwrap_or_else(|panic| Err(panic_error(panic.as_ref()))));
    };
    let thread = std::thread::Builder::new().name("zipfit-call".to_owned()).spawn(body);
    thread.map_err(|error| to_python(py, Error::parameter(format!("cannot start a thread: {error}"))))?;
    let mut looks = 0;
    loop {
        // A receiver may be used by one thread at a time only, hence the exclusive borrow.
        let receiver = &mut receiver;
        match py.detach(move || receiver.recv_timeout(SIGNAL_INTERVAL)) {
            Ok(result) => {
                tell(progress, &control)?;
                return result.map_err(|error| to_python(py, error));
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(to_python(py, Error::internal("a worker thread ended without a result")));
            }
            Err(RecvTimeoutError::Timeout) => {
                looks += 1;
                let told = if looks % PROGRESS_EVERY == 0 { tell(progress, &control) } else { Ok(()) };
                if let Err(error) = py.check_signals().and(told) {
                    control.cancel();
                    return Err(error);
                }
            }
        }
    }
}

fn tell(progress: Option<&Bound<'_, PyAny>>, control: &Control) -> PyResult<()> {
    progress.map_or(Ok(()), |progress| progress.call1((control.done(),)).map(drop))
}

fn panic_error(panic: &(dyn Any + Send)) -> Error {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    Error::internal(format!("panic: {}", text.unwrap_or_else(|| "of unknown kind".to_owned())))
}
