//! iSEGnet along a straight path: each unit of a view's first layer is affine in the path's coordinate, so its ReLU opens or closes at
//! most once on the way.
//!
//! The second layer's sums are affine too between two such flips, and a flip adds or takes what one unit adds to the outputs over it:
//! two convolutions begin the path, and no node needs one. Backwards, what a unit passes is linear in the gradient of the outputs over
//! it: their sum over the nodes so far, read where the unit flips, and one transposed convolution of the whole sum give the sum over
//! the nodes at which it was open.

use super::{PathKernel, calls, numbers};
use crate::attribution::path::Node;
use crate::attribution::{AttributionError, Run, finite_scores};
use crate::models::layers::{ConvOptions, Kernel, Normed, Real, add_scaled, conv, dispatch};
use crate::models::{Batch, Isegnet, IsegnetView, Model};
use candle_core::{DType, Device, Tensor, Var};
use pulp::Simd;
use rayon::prelude::*;
use std::ops::Range;

/// The kernel, where the network is iSEGnet.
pub(super) fn build<'a>(
    model: &'a dyn Model,
    baseline: &Batch,
    input: &Batch,
) -> Option<Result<Box<dyn PathKernel + 'a>, AttributionError>> {
    let model = model.as_any().downcast_ref::<Isegnet>()?;
    fn boxed<'a, T: Real>(
        path: Result<IsegnetPath<'a, T>, AttributionError>,
    ) -> Result<Box<dyn PathKernel + 'a>, AttributionError> {
        Ok(Box::new(path?))
    }
    match model.dtype() {
        DType::F32 => Some(boxed(IsegnetPath::<f32>::new(model, baseline, input))),
        DType::F64 => Some(boxed(IsegnetPath::<f64>::new(model, baseline, input))),
        _ => None,
    }
}

/// Nodes whose layers behind the views run together.
const TOGETHER: usize = 8;
/// Most calls of them at once, whatever the number of cores: each keeps 10 MB (20 with 64 filters), and as many again are made ready.
const SIDE_BY_SIDE: usize = 4;
/// Channels of the second layer are padded to whole vectors of every width.
const PADDED: usize = 16;

struct IsegnetPath<'a, T> {
    model: &'a Isegnet,
    /// Marks before sequence, as their channels are joined.
    views: Vec<PathView<T>>,
    has_marks: bool,
}

/// A convolution whose transpose is taken.
struct Layer<T> {
    /// `[filters, kernel, channels]`.
    weight: Tensor,
    bias: Tensor,
    padding: [usize; 2],
    /// `[channels][kernel, turned round][filters, padded]`: what a channel adds to the outputs over it, one after the other.
    turned: Vec<T>,
    filters: usize,
    kernel: usize,
    channels: usize,
}

struct PathView<T> {
    layers: [Layer<T>; 2],
    pool: usize,
    /// The first layer's sums, `[length][filters]`: of the baseline, and of input minus baseline without bias.
    from: Vec<T>,
    change: Vec<T>,
}

impl<T: Real> Layer<T> {
    fn new(layer: &Normed) -> Result<Self, AttributionError> {
        let [weight, bias] = layer.folded()?;
        let (filters, kernel, channels) = weight.dims3()?;
        let padded = filters.next_multiple_of(PADDED);
        let mut turned = vec![T::ZERO; channels * kernel * padded];
        for (i, w) in numbers::<T>(&weight)?.into_iter().enumerate() {
            let (filter, k, channel) = (i / channels / kernel, i / channels % kernel, i % channels);
            turned[(channel * kernel + kernel - 1 - k) * padded + filter] = w;
        }
        Ok(Self { weight, bias, padding: layer.padding(), turned, filters, kernel, channels })
    }

    fn padded(&self) -> usize {
        self.filters.next_multiple_of(PADDED)
    }

    /// Sums of `x` `[1, length, channels]`, with bias where it is wanted.
    fn sums(&self, x: &Tensor, has_bias: bool) -> Result<Tensor, AttributionError> {
        let [left, right] = self.padding;
        let bias = if has_bias { self.bias.clone() } else { self.bias.zeros_like()? };
        Ok(conv(x, &self.weight, &bias, ConvOptions { left, right, relu: false })?)
    }

