//! `scores.parquet` out and in through the public API: the same bytes however rows come, every fault named.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use parquet::file::metadata::RowGroupMetaData;
use parquet::file::reader::{FileReader, SerializedFileReader};
use proptest::prelude::*;
use zipfit::error::Cause;
use zipfit::read::{
    LinePlace, ParquetPlace, PlaceKind, Places, ROW_GROUP_ROWS, SCORES_NAME, ScoreLayout, ScoreTable, Strings,
};
use zipfit::write::{Column, Output, ScoreWriter, WrittenFile};
use zipfit::{Control, Error, Result};

use crate::common;
use crate::common::random::random;

const PLAIN: ScoreLayout = ScoreLayout { places: PlaceKind::Lines, tokens: false, groups: false, left_out: false };
const FULL: ScoreLayout = ScoreLayout { places: PlaceKind::Lines, tokens: true, groups: true, left_out: true };
const PARQUET: ScoreLayout = ScoreLayout { places: PlaceKind::Parquet, ..FULL };

/// All columns of a layout for these rows; a row has the same values in whatever piece it comes.
fn columns(layout: ScoreLayout, rows: Range<usize>) -> Vec<(&'static str, Column)> {
    let numbers = |value: fn(usize) -> usize| rows.clone().map(|row| value(row) as i64).collect::<Vec<_>>();
    let small = |value: fn(usize) -> usize| rows.clone().map(|row| value(row) as i32).collect::<Vec<_>>();
    let strings = |value: fn(usize) -> Option<String>| rows.clone().map(value).collect::<Strings>();
    let mut columns = vec![
        ("row", Column::Int64(numbers(|row| row + row / 100))),
        ("file", Column::Int32(small(|row| row / 50_000))),
        ("id", Column::Strings(strings(|row| (row % 3 > 0).then(|| id(row))))),
        ("size", Column::Int64(numbers(size))),
        ("score", Column::Float64(rows.clone().map(score).collect())),
    ];
    match layout.places {
        PlaceKind::Lines => columns.extend([
            ("line", Column::Int64(numbers(|row| row + 1))),
            ("byte", Column::Int64(numbers(|row| row * 2000))),
            ("length", Column::Int64(numbers(|row| size(row) + 20))),
        ]),
        PlaceKind::Parquet => columns.extend([
            ("row_group", Column::Int32(small(|row| row / 1000))),
            ("index", Column::Int64(numbers(|row| row % 1000))),
        ]),
    }
    if layout.tokens {
        columns.push(("tokens", Column::Int64(numbers(|row| size(row) / 4))));
    }
    if layout.groups {
        columns.push(("group", Column::Strings(strings(|row| Some(format!("\"g{}\"", row % 7))))));
    }
    if layout.left_out {
        let reason = |row: usize| row.is_multiple_of(11).then(|| ["duplicate", "contaminated"][row % 2].to_owned());
        columns.push(("left_out", Column::Strings(strings(reason))));
        let by = rows.map(|row| if row % 11 == 0 { row as i64 / 2 } else { -1 });
        columns.push(("left_out_by", Column::Int64(by.collect())));
    }
    columns
}

fn id(row: usize) -> String {
    format!("dök-{:x}", row * 7919)
}

fn size(row: usize) -> usize {
    random(row as u64)() as usize % 1900
}

fn score(row: usize) -> f64 {
    f64::from(random(row as u64 + 1)()) / 1e10
}

/// The table of `rows` rows, written in pieces that end at `ends` and at the last row.
fn write(directory: &Path, layout: ScoreLayout, rows: usize, ends: &[usize]) -> Result<(PathBuf, WrittenFile)> {
    let mut output = Output::create(directory, &[SCORES_NAME], true)?;
    let mut writer = ScoreWriter::create(&mut output, layout)?;
    let mut start = 0;
    for end in ends.iter().copied().chain([rows]) {
        writer.add(&columns(layout, start..end), &Control::default())?;
        start = end;
    }
    let written = writer.finish(&mut output, &Control::default())?;
    output.commit()?;
    Ok((directory.join(SCORES_NAME), written))
}

