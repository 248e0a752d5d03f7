//! Convolution along positions with bias and ReLU as one operation, for layers of many channels.
//!
//! The windows of a sequence are the overlapping rows of a matrix, which is multiplied by the filters without being copied. The
//! gradients are products of the same kind: that of the input a convolution with the turned filters, that of the filters the
//! transposed windows times the gradient.

use super::composed;
use super::product::{Packed, Rows};
use super::real::{Real, values, with_values};
use super::rules::{is_gradient, relu};
use candle_core::{CpuStorage, CustomOp3, DType, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;
use std::marker::PhantomData;

/// What a convolution does beside its sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConvOptions {
    /// Positions of 0 before the first.
    pub left: usize,
    /// Positions of 0 after the last.
    pub right: usize,
    /// Whether ReLU follows; ReLU'(0) = 0.
    pub relu: bool,
}

/// `x` `[n, length, channels]`, `weight` `[filters, kernel, channels]`, `bias` `[filters]` give `[n, positions, filters]` with
/// `positions = left + length + right - kernel + 1`. Gradients are made only for inputs that track them.
///
/// # Errors
/// Where shapes do not fit, a padding is as long as the kernel, or numbers are neither f32 nor f64.
pub fn conv(x: &Tensor, weight: &Tensor, bias: &Tensor, options: ConvOptions) -> Result<Tensor> {
    let sizes = Sizes::new(x, weight, bias, options)?;
    if options.relu && !is_gradient() {
        return relu(&conv(x, weight, bias, ConvOptions { relu: false, ..options })?);
    }
    if !x.device().is_cpu() {
        return composed::conv(x, weight, bias, options);
    }
    let (x, weight, bias) = (x.contiguous()?, weight.contiguous()?, bias.contiguous()?);
    match x.dtype() {
        DType::F32 => Conv::<f32>::apply(sizes, &x, &weight, &bias),
        DType::F64 => Conv::<f64>::apply(sizes, &x, &weight, &bias),
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
    positions: usize,
    options: ConvOptions,
}

impl Sizes {
    fn new(x: &Tensor, weight: &Tensor, bias: &Tensor, options: ConvOptions) -> Result<Self> {
        let (n, length, channels) = x.dims3()?;
        let (filters, kernel, of) = weight.dims3()?;
        if of != channels || bias.dims() != [filters] || kernel == 0 || channels == 0 || filters == 0 {
            bail!("convolution: input {:?}, weight {:?} and bias {:?} do not fit", x.dims(), weight.dims(), bias.dims());
        }
        if options.left >= kernel || options.right >= kernel {
            bail!("convolution: padding of {} and {} with a kernel of {kernel}", options.left, options.right);
        }
        let padded = options.left + length + options.right;
        if padded < kernel || n == 0 {
            bail!("convolution: {n} windows of {length} positions with a kernel of {kernel}");
        }
        Ok(Self { n, length, channels, filters, kernel, positions: padded - kernel + 1, options })
    }

    /// Numbers a filter spans.
    fn depth(&self) -> usize {
        self.kernel * self.channels
    }
}

struct Conv<T> {
    sizes: Sizes,
    input_gradient: bool,
    weight_gradient: bool,
    number: PhantomData<T>,
}

/// What a layer adds to a sum of products.
#[derive(Clone, Copy)]
struct Finish<'a, T> {
    bias: Option<&'a [T]>,
    relu: bool,
}

impl<T: Real> Conv<T> {
    fn apply(sizes: Sizes, x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
        let (input_gradient, weight_gradient) = (x.track_op(), weight.track_op() || bias.track_op());
        x.apply_op3(weight, bias, Self { sizes, input_gradient, weight_gradient, number: PhantomData })
    }

