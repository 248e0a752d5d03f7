//! iSEGnet (Zhang et al.): sequence and epigenetic tracks around a gene's start and end, each through two convolutions, then convolved
//! together.

use super::layers::{Linear, Normed, average_pool, window_by_window};
use super::weights::Weights;
use super::{
    Architecture, Batch, BinStatistic, Dropout, InputSpec, Manifest, Model, ModelError, Orientation, Output, OutputKind,
    OutputSpec, Preset, Structure, Transform, TtsSpec, WindowSpec, probability,
};
use crate::genome::BaseOrder;
use crate::tracks::SignalUnit;
use candle_core::{D, DType, Tensor};

/// The entry of [`super::MODELS`].
pub const ISEGNET: Architecture = Architecture {
    name: "isegnet",
    about: "iSEGnet: CNN over DNA and epigenetic tracks around the TSS and the TTS (Zhang et al. 2022)",
    build: |weights, manifest| Ok(Box::new(Isegnet::new(weights, manifest)?)),
    output_bias: "output.bias",
    presets: &[
        Preset { name: "paper", manifest: || preset(64, 256, OutputKind::Regression) },
        Preset { name: "tutorial", manifest: || preset(32, 256, OutputKind::Regression) },
        Preset { name: "binary", manifest: || preset(64, 256, OutputKind::Binary) },
        // For a thousand genes.
        Preset { name: "small", manifest: || preset(16, 64, OutputKind::Regression) },
    ],
};

/// Tracks in the order of the published input.
const TRACKS: [&str; 7] = ["DNase", "H3K4me1", "H3K4me3", "H3K9me3", "H3K27me3", "H3K36me3", "WGBS"];
/// Keras' default for batch normalisation.
const EPSILON: f64 = 1e-3;

/// `filters`: of the first convolution; the second has twice as many.
fn preset(filters: usize, dense: usize, kind: OutputKind) -> Manifest {
    let sizes = [
        ("filters", filters),
        ("kernel", 20),
        ("pool", 5),
        // As the authors' code has it; the paper says twice the second convolution's.
        ("merged_filters", 126),
        ("merged_filters2", 64),
        ("dense1", dense),
        ("dense2", 64),
        ("dense3", 16),
    ];
    let output = match kind {
        OutputKind::Regression => {
            OutputSpec { kind, unit: "ln(TPM+1)".to_owned(), pseudocount: 1.0, threshold: None, signal: None }
        }
        OutputKind::Binary => OutputSpec { kind, unit: "high".to_owned(), pseudocount: 0.0, threshold: None, signal: None },
    };
    Manifest {
        architecture: ISEGNET.name.to_owned(),
        name: ISEGNET.name.to_owned(),
        source: String::new(),
        assembly: None,
        samples: Vec::new(),
        orientation: Orientation::Gene,
        // TSS[-1000, +500) and TTS[-500, +500).
        window: WindowSpec { length: 2_500, tss_index: 1_000, tts: Some(TtsSpec { length: 1_000, index: 500 }) },
        input: InputSpec {
            sequence: Some(BaseOrder::ACGT),
            marks: TRACKS.map(str::to_owned).to_vec(),
            signal: SignalUnit::NegLog10P,
            bin_size: 1,
            bin_statistic: BinStatistic::Mean,
            transform: Transform::None,
            scale: Vec::new(),
            missing: 0.0,
            truncate: false,
            of_mark: Default::default(),
            tfs: Default::default(),
        },
        output,
        sizes: sizes.map(|(name, size)| (name.to_owned(), size)).into(),
        metrics: Default::default(),
        hash: String::new(),
        external: None,
    }
}

/// One of the two inputs through its convolutions.
pub(crate) struct View {
    pub(crate) convs: [Normed; 2],
    pub(crate) pool: usize,
}

/// How a layer runs: with its running statistics, or with the batch's and dropout.
type Run<'a> = Option<&'a mut Dropout>;

fn apply(layer: &Normed, x: &Tensor, run: &mut Run<'_>) -> candle_core::Result<Tensor> {
    match run {
        None => layer.forward(x),
        Some(dropout) => dropout.apply(&layer.forward_training(x)?),
    }
}

