//! One line of JSON Lines: check it, take the wanted fields out, skip the rest.
//!
//! A line is valid UTF-8 and one JSON object (RFC 8259). Unwanted fields are checked for syntax without recursion
//! and without being built, so that any depth of nesting is fine. A key that comes twice counts with its last value,
//! as in Python's `json`. Cost: two passes over a wanted string, one over everything else.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::template::{Part, Template};
use crate::error::{Cause, Error, Result, quote};

/// The field whose value names a row when no other is asked for.
const DEFAULT_ID_FIELD: &str = "id";

const GROUP_REMEDY: &str = "give every row a group, or choose another field";

/// What is taken out of each row.
#[derive(Clone, Debug)]
pub struct Fields {
    text: Template,
    id: String,
    /// A row without an explicitly named id field is an error; the default field may be absent.
    id_is_required: bool,
    tokens: Option<String>,
    group: Option<String>,
}

/// Fields that are wanted beside the text.
#[derive(Clone, Copy, Debug, Default)]
pub struct OtherFields<'a> {
    /// Names a row; `None`: the field `id` where a row has one.
    pub id: Option<&'a str>,
    /// Has the number of tokens of a row; `None`: no counts.
    pub tokens: Option<&'a str>,
    /// Says which group a row belongs to, by a string, number or boolean; `None`: no groups.
    pub group: Option<&'a str>,
}

/// What a line has beside its text.
#[derive(Debug, Default)]
pub(super) struct Extracted<'a> {
    /// 0 without a field for it.
    pub(super) tokens: i64,
    /// The JSON value; `None` without a field for it.
    pub(super) group: Option<Cow<'a, str>>,
}

impl Fields {
    /// `text` is a field or a template.
    ///
    /// # Errors
    /// [`Cause::Parameter`] for a broken template.
    pub fn new(text: &str, others: &OtherFields<'_>) -> Result<Fields> {
        Ok(Fields {
            text: Template::parse(text)?,
            id: others.id.unwrap_or(DEFAULT_ID_FIELD).to_owned(),
            id_is_required: others.id.is_some(),
            tokens: others.tokens.map(str::to_owned),
            group: others.group.map(str::to_owned),
        })
    }

    /// Whether rows carry a number of tokens.
    #[must_use]
    pub fn has_tokens(&self) -> bool {
        self.tokens.is_some()
    }

    /// Whether rows carry a group.
    #[must_use]
    pub fn has_groups(&self) -> bool {
        self.group.is_some()
    }

    /// Append the text of a line to `text`; gives the rest of what is wanted.
    ///
    /// # Errors
    /// [`Cause::BadRow`], [`Cause::TextType`] or [`Cause::InvalidText`], and the offset in the line where it was found.
    pub(super) fn extract<'a>(&self, line: &'a [u8], text: &mut Vec<u8>) -> Result<Extracted<'a>, (Error, usize)> {
        let line = utf8(line)?;
        let wanted = self.wanted();
        let found = parse_object(line, &wanted)?;
        let mut values = Vec::with_capacity(found.len());
        for (name, value) in wanted.iter().zip(found) {
            values.push(value.ok_or_else(|| (self.missing_field(name, line), 0))?);
        }
        for part in &self.text.parts {
            match part {
                Part::Literal(literal) => text.extend_from_slice(literal.as_bytes()),
                Part::Field(index) => {
                    let value = self.text_of(&self.text.fields[*index], values[*index], line)?;
                    text.extend_from_slice(value.as_bytes());
                }
            }
        }
        let mut others = values[self.text.fields.len()..].iter();
        let mut extracted = Extracted::default();
        if let Some(name) = &self.tokens
            && let Some(value) = others.next()
        {
            extracted.tokens = token_count(name, value).map_err(|error| (error, 0))?;
        }
        if let Some(name) = &self.group
            && let Some(value) = others.next()
        {
            extracted.group = Some(group_of(name, value, line)?);
        }
        Ok(extracted)
    }

    /// The id of a row as it is written in its line (JSON), `None` where there is none.
    ///
    /// Lines that [`Fields::extract`] refused must not be asked.
    pub(crate) fn id<'a>(&self, line: &'a [u8]) -> Option<&'a RawValue> {
        parse_object(std::str::from_utf8(line).ok()?, &[&self.id]).ok()?[0]
    }

    /// Fields that every row must have: those of the text, the tokens, the group, the id, in this order.
    fn wanted(&self) -> Vec<&str> {
        let text = self.text.fields.iter().map(String::as_str);
        let id = self.id_is_required.then_some(self.id.as_str());
        text.chain(self.tokens.as_deref()).chain(self.group.as_deref()).chain(id).collect()
    }

    fn missing_field(&self, name: &str, line: &str) -> Error {
        let keys = serde_json::from_str::<Keys>(line).map_or_else(|_| Vec::new(), |Keys(keys)| keys);
        let here = if keys.is_empty() { String::new() } else { format!("; fields here: {}", keys.join(", ")) };
        let is_group = self.group.as_deref() == Some(name);
        let remedy = if is_group { format!("; {GROUP_REMEDY}") } else { String::new() };
        Error::bad_row(format!("no field {}{here}{remedy}", quote(name)))
    }

    /// A field's value as text.
    fn text_of<'a>(&self, name: &str, value: &'a RawValue, line: &str) -> Result<Cow<'a, str>, (Error, usize)> {
        let raw = value.get();
        match raw.as_bytes()[0] {
            b'"' if !raw.contains('\\') => Ok(Cow::Borrowed(&raw[1..raw.len() - 1])),
            b'"' => unescape(name, raw, line).map(Cow::Owned),
            b'-' | b'0'..=b'9' | b't' | b'f' if !self.text.is_plain => Ok(Cow::Borrowed(raw)),
            _ => {
                let expected = if self.text.is_plain { "a string" } else { "a string, number or boolean" };
                let message = format!("field {} is {}, expected {expected}", quote(name), kind(raw));
                // null is a missing value, another type a mistake in the choice of the field.
                let cause = if raw == "null" { Cause::BadRow(message) } else { Cause::TextType(message) };
                Err((Error::new(cause), offset_in(line, raw)))
            }
        }
    }
}

