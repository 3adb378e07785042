//! Compressed sizes: C(x) by the codecs and levels that a [`Spec`] names.
//!
//! A compressor here never gives bytes, only their number: output goes to a scratch buffer that is overwritten. Sizes
//! equal those of the reference implementations (Python's `gzip.compress` and so on, see the table in
//! `docs/codecs.md`) to the byte for equal library versions, container frame included. Each worker owns one
//! [`Compressor`] and keeps it for all its texts. A text may come in parts (x followed by y); the size is always that
//! of the joined text, given to the library as one: where its input is cut can show in what a library makes of it.
//!
//! Cost: that of the codec on the whole input, plus its reset. What depends on pairs (x common to many y) belongs to
//! [`pairs`](crate::pairs).

mod brotli;
mod bz2;
mod deflate;
mod dictionary;
mod lz4;
mod xz;
mod zstd;

use std::ffi::{CStr, c_char};
use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result, quote};
use crate::parallel::Control;

pub use dictionary::{Dictionaries, DictionaryWorker};

/// Longest piece handed to a streaming codec at once, in bytes. Between pieces a stop signal is looked at: at
/// xz's 1-2 MB/s a piece takes some 0.2 s. Smaller costs calls (under 1% down to 16 KiB), larger answers later. A
/// multiple of 32 KiB, zlib's window: elsewhere a cut can change its output (see deflate.rs).
const PIECE_BYTES: usize = 256 * 1024;

/// Scratch that a streaming codec's output is thrown into, in bytes. Arbitrary: any size gives the same result.
const OUTPUT_BYTES: usize = 64 * 1024;

/// Counts the bytes that a text compresses to. One a worker: it keeps its buffers from text to text.
pub trait Compressor: Send {
    /// C of the concatenation of `parts`, in bytes, with the container's frame.
    ///
    /// # Errors
    /// [`Cause::Interrupted`](crate::error::Cause::Interrupted) soon after a stop signal (codecs that need the whole
    /// text at once finish it first); [`Cause::Internal`](crate::error::Cause::Internal) if the library fails.
    fn compressed_size(&mut self, parts: &[&[u8]], control: &Control) -> Result<u64>;
}

/// A family of compressed formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// DEFLATE in the gzip container, 18 bytes of frame (RFC 1952).
    Gzip,
    /// DEFLATE in the zlib container, 6 bytes of frame (RFC 1950).
    Zlib,
    /// DEFLATE without a container (RFC 1951).
    Deflate,
    /// Zstandard frames with the content size (RFC 8878).
    Zstd,
    /// LZ4 frames with the content size, linked blocks of 64 KB.
    Lz4,
    /// Brotli with a window of 22 bits (RFC 7932).
    Brotli,
    /// LZMA2 in the .xz container with CRC64.
    Xz,
    /// bzip2.
    Bz2,
}

/// All codecs, in the order of the documentation.
pub const CODECS: [Codec; 8] =
    [Codec::Gzip, Codec::Zlib, Codec::Deflate, Codec::Zstd, Codec::Lz4, Codec::Brotli, Codec::Xz, Codec::Bz2];

impl Codec {
    /// The first half of a spec.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Codec::Gzip => "gzip",
            Codec::Zlib => "zlib",
            Codec::Deflate => "deflate",
            Codec::Zstd => "zstd",
            Codec::Lz4 => "lz4",
            Codec::Brotli => "brotli",
            Codec::Xz => "xz",
            Codec::Bz2 => "bz2",
        }
    }

    /// Lowest and highest level; `None` for a codec that has only one way.
    #[must_use]
    pub fn levels(self) -> Option<(u8, u8)> {
        match self {
            Codec::Gzip | Codec::Zlib | Codec::Deflate | Codec::Bz2 => Some((1, 9)),
            Codec::Zstd => Some((1, 22)),
            Codec::Lz4 => None,
            Codec::Brotli => Some((0, 11)),
            Codec::Xz => Some((0, 9)),
        }
    }

    /// Every spec of this codec in short, as in "gzip-1..9".
    #[must_use]
    pub fn names(self) -> String {
        match self.levels() {
            Some((low, high)) => format!("{}-{low}..{high}", self.name()),
            None => self.name().to_owned(),
        }
    }

    /// Name and version of the library inside; together with the spec they determine every size.
    #[must_use]
    pub fn library(self) -> (&'static str, String) {
        match self {
            Codec::Gzip | Codec::Zlib | Codec::Deflate => ("zlib", deflate::version()),
            Codec::Zstd => ("zstd", zstd::version()),
            Codec::Lz4 => ("lz4", lz4::version()),
            Codec::Brotli => ("brotli", brotli::version()),
            Codec::Xz => ("liblzma", xz::version()),
            Codec::Bz2 => ("libbz2-rs", bz2::version()),
        }
    }
}

