//! Many byte strings as one immutable value that threads share.
//!
//! Storage is private: one buffer with offsets for copied texts, or Arrow arrays kept alive and never copied. A clone
//! is a few pointers, so a worker that outlives its caller (after Ctrl-C) still owns what it reads. Texts are bytes;
//! that they are UTF-8 where they come from strings is the business of those who make them.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{
    Array, ArrayRef, BinaryArray, BinaryViewArray, LargeBinaryArray, LargeStringArray, StringArray, StringViewArray,
};
use arrow_schema::DataType;
use sha2::{Digest, Sha256};

use crate::error::{Cause, Error, Result, Side};

/// Many byte strings; cheap to clone, immutable, shared by threads.
///
/// # Examples
/// ```
/// let texts = zipfit::Texts::from_iter(["a", "bc"]);
/// assert_eq!(texts.len(), 2);
/// assert_eq!(texts.get(1), b"bc");
/// ```
#[derive(Clone, Debug)]
pub struct Texts {
    chunks: Vec<Arc<Chunk>>,
    /// `starts[c]` is the first row of chunk c; one entry more than chunks, the last is the number of rows.
    starts: Vec<usize>,
}

#[derive(Debug)]
enum Chunk {
    Owned { bytes: Vec<u8>, ends: Vec<usize> },
    Utf8(StringArray),
    LargeUtf8(LargeStringArray),
    Utf8View(StringViewArray),
    Binary(BinaryArray),
    LargeBinary(LargeBinaryArray),
    BinaryView(BinaryViewArray),
    Dictionary { keys: Vec<usize>, values: Box<Chunk> },
}

impl Chunk {
    fn len(&self) -> usize {
        match self {
            Chunk::Owned { ends, .. } => ends.len(),
            Chunk::Utf8(array) => array.len(),
            Chunk::LargeUtf8(array) => array.len(),
            Chunk::Utf8View(array) => array.len(),
            Chunk::Binary(array) => array.len(),
            Chunk::LargeBinary(array) => array.len(),
            Chunk::BinaryView(array) => array.len(),
            Chunk::Dictionary { keys, .. } => keys.len(),
        }
    }

    fn get(&self, i: usize) -> &[u8] {
        match self {
            Chunk::Owned { bytes, ends } => {
                let start = if i == 0 { 0 } else { ends[i - 1] };
                &bytes[start..ends[i]]
            }
            Chunk::Utf8(array) => array.value(i).as_bytes(),
            Chunk::LargeUtf8(array) => array.value(i).as_bytes(),
            Chunk::Utf8View(array) => array.value(i).as_bytes(),
            Chunk::Binary(array) => array.value(i),
            Chunk::LargeBinary(array) => array.value(i),
            Chunk::BinaryView(array) => array.value(i),
            Chunk::Dictionary { keys, values } => values.get(keys[i]),
        }
    }

    fn from_arrow(array: &ArrayRef, side: Side) -> Result<Chunk> {
        Ok(match array.data_type() {
            DataType::Utf8 => Chunk::Utf8(array.as_string().clone()),
            DataType::LargeUtf8 => Chunk::LargeUtf8(array.as_string().clone()),
            DataType::Utf8View => Chunk::Utf8View(array.as_string_view().clone()),
            DataType::Binary => Chunk::Binary(array.as_binary().clone()),
            DataType::LargeBinary => Chunk::LargeBinary(array.as_binary().clone()),
            DataType::BinaryView => Chunk::BinaryView(array.as_binary_view().clone()),
            DataType::Dictionary(..) => {
                let dictionary = array.as_any_dictionary();
                let values = Box::new(Chunk::from_arrow(dictionary.values(), side)?);
                // Keys of nothing cannot be normalised (arrow asserts it).
                let keys = if array.is_empty() { Vec::new() } else { dictionary.normalized_keys() };
                Chunk::Dictionary { keys, values }
            }
            // A column of nothing but nulls has this type; its rows were refused before, so it is empty.
            DataType::Null => Chunk::Owned { bytes: Vec::new(), ends: Vec::new() },
            other => {
                let message = format!("{side} column has Arrow type {other}; expected a string or binary type");
                return Err(Error::new(Cause::TextType(message)));
            }
        })
    }
}

