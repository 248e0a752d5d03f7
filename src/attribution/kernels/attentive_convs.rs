//! CNN-Attn and CNN-alpha,beta: an edited bin changes the states of the bins about it; their weights and the mean are taken anew over all
//! bins, and the level over marks runs whole.

use super::maps::{Convolution, Head, Map, Patch};
use super::{Edit, Evaluator, check_finite, finite, numbers};
use crate::attribution::AttributionError;
use crate::models::layers::{ContextAttention, Conv1d, Linear, Real};
use crate::models::{AttentiveConv, CnnAlphaBeta, CnnAttn, Input, Model};
use candle_core::DType;
use rayon::prelude::*;

/// The kernel, where the network is CNN-Attn or CNN-alpha,beta.
pub(super) fn build<'a>(model: &'a dyn Model, input: &'a Input) -> Option<Result<Box<dyn Evaluator + 'a>, AttributionError>> {
    fn boxed<'a, T: Real>(
        kernel: Result<AttentiveConvs<T>, AttributionError>,
    ) -> Result<Box<dyn Evaluator + 'a>, AttributionError> {
        Ok(Box::new(kernel?))
    }
    let parts = parts(model)?;
    match model.dtype() {
        DType::F32 => Some(boxed(AttentiveConvs::<f32>::new(&parts, input))),
        DType::F64 => Some(boxed(AttentiveConvs::<f64>::new(&parts, input))),
        _ => None,
    }
}

/// What such a network is made of.
struct Parts<'a> {
    /// A convolution for each mark, or one for all of them together.
    marks: Vec<(&'a Conv1d, &'a ContextAttention)>,
    over_marks: Option<&'a AttentiveConv>,
    head: &'a Linear,
}

fn parts(model: &dyn Model) -> Option<Parts<'_>> {
    let model = model.as_any();
    if let Some(net) = model.downcast_ref::<CnnAttn>() {
        return Some(Parts { marks: vec![(&net.conv, &net.attention)], over_marks: None, head: &net.head });
    }
    let net = model.downcast_ref::<CnnAlphaBeta>()?;
    let marks = net.marks.iter().map(|mark| (&mark.conv, &mark.attention)).collect();
    Some(Parts { marks, over_marks: Some(&net.over_marks), head: &net.head })
}

/// States averaged with weights `softmax(context . states)`.
struct Attention {
    context: Vec<f64>,
}

impl Attention {
    fn new(attention: &ContextAttention) -> Result<Self, AttributionError> {
        Ok(Self { context: numbers(&attention.context)? })
    }

    fn score<T: Real>(&self, state: &[T]) -> f64 {
        state.iter().zip(&self.context).map(|(state, context)| state.to_f64() * context).sum()
    }

    /// The mean of the states that have these scores.
    fn mean<'a, T: Real>(&self, scores: &[f64], state: impl Fn(usize) -> &'a [T]) -> Vec<T> {
        let highest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let (mut mean, mut total) = (vec![0.0; self.context.len()], 0.0);
        for (step, score) in scores.iter().enumerate() {
            let weight = (score - highest).exp();
            total += weight;
            mean.iter_mut().zip(state(step)).for_each(|(mean, state)| *mean += weight * state.to_f64());
        }
        mean.into_iter().map(|sum| T::from_f64(sum / total)).collect()
    }
}

/// The marks that a convolution reads together, most often one.
struct Mark<T> {
    x: Map<T>,
    conv: Convolution<T>,
    attention: Attention,
    states: Map<T>,
    /// Of each bin's state.
    scores: Vec<f64>,
    mean: Vec<T>,
}

impl<T: Real> Mark<T> {
    fn new((conv, attention): (&Conv1d, &ContextAttention), x: Map<T>) -> Result<Self, AttributionError> {
        let (conv, attention) = (Convolution::torch(conv, true)?, Attention::new(attention)?);
        let states = conv.map(&x);
        let scores: Vec<f64> = states.values.chunks_exact(states.channels).map(|state| attention.score(state)).collect();
        let mean = attention.mean(&scores, |bin| states.rows(bin..bin + 1));
        Ok(Self { x, conv, attention, states, scores, mean })
    }

