//! A network's attention to one window in many samples: what COREs are found in.

use super::attention::reach;
use super::cores::Samples;
use crate::genome::Window;
use crate::models::{Attention, Batch, Input, Model, ModelError, SampleSource};
use crate::session::{Readers, SampleId};

/// Samples that are run together.
const BATCH: usize = 4;

/// Attention to a window, and the scores it is made of, in each sample; `None` where that is no longer wanted. `report` is given the
/// share that is done.
///
/// # Errors
/// Where a sample cannot be read, or the network has not one attention over bins; the text says which.
pub fn attention_over_samples(
    model: &dyn Model,
    samples: &[SampleId],
    window: &Window,
    readers: &mut Readers,
    report: &dyn Fn(f64),
    is_current: &dyn Fn() -> bool,
) -> Result<Option<Samples>, String> {
    let manifest = model.manifest();
    let mut found = Samples::default();
    for (i, batch) in samples.chunks(BATCH).enumerate() {
        if !is_current() {
            return Ok(None);
        }
        let mut read = |&sample: &SampleId| {
            Input::assemble(manifest, window, &mut SampleSource::new(readers, sample, manifest)).map_err(|e| e.to_string())
        };
        let inputs = batch.iter().map(&mut read).collect::<Result<Vec<_>, _>>()?;
        add(model, &inputs, &mut found).map_err(|e| e.to_string())?;
        if found.attention.is_empty() {
            return Err(format!("model {} has no one attention over bins; COREs need it", manifest.name));
        }
        report(((i + 1) * BATCH) as f64 / samples.len() as f64);
    }
    let n = found.attention.first().map_or(0, Vec::len);
    found.reach = (0..n).map(|bin| reach(manifest, n, bin)).collect();
    Ok(Some(found))
}

fn add(model: &dyn Model, inputs: &[Input], found: &mut Samples) -> Result<(), ModelError> {
    let Some(first) = inputs.first() else { return Ok(()) };
    let sequences = inputs.iter().flat_map(Input::one_hot).collect();
    let marks = inputs.iter().flat_map(|input| input.marks.iter().copied()).collect();
    let batch: Batch = first.batch_of(inputs.len(), sequences, marks, model.dtype())?;
    let Some(attention @ Attention::Bins(_)) = model.forward(&batch)?.attention else { return Ok(()) };
    found.attention.extend(attention.rows()?.into_iter().flatten());
    if let Some(scores) = model.attention_scores(&batch)? {
        found.scores.extend(Attention::Bins(scores).rows()?.into_iter().flatten());
    }
    Ok(())
}
