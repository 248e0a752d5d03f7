//! CNN-alpha,beta (comparator of AttentiveChrome, Singh et al. 2017): convolutions where AttentiveChrome has LSTMs.

use super::bin_counts::{marks_alone, marks_of, published, scored};
use super::layers::{ContextAttention, Conv1d, Linear};
use super::weights::Init;
use super::{
    ActivationMap, Architecture, Attention, Batch, Dropout, Manifest, Model, ModelError, Output, Preset, Structure, Weights,
};
use candle_core::{DType, Tensor};

/// The entry of [`super::MODELS`].
pub const CNN_ALPHA_BETA: Architecture = Architecture {
    name: "cnn-alpha-beta",
    about: "CNN-alpha,beta: convolution and attention over the bins of each mark, then over the marks (comparator of Singh et al. 2017)",
    build: |weights, manifest| Ok(Box::new(CnnAlphaBeta::new(weights, manifest)?)),
    output_bias: "fdiff1_1.bias",
    presets: &[Preset {
        name: "published",
        manifest: || {
            let sizes = [("filters", 50), ("kernel", 10), ("mark_filters", 32), ("mark_kernel", 5)];
            published(CNN_ALPHA_BETA.name, &sizes)
        },
    }],
};

/// A convolution whose states are averaged by attention.
pub(crate) struct AttentiveConv {
    pub(crate) conv: Conv1d,
    pub(crate) attention: ContextAttention,
}

impl AttentiveConv {
    fn new(weights: &Weights, channels: usize, filters: usize, kernel: usize) -> Result<Self, ModelError> {
        let attention = ContextAttention::new(&weights.within("bin_attention"), filters, Init::torch(filters))?;
        Ok(Self { conv: Conv1d::torch(&weights.within("conv"), channels, filters, kernel)?, attention })
    }

    /// `[n, steps, channels]` gives the mean `[n, filters]` and its weights `[n, steps]`.
    fn forward(&self, x: &Tensor) -> candle_core::Result<(Tensor, Tensor)> {
        self.attention.forward(&self.conv.same(x)?)
    }
}

/// The network. Neither its code nor its sizes are published: here DeepChrome's convolution without pooling (50 filters of 10
/// bins) on each mark, zeros beyond the ends so that every bin has a weight; over the marks 32 filters (the width of
/// AttentiveChrome's states there) of 5 marks; one logit.
///
/// Parameters: `cnn_hms.{mark}` and `hm_level_cnn`, each with `conv` as a `torch.nn.Conv1d` and
/// `bin_attention.bin_context_vector`; `fdiff1_1.{weight,bias}`. The mean is dropped out before the head.
pub struct CnnAlphaBeta {
    manifest: Manifest,
    dtype: DType,
    pub(crate) marks: Vec<AttentiveConv>,
    pub(crate) over_marks: AttentiveConv,
    pub(crate) head: Linear,
}

impl CnnAlphaBeta {
    /// Builds it from weights with the sizes of `manifest`.
    ///
    /// # Errors
    /// Where a size is absent or 0, a weight does not fit, or the input is not marks alone.
    pub fn new(weights: &Weights, manifest: Manifest) -> Result<Self, ModelError> {
        let (filters, kernel) = (manifest.size("filters")?, manifest.size("kernel")?);
        let (mark_filters, mark_kernel) = (manifest.size("mark_filters")?, manifest.size("mark_kernel")?);
        let mark = |i| AttentiveConv::new(&weights.within(&format!("cnn_hms.{i}")), 1, filters, kernel);
        Ok(Self {
            marks: (0..marks_alone(&manifest)?).map(mark).collect::<Result<_, _>>()?,
            over_marks: AttentiveConv::new(&weights.within("hm_level_cnn"), filters, mark_filters, mark_kernel)?,
            head: Linear::torch(&weights.within("fdiff1_1"), mark_filters, 1)?,
            dtype: weights.dtype(),
            manifest,
        })
    }

    fn run(&self, batch: &Batch, dropout: &mut Dropout) -> Result<Output, ModelError> {
        let x = marks_of(batch, &self.manifest, self.dtype)?;
        let (mut means, mut alpha) = (Vec::new(), Vec::new());
        for (i, mark) in self.marks.iter().enumerate() {
            let (mean, weights) = mark.forward(&x.narrow(2, i, 1)?)?;
            means.push(mean);
            alpha.push(weights);
        }
        let (summary, beta) = self.over_marks.forward(&Tensor::stack(&means, 1)?)?;
        let attention = Some(Attention::Hierarchical { alpha: Tensor::stack(&alpha, 1)?, beta });
        Ok(Output { attention, ..scored(&self.head, &dropout.apply(&summary)?)? })
    }
}

impl Model for CnnAlphaBeta {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn dtype(&self) -> DType {
        self.dtype
    }

    fn structure(&self) -> Structure {
        Structure { has_relu: true, has_linear_head: true, ..Structure::default() }
    }

    /// Each mark adds its weight times what its state is worth to the logit.
    fn activation_map(&self, batch: &Batch) -> Result<Option<ActivationMap>, ModelError> {
        let x = marks_of(batch, &self.manifest, self.dtype)?;
        let mean = |(i, mark): (usize, &AttentiveConv)| Ok(mark.forward(&x.narrow(2, i, 1)?)?.0);
        let means = self.marks.iter().enumerate().map(mean).collect::<candle_core::Result<Vec<_>>>()?;
        let states = self.over_marks.conv.same(&Tensor::stack(&means, 1)?)?;
        Ok(Some(ActivationMap::Marks(self.over_marks.attention.map(&states, &self.head.weight)?)))
    }

    fn forward(&self, batch: &Batch) -> Result<Output, ModelError> {
        self.run(batch, &mut Dropout::new(0.0, 0))
    }

    fn forward_training(&self, batch: &Batch, dropout: &mut Dropout) -> Result<Output, ModelError> {
        self.run(batch, dropout)
    }
}
