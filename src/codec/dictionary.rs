//! Sizes against a dictionary: what is left to say of a text to one who has read another text before.
//!
//! Two codecs take a dictionary of plain text. zstd digests it once (a `CDict`: the text and the tables of its
//! positions), and all threads share that. DEFLATE has nothing to share: each row reads the dictionary anew, up to
//! 32 KiB of it. Frames are bare (no content size, no checksum, no dictionary id), so that nothing but the text decides
//! a size. Sizes equal those of Python's `zstandard` and `zlib`, see `docs/codecs.md`.
//!
//! Cost: zstd about one compression of the text a dictionary (at level 3 a row of 1.2 kB takes 12 us alone and 15 us
//! against 55 kB), whatever the dictionary's length; preparing 5 us a kilobyte at level 3, 0.1 ms at level 19. DEFLATE
//! one compression and some 3 us a kilobyte of dictionary. Which texts make a dictionary is the business of
//! [`dictionary`](crate::dictionary).

use std::fmt;
use std::iter::once;

use flate2::{Compress, Compression};
use zstd::zstd_safe::{CCtx, CDict, CParameter, ErrorCode, compress_bound, get_error_name};

use super::{CODECS, Codec, OUTPUT_BYTES, Spec, streamed_size};
use crate::error::{Error, Result, quote};
use crate::parallel::Control;

/// Longest dictionary of zstd from level 2 on, in bytes: 128 KiB. It is what all these levels index wholly (level 2 no
/// more than this, level 3 512 KiB, higher ones 1 MiB and more), and raising it buys nothing: with 1 MiB of rows of one
/// kind as the target, rows of that kind were told from others (area under the ROC curve; Lean 4, docstrings,
/// books) 0.995, 0.950, 0.964 of the time by dictionaries of 128 KiB at level 3, 0.993, 0.946, 0.966 by 256 KiB, 0.987,
/// 0.938, 0.965 by 512 KiB and 0.990, 0.933, 0.963 by one of 1 MiB, in whose tables late text pushes out early text.
/// At levels 5, 9 and 19 the four are within 0.006 (Lean 4, books). Lowering it costs time: a row is compressed as many
/// times as there are dictionaries.
const ZSTD_BYTES: usize = 128 * 1024;

/// The same at level 1, in bytes: it indexes no more of a dictionary of up to 128 KiB, and what stands before the last
/// 64 KiB of a longer one saves nothing (0.10 of a text's own size instead of 0.95).
const ZSTD_1_BYTES: usize = 64 * 1024;

/// Longest dictionary of DEFLATE, in bytes: the farthest that zlib looks back, its window less the 262 bytes that it
/// looks ahead. The first bytes of a longer one are seen by no byte of a text.
const DEFLATE_BYTES: usize = 32 * 1024 - 262;

/// zlib's window in bytes: what it takes of a dictionary, from the end.
const WINDOW_BYTES: usize = 32 * 1024;

/// How a dictionary in zstd's own format begins; a plain text that begins so would be taken for one. Never UTF-8.
const ZSTD_MAGIC: [u8; 4] = [0x37, 0xA4, 0x30, 0xEC];

/// From this many bytes of text on, if the text is also [`REDIGESTED_TIMES`] as long as the dictionary, zstd lays a
/// shared dictionary aside and indexes it anew, by tables made for the text (`ZSTD_compressBegin_internal`). It does
/// not do so, and sizes differ a little, with a dictionary that a context has loaded for itself, as in Python.
const REDIGESTED_BYTES: usize = 128 * 1024;

/// See [`REDIGESTED_BYTES`].
const REDIGESTED_TIMES: usize = 6;

impl Spec {
    /// Longest dictionary in bytes that this codec sees all of and sorts texts well by; `None` if it takes none.
    #[must_use]
    pub fn dictionary_bytes(self) -> Option<usize> {
        match (self.codec, self.level) {
            (Codec::Deflate, _) => Some(DEFLATE_BYTES),
            (Codec::Zstd, 1) => Some(ZSTD_1_BYTES),
            (Codec::Zstd, _) => Some(ZSTD_BYTES),
            _ => None,
        }
    }
}

/// Texts prepared as dictionaries; shared by all threads.
pub struct Dictionaries {
    spec: Spec,
    prepared: Prepared,
}

