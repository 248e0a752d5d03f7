//! A state with everything read and explained, on this thread: for a figure made without the browser, and for the browser's
//! own at the grain of a page.

use super::{
    FigureError, FigureOptions, Highlight, Panels, PictureFormat, Provenance, arrange, draw_panels, geometry_of_panel,
    share_scales,
};
use crate::attribution::{self, Attribution, AttributionError, Options, Run};
use crate::jobs::{
    Analysis, AnalysisFailure, Brief, JobId, LoadModel, NULL_SEED, Reply, Subject, columns_with_edits, gene_cores, predict,
    predict_tiles, seqlets_of, significant_bins,
};
use crate::models::{Input, Model};
use crate::motifs::Collection;
use crate::regulation::significance::Pool;
use crate::scene::Scene;
use crate::session::{Layout, Readers, TrackKind};
use crate::state::{RowId, RowState, State};
use crate::tracks::{Features, contain_panic};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How far an explanation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Of what; `None` while the model is loaded and predicts.
    pub analysis: Option<Analysis>,
    /// Evaluations done.
    pub done: usize,
    /// Evaluations in all; 0 where that is not known.
    pub total: usize,
}

/// The figure of what a state shows: signals read again at the grain of the page, what the model said taken as it is.
/// Reads files; for a thread that may wait.
pub fn figure_of_state(state: &State, command: String, options: &FigureOptions) -> Result<String, FigureError> {
    let mut readers = Readers::new(state.session.clone());
    let mut sides = state.each_place();
    let columns = sides.len();
    let mut scenes: Vec<Scene> = Vec::new();
    for side in &mut sides {
        let geometry = geometry_of_panel(options, &side.region, columns);
        side.n_columns = geometry.n_columns;
        read_rows(side, &mut readers);
        scenes.push(Scene::build(side, geometry));
    }
    if columns > 1 {
        share_scales(&mut scenes);
    }
    scenes.iter_mut().for_each(|scene| arrange(scene, options));
    draw_panels(&scenes, Panels::Grid(columns), &Provenance::of(state, command), options)
}

/// Reads every row of a state at its number of columns. What cannot be read becomes the reason its row shows.
pub fn read_rows(state: &mut State, readers: &mut Readers) {
    let look = state.look();
    let (job, region) = (JobId::default(), look.region.clone());
    let mut take = |reply| state.apply(reply, job, job);
    if look.wants_sequence {
        let bases = match contained(|| readers.bases(&region)) {
            Ok(Some(bases)) => Ok(bases),
            Ok(None) => Err("the session has no reference sequence".to_owned()),
            Err(reason) => Err(reason),
        };
        take(Reply::Sequence { job, region: region.clone(), bases });
    }
    for pattern in look.patterns {
        let found = contained(|| readers.bases(&region)).map(|bases| {
            let places = pattern.find(&bases.unwrap_or_default());
            Arc::new(places.into_iter().map(|(i, strand)| (region.start + i as u64, strand)).collect())
        });
        take(Reply::Occurrences { pattern, region: region.clone(), found });
    }
    for track in look.tracks {
        let kind = readers.session().tracks[track.0].kind;
        take(match kind {
            TrackKind::Signal => {
                let columns = contained(|| columns_with_edits(readers, track, &region, look.n_columns, &look.edits));
                Reply::Columns { job, track, region: region.clone(), columns }
            }
            TrackKind::Features => Reply::Features { track, features: contained(|| readers.features(track, &region)) },
        });
    }
    for (track, reason) in readers.take_mismatches() {
        take(Reply::Mismatch { track, reason });
    }
    let warnings = readers.take_warnings();
    if !warnings.is_empty() {
        take(Reply::Warnings(warnings));
    }
}

