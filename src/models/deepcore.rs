//! DeepCORE (Chandrashekar et al. 2024): sequence and marks through convolution and BiLSTM, sparse attention over bins, linear head.

use super::layers::{BiLstm, Linear, Pool, conv_relu_max_pool, sparsemax};
use super::weights::{Init, Weights};
use super::{
    ActivationMap, Architecture, Attention, Batch, BinStatistic, Dropout, InputSpec, Manifest, Model, ModelError, Orientation,
    Output, OutputKind, OutputSpec, Preset, Structure, Transform, WindowSpec,
};
use crate::genome::BaseOrder;
use crate::tracks::SignalUnit;
use candle_core::{D, DType, Tensor};

/// The entry of [`super::MODELS`].
pub const DEEPCORE: Architecture = Architecture {
    name: "deepcore",
    about: "DeepCORE: CNN, BiLSTM and sparse attention over DNA and histone marks at base resolution (Chandrashekar et al. 2024)",
    build: |weights, manifest| Ok(Box::new(DeepCore::new(weights, manifest)?)),
    output_bias: "output.bias",
    presets: &[
        Preset { name: "paper", manifest: || preset(25, 100) },
        Preset { name: "code", manifest: || preset(20, 32) },
        Preset { name: "without-bilstm", manifest: without_bilstm },
    ],
};

/// Marks in the order of the published input.
const MARKS: [&str; 5] = ["H3K4me1", "H3K4me3", "H3K9me3", "H3K27me3", "H3K27ac"];

fn preset(attention: usize, dense: usize) -> Manifest {
    let sizes = [
        ("filters", 50),
        ("kernel", 50),
        ("pool", 50),
        ("hidden", 15),
        ("attention", attention),
        ("decoder", 32),
        ("dense", dense),
    ];
    Manifest {
        architecture: DEEPCORE.name.to_owned(),
        name: DEEPCORE.name.to_owned(),
        source: String::new(),
        assembly: None,
        samples: Vec::new(),
        orientation: Orientation::Gene,
        window: WindowSpec { length: 10_000, tss_index: 5_000, tts: None },
        input: InputSpec {
            sequence: Some(BaseOrder::AGCT),
            marks: MARKS.map(str::to_owned).to_vec(),
            signal: SignalUnit::Count,
            bin_size: 1,
            bin_statistic: BinStatistic::Mean,
            transform: Transform::None,
            scale: Vec::new(),
            missing: 0.0,
            truncate: false,
            of_mark: Default::default(),
            tfs: Default::default(),
        },
        output: OutputSpec {
            kind: OutputKind::Regression,
            unit: "ln(TPM+0.01)".to_owned(),
            pseudocount: 0.01,
            threshold: None,
            signal: None,
        },
        sizes: sizes.map(|(name, size)| (name.to_owned(), size)).into(),
        metrics: Default::default(),
        hash: String::new(),
        external: None,
    }
}

fn without_bilstm() -> Manifest {
    let mut manifest = preset(25, 100);
    manifest.sizes.insert("bilstm".to_owned(), 0);
    manifest
}

/// One of the two inputs: convolution with pooling, then (but in the ablation) a BiLSTM over bins.
pub(crate) struct View {
    /// `[filters, kernel, channels]`.
    pub(crate) weight: Tensor,
    /// `[filters]`.
    pub(crate) bias: Tensor,
    pub(crate) pool: usize,
    pub(crate) lstm: Option<BiLstm>,
}

impl View {
    fn new(weights: &Weights, manifest: &Manifest, channels: usize) -> Result<Self, ModelError> {
        let [filters, kernel, pool, hidden] =
            [manifest.size("filters")?, manifest.size("kernel")?, manifest.size("pool")?, manifest.size("hidden")?];
        let conv = weights.within("conv");
        // Glorot's fans of a convolution count its receptive field.
        let init = Init::glorot(kernel * channels, kernel * filters);
        Ok(Self {
            weight: conv.get("weight", &[filters, kernel, channels], init)?,
            bias: conv.get("bias", &[filters], Init::Constant(0.0))?,
            pool,
            lstm: match has_bilstm(manifest) {
                true => Some(BiLstm::new(&weights.within("lstm"), filters, hidden)?),
                false => None,
            },
        })
    }

