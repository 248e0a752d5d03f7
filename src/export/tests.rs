//! Figures of scenes made by hand: valid XML, text in its place, and the numbers where the paths say they are.

use super::sheet::Sheet;
use super::*;
use crate::genome::{GeneId, Region, Strand};
use crate::jobs::Analysis;
use crate::scene::{GeneShape, Header, IntervalShape, Lane, Plot, Row, Ruler, Scene, Tick};
use crate::session::TrackId;
use crate::state::{RowId, RowState};
use crate::tracks::Column;
use quick_xml::events::{BytesStart, Event};

/// One element of a figure: its name, attributes, text, and the ids of the groups it stands in.
#[derive(Debug, Default)]
pub(super) struct Element {
    pub(super) name: String,
    pub(super) attributes: Vec<(String, String)>,
    pub(super) text: String,
    pub(super) groups: Vec<String>,
}

impl Element {
    pub(super) fn get(&self, name: &str) -> &str {
        self.attributes.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
    }

    pub(super) fn number(&self, name: &str) -> f64 {
        self.get(name).trim_end_matches("pt").parse().unwrap()
    }

    pub(super) fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|g| g == group)
    }

    /// Left, top, right, bottom of a text.
    pub(super) fn text_box(&self) -> (f64, f64, f64, f64) {
        let (x, y, size) = (self.number("x"), self.number("y"), self.number("font-size"));
        let width = font::width(&self.text, size, self.get("font-weight") == "bold");
        let left = match self.get("text-anchor") {
            "middle" => x - width / 2.0,
            "end" => x - width,
            _ => x,
        };
        (left, y - 0.72 * size, left + width, y + 0.21 * size)
    }

    /// Corners of a path or rectangle.
    pub(super) fn points(&self) -> Vec<(f64, f64)> {
        if self.name == "rect" {
            let (x, y, width, height) = (self.number("x"), self.number("y"), self.number("width"), self.number("height"));
            return vec![(x, y), (x + width, y), (x + width, y + height), (x, y + height)];
        }
        let mut points: Vec<(f64, f64)> = Vec::new();
        let data = self.get("d").trim_end_matches('z');
        let commands: Vec<usize> = data.char_indices().filter(|(_, c)| c.is_alphabetic()).map(|(i, _)| i).collect();
        for (i, &from) in commands.iter().enumerate() {
            let to = commands.get(i + 1).copied().unwrap_or(data.len());
            let numbers: Vec<f64> =
                data[from + 1..to].replace('-', " -").split_whitespace().map(|n| n.parse().unwrap()).collect();
            let (x, y) = points.last().copied().unwrap_or_default();
            points.push(match (&data[from..=from], &numbers[..]) {
                ("M", [x, y]) => (*x, *y),
                ("h", [dx]) => (x + dx, y),
                ("v", [dy]) => (x, y + dy),
                ("l", [dx, dy]) => (x + dx, y + dy),
                other => panic!("{other:?}"),
            });
        }
        points
    }

    pub(super) fn bounds(&self) -> (f64, f64, f64, f64) {
        self.points()
            .iter()
            .fold((f64::MAX, f64::MAX, f64::MIN, f64::MIN), |b, p| (b.0.min(p.0), b.1.min(p.1), b.2.max(p.0), b.3.max(p.1)))
    }
}

