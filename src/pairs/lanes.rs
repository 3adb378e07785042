//! Sixteen small numbers at once, one for each of sixteen joined texts.
//!
//! Plain loops over arrays, which compilers turn into one or two vector instructions on every target.
//!
//! N.B. The loops must stay this small, and masks be combined with numbers rather than with each other: a loop over
//! lanes with a whole step of an algorithm in it, or "and not" of two masks, came out as scalar code (header.rs took
//! five times as long; rustc 1.95, x86-64 with SSE2 alone).

/// Texts side by side: two registers of eight 32-bit numbers, one of sixteen bytes.
pub(super) const LANES: usize = 16;

/// A number a lane. Comparisons give a mask: all bits set in the lanes where they hold, none elsewhere.
#[derive(Clone, Copy)]
pub(super) struct Lanes<T>(pub(super) [T; LANES]);

macro_rules! operation {
    ($name:ident, $a:ident, $b:ident, $result:expr) => {
        pub fn $name(mut self, other: Self) -> Self {
            for lane in 0..LANES {
                let ($a, $b) = (self.0[lane], other.0[lane]);
                self.0[lane] = $result;
            }
            self
        }
    };
}

macro_rules! common {
    ($number:ty) => {
        pub const ZERO: Self = Lanes([0; LANES]);

        pub fn all(value: $number) -> Self {
            Lanes([value; LANES])
        }

        operation!(plus, a, b, a.wrapping_add(b));
        operation!(saturating_plus, a, b, a.saturating_add(b));
        operation!(and, a, b, a & b);
        operation!(and_not, a, b, a & !b);
        operation!(equals, a, b, if a == b { !0 } else { 0 });
    };
}

impl Lanes<u8> {
    common!(u8);
    operation!(minus, a, b, a.wrapping_sub(b));
    operation!(exceeds, a, b, if a > b { !0 } else { 0 });
}

impl Lanes<i16> {
    common!(i16);
    operation!(or, a, b, a | b);
    operation!(min, a, b, a.min(b));
    operation!(max, a, b, a.max(b));
}