enum Prepared {
    Zstd(Vec<Digest>),
    Deflate(Vec<Vec<u8>>),
}

/// A dictionary as zstd wants it for most texts, and the text itself for the others.
struct Digest {
    shared: CDict<'static>,
    text: Vec<u8>,
}

impl Dictionaries {
    /// No dictionary yet.
    ///
    /// # Errors
    /// [`Cause::Parameter`](crate::error::Cause::Parameter) for a codec that takes none.
    pub fn new(spec: Spec) -> Result<Dictionaries> {
        let prepared = match spec.codec {
            Codec::Zstd => Prepared::Zstd(Vec::new()),
            Codec::Deflate => Prepared::Deflate(Vec::new()),
            _ => {
                let taking = CODECS.into_iter().filter(|codec| matches!(codec, Codec::Zstd | Codec::Deflate));
                let names: Vec<String> = taking.map(Codec::names).collect();
                let (spec, names) = (quote(&spec.to_string()), names.join(" or "));
                let message =
                    format!("compressor {spec} takes no dictionary, which metric \"gain\" needs; use {names}");
                return Err(Error::parameter(message));
            }
        };
        Ok(Dictionaries { spec, prepared })
    }

    /// Prepare one more.
    ///
    /// # Errors
    /// [`Cause::BadRow`](crate::error::Cause::BadRow) for a text that zstd would take for something else.
    pub fn push(&mut self, text: Vec<u8>) -> Result<()> {
        match &mut self.prepared {
            Prepared::Zstd(digests) => {
                if text.starts_with(&ZSTD_MAGIC) {
                    let message = "begins with the bytes 37 A4 30 EC, which mark a dictionary in zstd's own format; \
                                   leave it out, or use compressor deflate-9";
                    return Err(Error::bad_row(message));
                }
                let shared = CDict::try_create(&text, i32::from(self.spec.level));
                let failed = || Error::internal(format!("zstd cannot prepare a dictionary of {} bytes", text.len()));
                digests.push(Digest { shared: shared.ok_or_else(failed)?, text });
            }
            Prepared::Deflate(texts) => texts.push(text[text.len().saturating_sub(WINDOW_BYTES)..].to_vec()),
        }
        Ok(())
    }

    /// The codec and level.
    #[must_use]
    pub fn spec(&self) -> Spec {
        self.spec
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.prepared {
            Prepared::Zstd(digests) => digests.len(),
            Prepared::Deflate(texts) => texts.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The scratch of one thread: what it keeps for all its texts.
    ///
    /// # Errors
    /// [`Cause::Internal`](crate::error::Cause::Internal) if the library fails.
    pub fn worker(&self) -> Result<DictionaryWorker<'_>> {
        Ok(DictionaryWorker(match &self.prepared {
            Prepared::Zstd(digests) => Worker::Zstd(ZstdWorker::new(self.spec.level, digests)?),
            Prepared::Deflate(texts) => Worker::Deflate(DeflateWorker::new(self.spec.level, texts)),
        }))
    }
}

impl fmt::Debug for Dictionaries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dictionaries({}, {})", self.spec, self.len())
    }
}

/// Compresses texts alone and against each of [`Dictionaries`]; one a thread.
pub struct DictionaryWorker<'a>(Worker<'a>);

enum Worker<'a> {
    Zstd(ZstdWorker<'a>),
    Deflate(DeflateWorker<'a>),
}

impl DictionaryWorker<'_> {
    /// C(text) as the result, C(text | dictionary d) in `against[d]`, all in bytes.
    ///
    /// # Errors
    /// [`Cause::Interrupted`](crate::error::Cause::Interrupted) soon after a stop signal (zstd finishes a compression
    /// first); [`Cause::Internal`](crate::error::Cause::Internal) if the library fails.
    pub fn row(&mut self, text: &[u8], against: &mut [u64], control: &Control) -> Result<u64> {
        match &mut self.0 {
            Worker::Zstd(worker) => worker.row(text, against, control),
            Worker::Deflate(worker) => worker.row(text, against, control),
        }
    }
}

struct ZstdWorker<'a> {
    level: u8,
    digests: &'a [Digest],
    // Two contexts, so that neither has to make room for the other's tables.
    alone: CCtx<'static>,
    against: CCtx<'a>,
    output: Vec<u8>,
}

