//! Maps of a convolutional network, `[length][channels]`, and the stretch of each that an edit changes.
//!
//! A stretch is computed anew from its receptive field, with the sums of the whole map in the same order: rows that come out as they
//! were are dropped bit for bit, and nothing cancels where a high peak is taken away.

use super::numbers;
use crate::attribution::AttributionError;
use crate::models::Input;
use crate::models::layers::{Conv1d, Linear, Normed, Packed, Real, Rows};
use candle_core::Tensor;
use rayon::prelude::*;
use std::ops::Range;

/// Positions of a map that are computed at once.
const STRETCH: usize = 256;

/// Values of a layer for the unedited input.
pub(super) struct Map<T> {
    pub channels: usize,
    pub values: Vec<T>,
}

/// A stretch of a map that an edit changes.
#[derive(Clone)]
pub(super) struct Patch<T> {
    /// First position.
    pub from: usize,
    /// `[positions][channels]`.
    pub values: Vec<T>,
}

impl<T: Real> Map<T> {
    /// The marks that a network reads, `[positions][marks]`.
    pub fn of_marks(input: &Input) -> Self {
        Self { channels: input.n_marks(), values: input.marks.iter().map(|value| T::from_f64(f64::from(*value))).collect() }
    }

    pub fn len(&self) -> usize {
        self.values.len() / self.channels
    }

    pub fn rows(&self, positions: Range<usize>) -> &[T] {
        &self.values[positions.start * self.channels..positions.end * self.channels]
    }

    /// The whole map as a patch.
    pub fn whole(&self) -> Patch<T> {
        Patch { from: 0, values: self.values.clone() }
    }

    /// `patch` without rows at its ends that are as they were; `None` where all are.
    pub fn trimmed(&self, mut patch: Patch<T>) -> Option<Patch<T>> {
        let c = self.channels;
        let is_changed = |(i, row): (usize, &[T])| row != self.rows(patch.from + i..patch.from + i + 1);
        let first = patch.values.chunks_exact(c).enumerate().position(is_changed)?;
        let last = patch.values.chunks_exact(c).enumerate().rposition(is_changed)?;
        patch.values.truncate((last + 1) * c);
        patch.values.drain(..first * c);
        Some(Patch { from: patch.from + first, values: patch.values })
    }

    /// The map of some edited numbers, by index into the values, as patches with at least `gap` positions between them; those that are
    /// what they were are none.
    pub fn edited(&self, edits: impl Iterator<Item = (usize, T)>, gap: usize) -> Vec<Patch<T>> {
        let mut edits: Vec<(usize, T)> = edits.collect();
        edits.sort_by_key(|(index, _)| *index);
        let position = |edit: &(usize, T)| edit.0 / self.channels;
        let near = edits.chunk_by(|a, b| position(b) - position(a) <= gap);
        let patch = |edits: &[(usize, T)]| {
            let range = position(edits.first()?)..position(edits.last()?) + 1;
            let mut patch = Patch { from: range.start, values: self.rows(range).to_vec() };
            for (index, value) in edits {
                patch.values[index - patch.from * self.channels] = *value;
            }
            self.trimmed(patch)
        };
        near.filter_map(patch).collect()
    }

    /// Patches of this map, in order and apart, as one, with what lies between them.
    pub fn spanning(&self, mut patches: Vec<Patch<T>>) -> Option<Patch<T>> {
        if patches.len() < 2 {
            return patches.pop();
        }
        let range = patches.first()?.from..patches.last()?.range(self.channels).end;
        let mut whole = Patch { from: range.start, values: self.rows(range).to_vec() };
        for patch in patches {
            let at = (patch.from - whole.from) * self.channels;
            whole.values[at..at + patch.values.len()].copy_from_slice(&patch.values);
        }
        Some(whole)
    }

