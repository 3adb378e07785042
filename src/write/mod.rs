//! Results to disk: all files of a run appear together or not at all.
//!
//! Each file is written beside its final name as `.NAME.TAG.partial`, flushed to the disk, and renamed on
//! [`Output::commit`]; the last one (the manifest) is renamed last, so that a directory without it is unfinished.
//! What is not committed is removed again, with every directory that was made for it.

mod columns;
mod left_out;
mod place;
mod rows;
mod scores;
mod shards;
mod spool;

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};

pub use left_out::{LEFT_OUT_NAME, Reason, write_left_out};
pub use rows::{SELECTED_NAME, SELECTED_PARQUET_NAME, SELECTION_NAME, Selected, copy_rows, write_rows};
pub use scores::{Column, ScoreWriter};
pub use shards::RowsBefore;
pub use spool::Spool;

use crate::error::{Cause, Error, Result};
use crate::texts::hex;

/// A directory that receives files all at once.
#[derive(Debug)]
pub struct Output {
    directory: PathBuf,
    /// Directories that were made for it, outermost first.
    made: Vec<PathBuf>,
    /// Final names of the files that a run may write.
    names: Vec<String>,
    /// Final names of the files begun, in order.
    begun: Vec<String>,
    /// Those of them that are complete.
    finished: Vec<String>,
    /// Final names that a commit that failed had made already.
    renamed: Vec<String>,
    overwrite: bool,
    committed: bool,
    /// Tells the partial files of two runs into one directory apart.
    tag: String,
}

/// Outputs made by this process.
static OUTPUTS: AtomicU64 = AtomicU64::new(0);

/// A file that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenFile {
    /// Its final name.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of its content.
    pub sha256: String,
}

impl Output {
    /// Make the directory if needed; `names` are the files that may be written. Those of an earlier run that are not
    /// written this time are removed on commit, so that files of two runs never lie side by side.
    ///
    /// # Errors
    /// [`Cause::OutputExists`] when one of `names` is there already, unless `overwrite`; [`Cause::Io`].
    pub fn create(directory: &Path, names: &[&str], overwrite: bool) -> Result<Output> {
        if directory.as_os_str().is_empty() {
            return Err(Error::parameter("the output directory has an empty name; write . for the current one"));
        }
        if directory.exists() && !directory.is_dir() {
            return Err(Error::io(io::Error::from(io::ErrorKind::NotADirectory), directory));
        }
        let mut missing: Vec<PathBuf> =
            directory.ancestors().take_while(|path| !path.as_os_str().is_empty()).map(Path::to_owned).collect();
        missing.retain(|path| !path.exists());
        missing.reverse();
        let mut output = Output {
            directory: directory.to_owned(),
            made: Vec::new(),
            names: names.iter().map(|&name| name.to_owned()).collect(),
            begun: Vec::new(),
            finished: Vec::new(),
            renamed: Vec::new(),
            overwrite,
            committed: false,
            tag: format!("{}-{}", std::process::id(), OUTPUTS.fetch_add(1, Ordering::Relaxed)),
        };
        for name in names {
            output.refuse_existing(name)?;
        }
        for path in missing {
            fs::create_dir(&path).map_err(|error| Error::io(error, &path))?;
            output.made.push(path);
        }
        Ok(output)
    }

    /// Write one file.
    ///
    /// # Errors
    /// [`Cause::Io`].
    pub fn write(&mut self, name: &str, content: &[u8]) -> Result<WrittenFile> {
        self.write_with(name, |file| file.write_all(content))
    }

    /// Write one file by a function, which may seek.
    pub(crate) fn write_with(
        &mut self,
        name: &str,
        fill: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
    ) -> Result<WrittenFile> {
        let mut file = self.begin(name)?;
        let result = fill(&mut file);
        self.finish(name, file, result)
    }

