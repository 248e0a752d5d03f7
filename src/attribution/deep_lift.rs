//! DeepLIFT with the rescale rule (Shrikumar 2017), for networks of convolutions, pools, rectifiers and dense layers.

use super::baseline::{baselines, views_of};
use super::options::{Baseline, Views};
use super::variants::batch_of;
use super::{Attribution, AttributionError, Method, Options, Run, finite_scores, values};
use crate::models::layers::{BackwardRule, with_rule};
use crate::models::{Input, Model, N_INPUTS};

/// `(x - x') * m`, m the multipliers that carry F(x) - F(x') back layer by layer: complete but for rounding, which the delta shows.
/// The mean over the references where there are several. Transcription factors stay as they are: their product is no such layer.
pub struct DeepLift;

impl Method for DeepLift {
    fn name(&self) -> &'static str {
        "deep-lift"
    }

    fn about(&self) -> &'static str {
        "change of F against a reference carried back by the rescale rule (Shrikumar 2017); feed-forward networks"
    }

    fn obstacle(&self, model: &dyn Model) -> Option<String> {
        let name = &model.manifest().architecture;
        (!model.structure().is_feed_forward)
            .then(|| format!("{name} has recurrent or attention layers, for which DeepLIFT's rules do not add up"))
    }

    fn settings(&self) -> &'static [&'static str] {
        &["baseline", "views", "samples", "seed"]
    }

    fn attribute(
        &self,
        model: &dyn Model,
        input: &Input,
        options: &Options,
        run: &mut Run<'_>,
    ) -> Result<Attribution, AttributionError> {
        let asked = options.views.unwrap_or(Views::JOINT);
        let options = Options { views: Some(Views { tfs: false, ..asked }), ..options.clone() };
        let views = views_of(input, &options)?;
        let references = baselines(model, input, &options)?;
        let parts = input.parts();
        let mut sum: [Vec<f64>; N_INPUTS] = parts.each_ref().map(|part| vec![0.0; part.len()]);
        let (mut score, mut reference_scores) = (0.0, 0.0);
        for reference in (0..references.len()).map(|i| references.get(i)) {
            run.step()?;
            let batch = batch_of(model, input, &[parts.clone(), reference.clone()])?;
            let (output, multipliers) = with_rule(BackwardRule::Rescale, || model.gradient(&batch))?;
            let scores = finite_scores(&output.score)?;
            score = scores[0];
            reference_scores += scores[1];
            for (i, multipliers) in multipliers.parts().into_iter().enumerate() {
                let Some(multipliers) = multipliers else { continue };
                let change = parts[i].iter().zip(&reference[i]).map(|(x, from)| f64::from(*x) - f64::from(*from));
                sum[i].iter_mut().zip(values(multipliers)?).zip(change).for_each(|((s, m), x)| *s += m * x);
            }
        }
        let n = references.len();
        let attributions = sum.map(|part| part.into_iter().map(|s| s / n as f64).collect());
        let settings = format!(
            "rescale rule, baseline {}{}, {views}",
            if options.baseline == Baseline::Shuffles { format!("{n} ") } else { String::new() },
            options.baseline
        );
        let mut result = Attribution::new(self.name(), settings, score, input, model);
        result.seed = (options.baseline == Baseline::Shuffles).then_some(options.seed);
        result.set_completeness(&attributions, score - reference_scores / n as f64);
        result.set_parts(input, attributions);
        (result.done, result.total) = (n, n);
        Ok(result)
    }
}
