//! AttentiveChrome: an edit of some bins of a mark runs that mark's LSTMs from the bins outward; other marks keep their summaries.
//! The level over marks is a handful of steps and runs whole.

use super::lanes::{Gates, LANES, Lstm, Rows, add_product, first_lane, is_spread, load, pairs, splat, spread, store};
use super::{Edit, Evaluator, check_finite, finite, numbers};
use crate::attribution::AttributionError;
use crate::models::layers::{Kernel, Real, dispatch};
use crate::models::{AttentiveChrome, AttentiveLstm, Input, Model};
use candle_core::DType;
use pulp::Simd;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// The kernel, where the network is AttentiveChrome.
pub(super) fn build<'a>(model: &'a dyn Model, input: &'a Input) -> Option<Result<Box<dyn Evaluator + 'a>, AttributionError>> {
    let model = model.as_any().downcast_ref::<AttentiveChrome>()?;
    fn boxed<'a, T: Real>(
        kernel: Result<AttentiveChromeKernel<T>, AttributionError>,
    ) -> Result<Box<dyn Evaluator + 'a>, AttributionError> {
        Ok(Box::new(kernel?))
    }
    match model.dtype() {
        DType::F32 => Some(boxed(AttentiveChromeKernel::<f32>::new(model, input))),
        DType::F64 => Some(boxed(AttentiveChromeKernel::<f64>::new(model, input))),
        _ => None,
    }
}

/// A BiLSTM over steps whose states are averaged with weights `softmax(context . states)`.
struct Level<T> {
    lstm: [Lstm<T>; 2],
    /// Of each direction, as a matrix of one row.
    context: [Rows<T>; 2],
}

impl<T: Real> Level<T> {
    fn new(level: &AttentiveLstm) -> Result<Self, AttributionError> {
        let [forward, reverse] = level.lstm.packed()?;
        let lstm = |(input, recurrent): (candle_core::Tensor, &candle_core::Tensor)| -> Result<Lstm<T>, AttributionError> {
            Ok(Lstm::new(&numbers(&input)?, &numbers(recurrent)?, recurrent.dim(1)?))
        };
        let lstm = [lstm(forward)?, lstm(reverse)?];
        let (context, hidden) = (numbers::<T>(&level.attention.context)?, lstm[0].hidden());
        let context = [0, 1].map(|direction| Rows::new(1, hidden, |_, i| context[direction * hidden + i]));
        Ok(Self { lstm, context })
    }

    fn hidden(&self) -> usize {
        self.lstm[0].hidden()
    }

    /// `context . state` of one direction, a number a lane.
    #[inline(always)]
    fn share<S: Simd>(&self, simd: S, direction: usize, state: &[T], out: &mut [T]) {
        for (_, weights) in self.context[direction].groups() {
            for q in 0..pairs::<T, S>() {
                let zero = [splat(simd, T::ZERO); 4];
                store::<T, S>(out, q, add_product(simd, zero, weights, state, q)[0]);
            }
        }
    }
}

/// One direction over the unedited values of a mark, `[bins][...]`.
struct Direction<T> {
    gates: Vec<T>,
    states: Vec<T>,
    cells: Vec<T>,
    /// What it adds to the score of each bin.
    shares: Vec<T>,
}

struct Mark<T> {
    level: Level<T>,
    /// `[bins]`.
    x: Vec<T>,
    directions: Vec<Direction<T>>,
    /// `[2 * hidden]`: the unedited mark's averaged states.
    mean: Vec<T>,
}

struct AttentiveChromeKernel<T> {
    marks: Vec<Mark<T>>,
    over_marks: Level<T>,
    /// `[2 * mark_hidden]`.
    head: Vec<T>,
    bias: f64,
    score: f64,
}

impl<T: Real> AttentiveChromeKernel<T> {
    fn new(model: &AttentiveChrome, input: &Input) -> Result<Self, AttributionError> {
        let (k, bins) = (input.n_marks(), input.positions());
        let marks = model.marks.par_iter().enumerate().map(|(i, level)| -> Result<Mark<T>, AttributionError> {
            let x = (0..bins).map(|bin| T::from_f64(f64::from(input.marks[bin * k + i]))).collect();
            let mut mark = Mark { level: Level::new(level)?, x, directions: Vec::new(), mean: Vec::new() };
            let trace = |reverse| dispatch(Trace { mark: &mark, reverse });
            let (forward, reverse) = rayon::join(|| trace(false), || trace(true));
            mark.directions = vec![forward, reverse];
            // The unedited mark is a lane like any other, so that an edit that changes nothing gives the same bits.
            mark.mean = first_lane(&dispatch(Block { mark: &mark, lanes: &[], range: (0, bins - 1) })).collect();
            Ok(mark)
        });
        let marks = marks.collect::<Result<Vec<_>, _>>()?;
        let bias = model.head.bias.as_ref().map_or(Ok(vec![0.0]), numbers::<f64>)?[0];
        let over_marks = Level::new(&model.over_marks)?;
        let mut kernel = Self { marks, over_marks, head: numbers(&model.head.weight)?, bias, score: 0.0 };
        kernel.score = finite(dispatch(OverMarks { kernel: &kernel, lanes: &[] })[0])?;
        Ok(kernel)
    }

