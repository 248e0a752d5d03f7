//! The plain path: every edited input goes through the whole network.

use super::{Edit, Evaluator};
use crate::attribution::{AttributionError, scores};
use crate::models::{Batch, Input, Model};
use candle_core::{Device, Tensor};
use std::borrow::Cow;
use std::sync::OnceLock;

struct Plain<'a> {
    model: &'a dyn Model,
    input: &'a Input,
    score: f64,
    /// F as the calls of edits round it.
    reference: OnceLock<f64>,
    /// The input on the device that the network runs on; `None` where that failed.
    there: OnceLock<Option<Batch>>,
}

/// Scores edits by forward passes of the network: works for any, and knows none.
pub fn plain<'a>(model: &'a dyn Model, input: &'a Input) -> Result<Box<dyn Evaluator + 'a>, AttributionError> {
    let score = scores(model, &input.batch(model.dtype())?)?[0];
    Ok(Box::new(Plain { model, input, score, reference: OnceLock::new(), there: OnceLock::new() }))
}

impl Plain<'_> {
    /// F of the edited inputs, in one call.
    fn scores(&self, edits: &[Edit]) -> Result<Vec<f64>, AttributionError> {
        match self.scores_made_there(edits) {
            Some(scores) => Ok(scores),
            None => self.scores_made_here(edits),
        }
    }

    /// As [`Plain::scores`], the windows made on the network's device of the one that lies there: edits alone go over. `None` where it
    /// has no device, or that failed; what the matter is shows where windows are brought.
    fn scores_made_there(&self, edits: &[Edit]) -> Option<Vec<f64>> {
        let device = self.model.device()?;
        let bring = || self.input.batch(self.model.dtype()).ok()?.on(device).ok();
        let batch = edited(self.there.get_or_init(bring).as_ref()?, self.input, edits).ok()?;
        scores(self.model, &batch).ok()
    }

    /// As [`Plain::scores`], of windows in the processor's memory. A call of the processor is filled up with the input: products of
    /// another number of rows may be rounded differently, and a score would depend on what was asked for with it.
    fn scores_made_here(&self, edits: &[Edit]) -> Result<Vec<f64>, AttributionError> {
        let windows: Vec<Cow<'_, Input>> = edits.iter().map(|edit| edit.apply(self.input)).collect();
        let is_filled = self.model.windows_per_call().is_none();
        // A device may be lost between two calls: there may be more windows than a chunk of the processor's.
        let n = if is_filled { self.chunk().max(windows.len()) } else { windows.len() };
        let (mut sequences, mut marks) = (Vec::new(), Vec::new());
        for i in 0..n {
            let window = windows.get(i).map_or(self.input, Cow::as_ref);
            sequences.extend(window.one_hot());
            marks.extend_from_slice(&window.marks);
        }
        let batch = self.input.batch_of(n, sequences, marks, self.model.dtype())?;
        let mut scores = scores(self.model, &batch)?;
        scores.truncate(windows.len());
        Ok(scores)
    }

    fn reference(&self) -> Result<f64, AttributionError> {
        match self.reference.get() {
            Some(reference) => Ok(*reference),
            None => self.scores(&[Edit::default()]).map(|scores| *self.reference.get_or_init(|| scores[0])),
        }
    }
}

/// An edited window for each of `edits`, on the device of `base`, which is `input` as a batch.
pub(super) fn edited(base: &Batch, input: &Input, edits: &[Edit]) -> candle_core::Result<Batch> {
    let order = input.base_order();
    let letter = |(index, base): (usize, u8)| (4 * index..).zip(order.one_hot::<u8>(&[base]).into_iter().map(f32::from));
    // As many numbers are written into every window, one after the other: at least the first, which is there.
    let base_0 = input.sequence.iter().flatten().take(1).map(|&base| (0, base));
    let letters = |edit: &Edit| base_0.clone().chain(edit.bases.iter().copied()).flat_map(letter).collect();
    let mark_0 = input.marks.iter().take(1).map(|&value| (0, value));
    let values = |edit: &Edit| mark_0.clone().chain(edit.marks.iter().copied()).collect();
    let sequence = base.sequence.as_ref().map(|x| written(x, edits.iter().map(letters).collect())).transpose()?;
    let marks = base.marks.as_ref().map(|x| written(x, edits.iter().map(values).collect())).transpose()?;
    let repeated = |x: &Option<Tensor>| x.as_ref().map(|x| x.repeat((edits.len(), 1))).transpose();
    Ok(Batch { sequence, marks, expression: repeated(&base.expression)?, motif_scores: repeated(&base.motif_scores)? })
}

/// Copies of `x`, a batch of one window, each with `numbers` of its own, one or more, written over those at their places (row-major).
fn written(x: &Tensor, mut numbers: Vec<Vec<(usize, f32)>>) -> candle_core::Result<Tensor> {
    let (n, width) = (numbers.len(), x.elem_count());
    let most = numbers.iter().map(Vec::len).max().unwrap_or(0);
    for row in &mut numbers {
        let last = row.last().copied();
        row.resize(most, last.unwrap_or_default());
    }
    let (places, values): (Vec<u32>, Vec<f32>) =
        numbers.into_iter().flatten().map(|(place, value)| (place as u32, value)).unzip();
    let places = Tensor::from_vec(places, (n, most), &Device::Cpu)?.to_device(x.device())?;
    let values = Tensor::from_vec(values, (n, most), &Device::Cpu)?.to_dtype(x.dtype())?.to_device(x.device())?;
    let copies = x.reshape((1, width))?.broadcast_as((n, width))?;
    copies.scatter(&places, &values, 1)?.reshape([&[n], &x.dims()[1..]].concat())
}

impl Evaluator for Plain<'_> {
    fn score(&self) -> f64 {
        self.score
    }

    /// On the processor by the size of the input: a window of 10,000 bases takes some 4 ms, one of 100 bins less than 1 ms.
    fn chunk(&self) -> usize {
        let positions = self.input.sequence.as_ref().map_or(0, Vec::len).max(self.input.positions());
        self.model.windows_per_call().unwrap_or((20_000 / positions.max(1)).clamp(1, 8))
    }

    fn deltas(&self, edits: &[Edit]) -> Result<Vec<f64>, AttributionError> {
        let (reference, mut deltas) = (self.reference()?, Vec::with_capacity(edits.len()));
        for edits in edits.chunks(self.chunk()) {
            let scored = edits.iter().zip(self.scores(edits)?);
            deltas.extend(scored.map(|(edit, score)| if edit.changes(self.input) { score - reference } else { 0.0 }));
        }
        Ok(deltas)
    }
}
