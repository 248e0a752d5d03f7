//! Layers of one window after the other.

use super::rules::is_gradient;
use candle_core::{Result, Tensor};
use rayon::prelude::*;

/// `f` of the windows of `inputs`, each `[n, ...]`, as `f` of all at once gives it. On the processor each by itself, shared out over the
/// cores: what one layer hands to the next then stays in the cache. Not where a gradient is asked for, for that of a window taken from
/// a batch is as long as the batch.
///
/// # Errors
/// Those of `f`.
pub(crate) fn window_by_window<F>(inputs: &[Tensor], f: F) -> Result<Tensor>
where
    F: Fn(&[Tensor]) -> Result<Tensor> + Sync,
{
    let n = inputs.first().map_or(0, |x| x.dims()[0]);
    // Another rule is known to the thread that set it alone.
    if n < 2 || !is_gradient() || inputs.iter().any(|x| x.track_op() || !x.device().is_cpu()) {
        return f(inputs);
    }
    let window = |i: usize| f(&inputs.iter().map(|x| x.narrow(0, i, 1)?.contiguous()).collect::<Result<Vec<_>>>()?);
    Tensor::cat(&(0..n).into_par_iter().map(window).collect::<Result<Vec<_>>>()?, 0)
}