/// Parses a figure strictly.
fn parse(svg: &str) -> Vec<Element> {
    assert!(svg.chars().all(|c| c == '\n' || !c.is_control()), "control characters");
    let mut reader = quick_xml::Reader::from_str(svg);
    reader.config_mut().check_comments = true;
    let (mut elements, mut open): (Vec<Element>, Vec<String>) = (Vec::new(), Vec::new());
    let element = |start: &BytesStart<'_>, open: &[String]| Element {
        name: String::from_utf8(start.name().as_ref().to_vec()).unwrap(),
        attributes: start
            .attributes()
            .map(|a| a.unwrap())
            .map(|a| (String::from_utf8(a.key.as_ref().to_vec()).unwrap(), a.unescape_value().unwrap().into_owned()))
            .collect(),
        text: String::new(),
        groups: open.to_vec(),
    };
    loop {
        match reader.read_event().unwrap() {
            Event::Eof => break,
            Event::Start(start) => {
                let element = element(&start, &open);
                open.push(element.get("id").to_owned());
                elements.push(element);
            }
            Event::Empty(start) => elements.push(element(&start, &open)),
            Event::End(_) => drop(open.pop()),
            Event::Text(text) => {
                let text = text.decode().unwrap();
                if !text.trim().is_empty() {
                    elements.last_mut().unwrap().text.push_str(&text);
                }
            }
            Event::GeneralRef(entity) => {
                let text = quick_xml::escape::unescape(&format!("&{};", entity.decode().unwrap())).unwrap().into_owned();
                elements.last_mut().unwrap().text.push_str(&text);
            }
            Event::Decl(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(open.is_empty());
    elements
}

/// No number is missing, all text lies on the page and none on another.
pub(super) fn assert_sound(svg: &str) -> Vec<Element> {
    assert!(!svg.contains("NaN") && !svg.contains("inf"));
    let elements = parse(svg);
    let (width, height) = (elements[0].number("width"), elements[0].number("height"));
    let texts: Vec<&Element> = elements.iter().filter(|e| e.name == "text").collect();
    for (i, text) in texts.iter().enumerate() {
        let (left, top, right, bottom) = text.text_box();
        assert!(
            left > 0.0 && top > 0.0 && right < width && bottom < height,
            "off the page of {width} x {height}: {:?} {:?}",
            text.text,
            text.text_box()
        );
        for other in &texts[..i] {
            let b = other.text_box();
            let apart = right <= b.0 + 0.01 || b.2 <= left + 0.01 || bottom <= b.1 + 0.01 || b.3 <= top + 0.01;
            assert!(apart, "{:?} {:?} lies on {:?} {b:?}", text.text, text.text_box(), other.text);
        }
    }
    for shape in elements.iter().filter(|e| e.name == "path" || e.name == "rect") {
        let (left, top, right, bottom) = shape.bounds();
        assert!(left >= -0.01 && top >= -0.01 && right <= width + 0.01 && bottom <= height + 0.01, "{shape:?}");
    }
    for (i, group) in elements.iter().filter(|e| e.name == "g").enumerate() {
        let same = elements.iter().filter(|e| e.name == "g").skip(i + 1).filter(|e| e.get("id") == group.get("id"));
        assert_eq!(same.count(), 0, "id {} stands twice", group.get("id"));
    }
    elements
}

pub(super) fn options(width_mm: f64) -> FigureOptions {
    FigureOptions { width_mm, ..FigureOptions::new(Theme::named("print").unwrap()) }
}

fn column(mean: f32, max: f32) -> Column {
    Column { mean, min: mean.min(0.0), max, covered: 1.0 }
}

pub(super) fn row(id: RowId, label: &str, plot: Plot) -> Row {
    Row {
        id,
        label: label.to_owned(),
        detail: String::new(),
        is_focused: false,
        mismatch: None,
        block: crate::scene::Block::None,
        state: None,
        axis: None,
        plot,
        overlays: Vec::new(),
        extra_lines: 0,
        view: crate::state::RowView::default(),
    }
}

pub(super) fn track(i: usize, label: &str, plot: Plot) -> Row {
    row(RowId::Track(TrackId(i)), label, plot)
}

pub(super) fn scene_of(rows: Vec<Row>, start: u64, len: u64, n_columns: usize) -> Scene {
    let region = Region::new("chr8", start, start + len);
    let ticks = (1..4).map(|i| start + i * len / 4);
    let ticks = ticks.map(|p| Tick { position: p - 1, label: crate::genome::thousands(p) }).collect();
    let ruler = Ruler { label: "chr8".to_owned(), ticks, tss: None, window: None };
    let header = Header { locus: region.to_string(), span: "10.0 kb".to_owned(), ..Header::default() };
    Scene { header, region, n_columns, ruler, selection: None, rows }
}

/// A gene and an interval as a scene places them at `char_columns` columns a character.
pub(super) fn gene(name: &str, start: u64, end: u64, strand: Strand, label: Option<f64>) -> GeneShape {
    let exons = vec![(start, start + 40), (end - 60, end)];
    let cds = Some((start + 20, end - 30));
    GeneShape { gene: GeneId(0), start, end, exons, cds, strand, name: name.to_owned(), label, is_current: label.is_some() }
}

/// Every kind of row, of 10 kb, with names as long as they come.
pub(super) fn everything(options: &FigureOptions, name: &str) -> Scene {
    let region = Region::new("chr8", 127_735_000, 127_745_000);
    let grain = geometry(options, &region);
    let n = grain.n_columns;
    let x = |position: u64| (position - region.start) as f64 / 10_000.0 * n as f64;
    let label = |end: u64| Some(x(region.start + end) + grain.char_columns);
    let at = |offset: u64| region.start + offset;
    let wave = |i: usize| ((i as f32 / 9.0).sin() + 1.0) * (i % 7) as f32;
    let signal: Vec<Column> = (0..n).map(|i| if i % 50 < 8 { Column::MISSING } else { column(wave(i), wave(i) * 1.5) }).collect();
    let values = |sign: f32| (0..n).map(|i| if i < 9 { f32::NAN } else { sign * wave(i) - 4.0 }).collect::<Vec<f32>>();
    let lane = |label: &str, sign: f32| Lane { label: label.to_owned(), note: String::new(), values: values(sign) };
    let interval = IntervalShape {
        start: at(500),
        end: at(900),
        name: name.to_owned(),
        label: label(900),
        strand: None,
        is_current: true,
        colour: None,
        parts: Vec::new(),
    };
    let marks = ["H3K4me1", "H3K4me3", "H3K9me3", "H3K27me3", "H3K36me3"];
    let lanes = |extra: &str| marks.iter().map(|m| lane(&format!("{m}{extra}"), 1.0)).collect::<Vec<_>>();
    let heat = |lanes: Vec<Lane>| Plot::Heat(lanes, 13.0);
    let attribution = |analysis, label: &str, plot, state| {
        let detail = "midpoint, 81 steps, baseline zero, joint \u{b7} gap 0.4 %".to_owned();
        Row { axis: Some((-18.0, 18.0)), state: Some(state), detail, ..row(RowId::Attribution(analysis), label, plot) }
    };
    let bases: Vec<u8> = (0..n).map(|i| b"ACGTN"[i % 5]).collect();
    let rows = vec![
        row(RowId::Genes, "genes", Plot::Genes(vec![vec![gene(name, at(2_000), at(4_000), Strand::Reverse, label(4_000))]])),
        track(0, name, Plot::Intervals(vec![vec![interval]], "enhancer".to_owned())),
        Row {
            axis: Some((0.0, 40.0)),
            detail: "fold_change \u{b7} mean, max per 14 bp".to_owned(),
            ..track(1, "H3K27me3", Plot::Signal(signal.clone(), "signal.H3K27me3".to_owned()))
        },
        Row { axis: Some((-1.0, 1.2e6)), ..track(2, name, Plot::Signal(signal, "signal".to_owned())) },
        Row {
            axis: Some((0.0, 0.0125)),
            state: Some(RowState::Fresh),
            ..row(RowId::Attention, "attention", heat(vec![lane("", 1.0)]))
        },
        Row { state: Some(RowState::Stale), ..row(RowId::Attention, "attention", heat(lanes(" \u{3b2} 0.20"))) },
        attribution(Analysis::IntegratedGradients, "IG", Plot::Signed(lanes(""), 18.0), RowState::Computing(27, 81)),
        attribution(Analysis::Occlusion, "occlusion", Plot::Signed(vec![lane("", -1.0)], 18.0), RowState::Fresh),
        attribution(Analysis::SaturationMutagenesis, "ISM", Plot::Letters(bases.clone(), values(1.0), 18.0), RowState::Stale),
        row(RowId::Sequence, "sequence", Plot::Bases(bases)),
        attribution(
            Analysis::Occlusion,
            "occlusion",
            Plot::Message(format!("needs {name}")),
            RowState::NotApplicable(String::new()),
        ),
        attribution(
            Analysis::Occlusion,
            "IG",
            Plot::Message("the weights are damaged".to_owned()),
            RowState::Failed(String::new()),
        ),
        track(3, "RNA", Plot::Message(format!("/data/{name}.bw: No such file or directory (os error 2)"))),
        track(4, "DNase", Plot::Message("reading".to_owned())),
    ];
    let mut scene = scene_of(rows, region.start, 10_000, n);
    scene.header = Header {
        sample: name.to_owned(),
        model: name.to_owned(),
        model_hash: "0123456789abcdef".to_owned(),
        gene: format!("{name} (-)"),
        predicted: "-0.09".to_owned(),
        measured: "high (count 1,893, median 1,202)".to_owned(),
        notes: vec![format!("{name}: 3 % of the window not measured, read as 0"), "simulated data (seed 1)".to_owned()],
        n_caveats: 1,
        ..scene.header
    };
    scene.ruler.tss = Some((at(3_999), false));
    scene.ruler.window = Some((at(0) as i64 - 1_000, at(9_000) as i64));
    scene
}

pub(super) fn provenance() -> Provenance {
    Provenance {
        command: "cislens render --locus 'a b'".to_owned(),
        assembly: "hg38".to_owned(),
        input_hash: "ff".to_owned(),
        session_hash: "5e".to_owned(),
    }
}

#[test]
fn text_keeps_to_its_place_at_every_width() {
    for width in [60.0, 85.0, 120.0, 174.0, 400.0] {
        for name in ["MYC", "W", "GH08J127735 of a long name WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW"]
        {
            let options = options(width);
            let svg = draw(&everything(&options, name), &provenance(), &options).unwrap();
            let elements = assert_sound(&svg);
            assert!((elements[0].number("width") - width * 72.0 / 25.4).abs() < 0.01);
            assert!(elements.iter().all(|e| !matches!(e.name.as_str(), "image" | "clipPath" | "mask" | "style")));
        }
    }
}

#[test]
fn hostile_names_are_text_and_nothing_else() {
    let name = "<g onload=\"x()\">&amp;]]>--\u{1b}[31m\u{0}\u{202e}\u{fffe}'\n\t\u{7f}";
    let options = options(174.0);
    let mut scene = everything(&options, name);
    scene.ruler.label = name.to_owned();
    let provenance = Provenance {
        command: name.to_owned(),
        assembly: name.to_owned(),
        input_hash: name.to_owned(),
        session_hash: name.to_owned(),
    };
    let elements = assert_sound(&draw(&scene, &provenance, &options).unwrap());
    assert!(elements.iter().all(|e| e.get("onload").is_empty()));
    let shown = "<g onload=\"x()\">&amp;]]>--[31m' (\u{2212})";
    assert!(
        elements.iter().any(|e| e.name == "text" && e.text == shown),
        "{:?}",
        elements.iter().map(|e| &e.text).collect::<Vec<_>>()
    );
}

#[test]
fn every_row_is_named_and_says_its_axis_and_state() {
    let options = options(174.0);
    let scene = everything(&options, "MYC");
    let elements = assert_sound(&draw(&scene, &provenance(), &options).unwrap());
    let texts = |group: &str| -> Vec<&str> {
        elements.iter().filter(|e| e.name == "text" && e.is_in(group)).map(|e| e.text.as_str()).collect()
    };
    for (i, row) in scene.rows.iter().enumerate() {
        let group = format!("row-{}-{}", i + 1, row.label);
        assert!(texts(&group).contains(&row.label.as_str()), "{group}: {:?}", texts(&group));
    }
    let in_order = |group: &str, expected: &[&str]| {
        let found = texts(group).join(" ");
        let mut rest = found.as_str();
        for part in expected {
            let at = rest.find(part).unwrap_or_else(|| panic!("{group}: no {part} in {found}"));
            rest = &rest[at + part.len()..];
        }
    };
    in_order("row-3-H3K27me3", &["fold_change", "mean, max per 14 bp", "40", "0"]);
    in_order("row-4-MYC", &["1.2e6", "\u{2212}1"]);
    in_order("row-5-attention", &["13", "0"]);
    in_order("row-6-attention", &["stale", "H3K4me1 β 0.20", "H3K36me3 β 0.20"]);
    in_order("row-7-IG", &["33 % computed (27 of 81)", "H3K4me1", "18", "\u{2212}18"]);
    in_order("row-8-occlusion", &["18", "\u{2212}18", "0"]);
    in_order("row-11-occlusion", &["not applicable: needs MYC"]);
    in_order("row-12-IG", &["failed: the weights are damaged"]);
    in_order("row-13-RNA", &["/data/MYC.bw: No such file or directory (os error 2)"]);
    in_order("row-14-DNase", &["not read"]);
    in_order(
        "header",
        &["MYC (\u{2212})", "predicted", "\u{2212}0.09", "measured", "high (count 1,893, median 1,202)", "MYC: 3 %"],
    );
    in_order("guides", &["TSS"]);
    let footer = texts("footer").join(" ");
    for part in
        ["simulated data (seed 1)", env!("CARGO_PKG_VERSION"), "model MYC (0123456789abcdef)", "81 steps", "'a b'", "hg38"]
    {
        assert!(footer.contains(part), "{part} is not in {footer}");
    }
}

/// The filled shapes of a row, and the frame its numbers are drawn in.
fn shapes<'a>(elements: &'a [Element], group: &str, sheet: &Sheet) -> (Vec<&'a Element>, impl Fn(f64) -> f64 + use<>) {
    let shapes = elements.iter().filter(|e| e.is_in(group) && e.get("fill").starts_with('#') && e.name != "text").collect();
    let (x, width) = (sheet.plot_x, sheet.plot_width);
    (shapes, move |pt: f64| (pt - x) / width)
}

#[test]
fn a_signal_stands_where_and_as_high_as_it_was_measured() {
    let columns = vec![column(1.0, 2.0), column(4.0, 4.0), Column::MISSING, column(2.0, 2.0)];
    let plot = Plot::Signal(columns, "signal".to_owned());
    let scene = scene_of(vec![Row { axis: Some((0.0, 4.0)), ..track(0, "s", plot) }], 1_000, 400, 4);
    let options = options(174.0);
    let elements = assert_sound(&draw(&scene, &provenance(), &options).unwrap());
    let (shapes, share) = shapes(&elements, "row-1-s-plot", &Sheet::of(&options));
    // The silhouette of the highest values, then the means of both runs; the second run needs no silhouette.
    let rounded: Vec<Vec<(i64, i64)>> = {
        let axis = elements.iter().find(|e| e.is_in("row-1-s-label") && e.name == "path").unwrap().bounds();
        let height = |y: f64| (axis.3 - y) / (axis.3 - axis.1);
        let round = |v: f64| (v * 1_000.0).round() as i64;
        shapes.iter().map(|s| s.points().iter().map(|&(x, y)| (round(share(x)), round(height(y)))).collect()).collect()
    };
    assert_eq!(rounded[0][..4], [(0, 500), (250, 500), (250, 1_000), (500, 1_000)]);
    assert_eq!(rounded[1], [(0, 250), (250, 250), (250, 1_000), (500, 1_000), (500, 0), (0, 0)]);
    assert_eq!(rounded[2], [(750, 500), (1_000, 500), (1_000, 0), (750, 0)]);
    assert_eq!(rounded.len(), 3);
    let lines: Vec<_> = elements.iter().filter(|e| e.is_in("row-1-s-plot") && e.get("fill") == "none").collect();
    assert_eq!(lines.len(), 2, "a line at zero for each run, none in the gap");
}

#[test]
fn signed_values_rise_and_hang_from_one_line_and_stop_where_there_are_none() {
    let lanes = vec![
        Lane { label: "a".to_owned(), note: String::new(), values: vec![f32::NAN, 2.0, -1.0, 0.0] },
        Lane { label: "b".to_owned(), note: String::new(), values: vec![f32::NAN; 4] },
    ];
    let mut ig = row(RowId::Attribution(Analysis::IntegratedGradients), "IG", Plot::Signed(lanes, 2.0));
    ig.state = Some(RowState::Fresh);
    let options = options(174.0);
    let elements = assert_sound(&draw(&scene_of(vec![ig], 0, 400, 4), &provenance(), &options).unwrap());
    let (shapes, share) = shapes(&elements, "row-1-IG-plot", &Sheet::of(&options));
    let colours: Vec<&str> = shapes.iter().map(|s| s.get("fill")).collect();
    let theme = &options.theme;
    assert_eq!(colours, [theme.colour("positive").hex(), theme.colour("negative").hex()]);
    let (up, down) = (shapes[0].bounds(), shapes[1].bounds());
    assert!((share(up.0) - 0.25).abs() < 1e-3 && (share(up.2) - 0.5).abs() < 1e-3);
    assert!((share(down.0) - 0.5).abs() < 1e-3 && (share(down.2) - 0.75).abs() < 1e-3);
    assert_eq!(up.3, down.1, "both stand on zero");
    assert!(((up.3 - up.1) / (down.3 - down.1) - 2.0).abs() < 0.01);
    let lines: Vec<_> = elements.iter().filter(|e| e.is_in("row-1-IG-plot") && e.get("fill") == "none").collect();
    assert_eq!(lines.len(), 1, "no line where nothing is computed");
    assert!((share(lines[0].bounds().0) - 0.25).abs() < 1e-3);
}

#[test]
fn weights_are_darker_the_higher_and_gaps_are_empty() {
    let lane = Lane { label: String::new(), note: String::new(), values: vec![0.0, 0.5, 0.5, 1.0, f32::NAN] };
    let attention = Row { state: Some(RowState::Fresh), ..row(RowId::Attention, "attention", Plot::Heat(vec![lane], 1.0)) };
    let options = options(174.0);
    let elements = assert_sound(&draw(&scene_of(vec![attention], 0, 500, 5), &provenance(), &options).unwrap());
    let (shapes, share) = shapes(&elements, "row-1-attention-plot", &Sheet::of(&options));
    assert_eq!(shapes.len(), 3, "equal neighbours are one piece");
    let brightness = |s: &Element| u32::from_str_radix(&s.get("fill")[1..3], 16).unwrap();
    assert!(brightness(shapes[0]) > brightness(shapes[1]) && brightness(shapes[1]) > brightness(shapes[2]));
    assert_eq!(shapes[2].get("fill"), options.theme.colour("attention").hex());
    assert!((share(shapes[2].bounds().2) - 0.8).abs() < 1e-3);
}

#[test]
fn letters_are_as_high_as_their_values() {
    let letters = Plot::Letters(b"ATG ".to_vec(), vec![1.0, -0.5, f32::NAN, 0.0], 1.0);
    let mut ism = row(RowId::Attribution(Analysis::SaturationMutagenesis), "ISM", letters);
    (ism.axis, ism.state) = (Some((-1.0, 1.0)), Some(RowState::Fresh));
    let sequence = row(RowId::Sequence, "sequence", Plot::Bases(b"ATG ".to_vec()));
    let options = options(174.0);
    let elements = assert_sound(&draw(&scene_of(vec![ism, sequence], 0, 4, 4), &provenance(), &options).unwrap());
    let (shapes_of_row, _) = shapes(&elements, "row-1-ISM-plot", &Sheet::of(&options));
    let axis = elements.iter().find(|e| e.is_in("row-1-ISM-label") && e.name == "path").unwrap().bounds();
    let middle = (axis.1 + axis.3) / 2.0;
    let [a, t] = shapes_of_row[..] else { panic!("{shapes_of_row:?}") };
    assert_eq!((a.get("fill"), t.get("fill")), ("#109648", "#d62839"));
    assert!((a.bounds().1 - axis.1).abs() < 0.02 && (a.bounds().3 - middle).abs() < 0.02);
    assert!((t.bounds().1 - middle).abs() < 0.02 && (t.bounds().3 - (middle + axis.3) / 2.0).abs() < 0.02);
    assert_eq!(shapes(&elements, "row-2-sequence-plot", &Sheet::of(&options)).0.len(), 3);
}

#[test]
fn genes_have_exons_coding_parts_and_a_direction() {
    let shape = gene("MYC", 100, 900, Strand::Reverse, None);
    let mut beyond = gene("PVT1", 950, 5_000, Strand::Forward, None);
    beyond.exons.push((2_000, 3_000));
    let rows = vec![row(RowId::Genes, "genes", Plot::Genes(vec![vec![shape], vec![beyond]]))];
    let options = options(174.0);
    let elements = assert_sound(&draw(&scene_of(rows, 0, 1_000, 700), &provenance(), &options).unwrap());
    let (bars, share) = shapes(&elements, "row-1-genes-plot", &Sheet::of(&options));
    let spans: Vec<(i64, i64)> = bars
        .iter()
        .map(|b| b.bounds())
        .map(|b| ((share(b.0) * 1_000.0).round() as i64, (share(b.2) * 1_000.0).round() as i64))
        .collect();
    assert_eq!(spans, [(100, 140), (840, 900), (120, 140), (840, 870), (950, 990), (970, 990)]);
    let height = |i: usize| bars[i].bounds().3 - bars[i].bounds().1;
    assert!(height(2) > height(0), "coding parts stand out");
    let chevrons: Vec<_> = elements.iter().filter(|e| e.is_in("row-1-genes-plot") && e.points().len() == 3).collect();
    assert!(!chevrons.is_empty());
    for chevron in chevrons.iter().filter(|c| share(c.bounds().0) < 0.9) {
        let points = chevron.points();
        assert!(points[1].0 < points[0].0, "a gene of the minus strand points left");
        assert!(share(points[1].0) > 0.14 && share(points[0].0) < 0.84, "chevrons keep out of exons");
    }
}

#[test]
fn numbers_that_are_none_leave_no_trace() {
    let broken = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0, f32::MAX, f32::MIN_POSITIVE];
    let values: Vec<f32> = broken.to_vec();
    let columns: Vec<Column> = broken.iter().map(|&v| Column { mean: v, min: v, max: v, covered: 1.0 }).collect();
    let lane = Lane { label: "l".to_owned(), note: String::new(), values: values.clone() };
    let signal = |axis| Row { axis: Some(axis), ..track(0, "s", Plot::Signal(columns.clone(), "signal".to_owned())) };
    let mut rows: Vec<Row> = [(0.0, 1.0), (0.0, 0.0), (f32::NAN, 1.0), (1.0, -1.0), (0.0, f32::INFINITY)].map(signal).into();
    for limit in [0.0, f32::NAN, f32::INFINITY, 1.0] {
        rows.push(track(1, "g", Plot::Signed(vec![lane.clone()], limit)));
        rows.push(track(1, "g", Plot::Signed(vec![lane.clone(), lane.clone()], limit)));
        rows.push(track(2, "h", Plot::Heat(vec![lane.clone()], limit)));
        rows.push(Row {
            axis: Some((-limit, limit)),
            ..track(3, "l", Plot::Letters(b"ACGTACG".to_vec(), values.clone(), limit))
        });
    }
    rows.push(track(4, "none", Plot::Signal(Vec::new(), String::new())));
    rows.push(track(5, "none", Plot::Heat(Vec::new(), 1.0)));
    rows.push(track(6, "none", Plot::Genes(Vec::new())));
    rows.push(track(7, "", Plot::Message(String::new())));
    let options = options(85.0);
    let svg = draw(&scene_of(rows, 0, 7, 7), &Provenance::default(), &options).unwrap();
    let elements = parse(&svg);
    assert!(!svg.contains("NaN\"") && !svg.contains("\"inf"));
    let numbers = elements.iter().filter(|e| e.name == "path" || e.name == "rect");
    numbers.for_each(|e| assert!(e.points().iter().all(|p| p.0.is_finite() && p.1.is_finite() && p.1.abs() < 1e4)));
}