    /// The gradient of the input `[length][channels]` from that of the sums `[positions][padded]`.
    fn transposed(&self, gradient: Vec<T>) -> Result<Tensor, AttributionError> {
        let padded = self.padded();
        let x = Tensor::from_vec(gradient, ((), padded), &Device::Cpu)?.unsqueeze(0)?;
        let turned = Tensor::from_slice(&self.turned, (self.channels, self.kernel, padded), &Device::Cpu)?;
        let zeros = Tensor::zeros(self.channels, T::DTYPE, &Device::Cpu)?;
        let [left, right] = self.padding.map(|padding| self.kernel - 1 - padding);
        Ok(conv(&x, &turned, &zeros, ConvOptions { left, right, relu: false })?)
    }

    /// The stretch of the sums, as indices into `[positions][padded]`, that input `unit` of `[length][channels]` is read by, and what
    /// it adds to them.
    fn over(&self, unit: usize, positions: usize) -> (Range<usize>, &[T]) {
        let (padded, last) = (self.padded(), unit / self.channels + self.padding[0]);
        let taps = &self.turned[unit % self.channels * self.kernel * padded..][..self.kernel * padded];
        let (from, until) = ((last + 1).saturating_sub(self.kernel), (last + 1).min(positions));
        let skipped = from + self.kernel - (last + 1);
        (from * padded..until * padded, &taps[skipped * padded..(skipped + until - from) * padded])
    }
}

/// A path through a view.
struct Pass<'a, T> {
    view: &'a PathView<T>,
    /// In ascending order.
    nodes: &'a [Node],
    /// Units of the first layer that are open at the last node.
    is_open: Vec<bool>,
    /// Of each node, the units that open or close when it is reached from the one before.
    flips: Vec<Vec<u32>>,
    /// Outputs of the second layer along the window.
    positions: usize,
}

/// The second layer's sums are `from + at * change`, `[positions][padded]`: those of the node that a pass stands at.
struct Sums<T> {
    from: Vec<T>,
    change: Vec<T>,
}

/// What came back from the nodes so far.
struct Passed<T> {
    /// Gradients of the second layer's sums, summed, `[positions][padded]`.
    gradient: Vec<T>,
    /// What flipped units pass beside what they pass if they stay as at the end.
    beside: Vec<T>,
}

/// The second layer at some nodes.
struct AtNodes<T> {
    /// Its means, `[nodes, windows, filters]`.
    pooled: Var,
    /// 1 where it is open, else 0, `[nodes][positions][padded]`.
    open: Vec<T>,
}

impl<T: Real> PathView<T> {
    fn new(view: &IsegnetView, from: &Tensor, to: &Tensor) -> Result<Self, AttributionError> {
        let layers = [Layer::new(&view.convs[0])?, Layer::new(&view.convs[1])?];
        let change = numbers(&layers[0].sums(&(to - from)?, false)?)?;
        Ok(Self { from: numbers(&layers[0].sums(from, true)?)?, change, layers, pool: view.pool })
    }

    /// The path along `nodes`, which ascend, and where it stands at the first.
    fn begin<'p>(&'p self, nodes: &'p [Node]) -> Result<(Pass<'p, T>, Sums<T>), AttributionError> {
        let ats: Vec<T> = nodes.iter().map(|node| T::from_f64(node.at)).collect();
        let (first, last) = (ats[0], ats[ats.len() - 1]);
        let mut flips = vec![Vec::new(); nodes.len()];
        let mut is_open = Vec::with_capacity(self.from.len());
        let mut opened = [vec![T::ZERO; self.from.len()], vec![T::ZERO; self.from.len()]];
        for (unit, (&from, &change)) in self.from.iter().zip(&self.change).enumerate() {
            // Monotone in `at`, after rounding too.
            let open = |at: T| from + change * at > T::ZERO;
            let (at_first, at_last) = (open(first), open(last));
            if at_first {
                (opened[0][unit], opened[1][unit]) = (from, change);
            }
            if at_first != at_last {
                flips[ats.partition_point(|at| open(*at) == at_first)].push(unit as u32);
            }
            is_open.push(at_last);
        }
        let second = &self.layers[1];
        let shape = (1, self.from.len() / second.channels, second.channels);
        let [from, change] = opened.map(|values| Tensor::from_vec(values, shape, &Device::Cpu));
        let (from, change) = (from?, change?);
        let (from, change) = rayon::join(|| padded(&second.sums(&from, true)?), || padded(&second.sums(&change, false)?));
        let sums = Sums { from: from?, change: change? };
        Ok((Pass { view: self, nodes, is_open, flips, positions: sums.from.len() / second.padded() }, sums))
    }
}

