//! Spreading rows over our own threads, with cancellation and progress.
//!
//! The pool is our own (never rayon's global one, which belongs to the host program), is made at the first call that
//! wants more than one thread, is kept for the next call of the same size, and is rebuilt in a forked child, where
//! the parent's threads do not exist. Rows are handed out in chunks, in order; a worker makes its scratch (a
//! compressor, buffers) once and keeps it over its chunks. Results land at their row, so that no thread count and no
//! scheduling can change them.

use std::num::NonZero;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rayon::ThreadPool;

use crate::error::{Cause, Error, Result};

/// The line between a running call and the one who waits for it: stop signal in, progress out.
#[derive(Debug, Default)]
pub struct Control {
    cancelled: Arc<AtomicBool>,
    done: AtomicU64,
}

impl Control {
    /// Ask the call to stop; it returns [`Cause::Interrupted`] soon.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Whether somebody asked to stop.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// To be asked between pieces of work.
    ///
    /// # Errors
    /// [`Cause::Interrupted`] once [`Control::cancel`] was called.
    pub fn check(&self) -> Result<()> {
        if self.is_cancelled() { Err(Error::new(Cause::Interrupted)) } else { Ok(()) }
    }

    /// The same stop signal with a counter of its own: for work that goes over the rows before those that count.
    #[must_use]
    pub fn without_progress(&self) -> Control {
        Control { cancelled: Arc::clone(&self.cancelled), done: AtomicU64::default() }
    }

    /// Rows finished until now.
    #[must_use]
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Count rows as finished.
    pub fn add_done(&self, rows: u64) {
        self.done.fetch_add(rows, Ordering::Relaxed);
    }
}

/// CPUs that this process may use, affinity and container quota respected; 1 where the system does not tell.
#[must_use]
pub fn available_threads() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

/// More threads than any machine has; a larger number is a slip, and starting them could bring the machine down.
const MAX_THREADS: usize = 4096;

/// The number of threads to use: `None` means [`available_threads`].
///
/// # Errors
/// [`Cause::Parameter`] for 0, and for more than 4096.
pub fn resolve_threads(threads: Option<usize>) -> Result<usize> {
    match threads {
        Some(0) => Err(Error::parameter("threads must be at least 1, got 0")),
        Some(threads) if threads > MAX_THREADS => {
            Err(Error::parameter(format!("threads must be at most {MAX_THREADS}, got {threads}")))
        }
        Some(threads) => Ok(threads),
        None => Ok(available_threads()),
    }
}

/// Fill `out`, whose entry `i` belongs to row `i`, by all threads.
///
/// `make_worker` is called once a thread; `work(worker, first_row, chunk)` fills the entries of `chunk_len` rows
/// (`stride` entries each) from `first_row`. Cancellation is looked at before every chunk, progress counted after it.
///
/// # Errors
/// The error of the first failing chunk in row order, whatever the scheduling; [`Cause::Interrupted`]; a thread
/// that cannot be started.
pub fn fill_rows<T, W>(
    out: &mut [T],
    stride: usize,
    chunk_len: usize,
    threads: usize,
    control: &Control,
    make_worker: impl Fn() -> Result<W> + Sync,
    work: impl Fn(&mut W, usize, &mut [T]) -> Result<()> + Sync,
) -> Result<()>
where
    T: Send,
{
    let rows = out.len() / stride.max(1);
    let chunks = Mutex::new(out.chunks_mut((chunk_len * stride).max(1)).enumerate());
    let failure: Mutex<Option<(usize, Error)>> = Mutex::new(None);
    let failed = AtomicBool::new(false);
    let worker_loop = || -> Result<(), (usize, Error)> {
        let mut worker = make_worker().map_err(|error| (0, error))?;
        loop {
            // Chunks are taken in order: when one fails, all before it are taken already and will finish.
            let next = chunks.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((index, chunk)) = next else { return Ok(()) };
            if failed.load(Ordering::Relaxed) {
                return Ok(());
            }
            control.check().map_err(|error| (index, error))?;
            let entries = chunk.len();
            work(&mut worker, index * chunk_len, chunk).map_err(|error| (index, error))?;
            control.add_done((entries / stride.max(1)) as u64);
        }
    };
    let run = || {
        if let Err((index, error)) = worker_loop() {
            failed.store(true, Ordering::Relaxed);
            let mut failure = failure.lock().unwrap_or_else(PoisonError::into_inner);
            if failure.as_ref().is_none_or(|(first, _)| index < *first) {
                *failure = Some((index, error));
            }
        }
    };
    if threads == 1 || rows <= chunk_len {
        run();
    } else {
        pool(threads)?.broadcast(|_| run());
    }
    match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some((_, error)) => Err(error),
        None => Ok(()),
    }
}

