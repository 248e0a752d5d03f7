//! What stands above a panel, and what made the figure.

use super::page::{Drawn, Ink, NAME, Page, SMALL, TITLE};
use super::sheet::Sheet;
use super::{FigureOptions, Provenance, font};
use crate::scene::{Header, Scene};
use plotters::style::text_anchor::HPos;

/// Size of a panel's letter.
const LETTER: f64 = 11.0;

/// Words of one look, with the place they begin at.
struct Words {
    x: f64,
    text: String,
    ink: Ink,
}

/// A line of the header.
pub(super) struct Line(Vec<Words>);

impl Line {
    pub fn height(&self) -> f64 {
        1.35 * self.0.iter().map(|w| w.ink.size).fold(SMALL, f64::max)
    }
}

/// Fields one after another, each kept whole as long as it fits a line.
struct Flow {
    lines: Vec<Line>,
    x: f64,
    left: f64,
    right: f64,
}

impl Flow {
    fn new(left: f64, sheet: &Sheet) -> Self {
        Self { lines: vec![Line(Vec::new())], x: left, left, right: sheet.text_x() + sheet.text_width() }
    }

    fn field(&mut self, parts: &[(&str, Ink)]) {
        let cleaned: Vec<(String, Ink)> = parts.iter().map(|(text, ink)| (font::clean(text).into_owned(), *ink)).collect();
        if cleaned.iter().all(|(text, _)| text.trim().is_empty()) {
            return;
        }
        let gap = |ink: &Ink| 0.3 * ink.size;
        let width: f64 = cleaned.iter().map(|(text, ink)| ink.width(text) + gap(ink)).sum();
        if self.x + width > self.right && self.x > self.left {
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
        self.x = self.left;
    }
}

/// The lines above a panel, beginning with its letter, if any.
pub(super) fn lines(header: &Header, sheet: &Sheet, letter: Option<char>, options: &FigureOptions) -> Vec<Line> {
    lines_from(sheet.text_x(), header, sheet, letter, options)
}

fn lines_from(start: f64, header: &Header, sheet: &Sheet, letter: Option<char>, options: &FigureOptions) -> Vec<Line> {
    let ink = |size, role: &str, is_bold| Ink { size, is_bold, colour: options.theme.colour(role) };
    let (dim, text, bold) = (ink(NAME, "dim", false), ink(NAME, "text", false), ink(NAME, "text", true));
    let letter = letter.map(|text| Words { x: start, text: text.to_string(), ink: ink(LETTER, "text", true) });
    let left = start + letter.as_ref().map_or(0.0, |l| l.ink.width(&l.text) + 6.0);
    let mut flow = Flow::new(left, sheet);
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
    named(&mut flow, &header.compared, &font::minus(&header.compared_says), bold);
    flow.end_line();
    for caveat in &header.notes[..header.n_caveats.min(header.notes.len())] {
        flow.field(&[(caveat, ink(SMALL, "busy", false))]);
    }
    if let (Some(letter), Some(first)) = (letter, flow.lines.first_mut()) {
        first.0.insert(0, letter);
    }
    flow.lines.retain(|l| !l.0.is_empty());
    flow.lines
}

/// Draws the lines below `top`.
pub(super) fn draw(page: &Page<'_>, lines: &[Line], top: f64) -> Drawn {
    let mut y = top;
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

/// What made a figure of a scene, in paragraphs.
pub fn made_by(scene: &Scene, provenance: &Provenance) -> Vec<String> {
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
    say("session", &provenance.session_hash);
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

/// The lines above a panel that shows a part of another: its letter and place.
pub(super) fn lines_of_part(header: &Header, sheet: &Sheet, letter: Option<char>, options: &FigureOptions) -> Vec<Line> {
    let place = Header { locus: header.locus.clone(), span: header.span.clone(), ..Header::default() };
    // Between the lines that lead there.
    lines_from(sheet.plot_x + 4.0, &place, sheet, letter, options)
}
