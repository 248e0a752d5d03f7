//! What in the input a prediction rests on. One method a file, one line of [`METHODS`] each.
//!
//! A method explains F, the network's scalar before any last activation, and is plain blocking code that calls [`Run::step`]
//! between bounded chunks: a superseded run stops there. Definitions: integrated gradients (Sundararajan 2017), saturation
//! mutagenesis (all single substitutions), occlusion (Zeiler and Fergus 2014), saliency (Simonyan 2013).

mod activation_map;
mod backward_rules;
mod baseline;
mod between;
mod class_optimisation;
mod deep_lift;
#[cfg(test)]
mod definitions;
mod edits;
mod epistasis;
mod integrated_gradients;
pub mod kernels;
mod lanes;
mod marginalisation;
mod occlusion;
mod options;
mod path;
mod prefix_output;
mod quadrature;
mod review;
mod saliency;
mod saturation_mutagenesis;
mod shuffle;
mod smooth_grad;
pub mod truth;
mod variants;
mod views;

pub use between::between;
pub use lanes::{BLOCK, DNA, lanes, sums, worth_of_bases};
pub use options::{Baseline, Options, Replacement, Rule, Unit, Views, parse_motif};
pub use path::{Node, Path, path_gradients};
pub use review::{NOT_OFFERED, NotOffered};
pub(crate) use shuffle::dinucleotide_shuffle;
pub use views::MutagenesisView;

use crate::models::{Batch, Input, Model, ModelError, N_INPUTS};
use candle_core::{DType, Tensor};
use serde::{Deserialize, Serialize};

/// Every method, in the order `cislens list methods` prints.
pub const METHODS: &[&dyn Method] = &[
    &saliency::Saliency,
    &saliency::InputXGradient,
    &saliency::CorrectedGradient,
    &smooth_grad::SmoothGrad,
    &backward_rules::GuidedBackpropagation,
    &backward_rules::Deconvnet,
    &deep_lift::DeepLift,
    &activation_map::ClassActivationMap,
    &integrated_gradients::IntegratedGradients,
    &integrated_gradients::ExpectedGradients,
    &saturation_mutagenesis::SaturationMutagenesis,
    &occlusion::Occlusion,
    &edits::Deletion,
    &edits::Insertion,
    &edits::MotifInsertion,
    &marginalisation::Marginalisation,
    &epistasis::Epistasis,
    &prefix_output::PrefixOutput,
    &class_optimisation::ClassOptimisation,
];

/// The method of a name or alias.
pub fn method(name: &str) -> Option<&'static dyn Method> {
    METHODS.iter().copied().find(|m| m.name() == name || m.alias() == Some(name))
}

/// Why a method gave no result.
#[derive(Debug, thiserror::Error)]
pub enum AttributionError {
    /// Something newer is wanted.
    #[error("superseded")]
    Cancelled,
    /// The network or its input.
    #[error(transparent)]
    Model(ModelError),
    /// The method says nothing about this network.
    #[error("{0}")]
    NotApplicable(String),
}

impl From<ModelError> for AttributionError {
    fn from(error: ModelError) -> Self {
        match error {
            ModelError::NoGradient(_) => Self::NotApplicable(error.to_string()),
            other => Self::Model(other),
        }
    }
}

impl From<candle_core::Error> for AttributionError {
    fn from(error: candle_core::Error) -> Self {
        Self::Model(error.into())
    }
}

/// A way to explain a prediction.
pub trait Method: Sync {
    /// Kebab-case, as on the command line.
    fn name(&self) -> &'static str;

    /// A short second name.
    fn alias(&self) -> Option<&'static str> {
        None
    }

    /// One line of what it computes.
    fn about(&self) -> &'static str;

    /// The reason why a network cannot be explained this way, if there is one.
    fn obstacle(&self, _model: &dyn Model) -> Option<String> {
        None
    }

    /// Names of the options it reads, as on the command line; others would change nothing.
    fn settings(&self) -> &'static [&'static str] {
        &[]
    }

    /// What has to be known to read the result right.
    fn caution(&self) -> Option<&'static str> {
        None
    }

    /// Options as they are where nothing is asked for.
    fn defaults(&self) -> Options {
        Options::default()
    }

    /// Explains F of one window.
    fn attribute(
        &self,
        model: &dyn Model,
        input: &Input,
        options: &Options,
        run: &mut Run<'_>,
    ) -> Result<Attribution, AttributionError>;
}