impl<'a> ZstdWorker<'a> {
    fn new(level: u8, digests: &'a [Digest]) -> Result<ZstdWorker<'a>> {
        Ok(ZstdWorker {
            level,
            digests,
            alone: bare_context(level)?,
            against: bare_context(level)?,
            output: Vec::new(),
        })
    }

    fn row(&mut self, text: &[u8], against: &mut [u64], control: &Control) -> Result<u64> {
        self.output.clear();
        self.output.reserve(compress_bound(text.len()));
        for (digest, size) in self.digests.iter().zip(against) {
            control.check()?;
            *size = if digest.is_laid_aside_for(text) {
                let mut context = bare_context(self.level)?;
                context.load_dictionary(&digest.text).map_err(failed)?;
                context.compress2(&mut self.output, text).map_err(failed)?
            } else {
                self.against.ref_cdict(&digest.shared).map_err(failed)?;
                self.against.compress2(&mut self.output, text).map_err(failed)?
            } as u64;
        }
        control.check()?;
        Ok(self.alone.compress2(&mut self.output, text).map_err(failed)? as u64)
    }
}

impl Digest {
    /// Whether zstd would not use the shared tables for this text; nor does it for an empty dictionary.
    fn is_laid_aside_for(&self, text: &[u8]) -> bool {
        let long = text.len() >= REDIGESTED_BYTES && text.len() / REDIGESTED_TIMES >= self.text.len();
        long || self.text.is_empty()
    }
}

/// A context that gives frames of nothing but the text.
fn bare_context<'a>(level: u8) -> Result<CCtx<'a>> {
    let mut context = CCtx::create();
    let level = CParameter::CompressionLevel(i32::from(level));
    let (size, checksum, id) = (CParameter::ContentSizeFlag, CParameter::ChecksumFlag, CParameter::DictIdFlag);
    for parameter in [level, size(false), checksum(false), id(false)] {
        context.set_parameter(parameter).map_err(failed)?;
    }
    Ok(context)
}

fn failed(code: ErrorCode) -> Error {
    Error::internal(format!("zstd failed: {}", get_error_name(code)))
}

struct DeflateWorker<'a> {
    texts: &'a [Vec<u8>],
    stream: Compress,
    output: Box<[u8]>,
}

