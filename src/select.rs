//! From scores to rows: the order and the ways of cutting it.
//!
//! The order is total: by falling score, ties by row, so every chooser is reproducible. Most choose a prefix of that
//! one list; `per_group` chooses a prefix of each group's part of it, `sample` draws. All list rows as the order does.
//! `keep` leaves rows out before the cut (`None`: none). Cost: O(N log N) for the order and for a sample, O(N) a cut.
//! References: Kool et al. 2019, "Stochastic beams and where to find them" (the Gumbel top-k trick), as used for data
//! by Xie et al. 2023, arXiv:2302.03169; Steele et al. 2014, "Fast splittable pseudorandom number generators".

use std::cmp::Ordering;
use std::collections::HashMap;

use crate::error::{Error, Result, Side};

/// Rows by falling score, ties by row.
///
/// # Errors
/// [`Cause::Parameter`](crate::error::Cause::Parameter) naming the first row whose score is NaN or infinite, and for
/// more than 2^32 rows.
///
/// # Examples
/// ```
/// assert_eq!(zipfit::select::order(&[0.25, 0.5, 0.25])?, [1, 0, 2]);
/// # Ok::<(), zipfit::Error>(())
/// ```
pub fn order(scores: &[f64]) -> Result<Vec<usize>> {
    Ok(short_order(scores)?.into_iter().map(|row| row as usize).collect())
}

/// The same in half of the memory.
pub(crate) fn short_order(scores: &[f64]) -> Result<Vec<u32>> {
    if u32::try_from(scores.len()).is_err() {
        return Err(Error::parameter(format!("there are {} scores; at most 2^32 - 1 can be ordered", scores.len())));
    }
    if let Some(row) = scores.iter().position(|score| !score.is_finite()) {
        let message = format!("score is {}; scores must be finite numbers", scores[row]);
        return Err(Error::parameter(message).with_row(Side::Source, row as u64));
    }
    let mut rows: Vec<u32> = (0..scores.len() as u32).collect();
    // Finite numbers always compare (and 0.0 equals -0.0, which total_cmp would tell apart).
    rows.sort_unstable_by(|&a, &b| by_score(scores, a as usize, b as usize));
    Ok(rows)
}

/// Which of two rows comes first: the order is total where no score is NaN.
fn by_score(scores: &[f64], a: usize, b: usize) -> Ordering {
    scores[b].partial_cmp(&scores[a]).unwrap_or(Ordering::Equal).then(a.cmp(&b))
}

