//! What more samples to learn from are worth (iSEGnet: R2 0.38 to 0.82 with replicates of a tissue).

use super::{Design, Study};
use crate::training::{Split, TrainingError};

pub(super) const REPLICATES: Design = Design {
    name: "replicates",
    about: "trained on one, two, ... of the samples named, judged in the last, which is never learnt from (iSEGnet)",
    run,
};

fn run(study: &mut Study<'_>) -> Result<(), TrainingError> {
    let Some((&last, others)) = study.samples.split_last().filter(|(_, others)| !others.is_empty()) else {
        return Err(TrainingError::Data("replicates: name two samples or more, the one to judge in last".to_owned()));
    };
    let (others, manifest, options) = (others.to_vec(), study.manifest.clone(), study.options.clone());
    for n in 1..=others.len() {
        let mut samples = others[..n].to_vec();
        samples.push(last);
        let mut data = study.read(&manifest, &samples)?;
        let split = study.split(&data)?;
        let of = |part: &[usize], is_last: bool| -> Vec<usize> {
            part.iter().copied().filter(|i| (data.examples[*i].sample == n) == is_last).collect()
        };
        let split = Split { train: of(&split.train, false), valid: of(&split.valid, false), test: of(&split.test, true) };
        study.trial(&format!("{n} samples"), &manifest, &options, &mut data, &split)?;
        if n == others.len() {
            study.first_baseline(&manifest, &data, &split)?;
        }
    }
    Ok(())
}
