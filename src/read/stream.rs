//! The bytes of one file, decompressed as its suffix says, hashed as they lie on disk.
//!
//! `.gz` may have several members (RFC 1952), `.zst` several frames and windows of up to 2 GiB (RFC 8878); any other
//! suffix is read as it is. Memory: a buffer, and the decoder's window.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use flate2::bufread::MultiGzDecoder;
use sha2::{Digest, Sha256};

use super::files::changed;
use super::form::TextBy;
use crate::error::{Cause, Error, Result, Side, quote};
use crate::parallel::Control;
use crate::texts::hex;

/// Bytes asked of the file and of the decoder at once. Larger no longer helps a local disk; NFS likes 256 KiB up.
const BUFFER_BYTES: usize = 256 * 1024;

/// The largest window a .zst file may ask for, as a power of two: all that the format's `--ultra --long=31` writes.
const ZSTD_WINDOW_BITS: u32 = 31;

/// A byte-order mark, which some editors put at the start of a file; not part of any row.
pub(super) const BOM: &[u8] = b"\xef\xbb\xbf";

const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
const ZSTD_MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// Skippable frames, as pzstd writes them first, start with 0x184D2A5?, little-endian.
const ZSTD_SKIPPABLE: &[u8] = &[0x2a, 0x4d, 0x18];

/// A file being read from its start.
pub(super) struct Stream {
    path: PathBuf,
    side: Side,
    reader: Box<dyn BufRead + Send + Sync>,
    disk: Arc<Mutex<OnDisk>>,
    format: Format,
}

/// What reading a line has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LineRead {
    /// Bytes of the line with its terminator; 0 at the end of the file.
    pub(super) bytes: u64,
    pub(super) is_too_long: bool,
}

impl LineRead {
    pub(super) const END: LineRead = LineRead { bytes: 0, is_too_long: false };
}

/// What passed by on disk until now.
#[derive(Default)]
struct OnDisk {
    bytes: u64,
    hash: Sha256,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Plain,
    Gzip,
    Zstd,
}

impl Stream {
    pub(super) fn open(path: &Path, side: Side) -> Result<Stream> {
        let at = |error| Error::io(error, path);
        let file = File::open(path).map_err(at)?;
        let disk = Arc::<Mutex<OnDisk>>::default();
        let mut raw = BufReader::with_capacity(BUFFER_BYTES, Observed { file, disk: Arc::clone(&disk) });
        let format = Format::of(path);
        let reader: Box<dyn BufRead + Send + Sync> = match format {
            Format::Plain => Box::new(raw),
            Format::Gzip => {
                check_magic(&mut raw, path, "gzip", |start| start.starts_with(GZIP_MAGIC))?;
                Box::new(BufReader::with_capacity(BUFFER_BYTES, MultiGzDecoder::new(raw)))
            }
            Format::Zstd => {
                let known = |start: &[u8]| start.starts_with(ZSTD_MAGIC) || start.get(1..4) == Some(ZSTD_SKIPPABLE);
                check_magic(&mut raw, path, "zstd", known)?;
                let mut decoder = zstd::stream::read::Decoder::with_buffer(raw).map_err(at)?;
                decoder.window_log_max(ZSTD_WINDOW_BITS).map_err(at)?;
                Box::new(BufReader::with_capacity(BUFFER_BYTES, decoder))
            }
        };
        Ok(Stream { path: path.to_owned(), side, reader, disk, format })
    }

    /// A file that is read as it is, from `byte` on; of what is before nothing is known, so the hash is not the file's.
    pub(super) fn open_plain_at(path: &Path, side: Side, byte: u64) -> Result<Stream> {
        let at = |error| Error::io(error, path);
        let mut file = File::open(path).map_err(at)?;
        file.seek(SeekFrom::Start(byte)).map_err(at)?;
        let disk = Arc::<Mutex<OnDisk>>::default();
        let raw = BufReader::with_capacity(BUFFER_BYTES, Observed { file, disk: Arc::clone(&disk) });
        Ok(Stream { path: path.to_owned(), side, reader: Box::new(raw), disk, format: Format::Plain })
    }

    /// Whether the bytes on disk are those of the lines, so that a line can be sought.
    pub(super) fn is_plain(path: &Path) -> bool {
        Format::of(path) == Format::Plain
    }

    /// Append the next line with its `\n` (the last may have none), or, by document, all that is left.
    ///
    /// More than `limit` bytes are passed over; what is appended of them is of no use. `row` is the row that the line
    /// would be, for the message when the stream breaks inside it.
    pub(super) fn read_row(
        &mut self,
        line: &mut Vec<u8>,
        by: TextBy,
        limit: usize,
        row: u64,
        control: &Control,
    ) -> Result<LineRead> {
        let before = line.len();
        let mut read = LineRead::END;
        loop {
            let buffer = self.fill(row)?;
            let newline = if by == TextBy::Line { memchr::memchr(b'\n', buffer) } else { None };
            let piece = newline.map_or(buffer.len(), |at| at + 1);
            // Two bytes more for the terminator.
            if line.len() - before + piece > limit.saturating_add(2) {
                read.is_too_long = true;
            } else {
                line.extend_from_slice(&buffer[..piece]);
            }
            self.consume(piece);
            read.bytes += piece as u64;
            if newline.is_some() || piece == 0 {
                return Ok(read);
            }
            control.check()?;
        }
    }