/// The k best rows; all of them when there are fewer.
///
/// # Errors
/// [`Cause::Parameter`](crate::error::Cause::Parameter) for k = 0.
pub fn top_k(order: impl IntoIterator<Item = usize>, keep: Option<&[bool]>, k: usize) -> Result<Vec<usize>> {
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
pub fn top_fraction(
    order: impl IntoIterator<Item = usize, IntoIter: ExactSizeIterator>,
    keep: Option<&[bool]>,
    fraction: f64,
) -> Result<Vec<usize>> {
    if !(fraction > 0.0 && fraction <= 1.0) {
        return Err(Error::parameter(format!("top_fraction must be above 0 and at most 1, got {fraction}")));
    }
    let order = order.into_iter();
    let rows = keep.map_or(order.len(), |keep| keep.iter().filter(|&&keep| keep).count());
    let count = (fraction * rows as f64).floor() as usize;
    Ok(kept(order, keep).take(count.max(1)).collect())
}

/// The rows with a score of at least `threshold`.
///
/// # Errors
/// [`Cause::Parameter`](crate::error::Cause::Parameter) for NaN and infinity.
pub fn threshold(
    order: impl IntoIterator<Item = usize>,
    keep: Option<&[bool]>,
    scores: &[f64],
    threshold: f64,
) -> Result<Vec<usize>> {
    if !threshold.is_finite() {
        return Err(Error::parameter(format!("threshold must be a finite number, got {threshold}")));
    }
    Ok(kept(order, keep).take_while(|&row| scores[row] >= threshold).collect())
}

/// The longest prefix of the order whose costs (bytes or tokens, one a row) sum to at most `budget`.
///
/// # Errors
/// [`Cause::Parameter`](crate::error::Cause::Parameter) for a budget of 0 or a negative cost, naming its row.
pub fn within(
    order: impl IntoIterator<Item = usize>,
    keep: Option<&[bool]>,
    costs: &[i64],
    budget: u64,
) -> Result<Vec<usize>> {
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

/// k rows drawn without replacement, each draw in proportion to exp(score / `temperature`); all when there are fewer.
///
/// The rows with the k largest keys score / temperature + g, where g = -ln(-ln u) and u is uniform in (0, 1): k draws
/// in one pass, so that a sample of k rows is part of that of k + 1. u is made of `seed` and the row number alone:
/// leaving out or adding other rows, and working shard by shard, changes no row's key. Equal keys go by the order,
/// to which a falling temperature leads. Memory: 32 bytes for each of the k rows.
///
/// # Errors
/// [`Cause::Parameter`](crate::error::Cause::Parameter) for k = 0, or a temperature that is not above 0 and finite.
///
/// # Examples
/// ```
/// use zipfit::select::sample;
///
/// let scores = [0.1, 0.4, 0.2, 0.3];
/// assert_eq!(sample(&scores, None, 2, 0.001, 0)?, [1, 3]);
/// assert_eq!(sample(&scores, None, 2, 1000.0, 1)?.len(), 2);
/// # Ok::<(), zipfit::Error>(())
/// ```
pub fn sample(scores: &[f64], keep: Option<&[bool]>, k: usize, temperature: f64, seed: u64) -> Result<Vec<usize>> {
    if k == 0 {
        return Err(Error::parameter("k must be at least 1, got 0"));
    }
    if !(temperature > 0.0 && temperature.is_finite()) {
        return Err(Error::parameter(format!("temperature must be a finite number above 0, got {temperature}")));
    }
    let before = |a: &(f64, usize), b: &(f64, usize)| b.0.total_cmp(&a.0).then_with(|| by_score(scores, a.1, b.1));
    // The best until now, and as many others, so that each row is looked at a few times only.
    let mut drawn: Vec<(f64, usize)> = Vec::new();
    for row in kept(0..scores.len(), keep) {
        // A quotient may overflow to an infinity, but g is finite: no key is NaN.
        drawn.push((scores[row] / temperature + gumbel(seed, row), row));
        if drawn.len() >= k.saturating_mul(2).max(1024) && drawn.len() > k {
            drawn.select_nth_unstable_by(k - 1, before);
            drawn.truncate(k);
        }
    }
    drawn.sort_unstable_by(before);
    let mut rows: Vec<usize> = drawn.into_iter().take(k).map(|(_, row)| row).collect();
    rows.sort_unstable_by(|&a, &b| by_score(scores, a, b));
    Ok(rows)
}

/// Rows drawn at random, in the order of their draw, as many as fit a budget; those that do not fit are passed over.
///
/// The order is that of `u` in [`sample`], made of `seed` and the row number alone, the largest first. A row that is
/// passed over leaves room for later ones, so that the budget is as full as that of whoever may choose. Memory: 16
/// bytes a row.
///
/// # Examples
/// ```
/// use zipfit::select::draw;
///
/// assert_eq!(draw(&[5, 5, 5], None, 10, 0).len(), 2);
/// assert_eq!(draw(&[5, 50, 5], None, 10, 1).iter().sum::<usize>(), 2);  // rows 0 and 2
/// ```
#[must_use]
pub fn draw(costs: &[u64], keep: Option<&[bool]>, budget: u64, seed: u64) -> Vec<usize> {
    // Of numbers above 0 the order is that of their bits.
    let mut drawn: Vec<(u64, usize)> =
        kept(0..costs.len(), keep).map(|row| (uniform(seed, row as u64).to_bits(), row)).collect();
    drawn.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut left = budget;
    let fits = |&row: &usize| match left.checked_sub(costs[row]) {
        Some(rest) => {
            left = rest;
            true
        }
        None => false,
    };
    drawn.into_iter().map(|(_, row)| row).filter(fits).collect()
}

/// The k best rows of every group; all of a group that has fewer. `groups` holds the number of each row's group.
///
/// # Errors
/// [`Cause::Parameter`](crate::error::Cause::Parameter) for k = 0.
pub fn per_group(
    order: impl IntoIterator<Item = usize>,
    keep: Option<&[bool]>,
    groups: &[i64],
    k: usize,
) -> Result<Vec<usize>> {
    if k == 0 {
        return Err(Error::parameter("k must be at least 1, got 0"));
    }
    let mut chosen: HashMap<i64, usize> = HashMap::new();
    let has_room = |&row: &usize| {
        let count = chosen.entry(groups[row]).or_default();
        *count += 1;
        *count <= k
    };
    Ok(kept(order, keep).filter(has_room).collect())
}

/// Standard Gumbel number of a row; `libm`'s logarithm, because that of the system has other last bits elsewhere.
fn gumbel(seed: u64, row: usize) -> f64 {
    -libm::log(-libm::log(uniform(seed, row as u64)))
}

/// The middle of one of 2^52 equal parts of (0, 1): never 0 nor 1, and exact.
///
/// Entry number `row` of the `SplitMix64` sequence that starts at the mixed seed. Mixed, because the sequences of plain
/// seeds are one sequence at different places, and those of two seeds could overlap.
#[expect(clippy::cast_precision_loss, reason = "52 bits and a half fit into a float's 53")]
fn uniform(seed: u64, row: u64) -> f64 {
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
    let start = mix(seed.wrapping_add(STEP));
    let bits = mix(start.wrapping_add(row.wrapping_add(1).wrapping_mul(STEP)));
    ((bits >> 12) as f64 + 0.5) / (1u64 << 52) as f64
}

/// `SplitMix64`'s output function.
fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

fn kept(order: impl IntoIterator<Item = usize>, keep: Option<&[bool]>) -> impl Iterator<Item = usize> {
    order.into_iter().filter(move |&row| keep.is_none_or(|keep| keep[row]))
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
        assert_eq!(top_k([1, 2, 0], keep, 1).unwrap(), [2]);
        assert_eq!(top_k([1, 2, 0], keep, 9).unwrap(), [2, 0]);
        assert_eq!(threshold([1, 2, 0], keep, &[0.0, 1.0, 0.5], 0.5).unwrap(), [2]);
        assert_eq!(within([1, 2, 0], keep, &[1, 9, 1], 2).unwrap(), [2, 0]);
    }

    #[test]
    fn rows_that_are_drawn_fill_the_budget_whatever_else_is_there() {
        let costs = [3, 4, 5, 6, 7, 1000];
        let drawn = draw(&costs, None, 12, 5);
        assert!(!drawn.contains(&5) && drawn.iter().map(|&row| costs[row]).sum::<u64>() <= 12);
        // What was passed over did not fit in what was left at the end either.
        let left = 12 - drawn.iter().map(|&row| costs[row]).sum::<u64>();
        assert!((0..6).all(|row| drawn.contains(&row) || costs[row] > left));
        assert_eq!(draw(&costs, Some(&[true, false, true, true, true, true]), 5000, 5).len(), 5);
        // Each order of three rows comes up about as often as the others.
        let mut orders = HashMap::new();
        (0..6000).for_each(|seed| *orders.entry(draw(&[1; 3], None, 3, seed)).or_insert(0) += 1);
        assert!(orders.len() == 6 && orders.values().all(|&count| (850..1150).contains(&count)), "{orders:?}");
    }

    #[test]
    fn a_fraction_is_rounded_down_but_never_to_nothing() {
        assert_eq!(top_fraction([2, 0, 1], None, 0.7).unwrap(), [2, 0]);
        assert_eq!(top_fraction([2, 0, 1], None, 0.01).unwrap(), [2]);
        assert_eq!(top_fraction([2, 0, 1], None, 1.0).unwrap(), [2, 0, 1]);
        for fraction in [0.0, -0.1, 1.1, f64::NAN] {
            assert!(top_fraction([0], None, fraction).is_err());
        }
    }

    #[test]
    fn a_budget_is_cut_at_the_first_row_that_does_not_fit() {
        assert_eq!(within([0, 1, 2], None, &[4, 3, 1], 6).unwrap(), [0]);
        assert_eq!(within([0, 1, 2], None, &[4, 2, 1], 6).unwrap(), [0, 1]);
        assert_eq!(within([0, 1, 2], None, &[4, 2, 0], 6).unwrap(), [0, 1, 2]);
        assert_eq!(
            within([0], None, &[-1], 6).unwrap_err().to_string(),
            "source row 0: cost is -1; bytes and tokens cannot be negative"
        );
    }

    #[test]
    fn a_sample_is_drawn_by_seed_and_row_alone() {
        let scores = [0.3, 0.1, 0.2, 0.0, 0.25, 0.15];
        let order = order(&scores).unwrap();
        let draw = |keep: Option<&[bool]>, k, seed| sample(&scores, keep, k, 0.1, seed).unwrap();
        assert_eq!(draw(None, 9, 5), order);
        for seed in 0..50 {
            for k in 1..scores.len() {
                let (few, more) = (draw(None, k, seed), draw(None, k + 1, seed));
                assert!(few.iter().all(|row| more.contains(row)));
            }
            // Leaving out the first row drawn moves the others up and changes nothing else.
            let first = draw(None, 1, seed)[0];
            let keep: Vec<bool> = (0..scores.len()).map(|row| row != first).collect();
            let others: Vec<usize> = draw(None, 3, seed).into_iter().filter(|&row| row != first).collect();
            assert_eq!(draw(Some(&keep), 2, seed), others);
        }
    }

    #[test]
    fn the_numbers_of_a_sample_are_these_on_every_platform() {
        // SplitMix64 by its reference code: seed 0 gives e220a8397b1dcdaf first.
        assert_eq!(mix(0x9e37_79b9_7f4a_7c15), 0xe220_a839_7b1d_cdaf);
        assert_eq!(uniform(0, 0).to_bits(), 0x3fe4_e0db_a5e9_a32f);
        assert_eq!(gumbel(0, 0).to_bits(), 0x3feb_3ab6_afcf_9b8e);
        assert_eq!(gumbel(u64::MAX, 1_000_000).to_bits(), 0x3fd0_63c8_69e6_bdea);
    }

    #[test]
    fn a_temperature_near_0_chooses_the_best_even_where_quotients_overflow() {
        let scores = [1.0, 3.0, -1.0, 2.0];
        for temperature in [f64::MIN_POSITIVE, 1e-300, 1e-9] {
            assert_eq!(sample(&scores, None, 2, temperature, 7).unwrap(), [1, 3]);
        }
        for temperature in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(
                sample(&scores, None, 2, temperature, 7).unwrap_err().to_string(),
                format!("temperature must be a finite number above 0, got {temperature}")
            );
        }
    }

    #[test]
    fn every_group_gives_its_best_rows() {
        let keep = Some(&[true, true, false, true, true][..]);
        assert_eq!(per_group([4, 2, 0, 1, 3], None, &[7, 7, -1, -1, 7], 1).unwrap(), [4, 2]);
        assert_eq!(per_group([4, 2, 0, 1, 3], keep, &[7, 7, -1, -1, 7], 2).unwrap(), [4, 0, 3]);
        assert_eq!(per_group([0], None, &[0], 0).unwrap_err().to_string(), "k must be at least 1, got 0");
    }
}