impl View {
    /// Padding of both convolutions as published for a kernel of 20: all of it (10 and 9), then half (5 and 4).
    fn new(weights: &Weights, manifest: &Manifest, channels: usize) -> Result<Self, ModelError> {
        let [filters, kernel, pool] = [manifest.size("filters")?, manifest.size("kernel")?, manifest.size("pool")?];
        let conv = |name: &str, shape, padding, has_bias| {
            let norm = weights.within(&name.replace("conv", "norm"));
            Normed::conv(&weights.within(name), &norm, shape, padding, has_bias, EPSILON)
        };
        let (all, half) = ([kernel / 2, kernel - 1 - kernel / 2], [kernel / 4, (kernel / 2).saturating_sub(1 + kernel / 4)]);
        let convs =
            [conv("conv1", [filters, kernel, channels], all, false)?, conv("conv2", [2 * filters, kernel, filters], half, true)?];
        Ok(Self { convs, pool })
    }

    /// `[n, length, channels]` gives `[n, positions, 2 * filters]`.
    fn forward(&self, x: &Tensor, run: &mut Run<'_>) -> candle_core::Result<Tensor> {
        let x = apply(&self.convs[0], x, run)?;
        average_pool(&apply(&self.convs[1], &x, run)?, self.pool)
    }

    /// Positions after the pool for `length` bases.
    fn positions(length: usize, kernel: usize, pool: usize) -> usize {
        let half = kernel / 4 + (kernel / 2).saturating_sub(1 + kernel / 4);
        (length + half + 1).saturating_sub(kernel) / pool
    }
}

/// The network. Without marks, or without sequence, in its manifest it has one view. F is the value before the last ReLU (of the
/// binary version the logit); the published output is what that ReLU leaves.
///
/// Parameters: `{marks,sequence}.conv1.weight` (no bias), `{marks,sequence}.conv2.{weight,bias}`, `merged.{conv1,conv2}.{weight,bias}`,
/// `dense{1,2,3}.{weight,bias}`, `output.{weight,bias}`, and for each but the last the normalisation
/// `{marks,sequence,merged}.{norm1,norm2}` and `dense{1,2,3}_norm` with `.{weight,bias,running_mean,running_var}` (Keras' gamma, beta,
/// moving mean and variance). Convolutions are `[filters, kernel, channels]`, dense layers `[outputs, inputs]`; the channels of
/// `merged.conv1` are those of the marks, then those of the sequence (Keras' kernel `[2, 2, channels, filters]` is by position, then
/// by view); the pooled maps are flattened position by position.
pub struct Isegnet {
    manifest: Manifest,
    dtype: DType,
    pub(crate) marks: Option<View>,
    pub(crate) sequence: Option<View>,
    pub(crate) merged: [Normed; 2],
    pub(crate) pool: usize,
    pub(crate) dense: [Normed; 3],
    pub(crate) output: Linear,
}

impl Isegnet {
    /// Builds it from weights with the sizes of `manifest`.
    ///
    /// # Errors
    /// Where a size is absent or 0, a weight does not fit, the input is not at base resolution, or the window is too short.
    pub fn new(weights: &Weights, manifest: Manifest) -> Result<Self, ModelError> {
        let [filters, kernel, pool] = [manifest.size("filters")?, manifest.size("kernel")?, manifest.size("pool")?];
        let [first, second] = [manifest.size("merged_filters")?, manifest.size("merged_filters2")?];
        let dense = [manifest.size("dense1")?, manifest.size("dense2")?, manifest.size("dense3")?];
        let input = &manifest.input;
        if input.bin_size != 1 {
            return Err(ModelError::Manifest(format!("bin_size {}: isegnet reads tracks at base resolution", input.bin_size)));
        }
        if kernel < 4 {
            return Err(ModelError::Manifest(format!("sizes.kernel = {kernel}: isegnet's padding needs at least 4")));
        }
        let view = |name: &str, channels: usize| match channels {
            0 => Ok(None),
            _ => View::new(&weights.within(name), &manifest, channels).map(Some),
        };
        let marks = view("marks", input.marks.len())?;
        let sequence = view("sequence", if input.sequence.is_some() { 4 } else { 0 })?;
        let channels = 2 * filters * (usize::from(marks.is_some()) + usize::from(sequence.is_some()));
        if channels == 0 {
            return Err(ModelError::Manifest("isegnet reads sequence, marks or both; the input names neither".to_owned()));
        }
        let positions = View::positions(manifest.window.length as usize, kernel, pool) / pool;
        if positions == 0 {
            let length = manifest.window.length;
            return Err(ModelError::Manifest(format!(
                "window.length = {length}: too short for kernels of {kernel} and pools of {pool}"
            )));
        }
        let of = weights.within("merged");
        let conv = |name: &str, norm: &str, shape, left| {
            Normed::conv(&of.within(name), &of.within(norm), shape, [left, 0], true, EPSILON)
        };
        let layer = |i: usize, inputs: usize, outputs: usize| {
            let (layer, norm) = (weights.within(&format!("dense{i}")), weights.within(&format!("dense{i}_norm")));
            Normed::dense(&layer, &norm, inputs, outputs, EPSILON)
        };
        Ok(Self {
            merged: [conv("conv1", "norm1", [first, 2, channels], 1)?, conv("conv2", "norm2", [second, 1, first], 0)?],
            dense: [layer(1, positions * second, dense[0])?, layer(2, dense[0], dense[1])?, layer(3, dense[1], dense[2])?],
            output: Linear::new(&weights.within("output"), dense[2], 1)?,
            marks,
            sequence,
            pool,
            dtype: weights.dtype(),
            manifest,
        })
    }

