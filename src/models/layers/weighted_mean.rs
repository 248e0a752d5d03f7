//! The mean of a sequence's states under attention weights, and its gradients, without a tensor of their products.

use super::real::{Kernel, Real, add_scaled, dispatch, values, with_values};
use candle_core::{CpuStorage, CustomOp2, D, DType, Layout, Result, Shape, Tensor, bail};
use pulp::Simd;
use rayon::prelude::*;
use std::marker::PhantomData;

/// `states` `[n, steps, width]` and `weights` `[n, steps]` give `sum over steps of weight * state`, `[n, width]`.
///
/// # Errors
/// Where shapes do not fit, or numbers are neither f32 nor f64.
pub fn weighted_mean(states: &Tensor, weights: &Tensor) -> Result<Tensor> {
    let (n, steps, width) = states.dims3()?;
    if weights.dims() != [n, steps] || n * steps * width == 0 {
        bail!("mean of states {:?} under weights {:?}", states.dims(), weights.dims());
    }
    if !states.device().is_cpu() {
        return states.broadcast_mul(&weights.unsqueeze(D::Minus1)?)?.sum(1);
    }
    let (states, weights) = (states.contiguous()?, weights.contiguous()?);
    match states.dtype() {
        DType::F32 => states.apply_op2(&weights, WeightedMean::<f32>([n, steps, width], PhantomData)),
        DType::F64 => states.apply_op2(&weights, WeightedMean::<f64>([n, steps, width], PhantomData)),
        other => bail!("mean of {other:?}: only f32 and f64"),
    }
}

struct WeightedMean<T>([usize; 3], PhantomData<T>);

/// Adds each row of `[rows, width]` times its factor to one sum.
struct Gather<'a, T> {
    factors: &'a [T],
    rows: &'a [T],
    sum: &'a mut [T],
}

impl<T: Real> Kernel for Gather<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for (factor, row) in self.factors.iter().zip(self.rows.chunks_exact(self.sum.len())) {
            add_scaled(simd, *factor, row, self.sum);
        }
    }
}

/// Adds one row times each factor to the rows of `[rows, width]`, and gives each row of `states` times that row.
struct Scatter<'a, T> {
    factors: &'a [T],
    row: &'a [T],
    rows: &'a mut [T],
    states: &'a [T],
    products: &'a mut [T],
}

impl<T: Real> Kernel for Scatter<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let width = self.row.len();
        let rows = self.rows.chunks_exact_mut(width).zip(self.states.chunks_exact(width));
        for ((factor, product), (out, state)) in self.factors.iter().zip(self.products).zip(rows) {
            add_scaled(simd, *factor, self.row, out);
            *product = state.iter().zip(self.row).fold(T::ZERO, |sum, (a, b)| sum + *a * *b);
        }
    }
}

impl<T: Real> CustomOp2 for WeightedMean<T> {
    fn name(&self) -> &'static str {
        "weighted-mean"
    }

    fn cpu_fwd(
        &self,
        states: &CpuStorage,
        states_layout: &Layout,
        weights: &CpuStorage,
        weights_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let [n, steps, width] = self.0;
        let (states, weights) = (values::<T>(states, states_layout)?, values::<T>(weights, weights_layout)?);
        let mut out = vec![T::ZERO; n * width];
        let samples = states.par_chunks(steps * width).zip(weights.par_chunks(steps));
        out.par_chunks_mut(width).zip(samples).for_each(|(sum, (rows, factors))| dispatch(Gather { factors, rows, sum }));
        Ok((T::to_cpu_storage_owned(out), (n, width).into()))
    }

    fn bwd(
        &self,
        states: &Tensor,
        weights: &Tensor,
        _out: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let [n, steps, width] = self.0;
        let (mut of_states, mut of_weights) = (vec![T::ZERO; n * steps * width], vec![T::ZERO; n * steps]);
        with_values::<T, _>(states, |states| {
            with_values::<T, _>(weights, |weights| {
                with_values::<T, _>(gradient, |gradient| {
                    let given = states.par_chunks(steps * width).zip(weights.par_chunks(steps)).zip(gradient.par_chunks(width));
                    let wanted = of_states.par_chunks_mut(steps * width).zip(of_weights.par_chunks_mut(steps));
                    wanted.zip(given).for_each(|((rows, products), ((states, factors), row))| {
                        dispatch(Scatter { factors, row, rows, states, products });
                    });
                })
            })
        })???;
        let device = states.device();
        Ok((
            Some(Tensor::from_vec(of_states, (n, steps, width), device)?),
            Some(Tensor::from_vec(of_weights, (n, steps), device)?),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{Device, Var};

    #[test]
    fn mean_and_gradients_are_those_of_the_products() {
        let number = |i: usize| ((i * 37 + 11) % 23) as f64 / 7.0 - 1.3;
        for (n, steps, width) in [(1, 1, 1), (2, 5, 3), (7, 4, 33)] {
            let of = |shape: &[usize], from: usize| {
                let count: usize = shape.iter().product();
                let values: Vec<f64> = (from..from + count).map(number).collect();
                Var::from_tensor(&Tensor::from_vec(values, shape, &Device::Cpu).unwrap()).unwrap()
            };
            let (states, weights) = (of(&[n, steps, width], 1), of(&[n, steps], 5));
            let plain = states.broadcast_mul(&weights.unsqueeze(D::Minus1).unwrap()).unwrap().sum(1).unwrap();
            let fused = weighted_mean(&states, &weights).unwrap();
            // Not all outputs count alike.
            let gradients = |y: &Tensor| {
                let gradients = y.sqr().unwrap().sum_all().unwrap().backward().unwrap();
                [&states, &weights].map(|v| gradients.get(v).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap())
            };
            let flat = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f64>().unwrap();
            let pairs = [(flat(&plain), flat(&fused))].into_iter().chain(gradients(&plain).into_iter().zip(gradients(&fused)));
            for (a, b) in pairs {
                assert!(
                    a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-12 * (1.0 + a.abs())),
                    "{n} {steps} {width}: {a:?} {b:?}"
                );
            }
            let single = weighted_mean(&states.to_dtype(DType::F32).unwrap(), &weights.to_dtype(DType::F32).unwrap()).unwrap();
            let single = flat(&single.to_dtype(DType::F64).unwrap());
            assert!(flat(&plain).iter().zip(single).all(|(a, b)| (a - b).abs() < 1e-5 * (1.0 + a.abs())));
        }
        let states = Tensor::zeros((2, 3, 4), DType::F32, &Device::Cpu).unwrap();
        assert!(weighted_mean(&states, &Tensor::zeros((2, 4), DType::F32, &Device::Cpu).unwrap()).is_err());
    }
}
