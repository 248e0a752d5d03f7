//! From what is asked for to the figure: states are opened, placed, read, explained, and drawn.

use super::super::Failure;
use super::super::view::{commands, open_state, read_theme};
use super::args::{FigureArgs, Kind};
use super::choices::{analyses, arrange, choose_gene, chosen_genes, go_to, hide, leave_out_inapplicable, options, region_of};
use super::{betas, cores, filters, loci, predicted, tfs};
use crate::export::{self, FigureOptions, Highlight, Panels, Progress, Provenance};
use crate::genome::{ChromSizes, Region};
use crate::jobs::Analysis;
use crate::models::{Input, Model, open_model};
use crate::scene::{Geometry, Profile, Scene};
use crate::session::{Edit, Layout, Readers, TrackId, TrackKind, parse_edits};
use crate::state::{RowId, RowState, State};
use anyhow::{Context, anyhow};
use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};
use sha2::{Digest, Sha256};
use std::path::Path;

/// Bases on either side of the TSS in a mean profile: those of the models' windows.
const PROFILE_REACH: u64 = 5_000;
/// Widest part that a zoom shows base by base.
const ZOOM_SPAN: u64 = 400;

/// A figure, and what was drawn in it.
pub(super) struct Made {
    pub svg: String,
    pub scenes: Vec<Scene>,
    pub options: FigureOptions,
    pub provenance: Provenance,
    /// What is to be said beside it.
    pub messages: Vec<String>,
    /// Chromosomes of the genome.
    pub chroms: ChromSizes,
    /// What it shows, in words.
    pub places: String,
    /// Its values, where they do not lie along the genome (TSV).
    pub table: Option<String>,
}

impl Made {
    pub fn n_rows(&self) -> usize {
        self.scenes.iter().map(|s| s.rows.len()).sum()
    }
}

/// Composes a figure that is to be written to `out`.
pub(super) fn compose(figure: &FigureArgs, out: &Path, shows_progress: bool) -> Result<Made, Failure> {
    let theme = read_theme(figure.theme())?;
    let state = open_state(&figure.files, figure.sample.as_deref(), figure.model.as_deref(), theme, figure.assume_assembly)?;
    compose_of(state, figure, out, shows_progress)
}

/// As [`compose`], of a state that is open already.
pub(super) fn compose_of(mut state: State, figure: &FigureArgs, out: &Path, shows_progress: bool) -> Result<Made, Failure> {
    // A page can show a single base; the screen's least width is no limit here.
    state.n_columns = 1;
    if let Some(line) = &figure.layout {
        state.lay_out(Layout::parse(line).map_err(|reason| Failure::Usage(format!("--layout: {reason}")))?);
    }
    if let Some(name) = &figure.compare {
        state.compare_with(name).map_err(|reason| Failure::Usage(format!("--compare {name}: {reason}")))?;
    }
    if let Some(marks) = &figure.matrix {
        state.show_matrix(marks).map_err(|reason| Failure::Usage(format!("--matrix {marks}: {reason}")))?;
    }
    let options = options(figure, &state)?;
    match figure.kind {
        Kind::Filters => return filters::compose(state, figure, out, options),
        Kind::Predicted => return predicted::compose(state, figure, out, options),
        Kind::Betas => return betas::compose(state, figure, out, options),
        Kind::Cores => return cores::compose(state, figure, out, options),
        Kind::Tfs => return tfs::compose(state, figure, out, options),
        Kind::Tracks | Kind::Heatmap | Kind::Profile => {}
    }
    // Edits are pointed out besides; the command names them itself.
    let asked = options.clone();
    let mut composer = Composer { readers: Readers::new(state.session.clone()), figure, options, shows_progress };
    let (states, scenes, panels) = match (figure.kind, &figure.loci, &figure.zoom) {
        (Kind::Heatmap, None, None) => composer.heatmap(&state)?,
        (Kind::Profile, list, None) => composer.profile(&state, list.as_deref())?,
        (Kind::Heatmap | Kind::Profile | Kind::Filters | Kind::Predicted | Kind::Betas | Kind::Cores | Kind::Tfs, ..) => {
            return Err(Failure::Usage(
                "--kind heatmap and profile are of one panel: no --zoom, nor --loci for a heatmap".to_owned(),
            ));
        }
        (Kind::Tracks, None, None) if !figure.edit.is_empty() => composer.edited(&state)?,
        (Kind::Tracks, Some(list), _) => composer.grid(&state, list)?,
        (Kind::Tracks, None, Some(zoom)) => composer.zoomed(&state, zoom)?,
        (Kind::Tracks, None, None) => composer.sides(&state)?,
    };
    let options = composer.options;
    let provenance = provenance(figure, &states, out, &asked);
    let mut messages: Vec<String> = Vec::new();
    for message in states.iter().flat_map(|s| &s.messages) {
        if !messages.contains(message) {
            messages.push(message.clone());
        }
    }
    let places = states.iter().map(|s| s.region.to_string()).collect::<Vec<_>>().join("; ");
    let chroms = states.first().map(|s| s.session.genome.chroms.clone()).unwrap_or_default();
    // Files that could not be read may be why there is nothing to draw.
    let svg = export::draw_panels(&scenes, panels, &provenance, &options)
        .map_err(|e| anyhow::anyhow!("{e}{}", messages.iter().map(|message| format!("\n{message}")).collect::<String>()))?;
    Ok(Made { svg, scenes, chroms, options, provenance, messages, places, table: None })
}