    /// Values at `positions`, which may lie outside (0 there), those of `patch` in place of the map's.
    pub fn patched(&self, positions: Range<isize>, patch: &Patch<T>) -> Vec<T> {
        let c = self.channels;
        let mut rows = vec![T::ZERO; positions.len() * c];
        let mut lay = |from: usize, values: &[T]| {
            let (from, until) = (from as isize, (from + values.len() / c) as isize);
            let (start, end) = (from.max(positions.start), until.min(positions.end));
            if start < end {
                let to = &mut rows[(start - positions.start) as usize * c..(end - positions.start) as usize * c];
                to.copy_from_slice(&values[(start - from) as usize * c..(end - from) as usize * c]);
            }
        };
        lay(0, &self.values);
        lay(patch.from, &patch.values);
        rows
    }
}

impl<T> Patch<T> {
    /// Positions of a patch of `channels` channels.
    pub fn range(&self, channels: usize) -> Range<usize> {
        self.from..self.from + self.values.len() / channels
    }
}

/// A convolution of stride 1 with bias, and ReLU where it has one.
pub(super) struct Convolution<T> {
    packed: Packed<T>,
    bias: Vec<T>,
    kernel: usize,
    filters: usize,
    channels: usize,
    /// Positions of 0 before the first and after the last.
    padding: [usize; 2],
    relu: bool,
}

impl<T: Real> Convolution<T> {
    /// `weight` `[filters, kernel, channels]`, `bias` `[filters]`.
    pub fn new(weight: &Tensor, bias: &Tensor, padding: [usize; 2], relu: bool) -> Result<Self, AttributionError> {
        let (filters, kernel, channels) = weight.dims3()?;
        let depth = kernel * channels;
        let packed = Packed::new(&numbers::<T>(weight)?, depth, filters, 1, depth);
        Ok(Self { packed, bias: numbers(bias)?, kernel, filters, channels, padding, relu })
    }

    /// A layer with its normalisation and ReLU.
    pub fn normed(layer: &Normed) -> Result<Self, AttributionError> {
        let [weight, bias] = layer.folded()?;
        Self::new(&weight, &bias, layer.padding(), true)
    }

    /// A convolution with ReLU; `is_same`: with zeros beyond the ends, the odd one on the right, so that there is an output for each
    /// position.
    pub fn torch(layer: &Conv1d, is_same: bool) -> Result<Self, AttributionError> {
        let beyond = if is_same { layer.weight.dim(2)? - 1 } else { 0 };
        Self::new(&layer.weight.transpose(1, 2)?.contiguous()?, &layer.bias, [beyond / 2, beyond - beyond / 2], true)
    }

    /// A dense layer with ReLU, as a convolution of one position.
    pub fn dense(layer: &Linear) -> Result<Self, AttributionError> {
        let bias = layer.bias.clone().map_or_else(|| layer.weight.zeros_like()?.narrow(1, 0, 1)?.squeeze(1), Ok)?;
        Self::new(&layer.weight.unsqueeze(1)?, &bias, [0, 0], true)
    }

    /// Positions of the input that an output reads.
    pub fn kernel(&self) -> usize {
        self.kernel
    }

    /// The map that this layer makes of `x`.
    pub fn map(&self, x: &Map<T>) -> Map<T> {
        let length = (x.len() + self.padding[0] + self.padding[1] + 1).saturating_sub(self.kernel);
        let nothing = Patch { from: 0, values: Vec::new() };
        let stretches = (0..length.div_ceil(STRETCH)).into_par_iter();
        let stretches = stretches.map(|i| self.outputs(x, i * STRETCH..((i + 1) * STRETCH).min(length), &nothing));
        Map { channels: self.filters, values: stretches.collect::<Vec<_>>().concat() }
    }

    /// What a patch of its input changes in `out`, its map.
    pub fn patch(&self, x: &Map<T>, patch: &Patch<T>, out: &Map<T>) -> Option<Patch<T>> {
        let changed = patch.range(self.channels);
        let left = self.padding[0];
        let reached = (changed.start + left + 1).saturating_sub(self.kernel)..(changed.end + left).min(out.len());
        if reached.is_empty() {
            return None;
        }
        let values = self.outputs(x, reached.clone(), patch);
        out.trimmed(Patch { from: reached.start, values })
    }

    fn outputs(&self, x: &Map<T>, positions: Range<usize>, patch: &Patch<T>) -> Vec<T> {
        let from = positions.start as isize - self.padding[0] as isize;
        let rows = x.patched(from..from + (positions.len() + self.kernel - 1) as isize, patch);
        self.products(&rows, positions.len())
    }

