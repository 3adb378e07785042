//! What the text of a row is: one field, a template of fields, or a preset.
//!
//! `text` is the field of that name. A value with braces is a template: `{prompt}\n{answer}` puts the two fields on
//! a line each. `\n`, `\t` and `\\` are escapes in a template, `{{` and `}}` are braces; there is no code in it.
//!
//! A field that is a list of messages is written as [`chat`](super::chat) models are trained on it, so that `messages`
//! needs no rule of its own. Two names stand for more than a field, in a row that has no field of that name: `sharegpt`
//! is the field `conversations`, and `alpaca` is `instruction`, `input` and `output` in the prompt of Stanford Alpaca
//! (with a newline after `### Response:`, as axolotl and alpaca-lora have it; the original has none).

use serde_json::value::RawValue;

use super::chat;
use super::json::{self, Fault};
use crate::error::{Error, Result, quote};

/// A parsed field name, template or preset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template {
    /// Every field named, in order of first use.
    pub(super) fields: Vec<String>,
    form: Form,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Form {
    /// Of one field; it must be a string or a list of messages.
    Field,
    /// Of fields between other text; numbers and booleans are taken too, as they are written.
    Parts(Vec<Part>),
    /// Of the first field, else the second.
    ShareGpt,
    /// Of the first field, else of the three others.
    Alpaca,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    /// Index into `fields`.
    Field(usize),
}

const SHAREGPT_FIELDS: [&str; 2] = ["sharegpt", "conversations"];
const ALPACA_FIELDS: [&str; 4] = ["alpaca", "instruction", "input", "output"];

const ALPACA_WITH_INPUT: &[u8] = b"Below is an instruction that describes a task, paired with an input that provides \
    further context. Write a response that appropriately completes the request.\n\n### Instruction:\n";
const ALPACA_WITHOUT_INPUT: &[u8] = b"Below is an instruction that describes a task. Write a response that \
    appropriately completes the request.\n\n### Instruction:\n";

impl Template {
    pub(super) fn parse(text: &str) -> Result<Template> {
        let of =
            |fields: &[&str], form| Template { fields: fields.iter().map(|&field| field.to_owned()).collect(), form };
        match text {
            "" => Err(Error::parameter("text is empty; give a field name or a template such as \"{title} {body}\"")),
            "sharegpt" => Ok(of(&SHAREGPT_FIELDS, Form::ShareGpt)),
            "alpaca" => Ok(of(&ALPACA_FIELDS, Form::Alpaca)),
            _ if text.contains(['{', '}']) => Template::parse_parts(text),
            _ => Ok(of(&[text], Form::Field)),
        }
    }

    fn parse_parts(text: &str) -> Result<Template> {
        let refuse = |why: &str| Err(Error::parameter(format!("template {}: {why}", quote(text))));
        let mut fields = Vec::new();
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text.chars().peekable();
        while let Some(c) = rest.next() {
            match c {
                '\\' => match rest.next() {
                    Some('n') => literal.push('\n'),
                    Some('t') => literal.push('\t'),
                    Some('\\') => literal.push('\\'),
                    _ => return refuse("a backslash starts one of \\n, \\t and \\\\"),
                },
                '{' | '}' if rest.next_if_eq(&c).is_some() => literal.push(c),
                '{' => {
                    let name: String = std::iter::from_fn(|| rest.next_if(|c| !matches!(c, '{' | '}'))).collect();
                    if rest.next() != Some('}') {
                        return refuse("a field is not closed; write {{ for a brace");
                    }
                    if name.is_empty() {
                        return refuse("a field has no name; write {{}} for a pair of braces");
                    }
                    if !literal.is_empty() {
                        parts.push(Part::Literal(std::mem::take(&mut literal)));
                    }
                    parts.push(Part::Field(index_of(name, &mut fields)));
                }
                '}' => return refuse("a brace is closed that was not opened; write }} for a brace"),
                _ => literal.push(c),
            }
        }
        if fields.is_empty() {
            return refuse("there is no field in it");
        }
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        Ok(Template { fields, form: Form::Parts(parts) })
    }

