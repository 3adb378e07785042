//! JSON as it lies in a row: the raw values of wanted keys, and what a message says of the others.
//!
//! Unwanted values are checked for syntax (RFC 8259) without recursion and without being built, so that any depth of
//! nesting is fine. A key that comes twice counts with its last value, as in Python's `json`. Cost: two passes over a
//! wanted value, one over everything else. All pieces are borrowed from the row, so that an error knows its offset.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::error::{Cause, Error, Result, quote};

/// An error, and the offset in its row where it was found.
pub(super) type Fault = (Error, usize);

/// Keys shown when a field is missing. Arbitrary: more do not fit a line.
const SHOWN_KEYS: usize = 8;

/// The row as text.
pub(super) fn utf8(row: &[u8]) -> Result<&str, Fault> {
    std::str::from_utf8(row).map_err(|error| {
        let at = error.valid_up_to();
        let message = format!("invalid UTF-8 (byte 0x{:02x}); convert the file to UTF-8", row[at]);
        (Error::new(Cause::InvalidText(message)), at)
    })
}

/// The raw values of `keys` in the object that `row` is; the whole row is checked.
pub(super) fn row_members<'a>(row: &'a str, keys: &[impl AsRef<str>]) -> Result<Vec<Option<&'a RawValue>>, Fault> {
    // Leading blanks are JSON's own four; what follows tells an object from the rest.
    let start = row.trim_start_matches([' ', '\t', '\r', '\n']);
    if !start.starts_with('{') {
        let offset = row.len() - start.len();
        let why = match start.as_bytes().first() {
            Some(b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n') => kind(start),
            _ => "something else",
        };
        return Err((Error::bad_row(format!("expected a JSON object, got {why}")), offset));
    }
    members(row, row, keys)
}

/// The raw values of `keys` in `object`, a piece of `row`.
pub(super) fn members<'a>(
    row: &str,
    object: &'a str,
    keys: &[impl AsRef<str>],
) -> Result<Vec<Option<&'a RawValue>>, Fault> {
    let mut json = serde_json::Deserializer::from_str(object);
    let values = Members { keys }.deserialize(&mut json).and_then(|values| json.end().map(|()| values));
    values.map_err(|error| syntax(row, object, &error))
}

/// The raw values in `array`, a piece of `row`.
pub(super) fn elements<'a>(row: &str, array: &'a str) -> Result<Vec<&'a RawValue>, Fault> {
    serde_json::from_str(array).map_err(|error| syntax(row, array, &error))
}

/// The first keys of an object, quoted: enough to see which one was meant.
pub(super) fn shown_keys(object: &str) -> Vec<String> {
    serde_json::from_str::<Keys>(object).map_or_else(|_| Vec::new(), |Keys(keys)| keys)
}

/// The characters of `raw`, a JSON string of valid syntax that is a piece of `row`.
///
/// What can still fail is an escaped surrogate without its other half.
pub(super) fn string<'a>(row: &str, raw: &'a str, name: impl FnOnce() -> String) -> Result<Cow<'a, str>, Fault> {
    if !raw.contains('\\') {
        return Ok(Cow::Borrowed(&raw[1..raw.len() - 1]));
    }
    serde_json::from_str(raw).map(Cow::Owned).map_err(|_| {
        let at = lone_surrogate(raw);
        let escape = raw.get(at..at + 6).unwrap_or_default();
        let message = format!("lone surrogate {escape} in field {}; it stands for no character", quote(&name()));
        (Error::new(Cause::InvalidText(message)), offset_in(row, raw) + at)
    })
}

/// The fault that `raw`, a piece of `row` that is of no use, is not what was expected.
pub(super) fn unexpected(row: &str, raw: &str, name: &str, expected: &str) -> Fault {
    let message = format!("field {} is {}, expected {expected}", quote(name), kind(raw));
    // null is a missing value, another type a mistake in the choice of the field.
    let cause = if raw == "null" { Cause::BadRow(message) } else { Cause::TextType(message) };
    (Error::new(cause), offset_in(row, raw))
}

/// What a JSON value is, by its first character, with its article.
pub(super) fn kind(raw: &str) -> &'static str {
    match raw.as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') if is_empty_array(raw) => "an empty array",
        Some(b'[') => "an array",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    }
}

/// Whether a JSON value of valid syntax is an array without elements.
pub(super) fn is_empty_array(raw: &str) -> bool {
    raw.strip_prefix('[').is_some_and(|rest| rest.trim_ascii_start().starts_with(']'))
}

/// Where `piece` of `row` begins in it.
pub(super) fn offset_in(row: &str, piece: &str) -> usize {
    piece.as_ptr() as usize - row.as_ptr() as usize
}

fn syntax(row: &str, piece: &str, error: &serde_json::Error) -> Fault {
    let message = error.to_string();
    let message = message.split(" at line ").next().unwrap_or_default();
    let offset = offset_in(row, piece) + error.column().saturating_sub(1);
    (Error::bad_row(format!("invalid JSON: {message}")), offset)
}

/// A key without a copy of it, if it has no escapes.
#[derive(serde::Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

struct Members<'k, K> {
    keys: &'k [K],
}

impl<'de, K: AsRef<str>> DeserializeSeed<'de> for Members<'_, K> {
    type Value = Vec<Option<&'de RawValue>>;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, K: AsRef<str>> Visitor<'de> for Members<'_, K> {
    type Value = Vec<Option<&'de RawValue>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut values = vec![None; self.keys.len()];
        while let Some(Key(found)) = map.next_key()? {
            if self.keys.iter().any(|key| *key.as_ref() == *found) {
                let value = map.next_value()?;
                // One key may be wanted twice, as text and as id.
                for (key, slot) in self.keys.iter().zip(&mut values) {
                    if *key.as_ref() == *found {
                        *slot = Some(value);
                    }
                }
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(values)
    }
}

struct Keys(Vec<String>);

impl<'de> serde::Deserialize<'de> for Keys {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Keys, D::Error> {
        struct KeysVisitor;
        impl<'de> Visitor<'de> for KeysVisitor {
            type Value = Keys;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
                let mut keys = Vec::new();
                while let Some((Key(key), IgnoredAny)) = map.next_entry()? {
                    if keys.len() < SHOWN_KEYS {
                        keys.push(quote(&key));
                    }
                }
                Ok(Keys(keys))
            }
        }
        deserializer.deserialize_map(KeysVisitor)
    }
}

/// Offset of the first escaped surrogate without its other half in a JSON string of valid syntax.
fn lone_surrogate(raw: &str) -> usize {
    let unit = |at: usize| raw.get(at + 2..at + 6).and_then(|digits| u16::from_str_radix(digits, 16).ok());
    let is_escape = |at: usize| raw.get(at..at + 2) == Some("\\u");
    let mut at = 0;
    while let Some(found) = raw.get(at..).and_then(|rest| rest.find('\\')) {
        at += found;
        match unit(at).filter(|_| is_escape(at)) {
            Some(0xd800..=0xdbff) if is_escape(at + 6) && matches!(unit(at + 6), Some(0xdc00..=0xdfff)) => at += 12,
            Some(0xd800..=0xdfff) => return at,
            _ => at += 2,
        }
    }
    0
}
