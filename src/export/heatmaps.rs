//! A page of heatmaps: samples by bins with the elements that go together, factors by samples.

use super::page::{Drawn, Frame, NAME, Page, SMALL, SMALL_LINE, TITLE};
use super::{FigureError, PT_PER_MM, WIDTHS_MM, font};
use crate::theme::{Rgb, Theme};
use plotters::style::text_anchor::HPos;
use std::ops::Range;

/// One heatmap.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Heatmap {
    /// Above it.
    pub title: String,
    /// Left of each row.
    pub rows: Vec<String>,
    /// Below columns, at their place from 0 to 1 along the map.
    pub columns: Vec<(f64, String)>,
    /// A value a row and column; a value that is not finite is left blank.
    pub values: Vec<Vec<f64>>,
    /// What a value is.
    pub unit: String,
    /// Spans of columns that belong together, drawn above the map.
    pub spans: Vec<Range<usize>>,
    /// Spans joined by an arc: two indices of `spans` and whether it is drawn strong.
    pub arcs: Vec<(usize, usize, bool)>,
    /// Values of pairs of spans from -1 to 1, drawn as a triangle below the map.
    pub triangle: Vec<(usize, usize, f64)>,
}

const MARGIN: f64 = 10.0;
const GAP: f64 = 14.0;
/// Room of the rows' names.
const LEFT: f64 = 52.0;
const ROW: f64 = 6.6;
const SPAN: f64 = 3.0;
const ARCS: f64 = 34.0;
const BELOW: f64 = 12.0;
/// More rows or columns than a page has dots for are refused.
const MOST_CELLS: usize = 400_000;
/// Straight pieces of an arc.
const PIECES: usize = 24;

/// Draws a page. The same heatmaps give the same bytes.
///
/// # Errors
/// Where there is none, one has too many values, or the width leaves no room.
pub fn draw_heatmaps(
    title: &str,
    notes: &[String],
    maps: &[Heatmap],
    width_mm: f64,
    theme: &Theme,
) -> Result<String, FigureError> {
    if !WIDTHS_MM.contains(&width_mm) {
        return Err(FigureError::Width(width_mm));
    }
    if maps.iter().all(|map| map.values.is_empty()) {
        return Err(FigureError::NoRows);
    }
    let cells: usize = maps.iter().flat_map(|map| &map.values).map(Vec::len).sum();
    if cells > MOST_CELLS {
        return Err(FigureError::Drawing(format!("{cells} cells are more than {MOST_CELLS}")));
    }
    let width = width_mm * PT_PER_MM;
    let plot = width - 2.0 * MARGIN - LEFT;
    let lines: Vec<String> =
        notes.iter().flat_map(|text| font::wrap(&font::clean(text), width - 2.0 * MARGIN, SMALL, false)).collect();
    let top = MARGIN + 1.5 * TITLE;
    let body: f64 = maps.iter().map(|map| height(map, plot) + GAP).sum();
    let page = Page::new(width, top + body + SMALL_LINE * lines.len() as f64 + MARGIN, theme);
    let shown = font::fit(title, width - 2.0 * MARGIN, TITLE, false).into_owned();
    page.group("title", || page.text((MARGIN, MARGIN + TITLE / 2.0), &shown, page.ink(TITLE, "text"), HPos::Left))?;
    let mut y = top;
    for (i, map) in maps.iter().enumerate() {
        page.group(&format!("map-{}", i + 1), || draw(&page, map, Frame { x: MARGIN + LEFT, y, width: plot, height: 0.0 }))?;
        y += height(map, plot) + GAP;
    }
    page.group("notes", || {
        lines.iter().enumerate().try_for_each(|(i, line)| {
            page.text((MARGIN, y + SMALL_LINE * (i as f64 + 0.5)), line, page.ink(SMALL, "dim"), HPos::Left)
        })
    })?;
    Ok(page.finish(title, &notes.join(" \u{b7} ")))
}

fn above(map: &Heatmap) -> f64 {
    let arcs = if map.arcs.is_empty() { 0.0 } else { ARCS };
    let spans = if map.spans.is_empty() { 0.0 } else { SPAN + 2.0 };
    NAME + 6.0 + arcs + spans
}

fn triangle_height(map: &Heatmap, plot: f64) -> f64 {
    if map.triangle.is_empty() { 0.0 } else { plot / 4.0 + 4.0 }
}

fn height(map: &Heatmap, plot: f64) -> f64 {
    above(map) + ROW * map.values.len() as f64 + BELOW + triangle_height(map, plot)
}

/// The colour of a value that is `share` of the largest: from the ground to a role, by its sign.
fn shade(page: &Page<'_>, share: f64, roles: [&str; 2]) -> Rgb {
    let role = roles[usize::from(share < 0.0)];
    page.colour("background").mix(page.colour(role), share.abs() as f32)
}