/// Asks the model in use about the gene in use, and explains the answer; gives what the network read. What is compared is asked as
/// well. What fails becomes the reason its row shows.
pub fn explain(
    state: &mut State,
    readers: &mut Readers,
    load: &LoadModel,
    analyses: &[Analysis],
    report: &mut dyn FnMut(Progress),
) -> Option<Input> {
    tile(state, readers, load);
    let subject = state.subject();
    let there = state.compared_subject().filter(|_| state.compared_obstacle().is_none());
    state.explained.begin(subject.clone());
    state.compared.explained.begin(there.clone());
    report(Progress { analysis: None, done: 0, total: 0 });
    let (model, input) = explain_one(state, &subject?, readers, load, analyses, report, &|reply| reply)?;
    if state.wants_seqlets {
        let seqlets = seqlets(state, &input);
        let job = JobId::default();
        state.apply(Reply::Seqlets { job, seqlets }, job, job);
    }
    if let Some(subject) = state.cores_wanted() {
        let found = contained(|| gene_cores(&*model, &subject, readers, &|| true));
        let found = found.and_then(|found| found.ok_or_else(|| "stopped".to_owned())).map(Arc::new);
        let job = JobId::default();
        state.apply(Reply::Cores { subject, found }, job, job);
    }
    if let Some(there) = there {
        let analyses: Vec<Analysis> = state.compared_analysis().filter(|a| analyses.contains(a)).into_iter().collect();
        let wrap = |reply| Reply::Compared(Box::new(reply));
        let other = explain_one(state, &there, readers, load, &analyses, report, &wrap);
        let briefs = state.briefs_wanted().into_iter().map(|subject| {
            let model = if subject.model == there.model { other.as_ref().map(|(model, _)| model) } else { Some(&model) };
            let predicted = model.ok_or_else(|| "this model cannot be read".to_owned());
            let predicted = predicted.and_then(|model| contained(|| predict(&**model, &subject, readers)));
            (subject, predicted.map(|(prediction, _)| Brief::of(&prediction)))
        });
        let briefs = briefs.collect();
        state.apply(Reply::Briefs(briefs), JobId::default(), JobId::default());
    }
    Some(input)
}

/// Asks one model about one subject; `wrap` says of which side the replies are.
fn explain_one(
    state: &mut State,
    subject: &Subject,
    readers: &mut Readers,
    load: &LoadModel,
    analyses: &[Analysis],
    report: &mut dyn FnMut(Progress),
    wrap: &dyn Fn(Reply) -> Reply,
) -> Option<(Box<dyn Model>, Input)> {
    let job = JobId::default();
    let folder = state.models[subject.model].folder.clone();
    let answered = contained(|| load(&folder)).and_then(|model| {
        let (prediction, input) = contained(|| predict(&*model, subject, readers))?;
        Ok((model, prediction, input))
    });
    match answered {
        Err(reason) => {
            state.apply(wrap(Reply::Prediction { job, prediction: Err(reason) }), job, job);
            None
        }
        Ok((model, prediction, input)) => {
            let score = prediction.score;
            state.apply(wrap(Reply::Prediction { job, prediction: Ok(Arc::new(prediction)) }), job, job);
            let centre = input.window.index(state.region.centre() as i64).map(|i| i as usize);
            for &analysis in analyses {
                let attribution = match analysis {
                    Analysis::SignificantBins => bins(&*model, &input, subject, score, readers),
                    _ => analyse(analysis, &*model, &input, centre, report),
                };
                let reply = Reply::Attribution { job, analysis, attribution: attribution.map(Arc::new), stored: None };
                state.apply(wrap(reply), job, job);
            }
            Some((model, input))
        }
    }
}

/// Which bins are attended to beyond chance.
fn bins(
    model: &dyn Model,
    input: &Input,
    subject: &Subject,
    score: f64,
    readers: &mut Readers,
) -> Result<Attribution, AnalysisFailure> {
    let called = contain_panic(|| {
        let pool = Pool::read(model, readers, subject.sample, NULL_SEED, &|| true)?;
        significant_bins(model, input, subject.gene, score, &pool, &|| true)
    });
    match called {
        Ok(Ok(attribution)) => Ok(attribution),
        Ok(Err(AttributionError::NotApplicable(reason))) => Err(AnalysisFailure::NotApplicable(reason)),
        Ok(Err(error)) => Err(AnalysisFailure::Failed(error.to_string())),
        Err(panic) => Err(AnalysisFailure::Failed(format!("internal error: {panic}"))),
    }
}

