//! `model.toml`: everything a publication varies about a network, so that no such number is a constant in code.

use super::{ExternalSpec, ModelError, SignalTarget, TfMotifs};
use crate::genome::BaseOrder;
use crate::tracks::SignalUnit;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The contents of `model.toml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Name of an [`super::Architecture`].
    pub architecture: String,
    /// What the user calls it.
    pub name: String,
    /// Where the weights come from: a publication, or how they were trained.
    #[serde(default)]
    pub source: String,
    /// Genome assembly it was trained on; networks that read DNA refuse another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assembly: Option<String>,
    /// Sample(s) it was trained on.
    #[serde(default)]
    pub samples: Vec<String>,
    /// Whether minus-strand genes are turned round before the network reads them.
    pub orientation: Orientation,
    /// The stretch of genome it reads.
    pub window: WindowSpec,
    /// What it reads there.
    pub input: InputSpec,
    /// What it predicts.
    pub output: OutputSpec,
    /// The architecture's own sizes (`filters`, `kernel`, `hidden`, ...).
    #[serde(default)]
    pub sizes: BTreeMap<String, usize>,
    /// Held-out figures of the training run, by name.
    #[serde(default)]
    pub metrics: BTreeMap<String, f64>,
    /// First 16 hex digits of SHA-256 of the weights file.
    #[serde(default)]
    pub hash: String,
    /// The command that is the network, where the architecture is "external".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<ExternalSpec>,
}

impl Manifest {
    /// Whether what it says of window, input and output can be followed; sizes are the architecture's to check.
    ///
    /// # Errors
    /// Names the entry.
    pub fn check(&self) -> Result<(), ModelError> {
        /// No gene's surroundings are longer; arrays of a window are allocated by it.
        const LONGEST: u64 = 10_000_000;
        let wrong = |what: String| Err(ModelError::Manifest(what));
        let (window, input) = (&self.window, &self.input);
        if !(1..=LONGEST).contains(&window.length) {
            return wrong(format!("window.length = {}: must be 1 to {LONGEST}", window.length));
        }
        if window.tss_index >= window.length {
            return wrong(format!("window.tss_index = {}: outside a window of {}", window.tss_index, window.length));
        }
        if let Some(TtsSpec { length, index }) = window.tts {
            if length == 0 || length >= window.length || window.tss_index >= window.length - length {
                let what = format!("window.tts.length = {length}: no room for it after the TSS's part of {}", window.length);
                return wrong(what);
            }
            if index >= length {
                return wrong(format!("window.tts.index = {index}: outside a stretch of {length}"));
            }
            if length % input.bin_size.max(1) != 0 {
                return wrong(format!("input.bin_size = {}: does not divide a stretch of {length}", input.bin_size));
            }
        }
        if input.bin_size == 0 || window.length % input.bin_size != 0 {
            return wrong(format!("input.bin_size = {}: does not divide a window of {}", input.bin_size, window.length));
        }
        if let Some((_, mark)) = input.marks.iter().enumerate().find(|(i, mark)| input.marks[..*i].contains(mark)) {
            return wrong(format!("input.marks: \"{mark}\" stands there twice"));
        }
        if let Some(unknown) = input.of_mark.keys().find(|mark| !input.marks.contains(mark)) {
            return wrong(format!("input.of_mark: \"{unknown}\" is none of the marks {}", input.marks.join(", ")));
        }
        if let Some(target) = &self.output.signal
            && !(1..=window.length).contains(&target.length)
        {
            return wrong(format!("output.signal.length = {}: must be 1 to the window's {}", target.length, window.length));
        }
        if !input.tfs.quantiles.is_empty() && input.tfs.quantiles.len() != input.tfs.len() {
            let (quantiles, names) = (input.tfs.quantiles.len(), input.tfs.len());
            return wrong(format!("input.tfs.quantiles has {quantiles} numbers for {names} factors"));
        }
        if !input.tfs.scale.is_empty() && input.tfs.scale.len() != input.tfs.len() {
            let (numbers, names) = (input.tfs.scale.len(), input.tfs.len());
            return wrong(format!("input.tfs.scale has {numbers} numbers for {names} factors"));
        }
        if !input.scale.is_empty() && input.scale.len() != input.marks.len() {
            return wrong(format!("input.scale has {} numbers for {} marks", input.scale.len(), input.marks.len()));
        }
        let names = &input.tfs.names;
        if let Some((_, name)) = names.iter().enumerate().find(|(i, name)| names[..*i].contains(name)) {
            return wrong(format!("input.tfs.names: \"{name}\" stands there twice"));
        }
        let numbers =
            input.scale.iter().chain([&input.missing]).chain(&input.tfs.quantiles).chain(&input.tfs.scale).map(|x| f64::from(*x));
        let numbers = numbers.chain([self.output.pseudocount]).chain(self.output.threshold);
        match numbers.into_iter().find(|x| !x.is_finite()) {
            Some(x) => wrong(format!("{x} where a finite number is needed (input.scale, input.missing, input.tfs or output)")),
            None => Ok(()),
        }
    }

    /// Makes the window `length` bases long with the TSS as far along as it was; a stretch around the gene's end shrinks or grows alike.
    pub fn set_window_length(&mut self, length: u64) {
        let old = self.window.length.max(1);
        let scaled = |x: u64| (u128::from(x) * u128::from(length) / u128::from(old)) as u64;
        self.window.tss_index = scaled(self.window.tss_index);
        self.window.tts = self.window.tts.map(|tts| TtsSpec { length: scaled(tts.length), index: scaled(tts.index) });
        self.window.length = length;
    }

    /// One of the architecture's sizes.
    ///
    /// # Errors
    /// Where it is absent, 0, or larger than any network's.
    pub fn size(&self, name: &str) -> Result<usize, ModelError> {
        const LARGEST: usize = 1 << 16;
        match self.sizes.get(name) {
            Some(&size) if (1..=LARGEST).contains(&size) => Ok(size),
            Some(size) => Err(ModelError::Manifest(format!("sizes.{name} = {size}: must be 1 to {LARGEST}"))),
            None => Err(ModelError::Manifest(format!("sizes.{name} is missing: {} needs it", self.architecture))),
        }
    }
}

/// How a minus-strand gene is shown to the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Orientation {
    /// Reversed, DNA reverse-complemented: every gene reads 5' to 3'.
    Gene,
    /// As the genome lies, whatever the strand.
    Genome,
}

/// The stretch of genome a network reads, or two joined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowSpec {
    /// Bases, of both stretches where there are two.
    pub length: u64,
    /// Index of the TSS in the window, in the direction of reading.
    pub tss_index: u64,
    /// The last bases of the window, where they lie around the gene's end and not its start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tts: Option<TtsSpec>,
}

/// The stretch of a window around the transcription end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TtsSpec {
    /// Bases of this stretch.
    pub length: u64,
    /// Index of the TTS (the last base transcribed) in this stretch, in the direction of reading.
    pub index: u64,
}

/// Transcription factors whose expression and motif scores a network reads beside DNA (DeepCAGE).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TfSpec {
    /// Gene symbols in the order of the network's channels; empty where it reads none.
    pub names: Vec<String>,
    /// ln(TPM + 1) of the training samples by rank, ascending, one number a factor: a sample's factors get these values by their own
    /// rank (quantile normalisation). Empty: ln(TPM + 1) as it is.
    #[serde(default)]
    pub quantiles: Vec<f32>,
    /// The product of each factor's expression and motif score is multiplied by its number, which makes its mean square 1 over the
    /// training loci; empty means 1, as published.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scale: Vec<f32>,
    /// Their motifs, from `motifs.homer` of the model's folder; without them only plain arrays can be read.
    #[serde(skip)]
    pub motifs: Option<Arc<TfMotifs>>,
}

impl TfSpec {
    /// Number of factors.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether the network reads none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

/// What a network reads in its window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputSpec {
    /// Base order of the DNA channels; absent where it reads no DNA.
    #[serde(default, with = "base_order", skip_serializing_if = "Option::is_none")]
    pub sequence: Option<BaseOrder>,
    /// Marks in the order of the network's channels; empty where it reads none.
    #[serde(default)]
    pub marks: Vec<String>,
    /// The kind of numbers the marks were; another kind is refused.
    pub signal: SignalUnit,
    /// Bases per position of the mark input: 1 for base resolution.
    pub bin_size: u64,
    /// How the bases of a bin become one number.
    pub bin_statistic: BinStatistic,
    /// Applied to each number after binning.
    pub transform: Transform,
    /// Each mark is multiplied by its number after the transform; empty means 1.
    #[serde(default)]
    pub scale: Vec<f32>,
    /// Stands for missing values, before the transform.
    #[serde(default)]
    pub missing: f32,
    /// Cut each number to an integer, as the authors of DeepCORE did.
    #[serde(default)]
    pub truncate: bool,
    /// Marks of another kind than the rest (methylation beside p-values), by name: `[input.of_mark.5mC]`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub of_mark: BTreeMap<String, MarkSpec>,
    /// Transcription factors in the order of the network's channels.
    #[serde(default, skip_serializing_if = "TfSpec::is_empty")]
    pub tfs: TfSpec,
}

/// What the numbers of one mark are, where that is not what [`InputSpec`] says of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MarkSpec {
    /// The kind of numbers.
    pub signal: SignalUnit,
    /// Applied to each number after binning.
    pub transform: Transform,
}

impl InputSpec {
    /// The kind of numbers a mark was; another kind is refused.
    pub fn signal_of(&self, mark: &str) -> SignalUnit {
        self.of_mark.get(mark).map_or(self.signal, |spec| spec.signal)
    }

    /// What is applied to each number of a channel after binning.
    pub fn transform_of(&self, channel: usize) -> Transform {
        let own = self.marks.get(channel).and_then(|mark| self.of_mark.get(mark));
        own.map_or(self.transform, |spec| spec.transform)
    }

    /// Positions of the mark input in a window of `length` bases.
    pub fn positions(&self, length: u64) -> usize {
        (length / self.bin_size.max(1)) as usize
    }
}

/// How the bases of a bin become one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BinStatistic {
    /// Their mean.
    Mean,
    /// Their sum.
    Sum,
}

/// A number-by-number change of the mark input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transform {
    /// As measured.
    None,
    /// ln(x + 1).
    Log1p,
}

impl Transform {
    /// The transformed number.
    pub fn apply(self, x: f32) -> f32 {
        match self {
            Self::None => x,
            Self::Log1p => x.max(0.0).ln_1p(),
        }
    }
}

/// What a network predicts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputSpec {
    /// Number or class.
    pub kind: OutputKind,
    /// Unit of a predicted number, or what the class means: `ln(TPM+0.01)`, `high`.
    pub unit: String,
    /// Added to TPM before the logarithm (regression).
    #[serde(default)]
    pub pseudocount: f64,
    /// Expression above this is "high" (classifiers); a tie is low.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// What is predicted, where it is a signal of the sample and not a gene's expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<SignalTarget>,
}

/// Number or class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutputKind {
    /// F is the logarithm of expression.
    Regression,
    /// F is the logit of "high".
    Binary,
}

impl OutputKind {
    /// What F says to a user: itself, or the probability of "high".
    pub fn of_score(self, score: f64) -> f64 {
        match self {
            Self::Regression => score,
            Self::Binary => super::probability(score),
        }
    }
}

mod base_order {
    use crate::genome::BaseOrder;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    #[expect(clippy::ref_option, reason = "serde's `with` passes a reference to the field")]
    pub fn serialize<S: Serializer>(order: &Option<BaseOrder>, s: S) -> Result<S::Ok, S::Error> {
        match order {
            Some(order) => s.collect_str(order),
            None => s.serialize_none(),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<BaseOrder>, D::Error> {
        let text = Option::<String>::deserialize(d)?;
        text.map(|t| t.parse().map_err(D::Error::custom)).transpose()
    }
}
