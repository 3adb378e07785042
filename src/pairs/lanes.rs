//! Sixteen small numbers at once: one operation on each of sixteen joined texts.
//!
//! Plain loops over arrays; compilers turn each operation into one or two vector instructions on every target. The
//! loops have to be this small for that: one loop with a whole step of an algorithm in it becomes scalar code
//! (header.rs took 5 times as long).

/// Texts side by side.
pub(super) const LANES: usize = 16;

/// A number a lane. Comparisons give a mask: all bits set in the lanes where they hold.
#[derive(Clone, Copy)]
pub(super) struct Lanes<T>(pub(super) [T; LANES]);

macro_rules! operation {
    ($(#[$doc:meta])* $name:ident, $a:ident, $b:ident, $result:expr) => {
        $(#[$doc])*
        #[inline(always)]
        pub(super) fn $name(self, other: Self) -> Self {
            let mut result = self;
            for lane in 0..LANES {
                let ($a, $b) = (self.0[lane], other.0[lane]);
                result.0[lane] = $result;
            }
            result
        }
    };
}

macro_rules! lanes {
    ($number:ty) => {
        impl Lanes<$number> {
            pub(super) const ZERO: Self = Lanes([0; LANES]);

            #[inline(always)]
            pub(super) fn all(value: $number) -> Self {
                Lanes([value; LANES])
            }

            operation!(plus, a, b, a.wrapping_add(b));
            operation!(minus, a, b, a.wrapping_sub(b));
            operation!(saturating_plus, a, b, a.saturating_add(b));
            operation!(and, a, b, a & b);
            operation!(or, a, b, a | b);
            operation!(and_not, a, b, a & !b);
            operation!(equals, a, b, if a == b { !0 } else { 0 });
            operation!(exceeds, a, b, if a > b { !0 } else { 0 });
            operation!(min, a, b, a.min(b));
            operation!(max, a, b, a.max(b));
        }
    };
}

lanes!(u8);
lanes!(i16);
