//! Networks that predict expression from sequence and marks. One architecture a file, one line of [`MODELS`] each.
//!
//! Every network reads a [`Batch`] and gives an [`Output`] whose `score` is the scalar F that is explained: the regression
//! value, or the logit of a classifier. Layer operations with wrong or slow gradients in candle 0.11.1 are our own (`layers`).

mod attentive_chrome;
mod bin_counts;
mod cnn_alpha_beta;
mod cnn_attn;
mod deepcage;
mod deepchrome;
mod deepcore;
mod device;
mod dropout;
mod edited;
mod error;
mod filters;
mod external;
mod folder;
mod import;
mod input;
mod isegnet;
pub mod layers;
mod linear;
mod lstm;
mod lstm_alpha;
mod lstm_attn;
mod manifest;
mod memory;
mod mlp;
mod signal_target;
mod source;
mod tfs;
mod weights;

pub use attentive_chrome::AttentiveChrome;
pub(crate) use attentive_chrome::AttentiveLstm;
pub(crate) use cnn_alpha_beta::AttentiveConv;
pub use cnn_alpha_beta::CnnAlphaBeta;
pub use cnn_attn::CnnAttn;
pub use deepcage::DeepCage;
pub(crate) use deepcage::Stage as DeepCageStage;
pub use deepchrome::DeepChrome;
pub use deepcore::DeepCore;
pub(crate) use deepcore::View as DeepCoreView;
pub use device::{DeviceChoice, OnDevice, open_model_on};
pub use dropout::Dropout;
pub use edited::{EditedSource, anchor, check_edit, edit_obstacle, edit_signal, edited_bases, reach};
pub use error::ModelError;
pub use external::{EXTERNAL, External, ExternalSpec, ProfileStatistic, serve, stop_commands};
pub use filters::{FilterSites, SequenceFilters};
pub use folder::{
    Commands, FILES, load_model, load_model_as, load_model_with_motifs, load_shuffled, load_without_filter, open_model,
    read_manifest, save_model,
};
pub use import::{CheckpointFormat, FORMATS as CHECKPOINT_FORMATS, ImportOptions, Imported, import, read_checkpoint};
#[cfg(test)]
pub(crate) use input::tests::manifest as test_manifest;
pub use input::{Input, InputSource};
pub use isegnet::Isegnet;
pub(crate) use isegnet::View as IsegnetView;
pub use linear::Linear;
pub use lstm::Lstm;
pub use lstm_alpha::LstmAlpha;
pub use lstm_attn::LstmAttn;
pub use manifest::{
    BinStatistic, InputSpec, Manifest, MarkSpec, Orientation, OutputKind, OutputSpec, TfSpec, Transform, TtsSpec, WindowSpec,
};
pub use memory::{KeptMemory, keep_freed_blocks, keep_freed_memory};
pub use mlp::Mlp;
pub use signal_target::SignalTarget;
pub use source::{SampleSource, measured_output, missing_input, samples_that_feed};
pub use tfs::TfMotifs;
pub use weights::{Init, Statistic, Weights};

use candle_core::{DType, Device, Tensor, Var};
use device::joined_gradients;
use rayon::prelude::*;
use std::any::Any;
use std::collections::BTreeMap;

/// Every architecture. Adding one is a file and a line here.
pub const MODELS: &[Architecture] = &[
    deepcore::DEEPCORE,
    attentive_chrome::ATTENTIVE_CHROME,
    isegnet::ISEGNET,
    deepcage::DEEPCAGE,
    deepchrome::DEEPCHROME,
    lstm::LSTM,
    lstm_attn::LSTM_ATTN,
    lstm_alpha::LSTM_ALPHA,
    cnn_attn::CNN_ATTN,
    cnn_alpha_beta::CNN_ALPHA_BETA,
    linear::LINEAR,
    mlp::MLP,
];

