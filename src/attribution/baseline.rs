//! Where a path begins: the reference inputs of integrated gradients, expected gradients and DeepLIFT.

use super::AttributionError;
use super::options::{Baseline, Options, Replacement, Views, unfit};
use super::shuffle::{dinucleotide_shuffle, draw};
use super::variants::{DNA, MARKS, Parts};
use crate::models::{Input, Model, N_INPUTS};
use crate::session::METHYLATION;
use rand::Rng;

/// The baselines of a setting, with inputs that do not move at their values; several for shuffles.
pub(super) fn baselines(model: &dyn Model, input: &Input, options: &Options) -> Result<Vec<Parts>, AttributionError> {
    let moving = views_of(input, options)?.of_parts();
    let parts = input.parts();
    let fixed = |mut baseline: Parts| {
        for i in 0..N_INPUTS {
            if !moving[i] {
                baseline[i].clone_from(&parts[i]);
            }
        }
        baseline
    };
    let zero = || parts.each_ref().map(|part| vec![0.0; part.len()]);
    Ok(match options.baseline {
        Baseline::Zero => vec![fixed(zero())],
        Baseline::Uniform => {
            let mut baseline = zero();
            baseline[DNA].fill(0.25);
            vec![fixed(baseline)]
        }
        Baseline::Mean => {
            let mut baseline = zero();
            baseline[DNA] = replaced(input, &parts[DNA], DNA, Replacement::Mean, &[]);
            baseline[MARKS] = replaced(input, &parts[MARKS], MARKS, Replacement::Mean, &options.mark_means);
            vec![fixed(baseline)]
        }
        Baseline::Methylated => {
            let spec = &model.manifest().input;
            let Some(channel) = spec.marks.iter().position(|m| METHYLATION.iter().any(|name| name.eq_ignore_ascii_case(m)))
            else {
                return Err(unfit(format!("no mark of the model is methylation ({})", METHYLATION.join(", "))));
            };
            let mut baseline = zero();
            let full = spec.value(channel, 1.0);
            baseline[MARKS].iter_mut().skip(channel).step_by(input.n_marks()).for_each(|v| *v = full);
            vec![fixed(baseline)]
        }
        Baseline::Shuffles => (0..options.samples.max(1)).map(|i| fixed(shuffled(input, options.seed, i))).collect(),
    })
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
