//! What a network has to beat: least squares on each mark's mean log signal, and iSEGnet's comparators, a random forest and support
//! vector regression on mean log signals along the window.

use super::{Dataset, Split, SplitPlan, TrainingError, linear_svr};
use crate::tracks::contain_panic;
use smartcore::ensemble::random_forest_regressor::{RandomForestRegressor, RandomForestRegressorParameters};
use smartcore::linalg::basic::matrix::DenseMatrix;
use smartcore::svm::Kernels;
use smartcore::svm::svr::{SVR, SVRParameters};

/// A predictor without a network.
pub struct Baseline {
    /// On the command line.
    pub name: &'static str,
    /// One line of what it is.
    pub about: &'static str,
    /// Equal stretches of the window over which each mark is averaged.
    parts: usize,
    fit: Fit,
}

/// Fits rows of features to targets and predicts other rows.
type Fit = fn(&[Vec<f64>], &[f64], &[Vec<f64>]) -> Result<Vec<f64>, String>;

/// Every baseline; the first stands beside every accuracy.
pub const BASELINES: &[Baseline] = &[
    Baseline {
        name: "least-squares",
        about: "least squares on each mark's mean log signal in the window",
        parts: 1,
        fit: least_squares,
    },
    Baseline {
        name: "random-forest",
        about: "100 trees on mean log signals in 20 parts of the window",
        parts: 20,
        fit: random_forest,
    },
    Baseline {
        name: "svr-rbf",
        about: "support vector regression, radial kernel, on the same",
        parts: 20,
        fit: |x, y, other| support_vectors(x, y, other, Kernels::rbf().with_gamma(1.0 / x[0].len() as f64)),
    },
    Baseline {
        name: "svr-linear",
        about: "support vector regression, linear kernel, on the same",
        parts: 20,
        fit: linear_support_vectors,
    },
];

/// Folds of [`Baseline::cross_validate`].
const FOLDS: usize = 5;

impl Baseline {
    /// The baseline of that name.
    pub fn named(name: &str) -> Option<&'static Self> {
        BASELINES.iter().find(|b| b.name == name)
    }

    /// Learns `targets` (of every example) from `train` and predicts `test`.
    ///
    /// # Errors
    /// Where no mark is read, there is too little to learn from, or the inputs cannot be read back.
    pub fn predict(&self, data: &Dataset, train: &[usize], targets: &[f64], test: &[usize]) -> Result<Vec<f64>, TrainingError> {
        let marks = data.mean_log_signal(&train[..train.len().min(1)], 1)?.first().map_or(0, Vec::len);
        // No more features than genes: smartcore 0.7 cuts a row of features to the number of rows.
        let parts = self.parts.min(train.len() / marks.max(1)).max(1);
        let (x, other) = (data.mean_log_signal(train, parts)?, data.mean_log_signal(test, parts)?);
        let y: Vec<f64> = train.iter().map(|i| targets[*i]).collect();
        if x.first().is_none_or(Vec::is_empty) {
            return Err(TrainingError::Data(format!("{} reads marks; there are none, or no gene to learn from", self.name)));
        }
        let (x, other) = standardised(x, other);
        let fitted = contain_panic(|| (self.fit)(&x, &y, &other)).unwrap_or_else(Err);
        fitted.map_err(|e| TrainingError::Data(format!("{}: {e}", self.name)))
    }

    /// Predicts each of `genes` from four fifths of the others, parted so that no two folds share a base.
    ///
    /// # Errors
    /// As [`Baseline::predict`].
    pub fn cross_validate(&self, data: &Dataset, genes: &[usize], targets: &[f64], seed: u64) -> Result<Vec<f64>, TrainingError> {
        let examples: Vec<_> = genes.iter().map(|i| data.examples[*i].clone()).collect();
        let mut folds: Vec<Vec<usize>> = Vec::new();
        let mut rest: Vec<usize> = (0..examples.len()).collect();
        for left in (2..=FOLDS).rev() {
            let here: Vec<_> = rest.iter().map(|i| examples[*i].clone()).collect();
            // The part to judge on is one of the folds that are left; the other two parts stay together.
            let shares = super::Shares { train: (left - 1) as f64 / 2.0, valid: (left - 1) as f64 / 2.0, test: 1.0 };
            let split = Split::plan(&here, &SplitPlan::Components(shares), seed)?;
            folds.push(split.test.iter().map(|i| rest[*i]).collect());
            let mut kept = [split.train, split.valid].concat();
            kept.sort_unstable();
            rest = kept.into_iter().map(|i| rest[i]).collect();
        }
        folds.push(rest);
        let mut predicted = vec![f64::NAN; genes.len()];
        for (i, fold) in folds.iter().enumerate() {
            let train: Vec<usize> =
                folds.iter().enumerate().filter(|(j, _)| *j != i).flat_map(|(_, f)| f).map(|k| genes[*k]).collect();
            let test: Vec<usize> = fold.iter().map(|k| genes[*k]).collect();
            for (k, value) in fold.iter().zip(self.predict(data, &train, targets, &test)?) {
                predicted[*k] = value;
            }
        }
        Ok(predicted)
    }
}

