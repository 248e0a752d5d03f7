//! DeepCAGE: an edited base reaches 15 outputs of the first convolution and five positions of its pool; each dense layer widens that by
//! one position to either side, so groups of channels change over stretches of their own. The wide convolutions add what each changed
//! row adds to the outputs over it, many edits in one product.

use super::maps::{Convolution, Flattened, Head, Map, Patch, Pooling, Scaling};
use super::{Edit, Evaluator, finite, numbers};
use crate::attribution::AttributionError;
use crate::genome::BaseOrder;
use crate::models::layers::{Packed, Real, Rows};
use crate::models::{DeepCage, DeepCageStage, Input, Model};
use candle_core::DType;
use rayon::prelude::*;
use std::ops::Range;

/// The kernel, where the network is DeepCAGE.
pub(super) fn build<'a>(model: &'a dyn Model, input: &'a Input) -> Option<Result<Box<dyn Evaluator + 'a>, AttributionError>> {
    let model = model.as_any().downcast_ref::<DeepCage>()?;
    fn boxed<'a, T: Real>(
        kernel: Result<DeepCageKernel<T>, AttributionError>,
    ) -> Result<Box<dyn Evaluator + 'a>, AttributionError> {
        Ok(Box::new(kernel?))
    }
    match model.dtype() {
        DType::F32 => Some(boxed(DeepCageKernel::<f32>::new(model, input))),
        DType::F64 => Some(boxed(DeepCageKernel::<f64>::new(model, input))),
        _ => None,
    }
}

/// Edits that go through the layers together.
const TOGETHER: usize = 24;
/// Changed rows in one product: what it writes stays in the second-level cache.
const ROWS: usize = 96;

/// A layer of a dense block.
struct DenseLayer<T> {
    norm: Scaling<T>,
    mix: Convolution<T>,
    conv: Convolution<T>,
    /// Output of `mix` for the unedited input.
    mixed: Map<T>,
}

struct Stage<T> {
    /// Of the input's groups of channels, `[channels of the group, kernel * filters]`: what a row adds to the outputs over it. Empty
    /// for the first stage, whose convolution is computed anew.
    taps: Vec<Packed<T>>,
    kernel: usize,
    /// The convolution with bias, before its ReLU.
    sums: Map<T>,
    norm: Scaling<T>,
    pool: usize,
    /// The convolution after ReLU and normalisation.
    conv: Map<T>,
    pooled: Map<T>,
    block: Vec<DenseLayer<T>>,
    /// Pooled convolution and the channels of the block's layers side by side.
    maps: Map<T>,
    /// Channels of each group: those of the convolution, then of each layer.
    groups: Vec<Range<usize>>,
}

/// What an edit changes in a stage's maps.
#[derive(Clone)]
struct Changed<T> {
    /// All channels, over the stretch that any group changes in.
    patch: Patch<T>,
    /// Where each group changes.
    ranges: Vec<Range<usize>>,
}

struct DeepCageKernel<T> {
    order: BaseOrder,
    x: Map<T>,
    /// The first convolution, before its ReLU.
    first: Convolution<T>,
    stages: Vec<Stage<T>>,
    dense: Flattened<T>,
    head: Head,
    score: f64,
}

impl<T: Real> Stage<T> {
    /// The stage behind `x`, whose channels come in `groups`; `sums` is its convolution.
    fn new(stage: &DeepCageStage, groups: &[Range<usize>], sums: Map<T>) -> Result<Self, AttributionError> {
        let (filters, kernel, channels) = stage.conv.weight.dims3()?;
        let weight: Vec<T> = numbers(&stage.conv.weight)?;
        let mut taps = Vec::new();
        for group in groups {
            // Element (channel, tap * filters + filter).
            let turned: Vec<T> = group
                .clone()
                .flat_map(|c| (0..kernel * filters).map(move |i| (c, i / filters, i % filters)))
                .map(|(c, tap, filter)| weight[(filter * kernel + tap) * channels + c])
                .collect();
            taps.push(Packed::new(&turned, group.len(), kernel * filters, kernel * filters, 1));
        }
        let norm = Scaling::new(stage.norm.scale_and_shift()?, false);
        let mut conv = Map { channels: filters, values: sums.values.clone() };
        rectify(&mut conv.values);
        norm.apply(&mut conv.values);
        let pooled = Pooling::Largest.map(&conv, stage.pool);
        let mut maps = Map { channels: filters, values: pooled.values.clone() };
        let mut own_groups: Vec<Range<usize>> = std::iter::once(0..filters).collect();
        let mut block = Vec::new();
        for layer in &stage.block {
            let norm = Scaling::new(layer.norm.scale_and_shift()?, true);
            let mix = Convolution::normed(&layer.mix)?;
            let growth = layer.conv.weight.dim(0)?;
            let three = Convolution::new(&layer.conv.weight, &layer.conv.bias, [1, 1], false)?;
            let mut rectified = Map { channels: maps.channels, values: maps.values.clone() };
            norm.apply(&mut rectified.values);
            let mixed = mix.map(&rectified);
            let new = three.map(&mixed);
            own_groups.push(maps.channels..maps.channels + growth);
            let values = (0..maps.len()).flat_map(|p| maps.rows(p..p + 1).iter().chain(new.rows(p..p + 1)).copied()).collect();
            maps = Map { channels: maps.channels + growth, values };
            block.push(DenseLayer { norm, mix, conv: three, mixed });
        }
        Ok(Self { taps, kernel, sums, norm, pool: stage.pool, conv, pooled, block, maps, groups: own_groups })
    }

