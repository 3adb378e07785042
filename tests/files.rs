//! Files in and out through the public API: every row at its place, every byte kept, every fault named.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use zipfit::error::{Cause, Error, Side};
use zipfit::read::{Batch, Fields, LinePlace, OtherFields, Places, ReadOptions, Reader, TextBy, read_lines};
use zipfit::write::{Output, Selected, copy_rows};
use zipfit::{Control, Result, Texts};

use crate::common;

/// Small batches, so that several are needed.
const BATCH_BYTES: usize = 64;

fn fields() -> Fields {
    Fields::new("text", &OtherFields::default()).unwrap()
}

fn options() -> ReadOptions {
    ReadOptions { batch_bytes: BATCH_BYTES, ..ReadOptions::default() }
}

fn open(paths: &[PathBuf]) -> Result<Reader> {
    Reader::open(paths.to_vec(), fields(), Side::Source, options())
}

fn batches(reader: &mut Reader) -> Vec<Batch> {
    std::iter::from_fn(|| reader.next_batch(2, &Control::default()).unwrap()).collect()
}

fn line_places(batch: Batch) -> Vec<LinePlace> {
    match batch.places {
        Places::Lines(places) => places,
        Places::Parquet(_) => panic!("lines have no places in row groups"),
    }
}

fn places(reader: &mut Reader) -> Vec<LinePlace> {
    batches(reader).into_iter().flat_map(line_places).collect()
}

fn read(paths: &[PathBuf]) -> Result<Vec<String>> {
    let texts = open(paths)?.rest(2, &Control::default())?;
    Ok(texts.iter().map(|text| String::from_utf8(text.to_vec()).unwrap()).collect())
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut file = GzEncoder::new(Vec::new(), Compression::fast());
    file.write_all(content).unwrap();
    file.finish().unwrap()
}

fn zstd(content: &[u8]) -> Vec<u8> {
    zstd::stream::encode_all(content, 1).unwrap()
}

fn save(directory: &Path, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = directory.join(name);
    fs::write(&path, content).unwrap();
    path
}

/// The message without the directory, which differs from run to run.
fn message(error: &Error, directory: &Path) -> String {
    error.to_string().replace(&format!("{}{}", directory.display(), std::path::MAIN_SEPARATOR), "")
}

const LINES: &str = "\u{feff}{\"text\": \"one\"}\r\n\n  \t\n{ \"id\":7,\"text\":\"tw\\u006f\" }\n{\"text\": \"three\"}";

#[test]
fn rows_and_their_places_are_the_same_in_every_container() {
    let top = tempfile::tempdir().unwrap();
    let two_members = [gzip(&LINES.as_bytes()[..20]), gzip(&LINES.as_bytes()[20..])].concat();
    let two_frames = [zstd(&LINES.as_bytes()[..20]), zstd(&LINES.as_bytes()[20..])].concat();
    for (name, content) in [
        ("plain.jsonl", LINES.as_bytes().to_vec()),
        ("one.jsonl.gz", gzip(LINES.as_bytes())),
        ("one.jsonl.zst", zstd(LINES.as_bytes())),
        ("two.jsonl.gz", two_members),
        ("two.jsonl.zst", two_frames),
    ] {
        let paths = [save(top.path(), name, content)];
        assert_eq!(read(&paths).unwrap(), ["one", "two", "three"], "{name}");
        let mut reader = open(&paths).unwrap();
        let places = places(&mut reader);
        let places: Vec<_> = places.iter().map(|place| (place.line, place.byte, place.length)).collect();
        assert_eq!(places, [(1, 3, 15), (4, 25, 28), (5, 54, 17)], "{name}");
        assert_eq!(reader.bytes_read(), reader.bytes_total());
    }
}

#[test]
fn lines_are_given_back_as_they_lie_in_the_file() {
    let top = tempfile::tempdir().unwrap();
    for (name, content) in [("a.jsonl", LINES.as_bytes().to_vec()), ("a.jsonl.zst", zstd(LINES.as_bytes()))] {
        let paths = vec![save(top.path(), name, content)];
        let lines = read_lines(paths.clone(), TextBy::Line, &[2, 0, 2], 3, &Control::default()).unwrap();
        assert_eq!(lines, [&b"{\"text\": \"three\"}"[..], b"{\"text\": \"one\"}", b"{\"text\": \"three\"}"]);
        let error = read_lines(paths, TextBy::Line, &[0], 4, &Control::default()).unwrap_err();
        let expected = format!("{name}: the file has 3 rows but 4 were ranked; pass the source that was ranked");
        assert_eq!(message(&error, top.path()), expected);
    }
}

