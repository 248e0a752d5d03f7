//! Batch normalisation (Ioffe and Szegedy 2015) over the last dimension, as Keras does it: batch statistics while training, which move
//! running ones, and those in inference.

use super::composed;
use super::real::{Kernel, Real, dispatch, values, with_values};
use super::rules::{self, is_gradient};
use crate::models::ModelError;
use crate::models::weights::{Init, Statistic, Weights};
use candle_core::{CpuStorage, CustomOp1, CustomOp3, D, DType, Layout, Result, Shape, Tensor, bail};
use pulp::Simd;
use rayon::prelude::*;
use std::marker::PhantomData;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// Share of the running statistics that a batch leaves as it is: Keras' default.
const MOMENTUM: f64 = 0.99;

/// The layer. Parameters `weight` (Keras' gamma) and `bias` (beta), statistics `running_mean` and `running_var`.
pub struct BatchNorm {
    weight: Tensor,
    bias: Tensor,
    mean: Statistic,
    variance: Statistic,
    epsilon: f64,
    /// Scale and shift of inference, where nothing trains them.
    kept: OnceLock<[Vec<f64>; 2]>,
}

impl BatchNorm {
    /// For `channels` channels.
    pub fn new(weights: &Weights, channels: usize, epsilon: f64) -> std::result::Result<Self, ModelError> {
        Ok(Self {
            weight: weights.get("weight", &[channels], Init::Constant(1.0))?,
            bias: weights.get("bias", &[channels], Init::Constant(0.0))?,
            mean: weights.statistic("running_mean", &[channels], 0.0)?,
            variance: weights.statistic("running_var", &[channels], 1.0)?,
            epsilon,
            kept: OnceLock::new(),
        })
    }

    /// Whether nothing trains it.
    pub fn is_constant(&self) -> bool {
        matches!(self.mean, Statistic::Stored(_))
    }

    /// What inference multiplies each channel by and then adds, in f64.
    pub(crate) fn scale_and_shift(&self) -> Result<[Vec<f64>; 2]> {
        let numbers = |t: &Tensor| t.to_dtype(DType::F64)?.to_vec1::<f64>();
        let (mean, variance) = (numbers(self.mean.tensor())?, numbers(self.variance.tensor())?);
        let (weight, bias) = (numbers(&self.weight)?, numbers(&self.bias)?);
        let scale: Vec<f64> = weight.iter().zip(variance).map(|(w, v)| w / (v + self.epsilon).sqrt()).collect();
        let shift = scale.iter().zip(mean).zip(bias).map(|((scale, mean), bias)| bias - mean * scale).collect();
        Ok([scale, shift])
    }

    /// Inference: `x` `[..., channels]` with the running statistics, then ReLU where `relu`. Gradients flow to `x` alone.
    pub fn forward(&self, x: &Tensor, relu: bool) -> Result<Tensor> {
        let kept = match self.kept.get() {
            Some(kept) => kept.clone(),
            None => self.scale_and_shift()?,
        };
        if self.is_constant() {
            self.kept.get_or_init(|| kept.clone());
        }
        affine(x, kept, relu)
    }

    /// Training: with the statistics of this batch, which the running ones move towards.
    pub fn forward_training(&self, x: &Tensor, relu: bool) -> Result<Tensor> {
        let (y, mean, variance) = normalise(x, &self.weight, &self.bias, self.epsilon, relu)?;
        for (running, now) in [(&self.mean, mean), (&self.variance, variance)] {
            running.update(|t| (t.to_dtype(DType::F64)? * MOMENTUM)? + (now * (1.0 - MOMENTUM))?)?;
        }
        Ok(y)
    }

    /// Inference's normalisation made part of the convolution or dense layer before it: `weight` `[filters, ...]` and `bias`
    /// `[filters]` (0 where absent), computed in f64. Gradients do not flow to them.
    pub fn fold(&self, weight: &Tensor, bias: Option<&Tensor>) -> Result<[Tensor; 2]> {
        let [scale, shift] = self.scale_and_shift()?.map(|v| Tensor::new(v, weight.device()));
        let (scale, shift) = (scale?, shift?);
        let mut shape = vec![1; weight.rank()];
        shape[0] = scale.elem_count();
        let folded = weight.detach().to_dtype(DType::F64)?.broadcast_mul(&scale.reshape(shape)?)?;
        let bias = match bias {
            Some(bias) => ((bias.detach().to_dtype(DType::F64)? * scale)? + shift)?,
            None => shift,
        };
        Ok([folded.to_dtype(weight.dtype())?, bias.to_dtype(weight.dtype())?])
    }
}

