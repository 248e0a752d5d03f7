//! Convolution along positions with bias and ReLU as one operation, for layers of many channels.
//!
//! The windows of a sequence are the overlapping rows of a matrix, which is multiplied by the filters without being copied. The
//! gradients are products of the same kind: that of the input a convolution with the turned filters, that of the filters the
//! transposed windows times the gradient.

use super::composed;
use super::product::{Packed, Rows};
use super::real::{Real, values, with_values};
use super::rules::{is_gradient, relu};
use candle_core::{CpuStorage, CustomOp3, DType, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// What a convolution does beside its sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConvOptions {
    /// Positions of 0 before the first.
    pub left: usize,
    /// Positions of 0 after the last.
    pub right: usize,
    /// Whether ReLU follows; ReLU'(0) = 0.
    pub relu: bool,
}

/// `x` `[n, length, channels]`, `weight` `[filters, kernel, channels]`, `bias` `[filters]` give `[n, positions, filters]` with
/// `positions = left + length + right - kernel + 1`. Gradients are made only for inputs that track them.
///
/// # Errors
/// Where shapes do not fit, a padding is as long as the kernel, or numbers are neither f32 nor f64.
pub fn conv(x: &Tensor, weight: &Tensor, bias: &Tensor, options: ConvOptions) -> Result<Tensor> {
    ConvWeights::new(weight.clone(), bias.clone(), false).conv(x, options)
}

/// Weights `[filters, kernel, channels]` and bias `[filters]` of a convolution; where nothing trains them they are rearranged for the
/// processor once.
#[derive(Clone)]
pub struct ConvWeights {
    /// `[filters, kernel, channels]`.
    pub weight: Tensor,
    /// `[filters]`.
    pub bias: Tensor,
    kept: Option<Kept>,
}

/// What is kept of constant weights, by their type.
#[derive(Clone)]
enum Kept {
    Single(Arc<Arranged<f32>>),
    Double(Arc<Arranged<f64>>),
}

/// Weights as the products of the two directions take them, made when first asked for.
struct Arranged<T> {
    forward: OnceLock<Packed<T>>,
    turned: OnceLock<Packed<T>>,
}

impl<T> Default for Arranged<T> {
    fn default() -> Self {
        Self { forward: OnceLock::new(), turned: OnceLock::new() }
    }
}

impl ConvWeights {
    /// `is_constant`: their values will never change.
    pub fn new(weight: Tensor, bias: Tensor, is_constant: bool) -> Self {
        let kept = match weight.dtype() {
            DType::F32 if is_constant => Some(Kept::Single(Arc::default())),
            DType::F64 if is_constant => Some(Kept::Double(Arc::default())),
            _ => None,
        };
        Self { weight, bias, kept }
    }

    /// As [`conv`].
    ///
    /// # Errors
    /// As [`conv`].
    pub fn conv(&self, x: &Tensor, options: ConvOptions) -> Result<Tensor> {
        let (weight, bias) = (&self.weight, &self.bias);
        let sizes = Sizes::new(x, weight, bias, options)?;
        if options.relu && !is_gradient() {
            return relu(&self.conv(x, ConvOptions { relu: false, ..options })?);
        }
        if !x.device().is_cpu() {
            return composed::conv(x, weight, bias, options);
        }
        if sizes.length == 1 && sizes.kernel == 1 && sizes.n > 1 {
            // A dense layer: the samples are the rows of one product.
            return self.conv(&x.reshape((1, sizes.n, sizes.channels))?, options)?.reshape((sizes.n, 1, sizes.filters));
        }
        let (x, weight, bias) = (x.contiguous()?, weight.contiguous()?, bias.contiguous()?);
        match (x.dtype(), &self.kept) {
            (DType::F32, Some(Kept::Single(kept))) => Conv::apply(sizes, &x, &weight, &bias, kept.clone()),
            (DType::F64, Some(Kept::Double(kept))) => Conv::apply(sizes, &x, &weight, &bias, kept.clone()),
            (DType::F32, _) => Conv::<f32>::apply(sizes, &x, &weight, &bias, Arc::default()),
            (DType::F64, _) => Conv::<f64>::apply(sizes, &x, &weight, &bias, Arc::default()),
            (other, _) => bail!("convolution of {other:?}: only f32 and f64"),
        }
    }
}

