//! CSV, TSV and text files through the public API: what a row is, where it lies, and what is written of it.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::slice;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use zipfit::error::{Error, Side};
use zipfit::read::{Batch, Fields, LinePlace, OtherFields, Places, ReadOptions, Reader, TextBy, read_lines};
use zipfit::write::{Output, SELECTED_NAME, SELECTION_NAME, Selected, copy_rows};
use zipfit::{Control, Result};

use crate::common;

/// A mark, a header, CRLF, an empty line, a row over two lines, doubled quotes and no end of the last line.
const TABLE: &str = "\u{feff}id,text\r\n\r\n1,one\r\n2,\"two, \"\"and\"\"\r\nmore\"\r\n\"3\",\u{feff}three\u{2028}";
const TEXTS: [&str; 3] = ["one", "two, \"and\"\r\nmore", "\u{feff}three\u{2028}"];

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut file = GzEncoder::new(Vec::new(), Compression::fast());
    file.write_all(content).unwrap();
    file.finish().unwrap()
}

fn save(directory: &Path, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = directory.join(name);
    fs::write(&path, content).unwrap();
    path
}

/// The same content plain and compressed.
fn save_all(directory: &Path, name: &str, content: &[u8]) -> [PathBuf; 3] {
    [
        save(directory, name, content),
        save(directory, &format!("{name}.gz"), gzip(content)),
        save(directory, &format!("{name}.zst"), zstd::stream::encode_all(content, 1).unwrap()),
    ]
}

fn open(paths: &[PathBuf], text: &str, options: ReadOptions) -> Result<Reader> {
    Reader::open(paths.to_vec(), Fields::new(text, &OtherFields::default())?, Side::Source, options)
}

fn batches(reader: &mut Reader) -> Result<Vec<Batch>> {
    std::iter::from_fn(|| reader.next_batch(2, &Control::default()).transpose()).collect()
}

fn places_of(batches: &[Batch]) -> Vec<LinePlace> {
    let places = batches.iter().flat_map(|batch| match &batch.places {
        Places::Lines(places) => places.clone(),
        Places::Parquet(_) => panic!("no Parquet here"),
    });
    places.collect()
}

fn texts_of(batches: &[Batch]) -> Vec<String> {
    let texts = batches.iter().flat_map(|batch| batch.texts.iter());
    texts.map(|text| String::from_utf8(text.to_vec()).unwrap()).collect()
}

fn read(paths: &[PathBuf], text: &str, options: ReadOptions) -> Result<Vec<String>> {
    Ok(texts_of(&batches(&mut open(paths, text, options)?)?))
}

fn message(error: &Error, directory: &Path) -> String {
    error.to_string().replace(&format!("{}{}", directory.display(), std::path::MAIN_SEPARATOR), "")
}

/// What is said of a file with this content.
fn refused(name: &str, content: impl AsRef<[u8]>, options: ReadOptions) -> String {
    let top = tempfile::tempdir().unwrap();
    message(&read(&[save(top.path(), name, content)], "text", options).unwrap_err(), top.path())
}

fn lines(paths: &[PathBuf], text_by: TextBy, rows: &[usize], total: usize) -> Vec<String> {
    let lines = read_lines(paths.to_vec(), text_by, rows, total, &Control::default()).unwrap();
    lines.into_iter().map(|line| String::from_utf8(line).unwrap()).collect()
}

#[test]
fn records_and_their_places_are_the_same_in_every_container() {
    let top = tempfile::tempdir().unwrap();
    for path in save_all(top.path(), "pool.csv", TABLE.as_bytes()) {
        for batch_rows in [1, 2, 3] {
            let mut reader =
                open(slice::from_ref(&path), "text", ReadOptions { batch_rows, ..ReadOptions::default() }).unwrap();
            let batches = batches(&mut reader).unwrap();
            assert_eq!(texts_of(&batches), TEXTS);
            let places = places_of(&batches);
            assert_eq!(places.iter().map(|place| place.line).collect::<Vec<_>>(), [3, 4, 6]);
            for (place, raw) in
                places.iter().zip(["1,one", "2,\"two, \"\"and\"\"\r\nmore\"", "\"3\",\u{feff}three\u{2028}"])
            {
                let start = place.byte as usize;
                assert_eq!(&TABLE[start..start + place.length as usize], raw);
            }
            let ids: Vec<u8> = batches.iter().flat_map(|batch| batch.ids.bytes.clone()).collect();
            assert_eq!(ids, b"123");
            assert_eq!(reader.finished()[0].rows, 3);
        }
    }
}

