//! Rows and their places: what stands where is found before anything is drawn, so nothing can overlap.

use super::axis;
use super::font;
use super::page::{Drawn, Frame, NAME, Page, SMALL, SMALL_LINE};
use super::rows::{self, GAP};
use super::sheet::{MARGIN, Sheet};
use crate::scene::{Block, MEAN_HERE, Plot, Row, Scene};
use crate::state::RowState;
use plotters::style::text_anchor::HPos;

/// Between rows of a block.
const BLOCK_GAP: f64 = 0.8;
/// Height of a line of names.
const NAME_LINE: f64 = 8.4;

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
    notes_y: f64,
    /// Top of the name, and whether it stands above the plot rather than beside it.
    name_y: f64,
    is_above: bool,
}

/// The bands of panels side by side: rows of one name stand at one height, and their names left of the first panel.
pub(super) struct Bands<'a> {
    /// Of each panel.
    pub of_panel: Vec<Vec<Band<'a>>>,
    /// Names at the left where the first panel lacks a row that another has.
    pub names_only: Vec<Band<'a>>,
    /// Where they end.
    pub bottom: f64,
}

/// Places every row of every panel below `top`.
pub(super) fn lay_out<'a>(panels: &[(&'a Scene, Sheet)], prefix: &[String], top: f64) -> Bands<'a> {
    let mut y = top + 4.0;
    let mut bands = Bands { of_panel: panels.iter().map(|_| Vec::new()).collect(), names_only: Vec::new(), bottom: y };
    let all = aligned(panels);
    for (k, rows) in all.iter().enumerate() {
        let mut placed: Vec<Option<Band<'a>>> = rows
            .iter()
            .zip(panels)
            .zip(prefix)
            .map(|((row, (_, sheet)), prefix)| row.map(|row| place(row, k, prefix, sheet, y)))
            .collect();
        if let [None, others @ ..] = &rows[..]
            && let Some(row) = others.iter().flatten().next()
        {
            bands.names_only.push(place(row, k, "name-of-", &panels[0].1, y));
        }
        // Names beside or above the plots of the first panel set where all plots of the row stand.
        let named = placed.iter().flatten().chain(bands.names_only.last().filter(|_| rows[0].is_none()));
        let plot_y = named.map(|b| b.plot.y).fold(y, f64::max);
        placed.iter_mut().flatten().for_each(|b| b.plot.y = plot_y);
        let bottom = |b: &Band<'_>| b.plot.bottom().max(b.name_y + if b.is_above { 0.0 } else { b.block_height() });
        let named = placed.iter().flatten().chain(bands.names_only.last().filter(|_| rows[0].is_none()));
        y = named.map(bottom).fold(y, f64::max);
        // Rows of a block stand close: they are read together.
        let continues = |rows: &[Option<&Row>]| rows.iter().flatten().next().is_some_and(|row| row.block == Block::Next);
        y += if all.get(k + 1).is_some_and(|next| continues(next)) { BLOCK_GAP } else { GAP };
        for (band, of_panel) in placed.into_iter().zip(&mut bands.of_panel) {
            of_panel.extend(band);
        }
    }
    bands.bottom = y;
    bands
}

/// Rows of the same name side by side, in the order in which they first stand.
fn aligned<'a>(panels: &[(&'a Scene, Sheet)]) -> Vec<Vec<Option<&'a Row>>> {
    let mut keys: Vec<(&str, usize)> = Vec::new();
    let mut rows: Vec<Vec<Option<&'a Row>>> = Vec::new();
    for (panel, (scene, _)) in panels.iter().enumerate() {
        let mut next = 0;
        for (i, row) in scene.rows.iter().enumerate() {
            // Two rows of one name are told apart by which of them comes first.
            let key = (row.label.as_str(), scene.rows[..i].iter().filter(|r| r.label == row.label).count());
            let at = keys.iter().position(|k| *k == key).unwrap_or_else(|| {
                keys.insert(next, key);
                rows.insert(next, vec![None; panels.len()]);
                next
            });
            rows[at][panel] = Some(row);
            next = at + 1;
        }
    }
    rows
}

