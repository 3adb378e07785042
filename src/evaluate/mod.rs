//! Would a selection help? What can be told before any model is trained, from held-out rows of the target.
//!
//! [`NgramModel`] reads some texts and says how many bits it then needs for each held-out row; [`interval`] says how
//! far the difference of two selections may be chance, the choice of held-out rows and of random rows both; [`words`]
//! holds the measure of DSIR (Xie et al. 2023, arXiv:2302.03169), the divergence of hashed words and pairs of words.
//! All numbers are the same bits on any number of threads.
//!
//! N.B. a model that counts short strings flatters rows chosen so that they cover short strings, as
//! [`cover`](crate::cover) does: docs/quality.md.

mod bootstrap;
mod ngram_model;
pub mod words;

pub use bootstrap::interval;
pub use ngram_model::{CONTEXT, NgramModel};