/// `relu(x * scale + shift)` of each channel of `[..., channels]`, without ReLU where `relu` is not set.
pub(super) fn affine(x: &Tensor, [scale, shift]: [Vec<f64>; 2], relu: bool) -> Result<Tensor> {
    if relu && !is_gradient() {
        return rules::relu(&affine(x, [scale, shift], false)?);
    }
    if x.dim(D::Minus1)? != scale.len() {
        bail!("normalisation of {} channels: input {:?}", scale.len(), x.dims());
    }
    if !x.device().is_cpu() {
        return composed::affine(x, &scale, &shift, relu);
    }
    let x = x.contiguous()?;
    match x.dtype() {
        DType::F32 => x.apply_op1(Affine::<f32>::new(&scale, &shift, relu)),
        DType::F64 => x.apply_op1(Affine::<f64>::new(&scale, &shift, relu)),
        other => bail!("normalisation of {other:?}: only f32 and f64"),
    }
}

struct Affine<T> {
    scale: Vec<T>,
    shift: Vec<T>,
    relu: bool,
}

impl<T: Real> Affine<T> {
    fn new(scale: &[f64], shift: &[f64], relu: bool) -> Self {
        let of = |values: &[f64]| values.iter().map(|v| T::from_f64(*v)).collect();
        Self { scale: of(scale), shift: of(shift), relu }
    }
}

impl<T: Real> Affine<T> {
    fn of(&self, x: &[T]) -> Vec<T> {
        let channels = self.scale.len();
        let mut out = vec![T::ZERO; x.len()];
        out.par_chunks_mut(channels * ROWS).zip(x.par_chunks(channels * ROWS)).for_each(|(out, x)| {
            dispatch(AffineRows { of: self, x, out });
        });
        out
    }
}

struct AffineRows<'a, T> {
    of: &'a Affine<T>,
    x: &'a [T],
    out: &'a mut [T],
}

impl<T: Real> Kernel for AffineRows<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let channels = self.of.scale.len();
        for (out, x) in self.out.chunks_exact_mut(channels).zip(self.x.chunks_exact(channels)) {
            for (((y, x), scale), shift) in out.iter_mut().zip(x).zip(&self.of.scale).zip(&self.of.shift) {
                *y = *x * *scale + *shift;
            }
            if self.of.relu {
                out.iter_mut().for_each(|y| *y = if *y < T::ZERO { T::ZERO } else { *y });
            }
        }
    }
}

impl<T: Real> CustomOp1 for Affine<T> {
    fn name(&self) -> &'static str {
        "affine"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok((T::to_cpu_storage_owned(self.of(values(x, layout)?)), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, out: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let chunk = self.scale.len() * ROWS;
        let scaled = with_values::<T, _, 2>([gradient, out], |[g, y]| {
            let mut scaled = vec![T::ZERO; g.len()];
            scaled.par_chunks_mut(chunk).zip(g.par_chunks(chunk)).zip(y.par_chunks(chunk)).for_each(|((scaled, g), y)| {
                let g = Through { gradient: g, out: y, relu: self.relu };
                dispatch(ScaledRows { g, scale: &self.scale, scaled });
            });
            scaled
        })?;
        Ok(Some(Tensor::from_vec(scaled, x.shape(), x.device())?))
    }
}

/// A gradient that comes through a layer's ReLU, if it has one: 0 where the output is not above 0.
#[derive(Clone, Copy)]
struct Through<'a, T> {
    gradient: &'a [T],
    out: &'a [T],
    relu: bool,
}

impl<T: Real> Through<'_, T> {
    #[inline(always)]
    fn at(&self, i: usize) -> T {
        if !self.relu || self.out[i] > T::ZERO { self.gradient[i] } else { T::ZERO }
    }

    /// Rows of as many channels.
    #[inline(always)]
    fn rows(&self, channels: usize) -> impl Iterator<Item = Self> {
        let rows = self.gradient.chunks_exact(channels).zip(self.out.chunks_exact(channels));
        rows.map(|(gradient, out)| Through { gradient, out, relu: self.relu })
    }
}

struct ScaledRows<'a, T> {
    g: Through<'a, T>,
    scale: &'a [T],
    scaled: &'a mut [T],
}

impl<T: Real> Kernel for ScaledRows<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let channels = self.scale.len();
        for (scaled, g) in self.scaled.chunks_exact_mut(channels).zip(self.g.rows(channels)) {
            for (i, (scaled, scale)) in scaled.iter_mut().zip(self.scale).enumerate() {
                *scaled = g.at(i) * *scale;
            }
        }
    }
}

/// Rows that are summed together: the order of a sum depends on the sizes alone.
const ROWS: usize = 512;

