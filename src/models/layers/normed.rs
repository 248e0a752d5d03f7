//! A convolution or dense layer, batch normalisation and ReLU: one product in inference, its normalisation folded into the weights.

use super::{BatchNorm, ConvOptions, ConvWeights, conv};
use crate::models::ModelError;
use crate::models::weights::{Init, Weights};
use candle_core::{Result, Tensor};

/// `relu(norm(conv(x)))`. A dense layer is a convolution over a single position.
pub struct Normed {
    /// `[filters, kernel, channels]`.
    weight: Tensor,
    /// `[filters]`; the normalisation has its own.
    bias: Option<Tensor>,
    norm: BatchNorm,
    /// Weight and bias with the normalisation in them, where nothing trains them.
    folded: Option<ConvWeights>,
    left: usize,
    right: usize,
}

impl Normed {
    /// A convolution: `conv` and `norm` are where its weights and its normalisation's stand.
    ///
    /// # Errors
    /// Where a weight does not fit.
    pub fn conv(
        conv: &Weights,
        norm: &Weights,
        [filters, kernel, channels]: [usize; 3],
        [left, right]: [usize; 2],
        has_bias: bool,
        epsilon: f64,
    ) -> std::result::Result<Self, ModelError> {
        // Glorot's fans of a convolution count its receptive field.
        let init = Init::glorot(kernel * channels, kernel * filters);
        let weight = conv.get("weight", &[filters, kernel, channels], init)?;
        Self::new(conv, norm, weight, filters, [left, right], has_bias, epsilon)
    }

    /// A dense layer with a bias, `weight` `[outputs, inputs]`.
    ///
    /// # Errors
    /// Where a weight does not fit.
    pub fn dense(
        dense: &Weights,
        norm: &Weights,
        inputs: usize,
        outputs: usize,
        epsilon: f64,
    ) -> std::result::Result<Self, ModelError> {
        let weight = dense.get("weight", &[outputs, inputs], Init::glorot(inputs, outputs))?;
        Self::new(dense, norm, weight.unsqueeze(1)?, outputs, [0, 0], true, epsilon)
    }

    fn new(
        layer: &Weights,
        norm: &Weights,
        weight: Tensor,
        filters: usize,
        [left, right]: [usize; 2],
        has_bias: bool,
        epsilon: f64,
    ) -> std::result::Result<Self, ModelError> {
        let bias = if has_bias { Some(layer.get("bias", &[filters], Init::Constant(0.0))?) } else { None };
        let norm = BatchNorm::new(norm, filters, epsilon)?;
        let folded = match norm.is_constant() {
            true => {
                let [weight, bias] = norm.fold(&weight, bias.as_ref())?;
                Some(ConvWeights::new(weight, bias, true))
            }
            false => None,
        };
        Ok(Self { weight, bias, norm, folded, left, right })
    }

    /// Weights `[filters, kernel, channels]` and bias `[filters]` with the normalisation in them, as inference uses them.
    pub(crate) fn folded(&self) -> Result<[Tensor; 2]> {
        match &self.folded {
            Some(folded) => Ok([folded.weight.clone(), folded.bias.clone()]),
            None => self.norm.fold(&self.weight, self.bias.as_ref()),
        }
    }

    /// Positions of 0 before the first and after the last.
    pub(crate) fn padding(&self) -> [usize; 2] {
        [self.left, self.right]
    }

    /// Inference: `x` `[n, length, channels]` gives `[n, positions, filters]`; gradients flow to `x` alone.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let options = ConvOptions { left: self.left, right: self.right, relu: true };
        match &self.folded {
            Some(folded) => folded.conv(x, options),
            None => {
                let [weight, bias] = self.norm.fold(&self.weight, self.bias.as_ref())?;
                conv(x, &weight, &bias, options)
            }
        }
    }

    /// Training: with the statistics of the batch.
    pub fn forward_training(&self, x: &Tensor) -> Result<Tensor> {
        let options = ConvOptions { left: self.left, right: self.right, relu: false };
        let zeros;
        let bias = match &self.bias {
            Some(bias) => bias,
            None => {
                zeros = Tensor::zeros(self.weight.dim(0)?, x.dtype(), x.device())?;
                &zeros
            }
        };
        self.norm.forward_training(&conv(x, &self.weight, bias, options)?, true)
    }
}
