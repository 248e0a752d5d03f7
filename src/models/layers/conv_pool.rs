//! Convolution, bias, ReLU and max-pooling as one operation, so that the convolution's output never exists as a whole: its
//! backward pass visits one window of bases a pooled value instead of every position, and memory does not grow with length.

use super::composed;
use super::correlate::{BLOCK, Filters};
use super::real::{Kernel, Real, add_scaled, dispatch, values, with_values};
use super::rules::{BackwardRule, current_rule};
use candle_core::{CpuStorage, CustomOp3, DType, Layout, Result, Shape, Tensor, bail};
use pulp::Simd;
use rayon::prelude::*;
use std::marker::PhantomData;
use std::ops::Range;
use std::sync::OnceLock;

/// Pooling windows of `size` positions side by side, after `left` and before `right` positions of padding, which never win.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Positions a window.
    pub size: usize,
    /// Padding before the first position.
    pub left: usize,
    /// Padding after the last position.
    pub right: usize,
}

impl Pool {
    /// Whole windows only; positions left over are not read.
    pub fn valid(size: usize) -> Self {
        Self { size, left: 0, right: 0 }
    }

    /// TensorFlow's SAME: every position is in a window, the odd padding on the right (9,951 positions in windows of 50: 24 and 25).
    pub fn same(size: usize, positions: usize) -> Self {
        let padding = positions.div_ceil(size.max(1)) * size - positions;
        Self { size, left: padding / 2, right: padding - padding / 2 }
    }

    /// Number of windows over `positions`.
    pub fn windows(&self, positions: usize) -> usize {
        (self.left + positions + self.right) / self.size
    }

    /// The positions of a window, without padding.
    pub fn span(&self, window: usize, positions: usize) -> Range<usize> {
        let at = |edge: usize| edge.saturating_sub(self.left).min(positions);
        at(window * self.size)..at((window + 1) * self.size)
    }
}

/// `max over a window of ReLU(conv(x) + bias)`: `x` `[n, length, channels]`, `weight` `[filters, kernel, channels]`, `bias`
/// `[filters]` give `[n, windows, filters]`. Stride 1, no padding of the convolution (`length - kernel + 1` positions).
///
/// Among equal maxima the first takes the gradient, as in PyTorch and TensorFlow; ReLU'(0) = 0. A NaN in a window's bases makes the
/// window NaN. Gradients are made only for inputs that track them. Where a closed ReLU passes a signal back (the deconvnet), the first
/// position of a window that has no open one takes it.
pub fn conv_relu_max_pool(x: &Tensor, weight: &Tensor, bias: &Tensor, pool: Pool) -> Result<Tensor> {
    let sizes = Sizes::new(x, weight, bias, pool)?;
    if !x.device().is_cpu() || current_rule() == BackwardRule::Rescale {
        return composed::conv_relu_max_pool(x, weight, bias, pool);
    }
    let (x, weight, bias) = (x.contiguous()?, weight.contiguous()?, bias.contiguous()?);
    match x.dtype() {
        DType::F32 => ConvReluMaxPool::<f32>::apply(sizes, &x, &weight, &bias),
        DType::F64 => ConvReluMaxPool::<f64>::apply(sizes, &x, &weight, &bias),
        other => bail!("convolution of {other:?}: only f32 and f64"),
    }
}

/// The sizes of one call.
#[derive(Clone, Copy)]
struct Sizes {
    n: usize,
    length: usize,
    channels: usize,
    filters: usize,
    kernel: usize,
    /// Outputs of the convolution.
    positions: usize,
    windows: usize,
    pool: Pool,
}

impl Sizes {
    fn new(x: &Tensor, weight: &Tensor, bias: &Tensor, pool: Pool) -> Result<Self> {
        let (n, length, channels) = x.dims3()?;
        let (filters, kernel, of) = weight.dims3()?;
        if of != channels || bias.dims() != [filters] || kernel == 0 || channels == 0 {
            bail!("convolution: input {:?}, weight {:?} and bias {:?} do not fit", x.dims(), weight.dims(), bias.dims());
        }
        if length < kernel {
            bail!("convolution: a window of {length} is shorter than the kernel of {kernel}");
        }
        let positions = length - kernel + 1;
        if pool.size == 0 || pool.left >= pool.size || pool.right >= pool.size {
            bail!("pool {pool:?}: a window of padding alone has no maximum");
        }
        if u32::try_from(positions).is_err() {
            bail!("convolution: {positions} positions are too many");
        }
        Ok(Self { n, length, channels, filters, kernel, positions, windows: pool.windows(positions), pool })
    }

    /// Numbers a filter spans.
    fn depth(&self) -> usize {
        self.kernel * self.channels
    }
}

/// Sums compared at once.
const LANES: usize = 16;
/// Convolution outputs a work item, about: what the second-level cache holds.
const POSITIONS_PER_ITEM: usize = 1024;
/// Stands for "ReLU closed" where the position of a maximum is kept.
const CLOSED: u32 = u32::MAX;

