//! Sizes of pairs: whatever engine finds them, they are those of one compression a pair, by zlib itself.
//!
//! Each engine is held against the naive one, and real gzip files vouch for that. The texts are made to catch out a
//! compressor that only nearly does what zlib does: see [`text`] and [`related`].

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use zipfit::pairs::{Engine, Pairs, Worker};
use zipfit::{Control, Spec, Texts};

use crate::common;
use crate::common::random::random;

/// The engines that have to give what the naive one gives.
const ENGINES: [Engine; 2] = [Engine::Fast, Engine::Portable];

/// The specs that they can do.
const LEVEL_9: [&str; 3] = ["gzip-9", "zlib-9", "deflate-9"];

fn prepare<T: AsRef<[u8]>>(engine: Engine, target: &[T], spec: &str) -> Pairs {
    let spec: Spec = spec.parse().unwrap();
    Pairs::prepare_with(engine, Texts::from_iter(target), spec, 2, &Control::default()).unwrap()
}

/// C(x), then C(x p) of every target.
fn row(worker: &mut Worker<'_>, x: &[u8], targets: usize) -> Vec<u64> {
    let mut sizes = vec![0; targets + 1];
    let (own, joint) = sizes.split_first_mut().unwrap();
    *own = worker.row(x, joint, &Control::default()).unwrap();
    sizes
}

/// Compare the engines on every source.
fn assert_equals_naive(source: &[Vec<u8>], target: &[Vec<u8>], spec: &str) {
    let naive = prepare(Engine::Naive, target, spec);
    let mut worker = naive.worker();
    let expected: Vec<Vec<u64>> = source.iter().map(|x| row(&mut worker, x, target.len())).collect();
    for engine in ENGINES {
        let pairs = prepare(engine, target, spec);
        assert_eq!(pairs.target_sizes(), naive.target_sizes());
        let mut worker = pairs.worker();
        for (x, expected) in source.iter().zip(&expected) {
            let sizes = row(&mut worker, x, target.len());
            if let Some(j) = (0..sizes.len()).find(|&j| sizes[j] != expected[j]) {
                let p = if j == 0 { &[] } else { target[j - 1].as_slice() };
                let texts = format!("x of {} bytes, p of {} (0 for C(x)): {x:?} {p:?}", x.len(), p.len());
                panic!("{engine:?} {spec}: {} for {}, {texts}", sizes[j], expected[j]);
            }
        }
    }
}

/// `length` bytes of `letters` equally frequent letters. With 256 zlib finds next to nothing: a token a byte.
fn noise(letters: u32, length: usize, seed: u64) -> Vec<u8> {
    let mut random = random(seed);
    (0..length).map(|_| (random() % letters) as u8).collect()
}

/// `length` bytes whose letters are each half as frequent as the one before: Huffman codes of every length.
fn skewed(length: usize, seed: u64) -> Vec<u8> {
    let mut random = random(seed);
    (0..length).map(|_| random().trailing_zeros() as u8).collect()
}

/// Letters in Fibonacci frequencies 1, 1, 2, 3, 5, ..., mixed: the deepest Huffman trees that so few letters can have.
fn fibonacci(letters: u8, seed: u64) -> Vec<u8> {
    let (mut text, mut count, mut next) = (Vec::new(), 1, 1);
    for letter in 0..letters {
        text.extend(std::iter::repeat_n(letter, count));
        (count, next) = (next, count + next);
    }
    let mut random = random(seed);
    for i in (1..text.len()).rev() {
        text.swap(i, random() as usize % (i + 1));
    }
    text
}

/// Noise with copies in it at distances that have one DEFLATE code each (RFC 1951, 3.2.5), in Fibonacci frequencies.
/// 16 codes make a tree as deep as it may be, 15 bits, in 15,481 bytes; 17 make one that must be cut back.
fn fibonacci_distances(codes: usize) -> Vec<u8> {
    let mut random = random(1);
    let (mut text, mut count, mut next) = (Vec::new(), 1, 1);
    for code in 0..codes {
        // The shortest distance of code + 4, counted from 5 so that no copy overlaps itself.
        let distance = ((2 + code % 2) << (code / 2 + 1)) + 1;
        text.extend((0..distance).map(|_| random() as u8));
        for _ in 0..count {
            let from = text.len() - distance;
            text.extend_from_within(from..from + 4);
            // Any byte but the next ends the match; counting up, no two copies of a place go on alike.
            text.push(text[from + 4].wrapping_add(1));
        }
        (count, next) = (next, count + next);
    }
    text
}

