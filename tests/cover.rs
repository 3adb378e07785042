//! Joint selection through the public interface: the lazy search against plain greedy, and the rules of leaving out.

use proptest::prelude::*;
use zipfit::cover::{Budget, Cover, Options, Search, Store, cover, cover_naive};
use zipfit::write::Spool;
use zipfit::{Control, Error, Texts};

fn lazy(source: &Texts, target: &Texts, options: &Options<'_>, threads: usize) -> Result<Cover, Error> {
    cover(source, target, options, threads, &Control::default())
}

fn bytes(budget: u64) -> Options<'static> {
    Options { budget: Budget::Bytes(budget), tokens: None, beta: None, keep: None }
}

/// Rows on disk.
struct OnDisk(Spool);

impl OnDisk {
    fn boxed() -> Box<dyn Store> {
        Box::new(OnDisk(Spool::create(&std::env::temp_dir()).expect("a writable temporary directory")))
    }
}

impl Store for OnDisk {
    fn append(&mut self, piece: Vec<u8>) -> Result<(), Error> {
        self.0.append(&piece)
    }

    fn read<'a>(&'a self, offset: u64, length: usize, buffer: &'a mut Vec<u8>) -> Result<&'a [u8], Error> {
        self.0.read(offset, length, buffer)?;
        Ok(buffer)
    }
}

/// As `lazy`, with rows that come in batches of some size.
fn in_batches(
    mut search: Search,
    source: &Texts,
    options: &Options<'_>,
    batch: usize,
    threads: usize,
) -> Result<Cover, Error> {
    let rows: Vec<usize> = (0..source.len()).collect();
    // At least one batch, which may be empty.
    for rows in rows.chunks(batch).chain(rows.is_empty().then_some(&[][..])) {
        let texts: Texts = rows.iter().map(|&row| source.get(row)).collect();
        let tokens: Option<Vec<i64>> = options.tokens.map(|tokens| rows.iter().map(|&row| tokens[row]).collect());
        let keep: Option<Vec<bool>> = options.keep.map(|keep| rows.iter().map(|&row| keep[row]).collect());
        search.add(&texts, tokens.as_deref(), keep.as_deref(), threads, &Control::default())?;
    }
    search.choose(threads, &Control::default())
}

/// Texts of few letters, so that n-grams, scores and whole rows coincide often.
fn texts(rows: std::ops::Range<usize>, letters: u8, length: usize) -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(prop::collection::vec(b'a'..b'a' + letters, 0..length), rows)
}

proptest! {
    #[test]
    fn the_lazy_search_is_plain_greedy_in_memory_and_on_disk_in_any_batches(
        source in texts(0..40, 3, 30),
        target in texts(1..6, 3, 30),
        keep in prop::collection::vec(prop::bool::weighted(0.8), 40),
        tokens in prop::collection::vec(0i64..20, 40),
        (kind, amount) in (0..3, 1u64..200),
        beta in prop::option::of(prop_oneof![Just(1e-9), Just(0.5), Just(1.0), Just(30.0), Just(1e15), 0.01f64..100.0]),
        (batch, threads) in (1usize..50, 1usize..4),
    ) {
        let (source, target) = (Texts::from_iter(source), Texts::from_iter(target));
        let (budget, tokens) = match kind {
            0 => (Budget::Bytes(amount), None),
            1 => (Budget::Tokens(amount), Some(&tokens[..source.len()])),
            _ => (Budget::Rows(amount / 10 + 1), None),
        };
        let options = Options { budget, tokens, beta, keep: Some(&keep[..source.len()]) };
        let naive = cover_naive(&source, &target, &options);
        if let Ok(naive) = &naive {
            let control = Control::default();
            let search = Search::new(&target, budget, beta, &control).unwrap();
            prop_assert_eq!(&in_batches(search, &source, &options, batch, threads).unwrap(), naive);
            let search = Search::spooled(&target, budget, beta, OnDisk::boxed(), OnDisk::boxed(), &control).unwrap();
            prop_assert_eq!(&in_batches(search, &source, &options, batch, threads).unwrap(), naive);
        }
        match (lazy(&source, &target, &options, threads), naive) {
            (Ok(lazy), Ok(naive)) => prop_assert_eq!(lazy, naive),
            (Err(lazy), Err(naive)) => prop_assert_eq!(lazy.to_string(), naive.to_string()),
            (lazy, naive) => prop_assert!(false, "{:?} {:?}", lazy, naive),
        }
    }

    #[test]
    fn a_budget_is_never_exceeded_and_nothing_that_fits_and_gains_is_left(
        source in texts(1..30, 2, 20),
        budget in 1u64..150,
    ) {
        let (source, target) = (Texts::from_iter(source), Texts::from_iter(["abab", "bbbaaa"]));
        let cover = lazy(&source, &target, &bytes(budget), 1).unwrap();
        let spent: usize = cover.rows.iter().map(|&row| source.get(row).len()).sum();
        prop_assert!(spent as u64 <= budget);
        let out: Vec<usize> =
            cover.copies_of_target.iter().chain(&cover.duplicates).map(|&(row, _)| row).chain(cover.rows.clone()).collect();
        for row in (0..source.len()).filter(|row| !out.contains(row)) {
            let text = source.get(row);
            let gains = (3..=6).any(|n| text.windows(n).any(|gram| {
                target.iter().any(|target| target.windows(n).any(|other| other == gram))
            }));
            prop_assert!(!gains || text.len() + spent > budget as usize, "row {}", row);
        }
        prop_assert!(cover.scores.windows(2).all(|two| two[0] >= two[1]));
        prop_assert!(cover.coverage.windows(2).all(|two| two[0] <= two[1]));
    }
}

