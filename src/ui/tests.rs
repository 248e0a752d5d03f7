//! Screens as a person sees them: text and styles of cells.

use super::*;
use crate::attribution::Attribution;
use crate::genome::Region;
use crate::jobs::{Analysis, AnalysisFailure, JobId, Prediction, Reply};
use crate::models::{BinStatistic, Manifest, test_manifest};
use crate::session::{TrackId, TrackKind};
use crate::state::{RowId, SignalView, toy};
use crate::tracks::Column;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::style::Modifier;
use std::sync::Arc;

fn screen(state: &mut State, width: u16, height: u16) -> Buffer {
    state.n_columns = plot_columns(width);
    state.set_region(state.region.clone());
    screen_as_is(state, width, height, Depth::True)
}

pub(super) fn screen_as_is(state: &State, width: u16, height: u16, depth: Depth) -> Buffer {
    let palette = Palette::new(state.theme.clone(), depth);
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, state, &Keymap::built_in(), &palette)).unwrap();
    terminal.backend().buffer().clone()
}

fn lines(buffer: &Buffer) -> Vec<String> {
    let line = |y| (0..buffer.area.width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
    (0..buffer.area.height).map(line).collect()
}

fn line_with<'a>(lines: &'a [String], text: &str) -> &'a str {
    lines.iter().find(|l| l.contains(text)).unwrap_or_else(|| panic!("no line has «{text}»:\n{}", lines.join("\n")))
}

fn manifest() -> Manifest {
    let mut manifest = test_manifest(10_000, 1, &["H3K4me3", "5mC"], Some(crate::genome::BaseOrder::ACGT));
    manifest.name = "toy-net".to_owned();
    manifest.input.bin_statistic = BinStatistic::Mean;
    manifest
}

/// A state whose model has answered: attention in bins 90..110, a positive and a negative block, one base of effect.
pub(super) fn explained() -> State {
    let mut state = toy::state(Some(Ok(manifest())));
    state.explained.begin(state.subject());
    let mut attention = vec![0.0; 200];
    attention[90..110].fill(0.05);
    let prediction = Prediction {
        score: 1.234,
        output: 1.234,
        attention: vec![attention],
        mark_attention: Vec::new(),
        missing: vec![0.0, 0.25],
        unedited: None,
        measured: None,
        off_chromosome: 0,
        input_hash: String::new(),
    };
    let job = JobId::default();
    state.apply(Reply::Prediction { job, prediction: Ok(Arc::new(prediction)) }, job, job);
    let mut marks = vec![0.0; 20_000];
    (5_000..5_500).for_each(|p| marks[2 * p] = 0.01);
    (2_000..2_500).for_each(|p| marks[2 * p + 1] = -0.01);
    let attribution = Attribution {
        method: "integrated-gradients",
        settings: "midpoint, 81 steps".to_owned(),
        score: 1.234,
        reference: Some(b"ACGT".repeat(2_500)),
        sequence: Some(vec![[0.0; 4]; 10_000]),
        marks: Some(marks),
        delta: Some(0.001),
        gap: Some(0.004),
        rounding: 1e-6,
        done: 81,
        total: 81,
        ..Attribution::default()
    };
    let reply = |analysis, attribution| Reply::Attribution { job, analysis, attribution, stored: None };
    state.apply(reply(Analysis::IntegratedGradients, Ok(Arc::new(attribution.clone()))), job, job);
    let mut deltas = vec![[f32::NAN; 4]; 10_000];
    for (p, delta) in deltas.iter_mut().enumerate().skip(4_000).take(2_000) {
        *delta = [-0.3; 4];
        delta[p % 4] = 0.0;
    }
    deltas[5_010] = [0.9, 0.9, 0.0, 0.9];
    let ism = Attribution { sequence: Some(deltas), marks: None, gap: None, done: 6_000, total: 30_000, ..attribution };
    state.apply(reply(Analysis::SaturationMutagenesis, Ok(Arc::new(ism))), job, job);
    let reason = "toy reads no mark".to_owned();
    state.apply(reply(Analysis::Occlusion, Err(AnalysisFailure::NotApplicable(reason))), job, job);
    state
}

