//! Several rankings of the same rows as one: the weighted mean of percentile ranks.
//!
//! Scores of different origin (a compression distance, the cosine of embeddings, a classifier) have scales that cannot
//! be added; ranks can. Of M rows, the one with m others below it and e - 1 equal ones has the percentile rank
//! (m + e / 2) / M: the mean of the ranks of the equal ones, counted from 1 at the worst, less a half, over M. It lies
//! between 0 and 1, the mean over all rows is 1/2, and no ranking can outweigh another by the spread of its scores.
//!
//! Ranks forget how far apart rows are: a row that is best by one ranking and middling by the other has 0.75, like rows
//! that are in the best quarter by both. Cost: a sort of N rows a ranking; memory: 12 bytes a row beside the scores.

use crate::error::{Error, Result, Side};

/// The weighted mean of the percentile ranks of each row, NaN for rows that `keep` leaves out.
///
/// With weights `w_1` to `w_k`, each over the largest of them, and percentile ranks `p_1` to `p_k`, in this order: s = 0,
/// s += `w_i` * `p_i` for each ranking, s / (`w_1` + ... + `w_k`). As only their ratios count, weights of any size
/// give what they should.
///
/// `rankings` has for each ranking its weight, finite and not negative, and its scores, one a row, of which those kept
/// are finite.
///
/// # Errors
/// [`Cause::Parameter`](crate::error::Cause::Parameter) for weights that are negative, not finite or all 0, a score that is
/// no finite number though kept, and rankings of different lengths or none.
///
/// # Examples
/// ```
/// // Of four rows the first is best by both; the two last are equal by the first, all but the first by the second.
/// let fused = zipfit::fuse::fuse(&[(1.0, &[9.0, 5.0, 1.0, 1.0]), (1.0, &[0.3, 0.1, 0.1, 0.1])], None)?;
/// assert_eq!(fused, [7.0 / 8.0, 1.0 / 2.0, 5.0 / 16.0, 5.0 / 16.0]);
/// # Ok::<(), zipfit::Error>(())
/// ```
pub fn fuse(rankings: &[(f64, &[f64])], keep: Option<&[bool]>) -> Result<Vec<f64>> {
    let Some((_, first)) = rankings.first() else {
        return Err(Error::parameter("there are no rankings to fuse"));
    };
    let mut largest = 0.0_f64;
    for (number, (weight, scores)) in rankings.iter().enumerate() {
        if !(weight.is_finite() && *weight >= 0.0) {
            return Err(Error::parameter(format!(
                "weight {number} is {weight}; weights must be finite and at least 0"
            )));
        }
        if scores.len() != first.len() {
            let message = format!("ranking {number} has {} rows, ranking 0 has {}", scores.len(), first.len());
            return Err(Error::parameter(message));
        }
        largest = largest.max(*weight);
    }
    if largest == 0.0 {
        return Err(Error::parameter("all weights are 0; expected at least one above 0"));
    }
    let mut sums: Vec<f64> = vec![0.0; first.len()];
    let mut kept: Vec<u32> = Vec::new();
    for row in 0..first.len() {
        if keep.is_none_or(|keep| keep[row]) {
            kept.push(u32::try_from(row).map_err(|_| Error::parameter("at most 2^32 rows can be fused"))?);
        } else {
            sums[row] = f64::NAN;
        }
    }
    let mut total = 0.0;
    for (weight, scores) in rankings {
        let weight = weight / largest;
        add_percentiles(&mut sums, &mut kept, scores, weight)?;
        total += weight;
    }
    for sum in &mut sums {
        *sum /= total;
    }
    Ok(sums)
}

