//! DeepChrome and the MLP: an edited bin reaches the windows of the convolution that read it, where there is one; of the dense layer over
//! all positions the products of those that changed are replaced.

use super::maps::{Convolution, Flattened, Head, Map, Patch, Pooling};
use super::{Edit, Evaluator, check_finite, finite, numbers};
use crate::attribution::AttributionError;
use crate::models::layers::{Linear, Real};
use crate::models::{DeepChrome, Input, Mlp, Model};
use candle_core::DType;
use rayon::prelude::*;

/// The kernel, where the network is DeepChrome or an MLP.
pub(super) fn build<'a>(model: &'a dyn Model, input: &'a Input) -> Option<Result<Box<dyn Evaluator + 'a>, AttributionError>> {
    fn boxed<'a, T: Real>(model: &dyn Model, input: &Input) -> Option<Result<Box<dyn Evaluator + 'a>, AttributionError>> {
        let kernel = DenseBins::<T>::of(model, Map::of_marks(input))?;
        Some(kernel.map(|kernel| Box::new(kernel) as Box<dyn Evaluator + 'a>))
    }
    match model.dtype() {
        DType::F32 => boxed::<f32>(model, input),
        DType::F64 => boxed::<f64>(model, input),
        _ => None,
    }
}

/// Edits whose dense layers run together.
const TOGETHER: usize = 16;

/// A convolution and its pool, with their maps of the unedited input.
struct Pooled<T> {
    conv: Convolution<T>,
    map: Map<T>,
    pool: usize,
    pooled: Map<T>,
}

struct DenseBins<T> {
    x: Map<T>,
    layer: Option<Pooled<T>>,
    first: Flattened<T>,
    second: Convolution<T>,
    head: Head,
    score: f64,
}

impl<T: Real> DenseBins<T> {
    fn of(model: &dyn Model, x: Map<T>) -> Option<Result<Self, AttributionError>> {
        let model = model.as_any();
        if let Some(net) = model.downcast_ref::<DeepChrome>() {
            let layer = Convolution::torch(&net.conv, false).map(|conv| {
                let map = conv.map(&x);
                Pooled { pooled: Pooling::Largest.map(&map, net.pool), conv, map, pool: net.pool }
            });
            // F is the logit of high: the first class less the second.
            return Some(layer.and_then(|layer| Self::new(x, Some(layer), &net.dense, Head::difference(&net.dense[2])?)));
        }
        let net = model.downcast_ref::<Mlp>()?;
        Some(Head::new(&net.dense[2]).and_then(|head| Self::new(x, None, &net.dense, head)))
    }

    fn new(x: Map<T>, layer: Option<Pooled<T>>, dense: &[Linear], head: Head) -> Result<Self, AttributionError> {
        let last = layer.as_ref().map_or(&x, |layer| &layer.pooled);
        let bias = dense[0].bias.as_ref().map_or_else(|| Ok(vec![T::ZERO; dense[0].weight.dim(0)?]), numbers)?;
        let first = Flattened::new(&numbers::<T>(&dense[0].weight)?, bias, last, &[]);
        let mut kernel = Self { x, layer, first, second: Convolution::dense(&dense[1])?, head, score: 0.0 };
        // The unedited input goes the way of the edited ones, so that equal maps give equal bits.
        kernel.score = finite(kernel.scores(&[&Patch { from: 0, values: Vec::new() }])[0])?;
        Ok(kernel)
    }

    /// What an edit changes in the map that the dense layers read.
    fn patch(&self, edit: &Edit) -> Option<Patch<T>> {
        let values = edit.marks.iter().map(|&(index, value)| (index, T::from_f64(f64::from(value))));
        let Some(layer) = &self.layer else {
            return self.x.edited(values, usize::MAX).pop();
        };
        let edited = self.x.edited(values, layer.conv.kernel() + layer.pool).into_iter();
        let pooled = edited.filter_map(|patch| {
            let patch = layer.conv.patch(&self.x, &patch, &layer.map)?;
            Pooling::Largest.patch(&layer.map, &patch, layer.pool, &layer.pooled)
        });
        layer.pooled.spanning(pooled.collect())
    }

    /// F of each patch of that map.
    fn scores(&self, patches: &[&Patch<T>]) -> Vec<f64> {
        let mut rows = self.first.sums(patches);
        rows.iter_mut().for_each(|y| *y = if *y < T::ZERO { T::ZERO } else { *y });
        self.head.scores(&self.second.products(&rows, patches.len()))
    }
}

impl<T: Real> Evaluator for DenseBins<T> {
    fn score(&self) -> f64 {
        self.score
    }

    fn chunk(&self) -> usize {
        8 * TOGETHER * rayon::current_num_threads()
    }

    fn together(&self) -> usize {
        TOGETHER
    }

    fn deltas(&self, edits: &[Edit]) -> Result<Vec<f64>, AttributionError> {
        check_finite(edits)?;
        let groups: Vec<Vec<f64>> = edits
            .par_chunks(TOGETHER)
            .map(|edits| {
                let patches: Vec<Option<Patch<T>>> = edits.iter().map(|edit| self.patch(edit)).collect();
                let changed: Vec<&Patch<T>> = patches.iter().flatten().collect();
                let mut scores = self.scores(&changed).into_iter();
                // Where nothing changed, F is the same.
                patches.iter().map(|patch| patch.as_ref().and_then(|_| scores.next()).unwrap_or(self.score)).collect()
            })
            .collect();
        groups.into_iter().flatten().map(|score| Ok(finite(score)? - self.score)).collect()
    }
}