/// What a work item writes stays in the second-level cache.
const NUMBERS_PER_ITEM: usize = 1 << 16;

/// The sizes of one call.
#[derive(Clone, Copy)]
struct Sizes {
    n: usize,
    length: usize,
    channels: usize,
    filters: usize,
    kernel: usize,
    positions: usize,
    options: ConvOptions,
}

impl Sizes {
    fn new(x: &Tensor, weight: &Tensor, bias: &Tensor, options: ConvOptions) -> Result<Self> {
        let (n, length, channels) = x.dims3()?;
        let (filters, kernel, of) = weight.dims3()?;
        if of != channels || bias.dims() != [filters] || kernel == 0 || channels == 0 || filters == 0 {
            bail!("convolution: input {:?}, weight {:?} and bias {:?} do not fit", x.dims(), weight.dims(), bias.dims());
        }
        if options.left >= kernel || options.right >= kernel {
            bail!("convolution: padding of {} and {} with a kernel of {kernel}", options.left, options.right);
        }
        let padded = options.left + length + options.right;
        if padded < kernel || n == 0 {
            bail!("convolution: {n} windows of {length} positions with a kernel of {kernel}");
        }
        Ok(Self { n, length, channels, filters, kernel, positions: padded - kernel + 1, options })
    }

    /// Numbers a filter spans.
    fn depth(&self) -> usize {
        self.kernel * self.channels
    }
}

struct Conv<T> {
    sizes: Sizes,
    input_gradient: bool,
    weight_gradient: bool,
    arranged: Arc<Arranged<T>>,
}

/// What a layer adds to a sum of products.
#[derive(Clone, Copy)]
struct Finish<'a, T> {
    bias: Option<&'a [T]>,
    relu: bool,
}

impl<T: Real> Conv<T> {
    fn apply(sizes: Sizes, x: &Tensor, weight: &Tensor, bias: &Tensor, arranged: Arc<Arranged<T>>) -> Result<Tensor> {
        let (input_gradient, weight_gradient) = (x.track_op(), weight.track_op() || bias.track_op());
        x.apply_op3(weight, bias, Self { sizes, input_gradient, weight_gradient, arranged })
    }

    /// Gradient of the input: the gradient of the sums, convolved with the filters turned round.
    fn input_gradient(&self, weight: &[T], gradient: &[T]) -> Vec<T> {
        let s = self.sizes;
        let packed = self.arranged.turned.get_or_init(|| {
            let mut turned = vec![T::ZERO; weight.len()];
            for (row, weight) in weight.chunks_exact(s.channels).enumerate() {
                let (filter, k) = (row / s.kernel, row % s.kernel);
                let to = &mut turned[((s.kernel - 1 - k) * s.filters + filter) * s.channels..][..s.channels];
                to.copy_from_slice(weight);
            }
            Packed::new(&turned, s.kernel * s.filters, s.channels, s.channels, 1)
        });
        let left = s.kernel - 1 - s.options.left;
        let finish = Finish { bias: None, relu: false };
        slide(gradient, [s.n, s.positions, s.filters, s.length, s.channels], s.kernel, left, packed, finish)
    }

