//! LSTM-alpha (comparator of AttentiveChrome, Singh et al. 2017): an LSTM with attention over the bins of each mark, marks joined
//! without attention.

use super::bin_counts::{marks_alone, marks_of, published, scored};
use super::layers::{BiLstm, ContextAttention, Linear};
use super::weights::Init;
use super::{
    ActivationMap, Architecture, Attention, Batch, Dropout, Manifest, Model, ModelError, Output, Preset, Structure, Weights,
};
use candle_core::{D, DType, Tensor};

/// The entry of [`super::MODELS`].
pub const LSTM_ALPHA: Architecture = Architecture {
    name: "lstm-alpha",
    about: "LSTM-alpha: LSTM and attention over the bins of each mark, no attention over marks (comparator of Singh et al. 2017)",
    build: |weights, manifest| Ok(Box::new(LstmAlpha::new(weights, manifest)?)),
    output_bias: "fdiff1_1.bias",
    presets: &[Preset { name: "published", manifest: || published(LSTM_ALPHA.name, &[("hidden", 32)]) }],
};

/// The network: `rnn-hie-attention` in version 1 of the authors' code (one dense layer over the joined marks; the paper says two,
/// of no published size), with one logit for its two classes.
///
/// Parameters: `rnn_hms.{mark}.rnn` as a `torch.nn.LSTM`, `rnn_hms.{mark}.bin_attention.bin_context_vector`,
/// `fdiff1_1.{weight,bias}`. States are dropped out before the attention.
pub struct LstmAlpha {
    manifest: Manifest,
    dtype: DType,
    pub(crate) marks: Vec<(BiLstm, ContextAttention)>,
    pub(crate) head: Linear,
}

impl LstmAlpha {
    /// Builds it from weights with the sizes of `manifest`.
    ///
    /// # Errors
    /// Where a size is absent or 0, a weight does not fit, or the input is not marks alone.
    pub fn new(weights: &Weights, manifest: Manifest) -> Result<Self, ModelError> {
        let (hidden, marks) = (manifest.size("hidden")?, marks_alone(&manifest)?);
        let width = 2 * hidden;
        let mark = |i| {
            let of = weights.within(&format!("rnn_hms.{i}"));
            let lstm = BiLstm::torch_normal(&of.within("rnn"), 1, hidden)?;
            Ok::<_, ModelError>((lstm, ContextAttention::new(&of.within("bin_attention"), width, Init::torch(width))?))
        };
        Ok(Self {
            marks: (0..marks).map(mark).collect::<Result<_, _>>()?,
            head: Linear::torch(&weights.within("fdiff1_1"), marks * width, 1)?,
            dtype: weights.dtype(),
            manifest,
        })
    }

    fn run(&self, batch: &Batch, dropout: &mut Dropout) -> Result<Output, ModelError> {
        let x = marks_of(batch, &self.manifest, self.dtype)?;
        let (mut means, mut alpha) = (Vec::new(), Vec::new());
        for (i, (lstm, attention)) in self.marks.iter().enumerate() {
            let (mean, weights) = attention.forward(&dropout.apply(&lstm.forward(&x.narrow(2, i, 1)?)?)?)?;
            means.push(mean);
            alpha.push(weights);
        }
        let attention = Some(Attention::Marks(Tensor::stack(&alpha, 1)?));
        Ok(Output { attention, ..scored(&self.head, &Tensor::cat(&means, D::Minus1)?)? })
    }
}

impl Model for LstmAlpha {
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
        let x = marks_of(batch, &self.manifest, self.dtype)?;
        let width = self.head.weight.dim(1)? / self.marks.len();
        let map = |(i, (lstm, attention)): (usize, &(BiLstm, ContextAttention))| {
            attention.map(&lstm.forward(&x.narrow(2, i, 1)?)?, &self.head.weight.narrow(1, i * width, width)?)
        };
        let maps = self.marks.iter().enumerate().map(map).collect::<candle_core::Result<Vec<_>>>()?;
        Ok(Some(ActivationMap::MarkBins(Tensor::stack(&maps, 1)?)))
    }

    fn forward(&self, batch: &Batch) -> Result<Output, ModelError> {
        self.run(batch, &mut Dropout::new(0.0, 0))
    }

    fn forward_training(&self, batch: &Batch, dropout: &mut Dropout) -> Result<Output, ModelError> {
        self.run(batch, dropout)
    }
}
