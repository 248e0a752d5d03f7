//! DeepCORE along a straight path: the first layer is linear, so its output is affine in the path's coordinate.
//!
//! A view is convolved twice in all. A node then costs an addition, ReLU and pooling, and the layers behind them forwards and back;
//! gradients of pooled values are summed where their maxima lie, and one transposed convolution takes the sum back to the input.

use super::deepcore_view::{PADDED, convolve};
use super::{PathKernel, calls, numbers};
use crate::attribution::path::Node;
use crate::attribution::{AttributionError, Run, finite_scores, values};
use crate::models::layers::{Filters, Kernel, Pool, Real, add_scaled, dispatch};
use crate::models::{Batch, DeepCore, DeepCoreView, Model};
use candle_core::{DType, Device, Tensor, Var};
use pulp::Simd;
use rayon::prelude::*;

/// The kernel, where the network is DeepCORE.
pub(super) fn build<'a>(
    model: &'a dyn Model,
    baseline: &Batch,
    input: &Batch,
) -> Option<Result<Box<dyn PathKernel + 'a>, AttributionError>> {
    let model = model.as_any().downcast_ref::<DeepCore>()?;
    fn boxed<'a, T: Real>(
        path: Result<DeepCorePath<'a, T>, AttributionError>,
    ) -> Result<Box<dyn PathKernel + 'a>, AttributionError> {
        Ok(Box::new(path?))
    }
    match model.dtype() {
        DType::F32 => Some(boxed(DeepCorePath::<f32>::new(model, baseline, input))),
        DType::F64 => Some(boxed(DeepCorePath::<f64>::new(model, baseline, input))),
        _ => None,
    }
}

struct DeepCorePath<'a, T> {
    model: &'a DeepCore,
    /// Sequence and marks.
    views: [Option<PathView<T>>; 2],
}

struct PathView<T> {
    /// Filters, kernel, channels.
    sizes: [usize; 3],
    /// `[filters][kernel * channels]`.
    weight: Vec<f64>,
    pool: Pool,
    /// Convolution of the baseline with bias, `[positions][padded]`.
    from: Vec<T>,
    /// Convolution of input minus baseline.
    change: Vec<T>,
}

/// Pooled values and where in their windows they lie, `[bins][nodes][padded]`; below 0 where the ReLU is closed.
struct Pooled<T> {
    values: Vec<T>,
    places: Vec<T>,
}

impl<'a, T: Real> DeepCorePath<'a, T> {
    fn new(model: &'a DeepCore, baseline: &Batch, input: &Batch) -> Result<Self, AttributionError> {
        let view = |view: &Option<DeepCoreView>, from: &Option<Tensor>, to: &Option<Tensor>| match (view, from, to) {
            (Some(view), Some(from), Some(to)) => PathView::new(view, from, to).map(Some),
            _ => Ok(None),
        };
        let sequence = view(&model.sequence, &baseline.sequence, &input.sequence)?;
        Ok(Self { model, views: [sequence, view(&model.marks, &baseline.marks, &input.marks)?] })
    }
}

impl<T: Real> PathView<T> {
    fn new(view: &DeepCoreView, from: &Tensor, to: &Tensor) -> Result<Self, AttributionError> {
        let (filters, kernel, channels) = view.weight.dims3()?;
        let sizes = [filters, kernel, channels];
        let packed = Filters::new(&numbers::<T>(&view.weight)?, filters, kernel, channels);
        let change: Vec<T> = numbers(&(to - from)?)?;
        let positions = (change.len() / channels + 1).saturating_sub(kernel);
        let (from, bias) = (numbers::<T>(from)?, numbers::<T>(&view.bias)?);
        let zeros = vec![T::ZERO; filters];
        // Of zeros, the usual baseline, the bias is all that is left.
        let from = match from.iter().all(|x| *x == T::ZERO) {
            true => [&bias[..], &vec![T::ZERO; filters.next_multiple_of(PADDED) - filters]].concat().repeat(positions),
            false => convolve(&packed, &from, sizes, &bias),
        };
        Ok(Self {
            sizes,
            weight: numbers(&view.weight)?,
            pool: Pool::same(view.pool, positions),
            from,
            change: convolve(&packed, &change, sizes, &zeros),
        })
    }

    fn padded(&self) -> usize {
        self.sizes[0].next_multiple_of(PADDED)
    }

    fn positions(&self) -> usize {
        self.from.len() / self.padded()
    }

    fn bins(&self) -> usize {
        self.pool.windows(self.positions())
    }

    fn pool_nodes(&self, nodes: &[Node]) -> Pooled<T> {
        let (padded, row) = (self.padded(), self.padded() * nodes.len());
        let mut pooled = Pooled { values: vec![T::ZERO; self.bins() * row], places: vec![T::ZERO; self.bins() * row] };
        let bins = pooled.values.par_chunks_mut(row).zip(pooled.places.par_chunks_mut(row)).enumerate().with_min_len(16);
        bins.for_each(|(bin, (values, places))| {
            let span = self.pool.span(bin, self.positions());
            let rows = span.start * padded..span.end * padded;
            let (from, change) = (&self.from[rows.clone()], &self.change[rows]);
            dispatch(PoolNodes { nodes, from, change, padded, values, places });
        });
        pooled
    }

    /// A tensor `[nodes, bins, filters]` of pooled values.
    fn tensor(&self, pooled: &Pooled<T>, nodes: usize) -> Result<Var, AttributionError> {
        let (padded, filters) = (self.padded(), self.sizes[0]);
        let mut rows = Vec::with_capacity(nodes * self.bins() * filters);
        for node in 0..nodes {
            for bin in 0..self.bins() {
                rows.extend_from_slice(&pooled.values[(bin * nodes + node) * padded..][..filters]);
            }
        }
        Ok(Var::from_tensor(&Tensor::from_vec(rows, (nodes, self.bins(), filters), &Device::Cpu)?)?)
    }

