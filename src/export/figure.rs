//! The page: what stands where, header and footer. Heights are found before anything is drawn, so nothing can overlap.

use super::page::{Drawn, Frame, Ink, NAME, Page, SMALL, SMALL_LINE, TITLE};
use super::rows::{self, GAP};
use super::{FigureError, FigureOptions, PT_PER_MM, Provenance, WIDTHS_MM, font, ruler};
use crate::scene::{Header, Plot, Row, Scene};
use crate::state::RowState;
use plotters::style::text_anchor::HPos;

/// Free space at every edge of the page.
const MARGIN: f64 = 6.0;
/// Height of a line of names.
const NAME_LINE: f64 = 8.4;
/// Footer text.
const FOOT: f64 = 5.0;
const FOOT_LINE: f64 = 6.4;

/// The columns of a page in points.
pub(super) struct Sheet {
    pub width: f64,
    pub plot_x: f64,
    pub plot_width: f64,
}

impl Sheet {
    pub fn of(options: &FigureOptions) -> Self {
        let mm = if options.width_mm.is_finite() { options.width_mm } else { *WIDTHS_MM.start() };
        let width = mm.clamp(*WIDTHS_MM.start(), *WIDTHS_MM.end()) * PT_PER_MM;
        let (plot_x, right) = ((0.2 * width).clamp(74.0, 100.0), (0.07 * width).clamp(30.0, 34.0));
        Self { width, plot_x, plot_width: width - plot_x - right }
    }

    /// Where a position of the genome stands on the page; may lie outside the plot.
    pub fn x(&self, scene: &Scene, position: f64) -> f64 {
        self.plot_x + scene.x(position) / scene.n_columns.max(1) as f64 * self.plot_width
    }

    pub fn plot_right(&self) -> f64 {
        self.plot_x + self.plot_width
    }

    /// Room of text from margin to margin.
    pub fn text_width(&self) -> f64 {
        self.width - 2.0 * MARGIN
    }
}

/// A row and its place.
pub(super) struct Band<'a> {
    pub row: &'a Row,
    /// Name of its group.
    pub id: String,
    /// Where values are drawn.
    pub plot: Frame,
    /// What is written where nothing can be drawn.
    pub message: Vec<String>,
    name: Vec<String>,
    notes: Vec<(String, &'static str)>,
    /// Top of the name, and whether it stands above the plot rather than beside it.
    name_y: f64,
    is_above: bool,
}

/// Draws a scene. The same scene, provenance and options give the same bytes.
///
/// # Errors
/// Where the width leaves no room for labels, there is no row, or the region is empty.
pub fn draw(scene: &Scene, provenance: &Provenance, options: &FigureOptions) -> Result<String, FigureError> {
    if !WIDTHS_MM.contains(&options.width_mm) {
        return Err(FigureError::Width(options.width_mm));
    }
    if scene.region.is_empty() || scene.n_columns == 0 {
        return Err(FigureError::EmptyRegion(scene.region.chrom.to_string()));
    }
    if scene.rows.is_empty() {
        return Err(FigureError::NoRows);
    }
    let sheet = Sheet::of(options);
    let header = header_lines(&scene.header, &sheet, options);
    let header_bottom = MARGIN + header.iter().map(Line::height).sum::<f64>() + 5.0;
    let strip_y = header_bottom + ruler::strip_height(scene);
    let (bands, rows_bottom) = lay_out(scene, &sheet, strip_y);
    let ruler_bottom = rows_bottom + ruler::HEIGHT;
    let footer = footer_lines(scene, provenance);
    let footer_lines: Vec<String> =
        footer.iter().flat_map(|text| font::wrap(&font::clean(text), sheet.text_width(), FOOT, false)).collect();
    let height = ruler_bottom + 8.0 + FOOT_LINE * footer_lines.len() as f64 + MARGIN;

    let page = Page::new(sheet.width, height, &options.theme);
    let background = page.colour("background");
    // Paper is white by itself; a white rectangle would be the first thing an editor deletes.
    if background != crate::theme::Rgb(255, 255, 255) {
        page.rect(Frame { x: 0.0, y: 0.0, width: sheet.width, height }, background)?;
    }
    page.group("header", || draw_header(&page, &header))?;
    page.group("guides", || ruler::draw_guides(&page, &sheet, scene, strip_y, rows_bottom))?;
    for band in &bands {
        page.group(&band.id, || {
            page.group(&format!("{}-label", band.id), || draw_label(&page, &sheet, band))?;
            page.group(&format!("{}-plot", band.id), || rows::draw(&page, &sheet, scene, band))
        })?;
    }
    page.group("ruler", || ruler::draw(&page, &sheet, scene, provenance, rows_bottom))?;
    page.group("footer", || {
        let ink = page.ink(FOOT, "dim");
        for (i, line) in footer_lines.iter().enumerate() {
            page.text((MARGIN, ruler_bottom + 8.0 + FOOT_LINE * (i as f64 + 0.5)), line, ink, HPos::Left)?;
        }
        Ok(())
    })?;
    let title = [scene.header.gene.as_str(), scene.header.locus.as_str()].join(" ");
    Ok(page.finish(title.trim(), &footer.join(" \u{b7} ")))
}

