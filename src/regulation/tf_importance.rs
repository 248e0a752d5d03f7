//! What each transcription factor is worth to a network that reads factors' expression (DeepCAGE).
//!
//! DeepCAGE's score is the mean size of the gradient with respect to a factor's expression; it is as large for a factor that is not
//! expressed. Gradient times expression and a knock-out (expression to 0) stand beside it: they are 0 for such a factor.

use crate::attribution::{AttributionError, Options, Run, Views, method};
use crate::models::{Input, Model};

/// Sums over loci of one sample.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TfImportance {
    /// Loci taken in.
    pub loci: usize,
    /// Sum of `|dF/dg|` of each factor.
    gradient: Vec<f64>,
    /// Sum of `g dF/dg`.
    gradient_x_expression: Vec<f64>,
    /// Sum of what F loses when the factor's expression becomes 0.
    knock_out: Vec<f64>,
}

/// One factor.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct OfTf {
    /// DeepCAGE's gradient importance score: mean `|dF/dg|`.
    pub gradient: f64,
    /// Mean `g dF/dg`.
    pub gradient_x_expression: f64,
    /// Mean of F less F without the factor.
    pub knock_out: f64,
}

/// Columns of [`OfTf`], in order.
pub const SCORES: [&str; 3] = ["gradient", "gradient_x_expression", "knock_out"];

impl OfTf {
    /// The scores in the order of [`SCORES`].
    pub fn scores(&self) -> [f64; 3] {
        [self.gradient, self.gradient_x_expression, self.knock_out]
    }
}

/// What one locus says: gradient, gradient times expression, and loss by knock-out of each factor.
///
/// # Errors
/// Where the network reads no factor or cannot be run.
pub fn of_locus(model: &dyn Model, input: &Input, is_current: &dyn Fn() -> bool) -> Result<[Vec<f32>; 3], AttributionError> {
    if model.manifest().input.tfs.is_empty() {
        let text = format!("{} reads no transcription factor's expression", model.manifest().name);
        return Err(AttributionError::NotApplicable(text));
    }
    let run = |name: &str, options: &Options| {
        let method = method(name).ok_or_else(|| AttributionError::NotApplicable(format!("no method {name}")))?;
        let result = method.attribute(model, input, options, &mut Run::new(is_current, &mut |_| ()))?;
        Ok::<_, AttributionError>(result.expression.unwrap_or_default())
    };
    let gradient = run("saliency", &Options::default())?;
    let of_factors = Options { views: Some(Views { dna: false, marks: false, tfs: true }), ..Options::default() };
    let changes = run("occlusion", &of_factors)?;
    let product = gradient.iter().zip(&input.expression).map(|(g, x)| g * x).collect();
    Ok([gradient, product, changes.iter().map(|change| -change).collect()])
}

impl TfImportance {
    /// Takes in a locus.
    pub fn add(&mut self, [gradient, product, knock_out]: &[Vec<f32>; 3]) {
        self.loci += 1;
        let sum = |sums: &mut Vec<f64>, values: &[f32], f: fn(f64) -> f64| {
            sums.resize(sums.len().max(values.len()), 0.0);
            sums.iter_mut().zip(values).for_each(|(sum, v)| *sum += f(f64::from(*v)));
        };
        sum(&mut self.gradient, gradient, f64::abs);
        sum(&mut self.gradient_x_expression, product, |x| x);
        sum(&mut self.knock_out, knock_out, |x| x);
    }

    /// Means of each factor, in the network's order; nothing where no locus was taken in.
    pub fn factors(&self) -> Vec<OfTf> {
        let n = self.loci.max(1) as f64;
        let of = |i: usize| OfTf {
            gradient: self.gradient[i] / n,
            gradient_x_expression: self.gradient_x_expression[i] / n,
            knock_out: self.knock_out[i] / n,
        };
        (0..self.gradient.len()).map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_over_loci_are_of_sizes_for_the_gradient_and_signed_for_the_others() {
        let mut importance = TfImportance::default();
        assert_eq!(importance.factors(), []);
        importance.add(&[vec![-2.0, 1.0], vec![-1.0, 0.0], vec![-0.5, 0.0]]);
        importance.add(&[vec![1.0, 1.0], vec![0.5, 0.0], vec![0.25, 0.0]]);
        let first = OfTf { gradient: 1.5, gradient_x_expression: -0.25, knock_out: -0.125 };
        assert_eq!(importance.factors()[0], first);
        // A factor that is not expressed: its gradient does not know.
        assert_eq!(importance.factors()[1].scores(), [1.0, 0.0, 0.0]);
    }
}