#[test]
fn a_fault_names_file_line_and_byte() {
    let top = tempfile::tempdir().unwrap();
    let good = save(top.path(), "good.jsonl", LINES);
    let bad = save(top.path(), "bad.jsonl", "{\"text\": \"a\"}\n\n{\"text\": 3}\n");
    let error = read(&[good, bad]).unwrap_err();
    assert_eq!(message(&error, top.path()), "bad.jsonl:3 (byte 24): field \"text\" is a number, expected a string");
    assert_eq!(error.place().row, Some(4));
}

#[test]
fn the_first_fault_is_told_on_any_number_of_threads() {
    let top = tempfile::tempdir().unwrap();
    let content: String = (0..5000).map(|row| if row < 700 { "{\"text\": \"a\"}\n" } else { "{}\n" }).collect();
    let paths = vec![save(top.path(), "bad.jsonl", content)];
    for threads in [1, 2, 8] {
        let mut reader = Reader::open(paths.clone(), fields(), Side::Source, ReadOptions::default()).unwrap();
        assert_eq!(reader.next_batch(threads, &Control::default()).unwrap_err().place().row, Some(700));
    }
}

#[test]
fn a_compressed_file_that_is_cut_off_anywhere_is_an_error() {
    let top = tempfile::tempdir().unwrap();
    for (suffix, whole) in [("gz", gzip(LINES.as_bytes())), ("zst", zstd(LINES.as_bytes()))] {
        for length in 0..whole.len() {
            let path = save(top.path(), &format!("cut.jsonl.{suffix}"), &whole[..length]);
            let error = read(&[path]).unwrap_err();
            let is_told = matches!(error.cause(), Cause::Truncated(_) | Cause::BadRow(_));
            assert!(is_told, "{suffix} cut to {length} of {}: {error}", whole.len());
        }
    }
}

#[test]
fn a_compressed_file_with_a_wrong_byte_is_an_error_or_read_right() {
    let top = tempfile::tempdir().unwrap();
    for (suffix, whole) in [("gz", gzip(LINES.as_bytes())), ("zst", zstd(LINES.as_bytes()))] {
        for at in 0..whole.len() {
            let mut content = whole.clone();
            content[at] ^= 0x55;
            // zstd files carry no checksum by default, so only a crash would be wrong; gzip has one over the text,
            // but not over the time and system in its header.
            let result = read(&[save(top.path(), &format!("bad.jsonl.{suffix}"), content)]);
            if let (Ok(texts), "gz") = (result, suffix) {
                assert_eq!(texts, ["one", "two", "three"], "gzip with byte {at} changed");
            }
        }
    }
}

#[test]
fn a_file_that_is_not_what_its_suffix_says_is_refused() {
    let top = tempfile::tempdir().unwrap();
    let told = |name: &str, content: &str| {
        let error = read(&[save(top.path(), name, content)]).unwrap_err();
        message(&error, top.path())
    };
    assert_eq!(
        told("a.jsonl.gz", "{\"text\": \"one\"}"),
        "a.jsonl.gz: not a gzip file: it starts with \"{\\\"text\\\":\"; rename it or compress it"
    );
    assert_eq!(told("b.jsonl.zst", ""), "b.jsonl.zst: not a zstd file: it is empty; rename it or compress it");
    assert_eq!(told("c.jsonl", "\n \n"), "c.jsonl: source has 0 rows; there is nothing to choose from");
}

#[test]
fn a_copy_is_called_by_the_name_that_it_is_given() {
    let directory = tempfile::tempdir().unwrap();
    let copy = save(directory.path(), "copy.csv.gz", gzip(b"text\na\n\"b\n"));
    let open = |path: &Path| {
        let files = vec![(PathBuf::from("far://away/pool.csv"), path.to_owned())];
        Reader::open_copies(files, fields(), Side::Source, options())
    };
    let error = open(&directory.path().join("missing.csv")).err().unwrap();
    assert!(error.to_string().starts_with("far://away/pool.csv: "), "{error}");
    let error = open(&copy).unwrap().next_batch(1, &Control::default()).unwrap_err();
    assert!(error.to_string().starts_with("far://away/pool.csv:3 (byte 7): "), "{error}");
    fs::write(&copy, gzip(b"text\na\nb\n")).unwrap();
    let mut reader = open(&copy).unwrap();
    let places = line_places(batches(&mut reader).remove(0));
    assert_eq!(reader.finished()[0].path, Path::new("far://away/pool.csv"));
    assert_eq!(reader.found().next().unwrap().0, Path::new("far://away/pool.csv"));
    fs::write(&copy, "").unwrap();
    let error = reader.copy_lines(&places, &Control::default(), |_, _| Ok(())).unwrap_err();
    assert!(error.to_string().starts_with("far://away/pool.csv: the file changed"), "{error}");
}