    /// The input's gradient `[1, length, channels]` from that of the pooled values `[nodes, bins, filters]`.
    fn input_gradient(&self, pooled: &Pooled<T>, gradient: &[f64], nodes: &[Node]) -> Result<Tensor, AttributionError> {
        let ([filters, kernel, channels], padded, bins) = (self.sizes, self.padded(), self.bins());
        let length = self.positions() + kernel - 1;
        let mut out = vec![0.0; length * channels];
        let mut window = vec![0.0; self.pool.size * filters];
        for bin in 0..bins {
            // Gradient of every output of the window, summed over nodes.
            window.fill(0.0);
            for (k, node) in nodes.iter().enumerate() {
                let places = &pooled.places[(bin * nodes.len() + k) * padded..][..filters];
                for (filter, (place, gradient)) in places.iter().zip(&gradient[(k * bins + bin) * filters..]).enumerate() {
                    let place = place.to_f64();
                    if place >= 0.0 {
                        window[place as usize * filters + filter] += node.weight * gradient;
                    }
                }
            }
            let start = self.pool.span(bin, self.positions()).start;
            dispatch(AddFilters { window: &window, weight: &self.weight, filters, out: &mut out[start * channels..], channels });
        }
        Ok(Tensor::from_vec(out, (1, length, channels), &Device::Cpu)?)
    }
}

impl<T: Real> PathKernel for DeepCorePath<'_, T> {
    fn gradients(&self, nodes: &[Node], run: &Run<'_>) -> Result<Batch, AttributionError> {
        // A call of some 20 ms.
        let calls = calls(nodes.len(), if T::DTYPE == DType::F32 { 13 } else { 4 });
        let mut sum: Option<Batch> = None;
        for calls in calls.chunks(rayon::current_num_threads()) {
            run.step()?;
            // Added up in their order, however many run at once.
            for of_nodes in calls.par_iter().map(|call| self.gradients_together(&nodes[call.clone()])).collect::<Vec<_>>() {
                sum = Some(match sum {
                    Some(sum) => sum.try_zip(&of_nodes?, |sum, gradient| sum + gradient)?,
                    None => of_nodes?,
                });
            }
        }
        Ok(sum.unwrap_or_default())
    }
}

impl<T: Real> DeepCorePath<'_, T> {
    fn gradients_together(&self, nodes: &[Node]) -> Result<Batch, AttributionError> {
        let pooled = self.views.each_ref().map(|view| view.as_ref().map(|view| view.pool_nodes(nodes)));
        let mut inputs = [None, None];
        for ((input, view), pooled) in inputs.iter_mut().zip(&self.views).zip(&pooled) {
            if let (Some(view), Some(pooled)) = (view, pooled) {
                *input = Some(view.tensor(pooled, nodes.len())?);
            }
        }
        let score = self.model.score_pooled([0, 1].map(|i: usize| inputs[i].as_ref().map(Var::as_tensor)))?;
        finite_scores(&score.detach())?;
        let gradients = score.sum_all()?.backward()?;
        let mut out = [None, None];
        for (i, out) in out.iter_mut().enumerate() {
            if let (Some(view), Some(pooled), Some(input)) = (&self.views[i], &pooled[i], &inputs[i]) {
                let gradient = gradients.get(input).map_or_else(|| input.zeros_like(), |g| Ok(g.clone()))?;
                *out = Some(view.input_gradient(pooled, &values(&gradient)?, nodes)?);
            }
        }
        let [sequence, marks] = out;
        Ok(Batch { sequence, marks, ..Batch::default() })
    }
}

/// One window pooled at every node.
struct PoolNodes<'a, T> {
    nodes: &'a [Node],
    from: &'a [T],
    change: &'a [T],
    padded: usize,
    values: &'a mut [T],
    places: &'a mut [T],
}

impl<T: Real> Kernel for PoolNodes<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let rows = self.values.chunks_exact_mut(self.padded).zip(self.places.chunks_exact_mut(self.padded));
        for (node, (values, places)) in self.nodes.iter().zip(rows) {
            let at = T::splat(simd, T::from_f64(node.at));
            for (v, (value, place)) in T::vectors_mut::<S>(values).iter_mut().zip(T::vectors_mut::<S>(places)).enumerate() {
                let (mut best, mut found) = (T::splat(simd, T::ZERO), T::splat(simd, T::from_f64(-1.0)));
                let outputs = self.from.chunks_exact(self.padded).zip(self.change.chunks_exact(self.padded));
                for (i, (from, change)) in outputs.enumerate() {
                    let y = T::fused(simd, at, T::vectors::<S>(change)[v], T::vectors::<S>(from)[v]);
                    // Only a larger one takes the place of the first.
                    found = T::if_greater(simd, y, best, T::splat(simd, T::from_f64(i as f64)), found);
                    best = T::if_greater(simd, y, best, y, best);
                }
                (*value, *place) = (best, found);
            }
        }
    }
}

/// Adds gradient times filter to the input under each output of a window.
struct AddFilters<'a> {
    /// `[positions][filters]`.
    window: &'a [f64],
    weight: &'a [f64],
    filters: usize,
    out: &'a mut [f64],
    channels: usize,
}

impl Kernel for AddFilters<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let depth = self.weight.len() / self.filters;
        for (i, &gradient) in self.window.iter().enumerate() {
            if gradient != 0.0 {
                let (position, filter) = (i / self.filters, i % self.filters);
                let out = &mut self.out[position * self.channels..][..depth];
                add_scaled(simd, gradient, &self.weight[filter * depth..][..depth], out);
            }
        }
    }
}
