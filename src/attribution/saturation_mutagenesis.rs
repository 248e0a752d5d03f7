//! Saturation mutagenesis: F with each base replaced by each other one, minus F; by the network's exact kernel where it has one.

use super::kernels::{Edit, evaluator};
use super::variants::Variants;
use super::{Attribution, AttributionError, Method, Options, Run};
use crate::genome::BASES;
use crate::models::{Input, Model};
use std::time::{Duration, Instant};

/// `D[p, a] = F(x with base p = a) - F(x)`; the reference base is exactly 0. Raw deltas are stored; views are made on display.
pub struct SaturationMutagenesis;

/// How often a partial result is handed on, after the first one.
const REPORT: Duration = Duration::from_millis(60);

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
        let evaluator = evaluator(model, input)?;
        let settings = format!("alternative minus reference{}", Variants::new(model, input).held());
        let mut result = Attribution::new(self.name(), settings, evaluator.score(), input, model);
        let mut deltas = vec![[f32::NAN; 4]; sequence.len()];
        let mutants = mutants_outward(sequence, options.centre.unwrap_or(sequence.len() / 2), &mut deltas);
        (result.sequence, result.total) = (Some(deltas), mutants.len());

        let mut reported: Option<Instant> = None;
        for chunk in mutants.chunks(evaluator.chunk()) {
            run.step()?;
            let edits: Vec<Edit> = chunk.iter().map(|mutant| mutant.edit(input)).collect();
            let scored = evaluator.deltas(&edits)?;
            if let Some(deltas) = &mut result.sequence {
                for (mutant, delta) in chunk.iter().zip(scored) {
                    deltas[mutant.index][mutant.acgt] = delta as f32;
                }
            }
            result.done += chunk.len();
            if reported.is_none_or(|at| at.elapsed() > REPORT) && result.done < result.total {
                run.partial(&result)?;
                reported = Some(Instant::now());
            }
        }
        Ok(result)
    }
}

/// A substitution: base `acgt` (an index into A,C,G,T) at `index` of the window.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Mutant {
    index: usize,
    acgt: usize,
}

impl Mutant {
    /// The base changes wherever the network reads it.
    fn edit(self, input: &Input) -> Edit {
        let copies = input.window.copies(self.index as u64);
        Edit { bases: copies.map(|index| (index as usize, BASES[self.acgt])).collect(), marks: Vec::new() }
    }
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