#[test]
fn what_cannot_be_drawn_is_refused() {
    let empty = scene_of(Vec::new(), 0, 10, 10);
    assert!(matches!(draw(&empty, &provenance(), &options(174.0)), Err(FigureError::NoRows)));
    let nowhere = scene_of(vec![track(0, "s", Plot::Message(String::new()))], 5, 0, 10);
    assert!(matches!(draw(&nowhere, &provenance(), &options(174.0)), Err(FigureError::EmptyRegion(_))));
    for width in [59.9, 2_001.0, -1.0, f64::NAN, f64::INFINITY] {
        let error = draw(&empty, &provenance(), &options(width)).unwrap_err();
        assert!(error.to_string().contains("60 to 2000 mm"), "{error}");
        assert!(geometry(&options(width), &empty.region).n_columns > 0);
    }
}

#[test]
fn a_figure_is_written_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("figure.svg");
    write(&path, "<svg/>", &options(85.0)).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "<svg/>");
    let missing = folder.path().join("none").join("figure.svg");
    assert!(write(&missing, "<svg/>", &options(85.0)).unwrap_err().to_string().contains("figure.svg"));
    assert!(write(folder.path(), "<svg/>", &options(85.0)).is_err());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn the_same_scene_gives_the_same_bytes_and_not_too_many() {
    let options = options(174.0);
    let region = Region::new("chr8", 0, 10_000);
    let n = geometry(&options, &region).n_columns;
    // Noise: no two neighbours alike.
    let noise = |i: usize, k: usize| ((i * 7_919 + k * 104_729) % 1_000) as f32 / 25.0;
    let signal = |k: usize| {
        let columns = (0..n).map(|i| column(noise(i, k), noise(i, k) + 3.0)).collect();
        Row { axis: Some((0.0, 43.0)), ..track(k, &format!("track {k}"), Plot::Signal(columns, "signal".to_owned())) }
    };
    let scene = scene_of((0..12).map(signal).collect(), 0, 10_000, n);
    let svg = draw(&scene, &provenance(), &options).unwrap();
    assert_eq!(svg, draw(&scene, &provenance(), &options).unwrap());
    assert_sound(&svg);
    assert!(svg.len() < 300_000, "{} bytes", svg.len());
}

