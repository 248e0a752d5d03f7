//! Occlusion: F with one block of one mark blanked, minus F (Zeiler and Fergus 2014).

use super::kernels::{Edit, evaluator};
use super::{Attribution, AttributionError, Method, Options, Run};
use crate::models::{Input, Manifest, Model};

/// `D[block, mark] = F(x with the block of the mark at "no signal") - F(x)`; every position of a block holds its block's delta
/// divided by the block's length, so that a sum over positions is the sum over blocks.
pub struct Occlusion;

impl Method for Occlusion {
    fn name(&self) -> &'static str {
        "occlusion"
    }

    fn about(&self) -> &'static str {
        "change of F when a bin of one mark is set to no signal"
    }

    fn obstacle(&self, manifest: &Manifest) -> Option<String> {
        manifest.input.marks.is_empty().then(|| format!("{} reads no mark", manifest.architecture))
    }

    fn attribute(
        &self,
        model: &dyn Model,
        input: &Input,
        options: &Options,
        run: &mut Run<'_>,
    ) -> Result<Attribution, AttributionError> {
        let (k, positions) = (input.n_marks(), input.positions());
        if k == 0 {
            return Err(AttributionError::NotApplicable("the network reads no mark".to_owned()));
        }
        run.step()?;
        let block = match model.manifest().input.bin_size {
            1 => options.block.max(1),
            _ => 1, // the input is binned already: a position is a bin
        };
        let evaluator = evaluator(model, input)?;
        let settings = format!("blocks of {} bp set to no signal", block as u64 * model.manifest().input.bin_size.max(1));
        let mut result = Attribution::new(self.name(), settings, evaluator.score(), input, model.dtype());
        let n_blocks = positions.div_ceil(block);
        let blocks: Vec<(usize, usize)> = (0..n_blocks).flat_map(|b| (0..k).map(move |mark| (b, mark))).collect();
        (result.total, result.marks) = (blocks.len(), Some(vec![f32::NAN; input.marks.len()]));

        for chunk in blocks.chunks(evaluator.chunk()) {
            run.step()?;
            // A block that is blank already changes nothing: its delta is exactly zero without an evaluation.
            let (mut changed, mut edits) = (Vec::with_capacity(chunk.len()), Vec::with_capacity(chunk.len()));
            for &(b, mark) in chunk {
                let span = b * block..((b + 1) * block).min(positions);
                let is_blank = |p: usize| input.marks[p * k + mark] == input.blank[mark];
                if span.clone().all(is_blank) {
                    fill(&mut result, span, k, mark, 0.0);
                    continue;
                }
                let blanked = span.clone().flat_map(|p| input.copies_of_position(p));
                let marks = blanked.map(|p| (p * k + mark, input.blank[mark])).collect();
                edits.push(Edit { bases: Vec::new(), marks });
                changed.push((span, mark));
            }
            for ((span, mark), delta) in changed.into_iter().zip(evaluator.deltas(&edits)?) {
                let share = delta / span.len() as f64;
                fill(&mut result, span, k, mark, share as f32);
            }
            result.done += chunk.len();
            if result.done < result.total {
                run.partial(&result)?;
            }
        }
        Ok(result)
    }
}

fn fill(result: &mut Attribution, span: std::ops::Range<usize>, k: usize, mark: usize, value: f32) {
    if let Some(marks) = &mut result.marks {
        span.for_each(|p| marks[p * k + mark] = value);
    }
}