fn place<'a>(row: &'a Row, i: usize, prefix: &str, sheet: &Sheet, top: f64) -> Band<'a> {
    let name = font::clean(&row.label).into_owned();
    let message = message_lines(row, sheet);
    let height = if message.is_empty() { rows::height(row) } else { SMALL_LINE * message.len() as f64 + 3.0 };
    let room = sheet.plot_x - sheet.x - MARGIN - beside(row) - 4.0;
    // Where labels of lanes or of the axis leave no room for the name beside them, it stands above the plot.
    let is_above = room < font::width(&name, NAME, false).min(48.0);
    let room = if is_above { sheet.text_width() } else { room };
    let mut band = Band {
        row,
        id: format!("{prefix}row-{}-{}", i + 1, identifier(&row.label)),
        plot: Frame { x: sheet.plot_x, y: top, width: sheet.plot_width, height },
        message,
        name: font::wrap_within(&name, room, NAME, false, 2),
        notes: if row.block == Block::Next { Vec::new() } else { notes(row, room, if is_above { 2 } else { 4 }) },
        notes_y: top,
        name_y: top,
        is_above,
    };
    let block = band.block_height();
    if !sheet.has_names {
        return band;
    }
    if row.block == Block::First {
        // What is said of the block stands over it, so that its plots stand close.
        band.name_y += SMALL_LINE * band.notes.len() as f64;
        band.plot.y = band.name_y + if is_above { block + 2.0 } else { (NAME_LINE - height).max(0.0) / 2.0 };
        return band;
    }
    if is_above {
        band.plot.y += block + 2.0;
    } else {
        band.plot.y += (block - height).max(0.0) / 2.0;
        band.name_y += (height - block).max(0.0) / 2.0;
    }
    band.notes_y = band.name_y + NAME_LINE * band.name.len() as f64;
    band
}

impl Band<'_> {
    fn block_height(&self) -> f64 {
        if self.row.block == Block::First {
            return NAME_LINE * self.name.len() as f64; // its notes stand above
        }
        NAME_LINE * self.name.len() as f64 + SMALL_LINE * self.notes.len() as f64
    }
}

/// Width of what stands between a row's name and its plot: labels of lanes, or of the axis.
fn beside(row: &Row) -> f64 {
    match (&row.plot, row.axis) {
        (Plot::Signed(lanes, _) | Plot::Heat(lanes, _), axis) if axis::has_lane_labels(lanes) || axis.is_none() => {
            lanes.iter().map(|l| font::width(&font::clean(&l.title()), SMALL, false)).fold(0.0, f64::max) + 4.0
        }
        (Plot::Signed(..) | Plot::Letters(..) | Plot::Signal(..), Some((lo, hi))) => {
            let of = |v| font::width(&axis::value_text(v), SMALL, false);
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
    let is_of_block = |part: &&str| row.block == Block::None || !part.starts_with(MEAN_HERE);
    for part in detail.split(" \u{b7} ").filter(|p| !p.is_empty()).filter(is_of_block) {
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
        (Plot::Message(text) | Plot::Note(text), _) => text.clone(),
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

/// Draws the name of a band and its axis, as far as they stand in this panel.
pub(super) fn draw_label(page: &Page<'_>, sheet: &Sheet, band: &Band<'_>) -> Drawn {
    let mut y = band.name_y;
    for line in band.name.iter().filter(|_| sheet.has_names) {
        page.text((MARGIN, y + NAME_LINE / 2.0), line, page.ink(NAME, "text"), HPos::Left)?;
        y += NAME_LINE;
    }
    y = band.notes_y;
    for (line, role) in band.notes.iter().filter(|_| sheet.has_names) {
        page.text((MARGIN, y + SMALL_LINE / 2.0), line, page.ink(SMALL, role), HPos::Left)?;
        y += SMALL_LINE;
    }
    axis::draw(page, sheet, band)
}

/// A label as a part of an XML id or a file's name.
pub(super) fn identifier(label: &str) -> String {
    let keep = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' };
    label.chars().take(40).map(keep).collect()
}
