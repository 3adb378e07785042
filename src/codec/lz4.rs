//! LZ4 frames as python-lz4's `lz4.frame.compress` makes them: linked blocks of 64 KB, content size, no checksums.
//!
//! The C functions are called directly because the kept crate's `Encoder` cannot tell the library that the source
//! stays in place (`stable_src`): it then searches a copy of the last block and comes out up to a byte larger on
//! texts of more than a block (`tests/python/test_exactness.py`: texts of 100 kB). The whole text goes in at once, at
//! several hundred MB/s, so a stop signal waits for the end of a text. The context is kept from text to text.

use lz4::liblz4::{
    BlockChecksum, BlockMode, BlockSize, ContentChecksum, FrameType, LZ4F_VERSION, LZ4F_compressBegin,
    LZ4F_compressBound, LZ4F_compressEnd, LZ4F_compressUpdate, LZ4F_createCompressionContext,
    LZ4F_freeCompressionContext, LZ4FCompressOptions, LZ4FCompressionContext, LZ4FFrameInfo, LZ4FPreferences,
    check_error,
};

use super::{Compressor, Joined};
use crate::error::{Error, Result};
use crate::parallel::Control;

/// Texts up to one block are compressed as an independent block, as `LZ4F_compressFrame` does.
const BLOCK_BYTES: usize = 64 * 1024;

/// The longest frame header (lz4frame.h: `LZ4F_HEADER_SIZE_MAX`).
const HEADER_BYTES: usize = 19;

pub(super) struct Lz4 {
    context: LZ4FCompressionContext,
    joined: Joined,
    output: Vec<u8>,
}

impl Lz4 {
    pub(super) fn new() -> Result<Lz4> {
        let mut context = LZ4FCompressionContext(std::ptr::null_mut());
        #[expect(unsafe_code, reason = "see the head of this file")]
        // SAFETY: writes a new context to a valid place; freed in `drop`.
        let code = unsafe { LZ4F_createCompressionContext(&mut context, LZ4F_VERSION) };
        check(code)?;
        Ok(Lz4 { context, joined: Joined::default(), output: Vec::new() })
    }
}

impl Drop for Lz4 {
    #[expect(unsafe_code, reason = "see the head of this file")]
    fn drop(&mut self) {
        // SAFETY: made by `new`, freed nowhere else.
        unsafe { LZ4F_freeCompressionContext(self.context) };
    }
}

impl Compressor for Lz4 {
    #[expect(unsafe_code, reason = "see the head of this file")]
    fn compressed_size(&mut self, parts: &[&[u8]], control: &Control) -> Result<u64> {
        control.check()?;
        let text = self.joined.join(parts);
        let preferences = preferences(text.len());
        let options = LZ4FCompressOptions { stable_src: 1, reserved: [0; 3] };
        // SAFETY: reads the preferences only.
        let bound = check(unsafe { LZ4F_compressBound(text.len(), &raw const preferences) })?;
        self.output.resize(self.output.len().max(HEADER_BYTES.max(bound)), 0);
        let (output, room) = (self.output.as_mut_ptr(), self.output.len());
        // SAFETY: the context is alive; the library writes at most `room` bytes to `output`, whose earlier content is
        // not needed any more; `text` outlives the calls, as `stable_src` promises.
        let (header, blocks, end) = unsafe {
            (
                check(LZ4F_compressBegin(self.context, output, room, &raw const preferences))?,
                check(LZ4F_compressUpdate(self.context, output, room, text.as_ptr(), text.len(), &raw const options))?,
                check(LZ4F_compressEnd(self.context, output, room, &raw const options))?,
            )
        };
        Ok((header + blocks + end) as u64)
    }
}

/// What `LZ4F_compressFrame` makes of default preferences and a known content size.
fn preferences(bytes: usize) -> LZ4FPreferences {
    LZ4FPreferences {
        frame_info: LZ4FFrameInfo {
            block_size_id: BlockSize::Max64KB,
            block_mode: if bytes <= BLOCK_BYTES { BlockMode::Independent } else { BlockMode::Linked },
            content_checksum_flag: ContentChecksum::NoChecksum,
            frame_type: FrameType::Frame,
            content_size: bytes as u64,
            dict_id: 0,
            block_checksum_flag: BlockChecksum::NoBlockChecksum,
        },
        compression_level: 0,
        auto_flush: 1,
        favor_dec_speed: 0,
        reserved: [0; 3],
    }
}

fn check(code: usize) -> Result<usize> {
    check_error(code).map_err(|error| Error::internal(format!("lz4 failed: {error}")))
}

pub(super) fn version() -> String {
    // As in lz4.h: major * 10,000 + minor * 100 + release.
    let number = lz4::version();
    format!("{}.{}.{}", number / 10_000, number / 100 % 100, number % 100)
}