/// A codec and its level, written as one token: "gzip-9".
///
/// # Examples
/// ```
/// let spec: zipfit::Spec = "gzip-9".parse()?;
/// assert_eq!(spec.to_string(), "gzip-9");
/// let refused = "gzip-0".parse::<zipfit::Spec>().unwrap_err();
/// assert_eq!(refused.to_string(), "compressor \"gzip-0\": level 0 stores without compressing; use 1-9");
/// # Ok::<(), zipfit::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Spec {
    codec: Codec,
    level: u8,
}

impl Spec {
    /// gzip at its highest level: what the paper scores with, and Python's default.
    pub const DEFAULT: Spec = Spec { codec: Codec::Gzip, level: 9 };

    /// zstd at its own default level: the quickest codec here that takes a large dictionary.
    pub const DEFAULT_DICTIONARY: Spec = Spec { codec: Codec::Zstd, level: 3 };

    /// The codec.
    #[must_use]
    pub fn codec(self) -> Codec {
        self.codec
    }

    /// The level; 0 for a codec without levels.
    #[must_use]
    pub fn level(self) -> u8 {
        self.level
    }

    /// The bytes that the container adds to level 9 of DEFLATE; `None` for another level or codec.
    pub(crate) fn level_9_frame_bytes(self) -> Option<u64> {
        match (self.codec, self.level) {
            (Codec::Gzip, 9) => Some(deflate::GZIP_FRAME_BYTES),
            (Codec::Zlib, 9) => Some(deflate::ZLIB_FRAME_BYTES),
            (Codec::Deflate, 9) => Some(0),
            _ => None,
        }
    }

    /// A compressor for one worker.
    #[must_use]
    pub fn compressor(self) -> Box<dyn Compressor> {
        let level = u32::from(self.level);
        match self.codec {
            Codec::Gzip => Box::new(deflate::Deflate::new(level, deflate::GZIP_FRAME_BYTES)),
            Codec::Zlib => Box::new(deflate::Deflate::new(level, deflate::ZLIB_FRAME_BYTES)),
            Codec::Deflate => Box::new(deflate::Deflate::new(level, 0)),
            Codec::Zstd => Box::new(zstd::Zstd::new(i32::from(self.level))),
            Codec::Lz4 => Box::new(lz4::Lz4::default()),
            Codec::Brotli => Box::new(brotli::Brotli::new(self.level)),
            Codec::Xz => Box::new(xz::Xz::new(level)),
            Codec::Bz2 => Box::new(bz2::Bz2::new(level)),
        }
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.codec.levels() {
            Some(_) => write!(f, "{}-{}", self.codec.name(), self.level),
            None => f.write_str(self.codec.name()),
        }
    }
}

impl FromStr for Spec {
    type Err = Error;

    fn from_str(spec: &str) -> Result<Spec> {
        let refuse = |why: String| Err(Error::parameter(format!("compressor {}{why}", quote(spec))));
        let (name, level) = spec.split_once('-').map_or((spec, None), |(name, level)| (name, Some(level)));
        let Some(codec) = CODECS.into_iter().find(|codec| codec.name() == name) else {
            let known: Vec<String> = CODECS.into_iter().map(Codec::names).collect();
            return refuse(format!(" is not known; use one of {}", known.join(", ")));
        };
        match (codec.levels(), level) {
            (None, None) => Ok(Spec { codec, level: 0 }),
            (None, Some(_)) => refuse(format!(": {name} has no levels here; write {name}")),
            (Some((low, high)), None) => {
                refuse(format!(": the level is missing; write {name}-{high}, or another of {low}-{high}"))
            }
            (Some((low, high)), Some(digits)) => match digits.parse::<u8>() {
                // "+9" and "09" parse as 9, but one level must have one name.
                Ok(level) if (low..=high).contains(&level) && level.to_string() == digits => Ok(Spec { codec, level }),
                Ok(0) if codec == Codec::Zstd => refuse(": level 0 means the default level; write zstd-3".to_owned()),
                Ok(0) if codec.library().0 == "zlib" => {
                    refuse(format!(": level 0 stores without compressing; use {low}-{high}"))
                }
                _ => refuse(format!(": {name} has levels {low} to {high}")),
            },
        }
    }
}

