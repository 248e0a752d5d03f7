//! `cislens render`: a figure without a terminal.

use super::Failure;
use super::view::{commands, open_state};
use crate::export::{self, FigureOptions, Progress, Provenance, WIDTHS_MM};
use crate::jobs::Analysis;
use crate::models::{Commands, open_model};
use crate::scene::Scene;
use crate::session::Readers;
use crate::state::{RowId, State};
use crate::tracks::clean_text;
use anyhow::{Context, anyhow};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use std::path::{Path, PathBuf};

/// Widest view for which mutagenesis is drawn without being asked for: there single bases can be seen.
const MUTAGENESIS_SPAN: u64 = 500;

#[derive(Args, Debug)]
pub(super) struct RenderArgs {
    /// A session.toml, or files to show; the sample data where none is given
    files: Vec<PathBuf>,
    /// What to draw: a gene, chr1:1,001-2,000 or chr1; where the session opens if not given
    #[arg(short, long)]
    locus: Option<String>,
    /// The figure to write (.svg)
    #[arg(short, long)]
    out: PathBuf,
    /// Width of the page in mm: 85 for one column of a journal, 174 for two
    #[arg(long, default_value_t = 174.0, value_name = "MM")]
    width: f64,
    /// Colours: print, light, colorblind, dark, or a theme file
    #[arg(long, default_value = "print")]
    theme: String,
    /// The sample to show
    #[arg(long)]
    sample: Option<String>,
    /// The model to ask
    #[arg(long)]
    model: Option<String>,
    /// Let models start the command that model.toml names (docs/external.md)
    #[arg(long)]
    allow_command: bool,
    /// The gene to explain; the nearest one if not given
    #[arg(long)]
    gene: Option<String>,
    /// Explanations to draw; ig and occlusion, with ism for views of 500 bp or less, if not given
    #[arg(long, value_delimiter = ',', value_name = "LIST")]
    analyses: Option<Vec<AnalysisChoice>>,
    /// Mutagenesis as well, however wide the view
    #[arg(long)]
    ism: bool,
    /// Leave a row out, by its label; may be repeated
    #[arg(long, value_name = "LABEL")]
    hide: Vec<String>,
    /// Make a row higher (lower) than usual; may be repeated
    #[arg(long, value_name = "LABEL=N", allow_hyphen_values = true)]
    lines: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum AnalysisChoice {
    #[value(alias = "integrated-gradients")]
    Ig,
    Occlusion,
    #[value(alias = "saturation-mutagenesis")]
    Ism,
    None,
}

impl AnalysisChoice {
    fn analysis(self) -> Option<Analysis> {
        match self {
            Self::Ig => Some(Analysis::IntegratedGradients),
            Self::Occlusion => Some(Analysis::Occlusion),
            Self::Ism => Some(Analysis::SaturationMutagenesis),
            Self::None => None,
        }
    }
}

pub(super) fn run(args: &RenderArgs) -> Result<(), Failure> {
    check(args)?;
    let mut state = open_state(&args.files, args.sample.as_deref(), args.model.as_deref(), &args.theme)?;
    place(&mut state, args)?;
    let analyses = analyses(args, &state);
    arrange(&mut state, args, &analyses)?;

    let options = FigureOptions { width_mm: args.width, theme: state.theme.clone() };
    let geometry = export::geometry(&options, &state.region);
    state.n_columns = geometry.n_columns;
    let mut readers = Readers::new(state.session.clone());
    export::read_rows(&mut state, &mut readers);
    explain(&mut state, &mut readers, &analyses, commands(args.allow_command))?;
    if args.analyses.is_none() {
        leave_out_inapplicable(&mut state, &analyses);
    }

    let command = export::command_of(&state, &args.files, &args.out, &options);
    let scene = Scene::build(&state, geometry);
    let svg = export::draw(&scene, &Provenance::of(&state, command), &options)?;
    export::write(&args.out, &svg)?;
    for message in &state.messages {
        eprintln!("cislens: {}", clean_text(message));
    }
    let (rows, kb) = (scene.rows.len(), svg.len().div_ceil(1_000));
    println!("{}: {}, {rows} rows, {kb} kB", args.out.display(), clean_text(&state.region.to_string()));
    Ok(())
}

/// What can be told to be wrong before anything is read.
fn check(args: &RenderArgs) -> Result<(), Failure> {
    if !WIDTHS_MM.contains(&args.width) {
        let (least, most) = (WIDTHS_MM.start(), WIDTHS_MM.end());
        return Err(Failure::Usage(format!("--width {}: a figure can be {least} to {most} mm wide", args.width)));
    }
    if args.out.extension().is_none_or(|e| !e.eq_ignore_ascii_case("svg")) {
        return Err(Failure::Usage(format!("--out {}: figures are written as .svg", args.out.display())));
    }
    let folder = args.out.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        return Err(Failure::Failed(anyhow!("{}: there is no such folder", folder.display())));
    }
    Ok(())
}

