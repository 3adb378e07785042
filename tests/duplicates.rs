//! Duplicates through the public interface: equal and near ones against a double loop over sets of n-grams.

use std::collections::HashSet;

use proptest::prelude::*;
use zipfit::duplicates::{ExactDuplicates, NGRAM, duplicates};
use zipfit::{Control, Texts};

/// The set of n-grams of a text; a shorter one has itself.
fn grams(text: &[u8]) -> HashSet<&[u8]> {
    if text.len() < NGRAM { HashSet::from([text]) } else { text.windows(NGRAM).collect() }
}

fn is_alike(x: &HashSet<&[u8]>, y: &HashSet<&[u8]>, threshold: f64) -> bool {
    let common = x.intersection(y).count();
    #[expect(clippy::cast_precision_loss, reason = "some hundred n-grams")]
    let similarity = common as f64 / (x.len() + y.len() - common) as f64;
    similarity >= threshold
}

/// Every row with every earlier one that stays, in order.
fn naive(source: &[Vec<u8>], threshold: f64, keep: &[bool]) -> Vec<Option<usize>> {
    let mut stays: Vec<usize> = Vec::new();
    let mut found = vec![None; source.len()];
    for row in (0..source.len()).filter(|&row| keep[row]) {
        let own = grams(&source[row]);
        found[row] = stays.iter().copied().find(|&earlier| is_alike(&grams(&source[earlier]), &own, threshold));
        if found[row].is_none() {
            stays.push(row);
        }
    }
    found
}

fn naive_copies(source: &[Vec<u8>], keep: &[bool]) -> Vec<Option<usize>> {
    let is_copy = |row: usize, earlier: usize| keep[earlier] && source[earlier] == source[row];
    (0..source.len()).map(|row| (0..row).find(|&earlier| keep[row] && is_copy(row, earlier))).collect()
}

/// Rows made of few pieces, so that they share some, all or no n-grams, whole rows coincide, and some are too short.
fn rows(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Vec<u8>>> {
    let piece = prop_oneof![
        4 => prop::sample::select(vec!["import os\n", "for i in range(10):\n", "    print(i)\n", "return x + y\n", "aaaa"]),
        1 => prop::sample::select(vec!["", "a", "b", "\0\0\0\0\0\0\0\0\0", "\u{e9}"]),
    ];
    let row = prop::collection::vec(piece, 0..7).prop_map(|pieces| pieces.concat().into_bytes());
    prop::collection::vec(row, count)
}

fn thresholds() -> impl Strategy<Value = f64> {
    prop_oneof![
        prop::sample::select(vec![0.1, 0.2, 0.25, 1.0 / 3.0, 0.5, 2.0 / 3.0, 0.75, 0.8, 0.9, 0.99]),
        0.1f64..1.0,
        // Between all and nearly nothing in common.
        prop::sample::select(vec![1e-6, 1.0 - f64::EPSILON]),
    ]
}

proptest! {
    #[test]
    fn near_duplicates_are_those_of_a_double_loop(
        source in rows(0..30),
        keep in prop::collection::vec(prop::bool::weighted(0.8), 30),
        threshold in thresholds(),
        threads in 1usize..4,
    ) {
        let keep = &keep[..source.len()];
        let found =
            duplicates(&Texts::from_iter(&source), threshold, Some(keep), threads, &Control::default()).unwrap();
        prop_assert_eq!(found, naive(&source, threshold, keep));
    }

    #[test]
    fn equal_texts_are_those_of_a_double_loop_in_one_piece_or_in_batches(
        source in rows(0..30),
        keep in prop::collection::vec(prop::bool::weighted(0.8), 30),
        batch in 1usize..12,
        threads in 1usize..4,
    ) {
        let keep = &keep[..source.len()];
        let expected = naive_copies(&source, keep);
        let control = Control::default();
        let found = duplicates(&Texts::from_iter(&source), 1.0, Some(keep), threads, &control).unwrap();
        prop_assert_eq!(&found, &expected);
        let mut seen = ExactDuplicates::default();
        let batches = source.chunks(batch).zip(keep.chunks(batch));
        let found: Vec<_> = batches
            .flat_map(|(batch, keep)| seen.add(&Texts::from_iter(batch), Some(keep), threads, &control).unwrap())
            .collect();
        prop_assert_eq!(found, expected);
    }
}

/// Real text, and the same with small changes: the sources of this crate, cut into pieces.
fn prose_and_changed() -> Vec<Vec<u8>> {
    let all = concat!(
        include_str!("../src/duplicates/mod.rs"),
        include_str!("../src/duplicates/near.rs"),
        include_str!("../src/contamination/mod.rs"),
        include_str!("../src/parallel.rs")
    );
    let pieces: Vec<&str> = all.split("\n\n").collect();
    let changed = pieces.iter().map(|piece| piece.replacen("the", "The", 1)).filter(|piece| piece.len() > 60);
    pieces.iter().map(|&piece| piece.to_owned()).chain(changed).map(String::into_bytes).collect()
}

#[test]
fn near_duplicates_of_prose_and_code_are_those_of_a_double_loop() {
    let source = prose_and_changed();
    let keep = vec![true; source.len()];
    for threshold in [0.1, 0.3, 0.5, 0.8, 0.95] {
        let expected = naive(&source, threshold, &keep);
        assert!(expected.iter().any(Option::is_some));
        for threads in [1, 2, 5] {
            let found = duplicates(&Texts::from_iter(&source), threshold, None, threads, &Control::default()).unwrap();
            assert_eq!(found, expected, "threshold {threshold}, {threads} threads");
        }
    }
}

#[test]
fn rows_of_different_blocks_are_compared_as_those_of_one() {
    // More rows than a block of 2,048 has; every third repeats an earlier one, near or far.
    let pieces = prose_and_changed();
    let pieces = &pieces[..40];
    let source: Vec<Vec<u8>> = (0..2500usize)
        .map(|row| [&pieces[row * row % 40], format!("{:08}", row / 3 * 2).as_bytes()].concat())
        .collect();
    let keep = vec![true; source.len()];
    let expected = naive(&source, 0.9, &keep);
    for threads in [1, 3] {
        let found = duplicates(&Texts::from_iter(&source), 0.9, None, threads, &Control::default()).unwrap();
        assert_eq!(found, expected);
    }
}

#[test]
fn every_row_is_counted_as_done_once() {
    let source = Texts::from_iter(prose_and_changed());
    for (threshold, threads) in [(1.0, 1), (0.8, 1), (0.8, 3)] {
        let control = Control::default();
        duplicates(&source, threshold, None, threads, &control).unwrap();
        assert_eq!(control.done(), source.len() as u64);
    }
}
