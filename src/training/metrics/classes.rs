//! Statistics of classes: scores against truths that are 1 (high) or 0. A gene is called high where its logit is above 0.

use super::ranks;

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

/// Of the two classes, high first: true positives, false positives, false negatives.
fn confusion(score: &[f64], truth: &[f64]) -> [[f64; 3]; 2] {
    let mut counts = [[0.0; 3]; 2];
    for (score, truth) in score.iter().zip(truth) {
        let (called, is) = (usize::from(*score <= 0.0), usize::from(*truth <= 0.5));
        if called == is {
            counts[is][0] += 1.0;
        } else {
            counts[called][1] += 1.0;
            counts[is][2] += 1.0;
        }
    }
    counts
}

/// `2 tp / (2 tp + fp + fn)`, 0 where the class neither is nor is called, as scikit-learn has it.
fn f1([hit, wrong, missed]: [f64; 3]) -> f64 {
    let all = 2.0 * hit + wrong + missed;
    if all > 0.0 { 2.0 * hit / all } else { 0.0 }
}

/// Mean F1 of the two classes.
pub fn f1_macro(score: &[f64], truth: &[f64]) -> f64 {
    let [high, low] = confusion(score, truth);
    if truth.is_empty() { f64::NAN } else { f64::midpoint(f1(high), f1(low)) }
}

/// F1 of both classes' counts together, as DeepCORE was published with: always the accuracy.
pub fn f1_micro(score: &[f64], truth: &[f64]) -> f64 {
    let [high, low] = confusion(score, truth);
    if truth.is_empty() { f64::NAN } else { f1([0, 1, 2].map(|i| high[i] + low[i])) }
}

/// Share of genes called right.
pub fn accuracy(score: &[f64], truth: &[f64]) -> f64 {
    let [high, low] = confusion(score, truth);
    (high[0] + low[0]) / truth.len() as f64
}

/// Corners of the receiver operating characteristic, `(false, true)` positive rates from (0, 0) to (1, 1); equal scores make one step.
pub fn receiver_operating_points(score: &[f64], truth: &[f64]) -> Vec<(f64, f64)> {
    let steps = steps(score, truth);
    let (high, low) = steps.last().copied().unwrap_or_default();
    std::iter::once((0.0, 0.0)).chain(steps.into_iter().map(|(hit, wrong)| (wrong / low, hit / high))).collect()
}

/// Corners of the precision-recall curve, `(recall, precision)` by falling score.
pub fn precision_recall_points(score: &[f64], truth: &[f64]) -> Vec<(f64, f64)> {
    let steps = steps(score, truth);
    let high = steps.last().map_or(0.0, |last| last.0);
    steps.into_iter().map(|(hit, wrong)| (hit / high, hit / (hit + wrong))).collect()
}

/// High and low genes at or above each score, by falling score.
fn steps(score: &[f64], truth: &[f64]) -> Vec<(f64, f64)> {
    let mut order: Vec<usize> = (0..score.len()).collect();
    order.sort_by(|a, b| score[*b].total_cmp(&score[*a]));
    let (mut hit, mut wrong) = (0.0, 0.0);
    let mut steps = Vec::new();
    for (i, gene) in order.iter().enumerate() {
        if truth[*gene] > 0.5 {
            hit += 1.0
        } else {
            wrong += 1.0
        }
        if order.get(i + 1).is_none_or(|next| score[*next] != score[*gene]) {
            steps.push((hit, wrong));
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_are_those_of_scikit_learn() {
        let score = [0.1, 0.4, 0.35, 0.8, 0.4, 0.4, 0.9, -0.2, 1.5, 0.0];
        let truth = [0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0];
        // roc_curve(truth, score, drop_intermediate=False)
        let expected =
            [0.0, 0.0, 0.0, 0.0, 0.4, 0.4, 0.6, 0.8, 1.0].into_iter().zip([0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.0, 1.0, 1.0]);
        assert_eq!(receiver_operating_points(&score, &truth), expected.collect::<Vec<_>>());
        // precision_recall_curve(truth, score), read backwards without its last point, which no score gives.
        let precision = [1.0, 1.0, 1.0, 4.0 / 6.0, 5.0 / 7.0, 0.625, 5.0 / 9.0, 0.5];
        let expected = [0.2, 0.4, 0.6, 0.8, 1.0, 1.0, 1.0, 1.0].into_iter().zip(precision);
        assert_eq!(precision_recall_points(&score, &truth), expected.collect::<Vec<_>>());
    }

    #[test]
    fn a_class_that_is_neither_there_nor_called_counts_nothing() {
        assert_eq!(f1_macro(&[1.0, 2.0], &[1.0, 1.0]), 0.5);
        assert_eq!((f1_micro(&[1.0, -2.0], &[1.0, 1.0]), accuracy(&[1.0, -2.0], &[1.0, 1.0])), (0.5, 0.5));
        assert!(f1_macro(&[], &[]).is_nan() && f1_micro(&[], &[]).is_nan() && accuracy(&[], &[]).is_nan());
        // A logit of 0 is called low, as a tie with the threshold is low.
        assert_eq!(accuracy(&[0.0], &[0.0]), 1.0);
    }
}