/// `relu((x - mean) / sqrt(variance + epsilon) * weight + bias)` of `[..., channels]` with the batch's own mean and variance; with these
/// two in f64, the variance as the unbiased estimate (TensorFlow's fused kernel moves the running variance by that).
pub(super) fn normalise(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    epsilon: f64,
    relu: bool,
) -> Result<(Tensor, Tensor, Tensor)> {
    let channels = weight.elem_count();
    if x.dim(D::Minus1)? != channels || bias.elem_count() != channels || x.elem_count() == 0 {
        bail!("normalisation of {channels} channels: input {:?}", x.dims());
    }
    let statistics = Arc::new(OnceLock::new());
    if !x.device().is_cpu() {
        return composed::normalise(x, weight, bias, epsilon, relu);
    }
    let (x, weight, bias) = (x.contiguous()?, weight.contiguous()?, bias.contiguous()?);
    let of = statistics.clone();
    let y = match x.dtype() {
        DType::F32 => x.apply_op3(&weight, &bias, Normalise::<f32> { epsilon, relu, statistics: of, number: PhantomData }),
        DType::F64 => x.apply_op3(&weight, &bias, Normalise::<f64> { epsilon, relu, statistics: of, number: PhantomData }),
        other => bail!("normalisation of {other:?}: only f32 and f64"),
    }?;
    let Some(Statistics { mean, variance, rows }) = statistics.get() else { bail!("a normalisation that did not run") };
    let unbiased = *rows as f64 / (*rows as f64 - 1.0).max(1.0);
    let variance = variance.iter().map(|v| v * unbiased).collect::<Vec<_>>();
    Ok((y, Tensor::new(mean.as_slice(), x.device())?, Tensor::new(variance, x.device())?))
}

struct Normalise<T> {
    epsilon: f64,
    relu: bool,
    statistics: Arc<OnceLock<Statistics>>,
    number: PhantomData<T>,
}

/// Of each channel over a batch.
struct Statistics {
    mean: Vec<f64>,
    variance: Vec<f64>,
    rows: usize,
}

/// Two sums a channel over the rows of `[rows, channels]`, of chunks of rows first; `add` adds a chunk to its sums.
fn sums(rows: usize, channels: usize, add: impl Fn(Range<usize>, &mut [f64], &mut [f64]) + Sync) -> [Vec<f64>; 2] {
    let zeros = || [vec![0.0; channels], vec![0.0; channels]];
    let parts: Vec<[Vec<f64>; 2]> = (0..rows.div_ceil(ROWS))
        .into_par_iter()
        .map(|chunk| {
            let [mut a, mut b] = zeros();
            add(chunk * ROWS * channels..rows.min((chunk + 1) * ROWS) * channels, &mut a, &mut b);
            [a, b]
        })
        .collect();
    let mut all = zeros();
    for part in parts {
        for (all, part) in all.iter_mut().zip(part) {
            all.iter_mut().zip(part).for_each(|(a, b)| *a += b);
        }
    }
    all
}

/// Adds distances from `first`, and their squares.
struct Moments<'a, T> {
    x: &'a [T],
    first: &'a [T],
    sum: &'a mut [f64],
    squares: &'a mut [f64],
}

impl<T: Real> Kernel for Moments<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        for x in self.x.chunks_exact(self.first.len()) {
            for (((x, first), sum), square) in x.iter().zip(self.first).zip(&mut *self.sum).zip(&mut *self.squares) {
                let d = (*x - *first).to_f64();
                *sum += d;
                *square += d * d;
            }
        }
    }
}

/// Adds gradients, and their products with the distance from the mean.
struct GradientSums<'a, T> {
    x: &'a [T],
    g: Through<'a, T>,
    mean: &'a [T],
    sum: &'a mut [f64],
    products: &'a mut [f64],
}

impl<T: Real> Kernel for GradientSums<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let channels = self.mean.len();
        for (x, g) in self.x.chunks_exact(channels).zip(self.g.rows(channels)) {
            let columns = x.iter().zip(self.mean).zip(&mut *self.sum).zip(&mut *self.products);
            for (i, (((x, mean), sum), product)) in columns.enumerate() {
                let g = g.at(i);
                *sum += g.to_f64();
                *product += (g * (*x - *mean)).to_f64();
            }
        }
    }
}

/// `g * of_g + (x - mean) * of_x + constant` of each channel.
struct InputGradient<'a, T> {
    of_g: Vec<T>,
    of_x: Vec<T>,
    constant: Vec<T>,
    mean: &'a [T],
}

struct InputGradientRows<'a, T> {
    of: &'a InputGradient<'a, T>,
    x: &'a [T],
    g: Through<'a, T>,
    out: &'a mut [T],
}

