//! Panels, highlights, orders and scales; pictures of figures; the values behind them.

use super::tests::{Element, assert_sound, everything, gene, options, provenance, row, scene_of, track};
use super::*;
use crate::genome::{ChromSizes, Strand};
use crate::scene::{IntervalShape, Lane, Plot, Row, Scene};
use crate::state::{RowId, RowState};
use crate::tracks::{Column, NpzReader, Track, open};

fn column(mean: f32) -> Column {
    Column { mean, min: mean - 1.0, max: mean + 1.0, covered: 1.0 }
}

/// A signal, a heat map and genes over `len` bases from `start`, values growing with `level`.
fn small(start: u64, len: u64, n: usize, level: f32) -> Scene {
    let columns = (0..n).map(|i| if i == 2 { Column::MISSING } else { column(level * i as f32) }).collect();
    let lane = |label: &str, sign: f32| Lane {
        label: label.to_owned(),
        note: String::new(),
        values: (0..n).map(|i| if i == 1 { f32::NAN } else { sign * level * i as f32 }).collect(),
    };
    let interval = |start: u64, end: u64, name: &str| IntervalShape {
        start,
        end,
        name: name.to_owned(),
        label: None,
        strand: Some(Strand::Reverse),
        is_current: false,
        colour: None,
        parts: Vec::new(),
    };
    let genes = vec![vec![gene("MYC", start + 10, start + 90, Strand::Forward, None)]];
    let mut scene = scene_of(
        vec![
            row(RowId::Genes, "genes", Plot::Genes(genes)),
            track(0, "peaks", Plot::Intervals(vec![vec![interval(start + 5, start + 15, "p <1>")]], "peak".to_owned())),
            Row { axis: Some((0.0, level * n as f32)), ..track(1, "H3K4me3", Plot::Signal(columns, "signal".to_owned())) },
            Row {
                state: Some(RowState::Fresh),
                axis: Some((-level, level)),
                ..track(2, "IG", Plot::Signed(vec![lane("DNA", 1.0), lane("DNase/x", -1.0)], level * n as f32))
            },
            Row { state: Some(RowState::Fresh), ..track(3, "attention", Plot::Heat(vec![lane("", 1.0)], level * n as f32)) },
        ],
        start,
        len,
        n,
    );
    scene.ruler.tss = Some((start + len / 2, true));
    scene
}

fn texts<'a>(elements: &'a [Element], group: &str) -> Vec<&'a str> {
    elements.iter().filter(|e| e.name == "text" && e.is_in(group)).map(|e| e.text.as_str()).collect()
}

#[test]
fn panels_side_by_side_share_names_and_keep_to_their_places() {
    for (n, columns, width) in [(2, 2, 85.0), (3, 3, 174.0), (5, 2, 174.0), (4, 1, 120.0)] {
        let options = FigureOptions { letter: Some('A'), ..options(width) };
        let mut scenes: Vec<Scene> = (0..n).map(|i| small(10_000 * (i + 1), 1_000, 50, (i + 1) as f32)).collect();
        share_scales(&mut scenes);
        let svg = draw_panels(&scenes, Panels::Grid(columns), &provenance(), &options).unwrap();
        let elements = assert_sound(&svg);
        assert!((elements[0].number("width") - width * 72.0 / 25.4).abs() < 0.01);
        for i in 0..n {
            let header = texts(&elements, &format!("panel-{}-header", i + 1));
            assert!(header.contains(&char::from(b'A' + i as u8).to_string().as_str()), "{header:?}");
            let is_first = (i as usize).is_multiple_of(columns);
            let label = texts(&elements, &format!("panel-{}-row-3-H3K4me3-label", i + 1));
            assert_eq!(label.contains(&"H3K4me3"), is_first, "names stand left of the first panel alone: {label:?}");
        }
        // All plots of a row of panels stand at one height.
        let top = |i: usize| {
            let group = format!("panel-{}-row-3-H3K4me3-plot", i + 1);
            elements.iter().filter(|e| e.is_in(&group) && e.name == "path").map(|e| e.bounds().3).fold(f64::MIN, f64::max)
        };
        for i in 1..columns.min(n as usize) {
            assert!((top(i) - top(0)).abs() < 0.02, "{} and {}", top(i), top(0));
        }
    }
}

#[test]
fn one_scale_serves_all_panels() {
    let mut scenes = [small(1_000, 1_000, 50, 1.0), small(9_000, 1_000, 50, 3.0)];
    share_scales(&mut scenes);
    for scene in &scenes {
        assert_eq!(scene.rows[2].axis, Some((0.0, 150.0)));
        assert!(matches!(&scene.rows[3].plot, Plot::Signed(_, limit) if *limit == 150.0));
        assert!(matches!(&scene.rows[4].plot, Plot::Heat(_, limit) if *limit == 150.0));
    }
}