/// Everything in a table, read in every way.
fn read_all(path: &Path) -> Result<(Vec<i64>, Vec<f64>, Strings, Places)> {
    let control = Control::default();
    let table = ScoreTable::open(path)?;
    let mut integers = Vec::new();
    for name in ["row", "file", "size", "line", "byte", "length", "tokens", "left_out_by"] {
        integers.extend(table.int64(name, &control)?);
    }
    let mut strings = table.strings("id", None, &control)?;
    for name in ["group", "left_out"] {
        let more = table.strings(name, None, &control)?;
        strings.lengths.extend(more.lengths);
        strings.bytes.extend(more.bytes);
    }
    let all: Vec<usize> = (0..table.rows()).collect();
    Ok((integers, table.float64("score", &control)?, strings, table.places(&all, &control)?))
}

/// The message without the directory, which differs from run to run.
fn message(error: &Error, directory: &Path) -> String {
    error.to_string().replace(&format!("{}{}", directory.display(), std::path::MAIN_SEPARATOR), "")
}

proptest! {
    // A case writes a file of several row groups.
    #![proptest_config(ProptestConfig { cases: common::cases().cases.div_ceil(20), ..common::cases() })]

    #[test]
    fn the_bytes_are_the_same_whatever_the_pieces(
        rows in prop_oneof![0..50_usize, 65_500..65_600_usize, 131_000..140_000_usize],
        cuts in prop::collection::vec(0..=100_usize, 0..5),
    ) {
        let top = tempfile::tempdir().unwrap();
        let mut ends: Vec<usize> = cuts.iter().map(|cut| rows * cut / 100).collect();
        ends.sort_unstable();
        let (path, whole) = write(&top.path().join("a"), FULL, rows, &[]).unwrap();
        let (_, pieces) = write(&top.path().join("b"), FULL, rows, &ends).unwrap();
        prop_assert_eq!(&whole, &pieces);
        prop_assert_eq!(whole.bytes, fs::metadata(&path).unwrap().len());
        ScoreTable::open(&path).unwrap().verify(&whole.sha256, &Control::default()).unwrap();
    }
}

#[test]
fn every_column_comes_back_as_it_went_in() {
    let top = tempfile::tempdir().unwrap();
    let rows = 2 * ROW_GROUP_ROWS + 17;
    for layout in [PLAIN, FULL, PARQUET] {
        let (path, _) = write(top.path(), layout, rows, &[5, 70_000]).unwrap();
        let table = ScoreTable::open(&path).unwrap();
        assert_eq!((table.rows(), table.layout()), (rows, layout));
        for (name, column) in columns(layout, 0..rows) {
            let control = Control::default();
            match column {
                Column::Int32(values) => {
                    let values: Vec<i64> = values.into_iter().map(i64::from).collect();
                    assert_eq!(table.int64(name, &control).unwrap(), values, "{name}");
                }
                Column::Int64(values) => assert_eq!(table.int64(name, &control).unwrap(), values, "{name}"),
                Column::Float64(values) => assert_eq!(table.float64(name, &control).unwrap(), values, "{name}"),
                Column::Strings(values) => assert_eq!(table.strings(name, None, &control).unwrap(), values, "{name}"),
            }
        }
    }
}

#[test]
fn row_groups_are_full_but_for_the_last() {
    let top = tempfile::tempdir().unwrap();
    for (rows, expected) in [(0, vec![]), (65_536, vec![65_536]), (65_537, vec![65_536, 1])] {
        let (path, _) = write(top.path(), PLAIN, rows, &[rows / 3]).unwrap();
        let reader = SerializedFileReader::new(fs::File::open(path).unwrap()).unwrap();
        let groups: Vec<i64> = reader.metadata().row_groups().iter().map(RowGroupMetaData::num_rows).collect();
        assert_eq!(groups, expected);
    }
}

#[test]
fn a_score_that_is_no_number_comes_back_with_all_its_bits() {
    let top = tempfile::tempdir().unwrap();
    let scores = vec![f64::NAN, -0.0, f64::INFINITY, f64::MIN_POSITIVE / 2.0, -1.5];
    let mut piece = columns(PLAIN, 0..5);
    piece[4].1 = Column::Float64(scores.clone());
    let mut output = Output::create(top.path(), &[SCORES_NAME], false).unwrap();
    let mut writer = ScoreWriter::create(&mut output, PLAIN).unwrap();
    writer.add(&piece, &Control::default()).unwrap();
    writer.finish(&mut output, &Control::default()).unwrap();
    output.commit().unwrap();
    let table = ScoreTable::open(&top.path().join(SCORES_NAME)).unwrap();
    let bits = |scores: &[f64]| scores.iter().map(|score| score.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&table.float64("score", &Control::default()).unwrap()), bits(&scores));
}

