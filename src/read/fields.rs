//! One row as a JSON object: its text and what else is wanted of it.
//!
//! A row is valid UTF-8 and one JSON object. What the text is says [`template`](super::template), where a field is
//! says [`wanted`](super::wanted).

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::json::{self, Fault};
use super::template::Template;
use super::wanted::Wanted;
use crate::error::{Cause, Error, Result, quote};

/// The field whose value names a row when no other is asked for.
const DEFAULT_ID_FIELD: &str = "id";

const GROUP_REMEDY: &str = "give every row a group, or choose another field";

/// What is taken out of each row.
#[derive(Clone, Debug)]
pub struct Fields {
    text: Template,
    /// The fields of the text, then those of the tokens, the group and the id that every row must have.
    wanted: Wanted,
    /// Indices into `wanted`. A row without an explicitly named id is an error; the default field may be absent.
    tokens: Option<usize>,
    group: Option<usize>,
    id: usize,
    id_is_required: bool,
    id_alone: Wanted,
}

/// Names of the fields of the text, and of the others.
type Columns<'a> = (Vec<&'a str>, Vec<&'a str>);

/// Fields that are wanted beside the text, each a key of the row or a path such as `meta.id`.
#[derive(Clone, Copy, Debug, Default)]
pub struct OtherFields<'a> {
    /// Names a row; `None`: the field `id` where a row has one.
    pub id: Option<&'a str>,
    /// Has the number of tokens of a row; `None`: no counts.
    pub tokens: Option<&'a str>,
    /// Says which group a row belongs to, by a string, number or boolean; `None`: no groups.
    pub group: Option<&'a str>,
}

/// What a row has beside its text.
#[derive(Debug, Default)]
pub(super) struct Extracted<'a> {
    /// 0 without a field for it.
    pub(super) tokens: i64,
    /// The JSON value; `None` without a field for it.
    pub(super) group: Option<Cow<'a, str>>,
    /// The characters of a string, anything else as it is written; `None` for null, and where there is none.
    pub(super) id: Option<Cow<'a, str>>,
}

impl Fields {
    /// `text` is a field, a dotted path, a template of these, or a preset.
    ///
    /// # Errors
    /// [`Cause::Parameter`] for a broken template.
    pub fn new(text: &str, others: &OtherFields<'_>) -> Result<Fields> {
        let text = Template::parse(text)?;
        let mut wanted = Wanted::default();
        for field in &text.fields {
            wanted.add(field);
        }
        let id = others.id.unwrap_or(DEFAULT_ID_FIELD);
        let mut id_alone = Wanted::default();
        id_alone.add(id);
        Ok(Fields {
            text,
            tokens: others.tokens.map(|name| wanted.add(name)),
            group: others.group.map(|name| wanted.add(name)),
            id: wanted.add(id),
            id_is_required: others.id.is_some(),
            wanted,
            id_alone,
        })
    }

    /// Whether rows carry a number of tokens.
    #[must_use]
    pub fn has_tokens(&self) -> bool {
        self.tokens.is_some()
    }

    /// The field for the number of tokens.
    pub(super) fn tokens_name(&self) -> Option<&str> {
        self.tokens.map(|index| self.wanted.name(index))
    }

    /// Whether rows carry a group.
    #[must_use]
    pub fn has_groups(&self) -> bool {
        self.group.is_some()
    }