struct ConvReluMaxPool<T> {
    sizes: Sizes,
    rule: BackwardRule,
    input_gradient: bool,
    weight_gradient: bool,
    /// Position of every pooled maximum, `[n, windows, filters]`, where a gradient will be asked for.
    maxima: OnceLock<Vec<u32>>,
    number: PhantomData<T>,
}

impl<T: Real> ConvReluMaxPool<T> {
    fn apply(sizes: Sizes, x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
        let (input_gradient, weight_gradient) = (x.track_op(), weight.track_op() || bias.track_op());
        let (rule, maxima) = (current_rule(), OnceLock::new());
        x.apply_op3(weight, bias, Self { sizes, rule, input_gradient, weight_gradient, maxima, number: PhantomData })
    }

    /// Pooled values and the positions they come from.
    fn forward(&self, x: &[T], weight: &[T], bias: &[T]) -> (Vec<T>, Vec<u32>) {
        let s = self.sizes;
        let filters = Filters::new(weight, s.filters, s.kernel, s.channels);
        let mut out = vec![T::ZERO; s.n * s.windows * s.filters];
        let mut maxima = vec![CLOSED; out.len()];
        if out.is_empty() {
            return (out, maxima);
        }
        let items = s.windows.div_ceil((POSITIONS_PER_ITEM / s.pool.size).max(1));
        let first = |item: usize| item * s.windows / items;
        let mut work = Vec::with_capacity(s.n * items);
        let (mut out_left, mut maxima_left) = (out.as_mut_slice(), maxima.as_mut_slice());
        for sample in 0..s.n {
            for item in 0..items {
                let windows = first(item)..first(item + 1);
                let (o, rest) = out_left.split_at_mut(windows.len() * s.filters);
                out_left = rest;
                let (m, rest) = maxima_left.split_at_mut(windows.len() * s.filters);
                maxima_left = rest;
                work.push((sample, windows, o, m));
            }
        }
        work.into_par_iter().for_each_init(
            Default::default,
            |(stretch, sums): &mut (Vec<T>, Vec<T>), (sample, windows, out, maxima)| {
                let from = s.pool.span(windows.start, s.positions).start;
                let positions = (s.pool.span(windows.end - 1, s.positions).end - from).next_multiple_of(BLOCK);
                let row = positions + s.kernel - 1;
                // Channel by channel, and 0 past the end where the last block reaches beyond the window.
                stretch.clear();
                stretch.resize(s.channels * row, T::ZERO);
                let x = &x[sample * s.length * s.channels..][..s.length * s.channels];
                for (i, x) in x[from * s.channels..].chunks_exact(s.channels).take(row).enumerate() {
                    for (channel, x) in x.iter().enumerate() {
                        stretch[channel * row + i] = *x;
                    }
                }
                sums.resize(s.filters * positions, T::ZERO);
                filters.correlate(stretch, positions, sums);
                for (filter, sums) in sums.chunks_exact(positions).enumerate() {
                    dispatch(PoolWindows {
                        sums,
                        from,
                        bias: bias[filter],
                        filter,
                        sizes: s,
                        passes_closed: self.rule.passes_closed(),
                        windows: windows.clone(),
                        out,
                        maxima,
                    });
                }
            },
        );
        (out, maxima)
    }

    /// Gradient of the input: every open pooled value adds its filter where its maximum lies.
    fn input_gradient(&self, weight: &[T], gradient: &[T], maxima: &[u32]) -> Vec<T> {
        let s = self.sizes;
        let mut out = vec![T::ZERO; s.n * s.length * s.channels];
        let pooled = s.windows * s.filters;
        out.par_chunks_mut(s.length * s.channels).enumerate().for_each(|(sample, out)| {
            let (gradient, maxima) = (&gradient[sample * pooled..][..pooled], &maxima[sample * pooled..][..pooled]);
            dispatch(AddFilters { out, weight, gradient, maxima, sizes: s });
        });
        out
    }

    /// Gradients of weights and bias, summed over samples in their order whatever the number of threads.
    fn weight_gradient(&self, x: &[T], gradient: &[T], maxima: &[u32]) -> (Vec<T>, Vec<T>) {
        const SAMPLES_PER_ITEM: usize = 8;
        let s = self.sizes;
        let pooled = s.windows * s.filters;
        let window = s.length * s.channels;
        let parts: Vec<_> = x
            .par_chunks(window * SAMPLES_PER_ITEM)
            .zip(gradient.par_chunks((pooled * SAMPLES_PER_ITEM).max(1)))
            .zip(maxima.par_chunks((pooled * SAMPLES_PER_ITEM).max(1)))
            .map(|((x, gradient), maxima)| {
                let mut weight = vec![T::ZERO; s.filters * s.depth()];
                let mut bias = vec![T::ZERO; s.filters];
                for (i, x) in x.chunks(window).enumerate() {
                    let (gradient, maxima) = (&gradient[i * pooled..][..pooled], &maxima[i * pooled..][..pooled]);
                    dispatch(AddWindows { weight: &mut weight, bias: &mut bias, x, gradient, maxima, sizes: s });
                }
                (weight, bias)
            })
            .collect();
        let mut sum = (vec![T::ZERO; s.filters * s.depth()], vec![T::ZERO; s.filters]);
        for (weight, bias) in parts {
            sum.0.iter_mut().zip(weight).for_each(|(a, b)| *a += b);
            sum.1.iter_mut().zip(bias).for_each(|(a, b)| *a += b);
        }
        sum
    }
}