    /// Gradients of weights and bias, summed over samples in their order whatever the number of threads.
    fn weight_gradient(&self, x: &[T], gradient: &[T]) -> (Vec<T>, Vec<T>) {
        const SAMPLES_A_PART: usize = 8;
        let s = self.sizes;
        // Of a dense layer the samples are rows of one.
        let (rows, together) = match (s.n, s.kernel) {
            (1, 1) => (SAMPLES_A_PART.min(s.positions), 1),
            _ => (s.positions, SAMPLES_A_PART),
        };
        let packed: Vec<Packed<T>> = gradient
            .par_chunks(s.positions * s.filters)
            .flat_map(|gradient| gradient.par_chunks(rows * s.filters))
            .map(|rows| Packed::new(rows, rows.len() / s.filters, s.filters, s.filters, 1))
            .collect();
        let (padded, parts) = (packed[0].padded(), packed.len().div_ceil(together));
        // Writes what a part adds to the rows `depth` of the weights, `[depth][padded]`.
        let add_up = |part: usize, depth: Range<usize>, sums: &mut [T], buffer: &mut Vec<T>| {
            for (i, packed) in packed.iter().enumerate().skip(part * together).take(together) {
                let (sample, from) = if together == 1 { (0, i * rows) } else { (i, 0) };
                let x = &x[sample * s.length * s.channels..][..s.length * s.channels];
                let x = stretch(x, s.length, s.channels, s.options.left, from, packed.depth() + s.kernel - 1, buffer);
                packed.multiply(&x[depth.start..], Rows::Interleaved(s.channels), depth.len(), sums, i > part * together);
            }
        };
        let mut weight = vec![T::ZERO; s.depth() * padded];
        let block = (NUMBERS_PER_ITEM / padded).next_multiple_of(24);
        if s.depth() >= 4 * block {
            // The rows that are worked on stay in the second-level cache.
            let blocks = weight.par_chunks_mut(block * padded).enumerate();
            blocks.for_each_init(Default::default, |(sums, buffer): &mut (Vec<T>, Vec<T>), (item, weight)| {
                sums.resize(weight.len(), T::ZERO);
                for part in 0..parts {
                    add_up(part, item * block..item * block + weight.len() / padded, sums, buffer);
                    weight.iter_mut().zip(&*sums).for_each(|(a, b)| *a += *b);
                }
            });
        } else {
            let sums = (0..parts).into_par_iter().map(|part| {
                let mut sums = vec![T::ZERO; s.depth() * padded];
                add_up(part, 0..s.depth(), &mut sums, &mut Vec::new());
                sums
            });
            for sums in sums.collect::<Vec<_>>() {
                weight.iter_mut().zip(sums).for_each(|(a, b)| *a += b);
            }
        }
        (transposed(&weight, padded, s.filters), column_sums(gradient, s.filters, rows * together))
    }
}

/// The first `columns` columns of `[rows][padded]` as `[columns][rows]`.
fn transposed<T: Real>(values: &[T], padded: usize, columns: usize) -> Vec<T> {
    /// What is read and what is written of a tile stays in the first-level cache.
    const TILE: usize = 16;
    let rows = values.len() / padded;
    let mut out = vec![T::ZERO; rows * columns];
    for from in (0..rows).step_by(TILE) {
        let tile = &values[from * padded..rows.min(from + TILE) * padded];
        for column in 0..columns {
            let to = &mut out[column * rows + from..][..tile.len() / padded];
            to.iter_mut().zip(tile[column..].iter().step_by(padded)).for_each(|(to, value)| *to = *value);
        }
    }
    out
}

/// Sums of the columns of `[rows][columns]`, `together` rows at a time and then of these sums.
fn column_sums<T: Real>(values: &[T], columns: usize, together: usize) -> Vec<T> {
    let add = |mut sum: Vec<T>, row: &[T]| {
        sum.iter_mut().zip(row).for_each(|(a, b)| *a += *b);
        sum
    };
    let zeros = || vec![T::ZERO; columns];
    let parts = values.par_chunks(together * columns).map(|rows| rows.chunks_exact(columns).fold(zeros(), add));
    parts.collect::<Vec<_>>().iter().fold(zeros(), |sum, part| add(sum, part))
}

/// `length` positions of `x` from `from` of the padded sequence on: of `x` itself where they all lie in it, else in `buffer` with 0
/// around it.
fn stretch<'a, T: Real>(
    x: &'a [T],
    of: usize,
    channels: usize,
    left: usize,
    from: usize,
    length: usize,
    buffer: &'a mut Vec<T>,
) -> &'a [T] {
    if from >= left && from + length <= left + of {
        return &x[(from - left) * channels..][..length * channels];
    }
    buffer.clear();
    buffer.resize(length * channels, T::ZERO);
    let first = left.saturating_sub(from).min(length);
    let last = (left + of).saturating_sub(from).min(length);
    if first < last {
        let to = &mut buffer[first * channels..last * channels];
        to.copy_from_slice(&x[(from + first - left) * channels..][..to.len()]);
    }
    buffer
}

