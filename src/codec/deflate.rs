//! gzip, zlib and raw DEFLATE by stock zlib: the codec of the paper.
//!
//! Stock zlib and no other: zlib-ng, zlib-rs and miniz make other choices at the same level and give other sizes.
//! The stream is reset, not remade, for each text: making one allocates and clears 268 KB, a reset clears 64 KB.
//!
//! The text goes in as one, cut every 256 KiB and nowhere else, because a cut can show in zlib's output: it refills its
//! window when 261 bytes are left to look at, and if that happens just at window position 65,274 (as it can at the seam
//! of two parts, but not at a multiple of 32 KiB, where it comes to 65,275 as it does without cuts), the farthest
//! candidate for a match moves to position 0, which means none (`seam_at_the_window_edge` below).

use flate2::{Compress, Compression, FlushCompress, Status};

use super::{Compressor, Encoder, Joined, OUTPUT_BYTES, Step, advance, pieces, streamed_size, version_string};
use crate::error::{Error, Result};
use crate::parallel::Control;

/// gzip's header of 10 bytes and trailer of 8 (RFC 1952).
pub(super) const GZIP_FRAME_BYTES: u64 = 18;

/// zlib's header of 2 bytes and checksum of 4 (RFC 1950).
pub(super) const ZLIB_FRAME_BYTES: u64 = 6;

pub(super) struct Deflate {
    stream: Compress,
    frame_bytes: u64,
    joined: Joined,
    output: Box<[u8]>,
}

impl Deflate {
    pub(super) fn new(level: u32, frame_bytes: u64) -> Deflate {
        let stream = Compress::new(Compression::new(level), false);
        Deflate { stream, frame_bytes, joined: Joined::default(), output: vec![0; OUTPUT_BYTES].into() }
    }
}

impl Compressor for Deflate {
    fn compressed_size(&mut self, parts: &[&[u8]], control: &Control) -> Result<u64> {
        self.stream.reset();
        let raw = streamed_size(&mut self.stream, pieces(self.joined.join(parts)), &mut self.output, control)?;
        Ok(raw + self.frame_bytes)
    }
}

impl Encoder for Compress {
    fn step(&mut self, input: &[u8], output: &mut [u8], end: bool) -> Result<Step> {
        let (read, written) = (self.total_in(), self.total_out());
        let flush = if end { FlushCompress::Finish } else { FlushCompress::None };
        let status = self.compress(input, output, flush);
        let status = status.map_err(|error| Error::internal(format!("zlib failed: {error}")))?;
        Ok(Step {
            read: advance(read, self.total_in()),
            written: advance(written, self.total_out()),
            ended: status == Status::StreamEnd,
        })
    }
}

#[expect(unsafe_code, reason = "the version that is really linked can be asked in no other way")]
pub(super) fn version() -> String {
    // SAFETY: zlibVersion takes nothing and returns a static string (zlib.h).
    version_string(unsafe { libz_sys::zlibVersion() })
}