/// Features brought to mean 0 and variance 1 over the rows learnt from; one that does not vary there becomes 0.
fn standardised(mut x: Vec<Vec<f64>>, mut other: Vec<Vec<f64>>) -> (Vec<Vec<f64>>, Vec<Vec<f64>>) {
    let n = x.len() as f64;
    for k in 0..x[0].len() {
        let mean = x.iter().map(|row| row[k]).sum::<f64>() / n;
        let deviation = (x.iter().map(|row| (row[k] - mean).powi(2)).sum::<f64>() / n).sqrt();
        let scale = if deviation > 1e-12 { 1.0 / deviation } else { 0.0 };
        x.iter_mut().chain(&mut other).for_each(|row| row[k] = (row[k] - mean) * scale);
    }
    (x, other)
}

/// The normal equations with an intercept, by Cholesky's factors.
fn least_squares(x: &[Vec<f64>], y: &[f64], other: &[Vec<f64>]) -> Result<Vec<f64>, String> {
    let k = x[0].len() + 1;
    let row = |features: &[f64]| std::iter::once(1.0).chain(features.iter().copied()).collect::<Vec<f64>>();
    let (mut a, mut b) = (vec![vec![0.0; k]; k], vec![0.0; k]);
    for (features, y) in x.iter().zip(y) {
        let features = row(features);
        for i in 0..k {
            b[i] += features[i] * y;
            (0..=i).for_each(|j| a[i][j] += features[i] * features[j]);
        }
    }
    for (i, row) in a.iter_mut().enumerate() {
        // So little that it changes no digit that is printed, and enough for marks that say the same.
        row[i] += 1e-9 * x.len() as f64;
    }
    for i in 0..k {
        for j in 0..=i {
            let known: f64 = (0..j).map(|m| a[i][m] * a[j][m]).sum();
            a[i][j] = if i == j { (a[i][i] - known).sqrt() } else { (a[i][j] - known) / a[j][j] };
        }
        if a[i][i].is_nan() || a[i][i] == 0.0 {
            return Err("the marks are not independent".to_owned());
        }
    }
    for i in 0..k {
        b[i] = (b[i] - (0..i).map(|m| a[i][m] * b[m]).sum::<f64>()) / a[i][i];
    }
    for i in (0..k).rev() {
        b[i] = (b[i] - (i + 1..k).map(|m| a[m][i] * b[m]).sum::<f64>()) / a[i][i];
    }
    Ok(other.iter().map(|features| row(features).iter().zip(&b).map(|(x, w)| x * w).sum()).collect())
}

fn random_forest(x: &[Vec<f64>], y: &[f64], other: &[Vec<f64>]) -> Result<Vec<f64>, String> {
    let parameters = RandomForestRegressorParameters::default().with_n_trees(100).with_min_samples_leaf(3).with_seed(1);
    let fitted = RandomForestRegressor::fit(&matrix(x)?, &y.to_vec(), parameters).map_err(|e| e.to_string())?;
    fitted.predict(&matrix(other)?).map_err(|e| e.to_string())
}

/// Scikit-learn's defaults, on targets of variance 1.
const C: f64 = 1.0;
const EPSILON: f64 = 0.1;

fn support_vectors(x: &[Vec<f64>], y: &[f64], other: &[Vec<f64>], kernel: Kernels) -> Result<Vec<f64>, String> {
    let (y, back) = standardised_targets(y);
    let parameters = SVRParameters::default().with_c(C).with_eps(EPSILON).with_kernel(kernel);
    let x = matrix(x)?;
    let fitted = SVR::fit(&x, &y, &parameters).map_err(|e| e.to_string())?;
    let predicted = fitted.predict(&matrix(other)?).map_err(|e| e.to_string())?;
    Ok(predicted.into_iter().map(back).collect())
}

fn linear_support_vectors(x: &[Vec<f64>], y: &[f64], other: &[Vec<f64>]) -> Result<Vec<f64>, String> {
    let (y, back) = standardised_targets(y);
    let weights = linear_svr::fit(x, &y, C, EPSILON);
    Ok(other.iter().map(|x| back(linear_svr::predict(&weights, x))).collect())
}

