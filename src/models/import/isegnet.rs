//! iSEGnet's Keras files.

use super::keras::{exactly, is_keras, numbered};
use super::{Checkpoint, Importer, MarkCount};
use crate::models::ModelError;

/// A line of [`super::IMPORTERS`].
pub(super) const ISEGNET: Importer = Importer {
    architecture: "isegnet",
    convert,
    sizes: &[
        ("filters", "marks.conv1.weight", 0),
        ("kernel", "marks.conv1.weight", 1),
        ("merged_filters", "merged.conv1.weight", 0),
        ("merged_filters2", "merged.conv2.weight", 0),
        ("dense1", "dense1.weight", 0),
        ("dense2", "dense2.weight", 0),
        ("dense3", "dense3.weight", 0),
    ],
    marks: MarkCount::Axis("marks.conv1.weight", 2),
    rest: |_, _, _| Ok(()),
};

/// Layers in the order in which the authors' script makes them: marks, sequence, both; then the dense ones.
const CONVS: [(&str, &str); 6] = [
    ("marks.conv1", "marks.norm1"),
    ("marks.conv2", "marks.norm2"),
    ("sequence.conv1", "sequence.norm1"),
    ("sequence.conv2", "sequence.norm2"),
    ("merged.conv1", "merged.norm1"),
    ("merged.conv2", "merged.norm2"),
];

fn convert(checkpoint: &mut Checkpoint) -> Result<(), ModelError> {
    if !is_keras(checkpoint) {
        return Ok(());
    }
    let mut convs: [String; 6] = exactly("conv2d", numbered(checkpoint, "conv2d"))?;
    let norms: [String; 9] = exactly("batch_normalization", numbered(checkpoint, "batch_normalization"))?;
    let dense: [String; 4] = exactly("dense", numbered(checkpoint, "dense"))?;
    // Which view is DNA shows in the width of its first kernel; a script may have made it first.
    let width = |layer: &str| checkpoint.tensors.get(&format!("{layer}/kernel")).and_then(|t| t.dims().get(1).copied());
    let swapped = width(&convs[0]) == Some(4) && width(&convs[2]).is_some_and(|n| n != 4);
    let mut norms = norms;
    if swapped {
        for (i, j) in [(0, 2), (1, 3)] {
            convs.swap(i, j);
            norms.swap(i, j);
        }
        checkpoint.notes.push("the first two convolutions read DNA: views taken in the other order".to_owned());
    }
    for (i, (conv, norm)) in CONVS.into_iter().enumerate() {
        checkpoint.turn_conv(&convs[i], conv, 0)?;
        checkpoint.turn_norm(&norms[i], norm)?;
    }
    for i in 0..3 {
        checkpoint.turn_dense(&dense[i], &format!("dense{}", i + 1))?;
        checkpoint.turn_norm(&norms[6 + i], &format!("dense{}_norm", i + 1))?;
    }
    checkpoint.turn_dense(&dense[3], "output")
}