/// A group as JSON. Strings are one group when their characters are, however these are escaped; all else is taken as it
/// is written, so that 1, 1.0 and "1" are three groups.
fn group_of<'a>(name: &str, value: &'a RawValue, line: &str) -> Result<Cow<'a, str>, (Error, usize)> {
    let raw = value.get();
    match raw.as_bytes()[0] {
        b'"' if raw.contains('\\') => {
            let text = unescape(name, raw, line)?;
            serde_json::to_string(&text).map(Cow::Owned).map_err(|error| (Error::internal(error.to_string()), 0))
        }
        b'n' | b'{' | b'[' => {
            let expected = "a string, number or boolean to group by";
            let message = format!("field {} is {}, expected {expected}; {GROUP_REMEDY}", quote(name), kind(raw));
            let cause = if raw == "null" { Cause::BadRow(message) } else { Cause::TextType(message) };
            Err((Error::new(cause), offset_in(line, raw)))
        }
        _ => Ok(Cow::Borrowed(raw)),
    }
}

/// The characters of a JSON string of valid syntax: what can still fail is an escaped surrogate without its other half.
fn unescape(name: &str, raw: &str, line: &str) -> Result<String, (Error, usize)> {
    serde_json::from_str(raw).map_err(|_| {
        let at = lone_surrogate(raw);
        let escape = raw.get(at..at + 6).unwrap_or_default();
        let message = format!("lone surrogate {escape} in field {}; it stands for no character", quote(name));
        (Error::new(Cause::InvalidText(message)), offset_in(line, raw) + at)
    })
}

/// Where `part`, a piece of `line`, begins in it.
fn offset_in(line: &str, part: &str) -> usize {
    part.as_ptr() as usize - line.as_ptr() as usize
}

fn utf8(line: &[u8]) -> Result<&str, (Error, usize)> {
    std::str::from_utf8(line).map_err(|error| {
        let at = error.valid_up_to();
        let message = format!("invalid UTF-8 (byte 0x{:02x}); convert the file to UTF-8", line[at]);
        (Error::new(Cause::InvalidText(message)), at)
    })
}

/// The raw values of the wanted fields of the object in `line`; the whole line is checked.
fn parse_object<'a>(line: &'a str, wanted: &[&str]) -> Result<Vec<Option<&'a RawValue>>, (Error, usize)> {
    // Leading blanks are JSON's own four; what follows tells an object from the rest.
    let start = line.trim_start_matches([' ', '\t', '\r', '\n']);
    if !start.starts_with('{') {
        let offset = line.len() - start.len();
        let why = match start.as_bytes().first() {
            Some(b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n') => kind(start),
            _ => "something else",
        };
        return Err((Error::bad_row(format!("expected a JSON object, got {why}: {}", quote(start))), offset));
    }
    let mut json = serde_json::Deserializer::from_str(line);
    let values = ObjectFields { wanted }.deserialize(&mut json).and_then(|values| json.end().map(|()| values));
    values.map_err(|error| {
        let message = error.to_string();
        let message = message.split(" at line ").next().unwrap_or_default();
        (Error::bad_row(format!("invalid JSON: {message}")), error.column().saturating_sub(1))
    })
}

