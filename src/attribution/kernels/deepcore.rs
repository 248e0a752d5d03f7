//! DeepCORE: what an edit cannot reach is read from a cache.
//!
//! An edited base moves the `kernel` convolution outputs over it, so it moves the maxima of one or two pooling windows; where no
//! maximum changes, F is the same number. Otherwise the forward LSTM runs from the first changed bin and the reverse one from the
//! last, each from the cached state before it; the other view, and each direction on its unchanged side, keep their share of every
//! bin's attention. The published head has no activation, so it is folded into one weight a state and F is
//! `sum_bins attention * value + offset`.

use super::alone::Columns;
use super::deepcore_view::{Changes, PADDED, View};
use super::lanes::{Gates, LANES, Rows, add_product, is_spread, load, pairs, splat4, spread, store};
use super::{Edit, Evaluator, check_finite, finite, numbers};
use crate::attribution::AttributionError;
use crate::models::layers::{Kernel, Real, dispatch};
use crate::models::{DeepCore, Input, Model};
use candle_core::{DType, Tensor};
use pulp::Simd;
use rayon::prelude::*;

/// The kernel, where the network is DeepCORE.
pub(super) fn build<'a>(model: &'a dyn Model, input: &'a Input) -> Option<Result<Box<dyn Evaluator + 'a>, AttributionError>> {
    let model = model.as_any().downcast_ref::<DeepCore>().filter(|model| model.has_bilstm())?;
    fn boxed<'a, T: Real>(
        kernel: Result<DeepCoreKernel<T>, AttributionError>,
    ) -> Result<Box<dyn Evaluator + 'a>, AttributionError> {
        Ok(Box::new(kernel?))
    }
    match model.dtype() {
        DType::F32 => Some(boxed(DeepCoreKernel::<f32>::new(model, input))),
        DType::F64 => Some(boxed(DeepCoreKernel::<f64>::new(model, input))),
        _ => None,
    }
}

/// Edits whose first changed bins lie further apart go into blocks of their own: a block runs from its first bin.
const SPAN: usize = 8;

/// A direction of one view: 2 a view, forward before reverse.
type Part = usize;

struct DeepCoreKernel<T> {
    views: Vec<View<T>>,
    bins: usize,
    /// Of every part, hidden layer of the attention and, as last row, the folded head.
    heads: Vec<Rows<T>>,
    /// Weights of the attention's score, one a hidden unit.
    score_weights: Vec<T>,
    score_bias: T,
    /// Of the folded head.
    offset: f64,
    /// `[part][bins][rows]`: what each part adds to the rows of its `heads`.
    shares: Vec<Vec<T>>,
    /// `[part][bins][rows]`: bias and shares of the parts before it, in their order.
    before: Vec<Vec<T>>,
    /// `[bins]`: score of each bin, and what attention weighs there.
    scores: Vec<T>,
    values: Vec<T>,
    score: f64,
}

