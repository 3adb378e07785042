//! The inputs that a fuzzer kept (`make fuzz`), decoded and checked once more.
//!
//! Each was kept because it reached code that the others did not. An input on which the engine was once wrong belongs
//! here too, under a name that tells what was wrong.

use std::fs;
use std::path::Path;

use crate::common::fuzz_case::Case;

#[test]
fn every_input_that_a_fuzzer_kept_gives_the_sizes_of_zlib() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
    if !corpus.with_file_name("Cargo.toml").exists() {
        // A package of its own, which that of zipfit is without.
        return;
    }
    let mut inputs = 0;
    for entry in fs::read_dir(&corpus).expect("tests/fuzz/corpus") {
        let path = entry.expect("a readable entry").path();
        let input = fs::read(&path).expect("a readable input");
        let result = std::panic::catch_unwind(|| Case::decode(&input).check());
        assert!(result.is_ok(), "{}", path.display());
        inputs += 1;
    }
    assert!(inputs > 0, "no inputs in {}", corpus.display());
}

#[test]
fn instructions_are_followed() {
    let noise = [3, 9, 7, 255];
    let texts = |input: &[u8]| {
        let Case { source, target } = Case::decode(input);
        (source, target)
    };
    let none: Vec<u8> = Vec::new();
    assert_eq!(texts(&[]), (none.clone(), vec![none.clone()]));
    assert_eq!(texts(&[6, b'a', b'b']), (b"ab".to_vec(), vec![none.clone()]), "literal");
    assert_eq!(texts(&[6, b'a', b'b', 1, 3, 1, 0]).0, b"ababab", "copy with distance 2, length 4");
    assert_eq!(texts(&[6, b'a', b'b', 5, 2, 1, 0, 1, 0]).1, [b"b"], "a piece of the source, from 1");
    assert_eq!(texts(&noise).0.len(), 10);
    assert_eq!(texts(&[5, 5, 5]).1.len(), 3);
    assert_eq!(texts(&[5; 100]).1.len(), 40);
    // 241 = 40 * 6 + 1: copies of 256 << 5 bytes, cut at 34,000; the joined texts are cut at 150,000.
    let long = [[6, b'a', b'b'].as_slice(), &[241, 255, 1, 0].repeat(9), &[5, 6, b'x', b'y'].repeat(9)];
    let (source, target) = texts(&long.concat());
    assert_eq!((source.len(), target.len()), (34_000, 4));
}
