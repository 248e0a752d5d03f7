//! The plain path: every edited input goes through the whole network.

use super::{Edit, Evaluator};
use crate::attribution::{AttributionError, scores};
use crate::models::{Input, Model};
use std::borrow::Cow;
use std::sync::OnceLock;

struct Plain<'a> {
    model: &'a dyn Model,
    input: &'a Input,
    score: f64,
    /// F as the calls of edits round it.
    reference: OnceLock<f64>,
}

/// Scores edits by forward passes of the network: works for any, and knows none.
pub fn plain<'a>(model: &'a dyn Model, input: &'a Input) -> Result<Box<dyn Evaluator + 'a>, AttributionError> {
    let score = scores(model, &input.batch(model.dtype())?)?[0];
    Ok(Box::new(Plain { model, input, score, reference: OnceLock::new() }))
}

impl Plain<'_> {
    /// F of some windows, in one call. On the processor the call is filled up with the input: products of another number of rows may
    /// be rounded differently, and a score would depend on what was asked for with it.
    fn scores(&self, windows: &[Cow<'_, Input>]) -> Result<Vec<f64>, AttributionError> {
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
            None => self.scores(&[Cow::Borrowed(self.input)]).map(|scores| *self.reference.get_or_init(|| scores[0])),
        }
    }
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
            let windows: Vec<Cow<'_, Input>> = edits.iter().map(|edit| edit.apply(self.input)).collect();
            let is_changed = |window: &Input| window.sequence != self.input.sequence || window.marks != self.input.marks;
            let scored = windows.iter().zip(self.scores(&windows)?);
            deltas.extend(scored.map(|(window, score)| if is_changed(window) { score - reference } else { 0.0 }));
        }
        Ok(deltas)
    }
}
