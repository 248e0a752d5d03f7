//! `--kind betas`: the weight that a model gives each mark of a gene, over samples (AttentiveChrome, figure 2c).

use super::super::Failure;
use super::super::view::commands;
use super::args::FigureArgs;
use super::choices::{choose_gene, go_to};
use super::compose::Made;
use crate::export::{self, FigureOptions, Heatmap, Provenance, draw_heatmaps};
use crate::jobs::{Prediction, Subject, predict};
use crate::models::{measured_output, missing_input, open_model};
use crate::session::{Readers, SampleId};
use crate::state::State;
use crate::tracks::clean_text;
use anyhow::anyhow;
use std::path::Path;

/// A line a sample that can feed the model, a column a mark.
pub(super) fn compose(mut state: State, figure: &FigureArgs, out: &Path, options: FigureOptions) -> Result<Made, Failure> {
    if figure.zoom.is_some() || figure.loci.is_some() || !figure.edit.is_empty() {
        return Err(Failure::Usage("--kind betas is of one gene: no --zoom, --loci, --edit".to_owned()));
    }
    go_to(&mut state, "--locus", figure.locus.as_deref())?;
    choose_gene(&mut state, figure)?;
    let info = state.current_model().ok_or_else(|| anyhow!("--kind betas: the session has no model"))?;
    let manifest = info.manifest.clone().map_err(|reason| anyhow!("{reason}"))?;
    let subject = state.subject().ok_or_else(|| anyhow!("--kind betas: no gene here to predict"))?;
    let session = state.session.clone();
    let gene = session.genome.genes.get(subject.gene);
    let model = open_model(&info.folder, &candle_core::Device::Cpu, commands(figure.allow_command))?;
    let mut readers = Readers::new(session.clone());
    let fits = |sample: &SampleId| missing_input(&session, *sample, &manifest).is_none();
    let samples: Vec<SampleId> = (0..session.samples.len()).map(SampleId).filter(fits).collect();
    let mut found: Vec<(SampleId, Prediction)> = Vec::new();
    for sample in samples {
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
        unit: "weight of a mark; those of a sample add up to 1".to_owned(),
        ..Heatmap::default()
    };
    let place = ["--kind", "betas", "--locus", &state.region.to_string(), "--gene", &gene.name].map(str::to_owned);
    let command = export::command_at(&state, &figure.files, &place, out, &options);
    let made = format!(
        "cislens {} \u{b7} model {} ({}) \u{b7} genome {}",
        env!("CARGO_PKG_VERSION"),
        manifest.name,
        manifest.hash,
        session.genome.name
    );
    let beside = format!("beside each sample {}", if manifest.output.unit == "high" { "P(high)" } else { "the prediction" });
    let notes = [session.note.clone(), beside, made, format!("made by: {command}")];
    let notes: Vec<String> = notes.into_iter().filter(|note| !note.is_empty()).collect();
    let title = format!("{}: {} in {} samples", manifest.name, gene.name, found.len());
    let svg = draw_heatmaps(&title, &notes, &[map], options.width_mm, &options.theme)?;

    let line = |(sample, prediction): &(SampleId, Prediction)| {
        let measured = measured_output(&session, &manifest, *sample, subject.gene);
        let measured = measured.map_or_else(|| "NA".to_owned(), |value| format!("{value:.4}"));
        let weights: String = prediction.mark_attention.iter().map(|weight| format!("\t{weight:.6}")).collect();
        format!("{}\t{:.4}\t{measured}{weights}\n", clean_text(&name(sample)), prediction.output)
    };
    let columns: String = marks.iter().map(|mark| format!("\tbeta_{}", clean_text(mark))).collect();
    let lines: String = found.iter().map(line).collect();
    let table = format!("# {}\nsample\tpredicted\tmeasured{columns}\n{lines}", clean_text(&notes.join("; ")));
    let (chroms, places) = (session.genome.chroms.clone(), format!("{} in {} samples", gene.name, found.len()));
    let provenance = Provenance::of(&state, command);
    let table = Some(table);
    Ok(Made { svg, scenes: Vec::new(), chroms, options, provenance, messages: state.messages, places, table })
}
