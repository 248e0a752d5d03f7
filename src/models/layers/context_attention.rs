//! Attention by a learnt context vector: scores, weights and the mean of the states as one operation, so that the states are read
//! once forwards and once backwards.

use super::real::{Kernel, Real, add_scaled, dispatch, dot, values, with_values};
use crate::models::ModelError;
use crate::models::weights::{Init, Weights};
use candle_core::{CpuStorage, CustomOp2, D, DType, Layout, Result, Shape, Tensor, bail};
use candle_nn::ops::softmax;
use pulp::Simd;
use rayon::prelude::*;
use std::marker::PhantomData;

/// States are averaged with weights `softmax(states . context)` (AttentiveChrome, equations 3 and 4; no bias, no tanh).
pub struct ContextAttention {
    /// `[width, 1]`.
    pub(crate) context: Tensor,
}

impl ContextAttention {
    /// `bin_context_vector` of states of `width` numbers.
    pub fn new(weights: &Weights, width: usize, init: Init) -> std::result::Result<Self, ModelError> {
        Ok(Self { context: weights.get("bin_context_vector", &[width, 1], init)? })
    }

    /// What each step adds to a linear head `[1, width]` over the mean: its weight times what its state is worth, `[n, steps]`.
    pub fn map(&self, states: &Tensor, head: &Tensor) -> Result<Tensor> {
        let (_, weights) = self.forward(states)?;
        let (n, steps, width) = states.dims3()?;
        let worth = states.contiguous()?.reshape((n * steps, width))?.matmul(&head.contiguous()?.t()?)?;
        worth.reshape((n, steps))? * weights
    }

    /// `states` `[n, steps, width]` give their mean `[n, width]` and its weights `[n, steps]`.
    pub fn forward(&self, states: &Tensor) -> Result<(Tensor, Tensor)> {
        attend(states, &self.context)
    }
}

/// The mean `[n, width]` of `states` `[n, steps, width]` under the weights `softmax(states . context)` `[n, steps]`, and these.
fn attend(states: &Tensor, context: &Tensor) -> Result<(Tensor, Tensor)> {
    let (n, steps, width) = states.dims3()?;
    if context.dims() != [width, 1] || n * steps * width == 0 {
        bail!("attention of {:?} to states {:?}", context.dims(), states.dims());
    }
    let (states, context) = (states.contiguous()?, context.contiguous()?);
    if !states.device().is_cpu() {
        return composed(&states, &context);
    }
    let of_context = context.track_op();
    let both = match states.dtype() {
        DType::F32 => states.apply_op2(&context, Attend::<f32> { sizes: [n, steps, width], of_context, number: PhantomData })?,
        DType::F64 => states.apply_op2(&context, Attend::<f64> { sizes: [n, steps, width], of_context, number: PhantomData })?,
        other => bail!("attention of {other:?}: only f32 and f64"),
    };
    Ok((both.narrow(1, 0, width)?.contiguous()?, both.narrow(1, width, steps)?.contiguous()?))
}

/// As [`attend`], from candle's operations.
fn composed(states: &Tensor, context: &Tensor) -> Result<(Tensor, Tensor)> {
    let (n, steps, width) = states.dims3()?;
    let scores = states.reshape((n * steps, width))?.matmul(context)?.reshape((n, steps))?;
    // Not `softmax_last_dim`: it drops the gradient without a word.
    let weights = softmax(&scores, D::Minus1)?;
    Ok((states.broadcast_mul(&weights.unsqueeze(D::Minus1)?)?.sum(1)?, weights))
}

/// Gives the mean and the weights side by side, `[n, width + steps]`.
struct Attend<T> {
    /// Samples, steps, width.
    sizes: [usize; 3],
    of_context: bool,
    number: PhantomData<T>,
}

/// One sample forwards.
struct Forward<'a, T> {
    /// `[steps, width]`.
    states: &'a [T],
    context: &'a [T],
    mean: &'a mut [T],
    weights: &'a mut [T],
}