    /// Gradient of the input: the gradient of the sums, convolved with the filters turned round.
    fn input_gradient(&self, weight: &[T], gradient: &[T]) -> Vec<T> {
        let s = self.sizes;
        let mut turned = vec![T::ZERO; weight.len()];
        for (row, weight) in weight.chunks_exact(s.channels).enumerate() {
            let (filter, k) = (row / s.kernel, row % s.kernel);
            let to = &mut turned[((s.kernel - 1 - k) * s.filters + filter) * s.channels..][..s.channels];
            to.copy_from_slice(weight);
        }
        let packed = Packed::new(&turned, s.kernel * s.filters, s.channels, s.channels, 1);
        let left = s.kernel - 1 - s.options.left;
        let finish = Finish { bias: None, relu: false };
        slide(gradient, [s.n, s.positions, s.filters, s.length, s.channels], s.kernel, left, &packed, finish)
    }

    /// Gradients of weights and bias, summed over samples in their order whatever the number of threads.
    fn weight_gradient(&self, x: &[T], gradient: &[T]) -> (Vec<T>, Vec<T>) {
        const SAMPLES_PER_ITEM: usize = 8;
        let s = self.sizes;
        let (of_x, of_gradient) = (s.length * s.channels, s.positions * s.filters);
        let parts: Vec<(Vec<T>, Vec<T>)> = x
            .par_chunks(of_x * SAMPLES_PER_ITEM)
            .zip(gradient.par_chunks(of_gradient * SAMPLES_PER_ITEM))
            .map(|(x, gradient)| {
                let (mut weight, mut bias, mut padded) = (Vec::new(), vec![T::ZERO; s.filters], Vec::new());
                for (i, (x, gradient)) in x.chunks(of_x).zip(gradient.chunks(of_gradient)).enumerate() {
                    let packed = Packed::new(gradient, s.positions, s.filters, s.filters, 1);
                    if i == 0 {
                        weight = vec![T::ZERO; s.depth() * packed.padded()];
                    }
                    let x = stretch(x, s.length, s.channels, s.options.left, 0, s.positions + s.kernel - 1, &mut padded);
                    packed.multiply(x, Rows::Interleaved(s.channels), s.depth(), &mut weight, i > 0);
                    for gradient in gradient.chunks_exact(s.filters) {
                        bias.iter_mut().zip(gradient).for_each(|(a, b)| *a += *b);
                    }
                }
                (weight, bias)
            })
            .collect();
        let (mut weight, mut bias) = (vec![T::ZERO; s.filters * s.depth()], vec![T::ZERO; s.filters]);
        for (of_weight, of_bias) in parts {
            let padded = of_weight.len() / s.depth();
            for (d, row) in of_weight.chunks_exact(padded).enumerate() {
                row[..s.filters].iter().enumerate().for_each(|(f, w)| weight[f * s.depth() + d] += *w);
            }
            bias.iter_mut().zip(of_bias).for_each(|(a, b)| *a += b);
        }
        (weight, bias)
    }
}

/// `length` positions of `x` from `from` of the padded sequence on: of `x` itself where they all lie in it, else in `buffer` with 0
/// around it.
fn stretch<'a, T: Real>(
    x: &'a [T],
    of: usize,
    channels: usize,
    left: usize,
    from: usize,
    length: usize,
    buffer: &'a mut Vec<T>,
) -> &'a [T] {
    if from >= left && from + length <= left + of {
        return &x[(from - left) * channels..][..length * channels];
    }
    buffer.clear();
    buffer.resize(length * channels, T::ZERO);
    let first = left.saturating_sub(from).min(length);
    let last = (left + of).saturating_sub(from).min(length);
    if first < last {
        let to = &mut buffer[first * channels..last * channels];
        to.copy_from_slice(&x[(from + first - left) * channels..][..to.len()]);
    }
    buffer
}