/// `[1, positions, filters]` with zeros up to whole vectors.
fn padded<T: Real>(sums: &Tensor) -> Result<Vec<T>, AttributionError> {
    let filters = sums.dim(2)?;
    let more = filters.next_multiple_of(PADDED) - filters;
    numbers(&sums.pad_with_zeros(2, 0, more)?)
}

impl<T: Real> Pass<'_, T> {
    fn windows(&self) -> usize {
        self.positions / self.view.pool
    }

    fn nothing_passed(&self) -> Passed<T> {
        let sums = self.positions * self.view.layers[1].padded();
        Passed { gradient: vec![T::ZERO; sums], beside: vec![T::ZERO; self.view.from.len()] }
    }

    /// Goes on to the nodes of `call`, one after the other.
    fn advance(&self, sums: &mut Sums<T>, call: Range<usize>) -> Result<AtNodes<T>, AttributionError> {
        let layer = &self.view.layers[1];
        let (row, all) = (self.windows() * layer.padded(), self.positions * layer.padded());
        let n = call.len();
        let mut pooled = vec![T::ZERO; n * row];
        let mut open = vec![T::ZERO; n * all];
        let each = pooled.chunks_exact_mut(row).zip(open.chunks_exact_mut(all));
        for (k, (pooled, open)) in call.zip(each) {
            for &unit in &self.flips[k] {
                let unit = unit as usize;
                let (stretch, taps) = layer.over(unit, self.positions);
                // What is open at the end was closed until now.
                let sign = if self.is_open[unit] { T::ONE } else { T::ZERO - T::ONE };
                let (from, change) = (sign * self.view.from[unit], sign * self.view.change[unit]);
                dispatch(Add { factor: from, values: taps, out: &mut sums.from[stretch.clone()] });
                dispatch(Add { factor: change, values: taps, out: &mut sums.change[stretch] });
            }
            let at = T::from_f64(self.nodes[k].at);
            let (padded, pool) = (layer.padded(), self.view.pool);
            dispatch(PoolNode { at, sums, padded, pool, pooled, open });
        }
        let rows = n * self.windows();
        let pooled = Tensor::from_vec(pooled, (rows, layer.padded()), &Device::Cpu)?.narrow(1, 0, layer.filters)?;
        let pooled = pooled.contiguous()?.reshape((n, self.windows(), layer.filters))?;
        Ok(AtNodes { pooled: Var::from_tensor(&pooled)?, open })
    }

    /// Takes in the gradients of the pooled outputs of the nodes of `call`.
    fn collect(&self, passed: &mut Passed<T>, call: Range<usize>, open: &[T], gradient: &Tensor) -> Result<(), AttributionError> {
        let layer = &self.view.layers[1];
        let (padded_width, pool) = (layer.padded(), self.view.pool);
        let gradient: Vec<T> = padded(gradient)?;
        let each = gradient.chunks_exact(self.windows() * padded_width).zip(open.chunks_exact(self.positions * padded_width));
        for (k, (pooled, open)) in call.zip(each) {
            let share = T::from_f64(self.nodes[k].weight / pool as f64);
            dispatch(SpreadNode { share, pooled, open, padded: padded_width, pool, gradient: &mut passed.gradient });
            for &unit in self.flips.get(k + 1).into_iter().flatten() {
                let unit = unit as usize;
                let (stretch, taps) = layer.over(unit, self.positions);
                let until_now = dispatch(Dot { a: taps, b: &passed.gradient[stretch] });
                // Closed until now, then open: what it passes at the end is too much by this.
                passed.beside[unit] = if self.is_open[unit] { T::ZERO - until_now } else { until_now };
            }
        }
        Ok(())
    }

    /// The input's gradient, `[1, length, channels]`.
    fn finish(self, passed: Passed<T>) -> Result<Tensor, AttributionError> {
        let [first, second] = &self.view.layers;
        let mut all: Vec<T> = numbers(&second.transposed(passed.gradient)?)?;
        for ((all, beside), is_open) in all.iter_mut().zip(&passed.beside).zip(&self.is_open) {
            *all = if *is_open { *all + *beside } else { *beside };
        }
        let all = Tensor::from_vec(all, (1, self.view.from.len() / first.filters, first.filters), &Device::Cpu)?;
        Ok(first.transposed(padded(&all)?)?.to_dtype(DType::F64)?)
    }
}