/// A text of some hundred bytes of one of the kinds that compressors get wrong.
fn text() -> impl Strategy<Value = Vec<u8>> {
    let run_lengths = prop::sample::select(vec![1, 2, 3, 4, 5, 10, 64, 257, 258, 259, 260, 261, 516, 517, 1000]);
    let words = prop::sample::select(vec!["def ", "return ", "lemma ", "x + y\n", "    ", "\u{e9}t\u{e9} ", "e", "."]);
    prop_oneof![
        3 => (prop::sample::select(vec![1, 2, 4, 16, 256]), 0..700usize, any::<u64>())
            .prop_map(|(letters, length, seed)| noise(letters, length, seed)),
        1 => (0..700usize, any::<u64>()).prop_map(|(length, seed)| skewed(length, seed)),
        1 => (1..13u8, any::<u64>()).prop_map(|(letters, seed)| fibonacci(letters, seed)),
        2 => prop::collection::vec((prop::sample::select(b"abc\0".to_vec()), run_lengths), 0..6)
            .prop_map(|runs| runs.into_iter().flat_map(|(byte, length)| vec![byte; length]).collect()),
        2 => (prop::collection::vec(any::<u8>(), 1..40), 0..30usize, 0..40usize)
            .prop_map(|(period, times, cut)| [period.repeat(times), period[..cut.min(period.len())].to_vec()].concat()),
        3 => prop::collection::vec(words, 0..120).prop_map(|words| words.concat().into_bytes()),
        2 => prop::collection::vec(prop::sample::select(b"ab\xff".to_vec()), 0..6),
    ]
}

/// A way to make a source out of a text of its own, `x`, and a target p: what matters is where p begins.
fn related(x: &[u8], p: &[u8], way: usize, cut: usize) -> Vec<u8> {
    let cut = if p.is_empty() { 0 } else { cut % (p.len() + 1) };
    match way {
        // x ends as p begins: a match over the seam, short or long.
        0 => [x, &p[..cut]].concat(),
        1 => [x, &p[..p.len().min(cut % 5)]].concat(),
        2 => p.to_vec(),
        3 => p.repeat(3),
        // x ends with the whole of p once and a part of it.
        4 => [x, p, &p[..cut]].concat(),
        5 => [&p[cut..], x].concat(),
        6 => [&p[cut..], x, &p[..cut]].concat(),
        // x ends in the first letter of p, many times.
        7 => [x, &p[..p.len().min(1)].repeat(cut)].concat(),
        _ => x.to_vec(),
    }
}

/// Targets, and sources of which most have to do with one of them.
fn source_and_target() -> impl Strategy<Value = (Vec<Vec<u8>>, Vec<Vec<u8>>)> {
    let target = prop::collection::vec(text(), 1..20);
    let source = prop::collection::vec((text(), any::<prop::sample::Index>(), 0..10usize, any::<u16>()), 1..5);
    (source, target).prop_map(|(source, target)| {
        let relate = |(x, target_index, way, cut): (Vec<u8>, prop::sample::Index, usize, u16)| {
            related(&x, target_index.get::<Vec<u8>>(&target), way, usize::from(cut))
        };
        (source.into_iter().map(relate).collect(), target)
    })
}

proptest! {
    #![proptest_config(common::cases())]

    #[test]
    fn every_size_is_that_of_the_naive_engine((source, target) in source_and_target()) {
        assert_equals_naive(&source, &target, "gzip-9");
    }

    #[test]
    fn the_frame_of_the_container_is_all_that_differs_between_the_specs((source, target) in source_and_target()) {
        let sizes = LEVEL_9.map(|spec| {
            let pairs = prepare(Engine::Fast, &target, spec);
            let mut worker = pairs.worker();
            let sizes = source.iter().flat_map(|x| row(&mut worker, x, target.len()));
            sizes.chain(pairs.target_sizes().iter().copied()).collect::<Vec<u64>>()
        });
        let framed = |bytes: u64| sizes[2].iter().map(|size| size + bytes).collect::<Vec<u64>>();
        prop_assert_eq!(&sizes[0], &framed(18));
        prop_assert_eq!(&sizes[1], &framed(6));
    }

    #[test]
    fn a_worker_remembers_nothing_of_the_rows_before((source, target) in source_and_target()) {
        for engine in ENGINES {
            let pairs = prepare(engine, &target, "gzip-9");
            let alone: Vec<Vec<u64>> = source.iter().map(|x| row(&mut pairs.worker(), x, target.len())).collect();
            let mut worker = pairs.worker();
            for i in (0..source.len()).rev().chain(0..source.len()) {
                prop_assert_eq!(&row(&mut worker, &source[i], target.len()), &alone[i]);
            }
        }
    }

    #[test]
    fn a_target_has_the_same_sizes_whatever_stands_beside_it((source, target) in source_and_target()) {
        let pairs = prepare(Engine::Fast, &target, "gzip-9");
        let mut worker = pairs.worker();
        let together: Vec<Vec<u64>> = source.iter().map(|x| row(&mut worker, x, target.len())).collect();
        for (j, p) in target.iter().enumerate() {
            let pairs = prepare(Engine::Fast, &[p], "gzip-9");
            let mut worker = pairs.worker();
            for (x, sizes) in source.iter().zip(&together) {
                prop_assert_eq!(row(&mut worker, x, 1), [sizes[0], sizes[j + 1]]);
            }
        }
    }
}

