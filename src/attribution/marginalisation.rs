//! What a motif is worth on average: put into shuffled copies of the window (tangermeme's marginalize).

use super::shuffle::{dinucleotide_shuffle, draw};
use super::variants::{DNA, Parts, Variants, at_bases};
use super::{Attribution, AttributionError, Method, Options, Run, reads_no_dna};
use crate::models::{Input, Model};

/// `mean over backgrounds of F(background with the motif in the middle) - F(background)`, with its standard error. Backgrounds are
/// dinucleotide shuffles of the window's DNA; marks stay as they are. The mean is shared out over the motif's bases.
pub struct Marginalisation;

impl Method for Marginalisation {
    fn name(&self) -> &'static str {
        "marginalisation"
    }

    fn about(&self) -> &'static str {
        "mean change of F when a motif is put into dinucleotide shuffles of the window, with standard error"
    }

    fn obstacle(&self, model: &dyn Model) -> Option<String> {
        reads_no_dna(model)
    }

    fn settings(&self) -> &'static [&'static str] {
        &["motif", "samples", "seed"]
    }

    fn attribute(
        &self,
        model: &dyn Model,
        input: &Input,
        options: &Options,
        run: &mut Run<'_>,
    ) -> Result<Attribution, AttributionError> {
        let Some(sequence) = &input.sequence else {
            return Err(super::options::unfit("the network reads no DNA".to_owned()));
        };
        run.step()?;
        let (motif, n) = (&options.motif, options.samples.max(1));
        let middle = options.centre.unwrap_or(sequence.len() / 2);
        let from = middle.saturating_sub(motif.len() / 2).min(sequence.len().saturating_sub(motif.len()));
        let to = (from + motif.len()).min(sequence.len());
        let variants = Variants::new(model, input);
        let score = variants.score()?;
        let mut result = Attribution::new(
            self.name(),
            format!("{} at {from} of {n} dinucleotide shuffles{}", String::from_utf8_lossy(motif), variants.held()),
            score,
            input,
            model,
        );
        (result.total, result.seed) = (n, Some(options.seed));
        let mut changes = Vec::with_capacity(n);
        // Backgrounds with an even index, the same with the motif with an odd one.
        let change = |i: usize, parts: &mut Parts| {
            let mut background = dinucleotide_shuffle(sequence, &mut draw(options.seed, i / 2));
            if i % 2 == 1 {
                for (at, &base) in (from..to).zip(motif) {
                    input.window.copies(at as u64).for_each(|copy| background[copy as usize] = base);
                }
            }
            parts[DNA] = input.base_order().one_hot::<u8>(&background).into_iter().map(f32::from).collect();
        };
        let mut without = 0.0;
        variants.each(2 * n, run, change, |span, scores, run| {
            for (i, score) in span.zip(scores) {
                if i % 2 == 0 {
                    without = score;
                } else {
                    changes.push(score - without);
                }
            }
            summarise(&mut result, input, &changes, from..to);
            if result.done < n && result.done > 0 { run.partial(&result) } else { Ok(()) }
        })?;
        Ok(result)
    }
}

fn summarise(result: &mut Attribution, input: &Input, changes: &[f64], span: std::ops::Range<usize>) {
    let n = changes.len() as f64;
    let mean = changes.iter().sum::<f64>() / n.max(1.0);
    if changes.len() > 1 {
        let variance = changes.iter().map(|c| (c - mean) * (c - mean)).sum::<f64>() / (n - 1.0);
        result.standard_error = Some((variance / n).sqrt());
    }
    let mut values = vec![0.0; input.sequence.as_ref().map_or(0, Vec::len)];
    let share = mean / span.len().max(1) as f64;
    for at in span {
        input.window.copies(at as u64).for_each(|copy| values[copy as usize] = share);
    }
    result.sequence = Some(at_bases(input, &values));
    result.done = changes.len();
}