impl<'a, T: Real> IsegnetPath<'a, T> {
    fn new(model: &'a Isegnet, baseline: &Batch, input: &Batch) -> Result<Self, AttributionError> {
        let of = [(&model.marks, &baseline.marks, &input.marks), (&model.sequence, &baseline.sequence, &input.sequence)];
        let views = of.into_par_iter().filter_map(|(view, from, to)| {
            let (view, from, to) = (view.as_ref()?, from.as_ref()?, to.as_ref()?);
            Some(PathView::new(view, from, to))
        });
        Ok(Self { model, views: views.collect::<Result<_, _>>()?, has_marks: model.marks.is_some() })
    }
}

impl<T: Real> IsegnetPath<'_, T> {
    /// The gradients of the score by the second layers' means at some nodes, by view.
    fn of_pooled<'t>(&self, at: impl Iterator<Item = &'t AtNodes<T>>) -> Result<Vec<Tensor>, AttributionError> {
        let pooled: Vec<Tensor> = at.map(|at| at.pooled.as_tensor().clone()).collect();
        let score = self.model.score_pooled(&pooled)?;
        finite_scores(&score.detach())?;
        let gradients = score.sum_all()?.backward()?;
        let of = pooled.iter().map(|pooled| gradients.get(pooled).map_or_else(|| pooled.zeros_like(), |g| Ok(g.clone())));
        Ok(of.collect::<candle_core::Result<_>>()?)
    }
}

impl<T: Real> PathKernel for IsegnetPath<'_, T> {
    fn gradients(&self, nodes: &[Node], run: &Run<'_>) -> Result<Batch, AttributionError> {
        let mut nodes = nodes.to_vec();
        nodes.sort_by(|a, b| a.at.total_cmp(&b.at));
        let begun = self.views.par_iter().map(|view| view.begin(&nodes)).collect::<Result<Vec<_>, _>>()?;
        let (passes, mut sums): (Vec<_>, Vec<_>) = begun.into_iter().unzip();
        let mut passed: Vec<_> = passes.iter().map(Pass::nothing_passed).collect();
        // A call of the layers behind the views for each thread, side by side: one call alone does not keep two threads busy.
        let calls = calls(nodes.len(), TOGETHER);
        let rounds: Vec<&[Range<usize>]> = calls.chunks(rayon::current_num_threads().min(SIDE_BY_SIDE)).collect();
        let mut advance = |round: usize| -> Result<Vec<Vec<AtNodes<T>>>, AttributionError> {
            let calls = rounds.get(round).copied().unwrap_or_default();
            let views = passes.par_iter().zip(&mut sums);
            views.map(|(pass, sums)| calls.iter().map(|call| pass.advance(sums, call.clone())).collect()).collect()
        };
        let mut collect = |round: usize, at: &[Vec<AtNodes<T>>]| -> Result<(), AttributionError> {
            let calls = rounds[round];
            let of_calls = (0..calls.len()).into_par_iter().map(|call| self.of_pooled(at.iter().map(|view| &view[call])));
            let of_calls = of_calls.collect::<Result<Vec<_>, _>>()?;
            let views = passes.par_iter().zip(&mut passed).zip(at).enumerate();
            views.try_for_each(|(view, ((pass, passed), at))| {
                let mut each = calls.iter().zip(at).zip(&of_calls);
                each.try_for_each(|((call, at), of_views)| pass.collect(passed, call.clone(), &at.open, &of_views[view]))
            })
        };
        let mut at = advance(0)?;
        for round in 0..rounds.len() {
            run.step()?;
            // What the next nodes open does not wait for what came back from these.
            let (ahead, collected) = rayon::join(|| advance(round + 1), || collect(round, &at));
            collected?;
            at = ahead?;
        }
        run.step()?;
        let inputs = passes.into_par_iter().zip(passed).map(|(pass, passed)| pass.finish(passed));
        let mut inputs = inputs.collect::<Result<Vec<_>, _>>()?.into_iter();
        let marks = if self.has_marks { inputs.next() } else { None };
        Ok(Batch { marks, sequence: inputs.next(), ..Batch::default() })
    }
}

