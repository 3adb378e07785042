//! Where rows wait between being taken apart and being looked at again: memory here, files elsewhere.

use crate::error::{Error, Result};

/// Bytes that are put away piece by piece, and read again at any place.
pub trait Store: Send + Sync {
    /// Put a piece behind those that are there.
    ///
    /// # Errors
    /// [`Cause::Io`](crate::error::Cause::Io), of stores that are not in memory; the store is of no use then.
    fn append(&mut self, piece: Vec<u8>) -> Result<()>;

    /// The `length` bytes from `offset`, which lie in one piece; in `buffer`, if they are not in memory anyway.
    ///
    /// # Errors
    /// [`Cause::Io`](crate::error::Cause::Io), of stores that are not in memory.
    fn read<'a>(&'a self, offset: u64, length: usize, buffer: &'a mut Vec<u8>) -> Result<&'a [u8]>;
}

/// A store in memory. Pieces stay where they are, so that nothing is copied as it grows.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pieces: Vec<Vec<u8>>,
    /// Offset of each.
    starts: Vec<u64>,
    end: u64,
}

impl Store for Memory {
    fn append(&mut self, piece: Vec<u8>) -> Result<()> {
        self.starts.push(self.end);
        self.end += piece.len() as u64;
        self.pieces.push(piece);
        Ok(())
    }

    fn read<'a>(&'a self, offset: u64, length: usize, _: &'a mut Vec<u8>) -> Result<&'a [u8]> {
        // Of pieces of nothing, which share their offset with the next, the last one that begins there is the right one.
        let found = self.starts.partition_point(|&start| start <= offset).checked_sub(1).and_then(|piece| {
            let start = (offset - self.starts[piece]) as usize;
            self.pieces[piece].get(start..start.checked_add(length)?)
        });
        found.ok_or_else(|| Error::internal("a read beyond the end of a store"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_read_where_they_were_put() {
        let mut store = Memory::default();
        for piece in ["abc", "", "defg", ""] {
            store.append(piece.into()).unwrap();
        }
        for (offset, expected) in [(0, "abc"), (1, "bc"), (3, "defg"), (5, "fg"), (7, "")] {
            assert_eq!(store.read(offset, expected.len(), &mut Vec::new()).unwrap(), expected.as_bytes());
        }
        for (offset, length) in [(0, 4), (3, 5), (7, 1), (8, 0)] {
            assert!(store.read(offset, length, &mut Vec::new()).is_err(), "{offset} {length}");
        }
    }
}