    /// Start a file under its partial name.
    pub(crate) fn begin(&mut self, name: &str) -> Result<BufWriter<File>> {
        let partial = self.partial(name);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&partial);
        let file = file.map_err(|error| Error::io(error, &partial))?;
        self.begun.push(name.to_owned());
        Ok(BufWriter::new(file))
    }

    /// Flush a file to the disk and hash what is there now.
    pub(crate) fn finish(&mut self, name: &str, file: BufWriter<File>, result: io::Result<()>) -> Result<WrittenFile> {
        let finish = || -> io::Result<WrittenFile> {
            result?;
            let mut file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.sync_all()?;
            file.rewind()?;
            let (bytes, sha256) = hash(&mut file)?;
            Ok(WrittenFile { name: name.to_owned(), bytes, sha256 })
        };
        let written = finish().map_err(|error| Error::io(error, &self.directory.join(name)))?;
        self.finished.push(name.to_owned());
        Ok(written)
    }

    /// Rename all files to their final names, in the order of writing.
    ///
    /// # Errors
    /// [`Cause::OutputExists`] when a file appeared in the meantime, unless overwriting; [`Cause::Parameter`] when a
    /// file was begun and not finished; [`Cause::Io`].
    pub fn commit(&mut self) -> Result<()> {
        let at = |path: PathBuf| move |error| Error::io(error, &path);
        for name in &self.begun {
            if !self.finished.contains(name) {
                return Err(Error::parameter(format!("{name} is not finished")).with_path(&self.directory));
            }
            let target = self.directory.join(name);
            if target.is_dir() {
                return Err(Error::io(io::ErrorKind::IsADirectory.into(), &target));
            }
            self.refuse_existing(name)?;
        }
        // While files are replaced, a former manifest would vouch for a mixture.
        if let Some(last) = self.begun.last().map(|name| self.directory.join(name)).filter(|last| last.exists()) {
            fs::remove_file(&last).map_err(at(last))?;
        }
        for name in self.names.iter().filter(|name| !self.begun.contains(name)) {
            let stale = self.directory.join(name);
            if stale.exists() {
                self.refuse_existing(name)?;
                fs::remove_file(&stale).map_err(at(stale))?;
            }
        }
        for name in &self.begun {
            let target = self.directory.join(name);
            let is_new = !target.exists();
            fs::rename(self.partial(name), &target).map_err(at(target))?;
            if is_new {
                self.renamed.push(name.clone());
            }
        }
        sync_directory(&self.directory).map_err(at(self.directory.clone()))?;
        self.committed = true;
        Ok(())
    }

    fn refuse_existing(&self, name: &str) -> Result<()> {
        if self.overwrite || !self.directory.join(name).exists() {
            return Ok(());
        }
        let message = format!("{name} is there already; choose another directory");
        Err(Error::new(Cause::OutputExists(message)).with_path(&self.directory))
    }

    /// Where a file is until it is committed.
    #[must_use]
    pub fn partial(&self, name: &str) -> PathBuf {
        self.directory.join(format!(".{name}.{}.partial", self.tag))
    }
}

impl Drop for Output {
    /// Remove what was not committed. Errors are passed over: another one is on its way already.
    fn drop(&mut self) {
        if self.committed {
            return;
        }
        for name in &self.begun {
            let _ = fs::remove_file(self.partial(name));
        }
        // The manifest first: without it nobody takes the rest for a result.
        for name in self.renamed.iter().rev() {
            let _ = fs::remove_file(self.directory.join(name));
        }
        for path in self.made.iter().rev() {
            let _ = fs::remove_dir(path);
        }
    }
}

fn hash(file: &mut File) -> io::Result<(u64, String)> {
    let mut hash = Sha256::new();
    let mut bytes = 0;
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok((bytes, hex(&hash.finalize())));
        }
        hash.update(&buffer[..read]);
        bytes += read as u64;
    }
}