/// Lengths where zlib changes its ways: the longest match (258) and what it must see ahead (262); where a match of
/// three bytes gets too far (4,096); a full DEFLATE block in tokens (16,383), which is one in bytes for noise, and well
/// below it (12,000); the farthest distance (32,506) and the window (32,768). The fast engine does no pair of more than
/// 16,382 tokens or 32,506 bytes.
const EDGES: [usize; 10] = [3, 5, 258, 262, 4096, 12_000, 16_383, 32_506, 32_768, 33_026];

proptest! {
    // A case is up to 1.4 MB of joined text, and zlib is slow on some of it.
    #![proptest_config(ProptestConfig { cases: common::cases().cases.div_ceil(10), ..common::cases() })]

    #[test]
    fn lengths_do_not_matter(
        edge in prop::sample::select(EDGES.to_vec()),
        around in 0..5usize,
        letters in prop::sample::select(vec![1, 4, 26, 128, 256]),
        seed: u64,
    ) {
        let whole = noise(letters, edge + around - 2, seed);
        // The length in the source, in the target or in both together, with the seam anywhere.
        let cuts = [0, 1, 3, 258, 1000].map(|cut| cut.min(whole.len()));
        let mut source = cuts.map(|cut| whole[..whole.len() - cut].to_vec()).to_vec();
        let mut target = cuts.map(|cut| whole[whole.len() - cut..].to_vec()).to_vec();
        source.push(noise(letters, 300, !seed));
        target.extend([whole, noise(letters, 300, !seed)]);
        assert_equals_naive(&source, &target, "deflate-9");
    }
}

#[test]
fn texts_of_up_to_five_bytes_on_both_sides() {
    let tiny: Vec<Vec<u8>> = (0..6)
        .flat_map(|length| {
            (0..1 << length).map(move |bits: u32| (0..length).map(|i| b'a' + (bits >> i & 1) as u8).collect())
        })
        .collect();
    assert_eq!(tiny.len(), 63);
    assert_equals_naive(&tiny, &tiny, "gzip-9");
}

#[test]
fn deep_huffman_trees() {
    let mut texts = Vec::new();
    for codes in 14..18 {
        let whole = fibonacci_distances(codes);
        let (x, p) = whole.split_at(whole.len() / 2);
        assert_equals_naive(&[x.to_vec()], &[p.to_vec(), whole[x.len() - 1..].to_vec()], "gzip-9");
        texts.push(whole);
    }
    texts.extend((1..18).map(|letters| fibonacci(letters, u64::from(letters))));
    texts.extend([100, 1000, 10_000].map(|length| skewed(length, 3)));
    assert_equals_naive(&texts, &texts, "gzip-9");
}

#[test]
fn runs_of_every_length_around_the_longest_match() {
    let runs: Vec<Vec<u8>> =
        [1, 2, 3, 4, 257, 258, 259, 260, 261, 262, 515, 516, 517, 518, 519, 774, 775, 776, 4097, 15_999]
            .map(|length| vec![b'a'; length])
            .to_vec();
    assert_equals_naive(&runs, &runs, "gzip-9");
}

#[test]
fn a_thousand_tiny_targets_some_of_them_empty() {
    let target: Vec<Vec<u8>> = (0..1500).map(|i| skewed(i % 17, i as u64 % 300)).collect();
    let source = [b"".to_vec(), skewed(5, 4), skewed(700, 5), noise(3, 400, 6), target[16].clone()];
    assert_equals_naive(&source, &target, "gzip-9");
}