#[test]
fn the_header_says_what_is_shown_of_what() {
    let mut state = explained();
    let lines = lines(&screen(&mut state, 160, 48));
    for text in ["cislens", "gene ALPHA (+)", "chr1:15,001-25,000", "10.0 kb", "sample S01", "model toy-net"] {
        assert!(lines[0].contains(text), "{text}: {}", lines[0]);
    }
    for text in ["predicted 1.23", "not measured", "5mC: 25 % of the window not measured", "simulated data"] {
        assert!(lines[1].contains(text), "{text}: {}", lines[1]);
    }
}

#[test]
fn a_signal_has_its_axis_and_gaps_are_not_zeros() {
    let mut state = toy::state(None);
    state.n_columns = plot_columns(160);
    toy::fill_signals(&mut state);
    let buffer = screen(&mut state, 160, 48);
    let y = lines(&buffer).iter().position(|l| l.contains("H3K4me3")).unwrap() as u16;
    let n = plot_columns(160);
    let foot = |column: usize| buffer[(22 + column as u16, y + 4)].symbol().to_owned();
    assert_eq!(foot(0), " ", "nothing measured, nothing drawn");
    assert_eq!(foot(n - 1), "█");
    assert!(lines(&buffer)[usize::from(y)].contains("110"), "the axis ends at a round number above the maximum");
    assert!(lines(&buffer)[usize::from(y)].contains("rpm · mean, max per 91 bp"));
}

#[test]
fn measured_zero_is_a_line() {
    let mut state = toy::state(None);
    state.n_columns = plot_columns(160);
    let zero = Column { mean: 0.0, min: 0.0, max: 0.0, covered: 1.0 };
    let columns = Ok(vec![zero; state.n_columns]);
    state.signals.insert(TrackId(0), SignalView { region: state.region.clone(), columns });
    let lines = lines(&screen(&mut state, 160, 48));
    assert!(lines.iter().any(|l| l.contains(&"▁".repeat(100))));
}

#[test]
fn genes_have_exons_direction_and_name() {
    let mut state = toy::state(None);
    let buffer = screen(&mut state, 160, 48);
    let lines = lines(&buffer);
    let line = line_with(&lines, "genes");
    assert!(line.contains('>') && line.contains('█'), "{line}");
    let promoter = line_with(&lines, "EPD");
    assert!(promoter.contains("ALPHA_1"));
    assert!(lines[2].contains("┏▶"), "the TSS and its direction: {}", lines[2]);
}

#[test]
fn attention_is_drawn_where_it_was_read() {
    let mut state = explained();
    let buffer = screen(&mut state, 160, 48);
    let y = lines(&buffer).iter().position(|l| l.contains("attention")).unwrap() as u16;
    let n = plot_columns(160) as u16;
    // Bins 90..110 of 200 are bases 4500..5500 of the window, which is the view.
    let strong = buffer[(22 + n / 2, y)].bg;
    let (before, after) = (buffer[(22 + n * 44 / 100, y)].bg, buffer[(22 + n * 56 / 100, y)].bg);
    assert_eq!(before, after);
    assert_ne!(strong, before);
    assert!(lines(&buffer)[usize::from(y)].contains("● attention") && lines(&buffer)[usize::from(y)].contains("fresh"));
}

#[test]
fn what_raises_stands_and_what_lowers_hangs() {
    let mut state = explained();
    let buffer = screen(&mut state, 160, 48);
    let y = lines(&buffer).iter().position(|l| l.contains("● IG")).unwrap() as u16;
    let n = plot_columns(160) as u16;
    // Lanes: DNA, H3K4me3, 5mC.
    let raised = &buffer[(22 + n * 52 / 100, y + 1)];
    let lowered = &buffer[(22 + n * 22 / 100, y + 2)];
    assert_eq!((raised.symbol(), lowered.symbol()), ("█", "█"));
    assert_ne!(raised.fg, lowered.fg);
    assert!(lines(&buffer)[usize::from(y)].contains("gap 0.4 %") || lines(&buffer)[usize::from(y) + 1].contains("gap 0.4 %"));
}

