//! iSEGnet: an edited base or track value reaches 20 outputs of the first convolution, 39 of the second and at most three of the 99
//! positions that the dense layers read; everything else is read from the maps of the unedited input.

use super::maps::{Convolution, Flattened, Head, Map, Patch, Pooling};
use super::{Edit, Evaluator, check_finite, finite, numbers};
use crate::attribution::AttributionError;
use crate::genome::BaseOrder;
use crate::models::layers::Real;
use crate::models::{Input, Isegnet, IsegnetView, Model};
use candle_core::{DType, Tensor};
use rayon::prelude::*;

/// The kernel, where the network is iSEGnet.
pub(super) fn build<'a>(model: &'a dyn Model, input: &'a Input) -> Option<Result<Box<dyn Evaluator + 'a>, AttributionError>> {
    let model = model.as_any().downcast_ref::<Isegnet>()?;
    fn boxed<'a, T: Real>(
        kernel: Result<IsegnetKernel<T>, AttributionError>,
    ) -> Result<Box<dyn Evaluator + 'a>, AttributionError> {
        Ok(Box::new(kernel?))
    }
    match model.dtype() {
        DType::F32 => Some(boxed(IsegnetKernel::<f32>::new(model, input))),
        DType::F64 => Some(boxed(IsegnetKernel::<f64>::new(model, input))),
        _ => None,
    }
}

/// Edits whose dense layers run together.
const TOGETHER: usize = 16;

struct View<T> {
    /// Where DNA is read: the order of its channels.
    order: Option<BaseOrder>,
    x: Map<T>,
    convs: [Convolution<T>; 2],
    maps: [Map<T>; 2],
    pool: usize,
    pooled: Map<T>,
}

struct IsegnetKernel<T> {
    /// Marks before sequence, as their channels are joined.
    views: Vec<View<T>>,
    /// Pooled maps of the views side by side.
    joined: Map<T>,
    merged: [Convolution<T>; 2],
    maps: [Map<T>; 2],
    pool: usize,
    last: Map<T>,
    first_dense: Flattened<T>,
    dense: [Convolution<T>; 2],
    head: Head,
    score: f64,
}

impl<T: Real> View<T> {
    fn new(view: &IsegnetView, x: &Tensor, order: Option<BaseOrder>) -> Result<Self, AttributionError> {
        let x = Map { channels: x.dim(2)?, values: numbers(x)? };
        let convs = [Convolution::normed(&view.convs[0])?, Convolution::normed(&view.convs[1])?];
        let first = convs[0].map(&x);
        let second = convs[1].map(&first);
        let pooled = Pooling::Mean.map(&second, view.pool);
        Ok(Self { order, x, convs, maps: [first, second], pool: view.pool, pooled })
    }

    /// What an edit changes in the pooled map. Blocks that no window of the pool sees both of are computed on their own, not with all
    /// that lies between them.
    fn patch(&self, edit: &Edit) -> Option<Patch<T>> {
        let gap = self.convs.iter().map(Convolution::kernel).sum::<usize>() + self.pool;
        let edited = match self.order {
            Some(order) => {
                let rows = edit.bases.iter().flat_map(|&(index, base)| {
                    let channel = order.channel(base);
                    (0..4).map(move |c| (index * 4 + c, if Some(c) == channel { T::ONE } else { T::ZERO }))
                });
                self.x.edited(rows, gap)
            }
            None => self.x.edited(edit.marks.iter().map(|&(index, value)| (index, T::from_f64(f64::from(value)))), gap),
        };
        let pooled = edited.into_iter().filter_map(|patch| {
            let patch = self.convs[0].patch(&self.x, &patch, &self.maps[0])?;
            let patch = self.convs[1].patch(&self.maps[0], &patch, &self.maps[1])?;
            Pooling::Mean.patch(&self.maps[1], &patch, self.pool, &self.pooled)
        });
        self.pooled.spanning(pooled.collect())
    }
}

