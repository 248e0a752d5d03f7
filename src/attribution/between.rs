//! Integrated gradients from one sample's input of a window to another's: what explains that the two are predicted differently.

use super::options::Options;
use super::path::{Node, Path};
use super::quadrature::levels;
use super::{Attribution, AttributionError, Run, scores, values};
use crate::models::{Input, Model};

/// `(x - x') * sum_k w_k dF/dx(x' + a_k (x - x'))` from the input `from` (x') to `to` (x): sums to `F(to) - F(from)`, and is 0 wherever
/// both read the same. Both are of one window. The rule and its steps are those of `options`.
///
/// # Errors
/// Where the network has no gradient, or something newer is wanted.
pub fn between(
    model: &dyn Model,
    from: &Input,
    to: &Input,
    options: &Options,
    run: &Run<'_>,
) -> Result<Attribution, AttributionError> {
    let n = options.n_steps.max(1);
    let (baseline, input) = (from.batch(model.dtype())?, to.batch(model.dtype())?);
    let before = scores(model, &baseline)?[0];
    let after = scores(model, &input)?[0];
    let nodes: Vec<Node> = levels(options.rule, n).concat();
    let gradients = Path::new(model, &baseline, &input)?.gradients(&nodes, run)?;
    let (a, b, gradients) = (from.parts(), to.parts(), gradients.parts());
    let mut parts: [Vec<f64>; crate::models::N_INPUTS] = Default::default();
    for i in 0..parts.len() {
        if let Some(gradient) = gradients[i] {
            let change = b[i].iter().zip(&a[i]).map(|(to, from)| f64::from(*to) - f64::from(*from));
            parts[i] = change.zip(values(gradient)?).map(|(change, gradient)| change * gradient).collect();
        }
    }
    let settings = format!("{}, {n} steps, from another sample's input", options.rule);
    let mut result = Attribution::new("integrated-gradients", settings, after, to, model);
    result.set_completeness(&parts, after - before);
    result.set_parts(to, parts);
    (result.done, result.total) = (n, n);
    Ok(result)
}
