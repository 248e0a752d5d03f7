//! LSTM without attention (comparator of AttentiveChrome, Singh et al. 2017): both directions' last states.

use super::bin_counts::{marks_alone, marks_of, published, scored};
use super::layers::{BiLstm, Linear};
use super::{Architecture, Batch, Dropout, Manifest, Model, ModelError, Output, Preset, Structure, Weights};
use candle_core::{D, DType, Tensor};

/// The entry of [`super::MODELS`].
pub const LSTM: Architecture = Architecture {
    name: "lstm",
    about: "LSTM: bidirectional LSTM over bins of all marks, no attention (comparator of Singh et al. 2017)",
    build: |weights, manifest| Ok(Box::new(Lstm::new(weights, manifest)?)),
    output_bias: "fdiff1_1.bias",
    presets: &[Preset { name: "published", manifest: || published(LSTM.name, &[("hidden", 32)]) }],
};

/// The network: `rnn` in version 1 of the authors' code, with one logit for its two classes.
///
/// Parameters: `rnn` as a `torch.nn.LSTM`, `fdiff1_1.{weight,bias}`. The state is dropped out before the head.
pub struct Lstm {
    manifest: Manifest,
    dtype: DType,
    hidden: usize,
    pub(crate) lstm: BiLstm,
    pub(crate) head: Linear,
}

impl Lstm {
    /// Builds it from weights with the sizes of `manifest`.
    ///
    /// # Errors
    /// Where a size is absent or 0, a weight does not fit, or the input is not marks alone.
    pub fn new(weights: &Weights, manifest: Manifest) -> Result<Self, ModelError> {
        let (hidden, marks) = (manifest.size("hidden")?, marks_alone(&manifest)?);
        Ok(Self {
            lstm: BiLstm::torch_normal(&weights.within("rnn"), marks, hidden)?,
            head: Linear::torch(&weights.within("fdiff1_1"), 2 * hidden, 1)?,
            hidden,
            dtype: weights.dtype(),
            manifest,
        })
    }

    fn run(&self, batch: &Batch, dropout: &mut Dropout) -> Result<Output, ModelError> {
        let states = self.lstm.forward(&marks_of(batch, &self.manifest, self.dtype)?)?;
        // Each direction's own last: the reverse one ends at the first bin.
        let forward = states.narrow(1, states.dim(1)? - 1, 1)?.narrow(2, 0, self.hidden)?;
        let reverse = states.narrow(1, 0, 1)?.narrow(2, self.hidden, self.hidden)?;
        let last = Tensor::cat(&[forward, reverse], D::Minus1)?.squeeze(1)?;
        scored(&self.head, &dropout.apply(&last)?)
    }
}

impl Model for Lstm {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn dtype(&self) -> DType {
        self.dtype
    }

    fn structure(&self) -> Structure {
        Structure { shortest: Some(1), ..Structure::default() }
    }

    fn forward(&self, batch: &Batch) -> Result<Output, ModelError> {
        self.run(batch, &mut Dropout::new(0.0, 0))
    }

    fn forward_training(&self, batch: &Batch, dropout: &mut Dropout) -> Result<Output, ModelError> {
        self.run(batch, dropout)
    }
}
