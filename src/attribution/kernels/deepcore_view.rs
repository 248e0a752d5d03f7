//! One view of DeepCORE, its input unedited: convolution outputs, pooled values and LSTM states, and what an edit does to the pooled
//! values.

use super::alone::Direction;
use super::{Edit, numbers};
use crate::attribution::AttributionError;
use crate::genome::BaseOrder;
use crate::models::DeepCoreView;
use crate::models::layers::{BLOCK, Filters, Kernel, Pool, Real, dispatch};
use candle_core::Tensor;
use pulp::Simd;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::ops::Range;

/// Filters are padded to a multiple of this, the widest vector's f32.
pub(super) const PADDED: usize = 16;
/// Convolution outputs computed at once.
const STRETCH: usize = 32 * BLOCK;
/// Channels of a base, and "none of them" (N) after the last.
const BASE_CHANNELS: usize = 4;

/// The bins of a view whose pooled values an edit changes, ascending, with their new values `[filters]`.
pub(super) struct Changes<T>(Vec<(usize, Vec<T>)>);

impl<T> Changes<T> {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn bins(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().map(|(bin, _)| *bin)
    }

    pub fn first(&self) -> Option<usize> {
        self.bins().next()
    }

    pub fn last(&self) -> Option<usize> {
        self.bins().last()
    }

    /// New values of a bin, where they changed.
    pub fn row(&self, bin: usize) -> Option<&[T]> {
        self.0.iter().find(|(b, _)| *b == bin).map(|(_, row)| &row[..])
    }
}

/// A view with everything that is known of the unedited input.
pub(super) struct View<T> {
    /// `[length, channels]`.
    x: Vec<T>,
    /// Where DNA is read: the order of its channels, and what a substitution adds.
    substitutions: Option<(BaseOrder, Substitutions<T>)>,
    channels: usize,
    kernel: usize,
    filters: usize,
    packed: Filters<T>,
    bias: Vec<T>,
    pool: Pool,
    /// Outputs of the convolution.
    positions: usize,
    /// Convolution with bias, `[positions][padded]`.
    outputs: Vec<T>,
    /// `[bins][filters]`, after the ReLU.
    pooled: Vec<T>,
    pub directions: [Direction<T>; 2],
}

/// What a substitution needs that other edits do not.
struct Substitutions<T> {
    /// `[from][to][kernel][padded]`: weight of `to` minus weight of `from`, 0 for N.
    differences: Vec<T>,
    /// Largest output from the start of a position's window to the position, `[positions][padded]`.
    prefix: Vec<T>,
    /// Largest output from a position to the end of its window.
    suffix: Vec<T>,
}

impl<T: Real> Substitutions<T> {
    /// Of a convolution's `weight` `[filters][kernel][4]` and its `outputs`. Sizes: filters, kernel.
    fn new(weight: &[T], [filters, kernel]: [usize; 2], outputs: &[T], pool: &Pool) -> Self {
        let (padded, states) = (filters.next_multiple_of(PADDED), BASE_CHANNELS + 1);
        let of = |filter: usize, tap: usize, channel: usize| match channel {
            BASE_CHANNELS => T::ZERO,
            channel => weight[(filter * kernel + tap) * BASE_CHANNELS + channel],
        };
        let mut differences = vec![T::ZERO; states * states * kernel * padded];
        for (i, row) in differences.chunks_exact_mut(padded).enumerate() {
            let (from, to, tap) = (i / kernel / states, i / kernel % states, i % kernel);
            for (filter, difference) in row[..filters].iter_mut().enumerate() {
                *difference = of(filter, tap, to) - of(filter, tap, from);
            }
        }
        let (mut prefix, mut suffix) = (outputs.to_vec(), outputs.to_vec());
        windows(&mut prefix, pool, padded).into_par_iter().for_each(|window| {
            for next in (padded..window.len()).step_by(padded) {
                let (before, from) = window.split_at_mut(next);
                dispatch(Larger { rows: &before[next - padded..], into: &mut from[..padded] });
            }
        });
        windows(&mut suffix, pool, padded).into_par_iter().for_each(|window| {
            for next in (padded..window.len()).step_by(padded).rev() {
                let (before, from) = window.split_at_mut(next);
                dispatch(Larger { rows: &from[..padded], into: &mut before[next - padded..] });
            }
        });
        Self { differences, prefix, suffix }
    }
}

