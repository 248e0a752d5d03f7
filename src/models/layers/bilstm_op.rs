//! A bidirectional LSTM layer as one operation: input projection, recurrence and the whole backward pass.
//!
//! Candle's own LSTM makes some ten graph nodes a step and drowns in tiny matrix products.

use super::composed;
use super::lstm_cell::{LANES, Steps, StepsBack};
use super::product::{Packed, Rows};
use super::real::{Kernel, Real, add_scaled, dispatch, values, with_values};
use candle_core::{CpuStorage, CustomOp3, DType, Layout, Result, Shape, Tensor, bail};
use pulp::Simd;
use rayon::prelude::*;
use std::marker::PhantomData;
use std::ops::Range;
use std::sync::OnceLock;

/// Both directions of an LSTM over `x` `[n, steps, inputs]`; the result is `[n, steps, 2 * hidden]`, forward states before those of
/// the direction that reads from the last step.
///
/// `input` `[2, 4 * hidden, inputs + 1]` holds the input weights, its last column the bias; `recurrent` is `[2, 4 * hidden, hidden]`.
/// Rows are gates in PyTorch's order: input, forget, candidate, output. States begin at 0.
pub fn bilstm(x: &Tensor, input: &Tensor, recurrent: &Tensor) -> Result<Tensor> {
    let sizes = Sizes::new(x, input, recurrent)?;
    if !x.device().is_cpu() {
        return composed::bilstm(x, input, recurrent);
    }
    let (x, input, recurrent) = (x.contiguous()?, input.contiguous()?, recurrent.contiguous()?);
    match x.dtype() {
        DType::F32 => BiLstmOp::<f32>::apply(sizes, &x, &input, &recurrent),
        DType::F64 => BiLstmOp::<f64>::apply(sizes, &x, &input, &recurrent),
        other => bail!("LSTM of {other:?}: only f32 and f64"),
    }
}

/// The sizes of one call.
#[derive(Clone, Copy)]
struct Sizes {
    n: usize,
    steps: usize,
    inputs: usize,
    hidden: usize,
}

impl Sizes {
    fn new(x: &Tensor, input: &Tensor, recurrent: &Tensor) -> Result<Self> {
        let (n, steps, inputs) = x.dims3()?;
        let (directions, gates, hidden) = recurrent.dims3()?;
        if directions != 2 || gates != 4 * hidden || input.dims() != [2, gates, inputs + 1] || hidden == 0 {
            bail!("LSTM: input {:?}, weights {:?} and {:?} do not fit", x.dims(), input.dims(), recurrent.dims());
        }
        Ok(Self { n, steps, inputs, hidden })
    }

    /// Hidden units padded to whole vectors; the padding stays 0.
    fn lanes(&self) -> usize {
        self.hidden.next_multiple_of(LANES)
    }

    /// `x` `[samples, steps, inputs]` of one work item as `[steps, samples, inputs]`.
    fn by_step<T: Real>(&self, x: &[T], samples: usize) -> Vec<T> {
        let rows = (0..self.steps).flat_map(|step| (0..samples).map(move |sample| sample * self.steps + step));
        rows.flat_map(|row| x[row * self.inputs..][..self.inputs].iter().copied()).collect()
    }

    /// Samples of a work item: a batch is cut into pairs of (group of samples, direction).
    fn group(&self, item: usize) -> Range<usize> {
        let first = item / 2 * SAMPLES;
        first..(first + SAMPLES).min(self.n)
    }
}

/// Samples stepped together, so that each weight that is loaded serves several.
const SAMPLES: usize = 4;

/// One direction's weights, gates padded to whole vectors.
struct Weights<T> {
    /// `[inputs, 4 * lanes]`.
    input: Vec<T>,
    /// `[4 * lanes]`.
    bias: Vec<T>,
    /// `[4 * lanes, lanes]`.
    recurrent: Vec<T>,
    /// `[hidden, 4 * lanes]`.
    recurrent_transposed: Vec<T>,
    /// `input`, for products with inputs.
    by_input: Packed<T>,
    /// `[4 * lanes, inputs]`, for products with gates.
    by_gate: Packed<T>,
}

