//! Parquet in and out through the public API: bounded batches, and a sentence for every damaged file.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, ListArray, RecordBatch, StringArray, types::Int32Type};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use zipfit::error::{Cause, Side};
use zipfit::read::{Batch, Fields, OtherFields, Places, ReadOptions, Reader, TextBy};
use zipfit::write::{Output, Selected, copy_rows};
use zipfit::{Control, Result};

use crate::common;
use crate::common::random::random;

fn table(texts: &[String]) -> RecordBatch {
    let rows = texts.len();
    let lists = (0..rows).map(|row| (row % 3 > 0).then(|| vec![Some(row as i32); row % 3]));
    let ids = (0..rows).map(|row| (row % 5 > 0).then(|| format!("row-{row}")));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(ids.collect::<StringArray>())),
        ("text", Arc::new(StringArray::from_iter_values(texts))),
        ("n", Arc::new(Int64Array::from_iter_values((0..rows).map(|row| row as i64)))),
        ("list", Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(lists))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

fn save(path: &Path, rows: &RecordBatch, group_rows: usize, codec: Compression) -> PathBuf {
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(group_rows))
        .set_data_page_row_count_limit(50)
        .set_write_batch_size(50)
        .set_compression(codec);
    let mut writer =
        ArrowWriter::try_new(File::create(path).unwrap(), rows.schema(), Some(properties.build())).unwrap();
    writer.write(rows).unwrap();
    writer.close().unwrap();
    path.to_owned()
}

fn open(path: &Path, options: ReadOptions) -> Result<Reader> {
    let fields = Fields::new("text", &OtherFields { tokens: Some("n"), ..OtherFields::default() })?;
    Reader::open(vec![path.to_owned()], fields, Side::Source, options)
}

fn batches(reader: &mut Reader) -> Result<Vec<Batch>> {
    let mut batches = Vec::new();
    while let Some(batch) = reader.next_batch(2, &Control::default())? {
        batches.push(batch);
    }
    Ok(batches)
}

/// The texts, and the numbers `n` of all rows in falling order as they are copied.
fn read_and_copy(path: &Path, out: &Path) -> Result<(Vec<Vec<u8>>, Vec<i64>)> {
    let mut reader = open(path, ReadOptions::default())?;
    let batches = batches(&mut reader)?;
    let texts: Vec<Vec<u8>> =
        batches.iter().flat_map(|batch| batch.texts.iter().map(<[u8]>::to_vec).collect::<Vec<_>>()).collect();
    let places: Vec<Places> = batches.into_iter().map(|batch| batch.places).collect();
    let rows: Vec<usize> = (0..texts.len()).rev().collect();
    let places = Places::concat(&places.iter().map(Ref).collect::<Vec<_>>())?.take(&rows);
    let scores = vec![0.5; rows.len()];
    let mut output = Output::create(out, &[], true)?;
    let selected = Selected { rows: &rows, ranks: &rows, scores: &scores, coverage: None };
    copy_rows(&mut output, &reader, &places, selected, &Control::default())?;
    output.commit()?;
    let selected = File::open(out.join("selected.parquet")).unwrap();
    let copied = ParquetRecordBatchReaderBuilder::try_new(selected).unwrap().build().unwrap();
    let numbers = copied.flat_map(|batch| {
        let batch = batch.unwrap();
        let numbers = batch.column_by_name("n").unwrap().as_any().downcast_ref::<Int64Array>().unwrap();
        numbers.values().to_vec()
    });
    Ok((texts, numbers.collect()))
}

struct Ref<'a>(&'a Places);

impl AsRef<Places> for Ref<'_> {
    fn as_ref(&self) -> &Places {
        self.0
    }
}

fn texts(rows: usize) -> Vec<String> {
    let mut random = random(3);
    (0..rows).map(|row| format!("text {row} ").repeat(random() as usize % 4)).collect()
}

#[test]
fn texts_come_in_order_and_rows_go_in_the_order_asked_for() {
    let top = tempfile::tempdir().unwrap();
    let texts = texts(1000);
    for group_rows in [1, 7, 300, 1000] {
        let path = save(&top.path().join("a.parquet"), &table(&texts), group_rows, Compression::SNAPPY);
        let (found, numbers) = read_and_copy(&path, &top.path().join("out")).unwrap();
        assert!(found.iter().eq(texts.iter().map(String::as_bytes)), "{group_rows}");
        assert_eq!(numbers, (0..1000).rev().collect::<Vec<i64>>(), "{group_rows}");
    }
}