type Composed = (Vec<State>, Vec<Scene>, Panels);

struct Composer<'a> {
    readers: Readers,
    figure: &'a FigureArgs,
    options: FigureOptions,
    shows_progress: bool,
}

impl Composer<'_> {
    fn single(&mut self, state: &State) -> Result<(State, Scene), Failure> {
        let mut state = state.clone();
        go_to(&mut state, "--locus", self.figure.locus.as_deref())?;
        choose_gene(&mut state, self.figure)?;
        let edits = parse_edits(self.figure.with.iter().map(String::as_str), &state.edit_words())
            .map_err(|reason| Failure::Usage(format!("--with {reason}")))?;
        state.add_edits("--with", edits).map_err(|reason| Failure::Usage(format!("--with {reason}")))?;
        let analyses = analyses(self.figure, &state);
        arrange(&mut state, self.figure, &analyses)?;
        let mut scene = self.scene(&mut state, &analyses, 1)?;
        if let Some(by) = &self.figure.sort {
            state.sort_rows(by).map_err(|reason| Failure::Usage(format!("--sort {by}: {reason}")))?;
            scene = self.built(&state, 1);
        }
        Ok((state, scene))
    }

    /// A panel a locus, all rows of one name on one scale.
    fn grid(&mut self, state: &State, list: &str) -> Result<Composed, Failure> {
        let loci = loci::read(list)?;
        let columns = self.figure.columns.unwrap_or(1);
        if columns == 0 {
            return Err(Failure::Usage("--columns 0: at least 1".to_owned()));
        }
        let mut states = Vec::new();
        for locus in &loci {
            let mut state = state.clone();
            go_to(&mut state, "--loci", Some(&locus.locus))?;
            states.push(state);
        }
        self.panels(states, columns.min(loci.len()))
    }

    /// The view, or the two places side by side that are asked for or were saved.
    fn sides(&mut self, state: &State) -> Result<Composed, Failure> {
        let mut places = state.clone();
        go_to(&mut places, "--locus", self.figure.locus.as_deref())?;
        if places.other.is_some() {
            return self.panels(places.each_place(), 2);
        }
        let (state, scene) = self.single(state)?;
        Ok((vec![state], vec![scene], Panels::Grid(1)))
    }

    fn panels(&mut self, mut states: Vec<State>, columns: usize) -> Result<Composed, Failure> {
        let mut scenes = Vec::new();
        for state in &mut states {
            let analyses = analyses(self.figure, state);
            arrange(state, self.figure, &analyses)?;
            scenes.push(self.scene(state, &analyses, columns)?);
        }
        export::share_scales(&mut scenes);
        // What was asked for by name stands above what is shared.
        scenes.iter_mut().for_each(|scene| export::arrange(scene, &self.options));
        Ok((states, scenes, Panels::Grid(columns)))
    }

    /// A view, and below it a part of it base by base.
    fn zoomed(&mut self, state: &State, zoom: &str) -> Result<Composed, Failure> {
        let mut whole = state.clone();
        go_to(&mut whole, "--locus", self.figure.locus.as_deref())?;
        choose_gene(&mut whole, self.figure)?;
        let mut part = whole.clone();
        let region = region_of(&part, "--zoom", zoom)?;
        if !whole.region.covers(&region) {
            let view = whole.region.to_string();
            return Err(Failure::Usage(format!("--zoom {zoom}: it must lie in the view, {view}")));
        }
        if region.len() > ZOOM_SPAN {
            return Err(Failure::Usage(format!("--zoom {zoom}: {} bp; letters have room in {ZOOM_SPAN} at most", region.len())));
        }
        part.set_region(region);
        let of_whole = analyses(self.figure, &whole);
        let both: Vec<Analysis> =
            Analysis::ALL.into_iter().filter(|a| *a == Analysis::SaturationMutagenesis || of_whole.contains(a)).collect();
        arrange(&mut part, self.figure, &both)?;
        // Only what has a value a base: the others stand in the view above.
        let rows = [RowId::Sequence, RowId::Attribution(Analysis::SaturationMutagenesis)];
        for row in part.rows().into_iter().filter(|row| !rows.contains(row)) {
            hide(&mut part, row);
        }
        let below = self.scene(&mut part, &both, 1)?;
        arrange(&mut whole, self.figure, &of_whole)?;
        whole.explained = part.explained.clone();
        let load = self.load();
        export::tile(&mut whole, &mut self.readers, &load);
        let above = self.drawn(&mut whole, 1);
        Ok((vec![whole, part], vec![above, below], Panels::Zoom))
    }

    /// What the model says of the reference, and below it of the edited input, on the same scales.
    fn edited(&mut self, state: &State) -> Result<Composed, Failure> {
        let (before, mut above) = self.single(state)?;
        let edits = parse_edits(self.figure.edit.iter().map(String::as_str), &before.edit_words())
            .map_err(|reason| Failure::Usage(format!("--edit {reason}")))?;
        if let Some((edit, reason)) = edits.iter().find_map(|edit| Some((edit, before.edit_obstacle(edit)?))) {
            return Err(anyhow!("--edit {edit}: it changes nothing, {reason}").into());
        }
        let Some(said) = before.explained.prediction().map(|p| p.output) else {
            return Err(anyhow!("--edit: there is no prediction to compare with (see the rows of the figure without it)").into());
        };
        for edit in &edits {
            let region = Region { end: edit.region.end.max(edit.region.start + 1), ..edit.region.clone() };
            self.options.highlights.push(Highlight { region, name: edit.label() });
        }
        let mut after = before.clone();
        after.edits.extend(edits.iter().cloned());
        for row in after.rows() {
            let is_edited = |track: TrackId| {
                edits.iter().any(|e| e.mark().is_some() && e.mark() == state.session.tracks[track.0].mark.as_deref())
            };
            if matches!(row, RowId::Track(track) if !is_edited(track)) {
                hide(&mut after, row);
            }
        }
        let shown: Vec<Analysis> = after.analyses().into_iter().filter(|a| after.shows(*a)).collect();
        self.explain(&mut after, &shown)?;
        if let (_, RowState::Failed(reason)) = after.explained.drawn_prediction() {
            return Err(anyhow!("--edit: {reason}").into());
        }
        let mut below = self.drawn(&mut after, 1);
        // The first panel has the reference's own answer; here the one with the edits is said.
        let change = after.explained.prediction().map_or(0.0, |p| p.output - said);
        let names: Vec<String> = edits.iter().map(Edit::to_string).collect();
        caveat(&mut above, "reference".to_owned());
        caveat(&mut below, format!("with {}: predicted {change:+.3} to the reference", names.join(", ")));
        let mut scenes = [above, below];
        export::share_scales(&mut scenes);
        Ok((vec![before, after], scenes.into(), Panels::Grid(1)))
    }

    /// What the model reads, marks by bins, over its attention.
    fn heatmap(&mut self, state: &State) -> Result<Composed, Failure> {
        let mut state = state.clone();
        go_to(&mut state, "--locus", self.figure.locus.as_deref())?;
        choose_gene(&mut state, self.figure)?;
        // Places are not asked for here: the window the model reads is what is shown.
        state.show_window();
        arrange(&mut state, self.figure, &[])?;
        let rows = [RowId::Genes, RowId::Attention];
        for row in state.rows().into_iter().filter(|row| !rows.contains(row)) {
            hide(&mut state, row);
        }
        let Some(info) = state.current_model() else {
            return Err(anyhow!("--kind heatmap: the session has no model that reads this gene").into());
        };
        let manifest = info.manifest.clone().map_err(|reason| anyhow!("{reason}"))?;
        let input = self.explain(&mut state, &[])?;
        let Some(input) = input.filter(|input| !input.marks.is_empty()) else {
            let reason = match state.explained.drawn_prediction() {
                (_, RowState::Failed(reason)) => reason,
                _ => format!("{} reads no marks", manifest.name),
            };
            return Err(anyhow!("--kind heatmap: {reason}").into());
        };
        let mut scene = self.drawn(&mut state, 1);
        let row = crate::scene::input_row(&input, &manifest, &state.region, scene.n_columns);
        let at = scene.rows.iter().position(|r| r.id == RowId::Attention).unwrap_or(scene.rows.len());
        scene.rows.insert(at, row);
        Ok((vec![state], vec![scene], Panels::Grid(1)))
    }

    /// Mean signals around the TSS of many genes, in their direction.
    fn profile(&mut self, state: &State, list: Option<&str>) -> Result<Composed, Failure> {
        let mut state = state.clone();
        arrange(&mut state, self.figure, &[])?;
        let session = state.session.clone();
        let genes = &session.genome.genes;
        let chosen = chosen_genes(&state, list)?;
        let tracks: Vec<TrackId> = state
            .rows()
            .into_iter()
            .filter_map(|row| match row {
                RowId::Track(track) if session.tracks[track.0].kind == TrackKind::Signal => Some(track),
                _ => None,
            })
            .collect();
        if tracks.is_empty() {
            return Err(anyhow!("--kind profile: the sample has no signal").into());
        }
        let whole = Region::new("from TSS", 0, 2 * PROFILE_REACH);
        let geometry = export::geometry_of_panel(&self.options, &whole, 1);
        // Columns of whole bases, or neighbours would differ by their widths.
        let n_columns = (1..=geometry.n_columns).rev().find(|n| (2 * PROFILE_REACH).is_multiple_of(*n as u64)).unwrap_or(1);
        let char_columns = geometry.char_columns * n_columns as f64 / geometry.n_columns as f64;
        let geometry = Geometry { n_columns, char_columns, ..geometry };
        let mut profile = Profile::new(&tracks, PROFILE_REACH, n_columns);
        for gene in chosen.into_iter().map(|id| genes.get(id)) {
            let chrom_len = session.genome.chroms.len_of(&gene.region.chrom).unwrap_or(0);
            let region = profile.region(&gene.region.chrom, gene.tss(session.genome.tss), gene.strand, chrom_len);
            let Some(region) = region else { continue };
            let columns = tracks.iter().map(|track| self.readers.columns(*track, &region, n_columns));
            profile.add(gene.strand, &columns.collect::<Result<Vec<_>, _>>()?);
        }
        if profile.n_genes() == 0 {
            return Err(anyhow!("--kind profile: no gene has {PROFILE_REACH} bases on both sides of its TSS").into());
        }
        state.model = None;
        state.gene = None;
        let mut scene = profile.scene(&state, geometry);
        export::arrange(&mut scene, &self.options);
        Ok((vec![state], vec![scene], Panels::Grid(1)))
    }

    /// Reads and explains what a state shows, and builds its scene.
    fn scene(&mut self, state: &mut State, analyses: &[Analysis], columns: usize) -> Result<Scene, Failure> {
        self.explain(state, analyses)?;
        if self.figure.analyses.is_none() {
            leave_out_inapplicable(state, analyses);
        }
        Ok(self.drawn(state, columns))
    }

    /// Reads what a state shows at the grain of its panel, and builds its scene.
    fn drawn(&mut self, state: &mut State, columns: usize) -> Scene {
        let geometry = export::geometry_of_panel(&self.options, &state.region, columns);
        state.n_columns = geometry.n_columns;
        export::read_rows(state, &mut self.readers);
        self.built(state, columns)
    }

    /// The scene of a state that has been read.
    fn built(&self, state: &State, columns: usize) -> Scene {
        let geometry = export::geometry_of_panel(&self.options, &state.region, columns);
        let mut scene = Scene::build(state, geometry);
        export::arrange(&mut scene, &self.options);
        scene
    }

    fn load(&self) -> impl Fn(&Path) -> Result<Box<dyn Model>, String> + Send + Sync + 'static {
        let commands = commands(self.figure.allow_command);
        move |folder: &Path| open_model(folder, &candle_core::Device::Cpu, commands).map_err(|e| e.to_string())
    }

    fn explain(&mut self, state: &mut State, analyses: &[Analysis]) -> Result<Option<Input>, Failure> {
        let load = self.load();
        let bar = if self.shows_progress { ProgressBar::new(0) } else { ProgressBar::hidden() };
        bar.set_style(ProgressStyle::with_template("{msg:20} {bar:30} {pos}/{len}  {elapsed}").context("progress")?);
        let input = export::explain(state, &mut self.readers, &load, analyses, &mut |Progress { analysis, done, total }| {
            bar.set_message(analysis.map_or("prediction", Analysis::method));
            bar.set_length(total as u64);
            bar.set_position(done as u64);
        });
        bar.finish_and_clear();
        Ok(input)
    }
}