#[test]
fn a_page_shows_single_bases_where_there_are_fewer_than_columns() {
    let options = options(174.0);
    assert_eq!(geometry(&options, &Region::new("c", 0, 120)).n_columns, 120);
    let wide = geometry(&options, &Region::new("c", 0, 10_000));
    let sheet = Sheet::of(&options);
    assert!((wide.n_columns as f64 / sheet.plot_width - 2.0).abs() < 0.01);
    assert!((wide.char_columns * sheet.plot_width / wide.n_columns as f64 - page::CHAR_PT).abs() < 1e-9);
}

#[test]
fn a_name_on_its_own_bar_has_a_ground_to_be_read_on() {
    let view = |start: u64, label: f64| {
        let interval = IntervalShape {
            start,
            end: 20_000,
            name: "peak731".to_owned(),
            label: Some(label),
            strand: None,
            is_current: true,
            colour: None,
            parts: Vec::new(),
        };
        let rows = vec![track(0, "peaks", Plot::Intervals(vec![vec![interval]], "peak".to_owned()))];
        let svg = draw(&scene_of(rows, 10_000, 10_000, 500), &provenance(), &options(174.0)).unwrap();
        let line = svg.lines().position(|line| line.contains(">peak731<")).unwrap();
        svg.lines().nth(line - 1).unwrap().contains("fill=\"#ffffff\"")
    };
    assert!(view(5_000, 1.0), "it covers the view: its name stands on it");
    assert!(!view(15_000, 200.0), "there is room beside it");
}