#[test]
fn more_panels_than_have_room_are_refused() {
    let scenes: Vec<Scene> = (0..12).map(|i| small(1_000 * i, 900, 20, 1.0)).collect();
    let error = draw_panels(&scenes, Panels::Grid(12), &provenance(), &options(85.0)).unwrap_err().to_string();
    assert!(error.contains("12 panels side by side in 85 mm"), "{error}");
    assert!(draw_panels(&[], Panels::Grid(1), &provenance(), &options(85.0)).is_err());
}

#[test]
fn a_row_that_only_one_panel_has_is_named_and_leaves_its_place_free_in_others() {
    let mut scenes = [small(1_000, 1_000, 50, 1.0), small(9_000, 1_000, 50, 1.0)];
    scenes[0].rows.remove(1);
    scenes[1].rows.remove(2);
    let elements = assert_sound(&draw_panels(&scenes, Panels::Grid(2), &provenance(), &options(174.0)).unwrap());
    let all: Vec<&str> = elements.iter().filter(|e| e.name == "text").map(|e| e.text.as_str()).collect();
    for name in ["genes", "peaks", "H3K4me3", "IG", "attention"] {
        assert_eq!(all.iter().filter(|t| **t == name).count(), 1, "{name} in {all:?}");
    }
}

#[test]
fn every_kind_of_row_keeps_to_its_place_in_a_zoom_and_in_narrow_panels() {
    let options = FigureOptions { letter: Some('a'), ..options(174.0) };
    let whole = everything(&options, "POU5F1");
    let mut part = everything(&options, "POU5F1");
    part.region = Region::new("chr8", whole.region.start + 4_000, whole.region.start + 4_060);
    part.ruler.ticks.retain(|t| part.region.contains(t.position));
    part.ruler.tss = None;
    part.ruler.window = None;
    let svg = draw_panels(&[whole.clone(), part], Panels::Zoom, &provenance(), &options).unwrap();
    let elements = assert_sound(&svg);
    let wedge: Vec<&Element> = elements.iter().filter(|e| e.is_in("zoom")).collect();
    let sheet = sheet::Sheet::of(&options);
    let x = |share: f64| sheet.plot_x + share * sheet.plot_width;
    let (left, _, right, _) = wedge[0].bounds();
    assert!((left - x(0.4)).abs() < 0.02 && (right - x(0.406)).abs() < 1.0, "a box around 4,000 to 4,060: {left} {right}");
    assert!(wedge.iter().any(|e| (e.bounds().2 - sheet.plot_right()).abs() < 0.02), "a line leads to the right end below");
    let narrow = draw_panels(&[whole.clone(), whole], Panels::Grid(2), &provenance(), &options).unwrap();
    assert_sound(&narrow);
}

#[test]
fn highlights_lie_behind_the_rows_with_their_names_above() {
    let highlight =
        |start: u64, end: u64, name: &str| Highlight { region: Region::new("chr8", start, end), name: name.to_owned() };
    let mut options = options(174.0);
    options.highlights = vec![
        highlight(1_250, 1_500, "E1 <&\">"),
        highlight(1_260, 1_270, "so near that its name has no room"),
        highlight(1_900, 5_000, "past the end"),
        highlight(90_000, 90_100, "elsewhere"),
    ];
    let scene = small(1_000, 1_000, 50, 1.0);
    let elements = assert_sound(&draw(&scene, &provenance(), &options).unwrap());
    let sheet = sheet::Sheet::of(&options);
    let bands: Vec<&Element> = elements.iter().filter(|e| e.is_in("highlights") && e.name == "rect").collect();
    let spans: Vec<(i64, i64)> = bands
        .iter()
        .map(|b| b.bounds())
        .map(|b| {
            (
                (((b.0 - sheet.plot_x) / sheet.plot_width) * 1_000.0).round() as i64,
                ((b.2 - b.0) / sheet.plot_width * 1_000.0).round() as i64,
            )
        })
        .collect();
    assert_eq!(spans, [(250, 250), (260, 10), (900, 100)]);
    assert_eq!(texts(&elements, "highlights"), ["E1 <&\">", "past the end"]);
    let first_of = |group: &str| elements.iter().position(|e| e.is_in(group)).unwrap();
    assert!(first_of("highlights") < first_of("row-1-genes"), "drawn before the rows");
}