/// Says something above a panel.
fn caveat(scene: &mut Scene, text: String) {
    scene.header.notes.insert(0, text);
    scene.header.n_caveats += 1;
}

fn provenance(figure: &FigureArgs, states: &[State], out: &Path, options: &FigureOptions) -> Provenance {
    let Some(first) = states.first() else { return Provenance::default() };
    let mut kind = match figure.kind.to_possible_value() {
        Some(kind) if figure.kind != Kind::default() => vec!["--kind".to_owned(), kind.get_name().to_owned()],
        _ => Vec::new(),
    };
    if figure.assume_assembly {
        kind.push("--assume-assembly".to_owned());
    }
    let command = match (&figure.loci, &figure.zoom) {
        (Some(list), _) => {
            let mut place = vec!["--loci".to_owned(), list.clone()];
            place.append(&mut kind);
            if let Some(columns) = figure.columns {
                place.extend(["--columns".to_owned(), columns.to_string()]);
            }
            export::command_at(first, &figure.files, &place, out, options)
        }
        (None, zoom) => {
            let is_side_by_side = states.len() == 2 && zoom.is_none() && figure.edit.is_empty();
            let shown = if is_side_by_side { states } else { &states[..1] };
            let loci: Vec<String> = shown.iter().map(|state| state.region.to_string()).collect();
            let mut place = vec!["--locus".to_owned(), loci.join(" | ")];
            if let Some(gene) = first.current_gene().filter(|_| !is_side_by_side) {
                place.extend(["--gene".to_owned(), gene.name.clone()]);
            }
            if figure.kind == Kind::Profile {
                place.clear();
            }
            place.append(&mut kind);
            place.extend(figure.edit.iter().flat_map(|edit| ["--edit".to_owned(), edit.clone()]));
            place.extend(figure.with.iter().flat_map(|edit| ["--with".to_owned(), edit.clone()]));
            place.extend(zoom.iter().flat_map(|zoom| ["--zoom".to_owned(), zoom.clone()]));
            export::command_at(first, &figure.files, &place, out, options)
        }
    };
    let mut provenance = Provenance::of(first, command);
    if let [session] = &figure.files[..]
        && session.extension().is_some_and(|e| e == "toml")
        && let Ok(bytes) = std::fs::read(session)
    {
        provenance.session_hash = Sha256::digest(bytes).iter().take(8).map(|b| format!("{b:02x}")).collect();
    }
    for state in &states[1..] {
        let hash = state.explained.prediction().map(|p| p.input_hash.clone()).unwrap_or_default();
        if !hash.is_empty() && !provenance.input_hash.contains(&hash) {
            provenance.input_hash = format!("{}, {hash}", provenance.input_hash);
        }
    }
    provenance
}
