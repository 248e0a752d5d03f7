//! What figures have in common that do not lie along the genome: their notes, the command that makes them, their values.

use super::super::Failure;
use super::super::view::commands;
use super::args::FigureArgs;
use super::choices::{choose_gene, go_to};
use super::compose::Made;
use crate::export::{self, FigureError, FigureOptions, Heatmap, Provenance};
use crate::jobs::Subject;
use crate::models::{Manifest, Model, open_model};
use crate::state::State;
use anyhow::anyhow;
use std::path::Path;

/// A figure of its own kind.
pub(super) struct Page {
    /// What tells it from others of its kind: options of the command and their values.
    pub place: Vec<String>,
    pub title: String,
    /// What a reader has to know.
    pub note: String,
    /// What it shows, in words.
    pub places: String,
    /// Its values: a line of names, then a line each.
    pub table: Option<String>,
}

/// The current model's manifest, where there is one.
pub(super) fn manifest_of(state: &State, kind: &str) -> Result<Manifest, Failure> {
    let info = state.current_model().ok_or_else(|| anyhow!("--kind {kind}: the session has no model"))?;
    Ok(info.manifest.clone().map_err(|reason| anyhow!("{reason}"))?)
}

/// The current model, opened.
pub(super) fn model_of(state: &State, figure: &FigureArgs, kind: &str) -> Result<Box<dyn Model>, Failure> {
    let info = state.current_model().ok_or_else(|| anyhow!("--kind {kind}: the session has no model"))?;
    Ok(open_model(&info.folder, &candle_core::Device::Cpu, commands(figure.allow_command))?)
}

/// Goes to the gene of a figure of one.
pub(super) fn subject_of(state: &mut State, figure: &FigureArgs, kind: &str) -> Result<Subject, Failure> {
    if figure.zoom.is_some() || figure.loci.is_some() || !figure.edit.is_empty() {
        return Err(Failure::Usage(format!("--kind {kind} is of one gene: no --zoom, --loci, --edit")));
    }
    go_to(state, "--locus", figure.locus.as_deref())?;
    choose_gene(state, figure)?;
    Ok(state.subject().ok_or_else(|| anyhow!("--kind {kind}: no gene here to predict"))?)
}

/// Options that name a gene of a state.
pub(super) fn place_of(state: &State, kind: &str, gene: &str) -> Vec<String> {
    ["--kind", kind, "--locus", &state.region.to_string(), "--gene", gene].map(str::to_owned).to_vec()
}

/// A page of heatmaps.
pub(super) fn heatmaps(
    state: State,
    manifest: &Manifest,
    figure: &FigureArgs,
    (out, options): (&Path, FigureOptions),
    page: Page,
    maps: &[Heatmap],
) -> Result<Made, Failure> {
    drawn(state, manifest, figure, (out, options), page, |title, notes, options| {
        export::draw_heatmaps(title, notes, maps, options.width_mm, &options.theme)
    })
}

/// A page as it is drawn from its title and notes.
pub(super) fn drawn(
    state: State,
    manifest: &Manifest,
    figure: &FigureArgs,
    (out, options): (&Path, FigureOptions),
    page: Page,
    draw: impl FnOnce(&str, &[String], &FigureOptions) -> Result<String, FigureError>,
) -> Result<Made, Failure> {
    let session = &state.session;
    let mut place = page.place;
    place.extend(figure.assume_assembly.then(|| "--assume-assembly".to_owned()));
    let command = export::command_at(&state, &figure.files, &place, out, &options);
    let made_by = format!(
        "cislens {} \u{b7} model {} ({}) \u{b7} genome {}",
        env!("CARGO_PKG_VERSION"),
        manifest.name,
        manifest.hash,
        session.genome.name
    );
    let notes = [session.note.clone(), page.note, made_by, format!("made by: {command}")];
    let notes: Vec<String> = notes.into_iter().filter(|note| !note.is_empty()).collect();
    let svg = draw(&page.title, &notes, &options)?;
    let table = page.table.map(|lines| format!("# {}\n{lines}", crate::tracks::clean_text(&notes.join("; "))));
    let chroms = session.genome.chroms.clone();
    let provenance = Provenance::of(&state, command);
    let (messages, places) = (state.messages, page.places);
    Ok(Made { svg, scenes: Vec::new(), chroms, options, provenance, messages, places, table })
}
