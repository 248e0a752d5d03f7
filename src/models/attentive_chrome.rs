//! AttentiveChrome (Singh et al. 2017): an LSTM with attention over the bins of each mark, then one over the marks.

use super::bin_counts::{marks_alone, marks_of, published};
use super::layers::{BiLstm, ContextAttention, Linear};
use super::weights::{Init, Weights};
use super::{ActivationMap, Architecture, Attention, Batch, Manifest, Model, ModelError, Output, Preset, Structure};
use candle_core::{D, DType, Tensor};

/// The entry of [`super::MODELS`].
pub const ATTENTIVE_CHROME: Architecture = Architecture {
    name: "attentive-chrome",
    about: "AttentiveChrome: hierarchical LSTM and attention over bins and histone marks (Singh et al. 2017)",
    build: |weights, manifest| Ok(Box::new(AttentiveChrome::new(weights, manifest)?)),
    output_bias: "fdiff1_1.bias",
    presets: &[Preset {
        name: "published",
        manifest: || published(ATTENTIVE_CHROME.name, &[("hidden", 32), ("mark_hidden", 16)]),
    }],
};

/// Every parameter starts between minus and plus this.
const INIT: Init = Init::Uniform(0.1);

/// A BiLSTM whose states are averaged by attention.
pub(crate) struct AttentiveLstm {
    pub(crate) lstm: BiLstm,
    pub(crate) attention: ContextAttention,
}

impl AttentiveLstm {
    fn new(weights: &Weights, inputs: usize, hidden: usize) -> Result<Self, ModelError> {
        let attention = ContextAttention::new(&weights.within("bin_attention"), 2 * hidden, INIT)?;
        Ok(Self { lstm: BiLstm::torch(&weights.within("rnn"), inputs, hidden, INIT)?, attention })
    }

    /// `[n, steps, inputs]` gives the mean `[n, 2 * hidden]` and its weights `[n, steps]`.
    fn forward(&self, x: &Tensor) -> candle_core::Result<(Tensor, Tensor)> {
        self.attention.forward(&self.lstm.forward(x)?)
    }
}

/// The network (version 2 of the authors' code). Parameters are named as in its state dict; the number of bins is in no weight.
pub struct AttentiveChrome {
    manifest: Manifest,
    dtype: DType,
    pub(crate) marks: Vec<AttentiveLstm>,
    pub(crate) over_marks: AttentiveLstm,
    pub(crate) head: Linear,
}

impl AttentiveChrome {
    /// Builds it from weights with the sizes of `manifest`.
    ///
    /// # Errors
    /// Where a size is absent or 0, a weight does not fit, or the input is not marks alone.
    pub fn new(weights: &Weights, manifest: Manifest) -> Result<Self, ModelError> {
        let (hidden, mark_hidden) = (manifest.size("hidden")?, manifest.size("mark_hidden")?);
        let marks = marks_alone(&manifest)?;
        let mark = |i| AttentiveLstm::new(&weights.within(&format!("rnn_hms.{i}")), 1, hidden);
        Ok(Self {
            marks: (0..marks).map(mark).collect::<Result<_, _>>()?,
            over_marks: AttentiveLstm::new(&weights.within("hm_level_rnn_1"), 2 * hidden, mark_hidden)?,
            head: Linear::with(&weights.within("fdiff1_1"), 2 * mark_hidden, 1, INIT, INIT)?,
            dtype: weights.dtype(),
            manifest,
        })
    }
}

impl Model for AttentiveChrome {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn dtype(&self) -> DType {
        self.dtype
    }

    fn structure(&self) -> Structure {
        Structure { has_linear_head: true, shortest: Some(1), ..Structure::default() }
    }

    /// Each mark adds its weight times what its state is worth to the logit.
    fn activation_map(&self, batch: &Batch) -> Result<Option<ActivationMap>, ModelError> {
        let x = marks_of(batch, &self.manifest, self.dtype)?;
        let mean = |(i, mark): (usize, &AttentiveLstm)| Ok(mark.forward(&x.narrow(2, i, 1)?)?.0);
        let means = self.marks.iter().enumerate().map(mean).collect::<candle_core::Result<Vec<_>>>()?;
        let states = self.over_marks.lstm.forward(&Tensor::stack(&means, 1)?)?;
        Ok(Some(ActivationMap::Marks(self.over_marks.attention.map(&states, &self.head.weight)?)))
    }

    fn forward(&self, batch: &Batch) -> Result<Output, ModelError> {
        let x = marks_of(batch, &self.manifest, self.dtype)?;
        let (mut means, mut alpha) = (Vec::new(), Vec::new());
        for (i, mark) in self.marks.iter().enumerate() {
            let (mean, weights) = mark.forward(&x.narrow(2, i, 1)?)?;
            means.push(mean);
            alpha.push(weights);
        }
        let (summary, beta) = self.over_marks.forward(&Tensor::stack(&means, 1)?)?;
        let score = self.head.forward(&summary)?.squeeze(D::Minus1)?;
        let alpha = Tensor::stack(&alpha, 1)?;
        Ok(Output { score, attention: Some(Attention::Hierarchical { alpha, beta }) })
    }
}