    /// What changed sums of the convolution change in the stage's maps.
    fn changed(&self, mut patch: Patch<T>) -> Option<Changed<T>> {
        rectify(&mut patch.values);
        self.norm.apply(&mut patch.values);
        let patch = self.conv.trimmed(patch)?;
        let filters = self.conv.channels;
        let base = Pooling::Largest.patch(&self.conv, &patch, self.pool, &self.pooled)?;
        let mut ranges = vec![base.range(filters)];
        // Every layer's three positions reach one further to either side.
        let reach = |range: &Range<usize>, by: usize| range.start.saturating_sub(by)..(range.end + by).min(self.maps.len());
        let all = reach(&ranges[0], self.block.len());
        let mut values = self.maps.rows(all.clone()).to_vec();
        let channels = self.maps.channels;
        lay(&mut values, channels, &base.values, filters, ranges[0].start - all.start, 0);
        for (layer, group) in self.block.iter().zip(&self.groups[1..]) {
            let changed = ranges.last().cloned().unwrap_or(0..0);
            let rows = &values[(changed.start - all.start) * channels..(changed.end - all.start) * channels];
            let mut rectified: Vec<T> = rows.chunks_exact(channels).flat_map(|row| &row[..group.start]).copied().collect();
            layer.norm.apply(&mut rectified);
            let mixed = Patch { from: changed.start, values: layer.mix.products(&rectified, changed.len()) };
            let reached = reach(&changed, 1);
            let around = layer.mixed.patched(reached.start as isize - 1..reached.end as isize + 1, &mixed);
            let new = layer.conv.products(&around, reached.len());
            lay(&mut values, channels, &new, group.len(), reached.start - all.start, group.start);
            ranges.push(reached);
        }
        Some(Changed { patch: Patch { from: all.start, values }, ranges })
    }

    /// What changed maps of the stage before, `x`, change in this one's: many edits in one product a group of channels.
    fn follow(&self, x: &Stage<T>, edits: Vec<Option<Changed<T>>>) -> Vec<Option<Changed<T>>> {
        let (filters, before) = (self.sums.channels, x.maps.channels);
        let reached = |range: &Range<usize>| (range.start + 1).saturating_sub(self.kernel)..range.end.min(self.sums.len());
        let mut sums: Vec<Option<Patch<T>>> = (edits.iter())
            .map(|changed| {
                let all = &changed.as_ref()?.patch;
                let range = reached(&all.range(before));
                (!range.is_empty()).then(|| Patch { from: range.start, values: self.sums.rows(range).to_vec() })
            })
            .collect();
        for (group, taps) in x.groups.iter().enumerate() {
            // Rows that changed, with the edit and position of each.
            let mut places = Vec::new();
            let mut rows = Vec::new();
            for (edit, changed) in edits.iter().enumerate() {
                let Some(changed) = changed else { continue };
                for position in changed.ranges[group].clone() {
                    let columns = taps.clone();
                    let new = &changed.patch.values[(position - changed.patch.from) * before..][..before][columns.clone()];
                    let old = &x.maps.rows(position..position + 1)[columns];
                    if new != old {
                        rows.extend(new.iter().zip(old).map(|(new, old)| *new - *old));
                        places.push((edit, position));
                    }
                }
            }
            let (packed, depth) = (&self.taps[group], taps.len());
            let mut gains = vec![T::ZERO; ROWS.min(places.len()) * packed.padded()];
            for (places, rows) in places.chunks(ROWS).zip(rows.chunks(ROWS * depth)) {
                packed.multiply(rows, Rows::Adjacent(depth), places.len(), &mut gains, false);
                for (&(edit, position), gains) in places.iter().zip(gains.chunks_exact(packed.padded())) {
                    let Some(sums) = &mut sums[edit] else { continue };
                    let range = sums.range(filters);
                    for (tap, gain) in gains.chunks_exact(filters).take(self.kernel).enumerate() {
                        // Output `o` reads inputs `o` to `o + kernel`.
                        if position >= tap && range.contains(&(position - tap)) {
                            let to = &mut sums.values[(position - tap - range.start) * filters..][..filters];
                            to.iter_mut().zip(gain).for_each(|(sum, gain)| *sum += *gain);
                        }
                    }
                }
            }
        }
        sums.into_iter().map(|patch| self.changed(patch?)).collect()
    }
}

