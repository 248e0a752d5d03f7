//! DeepCAGE (Liu et al. 2020): chromatin accessibility of a 1,000-bp sequence in a cell type, from densely connected convolutions and
//! the expression and motif scores of transcription factors.

use super::layers::{BatchNorm, ConvOptions, ConvWeights, Linear, Normed, max_pool, window_by_window};
use super::weights::{Init, Weights};
use super::{
    Architecture, Batch, BinStatistic, Dropout, InputSpec, Manifest, Model, ModelError, Orientation, Output, OutputKind,
    OutputSpec, Preset, SignalTarget, Structure, TfSpec, Transform, WindowSpec,
};
use crate::genome::BaseOrder;
use crate::tracks::SignalUnit;
use candle_core::{D, DType, Tensor};
use std::collections::BTreeMap;

/// The entry of [`super::MODELS`].
pub const DEEPCAGE: Architecture = Architecture {
    name: "deepcage",
    about: "DeepCAGE: densely connected CNN over DNA with expression and motif scores of TFs (Liu et al. 2020)",
    build: |weights, manifest| Ok(Box::new(DeepCage::new(weights, manifest)?)),
    output_bias: "output.bias",
    presets: &[
        Preset { name: "paper", manifest: || preset(402, [160, 5, 32, 512], OutputKind::Regression) },
        Preset { name: "code", manifest: || preset(678, [160, 5, 32, 256], OutputKind::Regression) },
        Preset { name: "paper-binary", manifest: || preset(402, [160, 5, 32, 512], OutputKind::Binary) },
        Preset { name: "code-binary", manifest: || preset(678, [160, 5, 32, 256], OutputKind::Binary) },
        // For some ten thousand loci.
        Preset { name: "small", manifest: || preset(678, [32, 3, 8, 64], OutputKind::Regression) },
        Preset { name: "small-binary", manifest: || preset(678, [32, 3, 8, 64], OutputKind::Binary) },
    ],
};

/// Keras' default for batch normalisation, and that of the dense blocks.
const EPSILON: f64 = 1e-3;
const BLOCK_EPSILON: f64 = 1.1e-5;
/// Kernels of the first, and of the second and third convolution.
const STAGES: [&str; 3] = ["kernel1", "kernel2", "kernel2"];

fn preset(tfs: usize, [filters, layers, growth, dense]: [usize; 4], kind: OutputKind) -> Manifest {
    let sizes = [
        ("filters", filters),
        ("kernel1", 15),
        ("kernel2", 12),
        ("pool", 4),
        ("layers", layers),
        ("growth", growth),
        ("dense", dense),
    ];
    let (unit, pseudocount) = match kind {
        OutputKind::Regression => ("ln(reads+1)", 1.0),
        OutputKind::Binary => ("open", 0.0),
    };
    let signal = Some(SignalTarget { mark: "DNase".to_owned(), length: 200, unit: SignalUnit::Count });
    Manifest {
        architecture: DEEPCAGE.name.to_owned(),
        name: DEEPCAGE.name.to_owned(),
        source: String::new(),
        assembly: None,
        samples: Vec::new(),
        // No notion of strand.
        orientation: Orientation::Genome,
        window: WindowSpec { length: 1_000, tss_index: 500, tts: None },
        input: InputSpec {
            sequence: Some(BaseOrder::AGCT),
            marks: Vec::new(),
            signal: SignalUnit::Count,
            bin_size: 1,
            bin_statistic: BinStatistic::Mean,
            transform: Transform::None,
            scale: Vec::new(),
            missing: 0.0,
            truncate: false,
            of_mark: Default::default(),
            // The publication's factors are those of its motif file; who trains or imports names them.
            tfs: TfSpec { names: (1..=tfs).map(|i| format!("TF{i}")).collect(), ..TfSpec::default() },
        },
        output: OutputSpec { kind, unit: unit.to_owned(), pseudocount, threshold: None, signal },
        sizes: sizes.map(|(name, size)| (name.to_owned(), size)).into(),
        metrics: Default::default(),
        hash: String::new(),
        external: None,
    }
}

