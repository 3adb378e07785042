//! From sizes to scores: the distances and the ways of summing them up over the targets, and the gain by a dictionary.
//!
//! Pure functions of compressed sizes in float64. The order of operations is part of the contract: every engine,
//! the Python reference and every shard must agree to the last bit, so nothing here may be reassociated.
//! References: Obbad et al. 2024, arXiv:2410.18194, section 3 (NCD: Li et al. 2004; CDM: Keogh et al. 2004); for the
//! gain, cross-entropy by compression with a fixed context: Benedetto, Caglioti, Loreto 2002, arXiv:cond-mat/0108530.

use std::fmt;
use std::str::FromStr;

use crate::codec::Spec;
use crate::error::{Error, Result, quote};

/// A distance of two texts made from their compressed sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distance {
    /// Normalised compression distance, (C(xy) - min) / max: the paper's.
    Ncd,
    /// Compression-based dissimilarity, C(xy) / (C(x) + C(y)).
    Cdm,
    /// Chen-Li metric, 1 - (C(x) + C(y) - C(xy)) / C(xy).
    Clm,
}

impl Distance {
    /// The distance of x and y, given C(x), C(y) and C(x followed by y) in bytes, none of them 0.
    ///
    /// Not clamped: a real compressor can give an NCD slightly above 1.
    ///
    /// # Examples
    /// ```
    /// use zipfit::Distance;
    /// assert_eq!(Distance::Ncd.of_sizes(30, 40, 50), 0.5);
    /// ```
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^53")]
    pub fn of_sizes(self, x: u64, y: u64, xy: u64) -> f64 {
        let (x, y, xy) = (x as f64, y as f64, xy as f64);
        match self {
            Distance::Ncd => (xy - x.min(y)) / x.max(y),
            Distance::Cdm => xy / (x + y),
            Distance::Clm => 1.0 - (x + y - xy) / xy,
        }
    }
}

/// (C(x) - C(x | P)) / |x|, given C(x) and C(x | P), x against a dictionary P, in bytes, and |x|, not 0.
///
/// The bytes of compressed text that the dictionary saves for each byte of x; below 0 where it does harm.
///
/// # Examples
/// ```
/// assert_eq!(zipfit::metric::gain(50, 30, 80), 0.25);
/// ```
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^53")]
pub fn gain(alone: u64, against: u64, bytes: usize) -> f64 {
    (alone as i64 - against as i64) as f64 / bytes as f64
}

/// What a score is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// The distances to all targets, one by one.
    Distance(Distance),
    /// What all targets together, as a dictionary, save: [`gain`].
    Gain,
}

impl Metric {
    /// The paper's.
    pub const DEFAULT: Metric = Metric::Distance(Distance::Ncd);

    /// Codec and level that are used when none are asked for: the paper's gzip-9 for distances; for the gain zstd-3,
    /// zstd's own default, since gzip knows no dictionary and DEFLATE's 32 KiB are less than most target sets.
    #[must_use]
    pub fn default_spec(self) -> Spec {
        match self {
            Metric::Distance(_) => Spec::DEFAULT,
            Metric::Gain => Spec::DEFAULT_DICTIONARY,
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Metric::Distance(Distance::Ncd) => "ncd",
            Metric::Distance(Distance::Cdm) => "cdm",
            Metric::Distance(Distance::Clm) => "clm",
            Metric::Gain => "gain",
        })
    }
}

impl FromStr for Metric {
    type Err = Error;

    fn from_str(name: &str) -> Result<Metric> {
        match name {
            "ncd" => Ok(Metric::Distance(Distance::Ncd)),
            "cdm" => Ok(Metric::Distance(Distance::Cdm)),
            "clm" => Ok(Metric::Distance(Distance::Clm)),
            "gain" => Ok(Metric::Gain),
            _ => Err(Error::parameter(format!("metric {} is not known; use ncd, cdm, clm or gain", quote(name)))),
        }
    }
}

/// How the distances of one source to all targets become one score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregate {
    /// 1 - the mean distance: the paper's alignment.
    Mean,
    /// 1 - the smallest distance.
    Max,
    /// 1 - the mean of this many smallest distances.
    Top(usize),
}