#[test]
fn rows_stand_in_the_order_and_on_the_scales_asked_for() {
    let mut options = options(174.0);
    options.order = vec!["attention".to_owned(), "H3K4me3".to_owned()];
    options.scales = vec![("H3K4me3".to_owned(), (-2.0, 7.0)), ("IG".to_owned(), (-1.0, 9.0))];
    let mut scene = small(1_000, 1_000, 50, 1.0);
    arrange(&mut scene, &options);
    let labels: Vec<&str> = scene.rows.iter().map(|r| r.label.as_str()).collect();
    assert_eq!(labels, ["attention", "H3K4me3", "genes", "peaks", "IG"]);
    assert_eq!((scene.rows[1].axis, scene.rows[4].axis), (Some((-2.0, 7.0)), Some((-9.0, 9.0))));
    // Values past the end of the scale stay inside the plot.
    assert_sound(&draw(&scene, &provenance(), &options).unwrap());
}

#[test]
fn a_bare_figure_says_what_made_it_in_its_metadata_alone() {
    let bare = FigureOptions { is_bare: true, ..options(174.0) };
    let scene = small(1_000, 1_000, 50, 1.0);
    let (with, without) = (draw(&scene, &provenance(), &options(174.0)).unwrap(), draw(&scene, &provenance(), &bare).unwrap());
    let (with, without) = (assert_sound(&with), assert_sound(&without));
    let description = |elements: &[Element]| elements.iter().find(|e| e.name == "desc").unwrap().text.clone();
    assert_eq!(description(&with), description(&without));
    assert!(description(&without).contains("made by: cislens render"));
    assert!(texts(&without, "footer").is_empty() && !texts(&with, "footer").is_empty());
    assert!(without[0].number("height") < with[0].number("height"));
}

#[test]
fn every_picture_of_a_figure_has_ink_and_text() {
    for theme in ["print", "dark"] {
        let options = FigureOptions { dpi: 100.0, ..FigureOptions::new(Theme::named(theme).unwrap()) };
        let svg = draw(&everything(&options, "POU5F1"), &provenance(), &options).unwrap();
        let ground = options.theme.colour("background");
        let dots = picture::dots(&svg, 100.0, ground).unwrap();
        let is_ink = |p: &resvg::tiny_skia::PremultipliedColorU8| {
            let away = |a: u8, b: u8| a.abs_diff(b) > 40;
            away(p.red(), ground.0) || away(p.green(), ground.1) || away(p.blue(), ground.2)
        };
        let ink = dots.pixels().iter().filter(|p| is_ink(p)).count();
        let all = dots.pixels().len();
        assert!(ink * 100 > all && ink * 2 < all, "{theme}: {ink} of {all} dots");
        // Without its text there is much less: the face was found.
        let mute: String = svg.lines().filter(|l| !l.starts_with("<text")).collect();
        let less = picture::dots(&mute, 100.0, ground).unwrap().pixels().iter().filter(|p| is_ink(p)).count();
        assert!(ink > less + 2_000, "{theme}: {ink} with text, {less} without");
    }
}

#[test]
fn a_theme_sets_the_type_smaller_where_it_runs_wider_and_lines_thicker() {
    let mut theme = Theme::named("print").unwrap();
    theme.figure.font = "'DejaVu Sans', \"<&\", sans-serif".to_owned();
    theme.figure.font_width = 1.25;
    theme.figure.line_width = 2.0;
    let styled = FigureOptions::new(theme);
    let scene = small(1_000, 1_000, 50, 1.0);
    let plain = assert_sound(&draw(&scene, &provenance(), &options(174.0)).unwrap());
    let styled = assert_sound(&draw(&scene, &provenance(), &styled).unwrap());
    assert_eq!(styled[0].get("font-family"), "'DejaVu Sans', \"<&\", sans-serif");
    let size = |e: &[Element]| e.iter().find(|e| e.name == "text").unwrap().number("font-size");
    assert!((size(&plain) / size(&styled) - 1.25).abs() < 0.01);
    let width = |e: &[Element]| e.iter().find(|e| !e.get("stroke-width").is_empty()).unwrap().number("stroke-width");
    assert!((width(&styled) / width(&plain) - 2.0).abs() < 0.05);
}

fn chroms() -> ChromSizes {
    ChromSizes::parse("chr8\t50000").unwrap()
}

#[test]
fn the_table_holds_what_is_drawn_and_says_what_made_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("v.tsv");
    let scene = small(1_000, 1_000, 50, 1.0);
    write_values(&path, std::slice::from_ref(&scene), &chroms(), &["made by: a\nb".to_owned()]).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("# made by: ab"));
    assert_eq!(lines.next(), Some("panel\trow\tlane\tchrom\tstart\tend\tname\tstrand\tvalue\tmin\tmax"));
    let lines: Vec<Vec<&str>> = lines.map(|l| l.split('\t').collect()).collect();
    assert!(lines.iter().all(|l| l.len() == 11));
    assert_eq!(lines.len(), 1 + 1 + 50 + 2 * 50 + 50);
    assert!(lines.contains(&vec!["1", "peaks", ".", "chr8", "1005", "1015", "p <1>", "-", ".", ".", "."]));
    assert!(lines.contains(&vec!["1", "H3K4me3", ".", "chr8", "1060", "1080", ".", ".", "3", "2", "4"]));
    assert!(lines.contains(&vec!["1", "H3K4me3", ".", "chr8", "1040", "1060", ".", ".", "NA", "NA", "NA"]), "a gap is no zero");
    assert!(lines.contains(&vec!["1", "IG", "DNase/x", "chr8", "1980", "2000", ".", ".", "-49", ".", "."]));
}

