//! Class activation maps (Zhou 2016): where the layers after a network's last pooling are linear, what each pooled place adds to F.

use super::{Attribution, AttributionError, Method, Options, Run, finite_scores, values};
use crate::models::{ActivationMap, Input, Model};

/// A value a bin, or a mark (spread evenly over its positions); they sum to F less a constant of the weights.
pub struct ClassActivationMap;

impl Method for ClassActivationMap {
    fn name(&self) -> &'static str {
        "class-activation-map"
    }

    fn alias(&self) -> Option<&'static str> {
        Some("cam")
    }

    fn about(&self) -> &'static str {
        "what each pooled bin or mark adds to F through a linear head (Zhou 2016)"
    }

    fn obstacle(&self, model: &dyn Model) -> Option<String> {
        let name = &model.manifest().architecture;
        (!model.structure().has_linear_head).then(|| format!("{name} has no linear layer after a pooling over bins or marks"))
    }

    fn attribute(
        &self,
        model: &dyn Model,
        input: &Input,
        _: &Options,
        run: &mut Run<'_>,
    ) -> Result<Attribution, AttributionError> {
        run.step()?;
        let batch = input.batch(model.dtype())?;
        let score = finite_scores(&model.forward(&batch)?.score)?[0];
        let mut result = Attribution::new(self.name(), "sums to F less a constant".to_owned(), score, input, model);
        match model.activation_map(&batch)? {
            Some(ActivationMap::Bins(map)) => result.profile = Some(values(&map)?.into_iter().map(|v| v as f32).collect()),
            Some(ActivationMap::Marks(map)) => {
                let positions = input.positions();
                let share: Vec<f32> = values(&map)?.into_iter().map(|v| (v / positions as f64) as f32).collect();
                result.marks = Some(share.repeat(positions));
            }
            Some(ActivationMap::MarkBins(map)) => {
                let (k, bins) = (input.n_marks(), input.positions());
                let map = values(&map)?;
                result.marks = Some((0..bins * k).map(|at| map[at % k * bins + at / k] as f32).collect());
            }
            None => return Err(super::options::unfit("the network has no activation map".to_owned())),
        }
        (result.done, result.total) = (1, 1);
        Ok(result)
    }
}
