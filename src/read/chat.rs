//! A conversation as chat models are trained on it: `ChatML`.
//!
//! A message is an object with `role` and `content`, or, as in `ShareGPT`, with `from` and `value`. It becomes
//!
//! ```text
//! <|im_start|>role
//! content<|im_end|>
//! ```
//!
//! and a newline. Of `from`, `human` is `user` and `gpt` is `assistant`, as axolotl and LLaMA-Factory have it; any
//! other role stays as it is written. Content may be a list of text parts, which are joined without anything between.
//! What is no text (a call of a tool, an image) is refused and not passed over: chat templates do not agree on how it
//! is written. Other keys of a message are not part of the text.

use serde_json::value::RawValue;

use super::json::{self, Fault};
use crate::error::{Error, quote};

const EXPECTED: &str = "expected messages such as {\"role\": \"user\", \"content\": \"...\"} or {\"from\": \"human\", \
                        \"value\": \"...\"}";

const NO_TEXT_REMEDY: &str = "leave such rows out, or name what is text by a template";

/// Keys of a message, in the order of `append_message`.
const KEYS: [&str; 6] = ["role", "content", "from", "value", "tool_calls", "function_call"];

/// Whether a JSON value is an array of objects, as far as its start tells.
pub(super) fn is_conversation(raw: &str) -> bool {
    raw.strip_prefix('[').is_some_and(|rest| rest.trim_ascii_start().starts_with('{'))
}

/// Append the messages in `array`, a piece of `row` that is the field `name`, to `text`.
pub(super) fn append(row: &str, array: &str, name: &str, text: &mut Vec<u8>) -> Result<(), Fault> {
    for (index, message) in json::elements(row, array)?.into_iter().enumerate() {
        append_message(row, message.get(), || format!("{name}.{index}"), text)?;
    }
    Ok(())
}

fn append_message(row: &str, message: &str, name: impl Fn() -> String, text: &mut Vec<u8>) -> Result<(), Fault> {
    if !message.starts_with('{') {
        return Err(json::unexpected(row, message, &name(), "a message"));
    }
    let found = json::members(row, message, &KEYS)?;
    // As index into KEYS: that of the content comes next.
    let role = if found[0].is_none() && found[2].is_some() { 2 } else { 0 };
    // Tables have the key in every message, for the sake of those that use it.
    for call in 4..KEYS.len() {
        if let Some(value) = found[call].filter(|value| value.get() != "null" && !json::is_empty_array(value.get())) {
            let path = quote(&format!("{}.{}", name(), KEYS[call]));
            let error = Error::bad_row(format!("field {path} is a call, which is no text; {NO_TEXT_REMEDY}"));
            return Err((error, json::offset_in(row, value.get())));
        }
    }
    let path = |key: usize| format!("{}.{}", name(), KEYS[key]);
    let value = |key: usize| {
        let missing = || Error::bad_row(format!("no field {}; {EXPECTED}", quote(&path(key))));
        found[key].map(RawValue::get).ok_or_else(|| (missing(), json::offset_in(row, message)))
    };
    let speaker = value(role)?;
    if !speaker.starts_with('"') {
        return Err(json::unexpected(row, speaker, &path(role), "a string"));
    }
    let speaker = json::string(row, speaker, || path(role))?;
    let speaker = match &*speaker {
        "human" if role == 2 => "user",
        "gpt" if role == 2 => "assistant",
        other => other,
    };
    text.extend_from_slice(b"<|im_start|>");
    text.extend_from_slice(speaker.as_bytes());
    text.push(b'\n');
    append_content(row, value(role + 1)?, || path(role + 1), text)?;
    text.extend_from_slice(b"<|im_end|>\n");
    Ok(())
}

fn append_content(row: &str, content: &str, name: impl Fn() -> String, text: &mut Vec<u8>) -> Result<(), Fault> {
    match content.as_bytes().first() {
        Some(b'"') => text.extend_from_slice(json::string(row, content, name)?.as_bytes()),
        Some(b'[') => {
            for (index, part) in json::elements(row, content)?.into_iter().enumerate() {
                let part = text_of_part(row, part.get(), || format!("{}.{index}", name()))?;
                text.extend_from_slice(json::string(row, part, || format!("{}.{index}.text", name()))?.as_bytes());
            }
        }
        _ => return Err(json::unexpected(row, content, &name(), "a string or a list of text parts")),
    }
    Ok(())
}

