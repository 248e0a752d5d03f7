//! DeepCAGE's Keras files: a single model, or one trained on several devices, whose weights stand in one group.

use super::keras::{exactly, is_keras, numbered};
use super::{Checkpoint, ImportOptions, Importer, MarkCount};
use crate::models::{Manifest, ModelError};

/// A line of [`super::IMPORTERS`].
pub(super) const DEEPCAGE: Importer = Importer {
    architecture: "deepcage",
    convert,
    sizes: &[
        ("filters", "conv1.weight", 0),
        ("kernel1", "conv1.weight", 1),
        ("kernel2", "conv2.weight", 1),
        ("growth", "block1.1.conv1.weight", 0),
        ("dense", "dense.weight", 0),
    ],
    marks: MarkCount::None,
    rest: name_factors,
};

/// Layers of a block and transcription factors show in how many parameters and inputs there are.
fn name_factors(manifest: &mut Manifest, checkpoint: &mut Checkpoint, options: &ImportOptions) -> Result<(), ModelError> {
    let layers = (1..).take_while(|b| checkpoint.tensors.contains_key(&format!("block1.{b}.conv1.weight"))).count();
    if layers > 0 {
        manifest.sizes.insert("layers".to_owned(), layers);
    }
    let size = |name: &str| manifest.size(name);
    let [filters, growth, pool] = [size("filters")?, size("growth")?, size("pool")?];
    let mut positions = manifest.window.length as usize;
    for kernel in [size("kernel1")?, size("kernel2")?, size("kernel2")?] {
        positions = (positions + 1).saturating_sub(kernel) / pool;
    }
    let from_sequence = positions * (filters + layers * growth);
    let inputs = checkpoint.tensors.get("dense.weight").and_then(|t| t.dims().get(1).copied());
    let Some(tfs) = inputs.and_then(|inputs| inputs.checked_sub(from_sequence)) else { return Ok(()) };
    manifest.input.tfs.names = match options.tfs.len() {
        0 => {
            let note =
                format!("{tfs} transcription factors are called TF1 to TF{tfs}: --tfs FILE names them, which a session needs");
            checkpoint.notes.push(note);
            (1..=tfs).map(|i| format!("TF{i}")).collect()
        }
        n if n == tfs => options.tfs.clone(),
        n => return Err(ModelError::Input(format!("the network reads {tfs} transcription factors, --tfs names {n}"))),
    };
    Ok(())
}

fn convert(checkpoint: &mut Checkpoint) -> Result<(), ModelError> {
    if !is_keras(checkpoint) {
        return Ok(());
    }
    let norms: [String; 4] = exactly("batch_normalization", numbered(checkpoint, "batch_normalization"))?;
    let [dense]: [String; 1] = exactly("dense", numbered(checkpoint, "dense"))?;
    for stage in 1..=3 {
        // An image of four rows of bases, or of one: the convolution runs along the columns.
        checkpoint.turn_conv(&format!("conv{stage}"), &format!("conv{stage}"), 1)?;
        checkpoint.turn_norm(&norms[stage - 1], &format!("norm{stage}"))?;
        for layer in 1.. {
            let of = format!("conv{stage}_{layer}_x");
            if !checkpoint.tensors.contains_key(&format!("{of}1/kernel")) {
                break;
            }
            for part in 1..=2 {
                checkpoint.turn_conv(&format!("{of}{part}"), &format!("block{stage}.{layer}.conv{part}"), 1)?;
                checkpoint.turn_norm(&format!("{of}{part}_bn"), &format!("block{stage}.{layer}.norm{part}"))?;
            }
        }
    }
    checkpoint.turn_dense(&dense, "dense")?;
    checkpoint.turn_norm(&norms[3], "dense_norm")?;
    checkpoint.turn_dense("output", "output")
}
