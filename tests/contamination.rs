//! Contamination through the public interface: against a double loop over the windows of both sides.

use proptest::prelude::*;
use zipfit::contamination::Contamination;
use zipfit::{Control, Error, Texts};

fn find(source: &[Vec<u8>], against: &[Vec<u8>], overlap: &str, threads: usize) -> Result<Vec<Option<usize>>, Error> {
    let control = Control::default();
    let contamination = Contamination::prepare(&Texts::from_iter(against), overlap.parse()?, &control)?;
    contamination.find(&Texts::from_iter(source), threads, &control)
}

/// Runs of ASCII letters, digits and bytes beyond ASCII, in ASCII lower case.
fn words(text: &[u8]) -> Vec<Vec<u8>> {
    let is_separator = |byte: &u8| byte.is_ascii() && !byte.is_ascii_alphanumeric();
    text.split(is_separator).filter(|word| !word.is_empty()).map(<[u8]>::to_ascii_lowercase).collect()
}

/// For each source the first evaluation row of which it holds a window, or all if that is shorter than a window.
fn naive<T: PartialEq>(source: &[Vec<T>], against: &[Vec<T>], length: usize) -> Vec<Option<usize>> {
    let holds = |text: &[T], row: &[T]| {
        let length = length.min(row.len());
        row.windows(length).any(|piece| text.windows(length).any(|window| window == piece))
    };
    source.iter().map(|text| against.iter().position(|row| holds(text, row))).collect()
}

/// Texts of few words and bytes, so that windows coincide often, nearly or wholly.
fn texts(rows: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Vec<u8>>> {
    let pieces = vec!["a", "B", "b", "A", "cd", "7", " ", " ", ", ", "\n", "\0", "_", "\u{e9}", "\u{c9}", "\u{7f}"];
    let text = prop::collection::vec(prop::sample::select(pieces), 0..20);
    prop::collection::vec(text.prop_map(|pieces| pieces.concat().into_bytes()), rows)
}

proptest! {
    #[test]
    fn contamination_by_words_is_that_of_a_double_loop(
        source in texts(0..20),
        against in texts(0..6),
        length in 1usize..7,
        threads in 1usize..4,
    ) {
        let against: Vec<Vec<u8>> = against.into_iter().filter(|row| !words(row).is_empty()).collect();
        prop_assume!(!against.is_empty());
        let split = |texts: &[Vec<u8>]| texts.iter().map(|text| words(text)).collect::<Vec<_>>();
        let found = find(&source, &against, &format!("{length}-gram"), threads).unwrap();
        prop_assert_eq!(found, naive(&split(&source), &split(&against), length));
    }

    #[test]
    fn contamination_by_bytes_is_that_of_a_double_loop(
        source in texts(0..20),
        against in texts(0..6),
        length in 1usize..12,
        threads in 1usize..4,
    ) {
        let against: Vec<Vec<u8>> = against.into_iter().filter(|row| !row.is_empty()).collect();
        prop_assume!(!against.is_empty());
        let found = find(&source, &against, &format!("{length}-byte"), threads).unwrap();
        prop_assert_eq!(found, naive(&source, &against, length));
    }
}

/// Real text: the sources of this crate, cut into pieces.
fn prose() -> Vec<Vec<u8>> {
    let all = concat!(
        include_str!("../src/contamination/mod.rs"),
        include_str!("../src/contamination/units.rs"),
        include_str!("../src/duplicates/grams.rs")
    );
    all.split("\n\n").map(|piece| piece.as_bytes().to_vec()).collect()
}

#[test]
fn contamination_of_prose_and_code_is_that_of_a_double_loop() {
    let (mut against, mut source): (Vec<_>, Vec<_>) =
        prose().into_iter().enumerate().partition(|(row, piece)| row % 3 == 0 && !words(piece).is_empty());
    // Pieces of evaluation rows in the middle of source rows, in capitals and broken by other spaces.
    for (row, (_, text)) in source.iter_mut().enumerate().filter(|(row, _)| row % 4 == 0) {
        let piece = &against[row % against.len()].1;
        let piece = &piece[piece.len() / 3..];
        text.extend(
            piece
                .to_ascii_uppercase()
                .iter()
                .flat_map(|&byte| if byte == b' ' { vec![b'\n', b'\t'] } else { vec![byte] }),
        );
    }
    let strip = |rows: &mut Vec<(usize, Vec<u8>)>| rows.drain(..).map(|(_, text)| text).collect::<Vec<_>>();
    let (against, source) = (strip(&mut against), strip(&mut source));
    let split = |texts: &[Vec<u8>]| texts.iter().map(|text| words(text)).collect::<Vec<_>>();
    let check = |overlap: &str, expected: &[Option<usize>]| {
        assert!(expected.iter().any(Option::is_some), "{overlap}");
        for threads in [1, 2, 5] {
            assert_eq!(find(&source, &against, overlap, threads).unwrap(), expected, "{overlap}, {threads} threads");
        }
    };
    for length in [1, 3, 13, 40] {
        check(&format!("{length}-gram"), &naive(&split(&source), &split(&against), length));
    }
    for length in [4, 50] {
        check(&format!("{length}-byte"), &naive(&source, &against, length));
    }
}

#[test]
fn every_row_is_counted_as_done_once_and_a_stop_is_heard() {
    let (source, control) = (Texts::from_iter(prose()), Control::default());
    let overlap = "13-gram".parse().unwrap();
    let contamination = Contamination::prepare(&Texts::from_iter(["of the sources"]), overlap, &control).unwrap();
    contamination.find(&source, 2, &control).unwrap();
    assert_eq!(control.done(), source.len() as u64);
    control.cancel();
    assert_eq!(contamination.find(&source, 2, &control).unwrap_err().to_string(), "interrupted");
    let stopped = Contamination::prepare(&source, overlap, &control);
    assert_eq!(stopped.unwrap_err().to_string(), "interrupted");
}