#[test]
fn missing_files_and_directories_are_told_before_anything_is_read() {
    let top = tempfile::tempdir().unwrap();
    let good = save(top.path(), "good.jsonl", LINES);
    let kind = |path: PathBuf| match open(&[good.clone(), path]).err().unwrap().cause() {
        Cause::Io(error) => error.kind(),
        other => panic!("{other:?}"),
    };
    assert_eq!(kind(top.path().join("none.jsonl")), std::io::ErrorKind::NotFound);
    assert_eq!(kind(top.path().to_owned()), std::io::ErrorKind::IsADirectory);
    assert!(matches!(open(&[]).err().unwrap().cause(), Cause::Parameter(_)));
}

#[test]
fn bad_rows_are_handed_over_and_the_others_keep_their_numbers() {
    let top = tempfile::tempdir().unwrap();
    let long = format!("{{\"text\": \"{}\"}}", "x".repeat(600_000));
    let content = format!(
        "{{\"text\": \"a\", \"id\": \"b\\n\"}}\n[1]\n{long}\n\n{{\"text\": 5, \"id\": 6}}\n{{\"text\": \"e\", \"id\": 7.0}}"
    );
    for (name, content) in [("a.jsonl", content.clone().into_bytes()), ("a.jsonl.gz", gzip(content.as_bytes()))] {
        let paths = vec![save(top.path(), name, content)];
        for batch_rows in [1, 2, 100] {
            let options = ReadOptions { batch_rows, max_row_bytes: 1000, skip_bad_rows: true, ..options() };
            let found = batches(&mut Reader::open(paths.clone(), fields(), Side::Source, options).unwrap());
            let rows: Vec<usize> = found.iter().flat_map(|batch| batch.rows.clone()).collect();
            assert_eq!(rows, [0, 4]);
            let ids: Vec<u8> = found.iter().flat_map(|batch| batch.ids.bytes.clone()).collect();
            assert_eq!(String::from_utf8(ids).unwrap(), "b\n7.0");
            let rejected = found.iter().flat_map(|batch| &batch.rejected);
            let rejected: Vec<_> =
                rejected.map(|bad| (bad.row, bad.error.place().line.unwrap(), bad.error.code())).collect();
            assert_eq!(rejected, [(1, 2, "ZF-ROW"), (2, 3, "ZF-ROW"), (3, 5, "ZF-TYPE")]);
            let sentence = found.iter().flat_map(|batch| &batch.rejected).nth(1).unwrap().error.sentence();
            let expected = "the line is longer than 1000 bytes, the most that max_row_bytes allows; split the row or raise \
                            the limit";
            assert_eq!(sentence, expected);
        }
    }
}

#[test]
fn a_line_may_have_as_many_bytes_as_are_allowed_whatever_its_terminator() {
    let top = tempfile::tempdir().unwrap();
    let line = "{\"text\": \"abc\"}";
    for end in ["", "\n", "\r\n"] {
        let path = save(top.path(), "a.jsonl", format!("{line}{end}"));
        for (short, expected) in [(0, true), (1, false)] {
            let options = ReadOptions { max_row_bytes: (line.len() - short) as u32, ..options() };
            let mut reader = Reader::open(vec![path.clone()], fields(), Side::Source, options).unwrap();
            assert_eq!(reader.next_batch(1, &Control::default()).is_ok(), expected);
        }
    }
}

