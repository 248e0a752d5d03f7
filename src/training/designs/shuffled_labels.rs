//! The control in which nothing can be learnt: every gene has another gene's expression (iSEGnet: R2 -0.020 and -0.002).

use super::{Design, Study};
use crate::training::TrainingError;

pub(super) const SHUFFLED_LABELS: Design =
    Design { name: "shuffled-labels", about: "labels as measured, and labels of other genes (iSEGnet)", run };

fn run(study: &mut Study<'_>) -> Result<(), TrainingError> {
    let (manifest, options, samples) = (study.manifest.clone(), study.options.clone(), study.samples.clone());
    let mut data = study.read(&manifest, &samples)?;
    let split = study.split(&data)?;
    study.trial("measured labels", &manifest, &options, &mut data, &split)?;
    study.first_baseline(&manifest, &data, &split)?;
    data.shuffle_labels(options.seed);
    study.trial("labels of other genes", &manifest, &options, &mut data, &split)?;
    Ok(())
}