#[test]
fn places_and_strings_of_chosen_rows_are_theirs() {
    let top = tempfile::tempdir().unwrap();
    let rows = 3 * ROW_GROUP_ROWS;
    // None in the second group, two of them twice.
    let positions = [0, 7, 7, 65_535, 131_072, 131_073, 131_073, rows - 1];
    let control = Control::default();
    let (path, _) = write(top.path(), FULL, rows, &[]).unwrap();
    let table = ScoreTable::open(&path).unwrap();
    let place = |row: usize| LinePlace {
        byte: row as u64 * 2000,
        line: row as u64 + 1,
        length: size(row) as u32 + 20,
        file: row as u32 / 50_000,
    };
    assert_eq!(table.places(&positions, &control).unwrap(), Places::Lines(positions.map(place).to_vec()));
    let ids: Strings = positions.map(|row| (row % 3 > 0).then(|| id(row))).into_iter().collect();
    assert_eq!(table.strings("id", Some(&positions), &control).unwrap(), ids);
    let groups: Strings = positions.map(|row| Some(format!("\"g{}\"", row % 7))).into_iter().collect();
    assert_eq!(table.strings("group", Some(&positions), &control).unwrap(), groups);
    assert!(table.places(&[], &control).unwrap().is_empty());

    let (path, _) = write(top.path(), PARQUET, rows, &[]).unwrap();
    let place =
        |row: usize| ParquetPlace { index: row as u64 % 1000, row_group: row as u32 / 1000, file: row as u32 / 50_000 };
    let places = ScoreTable::open(&path).unwrap().places(&positions, &control).unwrap();
    assert_eq!(places, Places::Parquet(positions.map(place).to_vec()));
}

#[test]
fn a_table_may_be_read_by_several_threads_at_once() {
    let top = tempfile::tempdir().unwrap();
    let (path, _) = write(top.path(), FULL, 70_000, &[]).unwrap();
    let table = ScoreTable::open(&path).unwrap();
    let control = Control::default();
    let expected = table.float64("score", &control).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..5 {
                    assert_eq!(table.float64("score", &control).unwrap(), expected);
                    assert_eq!(table.places(&[7, 69_999], &control).unwrap().len(), 2);
                }
            });
        }
    });
}

#[test]
fn positions_that_do_not_rise_or_are_not_there_are_refused() {
    let top = tempfile::tempdir().unwrap();
    let (path, _) = write(top.path(), PLAIN, 10, &[]).unwrap();
    let table = ScoreTable::open(&path).unwrap();
    let error = table.places(&[3, 2], &Control::default()).unwrap_err();
    assert_eq!(error.to_string(), "the positions must rise");
    let error = table.strings("id", Some(&[3, 10]), &Control::default()).unwrap_err();
    assert_eq!(message(&error, top.path()), "scores.parquet: there is no line 10; the table has 10");
}

#[test]
fn a_column_that_is_not_there_or_of_another_type_is_named() {
    let top = tempfile::tempdir().unwrap();
    let (path, _) = write(top.path(), PLAIN, 10, &[]).unwrap();
    let table = ScoreTable::open(&path).unwrap();
    let error = table.int64("tokens", &Control::default()).unwrap_err();
    let expected = "scores.parquet: the table has no column \"tokens\"; it has row, file, line, byte, length, id, \
                    size, score";
    assert_eq!(message(&error, top.path()), expected);
    let error = table.int64("score", &Control::default()).unwrap_err();
    let expected = "scores.parquet: the column score is of another type than the one asked for";
    assert_eq!(message(&error, top.path()), expected);
}