/// Predicts the signal along the view, where the model in use predicts one and its row is shown.
pub fn tile(state: &mut State, readers: &mut Readers, load: &LoadModel) {
    let Some(tiling) = state.tiling() else { return };
    state.tiled.begin(Some(tiling.clone()));
    let folder = state.models[tiling.model].folder.clone();
    let tiles = contained(|| load(&folder))
        .and_then(|model| contained(|| predict_tiles(&*model, readers, &tiling, &|_| None, &|| true, &mut |_| ())));
    state.tiled.take(tiling, tiles.map(Arc::new));
}

/// Of the mutagenesis that has just been computed.
fn seqlets(state: &State, input: &Input) -> Result<Arc<Features>, AnalysisFailure> {
    let (drawn, row) = state.explained.drawn_attribution(Analysis::SaturationMutagenesis);
    let Some((_, ism)) = drawn else {
        return Err(match row {
            RowState::NotApplicable(reason) => AnalysisFailure::NotApplicable(reason),
            _ => AnalysisFailure::Failed("there is no mutagenesis to call them in".to_owned()),
        });
    };
    let genome = &state.session.genome;
    let motifs = Collection::open(genome.motifs.as_deref()).map_err(|e| AnalysisFailure::Failed(e.to_string()))?;
    let called = contained(|| Ok::<_, String>(seqlets_of(ism, input, &motifs, &genome.chroms, &|| true)));
    called.map(|seqlets| Arc::new(seqlets.unwrap_or_default())).map_err(AnalysisFailure::Failed)
}

fn analyse(
    analysis: Analysis,
    model: &dyn Model,
    input: &Input,
    centre: Option<usize>,
    report: &mut dyn FnMut(Progress),
) -> Result<Attribution, AnalysisFailure> {
    let name = analysis.method();
    let method = attribution::method(name).ok_or_else(|| AnalysisFailure::NotApplicable(format!("no method {name}")))?;
    if let Some(reason) = method.obstacle(model) {
        return Err(AnalysisFailure::NotApplicable(reason));
    }
    let options = Options { centre, ..method.defaults() };
    report(Progress { analysis: Some(analysis), done: 0, total: 0 });
    let mut partial = |a: &Attribution| report(Progress { analysis: Some(analysis), done: a.done, total: a.total });
    let mut run = Run::new(&|| true, &mut partial);
    match contain_panic(|| method.attribute(model, input, &options, &mut run)) {
        Ok(Ok(attribution)) => Ok(attribution),
        Ok(Err(AttributionError::NotApplicable(reason))) => Err(AnalysisFailure::NotApplicable(reason)),
        Ok(Err(error)) => Err(AnalysisFailure::Failed(error.to_string())),
        Err(panic) => Err(AnalysisFailure::Failed(format!("internal error: {panic}"))),
    }
}

/// The command that makes the figure of a state again; `session` is what was given to open it.
pub fn command_of(state: &State, session: &[PathBuf], out: &Path, options: &FigureOptions) -> String {
    let mut place = vec!["--locus".to_owned(), state.loci()];
    if let Some(gene) = state.current_gene().filter(|_| state.other.is_none()) {
        place.extend(["--gene".to_owned(), gene.name.clone()]);
    }
    place.extend(state.edits.iter().flat_map(|edit| ["--with".to_owned(), edit.to_string()]));
    command_at(state, session, &place, out, options)
}

