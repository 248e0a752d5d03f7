//! Saturation mutagenesis: F with each base replaced by each other one, minus F. The plain scan: every mutant is a forward pass.

use super::{Attribution, AttributionError, Method, Options, Run, scores};
use crate::genome::BASES;
use crate::models::{Input, Model};
use std::time::{Duration, Instant};

/// `D[p, a] = F(x with base p = a) - F(x)`; the reference base is exactly 0. Raw deltas are stored; views are made on display.
pub struct SaturationMutagenesis;

/// A network call should last about this long: long enough to batch, short enough to stop within 50 ms.
const CALL: Duration = Duration::from_millis(15);
/// How often a partial result is handed on.
const REPORT: Duration = Duration::from_millis(60);
const MAX_BATCH: usize = 64;

impl Method for SaturationMutagenesis {
    fn name(&self) -> &'static str {
        "saturation-mutagenesis"
    }

    fn alias(&self) -> Option<&'static str> {
        Some("ism")
    }

    fn about(&self) -> &'static str {
        "change of F for every single-base substitution (in-silico mutagenesis)"
    }

    fn obstacle(&self, model: &dyn Model) -> Option<String> {
        super::reads_no_dna(model)
    }

    fn attribute(
        &self,
        model: &dyn Model,
        input: &Input,
        options: &Options,
        run: &mut Run<'_>,
    ) -> Result<Attribution, AttributionError> {
        let Some(sequence) = input.sequence.as_deref() else {
            return Err(AttributionError::NotApplicable("the network reads no DNA".to_owned()));
        };
        run.step()?;
        let score = scores(model, &input.batch(model.dtype())?)?[0];
        let mut result = Attribution::new(self.name(), "alternative minus reference".to_owned(), score, input, model);
        let mut deltas = vec![[f32::NAN; 4]; sequence.len()];
        let mutants = mutants_outward(sequence, options.centre.unwrap_or(sequence.len() / 2), &mut deltas);
        (result.sequence, result.total) = (Some(deltas), mutants.len());

        let one_hot = input.one_hot();
        let (mut batch, mut reported) = (1, Instant::now());
        let mut rest = &mutants[..];
        while !rest.is_empty() {
            run.step()?;
            let (now, later) = rest.split_at(batch.min(rest.len()));
            let began = Instant::now();
            let mutant_scores = self.evaluate(model, input, &one_hot, now)?;
            if let Some(deltas) = &mut result.sequence {
                for (mutant, mutant_score) in now.iter().zip(mutant_scores) {
                    deltas[mutant.index][mutant.acgt] = (mutant_score - score) as f32;
                }
            }
            result.done += now.len();
            rest = later;
            batch = match began.elapsed() {
                spent if spent * 2 < CALL => (batch * 2).min(MAX_BATCH),
                spent if spent > CALL => (batch / 2).max(1),
                _ => batch,
            };
            if reported.elapsed() > REPORT && !rest.is_empty() {
                run.partial(&result)?;
                reported = Instant::now();
            }
        }
        Ok(result)
    }
}

impl SaturationMutagenesis {
    fn evaluate(
        &self,
        model: &dyn Model,
        input: &Input,
        one_hot: &[f32],
        mutants: &[Mutant],
    ) -> Result<Vec<f64>, AttributionError> {
        let mut sequences = Vec::with_capacity(one_hot.len() * mutants.len());
        for mutant in mutants {
            let from = sequences.len();
            sequences.extend_from_slice(one_hot);
            // The base changes wherever the network reads it.
            for index in input.window.copies(mutant.index as u64) {
                let row = &mut sequences[from + 4 * index as usize..][..4];
                row.fill(0.0);
                row[input.channel_of(mutant.acgt)] = 1.0;
            }
        }
        let marks = input.marks.repeat(mutants.len());
        scores(model, &input.batch_of(mutants.len(), sequences, marks, model.dtype())?)
    }
}

/// A substitution: base `acgt` (an index into A,C,G,T) at `index` of the window.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Mutant {
    index: usize,
    acgt: usize,
}

/// All substitutions from `centre` outward, the right neighbour before the left; the reference entry of `deltas` becomes 0.
/// At `N` there is no reference and four alternatives.
fn mutants_outward(sequence: &[u8], centre: usize, deltas: &mut [[f32; 4]]) -> Vec<Mutant> {
    let mut mutants = Vec::with_capacity(3 * sequence.len());
    let mut push = |index: usize| {
        for acgt in 0..4 {
            if sequence[index] == BASES[acgt] {
                deltas[index][acgt] = 0.0;
            } else {
                mutants.push(Mutant { index, acgt });
            }
        }
    };
    let centre = centre.min(sequence.len().saturating_sub(1));
    for distance in 0..sequence.len() {
        if centre + distance < sequence.len() {
            push(centre + distance);
        }
        if distance > 0 && distance <= centre {
            push(centre - distance);
        }
    }
    mutants
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_substitution_once_from_the_centre_outward() {
        let mut deltas = vec![[f32::NAN; 4]; 5];
        let mutants = mutants_outward(b"ACNGT", 3, &mut deltas);
        assert_eq!(mutants.len(), 4 * 3 + 4);
        assert_eq!(mutants.iter().map(|m| m.index).collect::<Vec<_>>()[..9], [3, 3, 3, 4, 4, 4, 2, 2, 2]);
        assert_eq!(deltas[0][0], 0.0);
        assert!(deltas[2].iter().all(|d| d.is_nan()), "N has no reference base");
    }
}
