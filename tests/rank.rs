//! Scores through the public API: they are the formula, and nothing but the texts decides them.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod common;

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use zipfit::error::Cause;
use zipfit::{Aggregate, Control, Metric, Scorer, Spec, Texts};

/// C(x) by another road than the crate's own: a real gzip file.
fn gzip_size(text: &[u8]) -> f64 {
    let mut file = GzEncoder::new(Vec::new(), Compression::best());
    file.write_all(text).unwrap();
    f64::from(u32::try_from(file.finish().unwrap().len()).unwrap())
}

/// The formula as it is written in the paper.
fn ncd(x: &[u8], p: &[u8]) -> f64 {
    let (cx, cp, cxp) = (gzip_size(x), gzip_size(p), gzip_size(&[x, p].concat()));
    (cxp - cx.min(cp)) / cx.max(cp)
}

fn scores(source: &[Vec<u8>], target: &[Vec<u8>], aggregate: Aggregate, threads: usize) -> Vec<f64> {
    let control = Control::default();
    let scorer =
        Scorer::prepare(Texts::from_iter(target), Metric::Ncd, Spec::DEFAULT, aggregate, threads, &control).unwrap();
    scorer.score(&Texts::from_iter(source), threads, &control).unwrap()
}

/// Texts that stress compressors: few letters, runs, repeated words, any bytes, empty.
fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(prop::sample::select(b"ab".to_vec()), 0..300),
        prop::collection::vec(any::<u8>(), 0..300),
        (any::<u8>(), 0..2000usize).prop_map(|(byte, length)| vec![byte; length]),
        prop::collection::vec(
            prop::sample::select(vec!["def ", "return ", "lemma ", "x + y\n", "\u{e9}t\u{e9} "]),
            0..80
        )
        .prop_map(|words| words.concat().into_bytes()),
    ]
}

/// Some texts, at least `min` of them.
fn texts(min: usize) -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(text(), min..min + 6)
}

proptest! {
    #![proptest_config(common::cases())]

    #[test]
    fn a_score_is_one_minus_the_mean_ncd_to_the_last_bit(source in texts(0), target in texts(1)) {
        let expected: Vec<f64> = source.iter().map(|x| {
            let mut sum = 0.0;
            for p in &target {
                sum += ncd(x, p);
            }
            1.0 - sum / f64::from(u32::try_from(target.len()).unwrap())
        }).collect();
        for threads in [1, 2, 8] {
            prop_assert_eq!(&scores(&source, &target, Aggregate::Mean, threads), &expected);
        }
    }

    #[test]
    fn max_and_top_look_at_the_nearest_targets(source in texts(1), target in texts(3)) {
        let mut expected: Vec<Vec<f64>> = source.iter().map(|x| target.iter().map(|p| ncd(x, p)).collect()).collect();
        for distances in &mut expected {
            distances.sort_by(f64::total_cmp);
        }
        let nearest: Vec<f64> = expected.iter().map(|d| 1.0 - d[0]).collect();
        let nearest_two: Vec<f64> = expected.iter().map(|d| 1.0 - (0.0 + d[0] + d[1]) / 2.0).collect();
        prop_assert_eq!(scores(&source, &target, Aggregate::Max, 2), nearest);
        prop_assert_eq!(scores(&source, &target, Aggregate::Top(2), 2), nearest_two);
    }

    #[test]
    fn a_row_has_the_same_score_whatever_stands_beside_it(source in texts(2), target in texts(1)) {
        let together = scores(&source, &target, Aggregate::Mean, 2);
        for (row, score) in source.iter().zip(together) {
            prop_assert_eq!(scores(std::slice::from_ref(row), &target, Aggregate::Mean, 1), [score]);
        }
    }

    #[test]
    fn the_matrix_holds_the_distances_that_the_scores_are_made_of(source in texts(1), target in texts(1)) {
        let control = Control::default();
        let targets = Texts::from_iter(&target);
        let scorer = Scorer::prepare(targets, Metric::Ncd, Spec::DEFAULT, Aggregate::Mean, 1, &control).unwrap();
        let matrix = scorer.distance_matrix(&Texts::from_iter(&source), 2, &control).unwrap();
        let expected: Vec<f64> = source.iter().flat_map(|x| target.iter().map(|p| ncd(x, p))).collect();
        prop_assert_eq!(matrix, expected);
    }
}

#[test]
fn the_window_ends_what_gzip_can_see() {
    // Without repeats of its own, a text is only alike to its copy if the copy is within 32 KiB.
    let mut state = 1u32;
    let text: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    })
    .take(40_000)
    .collect();
    let ncd = |text: &[u8]| zipfit::ncd(text, text, Spec::DEFAULT, &Control::default()).unwrap();
    assert!(ncd(&text[..30_000]) < 0.1);
    assert!(ncd(&text) > 0.9);
}

#[test]
fn an_empty_target_is_an_error_and_an_empty_source_is_not() {
    let control = Control::default();
    let prepare = |target| Scorer::prepare(target, Metric::Ncd, Spec::DEFAULT, Aggregate::Mean, 1, &control);
    let none = Texts::from_iter::<[&str; 0]>([]);
    assert!(matches!(prepare(none.clone()).unwrap_err().cause(), Cause::EmptyTarget));
    assert!(prepare(Texts::from_iter(["p"])).unwrap().score(&none, 1, &control).unwrap().is_empty());
}

#[test]
fn a_stop_signal_ends_the_scoring() {
    let control = Control::default();
    let texts = Texts::from_iter(vec!["a text"; 100]);
    let scorer = Scorer::prepare(texts.clone(), Metric::Ncd, Spec::DEFAULT, Aggregate::Mean, 2, &control).unwrap();
    control.cancel();
    assert!(matches!(scorer.score(&texts, 2, &control).unwrap_err().cause(), Cause::Interrupted));
}