/// Add to each kept row its percentile rank by `scores`, times the weight. Leaves `kept` in another order.
#[expect(clippy::cast_precision_loss, reason = "twice a number of rows has 33 bits")]
fn add_percentiles(sums: &mut [f64], kept: &mut [u32], scores: &[f64], weight: f64) -> Result<()> {
    if let Some(&row) = kept.iter().filter(|&&row| !scores[row as usize].is_finite()).min() {
        let message = format!("score is {}; scores must be finite numbers", scores[row as usize]);
        return Err(Error::parameter(message).with_row(Side::Source, u64::from(row)));
    }
    let score = |row: u32| scores[row as usize];
    // Finite numbers always compare; 0.0 equals -0.0, as where rows are ordered.
    kept.sort_unstable_by(|&a, &b| score(a).partial_cmp(&score(b)).unwrap_or(std::cmp::Ordering::Equal));
    let mut below = 0;
    #[expect(clippy::float_cmp, reason = "ties are scores that are equal")]
    for ties in kept.chunk_by(|&a, &b| score(a) == score(b)) {
        let percentile = (2 * below + ties.len()) as f64 / (2 * kept.len()) as f64;
        for &row in ties {
            sums[row as usize] += weight * percentile;
        }
        below += ties.len();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition, row by row.
    #[expect(clippy::cast_precision_loss, reason = "few rows")]
    fn by_hand(rankings: &[(f64, Vec<f64>)], keep: &[bool]) -> Vec<Option<f64>> {
        let rows = keep.len();
        let count = |test: &dyn Fn(usize) -> bool| (0..rows).filter(|&other| keep[other] && test(other)).count();
        let kept = count(&|_| true);
        let fused = |row: usize| {
            let (mut sum, mut total) = (0.0, 0.0);
            for (weight, scores) in rankings {
                let below = count(&|other| scores[other] < scores[row]);
                let equal = count(&|other| scores[other] == scores[row]);
                // Ranks of the equal ones, from 1 at the worst.
                let ranks: usize = (below + 1..=below + equal).sum();
                sum += weight * ((ranks as f64 / equal as f64 - 0.5) / kept as f64);
                total += weight;
            }
            sum / total
        };
        (0..rows).map(|row| keep[row].then(|| fused(row))).collect()
    }

    proptest! {
        #[test]
        fn fused_scores_are_the_definition(
            rows in prop::collection::vec((0u8..5, -3i8..3, 0u8..2, prop::bool::weighted(0.8)), 0..30),
            weights in prop::array::uniform3(0u8..4),
        ) {
            prop_assume!(weights.iter().any(|&weight| weight > 0));
            let weights = weights.map(f64::from);
            let rankings = [
                (weights[0], rows.iter().map(|row| f64::from(row.0)).collect::<Vec<_>>()),
                (weights[1], rows.iter().map(|row| f64::from(row.1) / 7.0).collect()),
                (weights[2], rows.iter().map(|row| f64::from(row.2)).collect()),
            ];
            let keep: Vec<bool> = rows.iter().map(|row| row.3).collect();
            let borrowed: Vec<(f64, &[f64])> = rankings.iter().map(|(weight, scores)| (*weight, &scores[..])).collect();
            let fused = fuse(&borrowed, Some(&keep)).unwrap();
            for (fused, expected) in fused.into_iter().zip(by_hand(&rankings, &keep)) {
                match expected {
                    // Another order of divisions: the last bits may differ.
                    Some(expected) => prop_assert!((fused - expected).abs() < 1e-12, "{} {}", fused, expected),
                    None => prop_assert!(fused.is_nan()),
                }
            }
        }
    }

    #[test]
    fn one_ranking_keeps_its_order_and_its_ties() {
        let scores = [0.5, -1.0, 0.5, 7.0, 0.0, -0.0];
        assert_eq!(fuse(&[(0.3, &scores)], None).unwrap(), [8.0, 1.0, 8.0, 11.0, 4.0, 4.0].map(|rank| rank / 12.0));
    }

    #[test]
    fn only_ratios_of_weights_count_however_small_or_large_they_are() {
        let (one, other) = ([0.1, 0.5, 0.3], [3.0, 2.0, 1.0]);
        let fused = |first: f64, second: f64| fuse(&[(first, &one), (second, &other)], None).unwrap();
        assert_eq!(fused(5e-324, 5e-324), fused(1.0, 1.0));
        assert_eq!(fused(f64::MAX, f64::MAX / 4.0), fused(4.0, 1.0));
    }

    #[test]
    fn what_cannot_be_fused_is_refused() {
        let scores: (f64, &[f64]) = (1.0, &[1.0, 2.0]);
        let message = |rankings: &[(f64, &[f64])]| fuse(rankings, None).unwrap_err().to_string();
        assert_eq!(message(&[]), "there are no rankings to fuse");
        assert_eq!(message(&[scores, (1.0, &[1.0])]), "ranking 1 has 1 rows, ranking 0 has 2");
        assert_eq!(message(&[(-1.0, scores.1)]), "weight 0 is -1; weights must be finite and at least 0");
        assert_eq!(message(&[scores, (f64::NAN, scores.1)]), "weight 1 is NaN; weights must be finite and at least 0");
        assert_eq!(message(&[(0.0, scores.1)]), "all weights are 0; expected at least one above 0");
        let infinite = message(&[scores, (1.0, &[0.0, f64::INFINITY])]);
        assert_eq!(infinite, "source row 1: score is inf; scores must be finite numbers");
    }

    #[test]
    fn a_row_left_out_may_have_no_score() {
        let fused = fuse(&[(1.0, &[1.0, f64::NAN, 2.0])], Some(&[true, false, true])).unwrap();
        assert!(fused[1].is_nan());
        assert_eq!([fused[0], fused[2]], [0.25, 0.75]);
    }
}
