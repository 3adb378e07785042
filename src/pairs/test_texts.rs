//! Texts on which a search for matches can go wrong, for the property tests of this folder.

use std::ops::Range;

use proptest::prelude::*;

/// As many cases as `ZIPFIT_CASES` says, 100 by default.
pub(super) fn cases() -> ProptestConfig {
    let cases = std::env::var("ZIPFIT_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(100);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// A text of few letters, of a repeated piece, of words, or of any bytes.
pub(super) fn text(bytes: Range<usize>) -> impl Strategy<Value = Vec<u8>> {
    let last = bytes.end - 1;
    let words = prop::sample::select(vec!["def ", "return ", "x", "  ", "\n", "de", "turn x\n"]);
    prop_oneof![
        prop::collection::vec(prop::sample::select(b"ab".to_vec()), bytes.clone()),
        prop::collection::vec(prop::sample::select(b"acgt".to_vec()), bytes.clone()),
        prop::collection::vec(any::<u8>(), bytes.clone()),
        (prop::collection::vec(any::<u8>(), 1..9), bytes.clone()).prop_map(|(piece, length)| piece
            .into_iter()
            .cycle()
            .take(length)
            .collect()),
        prop::collection::vec(words, bytes).prop_map(move |words| {
            let mut text = words.concat().into_bytes();
            text.truncate(last);
            text
        }),
    ]
}

/// Some texts of up to 200 bytes, often with a beginning in common.
pub(super) fn texts(number: Range<usize>) -> impl Strategy<Value = Vec<Vec<u8>>> {
    let prefix = text(0..20);
    (prefix, prop::collection::vec((any::<bool>(), text(0..200)), number)).prop_map(|(prefix, texts)| {
        texts.into_iter().map(|(shared, text)| if shared { [prefix.clone(), text].concat() } else { text }).collect()
    })
}
