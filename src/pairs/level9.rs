//! What stock zlib does at level 9, as far as it decides sizes: the constants and the hash that the engine's files share.
//!
//! zlib looks for matches lazily: a match at a position is only taken if the next position has no longer one. The
//! earlier positions with the same hash of three bytes form a chain, nearest first, and a search takes the first
//! strictly longer match along it; so the longest wins, and the nearest among equals, unless the chain is cut short.
//! Position 0 of the stream marks the end of a chain and is never matched. Format: RFC 1951.

/// Shortest match, bytes (RFC 1951, section 3.2.5).
pub(super) const MIN_MATCH: usize = 3;

/// Longest match, bytes (RFC 1951, section 3.2.5). Also the length from which zlib neither searches on nor lazily
/// compares with the next position.
pub(super) const MAX_MATCH: usize = 258;

/// A match of three bytes from further away than this many bytes is dropped: its distance costs more than literals.
pub(super) const TOO_FAR: usize = 4096;

/// Candidates that one search looks at, at most.
pub(super) const MAX_CHAIN: usize = 4096;

/// The same where the match before, at the previous position, has [`GOOD_MATCH`] bytes or more.
pub(super) const SHORT_CHAIN: usize = MAX_CHAIN / 4;

/// Length from which a match at the previous position makes zlib search less.
pub(super) const GOOD_MATCH: usize = 32;

/// Longest joined text of the fast engine, bytes: up to here every earlier position is near enough to be matched
/// (the window of 32 KiB less the 262 bytes that zlib keeps to look ahead), and the window never moves.
pub(super) const MAX_JOINED: usize = 32_768 - 262;

/// Most tokens of the fast engine: at one more zlib may close the DEFLATE block and begin another.
pub(super) const MAX_TOKENS: usize = 16_382;

/// Number of hash values.
pub(super) const HASHES: usize = 1 << 15;

/// zlib's hash of the three bytes at `at`; different bytes can share one.
pub(super) fn hash(text: &[u8], at: usize) -> usize {
    let byte = |i: usize| usize::from(text[at + i]);
    (byte(0) << 10 ^ byte(1) << 5 ^ byte(2)) % HASHES
}

/// Candidates that zlib looks at when the match at the previous position has `before` bytes.
pub(super) fn chain_limit(before: usize) -> usize {
    if before >= GOOD_MATCH { SHORT_CHAIN } else { MAX_CHAIN }
}

/// Length of the common prefix, at most `most` bytes, of the texts at `a` and `b`; both must have that many.
pub(super) fn common_prefix(a: &[u8], b: &[u8], most: usize) -> usize {
    let (a, b) = (&a[..most], &b[..most]);
    let mut length = 0;
    while length + 8 <= most {
        let difference = eight_bytes(a, length) ^ eight_bytes(b, length);
        if difference != 0 {
            return length + (difference.trailing_zeros() / 8) as usize;
        }
        length += 8;
    }
    length + a[length..].iter().zip(&b[length..]).take_while(|(a, b)| a == b).count()
}

/// Eight bytes from `at` on as one number, the first lowest; 0 if there are no eight.
#[inline]
pub(super) fn eight_bytes(bytes: &[u8], at: usize) -> u64 {
    bytes[at..].first_chunk().map_or(0, |eight| u64::from_le_bytes(*eight))
}