/// Targets of mean 0 and variance 1, and the way back.
fn standardised_targets(y: &[f64]) -> (Vec<f64>, impl Fn(f64) -> f64) {
    let mean = y.iter().sum::<f64>() / y.len() as f64;
    let deviation = (y.iter().map(|y| (y - mean).powi(2)).sum::<f64>() / y.len() as f64).sqrt().max(1e-12);
    (y.iter().map(|y| (y - mean) / deviation).collect(), move |z| z * deviation + mean)
}

fn matrix(rows: &[Vec<f64>]) -> Result<DenseMatrix<f64>, String> {
    DenseMatrix::from_2d_vec(&rows.to_vec()).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::genome::{Strand, Window};
    use crate::models::test_manifest;
    use crate::training::{Example, Record, pearson};

    /// Two marks over four positions; the target is linear in their mean logs, or a product that is not.
    fn genes(n: usize, target: fn(f64, f64) -> f64) -> (Dataset, Vec<f64>) {
        let manifest = test_manifest(400, 100, &["a", "b"], None);
        let level = |i: usize, step: usize| ((i * step) % 97) as f64 / 24.0;
        let examples: Vec<_> = (0..n)
            .map(|i| {
                let marks = (0..4).flat_map(|_| [level(i, 31), level(i, 57)]).map(|x| x.exp_m1() as f32).collect();
                let window = Window::around("c", 1_000 * i as u64 + 500, Strand::Forward, 200, 400);
                let example = Example { gene: format!("g{i}"), sample: 0, window, expression: 0.0, file_order: i, is_open: None };
                (example, Record { marks, ..Record::default() })
            })
            .collect();
        let targets = (0..n).map(|i| target(level(i, 31), level(i, 57))).collect();
        (Dataset::new(&manifest, examples).unwrap(), targets)
    }

    #[test]
    fn what_is_linear_is_predicted_by_least_squares() {
        let (data, targets) = genes(97, |a, b| 2.0 * a - 3.0 * b + 1.0);
        let (train, test): (Vec<_>, Vec<_>) = (0..97).partition(|i| i % 3 > 0);
        let found = BASELINES[0].predict(&data, &train, &targets, &test).unwrap();
        assert!(test.iter().zip(&found).all(|(i, y)| (targets[*i] - y).abs() < 1e-5), "{found:?}");
        // So do support vectors, to the width of their tube.
        let found = Baseline::named("svr-linear").unwrap().predict(&data, &train, &targets, &test).unwrap();
        let truth: Vec<f64> = test.iter().map(|i| targets[*i]).collect();
        assert!(pearson(&found, &truth) > 0.99, "{found:?}");
        // Two marks that say the same are no obstacle, none is.
        let (same, targets) = genes(50, |a, _| a);
        assert!(BASELINES[0].predict(&same, &[0, 1, 2, 3, 4], &targets, &[7]).is_ok());
        let none = Dataset::new(&test_manifest(4, 1, &[], Some(crate::genome::BaseOrder::ACGT)), Vec::new()).unwrap();
        assert!(BASELINES[0].predict(&none, &[], &[], &[]).unwrap_err().to_string().contains("reads marks"));
    }

    #[test]
    fn what_is_not_linear_is_predicted_by_trees_and_kernels() {
        let (data, targets) = genes(97, |a, b| (a - 2.0) * (b - 2.0));
        let (train, test): (Vec<_>, Vec<_>) = (0..97).partition(|i| i % 4 > 0);
        let truth: Vec<f64> = test.iter().map(|i| targets[*i]).collect();
        let r = |name: &str| {
            let found = Baseline::named(name).unwrap().predict(&data, &train, &targets, &test).unwrap();
            pearson(&found, &truth)
        };
        assert!(r("least-squares") < 0.4 && r("svr-linear") < 0.4);
        assert!(r("random-forest") > 0.5 && r("svr-rbf") > 0.9, "{} {}", r("random-forest"), r("svr-rbf"));
        // Fewer genes than features would be.
        assert_eq!(BASELINES[2].predict(&data, &train[..8], &targets, &test).unwrap().len(), test.len());
    }

    #[test]
    fn every_gene_is_predicted_from_others() {
        let (data, targets) = genes(60, |a, b| a + b);
        let genes: Vec<usize> = (0..60).collect();
        let found = BASELINES[0].cross_validate(&data, &genes, &targets, 1).unwrap();
        assert!(found.iter().zip(&targets).all(|(x, y)| (x - y).abs() < 1e-5));
        // A target that has nothing to do with the marks is not predicted.
        let noise: Vec<f64> = (0..60).map(|i| f64::from((i * 7_919 + 13) % 101)).collect();
        let found = BASELINES[0].cross_validate(&data, &genes, &noise, 1).unwrap();
        assert!(pearson(&found, &noise).abs() < 0.4);
    }
}
