//! A dense layer.

use crate::models::ModelError;
use crate::models::weights::{Init, Weights};
use candle_core::{Result, Tensor};

/// `y = x W^T + b` over the last dimension.
pub struct Linear {
    /// `[outputs, inputs]`.
    pub weight: Tensor,
    /// `[outputs]`.
    pub bias: Option<Tensor>,
}

impl Linear {
    /// `weight` and `bias`; fresh weights are Glorot uniform, the bias 0.
    pub fn new(weights: &Weights, inputs: usize, outputs: usize) -> std::result::Result<Self, ModelError> {
        Self::with(weights, inputs, outputs, Init::glorot(inputs, outputs), Init::Constant(0.0))
    }

    /// A `torch.nn.Linear`: fresh weights and biases are uniform up to one over the root of `inputs`, as in Torch7 too.
    pub fn torch(weights: &Weights, inputs: usize, outputs: usize) -> std::result::Result<Self, ModelError> {
        let init = Init::torch(inputs);
        Self::with(weights, inputs, outputs, init, init)
    }

    /// `weight` and `bias` that begin as told.
    pub fn with(
        weights: &Weights,
        inputs: usize,
        outputs: usize,
        weight: Init,
        bias: Init,
    ) -> std::result::Result<Self, ModelError> {
        Ok(Self {
            weight: weights.get("weight", &[outputs, inputs], weight)?,
            bias: Some(weights.get("bias", &[outputs], bias)?),
        })
    }

    /// `x` `[..., inputs]` gives `[..., outputs]`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (outputs, inputs) = self.weight.dims2()?;
        // Two contiguous dimensions: candle multiplies a transposed batch by a shared matrix wrongly.
        let y = x.contiguous()?.reshape(((), inputs))?.matmul(&self.weight.t()?)?;
        let y = match &self.bias {
            Some(bias) => y.broadcast_add(bias)?,
            None => y,
        };
        let mut shape = x.dims().to_vec();
        if let Some(last) = shape.last_mut() {
            *last = outputs;
        }
        y.reshape(shape)
    }
}