/// The architecture of that name.
///
/// # Errors
/// Names those there are.
pub fn architecture(name: &str) -> Result<&'static Architecture, ModelError> {
    MODELS.iter().find(|a| a.name == name).ok_or_else(|| {
        let names: Vec<_> = MODELS.iter().map(|a| a.name).collect();
        ModelError::Manifest(format!("architecture \"{name}\" is none of {}", names.join(", ")))
    })
}

/// Inputs of `n` windows, in the network's orientation, transformed as its manifest says.
///
/// What treats every input alike goes through [`Batch::parts`] and [`Batch::try_map`], so that it need not name them.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// `[n, length, 4]`, channels in the manifest's base order; `None` for networks that read no DNA.
    pub sequence: Option<Tensor>,
    /// `[n, positions, k]`, marks in the manifest's order, a position being a base or a bin; `None` where no mark is read.
    pub marks: Option<Tensor>,
    /// `[n, tfs]`, normalised expression of the manifest's transcription factors in its order; `None` where none is read.
    pub expression: Option<Tensor>,
    /// `[n, tfs]`, the highest motif score of each factor in the window; `None` where none is read.
    pub motif_scores: Option<Tensor>,
}

/// Inputs of a [`Batch`], those that are absent among them.
pub const N_INPUTS: usize = 4;

impl Batch {
    /// Every input, in the order of the fields.
    pub fn parts(&self) -> [Option<&Tensor>; N_INPUTS] {
        [self.sequence.as_ref(), self.marks.as_ref(), self.expression.as_ref(), self.motif_scores.as_ref()]
    }

    /// A batch of what [`Batch::parts`] gives.
    pub fn from_parts([sequence, marks, expression, motif_scores]: [Option<Tensor>; N_INPUTS]) -> Self {
        Self { sequence, marks, expression, motif_scores }
    }

    /// A batch of `f` of every input that is there.
    pub fn try_map<E>(&self, mut f: impl FnMut(&Tensor) -> Result<Tensor, E>) -> Result<Self, E> {
        let mut out = [const { None }; N_INPUTS];
        for (out, part) in out.iter_mut().zip(self.parts()) {
            *out = part.map(&mut f).transpose()?;
        }
        Ok(Self::from_parts(out))
    }

    /// A batch of `f` of every input that both have.
    pub fn try_zip<E>(&self, other: &Self, mut f: impl FnMut(&Tensor, &Tensor) -> Result<Tensor, E>) -> Result<Self, E> {
        let mut out = [const { None }; N_INPUTS];
        for ((out, a), b) in out.iter_mut().zip(self.parts()).zip(other.parts()) {
            *out = a.zip(b).map(|(a, b)| f(a, b)).transpose()?;
        }
        Ok(Self::from_parts(out))
    }

    /// The same numbers on `device`.
    pub fn on(&self, device: &Device) -> candle_core::Result<Self> {
        self.try_map(|x| x.to_device(device))
    }

    fn is_on_processor(&self) -> bool {
        self.parts().into_iter().flatten().all(|x| x.device().is_cpu())
    }

    /// Number of windows.
    pub fn len(&self) -> usize {
        self.parts().into_iter().flatten().next().map_or(0, |t| t.dims()[0])
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The sequence, where `input` reads one.
    fn sequence_for(&self, input: &InputSpec) -> Result<Option<&Tensor>, ModelError> {
        if input.sequence.is_none() {
            return Ok(None);
        }
        input_of(self.sequence.as_ref(), 4, "DNA").map(Some)
    }

    /// The marks, where `input` reads any.
    fn marks_for(&self, input: &InputSpec) -> Result<Option<&Tensor>, ModelError> {
        if input.marks.is_empty() {
            return Ok(None);
        }
        input_of(self.marks.as_ref(), input.marks.len(), "marks").map(Some)
    }

    /// Expression and motif scores of transcription factors, where `input` reads any.
    fn tfs_for(&self, input: &InputSpec) -> Result<Option<[&Tensor; 2]>, ModelError> {
        if input.tfs.is_empty() {
            return Ok(None);
        }
        let of = |tensor: Option<&'_ Tensor>, what: &str| {
            let tensor = tensor.ok_or_else(|| ModelError::Input(format!("the model reads {what}; the batch has none")))?;
            match tensor.dims() {
                [_, n] if *n == input.tfs.len() => Ok(()),
                other => Err(ModelError::Input(format!("{what} of shape {other:?}; the model reads [n, {}]", input.tfs.len()))),
            }
        };
        of(self.expression.as_ref(), "TF expression")?;
        of(self.motif_scores.as_ref(), "motif scores")?;
        Ok(self.expression.as_ref().zip(self.motif_scores.as_ref()).map(|(a, b)| [a, b]))
    }
}

