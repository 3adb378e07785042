//! zipfit picks, out of a huge pool of texts, those that look most like a small set of target texts.
//!
//! The idea (ZIP-FIT, Obbad et al. 2024, arXiv:2410.18194): two texts are alike if compressing them together takes
//! little more room than compressing one of them. With C(x) the compressed size of x in bytes, gzip level 9 unless
//! asked otherwise,
//!
//! ```text
//! ncd(x, p)    = (C(x p) - min(C(x), C(p))) / max(C(x), C(p))      normalised compression distance
//! alignment(x) = 1 - mean over the targets p of ncd(x, p)          higher is better
//! ```
//!
//! or, with all targets as one dictionary P and zstd level 3, in microseconds a row however many targets there are,
//!
//! ```text
//! gain(x) = (C(x) - C(x | P)) / size of x                          higher is better
//! ```
//!
//! Sizes equal those of Python's `gzip.compress` (and of the references of seven other codecs) to the byte, and
//! scores are the same bits on any number of threads. No embeddings, no model, no GPU.
//!
//! Limits worth knowing: gzip sees 32 KiB back, so the distance of longer texts drifts to 1; a text several times
//! as long as the targets scores low whatever it says; a paraphrase shares no bytes and is not recognised.
//!
//! # Examples
//! ```
//! use zipfit::{Aggregate, Control, Metric, Scorer, Spec, Texts, select};
//!
//! let target = Texts::from_iter(["The mean of the data.", "The median of the data."]);
//! let source = Texts::from_iter(["Open a socket.", "The mode of the data.", "Draw a line."]);
//! let control = Control::default();
//! let scorer = Scorer::prepare(target, Metric::DEFAULT, Spec::DEFAULT, Aggregate::Mean, 1, &control)?;
//! let scores = scorer.score(&source, 1, &control)?;
//! assert_eq!(select::top_k(select::order(&scores)?, None, 1)?, [1]);
//! # Ok::<(), zipfit::Error>(())
//! ```
//!
//! # Modules
//! [`codec`] counts compressed bytes; [`pairs`] does so for every source with every target, [`dictionary`] for every
//! source against all targets at once; [`metric`] turns sizes into scores; [`rank`] puts these together; [`fuse`]
//! makes one ranking of several; [`select`] chooses rows by score, [`cover`] jointly, by the [`ngrams`] of the target;
//! [`contamination`] finds rows that hold a piece of an evaluation set, [`duplicates`] those that repeat an earlier row;
//! [`evaluate`] tells whether a selection would help, [`shared`] what a text has in common with the targets; [`read`]
//! and [`write`] deal with files.
//! [`parallel`] owns the threads, the stop signal and the progress counter; [`texts`] and [`error`] are what all of them
//! speak. The feature `files`, on unless turned off, is [`read`] and [`write`] with the libraries of the formats; the
//! Python extension is built from the same crate by the feature `python`.

pub mod codec;
pub mod contamination;
pub mod cover;
pub mod dictionary;
pub mod duplicates;
pub mod error;
pub mod evaluate;
pub mod fuse;
pub mod metric;
pub mod ngrams;
pub mod pairs;
pub mod parallel;
pub mod rank;
#[cfg(feature = "files")]
pub mod read;
pub mod select;
pub mod shared;
pub mod texts;
#[cfg(feature = "files")]
pub mod write;

#[cfg(feature = "python")]
mod py;

pub use codec::Spec;
pub use error::{Error, Result};
pub use metric::{Aggregate, Distance, Metric};
pub use parallel::Control;
pub use rank::{Scorer, ncd};
pub use texts::{Texts, TextsBuilder};