/// The rows `[positions][padded]` of each window, which follow one another.
fn windows<'a, T>(mut rows: &'a mut [T], pool: &Pool, padded: usize) -> Vec<&'a mut [T]> {
    let positions = rows.len() / padded;
    let cut = |bin: usize| rows.split_off_mut(..pool.span(bin, positions).len() * padded).unwrap_or_default();
    (0..pool.windows(positions)).map(cut).collect()
}

/// The largest output of each window or 0, `[bins][filters]`.
fn pool_all<T: Real>(outputs: &[T], pool: &Pool, positions: usize, filters: usize) -> Vec<T> {
    let padded = filters.next_multiple_of(PADDED);
    let mut pooled = vec![T::ZERO; pool.windows(positions) * filters];
    pooled.par_chunks_mut(filters).enumerate().for_each(|(bin, pooled)| {
        let (span, mut row) = (pool.span(bin, positions), vec![T::ZERO; padded]);
        dispatch(Larger { rows: &outputs[span.start * padded..span.end * padded], into: &mut row });
        pooled.copy_from_slice(&row[..filters]);
    });
    pooled
}

impl<T: Real> View<T> {
    /// The view's cache for `x` `[1, length, channels]`; `order` where it is DNA.
    pub fn new(view: &DeepCoreView, x: &Tensor, order: Option<BaseOrder>) -> Result<Self, AttributionError> {
        let (filters, kernel, channels) = view.weight.dims3()?;
        let x: Vec<T> = numbers(x)?;
        let positions = (x.len() / channels + 1).saturating_sub(kernel);
        let weight: Vec<T> = numbers(&view.weight)?;
        let lstm = view.lstm.as_ref();
        let lstm = lstm.ok_or_else(|| AttributionError::NotApplicable("the kernel is for networks with a BiLSTM".to_owned()))?;
        let (packed, bias) = (Filters::new(&weight, filters, kernel, channels), numbers(&view.bias)?);
        let pool = Pool::same(view.pool, positions);
        let outputs = convolve(&packed, &x, [filters, kernel, channels], &bias);
        let pooled = pool_all(&outputs, &pool, positions, filters);
        let directions = Direction::both(&lstm.packed()?, &pooled, filters)?;
        let substitutions = order.map(|order| (order, Substitutions::new(&weight, [filters, kernel], &outputs, &pool)));
        Ok(Self { x, substitutions, channels, kernel, filters, packed, bias, pool, positions, outputs, pooled, directions })
    }

    pub fn bins(&self) -> usize {
        self.pool.windows(self.positions)
    }

    pub fn filters(&self) -> usize {
        self.filters
    }

    /// Pooled values of a bin, `[filters]`.
    pub fn pooled(&self, bin: usize) -> &[T] {
        &self.pooled[bin * self.filters..][..self.filters]
    }

    fn padded(&self) -> usize {
        self.filters.next_multiple_of(PADDED)
    }

    fn rows(&self, positions: Range<usize>) -> &[T] {
        &self.outputs[positions.start * self.padded()..positions.end * self.padded()]
    }

    /// What an edit changes among the pooled values.
    pub fn changes(&self, edit: &Edit) -> Changes<T> {
        let mut edits = BTreeMap::new();
        match &self.substitutions {
            Some((order, substitutions)) => {
                let channel = |base: u8| order.channel(base).unwrap_or(BASE_CHANNELS);
                if let [(index, base)] = edit.bases[..] {
                    return self.substitute(substitutions, index, channel(base));
                }
                for &(index, base) in &edit.bases {
                    for c in 0..BASE_CHANNELS {
                        edits.insert(index * BASE_CHANNELS + c, if c == channel(base) { T::ONE } else { T::ZERO });
                    }
                }
            }
            None => edits.extend(edit.marks.iter().map(|&(index, value)| (index, T::from_f64(f64::from(value))))),
        }
        edits.retain(|&index, value| self.x[index] != *value);
        self.recompute(&edits)
    }

