//! What a network is fitted by: squared error, or the cross-entropy of logits.

use super::TrainingError;
use crate::models::OutputKind;
use candle_core::Tensor;

/// Mean squared error, or mean cross-entropy of logits.
pub(super) fn mean_loss(score: &Tensor, truth: &[f64], kind: OutputKind) -> candle_core::Result<Tensor> {
    let truth = Tensor::new(to_f32(truth), score.device())?;
    match kind {
        OutputKind::Regression => (score - truth)?.sqr()?.mean_all(),
        // max(s, 0) - s t + ln(1 + e^-|s|): no exponential of a large number.
        OutputKind::Binary => {
            let log = (score.abs()?.neg()?.exp()? + 1.0)?.log()?;
            ((score.relu()? - (score * truth)?)? + log)?.mean_all()
        }
    }
}

/// The loss of one gene.
pub fn loss_of(kind: OutputKind) -> fn(f64, f64) -> f64 {
    match kind {
        OutputKind::Regression => |score, truth| (score - truth).powi(2),
        OutputKind::Binary => |score, truth| score.max(0.0) - score * truth + (-score.abs()).exp().ln_1p(),
    }
}

/// The score that fits the training genes best without looking at them: their mean, or the logit of the share that is high.
///
/// # Errors
/// Where a target is no number, or all are the same.
pub(super) fn first_score(targets: &[f64], kind: OutputKind) -> Result<f64, TrainingError> {
    if let Some(wrong) = targets.iter().find(|t| !t.is_finite()) {
        return Err(TrainingError::Data(format!("a target is {wrong}: expression below 0, or 0 without a pseudocount?")));
    }
    if targets.iter().all(|t| *t == targets[0]) {
        return Err(TrainingError::Data(format!("all {} training genes have the same target", targets.len())));
    }
    let mean = targets.iter().sum::<f64>() / targets.len() as f64;
    Ok(match kind {
        OutputKind::Regression => mean,
        OutputKind::Binary => (mean / (1.0 - mean)).ln(),
    })
}

pub(super) fn to_f32(values: &[f64]) -> Vec<f32> {
    values.iter().map(|v| *v as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn the_loss_of_a_batch_is_the_mean_of_its_genes() {
        let (scores, truth) = ([-30.0, -0.5, 0.0, 2.0, 40.0], [0.0, 1.0, 1.0, 0.0, 1.0]);
        for kind in [OutputKind::Regression, OutputKind::Binary] {
            let batch = mean_loss(&Tensor::new(to_f32(&scores), &Device::Cpu).unwrap(), &truth, kind).unwrap();
            let genes = scores.iter().zip(truth).map(|(s, t)| loss_of(kind)(*s, t)).sum::<f64>() / 5.0;
            assert!((f64::from(batch.to_scalar::<f32>().unwrap()) - genes).abs() < 1e-6 * genes, "{kind:?}");
        }
    }
}
