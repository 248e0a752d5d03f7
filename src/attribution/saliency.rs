//! The gradient of F at the input (saliency; signed), times the input, and without what lies off the simplex of bases.

use super::{Attribution, AttributionError, Method, Options, Run, finite_scores, values};
use crate::models::{Input, Model, N_INPUTS};

/// dF/dx, signed, for every base channel and mark position.
pub struct Saliency;

/// x * dF/dx: the gradient at the bases and marks that are there.
pub struct InputXGradient;

/// dF/dx less its mean over the four bases of a position: a network is trained on the simplex of bases alone, and the gradient's
/// part off it is random. Marks have no such constraint and keep their gradient.
pub struct CorrectedGradient;

impl Method for Saliency {
    fn name(&self) -> &'static str {
        "saliency"
    }

    fn about(&self) -> &'static str {
        "gradient of F at the input, signed (Simonyan 2013)"
    }

    fn attribute(
        &self,
        model: &dyn Model,
        input: &Input,
        _: &Options,
        run: &mut Run<'_>,
    ) -> Result<Attribution, AttributionError> {
        of_gradient(self.name(), model, input, run, |_, gradient| gradient)
    }
}

impl Method for InputXGradient {
    fn name(&self) -> &'static str {
        "input-x-gradient"
    }

    fn about(&self) -> &'static str {
        "input times gradient of F"
    }

    fn attribute(
        &self,
        model: &dyn Model,
        input: &Input,
        _: &Options,
        run: &mut Run<'_>,
    ) -> Result<Attribution, AttributionError> {
        of_gradient(self.name(), model, input, run, |x, mut gradient| {
            for (gradient, x) in gradient.iter_mut().zip(x) {
                gradient.iter_mut().zip(x).for_each(|(g, &x)| *g *= f64::from(x));
            }
            gradient
        })
    }
}

impl Method for CorrectedGradient {
    fn name(&self) -> &'static str {
        "corrected-gradient"
    }

    fn about(&self) -> &'static str {
        "gradient of F at the DNA less its mean over the four bases (Majdandzic 2023); marks as they are"
    }

    fn obstacle(&self, model: &dyn Model) -> Option<String> {
        super::reads_no_dna(model)
    }

    fn attribute(
        &self,
        model: &dyn Model,
        input: &Input,
        _: &Options,
        run: &mut Run<'_>,
    ) -> Result<Attribution, AttributionError> {
        of_gradient(self.name(), model, input, run, |_, mut gradient| {
            for row in gradient[super::variants::DNA].chunks_exact_mut(4) {
                let mean = row.iter().sum::<f64>() / 4.0;
                row.iter_mut().for_each(|g| *g -= mean);
            }
            gradient
        })
    }
}

type Values = [Vec<f64>; N_INPUTS];

fn of_gradient(
    name: &'static str,
    model: &dyn Model,
    input: &Input,
    run: &mut Run<'_>,
    make: impl Fn(&super::variants::Parts, Values) -> Values,
) -> Result<Attribution, AttributionError> {
    run.step()?;
    let (output, gradient) = model.gradient(&input.batch(model.dtype())?)?;
    let mut result = Attribution::new(name, "at the input".to_owned(), finite_scores(&output.score)?[0], input, model);
    let mut parts = [const { Vec::new() }; N_INPUTS];
    for (part, gradient) in parts.iter_mut().zip(gradient.parts()) {
        if let Some(gradient) = gradient {
            *part = values(gradient)?;
        }
    }
    result.set_parts(input, make(&input.parts(), parts));
    (result.done, result.total) = (1, 1);
    Ok(result)
}
