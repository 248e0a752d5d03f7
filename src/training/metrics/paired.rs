//! Whether one of two models of the same genes is better than chance would have it.

use super::{Interval, Statistic, percentile};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Genes up to which every exchange is counted: 65,536 of them.
const EXACT: usize = 16;

/// The outcome of [`compare`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairedTest {
    /// Statistic of the first model less that of the second, with the bounds that hold 95 % of its paired bootstrap.
    pub difference: Interval,
    /// Two-sided p that the losses of the two models differ in the mean, by [`permutation_test`].
    pub p: f64,
}

/// Compares two models on the same genes: `statistic` by the same resamplings of the genes for both, and their losses per gene (squared
/// errors, cross-entropies) by exchanging the two models of each gene.
pub fn compare(
    statistic: Statistic,
    (first, second): (&[f64], &[f64]),
    truth: &[f64],
    loss: fn(f64, f64) -> f64,
    n: usize,
    seed: u64,
) -> PairedTest {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let len = truth.len();
    let difference = |chosen: &[usize]| {
        let of = |x: &[f64]| chosen.iter().map(|i| x[*i]).collect::<Vec<_>>();
        let truth = of(truth);
        statistic(&of(first), &truth) - statistic(&of(second), &truth)
    };
    let resample = |random: &mut ChaCha8Rng| (0..len).map(|_| random.random_range(0..len)).collect::<Vec<_>>();
    let mut values: Vec<f64> = (0..if len == 0 { 0 } else { n }).map(|_| difference(&resample(&mut random))).collect();
    values.retain(|value| value.is_finite());
    values.sort_by(f64::total_cmp);
    let losses: Vec<f64> = (0..len).map(|i| loss(first[i], truth[i]) - loss(second[i], truth[i])).collect();
    let all: Vec<usize> = (0..len).collect();
    PairedTest {
        difference: Interval { value: difference(&all), low: percentile(&values, 0.025), high: percentile(&values, 0.975) },
        p: permutation_test(&losses, n, seed),
    }
}

/// Two-sided p that the mean of paired `differences` is 0 if the signs are arbitrary: every choice of signs up to 16 genes, else `n`
/// drawn ones, of which `(1 + those as large) / (1 + n)` are counted. NaN of no genes.
pub fn permutation_test(differences: &[f64], n: usize, seed: u64) -> f64 {
    if differences.is_empty() {
        return f64::NAN;
    }
    let observed = differences.iter().sum::<f64>().abs();
    // Sums in another order differ in the last digits; those count as equal.
    let least = observed - 1e-12 * differences.iter().map(|d| d.abs()).sum::<f64>();
    let sum = |mut is_flipped: Box<dyn FnMut(usize) -> bool + '_>| {
        differences.iter().enumerate().map(|(i, d)| if is_flipped(i) { -d } else { *d }).sum::<f64>().abs()
    };
    if differences.len() <= EXACT {
        let all = 1_u32 << differences.len();
        let as_large = (0..all).filter(|signs| sum(Box::new(move |i| signs >> i & 1 == 1)) >= least).count();
        return as_large as f64 / f64::from(all);
    }
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let as_large = (0..n).filter(|_| sum(Box::new(|_| random.random())) >= least).count();
    (1 + as_large) as f64 / (1 + n) as f64
}

#[cfg(test)]
mod tests {
    use super::super::{pearson, root_mean_square_error};
    use super::*;

    const FIRST: [f64; 10] = [0.1, 0.4, 0.35, 0.8, 0.4, 0.4, 0.9, -0.2, 1.5, 0.0];
    const SECOND: [f64; 10] = [0.3, 0.5, 1.0, 1.2, 0.2, 0.9, 1.4, 0.1, 2.0, 0.6];
    const TRUTH: [f64; 10] = [1.0, 0.5, 2.0, 3.0, 1.0, 2.5, 2.0, -1.0, 4.0, 0.5];

    fn squared(x: f64, y: f64) -> f64 {
        (x - y).powi(2)
    }

    #[test]
    fn every_exchange_is_counted_as_scipy_does() {
        // d = (first - truth)**2 - (second - truth)**2
        // scipy.stats.permutation_test((d,), np.mean, permutation_type="samples", n_resamples=np.inf).pvalue
        let d: Vec<f64> = (0..10).map(|i| squared(FIRST[i], TRUTH[i]) - squared(SECOND[i], TRUTH[i])).collect();
        assert!((d.iter().sum::<f64>() / 10.0 - 0.799_25).abs() < 1e-14);
        assert_eq!(permutation_test(&d, 0, 1), 0.042_968_75);
        let test = compare(root_mean_square_error, (&FIRST, &SECOND), &TRUTH, squared, 500, 1);
        assert_eq!(test.p, 0.042_968_75);
        assert!(test.difference.low > 0.0 && test.difference.low < test.difference.value, "{test:?}");
    }

    #[test]
    fn drawn_exchanges_agree_with_all_of_them() {
        // Ten more genes of difference 0 change no p but make 2^20 exchanges.
        let mut d: Vec<f64> = (0..10).map(|i| squared(FIRST[i], TRUTH[i]) - squared(SECOND[i], TRUTH[i])).collect();
        d.resize(20, 0.0);
        // 20,000 draws of p = 0.043 have a standard error of 0.0014.
        assert!((permutation_test(&d, 20_000, 1) - 0.042_968_75).abs() < 0.006);
    }

    #[test]
    fn a_model_does_not_differ_from_itself() {
        let test = compare(pearson, (&FIRST, &FIRST), &TRUTH, squared, 100, 1);
        assert_eq!((test.difference.value, test.difference.low, test.difference.high, test.p), (0.0, 0.0, 0.0, 1.0));
        let none = compare(pearson, (&[], &[]), &[], squared, 100, 1);
        assert!(none.p.is_nan() && none.difference.value.is_nan());
    }
}