impl<T: Real> Kernel for Forward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let rows = || self.states.chunks_exact(self.context.len());
        let mut highest = T::NEG_INFINITY;
        for (weight, state) in self.weights.iter_mut().zip(rows()) {
            *weight = dot(state, self.context);
            highest = if *weight > highest { *weight } else { highest };
        }
        let mut sum = T::ZERO;
        for weight in &mut *self.weights {
            *weight = T::from_f64(libm::exp((*weight - highest).to_f64()));
            sum += *weight;
        }
        for (weight, state) in self.weights.iter_mut().zip(rows()) {
            *weight /= sum;
            add_scaled(simd, *weight, state, self.mean);
        }
    }
}

/// One sample backwards.
struct Backward<'a, T> {
    /// `[steps, width]`.
    states: &'a [T],
    context: &'a [T],
    weights: &'a [T],
    /// Of the mean, then of the weights.
    gradient: &'a [T],
    /// `[steps, width]`.
    of_states: &'a mut [T],
    /// `[width]`, or nothing.
    of_context: &'a mut [T],
}

impl<T: Real> Kernel for Backward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let width = self.context.len();
        let (of_mean, of_weights) = self.gradient.split_at(width);
        // A weight moves the mean by its state, and the softmax makes one weight's gain the others' loss.
        let worth: Vec<T> =
            self.states.chunks_exact(width).zip(of_weights).map(|(state, own)| dot(state, of_mean) + *own).collect();
        let mean = dot(&worth, self.weights);
        let rows = self.states.chunks_exact(width).zip(self.of_states.chunks_exact_mut(width));
        for ((weight, worth), (state, of_state)) in self.weights.iter().zip(&worth).zip(rows) {
            let of_score = *weight * (*worth - mean);
            add_scaled(simd, *weight, of_mean, of_state);
            add_scaled(simd, of_score, self.context, of_state);
            if !self.of_context.is_empty() {
                add_scaled(simd, of_score, state, self.of_context);
            }
        }
    }
}