/// What one call of a streaming library did.
struct Step {
    /// Input bytes consumed.
    read: usize,
    /// Output bytes given.
    written: usize,
    /// Whether the stream is complete; only ever after the end was announced.
    ended: bool,
}

/// A streaming library in the middle of one text.
trait Encoder {
    /// Take some of `input`, give some output; `end` announces that no more input comes.
    fn step(&mut self, input: &[u8], output: &mut [u8], end: bool) -> Result<Step>;
}

/// Size of one text that comes in pieces; looks at the stop signal before every step.
fn streamed_size<'a>(
    encoder: &mut impl Encoder,
    pieces: impl Iterator<Item = &'a [u8]>,
    output: &mut [u8],
    control: &Control,
) -> Result<u64> {
    let mut size = 0;
    for mut piece in pieces {
        while !piece.is_empty() {
            control.check()?;
            let step = encoder.step(piece, output, false)?;
            piece = &piece[step.read..];
            size += step.written as u64;
        }
    }
    loop {
        control.check()?;
        let step = encoder.step(&[], output, true)?;
        size += step.written as u64;
        if step.ended {
            return Ok(size);
        }
    }
}

/// Cut a text into pieces of [`PIECE_BYTES`].
fn pieces(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.chunks(PIECE_BYTES)
}

/// What a step changed in a library's 64-bit counter.
fn advance(before: u64, after: u64) -> usize {
    // A step moves at most a buffer, so this fits on every platform.
    usize::try_from(after - before).unwrap_or(usize::MAX)
}

/// One buffer that holds several parts in a row.
#[derive(Default)]
struct Joined(Vec<u8>);