/// Real text: the documentation of this crate's own files, cut into pieces.
fn prose(rows: usize) -> Vec<&'static str> {
    let all = concat!(
        include_str!("../src/cover/mod.rs"),
        include_str!("../src/cover/lazy.rs"),
        include_str!("../src/ngrams/mod.rs"),
        include_str!("../src/texts.rs")
    );
    all.split("\n\n").filter(|piece| piece.len() > 20).take(rows).collect()
}

#[test]
fn the_lazy_search_is_plain_greedy_on_prose_and_code() {
    let source = Texts::from_iter(prose(80));
    let target: Texts = prose(400).into_iter().rev().take(8).collect();
    for beta in [Some(1.0), None, Some(100.0)] {
        let options = Options { beta, ..bytes(6000) };
        let naive = cover_naive(&source, &target, &options).unwrap();
        assert!(naive.rows.len() > 10);
        for threads in [1, 2, 5] {
            assert_eq!(lazy(&source, &target, &options, threads).unwrap(), naive);
        }
    }
}

#[test]
fn sets_of_many_ngrams_are_packed_in_wider_units_and_give_the_same_rows() {
    // Random letters: 250,000 distinct n-grams, of which most rows have few, far apart; the long ones have many.
    let mut state = 1u32;
    let mut noise = |length: usize| -> Vec<u8> {
        std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            b'a' + (state >> 24) as u8 % 26
        })
        .take(length)
        .collect()
    };
    let target: Vec<Vec<u8>> = (0..20).map(|_| noise(4000)).collect();
    let mut source: Vec<Vec<u8>> =
        (0..25).map(|row| [&target[row % 20][row * 7..row * 90 + 40], &noise(30)].concat()).collect();
    source.push(target[..8].concat());
    // An n-gram more often than a unit of one byte can say.
    source.push(target[3][..9].repeat(300));
    source.push(target[3][..7].repeat(30));
    let (source, target) = (Texts::from_iter(source), Texts::from_iter(target));
    for beta in [None, Some(50.0)] {
        let options = Options { beta, ..bytes(9000) };
        let naive = cover_naive(&source, &target, &options).unwrap();
        assert!(!naive.rows.is_empty());
        assert_eq!(lazy(&source, &target, &options, 2).unwrap(), naive);
    }
}

#[test]
fn occurrences_beyond_a_byte_are_bounded_and_not_miscounted() {
    let target = Texts::from_iter(["ababababab", "xyzxyz"]);
    let source =
        Texts::from_iter(["ab".repeat(400), "ab".repeat(127), "ab".repeat(128), "xyz".repeat(300), "xyz".into()]);
    let options = Options { beta: Some(3.0), ..bytes(3000) };
    let naive = cover_naive(&source, &target, &options).unwrap();
    assert!(naive.rows.len() > 2);
    assert_eq!(lazy(&source, &target, &options, 1).unwrap(), naive);
}