impl Aggregate {
    /// The score of one source; higher is better.
    ///
    /// `distances` holds one distance a target, in target order, and may be reordered.
    ///
    /// # Examples
    /// ```
    /// use zipfit::Aggregate;
    /// assert_eq!(Aggregate::Top(2).score(&mut [0.5, 0.25, 0.75]), 1.0 - (0.25 + 0.5) / 2.0);
    /// ```
    #[must_use]
    pub fn score(self, distances: &mut [f64]) -> f64 {
        match self {
            Aggregate::Mean => one_minus_mean(distances),
            Aggregate::Max => 1.0 - distances.iter().copied().fold(f64::INFINITY, f64::min),
            Aggregate::Top(count) => {
                // Equal distances are equal bits, so their order (by target) cannot be seen in the sum.
                distances.sort_unstable_by(f64::total_cmp);
                one_minus_mean(&distances[..count.min(distances.len())])
            }
        }
    }

    /// Check this way of summing up against the number of targets.
    ///
    /// # Errors
    /// [`Cause::Parameter`](crate::error::Cause::Parameter) when more targets are asked for than there are: the
    /// score would silently be another one.
    pub fn check(self, targets: usize) -> Result<()> {
        match self {
            Aggregate::Top(count) if count > targets => Err(Error::parameter(format!(
                "aggregate \"top-{count}\": target has {targets} rows; use at most \"top-{targets}\", or \"mean\""
            ))),
            _ => Ok(()),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "the number of targets is far below 2^53")]
fn one_minus_mean(distances: &[f64]) -> f64 {
    let mut sum = 0.0;
    for distance in distances {
        sum += distance;
    }
    1.0 - sum / distances.len() as f64
}

impl fmt::Display for Aggregate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Aggregate::Mean => f.write_str("mean"),
            Aggregate::Max => f.write_str("max"),
            Aggregate::Top(count) => write!(f, "top-{count}"),
        }
    }
}

impl FromStr for Aggregate {
    type Err = Error;

    fn from_str(name: &str) -> Result<Aggregate> {
        let top = name.strip_prefix("top-").filter(|count| !count.starts_with(['+', '0']));
        match (name, top.and_then(|count| count.parse().ok())) {
            ("mean", _) => Ok(Aggregate::Mean),
            ("max", _) => Ok(Aggregate::Max),
            (_, Some(count)) => Ok(Aggregate::Top(count)),
            _ => Err(Error::parameter(format!(
                "aggregate {} is not known; use mean, max or top-M with M of 1 or more",
                quote(name)
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_the_formulae() {
        assert_eq!(Distance::Ncd.of_sizes(30, 20, 45), (45.0 - 20.0) / 30.0);
        assert_eq!(Distance::Cdm.of_sizes(30, 20, 45), 45.0 / 50.0);
        assert_eq!(Distance::Clm.of_sizes(30, 20, 45), 1.0 - (30.0 + 20.0 - 45.0) / 45.0);
    }

    #[test]
    fn the_mean_is_summed_in_target_order() {
        // 1e16 + 1 - 1e16 depends on the order; the contract is left to right.
        assert_eq!(Aggregate::Mean.score(&mut [1e16, 1.0, -1e16]), 1.0);
        assert_eq!(Aggregate::Mean.score(&mut [1e16, -1e16, 1.0]), 1.0 - 1.0 / 3.0);
    }

    #[test]
    fn max_is_one_minus_the_smallest_distance() {
        assert_eq!(Aggregate::Max.score(&mut [0.75, 0.25, 0.5]), 0.75);
    }

    #[test]
    fn names_are_read_back_as_they_are_written() {
        for name in ["ncd", "cdm", "clm", "gain"] {
            assert_eq!(name.parse::<Metric>().unwrap().to_string(), name);
        }
        for name in ["mean", "max", "top-1", "top-12"] {
            assert_eq!(name.parse::<Aggregate>().unwrap().to_string(), name);
        }
        for name in ["", "top", "top-", "top-0", "top-+2", "top-02", "top--1", "Mean", "median"] {
            assert!(name.parse::<Aggregate>().is_err(), "{name}");
        }
        let error = "cosine".parse::<Metric>().unwrap_err();
        assert_eq!(error.to_string(), "metric \"cosine\" is not known; use ncd, cdm, clm or gain");
    }

    #[test]
    fn more_targets_than_there_are_cannot_be_averaged() {
        let error = Aggregate::Top(9).check(5).unwrap_err();
        assert_eq!(error.to_string(), "aggregate \"top-9\": target has 5 rows; use at most \"top-5\", or \"mean\"");
        assert!(Aggregate::Top(5).check(5).is_ok());
    }
}