/// The result of a method for one window, in the network's orientation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Attribution {
    /// Name of the method. Whoever stores a result stores it by this name.
    #[serde(skip)]
    pub method: &'static str,
    /// The method's settings in words, with the baseline.
    pub settings: String,
    /// Hash of the model's weights; empty where it was read from no file.
    pub model_hash: String,
    /// Hash of everything the network read.
    pub input_hash: String,
    /// Type of the numbers: f32 or f64.
    pub precision: String,
    /// Seed of what was drawn at random.
    pub seed: Option<u64>,
    /// F of the input.
    pub score: f64,
    /// The bases the network read; `None` where it reads no DNA.
    pub reference: Option<Vec<u8>>,
    /// A value a base and alternative, channels A,C,G,T; NaN where not computed (yet). `None` where no DNA is read.
    pub sequence: Option<Vec<[f32; 4]>>,
    /// `[positions, k]` as the mark input; NaN where not computed (yet). `None` where no mark is read or explained.
    pub marks: Option<Vec<f32>>,
    /// One value a transcription factor, of its expression. `None` where none is read or explained.
    pub expression: Option<Vec<f32>>,
    /// One value a transcription factor, of its motif score.
    pub motif_scores: Option<Vec<f32>>,
    /// One value a bin of the window (as many as there are, of equal size), where a method gives neither bases nor marks.
    pub profile: Option<Vec<f32>>,
    /// One value a pair of units, for methods of pairs.
    pub pairs: Option<Pairs>,
    /// Spread of what was drawn at random: the standard error of the mean that is the result; of many values its root mean square.
    pub standard_error: Option<f64>,
    /// Signed convergence delta, `sum(attributions) - (F(x) - F(baseline))`, for methods that promise completeness.
    pub delta: Option<f64>,
    /// `|delta| / max(|F(x) - F(baseline)|, 0.001 * sum|attribution|)`.
    pub gap: Option<f64>,
    /// Effects below this are rounding: 4 eps |F|.
    pub rounding: f64,
    /// Evaluations done, of [`Attribution::total`].
    pub done: usize,
    /// Evaluations of a complete result.
    pub total: usize,
}

/// A symmetric matrix over units of the input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pairs {
    /// What each unit is, in words: `H3K4me3 5000-5050`.
    pub units: Vec<String>,
    /// `[units, units]`, row-major.
    pub values: Vec<f32>,
}

impl Attribution {
    /// An empty result of a method: nothing computed yet.
    pub(crate) fn new(method: &'static str, settings: String, score: f64, input: &Input, model: &dyn Model) -> Self {
        let dtype = model.dtype();
        let eps = if dtype == DType::F64 { f64::EPSILON } else { f64::from(f32::EPSILON) };
        Self {
            method,
            settings,
            model_hash: model.manifest().hash.clone(),
            input_hash: input.hash(),
            precision: dtype.as_str().to_owned(),
            seed: None,
            score,
            reference: input.sequence.clone(),
            sequence: None,
            marks: None,
            expression: None,
            motif_scores: None,
            profile: None,
            pairs: None,
            standard_error: None,
            delta: None,
            gap: None,
            rounding: 4.0 * eps * score.abs(),
            done: 0,
            total: 0,
        }
    }

    /// Whether every evaluation is in.
    pub fn is_complete(&self) -> bool {
        self.done == self.total
    }

    /// The sum over everything explained.
    pub fn sum(&self) -> f64 {
        let finite = |v: &f32| if v.is_finite() { f64::from(*v) } else { 0.0 };
        let sequence: f64 = self.sequence.iter().flatten().flatten().map(finite).sum();
        sequence
            + [&self.marks, &self.expression, &self.motif_scores, &self.profile]
                .into_iter()
                .flatten()
                .flatten()
                .map(finite)
                .sum::<f64>()
    }