/// As [`command_of`], with the options that say what places are drawn and how.
pub fn command_at(state: &State, session: &[PathBuf], place: &[String], out: &Path, options: &FigureOptions) -> String {
    let mut words: Vec<String> = vec!["cislens".to_owned(), "render".to_owned()];
    words.extend(session.iter().map(|p| p.display().to_string()));
    words.extend(place.iter().cloned());
    let mut say = |name: &str, value: &str| words.extend([name.to_owned(), value.to_owned()]);
    match state.session.samples.get(state.sample.0) {
        Some(sample) if !sample.name.is_empty() => say("--sample", &sample.name),
        _ => {}
    }
    if let Some(model) = state.current_model() {
        say("--model", &model.name());
        let shown = state.analyses().into_iter().filter(|a| state.shows(*a));
        // Significant bins have no row of their own but mark the attention's.
        let attention = !state.row_view(RowId::Attention).is_hidden;
        let bins =
            Some(Analysis::SignificantBins).filter(|bins| attention && state.explained.drawn_attribution(*bins).0.is_some());
        let shown: Vec<&str> = shown.chain(bins).map(Analysis::method).collect();
        let shown = if shown.is_empty() { "none".to_owned() } else { shown.join(",") };
        say("--analyses", &shown);
    }
    if let Some(name) = state.compared_name() {
        say("--compare", &name);
    }
    let layout = state.layout();
    let mut views: Vec<_> = state.row_views.iter().collect();
    views.sort_by_key(|(label, _)| *label);
    if !layout.only_hides_since(&Layout::of(state.session.source.saved())) {
        say("--layout", &layout.to_line());
        views.clear();
    }
    let analyses: Vec<String> = state.analyses().into_iter().map(|a| state.label(RowId::Attribution(a))).collect();
    for (label, view) in views {
        if view.is_hidden && !analyses.contains(label) {
            say("--hide", label);
        }
        if view.extra_lines != 0 {
            say("--lines", &format!("{label}={}", view.extra_lines));
        }
    }
    if state.wants_seqlets && state.model.is_some() {
        words.push("--seqlets".to_owned());
    }
    if state.wants_cores && state.model.is_some() {
        words.push("--cores".to_owned());
    }
    words.extend(options_in_words(options, out));
    words.extend(["--out".to_owned(), out.display().to_string()]);
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

/// The options of a figure as those of the command.
fn options_in_words(options: &FigureOptions, out: &Path) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut say = |name: &str, value: String| words.extend([name.to_owned(), value]);
    if !options.order.is_empty() {
        say("--order", options.order.join(","));
    }
    options.scales.iter().for_each(|(label, (lo, hi))| say("--scale", format!("{label}={lo}:{hi}")));
    for Highlight { region, name } in &options.highlights {
        say("--highlight", if name.is_empty() { region.to_string() } else { format!("{region}={name}") });
    }
    if let Some(letter) = options.letter {
        say("--letter", letter.to_string());
    }
    say("--width", options.width_mm.to_string());
    say("--theme", options.theme.name.clone());
    if PictureFormat::of(out) == Some(PictureFormat::Png) {
        say("--dpi", options.dpi.to_string());
    }
    if options.is_bare {
        words.push("--bare".to_owned());
    }
    words
}

/// A word as a shell reads it back.
pub fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./:,=+@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