/// Words of one look, with the place they begin at.
struct Words {
    x: f64,
    text: String,
    ink: Ink,
}

/// A line of the header.
struct Line(Vec<Words>);

impl Line {
    fn height(&self) -> f64 {
        1.35 * self.0.iter().map(|w| w.ink.size).fold(SMALL, f64::max)
    }
}

/// Fields one after another, each kept whole as long as it fits a line.
struct Flow {
    lines: Vec<Line>,
    x: f64,
    right: f64,
}

impl Flow {
    fn new(sheet: &Sheet) -> Self {
        Self { lines: vec![Line(Vec::new())], x: MARGIN, right: sheet.width - MARGIN }
    }

    fn field(&mut self, parts: &[(&str, Ink)]) {
        let cleaned: Vec<(String, Ink)> = parts.iter().map(|(text, ink)| (font::clean(text).into_owned(), *ink)).collect();
        if cleaned.iter().all(|(text, _)| text.trim().is_empty()) {
            return;
        }
        let gap = |ink: &Ink| 0.3 * ink.size;
        let width: f64 = cleaned.iter().map(|(text, ink)| ink.width(text) + gap(ink)).sum();
        if self.x + width > self.right && self.x > MARGIN {
            self.end_line();
        }
        for (text, ink) in cleaned {
            let text = font::fit(&text, self.right - self.x, ink.size, ink.is_bold).into_owned();
            let width = ink.width(&text);
            if let Some(line) = self.lines.last_mut().filter(|_| !text.is_empty()) {
                line.0.push(Words { x: self.x, text, ink });
            }
            self.x += width + gap(&ink);
        }
        self.x += 6.0;
    }

    fn end_line(&mut self) {
        if self.lines.last().is_some_and(|l| !l.0.is_empty()) {
            self.lines.push(Line(Vec::new()));
        }
        self.x = MARGIN;
    }
}

fn header_lines(header: &Header, sheet: &Sheet, options: &FigureOptions) -> Vec<Line> {
    let ink = |size, role: &str, is_bold| Ink { size, is_bold, colour: options.theme.colour(role) };
    let (dim, text, bold) = (ink(NAME, "dim", false), ink(NAME, "text", false), ink(NAME, "text", true));
    let mut flow = Flow::new(sheet);
    let gene = match header.gene.strip_suffix("(-)") {
        Some(name) => format!("{name}(\u{2212})"),
        None => header.gene.clone(),
    };
    flow.field(&[(&gene, ink(TITLE, "gene.current", true))]);
    flow.field(&[(&header.locus, ink(TITLE, "text", false))]);
    flow.field(&[(&header.span, ink(TITLE, "dim", false))]);
    flow.end_line();
    let named = |flow: &mut Flow, name: &str, value: &str, ink: Ink| {
        if !value.is_empty() {
            flow.field(&[(name, dim), (value, ink)]);
        }
    };
    named(&mut flow, "sample", &header.sample, text);
    named(&mut flow, "model", &header.model, text);
    named(&mut flow, "predicted", &font::minus(&header.predicted), bold);
    named(&mut flow, "measured", &font::minus(&header.measured), bold);
    flow.end_line();
    for caveat in &header.notes[..header.n_caveats.min(header.notes.len())] {
        flow.field(&[(caveat, ink(SMALL, "busy", false))]);
    }
    flow.lines.retain(|l| !l.0.is_empty());
    flow.lines
}

