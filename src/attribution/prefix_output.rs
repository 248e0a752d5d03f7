//! F as a recurrent network reads on (DeMo Dashboard's temporal output, Lanchantin 2017).

use super::variants::{DNA, MARKS};
use super::{Attribution, AttributionError, Method, Options, Run, scores};
use crate::models::{Input, Model};

/// What each bin adds as it is read: `F(window up to the bin) - F(window before it)`. The values sum to F less the F of the
/// shortest prefix that the network can read; F of a prefix is their running sum plus that.
pub struct PrefixOutput;

impl Method for PrefixOutput {
    fn name(&self) -> &'static str {
        "prefix-output"
    }

    fn about(&self) -> &'static str {
        "change of F as each further bin is read, for recurrent networks (Lanchantin 2017)"
    }

    fn obstacle(&self, model: &dyn Model) -> Option<String> {
        let name = &model.manifest().architecture;
        model.structure().shortest.is_none().then(|| format!("{name} does not read its window bin by bin"))
    }

    fn settings(&self) -> &'static [&'static str] {
        &["block"]
    }

    fn attribute(
        &self,
        model: &dyn Model,
        input: &Input,
        options: &Options,
        run: &mut Run<'_>,
    ) -> Result<Attribution, AttributionError> {
        let Some(shortest) = model.structure().shortest else {
            return Err(super::options::unfit("the network does not read its window bin by bin".to_owned()));
        };
        let batch = input.batch(model.dtype())?;
        let score = scores(model, &batch)?[0];
        let positions = input.sequence.as_ref().map_or(input.positions(), Vec::len);
        let bin_size = model.manifest().input.bin_size.max(1) as usize;
        let step = if input.sequence.is_some() { options.block } else { options.block / bin_size }.max(1);
        let n = positions.div_ceil(step);
        let settings = format!("bins of {} bp", if input.sequence.is_some() { step } else { step * bin_size });
        let mut result = Attribution::new(self.name(), settings, score, input, model);
        let (mut profile, mut before) = (vec![f32::NAN; n], None);
        for (bin, value) in (0..n).map(|bin| (bin, ((bin + 1) * step).min(positions))) {
            run.step()?;
            let mut parts = batch.parts().map(|part| part.cloned());
            for i in [DNA, MARKS] {
                parts[i] = parts[i].as_ref().map(|x| x.narrow(1, 0, value)).transpose()?;
            }
            let of_prefix = match value < shortest {
                true => None,
                false => Some(scores(model, &crate::models::Batch::from_parts(parts))?[0]),
            };
            profile[bin] = of_prefix.zip(before).map_or(0.0, |(now, before): (f64, f64)| (now - before) as f32);
            before = of_prefix;
            (result.done, result.total) = (bin + 1, n);
            result.profile = Some(profile.clone());
            if bin + 1 < n && (bin + 1) % 8 == 0 {
                run.partial(&result)?;
            }
        }
        Ok(result)
    }
}
