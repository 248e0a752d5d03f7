//! Networks of binned marks: AttentiveChrome (version 2 of its authors' code), DeepChrome as a PyTorch module, and the
//! comparators. Their weights here are named and laid out as PyTorch's.

use super::{Importer, MarkCount};
use crate::models::ModelError;

const fn named_alike(
    architecture: &'static str,
    sizes: &'static [(&'static str, &'static str, usize)],
    marks: MarkCount,
) -> Importer {
    Importer { architecture, convert: |_| Ok::<(), ModelError>(()), sizes, marks, rest: |_, _, _| Ok(()) }
}

/// A line of [`super::IMPORTERS`].
pub(super) const ATTENTIVE_CHROME: Importer = named_alike(
    "attentive-chrome",
    &[("hidden", "rnn_hms.0.rnn.weight_hh_l0", 1), ("mark_hidden", "hm_level_rnn_1.rnn.weight_hh_l0", 1)],
    MarkCount::Groups("rnn_hms"),
);

/// A line of [`super::IMPORTERS`].
pub(super) const DEEPCHROME: Importer = named_alike(
    "deepchrome",
    &[("filters", "conv.weight", 0), ("kernel", "conv.weight", 2), ("dense1", "fc1.weight", 0), ("dense2", "fc2.weight", 0)],
    MarkCount::Axis("conv.weight", 1),
);

/// A line of [`super::IMPORTERS`].
pub(super) const LSTM: Importer =
    named_alike("lstm", &[("hidden", "rnn.weight_hh_l0", 1)], MarkCount::Axis("rnn.weight_ih_l0", 1));

/// A line of [`super::IMPORTERS`].
pub(super) const LSTM_ATTN: Importer =
    named_alike("lstm-attn", &[("hidden", "rnn.weight_hh_l0", 1)], MarkCount::Axis("rnn.weight_ih_l0", 1));

/// A line of [`super::IMPORTERS`].
pub(super) const LSTM_ALPHA: Importer =
    named_alike("lstm-alpha", &[("hidden", "rnn_hms.0.rnn.weight_hh_l0", 1)], MarkCount::Groups("rnn_hms"));

/// A line of [`super::IMPORTERS`].
pub(super) const CNN_ATTN: Importer =
    named_alike("cnn-attn", &[("filters", "conv.weight", 0), ("kernel", "conv.weight", 2)], MarkCount::Axis("conv.weight", 1));

/// A line of [`super::IMPORTERS`].
pub(super) const CNN_ALPHA_BETA: Importer = named_alike(
    "cnn-alpha-beta",
    &[
        ("filters", "cnn_hms.0.conv.weight", 0),
        ("kernel", "cnn_hms.0.conv.weight", 2),
        ("mark_filters", "hm_level_cnn.conv.weight", 0),
        ("mark_kernel", "hm_level_cnn.conv.weight", 2),
    ],
    MarkCount::Groups("cnn_hms"),
);

/// A line of [`super::IMPORTERS`].
pub(super) const LINEAR: Importer = named_alike("linear", &[], MarkCount::Axis("output.weight", 1));

/// A line of [`super::IMPORTERS`].
pub(super) const MLP: Importer =
    named_alike("mlp", &[("dense1", "fc1.weight", 0), ("dense2", "fc2.weight", 0)], MarkCount::AxisOfBins("fc1.weight", 1));