fn place(state: &mut State, args: &RenderArgs) -> Result<(), Failure> {
    // A page can show a single base; the screen's least width is no limit here.
    state.n_columns = 1;
    if let Some(locus) = &args.locus {
        state.go_to(locus).map_err(|e| anyhow!("--locus {locus}: {e}"))?;
    }
    if let Some(name) = &args.gene {
        let found = state.session.genome.genes.find(name);
        state.gene = Some(found.ok_or_else(|| anyhow!("--gene {name}: the session has no such gene"))?);
    }
    Ok(())
}

fn analyses(args: &RenderArgs, state: &State) -> Vec<Analysis> {
    let mut wanted: Vec<Analysis> = match &args.analyses {
        Some(choices) => choices.iter().filter_map(|c| c.analysis()).collect(),
        None if state.region.len() <= MUTAGENESIS_SPAN => Analysis::ALL.to_vec(),
        None => vec![Analysis::IntegratedGradients, Analysis::Occlusion],
    };
    if args.ism {
        wanted.push(Analysis::SaturationMutagenesis);
    }
    Analysis::ALL.into_iter().filter(|a| wanted.contains(a)).collect()
}

/// Hides the rows that were not asked for and sets heights.
fn arrange(state: &mut State, args: &RenderArgs, analyses: &[Analysis]) -> Result<(), Failure> {
    if state.subject().is_none()
        && let Some(info) = state.current_model()
    {
        let reason = info.manifest.as_ref().err().cloned();
        let reason = reason.unwrap_or_else(|| "the session has no gene to explain here".to_owned());
        let message = format!("model {} is left out: {reason}", info.name());
        state.say(message);
        // A figure names no model that it shows nothing of.
        state.model = None;
    }
    for analysis in Analysis::ALL.into_iter().filter(|a| !analyses.contains(a)) {
        hide(state, state.label(RowId::Attribution(analysis)));
    }
    let labels = labels(state);
    let check = |option: &str, label: &str| match labels.iter().any(|l| l == label) {
        true => Ok(()),
        false => Err(Failure::Usage(format!("{option} {label}: the rows are {}", labels.join(", ")))),
    };
    for label in &args.hide {
        check("--hide", label)?;
        hide(state, label.clone());
    }
    for setting in &args.lines {
        let parsed = setting.rsplit_once('=').and_then(|(label, n)| Some((label, n.parse::<i16>().ok()?)));
        let (label, lines) = parsed.ok_or_else(|| Failure::Usage(format!("--lines {setting}: write LABEL=2 or LABEL=-1")))?;
        check("--lines", label)?;
        state.row_views.entry(label.to_owned()).or_default().extra_lines = lines.clamp(-6, 20);
    }
    Ok(())
}

/// Labels that rows can have with this session, whatever the sample or zoom.
fn labels(state: &State) -> Vec<String> {
    let of_model = [RowId::Attention].into_iter().chain(Analysis::ALL.map(RowId::Attribution));
    let rows = [RowId::Sequence, RowId::Genes].into_iter().chain(of_model);
    let mut labels: Vec<String> = rows.map(|row| state.label(row)).collect();
    labels.extend(state.session.tracks.iter().map(|track| track.label.clone()));
    let mut seen = std::collections::HashSet::new();
    labels.retain(|label| seen.insert(label.clone()));
    labels
}

fn hide(state: &mut State, label: String) {
    state.row_views.entry(label).or_default().is_hidden = true;
}

/// Rows nobody asked for by name are left out where the network cannot fill them.
fn leave_out_inapplicable(state: &mut State, analyses: &[Analysis]) {
    for &analysis in analyses {
        if matches!(state.explained.drawn_attribution(analysis).1, crate::state::RowState::NotApplicable(_)) {
            hide(state, state.label(RowId::Attribution(analysis)));
        }
    }
}

fn explain(state: &mut State, readers: &mut Readers, analyses: &[Analysis], commands: Commands) -> Result<(), Failure> {
    let load = move |folder: &Path| open_model(folder, &candle_core::Device::Cpu, commands).map_err(|e| e.to_string());
    let bar = ProgressBar::new(0);
    bar.set_style(ProgressStyle::with_template("{msg:20} {bar:30} {pos}/{len}  {elapsed}").context("progress")?);
    export::explain(state, readers, &load, analyses, &mut |Progress { analysis, done, total }| {
        bar.set_message(analysis.map_or("prediction", Analysis::method));
        bar.set_length(total as u64);
        bar.set_position(done as u64);
    });
    bar.finish_and_clear();
    Ok(())
}
