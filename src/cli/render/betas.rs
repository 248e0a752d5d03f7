//! `--kind betas`: the weight that a model gives each mark of a gene, over samples (AttentiveChrome, figure 2c).

use super::super::Failure;
use super::args::FigureArgs;
use super::compose::Made;
use super::page::{Page, heatmaps, manifest_of, model_of, place_of, subject_of};
use crate::export::{FigureOptions, Heatmap};
use crate::jobs::{Prediction, Subject, predict};
use crate::models::measured_output;
use crate::models::samples_that_feed;
use crate::session::{Readers, SampleId};
use crate::state::State;
use crate::tracks::clean_text;
use anyhow::anyhow;
use std::path::Path;

/// A line a sample that can feed the model, a column a mark.
pub(super) fn compose(mut state: State, figure: &FigureArgs, out: &Path, options: FigureOptions) -> Result<Made, Failure> {
    let subject = subject_of(&mut state, figure, "betas")?;
    let manifest = manifest_of(&state, "betas")?;
    let model = model_of(&state, figure, "betas")?;
    let session = state.session.clone();
    let gene = session.genome.genes.get(subject.gene);
    let mut readers = Readers::new(session.clone());
    let mut found: Vec<(SampleId, Prediction)> = Vec::new();
    for sample in samples_that_feed(&session, &manifest) {
        let (prediction, _) =
            predict(&*model, &Subject { sample, ..subject.clone() }, &mut readers).map_err(|reason| anyhow!("{reason}"))?;
        if prediction.mark_attention.is_empty() {
            let reason = format!("--kind betas: {} gives marks no weights; attentive-chrome does", manifest.architecture);
            return Err(Failure::Usage(reason));
        }
        found.push((sample, prediction));
    }
    if found.is_empty() {
        return Err(anyhow!("--kind betas: no sample can feed {}", manifest.name).into());
    }
    let marks = &manifest.input.marks;
    let name = |sample: &SampleId| session.samples[sample.0].name.clone();
    let map = Heatmap {
        title: format!("\u{3b2} of each mark for {}", gene.name),
        rows: found.iter().map(|(sample, p)| format!("{} {:.2}", name(sample), p.output)).collect(),
        columns: marks.iter().enumerate().map(|(i, mark)| ((i as f64 + 0.5) / marks.len() as f64, mark.clone())).collect(),
        values: found.iter().map(|(_, p)| p.mark_attention.iter().map(|w| f64::from(*w)).collect()).collect(),
        unit: "weight".to_owned(),
        ..Heatmap::default()
    };
    let line = |(sample, prediction): &(SampleId, Prediction)| {
        let measured = measured_output(&session, &manifest, *sample, subject.gene);
        let measured = measured.map_or_else(|| "NA".to_owned(), |value| format!("{value:.4}"));
        let weights: String = prediction.mark_attention.iter().map(|weight| format!("\t{weight:.6}")).collect();
        format!("{}\t{:.4}\t{measured}{weights}\n", clean_text(&name(sample)), prediction.output)
    };
    let columns: String = marks.iter().map(|mark| format!("\tbeta_{}", clean_text(mark))).collect();
    let lines: String = found.iter().map(line).collect();
    let page = Page {
        place: place_of(&state, "betas", &gene.name),
        title: format!("{}: {} in {} samples", manifest.name, gene.name, found.len()),
        note: format!(
            "the weights of a sample add up to 1; beside each sample {}",
            if manifest.output.unit == "high" { "P(high)" } else { "the prediction" }
        ),
        places: format!("{} in {} samples", gene.name, found.len()),
        table: Some(format!("sample\tpredicted\tmeasured{columns}\n{lines}")),
    };
    heatmaps(state, &manifest, figure, (out, options), page, &[map])
}
