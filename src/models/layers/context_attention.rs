//! Attention by a learnt context vector.

use super::weighted_mean;
use crate::models::ModelError;
use crate::models::weights::{Init, Weights};
use candle_core::{D, Result, Tensor};
use candle_nn::ops::softmax;

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
        let (n, steps, width) = states.dims3()?;
        let scores = states.contiguous()?.reshape((n * steps, width))?.matmul(&self.context)?.reshape((n, steps))?;
        // Not `softmax_last_dim`: it drops the gradient without a word.
        let weights = softmax(&scores, D::Minus1)?;
        Ok((weighted_mean(states, &weights)?, weights))
    }
}