impl Texts {
    /// Number of texts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.starts[self.chunks.len()]
    }

    /// Whether there are no texts.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Text number `i`, in time logarithmic in the number of chunks (usually one).
    ///
    /// # Panics
    /// When `i` is not below [`Texts::len`], as with a slice.
    #[must_use]
    pub fn get(&self, i: usize) -> &[u8] {
        let chunk = self.starts.partition_point(|&start| start <= i) - 1;
        self.chunks[chunk].get(i - self.starts[chunk])
    }

    /// All texts in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.chunks.iter().flat_map(|chunk| (0..chunk.len()).map(move |i| chunk.get(i)))
    }

    /// Bytes of all texts together.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.iter().map(|text| text.len() as u64).sum()
    }

    /// Refuse more than 2^32 - 1 texts, with the `before` that came before them, and longer ones than that, for those who
    /// number both in 32 bits; `what` begins the sentence, as in "near duplicates are found among".
    ///
    /// # Errors
    /// [`Cause::Parameter`].
    pub(crate) fn check_32_bits(&self, before: usize, what: &str) -> Result<()> {
        fit_32_bits(before + self.len(), self.iter().map(<[u8]>::len).max().unwrap_or(0), what)
    }

    /// SHA-256 over all texts in order, each preceded by its length as 8 little-endian bytes.
    ///
    /// Says whether two sets of texts are the same, however they are stored.
    #[must_use]
    pub fn sha256(&self) -> String {
        let mut hash = Sha256::new();
        for text in self.iter() {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        }
        hex(&hash.finalize())
    }

    /// Texts from Arrow arrays of any string or binary type, kept alive and not copied.
    ///
    /// # Errors
    /// [`Cause::BadRow`] for a null, naming its row; [`Cause::TextType`] for a column of another type.
    pub fn from_arrow(arrays: &[ArrayRef], side: Side) -> Result<Texts> {
        refuse_nulls(arrays, side)?;
        let chunks = arrays.iter().map(|array| Chunk::from_arrow(array, side).map(Arc::new));
        Ok(Texts::from_chunks(chunks.collect::<Result<_>>()?))
    }

    /// The texts of several sets, one set after another, without copying.
    #[must_use]
    pub fn concat(sets: &[Texts]) -> Texts {
        Texts::from_chunks(sets.iter().flat_map(|set| set.chunks.iter().map(Arc::clone)).collect())
    }

    fn from_chunks(chunks: Vec<Arc<Chunk>>) -> Texts {
        let mut starts = Vec::with_capacity(chunks.len() + 1);
        let mut rows = 0;
        starts.push(0);
        for chunk in &chunks {
            rows += chunk.len();
            starts.push(rows);
        }
        Texts { chunks, starts }
    }
}

fn fit_32_bits(texts: usize, longest: usize, what: &str) -> Result<()> {
    if u32::try_from(texts.max(longest)).is_ok() {
        return Ok(());
    }
    Err(Error::parameter(format!("{what} at most {0} rows of at most {0} bytes", u32::MAX)))
}

/// Refuse arrays, one after another, that hold a null.
///
/// # Errors
/// [`Cause::BadRow`] naming the first row that is null.
pub fn refuse_nulls(arrays: &[ArrayRef], side: Side) -> Result<()> {
    let mut first_row = 0;
    for array in arrays {
        if let Some(nulls) = array.logical_nulls().filter(|nulls| nulls.null_count() > 0) {
            let row = first_row + nulls.iter().position(|valid| !valid).unwrap_or(0);
            let error = Error::bad_row("null text; leave such rows out or fill them");
            return Err(error.with_row(side, row as u64));
        }
        first_row += array.len();
    }
    Ok(())
}

impl<T: AsRef<[u8]>> FromIterator<T> for Texts {
    fn from_iter<I: IntoIterator<Item = T>>(texts: I) -> Texts {
        let mut builder = TextsBuilder::default();
        for text in texts {
            builder.push(text.as_ref());
        }
        builder.finish()
    }
}

/// Copies texts into one buffer.
#[derive(Debug, Default)]
pub struct TextsBuilder {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl TextsBuilder {
    /// Append one text.
    pub fn push(&mut self, text: &[u8]) {
        self.bytes.extend_from_slice(text);
        self.ends.push(self.bytes.len());
    }