/// `x` and its `growth` new channels: normalised, rectified, mixed by a convolution over single positions, then over three.
pub(crate) struct DenseLayer {
    pub(crate) norm: BatchNorm,
    pub(crate) mix: Normed,
    /// Its bias is 0.
    pub(crate) conv: ConvWeights,
}

impl DenseLayer {
    fn new(weights: &Weights, channels: usize, growth: usize) -> Result<Self, ModelError> {
        let weight = weights.within("conv2").get("weight", &[growth, 3, growth], Init::glorot(3 * growth, 3 * growth))?;
        let bias = Tensor::zeros(growth, weights.dtype(), weight.device())?;
        let norm = BatchNorm::new(&weights.within("norm1"), channels, BLOCK_EPSILON)?;
        Ok(Self {
            conv: ConvWeights::new(weight, bias, norm.is_constant()),
            norm,
            mix: Normed::conv(
                &weights.within("conv1"),
                &weights.within("norm2"),
                [growth, 1, channels],
                [0, 0],
                false,
                BLOCK_EPSILON,
            )?,
        })
    }

    fn forward(&self, x: &Tensor, is_training: bool) -> candle_core::Result<Tensor> {
        let mixed = match is_training {
            true => self.mix.forward_training(&self.norm.forward_training(x, true)?)?,
            false => self.mix.forward(&self.norm.forward(x, true)?)?,
        };
        let new = self.conv.conv(&mixed, ConvOptions { left: 1, right: 1, relu: false })?;
        Tensor::cat(&[x, &new], D::Minus1)
    }
}

/// A convolution with ReLU, normalisation, pool and dropout, then a dense block.
pub(crate) struct Stage {
    pub(crate) conv: ConvWeights,
    pub(crate) norm: BatchNorm,
    pub(crate) pool: usize,
    pub(crate) block: Vec<DenseLayer>,
}

impl Stage {
    fn new(weights: &Weights, manifest: &Manifest, i: usize, channels: usize) -> Result<Self, ModelError> {
        let [filters, kernel, growth] = [manifest.size("filters")?, manifest.size(STAGES[i])?, manifest.size("growth")?];
        let of = weights.within(&format!("conv{}", i + 1));
        let block = weights.within(&format!("block{}", i + 1));
        let layer = |b: usize| DenseLayer::new(&block.within(&format!("{}", b + 1)), filters + b * growth, growth);
        let weight = of.get("weight", &[filters, kernel, channels], Init::glorot(kernel * channels, kernel * filters))?;
        let bias = of.get("bias", &[filters], Init::Constant(0.0))?;
        let norm = BatchNorm::new(&weights.within(&format!("norm{}", i + 1)), filters, EPSILON)?;
        Ok(Self {
            conv: ConvWeights::new(weight, bias, norm.is_constant()),
            norm,
            pool: manifest.size("pool")?,
            block: (0..manifest.size("layers")?).map(layer).collect::<Result<_, _>>()?,
        })
    }

    fn forward(&self, x: &Tensor, dropout: &mut Option<&mut Dropout>) -> candle_core::Result<Tensor> {
        let y = self.conv.conv(x, ConvOptions { relu: true, ..ConvOptions::default() })?;
        let is_training = dropout.is_some();
        let mut y = match dropout {
            Some(dropout) => {
                dropout.apply_scaled(&max_pool(&self.norm.forward_training(&y, false)?, self.pool)?, POOL_DROPOUT)?
            }
            None => max_pool(&self.norm.forward(&y, false)?, self.pool)?,
        };
        for layer in &self.block {
            y = layer.forward(&y, is_training)?;
        }
        Ok(y)
    }
}

/// Dropout after a pool, as a share of that of the last layer: 0.2 of 0.5.
const POOL_DROPOUT: f64 = 0.4;

