//! A bidirectional LSTM layer as one operation: input projection, recurrence and the whole backward pass.
//!
//! Candle's own LSTM makes some ten graph nodes a step and drowns in tiny matrix products.

use super::composed;
use super::lstm_cell::{LANES, Steps, StepsBack};
use super::real::{Matrix, MatrixMut, Real, dispatch, multiply, values, with_values};
use candle_core::{CpuStorage, CustomOp3, DType, Layout, Result, Shape, Tensor, bail};
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
    /// `[4 * lanes, inputs]`.
    input: Vec<T>,
    /// `[4 * lanes]`.
    bias: Vec<T>,
    /// `[4 * lanes, lanes]`.
    recurrent: Vec<T>,
    /// `[hidden, 4 * lanes]`.
    recurrent_transposed: Vec<T>,
}

impl<T: Real> Weights<T> {
    fn both(s: Sizes, input: &[T], recurrent: &[T]) -> [Self; 2] {
        let (lanes, gates) = (s.lanes(), 4 * s.lanes());
        [0, 1].map(|direction| {
            let mut w = Self {
                input: vec![T::ZERO; gates * s.inputs],
                bias: vec![T::ZERO; gates],
                recurrent: vec![T::ZERO; gates * lanes],
                recurrent_transposed: vec![T::ZERO; s.hidden * gates],
            };
            for (from, to) in s.gate_rows() {
                let row = &input[(direction * 4 * s.hidden + from) * (s.inputs + 1)..][..s.inputs + 1];
                w.input[to * s.inputs..][..s.inputs].copy_from_slice(&row[..s.inputs]);
                w.bias[to] = row[s.inputs];
                let row = &recurrent[(direction * 4 * s.hidden + from) * s.hidden..][..s.hidden];
                w.recurrent[to * lanes..][..s.hidden].copy_from_slice(row);
                for (unit, value) in row.iter().enumerate() {
                    w.recurrent_transposed[unit * gates + to] = *value;
                }
            }
            w
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
    /// `[4 * lanes, inputs + 1]`.
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
        let (lanes, row) = (s.lanes(), 4 * s.lanes() * samples);
        let mut gates = weights.bias.repeat(s.steps * samples);
        for sample in 0..samples {
            if s.steps > 0 {
                multiply(
                    [s.steps, s.inputs, 4 * lanes],
                    MatrixMut { data: &mut gates[sample * 4 * lanes..], row, column: 1 },
                    true,
                    Matrix { data: &x[sample * s.steps * s.inputs..], row: s.inputs, column: 1 },
                    Matrix { data: &weights.input, row: 1, column: s.inputs },
                );
            }
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
        let gates = 4 * lanes;
        let mut part = Part { x: Vec::new(), input: Vec::new(), recurrent: Vec::new() };
        if self.input_gradient {
            part.x = vec![T::ZERO; samples * s.steps * s.inputs];
        }
        if self.weight_gradient {
            part.input = vec![T::ZERO; gates * (s.inputs + 1)];
            part.recurrent = vec![T::ZERO; gates * lanes];
        }
        for sample in 0..samples {
            let from = &of_gates[sample * gates..];
            let row = samples * gates;
            if self.input_gradient {
                multiply(
                    [s.steps, gates, s.inputs],
                    MatrixMut { data: &mut part.x[sample * s.steps * s.inputs..], row: s.inputs, column: 1 },
                    false,
                    Matrix { data: from, row, column: 1 },
                    Matrix { data: &weights.input, row: s.inputs, column: 1 },
                );
            }
            if self.weight_gradient {
                multiply(
                    [gates, s.steps, s.inputs],
                    MatrixMut { data: &mut part.input, row: s.inputs + 1, column: 1 },
                    true,
                    Matrix { data: from, row: 1, column: row },
                    Matrix { data: &x[(group.start + sample) * s.steps * s.inputs..], row: s.inputs, column: 1 },
                );
                for of_gates in from.chunks(row) {
                    for (bias, of_gate) in part.input.chunks_exact_mut(s.inputs + 1).zip(of_gates) {
                        bias[s.inputs] += *of_gate;
                    }
                }
                // A gate at a step saw the state of the step before: the one after, where steps run backwards.
                let (gates_from, states_from) = if reverse { (0, 1) } else { (1, 0) };
                if s.steps > 1 {
                    multiply(
                        [gates, s.steps - 1, lanes],
                        MatrixMut { data: &mut part.recurrent, row: lanes, column: 1 },
                        true,
                        Matrix { data: &from[gates_from * row..], row: 1, column: row },
                        Matrix {
                            data: &trace.states[(states_from * samples + sample) * lanes..],
                            row: samples * lanes,
                            column: 1,
                        },
                    );
                }
            }
        }
        part
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
        let weights = with_values(input, |i| with_values(recurrent, |r| Weights::both(s, i, r)))??;
        let parts: Vec<_> = with_values(x, |x| {
            with_values(gradient, |g| {
                let items = traces.par_iter().enumerate();
                items.map(|(item, trace)| self.backward(item, x, &weights[item % 2], g, trace)).collect()
            })
        })??;
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
                    of_input[to * input..][..input].iter_mut().zip(&part.input[from * input..]).for_each(add);
                    of_recurrent[to * s.hidden..][..s.hidden].iter_mut().zip(&part.recurrent[from * lanes..]).for_each(add);
                }
            }
            gradients.1 = Some(Tensor::from_vec(of_input, (2, gates, s.inputs + 1), device)?);
            gradients.2 = Some(Tensor::from_vec(of_recurrent, (2, gates, s.hidden), device)?);
        }
        Ok(gradients)
    }
}
