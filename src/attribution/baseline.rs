//! Where a path begins: the reference inputs of integrated gradients, expected gradients and DeepLIFT.

use super::AttributionError;
use super::options::{Baseline, Options, Replacement, Views, unfit};
use super::shuffle::{dinucleotide_shuffle, draw};
use super::variants::{DNA, MARKS, Parts};
use crate::models::{Input, Model, N_INPUTS};
use crate::session::METHYLATION;
use rand::Rng;

/// The baselines of a setting, with inputs that do not move at their values; several for shuffles, each made when it is asked for.
pub(super) struct Baselines<'a> {
    input: &'a Input,
    parts: Parts,
    moving: [bool; N_INPUTS],
    seed: u64,
    /// The only one; `None` for shuffles.
    one: Option<Parts>,
    n: usize,
}

impl Baselines<'_> {
    /// How many there are, 1 or more.
    pub(super) fn len(&self) -> usize {
        self.n
    }

    /// The `i`th.
    pub(super) fn get(&self, i: usize) -> Parts {
        let mut baseline = self.one.clone().unwrap_or_else(|| shuffled(self.input, self.seed, i));
        for (i, moves) in self.moving.into_iter().enumerate() {
            if !moves {
                baseline[i].clone_from(&self.parts[i]);
            }
        }
        baseline
    }
}

/// The baselines that `options` ask for.
pub(super) fn baselines<'a>(model: &dyn Model, input: &'a Input, options: &Options) -> Result<Baselines<'a>, AttributionError> {
    let parts = input.parts();
    let mut zero = parts.each_ref().map(|part| vec![0.0; part.len()]);
    let one = match options.baseline {
        Baseline::Zero => Some(zero),
        Baseline::Uniform => {
            zero[DNA].fill(0.25);
            Some(zero)
        }
        Baseline::Mean => {
            zero[DNA] = replaced(input, &parts[DNA], DNA, Replacement::Mean, &[]);
            zero[MARKS] = replaced(input, &parts[MARKS], MARKS, Replacement::Mean, &options.mark_means);
            Some(zero)
        }
        Baseline::Methylated => {
            let spec = &model.manifest().input;
            let Some(channel) = spec.marks.iter().position(|m| METHYLATION.iter().any(|name| name.eq_ignore_ascii_case(m)))
            else {
                return Err(unfit(format!("no mark of the model is methylation ({})", METHYLATION.join(", "))));
            };
            let full = spec.value(channel, 1.0);
            zero[MARKS].iter_mut().skip(channel).step_by(input.n_marks()).for_each(|v| *v = full);
            Some(zero)
        }
        Baseline::Shuffles => None,
    };
    let n = if one.is_some() { 1 } else { options.samples.max(1) };
    Ok(Baselines { input, parts, moving: views_of(input, options)?.of_parts(), seed: options.seed, one, n })
}

/// The inputs that move: as asked, else all that the network reads.
///
/// # Errors
/// Where none of those asked for is read.
pub(super) fn views_of(input: &Input, options: &Options) -> Result<Views, AttributionError> {
    let asked = options.views.unwrap_or(Views::JOINT);
    let views = Views {
        dna: asked.dna && input.sequence.is_some(),
        marks: asked.marks && input.n_marks() > 0,
        tfs: asked.tfs && !input.expression.is_empty(),
    };
    match views.dna || views.marks || views.tfs {
        true => Ok(views),
        false => Err(unfit(format!("the network reads nothing of {asked}"))),
    }
}

/// The `i`th random window of a seed: the DNA's dinucleotides in another order, marks shifted round the window together,
/// transcription factors as they are.
pub(super) fn shuffled(input: &Input, seed: u64, i: usize) -> Parts {
    let mut random = draw(seed, i);
    let mut parts = input.parts();
    if let Some(sequence) = &input.sequence {
        let bases = dinucleotide_shuffle(sequence, &mut random);
        parts[DNA] = input.base_order().one_hot::<u8>(&bases).into_iter().map(f32::from).collect();
    }
    if input.n_marks() > 0 {
        let by = random.random_range(0..input.positions());
        parts[MARKS].rotate_left(by * input.n_marks());
    }
    parts
}

/// Values of a whole input as `to` makes them; `means` stand for the marks' means where there are any.
pub(super) fn replaced(input: &Input, values: &[f32], part: usize, to: Replacement, means: &[f32]) -> Vec<f32> {
    let channels = match part {
        DNA => 4,
        MARKS => input.n_marks().max(1),
        _ => 1,
    };
    match to {
        Replacement::Times(factor) => values.iter().map(|&v| (f64::from(v) * factor) as f32).collect(),
        Replacement::Uniform if part == DNA => vec![0.25; values.len()],
        Replacement::Zero | Replacement::Uniform if part == MARKS => {
            input.blank.iter().copied().cycle().take(values.len()).collect()
        }
        Replacement::Zero | Replacement::Uniform => vec![0.0; values.len()],
        Replacement::Mean => {
            let n = (values.len() / channels).max(1);
            let mean = |channel: usize| {
                let sum: f64 = values.iter().skip(channel).step_by(channels).map(|&v| f64::from(v)).sum();
                (sum / n as f64) as f32
            };
            let own: Vec<f32> = match part == MARKS && means.len() == channels {
                true => means.to_vec(),
                false => (0..channels).map(mean).collect(),
            };
            own.into_iter().cycle().take(values.len()).collect()
        }
    }
}