    /// `[n, length, channels]` gives `[n, bins, 2 * hidden]`, or `[n, bins, filters]` without the BiLSTM.
    fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        let positions = (x.dim(1)? + 1).saturating_sub(self.weight.dim(1)?);
        let pooled = conv_relu_max_pool(x, &self.weight, &self.bias, Pool::same(self.pool, positions))?;
        self.states(&pooled)
    }

    fn states(&self, pooled: &Tensor) -> candle_core::Result<Tensor> {
        self.lstm.as_ref().map_or_else(|| Ok(pooled.clone()), |lstm| lstm.forward(pooled))
    }
}

/// `sizes.bilstm = 0` leaves the BiLSTM out: an ablation of the paper. Attention then weighs the pooled convolutions themselves.
fn has_bilstm(manifest: &Manifest) -> bool {
    manifest.sizes.get("bilstm") != Some(&0)
}

/// The network. Without marks, or without sequence, in its manifest it has one view (the ablations of the paper).
///
/// Parameters: `{sequence,marks}.conv.{weight,bias}`, `{sequence,marks}.lstm.{weight_ih,weight_hh,bias}[_reverse]`,
/// `attention.{hidden,score}.{weight,bias}`, `decoder`, `dense` and `output` with `.{weight,bias}`. The published head has no activation.
pub struct DeepCore {
    manifest: Manifest,
    dtype: DType,
    pub(crate) sequence: Option<View>,
    pub(crate) marks: Option<View>,
    pub(crate) attention: [Linear; 2],
    pub(crate) head: [Linear; 3],
}

impl DeepCore {
    /// Builds it from weights with the sizes of `manifest`.
    ///
    /// # Errors
    /// Where a size is absent or 0, a weight does not fit, or the input is not at base resolution.
    pub fn new(weights: &Weights, manifest: Manifest) -> Result<Self, ModelError> {
        let [hidden, attention, decoder, dense] =
            [manifest.size("hidden")?, manifest.size("attention")?, manifest.size("decoder")?, manifest.size("dense")?];
        let input = &manifest.input;
        if input.bin_size != 1 {
            return Err(ModelError::Manifest(format!("bin_size {}: deepcore reads marks at base resolution", input.bin_size)));
        }
        let view = |name: &str, channels: usize| match channels {
            0 => Ok(None),
            _ => View::new(&weights.within(name), &manifest, channels).map(Some),
        };
        let sequence = view("sequence", if input.sequence.is_some() { 4 } else { 0 })?;
        let marks = view("marks", input.marks.len())?;
        let per_view = if has_bilstm(&manifest) { 2 * hidden } else { manifest.size("filters")? };
        let states = per_view * (usize::from(sequence.is_some()) + usize::from(marks.is_some()));
        if states == 0 {
            return Err(ModelError::Manifest("deepcore reads sequence, marks or both; the input names neither".to_owned()));
        }
        let of = weights.within("attention");
        Ok(Self {
            sequence,
            marks,
            attention: [Linear::new(&of.within("hidden"), states, attention)?, Linear::new(&of.within("score"), attention, 1)?],
            head: [
                Linear::new(&weights.within("decoder"), states, decoder)?,
                Linear::new(&weights.within("dense"), decoder, dense)?,
                Linear::new(&weights.within("output"), dense, 1)?,
            ],
            dtype: weights.dtype(),
            manifest,
        })
    }

    /// Whether bins pass through the BiLSTM.
    pub(crate) fn has_bilstm(&self) -> bool {
        has_bilstm(&self.manifest)
    }

    /// States of the bins that attention weighs, `[n, bins, states]`: sequence forward, sequence reverse, marks forward, marks reverse.
    pub fn encode(&self, batch: &Batch) -> Result<Tensor, ModelError> {
        let (sequence, marks) = (batch.sequence_for(&self.manifest.input)?, batch.marks_for(&self.manifest.input)?);
        let mut states = Vec::new();
        for (view, input) in [(&self.sequence, sequence), (&self.marks, marks)] {
            if let (Some(view), Some(input)) = (view, input) {
                states.push(view.forward(&input.to_dtype(self.dtype)?)?);
            }
        }
        Ok(Tensor::cat(&states, D::Minus1)?)
    }

