//! `docs/surfaces.md`: what each network gives by each method on each surface, as a number or as the reason why there is none.
//! `UPDATE_DOCS=1 cargo test --test surfaces` writes it anew.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod toy;

use assert_cmd::Command;
use candle_core::Device;
use cislens::attribution::{METHODS, Method, run_whole};
use cislens::jobs::{Analysis, AnalysisFailure, JobId, Reply, predict};
use cislens::models::{MODELS, Model, load_model};
use cislens::scene::{Geometry, Plot, Scene};
use cislens::session::{Readers, Session};
use cislens::state::{ModelInfo, RowId, RowState, State};
use cislens::theme::Theme;
use cislens::tracks::NpzReader;
use std::path::Path;
use std::sync::Arc;

/// Digits differ between kinds of processors.
const TOLERANCE: f64 = 1e-2;
/// A thousand steps of a fixed rate from random marks end up circling the optimum: where, rounding decides (4 % were seen).
const TOLERANCE_OF_OPTIMISATION: f64 = 0.2;
/// So many blocks of a row may be next to nothing, which is drawn or not as it is rounded (one was seen).
const SHAPES: u32 = 2;

const SURFACES: [&str; 4] = ["command line (sum)", "npz (largest)", "screen (axis)", "figure (shapes)"];

/// Runs the program on the twin-free gene and gives its message where it refuses.
fn run(folder: &Path, args: &str) -> Result<(), String> {
    let args = format!("{args} --session session.toml --gene ONE0");
    let output = Command::new(env!("CARGO_BIN_EXE_cislens")).current_dir(folder).args(args.split(' ')).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    match output.status.code() {
        Some(0) => Ok(()),
        Some(2) => Err(stderr.trim().rsplit(": ").next().unwrap().to_owned()),
        status => panic!("{args}: {status:?}: {stderr}"),
    }
}

fn cell(number: f64) -> String {
    assert!(number.is_finite(), "{number}");
    format!("{number:.3e}")
}

/// The sum of all columns of attributions, or the predicted number.
fn command_line(folder: &Path, command: &str) -> String {
    if let Err(reason) = run(folder, &format!("{command} --out out.tsv")) {
        return format!("n/a: {reason}");
    }
    let text = std::fs::read_to_string(folder.join("out.tsv")).unwrap();
    let mut lines = text.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t').collect::<Vec<_>>());
    let (names, values) = (lines.next().unwrap(), lines.next().unwrap());
    // A line of attributions ends with its sums: of DNA and of each mark.
    let first = match command.starts_with("predict") {
        true => names.iter().position(|name| *name == "output").unwrap(),
        false => 1 + names.iter().rposition(|name| ["output", "delta", "gap", "standard_error"].contains(name)).unwrap(),
    };
    let n = if command.starts_with("predict") { 1 } else { names.len() - first };
    let wanted: Vec<f64> = values[first..first + n].iter().map(|v| v.parse().unwrap()).collect();
    assert!(!wanted.is_empty(), "{names:?}");
    cell(wanted.iter().sum())
}

/// The largest absolute number of the arrays.
fn npz(folder: &Path, command: &str) -> String {
    if let Err(reason) = run(folder, &format!("{command} --out out.npz")) {
        return format!("n/a: {reason}");
    }
    let mut archive = NpzReader::open(&folder.join("out.npz")).unwrap();
    let wanted = if command.starts_with("predict") { &["output"][..] } else { &["sequence", "marks", "x", "profile"] };
    let names: Vec<String> = archive.names().into_iter().filter(|name| wanted.contains(&name.as_str())).collect();
    assert!(!names.is_empty());
    let values = names.iter().flat_map(|name| archive.read(name).unwrap().to_f64().unwrap());
    cell(values.fold(0.0, |largest: f64, v| largest.max(v.abs())))
}

/// A browser's state with everything a network says of the gene, by one method.
fn state(session: &Arc<Session>, model: &dyn Model, index: usize, method: Option<&dyn Method>) -> State {
    let info = |m: &cislens::models::Architecture| ModelInfo { folder: m.name.into(), manifest: Ok(toy::manifest(m.name)) };
    let theme = Theme::named("dark").unwrap();
    let mut state = State::new(session.clone(), MODELS.iter().map(info).collect(), theme);
    state.model = Some(index);
    state.go_to("ONE0").unwrap();
    let subject = state.subject().unwrap();
    state.explained.begin(Some(subject.clone()));
    let (prediction, input) = predict(model, &subject, &mut Readers::new(session.clone())).unwrap();
    let job = JobId::default();
    state.apply(Reply::Prediction { job, prediction: Ok(Arc::new(prediction)) }, job, job);
    let analysis = method.and_then(|m| Analysis::of_method(m.name()));
    if let (Some(method), Some(analysis)) = (method, analysis) {
        state.show_analysis(analysis);
        let attribution = match method.obstacle(model) {
            Some(reason) => Err(AnalysisFailure::NotApplicable(reason)),
            None => Ok(Arc::new(run_whole(method, model, &input, &method.defaults()).unwrap())),
        };
        state.apply(Reply::Attribution { job, analysis, attribution, stored: None }, job, job);
    }
    state
}

/// The end of the row's axis, or the predicted number of the header.
fn screen(state: &State, method: Option<&dyn Method>) -> String {
    let scene = Scene::build(state, Geometry { n_columns: 120, char_columns: 1.0, max_lanes: 4 });
    let Some(method) = method else {
        return cell(state.explained.prediction().unwrap().score);
    };
    let analysis = Analysis::of_method(method.name()).unwrap();
    let row = scene.rows.iter().find(|row| row.id == RowId::Attribution(analysis)).unwrap();
    match (&row.state, &row.plot) {
        (Some(RowState::NotApplicable(reason)), _) => format!("n/a: {reason}"),
        (Some(RowState::Fresh), Plot::Signed(lanes, limit) | Plot::Heat(lanes, limit)) => {
            assert!(lanes.iter().any(|lane| lane.values.iter().any(|v| v.is_finite() && *v != 0.0)), "{}", row.label);
            cell(f64::from(*limit))
        }
        (state, plot) => panic!("{}: {state:?} {plot:?}", row.label),
    }
}

