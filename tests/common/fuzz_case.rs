//! A fuzzer's input, read as one source and some targets, and what must hold of them.
//!
//! The bytes are instructions, not texts: a short input reaches texts beyond the window, and what a fuzzer does to its
//! inputs (cut, repeat, change a byte) changes texts in ways that matter to a compressor. Each instruction appends to
//! the text at hand; the first text is the source, the others are targets:
//!
//! | opcode % 6 | appends | operands |
//! |---|---|---|
//! | 0 | the next bytes of the input, opcode / 6 + 1 of them | |
//! | 1 | a copy from within this text, which may overlap itself as in LZ77 | length, distance |
//! | 2 | a piece of an earlier text | length, which text, from where |
//! | 3 | noise of equally frequent letters | length, seed, number of letters |
//! | 4 | noise whose letters are each half as frequent as the one before | length, seed |
//! | 5 | nothing: the text ends here and a new one begins | |
//!
//! A length is the next byte + 1, doubled opcode / 48 times, so that most are short and the longest is 8,192. Other
//! numbers are one byte or, for places, two (little-endian). Every input is a case: where it ends early zeros are
//! read, where a number is too large it is cut or wrapped.

use flate2::{Compress, Compression, FlushCompress, Status};
use zipfit::pairs::{Engine, Pairs};
use zipfit::{Control, Spec, Texts};

/// Longest text in bytes: a bit more than zlib's window of 32,768.
const TEXT_BYTES: usize = 34_000;

/// Most bytes of all joined texts together, |x| + |p| summed over the targets p. It bounds the time of a case: some
/// milliseconds, or 0.1 s for texts made to slow zlib down. Four of the longest texts fit in.
const JOINED_BYTES: usize = 150_000;

/// Most targets: more than two batches of sixteen, so that full and unfull ones occur.
const TARGETS: usize = 40;

/// Bytes of gzip's frame (RFC 1952: 10 before the DEFLATE stream, 8 after it).
const GZIP_FRAME_BYTES: u64 = 18;

/// One source and at least one target.
#[derive(Debug)]
pub struct Case {
    pub source: Vec<u8>,
    pub target: Vec<Vec<u8>>,
}

impl Case {
    /// Follow the instructions.
    pub fn decode(input: &[u8]) -> Case {
        let mut input = Input(input);
        let mut texts = vec![Vec::new()];
        let mut room = TEXT_BYTES;
        while let Some(opcode) = input.next() {
            let (instruction, high) = (opcode % 6, usize::from(opcode / 6));
            if instruction == 5 {
                let source_bytes = texts[0].len();
                let joined_bytes: usize = texts[1..].iter().map(|p| source_bytes + p.len()).sum();
                let left = JOINED_BYTES.saturating_sub(joined_bytes);
                if texts.len() > TARGETS || left < source_bytes {
                    break;
                }
                texts.push(Vec::new());
                room = TEXT_BYTES.min(left - source_bytes);
                continue;
            }
            let piece = input.piece(instruction, high, &texts);
            let text = texts.last_mut().expect("the source is always there");
            match piece {
                Piece::Bytes(bytes) => text.extend(bytes.iter().take(room - text.len())),
                Piece::Copy { distance, length } => copy(text, distance, length.min(room - text.len())),
            }
        }
        let source = texts.remove(0);
        if texts.is_empty() {
            texts.push(Vec::new());
        }
        Case { source, target: texts }
    }

    /// Compare every size by both forms of the fast engine with that of zlib, which is given each joined text whole.
    ///
    /// # Panics
    /// When one differs.
    pub fn check(&self) {
        let source_size = gzip_size(&self.source);
        let joint: Vec<u64> = self.target.iter().map(|p| gzip_size(&[&self.source[..], p].concat())).collect();
        let control = Control::default();
        for engine in [Engine::Fast, Engine::Portable] {
            let target = Texts::from_iter(&self.target);
            let pairs = Pairs::prepare_with(engine, target, Spec::DEFAULT, 1, &control).expect("a target");
            let mut worker = pairs.worker();
            let mut sizes = vec![0; joint.len()];
            // A row before it, so that what a worker keeps from row to row is not all zeros.
            worker.row(&self.target[0], &mut sizes, &control).expect("nobody cancels");
            assert_eq!(worker.row(&self.source, &mut sizes, &control).expect("nobody cancels"), source_size);
            assert_eq!(sizes, joint, "{engine:?}, x of {} bytes", self.source.len());
        }
    }
}

/// What an instruction appends.
enum Piece {
    Bytes(Vec<u8>),
    Copy { distance: usize, length: usize },
}

/// The instructions not read yet.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn next(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    fn byte(&mut self) -> usize {
        usize::from(self.next().unwrap_or(0))
    }

    fn place(&mut self) -> usize {
        self.byte() + 256 * self.byte()
    }

    /// Read the operands of an instruction that appends something.
    fn piece(&mut self, instruction: u8, high: usize, texts: &[Vec<u8>]) -> Piece {
        if instruction == 0 {
            let (literal, rest) = self.0.split_at(self.0.len().min(high + 1));
            self.0 = rest;
            return Piece::Bytes(literal.to_vec());
        }
        let length = (self.byte() + 1) << (high / 8);
        match instruction {
            1 => Piece::Copy { distance: self.place(), length },
            2 => {
                let text = &texts[self.byte() % texts.len()];
                let from = self.place() % (text.len() + 1);
                Piece::Bytes(text[from..].iter().take(length).copied().collect())
            }
            3 => {
                let (seed, letters) = (self.byte(), self.byte() as u32 + 1);
                Piece::Bytes(noise(seed).take(length).map(|random| (random % letters) as u8).collect())
            }
            _ => {
                let seed = self.byte();
                Piece::Bytes(noise(seed).take(length).map(|random| random.trailing_zeros() as u8).collect())
            }
        }
    }
}

/// Append `length` bytes that lie `distance` back, as a decompressor would.
fn copy(text: &mut Vec<u8>, distance: usize, length: usize) {
    if text.is_empty() {
        return;
    }
    let distance = distance % text.len() + 1;
    for _ in 0..length {
        text.push(text[text.len() - distance]);
    }
}

/// Random numbers of 24 bits: a linear congruential generator with the constants of Numerical Recipes, its low bits
/// left out because their periods are short.
fn noise(seed: usize) -> impl Iterator<Item = u32> {
    let mut state = seed as u32;
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state >> 8
    })
}

/// C(text) by zlib itself, in one call.
fn gzip_size(text: &[u8]) -> u64 {
    let mut stream = Compress::new(Compression::best(), false);
    // A stored DEFLATE block costs 5 bytes in 16 KiB at most.
    let mut output = Vec::with_capacity(text.len() + text.len() / 1000 + 64);
    let status = stream.compress_vec(text, &mut output, FlushCompress::Finish);
    assert_eq!(status.expect("zlib compresses everything"), Status::StreamEnd);
    output.len() as u64 + GZIP_FRAME_BYTES
}
