//! The same layers from candle's own operations, for devices without our kernels. Only operations whose gradients are right in
//! candle 0.11.1 are used (`tests/candle_traps.rs`): every reshaped or transposed factor is made contiguous, `conv2d` stands for
//! `conv1d`, `gather` for `max`, a mask for `relu`.

use super::conv::ConvOptions;
use super::conv_pool::Pool;
use super::rules::{max_over_last, relu};
use candle_core::{D, DType, Result, Tensor};

/// As [`super::conv`].
pub(super) fn conv(x: &Tensor, weight: &Tensor, bias: &Tensor, options: ConvOptions) -> Result<Tensor> {
    let x = x.transpose(1, 2)?.contiguous()?.unsqueeze(2)?.pad_with_zeros(3, options.left, options.right)?;
    let weight = weight.transpose(1, 2)?.contiguous()?.unsqueeze(2)?;
    let y = x.conv2d(&weight, 0, 1, 1, 1)?.squeeze(2)?.broadcast_add(&bias.reshape((1, (), 1))?)?;
    let y = y.transpose(1, 2)?.contiguous()?;
    if options.relu { relu(&y) } else { Ok(y) }
}

/// `[n, length, channels]` as `[n, windows, size, channels]`.
fn in_windows(x: &Tensor, size: usize) -> Result<Tensor> {
    let (n, length, channels) = x.dims3()?;
    x.narrow(1, 0, length / size * size)?.contiguous()?.reshape((n, length / size, size, channels))
}

/// As [`super::average_pool`].
pub(super) fn average_pool(x: &Tensor, size: usize) -> Result<Tensor> {
    in_windows(x, size)?.mean(2)
}

/// As [`super::max_pool`].
pub(super) fn max_pool(x: &Tensor, size: usize) -> Result<Tensor> {
    max_over_last(&in_windows(x, size)?.transpose(2, 3)?)
}

/// As `affine` of the batch normalisation.
pub(super) fn affine(x: &Tensor, scale: &[f64], shift: &[f64], relu_follows: bool) -> Result<Tensor> {
    let of = |values: &[f64]| Tensor::new(values, x.device())?.to_dtype(x.dtype());
    let y = x.broadcast_mul(&of(scale)?)?.broadcast_add(&of(shift)?)?;
    if relu_follows { relu(&y) } else { Ok(y) }
}

/// As `normalise` of the batch normalisation: the output, the mean and the unbiased variance.
pub(super) fn normalise(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    epsilon: f64,
    relu_follows: bool,
) -> Result<(Tensor, Tensor, Tensor)> {
    let rows = x.contiguous()?.reshape(((), weight.elem_count()))?;
    let mean = rows.mean_keepdim(0)?;
    let centred = rows.broadcast_sub(&mean)?;
    let variance = centred.sqr()?.mean_keepdim(0)?;
    let y = centred.broadcast_div(&(&variance + epsilon)?.sqrt()?)?.broadcast_mul(weight)?.broadcast_add(bias)?;
    let y = if relu_follows { relu(&y)? } else { y };
    let n = rows.dim(0)? as f64;
    let variance = (variance * (n / (n - 1.0).max(1.0)))?;
    let of = |t: Tensor| t.detach().squeeze(0)?.to_dtype(DType::F64);
    Ok((y.reshape(x.shape())?, of(mean)?, of(variance)?))
}

/// As [`super::conv_relu_max_pool`]; the convolution is ours where there is a kernel for it (under another backward rule on the CPU).
pub(super) fn conv_relu_max_pool(x: &Tensor, weight: &Tensor, bias: &Tensor, pool: Pool) -> Result<Tensor> {
    let relu = ConvOptions { relu: true, ..ConvOptions::default() };
    let y = super::conv(x, weight, bias, relu)?.transpose(1, 2)?.contiguous()?;
    // A pad of 0 wins only where the ReLU is closed, which passes no gradient (but in the deconvnet, which runs fused).
    let (n, filters, positions) = y.dims3()?;
    let windows = pool.windows(positions);
    let right = (windows * pool.size).saturating_sub(pool.left + positions);
    let y = y.pad_with_zeros(2, pool.left, right)?.narrow(2, 0, windows * pool.size)?.contiguous()?;
    let y = y.reshape((n, filters, windows, pool.size))?;
    max_over_last(&y)?.transpose(1, 2)?.contiguous()
}