/// The string, as JSON, in `part`: an object such as `{"type": "text", "text": "..."}`.
fn text_of_part<'a>(row: &str, part: &'a str, name: impl Fn() -> String) -> Result<&'a str, Fault> {
    if !part.starts_with('{') {
        return Err(json::unexpected(
            row,
            part,
            &name(),
            "a text part such as {\"type\": \"text\", \"text\": \"...\"}",
        ));
    }
    let found = json::members(row, part, &["type", "text"])?;
    match (found[0].map(RawValue::get), found[1].map(RawValue::get)) {
        (None | Some("\"text\""), Some(text)) if text.starts_with('"') => Ok(text),
        (None | Some("\"text\""), Some(text)) => {
            Err(json::unexpected(row, text, &format!("{}.text", name()), "a string"))
        }
        (kind, _) => {
            let kind = kind.map_or_else(String::new, |kind| format!(" of type {}", quote(kind.trim_matches('"'))));
            let message = format!("field {} is a part{kind} without text; {NO_TEXT_REMEDY}", quote(&name()));
            Err((Error::bad_row(message), json::offset_in(row, part)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chat(array: &str) -> Result<String, String> {
        let mut text = Vec::new();
        match append(array, array, "m", &mut text) {
            Ok(()) => Ok(String::from_utf8(text).unwrap()),
            Err((error, at)) => Err(format!("{at}: {} {error}", error.code())),
        }
    }

    #[test]
    fn messages_are_written_as_chatml() {
        let messages = r#"[
            {"role": "system", "content": "Be brief."},
            {"content": "caf\u00e9?\n", "role": "user", "weight": 0, "tool_calls": null},
            {"role": "narrator", "content": "", "tool_calls": [ ]}
        ]"#;
        let expected = "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\ncaf\u{e9}?\n<|im_end|>\n\
                        <|im_start|>narrator\n<|im_end|>\n";
        assert_eq!(chat(messages).unwrap(), expected);
    }

    #[test]
    fn sharegpt_speakers_become_roles_and_unknown_ones_stay() {
        let messages = r#"[{"from": "system", "value": "a"}, {"from": "human", "value": "b"},
            {"from": "gpt", "value": "c"}, {"from": "observation", "value": "d"}]"#;
        let expected = "<|im_start|>system\na<|im_end|>\n<|im_start|>user\nb<|im_end|>\n\
                        <|im_start|>assistant\nc<|im_end|>\n<|im_start|>observation\nd<|im_end|>\n";
        assert_eq!(chat(messages).unwrap(), expected);
        // A role is as it is written.
        assert_eq!(chat(r#"[{"role": "human", "content": "b"}]"#).unwrap(), "<|im_start|>human\nb<|im_end|>\n");
    }

    #[test]
    fn text_parts_are_joined() {
        let parts = r#"[{"role": "user", "content": [{"type": "text", "text": "a\t"}, {"text": "b", "image": null}]}]"#;
        assert_eq!(chat(parts).unwrap(), "<|im_start|>user\na\tb<|im_end|>\n");
        assert_eq!(chat(r#"[{"role": "user", "content": []}]"#).unwrap(), "<|im_start|>user\n<|im_end|>\n");
    }

    #[test]
    fn what_is_no_message_or_no_text_is_named_by_its_path() {
        let remedy = "leave such rows out, or name what is text by a template";
        for (messages, expected) in [
            (r#"[{}, "x"]"#, format!("1: ZF-ROW no field \"m.0.role\"; {EXPECTED}")),
            (
                r#"[{"role": "user", "content": ""}, "x"]"#,
                "34: ZF-TYPE field \"m.1\" is a string, expected a message".to_owned(),
            ),
            (r#"[{"role": "user", "value": "x"}]"#, format!("1: ZF-ROW no field \"m.0.content\"; {EXPECTED}")),
            (r#"[{"from": "gpt"}]"#, format!("1: ZF-ROW no field \"m.0.value\"; {EXPECTED}")),
            (
                r#"[{"role": 1, "content": "x"}]"#,
                "10: ZF-TYPE field \"m.0.role\" is a number, expected a string".to_owned(),
            ),
            (
                r#"[{"role": "user", "content": null}]"#,
                "29: ZF-ROW field \"m.0.content\" is null, expected a string or a list of text parts".to_owned(),
            ),
            (
                r#"[{"role": "user", "content": {"text": "x"}}]"#,
                "29: ZF-TYPE field \"m.0.content\" is an object, expected a string or a list of text parts".to_owned(),
            ),
            (
                r#"[{"role": "assistant", "content": "x", "tool_calls": [{"id": 1}]}]"#,
                format!("53: ZF-ROW field \"m.0.tool_calls\" is a call, which is no text; {remedy}"),
            ),
            (
                r#"[{"role": "assistant", "function_call": {"name": "f"}}]"#,
                format!("40: ZF-ROW field \"m.0.function_call\" is a call, which is no text; {remedy}"),
            ),
            (
                r#"[{"role": "user", "content": [{"text": "x"}, {"type": "image", "text": null}]}]"#,
                format!("45: ZF-ROW field \"m.0.content.1\" is a part of type \"image\" without text; {remedy}"),
            ),
            (
                r#"[{"role": "user", "content": [{"type": "text", "text": 1}]}]"#,
                "55: ZF-TYPE field \"m.0.content.0.text\" is a number, expected a string".to_owned(),
            ),
            (
                r#"[{"role": "user", "content": [{"image": "x"}]}]"#,
                format!("30: ZF-ROW field \"m.0.content.0\" is a part without text; {remedy}"),
            ),
            (
                r#"[{"role": "user", "content": ["x"]}]"#,
                "30: ZF-TYPE field \"m.0.content.0\" is a string, expected a text part such as \
                 {\"type\": \"text\", \"text\": \"...\"}"
                    .to_owned(),
            ),
            (
                r#"[{"role": "user", "content": "\udc00"}]"#,
                "30: ZF-TEXT lone surrogate \\udc00 in field \"m.0.content\"; it stands for no character".to_owned(),
            ),
        ] {
            assert_eq!(chat(messages).unwrap_err(), expected, "{messages}");
        }
    }

    #[test]
    fn any_depth_of_nesting_is_fine_beside_the_text() {
        let deep = format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
        let messages = format!(r#"[{{"x": {deep}, "role": "user", "content": [{{"x": {deep}, "text": "a"}}]}}]"#);
        assert_eq!(chat(&messages).unwrap(), "<|im_start|>user\na<|im_end|>\n");
    }
}
