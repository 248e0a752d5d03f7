//! Sparsemax (Martins and Astudillo 2016): the point of the simplex nearest to the scores, with exact zeros.

use super::composed;
use super::real::{Real, values};
use candle_core::{CpuStorage, CustomOp1, D, DType, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;
use std::marker::PhantomData;

/// Sparsemax over the last dimension: `max(x - tau, 0)` with `tau` such that each row sums to 1.
///
/// A row with a NaN is all NaN. The gradient on the support S is `g_S - mean(g_S)`, 0 elsewhere.
pub fn sparsemax(x: &Tensor) -> Result<Tensor> {
    if !x.device().is_cpu() {
        return composed::sparsemax(x);
    }
    let x = x.contiguous()?;
    match x.dtype() {
        DType::F32 => x.apply_op1(SparsemaxOp::<f32>(PhantomData)),
        DType::F64 => x.apply_op1(SparsemaxOp::<f64>(PhantomData)),
        other => bail!("sparsemax of {other:?}: only f32 and f64"),
    }
}

struct SparsemaxOp<T>(PhantomData<T>);

impl<T: Real> CustomOp1 for SparsemaxOp<T> {
    fn name(&self) -> &'static str {
        "sparsemax"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = values::<T>(x, layout)?;
        let n = layout.dims().last().copied().unwrap_or(1);
        let mut out = vec![T::ZERO; x.len()];
        if n > 0 {
            out.par_chunks_mut(n).zip(x.par_chunks(n)).for_each(|(out, x)| project(x, out));
        }
        Ok((T::to_cpu_storage_owned(out), layout.shape().clone()))
    }

    fn bwd(&self, _x: &Tensor, out: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let support = out.gt(0f64)?.to_dtype(out.dtype())?;
        let size = support.sum_keepdim(D::Minus1)?;
        let mean = ((gradient * &support)?.sum_keepdim(D::Minus1)? / size)?;
        Ok(Some((gradient.broadcast_sub(&mean)? * support)?))
    }
}

/// Projects one row onto the simplex.
fn project<T: Real>(x: &[T], out: &mut [T]) {
    if x.iter().any(|x| x.is_nan()) {
        out.fill(T::NAN);
        return;
    }
    // In double precision and below the largest score, where rounding is smallest.
    let highest = x.iter().map(|x| x.to_f64()).fold(f64::NEG_INFINITY, f64::max);
    let mut sorted: Vec<f64> = x.iter().map(|x| x.to_f64() - highest).collect();
    sorted.sort_unstable_by(|a, b| b.total_cmp(a));
    let (mut sum, mut tau) = (0.0, 0.0);
    for (i, x) in sorted.iter().enumerate() {
        sum += x;
        let candidate = (sum - 1.0) / (i + 1) as f64;
        if *x <= candidate {
            break;
        }
        tau = candidate;
    }
    for (x, out) in x.iter().zip(out) {
        *out = T::from_f64((x.to_f64() - highest - tau).max(0.0));
    }
}