impl<T: Real> IsegnetKernel<T> {
    fn new(model: &Isegnet, input: &Input) -> Result<Self, AttributionError> {
        let batch = input.batch(model.dtype())?;
        let mut views = Vec::new();
        let order = Some(input.base_order());
        for (view, x, order) in [(&model.marks, &batch.marks, None), (&model.sequence, &batch.sequence, order)] {
            if let (Some(view), Some(x)) = (view, x) {
                views.push(View::<T>::new(view, x, order)?);
            }
        }
        let positions = views.first().map_or(0, |view| view.pooled.len());
        let joined = Map {
            channels: views.iter().map(|view| view.pooled.channels).sum(),
            values: (0..positions).flat_map(|p| views.iter().flat_map(move |v| v.pooled.rows(p..p + 1)).copied()).collect(),
        };
        let merged = [Convolution::normed(&model.merged[0])?, Convolution::normed(&model.merged[1])?];
        let first = merged[0].map(&joined);
        let second = merged[1].map(&first);
        let last = Pooling::Mean.map(&second, model.pool);
        let [weight, bias] = model.dense[0].folded()?;
        let first_dense = Flattened::new(&numbers::<T>(&weight)?, numbers(&bias)?, &last, &[]);
        let mut kernel = Self {
            views,
            joined,
            merged,
            maps: [first, second],
            pool: model.pool,
            last,
            first_dense,
            dense: [Convolution::normed(&model.dense[1])?, Convolution::normed(&model.dense[2])?],
            head: Head::new(&model.output)?,
            score: 0.0,
        };
        // The unedited input goes the way of the edited ones, so that equal maps give equal bits.
        let nothing = Patch { from: 0, values: Vec::new() };
        kernel.score = finite(kernel.scores(&[&nothing])[0])?;
        Ok(kernel)
    }

    /// What an edit changes in the last map.
    fn patch(&self, edit: &Edit) -> Option<Patch<T>> {
        let patches: Vec<Option<Patch<T>>> = self.views.iter().map(|view| view.patch(edit)).collect();
        let ranges = || self.views.iter().zip(&patches).filter_map(|(v, p)| p.as_ref().map(|p| p.range(v.pooled.channels)));
        let range = ranges().map(|r| r.start).min()?..ranges().map(|r| r.end).max()?;
        let mut patch = Patch { from: range.start, values: self.joined.rows(range).to_vec() };
        let mut before = 0;
        for (view, of_view) in self.views.iter().zip(&patches) {
            let channels = view.pooled.channels;
            if let Some(of_view) = of_view {
                for (i, row) in of_view.values.chunks_exact(channels).enumerate() {
                    let at = (of_view.from + i - patch.from) * self.joined.channels + before;
                    patch.values[at..at + channels].copy_from_slice(row);
                }
            }
            before += channels;
        }
        let patch = self.merged[0].patch(&self.joined, &patch, &self.maps[0])?;
        let patch = self.merged[1].patch(&self.maps[0], &patch, &self.maps[1])?;
        Pooling::Mean.patch(&self.maps[1], &patch, self.pool, &self.last)
    }

    /// F of each patch of the last map.
    fn scores(&self, patches: &[&Patch<T>]) -> Vec<f64> {
        let mut rows = self.first_dense.sums(patches);
        rows.iter_mut().for_each(|y| *y = if *y < T::ZERO { T::ZERO } else { *y });
        for dense in &self.dense {
            rows = dense.products(&rows, patches.len());
        }
        self.head.scores(&rows)
    }
}

impl<T: Real> Evaluator for IsegnetKernel<T> {
    fn score(&self) -> f64 {
        self.score
    }

    fn chunk(&self) -> usize {
        16 * TOGETHER * rayon::current_num_threads()
    }

    fn together(&self) -> usize {
        TOGETHER
    }

    fn deltas(&self, edits: &[Edit]) -> Result<Vec<f64>, AttributionError> {
        check_finite(edits)?;
        let patches: Vec<Option<Patch<T>>> = edits.par_iter().map(|edit| self.patch(edit)).collect();
        let groups: Vec<Vec<f64>> = patches
            .par_chunks(TOGETHER)
            .map(|patches| {
                let changed: Vec<&Patch<T>> = patches.iter().flatten().collect();
                let mut scores = self.scores(&changed).into_iter();
                // Where nothing changed, F is the same.
                patches.iter().map(|patch| patch.as_ref().and_then(|_| scores.next()).unwrap_or(self.score)).collect()
            })
            .collect();
        groups.into_iter().flatten().map(|score| Ok(finite(score)? - self.score)).collect()
    }
}