impl<T: Real> CustomOp2 for Attend<T> {
    fn name(&self) -> &'static str {
        "context-attention"
    }

    fn cpu_fwd(
        &self,
        states: &CpuStorage,
        states_layout: &Layout,
        context: &CpuStorage,
        context_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let [n, steps, width] = self.sizes;
        let (states, context) = (values::<T>(states, states_layout)?, values::<T>(context, context_layout)?);
        let mut out = vec![T::ZERO; n * (width + steps)];
        out.par_chunks_mut(width + steps).zip(states.par_chunks(steps * width)).for_each(|(out, states)| {
            let (mean, weights) = out.split_at_mut(width);
            dispatch(Forward { states, context, mean, weights });
        });
        Ok((T::to_cpu_storage_owned(out), (n, width + steps).into()))
    }

    fn bwd(
        &self,
        states: &Tensor,
        context: &Tensor,
        out: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let [n, steps, width] = self.sizes;
        let mut of_states = vec![T::ZERO; n * steps * width];
        // Each sample's part, summed in their order whatever thread was first.
        let part = if self.of_context { width } else { 0 };
        let mut of_context = vec![T::ZERO; n * part];
        with_values::<T, _, 4>([states, context, out, gradient], |[states, context, out, gradient]| {
            let samples = of_states.par_chunks_mut(steps * width).enumerate();
            let run = |(sample, of_states): (usize, &mut [T]), of_context: &mut [T]| {
                let (whole, both) = (steps * width, width + steps);
                dispatch(Backward {
                    states: &states[sample * whole..][..whole],
                    context,
                    weights: &out[sample * both..][width..both],
                    gradient: &gradient[sample * both..][..both],
                    of_states,
                    of_context,
                });
            };
            match part {
                0 => samples.for_each(|sample| run(sample, &mut [])),
                _ => samples.zip(of_context.par_chunks_mut(part)).for_each(|(sample, of_context)| run(sample, of_context)),
            }
        })?;
        let device = states.device();
        let mut sum = vec![T::ZERO; part];
        of_context.chunks_exact(part.max(1)).for_each(|part| sum.iter_mut().zip(part).for_each(|(a, b)| *a += *b));
        let of_states = Tensor::from_vec(of_states, (n, steps, width), device)?;
        Ok((Some(of_states), self.of_context.then(|| Tensor::from_vec(sum, (width, 1), device)).transpose()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{Device, Var};

    #[test]
    fn mean_weights_and_gradients_are_those_of_separate_operations() {
        let number = |i: usize| ((i * 37 + 11) % 23) as f64 / 7.0 - 1.3;
        for (n, steps, width) in [(1, 1, 1), (2, 5, 3), (7, 4, 33), (3, 20, 16)] {
            let of = |shape: &[usize], from: usize| {
                let count: usize = shape.iter().product();
                let values: Vec<f64> = (from..from + count).map(number).collect();
                Var::from_tensor(&Tensor::from_vec(values, shape, &Device::Cpu).unwrap()).unwrap()
            };
            let (states, context) = (of(&[n, steps, width], 1), of(&[width, 1], 5));
            let flat = |t: &Tensor| t.flatten_all().unwrap().to_dtype(DType::F64).unwrap().to_vec1::<f64>().unwrap();
            // Not all outputs count alike, and the weights count beside the mean.
            let numbers = |(mean, weights): (Tensor, Tensor)| {
                let sum = (mean.sqr().unwrap().sum_all().unwrap() + weights.powf(3.0).unwrap().sum_all().unwrap()).unwrap();
                let gradients = sum.backward().unwrap();
                let [of_states, of_context] = [&states, &context].map(|v| flat(gradients.get(v).unwrap()));
                [flat(&mean), flat(&weights), of_states, of_context]
            };
            let (plain, fused) = (numbers(composed(&states, &context).unwrap()), numbers(attend(&states, &context).unwrap()));
            for (a, b) in plain.iter().flatten().zip(fused.iter().flatten()) {
                assert!((a - b).abs() < 1e-12 * (1.0 + a.abs()), "{n} {steps} {width}: {plain:?} {fused:?}");
            }
            let single = |t: &Var| t.to_dtype(DType::F32).unwrap();
            let (mean, weights) = attend(&single(&states), &single(&context)).unwrap();
            let single = [flat(&mean), flat(&weights)].concat();
            for (a, b) in plain[..2].iter().flatten().zip(&single) {
                assert!((a - b).abs() < 1e-5 * (1.0 + a.abs()), "{n} {steps} {width}: {a} {b}");
            }
            // A fixed context takes no gradient, and the states' is the same.
            let fixed = attend(&states, &context.detach()).unwrap();
            let sum = (fixed.0.sqr().unwrap().sum_all().unwrap() + fixed.1.powf(3.0).unwrap().sum_all().unwrap()).unwrap();
            assert_eq!(flat(sum.backward().unwrap().get(&states).unwrap()), fused[2]);
        }
        let states = Tensor::zeros((2, 3, 4), DType::F32, &Device::Cpu).unwrap();
        assert!(attend(&states, &Tensor::zeros((3, 1), DType::F32, &Device::Cpu).unwrap()).is_err());
    }

    #[test]
    fn a_state_that_is_no_number_makes_its_sample_none_and_leaves_the_others() {
        let mut states = vec![0.5f32; 2 * 3 * 2];
        states[1] = f32::NAN;
        let states = Tensor::from_vec(states, (2, 3, 2), &Device::Cpu).unwrap();
        let (mean, weights) = attend(&states, &Tensor::ones((2, 1), DType::F32, &Device::Cpu).unwrap()).unwrap();
        let (mean, weights) = (mean.to_vec2::<f32>().unwrap(), weights.to_vec2::<f32>().unwrap());
        assert!(mean[0].iter().chain(&weights[0]).all(|v| v.is_nan()));
        assert!(mean[1].iter().all(|v| (v - 0.5).abs() < 1e-6) && weights[1].iter().all(|w| (w - 1.0 / 3.0).abs() < 1e-6));
    }
}