/// [`add_scaled`] by itself.
struct Add<'a, T> {
    factor: T,
    values: &'a [T],
    out: &'a mut [T],
}

impl<T: Real> Kernel for Add<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        add_scaled(simd, self.factor, self.values, self.out);
    }
}

/// The scalar product of whole vectors.
struct Dot<'a, T> {
    a: &'a [T],
    b: &'a [T],
}

impl<T: Real> Kernel for Dot<'_, T> {
    type Output = T;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> T {
        // `PADDED` sums whatever the width of a vector.
        let mut sums = [T::ZERO; PADDED];
        for (a, b) in self.a.as_chunks::<PADDED>().0.iter().zip(self.b.as_chunks::<PADDED>().0) {
            let (a, b) = (T::vectors::<S>(a), T::vectors::<S>(b));
            for ((sum, a), b) in T::vectors_mut::<S>(&mut sums).iter_mut().zip(a).zip(b) {
                *sum = T::fused(simd, *a, *b, *sum);
            }
        }
        sums.into_iter().fold(T::ZERO, |a, b| a + b)
    }
}

/// The second layer at a node: its means over windows, and where it is open.
struct PoolNode<'a, T> {
    at: T,
    sums: &'a Sums<T>,
    padded: usize,
    pool: usize,
    pooled: &'a mut [T],
    open: &'a mut [T],
}

impl<T: Real> Kernel for PoolNode<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let (at, zero, one) = (T::splat(simd, self.at), T::splat(simd, T::ZERO), T::splat(simd, T::ONE));
        let share = T::splat(simd, T::from_f64(1.0 / self.pool as f64));
        let window = self.pool * self.padded;
        let sums = self.sums.from.chunks_exact(window).zip(self.sums.change.chunks_exact(window));
        let out = self.pooled.chunks_exact_mut(self.padded).zip(self.open.chunks_exact_mut(window));
        for ((from, change), (pooled, open)) in sums.zip(out) {
            let pooled = T::vectors_mut::<S>(pooled);
            let rows = from.chunks_exact(self.padded).zip(change.chunks_exact(self.padded));
            for ((from, change), open) in rows.zip(open.chunks_exact_mut(self.padded)) {
                let row = T::vectors::<S>(from).iter().zip(T::vectors::<S>(change));
                for ((mean, (from, change)), open) in pooled.iter_mut().zip(row).zip(T::vectors_mut::<S>(open)) {
                    let y = T::fused(simd, at, *change, *from);
                    *open = T::if_greater(simd, y, zero, one, zero);
                    *mean = T::plus(simd, *mean, T::if_greater(simd, zero, y, zero, y));
                }
            }
            pooled.iter_mut().for_each(|mean| *mean = T::times(simd, *mean, share));
        }
    }
}

/// Adds the gradient of each window's mean to the sums that were open.
struct SpreadNode<'a, T> {
    share: T,
    pooled: &'a [T],
    open: &'a [T],
    padded: usize,
    pool: usize,
    gradient: &'a mut [T],
}

impl<T: Real> Kernel for SpreadNode<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let (share, window) = (T::splat(simd, self.share), self.pool * self.padded);
        let windows = self.gradient.chunks_exact_mut(window).zip(self.open.chunks_exact(window));
        for (pooled, (gradient, open)) in self.pooled.chunks_exact(self.padded).zip(windows) {
            for (gradient, open) in gradient.chunks_exact_mut(self.padded).zip(open.chunks_exact(self.padded)) {
                let row = T::vectors::<S>(pooled).iter().zip(T::vectors::<S>(open));
                for (gradient, (pooled, open)) in T::vectors_mut::<S>(gradient).iter_mut().zip(row) {
                    *gradient = T::fused(simd, T::times(simd, share, *pooled), *open, *gradient);
                }
            }
        }
    }
}