/// The convolution of `[n, length, channels]` with packed filters: `[n, positions, filters]`, `left` positions of 0 before the first
/// and as many after the last as it takes.
fn slide<T: Real>(
    x: &[T],
    [n, length, channels, positions, filters]: [usize; 5],
    kernel: usize,
    left: usize,
    packed: &Packed<T>,
    finish: Finish<'_, T>,
) -> Vec<T> {
    // Wide rows: the filters are read once an item.
    let per_item = (NUMBERS_PER_ITEM / packed.padded()).max(32).min(positions);
    let mut out = vec![T::ZERO; n * positions * filters];
    let items: Vec<(usize, usize, &mut [T])> = out
        .chunks_mut(positions * filters)
        .enumerate()
        .flat_map(|(sample, out)| {
            out.chunks_mut(per_item * filters).enumerate().map(move |(item, out)| (sample, item * per_item, out))
        })
        .collect();
    items.into_par_iter().for_each_init(Default::default, |(buffer, sums): &mut (Vec<T>, Vec<T>), (sample, from, out)| {
        let x = &x[sample * length * channels..][..length * channels];
        let count = out.len() / filters;
        let x = stretch(x, length, channels, left, from, count + kernel - 1, buffer);
        if packed.padded() == filters {
            packed.multiply(x, Rows::Adjacent(channels), count, out, false);
        } else {
            sums.resize(count * packed.padded(), T::ZERO);
            packed.multiply(x, Rows::Adjacent(channels), count, sums, false);
            for (out, sums) in out.chunks_exact_mut(filters).zip(sums.chunks_exact(packed.padded())) {
                out.copy_from_slice(&sums[..filters]);
            }
        }
        if let Some(bias) = finish.bias {
            for out in out.chunks_exact_mut(filters) {
                out.iter_mut().zip(bias).for_each(|(y, bias)| *y += *bias);
            }
        }
        if finish.relu {
            // NaN is not below 0, so it stays.
            out.iter_mut().for_each(|y| *y = if *y < T::ZERO { T::ZERO } else { *y });
        }
    });
    out
}

impl<T: Real> CustomOp3 for Conv<T> {
    fn name(&self) -> &'static str {
        "conv"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, weight, bias) = (values(x, x_layout)?, values(weight, weight_layout)?, values(bias, bias_layout)?);
        let s = self.sizes;
        let packed = self.arranged.forward.get_or_init(|| Packed::new(weight, s.depth(), s.filters, 1, s.depth()));
        let finish = Finish { bias: Some(bias), relu: s.options.relu };
        let out = slide(x, [s.n, s.length, s.channels, s.positions, s.filters], s.kernel, s.options.left, packed, finish);
        Ok((T::to_cpu_storage_owned(out), (s.n, s.positions, s.filters).into()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _bias: &Tensor,
        out: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (device, s) = (x.device(), self.sizes);
        let gradient = if s.options.relu { masked::<T>(gradient, out)? } else { gradient.clone() };
        let mut gradients = (None, None, None);
        if self.input_gradient {
            let values = with_values([weight, &gradient], |[w, g]| self.input_gradient(w, g))?;
            gradients.0 = Some(Tensor::from_vec(values, (s.n, s.length, s.channels), device)?);
        }
        if self.weight_gradient {
            let (weight, bias) = with_values([x, &gradient], |[x, g]| self.weight_gradient(x, g))?;
            gradients.1 = Some(Tensor::from_vec(weight, (s.filters, s.kernel, s.channels), device)?);
            gradients.2 = Some(Tensor::from_vec(bias, s.filters, device)?);
        }
        Ok(gradients)
    }
}

/// `gradient` where `out`, a ReLU's output, is above 0; else 0.
pub(super) fn masked<T: Real>(gradient: &Tensor, out: &Tensor) -> Result<Tensor> {
    let masked = with_values::<T, _, 2>([gradient, out], |[g, y]| {
        let mut masked = vec![T::ZERO; g.len()];
        let chunks =
            masked.par_chunks_mut(NUMBERS_PER_ITEM).zip(g.par_chunks(NUMBERS_PER_ITEM).zip(y.par_chunks(NUMBERS_PER_ITEM)));
        chunks.for_each(|(masked, (g, y))| {
            for (masked, (g, y)) in masked.iter_mut().zip(g.iter().zip(y)) {
                *masked = if *y > T::ZERO { *g } else { T::ZERO };
            }
        });
        masked
    })?;
    Tensor::from_vec(masked, out.shape(), out.device())
}