/// Runs one piece of work; its error, or its panic, in words.
fn contained<T, E: std::fmt::Display>(work: impl FnOnce() -> Result<T, E>) -> Result<T, String> {
    match contain_panic(work) {
        Ok(result) => result.map_err(|e| e.to_string()),
        Err(panic) => Err(format!("internal error: {panic}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attribution::MutagenesisView;
    use crate::export::geometry;
    use crate::session::{GenomeEntry, SampleEntry, Session, SessionFile, TrackEntry};
    use crate::state::toy;
    use crate::theme::Theme;
    use crate::tracks::{SignalInterval, write_bigwig};

    fn options() -> FigureOptions {
        FigureOptions::new(Theme::named("print").unwrap())
    }

    /// A measured signal beside a track whose file is not there.
    fn state(folder: &Path) -> State {
        std::fs::write(folder.join("sizes"), "c\t20000\n").unwrap();
        let chroms = crate::genome::ChromSizes::parse("c\t20000").unwrap();
        let steps = (0..200).map(|i| SignalInterval { start: i * 50, end: i * 50 + 50, value: (i % 17) as f32 });
        write_bigwig(&folder.join("s.bw"), &chroms, &[("c".into(), steps.collect())], &[]).unwrap();
        let track = |file: &str| TrackEntry { file: file.into(), sample: Some("S1".to_owned()), ..TrackEntry::default() };
        let file = SessionFile {
            version: 1,
            locus: Some("c:1-20,000".to_owned()),
            genome: GenomeEntry { sizes: Some("sizes".into()), ..GenomeEntry::default() },
            samples: vec![SampleEntry { name: "S1".to_owned(), ..SampleEntry::default() }],
            tracks: vec![track("s.bw"), track("gone.bw")],
            ..SessionFile::default()
        };
        let session = Session::build(&file, folder).unwrap();
        State::new(Arc::new(session), Vec::new(), Theme::named("dark").unwrap())
    }

    /// A state with a model that reads one mark, at a gene.
    fn of_toy() -> State {
        let manifest = crate::models::test_manifest(10_000, 100, &["H3K4me3"], None);
        let mut state = toy::state(Some(Ok(manifest)));
        state.show_gene(crate::genome::GeneId(0));
        state
    }

    #[test]
    fn a_figure_does_not_depend_on_the_width_of_the_screen() {
        let folder = tempfile::tempdir().unwrap();
        let mut state = state(folder.path());
        let figure = |state: &State| figure_of_state(state, "remake".to_owned(), &options()).unwrap();
        state.n_columns = 60;
        let unread = figure(&state);
        let mut readers = Readers::new(state.session.clone());
        read_rows(&mut state, &mut readers);
        assert_eq!(state.signals.values().filter_map(|v| v.columns.as_ref().ok()).map(Vec::len).collect::<Vec<_>>(), [60]);
        assert_eq!(figure(&state), unread);
        state.n_columns = 200;
        assert_eq!(figure(&state), unread);
        assert!(unread.contains("gone.bw") && unread.contains("No such file"), "a file that is missing is a row that says so");
        let n_columns = geometry(&options(), &state.region).n_columns;
        assert!(
            unread.contains(&format!("max per {:.0} bp", 20_000.0 / n_columns as f64)),
            "signals are read at the columns of the page"
        );
    }

    #[test]
    fn a_model_that_does_not_load_fails_its_rows() {
        let mut state = of_toy();
        let mut readers = Readers::new(state.session.clone());
        let mut steps = 0;
        explain(&mut state, &mut readers, &|_| Err("no weights here".to_owned()), &Analysis::ALL, &mut |_| steps += 1);
        assert_eq!(steps, 1);
        let svg = figure_of_state(&state, String::new(), &options()).unwrap();
        assert_eq!(svg.matches("failed: no weights here").count(), 4, "attention and every analysis");
    }

    #[test]
    fn a_panic_in_a_reader_is_a_reason_and_not_the_end() {
        let mut state = of_toy();
        let mut readers = Readers::new(state.session.clone());
        explain(&mut state, &mut readers, &|_| panic!("weights of {} rows", 3), &[], &mut |_| ());
        let svg = figure_of_state(&state, String::new(), &options()).unwrap();
        assert!(svg.contains("internal error: weights of 3 rows"), "{svg}");
    }

    #[test]
    fn a_command_is_quoted_for_a_shell_and_names_all_that_was_chosen() {
        let mut state = of_toy();
        state.row_views.entry("EPD".to_owned()).or_default().is_hidden = true;
        state.row_views.entry("IG".to_owned()).or_default().is_hidden = true;
        state.row_views.entry("H3K4me3".to_owned()).or_default().extra_lines = -2;
        let command = command_of(&state, &["it's here/session.toml".into()], Path::new("f.svg"), &options());
        let expected =
            "cislens render 'it'\\''s here/session.toml' --locus chr1:15,001-25,000 --gene ALPHA --sample S01 --model ";
        assert!(command.starts_with(expected), "{command}");
        let end =
            "--analyses occlusion,saturation-mutagenesis --hide EPD --lines H3K4me3=-2 --width 174 --theme print --out f.svg";
        assert!(command.ends_with(end), "{command}");
    }

    #[test]
    fn a_command_says_how_rows_are_drawn_where_the_session_does_not() {
        let mut state = of_toy();
        state.row_views.entry("H3K4me3".to_owned()).or_default().scale = crate::state::Scale::Fixed(0.0, 20.0);
        state.mutagenesis_view = MutagenesisView::Max;
        let command = command_of(&state, &[], Path::new("f.svg"), &options());
        let line = command.split('\'').nth(1).unwrap();
        assert!(command.contains("--layout '{"), "{command}");
        let mut again = of_toy();
        again.lay_out(Layout::parse(line).unwrap());
        assert_eq!((again.layout(), again.mutagenesis_view), (state.layout(), state.mutagenesis_view));
        assert_eq!(again.row_views, state.row_views);
    }
}