    /// Append all texts of another builder.
    pub fn append(&mut self, other: &TextsBuilder) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&other.bytes);
        self.ends.extend(other.ends.iter().map(|end| start + end));
    }

    /// Number of texts until now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Bytes of all texts until now.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there are no texts yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The texts in the order of their coming.
    #[must_use]
    pub fn finish(mut self) -> Texts {
        // Texts live as long as the run; the slack of a growing buffer would live as long.
        self.bytes.shrink_to_fit();
        Texts::from_chunks(vec![Arc::new(Chunk::Owned { bytes: self.bytes, ends: self.ends })])
    }
}

/// Lower-case hexadecimal digits of a hash.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut digits, byte| {
        // Writing to a String cannot fail.
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{DictionaryArray, Int32Array, NullArray, types::Int8Type};

    fn rows(texts: &Texts) -> Vec<&[u8]> {
        let all: Vec<_> = texts.iter().collect();
        assert_eq!(all, (0..texts.len()).map(|i| texts.get(i)).collect::<Vec<_>>());
        all
    }

    fn arrays() -> Vec<ArrayRef> {
        let rows = vec!["a", "", "\u{e9}t\u{e9}", "a text of more than twelve bytes"];
        let bytes: Vec<&[u8]> = rows.iter().map(|row| row.as_bytes()).collect();
        vec![
            Arc::new(StringArray::from(rows.clone())),
            Arc::new(LargeStringArray::from(rows.clone())),
            Arc::new(StringViewArray::from(rows.clone())),
            Arc::new(BinaryArray::from(bytes.clone())),
            Arc::new(LargeBinaryArray::from(bytes.clone())),
            Arc::new(BinaryViewArray::from(bytes)),
            Arc::new(rows.into_iter().collect::<DictionaryArray<Int8Type>>()),
        ]
    }

    #[test]
    fn texts_beyond_32_bits_are_refused_where_they_are_numbered_so() {
        assert!(fit_32_bits(u32::MAX as usize, u32::MAX as usize, "").is_ok());
        let message = "cover chooses among at most 4294967295 rows of at most 4294967295 bytes";
        for (texts, longest) in [(1 << 32, 0), (0, 1 << 32)] {
            let error = fit_32_bits(texts, longest, "cover chooses among").unwrap_err();
            assert_eq!(error.to_string(), message);
        }
    }

    #[test]
    fn texts_are_the_same_whatever_stores_them() {
        let owned = Texts::from_iter(["a", "", "\u{e9}t\u{e9}", "a text of more than twelve bytes"]);
        for array in arrays() {
            let texts =
                Texts::from_arrow(&[array.slice(0, 1), array.slice(1, 0), array.slice(1, 3)], Side::Source).unwrap();
            assert_eq!(rows(&texts), rows(&owned), "{}", array.data_type());
            assert_eq!(texts.sha256(), owned.sha256());
            assert_eq!(texts.total_bytes(), owned.total_bytes());
        }
        let twice = Texts::concat(&[owned.clone(), owned.clone()]);
        assert_eq!(twice.len(), 8);
        assert_eq!(twice.get(4), b"a");
    }

    #[test]
    fn the_hash_tells_where_one_text_ends() {
        assert_ne!(Texts::from_iter(["ab", "c"]).sha256(), Texts::from_iter(["a", "bc"]).sha256());
    }

    #[test]
    fn a_null_is_an_error_that_names_its_row() {
        let first: ArrayRef = Arc::new(StringArray::from(vec!["a", "b"]));
        let second: ArrayRef = Arc::new(StringArray::from(vec![Some("c"), None]));
        let error = Texts::from_arrow(&[first, second], Side::Target).unwrap_err();
        assert_eq!(error.to_string(), "target row 3: null text; leave such rows out or fill them");
        let nulls: ArrayRef = Arc::new(NullArray::new(2));
        assert_eq!(Texts::from_arrow(&[nulls], Side::Source).unwrap_err().place().row, Some(0));
    }

    #[test]
    fn a_column_of_numbers_is_refused() {
        let numbers: ArrayRef = Arc::new(Int32Array::from(vec![1]));
        let error = Texts::from_arrow(&[numbers], Side::Source).unwrap_err();
        assert_eq!(error.to_string(), "source column has Arrow type Int32; expected a string or binary type");
    }

    #[test]
    fn no_arrays_are_no_texts() {
        assert!(Texts::from_arrow(&[], Side::Source).unwrap().is_empty());
        let empty: ArrayRef = Arc::new(Vec::<Option<&str>>::new().into_iter().collect::<DictionaryArray<Int8Type>>());
        assert!(Texts::from_arrow(&[empty], Side::Source).unwrap().is_empty());
    }
}
