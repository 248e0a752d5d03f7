//! A convolution along bins with its weights in PyTorch's layout.

use super::conv_pool::{Pool, conv_relu_max_pool};
use crate::models::ModelError;
use crate::models::weights::{Init, Weights};
use candle_core::{Result, Tensor};

/// A `torch.nn.Conv1d` of stride 1, followed by ReLU.
pub struct Conv1d {
    /// `[filters, channels, kernel]`: turned when it is used, for a turned copy would not follow what is learnt.
    pub(crate) weight: Tensor,
    /// `[filters]`.
    pub(crate) bias: Tensor,
}

impl Conv1d {
    /// `weight` `[filters, channels, kernel]` and `bias`, fresh ones as PyTorch and Torch7 begin.
    pub fn torch(weights: &Weights, channels: usize, filters: usize, kernel: usize) -> std::result::Result<Self, ModelError> {
        let init = Init::torch(channels * kernel);
        let weight = weights.get("weight", &[filters, channels, kernel], init)?;
        Ok(Self { weight, bias: weights.get("bias", &[filters], init)? })
    }

    /// `x` `[n, positions, channels]` gives `[n, windows, filters]`: `positions - kernel + 1` outputs, pooled.
    pub fn pooled(&self, x: &Tensor, pool: usize) -> Result<Tensor> {
        conv_relu_max_pool(x, &self.weight.transpose(1, 2)?.contiguous()?, &self.bias, Pool::valid(pool))
    }

    /// One output for each position of `x`: zeros stand beyond the ends, the odd one on the right.
    pub fn same(&self, x: &Tensor) -> Result<Tensor> {
        let beyond = self.weight.dim(2)? - 1;
        self.pooled(&x.pad_with_zeros(1, beyond / 2, beyond - beyond / 2)?, 1)
    }
}
