//! LSTM-Attn (comparator of AttentiveChrome, Singh et al. 2017): one attention over bins, marks read together.

use super::bin_counts::{marks_alone, marks_of, published, scored};
use super::layers::{BiLstm, ContextAttention, Linear};
use super::weights::Init;
use super::{
    ActivationMap, Architecture, Attention, Batch, Dropout, Manifest, Model, ModelError, Output, Preset, Structure, Weights,
};
use candle_core::DType;

/// The entry of [`super::MODELS`].
pub const LSTM_ATTN: Architecture = Architecture {
    name: "lstm-attn",
    about: "LSTM-Attn: bidirectional LSTM over bins of all marks, one attention over bins (comparator of Singh et al. 2017)",
    build: |weights, manifest| Ok(Box::new(LstmAttn::new(weights, manifest)?)),
    output_bias: "fdiff1_1.bias",
    presets: &[Preset { name: "published", manifest: || published(LSTM_ATTN.name, &[("hidden", 32)]) }],
};

/// The network: `rnn-attention` in version 1 of the authors' code, whose head does not fit its input as published
/// (`Linear(1, 2)` after 64 numbers); here it is the one logit of version 2.
///
/// Parameters: `rnn` as a `torch.nn.LSTM`, `bin_attention.bin_context_vector`, `fdiff1_1.{weight,bias}`. States are dropped out
/// before the attention.
pub struct LstmAttn {
    manifest: Manifest,
    dtype: DType,
    pub(crate) lstm: BiLstm,
    pub(crate) attention: ContextAttention,
    pub(crate) head: Linear,
}

impl LstmAttn {
    /// Builds it from weights with the sizes of `manifest`.
    ///
    /// # Errors
    /// Where a size is absent or 0, a weight does not fit, or the input is not marks alone.
    pub fn new(weights: &Weights, manifest: Manifest) -> Result<Self, ModelError> {
        let (hidden, marks) = (manifest.size("hidden")?, marks_alone(&manifest)?);
        let width = 2 * hidden;
        Ok(Self {
            lstm: BiLstm::torch_normal(&weights.within("rnn"), marks, hidden)?,
            attention: ContextAttention::new(&weights.within("bin_attention"), width, Init::torch(width))?,
            head: Linear::torch(&weights.within("fdiff1_1"), width, 1)?,
            dtype: weights.dtype(),
            manifest,
        })
    }

    fn run(&self, batch: &Batch, dropout: &mut Dropout) -> Result<Output, ModelError> {
        let states = self.lstm.forward(&marks_of(batch, &self.manifest, self.dtype)?)?;
        let (mean, weights) = self.attention.forward(&dropout.apply(&states)?)?;
        Ok(Output { attention: Some(Attention::Bins(weights)), ..scored(&self.head, &mean)? })
    }
}

impl Model for LstmAttn {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn dtype(&self) -> DType {
        self.dtype
    }

    fn structure(&self) -> Structure {
        Structure { has_linear_head: true, shortest: Some(1), ..Structure::default() }
    }

    fn activation_map(&self, batch: &Batch) -> Result<Option<ActivationMap>, ModelError> {
        let states = self.lstm.forward(&marks_of(batch, &self.manifest, self.dtype)?)?;
        Ok(Some(ActivationMap::Bins(self.attention.map(&states, &self.head.weight)?)))
    }

    fn forward(&self, batch: &Batch) -> Result<Output, ModelError> {
        self.run(batch, &mut Dropout::new(0.0, 0))
    }

    fn forward_training(&self, batch: &Batch, dropout: &mut Dropout) -> Result<Output, ModelError> {
        self.run(batch, dropout)
    }
}
