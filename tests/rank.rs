//! Scores through the public API: they are the formula, and nothing but the texts decides them.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use zipfit::error::Cause;
use zipfit::pairs::Pairs;
use zipfit::{Aggregate, Control, Distance, Metric, Scorer, Spec, Texts, rank};

use crate::common;

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
        Scorer::prepare(Texts::from_iter(target), Metric::DEFAULT, Spec::DEFAULT, aggregate, threads, &control)
            .unwrap();
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
        let pairs = Pairs::prepare(targets, Spec::DEFAULT, 1, &control).unwrap();
        let matrix = rank::distance_matrix(&Texts::from_iter(&source), &pairs, Distance::Ncd, 2, &control).unwrap();
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
    let prepare = |target| Scorer::prepare(target, Metric::DEFAULT, Spec::DEFAULT, Aggregate::Mean, 1, &control);
    let none = Texts::from_iter::<[&str; 0]>([]);
    assert!(matches!(prepare(none.clone()).unwrap_err().cause(), Cause::EmptyTarget));
    assert!(prepare(Texts::from_iter(["p"])).unwrap().score(&none, 1, &control).unwrap().is_empty());
}

#[test]
fn a_stop_signal_ends_the_scoring() {
    let control = Control::default();
    let texts = Texts::from_iter(vec!["a text"; 100]);
    let scorer = Scorer::prepare(texts.clone(), Metric::DEFAULT, Spec::DEFAULT, Aggregate::Mean, 2, &control).unwrap();
    control.cancel();
    assert!(matches!(scorer.score(&texts, 2, &control).unwrap_err().cause(), Cause::Interrupted));
}

fn gains(source: &Texts, target: Texts, spec: &str, threads: usize) -> Vec<f64> {
    let control = Control::default();
    let spec = spec.parse().unwrap();
    let scorer = Scorer::prepare(target, Metric::Gain, spec, Aggregate::Mean, threads, &control).unwrap();
    scorer.score(source, threads, &control).unwrap()
}

proptest! {
    #![proptest_config(common::cases())]

    #[test]
    fn a_gain_is_the_same_on_any_number_of_threads_and_whatever_stands_beside_it(
        source in texts(1),
        target in texts(1),
        spec in prop::sample::select(vec!["zstd-1", "zstd-3", "zstd-19", "deflate-6"]),
    ) {
        // The magic number of zstd's own dictionaries, which is refused.
        prop_assume!(!target.iter().any(|text| text.starts_with(&[0x37, 0xA4, 0x30, 0xEC])));
        let targets = Texts::from_iter(&target);
        let together = gains(&Texts::from_iter(&source), targets.clone(), spec, 1);
        for threads in [2, 8] {
            prop_assert_eq!(&gains(&Texts::from_iter(&source), targets.clone(), spec, threads), &together);
        }
        for (row, gain) in source.iter().zip(together) {
            prop_assert_eq!(gains(&Texts::from_iter([row]), targets.clone(), spec, 1), [gain]);
            prop_assert!(!row.is_empty() || gain.to_bits() == 0);
        }
    }
}

#[test]
fn the_gain_over_several_dictionaries_is_the_mean_of_their_gains() {
    let control = Control::default();
    let target: Vec<String> = (0..9000).map(|i: u64| format!("theorem number {} of many\n", i * i)).collect();
    let source = Texts::from_iter(["theorem number 64 of many", "", "It was the best of times."]);
    // 256 KiB and something, so three dictionaries; each third alone is one.
    let bytes = target.iter().map(|text| text.len() + 1).sum::<usize>() - 1;
    assert_eq!(bytes.div_ceil(128 * 1024), 3);
    let mut thirds = vec![Vec::new(); 3];
    let mut start = 0;
    for text in &target {
        thirds[3 * start / bytes].push(text);
        start += text.len() + 1;
    }
    let of_thirds: Vec<Vec<f64>> =
        thirds.into_iter().map(|third| gains(&source, Texts::from_iter(third), "zstd-3", 1)).collect();
    let expected: Vec<f64> =
        (0..3).map(|row| (0.0 + of_thirds[0][row] + of_thirds[1][row] + of_thirds[2][row]) / 3.0).collect();
    assert_eq!(gains(&source, Texts::from_iter(&target), "zstd-3", 2), expected);
    let stopped = Control::default();
    stopped.cancel();
    let prepare = |control| {
        let target = Texts::from_iter(&target);
        Scorer::prepare(target, Metric::Gain, Metric::Gain.default_spec(), Aggregate::Mean, 2, control)
    };
    assert!(matches!(prepare(&stopped).unwrap_err().cause(), Cause::Interrupted));
    let scorer = prepare(&control).unwrap();
    assert!(matches!(scorer.score(&source, 2, &stopped).unwrap_err().cause(), Cause::Interrupted));
}