fn draw(page: &Page<'_>, map: &Heatmap, at: Frame) -> Drawn {
    let n = map.values.iter().map(Vec::len).max().unwrap_or(0).max(1);
    let x = |column: f64| at.x + column / n as f64 * at.width;
    let largest = map.values.iter().flatten().filter(|v| v.is_finite()).fold(0.0_f64, |a, v| a.max(v.abs()));
    let title = format!("{}  ({}, to {:.3})", map.title, map.unit, largest);
    let title = font::fit(&title, at.width + LEFT, NAME, false).into_owned();
    page.text((at.x - LEFT, at.y + NAME / 2.0), &title, page.ink(NAME, "text"), HPos::Left)?;
    let first = at.y + above(map);
    let middle = |span: usize| map.spans.get(span).map_or(0.0, |s| x((s.start + s.end) as f64 / 2.0));
    let base = first - SPAN - 2.0;
    for &(a, b, is_strong) in &map.arcs {
        let (from, to) = (middle(a), middle(b));
        let rise = ARCS * 0.9 * ((to - from).abs() / at.width).sqrt();
        let points: Vec<(f64, f64)> = (0..=PIECES)
            .map(|i| {
                let angle = std::f64::consts::PI * i as f64 / PIECES as f64;
                ((from + to) / 2.0 - (to - from) / 2.0 * angle.cos(), base - rise * angle.sin())
            })
            .collect();
        let (role, width) = if is_strong { ("attention", 1.2) } else { ("dim", 0.4) };
        page.line(&points, page.colour(role), width)?;
    }
    for span in &map.spans {
        let frame = Frame { x: x(span.start as f64), y: base, width: x(span.end as f64) - x(span.start as f64), height: SPAN };
        page.rect(frame, page.colour("attention"))?;
    }
    let empty = page.colour("background").mix(page.colour("dim"), 0.06);
    page.rect(Frame { y: first, height: ROW * map.values.len() as f64, ..at }, empty)?;
    for (i, (row, values)) in map.rows.iter().zip(&map.values).enumerate() {
        let y = first + ROW * i as f64;
        let name = font::fit(row, LEFT - 4.0, SMALL, false);
        page.text((at.x - 3.0, y + ROW / 2.0), &name, page.ink(SMALL, "text"), HPos::Right)?;
        for (column, value) in values.iter().enumerate().filter(|(_, v)| v.is_finite() && **v != 0.0) {
            let (left, right) = (x(column as f64), x(column as f64 + 1.0));
            let share = if largest > 0.0 { value / largest } else { 0.0 };
            // The root lets small values be seen.
            let share = share.signum() * share.abs().sqrt();
            let frame = Frame { x: left, y: y + 0.3, width: right - left, height: ROW - 0.6 };
            page.rect(frame, shade(page, share, ["positive", "negative"]))?;
        }
    }
    let bottom = first + ROW * map.values.len() as f64;
    for (place, name) in &map.columns {
        let along = if *place <= 0.0 {
            HPos::Left
        } else if *place >= 1.0 {
            HPos::Right
        } else {
            HPos::Center
        };
        page.text((at.x + place * at.width, bottom + 6.0), name, page.ink(SMALL, "dim"), along)?;
    }
    let top = bottom + BELOW;
    for &(a, b, r) in &map.triangle {
        let (Some(a), Some(b)) = (map.spans.get(a), map.spans.get(b)) else { continue };
        // A pair stands below the middle of both, as deep as they are apart.
        let corner = |i: usize, j: usize| ((x(i as f64) + x(j as f64)) / 2.0, top + (x(j as f64) - x(i as f64)) / 4.0);
        let corners = [corner(a.start, b.start), corner(a.end, b.start), corner(a.end, b.end), corner(a.start, b.end)];
        page.polygon(&corners, shade(page, if r.is_finite() { r } else { 0.0 }, ["positive", "negative"]))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_sound_and_the_same_each_time() {
        let map = Heatmap {
            title: "a < b".to_owned(),
            rows: vec!["P01".to_owned(), "P02".to_owned()],
            columns: vec![(0.0, "-5 kb".to_owned()), (1.0, "+5 kb".to_owned())],
            values: vec![vec![0.0, 0.5, f64::NAN, 1.0], vec![-0.5; 4]],
            unit: "attention".to_owned(),
            spans: vec![0..1, 3..4],
            arcs: vec![(0, 1, true)],
            triangle: vec![(0, 1, 0.9), (0, 9, 0.1)],
        };
        let page = |maps: &[Heatmap]| draw_heatmaps("t", &["made & by".to_owned()], maps, 174.0, &Theme::named("print").unwrap());
        let svg = page(std::slice::from_ref(&map)).unwrap();
        assert_eq!(svg, page(std::slice::from_ref(&map)).unwrap());
        assert!(svg.contains("a &lt; b") && svg.contains("made &amp; by") && !svg.contains("NaN"));
        let mut reader = quick_xml::Reader::from_str(&svg);
        while !matches!(reader.read_event().unwrap(), quick_xml::events::Event::Eof) {}
        assert!(matches!(page(&[]), Err(FigureError::NoRows)));
        let constant = Heatmap { rows: vec!["x".to_owned()], values: vec![vec![0.0; 3]], ..Heatmap::default() };
        assert!(page(&[constant]).is_ok());
        let huge = Heatmap { rows: vec![String::new(); 500], values: vec![vec![1.0; 1_000]; 500], ..Heatmap::default() };
        assert!(page(&[huge]).is_err());
    }
}
