//! Where the wanted fields of a row are: at a key, or at a path of keys.
//!
//! `meta.text` is the row's own key of that name if it has one, else `text` in the object `meta`. In an array a step of
//! digits is an index from 0, as in `messages.0.content`. The choice is made for each row by itself. A dot costs one
//! more pass over the value of each object or array on the path; a name without a dot costs nothing.

use serde_json::value::RawValue;

use super::json::{self, Fault};
use crate::error::quote;

/// Fields that are looked for in every row.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    fields: Vec<Field>,
    /// For each field its name, then, if that has a dot, what stands before the first.
    keys: Vec<String>,
}

#[derive(Clone, Debug)]
struct Field {
    name: String,
    /// Offset in the name of what stands after its first dot.
    after_dot: Option<usize>,
}

impl Wanted {
    /// Look for one more field; gives its index.
    pub(super) fn add(&mut self, name: &str) -> usize {
        let dot = name.find('.');
        self.keys.push(name.to_owned());
        self.keys.extend(dot.map(|dot| name[..dot].to_owned()));
        self.fields.push(Field { name: name.to_owned(), after_dot: dot.map(|dot| dot + 1) });
        self.fields.len() - 1
    }

    pub(super) fn name(&self, index: usize) -> &str {
        &self.fields[index].name
    }

    /// The value of each field in the object that `row` is, `None` where there is none; the whole row is checked.
    pub(super) fn find<'a>(&self, row: &'a str) -> Result<Vec<Option<&'a RawValue>>, Fault> {
        let found = json::row_members(row, &self.keys)?;
        if self.keys.len() == self.fields.len() {
            return Ok(found);
        }
        let mut found = found.into_iter();
        let mut values = Vec::with_capacity(self.fields.len());
        for field in &self.fields {
            let mut value = found.next().flatten();
            if let Some(after_dot) = field.after_dot {
                let mut inner = found.next().flatten();
                if value.is_none() {
                    for step in field.name[after_dot..].split('.') {
                        let Some(outer) = inner else { break };
                        inner = child(row, outer.get(), step)?;
                    }
                    value = inner;
                }
            }
            values.push(value);
        }
        Ok(values)
    }

    /// The sentence that `row` lacks a field, with what is there in its place.
    pub(super) fn missing(&self, index: usize, row: &str) -> String {
        let name = self.name(index);
        let mut reached = 0;
        let mut value = row.trim_ascii_start();
        for step in name.split('.') {
            let Ok(Some(inner)) = child(row, value, step) else { break };
            value = inner.get();
            reached += step.len() + 1;
        }
        let path = quote(name[..reached].trim_end_matches('.'));
        let there = match value.as_bytes().first() {
            Some(b'{') => {
                let keys = json::shown_keys(value).join(", ");
                match (keys.is_empty(), reached) {
                    (true, 0) => String::new(),
                    (true, _) => format!("; {path} is an empty object"),
                    (false, 0) => format!("; fields here: {keys}"),
                    (false, _) => format!("; fields in {path}: {keys}"),
                }
            }
            Some(b'[') => {
                let length = json::elements(row, value).map_or(0, |elements| elements.len());
                format!("; {path} is an array of {length}, counted from 0")
            }
            _ => format!("; {path} is {}", json::kind(value)),
        };
        format!("no field {}{there}", quote(name))
    }
}

/// What `step` names in `value`, a piece of `row`: a key of an object, or an index of an array in digits.
fn child<'a>(row: &str, value: &'a str, step: &str) -> Result<Option<&'a RawValue>, Fault> {
    match value.as_bytes().first() {
        Some(b'{') => Ok(json::members(row, value, &[step])?[0]),
        // parse() would take a sign.
        Some(b'[') if step.bytes().all(|byte| byte.is_ascii_digit()) => match step.parse::<usize>() {
            Ok(index) => Ok(json::elements(row, value)?.get(index).copied()),
            Err(_) => Ok(None),
        },
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(name: &str, row: &str) -> Result<String, String> {
        let mut wanted = Wanted::default();
        wanted.add(name);
        match wanted.find(row) {
            Ok(values) => values[0].map(|value| value.get().to_owned()).ok_or_else(|| wanted.missing(0, row)),
            Err((error, at)) => Err(format!("{at}: {error}")),
        }
    }

    #[test]
    fn a_path_goes_through_objects_and_arrays() {
        let row = r#" {"a": {"b": [{"c": 1}, {"c": 2, "": 3}], "0": 4}, "": {"": 5}} "#;
        for (name, value) in [
            ("a.b.0.c", "1"),
            ("a.b.1.c", "2"),
            ("a.b.01.c", "2"),
            ("a.b.1.", "3"),
            ("a.0", "4"),
            (".", "5"),
            ("a.b.0", r#"{"c": 1}"#),
        ] {
            assert_eq!(find(name, row).unwrap(), value, "{name}");
        }
    }

    #[test]
    fn the_rows_own_key_comes_before_the_path() {
        assert_eq!(find("a.b", r#"{"a": {"b": 1}, "a.b": 2}"#).unwrap(), "2");
        assert_eq!(find("a.b", r#"{"a.b": 2, "a": {"b": 1}}"#).unwrap(), "2");
        assert_eq!(find("a.b", r#"{"a": {"b": 1}}"#).unwrap(), "1");
        // Deeper down a dot always parts.
        assert!(find("a.b.c", r#"{"a": {"b.c": 1}}"#).is_err());
    }

    #[test]
    fn of_equal_keys_the_last_counts_at_every_level() {
        assert_eq!(find("a.b", r#"{"a": {"b": 0}, "a": {"b": 1, "\u0062": 2}}"#).unwrap(), "2");
        assert!(find("a.b", r#"{"a": {"b": 0}, "a": {}}"#).is_err());
        assert_eq!(find("a.0", r#"{"a": [1], "a": [2, 3]}"#).unwrap(), "2");
    }

    #[test]
    fn any_depth_of_nesting_is_fine_beside_the_path() {
        let deep = format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
        assert_eq!(find("a.b", &format!(r#"{{"x": {deep}, "a": {{"x": {deep}, "b": 1}}}}"#)).unwrap(), "1");
        assert_eq!(find("a.1", &format!(r#"{{"a": [{deep}, 1]}}"#)).unwrap(), "1");
    }

    #[test]
    fn a_path_that_ends_early_says_what_is_there() {
        let row = r#"{"a": {"b": "x", "c": [1, 2], "d": {}}, "e": null}"#;
        for (name, there) in [
            ("x.y", "fields here: \"a\", \"e\""),
            ("a.x", "fields in \"a\": \"b\", \"c\", \"d\""),
            ("a.b.x", "\"a.b\" is a string"),
            ("a.c.2", "\"a.c\" is an array of 2, counted from 0"),
            ("a.c.-1", "\"a.c\" is an array of 2, counted from 0"),
            ("a.c.99999999999999999999", "\"a.c\" is an array of 2, counted from 0"),
            ("a.d.x", "\"a.d\" is an empty object"),
            ("e.x", "\"e\" is null"),
        ] {
            assert_eq!(find(name, row).unwrap_err(), format!("no field \"{name}\"; {there}"));
        }
        assert_eq!(find("a.b", "{}").unwrap_err(), "no field \"a.b\"");
    }

    #[test]
    fn a_lone_surrogate_in_a_key_beside_the_path_has_its_place() {
        let error = find("a.b", r#"{"a": {"\ud800": 1, "b": 2}}"#).unwrap_err();
        assert_eq!(error, "14: invalid JSON: unexpected end of hex escape");
    }
}
