//! A page of charts: predictions against measurements, curves, boxes side by side. What an evaluation shows.

use super::page::{Drawn, Frame, NAME, Page, SMALL, SMALL_LINE, TITLE};
use super::{FigureError, PT_PER_MM, WIDTHS_MM, font};
use crate::theme::{Rgb, Theme};
use plotters::style::text_anchor::HPos;
use std::ops::Range;

/// One chart.
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    /// Above it.
    pub title: String,
    /// Names of the axes.
    pub axes: [String; 2],
    /// What it shows.
    pub marks: Marks,
}

/// What a chart shows.
#[derive(Clone, Debug, PartialEq)]
pub enum Marks {
    /// A point a gene; both axes have the same range and the line where both are equal.
    Points(Vec<(f64, f64)>),
    /// Named lines over 0 to 1; the first is drawn over the others. The diagonal where it means chance.
    Curves {
        /// Name and corners.
        curves: Vec<(String, Vec<(f64, f64)>)>,
        /// Whether the diagonal is drawn.
        has_diagonal: bool,
    },
    /// Named numbers as bars from zero.
    Bars(Vec<(String, f64)>),
    /// Named lines over any range of x, the first drawn over the others.
    Lines(Vec<(String, Vec<(f64, f64)>)>),
    /// Named boxes: 2.5th percentile, quartiles with the median, 97.5th.
    Boxes(Vec<(String, [f64; 5])>),
}

const MARGIN: f64 = 10.0;
const GAP: f64 = 18.0;
const COLUMNS: usize = 2;
/// Room for the numbers and the name of an axis.
const LEFT: f64 = 34.0;
const BELOW: f64 = 24.0;
const ABOVE: f64 = 13.0;
/// Height of a named box.
const BOX_LINE: f64 = 13.0;
/// Roles of curves and boxes in turn.
const COLOURS: [&str; 6] = ["signal", "promoter", "peak", "attention", "enhancer", "gene"];
/// More points than this are thinned evenly: they would be one blot of ink.
const MOST_POINTS: usize = 4_000;

/// Draws a page. The same charts give the same bytes.
///
/// # Errors
/// Where there is no chart, or the width leaves no room.
pub fn draw_charts(title: &str, notes: &[String], charts: &[Chart], width_mm: f64, theme: &Theme) -> Result<String, FigureError> {
    if !WIDTHS_MM.contains(&width_mm) {
        return Err(FigureError::Width(width_mm));
    }
    if charts.is_empty() {
        return Err(FigureError::NoRows);
    }
    let width = width_mm * PT_PER_MM;
    let cell = (width - 2.0 * MARGIN - GAP * (COLUMNS - 1) as f64) / COLUMNS as f64;
    let side = cell - LEFT;
    let height_of = |chart: &Chart| match &chart.marks {
        Marks::Boxes(boxes) => BOX_LINE * boxes.len().max(2) as f64,
        Marks::Bars(bars) => BOX_LINE * bars.len().max(2) as f64,
        _ => side,
    };
    let heights: Vec<f64> = charts.chunks(COLUMNS).map(|row| row.iter().map(height_of).fold(0.0, f64::max)).collect();
    let lines: Vec<String> =
        notes.iter().flat_map(|text| font::wrap(&font::clean(text), width - 2.0 * MARGIN, SMALL, false)).collect();
    let top = MARGIN + 1.5 * TITLE;
    let body: f64 = heights.iter().map(|h| h + ABOVE + BELOW + GAP).sum();
    let page = Page::new(width, top + body + SMALL_LINE * lines.len() as f64 + MARGIN, theme);
    page.group("title", || page.text((MARGIN, MARGIN + TITLE / 2.0), title, page.ink(TITLE, "text"), HPos::Left))?;
    let mut y = top;
    for (row, (charts, height)) in charts.chunks(COLUMNS).zip(&heights).enumerate() {
        for (column, chart) in charts.iter().enumerate() {
            let x = MARGIN + (cell + GAP) * column as f64 + LEFT;
            let frame = Frame { x, y: y + ABOVE, width: side, height: height_of(chart) };
            debug_assert!(frame.height <= *height);
            page.group(&format!("chart-{}", row * COLUMNS + column + 1), || draw(&page, chart, frame))?;
        }
        y += height + ABOVE + BELOW + GAP;
    }
    page.group("notes", || {
        lines.iter().enumerate().try_for_each(|(i, line)| {
            page.text((MARGIN, y + SMALL_LINE * (i as f64 + 0.5)), line, page.ink(SMALL, "dim"), HPos::Left)
        })
    })?;
    Ok(page.finish(title, &notes.join(" \u{b7} ")))
}

