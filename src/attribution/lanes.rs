//! An attribution as values at equal parts of its window, a lane an input: what is drawn and compared.

use super::{Attribution, MutagenesisView};
use crate::genome::Window;
use crate::models::Manifest;

/// What is read base by base is summed in blocks of this many bases: DeepCORE's pooling bin.
pub const BLOCK: usize = 50;

/// Label of the lane of bases.
pub const DNA: &str = "DNA";

/// Methods that change the input: where the window reads a base twice, in both places at once.
const EDITS_BOTH_COPIES: [&str; 7] =
    ["saturation-mutagenesis", "occlusion", "deletion", "insertion", "motif-insertion", "marginalisation", "epistasis"];

/// What a base is worth, of values at the indices of a window. One that is read twice has two gradients, and is worth their sum; an
/// edit changes it in both places at once, and both have its value.
pub fn worth_of_bases(values: Vec<f32>, method: &str, window: &Window) -> Vec<f32> {
    if EDITS_BOTH_COPIES.contains(&method) { values } else { window.sum_copies(values) }
}

/// Label and values of each lane of a method's result: DNA where it is explained, what lies along the window without being of one
/// input (no label), and the marks. NaN where not computed (yet).
pub fn lanes(attribution: &Attribution, method: &str, manifest: &Manifest, window: &Window) -> Vec<(String, Vec<f32>)> {
    let k = manifest.input.marks.len();
    let at_bases = |values: Vec<f32>| if manifest.input.bin_size == 1 { worth_of_bases(values, method, window) } else { values };
    let mut lanes: Vec<(String, Vec<f32>)> = Vec::new();
    if let Some(sequence) = &attribution.sequence {
        let reference = attribution.reference.as_deref().unwrap_or_default();
        let per_base = MutagenesisView::of_method(method).values(sequence, reference);
        lanes.push((DNA.to_owned(), sums(&at_bases(per_base), BLOCK)));
    }
    if let Some(profile) = &attribution.profile {
        lanes.push((String::new(), profile.clone()));
    }
    if let Some(marks) = &attribution.marks {
        for (channel, mark) in manifest.input.marks.iter().enumerate() {
            let values: Vec<f32> = marks.chunks_exact(k.max(1)).map(|row| row[channel]).collect();
            let block = if manifest.input.bin_size == 1 { BLOCK } else { 1 };
            lanes.push((mark.clone(), sums(&at_bases(values), block)));
        }
    }
    lanes
}

/// Sums of `block` neighbours; NaN where any is not computed yet.
pub fn sums(values: &[f32], block: usize) -> Vec<f32> {
    values.chunks(block).map(|chunk| chunk.iter().map(|&v| f64::from(v)).sum::<f64>() as f32).collect()
}
