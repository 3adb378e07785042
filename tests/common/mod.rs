//! What several test files share.

pub mod fuzz_case;
pub mod random;

use proptest::prelude::*;

/// Property tests make this many cases: 10 for a glance, 100 by default, 10,000 before a release.
pub fn cases() -> ProptestConfig {
    let cases = std::env::var("ZIPFIT_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(100);
    // Failures are told with their input; a file of seeds beside the test would only be litter.
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}
