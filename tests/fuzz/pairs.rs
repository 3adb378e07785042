//! The fuzz target: the engine against zlib on whatever texts the instructions of the input make.

#![no_main]

#[path = "../common/fuzz_case.rs"]
mod fuzz_case;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| fuzz_case::Case::decode(input).check());