    /// Base `index` becomes the base of a channel: the outputs over it move by a difference of weights.
    fn substitute(&self, tables: &Substitutions<T>, index: usize, to: usize) -> Changes<T> {
        let (padded, states) = (self.padded(), BASE_CHANNELS + 1);
        let base = &self.x[index * BASE_CHANNELS..][..BASE_CHANNELS];
        let from = base.iter().position(|x| *x == T::ONE).unwrap_or(BASE_CHANNELS);
        let mut changes = Vec::new();
        let touched = (index + 1).saturating_sub(self.kernel)..(index + 1).min(self.positions);
        if from == to || touched.is_empty() {
            return Changes(changes);
        }
        let differences = &tables.differences[(from * states + to) * self.kernel * padded..][..self.kernel * padded];
        let bin_of = |position: usize| (position + self.pool.left) / self.pool.size;
        for bin in bin_of(touched.start)..=bin_of(touched.end - 1) {
            let span = self.pool.span(bin, self.positions);
            let inside = touched.start.max(span.start)..touched.end.min(span.end);
            let mut row = vec![T::ZERO; padded];
            dispatch(Substitute {
                outputs: self.rows(inside.clone()),
                // The first output inside has the base at its last tap: taps fall as outputs rise.
                differences: &differences[(index + 1 - inside.end) * padded..(index + 1 - inside.start) * padded],
                before: (inside.start > span.start).then(|| &tables.prefix[(inside.start - 1) * padded..][..padded]),
                after: (inside.end < span.end).then(|| &tables.suffix[inside.end * padded..][..padded]),
                row: &mut row,
            });
            self.note(bin, row, &mut changes);
        }
        Changes(changes)
    }

    /// Keeps a row of pooled values if it differs from the cached one.
    fn note(&self, bin: usize, mut row: Vec<T>, changes: &mut Vec<(usize, Vec<T>)>) {
        row.truncate(self.filters);
        if row != self.pooled(bin) {
            changes.push((bin, row));
        }
    }

    /// Convolves anew what edited inputs reach, with the sums of the network's own convolution: no cancellation where a high peak
    /// is taken away.
    fn recompute(&self, edits: &BTreeMap<usize, T>) -> Changes<T> {
        let mut stretches: Vec<Range<usize>> = Vec::new();
        for index in edits.keys() {
            let at = index / self.channels;
            let touched = (at + 1).saturating_sub(self.kernel)..(at + 1).min(self.positions);
            match stretches.last_mut() {
                Some(last) if touched.start <= last.end => last.end = last.end.max(touched.end),
                _ => stretches.push(touched),
            }
        }
        stretches.retain(|stretch| !stretch.is_empty());
        let padded = self.padded();
        let mut rows: BTreeMap<usize, Vec<T>> = BTreeMap::new();
        let mut kept_until = 0;
        for touched in &stretches {
            let sizes = [self.filters, self.kernel, self.channels];
            let (sums, stretch) = correlate(&self.packed, &self.x, sizes, touched.clone(), edits);
            let bin_of = |position: usize| (position + self.pool.left) / self.pool.size;
            for bin in bin_of(touched.start)..=bin_of(touched.end - 1) {
                let span = self.pool.span(bin, self.positions);
                let row = rows.entry(bin).or_insert_with(|| vec![T::ZERO; padded]);
                let inside = touched.start.max(span.start)..touched.end.min(span.end);
                // Outputs of the window before this stretch that no stretch has touched.
                let before = span.start.max(kept_until)..inside.start;
                if !before.is_empty() {
                    dispatch(Larger { rows: self.rows(before), into: row });
                }
                for (filter, sums) in sums.chunks_exact(stretch).enumerate() {
                    let highest = highest(&sums[inside.start - touched.start..inside.end - touched.start]) + self.bias[filter];
                    if highest > row[filter] {
                        row[filter] = highest;
                    }
                }
                kept_until = inside.end;
                // And those after it, up to the next stretch.
                let next = stretches.iter().map(|s| s.start).find(|&start| start >= inside.end).unwrap_or(self.positions);
                let after = inside.end..span.end.min(next);
                if !after.is_empty() {
                    dispatch(Larger { rows: self.rows(after.clone()), into: row });
                    kept_until = after.end;
                }
            }
        }
        let mut changes = Vec::new();
        for (bin, row) in rows {
            self.note(bin, row, &mut changes);
        }
        Changes(changes)
    }
}

