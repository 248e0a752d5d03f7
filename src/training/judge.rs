//! What a fitted network predicts, and how well.

use super::metrics::{Interval, Statistic, bootstrap_interval, measures};
use super::{Dataset, TrainingError};
use crate::models::{Model, ModelError, OutputKind};
use candle_core::DType;

/// Genes predicted at a time.
const BATCH: usize = 64;

/// Scores of the examples at `indices`, before any last activation.
///
/// # Errors
/// Where the network cannot read them.
pub fn predict(model: &dyn Model, data: &Dataset, indices: &[usize]) -> Result<Vec<f64>, TrainingError> {
    let mut scores = Vec::with_capacity(indices.len());
    for batch in indices.chunks(BATCH) {
        let output = model.forward(&data.batch(batch, &[], model.dtype())?)?;
        scores.extend(output.score.to_dtype(DType::F64)?.to_vec1::<f64>()?);
    }
    if let Some(value) = scores.iter().find(|score| !score.is_finite()) {
        return Err(ModelError::NotFinite { place: "a predicted score".to_owned(), value: *value }.into());
    }
    Ok(scores)
}

/// Statistics of the examples at `indices` with bootstrap intervals, by name: `r`, `spearman`, `r2`, `rmse` of a regression, `auroc` and
/// `average_precision` of a classifier. None where there are no examples.
///
/// # Errors
/// Where the network cannot read them.
pub fn evaluate(
    model: &dyn Model,
    data: &Dataset,
    indices: &[usize],
    bootstraps: usize,
    seed: u64,
) -> Result<Vec<(&'static str, Interval)>, TrainingError> {
    if indices.is_empty() {
        return Ok(Vec::new());
    }
    let output = &model.manifest().output;
    let (scores, truth) = (predict(model, data, indices)?, data.targets(indices, output));
    Ok(intervals(statistics(output.kind), &scores, &truth, bootstraps, seed))
}

/// Each statistic with its interval.
pub fn intervals(
    statistics: &[(&'static str, Statistic)],
    scores: &[f64],
    truth: &[f64],
    bootstraps: usize,
    seed: u64,
) -> Vec<(&'static str, Interval)> {
    let interval = |statistic| bootstrap_interval(statistic, scores, truth, bootstraps, seed);
    statistics.iter().map(|(name, statistic)| (*name, interval(*statistic))).collect()
}

/// The statistics that `model.toml` keeps of an output, the one that is watched first.
pub(super) fn statistics(kind: OutputKind) -> &'static [(&'static str, Statistic)] {
    match kind {
        OutputKind::Regression => &measures(kind)[..4],
        OutputKind::Binary => &measures(kind)[..2],
    }
}
