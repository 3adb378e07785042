//! What the text of a row is: one field, or a template of fields.
//!
//! `text` is the field of that name. A value with braces is a template: `{prompt}\n{answer}` puts the two fields on
//! a line each. `\n`, `\t` and `\\` are escapes in a template, `{{` and `}}` are braces; there is no code in it.

use crate::error::{Error, Result, quote};

/// A parsed field name or template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template {
    /// Every field named, in order of first use.
    pub(super) fields: Vec<String>,
    pub(super) parts: Vec<Part>,
    /// A template takes numbers and booleans as they are written; a plain field must be a string.
    pub(super) is_plain: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Literal(String),
    /// Index into `fields`.
    Field(usize),
}

impl Template {
    pub(super) fn parse(text: &str) -> Result<Template> {
        if text.is_empty() {
            return Err(Error::parameter("text is empty; give a field name or a template such as \"{title} {body}\""));
        }
        if !text.contains(['{', '}']) {
            return Ok(Template { fields: vec![text.to_owned()], parts: vec![Part::Field(0)], is_plain: true });
        }
        let refuse = |why: &str| Err(Error::parameter(format!("template {}: {why}", quote(text))));
        let mut template = Template { fields: Vec::new(), parts: Vec::new(), is_plain: false };
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
                        template.parts.push(Part::Literal(std::mem::take(&mut literal)));
                    }
                    template.push_field(name);
                }
                '}' => return refuse("a brace is closed that was not opened; write }} for a brace"),
                _ => literal.push(c),
            }
        }
        if template.fields.is_empty() {
            return refuse("there is no field in it");
        }
        if !literal.is_empty() {
            template.parts.push(Part::Literal(literal));
        }
        Ok(template)
    }

    fn push_field(&mut self, name: String) {
        let known = self.fields.iter().position(|field| *field == name);
        let index = known.unwrap_or_else(|| {
            self.fields.push(name);
            self.fields.len() - 1
        });
        self.parts.push(Part::Field(index));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_without_braces_is_a_field_whatever_else_is_in_it() {
        let template = Template::parse("my \\n field").unwrap();
        assert!(template.is_plain);
        assert_eq!(template.fields, ["my \\n field"]);
    }

    #[test]
    fn a_template_has_fields_escapes_and_braces() {
        let template = Template::parse("{a}\\n{{{b}}}\\t{a}\\\\").unwrap();
        assert_eq!(template.fields, ["a", "b"]);
        let literal = |text: &str| Part::Literal(text.to_owned());
        let parts = [Part::Field(0), literal("\n{"), Part::Field(1), literal("}\t"), Part::Field(0), literal("\\")];
        assert_eq!(template.parts, parts);
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
}