    /// The layer's outputs over `count` windows of `x` `[count + kernel - 1][channels]`.
    pub fn products(&self, x: &[T], count: usize) -> Vec<T> {
        let padded = self.packed.padded();
        let mut sums = vec![T::ZERO; count * padded];
        self.packed.multiply(x, Rows::Adjacent(self.channels), count, &mut sums, false);
        if padded > self.filters {
            for row in 1..count {
                sums.copy_within(row * padded..row * padded + self.filters, row * self.filters);
            }
            sums.truncate(count * self.filters);
        }
        for row in sums.chunks_exact_mut(self.filters) {
            row.iter_mut().zip(&self.bias).for_each(|(sum, bias)| *sum += *bias);
        }
        if self.relu {
            // NaN is not below 0, so it stays.
            sums.iter_mut().for_each(|y| *y = if *y < T::ZERO { T::ZERO } else { *y });
        }
        sums
    }
}

/// What a pool makes of a window.
#[derive(Clone, Copy)]
pub(super) enum Pooling {
    Mean,
    Largest,
}

impl Pooling {
    /// Windows of `size` positions side by side.
    pub fn map<T: Real>(self, x: &Map<T>, size: usize) -> Map<T> {
        let windows = x.len() / size;
        Map { channels: x.channels, values: self.windows(x.rows(0..windows * size), x.channels, size) }
    }

    /// What a patch of its input changes in `out`, its map.
    pub fn patch<T: Real>(self, x: &Map<T>, patch: &Patch<T>, size: usize, out: &Map<T>) -> Option<Patch<T>> {
        let changed = patch.range(x.channels);
        let reached = changed.start / size..changed.end.div_ceil(size).min(out.len());
        if reached.is_empty() {
            return None;
        }
        let rows = x.patched((reached.start * size) as isize..(reached.end * size) as isize, patch);
        out.trimmed(Patch { from: reached.start, values: self.windows(&rows, x.channels, size) })
    }

    fn windows<T: Real>(self, rows: &[T], channels: usize, size: usize) -> Vec<T> {
        let share = T::from_f64(1.0 / size as f64);
        let mut out = Vec::with_capacity(rows.len() / size);
        for window in rows.chunks_exact(size * channels) {
            let (first, rest) = window.split_at(channels);
            let at = out.len();
            out.extend_from_slice(first);
            let out = &mut out[at..];
            for row in rest.chunks_exact(channels) {
                match self {
                    Self::Mean => out.iter_mut().zip(row).for_each(|(y, x)| *y += *x),
                    Self::Largest => out.iter_mut().zip(row).for_each(|(y, x)| *y = if *x > *y { *x } else { *y }),
                }
            }
            if let Self::Mean = self {
                out.iter_mut().for_each(|y| *y *= share);
            }
        }
        out
    }
}

/// `x * scale + shift` of each channel.
pub(super) struct Scaling<T> {
    scale: Vec<T>,
    shift: Vec<T>,
    relu: bool,
}

impl<T: Real> Scaling<T> {
    pub fn new([scale, shift]: [Vec<f64>; 2], relu: bool) -> Self {
        let of = |values: Vec<f64>| values.into_iter().map(T::from_f64).collect();
        Self { scale: of(scale), shift: of(shift), relu }
    }

    /// In place, rows of as many channels.
    pub fn apply(&self, rows: &mut [T]) {
        for row in rows.chunks_exact_mut(self.scale.len()) {
            for ((x, scale), shift) in row.iter_mut().zip(&self.scale).zip(&self.shift) {
                let y = *x * *scale + *shift;
                *x = if self.relu && y < T::ZERO { T::ZERO } else { y };
            }
        }
    }
}

/// A dense layer over a flattened map: the sum over positions of a product each, so that an edit replaces those of the positions that
/// it changes.
pub(super) struct Flattened<T> {
    /// A matrix `[channels, outputs]` for each position.
    packed: Vec<Packed<T>>,
    /// `[positions][padded]`: the products of the unedited map.
    parts: Vec<T>,
    /// `[outputs]`.
    bias: Vec<T>,
    channels: usize,
}