fn draw_header(page: &Page<'_>, lines: &[Line]) -> Drawn {
    let mut y = MARGIN;
    for line in lines {
        for words in &line.0 {
            // Words of all sizes of a line stand on one base line.
            let base = y + 0.86 * line.height() - 0.08 * line.height();
            page.text((words.x, base - 0.36 * words.ink.size), &words.text, words.ink, HPos::Left)?;
        }
        y += line.height();
    }
    Ok(())
}

/// What made the figure, in paragraphs.
fn footer_lines(scene: &Scene, provenance: &Provenance) -> Vec<String> {
    let header = &scene.header;
    let mut lines: Vec<String> = header.notes.get(header.n_caveats..).unwrap_or_default().to_vec();
    let mut made = vec![format!("cislens {}", env!("CARGO_PKG_VERSION"))];
    if !header.model.is_empty() {
        let hash = if header.model_hash.is_empty() { "no hash" } else { &header.model_hash };
        made.push(format!("model {} ({hash})", header.model));
    }
    let mut say = |name: &str, value: &str| {
        if !value.is_empty() {
            made.push(format!("{name} {value}"));
        }
    };
    say("input", &provenance.input_hash);
    say("sample", &header.sample);
    say("genome", &provenance.assembly);
    lines.push(made.join(" \u{b7} "));
    let settings = scene.rows.iter().filter(|r| r.state.is_some() && !r.detail.is_empty());
    let settings: Vec<String> = settings.map(|r| format!("{}: {}", r.label, r.detail)).collect();
    if !settings.is_empty() {
        lines.push(settings.join("; "));
    }
    if !provenance.command.is_empty() {
        lines.push(format!("made by: {}", provenance.command));
    }
    lines
}

/// Places every row below `top`; also gives where they end.
fn lay_out<'a>(scene: &'a Scene, sheet: &Sheet, top: f64) -> (Vec<Band<'a>>, f64) {
    let mut y = top + 4.0;
    let bands = scene.rows.iter().enumerate().map(|(i, row)| {
        let band = place(row, i, sheet, y);
        y = band.plot.bottom().max(band.name_y + if band.is_above { 0.0 } else { band.block_height() }) + GAP;
        band
    });
    (bands.collect(), y)
}

fn place<'a>(row: &'a Row, i: usize, sheet: &Sheet, top: f64) -> Band<'a> {
    let name = font::clean(&row.label).into_owned();
    let message = message_lines(row, sheet);
    let height = if message.is_empty() { rows::height(row) } else { SMALL_LINE * message.len() as f64 + 3.0 };
    let room = sheet.plot_x - MARGIN - beside(row) - 4.0;
    // Where labels of lanes or of the axis leave no room for the name beside them, it stands above the plot.
    let is_above = room < font::width(&name, NAME, false).min(48.0);
    let room = if is_above { sheet.text_width() } else { room };
    let mut band = Band {
        row,
        id: format!("row-{}-{}", i + 1, identifier(&row.label)),
        plot: Frame { x: sheet.plot_x, y: top, width: sheet.plot_width, height },
        message,
        name: font::wrap_within(&name, room, NAME, false, 2),
        notes: notes(row, room, if is_above { 2 } else { 4 }),
        name_y: top,
        is_above,
    };
    let block = band.block_height();
    if is_above {
        band.plot.y += block + 2.0;
    } else {
        band.plot.y += (block - height).max(0.0) / 2.0;
        band.name_y += (height - block).max(0.0) / 2.0;
    }
    band
}

impl Band<'_> {
    fn block_height(&self) -> f64 {
        NAME_LINE * self.name.len() as f64 + SMALL_LINE * self.notes.len() as f64
    }
}