#[test]
fn arrays_have_a_matrix_a_row() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("v.npz");
    let scenes = [small(1_000, 1_000, 50, 1.0), small(3_000, 500, 50, 2.0)];
    write_values(&path, &scenes, &chroms(), &["made".to_owned()]).unwrap();
    let mut reader = NpzReader::open(&path).unwrap();
    let ig = reader.read("panel2_IG").unwrap();
    assert_eq!(ig.shape, [2, 50]);
    let values = ig.to_f32().unwrap();
    assert!(values[1].is_nan() && values[99] == -98.0);
    assert_eq!(reader.read("panel2_IG_lanes").unwrap().as_text().unwrap(), ["DNA", "DNase/x"]);
    assert_eq!(reader.read("panel1_start").unwrap().to_f64().unwrap()[3], 1_060.0);
    assert_eq!(reader.read("panel1_H3K4me3_max").unwrap().to_f32().unwrap()[3], 4.0);
    assert_eq!(reader.read("provenance").unwrap().as_text().unwrap(), ["made"]);
}

#[test]
fn signals_are_written_as_bigwig_and_bedgraph_with_the_values_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let scenes = [small(1_000, 1_000, 50, 1.0), small(1_500, 1_000, 50, 7.0)];
    let files = write_values(&folder.path().join("v.bw"), &scenes, &chroms(), &["made by <me>".to_owned()]).unwrap();
    let names: Vec<String> = files.iter().map(|f| f.file_name().unwrap().to_string_lossy().into_owned()).collect();
    assert_eq!(names, ["v.H3K4me3.bw", "v.IG.DNA.bw", "v.IG.DNase_x.bw", "v.attention.bw", "v.provenance.txt"]);
    assert_eq!(std::fs::read_to_string(files.last().unwrap()).unwrap(), "made by <me>\n");
    let Track::Signal(mut reader) = open(&files[0], None, &chroms()).unwrap().value else { panic!("a signal") };
    let values = reader.values(&Region::new("chr8", 980, 2_520)).unwrap();
    let at = |position: u64| values[(position - 980) as usize];
    assert!(at(999).is_nan() && at(1_040).is_nan() && at(2_500).is_nan(), "what was not measured stays so");
    assert_eq!((at(1_000), at(1_079), at(1_080), at(1_999)), (0.0, 3.0, 4.0, 49.0));
    // Where panels overlap the first one's values stand.
    assert_eq!((at(1_500), at(2_000), at(2_499)), (25.0, 175.0, 343.0));
    let files = write_values(&folder.path().join("v.bedGraph"), &scenes[..1], &chroms(), &["made".to_owned()]).unwrap();
    let text = std::fs::read_to_string(&files[2]).unwrap();
    assert!(text.starts_with("# made\nchr8\t1000\t1020\t-0\n") || text.starts_with("# made\nchr8\t1000\t1020\t0\n"), "{text}");
    assert!(text.ends_with("chr8\t1980\t2000\t-49\n"), "{text}");
}

#[test]
fn genes_and_intervals_are_written_as_bed() {
    let folder = tempfile::tempdir().unwrap();
    let scenes = [small(1_000, 1_000, 50, 1.0), small(1_000, 2_000, 50, 7.0)];
    let files = write_values(&folder.path().join("v.bed"), &scenes, &chroms(), &["made".to_owned()]).unwrap();
    let of = |i: usize| std::fs::read_to_string(&files[i]).unwrap();
    assert_eq!(
        of(0),
        "# made\nchr8\t1010\t1090\tMYC\t0\t+\t1030\t1060\t0\t2\t40,60,\t0,20,\n",
        "once, though both panels show it"
    );
    assert_eq!(of(1), "# made\nchr8\t1005\t1015\tp <1>\t0\t-\n");
}

#[test]
fn what_holds_no_such_values_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let scene = scene_of(vec![track(0, "s", Plot::Message("none".to_owned()))], 0, 10, 10);
    for name in ["v.bw", "v.bedgraph", "v.bed"] {
        let error = write_values(&folder.path().join(name), std::slice::from_ref(&scene), &chroms(), &[]).unwrap_err();
        assert!(error.to_string().contains("no row"), "{error}");
    }
    assert!(write_values(&folder.path().join("v.xlsx"), &[scene], &chroms(), &[]).unwrap_err().to_string().contains(".tsv"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