impl<T: Real> Weights<T> {
    fn both(s: Sizes, input: &[T], recurrent: &[T]) -> [Self; 2] {
        let (lanes, gates) = (s.lanes(), 4 * s.lanes());
        [0, 1].map(|direction| {
            let (mut of_input, mut bias) = (vec![T::ZERO; gates * s.inputs], vec![T::ZERO; gates]);
            let (mut of_state, mut transposed) = (vec![T::ZERO; gates * lanes], vec![T::ZERO; s.hidden * gates]);
            for (from, to) in s.gate_rows() {
                let row = &input[(direction * 4 * s.hidden + from) * (s.inputs + 1)..][..s.inputs + 1];
                row[..s.inputs].iter().enumerate().for_each(|(k, value)| of_input[k * gates + to] = *value);
                bias[to] = row[s.inputs];
                let row = &recurrent[(direction * 4 * s.hidden + from) * s.hidden..][..s.hidden];
                of_state[to * lanes..][..s.hidden].copy_from_slice(row);
                for (unit, value) in row.iter().enumerate() {
                    transposed[unit * gates + to] = *value;
                }
            }
            let by_input = Packed::new(&of_input, s.inputs, gates, gates, 1);
            let by_gate = Packed::new(&of_input, gates, s.inputs, 1, gates);
            Self { input: of_input, bias, recurrent: of_state, recurrent_transposed: transposed, by_input, by_gate }
        })
    }
}

impl Sizes {
    /// Rows of a gate matrix: in the caller's tensor, and among padded gates.
    fn gate_rows(self) -> impl Iterator<Item = (usize, usize)> {
        (0..4).flat_map(move |gate| (0..self.hidden).map(move |unit| (gate * self.hidden + unit, gate * self.lanes() + unit)))
    }
}

/// What one work item's forward pass leaves for its backward pass: `[steps, samples, ...]`.
struct Trace<T> {
    /// Activations of the gates, `4 * lanes`.
    gates: Vec<T>,
    /// Cell states, `lanes`.
    cells: Vec<T>,
    /// Hidden states, `lanes`.
    states: Vec<T>,
}

/// One work item's share of the gradients.
struct Part<T> {
    /// `[samples, steps, inputs]`.
    x: Vec<T>,
    /// `[inputs + 1, 4 * lanes]`, the bias last.
    input: Vec<T>,
    /// `[4 * lanes, lanes]`.
    recurrent: Vec<T>,
}

struct BiLstmOp<T> {
    sizes: Sizes,
    input_gradient: bool,
    weight_gradient: bool,
    traces: OnceLock<Vec<Trace<T>>>,
    number: PhantomData<T>,
}

impl<T: Real> BiLstmOp<T> {
    fn apply(sizes: Sizes, x: &Tensor, input: &Tensor, recurrent: &Tensor) -> Result<Tensor> {
        let (input_gradient, weight_gradient) = (x.track_op(), input.track_op() || recurrent.track_op());
        x.apply_op3(
            input,
            recurrent,
            Self { sizes, input_gradient, weight_gradient, traces: OnceLock::new(), number: PhantomData },
        )
    }

    fn items(&self) -> usize {
        self.sizes.n.div_ceil(SAMPLES) * 2
    }

    fn forward(&self, x: &[T], weights: &[Weights<T>; 2]) -> (Vec<T>, Vec<Trace<T>>) {
        let s = self.sizes;
        let (lanes, hidden) = (s.lanes(), s.hidden);
        let traces: Vec<_> = (0..self.items())
            .into_par_iter()
            .map(|item| {
                let group = s.group(item);
                self.run_steps(&x[group.start * s.steps * s.inputs..], &weights[item % 2], group.len(), item % 2 == 1)
            })
            .collect();
        let mut out = vec![T::ZERO; s.n * s.steps * 2 * hidden];
        for (item, trace) in traces.iter().enumerate() {
            let group = s.group(item);
            for (row, states) in trace.states.chunks_exact(lanes).enumerate() {
                let (step, sample) = (row / group.len(), group.start + row % group.len());
                out[((sample * s.steps + step) * 2 + item % 2) * hidden..][..hidden].copy_from_slice(&states[..hidden]);
            }
        }
        (out, traces)
    }