#[test]
fn mutagenesis_under_way_says_how_far_it_is_and_leaves_the_rest_blank() {
    let mut state = explained();
    let buffer = screen(&mut state, 160, 48);
    let all = lines(&buffer);
    let y = all.iter().position(|l| l.contains("◐ ISM")).unwrap();
    assert!(all[y].contains("20 % · 6000/30000"), "{}", all[y]);
    let plot: String = (22..132).map(|x| buffer[(x, y as u16)].symbol()).collect();
    assert!(plot.starts_with("          "), "not computed yet: {plot}");
}

#[test]
fn one_base_a_column_shows_letters_of_the_genome() {
    let mut state = explained();
    state.n_columns = plot_columns(160);
    let n = state.n_columns as u64;
    state.set_region(Region::new("chr1", 20_000, 20_000 + n));
    let buffer = screen(&mut state, 160, 48);
    let all = lines(&buffer);
    let y = all.iter().position(|l| l.contains("ISM")).unwrap();
    // Base 20,000 is index 5000 of the window: A of ACGT; every base is worth +0.3 but index 5010 (G), worth -0.9.
    let letters: String = (22..32).map(|x| column_letter(&buffer, x, y as u16)).collect();
    assert_eq!(letters, "ACGTACGTAC");
    let low = (y as u16 + 2..47).any(|at| buffer[(32, at)].symbol() == "G");
    assert!(low, "a harmful base hangs below the axis");
}

/// The letter in a column of the ISM row.
fn column_letter(buffer: &Buffer, x: u16, y: u16) -> String {
    let symbols = (y..47).map(|y| buffer[(x, y)].symbol());
    symbols.into_iter().find(|s| ["A", "C", "G", "T"].contains(s)).unwrap_or(" ").to_owned()
}

#[test]
fn a_row_that_cannot_be_says_why() {
    let mut state = explained();
    let all = lines(&screen(&mut state, 160, 48));
    let line = line_with(&all, "occlusion");
    assert!(line.contains("toy reads no mark") && line.contains("– occlusion"), "{line}");
    let reason = "x.bw: no chromosome \"chr1\" in this file; it has chr2".to_owned();
    state.signals.insert(TrackId(0), SignalView { region: state.region.clone(), columns: Err(reason) });
    let all = lines(&screen(&mut state, 160, 48));
    assert!(line_with(&all, "H3K4me3").contains("no chromosome \"chr1\" in this file; it has chr2"));
}

#[test]
fn a_sample_without_the_models_marks_says_which_it_lacks() {
    let mut state = explained();
    state.switch_sample(1);
    assert_eq!(state.explain(), None);
    let all = lines(&screen(&mut state, 160, 48));
    let line = line_with(&all, "– attention");
    assert!(line.contains("5mC") && line.contains("S02") && line.contains("not applicable"), "{line}");
    assert!(all[1].contains("predicted n/a"), "{}", all[1]);
}

#[test]
fn every_theme_brings_its_own_ground() {
    for (name, _) in crate::theme::THEMES {
        let mut state = explained();
        state.theme = crate::theme::Theme::named(name).unwrap();
        let ground = Palette::new(state.theme.clone(), Depth::True).colour("background");
        let buffer = screen(&mut state, 160, 48);
        assert_eq!((buffer[(0, 0)].bg, buffer[(159, 47)].bg), (ground, ground), "{name}");
    }
}

#[test]
fn a_model_that_does_not_load_is_a_failed_row() {
    let mut state = toy::state(Some(Err("models/toy/model.toml: no such file".to_owned())));
    let all = lines(&screen(&mut state, 160, 48));
    assert!(line_with(&all, "✗ attention").contains("models/toy/model.toml: no such file"));
}

#[test]
fn another_gene_leaves_the_old_answer_stale_and_in_its_place() {
    let mut state = explained();
    state.step_gene(1);
    state.explained.begin(state.subject());
    state.set_region(Region::new("chr1", 15_000, 60_000));
    let buffer = screen(&mut state, 160, 48);
    let all = lines(&buffer);
    assert!(line_with(&all, "○ attention").contains("stale"));
    assert!(all[1].contains("predicted …"), "an old number never stands beside a new gene: {}", all[1]);
}