#[test]
fn reading_goes_on_at_the_end_of_any_batch_with_the_header_of_the_file() {
    let top = tempfile::tempdir().unwrap();
    // Each file has columns of its own.
    let paths: Vec<PathBuf> = save_all(top.path(), "pool.csv", TABLE.as_bytes())
        .into_iter()
        .chain(save_all(top.path(), "pool.tsv", b"n\ttext\rx\ta,b\r\ry\t\"c\td\"\r"))
        .chain(save_all(top.path(), "pool.txt", b"one\n\ntwo\r\n"))
        .collect();
    let options = ReadOptions { batch_rows: 1, ..ReadOptions::default() };
    let expected = read(&paths, "text", options).unwrap();
    assert_eq!(expected.len(), 3 * 7);
    for taken in 1..expected.len() {
        let mut first = open(&paths, "text", options).unwrap();
        let mut rows = Vec::new();
        for _ in 0..taken {
            rows.push(first.next_batch(1, &Control::default()).unwrap().unwrap());
        }
        let mut second = open(&paths, "text", options).unwrap();
        second.resume(first.position(), first.finished().to_vec()).unwrap();
        rows.extend(batches(&mut second).unwrap());
        assert_eq!(texts_of(&rows), expected);
        let numbers: Vec<usize> = rows.iter().flat_map(|batch| batch.rows.clone()).collect();
        assert_eq!(numbers, (0..expected.len()).collect::<Vec<_>>());
        assert_eq!(second.finished().iter().map(|file| file.rows).sum::<u64>(), expected.len() as u64);
    }
}

