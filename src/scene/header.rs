//! What is shown, of what: sample, model, gene, place, predicted beside measured.

use super::signals::format_span;
use crate::jobs::Prediction;
use crate::models::{Manifest, OutputKind, measured_output};
use crate::state::State;

/// The words of the header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Sample in view.
    pub sample: String,
    /// Model in use, empty where there is none.
    pub model: String,
    /// Its hash, empty where there is none.
    pub model_hash: String,
    /// Gene with its strand, empty where there is none.
    pub gene: String,
    /// Place, 1-based and inclusive; gene-relative views have none.
    pub locus: String,
    /// Width of the view.
    pub span: String,
    /// What the model predicts, empty until it does.
    pub predicted: String,
    /// What was measured, empty where nothing was.
    pub measured: String,
    /// The model or sample that is compared, empty where none is.
    pub compared: String,
    /// What is predicted and measured there, with the difference.
    pub compared_says: String,
    /// Said about all of it: first what is wrong with the input, then what the session says (simulated data).
    pub notes: Vec<String>,
    /// How many of the notes are about the input.
    pub n_caveats: usize,
}

impl Header {
    /// What is to be said of a state.
    pub fn build(state: &State) -> Self {
        let session = &state.session;
        let manifest = state.current_model().and_then(|m| m.manifest.as_ref().ok());
        let mut header = Self {
            sample: session.samples.get(state.sample.0).map(|s| s.name.clone()).unwrap_or_default(),
            model: state.current_model().map(super::super::state::ModelInfo::name).unwrap_or_default(),
            model_hash: manifest.map(|m| m.hash.clone()).unwrap_or_default(),
            span: format_span(state.region.len() as f64),
            ..Self::default()
        };
        if let Some(gene) = state.current_gene() {
            // A bin table does not say which strand its genes are on.
            header.gene = match session.genome.is_gene_relative {
                true => gene.name.clone(),
                false => format!("{} ({})", gene.name, gene.strand),
            };
        }
        if !session.genome.is_gene_relative {
            header.locus = state.region.to_string();
        }
        let has_obstacle = state.obstacle().is_some();
        if has_obstacle {
            header.predicted = "n/a".to_owned();
        }
        let prediction = state.explained.prediction().filter(|_| !has_obstacle);
        if let (Some(manifest), Some(prediction)) = (manifest, prediction) {
            header.predicted = predicted(manifest, prediction);
            header.notes = caveats(manifest, prediction);
            header.notes.extend(moved_bases(state));
        }
        header.notes.extend(state.trust().map(crate::jobs::Trust::badge));
        header.n_caveats = header.notes.len();
        if !session.note.is_empty() {
            header.notes.push(session.note.clone());
        }
        header.measured = match manifest.filter(|m| m.output.signal.is_some()) {
            Some(manifest) => prediction.and_then(|p| measured_signal(manifest, p)).unwrap_or_default(),
            None => measured(state, manifest).unwrap_or_default(),
        };
        if let (Some([_, there]), Some(subject)) = (state.sides(), state.compared_subject()) {
            header.compared = there;
            header.compared_says = compared(state, &subject).unwrap_or_default();
        }
        header
    }
}

/// What is predicted and measured there, and the difference of predictions where it means something.
fn compared(state: &State, subject: &crate::jobs::Subject) -> Option<String> {
    if state.compared_obstacle().is_some() {
        return Some("n/a".to_owned());
    }
    let manifest = state.models.get(subject.model)?.manifest.as_ref().ok()?;
    let prediction = state.compared.explained.prediction()?;
    let mut parts = Vec::new();
    if let Some(measured) = measured_output(&state.session, manifest, subject.sample, subject.gene) {
        parts.push(match manifest.output.kind {
            OutputKind::Regression => format!("measured {measured:.2}"),
            OutputKind::Binary => format!("measured {}", if measured > 0.0 { "high" } else { "low" }),
        });
    }
    if let Some(here) = state.explained.prediction().filter(|_| state.is_one_unit()) {
        parts.push(format!("difference {:+.2}", here.output - prediction.output));
    }
    let beside = if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) };
    Some(format!("{}{beside}", predicted(manifest, prediction)))
}

/// The prediction; where there are edits, before and after them with the difference.
fn predicted(manifest: &Manifest, prediction: &Prediction) -> String {
    let what = match manifest.output.kind {
        OutputKind::Regression => String::new(),
        OutputKind::Binary => format!("P({}) ", manifest.output.unit),
    };
    match prediction.unedited {
        None => format!("{what}{:.2}", prediction.output),
        Some(before) => {
            let change = prediction.output - before.output;
            format!("{what}{:.3} \u{2192} {:.3} ({change:+.3})", before.output, prediction.output)
        }
    }
}

/// Said where bases are put in or taken out: rows of the model stand where the window reads, and that has moved.
fn moved_bases(state: &State) -> Option<String> {
    let growth: i64 = state.subject()?.edits.iter().map(|edit| edit.growth()).sum();
    (growth != 0).then(|| format!("DNA away from the gene is moved by {} bp in the model's rows", growth.abs()))
}

/// What was measured of the signal that the model predicts, where it predicts it.
fn measured_signal(manifest: &Manifest, prediction: &Prediction) -> Option<String> {
    let value = prediction.measured?;
    Some(match manifest.output.kind {
        OutputKind::Regression => format!("{:.2} {}", manifest.output.target(value), manifest.output.unit),
        OutputKind::Binary if value > 0.5 => manifest.output.unit.clone(),
        OutputKind::Binary => format!("not {}", manifest.output.unit),
    })
}

/// The measurement in the model's own terms, or as it stands where there is no model.
fn measured(state: &State, manifest: Option<&Manifest>) -> Option<String> {
    let sample = state.session.samples.get(state.sample.0)?;
    let value = state.session.expression(state.sample, state.current_gene()?)?;
    let unit = &sample.unit;
    Some(match manifest {
        Some(m) if m.output.kind == OutputKind::Regression => {
            format!("{:.2} {}", (value + m.output.pseudocount).ln(), m.output.unit)
        }
        Some(m) => {
            let median = m.output.threshold.or_else(|| sample.expression.as_ref().map(|e| e.median()))?;
            let class = if value > median { "high" } else { "low" };
            format!("{class} ({unit} {}, median {})", amount(value), amount(median))
        }
        None => format!("{} {unit}", amount(value)),
    })
}

fn amount(value: f64) -> String {
    match value.fract() == 0.0 && value >= 1_000.0 {
        true => crate::genome::thousands(value as u64),
        false => super::format_value(value as f32),
    }
}

fn caveats(manifest: &Manifest, prediction: &Prediction) -> Vec<String> {
    let mut notes = Vec::new();
    if prediction.off_chromosome > 0 {
        notes.push(format!("{} bp of the window lie off the chromosome (read as N and 0)", prediction.off_chromosome));
    }
    for (mark, share) in manifest.input.marks.iter().zip(&prediction.missing) {
        if *share >= 0.01 {
            notes.push(format!("{mark}: {:.0} % of the window not measured, read as {}", 100.0 * share, manifest.input.missing));
        }
    }
    notes
}
