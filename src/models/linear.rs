//! A linear model of the mean log signal of each mark: the least that a network must beat.

use super::bin_counts::{marks_alone, marks_of, published, scored};
use super::layers;
use super::weights::Init;
use super::{Architecture, Batch, Manifest, Model, ModelError, Output, Preset, Structure, Transform, Weights};
use candle_core::DType;

/// The entry of [`super::MODELS`].
pub const LINEAR: Architecture = Architecture {
    name: "linear",
    about: "Linear: a weight for the mean log signal of each mark, the baseline of every network",
    build: |weights, manifest| Ok(Box::new(Linear::new(weights, manifest)?)),
    output_bias: "output.bias",
    presets: &[Preset {
        name: "baseline",
        manifest: || {
            let mut manifest = published(LINEAR.name, &[]);
            manifest.input.transform = Transform::Log1p;
            manifest
        },
    }],
};

/// The model: `F = w . mean over positions of x + b`, where the manifest's transform has made `x` the log signal. Marks may be
/// read in bins of any size, base by base too.
///
/// Parameters: `output.{weight,bias}`.
pub struct Linear {
    manifest: Manifest,
    dtype: DType,
    output: layers::Linear,
}

impl Linear {
    /// Builds it from weights for the marks of `manifest`.
    ///
    /// # Errors
    /// Where a weight does not fit or the input is not marks alone.
    pub fn new(weights: &Weights, manifest: Manifest) -> Result<Self, ModelError> {
        let marks = marks_alone(&manifest)?;
        let zero = Init::Constant(0.0);
        let output = layers::Linear::with(&weights.within("output"), marks, 1, Init::glorot(marks, 1), zero)?;
        Ok(Self { output, dtype: weights.dtype(), manifest })
    }
}

impl Model for Linear {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn dtype(&self) -> DType {
        self.dtype
    }

    fn structure(&self) -> Structure {
        Structure { is_feed_forward: true, ..Structure::default() }
    }

    fn forward(&self, batch: &Batch) -> Result<Output, ModelError> {
        scored(&self.output, &marks_of(batch, &self.manifest, self.dtype)?.mean(1)?)
    }
}