struct KeptPool {
    process: u32,
    threads: usize,
    pool: Arc<ThreadPool>,
}

static KEPT_POOL: Mutex<Option<KeptPool>> = Mutex::new(None);

/// The kept pool if it fits, else a new one, which is then kept.
fn pool(threads: usize) -> Result<Arc<ThreadPool>> {
    // try_lock: a fork while another thread held the lock leaves it locked in the child for ever. Then, and when two
    // calls come at once, a pool of one's own is right too, only a little dearer (some 30 us a thread).
    let Ok(mut kept) = KEPT_POOL.try_lock() else { return new_pool(threads) };
    let process = std::process::id();
    if let Some(kept) = kept.as_ref()
        && kept.process == process
        && kept.threads == threads
    {
        return Ok(Arc::clone(&kept.pool));
    }
    let pool = new_pool(threads)?;
    let former = kept.replace(KeptPool { process, threads, pool: Arc::clone(&pool) });
    if let Some(former) = former
        && former.process != process
    {
        // Its threads stayed in the parent, perhaps with its locks held, which dropping it would wait for.
        std::mem::forget(former.pool);
    }
    Ok(pool)
}

fn new_pool(threads: usize) -> Result<Arc<ThreadPool>> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|index| format!("zipfit-{index}"))
        .build()
        .map(Arc::new)
        .map_err(|error| Error::parameter(format!("cannot start {threads} threads ({error}); ask for fewer")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn squares(rows: usize, threads: usize, chunk_len: usize) -> Vec<usize> {
        let mut out = vec![0; rows];
        let work = |(): &mut (), first: usize, chunk: &mut [usize]| {
            for (offset, entry) in chunk.iter_mut().enumerate() {
                *entry = (first + offset).pow(2);
            }
            Ok(())
        };
        fill_rows(&mut out, 1, chunk_len, threads, &Control::default(), || Ok(()), work).unwrap();
        out
    }

    #[test]
    fn every_row_gets_its_own_value_on_any_number_of_threads() {
        let expected: Vec<usize> = (0..1000).map(|row: usize| row.pow(2)).collect();
        for threads in [1, 2, 8] {
            for chunk_len in [1, 7, 2000] {
                assert_eq!(squares(1000, threads, chunk_len), expected);
            }
        }
        assert!(squares(0, 2, 4).is_empty());
    }

    #[test]
    fn the_first_failing_row_is_reported_whatever_the_scheduling() {
        for threads in [1, 2, 8] {
            let work = |(): &mut (), first: usize, _: &mut [u8]| {
                if first >= 30 { Err(Error::bad_row(format!("row {first}"))) } else { Ok(()) }
            };
            let error = fill_rows(&mut [0; 100], 1, 1, threads, &Control::default(), || Ok(()), work).unwrap_err();
            assert_eq!(error.to_string(), "row 30");
        }
    }

    #[test]
    fn a_cancelled_call_says_so_and_counts_only_what_it_did() {
        let control = Control::default();
        let work = |(): &mut (), first: usize, _: &mut [u8]| {
            if first == 10 {
                control.cancel();
            }
            Ok(())
        };
        let error = fill_rows(&mut [0; 100], 1, 1, 1, &control, || Ok(()), work).unwrap_err();
        assert!(matches!(error.cause(), Cause::Interrupted));
        assert_eq!(control.done(), 11);
    }

    #[test]
    fn work_without_progress_is_stopped_by_the_same_signal() {
        let control = Control::default();
        let quiet = control.without_progress();
        quiet.add_done(5);
        assert_eq!(control.done(), 0);
        control.cancel();
        assert!(quiet.check().is_err());
    }

    #[test]
    fn zero_threads_are_refused() {
        assert_eq!(resolve_threads(Some(0)).unwrap_err().to_string(), "threads must be at least 1, got 0");
        assert!(resolve_threads(None).unwrap() >= 1);
    }
}