    /// Append the text of a row; `values` are those of the fields, pieces of `row`, and `missing` is the fault that one
    /// of them, by its index, is not there.
    pub(super) fn append(
        &self,
        row: &str,
        values: &[Option<&RawValue>],
        text: &mut Vec<u8>,
        missing: impl Fn(usize) -> Fault,
    ) -> Result<(), Fault> {
        let value = |index: usize| values[index].map(RawValue::get).ok_or_else(|| missing(index));
        let append = |index: usize, text: &mut Vec<u8>| {
            let takes_scalars = match self.form {
                Form::Parts(_) => true,
                Form::Alpaca => index > 0,
                Form::Field | Form::ShareGpt => false,
            };
            append_value(row, value(index)?, &self.fields[index], takes_scalars, text)
        };
        match &self.form {
            Form::Parts(parts) => parts.iter().try_for_each(|part| match part {
                Part::Literal(literal) => {
                    text.extend_from_slice(literal.as_bytes());
                    Ok(())
                }
                Part::Field(index) => append(*index, text),
            }),
            Form::Alpaca if values[0].is_none() => {
                // As in the original, an input of no characters is none; blanks are one.
                let has_input = values[2].is_some_and(|input| !matches!(input.get(), "null" | "\"\""));
                text.extend_from_slice(if has_input { ALPACA_WITH_INPUT } else { ALPACA_WITHOUT_INPUT });
                append(1, text)?;
                if has_input {
                    text.extend_from_slice(b"\n\n### Input:\n");
                    append(2, text)?;
                }
                text.extend_from_slice(b"\n\n### Response:\n");
                append(3, text)
            }
            Form::ShareGpt if values[0].is_none() => append(1, text),
            Form::Field | Form::ShareGpt | Form::Alpaca => append(0, text),
        }
    }

    /// Whether it is one field.
    pub(super) fn is_field(&self) -> bool {
        self.form == Form::Field
    }

    /// The fields that make the text of rows that all have the same fields; `Err` names one that is needed and not
    /// there.
    pub(super) fn columns(&self, has: impl Fn(&str) -> bool) -> Result<Vec<&str>, &str> {
        let fields = match self.form {
            Form::Field | Form::Parts(_) => &self.fields[..],
            Form::ShareGpt | Form::Alpaca if has(&self.fields[0]) => &self.fields[..1],
            Form::ShareGpt | Form::Alpaca => &self.fields[1..],
        };
        let may_lack = |name: &str| self.form == Form::Alpaca && name == "input";
        let there = fields.iter().map(String::as_str).filter(|name| has(name) || !may_lack(name));
        there.map(|name| if has(name) { Ok(name) } else { Err(name) }).collect()
    }

    /// What a preset takes, for a row that has no such field.
    pub(super) fn takes(&self) -> Option<&'static str> {
        match self.form {
            Form::Field | Form::Parts(_) => None,
            Form::ShareGpt => Some("sharegpt takes \"conversations\""),
            Form::Alpaca => Some("alpaca takes \"instruction\", \"output\" and, where it is there, \"input\""),
        }
    }
}

/// The index of a field, which is added if it is new.
fn index_of(name: String, fields: &mut Vec<String>) -> usize {
    fields.iter().position(|field| *field == name).unwrap_or_else(|| {
        fields.push(name);
        fields.len() - 1
    })
}