    fn run(&self, batch: &Batch, mut run: Run<'_>) -> Result<Output, ModelError> {
        let input = &self.manifest.input;
        let mut views = Vec::new();
        for (view, x) in [(&self.marks, batch.marks_for(input)?), (&self.sequence, batch.sequence_for(input)?)] {
            let (Some(view), Some(x)) = (view, x) else { continue };
            let (found, length) = (x.dim(1)? as u64, self.manifest.window.length);
            if found != length {
                return Err(ModelError::Input(format!("{found} positions, where isegnet's dense layer was made for {length}")));
            }
            views.push((view, x.to_dtype(self.dtype)?));
        }
        let (views, inputs): (Vec<_>, Vec<_>) = views.into_iter().unzip();
        let map = |inputs: &[Tensor], run: &mut Run<'_>| {
            let each = views.iter().zip(inputs).map(|(view, x)| view.forward(x, run));
            self.merge(&each.collect::<candle_core::Result<Vec<_>>>()?, run)
        };
        let map = match run {
            None => window_by_window(&inputs, |inputs| map(inputs, &mut None))?,
            Some(_) => map(&inputs, &mut run)?,
        };
        Ok(Output { score: self.score_map(map, &mut run)?, attention: None })
    }

    /// F from the pooled maps of the views, marks before sequence.
    pub(crate) fn score_pooled(&self, views: &[Tensor]) -> Result<Tensor, ModelError> {
        self.score_map(self.merge(views, &mut None)?, &mut None)
    }

    /// The convolutions over the maps of both views, pooled, as a row for the dense layers.
    fn merge(&self, views: &[Tensor], run: &mut Run<'_>) -> candle_core::Result<Tensor> {
        let x = Tensor::cat(views, D::Minus1)?;
        let x = apply(&self.merged[1], &apply(&self.merged[0], &x, run)?, run)?;
        average_pool(&x, self.pool)?.flatten_from(1)?.unsqueeze(1)
    }

    fn score_map(&self, mut x: Tensor, run: &mut Run<'_>) -> Result<Tensor, ModelError> {
        let [first, second, third] = &self.dense;
        for layer in [first, second] {
            x = apply(layer, &x, run)?;
        }
        // No dropout after the last.
        let x = if run.is_some() { third.forward_training(&x)? } else { third.forward(&x)? };
        Ok(self.output.forward(&x.squeeze(1)?)?.squeeze(D::Minus1)?)
    }
}

impl Model for Isegnet {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn dtype(&self) -> DType {
        self.dtype
    }

    fn structure(&self) -> Structure {
        Structure { has_relu: true, is_feed_forward: true, ..Structure::default() }
    }

    fn forward(&self, batch: &Batch) -> Result<Output, ModelError> {
        self.run(batch, None)
    }

    fn forward_training(&self, batch: &Batch, dropout: &mut Dropout) -> Result<Output, ModelError> {
        self.run(batch, Some(dropout))
    }

    /// What the last ReLU leaves, or the probability of "high".
    fn published_output(&self, score: f64) -> Vec<f64> {
        match self.manifest.output.kind {
            OutputKind::Regression => vec![score.max(0.0)],
            OutputKind::Binary => vec![probability(score)],
        }
    }
}