    /// Append the text of a row to `text`; gives the rest of what is wanted.
    ///
    /// # Errors
    /// [`Cause::BadRow`], [`Cause::TextType`] or [`Cause::InvalidText`], and the offset in the row where it was found.
    pub(super) fn extract<'a>(&self, row: &'a [u8], text: &mut Vec<u8>) -> Result<Extracted<'a>, Fault> {
        let row = json::utf8(row)?;
        let values = self.wanted.find(row)?;
        self.text.append(row, &values, text, |index| self.missing(index, row))?;
        self.others(row, &values)
    }

    /// What is wanted beside the text, of a row that need not have that.
    ///
    /// # Errors
    /// As [`Fields::extract`].
    pub(super) fn extract_others<'a>(&self, row: &'a [u8]) -> Result<Extracted<'a>, Fault> {
        let row = json::utf8(row)?;
        self.others(row, &self.wanted.find(row)?)
    }

    fn others<'a>(&self, row: &'a str, values: &[Option<&'a RawValue>]) -> Result<Extracted<'a>, Fault> {
        let value = |index: usize| values[index].ok_or_else(|| self.missing(index, row));
        let mut extracted = Extracted::default();
        if let Some(index) = self.tokens {
            extracted.tokens = token_count(self.wanted.name(index), value(index)?).map_err(|error| (error, 0))?;
        }
        if let Some(index) = self.group {
            extracted.group = Some(group_of(self.wanted.name(index), value(index)?, row)?);
        }
        if self.id_is_required {
            value(self.id)?;
        }
        extracted.id = values[self.id].and_then(id_of);
        Ok(extracted)
    }

    /// Whether the text is one field, and not made of several.
    pub(super) fn text_is_a_field(&self) -> bool {
        self.text.is_field()
    }

    /// Name of the field that names a row.
    pub(super) fn id_name(&self) -> &str {
        self.wanted.name(self.id)
    }

    /// The fields that are to be read of a file whose rows all have the same; `missing` is the sentence that it lacks
    /// one.
    ///
    /// # Errors
    /// [`Cause::Parameter`] for a field that is not there and every row must have.
    pub(super) fn columns(&self, has: impl Fn(&str) -> bool, missing: impl Fn(&str) -> String) -> Result<Columns<'_>> {
        let text = self.text.columns(&has).map_err(|name| match self.text.takes() {
            Some(takes) => Error::parameter(format!("{}; {takes}", missing(name))),
            None => Error::parameter(missing(name)),
        })?;
        let mut others: Vec<&str> =
            [self.tokens, self.group].into_iter().flatten().map(|index| self.wanted.name(index)).collect();
        if self.id_is_required || has(self.id_name()) {
            others.push(self.id_name());
        }
        match others.iter().find(|name| !has(name)) {
            Some(name) => Err(Error::parameter(missing(name))),
            None => Ok((text, others)),
        }
    }

    /// The id of a row as it is written there (JSON), `None` where there is none.
    ///
    /// Rows that [`Fields::extract`] refused must not be asked.
    pub(crate) fn id<'a>(&self, row: &'a [u8]) -> Option<&'a RawValue> {
        self.id_alone.find(std::str::from_utf8(row).ok()?).ok()?[0]
    }

    fn missing(&self, index: usize, row: &str) -> Fault {
        let mut message = self.wanted.missing(index, row);
        if index < self.text.fields.len()
            && let Some(takes) = self.text.takes()
        {
            message = format!("{message}; {takes}");
        } else if self.group == Some(index) {
            message = format!("{message}; {GROUP_REMEDY}");
        }
        (Error::bad_row(message), 0)
    }
}

/// A group as JSON. Strings are one group when their characters are, however these are escaped; all else is taken as it
/// is written, so that 1, 1.0 and "1" are three groups.
fn group_of<'a>(name: &str, value: &'a RawValue, row: &str) -> Result<Cow<'a, str>, Fault> {
    let raw = value.get();
    match raw.as_bytes()[0] {
        b'"' if raw.contains('\\') => {
            let text = json::string(row, raw, || name.to_owned())?;
            serde_json::to_string(&text).map(Cow::Owned).map_err(|error| (Error::internal(error.to_string()), 0))
        }
        b'n' | b'{' | b'[' => {
            let expected = format!("a string, number or boolean to group by; {GROUP_REMEDY}");
            Err(json::unexpected(row, raw, name, &expected))
        }
        _ => Ok(Cow::Borrowed(raw)),
    }
}

/// What names a row, for people: what is exact is its JSON.
fn id_of(value: &RawValue) -> Option<Cow<'_, str>> {
    let raw = value.get();
    match raw.as_bytes()[0] {
        b'"' if !raw.contains('\\') => Some(Cow::Borrowed(&raw[1..raw.len() - 1])),
        // Half of a surrogate pair stands for no character, which is no reason to refuse a row for its name.
        b'"' => Some(serde_json::from_str(raw).map_or(Cow::Borrowed(raw), Cow::Owned)),
        b'n' => None,
        _ => Some(Cow::Borrowed(raw)),
    }
}

fn token_count(name: &str, value: &RawValue) -> Result<i64> {
    match value.get().parse::<i64>() {
        Ok(count) if count >= 0 => Ok(count),
        _ => {
            let raw = value.get();
            // A row's text is shown to nobody, a number is none.
            let is = match json::kind(raw) {
                "a number" => quote(raw),
                kind => kind.to_owned(),
            };
            let message = format!("field {} is {is}, expected a whole number of tokens", quote(name));
            Err(Error::new(Cause::TextType(message)))
        }
    }
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
            "9: ZF-TYPE field \"deep\" is an array, expected a string or a list of messages"
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
            (br#"["text"]"#, "0: ZF-ROW expected a JSON object, got an array"),
            (br"  plain words", "2: ZF-ROW expected a JSON object, got something else"),
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