    fn run(&self, batch: &Batch, dropout: &mut Dropout) -> Result<Output, ModelError> {
        self.score_states(&self.encode(batch)?, dropout)
    }

    /// F `[n]` of pooled convolutions `[n, bins, filters]` of sequence and marks, those views that it has: everything behind the
    /// first layer of each.
    pub(crate) fn score_pooled(&self, pooled: [Option<&Tensor>; 2]) -> Result<Tensor, ModelError> {
        let mut states = Vec::new();
        for (view, pooled) in [&self.sequence, &self.marks].into_iter().zip(pooled) {
            if let (Some(view), Some(pooled)) = (view, pooled) {
                states.push(view.states(pooled)?);
            }
        }
        Ok(self.score_states(&Tensor::cat(&states, D::Minus1)?, &mut Dropout::new(0.0, 0))?.score)
    }

    /// The attention over bins, `[n, bins]`.
    fn attend(&self, states: &Tensor) -> candle_core::Result<Tensor> {
        sparsemax(&self.unprojected(states)?)
    }

    /// What sparsemax makes the attention of.
    fn unprojected(&self, states: &Tensor) -> candle_core::Result<Tensor> {
        let [hidden, score] = &self.attention;
        score.forward(&hidden.forward(states)?.tanh()?)?.squeeze(D::Minus1)
    }

    fn score_states(&self, states: &Tensor, dropout: &mut Dropout) -> Result<Output, ModelError> {
        let states = dropout.apply(states)?;
        let weights = self.attend(&states)?;
        let context = states.broadcast_mul(&weights.unsqueeze(D::Minus1)?)?.sum(1)?;
        let [decoder, dense, output] = &self.head;
        let out = output.forward(&dense.forward(&dropout.apply(&decoder.forward(&context)?)?)?)?;
        Ok(Output { score: out.squeeze(D::Minus1)?, attention: Some(Attention::Bins(weights)) })
    }
}

impl Model for DeepCore {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn dtype(&self) -> DType {
        self.dtype
    }

    fn forward(&self, batch: &Batch) -> Result<Output, ModelError> {
        self.run(batch, &mut Dropout::new(0.0, 0))
    }

    fn forward_training(&self, batch: &Batch, dropout: &mut Dropout) -> Result<Output, ModelError> {
        self.run(batch, dropout)
    }

    fn structure(&self) -> Structure {
        let kernel = self.manifest.size("kernel").ok();
        Structure { has_relu: true, is_feed_forward: false, has_linear_head: true, shortest: kernel }
    }

    fn attention_scores(&self, batch: &Batch) -> Result<Option<Tensor>, ModelError> {
        Ok(Some(self.unprojected(&self.encode(batch)?)?))
    }

    /// The head has no activation: each bin adds its attention times what its states are worth to F.
    fn activation_map(&self, batch: &Batch) -> Result<Option<ActivationMap>, ModelError> {
        let states = self.encode(batch)?;
        let [decoder, dense, output] = &self.head;
        let worth = output.weight.matmul(&dense.weight)?.matmul(&decoder.weight)?;
        let (n, bins, width) = states.dims3()?;
        let worth = states.reshape((n * bins, width))?.matmul(&worth.t()?)?.reshape((n, bins))?;
        Ok(Some(ActivationMap::Bins((worth * self.attend(&states)?)?)))
    }

    /// Half the squares of the last two layers' weights and of the attention, as the authors' code sums them.
    fn penalty(&self, output: &Output) -> Result<Option<Tensor>, ModelError> {
        let mut sum = (self.head[1].weight.sqr()?.sum_all()? + self.head[2].weight.sqr()?.sum_all()?)?;
        if let Some(Attention::Bins(weights)) = &output.attention {
            sum = (sum + weights.sqr()?.sum_all()?)?;
        }
        Ok(Some((sum * 0.5)?))
    }
}