fn rectify<T: Real>(values: &mut [T]) {
    // NaN is not below 0, so it stays.
    values.iter_mut().for_each(|y| *y = if *y < T::ZERO { T::ZERO } else { *y });
}

/// Lays rows of `width` channels into rows of `channels`, from a row and channel on.
fn lay<T: Copy>(into: &mut [T], channels: usize, rows: &[T], width: usize, row: usize, channel: usize) {
    for (into, rows) in into[row * channels..].chunks_exact_mut(channels).zip(rows.chunks_exact(width)) {
        into[channel..channel + width].copy_from_slice(rows);
    }
}

impl<T: Real> DeepCageKernel<T> {
    fn new(model: &DeepCage, input: &Input) -> Result<Self, AttributionError> {
        let batch = input.batch(model.dtype())?;
        let no_dna = || AttributionError::NotApplicable("the network reads no DNA".to_owned());
        let sequence = batch.sequence.as_ref().ok_or_else(no_dna)?;
        let x = Map { channels: sequence.dim(2)?, values: numbers(sequence)? };
        let sums = |stage: &DeepCageStage| Convolution::<T>::new(&stage.conv.weight, &stage.conv.bias, [0, 0], false);
        let first = sums(&model.stages[0])?;
        let mut stages = vec![Stage::new(&model.stages[0], &[], first.map(&x))?];
        for stage in &model.stages[1..] {
            let before = &stages[stages.len() - 1];
            let next = Stage::new(stage, &before.groups, sums(stage)?.map(&before.maps))?;
            stages.push(next);
        }
        let factors: Vec<T> = match (&batch.expression, &batch.motif_scores) {
            (Some(expression), Some(scores)) => numbers(&model.products(expression, scores)?)?,
            _ => Vec::new(),
        };
        let [weight, bias] = model.dense.folded()?;
        let dense = Flattened::new(&numbers::<T>(&weight)?, numbers(&bias)?, &stages[stages.len() - 1].maps, &factors);
        let (head, order) = (Head::new(&model.output)?, input.base_order());
        let mut kernel = Self { order, x, first, stages, dense, head, score: 0.0 };
        // The unedited input goes the way of the edited ones, so that equal maps give equal bits.
        kernel.score = finite(kernel.scores(&[&Patch { from: 0, values: Vec::new() }])[0])?;
        Ok(kernel)
    }

    /// F of each patch of the last stage's maps.
    fn scores(&self, patches: &[&Patch<T>]) -> Vec<f64> {
        let mut rows = self.dense.sums(patches);
        rectify(&mut rows);
        self.head.scores(&rows)
    }

    /// What an edit changes in the first stage's maps.
    fn changed(&self, edit: &Edit) -> Option<Changed<T>> {
        let rows = edit.bases.iter().flat_map(|&(index, base)| {
            let channel = self.order.channel(base);
            (0..4).map(move |c| (index * 4 + c, if Some(c) == channel { T::ONE } else { T::ZERO }))
        });
        let patch = self.x.edited(rows, usize::MAX).pop()?;
        self.stages[0].changed(self.first.patch(&self.x, &patch, &self.stages[0].sums)?)
    }
}

impl<T: Real> Evaluator for DeepCageKernel<T> {
    fn score(&self) -> f64 {
        self.score
    }

    fn chunk(&self) -> usize {
        2 * TOGETHER * rayon::current_num_threads()
    }

    fn together(&self) -> usize {
        TOGETHER
    }

    fn deltas(&self, edits: &[Edit]) -> Result<Vec<f64>, AttributionError> {
        let groups: Vec<Vec<f64>> = edits
            .par_chunks(TOGETHER)
            .map(|edits| {
                let mut changed: Vec<Option<Changed<T>>> = edits.iter().map(|edit| self.changed(edit)).collect();
                for stages in self.stages.windows(2) {
                    changed = stages[1].follow(&stages[0], changed);
                }
                let patches: Vec<&Patch<T>> = changed.iter().flatten().map(|changed| &changed.patch).collect();
                let mut scores = self.scores(&patches).into_iter();
                // Where nothing changed, F is the same.
                changed.iter().map(|c| c.as_ref().and_then(|_| scores.next()).unwrap_or(self.score)).collect()
            })
            .collect();
        groups.into_iter().flatten().map(|score| Ok(finite(score)? - self.score)).collect()
    }
}
