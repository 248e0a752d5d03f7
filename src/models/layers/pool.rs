//! Pooling along positions: means and maxima of neighbouring positions, channel by channel.

use super::composed;
use super::real::{Real, values, with_values};
use super::rules::is_gradient;
use candle_core::{CpuStorage, CustomOp1, DType, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;
use std::marker::PhantomData;
use std::sync::OnceLock;

/// Means of `size` positions side by side: `[n, length, channels]` gives `[n, length / size, channels]`. Positions left over are not
/// read.
pub fn average_pool(x: &Tensor, size: usize) -> Result<Tensor> {
    let sizes = Sizes::new(x, size)?;
    if !x.device().is_cpu() {
        return composed::average_pool(x, size);
    }
    match x.dtype() {
        DType::F32 => x.contiguous()?.apply_op1(AveragePool::<f32>(sizes, PhantomData)),
        DType::F64 => x.contiguous()?.apply_op1(AveragePool::<f64>(sizes, PhantomData)),
        other => bail!("pooling of {other:?}: only f32 and f64"),
    }
}

/// Maxima of `size` positions side by side, as [`average_pool`]. Among equal maxima the first takes the gradient, as in PyTorch and
/// TensorFlow; a NaN makes its window NaN.
pub fn max_pool(x: &Tensor, size: usize) -> Result<Tensor> {
    let sizes = Sizes::new(x, size)?;
    if !x.device().is_cpu() || !is_gradient() {
        return composed::max_pool(x, size);
    }
    let tracks = x.track_op();
    match x.dtype() {
        DType::F32 => x.contiguous()?.apply_op1(MaxPool::<f32>(sizes, tracks, OnceLock::new(), PhantomData)),
        DType::F64 => x.contiguous()?.apply_op1(MaxPool::<f64>(sizes, tracks, OnceLock::new(), PhantomData)),
        other => bail!("pooling of {other:?}: only f32 and f64"),
    }
}

#[derive(Clone, Copy)]
struct Sizes {
    n: usize,
    length: usize,
    channels: usize,
    size: usize,
    windows: usize,
}

impl Sizes {
    fn new(x: &Tensor, size: usize) -> Result<Self> {
        let (n, length, channels) = x.dims3()?;
        match size {
            0 => bail!("a pool of 0 positions"),
            _ if length < size || channels == 0 || n == 0 => bail!("a pool of {size} positions over {:?}", x.dims()),
            _ => Ok(Self { n, length, channels, size, windows: length / size }),
        }
    }

    fn shape(&self) -> Shape {
        (self.n, self.windows, self.channels).into()
    }
}

struct AveragePool<T>(Sizes, PhantomData<T>);

impl<T: Real> CustomOp1 for AveragePool<T> {
    fn name(&self) -> &'static str {
        "average-pool"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (x, s) = (values::<T>(x, layout)?, self.0);
        let share = T::from_f64(1.0 / s.size as f64);
        let mut out = vec![T::ZERO; s.n * s.windows * s.channels];
        out.par_chunks_mut(s.windows * s.channels).zip(x.par_chunks(s.length * s.channels)).for_each(|(out, x)| {
            for (out, x) in out.chunks_exact_mut(s.channels).zip(x.chunks_exact(s.size * s.channels)) {
                for x in x.chunks_exact(s.channels) {
                    out.iter_mut().zip(x).for_each(|(sum, x)| *sum += *x);
                }
                out.iter_mut().for_each(|sum| *sum *= share);
            }
        });
        Ok((T::to_cpu_storage_owned(out), s.shape()))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let s = self.0;
        let share = T::from_f64(1.0 / s.size as f64);
        let spread = with_values::<T, _, 1>([gradient], |[gradient]| {
            let mut out = vec![T::ZERO; s.n * s.length * s.channels];
            let samples = gradient.par_chunks(s.windows * s.channels);
            out.par_chunks_mut(s.length * s.channels).zip(samples).for_each(|(out, gradient)| {
                for (out, gradient) in out.chunks_exact_mut(s.size * s.channels).zip(gradient.chunks_exact(s.channels)) {
                    for out in out.chunks_exact_mut(s.channels) {
                        out.iter_mut().zip(gradient).for_each(|(out, g)| *out = *g * share);
                    }
                }
            });
            out
        })?;
        Ok(Some(Tensor::from_vec(spread, x.shape(), x.device())?))
    }
}

