//! How predictions agree with measurements. All in f64; NaN where a statistic is undefined.

mod bootstrap;
mod classes;
mod paired;
mod panel;

pub use bootstrap::{Interval, bootstrap_interval, bootstrap_values, percentile};
pub use classes::{accuracy, auroc, average_precision, f1_macro, f1_micro, precision_recall_points, receiver_operating_points};
pub use paired::{PairedTest, compare, permutation_test};
pub use panel::{Panel, PanelStatistics};

use crate::models::OutputKind;

/// A statistic of paired predictions and truths; for classes the truth is 1 or 0.
pub type Statistic = fn(&[f64], &[f64]) -> f64;

/// Every statistic `cislens evaluate` prints of an output, by name, the one that is watched first. A regression is also judged as
/// DeepCORE's authors do, with truth and prediction cut into high and low at the median of the truth.
pub fn measures(kind: OutputKind) -> &'static [(&'static str, Statistic)] {
    match kind {
        OutputKind::Regression => &[
            ("r", pearson),
            ("spearman", spearman),
            ("r2", r_squared),
            ("rmse", root_mean_square_error),
            ("mse", mean_square_error),
            ("f1_macro_at_median", |p, t| at_median(f1_macro, p, t)),
            ("f1_micro_at_median", |p, t| at_median(f1_micro, p, t)),
            ("accuracy_at_median", |p, t| at_median(accuracy, p, t)),
        ],
        OutputKind::Binary => &[
            ("auroc", auroc),
            ("average_precision", average_precision),
            ("f1_macro", f1_macro),
            ("f1_micro", f1_micro),
            ("accuracy", accuracy),
        ],
    }
}

/// A statistic of classes where both sides are numbers: high is above the median of the truth.
fn at_median(statistic: Statistic, predicted: &[f64], truth: &[f64]) -> f64 {
    let cut = median(truth);
    let above = |x: &f64| x - cut;
    let high: Vec<f64> = truth.iter().map(|y| f64::from(u8::from(*y > cut))).collect();
    statistic(&predicted.iter().map(above).collect::<Vec<_>>(), &high)
}

/// The middle value, or the mean of the middle two; NaN of none.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

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
pub(super) fn ranks(x: &[f64]) -> Vec<f64> {
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

/// Mean squared difference.
pub fn mean_square_error(predicted: &[f64], truth: &[f64]) -> f64 {
    predicted.iter().zip(truth).map(|(x, y)| (x - y).powi(2)).sum::<f64>() / truth.len() as f64
}

/// Its root.
pub fn root_mean_square_error(predicted: &[f64], truth: &[f64]) -> f64 {
    mean_square_error(predicted, truth).sqrt()
}

/// Coefficient of determination: 1 - residual over total sum of squares; negative where the mean predicts better.
pub fn r_squared(predicted: &[f64], truth: &[f64]) -> f64 {
    let mean = mean(truth);
    let total: f64 = truth.iter().map(|y| (y - mean).powi(2)).sum();
    let residual: f64 = predicted.iter().zip(truth).map(|(x, y)| (x - y).powi(2)).sum();
    if total > 0.0 { 1.0 - residual / total } else { f64::NAN }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PREDICTED: [f64; 10] = [0.1, 0.4, 0.35, 0.8, 0.4, 0.4, 0.9, -0.2, 1.5, 0.0];
    const MEASURED: [f64; 10] = [1.0, 0.5, 2.0, 3.0, 1.0, 2.5, 2.0, -1.0, 4.0, 0.5];
    const HIGH: [f64; 10] = [0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0];

    /// Logits of a gene called high above 0.39.
    const CALLED: [f64; 10] = [-0.29, 0.01, -0.04, 0.41, 0.01, 0.01, 0.51, -0.59, 1.11, -0.39];

    #[test]
    fn statistics_are_those_of_scipy_and_scikit_learn() {
        for (found, expected) in [
            (pearson(&PREDICTED, &MEASURED), 0.873_269_385_224_290_8),
            (spearman(&PREDICTED, &MEASURED), 0.786_381_477_745_22),
            (root_mean_square_error(&PREDICTED, &MEASURED), 1.466_373_076_675_918_9),
            (r_squared(&PREDICTED, &MEASURED), -0.148_331_108_144_192_26),
            (auroc(&PREDICTED, &HIGH), 0.88),
            (average_precision(&PREDICTED, &HIGH), 0.876_190_476_190_476_2),
            (mean_square_error(&PREDICTED, &MEASURED), 2.150_25),
            (f1_macro(&CALLED, &HIGH), 0.696_969_696_969_697),
            (f1_micro(&CALLED, &HIGH), 0.7),
            (accuracy(&CALLED, &HIGH), 0.7),
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
