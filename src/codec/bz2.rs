//! bzip2, as Python's `bz2.compress(x, L)` makes it; the level is the block size in units of 100 kB.
//!
//! The library is the memory-safe port of bzip2 1.0.8, which gives its bytes. It cannot reset a stream, so each text
//! has its own.

use bzip2::{Action, Compress, Compression, Status};

use super::{Compressor, Encoder, Joined, OUTPUT_BYTES, Step, advance, pieces, streamed_size, version_string};
use crate::error::{Error, Result};
use crate::parallel::Control;

/// The library's default: how patiently repetitive input is sorted. Changes time, never the result.
const WORK_FACTOR: u32 = 0;

pub(super) struct Bz2 {
    level: u32,
    joined: Joined,
    output: Box<[u8]>,
}

impl Bz2 {
    pub(super) fn new(level: u32) -> Bz2 {
        Bz2 { level, joined: Joined::default(), output: vec![0; OUTPUT_BYTES].into() }
    }
}

impl Compressor for Bz2 {
    fn compressed_size(&mut self, parts: &[&[u8]], control: &Control) -> Result<u64> {
        let mut stream = Compress::new(Compression::new(self.level), WORK_FACTOR);
        streamed_size(&mut stream, pieces(self.joined.join(parts)), &mut self.output, control)
    }
}

impl Encoder for Compress {
    fn step(&mut self, input: &[u8], output: &mut [u8], end: bool) -> Result<Step> {
        let (read, written) = (self.total_in(), self.total_out());
        let action = if end { Action::Finish } else { Action::Run };
        let status = self.compress(input, output, action);
        let status = status.map_err(|error| Error::internal(format!("bzip2 failed: {error}")))?;
        Ok(Step {
            read: advance(read, self.total_in()),
            written: advance(written, self.total_out()),
            ended: status == Status::StreamEnd,
        })
    }
}

pub(super) fn version() -> String {
    version_string(libbz2_rs_sys::BZ2_bzlibVersion())
}