/// Sizes, whether a gradient will be asked for, and for that the place of each maximum in its window.
struct MaxPool<T>(Sizes, bool, OnceLock<Vec<u32>>, PhantomData<T>);

impl<T: Real> CustomOp1 for MaxPool<T> {
    fn name(&self) -> &'static str {
        "max-pool"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (x, s) = (values::<T>(x, layout)?, self.0);
        let mut out = vec![T::ZERO; s.n * s.windows * s.channels];
        let of_out = s.windows * s.channels;
        if !self.1 {
            out.par_chunks_mut(of_out).zip(x.par_chunks(s.length * s.channels)).for_each(|(out, x)| {
                for (out, x) in out.chunks_exact_mut(s.channels).zip(x.chunks_exact(s.size * s.channels)) {
                    out.copy_from_slice(&x[..s.channels]);
                    for x in x.chunks_exact(s.channels).skip(1) {
                        // Not "below or equal": a NaN replaces a number, and nothing replaces a NaN.
                        out.iter_mut().zip(x).for_each(|(best, x)| *best = if *x > *best || x.is_nan() { *x } else { *best });
                    }
                }
            });
            return Ok((T::to_cpu_storage_owned(out), s.shape()));
        }
        let mut places = vec![0u32; out.len()];
        let samples = out.par_chunks_mut(of_out).zip(places.par_chunks_mut(of_out)).zip(x.par_chunks(s.length * s.channels));
        samples.for_each(|((out, places), x)| {
            let windows = out.chunks_exact_mut(s.channels).zip(places.chunks_exact_mut(s.channels));
            for ((out, places), x) in windows.zip(x.chunks_exact(s.size * s.channels)) {
                out.copy_from_slice(&x[..s.channels]);
                for (place, x) in x.chunks_exact(s.channels).enumerate().skip(1) {
                    for ((best, at), x) in out.iter_mut().zip(places.iter_mut()).zip(x) {
                        // Not "below or equal": a NaN replaces a number, and nothing replaces a NaN.
                        let wins = *x > *best || (x.is_nan() && !best.is_nan());
                        *best = if wins { *x } else { *best };
                        *at = if wins { place as u32 } else { *at };
                    }
                }
            }
        });
        // Set once: candle runs the forward pass of an operation a single time.
        let _ = self.2.set(places);
        Ok((T::to_cpu_storage_owned(out), s.shape()))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let Some(places) = self.2.get() else { bail!("backward of a pool that ran without gradients") };
        let s = self.0;
        let spread = with_values::<T, _, 1>([gradient], |[gradient]| {
            let mut out = vec![T::ZERO; s.n * s.length * s.channels];
            let of_out = s.windows * s.channels;
            let samples = gradient.par_chunks(of_out).zip(places.par_chunks(of_out));
            out.par_chunks_mut(s.length * s.channels).zip(samples).for_each(|(out, (gradient, places))| {
                let windows = gradient.chunks_exact(s.channels).zip(places.chunks_exact(s.channels));
                for (out, (gradient, places)) in out.chunks_exact_mut(s.size * s.channels).zip(windows) {
                    for (channel, (g, place)) in gradient.iter().zip(places).enumerate() {
                        out[*place as usize * s.channels + channel] = *g;
                    }
                }
            });
            out
        })?;
        Ok(Some(Tensor::from_vec(spread, x.shape(), x.device())?))
    }
}
