//! The same genes or loci in several samples: how well levels within a sample, and changes between samples, are predicted
//! (DeepCAGE, Liu et al. 2022).

use super::{Statistic, average_precision, mean, pearson};

/// Values of the same loci in several samples.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Panel {
    /// One row a sample, one column a locus.
    pub rows: Vec<Vec<f64>>,
}

/// Agreement of a predicted with a measured panel. Means leave out samples or loci where a statistic is undefined.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PanelStatistics {
    /// Mean over samples of the correlation over loci.
    pub sample_r: f64,
    /// Mean over loci of the correlation over samples: changes between samples, which levels alone cannot predict.
    pub locus_r: f64,
    /// Mean over samples of the average precision over loci, high being what `is_high` says.
    pub sample_average_precision: f64,
    /// The same over samples of each locus.
    pub locus_average_precision: f64,
    /// Mean over samples of the squared error over the squared distance of the measured from the sample's mean: PSE as BIRD defines
    /// it (DeepCAGE prints it without the measured value in the denominator).
    pub squared_error: f64,
    /// Mean over loci of largest less smallest value of the samples, measured and predicted.
    pub range: [f64; 2],
    /// Mean over loci of the standard deviation over samples, measured and predicted.
    pub variability: [f64; 2],
}

impl Panel {
    /// Values of one locus in every sample.
    fn column(&self, locus: usize) -> Vec<f64> {
        self.rows.iter().map(|row| row[locus]).collect()
    }

    fn n_loci(&self) -> usize {
        self.rows.first().map_or(0, Vec::len)
    }

    /// The mean over samples of each locus: the baseline that knows the loci and not the sample.
    pub fn mean_row(&self) -> Vec<f64> {
        (0..self.n_loci()).map(|locus| mean(&self.column(locus))).collect()
    }

    /// How `self` predicts `measured`; `is_high(sample, locus)` says which values are positives.
    pub fn judge(&self, measured: &Self, is_high: impl Fn(usize, usize) -> bool) -> PanelStatistics {
        let high = Self {
            rows: (0..measured.rows.len())
                .map(|s| (0..measured.n_loci()).map(|locus| f64::from(u8::from(is_high(s, locus)))).collect())
                .collect(),
        };
        let by_sample = |statistic: Statistic, truth: &Self| {
            mean_of_defined(self.rows.iter().zip(&truth.rows).map(|(predicted, truth)| statistic(predicted, truth)))
        };
        let by_locus = |statistic: Statistic, truth: &Self| {
            mean_of_defined((0..self.n_loci()).map(|locus| statistic(&self.column(locus), &truth.column(locus))))
        };
        let spread = |of: fn(&[f64]) -> f64| {
            [measured, self].map(|panel| mean_of_defined((0..panel.n_loci()).map(|locus| of(&panel.column(locus)))))
        };
        PanelStatistics {
            sample_r: by_sample(pearson, measured),
            locus_r: by_locus(pearson, measured),
            sample_average_precision: by_sample(average_precision, &high),
            locus_average_precision: by_locus(average_precision, &high),
            squared_error: by_sample(relative_squared_error, measured),
            range: spread(range),
            variability: spread(standard_deviation),
        }
    }
}

impl PanelStatistics {
    /// Each by the name it is printed under.
    pub fn named(&self) -> [(&'static str, f64); 9] {
        [
            ("sample_wise_r", self.sample_r),
            ("locus_wise_r", self.locus_r),
            ("sample_wise_average_precision", self.sample_average_precision),
            ("locus_wise_average_precision", self.locus_average_precision),
            ("pse", self.squared_error),
            ("range_measured", self.range[0]),
            ("range_predicted", self.range[1]),
            ("variability_measured", self.variability[0]),
            ("variability_predicted", self.variability[1]),
        ]
    }
}

fn mean_of_defined(values: impl Iterator<Item = f64>) -> f64 {
    let values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
    mean(&values)
}

fn relative_squared_error(predicted: &[f64], truth: &[f64]) -> f64 {
    1.0 - super::r_squared(predicted, truth)
}

fn range(x: &[f64]) -> f64 {
    let (low, high) = x.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(*x), high.max(*x)));
    high - low
}

fn standard_deviation(x: &[f64]) -> f64 {
    let m = mean(x);
    (x.iter().map(|x| (x - m).powi(2)).sum::<f64>() / x.len() as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_changes_are_told_apart() {
        let measured = Panel { rows: vec![vec![1.0, 5.0, 9.0], vec![2.0, 4.0, 9.5], vec![3.0, 6.0, 9.0]] };
        // The mean of the loci says everything of the levels and nothing of the changes.
        let mean = Panel { rows: vec![measured.mean_row(); 3] };
        let found = mean.judge(&measured, |s, l| measured.rows[s][l] > 4.5);
        assert_eq!(measured.mean_row(), [2.0, 5.0, 27.5 / 3.0]);
        assert!(found.sample_r > 0.98 && found.locus_r.is_nan(), "{found:?}");
        assert_eq!((found.range[1], found.variability[1]), (0.0, 0.0));
        assert_eq!(found.range[0], (2.0 + 2.0 + 0.5) / 3.0);
        // np.std([[1,2,3],[5,4,6],[9,9.5,9]], axis=1).mean()
        assert!((found.variability[0] - 0.622_898_474_083_656).abs() < 1e-12, "{}", found.variability[0]);
        let perfect = measured.judge(&measured, |s, l| measured.rows[s][l] > 4.5);
        assert!((perfect.sample_r - 1.0).abs() < 1e-12 && (perfect.locus_r - 1.0).abs() < 1e-12);
        assert_eq!((perfect.squared_error, perfect.sample_average_precision), (0.0, 1.0));
        // The first locus is never high and has no average precision; the other two have 1.
        assert_eq!(perfect.locus_average_precision, 1.0);
        // By hand: squared errors of sample 0 from the locus means, over those from its own mean.
        let error = |row: &[f64], means: &[f64]| {
            let m = row.iter().sum::<f64>() / 3.0;
            row.iter().zip(means).map(|(y, x)| (y - x).powi(2)).sum::<f64>() / row.iter().map(|y| (y - m).powi(2)).sum::<f64>()
        };
        let by_hand = measured.rows.iter().map(|row| error(row, &mean.rows[0])).sum::<f64>() / 3.0;
        assert!((found.squared_error - by_hand).abs() < 1e-12);
        assert_eq!(found.named().len(), 9);
    }
}