#[test]
fn more_target_bytes_than_two_bytes_can_count() {
    // 300 targets of some 500 bytes: positions in them do not fit into 16 bits.
    let words = [b"theorem ".to_vec(), b"lemma ".to_vec(), b"by simp\n".to_vec(), noise(256, 9, 1), noise(4, 30, 2)];
    let mut random = random(7);
    let mut text = |words_each: usize| -> Vec<u8> {
        (0..words_each).flat_map(|_| words[random() as usize % words.len()].clone()).collect()
    };
    let target: Vec<Vec<u8>> = (0..300).map(|i| text(25 + i % 20)).collect();
    assert!(target.concat().len() > 65_536);
    let source = [text(20), text(100), target[299].clone(), [text(3), target[298][..50].to_vec()].concat()];
    assert_equals_naive(&source, &target, "gzip-9");
}

#[test]
fn targets_longer_than_the_window() {
    let long = noise(26, 40_000, 1);
    let target = [long.clone(), long[..33_000].to_vec(), noise(2, 70_000, 2), b"short".to_vec(), vec![]];
    let source = [long[..500].to_vec(), long[39_000..].to_vec(), b"ab".to_vec(), long];
    assert_equals_naive(&source, &target, "gzip-9");
}

#[test]
fn a_match_over_the_seam_from_far_away() {
    // zlib drops a match of three bytes from more than 4,096 bytes back, so x alone ends in literals. With p behind it
    // the match is longer and is taken: at first the engine had decided by then (found by fuzzing).
    let word = b"zipfit!";
    for between in [4080, 4090, 5000, 30_000] {
        // Fewer than 256 letters, or the text would be stored whatever is found.
        let noise: Vec<u8> = noise(64, between, 1).into_iter().map(|letter| letter + 128).collect();
        let x = [b".", word.as_slice(), &noise].concat();
        for tail in 0..word.len() {
            let x = [&x, &word[..tail]].concat();
            let target: Vec<Vec<u8>> = (tail..=word.len()).map(|end| word[tail..end].to_vec()).collect();
            assert_equals_naive(&[x], &target, "gzip-9");
        }
    }
}

/// A text in which zlib gives up before it finds the best match: eight words stand at its beginning and again at its
/// end, with `places` between that have the same hash as the beginning of each word; `before` is the length of the match
/// one byte before each word at the end, or 0.
fn behind_a_long_chain(place: &str, places: usize, before: usize) -> Vec<u8> {
    let words: Vec<Vec<u8>> = (0..8).map(|k| [b"abc".to_vec(), noise(26, 50, k)].concat()).collect();
    let mut text = b".".to_vec();
    text.extend(words.concat());
    for i in 0..places {
        text.extend(format!("{place}{:02}", i % 89).bytes());
    }
    for (k, word) in (0x80..).zip(&words) {
        if before > 0 {
            text.push(k);
            text.extend(&word[..before - 1]);
        }
    }
    for (k, word) in (0x80..).zip(&words) {
        text.push(k);
        text.extend(word);
    }
    text
}

#[test]
fn pairs_on_which_zlib_gives_up_early_are_right_too() {
    // zlib looks at 4,096 places, but at 1,024 when the match before has 32 bytes. Half of a text's places may be in
    // either part; "`Bc" has the hash of "abc".
    for (limit, before) in [(4096, 0), (4096, 31), (1024, 32), (1024, 33)] {
        for place in ["abc", "`Bc"] {
            for places in [limit - 40, limit - 18, limit - 17, limit - 16, limit - 9, limit - 8, limit - 7, limit] {
                let whole = behind_a_long_chain(place, places, before);
                let last = whole.len() - 8 * 54;
                for seam in [last, last + 2, last + 20, whole.len() / 2 / 5 * 5, whole.len() / 2 / 5 * 5 + 1] {
                    let (x, p) = whole.split_at(seam);
                    // The second ends with the first of the words: no match inside of it is in doubt.
                    let target = [p.to_vec(), p[..p.len().min(last + 54 - seam)].to_vec()];
                    assert_equals_naive(&[x.to_vec()], &target, "gzip-9");
                }
            }
        }
    }
}

/// A source whose parse stops at a match that touches its end and for which another, one byte before, was given up; the
/// chain there is of 1,200 equal trigrams, and the match that was given up has `given_up` bytes.
///
/// `random` stands at the beginning, again before the end but for its last byte, again its first bytes, and at the end.
fn given_up_before_a_long_chain(random: &[u8], given_up: usize) -> Vec<u8> {
    let (last, but_for_the_last) = random.split_last().unwrap();
    let chain = (b'0'..=b'9').cycle().take(1200).flat_map(|digit| [b'a', b'b', b'c', digit, digit + 10]);
    let first = [b"?abc", random, b";"].concat();
    let longer = [b"#abc", but_for_the_last, &[last ^ 1]].concat();
    // One letter and the trigram and the rest: the match that is given up.
    let shorter = [b"%zabc", &random[..given_up - 4], b"&"].concat();
    [first, chain.collect(), longer, shorter, b"+zabc".to_vec(), random.to_vec()].concat()
}

