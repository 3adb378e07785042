//! The way into code for processors with AVX2: only who holds an [`Avx2`] gets there, and only a processor that has AVX2
//! hands one out.

pub(super) use detected::Avx2;

#[cfg(target_arch = "x86_64")]
#[expect(
    unsafe_code,
    reason = "code for AVX2 can be entered in no other way; for its gain see parse.rs, lanes_avx2.rs"
)]
#[expect(clippy::unused_self, reason = "to have one is what makes the call sound")]
mod detected {
    use crate::pairs::forest::Forest;
    use crate::pairs::lanes_avx2;
    use crate::pairs::parse::{self, Joined, Token};

    /// Proof that this processor has AVX2.
    #[derive(Clone, Copy, Debug)]
    pub(in crate::pairs) struct Avx2(());

    impl Avx2 {
        /// Ask the processor.
        pub fn detect() -> Option<Avx2> {
            is_x86_feature_detected!("avx2").then_some(Avx2(()))
        }

        /// [`Forest::merge`] by intrinsics.
        pub fn merge(self, forest: &mut Forest, most: usize) {
            // SAFETY: `detect` has found AVX2.
            unsafe { lanes_avx2::merge(forest, most) }
        }

        /// [`parse::make_tokens`], eight positions at a time instead of four: half of its time, a tenth of the whole
        /// (benches/kernel.rs, 82 targets).
        pub fn make_tokens(self, joined: &Joined, tokens: &mut [Token], next: &mut [u16]) {
            // SAFETY: `detect` has found AVX2.
            unsafe { make_tokens(joined, tokens, next) }
        }
    }

    #[target_feature(enable = "avx2")]
    fn make_tokens(joined: &Joined, tokens: &mut [Token], next: &mut [u16]) {
        parse::make_tokens(joined, tokens, next);
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod detected {
    use crate::pairs::forest::Forest;
    use crate::pairs::parse::{Joined, Token};

    /// What no processor but an x86-64 one can prove.
    #[derive(Clone, Copy, Debug)]
    pub(in crate::pairs) enum Avx2 {}

    impl Avx2 {
        pub fn detect() -> Option<Avx2> {
            None
        }

        pub fn merge(self, _: &mut Forest, _: usize) {
            match self {}
        }

        pub fn make_tokens(self, _: &Joined, _: &mut [Token], _: &mut [u16]) {
            match self {}
        }
    }
}