/// `tensor`, if it is `[n, positions, channels]`.
fn input_of<'a>(tensor: Option<&'a Tensor>, channels: usize, what: &str) -> Result<&'a Tensor, ModelError> {
    let tensor = tensor.ok_or_else(|| ModelError::Input(format!("the model reads {what}; the batch has none")))?;
    match tensor.dims() {
        [_, positions, c] if *positions > 0 && *c == channels => Ok(tensor),
        other => Err(ModelError::Input(format!("{what} of shape {other:?}; the model reads [n, positions, {channels}]"))),
    }
}

/// The probability that a logit stands for.
pub fn probability(logit: f64) -> f64 {
    1.0 / (1.0 + (-logit).exp())
}

/// What a network gives for a batch. Tensors carry candle's graph where inputs or weights are variables.
#[derive(Clone, Debug)]
pub struct Output {
    /// F, `[n]`: regression value or logit, before any last activation.
    pub score: Tensor,
    /// The network's own weights over its input, where it has attention.
    pub attention: Option<Attention>,
}

/// A network's attention; it is not an attribution and is always labelled attention.
#[derive(Clone, Debug)]
pub enum Attention {
    /// One weight a bin, `[n, bins]`, each row summing to 1 (DeepCORE).
    Bins(Tensor),
    /// One weight a bin of each mark, `[n, k, bins]`, each row summing to 1 (LSTM-alpha).
    Marks(Tensor),
    /// AttentiveChrome: `alpha` `[n, k, bins]` over the bins of each mark and `beta` `[n, k]` over marks.
    Hierarchical {
        /// Bin weights of each mark.
        alpha: Tensor,
        /// Mark weights.
        beta: Tensor,
    },
}

/// What of a network's make-up some methods have to know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Structure {
    /// It has rectifiers ([`layers::relu`] and the layers that hold one).
    pub has_relu: bool,
    /// Nothing but convolutions, dense layers, normalisation, pools and rectifiers lies between DNA or marks and F.
    pub is_feed_forward: bool,
    /// What follows its last pooling over bins or marks is linear: [`Model::activation_map`].
    pub has_linear_head: bool,
    /// It reads bins one after the other and any number of them: the fewest positions (bases or bins) it can read.
    pub shortest: Option<usize>,
}

/// What each bin or mark adds to F, where the layers after the last pooling are linear (Zhou 2016).
#[derive(Clone, Debug)]
pub enum ActivationMap {
    /// A value a bin, `[n, bins]`.
    Bins(Tensor),
    /// A value a mark, `[n, k]`.
    Marks(Tensor),
    /// A value a bin of each mark, `[n, k, bins]`.
    MarkBins(Tensor),
}

/// A value whose type can be asked for.
pub trait AsAny {
    /// Itself.
    fn as_any(&self) -> &dyn Any;
}

impl<T: Any> AsAny for T {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// One network with its weights. Exact kernels of attribution ask by [`AsAny`] whether it is the network they know.
pub trait Model: AsAny + Send + Sync {
    /// What the network was built from.
    fn manifest(&self) -> &Manifest;

    /// Precision of the weights, and of the batches it takes.
    fn dtype(&self) -> DType {
        DType::F32
    }

    /// F and attention of a batch.
    fn forward(&self, batch: &Batch) -> Result<Output, ModelError>;

    /// As [`Model::forward`], with the dropout the network was published with.
    fn forward_training(&self, batch: &Batch, _dropout: &mut Dropout) -> Result<Output, ModelError> {
        self.forward(batch)
    }