impl<'a> DeflateWorker<'a> {
    fn new(level: u8, texts: &'a [Vec<u8>]) -> DeflateWorker<'a> {
        let stream = Compress::new(Compression::new(u32::from(level)), false);
        DeflateWorker { texts, stream, output: vec![0; OUTPUT_BYTES].into() }
    }

    fn row(&mut self, text: &[u8], against: &mut [u64], control: &Control) -> Result<u64> {
        // The text goes in uncut: behind a dictionary there is no place where a cut is sure not to show (deflate.rs).
        // A stop signal is looked at whenever the output is full.
        for (dictionary, size) in self.texts.iter().zip(against) {
            self.stream.reset();
            let set = self.stream.set_dictionary(dictionary);
            set.map_err(|error| Error::internal(format!("zlib failed: {error}")))?;
            *size = streamed_size(&mut self.stream, once(text), &mut self.output, control)?;
        }
        self.stream.reset();
        streamed_size(&mut self.stream, once(text), &mut self.output, control)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(name: &str) -> Spec {
        name.parse().unwrap()
    }

    fn dictionaries(name: &str, texts: &[&[u8]]) -> Dictionaries {
        let mut dictionaries = Dictionaries::new(spec(name)).unwrap();
        for text in texts {
            dictionaries.push(text.to_vec()).unwrap();
        }
        dictionaries
    }

    fn sizes(dictionaries: &Dictionaries, text: &[u8]) -> (u64, Vec<u64>) {
        let mut against = vec![0; dictionaries.len()];
        let alone = dictionaries.worker().unwrap().row(text, &mut against, &Control::default()).unwrap();
        (alone, against)
    }

    /// Bytes without repeats.
    fn noise(bytes: usize) -> Vec<u8> {
        let mut state = 1u32;
        let byte = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        std::iter::repeat_with(byte).take(bytes).collect()
    }

    #[test]
    fn a_text_that_the_dictionary_holds_costs_next_to_nothing() {
        let text = noise(2000);
        for name in ["zstd-1", "zstd-3", "zstd-19", "deflate-1", "deflate-9"] {
            let (alone, against) = sizes(&dictionaries(name, &[b"something else", &noise(4000)]), &text);
            assert!(alone >= 2000, "{name}");
            assert_eq!(against[0], alone, "{name}");
            assert!(against[1] < 60, "{name} {against:?}");
        }
    }

    #[test]
    fn frames_of_zstd_are_bare() {
        // Magic number 4, descriptor and window 2, block header 3.
        assert_eq!(sizes(&dictionaries("zstd-3", &[b"a dictionary"]), b"x"), (10, vec![10]));
    }

    #[test]
    fn a_size_does_not_depend_on_the_texts_before_it() {
        let long = noise(5000).repeat(40);
        for name in ["zstd-3", "zstd-19", "deflate-6"] {
            let dictionaries = dictionaries(name, &[&noise(3000), b"", b"short"]);
            let mut worker = dictionaries.worker().unwrap();
            for text in [&long[..], b"short", &long[..3000], &long, b"x"] {
                let mut against = vec![0; 3];
                let alone = worker.row(text, &mut against, &Control::default()).unwrap();
                assert_eq!((alone, against), sizes(&dictionaries, text), "{name}");
            }
        }
    }

    #[test]
    fn the_longest_dictionary_is_seen_from_its_first_byte() {
        for name in ["zstd-1", "zstd-2", "zstd-3", "zstd-22", "deflate-9"] {
            let text = noise(spec(name).dictionary_bytes().unwrap());
            let (alone, against) = sizes(&dictionaries(name, &[&text]), &text[..300]);
            assert!(against[0] < alone / 4, "{name} {alone} {against:?}");
        }
    }

    #[test]
    fn a_shared_dictionary_gives_other_sizes_from_exactly_where_it_is_laid_aside() {
        // The reason for `is_laid_aside_for`, and the places of its two bounds.
        let words: Vec<u8> =
            (0..60_000u32).flat_map(|i| format!("{} ", i.wrapping_mul(2_654_435_761) >> 20).into_bytes()).collect();
        let differ = |text: &[u8], dictionary: &[u8]| {
            let dictionaries = dictionaries("zstd-3", &[dictionary]);
            let Prepared::Zstd(digests) = &dictionaries.prepared else { panic!("not zstd") };
            let mut output = Vec::with_capacity(compress_bound(text.len()));
            let mut size = |context: &mut CCtx| context.compress2(&mut output, text).unwrap();
            let mut shared = bare_context(3).unwrap();
            shared.ref_cdict(&digests[0].shared).unwrap();
            let mut loaded = bare_context(3).unwrap();
            loaded.load_dictionary(dictionary).unwrap();
            (digests[0].is_laid_aside_for(text), size(&mut shared) != size(&mut loaded))
        };
        let (bytes, long) = (REDIGESTED_BYTES, REDIGESTED_BYTES / REDIGESTED_TIMES + 1);
        let (text, dictionary) = words.split_at(200_000);
        assert_eq!(differ(&text[..bytes - 1], &dictionary[..3000]), (false, false));
        assert_eq!(differ(&text[..bytes], &dictionary[..3000]), (true, true));
        assert_eq!(differ(&text[..long * REDIGESTED_TIMES], &dictionary[..long]), (true, true));
        assert_eq!(differ(&text[..long * REDIGESTED_TIMES - 1], &dictionary[..long]), (false, false));
    }

    #[test]
    fn a_codec_without_dictionaries_is_refused_with_those_that_have_them() {
        assert_eq!(
            Dictionaries::new(Spec::DEFAULT).unwrap_err().to_string(),
            "compressor \"gzip-9\" takes no dictionary, which metric \"gain\" needs; use deflate-1..9 or zstd-1..22"
        );
        for codec in CODECS {
            let spec = Spec { codec, level: 9 };
            assert_eq!(Dictionaries::new(spec).is_ok(), spec.dictionary_bytes().is_some(), "{spec}");
        }
    }

    #[test]
    fn a_text_that_zstd_would_misread_is_refused() {
        let text = [&ZSTD_MAGIC[..], b" and more"].concat();
        let error = Dictionaries::new(spec("zstd-3")).unwrap().push(text.clone()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "begins with the bytes 37 A4 30 EC, which mark a dictionary in zstd's own format; leave it out, or use \
             compressor deflate-9"
        );
        Dictionaries::new(spec("deflate-9")).unwrap().push(text).unwrap();
    }
}