fn draw(page: &Page<'_>, chart: &Chart, frame: Frame) -> Drawn {
    page.text((frame.x, frame.y - ABOVE / 2.0), &chart.title, page.ink(NAME, "text"), HPos::Left)?;
    match &chart.marks {
        Marks::Points(points) => {
            let finite = || points.iter().flat_map(|p| [p.0, p.1]).filter(|x| x.is_finite());
            let range = around(finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
            axes(page, chart, frame, &range, Some(&range))?;
            line(page, frame, (&range, &range), &[(range.start, range.start), (range.end, range.end)], page.colour("dim"), 0.5)?;
            let ink = page.colour(COLOURS[0]).mix(page.colour("background"), 0.25);
            for point in
                points.iter().step_by(points.len().div_ceil(MOST_POINTS).max(1)).filter(|p| p.0.is_finite() && p.1.is_finite())
            {
                let (x, y) = place(frame, &range, &range, *point);
                page.rect(Frame { x: x - 0.6, y: y - 0.6, width: 1.2, height: 1.2 }, ink)?;
            }
            Ok(())
        }
        Marks::Curves { curves, has_diagonal } => {
            let unit = 0.0..1.0;
            axes(page, chart, frame, &unit, Some(&unit))?;
            if *has_diagonal {
                line(page, frame, (&unit, &unit), &[(0.0, 0.0), (1.0, 1.0)], page.colour("dim"), 0.5)?;
            }
            for (i, (name, points)) in curves.iter().enumerate().rev() {
                let colour = page.colour(COLOURS[i % COLOURS.len()]);
                line(page, frame, (&unit, &unit), points, colour, 1.0)?;
                let key = frame.bottom() - 6.0 - SMALL_LINE * (curves.len() - 1 - i) as f64;
                page.line(&[(frame.right() - 8.0, key), (frame.right() - 2.0, key)], colour, 1.2)?;
                let name = font::fit(name, frame.width * 0.7, SMALL, false);
                page.text((frame.right() - 10.0, key), &name, page.ink(SMALL, "text"), HPos::Right)?;
            }
            Ok(())
        }
        Marks::Bars(bars) => {
            let finite = || bars.iter().map(|b| b.1).filter(|x| x.is_finite()).chain([0.0]);
            let range = around(finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
            let names = bars.iter().map(|(name, _)| font::width(name, SMALL, false)).fold(0.0, f64::max).min(frame.width / 2.0);
            let plot = Frame { x: frame.x + names + 4.0 - LEFT, width: frame.width - names - 4.0 + LEFT, ..frame };
            axes(page, chart, plot, &range, None)?;
            let zero = place(plot, &range, &range, (0.0, range.start)).0;
            for (i, (name, value)) in bars.iter().enumerate() {
                let lane = plot.lane(i, bars.len(), 4.0);
                let name = font::fit(name, names + 0.1, SMALL, false);
                page.text((plot.x - 4.0, lane.middle()), &name, page.ink(SMALL, "text"), HPos::Right)?;
                if !value.is_finite() {
                    page.text((plot.x + 4.0, lane.middle()), "undefined", page.ink(SMALL, "dim"), HPos::Left)?;
                    continue;
                }
                let end = place(plot, &range, &range, (*value, range.start)).0;
                let body = Frame { x: zero.min(end), width: (zero - end).abs().max(0.3), ..lane };
                page.rect(body, page.colour(if *value < 0.0 { "negative" } else { "positive" }))?;
            }
            page.line(&[(zero, plot.y), (zero, plot.bottom())], page.colour("dim"), 0.5)
        }
        Marks::Lines(lines) => {
            let points = || lines.iter().flat_map(|(_, points)| points).filter(|p| p.0.is_finite() && p.1.is_finite());
            let span = |of: fn(&(f64, f64)) -> f64| {
                (points().map(of).fold(f64::INFINITY, f64::min), points().map(of).fold(f64::NEG_INFINITY, f64::max))
            };
            let ((left, right), (low, high)) = (span(|p| p.0), span(|p| p.1));
            let x = if right > left { left..right } else { around(left, right) };
            let y = around(low, high);
            axes(page, chart, frame, &x, Some(&y))?;
            for (i, (name, points)) in lines.iter().enumerate().rev() {
                let colour = page.colour(COLOURS[i % COLOURS.len()]);
                line(page, frame, (&x, &y), points, colour, 0.8)?;
                let key = frame.y + 5.0 + SMALL_LINE * i as f64;
                page.line(&[(frame.right() - 8.0, key), (frame.right() - 2.0, key)], colour, 1.2)?;
                let name = font::fit(name, frame.width * 0.7, SMALL, false);
                page.text((frame.right() - 10.0, key), &name, page.ink(SMALL, "text"), HPos::Right)?;
            }
            Ok(())
        }
        Marks::Boxes(boxes) => {
            let finite = || boxes.iter().flat_map(|b| b.1).filter(|x| x.is_finite());
            let range = around(finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
            let names = boxes.iter().map(|(name, _)| font::width(name, SMALL, false)).fold(0.0, f64::max).min(frame.width / 2.0);
            let plot = Frame { x: frame.x + names + 4.0 - LEFT, width: frame.width - names - 4.0 + LEFT, ..frame };
            axes(page, chart, plot, &range, None)?;
            for (i, (name, numbers)) in boxes.iter().enumerate() {
                let lane = plot.lane(i, boxes.len(), 4.0);
                let name = font::fit(name, names + 0.1, SMALL, false);
                page.text((plot.x - 4.0, lane.middle()), &name, page.ink(SMALL, "text"), HPos::Right)?;
                if numbers.iter().any(|x| !x.is_finite()) {
                    page.text((plot.x + 4.0, lane.middle()), "undefined", page.ink(SMALL, "dim"), HPos::Left)?;
                    continue;
                }
                let [low, first, median, third, high] = numbers.map(|x| place(plot, &range, &range, (x, range.start)).0);
                let colour = page.colour(COLOURS[i % COLOURS.len()]);
                page.line(&[(low, lane.middle()), (high, lane.middle())], colour, 0.7)?;
                let body = Frame { x: first, width: (third - first).max(0.5), ..lane };
                page.rect(body, colour.mix(page.colour("background"), 0.5))?;
                page.line(&[(median, lane.y), (median, lane.bottom())], colour, 1.2)?;
            }
            Ok(())
        }
    }
}

/// A range with a little room at both ends; of nothing, 0 to 1.
fn around(low: f64, high: f64) -> Range<f64> {
    match (low.is_finite() && high.is_finite(), high > low) {
        (true, true) => low - 0.04 * (high - low)..high + 0.04 * (high - low),
        (true, false) => low - 0.5..low + 0.5,
        _ => 0.0..1.0,
    }
}

fn place(frame: Frame, x: &Range<f64>, y: &Range<f64>, point: (f64, f64)) -> (f64, f64) {
    let share = |range: &Range<f64>, value: f64| ((value - range.start) / (range.end - range.start)).clamp(0.0, 1.0);
    (frame.x + share(x, point.0) * frame.width, frame.bottom() - share(y, point.1) * frame.height)
}

fn line(
    page: &Page<'_>,
    frame: Frame,
    (x, y): (&Range<f64>, &Range<f64>),
    points: &[(f64, f64)],
    colour: Rgb,
    width: f64,
) -> Drawn {
    let defined = points.iter().filter(|p| p.0.is_finite() && p.1.is_finite());
    page.line(&defined.map(|p| place(frame, x, y, *p)).collect::<Vec<_>>(), colour, width)
}

/// The axes with ticks at round numbers; `y` has none where it holds names.
fn axes(page: &Page<'_>, chart: &Chart, frame: Frame, x: &Range<f64>, y: Option<&Range<f64>>) -> Drawn {
    let dim = page.colour("dim");
    page.line(&[(frame.x, frame.y), (frame.x, frame.bottom()), (frame.right(), frame.bottom())], dim, 0.5)?;
    let ink = page.ink(SMALL, "dim");
    for tick in ticks(x) {
        let (at, _) = place(frame, x, x, (tick, x.start));
        page.line(&[(at, frame.bottom()), (at, frame.bottom() + 2.0)], dim, 0.5)?;
        page.text((at, frame.bottom() + 6.0), &number(tick), ink, HPos::Center)?;
    }
    let name = font::fit(&chart.axes[0], frame.width, SMALL, false);
    page.text((frame.x + frame.width / 2.0, frame.bottom() + 15.0), &name, page.ink(SMALL, "text"), HPos::Center)?;
    let Some(y) = y else { return Ok(()) };
    for tick in ticks(y) {
        let (_, at) = place(frame, y, y, (y.start, tick));
        page.line(&[(frame.x - 2.0, at), (frame.x, at)], dim, 0.5)?;
        page.text((frame.x - 4.0, at), &number(tick), ink, HPos::Right)?;
    }
    page.upward((frame.x - LEFT + 6.0, frame.middle()), &chart.axes[1], page.ink(SMALL, "text"))
}

/// Four to nine round numbers in a range.
fn ticks(range: &Range<f64>) -> Vec<f64> {
    let span = range.end - range.start;
    let power = 10f64.powf((span / 5.0).log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|step| span / step <= 7.0).unwrap_or(span);
    let first = (range.start / step).ceil() as i64;
    (first..first + 12).map(|i| i as f64 * step).take_while(|x| *x <= range.end + 1e-9 * span).collect()
}

/// A tick's number without the rounding of its making.
fn number(x: f64) -> String {
    let text = format!("{x:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.replace('-', "\u{2212}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(charts: &[Chart]) -> Result<String, FigureError> {
        draw_charts("a < b", &["made by & for".to_owned()], charts, 174.0, &Theme::named("print").unwrap())
    }

    fn chart(marks: Marks) -> Chart {
        Chart { title: "t".to_owned(), axes: ["measured".to_owned(), "predicted".to_owned()], marks }
    }

    #[test]
    fn every_kind_of_chart_is_drawn_and_is_sound_xml() {
        let curve = vec![(0.0, 0.0), (0.2, 0.9), (1.0, 1.0)];
        let charts = [
            chart(Marks::Points(vec![(-1.0, -0.5), (2.0, 3.0), (f64::NAN, 1.0)])),
            chart(Marks::Curves { curves: vec![("model".to_owned(), curve)], has_diagonal: true }),
            chart(Marks::Boxes(vec![("one".to_owned(), [0.1, 0.2, 0.3, 0.4, 0.5]), ("two".to_owned(), [f64::NAN; 5])])),
            chart(Marks::Points(Vec::new())),
            chart(Marks::Bars(vec![("up".to_owned(), 0.5), ("down & out".to_owned(), -0.25), ("none".to_owned(), f64::NAN)])),
            chart(Marks::Bars(Vec::new())),
            chart(Marks::Lines(vec![
                ("on".to_owned(), vec![(-5.0, 0.0), (0.0, 2.0), (5.0, f64::NAN)]),
                ("off".to_owned(), Vec::new()),
            ])),
            chart(Marks::Lines(Vec::new())),
        ];
        let svg = page(&charts).unwrap();
        let mut reader = quick_xml::Reader::from_str(&svg);
        let mut depth = 0;
        loop {
            match reader.read_event().unwrap() {
                quick_xml::events::Event::Start(_) => depth += 1,
                quick_xml::events::Event::End(_) => depth -= 1,
                quick_xml::events::Event::Eof => break,
                _ => {}
            }
        }
        assert_eq!(depth, 0);
        assert!(svg.contains("a &lt; b") && svg.contains("made by &amp; for") && svg.contains("undefined"));
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
        assert_eq!(svg, page(&charts).unwrap());
        assert!(matches!(page(&[]), Err(FigureError::NoRows)));
    }

    #[test]
    fn a_point_stands_where_its_numbers_say() {
        let frame = Frame { x: 10.0, y: 20.0, width: 100.0, height: 50.0 };
        assert_eq!(place(frame, &(0.0..10.0), &(0.0..1.0), (5.0, 0.25)), (60.0, 57.5));
        assert_eq!(ticks(&(0.0..1.0)), [0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0]);
        assert_eq!(ticks(&(-3.1..7.9)), [-2.0, 0.0, 2.0, 4.0, 6.0]);
        assert_eq!([0.6000000000000001, -2.0, -0.0, 1e4].map(number), ["0.6", "\u{2212}2", "0", "10000"]);
    }
}
