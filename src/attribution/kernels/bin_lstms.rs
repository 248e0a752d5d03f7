//! AttentiveChrome and its comparators of LSTMs (LSTM, LSTM-Attn, LSTM-alpha): an edit of some bins of a mark runs the LSTMs that read it
//! from the bins outward; those of other marks keep their summaries. The level over marks is a handful of steps and runs whole.

use super::alone::{Columns, Direction, Trace};
use super::lanes::{Gates, LANES, Lstm, Rows, add_product, first_lane, is_spread, load, pairs, splat, spread, store};
use super::{Edit, Evaluator, check_finite, finite, numbers};
use crate::attribution::AttributionError;
use crate::models::layers::{BiLstm, ContextAttention, Kernel, Linear, Real, dispatch};
use crate::models::{AttentiveChrome, AttentiveLstm, Input, LstmAlpha, LstmAttn, Model};
use candle_core::DType;
use pulp::Simd;
use rayon::prelude::*;
use smallvec::SmallVec;
use std::collections::BTreeMap;

/// The kernel, where the network is one of LSTMs over bins.
pub(super) fn build<'a>(model: &'a dyn Model, input: &'a Input) -> Option<Result<Box<dyn Evaluator + 'a>, AttributionError>> {
    fn boxed<'a, T: Real>(kernel: Result<BinLstms<T>, AttributionError>) -> Result<Box<dyn Evaluator + 'a>, AttributionError> {
        Ok(Box::new(kernel?))
    }
    let parts = parts(model)?;
    match model.dtype() {
        DType::F32 => Some(boxed(BinLstms::<f32>::new(&parts, input))),
        DType::F64 => Some(boxed(BinLstms::<f64>::new(&parts, input))),
        _ => None,
    }
}

/// What such a network is made of.
struct Parts<'a> {
    /// An LSTM for each mark, or one for all of them together; without attention its last states count.
    marks: Vec<(&'a BiLstm, Option<&'a ContextAttention>)>,
    /// Without it the marks' summaries are joined.
    over_marks: Option<&'a AttentiveLstm>,
    head: &'a Linear,
}