    /// The mean where the edit changes it.
    fn edited(&self, values: impl Iterator<Item = (usize, T)>) -> Option<Vec<T>> {
        let edited = self.x.edited(values, self.conv.kernel()).into_iter();
        let patches: Vec<Patch<T>> = edited.filter_map(|patch| self.conv.patch(&self.x, &patch, &self.states)).collect();
        let patch = self.states.spanning(patches)?;
        let (range, width) = (patch.range(self.states.channels), self.states.channels);
        let mut scores = self.scores.clone();
        for (score, state) in scores[range.clone()].iter_mut().zip(patch.values.chunks_exact(width)) {
            *score = self.attention.score(state);
        }
        Some(self.attention.mean(&scores, |bin| match range.contains(&bin) {
            true => &patch.values[(bin - range.start) * width..][..width],
            false => self.states.rows(bin..bin + 1),
        }))
    }
}

struct AttentiveConvs<T> {
    marks: Vec<Mark<T>>,
    over_marks: Option<(Convolution<T>, Attention)>,
    head: Head,
    score: f64,
}

impl<T: Real> AttentiveConvs<T> {
    fn new(parts: &Parts<'_>, input: &Input) -> Result<Self, AttributionError> {
        let all = Map::of_marks(input);
        let inputs = all.channels / parts.marks.len();
        let mark = |(i, mark): (usize, &(&Conv1d, &ContextAttention))| {
            let columns = all.values.chunks_exact(all.channels).flat_map(|row| &row[i * inputs..(i + 1) * inputs]);
            Mark::new(*mark, Map { channels: inputs, values: columns.copied().collect() })
        };
        let marks = parts.marks.iter().enumerate().map(mark).collect::<Result<Vec<_>, _>>()?;
        let over = |over: &AttentiveConv| {
            Ok::<_, AttributionError>((Convolution::torch(&over.conv, true)?, Attention::new(&over.attention)?))
        };
        let over_marks = parts.over_marks.map(over).transpose()?;
        let mut kernel = Self { marks, over_marks, head: Head::new(parts.head)?, score: 0.0 };
        let nothing = vec![None; kernel.marks.len()];
        kernel.score = finite(kernel.score_with(&nothing))?;
        Ok(kernel)
    }

    /// F where these marks have other means.
    fn score_with(&self, edited: &[Option<Vec<T>>]) -> f64 {
        let means =
            self.marks.iter().zip(edited).flat_map(|(mark, edited)| edited.as_ref().unwrap_or(&mark.mean)).copied().collect();
        let summary = match &self.over_marks {
            None => means,
            Some((conv, attention)) => {
                let states = conv.map(&Map { channels: self.marks[0].mean.len(), values: means });
                let scores: Vec<f64> = states.values.chunks_exact(states.channels).map(|state| attention.score(state)).collect();
                attention.mean(&scores, |mark| states.rows(mark..mark + 1))
            }
        };
        self.head.scores(&summary)[0]
    }

    fn edited(&self, edit: &Edit) -> Option<f64> {
        let inputs = self.marks[0].x.channels;
        let k = self.marks.len() * inputs;
        let of_mark = |mark: usize| {
            let own = edit.marks.iter().filter(move |(index, _)| index % k / inputs == mark);
            own.map(move |&(index, value)| (index / k * inputs + index % k % inputs, T::from_f64(f64::from(value))))
        };
        let edited: Vec<Option<Vec<T>>> = self.marks.iter().enumerate().map(|(i, mark)| mark.edited(of_mark(i))).collect();
        edited.iter().any(Option::is_some).then(|| self.score_with(&edited))
    }
}

impl<T: Real> Evaluator for AttentiveConvs<T> {
    fn score(&self) -> f64 {
        self.score
    }

    fn chunk(&self) -> usize {
        64 * rayon::current_num_threads()
    }

    fn deltas(&self, edits: &[Edit]) -> Result<Vec<f64>, AttributionError> {
        check_finite(edits)?;
        // Where nothing changed, F is the same.
        let scores: Vec<f64> = edits.par_iter().map(|edit| self.edited(edit).unwrap_or(self.score)).collect();
        scores.into_iter().map(|score| Ok(finite(score)? - self.score)).collect()
    }
}
