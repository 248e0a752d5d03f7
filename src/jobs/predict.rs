//! One run of a network on what a gene's window holds in a sample, and what is said of it.

use crate::attribution::AttributionError;
use crate::genome::{GeneId, Region, Window};
use crate::models::{Attention, EditedSource, Input, Manifest, Model, OutputKind};
use crate::session::{Edit, Readers, SampleId};
use candle_core::{DType, Tensor};
use std::sync::Arc;

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
    /// What is changed in it before the model reads it.
    pub edits: Arc<[Edit]>,
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
    /// The same without the edits, where there are any.
    pub unedited: Option<Unedited>,
    /// What was measured of the signal that the network predicts, as it is learnt (its mean, or 1 for open), where it predicts one.
    pub measured: Option<f64>,
    /// Bases of the window that lie off the chromosome.
    pub off_chromosome: u64,
    /// Hash of everything the network read.
    pub input_hash: String,
}

/// A prediction, in short.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Brief {
    /// As [`Prediction::score`].
    pub score: f64,
    /// As [`Prediction::output`].
    pub output: f64,
    /// As [`Prediction::mark_attention`].
    pub mark_attention: Vec<f32>,
}

impl Brief {
    /// What is kept of a prediction.
    pub fn of(prediction: &Prediction) -> Self {
        let Prediction { score, output, mark_attention, .. } = prediction;
        Self { score: *score, output: *output, mark_attention: mark_attention.clone() }
    }
}

/// What a network says of a window before it is edited.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Unedited {
    /// As [`Prediction::score`].
    pub score: f64,
    /// As [`Prediction::output`].
    pub output: f64,
}

/// Assembles the input and runs the network once; where there are edits, once more without them.
pub fn predict(model: &dyn Model, subject: &Subject, readers: &mut Readers) -> Result<(Prediction, Input), String> {
    let manifest = model.manifest();
    let session = readers.session().clone();
    let mut with = |edits: &[Edit]| {
        let mut source = EditedSource::new(readers, subject.sample, manifest, &subject.window, edits);
        let input = Input::assemble(manifest, &subject.window, &mut source).map_err(|e| e.to_string())?;
        Ok::<_, String>((predict_input(model, &input).map_err(|e| e.to_string())?, input))
    };
    let (mut prediction, input) = with(&subject.edits)?;
    if !subject.edits.is_empty() {
        let (Prediction { score, output, .. }, _) = with(&[])?;
        prediction.unedited = Some(Unedited { score, output });
    }
    let off_chromosome = subject.window.bases_off(session.genome.chroms.len_of(subject.window.chrom()).unwrap_or(0));
    let measured = measured_signal(manifest, subject.sample, &subject.window, readers);
    Ok((Prediction { off_chromosome, measured, ..prediction }, input))
}

/// What was measured of the signal that a network predicts, in the bases it predicts it for; `None` where it predicts none or the
/// sample was not measured.
pub fn measured_signal(manifest: &Manifest, sample: SampleId, window: &Window, readers: &mut Readers) -> Option<f64> {
    let target = manifest.output.signal.as_ref()?;
    let anchor = window.position(manifest.window.tss_index);
    let start = u64::try_from(anchor - target.length as i64 / 2).ok()?;
    let bin = Region::new(window.chrom().clone(), start, start + target.length);
    match manifest.output.kind {
        OutputKind::Regression => target.means(readers, sample, &bin).ok()?.first().copied(),
        OutputKind::Binary => target.open(readers, sample, &bin).ok()?.first().map(|open| f64::from(u8::from(*open))),
    }
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
        Some(Attention::Marks(alpha)) => (rows(&alpha.get(0)?)?, Vec::new()),
        Some(Attention::Hierarchical { alpha, beta }) => (rows(&alpha.get(0)?)?, rows(beta)?.concat()),
        None => (Vec::new(), Vec::new()),
    };
    let output = model.manifest().output.kind.of_score(score);
    let (missing, input_hash) = (input.missing.clone(), input.hash());
    Ok(Prediction {
        score,
        output,
        attention,
        mark_attention,
        missing,
        unedited: None,
        measured: None,
        off_chromosome: 0,
        input_hash,
    })
}
