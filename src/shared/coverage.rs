//! Which bytes of the targets lie in a substring that a chosen row holds.

use std::collections::HashMap;

use crate::error::{Error, Result};
use crate::parallel::Control;
use crate::texts::Texts;

/// Longest length of the substrings: what a key holds.
const MAX_LENGTH: usize = 16;

const NONE: u32 = u32::MAX;

/// Bytes between two looks at the stop signal.
const CHECK_EVERY: usize = 1 << 16;

/// What rows, added one after another, hold of some targets.
///
/// A byte is covered if it lies in a substring of `length` bytes, or more, that a row holds; it belongs to the first such
/// row. Each distinct substring of the targets is looked at when it is found for the first time and then no more, so that
/// all takes time proportional to the bytes of the rows and of the targets, some 0.1 microseconds each. Memory: some 60
/// bytes a byte of the targets.
///
/// # Examples
/// ```
/// use zipfit::{Control, Texts, shared::Coverage};
/// let control = Control::default();
/// let mut coverage = Coverage::new(&Texts::from_iter(["one two three", "four"]), 4, &control)?;
/// let found = coverage.add(&Texts::from_iter(["a two thousand", "three fours", "two three"]), &control)?;
/// assert_eq!(found, [7, 7, 0]);  // " two th"; "ree" of "three", and "four"; nothing new
/// assert_eq!(coverage.by_target(), [10, 4]);
/// # Ok::<(), zipfit::Error>(())
/// ```
pub struct Coverage {
    length: usize,
    /// Where each target begins among the bytes of all, and where the last one ends.
    starts: Vec<usize>,
    is_covered: Vec<bool>,
    /// By a substring its last place; taken out once a row holds it.
    last: HashMap<u128, u32>,
    /// By a place the one before it of the same substring.
    before: Vec<u32>,
}

impl Coverage {
    /// Prepare for rows to come.
    ///
    /// # Errors
    /// [`Cause::Interrupted`](crate::error::Cause::Interrupted); [`Cause::Parameter`](crate::error::Cause::Parameter)
    /// for a length that is not from 1 to 16, and for targets of 4 GiB or more.
    pub fn new(targets: &Texts, length: usize, control: &Control) -> Result<Coverage> {
        if !(1..=MAX_LENGTH).contains(&length) {
            return Err(Error::parameter(format!("length must be from 1 to {MAX_LENGTH}, got {length}")));
        }
        let total = targets.total_bytes();
        if total >= u64::from(NONE) {
            return Err(Error::parameter(format!("targets have {total} bytes; at most {} can be covered", NONE - 1)));
        }
        let mut starts = vec![0];
        let mut last = HashMap::new();
        let mut before = vec![NONE; total as usize];
        for target in targets.iter() {
            control.check()?;
            let start = starts[starts.len() - 1];
            for (at, key) in keys(target, length) {
                if at % CHECK_EVERY == 0 {
                    control.check()?;
                }
                let place = start + at;
                before[place] = last.insert(key, place as u32).unwrap_or(NONE);
            }
            starts.push(start + target.len());
        }
        Ok(Coverage { length, starts, is_covered: vec![false; total as usize], last, before })
    }

    /// Add rows; for each the bytes that it covers and no row before it.
    ///
    /// # Errors
    /// [`Cause::Interrupted`](crate::error::Cause::Interrupted), after which rows may be in by half.
    pub fn add(&mut self, rows: &Texts, control: &Control) -> Result<Vec<u64>> {
        let mut found = Vec::with_capacity(rows.len());
        for row in rows.iter() {
            control.check()?;
            let mut new = 0;
            for (at, key) in keys(row, self.length) {
                if at % CHECK_EVERY == 0 {
                    control.check()?;
                }
                // Most are in no target, or known.
                let Some(place) = self.last.remove(&key) else { continue };
                let mut place = place;
                while place != NONE {
                    let start = place as usize;
                    for covered in &mut self.is_covered[start..start + self.length] {
                        new += u64::from(!*covered);
                        *covered = true;
                    }
                    place = self.before[start];
                }
            }
            found.push(new);
        }
        Ok(found)
    }

    /// Covered bytes of each target.
    #[must_use]
    pub fn by_target(&self) -> Vec<u64> {
        let covered = |ends: &[usize]| self.is_covered[ends[0]..ends[1]].iter().filter(|&&covered| covered).count();
        self.starts.windows(2).map(|ends| covered(ends) as u64).collect()
    }
}

/// The substrings of a text of so many bytes, and where they begin.
fn keys(text: &[u8], length: usize) -> impl Iterator<Item = (usize, u128)> {
    let mask = u128::MAX >> (8 * (MAX_LENGTH - length));
    let mut key = 0;
    text.iter().enumerate().filter_map(move |(end, &byte)| {
        key = (key << 8 | u128::from(byte)) & mask;
        (end + 1).checked_sub(length).map(|start| (start, key))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// For each byte of each target the first row that holds a substring around it.
    fn by_hand(targets: &[Vec<u8>], rows: &[Vec<u8>], length: usize) -> Vec<Vec<Option<usize>>> {
        let mut owners: Vec<Vec<Option<usize>>> = targets.iter().map(|target| vec![None; target.len()]).collect();
        for (number, row) in rows.iter().enumerate() {
            for (target, owners) in targets.iter().zip(&mut owners) {
                for (at, piece) in target.windows(length).enumerate() {
                    if row.windows(length).any(|window| window == piece) {
                        for owner in &mut owners[at..at + length] {
                            owner.get_or_insert(number);
                        }
                    }
                }
            }
        }
        owners
    }

    proptest! {
        #[test]
        fn each_byte_belongs_to_the_first_row_that_holds_it(
            targets in prop::collection::vec(prop::collection::vec(b'a'..b'd', 0..25), 0..4),
            rows in prop::collection::vec(prop::collection::vec(b'a'..b'd', 0..25), 0..5),
            length in 1usize..6,
        ) {
            let control = Control::default();
            let mut coverage = Coverage::new(&Texts::from_iter(&targets), length, &control).unwrap();
            let (first, rest) = rows.split_at(rows.len() / 2);
            let mut found = coverage.add(&Texts::from_iter(first), &control).unwrap();
            found.extend(coverage.add(&Texts::from_iter(rest), &control).unwrap());
            let owners = by_hand(&targets, &rows, length);
            for (row, found) in found.into_iter().enumerate() {
                let own = owners.iter().flatten().filter(|&&owner| owner == Some(row)).count();
                prop_assert_eq!(found, own as u64);
            }
            let covered = |owners: &Vec<Option<usize>>| owners.iter().filter(|owner| owner.is_some()).count() as u64;
            prop_assert_eq!(coverage.by_target(), owners.iter().map(covered).collect::<Vec<_>>());
        }
    }

    #[test]
    fn lengths_that_a_key_cannot_hold_are_refused() {
        for length in [0, 17] {
            let error = Coverage::new(&Texts::from_iter(["a"]), length, &Control::default()).err().unwrap();
            assert_eq!(error.to_string(), format!("length must be from 1 to 16, got {length}"));
        }
        let long = ["0123456789abcdef"];
        let mut coverage = Coverage::new(&Texts::from_iter(long), 16, &Control::default()).unwrap();
        assert_eq!(coverage.add(&Texts::from_iter(long), &Control::default()).unwrap(), [16]);
    }
}
