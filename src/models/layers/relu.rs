//! The rectifier.

use candle_core::{Result, Tensor};

/// `max(x, 0)` with gradient 0 at 0 as in PyTorch and TensorFlow (candle's is 1); NaN stays NaN.
pub fn relu(x: &Tensor) -> Result<Tensor> {
    x * x.detach().gt(0f64)?.to_dtype(x.dtype())?
}
