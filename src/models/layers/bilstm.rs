//! A bidirectional LSTM layer with its weights.

use super::bilstm_op::bilstm;
use crate::models::ModelError;
use crate::models::weights::{Init, Weights};
use candle_core::{Result, Tensor};

/// A bidirectional LSTM of one layer, weights in PyTorch's layout and gate order (input, forget, candidate, output).
pub struct BiLstm {
    directions: [Direction; 2],
}

struct Direction {
    /// `[4 * hidden, inputs]`.
    input: Tensor,
    /// `[4 * hidden, hidden]`.
    recurrent: Tensor,
    /// `[4 * hidden]` each; they are added.
    biases: Vec<Tensor>,
}

impl BiLstm {
    /// `weight_ih`, `weight_hh` and one `bias`, then the same with `_reverse`. Fresh weights are Glorot uniform over input and state
    /// together as in TensorFlow, the forget gates' bias 1.
    pub fn new(weights: &Weights, inputs: usize, hidden: usize) -> std::result::Result<Self, ModelError> {
        let init = Init::glorot(inputs + hidden, 4 * hidden);
        Self::from_names(weights, inputs, hidden, "", &[("bias", Init::ForgetBias)], init)
    }

    /// A `torch.nn.LSTM`: `weight_ih_l0`, `weight_hh_l0`, `bias_ih_l0`, `bias_hh_l0` and the same with `_reverse`. `init` is for
    /// fresh weights, all of them.
    pub fn torch(weights: &Weights, inputs: usize, hidden: usize, init: Init) -> std::result::Result<Self, ModelError> {
        Self::from_names(weights, inputs, hidden, "_l0", &[("bias_ih", init), ("bias_hh", init)], init)
    }

    /// As [`BiLstm::torch`], fresh weights as in version 1 of AttentiveChrome (torch-rnn): normal with a deviation of one over
    /// the root of input and state together, the forget gates' bias 1.
    pub fn torch_normal(weights: &Weights, inputs: usize, hidden: usize) -> std::result::Result<Self, ModelError> {
        let init = Init::Normal(((inputs + hidden) as f64).sqrt().recip());
        let biases = [("bias_ih", Init::ForgetBias), ("bias_hh", Init::Constant(0.0))];
        Self::from_names(weights, inputs, hidden, "_l0", &biases, init)
    }

    fn from_names(
        weights: &Weights,
        inputs: usize,
        hidden: usize,
        suffix: &str,
        biases: &[(&str, Init)],
        init: Init,
    ) -> std::result::Result<Self, ModelError> {
        let direction = |end: &str| {
            let name = |stem: &str| format!("{stem}{suffix}{end}");
            Ok::<_, ModelError>(Direction {
                input: weights.get(&name("weight_ih"), &[4 * hidden, inputs], init)?,
                recurrent: weights.get(&name("weight_hh"), &[4 * hidden, hidden], init)?,
                biases: biases
                    .iter()
                    .map(|(bias, init)| weights.get(&name(bias), &[4 * hidden], *init))
                    .collect::<std::result::Result<_, _>>()?,
            })
        };
        Ok(Self { directions: [direction("")?, direction("_reverse")?] })
    }

    /// Of both directions `[4 * hidden, inputs + 1]`, input weights with the bias as last column, and the recurrent weights
    /// `[4 * hidden, hidden]`.
    pub(crate) fn packed(&self) -> Result<[(Tensor, &Tensor); 2]> {
        Ok([self.directions[0].packed()?, self.directions[1].packed()?])
    }

    /// `x` `[n, steps, inputs]` gives `[n, steps, 2 * hidden]`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let [(input, recurrent), reverse] = self.packed()?;
        bilstm(x, &Tensor::stack(&[input, reverse.0], 0)?, &Tensor::stack(&[recurrent, reverse.1], 0)?)
    }
}

impl Direction {
    /// Input weights with the bias as last column, and recurrent weights.
    fn packed(&self) -> Result<(Tensor, &Tensor)> {
        let mut bias = self.biases[0].clone();
        for other in &self.biases[1..] {
            bias = (bias + other)?;
        }
        Ok((Tensor::cat(&[&self.input, &bias.unsqueeze(1)?], 1)?, &self.recurrent))
    }
}