/// As [`super::bilstm`]: both directions are stepped as a batch of two.
pub(super) fn bilstm(x: &Tensor, input: &Tensor, recurrent: &Tensor) -> Result<Tensor> {
    let (n, steps, inputs) = x.dims3()?;
    let (_, gates, hidden) = recurrent.dims3()?;
    let (device, dtype) = (x.device(), x.dtype());
    let rows = input.reshape((2 * gates, inputs + 1))?;
    let bias = rows.narrow(1, inputs, 1)?.flatten_all()?.contiguous()?;
    let weight = rows.narrow(1, 0, inputs)?.t()?.contiguous()?;
    let projected = x.contiguous()?.reshape((n * steps, inputs))?.matmul(&weight)?.broadcast_add(&bias)?;
    let projected = projected.reshape((n, steps, 2, gates))?.permute((1, 2, 0, 3))?;
    let reversed = Tensor::from_vec((0..steps as u32).rev().collect::<Vec<_>>(), steps, device)?;
    let both = [projected.narrow(1, 0, 1)?.contiguous()?, projected.narrow(1, 1, 1)?.contiguous()?.index_select(&reversed, 0)?];
    let projected = Tensor::cat(&both, 1)?;
    let recurrent = recurrent.transpose(1, 2)?.contiguous()?;
    let mut state = Tensor::zeros((2, n, hidden), dtype, device)?;
    let mut cell = state.clone();
    let mut states = Vec::with_capacity(steps);
    // The backward pass of `narrow` fills a tensor of the whole length: two levels make that steps * sqrt(steps) work, not steps^2.
    let block = (steps as f64).sqrt().ceil().max(1.0) as usize;
    for from in (0..steps).step_by(block) {
        let block = projected.narrow(0, from, block.min(steps - from))?;
        for step in 0..block.dim(0)? {
            let entering = (block.narrow(0, step, 1)?.squeeze(0)? + state.matmul(&recurrent)?)?;
            let gate = |i: usize| entering.narrow(2, i * hidden, hidden)?.contiguous();
            let [i, f, o] = [gate(0)?, gate(1)?, gate(3)?].map(|gate| candle_nn::ops::sigmoid(&gate));
            cell = ((f? * cell)? + (i? * gate(2)?.tanh()?)?)?;
            state = (o? * cell.tanh()?)?;
            states.push(state.clone());
        }
    }
    let states = Tensor::stack(&states, 0)?;
    let forward = states.narrow(1, 0, 1)?.squeeze(1)?.contiguous()?;
    let reverse = states.narrow(1, 1, 1)?.squeeze(1)?.contiguous()?.index_select(&reversed, 0)?;
    Tensor::cat(&[&forward, &reverse], D::Minus1)?.transpose(0, 1)?.contiguous()
}

/// As [`super::sparsemax`].
pub(super) fn sparsemax(x: &Tensor) -> Result<Tensor> {
    let x = x.contiguous()?;
    let x = x.broadcast_sub(&x.detach().max_keepdim(D::Minus1)?)?;
    let (sorted, _) = x.detach().sort_last_dim(false)?;
    let sums = sorted.cumsum(D::Minus1)?;
    let counts = Tensor::arange(1u32, x.dim(D::Minus1)? as u32 + 1, x.device())?.to_dtype(x.dtype())?;
    let inside = sorted.broadcast_mul(&counts)?.affine(1.0, 1.0)?.gt(&sums)?.to_dtype(x.dtype())?;
    let tau = ((sorted * &inside)?.sum_keepdim(D::Minus1)?.affine(1.0, -1.0)? / inside.sum_keepdim(D::Minus1)?)?;
    // The support is constant around x: only the threshold moves.
    let support = x.detach().broadcast_gt(&tau)?.to_dtype(x.dtype())?;
    let tau = ((&x * &support)?.sum_keepdim(D::Minus1)?.affine(1.0, -1.0)? / support.sum_keepdim(D::Minus1)?)?;
    x.broadcast_sub(&tau)? * support
}
