//! Integrated gradients along the straight path from a zero baseline (Sundararajan, Taly and Yan 2017).
//!
//! The composite midpoint rule nests by three: the nodes of n steps are among those of 3n, so a result refines from 27 to 81 to
//! 243 without losing work, and its per-position error is 2 to 5 times below Gauss-Legendre's on nets with thousands of kinks.

use super::path::{Node, Path};
use super::{Attribution, AttributionError, Method, Options, Run, scores, values};
use crate::models::{Batch, Input, Model, N_INPUTS};
use candle_core::Tensor;

/// `(x - x') * mean_k dF/dx(x' + a_k (x - x'))`, both inputs moving together, baseline zero.
pub struct IntegratedGradients;

impl Method for IntegratedGradients {
    fn name(&self) -> &'static str {
        "integrated-gradients"
    }

    fn alias(&self) -> Option<&'static str> {
        Some("ig")
    }

    fn about(&self) -> &'static str {
        "path integral of the gradient from a zero baseline, midpoint rule (Sundararajan 2017)"
    }

    fn attribute(
        &self,
        model: &dyn Model,
        input: &Input,
        options: &Options,
        run: &mut Run<'_>,
    ) -> Result<Attribution, AttributionError> {
        let batch = input.batch(model.dtype())?;
        let score = scores(model, &batch)?[0];
        let zeros = batch.try_map(Tensor::zeros_like)?;
        let baseline = scores(model, &zeros)?[0];
        let path = Path::new(model, &zeros, &batch)?;
        let n = options.n_steps.max(1);
        let mut sum = Sums::new(input);
        let mut done = 0;
        // Coarse nodes first, so that a partial result of a third of the steps is itself a midpoint rule.
        for level in refinement(n) {
            run.step()?;
            done += level.len();
            let nodes: Vec<Node> = level.into_iter().map(|at| Node { at, weight: 1.0 }).collect();
            sum.add(&path.gradients(&nodes, run)?)?;
            let result = sum.result(self.name(), input, model, (done, n), (score, baseline));
            if done == n {
                return Ok(result);
            }
            run.partial(&result)?;
        }
        Ok(sum.result(self.name(), input, model, (done, n), (score, baseline)))
    }
}

/// The midpoints `(2i + 1) / 2n`, grouped so that every prefix of whole groups is the midpoint rule of its own size.
fn refinement(n: usize) -> Vec<Vec<f64>> {
    let node = |i: usize, n: usize| (2 * i + 1) as f64 / (2 * n) as f64;
    if !n.is_multiple_of(3) || n / 3 < 9 {
        return vec![(0..n).map(|i| node(i, n)).collect()];
    }
    let mut levels = refinement(n / 3);
    // Of each three neighbouring midpoints the middle one is a midpoint of the coarser rule.
    levels.push((0..n).filter(|i| i % 3 != 1).map(|i| node(i, n)).collect());
    levels
}

/// Gradients of each input summed over nodes, in double precision, and the input itself.
struct Sums {
    gradients: [Vec<f64>; N_INPUTS],
    inputs: [Vec<f32>; N_INPUTS],
}

impl Sums {
    fn new(input: &Input) -> Self {
        let inputs = input.parts();
        Self { gradients: inputs.each_ref().map(|x| vec![0.0; x.len()]), inputs }
    }

    fn add(&mut self, gradient: &Batch) -> Result<(), AttributionError> {
        for (sum, gradient) in self.gradients.iter_mut().zip(gradient.parts()) {
            let Some(gradient) = gradient else { continue };
            let gradient = values(gradient)?;
            for row in gradient.chunks_exact(sum.len().max(1)) {
                sum.iter_mut().zip(row).for_each(|(s, g)| *s += g);
            }
        }
        Ok(())
    }

    fn result(
        &self,
        name: &'static str,
        input: &Input,
        model: &dyn Model,
        (done, total): (usize, usize),
        (score, baseline): (f64, f64),
    ) -> Attribution {
        let weighed: [Vec<f64>; N_INPUTS] = std::array::from_fn(|i| {
            self.gradients[i].iter().zip(&self.inputs[i]).map(|(s, &x)| f64::from(x) * s / done.max(1) as f64).collect()
        });
        let change = score - baseline;
        let all = || weighed.iter().flatten();
        let delta = all().sum::<f64>() - change;
        let size: f64 = all().map(|v| v.abs()).sum();
        let settings = format!("midpoint, {done} steps, baseline zero, joint");
        let mut result = Attribution::new(name, settings, score, input, model.dtype());
        result.set_parts(input, weighed);
        result.delta = Some(delta);
        let scale = change.abs().max(1e-3 * size);
        result.gap = Some(if scale > 0.0 { delta.abs() / scale } else { 0.0 });
        (result.done, result.total) = (done, total);
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coarse_nodes_are_among_the_fine_ones() {
        let levels = refinement(243);
        assert_eq!(levels.iter().map(Vec::len).collect::<Vec<_>>(), [9, 18, 54, 162]);
        let mut all: Vec<f64> = levels.concat();
        all.sort_by(f64::total_cmp);
        for (i, node) in all.iter().enumerate() {
            assert!((node - (2 * i + 1) as f64 / 486.0).abs() < 1e-15, "node {i}");
        }
        assert_eq!(refinement(50).len(), 1);
    }
}
