//! Intervals of statistics by resampling genes.

use super::Statistic;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A value with the bounds that hold 95 % of its bootstrap.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// On all genes.
    pub value: f64,
    /// 2.5th percentile.
    pub low: f64,
    /// 97.5th percentile.
    pub high: f64,
}

/// `statistic` with its percentile interval over `n` resamplings of the genes with replacement; a resampling on which it is undefined
/// is left out.
pub fn bootstrap_interval(statistic: Statistic, predicted: &[f64], truth: &[f64], n: usize, seed: u64) -> Interval {
    let values = bootstrap_values(statistic, predicted, truth, n, seed);
    Interval { value: statistic(predicted, truth), low: percentile(&values, 0.025), high: percentile(&values, 0.975) }
}

/// The values of those resamplings, ascending.
pub fn bootstrap_values(statistic: Statistic, predicted: &[f64], truth: &[f64], n: usize, seed: u64) -> Vec<f64> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let len = predicted.len().min(truth.len());
    let mut values = Vec::with_capacity(n);
    for _ in 0..if len == 0 { 0 } else { n } {
        let chosen: Vec<usize> = (0..len).map(|_| random.random_range(0..len)).collect();
        let of = |x: &[f64]| chosen.iter().map(|i| x[*i]).collect::<Vec<_>>();
        let value = statistic(&of(predicted), &of(truth));
        if value.is_finite() {
            values.push(value);
        }
    }
    values.sort_by(f64::total_cmp);
    values
}

/// Of sorted values, linearly between neighbours.
pub fn percentile(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let at = share * last as f64;
    let (below, above) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    below + (above - below) * at.fract()
}