/// Append `raw`, a piece of `row` that is the field `name`, as text.
fn append_value(row: &str, raw: &str, name: &str, takes_scalars: bool, text: &mut Vec<u8>) -> Result<(), Fault> {
    match raw.as_bytes()[0] {
        b'"' => text.extend_from_slice(json::string(row, raw, || name.to_owned())?.as_bytes()),
        b'-' | b'0'..=b'9' | b't' | b'f' if takes_scalars => text.extend_from_slice(raw.as_bytes()),
        b'[' if chat::is_conversation(raw) => chat::append(row, raw, name, text)?,
        first => {
            let expected = match (first, takes_scalars) {
                (b'[', _) => "a string or a list of messages",
                (_, true) => "a string, number or boolean",
                (_, false) => "a string",
            };
            return Err(json::unexpected(row, raw, name, expected));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::{Fields, OtherFields};

    #[test]
    fn a_value_without_braces_is_a_field_whatever_else_is_in_it() {
        let template = Template::parse("my \\n field").unwrap();
        assert_eq!(template.form, Form::Field);
        assert_eq!(template.fields, ["my \\n field"]);
    }

    #[test]
    fn a_template_has_fields_escapes_and_braces() {
        let template = Template::parse("{a}\\n{{{b}}}\\t{a}\\\\").unwrap();
        assert_eq!(template.fields, ["a", "b"]);
        let literal = |text: &str| Part::Literal(text.to_owned());
        let parts = [Part::Field(0), literal("\n{"), Part::Field(1), literal("}\t"), Part::Field(0), literal("\\")];
        assert_eq!(template.form, Form::Parts(parts.to_vec()));
    }

    #[test]
    fn a_broken_template_says_what_to_write() {
        for (text, why) in [
            ("{a", "a field is not closed; write {{ for a brace"),
            ("{a{b}", "a field is not closed; write {{ for a brace"),
            ("a}", "a brace is closed that was not opened; write }} for a brace"),
            ("{}", "a field has no name; write {{}} for a pair of braces"),
            ("{a}\\x", "a backslash starts one of \\n, \\t and \\\\"),
            ("{{a}}", "there is no field in it"),
        ] {
            let message = Template::parse(text).unwrap_err().to_string();
            assert_eq!(message, format!("template {}: {why}", quote(text)));
        }
        assert!(Template::parse("").unwrap_err().to_string().starts_with("text is empty"));
    }

    fn extract(text: &str, row: &str) -> Result<String, String> {
        let mut out = Vec::new();
        match Fields::new(text, &OtherFields::default()).unwrap().extract(row.as_bytes(), &mut out) {
            Ok(_) => Ok(String::from_utf8(out).unwrap()),
            Err((error, at)) => Err(format!("{at}: {} {error}", error.code())),
        }
    }

    #[test]
    fn alpaca_is_the_prompt_that_its_models_are_trained_with() {
        let with_input = "Below is an instruction that describes a task, paired with an input that provides further \
            context. Write a response that appropriately completes the request.\n\n### Instruction:\nAdd.\n\n\
            ### Input:\n1 \u{e9}\n\n### Response:\n2";
        let row = r#"{"output": 2, "instruction": "Add.", "input": "1 \u00e9"}"#;
        assert_eq!(extract("alpaca", row).unwrap(), with_input);
        let without_input = "Below is an instruction that describes a task. Write a response that appropriately \
            completes the request.\n\n### Instruction:\nGreet.\n\n### Response:\nHello";
        for input in ["", r#", "input": """#, r#", "input": null"#] {
            let row = format!(r#"{{"instruction": "Greet."{input}, "output": "Hello"}}"#);
            assert_eq!(extract("alpaca", &row).unwrap(), without_input, "{row}");
        }
    }

    #[test]
    fn a_row_that_does_not_fit_a_preset_says_what_the_preset_takes() {
        let alpaca = "alpaca takes \"instruction\", \"output\" and, where it is there, \"input\"";
        assert_eq!(
            extract("alpaca", r#"{"instruction": "Greet.", "response": "Hello"}"#).unwrap_err(),
            format!("0: ZF-ROW no field \"output\"; fields here: \"instruction\", \"response\"; {alpaca}")
        );
        assert_eq!(
            extract("alpaca", r#"{"instruction": null, "output": "Hello"}"#).unwrap_err(),
            "16: ZF-ROW field \"instruction\" is null, expected a string, number or boolean"
        );
        assert_eq!(
            extract("sharegpt", r#"{"messages": []}"#).unwrap_err(),
            "0: ZF-ROW no field \"conversations\"; fields here: \"messages\"; sharegpt takes \"conversations\""
        );
        assert_eq!(
            extract("messages", r#"{"messages": []}"#).unwrap_err(),
            "13: ZF-TYPE field \"messages\" is an empty array, expected a string or a list of messages"
        );
    }

    #[test]
    fn a_field_with_the_name_of_a_preset_is_the_text_as_of_old() {
        assert_eq!(extract("messages", r#"{"messages": "a text"}"#).unwrap(), "a text");
        assert_eq!(extract("sharegpt", r#"{"sharegpt": "a text", "conversations": 1}"#).unwrap(), "a text");
        assert_eq!(extract("alpaca", r#"{"instruction": "x", "output": "y", "alpaca": "a text"}"#).unwrap(), "a text");
        let number = extract("alpaca", r#"{"alpaca": 3}"#).unwrap_err();
        assert_eq!(number, "11: ZF-TYPE field \"alpaca\" is a number, expected a string");
        // In a template every name is a field.
        let missing = extract("{alpaca}", r#"{"instruction": "x", "output": "y"}"#).unwrap_err();
        assert_eq!(missing, "0: ZF-ROW no field \"alpaca\"; fields here: \"instruction\", \"output\"");
    }

    #[test]
    fn a_template_takes_paths_and_conversations() {
        let row = r#"{"meta": {"n": 3, "chat": [{"role": "user", "content": "Hi"}]}}"#;
        assert_eq!(extract("{meta.n}: {meta.chat}", row).unwrap(), "3: <|im_start|>user\nHi<|im_end|>\n");
        assert_eq!(extract("meta.chat.0.content", row).unwrap(), "Hi");
    }
}