/// A rename is safe from a power cut only once its directory is on the disk.
fn sync_directory(directory: &Path) -> io::Result<()> {
    // Windows cannot open a directory as a file, and journals renames itself.
    if cfg!(unix) { File::open(directory)?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn files_appear_only_when_committed() {
        let top = tempfile::tempdir().unwrap();
        let directory = top.path().join("a/b");
        let mut output = Output::create(&directory, &["x", "y"], false).unwrap();
        let written = output.write("x", b"abc").unwrap();
        assert_eq!(written.bytes, 3);
        assert!(written.sha256.starts_with("ba7816bf"));
        output.write("y", b"").unwrap();
        assert!(names(&directory).iter().all(|name| name.ends_with(".partial")));
        output.commit().unwrap();
        drop(output);
        assert_eq!(names(&directory), ["x", "y"]);
    }

    #[test]
    fn what_is_not_committed_leaves_no_trace() {
        let top = tempfile::tempdir().unwrap();
        let mut output = Output::create(&top.path().join("a/b"), &["x"], false).unwrap();
        output.write("x", b"abc").unwrap();
        drop(output);
        assert!(names(top.path()).is_empty());
    }

    #[test]
    fn an_existing_file_is_refused_unless_asked() {
        let top = tempfile::tempdir().unwrap();
        fs::write(top.path().join("x"), "old").unwrap();
        let error = Output::create(top.path(), &["w", "x"], false).unwrap_err();
        assert!(error.to_string().ends_with(": x is there already; choose another directory"));
        let mut output = Output::create(top.path(), &["w", "x"], true).unwrap();
        output.write("x", b"new").unwrap();
        output.commit().unwrap();
        assert_eq!(fs::read(top.path().join("x")).unwrap(), b"new");
    }

    #[test]
    fn what_an_earlier_run_wrote_and_this_one_does_not_is_removed() {
        let top = tempfile::tempdir().unwrap();
        fs::write(top.path().join("x"), "old").unwrap();
        fs::write(top.path().join("notes"), "mine").unwrap();
        let mut output = Output::create(top.path(), &["x", "m"], true).unwrap();
        output.write("m", b"new").unwrap();
        output.commit().unwrap();
        assert_eq!(names(top.path()), ["m", "notes"]);
    }

    #[test]
    fn two_runs_into_one_directory_do_not_mix() {
        let top = tempfile::tempdir().unwrap();
        let mut first = Output::create(top.path(), &["x"], false).unwrap();
        let mut second = Output::create(top.path(), &["x"], false).unwrap();
        first.write("x", b"first").unwrap();
        second.write("x", b"second").unwrap();
        first.commit().unwrap();
        assert!(matches!(second.commit().unwrap_err().cause(), Cause::OutputExists(_)));
        drop(second);
        assert_eq!(names(top.path()), ["x"]);
        assert_eq!(fs::read(top.path().join("x")).unwrap(), b"first");
    }

    #[test]
    fn a_commit_that_cannot_finish_leaves_the_earlier_run() {
        let top = tempfile::tempdir().unwrap();
        fs::write(top.path().join("m"), "old").unwrap();
        fs::create_dir(top.path().join("x")).unwrap();
        let mut output = Output::create(top.path(), &["x", "m"], true).unwrap();
        output.write("x", b"new").unwrap();
        output.write("m", b"new").unwrap();
        assert!(output.commit().is_err());
        drop(output);
        assert_eq!(names(top.path()), ["m", "x"]);
        assert_eq!(fs::read(top.path().join("m")).unwrap(), b"old");
    }

    #[test]
    fn a_directory_without_a_name_is_refused() {
        let error = Output::create(Path::new(""), &[], false).unwrap_err();
        assert_eq!(error.to_string(), "the output directory has an empty name; write . for the current one");
    }

    #[test]
    fn a_file_in_the_place_of_the_directory_is_an_error() {
        let top = tempfile::tempdir().unwrap();
        fs::write(top.path().join("x"), "").unwrap();
        let error = Output::create(&top.path().join("x"), &[], false).unwrap_err();
        assert!(matches!(error.cause(), Cause::Io(error) if error.kind() == io::ErrorKind::NotADirectory));
    }
}