impl<T: Real> DeepCoreKernel<T> {
    fn new(model: &DeepCore, input: &Input) -> Result<Self, AttributionError> {
        let batch = input.batch(model.dtype())?;
        let views = [(&model.sequence, &batch.sequence, true), (&model.marks, &batch.marks, false)];
        let views = views.into_par_iter().filter_map(|(view, x, is_sequence)| {
            Some(View::<T>::new(view.as_ref()?, x.as_ref()?, is_sequence.then_some(input.base_order())))
        });
        let views = views.collect::<Result<Vec<_>, _>>()?;
        let bins = views.first().map_or(0, View::bins);
        let [hidden, score] = &model.attention;
        let (attention, states) = hidden.weight.dims2()?;
        let hidden_weights = numbers::<T>(&hidden.weight)?;
        let (folded, offset) = fold(&model.head)?;
        let parts = 2 * views.len();
        let width = states / parts.max(1);
        let weight = |part: usize, row: usize, i: usize| match row < attention {
            true => hidden_weights[row * states + part * width + i],
            false => T::from_f64(folded[part * width + i]),
        };
        let rows = (attention + 1).next_multiple_of(4);
        let mut bias = vec![T::ZERO; rows];
        if let Some(b) = &hidden.bias {
            bias[..attention].copy_from_slice(&numbers::<T>(b)?);
        }
        let shares = (0..parts).into_par_iter().map(|part| {
            let head = Columns::new(attention + 1, width, |row, i| weight(part, row, i));
            let states = &views[part / 2].directions[part % 2].unedited.states;
            head.products(states, rows)
        });
        let shares: Vec<Vec<T>> = shares.collect();
        let mut before = vec![bias.repeat(bins)];
        for shares in &shares[..parts.saturating_sub(1)] {
            let sum = |(before, share): (&T, &T)| *before + *share;
            before.push(before[before.len() - 1].iter().zip(shares).map(sum).collect());
        }
        let mut kernel = Self {
            views,
            bins,
            heads: (0..parts).map(|part| Rows::new(attention + 1, width, |row, i| weight(part, row, i))).collect(),
            score_weights: numbers(&score.weight)?,
            score_bias: score.bias.as_ref().map_or(Ok(vec![T::ZERO]), numbers::<T>)?[0],
            offset,
            shares,
            before,
            scores: Vec::new(),
            values: Vec::new(),
            score: 0.0,
        };
        (kernel.scores, kernel.values) = dispatch(Unedited(&kernel));
        // As a lane is: an edit that changes nothing gives the same bits.
        let lanes = [&kernel.scores, &kernel.values].map(|numbers| {
            let mut lanes = vec![T::ZERO; bins * LANES];
            spread(numbers, &mut lanes);
            lanes
        });
        kernel.score = attend(&lanes[0], &lanes[1])[0] + kernel.offset;
        finite(kernel.score)?;
        Ok(kernel)
    }

    fn rows(&self) -> usize {
        (self.score_weights.len() + 1).next_multiple_of(4)
    }
}

/// The head's three layers as one: weights of the states, and offset.
fn fold(head: &[crate::models::layers::Linear; 3]) -> Result<(Vec<f64>, f64), AttributionError> {
    let mut weights: Option<Tensor> = None;
    let mut offset = 0.0;
    for layer in head.iter().rev() {
        let weight = layer.weight.to_dtype(DType::F64)?;
        let after = weights.unwrap_or(Tensor::ones((1, weight.dim(0)?), DType::F64, weight.device())?);
        if let Some(bias) = &layer.bias {
            let bias = bias.to_dtype(DType::F64)?.unsqueeze(1)?;
            offset += after.matmul(&bias)?.sum_all()?.to_scalar::<f64>()?;
        }
        weights = Some(after.matmul(&weight)?);
    }
    Ok((weights.map_or(Ok(Vec::new()), |w| numbers::<f64>(&w))?, offset))
}

impl<T: Real> Evaluator for DeepCoreKernel<T> {
    fn score(&self) -> f64 {
        self.score
    }

    fn chunk(&self) -> usize {
        // A block takes about 0.4 ms in f32; f64 has no fast tanh.
        let blocks = if T::DTYPE == DType::F32 { 16 } else { 1 };
        blocks * LANES * rayon::current_num_threads()
    }

    fn together(&self) -> usize {
        LANES
    }

    fn deltas(&self, edits: &[Edit]) -> Result<Vec<f64>, AttributionError> {
        check_finite(edits)?;
        let changes: Vec<Vec<Changes<T>>> =
            edits.par_iter().with_min_len(8).map(|edit| self.views.iter().map(|view| view.changes(edit)).collect()).collect();
        // Where no pooled value changed, F is the same.
        let mut changed: Vec<usize> = (0..edits.len()).filter(|&i| changes[i].iter().any(|view| !view.is_empty())).collect();
        let first = |i: usize| changes[i].iter().filter_map(Changes::first).min().unwrap_or(0);
        let last = |i: usize| changes[i].iter().filter_map(Changes::last).max().unwrap_or(0);
        changed.sort_by_key(|&i| (first(i), last(i)));
        let mut blocks: Vec<&[usize]> = Vec::new();
        let mut rest = &changed[..];
        while let Some(&head) = rest.first() {
            let near = rest.iter().take(LANES).take_while(|&&i| first(i) <= first(head) + SPAN).count();
            let (block, after) = rest.split_at(near);
            blocks.push(block);
            rest = after;
        }
        let scores: Vec<[f64; LANES]> = blocks
            .par_iter()
            .map(|block| {
                let lanes: Vec<&[Changes<T>]> = block.iter().map(|&i| &changes[i][..]).collect();
                dispatch(Block::new(self, &lanes))
            })
            .collect();
        let mut deltas = vec![0.0; edits.len()];
        for (block, scores) in blocks.iter().zip(scores) {
            for (&i, score) in block.iter().zip(scores) {
                deltas[i] = finite(score)? - self.score;
            }
        }
        Ok(deltas)
    }
}