#[test]
fn a_piece_that_does_not_fit_is_refused_and_changes_nothing() {
    let top = tempfile::tempdir().unwrap();
    let control = Control::default();
    let mut output = Output::create(top.path(), &[SCORES_NAME], true).unwrap();
    let mut writer = ScoreWriter::create(&mut output, FULL).unwrap();
    writer.add(&columns(FULL, 0..100), &control).unwrap();
    let text =
        |lengths: &[i32], bytes: &[u8]| Column::Strings(Strings { lengths: lengths.to_vec(), bytes: bytes.to_vec() });
    for (name, column, expected) in [
        ("score", Column::Float64(vec![0.5]), "the column score has 1 values, but row has 2"),
        ("score", Column::Int64(vec![1, 2]), "the column score has another type than float64"),
        ("row", Column::Int64(vec![3, -1]), "the column row has -1, expected at least 0, in line 101"),
        ("file", Column::Int32(vec![-5, 1]), "the column file has -5, expected at least 0, in line 100"),
        (
            "left_out_by",
            Column::Int64(vec![-1, -2]),
            "the column left_out_by has -2, expected at least -1, in line 101",
        ),
        ("group", text(&[1, -1], b"a"), "the column group has a null in line 101"),
        ("id", text(&[-1, -2], b""), "the column id has a length of -2 in line 101"),
        ("id", text(&[1, 4], b"abc"), "the column id has fewer bytes than its lengths say, in line 101"),
        ("id", text(&[1, 1], b"abc"), "the column id has more bytes than its lengths say"),
        ("id", text(&[1, 1], "ä".as_bytes()), "the column id has invalid UTF-8 in line 100"),
        (
            "length",
            Column::Int64(vec![1 << 32, 1]),
            "the column length has 4294967296, expected less than 2^32, in line 100",
        ),
        ("row_group", Column::Int32(vec![0, 0]), "there is no column \"row_group\""),
    ] {
        let mut piece = columns(FULL, 100..102);
        piece.retain(|(own, _)| *own != name);
        piece.push((name, column));
        assert_eq!(writer.add(&piece, &control).unwrap_err().to_string(), expected);
    }
    let error = writer.add(&columns(PLAIN, 100..102), &control).unwrap_err();
    assert_eq!(error.to_string(), "the column tokens is missing");
    writer.add(&columns(FULL, 100..102), &control).unwrap();
    let written = writer.finish(&mut output, &control).unwrap();
    drop(output);
    assert_eq!(written, write(top.path(), FULL, 102, &[]).unwrap().1);
}

#[test]
fn a_table_that_is_not_finished_is_not_published() {
    let top = tempfile::tempdir().unwrap();
    let mut output = Output::create(top.path(), &[SCORES_NAME], false).unwrap();
    let mut writer = ScoreWriter::create(&mut output, PLAIN).unwrap();
    writer.add(&columns(PLAIN, 0..70_000), &Control::default()).unwrap();
    let error = output.commit().unwrap_err();
    assert!(error.to_string().ends_with("scores.parquet is not finished"), "{error}");
    drop(writer);
    drop(output);
    assert_eq!(fs::read_dir(top.path()).unwrap().count(), 0);
}

#[test]
fn a_stopped_writer_cannot_be_finished() {
    let top = tempfile::tempdir().unwrap();
    let mut output = Output::create(top.path(), &[SCORES_NAME], false).unwrap();
    let mut writer = ScoreWriter::create(&mut output, PLAIN).unwrap();
    let stopped = Control::default();
    stopped.cancel();
    let error = writer.add(&columns(PLAIN, 0..70_000), &stopped).unwrap_err();
    assert!(matches!(error.cause(), Cause::Interrupted));
    let error = writer.finish(&mut output, &Control::default()).unwrap_err();
    assert_eq!(error.to_string(), "the table of scores is incomplete after an error; write it anew");
}

#[test]
fn reading_stops_when_asked() {
    let top = tempfile::tempdir().unwrap();
    let (path, written) = write(top.path(), PLAIN, 10, &[]).unwrap();
    let table = ScoreTable::open(&path).unwrap();
    let stopped = Control::default();
    stopped.cancel();
    let interrupted = |error: Error| matches!(error.cause(), Cause::Interrupted);
    assert!(interrupted(table.float64("score", &stopped).unwrap_err()));
    assert!(interrupted(table.places(&[1], &stopped).unwrap_err()));
    assert!(interrupted(table.verify(&written.sha256, &stopped).unwrap_err()));
}

/// What opening a file with this content says.
fn open_error(top: &Path, content: &[u8]) -> Error {
    let path = top.join("x.parquet");
    fs::write(&path, content).unwrap();
    ScoreTable::open(&path).map(|_| ()).unwrap_err()
}

