//! Gradients along the straight path between two inputs: the sums that integrated gradients are made of, for any baseline and rule.

use super::kernels::{PathKernel, path_kernel};
use super::{AttributionError, Run, finite_scores};
use crate::models::{Batch, Model, ModelError, Output};
use candle_core::{DType, Tensor};
use std::sync::OnceLock;

/// A node of a quadrature rule over the path: where it lies, 0 at the baseline and 1 at the input, and its weight.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Node {
    /// 0 to 1.
    pub at: f64,
    /// Weights of a whole rule sum to 1; this module does not ask for it.
    pub weight: f64,
}

/// Numbers that go into one network call: a call must stay under some 25 ms.
const CALL: usize = 120_000;
/// Most nodes of a call: recurrent nets take as long for few numbers as others for many.
const MOST_NODES: usize = 12;

/// The straight path from a baseline to an input, one window each, of one network.
pub struct Path<'a> {
    model: &'a dyn Model,
    baseline: Batch,
    /// Input minus baseline.
    change: Batch,
    /// Both on the device that the network runs on, once asked for; `None` where that failed.
    there: OnceLock<Option<(Batch, Batch)>>,
    kernel: Option<Box<dyn PathKernel + 'a>>,
}

impl<'a> Path<'a> {
    /// `baseline` and `input` have the network's precision and one window each. A view that does not move along the path has the
    /// input's values in the baseline.
    pub fn new(model: &'a dyn Model, baseline: &Batch, input: &Batch) -> Result<Self, AttributionError> {
        Ok(Self { kernel: path_kernel(model, baseline, input)?, ..Self::direct(model, baseline, input)? })
    }

    /// As [`Path::new`], by the network's own gradient at every node: works for any network, and knows none.
    pub fn direct(model: &'a dyn Model, baseline: &Batch, input: &Batch) -> Result<Self, AttributionError> {
        let change = input.try_zip(baseline, |x, from| x - from)?;
        Ok(Self { model, baseline: baseline.clone(), change, there: OnceLock::new(), kernel: None })
    }

    /// Nodes of a call.
    fn chunk(&self) -> usize {
        let numbers: usize = self.change.parts().into_iter().flatten().map(Tensor::elem_count).sum();
        self.model.windows_per_call().unwrap_or((CALL / numbers.max(1)).clamp(1, MOST_NODES))
    }

    /// `sum_k weight_k * dF/dx` at the nodes, in f64 and the shapes of the input.
    pub fn gradients(&self, nodes: &[Node], run: &Run<'_>) -> Result<Batch, AttributionError> {
        if let (Some(kernel), false) = (&self.kernel, nodes.is_empty()) {
            return kernel.gradients(nodes, run);
        }
        let mut sum = self.change.try_map(|x| x.zeros_like()?.to_dtype(DType::F64))?;
        for nodes in nodes.chunks(self.chunk()) {
            run.step()?;
            let (output, gradient) = self.gradient(nodes)?;
            finite_scores(&output.score)?;
            let weights: Vec<f64> = nodes.iter().map(|node| node.weight).collect();
            sum = sum.try_zip(&gradient, |sum, gradient| {
                let mut shape = vec![1; gradient.rank()];
                shape[0] = nodes.len();
                let weights = Tensor::from_slice(&weights, shape, gradient.device())?;
                sum + gradient.to_dtype(DType::F64)?.broadcast_mul(&weights)?.sum_keepdim(0)?
            })?;
        }
        Ok(sum)
    }

    /// F and its gradient at the nodes.
    fn gradient(&self, nodes: &[Node]) -> Result<(Output, Batch), ModelError> {
        // Inputs made on the network's device need not go over; what is the matter with it shows where they have to.
        let bring = |device| Some((self.baseline.on(device).ok()?, self.change.on(device).ok()?));
        let there = self.model.device().and_then(|device| self.there.get_or_init(|| bring(device)).as_ref());
        let there = there.and_then(|(baseline, change)| self.model.gradient(&inputs(baseline, change, nodes).ok()?).ok());
        there.map_or_else(|| self.model.gradient(&inputs(&self.baseline, &self.change, nodes)?), Ok)
    }
}

/// The inputs at the nodes, as one batch.
fn inputs(baseline: &Batch, change: &Batch, nodes: &[Node]) -> candle_core::Result<Batch> {
    baseline.try_zip(change, |from, change| {
        let rows = nodes.iter().map(|node| from + (change * node.at)?).collect::<Result<Vec<_>, _>>()?;
        Tensor::cat(&rows, 0)
    })
}

/// `sum_k weight_k * dF/dx(x' + at_k (x - x'))` for the path from `baseline` x' to `input` x; see [`Path`].
pub fn path_gradients(
    model: &dyn Model,
    baseline: &Batch,
    input: &Batch,
    nodes: &[Node],
    run: &Run<'_>,
) -> Result<Batch, AttributionError> {
    Path::new(model, baseline, input)?.gradients(nodes, run)
}