    /// The changed bins of each mark, by mark.
    fn changes(&self, edit: &Edit) -> BTreeMap<usize, BTreeMap<usize, T>> {
        let mut changes: BTreeMap<usize, BTreeMap<usize, T>> = BTreeMap::new();
        for &(index, value) in &edit.marks {
            let (bin, mark) = (index / self.marks.len(), index % self.marks.len());
            changes.entry(mark).or_default().insert(bin, T::from_f64(f64::from(value)));
        }
        for (&mark, bins) in &mut changes {
            bins.retain(|&bin, value| *value != self.marks[mark].x[bin]);
        }
        changes.retain(|_, bins| !bins.is_empty());
        changes
    }
}

/// The edited values of one mark by bin, and the averaged states they give.
struct Edited<T> {
    edit: usize,
    mark: usize,
    bins: BTreeMap<usize, T>,
    mean: Vec<T>,
}

impl<T> Edited<T> {
    fn range(&self) -> (usize, usize) {
        let first = self.bins.first_key_value().map_or(0, |(bin, _)| *bin);
        (first, self.bins.last_key_value().map_or(0, |(bin, _)| *bin))
    }
}

impl<T: Real> Evaluator for AttentiveChromeKernel<T> {
    fn score(&self) -> f64 {
        self.score
    }

    fn chunk(&self) -> usize {
        let blocks = if T::DTYPE == DType::F32 { 20 } else { 2 };
        blocks * LANES * rayon::current_num_threads()
    }

    fn deltas(&self, edits: &[Edit]) -> Result<Vec<f64>, AttributionError> {
        check_finite(edits)?;
        let mut edited: Vec<Edited<T>> = Vec::with_capacity(edits.len());
        for (edit, of) in edits.iter().enumerate() {
            let changes = self.changes(of).into_iter();
            edited.extend(changes.map(|(mark, bins)| Edited { edit, mark, bins, mean: Vec::new() }));
        }
        // Blocks of one mark whose bins are near one another.
        edited.sort_by_key(|e| (e.mark, e.range(), e.edit));
        let mut blocks: Vec<&mut [Edited<T>]> = Vec::new();
        for of_mark in edited.chunk_by_mut(|a, b| a.mark == b.mark) {
            // As many equal blocks as needed.
            let size = of_mark.len().div_ceil(of_mark.len().div_ceil(LANES));
            blocks.extend(of_mark.chunks_mut(size));
        }
        blocks.into_par_iter().for_each(|block| {
            let range = block.iter().map(Edited::range);
            let range = range.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))).unwrap_or((0, 0));
            let lanes: Vec<&BTreeMap<usize, T>> = block.iter().map(|e| &e.bins).collect();
            let mark = &self.marks[block[0].mark];
            let means = dispatch(Block { mark, lanes: &lanes, range });
            for (lane, edited) in block.iter_mut().enumerate() {
                edited.mean = means.iter().skip(lane).step_by(LANES).copied().collect();
            }
        });
        edited.sort_by_key(|e| e.edit);
        let by_edit: Vec<&[Edited<T>]> = edited.chunk_by(|a, b| a.edit == b.edit).collect();
        let blocks: Vec<&[&[Edited<T>]]> = by_edit.chunks(LANES).collect();
        let scores: Vec<[f64; LANES]> = blocks.par_iter().map(|lanes| dispatch(OverMarks { kernel: self, lanes })).collect();
        let mut deltas = vec![0.0; edits.len()];
        for (block, scores) in blocks.iter().zip(scores) {
            for (marks, score) in block.iter().zip(scores) {
                deltas[marks[0].edit] = finite(score)? - self.score;
            }
        }
        Ok(deltas)
    }
}

/// One direction over the unedited mark.
struct Trace<'a, T> {
    mark: &'a Mark<T>,
    reverse: bool,
}

