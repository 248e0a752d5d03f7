//! A model judged on genes: its statistics with intervals, beside those of a baseline and of other models.

use super::metrics::{Interval, PairedTest, Statistic, bootstrap_interval, compare, measures};
use super::{Baseline, Dataset, TrainingError, loss_of};
use crate::models::OutputKind;

/// Scores of one model, or another predictor, for the genes judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    /// What the tables call it.
    pub name: String,
    /// Regression values or logits, one a gene.
    pub values: Vec<f64>,
}

/// Predictors judged on the same genes of one sample.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// Number or class.
    pub kind: OutputKind,
    /// The sample.
    pub sample: String,
    /// Ids of the genes.
    pub genes: Vec<String>,
    /// What is to be predicted.
    pub truth: Vec<f64>,
    /// The model judged comes first.
    pub predictors: Vec<Scores>,
    /// Resamplings for intervals, exchanges for tests.
    pub resamplings: usize,
    /// Of both.
    pub seed: u64,
}

/// A line of the table: a statistic of a predictor, or of the difference of two.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// The predictor, or `first - second`.
    pub predictor: String,
    /// The statistic.
    pub statistic: &'static str,
    /// Its value.
    pub interval: Interval,
    /// Of a difference, the two-sided p of the exchange test on the losses.
    pub p: Option<f64>,
}

impl Evaluation {
    /// Every statistic of every predictor, then the differences of the first from each other one.
    pub fn judge(&self) -> Vec<Judged> {
        let mut lines = Vec::new();
        for predictor in &self.predictors {
            for (name, statistic) in measures(self.kind) {
                if self.is_comparable(predictor, name) {
                    let interval = bootstrap_interval(*statistic, &predictor.values, &self.truth, self.resamplings, self.seed);
                    lines.push(Judged { predictor: predictor.name.clone(), statistic: name, interval, p: None });
                }
            }
        }
        let Some((first, others)) = self.predictors.split_first() else { return lines };
        for other in others {
            let (name, statistic) = measures(self.kind)[0];
            let PairedTest { difference, p } = self.compare(statistic, first, other);
            let predictor = format!("{} - {}", first.name, other.name);
            lines.push(Judged { predictor, statistic: name, interval: difference, p: Some(p) });
        }
        lines
    }

    /// A statistic of the class that a logit calls means nothing of scores that are no logits.
    fn is_comparable(&self, predictor: &Scores, statistic: &str) -> bool {
        self.kind == OutputKind::Regression || Baseline::named(&predictor.name).is_none() || !CALLS.contains(&statistic)
    }

    fn compare(&self, statistic: Statistic, first: &Scores, other: &Scores) -> PairedTest {
        let is_logit = |s: &Scores| Baseline::named(&s.name).is_none();
        let (a, b): (Vec<f64>, Vec<f64>);
        // Scores that are no logits have no cross-entropy: both sides then count by how a gene's rank misses its class.
        let (values, loss): ((&[f64], &[f64]), Loss) = match self.kind {
            OutputKind::Binary if !(is_logit(first) && is_logit(other)) => {
                (a, b) = (ranked(&first.values), ranked(&other.values));
                ((&a, &b), |rank, truth| (rank - truth).abs())
            }
            kind => ((&first.values, &other.values), loss_of(kind)),
        };
        compare(statistic, values, &self.truth, loss, self.resamplings, self.seed)
    }
}

/// What a score loses against the truth.
type Loss = fn(f64, f64) -> f64;

/// Statistics of classes that depend on where a score is cut.
const CALLS: [&str; 3] = ["f1_macro", "f1_micro", "accuracy"];

/// Each value's rank as a share of the genes.
fn ranked(values: &[f64]) -> Vec<f64> {
    let n = values.len().max(1) as f64;
    super::metrics::ranks(values).iter().map(|rank| (rank - 0.5) / n).collect()
}

/// A baseline's scores for `genes`: learnt from `train`, or where that is empty from other folds of the genes themselves.
///
/// # Errors
/// Where no mark is read, or the inputs cannot be read back.
pub fn baseline_scores(
    baseline: &Baseline,
    data: &Dataset,
    train: &[usize],
    genes: &[usize],
    targets: &[f64],
    seed: u64,
) -> Result<Scores, TrainingError> {
    let values = match train.is_empty() {
        true => baseline.cross_validate(data, genes, targets, seed)?,
        false => baseline.predict(data, train, targets, genes)?,
    };
    Ok(Scores { name: baseline.name.to_owned(), values })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evaluation(kind: OutputKind, predictors: Vec<Scores>) -> Evaluation {
        let truth = vec![0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0];
        let genes = (0..8).map(|i| format!("g{i}")).collect();
        Evaluation { kind, sample: "s".to_owned(), genes, truth, predictors, resamplings: 200, seed: 1 }
    }

    #[test]
    fn the_first_is_compared_with_each_other() {
        let scores = |name: &str, values: [f64; 8]| Scores { name: name.to_owned(), values: values.to_vec() };
        let good = scores("model", [-1.0, 1.0, -2.0, 2.0, 1.5, -1.5, 0.5, -0.5]);
        let bad = scores("least-squares", [0.9, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]);
        let lines = evaluation(OutputKind::Binary, vec![good.clone(), bad]).judge();
        let find = |predictor: &str, statistic: &str| lines.iter().find(|l| l.predictor == predictor && l.statistic == statistic);
        assert_eq!(find("model", "auroc").unwrap().interval.value, 1.0);
        assert_eq!(find("model", "accuracy").unwrap().interval.value, 1.0);
        assert!(find("least-squares", "accuracy").is_none(), "its scores are no logits");
        let difference = find("model - least-squares", "auroc").unwrap();
        // Of the 16 pairs of a high and a low gene the baseline has 4 right.
        assert_eq!(difference.interval.value, 0.75);
        assert!(difference.p.unwrap() < 0.05, "{difference:?}");
        let itself = evaluation(OutputKind::Binary, vec![good.clone(), Scores { name: "again".to_owned(), ..good }]).judge();
        let same = itself.iter().find(|l| l.predictor == "model - again").unwrap();
        assert_eq!((same.interval.value, same.p), (0.0, Some(1.0)));
    }
}