    /// What the published network returns for a window of score F: F itself where it says nothing else.
    fn published_output(&self, score: f64) -> Vec<f64> {
        vec![score]
    }

    /// What is to be done to weights that were fitted before they are stored: nothing where it says nothing else.
    ///
    /// # Errors
    /// Where they are not of this network.
    fn finish(&self, _weights: &mut BTreeMap<String, Tensor>) -> Result<(), ModelError> {
        Ok(())
    }

    /// What was added to the loss when it was published, before its coefficient.
    fn penalty(&self, _output: &Output) -> Result<Option<Tensor>, ModelError> {
        Ok(None)
    }

    /// The device it runs on, or why not there, where it is none of the processor.
    fn device_note(&self) -> Option<String> {
        None
    }

    /// The device it runs on, where it is none of the processor and is there: windows that are made on it need not be copied over.
    fn device(&self) -> Option<&Device> {
        None
    }

    /// Windows that a call should take, where the device says it: the processor's calls are as small as it takes to be cancelled.
    fn windows_per_call(&self) -> Option<usize> {
        None
    }

    /// What its sparsemax or softmax makes one attention over bins of, `[n, bins]`; `None` where the network has no such.
    fn attention_scores(&self, _batch: &Batch) -> Result<Option<Tensor>, ModelError> {
        Ok(None)
    }

    /// What methods ask of its make-up.
    fn structure(&self) -> Structure {
        Structure::default()
    }

    /// What each bin or mark adds to F; `None` where the head is not linear. The values sum to F less a constant of
    /// the weights.
    fn activation_map(&self, _batch: &Batch) -> Result<Option<ActivationMap>, ModelError> {
        Ok(None)
    }

    /// F and its gradient with respect to each input, in the shapes of `batch`. On the processor the windows of a batch are shared out
    /// over the cores, in parts that depend on their number alone.
    fn gradient(&self, batch: &Batch) -> Result<(Output, Batch), ModelError> {
        let n = batch.len();
        let is_whole = n <= GRADIENTS_TOGETHER || !layers::is_gradient() || !batch.is_on_processor();
        if is_whole {
            return backward(self, batch);
        }
        let parts = n.div_ceil(GRADIENTS_TOGETHER);
        let each = (0..parts).into_par_iter().map(|i| {
            let (from, to) = (i * n / parts, (i + 1) * n / parts);
            backward(self, &batch.try_map(|x| x.narrow(0, from, to - from)?.contiguous())?)
        });
        joined_gradients(each.collect::<Result<Vec<_>, _>>()?)
    }
}

/// Windows whose gradients are taken by one core: candle's own operations run on one, and more windows leave its cache.
const GRADIENTS_TOGETHER: usize = 8;

/// F and its gradient by one backward pass.
fn backward<M: Model + ?Sized>(model: &M, batch: &Batch) -> Result<(Output, Batch), ModelError> {
    let variables = batch.try_map(|t| Var::from_tensor(t).map(Var::into_inner))?;
    let output = model.forward(&variables)?;
    let gradients = output.score.sum_all()?.backward()?;
    // An input the score does not depend on has no entry: its gradient is zero.
    let gradient = variables.try_map(|v| gradients.get(v).map_or_else(|| v.zeros_like(), |g| Ok(g.clone())))?;
    let attention = output.attention.map(Attention::detach);
    Ok((Output { score: output.score.detach(), attention }, gradient))
}

impl Attention {
    /// Weights over bins of each window of the batch: one row, or one a mark.
    pub fn rows(&self) -> Result<Vec<Vec<Vec<f32>>>, ModelError> {
        let (Self::Bins(weights) | Self::Marks(weights) | Self::Hierarchical { alpha: weights, .. }) = self;
        let weights = weights.to_dtype(DType::F32)?;
        match self {
            Self::Bins(_) => Ok(weights.unsqueeze(1)?.to_vec3()?),
            Self::Marks(_) | Self::Hierarchical { .. } => Ok(weights.to_vec3()?),
        }
    }