    fn run_steps(&self, x: &[T], weights: &Weights<T>, samples: usize, reverse: bool) -> Trace<T> {
        let s = self.sizes;
        let (lanes, rows) = (s.lanes(), s.steps * samples);
        let mut gates = weights.bias.repeat(rows);
        let x = s.by_step(x, samples);
        if s.inputs <= FEW {
            dispatch(Project { x: &x, weights: &weights.input, inputs: s.inputs, rows: &mut gates });
        } else if rows > 0 {
            weights.by_input.multiply(&x, Rows::Adjacent(s.inputs), rows, &mut gates, true);
        }
        let mut cells = vec![T::ZERO; s.steps * samples * lanes];
        let mut states = cells.clone();
        dispatch(Steps {
            gates: &mut gates,
            cells: &mut cells,
            states: &mut states,
            recurrent: &weights.recurrent_transposed,
            samples,
            lanes,
            reverse,
        });
        Trace { gates, cells, states }
    }

    /// Gradients of one work item; `gradient` is that of the output, `x` the whole input.
    fn backward(&self, item: usize, x: &[T], weights: &Weights<T>, gradient: &[T], trace: &Trace<T>) -> Part<T> {
        let s = self.sizes;
        let (lanes, hidden, group, reverse) = (s.lanes(), s.hidden, s.group(item), item % 2 == 1);
        let samples = group.len();
        let mut of_states = vec![T::ZERO; trace.states.len()];
        for (row, of_states) in of_states.chunks_exact_mut(lanes).enumerate() {
            let (step, sample) = (row / samples, group.start + row % samples);
            let from = ((sample * s.steps + step) * 2 + item % 2) * hidden;
            of_states[..hidden].copy_from_slice(&gradient[from..][..hidden]);
        }
        let mut of_gates = trace.gates.clone();
        dispatch(StepsBack {
            gates: &mut of_gates,
            cells: &trace.cells,
            of_states: &of_states,
            recurrent: &weights.recurrent,
            samples,
            lanes,
            reverse,
        });
        let (gates, rows) = (4 * lanes, s.steps * samples);
        let mut part = Part { x: Vec::new(), input: Vec::new(), recurrent: Vec::new() };
        if rows == 0 {
            return Part { x: Vec::new(), input: vec![T::ZERO; gates * (s.inputs + 1)], recurrent: vec![T::ZERO; gates * lanes] };
        }
        if self.input_gradient {
            let row = weights.by_gate.padded();
            let mut by_step = vec![T::ZERO; rows * row];
            weights.by_gate.multiply(&of_gates, Rows::Adjacent(gates), rows, &mut by_step, false);
            part.x = vec![T::ZERO; rows * s.inputs];
            for (i, values) in by_step.chunks_exact(row).enumerate() {
                part.x[(i % samples * s.steps + i / samples) * s.inputs..][..s.inputs].copy_from_slice(&values[..s.inputs]);
            }
        }
        if self.weight_gradient {
            part.input = vec![T::ZERO; gates * (s.inputs + 1)];
            part.recurrent = vec![T::ZERO; gates * lanes];
            let x = s.by_step(&x[group.start * s.steps * s.inputs..], samples);
            let (of_input, of_bias) = part.input.split_at_mut(s.inputs * gates);
            let few = if s.inputs <= FEW { s.inputs } else { 0 };
            dispatch(SumRows { x: &x, inputs: few, rows: &of_gates, of_input: &mut of_input[..few * gates], of_bias });
            if few < s.inputs {
                // The columns are whole vectors: the product's rows need no padding.
                Packed::new(&of_gates, rows, gates, gates, 1).multiply(&x, Rows::Interleaved(s.inputs), s.inputs, of_input, true);
            }
            // A gate at a step saw the state of the step before: the one after, where steps run backwards. The samples of a step lie
            // side by side, so all of them are one product.
            let (gates_from, states_from) = if reverse { (0, samples) } else { (samples, 0) };
            if s.steps > 1 {
                let seen = Packed::new(&trace.states[states_from * lanes..], rows - samples, lanes, lanes, 1);
                seen.multiply(&of_gates[gates_from * gates..], Rows::Interleaved(gates), gates, &mut part.recurrent, false);
            }
        }
        part
    }
}

/// Inputs for which a row at a time is faster than a matrix product.
const FEW: usize = 4;