/// The unedited input's score of each bin and what attention weighs there, with the sums of [`Block::add_share`].
struct Unedited<'a, T>(&'a DeepCoreKernel<T>);

impl<T: Real> Kernel for Unedited<'_, T> {
    type Output = (Vec<T>, Vec<T>);

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Self::Output {
        let Self(kernel) = self;
        let (rows, units) = (kernel.rows(), kernel.score_weights.len());
        let (mut scores, mut values) = (Vec::with_capacity(kernel.bins), Vec::with_capacity(kernel.bins));
        let mut sums = vec![T::ZERO; rows.next_multiple_of(PADDED)];
        let mut score = [T::ZERO; PADDED];
        for bin in 0..kernel.bins {
            let last = kernel.shares.len() - 1;
            let of_bin = kernel.before[last][bin * rows..].iter().zip(&kernel.shares[last][bin * rows..][..rows]);
            sums.iter_mut().zip(of_bin).for_each(|(sum, (before, share))| *sum = *before + *share);
            values.push(sums[units]);
            for hidden in T::vectors_mut::<S>(&mut sums) {
                *hidden = T::tanh(simd, *hidden);
            }
            let mut sum = T::splat(simd, kernel.score_bias);
            for (weight, hidden) in kernel.score_weights.iter().zip(&sums) {
                sum = T::fused(simd, T::splat(simd, *weight), T::splat(simd, *hidden), sum);
            }
            T::vectors_mut::<S>(&mut score)[0] = sum;
            scores.push(score[0]);
        }
        (scores, values)
    }
}

/// Up to [`LANES`] edits, evaluated together.
struct Block<'a, T> {
    kernel: &'a DeepCoreKernel<T>,
    /// Changes of each view, an edit a lane.
    lanes: &'a [&'a [Changes<T>]],
    /// First and last changed bin of each view over all lanes.
    ranges: Vec<Option<(usize, usize)>>,
}

