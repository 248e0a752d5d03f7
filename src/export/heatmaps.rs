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
/// Rows of a map are as high as their names until they would be higher than this together; then they shrink, and some go unnamed.
const TALLEST: f64 = 560.0;
const SPAN: f64 = 3.0;
const ARCS: f64 = 34.0;
const BELOW: f64 = 12.0;
/// Width of a colour bar and its shades.
const BAR: f64 = 32.0;
const SHADES: usize = 32;
/// More cells than a page has dots for are refused.
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

/// Name and pairs: a pair stands below the middle of both spans, as deep as they reach apart.
fn triangle_height(map: &Heatmap, plot: f64) -> f64 {
    let n = n_columns(map) as f64;
    let depth = |a: usize, b: usize| Some((map.spans.get(b)?.end as f64 - map.spans.get(a)?.start as f64) / n * plot / 4.0);
    let deepest = map.triangle.iter().filter_map(|&(a, b, _)| depth(a, b)).reduce(f64::max);
    deepest.map_or(0.0, |depth| depth.max(2.0 * SMALL_LINE) + 4.0)
}

fn n_columns(map: &Heatmap) -> usize {
    map.values.iter().map(Vec::len).max().unwrap_or(0).max(1)
}

fn height(map: &Heatmap, plot: f64) -> f64 {
    above(map) + row_height(map) * map.values.len() as f64 + BELOW + triangle_height(map, plot)
}

fn row_height(map: &Heatmap) -> f64 {
    (TALLEST / map.values.len().max(1) as f64).min(ROW)
}

/// The colour of a value that is `share` of the largest: from the ground to a role, by its sign.
fn shade(page: &Page<'_>, share: f64, roles: [&str; 2]) -> Rgb {
    let role = roles[usize::from(share < 0.0)];
    page.colour("background").mix(page.colour(role), share.abs() as f32)
}

/// The colour of a value that is `share` of the largest; the root lets small values be seen.
fn shade_of(page: &Page<'_>, share: f64) -> Rgb {
    shade(page, share.signum() * share.abs().sqrt(), ["positive", "negative"])
}

/// The colour of a correlation.
fn shade_of_r(page: &Page<'_>, r: f64) -> Rgb {
    shade(page, r, ["positive", "negative"])
}