/// Width of what stands between a row's name and its plot: labels of lanes, or of the axis.
fn beside(row: &Row) -> f64 {
    match (&row.plot, row.axis) {
        (Plot::Signed(lanes, _) | Plot::Heat(lanes, _), axis) if rows::has_lane_labels(lanes) || axis.is_none() => {
            lanes.iter().map(|l| font::width(&font::clean(&l.title()), SMALL, false)).fold(0.0, f64::max) + 4.0
        }
        (Plot::Signed(..) | Plot::Letters(..) | Plot::Signal(..), Some((lo, hi))) => {
            let of = |v| font::width(&rows::value_text(v), SMALL, false);
            of(lo).max(of(hi)) + 7.0
        }
        _ => 2.0,
    }
}

/// Unit, statistic or settings, and the state in words, in lines.
fn notes(row: &Row, room: f64, most: usize) -> Vec<(String, &'static str)> {
    let state = match &row.state {
        Some(RowState::Stale) => Some("stale: of the subject before".to_owned()),
        Some(RowState::Computing(done, total)) if *total > 0 => {
            Some(format!("{} % computed ({done} of {total})", 100 * done / total))
        }
        _ => None,
    };
    let mut lines: Vec<(String, &'static str)> = Vec::new();
    for text in state.iter() {
        lines.extend(font::wrap_within(text, room, SMALL, false, most).into_iter().map(|l| (l, "busy")));
    }
    let detail = font::clean(&row.detail).into_owned();
    let mut line = String::new();
    let mut words = Vec::new();
    for part in detail.split(" \u{b7} ").filter(|p| !p.is_empty()) {
        let joined = if line.is_empty() { part.to_owned() } else { format!("{line} \u{b7} {part}") };
        if font::width(&joined, SMALL, false) > room && !line.is_empty() {
            words.push(std::mem::replace(&mut line, part.to_owned()));
        } else {
            line = joined;
        }
    }
    words.push(line);
    let wrapped: Vec<String> = words.iter().flat_map(|text| font::wrap_evenly(text, room, SMALL, false)).collect();
    // What is cut here stands whole in the footer.
    let left = most.saturating_sub(lines.len());
    let is_cut = wrapped.len() > left;
    for (i, text) in wrapped.into_iter().take(left).enumerate() {
        let text =
            if is_cut && i + 1 == left { font::fit(&format!("{text} …"), room, SMALL, false).into_owned() } else { text };
        lines.push((text, "dim"));
    }
    lines
}

/// What a row without anything to draw says.
fn message_lines(row: &Row, sheet: &Sheet) -> Vec<String> {
    let text = match (&row.plot, &row.state) {
        (Plot::Message(text), Some(RowState::Failed(_))) => format!("failed: {text}"),
        (Plot::Message(text), Some(RowState::NotApplicable(_))) => format!("not applicable: {text}"),
        (Plot::Message(text), Some(_)) if text.is_empty() => "not computed".to_owned(),
        (Plot::Message(text), None) if text == "reading" => "not read".to_owned(),
        (Plot::Message(text), _) => text.clone(),
        (Plot::Genes(lanes), _) if lanes.is_empty() => "no gene here".to_owned(),
        (Plot::Intervals(lanes, _), _) if lanes.is_empty() && row.detail.is_empty() => "none here".to_owned(),
        (Plot::Signed(lanes, _) | Plot::Heat(lanes, _), _) if lanes.is_empty() => "nothing to draw".to_owned(),
        _ => return Vec::new(),
    };
    let mut lines = font::wrap_within(&font::clean(&text), sheet.plot_width, SMALL, false, 4);
    if lines.is_empty() {
        lines.push("no reason given".to_owned());
    }
    lines
}

fn draw_label(page: &Page<'_>, sheet: &Sheet, band: &Band<'_>) -> Drawn {
    let mut y = band.name_y;
    for line in &band.name {
        page.text((MARGIN, y + NAME_LINE / 2.0), line, page.ink(NAME, "text"), HPos::Left)?;
        y += NAME_LINE;
    }
    for (line, role) in &band.notes {
        page.text((MARGIN, y + SMALL_LINE / 2.0), line, page.ink(SMALL, role), HPos::Left)?;
        y += SMALL_LINE;
    }
    rows::draw_axis(page, sheet, band)
}

/// A label as a part of an XML id.
fn identifier(label: &str) -> String {
    let keep = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' };
    label.chars().take(40).map(keep).collect()
}
