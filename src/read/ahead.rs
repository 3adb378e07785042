//! Reading ahead: a thread decompresses and splits (or decodes) the next batches while the rows of this one are worked
//! on.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::lines::RawBatch;
use crate::error::{Error, Result};
use crate::parallel::Control;

/// Batches that wait to be fetched, beside the one that is being read and the one that is worked on. More would only
/// even out what differs from batch to batch, and each is memory.
const WAITING: usize = 1;

/// How often a reader that waits for the disk looks at its stop signal.
const SIGNAL_INTERVAL: Duration = Duration::from_millis(50);

/// A thread that reads; dropping it stops the thread at its next look.
pub(super) struct Ahead {
    // Locked by nobody else: the mutex only makes a reader something that threads may look at.
    batches: Mutex<Receiver<Result<RawBatch>>>,
    stop: Arc<Control>,
}

impl Ahead {
    /// `next` gives the next batch, one without rows after the last.
    pub(super) fn start(next: impl FnMut(&Control) -> Result<RawBatch> + Send + 'static) -> Result<Ahead> {
        let (sender, batches) = sync_channel(WAITING);
        let stop = Arc::new(Control::default());
        let shared = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("zipfit-read".to_owned());
        let spawned = thread.spawn(move || read(next, &sender, &shared));
        spawned.map_err(|error| Error::parameter(format!("cannot start a thread: {error}")))?;
        Ok(Ahead { batches: Mutex::new(batches), stop })
    }

    /// The next batch; one without rows is the last.
    pub(super) fn next_batch(&mut self, control: &Control) -> Result<RawBatch> {
        let batches = self.batches.get_mut().unwrap_or_else(PoisonError::into_inner);
        loop {
            match batches.recv_timeout(SIGNAL_INTERVAL) {
                Ok(batch) => return batch,
                Err(RecvTimeoutError::Timeout) => control.check()?,
                Err(RecvTimeoutError::Disconnected) => return Err(Error::internal("the reading thread ended")),
            }
        }
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn read(mut next: impl FnMut(&Control) -> Result<RawBatch>, batches: &SyncSender<Result<RawBatch>>, stop: &Control) {
    loop {
        let batch = next(stop);
        let is_last = batch.as_ref().map_or(true, |batch| batch.rows.is_empty());
        // Nobody listens any more after Ctrl-C.
        if batches.send(batch).is_err() || is_last {
            return;
        }
    }
}
