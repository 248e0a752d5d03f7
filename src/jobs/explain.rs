//! Prediction and everything that explains it, in the order in which it is useful: prediction and attention, integrated
//! gradients, occlusion of bins, mutagenesis outward from where the reader looks.

use super::{AnalysisFailure, JobId, LoadModel, Reply, Slot, contained, send};
use crate::attribution::{self, AttributionError, Options, Run};
use crate::genome::{GeneId, Window};
use crate::models::{Attention, Input, Model, OutputKind, SampleSource};
use crate::session::{Readers, SampleId, Session};
use candle_core::{DType, Tensor};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedSender;

/// What is explained: a model's prediction for a gene in a sample.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Subject {
    /// Index of the model in the session.
    pub model: usize,
    /// The sample.
    pub sample: SampleId,
    /// The gene.
    pub gene: GeneId,
    /// The window the model reads.
    pub window: Window,
}

/// A request to explain a subject.
#[derive(Clone, Debug, PartialEq)]
pub struct Explain {
    /// What to explain.
    pub subject: Subject,
    /// Genome position mutagenesis starts from.
    pub centre: u64,
    /// Analyses wanted, in order.
    pub analyses: Vec<Analysis>,
}

/// An attribution with a row of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Analysis {
    /// Integrated gradients.
    IntegratedGradients,
    /// Occlusion of bins of marks.
    Occlusion,
    /// Saturation mutagenesis of bases.
    SaturationMutagenesis,
}

impl Analysis {
    /// All, in the order they are computed.
    pub const ALL: [Self; 3] = [Self::IntegratedGradients, Self::Occlusion, Self::SaturationMutagenesis];

    /// The method's name in [`attribution::METHODS`].
    pub fn method(self) -> &'static str {
        match self {
            Self::IntegratedGradients => "integrated-gradients",
            Self::Occlusion => "occlusion",
            Self::SaturationMutagenesis => "saturation-mutagenesis",
        }
    }
}

/// What a network says about a subject.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// F: regression value or logit.
    pub score: f64,
    /// What the network gives its user: the value, or the probability of "high".
    pub output: f64,
    /// Attention in rows: one over bins, or one a mark.
    pub attention: Vec<Vec<f32>>,
    /// Mark weights (beta) beside hierarchical attention.
    pub mark_attention: Vec<f32>,
    /// Share of bases of each mark that were not measured.
    pub missing: Vec<f32>,
    /// Bases of the window that lie off the chromosome.
    pub off_chromosome: u64,
    /// Hash of everything the network read.
    pub input_hash: String,
}

/// Loaded networks by index, and the reason for those that did not load.
type Loaded = HashMap<usize, Result<Arc<dyn Model>, String>>;

/// Answers requests until the slot closes.
pub(super) fn serve(
    slot: &Slot<Explain>,
    session: Arc<Session>,
    models: &[PathBuf],
    load: &LoadModel,
    replies: &UnboundedSender<Reply>,
) {
    let mut readers = Readers::new(session);
    let mut loaded = Loaded::new();
    while let Some((job, request)) = slot.take() {
        let index = request.subject.model;
        let model = loaded.entry(index).or_insert_with(|| match models.get(index) {
            Some(folder) => contained(|| load(folder)).and_then(|r| r).map(Arc::from),
            None => Err(format!("no model {index}")),
        });
        let answered = match model {
            Ok(model) => contained(|| predict(&**model, &request.subject, &mut readers)).and_then(|r| r),
            Err(reason) => Err(reason.clone()),
        };
        let (prediction, input) = match answered {
            Ok((prediction, input)) => (Ok(Arc::new(prediction)), Some(input)),
            Err(reason) => (Err(reason), None),
        };
        send(replies, Reply::Prediction { job, prediction });
        if let (Some(input), Ok(model)) = (input, model) {
            explain(slot, job, &request, &**model, &input, replies);
        }
    }
}

/// Assembles the input and runs the network once.
pub fn predict(model: &dyn Model, subject: &Subject, readers: &mut Readers) -> Result<(Prediction, Input), String> {
    let manifest = model.manifest();
    let session = readers.session().clone();
    let mut source = SampleSource::new(readers, subject.sample, manifest);
    let input = Input::assemble(manifest, &subject.window, &mut source).map_err(|e| e.to_string())?;
    let prediction = predict_input(model, &input).map_err(|e| e.to_string())?;
    let off_chromosome = subject.window.bases_off(session.genome.chroms.len_of(subject.window.chrom()).unwrap_or(0));
    Ok((Prediction { off_chromosome, ..prediction }, input))
}

/// Runs the network once on an input.
pub fn predict_input(model: &dyn Model, input: &Input) -> Result<Prediction, AttributionError> {
    let output = model.forward(&input.batch(model.dtype())?)?;
    let score = output.score.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?[0];
    if !score.is_finite() {
        let place = "the model's output".to_owned();
        return Err(crate::models::ModelError::NotFinite { place, value: score }.into());
    }
    let rows = |t: &Tensor| -> Result<Vec<Vec<f32>>, AttributionError> { Ok(t.to_dtype(DType::F32)?.to_vec2()?) };
    let (attention, mark_attention) = match &output.attention {
        Some(Attention::Bins(weights)) => (rows(weights)?, Vec::new()),
        Some(Attention::Hierarchical { alpha, beta }) => (rows(&alpha.get(0)?)?, rows(beta)?.concat()),
        None => (Vec::new(), Vec::new()),
    };
    let output = match model.manifest().output.kind {
        OutputKind::Regression => score,
        OutputKind::Binary => 1.0 / (1.0 + (-score).exp()),
    };
    let (missing, input_hash) = (input.missing.clone(), input.hash());
    Ok(Prediction { score, output, attention, mark_attention, missing, off_chromosome: 0, input_hash })
}

fn explain(
    slot: &Slot<Explain>,
    job: JobId,
    request: &Explain,
    model: &dyn Model,
    input: &Input,
    replies: &UnboundedSender<Reply>,
) {
    let is_current = || slot.is_current(job);
    let centre = input.window.index(request.centre as i64).map(|i| i as usize);
    let options = Options { centre, ..Options::default() };
    for &analysis in &request.analyses {
        if !is_current() {
            return;
        }
        let Some(method) = attribution::method(analysis.method()) else { continue };
        let reply = |attribution| send(replies, Reply::Attribution { job, analysis, attribution });
        if let Some(reason) = method.obstacle(model.manifest()) {
            reply(Err(AnalysisFailure::NotApplicable(reason)));
            continue;
        }
        let mut report = |partial: &attribution::Attribution| reply(Ok(Arc::new(partial.clone())));
        let mut run = Run::new(&is_current, &mut report);
        match contained(|| method.attribute(model, input, &options, &mut run)) {
            Ok(Ok(result)) => reply(Ok(Arc::new(result))),
            Ok(Err(AttributionError::Cancelled)) => return,
            Ok(Err(AttributionError::NotApplicable(reason))) => reply(Err(AnalysisFailure::NotApplicable(reason))),
            Ok(Err(error)) => reply(Err(AnalysisFailure::Failed(error.to_string()))),
            Err(panic) => reply(Err(AnalysisFailure::Failed(panic))),
        }
    }
}
