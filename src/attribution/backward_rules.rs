//! Guided backpropagation (Springenberg 2015) and the deconvnet (Zeiler and Fergus 2014): the backward pass with other rules at
//! rectifiers.

use super::{Attribution, AttributionError, Method, Options, Run, finite_scores, values};
use crate::models::layers::{BackwardRule, with_rule};
use crate::models::{Input, Model, N_INPUTS};

/// What comes back through rectifiers that were open, negative signals dropped.
pub struct GuidedBackpropagation;

/// What comes back through rectifiers whether open or not, negative signals dropped.
pub struct Deconvnet;

const CAUTION: &str = "depends on how the network is written, not on what it computes: two networks with the same outputs can give \
                       different results, and shuffled weights similar ones (Adebayo 2018)";

impl Method for GuidedBackpropagation {
    fn name(&self) -> &'static str {
        "guided-backpropagation"
    }

    fn about(&self) -> &'static str {
        "backward pass that drops negative signals at open rectifiers (Springenberg 2015)"
    }

    fn obstacle(&self, model: &dyn Model) -> Option<String> {
        no_relu(model)
    }

    fn caution(&self) -> Option<&'static str> {
        Some(CAUTION)
    }

    fn attribute(
        &self,
        model: &dyn Model,
        input: &Input,
        _: &Options,
        run: &mut Run<'_>,
    ) -> Result<Attribution, AttributionError> {
        backward(self.name(), BackwardRule::Guided, model, input, run)
    }
}

impl Method for Deconvnet {
    fn name(&self) -> &'static str {
        "deconvnet"
    }

    fn about(&self) -> &'static str {
        "backward pass that drops negative signals at every rectifier (Zeiler and Fergus 2014)"
    }

    fn obstacle(&self, model: &dyn Model) -> Option<String> {
        no_relu(model)
    }

    fn caution(&self) -> Option<&'static str> {
        Some(CAUTION)
    }

    fn attribute(
        &self,
        model: &dyn Model,
        input: &Input,
        _: &Options,
        run: &mut Run<'_>,
    ) -> Result<Attribution, AttributionError> {
        backward(self.name(), BackwardRule::Deconvnet, model, input, run)
    }
}

fn no_relu(model: &dyn Model) -> Option<String> {
    (!model.structure().has_relu).then(|| format!("{} has no rectifier", model.manifest().architecture))
}

fn backward(
    name: &'static str,
    rule: BackwardRule,
    model: &dyn Model,
    input: &Input,
    run: &mut Run<'_>,
) -> Result<Attribution, AttributionError> {
    run.step()?;
    let batch = input.batch(model.dtype())?;
    let (output, signal) = with_rule(rule, || model.gradient(&batch))?;
    let settings = format!("at the input; {CAUTION}");
    let mut result = Attribution::new(name, settings, finite_scores(&output.score)?[0], input, model);
    let mut parts = [const { Vec::new() }; N_INPUTS];
    for (part, signal) in parts.iter_mut().zip(signal.parts()) {
        if let Some(signal) = signal {
            *part = values(signal)?;
        }
    }
    result.set_parts(input, parts);
    (result.done, result.total) = (1, 1);
    Ok(result)
}