/// The network. F is the value of a regression, or the logit of "open".
///
/// Parameters, for the stages `s` = 1, 2, 3 and the layers `b` = 1 to 5 of each: `conv{s}.{weight,bias}`, `norm{s}`,
/// `block{s}.{b}.norm1`, `block{s}.{b}.conv1.weight` (over one position), `block{s}.{b}.norm2`, `block{s}.{b}.conv2.weight` (over three);
/// then `dense.{weight,bias}`, `dense_norm` and `output.{weight,bias}`. Normalisations have `.{weight,bias,running_mean,running_var}`
/// (Keras' gamma, beta, moving mean and variance). Convolutions are `[filters, kernel, channels]`, dense layers `[outputs, inputs]`;
/// the last maps are flattened position by position, the products of expression and motif score come after them.
pub struct DeepCage {
    manifest: Manifest,
    dtype: DType,
    pub(crate) stages: Vec<Stage>,
    pub(crate) dense: Normed,
    pub(crate) output: Linear,
    /// Of each factor's product.
    scale: Option<Tensor>,
}

impl DeepCage {
    /// Builds it from weights with the sizes of `manifest`.
    ///
    /// # Errors
    /// Where a size is absent or 0, a weight does not fit, the input is not DNA alone, or the window is too short.
    pub fn new(weights: &Weights, manifest: Manifest) -> Result<Self, ModelError> {
        let [filters, growth, layers] = [manifest.size("filters")?, manifest.size("growth")?, manifest.size("layers")?];
        let (pool, tfs) = (manifest.size("pool")?, manifest.input.tfs.len());
        if manifest.input.sequence.is_none() || !manifest.input.marks.is_empty() {
            return Err(ModelError::Manifest("deepcage reads DNA and transcription factors, and no mark".to_owned()));
        }
        let maps = filters + layers * growth;
        let mut positions = manifest.window.length as usize;
        for kernel in STAGES {
            positions = (positions + 1).saturating_sub(manifest.size(kernel)?) / pool;
        }
        if positions == 0 {
            let length = manifest.window.length;
            return Err(ModelError::Manifest(format!("window.length = {length}: too short for deepcage's kernels and pools")));
        }
        let dense = manifest.size("dense")?;
        let scale = match &manifest.input.tfs.scale[..] {
            [] => None,
            scale => Some(Tensor::new(scale, weights.device())?.to_dtype(weights.dtype())?),
        };
        let stage = |i: usize| Stage::new(weights, &manifest, i, if i == 0 { 4 } else { maps });
        Ok(Self {
            stages: (0..STAGES.len()).map(stage).collect::<Result<_, _>>()?,
            dense: Normed::dense(
                &weights.within("dense"),
                &weights.within("dense_norm"),
                positions * maps + tfs,
                dense,
                EPSILON,
            )?,
            output: Linear::new(&weights.within("output"), dense, 1)?,
            dtype: weights.dtype(),
            scale,
            manifest,
        })
    }

    /// What each factor adds to the maps: its expression times its motif score, scaled as the manifest says; `[n, tfs]`.
    pub(crate) fn products(&self, expression: &Tensor, motif_scores: &Tensor) -> candle_core::Result<Tensor> {
        let products = (expression.to_dtype(self.dtype)? * motif_scores.to_dtype(self.dtype)?)?;
        match &self.scale {
            Some(scale) => products.broadcast_mul(scale),
            None => Ok(products),
        }
    }