#[test]
fn reading_goes_on_at_the_end_of_any_batch() {
    let top = tempfile::tempdir().unwrap();
    let paths = [
        save(top.path(), "a.jsonl", LINES),
        save(top.path(), "b.jsonl.gz", gzip(LINES.as_bytes())),
        save(top.path(), "c.jsonl.zst", zstd(LINES.as_bytes())),
    ];
    let options = ReadOptions { batch_rows: 1, ..options() };
    let read = || Reader::open(paths.to_vec(), fields(), Side::Source, options).unwrap();
    let mut whole = read();
    let places = places(&mut whole);
    for stop in 0..=places.len() {
        let mut first = read();
        for _ in 0..stop {
            first.next_batch(1, &Control::default()).unwrap();
        }
        let mut second = read();
        second.resume(first.position(), first.finished().to_vec()).unwrap();
        let rest = batches(&mut second);
        let rows: Vec<usize> = rest.iter().flat_map(|batch| batch.rows.clone()).collect();
        assert_eq!(rest.into_iter().flat_map(line_places).collect::<Vec<_>>(), places[stop..]);
        assert_eq!(rows, (stop..9).collect::<Vec<_>>());
        assert_eq!(second.finished(), whole.finished());
    }
}

#[test]
fn a_file_that_changes_while_it_is_read_is_an_error() {
    let top = tempfile::tempdir().unwrap();
    let path = save(top.path(), "a.jsonl", LINES);
    let mut reader = open(std::slice::from_ref(&path)).unwrap();
    let places = places(&mut reader);
    fs::write(&path, "{\"text\": \"other\"}\n").unwrap();
    let mut output = Output::create(&top.path().join("out"), &[], false).unwrap();
    let selected = Selected { rows: &[0], ranks: &[0], scores: &[1.0], coverage: None };
    let error = copy_rows(&mut output, &reader, &Places::Lines(places[..1].to_vec()), selected, &Control::default())
        .unwrap_err();
    assert_eq!(
        message(&error, top.path()),
        "a.jsonl: the file changed while it was read; run again when it is at rest"
    );
    assert_eq!(error.code(), "ZF-RESUME");
    drop(output);
    assert!(!top.path().join("out").exists());
}

#[test]
fn chosen_rows_are_written_with_their_bytes_and_their_places() {
    let top = tempfile::tempdir().unwrap();
    let paths =
        [save(top.path(), "a.jsonl", LINES), save(top.path(), "b.jsonl.gz", gzip(b"{\"text\":\"four\",\"id\":\"x\"}"))];
    let mut reader = open(&paths).unwrap();
    let places = places(&mut reader);
    let chosen = Places::Lines(vec![places[3], places[1], places[0]]);
    let mut output = Output::create(top.path(), &[], false).unwrap();
    let selected = Selected { rows: &[3, 1, 0], ranks: &[0, 1, 2], scores: &[0.5, 0.25, 1e-9], coverage: None };
    let written = copy_rows(&mut output, &reader, &chosen, selected, &Control::default()).unwrap();
    output.commit().unwrap();
    let content = fs::read_to_string(top.path().join("selected.jsonl")).unwrap();
    let expected = "{\"text\":\"four\",\"id\":\"x\"}\n{ \"id\":7,\"text\":\"tw\\u006f\" }\n{\"text\": \"one\"}\n";
    assert_eq!(content, expected);
    assert_eq!(written[0].bytes, expected.len() as u64);
    let selection = fs::read_to_string(top.path().join("selection.jsonl")).unwrap();
    let name = |path: &PathBuf| serde_json::to_string(&path.to_string_lossy()).unwrap();
    let lines = [
        format!("{{\"rank\":0,\"row\":3,\"file\":{},\"line\":1,\"id\":\"x\",\"score\":0.5}}", name(&paths[1])),
        format!("{{\"rank\":1,\"row\":1,\"file\":{},\"line\":4,\"id\":7,\"score\":0.25}}", name(&paths[0])),
        format!("{{\"rank\":2,\"row\":0,\"file\":{},\"line\":1,\"id\":null,\"score\":1e-9}}", name(&paths[0])),
    ];
    assert_eq!(selection.lines().collect::<Vec<_>>(), lines);
}

proptest! {
    #![proptest_config(common::cases())]

    #[test]
    fn every_text_that_is_written_as_json_is_read_back(
        rows in prop::collection::vec(any::<String>(), 1..20),
        batch_bytes in 1..500usize,
    ) {
        let top = tempfile::tempdir().unwrap();
        let lines: Vec<String> = rows.iter().map(|text| serde_json::json!({"n": 1, "text": text}).to_string()).collect();
        let path = save(top.path(), "rows.jsonl", lines.join("\n"));
        let mut reader = Reader::open(vec![path], fields(), Side::Source, ReadOptions { batch_bytes, ..options() }).unwrap();
        let texts = reader.rest(2, &Control::default()).unwrap();
        prop_assert_eq!(texts.sha256(), Texts::from_iter(&rows).sha256());
    }
}