    /// What comes next of the decompressed file, nothing at its end; `row` is the row that it belongs to.
    pub(super) fn fill(&mut self, row: u64) -> Result<&[u8]> {
        loop {
            match self.reader.fill_buf() {
                Ok(_) => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.broken(error, row)),
            }
        }
        // What was filled is there; only the end is looked for once more.
        self.reader.fill_buf().map_err(|error| Error::io(error, &self.path))
    }

    /// Go on behind so many bytes of what [`Stream::fill`] gave.
    pub(super) fn consume(&mut self, bytes: usize) {
        self.reader.consume(bytes);
    }

    /// At the start of a file: go on behind a byte-order mark, if there is one; gives its length.
    pub(super) fn pass_over_bom(&mut self, row: u64) -> Result<u64> {
        let mut start = Vec::with_capacity(BOM.len());
        while start.len() < BOM.len() {
            let buffer = self.fill(row)?;
            let piece = buffer.len().min(BOM.len() - start.len());
            if piece == 0 {
                break;
            }
            start.extend_from_slice(&buffer[..piece]);
            self.consume(piece);
        }
        if start == BOM {
            return Ok(BOM.len() as u64);
        }
        let rest = std::mem::replace(&mut self.reader, Box::new(io::empty()));
        self.reader = Box::new(io::Cursor::new(start).chain(rest));
        Ok(0)
    }

    /// Pass over `bytes` of the decompressed file; `row` is the row that follows them.
    pub(super) fn skip(&mut self, mut bytes: u64, row: u64, control: &Control) -> Result<()> {
        while bytes > 0 {
            control.check()?;
            let piece = bytes.min(self.fill(row)?.len() as u64);
            if piece == 0 {
                return Err(changed(&self.path));
            }
            self.consume(piece as usize);
            bytes -= piece;
        }
        Ok(())
    }

    pub(super) fn read_exact(&mut self, bytes: &mut [u8]) -> Result<()> {
        self.reader.read_exact(bytes).map_err(|error| Error::io(error, &self.path))
    }

    /// Bytes on disk read until now.
    pub(super) fn bytes_on_disk(&self) -> u64 {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner).bytes
    }

    /// Size and SHA-256 of the file on disk; to be asked at the end.
    pub(super) fn finish(self) -> (u64, String) {
        let disk = self.disk.lock().unwrap_or_else(PoisonError::into_inner);
        (disk.bytes, hex(&disk.hash.clone().finalize()))
    }

    fn broken(&self, error: io::Error, row: u64) -> Error {
        let name = match self.format {
            _ if error.raw_os_error().is_some() => return Error::io(error, &self.path),
            Format::Plain => return Error::io(error, &self.path),
            Format::Gzip => "gzip",
            Format::Zstd => "zstd",
        };
        let cause = if error.kind() == io::ErrorKind::UnexpectedEof {
            Cause::Truncated(format!("stream ends inside row {row}; the file is cut off, get a whole copy"))
        } else {
            Cause::BadRow(format!("corrupt {name} data inside row {row} ({error}); get a whole copy"))
        };
        Error::new(cause).with_path(&self.path).with_row(self.side, row)
    }
}

impl Format {
    fn of(path: &Path) -> Format {
        match path.extension().and_then(|suffix| suffix.to_str()) {
            Some("gz") => Format::Gzip,
            Some("zst") => Format::Zstd,
            _ => Format::Plain,
        }
    }
}

fn check_magic(raw: &mut impl BufRead, path: &Path, name: &str, known: impl Fn(&[u8]) -> bool) -> Result<()> {
    let start = raw.fill_buf().map_err(|error| Error::io(error, path))?;
    if known(start) {
        return Ok(());
    }
    let shown = if start.is_empty() {
        "it is empty".to_owned()
    } else {
        format!("it starts with {}", quote(&String::from_utf8_lossy(&start[..start.len().min(8)])))
    };
    Err(Error::bad_row(format!("not a {name} file: {shown}; rename it or compress it")).with_path(path))
}

/// A file that counts and hashes what is read from it.
struct Observed {
    file: File,
    disk: Arc<Mutex<OnDisk>>,
}

impl Read for Observed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        let mut disk = self.disk.lock().unwrap_or_else(PoisonError::into_inner);
        disk.bytes += read as u64;
        disk.hash.update(&buffer[..read]);
        Ok(read)
    }
}
