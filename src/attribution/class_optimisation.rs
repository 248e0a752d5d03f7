//! Class optimisation (DeepChrome, Singh et al. 2016): the marks that a classifier finds most typical of "high".

use super::shuffle::draw;
use super::variants::{MARKS, Parts, batch_of};
use super::{Attribution, AttributionError, Method, Options, Run, finite_scores, scores, values};
use crate::models::{Input, Model, OutputKind};
use rand::Rng;

/// Minimises `-ln P(high) + 0.009 |X|^2` over marks X by RMSprop (rate 0.1) from uniform random marks, then cuts X to 0..1 and
/// divides it by its largest value. It says what the class looks like to the network, not what a gene's prediction rests on.
pub struct ClassOptimisation;

/// As in the authors' code.
const PENALTY: f64 = 0.009;
const RATE: f64 = 0.1;
/// Torch7's defaults of RMSprop.
const DECAY: f64 = 0.99;
const EPSILON: f64 = 1e-8;

impl Method for ClassOptimisation {
    fn name(&self) -> &'static str {
        "class-optimisation"
    }

    fn about(&self) -> &'static str {
        "marks that maximise P(high) less a penalty on their size (DeepChrome, Singh 2016); classifiers of marks"
    }

    fn obstacle(&self, model: &dyn Model) -> Option<String> {
        let manifest = model.manifest();
        if manifest.output.kind != OutputKind::Binary {
            return Some(format!("{} predicts a number, not a class", manifest.architecture));
        }
        (manifest.input.sequence.is_some() || manifest.input.marks.is_empty())
            .then(|| format!("{} does not read marks alone", manifest.architecture))
    }

    fn settings(&self) -> &'static [&'static str] {
        &["n-steps", "seed"]
    }

    fn defaults(&self) -> Options {
        Options { n_steps: 1000, ..Options::default() }
    }

    fn attribute(
        &self,
        model: &dyn Model,
        input: &Input,
        options: &Options,
        run: &mut Run<'_>,
    ) -> Result<Attribution, AttributionError> {
        let n = options.n_steps.max(1);
        let score = scores(model, &input.batch(model.dtype())?)?[0];
        let optimum = optimise(model, input, n, options.seed, run)?;
        let settings =
            format!("{n} steps of RMSprop, penalty {PENALTY}, loss {:.6} where F is {:.6}", optimum.loss, optimum.score);
        let mut result = Attribution::new(self.name(), settings, score, input, model);
        let cut: Vec<f64> = optimum.marks.iter().map(|x| x.clamp(0.0, 1.0)).collect();
        let largest = cut.iter().copied().fold(0.0, f64::max);
        result.marks = Some(cut.iter().map(|x| if largest > 0.0 { (x / largest) as f32 } else { 0.0 }).collect());
        result.seed = Some(options.seed);
        (result.done, result.total) = (n, n);
        Ok(result)
    }
}

/// Where the descent ended, before it is cut and scaled.
pub(super) struct Optimum {
    pub(super) marks: Vec<f64>,
    /// F there.
    pub(super) score: f64,
    pub(super) loss: f64,
}

pub(super) fn optimise(
    model: &dyn Model,
    input: &Input,
    n_steps: usize,
    seed: u64,
    run: &mut Run<'_>,
) -> Result<Optimum, AttributionError> {
    let mut random = draw(seed, 0);
    let mut x: Vec<f64> = (0..input.marks.len()).map(|_| random.random()).collect();
    let mut mean_square = vec![0.0; x.len()];
    let mut parts: Parts = input.parts();
    // The best point is kept: steps of a fixed rate end up circling it.
    let mut best = Optimum { marks: Vec::new(), score: 0.0, loss: f64::INFINITY };
    for step in 0..=n_steps {
        run.step()?;
        parts[MARKS] = x.iter().map(|&v| v as f32).collect();
        let (output, gradient) = model.gradient(&batch_of(model, input, std::slice::from_ref(&parts))?)?;
        let score = finite_scores(&output.score)?[0];
        // -ln sigmoid(F) without an exponential of a large number.
        let loss = (-score).max(0.0) + (-score.abs()).exp().ln_1p() + PENALTY * x.iter().map(|v| v * v).sum::<f64>();
        if loss < best.loss {
            best = Optimum { marks: x.clone(), score, loss };
        }
        let Some(gradient) = gradient.marks.filter(|_| step < n_steps) else { break };
        let miss = 1.0 / (1.0 + score.exp());
        for ((x, square), gradient) in x.iter_mut().zip(&mut mean_square).zip(values(&gradient)?) {
            let slope = 2.0 * PENALTY * *x - miss * gradient;
            *square = DECAY * *square + (1.0 - DECAY) * slope * slope;
            *x -= RATE * slope / (square.sqrt() + EPSILON);
        }
    }
    Ok(best)
}
