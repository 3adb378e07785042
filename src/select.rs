//! From scores to rows: the order and the ways of cutting it.
//!
//! The order is total: by falling score, ties by row, so every chooser is reproducible and each is a prefix of the
//! same list. `keep` leaves rows out before the cut (`None`: none). Cost: O(N log N) for the order, O(N) a cut.

use crate::error::{Error, Result, Side};

/// Rows by falling score, ties by row.
///
/// # Errors
/// [`Cause::Parameter`](crate::error::Cause::Parameter) naming the first row whose score is NaN or infinite.
///
/// # Examples
/// ```
/// assert_eq!(zipfit::select::order(&[0.25, 0.5, 0.25])?, [1, 0, 2]);
/// # Ok::<(), zipfit::Error>(())
/// ```
pub fn order(scores: &[f64]) -> Result<Vec<usize>> {
    if let Some(row) = scores.iter().position(|score| !score.is_finite()) {
        let message = format!("score is {}; scores must be finite numbers", scores[row]);
        return Err(Error::parameter(message).with_row(Side::Source, row as u64));
    }
    let mut rows: Vec<usize> = (0..scores.len()).collect();
    // Finite numbers always compare (and 0.0 equals -0.0, which total_cmp would tell apart).
    rows.sort_unstable_by(|&a, &b| {
        scores[b].partial_cmp(&scores[a]).unwrap_or(std::cmp::Ordering::Equal).then(a.cmp(&b))
    });
    Ok(rows)
}

/// The k best rows; all of them when there are fewer.
///
/// # Errors
/// [`Cause::Parameter`](crate::error::Cause::Parameter) for k = 0.
pub fn top_k(order: &[usize], keep: Option<&[bool]>, k: usize) -> Result<Vec<usize>> {
    if k == 0 {
        return Err(Error::parameter("top_k must be at least 1, got 0"));
    }
    Ok(kept(order, keep).take(k).collect())
}

/// The best floor(p N) rows, at least 1, N counting the rows that `keep` keeps.
///
/// # Errors
/// [`Cause::Parameter`](crate::error::Cause::Parameter) unless 0 < p <= 1.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "0 < p N < 2^53"
)]
pub fn top_fraction(order: &[usize], keep: Option<&[bool]>, fraction: f64) -> Result<Vec<usize>> {
    if !(fraction > 0.0 && fraction <= 1.0) {
        return Err(Error::parameter(format!("top_fraction must be above 0 and at most 1, got {fraction}")));
    }
    let rows = kept(order, keep).count();
    let count = (fraction * rows as f64).floor() as usize;
    Ok(kept(order, keep).take(count.max(1)).collect())
}

/// The rows with a score of at least `threshold`.
///
/// # Errors
/// [`Cause::Parameter`](crate::error::Cause::Parameter) for NaN and infinity.
pub fn threshold(order: &[usize], keep: Option<&[bool]>, scores: &[f64], threshold: f64) -> Result<Vec<usize>> {
    if !threshold.is_finite() {
        return Err(Error::parameter(format!("threshold must be a finite number, got {threshold}")));
    }
    Ok(kept(order, keep).take_while(|&row| scores[row] >= threshold).collect())
}

/// The longest prefix of the order whose costs (bytes or tokens, one a row) sum to at most `budget`.
///
/// # Errors
/// [`Cause::Parameter`](crate::error::Cause::Parameter) for a budget of 0 or a negative cost, naming its row.
pub fn within(order: &[usize], keep: Option<&[bool]>, costs: &[i64], budget: u64) -> Result<Vec<usize>> {
    if budget == 0 {
        return Err(Error::parameter("budget must be at least 1, got 0"));
    }
    if let Some(row) = costs.iter().position(|&cost| cost < 0) {
        let message = format!("cost is {}; bytes and tokens cannot be negative", costs[row]);
        return Err(Error::parameter(message).with_row(Side::Source, row as u64));
    }
    let mut left = budget;
    let fits = |&row: &usize| match left.checked_sub(costs[row].unsigned_abs()) {
        Some(rest) => {
            left = rest;
            true
        }
        None => false,
    };
    Ok(kept(order, keep).take_while(fits).collect())
}

fn kept<'a>(order: &'a [usize], keep: Option<&'a [bool]>) -> impl Iterator<Item = usize> + 'a {
    order.iter().copied().filter(move |&row| keep.is_none_or(|keep| keep[row]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_are_broken_by_row_and_zeros_are_equal() {
        assert_eq!(order(&[0.0, -0.0, 0.0, 1.0]).unwrap(), [3, 0, 1, 2]);
        assert!(order(&[]).unwrap().is_empty());
    }

    #[test]
    fn a_score_that_is_no_number_is_refused_by_row() {
        assert_eq!(
            order(&[0.0, f64::NAN]).unwrap_err().to_string(),
            "source row 1: score is NaN; scores must be finite numbers"
        );
        assert_eq!(
            order(&[f64::INFINITY]).unwrap_err().to_string(),
            "source row 0: score is inf; scores must be finite numbers"
        );
    }

    #[test]
    fn rows_left_out_are_passed_over() {
        let keep = Some(&[true, false, true][..]);
        assert_eq!(top_k(&[1, 2, 0], keep, 1).unwrap(), [2]);
        assert_eq!(top_k(&[1, 2, 0], keep, 9).unwrap(), [2, 0]);
        assert_eq!(threshold(&[1, 2, 0], keep, &[0.0, 1.0, 0.5], 0.5).unwrap(), [2]);
        assert_eq!(within(&[1, 2, 0], keep, &[1, 9, 1], 2).unwrap(), [2, 0]);
    }

    #[test]
    fn a_fraction_is_rounded_down_but_never_to_nothing() {
        assert_eq!(top_fraction(&[2, 0, 1], None, 0.7).unwrap(), [2, 0]);
        assert_eq!(top_fraction(&[2, 0, 1], None, 0.01).unwrap(), [2]);
        assert_eq!(top_fraction(&[2, 0, 1], None, 1.0).unwrap(), [2, 0, 1]);
        for fraction in [0.0, -0.1, 1.1, f64::NAN] {
            assert!(top_fraction(&[0], None, fraction).is_err());
        }
    }

    #[test]
    fn a_budget_is_cut_at_the_first_row_that_does_not_fit() {
        assert_eq!(within(&[0, 1, 2], None, &[4, 3, 1], 6).unwrap(), [0]);
        assert_eq!(within(&[0, 1, 2], None, &[4, 2, 1], 6).unwrap(), [0, 1]);
        assert_eq!(within(&[0, 1, 2], None, &[4, 2, 0], 6).unwrap(), [0, 1, 2]);
        assert_eq!(
            within(&[0], None, &[-1], 6).unwrap_err().to_string(),
            "source row 0: cost is -1; bytes and tokens cannot be negative"
        );
    }
}