#[test]
fn a_match_that_was_given_up_shortens_the_search_at_the_seam() {
    // zlib looks at 1,024 places, not 4,096, behind a match of 32 bytes, also where the source's parse stops right after
    // that match: there the engine at first forgot it and found the whole of the word, 1,200 places back. A text has
    // to be made for this: real ones seldom have as many equal trigrams, and those are not followed by such a match.
    for length in [40, 80, 150] {
        for seed in 0..4 {
            // No letter of the rest.
            let random: Vec<u8> = noise(128, length, seed).into_iter().map(|letter| letter + 128).collect();
            for given_up in 31..=33 {
                let x = given_up_before_a_long_chain(&random, given_up);
                let target = [b"".to_vec(), b"x".to_vec(), b";".to_vec(), b";abc0:".to_vec()];
                assert_equals_naive(&[x], &target, "gzip-9");
            }
        }
    }
}

#[test]
fn the_token_that_fills_a_deflate_block() {
    // Some of the 600 joined texts have just the 16,383 tokens after which zlib closes a DEFLATE block; half end in a
    // literal, which it counts too late for that, half in a match.
    let whole = noise(128, 16_600, 1);
    let (x, rest) = whole.split_at(16_300);
    let with_and_without_match = |length: usize| [rest[..length].to_vec(), [&rest[..length], &x[10..30]].concat()];
    let target: Vec<Vec<u8>> = (0..300).flat_map(with_and_without_match).collect();
    assert_equals_naive(&[x.to_vec()], &target, "gzip-9");
}

#[test]
fn matches_from_just_beyond_the_farthest_distance() {
    // From 32,506 bytes back and no further. What lies between is regular, so that it makes few tokens.
    let word = noise(64, 40, 1);
    let between = noise(64, 1000, 2).repeat(33);
    for length in (32_440..32_540).step_by(7) {
        let x = [b".", word.as_slice(), &between[..length]].concat();
        let target: Vec<Vec<u8>> = (0..10).map(|from| word[from..from + 30].to_vec()).collect();
        assert_equals_naive(&[x], &target, "gzip-9");
    }
}

#[test]
fn sizes_are_those_of_real_gzip_files() {
    let file_size = |text: &[u8]| {
        let mut file = GzEncoder::new(Vec::new(), Compression::best());
        file.write_all(text).unwrap();
        file.finish().unwrap().len() as u64
    };
    let texts =
        [b"".to_vec(), b"a".to_vec(), fibonacci(12, 1), noise(4, 3000, 2), noise(256, 5000, 3), b"a word ".repeat(100)];
    let pairs = prepare(Engine::Naive, &texts, "gzip-9");
    let mut worker = pairs.worker();
    for x in &texts {
        let mut expected = vec![file_size(x)];
        expected.extend(texts.iter().map(|p| file_size(&[x.as_slice(), p].concat())));
        assert_eq!(row(&mut worker, x, texts.len()), expected);
    }
    // Python 3.11: len(gzip.compress(b"a word " * 100)), and of two such texts.
    assert_eq!(row(&mut worker, &texts[5], texts.len())[0], 34);
    assert_eq!(row(&mut worker, &texts[5], texts.len())[6], 39);
}

/// Pairs that went through the naive engine, out of the nine of three ordinary texts with three.
fn naive_pairs(engine: Engine, spec: &str) -> u64 {
    let texts = ["def double(x):\n    return 2 * x\n", "theorem t : 1 + 1 = 2 := by norm_num", "the best of times"];
    let pairs = prepare(engine, &texts, spec);
    let mut worker = pairs.worker();
    for x in texts.map(|text| text.repeat(3)) {
        row(&mut worker, x.as_bytes(), texts.len());
    }
    worker.naive_pairs()
}

#[test]
fn ordinary_short_texts_never_need_the_naive_engine() {
    for spec in LEVEL_9 {
        assert_eq!(ENGINES.map(|engine| naive_pairs(engine, spec)), [0, 0], "{spec}");
    }
}

#[test]
fn the_naive_engine_computes_every_pair_where_it_is_asked_to_and_for_other_codecs() {
    assert_eq!(naive_pairs(Engine::Naive, "gzip-9"), 9);
    for spec in ["gzip-6", "deflate-1", "zstd-3", "lz4"] {
        assert_eq!(naive_pairs(Engine::Fast, spec), 9, "{spec}");
    }
}