#[test]
fn other_files_are_told_apart() {
    let top = tempfile::tempdir().unwrap();
    let (path, _) = write(top.path(), PLAIN, 1000, &[]).unwrap();
    let table = fs::read(path).unwrap();
    let replaced = |from: &[u8], to: &[u8]| {
        let mut changed = table.clone();
        let places: Vec<usize> = (0..table.len()).filter(|&at| table[at..].starts_with(from)).collect();
        assert!(!places.is_empty());
        for at in places {
            changed[at..at + to.len()].copy_from_slice(to);
        }
        changed
    };
    let newer = replaced(b"zipfit.scores\x18\x011", b"zipfit.scores\x18\x012");
    for (content, code, expected) in [
        (
            b"{\"text\": \"a\"}\n".to_vec(),
            "ZF-PARAM",
            "x.parquet: not a table of scores: it is no Parquet file; give the scores.parquet of zipfit score",
        ),
        (vec![], "ZF-TRUNC", "x.parquet: the file ends before its table does; copy it again, or score again"),
        (
            replaced(b"zipfit.scores", b"zipfit.SCORES"),
            "ZF-PARAM",
            "x.parquet: not a table of scores: its metadata has no zipfit.scores; give the scores.parquet of \
             zipfit score",
        ),
        (
            replaced(b"\x05score", b"\x05Score"),
            "ZF-PARAM",
            "x.parquet: not a table of scores: its column \"score\" is not as expected; give the scores.parquet \
             of zipfit score",
        ),
        (
            newer,
            "ZF-RESUME",
            "x.parquet: the table has format \"2\", and zipfit 0.1.0 reads format 1; use the version that wrote it",
        ),
    ] {
        let error = open_error(top.path(), &content);
        assert_eq!((error.code(), &*message(&error, top.path())), (code, expected));
    }
    let error = ScoreTable::open(&top.path().join("none")).map(|_| ()).unwrap_err();
    assert!(matches!(error.cause(), Cause::Io(_)));
    let error = ScoreTable::open(top.path()).map(|_| ()).unwrap_err();
    assert!(matches!(error.cause(), Cause::Io(_)), "{error}");
}

#[test]
fn a_file_cut_anywhere_is_told_as_such() {
    let top = tempfile::tempdir().unwrap();
    let (path, _) = write(top.path(), FULL, 3000, &[]).unwrap();
    let table = fs::read(path).unwrap();
    let mut random = random(1);
    for length in (0..200).map(|_| random() as usize % table.len()).chain(0..14).chain([table.len() - 1]) {
        assert_eq!(open_error(top.path(), &table[..length]).code(), "ZF-TRUNC", "{length} bytes");
    }
}

#[test]
fn a_flipped_bit_gives_an_error_or_is_seen_by_verify_but_never_a_panic() {
    let top = tempfile::tempdir().unwrap();
    let (path, written) = write(top.path(), FULL, 3000, &[]).unwrap();
    let table = fs::read(&path).unwrap();
    let expected = read_all(&path).unwrap();
    let footer = u32::from_le_bytes(*table[..table.len() - 4].last_chunk().unwrap()) as usize + 8;
    let mut random = random(2);
    let mut silent = 0;
    // 300 flips by default; every second one in the footer, which is where the library is told what to allocate.
    let flips = common::cases().cases * 3;
    for flip in 0..flips {
        let range = if flip % 2 == 0 { table.len() - footer..table.len() } else { 0..table.len() - footer };
        let at = range.start + random() as usize % range.len();
        let bit = random() % 8;
        let mut changed = table.clone();
        changed[at] ^= 1 << bit;
        fs::write(&path, &changed).unwrap();
        match read_all(&path) {
            Err(error) => {
                let known = ["ZF-RESUME", "ZF-PARAM", "ZF-TRUNC"].contains(&error.code());
                assert!(known, "byte {at}, bit {bit}: {error}");
            }
            Ok(found) => {
                silent += u32::from(found != expected);
                let error = ScoreTable::open(&path).unwrap().verify(&written.sha256, &Control::default()).unwrap_err();
                assert_eq!(error.code(), "ZF-RESUME");
            }
        }
    }
    // Why `verify` is there: zstd has no checksum either.
    assert!(flips < 300 || silent > 0);
}