#[test]
fn small_screens_show_the_focused_row_and_say_what_is_hidden() {
    let mut state = explained();
    state.focus = "ISM".to_owned();
    let all = lines(&screen(&mut state, 80, 24));
    assert!(all.iter().any(|l| l.contains("ISM")));
    assert_eq!(all.len(), 24);
    assert!(all[0].contains("gene ALPHA"));
    let tiny = lines(&screen_as_is(&state, 60, 10, Depth::True));
    assert!(tiny[0].contains("cislens needs 80x24; this terminal has 60x10"));
}

#[test]
fn no_size_panics_and_overlays_fit() {
    let mut state = explained();
    for mode in [
        Mode::Browse,
        Mode::Help(3),
        Mode::Messages(u16::MAX),
        Mode::Prompt(crate::state::Prompt::default()),
        Mode::Table(toy::state(None).chromosome_table()),
    ] {
        state.mode = mode;
        for (width, height) in [(1, 1), (2, 5), (80, 24), (81, 25), (109, 30), (110, 24), (149, 60), (150, 24), (400, 120)] {
            state.n_columns = plot_columns(width);
            screen_as_is(&state, width, height, Depth::True);
        }
    }
}

#[test]
fn without_colours_shades_and_signs_carry_the_meaning() {
    let mut state = explained();
    screen(&mut state, 160, 48);
    let buffer = screen_as_is(&state, 160, 48, Depth::Mono);
    for y in 0..48 {
        for x in 0..160 {
            let cell = &buffer[(x, y)];
            assert_eq!((cell.fg, cell.bg), (ratatui::style::Color::Reset, ratatui::style::Color::Reset));
        }
    }
    let all = lines(&buffer);
    assert!(line_with(&all, "attention").contains("█"), "the strongest weight is a full shade");
    let y = all.iter().position(|l| l.contains("● IG")).unwrap() as u16;
    let n = plot_columns(160) as u16;
    let lowered = &buffer[(22 + n * 22 / 100, y + 2)];
    assert!(lowered.symbol() == "█" || lowered.modifier.contains(Modifier::REVERSED));
}

#[test]
fn help_lists_every_key_from_the_keymap() {
    let mut state = toy::state(None);
    state.mode = Mode::Help(0);
    let all = lines(&screen(&mut state, 160, 120)).join("\n");
    for info in crate::input::ACTIONS {
        assert!(all.contains(info.help), "{} is not in the help", info.name);
    }
}

/// A row of the toy session drawn in four columns of 10 lines: what its plot shows from the top.
fn drawn(name: &str, values: &[f32], change: impl FnOnce(&mut crate::state::RowView)) -> (Vec<String>, Buffer) {
    let mut state = toy::state(None);
    let n = plot_columns(80);
    state.n_columns = n;
    state.set_region(Region::new("chr1", 0, 6_400));
    let column = |i: usize| match values.get(i * values.len() / n) {
        Some(v) if !v.is_nan() => Column { mean: *v, min: v.min(0.0), max: *v, covered: 1.0 },
        _ => Column::MISSING,
    };
    state.signals.insert(TrackId(0), SignalView { region: state.region.clone(), columns: Ok((0..n).map(column).collect()) });
    for label in ["genes", "EPD", "5mC"] {
        state.row_views.entry(label.to_owned()).or_default().is_hidden = true;
    }
    let row = state.row_named(name).unwrap();
    state.view_of(row).extra_lines = 1;
    change(state.view_of(row));
    let buffer = screen_as_is(&state, 80, 24, Depth::True);
    let plot = |y: u16| (16..80).map(|x| buffer[(x, y)].symbol()).collect::<String>();
    ((3..7).map(plot).collect(), buffer)
}

/// `n` times a symbol: 16 columns are a quarter of the plot.
fn times(symbol: &str) -> String {
    symbol.repeat(16)
}