/// Adds to each of `rows` `[rows, width]` its inputs `[rows, inputs]` times `weights` `[inputs, width]`.
struct Project<'a, T> {
    x: &'a [T],
    weights: &'a [T],
    inputs: usize,
    rows: &'a mut [T],
}

impl<T: Real> Kernel for Project<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let width = self.weights.len() / self.inputs.max(1);
        for (x, row) in self.x.chunks_exact(self.inputs.max(1)).zip(self.rows.chunks_exact_mut(width.max(1))) {
            for (x, weights) in x.iter().zip(self.weights.chunks_exact(width)) {
                add_scaled(simd, *x, weights, row);
            }
        }
    }
}

/// Sums of `rows` `[rows, width]`: alone (`[width]`), and times each of their inputs (`[inputs, width]`).
struct SumRows<'a, T> {
    x: &'a [T],
    inputs: usize,
    rows: &'a [T],
    of_input: &'a mut [T],
    of_bias: &'a mut [T],
}

impl<T: Real> Kernel for SumRows<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let width = self.of_bias.len();
        for (i, row) in self.rows.chunks_exact(width).enumerate() {
            add_scaled(simd, T::ONE, row, self.of_bias);
            let inputs = &self.x[(i * self.inputs).min(self.x.len())..];
            for (x, sum) in inputs.iter().zip(self.of_input.chunks_exact_mut(width)) {
                add_scaled(simd, *x, row, sum);
            }
        }
    }
}

impl<T: Real> CustomOp3 for BiLstmOp<T> {
    fn name(&self) -> &'static str {
        "bilstm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        input: &CpuStorage,
        input_layout: &Layout,
        recurrent: &CpuStorage,
        recurrent_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let s = self.sizes;
        let weights = Weights::both(s, values(input, input_layout)?, values(recurrent, recurrent_layout)?);
        let (out, traces) = self.forward(values(x, x_layout)?, &weights);
        if self.input_gradient || self.weight_gradient {
            // Set once: candle runs the forward pass of an operation a single time.
            let _ = self.traces.set(traces);
        }
        Ok((T::to_cpu_storage_owned(out), (s.n, s.steps, 2 * s.hidden).into()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        input: &Tensor,
        recurrent: &Tensor,
        _out: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let Some(traces) = self.traces.get() else { bail!("backward of an LSTM that ran without gradients") };
        let (device, s) = (x.device(), self.sizes);
        let weights = with_values([input, recurrent], |[i, r]| Weights::both(s, i, r))?;
        let parts: Vec<_> = with_values([x, gradient], |[x, g]| {
            let items = traces.par_iter().enumerate();
            items.map(|(item, trace)| self.backward(item, x, &weights[item % 2], g, trace)).collect()
        })?;
        let mut gradients = (None, None, None);
        if self.input_gradient {
            let mut sum = vec![T::ZERO; s.n * s.steps * s.inputs];
            for (item, part) in parts.iter().enumerate() {
                let from = s.group(item).start * s.steps * s.inputs;
                sum[from..].iter_mut().zip(&part.x).for_each(|(a, b)| *a += *b);
            }
            gradients.0 = Some(Tensor::from_vec(sum, (s.n, s.steps, s.inputs), device)?);
        }
        if self.weight_gradient {
            let (gates, lanes) = (4 * s.hidden, s.lanes());
            let mut of_input = vec![T::ZERO; 2 * gates * (s.inputs + 1)];
            let mut of_recurrent = vec![T::ZERO; 2 * gates * s.hidden];
            // In the order of the samples, whatever thread was first.
            for (item, part) in parts.iter().enumerate() {
                for (to, from) in s.gate_rows() {
                    let (to, input) = (item % 2 * gates + to, s.inputs + 1);
                    let add = |(a, b): (&mut T, &T)| *a += *b;
                    let column = part.input[from..].iter().step_by(4 * lanes);
                    of_input[to * input..][..input].iter_mut().zip(column).for_each(add);
                    of_recurrent[to * s.hidden..][..s.hidden].iter_mut().zip(&part.recurrent[from * lanes..]).for_each(add);
                }
            }
            gradients.1 = Some(Tensor::from_vec(of_input, (2, gates, s.inputs + 1), device)?);
            gradients.2 = Some(Tensor::from_vec(of_recurrent, (2, gates, s.hidden), device)?);
        }
        Ok(gradients)
    }
}
