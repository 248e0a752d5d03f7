//! Layers as Keras 2 names and lays them out.

use super::Checkpoint;
use crate::models::ModelError;
use candle_core::{Result, Tensor};

/// A batch normalisation's numbers: ours, Keras'.
const NORM: [(&str, &str); 4] =
    [("weight", "gamma"), ("bias", "beta"), ("running_mean", "moving_mean"), ("running_var", "moving_variance")];

/// Whether weights are named as Keras does, `layer/weight`.
pub(super) fn is_keras(checkpoint: &Checkpoint) -> bool {
    checkpoint.tensors.keys().any(|name| name.ends_with("/kernel"))
}

/// The layers that Keras named itself (`conv2d`, `conv2d_1`, ...), in the order in which they were made. Only the order says which
/// is which: the numbers go on from whatever was built before in the same session.
pub(super) fn numbered(checkpoint: &Checkpoint, kind: &str) -> Vec<String> {
    let number = |layer: &str| match layer.strip_prefix(kind)? {
        "" => Some(0),
        rest => rest.strip_prefix('_')?.parse::<u64>().ok(),
    };
    let layers = checkpoint.tensors.keys().filter_map(|name| name.split_once('/'));
    let mut found: Vec<(u64, &str)> = layers.filter_map(|(layer, _)| Some((number(layer)?, layer))).collect();
    found.sort_unstable();
    found.dedup();
    found.into_iter().map(|(_, layer)| layer.to_owned()).collect()
}

impl Checkpoint {
    /// A dense layer: `[inputs, outputs]` becomes `[outputs, inputs]`.
    pub(super) fn turn_dense(&mut self, theirs: &str, ours: &str) -> std::result::Result<(), ModelError> {
        self.turn(&format!("{theirs}/kernel"), &format!("{ours}.weight"), Tensor::t)?;
        self.turn(&format!("{theirs}/bias"), &format!("{ours}.bias"), |t| Ok(t.clone()))
    }

    /// A convolution `[height, width, channels, filters]` that runs along one of the first two axes becomes
    /// `[filters, kernel, channels]`: what one position holds is ordered by the other axis, then by channel.
    pub(super) fn turn_conv(&mut self, theirs: &str, ours: &str, along: usize) -> std::result::Result<(), ModelError> {
        let turned = |t: &Tensor| -> Result<Tensor> { t.permute((3, along, 1 - along, 2))?.contiguous()?.flatten_from(2) };
        self.turn(&format!("{theirs}/kernel"), &format!("{ours}.weight"), turned)?;
        self.turn(&format!("{theirs}/bias"), &format!("{ours}.bias"), |t| Ok(t.clone()))
    }

    /// A batch normalisation.
    pub(super) fn turn_norm(&mut self, theirs: &str, ours: &str) -> std::result::Result<(), ModelError> {
        for (name, keras) in NORM {
            self.turn(&format!("{theirs}/{keras}"), &format!("{ours}.{name}"), |t| Ok(t.clone()))?;
        }
        Ok(())
    }
}

/// As many layers as a network has of a kind.
///
/// # Errors
/// Says how many there are, and which.
pub(super) fn exactly<const N: usize>(kind: &str, layers: Vec<String>) -> std::result::Result<[String; N], ModelError> {
    layers.try_into().map_err(|layers: Vec<String>| {
        let n = layers.len();
        ModelError::Input(format!("{N} layers named {kind}, {kind}_1, ... are expected, {n} found: {}", layers.join(", ")))
    })
}