impl<'a, T: Real> Block<'a, T> {
    fn new(kernel: &'a DeepCoreKernel<T>, lanes: &'a [&'a [Changes<T>]]) -> Self {
        let range = |view: usize| {
            let first = lanes.iter().filter_map(|lane| lane[view].first()).min()?;
            Some((first, lanes.iter().filter_map(|lane| lane[view].last()).max()?))
        };
        Self { kernel, lanes, ranges: (0..kernel.views.len()).map(range).collect() }
    }

    /// Whether a part's states may differ from the cached ones at a bin.
    #[inline(always)]
    fn is_changed(&self, part: Part, bin: usize) -> bool {
        match self.ranges[part / 2] {
            Some((_, last)) if part % 2 == 1 => bin <= last,
            Some((first, _)) => bin >= first,
            None => false,
        }
    }

    /// Gates `[unit][4][LANES]` of the bins where a lane's pooled values changed, of both directions.
    #[inline(always)]
    fn changed_gates<S: Simd>(&self, simd: S, view: usize) -> Vec<Option<[Vec<T>; 2]>> {
        let of = &self.kernel.views[view];
        let mut gates = vec![None; self.kernel.bins];
        let mut bins: Vec<usize> = self.lanes.iter().flat_map(|lane| lane[view].bins()).collect();
        bins.sort_unstable();
        bins.dedup();
        let mut x = vec![T::ZERO; of.filters() * LANES];
        for bin in bins {
            spread(of.pooled(bin), &mut x);
            for (lane, changes) in self.lanes.iter().enumerate() {
                if let Some(row) = changes[view].row(bin) {
                    row.iter().enumerate().for_each(|(filter, value)| x[filter * LANES + lane] = *value);
                }
            }
            let [forward, reverse] = &of.directions;
            let mut both = [vec![T::ZERO; 4 * forward.lstm.hidden() * LANES], vec![T::ZERO; 4 * reverse.lstm.hidden() * LANES]];
            forward.lstm.project(simd, &x, &mut both[0]);
            reverse.lstm.project(simd, &x, &mut both[1]);
            gates[bin] = Some(both);
        }
        gates
    }

    /// Runs one part from its first changed bin on; `waiting` holds rows of bins that later parts change too.
    #[inline(always)]
    fn run_part<S: Simd>(
        &self,
        simd: S,
        part: Part,
        gates: &[Option<[Vec<T>; 2]>],
        waiting: &mut [Option<Vec<T>>],
        (scores, values): (&mut [T], &mut [T]),
    ) {
        let Some((first, last)) = self.ranges[part / 2] else { return };
        let (kernel, direction) = (self.kernel, &self.kernel.views[part / 2].directions[part % 2]);
        let (bins, reverse, hidden) = (kernel.bins, part % 2 == 1, direction.lstm.hidden());
        let can_stop = self.ranges.iter().flatten().count() == 1;
        let mut state = vec![T::ZERO; hidden * LANES];
        let (mut cell, mut next) = (state.clone(), state.clone());
        let (from, count) = if reverse { (last, last + 1) } else { (first, bins - first) };
        if count < bins {
            let entering = if reverse { from + 1 } else { from - 1 };
            spread(&direction.unedited.states[entering * hidden..][..hidden], &mut state);
            spread(&direction.unedited.cells[entering * hidden..][..hidden], &mut cell);
        }
        for i in 0..count {
            let bin = if reverse { from - i } else { from + i };
            let entering = match &gates[bin] {
                Some(both) => Gates::Lanes(&both[part % 2]),
                None => Gates::Shared(&direction.unedited.gates[bin * 4 * hidden..][..4 * hidden]),
            };
            direction.lstm.step(simd, entering, &state, &mut cell, &mut next);
            std::mem::swap(&mut state, &mut next);
            let is_past = if reverse { bin < first } else { bin > last };
            let at = bin * hidden..(bin + 1) * hidden;
            // Every lane is back in the cached state: what follows is cached too.
            if can_stop
                && is_past
                && is_spread(&direction.unedited.states[at.clone()], &state)
                && is_spread(&direction.unedited.cells[at], &cell)
            {
                return;
            }
            let row = bin * LANES..(bin + 1) * LANES;
            self.add_share(simd, part, bin, &state, &mut waiting[bin], (&mut scores[row.clone()], &mut values[row]));
        }
    }

    /// Adds one part's share to the rows of a bin; with the last part that changed there, finishes the bin's score and value.
    #[inline(always)]
    fn add_share<S: Simd>(
        &self,
        simd: S,
        part: Part,
        bin: usize,
        state: &[T],
        waiting: &mut Option<Vec<T>>,
        (score, value): (&mut [T], &mut [T]),
    ) {
        let (kernel, rows, units) = (self.kernel, self.kernel.rows(), self.kernel.score_weights.len());
        let parts = kernel.heads.len();
        let until = (part + 1..parts).find(|&later| self.is_changed(later, bin)).unwrap_or(parts);
        let mut begun = waiting.take();
        let mut kept = (until < parts).then(|| {
            begun.take().unwrap_or_else(|| {
                let mut rows_of_lanes = vec![T::ZERO; rows * LANES];
                spread(&kernel.before[part][bin * rows..][..rows], &mut rows_of_lanes);
                rows_of_lanes
            })
        });
        for q in 0..pairs::<T, S>() {
            let mut sum = [T::splat(simd, kernel.score_bias); 2];
            for (group, weights) in kernel.heads[part].groups() {
                let zero = [[T::splat(simd, T::ZERO); 2]; 4];
                let mut sums = add_product(simd, zero, weights, state, q);
                let at = bin * rows + 4 * group;
                let shared = splat4(simd, &kernel.before[part][at..]);
                for (row, sums) in sums.iter_mut().enumerate() {
                    let lanes = (4 * group + row) * LANES;
                    let begun = match (&kept, &begun) {
                        (Some(rows), _) | (None, Some(rows)) => load::<T, S>(&rows[lanes..], q),
                        (None, None) => shared[row],
                    };
                    *sums = [T::plus(simd, begun[0], sums[0]), T::plus(simd, begun[1], sums[1])];
                    for shares in &kernel.shares[part + 1..until] {
                        let share = T::splat(simd, shares[at + row]);
                        *sums = [T::plus(simd, sums[0], share), T::plus(simd, sums[1], share)];
                    }
                }
                if let Some(rows) = &mut kept {
                    for (row, sums) in sums.into_iter().enumerate() {
                        store::<T, S>(&mut rows[(4 * group + row) * LANES..], q, sums);
                    }
                    continue;
                }
                let [above_a, below_a] = T::tanh_fractions(simd, [sums[0][0], sums[1][0], sums[2][0], sums[3][0]]);
                let [above_b, below_b] = T::tanh_fractions(simd, [sums[0][1], sums[1][1], sums[2][1], sums[3][1]]);
                for row in 0..4 {
                    if 4 * group + row < units {
                        let weight = T::splat(simd, kernel.score_weights[4 * group + row]);
                        let tanh = [T::over(simd, above_a[row], below_a[row]), T::over(simd, above_b[row], below_b[row])];
                        sum = [T::fused(simd, weight, tanh[0], sum[0]), T::fused(simd, weight, tanh[1], sum[1])];
                    } else if 4 * group + row == units {
                        store::<T, S>(value, q, sums[row]);
                    }
                }
            }
            if kept.is_none() {
                store::<T, S>(score, q, sum);
            }
        }
        *waiting = kept;
    }
}

impl<T: Real> Kernel for Block<'_, T> {
    /// F of each lane.
    type Output = [f64; LANES];

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Self::Output {
        let kernel = self.kernel;
        let (mut scores, mut values) = (vec![T::ZERO; kernel.bins * LANES], vec![T::ZERO; kernel.bins * LANES]);
        spread(&kernel.scores, &mut scores);
        spread(&kernel.values, &mut values);
        let mut waiting = vec![None; kernel.bins];
        for view in 0..kernel.views.len() {
            let gates = self.changed_gates(simd, view);
            for part in [2 * view, 2 * view + 1] {
                self.run_part(simd, part, &gates, &mut waiting, (&mut scores, &mut values));
            }
        }
        attend(&scores, &values).map(|sum| sum + kernel.offset)
    }
}

