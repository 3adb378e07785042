//! Random numbers for generated texts, the same everywhere and for ever.

/// Numbers of 32 bits: the high half of a linear congruential generator with Knuth's constants (MMIX).
pub fn random(seed: u64) -> impl FnMut() -> u32 {
    let mut state = seed;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 32) as u32
    }
}
