//! How much of the gene's surroundings a network needs (iSEGnet figure 2).

use super::{Design, Study};
use crate::models::Manifest;
use crate::training::TrainingError;

pub(super) const WINDOW_LENGTH: Design =
    Design { name: "window-length", about: "windows of several lengths around the TSS (iSEGnet)", run };

fn run(study: &mut Study<'_>) -> Result<(), TrainingError> {
    let options = study.options.clone();
    for (label, manifest) in windows(study) {
        let samples = study.samples.clone();
        let mut data = study.read(&manifest, &samples)?;
        let split = study.split(&data)?;
        study.trial(&label, &manifest, &options, &mut data, &split)?;
        let of = format!("least squares, {label}");
        let from = study.lines.len();
        study.first_baseline(&manifest, &data, &split)?;
        study.lines[from..].iter_mut().for_each(|line| line.label.clone_from(&of));
    }
    Ok(())
}

/// The study's network with each window length: those asked for, or an eighth, a quarter, half and all of its own, each a whole number
/// of bins.
pub(super) fn windows(study: &Study<'_>) -> Vec<(String, Manifest)> {
    let own = study.manifest.window.length;
    let lengths = match study.lengths.is_empty() {
        true => [8, 4, 2, 1].map(|part| own / part).to_vec(),
        false => study.lengths.clone(),
    };
    let of = |length: u64| {
        let mut manifest = study.manifest.clone();
        let bin = manifest.input.bin_size.max(1);
        let length = (length / bin * bin).max(bin);
        manifest.set_window_length(length);
        (format!("{length} bp"), manifest)
    };
    lengths.into_iter().map(of).collect()
}