impl<T: Real> Kernel for Trace<'_, T> {
    type Output = Direction<T>;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Direction<T> {
        let (bins, d) = (self.mark.x.len(), usize::from(self.reverse));
        let lstm = &self.mark.level.lstm[d];
        let hidden = lstm.hidden();
        let mut direction = Direction {
            gates: vec![T::ZERO; bins * 4 * hidden],
            states: vec![T::ZERO; bins * hidden],
            cells: vec![T::ZERO; bins * hidden],
            shares: vec![T::ZERO; bins],
        };
        let (mut x, mut share) = ([T::ZERO; LANES], [T::ZERO; LANES]);
        let mut gates = vec![T::ZERO; 4 * hidden * LANES];
        let mut state = vec![T::ZERO; hidden * LANES];
        let (mut cell, mut next) = (state.clone(), state.clone());
        for i in 0..bins {
            let bin = if self.reverse { bins - 1 - i } else { i };
            x.fill(self.mark.x[bin]);
            lstm.project(simd, &x, &mut gates);
            lstm.step(simd, Gates::Lanes(&gates), &state, &mut cell, &mut next);
            std::mem::swap(&mut state, &mut next);
            self.mark.level.share(simd, d, &state, &mut share);
            let keep = |to: &mut [T], from: &[T]| to.iter_mut().zip(first_lane(from)).for_each(|(to, from)| *to = from);
            keep(&mut direction.gates[bin * 4 * hidden..][..4 * hidden], &gates);
            keep(&mut direction.states[bin * hidden..][..hidden], &state);
            keep(&mut direction.cells[bin * hidden..][..hidden], &cell);
            direction.shares[bin] = share[0];
        }
        direction
    }
}

/// Up to [`LANES`] edits of one mark, whose first and last changed bins over all of them are `range`.
struct Block<'a, T> {
    mark: &'a Mark<T>,
    lanes: &'a [&'a BTreeMap<usize, T>],
    range: (usize, usize),
}

/// The bins that one direction computed anew.
struct Pass<T> {
    /// First of them, and one past the last.
    from: usize,
    until: usize,
    /// `[bins][hidden][LANES]`, of all bins; only those computed are filled.
    states: Vec<T>,
    /// `[bins][LANES]`, of all bins.
    shares: Vec<T>,
}

impl<T: Real> Block<'_, T> {
    #[inline(always)]
    fn pass<S: Simd>(&self, simd: S, reverse: bool) -> Pass<T> {
        let (mark, d, (first, last)) = (self.mark, usize::from(reverse), self.range);
        let (direction, lstm, bins) = (&mark.directions[d], &mark.level.lstm[d], mark.x.len());
        let hidden = lstm.hidden();
        let row = hidden * LANES;
        let mut pass = Pass { from: bins, until: 0, states: vec![T::ZERO; bins * row], shares: vec![T::ZERO; bins * LANES] };
        spread(&direction.shares, &mut pass.shares);
        let mut x = [T::ZERO; LANES];
        let mut gates = vec![T::ZERO; 4 * hidden * LANES];
        let mut state = vec![T::ZERO; row];
        let mut cell = state.clone();
        let (start, count) = if reverse { (last, last + 1) } else { (first, bins - first) };
        if count < bins {
            let entering = if reverse { start + 1 } else { start - 1 };
            spread(&direction.states[entering * hidden..][..hidden], &mut state);
            spread(&direction.cells[entering * hidden..][..hidden], &mut cell);
        }
        for i in 0..count {
            let bin = if reverse { start - i } else { start + i };
            let entering = if (first..=last).contains(&bin) && self.lanes.iter().any(|lane| lane.contains_key(&bin)) {
                x.fill(mark.x[bin]);
                for (x, lane) in x.iter_mut().zip(self.lanes) {
                    if let Some(value) = lane.get(&bin) {
                        *x = *value;
                    }
                }
                lstm.project(simd, &x, &mut gates);
                Gates::Lanes(&gates)
            } else {
                Gates::Shared(&direction.gates[bin * 4 * hidden..][..4 * hidden])
            };
            let next = &mut pass.states[bin * row..][..row];
            lstm.step(simd, entering, &state, &mut cell, next);
            state.copy_from_slice(next);
            let at = bin * hidden..(bin + 1) * hidden;
            let is_past = if reverse { bin < first } else { bin > last };
            // Every lane is back in the cached state: what follows is cached too.
            if is_past && is_spread(&direction.states[at.clone()], &state) && is_spread(&direction.cells[at], &cell) {
                break;
            }
            mark.level.share(simd, d, &state, &mut pass.shares[bin * LANES..][..LANES]);
            (pass.from, pass.until) = (pass.from.min(bin), pass.until.max(bin + 1));
        }
        pass
    }
}