fn parts(model: &dyn Model) -> Option<Parts<'_>> {
    let model = model.as_any();
    if let Some(net) = model.downcast_ref::<AttentiveChrome>() {
        let marks = net.marks.iter().map(|mark| (&mark.lstm, Some(&mark.attention))).collect();
        return Some(Parts { marks, over_marks: Some(&net.over_marks), head: &net.head });
    }
    if let Some(net) = model.downcast_ref::<LstmAlpha>() {
        let marks = net.marks.iter().map(|(lstm, attention)| (lstm, Some(attention))).collect();
        return Some(Parts { marks, over_marks: None, head: &net.head });
    }
    if let Some(net) = model.downcast_ref::<LstmAttn>() {
        return Some(Parts { marks: vec![(&net.lstm, Some(&net.attention))], over_marks: None, head: &net.head });
    }
    let net = model.downcast_ref::<crate::models::Lstm>()?;
    Some(Parts { marks: vec![(&net.lstm, None)], over_marks: None, head: &net.head })
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
        Ok(Self::of([lstm(forward)?, lstm(reverse)?], &numbers(&level.attention.context)?))
    }

    fn of(lstm: [Lstm<T>; 2], context: &[T]) -> Self {
        let hidden = lstm[0].hidden();
        let context = [0, 1].map(|direction| Rows::new(1, hidden, |_, i| context[direction * hidden + i]));
        Self { lstm, context }
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

/// The marks that an LSTM reads together, most often one.
struct Mark<T> {
    level: Level<T>,
    /// `[bins][inputs]`.
    x: Vec<T>,
    inputs: usize,
    /// Whether the summary is the mean by attention, not each direction's last state.
    has_attention: bool,
    unedited: [Trace<T>; 2],
    /// What each direction adds to the score of each bin.
    shares: [Vec<T>; 2],
    /// `[2 * hidden]`: the summary of the unedited mark.
    summary: Vec<T>,
}

impl<T: Real> Mark<T> {
    fn new((lstm, attention): (&BiLstm, Option<&ContextAttention>), x: Vec<T>, inputs: usize) -> Result<Self, AttributionError> {
        let [forward, reverse] = Direction::both(&lstm.packed()?, &x, inputs)?;
        let hidden = forward.lstm.hidden();
        let context = attention.map_or(Ok(vec![T::ZERO; 2 * hidden]), |attention| numbers::<T>(&attention.context))?;
        let share =
            |direction: usize, states: &[T]| Columns::new(1, hidden, |_, i| context[direction * hidden + i]).products(states, 1);
        let shares = [share(0, &forward.unedited.states), share(1, &reverse.unedited.states)];
        let level = Level::of([forward.lstm, reverse.lstm], &context);
        let (has_attention, unedited) = (attention.is_some(), [forward.unedited, reverse.unedited]);
        let mut mark = Self { level, x, inputs, has_attention, unedited, shares, summary: Vec::new() };
        // A lane like any other, so that an edit that changes nothing gives the same bits.
        let mut passes = [Pass::of(&mark), Pass::of(&mark)];
        mark.summary = first_lane(&dispatch(Block { mark: &mark, lanes: &[], range: None, passes: &mut passes })).collect();
        Ok(mark)
    }

    fn bins(&self) -> usize {
        self.x.len() / self.inputs
    }
}

struct BinLstms<T> {
    marks: Vec<Mark<T>>,
    over_marks: Option<Level<T>>,
    /// `[2 * hidden]` of the level over marks, or of every mark in turn.
    head: Vec<T>,
    bias: f64,
    score: f64,
}

impl<T: Real> BinLstms<T> {
    fn new(parts: &Parts<'_>, input: &Input) -> Result<Self, AttributionError> {
        let (k, bins) = (input.n_marks(), input.positions());
        let inputs = k / parts.marks.len();
        let marks = parts.marks.par_iter().enumerate().map(|(i, mark)| -> Result<Mark<T>, AttributionError> {
            let columns = |bin: usize| bin * k + i * inputs..bin * k + (i + 1) * inputs;
            let x = (0..bins).flat_map(|bin| &input.marks[columns(bin)]).map(|value| T::from_f64(f64::from(*value)));
            Mark::new(*mark, x.collect(), inputs)
        });
        let marks = marks.collect::<Result<Vec<_>, _>>()?;
        let bias = parts.head.bias.as_ref().map_or(Ok(vec![0.0]), numbers::<f64>)?[0];
        let over_marks = parts.over_marks.map(Level::new).transpose()?;
        let mut kernel = Self { marks, over_marks, head: numbers(&parts.head.weight)?, bias, score: 0.0 };
        kernel.score = finite(dispatch(OverMarks { kernel: &kernel, lanes: &[] })[0])?;
        Ok(kernel)
    }

    /// The changed bins of each mark, by mark.
    fn changes(&self, edit: &Edit) -> BTreeMap<usize, Bins<T>> {
        let inputs = self.marks[0].inputs;
        let k = self.marks.len() * inputs;
        let mut changes: BTreeMap<usize, Bins<T>> = BTreeMap::new();
        for &(index, value) in &edit.marks {
            let (bin, column) = (index / k, index % k);
            let values = changes.entry(column / inputs).or_default().entry(bin).or_default();
            values.push((column % inputs, T::from_f64(f64::from(value))));
        }
        for (&mark, bins) in &mut changes {
            let x = &self.marks[mark].x;
            bins.retain(|bin, values| values.iter().any(|(input, value)| *value != x[bin * inputs + input]));
        }
        changes.retain(|_, bins| !bins.is_empty());
        changes
    }
}

/// New values of inputs by bin.
type Bins<T> = BTreeMap<usize, SmallVec<[(usize, T); 2]>>;

/// The edited values of one mark by bin, and the summary they give.
struct Edited<T> {
    edit: usize,
    mark: usize,
    bins: Bins<T>,
    summary: Vec<T>,
}

impl<T> Edited<T> {
    fn range(&self) -> (usize, usize) {
        let first = self.bins.first_key_value().map_or(0, |(bin, _)| *bin);
        (first, self.bins.last_key_value().map_or(0, |(bin, _)| *bin))
    }
}

impl<T: Real> Evaluator for BinLstms<T> {
    fn score(&self) -> f64 {
        self.score
    }

    fn chunk(&self) -> usize {
        let blocks = if T::DTYPE == DType::F32 { 20 } else { 2 };
        blocks * LANES * rayon::current_num_threads()
    }

    fn together(&self) -> usize {
        // A block is of one mark, and bins come with all marks of theirs.
        LANES * self.marks.len()
    }

    fn deltas(&self, edits: &[Edit]) -> Result<Vec<f64>, AttributionError> {
        check_finite(edits)?;
        let mut edited: Vec<Edited<T>> = Vec::with_capacity(edits.len());
        for (edit, of) in edits.iter().enumerate() {
            let changes = self.changes(of).into_iter();
            edited.extend(changes.map(|(mark, bins)| Edited { edit, mark, bins, summary: Vec::new() }));
        }
        // Blocks of one mark whose bins are near one another.
        edited.sort_by_key(|e| (e.mark, e.range(), e.edit));
        let mut blocks: Vec<&mut [Edited<T>]> = Vec::new();
        for of_mark in edited.chunk_by_mut(|a, b| a.mark == b.mark) {
            // As many equal blocks as needed.
            let size = of_mark.len().div_ceil(of_mark.len().div_ceil(LANES));
            blocks.extend(of_mark.chunks_mut(size));
        }
        // What a block fills is as large as the whole window: it is kept from one to the next.
        blocks.into_par_iter().for_each_init(
            || [Pass::of(&self.marks[0]), Pass::of(&self.marks[0])],
            |passes, block| {
                let range = block.iter().map(Edited::range).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
                let lanes: Vec<&Bins<T>> = block.iter().map(|e| &e.bins).collect();
                let mark = &self.marks[block[0].mark];
                let summaries = dispatch(Block { mark, lanes: &lanes, range, passes });
                for (lane, edited) in block.iter_mut().enumerate() {
                    edited.summary = summaries.iter().skip(lane).step_by(LANES).copied().collect();
                }
            },
        );
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

/// Up to [`LANES`] edits of one mark, whose first and last changed bins over all of them are `range`.
struct Block<'a, T> {
    mark: &'a Mark<T>,
    lanes: &'a [&'a Bins<T>],
    range: Option<(usize, usize)>,
    /// Room for both directions.
    passes: &'a mut [Pass<T>; 2],
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

impl<T: Real> Pass<T> {
    /// Room for a pass over a mark.
    fn of(mark: &Mark<T>) -> Self {
        let bins = mark.bins();
        Self { from: 0, until: 0, states: vec![T::ZERO; bins * mark.level.hidden() * LANES], shares: vec![T::ZERO; bins * LANES] }
    }
}

impl<T: Real> Block<'_, T> {
    #[inline(always)]
    fn pass<S: Simd>(&mut self, simd: S, reverse: bool) {
        let (mark, d) = (self.mark, usize::from(reverse));
        let (direction, lstm, bins) = (&mark.unedited[d], &mark.level.lstm[d], mark.bins());
        let hidden = lstm.hidden();
        let row = hidden * LANES;
        let pass = &mut self.passes[d];
        (pass.from, pass.until) = (bins, 0);
        spread(&mark.shares[d], &mut pass.shares);
        let Some((first, last)) = self.range else { return };
        let mut x = vec![T::ZERO; mark.inputs * LANES];
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
                spread(&mark.x[bin * mark.inputs..][..mark.inputs], &mut x);
                for (lane, bins) in self.lanes.iter().enumerate() {
                    for (input, value) in bins.get(&bin).into_iter().flatten() {
                        x[input * LANES + lane] = *value;
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
    }
}

impl<T: Real> Kernel for Block<'_, T> {
    /// Summaries `[2 * hidden][LANES]`.
    type Output = Vec<T>;

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) -> Vec<T> {
        let (bins, hidden) = (self.mark.bins(), self.mark.level.hidden());
        self.pass(simd, false);
        self.pass(simd, true);
        let passes = self.passes;
        if !self.mark.has_attention {
            // Each direction's own last: the reverse one ends at the first bin.
            let mut last = vec![T::ZERO; 2 * hidden * LANES];
            for ((d, pass), last) in passes.iter().enumerate().zip(last.chunks_exact_mut(hidden * LANES)) {
                let bin = if d == 0 { bins - 1 } else { 0 };
                match (pass.from..pass.until).contains(&bin) {
                    true => last.copy_from_slice(&pass.states[bin * hidden * LANES..][..hidden * LANES]),
                    false => spread(&self.mark.unedited[d].states[bin * hidden..][..hidden], last),
                }
            }
            return last;
        }
        let weights = softmax(&passes[0].shares, &passes[1].shares);
        let mut mean = vec![T::ZERO; 2 * hidden * LANES];
        for (d, pass) in passes.iter().enumerate() {
            let cached = &self.mark.unedited[d].states;
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
    kernel: &'a BinLstms<T>,
    /// The edited marks of each edit.
    lanes: &'a [&'a [Edited<T>]],
}

impl<T: Real> Kernel for OverMarks<'_, T> {
    type Output = [f64; LANES];

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> [f64; LANES] {
        let (kernel, k) = (self.kernel, self.kernel.marks.len());
        // Summaries of every mark, `[2 * hidden of a mark][LANES]`.
        let inputs: Vec<Vec<T>> = (kernel.marks.iter().enumerate())
            .map(|(i, mark)| {
                let mut x = vec![T::ZERO; mark.summary.len() * LANES];
                spread(&mark.summary, &mut x);
                for (lane, edited) in self.lanes.iter().enumerate() {
                    for edited in edited.iter().filter(|e| e.mark == i) {
                        edited.summary.iter().enumerate().for_each(|(unit, value)| x[unit * LANES + lane] = *value);
                    }
                }
                x
            })
            .collect();
        let mut scores = [kernel.bias; LANES];
        let Some(level) = &kernel.over_marks else {
            for (states, head) in inputs.iter().flat_map(|x| x.chunks_exact(LANES)).zip(&kernel.head) {
                scores.iter_mut().zip(states).for_each(|(score, state)| *score += head.to_f64() * state.to_f64());
            }
            return scores;
        };
        let hidden = level.hidden();
        let row = hidden * LANES;
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
