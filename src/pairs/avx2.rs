//! x
#![expect(unsafe_code, reason = "target features")]
use super::parse::{self, Joined, Token};

/// Proof that this machine has AVX2.
#[derive(Clone, Copy, Debug)]
pub(super) struct Avx2(());

impl Avx2 {
    pub(super) fn detect() -> Option<Avx2> {
        is_x86_feature_detected!("avx2").then_some(Avx2(()))
    }

    /// [`parse::make_tokens`] on vectors of eight positions.
    pub(super) fn make_tokens(self, joined: &Joined, tokens: &mut [Token], next: &mut [u16]) {
        // SAFETY: an `Avx2` is only made where the machine has it.
        unsafe { make_tokens(joined, tokens, next) }
    }
}

#[target_feature(enable = "avx2")]
fn make_tokens(joined: &Joined, tokens: &mut [Token], next: &mut [u16]) {
    parse::make_tokens(joined, tokens, next);
}