impl<T: Real> Kernel for InputGradientRows<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let channels = self.of.mean.len();
        let (of_g, of_x) = (&self.of.of_g[..channels], &self.of.of_x[..channels]);
        let (constant, mean) = (&self.of.constant[..channels], &self.of.mean[..channels]);
        let rows = self.out.chunks_exact_mut(channels).zip(self.x.chunks_exact(channels)).zip(self.g.rows(channels));
        for ((out, x), g) in rows {
            for c in 0..channels {
                out[c] = g.at(c) * of_g[c] + (x[c] - mean[c]) * of_x[c] + constant[c];
            }
        }
    }
}

impl<T: Real> CustomOp3 for Normalise<T> {
    fn name(&self) -> &'static str {
        "batch-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, weight, bias) = (values::<T>(x, layout)?, values::<T>(weight, weight_layout)?, values::<T>(bias, bias_layout)?);
        let channels = weight.len();
        let rows = x.len() / channels;
        // Around the first row, so that a large mean does not cancel the variance.
        let first: Vec<T> = x[..channels].to_vec();
        let [sum, squares] = sums(rows, channels, |chunk, sum, squares| {
            dispatch(Moments { x: &x[chunk], first: &first, sum, squares });
        });
        let n = rows as f64;
        let mean: Vec<f64> = first.iter().zip(&sum).map(|(first, sum)| first.to_f64() + sum / n).collect();
        let variance: Vec<f64> = squares.iter().zip(&sum).map(|(square, sum)| ((square - sum * sum / n) / n).max(0.0)).collect();
        let scale: Vec<f64> = weight.iter().zip(&variance).map(|(w, v)| w.to_f64() / (v + self.epsilon).sqrt()).collect();
        let shift: Vec<f64> = scale.iter().zip(&mean).zip(bias).map(|((scale, mean), b)| b.to_f64() - mean * scale).collect();
        let y = Affine::new(&scale, &shift, self.relu).of(x);
        // Set once: candle runs the forward pass of an operation a single time.
        let _ = self.statistics.set(Statistics { mean, variance, rows });
        Ok((T::to_cpu_storage_owned(y), layout.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        out: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let Some(statistics) = self.statistics.get() else { bail!("backward of a normalisation that did not run") };
        let inverse: Vec<f64> = statistics.variance.iter().map(|v| 1.0 / (v + self.epsilon).sqrt()).collect();
        let (mean, channels, n) = (&statistics.mean, inverse.len(), statistics.rows as f64);
        let mean_t: Vec<T> = mean.iter().map(|m| T::from_f64(*m)).collect();
        let [of_bias, of_products] = with_values::<T, _, 3>([x, gradient, out], |[x, g, y]| {
            sums(statistics.rows, channels, |chunk, sum, products| {
                let g = Through { gradient: &g[chunk.clone()], out: &y[chunk.clone()], relu: self.relu };
                dispatch(GradientSums { x: &x[chunk], g, mean: &mean_t, sum, products });
            })
        })?;
        let of_weight: Vec<f64> = of_products.iter().zip(&inverse).map(|(p, inverse)| p * inverse).collect();
        // dx = weight * inverse * (g - mean(g) - normalised * mean(g * normalised)), an affine function of g and x.
        let weights = weight.to_dtype(DType::F64)?.to_vec1::<f64>()?;
        let factors = |f: &dyn Fn(usize) -> f64| (0..channels).map(|c| T::from_f64(f(c))).collect::<Vec<T>>();
        let of = InputGradient {
            of_g: factors(&|c| weights[c] * inverse[c]),
            of_x: factors(&|c| -weights[c] * inverse[c] * inverse[c] * of_weight[c] / n),
            constant: factors(&|c| -weights[c] * inverse[c] * of_bias[c] / n),
            mean: &mean_t,
        };
        let of_input = with_values::<T, _, 3>([x, gradient, out], |[x, g, y]| {
            let mut out = vec![T::ZERO; x.len()];
            let chunk = channels * ROWS;
            let rows = out.par_chunks_mut(chunk).zip(x.par_chunks(chunk)).zip(g.par_chunks(chunk)).zip(y.par_chunks(chunk));
            rows.for_each(|(((out, x), g), y)| {
                let g = Through { gradient: g, out: y, relu: self.relu };
                dispatch(InputGradientRows { of: &of, x, g, out });
            });
            out
        })?;
        let of = |values: Vec<f64>| Tensor::new(values, x.device())?.to_dtype(weight.dtype());
        Ok((
            Some(Tensor::from_vec(of_input, x.shape(), x.device())?),
            Some(of(of_weight)?.reshape(weight.shape())?),
            Some(of(of_bias)?.reshape(bias.shape())?),
        ))
    }
}