#[test]
fn batches_are_bounded_in_bytes_where_a_repeated_text_is_in_the_file_but_once() {
    let top = tempfile::tempdir().unwrap();
    let longest = 2000;
    let mut texts = vec!["x".repeat(longest); 3000];
    texts.extend((0..3000).map(|row| row.to_string()));
    let path = save(&top.path().join("a.parquet"), &table(&texts), 10_000, Compression::SNAPPY);
    let limit = 64 << 10;
    let mut reader = open(&path, ReadOptions { batch_bytes: limit, ..ReadOptions::default() }).unwrap();
    let found = batches(&mut reader).unwrap();
    assert_eq!(found.iter().map(|batch| batch.texts.len()).sum::<usize>(), texts.len());
    for batch in found {
        // One piece more than the limit, which is estimated by the mean length of a text.
        assert!(batch.texts.total_bytes() <= (limit + limit / 4) as u64, "{}", batch.texts.total_bytes());
    }
}

#[test]
fn a_file_that_is_cut_off_is_told_as_such() {
    let top = tempfile::tempdir().unwrap();
    let path = save(&top.path().join("a.parquet"), &table(&texts(500)), 200, Compression::SNAPPY);
    let whole = fs::read(&path).unwrap();
    let mut random = random(1);
    for length in (0..200).map(|_| random() as usize % whole.len()).chain(0..14).chain([whole.len() - 1]) {
        fs::write(&path, &whole[..length]).unwrap();
        let error = open(&path, ReadOptions::default()).err().unwrap();
        assert_eq!(error.code(), "ZF-TRUNC", "{length} bytes");
    }
}

#[test]
fn a_flipped_bit_gives_a_sentence_or_another_row_but_never_a_panic() {
    let top = tempfile::tempdir().unwrap();
    let out = top.path().join("out");
    let mut random = random(2);
    for codec in [Compression::UNCOMPRESSED, Compression::SNAPPY, Compression::ZSTD(ZstdLevel::default())] {
        let path = save(&top.path().join("a.parquet"), &table(&texts(500)), 200, codec);
        let whole = fs::read(&path).unwrap();
        let footer = u32::from_le_bytes(*whole[..whole.len() - 4].last_chunk().unwrap()) as usize + 8;
        // 300 flips by default; every second one in the footer, which is where the library is told what to allocate.
        for flip in 0..common::cases().cases {
            let range = if flip % 2 == 0 { whole.len() - footer..whole.len() } else { 0..whole.len() - footer };
            let at = range.start + random() as usize % range.len();
            let bit = random() % 8;
            let mut changed = whole.clone();
            changed[at] ^= 1 << bit;
            fs::write(&path, &changed).unwrap();
            if let Err(error) = read_and_copy(&path, &out) {
                let known = ["ZF-ROW", "ZF-TRUNC", "ZF-PARAM", "ZF-TEXT", "ZF-TYPE"].contains(&error.code());
                assert!(known, "byte {at}, bit {bit}: {error}");
                assert_eq!(error.place().path.as_deref(), Some(&*path), "byte {at}, bit {bit}: {error}");
            }
        }
    }
}

#[test]
fn reading_and_copying_stop_when_asked_to() {
    let top = tempfile::tempdir().unwrap();
    let path = save(&top.path().join("a.parquet"), &table(&texts(500)), 200, Compression::SNAPPY);
    let stopped = Control::default();
    stopped.cancel();
    let (reader, places) = Reader::scan(vec![path], TextBy::Line, 500, &Control::default()).unwrap();
    let mut output = Output::create(&top.path().join("out"), &[], false).unwrap();
    let rows: Vec<usize> = (0..500).collect();
    let selected = Selected { rows: &rows, ranks: &rows, scores: &[0.0; 500], coverage: None };
    let error = copy_rows(&mut output, &reader, &places, selected, &stopped).unwrap_err();
    assert!(matches!(error.cause(), Cause::Interrupted));
    drop(output);
    assert!(!top.path().join("out").exists());
}