#[test]
fn every_style_of_a_signal_is_drawn_in_full() {
    use crate::state::{Scale, SignalStyle};
    let values = [0.0, 4.0, 8.0, f32::NAN];
    let style = |style: SignalStyle| {
        drawn("H3K4me3", &values, |view| {
            view.style = style;
            view.scale = Scale::Fixed(0.0, 8.0);
        })
    };
    let bars = |foot: &str| {
        vec![
            times(" ") + &times(" ") + &times("█") + &times(" "),
            times(" ") + &times(" ") + &times("█") + &times(" "),
            times(" ") + &times("█") + &times("█") + &times(" "),
            times(foot) + &times("█") + &times("█") + &times(" "),
        ]
    };
    for both in [SignalStyle::Whiskers, SignalStyle::Bars] {
        assert_eq!(style(both).0, bars("▁"), "{both:?}: zero is a line, a gap is a gap");
    }
    let line = style(SignalStyle::Line).0;
    assert_eq!(line[3], times("⣀") + "⡇" + &" ".repeat(47), "along the foot, then up");
    assert_eq!(line[0], " ".repeat(32) + "⡏" + &"⠉".repeat(15) + &times(" "));
    let points = style(SignalStyle::Points).0;
    assert_eq!(points[3], times("⣀") + &" ".repeat(48));
    assert_eq!(points[0], " ".repeat(32) + &times("⠉") + &times(" "));
    let (heat, buffer) = style(SignalStyle::Heatmap);
    assert_eq!(heat[0], " ".repeat(64));
    let ground = |x: u16| buffer[(x, 3)].bg;
    let shades: Vec<_> = [16, 32, 48, 64].map(ground).into();
    let palette = Palette::new(crate::theme::Theme::named("dark").unwrap(), Depth::True);
    let expected = [0.07, 0.07 + 0.93 * 0.5, 1.0].map(|share| palette.shade("signal.H3K4me3", share));
    assert_eq!(shades[..3], expected);
    assert_eq!(shades[3], palette.colour("background"), "not measured is no shade");
}

/// Fault 5 of a peer: negative values were skipped.
#[test]
fn negative_values_hang_below_the_axis() {
    use crate::state::{Scale, SignalStyle};
    let (lines, buffer) = drawn("H3K4me3", &[-4.0, 4.0, -2.0, 2.0], |view| {
        view.style = SignalStyle::Bars;
        view.scale = Scale::Fixed(-4.0, 4.0);
    });
    assert_eq!(lines[0], times(" ") + &times("█") + &times(" ") + &times(" "));
    assert_eq!(lines[1], times(" ") + &times("█") + &times(" ") + &times("█"));
    assert_eq!(lines[2], times("█") + &times(" ") + &times("█") + &times(" "));
    assert_eq!(lines[3], times("█") + &times(" ") + &times(" ") + &times(" "));
    assert_eq!(buffer[(16, 4)].symbol(), " ", "nothing above zero where the value is below");
}

#[test]
fn what_a_scale_cuts_is_marked_and_logarithms_are_placed_by_their_size() {
    use crate::state::{Scale, SignalStyle};
    let (lines, _) = drawn("H3K4me3", &[1.0, 100.0, 2.0, 2.0], |view| {
        (view.style, view.scale) = (SignalStyle::Bars, Scale::Fixed(0.0, 2.0));
    });
    assert_eq!(lines[0], times(" ") + &times("▴") + &times("█") + &times("█"));
    let (lines, _) = drawn("H3K4me3", &[0.0, 9.0, 99.0, 9_999.0], |view| {
        (view.style, view.scale, view.is_log) = (SignalStyle::Bars, Scale::Fixed(0.0, 9_999.0), true);
    });
    let heights: Vec<usize> = [0, 16, 32, 48].map(|x| lines.iter().filter(|l| l.chars().nth(x) == Some('█')).count()).into();
    assert_eq!(heights, [0, 1, 2, 4], "log10(1 + x) is 0, 1, 2, 4 of 4");
}

#[test]
fn a_pinned_row_stays_while_others_scroll() {
    let mut state = explained();
    state.view_of(RowId::Track(TrackId(1))).is_pinned = true;
    state.focus = "ISM".to_owned();
    let all = lines(&screen(&mut state, 80, 24));
    assert!(all[3].contains("5mC"), "{}", all.join("\n"));
    assert!(all.iter().any(|l| l.contains("ISM")));
}

