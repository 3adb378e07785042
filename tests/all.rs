//! The tests of the public API, a module a file: one program, which is linked once. `cargo test --test all rank::` runs
//! those of one file.

mod common;

mod contamination;
#[cfg(feature = "files")]
mod cover;
mod duplicates;
#[cfg(feature = "files")]
mod files;
#[cfg(feature = "files")]
mod formats;
mod fuzz;
mod layers;
mod pairs;
#[cfg(feature = "files")]
mod parquet;
mod rank;
#[cfg(feature = "files")]
mod scores;

#[test]
fn every_test_file_is_a_module_here() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut files = 0;
    for entry in std::fs::read_dir(folder).expect("tests") {
        let path = entry.expect("a readable entry").path();
        if path.extension().is_some_and(|suffix| suffix == "rs") && !path.ends_with("all.rs") {
            let line = format!("mod {};", path.file_stem().expect("a name").display());
            assert!(
                include_str!("all.rs").lines().any(|own| own == line),
                "without `{line}` {} never runs",
                path.display()
            );
            files += 1;
        }
    }
    assert!(files > 0, "no test files");
}
