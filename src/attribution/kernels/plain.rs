//! The plain path: every edited input goes through the whole network.

use super::{Edit, Evaluator};
use crate::attribution::{AttributionError, scores};
use crate::models::{Input, Model};

struct Plain<'a> {
    model: &'a dyn Model,
    input: &'a Input,
    score: f64,
}

/// Scores edits by forward passes of the network: works for any, shares nothing with a kernel.
pub fn plain<'a>(model: &'a dyn Model, input: &'a Input) -> Result<Box<dyn Evaluator + 'a>, AttributionError> {
    let score = scores(model, &input.batch(model.dtype())?)?[0];
    Ok(Box::new(Plain { model, input, score }))
}

impl Evaluator for Plain<'_> {
    fn score(&self) -> f64 {
        self.score
    }

    /// By the size of the input: a window of 10,000 bases takes some 4 ms, one of 100 bins less than 1 ms.
    fn chunk(&self) -> usize {
        let positions = self.input.sequence.as_ref().map_or(0, Vec::len).max(self.input.positions());
        (20_000 / positions.max(1)).clamp(1, 8)
    }

    fn deltas(&self, edits: &[Edit]) -> Result<Vec<f64>, AttributionError> {
        let mut deltas = Vec::with_capacity(edits.len());
        for edits in edits.chunks(self.chunk()) {
            let (mut sequences, mut marks) = (Vec::new(), Vec::new());
            for edit in edits {
                let edited = edit.apply(self.input);
                sequences.extend(edited.one_hot());
                marks.extend_from_slice(&edited.marks);
            }
            let batch = self.input.batch_of(edits.len(), sequences, marks, self.model.dtype())?;
            deltas.extend(scores(self.model, &batch)?.into_iter().map(|score| score - self.score));
        }
        Ok(deltas)
    }
}
