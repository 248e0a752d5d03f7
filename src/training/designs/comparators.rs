//! Networks and baselines side by side on the same genes (AttentiveChrome table 1, iSEGnet figure 2).

use super::{Design, Study};
use crate::training::{BASELINES, TrainingError};

pub(super) const COMPARATORS: Design = Design {
    name: "comparators",
    about: "the network, others (--architectures) and every baseline on the same genes (AttentiveChrome, iSEGnet)",
    run,
};

fn run(study: &mut Study<'_>) -> Result<(), TrainingError> {
    let first = (study.manifest.clone(), study.options.clone());
    let networks: Vec<_> = std::iter::once(first).chain(std::mem::take(&mut study.others)).collect();
    for (i, (manifest, options)) in networks.iter().enumerate() {
        let samples = study.samples.clone();
        let mut data = study.read(manifest, &samples)?;
        let split = study.split(&data)?;
        study.trial(&manifest.name, manifest, options, &mut data, &split)?;
        if i == 0 && !manifest.input.marks.is_empty() {
            for baseline in BASELINES {
                study.baseline(baseline, manifest, &data, &split)?;
            }
        }
    }
    Ok(())
}
