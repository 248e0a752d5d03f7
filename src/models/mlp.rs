//! A multilayer perceptron over bins of marks (version 1 of AttentiveChrome's code, `mlp`).

use super::bin_counts::{marks_alone, marks_of, published, scored};
use super::layers::{Linear, relu};
use super::{Architecture, Batch, Dropout, Manifest, Model, ModelError, Output, Preset, Structure, Weights};
use candle_core::DType;

/// The entry of [`super::MODELS`].
pub const MLP: Architecture = Architecture {
    name: "mlp",
    about: "MLP: dense layers over bins of histone marks (comparator in the code of Singh et al. 2017)",
    build: |weights, manifest| Ok(Box::new(Mlp::new(weights, manifest)?)),
    output_bias: "fc3.bias",
    presets: &[Preset { name: "published", manifest: || published(MLP.name, &[("dense1", 125), ("dense2", 50)]) }],
};

/// The network: every bin of every mark to 125 and 50 units with ReLU, each dropped out, and one logit for the two classes.
///
/// Parameters: `fc1`, `fc2`, `fc3` with `.{weight,bias}`; the input is flattened bin by bin.
pub struct Mlp {
    manifest: Manifest,
    dtype: DType,
    pub(crate) dense: [Linear; 3],
}

impl Mlp {
    /// Builds it from weights with the sizes of `manifest`.
    ///
    /// # Errors
    /// Where a size is absent or 0, a weight does not fit, or the input is not marks alone.
    pub fn new(weights: &Weights, manifest: Manifest) -> Result<Self, ModelError> {
        let (dense1, dense2) = (manifest.size("dense1")?, manifest.size("dense2")?);
        let inputs = marks_alone(&manifest)? * manifest.input.positions(manifest.window.length);
        Ok(Self {
            dense: [
                Linear::torch(&weights.within("fc1"), inputs, dense1)?,
                Linear::torch(&weights.within("fc2"), dense1, dense2)?,
                Linear::torch(&weights.within("fc3"), dense2, 1)?,
            ],
            dtype: weights.dtype(),
            manifest,
        })
    }

    fn run(&self, batch: &Batch, dropout: &mut Dropout) -> Result<Output, ModelError> {
        let x = marks_of(batch, &self.manifest, self.dtype)?;
        let bins = self.manifest.input.positions(self.manifest.window.length);
        if x.dim(1)? != bins {
            return Err(ModelError::Input(format!("{} bins, where the first dense layer was made for {bins}", x.dim(1)?)));
        }
        let [first, second, third] = &self.dense;
        let y = dropout.apply(&relu(&first.forward(&x.flatten_from(1)?)?)?)?;
        scored(third, &dropout.apply(&relu(&second.forward(&y)?)?)?)
    }
}

impl Model for Mlp {
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
}
