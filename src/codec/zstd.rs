//! Zstandard frames as python-zstandard's one-shot `compress` makes them: content size, no checksum.
//!
//! The whole text goes in at once: level parameters depend on its size, and blocks cut by a stream differ. A stop
//! signal therefore waits for the end of a text.

use zstd::zstd_safe::{CCtx, CParameter, compress_bound, get_error_name, version_string};

use super::{Compressor, Joined};
use crate::error::{Error, Result};
use crate::parallel::Control;

pub(super) struct Zstd {
    context: CCtx<'static>,
    level: i32,
    joined: Joined,
    output: Vec<u8>,
}

impl Zstd {
    pub(super) fn new(level: i32) -> Zstd {
        Zstd { context: CCtx::create(), level, joined: Joined::default(), output: Vec::new() }
    }
}

impl Compressor for Zstd {
    fn compressed_size(&mut self, parts: &[&[u8]], control: &Control) -> Result<u64> {
        control.check()?;
        let text = self.joined.join(parts);
        self.output.clear();
        self.output.reserve(compress_bound(text.len()));
        let fail = |code| Error::internal(format!("zstd failed: {}", get_error_name(code)));
        self.context.set_parameter(CParameter::CompressionLevel(self.level)).map_err(fail)?;
        self.context.compress2(&mut self.output, text).map(|size| size as u64).map_err(fail)
    }
}

pub(super) fn version() -> String {
    version_string().to_owned()
}
