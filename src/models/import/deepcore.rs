//! DeepCORE's TensorFlow checkpoints (models named as in the authors' code).

use super::{Checkpoint, Importer, MarkCount};
use crate::models::ModelError;
use candle_core::{Result, Tensor};

/// A line of [`super::IMPORTERS`].
pub(super) const DEEPCORE: Importer = Importer {
    architecture: "deepcore",
    convert,
    sizes: &[
        ("filters", "sequence.conv.weight", 0),
        ("kernel", "sequence.conv.weight", 1),
        ("hidden", "sequence.lstm.weight_hh", 1),
        ("attention", "attention.hidden.weight", 0),
        ("decoder", "decoder.weight", 0),
        ("dense", "dense.weight", 0),
    ],
    marks: MarkCount::Axis("marks.conv.weight", 2),
    rest: |_, _, _| Ok(()),
};

/// Weight and bias of dense layers: ours, then theirs. The attention over both views is the one that reaches the output.
const DENSE: [(&str, &str, &str); 5] = [
    ("attention.hidden", "Attention/attn_values_wt_2", "Attention/attn_values_bias_2"),
    ("attention.score", "Attention/attn_v_wt_2", "Attention/attn_v_bias_2"),
    ("decoder", "Decoder/dec_out_wt", "Decoder/dec_out_bias"),
    ("dense", "fc-layer-0/fc-0_wt", "fc-layer-0/fc-0_bias"),
    ("output", "output/out_wt", "output/out_b"),
];

fn convert(checkpoint: &mut Checkpoint) -> std::result::Result<(), ModelError> {
    if !checkpoint.tensors.keys().any(|name| name.starts_with("output/")) {
        return Ok(()); // not TensorFlow's names
    }
    let names = |of: fn(&str) -> bool| -> Vec<String> { checkpoint.tensors.keys().filter(|name| of(name)).cloned().collect() };
    let (state, unused) = (names(is_training_state), names(is_unused_attention));
    checkpoint.tensors.retain(|name, _| !is_training_state(name) && !is_unused_attention(name));
    if !unused.is_empty() {
        let note = format!("skipped {}: attentions of a single view, which reach no output", unused.join(", "));
        checkpoint.notes.push(note);
    }
    if !state.is_empty() {
        checkpoint.notes.push(format!("skipped {} variables of the optimiser", state.len()));
    }
    for (ours, theirs) in [("sequence", "seq"), ("marks", "epi")] {
        // [kernel, channels, 1, filters]
        checkpoint.turn(&format!("conv-layer-0/{theirs}-conv-0_wt"), &format!("{ours}.conv.weight"), |t| {
            t.squeeze(2)?.permute((2, 0, 1))
        })?;
        checkpoint.turn(&format!("conv-layer-0/{theirs}-conv-0_bias"), &format!("{ours}.conv.bias"), |t| Ok(t.clone()))?;
        for (direction, end) in [("fw", ""), ("bw", "_reverse")] {
            let cell = format!("{theirs}_enclstm/{direction}/multi_rnn_cell/cell_0/basic_lstm_cell");
            let (bias, kernel) = (format!("{cell}/bias"), format!("{cell}/kernel"));
            checkpoint.turn(&bias, &format!("{ours}.lstm.bias{end}"), |t| {
                // TensorFlow adds 1 to the forget gates as it runs.
                let [i, f, g, o] = gates(t)?;
                Tensor::cat(&[i, (f + 1.0)?, g, o], 0)
            })?;
            checkpoint.turn(&kernel, &format!("{ours}.lstm.weight_ih{end}"), |t| {
                let [i, f, g, o] = gates(t)?;
                Tensor::cat(&[i, f, g, o], 1)?.t()
            })?;
            // Rows of the kernel: the input's, then the state's.
            let whole = format!("{ours}.lstm.weight_ih{end}");
            if let Some(both) = checkpoint.tensors.remove(&whole) {
                let hidden = both.dim(0)? / 4;
                let inputs = both.dim(1)?.saturating_sub(hidden);
                checkpoint.tensors.insert(whole, both.narrow(1, 0, inputs)?);
                checkpoint.tensors.insert(format!("{ours}.lstm.weight_hh{end}"), both.narrow(1, inputs, hidden)?);
            }
        }
    }
    for (ours, weight, bias) in DENSE {
        checkpoint.turn(weight, &format!("{ours}.weight"), Tensor::t)?;
        checkpoint.turn(bias, &format!("{ours}.bias"), |t| Ok(t.clone()))?;
    }
    Ok(())
}

fn is_training_state(name: &str) -> bool {
    name.starts_with("optimize/") || name.ends_with("_power") || name.ends_with("global_step")
}

/// The first two of three attentions: of the sequence, of the marks.
fn is_unused_attention(name: &str) -> bool {
    name.starts_with("Attention/") && !name.ends_with("_2")
}

/// TensorFlow's order of gates is input, candidate, forget, output.
fn gates(t: &Tensor) -> Result<[Tensor; 4]> {
    let axis = t.rank() - 1;
    let hidden = t.dim(axis)? / 4;
    let gate = |i: usize| t.narrow(axis, i * hidden, hidden);
    Ok([gate(0)?, gate(2)?, gate(1)?, gate(3)?])
}
