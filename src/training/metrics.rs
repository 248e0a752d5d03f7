//! How predictions agree with measurements. All in f64; NaN where a statistic is undefined.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A statistic of paired predictions and truths; for classes the truth is 1 or 0.
pub type Statistic = fn(&[f64], &[f64]) -> f64;

fn mean(x: &[f64]) -> f64 {
    x.iter().sum::<f64>() / x.len() as f64
}

/// Pearson's correlation; NaN where either side is constant.
pub fn pearson(predicted: &[f64], truth: &[f64]) -> f64 {
    let (a, b) = (mean(predicted), mean(truth));
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (x, y) in predicted.iter().zip(truth) {
        let (x, y) = (x - a, y - b);
        ab += x * y;
        aa += x * x;
        bb += y * y;
    }
    match aa > 0.0 && bb > 0.0 {
        true => (ab / (aa.sqrt() * bb.sqrt())).clamp(-1.0, 1.0),
        false => f64::NAN,
    }
}

/// Spearman's correlation; equal values share the mean of their ranks.
pub fn spearman(predicted: &[f64], truth: &[f64]) -> f64 {
    pearson(&ranks(predicted), &ranks(truth))
}

/// Ranks from 1; equal values share the mean of theirs.
fn ranks(x: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..x.len()).collect();
    order.sort_by(|a, b| x[*a].total_cmp(&x[*b]));
    let mut ranks = vec![0.0; x.len()];
    let mut from = 0;
    while from < order.len() {
        let to = from + order[from..].iter().take_while(|i| x[**i] == x[order[from]]).count().max(1);
        for i in &order[from..to] {
            ranks[*i] = (from + 1 + to) as f64 / 2.0;
        }
        from = to;
    }
    ranks
}

/// Root of the mean squared difference.
pub fn root_mean_square_error(predicted: &[f64], truth: &[f64]) -> f64 {
    (predicted.iter().zip(truth).map(|(x, y)| (x - y).powi(2)).sum::<f64>() / truth.len() as f64).sqrt()
}

/// Coefficient of determination: 1 - residual over total sum of squares; negative where the mean predicts better.
pub fn r_squared(predicted: &[f64], truth: &[f64]) -> f64 {
    let mean = mean(truth);
    let total: f64 = truth.iter().map(|y| (y - mean).powi(2)).sum();
    let residual: f64 = predicted.iter().zip(truth).map(|(x, y)| (x - y).powi(2)).sum();
    if total > 0.0 { 1.0 - residual / total } else { f64::NAN }
}

/// Area under the receiver operating characteristic: the chance that a high gene is scored above a low one, ties counting half.
pub fn auroc(score: &[f64], truth: &[f64]) -> f64 {
    let ranks = ranks(score);
    let high = truth.iter().filter(|y| **y > 0.5).count() as f64;
    let low = truth.len() as f64 - high;
    let sum: f64 = ranks.iter().zip(truth).filter(|(_, y)| **y > 0.5).map(|(rank, _)| rank).sum();
    if high > 0.0 && low > 0.0 { (sum - high * (high + 1.0) / 2.0) / (high * low) } else { f64::NAN }
}

/// Area under the precision-recall curve as a sum of steps (not interpolated): mean precision over the high genes, equal scores
/// taken together.
pub fn average_precision(score: &[f64], truth: &[f64]) -> f64 {
    let mut order: Vec<usize> = (0..score.len()).collect();
    order.sort_by(|a, b| score[*b].total_cmp(&score[*a]));
    let (mut found, mut seen, mut sum) = (0.0, 0.0, 0.0);
    let mut rest = &order[..];
    while let Some(first) = rest.first() {
        let n = rest.iter().take_while(|i| score[**i] == score[*first]).count().max(1);
        let high = rest[..n].iter().filter(|i| truth[**i] > 0.5).count() as f64;
        (found, seen) = (found + high, seen + n as f64);
        sum += high * found / seen;
        rest = &rest[n..];
    }
    if found > 0.0 { sum / found } else { f64::NAN }
}

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
    Interval { value: statistic(predicted, truth), low: percentile(&values, 0.025), high: percentile(&values, 0.975) }
}

/// Of sorted values, linearly between neighbours.
fn percentile(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let at = share * last as f64;
    let (below, above) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    below + (above - below) * at.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PREDICTED: [f64; 10] = [0.1, 0.4, 0.35, 0.8, 0.4, 0.4, 0.9, -0.2, 1.5, 0.0];
    const MEASURED: [f64; 10] = [1.0, 0.5, 2.0, 3.0, 1.0, 2.5, 2.0, -1.0, 4.0, 0.5];
    const HIGH: [f64; 10] = [0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0];

    #[test]
    fn statistics_are_those_of_scipy_and_scikit_learn() {
        for (found, expected) in [
            (pearson(&PREDICTED, &MEASURED), 0.873_269_385_224_290_8),
            (spearman(&PREDICTED, &MEASURED), 0.786_381_477_745_22),
            (root_mean_square_error(&PREDICTED, &MEASURED), 1.466_373_076_675_918_9),
            (r_squared(&PREDICTED, &MEASURED), -0.148_331_108_144_192_26),
            (auroc(&PREDICTED, &HIGH), 0.88),
            (average_precision(&PREDICTED, &HIGH), 0.876_190_476_190_476_2),
        ] {
            assert!((found - expected).abs() < 1e-14, "{found} {expected}");
        }
    }

    #[test]
    fn what_is_undefined_is_not_a_number() {
        assert!(pearson(&[1.0, 1.0], &[1.0, 2.0]).is_nan());
        assert!(auroc(&[1.0, 2.0], &[1.0, 1.0]).is_nan());
        assert!(average_precision(&[1.0], &[0.0]).is_nan());
        assert!(r_squared(&[1.0, 2.0], &[3.0, 3.0]).is_nan());
        assert!(pearson(&[], &[]).is_nan() && spearman(&[], &[]).is_nan());
        let interval = bootstrap_interval(pearson, &[], &[], 10, 1);
        assert!(interval.value.is_nan() && interval.low.is_nan());
        // A NaN among scores ends, and shows.
        assert!(pearson(&[f64::NAN, 1.0], &[1.0, 2.0]).is_nan());
        assert!(!average_precision(&[f64::NAN, 1.0, f64::NAN], &[1.0, 0.0, 1.0]).is_infinite());
    }

    #[test]
    fn perfect_reversed_and_tied_scores() {
        assert_eq!(auroc(&MEASURED, &HIGH), 1.0);
        assert_eq!(auroc(&MEASURED.map(|y| -y), &HIGH), 0.0);
        assert_eq!(auroc(&[3.0; 10], &HIGH), 0.5);
        assert_eq!(average_precision(&[3.0; 10], &HIGH), 0.5);
        assert_eq!(spearman(&MEASURED.map(f64::exp), &MEASURED), 1.0);
    }

    #[test]
    fn the_interval_holds_the_value_and_narrows_with_more_genes() {
        let many = |x: [f64; 10]| x.repeat(40);
        let few = bootstrap_interval(pearson, &PREDICTED, &MEASURED, 500, 1);
        let more = bootstrap_interval(pearson, &many(PREDICTED), &many(MEASURED), 500, 1);
        assert!(few.low < few.value && few.value < few.high);
        assert!(more.high - more.low < (few.high - few.low) / 3.0);
        assert_eq!(few, bootstrap_interval(pearson, &PREDICTED, &MEASURED, 500, 1));
        assert_eq!(percentile(&[1.0, 2.0, 4.0], 0.75), 3.0);
    }
}