/// Adds the bias to one filter's outputs and pools them.
struct PoolWindows<'a, T> {
    sums: &'a [T],
    /// Position of the first sum.
    from: usize,
    bias: T,
    filter: usize,
    sizes: Sizes,
    passes_closed: bool,
    windows: Range<usize>,
    out: &'a mut [T],
    maxima: &'a mut [u32],
}

impl<T: Real> Kernel for PoolWindows<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let s = self.sizes;
        for (i, window) in self.windows.enumerate() {
            let span = s.pool.span(window, s.positions);
            let sums = &self.sums[span.start - self.from..span.end - self.from];
            let mut best = [T::NEG_INFINITY; LANES];
            let mut nan = [false; LANES];
            let (vectors, rest) = sums.as_chunks::<LANES>();
            for sums in vectors {
                for q in 0..LANES {
                    let y = sums[q] + self.bias;
                    best[q] = if y > best[q] { y } else { best[q] };
                    nan[q] |= y.is_nan();
                }
            }
            for (q, sum) in rest.iter().enumerate() {
                let y = *sum + self.bias;
                best[q] = if y > best[q] { y } else { best[q] };
                nan[q] |= y.is_nan();
            }
            let highest = best.iter().fold(T::NEG_INFINITY, |a, b| if *b > a { *b } else { a });
            let (value, found) = match nan.contains(&true) {
                true => (T::NAN, sums.iter().position(|y| y.is_nan())),
                false if highest > T::ZERO => (highest, sums.iter().position(|y| *y + self.bias == highest)),
                false => (T::ZERO, self.passes_closed.then_some(0)),
            };
            self.out[i * s.filters + self.filter] = value;
            self.maxima[i * s.filters + self.filter] = found.map_or(CLOSED, |at| (span.start + at) as u32);
        }
    }
}

/// Adds gradient times filter to the input where each maximum lies.
struct AddFilters<'a, T> {
    out: &'a mut [T],
    weight: &'a [T],
    gradient: &'a [T],
    maxima: &'a [u32],
    sizes: Sizes,
}

impl<T: Real> Kernel for AddFilters<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let (s, depth) = (self.sizes, self.sizes.depth());
        for (i, (&gradient, &at)) in self.gradient.iter().zip(self.maxima).enumerate() {
            if at != CLOSED && gradient != T::ZERO {
                let out = &mut self.out[at as usize * s.channels..][..depth];
                add_scaled(simd, gradient, &self.weight[i % s.filters * depth..][..depth], out);
            }
        }
    }
}

/// Adds gradient times the bases under each maximum to its filter.
struct AddWindows<'a, T> {
    weight: &'a mut [T],
    bias: &'a mut [T],
    x: &'a [T],
    gradient: &'a [T],
    maxima: &'a [u32],
    sizes: Sizes,
}

impl<T: Real> Kernel for AddWindows<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let (s, depth) = (self.sizes, self.sizes.depth());
        for (i, (&gradient, &at)) in self.gradient.iter().zip(self.maxima).enumerate() {
            if at != CLOSED && gradient != T::ZERO {
                let filter = i % s.filters;
                self.bias[filter] += gradient;
                let x = &self.x[at as usize * s.channels..][..depth];
                add_scaled(simd, gradient, x, &mut self.weight[filter * depth..][..depth]);
            }
        }
    }
}

impl<T: Real> CustomOp3 for ConvReluMaxPool<T> {
    fn name(&self) -> &'static str {
        "conv-relu-max-pool"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (out, maxima) = self.forward(values(x, x_layout)?, values(weight, weight_layout)?, values(bias, bias_layout)?);
        if self.input_gradient || self.weight_gradient {
            // Set once: candle runs the forward pass of an operation a single time.
            let _ = self.maxima.set(maxima);
        }
        let s = self.sizes;
        Ok((T::to_cpu_storage_owned(out), (s.n, s.windows, s.filters).into()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _bias: &Tensor,
        _out: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let Some(maxima) = self.maxima.get() else { bail!("backward of a convolution that ran without gradients") };
        let (device, s, gradient) = (x.device(), self.sizes, &self.rule.heard(gradient)?);
        let mut gradients = (None, None, None);
        if self.input_gradient {
            let values = with_values([weight, gradient], |[w, g]| self.input_gradient(w, g, maxima))?;
            gradients.0 = Some(Tensor::from_vec(values, (s.n, s.length, s.channels), device)?);
        }
        if self.weight_gradient {
            let (weight, bias) = with_values([x, gradient], |[x, g]| self.weight_gradient(x, g, maxima))?;
            gradients.1 = Some(Tensor::from_vec(weight, (s.filters, s.kernel, s.channels), device)?);
            gradients.2 = Some(Tensor::from_vec(bias, s.filters, device)?);
        }
        Ok(gradients)
    }
}