#[test]
fn rows_of_all_formats_are_written_as_json_objects() {
    let top = tempfile::tempdir().unwrap();
    let mut paths = vec![save(top.path(), "pool.jsonl", "{ \"id\": 7, \"text\": \"tw\\u006f\" }\n")];
    paths.extend(save_all(top.path(), "pool.csv", TABLE.as_bytes()));
    paths.push(save(top.path(), "pool.txt", "a \"line\"\n"));
    let total = 1 + 3 * 3 + 1;
    let two = r#"{"id":"2","text":"two, \"and\"\r\nmore"}"#;
    let three = "{\"id\":\"3\",\"text\":\"\u{feff}three\u{2028}\"}";
    let rows = [10, 2, 0, 9, 6, 2];
    let expected = [r#"{"text":"a \"line\""}"#, two, r#"{ "id": 7, "text": "tw\u006f" }"#, three, three, two];
    assert_eq!(lines(&paths, TextBy::Line, &rows, total), expected);

    let mut reader = open(&paths, "text", ReadOptions::default()).unwrap();
    let places = places_of(&batches(&mut reader).unwrap());
    let places = Places::Lines(rows.iter().map(|&row| places[row]).collect());
    let out = top.path().join("out");
    let mut output = Output::create(&out, &[SELECTED_NAME, SELECTION_NAME], false).unwrap();
    let selected = Selected { rows: &rows, ranks: &[0, 1, 2, 3, 4, 5], scores: &[0.5; 6], coverage: None };
    copy_rows(&mut output, &reader, &places, selected, &Control::default()).unwrap();
    output.commit().unwrap();
    let written = fs::read_to_string(out.join(SELECTED_NAME)).unwrap();
    assert_eq!(written, expected.map(|line| format!("{line}\n")).concat());
    let selection = fs::read_to_string(out.join(SELECTION_NAME)).unwrap();
    let ids: Vec<&str> = selection.lines().map(|line| line.split("\"id\":").nth(1).unwrap()).collect();
    let score = "\"score\":0.5}";
    let expected = ["null", "\"2\"", "7", "\"3\"", "\"3\"", "\"2\""].map(|id| format!("{id},{score}"));
    assert_eq!(ids, expected);
    // The file that rows lie in until their lengths are known has no name.
    assert_eq!(fs::read_dir(&out).unwrap().count(), 2);
}

#[test]
fn fields_are_columns_by_their_names() {
    let top = tempfile::tempdir().unwrap();
    let table = "instruction,input,output,meta.n,g\nadd,,2,7,a\nsub,\"1, 2\",3, 08 ,\"a\"\"b\"\n";
    let path = save(top.path(), "pool.CSV", table);
    let others = OtherFields { id: Some("output"), tokens: Some("meta.n"), group: Some("g") };
    let fields = Fields::new("{instruction}|{input}|{meta.n}", &others).unwrap();
    let mut reader = Reader::open(vec![path.clone()], fields, Side::Source, ReadOptions::default()).unwrap();
    let batch = reader.next_batch(1, &Control::default()).unwrap().unwrap();
    assert_eq!(texts_of(&[batch]), ["add||7", "sub|1, 2|8"]);
    let mut reader = {
        let fields = Fields::new("output", &others).unwrap();
        Reader::open(vec![path.clone()], fields, Side::Source, ReadOptions::default()).unwrap()
    };
    let batch = reader.next_batch(1, &Control::default()).unwrap().unwrap();
    assert_eq!(batch.tokens, [7, 8]);
    assert_eq!(String::from_utf8(batch.groups.bytes).unwrap(), r#""a""a\"b""#);
    let alpaca = read(&[path], "alpaca", ReadOptions::default()).unwrap();
    assert!(!alpaca[0].contains("### Input"), "{alpaca:?}");
    assert!(alpaca[1].contains("### Input:\n1, 2\n\n### Response:\n3"), "{alpaca:?}");
}

#[test]
fn a_text_file_has_a_row_a_line_or_is_one() {
    let top = tempfile::tempdir().unwrap();
    let content = "\u{feff}one \r\n \t\n\u{2028}two\rstill two\n\nthree";
    let document = |text_by| ReadOptions { text_by, ..ReadOptions::default() };
    for (at, path) in ["notes.txt", "notes.text", "notes.md"]
        .iter()
        .flat_map(|name| save_all(top.path(), name, content.as_bytes()))
        .enumerate()
    {
        let by_line = read(slice::from_ref(&path), "text", document(TextBy::Line)).unwrap();
        assert_eq!(by_line, ["one ", "\u{2028}two\rstill two", "three"], "{at}");
        let blank = save(top.path(), "blank.txt", " \n\n");
        let paths = [path.clone(), blank, path];
        let mut reader = open(&paths, "text", document(TextBy::Document)).unwrap();
        let found = batches(&mut reader).unwrap();
        assert_eq!(texts_of(&found), [&content[3..]; 2]);
        assert_eq!(places_of(&found)[0].byte, 3);
        assert_eq!(reader.finished().iter().map(|file| file.rows).collect::<Vec<_>>(), [1, 0, 1]);
        let object = format!("{{\"text\":{}}}", serde_json::to_string(&content[3..]).unwrap());
        assert_eq!(lines(&paths, TextBy::Document, &[1], 2), [object]);
    }
    let cut = ReadOptions { max_row_bytes: 5, ..document(TextBy::Document) };
    let long = "the text is longer than 5 bytes, the most that max_row_bytes allows; split it or raise the limit";
    assert_eq!(refused("a.txt", "onetwo", cut), format!("a.txt:1 (byte 0): {long}"));
    assert_eq!(
        refused("a.txt", "ok\nonetwo", ReadOptions { text_by: TextBy::Line, ..cut }),
        format!("a.txt:2 (byte 3): {long}")
    );
    assert_eq!(
        refused("a.txt", b"ok\na\xff", ReadOptions::default()),
        "a.txt:2 (byte 4): invalid UTF-8 (byte 0xff); convert the file to UTF-8"
    );
}

#[test]
fn a_bad_record_says_what_is_wrong_and_where() {
    let options = ReadOptions { max_row_bytes: 12, ..ReadOptions::default() };
    for (content, expected) in [
        (&b"id,text\n1,a\n\n2\n"[..], "4 (byte 13): the row has 1 field, expected 2 as in the header"),
        (b"id,text\r\n1,\"a\r\n\",\r\n", "2 (byte 9): the row has 3 fields, expected 2 as in the header"),
        (b"id,text\n1,a\xff\n", "2 (byte 11): invalid UTF-8 (byte 0xff); convert the file to UTF-8"),
        (b"id,text\n1,\xc3,\xa9\n", "2 (byte 10): invalid UTF-8 (byte 0xc3); convert the file to UTF-8"),
        (
            b"id,text\n1,\"a\n",
            "2 (byte 8): a quote that the row opens is not closed before the end of the file; close it",
        ),
        (
            b"id,text\n1,\"a\n2,b\n3,c\n4,d\n",
            "2 (byte 8): the row is longer than 12 bytes, the most that max_row_bytes allows; look for a quote that is \
             not closed, split the row or raise the limit",
        ),
        (b"id,body\n1,a\n", "2 (byte 8): no field \"text\"; fields here: \"id\", \"body\""),
        (b"id,text,id\n1,a,2\n", "1 (byte 0): columns 1 and 3 are both named \"id\"; rename or remove one"),
        (b"id,te\xffxt\n1,a,2\n", "1 (byte 5): invalid UTF-8 (byte 0xff); convert the file to UTF-8"),
        (
            b"id,\"text\n1,a\n",
            "1 (byte 0): a quote that the row opens is not closed before the end of the file; close it",
        ),
    ] {
        let shown = String::from_utf8_lossy(content).into_owned();
        assert_eq!(refused("pool.csv", content, options), format!("pool.csv:{expected}"), "{shown:?}");
        assert_eq!(refused("pool.csv.gz", gzip(content), options), format!("pool.csv.gz:{expected}"), "{shown:?}");
    }
    for empty in ["", "\n\n", "\u{feff}", "id,text\n", "id,text\r\n\r\n"] {
        assert!(refused("pool.csv", empty, options).contains("source has 0 rows"), "{empty:?}");
    }
}

#[test]
fn bad_records_are_skipped_and_the_next_ones_read() {
    let top = tempfile::tempdir().unwrap();
    let options = ReadOptions { max_row_bytes: 12, skip_bad_rows: true, ..ReadOptions::default() };
    let content = b"id,text\n1,a\n2\n3,b,c\n4,\xff\n5,\"far too\nlong, and quoted\"\n6,d\n7,\"e\n";
    for path in save_all(top.path(), "pool.csv", content) {
        for batch_rows in [1, 3, 100] {
            let mut reader = open(slice::from_ref(&path), "text", ReadOptions { batch_rows, ..options }).unwrap();
            let found = batches(&mut reader).unwrap();
            assert_eq!(texts_of(&found), ["a", "d"]);
            let rejected: Vec<_> = found.iter().flat_map(|batch| &batch.rejected).collect();
            assert_eq!(rejected.iter().map(|rejected| rejected.row).collect::<Vec<_>>(), [1, 2, 3, 4, 6]);
            let line = |error: &Error| (error.place().line.unwrap(), error.code());
            let expected = [(3, "ZF-ROW"), (4, "ZF-ROW"), (5, "ZF-TEXT"), (6, "ZF-ROW"), (9, "ZF-ROW")];
            assert_eq!(rejected.iter().map(|rejected| line(&rejected.error)).collect::<Vec<_>>(), expected);
        }
    }
}

#[test]
fn a_quote_that_swallows_the_rest_of_a_file_is_not_skipped() {
    let options = ReadOptions { max_row_bytes: 12, skip_bad_rows: true, ..ReadOptions::default() };
    let content = format!("id,text\n1,a\n2,\"b\n{}", "3,c\n".repeat(100_000));
    let expected = "a quote that the row opens is not closed before the end of the file; close it";
    assert_eq!(refused("pool.csv", &content, options), format!("pool.csv:3 (byte 12): {expected}"));
}

#[test]
fn the_header_may_lie_across_any_two_pieces_of_a_compressed_file() {
    let top = tempfile::tempdir().unwrap();
    let bytes = TABLE.as_bytes();
    for cut in 0..bytes.len() {
        let members = [gzip(&bytes[..cut]), gzip(&bytes[cut..])].concat();
        let path = save(top.path(), "pool.csv.gz", members);
        assert_eq!(read(&[path], "text", ReadOptions::default()).unwrap(), TEXTS, "{cut}");
    }
}

#[test]
fn a_broken_stream_is_an_error_or_ends_in_rows_and_never_a_panic() {
    let top = tempfile::tempdir().unwrap();
    let content = format!("id,text\n{}", "1,\"some \"\"text\"\"\nof two lines\"\n".repeat(50));
    let whole = gzip(content.as_bytes());
    for cut in 0..whole.len() {
        let path = save(top.path(), "cut.csv.gz", &whole[..cut]);
        read(&[path], "text", ReadOptions::default()).unwrap_err();
    }
    for bit in 0..whole.len() * 8 {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let path = save(top.path(), "flipped.csv.gz", &flipped);
        let _ = read(&[path], "text", ReadOptions { skip_bad_rows: bit % 2 == 0, ..ReadOptions::default() });
    }
}

fn written(rows: &[[String; 2]], delimiter: char, terminator: &str, always: bool) -> String {
    let field = |text: &str| {
        if always || text.is_empty() || text.contains([delimiter, '"', '\r', '\n']) {
            format!("\"{}\"", text.replace('"', "\"\""))
        } else {
            text.to_owned()
        }
    };
    let header = ["a".to_owned(), "text".to_owned()];
    let lines: Vec<String> = std::iter::once(&header)
        .chain(rows)
        .map(|[a, text]| format!("{}{delimiter}{}{terminator}", field(a), field(text)))
        .collect();
    lines.concat()
}

proptest! {
    #![proptest_config(common::cases())]

    #[test]
    fn any_fields_come_back_with_every_way_of_writing_them(
        rows in prop::collection::vec(["[a,\t\"\r\n \u{feff}\u{e9}\0]{0,6}", "[a,\t\"\r\n \u{feff}\u{e9}\0]{0,40}"], 1..20),
        is_tab in any::<bool>(),
        always in any::<bool>(),
        terminator in prop::sample::select(vec!["\n", "\r\n", "\r", "\n\n"]),
        batch_bytes in 1_usize..200,
    ) {
        let top = tempfile::tempdir().unwrap();
        let (delimiter, name) = if is_tab { ('\t', "pool.tsv") } else { (',', "pool.csv") };
        let content = written(&rows, delimiter, terminator, always);
        let texts: Vec<String> = rows.iter().map(|[_, text]| text.clone()).collect();
        for path in save_all(top.path(), name, content.as_bytes()) {
            let options = ReadOptions { batch_bytes, ..ReadOptions::default() };
            prop_assert_eq!(&read(slice::from_ref(&path), "text", options).unwrap(), &texts);
            let all: Vec<usize> = (0..rows.len()).rev().collect();
            for (line, [a, text]) in lines(&[path], TextBy::Line, &all, rows.len()).iter().zip(rows.iter().rev()) {
                let object = format!(
                    "{{\"a\":{},\"text\":{}}}",
                    serde_json::to_string(a).unwrap(),
                    serde_json::to_string(text).unwrap(),
                );
                prop_assert_eq!(line, &object);
            }
        }
    }

    #[test]
    fn any_bytes_are_rows_or_errors(content in "[a,\"\r\n\u{e9}]{0,200}", batch_bytes in 1_usize..100, flip in any::<u8>()) {
        let top = tempfile::tempdir().unwrap();
        let mut content = content.into_bytes();
        if let Some(byte) = content.get_mut(flip as usize) {
            *byte = flip;
        }
        let path = save(top.path(), "pool.csv", [b"a,text\n", &content[..]].concat());
        let options = ReadOptions { batch_bytes, max_row_bytes: 40, skip_bad_rows: true, ..ReadOptions::default() };
        let Ok(mut reader) = open(slice::from_ref(&path), "text", options) else { return Ok(()) };
        if let Ok(found) = batches(&mut reader) {
            let in_one = ReadOptions { batch_bytes: 1 << 20, ..options };
            prop_assert_eq!(read(&[path], "text", in_one).unwrap(), texts_of(&found));
        }
    }
}