    fn detach(self) -> Self {
        match self {
            Self::Bins(weights) => Self::Bins(weights.detach()),
            Self::Marks(weights) => Self::Marks(weights.detach()),
            Self::Hierarchical { alpha, beta } => Self::Hierarchical { alpha: alpha.detach(), beta: beta.detach() },
        }
    }
}

/// An architecture: how to build it from weights, and the manifests it can start from.
pub struct Architecture {
    /// As in `model.toml` and on the command line.
    pub name: &'static str,
    /// One line of what it is and where it was published.
    pub about: &'static str,
    /// Builds the network with the sizes of a manifest. Fresh weights become variables, stored ones stay constant.
    pub build: Build,
    /// The parameter whose first number is added to the score last.
    pub output_bias: &'static str,
    /// Manifests of published versions by name; the first is the default.
    pub presets: &'static [Preset],
}

/// Builds a network from weights, with the sizes of a manifest.
pub type Build = fn(&Weights, Manifest) -> Result<Box<dyn Model>, ModelError>;

/// A published version of an architecture.
pub struct Preset {
    /// `paper`, `code`, ...
    pub name: &'static str,
    /// Its sizes and input.
    pub manifest: fn() -> Manifest,
}

impl Architecture {
    /// The manifest of the first preset.
    pub fn default_manifest(&self) -> Manifest {
        (self.presets[0].manifest)()
    }

    /// The manifest of a preset.
    pub fn preset(&self, name: &str) -> Option<Manifest> {
        self.presets.iter().find(|preset| preset.name == name).map(|preset| (preset.manifest)())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{DType, Device};

    #[test]
    fn every_architecture_builds_each_preset_and_names_itself() {
        for (i, architecture) in MODELS.iter().enumerate() {
            assert!(MODELS[..i].iter().all(|a| a.name != architecture.name));
            let letters = |text: &str| text.to_lowercase().replace(|c: char| !c.is_alphanumeric(), "");
            assert!(letters(architecture.about).starts_with(&letters(architecture.name)));
            for preset in architecture.presets {
                (preset.manifest)().check().unwrap();
                let weights = Weights::fresh(1, DType::F32, &Device::Cpu);
                let model = (architecture.build)(&weights, (preset.manifest)()).unwrap();
                assert_eq!(model.manifest().architecture, architecture.name);
                assert!(matches!(weights.variables()[architecture.output_bias].dims(), [1 | 2]));
            }
        }
        assert!(architecture("deepcor").is_err_and(|e| e.to_string().contains("deepcore, attentive-chrome")));
    }

    fn deepcage_statistics() -> usize {
        // Three stages and the dense layer; a layer of a block normalises what comes in and its 32 new channels.
        let block: usize = (0..5).map(|b| 160 + 32 * b + 32).sum();
        2 * (3 * 160 + 256 + 3 * block)
    }

    #[test]
    fn parameters_are_as_many_as_published() {
        let count = |architecture: &str, preset: &str| -> usize {
            let architecture = super::architecture(architecture).unwrap();
            let weights = Weights::fresh(1, DType::F32, &Device::Cpu);
            (architecture.build)(&weights, architecture.preset(preset).unwrap()).unwrap();
            weights.variables().values().map(|v| v.elem_count()).sum()
        };
        // Published counts less the two attentions that reach no output (units * (30 + 2) + 1 each).
        assert_eq!(count("deepcore", "code"), 44_004 - 2 * (20 * 32 + 1));
        assert_eq!(count("deepcore", "paper"), 46_946 - 2 * (25 * 32 + 1));
        assert_eq!(count("attentive-chrome", "published"), 55_681);
        assert_eq!(count("deepchrome", "published"), 644_177);
        // Published counts less the running statistics, which are not learnt.
        assert_eq!(count("isegnet", "paper"), 2_058_199 - 1_820);
        assert_eq!(count("isegnet", "tutorial"), 1_772_247 - 1_436);
        assert_eq!(count("deepcage", "code") + deepcage_statistics(), 2_485_985);
    }
}