impl Joined {
    fn join<'a>(&'a mut self, parts: &[&'a [u8]]) -> &'a [u8] {
        if let [whole] = parts {
            whole
        } else {
            self.0.clear();
            for part in parts {
                self.0.extend_from_slice(part);
            }
            &self.0
        }
    }
}

/// What a library's version function gives, as a string.
#[expect(unsafe_code, reason = "C strings of libraries can be read in no other way")]
fn version_string(version: *const c_char) -> String {
    // SAFETY: callers pass the result of a version function of a linked library: a static, NUL-terminated string.
    unsafe { CStr::from_ptr(version) }.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(spec: &str, parts: &[&[u8]]) -> u64 {
        spec.parse::<Spec>().unwrap().compressor().compressed_size(parts, &Control::default()).unwrap()
    }

    fn all_specs() -> Vec<Spec> {
        let levels = |codec: Codec| codec.levels().map_or(0..=0, |(low, high)| low..=high);
        CODECS.into_iter().flat_map(|codec| levels(codec).map(move |level| Spec { codec, level })).collect()
    }

    fn sample(bytes: usize) -> Vec<u8> {
        // Text-like and deterministic: words of a small vocabulary picked by a linear congruential generator.
        let words: [&[u8]; 8] = [b"theorem ", b"lemma ", b"proof ", b"by ", b"simp ", b"rw [", b"] ", b"x + y\n"];
        let mut state = 1u32;
        let mut text = Vec::new();
        while text.len() < bytes {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            text.extend_from_slice(words[(state >> 24) as usize % 8]);
        }
        text.truncate(bytes);
        text
    }

    #[test]
    fn every_spec_is_read_back_as_it_is_written() {
        for spec in all_specs() {
            assert_eq!(spec.to_string().parse::<Spec>().unwrap(), spec);
        }
        assert_eq!(Spec::DEFAULT.to_string(), "gzip-9");
    }

    fn assert_parts_do_not_matter(spec: Spec, bytes: usize) {
        let text = sample(bytes);
        let mut compressor = spec.compressor();
        let mut size = |parts: &[&[u8]]| compressor.compressed_size(parts, &Control::default()).unwrap();
        let whole = size(&[&text]);
        let (head, tail) = text.split_at(bytes / 3);
        assert_eq!(size(&[head, tail]), whole, "{spec} on {bytes} bytes");
        assert_eq!(size(&[&text]), whole, "{spec} must not remember earlier texts");
    }

    #[test]
    fn a_text_in_two_parts_has_the_size_of_the_whole() {
        for spec in all_specs() {
            for bytes in [0, 1, 5, 1000] {
                assert_parts_do_not_matter(spec, bytes);
            }
        }
        for codec in CODECS {
            // Longer than a block of lz4, and than a piece; the lowest level, for speed.
            let spec = Spec { codec, level: codec.levels().map_or(0, |(low, _)| low) };
            assert_parts_do_not_matter(spec, 70_000);
            assert_parts_do_not_matter(spec, PIECE_BYTES + 10_000);
        }
    }

    #[test]
    fn seam_at_the_window_edge() {
        // x ends where zlib refills its window if it is given x and p one after the other. The 200 bytes repeated at
        // the farthest distance, 32,506, were then not found: 65,822 bytes for gzip's 65,816.
        let mut state = 2u32;
        let mut noise = |bytes: usize| -> Vec<u8> {
            std::iter::repeat_with(|| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .take(bytes)
            .collect()
        };
        for length in 65_530..65_537 {
            let mut x = noise(length);
            x.copy_within(32_768..32_968, 65_274);
            let p = noise(400);
            assert_eq!(size("gzip-9", &[&x, &p]), size("gzip-9", &[&[x, p].concat()]), "{length} bytes");
        }
    }

    #[test]
    fn frames_are_those_of_the_rfcs() {
        let text = sample(5000);
        assert_eq!(size("gzip-9", &[&text]), size("deflate-9", &[&text]) + 18);
        assert_eq!(size("zlib-9", &[&text]), size("deflate-9", &[&text]) + 6);
        assert_eq!(size("gzip-9", &[b""]), 20);
    }

    #[test]
    fn sizes_of_the_vendored_zlib_are_golden() {
        // Python 3.11: len(gzip.compress(text, level)) of the same text.
        let text = sample(20_000);
        let sizes: Vec<u64> = (1..=9).map(|level| size(&format!("gzip-{level}"), &[&text])).collect();
        assert_eq!(sizes, [3973, 3718, 3294, 3207, 3064, 2862, 2829, 2810, 2810]);
    }

    #[test]
    fn a_stop_signal_ends_a_long_text() {
        let control = Control::default();
        control.cancel();
        for spec in all_specs() {
            assert!(spec.compressor().compressed_size(&[&sample(1000)], &control).is_err(), "{spec}");
        }
    }

    #[test]
    fn refusals_say_what_to_write() {
        let message = |spec: &str| spec.parse::<Spec>().unwrap_err().to_string();
        assert_eq!(message("gzip-0"), "compressor \"gzip-0\": level 0 stores without compressing; use 1-9");
        assert_eq!(message("zstd-0"), "compressor \"zstd-0\": level 0 means the default level; write zstd-3");
        assert_eq!(message("gzip-10"), "compressor \"gzip-10\": gzip has levels 1 to 9");
        assert_eq!(message("bz2-0"), "compressor \"bz2-0\": bz2 has levels 1 to 9");
        assert_eq!(message("gzip-09"), "compressor \"gzip-09\": gzip has levels 1 to 9");
        assert_eq!(message("lz4-1"), "compressor \"lz4-1\": lz4 has no levels here; write lz4");
        assert_eq!(message("xz"), "compressor \"xz\": the level is missing; write xz-9, or another of 0-9");
        assert_eq!(
            message("snappy"),
            "compressor \"snappy\" is not known; use one of gzip-1..9, zlib-1..9, deflate-1..9, zstd-1..22, lz4, \
             brotli-0..11, xz-0..9, bz2-1..9"
        );
    }

    #[test]
    fn libraries_say_their_version() {
        for codec in CODECS {
            let (_, version) = codec.library();
            assert!(version.starts_with(|first: char| first.is_ascii_digit()), "{codec:?} {version}");
        }
    }
}