#[test]
fn squished_genes_stand_two_a_line() {
    let mut state = toy::state(None);
    state.set_region(Region::new("chr1", 15_000, 65_000));
    state.view_of(RowId::Genes).genes = crate::state::GeneDisplay::Squished;
    let all = lines(&screen(&mut state, 160, 48));
    let line = line_with(&all, "genes");
    assert!(line.contains('▀') && !line.contains("ALPHA"), "{line}");
}

/// Fault 12 of a peer: two borders and a title took three of the seven lines of a row.
#[test]
fn a_row_spends_all_its_lines_on_its_plot() {
    let (lines, _) = drawn("H3K4me3", &[8.0], |view| view.scale = crate::state::Scale::Fixed(0.0, 8.0));
    assert!(lines.iter().all(|line| *line == "█".repeat(64)), "{lines:?}");
}

/// Faults 1 and 5 of a peer, on the file that showed them: a record of one base painted over kilobases, a negative one not at all.
#[test]
fn a_negative_base_of_a_measured_file_hangs_alone() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/real/formats/sparse_signed.bigWig");
    if !path.exists() {
        println!("skipped: {} is not here", path.display());
        return;
    }
    let session = Arc::new(crate::session::open_paths(&[path]).unwrap());
    let mut readers = crate::session::Readers::new(session.clone());
    let mut lowest = |region: &Region, n: usize| {
        let columns = readers.columns(TrackId(0), region, n).unwrap();
        let at = columns.iter().position(|c| c.min < 0.0)?;
        let edge = |i: usize| region.start + i as u64 * region.len() / n as u64;
        Some(Region::new(region.chrom.clone(), edge(at), edge(at + 1)))
    };
    let wholes = session.genome.chroms.iter().map(|(chrom, len)| Region::new(chrom.clone(), 0, len));
    let coarse = wholes.filter_map(|whole| lowest(&whole, 50_000)).next().expect("the file has a negative base");
    let base = lowest(&coarse, coarse.len() as usize).unwrap().start;
    let mut state = State::new(session, Vec::new(), crate::theme::Theme::named("dark").unwrap());
    state.n_columns = plot_columns(160);
    // 66 bases a column, as where the fault was seen; the base in the middle.
    let span = 66 * state.n_columns as u64;
    state.set_region(Region::new(coarse.chrom.clone(), base - span / 2, base + span / 2));
    let columns = readers.columns(TrackId(0), &state.region, state.n_columns).map_err(|e| e.to_string());
    state.signals.insert(TrackId(0), SignalView { region: state.region.clone(), columns });
    let buffer = screen(&mut state, 160, 48);
    let n = plot_columns(160) as u16;
    let is_painted = |x: u16, y: u16| buffer[(x, y)].symbol() != " ";
    let painted: Vec<u16> = (0..n).filter(|x| (3..46).any(|y| is_painted(22 + x, y))).collect();
    assert!(painted.contains(&(n / 2)) && painted.len() <= 3, "{painted:?}");
    let scene = Scene::build(&state, Geometry { n_columns: usize::from(n), char_columns: 1.0, max_lanes: 3 });
    assert!(scene.rows[0].axis.unwrap().0 < 0.0, "the axis reaches below zero");
}

