//! AttentiveChrome (Singh et al. 2017): an LSTM with attention over the bins of each mark, then one over the marks.

use super::layers::BiLstm;
use super::weights::{Init, Weights};
use super::{
    ActivationMap, Architecture, Attention, Batch, BinStatistic, InputSpec, Manifest, Model, ModelError, Orientation, Output, OutputKind,
    OutputSpec, Preset, Structure, Transform, WindowSpec,
};
use crate::tracks::SignalUnit;
use candle_core::{D, DType, Tensor};
use candle_nn::ops::softmax;

/// The entry of [`super::MODELS`].
pub const ATTENTIVE_CHROME: Architecture = Architecture {
    name: "attentive-chrome",
    about: "AttentiveChrome: hierarchical LSTM and attention over bins and histone marks (Singh et al. 2017)",
    build: |weights, manifest| Ok(Box::new(AttentiveChrome::new(weights, manifest)?)),
    output_bias: "fdiff1_1.bias",
    presets: &[Preset { name: "published", manifest: published }],
};

/// Marks in the order of the published data.
const MARKS: [&str; 5] = ["H3K27me3", "H3K36me3", "H3K4me1", "H3K4me3", "H3K9me3"];
/// Every parameter starts between minus and plus this.
const INIT: Init = Init::Uniform(0.1);

fn published() -> Manifest {
    Manifest {
        architecture: ATTENTIVE_CHROME.name.to_owned(),
        name: ATTENTIVE_CHROME.name.to_owned(),
        source: String::new(),
        assembly: None,
        samples: Vec::new(),
        orientation: Orientation::Genome,
        window: WindowSpec { length: 10_000, tss_index: 5_000, tts: None },
        input: InputSpec {
            sequence: None,
            marks: MARKS.map(str::to_owned).to_vec(),
            signal: SignalUnit::Count,
            bin_size: 100,
            bin_statistic: BinStatistic::Sum,
            transform: Transform::None,
            scale: Vec::new(),
            missing: 0.0,
            truncate: false,
            tfs: Default::default(),
        },
        output: OutputSpec { kind: OutputKind::Binary, unit: "high".to_owned(), pseudocount: 0.0, threshold: None },
        sizes: [("hidden", 32), ("mark_hidden", 16)].map(|(name, size)| (name.to_owned(), size)).into(),
        metrics: Default::default(),
        hash: String::new(),
    }
}

/// A BiLSTM whose states are averaged with weights `softmax(states . context)`.
struct AttentiveLstm {
    lstm: BiLstm,
    /// `[2 * hidden, 1]`.
    context: Tensor,
}

impl AttentiveLstm {
    fn new(weights: &Weights, inputs: usize, hidden: usize) -> Result<Self, ModelError> {
        let context = weights.within("bin_attention").get("bin_context_vector", &[2 * hidden, 1], INIT)?;
        Ok(Self { lstm: BiLstm::torch(&weights.within("rnn"), inputs, hidden, INIT)?, context })
    }

    /// `[n, steps, inputs]` gives the mean `[n, 2 * hidden]` and its weights `[n, steps]`.
    fn forward(&self, x: &Tensor) -> candle_core::Result<(Tensor, Tensor)> {
        let states = self.lstm.forward(x)?;
        let (n, steps, width) = states.dims3()?;
        let scores = states.reshape((n * steps, width))?.matmul(&self.context)?.reshape((n, steps))?;
        // Not `softmax_last_dim`: it drops the gradient without a word.
        let weights = softmax(&scores, D::Minus1)?;
        let mean = states.broadcast_mul(&weights.unsqueeze(D::Minus1)?)?.sum(1)?;
        Ok((mean, weights))
    }
}

/// The network (version 2 of the authors' code). Parameters are named as in its state dict; the number of bins is in no weight.
pub struct AttentiveChrome {
    manifest: Manifest,
    dtype: DType,
    marks: Vec<AttentiveLstm>,
    over_marks: AttentiveLstm,
    weight: Tensor,
    bias: Tensor,
}

impl AttentiveChrome {
    /// Builds it from weights with the sizes of `manifest`.
    ///
    /// # Errors
    /// Where a size is absent or 0, a weight does not fit, or the input is not marks alone.
    pub fn new(weights: &Weights, manifest: Manifest) -> Result<Self, ModelError> {
        let (hidden, mark_hidden) = (manifest.size("hidden")?, manifest.size("mark_hidden")?);
        if manifest.input.sequence.is_some() || manifest.input.marks.is_empty() {
            return Err(reads_marks());
        }
        let mark = |i| AttentiveLstm::new(&weights.within(&format!("rnn_hms.{i}")), 1, hidden);
        let head = weights.within("fdiff1_1");
        Ok(Self {
            marks: (0..manifest.input.marks.len()).map(mark).collect::<Result<_, _>>()?,
            over_marks: AttentiveLstm::new(&weights.within("hm_level_rnn_1"), 2 * hidden, mark_hidden)?,
            weight: head.get("weight", &[1, 2 * mark_hidden], INIT)?,
            bias: head.get("bias", &[1], INIT)?,
            dtype: weights.dtype(),
            manifest,
        })
    }
}

fn reads_marks() -> ModelError {
    ModelError::Manifest("attentive-chrome reads marks and no sequence".to_owned())
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
        let Some(x) = batch.marks_for(&self.manifest.input)? else { return Err(reads_marks()) };
        let x = x.to_dtype(self.dtype)?;
        let means: Vec<Tensor> = (self.marks.iter().enumerate())
            .map(|(i, mark)| Ok(mark.forward(&x.narrow(2, i, 1)?)?.0))
            .collect::<candle_core::Result<_>>()?;
        let states = self.over_marks.lstm.forward(&Tensor::stack(&means, 1)?)?;
        let (n, k, width) = states.dims3()?;
        let (_, beta) = self.over_marks.forward(&Tensor::stack(&means, 1)?)?;
        let worth = states.reshape((n * k, width))?.matmul(&self.weight.t()?)?.reshape((n, k))?;
        Ok(Some(ActivationMap::Marks((worth * beta)?)))
    }

    fn forward(&self, batch: &Batch) -> Result<Output, ModelError> {
        let Some(x) = batch.marks_for(&self.manifest.input)? else { return Err(reads_marks()) };
        let x = x.to_dtype(self.dtype)?;
        let (mut means, mut alpha) = (Vec::new(), Vec::new());
        for (i, mark) in self.marks.iter().enumerate() {
            let (mean, weights) = mark.forward(&x.narrow(2, i, 1)?)?;
            means.push(mean);
            alpha.push(weights);
        }
        let (summary, beta) = self.over_marks.forward(&Tensor::stack(&means, 1)?)?;
        let score = summary.matmul(&self.weight.t()?)?.broadcast_add(&self.bias)?.squeeze(D::Minus1)?;
        let alpha = Tensor::stack(&alpha, 1)?;
        Ok(Output { score, attention: Some(Attention::Hierarchical { alpha, beta }) })
    }
}
