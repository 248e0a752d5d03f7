//! Rectifiers and pools whose backward pass follows another rule than the gradient: guided backpropagation (Springenberg 2015),
//! the deconvnet (Zeiler and Fergus 2014), DeepLIFT's rescale rule (Shrikumar 2017).
//!
//! Networks ask for [`relu`] and the pools of this module tree; what rule their backward pass follows is set around a call of
//! theirs by [`with_rule`], for the calling thread.

use super::real::{Real, values};
use candle_core::{CpuStorage, CustomOp1, D, DType, Layout, Result, Shape, Tensor, bail};
use std::cell::Cell;
use std::marker::PhantomData;

/// What the backward pass of a rectifier does with the signal that comes from above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackwardRule {
    /// Passes it where the input was positive: the gradient.
    Gradient,
    /// Passes what is positive where the input was positive.
    Guided,
    /// Passes what is positive, whatever the input was.
    Deconvnet,
    /// Multiplies it by the change of the output over the change of the input between each window of the batch's first half and
    /// its reference, the window at the same place of the second half. Pools divide likewise. Nothing is passed to references.
    Rescale,
}

/// Changes of an input smaller than this share of it have the derivative for their ratio.
const SMALLEST_CHANGE: f64 = 1e-6;

thread_local! {
    static RULE: Cell<BackwardRule> = const { Cell::new(BackwardRule::Gradient) };
}

/// Runs `f` with the rule for everything its thread builds.
pub fn with_rule<R>(rule: BackwardRule, f: impl FnOnce() -> R) -> R {
    struct Restore(BackwardRule);
    impl Drop for Restore {
        fn drop(&mut self) {
            RULE.set(self.0);
        }
    }
    let _restore = Restore(RULE.replace(rule));
    f()
}

/// The rule that the calling thread builds with.
pub(super) fn current_rule() -> BackwardRule {
    RULE.get()
}

/// Whether the fused layers, whose backward pass is the gradient, can be used.
pub(crate) fn is_gradient() -> bool {
    current_rule() == BackwardRule::Gradient
}

impl BackwardRule {
    /// Of the signal that comes from above to a rectifier, what it looks at.
    pub(super) fn heard(self, signal: &Tensor) -> Result<Tensor> {
        match self {
            Self::Guided | Self::Deconvnet => signal * open(signal)?,
            Self::Gradient | Self::Rescale => Ok(signal.clone()),
        }
    }

    /// Whether a rectifier passes the signal where its input was not positive.
    pub(super) fn passes_closed(self) -> bool {
        self == Self::Deconvnet
    }
}

/// `max(x, 0)` with gradient 0 at 0 as in PyTorch and TensorFlow (candle's is 1); NaN stays NaN.
pub fn relu(x: &Tensor) -> Result<Tensor> {
    match RULE.get() {
        BackwardRule::Gradient => x * open(x)?,
        rule => ruled(&x.contiguous()?, Layer::Relu, rule),
    }
}

/// The maximum over the last dimension; the first of equals takes the gradient, a NaN makes the maximum NaN.
pub(super) fn max_over_last(x: &Tensor) -> Result<Tensor> {
    let x = x.contiguous()?;
    if RULE.get() == BackwardRule::Rescale {
        return ruled(&x, Layer::MaxPool, BackwardRule::Rescale);
    }
    let maxima = x.gather(&x.detach().argmax_keepdim(D::Minus1)?, D::Minus1)?.squeeze(D::Minus1)?;
    // `argmax` passes over NaN unless it comes first.
    maxima + (x.detach().sum(D::Minus1)? * 0.0)?
}

/// 1 where the rectifier is open.
fn open(x: &Tensor) -> Result<Tensor> {
    x.detach().gt(0f64)?.to_dtype(x.dtype())
}

fn ruled(x: &Tensor, layer: Layer, rule: BackwardRule) -> Result<Tensor> {
    match (x.device().is_cpu(), x.dtype()) {
        (true, DType::F32) => x.apply_op1(Ruled::<f32> { layer, rule, number: PhantomData }),
        (true, DType::F64) => x.apply_op1(Ruled::<f64> { layer, rule, number: PhantomData }),
        (_, other) => bail!("{rule:?} of {other:?}: only f32 and f64 on the CPU"),
    }
}