#[test]
fn two_places_stand_side_by_side_on_one_scale() {
    let mut state = toy::state(None);
    state.set_columns(plot_columns(160));
    state.go_to("chr1:15,001-25,000 | chr2:5,001-15,000").unwrap();
    let n = state.n_columns;
    assert_eq!(n, 54);
    let at = |region: &Region, value: f32| SignalView {
        region: region.clone(),
        columns: Ok(vec![Column { mean: value, min: value, max: value, covered: 1.0 }; n]),
    };
    for (value, _) in [(10.0, "left"), (40.0, "right")] {
        let view = at(&state.region, value);
        let signals =
            state.session.tracks.iter().enumerate().filter(|(_, t)| t.kind == TrackKind::Signal).map(|(i, _)| TrackId(i));
        state.signals = signals.map(|id| (id, view.clone())).collect();
        state.switch_side();
    }
    for is_left in [true, false] {
        let lines = lines(&screen_as_is(&state, 160, 48, Depth::True));
        let cell = |line: &str, x: usize| line.chars().nth(x).unwrap();
        assert!(lines[2].starts_with(" chr1 │ chr2"), "{}", lines[2]);
        assert!(lines[2..47].iter().all(|line| cell(line, 22 + n) == '│'), "a line between them");
        let row = lines.iter().position(|line| line.contains("H3K4me3")).unwrap();
        assert!(lines[row].contains("40▏"), "one axis for both: {}", lines[row]);
        assert_eq!((cell(&lines[row], 30), cell(&lines[row], 22 + n + 10)), (' ', '█'), "10 is a quarter of 40");
        assert!(lines[0].contains(if is_left { "chr1:15,001-25,000" } else { "chr2:5,001-15,000" }), "{}", lines[0]);
        let on_other = |x| is_on_other_side(&state, 160, x);
        assert_eq!((on_other(22), on_other(22 + n as u16 - 1), on_other(22 + n as u16 + 1)), (!is_left, !is_left, is_left));
        let Hit::Plot(label, position, value) = hit(&state, (160, 48), (22 + n as u16 + 1, row as u16)) else { panic!() };
        assert_eq!((label.as_str(), position, value.as_str()), ("H3K4me3", 5_000, "40"));
        state.switch_side();
    }
}

#[test]
fn rows_of_the_model_are_kept_or_say_why_not_on_the_side_without_the_focus() {
    let mut state = explained();
    state.set_columns(plot_columns(160));
    state.go_to("chr1:15,001-25,000 | chr2:5,001-15,000").unwrap();
    let side = |state: &State, is_left: bool| -> Vec<String> {
        let n = state.n_columns;
        let part = |line: &String| line.chars().skip(if is_left { 22 } else { 22 + n + 1 }).take(n).collect();
        lines(&screen_as_is(state, 160, 60, Depth::True)).iter().map(part).collect()
    };
    let row_of = |state: &State, label: &str| {
        lines(&screen_as_is(state, 160, 60, Depth::True)).iter().position(|line| line.contains(label)).unwrap()
    };
    let waits = "focus this side to compute";
    for label in ["attention", "IG", "ISM", "occlusion"] {
        let row = row_of(&state, label);
        assert!(side(&state, false)[row].starts_with(waits), "{label}: {}", side(&state, false)[row]);
        assert!(!side(&state, true)[row].contains(waits), "{label}");
    }
    let attention = row_of(&state, "attention");
    let cells = |state: &State| {
        let buffer = screen_as_is(state, 160, 60, Depth::True);
        (22..22 + state.n_columns as u16).map(|x| buffer[(x, attention as u16)].bg).collect::<Vec<_>>()
    };
    let before = cells(&state);
    assert!(before.iter().any(|bg| *bg != before[0]), "weights are shades");
    state.switch_side();
    assert_eq!(cells(&state), before, "what was said there stays");
    assert!(!side(&state, false)[attention].contains(waits), "the side with the focus is computing");
}

#[test]
fn a_matrix_has_a_line_a_sample_and_stands_in_its_order() {
    let mut state = toy::state(None);
    state.n_columns = plot_columns(160);
    for (track, value) in [(0, 2.0), (2, 8.0)] {
        let column = Column { mean: value, min: value, max: value, covered: 1.0 };
        let view = SignalView { region: state.region.clone(), columns: Ok(vec![column; state.n_columns]) };
        state.signals.insert(TrackId(track), view);
    }
    crate::input::run(&mut state, "matrix").unwrap();
    crate::input::run(&mut state, "sort value").unwrap();
    let buffer = screen(&mut state, 160, 30);
    let lines = lines(&buffer);
    let row = |name: &str| lines.iter().position(|line| line.contains(name)).unwrap();
    let (high, low) = (row("S02 H3K4me3"), row("S01 H3K4me3"));
    assert_eq!(low, high + 1, "a line each, the highest first");
    assert!(lines[high].contains("8\u{258f}") && lines[low].contains("8\u{258f}"), "on one scale: {}", lines[low]);
    assert!(lines[high].contains("mean here 8") && lines[low].contains("mean here 2"), "{}", lines[low]);
    let shade = |y: usize| buffer[(40, y as u16)].bg;
    assert_ne!(shade(high), shade(low), "shades, not bars");
}
