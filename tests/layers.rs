//! Arrows between the modules of `src` point down only: the table below, held against every `crate::` path.
//!
//! The reason for the layers: scoring never opens a file and reading never scores, so each can be tested, replaced
//! and understood alone; and nothing needs Python but `py`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A module (a file or folder right under `src`) and those it may name. A new module gets a line here.
const MAY_USE: &[(&str, &[&str])] = &[
    // 0: knows nothing of the others.
    ("error", &[]),
    ("parallel", &["error"]),
    ("texts", &["error"]),
    // The cancel flag is `parallel`'s.
    ("codec", &["error", "parallel"]),
    ("ngrams", &["error", "parallel", "texts"]),
    // A metric knows which codec is its default.
    ("metric", &["codec", "error"]),
    // 1: scoring. Never `read` or `write`.
    ("cover", &["duplicates", "error", "ngrams", "parallel", "texts"]),
    ("pairs", &["codec", "error", "metric", "parallel", "texts"]),
    ("dictionary", &["codec", "error", "metric", "parallel", "texts"]),
    ("rank", &["codec", "dictionary", "error", "metric", "pairs", "parallel", "texts"]),
    ("select", &["error"]),
    ("fuse", &["error"]),
    ("shared", &["error", "parallel", "texts"]),
    ("contamination", &["error", "parallel", "texts"]),
    ("duplicates", &["error", "parallel", "texts"]),
    ("evaluate", &["error", "ngrams", "parallel", "texts"]),
    // 2: files. Never a score.
    ("read", &["error", "parallel", "texts"]),
    // The places of rows are `read`'s.
    ("write", &["error", "parallel", "read", "texts"]),
    // 3: Python. On nobody's list, because nothing may use it.
    (
        "py",
        &[
            "codec",
            "contamination",
            "cover",
            "duplicates",
            "error",
            "evaluate",
            "fuse",
            "metric",
            "pairs",
            "parallel",
            "rank",
            "read",
            "select",
            "shared",
            "texts",
            "write",
        ],
    ),
];

#[test]
fn arrows_between_modules_point_down_only() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = BTreeSet::new();
    let mut wrong = Vec::new();
    for file in rust_files(&src) {
        let module = module_of(file.strip_prefix(&src).expect("a file below src"));
        if module == "lib" {
            continue;
        }
        let code = fs::read_to_string(&file).expect("readable source");
        wrong.extend(violations(&module, &code).into_iter().map(|what| format!("{}: {what}", file.display())));
        found.insert(module);
    }
    let listed: BTreeSet<String> = MAY_USE.iter().map(|(module, _)| (*module).to_owned()).collect();
    wrong.extend(found.difference(&listed).map(|module| format!("src/{module} has no line in MAY_USE")));
    wrong.extend(
        listed.difference(&found).map(|module| format!("MAY_USE has a line for src/{module}, which is not there")),
    );
    assert!(
        wrong.is_empty(),
        "arrows between modules point down only (py -> rank, select, read, write -> pairs -> codec, metric, texts, \
         parallel -> error). Move the code down, or, if the new arrow points down too, add it to MAY_USE in \
         tests/layers.rs:\n  {}",
        wrong.join("\n  ")
    );
}

#[test]
fn every_way_to_name_a_module_is_seen() {
    for code in [
        "use crate::read::Reader;",
        "use crate::{codec::Spec, read::{Reader, jsonl}};",
        "use crate::{\n    codec::{Spec, gzip},\n    read,\n};",
        "fn f() -> crate::read::Reader { todo!() }",
        "pub(crate) use crate::read as r;",
        "use super::super::read::Reader;",
        "use zipfit::read::Reader;",
    ] {
        assert_eq!(violations("pairs", code).len(), 1, "{code}");
    }
}

#[test]
fn what_is_allowed_or_only_spoken_of_is_not_reported() {
    for code in [
        "use crate::{codec::{Spec, read}, texts::Texts};",
        "//! See [`crate::read`] and `zipfit::read`.\nuse crate::error::Result;",
        "fn f() {} // crate::read would be wrong here",
        "use crate::pairs::naive;",
        "use super::targets::Index;",
    ] {
        assert_eq!(violations("pairs", code), Vec::<String>::new(), "{code}");
    }
}

/// `pairs` for `pairs/naive.rs`, `rank` for `rank.rs`.
fn module_of(below_src: &Path) -> String {
    let first = below_src.components().next().expect("a file below src");
    Path::new(first.as_os_str()).file_stem().expect("a named file").to_string_lossy().into_owned()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable entry").path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|suffix| suffix == "rs") {
            files.push(path);
        }
    }
    files
}

/// What the code of `module` names against the rules.
fn violations(module: &str, code: &str) -> Vec<String> {
    let allowed: BTreeMap<&str, &[&str]> = MAY_USE.iter().copied().collect();
    let allowed = allowed.get(module).copied().unwrap_or_default();
    // Comments go: documentation may well point up.
    let code: String = code.lines().map(|line| line.split("//").next().unwrap_or("").to_owned() + "\n").collect();
    let mut wrong = Vec::new();
    for used in modules_after("crate::", &code) {
        if used != module && !allowed.contains(&used.as_str()) {
            wrong.push(format!("`{module}` names `crate::{used}`"));
        }
    }
    for path in ["super::super::", "zipfit::"] {
        if code.contains(path) {
            wrong.push(format!("`{path}` hides which module is meant; write `crate::`"));
        }
    }
    wrong
}

/// The first names after each `prefix`: one, or those at the top level of a braced group.
fn modules_after(prefix: &str, code: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (_, rest) in code.match_indices(prefix).map(|(at, found)| code.split_at(at + found.len())) {
        let Some(group) = rest.strip_prefix('{') else {
            names.push(identifier(rest));
            continue;
        };
        let mut depth = 0;
        let mut item = String::new();
        for letter in group.chars() {
            match letter {
                ',' | '}' if depth == 0 => {
                    names.extend(Some(identifier(item.trim_start())).filter(|name| !name.is_empty()));
                    item.clear();
                    if letter == '}' {
                        break;
                    }
                }
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => item.push(letter),
            }
        }
    }
    names
}

fn identifier(text: &str) -> String {
    text.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect()
}
