//! LZMA2 in the .xz container, as Python's `lzma.compress(x, preset=P)` makes it: CRC64, one stream, one block.
//!
//! Each text has its own encoder: the kept crate cannot start one again. Not measured, but little should be lost: a
//! fresh encoder takes zeroed pages from the system only as it touches them, a reused one has to clear its hash table.

use liblzma::stream::{Action, Check, Error as XzError, Status, Stream};

use super::{Compressor, Encoder, Joined, OUTPUT_BYTES, Step, advance, pieces, streamed_size, version_string};
use crate::error::{Cause, Error, Result};
use crate::parallel::Control;

pub(super) struct Xz {
    preset: u32,
    joined: Joined,
    output: Box<[u8]>,
}

impl Xz {
    pub(super) fn new(preset: u32) -> Xz {
        Xz { preset, joined: Joined::default(), output: vec![0; OUTPUT_BYTES].into() }
    }
}

impl Compressor for Xz {
    fn compressed_size(&mut self, parts: &[&[u8]], control: &Control) -> Result<u64> {
        let mut stream = Stream::new_easy_encoder(self.preset, Check::Crc64).map_err(failure)?;
        streamed_size(&mut stream, pieces(self.joined.join(parts)), &mut self.output, control)
    }
}

impl Encoder for Stream {
    fn step(&mut self, input: &[u8], output: &mut [u8], end: bool) -> Result<Step> {
        let (read, written) = (self.total_in(), self.total_out());
        let action = if end { Action::Finish } else { Action::Run };
        let status = self.process(input, output, action).map_err(failure)?;
        Ok(Step {
            read: advance(read, self.total_in()),
            written: advance(written, self.total_out()),
            ended: status == Status::StreamEnd,
        })
    }
}

fn failure(error: XzError) -> Error {
    if matches!(error, XzError::Mem) {
        // Some 100 MB a thread at preset 6, 700 MB at preset 9: not a bug of ours.
        return Error::new(Cause::Io(std::io::ErrorKind::OutOfMemory.into()));
    }
    Error::internal(format!("liblzma failed: {error}"))
}

#[expect(unsafe_code, reason = "the version that is really linked can be asked in no other way")]
pub(super) fn version() -> String {
    // SAFETY: lzma_version_string takes nothing and returns a static string (lzma/version.h).
    version_string(unsafe { liblzma_sys::lzma_version_string() })
}
