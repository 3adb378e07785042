//! LZ4 frames as python-lz4's `lz4.frame.compress` makes them: linked blocks of 64 KB, content size, no checksums.
//!
//! The library's context is made anew for each text: its kept binding cannot reset one.

use std::io::{self, Write};

use lz4::liblz4::BlockChecksum;
use lz4::{BlockMode, BlockSize, ContentChecksum, EncoderBuilder};

use super::{Compressor, Joined};
use crate::error::{Error, Result};
use crate::parallel::Control;

/// Texts up to one block are compressed as an independent block, as `LZ4F_compressFrame` does.
const BLOCK_BYTES: usize = 64 * 1024;

#[derive(Default)]
pub(super) struct Lz4 {
    joined: Joined,
}

impl Compressor for Lz4 {
    fn compressed_size(&mut self, parts: &[&[u8]], control: &Control) -> Result<u64> {
        control.check()?;
        let text = self.joined.join(parts);
        let fail = |error: io::Error| Error::internal(format!("lz4 failed: {error}"));
        let mode = if text.len() <= BLOCK_BYTES { BlockMode::Independent } else { BlockMode::Linked };
        let mut encoder = EncoderBuilder::new()
            .block_size(BlockSize::Max64KB)
            .block_mode(mode)
            .block_checksum(BlockChecksum::NoBlockChecksum)
            .checksum(ContentChecksum::NoChecksum)
            .content_size(text.len() as u64)
            .build(Count(0))
            .map_err(fail)?;
        for piece in text.chunks(super::PIECE_BYTES) {
            control.check()?;
            encoder.write_all(piece).map_err(fail)?;
        }
        let (count, result) = encoder.finish();
        result.map_err(fail)?;
        Ok(count.0)
    }
}

/// Counts the bytes written to it.
struct Count(u64);

impl Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(super) fn version() -> String {
    // As in lz4.h: major * 10,000 + minor * 100 + release.
    let number = lz4::version();
    format!("{}.{}.{}", number / 10_000, number / 100 % 100, number % 100)
}