    fn run(&self, batch: &Batch, mut dropout: Option<&mut Dropout>) -> Result<Output, ModelError> {
        let input = &self.manifest.input;
        let Some(x) = batch.sequence_for(input)? else {
            return Err(ModelError::Manifest("deepcage reads DNA".to_owned()));
        };
        let (found, length) = (x.dim(1)? as u64, self.manifest.window.length);
        if found != length {
            return Err(ModelError::Input(format!("{found} bases, where deepcage's dense layer was made for {length}")));
        }
        let maps = |x: &Tensor, dropout: &mut Option<&mut Dropout>| {
            self.stages.iter().try_fold(x.clone(), |x, stage| stage.forward(&x, dropout))?.flatten_from(1)
        };
        let x = x.to_dtype(self.dtype)?;
        let mut x = match dropout {
            None => window_by_window(&[x], |x| maps(&x[0], &mut None))?,
            Some(_) => maps(&x, &mut dropout)?,
        };
        if let Some([expression, motif_scores]) = batch.tfs_for(input)? {
            x = Tensor::cat(&[x, self.products(expression, motif_scores)?], 1)?;
        }
        let x = x.unsqueeze(1)?;
        let x = match dropout {
            Some(dropout) => dropout.apply(&self.dense.forward_training(&x)?)?,
            None => self.dense.forward(&x)?,
        };
        Ok(Output { score: self.output.forward(&x.squeeze(1)?)?.squeeze(D::Minus1)?, attention: None })
    }
}

impl Model for DeepCage {
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

    /// The value, or the probability of "open".
    fn published_output(&self, score: f64) -> Vec<f64> {
        vec![self.manifest.output.kind.of_score(score)]
    }

    /// Takes the weights of filters that fell silent: their ReLU gives 0 whatever was learnt from, and their running variance has died away.
    /// What such a filter says of an input unlike those (a blank one, a stretch of N) would be multiplied by 300 in each block behind it.
    fn finish(&self, weights: &mut BTreeMap<String, Tensor>) -> Result<(), ModelError> {
        for stage in 1..=STAGES.len() {
            let Some(variance) = weights.get(&format!("norm{stage}.running_var")) else { continue };
            let is_heard = variance.ge(BLOCK_EPSILON)?;
            for part in ["weight", "bias"] {
                let Some(values) = weights.get_mut(&format!("conv{stage}.{part}")) else { continue };
                let mut shape = vec![1; values.rank()];
                shape[0] = values.dim(0)?;
                *values = values.broadcast_mul(&is_heard.to_dtype(values.dtype())?.reshape(shape)?)?;
            }
        }
        Ok(())
    }

    /// The squares of the output layer's weights, as the authors' regression has it; its classifier has no penalty.
    fn penalty(&self, _: &Output) -> Result<Option<Tensor>, ModelError> {
        match self.manifest.output.kind {
            OutputKind::Regression => Ok(Some(self.output.weight.sqr()?.sum_all()?)),
            OutputKind::Binary => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    /// A dead filter's bias made a blank window's prediction one of -2,000.
    #[test]
    fn filters_that_fell_silent_stay_so_on_any_input() {
        let mut manifest = preset(2, [3, 1, 2, 4], OutputKind::Regression);
        manifest.input.tfs.names = vec!["A".to_owned(), "B".to_owned()];
        let fresh = Weights::fresh(1, DType::F32, &Device::Cpu);
        let model = DeepCage::new(&fresh, manifest).unwrap();
        let mut weights: BTreeMap<String, Tensor> =
            fresh.saved().into_iter().map(|(name, variable)| (name, variable.as_detached_tensor())).collect();
        let before = weights.clone();
        weights.insert("norm2.running_var".to_owned(), Tensor::new(&[0.5f32, 2e-7, 1e-3], &Device::Cpu).unwrap());
        weights.insert("conv2.bias".to_owned(), Tensor::new(&[0.1f32, 0.2, 0.3], &Device::Cpu).unwrap());
        model.finish(&mut weights).unwrap();
        assert_eq!(weights["conv2.bias"].to_vec1::<f32>().unwrap(), [0.1, 0.0, 0.3]);
        let filters =
            |weights: &BTreeMap<String, Tensor>, name: &str| weights[name].flatten_from(1).unwrap().to_vec2::<f32>().unwrap();
        let (old, new) = (filters(&before, "conv2.weight"), filters(&weights, "conv2.weight"));
        assert!(new[1].iter().all(|w| *w == 0.0) && new[0] == old[0] && new[2] == old[2]);
        assert_eq!(filters(&before, "conv1.weight"), filters(&weights, "conv1.weight"));
    }
}