/// What colours mean, right-aligned: unit, lowest value, bar, highest value. Gives its left end.
fn colour_bar(
    page: &Page<'_>,
    (right, y): (f64, f64),
    unit: &str,
    (low, high): (f64, f64),
    shade: fn(&Page<'_>, f64) -> Rgb,
) -> Result<f64, FigureError> {
    let number = |value: f64| if value.fract() == 0.0 { format!("{value}") } else { format!("{value:.3}") };
    let ink = page.ink(SMALL, "dim");
    let left = right - ink.width(&number(high)) - 2.0 - BAR;
    page.text((right, y), &number(high), ink, HPos::Right)?;
    let from = if low < 0.0 { -1.0 } else { 0.0 };
    let width = BAR / SHADES as f64;
    for i in 0..SHADES {
        let share = from + (1.0 - from) * (i as f64 + 0.5) / SHADES as f64;
        page.rect(Frame { x: left + width * i as f64, y: y - 2.5, width, height: 5.0 }, shade(page, share))?;
    }
    let name = format!("{unit} {}", number(low));
    page.text((left - 2.0, y), &name, ink, HPos::Right)?;
    Ok(left - 2.0 - ink.width(&name))
}

fn draw(page: &Page<'_>, map: &Heatmap, at: Frame) -> Drawn {
    let n = n_columns(map);
    let x = |column: f64| at.x + column / n as f64 * at.width;
    let largest = map.values.iter().flatten().filter(|v| v.is_finite()).fold(0.0_f64, |a, v| a.max(v.abs()));
    let values = || map.values.iter().flatten().copied();
    let low = if values().any(|v| v < 0.0) { -largest } else { 0.0 };
    let bar = colour_bar(page, (at.right(), at.y + NAME / 2.0), &map.unit, (low, largest), shade_of)?;
    let title = font::fit(&map.title, bar - 4.0 - (at.x - LEFT), NAME, false).into_owned();
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
    let row_height = row_height(map);
    let bottom = first + row_height * map.values.len() as f64;
    page.rect(Frame { y: first, height: bottom - first, ..at }, empty)?;
    let named = (ROW / row_height).ceil() as usize;
    let inset = if row_height < ROW { 0.0 } else { 0.3 };
    let colour = |value: f64| shade_of(page, if largest > 0.0 { value / largest } else { 0.0 });
    for (i, (row, values)) in map.rows.iter().zip(&map.values).enumerate() {
        let y = first + row_height * i as f64;
        if i % named == 0 {
            let name = font::fit(row, LEFT - 4.0, SMALL, false);
            page.text((at.x - 3.0, y + row_height / 2.0), &name, page.ink(SMALL, "text"), HPos::Right)?;
        }
        let colours: Vec<Option<Rgb>> = values.iter().map(|v| (v.is_finite() && *v != 0.0).then(|| colour(*v))).collect();
        let mut column = 0;
        // Neighbours of one colour are one shape.
        for run in colours.chunk_by(|a, b| a == b) {
            let (left, right) = (x(column as f64), x((column + run.len()) as f64));
            column += run.len();
            if let Some(colour) = run[0] {
                page.rect(Frame { x: left, y: y + inset, width: right - left, height: row_height - 2.0 * inset }, colour)?;
            }
        }
    }
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
        page.polygon(&corners, shade_of_r(page, if r.is_finite() { r } else { 0.0 }))?;
    }
    if !map.triangle.is_empty() {
        let ink = page.ink(SMALL, "dim");
        page.text((at.x - 3.0, top + SMALL_LINE / 2.0), "r of blocks", ink, HPos::Right)?;
        colour_bar(page, (at.x - 3.0, top + 1.5 * SMALL_LINE), "", (-1.0, 1.0), shade_of_r)?;
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

    #[test]
    fn many_rows_keep_to_a_page_and_neighbours_of_one_colour_are_one_shape() {
        let theme = Theme::named("print").unwrap();
        let page = |map: Heatmap| draw_heatmaps("t", &[], &[map], 174.0, &theme).unwrap();
        let rows = |n: usize| (0..n).map(|i| format!("row{i}")).collect::<Vec<_>>();
        let tall = page(Heatmap { rows: rows(800), values: vec![vec![1.0, 1.0, 0.5, 0.0, 0.5]; 800], ..Heatmap::default() });
        let height: f64 = tall.split("height=\"").nth(1).unwrap().split("pt").next().unwrap().parse().unwrap();
        assert!(height < TALLEST + 80.0, "{height}");
        let names = tall.matches(">row").count();
        assert!((50..=85).contains(&names), "{names} names in {TALLEST} points");
        let small = page(Heatmap { rows: rows(1), values: vec![vec![1.0, 1.0, 0.5, 0.0, 0.5]], ..Heatmap::default() });
        let cells = small.matches("<rect").count() - SHADES - 1;
        assert_eq!(cells, 3, "two alike, one, none, one");
    }

    #[test]
    fn a_triangle_is_as_deep_as_its_pairs_reach() {
        let height = |spans: Vec<Range<usize>>| {
            let triangle = vec![(0, 1, 0.5)];
            triangle_height(&Heatmap { values: vec![vec![0.0; 100]], spans, triangle, ..Heatmap::default() }, 400.0)
        };
        assert_eq!(height(vec![0..10, 90..100]), 104.0, "from edge to edge: a quarter of the width");
        assert_eq!(height(vec![40..45, 55..60]), 24.0);
        assert_eq!(triangle_height(&Heatmap::default(), 400.0), 0.0);
    }
}
