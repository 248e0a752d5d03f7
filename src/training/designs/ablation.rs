//! Which inputs a network needs: each view and each mark alone (DeepCORE table 2, iSEGnet figure 3).

use super::{Design, Study};
use crate::training::TrainingError;

pub(super) const ABLATION: Design =
    Design { name: "ablation", about: "all inputs, each view alone, each mark alone (DeepCORE, iSEGnet)", run };

fn run(study: &mut Study<'_>) -> Result<(), TrainingError> {
    let all = study.manifest.clone();
    let mut conditions = vec![("all".to_owned(), all.clone())];
    if all.input.sequence.is_some() && !all.input.marks.is_empty() {
        let (mut sequence, mut marks) = (all.clone(), all.clone());
        sequence.input.marks.clear();
        sequence.input.scale.clear();
        marks.input.sequence = None;
        conditions.extend([("sequence alone".to_owned(), sequence), ("marks alone".to_owned(), marks)]);
    }
    for mark in &all.input.marks {
        let mut alone = all.clone();
        alone.input.sequence = None;
        alone.input.scale.clear();
        alone.input.marks.retain(|m| m == mark);
        conditions.push((format!("{mark} alone"), alone));
    }
    let options = study.options.clone();
    for (i, (label, manifest)) in conditions.iter().enumerate() {
        let samples = study.samples.clone();
        let mut data = study.read(manifest, &samples)?;
        let split = study.split(&data)?;
        study.trial(label, manifest, &options, &mut data, &split)?;
        if i == 0 {
            study.first_baseline(manifest, &data, &split)?;
        }
    }
    Ok(())
}