    /// Takes in how far the attributions are from summing to `change`, F(x) - F(baseline).
    fn set_completeness(&mut self, attributions: &[Vec<f64>; N_INPUTS], change: f64) {
        let (delta, gap) = completeness(attributions, change);
        (self.delta, self.gap) = (Some(delta), Some(gap));
    }

    /// Takes in a value for each number of each input, in the order of [`Batch::parts`]; the network's base order becomes A,C,G,T.
    fn set_parts(&mut self, input: &Input, [sequence, marks, expression, motif_scores]: [Vec<f64>; N_INPUTS]) {
        let given = |values: Vec<f64>| (!values.is_empty()).then(|| values.iter().map(|v| *v as f32).collect());
        self.sequence = input.sequence.as_ref().map(|_| in_acgt(input, &sequence));
        (self.marks, self.expression, self.motif_scores) = (given(marks), given(expression), given(motif_scores));
    }
}

/// A larger gap is warned of, and a path with it refined where that is wanted.
pub const LARGE_GAP: f64 = 0.01;

/// [`Attribution::delta`] and [`Attribution::gap`].
fn completeness(attributions: &[Vec<f64>; N_INPUTS], change: f64) -> (f64, f64) {
    let all = || attributions.iter().flatten();
    let delta = all().sum::<f64>() - change;
    let size: f64 = all().map(|v| v.abs()).sum();
    let scale = change.abs().max(1e-3 * size);
    (delta, if scale > 0.0 { delta.abs() / scale } else { 0.0 })
}

/// A run's link to whoever started it: may it go on, and where partial results go.
pub struct Run<'a> {
    is_current: &'a dyn Fn() -> bool,
    report: &'a mut dyn FnMut(&Attribution),
}

impl<'a> Run<'a> {
    /// A run that goes on while `is_current` says so and hands partial results to `report`.
    pub fn new(is_current: &'a dyn Fn() -> bool, report: &'a mut dyn FnMut(&Attribution)) -> Self {
        Self { is_current, report }
    }

    /// Called between chunks of at most some 25 ms: ends a run that is no longer wanted.
    pub fn step(&self) -> Result<(), AttributionError> {
        if (self.is_current)() { Ok(()) } else { Err(AttributionError::Cancelled) }
    }

    /// Hands on what is there so far.
    pub fn partial(&mut self, attribution: &Attribution) -> Result<(), AttributionError> {
        self.step()?;
        (self.report)(attribution);
        Ok(())
    }
}

/// Runs a method to its end, with nobody waiting for parts of it.
pub fn run_whole(
    method: &dyn Method,
    model: &dyn Model,
    input: &Input,
    options: &Options,
) -> Result<Attribution, AttributionError> {
    if let Some(reason) = method.obstacle(model) {
        return Err(AttributionError::NotApplicable(reason));
    }
    method.attribute(model, input, options, &mut Run::new(&|| true, &mut |_| ()))
}

/// The obstacle of methods that need DNA.
fn reads_no_dna(model: &dyn Model) -> Option<String> {
    let manifest = model.manifest();
    manifest.input.sequence.is_none().then(|| format!("{} reads no DNA", manifest.architecture))
}

/// F of each window of a batch; a value that is not finite is an error.
fn scores(model: &dyn Model, batch: &Batch) -> Result<Vec<f64>, AttributionError> {
    finite_scores(&model.forward(batch)?.score)
}

fn finite_scores(score: &Tensor) -> Result<Vec<f64>, AttributionError> {
    let scores: Vec<f64> = score.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?;
    match scores.iter().find(|s| !s.is_finite()) {
        Some(&value) => Err(ModelError::NotFinite { place: "the model's output".to_owned(), value }.into()),
        None => Ok(scores),
    }
}

/// A tensor's values, row-major, as f32 for results and as f64 for sums.
fn values(tensor: &Tensor) -> Result<Vec<f64>, AttributionError> {
    Ok(tensor.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?)
}

/// `[length, 4]` values in the network's base order as rows in A,C,G,T.
fn in_acgt(input: &Input, values: &[f64]) -> Vec<[f32; 4]> {
    let channels = [0, 1, 2, 3].map(|acgt| input.channel_of(acgt));
    values.chunks_exact(4).map(|row| channels.map(|c| row[c] as f32)).collect()
}

#[cfg(test)]
mod tests;