#[derive(Clone, Copy)]
enum Layer {
    Relu,
    MaxPool,
}

struct Ruled<T> {
    layer: Layer,
    rule: BackwardRule,
    number: PhantomData<T>,
}

impl<T: Real> CustomOp1 for Ruled<T> {
    fn name(&self) -> &'static str {
        "ruled"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = values::<T>(x, layout)?;
        let dims = layout.dims();
        let (out, shape) = match self.layer {
            // A comparison with NaN is false: NaN stays.
            Layer::Relu => (x.iter().map(|&x| if x <= T::ZERO { T::ZERO } else { x }).collect(), dims.to_vec()),
            Layer::MaxPool => {
                let size = dims.last().copied().unwrap_or(1).max(1);
                let highest = |row: &[T]| row.iter().fold(T::NEG_INFINITY, |a, &b| if b > a || b.is_nan() { b } else { a });
                (x.chunks_exact(size).map(highest).collect(), dims[..dims.len().saturating_sub(1)].to_vec())
            }
        };
        Ok((T::to_cpu_storage_owned(out), Shape::from(shape)))
    }

    fn bwd(&self, x: &Tensor, out: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        Ok(Some(match (self.rule, self.layer) {
            (rule @ (BackwardRule::Gradient | BackwardRule::Guided | BackwardRule::Deconvnet), _) => {
                let heard = rule.heard(gradient)?;
                if rule.passes_closed() { heard } else { (heard * open(x)?)? }
            }
            (BackwardRule::Rescale, layer) => {
                let half = x.dim(0)? / 2;
                let of = |t: &Tensor, from: usize| t.narrow(0, from, half)?.contiguous();
                let (x, reference) = (of(x, 0)?, of(x, half)?);
                let passed = match layer {
                    Layer::Relu => {
                        let ratio = ratio((of(out, 0)? - of(out, half)?)?, &x, &reference, &open(&x)?)?;
                        (of(gradient, 0)? * ratio)?
                    }
                    Layer::MaxPool => divided_by_pool(&x, &reference, &of(gradient, 0)?)?,
                };
                Tensor::cat(&[&passed, &passed.zeros_like()?], 0)?
            }
        }))
    }
}

/// `change / (x - reference)`, `otherwise` where the two are as good as equal.
fn ratio(change: Tensor, x: &Tensor, reference: &Tensor, otherwise: &Tensor) -> Result<Tensor> {
    let step = (x - reference)?;
    let size = (x.abs()? + reference.abs()?)?.affine(SMALLEST_CHANGE, f64::MIN_POSITIVE.sqrt())?;
    let moves = step.abs()?.gt(&size)?;
    let divisor = moves.where_cond(&step, &step.ones_like()?)?;
    moves.where_cond(&(change / divisor)?, otherwise)
}

/// The change of a maximum is borne by one position of its window: where the input's maximum lies if the maximum grew over the
/// reference's, else where the reference's lay. That position moved at least as far, so the ratio is at most 1.
fn divided_by_pool(x: &Tensor, reference: &Tensor, gradient: &Tensor) -> Result<Tensor> {
    let at = |t: &Tensor| t.argmax_keepdim(D::Minus1);
    let maximum = |t: &Tensor| t.gather(&at(t)?, D::Minus1);
    let (highest, before) = (maximum(x)?, maximum(reference)?);
    let grew = highest.ge(&before)?;
    let bearer = grew.where_cond(&at(x)?, &at(reference)?)?;
    let (x_there, reference_there) = (x.gather(&bearer, D::Minus1)?, reference.gather(&bearer, D::Minus1)?);
    let ratio = ratio((highest - before)?, &x_there, &reference_there, &x_there.ones_like()?)?;
    x.zeros_like()?.scatter_add(&bearer, &(gradient.unsqueeze(D::Minus1)? * ratio)?, D::Minus1)
}
