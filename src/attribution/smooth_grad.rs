//! SmoothGrad (Smilkov 2017): the gradient averaged over noisy copies of the input.

use super::shuffle::draw;
use super::variants::{DNA, MARKS, Parts, Variants, batch_of};
use super::{Attribution, AttributionError, Method, Options, Run, finite_scores, values};
use crate::models::{Input, Model, N_INPUTS};
use rand::Rng;

/// `mean over draws of dF/dx(x + e)`, e normal with the standard deviation `noise` times the range of each mark (DNA: times 1).
pub struct SmoothGrad;

impl Method for SmoothGrad {
    fn name(&self) -> &'static str {
        "smooth-grad"
    }

    fn about(&self) -> &'static str {
        "gradient of F averaged over noisy inputs (Smilkov 2017)"
    }

    fn settings(&self) -> &'static [&'static str] {
        &["samples", "noise", "seed"]
    }

    fn attribute(
        &self,
        model: &dyn Model,
        input: &Input,
        options: &Options,
        run: &mut Run<'_>,
    ) -> Result<Attribution, AttributionError> {
        let variants = Variants::new(model, input);
        let score = variants.score()?;
        let n = options.samples.max(1);
        let spread = standard_deviations(input, options.noise);
        let mut sum: [Vec<f64>; N_INPUTS] = variants.reference().each_ref().map(|part| vec![0.0; part.len()]);
        let mut squares = sum.clone();
        // A gradient takes three to five times as long as a forward pass.
        let together = (variants.per_call() / 5).max(1);
        for from in (0..n).step_by(together) {
            run.step()?;
            let to = (from + together).min(n);
            let copies: Vec<Parts> = (from..to).map(|i| noisy(variants.reference(), &spread, options.seed, i)).collect();
            let (output, gradient) = model.gradient(&batch_of(model, input, &copies)?)?;
            finite_scores(&output.score)?;
            for (i, gradient) in gradient.parts().into_iter().enumerate() {
                let Some(gradient) = gradient else { continue };
                for row in values(gradient)?.chunks_exact(sum[i].len().max(1)) {
                    sum[i].iter_mut().zip(row).for_each(|(s, g)| *s += g);
                    squares[i].iter_mut().zip(row).for_each(|(s, g)| *s += g * g);
                }
            }
        }
        let settings = format!("{n} draws, noise {} of the range", options.noise);
        let mut result = Attribution::new(self.name(), settings, score, input, model);
        result.seed = Some(options.seed);
        if n > 1 {
            let n = n as f64;
            let variance = |(s, q): (&f64, &f64)| ((q - s * s / n) / (n - 1.0) / n).max(0.0);
            let variances: Vec<f64> = sum.iter().flatten().zip(squares.iter().flatten()).map(variance).collect();
            result.standard_error = Some((variances.iter().sum::<f64>() / variances.len().max(1) as f64).sqrt());
        }
        result.set_parts(input, sum.map(|part| part.into_iter().map(|s| s / n as f64).collect()));
        (result.done, result.total) = (n, n);
        Ok(result)
    }
}

/// The noise's standard deviation for each number of a channel of each input.
fn standard_deviations(input: &Input, noise: f64) -> [Vec<f64>; N_INPUTS] {
    let range = |values: &mut dyn Iterator<Item = f32>| {
        let (low, high) = values.fold((f32::INFINITY, f32::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
        f64::from((high - low).max(0.0)) * noise
    };
    let (k, parts) = (input.n_marks(), input.parts());
    std::array::from_fn(|i| match i {
        DNA => vec![noise],
        MARKS => (0..k).map(|channel| range(&mut parts[MARKS].iter().copied().skip(channel).step_by(k))).collect(),
        _ => vec![if parts[i].is_empty() { 0.0 } else { range(&mut parts[i].iter().copied()) }],
    })
}

fn noisy(reference: &Parts, spread: &[Vec<f64>; N_INPUTS], seed: u64, i: usize) -> Parts {
    let mut random = draw(seed, i);
    let mut copy = reference.clone();
    for (part, spread) in copy.iter_mut().zip(spread) {
        for (value, spread) in part.iter_mut().zip(spread.iter().cycle()) {
            // Box and Muller; 1 - u is above 0.
            let (u, v): (f64, f64) = (random.random(), random.random());
            let normal = (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos();
            *value = (f64::from(*value) + spread * normal) as f32;
        }
    }
    copy
}