/// The convolution of `[n, length, channels]` with packed filters: `[n, positions, filters]`, `left` positions of 0 before the first
/// and as many after the last as it takes.
fn slide<T: Real>(
    x: &[T],
    [n, length, channels, positions, filters]: [usize; 5],
    kernel: usize,
    left: usize,
    packed: &Packed<T>,
    finish: Finish<'_, T>,
) -> Vec<T> {
    /// What a work item writes stays in the second-level cache.
    const NUMBERS_PER_ITEM: usize = 1 << 16;
    let per_item = (NUMBERS_PER_ITEM / packed.padded()).clamp(1, positions);
    let mut out = vec![T::ZERO; n * positions * filters];
    let items: Vec<(usize, usize, &mut [T])> = out
        .chunks_mut(positions * filters)
        .enumerate()
        .flat_map(|(sample, out)| {
            out.chunks_mut(per_item * filters).enumerate().map(move |(item, out)| (sample, item * per_item, out))
        })
        .collect();
    items.into_par_iter().for_each_init(Default::default, |(buffer, sums): &mut (Vec<T>, Vec<T>), (sample, from, out)| {
        let x = &x[sample * length * channels..][..length * channels];
        let count = out.len() / filters;
        let x = stretch(x, length, channels, left, from, count + kernel - 1, buffer);
        if packed.padded() == filters {
            packed.multiply(x, Rows::Adjacent(channels), count, out, false);
        } else {
            sums.resize(count * packed.padded(), T::ZERO);
            packed.multiply(x, Rows::Adjacent(channels), count, sums, false);
            for (out, sums) in out.chunks_exact_mut(filters).zip(sums.chunks_exact(packed.padded())) {
                out.copy_from_slice(&sums[..filters]);
            }
        }
        if let Some(bias) = finish.bias {
            for out in out.chunks_exact_mut(filters) {
                out.iter_mut().zip(bias).for_each(|(y, bias)| *y += *bias);
            }
        }
        if finish.relu {
            // NaN is not below 0, so it stays.
            out.iter_mut().for_each(|y| *y = if *y < T::ZERO { T::ZERO } else { *y });
        }
    });
    out
}

impl<T: Real> CustomOp3 for Conv<T> {
    fn name(&self) -> &'static str {
        "conv"
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
        let (x, weight, bias) = (values(x, x_layout)?, values(weight, weight_layout)?, values(bias, bias_layout)?);
        let s = self.sizes;
        let packed = Packed::new(weight, s.depth(), s.filters, 1, s.depth());
        let finish = Finish { bias: Some(bias), relu: s.options.relu };
        let out = slide(x, [s.n, s.length, s.channels, s.positions, s.filters], s.kernel, s.options.left, &packed, finish);
        Ok((T::to_cpu_storage_owned(out), (s.n, s.positions, s.filters).into()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _bias: &Tensor,
        out: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (device, s) = (x.device(), self.sizes);
        let gradient = if s.options.relu { masked::<T>(gradient, out)? } else { gradient.clone() };
        let mut gradients = (None, None, None);
        if self.input_gradient {
            let values = with_values(weight, |w| with_values(&gradient, |g| self.input_gradient(w, g)))??;
            gradients.0 = Some(Tensor::from_vec(values, (s.n, s.length, s.channels), device)?);
        }
        if self.weight_gradient {
            let (weight, bias) = with_values(x, |x| with_values(&gradient, |g| self.weight_gradient(x, g)))??;
            gradients.1 = Some(Tensor::from_vec(weight, (s.filters, s.kernel, s.channels), device)?);
            gradients.2 = Some(Tensor::from_vec(bias, s.filters, device)?);
        }
        Ok(gradients)
    }
}

/// `gradient` where `out`, a ReLU's output, is above 0; else 0.
pub(super) fn masked<T: Real>(gradient: &Tensor, out: &Tensor) -> Result<Tensor> {
    let masked = with_values::<T, _>(gradient, |g| {
        with_values::<T, _>(out, |y| g.iter().zip(y).map(|(g, y)| if *y > T::ZERO { *g } else { T::ZERO }).collect::<Vec<_>>())
    })??;
    Tensor::from_vec(masked, out.shape(), out.device())
}
