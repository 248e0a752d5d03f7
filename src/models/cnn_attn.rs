//! CNN-Attn (comparator of AttentiveChrome, Singh et al. 2017): DeepChrome's convolution without pooling, one attention over bins.

use super::bin_counts::{marks_alone, marks_of, published, scored};
use super::layers::{ContextAttention, Conv1d, Linear};
use super::weights::Init;
use super::{
    ActivationMap, Architecture, Attention, Batch, Dropout, Manifest, Model, ModelError, Output, Preset, Structure, Weights,
};
use candle_core::DType;

/// The entry of [`super::MODELS`].
pub const CNN_ATTN: Architecture = Architecture {
    name: "cnn-attn",
    about: "CNN-Attn: DeepChrome's convolution without pooling, one attention over bins (comparator of Singh et al. 2017)",
    build: |weights, manifest| Ok(Box::new(CnnAttn::new(weights, manifest)?)),
    output_bias: "fdiff1_1.bias",
    presets: &[Preset { name: "published", manifest: || published(CNN_ATTN.name, &[("filters", 50), ("kernel", 10)]) }],
};

/// The network. Neither its code nor its sizes are published: here DeepChrome's 50 filters of 10 bins, zeros beyond the ends so
/// that every bin has a state and a weight, and one logit as in AttentiveChrome.
///
/// Parameters: `conv` as a `torch.nn.Conv1d`, `bin_attention.bin_context_vector`, `fdiff1_1.{weight,bias}`. The mean is dropped
/// out before the head, where DeepChrome drops out.
pub struct CnnAttn {
    manifest: Manifest,
    dtype: DType,
    pub(crate) conv: Conv1d,
    pub(crate) attention: ContextAttention,
    pub(crate) head: Linear,
}

impl CnnAttn {
    /// Builds it from weights with the sizes of `manifest`.
    ///
    /// # Errors
    /// Where a size is absent or 0, a weight does not fit, or the input is not marks alone.
    pub fn new(weights: &Weights, manifest: Manifest) -> Result<Self, ModelError> {
        let (filters, kernel) = (manifest.size("filters")?, manifest.size("kernel")?);
        Ok(Self {
            conv: Conv1d::torch(&weights.within("conv"), marks_alone(&manifest)?, filters, kernel)?,
            attention: ContextAttention::new(&weights.within("bin_attention"), filters, Init::torch(filters))?,
            head: Linear::torch(&weights.within("fdiff1_1"), filters, 1)?,
            dtype: weights.dtype(),
            manifest,
        })
    }

    fn run(&self, batch: &Batch, dropout: &mut Dropout) -> Result<Output, ModelError> {
        let states = self.conv.same(&marks_of(batch, &self.manifest, self.dtype)?)?;
        let (mean, weights) = self.attention.forward(&states)?;
        Ok(Output { attention: Some(Attention::Bins(weights)), ..scored(&self.head, &dropout.apply(&mean)?)? })
    }
}

impl Model for CnnAttn {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn dtype(&self) -> DType {
        self.dtype
    }

    fn structure(&self) -> Structure {
        Structure { has_relu: true, has_linear_head: true, ..Structure::default() }
    }

    fn activation_map(&self, batch: &Batch) -> Result<Option<ActivationMap>, ModelError> {
        let states = self.conv.same(&marks_of(batch, &self.manifest, self.dtype)?)?;
        Ok(Some(ActivationMap::Bins(self.attention.map(&states, &self.head.weight)?)))
    }

    fn forward(&self, batch: &Batch) -> Result<Output, ModelError> {
        self.run(batch, &mut Dropout::new(0.0, 0))
    }

    fn forward_training(&self, batch: &Batch, dropout: &mut Dropout) -> Result<Output, ModelError> {
        self.run(batch, dropout)
    }
}