/// The table's lines after its heading: network, method, and a cell a surface.
fn rows() -> Vec<Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let session = Arc::new(Session::open(&toy::write_session(folder)).unwrap());
    let mut rows = Vec::new();
    for (index, architecture) in MODELS.iter().enumerate() {
        let name = architecture.name;
        let model = load_model(&folder.join(name), &Device::Cpu).unwrap();
        for method in std::iter::once(None).chain(METHODS.iter().map(|m| Some(*m))) {
            let command = match method {
                None => format!("predict {name}"),
                Some(method) => format!("attribute {} {name}", method.name()),
            };
            let state = state(&session, &*model, index, method);
            let cells = [
                command_line(folder, &command),
                npz(folder, &command),
                screen(&state, method),
                figure(folder, name, &*model, method),
            ];
            let title = method.map_or("prediction", |m| m.name());
            rows.push([name.to_owned(), title.to_owned()].into_iter().chain(cells).collect());
        }
    }
    rows
}

/// The shapes drawn in the method's row, or the predicted number of the heading.
fn figure(folder: &Path, model: &str, network: &dyn Model, method: Option<&dyn Method>) -> String {
    let name = method.map_or("none", |m| m.name());
    let args = format!("render session.toml --locus ONE0 --model {model} --analyses {name} --out out.svg");
    let output = Command::new(env!("CARGO_BIN_EXE_cislens")).current_dir(folder).args(args.split(' ')).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let svg = std::fs::read_to_string(folder.join("out.svg")).unwrap();
    let Some(method) = method else {
        let after = svg.split(">predicted</text>").nth(1).unwrap().split('>').nth(1).unwrap().split('<').next().unwrap();
        return cell(after.replace('\u{2212}', "-").split(' ').find_map(|word| word.parse().ok()).unwrap());
    };
    // Rows of attributions stand below all others.
    let row = svg.split("<g id=\"row-").last().unwrap().split("<g id=\"ruler\"").next().unwrap();
    let obstacle = method.obstacle(network).filter(|reason| row.contains(reason.as_str()));
    let shapes = ["<path", "<rect", "<polygon", "<polyline"].iter().map(|tag| row.matches(tag).count()).sum::<usize>();
    match obstacle {
        Some(reason) => format!("n/a: {reason}"),
        None => shapes.to_string(),
    }
}

fn table(rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let head: Vec<String> = ["network", "method"].into_iter().chain(SURFACES).map(str::to_owned).collect();
    let body: String = rows.iter().map(|row| line(row)).collect();
    format!(
        "# Networks, methods, surfaces\n\nEach network with random weights, explained by each method for one gene of a made-up session: \
         what each surface shows of it,\n\
         or why nothing. Of a prediction: F (in the figure as its heading says it). Of an attribution: its sum in the .tsv, its\n\
         largest value in the .npz, the end of its row's axis on the screen, the shapes drawn of its row in the figure.\n\n\
         Written by `UPDATE_DOCS=1 cargo test --test surfaces`, compared by `cargo test`.\n\n\
         {}{}{body}",
        line(&head),
        line(&vec!["---".to_owned(); head.len()])
    )
}

/// Whether two cells say the same: numbers nearly, words exactly.
fn agree(a: &str, b: &str, tolerance: f64) -> bool {
    match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(a), Ok(b)) => (a - b).abs() <= tolerance * a.abs().max(b.abs()) + 1e-6,
        _ => a == b,
    }
}

/// Whether nearly as many shapes are drawn.
fn shapes_agree(a: &str, b: &str) -> bool {
    match (a.parse::<u32>(), b.parse::<u32>()) {
        (Ok(a), Ok(b)) => (a == 0) == (b == 0) && a.abs_diff(b) <= SHAPES,
        _ => false,
    }
}

#[test]
fn every_surface_shows_a_number_or_says_why_not() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/surfaces.md");
    let rows = rows();
    assert_eq!(rows.len(), MODELS.len() * (METHODS.len() + 1));
    for cell in rows.iter().flat_map(|row| &row[2..]) {
        let is_reason = cell.strip_prefix("n/a: ").is_some_and(|reason| !reason.is_empty());
        assert!(is_reason || cell.parse::<f64>().is_ok_and(f64::is_finite), "\"{cell}\" is neither a number nor a reason");
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, table(&rows)).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap();
    let expected = table(&rows);
    assert_eq!(written.lines().count(), expected.lines().count(), "docs/surfaces.md is of other networks or methods");
    for (old, new) in written.lines().zip(expected.lines()) {
        let (old, new): (Vec<&str>, Vec<&str>) = (old.split(" | ").collect(), new.split(" | ").collect());
        let tolerance = if old.contains(&"class-optimisation") { TOLERANCE_OF_OPTIMISATION } else { TOLERANCE };
        let cells = old.iter().zip(&new).map(|(a, b)| (a.trim_matches(['|', ' ']), b.trim_matches(['|', ' '])));
        let is_same = old.len() == new.len()
            && cells
                .enumerate()
                .all(|(column, (a, b))| agree(a, b, tolerance) || (column + 1 == old.len() && shapes_agree(a, b)));
        assert!(is_same, "docs/surfaces.md says {old:?}, now it is {new:?} (UPDATE_DOCS=1 writes it anew)");
    }
}