/// Convolution outputs without bias at some positions, `[filters][stretch]`, and the padded `stretch`; `edits` are inputs by index
/// into `x` `[length, channels]`. The same sums in the same order as the network's own. Sizes: filters, kernel, channels.
fn correlate<T: Real>(
    packed: &Filters<T>,
    x: &[T],
    [filters, kernel, channels]: [usize; 3],
    positions: Range<usize>,
    edits: &BTreeMap<usize, T>,
) -> (Vec<T>, usize) {
    let (from, stretch) = (positions.start, positions.len().next_multiple_of(BLOCK));
    let row = stretch + kernel - 1;
    let mut by_channel = vec![T::ZERO; channels * row];
    for (i, values) in x[from * channels..].chunks_exact(channels).take(row).enumerate() {
        values.iter().enumerate().for_each(|(channel, value)| by_channel[channel * row + i] = *value);
    }
    for (&index, &value) in edits.range(from * channels..(from + row) * channels) {
        by_channel[index % channels * row + index / channels - from] = value;
    }
    let mut sums = vec![T::ZERO; filters * stretch];
    packed.correlate(&by_channel, stretch, &mut sums);
    (sums, stretch)
}

/// Convolution with bias of all of `x` `[length, channels]`: `[positions][padded filters]`.
pub(super) fn convolve<T: Real>(packed: &Filters<T>, x: &[T], sizes: [usize; 3], bias: &[T]) -> Vec<T> {
    let [filters, kernel, channels] = sizes;
    let (padded, positions) = (filters.next_multiple_of(PADDED), (x.len() / channels + 1).saturating_sub(kernel));
    let mut outputs = vec![T::ZERO; positions * padded];
    outputs.par_chunks_mut(STRETCH * padded).enumerate().for_each(|(i, outputs)| {
        let (from, count) = (i * STRETCH, outputs.len() / padded);
        let (sums, stretch) = correlate(packed, x, sizes, from..from + count, &BTreeMap::new());
        for (position, outputs) in outputs.chunks_exact_mut(padded).enumerate() {
            for (filter, output) in outputs[..filters].iter_mut().enumerate() {
                *output = sums[filter * stretch + position] + bias[filter];
            }
        }
    });
    outputs
}

/// The largest of some numbers.
fn highest<T: Real>(numbers: &[T]) -> T {
    let mut best = [T::NEG_INFINITY; PADDED];
    let larger = |best: &mut T, x: &T| *best = if *x > *best { *x } else { *best };
    let (whole, rest) = numbers.as_chunks::<PADDED>();
    whole.iter().for_each(|numbers| best.iter_mut().zip(numbers).for_each(|(best, x)| larger(best, x)));
    best.iter_mut().zip(rest).for_each(|(best, x)| larger(best, x));
    best.iter().fold(T::NEG_INFINITY, |a, b| if *b > a { *b } else { a })
}

/// Raises a row of padded filters to the largest of some rows.
struct Larger<'a, T> {
    rows: &'a [T],
    into: &'a mut [T],
}

impl<T: Real> Kernel for Larger<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let padded = self.into.len();
        let into = T::vectors_mut::<S>(self.into);
        for row in self.rows.chunks_exact(padded) {
            for (into, x) in into.iter_mut().zip(T::vectors::<S>(row)) {
                *into = T::if_greater(simd, *x, *into, *x, *into);
            }
        }
    }
}

/// The largest of a window's outputs after a substitution, or 0.
struct Substitute<'a, T> {
    /// Outputs over the base inside the window, in order.
    outputs: &'a [T],
    /// What each gains, in reverse order.
    differences: &'a [T],
    /// Largest of the window's outputs before and after them.
    before: Option<&'a [T]>,
    after: Option<&'a [T]>,
    row: &'a mut [T],
}

impl<T: Real> Kernel for Substitute<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let padded = self.row.len();
        for (v, row) in T::vectors_mut::<S>(self.row).iter_mut().enumerate() {
            let mut best = *row;
            for untouched in [self.before, self.after].into_iter().flatten() {
                let untouched = T::vectors::<S>(untouched)[v];
                best = T::if_greater(simd, untouched, best, untouched, best);
            }
            for (outputs, gain) in self.outputs.chunks_exact(padded).zip(self.differences.chunks_exact(padded).rev()) {
                let moved = T::plus(simd, T::vectors::<S>(outputs)[v], T::vectors::<S>(gain)[v]);
                best = T::if_greater(simd, moved, best, moved, best);
            }
            *row = best;
        }
    }
}
