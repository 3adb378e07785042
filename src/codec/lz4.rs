//! LZ4 frames as python-lz4's `lz4.frame.compress` makes them: linked blocks of 64 KB, content size, no checksums.
//!
//! The C functions are called directly because the kept crate's `Encoder` cannot tell the library that the source
//! stays in place (`stable_src`): it then searches a copy of the last block and comes out up to a byte larger on
//! texts of more than a block (`tests/python/test_exactness.py`: texts of 100 kB). The whole text goes in at once, at
//! several hundred MB/s, so a stop signal waits for the end of a text.
//!
//! N.B. Each text has a context of its own. A kept one is only half reset by `LZ4F_compressBegin`, and gives another
//! size for a text of several blocks after another such text (the same tests: 37,693 for 37,698 bytes).

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

#[derive(Default)]
pub(super) struct Lz4 {
    joined: Joined,
    output: Vec<u8>,
}

/// A context of the library, freed when dropped.
struct Context(LZ4FCompressionContext);

impl Context {
    #[expect(unsafe_code, reason = "see the head of this file")]
    fn new() -> Result<Context> {
        let mut context = LZ4FCompressionContext(std::ptr::null_mut());
        // SAFETY: writes a new context to a valid place; freed in `drop`.
        check(unsafe { LZ4F_createCompressionContext(&mut context, LZ4F_VERSION) })?;
        Ok(Context(context))
    }
}

impl Drop for Context {
    #[expect(unsafe_code, reason = "see the head of this file")]
    fn drop(&mut self) {
        // SAFETY: made by `new`, freed nowhere else.
        unsafe { LZ4F_freeCompressionContext(self.0) };
    }
}

impl Compressor for Lz4 {
    #[expect(unsafe_code, reason = "see the head of this file")]
    fn compressed_size(&mut self, parts: &[&[u8]], control: &Control) -> Result<u64> {
        control.check()?;
        let text = self.joined.join(parts);
        let context = Context::new()?;
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
                check(LZ4F_compressBegin(context.0, output, room, &raw const preferences))?,
                check(LZ4F_compressUpdate(context.0, output, room, text.as_ptr(), text.len(), &raw const options))?,
                check(LZ4F_compressEnd(context.0, output, room, &raw const options))?,
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
