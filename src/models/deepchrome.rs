//! DeepChrome (Singh et al. 2016): convolution over bins of histone marks, pooling, three dense layers.

use super::bin_counts::{marks_alone, marks_of, published};
use super::layers::{Conv1d, Linear, relu};
use super::{Architecture, Batch, Dropout, Manifest, Model, ModelError, Output, Preset, Structure, Weights};
use candle_core::{D, DType};

/// The entry of [`super::MODELS`].
pub const DEEPCHROME: Architecture = Architecture {
    name: "deepchrome",
    about: "DeepChrome: convolution over bins of histone marks, pooling, dense layers (Singh et al. 2016)",
    build: |weights, manifest| Ok(Box::new(DeepChrome::new(weights, manifest)?)),
    output_bias: "fc3.bias",
    presets: &[Preset {
        name: "published",
        manifest: || {
            let sizes = [("filters", 50), ("kernel", 10), ("pool", 5), ("dense1", 625), ("dense2", 125)];
            published(DEEPCHROME.name, &sizes)
        },
    }],
};

/// The network. Its published outputs are the log-probabilities of high and of low; F is their difference, the logit of high.
///
/// Parameters: `conv` as a `torch.nn.Conv1d`, `fc1`, `fc2`, `fc3` with `.{weight,bias}`; the pooled maps are flattened bin by bin
/// (position times filters plus filter). They are dropped out before `fc1`.
pub struct DeepChrome {
    manifest: Manifest,
    dtype: DType,
    pub(crate) pool: usize,
    pub(crate) conv: Conv1d,
    pub(crate) dense: [Linear; 3],
}

impl DeepChrome {
    /// Builds it from weights with the sizes of `manifest`.
    ///
    /// # Errors
    /// Where a size is absent or 0, a weight does not fit, the input is not marks alone, or a window has too few bins.
    pub fn new(weights: &Weights, manifest: Manifest) -> Result<Self, ModelError> {
        let [filters, kernel, pool] = [manifest.size("filters")?, manifest.size("kernel")?, manifest.size("pool")?];
        let [dense1, dense2] = [manifest.size("dense1")?, manifest.size("dense2")?];
        let bins = manifest.input.positions(manifest.window.length);
        let windows = (bins + 1).saturating_sub(kernel) / pool;
        if windows == 0 {
            let needed = kernel + pool - 1;
            return Err(ModelError::Manifest(format!("{bins} bins a window: deepchrome's sizes need at least {needed}")));
        }
        Ok(Self {
            conv: Conv1d::torch(&weights.within("conv"), marks_alone(&manifest)?, filters, kernel)?,
            dense: [
                Linear::torch(&weights.within("fc1"), windows * filters, dense1)?,
                Linear::torch(&weights.within("fc2"), dense1, dense2)?,
                Linear::torch(&weights.within("fc3"), dense2, 2)?,
            ],
            pool,
            dtype: weights.dtype(),
            manifest,
        })
    }

    fn run(&self, batch: &Batch, dropout: &mut Dropout) -> Result<Output, ModelError> {
        let x = marks_of(batch, &self.manifest, self.dtype)?;
        let bins = self.manifest.input.positions(self.manifest.window.length);
        if x.dim(1)? != bins {
            return Err(ModelError::Input(format!("{} bins, where deepchrome's dense layer was made for {bins}", x.dim(1)?)));
        }
        let pooled = self.conv.pooled(&x, self.pool)?.flatten_from(1)?;
        let [first, second, third] = &self.dense;
        let y = relu(&second.forward(&relu(&first.forward(&dropout.apply(&pooled)?)?)?)?)?;
        let classes = third.forward(&y)?;
        let score = (classes.narrow(1, 0, 1)? - classes.narrow(1, 1, 1)?)?.squeeze(D::Minus1)?;
        Ok(Output { score, attention: None })
    }
}

impl Model for DeepChrome {
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
        self.run(batch, &mut Dropout::new(0.0, 0))
    }

    fn forward_training(&self, batch: &Batch, dropout: &mut Dropout) -> Result<Output, ModelError> {
        self.run(batch, dropout)
    }

    /// The log-probabilities of high and of low.
    fn published_output(&self, score: f64) -> Vec<f64> {
        // -ln(1 + e^-s) without an exponential of a large number.
        let log_sigmoid = |s: f64| s.min(0.0) - (-s.abs()).exp().ln_1p();
        vec![log_sigmoid(score), log_sigmoid(-score)]
    }
}
