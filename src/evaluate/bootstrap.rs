//! How far a difference in bits per byte may be chance: a bootstrap over held-out rows and over random draws.

use crate::error::Result;
use crate::parallel::{Control, fill_rows};

/// Times that everything is drawn again. The ends of the interval then jitter by a tenth of its length at most;
/// more would take longer for nothing.
const REPEATS: usize = 2000;

/// The part of the differences that is beyond each end: one in 40, so that 95% are between.
const TAIL: usize = 40;

const REPEATS_PER_CHUNK: usize = 16;

/// 95% interval of the difference in bits per byte between some rows and *one* set of rows drawn at random.
///
/// `judged` has the bits of each held-out row by the rows in question, `random` those by each of several draws, at least
/// two, and `sizes` the bytes; rows without a byte count for nothing. Each repeat draws held-out rows with replacement,
/// as many as there are, and takes what one more draw of random rows would give by it: the mean over the draws plus
/// their standard deviation times `sqrt(1 + 1/draws)` times a number of Student's t distribution with draws - 1 degrees
/// of freedom, since a few draws tell little of their spread. So rows that are drawn at random themselves are within it
/// 95 times of 100; against the mean of the draws alone they would seldom be.
///
/// # Errors
/// [`Cause::Interrupted`](crate::error::Cause::Interrupted).
#[expect(clippy::cast_precision_loss, reason = "counts below 2^53")]
pub fn interval(
    judged: &[f64],
    random: &[Vec<f64>],
    sizes: &[u64],
    seed: u64,
    threads: usize,
    control: &Control,
) -> Result<(f64, f64)> {
    let rows: Vec<usize> = (0..sizes.len()).filter(|&row| sizes[row] > 0).collect();
    let draws = random.len() as f64;
    let mut differences = vec![0.0; if rows.is_empty() { 1 } else { REPEATS }];
    let repeat = |sums: &mut Vec<f64>, first: usize, differences: &mut [f64]| {
        for (number, difference) in (first..).zip(differences) {
            control.check()?;
            let mut chance = Chance::new(seed, number as u64);
            let (mut bytes, mut bits) = (0, 0.0);
            sums.fill(0.0);
            for _ in &rows {
                let row = rows[chance.below(rows.len())];
                bytes += sizes[row];
                bits += judged[row];
                for (sum, draw) in sums.iter_mut().zip(random) {
                    *sum += draw[row];
                }
            }
            let bytes = bytes.max(1) as f64;
            let mean = sums.iter().fold(0.0, |total, sum| total + sum / bytes) / draws;
            let squares = sums.iter().fold(0.0, |total, sum| total + (sum / bytes - mean).powi(2));
            let deviation = (squares / (draws - 1.0)).sqrt();
            let one = mean + deviation * (1.0 + 1.0 / draws).sqrt() * chance.student(random.len() - 1);
            *difference = bits / bytes - one;
        }
        Ok(())
    };
    let sums = || Ok(vec![0.0; random.len()]);
    fill_rows(&mut differences, 1, REPEATS_PER_CHUNK, threads, &control.without_progress(), sums, repeat)?;
    differences.sort_unstable_by(f64::total_cmp);
    let beyond = differences.len() / TAIL;
    Ok((differences[beyond], differences[differences.len() - 1 - beyond]))
}

/// Numbers by chance that are the same everywhere: `SplitMix64` (Steele et al. 2014).
struct Chance(u64);

impl Chance {
    /// The sequence of one repeat.
    fn new(seed: u64, repeat: u64) -> Chance {
        let mut start = Chance(seed);
        let seed = start.next();
        let mut start = Chance(seed ^ repeat.wrapping_mul(0xd6e8_feb8_6659_fd93));
        Chance(start.next())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A whole number below `end`; that some are more likely by 2^-64 of `end` is of no account.
    fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.next()) * end as u128) >> 64) as usize
    }

    /// In (0, 1), never an end.
    #[expect(clippy::cast_precision_loss, reason = "52 bits and a half fit into a float's 53")]
    fn uniform(&mut self) -> f64 {
        ((self.next() >> 12) as f64 + 0.5) / (1u64 << 52) as f64
    }

    /// Standard normal (Box and Muller 1958).
    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * libm::log(self.uniform())).sqrt();
        radius * libm::cos(std::f64::consts::TAU * self.uniform())
    }

    /// Student's t.
    #[expect(clippy::cast_precision_loss, reason = "a number of draws")]
    fn student(&mut self, freedom: usize) -> f64 {
        let normal = self.normal();
        let squares = (0..freedom).fold(0.0, |sum, _| sum + self.normal().powi(2));
        normal / (squares / freedom as f64).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(judged: &[f64], random: &[Vec<f64>], threads: usize) -> (f64, f64) {
        let sizes = vec![10; judged.len()];
        interval(judged, random, &sizes, 0, threads, &Control::default()).unwrap()
    }

    #[test]
    fn without_any_spread_the_interval_is_the_difference() {
        let (low, high) = of(&[20.0; 5], &vec![vec![30.0; 5]; 3], 1);
        assert!((low + 1.0).abs() < 1e-12 && (high + 1.0).abs() < 1e-12);
    }

    #[test]
    fn it_is_the_same_on_any_number_of_threads() {
        let judged: Vec<f64> = (0..50).map(|row| f64::from(row % 7)).collect();
        let random: Vec<Vec<f64>> =
            (0..4).map(|draw| judged.iter().map(|bits| bits + f64::from(draw)).collect()).collect();
        assert_eq!(of(&judged, &random, 1), of(&judged, &random, 3));
    }

    #[test]
    fn few_draws_make_it_wide_as_students_distribution_does() {
        // Draws with means 9, 10 and 11 bits of 10 bytes: deviation 0.1, t of 2 degrees 4.303, sqrt(1 + 1/3) 1.155.
        let random: Vec<Vec<f64>> = [9.0, 10.0, 11.0].iter().map(|&bits| vec![bits; 8]).collect();
        let (low, high) = of(&[10.0; 8], &random, 1);
        assert!((low + 0.497).abs() < 0.08 && (high - 0.497).abs() < 0.08, "{low} {high}");
    }

    #[test]
    fn one_of_many_random_draws_is_seldom_outside() {
        let mut chance = Chance::new(1, 1);
        let mut outside = 0;
        for _ in 0..200 {
            let mut draw = || {
                let shift = chance.normal();
                (0..20).map(|_| 30.0 + shift + 0.1 * chance.normal()).collect::<Vec<f64>>()
            };
            let (judged, random) = (draw(), (0..5).map(|_| draw()).collect::<Vec<_>>());
            let (low, high) = of(&judged, &random, 1);
            outside += usize::from(low > 0.0 || high < 0.0);
        }
        assert!(outside <= 20, "{outside} of 200; 10 are expected");
    }

    #[test]
    fn rows_without_a_byte_count_for_nothing() {
        let control = Control::default();
        let random = vec![vec![30.0, 0.0], vec![30.0, 0.0]];
        let (low, high) = interval(&[20.0, 0.0], &random, &[10, 0], 0, 1, &control).unwrap();
        assert_eq!((low, high), (-1.0, -1.0));
    }
}