impl<T: Real> Flattened<T> {
    /// `weight` `[outputs][inputs]`, whose first inputs are `map`, position by position; `constant` are the inputs that follow.
    pub fn new(weight: &[T], bias: Vec<T>, map: &Map<T>, constant: &[T]) -> Self {
        let (outputs, channels) = (bias.len(), map.channels);
        let inputs = weight.len() / outputs;
        let packed: Vec<Packed<T>> =
            (0..map.len()).map(|position| Packed::new(&weight[position * channels..], channels, outputs, 1, inputs)).collect();
        let mut bias = bias;
        if !constant.is_empty() {
            let rest = Packed::new(&weight[map.values.len()..], constant.len(), outputs, 1, inputs);
            let mut product = vec![T::ZERO; rest.padded()];
            rest.multiply(constant, Rows::Adjacent(constant.len()), 1, &mut product, false);
            bias.iter_mut().zip(product).for_each(|(bias, product)| *bias += product);
        }
        let mut of = Self { packed, parts: Vec::new(), bias, channels };
        let whole = map.whole();
        for position in 0..map.len() {
            of.parts.extend(of.products(position, &[&whole]));
        }
        of
    }

    /// Products of a position of each patch.
    fn products(&self, position: usize, patches: &[&Patch<T>]) -> Vec<T> {
        let mut rows = Vec::with_capacity(patches.len() * self.channels);
        for patch in patches {
            rows.extend_from_slice(&patch.values[(position - patch.from) * self.channels..][..self.channels]);
        }
        let mut out = vec![T::ZERO; patches.len() * self.packed[position].padded()];
        self.packed[position].multiply(&rows, Rows::Adjacent(self.channels), patches.len(), &mut out, false);
        out
    }

    /// The layer's sums with bias for each patch of the map, `[patches][outputs]`.
    pub fn sums(&self, patches: &[&Patch<T>]) -> Vec<T> {
        let (outputs, positions) = (self.bias.len(), self.packed.len());
        let mut sums = self.bias.repeat(patches.len());
        let mut add = |lane: usize, part: &[T]| {
            sums[lane * outputs..][..outputs].iter_mut().zip(part).for_each(|(sum, part)| *sum += *part);
        };
        for position in 0..positions {
            let is_changed = |patch: &Patch<T>| patch.range(self.channels).contains(&position);
            let changed: Vec<&Patch<T>> = patches.iter().copied().filter(|patch| is_changed(patch)).collect();
            let padded = self.packed[position].padded();
            let products = if changed.is_empty() { Vec::new() } else { self.products(position, &changed) };
            let mut anew = products.chunks_exact(padded);
            for (lane, patch) in patches.iter().enumerate() {
                let cached = &self.parts[position * padded..][..padded];
                let part = if is_changed(patch) { anew.next().unwrap_or(cached) } else { cached };
                add(lane, part);
            }
        }
        sums
    }
}

/// The last layer: one number a row.
pub(super) struct Head {
    weight: Vec<f64>,
    bias: f64,
}

impl Head {
    pub fn new(layer: &Linear) -> Result<Self, AttributionError> {
        let bias = layer.bias.as_ref().map_or(Ok(vec![0.0]), numbers::<f64>)?[0];
        Ok(Self { weight: numbers(&layer.weight)?, bias })
    }

    /// The first of two numbers less the second.
    pub fn difference(layer: &Linear) -> Result<Self, AttributionError> {
        let weight: Vec<f64> = numbers(&layer.weight)?;
        let bias = layer.bias.as_ref().map_or(Ok(vec![0.0; 2]), numbers::<f64>)?;
        let (first, second) = weight.split_at(weight.len() / 2);
        Ok(Self { weight: first.iter().zip(second).map(|(a, b)| a - b).collect(), bias: bias[0] - bias[1] })
    }

    pub fn scores<T: Real>(&self, rows: &[T]) -> Vec<f64> {
        let score = |row: &[T]| row.iter().zip(&self.weight).fold(self.bias, |sum, (x, w)| sum + x.to_f64() * w);
        rows.chunks_exact(self.weight.len()).map(score).collect()
    }
}