struct ObjectFields<'w> {
    wanted: &'w [&'w str],
}

impl<'de> DeserializeSeed<'de> for ObjectFields<'_> {
    type Value = Vec<Option<&'de RawValue>>;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ObjectFields<'_> {
    type Value = Vec<Option<&'de RawValue>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut values = vec![None; self.wanted.len()];
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            if self.wanted.contains(&key.as_ref()) {
                let value = map.next_value()?;
                // One field may be wanted twice, as text and as id.
                for (name, slot) in self.wanted.iter().zip(&mut values) {
                    if *name == key {
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

/// The first keys of an object, quoted: enough to see which field was meant.
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
                while let Some((key, IgnoredAny)) = map.next_entry::<Cow<'de, str>, IgnoredAny>()? {
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

/// Keys shown when a field is missing. Arbitrary: more do not fit a line.
const SHOWN_KEYS: usize = 8;

fn token_count(name: &str, value: &RawValue) -> Result<i64> {
    match value.get().parse::<i64>() {
        Ok(count) if count >= 0 => Ok(count),
        _ => {
            let message = format!("field {} is {}, expected a whole number of tokens", quote(name), quote(value.get()));
            Err(Error::new(Cause::TextType(message)))
        }
    }
}

/// What a JSON value is, by its first character, with its article.
fn kind(raw: &str) -> &'static str {
    match raw.as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
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

#[cfg(test)]
mod tests {
    use super::*;

    fn extract(text: &str, line: &[u8]) -> Result<String, String> {
        let mut out = Vec::new();
        match Fields::new(text, &OtherFields::default()).unwrap().extract(line, &mut out) {
            Ok(_) => Ok(String::from_utf8(out).unwrap()),
            Err((error, at)) => Err(format!("{at}: {} {error}", error.code())),
        }
    }

    #[test]
    fn a_field_is_taken_out_with_its_escapes_undone() {
        let line = r#" {"id": 1, "text": "a\n\u00e9\ud83d\ude00\"", "text2": 3} "#.as_bytes();
        assert_eq!(extract("text", line).unwrap(), "a\n\u{e9}\u{1f600}\"");
        assert_eq!(extract("text", br#"{"\u0074ext": "by an escaped key"}"#).unwrap(), "by an escaped key");
        assert_eq!(extract("text", br#"{"text": "first", "text": "last"}"#).unwrap(), "last");
    }

    #[test]
    fn a_template_takes_numbers_as_they_are_written() {
        let line = br#"{"a": "x", "b": 1.50, "c": true}"#;
        assert_eq!(extract("{a}-{b}-{c}-{a}", line).unwrap(), "x-1.50-true-x");
    }

    #[test]
    fn any_depth_of_nesting_is_fine_in_an_unused_field() {
        let depth = 1_000_000;
        let line = format!(r#"{{"deep": {}{}, "text": "here"}}"#, "[".repeat(depth), "]".repeat(depth));
        assert_eq!(extract("text", line.as_bytes()).unwrap(), "here");
        assert_eq!(
            extract("deep", line.as_bytes()).unwrap_err(),
            "9: ZF-TYPE field \"deep\" is an array, expected a string"
        );
        let missing = extract("body", line.as_bytes()).unwrap_err();
        assert_eq!(missing, "0: ZF-ROW no field \"body\"; fields here: \"deep\", \"text\"");
    }

    #[test]
    fn a_bad_line_says_what_is_wrong_and_where() {
        for (line, expected) in [
            (&br#"{"text": "a" "b"}"#[..], "13: ZF-ROW invalid JSON: expected `,` or `}`"),
            (br#"{"text": "a"} x"#, "14: ZF-ROW invalid JSON: trailing characters"),
            (br#"{"text": "a"#, "10: ZF-ROW invalid JSON: EOF while parsing a string"),
            (br#"{"text": nul}"#, "12: ZF-ROW invalid JSON: expected ident"),
            (br#"["text"]"#, "0: ZF-ROW expected a JSON object, got an array: \"[\\\"text\\\"]\""),
            (br"  plain words", "2: ZF-ROW expected a JSON object, got something else: \"plain words\""),
            (br#"{"body": "a", "id": 1}"#, "0: ZF-ROW no field \"text\"; fields here: \"body\", \"id\""),
            (br#"{"text": 12}"#, "9: ZF-TYPE field \"text\" is a number, expected a string"),
            (br#"{"text": null}"#, "9: ZF-ROW field \"text\" is null, expected a string"),
            (b"{\"text\": \"\xff\"}", "10: ZF-TEXT invalid UTF-8 (byte 0xff); convert the file to UTF-8"),
            (
                br#"{"text": "ab\ud800c"}"#,
                "12: ZF-TEXT lone surrogate \\ud800 in field \"text\"; it stands for no character",
            ),
            (
                br#"{"text": "\ud83d\ude00\udc01"}"#,
                "22: ZF-TEXT lone surrogate \\udc01 in field \"text\"; it stands for no character",
            ),
        ] {
            assert_eq!(extract("text", line).unwrap_err(), expected, "{}", String::from_utf8_lossy(line));
        }
    }

    #[test]
    fn a_named_id_must_be_there_and_the_default_one_may_be_absent() {
        fn extract<'a>(id: Option<&str>, line: &'a [u8]) -> Result<Extracted<'a>, (Error, usize)> {
            let others = OtherFields { id, ..OtherFields::default() };
            Fields::new("text", &others).unwrap().extract(line, &mut Vec::new())
        }
        assert!(extract(None, br#"{"text": "a"}"#).is_ok());
        assert!(extract(Some("key"), br#"{"text": "a", "key": null}"#).is_ok());
        let (error, _) = extract(Some("key"), br#"{"text": "a", "id": 1}"#).unwrap_err();
        assert_eq!(error.to_string(), "no field \"key\"; fields here: \"text\", \"id\"");
        let fields = Fields::new("text", &OtherFields::default()).unwrap();
        assert_eq!(fields.id(br#"{"text": "a", "id": {"b": 1e3}}"#).unwrap().get(), r#"{"b": 1e3}"#);
        assert!(fields.id(br#"{"text": "a"}"#).is_none());
        assert_eq!(Fields::new("id", &OtherFields::default()).unwrap().id(br#"{"id": "x"}"#).unwrap().get(), r#""x""#);
    }

    #[test]
    fn tokens_are_whole_numbers() {
        let fields = Fields::new("text", &OtherFields { tokens: Some("n"), ..OtherFields::default() }).unwrap();
        assert_eq!(fields.extract(br#"{"text": "a", "n": 12}"#, &mut Vec::new()).unwrap().tokens, 12);
        for (value, shown) in [("1.5", "1.5"), ("-1", "-1"), ("\"2\"", "\\\"2\\\"")] {
            let line = format!(r#"{{"text": "a", "n": {value}}}"#);
            let (error, _) = fields.extract(line.as_bytes(), &mut Vec::new()).unwrap_err();
            assert_eq!(error.to_string(), format!("field \"n\" is \"{shown}\", expected a whole number of tokens"));
        }
        let (error, _) = fields.extract(br#"{"text": "a"}"#, &mut Vec::new()).unwrap_err();
        assert_eq!(error.to_string(), "no field \"n\"; fields here: \"text\"");
    }
    #[test]
    fn a_group_is_a_json_scalar_and_a_string_counts_by_its_characters() {
        let others = OtherFields { tokens: Some("n"), group: Some("g"), ..OtherFields::default() };
        let fields = Fields::new("text", &others).unwrap();
        let extract = |line: &str| match fields.extract(line.as_bytes(), &mut Vec::new()) {
            Ok(extracted) => Ok((extracted.tokens, extracted.group.unwrap().into_owned())),
            Err((error, at)) => Err(format!("{at}: {} {error}", error.code())),
        };
        let group = |value: &str| extract(&format!(r#"{{"g": {value}, "text": "a", "n": 3}}"#));
        for same in ["\"de\"", "\"1\"", "1", "1.0", "false", "\"caf\u{e9}\\\"\""] {
            assert_eq!(group(same).unwrap(), (3, same.to_owned()));
        }
        assert_eq!(group(r#""caf\u00e9\u0022""#).unwrap().1, "\"caf\u{e9}\\\"\"");
        let remedy = "give every row a group, or choose another field";
        for (value, found) in [
            ("null", "ZF-ROW field \"g\" is null"),
            ("[1]", "ZF-TYPE field \"g\" is an array"),
            ("{}", "ZF-TYPE field \"g\" is an object"),
        ] {
            let expected = format!("6: {found}, expected a string, number or boolean to group by; {remedy}");
            assert_eq!(group(value).unwrap_err(), expected);
        }
        let surrogate = "7: ZF-TEXT lone surrogate \\ud800 in field \"g\"; it stands for no character";
        assert_eq!(group(r#""\ud800""#).unwrap_err(), surrogate);
        let missing = format!("0: ZF-ROW no field \"g\"; fields here: \"text\", \"n\"; {remedy}");
        assert_eq!(extract(r#"{"text": "a", "n": 1}"#).unwrap_err(), missing);
    }
}