/// Sum of `values` `[bins][LANES]` weighed by the sparsemax of `scores`, of each lane, in f64.
///
/// Michelot's algorithm: the threshold that would make the support sum to 1 shrinks the support until it stays; that of the
/// projection is reached in finitely many rounds.
#[inline(always)]
fn attend<T: Real>(scores: &[T], values: &[T]) -> [f64; LANES] {
    let mut highest = [f64::NEG_INFINITY; LANES];
    for row in scores.as_chunks::<LANES>().0 {
        for (highest, x) in highest.iter_mut().zip(row) {
            *highest = highest.max(x.to_f64());
        }
    }
    let (mut threshold, mut support) = ([f64::NEG_INFINITY; LANES], [0.0; LANES]);
    // The support shrinks or stays; rounding must not make it go on for ever.
    for _ in 0..scores.len() {
        let (mut sum, mut count) = ([0.0; LANES], [0.0; LANES]);
        for row in scores.as_chunks::<LANES>().0 {
            for lane in 0..LANES {
                let x = row[lane].to_f64() - highest[lane];
                // A NaN is counted, so that it reaches the result.
                let inside = x > threshold[lane] || x.is_nan() || threshold[lane].is_nan();
                sum[lane] += if inside { x } else { 0.0 };
                count[lane] += if inside { 1.0 } else { 0.0 };
            }
        }
        if count == support {
            break;
        }
        for lane in 0..LANES {
            threshold[lane] = (sum[lane] - 1.0) / count[lane];
        }
        support = count;
    }
    let mut weighed = [0.0; LANES];
    for (row, values) in scores.as_chunks::<LANES>().0.iter().zip(values.as_chunks::<LANES>().0) {
        for lane in 0..LANES {
            let weight = row[lane].to_f64() - highest[lane] - threshold[lane];
            weighed[lane] += if weight <= 0.0 { 0.0 } else { weight } * values[lane].to_f64();
        }
    }
    weighed
}
