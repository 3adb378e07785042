//! Words and bytes of a text, one after another.

use super::hashes::mix;

/// What a window is a number of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Word,
    Byte,
}

/// Lower case of the bytes of words; 0 for those that separate words.
const WORD_BYTES: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        // 0 to 255, as the condition of the loop says.
        let value = byte as u8;
        if value.is_ascii_alphanumeric() || !value.is_ascii() {
            table[byte] = value.to_ascii_lowercase();
        }
        byte += 1;
    }
    table
};

/// Call `each(hash, start, end)` for every word or byte.
pub(super) fn for_each_unit(unit: Unit, text: &[u8], mut each: impl FnMut(u64, usize, usize)) {
    if unit == Unit::Byte {
        for (at, &byte) in text.iter().enumerate() {
            each(mix(u64::from(byte) + 1), at, at + 1);
        }
        return;
    }
    let mut start = 0;
    while start < text.len() {
        // FNV-1a; the end of the text ends a word too.
        let mut hash = 0xcbf2_9ce4_8422_2325;
        let mut end = start;
        while let Some(letter) = text.get(end).map(|&byte| WORD_BYTES[usize::from(byte)]).filter(|&letter| letter != 0)
        {
            hash = (hash ^ u64::from(letter)).wrapping_mul(0x0100_0000_01b3);
            end += 1;
        }
        if end > start {
            each(mix(hash), start, end);
        }
        // The separator that ended it.
        start = end + 1;
    }
}

/// Whether a text starts with these words (in lower case, one space between), the last one not going on.
pub(super) fn starts_with_words(text: &[u8], words: &[u8]) -> bool {
    let letter = |at: usize| text.get(at).map_or(0, |&byte| WORD_BYTES[usize::from(byte)]);
    let mut at = 0;
    for &byte in words {
        if byte != b' ' {
            if letter(at) != byte {
                return false;
            }
            at += 1;
        } else if letter(at) == 0 {
            while at < text.len() && letter(at) == 0 {
                at += 1;
            }
        } else {
            return false;
        }
    }
    letter(at) == 0
}
