//! Values along the genome, and their summary in equal columns.

use super::TrackError;
use crate::genome::{ChromSizes, Region};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a signal's numbers are. A model says which it was trained on; another kind is refused, not rescaled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SignalUnit {
    /// Reads per bin or base.
    Count,
    /// Reads per million.
    Rpm,
    /// Fold change over control.
    #[serde(rename = "fold_change")]
    FoldChange,
    /// -log10 p of a peak caller.
    NegLog10P,
    /// 0 to 1, as methylation.
    Fraction,
}

impl fmt::Display for SignalUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Count => "count",
            Self::Rpm => "rpm",
            Self::FoldChange => "fold_change",
            Self::NegLog10P => "neglog10p",
            Self::Fraction => "fraction",
        })
    }
}

/// The values of one column of a row. Where nothing was measured `covered` is 0 and the rest is NaN.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Column {
    /// Mean of the measured bases.
    pub mean: f32,
    /// Lowest measured value.
    pub min: f32,
    /// Highest measured value.
    pub max: f32,
    /// Share of the column's bases that were measured, 0 to 1.
    pub covered: f32,
}

impl Column {
    /// Nothing measured.
    pub const MISSING: Self = Self { mean: f32::NAN, min: f32::NAN, max: f32::NAN, covered: 0.0 };

    /// Whether nothing was measured.
    pub fn is_missing(&self) -> bool {
        self.covered == 0.0
    }
}

/// Reads values along the genome from one open file. One reader belongs to one thread.
pub trait SignalReader: Send {
    /// Chromosomes the file has data for, by its own names.
    fn chroms(&self) -> &ChromSizes;

    /// A value for each base of `region` (the genome's chromosome names); NaN where nothing was measured, and past the end.
    fn values(&mut self, region: &Region) -> Result<Vec<f32>, TrackError>;

    /// `n` equal columns over `region`. May use the file's zoom levels, but only those no coarser than half a column.
    fn columns(&mut self, region: &Region, n: usize) -> Result<Vec<Column>, TrackError> {
        Ok(columns_of_values(&self.values(region)?, n))
    }

    /// What the reader came to see since it was last asked, as sentences for the messages panel (a damaged zoom level).
    fn take_warnings(&mut self) -> Vec<String> {
        Vec::new()
    }
}

/// Summarises per-base values in `n` equal columns. Column `i` holds the bases from `i * len / n` to `(i + 1) * len / n`; where
/// there are more columns than bases, the base that its left edge falls in.
pub fn columns_of_values(values: &[f32], n: usize) -> Vec<Column> {
    let len = values.len();
    (0..n)
        .map(|i| {
            let from = i * len / n;
            let to = ((i + 1) * len / n).max(from + 1).min(len);
            let (mut sum, mut min, mut max, mut count) = (0.0, f32::INFINITY, f32::NEG_INFINITY, 0_usize);
            for &value in values.get(from..to).unwrap_or(&[]) {
                if value.is_finite() {
                    sum += f64::from(value);
                    min = min.min(value);
                    max = max.max(value);
                    count += 1;
                }
            }
            match count {
                0 => Column::MISSING,
                _ => Column { mean: (sum / count as f64) as f32, min, max, covered: count as f32 / (to - from) as f32 },
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_is_a_gap_and_never_zero() {
        let columns = columns_of_values(&[1.0, 3.0, f32::NAN, f32::NAN, f32::NAN, -2.0], 3);
        assert_eq!((columns[0].mean, columns[0].min, columns[0].max), (2.0, 1.0, 3.0));
        assert!(columns[1].is_missing() && columns[1].mean.is_nan());
        assert_eq!((columns[2].mean, columns[2].covered), (-2.0, 0.5));
    }

    #[test]
    fn more_columns_than_bases_repeat_the_base() {
        let means: Vec<f32> = columns_of_values(&[1.0, 2.0], 4).iter().map(|c| c.mean).collect();
        assert_eq!(means, [1.0, 1.0, 2.0, 2.0]);
        assert!(columns_of_values(&[], 3).iter().all(Column::is_missing));
    }
}