impl<T: Real> Kernel for Block<'_, T> {
    /// Averaged states `[2 * hidden][LANES]`.
    type Output = Vec<T>;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Vec<T> {
        let (bins, hidden) = (self.mark.x.len(), self.mark.level.hidden());
        let passes = [self.pass(simd, false), self.pass(simd, true)];
        let weights = softmax(&passes[0].shares, &passes[1].shares);
        let mut mean = vec![T::ZERO; 2 * hidden * LANES];
        for (d, pass) in passes.iter().enumerate() {
            let cached = &self.mark.directions[d].states;
            for unit in 0..hidden {
                let mean = &mut mean[(d * hidden + unit) * LANES..][..LANES];
                for q in 0..pairs::<T, S>() {
                    let mut sum = splat::<T, S>(simd, T::ZERO);
                    for bin in 0..bins {
                        let weight = load::<T, S>(&weights[bin * LANES..], q);
                        let state = match (pass.from..pass.until).contains(&bin) {
                            true => load::<T, S>(&pass.states[(bin * hidden + unit) * LANES..], q),
                            false => splat(simd, cached[bin * hidden + unit]),
                        };
                        sum = [T::fused(simd, weight[0], state[0], sum[0]), T::fused(simd, weight[1], state[1], sum[1])];
                    }
                    store::<T, S>(mean, q, sum);
                }
            }
        }
        mean
    }
}

/// The level over marks for up to [`LANES`] edits.
struct OverMarks<'a, T> {
    kernel: &'a AttentiveChromeKernel<T>,
    /// The edited marks of each edit.
    lanes: &'a [&'a [Edited<T>]],
}

impl<T: Real> Kernel for OverMarks<'_, T> {
    type Output = [f64; LANES];

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> [f64; LANES] {
        let (kernel, level) = (self.kernel, &self.kernel.over_marks);
        let (k, hidden) = (kernel.marks.len(), level.hidden());
        let row = hidden * LANES;
        // Averaged states of every mark, `[2 * hidden of a mark][LANES]`.
        let inputs: Vec<Vec<T>> = (kernel.marks.iter().enumerate())
            .map(|(i, mark)| {
                let mut x = vec![T::ZERO; mark.mean.len() * LANES];
                spread(&mark.mean, &mut x);
                for (lane, edited) in self.lanes.iter().enumerate() {
                    for edited in edited.iter().filter(|e| e.mark == i) {
                        edited.mean.iter().enumerate().for_each(|(unit, value)| x[unit * LANES + lane] = *value);
                    }
                }
                x
            })
            .collect();
        let mut shares = [vec![T::ZERO; k * LANES], vec![T::ZERO; k * LANES]];
        let mut states = [vec![T::ZERO; k * row], vec![T::ZERO; k * row]];
        let mut gates = vec![T::ZERO; 4 * row];
        for d in 0..2 {
            let mut state = vec![T::ZERO; row];
            let mut cell = state.clone();
            for i in 0..k {
                let mark = if d == 1 { k - 1 - i } else { i };
                level.lstm[d].project(simd, &inputs[mark], &mut gates);
                let next = &mut states[d][mark * row..][..row];
                level.lstm[d].step(simd, Gates::Lanes(&gates), &state, &mut cell, next);
                state.copy_from_slice(next);
                level.share(simd, d, &state, &mut shares[d][mark * LANES..][..LANES]);
            }
        }
        let weights = softmax(&shares[0], &shares[1]);
        let mut scores = [kernel.bias; LANES];
        for (i, states) in states.iter().flat_map(|s| s.chunks_exact(LANES)).enumerate() {
            let (d, mark, unit) = (i / (k * hidden), i / hidden % k, i % hidden);
            let head = kernel.head[d * hidden + unit].to_f64();
            for lane in 0..LANES {
                scores[lane] += head * weights[mark * LANES + lane].to_f64() * states[lane].to_f64();
            }
        }
        scores
    }
}

/// Softmax over steps of the sum of two directions' shares `[steps][LANES]`, each lane for itself, in f64.
#[inline(always)]
fn softmax<T: Real>(forward: &[T], reverse: &[T]) -> Vec<T> {
    let mut scores: Vec<f64> = forward.iter().zip(reverse).map(|(a, b)| a.to_f64() + b.to_f64()).collect();
    let (mut highest, mut sum) = ([f64::NEG_INFINITY; LANES], [0.0; LANES]);
    for row in scores.chunks_exact(LANES) {
        highest.iter_mut().zip(row).for_each(|(highest, x)| *highest = highest.max(*x));
    }
    for row in scores.chunks_exact_mut(LANES) {
        for lane in 0..LANES {
            row[lane] = (row[lane] - highest[lane]).exp();
            sum[lane] += row[lane];
        }
    }
    scores.iter().enumerate().map(|(i, x)| T::from_f64(x / sum[i % LANES])).collect()
}
