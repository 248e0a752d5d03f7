//! The gradient of F at the input (saliency; signed), and times the input.

use super::{Attribution, AttributionError, Method, Options, Run, finite_scores, values};
use crate::models::{Input, Model, N_INPUTS};

/// dF/dx, signed, for every base channel and mark position.
pub struct Saliency;

/// x * dF/dx: the gradient at the bases and marks that are there.
pub struct InputXGradient;

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
        gradient_times(self.name(), model, input, run, |_, g| g)
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
        gradient_times(self.name(), model, input, run, |x, g| x * g)
    }
}

fn gradient_times(
    name: &'static str,
    model: &dyn Model,
    input: &Input,
    run: &mut Run<'_>,
    weigh: fn(f64, f64) -> f64,
) -> Result<Attribution, AttributionError> {
    run.step()?;
    let batch = input.batch(model.dtype())?;
    let (output, gradient) = model.gradient(&batch)?;
    let mut result = Attribution::new(name, "at the input".to_owned(), finite_scores(&output.score)?[0], input, model.dtype());
    let mut parts = [const { Vec::new() }; N_INPUTS];
    for ((out, g), x) in parts.iter_mut().zip(gradient.parts()).zip(input.parts()) {
        if let Some(g) = g {
            *out = values(g)?.iter().zip(&x).map(|(&g, &x)| weigh(f64::from(x), g)).collect();
        }
    }
    result.set_parts(input, parts);
    (result.done, result.total) = (1, 1);
    Ok(result)
}
