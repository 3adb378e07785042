//! Brotli by Google's C library, as Python's `brotli.compress(x, quality=Q)` calls it: window of 22 bits, the whole
//! text in one call, then the end.
//!
//! One call because the encoder sizes its tables by what it sees first, and qualities 0 and 1 make a block a call.
//! An encoder cannot be reset, so each text has its own.

use brotlic::encode::{BrotliEncoder, BrotliEncoderOptions, BrotliOperation};
use brotlic::{Quality, SetParameterError, WindowSize};

use super::{Compressor, Encoder, Joined, OUTPUT_BYTES, Step, streamed_size};
use crate::error::{Error, Result};
use crate::parallel::Control;

/// The default of the reference, 4 MB.
const WINDOW_BITS: u8 = 22;

pub(super) struct Brotli {
    quality: u8,
    joined: Joined,
    output: Box<[u8]>,
}

impl Brotli {
    pub(super) fn new(quality: u8) -> Brotli {
        Brotli { quality, joined: Joined::default(), output: vec![0; OUTPUT_BYTES].into() }
    }
}

fn encoder(quality: u8) -> Result<BrotliEncoder, SetParameterError> {
    let (quality, window) = (Quality::new(quality)?, WindowSize::new(WINDOW_BITS)?);
    BrotliEncoderOptions::new().quality(quality).window_size(window).build()
}

impl Compressor for Brotli {
    fn compressed_size(&mut self, parts: &[&[u8]], control: &Control) -> Result<u64> {
        let mut encoder = encoder(self.quality).map_err(|error| Error::internal(format!("brotli failed: {error}")))?;
        let text = self.joined.join(parts);
        streamed_size(&mut encoder, std::iter::once(text), &mut self.output, control)
    }
}

impl Encoder for BrotliEncoder {
    fn step(&mut self, input: &[u8], output: &mut [u8], end: bool) -> Result<Step> {
        let operation = if end { BrotliOperation::Finish } else { BrotliOperation::Process };
        let step = self.compress(input, output, operation);
        let step = step.map_err(|error| Error::internal(format!("brotli failed: {error}")))?;
        Ok(Step { read: step.bytes_read, written: step.bytes_written, ended: self.is_finished() })
    }
}

pub(super) fn version() -> String {
    // As in brotli's version.h: 8 bits of major, 12 of minor, 12 of patch.
    let number = BrotliEncoder::version();
    format!("{}.{}.{}", number >> 24, number >> 12 & 0xfff, number & 0xfff)
}