#[test]
fn copies_of_targets_and_of_earlier_rows_are_left_out_and_listed() {
    let target = Texts::from_iter(["one two", "three", "one two"]);
    let source = Texts::from_iter(["one", "three", "one two", "one", "", "", "three!"]);
    let cover = lazy(&source, &target, &bytes(1000), 1).unwrap();
    assert_eq!(cover.copies_of_target, [(1, 1), (2, 0)]);
    assert_eq!(cover.duplicates, [(3, 0), (5, 4)]);
    assert_eq!(cover.rows, [6, 0]);
    assert!(cover.exhausted);
    // A row that is left out does not stand in the way of its copy.
    let keep = [false, true, true, true, true, true, true];
    let cover = lazy(&source, &target, &Options { keep: Some(&keep), ..bytes(1000) }, 1).unwrap();
    assert_eq!(cover.duplicates, [(5, 4)]);
    assert_eq!(cover.rows, [6, 3]);
}

#[test]
fn a_row_that_does_not_fit_is_passed_over_and_the_search_goes_on() {
    let target = Texts::from_iter(["abcdefghij"]);
    let source = Texts::from_iter(["abcdefghi", "abcdef", "ghij"]);
    let cover = lazy(&source, &target, &bytes(10), 1).unwrap();
    // The first takes nine bytes of ten; nothing else fits, though both would gain.
    assert_eq!((cover.rows, cover.exhausted), (vec![0], false));
    let cover = lazy(&source, &target, &bytes(8), 1).unwrap();
    assert_eq!(cover.rows, [1]);
}

#[test]
fn the_default_beta_is_how_often_the_budget_could_repeat_the_target() {
    let target = Texts::from_iter(["abcd", "efgh", "i"]);
    let source = Texts::from_iter(["abcdef", "efghabcdabcd", "none"]);
    let beta = |budget| {
        let tokens = matches!(budget, Budget::Tokens(_)).then_some(&[1, 3, 4][..]);
        let options = Options { budget, tokens, ..bytes(1) };
        let cover = lazy(&source, &target, &options, 1).unwrap();
        (cover.beta, cover.budget_bytes)
    };
    // Joined by newlines the targets have 11 bytes; the rows have 22 / 3 in the mean, 22 / 8 a token.
    assert_eq!(beta(Budget::Bytes(110)), (10.0, 110.0));
    assert_eq!(beta(Budget::Bytes(5)), (1.0, 5.0));
    assert_eq!(beta(Budget::Rows(6)), (6.0 * (22.0 / 3.0) / 11.0, 6.0 * (22.0 / 3.0)));
    assert_eq!(beta(Budget::Tokens(40)), (10.0, 110.0));
    // Values that can be given again.
    assert_eq!(beta(Budget::Bytes(u64::MAX)).0, 1e15);
    let tokens = [i64::MAX, i64::MAX, 2];
    let many = Options { budget: Budget::Tokens(40), tokens: Some(&tokens), ..bytes(1) };
    assert!(lazy(&source, &target, &many, 1).unwrap().budget_bytes < 1e-10);
    // Of rows that may be chosen alone: neither repeats nor copies of targets count.
    let source = Texts::from_iter(["abcdef", "abcd", "efghabcdabcd", "abcdef", "none", "i"]);
    let rows = Options { budget: Budget::Rows(6), ..bytes(1) };
    assert_eq!(lazy(&source, &target, &rows, 1).unwrap().beta, 6.0 * (22.0 / 3.0) / 11.0);
}

#[test]
fn every_row_is_counted_as_done_once() {
    let mut texts = prose(80);
    texts.push(texts[0]);
    let source = Texts::from_iter(texts);
    let target: Texts = prose(400).into_iter().rev().take(8).collect();
    let keep: Vec<bool> = (0..source.len()).map(|row| row != 5).collect();
    for threads in [1, 3] {
        let control = Control::default();
        let options = Options { keep: Some(&keep), ..bytes(6000) };
        let found = cover(&source, &target, &options, threads, &control).unwrap();
        assert!(found.rows.len() > 10);
        assert_eq!(control.done(), source.len() as u64);
    }
}

#[test]
fn bad_arguments_are_told() {
    let (source, target) = (Texts::from_iter(["abc", "abd"]), Texts::from_iter(["abcd"]));
    let error = |target: &Texts, options: &Options<'_>| lazy(&source, target, options, 1).unwrap_err().to_string();
    let nothing = Texts::from_iter(Vec::<&str>::new());
    assert_eq!(error(&nothing, &bytes(1)), "target has 0 rows; alignment needs at least 1");
    assert_eq!(
        error(&Texts::from_iter(["ab", ""]), &bytes(1)),
        "target has no text of 3 bytes or more, so that there is nothing to cover; take longer examples"
    );
    assert_eq!(error(&target, &bytes(0)), "budget_bytes must be at least 1, got 0");
    let rows = Options { budget: Budget::Rows(0), ..bytes(1) };
    assert_eq!(error(&target, &rows), "top_k must be at least 1, got 0");
    let tokens = Options { budget: Budget::Tokens(0), tokens: Some(&[1, 1]), ..bytes(1) };
    assert_eq!(error(&target, &tokens), "budget_tokens must be at least 1, got 0");
    let none = Options { budget: Budget::Tokens(1), ..bytes(1) };
    assert_eq!(error(&target, &none), "budget_tokens needs tokens=, the number of tokens of each row");
    let needless = Options { tokens: Some(&[1, 1]), ..bytes(1) };
    let expected = "tokens= has an effect on budget_tokens alone; leave it out or give budget_tokens";
    assert_eq!(error(&target, &needless), expected);
    for beta in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-10] {
        let options = Options { beta: Some(beta), ..bytes(1) };
        let expected = format!("beta must be a number above 0 (between 1e-9 and 1e15), got {beta}");
        assert_eq!(error(&target, &options), expected);
    }
    let keep = Options { keep: Some(&[true]), ..bytes(1) };
    assert_eq!(error(&target, &keep), "where: 1 entries; expected one a row, 2");
    let tokens = Options { budget: Budget::Tokens(1), tokens: Some(&[1]), ..bytes(1) };
    assert_eq!(error(&target, &tokens), "tokens: 1 entries; expected one a row, 2");
    let tokens = Options { budget: Budget::Tokens(1), tokens: Some(&[1, -1]), ..bytes(1) };
    assert_eq!(error(&target, &tokens), "source row 1: tokens is -1; a row cannot have less than 0");
    let control = Control::default();
    control.cancel();
    assert_eq!(cover(&source, &target, &bytes(1), 1, &control).unwrap_err().to_string(), "interrupted");
}

/// Rows in memory, of which one can no more be written, or read, from some offset on.
struct Broken {
    bytes: Vec<u8>,
    writable: usize,
    readable: usize,
}

impl Store for Broken {
    fn append(&mut self, piece: Vec<u8>) -> Result<(), Error> {
        self.bytes.extend(piece);
        if self.bytes.len() > self.writable { Err(Error::internal("full")) } else { Ok(()) }
    }

    fn read<'a>(&'a self, offset: u64, length: usize, _: &'a mut Vec<u8>) -> Result<&'a [u8], Error> {
        let end = offset as usize + length;
        if end > self.readable { Err(Error::internal("unreadable")) } else { Ok(&self.bytes[offset as usize..end]) }
    }
}

#[test]
fn what_a_store_reports_ends_the_search() {
    let source = Texts::from_iter(prose(80));
    let target: Texts = prose(400).into_iter().rev().take(8).collect();
    let broken = |writable, readable| Box::new(Broken { bytes: Vec::new(), writable, readable });
    let outcome = |packed: Box<Broken>, texts: Box<Broken>| {
        let control = Control::default();
        let search = Search::spooled(&target, Budget::Bytes(6000), None, packed, texts, &control).unwrap();
        in_batches(search, &source, &bytes(6000), 7, 2).map_err(|error| error.to_string())
    };
    let whole = || broken(usize::MAX, usize::MAX);
    assert_eq!(outcome(whole(), whole()).unwrap(), lazy(&source, &target, &bytes(6000), 1).unwrap());
    for (packed, texts, expected) in [
        (broken(9000, usize::MAX), whole(), "full"),
        (whole(), broken(9000, usize::MAX), "full"),
        (broken(usize::MAX, 9000), whole(), "unreadable"),
        (whole(), broken(usize::MAX, 9000), "unreadable"),
    ] {
        assert!(outcome(packed, texts).unwrap_err().starts_with(expected));
    }
}

#[test]
fn rows_are_numbered_over_all_batches_in_errors_too() {
    let target = Texts::from_iter(["abcd"]);
    let mut search = Search::new(&target, Budget::Tokens(9), None, &Control::default()).unwrap();
    let mut add =
        |tokens: &[i64]| search.add(&Texts::from_iter(["abc", "bcd"]), Some(tokens), None, 1, &Control::default());
    add(&[1, 2]).unwrap();
    let error = add(&[1, -2]).unwrap_err();
    assert_eq!(error.to_string(), "source row 3: tokens is -2; a row cannot have less than 0");
}
